/* io/flags.c: a program's own flags, by their table. */
#include "io/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD_LENGTH = 24,
    NAME_LENGTH = 48
};

/* - and _ are one letter in the name of a flag, which ends at a 0 or at '='. */
static int flag_letter(char c)
{
    return c == '_' ? '-' : c == '=' ? 0 : c;
}

static const flag *flag_find(const flag_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        size_t at = 0;
        while (flag_letter(name[at]) && flag_letter(name[at]) == table->flags[i].name[at]) at++;
        if (!flag_letter(name[at]) && !table->flags[i].name[at]) return &table->flags[i];
    }
    return NULL;
}

/* Levenshtein's distance, b of up to WORD_LENGTH letters. */
size_t flags_word_distance(const char *a, const char *b)
{
    size_t       row[WORD_LENGTH + 1] = {0};
    const size_t length               = strnlen(b, WORD_LENGTH);
    for (size_t j = 0; j <= length; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0]          = i + 1;
        for (size_t j = 0; j < length; j++) {
            const size_t change = diagonal + (flag_letter(a[i]) != flag_letter(b[j]));
            const size_t gap    = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal            = row[j + 1];
            row[j + 1]          = change < gap ? change : gap;
        }
    }
    return row[length];
}

size_t flags_distance(const flag_table *table, const char *name, const flag **nearest)
{
    size_t least = SIZE_MAX;
    *nearest     = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const size_t distance = flags_word_distance(name, table->flags[i].name);
        if (distance >= least) continue;
        least    = distance;
        *nearest = &table->flags[i];
    }
    return least;
}

static ne_status flag_set_count(const flag *of, const char *value, int64_t *to)
{
    char *end             = NULL;
    errno                 = 0;
    const long long count = strtoll(value, &end, 10);
    if (end == value || *end) return ne_fail(NE_INVALID_ARGUMENT, "--%s: '%s' is not a whole number", of->name, value);
    if (count < 1 || errno == ERANGE) return ne_fail(NE_OUT_OF_RANGE, "--%s: %s is outside [1, inf)", of->name, value);
    *to = count;
    return NE_OK;
}

static ne_status flag_set(const flag *of, const char *value, void *arguments)
{
    void *const field = (char *)arguments + of->offset;
    if (of->kind == FLAG_SWITCH) {
        if (value) return ne_fail(NE_INVALID_ARGUMENT, "--%s: '%s' is given, and it takes no value", of->name, value);
        *(int *)field = 1;
        return NE_OK;
    }
    if (of->kind == FLAG_OPTIONAL && !value) value = "";
    if (!value) return ne_fail(NE_INVALID_ARGUMENT, "--%s: needs a value, %s", of->name, of->value);
    if (of->kind == FLAG_COUNT) return flag_set_count(of, value, field);
    *(const char **)field = value;
    return NE_OK;
}

static int flag_takes(const flag *of, const char *word)
{
    if (of->kind == FLAG_OPTIONAL) return of->takes(word);
    return of->kind != FLAG_SWITCH;
}

ne_status flags_read(const flag_table *table, int argc, char **argv, int *at, int *only_names, flag_found *found,
                     const char **value)
{
    const char *word = argv[*at];
    *value           = NULL;
    if (!*only_names && strcmp(word, "--") == 0 && *at + 1 < argc) {
        *only_names = 1;
        word        = argv[++*at];
    }
    *found = FLAG_WORD;
    if (*only_names || word[0] != '-' || !word[1]) return NE_OK; /* "-" alone is the name of standard input */
    *found = FLAG_DASH;
    if (word[1] != '-') return NE_OK;
    if (!word[2]) { /* "--" as the last word */
        *only_names = 1;
        *found      = FLAG_OWN;
        return NE_OK;
    }
    const flag *own   = flag_find(table, word + 2);
    const char *equal = strchr(word, '=');
    *value            = equal ? equal + 1 : NULL;
    *found            = own ? FLAG_OWN : FLAG_OTHER;
    if (!*value && *at + 1 < argc && (!own || flag_takes(own, argv[*at + 1]))) *value = argv[++*at];
    return own ? flag_set(own, *value, table->arguments) : NE_OK;
}

void flags_help(const flag_table *table, int column, FILE *file)
{
    for (size_t i = 0; i < table->count; i++) {
        char name[NAME_LENGTH];
        snprintf(name, sizeof name, "--%s %s", table->flags[i].name,
                 table->flags[i].value ? table->flags[i].value : "");
        fprintf(file, "  %-*s%s\n", column, name, table->flags[i].help);
    }
}
