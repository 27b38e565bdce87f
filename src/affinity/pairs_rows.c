/* affinity/pairs_rows.c: the rows as the tiles need them: centred or made unit rows in double, then narrowed. */
#include "affinity/pairs.h"

#include "base/view.h"

#include <math.h>

/* A column's sum is one thread's, row after row, whatever the number of threads. */
static void centre(ne_pairs *p, const ne_dense *x, double *mean)
{
    const int    threads = context_threads(p->context);
    const size_t share   = p->d / (size_t)threads + 1;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        const size_t j0 = (size_t)t * share, j1 = j0 + share < p->d ? j0 + share : p->d;
        for (size_t i = 0; i < p->n; i++)
            for (size_t j = j0; j < j1; j++) mean[j] += view_get(x, i, j);
    }
    for (size_t j = 0; j < p->d; j++) mean[j] /= (double)p->n;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->d; j++) p->x[i * p->d + j] = (float)(view_get(x, i, j) - mean[j]);
}

static void make_unit(ne_pairs *p, const ne_dense *x, double *row)
{
    for (size_t i = 0; i < p->n; i++) {
        double shift, scale;
        for (size_t j = 0; j < p->d; j++) row[j] = view_get(x, i, j);
        metric_unit_f64(row, p->d, p->kind == METRIC_CORRELATION, &shift, &scale);
        for (size_t j = 0; j < p->d; j++) p->x[i * p->d + j] = (float)((row[j] - shift) * scale);
        p->zero[i] = scale == 0;
    }
}

static void measure_squares(ne_pairs *p)
{
#pragma omp parallel for schedule(static) num_threads(context_threads(p->context))
    for (size_t i = 0; i < p->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < p->d; j++) sum += (double)p->x[i * p->d + j] * (double)p->x[i * p->d + j];
        p->square[i] = p->zero && p->zero[i] ? 1 : (float)sum;
    }
}

static void lay_columns(ne_pairs *p)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->d; j++)
            p->column[(i / PAIRS_TILE * p->d + j) * PAIRS_TILE + i % PAIRS_TILE] = p->x[i * p->d + j];
}

ne_status pairs_take_rows(ne_pairs *p, const ne_dense *x)
{
    const ne_allocator *mem     = &p->context->memory;
    const int           centred = p->kind == METRIC_SQEUCLIDEAN || p->kind == METRIC_EUCLIDEAN;
    const int           unit    = p->kind == METRIC_COSINE || p->kind == METRIC_CORRELATION;
    const int           direct  = centred && p->d <= PAIRS_DIRECT;
    const size_t        tiles   = p->n / PAIRS_TILE + (p->n % PAIRS_TILE != 0);
    double             *buffer  = memory_zero(mem, p->d, sizeof *buffer);
    ne_status           st      = NE_OK;

    p->x = memory_new(mem, p->n * p->d, sizeof *p->x); /* the view was checked: the product fits */
    if (!buffer || !p->x) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (unit && !(p->zero = memory_new(mem, p->n, sizeof *p->zero))) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (centred && !(direct && x->dtype == NE_F32)) centre(p, x, buffer); /* differences of floats need no centre */
    else if (unit) make_unit(p, x, buffer);
    else view_read_f32(x, p->x);
    if (centred || unit) {
        p->square = memory_new(mem, p->n, sizeof *p->square);
        if (!p->square) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        measure_squares(p);
    }
    if (direct) {
        p->column = memory_zero(mem, tiles * PAIRS_TILE, p->d * sizeof *p->column);
        if (!p->column) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        lay_columns(p);
    }
done:
    memory_free(mem, buffer);
    return st;
}
