/* metrics/kmeans.c: see kmeans.h. All in double. Rows find their centre side by side; centres are means that one thread
 * adds up, n d additions beside the n k d of the search, and so the bits don't depend on the threads.
 *
 * The data are scaled by a power of two, which changes nothing but keeps squares in range. */
#include "metrics/kmeans.h"

#include "base/clones.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/view.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 256
};

typedef struct kmeans {
    size_t   n, d, k;
    uint64_t seed;
    uint32_t start;   /* which of the restarts this is */
    double  *x;       /* n x d */
    double  *centre;  /* k x d */
    double  *nearest; /* n: squared distance to the centre of its cluster */
    size_t  *size;    /* k */
    int64_t *cluster; /* n */
    int     *changed; /* one for each block of rows */
} kmeans;

NE_CLONES static double kmeans_square(const double *restrict a, const double *restrict b, size_t d)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < d; j++) {
        const double t = a[j] - b[j];
        sum += t * t;
    }
    return sum;
}

static double square_to(const kmeans *of, size_t i, size_t c)
{
    return kmeans_square(of->x + i * of->d, of->centre + c * of->d, of->d);
}

static void place_centre(kmeans *of, size_t c, size_t row)
{
    memcpy(of->centre + c * of->d, of->x + row * of->d, of->d * sizeof *of->x);
}

/* --- k-means++: each new centre is a row, drawn in proportion to its squared distance to the centres so far */

/* The first row at which the running sum passes target; rows at distance 0 are never it. */
static size_t row_at_sum(const kmeans *of, double target)
{
    double sum  = 0;
    size_t last = 0;
    for (size_t i = 0; i < of->n; i++) {
        if (!(of->nearest[i] > 0)) continue;
        last = i;
        sum += of->nearest[i];
        if (sum > target) break;
    }
    return last;
}

static void lower_nearest(ne_context *context, kmeans *of, size_t c)
{
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < of->n; i++) {
        const double square = square_to(of, i, c);
        if (c == 0 || square < of->nearest[i]) of->nearest[i] = square;
    }
}

static void seed_centres(ne_context *context, kmeans *of)
{
    for (size_t c = 0; c < of->k; c++) {
        const random_block w     = random_draw(of->seed, STREAM_SAMPLE, of->start, c, 1);
        double             total = 0;
        for (size_t i = 0; c > 0 && i < of->n; i++) total += of->nearest[i];
        if (total > 0) place_centre(of, c, row_at_sum(of, random_unit(w.word[0]) * total));
        else place_centre(of, c, (size_t)random_below(w.word[0], w.word[1], of->n)); /* fewer distinct rows than k */
        lower_nearest(context, of, c);
    }
}

/* --- Lloyd */

/* 1 where some row went to another cluster. */
static int assign_rows(ne_context *context, kmeans *of)
{
    const size_t blocks  = (of->n + BLOCK - 1) / BLOCK;
    int          changed = 0;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t b = 0; b < blocks; b++) {
        const size_t end = (b + 1) * BLOCK < of->n ? (b + 1) * BLOCK : of->n;
        of->changed[b]   = 0;
        for (size_t i = b * BLOCK; i < end; i++) {
            size_t best  = 0;
            double least = INFINITY;
            for (size_t c = 0; c < of->k; c++) {
                const double square = square_to(of, i, c);
                if (square < least) {
                    least = square;
                    best  = c;
                }
            }
            of->changed[b] |= of->cluster[i] != (int64_t)best;
            of->cluster[i] = (int64_t)best;
            of->nearest[i] = least;
        }
    }
    for (size_t b = 0; b < blocks; b++) changed |= of->changed[b];
    return changed;
}

/* An empty cluster gets the row that is farthest from its centre; the row then counts as at home there. */
static void fill_empty(kmeans *of, size_t c)
{
    size_t farthest = 0;
    for (size_t i = 1; i < of->n; i++)
        if (of->nearest[i] > of->nearest[farthest]) farthest = i;
    place_centre(of, c, farthest);
    of->nearest[farthest] = 0;
}

static void move_centres(kmeans *of)
{
    memset(of->size, 0, of->k * sizeof *of->size);
    memset(of->centre, 0, of->k * of->d * sizeof *of->centre);
    for (size_t i = 0; i < of->n; i++) {
        double *centre = of->centre + (size_t)of->cluster[i] * of->d;
        for (size_t j = 0; j < of->d; j++) centre[j] += of->x[i * of->d + j];
        of->size[of->cluster[i]]++;
    }
    for (size_t c = 0; c < of->k; c++)
        for (size_t j = 0; j < of->d && of->size[c]; j++) of->centre[c * of->d + j] /= (double)of->size[c];
    for (size_t c = 0; c < of->k; c++)
        if (!of->size[c]) fill_empty(of, c);
}

static double run_once(ne_context *context, kmeans *of, size_t rounds)
{
    double sum = 0;
    for (size_t i = 0; i < of->n; i++) of->cluster[i] = -1;
    seed_centres(context, of);
    for (size_t round = 0; assign_rows(context, of) && round < rounds; round++) move_centres(of);
    for (size_t i = 0; i < of->n; i++) sum += of->nearest[i];
    return sum;
}

static void read_scaled(const ne_dense *y, double *x)
{
    double largest  = 0;
    int    exponent = 0;
    for (size_t i = 0; i < y->rows; i++)
        for (size_t j = 0; j < y->cols; j++) largest = fmax(largest, fabs(view_get(y, i, j)));
    frexp(largest, &exponent);
    const double scale = ldexp(1, exponent < -1000 ? 1000 : -exponent);
    for (size_t i = 0; i < y->rows; i++)
        for (size_t j = 0; j < y->cols; j++) x[i * y->cols + j] = view_get(y, i, j) * scale;
}

ne_status kmeans_assign(ne_context *context, const kmeans_request *request, int64_t *cluster)
{
    const ne_allocator *mem  = &context->memory;
    const size_t        n    = request->y->rows;
    kmeans              of   = {.n = n, .d = request->y->cols, .k = request->clusters, .seed = request->seed};
    double              best = INFINITY;
    ne_status           st   = NE_OK;

    of.x       = memory_new(mem, n, of.d * sizeof *of.x);
    of.centre  = memory_new(mem, of.k, of.d * sizeof *of.centre);
    of.nearest = memory_new(mem, n, sizeof *of.nearest);
    of.size    = memory_new(mem, of.k, sizeof *of.size);
    of.cluster = memory_new(mem, n, sizeof *of.cluster);
    of.changed = memory_new(mem, (n + BLOCK - 1) / BLOCK, sizeof *of.changed);
    if (!of.x || !of.centre || !of.nearest || !of.size || !of.cluster || !of.changed) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    read_scaled(request->y, of.x);
    for (size_t start = 0; start < request->restarts; start++) {
        of.start         = (uint32_t)start;
        const double sum = run_once(context, &of, request->rounds);
        if (sum < best) {
            best = sum;
            memcpy(cluster, of.cluster, n * sizeof *cluster);
        }
    }
done:
    memory_free(mem, of.x);
    memory_free(mem, of.centre);
    memory_free(mem, of.nearest);
    memory_free(mem, of.size);
    memory_free(mem, of.cluster);
    memory_free(mem, of.changed);
    return st;
}
