/* cpu/repulse_exact_rows.c: repulsion normalised row by row, as in SNE (Hinton & Roweis 2002), over all pairs.
 *
 *     S_i = sum_{j != i} q_ij (+ 1)     f_i = sum_j (1 / S_i + 1 / S_j) q_ij w_ij (z_i - z_j)     normaliser = sum_i log S_i
 *
 * Two sweeps: both directions of a pair need their row's sum before the first force. A sweep is n^2 pairs and streams z
 * once for each block of ROWS targets, so it is compute bound: with AVX 0.3 ns a pair for the Gaussian kernel in two
 * columns, where the exponential is half of the work.
 *
 * A point far from all others has exp(-s) below the smallest float for every s, but a gradient all the same. So S_i is
 * kept as its logarithm, with the largest term taken out first: log S_i = -m + log sum exp(m - s), m the smallest s of the
 * row. Most rows have a neighbor near by (m < NEAR) and need no m; a block in which one has none is summed again with it.
 * The forces of a tile of rows with log S > -SAFE share one exponential, exp(-s) (1 / S_i + 1 / S_j): what underflows
 * is then below exp(SAFE - 87) of its sum. Other tiles take two, exp(-s - log S_i) and exp(-s - log S_j).
 *
 * Lanes are targets, sources are broadcast: no sum crosses lanes. Float over TILE sources, then double. */
#include "cpu/repulse_exact_rows.h"

#include "cpu/elementary.h"
#include "cpu/kernel.h"

#include <math.h>
#include <omp.h>

enum {
    ROWS    = 64,
    TILE    = 512,
    COLUMNS = 3, /* up to so many have loops of their own */
    NEAR    = 20,
    SAFE    = 40
};

typedef struct rows_problem {
    size_t               n, c;
    const output_kernel *kernel;
    int                  diagonal;
    const float         *z;
    double              *log_sum;         /* n */
    float               *log_s, *inverse; /* n: log S, and 1 / S where that is a float */
} rows_problem;

/* A block of targets as columns of ROWS each; the last block is padded with the first point of the block. */
typedef struct rows_block {
    float  *target, *part;
    double *force;
    size_t  c, first, rows;
    float   nearest[ROWS], shift[ROWS], log_s[ROWS], inverse[ROWS];
    double  sum[ROWS];
} rows_block;

/* --- First sweep: sums ------------------------------------------------------------------------------------------- */

/* Adds what TILE sources at most give to the sums; source `own` + lane is the lane's own point. c and the kernel are
 * constants where this is inlined. */
NE_INLINE void sum_pairs(int gaussian, size_t c, size_t count, const float *restrict z, float scale, int64_t own,
                         rows_block *restrict block)
{
    const lanes_int order = {0, 1, 2, 3, 4, 5, 6, 7};
    for (size_t r = 0; r < ROWS; r += LANES) {
        lanes       sum = {0}, nearest = lanes_load(block->nearest + r);
        const lanes shift = lanes_load(block->shift + r), far = lanes_all(INFINITY);
        for (size_t j = 0; j < count; j++) {
            lanes s = {0};
            for (size_t k = 0; k < c; k++) {
                const lanes d = lanes_load(block->target + k * ROWS + r) - z[j * c + k];
                s += d * d;
            }
            s *= scale;
            const int64_t me = (int64_t)j - own - (int64_t)r;
            if (me >= 0 && me < LANES) {
                const lanes_int mine = order == (int32_t)me;
                s                    = (lanes)(((lanes_int)s & ~mine) | ((lanes_int)far & mine));
            }
            const lanes_int nearer = s < nearest;
            nearest                = (lanes)(((lanes_int)s & nearer) | ((lanes_int)nearest & ~nearer));
            if (gaussian) sum += elementary_exp(shift - s);
            else sum += 1.0f / (1.0f + s);
        }
        lanes_store(block->nearest + r, nearest);
        for (size_t l = 0; l < LANES; l++) block->sum[r + l] += (double)sum[l];
    }
}

NE_CLONES static void rows_sum_gaussian(size_t c, size_t count, const float *restrict z, float scale, int64_t own,
                                        rows_block *restrict block)
{
    if (c == 1) sum_pairs(1, 1, count, z, scale, own, block);
    else if (c == 2) sum_pairs(1, 2, count, z, scale, own, block);
    else if (c == 3) sum_pairs(1, 3, count, z, scale, own, block);
    else sum_pairs(1, c, count, z, scale, own, block);
}

