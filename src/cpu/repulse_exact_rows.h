/* cpu/repulse_exact_rows.h: repulsion normalised over rows (plan.over_rows), summed over all pairs; any number of
 * columns, any kernel. */
#ifndef NE_CPU_REPULSE_EXACT_ROWS_H
#define NE_CPU_REPULSE_EXACT_ROWS_H

#include "backend/backend.h"

/* Fills rows [row0, row1) of job->f, and job->normaliser with the sum of their log S_i. The S_i of all rows are computed,
 * however many forces are wanted. errors: NE_OUT_OF_MEMORY. */
ne_status repulse_exact_rows(ne_context *context, const repulsion_plan *plan, repulsion_job *job);

/* The log S_i themselves, n of them, in double. */
ne_status repulse_exact_row_sums(ne_context *context, const repulsion_plan *plan, const float *z, double *log_sum);

#endif
