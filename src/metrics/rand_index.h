/* metrics/rand_index.h: how far two partitions of the same rows agree, corrected for chance.
 *
 * Hubert & Arabie 1985, from the counts n_uv of rows of class u in one and v in the other, a_u and b_v their sums:
 *
 *     S = sum n_uv^2    C = sum n_uv b_v - S    R = sum n_uv a_u - S    T = n^2 - C - R - S    t = S - n
 *     ARI = 2 (t T - C R) / ((t + R)(R + T) + (t + C)(C + T)),   1 where C = R = 0: the partitions are the same
 *
 * S, C, R, T count ordered pairs of rows: t pairs together in both, C and R in one of them only, T in neither. */
#ifndef NE_METRICS_RAND_INDEX_H
#define NE_METRICS_RAND_INDEX_H

#include "base/context.h"

/* n in [1, INT32_MAX], so that products of two counts of pairs fit in 128 bits. Exact but for the last division. */
ne_status rand_index_score(ne_context *context, const int64_t *a, const int64_t *b, size_t n, double *value);

#endif
