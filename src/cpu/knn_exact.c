/* cpu/knn_exact.c: see knn_exact.h.
 *
 *     |x_i - x_j|^2 = |x_i|^2 + |x_j|^2 - 2 x_i . x_j
 *
 * One product of two blocks of rows serves the lists of both: row i ranks by |x_j|^2 - 2 x_i.x_j, row j by |x_i|^2 - 2
 * x_i.x_j. So half of the n^2 d multiply-adds are spared, and the list of a row is the only thing that two blocks
 * share: blocks meet as in a round-robin tournament, where no block plays twice in a round and a round runs in parallel
 * without locks.
 *
 * The products are float and cancel; so each list keeps some more than k, the metric itself measures all of those from
 * the rows as they came, and a row whose lists could have missed one (knn_rows_is_beyond) is searched again pair by
 * pair. Metrics with no product fill the block by tiles, or call by call.
 *
 * Memory beside the result: (k + 16 + k/8 + 64) x 8 bytes a row; where k is a quarter of the rows, none. */
#include "cpu/knn_exact.h"

#include "base/blas.h"
#include "base/view.h"
#include "cpu/knn_rounds.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    BLOCK       = 512, /* rows of a block: two packed blocks and a slab of products per thread */
    SMALL_BLOCK = 128, /* where BLOCK would leave threads without work */
    SLAB        = 256, /* rows of one product; another value of these three: other last bits of the products */
    SEGMENTS    = 32,  /* of all columns, in knn_exact_some */
    BLOCK_STEP  = 16,  /* wide rows: blocks of a multiple of this, as large as BLOCK_BYTES hold */
    BLOCK_BYTES = 16 << 20
};

typedef struct exact {
    const knn_rows *rows;
    size_t          k, keep, block;
    int             skip_self;
    int             values_are_final; /* the block holds the metric's own floats: nothing to measure again */
    int             tiled;            /* filled by metric_tile_f32 */
    int             threads;
    top_k           lists;
    float          *zeros;   /* block: added where the value stands as it is */
    float          *scratch; /* per thread: two packed blocks and a slab */
    size_t          scratch_size;
    size_t         *bad;    /* per list: the first pair whose distance is not a number, as i * count + j, or SIZE_MAX */
    unsigned char  *unsure; /* per list */
} exact;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t block_rows(size_t n, size_t width)
{
    const size_t fit = BLOCK_BYTES / (width * sizeof(float)) / BLOCK_STEP * BLOCK_STEP;
    return smaller(n < 8 * BLOCK ? SMALL_BLOCK : BLOCK, fit ? fit : BLOCK_STEP);
}

static ne_status exact_create(ne_context *context, const knn_search *search, size_t lists, exact *e)
{
    const ne_allocator *mem       = &context->memory;
    const knn_rows     *rows      = search->rows;
    const size_t        available = rows->count - (search->skip_self ? 1 : 0);
    const int           direct    = rows->space == KNN_DIRECT,
              tiled               = direct && rows->kind != METRIC_CUSTOM && rows->x.dtype == NE_F32;
    ne_status st                  = NE_OK;

    *e                  = (exact){.rows = rows, .k = search->k, .skip_self = search->skip_self, .tiled = tiled};
    e->values_are_final = direct && !(tiled && rows->kind == METRIC_MANHATTAN);
    e->keep             = e->values_are_final ? e->k : smaller(e->k + 16 + e->k / 8, available);
    e->block            = block_rows(rows->count, rows->width);
    e->threads          = knn_threads(context, (double)lists * (double)rows->count * (double)rows->width);
    e->scratch_size     = 2 * e->block * rows->width + SLAB * e->block;
    st                  = top_k_create(mem, lists, e->keep, &e->lists);
    e->zeros            = memory_zero(mem, BLOCK, sizeof *e->zeros);
    e->scratch          = memory_new(mem, (size_t)context_threads(context), e->scratch_size * sizeof *e->scratch);
    e->bad              = memory_new(mem, lists, sizeof *e->bad);
    e->unsure           = memory_zero(mem, lists, sizeof *e->unsure);
    if (!e->zeros || !e->scratch || !e->bad || !e->unsure) st = NE_OUT_OF_MEMORY;
    for (size_t s = 0; s < lists && e->bad; s++) e->bad[s] = SIZE_MAX;
    return st;
}

