/* io/npz.c: scipy.sparse.save_npz() writes "format" (csr, csc, coo, ...), "shape" and "data"; with csr and csc "indices",
 * and "indptr", where each row or column begins; with coo "row" and "col". */
#include "io/npz.h"
#include "io/read_array.h"
#include "io/read_npy.h"
#include "io/zip.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEAD        = 1 << 16, /* bytes in which every header ends */
    FORMAT_TEXT = 16
};

static const char EXTENSION[] = ".npz";

/* --- The sparse matrix */

typedef struct vector {
    bytes_source source;
    array        of;
} vector;

static ne_status vector_read(const zip *from, const char *name, vector *to)
{
    const zip_member *member = zip_find(from, name);
    if (!member) return ne_fail(NE_IO, "%s: a sparse matrix without its member '%s'", from->path, name);
    ne_status st = zip_read(from, member, &to->source);
    if (st == NE_OK) st = bytes_more(&to->source, SIZE_MAX);
    if (st == NE_OK) st = read_npy(to->source.name, &to->source.file, &to->of);
    if (st == NE_OK && to->of.dims != 1)
        st = ne_fail(NE_IO, "%s: has %zu dimensions; one is needed", to->source.name, to->of.dims);
    const size_t start = st == NE_OK ? (size_t)(to->of.data - to->source.file.data) : 0;
    if (st == NE_OK && to->of.shape[0] > 0) /* one without entries is none to array_check_size() */
        st = array_check_size(to->source.name, &to->of, to->source.file.size - start, 1);
    return st;
}

static size_t vector_size(const vector *of)
{
    return of->of.shape[0];
}

/* A whole number below limit. */
static ne_status vector_index(const vector *of, size_t i, size_t limit, size_t *value)
{
    const double number = array_number(&of->of, i);
    if (!(number >= 0 && number < (double)limit && number == floor(number)))
        return ne_fail(NE_IO, "%s: entry %zu (from 0): %.15g is outside [0, %zu)", of->source.name, i, number, limit);
    *value = (size_t)number;
    return NE_OK;
}

/* The entry of the matrix that has number i in the file. */
static ne_status npz_add(const zip *from, const vector *data, size_t i, size_t row, size_t col, triplets *to)
{
    const double value = array_number(&data->of, i);
    if (data->of.kind != 'f' && fabs(value) > ARRAY_EXACT)
        return ne_fail(NE_IO, "%s: row %zu, column %zu (from 0): an integer above 2^53 in size has no exact double",
                       from->path, row, col);
    return triplets_add(from->path, to, row, col, value);
}

static ne_status npz_format(const zip *from, char word[FORMAT_TEXT])
{
    bytes_source      source = {0};
    const zip_member *member = zip_find(from, "format");
    ne_status         st     = member ? zip_read(from, member, &source) : NE_INTERNAL;
    if (st == NE_OK) st = bytes_more(&source, HEAD);
    if (st == NE_OK) st = read_npy_word(source.name, &source.file, word, FORMAT_TEXT);
    bytes_close(&source);
    if (st == NE_OK && strcmp(word, "csr") != 0 && strcmp(word, "csc") != 0 && strcmp(word, "coo") != 0)
        st = ne_fail(NE_UNSUPPORTED, "%s: a sparse matrix of format '%s'; csr, csc and coo can be read, see tocsr()",
                     from->path, word);
    return st;
}

static ne_status npz_shape(const zip *from, size_t keep, triplets *to)
{
    vector    shape = {0};
    size_t    rows = 0, cols = 0;
    ne_status st = vector_read(from, "shape", &shape);
    if (st == NE_OK && vector_size(&shape) != 2)
        st = ne_fail(NE_IO, "%s: %zu numbers; rows and columns are needed", shape.source.name, vector_size(&shape));
    if (st == NE_OK) st = vector_index(&shape, 0, (size_t)1 << 53, &rows);
    if (st == NE_OK) st = vector_index(&shape, 1, (size_t)1 << 53, &cols);
    bytes_close(&shape.source);
    return st == NE_OK ? triplets_open(from->path, rows, cols, keep, to) : st;
}

/* indptr: from 0, not decreasing, to no more than there are entries. */
static ne_status npz_check_starts(const vector *starts, size_t lines, const vector *indices, const vector *data)
{
    const char  *name = starts->source.name;
    const size_t most = vector_size(indices) < vector_size(data) ? vector_size(indices) : vector_size(data);
    size_t       last = 0;
    ne_status    st   = NE_OK;
    if (vector_size(starts) != lines + 1)
        return ne_fail(NE_IO, "%s: %zu numbers for %zu rows or columns; one more than these is needed", name,
                       vector_size(starts), lines);
    for (size_t i = 0; i <= lines && st == NE_OK; i++) {
        size_t begin = 0;
        st           = vector_index(starts, i, most + 1, &begin);
        if (st == NE_OK && (begin < last || (i == 0 && begin != 0)))
            st = ne_fail(NE_IO, "%s: entry %zu (from 0): %zu, after %zu; they begin with 0 and do not decrease", name,
                         i, begin, last);
        last = begin;
    }
    return st;
}

