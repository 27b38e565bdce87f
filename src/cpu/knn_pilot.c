/* cpu/knn_pilot.c: see knn_pilot.h.
 *
 * For each sample row all sketch values are computed once. A true neighbor is found by a plan when its cell is among
 * those that are visited and fewer than `keep` of the visited rows have a smaller value: so its rank among the visited
 * rows, for each length of visit, tells the recall of every plan at once. */
#include "cpu/knn_pilot.h"

#include "base/random.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    QUERIES = 128, /* standard error of the recall: about 0.06 / sqrt(QUERIES) = 0.005 */
    BATCH   = 16,  /* queries whose values are held at once */
    LEVELS  = 40,  /* lengths of visit that are tried */
    KEEPS   = 64,  /* numbers of candidates that are tried */
    STRETCH = 512  /* positions at a time, whole panels */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

ne_status knn_pilot_create(ne_context *context, const knn_search *search, uint64_t seed, knn_pilot *made)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = search->rows->count, queries = smaller(n, QUERIES);
    ne_status           st = NE_OK;

    *made          = (knn_pilot){.queries = queries, .k = search->k};
    made->query    = memory_new(mem, queries, sizeof *made->query);
    made->index    = memory_new(mem, queries, search->k * sizeof *made->index);
    made->distance = memory_new(mem, queries, search->k * sizeof *made->distance);
    if (!made->query || !made->index || !made->distance) return NE_OUT_OF_MEMORY;
    for (size_t q = 0; q < queries; q++) { /* one of each stretch of rows */
        const random_block draw = random_draw(seed, STREAM_KNN, 2, q, 0);
        const size_t       from = q * n / queries, to = (q + 1) * n / queries;
        made->query[q] = (int32_t)(from + random_below(draw.word[0], draw.word[1], to - from));
    }
    st = knn_exact_some(context, search, made->query, queries, made->index, made->distance);
    return st;
}

void knn_pilot_clear(const ne_allocator *mem, knn_pilot *pilot)
{
    memory_free(mem, pilot->query);
    memory_free(mem, pilot->index);
    memory_free(mem, pilot->distance);
    *pilot = (knn_pilot){0};
}

/* --- Costs, measured; only their ratios matter. */

static double product_cost(size_t width)
{
    return 0.2 + 0.019 * (double)width;
}

static double measure_cost(const knn_rows *rows)
{
    const double d    = (double)rows->x.cols;
    const int    fast = rows->x.dtype == NE_F32 && (rows->kind == METRIC_SQEUCLIDEAN || rows->kind == METRIC_EUCLIDEAN);
    return fast ? 20 + 0.085 * d : 30 + 0.25 * d;
}

static double plan_cost(const knn_search *search, const knn_sketch *sketch, size_t scan, size_t keep)
{
    return (double)scan * (product_cost(sketch->width) + 1.3) + (double)keep * (measure_cost(search->rows) + 20);
}

double knn_pilot_bound_cost(const knn_search *search, const knn_sketch *sketch, double bounded, double measured)
{
    return bounded * (product_cost(sketch->width) + 0.5) + measured * (measure_cost(search->rows) + 45);
}

double knn_pilot_exact_cost(const knn_search *search)
{
    const knn_rows *rows  = search->rows;
    const double    n     = (double)rows->count;
    const int       tiled = rows->kind != METRIC_CUSTOM && rows->x.dtype == NE_F32;
    double          pair;
    if (rows->space != KNN_DIRECT) pair = product_cost(rows->width) / 2 + 0.35;
    else pair = tiled ? 0.5 + 0.06 * (double)rows->width : measure_cost(rows);
    return n * pair + 1.2 * (double)search->k * measure_cost(rows);
}

/* --- Ranks. */

typedef struct ranking {
    size_t    levels, level[LEVELS]; /* rows visited at least */
    int32_t  *position;              /* of each row id, in cell order */
    float    *value;                 /* BATCH x n: by position */
    uint32_t *rank;                  /* queries x levels x k: UINT32_MAX where the neighbor's cell is not visited */
} ranking;

/* value[q * n + position] of BATCH rows, all positions. spare: per thread, a value of each row of some panels. */
static void values_of(const ne_context *context, const knn_sketch *sketch, const knn_cells *cells, size_t n,
                      const float *row, float *spare, float *value)
{
    const size_t w = sketch->width;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t p = 0; p < n; p += STRETCH) {
        const size_t count = smaller(STRETCH, n - p), panels = (count + SKETCH_PANEL - 1) / SKETCH_PANEL;
        float       *mine = spare + (size_t)omp_get_thread_num() * 4 * STRETCH;
        for (size_t q = 0; q < BATCH; q += 4) {
            const float *const four[4] = {row + q * w, row + (q + 1) * w, row + (q + 2) * w, row + (q + 3) * w};
            knn_sketch_products(sketch->panel + p * w, panels, w, four, mine, STRETCH);
            for (size_t a = 0; a < 4; a++)
                for (size_t l = 0; l < count; l++)
                    value[(q + a) * n + p + l] = mine[a * STRETCH + l] + cells->square[p + l];
        }
    }
}

