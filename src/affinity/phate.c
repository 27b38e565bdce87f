/* affinity/phate.c: minus the potential distances of PHATE (Moon et al. 2019).
 *
 *     A_ij = exp(-(C_ij / sigma_i)^alpha), sigma_i the k-th smallest of the row, itself the first;  A <- (A + A^T) / 2
 *     M = diag(1 / s) A, s = A 1;   U = -log max(M^t, 1e-12);   P_ij = -|U_i - U_j|
 *
 * B = diag(s^-1/2) A diag(s^-1/2) is symmetric and M^t = diag(s^-1/2) B^t diag(s^1/2): its powers commute, so every product
 * is symmetric too and half of it is enough. No entry is negative, so nothing cancels and float keeps each entry to a
 * relative 1e-6. The distances are products of the rows of U less its mean row, n^3 operations; memory is n^2 floats beside
 * the result, in which A and powers of it stand before. */
#include "affinity/builtin.h"
#include "affinity/diffusion.h"
#include "affinity/row.h"
#include "affinity/vector_log.h"
#include "base/clones.h"
#include "cpu/elementary.h"
#include "cpu/vector_exp.h"

#include <math.h>
#include <omp.h>
#include <string.h>

typedef struct phate_params {
    double  alpha;
    int64_t k, t;
} phate_params;

#define AT(field) offsetof(phate_params, field)
static const ne_option phate_options[] = {
    {.name   = "k",
     .type   = NE_OPT_INT,
     .offset = AT(k),
     .preset = "5",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "the neighbor whose distance is a point's scale, the point itself being the first"},
    {.name   = "t",
     .type   = NE_OPT_INT,
     .offset = AT(t),
     .preset = "5",
     .min    = 0,
     .max    = 1e6,
     .unit   = "steps",
     .help   = "length of the random walk"},
    {.name   = "alpha",
     .type   = NE_OPT_REAL,
     .offset = AT(alpha),
     .preset = "10",
     .min    = 0,
     .max    = 1e3,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "how sharply the kernel falls beyond a point's scale"},
};

enum {
    ROWS = 128 /* rows whose sum is one thread's */
};
#define FLOOR 1e-12f

/* --- The kernel, in the place of the distances. Few pairs count: where both exponentials are below what B keeps, A is 0. */

typedef struct kernel_job {
    const phate_params *params;
    double             *sigma, *sum;
    float              *cut;    /* the distance beyond which a row's own exponential does not count */
    double             *listed; /* 3 n a thread: of the pairs that count, the distance, the other's sigma, and A */
    int32_t            *index;  /* n a thread */
    size_t              n, stride;
    float              *to;
} kernel_job;

static ne_status scale_row(void *user, size_t row, const float *c)
{
    const kernel_job *job = user;
    const row_view    r   = {job->n, c, job->n};
    const ne_status   st  = row_scale(&r, row, (size_t)job->params->k, &job->sigma[row]);
    /* s >= 1, so B is not above A; a little farther, so that rounding leaves out none */
    const double most = 1.0001 * pow(-log((double)DIFFUSION_LEAST), 1 / job->params->alpha);
    job->cut[row]     = st == NE_OK ? (float)fmin(most * job->sigma[row], 3e38) : 0;
    return st;
}

/* exp(-(c / sigma)^alpha). A power of 0 is 0 since the logarithm of 0 is taken as -709. */
NE_INLINE double decay(double c, double sigma, double alpha)
{
    const double power = alpha * vector_log(c / (sigma > 1e-300 ? sigma : 1e-300));
    return vector_exp(-vector_exp_finite(power));
}

NE_CLONES static void phate_kernel(size_t count, const double *restrict c, double own, const double *restrict sigma,
                                   double alpha, double *restrict to)
{
#pragma omp simd
    for (size_t e = 0; e < count; e++) to[e] = 0.5 * (decay(c[e], own, alpha) + decay(c[e], sigma[e], alpha));
}

