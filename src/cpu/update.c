/* cpu/update.c: one optimizer step; the formula of sgd is in backend/backend.h, those of the others in cpu/optimizers.c.
 *
 * Cost: about 15 operations and 32 bytes a coordinate, bound by memory: so all of it happens while a block of rows
 * is in the cache, in passes over the block that each vectorise. A block has its own sum of |g|^2, in LANES doubles
 * added in one order. */
#include "cpu/update.h"

#include "base/clones.h"
#include "cpu/optimizers.h"

#include <float.h>
#include <math.h>

enum {
    TILE  = 1024,
    BLOCK = 4096,
    LANES = 8
}; /* coordinates; a block holds whole rows, one at least */

/* The numbers of a step, narrowed once. */
typedef struct step_scales {
    float attract, repulse, momentum, rate, max_step;
    float look_ahead, whole_rate; /* nesterov: the displacement is look_ahead u - whole_rate gain g */
} step_scales;

/* g of count coordinates; |g|^2 is added to sum. */
NE_CLONES static void update_gradient(size_t count, step_scales by, const float *restrict toward,
                                      const float *restrict away, float *restrict g, double *restrict sum)
{
    if (away) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) g[i] = by.attract * toward[i] - by.repulse * away[i];
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++) g[i] = by.attract * toward[i];
    }
    for (size_t i = count; i < count + LANES; i++) g[i] = 0;
    for (size_t i = 0; i < count; i += LANES)
        for (size_t l = 0; l < LANES; l++) sum[l] += (double)g[i + l] * (double)g[i + l];
}

/* Gains, then the new u. Signs are compared as -1, 0, 1: the product g u could underflow. */
NE_CLONES static void update_velocity(size_t count, step_scales by, const float *restrict g, float *restrict gains,
                                      float *restrict u)
{
    if (gains) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) {
            const float sign_g = (g[i] > 0 ? 1.0f : 0.0f) - (g[i] < 0 ? 1.0f : 0.0f);
            const float sign_u = (u[i] > 0 ? 1.0f : 0.0f) - (u[i] < 0 ? 1.0f : 0.0f);
            const float factor = sign_g == sign_u ? 0.8f : 1.0f, step = sign_g == sign_u ? 0.0f : 0.2f;
            const float gain = factor * gains[i] + step;
            gains[i]         = gain < 0.01f ? 0.01f : gain;
        }
#pragma omp simd
        for (size_t i = 0; i < count; i++) u[i] = by.momentum * u[i] - by.rate * gains[i] * g[i];
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++) u[i] = by.momentum * u[i] - by.rate * g[i];
    }
}

NE_CLONES static void update_decay(size_t count, float weight_decay, const float *restrict z, float *restrict g)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) g[i] += weight_decay * z[i];
}

/* Nesterov's displacement: that of the velocity that the next step would start with. */
NE_CLONES static void update_look_ahead(size_t count, step_scales by, const float *restrict g,
                                        const float *restrict gains, const float *restrict u, float *restrict d)
{
    if (gains) {
#pragma omp simd
        for (size_t i = 0; i < count; i++) d[i] = by.look_ahead * u[i] - by.whole_rate * gains[i] * g[i];
    } else {
#pragma omp simd
        for (size_t i = 0; i < count; i++) d[i] = by.look_ahead * u[i] - by.whole_rate * g[i];
    }
}

/* Shortens each row of u to max_step. c is a constant where this is inlined. */
NE_INLINE void clip_rows(size_t c, size_t rows, float max_step, float *restrict u)
{
    const float limit = max_step * max_step;
    for (size_t r = 0; r < rows; r++) {
        float square = 0;
        for (size_t k = 0; k < c; k++) square += u[r * c + k] * u[r * c + k];
        if (square > limit) { /* few are */
            const float scale = max_step / sqrtf(square);
            for (size_t k = 0; k < c; k++) u[r * c + k] *= scale;
        }
    }
}

NE_CLONES static void update_clip(size_t c, size_t rows, float max_step, float *restrict u)
{
    if (c == 1) clip_rows(1, rows, max_step, u);
    else if (c == 2) clip_rows(2, rows, max_step, u);
    else if (c == 3) clip_rows(3, rows, max_step, u);
    else clip_rows(c, rows, max_step, u);
}