NE_CLONES static void rows_sum_cauchy(size_t c, size_t count, const float *restrict z, int64_t own,
                                      rows_block *restrict block)
{
    if (c == 1) sum_pairs(0, 1, count, z, 1, own, block);
    else if (c == 2) sum_pairs(0, 2, count, z, 1, own, block);
    else if (c == 3) sum_pairs(0, 3, count, z, 1, own, block);
    else sum_pairs(0, c, count, z, 1, own, block);
}

/* The squared distances of one source to the block's targets. */
NE_CLONES static void rows_distances(size_t c, const float *restrict zj, const float *restrict target,
                                     float *restrict s)
{
    for (size_t r = 0; r < ROWS; r++) s[r] = 0;
    for (size_t k = 0; k < c; k++) {
#pragma omp simd
        for (size_t r = 0; r < ROWS; r++) s[r] += (target[k * ROWS + r] - zj[k]) * (target[k * ROWS + r] - zj[k]);
    }
}

static int is_gaussian(const output_kernel *kernel)
{
    return kernel->kind == KERNEL_GAUSSIAN;
}

static int is_cauchy(const output_kernel *kernel)
{
    return kernel->kind == KERNEL_STUDENT && kernel->shape == 1;
}

static void sum_any_kernel(const rows_problem *of, size_t j0, size_t count, rows_block *block)
{
    float s[ROWS], q[ROWS], force[ROWS];
    for (size_t j = j0; j < j0 + count; j++) {
        rows_distances(of->c, of->z + j * of->c, block->target, s);
        kernel_values(of->kernel, ROWS, s, q, force);
        if (j - block->first < ROWS) q[j - block->first] = 0; /* wraps to a large number for sources before the block */
        for (size_t r = 0; r < ROWS; r++) block->sum[r] += (double)q[r];
    }
}

static void sum_all_sources(const rows_problem *of, rows_block *block)
{
    for (size_t r = 0; r < ROWS; r++) block->sum[r] = 0;
    for (size_t j = 0; j < of->n; j += TILE) {
        const size_t  count = of->n - j < TILE ? of->n - j : TILE;
        const float  *from  = of->z + j * of->c;
        const int64_t own   = (int64_t)block->first - (int64_t)j;
        if (is_gaussian(of->kernel)) rows_sum_gaussian(of->c, count, from, 1 / (float)of->kernel->shape, own, block);
        else if (is_cauchy(of->kernel)) rows_sum_cauchy(of->c, count, from, own, block);
        else sum_any_kernel(of, j, count, block);
    }
}

static void load_targets(const rows_problem *of, rows_block *block)
{
    const size_t c = of->c;
    for (size_t r = 0; r < ROWS; r++) {
        const size_t row = block->first + (r < block->rows ? r : 0);
        for (size_t k = 0; k < c; k++) block->target[k * ROWS + r] = of->z[row * c + k];
    }
}

static void sum_block(const rows_problem *of, rows_block *block)
{
    int again = 0;
    load_targets(of, block);
    for (size_t r = 0; r < ROWS; r++) {
        block->nearest[r] = INFINITY;
        block->shift[r]   = 0;
    }
    sum_all_sources(of, block);
    for (size_t r = 0; r < block->rows; r++) again |= block->nearest[r] > NEAR && block->nearest[r] < INFINITY;
    if (again && is_gaussian(of->kernel)) {
        for (size_t r = 0; r < ROWS; r++) block->shift[r] = block->nearest[r] < INFINITY ? block->nearest[r] : 0;
        sum_all_sources(of, block);
    }
    for (size_t r = 0; r < block->rows; r++) {
        double log_sum = log(block->sum[r]) - (double)block->shift[r];
        if (of->diagonal) log_sum = log_sum > 0 ? log_sum + log1p(exp(-log_sum)) : log1p(exp(log_sum));
        of->log_sum[block->first + r] = log_sum;
        of->log_s[block->first + r]   = (float)log_sum;
        of->inverse[block->first + r] = log_sum > -80 ? (float)exp(-log_sum) : 0; /* 0: a kernel that underflowed */
    }
}

/* --- Second sweep: forces ---------------------------------------------------------------------------------------- */

NE_INLINE lanes not_above_zero(lanes x)
{
    const lanes_int below = x < 0.0f;
    return (lanes)((lanes_int)x & below);
}

