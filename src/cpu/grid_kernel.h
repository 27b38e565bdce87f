/* cpu/grid_kernel.h: the output kernel made ready for a grid: its spectrum, freed of what the splines do to it. */
#ifndef NE_CPU_GRID_KERNEL_H
#define NE_CPU_GRID_KERNEL_H

#include "backend/backend.h"
#include "cpu/grid.h"

/* grid_convolve() then works with (q(s) - far) / amplitude, which is 1 at s = 0 and 0 at the largest distance of the
 * padded grid. The difference keeps all its digits, so that the forces of points a hair apart do. */
typedef struct grid_kernel {
    double spacing, bend, radius, amplitude, far;
} grid_kernel;

/* 1 for a kernel that a grid can take: Student and Gaussian. */
int grid_kernel_known(const output_kernel *kernel);
/* The distance over which it varies; 1 for Student with nu = 1. */
double grid_kernel_length(const output_kernel *kernel);

/* 1 for a kernel whose near part repulse_near.h can take off. */
int grid_kernel_parts(const output_kernel *kernel);

/* The spectrum of the kernel, or of its far part beyond `radius` unless that is 0, on nodes `spacing` apart, divided by the square of the splines' own: what is spread and
 * gathered with splines (grid_points.h) is then convolved as if it had not been (smooth particle-mesh Ewald). Nodes
 * further apart than all but `bend` of an axis may get another value: it goes smoothly over into its mirror image.
 * errors: NE_OUT_OF_MEMORY, and the grid has no kernel. */
ne_status grid_kernel_set(ne_context *context, const output_kernel *kernel, double radius, double spacing, double bend,
                          grid_field *grid, grid_kernel *made);

#endif
