/* affinity/phate.c: minus the potential distances of PHATE (Moon et al. 2019).
 *
 *     A_ij = exp(-(C_ij / sigma_i)^alpha), sigma_i the k-th smallest of the row, itself the first;  A <- (A + A^T) / 2
 *     M = diag(1 / s) A, s = A 1;   U = -log max(M^t, 1e-12);   P_ij = -|U_i - U_j|
 *
 * B = diag(s^-1/2) A diag(s^-1/2) is symmetric and M^t = diag(s^-1/2) B^t diag(s^1/2): its powers commute, so every product
 * is symmetric too and half of its tiles are enough. No entry is negative, so nothing cancels and float keeps each entry to
 * a relative 1e-6. With a large alpha the kernel falls so fast that few entries of B count: then t - 1 products with a list
 * of those take a fraction of the time n^3 of each of the about 1.5 log2 t dense ones. The distances take n^3 as well;
 * memory is 4 n^2 floats. */
#include "affinity/input.h"
#include "affinity/pair_list.h"
#include "affinity/pairs.h"
#include "affinity/row.h"
#include "affinity/vector_log.h"
#include "base/clones.h"
#include "base/blas.h"
#include "base/view.h"
#include "cpu/lanes.h"
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
    BLOCK = 256, /* rows and columns of a tile of a dense product */
    PANEL = 64,  /* columns of a product with a list, which fill the registers */
    SLOW  = 4    /* times that a term of such a product takes of a dense one's */
};
/* Entries of B below it change what is above the floor of the logarithm by less than float does. */
#define LEAST 1e-20f
#define FLOOR 1e-12

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
    return row_scale(&r, row, (size_t)job->params->k, &job->sigma[row]);
}

/* exp(-(c / sigma)^alpha). A power of 0 is 0 since the logarithm of 0 is taken as -709. */
NE_INLINE double decay(double c, double sigma, double alpha)
{
    const double power = alpha * vector_log(c / (sigma > 1e-300 ? sigma : 1e-300));
    return vector_exp(-vector_exp_finite(power));
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

/* Where the powers are: products done, of all. */
typedef struct power_job {
    const ne_pairs *pairs;
    ne_context     *context;
    size_t          n;
    int64_t         done, all;
    pair_list       list;  /* of B, where the products run over it */
    float          *panel; /* n x PANEL a thread */
} power_job;

static ne_status poll(const power_job *job)
{
    return ne_pairs_progress(job->pairs, job->done, job->all) ? ne_fail(NE_CANCELLED, "cancelled in the affinity")
                                                              : NE_OK;
}

/* c = a b, all symmetric: the tiles on and above the diagonal, and their mirror images. */
static ne_status multiply(power_job *job, const float *a, const float *b, float *c)
{
    const size_t n = job->n, blocks = n / BLOCK + (n % BLOCK != 0);
    ne_status    st = NE_OK;
    blas_enter();
    for (size_t p = 0; p < blocks && st == NE_OK; p++) {
        const size_t i0 = p * BLOCK, i1 = i0 + BLOCK < n ? i0 + BLOCK : n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(job->context))
        for (size_t q = p; q < blocks; q++) {
            const size_t j0 = q * BLOCK, j1 = j0 + BLOCK < n ? j0 + BLOCK : n;
            blas_sgemm_nt(i1 - i0, j1 - j0, n, 1, a + i0 * n, n, b + j0 * n, n, 0, c + i0 * n + j0, n);
            for (size_t i = i0; i < i1; i++)
                for (size_t j = p == q ? i + 1 : j0; j < j1; j++) c[j * n + i] = c[i * n + j];
        }
        st = poll(job);
    }
    blas_leave();
    job->done++;
    return st;
}

/* The sum of the listed rows of a panel, each by its weight. */
NE_CLONES static void phate_gather_row(size_t count, const int32_t *restrict col, const float *restrict w,
                                       const float *restrict panel, float *restrict to)
{
    const lanes none = lanes_all(0);
    lanes       a = none, b = none, c = none, d = none, s = none, t = none, u = none, v = none;
    for (size_t e = 0; e < count; e++) {
        const float *row    = panel + (size_t)col[e] * PANEL;
        const lanes  weight = lanes_all(w[e]);
        a += weight * lanes_load(row);
        b += weight * lanes_load(row + LANES);
        c += weight * lanes_load(row + 2 * LANES);
        d += weight * lanes_load(row + 3 * LANES);
        s += weight * lanes_load(row + 4 * LANES);
        t += weight * lanes_load(row + 5 * LANES);
        u += weight * lanes_load(row + 6 * LANES);
        v += weight * lanes_load(row + 7 * LANES);
    }
    lanes_store(to, a);
    lanes_store(to + LANES, b);
    lanes_store(to + 2 * LANES, c);
    lanes_store(to + 3 * LANES, d);
    lanes_store(to + 4 * LANES, s);
    lanes_store(to + 5 * LANES, t);
    lanes_store(to + 6 * LANES, u);
    lanes_store(to + 7 * LANES, v);
}

