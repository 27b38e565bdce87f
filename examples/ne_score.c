/* ne_score: judges an embedding, whoever made it: ne_score DATA EMBEDDING. ne_score --help says how.
 *
 * Reads both files with the readers of ne_embed, and prints the scores of ne.h, a line each. */
#include "io/bytes.h"
#include "io/flags.h"
#include "io/scores.h"
#include "io/table.h"
#include "ne.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_USAGE  = 2,
    HELP_COLUMN = 24
};

typedef struct program {
    const char *data, *embedding, *labels_file, *label_column, *id_column, *names, *perplexity;
    int64_t     k, rows, sample, threads;
    int         stream, dense, help, version;

    ne_context *context;
    table       x, y;
    labels      labels; /* of --labels; else a table's */
} program;

#define AT(field) offsetof(program, field)
static const flag FLAGS[] = {
    {"labels", "FILE", "a label a row: .npy, IDX, or text with one word or number a line", FLAG_TEXT, AT(labels_file),
     NULL},
    {"label-column", "NAME", "the column of DATA that holds labels and no data", FLAG_TEXT, AT(label_column), NULL},
    {"id-column", "NAME", "a column of DATA that is no data either", FLAG_TEXT, AT(id_column), NULL},
    {"score", "NAME[,NAME]", "only these of the scores below", FLAG_TEXT, AT(names), NULL},
    {"k", "N", "how many neighbors scores look at; 15", FLAG_COUNT, AT(k), NULL},
    {"perplexity", "X", "of the affinity that kl compares with; 30", FLAG_TEXT, AT(perplexity), NULL},
    {"sample", "N", "take trustworthiness and silhouette on N rows; 5000 and 20000", FLAG_COUNT, AT(sample), NULL},
    {"rows", "N", "take the first N rows of both files only", FLAG_COUNT, AT(rows), NULL},
    {"stream", NULL, "DATA may exceed memory: a .npy of floats is mapped, all else kept in a temporary file",
     FLAG_SWITCH, AT(stream), NULL},
    {"dense", NULL, "fill in the zeros of sparse DATA", FLAG_SWITCH, AT(dense), NULL},
    {"threads", "N", "use N threads", FLAG_COUNT, AT(threads), NULL},
    {"version", NULL, "print the version", FLAG_SWITCH, AT(version), NULL},
    {"help", NULL, "print this", FLAG_SWITCH, AT(help), NULL},
};

enum {
    FLAG_TOTAL = sizeof FLAGS / sizeof *FLAGS
};

static void print_help(void)
{
    printf("usage: ne_score DATA EMBEDDING [--OPTION VALUE ...]\n\n");
    printf("Says how well EMBEDDING, a row for each row of DATA, keeps neighbors and labels.\n\n");
    printf("  %-*s.npy, IDX, .csv or .tsv, gzipped or not; - is standard input\n", HELP_COLUMN, "DATA, EMBEDDING");
    printf("  %-*s.npz: its first array, FILE.npz:NAME another, or scipy's sparse rows; .mtx\n", HELP_COLUMN, "");
    printf("  %-*sA .csv of ne_embed may have its columns id and label; the labels are used.\n\n", HELP_COLUMN, "");
    flags_help(&(flag_table){FLAGS, FLAG_TOTAL, NULL}, HELP_COLUMN, stdout);
    printf("\nScores:\n");
    scores_help(HELP_COLUMN, stdout);
    printf("\nExit status: 0 done, 1 failed, 2 the command line is wrong.\n");
}

static ne_status parse(int argc, char **argv, program *to)
{
    const flag_table known      = {FLAGS, FLAG_TOTAL, to};
    ne_status        st         = NE_OK;
    int              only_names = 0;
    for (int i = 1; i < argc && st == NE_OK; i++) {
        const char *word = argv[i], *value = NULL;
        const flag *nearest = NULL;
        flag_found  found   = FLAG_OWN;
        st                  = flags_read(&known, argc, argv, &i, &only_names, &found, &value);
        if (st != NE_OK || found == FLAG_OWN) continue;
        if (found == FLAG_WORD && !to->data) to->data = argv[i];
        else if (found == FLAG_WORD && !to->embedding) to->embedding = argv[i];
        else if (found == FLAG_WORD) st = ne_fail(NE_INVALID_ARGUMENT, "'%s' is one name too many", argv[i]);
        else if (found == FLAG_OTHER && flags_distance(&known, word + 2, &nearest) <= 2)
            st = ne_fail(NE_UNKNOWN_NAME, "unknown option '%s'; did you mean '--%s'?", word, nearest->name);
        else st = ne_fail(NE_UNKNOWN_NAME, "unknown option '%s'", word);
    }
    return st;
}

