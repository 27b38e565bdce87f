/* cpu/grid_points.h: from points to the nodes of a grid and back, by B-splines (spline.h).
 *
 * A point with grid coordinates g is spread over the nodes floor(g) + 1 .. floor(g) + 4 of each axis, and gathers from
 * floor(g) .. floor(g) + 5: windows with one centre. The centre is 2.5 nodes off, for both by the same. */
#ifndef NE_CPU_GRID_POINTS_H
#define NE_CPU_GRID_POINTS_H

#include "cpu/grid.h"
#include "cpu/spline.h"

/* Grid coordinates of a point z: (z - centre) * scale + origin, in [0, nodes - SPLINE_GATHER]. The difference comes
 * first: far from 0 it is exact, where the product would have lost its digits. */
typedef struct grid_frame {
    float centre[GRID_AXES], origin[GRID_AXES], scale;
} grid_frame;

/* Room to sort n points into strips of the first axis. */
typedef struct grid_points {
    size_t    n, blocks;
    float    *where; /* n x axes grid coordinates; a block's points by strip */
    uint32_t *start; /* blocks x (STRIPS_MOST + 1): the first point of each strip, within its block */
} grid_points;

ne_status grid_points_create(ne_context *context, size_t n, int axes, grid_points *made);
void      grid_points_clear(ne_context *context, grid_points *points); /* a zeroed one is fine */

/* The grid's values become the density of the n points z (n x axes): each spreads one unit. */
void grid_spread(const grid_field *grid, const grid_frame *frame, const float *z, grid_points *points);

/* What a point feels of itself through the grid, and no exact sum has: the splines leave a ripple of the grid's period
 * in the potential and the slope at a lone point. Its lowest harmonics, by in-cell coordinates t_a:
 *     potential = even[0] + even[1] sum_a cos 2 pi t_a,   slope_a = sin 2 pi t_a (odd[0] + odd[1] sum_{b != a} cos 2 pi
 * t_b) */
typedef struct grid_ripple {
    float even[2], odd[2];
} grid_ripple;

void grid_ripple_set(const grid_field *grid, grid_ripple *ripple); /* of the kernel in force; overwrites the values */

enum {
    GATHER_BLOCK = 2048
};

/* For `rows` rows of z: slope (rows x axes) = factor * d potential / d g, without the ripple; returns the sum of the
 * potentials. sums: room for one of each GATHER_BLOCK rows. */
double grid_gather(const grid_field *grid, const grid_frame *frame, const grid_ripple *ripple, float factor,
                   const float *z, size_t rows, float *slope, double *sums);

#endif
