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

ne_status blas_eigen_top(ne_context *context, size_t n, double *a, size_t count, double *values, double *vectors)
{
    const ne_allocator *mem = &context->memory;
    ne_status           st  = NE_OK;
    double             *w = NULL, *z = NULL, *work = NULL;
    lapack_int         *support = NULL, *iwork = NULL;
    lapack_int          found = 0, need_i = 0, info;
    double              need = 0;

    if (n > (size_t)INT_MAX / 32) return ne_fail(NE_OUT_OF_MEMORY, "pca: a matrix of %zu rows is too large", n);
    w       = memory_new(mem, n, sizeof *w);
    z       = memory_new(mem, n * count, sizeof *z);
    support = memory_new(mem, 2 * (count ? count : 1), sizeof *support);
    if (!w || !z || !support) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }

    /* The upper triangle of a row-major matrix is the lower one of LAPACK's column-major; columns of z are our rows. */
    info = LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'V', 'I', 'L', INT(n), a, INT(n), 0, 0, INT(n - count + 1), INT(n), 0,
                               &found, w, z, INT(n), support, &need, -1, &need_i, -1);
    if (info == 0) {
        work  = memory_new(mem, (size_t)need, sizeof *work);
        iwork = memory_new(mem, (size_t)need_i, sizeof *iwork);
        if (!work || !iwork) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        info = LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'V', 'I', 'L', INT(n), a, INT(n), 0, 0, INT(n - count + 1), INT(n),
                                   0, &found, w, z, INT(n), support, work, (lapack_int)need, iwork, need_i);
    }
    if (info != 0 || (size_t)found != count) {
        st = ne_fail(NE_NOT_CONVERGED, "pca: LAPACK dsyevr found %d of %zu eigenvalues, info %d", (int)found, count,
                     (int)info);
        goto done;
    }
    for (size_t r = 0; r < count; r++) {
        values[r] = w[count - 1 - r];
        for (size_t j = 0; j < n; j++) vectors[r * n + j] = z[(count - 1 - r) * n + j];
    }
done:
    memory_free(mem, w);
    memory_free(mem, z);
    memory_free(mem, support);
    memory_free(mem, work);
    memory_free(mem, iwork);
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
