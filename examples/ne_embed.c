/* ne_embed: embeds the rows of a file. ne_embed --help says how.
 *
 * A program around the library and nothing more: it reads a matrix, hands the options through by name, fits one method
 * or several, and writes. All that it makes is in one struct, all errors are an ne_status with the library's error text,
 * and files are put in place at the very end, so that a failure leaves nothing behind. */
#include "io/arguments.h"
#include "io/bytes.h"
#include "io/methods.h"
#include "io/outfile.h"
#include "io/plot.h"
#include "io/progress.h"
#include "io/report.h"
#include "io/scores.h"
#include "io/table.h"
#include "io/write.h"
#include "ne.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_USAGE  = 2,
    TITLE_TEXT  = 96,
    OPTION_TEXT = 32
};

static const double MEBIBYTE = 1048576.0;

/* One method of those that were asked for. */
typedef struct run {
    ne_embedding *embedding;
    float        *y;
    ne_dense      output;  /* y */
    int           in_disk; /* 1: y lies in the unit disk, a map of the hyperbolic plane */
    outfile       file;
} run;

typedef struct program {
    arguments   arguments;
    ne_context *context;
    methods     methods;
    run        *runs; /* one for each of the methods */
    table       table;
    labels      labels;       /* of --labels; those of --label-column are the table's */
    float      *reduced;      /* the table's rows after --pca */
    ne_dense    data, fitted; /* the table; what the embeddings are fitted to: without numbers where it is sparse */
    ne_csr      sparse;       /* the table, where its rows are sparse */
    progress    progress;
    char       *scores; /* their text, so far */
    size_t      scores_size;
    int64_t     verbose; /* the methods' own option: let the library's lines through */
} program;

static void note(const program *of, const char *format, ...) NE_FORMAT(2, 3);

