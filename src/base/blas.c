/* base/blas.c: see blas.h. */
#include "base/blas.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int             entered, users_threads;

void blas_enter(void)
{
    pthread_mutex_lock(&lock);
    if (entered++ == 0) {
        users_threads = openblas_get_num_threads();
        if (users_threads != 1) openblas_set_num_threads(1);
    }
    pthread_mutex_unlock(&lock);
}

void blas_leave(void)
{
    pthread_mutex_lock(&lock);
    if (--entered == 0 && users_threads != 1) openblas_set_num_threads(users_threads);
    pthread_mutex_unlock(&lock);
}

/* Callers pass blocks, or sizes that were checked against INT_MAX when the data came. */
#define INT(x) ((blasint)(x))

void blas_sgemm_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                   float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, INT(m), INT(n), INT(k), alpha, a, INT(lda), b, INT(ldb), beta,
                c, INT(ldc));
}

void blas_dgemm_nt(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                   double beta, double *c, size_t ldc)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, INT(m), INT(n), INT(k), alpha, a, INT(lda), b, INT(ldb), beta,
                c, INT(ldc));
}

void blas_sgemm_nn(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                   float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, INT(m), INT(n), INT(k), alpha, a, INT(lda), b, INT(ldb),
                beta, c, INT(ldc));
}

void blas_dgemm_nn(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                   double beta, double *c, size_t ldc)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, INT(m), INT(n), INT(k), alpha, a, INT(lda), b, INT(ldb),
                beta, c, INT(ldc));
}

void blas_ssyrk_t(size_t n, size_t m, float alpha, const float *a, size_t lda, float beta, float *c, size_t ldc)
{
    cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, INT(n), INT(m), alpha, a, INT(lda), beta, c, INT(ldc));
}

void blas_dsyrk_t(size_t n, size_t m, double alpha, const double *a, size_t lda, double beta, double *c, size_t ldc)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, INT(n), INT(m), alpha, a, INT(lda), beta, c, INT(ldc));
}

void blas_dsyrk_n(size_t m, size_t k, double alpha, const double *a, size_t lda, double beta, double *c, size_t ldc)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, INT(m), INT(k), alpha, a, INT(lda), beta, c, INT(ldc));
}

/* One call of dsyevr for the eigenvalues from, from + 1, ..., n in ascending order, all its arrays from mem. */
static ne_status eigen(const ne_allocator *mem, size_t n, size_t from, double *a, double *w, double *z,
                       lapack_int *support, lapack_int *found)
{
    ne_status   st   = NE_OK;
    double     *work = NULL, need = 0;
    lapack_int *iwork = NULL, need_i = 0, info;

    /* The upper triangle of a row-major matrix is the lower one of LAPACK's column-major; columns of z are our rows. */
    info = LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'V', 'I', 'L', INT(n), a, INT(n), 0, 0, INT(from), INT(n), 0, found, w,
                               z, INT(n), support, &need, -1, &need_i, -1);
    if (info == 0) {
        work  = memory_new(mem, (size_t)need, sizeof *work);
        iwork = memory_new(mem, (size_t)need_i, sizeof *iwork);
        if (!work || !iwork) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        info = LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'V', 'I', 'L', INT(n), a, INT(n), 0, 0, INT(from), INT(n), 0,
                                   found, w, z, INT(n), support, work, (lapack_int)need, iwork, need_i);
    }
    if (info != 0) st = ne_fail(NE_NOT_CONVERGED, "LAPACK dsyevr of %zu rows: info %d", n, (int)info);
done:
    memory_free(mem, work);
    memory_free(mem, iwork);
    return st;
}

