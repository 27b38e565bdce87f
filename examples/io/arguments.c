/* io/arguments.c: the command line of ne_embed.
 *
 * The program's own flags are the table below, from which they are read, suggested and printed. Whatever else begins with
 * -- is an option of the method, and only the library knows which of those there are. */
#include "io/arguments.h"
#include "io/bytes.h"
#include "io/flags.h"
#include "io/methods.h"
#include "io/scores.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char DEFAULT_METHOD[] = "tsne";

#define AT(field) offsetof(arguments, field)
static const flag FLAGS[] = {
    {"method", "NAME[,NAME]", "how to embed; several methods, or all, are drawn side by side", FLAG_TEXT, AT(method),
     NULL},
    {"skip", "NAME[,NAME]", "methods to leave out of --method all", FLAG_TEXT, AT(skip), NULL},
    {"output", "FILE", "OUTPUT by name", FLAG_TEXT, AT(output), NULL},
    {"labels", "FILE", "a label a row: .npy, IDX, or text with one word or number a line", FLAG_TEXT, AT(labels), NULL},
    {"label-column", "NAME", "the column of a .csv or .tsv that holds labels and no data", FLAG_TEXT, AT(label_column),
     NULL},
    {"id-column", "NAME", "the column to carry over to the first one of a .csv OUTPUT", FLAG_TEXT, AT(id_column), NULL},
    {"rows", "N", "take the first N rows only", FLAG_COUNT, AT(rows), NULL},
    {"standardize", NULL, "first give each column mean 0 and standard deviation 1", FLAG_SWITCH, AT(standardize), NULL},
    {"pca", "N", "then reduce the columns to N principal components", FLAG_COUNT, AT(pca), NULL},
    {"stream", NULL, "INPUT may exceed memory: a .npy of floats is mapped, all else kept in a temporary file",
     FLAG_SWITCH, AT(stream), NULL},
    {"dense", NULL, "fill in the zeros of a sparse INPUT", FLAG_SWITCH, AT(dense), NULL},
    {"plot", "FILE", "draw the embedding into a .png or .svg; OUTPUT may then be left out", FLAG_TEXT, AT(plot), NULL},
    {"score", "[NAME,...]", "print these scores, or all; their time grows with the square of the rows", FLAG_OPTIONAL,
     AT(score), scores_are_named},
    {"sample", "N", "take trustworthiness and silhouette on N rows; 5000 and 20000", FLAG_COUNT, AT(sample), NULL},
    {"threads", "N", "use N threads", FLAG_COUNT, AT(threads), NULL},
    {"quiet", NULL, "say nothing but warnings and errors", FLAG_SWITCH, AT(quiet), NULL},
    {"version", NULL, "print the version", FLAG_SWITCH, AT(version), NULL},
    {"help", NULL, "print this (so does -h), or with --method NAME the options of that method", FLAG_SWITCH, AT(help),
     NULL},
};

enum {
    FLAG_TOTAL  = sizeof FLAGS / sizeof *FLAGS,
    HELP_COLUMN = 24,
    INFO_TEXT   = 256
};

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
    const flag_table table      = {FLAGS, FLAG_TOTAL, to};
    ne_status        st         = NE_OK;
    int              only_names = 0;
    for (int i = 1; i < argc && st == NE_OK; i++) {
        const char *word = argv[i], *value = NULL;
        flag_found  found = FLAG_OWN;
        if (!only_names && strcmp(word, "-h") == 0) {
            to->help = 1;
            continue;
        }
        st = flags_read(&table, argc, argv, &i, &only_names, &found, &value);
        if (st != NE_OK || found == FLAG_OWN) continue;
        if (found == FLAG_OTHER) st = option_add(word + 2, value, to);
        else if (found == FLAG_DASH)
            st = ne_fail(NE_INVALID_ARGUMENT, "unknown option '%s'; options begin with --", word);
        else if (to->input && to->output)
            st = ne_fail(NE_INVALID_ARGUMENT, "'%s' is one name too many; one INPUT and one OUTPUT are taken", argv[i]);
        else *(to->input ? &to->output : &to->input) = argv[i];
    }
    return st;
}

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

ne_status arguments_check_output(const arguments *from, const char *path)
{
    if (same_file(from->input, path)) return ne_fail(NE_INVALID_ARGUMENT, "%s: is INPUT and OUTPUT at once", path);
    if (from->labels && same_file(from->labels, path))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: holds the labels and is OUTPUT at once", path);
    return NE_OK;
}

