/* metrics/kl.h: the Kullback-Leibler divergence that t-SNE minimises, van der Maaten & Hinton 2008, equation 1:
 *
 *     KL(P || Q) = sum_ij p_ij log(p_ij / q_ij),   q_ij = (1 + |y_i - y_j|^2 / nu)^(-(nu + 1) / 2) / S,
 *
 * P scaled to sum to 1, S such that q sums to 1 over all pairs i != j. */
#ifndef NE_METRICS_KL_H
#define NE_METRICS_KL_H

#include "base/context.h"

/* affinity: n x n, f32, as it stands (symmetric or not), no diagonal; y checked, n rows, finite as floats; nu > 0.
 * errors: NE_INVALID_ARGUMENT where the affinity sums to 0. */
ne_status kl_score(ne_context *context, const ne_csr *affinity, const ne_dense *y, double nu, double *value);

#endif
