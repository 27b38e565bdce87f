/* cpu/knn_query.c: see knn_query.h.
 *
 * All pairs by the metric itself, in blocks: TRAIN rows stay in the second-level cache while a block of queries passes
 * over them. At 784 columns a pair takes twice as long as by a product of matrices, but nothing cancels, so nothing has
 * to be measured again, and every metric is served by the same loop. A query belongs to one thread and keeps one list;
 * what it keeps does not depend on the blocks. */
#include "cpu/knn_query.h"

#include "base/view.h"
#include "cpu/metric.h"
#include "cpu/top_k.h"

#include <float.h>
#include <math.h>
#include <omp.h>

enum {
    TRAIN   = 64, /* rows at a time */
    QUERIES = 32,
    REPORTS = 32 /* how often progress is reported */
};

typedef struct query {
    const ne_metric_ops *metric;
    int                  fast; /* four distances at a time */
    int                  roots;
    ne_dense             x, queries;
    size_t               k, block;
    top_k                lists; /* block a thread */
    float               *zeros; /* TRAIN */
    size_t              *lost;  /* per thread: a query with a distance that is no number, or SIZE_MAX */
    float               *narrowed[2];
} query;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const void *row_of(const ne_dense *x, size_t i)
{
    const size_t size = x->dtype == NE_F32 ? sizeof(float) : sizeof(double);
    return (const char *)x->data + i * view_stride(x) * size;
}

static ne_status narrow(const ne_allocator *mem, ne_dense *x, float **copy)
{
    if (x->dtype == NE_F32) return NE_OK;
    *copy = memory_new(mem, x->rows, x->cols * sizeof **copy);
    if (!*copy) return NE_OUT_OF_MEMORY;
    view_read_f32(x, *copy);
    *x = view_of_f32(*copy, x->rows, x->cols);
    return NE_OK;
}

static ne_status query_create(ne_context *context, query *q)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context);
    ne_status           st      = NE_OK;
    if (q->x.dtype != q->queries.dtype || (q->x.dtype == NE_F64 && !q->metric->distance_f64)) {
        if ((st = narrow(mem, &q->x, &q->narrowed[0])) != NE_OK) return st;
        if ((st = narrow(mem, &q->queries, &q->narrowed[1])) != NE_OK) return st;
    }
    const metric_kind kind = metric_kind_of(q->metric);
    q->roots               = kind == METRIC_EUCLIDEAN;
    q->fast                = q->x.dtype == NE_F32 && (q->roots || kind == METRIC_SQEUCLIDEAN);
    q->block               = smaller((q->queries.rows + threads - 1) / threads, QUERIES);
    q->zeros               = memory_zero(mem, TRAIN, sizeof *q->zeros);
    q->lost                = memory_new(mem, threads, sizeof *q->lost);
    st                     = top_k_create(mem, threads * q->block, q->k, &q->lists);
    if (!q->zeros || !q->lost) st = NE_OUT_OF_MEMORY;
    for (size_t t = 0; t < threads && st == NE_OK; t++) q->lost[t] = SIZE_MAX;
    return st;
}

static void query_clear(const ne_allocator *mem, query *q)
{
    top_k_clear(mem, &q->lists);
    memory_free(mem, q->zeros);
    memory_free(mem, q->lost);
    memory_free(mem, q->narrowed[0]);
    memory_free(mem, q->narrowed[1]);
}

static float one_distance(const query *q, const void *a, const void *b)
{
    const double d = q->x.dtype == NE_F32 ? q->metric->distance_f32(a, b, q->x.cols, q->metric->user)
                                          : q->metric->distance_f64(a, b, q->x.cols, q->metric->user);
    return d > FLT_MAX ? FLT_MAX : d < -FLT_MAX ? -FLT_MAX : (float)d;
}

/* One query against the rows first .. first + count - 1. Returns 1 where a distance is no number. */
static int measure(const query *q, size_t i, size_t first, size_t count, float *distance)
{
    const void *row  = row_of(&q->queries, i);
    int         lost = 0;
    for (size_t a = 0; a < count && q->fast; a += 4) {
        const float *other[4];
        float        square[4];
        for (size_t l = 0; l < 4; l++) other[l] = row_of(&q->x, first + smaller(a + l, count - 1));
        metric_squares_of_four(row, other, q->x.cols, square);
        for (size_t l = 0; l < 4 && a + l < count; l++)
            distance[a + l] = !metric_square_is_safe(square[l]) ? one_distance(q, row, other[l])
                              : q->roots                        ? sqrtf(square[l])
                                                                : square[l];
    }
    for (size_t a = 0; a < count && !q->fast; a++) distance[a] = one_distance(q, row, row_of(&q->x, first + a));
    for (size_t a = 0; a < count; a++) lost |= distance[a] != distance[a]; /* NaN */
    return lost;
}

static void search_block(query *q, size_t thread, size_t i0, size_t count, int32_t *index, float *distance)
{
    const size_t list0 = thread * q->block, n = q->x.rows, k = q->k;
    float        value[TRAIN];
    top_k_reset(&q->lists, list0, list0 + count);
    for (size_t j0 = 0; j0 < n; j0 += TRAIN) {
        const size_t rows = smaller(TRAIN, n - j0);
        for (size_t r = 0; r < count; r++) {
            if (measure(q, i0 + r, j0, rows, value)) q->lost[thread] = smaller(q->lost[thread], i0 + r);
            top_k_offer_row(&q->lists, list0 + r, value, q->zeros, rows, (uint32_t)j0);
        }
    }
    for (size_t r = 0; r < count; r++) {
        uint64_t *key = q->lists.key + (list0 + r) * q->lists.room;
        top_k_shrink(&q->lists, list0 + r);
        top_k_sort(key, q->lists.count[list0 + r]);
        for (size_t a = 0; a < q->lists.count[list0 + r]; a++) {
            index[(i0 + r) * k + a]    = (int32_t)top_k_id(key[a]);
            distance[(i0 + r) * k + a] = top_k_value(key[a]);
        }
    }
}

ne_status cpu_knn_query(ne_context *context, const knn_request *request, const ne_dense *queries, int32_t *index,
                        float *distance)
{
    const size_t m  = queries->rows;
    query        q  = {.metric = request->metric, .x = *request->x, .queries = *queries, .k = request->k};
    ne_status    st = query_create(context, &q);
    if (st != NE_OK) goto done;
    const size_t blocks = (m + q.block - 1) / q.block, step = (blocks + REPORTS - 1) / REPORTS;
    for (size_t b0 = 0; b0 < blocks && st == NE_OK; b0 += step) {
        const size_t b1 = smaller(b0 + step, blocks);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t b = b0; b < b1; b++)
            search_block(&q, (size_t)omp_get_thread_num(), b * q.block, smaller(q.block, m - b * q.block), index,
                         distance);
        if (progress_report(request->progress, "knn", (int64_t)b1, (int64_t)blocks))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    for (int t = 1; t < context_threads(context); t++) q.lost[0] = smaller(q.lost[0], q.lost[t]);
    if (st == NE_OK && q.lost[0] != SIZE_MAX)
        st = ne_fail(NE_INVALID_ARGUMENT, "metric '%s': a distance of row %zu of the queries is not a number",
                     request->metric->name, q.lost[0]);
done:
    query_clear(&context->memory, &q);
    return st;
}
