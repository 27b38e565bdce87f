/* metrics/trustworthiness.h: how far the neighbors in the embedding are from being neighbors in the data.
 *
 *     T(k) = 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j in N_y(i)} max(0, r(i, j) - k)
 *
 * r(i, j): the rank of j among all other rows by distance from i in x; 1 is the nearest. Venna & Kaski, ICANN 2001,
 * equation 3. Ties go to the smaller index, in x and in y. */
#ifndef NE_METRICS_TRUSTWORTHINESS_H
#define NE_METRICS_TRUSTWORTHINESS_H

#include "base/context.h"

/* Views checked and finite, n rows each; 1 <= k < n / 2. */
ne_status trustworthiness_score(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value);

#endif
