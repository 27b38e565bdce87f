/* cpu/knn_pilot.h: how far an approximate search has to look, learnt from the exact neighbors of a few rows. */
#ifndef NE_CPU_KNN_PILOT_H
#define NE_CPU_KNN_PILOT_H

#include "cpu/knn_cells.h"
#include "cpu/knn_exact.h"

typedef struct knn_plan {
    size_t scan;   /* rows: cells are visited, nearest first, until so many rows were seen */
    size_t keep;   /* candidates of the sketch that are measured in full */
    double recall; /* that the sample would have under this plan */
    double cost;   /* of a row, in nanoseconds of one thread of a machine of 2021 */
} knn_plan;

typedef struct knn_pilot {
    size_t   queries, k;
    int32_t *query;    /* queries: ids of the sample rows */
    int32_t *index;    /* queries x k: their neighbors, exact */
    float   *distance; /* queries x k */
} knn_pilot;

/* errors: as knn_exact_some. Clear a failed one too. */
ne_status knn_pilot_create(ne_context *context, const knn_search *search, uint64_t seed, knn_pilot *made);
void      knn_pilot_clear(const ne_allocator *mem, knn_pilot *pilot);

/* The cheapest plan whose recall on the sample is at least target by two standard errors; cost is infinite where none
 * is. */
ne_status knn_pilot_plan(ne_context *context, const knn_search *search, const knn_sketch *sketch,
                         const knn_cells *cells, const knn_pilot *pilot, double target, knn_plan *plan);
/* Share of each sample row's k results that are no farther than its k-th exact neighbor; distance is count x k. Fair
 * only where the sample did not choose the plan, see knn_recall.h. */
double knn_pilot_recall(const knn_pilot *pilot, const float *distance);

/* What the sample takes, and what a plan takes at most while it is made, for estimates. */
double knn_pilot_bytes(double n, double k);
double knn_pilot_plan_bytes(double n, double k);
double knn_pilot_queries(double n);

/* What an exact search costs a row, in the same unit. */
double knn_pilot_exact_cost(const knn_search *search);

/* The same of a search by bounds, which bounds and measures so many pairs a row (knn_bound.h). */
double knn_pilot_bound_cost(const knn_search *search, const knn_sketch *sketch, double bounded, double measured);

#endif
