/* cpu/repulse_near.h: the near part of the repulsion, pair by pair, so that what is left for a grid is smooth.
 *
 * Student's kernel with nu = 1 is K(s) = 1 / (1 + s), s a squared distance. About s = R^2 it is a geometric series in
 * q = (R^2 - s) / (1 + R^2), so what NEAR_POWER = p terms of that leave over is exact:
 *
 *     K = F + N    N(s) = K q^p for s < R^2, else 0    F(s) = (1 + q + ... + q^(p - 1)) / (1 + R^2) for s < R^2, else K
 *
 * N reaches as far as R and meets zero with p - 1 derivatives; F varies over R where K does over 1, so its nodes may be
 * about R times further apart (Ewald's split, as multilevel summation makes it for kernels of any kind: Hardy et al., J.
 * Chem. Theory Comput. 11, 2015). p = 4 gave the widest spacing for errors around 0.5 %, of 3 to 6. */
#ifndef NE_CPU_REPULSE_NEAR_H
#define NE_CPU_REPULSE_NEAR_H

#include "base/context.h"
#include "cpu/box.h"

#include <stdint.h>

enum {
    NEAR_POWER = 4
};

/* Room to sort points into cells, and what the last run found. */
typedef struct repulse_near {
    size_t n, blocks, cells_most, room;
    int    axes;
    float *loose, *sorted; /* axes columns of coordinates each, in units of sqrt(1 + R^2): by row of cells, by cell */
    uint32_t *loose_id, *sorted_id; /* whose they are */
    uint32_t *counts;               /* by block and row */
    uint32_t *cell;                 /* the first point of each cell of a row, and the end of the row */
    double   *sums;                 /* of N, by row */
    float    *force;                /* n x axes, in the order of the caller's points; shares the memory of loose */
} repulse_near;

/* For 2 and 3 axes. errors: NE_OUT_OF_MEMORY. */
ne_status repulse_near_create(ne_context *context, size_t n, int axes, repulse_near *made);
void      repulse_near_clear(ne_context *context, repulse_near *near); /* a zeroed one is fine */
double    repulse_near_bytes(double n, double axes);

/* The far part F at squared distance s. */
double near_far_value(double radius, double s);

/* How many points the cells around a point hold, on average, for each of `count` radii: what a run would go through. */
void repulse_near_density(const repulse_near *near, const box *around, const float *z, const double *radius,
                          size_t count, double *candidates);

/* near->force = sum_j -dN/ds (z_i - z_j) for all n points; returns the sum of N over the pairs (i, j), i in rows [row0,
 * row1), j != i. */
double repulse_near_run(repulse_near *near, int threads, const box *around, double radius, const float *z, size_t row0,
                        size_t row1);

#endif
