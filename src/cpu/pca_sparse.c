/* cpu/pca_sparse.c: see pca_sparse.h. With X the rows, m their mean and 1 a column of ones,
 * S = (X - 1 m^T)^T (X - 1 m^T).
 *
 *   min(n, d) <= DENSE   S = X^T X - n m m^T, d x d, or the smaller (X - 1 m^T) (X - 1 m^T)^T, whose eigenvectors u
 *                        give components (X - 1 m^T)^T u / |.|, solved as cpu/pca.c solves them
 *   else                 S Q as X^T (X Q - 1 m^T Q) - m 1^T (...), for a few vectors Q, by subspace iteration
 *                        (Halko, Martinsson & Tropp 2011, section 4.5) with Chebyshev's polynomials in S for its powers
 *                        (Zhou, Saad, Tiago & Chelikowsky 2006), as gaps are small in text
 *
 * All in double. X is kept by rows and by columns, so that each product gathers, and a thread owns what it writes. Cost
 * of a product: 2 r multiply-adds an entry. */
#include "cpu/pca_sparse.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/random.h"
#include "base/sparse.h"
#include "cpu/pca.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    DENSE  = 2000, /* rows of a matrix that is worth making */
    ROUNDS = 100,
    DEGREE = 10,  /* products of a round, at most */
    BLOCK  = 1024 /* rows of a partial sum; another value: other last bits */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- Products. Row i of `to` (r wide) is sum_j x_ij from_j - shift. */

/* The usual widths are known to the compiler, which then keeps the sums in registers. */
#define ROW(WIDTH)                                                                                                     \
    {                                                                                                                  \
        double sum[WIDTH];                                                                                             \
        memcpy(sum, to, sizeof sum);                                                                                   \
        for (size_t e = 0; e < entries; e++) {                                                                         \
            const double *row = from + (size_t)col[e] * WIDTH, v = (double)val[e];                                     \
            for (size_t l = 0; l < WIDTH; l++) sum[l] += v * row[l];                                                   \
        }                                                                                                              \
        memcpy(to, sum, sizeof sum);                                                                                   \
    }
#define ROW_OF_ANY_WIDTH                                                                                               \
    if (r == 12) ROW(12)                                                                                               \
    else if (r == 16) ROW(16)                                                                                          \
    else                                                                                                               \
        for (size_t e = 0; e < entries; e++) {                                                                         \
            const double *row = from + (size_t)col[e] * r, v = (double)val[e];                                         \
            for (size_t l = 0; l < r; l++) to[l] += v * row[l];                                                        \
        }

NE_CLONES static void pca_sparse_row_f32(const int32_t *restrict col, const float *restrict val, size_t entries,
                                         const double *restrict from, size_t r, double *restrict to){ROW_OF_ANY_WIDTH}

NE_CLONES static void pca_sparse_row_f64(const int32_t *restrict col, const double *restrict val, size_t entries,
                                         const double *restrict from, size_t r, double *restrict to)
{
    ROW_OF_ANY_WIDTH
}

static void multiply(const ne_context *context, const ne_csr *x, size_t r, const double *from, const double *shift,
                     double *to)
{
#pragma omp parallel for schedule(dynamic, 256) num_threads(context_threads(context))
    for (size_t i = 0; i < x->rows; i++) {
        const int64_t e     = x->start[i];
        const size_t  count = (size_t)(x->start[i + 1] - e);
        for (size_t l = 0; l < r; l++) to[i * r + l] = -shift[l];
        if (x->dtype == NE_F32) pca_sparse_row_f32(x->col + e, (const float *)x->val + e, count, from, r, to + i * r);
        else pca_sparse_row_f64(x->col + e, (const double *)x->val + e, count, from, r, to + i * r);
    }
}

/* weighted: sum_i w_i row_i of an n x r array, w NULL for ones; per block, added in block order. part: blocks x r. */
static void sum_rows(const ne_context *context, size_t n, size_t r, const double *row, const double *w, double *part,
                     double *sum)
{
    const size_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t b = 0; b < blocks; b++) {
        memset(part + b * r, 0, r * sizeof *part);
        for (size_t i = b * BLOCK; i < smaller((b + 1) * BLOCK, n); i++)
            for (size_t l = 0; l < r; l++) part[b * r + l] += (w ? w[i] : 1) * row[i * r + l];
    }
    memset(sum, 0, r * sizeof *sum);
    for (size_t b = 0; b < blocks; b++)
        for (size_t l = 0; l < r; l++) sum[l] += part[b * r + l];
}

