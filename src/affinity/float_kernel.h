/* affinity/float_kernel.h: values of the plain kernels, in float and eight at a time, for affinities over all pairs.
 *
 *     gaussian     k_ij = exp(-c_ij scale)
 *     reciprocal   k_ij = 1 / (1 + c_ij scale)                         Student's with one degree of freedom
 *     local        k_ij = exp(-c_ij a_i a_j)
 *     mean         k_ij = exp(-c_ij a_i) + exp(-c_ij a_j)
 *     minus        k_ij = -c_ij
 *
 * Exponents are rounded to float as distances are: a value of exp(-x) is right to (1 + x) 2e-7 of itself, 0 from x = 87
 * on. All are the same bits for c_ij and c_ji: so a tile may be made once and mirrored, and a row gives the same. */
#ifndef NE_AFFINITY_FLOAT_KERNEL_H
#define NE_AFFINITY_FLOAT_KERNEL_H

#include <stddef.h>

typedef enum float_kernel_kind {
    FLOAT_GAUSSIAN   = 0,
    FLOAT_RECIPROCAL = 1,
    FLOAT_LOCAL      = 2,
    FLOAT_MEAN       = 3,
    FLOAT_MINUS      = 4
} float_kernel_kind;

typedef struct float_kernel {
    float_kernel_kind kind;
    float             scale;
    const double     *width; /* a_j = 1 / width[j * width_step], for those that have it */
    size_t            width_step;
    int               zero_diag;
    float             factor;  /* what values are multiplied by; */
    const double     *log_sum; /* or where this is not NULL, row i by exp(-log_sum[i * width_step]) */
} float_kernel;

/* a of columns [col0, col0 + count), 0 where the kernel has none. */
void  float_kernel_precisions(const float_kernel *kernel, size_t col0, size_t count, float *a);
float float_kernel_factor(const float_kernel *kernel, size_t row);
/* values = factor k of count columns from col0 on, factor 1 leaves k as it is; a: their precisions, own: the row's. values
 * may be a or c. */
void float_kernel_values(const float_kernel *kernel, size_t count, float own, float factor, const float *a,
                         const float *c, float *values);
/* A whole row with its factor, 0 at self if zero_diag; values is not c. */
void float_kernel_row(const float_kernel *kernel, size_t count, size_t self, const float *c, float *values);
/* The sum of k. */
double float_kernel_sum(const float_kernel *kernel, size_t count, float own, const float *a, const float *c);

#endif
