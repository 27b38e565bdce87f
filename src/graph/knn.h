/* graph/knn.h: the options of a neighbor search and the search itself, from data to a CSR of distances. */
#ifndef NE_GRAPH_KNN_H
#define NE_GRAPH_KNN_H

#include "backend/backend.h"
#include "graph/csr.h"

typedef struct knn_params {
    int64_t       method; /* knn_method */
    double        recall;
    char          metric[NE_NAME_SIZE];
    faiss_options faiss;
} knn_params;

extern const ne_option knn_options[];
extern const size_t    knn_option_count;
/* TorchDR's names of those of FAISS, for a set of options that has no others. */
extern const option_names knn_option_names;

typedef struct knn_report {
    double recall, seconds;
} knn_report;

/* The k nearest rows of each row, ascending by (distance, index). x is checked and finite; 1 <= k <= n - 1.
 * errors: NE_UNKNOWN_NAME for the metric; NE_CANCELLED; what the engine says. */
ne_status knn_build(ne_context *context, const knn_params *params, uint64_t seed, const ne_dense *x, size_t k,
                    const progress *report_to, csr *to, knn_report *report);
/* The same of sparse rows. errors: NE_UNSUPPORTED too: a metric or a method of search that is not there for them. */
ne_status knn_build_sparse(ne_context *context, const knn_params *params, const ne_csr *x, size_t k,
                           const progress *report_to, csr *to, knn_report *report);

/* The k nearest rows of train, exactly, for each row of queries: index and distance are rows x k, each row ascending by
 * (distance, index). Both are checked and finite; they have as many columns; 1 <= k <= rows of train. errors: as above;
 * NE_OUT_OF_RANGE for k. */
ne_status knn_query(ne_context *context, const knn_params *params, const ne_dense *train, const ne_dense *queries,
                    size_t k, int32_t *index, float *distance);

#endif
