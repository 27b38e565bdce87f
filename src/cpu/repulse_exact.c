/* cpu/repulse_exact.c: repulsion summed over all pairs.
 *
 *     f_i = sum_j q_ij w_ij (z_i - z_j)     normaliser = sum_i sum_{j != i} q_ij
 *
 * Cost: n^2 pairs; each block of ROWS targets streams the 4 c n bytes of z once, so it is compute bound. The Student
 * kernel with nu = 1, where q w = q^2, takes 13 operations a pair in two columns, one of them a division, which bounds
 * the rate (5 G pairs/s on a core with AVX). All other kernels, and more than three columns, go through a tile of
 * distances.
 *
 * Lanes are targets, in columns t[k][row], and sources are broadcast from z as it is: no sum crosses lanes. Sums are
 * float over TILE sources, then double. The pair i, i is left out at once:
 * subtracting its q = 1 later would lose a sum of q that is far below 1. Few points with the fast kernel are done by
 * repulse_pairs.c, which takes each pair once. */
#include "cpu/repulse_exact.h"

#include "base/clones.h"
#include "cpu/kernel.h"
#include "cpu/repulse_pairs.h"

#include <omp.h>

enum {
    ROWS         = 64,
    TILE         = 512,
    STEP         = KERNEL_TILE / ROWS,
    FAST_COLUMNS = 3
};

/* What a thread needs for a block of targets: c columns of ROWS each, in one allocation for all threads. */
typedef struct exact_block {
    float  *target, *part; /* coordinates; force of the sources of one tile */
    double *force;
    double  q[ROWS];
    size_t  c, first, rows;
} exact_block;

/* TILE sources at most, for the Student kernel with nu = 1; if `own` they are the targets, and the pair i, i is left out.
 * c and own are constants where this is inlined. */
NE_INLINE void exact_pairs(size_t c, int own, size_t count, const float *restrict z, const float *restrict target,
                           double *restrict force, double *restrict q_sum)
{
    float sum[FAST_COLUMNS][ROWS] = {{0}}, sum_q[ROWS] = {0};
    for (size_t j = 0; j < count; j++) {
#pragma omp simd
        for (size_t r = 0; r < ROWS; r++) {
            float d[FAST_COLUMNS], u = 1.0f;
            for (size_t k = 0; k < c; k++) {
                d[k] = target[k * ROWS + r] - z[j * c + k];
                u += d[k] * d[k];
            }
            const float q = own && r == j ? 0.0f : 1.0f / u, qq = q * q;
            for (size_t k = 0; k < c; k++) sum[k][r] += qq * d[k];
            sum_q[r] += q;
        }
    }
    for (size_t k = 0; k < c; k++)
        for (size_t r = 0; r < ROWS; r++) force[k * ROWS + r] += (double)sum[k][r];
    for (size_t r = 0; r < ROWS; r++) q_sum[r] += (double)sum_q[r];
}

NE_CLONES static void exact_pairs_fast(size_t c, size_t count, const float *restrict z, const float *restrict target,
                                       double *restrict force, double *restrict q_sum)
{
    if (c == 1) exact_pairs(1, 0, count, z, target, force, q_sum);
    else if (c == 2) exact_pairs(2, 0, count, z, target, force, q_sum);
    else exact_pairs(3, 0, count, z, target, force, q_sum);
}

NE_CLONES static void exact_pairs_own(size_t c, size_t count, const float *restrict z, const float *restrict target,
                                      double *restrict force, double *restrict q_sum)
{
    if (c == 1) exact_pairs(1, 1, count, z, target, force, q_sum);
    else if (c == 2) exact_pairs(2, 1, count, z, target, force, q_sum);
    else exact_pairs(3, 1, count, z, target, force, q_sum);
}

NE_CLONES static void exact_distances(size_t c, size_t count, const float *restrict z, const float *restrict target,
                                      float *restrict s)
{
    for (size_t j = 0; j < count; j++, s += ROWS) {
        for (size_t r = 0; r < ROWS; r++) s[r] = 0;
        for (size_t k = 0; k < c; k++) {
#pragma omp simd
            for (size_t r = 0; r < ROWS; r++) {
                const float d = target[k * ROWS + r] - z[j * c + k];
                s[r] += d * d;
            }
        }
    }
}

NE_CLONES static void exact_add(size_t c, size_t count, const float *restrict z, const float *restrict target,
                                const float *restrict q, const float *restrict weight, float *restrict part,
                                float *restrict part_q)
{
    for (size_t j = 0; j < count; j++, q += ROWS, weight += ROWS) {
        for (size_t k = 0; k < c; k++) {
#pragma omp simd
            for (size_t r = 0; r < ROWS; r++) part[k * ROWS + r] += weight[r] * (target[k * ROWS + r] - z[j * c + k]);
        }
#pragma omp simd
        for (size_t r = 0; r < ROWS; r++) part_q[r] += q[r];
    }
}

