/* cpu/pca.h: principal components of the rows of a matrix. */
#ifndef NE_CPU_PCA_H
#define NE_CPU_PCA_H

#include "backend/backend.h"

/* errors: NE_OUT_OF_RANGE: count is above min(n, d); NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status cpu_pca(ne_context *context, const pca_job *job);

/* What it takes at most, beside what the job has, for estimates: n rows of d columns. */
double cpu_pca_bytes(const ne_context *context, double n, double d, int is_float, double count);

/* The first `count` eigenpairs of a symmetric n x n matrix without large negative eigenvalues, which is overwritten:
 * values descending, vectors count x n. By subspace iteration, and by LAPACK where it is small or the iteration does not
 * get there. Between blas_enter() and blas_leave(). errors: NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status pca_eigen_top(ne_context *context, size_t n, double *matrix, size_t count, uint64_t seed, double *values,
                        double *vectors);

/* What that takes beside its matrices, for estimates. */
double pca_eigen_bytes(double n, double count);

/* From the first `count` eigenpairs of X^T X, the vectors of about unit length or lost in rounding, to what a pca_job
 * promises of n rows of d columns: rows orthonormal and with their signs, variances with divisor n - 1. */
void pca_finish(size_t n, size_t d, size_t count, double *components, double *variance);
/* How far v, of the Ritz value t[i] of r, may be from an eigenvector: |image - t[i] v| over the gap to the next value. */
double pca_angle_bound(size_t n, size_t r, size_t i, const double *t, const double *v, const double *image);

#endif
