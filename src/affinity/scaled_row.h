/* affinity/scaled_row.h: one row of a scaled kernel, M_ij = exp(f_i + f_j + log k_ij), in float: eight pairs in about
 * twelve cycles, so that a visit of all pairs is bound by memory.
 *
 * f_i + f_j is exact, since f is split into multiples of a power of two and a rest; and c / eps is rounded once it has
 * been taken from it, since both have twelve bits in their first parts. So M of a Gaussian kernel has an error of a few
 * units in the last place times |log M|, and its sum over a row that sums to 1 one below 1e-6, 1e-7 mostly; that of a
 * Student kernel is ten times that. */
#ifndef NE_AFFINITY_SCALED_ROW_H
#define NE_AFFINITY_SCALED_ROW_H

#include "affinity/log_kernel.h"

enum {
    SCALED_LEVELS = 5
};
extern const float scaled_level[SCALED_LEVELS]; /* ascending */

typedef struct scaled_kernel {
    int          student;
    float        scale, scale_low; /* their sum is 1 / eps */
    const float *f, *f_low;
} scaled_kernel;

/* f = high + low. */
void          scaled_split(size_t n, const double *f, float *high, float *low);
scaled_kernel scaled_kernel_of(const log_kernel *kernel, const float *high, const float *low);

/* sum_j M_ij into *sum, and how many M are above each level; 0 where a float cannot hold it. */
int scaled_sum(const scaled_kernel *kernel, const kernel_row *row, size_t i, double *sum, int32_t above[SCALED_LEVELS]);
/* sum_j M_ij v_j; M are at most exp(80). */
double scaled_product(const scaled_kernel *kernel, const kernel_row *row, size_t i, const float *v);
/* The first `most` M above least and their columns; the rest of most is filled with 0. */
void scaled_list(const scaled_kernel *kernel, const kernel_row *row, size_t i, float least, size_t most, int32_t *col,
                 float *w);

#endif
