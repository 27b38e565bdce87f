/* methods/rows.h: distances between the caller's rows, for methods that draw pairs and look which are near. */
#ifndef NE_METHODS_ROWS_H
#define NE_METHODS_ROWS_H

#include "ne.h"

#include <string.h>

typedef struct data_rows {
    const ne_metric_ops *metric;
    int                  squared; /* the metric is a squared distance */
    ne_dense             x;
    void                *copy; /* what x points to, if it is not the caller's */
} data_rows;

static inline void rows_close(ne_context *context, data_rows *rows)
{
    ne_release(context, rows->copy);
    *rows = (data_rows){0};
}

/* keep: the rows are needed after the hook has returned, so they are copied; so are rows that the metric cannot read. */
static inline ne_status rows_open(const ne_problem *problem, int keep, data_rows *rows)
{
    const ne_dense *x      = problem->x;
    const size_t    stride = x->stride ? x->stride : x->cols;
    const int       narrow = x->dtype == NE_F64 && !problem->metric->distance_f64;
    const size_t    size   = x->dtype == NE_F64 && !narrow ? sizeof(double) : sizeof(float);
    data_rows       made   = {.metric = problem->metric, .x = *x};

    made.squared  = strcmp(made.metric->name, "sqeuclidean") == 0;
    made.x.stride = stride;
    if (keep || narrow) {
        made.copy = ne_allocate(problem->context, x->rows, x->cols * size);
        if (!made.copy) return NE_OUT_OF_MEMORY;
        for (size_t i = 0; i < x->rows; i++)
            for (size_t j = 0; j < x->cols; j++)
                if (narrow) ((float *)made.copy)[i * x->cols + j] = (float)((const double *)x->data)[i * stride + j];
                else if (size == sizeof(double))
                    ((double *)made.copy)[i * x->cols + j] = ((const double *)x->data)[i * stride + j];
                else ((float *)made.copy)[i * x->cols + j] = ((const float *)x->data)[i * stride + j];
        made.x.data   = made.copy;
        made.x.stride = x->cols;
        made.x.dtype  = narrow ? NE_F32 : x->dtype;
    }
    *rows = made;
    return NE_OK;
}

/* What the copy takes, for estimates. */
static inline double rows_bytes(const ne_problem *problem, int keep)
{
    const int    narrow = problem->x->dtype == NE_F64 && problem->metric && !problem->metric->distance_f64;
    const double size   = problem->x->dtype == NE_F64 && !narrow ? sizeof(double) : sizeof(float);
    return keep || narrow ? (double)problem->x->rows * (double)problem->x->cols * size : 0;
}

/* By the metric, between the caller's rows i and j. */
static inline double rows_distance(const data_rows *rows, size_t i, size_t j)
{
    const ne_metric_ops *m = rows->metric;
    const size_t         d = rows->x.cols, at = i * rows->x.stride, to = j * rows->x.stride;
    return rows->x.dtype == NE_F64
               ? m->distance_f64((const double *)rows->x.data + at, (const double *)rows->x.data + to, d, m->user)
               : m->distance_f32((const float *)rows->x.data + at, (const float *)rows->x.data + to, d, m->user);
}

/* Of a distance by this metric. */
static inline double rows_square(int squared, double distance)
{
    return squared ? distance : distance * distance;
}

#endif
