/* cpu/negatives_lists.h: sampled repulsion where each row draws for itself, and the rows that drew it are found by a
 * transposed index. */
#ifndef NE_CPU_NEGATIVES_LISTS_H
#define NE_CPU_NEGATIVES_LISTS_H

#include "backend/backend.h"

enum {
    NEGATIVES_TILE = 256
};

/* 1 - q is not taken below this: where two rows coincide under a kernel with q(0) = 1 the loss would be infinite. */
#define NEGATIVES_GAP 1e-7f

/* Turns q and q w into what the force on a pair is times z_i - z_m, but for 1 / W_i. */
void negatives_weigh(int over_rows, size_t count, const float *restrict q, float *restrict force);
/* The pair's share of W_i, or of the loss. */
double negatives_term(const negatives_job *job, double s);

ne_status negatives_by_lists(ne_context *context, const negatives_job *job);
double    negatives_by_lists_bytes(double n, double count); /* for estimates */

#endif
