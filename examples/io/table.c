/* io/table.c: a matrix of numbers read from a file. */
#include "io/table.h"
#include "io/array.h"
#include "io/bytes.h"
#include "io/npz.h"
#include "io/read_array.h"
#include "io/read_csv.h"
#include "io/read_mtx.h"
#include "io/stream.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double GIBIBYTE = 1073741824.0;

static double table_number(const table *of, size_t place)
{
    return of->dtype == NE_F64 ? ((const double *)of->values)[place] : (double)((const float *)of->values)[place];
}

static ne_status table_check_finite(const char *path, const table *of)
{
    for (size_t i = 0; i < of->rows; i++)
        for (size_t j = 0; j < of->cols; j++) {
            const double number = table_number(of, i * of->cols + j);
            if (!isfinite(number))
                return ne_fail(NE_IO, "%s: row %zu, column %zu (from 0): %g is not finite", path, i, j, number);
        }
    return NE_OK;
}

/* The file's own bytes become the table's where they are what the library takes: a large file is then held once. */
static void table_adopt(bytes *file, const array *from, table *to)
{
    const size_t size = to->rows * to->cols * from->size; /* array_check_size has checked the product */
    memmove(file->data, from->data, size);
    to->values = realloc(file->data, size);
    if (!to->values) to->values = file->data; /* it stays as large as it was */
    to->dtype = from->size == 8 ? NE_F64 : NE_F32;
    *file     = (bytes){0};
}

static ne_status table_convert(const char *path, const array *from, table *to)
{
    const size_t rows = array_rows(from); /* all of them in Fortran order, where a row is not in one piece */
    const size_t size = array_fits_float(from) ? sizeof(float) : sizeof(double);
    to->dtype         = size == sizeof(float) ? NE_F32 : NE_F64;
    to->values        = rows > SIZE_MAX / size / to->cols ? NULL : malloc(rows * to->cols * size);
    if (!to->values) {
        ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu x %zu numbers", path, rows, to->cols);
        return NE_OUT_OF_MEMORY;
    }
    if (to->dtype == NE_F64) return array_to_double(path, from, 0, rows, to->values);
    array_to_float(from, 0, rows, to->values);
    return NE_OK;
}

static ne_status table_check_columns(const char *path, const table_request *request)
{
    if (request->optional || (!request->label_column && !request->id_column)) return NE_OK;
    return ne_fail(NE_UNKNOWN_NAME, "%s: has no named columns; --label-column and --id-column are for .csv and .tsv",
                   path);
}

/* The rows that are asked for are read, and no more of the file than they take. */
static ne_status table_from_array(const char *file, bytes_source *source, const table_request *request, table *to)
{
    const char *path = source->name;
    array       from;
    ne_status   st = read_array(path, &source->file, &from);
    if (st != NE_OK) return st;
    st = table_check_columns(path, request);
    if (st != NE_OK) return st;
    if (from.dims < 2)
        return ne_fail(NE_IO, "%s: has one dimension of %zu numbers; rows and columns are needed", path, from.shape[0]);

    to->cols = array_cols(&from);
    to->rows = array_rows(&from);
    if (request->rows > to->rows)
        return ne_fail(NE_OUT_OF_RANGE, "--rows: %zu is above the %zu rows of %s", request->rows, to->rows, path);
    if (request->rows) to->rows = request->rows;
    if (request->stream) return stream_array(file, source, &from, request->stream, to);
    st = bytes_more(source, read_array_size(&source->file, &from, to->rows));
    if (st == NE_OK) st = read_array(path, &source->file, &from); /* again: the bytes may have moved */
    if (st != NE_OK) return st;
    if (!from.fortran) from.shape[0] = to->rows;
    st = array_check_size(path, &from, source->file.size - (size_t)(from.data - source->file.data), 0);
    if (st != NE_OK) return st;
    if (array_is_native(&from)) table_adopt(&source->file, &from, to);
    else st = table_convert(path, &from, to);
    if (st == NE_OK) st = table_check_finite(path, to);
    if (st == NE_OK && from.kind != 'f') st = table_narrow(to);
    return st;
}

ne_status table_read(const char *path, const table_request *request, table *to)
{
    bytes_source source    = {0};
    table        made      = {0};
    int          is_sparse = 0;
    ne_status    st        = npz_open(path, request->rows, &source, &made.sparse, &is_sparse);
    if (st != NE_OK) goto done;

    if (is_sparse) {
        made.rows = made.sparse.rows;
        made.cols = made.sparse.cols;
        st        = table_check_columns(bytes_name(path), request);
    } else if (read_mtx_knows(path, &source.file)) {
        st = table_check_columns(source.name, request);
        if (st == NE_OK) st = read_mtx(source.name, &source, request, &made);
    } else if (read_array_knows(path, &source.file)) {
        st = table_from_array(path, &source, request, &made);
    } else if (bytes_name_ends_or_gz(path, ".csv") || bytes_name_ends_or_gz(path, ".tsv") || bytes_is_stdin(path)) {
        st = read_csv(source.name, &source, request, &made);
    } else {
        st = ne_fail(NE_UNSUPPORTED, "%s: neither .npy, .npz, IDX, .mtx, .csv nor .tsv", path);
    }
    if (st == NE_OK && request->dense && table_is_sparse(&made)) st = table_densify(bytes_name(path), request, &made);
    if (st == NE_OK) {
        *to  = made;
        made = (table){0};
    }
done:
    table_clear(&made);
    bytes_close(&source);
    return st;
}

