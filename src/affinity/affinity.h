/* affinity/affinity.h: the ne_affinity handle: a type, its options, and the arrays of its last computation. */
#ifndef NE_AFFINITY_AFFINITY_H
#define NE_AFFINITY_AFFINITY_H

#include "affinity/input.h"
#include "graph/graph.h"

typedef struct affinity_params {
    int64_t symmetrize, random_state;
} affinity_params;

struct ne_affinity {
    ne_context            *context;
    const ne_affinity_ops *ops;
    option_set             options;
    affinity_params        base;
    knn_params             knn;
    void                  *params;
    double                *bandwidth, *entropy; /* rows values each, or NULL */
    size_t                 rows;
};

ne_status affinity_new(ne_context *context, const ne_affinity_ops *ops, ne_affinity **affinity);
void      affinity_free(ne_affinity *affinity);
/* One of x and distances is NULL. */
ne_status affinity_compute(ne_affinity *affinity, const ne_dense *x, const csr *distances, csr *to);

#endif
