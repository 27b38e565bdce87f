/* base/view.c: see view.h. One pass over the data per call, sequential: each is bound by memory. */
#include "base/view.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    AHEAD = 8 << 20 /* bytes that a pass asks for before it gets there */
};

static size_t dtype_size(int32_t dtype)
{
    return dtype == NE_F64 || dtype == NE_I64 ? 8 : 4;
}

static ne_status check(const ne_dense *view, const char *name, int is_type, const char *types)
{
    if (view->struct_size < sizeof *view)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: struct_size %zu is below sizeof(ne_dense), %zu", name,
                       view->struct_size, sizeof *view);
    if (!is_type) return ne_fail(NE_INVALID_ARGUMENT, "%s: dtype %d is not %s", name, (int)view->dtype, types);
    if (view->place != NE_HOST && view->place != NE_MAPPED)
        return ne_fail(NE_UNSUPPORTED, "%s: place %d is neither NE_HOST nor NE_MAPPED", name, (int)view->place);
    if (!view->rows || !view->cols)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu x %zu is empty", name, view->rows, view->cols);
    if (!view->data) return ne_fail(NE_INVALID_ARGUMENT, "%s: data is a null pointer", name);
    if (view->stride && view->stride < view->cols)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: stride %zu is below its %zu columns", name, view->stride, view->cols);
    if (view->rows > INT32_MAX || view->cols > INT32_MAX || view->stride > INT32_MAX)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu x %zu, stride %zu, is above 2147483647", name, view->rows,
                       view->cols, view_stride(view));
    if (view->rows > SIZE_MAX / 2 / dtype_size(view->dtype) / view_stride(view))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu rows of stride %zu are more than an address can reach", name,
                       view->rows, view_stride(view));
    return NE_OK;
}

ne_status view_check(const ne_dense *view, const char *name)
{
    if (!view) return ne_fail(NE_INVALID_ARGUMENT, "%s: a null pointer", name);
    return check(view, name, view->dtype == NE_F32 || view->dtype == NE_F64, "NE_F32 or NE_F64");
}

ne_status view_check_integer(const ne_dense *view, const char *name)
{
    if (!view) return ne_fail(NE_INVALID_ARGUMENT, "%s: a null pointer", name);
    return check(view, name, view->dtype == NE_I32 || view->dtype == NE_I64, "NE_I32 or NE_I64");
}

ne_status view_check_output(const ne_dense *view, const char *name)
{
    const int integers = view && (view->dtype == NE_I32 || view->dtype == NE_I64);
    ne_status st       = integers ? view_check_integer(view, name) : view_check(view, name);
    if (st == NE_OK && view->place != NE_HOST)
        st = ne_fail(NE_UNSUPPORTED, "%s: place %d is not NE_HOST, the only one that is written to", name,
                     (int)view->place);
    return st;
}

ne_status view_check_shape(const ne_dense *view, const char *name, size_t rows, size_t cols)
{
    if (view->rows != rows || view->cols != cols)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu x %zu, %zu x %zu is needed", name, view->rows, view->cols, rows,
                       cols);
    return NE_OK;
}

/* The exponent bits are all ones in NaN and the infinities only; or-ing integers keeps the loop free of branches. */
static int row_is_finite_f32(const float *row, size_t count)
{
    uint32_t bad = 0;
#pragma omp simd reduction(| : bad)
    for (size_t j = 0; j < count; j++) {
        uint32_t bits;
        memcpy(&bits, row + j, sizeof bits);
        bad |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    return !bad;
}

static int row_is_finite_f64(const double *row, size_t count)
{
    uint64_t bad = 0;
#pragma omp simd reduction(| : bad)
    for (size_t j = 0; j < count; j++) {
        uint64_t bits;
        memcpy(&bits, row + j, sizeof bits);
        bad |= (bits & 0x7FF0000000000000u) == 0x7FF0000000000000u;
    }
    return !bad;
}

/* A double that the nearest float cannot hold. */
static int is_beyond_f32(double value)
{
    return !isfinite((float)value);
}

static ne_status name_bad(const ne_dense *view, const char *name, size_t row0, size_t i)
{
    const size_t row = row0 + i;
    for (size_t j = 0; j < view->cols; j++) {
        const double value = view_get(view, i, j);
        if (isnan(value)) return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %zu is nan", name, row, j);
        if (isinf(value))
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %zu is %sinf", name, row, j, value < 0 ? "-" : "");
        if (is_beyond_f32(value))
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %zu is %g, beyond single precision", name, row, j,
                           value);
    }
    return NE_OK;
}

