/* cpu/knn_exact.h: exact k nearest neighbors, of all rows or of some. */
#ifndef NE_CPU_KNN_EXACT_H
#define NE_CPU_KNN_EXACT_H

#include "cpu/knn_rows.h"

/* What both engines are asked for, in ids of distinct rows. */
typedef struct knn_search {
    const knn_rows *rows;
    size_t          k;         /* at most count - skip_self */
    int             skip_self; /* 0: a row is a candidate for itself, as for the spread over copies */
    double          recall;    /* what the approximate engine aims at */
    uint64_t        seed;
    const progress *progress;
} knn_search;

/* index and distance: count x k, each row ascending by (distance, index).
 * errors: NE_OUT_OF_MEMORY; NE_CANCELLED; NE_INVALID_ARGUMENT: a user's metric gave NaN. */
ne_status knn_exact(ne_context *context, const knn_search *search, int32_t *index, float *distance);
/* The same for the rows query[0 .. queries - 1] only: queries x k. Without progress. */
ne_status knn_exact_some(ne_context *context, const knn_search *search, const int32_t *query, size_t queries,
                         int32_t *index, float *distance);

/* What the two take beside their results, for estimates. */
double knn_exact_bytes(const ne_context *context, double n, double width, double k);
double knn_exact_some_bytes(const ne_context *context, double n, double width, double k, double queries);

#endif
