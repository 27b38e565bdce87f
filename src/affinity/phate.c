/* affinity/phate.c: minus the potential distances of PHATE (Moon et al. 2019).
 *
 *     A_ij = exp(-(C_ij / sigma_i)^alpha), sigma_i the k-th smallest of the row, itself the first;  A <- (A + A^T) / 2
 *     M = diag(1 / s) A, s = A 1;   U = -log max(M^t, 1e-12);   P_ij = -|U_i - U_j|
 *
 * B = diag(s^-1/2) A diag(s^-1/2) is symmetric and M^t = diag(s^-1/2) B^t diag(s^1/2): its powers commute, so every product
 * is symmetric too and half of its tiles are enough. No entry is negative, so nothing cancels and float keeps each entry to
 * a relative 1e-6. Time n^3 for each of about 1.5 log2 t products and for the distances; memory 4 n^2 floats. */
#include "affinity/input.h"
#include "affinity/pairs.h"
#include "affinity/row.h"
#include "affinity/vector_log.h"
#include "base/clones.h"
#include "base/blas.h"
#include "base/view.h"
#include "cpu/vector_exp.h"

#include <math.h>
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
    BLOCK = 256
};

/* --- The kernel, in the place of the distances. */

typedef struct kernel_job {
    const phate_params *params;
    double             *sigma, *sum;
    size_t              n;
    float              *to;
} kernel_job;

static ne_status scale_row(void *user, size_t row, const float *c)
{
    const kernel_job *job = user;
    const row_view    r   = {job->n, c, job->n};
    job->sigma[row]       = (double)row_kth_smallest(&r, (size_t)job->params->k);
    return NE_OK;
}

/* exp(-(c / sigma)^alpha). A power of 0 is 0 since the logarithm of 0 is taken as -709. */
NE_INLINE double decay(double c, double sigma, double alpha)
{
    const double power = alpha * vector_log(c / (sigma > 1e-300 ? sigma : 1e-300));
    return vector_exp(-vector_exp(power < 700 ? power : 700));
}

NE_CLONES static void phate_kernel_row(size_t n, const float *restrict c, double own, const double *restrict sigma,
                                       double alpha, float *restrict to)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++)
        to[j] = (float)(0.5 * (decay((double)c[j], own, alpha) + decay((double)c[j], sigma[j], alpha)));
}

static ne_status kernel_row_of(void *user, size_t row, const float *c)
{
    const kernel_job *job = user;
    float            *to  = job->to + row * job->n;
    double            sum = 0;
    phate_kernel_row(job->n, c, job->sigma[row], job->sigma, job->params->alpha, to);
    for (size_t j = 0; j < job->n; j++) sum += (double)to[j];
    job->sum[row] = sum;
    return NE_OK;
}

/* --- Powers of a symmetric matrix, packed. */

/* c = a b, all symmetric: the tiles on and above the diagonal, and their mirror images. */
static void multiply(ne_context *context, size_t n, const float *a, const float *b, float *c)
{
    const size_t blocks = n / BLOCK + (n % BLOCK != 0);
    blas_enter();
#pragma omp parallel for schedule(dynamic, 1) collapse(2) num_threads(context_threads(context))
    for (size_t p = 0; p < blocks; p++)
        for (size_t q = 0; q < blocks; q++) {
            const size_t i0 = p * BLOCK, i1 = i0 + BLOCK < n ? i0 + BLOCK : n;
            const size_t j0 = q * BLOCK, j1 = j0 + BLOCK < n ? j0 + BLOCK : n;
            if (p > q) continue;
            blas_sgemm_nt(i1 - i0, j1 - j0, n, 1, a + i0 * n, n, b + j0 * n, n, 0, c + i0 * n + j0, n);
            for (size_t i = i0; i < i1; i++)
                for (size_t j = p == q ? i + 1 : j0; j < j1; j++) c[j * n + i] = c[i * n + j];
        }
    blas_leave();
}

static void swap(float **a, float **b)
{
    float *const keep = *a;
    *a                = *b;
    *b                = keep;
}

/* *b to the power t, by squaring; *spare and *result are n x n too, and the result ends in *result. */
static ne_status power(const ne_pairs *pairs, int64_t t, float **b, float **spare, float **result)
{
    ne_context  *context = ne_pairs_context(pairs);
    const size_t n       = ne_pairs_rows(pairs);
    int          empty   = 1;
    for (int64_t bits = t; bits > 0; bits >>= 1) {
        if (bits & 1) {
            if (empty) {
                memcpy(*result, *b, n * n * sizeof **b);
                empty = 0;
            } else {
                multiply(context, n, *result, *b, *spare);
                swap(result, spare);
            }
        }
        if (bits > 1) {
            multiply(context, n, *b, *b, *spare);
            swap(b, spare);
        }
        if (ne_pairs_progress(pairs, 0, 1)) return ne_fail(NE_CANCELLED, "cancelled in the affinity");
    }
    return NE_OK;
}

/* U in the place of B^t. */
static void take_logarithms(const kernel_job *job, int64_t t, float *u)
{
    const size_t n = job->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double m = t == 0 ? (i == j ? 1 : 0) : (double)u[i * n + j] * sqrt(job->sum[j] / job->sum[i]);
            u[i * n + j]   = (float)-log(fmax(m, 1e-12));
        }
}

static ne_status phate_matrix(const void *params, const ne_pairs *pairs, size_t stride, float *values)
{
    static const knn_params euclidean = {.metric = "euclidean"};
    ne_context             *context   = ne_pairs_context(pairs);
    const ne_allocator     *mem       = &context->memory;
    const phate_params     *p         = params;
    const size_t            n         = ne_pairs_rows(pairs);
    double                 *reals     = memory_new(mem, n, 2 * sizeof *reals);
    float                  *a = memory_new(mem, n, n * sizeof *a), *b = memory_new(mem, n, n * sizeof *b);
    float                  *c    = memory_new(mem, n, n * sizeof *c);
    kernel_job              job  = {p, reals, reals ? reals + n : NULL, n, a};
    ne_pairs               *last = NULL;
    ne_dense                u;
    ne_status               st = reals && a && b && c ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK) st = ne_pairs_visit(pairs, scale_row, &job);
    if (st == NE_OK) st = ne_pairs_visit(pairs, kernel_row_of, &job);
    if (st == NE_OK) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) a[i * n + j] = (float)((double)a[i * n + j] / sqrt(job.sum[i] * job.sum[j]));
        st = power(pairs, p->t, &a, &b, &c);
    }
    if (st == NE_OK) {
        take_logarithms(&job, p->t, c);
        memory_free(mem, a);
        memory_free(mem, b);
        a = b = NULL;
        u     = view_of_f32(c, n, n);
        st    = pairs_open(context, &euclidean, 0, &u, NULL, values, stride, &last);
    }
    for (size_t i = 0; st == NE_OK && i < n; i++)
        for (size_t j = 0; j < n; j++) values[i * stride + j] = 0 - values[i * stride + j];
    pairs_close(last);
    memory_free(mem, reals);
    memory_free(mem, a);
    memory_free(mem, b);
    memory_free(mem, c);
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
