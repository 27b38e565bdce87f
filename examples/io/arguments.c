/* io/arguments.c: the command line of ne_embed.
 *
 * The program's own flags are the table below, from which they are read, suggested and printed. Whatever else begins with
 * -- is an option of the method, and only the library knows which of those there are. */
#include "io/arguments.h"
#include "io/bytes.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef enum flag_kind {
    FLAG_SWITCH,
    FLAG_TEXT,
    FLAG_COUNT /* 1 or more */
} flag_kind;

typedef struct flag {
    const char *name, *value, *help;
    flag_kind   kind;
    size_t      offset;
} flag;

static const char DEFAULT_METHOD[] = "tsne";

#define AT(field) offsetof(arguments, field)
static const flag FLAGS[] = {
    {"method", "NAME", "how to embed; the methods are listed below", FLAG_TEXT, AT(method)},
    {"labels", "FILE", "a label a row: .npy, IDX, or text with one word or number a line", FLAG_TEXT, AT(labels)},
    {"label-column", "NAME", "the column of a .csv or .tsv that holds labels and no data", FLAG_TEXT, AT(label_column)},
    {"id-column", "NAME", "the column to carry over to the first one of a .csv OUTPUT", FLAG_TEXT, AT(id_column)},
    {"rows", "N", "take the first N rows only", FLAG_COUNT, AT(rows)},
    {"standardize", NULL, "first give each column mean 0 and standard deviation 1", FLAG_SWITCH, AT(standardize)},
    {"pca", "N", "then reduce the columns to N principal components", FLAG_COUNT, AT(pca)},
    {"plot", "FILE", "draw the embedding into a .png or .svg", FLAG_TEXT, AT(plot)},
    {"score", NULL, "print scores; their time grows with the square of the rows", FLAG_SWITCH, AT(score)},
    {"threads", "N", "use N threads", FLAG_COUNT, AT(threads)},
    {"quiet", NULL, "say nothing but warnings and errors", FLAG_SWITCH, AT(quiet)},
    {"version", NULL, "print the version", FLAG_SWITCH, AT(version)},
    {"help", NULL, "print this (so does -h), or with --method NAME the options of that method", FLAG_SWITCH, AT(help)},
};

enum {
    FLAG_TOTAL  = sizeof FLAGS / sizeof *FLAGS,
    HELP_COLUMN = 24,
    WORD_LENGTH = 24,
    INFO_TEXT   = 256
};

/* - and _ are one letter in the name of a flag, which ends at a 0 or at '='. */
static int flag_letter(char c)
{
    return c == '_' ? '-' : c == '=' ? 0 : c;
}

static const flag *flag_find(const char *name)
{
    for (size_t i = 0; i < FLAG_TOTAL; i++) {
        size_t at = 0;
        while (flag_letter(name[at]) && flag_letter(name[at]) == FLAGS[i].name[at]) at++;
        if (!flag_letter(name[at]) && !FLAGS[i].name[at]) return &FLAGS[i];
    }
    return NULL;
}

/* Levenshtein's distance, of names of up to WORD_LENGTH letters. */
static size_t flag_distance(const char *a, const char *b)
{
    size_t row[WORD_LENGTH + 1] = {0};
    for (size_t j = 0; j <= strlen(b); j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0]          = i + 1;
        for (size_t j = 0; b[j]; j++) {
            const size_t change = diagonal + (flag_letter(a[i]) != flag_letter(b[j]));
            const size_t gap    = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal            = row[j + 1];
            row[j + 1]          = change < gap ? change : gap;
        }
    }
    return row[strlen(b)];
}