/* z += u; returns how many of the new z are not finite. */
NE_CLONES static int update_position(size_t count, const float *restrict u, float *restrict z)
{
    int bad = 0;
#pragma omp simd reduction(+ : bad)
    for (size_t i = 0; i < count; i++) {
        z[i] += u[i];
        bad += !(fabsf(z[i]) <= FLT_MAX);
    }
    return bad;
}

typedef struct block_result {
    double square;
    int    bad;
} block_result;

/* wide: n x c, for the displacement where a row does not fit the stack; else NULL. */
static block_result update_rows(const update_job *job, step_scales by, const optimizer_numbers *rule, size_t row0,
                                size_t row1, float *wide)
{
    const size_t first = row0 * job->c, last = row1 * job->c;
    float        g[TILE + LANES], own[BLOCK];
    float       *d          = !optimizer_displaces(job) ? job->u + first : wide ? wide + first : own;
    double       sum[LANES] = {0};
    block_result result     = {0, 0};

    if (rule->kind == OPTIMIZER_RIEMANNIAN_ADAM) {
        result.square = optimizer_riemannian(job, row0, row1, &result.bad);
        return result;
    }
    for (size_t i = first; i < last; i += TILE) {
        const size_t count = last - i < TILE ? last - i : TILE;
        float *const gains = job->gains ? job->gains + i : NULL, *const u = job->u + i, *const to = d + (i - first);
        update_gradient(count, by, job->attraction + i, job->repulsion ? job->repulsion + i : NULL, g, sum);
        if (rule->weight_decay != 0) update_decay(count, rule->weight_decay, job->z + i, g);
        if (rule->kind == OPTIMIZER_SGD) {
            update_velocity(count, by, g, gains, u);
            if (to != u) update_look_ahead(count, by, g, gains, u, to);
        } else {
            optimizer_tile(rule, count, g, job->z + i, u, job->second + i, job->third ? job->third + i : NULL, to);
        }
    }
    if (job->max_step > 0) update_clip(job->c, row1 - row0, by.max_step, d);
    result.bad = update_position(last - first, d, job->z + first);
    for (size_t l = 0; l < LANES; l++) result.square += sum[l];
    return result;
}

static step_scales scales_of(const update_job *job)
{
    /* Dampening leaves the first gradient whole, as the velocity starts from it. */
    const double      share = job->rule && job->count > 1 ? 1 - job->rule->dampening : 1;
    const step_scales by    = {.attract    = (float)job->attract_scale,
                               .repulse    = (float)job->repulse_scale,
                               .momentum   = (float)job->momentum,
                               .rate       = (float)(job->rate * share),
                               .max_step   = (float)job->max_step,
                               .look_ahead = (float)job->look_ahead,
                               .whole_rate = (float)job->rate};
    return by;
}

ne_status cpu_update(ne_context *context, update_job *job)
{
    const ne_allocator     *mem  = &context->memory;
    const size_t            rows = job->c < BLOCK ? BLOCK / job->c : 1, blocks = (job->n + rows - 1) / rows;
    const step_scales       by     = scales_of(job);
    const optimizer_numbers rule   = job->rule ? optimizer_of(job) : (optimizer_numbers){.kind = OPTIMIZER_SGD};
    block_result           *part   = memory_new(mem, blocks, sizeof *part);
    float                  *wide   = NULL;
    ne_status               status = NE_OK;

    if (part && job->c > BLOCK && optimizer_displaces(job)) wide = memory_new(mem, job->n * job->c, sizeof *wide);
    if (!part || (!wide && job->c > BLOCK && optimizer_displaces(job))) {
        status = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t b = 0; b < blocks; b++)
        part[b] = update_rows(job, by, &rule, b * rows, (b + 1) * rows < job->n ? (b + 1) * rows : job->n, wide);
    job->gradient_square = 0;
    job->all_finite      = 1;
    for (size_t b = 0; b < blocks; b++) {
        job->gradient_square += part[b].square;
        job->all_finite &= !part[b].bad;
    }
done:
    memory_free(mem, part);
    memory_free(mem, wide);
    return status;
}
