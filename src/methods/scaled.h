/* methods/scaled.h: neighbors by a distance that adapts to the density, d_ij^2 / (r_i r_j), r_i the mean distance of row i
 * to three of its nearest (Zelnik-Manor & Perona 2004). Where rows are sparse, the same distance is less. */
#ifndef NE_METHODS_SCALED_H
#define NE_METHODS_SCALED_H

#include "ne.h"

/* radius[i] of the working rows i: over neighbors first, first + 1 and first + 2, counted from 0; shorter rows take what they
 * have. 0 where all of them are duplicates. */
void scaled_radii(const ne_problem *problem, int squared, int64_t first, double *radius);

/* The count neighbors of each row with the smallest scaled distance, ascending, ties in order of distance. Both outputs
 * are n x count: the caller's numbers of the rows, -1 past the end; the scaled distances, infinite past the end. */
void scaled_nearest(const ne_problem *problem, int squared, const double *radius, size_t count, int32_t *row,
                    double *distance);

#endif
