/* tests/layout.h: embeddings to test kernels on, and what the kernels should give for them, by double loops that are
 * written from the formulas and from nothing in src/. */
#ifndef NE_TESTS_LAYOUT_H
#define NE_TESTS_LAYOUT_H

#include "backend/backend.h"
#include "data.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

typedef enum layout_kind {
    LAYOUT_SQUARE   = 0, /* uniform in a square or cube */
    LAYOUT_NORMAL   = 1,
    LAYOUT_CLUSTERS = 2, /* of sizes from 0.003 to 0.1 of the extent */
    LAYOUT_REPEATED = 3, /* each point is there five times */
    LAYOUT_OUTLIER  = 4, /* one point is 100 times as far as all others */
    LAYOUT_KINDS    = 5
} layout_kind;

static inline float *layout_make(layout_kind kind, size_t n, size_t c, double extent)
{
    float   *z     = malloc(n * c * sizeof *z);
    uint64_t state = 17 + (uint64_t)kind;
    ck_assert_ptr_nonnull(z);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) {
            double x = data_unit(&state) - 0.5;
            if (kind == LAYOUT_NORMAL) x = 0.25 * data_normal(&state);
            if (kind == LAYOUT_CLUSTERS) {
                uint64_t center = 1 + (i % 12) * 7919 + k * 104729;
                data_unit(&center);
                x = data_unit(&center) - 0.5 + 0.003 * pow(30, (double)(i % 12) / 11) * data_normal(&state);
            }
            if (kind == LAYOUT_REPEATED && i % 5) z[i * c + k] = z[(i - i % 5) * c + k];
            else z[i * c + k] = (float)(extent * x);
        }
    if (kind == LAYOUT_OUTLIER && n) z[(n / 2) * c] = (float)(100 * extent);
    return z;
}

/* q = 1 / (1 + s)^2, in float as a hook has to be. */
static inline void layout_custom_kernel(const void *params, size_t count, const float *s, float *q, float *slope)
{
    (void)params;
    for (size_t i = 0; i < count; i++) {
        q[i]     = 1 / ((1 + s[i]) * (1 + s[i]));
        slope[i] = 2 / (1 + s[i]);
    }
}

static const ne_affinity_ops layout_custom_ops = {
    .struct_size = sizeof(ne_affinity_ops), .name = "test", .help = "of tests", .kernel = layout_custom_kernel};

enum {
    LAYOUT_KERNELS = 6
};
static const output_kernel layout_kernel[LAYOUT_KERNELS] = {
    {.kind = KERNEL_STUDENT, .shape = 1},  {.kind = KERNEL_STUDENT, .shape = 0.5},
    {.kind = KERNEL_STUDENT, .shape = 2},  {.kind = KERNEL_STUDENT, .shape = 10},
    {.kind = KERNEL_GAUSSIAN, .shape = 3}, {.kind = KERNEL_CUSTOM, .ops = &layout_custom_ops}};

/* log q and the slope w = -d log q / ds. */
static inline double layout_log_q(const output_kernel *kernel, double s, double *w)
{
    double log_q = -2 * log1p(s);
    *w           = 2 / (1 + s);
    if (kernel->kind == KERNEL_STUDENT) {
        log_q = -(kernel->shape + 1) / 2 * log1p(s / kernel->shape);
        *w    = (kernel->shape + 1) / (2 * kernel->shape) / (1 + s / kernel->shape);
    } else if (kernel->kind == KERNEL_GAUSSIAN) {
        log_q = -s / kernel->shape;
        *w    = 1 / kernel->shape;
    }
    return log_q;
}

static inline double layout_square(const float *z, size_t c, size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < c; k++)
        s += ((double)z[i * c + k] - (double)z[j * c + k]) * ((double)z[i * c + k] - (double)z[j * c + k]);
    return s;
}

/* f (n x c) and the normaliser of repulsion_job, over all rows. */
static inline double layout_repulsion(const output_kernel *kernel, size_t n, size_t c, const float *z, double *f)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < c; k++) f[i * c + k] = 0;
        for (size_t j = 0; j < n; j++) {
            double       w;
            const double q = exp(layout_log_q(kernel, layout_square(z, c, i, j), &w));
            if (j == i) continue;
            sum += q;
            for (size_t k = 0; k < c; k++) f[i * c + k] += q * w * ((double)z[i * c + k] - (double)z[j * c + k]);
        }
    }
    return sum;
}

/* |got - want| / |want|, L2 over count numbers; below 1e-30, where floats end, the absolute size counts. NaN where got
 * has one. */
static inline double layout_difference(size_t count, const float *got, const double *want)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(difference) / fmax(sqrt(size), 1e-30);
}

/* A symmetric affinity of n points that sums to 1: rows of very different lengths, from none to nearly all. */
typedef struct layout_affinity {
    ne_csr   csr;
    int64_t *start;
    int32_t *col;
    float   *val;
} layout_affinity;

static inline layout_affinity layout_affinity_make(size_t n)
{
    layout_affinity p     = {.start = calloc(n + 1, sizeof *p.start)};
    uint64_t        state = 5;
    double         *dense = calloc(n * n, sizeof *dense), total = 0;
    size_t          entries = 0;
    ck_assert(p.start && dense);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            /* Row 0 has an edge to two of three points; point 1 has none but that; others have more the larger they
             * are. */
            const double chance = j == 0 ? 0.67 : j == 1 ? 0 : 0.25 * (double)i / (double)n;
            const double value  = data_unit(&state) < chance ? 0.05 + data_unit(&state) : 0;
            dense[i * n + j] = dense[j * n + i] = value;
            total += 2 * value;
            entries += value > 0 ? 2 : 0;
        }
    p.col = malloc((entries + 1) * sizeof *p.col);
    p.val = malloc((entries + 1) * sizeof *p.val);
    ck_assert(p.col && p.val);
    entries = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            if (dense[i * n + j] > 0) {
                p.col[entries]   = (int32_t)j;
                p.val[entries++] = (float)(dense[i * n + j] / total);
            }
        p.start[i + 1] = (int64_t)entries;
    }
    free(dense);
    p.csr = (ne_csr){sizeof p.csr, n, n, p.start, p.col, p.val, NE_F32, NE_HOST};
    return p;
}

static inline void layout_affinity_free(layout_affinity *p)
{
    free(p->start);
    free(p->col);
    free(p->val);
}

/* f (n x c) and the loss of attraction_job, over all rows. */
static inline double layout_attraction(const output_kernel *kernel, size_t n, size_t c, const layout_affinity *p,
                                       const float *z, double *f)
{
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < c; k++) f[i * c + k] = 0;
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++) {
            const size_t j = (size_t)p->col[e];
            double       w;
            loss -= (double)p->val[e] * layout_log_q(kernel, layout_square(z, c, i, j), &w);
            for (size_t k = 0; k < c; k++)
                f[i * c + k] += (double)p->val[e] * w * ((double)z[i * c + k] - (double)z[j * c + k]);
        }
    }
    return loss;
}

static inline ne_context *layout_context(int64_t threads)
{
    ne_context *context = NULL;
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
    return context;
}

#endif