static void exact_clear(const ne_allocator *mem, exact *e)
{
    top_k_clear(mem, &e->lists);
    memory_free(mem, e->zeros);
    memory_free(mem, e->scratch);
    memory_free(mem, e->bad);
    memory_free(mem, e->unsure);
}

static ne_status exact_check(const exact *e)
{
    const size_t n     = e->rows->count;
    size_t       first = SIZE_MAX;
    for (size_t l = 0; l < e->lists.rows; l++) first = smaller(first, e->bad[l]);
    return first == SIZE_MAX
               ? NE_OK
               : ne_fail(NE_INVALID_ARGUMENT, "metric '%s': the distance of rows %zu and %zu is not a number",
                         e->rows->metric->name, knn_rows_source(e->rows, first / n),
                         knn_rows_source(e->rows, first % n));
}

/* --- Filling a slab of values: rows i0.. (or ids) against columns j0.., `count` wide. */

/* The columns of METRIC_TILE rows together; missing rows repeat the last one. */
static void pack_tiles(const knn_rows *rows, size_t j0, size_t count, float *tiles)
{
    const size_t d = rows->x.cols;
    for (size_t t = 0; t < count; t += METRIC_TILE, tiles += d * METRIC_TILE)
        for (size_t r = 0; r < METRIC_TILE; r++) {
            const float *row = knn_rows_at(rows, j0 + smaller(t + r, count - 1));
            for (size_t c = 0; c < d; c++) tiles[c * METRIC_TILE + r] = row[c];
        }
}

static void pack_columns(const exact *e, size_t j0, size_t count, float *packed)
{
    if (e->tiled) pack_tiles(e->rows, j0, count, packed);
    else if (e->rows->space != KNN_DIRECT) knn_rows_pack(e->rows, NULL, j0, count, packed);
}

static void fill_direct(const exact *e, const int32_t *ids, size_t i0, size_t i_count, size_t j0, size_t j_count,
                        const float *columns, float *value)
{
    const knn_rows *rows = e->rows;
    for (size_t r = 0; r < i_count; r++) {
        const size_t i   = ids ? (size_t)ids[r] : i0 + r;
        float       *out = value + r * e->block;
        for (size_t t = 0; t < j_count; t += METRIC_TILE) {
            const size_t width = smaller(j_count - t, METRIC_TILE);
            float        tile[METRIC_TILE];
            if (e->tiled) {
                metric_tile_f32(rows->kind, knn_rows_at(rows, i), columns + t * rows->x.cols, rows->x.cols, tile);
            } else {
                uint32_t near[METRIC_TILE];
                for (size_t l = 0; l < width; l++) near[l] = (uint32_t)(j0 + t + l);
                knn_rows_distances(rows, i, near, width, tile);
            }
            for (size_t l = 0; l < width; l++) out[t + l] = tile[l];
        }
    }
}

static void fill(const exact *e, const int32_t *ids, size_t i0, size_t i_count, size_t j0, size_t j_count,
                 const float *a, const float *columns, float *value)
{
    const size_t width = e->rows->width;
    if (e->rows->space == KNN_DIRECT) fill_direct(e, ids, i0, i_count, j0, j_count, columns, value);
    else
        blas_sgemm_nt(i_count, j_count, width, e->rows->space == KNN_INNER ? -1.0f : -2.0f, a, width, columns, width, 0,
                      value, e->block);
}

/* Offer value + add of row i against columns j0.. to a list. */
static void offer(exact *e, size_t list, size_t i, float *value, const float *add, size_t j0, size_t count)
{
    const knn_rows *rows = e->rows;
    if (rows->kind == METRIC_CUSTOM)
        for (size_t l = 0; l < count; l++)
            if (isnan(value[l])) e->bad[list] = smaller(e->bad[list], i * rows->count + j0 + l);
    if (e->skip_self && i >= j0 && i - j0 < count) value[i - j0] = NAN; /* never taken */
    top_k_offer_row(&e->lists, list, value, add, count, (uint32_t)j0);
}

