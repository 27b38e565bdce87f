/* cpu/knn.h: k nearest neighbors on the CPU; picks the engine. */
#ifndef NE_CPU_KNN_H
#define NE_CPU_KNN_H

#include "backend/backend.h"

/* result->index and ->distance are from the context's allocator, and NULL on failure. Neighbors are ordered by the
 * distance rounded to float, then by index; distances beyond FLT_MAX become FLT_MAX. errors: NE_OUT_OF_MEMORY;
 * NE_CANCELLED; NE_INVALID_ARGUMENT: a user's metric gave NaN; NE_OUT_OF_RANGE: k. */
ne_status cpu_knn(ne_context *context, const knn_request *request, knn_result *result);
/* For estimates, by the shape of request->x: rows that are all distinct, of which auto makes an approximate search where it
 * may. knn=faiss: what it takes of the context, its index is in memory of its own. */
double cpu_knn_bytes(const ne_context *context, const knn_request *request);

#endif
