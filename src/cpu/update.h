/* cpu/update.h: one step of gradient descent with momentum and gains; the operation `update` of the CPU backend. */
#ifndef NE_CPU_UPDATE_H
#define NE_CPU_UPDATE_H

#include "backend/backend.h"

/* The formula is update_job's. errors: NE_OUT_OF_MEMORY, before anything is written. */
ne_status cpu_update(ne_context *context, update_job *job);

#endif
