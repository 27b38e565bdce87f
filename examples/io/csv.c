/* io/csv.c: records of comma-separated text. One pass; a field's end is marked by a 0 written over what followed it. */
#include "io/csv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

ne_status csv_open(const char *path, bytes *file, csv_reader *reader)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* UTF-8 byte order mark */
    *reader                  = (csv_reader){.path = path, .at = (char *)file->data, .next_line = 1};
    if (memchr(file->data, 0, file->size)) return ne_fail(NE_IO, "%s: not a text file: it holds zero bytes", path);
    if (strncmp(reader->at, mark, strlen(mark)) == 0) reader->at += strlen(mark);
    reader->separator = bytes_name_ends_or_gz(path, ".csv") ? ',' : bytes_name_ends_or_gz(path, ".tsv") ? '\t' : 0;
    return NE_OK;
}

void csv_guess(csv_reader *reader)
{
    const char *line = reader->at + strspn(reader->at, "\r\n");
    const char *mark = line + strcspn(line, ",\r\n"), *tab = line + strcspn(line, "\t\r\n");
    reader->separator = *tab == '\t' && *mark != ',' ? '\t' : ',';
}

void csv_close(csv_reader *reader)
{
    free(reader->field);
    reader->field = NULL;
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

/* A field in quotes, undone in place; reader->at is left behind the closing quote. NULL: there is none. */
static char *csv_quoted(csv_reader *reader)
{
    char *const field = ++reader->at;
    char       *to    = field;
    for (char *from = field; *from; from++) {
        if (*from == '"' && from[1] != '"') {
            reader->at = from + 1;
            *to        = 0;
            return field;
        }
        if (*from == '"') from++;
        if (*from == '\n') reader->next_line++;
        *to++ = *from;
    }
    return NULL;
}

/* A field without quotes, not yet closed by a 0; reader->at is left at what follows it. */
static char *csv_bare(csv_reader *reader)
{
    char *const field = reader->at;
    char       *at    = field;
    while (*at && *at != '\n' && !(*at == '\r' && at[1] == '\n') && (*at != reader->separator || !*at)) at++;
    reader->at = at;
    return field;
}

ne_status csv_next(csv_reader *reader)
{
    ne_status st  = NE_OK;
    reader->count = 0;
    while (*reader->at == '\n' || (*reader->at == '\r' && reader->at[1] == '\n')) {
        reader->at += *reader->at == '\r' ? 2 : 1;
        reader->next_line++;
    }
    reader->line = reader->next_line;

    for (int more = *reader->at != 0; more && st == NE_OK;) {
        const int quoted = *reader->at == '"';
        char     *field  = quoted ? csv_quoted(reader) : csv_bare(reader);
        if (!field)
            return ne_fail(NE_IO, "%s: line %zu, column %zu: the quotes are not closed", reader->path, reader->line,
                           reader->count + 1);
        char *const end   = reader->at;
        const char  after = *end;
        const int   crlf  = after == '\r' && end[1] == '\n';
        if (after && after != '\n' && !crlf && after != reader->separator)
            return ne_fail(NE_IO, "%s: line %zu, column %zu: text after the closing quote", reader->path, reader->line,
                           reader->count + 1);
        more = after && after == reader->separator;
        if (after) reader->at += crlf ? 2 : 1;
        if (after == '\n' || crlf) reader->next_line++;
        if (!quoted) *end = 0;
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
