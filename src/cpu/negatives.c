/* cpu/negatives.c: repulsion from rows drawn at random, by rotations of a circle.
 *
 *     a_im = q w (z_i - z_m) / W_i, W_i = sum_m q_im     or     a_im = q w (z_i - z_m) / (1 - q)
 *     f_i  = sum of a_im over the rows m that i draws, and of -a_ji over the rows j that drew i
 *
 * The rows lie on a random circle, and the s-th draw of all rows at once is one rotation: the row at place a draws the row
 * at place a + r. So with the coordinates copied into the order of the circle, and that written out twice, the partners
 * of a run of rows are a run too: no random number, no index and no gather for a pair, and the rows that drew a row are
 * at a - r. Cost: 2 evaluations of the kernel a pair, 0.5 ns with AVX in two columns for 1 / (1 + s) and 1 / (2 + s); other
 * kernels go through a tile of distances.
 *
 * Over rows there are two passes: W_i and the sum over i's own draws; then the draws of others, each over its W. Sums are
 * float over the draws of a row: their rounding is far below the noise of the draw. */
#include "cpu/negatives.h"

#include "base/clones.h"
#include "cpu/kernel.h"
#include "cpu/lanes.h"
#include "cpu/negatives_lists.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    ROWS         = NEGATIVES_TILE, /* places that a thread takes at a time */
    TURNS        = 16,             /* rotations for which a block's sums stay near: so many streams are read at once */
    FAST_COLUMNS = 3
};

/* What is added up for a pair. */
typedef enum circle_mode {
    CIRCLE_PLAIN = 0, /* the force over 1 - q */
    CIRCLE_OWN   = 1, /* the force, and q */
    CIRCLE_BY    = 2  /* the force times a weight of the other row */
} circle_mode;

typedef struct circle {
    size_t    n, c, stride, sum_stride;
    float    *z;        /* c columns, the circle twice, and ROWS floats that may be read */
    float    *weight;   /* one such column: W, then 1 / W */
    float    *sum;      /* c columns, once */
    uint32_t *own, *by; /* count offsets each: to the rows that a row draws, and to those that drew it */
} circle;

/* --- Kernels 1 / (base + s) in up to three columns, all in registers ----------------------------------------------- */

NE_INLINE void circle_fast(size_t c, circle_mode mode, float base, const circle *on, size_t first, size_t turns,
                           const uint32_t *restrict offset, float *restrict q_sum)
{
    for (size_t r = first; r < first + ROWS; r += LANES) {
        lanes zi[FAST_COLUMNS], sum[FAST_COLUMNS], total = {0};
        for (size_t k = 0; k < c; k++) {
            zi[k]  = lanes_load(on->z + k * on->stride + r);
            sum[k] = lanes_load(on->sum + k * on->sum_stride + r);
        }
        if (mode == CIRCLE_OWN) total = lanes_load(q_sum + r);
        for (size_t t = 0; t < turns; t++) {
            const size_t at = r + offset[t];
            lanes        d[FAST_COLUMNS], s = {0}, force;
            for (size_t k = 0; k < c; k++) {
                d[k] = zi[k] - lanes_load(on->z + k * on->stride + at);
                s += d[k] * d[k];
            }
            if (mode == CIRCLE_PLAIN) {
                /* q^2 / (1 - q) = 1 / ((base + s) (base - 1 + s)) */
                force = 1.0f / ((base + s) * (s + (base > 1.0f ? base - 1.0f : NEGATIVES_GAP)));
            } else {
                const lanes q = 1.0f / (base + s);
                force         = q * q;
                if (mode == CIRCLE_OWN) total += q;
                else force *= lanes_load(on->weight + at);
            }
            for (size_t k = 0; k < c; k++) sum[k] += force * d[k];
        }
        for (size_t k = 0; k < c; k++) lanes_store(on->sum + k * on->sum_stride + r, sum[k]);
        if (mode == CIRCLE_OWN) lanes_store(q_sum + r, total);
    }
}

NE_INLINE void circle_fast_mode(size_t c, circle_mode mode, float base, const circle *on, size_t first, size_t turns,
                                const uint32_t *restrict offset)
{
    if (mode == CIRCLE_PLAIN && base > 1) circle_fast(c, CIRCLE_PLAIN, 2, on, first, turns, offset, NULL);
    else if (mode == CIRCLE_PLAIN) circle_fast(c, CIRCLE_PLAIN, 1, on, first, turns, offset, NULL);
    else if (mode == CIRCLE_OWN) circle_fast(c, CIRCLE_OWN, base, on, first, turns, offset, on->weight);
    else circle_fast(c, CIRCLE_BY, base, on, first, turns, offset, NULL);
}

