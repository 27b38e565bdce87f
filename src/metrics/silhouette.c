/* metrics/silhouette.c: see silhouette.h.
 *
 * Rows are packed in the order of their classes, so that a tile of TILE of them belongs to one class, or to a few next
 * to each other, and its distances go into few sums. Euclidean and manhattan distances, the usual ones, are computed in
 * double by lanes: column j of the rows of a tile lies together. s_i does not change with the scale of the data, so a
 * power of two keeps the squares in range. Any other metric is called pair by pair.
 *
 * A block of ROWS rows looks at a tile while it is in the cache. Each row has sums of its own, which one thread adds up
 * from the first tile to the last: the bits don't depend on the threads. */
#include "metrics/silhouette.h"

#include "base/clones.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/view.h"
#include "cpu/metric.h"
#include "metrics/partition.h"

#include <math.h>
#include <omp.h>

enum {
    TILE = 64,
    ROWS = 16
};

typedef enum distance_way {
    WAY_EUCLIDEAN,
    WAY_MANHATTAN,
    WAY_CUSTOM_F32,
    WAY_CUSTOM_F64,
    WAY_STORED
} distance_way;

typedef struct silhouette {
    const silhouette_request *request;
    distance_way              way;
    size_t                    n, d, tiles; /* rows of the sample; columns to pack, 0 where nothing is packed */
    double                    scale;
    int32_t                  *sample; /* n: rows of y */
    int64_t                  *labels; /* n: of the sample */
    partition                 of;     /* of the sample's rows */
    void                     *packed; /* rows in the order of `of`: by tiles, or one after the other */
    double                   *weight; /* n, in that order */
    double                   *total;  /* classes: sum of weights */
    size_t                   *heavy;  /* classes: rows of positive weight */
    double                   *score;  /* n, in that order */
} silhouette;

/* --- Distances of one row to the rows of a tile */

NE_CLONES static void silhouette_euclidean(const double *restrict row, const double *restrict tile, size_t d,
                                           double *restrict distance)
{
    double square[TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < TILE; r++) {
            const double t = row[j] - tile[j * TILE + r];
            square[r] += t * t;
        }
    for (size_t r = 0; r < TILE; r++) distance[r] = sqrt(square[r]);
}

NE_CLONES static void silhouette_manhattan(const double *restrict row, const double *restrict tile, size_t d,
                                           double *restrict distance)
{
    double sum[TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < TILE; r++) sum[r] += fabs(row[j] - tile[j * TILE + r]);
    for (size_t r = 0; r < TILE; r++) distance[r] = sum[r];
}

static double pair_distance(const silhouette *of, size_t i, size_t j)
{
    const ne_metric_ops *metric = of->request->metric;
    const int32_t       *row    = of->of.row;
    if (of->way == WAY_CUSTOM_F32)
        return metric->distance_f32((const float *)of->packed + i * of->d, (const float *)of->packed + j * of->d, of->d,
                                    metric->user);
    if (of->way == WAY_CUSTOM_F64)
        return metric->distance_f64((const double *)of->packed + i * of->d, (const double *)of->packed + j * of->d,
                                    of->d, metric->user);
    return view_get(of->request->y, (size_t)of->sample[row[i]], (size_t)of->sample[row[j]]);
}

/* row: d numbers, of the row at place i. The distance to itself counts as 0, whatever the metric says. */
static void tile_distances(const silhouette *of, size_t i, const double *row, size_t tile, size_t count,
                           double distance[TILE])
{
    const size_t  first = tile * TILE;
    const double *lanes = (const double *)of->packed + first * of->d;
    if (of->way == WAY_EUCLIDEAN) silhouette_euclidean(row, lanes, of->d, distance);
    else if (of->way == WAY_MANHATTAN) silhouette_manhattan(row, lanes, of->d, distance);
    else
        for (size_t r = 0; r < count; r++) distance[r] = first + r == i ? 0 : pair_distance(of, i, first + r);
}

/* --- Sums over classes */

static size_t class_at(const silhouette *of, size_t place)
{
    return (size_t)of->of.code[of->of.row[place]];
}

