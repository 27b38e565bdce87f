/* init/init.c: see init.h. */
#include "init/init.h"

#include "base/random.h"
#include "base/sparse.h"
#include "base/view.h"
#include "cpu/knn_distinct.h"

#include <math.h>
#include <string.h>

static double normal_at(uint64_t seed, size_t row, size_t column)
{
    const random_block b = random_draw(seed, STREAM_INIT, 0, row, (uint32_t)(column / 2));
    double             pair[2];
    random_normal(b.word[0], b.word[1], pair);
    return pair[column % 2];
}

/* Of column 0 of z, in double; 0 when there is nothing to measure. */
static double deviation(size_t n, size_t c, const float *z, int divisor_n1)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += (double)z[i * c];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) sum += ((double)z[i * c] - mean) * ((double)z[i * c] - mean);
    return n > 1 ? sqrt(sum / (double)(divisor_n1 ? n - 1 : n)) : 0;
}

void init_scale(size_t n, size_t c, double scaling, int divisor_n1, float *z)
{
    const double std = deviation(n, c, z, divisor_n1), factor = std > 0 ? scaling / std : scaling;
    for (size_t i = 0; i < n * c; i++) z[i] = (float)((double)z[i] * factor);
}

void init_random(size_t n, size_t c, double scaling, int divisor_n1, uint64_t seed, float *z)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) z[i * c + k] = (float)normal_at(seed, i, k);
    init_scale(n, c, scaling, divisor_n1, z);
}

/* --- Poincare ball ----------------------------------------------------------------------------------------------- */

/* tanh(15) is 1 in float, and no point may be on the rim. */
static const double RIM = 1 - 1e-5;

static double row_length(size_t c, const float *row)
{
    double square = 0;
    for (size_t k = 0; k < c; k++) square += (double)row[k] * (double)row[k];
    return sqrt(square);
}

void init_into_ball(size_t n, size_t c, float *z)
{
    for (size_t i = 0; i < n; i++) {
        const double length = row_length(c, z + i * c), factor = length > 0 ? fmin(tanh(length), RIM) / length : 1;
        for (size_t k = 0; k < c; k++) z[i * c + k] = (float)((double)z[i * c + k] * factor);
    }
}

void init_hyperbolic(size_t n, size_t c, double scaling, uint64_t seed, float *z)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) z[i * c + k] = (float)(scaling * normal_at(seed, i, k));
    init_into_ball(n, c, z);
}

int init_is_in_ball(size_t n, size_t c, const float *z)
{
    int inside = 1;
    for (size_t i = 0; i < n && inside; i++) inside = row_length(c, z + i * c) < 1;
    return inside;
}

/* --- Equal rows -------------------------------------------------------------------------------------------------- */

/* All copies of a row go where the first one is. */
static void share_places(const knn_distinct *rows, size_t c, float *z)
{
    for (size_t g = 0; rows->first && g < rows->count; g++)
        for (int32_t m = rows->start[g] + 1; m < rows->start[g + 1]; m++)
            memcpy(z + (size_t)rows->member[m] * c, z + (size_t)rows->first[g] * c, c * sizeof *z);
}

ne_status init_share_places(ne_context *context, const ne_dense *x, size_t c, float *z)
{
    knn_distinct    rows = {0};
    const ne_status st   = knn_distinct_find(context, x, &rows);
    if (st == NE_OK) share_places(&rows, c, z);
    knn_distinct_clear(&context->memory, &rows);
    return st;
}

ne_status init_share_places_sparse(ne_context *context, const ne_csr *x, size_t c, float *z)
{
    knn_distinct    rows = {0};
    const ne_status st   = knn_distinct_find_sparse(context, x, &rows);
    if (st == NE_OK) share_places(&rows, c, z);
    knn_distinct_clear(&context->memory, &rows);
    return st;
}

double init_share_places_bytes(double n)
{
    return knn_distinct_bytes(n);
}

/* --- Principal components ---------------------------------------------------------------------------------------- */

/* Of one of x and rows, which is n x d. */
static ne_status start_at_components(ne_context *context, size_t n, size_t d, const ne_dense *x, const ne_csr *rows,
                                     size_t c, double scaling, int divisor_n1, uint64_t seed, float *z)
{
    const ne_allocator *mem   = &context->memory;
    const size_t        count = c < d ? (c < n ? c : n) : (d < n ? d : n);
    double             *mean = memory_new(mem, d, sizeof *mean), *variance = memory_new(mem, count, sizeof *variance);
    double             *components = memory_new(mem, count * d, sizeof *components), *middle = NULL;
    ne_status           st = NE_OK;

    if (!mean || !variance || !components) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    pca_job job = {.x = x, .count = count, .seed = seed, .mean = mean, .components = components, .variance = variance};
    job.sparse  = rows;
    st          = rows ? context->backend->pca_sparse(context, &job) : context->backend->pca(context, &job);
    if (st != NE_OK) goto done;
    if (rows && !(middle = memory_zero(mem, count, sizeof *middle))) { /* the mean's coordinates */
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t k = 0; rows && k < count; k++)
        for (size_t j = 0; j < d; j++) middle[k] += mean[j] * components[k * d + j];

    const double std = sqrt(fmax(variance[0], 0) * (divisor_n1 ? 1 : ((double)n - 1) / (double)n));
    if (!(std > 0) || !isfinite(std)) {
        context_log(context, NE_LOG_WARNING, "init: pca has no direction in constant data, random is used");
        init_random(n, c, scaling, divisor_n1, seed, z);
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        if (x) view_fetch_next(x, i);
        for (size_t k = 0; k < c; k++) {
            double at = 0;
            if (k < count && variance[k] > 1e-12 * variance[0]) {
                if (rows) at = sparse_dot(rows, i, components + k * d) - middle[k];
                for (size_t j = 0; !rows && j < d; j++) at += (view_get(x, i, j) - mean[j]) * components[k * d + j];
                at /= std;
            } else {
                at = normal_at(seed, i, k);
            }
            z[i * c + k] = (float)(scaling * at);
        }
    }
done:
    memory_free(mem, mean);
    memory_free(mem, variance);
    memory_free(mem, components);
    memory_free(mem, middle);
    return st;
}

ne_status init_pca(ne_context *context, const ne_dense *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                   float *z)
{
    return start_at_components(context, x->rows, x->cols, x, NULL, c, scaling, divisor_n1, seed, z);
}

ne_status init_pca_sparse(ne_context *context, const ne_csr *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                          float *z)
{
    return start_at_components(context, x->rows, x->cols, NULL, x, c, scaling, divisor_n1, seed, z);
}

double init_pca_bytes(const ne_context *context, double n, double d, int is_float, double c)
{
    const double count = fmin(c, fmin(n, d));
    return (d + count + count * d) * sizeof(double) + context->backend->pca_bytes(context, n, d, is_float, count);
}

double init_pca_sparse_bytes(const ne_context *context, double n, double d, double entries, int32_t dtype, double c)
{
    const double count = fmin(c, fmin(n, d));
    return (d + 2 * count + count * d) * sizeof(double) +
           context->backend->pca_sparse_bytes(context, n, d, entries, dtype, count);
}
