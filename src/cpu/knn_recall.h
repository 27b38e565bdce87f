/* cpu/knn_recall.h: the recall of an approximate search, measured on rows that did not choose its plan.
 *
 * The cheapest of many plans that suits one sample is one that this sample flatters: by up to 0.008 where near-duplicates
 * make rows differ. So the figure that is reported comes from a second sample, stratified along the cells, whose exact
 * neighbors are found by knn_bound.h where that works. */
#ifndef NE_CPU_KNN_RECALL_H
#define NE_CPU_KNN_RECALL_H

#include "cpu/knn_pilot.h"

typedef struct knn_recall {
    double mean;  /* share of the results that are no farther than the k-th exact neighbor */
    double error; /* standard error of mean, over the rows of the sample */
    size_t rows;
} knn_recall;

/* distance: count x k, the results of `plan`, whose cost decides how many rows can be afforded.
 * errors: as knn_exact_some. */
ne_status knn_recall_measure(ne_context *context, const knn_search *search, const knn_sketch *sketch,
                             const knn_cells *cells, const knn_plan *plan, uint64_t seed, const float *distance,
                             knn_recall *made);
/* What that takes at most, for estimates; bounded: of a metric that knn_bound.h works for. */
double knn_recall_bytes(const ne_context *context, double n, double width, double sketch_width, double k, int bounded);

#endif
