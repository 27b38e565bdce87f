/* cpu/knn_visit.h: the search itself: every cell's rows against the rows of the cells nearby, by a plan. */
#ifndef NE_CPU_KNN_VISIT_H
#define NE_CPU_KNN_VISIT_H

#include "cpu/knn_pilot.h"

/* index and distance: count x k. errors: NE_OUT_OF_MEMORY; NE_CANCELLED; NE_INVALID_ARGUMENT: a metric gave NaN. */
ne_status knn_visit(ne_context *context, const knn_search *search, const knn_sketch *sketch, const knn_cells *cells,
                    const knn_plan *plan, int32_t *index, float *distance);
/* What it takes beside its result, for estimates: a plan that keeps 2 k of a tenth of the rows. */
double knn_visit_bytes(const ne_context *context, double n, double sketch_width, double k);

#endif
