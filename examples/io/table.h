/* io/table.h: a matrix of numbers read from a file, with what the file says about its rows. */
#ifndef IO_TABLE_H
#define IO_TABLE_H

#include "io/labels.h"
#include "ne.h"

typedef struct table {
    size_t  rows, cols;
    int32_t dtype;  /* NE_F64 where a number of the file is no float, else NE_F32 */
    void   *values; /* rows x cols, row-major, all finite */
    char  **ids;    /* rows: from the id column; NULL without one */
    char   *text;   /* where ids stand */
    labels  labels; /* from the label column */
} table;

/** What to take of a file. Column names are those of a CSV's header; where it has none, or none of that name, a
 *  number is the place of a column, from 1. */
typedef struct table_request {
    size_t      rows; /* the first rows only; 0: all */
    const char *label_column, *id_column;
    int         optional; /* 1: a column of these names that is not there is no error */
} table_request;

/** Reads a .npy, IDX, .csv or .tsv file, gzipped or not; the first two are known by their content. "-" is standard
 *  input, where tabs tell a .tsv from a .csv. Of a .npy or IDX no more is read than the rows that are asked for.
 *  errors   NE_IO and NE_UNSUPPORTED: one sentence that names the file, and the place where there is one.
 *           NE_OUT_OF_RANGE: the file has fewer rows than asked for. NE_UNKNOWN_NAME: it has no such column. */
ne_status table_read(const char *path, const table_request *request, table *to);
void      table_clear(table *of);

/** Narrows double to float where that loses nothing. */
ne_status table_narrow(table *of);
/** Each column minus its mean, over its standard deviation; columns of one value become 0 and are counted. */
ne_status table_standardize(const char *path, table *of, size_t *constant);
/** The table as the library takes it. */
ne_dense table_view(const table *of);

#endif