static ne_status flag_set(const flag *of, const char *value, arguments *to)
{
    char *const field = (char *)to + of->offset;
    if (of->kind == FLAG_SWITCH) {
        if (value) return ne_fail(NE_INVALID_ARGUMENT, "--%s: '%s' is given, and it takes no value", of->name, value);
        *(int *)field = 1;
        return NE_OK;
    }
    if (!value) return ne_fail(NE_INVALID_ARGUMENT, "--%s: needs a value, %s", of->name, of->value);
    if (of->kind == FLAG_TEXT) {
        *(const char **)field = value;
        return NE_OK;
    }
    char *end             = NULL;
    errno                 = 0;
    const long long count = strtoll(value, &end, 10);
    if (end == value || *end) return ne_fail(NE_INVALID_ARGUMENT, "--%s: '%s' is not a whole number", of->name, value);
    if (count < 1 || errno == ERANGE) return ne_fail(NE_OUT_OF_RANGE, "--%s: %s is outside [1, inf)", of->name, value);
    *(int64_t *)field = count;
    return NE_OK;
}

static ne_status option_add(const char *name, const char *value, arguments *to)
{
    const size_t length = strcspn(name, "=");
    if (!value) return ne_fail(NE_INVALID_ARGUMENT, "--%.*s: needs a value", (int)length, name);
    method_option *longer = realloc(to->options, (to->option_count + 1) * sizeof *longer);
    if (longer) to->options = longer;
    char *own = longer ? strndup(name, length) : NULL;
    if (!own) return ne_fail(NE_OUT_OF_MEMORY, "no memory for the command line");
    for (char *at = own; *at; at++)
        if (*at == '-') *at = '_';
    to->options[to->option_count++] = (method_option){own, value};
    return NE_OK;
}

ne_status arguments_parse(int argc, char **argv, arguments *to)
{
    ne_status st         = NE_OK;
    int       only_names = 0; /* after "--" */
    for (int i = 1; i < argc && st == NE_OK; i++) {
        const char *word = argv[i];
        if (!only_names && strcmp(word, "--") == 0) {
            only_names = 1;
        } else if (!only_names && strcmp(word, "-h") == 0) {
            to->help = 1;
        } else if (!only_names && strncmp(word, "--", 2) == 0) {
            const flag *own   = flag_find(word + 2);
            const char *value = strchr(word, '=') ? strchr(word, '=') + 1 : NULL;
            if (!value && !(own && own->kind == FLAG_SWITCH) && i + 1 < argc) value = argv[++i];
            st = own ? flag_set(own, value, to) : option_add(word + 2, value, to);
        } else if (!only_names && word[0] == '-' && word[1]) {
            st = ne_fail(NE_INVALID_ARGUMENT, "unknown option '%s'; options begin with --", word);
        } else if (to->input && to->output) {
            st = ne_fail(NE_INVALID_ARGUMENT, "'%s' is one name too many; one INPUT and one OUTPUT are taken", word);
        } else {
            *(to->input ? &to->output : &to->input) = word;
        }
    }
    return st;
}

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

ne_status arguments_check(const arguments *from)
{
    const char *missing = !from->input ? "INPUT" : !from->output ? "OUTPUT" : NULL;
    if (missing)
        return ne_fail(NE_INVALID_ARGUMENT,
                       "%s is missing; usage: ne_embed INPUT OUTPUT [--OPTION VALUE ...], see --help", missing);
    if (!bytes_name_ends(from->output, ".npy") && !bytes_name_ends(from->output, ".csv"))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: OUTPUT ends neither in .npy nor in .csv", from->output);
    if (from->plot && !bytes_name_ends(from->plot, ".png") && !bytes_name_ends(from->plot, ".svg"))
        return ne_fail(NE_INVALID_ARGUMENT, "--plot: %s ends neither in .png nor in .svg", from->plot);
    if (same_file(from->input, from->output))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: is INPUT and OUTPUT at once", from->output);
    if (from->labels && same_file(from->labels, from->output))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: holds the labels and is OUTPUT at once", from->output);
    if (from->labels && from->label_column)
        return ne_fail(NE_INVALID_ARGUMENT, "--labels and --label-column: only one of them can give the labels");
    return NE_OK;
}