static void note(const program *of, const char *format, ...)
{
    va_list list;
    if (of->arguments.quiet) return;
    fprintf(stderr, "ne_embed: ");
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

/* An ne_log_fn. Warnings are no notes: --quiet lets them through. */
static void program_log(void *user, int level, const char *text)
{
    program *of = user;
    if (level > NE_LOG_WARNING && !of->verbose) return;
    progress_wipe(&of->progress);
    if (level == NE_LOG_WARNING) fprintf(stderr, "ne_embed: warning: %s\n", text);
    else note(of, "%s", text);
}

static const labels *program_labels(const program *of)
{
    return of->labels.count ? &of->labels : &of->table.labels;
}

static ne_status new_rows(size_t rows, size_t cols, float **values, ne_dense *view)
{
    *values =
        !cols || rows > SIZE_MAX / cols ? NULL : calloc(rows * cols, sizeof **values); /* calloc checks the rest */
    if (!*values) return ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu x %zu numbers", rows, cols);
    *view = (ne_dense){.struct_size = sizeof *view, .data = *values, .rows = rows, .cols = cols, .dtype = NE_F32};
    return NE_OK;
}

static int is_sparse(const program *of, const ne_dense *x)
{
    return x->data == NULL && of->sparse.start != NULL;
}

/* What the library says of the data, with the name of the file that it lies in, and what helps where it is sparse. */
static ne_status explain(const program *of, const ne_dense *x, ne_status st)
{
    char text[512];
    snprintf(text, sizeof text, "%s", ne_last_error());
    if (st == NE_INVALID_ARGUMENT && x->place == NE_MAPPED)
        return ne_fail(st, "%s: %s", bytes_name(of->arguments.input), text);
    if (st == NE_UNSUPPORTED && is_sparse(of, x))
        return ne_fail(st, "%s; --dense fills in the zeros (%.1f MiB), --pca N makes few columns of them", text,
                       table_dense_size(&of->table) / MEBIBYTE);
    return st;
}

static ne_status fit_rows(const program *of, ne_embedding *embedding, const ne_dense *x, const ne_dense *y)
{
    const ne_status st =
        is_sparse(of, x) ? ne_embedding_fit_sparse(embedding, &of->sparse, y) : ne_embedding_fit(embedding, x, y);
    return st == NE_OK ? st : explain(of, x, st);
}

/* The first principal components of x, by the library's own embedding of that name. */
static ne_status reduce(program *of, const ne_dense *x, size_t components, float **values, ne_dense *view)
{
    ne_embedding *pca = NULL;
    ne_status     st  = ne_embedding_create(of->context, "pca", &pca);
    if (st == NE_OK) st = ne_embedding_set_int(pca, "n_components", (int64_t)components);
    if (st == NE_OK) st = new_rows(x->rows, components, values, view);
    if (st == NE_OK) st = fit_rows(of, pca, x, view);
    ne_embedding_free(pca);
    return st;
}

static ne_status read_input(program *of)
{
    const arguments    *given   = &of->arguments;
    const table_request request = {.rows         = (size_t)given->rows,
                                   .label_column = given->label_column,
                                   .id_column    = given->id_column,
                                   .stream       = given->stream ? of->context : NULL,
                                   .dense        = given->dense};
    ne_status           st      = table_read(given->input, &request, &of->table);
    if (st == NE_OK && given->labels)
        st = labels_read(given->labels, given->input, of->table.rows, given->rows > 0, &of->labels);
    if (st == NE_OK && given->standardize) {
        size_t constant = 0;
        st              = table_standardize(bytes_name(given->input), of->context, &of->table, &constant);
        if (st == NE_OK && constant)
            note(of, "--standardize: %zu column%s of one value, now 0", constant, constant == 1 ? "" : "s");
    }
    of->data = of->fitted = table_view(&of->table);
    if (table_is_sparse(&of->table)) of->sparse = sparse_view(&of->table.sparse);
    return st;
}

static ne_status reduce_input(program *of)
{
    const size_t components = (size_t)of->arguments.pca;
    const size_t most       = of->data.rows < of->data.cols ? of->data.rows : of->data.cols;
    if (!components) return NE_OK;
    if (components > most)
        return ne_fail(NE_OUT_OF_RANGE, "--pca: %zu is outside [1, %zu], for data of %zu x %zu", components, most,
                       of->data.rows, of->data.cols);
    return reduce(of, &of->data, components, &of->reduced, &of->fitted);
}

/* A map into the Poincare ball is told by its optimizer, the only one that stays inside. */
static int is_in_disk(const run *of)
{
    char text[OPTION_TEXT] = "", name[OPTION_TEXT] = "";
    if (of->output.cols != 2) return 0;
    for (size_t i = 0; i < ne_embedding_option_count(of->embedding); i++)
        if (ne_embedding_option_info(of->embedding, i, "name", name, sizeof name) == NE_OK &&
            strcmp(name, "optimizer") == 0)
            ne_embedding_option_info(of->embedding, i, "default", text, sizeof text);
    return strcmp(text, "riemannian_adam") == 0;
}

static int is_alone(const program *of)
{
    return of->methods.count == 1;
}

static ne_status fit(program *of, run *to, const char *title)
{
    int64_t   components = 0;
    ne_status st         = ne_embedding_get_int(to->embedding, "n_components", &components);
    if (st == NE_OK) st = new_rows(of->fitted.rows, (size_t)components, &to->y, &to->output);
    if (st != NE_OK) return st;

    progress_begin(&of->progress, title, !of->arguments.quiet);
    st = ne_embedding_set_progress(to->embedding, progress_report, &of->progress);
    if (st == NE_OK) st = fit_rows(of, to->embedding, &of->fitted, &to->output);
    progress_end(&of->progress);
    to->in_disk = is_in_disk(to);
    if (st == NE_CANCELLED)
        ne_fail(st, "interrupted, in phase %s at step %lld of %lld; nothing was written", of->progress.phase,
                of->progress.step, of->progress.steps);
    return st;
}

/* Adds the scores of a fit to the text. */
static ne_status score(program *of, const run *from, const char *method)
{
    char                 prefix[TITLE_TEXT] = "";
    const scores_request request            = {.context   = of->context,
                                               .names     = of->arguments.score,
                                               .prefix    = prefix,
                                               .embedding = from->embedding,
                                               .x         = is_sparse(of, &of->data) ? NULL : &of->data,
                                               .sparse    = is_sparse(of, &of->data) ? &of->sparse : NULL,
                                               .y         = &from->output,
                                               .classes   = program_labels(of),
                                               .sample    = (size_t)of->arguments.sample};
    char                *text = NULL, *longer = NULL;
    size_t               size = 0;
    FILE                *file = open_memstream(&text, &size);
    ne_status            st   = file ? NE_OK : NE_OUT_OF_MEMORY;
    if (!is_alone(of)) snprintf(prefix, sizeof prefix, "%s ", method);
    if (st == NE_OK) st = scores_print(&request, file);
    if (file && fclose(file) != 0 && st == NE_OK) st = NE_OUT_OF_MEMORY;
    if (st == NE_OK) longer = realloc(of->scores, of->scores_size + size + 1);
    if (longer) {
        memcpy(longer + of->scores_size, text, size + 1);
        of->scores = longer;
        of->scores_size += size;
    }
    free(text);
    if (!longer && (st == NE_OK || st == NE_OUT_OF_MEMORY)) st = ne_fail(NE_OUT_OF_MEMORY, "no memory for the scores");
    return st;
}

/* Of several methods each is judged and put away before the next, or all their affinities would be held at once. */
static ne_status fit_all(program *of)
{
    ne_status st = NE_OK;
    for (size_t m = 0; m < of->methods.count && st == NE_OK; m++) {
        const char *method            = of->methods.name[m];
        run        *to                = &of->runs[m];
        char        title[TITLE_TEXT] = "";
        snprintf(title, sizeof title, is_alone(of) ? "%s" : "%s, %zu of %zu", method, m + 1, of->methods.count);
        st = fit(of, to, title);
        if (is_alone(of)) continue;
        if (st == NE_OK && !of->arguments.quiet)
            report_summary(stderr, method, to->embedding, &of->data, &of->fitted, &to->output);
        if (st == NE_OK && of->arguments.score) st = score(of, to, method);
        if (st != NE_OK) { /* in one piece: the text is that of the library */
            char text[512];
            snprintf(text, sizeof text, "%s", ne_last_error());
            ne_fail(st, "%s: %s", method, text);
        }
        ne_embedding_free(to->embedding);
        to->embedding = NULL;
    }
    return st;
}

/* Lays out what may have to be brought into the plane first; planes holds what was made for that. */
static ne_status lay_out(program *of, plot_request *panels, char (*titles)[PLOT_LETTERS], float **planes, plot *picture)
{
    const size_t count = of->methods.count;
    ne_status    st    = NE_OK;
    for (size_t m = 0; m < count && st == NE_OK; m++) {
        const run *from = &of->runs[m];
        ne_dense   view = from->output;
        plot_title(of->methods.name[m], is_alone(of) ? view.rows : 0, view.cols, titles[m]);
        if (view.cols > 2 && view.rows > 2) st = reduce(of, &from->output, 2, &planes[m], &view);
        panels[m] = (plot_request){view.data, view.rows, view.cols, program_labels(of), titles[m], from->in_disk};
    }
    if (st != NE_OK) return st;
    return is_alone(of) ? plot_init(picture, panels) : plot_grid(picture, panels, count);
}

static ne_status draw(program *of, FILE *file)
{
    const size_t  count         = of->methods.count;
    plot_request *panels        = calloc(count, sizeof *panels);
    float       **planes        = calloc(count, sizeof *planes);
    char(*titles)[PLOT_LETTERS] = calloc(count, sizeof *titles);
    plot      picture           = {0};
    ne_status st                = NE_OK;
    if (!panels || !planes || !titles) st = ne_fail(NE_OUT_OF_MEMORY, "no memory for a picture of %zu panels", count);
    if (st == NE_OK) st = lay_out(of, panels, titles, planes, &picture);
    if (st == NE_OK)
        st = bytes_name_ends(of->arguments.plot, ".png") ? plot_png(&picture, file) : plot_svg(&picture, file);
    plot_clear(&picture);
    for (size_t m = 0; planes && m < count; m++) free(planes[m]);
    free(planes);
    free(panels);
    free(titles);
    return st;
}

/* Where a method's numbers go: OUTPUT, or a name of its own where there are several. The caller frees it. */
static char *output_name(const program *of, size_t method)
{
    const char *output = of->arguments.output;
    char       *name   = is_alone(of) ? strdup(output) : methods_file(output, of->methods.name[method]);
    if (!name) ne_fail(NE_OUT_OF_MEMORY, "no memory for the name of a file");
    return name;
}

static ne_status write_numbers(const program *of, run *from, size_t method)
{
    const coordinates what = {from->y, from->output.rows, from->output.cols, of->table.ids, program_labels(of)};
    char             *name = output_name(of, method);
    ne_status         st   = name ? outfile_open(name, &from->file) : NE_OUT_OF_MEMORY;
    if (st == NE_OK) {
        if (bytes_name_ends(name, ".npy")) write_npy(from->file.file, &what);
        else write_csv(from->file.file, &what);
        st = outfile_close(&from->file);
    }
    free(name);
    return st;
}

/* All files are complete beside their places before the first is put in its own. */
static ne_status write_files(program *of)
{
    const arguments *given   = &of->arguments;
    outfile          picture = {0};
    ne_status        st      = given->plot ? outfile_open(given->plot, &picture) : NE_OK;
    for (size_t m = 0; m < of->methods.count && st == NE_OK && given->output; m++)
        st = write_numbers(of, &of->runs[m], m);
    if (st == NE_OK && given->plot) st = draw(of, picture.file);
    if (st == NE_OK) st = outfile_close(&picture);
    for (size_t m = 0; m < of->methods.count && st == NE_OK; m++) st = outfile_commit(&of->runs[m].file);
    if (st == NE_OK) st = outfile_commit(&picture);
    outfile_drop(&picture);
    return st;
}

static ne_status probe_files(const program *of)
{
    ne_status st = of->arguments.plot ? outfile_probe(of->arguments.plot) : NE_OK;
    for (size_t m = 0; m < of->methods.count && st == NE_OK && of->arguments.output; m++) {
        char *name = output_name(of, m);
        st         = name ? arguments_check_output(&of->arguments, name) : NE_OUT_OF_MEMORY;
        if (st == NE_OK) st = outfile_probe(name);
        free(name);
    }
    return st;
}

/* Everything that can be told before a file is read; what fails here is the command line. */
static ne_status prepare(program *of)
{
    const arguments *given      = &of->arguments;
    ne_embedding   **embeddings = NULL;
    ne_status        st         = ne_context_create(&of->context);
    if (st == NE_OK) st = ne_context_set_log(of->context, program_log, of);
    if (st == NE_OK && given->threads) st = ne_context_set_int(of->context, "threads", given->threads);
    if (st == NE_OK) st = methods_read(given->method, given->skip, &of->methods);
    if (st != NE_OK) goto done;
    of->runs   = calloc(of->methods.count, sizeof *of->runs);
    embeddings = calloc(of->methods.count, sizeof(ne_embedding *));
    if (!of->runs || !embeddings) {
        st = ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu methods", of->methods.count);
        goto done;
    }
    for (size_t m = 0; m < of->methods.count && st == NE_OK; m++) {
        st            = ne_embedding_create(of->context, of->methods.name[m], &of->runs[m].embedding);
        embeddings[m] = of->runs[m].embedding;
    }
    if (st == NE_OK) st = arguments_apply(given, embeddings, of->methods.count);
    if (st == NE_OK && ne_embedding_get_int(embeddings[0], "verbose", &of->verbose) != NE_OK) of->verbose = 0;
    if (st == NE_OK && !given->help) st = arguments_check(given);
done:
    free(embeddings);
    return st;
}

static ne_status say_scores(const program *of)
{
    fputs(of->scores, stdout);
    return fflush(stdout) != 0 || ferror(stdout) ? ne_fail(NE_IO, "stdout: %s", strerror(errno)) : NE_OK;
}

static ne_status embed(program *of)
{
    const arguments *given = &of->arguments;
    const run       *first = &of->runs[0];
    ne_status        st    = probe_files(of);
    if (st == NE_OK) st = read_input(of);
    if (st == NE_OK && given->score) st = scores_check_data(given->score, program_labels(of), is_sparse(of, &of->data));
    if (st == NE_OK) st = reduce_input(of);
    if (st == NE_OK) st = fit_all(of);
    if (st == NE_OK) st = write_files(of);
    if (st == NE_OK && is_alone(of) && !given->quiet)
        report_summary(stderr, of->methods.name[0], first->embedding, &of->data, &of->fitted, &first->output);
    if (st == NE_OK && is_alone(of) && given->score) st = score(of, first, of->methods.name[0]);
    if (st == NE_OK && given->score) st = say_scores(of);
    return st;
}

static void program_clear(program *of)
{
    for (size_t m = 0; of->runs && m < of->methods.count; m++) {
        outfile_drop(&of->runs[m].file);
        ne_embedding_free(of->runs[m].embedding);
        free(of->runs[m].y);
    }
    free(of->runs);
    free(of->scores);
    free(of->reduced);
    table_clear(&of->table);
    labels_clear(&of->labels);
    methods_clear(&of->methods);
    ne_context_free(of->context);
    arguments_clear(&of->arguments);
}

static int exit_code(ne_status st, int of_command_line)
{
    if (st == NE_OK) return EXIT_SUCCESS;
    if (st == NE_UNKNOWN_NAME || st == NE_OUT_OF_RANGE) return EXIT_USAGE; /* an option, though only the data told */
    return of_command_line && st == NE_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    program   of              = {0};
    int       of_command_line = 1;
    ne_status st              = arguments_parse(argc, argv, &of.arguments);
    if (st != NE_OK) goto done;
    if (of.arguments.version) {
        printf("ne_embed of libne %s\n", ne_version());
        goto done;
    }
    if (of.arguments.help && !of.arguments.method) {
        arguments_help(stdout);
        goto done;
    }
    if (!of.arguments.method) of.arguments.method = arguments_default_method();
    st = prepare(&of);
    if (st != NE_OK) goto done;
    if (of.arguments.help) {
        for (size_t m = 0; m < of.methods.count; m++)
            arguments_help_method(stdout, of.methods.name[m], of.runs[m].embedding);
        goto done;
    }
    of_command_line = 0;
    st              = embed(&of);
done:
    if (st != NE_OK) fprintf(stderr, "ne_embed: %s\n", ne_last_error());
    program_clear(&of);
    return exit_code(st, of_command_line);
}
