/* cpu/knn_bound.h: exact neighbors by a lower bound on every distance.
 *
 * A row's c principal coordinates p and the length r of the rest give, by Pythagoras and Cauchy-Schwarz,
 *
 *     |x_i - x_j|^2  >=  |p_i - p_j|^2 + (r_i - r_j)^2  =  |x_i|^2 + |x_j|^2 - 2 p_i . p_j - 2 r_i r_j
 *
 * which is a product of c + 1 columns in place of all. Who is beyond a radius by this bound is beyond it: with the k-th
 * distance of an approximate answer as the radius, only a hundredth of the pairs of images is left to be measured. A cell
 * whose ball is out of reach is passed over as a whole. The result is that of exact search, to the last bit. */
#ifndef NE_CPU_KNN_BOUND_H
#define NE_CPU_KNN_BOUND_H

#include "cpu/knn_cells.h"
#include "cpu/knn_exact.h"

enum { /* from which on exact search may be faster by bounds */
    KNN_BOUND_ROWS    = 25000,
    KNN_BOUND_COLUMNS = 96
};

/* What a search has done, for an estimate of what more of it would cost. */
typedef struct knn_bound_work {
    double bounded, measured; /* pairs */
} knn_bound_work;

/* Whether an exact search of rows might be faster by bounds, going by their number and width: below, an approximate answer
 * costs too much of what it spares; and k is no large share of the rows. */
int knn_bound_may_pay(const knn_rows *rows, size_t k);
/* Whether there is such a bound: the metric has the order of euclidean distances of the packed rows. */
int knn_bound_works(const knn_rows *rows, const knn_sketch *sketch);

/* The k nearest of the rows query[0 .. queries - 1]: queries x k, ascending by (distance, index); of all rows, and with
 * progress, where query is NULL. found[i * k + k - 1] is a distance within which row i has k others: that of an approximate
 * answer, count x k. distance may be found itself where query is NULL. index may be NULL, and work.
 * errors: NE_OUT_OF_MEMORY; NE_CANCELLED. */
ne_status knn_bound(ne_context *context, const knn_search *search, const knn_sketch *sketch, const knn_cells *cells,
                    const int32_t *query, size_t queries, const float *found, int32_t *index, float *distance,
                    knn_bound_work *work);
/* What that takes beside its results, for estimates. */
double knn_bound_bytes(const ne_context *context, double n, double sketch_width, double k, double queries);

#endif
