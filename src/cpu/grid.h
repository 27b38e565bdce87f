/* cpu/grid.h: values on the nodes of a regular grid, and their convolution with an even kernel.
 *
 * Node (i0, i1, i2) of a grid of three axes is value[i0 * columns + i1 * line + i2], of two value[i0 * columns + i1],
 * of one value[i0]. Nothing wraps around: the transforms are twice as long as the axes, as if zeros followed. */
#ifndef NE_CPU_GRID_H
#define NE_CPU_GRID_H

#include "cpu/fft.h"

enum {
    GRID_AXES      = 3,
    GRID_NODES_MAX = 1 << 24, /* 64 MB of values, 256 MB with all that a convolution needs, */
    GRID_AXIS_MAX  = 1 << 16, /* 8 MB for each thread, and */
    GRID_LINE_MAX  = 1 << 20  /* where there is one axis, 256 MB */
};

typedef struct grid_field {
    int       axes;
    size_t    nodes[GRID_AXES]; /* 1 beyond the axes */
    size_t    line, columns;    /* floats from one node to the next of axis 1 (of three), of axis 0 */
    fft_plan  plan[GRID_AXES];  /* of length 2 nodes */
    uint32_t *slot[GRID_AXES];  /* which row of the spectrum belongs to a row of a transform: grid_kernel.c */
    float    *value;
    float    *spectrum; /* of the kernel, see grid_kernel.c */
    float    *blocks;   /* the transform along axis 0: eight frequencies by all columns at a time */
    float    *scratch;  /* of one thread: scratch_size floats */
    size_t    scratch_size;
    double   *sums; /* of blocks of values */
    int       threads, threads_most;
} grid_field;

/* The smallest number of nodes that an axis can have and that is at least `least`. */
size_t grid_nodes(size_t least);
/* How many floats `value` takes for such nodes; SIZE_MAX when a grid may not have so many. */
size_t grid_size(int axes, const size_t *nodes);

/* A grid of that shape; its values are zero, its spectrum is not set. errors: NE_OUT_OF_MEMORY. */
ne_status grid_create(ne_context *context, int axes, const size_t *nodes, grid_field *made);
/* How many threads what follows is worth, up to what there are: 1 + wanted, rounded down. */
void grid_use_threads(const ne_context *context, grid_field *grid, double wanted);
/* For as many threads as the context has now, should they have become more. errors: NE_OUT_OF_MEMORY. */
ne_status grid_make_room(ne_context *context, grid_field *grid);
void      grid_clear(ne_context *context, grid_field *grid); /* a zeroed grid is fine */

/* How much the values, a density of points, vary from node to node, where the points are: sum over nodes of
 * value (value - mean of two neighbors)^2, over the axes. Values at the rim must be zero. */
double grid_roughness(const grid_field *grid);

/* value = sum over nodes of kernel(node - other) value(other): what grid_kernel_set() was given. */
void grid_convolve(const grid_field *grid);

#endif
