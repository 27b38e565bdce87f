/* cpu/negatives_lists.c: repulsion from rows that each row draws for itself.
 *
 * Slot s of row i (the caller's index) at step t is u = random_below of random_draw(seed, STREAM_NEGATIVE, t, i, s) over the
 * A rows that are left, counted in the caller's order past those that are left out, e_0 < e_1 < ...: index u +
 * #{q : e_q - q <= u}. That is the smallest v with v - #{e <= v} = u, found by v <- u + #{e <= v} from v = u: two or three
 * counts of a row's neighbors, and they need not be sorted.
 *
 * For the force on both ends of a pair the lists are transposed by a counting sort, after which each row gathers from those
 * that drew it, in ascending order. Cost: 30 ns a pair, mostly the random numbers and the neighbors to count; 8 bytes of
 * memory a pair. */
#include "cpu/negatives_lists.h"

#include "base/clones.h"
#include "base/random.h"
#include "cpu/kernel.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    ROWS = 256
};

typedef struct drawn {
    int32_t *caller;   /* working row of each caller's index */
    int32_t *draw;     /* n x count */
    int64_t *start;    /* n + 1: where the rows that drew a row begin */
    int32_t *by;       /* n x count */
    float   *weight;   /* 1 / W, over rows */
    int32_t *left_out; /* room for the rows that a row of each thread leaves out, most + 1 each */
    size_t   most;
    double  *part;
} drawn;

NE_CLONES static uint32_t count_up_to(size_t count, const int32_t *restrict e, int32_t v)
{
    uint32_t sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t q = 0; q < count; q++) sum += e[q] <= v;
    return sum;
}

static void draw_row(const negatives_job *job, const drawn *to, size_t i, int32_t *left_out)
{
    const ne_problem *problem = job->problem;
    const int64_t    *order = problem->order, *start = job->excluded ? job->excluded->start : NULL;
    size_t            count = 0;

    left_out[count++] = (int32_t)order[i];
    for (int64_t e = start ? start[i] : 0; start && e < start[i + 1]; e++)
        if ((size_t)job->excluded->col[e] != i) left_out[count++] = (int32_t)order[job->excluded->col[e]];
    for (size_t s = 0; s < job->count; s++) {
        const random_block b = random_draw(problem->seed, STREAM_NEGATIVE, job->step, (uint64_t)order[i], (uint32_t)s);
        const uint32_t     u = (uint32_t)random_below(b.word[0], b.word[1], job->n - count);
        uint32_t           v = u, next;
        while ((next = u + count_up_to(count, left_out, (int32_t)v)) != v) v = next;
        to->draw[i * job->count + s] = to->caller[v];
    }
}

/* Rows that drew a row, ascending. */
static void transpose(const negatives_job *job, const drawn *to)
{
    const size_t draws = job->n * job->count;
    memset(to->start, 0, (job->n + 1) * sizeof *to->start);
    for (size_t e = 0; e < draws; e++) to->start[to->draw[e] + 1]++;
    for (size_t i = 0; i < job->n; i++) to->start[i + 1] += to->start[i];
    for (size_t i = 0; i < job->n; i++)
        for (size_t s = 0; s < job->count; s++) to->by[to->start[to->draw[i * job->count + s]]++] = (int32_t)i;
    for (size_t i = job->n; i > 0; i--) to->start[i] = to->start[i - 1];
    to->start[0] = 0;
}

NE_CLONES static void list_distances(size_t c, size_t count, const float *restrict zi, const float *restrict z,
                                     const int32_t *restrict col, float *restrict s)
{
    for (size_t t = 0; t < count; t++) {
        const float *zj  = z + (size_t)col[t] * c;
        float        sum = 0;
        for (size_t k = 0; k < c; k++) sum += (zi[k] - zj[k]) * (zi[k] - zj[k]);
        s[t] = sum;
    }
    for (size_t t = 0; t < 8; t++) s[count + t] = 0;
}

static double sum_q(const negatives_job *job, size_t i, size_t count, const int32_t *col)
{
    float  s[NEGATIVES_TILE + 8], q[NEGATIVES_TILE + 8], force[NEGATIVES_TILE + 8];
    double sum = 0;
    for (size_t at = 0; at < count; at += NEGATIVES_TILE) {
        const size_t tile = count - at < NEGATIVES_TILE ? count - at : NEGATIVES_TILE;
        list_distances(job->c, tile, job->z + i * job->c, job->z, col + at, s);
        kernel_values(job->kernel, tile, s, q, force);
        for (size_t t = 0; t < tile; t++) sum += (double)q[t];
    }
    return sum;
}

