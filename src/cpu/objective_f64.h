/* cpu/objective_f64.h: the objective by its definition, over all pairs in double: the yardstick of the float
 * kernels, for gradient checks and for the reported divergence. */
#ifndef NE_CPU_OBJECTIVE_F64_H
#define NE_CPU_OBJECTIVE_F64_H

#include "backend/backend.h"

/* L_att + L_rep (see ne_terms in ne.h; weights 1) at y, n x c, and its gradient, n x c; either output may be NULL. p is
 * symmetric, f32 or f64; NULL: no attraction. A custom kernel works in float, so its objective is good to 1e-6 only.
 * errors: NE_OUT_OF_MEMORY. */
ne_status objective_f64(ne_context *context, size_t n, size_t c, const ne_csr *p, const output_kernel *kernel,
                        ne_normalisation normalisation, const double *y, double *gradient, double *loss);

/* KL(P || Q) = sum_ij p_ij log(p_ij / q_ij) of float coordinates, p symmetric, f32, scaled to sum to 1, and q
 * normalised over all pairs; or over rows, L_att + L_rep + sum_ij p_ij log(n p_ij): the mean of the rows' divergences. n^2 pairs in float, sums in double, memory for n x c numbers.
 * errors: NE_OUT_OF_MEMORY. */
ne_status objective_kl(ne_context *context, size_t n, size_t c, const ne_csr *p, const output_kernel *kernel,
                       ne_normalisation normalisation, const float *z, double *kl);

#endif
