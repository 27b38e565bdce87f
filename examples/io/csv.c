/* io/csv.c: records of comma-separated text.
 *
 * The end of a record is looked for first, and the text is read on until it is there; then its fields are cut out in place:
 * a field's end is marked by a 0 written over what followed it. */
#include "io/csv.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 1 << 20 /* bytes that are asked of the source at once */
};

/* Reads another piece, or as much again as a long record has already. */
static ne_status csv_fill(csv_reader *reader)
{
    bytes_source *source = reader->source;
    bytes_drop(source, reader->at);
    reader->at           = 0;
    const size_t    had  = source->file.size;
    const size_t    want = had < SIZE_MAX / 2 - PIECE ? 2 * had + PIECE : SIZE_MAX;
    const ne_status st   = bytes_more(source, want);
    if (st != NE_OK) return st;
    reader->ended = source->file.size < want;
    if (memchr(source->file.data + had, 0, source->file.size - had))
        return ne_fail(NE_IO, "%s: not a text file: it holds zero bytes", reader->path);
    return NE_OK;
}

ne_status csv_open(const char *path, bytes_source *source, csv_reader *reader)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* UTF-8 byte order mark */
    *reader                  = (csv_reader){.path = path, .source = source, .next_line = 1};
    reader->separator = bytes_name_ends_or_gz(path, ".csv") ? ',' : bytes_name_ends_or_gz(path, ".tsv") ? '\t' : 0;
    if (source->file.data && memchr(source->file.data, 0, source->file.size))
        return ne_fail(NE_IO, "%s: not a text file: it holds zero bytes", path);
    const ne_status st = csv_fill(reader);
    if (st != NE_OK) return st;
    if (strncmp((const char *)source->file.data, mark, strlen(mark)) == 0) reader->at = strlen(mark);
    return NE_OK;
}

void csv_guess(csv_reader *reader)
{
    const char *text = (const char *)reader->source->file.data + reader->at;
    const char *line = text + strspn(text, "\r\n");
    const char *mark = line + strcspn(line, ",\r\n"), *tab = line + strcspn(line, "\t\r\n");
    reader->separator = *tab == '\t' && *mark != ',' ? '\t' : ',';
}

void csv_close(csv_reader *reader)
{
    free(reader->field);
    reader->field = NULL;
}

/* Where the record that begins at reader->at ends, behind its line end; 0: not within the bytes that are there. */
static size_t csv_record_end(const csv_reader *reader)
{
    const char *const begin = (const char *)reader->source->file.data;
    const char *const end = begin + reader->source->file.size, *at = begin + reader->at;
    const char *const line = memchr(at, '\n', (size_t)(end - at));
    if (line && !memchr(at, '"', (size_t)(line - at))) return (size_t)(line + 1 - begin); /* most of them */
    for (int quoted = 0, first = 1; at < end; at++) {
        if (quoted && *at == '"') {
            if (at[1] == '"') at++;
            else quoted = 0;
        } else if (!quoted && *at == '\n') {
            return (size_t)(at + 1 - begin);
        } else if (!quoted) {
            quoted = first && *at == '"';
            first  = *at == reader->separator;
        }
    }
    return reader->ended ? (size_t)(end - begin) : 0;
}

/* Moves to the next record that is not empty. *end: behind it, or where it would begin when there is none. */
static ne_status csv_seek(csv_reader *reader, size_t *end)
{
    ne_status st = NE_OK;
    while (st == NE_OK) {
        *end = csv_record_end(reader);
        if (*end == 0 && !reader->ended) {
            st = csv_fill(reader);
            continue;
        }
        const char *const at = (const char *)reader->source->file.data + reader->at;
        if (*at != '\n' && !(*at == '\r' && at[1] == '\n')) break;
        reader->at = *end;
        reader->next_line++;
    }
    return st;
}

static ne_status csv_add(csv_reader *reader, char *field)
{
    if (reader->count == reader->room) {
        const size_t room   = 2 * reader->room + 16;
        char       **larger = realloc(reader->field, room * sizeof *larger);
        if (!larger) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu columns", reader->path, room);
        reader->field = larger;
        reader->room  = room;
    }
    reader->field[reader->count++] = field;
    return NE_OK;
}

/* A field in quotes, undone in place; *at is left behind the closing quote. NULL: there is none. */
static char *csv_quoted(csv_reader *reader, char **at)
{
    char *const field = ++*at;
    char       *to    = field;
    for (char *from = field; *from; from++) {
        if (*from == '"' && from[1] != '"') {
            *at = from + 1;
            *to = 0;
            return field;
        }
        if (*from == '"') from++;
        if (*from == '\n') reader->next_line++;
        *to++ = *from;
    }
    return NULL;
}

/* A field without quotes, not yet closed by a 0; *at is left at what follows it. */
static char *csv_bare(const csv_reader *reader, char **at)
{
    char *const field = *at;
    char       *end   = field;
    while (*end && *end != '\n' && !(*end == '\r' && end[1] == '\n') && (*end != reader->separator || !*end)) end++;
    *at = end;
    return field;
}

ne_status csv_next(csv_reader *reader)
{
    size_t    end = 0;
    ne_status st  = csv_seek(reader, &end);
    if (st != NE_OK) return st;
    char *at      = (char *)reader->source->file.data + reader->at;
    reader->at    = end;
    reader->count = 0;
    reader->line  = reader->next_line;

    for (int more = *at != 0; more && st == NE_OK;) {
        const int quoted = *at == '"';
        char     *field  = quoted ? csv_quoted(reader, &at) : csv_bare(reader, &at);
        if (!field)
            return ne_fail(NE_IO, "%s: line %zu, column %zu: the quotes are not closed", reader->path, reader->line,
                           reader->count + 1);
        char *const close = at;
        const char  after = *close;
        const int   crlf  = after == '\r' && close[1] == '\n';
        if (after && after != '\n' && !crlf && after != reader->separator)
            return ne_fail(NE_IO, "%s: line %zu, column %zu: text after the closing quote", reader->path, reader->line,
                           reader->count + 1);
        more = after && after == reader->separator;
        if (after) at += crlf ? 2 : 1;
        if (after == '\n' || crlf) reader->next_line++;
        if (!quoted) *close = 0;
        st = csv_add(reader, field);
    }
    return st;
}

int csv_number(const char *text, double *value)
{
    char *end = NULL;
    *value    = strtod(text, &end);
    if (end == text) return 0;
    while (isspace((unsigned char)*end)) end++;
    return *end == 0;
}

char *csv_trim(char *field)
{
    while (isspace((unsigned char)*field)) field++;
    char *end = field + strlen(field);
    while (end > field && isspace((unsigned char)end[-1])) end--;
    *end = 0;
    return field;
}
