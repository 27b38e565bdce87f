/* affinity/diffusion.c: see diffusion.h.
 *
 * Few entries of a kernel that falls fast count. A product with a list of those takes n times their number, LIST_TERM
 * times as long a term as a dense one of n^3. From B, the power is squared or multiplied by B once more, the leading
 * bits of t first; a square by a dense product, or by as many with the list as the power has come to, if that is less. */
#include "affinity/diffusion.h"

#include "affinity/pairs.h"
#include "base/blas.h"
#include "base/clones.h"
#include "cpu/gather.h"

#include <omp.h>
#include <string.h>

enum {
    TILE  = DIFFUSION_TILE,
    CHUNK = 32, /* tiles between two looks at the progress callback */
    PANEL = GATHER_WIDTH,
    DEPTH =
        128,   /* rows of the panel that the list's entries choose from: 32 KiB, the first cache; an index has a byte */
    BAND = 512 /* rows of the list, whose sums stay in the second cache */
};
#define LIST_TERM 1.75 /* time of a term of a product with a list, in terms of a dense one */

static size_t parts_of(size_t n, size_t each)
{
    return n / each + (n % each != 0);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- Dense products. */

typedef struct dense_job {
    size_t           n;
    float            alpha;
    square_matrix    a, b, c;
    diffusion_finish finish;
    void            *user;
} dense_job;

static void make_tile(const dense_job *job, size_t i0, size_t i1, size_t j0, size_t j1)
{
    float *const to = job->c.at + i0 * job->c.stride + j0;
    blas_sgemm_nt(i1 - i0, j1 - j0, job->n, job->alpha, job->a.at + i0 * job->a.stride, job->a.stride,
                  job->b.at + j0 * job->b.stride, job->b.stride, 0, to, job->c.stride);
    if (job->finish) job->finish(job->user, i0, i1, j0, j1, job->c);
    if (i0 != j0) pairs_mirror(i1 - i0, j1 - j0, to, job->c.stride, job->c.at + j0 * job->c.stride + i0, job->c.stride);
    else
        for (size_t i = i0; i < i1; i++)
            for (size_t j = i + 1; j < i1; j++) job->c.at[j * job->c.stride + i] = job->c.at[i * job->c.stride + j];
}

/* Tile number t of those on and above the diagonal, row by row. One on it is cut in two, and half of it is left out. */
static void make_tile_number(const dense_job *job, size_t t, size_t tiles)
{
    size_t p = 0;
    for (; t >= tiles - p; p++) t -= tiles - p;
    const size_t i0 = p * TILE, i1 = least(i0 + TILE, job->n), j0 = (p + t) * TILE, j1 = least(j0 + TILE, job->n);
    const size_t middle = i0 + TILE / 2;
    if (t > 0 || middle >= i1) {
        make_tile(job, i0, i1, j0, j1);
    } else {
        make_tile(job, i0, middle, i0, middle);
        make_tile(job, i0, middle, middle, i1);
        make_tile(job, middle, i1, middle, i1);
    }
}

static ne_status poll(const ne_pairs *pairs, int64_t done, int64_t all)
{
    return ne_pairs_progress(pairs, done, all) ? ne_fail(NE_CANCELLED, "cancelled in the affinity") : NE_OK;
}

ne_status diffusion_product(const ne_pairs *pairs, float alpha, square_matrix a, square_matrix b, square_matrix c,
                            diffusion_finish finish, void *user, int64_t done, int64_t all)
{
    const dense_job job   = {ne_pairs_rows(pairs), alpha, a, b, c, finish, user};
    const size_t    tiles = parts_of(job.n, TILE), count = tiles * (tiles + 1) / 2;
    const int       threads = context_threads(ne_pairs_context(pairs));
    ne_status       st      = NE_OK;
    blas_enter();
    for (size_t t0 = 0; t0 < count && st == NE_OK; t0 += CHUNK) {
        const size_t t1 = least(t0 + CHUNK, count);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
        for (size_t t = t0; t < t1; t++) make_tile_number(&job, t, tiles);
        st = poll(pairs, done, all);
    }
    blas_leave();
    return st;
}

/* --- A list of the entries that count, in the order of the products: bands of rows, in each the depths, in each its rows.
 * Where an entry is, a byte says; how many a row has in a depth, too. */

typedef struct entry_list {
    size_t         n, depths;
    size_t        *start; /* of each depth in each band, and the end */
    unsigned char *count; /* of each row in each depth in each band */
    unsigned char *at;    /* NULL: there is no list */
    float         *w;
    float         *panel; /* n x PANEL a thread */
    float         *sums;  /* BAND x PANEL a thread */
} entry_list;

NE_CLONES static int32_t diffusion_count(size_t count, const float *restrict b)
{
    int32_t some = 0;
    for (size_t j = 0; j < count; j++) some += b[j] > DIFFUSION_LEAST;
    return some;
}

static void count_band(const entry_list *list, size_t band, square_matrix b)
{
    const size_t   n = list->n, i0 = band * BAND, i1 = least(i0 + BAND, n);
    unsigned char *count = list->count + i0 * list->depths;
    for (size_t k = 0; k < list->depths; k++) {
        size_t sum = 0;
        for (size_t i = i0; i < i1; i++) {
            *count = (unsigned char)diffusion_count(least(DEPTH, n - k * DEPTH), b.at + i * b.stride + k * DEPTH);
            sum += *count++;
        }
        list->start[band * list->depths + k] = sum;
    }
}

/* Without a branch on the entry, into a buffer that has room for all. */
static void fill_band(const entry_list *list, size_t band, square_matrix b)
{
    const size_t         n = list->n, i0 = band * BAND, i1 = least(i0 + BAND, n);
    const unsigned char *count = list->count + i0 * list->depths;
    size_t               e     = list->start[band * list->depths];
    for (size_t k = 0; k < list->depths; k++)
        for (size_t i = i0; i < i1; i++) {
            const float  *row = b.at + i * b.stride + k * DEPTH;
            unsigned char at[DEPTH + 1];
            float         w[DEPTH + 1];
            size_t        some = 0;
            for (size_t j = 0; j < DEPTH && k * DEPTH + j < n; j++) {
                at[some] = (unsigned char)j;
                w[some]  = row[j];
                some += row[j] > DIFFUSION_LEAST;
            }
            memcpy(list->at + e, at, *count);
            memcpy(list->w + e, w, *count * sizeof *w);
            e += *count++;
        }
}

static void clear_list(const ne_allocator *mem, entry_list *list)
{
    memory_free(mem, list->start);
    memory_free(mem, list->count);
    memory_free(mem, list->at);
    memory_free(mem, list->w);
    memory_free(mem, list->panel);
    memory_free(mem, list->sums);
    *list = (entry_list){0};
}

/* Time of B's product with a list, in dense products; the list itself only where it is the faster one. */
static ne_status make_list(ne_context *context, size_t n, square_matrix b, entry_list *list, double *time)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context);
    const int64_t       bands   = (int64_t)parts_of(n, BAND);
    size_t              sum     = 0;
    entry_list          made    = {.n = n, .depths = parts_of(n, DEPTH)};
    ne_status           st      = NE_OK;

    made.start = memory_new(mem, (size_t)bands * made.depths, sizeof *made.start);
    made.count = memory_new(mem, n, made.depths);
    if (!made.start || !made.count) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (int64_t band = 0; band < bands; band++) count_band(&made, (size_t)band, b);
    for (size_t d = 0; d < (size_t)bands * made.depths; d++) {
        const size_t here = made.start[d];
        made.start[d]     = sum;
        sum += here;
    }
    *time = LIST_TERM * (double)sum / ((double)n * (double)n);
    if (*time >= 1) goto done;
    made.at    = memory_new(mem, sum, sizeof *made.at);
    made.w     = memory_new(mem, sum, sizeof *made.w);
    made.panel = memory_new(mem, n, threads * PANEL * sizeof *made.panel);
    made.sums  = memory_new(mem, BAND * PANEL, threads * sizeof *made.sums);
    if (!made.at || !made.w || !made.panel || !made.sums) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (int64_t band = 0; band < bands; band++) fill_band(&made, (size_t)band, b);
    *list = made;
    made  = (entry_list){0};
