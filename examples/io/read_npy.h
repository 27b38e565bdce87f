/* io/read_npy.h: the header of NumPy's .npy format, versions 1 to 3. */
#ifndef IO_READ_NPY_H
#define IO_READ_NPY_H

#include "io/array.h"
#include "io/bytes.h"

/** 1 when the bytes begin as a .npy file does. */
int read_npy_knows(const bytes *file);

/** Reads the header; to->data points into file, whose numbers need not all be there. Takes f2, f4, f8, b1 and the
 *  integers of 1 to 8 bytes, little- and big-endian, C order, and Fortran order of up to two dimensions.
 *  errors   NE_IO: not such a file, or one that ends within the header. NE_UNSUPPORTED: another type or order. */
ne_status read_npy(const char *path, const bytes *file, array *to);

/** The letters and digits of an array of one word, of kind 'S' or 'U', cut to size bytes with the closing 0. */
ne_status read_npy_word(const char *path, const bytes *file, char *word, size_t size);

#endif
