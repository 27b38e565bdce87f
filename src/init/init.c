/* init/init.c: see init.h. */
#include "init/init.h"

#include "base/random.h"
#include "base/view.h"

#include <math.h>

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

void init_random(size_t n, size_t c, double scaling, int divisor_n1, uint64_t seed, float *z)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) z[i * c + k] = (float)normal_at(seed, i, k);
    const double std = deviation(n, c, z, divisor_n1), factor = std > 0 ? scaling / std : scaling;
    for (size_t i = 0; i < n * c; i++) z[i] = (float)((double)z[i] * factor);
}

ne_status init_pca(ne_context *context, const ne_dense *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                   float *z)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, count = c < d ? (c < n ? c : n) : (d < n ? d : n);
    double             *mean = memory_new(mem, d, sizeof *mean), *variance = memory_new(mem, count, sizeof *variance);
    double             *components = memory_new(mem, count * d, sizeof *components);
    ne_status           st         = NE_OK;

    if (!mean || !variance || !components) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    pca_job job = {.x = x, .count = count, .seed = seed, .mean = mean, .components = components, .variance = variance};
    if ((st = context->backend->pca(context, &job)) != NE_OK) goto done;

    const double std = sqrt(fmax(variance[0], 0) * (divisor_n1 ? 1 : ((double)n - 1) / (double)n));
    if (!(std > 0) || !isfinite(std)) {
        context_log(context, NE_LOG_WARNING, "init: pca has no direction in constant data, random is used");
        init_random(n, c, scaling, divisor_n1, seed, z);
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) {
            double at = 0;
            if (k < count && variance[k] > 1e-12 * variance[0]) {
                for (size_t j = 0; j < d; j++) at += (view_get(x, i, j) - mean[j]) * components[k * d + j];
                at /= std;
            } else {
                at = normal_at(seed, i, k);
            }
            z[i * c + k] = (float)(scaling * at);
        }
done:
    memory_free(mem, mean);
    memory_free(mem, variance);
    memory_free(mem, components);
    return st;
}
