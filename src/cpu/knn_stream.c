/* cpu/knn_stream.c: see knn_stream.h.
 *
 * A blocked nested loop. The rows of one block, which follow each other in the given order, are copied into a buffer of
 * bounded size; then each later row that shares a pair with the block goes past, in the order of the file, and is
 * measured against all it shares a pair with. So with B blocks the file is read (B + 1) / 2 times at most, and since
 * neighbors are near each other in the order, most later rows share nothing with a block and stay unread.
 *
 * The pair (i, candidate j) belongs to the first block that holds one of the two:
 *   i in the block        found through wanted[], the block's entries sorted by candidate
 *   j in it, i later      found in the list of i, when i goes past
 * Each entry is measured once, from the same side as by a search in memory: the bits are the same. */
#include "cpu/knn_stream.h"

#include "base/view.h"
#include "cpu/top_k.h"

#include <string.h>

enum {
    PIECE_BYTES = 8 << 20, /* that go past while as many more are on their way */
    TOGETHER    = 64       /* pairs of a row measured in one call */
};
static const size_t KEY_BYTES = (size_t)512 << 20; /* of the candidates of all rows, if k allows */

typedef struct stream {
    const knn_rows *rows;
    const int32_t  *order;    /* position to id */
    uint32_t       *position; /* id to position */
    size_t          keep;
    uint64_t       *key; /* of all rows, count x keep */
    const uint32_t *count;
    size_t          first, size; /* the block: positions [first, first + size) */
    size_t          bytes;       /* of a row in the buffer */
    char           *buffer;
    uint32_t       *wanted; /* entries of the block, slot * keep + place, those of candidate j up to end[j] */
    uint32_t       *end;    /* count + 1 */
    uint32_t       *needed; /* ids that go past, ascending */
    unsigned char  *marked; /* the same as a mark on each id */
} stream;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t buffer_bytes(const ne_context *context)
{
    return (size_t)context->params.stream_buffer;
}

int knn_stream_is_needed(const ne_context *context, const knn_rows *rows)
{
    return rows->x.place == NE_MAPPED && rows->x.rows > buffer_bytes(context) / view_row_bytes(&rows->x);
}

size_t knn_stream_most(const knn_rows *rows, size_t k)
{
    const size_t fit = KEY_BYTES / sizeof(uint64_t) / rows->count;
    return smaller(fit > k + 16 ? fit : k + 16, rows->count);
}

static ne_status stream_create(ne_context *context, size_t block, stream *s)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n   = s->rows->count;
    s->position             = memory_new(mem, n, sizeof *s->position);
    s->buffer               = memory_new(mem, block, s->bytes);
    s->wanted               = memory_new(mem, block, s->keep * sizeof *s->wanted);
    s->end                  = memory_new(mem, n + 1, sizeof *s->end);
    s->needed               = memory_new(mem, n, sizeof *s->needed);
    s->marked               = memory_new(mem, n, 1);
    if (!s->position || !s->buffer || !s->wanted || !s->end || !s->needed || !s->marked) return NE_OUT_OF_MEMORY;
    for (size_t p = 0; p < n; p++) s->position[s->order[p]] = (uint32_t)p;
    return NE_OK;
}

static void stream_clear(const ne_allocator *mem, stream *s)
{
    memory_free(mem, s->position);
    memory_free(mem, s->buffer);
    memory_free(mem, s->wanted);
    memory_free(mem, s->end);
    memory_free(mem, s->needed);
    memory_free(mem, s->marked);
}

/* Slot of a row in the buffer; size or more: it is not there. */
static size_t slot_of(const stream *s, size_t id)
{
    return (size_t)s->position[id] - s->first; /* wraps for rows of earlier blocks */
}

static char *slot_at(const stream *s, size_t slot)
{
    return s->buffer + slot * s->bytes;
}

/* --- Which rows. */

/* The block's entries by candidate, but for candidates in earlier blocks, which were measured then. */
static void sort_entries(stream *s)
{
    const size_t n = s->rows->count;
    memset(s->end, 0, (n + 1) * sizeof *s->end);
    for (size_t r = 0; r < s->size; r++) {
        const size_t    i = (size_t)s->order[s->first + r];
        const uint64_t *k = s->key + i * s->keep;
        for (size_t a = 0; a < s->count[i]; a++) s->end[top_k_id(k[a]) + 1] += s->position[top_k_id(k[a])] >= s->first;
    }
    for (size_t j = 0; j < n; j++) s->end[j + 1] += s->end[j];
    for (size_t r = 0; r < s->size; r++) {
        const size_t    i = (size_t)s->order[s->first + r];
        const uint64_t *k = s->key + i * s->keep;
        for (size_t a = 0; a < s->count[i]; a++)
            if (s->position[top_k_id(k[a])] >= s->first)
                s->wanted[s->end[top_k_id(k[a])]++] = (uint32_t)(r * s->keep + a);
    }
    /* end[j] is now where j ends */
}

static size_t wanted_from(const stream *s, size_t j)
{
    return j ? s->end[j - 1] : 0;
}

/* Later rows that share an entry with the block, ascending: their number. */
static size_t find_needed(const ne_context *context, stream *s)
{
    const size_t n     = s->rows->count;
    size_t       count = 0;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t j = 0; j < n; j++) {
        const int later = s->position[j] >= s->first + s->size;
        int       mark  = later && s->end[j] > wanted_from(s, j);
        for (size_t a = 0; a < s->count[j] && later && !mark; a++)
            mark = slot_of(s, top_k_id(s->key[j * s->keep + a])) < s->size;
        s->marked[j] = (unsigned char)mark;
    }
    for (size_t j = 0; j < n; j++)
        if (s->marked[j]) s->needed[count++] = (uint32_t)j;
    return count;
}

