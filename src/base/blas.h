/* base/blas.h: the one door to BLAS and LAPACK. All matrices are row-major.
 *
 * OpenBLAS gives other last bits at another thread count, so it runs single-threaded between blas_enter() and
 * blas_leave(), and the parallelism is OpenMP over fixed blocks with one call each. Enter once around a phase, outside
 * any parallel region; enters are counted over all threads of the process, and the last leave puts the user's own thread
 * setting back. The calls below may then be made from any thread. */
#ifndef NE_BASE_BLAS_H
#define NE_BASE_BLAS_H

#include "base/context.h"

void blas_enter(void);
void blas_leave(void);

/* C (m x n, row stride ldc) = alpha A B^T + beta C, A m x k (lda), B n x k (ldb). */
void blas_sgemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                   float beta, float *c, size_t ldc);
void blas_dgemm_nt(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                   double beta, double *c, size_t ldc);
/* C (m x n) = alpha A B + beta C, A m x k, B k x n. */
void blas_sgemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                   float beta, float *c, size_t ldc);
void blas_dgemm_nn(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                   double beta, double *c, size_t ldc);
/* Upper triangle of C (n x n) += alpha A^T A, A m x n. */
void blas_ssyrk_t(size_t n, size_t m, float alpha, const float *a, size_t lda, float beta, float *c, size_t ldc);
void blas_dsyrk_t(size_t n, size_t m, double alpha, const double *a, size_t lda, double beta, double *c, size_t ldc);
/* Upper triangle of C (m x m) = alpha A A^T + beta C, A m x k. */
void blas_dsyrk_n(size_t m, size_t k, double alpha, const double *a, size_t lda, double beta, double *c, size_t ldc);

/* The largest `count` eigenpairs, values descending, of the symmetric n x n matrix a (which is overwritten; its lower
 * triangle is not looked at where count is n): values[count], vectors count x n (row r belongs to values[r]). Signs are
 * LAPACK's.
 * errors: NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status blas_eigen_top(ne_context *context, size_t n, double *a, size_t count, double *values, double *vectors);
/* The singular values (min(m, n), descending) of the m x n matrix a, which is overwritten, and its right singular vectors
 * as rows of right (min(m, n) x n). Signs are LAPACK's. errors: NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status blas_svd(ne_context *context, size_t m, size_t n, double *a, double *values, double *right);
/* Thin QR by Householder: the m x n matrix a (m >= n) becomes Q with orthonormal columns. */
ne_status blas_orthonormalise(ne_context *context, size_t m, size_t n, double *a);

#endif
