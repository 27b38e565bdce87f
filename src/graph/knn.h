/* graph/knn.h: the options of a neighbor search and the search itself, from data to a CSR of distances. */
#ifndef NE_GRAPH_KNN_H
#define NE_GRAPH_KNN_H

#include "backend/backend.h"
#include "graph/csr.h"

typedef struct knn_params {
    int64_t method; /* knn_method */
    double  recall;
    char    metric[NE_NAME_SIZE];
} knn_params;

extern const ne_option knn_options[];
extern const size_t    knn_option_count;

typedef struct knn_report {
    double recall, seconds;
} knn_report;

/* The k nearest rows of each row, ascending by (distance, index). x is checked and finite; 1 <= k <= n - 1.
 * errors: NE_UNKNOWN_NAME for the metric; NE_CANCELLED; what the engine says. */
ne_status knn_build(ne_context *context, const knn_params *params, uint64_t seed, const ne_dense *x, size_t k,
                    const progress *report_to, csr *to, knn_report *report);

#endif