/* Ranks of the k true neighbors of one query, which visits `visits` cells at most. key: k entries; below: 2 k + 1; both
 * scratch. */
static void rank_neighbors(const knn_cells *cells, const ranking *r, const uint32_t *visit, size_t visits,
                           const float *value, const int32_t *near, size_t k, uint64_t *key, uint32_t *below,
                           uint32_t *rank)
{
    uint32_t *seen = below + k + 1;
    size_t    rows = 0, level = 0;

    for (size_t a = 0; a < k; a++) key[a] = top_k_key(value[r->position[near[a]]], (uint32_t)r->position[near[a]]);
    top_k_sort(key, k);
    memset(below, 0, (2 * k + 1) * sizeof *below);
    for (size_t v = 0; v < visits && level < r->levels; v++) {
        const size_t from = (size_t)cells->start[visit[v]], to = (size_t)cells->start[visit[v] + 1];
        const float  farthest = top_k_value(key[k - 1]);
        for (size_t p = from; p < to; p++) {
            if (!(value[p] <= farthest)) continue;
            const uint64_t me  = top_k_key(value[p], (uint32_t)p);
            size_t         low = 0, high = k; /* the first neighbor that is not before this row */
            while (low < high) {
                const size_t middle = (low + high) / 2;
                if (key[middle] < me) low = middle + 1;
                else high = middle;
            }
            below[low]++; /* a neighbor counts itself: ranks start from 1 */
        }
        for (size_t a = 0; a < k; a++) seen[a] |= top_k_id(key[a]) >= from && top_k_id(key[a]) < to;
        rows += to - from;
        while (level < r->levels && (rows >= r->level[level] || v + 1 == visits)) {
            uint32_t sum = 0;
            for (size_t a = 0; a < k; a++) {
                sum += below[a];
                rank[level * k + a] = seen[a] ? sum : UINT32_MAX;
            }
            level++;
        }
    }
}

/* --- The cheapest plan. */

/* A plan that is the cheapest of many for this sample is flattered by it, and the next sample has an error of its own:
 * so many standard errors are taken off. */
static const double surely = 2;

/* Recall and its standard error on the sample, for one length of visit and each number of candidates. */
static void recall_of(const knn_pilot *pilot, const ranking *r, size_t level, const size_t *keep, size_t keeps,
                      double *mean, double *error)
{
    const size_t k = pilot->k;
    const double n = (double)pilot->queries;
    for (size_t m = 0; m < keeps; m++) mean[m] = error[m] = 0;
    for (size_t q = 0; q < pilot->queries; q++) {
        size_t found[KEEPS] = {0}, sum = 0;
        for (size_t a = 0; a < k; a++) {
            const uint32_t rank = r->rank[(q * r->levels + level) * k + a];
            size_t         m    = 0;
            while (m < keeps && keep[m] < rank) m++;
            if (m < keeps) found[m]++;
        }
        for (size_t m = 0; m < keeps; m++) {
            const double share = (double)(sum += found[m]) / (double)k;
            mean[m] += share / n;
            error[m] += share * share / n;
        }
    }
    for (size_t m = 0; m < keeps; m++) error[m] = sqrt(fmax(0, error[m] - mean[m] * mean[m]) / fmax(1, n - 1));
}

static void choose(const knn_search *search, const knn_sketch *sketch, const knn_pilot *pilot, const ranking *r,
                   double target, knn_plan *plan)
{
    size_t keep[KEEPS], keeps = 0;
    for (double m = (double)pilot->k + 4; keeps < KEEPS; m = fmax(m * 1.07, m + 4)) {
        keep[keeps++] = smaller((size_t)m, search->rows->count);
        if (m >= (double)search->rows->count) break;
    }
    *plan = (knn_plan){.cost = INFINITY};
    for (size_t l = 0; l < r->levels; l++) {
        double mean[KEEPS], error[KEEPS];
        recall_of(pilot, r, l, keep, keeps, mean, error);
        for (size_t m = 0; m < keeps; m++) {
            const double cost = plan_cost(search, sketch, r->level[l], keep[m]);
            if (mean[m] - surely * error[m] >= target && cost < plan->cost)
                *plan = (knn_plan){.scan = r->level[l], .keep = keep[m], .recall = mean[m], .cost = cost};
        }
    }
}