static void add_tile(const silhouette *of, size_t first, size_t count, const double *distance, double *sums)
{
    for (size_t r = 0; r < count;) {
        const size_t class = class_at(of, first + r), end = of->of.start[class + 1] - first;
        const size_t stop = end < count ? end : count;
        double       sum  = 0;
        for (; r < stop; r++) sum += of->weight[first + r] * distance[r];
        sums[class] += sum;
    }
}

/* NaN where a distance of the metric is no number. */
static double score_of(const silhouette *of, size_t i, const double *sums)
{
    const size_t own    = class_at(of, i);
    const double weight = of->weight[i];
    double       a = 0, b = INFINITY;
    if (of->heavy[own] - (weight > 0) == 0) return 0;
    a = sums[own] / (of->total[own] - weight);
    for (size_t class = 0; class < of->of.classes; class ++) {
        if (!isfinite(sums[class])) return NAN;
        if (class != own && of->heavy[class]) b = fmin(b, sums[class] / of->total[class]);
    }
    if (isinf(b)) return 0; /* there is no other class */
    const double larger = fmax(fabs(a), fabs(b));
    return larger > 0 ? (b - a) / larger : 0;
}

/* sums: ROWS x classes; rows: ROWS x d. */
static void score_block(const silhouette *of, size_t i0, double *sums, double *rows)
{
    const size_t count = of->n - i0 < ROWS ? of->n - i0 : ROWS, classes = of->of.classes;
    const int    lanes = of->way == WAY_EUCLIDEAN || of->way == WAY_MANHATTAN;
    double       distance[TILE];
    for (size_t k = 0; k < count * classes; k++) sums[k] = 0;
    for (size_t r = 0; lanes && r < count; r++) {
        const double *tile = (const double *)of->packed + (i0 + r) / TILE * TILE * of->d;
        for (size_t j = 0; j < of->d; j++) rows[r * of->d + j] = tile[j * TILE + (i0 + r) % TILE];
    }
    for (size_t tile = 0; tile < of->tiles; tile++) {
        const size_t first = tile * TILE, wide = of->n - first < TILE ? of->n - first : TILE;
        for (size_t r = 0; r < count; r++) {
            tile_distances(of, i0 + r, rows + r * of->d, tile, wide, distance);
            add_tile(of, first, wide, distance, sums + r * classes);
        }
    }
    for (size_t r = 0; r < count; r++) of->score[i0 + r] = score_of(of, i0 + r, sums + r * classes);
}

/* --- Preparation */

/* The first `count` places become a random sample of all rows (Fisher & Yates). */
static void draw_sample(size_t n, size_t count, uint64_t seed, int32_t *row)
{
    for (size_t i = 0; i < n; i++) row[i] = (int32_t)i;
    if (count == n) return;
    for (size_t i = 0; i < count; i++) {
        const random_block w     = random_draw(seed, STREAM_SAMPLE, 0, i, 0);
        const size_t       other = i + (size_t)random_below(w.word[0], w.word[1], n - i);
        const int32_t      held  = row[i];
        row[i]                   = row[other];
        row[other]               = held;
    }
}

static double largest_of(const ne_dense *y)
{
    double largest = 0;
    for (size_t i = 0; i < y->rows; i++)
        for (size_t j = 0; j < y->cols; j++) largest = fmax(largest, fabs(view_get(y, i, j)));
    return largest;
}

static void pack(silhouette *of)
{
    const int lanes    = of->way == WAY_EUCLIDEAN || of->way == WAY_MANHATTAN;
    int       exponent = 0;
    frexp(largest_of(of->request->y), &exponent);
    of->scale = lanes ? ldexp(1, exponent < -1000 ? 1000 : -exponent) : 1;
    for (size_t p = 0; p < of->tiles * TILE; p++) {
        const size_t row = p < of->n ? (size_t)of->sample[of->of.row[p]] : 0; /* lanes beyond the last row */
        for (size_t j = 0; j < of->d && (lanes || p < of->n); j++) {
            const double number = view_get(of->request->y, row, j) * of->scale;
            if (lanes) ((double *)of->packed)[p / TILE * TILE * of->d + j * TILE + p % TILE] = number;
            else if (of->way == WAY_CUSTOM_F64) ((double *)of->packed)[p * of->d + j] = number;
            else ((float *)of->packed)[p * of->d + j] = (float)number;
        }
    }
}