/* Columns [j0, j0 + PANEL) of c = B x on and above the diagonal, and their mirror images. */
static void multiply_panel(const power_job *job, size_t j0, const float *x, float *c)
{
    const size_t n = job->n, width = n - j0 < PANEL ? n - j0 : PANEL, end = j0 + width;
    float       *panel = job->panel + (size_t)omp_get_thread_num() * n * PANEL, tile[PANEL * PANEL];
    for (size_t i = 0; i < n; i++) {
        memset(panel + i * PANEL, 0, PANEL * sizeof *panel);
        for (size_t j = 0; j < width; j++) /* what does not count would make products that are no normal numbers */
            panel[i * PANEL + j] = x[i * n + j0 + j] > LEAST ? x[i * n + j0 + j] : 0;
    }
    for (size_t i0 = 0; i0 < end; i0 += PANEL) {
        const size_t i1 = i0 + PANEL < end ? i0 + PANEL : end;
        for (size_t i = i0; i < i1; i++) {
            const int64_t from = job->list.start[i];
            phate_gather_row((size_t)(job->list.start[i + 1] - from), job->list.col + from, job->list.w + from, panel,
                             tile + (i - i0) * PANEL);
        }
        for (size_t i = i0; i < i1; i++)
            for (size_t j = i0 == j0 ? i - i0 : 0; j < width; j++) c[i * n + j0 + j] = tile[(i - i0) * PANEL + j];
        for (size_t j = 0; j < width; j++)
            for (size_t i = i0; i < i1 && i < j0 + j; i++) c[(j0 + j) * n + i] = tile[(i - i0) * PANEL + j];
    }
}

static ne_status multiply_list(power_job *job, const float *x, float *c)
{
    const int64_t panels = (int64_t)(job->n / PANEL + (job->n % PANEL != 0));
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(job->context))
    for (int64_t p = panels - 1; p >= 0; p--) multiply_panel(job, (size_t)p * PANEL, x, c); /* the longest first */
    job->done++;
    return poll(job);
}

static void swap(float **a, float **b)
{
    float *const keep = *a;
    *a                = *b;
    *b                = keep;
}

/* The list of B's entries that count, if the products run over it. The choice depends on the data alone. */
static ne_status make_list(power_job *job, int64_t t, const float *b)
{
    const ne_allocator *mem   = &job->context->memory;
    const size_t        n     = job->n;
    double             *count = memory_new(mem, n, sizeof *count), entries = 0;
    ne_status           st = NE_OK;

    if (!count) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++) {
        count[i] = 0;
        for (size_t j = 0; j < n; j++) count[i] += b[i * n + j] > LEAST;
        entries += count[i];
    }
    if ((double)(t - 1) * SLOW * entries <= (double)job->all * (double)n * (double)n) {
        job->panel = memory_new(mem, n, (size_t)context_threads(job->context) * PANEL * sizeof *job->panel);
        st         = job->panel ? pair_list_new(mem, n, count, n * n, 1, &job->list) : NE_OUT_OF_MEMORY;
        for (size_t i = 0, e = 0; st == NE_OK && i < n; i++)
            for (size_t j = 0; j < n; j++)
                if (b[i * n + j] > LEAST) {
                    job->list.col[e] = (int32_t)j;
                    job->list.w[e++] = b[i * n + j];
                }
        job->all = t - 1;
    }
    memory_free(mem, count);
    return st;
}

/* *b to the power t >= 1 one by one, over the list; the result ends in *result. */
static ne_status power_by_list(power_job *job, int64_t t, float **b, float **spare, float **result)
{
    ne_status st = NE_OK;
    swap(b, result);
    for (int64_t s = 1; s < t && st == NE_OK; s++) {
        st = multiply_list(job, *result, *spare);
        swap(result, spare);
    }
    return st;
}

/* The same by squaring; all three are n x n. */
static ne_status power_by_squares(power_job *job, int64_t t, float **b, float **spare, float **result)
{
    int       empty = 1;
    ne_status st    = NE_OK;
    for (int64_t bits = t; bits > 0 && st == NE_OK; bits >>= 1) {
        if (bits & 1) {
            if (empty) {
                memcpy(*result, *b, job->n * job->n * sizeof **b);
                empty = 0;
            } else {
                st = multiply(job, *result, *b, *spare);
                swap(result, spare);
            }
        }
        if (bits > 1 && st == NE_OK) {
            st = multiply(job, *b, *b, *spare);
            swap(b, spare);
        }
    }
    return st;
}

static ne_status power(const ne_pairs *pairs, int64_t t, float **b, float **spare, float **result)
{
    power_job job = {.pairs = pairs, .context = ne_pairs_context(pairs), .n = ne_pairs_rows(pairs)};
    ne_status st  = NE_OK;

    for (int64_t bits = t; bits > 1; bits >>= 1) job.all += 1 + (bits & 1);
    if (t > 1) st = make_list(&job, t, *b);
    if (st == NE_OK)
        st = job.list.col ? power_by_list(&job, t, b, spare, result) : power_by_squares(&job, t, b, spare, result);
    memory_free(&job.context->memory, job.panel);
    pair_list_clear(&job.context->memory, &job.list);
    return st;
}

NE_CLONES static void phate_logarithms(size_t n, double own, const double *restrict root, float *restrict u)
{
#pragma omp simd
    for (size_t j = 0; j < n; j++) {
        const double m = (double)u[j] * root[j] * own;
        u[j]           = (float)-vector_log(m > FLOOR ? m : FLOOR);
    }
}

/* U in the place of B^t; sum becomes its root. */
static void take_logarithms(ne_context *context, const kernel_job *job, int64_t t, float *u)
{
    const size_t n = job->n;
    for (size_t i = 0; i < n; i++) job->sum[i] = sqrt(job->sum[i]);
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; t == 0 && j < n; j++) u[i * n + j] = i == j ? 1 : 0;
        phate_logarithms(n, 1 / job->sum[i], job->sum, u + i * n);
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
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) a[i * n + j] = (float)((double)a[i * n + j] / sqrt(job.sum[i] * job.sum[j]));
        st = power(pairs, p->t, &a, &b, &c);
    }
    if (st == NE_OK) {
        take_logarithms(context, &job, p->t, c);
        memory_free(mem, a);
        memory_free(mem, b);
        a = b = NULL;
        u     = view_of_f32(c, n, n);
        st    = pairs_open(context, &euclidean, 0, &u, pairs->progress, values, stride, &last);
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
