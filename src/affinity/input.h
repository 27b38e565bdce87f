/* affinity/input.h: from the distances of neighbors to a directed affinity, row by row through the affinity's table, and
 * the built-in affinities. */
#ifndef NE_AFFINITY_INPUT_H
#define NE_AFFINITY_INPUT_H

#include "backend/backend.h"
#include "graph/csr.h"

extern const ne_affinity_ops affinity_entropic, affinity_student, affinity_gaussian;

/* The values of `distances` are replaced by the affinity's weights; bandwidth (rows) may be NULL. Rows are independent:
 * any thread count gives the same bits. On an error the values are spoilt. */
ne_status affinity_apply(ne_context *context, const ne_affinity_ops *ops, const void *params, csr *distances,
                         double *bandwidth);

/* The built-in kernels are recognised by their tables, so that backends can use kernels written for them. */
output_kernel output_kernel_of(const ne_affinity_ops *ops, const void *params);

#endif
