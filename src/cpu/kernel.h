/* cpu/kernel.h: the output kernel q(s) and its slope w(s) = -d log q / ds on a tile of squared distances.
 *
 *     Student   q = u^-(nu + 1)/2, u = 1 + s / nu     w = (nu + 1) / (2 nu u)
 *     Gaussian  q = exp(-s / sigma)                   w = 1 / sigma
 *     LargeVis  q = 1 / (2 + s)                       w = 1 / (2 + s)
 *     custom    what the affinity's kernel() says
 *
 * For whatever has no loop of its own. Float throughout: the relative error is about 1e-7 times the logarithm of q,
 * 1e-7 for Student with nu = 1. Work is in eights: the arrays have room for count rounded up, and s is set so far. */
#ifndef NE_CPU_KERNEL_H
#define NE_CPU_KERNEL_H

#include "backend/backend.h"

enum {
    KERNEL_TILE = 512 /* the most that one call takes */
};

/* q and the product q w, which a repulsive force is made of. */
void kernel_values(const output_kernel *kernel, size_t count, const float *restrict s, float *restrict q,
                   float *restrict force);
/* w and, if not NULL, energy = -log q, accurate also where q is all but 1. */
void kernel_slopes(const output_kernel *kernel, size_t count, const float *restrict s, float *restrict slope,
                   float *restrict energy);
/* log q(s) in double and, if not NULL, w. A custom kernel is asked in float. */
double kernel_log_f64(const output_kernel *kernel, double s, double *slope);

#endif
