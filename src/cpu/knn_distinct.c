/* cpu/knn_distinct.c: see knn_distinct.h. One pass over the data for the hashes, an open table of row numbers, and a
 * full comparison wherever two hashes agree. */
#include "cpu/knn_distinct.h"

#include "base/clones.h"
#include "base/sparse.h"
#include "base/view.h"

#include <string.h>

enum {
    LANES = 32
};

static uint64_t mix(const uint32_t *lane)
{
    uint64_t hash = 0;
    for (size_t l = 0; l < LANES; l++) {
        hash = (hash ^ lane[l]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

/* Adding 0 turns -0 into 0, which equals it. */
NE_CLONES static void distinct_hash_f32(const float *restrict row, size_t d, uint32_t *restrict lane)
{
    for (size_t j = 0; j < d; j += LANES) {
        uint32_t     word[LANES] = {0};
        float        clean[LANES];
        const size_t width = d - j < LANES ? d - j : LANES;
        for (size_t l = 0; l < width; l++) clean[l] = row[j + l] + 0.0f;
        memcpy(word, clean, width * sizeof *word);
        for (size_t l = 0; l < LANES; l++) lane[l] = (lane[l] ^ word[l]) * 0x9E3779B1u;
    }
}

static void distinct_hash_f64(const double *restrict row, size_t d, uint32_t *restrict lane)
{
    for (size_t j = 0; j < d; j++) {
        const double clean = row[j] + 0.0;
        uint64_t     word;
        memcpy(&word, &clean, sizeof word);
        lane[j % LANES] = (lane[j % LANES] ^ (uint32_t)word ^ (uint32_t)(word >> 32) * 0x85EBCA6Bu) * 0x9E3779B1u;
    }
}

/* --- Rows, dense or sparse. */

typedef struct source {
    size_t      rows;
    double      operations; /* of a pass over all */
    const void *x;
    uint64_t (*hash)(const void *x, size_t row);
    int (*equal)(const void *x, size_t a, size_t b);
} source;

static uint64_t dense_hash(const void *from, size_t i)
{
    const ne_dense *x           = from;
    const size_t    at          = i * view_stride(x);
    uint32_t        lane[LANES] = {0};
    view_fetch_next(x, i);
    if (x->dtype == NE_F32) distinct_hash_f32((const float *)x->data + at, x->cols, lane);
    else distinct_hash_f64((const double *)x->data + at, x->cols, lane);
    return mix(lane);
}

static int dense_equal(const void *from, size_t i, size_t j)
{
    const ne_dense *x      = from;
    const size_t    stride = view_stride(x);
    int             equal  = 1;
    if (x->dtype == NE_F32) {
        const float *a = (const float *)x->data + i * stride, *b = (const float *)x->data + j * stride;
        for (size_t c = 0; c < x->cols && equal; c++) equal = a[c] == b[c];
    } else {
        const double *a = (const double *)x->data + i * stride, *b = (const double *)x->data + j * stride;
        for (size_t c = 0; c < x->cols && equal; c++) equal = a[c] == b[c];
    }
    return equal;
}

static uint64_t csr_hash(const void *x, size_t row)
{
    return sparse_hash(x, row);
}

static int csr_equal(const void *x, size_t a, size_t b)
{
    return sparse_rows_are_equal(x, a, b);
}

/* --- Groups of equal rows. */

/* group[i] becomes the number of row i's group, in order of first appearance; returns how many there are. */
static size_t number_groups(const source *from, const uint64_t *hash, int32_t *table, size_t slots, int32_t *first,
                            int32_t *group)
{
    size_t count = 0;
    for (size_t s = 0; s < slots; s++) table[s] = -1;
    for (size_t i = 0; i < from->rows; i++) {
        size_t  slot  = (size_t)hash[i] & (slots - 1);
        int32_t found = table[slot];
        while (found >= 0 && !(hash[first[found]] == hash[i] && from->equal(from->x, (size_t)first[found], i))) {
            slot  = (slot + 1) & (slots - 1);
            found = table[slot];
        }
        if (found < 0) {
            found        = (int32_t)count++;
            table[slot]  = found;
            first[found] = (int32_t)i;
        }
        group[i] = found;
    }
    return count;
}

static ne_status find(ne_context *context, const source *from, knn_distinct *made)
{
    const ne_allocator *mem   = &context->memory;
    const size_t        n     = from->rows;
    ne_status           st    = NE_OK;
    uint64_t           *hash  = memory_new(mem, n, sizeof *hash);
    int32_t            *table = NULL, *group = memory_new(mem, n, sizeof *group);
    size_t              slots = 2;

    while (slots < 2 * n) slots *= 2;
    table       = memory_new(mem, slots, sizeof *table);
    *made       = (knn_distinct){.rows = n, .count = n};
    made->first = memory_new(mem, n, sizeof *made->first);
    if (!hash || !table || !group || !made->first) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(knn_threads(context, from->operations))
    for (size_t i = 0; i < n; i++) hash[i] = from->hash(from->x, i);

    made->count = number_groups(from, hash, table, slots, made->first, group);
    if (made->count == n) {
        memory_free(mem, made->first);
        made->first = NULL;
        goto done;
    }
    made->start  = memory_zero(mem, made->count + 2, sizeof *made->start);
    made->member = memory_new(mem, n, sizeof *made->member);
    if (!made->start || !made->member) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    /* start[g + 1] is where the next member of g goes, so that it ends as the start of g + 1. */
    for (size_t i = 0; i < n; i++) made->start[group[i] + 2]++;
    for (size_t g = 0; g < made->count; g++) made->start[g + 2] += made->start[g + 1];
    for (size_t i = 0; i < n; i++) made->member[made->start[group[i] + 1]++] = (int32_t)i;
done:
    memory_free(mem, hash);
    memory_free(mem, table);
    memory_free(mem, group);
    return st;
}

ne_status knn_distinct_find(ne_context *context, const ne_dense *x, knn_distinct *made)
{
    const source from = {x->rows, (double)x->rows * (double)x->cols, x, dense_hash, dense_equal};
    return find(context, &from, made);
}

ne_status knn_distinct_find_sparse(ne_context *context, const ne_csr *x, knn_distinct *made)
{
    const source from = {x->rows, (double)x->start[x->rows], x, csr_hash, csr_equal};
    return find(context, &from, made);
}

void knn_distinct_clear(const ne_allocator *mem, knn_distinct *with)
{
    memory_free(mem, with->first);
    memory_free(mem, with->start);
    memory_free(mem, with->member);
    *with = (knn_distinct){0};
}

/* The k nearest copies other than row, of groups in ascending distance; of the last distance the smallest indices. */
static void spread_row(const knn_distinct *with, size_t row, size_t k_near, const int32_t *near_index,
                       const float *near_distance, size_t k, int32_t *index, float *distance)
{
    size_t taken = 0;
    for (size_t run = 0, end; run < k_near && taken < k; run = end) {
        size_t place = taken;
        for (end = run; end < k_near && near_distance[end] == near_distance[run]; end++) {
            const int32_t g = near_index[end];
            /* Copies ascend and so do the entries of this run that are in place: merge by insertion from the back. */
            for (int32_t m = with->start[g]; m < with->start[g + 1]; m++) {
                const int32_t id = with->member[m];
                size_t        at = place;
                if ((size_t)id == row) continue;
                if (place == k) {
                    if (index[k - 1] < id) break;
                    at = k - 1;
                } else {
                    place++;
                }
                for (; at > taken && index[at - 1] > id; at--) index[at] = index[at - 1];
                index[at] = id;
            }
        }
        for (size_t a = taken; a < place; a++) distance[a] = near_distance[run];
        taken = place;
    }
}

void knn_distinct_spread(const ne_context *context, const knn_distinct *with, size_t k_near, const int32_t *near_index,
                         const float *near_distance, size_t k, int32_t *index, float *distance)
{
#pragma omp parallel for schedule(dynamic, 64) num_threads(knn_threads(context, (double)with->rows *(double)k))
    for (size_t g = 0; g < with->count; g++)
        for (int32_t m = with->start[g]; m < with->start[g + 1]; m++) {
            const size_t row = (size_t)with->member[m];
            spread_row(with, row, k_near, near_index + g * k_near, near_distance + g * k_near, k, index + row * k,
                       distance + row * k);
        }
}

double knn_distinct_bytes(double n)
{
    double slots = 2;
    while (slots < 2 * n) slots *= 2;
    return n * (sizeof(uint64_t) + 2 * sizeof(int32_t)) + slots * sizeof(int32_t);
}
