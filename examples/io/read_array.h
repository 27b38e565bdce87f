/* io/read_array.h: .npy or IDX, whichever the file is. */
#ifndef IO_READ_ARRAY_H
#define IO_READ_ARRAY_H

#include "io/array.h"
#include "io/bytes.h"

/** 1 when the bytes begin as such a file does, or its name ends in .npy. */
int read_array_knows(const char *path, const bytes *file);

/** Reads the header, and checks the size that it promises against that of the whole file, where that is known; the
 *  numbers need not all be there.
 *  errors   those of read_npy() and read_idx(); NE_IO with both sizes. */
ne_status read_array(const char *path, const bytes *file, array *to);

/** How many bytes of the file its first rows take, header included; SIZE_MAX: all, for a matrix in Fortran order. */
size_t read_array_size(const bytes *file, const array *of, size_t rows);

#endif
