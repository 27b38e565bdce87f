/* base/sparse.h: the caller's sparse rows, checked once at the door and copied into one form: columns ascending within a
 * row, each once, and no entry that is zero. So rows that are equal have equal entries, whatever order and however many
 * zeros they came with. */
#ifndef NE_BASE_SPARSE_H
#define NE_BASE_SPARSE_H

#include "base/context.h"

typedef struct sparse {
    size_t   rows, cols;
    int32_t  dtype; /* NE_F32 or NE_F64, as it came */
    int64_t *start; /* rows + 1 */
    int32_t *col;
    void    *val;
} sparse;

/* errors: NE_INVALID_ARGUMENT, "name: row 3, column 7 is nan": a null pointer, no row or no column, a start that falls,
 * a column outside of the matrix or twice in a row, a value that is infinite as a float. NE_UNSUPPORTED: memory of a
 * device; more than 2^31 - 3 columns. NE_OUT_OF_MEMORY. */
ne_status sparse_take(ne_context *context, const ne_csr *from, const char *name, sparse *made);
void      sparse_clear(const ne_allocator *mem, sparse *with);
/* What it takes in that form, for estimates. */
double sparse_bytes(double rows, double entries, int32_t dtype);
/* What sparse_take() says of a shape. */
ne_status sparse_check_columns(size_t cols, const char *name);

/* As the rest of the library takes them: a ne_csr below this line, and anywhere behind the door, is in that form. */
static inline ne_csr sparse_view(const sparse *x)
{
    const ne_csr view = {sizeof view, x->rows, x->cols, x->start, x->col, x->val, x->dtype, NE_HOST};
    return view;
}

/* By columns: entry e of column c, start[c] <= e < start[c + 1], is in row col[e]; rows ascend within a column.
 * errors: NE_OUT_OF_MEMORY. */
ne_status sparse_transpose(ne_context *context, const ne_csr *from, sparse *made);

/* A hash of each row, and whether two rows are equal. */
uint64_t sparse_hash(const ne_csr *x, size_t row);
int      sparse_rows_are_equal(const ne_csr *x, size_t a, size_t b);

static inline double sparse_value(const ne_csr *x, int64_t e)
{
    return x->dtype == NE_F32 ? (double)((const float *)x->val)[e] : ((const double *)x->val)[e];
}

/* sum_j x_ij w_j, in double. */
static inline double sparse_dot(const ne_csr *x, size_t row, const double *w)
{
    double sum = 0;
    for (int64_t e = x->start[row]; e < x->start[row + 1]; e++) sum += sparse_value(x, e) * w[x->col[e]];
    return sum;
}

#endif