NE_CLONES static void circle_pairs_fast(circle_mode mode, float base, const circle *on, size_t first, size_t turns,
                                        const uint32_t *restrict offset)
{
    if (on->c == 1) circle_fast_mode(1, mode, base, on, first, turns, offset);
    else if (on->c == 2) circle_fast_mode(2, mode, base, on, first, turns, offset);
    else circle_fast_mode(3, mode, base, on, first, turns, offset);
}

/* --- Any kernel, any number of columns ------------------------------------------------------------------------------ */

NE_CLONES static void circle_distances(const circle *on, size_t first, size_t offset, float *restrict s)
{
    memset(s, 0, ROWS * sizeof *s);
    for (size_t k = 0; k < on->c; k++) {
        const float *restrict z = on->z + k * on->stride + first;
#pragma omp simd
        for (size_t r = 0; r < ROWS; r++) s[r] += (z[r] - z[r + offset]) * (z[r] - z[r + offset]);
    }
}

NE_CLONES static void circle_add(const circle *on, size_t first, size_t offset, const float *restrict force)
{
    for (size_t k = 0; k < on->c; k++) {
        const float *restrict z = on->z + k * on->stride + first;
        float *restrict sum     = on->sum + k * on->sum_stride + first;
#pragma omp simd
        for (size_t r = 0; r < ROWS; r++) sum[r] += force[r] * (z[r] - z[r + offset]);
    }
}

void negatives_weigh(int over_rows, size_t count, const float *restrict q, float *restrict force)
{
    if (!over_rows)
        for (size_t i = 0; i < count; i++) {
            const float gap = 1.0f - q[i];
            force[i] /= gap > NEGATIVES_GAP ? gap : NEGATIVES_GAP;
        }
}

static void circle_pairs(const negatives_job *job, circle_mode mode, const circle *on, size_t first, size_t turns,
                         const uint32_t *offset)
{
    float s[ROWS], q[ROWS], force[ROWS];
    for (size_t t = 0; t < turns; t++) {
        circle_distances(on, first, offset[t], s);
        kernel_values(job->kernel, ROWS, s, q, force);
        negatives_weigh(job->over_rows, ROWS, q, force);
        if (mode == CIRCLE_OWN)
            for (size_t r = 0; r < ROWS; r++) on->weight[first + r] += q[r];
        if (mode == CIRCLE_BY)
            for (size_t r = 0; r < ROWS; r++) force[r] *= on->weight[first + r + offset[t]];
        circle_add(on, first, offset[t], force);
    }
}

/* --- Passes over the circle ----------------------------------------------------------------------------------------- */

static void circle_block(const negatives_job *job, circle_mode mode, const circle *on, size_t first,
                         const uint32_t *offset)
{
    const output_kernel *kernel = job->kernel;
    const int            cauchy = kernel->kind == KERNEL_STUDENT && kernel->shape == 1;
    const int            fast   = on->c <= FAST_COLUMNS && (cauchy || kernel->kind == KERNEL_LARGEVIS);
    for (size_t t = 0; t < job->count; t += TURNS) {
        const size_t turns = job->count - t < TURNS ? job->count - t : TURNS;
        if (fast) circle_pairs_fast(mode, cauchy ? 1 : 2, on, first, turns, offset + t);
        else circle_pairs(job, mode, on, first, turns, offset + t);
    }
}

/* After a block's own draws: its sums over its W. */
static void divide_by_own(const circle *on, size_t first)
{
    const size_t last = first + ROWS < on->n ? first + ROWS : on->n;
    for (size_t a = first; a < last; a++) {
        on->weight[a] = 1 / fmaxf(on->weight[a], FLT_MIN);
        for (size_t k = 0; k < on->c; k++) on->sum[k * on->sum_stride + a] *= on->weight[a];
    }
}

static void write_block(const negatives_job *job, const circle *on, size_t first)
{
    const size_t last = first + ROWS < on->n ? first + ROWS : on->n;
    for (size_t a = first; a < last; a++) {
        const size_t row = (size_t)job->problem->circle_row[a];
        if (row >= job->row0 && row < job->row1)
            for (size_t k = 0; k < on->c; k++) job->f[row * on->c + k] = on->sum[k * on->sum_stride + a];
    }
}

double negatives_term(const negatives_job *job, double s)
{
    const double log_q = kernel_log_f64(job->kernel, s, NULL), gap = -expm1(log_q);
    return job->over_rows ? exp(log_q) : -log(gap > (double)NEGATIVES_GAP ? gap : (double)NEGATIVES_GAP);
}

