/* io/table.h: a matrix of numbers read from a file, with what the file says about its rows. */
#ifndef IO_TABLE_H
#define IO_TABLE_H

#include "io/labels.h"
#include "io/sparse.h"
#include "ne.h"

typedef struct table {
    size_t    rows, cols;
    int32_t   dtype;  /* NE_F64 where a number of the file is no float, else NE_F32 */
    int32_t   place;  /* NE_HOST; or NE_MAPPED: values lie in map, or in store */
    void     *values; /* rows x cols, row-major, all finite; NULL where the rows are sparse */
    sparse    sparse; /* in place of values, or without rows */
    void     *map;    /* a whole file, of map_size bytes, or NULL */
    size_t    map_size;
    ne_store *store;
    char    **ids;    /* rows: from the id column; NULL without one */
    char     *text;   /* where ids stand */
    labels    labels; /* from the label column */
} table;

/** What to take of a file. Column names are those of a CSV's header; where it has none, or none of that name, a
 *  number is the place of a column, from 1. */
typedef struct table_request {
    size_t      rows; /* the first rows only; 0: all */
    const char *label_column, *id_column;
    int         optional; /* 1: a column of these names that is not there is no error */
    ne_context *stream;   /* not NULL: the rows need not fit memory; what goes into a store becomes f32 */
    int         dense;    /* 1: fill in the zeros of sparse rows */
} table_request;

/** Reads a .npy, .npz, IDX, .mtx, .csv or .tsv file, gzipped or not; all but the last two are known by their content. "-" is
 *  standard input, where tabs tell a .tsv from a .csv; "FILE.npz:NAME" is an array of an .npz. Of .npy, IDX, .csv and .tsv
 *  no more is read than the rows that are asked for.
 *  errors   NE_IO and NE_UNSUPPORTED: one sentence that names the file, and the place where there is one.
 *           NE_OUT_OF_RANGE: the file has fewer rows than asked for. NE_UNKNOWN_NAME: it has no such column. */
ne_status table_read(const char *path, const table_request *request, table *to);
void      table_clear(table *of);

/** Narrows double to float where that loses nothing. */
ne_status table_narrow(table *of);
/** Each column minus its mean, over its standard deviation; columns of one value become 0 and are counted. Rows that are
 *  mapped go into a store of the context. errors: NE_UNSUPPORTED: the rows are sparse, and their zeros would be none. */
ne_status table_standardize(const char *path, ne_context *context, table *of, size_t *constant);
/** The table as the library takes it, where it is not sparse. */
ne_dense table_view(const table *of);
int      table_is_sparse(const table *of);
/** Fills in the zeros. errors: NE_OUT_OF_MEMORY: they would not fit this machine's memory. */
ne_status table_densify(const char *path, const table_request *request, table *of);
/** Bytes of the rows with their zeros. */
double table_dense_size(const table *of);

#endif
