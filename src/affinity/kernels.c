/* affinity/kernels.c: the plain kernels student and gaussian, as output affinities and as input affinities of all pairs.
 *
 *     student   q(s) = (1 + s / nu)^(-(nu + 1) / 2)     nu = 1: t-SNE (van der Maaten & Hinton 2008)
 *     gaussian  q(s) = exp(-s / sigma)                  no factor 2, no square on sigma, as TorchDR has it
 *     largevis  q(s) = 1 / (2 + s)                      u / (1 + u) of u = 1 / (1 + s) */
#include "affinity/builtin.h"
#include "affinity/log_kernel.h"

#include <math.h>

typedef struct shape_params {
    double shape;
} shape_params; /* the first member is what output_kernel_of() reads */

static const ne_option student_options[] = {
    {.name   = "degrees_of_freedom",
     .type   = NE_OPT_REAL,
     .offset = offsetof(shape_params, shape),
     .preset = "1",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "degrees of freedom nu of the Student kernel; below 1 splits clusters further"},
};

static const ne_option gaussian_options[] = {
    {.name   = "sigma",
     .type   = NE_OPT_REAL,
     .offset = offsetof(shape_params, shape),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "width of the kernel exp(-d / sigma)"},
};

static size_t all_neighbors(const void *params, size_t n)
{
    (void)params;
    return n - 1;
}

static void student_kernel(const void *params, size_t count, const float *s, float *q, float *slope)
{
    const double nu = ((const shape_params *)params)->shape;
    for (size_t i = 0; i < count; i++) {
        const double u = 1 / (1 + (double)s[i] / nu);
        q[i]           = (float)pow(u, (nu + 1) / 2);
        slope[i]       = (float)((nu + 1) / (2 * nu) * u);
    }
}

static void gaussian_kernel(const void *params, size_t count, const float *s, float *q, float *slope)
{
    const double sigma = ((const shape_params *)params)->shape;
    for (size_t i = 0; i < count; i++) {
        q[i]     = (float)exp(-(double)s[i] / sigma);
        slope[i] = (float)(1 / sigma);
    }
}

static void largevis_kernel(const void *params, size_t count, const float *s, float *q, float *slope)
{
    (void)params;
    for (size_t i = 0; i < count; i++) q[i] = slope[i] = 1 / (2 + s[i]);
}

static ne_status student_weights(const void *params, size_t n, size_t count, const float *distances, float *values,
                                 double *bandwidth)
{
    const double nu = ((const shape_params *)params)->shape;
    (void)n;
    *bandwidth = nu;
    for (size_t j = 0; j < count; j++)
        if (!(1 + (double)distances[j] / nu > 0))
            return ne_fail(NE_INVALID_ARGUMENT, "metric: the kernel has no value at a distance of %g",
                           (double)distances[j]);
    for (size_t j = 0; j < count; j++) values[j] = (float)pow(1 + (double)distances[j] / nu, -(nu + 1) / 2);
    return NE_OK;
}

static ne_status gaussian_weights(const void *params, size_t n, size_t count, const float *distances, float *values,
                                  double *bandwidth)
{
    const double sigma = ((const shape_params *)params)->shape;
    (void)n;
    *bandwidth = sigma;
    for (size_t j = 0; j < count; j++) values[j] = (float)exp(-(double)distances[j] / sigma);
    return NE_OK;
}

static ne_status student_rows(const void *params, size_t n, size_t self, int32_t across, const float *distances,
                              const double *dual, float *values)
{
    const double     nu     = ((const shape_params *)params)->shape;
    const log_kernel kernel = {.kind = LOG_STUDENT, .scale = (nu + 1) / 2, .shape = 1 / nu};
    const kernel_row r      = {n, self, distances};
    (void)across;
    (void)dual;
    if (!kernel_is_defined(&kernel, &r))
        return ne_fail(NE_INVALID_ARGUMENT, "metric: row %zu has negative distances, for which the kernel has no value",
                       self);
    log_kernel_values(&kernel, &r, 1, 0, NULL, values);
    return NE_OK;
}

static ne_status gaussian_rows(const void *params, size_t n, size_t self, int32_t across, const float *distances,
                               const double *dual, float *values)
{
    const log_kernel kernel = {.kind = LOG_GAUSSIAN, .scale = 1 / ((const shape_params *)params)->shape};
    const kernel_row r      = {n, self, distances};
    (void)across;
    (void)dual;
    log_kernel_values(&kernel, &r, 1, 0, NULL, values);
    return NE_OK;
}

const ne_affinity_ops affinity_student = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "student",
    .help         = "Student kernel of all pairs (1 + d / nu)^(-(nu + 1) / 2), the output affinity of t-SNE",
    .options      = student_options,
    .option_count = 1,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(shape_params),
    .neighbors    = all_neighbors,
    .weights      = student_weights,
    .kernel       = student_kernel,
    .rows         = student_rows,
};

const ne_affinity_ops affinity_gaussian = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "gaussian",
    .help         = "Gaussian kernel of all pairs exp(-d / sigma), the output affinity of SNE",
    .options      = gaussian_options,
    .option_count = 1,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(shape_params),
    .neighbors    = all_neighbors,
    .weights      = gaussian_weights,
    .kernel       = gaussian_kernel,
    .rows         = gaussian_rows,
};

const ne_affinity_ops affinity_largevis = {
    .struct_size = sizeof(ne_affinity_ops),
    .name        = "largevis",
    .help        = "kernel 1 / (2 + s), the output affinity of LargeVis as TorchDR has it",
    .kernel      = largevis_kernel,
};

const affinity_builtin builtin_student  = {.ops = &affinity_student, .symmetric = 1};
const affinity_builtin builtin_gaussian = {.ops = &affinity_gaussian, .symmetric = 1};
