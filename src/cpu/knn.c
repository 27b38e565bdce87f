/* cpu/knn.c: see knn.h. */
#include "cpu/knn.h"

#include "cpu/knn_answer.h"
#include "cpu/knn_approximate.h"
#include "cpu/knn_bound.h"
#include "cpu/knn_exact.h"
#include "cpu/knn_faiss.h"
#include "cpu/knn_stream.h"

#include <math.h>

/* auto: below this the approximate engine's fixed costs (sketches, cells, pilot) are more than it saves. Measured: the
 * two cost the same at 2000 to 3000 rows, of images, 784 columns, as of points in 10 and 50, with 15 and with 90
 * neighbors. Above it the pilot still decides for exact search where that is cheaper. */
enum {
    EXACT_BELOW = 3000
};

ne_status cpu_knn(ne_context *context, const knn_request *request, knn_result *result)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = request->x->rows, k = request->k;
    ne_status           st     = NE_OK;
    knn_rows            rows   = {0};
    knn_answer          answer = {0};
    double              recall = 1;
    int                 exact  = 1;

    *result = (knn_result){0};
    if (k < 1 || k >= n) return ne_fail(NE_OUT_OF_RANGE, "n_neighbors: %zu is outside [1, n - 1] = [1, %zu]", k, n - 1);
    if ((st = knn_rows_create(context, request->x, request->metric, &rows)) != NE_OK) goto done;
    if ((st = knn_answer_create(context, &rows.distinct, k, &answer)) != NE_OK) goto done;

    const knn_search search    = {.rows      = &rows,
                                  .k         = answer.near_k,
                                  .skip_self = answer.skip_self,
                                  .progress  = request->progress,
                                  .recall    = request->method == KNN_EXACT ? 1 : request->recall,
                                  .seed      = request->seed};
    int32_t         *index     = answer.near_index;
    float           *distance  = answer.near_distance;
    const int        automatic = rows.count >= EXACT_BELOW || knn_stream_is_needed(context, &rows);
    if (request->method == KNN_FAISS) {
        st = knn_faiss(context, &search, request->faiss, index, distance, &recall, &exact);
    } else if (request->method == KNN_AUTO && !automatic) {
        st = knn_exact(context, &search, index, distance);
    } else { /* which makes exact searches too */
        st = knn_approximate(context, &search, index, distance, &recall, &exact);
    }
    if (st == NE_OK) knn_answer_give(context, &answer, recall, exact, result);
done:
    knn_answer_clear(mem, &answer);
    knn_rows_clear(mem, &rows);
    return st;
}

double cpu_knn_bytes(const ne_context *context, const knn_request *request)
{
    const double      n = (double)request->x->rows, d = (double)request->x->cols, k = (double)request->k;
    double            kept, search;
    const metric_kind kind = metric_kind_of(request->metric);
    const int         bounded =
        kind == METRIC_SQEUCLIDEAN || kind == METRIC_EUCLIDEAN || kind == METRIC_COSINE || kind == METRIC_CORRELATION;
    const double rows = knn_rows_bytes(context, request->x, request->metric, &kept);
    if (request->method == KNN_FAISS) search = knn_faiss_bytes(n, d, k, request->faiss);
    else if (request->recall < 1 && kind != METRIC_ANGULAR &&
             (request->method == KNN_APPROXIMATE || (request->method == KNN_AUTO && n >= EXACT_BELOW)))
        search = knn_approximate_bytes(context, n, d, k, bounded);
    else search = knn_exact_bytes(context, n, d, k);
    if (request->method == KNN_EXACT && n >= KNN_BOUND_ROWS && d >= KNN_BOUND_COLUMNS)
        search = fmax(search, knn_approximate_bytes(context, n, d, k, bounded));
    return fmax(rows, kept + n * k * (sizeof(int32_t) + sizeof(float)) + search);
}
