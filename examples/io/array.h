/* io/array.h: an n-dimensional array of numbers as a file holds it: any width, either byte order, either index order.
 * What .npy and IDX have in common. */
#ifndef IO_ARRAY_H
#define IO_ARRAY_H

#include "ne.h"

enum {
    ARRAY_DIMS = 8
};

/** 2^53: up to here every integer is a double. */
static const double ARRAY_EXACT = 9007199254740992.0;

typedef struct array {
    const unsigned char *data; /* inside the file's bytes; not aligned */
    size_t               dims; /* 1 to ARRAY_DIMS */
    size_t               shape[ARRAY_DIMS];
    int                  kind; /* 'f', 'i', 'u' or 'b', as NumPy names them */
    size_t               size; /* bytes a number: 1, 2, 4 or 8; 2 of kind 'f' are IEEE half precision */
    int                  big_endian;
    int                  fortran; /* 1: the first index runs fastest */
    size_t               before;  /* rows of the file that stood before data, for error texts */
} array;

/** Checks that `available` bytes, which follow the header, are what the numbers need, or where exact is 0 that they are
 *  enough; no product may overflow.
 *  errors   NE_IO with both sizes. */
ne_status array_check_size(const char *path, const array *from, size_t available, int exact);

/** The array as a rows x cols matrix: the first dimension is rows, the others are laid one after the other. */
size_t array_rows(const array *from);
size_t array_cols(const array *from);

/** 1 when its bytes are, as they stand, a row-major matrix of this machine's float or double. */
int array_is_native(const array *from);

/** The number at a place in the file's order, of any kind and size. */
double array_number(const array *from, size_t place);

/** Writes the numbers of some rows, row by row. errors: NE_IO for an integer that a double can't hold. */
ne_status array_to_double(const char *path, const array *from, size_t row0, size_t rows, double *values);
/** For kinds that fit: see array_fits_float. */
void array_to_float(const array *from, size_t row0, size_t rows, float *values);
int  array_fits_float(const array *from);

#endif
