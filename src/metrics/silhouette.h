/* metrics/silhouette.h: is a row nearer to the rows of its own label than to those of another? Rousseeuw 1987:
 *
 *     a_i = sum over own others of w_j d_ij / sum of w_j     b_i = the least such mean over another label's rows
 *     s_i = (b_i - a_i) / max(a_i, b_i),  0 where it is 0 / 0, for a row without others of its label, and for one label
 *
 * All n^2 distances, in linear memory. */
#ifndef NE_METRICS_SILHOUETTE_H
#define NE_METRICS_SILHOUETTE_H

#include "base/context.h"

typedef struct silhouette_request {
    const ne_dense      *y;       /* checked and finite; without a metric its n x n entries are the distances */
    const int64_t       *labels;  /* n */
    const ne_metric_ops *metric;  /* NULL: y holds distances; its diagonal is not read */
    const double        *weights; /* n, finite and not negative; NULL: all 1 */
    size_t               sample;  /* rows drawn without replacement and scored among themselves, in [1, n]; n: all */
    uint64_t             seed;
} silhouette_request;

/* value: the mean of all s_i. each: n values, NaN for rows outside of the sample; may be NULL.
 * errors: NE_INVALID_ARGUMENT where the metric gives a distance that is not finite. */
ne_status silhouette_score(ne_context *context, const silhouette_request *request, double *value, double *each);

#endif
