/* methods/scaled.c: see scaled.h. */
#include "methods/scaled.h"

#include "methods/rows.h"

#include <math.h>

void scaled_radii(const ne_problem *problem, int squared, int64_t first, double *radius)
{
    const ne_csr *d = problem->distances;
    for (size_t i = 0; i < problem->n; i++) {
        const float  *row   = (const float *)d->val + d->start[i];
        const int64_t count = d->start[i + 1] - d->start[i];
        const int64_t from = count <= first ? count - 1 : first, to = count < first + 3 ? count : first + 3;
        double        sum = 0;
        for (int64_t j = from; j < to; j++) sum += squared ? sqrt(fmax((double)row[j], 0)) : (double)row[j];
        radius[i] = sum / (double)(to - from);
    }
}

/* Insertion into a list that is kept sorted: it is short, and most candidates come after its end. */
static void choose(const ne_problem *problem, int squared, const double *radius, size_t i, size_t count, int32_t *row,
                   double *distance)
{
    const ne_csr *d    = problem->distances;
    size_t        have = 0;
    for (int64_t e = d->start[i]; e < d->start[i + 1]; e++) {
        const size_t j     = (size_t)d->col[e];
        const double value = rows_square(squared, (double)((const float *)d->val)[e]) / (radius[i] * radius[j]);
        size_t       at    = have;
        while (at > 0 && distance[at - 1] > value) at--;
        if (at == count) continue;
        if (have < count) have++;
        for (size_t q = have - 1; q > at; q--) {
            distance[q] = distance[q - 1];
            row[q]      = row[q - 1];
        }
        distance[at] = value;
        row[at]      = (int32_t)problem->order[j];
    }
    for (; have < count; have++) {
        distance[have] = INFINITY;
        row[have]      = -1;
    }
}

void scaled_nearest(const ne_problem *problem, int squared, const double *radius, size_t count, int32_t *row,
                    double *distance)
{
#pragma omp parallel for schedule(static) num_threads(problem->threads)
    for (size_t i = 0; i < problem->n; i++)
        choose(problem, squared, radius, i, count, row + i * count, distance + i * count);
}