static ne_status check(const program *of)
{
    char *end = NULL;
    if (!of->data || !of->embedding)
        return ne_fail(NE_INVALID_ARGUMENT, "%s is missing; usage: ne_score DATA EMBEDDING [--OPTION VALUE ...]",
                       of->data ? "EMBEDDING" : "DATA");
    if (of->labels_file && of->label_column)
        return ne_fail(NE_INVALID_ARGUMENT, "--labels and --label-column: only one of them can give the labels");
    if (bytes_is_stdin(of->data) + bytes_is_stdin(of->embedding) +
            (of->labels_file && bytes_is_stdin(of->labels_file)) >
        1)
        return ne_fail(NE_INVALID_ARGUMENT, "-: standard input can be one file only");
    if (of->perplexity && (!(strtod(of->perplexity, &end) > 0) || *end))
        return ne_fail(NE_INVALID_ARGUMENT, "--perplexity: '%s' is not a positive number", of->perplexity);
    return scores_check(of->names ? of->names : "");
}

static ne_status read_files(program *of)
{
    const table_request data      = {.rows         = (size_t)of->rows,
                                     .label_column = of->label_column,
                                     .id_column    = of->id_column,
                                     .stream       = of->stream ? of->context : NULL,
                                     .dense        = of->dense};
    const table_request embedding = {
        .rows = (size_t)of->rows, .label_column = "label", .id_column = "id", .optional = 1, .dense = 1};
    ne_status st = table_read(of->data, &data, &of->x);
    if (st == NE_OK) st = table_read(of->embedding, &embedding, &of->y);
    if (st == NE_OK && of->x.rows != of->y.rows)
        st = ne_fail(NE_IO, "%s: %zu rows, and %s has %zu", bytes_name(of->embedding), of->y.rows, bytes_name(of->data),
                     of->x.rows);
    if (st == NE_OK && of->labels_file)
        st = labels_read(of->labels_file, of->data, of->x.rows, of->rows > 0, &of->labels);
    return st;
}

static ne_status score(program *of)
{
    const ne_dense       x = table_view(&of->x), y = table_view(&of->y);
    const labels        *classes = of->labels.count ? &of->labels : of->x.labels.count ? &of->x.labels : &of->y.labels;
    const ne_csr         rows    = sparse_view(&of->x.sparse);
    const int            is_sparse = table_is_sparse(&of->x);
    const scores_request request   = {.context    = of->context,
                                      .names      = of->names ? of->names : "",
                                      .prefix     = "",
                                      .perplexity = of->perplexity ? strtod(of->perplexity, NULL) : 0,
                                      .x          = is_sparse ? NULL : &x,
                                      .sparse     = is_sparse ? &rows : NULL,
                                      .y          = &y,
                                      .classes    = classes,
                                      .k          = (size_t)of->k,
                                      .sample     = (size_t)of->sample};
    ne_status            st        = scores_check_data(request.names, classes, is_sparse);
    if (st == NE_OK) st = scores_print(&request, stdout);
    if (st == NE_OK && (fflush(stdout) != 0 || ferror(stdout))) st = ne_fail(NE_IO, "stdout: %s", strerror(errno));
    return st;
}

int main(int argc, char **argv)
{
    program   of     = {0};
    int       status = EXIT_USAGE;
    ne_status st     = parse(argc, argv, &of);
    if (st == NE_OK && of.help) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (st == NE_OK && of.version) {
        printf("ne_score of libne %s\n", ne_version());
        return EXIT_SUCCESS;
    }
    if (st == NE_OK) st = check(&of);
    if (st == NE_OK) {
        st = ne_context_create(&of.context);
        if (st == NE_OK && of.threads) st = ne_context_set_int(of.context, "threads", of.threads);
        if (st == NE_OK) st = read_files(&of);
        if (st == NE_OK) st = score(&of);
        status = st == NE_OK                                      ? EXIT_SUCCESS
                 : st == NE_OUT_OF_RANGE || st == NE_UNKNOWN_NAME ? EXIT_USAGE
                                                                  : EXIT_FAILURE;
    }
    if (st != NE_OK) fprintf(stderr, "ne_score: %s\n", ne_last_error());
    table_clear(&of.x);
    table_clear(&of.y);
    labels_clear(&of.labels);
    ne_context_free(of.context);
    return status;
}
