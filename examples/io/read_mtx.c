/* io/read_mtx.c: the Matrix Market exchange format, https://math.nist.gov/MatrixMarket/formats.html
 *
 *     %%MatrixMarket matrix coordinate real general
 *     % comments
 *     rows columns entries
 *     row column value            both from 1, in any order
 *
 * An "array" has no count of entries, and its values alone, column after column; of a symmetric one those from the diagonal
 * on. Memory is taken as the entries come, never as the header promises. */
#include "io/read_mtx.h"
#include "io/csv.h"
#include "io/sparse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char BANNER[] = "%%MatrixMarket";

enum {
    WORDS     = 5,
    WORD_TEXT = 20
};

typedef enum mtx_symmetry {
    GENERAL,
    SYMMETRIC,
    SKEW
} mtx_symmetry;

typedef struct mtx {
    const char  *path;
    csv_reader   reader; /* of lines: fields without a separator */
    int          is_array, is_pattern, is_integer;
    mtx_symmetry symmetry;
    size_t       rows, cols, count; /* as the header says */
    size_t       head_line;
} mtx;

int read_mtx_knows(const char *path, const bytes *file)
{
    return (file->size >= sizeof BANNER && strncasecmp((const char *)file->data, BANNER, sizeof BANNER - 1) == 0) ||
           bytes_name_ends_or_gz(path, ".mtx");
}

/* The next line that is neither empty nor blank nor a comment; NULL: there is none. */
static ne_status mtx_line(mtx *of, const char **line)
{
    ne_status st = NE_OK;
    do {
        st    = csv_next(&of->reader);
        *line = NULL;
        if (st != NE_OK || of->reader.count == 0) return st;
        *line = csv_trim(of->reader.field[0]);
    } while (**line == '%' || !**line);
    return st;
}

static const char *skip_blanks(const char *at)
{
    while (isspace((unsigned char)*at)) at++;
    return at;
}

/* A whole number, not negative, at *at, which is moved behind it; 0 when there is none. */
static int take_count(const char **at, size_t *value)
{
    char *end = NULL;
    *at       = skip_blanks(*at);
    if (!isdigit((unsigned char)**at)) return 0;
    errno                        = 0;
    const unsigned long long all = strtoull(*at, &end, 10);
    if (errno || all > SIZE_MAX || (*end && !isspace((unsigned char)*end))) return 0;
    *at    = end;
    *value = (size_t)all;
    return 1;
}

static int take_value(const mtx *of, const char **at, double *value)
{
    char *end = NULL;
    *value    = 1;
    if (of->is_pattern) return 1;
    *at    = skip_blanks(*at);
    *value = strtod(*at, &end);
    if (end == *at || (*end && !isspace((unsigned char)*end))) return 0;
    *at = end;
    return !of->is_integer || *value == floor(*value) || !isfinite(*value);
}

/* --- The header */

static ne_status mtx_banner(mtx *of)
{
    char      word[WORDS][WORD_TEXT] = {""};
    ne_status st                     = csv_next(&of->reader);
    if (st != NE_OK) return st;
    const char *line = of->reader.count ? of->reader.field[0] : "";
    const int   words =
        sscanf(line, "%19s %19s %19s %19s %19s", word[0], word[1], word[2], word[3], word[4]); /* WORD_TEXT - 1 */
    if (words < 1 || strcasecmp(word[0], BANNER) != 0)
        return ne_fail(NE_IO, "%s: line %zu: not a Matrix Market file: it does not begin with %s", of->path,
                       of->reader.line, BANNER);
    if (words < WORDS)
        return ne_fail(NE_IO, "%s: line %zu: %d words; %s, object, format, field and symmetry are needed", of->path,
                       of->reader.line, words, BANNER);
    of->is_array   = strcasecmp(word[2], "array") == 0;
    of->is_pattern = strcasecmp(word[3], "pattern") == 0;
    of->is_integer = strcasecmp(word[3], "integer") == 0;
    of->symmetry   = strcasecmp(word[4], "symmetric") == 0        ? SYMMETRIC
                     : strcasecmp(word[4], "skew-symmetric") == 0 ? SKEW
                                                                  : GENERAL;
    if (strcasecmp(word[1], "matrix") != 0)
        return ne_fail(NE_UNSUPPORTED, "%s: line %zu: '%s' is not supported; matrix is", of->path, of->reader.line,
                       word[1]);
    if (!of->is_array && strcasecmp(word[2], "coordinate") != 0)
        return ne_fail(NE_UNSUPPORTED, "%s: line %zu: format '%s' is not supported; coordinate and array are", of->path,
                       of->reader.line, word[2]);
    if (!of->is_pattern && !of->is_integer && strcasecmp(word[3], "real") != 0 && strcasecmp(word[3], "double") != 0)
        return ne_fail(NE_UNSUPPORTED, "%s: line %zu: field '%s' is not supported; real, integer and pattern are",
                       of->path, of->reader.line, word[3]);
    if (of->symmetry == GENERAL && strcasecmp(word[4], "general") != 0)
        return ne_fail(NE_UNSUPPORTED,
                       "%s: line %zu: symmetry '%s' is not supported; general, symmetric and skew-symmetric are",
                       of->path, of->reader.line, word[4]);
    if (of->is_pattern && (of->is_array || of->symmetry == SKEW))
        return ne_fail(NE_IO, "%s: line %zu: a pattern has no values, which %s needs", of->path, of->reader.line,
                       of->is_array ? "an array" : "skew symmetry");
    return NE_OK;
}

