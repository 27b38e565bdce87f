/* cpu/knn_approximate.h: approximate k nearest neighbors, with a recall that is measured. */
#ifndef NE_CPU_KNN_APPROXIMATE_H
#define NE_CPU_KNN_APPROXIMATE_H

#include "cpu/knn_exact.h"

/* index and distance: count x k, each row ascending by (distance, index); distances are the metric's own. *recall: of the
 * result, on a sample of rows that had no say in the plan, at least search->recall; 1 asks for an exact answer, by the
 * same means where that is faster than pair by pair. *exact: 1 where exact search was asked for, turned out to be needed,
 * or cheaper, and was done. errors: as knn_exact. */
ne_status knn_approximate(ne_context *context, const knn_search *search, int32_t *index, float *distance,
                          double *recall, int *exact);

/* What it takes beside its result, for estimates: where it need not fall back on exact search. bounded: of a metric that
 * knn_bound.h works for. */
double knn_approximate_bytes(const ne_context *context, double n, double width, double k, int bounded);

#endif
