/* cpu/pca.c: see pca.h. X is the data less its mean, S = X^T X.
 *
 *   min(n, d) <= DENSE   S itself, d x d, or the smaller X X^T, whose eigenvectors u give components X^T u / |X^T u|
 *   else                 S only as a product with some vectors, each a pass over the data
 *
 * The leading eigenvectors of either by subspace iteration (Halko, Martinsson & Tropp 2011, section 4.5), Q <- orth(S
 * Q), with some vectors more than wanted; each round costs r products with S. It ends when |S v - t v| is below a
 * millionth of the gap to the neighboring eigenvalues, which bounds the angle of v. Where a matrix is at hand and the
 * gaps are too small for that, LAPACK solves it whole.
 *
 * Passes are few because the vectors are more than the wanted ones by a good number, and start from a sample of the
 * rows. Float products then end where they get no more exact: the angle is below 3e-5 at least.
 *
 * Cost: n d^2 / 2 multiply-adds for S; 784 columns: rounds of 1 ms, where LAPACK takes 80. */
#include "cpu/pca.h"

#include "base/blas.h"
#include "base/random.h"
#include "base/view.h"
#include "cpu/pca_matrix.h"

#include <math.h>
#include <string.h>

enum {
    DENSE  = 2000, /* rows of a matrix that is worth making */
    SMALL  = 64,   /* of one that LAPACK solves at once, */
    FEW    = 8,    /* as it does where more vectors than these are wanted: their gaps are small */
    ROUNDS = 40,   /* before LAPACK has to */
    PASSES = 16,   /* over the data, where there is no matrix */
    SAMPLE = 2048, /* rows of it that the vectors start from, of wide rows what SAMPLE_BYTES hold, in so many rounds: */
    TRAIN  = 3,
    MORE   = 62, /* vectors beyond the wanted ones where a product is a pass, of wide rows what MORE_BYTES hold, */
    FEWER  = 10, /* but no fewer than this */
    PANEL  = 64  /* columns of a product with a matrix */
};
static const size_t SAMPLE_BYTES = (size_t)64 << 20, MORE_BYTES = (size_t)64 << 20;

/* A symmetric positive matrix of size n: a matrix, or a product with the data. */
typedef struct operator
{
    size_t          n;
    const double   *matrix;
    const ne_dense *x;
    const double   *mean;
    const ne_dense *sample; /* of x, where there is no matrix */
    double          scale;
}
operator;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static ne_status multiply(ne_context *context, const operator* s, size_t r, const double *from, double *to)
{
    if (!s->matrix) return pca_apply(context, s->x, s->mean, s->scale, r, from, to);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t p = 0; p < s->n; p += PANEL)
        blas_dgemm_nt(r, smaller(PANEL, s->n - p), s->n, 1, from, s->n, s->matrix + p * s->n, s->n, 0, to + p, s->n);
    return NE_OK;
}

/* Rows of q (r x n) to an orthonormal basis of their span. spare: as large. */
static ne_status orthonormalise(ne_context *context, size_t r, size_t n, double *q, double *spare)
{
    ne_status st;
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < n; j++) spare[j * r + i] = q[i * n + j];
    st = blas_orthonormalise(context, n, r, spare);
    for (size_t i = 0; i < r && st == NE_OK; i++)
        for (size_t j = 0; j < n; j++) q[i * n + j] = spare[j * r + i];
    return st;
}

double pca_angle_bound(size_t n, size_t r, size_t i, const double *t, const double *v, const double *image)
{
    double square = 0, gap = INFINITY;
    for (size_t j = 0; j < n; j++) square += (image[j] - t[i] * v[j]) * (image[j] - t[i] * v[j]);
    if (i > 0) gap = fmin(gap, t[i - 1] - t[i]);
    if (i + 1 < r) gap = fmin(gap, t[i] - t[i + 1]);
    return square > 0 ? sqrt(square) / gap : 0;
}

/* How many vectors are iterated for `count` wanted ones. */
static size_t vectors_for(size_t n, size_t count, int passes)
{
    size_t more = FEWER + count / 4;
    if (passes && more < MORE) {
        const size_t fit = MORE_BYTES / (n * sizeof(double));
        more             = fit < more ? more : smaller(fit, MORE);
    }
    return smaller(count + more, n);
}

/* The vectors q from random ones to those of a sample. image: as large. */
static ne_status train(ne_context *context, const operator* s, size_t r, double *q, double *image, double *spare)
{
    ne_status st = NE_OK;
    for (int round = 0; round < TRAIN && st == NE_OK; round++) {
        if ((st = orthonormalise(context, r, s->n, q, spare)) != NE_OK) break;
        st = pca_apply(context, s->sample, s->mean, s->scale, r, q, image);
        memcpy(q, image, r * s->n * sizeof *q);
    }
    return st;
}

/* The first `count` eigenpairs of s: values[count], vectors count x n. *converged: 0 when the rounds ran out; the
 * vectors then span nearly the right space all the same. */
