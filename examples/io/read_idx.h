/* io/read_idx.h: the header of the IDX format, in which MNIST and its kin are handed out. */
#ifndef IO_READ_IDX_H
#define IO_READ_IDX_H

#include "io/array.h"
#include "io/bytes.h"

/** 1 when the bytes begin as an IDX file does. */
int read_idx_knows(const bytes *file);

/** Reads the header; to->data points into file, whose numbers need not all be there.
 *  errors   NE_IO: not such a file, or one that ends within the header. */
ne_status read_idx(const char *path, const bytes *file, array *to);

#endif
