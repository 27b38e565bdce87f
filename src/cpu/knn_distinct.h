/* cpu/knn_distinct.h: rows that occur more than once, found by hash and compared in full.
 *
 * Thousands of equal rows are common (empty documents, sensors at rest), and they are the worst case of every search:
 * all their distances tie. So the engines see each distinct row once, and the answer is spread over its copies
 * afterwards. */
#ifndef NE_CPU_KNN_DISTINCT_H
#define NE_CPU_KNN_DISTINCT_H

#include "base/context.h"

/* Threads for a loop of so many simple operations: one where starting more would take longer than it saves. */
static inline int knn_threads(const ne_context *context, double operations)
{
    return operations < 3e5 ? 1 : context_threads(context);
}

typedef struct knn_distinct {
    size_t   rows, count; /* of all rows, of distinct ones */
    int32_t *first;  /* count: the first copy of each; ascending. NULL where all rows are distinct, as the next two */
    int32_t *start;  /* count + 1: copies of g are member[start[g] .. start[g + 1]), ascending */
    int32_t *member; /* rows */
} knn_distinct;

/* errors: NE_OUT_OF_MEMORY. Clear a failed one too. */
ne_status knn_distinct_find(ne_context *context, const ne_dense *x, knn_distinct *made);
/* Of rows whose columns ascend, and no value is 0. */
ne_status knn_distinct_find_sparse(ne_context *context, const ne_csr *x, knn_distinct *made);
/* What that takes where n rows are all distinct, for estimates; nothing of it is kept. */
double knn_distinct_bytes(double n);
void   knn_distinct_clear(const ne_allocator *mem, knn_distinct *with);

/* From the k_near nearest distinct rows of each distinct row, itself among them, to the k nearest rows of each row,
 * itself left out by index; rows in ascending (distance, index), and k_near = min(k + 1, count). */
void knn_distinct_spread(const ne_context *context, const knn_distinct *with, size_t k_near, const int32_t *near_index,
                         const float *near_distance, size_t k, int32_t *index, float *distance);

#endif