/* c may be the row of A. */
static ne_status kernel_row(void *user, size_t row, const float *c)
{
    const kernel_job *job = user;
    const size_t      n = job->n, me = (size_t)omp_get_thread_num();
    double           *listed = job->listed + me * 3 * n, *sigma = listed + n, *a = listed + 2 * n, sum = 0;
    int32_t          *index = job->index + me * n;
    float            *to = job->to + row * job->stride, own = job->cut[row];
    size_t            count = 0;
    for (size_t j = 0; j < n; j++) {
        index[count] = (int32_t)j;
        count += (c[j] <= own) | (c[j] <= job->cut[j]);
    }
    for (size_t e = 0; e < count; e++) {
        listed[e] = (double)c[index[e]];
        sigma[e]  = job->sigma[index[e]];
    }
    phate_kernel(count, listed, job->sigma[row], sigma, job->params->alpha, a);
    memset(to, 0, n * sizeof *to);
    for (size_t e = 0; e < count; e++) {
        to[index[e]] = (float)a[e];
        sum += (double)to[index[e]];
    }
    job->sum[row] = sum;
    return NE_OK;
}

NE_CLONES static void phate_scale(size_t n, double own, const double *restrict other, float *restrict a)
{
    for (size_t j = 0; j < n; j++) a[j] = (float)((double)a[j] * (own * other[j]));
}

/* B in the place of A; sum becomes its root. */
static void normalise(ne_context *context, const kernel_job *job, double *inverse)
{
    for (size_t i = 0; i < job->n; i++) {
        job->sum[i] = sqrt(job->sum[i]);
        inverse[i]  = 1 / job->sum[i];
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < job->n; i++) phate_scale(job->n, inverse[i], inverse, job->to + i * job->stride);
}

/* --- The potential, its distances. */

/* to_j = -log max(own root_j from_j, floor); to may be from. In eights through a buffer where fewer are left. */
NE_CLONES static void phate_logarithms(size_t n, float own, const float *root, const float *from, float *to)
{
    const lanes least = lanes_all(FLOOR);
    for (size_t j = 0; j < n; j += LANES) {
        const size_t part     = n - j < LANES ? n - j : LANES;
        float        m[LANES] = {0}, r[LANES] = {0};
        memcpy(m, from + j, part * sizeof *m);
        memcpy(r, root + j, part * sizeof *r);
        const lanes     value = own * lanes_load(m) * lanes_load(r);
        const lanes_int above = value > least;
        lanes_store(m, 0 - elementary_log((lanes)(((lanes_int)value & above) | ((lanes_int)least & ~above))));
        memcpy(to + j, m, part * sizeof *m);
    }
}

NE_CLONES static void phate_add(size_t n, const float *restrict u, double *restrict sum)
{
    for (size_t j = 0; j < n; j++) sum[j] += (double)u[j];
}

NE_CLONES static double phate_centre(size_t n, const double *restrict mean, float *restrict u)
{
    double square[LANES] = {0}, sum = 0;
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) {
            u[j + l] = (float)((double)u[j + l] - mean[j + l]);
            square[l] += (double)u[j + l] * (double)u[j + l];
        }
    for (; j < n; j++) {
        u[j] = (float)((double)u[j] - mean[j]);
        sum += (double)u[j] * (double)u[j];
    }
    for (size_t l = 0; l < LANES; l++) sum += square[l];
    return sum;
}

typedef struct potential {
    size_t n;
    float *u, *square; /* n x n less the mean row, and their sums of squares */
} potential;

/* U of the power, which may be in the same place. parts: a row of n for each ROWS rows. */
static void take_potential(ne_context *context, const kernel_job *job, const double *inverse, square_matrix power,
                           float *root, double *parts, const potential *to)
{
    const size_t  n      = job->n;
    const int64_t blocks = (int64_t)(n / ROWS + (n % ROWS != 0));
    for (size_t i = 0; i < n; i++) root[i] = (float)job->sum[i];
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (int64_t b = 0; b < blocks; b++) {
        double *part = parts + (size_t)b * n;
        memset(part, 0, n * sizeof *part);
        for (size_t i = (size_t)b * ROWS; i < n && i < (size_t)(b + 1) * ROWS; i++) {
            phate_logarithms(n, (float)inverse[i], root, power.at + i * power.stride, to->u + i * n);
            phate_add(n, to->u + i * n, part);
        }
    }
    for (size_t j = 0; j < n; j++) {
        for (int64_t b = 1; b < blocks; b++) parts[j] += parts[(size_t)b * n + j];
        parts[j] /= (double)n;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) to->square[i] = (float)phate_centre(n, parts, to->u + i * n);
}

