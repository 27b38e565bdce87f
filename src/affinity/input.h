/* affinity/input.h: what the fit needs of an input affinity: from the distances of neighbors, row by row through the
 * affinity's table, or from all pairs; and the built-in affinities. */
#ifndef NE_AFFINITY_INPUT_H
#define NE_AFFINITY_INPUT_H

#include "backend/backend.h"
#include "graph/knn.h"

extern const ne_affinity_ops affinity_entropic, affinity_student, affinity_gaussian;
extern const ne_affinity_ops affinity_umap, affinity_pacmap;               /* inputs over neighbors */
extern const ne_affinity_ops affinity_umap_kernel, affinity_largevis;      /* outputs */
extern const ne_affinity_ops affinity_hyperbolic, affinity_scalar_product; /* of pairs of rows */
extern const ne_affinity_ops affinity_symmetric_entropic, affinity_sinkhorn, affinity_doubly_stochastic_quadratic;
extern const ne_affinity_ops affinity_normalized_gaussian, affinity_normalized_student, affinity_self_tuning;
extern const ne_affinity_ops affinity_magic, affinity_phate, affinity_precomputed;

/* Before the neighbors are looked for. errors: NE_UNSUPPORTED where the affinity has what a graph has no place for. */
ne_status affinity_check_graph(const ne_affinity_ops *ops, const void *params);
/* The values of `distances` are replaced by the affinity's weights; bandwidth (rows) may be NULL. Rows are independent:
 * any thread count gives the same bits. On an error the values are spoilt. */
ne_status affinity_apply(ne_context *context, const ne_affinity_ops *ops, const void *params, csr *distances,
                         double *bandwidth);
/* The same by whichever of weights() and compute() the table has: a hook for the whole graph may put another matrix in
 * the place of the distances, whose metric knn names. */
ne_status affinity_of_graph(ne_context *context, const ne_affinity_ops *ops, const void *params, const knn_params *knn,
                            csr *distances, double *bandwidth);

/* The affinity of directed rows, as ops->combine says, columns ascending. `directed` gets its rows sorted, or is left
 * empty. errors: NE_INVALID_ARGUMENT when they sum to 0 and have to be scaled. */
ne_status affinity_combine(ne_context *context, const ne_affinity_ops *ops, csr *directed, csr *to);
/* The directed rows themselves, scaled as the mean would be. */
ne_status affinity_keep_directed(ne_context *context, const ne_affinity_ops *ops, csr *directed, csr *to);

/* All pairs of the rows of x, f32 and checked: p is n x n, packed, row-major, combined and scaled as the table says. It is
 * all the memory of order n^2 that is used, PHATE apart. errors: NE_UNSUPPORTED for an output affinity; NE_CANCELLED. A
 * solver that used all its iterations logs a warning. Works for every affinity with weights(), rows() or matrix(). */
ne_status affinity_dense(ne_context *context, const ne_affinity_ops *ops, const void *params, const knn_params *knn,
                         const ne_dense *x, const progress *report_to, float *p);

/* What that takes beside p, for estimates. */
double affinity_dense_bytes(const ne_context *context, const ne_affinity_ops *ops, double n, double d);

/* a and b of UMAP's kernel 1 / (1 + a s^b): fitted, and from the parameter block of umap_kernel. errors:
 * NE_INVALID_ARGUMENT when one of them is given and the other is not; NE_NOT_CONVERGED. */
ne_status umap_fit_ab(double spread, double min_dist, double *a, double *b);
ne_status umap_kernel_ab(const void *params, double *a, double *b);

/* The built-in kernels are recognised by their tables, so that backends can use kernels written for them. */
output_kernel output_kernel_of(const ne_affinity_ops *ops, const void *params);

#endif
