/* init/init.h: where an embedding starts. */
#ifndef NE_INIT_INIT_H
#define NE_INIT_INIT_H

#include "backend/backend.h"

/* z (n x c) = the first c principal components of x, each column divided by the standard deviation of the first, times
 * scaling. Columns beyond the rank of x, and all of them for constant x (with a warning), are normal numbers of that size.
 * divisor_n1: the standard deviation has divisor n - 1 instead of n. */
ne_status init_pca(ne_context *context, const ne_dense *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                   float *z);
/* The same of sparse rows. */
ne_status init_pca_sparse(ne_context *context, const ne_csr *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                          float *z);
/* What it takes beside x and z, for estimates. */
double init_pca_bytes(const ne_context *context, double n, double d, int is_float, double c);
double init_pca_sparse_bytes(const ne_context *context, double n, double d, double entries, int32_t dtype, double c);
/* Standard normal numbers keyed by (seed, row), scaled likewise. */
void init_random(size_t n, size_t c, double scaling, int divisor_n1, uint64_t seed, float *z);

/* The Poincare ball: y = tanh(|u|) u / |u|, no longer than 1 - 1e-5. Of the rows of z as they stand; and of normal numbers
 * times scaling, not divided by their deviation. */
void init_into_ball(size_t n, size_t c, float *z);
void init_hyperbolic(size_t n, size_t c, double scaling, uint64_t seed, float *z);
int  init_is_in_ball(size_t n, size_t c, const float *z);

/* Rows of z that belong to equal rows of x become that of the first of them. O(n d). errors: NE_OUT_OF_MEMORY. */
ne_status init_share_places(ne_context *context, const ne_dense *x, size_t c, float *z);
double    init_share_places_bytes(double n);
ne_status init_share_places_sparse(ne_context *context, const ne_csr *x, size_t c, float *z);

/* Divides all of z by the standard deviation of its first column, times scaling; zeros stay. */
void init_scale(size_t n, size_t c, double scaling, int divisor_n1, float *z);

#endif