ne_status arguments_check(const arguments *from)
{
    const char *missing = !from->input ? "INPUT" : !from->output && !from->plot ? "OUTPUT" : NULL;
    if (missing)
        return ne_fail(NE_INVALID_ARGUMENT,
                       "%s is missing; usage: ne_embed INPUT OUTPUT [--OPTION VALUE ...], see --help", missing);
    if (from->output && !bytes_name_ends(from->output, ".npy") && !bytes_name_ends(from->output, ".csv"))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: OUTPUT ends neither in .npy nor in .csv", from->output);
    if (from->plot && !bytes_name_ends(from->plot, ".png") && !bytes_name_ends(from->plot, ".svg"))
        return ne_fail(NE_INVALID_ARGUMENT, "--plot: %s ends neither in .png nor in .svg", from->plot);
    if (from->labels && from->label_column)
        return ne_fail(NE_INVALID_ARGUMENT, "--labels and --label-column: only one of them can give the labels");
    if (from->labels && strcmp(from->labels, "-") == 0 && strcmp(from->input, "-") == 0)
        return ne_fail(NE_INVALID_ARGUMENT, "--labels: standard input is INPUT already");
    const ne_status st = from->output ? arguments_check_output(from, from->output) : NE_OK;
    return st == NE_OK && from->score ? scores_check(from->score) : st;
}

const char *arguments_default_method(void)
{
    return DEFAULT_METHOD;
}

/* The library's own words tell an option that is not there from a value that is none. */
static int is_unknown_option(ne_status st)
{
    static const char words[] = "unknown option '";
    return st == NE_UNKNOWN_NAME && strncmp(ne_last_error(), words, strlen(words)) == 0;
}

static ne_status option_is_unknown(const char *name)
{
    const flag  *nearest  = NULL;
    const size_t distance = flags_distance(&(flag_table){FLAGS, FLAG_TOTAL, NULL}, name, &nearest);
    if (distance <= (strlen(nearest->name) <= 4 ? 1 : 2))
        return ne_fail(NE_UNKNOWN_NAME, "unknown option '%s'; did you mean '--%s'?", name, nearest->name);
    return NE_UNKNOWN_NAME; /* the text of the library stands */
}

ne_status arguments_apply(const arguments *from, ne_embedding *const *embeddings, size_t count)
{
    for (size_t i = 0; i < from->option_count; i++) {
        const method_option *option = &from->options[i];
        size_t               known  = 0;
        for (size_t m = 0; m < count; m++) {
            const ne_status st = ne_embedding_set(embeddings[m], option->name, option->value);
            if (st != NE_OK && !is_unknown_option(st)) return st;
            known += st == NE_OK;
        }
        if (known == 0) return option_is_unknown(option->name);
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
    fprintf(file, "usage: ne_embed INPUT OUTPUT [--method %s] [--OPTION VALUE ...]\n", DEFAULT_METHOD);
    fprintf(file, "       ne_embed INPUT --method all --plot PICTURE [--OPTION VALUE ...]\n\n");
    fprintf(file, "Embeds the rows of INPUT in a plane, or in as many dimensions as --n_components says.\n\n");
    fprintf(file, "  %-*s.npy, IDX (as MNIST), .csv or .tsv, gzipped or not; - is standard input\n", HELP_COLUMN,
            "INPUT");
    fprintf(file, "  %-*s.npz: its first array, FILE.npz:NAME another; or scipy's sparse csr, csc or coo\n",
            HELP_COLUMN, "");
    fprintf(file, "  %-*s.mtx, Matrix Market: sparse or array, gzipped or not; sparse rows stay sparse\n", HELP_COLUMN,
            "");
    fprintf(file, "  %-*s.npy or .csv; it is written whole or not at all\n\n", HELP_COLUMN, "OUTPUT");
    flags_help(&(flag_table){FLAGS, FLAG_TOTAL, NULL}, HELP_COLUMN, file);
    fprintf(file,
            "\nSeveral methods: each is fitted to the same rows and drawn in a panel of its own; OUTPUT y.csv\n"
            "becomes y.NAME.csv for each. An option goes to those of them that have it. all is every method that\n"
            "takes steps, marked with * below; those of n^2 pairs take long on many rows: see --rows and --skip.\n");
    fprintf(file, "\nMethods, and what --method NAME --help says about their options:\n");
    for (size_t i = 0; ne_type_name("method", i); i++)
        fprintf(file, "%c %-*s%s\n", methods_is_of_all(ne_type_name("method", i)) ? '*' : ' ', HELP_COLUMN,
                ne_type_name("method", i), ne_type_help("method", i));
    fprintf(file, "\nScores:\n");
    scores_help(HELP_COLUMN, file);
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