/* --- The data by rows and by columns, its mean, and room for products. */

typedef struct operator
{
    const ne_csr *x;
    sparse        columns; /* what across shows */
    ne_csr        across;
    const double *mean;
    size_t        r;
    double       *middle; /* n x r */
    double       *part;   /* blocks x r, of the longer side */
    double       *shift;  /* r, and two more of r */
}
operator;

static ne_status operator_create(ne_context *context, const ne_csr *x, const double *mean, size_t r, operator* s)
{
    const ne_allocator *mem  = &context->memory;
    const size_t        most = x->rows > x->cols ? x->rows : x->cols;
    ne_status           st;
    *s        = (operator){.x = x, .mean = mean, .r = r};
    s->middle = memory_new(mem, x->rows, r * sizeof *s->middle);
    s->part   = memory_new(mem, most / BLOCK + 1, r * sizeof *s->part);
    s->shift  = memory_zero(mem, 3 * r, sizeof *s->shift);
    st        = sparse_transpose(context, x, &s->columns);
    s->across = sparse_view(&s->columns);
    return s->middle && s->part && s->shift ? st : NE_OUT_OF_MEMORY;
}

static void operator_clear(const ne_allocator *mem, operator* s)
{
    sparse_clear(mem, &s->columns);
    memory_free(mem, s->middle);
    memory_free(mem, s->part);
    memory_free(mem, s->shift);
}

/* to = (X - 1 m^T)^T y, y n x r. Where the columns of y sum to 0, as those of (X - 1 m^T) q do, all that m takes off is
 * rounding. */
static void apply_across(const ne_context *context, const operator* s, const double *y, double *to)
{
    const size_t d = s->x->cols, r = s->r;
    double      *sum = s->shift + r, *zero = s->shift + 2 * r;
    sum_rows(context, s->x->rows, r, y, NULL, s->part, sum);
    multiply(context, &s->across, r, y, zero, to);
    for (size_t j = 0; j < d; j++)
        for (size_t l = 0; l < r; l++) to[j * r + l] -= s->mean[j] * sum[l];
}

/* to = S q, both d x r. */
static void apply(const ne_context *context, const operator* s, const double *q, double *to)
{
    sum_rows(context, s->x->cols, s->r, q, s->mean, s->part, s->shift);
    multiply(context, s->x, s->r, q, s->shift, s->middle);
    apply_across(context, s, s->middle, to);
}

static ne_status means(ne_context *context, const ne_csr *x, double *mean)
{
    sparse       columns;
    ne_status    st     = sparse_transpose(context, x, &columns);
    const ne_csr across = sparse_view(&columns);
    for (size_t j = 0; st == NE_OK && j < x->cols; j++) {
        double sum = 0;
        for (int64_t e = across.start[j]; e < across.start[j + 1]; e++) sum += sparse_value(&across, e);
        mean[j] = sum / (double)x->rows;
    }
    if (st == NE_OK) sparse_clear(&context->memory, &columns);
    return st;
}

/* --- Subspace iteration: vectors are columns here, d x r, as a product with sparse rows wants them. */

/* to (n x r) = from (n x r) turn^T, turn r x r. */
static void turn_columns(size_t n, size_t r, const double *from, const double *turn, double *to)
{
    blas_dgemm_nt(n, r, r, 1, from, r, turn, r, 0, to, r);
}

/* small (r x r) = a^T b. */
static void products_of_columns(size_t n, size_t r, const double *a, const double *b, double *small)
{
    memset(small, 0, r * r * sizeof *small);
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < r; k++)
            for (size_t l = 0; l < r; l++) small[k * r + l] += a[j * r + k] * b[j * r + l];
}

/* How many products a round is worth: the filter may set the first vector apart from the last by 10^6, no more, so that
 * no vector is lost beside it. 1: a plain power of S. */
static int filter_degree(double most, double bound)
{
    const double growth = bound > 1e-12 * most ? acosh(fmax(2 * most / bound - 1, 1)) : INFINITY;
    return (int)fmax(1, fmin(DEGREE, acosh(1e6) / fmax(growth, 1e-3)));
}

/* *v (d x r) becomes T_m(2 S / bound - 1) *v, m = degree: Chebyshev's polynomial is at most 1 between 0 and the bound,
 * and grows as fast as any can beyond it. image is S *v, and spoilt. q: as large. */
