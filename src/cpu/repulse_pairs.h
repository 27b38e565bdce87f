/* cpu/repulse_pairs.h: repulsion over all pairs of few points, of the Student kernel with nu = 1 in up to three columns. */
#ifndef NE_CPU_REPULSE_PAIRS_H
#define NE_CPU_REPULSE_PAIRS_H

#include "backend/backend.h"

/* Whether it can: the kernel, the columns, few enough points, and all of their rows. */
int repulse_pairs_can(size_t n, size_t c, const output_kernel *kernel, const repulsion_job *job);
/* What repulse_exact() does. errors: NE_OUT_OF_MEMORY. */
ne_status repulse_pairs(ne_context *context, size_t n, size_t c, repulsion_job *job);

#endif
