/* cpu/knn_sparse.h: k nearest neighbors of sparse rows, exactly. */
#ifndef NE_CPU_KNN_SPARSE_H
#define NE_CPU_KNN_SPARSE_H

#include "backend/backend.h"

/* Of request->sparse, in place of x. errors: NE_OUT_OF_RANGE: k is outside [1, n - 1]; NE_UNSUPPORTED: the metric, or a
 * method other than exact search; NE_CANCELLED; NE_OUT_OF_MEMORY. */
ne_status cpu_knn_sparse(ne_context *context, const knn_request *request, knn_result *result);

/* For estimates, by the shape of request->sparse: rows of which some are equal, columns as frequent as words are. NaN:
 * NE_UNSUPPORTED, with its text. */
double cpu_knn_sparse_bytes(const ne_context *context, const knn_request *request, double entries);

#endif
