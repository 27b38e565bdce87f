/* cpu/pca_matrix.h: the matrices of principal component analysis, and products with them, in double. */
#ifndef NE_CPU_PCA_MATRIX_H
#define NE_CPU_PCA_MATRIX_H

#include "base/context.h"

/* mean[d] of the rows of x. errors: NE_OUT_OF_MEMORY. */
ne_status pca_means(ne_context *context, const ne_dense *x, double *mean);

/* What follows is within blas_enter(); X is x less the mean. errors: NE_OUT_OF_MEMORY. */

/* X^T X, d x d, all of it. Float data are multiplied in float, 256 rows at a time, and summed in double. */
ne_status pca_covariance(ne_context *context, const ne_dense *x, const double *mean, double *square);
/* X X^T, n x n, all of it. In double. */
ne_status pca_gram(ne_context *context, const ne_dense *x, const double *mean, double *square);
/* to (r x d) = scale^2 from X^T X, from r x d, without a matrix of either size: one pass over the rows. Float data are
 * multiplied in float and summed in double; scale, a power of two, keeps the products in range. */
ne_status pca_apply(ne_context *context, const ne_dense *x, const double *mean, double scale, size_t r,
                    const double *from, double *to);
/* to (r x d) = from X, from r x n. */
ne_status pca_combine(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                      double *to);

/* A copy of rows of x, evenly spread over all, sample->data to be freed; and a scale for pca_apply: the largest of their
 * values less the mean becomes about 1. errors: NE_OUT_OF_MEMORY. */
ne_status pca_sample(ne_context *context, const ne_dense *x, const double *mean, size_t rows, ne_dense *sample,
                     double *scale);

/* What they take beside what they are given, for estimates. */
double pca_means_bytes(double n, double d, double threads);
double pca_covariance_bytes(double d, int is_float, double threads);
double pca_gram_bytes(double n, double d, int is_float, double threads);
double pca_apply_bytes(double d, int is_float, double r, double threads);
double pca_combine_bytes(double d, double r, double threads);

#endif