static ne_status check_finite(const ne_dense *view, const char *name, size_t row0)
{
    const size_t stride = view_stride(view);
    for (size_t i = 0; i < view->rows; i++) {
        view_fetch_next(view, i);
        const int finite = view->dtype == NE_F32
                               ? row_is_finite_f32((const float *)view->data + i * stride, view->cols)
                               : row_is_finite_f64((const double *)view->data + i * stride, view->cols);
        if (!finite) return name_bad(view, name, row0, i);
    }
    return NE_OK;
}

ne_status view_check_finite(const ne_dense *view, const char *name)
{
    return check_finite(view, name, 0);
}

ne_status view_check_finite_f32(const ne_dense *view, const char *name)
{
    return view_check_finite_f32_from(view, name, 0);
}

ne_status view_check_finite_f32_from(const ne_dense *view, const char *name, size_t row0)
{
    ne_status st = check_finite(view, name, row0);
    for (size_t i = 0; st == NE_OK && view->dtype == NE_F64 && i < view->rows; i++) {
        const double *row = (const double *)view->data + i * view_stride(view);
        int           bad = 0;
        view_fetch_next(view, i);
        for (size_t j = 0; j < view->cols; j++) bad |= is_beyond_f32(row[j]);
        if (bad) st = name_bad(view, name, row0, i);
    }
    return st;
}

/* --- Pages of a file. */

size_t view_row_bytes(const ne_dense *view)
{
    return view_stride(view) * dtype_size(view->dtype);
}

void view_fetch(const ne_dense *view, size_t row0, size_t row1)
{
    const size_t size = view_row_bytes(view), end = row1 < view->rows ? row1 : view->rows;
    if (view->place != NE_MAPPED || row0 >= end) return;
    char        *first  = (char *)view->data + row0 * size;
    const size_t before = (uintptr_t)first % (size_t)sysconf(_SC_PAGESIZE);     /* advice is on whole pages, */
    (void)madvise(first - before, (end - row0) * size + before, MADV_WILLNEED); /* and no harm is done where it fails */
}

void view_fetch_next(const ne_dense *view, size_t row)
{
    if (view->place != NE_MAPPED) return;
    const size_t rows = AHEAD / view_row_bytes(view) + 1;
    if (row % rows == 0) view_fetch(view, row + (row ? rows : 0), row + 2 * rows);
}

/* The library's own memory is const here, and a view is not: only functions that say so write through one. */
static ne_dense view_of(const void *data, int32_t dtype, size_t rows, size_t cols)
{
    ne_dense view = {.struct_size = sizeof view, .rows = rows, .cols = cols, .stride = cols, .dtype = dtype};
    view.place    = NE_HOST;
    memcpy(&view.data, &data, sizeof data);
    return view;
}

ne_dense view_of_f32(const float *data, size_t rows, size_t cols)
{
    return view_of(data, NE_F32, rows, cols);
}

ne_dense view_of_f64(const double *data, size_t rows, size_t cols)
{
    return view_of(data, NE_F64, rows, cols);
}

void view_read_f32(const ne_dense *from, float *to)
{
    const size_t cols = from->cols, stride = view_stride(from);
    for (size_t i = 0; i < from->rows; i++) {
        view_fetch_next(from, i);
        if (from->dtype == NE_F32) {
            memcpy(to + i * cols, (const float *)from->data + i * stride, cols * sizeof *to);
        } else {
            const double *row = (const double *)from->data + i * stride;
            for (size_t j = 0; j < cols; j++) to[i * cols + j] = (float)row[j];
        }
    }
}