/* f_i += the forces from the rows of a list, each times `own` or, if that is 0, its own weight. */
static void add_forces(const negatives_job *job, const drawn *from, float own, size_t i, size_t count,
                       const int32_t *col)
{
    const size_t c  = job->c;
    const float *zi = job->z + i * c;
    float       *fi = job->f + i * c;
    float        s[NEGATIVES_TILE + 8], q[NEGATIVES_TILE + 8], force[NEGATIVES_TILE + 8];
    for (size_t at = 0; at < count; at += NEGATIVES_TILE) {
        const size_t tile = count - at < NEGATIVES_TILE ? count - at : NEGATIVES_TILE;
        list_distances(c, tile, zi, job->z, col + at, s);
        kernel_values(job->kernel, tile, s, q, force);
        negatives_weigh(job->over_rows, tile, q, force);
        for (size_t t = 0; t < tile; t++) {
            const size_t j      = (size_t)col[at + t];
            const float  weight = force[t] * (own > 0 ? own : from->weight[j]);
            for (size_t k = 0; k < c; k++) fi[k] += weight * (zi[k] - job->z[j * c + k]);
        }
    }
}

static double row_loss(const negatives_job *job, size_t i, const int32_t *col)
{
    double sum = 0;
    for (size_t t = 0; t < job->count; t++) {
        double s = 0;
        for (size_t k = 0; k < job->c; k++) {
            const double d = (double)job->z[i * job->c + k] - (double)job->z[(size_t)col[t] * job->c + k];
            s += d * d;
        }
        sum += negatives_term(job, s);
    }
    return job->over_rows ? log(fmax(sum, DBL_MIN)) : sum;
}

static void run_lists(ne_context *context, const negatives_job *job, const drawn *with)
{
    const int     threads = context_threads(context);
    const size_t  n = job->n, m = job->count;
    const int64_t blocks = (int64_t)((n + ROWS - 1) / ROWS);

    for (size_t i = 0; i < n; i++) with->caller[job->problem->order[i]] = (int32_t)i;
#pragma omp parallel num_threads(threads)
    {
        int32_t *left_out = with->left_out + (size_t)omp_get_thread_num() * (with->most + 1);
#pragma omp for schedule(dynamic, 1)
        for (int64_t b = 0; b < blocks; b++)
            for (size_t i = (size_t)b * ROWS; i < n && i < (size_t)(b + 1) * ROWS; i++) {
                draw_row(job, with, i, left_out);
                if (job->over_rows) with->weight[i] = 1 / fmaxf((float)sum_q(job, i, m, with->draw + i * m), FLT_MIN);
            }
    }
    transpose(job, with);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t b = 0; b < blocks; b++) {
        double loss = 0;
        for (size_t i = (size_t)b * ROWS; i < n && i < (size_t)(b + 1) * ROWS; i++) {
            const size_t first = (size_t)with->start[i], last = (size_t)with->start[i + 1];
            if (i < job->row0 || i >= job->row1) continue;
            for (size_t k = 0; k < job->c; k++) job->f[i * job->c + k] = 0;
            add_forces(job, with, job->over_rows ? with->weight[i] : 1, i, m, with->draw + i * m);
            add_forces(job, with, job->over_rows ? 0 : 1, i, last - first, with->by + first);
            if (job->loss) loss += row_loss(job, i, with->draw + i * m);
        }
        if (job->loss) with->part[b] = loss;
    }
    if (job->loss) *job->loss = 0;
    for (int64_t b = 0; job->loss && b < blocks; b++) *job->loss += with->part[b];
}

/* The most that a row leaves out besides itself. */
static ne_status most_excluded(const negatives_job *job, size_t *most)
{
    *most = 0;
    for (size_t i = 0; job->excluded && i < job->n; i++) {
        const size_t count = (size_t)(job->excluded->start[i + 1] - job->excluded->start[i]);
        if (count > *most) *most = count;
        if (count + 1 >= job->n)
            return ne_fail(NE_INVALID_ARGUMENT,
                           "exclude_neighbors_from_negative_sampling: row %lld has all %zu others as neighbors",
                           (long long)job->problem->order[i], count);
    }
    return NE_OK;
}

ne_status negatives_by_lists(ne_context *context, const negatives_job *job)
{
    const ne_allocator *mem  = &context->memory;
    const size_t        n    = job->n;
    drawn               with = {0};
    ne_status           st   = most_excluded(job, &with.most);

    if (st != NE_OK) return st;
    with.caller   = memory_new(mem, n, sizeof *with.caller);
    with.draw     = memory_new(mem, n, job->count * sizeof *with.draw);
    with.start    = memory_new(mem, n + 1, sizeof *with.start);
    with.by       = memory_new(mem, n, job->count * sizeof *with.by);
    with.weight   = memory_new(mem, n, sizeof *with.weight);
    with.part     = memory_new(mem, n / ROWS + 1, sizeof *with.part);
    with.left_out = memory_new(mem, (size_t)context_threads(context), (with.most + 1) * sizeof *with.left_out);
    if (with.caller && with.draw && with.start && with.by && with.weight && with.part && with.left_out)
        run_lists(context, job, &with);
    else st = NE_OUT_OF_MEMORY;
    memory_free(mem, with.caller);
    memory_free(mem, with.draw);
    memory_free(mem, with.start);
    memory_free(mem, with.by);
    memory_free(mem, with.weight);
    memory_free(mem, with.part);
    memory_free(mem, with.left_out);
    return st;
}

double negatives_by_lists_bytes(double n, double count)
{
    return n * (sizeof(int32_t) + sizeof(int64_t) + sizeof(float)) + n * count * 2 * sizeof(int32_t);
}
