/* cpu/knn_sparse.c: see knn_sparse.h.
 *
 * As knn_exact.c has it: blocks of rows meet as in a round-robin tournament, one sum serves the lists of both rows, each
 * list keeps some more than k, the metric itself measures all of those in double, and a row whose list could have missed
 * one is searched again pair by pair. The sums come from knn_sparse_index.c, which visits only columns that two rows
 * share; 60,000 glosses of 11 words: what is left is to look at 1.8e9 sums.
 *
 * Memory beside the result: (k + 80 + k/8) x 8 bytes a row, some 20 bytes an entry, and 12 bytes a column and thread. */
#include "cpu/knn_sparse.h"

#include "base/clones.h"
#include "cpu/knn_answer.h"
#include "cpu/knn_rounds.h"
#include "cpu/knn_sparse_index.h"
#include "cpu/lanes.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>

enum {
    BLOCK       = 512, /* rows of a block, whose sums with a panel fill a first-level cache; at most 2^16 */
    SMALL_BLOCK = 128, /* where BLOCK would leave threads without work */
    PANEL       = KNN_SPARSE_LANES
};

typedef struct tournament {
    const knn_sparse_rows *rows;
    knn_sparse_index       index;
    size_t                 k, keep, available, block;
    int                    skip_self, threads;
    top_k                  lists;
    float                 *zeros; /* PANEL */
    float                 *sums;  /* per thread: block x PANEL, zeros between panels */
    uint32_t              *at;    /* per thread: width, zeros between blocks */
    double                *lines; /* per thread: width, zeros between rows */
    unsigned char         *unsure;
} tournament;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t rows_of_block(size_t n)
{
    return n < 8 * BLOCK ? SMALL_BLOCK : BLOCK;
}

/* What the search keeps of a row, so that the k nearest are among them. */
static size_t list_length(size_t k)
{
    return k + 16 + k / 8;
}

static ne_status create(ne_context *context, const knn_sparse_rows *rows, size_t k, size_t lists, tournament *t)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = rows->count, threads = (size_t)context_threads(context);
    ne_status           st;
    t->rows      = rows;
    t->k         = k;
    t->available = n - (t->skip_self ? 1 : 0);
    t->keep      = smaller(list_length(k), t->available);
    t->block     = rows_of_block(n);
    t->threads   = knn_threads(context, (double)n * (double)n);
    st           = top_k_create(mem, lists, t->keep, &t->lists);
    t->zeros     = memory_zero(mem, PANEL, sizeof *t->zeros);
    t->sums      = memory_zero(mem, threads, t->block * PANEL * sizeof *t->sums);
    t->at        = memory_zero(mem, threads, rows->width * sizeof *t->at);
    t->lines     = memory_zero(mem, threads, rows->width * sizeof *t->lines);
    t->unsure    = memory_zero(mem, lists, sizeof *t->unsure);
    if (!t->zeros || !t->sums || !t->at || !t->lines || !t->unsure) st = NE_OUT_OF_MEMORY;
    return st;
}

static void clear(const ne_allocator *mem, tournament *t)
{
    knn_sparse_index_clear(mem, &t->index);
    top_k_clear(mem, &t->lists);
    memory_free(mem, t->zeros);
    memory_free(mem, t->sums);
    memory_free(mem, t->at);
    memory_free(mem, t->lines);
    memory_free(mem, t->unsure);
}

/* --- Two blocks. */

/* Which rows of a block have a sum that could enter a list: of the panel's row, with half[r] added, or of row r, with the
 * panel's halves added. Their number. */
NE_CLONES static size_t knn_sparse_hits(const float *restrict sums, size_t        count, const float *restrict half,
                                        const float *restrict limit, const float *panel_half, const float *panel_limit,
                                        uint16_t *restrict hits)
{
    const lanes p = lanes_load(panel_half), q = lanes_load(panel_half + LANES);
    const lanes f = lanes_load(panel_limit), g = lanes_load(panel_limit + LANES);
    size_t      found = 0;
    for (size_t r = 0; r < count; r++) {
        const lanes     a = lanes_load(sums + r * PANEL), b = lanes_load(sums + r * PANEL + LANES);
        const lanes     h = lanes_all(half[r]), l = lanes_all(limit[r]);
        const lanes_int any = (a + h <= f) | (b + h <= g) | (a + p <= l) | (b + q <= l);
        int32_t         hit = 0;
        for (int i = 0; i < LANES; i++) hit |= any[i];
        hits[found] = (uint16_t)r;
        found += hit != 0;
    }
    return found;
}

/* Shared entries to jaccard's distance, rounded as the metric rounds it. */
NE_CLONES static void knn_sparse_jaccard(float *restrict sums, size_t count, const float *restrict half,
                                         const float *restrict panel_half)
{
    for (size_t r = 0; r < count; r++)
        for (size_t l = 0; l < PANEL; l++) {
            const double both   = (double)sums[r * PANEL + l];
            const double either = (double)half[r] + (double)panel_half[l] - both;
            sums[r * PANEL + l] = (float)(either > 0 ? 1 - both / either : 0);
        }
}