ne_status blas_eigen_top(ne_context *context, size_t n, double *a, size_t count, double *values, double *vectors)
{
    const ne_allocator *mem = &context->memory;
    ne_status           st  = NE_OK;
    double             *w = NULL, *z = NULL, *diagonal = NULL;
    lapack_int         *support = NULL, found = 0;

    if (n > (size_t)INT_MAX / 32) return ne_fail(NE_OUT_OF_MEMORY, "pca: a matrix of %zu rows is too large", n);
    w        = memory_new(mem, n, 2 * sizeof *w);
    z        = memory_new(mem, n * count, sizeof *z);
    support  = memory_new(mem, 2 * n, sizeof *support);
    diagonal = w ? w + n : NULL;
    if (!w || !z || !support) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) diagonal[i] = a[i * n + i];
    if ((st = eigen(mem, n, n - count + 1, a, w, z, support, &found)) != NE_OK) goto done;
    if ((size_t)found != count && count < n) {
        /* Bisection, which finds some of them, misses those that are equal to the last bits; all of them are found
         * another way. LAPACK has left the other triangle as it was. */
        memory_free(mem, z);
        z = memory_new(mem, n, n * sizeof *z);
        if (!z) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        for (size_t i = 0; i < n; i++) {
            a[i * n + i] = diagonal[i];
            for (size_t j = i + 1; j < n; j++) a[i * n + j] = a[j * n + i];
        }
        if ((st = eigen(mem, n, 1, a, w, z, support, &found)) != NE_OK) goto done;
    }
    if ((size_t)found < count) {
        st = ne_fail(NE_NOT_CONVERGED, "LAPACK dsyevr found %d of %zu eigenvalues", (int)found, count);
        goto done;
    }
    for (size_t r = 0; r < count; r++) {
        const size_t at = (size_t)found - 1 - r;
        values[r]       = w[at];
        for (size_t j = 0; j < n; j++) vectors[r * n + j] = z[at * n + j];
    }
done:
    memory_free(mem, w);
    memory_free(mem, z);
    memory_free(mem, support);
    return st;
}

ne_status blas_orthonormalise(ne_context *context, size_t m, size_t n, double *a)
{
    const ne_allocator *mem = &context->memory;
    ne_status           st  = NE_OK;
    double             *tau = memory_new(mem, n, sizeof *tau), *work = NULL, *t = NULL;
    const size_t        room = 64 * (n + 1);

    t    = memory_new(mem, m * n, sizeof *t);
    work = memory_new(mem, room, sizeof *work);
    if (!tau || !work || !t) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) t[j * m + i] = a[i * n + j];
    if (LAPACKE_dgeqrf_work(LAPACK_COL_MAJOR, INT(m), INT(n), t, INT(m), tau, work, INT(room)) != 0 ||
        LAPACKE_dorgqr_work(LAPACK_COL_MAJOR, INT(m), INT(n), INT(n), t, INT(m), tau, work, INT(room)) != 0) {
        st = ne_fail(NE_INTERNAL, "pca: LAPACK refused a QR of %zu x %zu", m, n);
        goto done;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) a[i * n + j] = t[j * m + i];
done:
    memory_free(mem, tau);
    memory_free(mem, work);
    memory_free(mem, t);
    return st;
}

/* A row-major matrix is its transpose to LAPACK, and our right vectors are its left ones. A tall matrix is first reduced
 * to the square factor of its QR, which has the same singular values and right vectors. */
ne_status blas_svd(ne_context *context, size_t m, size_t n, double *a, double *values, double *right)
{
    const ne_allocator *mem = &context->memory;
    const size_t        k = m < n ? m : n, room = 64 * (n + 1);
    ne_status           st   = NE_OK;
    double             *left = memory_new(mem, k, k * sizeof *left), *work = NULL;
    double             *tau = memory_new(mem, k, sizeof *tau), *first = memory_new(mem, room, sizeof *first);
    lapack_int         *iwork = memory_new(mem, 8 * k, sizeof *iwork), info = 0;
    double              need = 0;

    if (!left || !tau || !first || !iwork) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (m > n) {
        info = LAPACKE_dgelqf_work(LAPACK_COL_MAJOR, INT(n), INT(m), a, INT(n), tau, first, INT(room));
        for (size_t j = 1; j < n; j++) /* above the diagonal of L */
            for (size_t i = 0; i < j; i++) a[j * n + i] = 0;
    }
    if (info == 0)
        info = LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, 'S', INT(n), INT(k), a, INT(n), values, right, INT(n), left,
                                   INT(k), &need, -1, iwork);
    if (info == 0) {
        work = memory_new(mem, (size_t)need, sizeof *work);
        if (!work) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        info = LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, 'S', INT(n), INT(k), a, INT(n), values, right, INT(n), left,
                                   INT(k), work, (lapack_int)need, iwork);
    }
    if (info != 0) st = ne_fail(NE_NOT_CONVERGED, "LAPACK dgesdd of %zu x %zu: info %d", m, n, (int)info);
done:
    memory_free(mem, left);
    memory_free(mem, tau);
    memory_free(mem, first);
    memory_free(mem, iwork);
    memory_free(mem, work);
    return st;
}