static const float *addend(const exact *e, size_t j0)
{
    return e->rows->space == KNN_EUCLIDEAN ? e->rows->square + j0 : e->zeros;
}

/* --- The tournament. */

static void meet(exact *e, size_t block_i, size_t block_j, int both_ways, float *scratch)
{
    const knn_rows *rows = e->rows;
    const size_t    i0 = block_i * e->block, j0 = block_j * e->block;
    const size_t    rows_i = smaller(e->block, rows->count - i0), rows_j = smaller(e->block, rows->count - j0);
    float          *a = scratch, *columns = a + e->block * rows->width, *value = columns + e->block * rows->width;

    pack_columns(e, j0, rows_j, columns);
    if (rows->space != KNN_DIRECT) knn_rows_pack(rows, NULL, i0, rows_i, a);
    for (size_t s = 0; s < rows_i; s += SLAB) {
        const size_t slab = smaller(SLAB, rows_i - s);
        fill(e, NULL, i0 + s, slab, j0, rows_j, a + s * rows->width, columns, value);
        for (size_t r = 0; r < slab; r++) {
            const size_t i   = i0 + s + r;
            float       *row = value + r * e->block;
            if (both_ways) {
                const float add = rows->space == KNN_EUCLIDEAN ? rows->square[i] : 0.0f;
                top_k_offer_column(&e->lists, j0, row, add, rows_j, (uint32_t)i);
            }
            offer(e, i, i, row, addend(e, j0), j0, rows_j);
        }
    }
}

static ne_status tournament(exact *e, const progress *report)
{
    const size_t blocks = (e->rows->count + e->block - 1) / e->block, rounds = knn_rounds(blocks);
    const int    one_sided = e->rows->kind == METRIC_CUSTOM; /* a user's metric need not be symmetric */
    ne_status    st        = NE_OK;

    for (size_t round = 0; round < rounds && st == NE_OK; round++) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(e->threads)
        for (size_t p = 0; p < blocks; p++) {
            float       *scratch = e->scratch + (size_t)omp_get_thread_num() * e->scratch_size;
            const size_t q       = knn_opponent(blocks, round, p);
            if (q == blocks) continue;
            meet(e, p, q, q != p && !one_sided, scratch);
            if (q != p && one_sided) meet(e, q, p, 0, scratch);
        }
        if (progress_report(report, "knn", (int64_t)round + 1, (int64_t)rounds))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    return st;
}

/* --- Finishing: the metric's own distances. */

enum {
    PIECE = 256
};

/* Row i against rows j0 .. end - 1. */
static void offer_pairwise(exact *e, size_t slot, size_t i, size_t j0, size_t end)
{
    uint32_t ids[PIECE];
    float    distance[PIECE];
    for (; j0 < end; j0 += PIECE) {
        const size_t count = smaller(PIECE, end - j0);
        for (size_t l = 0; l < count; l++) ids[l] = (uint32_t)(j0 + l);
        knn_rows_distances(e->rows, i, ids, count, distance);
        offer(e, slot, i, distance, e->zeros, j0, count);
    }
}

/* The list of `slot` from all pairs of row i. */
static void search_pairwise(exact *e, size_t slot, size_t i)
{
    top_k_reset(&e->lists, slot, slot + 1);
    offer_pairwise(e, slot, i, 0, e->rows->count);
    top_k_shrink(&e->lists, slot);
    top_k_sort(e->lists.key + slot * e->lists.room, e->lists.count[slot]);
}

/* The same for all lists that are unsure, in one pass over rows that are not in memory. */
static void search_together(exact *e, const int32_t *query, size_t count)
{
    const knn_rows *rows = e->rows;
    const size_t    step = BLOCK_BYTES / view_row_bytes(&rows->x) + 1;
    for (size_t s = 0; s < count; s++)
        if (e->unsure[s]) top_k_reset(&e->lists, s, s + 1);
    for (size_t j0 = 0; j0 < rows->count; j0 += step) {
        const size_t end = smaller(j0 + step, rows->count);
        if (end < rows->count) view_fetch(&rows->x, knn_rows_source(rows, end), knn_rows_source(rows, end) + step);
#pragma omp parallel for schedule(dynamic, 1) num_threads(e->threads)
        for (size_t s = 0; s < count; s++)
            if (e->unsure[s]) offer_pairwise(e, s, query ? (size_t)query[s] : s, j0, end);
    }
    for (size_t s = 0; s < count; s++)
        if (e->unsure[s]) {
            top_k_shrink(&e->lists, s);
            top_k_sort(e->lists.key + s * e->lists.room, e->lists.count[s]);
        }
}