done:
    clear_list(mem, &made);
    return st;
}

/* What does not count would make products that are no normal numbers, and slow. */
NE_CLONES static void diffusion_take_panel(size_t n, size_t width, const float *restrict x, size_t stride,
                                           float *restrict panel)
{
    for (size_t i = 0; i < n; i++, x += stride, panel += PANEL)
        if (width == PANEL)
            for (size_t j = 0; j < PANEL; j++) panel[j] = x[j] > DIFFUSION_LEAST ? x[j] : 0;
        else
            for (size_t j = 0; j < PANEL; j++) panel[j] = j < width && x[j] > DIFFUSION_LEAST ? x[j] : 0;
}

/* Columns [j0, j0 + PANEL) of c = B x on and above the diagonal, and their mirror images. */
static void multiply_panel(const entry_list *list, size_t j0, square_matrix x, square_matrix c)
{
    const size_t n = list->n, width = least(PANEL, n - j0), end = j0 + width, me = (size_t)omp_get_thread_num();
    float       *panel = list->panel + me * n * PANEL, *sums = list->sums + me * BAND * PANEL;
    diffusion_take_panel(n, width, x.at + j0, x.stride, panel);
    for (size_t i0 = 0; i0 < end; i0 += BAND) {
        const size_t         i1 = least(i0 + BAND, n), rows = least(i1, end) - i0;
        const size_t        *start = list->start + i0 / BAND * list->depths;
        const unsigned char *count = list->count + i0 * list->depths;
        memset(sums, 0, rows * PANEL * sizeof *sums);
        for (size_t k = 0; k < list->depths; k++)
            gather_rows(rows, count + k * (i1 - i0), list->at + start[k], list->w + start[k], panel + k * DEPTH * PANEL,
                        sums);
        const size_t above = i0 < j0 ? least(rows, j0 - i0) : 0; /* rows that are not among the panel's columns */
        for (size_t i = 0; i < rows; i++) {
            const size_t from = i < above ? 0 : i0 + i - j0;
            memcpy(c.at + (i0 + i) * c.stride + j0 + from, sums + i * PANEL + from, (width - from) * sizeof *sums);
            for (size_t j = from; i >= above && j < width; j++)
                c.at[(j0 + j) * c.stride + i0 + i] = sums[i * PANEL + j];
        }
        pairs_mirror(above, width, sums, PANEL, c.at + j0 * c.stride + i0, c.stride);
    }
}

