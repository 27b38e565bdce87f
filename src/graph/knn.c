/* graph/knn.c: see knn.h. */
#include "graph/knn.h"

#include "base/clock.h"
#include "base/registry.h"

#include <limits.h>
#include <math.h>

const ne_option knn_options[] = {
    {.name      = "knn",
     .type      = NE_OPT_CHOICE,
     .offset    = offsetof(knn_params, method),
     .preset    = "auto",
     .reference = "exact",
     .choices   = "auto|exact|approximate|faiss",
     .help = "neighbor search; auto is exact for small data and approximate where that is faster; faiss is a plug-in, "
             "and its options decide what it finds"},
    {.name   = "recall",
     .type   = NE_OPT_REAL,
     .offset = offsetof(knn_params, recall),
     .preset = "0.99",
     .min    = 0,
     .max    = 1,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "share of the true neighbors that an approximate search must find, measured on a sample"},
    {.name   = "metric",
     .type   = NE_OPT_NAME,
     .offset = offsetof(knn_params, metric),
     .preset = "sqeuclidean",
     .help   = "distance between rows: sqeuclidean, euclidean, manhattan, chebyshev, cosine, angular, correlation, "
               "hamming, jaccard or a registered one"},
    {.name    = "faiss_index",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(knn_params, faiss.index),
     .preset  = "ivf",
     .choices = "flat|ivf|hnsw|ivfpq",
     .help    = "index of knn=faiss; alias faiss_index_type; hnsw differs from run to run with more than one thread"},
    {.name   = "faiss_nlist",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.nlist),
     .preset = "0",
     .min    = 0,
     .max    = 1 << 24,
     .help   = "cells of the ivf and ivfpq indices; 0 is about 2 sqrt(n)"},
    {.name   = "faiss_nprobe",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.nprobe),
     .preset = "16",
     .min    = 1,
     .max    = 1 << 24,
     .help   = "cells of the ivf and ivfpq indices that a row visits"},
    {.name   = "faiss_hnsw_m",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.hnsw_m),
     .preset = "16",
     .min    = 2,
     .max    = 512,
     .help   = "links of a row in the hnsw index"},
    {.name   = "faiss_ef_construction",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.ef_construction),
     .preset = "40",
     .min    = 1,
     .max    = 1 << 24,
     .help   = "length of the candidate list while the hnsw index is built"},
    {.name   = "faiss_ef_search",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.ef_search),
     .preset = "0",
     .min    = 0,
     .max    = 1 << 24,
     .help   = "length of the candidate list while the hnsw index is searched; 0 is 1.25 times the neighbors"},
    {.name   = "faiss_pq_m",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.pq_m),
     .preset = "16",
     .min    = 1,
     .max    = 4096,
     .help   = "codes of a row in the ivfpq index, at most its columns; alias faiss_M"},
    {.name   = "faiss_pq_bits",
     .type   = NE_OPT_INT,
     .offset = offsetof(knn_params, faiss.pq_bits),
     .preset = "8",
     .min    = 1,
     .max    = 12,
     .help   = "bits of a code in the ivfpq index, which needs 2^bits rows; alias faiss_nbits"},
};
const size_t knn_option_count = sizeof knn_options / sizeof *knn_options;

static const option_alias aliases[] = {
    {"faiss_index_type", "faiss_index"}, {"faiss_M", "faiss_pq_m"}, {"faiss_nbits", "faiss_pq_bits"}};
const option_names knn_option_names = {.aliases = aliases, .alias_count = sizeof aliases / sizeof *aliases};

/* Of one of x and rows, which has n rows. */
static ne_status build(ne_context *context, const knn_params *params, uint64_t seed, size_t n, const ne_dense *x,
                       const ne_csr *rows, size_t k, const progress *report_to, csr *to, knn_report *report)
{
    const ne_allocator  *mem    = &context->memory;
    const double         begin  = clock_seconds();
    knn_result           found  = {0};
    csr                  made   = {0};
    ne_status            st     = NE_OK;
    const ne_metric_ops *metric = registry_find(REGISTRY_METRIC, params->metric);

    if (!metric) return NE_UNKNOWN_NAME;
    if (n > INT32_MAX) return ne_fail(NE_UNSUPPORTED, "n: %zu rows are more than %d", n, INT32_MAX);
    const knn_request request = {.x        = x,
                                 .k        = k,
                                 .metric   = metric,
                                 .method   = (knn_method)params->method,
                                 .recall   = params->recall,
                                 .seed     = seed,
                                 .progress = report_to,
                                 .faiss    = &params->faiss,
                                 .sparse   = rows};
    st                        = rows ? context->backend->knn_sparse(context, &request, &found)
                                     : context->backend->knn(context, &request, &found);
    if (st != NE_OK) goto done;

    made.start = memory_new(mem, n + 1, sizeof *made.start);
    if (!made.start) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i <= n; i++) made.start[i] = (int64_t)(i * k);
    made.rows      = n;
    made.entries   = n * k;
    made.col       = found.index;
    made.val       = found.distance;
    found.index    = NULL;
    found.distance = NULL;
    for (size_t e = 0; e < made.entries && st == NE_OK; e++)
        if (!isfinite(made.val[e]))
            st = ne_fail(NE_INVALID_ARGUMENT, "metric: %s gives %g between rows %zu and %d", params->metric,
                         (double)made.val[e], e / k, (int)made.col[e]);
    if (st != NE_OK) goto done;
    *to             = made;
    made            = (csr){0};
    report->recall  = found.recall;
    report->seconds = clock_seconds() - begin;
done:
    csr_clear(mem, &made);
    memory_free(mem, found.index);
    memory_free(mem, found.distance);
    return st;
}

ne_status knn_build(ne_context *context, const knn_params *params, uint64_t seed, const ne_dense *x, size_t k,
                    const progress *report_to, csr *to, knn_report *report)
{
    return build(context, params, seed, x->rows, x, NULL, k, report_to, to, report);
}

ne_status knn_build_sparse(ne_context *context, const knn_params *params, const ne_csr *x, size_t k,
                           const progress *report_to, csr *to, knn_report *report)
{
    return build(context, params, 0, x->rows, NULL, x, k, report_to, to, report);
}

ne_status knn_query(ne_context *context, const knn_params *params, const ne_dense *train, const ne_dense *queries,
                    size_t k, int32_t *index, float *distance)
{
    const ne_metric_ops *metric = registry_find(REGISTRY_METRIC, params->metric);
    if (!metric) return NE_UNKNOWN_NAME;
    if (train->rows > INT32_MAX) return ne_fail(NE_UNSUPPORTED, "n: %zu rows are more than %d", train->rows, INT32_MAX);
    if (k < 1 || k > train->rows)
        return ne_fail(NE_OUT_OF_RANGE, "k: %zu is outside [1, n] = [1, %zu]", k, train->rows);
    const knn_request request = {.x = train, .k = k, .metric = metric, .method = KNN_EXACT, .recall = 1};
    return context->backend->knn_query(context, &request, queries, index, distance);
}