ne_status knn_pilot_plan(ne_context *context, const knn_search *search, const knn_sketch *sketch,
                         const knn_cells *cells, const knn_pilot *pilot, double target, knn_plan *plan)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = search->rows->count, w = sketch->width, k = pilot->k;
    ne_status           st       = NE_OK;
    ranking             r        = {0};
    float              *packed   = memory_new(mem, BATCH, w * sizeof *packed);
    float              *spare    = memory_new(mem, (size_t)context_threads(context), 4 * STRETCH * sizeof *spare);
    uint64_t           *key      = memory_new(mem, BATCH, k * sizeof *key);
    uint32_t           *below    = memory_new(mem, BATCH, (2 * k + 1) * sizeof *below);
    float              *of_cell  = memory_new(mem, BATCH, cells->count * sizeof *of_cell);
    uint64_t           *cell_key = memory_new(mem, BATCH, cells->count * sizeof *cell_key);
    uint32_t           *visit    = memory_new(mem, BATCH, cells->count * sizeof *visit);

    for (double s = fmax(256, 2 * (double)k); r.levels < LEVELS; s *= 1.25) {
        r.level[r.levels++] = smaller((size_t)s, n);
        if (s >= (double)n) break;
    }
    r.position = memory_new(mem, n, sizeof *r.position);
    r.value    = memory_new(mem, n, BATCH * sizeof *r.value);
    r.rank     = memory_new(mem, pilot->queries, r.levels * k * sizeof *r.rank);
    if (!packed || !spare || !key || !below || !of_cell || !cell_key || !visit || !r.position || !r.value || !r.rank) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t p = 0; p < n; p++) r.position[cells->order[p]] = (int32_t)p;
    for (size_t q0 = 0; q0 < pilot->queries; q0 += BATCH) {
        const size_t   count = smaller(BATCH, pilot->queries - q0);
        const int32_t *query = pilot->query + q0;
        for (size_t q = 0; q < BATCH; q++) /* rows beyond the last repeat it */
            knn_sketch_row(sketch, (size_t)r.position[query[smaller(q, count - 1)]], packed + q * w);
        values_of(context, sketch, cells, n, packed, spare, r.value);
        for (size_t q = 0; q < count && search->skip_self; q++) r.value[q * n + (size_t)r.position[query[q]]] = NAN;
        knn_cells_values(cells, packed, count, w, of_cell);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t q = 0; q < count; q++) {
            const size_t c      = cells->count,
                         visits = knn_cells_nearest(cells, of_cell + q * c, n, cell_key + q * c, visit + q * c);
            rank_neighbors(cells, &r, visit + q * c, visits, r.value + q * n, pilot->index + (q0 + q) * k, k,
                           key + q * k, below + q * (2 * k + 1), r.rank + (q0 + q) * r.levels * k);
        }
    }
    choose(search, sketch, pilot, &r, target, plan);
done:
    memory_free(mem, packed);
    memory_free(mem, spare);
    memory_free(mem, key);
    memory_free(mem, below);
    memory_free(mem, of_cell);
    memory_free(mem, cell_key);
    memory_free(mem, visit);
    memory_free(mem, r.position);
    memory_free(mem, r.value);
    memory_free(mem, r.rank);
    return st;
}

double knn_pilot_recall(const knn_pilot *pilot, const float *distance)
{
    const size_t k     = pilot->k;
    size_t       found = 0;
    for (size_t q = 0; q < pilot->queries; q++)
        for (size_t a = 0; a < k; a++)
            found += distance[(size_t)pilot->query[q] * k + a] <= pilot->distance[q * k + k - 1];
    return (double)found / (double)(pilot->queries * k);
}

double knn_pilot_queries(double n)
{
    return fmin(n, QUERIES);
}

double knn_pilot_bytes(double n, double k)
{
    return knn_pilot_queries(n) * (sizeof(int32_t) + k * (sizeof(int32_t) + sizeof(float)));
}

double knn_pilot_plan_bytes(double n, double k)
{
    const double levels = fmin(LEVELS, 1 + ceil(fmax(0, log(n / fmax(256, 2 * k)) / log(1.25))));
    const double cells  = BATCH * knn_cells_count(n) * (sizeof(float) + sizeof(uint64_t) + sizeof(uint32_t));
    return n * (sizeof(int32_t) + BATCH * sizeof(float)) + knn_pilot_queries(n) * levels * k * sizeof(uint32_t) + cells;
}
