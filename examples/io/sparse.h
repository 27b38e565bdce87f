/* io/sparse.h: a sparse matrix of a file: its entries in any order, and the same by rows, as the library takes them. */
#ifndef IO_SPARSE_H
#define IO_SPARSE_H

#include "ne.h"

typedef struct sparse {
    size_t   rows, cols;
    int64_t *start; /* rows + 1 */
    int32_t *col;   /* ascending within a row, none twice */
    void    *val;   /* all finite */
    int32_t  dtype; /* NE_F64 where a number is no float, else NE_F32 */
} sparse;

/** Entries as they come. */
typedef struct triplets {
    size_t   rows, cols;
    size_t   keep; /* rows to keep, the first ones; entries of others are dropped */
    int32_t *row, *col;
    double  *val;
    size_t   count, room;
} triplets;

/** Sets the shape; keep: the --rows that are asked for, or 0.
 *  errors   NE_IO: no rows or columns, or more than 2^31 - 1. NE_OUT_OF_RANGE: fewer rows than asked for. */
ne_status triplets_open(const char *path, size_t rows, size_t cols, size_t keep, triplets *to);
/** One more; row and col are inside the shape. errors: NE_IO: not finite. NE_OUT_OF_MEMORY. */
ne_status triplets_add(const char *path, triplets *to, size_t row, size_t col, double value);
void      triplets_clear(triplets *of);

/** By rows; entries of the same place are added up.
 *  errors   NE_IO: a sum that overflows, or a shape with a great many more rows than entries, which no data has. */
ne_status sparse_from_triplets(const char *path, const triplets *from, sparse *to);
void      sparse_clear(sparse *of);

ne_csr sparse_view(const sparse *of);
/** Rows [row0, row0 + rows) with their zeros, into rows x cols numbers of the matrix's dtype. */
void sparse_fill(const sparse *of, size_t row0, size_t rows, void *values);

#endif
