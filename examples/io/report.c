/* io/report.c: what is said about a finished fit. */
#include "io/report.h"

#include <math.h>

enum {
    NEIGHBORS  = 15,
    TRUST_ROWS = 5000
};

static int report_number(const ne_embedding *embedding, const char *name, double *value)
{
    return ne_embedding_get_real(embedding, name, value) == NE_OK && isfinite(*value);
}

void report_summary(FILE *file, const char *method, const ne_embedding *embedding, const ne_dense *x,
                    const ne_dense *fitted, const ne_dense *y)
{
    static const char *const phases[] = {"knn", "affinity", "init", "optimize"};
    double                   value    = 0;
    int                      parts    = 0;
    fprintf(file, "ne_embed: %s, %zu x %zu", method, x->rows, x->cols);
    if (fitted->cols != x->cols) fprintf(file, " -> %zu", fitted->cols);
    fprintf(file, " -> %zu", y->cols);
    if (report_number(embedding, "seconds", &value)) fprintf(file, ", %.2f s", value);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        char name[32];
        snprintf(name, sizeof name, "seconds_%s", phases[i]);
        if (report_number(embedding, name, &value)) fprintf(file, "%s%s %.2f", parts++ ? ", " : " (", phases[i], value);
    }
    if (parts) fputc(')', file);
    if (report_number(embedding, "recall_measured", &value)) fprintf(file, ", recall %.4f", value);
    if (report_number(embedding, "n_iter", &value)) fprintf(file, ", %.0f steps", value);
    fputc('\n', file);
}

/* Every step-th row, without a copy: a view with a longer stride. */
static ne_dense report_sample(const ne_dense *from, size_t step)
{
    ne_dense view = *from;
    view.stride   = step * (from->stride ? from->stride : from->cols);
    view.rows     = (from->rows + step - 1) / step;
    return view;
}

ne_status report_scores(FILE *file, ne_context *context, const ne_embedding *embedding, const ne_dense *x,
                        const ne_dense *y, const labels *classes)
{
    const size_t   n = x->rows, k = NEIGHBORS;
    const size_t   step  = (n + TRUST_ROWS - 1) / TRUST_ROWS;
    const ne_dense few_x = report_sample(x, step), few_y = report_sample(y, step);
    double         value = 0;
    ne_status      st    = ne_embedding_get_real(embedding, "kl", &value);
    if (st == NE_OK && isfinite(value)) fprintf(file, "kl %.6f\n", value);
    else if (st != NE_OK && st != NE_UNKNOWN_NAME && st != NE_UNSUPPORTED) return st; /* else this method has none */

    if (2 * k >= few_x.rows) {
        fprintf(file, "the other scores look at %zu neighbors, and need more than %zu rows\n", k, 2 * k);
        return NE_OK;
    }
    st = ne_score_trustworthiness(context, &few_x, &few_y, k, &value);
    if (st != NE_OK) return st;
    fprintf(file, "trustworthiness %.6f (k = %zu", value, k);
    if (step > 1) fprintf(file, ", on %zu rows: one of every %zu", few_x.rows, step);
    fprintf(file, ")\n");

    st = ne_score_knn_preservation(context, x, y, k, &value);
    if (st != NE_OK) return st;
    fprintf(file, "knn_preservation %.6f (k = %zu)\n", value, k);
    if (classes->count == 0 || !labels_are_integers(classes)) return NE_OK; /* fractions are no classes */

    st = ne_score_knn_accuracy(context, y, classes->code, k, &value);
    if (st != NE_OK) return st;
    fprintf(file, "knn_accuracy %.6f (k = %zu)\n", value, k);
    st = ne_score_knn_label_agreement(context, y, classes->code, k, &value);
    if (st != NE_OK) return st;
    fprintf(file, "knn_label_agreement %.6f (k = %zu)\n", value, k);
    return NE_OK;
}