static void weigh(silhouette *of)
{
    for (size_t class = 0; class < of->of.classes; class ++) {
        of->total[class] = 0;
        of->heavy[class] = 0;
        for (size_t p = of->of.start[class]; p < of->of.start[class + 1]; p++) {
            of->weight[p] = of->request->weights ? of->request->weights[of->sample[of->of.row[p]]] : 1;
            of->total[class] += of->weight[p];
            of->heavy[class] += of->weight[p] > 0;
        }
    }
}

static distance_way way_of(const silhouette_request *request)
{
    if (!request->metric) return WAY_STORED;
    const metric_kind kind = metric_kind_of(request->metric);
    if (kind == METRIC_EUCLIDEAN) return WAY_EUCLIDEAN;
    if (kind == METRIC_MANHATTAN) return WAY_MANHATTAN;
    return request->metric->distance_f64 ? WAY_CUSTOM_F64 : WAY_CUSTOM_F32;
}

static ne_status prepare(ne_context *context, silhouette *of)
{
    const ne_allocator *mem = &context->memory;
    const size_t        all = of->request->y->rows;
    ne_status           st  = NE_OK;
    of->sample              = memory_new(mem, all, sizeof *of->sample);
    of->labels              = memory_new(mem, of->n, sizeof *of->labels);
    of->weight              = memory_new(mem, of->n, sizeof *of->weight);
    of->score               = memory_new(mem, of->n, sizeof *of->score);
    of->packed              = memory_new(mem, of->tiles * TILE, of->d * sizeof(double));
    if (!of->sample || !of->labels || !of->weight || !of->score || !of->packed) return NE_OUT_OF_MEMORY;
    draw_sample(all, of->n, of->request->seed, of->sample);
    for (size_t i = 0; i < of->n; i++) of->labels[i] = of->request->labels[of->sample[i]];
    if ((st = partition_make(context, of->labels, of->n, &of->of)) != NE_OK) return st;
    of->total = memory_new(mem, of->of.classes, sizeof *of->total);
    of->heavy = memory_new(mem, of->of.classes, sizeof *of->heavy);
    if (!of->total || !of->heavy) return NE_OUT_OF_MEMORY;
    weigh(of);
    pack(of);
    return NE_OK;
}

static ne_status publish(const silhouette *of, double *value, double *each)
{
    double sum = 0;
    for (size_t p = 0; p < of->n; p++) sum += of->score[p];
    if (isnan(sum))
        return ne_fail(NE_INVALID_ARGUMENT, "metric: '%s' gave a distance that is not finite",
                       of->request->metric->name);
    for (size_t i = 0; each && i < of->request->y->rows; i++) each[i] = NAN;
    for (size_t p = 0; each && p < of->n; p++) each[of->sample[of->of.row[p]]] = of->score[p];
    *value = sum / (double)of->n;
    return NE_OK;
}

ne_status silhouette_score(ne_context *context, const silhouette_request *request, double *value, double *each)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context), d = request->metric ? request->y->cols : 0;
    silhouette          of   = {.request = request, .way = way_of(request), .n = request->sample, .d = d};
    double             *sums = NULL, *rows = NULL;
    ne_status           st = NE_OK;
    of.tiles               = (of.n + TILE - 1) / TILE;
    if ((st = prepare(context, &of)) != NE_OK) goto done;
    sums = memory_new(mem, threads * ROWS, of.of.classes * sizeof *sums);
    rows = memory_new(mem, threads * ROWS, d * sizeof *rows);
    if (!sums || !rows) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t b = 0; b < (of.n + ROWS - 1) / ROWS; b++) {
        const size_t t = (size_t)omp_get_thread_num();
        score_block(&of, b * ROWS, sums + t * ROWS * of.of.classes, rows + t * ROWS * d);
    }
    st = publish(&of, value, each);
done:
    partition_clear(context, &of.of);
    memory_free(mem, of.sample);
    memory_free(mem, of.labels);
    memory_free(mem, of.weight);
    memory_free(mem, of.score);
    memory_free(mem, of.packed);
    memory_free(mem, of.total);
    memory_free(mem, of.heavy);
    memory_free(mem, sums);
    memory_free(mem, rows);
    return st;
}