static ne_status subspace(ne_context *context, const operator* s, size_t count, uint64_t seed, double *values,
                          double *vectors, int *converged)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = s->n, r = vectors_for(n, count, !s->matrix);
    const int           rounds = s->matrix ? ROUNDS : PASSES;
    double              before = INFINITY; /* the last round's angle */
    ne_status           st     = NE_OK;
    double             *q = memory_new(mem, r, n * sizeof *q), *image = memory_new(mem, r, n * sizeof *image);
    double             *turn = memory_new(mem, r, n * sizeof *turn), *small = memory_new(mem, r, r * sizeof *small);
    double             *ritz = memory_new(mem, r, sizeof *ritz), *turning = memory_new(mem, r, r * sizeof *turning);

    *converged = 0;
    if (!q || !image || !turn || !small || !ritz || !turning) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < n; j++) {
            const random_block draw = random_draw(seed, STREAM_PCA, 0, j, (uint32_t)i);
            q[i * n + j]            = random_unit(draw.word[0]) - 0.5;
        }
    if (s->sample && (st = train(context, s, r, q, image, turn)) != NE_OK) goto done;
    for (int round = 0; round < rounds && !*converged; round++) {
        double angle = 0;
        if ((st = orthonormalise(context, r, n, q, turn)) != NE_OK) goto done;
        if ((st = multiply(context, s, r, q, image)) != NE_OK) goto done;
        /* Rayleigh-Ritz: the best vectors of the span, and their images. */
        blas_dgemm_nt(r, r, n, 1, q, n, image, n, 0, small, r);
        if ((st = blas_eigen_top(context, r, small, r, ritz, turning)) != NE_OK) goto done;
        blas_dgemm_nn(r, n, r, 1, turning, r, q, n, 0, turn, n);
        memcpy(vectors, turn, count * n * sizeof *vectors);
        blas_dgemm_nn(r, n, r, 1, turning, r, image, n, 0, turn, n);
        memcpy(values, ritz, count * sizeof *values);
        for (size_t i = 0; i < count; i++) {
            const double bound = pca_angle_bound(n, r, i, ritz, vectors + i * n, turn + i * n);
            if (!(bound <= angle) && !isnan(angle)) angle = bound; /* NaN stays */
        }
        *converged = angle < 1e-6 || (!s->matrix && angle < 3e-5 && angle > 0.1 * before);
        before     = angle;
        memcpy(q, turn, r * n * sizeof *q);
    }
done:
    memory_free(mem, q);
    memory_free(mem, image);
    memory_free(mem, turn);
    memory_free(mem, small);
    memory_free(mem, ritz);
    memory_free(mem, turning);
    return st;
}

ne_status pca_eigen_top(ne_context *context, size_t n, double *matrix, size_t count, uint64_t seed, double *values,
                        double *vectors)
{
    const     operator s = {.n = n, .matrix = matrix};
    ne_status st         = NE_OK;
    int       converged  = 0;
    if (n > SMALL && count <= FEW) st = subspace(context, &s, count, seed, values, vectors, &converged);
    if (st == NE_OK && !converged) st = blas_eigen_top(context, n, matrix, count, values, vectors);
    return st;
}

/* Rows of v, of about unit length, to unit length and right angles. A row of zeros, or one that the rows before it
 * span, becomes some unit vector at right angles to all before it: there is no variance left for it. */
static void complete(size_t count, size_t d, double *v)
{
    for (size_t i = 0; i < count; i++) {
        double *row    = v + i * d;
        double  before = 0, square = 0;
        size_t  axis = 0;
        for (size_t j = 0; j < d; j++) before += row[j] * row[j];
        int lost = !(before > 0.25);
        for (;;) {
            if (lost)
                for (size_t j = 0; j < d; j++) row[j] = j == axis;
            for (int twice = 0; twice < 2; twice++)
                for (size_t a = 0; a < i; a++) {
                    double dot = 0;
                    for (size_t j = 0; j < d; j++) dot += row[j] * v[a * d + j];
                    for (size_t j = 0; j < d; j++) row[j] -= dot * v[a * d + j];
                }
            square = 0;
            for (size_t j = 0; j < d; j++) square += row[j] * row[j];
            /* Of d axes one at least keeps (d - i) / d of its square. */
            if (lost ? square > 0.5 / (double)d : square > 0.25 * before) break;
            axis += lost ? 1 : 0;
            lost = 1;
        }
        for (size_t j = 0; j < d; j++) row[j] /= sqrt(square);
    }
}

/* The entry largest in absolute value is positive, the first on ties. */
static void fix_signs(size_t count, size_t d, double *v)
{
    for (size_t i = 0; i < count; i++, v += d) {
        size_t largest = 0;
        for (size_t j = 1; j < d; j++)
            if (fabs(v[j]) > fabs(v[largest])) largest = j;
        for (size_t j = 0; j < d && v[largest] < 0; j++)
            if (j != largest) v[j] = -v[j];
        v[largest] = fabs(v[largest]);
    }
}

void pca_finish(size_t n, size_t d, size_t count, double *components, double *variance)
{
    complete(count, d, components);
    fix_signs(count, d, components);
    for (size_t i = 0; i < count; i++) variance[i] = n > 1 ? fmax(variance[i], 0) / (double)(n - 1) : 0;
}

