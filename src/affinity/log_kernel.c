/* affinity/log_kernel.c: see log_kernel.h. */
#include "affinity/log_kernel.h"

#include "affinity/vector_log.h"
#include "base/clones.h"
#include "cpu/elementary.h"
#include "cpu/vector_exp.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 512,
    SIDE  = 8
};
#define EXCLUDED (-1e300) /* exp is 0, and no sum with it overflows */

NE_CLONES static void log_kernel_gaussian(size_t count, const float *restrict c, double scale, double *restrict l)
{
    for (size_t j = 0; j < count; j++) l[j] = -(double)c[j] * scale;
}

NE_CLONES static void log_kernel_student(size_t count, const float *restrict c, double scale, double shape,
                                         double *restrict l)
{
#pragma omp simd
    for (size_t j = 0; j < count; j++) l[j] = -scale * vector_log(1 + (double)c[j] * shape);
}

NE_CLONES static void log_kernel_local(size_t count, const float *restrict c, double scale,
                                       const double *restrict width, size_t step, double *restrict l)
{
    for (size_t j = 0; j < count; j++) {
        const double w = width[j * step], x = -(double)c[j] * scale / (w > 1e-300 ? w : 1e-300);
        l[j] = x > EXCLUDED ? x : EXCLUDED;
    }
}

NE_CLONES static void log_kernel_add(size_t count, const double *restrict f, double own, double *restrict l)
{
    for (size_t j = 0; j < count; j++) l[j] += own + f[j];
}

NE_CLONES static void log_kernel_exp(size_t count, double *restrict l)
{
#pragma omp simd
    for (size_t j = 0; j < count; j++) l[j] = vector_exp_finite(l[j]);
}

/* k of student with scale 1, t-SNE's kernel, which needs no logarithm: to two bits of a float, less that at self. */
NE_CLONES static void log_kernel_reciprocals(size_t count, float shape, float factor, const float *restrict c,
                                             float *restrict k)
{
    for (size_t j = 0; j < count; j++) k[j] = factor / (1 + c[j] * shape);
}