void table_clear(table *of)
{
    if (of->place == NE_HOST) free(of->values);
    stream_clear(of);
    sparse_clear(&of->sparse);
    free(of->ids);
    free(of->text);
    labels_clear(&of->labels);
    *of = (table){0};
}

ne_status table_narrow(table *of)
{
    const size_t  count = of->rows * of->cols;
    const double *wide  = of->values;
    if (of->dtype != NE_F64 || count == 0) return NE_OK;
    for (size_t i = 0; i < count; i++)
        if (!(fabs(wide[i]) <= 3.0e38) || (double)(float)wide[i] != wide[i]) return NE_OK; /* a cast may not overflow */

    float *narrow = malloc(count * sizeof *narrow);
    if (!narrow) return ne_fail(NE_OUT_OF_MEMORY, "no memory for %zu x %zu numbers", of->rows, of->cols);
    for (size_t i = 0; i < count; i++) narrow[i] = (float)wide[i];
    free(of->values);
    of->values = narrow;
    of->dtype  = NE_F32;
    return NE_OK;
}

/* --- Sparse rows */

int table_is_sparse(const table *of)
{
    return of->sparse.rows > 0;
}

double table_dense_size(const table *of)
{
    return (double)of->rows * (double)of->cols * (of->sparse.dtype == NE_F64 ? sizeof(double) : sizeof(float));
}

static ne_status sparse_rows(const void *user, size_t row0, size_t rows, void *values)
{
    sparse_fill(user, row0, rows, values);
    return NE_OK;
}

ne_status table_densify(const char *path, const table_request *request, table *of)
{
    const double size = table_dense_size(of);
    const double most = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    sparse      *from = &of->sparse;
    if (request->stream) {
        const ne_status st = stream_rows(path, request->stream, of->rows, of->cols, from->dtype, sparse_rows, from, of);
        if (st == NE_OK) sparse_clear(from);
        return st;
    }
    void *values = size <= most ? malloc((size_t)size) : NULL;
    if (!values)
        return ne_fail(NE_OUT_OF_MEMORY, "%s: --dense: %zu x %zu numbers take %.1f GiB, and this machine has %.1f GiB",
                       path, of->rows, of->cols, size / GIBIBYTE, most / GIBIBYTE);
    sparse_fill(from, 0, of->rows, values);
    of->values = values;
    of->dtype  = from->dtype;
    sparse_clear(from);
    return NE_OK;
}

/* --- Standardizing */

typedef struct standard {
    const table *of;
    double      *mean, *scale;
} standard;

static ne_status standard_rows(const void *user, size_t row0, size_t rows, void *values)
{
    const standard *by   = user;
    const size_t    cols = by->of->cols;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            const size_t place  = i * cols + j;
            const double number = (table_number(by->of, row0 * cols + place) - by->mean[j]) * by->scale[j];
            if (by->of->dtype == NE_F64) ((double *)values)[place] = number;
            else ((float *)values)[place] = (float)number;
        }
    return NE_OK;
}

/* Two passes by rows, as the matrix lies in memory or in a file: sums, then sums of squares about the mean. */
ne_status table_standardize(const char *path, ne_context *context, table *of, size_t *constant)
{
    ne_status    st   = NE_OK;
    double      *mean = calloc(of->cols, sizeof *mean), *scale = calloc(of->cols, sizeof *scale);
    const double n = (double)of->rows;
    if (table_is_sparse(of)) {
        st = ne_fail(NE_UNSUPPORTED, "%s: --standardize: sparse rows would lose their zeros; give --dense too", path);
        goto done;
    }
    if (!mean || !scale) {
        st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu columns", path, of->cols);
        goto done;
    }
    for (size_t i = 0; i < of->rows; i++)
        for (size_t j = 0; j < of->cols; j++) mean[j] += table_number(of, i * of->cols + j) / n;
    for (size_t i = 0; i < of->rows; i++)
        for (size_t j = 0; j < of->cols; j++) {
            const double from_mean = table_number(of, i * of->cols + j) - mean[j];
            scale[j] += from_mean * from_mean / n;
        }
    *constant = 0;
    for (size_t j = 0; j < of->cols; j++) {
        if (!isfinite(scale[j])) {
            st = ne_fail(NE_IO, "%s: column %zu (from 0): %s", path, j,
                         isfinite(mean[j]) ? "too large to standardize, its variance overflows"
                                           : "too large to standardize, or not finite");
            goto done;
        }
        /* A column of one value is left with the rounding of its mean, of n additions. */
        const int flat = sqrt(scale[j]) <= fabs(mean[j]) * n * 2.2e-16;
        scale[j]       = flat ? 0 : 1 / sqrt(scale[j]);
        *constant += (size_t)flat;
    }
    const standard by = {of, mean, scale};
    st = of->place == NE_MAPPED ? stream_rows(path, context, of->rows, of->cols, of->dtype, standard_rows, &by, of)
                                : standard_rows(&by, 0, of->rows, of->values);
done:
    free(mean);
    free(scale);
    return st;
}

ne_dense table_view(const table *of)
{
    return (ne_dense){.struct_size = sizeof(ne_dense),
                      .data        = of->values,
                      .rows        = of->rows,
                      .cols        = of->cols,
                      .dtype       = of->dtype,
                      .place       = of->place};
}