/* Measure the listed rows again; 1 where the k nearest are surely among them. */
static int measure(exact *e, size_t slot, size_t i)
{
    uint64_t *key = e->lists.key + slot * e->lists.room;
    top_k_shrink(&e->lists, slot);
    const size_t count = e->lists.count[slot];
    if (!e->values_are_final) {
        for (size_t a = 0; a < count; a += PIECE) {
            const size_t piece = smaller(PIECE, count - a);
            uint32_t     ids[PIECE];
            float        distance[PIECE];
            for (size_t l = 0; l < piece; l++) {
                ids[l]              = top_k_id(key[a + l]);
                const size_t source = knn_rows_source(e->rows, ids[l]);
                view_fetch(&e->rows->x, source, source + 1);
            }
            knn_rows_distances(e->rows, i, ids, piece, distance);
            for (size_t l = 0; l < piece; l++) key[a + l] = top_k_key(distance[l], ids[l]);
        }
    }
    top_k_sort(key, count);
    const float farthest = count >= e->k ? top_k_value(key[e->k - 1]) : INFINITY;
    const int   all      = e->keep == e->rows->count - (e->skip_self ? 1 : 0);
    return all || e->values_are_final || knn_rows_is_beyond(e->rows, i, e->lists.limit[slot], farthest);
}

static void write_out(const exact *e, size_t slot, int32_t *index, float *distance)
{
    const uint64_t *key = e->lists.key + slot * e->lists.room;
    for (size_t a = 0; a < e->k && a < e->lists.count[slot]; a++) {
        index[a]    = (int32_t)top_k_id(key[a]);
        distance[a] = top_k_value(key[a]);
    }
}

/* Lists to results: row of list s is query[s], or s. */
static ne_status finish(exact *e, const int32_t *query, size_t count, int32_t *index, float *distance)
{
    const int together = e->rows->x.place == NE_MAPPED;
#pragma omp parallel for schedule(dynamic, 16) num_threads(e->threads)
    for (size_t s = 0; s < count; s++) e->unsure[s] = (unsigned char)!measure(e, s, query ? (size_t)query[s] : s);
    if (together && memchr(e->unsure, 1, count)) search_together(e, query, count);
#pragma omp parallel for schedule(dynamic, 1) num_threads(e->threads)
    for (size_t s = 0; s < count; s++) {
        if (e->unsure[s] && !together) search_pairwise(e, s, query ? (size_t)query[s] : s);
        write_out(e, s, index + s * e->k, distance + s * e->k);
    }
    return exact_check(e);
}

/* k near the number of rows: everything is measured, row by row, with one list per thread. */
static ne_status exact_dense(ne_context *context, const knn_search *search, int32_t *index, float *distance)
{
    const size_t n = search->rows->count, step = 256;
    exact        e  = {0};
    ne_status    st = exact_create(context, search, (size_t)context_threads(context), &e);
    e.threads       = knn_threads(context, (double)n * (double)n * (double)search->rows->width);
    for (size_t i0 = 0; i0 < n && st == NE_OK; i0 += step) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(e.threads)
        for (size_t i = i0; i < smaller(i0 + step, n); i++) {
            const size_t slot = (size_t)omp_get_thread_num();
            search_pairwise(&e, slot, i);
            write_out(&e, slot, index + i * e.k, distance + i * e.k);
        }
        if (progress_report(search->progress, "knn", (int64_t)smaller(i0 + step, n), (int64_t)n))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    if (st == NE_OK) st = exact_check(&e);
    exact_clear(&context->memory, &e);
    return st;
}

