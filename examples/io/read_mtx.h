/* io/read_mtx.h: the Matrix Market exchange format: sparse ("coordinate") or dense ("array"). */
#ifndef IO_READ_MTX_H
#define IO_READ_MTX_H

#include "io/bytes.h"
#include "io/table.h"

/** 1 when the bytes begin as such a file does, or its name ends in .mtx. */
int read_mtx_knows(const char *path, const bytes *file);

/** Reads the matrix into to->sparse, or to->values where the file is of an array. Takes real, integer and pattern (all
 *  ones), general, symmetric and skew-symmetric.
 *  errors   NE_IO, NE_UNSUPPORTED: the text names the line. */
ne_status read_mtx(const char *path, bytes_source *source, const table_request *request, table *to);

#endif