/* --- The power. */

/* The products done, of all. */
typedef struct power_job {
    const ne_pairs *pairs;
    entry_list      list;
    double          time; /* of a product with the list, in dense ones */
    square_matrix   first, *b, *spare;
    int64_t         done, all;
} power_job;

static void swap(square_matrix *a, square_matrix *b)
{
    const square_matrix keep = *a;
    *a                       = *b;
    *b                       = keep;
}

static ne_status multiply_dense(power_job *job, square_matrix by)
{
    const ne_status st = diffusion_product(job->pairs, 1, *job->b, by, *job->spare, NULL, NULL, job->done, job->all);
    job->done++;
    swap(job->b, job->spare);
    return st;
}

static ne_status multiply_once(power_job *job)
{
    const int64_t panels = (int64_t)parts_of(job->list.n, PANEL);
    if (!job->list.at) return multiply_dense(job, job->first);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(ne_pairs_context(job->pairs)))
    for (int64_t p = panels - 1; p >= 0; p--) /* the longest first */
        multiply_panel(&job->list, (size_t)p * PANEL, *job->b, *job->spare);
    job->done++;
    swap(job->b, job->spare);
    return poll(job->pairs, job->done, job->all);
}

/* All that is decided depends on the data alone. */
static int by_list(const power_job *job, int64_t power)
{
    return job->list.at && (double)power * job->time < 1;
}

ne_status diffusion_power(const ne_pairs *pairs, int64_t t, square_matrix *b, square_matrix *spare)
{
    ne_context         *context = ne_pairs_context(pairs);
    const ne_allocator *mem     = &context->memory;
    const size_t        n       = ne_pairs_rows(pairs);
    power_job           job     = {.pairs = pairs, .b = b, .spare = spare};
    float              *first   = NULL;
    int                 bit     = 0;
    ne_status           st      = NE_OK;

    if (t < 2) return NE_OK;
    if ((st = make_list(context, n, *b, &job.list, &job.time)) != NE_OK) goto done;
    while (t >> (bit + 1)) bit++;
    if (!job.list.at && (t & (t - 1))) { /* B itself is multiplied by again */
        first = memory_new(mem, n, n * sizeof *first);
        if (!first) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        for (size_t i = 0; i < n; i++) memcpy(first + i * n, b->at + i * b->stride, n * sizeof *first);
        job.first = (square_matrix){first, n};
    }
    for (int k = bit; k > 0; k--) job.all += (by_list(&job, t >> k) ? t >> k : 1) + (t >> (k - 1) & 1);
    for (int k = bit; k > 0 && st == NE_OK; k--) {
        if (by_list(&job, t >> k))
            for (int64_t s = t >> k; s > 0 && st == NE_OK; s--) st = multiply_once(&job);
        else st = multiply_dense(&job, *job.b);
        if (st == NE_OK && (t >> (k - 1) & 1)) st = multiply_once(&job);
    }
done:
    clear_list(mem, &job.list);
    memory_free(mem, first);
    return st;
}

double diffusion_bytes(const ne_context *context, double n)
{
    const double listed = 0.1 * n * n * (sizeof(float) + 1), depths = n * (n / DEPTH) * (1 + 8.0 / BAND);
    const double thread = (n + BAND) * PANEL * sizeof(float) + n * (3 * sizeof(double) + sizeof(int32_t));
    const double rows   = n * 3 * (sizeof(double) + sizeof(float));
    return n * n * sizeof(float) + listed + depths + rows + context_threads(context) * thread;
}
