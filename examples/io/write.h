/* io/write.h: coordinates into a .npy or .csv file. */
#ifndef IO_WRITE_H
#define IO_WRITE_H

#include "io/table.h"

#include <stdio.h>

/** What to write: y is rows x cols; ids (rows) and labels may be empty, and are left out of .npy. */
typedef struct coordinates {
    const float  *y;
    size_t        rows, cols;
    char *const  *ids;
    const labels *labels;
} coordinates;

/** Version 1.0 of the format, '<f4', C order. */
void write_npy(FILE *file, const coordinates *what);
/** A header, id,label,x,y,z as far as they are there (x1, x2, ... from four columns on), and a line a row; each number
 *  in the fewest digits that read back as the same float. */
void write_csv(FILE *file, const coordinates *what);

#endif