/* The pair of a point with itself has no force, as its difference is 0: it needs no case of its own. */
NE_INLINE void force_pairs(int gaussian, int safe, size_t c, size_t count, const float *restrict z,
                           const float *restrict log_s, const float *restrict inverse, float scale,
                           rows_block *restrict block)
{
    for (size_t r = 0; r < ROWS; r += LANES) {
        lanes       sum[COLUMNS] = {{0}};
        const lanes log_own = lanes_load(block->log_s + r), inverse_own = lanes_load(block->inverse + r);
        for (size_t j = 0; j < count; j++) {
            lanes s = {0}, d[COLUMNS], weight;
            for (size_t k = 0; k < c; k++) {
                const lanes dk = lanes_load(block->target + k * ROWS + r) - z[j * c + k];
                s += dk * dk;
                if (c <= COLUMNS) d[k] = dk;
            }
            s *= scale;
            if (!gaussian) {
                const lanes q = 1.0f / (1.0f + s);
                weight        = q * q * (inverse_own + inverse[j]);
            } else if (safe) {
                weight = elementary_exp(not_above_zero(-s - log_own)) + elementary_exp(not_above_zero(-s - log_s[j]));
            } else {
                weight = elementary_exp(-s) * (inverse_own + inverse[j]);
            }
            for (size_t k = 0; k < c; k++) {
                if (c <= COLUMNS) {
                    sum[k] += weight * d[k];
                } else {
                    float *part = block->part + k * ROWS + r;
                    lanes_store(part,
                                lanes_load(part) + weight * (lanes_load(block->target + k * ROWS + r) - z[j * c + k]));
                }
            }
        }
        for (size_t k = 0; k < c && c <= COLUMNS; k++) lanes_store(block->part + k * ROWS + r, sum[k]);
    }
}

NE_CLONES static void rows_force_gaussian(size_t c, size_t count, const float *restrict z, const float *restrict log_s,
                                          const float *restrict inverse, float scale, rows_block *restrict block)
{
    if (c == 1) force_pairs(1, 0, 1, count, z, log_s, inverse, scale, block);
    else if (c == 2) force_pairs(1, 0, 2, count, z, log_s, inverse, scale, block);
    else if (c == 3) force_pairs(1, 0, 3, count, z, log_s, inverse, scale, block);
    else force_pairs(1, 0, c, count, z, log_s, inverse, scale, block);
}

NE_CLONES static void rows_force_safe(size_t c, size_t count, const float *restrict z, const float *restrict log_s,
                                      const float *restrict inverse, float scale, rows_block *restrict block)
{
    if (c == 1) force_pairs(1, 1, 1, count, z, log_s, inverse, scale, block);
    else if (c == 2) force_pairs(1, 1, 2, count, z, log_s, inverse, scale, block);
    else if (c == 3) force_pairs(1, 1, 3, count, z, log_s, inverse, scale, block);
    else force_pairs(1, 1, c, count, z, log_s, inverse, scale, block);
}

NE_CLONES static void rows_force_cauchy(size_t c, size_t count, const float *restrict z, const float *restrict log_s,
                                        const float *restrict inverse, rows_block *restrict block)
{
    if (c == 1) force_pairs(0, 0, 1, count, z, log_s, inverse, 1, block);
    else if (c == 2) force_pairs(0, 0, 2, count, z, log_s, inverse, 1, block);
    else if (c == 3) force_pairs(0, 0, 3, count, z, log_s, inverse, 1, block);
    else force_pairs(0, 0, c, count, z, log_s, inverse, 1, block);
}

static void force_any_kernel(const rows_problem *of, size_t j0, size_t count, rows_block *block)
{
    const size_t c = of->c;
    float        s[ROWS], q[ROWS], weight[ROWS];
    for (size_t j = j0; j < j0 + count; j++) {
        rows_distances(c, of->z + j * c, block->target, s);
        kernel_values(of->kernel, ROWS, s, q, weight);
        for (size_t r = 0; r < ROWS; r++) weight[r] *= block->inverse[r] + of->inverse[j];
        for (size_t k = 0; k < c; k++)
            for (size_t r = 0; r < ROWS; r++)
                block->part[k * ROWS + r] += weight[r] * (block->target[k * ROWS + r] - of->z[j * c + k]);
    }
}

static int tile_is_near(const rows_problem *of, size_t j0, size_t count, const rows_block *block)
{
    float least = INFINITY;
    for (size_t r = 0; r < ROWS; r++) least = fminf(least, block->log_s[r]);
    for (size_t j = j0; j < j0 + count; j++) least = fminf(least, of->log_s[j]);
    return least > -SAFE;
}

