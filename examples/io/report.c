/* io/report.c: what is said about a finished fit. */
#include "io/report.h"

#include <math.h>

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
