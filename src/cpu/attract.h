/* cpu/attract.h: attraction over the edges of a CSR matrix; the operation `attract` of the CPU backend. */
#ifndef NE_CPU_ATTRACT_H
#define NE_CPU_ATTRACT_H

#include "backend/backend.h"

/* f has the same bits whether or not the loss is wanted. errors: NE_OUT_OF_MEMORY. */
ne_status cpu_attract(ne_context *context, const attraction_job *job);

#endif
