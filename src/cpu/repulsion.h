/* cpu/repulsion.h: the repulsive forces of a layout, by whichever way is asked for or, with NE_REPULSION_AUTO, is the
 * cheapest for the layout of the step: over all pairs, by a tree, or on a grid. */
#ifndef NE_CPU_REPULSION_H
#define NE_CPU_REPULSION_H

#include "backend/backend.h"

/* The kernel's params must outlive the object, plan need not. errors: NE_UNSUPPORTED with the components or the kernels
 * that the method works for, NE_OUT_OF_MEMORY. */
ne_status cpu_repulsion_create(ne_context *context, const repulsion_plan *plan, repulsion **made);

/* Coordinates that are not finite give NaN for every force and for the normaliser. A layout that a grid cannot take
 * (one so wide, or so clotted) goes to the tree also under NE_REPULSION_FFT, and where there is none, over all pairs.
 * errors: NE_OUT_OF_MEMORY, after which the next call may succeed. */
ne_status cpu_repulse(ne_context *context, repulsion *with, repulsion_job *job);
void      cpu_repulsion_free(ne_context *context, repulsion *with);

/* What is kept from step to step, for estimates: that of the larger of tree and grid, whose sizes are the layout's, at
 * what layouts of real data have come to. */
double cpu_repulsion_bytes(const ne_context *context, const repulsion_plan *plan);

/* The way that the last call went; NE_REPULSION_NONE before the first. */
ne_repulsion cpu_repulsion_last(const repulsion *with);

#endif
