/* metrics/knn_scores.h: scores that compare the k nearest neighbors of each row, all from exact search.
 *
 * Arguments were checked: views finite, as many rows in each, k in range. Work and memory are those of the search and
 * O(n k) more. Ties between distances go to the smaller index, so that every score is defined for every input. */
#ifndef NE_METRICS_KNN_SCORES_H
#define NE_METRICS_KNN_SCORES_H

#include "backend/backend.h"

/* The k nearest other rows of each row, euclidean. knn_score_clear() frees them; it takes an empty result too. */
ne_status knn_score_search(ne_context *context, const ne_dense *x, size_t k, knn_result *result);
void      knn_score_clear(ne_context *context, knn_result *result);

/* Mean over i of |N_x(i) and N_y(i)| / k. */
ne_status knn_score_preservation(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value);
/* Share of rows whose label is the most frequent among their neighbors; the smallest label wins ties. */
ne_status knn_score_accuracy(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k, double *value);
/* Mean over i of the share of neighbors that have the label of i. */
ne_status knn_score_agreement(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k, double *value);

#endif
