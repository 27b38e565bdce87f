/* affinity/pair_kernels.c: kernels of a pair of rows that are no functions of their distance alone.
 *
 *     hyperbolic      q = gamma / (h^2 + gamma^2),  h the distance in the Poincare ball (Guo, Guo & Yu 2022)
 *                     cosh h = u = 1 + 2 s / ((1 - |a|^2) (1 - |b|^2)),  s = |a - b|^2
 *                     d h^2 / da = (2 h / sqrt(u^2 - 1)) (4 / ((1 - |a|^2) (1 - |b|^2))) (a - b + s a / (1 - |a|^2))
 *     scalar_product  q = a.b;  as an input affinity minus the distance, which is a.b under its metric angular */
#include "affinity/builtin.h"

#include <math.h>

typedef struct hyperbolic_params {
    double gamma;
} hyperbolic_params;

static const ne_option hyperbolic_options[] = {
    {.name   = "gamma",
     .type   = NE_OPT_REAL,
     .offset = offsetof(hyperbolic_params, gamma),
     .preset = "2",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "scale of the Cauchy kernel gamma / (h^2 + gamma^2) of hyperbolic distances h"},
};

#define RIM 1e-12 /* 1 - |a|^2 from below: rows are to be inside the ball */

/* arccosh(1 + w), and its ratio to sqrt((1 + w)^2 - 1), whose limit at 0 is 1. */
static double arccosh_above(double w, double *ratio)
{
    const double root = sqrt(w * (w + 2)), h = log1p(w + root);
    *ratio = w > 1e-5 ? h / root : 1 - w / 3;
    return h;
}

static void hyperbolic_kernel(const void *params, size_t c, size_t count, const float *zi, const float *zj, float *q,
                              float *gradient)
{
    const double gamma = ((const hyperbolic_params *)params)->gamma;
    for (size_t p = 0; p < count; p++) {
        const float *a = zi + p * c, *b = zj + p * c;
        double       aa = 0, bb = 0, s = 0, ratio;
        for (size_t k = 0; k < c; k++) {
            const double d = (double)a[k] - (double)b[k];
            aa += (double)a[k] * (double)a[k];
            bb += (double)b[k] * (double)b[k];
            s += d * d;
        }
        const double in_a = fmax(1 - aa, RIM), in_b = fmax(1 - bb, RIM);
        const double h = arccosh_above(2 * s / (in_a * in_b), &ratio), below = h * h + gamma * gamma;
        q[p] = (float)(gamma / below);
        for (size_t k = 0; gradient && k < c; k++)
            gradient[p * c + k] = (float)(2 * ratio * 4 / (in_a * in_b) / below *
                                          ((double)a[k] - (double)b[k] + s / in_a * (double)a[k]));
    }
}

const ne_affinity_ops affinity_hyperbolic = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "hyperbolic",
    .help         = "Cauchy kernel of the distance in the Poincare ball, the output affinity of CO-SNE",
    .options      = hyperbolic_options,
    .option_count = 1,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(hyperbolic_params),
    .pair_kernel  = hyperbolic_kernel,
};

/* --- Scalar product. */

typedef struct scalar_params {
    int64_t zero_diag;
} scalar_params;

static const ne_option scalar_options[] = {
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(scalar_params, zero_diag),
     .preset = "false",
     .help   = "no affinity of a point to itself"},
};

/* The gradient of -log q has no value where q is not positive; it is then what the formula gives. */
static void scalar_kernel(const void *params, size_t c, size_t count, const float *zi, const float *zj, float *q,
                          float *gradient)
{
    (void)params;
    for (size_t p = 0; p < count; p++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += (double)zi[p * c + k] * (double)zj[p * c + k];
        q[p] = (float)sum;
        for (size_t k = 0; gradient && k < c; k++) gradient[p * c + k] = (float)(-(double)zj[p * c + k] / sum);
    }
}

static int product_kernel(const void *params, const double *dual, float_kernel *kernel)
{
    (void)dual;
    *kernel =
        (float_kernel){.kind = FLOAT_MINUS, .zero_diag = ((const scalar_params *)params)->zero_diag != 0, .factor = 1};
    return 1;
}

static ne_status scalar_rows(const void *params, size_t n, size_t self, int32_t across, const float *distances,
                             const double *dual, float *values)
{
    float_kernel kernel;
    (void)across;
    product_kernel(params, dual, &kernel);
    float_kernel_row(&kernel, n, self, distances, values);
    return NE_OK;
}

const ne_affinity_ops affinity_scalar_product = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "scalar_product",
    .help         = "inner products of all pairs of rows",
    .options      = scalar_options,
    .option_count = 1,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(scalar_params),
    .combine      = NE_COMBINE_NONE,
    .pair_kernel  = scalar_kernel,
    .rows         = scalar_rows,
    .metric       = "angular",
};

const affinity_builtin builtin_scalar_product = {.ops = &affinity_scalar_product, .kernel = product_kernel};