static ne_status npz_compressed(const zip *from, int by_columns, const vector *data, triplets *to)
{
    const size_t lines = by_columns ? to->cols : to->rows, limit = by_columns ? to->rows : to->cols;
    const size_t wanted  = by_columns ? lines : to->keep; /* rows beyond those asked for are checked no further */
    vector       indices = {0}, starts = {0};
    ne_status    st = vector_read(from, "indices", &indices);
    if (st == NE_OK) st = vector_read(from, "indptr", &starts);
    if (st == NE_OK) st = npz_check_starts(&starts, lines, &indices, data);
    for (size_t i = 0; i < wanted && st == NE_OK; i++) {
        const size_t end = (size_t)array_number(&starts.of, i + 1);
        for (size_t k = (size_t)array_number(&starts.of, i), other = 0; k < end && st == NE_OK; k++) {
            st = vector_index(&indices, k, limit, &other);
            if (st == NE_OK) st = npz_add(from, data, k, by_columns ? other : i, by_columns ? i : other, to);
        }
    }
    bytes_close(&indices.source);
    bytes_close(&starts.source);
    return st;
}

static ne_status npz_coordinates(const zip *from, const vector *data, triplets *to)
{
    vector    rows = {0}, cols = {0};
    ne_status st = vector_read(from, "row", &rows);
    if (st == NE_OK) st = vector_read(from, "col", &cols);
    if (st == NE_OK && (vector_size(&rows) != vector_size(data) || vector_size(&cols) != vector_size(data)))
        st = ne_fail(NE_IO, "%s: 'row', 'col' and 'data' have %zu, %zu and %zu entries", from->path, vector_size(&rows),
                     vector_size(&cols), vector_size(data));
    for (size_t k = 0, row = 0, col = 0; st == NE_OK && k < vector_size(data); k++) {
        st = vector_index(&rows, k, to->rows, &row);
        if (st == NE_OK) st = vector_index(&cols, k, to->cols, &col);
        if (st == NE_OK) st = npz_add(from, data, k, row, col, to);
    }
    bytes_close(&rows.source);
    bytes_close(&cols.source);
    return st;
}

static ne_status npz_sparse(const zip *from, size_t keep, sparse *matrix)
{
    char      format[FORMAT_TEXT] = "";
    triplets  found               = {0};
    vector    data                = {0};
    ne_status st                  = npz_format(from, format);
    if (st == NE_OK) st = npz_shape(from, keep, &found);
    if (st == NE_OK) st = vector_read(from, "data", &data);
    if (st == NE_OK)
        st = strcmp(format, "coo") == 0 ? npz_coordinates(from, &data, &found)
                                        : npz_compressed(from, strcmp(format, "csc") == 0, &data, &found);
    if (st == NE_OK) st = sparse_from_triplets(from->path, &found, matrix);
    bytes_close(&data.source);
    triplets_clear(&found);
    return st;
}

/* --- One array, or that */

static const zip_member *npz_first(const zip *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (bytes_name_ends(from->member[i].name, ".npy")) return &from->member[i];
    return NULL;
}

static ne_status npz_member(const zip *from, const char *name, bytes_source *to)
{
    const zip_member *member = name ? zip_find(from, name) : npz_first(from);
    if (!member && name)
        return ne_fail(NE_IO, "%s: has no member '%s'%s%s", from->path, name, from->count ? "; its first one is " : "",
                       from->count ? from->member[0].name : "");
    if (!member) return ne_fail(NE_IO, "%s: an archive without an array: none of its members ends in .npy", from->path);
    ne_status st = zip_read(from, member, to);
    if (st == NE_OK) st = bytes_more(to, HEAD);
    if (st == NE_OK && !read_npy_knows(&to->file))
        st = ne_fail(NE_IO, "%s: not a .npy file: it does not begin with \\x93NUMPY", to->name);
    return st;
}

/* "FILE.npz:NAME": *name becomes where NAME stands; NULL: there is none, and the path is that of the file. The caller frees
 * what is returned, the path of the file. */
static char *npz_split(const char *path, const char **name)
{
    const size_t tail = sizeof EXTENSION - 1;
    *name             = NULL;
    for (const char *at = path; (at = strchr(at, ':')); at++)
        if ((size_t)(at - path) > tail && strncasecmp(at - tail, EXTENSION, tail) == 0 && at[1]) *name = at + 1;
    return *name ? strndup(path, (size_t)(*name - path) - 1) : strdup(path);
}

ne_status npz_open(const char *path, size_t keep, bytes_source *source, sparse *matrix, int *is_sparse)
{
    bytes_source whole = {0}, made = {0};
    zip          archive = {.handle = -1};
    const char  *name    = NULL;
    char        *file    = npz_split(path, &name);
    ne_status    st      = NE_OK;
    *is_sparse           = 0;
    if (!file) st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for its name", path);
    if (st == NE_OK) st = bytes_open(file, &whole);
    if (st == NE_OK) st = bytes_more(&whole, HEAD);
    if (st == NE_OK && whole.file.size == 0) st = ne_fail(NE_IO, "%s: is empty", whole.name);
    if (st != NE_OK) goto done;
    if (!zip_knows(&whole.file)) {
        if (name || bytes_name_ends(file, EXTENSION)) {
            st = ne_fail(NE_IO, "%s: not a .npz file: it does not begin as a zip archive does", whole.name);
            goto done;
        }
        whole.name = bytes_name(path); /* file is freed */
        *source    = whole;
        whole      = (bytes_source){0};
        goto done;
    }
    st         = zip_open(file, &whole, &archive);
    *is_sparse = matrix && !name && zip_find(&archive, "format") && zip_find(&archive, "shape");
    if (st == NE_OK) st = *is_sparse ? npz_sparse(&archive, keep, matrix) : npz_member(&archive, name, &made);
    if (st == NE_OK && !*is_sparse) {
        *source = made;
        made    = (bytes_source){0};
    }
done:
    zip_close(&archive);
    bytes_close(&made);
    bytes_close(&whole);
    free(file);
    return st;
}

ne_status npz_open_array(const char *path, bytes_source *source)
{
    int is_sparse = 0;
    return npz_open(path, 0, source, NULL, &is_sparse);
}