static size_t sample_rows(size_t n, size_t row_bytes)
{
    const size_t fit = SAMPLE_BYTES / row_bytes;
    return smaller(n, fit < FEWER ? FEWER : smaller(fit, SAMPLE));
}

static ne_status by_passes(ne_context *context, const pca_job *job, int *converged)
{
    const ne_dense *x          = job->x;
    const size_t    size       = x->dtype == NE_F32 ? sizeof(float) : sizeof(double);
    ne_dense        sample     = {0};
                    operator s = {.n = x->cols, .x = x, .mean = job->mean, .sample = &sample};
    ne_status       st = pca_sample(context, x, job->mean, sample_rows(x->rows, x->cols * size), &sample, &s.scale);
    if (st == NE_OK) st = subspace(context, &s, job->count, job->seed, job->variance, job->components, converged);
    for (size_t i = 0; i < job->count && st == NE_OK; i++) job->variance[i] = job->variance[i] / s.scale / s.scale;
    memory_free(&context->memory, sample.data);
    return st;
}

ne_status cpu_pca(ne_context *context, const pca_job *job)
{
    const ne_allocator *mem = &context->memory;
    const ne_dense     *x   = job->x;
    const size_t        n = x->rows, d = x->cols, count = job->count;
    ne_status           st     = NE_OK;
    double             *matrix = NULL, *left = NULL;
    int                 converged = 1;

    if (count < 1 || count > smaller(n, d))
        return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the smaller of rows and columns", count,
                       smaller(n, d));
    blas_enter();
    if ((st = pca_means(context, x, job->mean)) != NE_OK) goto done;
    if (d <= DENSE && d <= n) {
        matrix = memory_new(mem, d, d * sizeof *matrix);
        if (!matrix) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        if ((st = pca_covariance(context, x, job->mean, matrix)) != NE_OK) goto done;
        if ((st = pca_eigen_top(context, d, matrix, count, job->seed, job->variance, job->components)) != NE_OK)
            goto done;
    } else if (n <= DENSE) {
        matrix = memory_new(mem, n, n * sizeof *matrix);
        left   = memory_new(mem, count, n * sizeof *left);
        if (!matrix || !left) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        if ((st = pca_gram(context, x, job->mean, matrix)) != NE_OK) goto done;
        if ((st = pca_eigen_top(context, n, matrix, count, job->seed, job->variance, left)) != NE_OK) goto done;
        if ((st = pca_combine(context, x, job->mean, count, left, job->components)) != NE_OK) goto done;
        for (size_t i = 0; i < count; i++) { /* |X^T u|^2 is the eigenvalue; where that is rounding, so is the vector */
            const double value = job->variance[i], scale = value > 1e-12 * job->variance[0] ? 1 / sqrt(value) : 0;
            for (size_t j = 0; j < d; j++) job->components[i * d + j] *= scale;
        }
    } else {
        if ((st = by_passes(context, job, &converged)) != NE_OK) goto done;
        if (!converged) context_log(context, NE_LOG_INFO, "pca: the last components are close to others in variance");
    }
    pca_finish(n, d, count, job->components, job->variance);
done:
    blas_leave();
    memory_free(mem, matrix);
    memory_free(mem, left);
    return st;
}

/* --- Memory. */

/* Three arrays of vectors, and the copy that a QR works on. */
static double subspace_bytes(double n, double r)
{
    return (4 * r * n + 2 * r * r + 66 * r) * sizeof(double);
}

/* Of a matrix of n rows: by subspace or, with what dsyevr asks for, by LAPACK. */
double pca_eigen_bytes(double n, double count)
{
    const double whole = (n * count + 32 * n) * sizeof(double);
    return n > SMALL && count <= FEW ? fmax(whole, subspace_bytes(n, (double)vectors_for((size_t)n, (size_t)count, 0)))
                                     : whole;
}

double cpu_pca_bytes(const ne_context *context, double n, double d, int is_float, double count)
{
    const double threads = context_threads(context);
    double       most;
    if (d <= DENSE && d <= n) {
        most = d * d * sizeof(double) + fmax(pca_covariance_bytes(d, is_float, threads), pca_eigen_bytes(d, count));
    } else if (n <= DENSE) {
        most = fmax(fmax(pca_gram_bytes(n, d, is_float, threads), pca_eigen_bytes(n, count)),
                    pca_combine_bytes(d, count, threads));
        most += (n * n + count * n) * sizeof(double);
    } else {
        const double size = is_float ? sizeof(float) : sizeof(double);
        const double r    = (double)vectors_for((size_t)d, (size_t)count, 1);
        most =
            subspace_bytes(d, r) - r * d * sizeof(double) + pca_apply_bytes(d, is_float, r, threads); /* no QR then */
        most = fmax(most, subspace_bytes(d, r)) + (double)sample_rows((size_t)n, (size_t)(d * size)) * d * size;
    }
    return fmax(most, pca_means_bytes(n, d, threads));
}
