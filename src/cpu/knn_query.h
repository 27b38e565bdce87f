/* cpu/knn_query.h: the k nearest rows of one matrix for each row of another: what places new points. */
#ifndef NE_CPU_KNN_QUERY_H
#define NE_CPU_KNN_QUERY_H

#include "backend/backend.h"

/* See ne_backend's knn_query. */
ne_status cpu_knn_query(ne_context *context, const knn_request *request, const ne_dense *queries, int32_t *index,
                        float *distance);

#endif
