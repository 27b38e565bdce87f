/* cpu/repulse_exact.h: repulsion summed over all pairs; any number of columns, any kernel. */
#ifndef NE_CPU_REPULSE_EXACT_H
#define NE_CPU_REPULSE_EXACT_H

#include "backend/backend.h"

/* Fills rows [row0, row1) of job->f and job->normaliser. errors: NE_OUT_OF_MEMORY. */
ne_status repulse_exact(ne_context *context, size_t n, size_t c, const output_kernel *kernel, repulsion_job *job);

/* About how long that takes, in nanoseconds, for `rows` targets. */
double repulse_exact_cost(const repulsion_plan *plan, size_t rows, int threads);

#endif