static void filter(const ne_context *context, const operator* s, int degree, double bound, double **v, double **q,
                   double *image)
{
    const size_t values = s->x->cols * s->r;
    double      *before = *v, *now = *q;
    for (size_t l = 0; l < values; l++) now[l] = degree > 1 ? 2 / bound * image[l] - before[l] : image[l];
    for (int m = 2; m <= degree; m++) {
        double *next = before;
        apply(context, s, now, image);
        for (size_t l = 0; l < values; l++) next[l] = 2 * (2 / bound * image[l] - now[l]) - before[l];
        before = now;
        now    = next;
    }
    *v = now;
    *q = before;
}

static ne_status subspace(ne_context *context, const operator* s, size_t count, uint64_t seed, double *values,
                          double *vectors, int *converged)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = s->x->cols, r = s->r;
    ne_status           st = NE_OK;
    double             *q = memory_new(mem, d, r * sizeof *q), *image = memory_new(mem, d, r * sizeof *image);
    double             *v = memory_new(mem, d, r * sizeof *v), *turned = memory_new(mem, d, r * sizeof *turned);
    double *turning = memory_new(mem, r, r * sizeof *turning), *small = memory_new(mem, r, r * sizeof *small);
    double *ritz = memory_new(mem, r, sizeof *ritz), *line = memory_new(mem, d, sizeof *line);

    *converged = 0;
    if (!q || !image || !v || !turned || !turning || !small || !ritz || !line) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t j = 0; j < d; j++)
        for (size_t l = 0; l < r; l++) {
            const random_block draw = random_draw(seed, STREAM_PCA, 0, j, (uint32_t)l);
            v[j * r + l]            = random_unit(draw.word[0]) - 0.5;
        }
    for (int round = 0; round < ROUNDS; round++) {
        if ((st = blas_orthonormalise(context, d, r, v)) != NE_OK) goto done;
        apply(context, s, v, image);
        /* Rayleigh-Ritz: the best vectors of the span, and their images. */
        products_of_columns(d, r, v, image, small);
        if ((st = blas_eigen_top(context, r, small, r, ritz, turning)) != NE_OK) goto done;
        turn_columns(d, r, v, turning, q);
        turn_columns(d, r, image, turning, turned);
        *converged = 1;
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < d; j++) {
                vectors[i * d + j] = q[j * r + i];
                line[j]            = turned[j * r + i];
            }
            values[i] = ritz[i];
            if (*converged) *converged = pca_angle_bound(d, r, i, ritz, vectors + i * d, line) < 1e-6;
        }
        if (*converged) break;
        filter(context, s, filter_degree(ritz[0], ritz[r - 1]), ritz[r - 1], &q, &v, turned);
        double *next = q;
        q            = v;
        v            = next;
    }
done:
    memory_free(mem, q);
    memory_free(mem, image);
    memory_free(mem, v);
    memory_free(mem, turned);
    memory_free(mem, turning);
    memory_free(mem, small);
    memory_free(mem, ritz);
    memory_free(mem, line);
    return st;
}

/* --- The square matrices. */

/* square (n x n) = X X^T of the rows of x, each laid out in turn; lines: a row of x->cols zeros per thread. */
static void products_of_rows(const ne_context *context, const ne_csr *x, double *lines, double *square)
{
    const size_t n = x->rows;
#pragma omp parallel for schedule(dynamic, 16) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        double *line = lines + (size_t)omp_get_thread_num() * x->cols;
        for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) line[x->col[e]] = sparse_value(x, e);
        for (size_t j = 0; j < n; j++) square[i * n + j] = sparse_dot(x, j, line);
        for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) line[x->col[e]] = 0;
    }
}

/* By columns, each of which adds the rows that have it: sum of squares of the entries of rows, not n d^2. */
static void covariance(const ne_context *context, const ne_csr *x, const ne_csr *across, const double *mean,
                       double *square)
{
    const size_t d = x->cols;
#pragma omp parallel for schedule(dynamic, 8) num_threads(context_threads(context))
    for (size_t a = 0; a < d; a++) {
        double *row = square + a * d;
        for (size_t b = 0; b < d; b++) row[b] = -(mean[a] * mean[b]) * (double)x->rows;
        for (int64_t e = across->start[a]; e < across->start[a + 1]; e++) {
            const size_t i = (size_t)across->col[e];
            const double v = sparse_value(across, e);
            for (int64_t f = x->start[i]; f < x->start[i + 1]; f++) row[x->col[f]] += v * sparse_value(x, f);
        }
    }
}

