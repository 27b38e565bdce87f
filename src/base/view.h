/* base/view.h: the caller's dense arrays, checked once at the door and then read or written row by row.
 *
 * A view that passed view_check() can be indexed without overflow, and its rows, columns and stride fit in a BLAS int.
 * All functions below view_check_finite() take checked views only. */
#ifndef NE_BASE_VIEW_H
#define NE_BASE_VIEW_H

#include "ne.h"

/* --- Checks. errors: NE_INVALID_ARGUMENT with the text "name: value, rule"; NE_UNSUPPORTED for memory of a device. */

/* A view of floats: at least one row and one column, NE_F32 or NE_F64, memory of the host, mapped or not, a stride that
 * holds a row. */
ne_status view_check(const ne_dense *view, const char *name);
/* The same of integers: NE_I32 or NE_I64. */
ne_status view_check_integer(const ne_dense *view, const char *name);
/* Either, and written to: not mapped. */
ne_status view_check_output(const ne_dense *view, const char *name);
ne_status view_check_shape(const ne_dense *view, const char *name, size_t rows, size_t cols);
/* No NaN and no infinity; the text names the first bad row and column. */
ne_status view_check_finite(const ne_dense *view, const char *name);
/* The same, and no number that is infinite as a float: for what is going to be kept in single precision. */
ne_status view_check_finite_f32(const ne_dense *view, const char *name);
ne_status view_check_finite_f32_from(const ne_dense *view, const char *name, size_t row0); /* row 0 is called row0 */

/* --- Pages of a view that is mapped; nothing is done for others. Safe from any thread. */

size_t view_row_bytes(const ne_dense *view); /* of any view: from one row to the next */
/* Rows [row0, row1) will be read soon: the system starts to load them. */
void view_fetch(const ne_dense *view, size_t row0, size_t row1);
/* Row of a pass over all rows in order: now and then the next few megabytes are asked for. */
void view_fetch_next(const ne_dense *view, size_t row);

/* --- Access. */

/* Over packed memory of the library. */
ne_dense view_of_f32(const float *data, size_t rows, size_t cols);
ne_dense view_of_f64(const double *data, size_t rows, size_t cols);

/* In elements; never 0. */
static inline size_t view_stride(const ne_dense *view)
{
    return view->stride ? view->stride : view->cols;
}

static inline double view_get(const ne_dense *view, size_t i, size_t j)
{
    const size_t at = i * view_stride(view) + j;
    return view->dtype == NE_F32 ? (double)((const float *)view->data)[at] : ((const double *)view->data)[at];
}

/* Of an output. A double is rounded to the nearest float. */
static inline void view_set(const ne_dense *view, size_t i, size_t j, double value)
{
    const size_t at = i * view_stride(view) + j;
    if (view->dtype == NE_F32) ((float *)view->data)[at] = (float)value;
    else ((double *)view->data)[at] = value;
}

static inline int64_t view_get_integer(const ne_dense *view, size_t i, size_t j)
{
    const size_t at = i * view_stride(view) + j;
    return view->dtype == NE_I32 ? ((const int32_t *)view->data)[at] : ((const int64_t *)view->data)[at];
}

/* All of a view into packed rows x cols memory. Doubles are rounded to the nearest float. */
void view_read_f32(const ne_dense *from, float *to);

#endif
