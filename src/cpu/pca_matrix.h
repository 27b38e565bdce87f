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
/* to (r x d) = from X^T X, from r x d; in double, without a matrix of either size. */
ne_status pca_apply(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                    double *to);
/* to (r x d) = from X, from r x n. */
ne_status pca_combine(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                      double *to);

/* What they take beside what they are given, for estimates; pca_combine takes what pca_apply does. */
double pca_means_bytes(double n, double d);
double pca_covariance_bytes(double d, int is_float, double threads);
double pca_gram_bytes(double d, double threads);
double pca_apply_bytes(double d, double r, double threads);

#endif
