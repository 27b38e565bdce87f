/* cpu/curve.h: points of two or three columns in the order of the Hilbert curve through a grid.
 *
 * The key of a point is the place of its cell on the curve; its digits of 2 or 3 bits name the cell's quarter or eighth
 * at each level, as those of Morton's curve do. On this curve, though, one step is always to a cell next door, so a run
 * of points has a small box. */
#ifndef NE_CPU_CURVE_H
#define NE_CPU_CURVE_H

#include "cpu/box.h"

#include <stdint.h>

enum {
    CURVE_BLOCK = 8192 /* points that it is worth waking another thread for */
};

typedef struct curve {
    size_t    capacity;
    uint32_t *order; /* the row of each point along the curve */
    uint64_t *key;   /* of each, ascending; equal ones in order of their rows */
    uint32_t *order_spare;
    uint64_t *key_spare;
} curve;

/* Sorts the n points z (n x c) in a grid over their box whose cells are no wider than `width`, as far as 62 bits go.
 * Memory is kept for the next time. errors: NE_OUT_OF_MEMORY. */
ne_status curve_sort(ne_context *context, curve *to, size_t n, size_t c, const float *z, const box *within,
                     double width);
void      curve_clear(ne_context *context, curve *of); /* a zeroed curve may be sorted into and cleared */

/* How many threads are useful for n points. */
static inline int curve_threads(const ne_context *context, size_t n)
{
    const size_t most = (size_t)context_threads(context), useful = (n + CURVE_BLOCK - 1) / CURVE_BLOCK;
    return (int)(useful < most ? useful : most);
}

#endif