/* The block's own rows, ascending. */
static void find_own(stream *s)
{
    size_t count = 0;
    for (size_t j = 0; j < s->rows->count; j++)
        if (slot_of(s, j) < s->size) s->needed[count++] = (uint32_t)j;
}

/* --- Going past. */

/* Ask for needed[from .. end - 1], runs of neighbors in the file together. */
static void fetch(const stream *s, size_t from, size_t end)
{
    for (size_t a = from; a < end;) {
        const size_t first = knn_rows_source(s->rows, s->needed[a]);
        size_t       last  = first;
        for (a++; a < end && knn_rows_source(s->rows, s->needed[a]) == last + 1; a++) last++;
        view_fetch(&s->rows->x, first, last + 1);
    }
}

/* A row that goes past, or is in the block itself, with entries of the block: candidate of all of them. */
static void measure_candidate(const stream *s, size_t j, const void *row)
{
    const int custom = s->rows->kind == METRIC_CUSTOM;
    for (size_t from = wanted_from(s, j); from < s->end[j]; from += TOGETHER) {
        const size_t count = smaller(TOGETHER, s->end[j] - from);
        const void  *other[TOGETHER];
        float        distance[TOGETHER];
        for (size_t l = 0; l < count; l++) other[l] = slot_at(s, s->wanted[from + l] / s->keep);
        knn_rows_between(s->rows, row, other, count, custom, distance);
        for (size_t l = 0; l < count; l++) {
            const size_t slot = s->wanted[from + l] / s->keep, place = s->wanted[from + l] % s->keep;
            s->key[(size_t)s->order[s->first + slot] * s->keep + place] = top_k_key(distance[l], (uint32_t)j);
        }
    }
}

/* The entries of a later row whose candidates are in the block. */
static void measure_list(const stream *s, size_t i, const void *row)
{
    const int custom = s->rows->kind == METRIC_CUSTOM;
    uint64_t *key    = s->key + i * s->keep;
    for (size_t a = 0; a < s->count[i];) {
        size_t      count = 0, place[TOGETHER];
        const void *other[TOGETHER];
        float       distance[TOGETHER];
        for (; a < s->count[i] && count < TOGETHER; a++) {
            const size_t slot = slot_of(s, top_k_id(key[a]));
            if (slot >= s->size) continue;
            other[count]   = slot_at(s, slot);
            place[count++] = a;
        }
        knn_rows_between(s->rows, row, other, count, !custom, distance);
        for (size_t l = 0; l < count; l++) key[place[l]] = top_k_key(distance[l], top_k_id(key[place[l]]));
    }
}

static void load_block(const ne_context *context, stream *s)
{
    const size_t step = PIECE_BYTES / s->bytes + 1;
    find_own(s);
    fetch(s, 0, smaller(step, s->size));
    for (size_t a0 = 0; a0 < s->size; a0 += step) {
        const size_t a1 = smaller(a0 + step, s->size);
        fetch(s, a1, smaller(a1 + step, s->size));
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t a = a0; a < a1; a++)
            memcpy(slot_at(s, slot_of(s, s->needed[a])), knn_rows_at(s->rows, s->needed[a]), s->bytes);
    }
#pragma omp parallel for schedule(dynamic, 16) num_threads(context_threads(context))
    for (size_t r = 0; r < s->size; r++) measure_candidate(s, (size_t)s->order[s->first + r], slot_at(s, r));
}

static void pass(const ne_context *context, const stream *s, size_t count)
{
    const size_t step = PIECE_BYTES / s->bytes + 1;
    fetch(s, 0, smaller(step, count));
    for (size_t a0 = 0; a0 < count; a0 += step) {
        const size_t a1 = smaller(a0 + step, count);
        fetch(s, a1, smaller(a1 + step, count));
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t a = a0; a < a1; a++) {
            const void *row = knn_rows_at(s->rows, s->needed[a]);
            measure_candidate(s, s->needed[a], row);
            measure_list(s, s->needed[a], row);
        }
    }
}

ne_status knn_stream_measure(ne_context *context, const knn_search *search, const int32_t *order, size_t keep,
                             uint64_t *key, const uint32_t *count)
{
    const knn_rows *rows  = search->rows;
    const size_t    n     = rows->count;
    const size_t    bytes = rows->x.cols * (rows->x.dtype == NE_F32 ? sizeof(float) : sizeof(double));
    const size_t    fit = smaller(buffer_bytes(context) / bytes, UINT32_MAX / keep), block = smaller(n, fit ? fit : 1);
    stream          s      = {.rows = rows, .order = order, .keep = keep, .key = key, .count = count, .bytes = bytes};
    ne_status       st     = stream_create(context, block, &s);
    double          read   = 0;
    size_t          blocks = 0;

    for (s.first = 0; s.first < n && st == NE_OK; s.first += block) {
        s.size = smaller(block, n - s.first);
        blocks++;
        sort_entries(&s);
        load_block(context, &s);
        const size_t needed = find_needed(context, &s);
        pass(context, &s, needed);
        read += (double)(s.size + needed);
        if (progress_report(search->progress, "knn", (int64_t)(s.first + s.size), (int64_t)n))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    if (st == NE_OK)
        context_log(context, NE_LOG_INFO, "knn: %zu blocks of %zu rows, %.2f times all rows read", blocks, block,
                    read / (double)n);
    stream_clear(&context->memory, &s);
    return st;
}
