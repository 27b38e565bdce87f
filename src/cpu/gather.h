/* cpu/gather.h: rows of a product with a matrix of which few entries are listed, the innermost part of a walk's steps.
 *
 *     sums_i += sum over the count_i entries of row i of w_e panel_(at_e)
 *
 * Rows of sums and of the panel have GATHER_WIDTH numbers, the sums of one row being in registers; a panel of up to 256
 * rows, which is 64 KiB, stays near. */
#ifndef NE_CPU_GATHER_H
#define NE_CPU_GATHER_H

#include <stddef.h>

enum {
    GATHER_WIDTH = 64
};

void gather_rows(size_t rows, const unsigned char *count, const unsigned char *at, const float *w, const float *panel,
                 float *sums);

#endif