const char *arguments_default_method(void)
{
    return DEFAULT_METHOD;
}

ne_status arguments_apply(const arguments *from, ne_embedding *embedding)
{
    for (size_t i = 0; i < from->option_count; i++) {
        const method_option *option = &from->options[i];
        const ne_status      st     = ne_embedding_set(embedding, option->name, option->value);
        if (st == NE_UNKNOWN_NAME) {
            size_t best = 0;
            for (size_t k = 1; k < FLAG_TOTAL; k++)
                if (flag_distance(option->name, FLAGS[k].name) < flag_distance(option->name, FLAGS[best].name))
                    best = k;
            const size_t near = strlen(FLAGS[best].name) <= 4 ? 1 : 2;
            if (flag_distance(option->name, FLAGS[best].name) <= near)
                return ne_fail(st, "unknown option '%s'; did you mean '--%s'?", option->name, FLAGS[best].name);
        }
        if (st != NE_OK) return st;
    }
    return NE_OK;
}

void arguments_clear(arguments *of)
{
    for (size_t i = 0; i < of->option_count; i++) free(of->options[i].name);
    free(of->options);
    *of = (arguments){0};
}

void arguments_help(FILE *file)
{
    fprintf(file, "usage: ne_embed INPUT OUTPUT [--method %s] [--OPTION VALUE ...]\n\n", DEFAULT_METHOD);
    fprintf(file, "Embeds the rows of INPUT in a plane, or in as many dimensions as --n_components says.\n\n");
    fprintf(file, "  %-*s.npy, IDX (as MNIST), .csv or .tsv, gzipped or not\n", HELP_COLUMN, "INPUT");
    fprintf(file, "  %-*s.npy or .csv; it is written whole or not at all\n\n", HELP_COLUMN, "OUTPUT");
    for (size_t i = 0; i < FLAG_TOTAL; i++) {
        char name[HELP_COLUMN + 8];
        snprintf(name, sizeof name, "--%s %s", FLAGS[i].name, FLAGS[i].value ? FLAGS[i].value : "");
        fprintf(file, "  %-*s%s\n", HELP_COLUMN, name, FLAGS[i].help);
    }
    fprintf(file, "\nMethods, and what --method NAME --help says about their options:\n");
    for (size_t i = 0; ne_type_name("method", i); i++)
        fprintf(file, "  %-*s%s\n", HELP_COLUMN, ne_type_name("method", i), ne_type_help("method", i));
    fprintf(file, "\nExit status: 0 done, 1 failed, 2 the command line is wrong.\n");
}

static const char *option_text(const ne_embedding *embedding, size_t index, const char *field, char text[INFO_TEXT])
{
    if (ne_embedding_option_info(embedding, index, field, text, INFO_TEXT) != NE_OK) text[0] = 0;
    return text;
}

void arguments_help_method(FILE *file, const char *method, const ne_embedding *embedding)
{
    char owner[INFO_TEXT] = "", text[INFO_TEXT], unit[INFO_TEXT];
    fprintf(file, "Options of %s: --NAME VALUE, where it stands now, and the range; then what it does\n", method);
    for (size_t i = 0; i < ne_embedding_option_count(embedding); i++) {
        if (strcmp(option_text(embedding, i, "owner", text), owner) != 0) {
            snprintf(owner, sizeof owner, "%s", text);
            fprintf(file, "\n%s\n", owner);
        }
        fprintf(file, "  --%s", option_text(embedding, i, "name", text));
        fprintf(file, " %s", option_text(embedding, i, "default", text));
        fprintf(file, "    %s", option_text(embedding, i, "range", text));
        option_text(embedding, i, "unit", unit);
        fprintf(file, "%s%s\n", *unit ? " " : "", unit);
        fprintf(file, "      %s\n", option_text(embedding, i, "help", text));
    }
}