/* Minus the root of own + square_j + c_j. Where that is below 1/64 of own + square_j, too much has cancelled; returns how
 * often. The square itself stays in `squares`. */
NE_CLONES static int phate_root(size_t count, float own, const float *restrict square, float *restrict c,
                                float *restrict squares)
{
    int near = 0;
    for (size_t j = 0; j < count; j++) {
        const float whole = own + square[j], s = whole + c[j];
        near += s < whole * 0.015625f;
        squares[j] = s;
        c[j]       = 0 - sqrtf(s > 0 ? s : 0);
    }
    return near;
}

static void finish_tile(void *user, size_t i0, size_t i1, size_t j0, size_t j1, square_matrix c)
{
    const potential     *p      = user;
    const ne_metric_ops *square = metric_builtin(METRIC_SQEUCLIDEAN);
    float                squares[DIFFUSION_TILE];
    for (size_t i = i0; i < i1; i++) {
        float    *row  = c.at + i * c.stride;
        const int near = phate_root(j1 - j0, p->square[i], p->square + j0, row + j0, squares);
        for (size_t j = i0 == j0 ? i + 1 : j0; near && j < j1; j++)
            if (squares[j - j0] < (p->square[i] + p->square[j]) * 0.015625f)
                row[j] = 0 - sqrtf((float)square->distance_f32(p->u + i * p->n, p->u + j * p->n, p->n, NULL));
        if (i0 == j0) row[i] = 0;
    }
}

static ne_status phate_matrix(const void *params, const ne_pairs *pairs, size_t stride, float *values)
{
    ne_context         *context = ne_pairs_context(pairs);
    const ne_allocator *mem     = &context->memory;
    const phate_params *p       = params;
    const size_t        n = ne_pairs_rows(pairs), threads = (size_t)context_threads(context);
    double             *reals  = memory_new(mem, n, 3 * sizeof *reals);
    float              *floats = memory_new(mem, n, 3 * sizeof *floats);
    double             *listed = memory_new(mem, n, threads * 3 * sizeof *listed);
    int32_t            *index  = memory_new(mem, n, threads * sizeof *index);
    float              *other  = memory_new(mem, n, n * sizeof *other);
    double             *parts  = NULL, *inverse;
    square_matrix       power = {values, stride}, spare = {other, n}, to = power, u = spare;
    kernel_job          job;
    ne_status           st = reals && floats && listed && index && other ? NE_OK : NE_OUT_OF_MEMORY;

    if (st != NE_OK) goto done;
    inverse = reals + 2 * n;
    job     = (kernel_job){p, reals, reals + n, floats, listed, index, n, stride, values};
    if ((st = ne_pairs_visit(pairs, scale_row, &job)) != NE_OK) goto done;
    if ((st = ne_pairs_visit(pairs, kernel_row, &job)) != NE_OK) goto done;
    normalise(context, &job, inverse);
    for (size_t i = 0; p->t == 0 && i < n; i++)
        for (size_t j = 0; j < n; j++) power.at[i * stride + j] = i == j ? 1 : 0;
    if ((st = diffusion_power(pairs, p->t, &power, &spare)) != NE_OK) goto done;
    parts = memory_new(mem, n / ROWS + 1, n * sizeof *parts);
    if (!parts) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    potential rows = {n, other, floats + 2 * n};
    take_potential(context, &job, inverse, power, floats + n, parts, &rows);
    st = diffusion_product(pairs, -2, u, u, to, finish_tile, &rows, 1, 1);
done:
    memory_free(mem, reals);
    memory_free(mem, floats);
    memory_free(mem, listed);
    memory_free(mem, index);
    memory_free(mem, other);
    memory_free(mem, parts);
    return st;
}

const ne_affinity_ops affinity_phate = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "phate",
    .help         = "minus the potential distance between random walks from each point, the input of PHATE",
    .options      = phate_options,
    .option_count = sizeof phate_options / sizeof *phate_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(phate_params),
    .combine      = NE_COMBINE_NONE,
    .matrix       = phate_matrix,
    .metric       = "euclidean",
};

const affinity_builtin builtin_phate = {.ops = &affinity_phate, .bytes = diffusion_bytes};
