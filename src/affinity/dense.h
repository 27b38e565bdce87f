/* affinity/dense.h: affinities over all pairs: the duals, then rows of values, block by block or in place. */
#ifndef NE_AFFINITY_DENSE_H
#define NE_AFFINITY_DENSE_H

#include "affinity/builtin.h"
#include "affinity/pairs.h"

typedef struct dense_affinity {
    ne_context             *context;
    const ne_affinity_ops  *ops;
    const affinity_builtin *own; /* of ops; from dense_open() on */
    const void             *params;
    int                     combined; /* 0: directed rows stay so */
    const progress         *progress;
    const double           *start; /* the first dual of each row, or NULL */
    ne_pairs               *pairs;
    ne_solution             solution;
    double                  scale;   /* what values are multiplied by */
    float                  *scratch; /* 2 n a thread */
    float_kernel            kernel;  /* whose values are kept in place of distances */
} dense_affinity;

/* Computes the duals, and what the values have to be divided by. room, n x n floats stride apart, may be NULL (see
 * pairs_open()). errors: NE_UNSUPPORTED: the affinity has no rows(). */
ne_status dense_open(dense_affinity *dense, const knn_params *knn, const ne_dense *x, float *room, size_t stride);
void      dense_close(dense_affinity *dense);

/* Rows of values in ascending order, `most` at a time at most, stride floats apart; take may be NULL, and stops with
 * NE_CANCELLED by an answer that is not 0. The values lie where the distances were: in room, if there was one. After that
 * the duals are all that is left. */
typedef int (*dense_take)(void *user, size_t row0, size_t row1, const float *values, size_t stride);
ne_status dense_rows(dense_affinity *dense, size_t most, dense_take take, void *user);
/* Both, into room; whatever form the affinity has. Duals are there after it if it has any. */
ne_status dense_matrix(dense_affinity *dense, const knn_params *knn, const ne_dense *x, float *room, size_t stride);

#endif