ne_status knn_exact(ne_context *context, const knn_search *search, int32_t *index, float *distance)
{
    exact     e  = {0};
    ne_status st = NE_OK;
    if (search->k >= search->rows->count / 4) return exact_dense(context, search, index, distance);
    blas_enter();
    st = exact_create(context, search, search->rows->count, &e);
    if (st == NE_OK) st = tournament(&e, search->progress);
    if (st == NE_OK) st = finish(&e, NULL, search->rows->count, index, distance);
    exact_clear(&context->memory, &e);
    blas_leave();
    return st;
}

/* Columns in SEGMENTS pieces with lists of their own, list g * queries + q of segment g, so that threads have work
 * however few the queries are; then they are joined into the first. */
static void search_segment(exact *e, const int32_t *query, size_t queries, const float *packed, size_t segment,
                           float *scratch)
{
    const knn_rows *rows    = e->rows;
    const size_t    blocks  = (rows->count + e->block - 1) / e->block;
    float          *columns = scratch, *value = scratch + 2 * e->block * rows->width;
    for (size_t b = segment * blocks / SEGMENTS; b < (segment + 1) * blocks / SEGMENTS; b++) {
        const size_t j0 = b * e->block, width = smaller(e->block, rows->count - j0), end = j0 + width;
        if (end < rows->count) view_fetch(&rows->x, knn_rows_source(rows, end), knn_rows_source(rows, end) + e->block);
        pack_columns(e, j0, width, columns);
        for (size_t q0 = 0; q0 < queries; q0 += SLAB) {
            const size_t slab = smaller(SLAB, queries - q0);
            fill(e, query + q0, 0, slab, j0, width, packed + q0 * rows->width, columns, value);
            for (size_t r = 0; r < slab; r++)
                offer(e, segment * queries + q0 + r, (size_t)query[q0 + r], value + r * e->block, addend(e, j0), j0,
                      width);
        }
    }
}

ne_status knn_exact_some(ne_context *context, const knn_search *search, const int32_t *query, size_t queries,
                         int32_t *index, float *distance)
{
    const ne_allocator *mem    = &context->memory;
    const knn_rows     *rows   = search->rows;
    exact               e      = {0};
    float              *packed = memory_new(mem, queries, rows->width * sizeof *packed);
    ne_status           st     = exact_create(context, search, queries * SEGMENTS, &e);

    blas_enter();
    if (!packed) st = NE_OUT_OF_MEMORY;
    if (st != NE_OK) goto done;
    if (rows->space != KNN_DIRECT) knn_rows_pack(rows, query, 0, queries, packed);
#pragma omp parallel for schedule(dynamic, 1) num_threads(e.threads)
    for (size_t g = 0; g < SEGMENTS; g++)
        search_segment(&e, query, queries, packed, g, e.scratch + (size_t)omp_get_thread_num() * e.scratch_size);
    for (size_t s = queries; s < e.lists.rows; s++)
        for (size_t a = 0; a < e.lists.count[s]; a++) {
            const uint64_t key = e.lists.key[s * e.lists.room + a];
            if (top_k_value(key) <= e.lists.limit[s % queries])
                top_k_push(&e.lists, s % queries, top_k_value(key), top_k_id(key));
        }
    st = finish(&e, query, queries, index, distance);
done:
    blas_leave();
    exact_clear(mem, &e);
    memory_free(mem, packed);
    return st;
}

/* --- Memory. */

static double lists_bytes(const ne_context *context, double n, double width, double k, double lists)
{
    const double keep  = fmin(k + 16 + floor(k / 8), n);
    const double block = (double)block_rows((size_t)n, (size_t)width), scratch = block * (2 * width + SLAB);
    return top_k_bytes(lists, keep) + lists * (sizeof(size_t) + 1) +
           (context_threads(context) * scratch + BLOCK) * sizeof(float);
}

double knn_exact_bytes(const ne_context *context, double n, double width, double k)
{
    return lists_bytes(context, n, width, k, k >= floor(n / 4) ? context_threads(context) : n);
}

double knn_exact_some_bytes(const ne_context *context, double n, double width, double k, double queries)
{
    return queries * width * sizeof(float) + lists_bytes(context, n, width, k, queries * SEGMENTS);
}