static ne_status solve_covariance(ne_context *context, const pca_job *job)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        d       = job->sparse->cols;
    double             *square  = memory_new(mem, d, d * sizeof *square);
    sparse              columns = {0};
    ne_status           st      = square ? sparse_transpose(context, job->sparse, &columns) : NE_OUT_OF_MEMORY;
    if (st == NE_OK) {
        const ne_csr across = sparse_view(&columns);
        covariance(context, job->sparse, &across, job->mean, square);
        st = pca_eigen_top(context, d, square, job->count, job->seed, job->variance, job->components);
    }
    sparse_clear(mem, &columns);
    memory_free(mem, square);
    return st;
}

static ne_status solve_gram(ne_context *context, const pca_job *job)
{
    const ne_allocator *mem = &context->memory;
    const ne_csr       *x   = job->sparse;
    const size_t        n = x->rows, d = x->cols, count = job->count, threads = (size_t)context_threads(context);
    ne_status           st = NE_OUT_OF_MEMORY;
    double *square = memory_new(mem, n, n * sizeof *square), *left = memory_new(mem, count, n * sizeof *left);
    double *lines = memory_zero(mem, threads, d * sizeof *lines), *off = memory_new(mem, n, sizeof *off);
    double *y = memory_new(mem, n, count * sizeof *y), *right = memory_new(mem, d, count * sizeof *right);
            operator s = {0};
    double  middle     = 0;

    if (!square || !left || !lines || !off || !y || !right) goto done;
    if ((st = operator_create(context, x, job->mean, count, &s)) != NE_OK) goto done;
    products_of_rows(context, x, lines, square);
    for (size_t j = 0; j < d; j++) middle += job->mean[j] * job->mean[j];
    for (size_t i = 0; i < n; i++) off[i] = sparse_dot(x, i, job->mean);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) square[i * n + j] += middle - off[i] - off[j];
    if ((st = pca_eigen_top(context, n, square, count, job->seed, job->variance, left)) != NE_OK) goto done;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < count; k++) y[i * count + k] = left[k * n + i];
    apply_across(context, &s, y, right);
    for (size_t k = 0; k < count; k++) { /* where the eigenvalue is rounding, so is the vector */
        const double value = job->variance[k], scale = value > 1e-12 * job->variance[0] ? 1 / sqrt(value) : 0;
        for (size_t j = 0; j < d; j++) job->components[k * d + j] = right[j * count + k] * scale;
    }
done:
    operator_clear(mem, &s);
    memory_free(mem, square);
    memory_free(mem, left);
    memory_free(mem, lines);
    memory_free(mem, off);
    memory_free(mem, y);
    memory_free(mem, right);
    return st;
}

static size_t vectors_for(size_t n, size_t d, size_t count)
{
    return smaller((count + 13 + count / 4) / 4 * 4, smaller(n, d));
}

ne_status cpu_pca_sparse(ne_context *context, const pca_job *job)
{
    const ne_csr *x = job->sparse;
    const size_t  n = x->rows, d = x->cols, count = job->count;
    ne_status     st;
    int           converged  = 1;
                  operator s = {0};

    if (count < 1 || count > smaller(n, d))
        return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the smaller of rows and columns", count,
                       smaller(n, d));
    blas_enter();
    if ((st = means(context, x, job->mean)) != NE_OK) goto done;
    if (d <= DENSE && d <= n) {
        st = solve_covariance(context, job);
    } else if (n <= DENSE) {
        st = solve_gram(context, job);
    } else {
        st = operator_create(context, x, job->mean, vectors_for(n, d, count), &s);
        if (st == NE_OK) st = subspace(context, &s, count, job->seed, job->variance, job->components, &converged);
        if (!converged) context_log(context, NE_LOG_INFO, "pca: the last components are close to others in variance");
    }
    if (st == NE_OK) pca_finish(n, d, count, job->components, job->variance);
done:
    blas_leave();
    operator_clear(&context->memory, &s);
    return st;
}

double cpu_pca_sparse_bytes(const ne_context *context, double n, double d, double entries, int32_t dtype, double count)
{
    const double columns = sparse_bytes(d, entries, dtype), longer = fmax(n, d), threads = context_threads(context);
    double       most = 0;
    if (d <= DENSE && d <= n) {
        most = d * d * sizeof(double) + pca_eigen_bytes(d, count);
    } else if (n <= DENSE) {
        most = (n * n + n * (3 * count + 1) + d * (threads + count) + longer / BLOCK * count) * sizeof(double) +
               pca_eigen_bytes(n, count);
    } else {
        const double r = (double)vectors_for((size_t)n, (size_t)d, (size_t)count);
        most = (n * r + longer / BLOCK * r + d * (5 * r + 1) + 2 * r * r + 70 * r) * sizeof(double); /* one of a QR */
    }
    return columns + most;
}