static double block_loss(const negatives_job *job, const circle *on, size_t first)
{
    const size_t last = first + ROWS < on->n ? first + ROWS : on->n;
    double       loss = 0;
    for (size_t a = first; a < last; a++) {
        const size_t row = (size_t)job->problem->circle_row[a];
        double       sum = 0;
        if (row < job->row0 || row >= job->row1) continue;
        for (size_t t = 0; t < job->count; t++) {
            double s = 0;
            for (size_t k = 0; k < on->c; k++) {
                const float *z = on->z + k * on->stride + a;
                const double d = (double)z[0] - (double)z[on->own[t]];
                s += d * d;
            }
            sum += negatives_term(job, s);
        }
        loss += job->over_rows ? log(fmax(sum, DBL_MIN)) : sum;
    }
    return loss;
}

static void fill_circle(ne_context *context, const negatives_job *job, const circle *on)
{
    const size_t n = on->n, pad = on->stride - 2 * n;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t a = 0; a < n; a++) {
        const float *zi = job->z + (size_t)job->problem->circle_row[a] * on->c;
        for (size_t k = 0; k < on->c; k++) on->z[k * on->stride + a] = on->z[k * on->stride + n + a] = zi[k];
    }
    for (size_t k = 0; k < on->c; k++) memset(on->z + k * on->stride + 2 * n, 0, pad * sizeof *on->z);
    for (size_t t = 0; t < job->count; t++) {
        on->own[t] = ne_draw_rotation(job->problem, job->step, (uint32_t)t);
        on->by[t]  = (uint32_t)(n - on->own[t]);
    }
}

static void run_circle(ne_context *context, const negatives_job *job, const circle *on, double *part)
{
    const int         threads = context_threads(context);
    const circle_mode first   = job->over_rows ? CIRCLE_OWN : CIRCLE_PLAIN;
    const circle_mode second  = job->over_rows ? CIRCLE_BY : CIRCLE_PLAIN;
    const size_t      n       = on->n;
    const int64_t     blocks  = (int64_t)((n + ROWS - 1) / ROWS);

    fill_circle(context, job, on);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++) {
        const size_t at = (size_t)b * ROWS;
        for (size_t k = 0; k < on->c; k++) memset(on->sum + k * on->sum_stride + at, 0, ROWS * sizeof *on->sum);
        if (job->over_rows) memset(on->weight + at, 0, ROWS * sizeof *on->weight);
        circle_block(job, first, on, at, on->own);
        if (job->over_rows) divide_by_own(on, at);
        if (part) part[b] = block_loss(job, on, at);
    }
    if (job->over_rows) {
        memcpy(on->weight + n, on->weight, n * sizeof *on->weight);
        memset(on->weight + 2 * n, 0, (on->stride - 2 * n) * sizeof *on->weight);
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++) {
        const size_t at = (size_t)b * ROWS;
        circle_block(job, second, on, at, on->by);
        write_block(job, on, at);
    }
    if (job->loss) *job->loss = 0;
    for (int64_t b = 0; part && b < blocks; b++) *job->loss += part[b];
}

static ne_status negatives_by_circle(ne_context *context, const negatives_job *job)
{
    const ne_allocator *mem    = &context->memory;
    const size_t        blocks = (job->n + ROWS - 1) / ROWS;
    circle              on     = {.n = job->n, .c = job->c, .stride = 2 * job->n + ROWS, .sum_stride = job->n + ROWS};
    double             *part   = NULL;
    ne_status           st     = NE_OK;

    on.z   = memory_new(mem, on.stride, on.c * sizeof *on.z);
    on.sum = memory_new(mem, on.sum_stride, on.c * sizeof *on.sum);
    on.own = memory_new(mem, job->count, 2 * sizeof *on.own);
    if (job->over_rows) on.weight = memory_new(mem, on.stride, sizeof *on.weight);
    if (job->loss) part = memory_new(mem, blocks, sizeof *part);
    if (!on.z || !on.sum || !on.own || (job->over_rows && !on.weight) || (job->loss && !part)) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    on.by = on.own + job->count;
    run_circle(context, job, &on, part);
done:
    memory_free(mem, on.z);
    memory_free(mem, on.sum);
    memory_free(mem, on.weight);
    memory_free(mem, on.own);
    memory_free(mem, part);
    return st;
}

double cpu_negatives_bytes(const ne_context *context, const negatives_job *job)
{
    const double n = (double)job->n, c = (double)job->c, weights = job->over_rows ? 2 * n : 0;
    (void)context;
    return job->lists ? negatives_by_lists_bytes(n, (double)job->count) : ((2 * n + n) * c + weights) * sizeof(float);
}

ne_status cpu_negatives(ne_context *context, const negatives_job *job)
{
    return job->lists ? negatives_by_lists(context, job) : negatives_by_circle(context, job);
}
