/* affinity/affinity.h: the ne_affinity handle: a type, its options, and the arrays of its last computation. */
#ifndef NE_AFFINITY_AFFINITY_H
#define NE_AFFINITY_AFFINITY_H

#include "affinity/input.h"
#include "graph/graph.h"

typedef struct affinity_params {
    int64_t symmetrize, random_state, reference;
} affinity_params;

struct ne_affinity {
    ne_context            *context;
    const ne_affinity_ops *ops;
    option_set             options;
    ne_preset       presets[3]; /* what the table has another default for: metric, symmetrize, max_iter_affinity */
    affinity_params base;
    knn_params      knn;
    void           *params;
    progress        progress;
    double         *start; /* start_rows, or NULL: option init_dual */
    size_t          start_rows;
    /* Of the last computation. */
    size_t  rows;                /* 0: there was none */
    double *bandwidth, *entropy; /* rows values each, or NULL: of a computation over neighbors */
    double *dual;                /* rows x ops->dual_count, or NULL: of one over all pairs */
    int64_t n_iter;
    double  residual;
};

ne_status affinity_new(ne_context *context, const ne_affinity_ops *ops, ne_affinity **affinity);
void      affinity_free(ne_affinity *affinity);
/* One of x and distances is NULL. */
ne_status affinity_compute(ne_affinity *affinity, const ne_dense *x, const csr *distances, csr *to);
/* y is n x n, f32 or f64; on an error its values are spoilt. */
ne_status affinity_compute_dense(ne_affinity *affinity, const ne_dense *x, const ne_dense *y);
ne_status affinity_compute_rows(ne_affinity *affinity, const ne_dense *x, size_t block, ne_rows_fn take, void *user);

#endif
