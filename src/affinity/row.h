/* affinity/row.h: sums of exponentials over a row of distances, which the searches for a row's bandwidth are made of. */
#ifndef NE_AFFINITY_ROW_H
#define NE_AFFINITY_ROW_H

#include "ne.h"

/* Distances of a row to count others; the one at place self, if that is below count, is the row's own and left out. */
typedef struct row_view {
    size_t       count;
    const float *distances;
    size_t       self;
} row_view;

static inline size_t row_others(const row_view *r)
{
    return r->count - (r->self < r->count);
}

/* The smallest distance and how many there are of it. */
typedef struct row_nearest {
    float  distance;
    size_t tied;
} row_nearest;
row_nearest row_find_nearest(const row_view *r);

/* With D = d - nearest >= 0 and e = exp(-beta D). */
typedef struct row_sums {
    double s, d, dd; /* sum e, sum e D, sum e D^2 */
} row_sums;

/* One pass, in double, eight sums side by side whatever the vector width. beta may be 0 or so large that only D = 0
 * counts; a distance below nearest counts as nearest. */
row_sums row_exponentials(const row_view *r, double nearest, double beta);
/* The same in float inside tiles of 512: right to 1e-6, and many times faster. */
row_sums row_exponentials_rough(const row_view *r, double nearest, double beta);
/* values[j] = scale exp(-beta D_j); values may be distances. */
void row_weights(size_t count, const float *distances, double nearest, double beta, double scale, float *values);

/* Affinities exp(-(d - nearest) / bandwidth) / mass whose three numbers each row has of its own, as duals over all pairs:
 * the values of one row with its own numbers, or with those of the others. */
enum {
    ROW_DUALS = 3
};
extern const char *const row_dual_names[ROW_DUALS];
void row_values(size_t n, size_t self, int across, const float *distances, const double *dual, float *values);

/* weights(), solve() and rows() of such an affinity (see ne_affinity_ops), from the rule that finds a row's numbers; the
 * row need not be sorted. zero_diag: a row's distance to itself is left out, and its value is 0. */
typedef void (*row_rule)(const void *params, const row_view *r, double dual[ROW_DUALS]);
void      row_rule_weights(row_rule rule, const void *params, size_t count, const float *distances, float *values,
                           double *bandwidth);
ne_status row_rule_solve(row_rule rule, const void *params, int zero_diag, const ne_pairs *pairs,
                         ne_solution *solution);
ne_status row_rule_rows(int zero_diag, size_t n, size_t self, int32_t across, const float *distances,
                        const double *dual, float *values);

/* 1 / bandwidth, finite: with a bandwidth of 0 only the nearest count, with an infinite one all count alike. */
double row_precision(double bandwidth);

/* entropic.c: the three numbers that give a row's weights the perplexity, its logarithm to `tol`. */
void entropic_search(const row_view *r, double perplexity, int64_t max_iter, double tol, double dual[ROW_DUALS]);

/* The k-th smallest, 1 <= k <= others: in one pass that keeps the k smallest up to k = 64, beyond by bisection over the bits
 * of a float in 32 counting passes, without scratch. */
float row_kth_smallest(const row_view *r, size_t k);
/* The same as the scale of row `row`. errors: NE_INVALID_ARGUMENT where distances are negative, as under angular. */
ne_status row_scale(const row_view *r, size_t row, size_t k, double *scale);

/* The root of an increasing f on the whole line, by Newton steps clipped to 3 and kept inside the bracket that the signs
 * of f make. Call with f and its slope at *u until it returns 0: it moves *u and tells whether that changed anything. */
typedef struct row_search {
    double low, high;
} row_search;
int row_search_step(row_search *search, double f, double slope, double *u);

#endif
