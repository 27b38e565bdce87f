/* cpu/knn_sparse_rows.h: sparse rows as a search sees them: distinct, scaled, and with the numbers from which the distance
 * of two rows follows by what they share.
 *
 * A column counts for a pair where both rows have an entry. With packed values x, y of such columns
 *     sqeuclidean, euclidean   |x|^2 + |y|^2 - 2 sum x y      x as it came, times a power of two
 *     cosine, correlation      1 + 1 - 2 sum x y              x / |x|; the mean of a row stands in a column of its own,
 *                                                             and so does a 1 in a row of zeros, which is far from all
 *     angular                  -sum x y
 *     manhattan                |x|_1 + |y|_1 + sum (|x - y| - |x| - |y|)
 *     hamming                  e(x) + e(y) - sum (1 + [x = y]),     e: entries of a row
 *     jaccard                  1 - s / (e(x) + e(y) - s),  s = sum 1
 * each is half[i] + half[j] + what a sum over shared columns gives, but for jaccard. */
#ifndef NE_CPU_KNN_SPARSE_ROWS_H
#define NE_CPU_KNN_SPARSE_ROWS_H

#include "base/sparse.h"
#include "cpu/knn_distinct.h"
#include "cpu/metric.h"

#include <float.h>

typedef struct knn_sparse_rows {
    const ne_csr *x;
    metric_kind   kind;
    knn_distinct  distinct;
    size_t        count; /* of distinct rows: ids below are in [0, count) */
    size_t        width; /* columns of a packed row: cols + 2 */
    int           unit;
    int           positive; /* no packed value is negative */
    int           exact;    /* sums over shared columns are exact in float */
    double        scale;    /* a power of two */
    double       *shift;    /* where unit: the mean of a row and what makes it a unit row; else NULL */
    double       *factor;
    float        *half;   /* above */
    double       *length; /* of a packed row: |x|, for manhattan |x|_1 */
    double        longest;
} knn_sparse_rows;

/* errors: NE_UNSUPPORTED: there is no such form of the metric. */
ne_status knn_sparse_check_metric(const ne_metric_ops *metric);
/* What it takes at most while it is made, and afterwards, for estimates: where some rows are equal. */
double knn_sparse_rows_bytes(double n, double *kept);
/* errors: NE_UNSUPPORTED: the metric has no such form; NE_OUT_OF_MEMORY. Clear a failed one too. */
ne_status knn_sparse_rows_create(ne_context *context, const ne_csr *x, const ne_metric_ops *metric,
                                 knn_sparse_rows *made);
void      knn_sparse_rows_clear(const ne_allocator *mem, knn_sparse_rows *rows);

static inline size_t knn_sparse_source(const knn_sparse_rows *rows, size_t id)
{
    return rows->distinct.first ? (size_t)rows->distinct.first[id] : id;
}

/* Entries of packed row id: those of the row, and up to two more. */
enum {
    KNN_SPARSE_EXTRA = 2
};
/* The columns cols and cols + 1: 0 where there is no entry. */
void  knn_sparse_extra(const knn_sparse_rows *rows, size_t id, float extra[KNN_SPARSE_EXTRA]);
float knn_sparse_packed(const knn_sparse_rows *rows, size_t id, int64_t e);

/* --- The metric's own distances, from the rows as they came and in double. */

/* Row id laid out over all columns, its sums behind them: line has width numbers, the first cols of them zeros. Taken
 * back, they are zeros again. */
void knn_sparse_spread(const knn_sparse_rows *rows, size_t id, double *line);
void knn_sparse_unspread(const knn_sparse_rows *rows, size_t id, double *line);
/* Of row id, which line holds, and another, as a float; too large ones are FLT_MAX. */
float knn_sparse_distance(const knn_sparse_rows *rows, size_t id, const double *line, size_t other);

/* Whether every row whose sum (half[j] + sum over shared columns, or jaccard itself) is at least `limit` is surely no
 * nearer to row id than `distance`, the rounding of float sums considered. */
int knn_sparse_is_beyond(const knn_sparse_rows *rows, size_t id, float limit, float distance);

#endif
