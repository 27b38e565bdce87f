/* init/init.h: where an embedding starts. */
#ifndef NE_INIT_INIT_H
#define NE_INIT_INIT_H

#include "backend/backend.h"

/* z (n x c) = the first c principal components of x, each column divided by the standard deviation of the first, times
 * scaling. Columns beyond the rank of x, and all of them for constant x (with a warning), are normal numbers of that size.
 * divisor_n1: the standard deviation has divisor n - 1 instead of n. */
ne_status init_pca(ne_context *context, const ne_dense *x, size_t c, double scaling, int divisor_n1, uint64_t seed,
                   float *z);
/* Standard normal numbers keyed by (seed, row), scaled likewise. */
void init_random(size_t n, size_t c, double scaling, int divisor_n1, uint64_t seed, float *z);

#endif