NE_CLONES static double log_kernel_add_floats(size_t count, const float *restrict k)
{
    float  s[SIDE] = {0};
    size_t j       = 0;
    for (; j + SIDE <= count; j += SIDE)
        for (size_t e = 0; e < SIDE; e++) s[e] += k[j + e];
    for (size_t e = 0; j < count; j++, e++) s[e] += k[j];
    return (double)(((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
}

static int is_reciprocal(const log_kernel *kernel)
{
    return kernel->kind == LOG_STUDENT && kernel->scale == 1; /* nu = 1, to the bit */
}

static void write_reciprocals(const log_kernel *kernel, const kernel_row *row, size_t j, size_t count, double factor,
                              float *k)
{
    log_kernel_reciprocals(count, (float)kernel->shape, (float)factor, row->c + j, k);
    if (row->self >= j && row->self < j + count) k[row->self - j] = 0;
}

/* Out of l - shift, which counts as no less than -10000. */
NE_CLONES static void log_kernel_bound(size_t count, double shift, double *restrict l)
{
    for (size_t j = 0; j < count; j++) {
        const double x = l[j] - shift;
        l[j]           = x > -1e4 ? x : -1e4;
    }
}

/* l in two floats: the second is what the first has lost. */
NE_CLONES static void log_kernel_split(size_t count, const double *restrict l, float *restrict high,
                                       float *restrict low)
{
#pragma omp simd
    for (size_t j = 0; j < count; j++) {
        high[j] = (float)l[j];
        low[j]  = (float)(l[j] - (double)high[j]);
    }
}

/* x = scale exp(x) (1 + low), and the sum; count is a multiple of LANES. */
NE_CLONES static float log_kernel_exp_low(size_t count, float scale, const float *restrict low, float *restrict x)
{
    lanes sum = lanes_all(0);
    for (size_t j = 0; j < count; j += LANES) {
        const lanes e = elementary_exp(lanes_load(x + j)) * (scale + scale * lanes_load(low + j));
        lanes_store(x + j, e);
        sum += e;
    }
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* scale exp(l - shift), right to the last bit but one of a float, at a third of the cost of doubles. l is spoilt, and has
 * room for a multiple of LANES; so has values. Exponents are at most 80. */
static double exp_in_float(size_t count, double shift, double scale, double *l, float *values)
{
    float        low[CHUNK];
    const size_t whole = (count + LANES - 1) / LANES * LANES;
    for (size_t k = count; k < whole; k++) l[k] = EXCLUDED;
    log_kernel_bound(whole, shift, l);
    log_kernel_split(whole, l, values, low);
    return (double)log_kernel_exp_low(whole, (float)scale, low, values);
}

NE_CLONES static double log_kernel_most(size_t count, const double *restrict l)
{
    double side[SIDE], most = -INFINITY;
    size_t j = 0;
    for (size_t k = 0; k < SIDE; k++) side[k] = -INFINITY;
    for (; j + SIDE <= count; j += SIDE)
        for (size_t k = 0; k < SIDE; k++) side[k] = side[k] < l[j + k] ? l[j + k] : side[k];
    for (size_t k = 0; k < SIDE; k++) most = most < side[k] ? side[k] : most;
    for (; j < count; j++) most = most < l[j] ? l[j] : most;
    return most;
}

/* Eight sums side by side, in a fixed order. */
NE_CLONES static double log_kernel_total(size_t count, const double *restrict l)
{
    double s[SIDE] = {0};
    size_t j       = 0;
    for (; j + SIDE <= count; j += SIDE)
        for (size_t k = 0; k < SIDE; k++) s[k] += l[j + k];
    for (size_t k = 0; j < count; j++, k++) s[k] += l[j];
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/* The chunk that begins at j: own + f + log k. Returns its length. */
static size_t take_chunk(const log_kernel *kernel, const kernel_row *row, size_t j, double own, const double *f,
                         double *l)
{
    const size_t count = row->count - j < CHUNK ? row->count - j : CHUNK;
    if (kernel->kind == LOG_STUDENT) log_kernel_student(count, row->c + j, kernel->scale, kernel->shape, l);
    else if (kernel->kind == LOG_GAUSSIAN) log_kernel_gaussian(count, row->c + j, kernel->scale, l);
    else
        log_kernel_local(count, row->c + j, kernel->scale, kernel->width + j * kernel->width_step, kernel->width_step,
                         l);
    if (f) {
        log_kernel_add(count, f + j, own, l);
    } else if (own != 0) {
        for (size_t k = 0; k < count; k++) l[k] += own;
    }
    if (row->self < row->count && row->self >= j && row->self < j + count) l[row->self - j] = EXCLUDED;
    return count;
}

double kernel_log_sum(const log_kernel *kernel, const kernel_row *row, const double *f)
{
    double l[CHUNK], most = -INFINITY, sum = 0;
    float  values[CHUNK];
    for (size_t j = 0; !f && is_reciprocal(kernel) && j < row->count; j += CHUNK) {
        const size_t count = row->count - j < CHUNK ? row->count - j : CHUNK;
        write_reciprocals(kernel, row, j, count, 1, values);
        sum += log_kernel_add_floats(count, values);
    }
    if (sum > 0) return log(sum);
    for (size_t j = 0; j < row->count; j += CHUNK) {
        const size_t count = take_chunk(kernel, row, j, 0, f, l);
        const double top   = log_kernel_most(count, l);
        if (top > most) {
            sum *= exp(most - top);
            most = top;
        }
        sum += exp_in_float(count, most, 1, l, values);
    }
    return most + log(sum);
}

double kernel_sum(const log_kernel *kernel, const kernel_row *row, double own, const double *f)
{
    double l[CHUNK], sum = 0;
    for (size_t j = 0; j < row->count; j += CHUNK) {
        const size_t count = take_chunk(kernel, row, j, own, f, l);
        log_kernel_exp(count, l);
        sum += log_kernel_total(count, l);
    }
    return sum;
}

void log_kernel_values(const log_kernel *kernel, const kernel_row *row, double scale, double own,
                       const column_terms *terms, float *values)
{
    const double factor = scale * exp(own);
    double       l[CHUNK];
    float        part[CHUNK];
    if (is_reciprocal(kernel) && !terms && factor > 1e-30 && factor < 1e30) {
        for (size_t j = 0; j < row->count; j += CHUNK)
            write_reciprocals(kernel, row, j, row->count - j < CHUNK ? row->count - j : CHUNK, factor, values + j);
        return;
    }
    for (size_t j = 0; j < row->count; j += CHUNK) {
        const size_t count = take_chunk(kernel, row, j, own, NULL, l);
        for (size_t k = 0; terms && k < count; k++) {
            const double f = terms->f[(j + k) * terms->step];
            l[k]           = terms->minus ? l[k] - f : l[k] + f;
        }
        exp_in_float(count, 0, scale, l, part);
        memcpy(values + j, part, count * sizeof *values);
    }
}

void log_kernel_sum_values(const log_kernel *k, const log_kernel *l, const kernel_row *row, double own, float *values)
{
    double a[CHUNK];
    float  x[CHUNK], y[CHUNK];
    for (size_t j = 0; j < row->count; j += CHUNK) {
        const size_t count = take_chunk(k, row, j, own, NULL, a);
        exp_in_float(count, 0, 1, a, x);
        take_chunk(l, row, j, own, NULL, a);
        exp_in_float(count, 0, 1, a, y);
        for (size_t e = 0; e < count; e++) values[j + e] = x[e] + y[e];
    }
}

/* A Gaussian's from the least distance and the mean. */
NE_CLONES static float log_kernel_least(size_t count, const float *restrict c, double *restrict sum)
{
    float  least   = INFINITY;
    double s[SIDE] = {0};
    size_t j       = 0;
    for (; j + SIDE <= count; j += SIDE)
        for (size_t k = 0; k < SIDE; k++) s[k] += (double)c[j + k];
    for (size_t k = 0; j < count; j++, k++) s[k] += (double)c[j];
    for (j = 0; j < count; j++) least = c[j] < least ? c[j] : least;
    *sum += ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    return least;
}

double kernel_spread(const log_kernel *kernel, const kernel_row *row, double *largest)
{
    double       l[CHUNK], most = -INFINITY, sum = 0;
    const double others = (double)row->count - (row->self < row->count ? 1 : 0);
    if (kernel->kind == LOG_GAUSSIAN) {
        const size_t self  = row->self < row->count ? row->self : row->count;
        float        least = log_kernel_least(self, row->c, &sum);
        if (self < row->count) {
            const float after = log_kernel_least(row->count - self - 1, row->c + self + 1, &sum);
            least             = after < least ? after : least;
        }
        most = -(double)least * kernel->scale;
        sum *= -kernel->scale;
    }
    for (size_t j = 0; kernel->kind != LOG_GAUSSIAN && j < row->count; j += CHUNK) {
        const size_t count = take_chunk(kernel, row, j, 0, NULL, l);
        for (size_t k = 0; k < count; k++) {
            most = most < l[k] ? l[k] : most;
            sum += j + k == row->self ? 0 : l[k];
        }
    }
    *largest = most;
    return most - sum / others;
}

int kernel_is_defined(const log_kernel *kernel, const kernel_row *row)
{
    float least = 0;
    if (kernel->kind != LOG_STUDENT) return 1;
    for (size_t j = 0; j < row->count; j++) least = row->c[j] < least && j != row->self ? row->c[j] : least;
    return 1 + (double)least * kernel->shape > 1e-300;
}