static void force_block(const rows_problem *of, rows_block *block, float *f)
{
    const size_t c     = of->c;
    const double slope = is_gaussian(of->kernel) ? 1 / of->kernel->shape : 1;
    const float  scale = 1 / (float)of->kernel->shape;

    load_targets(of, block);
    for (size_t r = 0; r < ROWS; r++) {
        const size_t row  = block->first + (r < block->rows ? r : 0);
        block->log_s[r]   = of->log_s[row];
        block->inverse[r] = of->inverse[row];
    }
    for (size_t i = 0; i < c * ROWS; i++) block->force[i] = 0;
    for (size_t j = 0; j < of->n; j += TILE) {
        const size_t count = of->n - j < TILE ? of->n - j : TILE;
        const float *from = of->z + j * c, *log_s = of->log_s + j, *inverse = of->inverse + j;
        for (size_t i = 0; i < c * ROWS; i++) block->part[i] = 0;
        if (is_cauchy(of->kernel)) rows_force_cauchy(c, count, from, log_s, inverse, block);
        else if (!is_gaussian(of->kernel)) force_any_kernel(of, j, count, block);
        else if (tile_is_near(of, j, count, block)) rows_force_gaussian(c, count, from, log_s, inverse, scale, block);
        else rows_force_safe(c, count, from, log_s, inverse, scale, block);
        for (size_t i = 0; i < c * ROWS; i++) block->force[i] += (double)block->part[i];
    }
    for (size_t r = 0; r < block->rows; r++)
        for (size_t k = 0; k < c; k++) f[(block->first + r) * c + k] = (float)(slope * block->force[k * ROWS + r]);
}

/* --- Both -------------------------------------------------------------------------------------------------------- */

typedef struct rows_room {
    float  *floats;
    double *doubles;
    size_t  c;
} rows_room;

static rows_block block_of(const rows_room *room, size_t first, size_t end)
{
    const size_t     me = (size_t)omp_get_thread_num(), size = room->c * ROWS;
    const rows_block block = {.target = room->floats + me * 2 * size,
                              .part   = room->floats + (me * 2 + 1) * size,
                              .force  = room->doubles + me * size,
                              .c      = room->c,
                              .first  = first,
                              .rows   = end - first < ROWS ? end - first : ROWS};
    return block;
}

static ne_status run(ne_context *context, const repulsion_plan *plan, const float *z, double *log_sum,
                     repulsion_job *job)
{
    const size_t  n = plan->n, c = plan->c;
    const int     threads = context_threads(context);
    const int64_t blocks  = (int64_t)((n + ROWS - 1) / ROWS);
    rows_room     room    = {.c = c};
    rows_problem  of = {.n = n, .c = c, .kernel = plan->kernel, .diagonal = plan->diagonal, .z = z, .log_sum = log_sum};
    ne_status     st = NE_OK;

    of.log_s     = memory_new(&context->memory, n, 2 * sizeof *of.log_s);
    room.floats  = memory_new(&context->memory, c * ROWS, 2 * (size_t)threads * sizeof *room.floats);
    room.doubles = memory_new(&context->memory, c * ROWS, (size_t)threads * sizeof *room.doubles);
    if (!of.log_s || !room.floats || !room.doubles) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    of.inverse = of.log_s + n;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++) {
        rows_block block = block_of(&room, (size_t)b * ROWS, n);
        sum_block(&of, &block);
    }
    if (job) {
        const int64_t wanted = (int64_t)((job->row1 - job->row0 + ROWS - 1) / ROWS);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t b = 0; b < wanted; b++) {
            rows_block block = block_of(&room, job->row0 + (size_t)b * ROWS, job->row1);
            force_block(&of, &block, job->f);
        }
    }
done:
    memory_free(&context->memory, of.log_s);
    memory_free(&context->memory, room.floats);
    memory_free(&context->memory, room.doubles);
    return st;
}

ne_status repulse_exact_row_sums(ne_context *context, const repulsion_plan *plan, const float *z, double *log_sum)
{
    return run(context, plan, z, log_sum, NULL);
}

ne_status repulse_exact_rows(ne_context *context, const repulsion_plan *plan, repulsion_job *job)
{
    double   *log_sum = memory_new(&context->memory, plan->n, sizeof *log_sum);
    ne_status st      = !log_sum ? NE_OUT_OF_MEMORY : run(context, plan, job->z, log_sum, job);
    if (st == NE_OK) {
        job->normaliser = 0;
        for (size_t i = job->row0; i < job->row1; i++) job->normaliser += log_sum[i];
    }
    memory_free(&context->memory, log_sum);
    return st;
}