/* Panel rows i0.. against block rows j0..; both ways, the lists of both; else those of the panel's rows. */
static void offer(tournament *t, size_t i0, size_t j0, size_t count, int both_ways, float *sums)
{
    const knn_sparse_rows *rows    = t->rows;
    const size_t           width   = smaller(PANEL, rows->count - i0);
    const int              jaccard = rows->kind == METRIC_JACCARD;
    float                  half[PANEL], limit[PANEL], other[BLOCK], other_limit[BLOCK];
    uint16_t               hits[BLOCK];

    for (size_t l = 0; l < PANEL; l++) {
        half[l]  = l < width ? rows->half[i0 + l] : 0;
        limit[l] = l < width ? t->lists.limit[i0 + l] : -INFINITY;
    }
    if (jaccard) {
        knn_sparse_jaccard(sums, count, rows->half + j0, half);
        for (size_t l = 0; l < PANEL; l++) half[l] = 0;
    }
    for (size_t r = 0; r < count; r++) {
        other[r]       = jaccard ? 0 : rows->half[j0 + r];
        other_limit[r] = both_ways ? t->lists.limit[j0 + r] : -INFINITY;
    }
    const size_t found = knn_sparse_hits(sums, count, other, other_limit, half, limit, hits);
    for (size_t a = 0; a < found; a++) {
        const size_t r = hits[a], j = j0 + r;
        float       *value = sums + r * PANEL;
        if (!both_ways && t->skip_self && j >= i0 && j - i0 < width) value[j - i0] = NAN; /* never taken */
        top_k_offer_column(&t->lists, i0, value, other[r], width, (uint32_t)j);
        if (both_ways) top_k_offer_row(&t->lists, j, value, half, width, (uint32_t)i0);
    }
    memset(sums, 0, count * PANEL * sizeof *sums);
}

static void meet(tournament *t, size_t block_i, size_t block_j, size_t thread)
{
    const size_t n = t->rows->count, j0 = block_j * t->block, count = smaller(t->block, n - j0);
    const size_t i1   = smaller((block_i + 1) * t->block, n);
    uint32_t    *at   = t->at + thread * t->rows->width;
    float       *sums = t->sums + thread * t->block * PANEL;
    knn_sparse_map(&t->index.blocks, block_j, at);
    for (size_t i0 = block_i * t->block; i0 < i1; i0 += PANEL) {
        knn_sparse_add(t->rows, &t->index, i0 / PANEL, at, sums);
        offer(t, i0, j0, count, block_i != block_j, sums);
    }
    knn_sparse_unmap(&t->index.blocks, block_j, at);
}

static ne_status play(tournament *t, const progress *report)
{
    const size_t blocks = (t->rows->count + t->block - 1) / t->block, rounds = knn_rounds(blocks);
    ne_status    st = NE_OK;

    for (size_t round = 0; round < rounds && st == NE_OK; round++) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(t->threads)
        for (size_t p = 0; p < blocks; p++) {
            const size_t q = knn_opponent(blocks, round, p);
            if (q < blocks) meet(t, p, q, (size_t)omp_get_thread_num());
        }
        if (progress_report(report, "knn", (int64_t)round + 1, (int64_t)rounds))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    return st;
}

/* --- The metric's own distances. */

/* The list of `slot` from all pairs of a row. */
static void search_pairwise(tournament *t, size_t slot, size_t row, double *line)
{
    top_k_reset(&t->lists, slot, slot + 1);
    knn_sparse_spread(t->rows, row, line);
    for (size_t j = 0; j < t->rows->count; j++) {
        if (t->skip_self && j == row) continue;
        const float d = knn_sparse_distance(t->rows, row, line, j);
        if (d <= t->lists.limit[slot]) top_k_push(&t->lists, slot, d, (uint32_t)j);
    }
    knn_sparse_unspread(t->rows, row, line);
    top_k_shrink(&t->lists, slot);
    top_k_sort(t->lists.key + slot * t->lists.room, t->lists.count[slot]);
}

/* Measure the listed rows; 1 where the k nearest are surely among them. */
static int measure(tournament *t, size_t row, double *line)
{
    uint64_t *key = t->lists.key + row * t->lists.room;
    top_k_shrink(&t->lists, row);
    const size_t count = t->lists.count[row];
    knn_sparse_spread(t->rows, row, line);
    for (size_t a = 0; a < count; a++) {
        const uint32_t id = top_k_id(key[a]);
        key[a]            = top_k_key(knn_sparse_distance(t->rows, row, line, id), id);
    }
    knn_sparse_unspread(t->rows, row, line);
    top_k_sort(key, count);
    return t->keep == t->available ||
           knn_sparse_is_beyond(t->rows, row, t->lists.limit[row], top_k_value(key[t->k - 1]));
}

