/* cpu/repulse_grid.h: repulsion on a grid, by fast Fourier transform; one to three columns, Student or Gaussian
 * kernel. */
#ifndef NE_CPU_REPULSE_GRID_H
#define NE_CPU_REPULSE_GRID_H

#include "backend/backend.h"
#include "cpu/box.h"

typedef struct repulse_grid repulse_grid;

int repulse_grid_knows(const repulsion_plan *plan); /* these columns and this kernel */

/* The kernel must outlive the grid. errors: NE_UNSUPPORTED (other columns or kernels), NE_OUT_OF_MEMORY. */
ne_status repulse_grid_create(ne_context *context, const repulsion_plan *plan, repulse_grid **made);

/* Fills rows [row0, row1) of job->f and job->normaliser; around is the box of all of job->z, and finite. errors:
 * NE_UNSUPPORTED, and no text as there are other ways, when the layout is not for a grid: it needs more than
 * GRID_NODES_MAX nodes, or most points share a few spots, each so small that a grid cannot see into it;
 * NE_OUT_OF_MEMORY. After either, f may hold anything, and the next run may succeed. */
ne_status repulse_grid_run(ne_context *context, repulse_grid *with, const box *around, repulsion_job *job);
/* What it keeps, for estimates: with a node for each point, or 64 a side. */
double repulse_grid_bytes(const repulsion_plan *plan);
void   repulse_grid_free(ne_context *context, repulse_grid *with);

/* How far pairs are summed one by one, with the grid for the rest of the kernel; 0: all is the grid's. */
double repulse_grid_radius(const repulse_grid *with);

/* About how long a run of all rows takes on one thread, in nanoseconds; infinity where it would refuse the width. z, unless
 * NULL, decides on the radius, now and then. */
double repulse_grid_cost(repulse_grid *with, const box *around, const float *z);

#endif
