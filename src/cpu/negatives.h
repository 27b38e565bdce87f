/* cpu/negatives.h: repulsion from rows drawn at random; the operation `negatives` of the CPU backend. */
#ifndef NE_CPU_NEGATIVES_H
#define NE_CPU_NEGATIVES_H

#include "backend/backend.h"

/* The formulas are negatives_job's. errors: NE_OUT_OF_MEMORY; NE_INVALID_ARGUMENT where exclusion leaves a row nothing
 * to draw. */
ne_status cpu_negatives(ne_context *context, const negatives_job *job);
/* What it takes, for estimates. */
double cpu_negatives_bytes(const ne_context *context, const negatives_job *job);

#endif
