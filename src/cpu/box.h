/* cpu/box.h: the bounding box of a layout, and whether all of it is finite. */
#ifndef NE_CPU_BOX_H
#define NE_CPU_BOX_H

#include "base/context.h"

enum {
    BOX_AXES = 3
};

typedef struct box {
    int   finite; /* 0: low and high say nothing */
    float low[BOX_AXES], high[BOX_AXES];
} box;

/* Of n points z (n x c, c <= BOX_AXES, row-major). Cost: one read of z. */
box box_of(const ne_context *context, size_t n, size_t c, const float *z);

double box_extent(const box *of, size_t c); /* the longest side */

#endif