/* TILE sources at most, from source j0 on, for any kernel. */
static void exact_pairs_general(exact_block *block, const output_kernel *kernel, const float *z, size_t j0,
                                size_t count)
{
    const size_t c = block->c;
    float        s[KERNEL_TILE], q[KERNEL_TILE], weight[KERNEL_TILE], part_q[ROWS] = {0};

    for (size_t i = 0; i < c * ROWS; i++) block->part[i] = 0;
    for (size_t j = 0; j < count; j += STEP) {
        const size_t step = count - j < STEP ? count - j : STEP;
        const float *from = z + (j0 + j) * c;
        exact_distances(c, step, from, block->target, s);
        kernel_values(kernel, step * ROWS, s, q, weight);
        for (size_t own = 0; own < step; own++) {
            const size_t row = j0 + j + own - block->first; /* wraps to a large number for sources before the block */
            if (row < block->rows) q[own * ROWS + row] = weight[own * ROWS + row] = 0;
        }
        exact_add(c, step, from, block->target, q, weight, block->part, part_q);
    }
    for (size_t i = 0; i < c * ROWS; i++) block->force[i] += (double)block->part[i];
    for (size_t r = 0; r < ROWS; r++) block->q[r] += (double)part_q[r];
}

/* Sources [j0, j1) in tiles. */
static void exact_sources(exact_block *block, const output_kernel *kernel, const float *z, size_t j0, size_t j1,
                          int fast)
{
    for (size_t j = j0; j < j1; j += TILE) {
        const size_t count = j1 - j < TILE ? j1 - j : TILE;
        if (fast) exact_pairs_fast(block->c, count, z + j * block->c, block->target, block->force, block->q);
        else exact_pairs_general(block, kernel, z, j, count);
    }
}

/* The block's forces into f, the sum of its q returned. */
static double exact_block_run(exact_block *block, size_t n, const output_kernel *kernel, const float *z, float *f)
{
    const size_t c = block->c, first = block->first, last = first + block->rows;
    const int    fast = c <= FAST_COLUMNS && kernel->kind == KERNEL_STUDENT && kernel->shape == 1;
    double       sum  = 0;

    for (size_t k = 0; k < c; k++)
        for (size_t r = 0; r < ROWS; r++) { /* the last block is padded with zeros, which are not read back */
            block->target[k * ROWS + r] = r < block->rows ? z[(first + r) * c + k] : 0;
            block->force[k * ROWS + r]  = 0;
        }
    for (size_t r = 0; r < ROWS; r++) block->q[r] = 0;

    exact_sources(block, kernel, z, 0, first, fast);
    if (fast) exact_pairs_own(c, block->rows, z + first * c, block->target, block->force, block->q);
    else exact_sources(block, kernel, z, first, last, 0);
    exact_sources(block, kernel, z, last, n, fast);

    for (size_t r = 0; r < block->rows; r++) {
        for (size_t k = 0; k < c; k++) f[(first + r) * c + k] = (float)block->force[k * ROWS + r];
        sum += block->q[r];
    }
    return sum;
}

ne_status repulse_exact(ne_context *context, size_t n, size_t c, const output_kernel *kernel, repulsion_job *job)
{
    const size_t rows = job->row1 - job->row0, blocks = (rows + ROWS - 1) / ROWS,
                 threads = (size_t)context_threads(context);

    if (repulse_pairs_can(n, c, kernel, job)) return repulse_pairs(context, n, c, job);
    double   *part   = memory_new(&context->memory, blocks, sizeof *part);
    float    *floats = memory_new(&context->memory, c * ROWS, 2 * threads * sizeof *floats);
    double   *forces = memory_new(&context->memory, c * ROWS, threads * sizeof *forces);
    ne_status status = part && floats && forces ? NE_OK : NE_OUT_OF_MEMORY;

    if (status == NE_OK) {
#pragma omp parallel for schedule(dynamic) num_threads((int)threads)
        for (size_t b = 0; b < blocks; b++) {
            const size_t me = (size_t)omp_get_thread_num(), left = rows - b * ROWS;
            exact_block  block = {.target = floats + me * 2 * c * ROWS,
                                  .part   = floats + (me * 2 + 1) * c * ROWS,
                                  .force  = forces + me * c * ROWS,
                                  .c      = c,
                                  .first  = job->row0 + b * ROWS,
                                  .rows   = left < ROWS ? left : ROWS};
            part[b]            = exact_block_run(&block, n, kernel, job->z, job->f);
        }
        job->normaliser = 0;
        for (size_t b = 0; b < blocks; b++) job->normaliser += part[b];
    }
    memory_free(&context->memory, forces);
    memory_free(&context->memory, floats);
    memory_free(&context->memory, part);
    return status;
}

/* Fitted to a processor of 3.2 GHz with AVX2. */
double repulse_exact_cost(const repulsion_plan *plan, size_t rows, int threads)
{
    const output_kernel *kernel = plan->kernel;
    const double         c = (double)plan->c, pairs = (double)rows * (double)plan->n;
    double               pair  = 0.4 + 0.1 * c; /* nanoseconds */
    const repulsion_job  whole = {.row1 = plan->n};
    if (repulse_pairs_can(plan->n, plan->c, kernel, &whole)) pair = 0.05 + 0.03 * c;
    else if (kernel->kind == KERNEL_STUDENT && kernel->shape == 1)
        pair = plan->c <= FAST_COLUMNS ? 0.08 + 0.055 * c : pair;
    else if (kernel->kind == KERNEL_STUDENT) pair += 0.9;
    else if (kernel->kind == KERNEL_GAUSSIAN) pair += 0.3;
    else pair += 20;
    return 2000 * c + pairs * pair / threads;
}
