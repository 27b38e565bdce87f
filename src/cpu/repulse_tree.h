/* cpu/repulse_tree.h: repulsion by a tree (Barnes & Hut 1986) with second-order moments and groups of targets, for
 * two or three columns and a Student kernel. The relative L2 error of the forces stays below plan->accuracy on all
 * layouts tried but straight lines, where it can be five times as large. */
#ifndef NE_CPU_REPULSE_TREE_H
#define NE_CPU_REPULSE_TREE_H

#include "backend/backend.h"

typedef struct repulse_tree repulse_tree;

/* The kernel that plan points to must outlive the tree. errors: NE_UNSUPPORTED for c outside {2, 3} and for other
 * kernels; NE_OUT_OF_MEMORY. */
ne_status repulse_tree_create(ne_context *context, const repulsion_plan *plan, repulse_tree **made);

/* Builds the tree of job->z, then fills rows [row0, row1) of job->f and job->normaliser. Coordinates that are not
 * finite give NaN everywhere. errors: NE_OUT_OF_MEMORY, after which the tree can be run again. */
ne_status repulse_tree_run(ne_context *context, repulse_tree *tree, repulsion_job *job);
void      repulse_tree_free(ne_context *context, repulse_tree *tree);
/* What it keeps, for estimates; 0 where repulse_tree_create() would refuse. */
double repulse_tree_bytes(const repulsion_plan *plan);

/* About how long a run takes, in nanoseconds: a fit to measurements on layouts of all densities, good to a factor of
 * two. extent is the longest side of the box of z; infinity where repulse_tree_create() would refuse. */
double repulse_tree_cost(const repulsion_plan *plan, double extent, int threads);

#endif
