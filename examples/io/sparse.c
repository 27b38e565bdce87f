/* io/sparse.c: entries sorted by rows: counted, put in place, then each row by itself. O(entries log(entries of a row)). */
#include "io/sparse.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEW_ROWS   = 1000000, /* up to here any share of empty rows goes */
    EMPTY_ROWS = 64       /* beyond it a row of so many has an entry, or the header lies */
};

typedef struct entry {
    int32_t col;
    size_t  order; /* the entries of one place are added in the order of the file */
    double  val;
} entry;

/* --- Entries as they come */

ne_status triplets_open(const char *path, size_t rows, size_t cols, size_t keep, triplets *to)
{
    *to = (triplets){.rows = rows, .cols = cols, .keep = keep ? keep : rows};
    if (rows == 0 || cols == 0) return ne_fail(NE_IO, "%s: holds no numbers: its shape is %zu x %zu", path, rows, cols);
    if (rows > INT32_MAX || cols > INT32_MAX)
        return ne_fail(NE_IO, "%s: its shape is %zu x %zu; sparse matrices of up to 2147483647 are taken", path, rows,
                       cols);
    if (keep > rows) return ne_fail(NE_OUT_OF_RANGE, "--rows: %zu is above the %zu rows of %s", keep, rows, path);
    return NE_OK;
}

static int triplets_grow(triplets *to)
{
    if (to->room > SIZE_MAX / sizeof *to->val / 2 - 4096) return 0;
    const size_t room = 2 * to->room + 4096;
    int32_t     *row  = realloc(to->row, room * sizeof *row);
    if (row) to->row = row;
    int32_t *col = realloc(to->col, room * sizeof *col);
    if (col) to->col = col;
    double *val = realloc(to->val, room * sizeof *val);
    if (val) to->val = val;
    if (!row || !col || !val) return 0;
    to->room = room;
    return 1;
}

ne_status triplets_add(const char *path, triplets *to, size_t row, size_t col, double value)
{
    if (row >= to->keep) return NE_OK;
    if (!isfinite(value))
        return ne_fail(NE_IO, "%s: row %zu, column %zu (from 0): %g is not finite", path, row, col, value);
    if (to->count == to->room && !triplets_grow(to))
        return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for more than %zu entries", path, to->count);
    to->row[to->count] = (int32_t)row;
    to->col[to->count] = (int32_t)col;
    to->val[to->count] = value;
    to->count++;
    return NE_OK;
}

void triplets_clear(triplets *of)
{
    free(of->row);
    free(of->col);
    free(of->val);
    *of = (triplets){0};
}

/* --- By rows */

