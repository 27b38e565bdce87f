/* affinity/float_kernel.c: see float_kernel.h. */
#include "affinity/float_kernel.h"

#include "base/clones.h"
#include "cpu/elementary.h"

#include <math.h>
#include <string.h>

/* Precisions whose products with each other, and with a distance, are no NaN. */
#define MOST_LOCAL 1e18
#define MOST_MEAN  1e38

/* exp(-x), finite for any x. */
NE_INLINE lanes float_exp_minus(lanes x)
{
    const lanes_int above = x > -88.0f;
    return elementary_exp((lanes)(((lanes_int)-x & above) | ((lanes_int)lanes_all(88.0f) & ~above)));
}

NE_INLINE lanes float_kernel_of(float_kernel_kind kind, float scale, float own, lanes a, lanes c)
{
    if (kind == FLOAT_GAUSSIAN) return float_exp_minus(c * scale);
    if (kind == FLOAT_RECIPROCAL) return 1.0f / (1.0f + c * scale);
    if (kind == FLOAT_LOCAL) return float_exp_minus(c * (own * a));
    if (kind == FLOAT_MEAN) return float_exp_minus(c * own) + float_exp_minus(c * a);
    return 0.0f - c;
}

/* The rest of a row, padded: c with distances that no kernel turns into a NaN. */
NE_INLINE lanes float_kernel_rest(const float *from, size_t count)
{
    float part[LANES] = {0};
    memcpy(part, from, count * sizeof *part);
    return lanes_load(part);
}

#define FLOAT_KERNEL(name, kind)                                                                                       \
    NE_CLONES static void name##_values(size_t count, float scale, float own, float factor, const float *a,            \
                                        const float *c, float *values)                                                 \
    {                                                                                                                  \
        const size_t whole = count / LANES * LANES;                                                                    \
        for (size_t j = 0; j < whole; j += LANES)                                                                      \
            lanes_store(values + j, factor * float_kernel_of(kind, scale, own, lanes_load(a + j), lanes_load(c + j))); \
        if (whole < count) {                                                                                           \
            float part[LANES];                                                                                         \
            lanes_store(part, factor *float_kernel_of(kind, scale, own, float_kernel_rest(a + whole, count - whole),   \
                                                      float_kernel_rest(c + whole, count - whole)));                   \
            memcpy(values + whole, part, (count - whole) * sizeof *part);                                              \
        }                                                                                                              \
    }                                                                                                                  \
    NE_CLONES static float name##_sum(size_t count, float scale, float own, const float *a, const float *c)            \
    {                                                                                                                  \
        const size_t whole = count / LANES * LANES;                                                                    \
        lanes        s     = lanes_all(0);                                                                             \
        float        sum   = 0;                                                                                        \
        for (size_t j = 0; j < whole; j += LANES)                                                                      \
            s += float_kernel_of(kind, scale, own, lanes_load(a + j), lanes_load(c + j));                              \
        if (whole < count) {                                                                                           \
            const lanes k = float_kernel_of(kind, scale, own, float_kernel_rest(a + whole, count - whole),             \
                                            float_kernel_rest(c + whole, count - whole));                              \
            for (size_t j = 0; j < count - whole; j++) sum += k[j];                                                    \
        }                                                                                                              \
        return sum + (((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));                              \
    }

FLOAT_KERNEL(float_gaussian, FLOAT_GAUSSIAN)
FLOAT_KERNEL(float_reciprocal, FLOAT_RECIPROCAL)
FLOAT_KERNEL(float_local, FLOAT_LOCAL)
FLOAT_KERNEL(float_mean, FLOAT_MEAN)
FLOAT_KERNEL(float_minus, FLOAT_MINUS)

void float_kernel_precisions(const float_kernel *kernel, size_t col0, size_t count, float *a)
{
    const double most = kernel->kind == FLOAT_LOCAL ? MOST_LOCAL : MOST_MEAN;
    for (size_t j = 0; j < count; j++) {
        const double w = kernel->width ? kernel->width[(col0 + j) * kernel->width_step] : INFINITY;
        a[j]           = (float)(w * most > 1 ? 1 / w : most);
    }
}

float float_kernel_factor(const float_kernel *kernel, size_t row)
{
    return kernel->log_sum ? (float)exp(-kernel->log_sum[row * kernel->width_step]) : kernel->factor;
}

void float_kernel_values(const float_kernel *kernel, size_t count, float own, float factor, const float *a,
                         const float *c, float *values)
{
    switch (kernel->kind) {
    case FLOAT_GAUSSIAN:
        float_gaussian_values(count, kernel->scale, own, factor, a, c, values);
        break;
    case FLOAT_RECIPROCAL:
        float_reciprocal_values(count, kernel->scale, own, factor, a, c, values);
        break;
    case FLOAT_LOCAL:
        float_local_values(count, kernel->scale, own, factor, a, c, values);
        break;
    case FLOAT_MEAN:
        float_mean_values(count, kernel->scale, own, factor, a, c, values);
        break;
    default:
        float_minus_values(count, kernel->scale, own, factor, a, c, values);
        break;
    }
}

void float_kernel_row(const float_kernel *kernel, size_t count, size_t self, const float *c, float *values)
{
    float own;
    float_kernel_precisions(kernel, self, 1, &own);
    if (kernel->width) float_kernel_precisions(kernel, 0, count, values);
    float_kernel_values(kernel, count, own, float_kernel_factor(kernel, self), kernel->width ? values : c, c, values);
    if (kernel->zero_diag) values[self] = 0;
}

/* In sections, so that the eight sums in float stay short. */
double float_kernel_sum(const float_kernel *kernel, size_t count, float own, const float *a, const float *c)
{
    enum {
        SECTION = 512
    };
    double sum = 0;
    for (size_t j = 0; j < count; j += SECTION) {
        const size_t part = count - j < SECTION ? count - j : SECTION;
        switch (kernel->kind) {
        case FLOAT_GAUSSIAN:
            sum += (double)float_gaussian_sum(part, kernel->scale, own, a + j, c + j);
            break;
        case FLOAT_RECIPROCAL:
            sum += (double)float_reciprocal_sum(part, kernel->scale, own, a + j, c + j);
            break;
        case FLOAT_LOCAL:
            sum += (double)float_local_sum(part, kernel->scale, own, a + j, c + j);
            break;
        case FLOAT_MEAN:
            sum += (double)float_mean_sum(part, kernel->scale, own, a + j, c + j);
            break;
        default:
            sum += (double)float_minus_sum(part, kernel->scale, own, a + j, c + j);
            break;
        }
    }
    return sum;
}
