/* cpu/knn_answer.h: where an engine, which sees each distinct row once, puts what it finds, and how all rows get theirs. */
#ifndef NE_CPU_KNN_ANSWER_H
#define NE_CPU_KNN_ANSWER_H

#include "backend/backend.h"
#include "cpu/knn_distinct.h"

typedef struct knn_answer {
    const knn_distinct *distinct;
    size_t              k;         /* that every row is to get */
    size_t              near_k;    /* that a distinct row gets: with copies one more, itself, where there are so many */
    int                 skip_self; /* 0 with copies: a row is a candidate for itself */
    int32_t            *near_index; /* distinct->count x near_k, for the engine, as near_distance */
    float              *near_distance;
    int32_t            *index; /* rows x k: the same two where all rows are distinct */
    float              *distance;
} knn_answer;

/* errors: NE_OUT_OF_MEMORY. Clear a failed one too. */
ne_status knn_answer_create(ne_context *context, const knn_distinct *distinct, size_t k, knn_answer *made);
/* What the engine found, spread over the copies, into result, which owns index and distance from then on. */
void knn_answer_give(const ne_context *context, knn_answer *from, double recall, int exact, knn_result *result);
void knn_answer_clear(const ne_allocator *mem, knn_answer *with);

#endif