static int entry_before(const void *left, const void *right)
{
    const entry *a = left, *b = right;
    if (a->col != b->col) return a->col < b->col ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* Sorts one row and adds up what is there twice; returns what is left of count. */
static size_t sparse_sort_row(int32_t *col, double *val, size_t count, entry *room)
{
    size_t sorted = 1, left = 0;
    for (size_t k = 1; k < count; k++) sorted += col[k - 1] < col[k];
    if (count == 0 || sorted == count) return count;
    for (size_t k = 0; k < count; k++) room[k] = (entry){col[k], k, val[k]};
    qsort(room, count, sizeof *room, entry_before);
    for (size_t k = 0; k < count; k++) {
        if (left > 0 && col[left - 1] == room[k].col) {
            val[left - 1] += room[k].val;
        } else {
            col[left]   = room[k].col;
            val[left++] = room[k].val;
        }
    }
    return left;
}

/* Puts the entries in the order of their rows; start[i + 1] becomes where row i begins. */
static void sparse_scatter(const triplets *from, sparse *to)
{
    double *val = to->val;
    for (size_t k = 0; k < from->count; k++) to->start[from->row[k] + 1]++;
    for (size_t i = 0; i < to->rows; i++) to->start[i + 1] += to->start[i];
    for (size_t k = from->count; k-- > 0;) { /* from the back, so that start becomes where each row begins */
        const size_t place = (size_t)--to->start[from->row[k] + 1];
        to->col[place]     = from->col[k];
        val[place]         = from->val[k];
    }
}

/* From start[i + 1], where row i begins, to start[i]: the last row ends with the entries. */
static ne_status sparse_sort(const char *path, size_t count, sparse *to)
{
    double   *val     = to->val;
    size_t    longest = 0, left = 0;
    ne_status st = NE_OK;
    for (size_t i = 0; i < to->rows; i++) {
        const size_t end    = i + 1 < to->rows ? (size_t)to->start[i + 2] : count;
        const size_t length = end - (size_t)to->start[i + 1];
        longest             = length > longest ? length : longest;
    }
    entry *room = longest < SIZE_MAX / sizeof *room ? malloc((longest + 1) * sizeof *room) : NULL;
    if (!room) return ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for a row of %zu entries", path, longest);
    for (size_t i = 0; i < to->rows && st == NE_OK; i++) {
        const size_t begin = (size_t)to->start[i + 1], end = i + 1 < to->rows ? (size_t)to->start[i + 2] : count;
        const size_t kept = sparse_sort_row(to->col + begin, val + begin, end - begin, room);
        memmove(to->col + left, to->col + begin, kept * sizeof *to->col);
        memmove(val + left, val + begin, kept * sizeof *val);
        to->start[i] = (int64_t)left;
        for (size_t k = left; k < left + kept && st == NE_OK; k++)
            if (!isfinite(val[k]))
                st = ne_fail(NE_IO, "%s: row %zu, column %d (from 0): the entries of this place add up to %g", path, i,
                             (int)to->col[k], val[k]);
        left += kept;
    }
    to->start[to->rows] = (int64_t)left;
    free(room);
    return st;
}

static void sparse_narrow(sparse *of)
{
    const size_t  count = (size_t)of->start[of->rows];
    const double *wide  = of->val;
    float        *narrow;
    for (size_t k = 0; k < count; k++)
        if (!(fabs(wide[k]) <= 3.0e38) || (double)(float)wide[k] != wide[k]) return;
    narrow = malloc((count + 1) * sizeof *narrow);
    if (!narrow) return; /* it stays as wide as it is */
    for (size_t k = 0; k < count; k++) narrow[k] = (float)wide[k];
    free(of->val);
    of->val   = narrow;
    of->dtype = NE_F32;
}

ne_status sparse_from_triplets(const char *path, const triplets *from, sparse *to)
{
    sparse    made = {.rows = from->keep, .cols = from->cols, .dtype = NE_F64};
    ne_status st   = NE_OK;
    if (from->rows > FEW_ROWS && from->keep == from->rows && from->rows / EMPTY_ROWS > from->count)
        return ne_fail(NE_IO, "%s: its shape is %zu x %zu, and it has %zu entries; hardly a row would not be empty",
                       path, from->rows, from->cols, from->count);
    made.start = calloc(made.rows + 1, sizeof *made.start);
    made.col   = malloc((from->count + 1) * sizeof *made.col);
    made.val   = malloc((from->count + 1) * sizeof(double));
    if (!made.start || !made.col || !made.val)
        st = ne_fail(NE_OUT_OF_MEMORY, "%s: no memory for %zu entries", path, from->count);
    if (st == NE_OK) {
        sparse_scatter(from, &made);
        st = sparse_sort(path, from->count, &made);
    }
    if (st == NE_OK) {
        sparse_narrow(&made);
        *to  = made;
        made = (sparse){0};
    }
    sparse_clear(&made);
    return st;
}

void sparse_clear(sparse *of)
{
    free(of->start);
    free(of->col);
    free(of->val);
    *of = (sparse){0};
}

ne_csr sparse_view(const sparse *of)
{
    return (ne_csr){.struct_size = sizeof(ne_csr),
                    .rows        = of->rows,
                    .cols        = of->cols,
                    .start       = of->start,
                    .col         = of->col,
                    .val         = of->val,
                    .dtype       = of->dtype,
                    .place       = NE_HOST};
}

void sparse_fill(const sparse *of, size_t row0, size_t rows, void *values)
{
    const size_t size = of->dtype == NE_F64 ? sizeof(double) : sizeof(float);
    memset(values, 0, rows * of->cols * size);
    for (size_t i = 0; i < rows; i++)
        for (int64_t k = of->start[row0 + i]; k < of->start[row0 + i + 1]; k++)
            memcpy((char *)values + (i * of->cols + (size_t)of->col[k]) * size,
                   (const char *)of->val + (size_t)k * size, size);
}