static void write_out(const tournament *t, size_t slot, size_t row, int32_t *index, float *distance)
{
    const uint64_t *key = t->lists.key + slot * t->lists.room;
    for (size_t a = 0; a < t->k; a++) {
        index[row * t->k + a]    = (int32_t)top_k_id(key[a]);
        distance[row * t->k + a] = top_k_value(key[a]);
    }
}

static void finish(tournament *t, int32_t *index, float *distance)
{
    const size_t n = t->rows->count, width = t->rows->width;
#pragma omp parallel for schedule(dynamic, 16) num_threads(t->threads)
    for (size_t i = 0; i < n; i++)
        t->unsure[i] = (unsigned char)!measure(t, i, t->lines + (size_t)omp_get_thread_num() * width);
#pragma omp parallel for schedule(dynamic, 1) num_threads(t->threads)
    for (size_t i = 0; i < n; i++) {
        if (t->unsure[i]) search_pairwise(t, i, i, t->lines + (size_t)omp_get_thread_num() * width);
        write_out(t, i, i, index, distance);
    }
}

/* k near the number of rows: everything is measured, row by row, with one list per thread. */
static ne_status search_all_pairs(tournament *t, const progress *report, int32_t *index, float *distance)
{
    const size_t n = t->rows->count, step = 256;
    ne_status    st = NE_OK;
    for (size_t i0 = 0; i0 < n && st == NE_OK; i0 += step) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(t->threads)
        for (size_t i = i0; i < smaller(i0 + step, n); i++) {
            const size_t thread = (size_t)omp_get_thread_num();
            search_pairwise(t, thread, i, t->lines + thread * t->rows->width);
            write_out(t, thread, i, index, distance);
        }
        if (progress_report(report, "knn", (int64_t)smaller(i0 + step, n), (int64_t)n))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    return st;
}

static ne_status search(ne_context *context, const knn_sparse_rows *rows, size_t k, int skip_self,
                        const progress *report, int32_t *index, float *distance)
{
    const int    all_pairs = k >= rows->count / 4;
    tournament   t         = {.skip_self = skip_self};
    const size_t lists     = all_pairs ? (size_t)context_threads(context) : rows->count;
    ne_status    st        = create(context, rows, k, lists, &t);
    if (st == NE_OK && !all_pairs) st = knn_sparse_index_create(context, rows, t.block, &t.index);
    if (st == NE_OK) st = all_pairs ? search_all_pairs(&t, report, index, distance) : play(&t, report);
    if (st == NE_OK && !all_pairs) finish(&t, index, distance);
    clear(&context->memory, &t);
    return st;
}

static ne_status check_method(knn_method method)
{
    return method == KNN_AUTO || method == KNN_EXACT
               ? NE_OK
               : ne_fail(NE_UNSUPPORTED, "knn: %s is not there for sparse rows; auto and exact are",
                         method == KNN_FAISS ? "faiss" : "approximate");
}

ne_status cpu_knn_sparse(ne_context *context, const knn_request *request, knn_result *result)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = request->sparse->rows, k = request->k;
    ne_status           st     = NE_OK;
    knn_sparse_rows     rows   = {0};
    knn_answer          answer = {0};

    *result = (knn_result){0};
    if (k < 1 || k >= n) return ne_fail(NE_OUT_OF_RANGE, "n_neighbors: %zu is outside [1, n - 1] = [1, %zu]", k, n - 1);
    if ((st = check_method(request->method)) != NE_OK) return st;
    st = knn_sparse_rows_create(context, request->sparse, request->metric, &rows);
    if (st == NE_OK) st = knn_answer_create(context, &rows.distinct, k, &answer);
    if (st == NE_OK)
        st = search(context, &rows, answer.near_k, answer.skip_self, request->progress, answer.near_index,
                    answer.near_distance);
    if (st == NE_OK) knn_answer_give(context, &answer, 1, 1, result);
    knn_answer_clear(mem, &answer);
    knn_sparse_rows_clear(mem, &rows);
    return st;
}

double cpu_knn_sparse_bytes(const ne_context *context, const knn_request *request, double entries)
{
    const size_t rows = request->sparse->rows, block = rows_of_block(rows), near_k = request->k + 1;
    const double n = (double)rows, width = (double)request->sparse->cols + KNN_SPARSE_EXTRA;
    const double threads   = context_threads(context);
    const int    all_pairs = near_k >= rows / 4;
    const double answers   = n * (double)(request->k + near_k) * (sizeof(int32_t) + sizeof(float));
    double       kept, bytes = knn_sparse_rows_bytes(n, &kept);

    if (check_method(request->method) != NE_OK || knn_sparse_check_metric(request->metric) != NE_OK) return NAN;
    kept += answers + threads * ((double)(block * PANEL) * sizeof(float) + width * (sizeof(uint32_t) + sizeof(double)));
    kept += top_k_bytes(all_pairs ? threads : n, fmin((double)list_length(near_k), n)) + n;
    if (!all_pairs) kept += knn_sparse_index_bytes(n, width, entries, block);
    return kept < bytes ? bytes : kept; /* NaN stays */
}
