/* cpu/knn_rows.h: the rows of a k-NN search, as the engines see them: distinct, and packed for products.
 *
 * In the euclidean space the packed row is
 *     sqeuclidean, euclidean   (x - mean) 2^e: centred, so that products of offset data cancel less, and at most 1
 *     cosine, correlation      x / |x| (x less its own mean first) - mean of these; a zero row is a unit row in a
 *                              further column, at distance sqrt(2) from all others
 * and |packed_i - packed_j|^2 grows with the metric. In the inner space it is x 2^e, and -packed_i . packed_j grows
 * with it. Rows are packed in pieces when they are needed: a search holds no second copy of the data. */
#ifndef NE_CPU_KNN_ROWS_H
#define NE_CPU_KNN_ROWS_H

#include "backend/backend.h"
#include "cpu/knn_distinct.h"
#include "cpu/metric.h"

typedef enum knn_space {
    KNN_EUCLIDEAN = 0,
    KNN_INNER     = 1, /* angular */
    KNN_DIRECT    = 2  /* the metric has no packed form of its own; packed as for euclidean, a guess at who is near */
} knn_space;

typedef struct knn_rows {
    ne_dense             x; /* stride set */
    const ne_metric_ops *metric;
    metric_kind          kind;
    knn_space            space;
    knn_distinct         distinct;
    size_t               count;    /* of distinct rows: ids below are in [0, count) */
    size_t               width;    /* columns of a packed row */
    int                  unit;     /* cosine and correlation */
    double               scale;    /* a power of two */
    float               *mean_f32; /* width: in units of x where not unit, else of the packed row; */
    double              *mean;
    double              *unit_row; /* shift and scale of each distinct row where unit; else NULL */
    float               *square;   /* |packed row|^2 */
    double               longest;  /* packed row */
    float               *narrowed; /* the data of x, where it is our own copy: the metric has no double form */
} knn_rows;

/* errors: NE_OUT_OF_MEMORY. Clear a failed one too. */
ne_status knn_rows_create(ne_context *context, const ne_dense *x, const ne_metric_ops *metric, knn_rows *made);
void      knn_rows_clear(const ne_allocator *mem, knn_rows *rows);
/* What they take at most while they are made, and afterwards, for estimates: of rows that are all distinct. */
double knn_rows_bytes(const ne_context *context, const ne_dense *x, const ne_metric_ops *metric, double *kept);

/* The packed rows first .. first + count - 1, or ids[0 .. count - 1] where ids is given, width floats each. */
void knn_rows_pack(const knn_rows *rows, const int32_t *ids, size_t first, size_t count, float *packed);

/* The metric's distances of row i to the rows ids[0 .. count - 1], as floats: too large ones become FLT_MAX. NaN: as it
 * is. */
void knn_rows_distances(const knn_rows *rows, size_t i, const uint32_t *ids, size_t count, float *distance);

/* The same of data that need not be those of x, as copies of its rows; from each other one to `row` where from_other is
 * 1: a user's metric may tell the two apart, and so may the last bits of cosine and correlation. */
void knn_rows_between(const knn_rows *rows, const void *row, const void *const *other, size_t count, int from_other,
                      float *distance);

/* Whether every row whose approximate value (packed square - 2 product, or -product) is at least `limit` is surely
 * farther from row i than `distance`, given the rounding of float products. */
int knn_rows_is_beyond(const knn_rows *rows, size_t i, float limit, float distance);

static inline size_t knn_rows_source(const knn_rows *rows, size_t id)
{
    return rows->distinct.first ? (size_t)rows->distinct.first[id] : id;
}

static inline const void *knn_rows_at(const knn_rows *rows, size_t id)
{
    const size_t size = rows->x.dtype == NE_F32 ? sizeof(float) : sizeof(double);
    return (const char *)rows->x.data + knn_rows_source(rows, id) * rows->x.stride * size;
}

#endif
