/* cpu/metric.h: the built-in metrics, and how the search engines recognise them.
 *
 * Each distance is computed from the rows themselves, by differences wherever there is one to take, so that near rows
 * keep a relative error of about 1e-6 in f32 wherever the data lie; sums that leave the range of their type are redone
 * scaled.
 *
 *   sqeuclidean  sum (a - b)^2              euclidean    its square root
 *   manhattan    sum |a - b|                chebyshev    max |a - b|
 *   cosine       1 - a.b / (|a| |b|); a zero row is at distance 1 from all rows, at 0 from other zero rows
 *   correlation  cosine of rows less their own mean; a constant row is then a zero row
 *   angular      -a.b; not a distance: it is negative for rows that point the same way, and a row need not be nearest
 *                to itself
 *   hamming      share of columns in which a and b differ
 *   jaccard      1 - (columns where both are nonzero) / (columns where either is); 0 when all of both is zero */
#ifndef NE_CPU_METRIC_H
#define NE_CPU_METRIC_H

#include "ne.h"

typedef enum metric_kind {
    METRIC_SQEUCLIDEAN = 0,
    METRIC_EUCLIDEAN   = 1,
    METRIC_MANHATTAN   = 2,
    METRIC_CHEBYSHEV   = 3,
    METRIC_COSINE      = 4,
    METRIC_ANGULAR     = 5,
    METRIC_CORRELATION = 6,
    METRIC_HAMMING     = 7,
    METRIC_JACCARD     = 8,
    METRIC_CUSTOM      = 9 /* not one of ours */
} metric_kind;

/* The tables in the order of metric_kind, for registration; NULL past the end. */
const ne_metric_ops *metric_builtin(size_t index);
/* Which built-in table this is, by its address. */
metric_kind metric_kind_of(const ne_metric_ops *ops);

/* What makes a row a unit row under cosine, or correlation where centred: (a - *shift) * *scale. shift is the row's
 * mean where centred, else 0; scale is 0 for a zero row. */
void metric_unit_f32(const float *a, size_t d, int centred, double *shift, double *scale);
void metric_unit_f64(const double *a, size_t d, int centred, double *shift, double *scale);

/* Squared euclidean distances of one row to four others, as float sums, and whether each may be trusted: a sum that
 * left the range of float, or is so small that squares may have been lost, has to be had from the metric's own
 * function. */
void metric_squares_of_four(const float *row, const float *const other[4], size_t d, float square[4]);

static inline int metric_square_is_safe(float square)
{
    return square > 1e-28f && square < 1e37f;
}

/* Distances of one row to METRIC_TILE rows, whose columns lie together: column j of row r is tile[j * METRIC_TILE + r].
 * For manhattan, chebyshev, hamming and jaccard; all but manhattan give the very numbers of the metric itself. */
enum {
    METRIC_TILE = 64
};
void metric_tile_f32(metric_kind kind, const float *row, const float *tile, size_t d, float distance[METRIC_TILE]);

#endif
