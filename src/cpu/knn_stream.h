/* cpu/knn_stream.h: the distances of all wanted pairs of rows, of data that are read in passes and not row by row. */
#ifndef NE_CPU_KNN_STREAM_H
#define NE_CPU_KNN_STREAM_H

#include "cpu/knn_exact.h"

/* Whether rows have to be read like that: they are mapped, and more than the context's option stream_buffer. */
int knn_stream_is_needed(const ne_context *context, const knn_rows *rows);
/* The most candidates a row that memory is taken for; at least k + 16. */
size_t knn_stream_most(const knn_rows *rows, size_t k);

/* key[i * keep ..] has count[i] entries, the ids of row i's candidates, which become (distance, id), see top_k.h. order:
 * all ids, neighbors near each other as far as possible: then few passes do.
 * errors: NE_OUT_OF_MEMORY; NE_CANCELLED. A distance that is not a number is left in its key. */
ne_status knn_stream_measure(ne_context *context, const knn_search *search, const int32_t *order, size_t keep,
                             uint64_t *key, const uint32_t *count);

#endif