static ne_status mtx_shape(mtx *of)
{
    const char *line = NULL;
    ne_status   st   = mtx_line(of, &line);
    if (st != NE_OK) return st;
    if (!line) return ne_fail(NE_IO, "%s: truncated: it ends before the line of its shape", of->path);
    of->head_line           = of->reader.line;
    const char *const whole = line;
    if (!take_count(&line, &of->rows) || !take_count(&line, &of->cols) ||
        (!of->is_array && !take_count(&line, &of->count)) || *skip_blanks(line))
        return ne_fail(NE_IO, "%s: line %zu: '%.60s' is no shape; rows%s columns%s are needed, as whole numbers",
                       of->path, of->head_line, whole, of->is_array ? " and" : ",", of->is_array ? "" : " and entries");
    if (of->symmetry != GENERAL && of->rows != of->cols)
        return ne_fail(NE_IO, "%s: line %zu: %zu x %zu is not square, and so not symmetric", of->path, of->head_line,
                       of->rows, of->cols);
    return NE_OK;
}

/* Nothing may follow. */
static ne_status mtx_end(mtx *of, const char *what, size_t count)
{
    const char *line = NULL;
    ne_status   st   = mtx_line(of, &line);
    if (st != NE_OK || !line) return st;
    return ne_fail(NE_IO, "%s: line %zu: '%.60s' follows the %zu %s that line %zu says", of->path, of->reader.line,
                   line, count, what, of->head_line);
}

/* --- The entries */

static ne_status mtx_entry(const mtx *of, const char *line, triplets *to)
{
    const char *at  = line;
    size_t      row = 0, col = 0;
    double      value = 0;
    if (!take_count(&at, &row) || !take_count(&at, &col) || !take_value(of, &at, &value) || *skip_blanks(at))
        return ne_fail(NE_IO, "%s: line %zu: '%.60s' is no entry; row, column%s are needed", of->path, of->reader.line,
                       line,
                       of->is_pattern   ? ""
                       : of->is_integer ? " and a whole number"
                                        : " and a number");
    if (row < 1 || row > of->rows || col < 1 || col > of->cols)
        return ne_fail(NE_IO, "%s: line %zu: row %zu, column %zu (from 1) is outside of %zu x %zu", of->path,
                       of->reader.line, row, col, of->rows, of->cols);
    if (!isfinite(value))
        return ne_fail(NE_IO, "%s: line %zu: row %zu, column %zu (from 1): %g is not finite", of->path, of->reader.line,
                       row, col, value);
    if (of->symmetry == SKEW && row == col && value != 0)
        return ne_fail(NE_IO,
                       "%s: line %zu: row %zu, column %zu (from 1): %g on the diagonal of a skew-symmetric matrix",
                       of->path, of->reader.line, row, col, value);
    ne_status st = triplets_add(of->path, to, row - 1, col - 1, value);
    if (st == NE_OK && of->symmetry != GENERAL && row != col)
        st = triplets_add(of->path, to, col - 1, row - 1, of->symmetry == SKEW ? -value : value);
    return st;
}

static ne_status mtx_coordinates(mtx *of, const table_request *request, table *to)
{
    triplets  found = {0};
    ne_status st    = triplets_open(of->path, of->rows, of->cols, request->rows, &found);
    for (size_t k = 0; k < of->count && st == NE_OK; k++) {
        const char *line = NULL;
        st               = mtx_line(of, &line);
        if (st == NE_OK && !line)
            st = ne_fail(NE_IO, "%s: truncated: it has %zu of the %zu entries that line %zu says", of->path, k,
                         of->count, of->head_line);
        if (st == NE_OK) st = mtx_entry(of, line, &found);
    }
    if (st == NE_OK) st = mtx_end(of, "entries", of->count);
    if (st == NE_OK) st = sparse_from_triplets(of->path, &found, &to->sparse);
    to->rows = to->sparse.rows;
    to->cols = to->sparse.cols;
    triplets_clear(&found);
    return st;
}

