/* metrics/kmeans.h: k-means of rows, for scores: Lloyd's iteration (1982) from a start by k-means++ (Arthur &
 * Vassilvitskii 2007), the best of several. */
#ifndef NE_METRICS_KMEANS_H
#define NE_METRICS_KMEANS_H

#include "base/context.h"

typedef struct kmeans_request {
    const ne_dense *y;        /* checked and finite */
    size_t          clusters; /* in [1, n] */
    size_t          rounds;   /* of Lloyd, at most; it ends earlier where no row changes its cluster */
    size_t          restarts; /* at least 1 */
    uint64_t        seed;
} kmeans_request;

/* cluster: n, of the start whose sum of squared distances to the centres is the smallest (the first of equal ones).
 * Ties between centres go to the one with the smaller number. O(n) memory beside a copy of y in double. */
ne_status kmeans_assign(ne_context *context, const kmeans_request *request, int64_t *cluster);

#endif
