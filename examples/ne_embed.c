/* ne_embed: embeds the rows of a file. ne_embed --help says how.
 *
 * A program around the library and nothing more: it reads a matrix, hands the options through by name, fits, and writes.
 * All that it makes is in one struct, all errors are an ne_status with the library's error text, and files are put in
 * place at the very end, so that a failure leaves nothing behind. */
#include "io/arguments.h"
#include "io/bytes.h"
#include "io/outfile.h"
#include "io/plot.h"
#include "io/progress.h"
#include "io/report.h"
#include "io/table.h"
#include "io/write.h"
#include "ne.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_USAGE = 2
};

typedef struct program {
    arguments     arguments;
    ne_context   *context;
    ne_embedding *embedding;
    table         table;
    labels        labels;  /* of --labels; those of --label-column are the table's */
    float        *reduced; /* the table's rows after --pca */
    float        *y;
    ne_dense      data, fitted, output; /* the table; what the embedding is fitted to; y */
    progress      progress;
    int64_t       verbose; /* the method's own option: let the library's lines through */
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

/* The first principal components of x, by the library's own embedding of that name. */
static ne_status reduce(program *of, const ne_dense *x, size_t components, float **values, ne_dense *view)
{
    ne_embedding *pca = NULL;
    ne_status     st  = ne_embedding_create(of->context, "pca", &pca);
    if (st == NE_OK) st = ne_embedding_set_int(pca, "n_components", (int64_t)components);
    if (st == NE_OK) st = new_rows(x->rows, components, values, view);
    if (st == NE_OK) st = ne_embedding_fit(pca, x, view);
    ne_embedding_free(pca);
    return st;
}

static ne_status read_input(program *of)
{
    const arguments    *given   = &of->arguments;
    const table_request request = {(size_t)given->rows, given->label_column, given->id_column};
    ne_status           st      = table_read(given->input, &request, &of->table);
    if (st == NE_OK && given->labels)
        st = labels_read(given->labels, given->input, of->table.rows, given->rows > 0, &of->labels);
    if (st == NE_OK && given->standardize) {
        size_t constant = 0;
        st              = table_standardize(given->input, &of->table, &constant);
        if (st == NE_OK && constant)
            note(of, "--standardize: %zu column%s of one value, now 0", constant, constant == 1 ? "" : "s");
    }
    of->data = of->fitted = table_view(&of->table);
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

static ne_status fit(program *of)
{
    int64_t   components = 0;
    ne_status st         = ne_embedding_get_int(of->embedding, "n_components", &components);
    if (st == NE_OK) st = new_rows(of->fitted.rows, (size_t)components, &of->y, &of->output);
    if (st != NE_OK) return st;

    progress_begin(&of->progress, of->arguments.method, !of->arguments.quiet);
    st = ne_embedding_set_progress(of->embedding, progress_report, &of->progress);
    if (st == NE_OK) st = ne_embedding_fit(of->embedding, &of->fitted, &of->output);
    progress_end(&of->progress);
    if (st == NE_CANCELLED)
        ne_fail(st, "interrupted, in phase %s at step %lld of %lld; nothing was written", of->progress.phase,
                of->progress.step, of->progress.steps);
    return st;
}

static ne_status draw(program *of, FILE *file)
{
    char      title[PLOT_LETTERS];
    float    *plane   = NULL;
    ne_dense  view    = of->output;
    plot      picture = {0};
    ne_status st      = NE_OK;

    plot_title(of->arguments.method, view.rows, view.cols, title);
    if (view.cols > 2 && view.rows > 2) st = reduce(of, &of->output, 2, &plane, &view);
    if (st == NE_OK)
        st = plot_init(&picture, &(plot_request){view.data, view.rows, view.cols, program_labels(of), title});
    if (st == NE_OK)
        st = bytes_name_ends(of->arguments.plot, ".png") ? plot_png(&picture, file) : plot_svg(&picture, file);
    plot_clear(&picture);
    free(plane);
    return st;
}

/* Both files are complete beside their places before the first is put in its own. */
static ne_status write_files(program *of)
{
    const arguments  *given   = &of->arguments;
    const coordinates what    = {of->y, of->output.rows, of->output.cols, of->table.ids, program_labels(of)};
    outfile           numbers = {0}, picture = {0};
    ne_status         st = outfile_open(given->output, &numbers);
    if (st == NE_OK && given->plot) st = outfile_open(given->plot, &picture);
    if (st == NE_OK) {
        if (bytes_name_ends(given->output, ".npy")) write_npy(numbers.file, &what);
        else write_csv(numbers.file, &what);
        st = outfile_close(&numbers);
    }
    if (st == NE_OK && given->plot) st = draw(of, picture.file);
    if (st == NE_OK) st = outfile_close(&picture);
    if (st == NE_OK) st = outfile_commit(&numbers);
    if (st == NE_OK) st = outfile_commit(&picture);
    outfile_drop(&numbers);
    outfile_drop(&picture);
    return st;
}

static ne_status score(program *of)
{
    ne_status st = report_scores(stdout, of->context, of->embedding, &of->data, &of->output, program_labels(of));
    if (st == NE_OK && (fflush(stdout) != 0 || ferror(stdout))) st = ne_fail(NE_IO, "stdout: %s", strerror(errno));
    return st;
}

/* Everything that can be told before a file is read; what fails here is the command line. */
static ne_status prepare(program *of)
{
    const arguments *given = &of->arguments;
    ne_status        st    = ne_context_create(&of->context);
    if (st == NE_OK) st = ne_context_set_log(of->context, program_log, of);
    if (st == NE_OK && given->threads) st = ne_context_set_int(of->context, "threads", given->threads);
    if (st == NE_OK) st = ne_embedding_create(of->context, given->method, &of->embedding);
    if (st == NE_OK) st = arguments_apply(given, of->embedding);
    if (st == NE_OK && ne_embedding_get_int(of->embedding, "verbose", &of->verbose) != NE_OK) of->verbose = 0;
    if (st == NE_OK && !given->help) st = arguments_check(given);
    return st;
}

static ne_status embed(program *of)
{
    const arguments *given = &of->arguments;
    ne_status        st    = outfile_probe(given->output);
    if (st == NE_OK && given->plot) st = outfile_probe(given->plot);
    if (st == NE_OK) st = read_input(of);
    if (st == NE_OK) st = reduce_input(of);
    if (st == NE_OK) st = fit(of);
    if (st == NE_OK) st = write_files(of);
    if (st == NE_OK && !given->quiet)
        report_summary(stderr, given->method, of->embedding, &of->data, &of->fitted, &of->output);
    if (st == NE_OK && given->score) st = score(of);
    return st;
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
        arguments_help_method(stdout, of.arguments.method, of.embedding);
        goto done;
    }
    of_command_line = 0;
    st              = embed(&of);
done:
    if (st != NE_OK) fprintf(stderr, "ne_embed: %s\n", ne_last_error());
    free(of.y);
    free(of.reduced);
    table_clear(&of.table);
    labels_clear(&of.labels);
    ne_embedding_free(of.embedding);
    ne_context_free(of.context);
    arguments_clear(&of.arguments);
    return exit_code(st, of_command_line);
}