/* --- The values of an array */

typedef struct values {
    double *value;
    size_t  count, room;
} values;

static ne_status values_add(const char *path, values *to, double value)
{
    if (to->count == to->room) {
        const size_t room   = 2 * to->room + 4096;
        double      *larger = to->room > SIZE_MAX / 4 / sizeof value ? NULL : realloc(to->value, room * sizeof value);
        if (!larger) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for more than %zu numbers", path, to->count);
        to->value = larger;
        to->room  = room;
    }
    to->value[to->count++] = value;
    return NE_OK;
}

/* One number a line, or several. */
static ne_status mtx_numbers(mtx *of, size_t wanted, values *to)
{
    ne_status st = NE_OK;
    while (to->count < wanted && st == NE_OK) {
        const char *line = NULL;
        st               = mtx_line(of, &line);
        if (st == NE_OK && !line)
            st = ne_fail(NE_IO, "%s: truncated: it has %zu of the %zu numbers that line %zu says", of->path, to->count,
                         wanted, of->head_line);
        for (const char *at = line; st == NE_OK && *skip_blanks(at);) {
            const char *const word  = skip_blanks(at);
            double            value = 0;
            if (!take_value(of, &at, &value) || !isfinite(value))
                st = ne_fail(NE_IO, "%s: line %zu: '%.60s' is not a finite %s", of->path, of->reader.line, word,
                             of->is_integer ? "whole number" : "number");
            else if (to->count == wanted)
                st = ne_fail(NE_IO, "%s: line %zu: more numbers than the %zu that line %zu says", of->path,
                             of->reader.line, wanted, of->head_line);
            else st = values_add(of->path, to, value);
        }
    }
    return st == NE_OK ? mtx_end(of, "numbers", wanted) : st;
}

/* Column j of a symmetric array has the rows from j on; of a skew-symmetric one those from j + 1 on. */
static size_t mtx_first_row(const mtx *of, size_t col)
{
    return of->symmetry == GENERAL ? 0 : of->symmetry == SYMMETRIC ? col : col + 1;
}

static ne_status mtx_turn(const mtx *of, const values *from, size_t rows, table *to)
{
    const double *at   = from->value;
    double       *made = calloc(rows * of->cols, sizeof *made); /* not more than `from` has, or twice as much */
    if (!made) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu x %zu numbers", of->path, rows, of->cols);
    for (size_t j = 0; j < of->cols; j++)
        for (size_t i = mtx_first_row(of, j); i < of->rows; i++, at++) {
            if (i < rows) made[i * of->cols + j] = *at;
            if (of->symmetry != GENERAL && i != j && j < rows)
                made[j * of->cols + i] = of->symmetry == SKEW ? -*at : *at;
        }
    to->rows   = rows;
    to->cols   = of->cols;
    to->dtype  = NE_F64;
    to->values = made;
    return table_narrow(to);
}

static ne_status mtx_array(mtx *of, const table_request *request, table *to)
{
    const size_t rows  = request->rows ? request->rows : of->rows;
    values       found = {0};
    size_t       wanted;
    ne_status    st = NE_OK;
    if (of->rows == 0 || of->cols == 0)
        return ne_fail(NE_IO, "%s: holds no numbers: its shape is %zu x %zu", of->path, of->rows, of->cols);
    if (of->rows > SIZE_MAX / sizeof(double) / of->cols)
        return ne_fail(NE_IO, "%s: line %zu: %zu x %zu numbers, more than memory can address", of->path, of->head_line,
                       of->rows, of->cols);
    if (rows > of->rows)
        return ne_fail(NE_OUT_OF_RANGE, "--rows: %zu is above the %zu rows of %s", rows, of->rows, of->path);
    wanted = of->symmetry == GENERAL ? of->rows * of->cols : of->rows * (of->rows - 1) / 2;
    if (of->symmetry == SYMMETRIC) wanted += of->rows;
    st = mtx_numbers(of, wanted, &found);
    if (st == NE_OK) st = mtx_turn(of, &found, rows, to);
    free(found.value);
    return st;
}

ne_status read_mtx(const char *path, bytes_source *source, const table_request *request, table *to)
{
    mtx       of        = {.path = path};
    ne_status st        = csv_open(path, source, &of.reader);
    of.reader.separator = 0; /* whatever the name */
    if (st == NE_OK) st = mtx_banner(&of);
    if (st == NE_OK) st = mtx_shape(&of);
    if (st == NE_OK) st = of.is_array ? mtx_array(&of, request, to) : mtx_coordinates(&of, request, to);
    csv_close(&of.reader);
    return st;
}
