/* cpu/kernel.c: see kernel.h. A power is exp(-a log u) with the polynomials of elementary.h: 0.8 ns with AVX,
 * against 15 of powf. */
#include "cpu/kernel.h"

#include "cpu/elementary.h"

#include <float.h>
#include <math.h>

NE_CLONES static void kernel_values_cauchy(size_t count, const float *restrict s, float *restrict q,
                                           float *restrict force)
{
    for (size_t i = 0; i < count; i += LANES) {
        const lanes value = 1.0f / (1.0f + lanes_load(s + i));
        lanes_store(q + i, value);
        lanes_store(force + i, value * value);
    }
}

NE_CLONES static void kernel_values_student(float nu, size_t count, const float *restrict s, float *restrict q,
                                            float *restrict force)
{
    const float scale = 1.0f / nu, power = 0.5f * (nu + 1.0f);
    for (size_t i = 0; i < count; i += LANES) {
        const lanes u = 1.0f + scale * lanes_load(s + i), value = elementary_exp(-power * elementary_log(u));
        lanes_store(q + i, value);
        lanes_store(force + i, value * (power * scale / u));
    }
}

NE_CLONES static void kernel_values_gaussian(float sigma, size_t count, const float *restrict s, float *restrict q,
                                             float *restrict force)
{
    const float slope = 1.0f / sigma;
    for (size_t i = 0; i < count; i += LANES) {
        const lanes value = elementary_exp(-slope * lanes_load(s + i));
        lanes_store(q + i, value);
        lanes_store(force + i, value * slope);
    }
}

NE_CLONES static void kernel_values_largevis(size_t count, const float *restrict s, float *restrict q,
                                             float *restrict force)
{
    for (size_t i = 0; i < count; i += LANES) {
        const lanes value = 1.0f / (2.0f + lanes_load(s + i));
        lanes_store(q + i, value);
        lanes_store(force + i, value * value);
    }
}

void kernel_values(const output_kernel *kernel, size_t count, const float *restrict s, float *restrict q,
                   float *restrict force)
{
    const float shape = (float)kernel->shape;
    if (kernel->kind == KERNEL_STUDENT && kernel->shape == 1) {
        kernel_values_cauchy(count, s, q, force);
    } else if (kernel->kind == KERNEL_STUDENT) {
        kernel_values_student(shape, count, s, q, force);
    } else if (kernel->kind == KERNEL_GAUSSIAN) {
        kernel_values_gaussian(shape, count, s, q, force);
    } else if (kernel->kind == KERNEL_LARGEVIS) {
        kernel_values_largevis(count, s, q, force);
    } else {
        kernel->ops->kernel(kernel->params, count, s, q, force);
        for (size_t i = 0; i < count; i++) force[i] *= q[i];
    }
}

NE_CLONES static void kernel_slopes_student(float nu, size_t count, const float *restrict s, float *restrict slope)
{
    const float power = 0.5f * (nu + 1.0f);
    for (size_t i = 0; i < count; i += LANES) lanes_store(slope + i, power / (nu + lanes_load(s + i)));
}

/* log(1 + x) as log u + (x - (u - 1)) / u, where u is 1 + x rounded: the second term is what rounding took away. */
NE_CLONES static void kernel_energy_student(float nu, size_t count, const float *restrict s, float *restrict energy)
{
    const float scale = 1.0f / nu, power = 0.5f * (nu + 1.0f);
    for (size_t i = 0; i < count; i += LANES) {
        const lanes x = scale * lanes_load(s + i), u = 1.0f + x;
        lanes_store(energy + i, power * (elementary_log(u) + (x - (u - 1.0f)) / u));
    }
}

NE_CLONES static void kernel_slopes_largevis(size_t count, const float *restrict s, float *restrict slope)
{
    for (size_t i = 0; i < count; i += LANES) lanes_store(slope + i, 1.0f / (2.0f + lanes_load(s + i)));
}

NE_CLONES static void kernel_energy_largevis(size_t count, const float *restrict s, float *restrict energy)
{
    for (size_t i = 0; i < count; i += LANES) lanes_store(energy + i, elementary_log(2.0f + lanes_load(s + i)));
}

NE_CLONES static void kernel_energy_custom(size_t count, const float *restrict q, float *restrict energy)
{
    for (size_t i = 0; i < count; i += LANES) lanes_store(energy + i, -elementary_log(lanes_load(q + i)));
}

void kernel_slopes(const output_kernel *kernel, size_t count, const float *restrict s, float *restrict slope,
                   float *restrict energy)
{
    const float shape = (float)kernel->shape;
    if (kernel->kind == KERNEL_STUDENT) {
        kernel_slopes_student(shape, count, s, slope);
        if (energy) kernel_energy_student(shape, count, s, energy);
    } else if (kernel->kind == KERNEL_GAUSSIAN) {
        for (size_t i = 0; i < count; i++) slope[i] = 1.0f / shape;
        if (energy)
            for (size_t i = 0; i < count; i++) energy[i] = s[i] / shape;
    } else if (kernel->kind == KERNEL_LARGEVIS) {
        kernel_slopes_largevis(count, s, slope);
        if (energy) kernel_energy_largevis(count, s, energy);
    } else {
        float q[KERNEL_TILE];
        kernel->ops->kernel(kernel->params, count, s, q, slope);
        if (energy) {
            for (size_t i = 0; i < count; i++) q[i] = q[i] > FLT_MIN ? q[i] : FLT_MIN; /* log 0 would end the fit */
            for (size_t i = count; i % LANES; i++) q[i] = 1;
            kernel_energy_custom(count, q, energy);
        }
    }
}

double kernel_log_f64(const output_kernel *kernel, double s, double *slope)
{
    const double shape = kernel->shape;
    double       log_q, w;
    if (kernel->kind == KERNEL_STUDENT) {
        log_q = -0.5 * (shape + 1) * log1p(s / shape);
        w     = 0.5 * (shape + 1) / (shape + s);
    } else if (kernel->kind == KERNEL_GAUSSIAN) {
        log_q = -s / shape;
        w     = 1 / shape;
    } else if (kernel->kind == KERNEL_LARGEVIS) {
        log_q = -log(2 + s);
        w     = 1 / (2 + s);
    } else {
        const float given = (float)s;
        float       q, given_slope;
        kernel->ops->kernel(kernel->params, 1, &given, &q, &given_slope);
        log_q = log((double)q);
        w     = (double)given_slope;
    }
    if (slope) *slope = w;
    return log_q;
}
