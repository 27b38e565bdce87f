/* base/context.h: what every layer needs to do its work: memory, threads, log, backend. */
#ifndef NE_BASE_CONTEXT_H
#define NE_BASE_CONTEXT_H

#include "base/memory.h"
#include "base/options.h"
#include "ne.h"

#include <stdatomic.h>

typedef struct ne_backend ne_backend; /* backend/backend.h */

typedef struct context_params {
    int64_t threads, device, stream_buffer;
} context_params;

struct ne_context {
    ne_allocator      memory;
    atomic_int        holders; /* the caller and every handle made in this context */
    option_set        options;
    context_params    params;
    int               threads_now; /* not 0: fewer threads for a while, see embedding/pace.h */
    const ne_backend *backend;
    ne_log_fn         log;
    void             *log_user;

    const struct progress *reporting; /* where a fit without steps, running now, may report; or NULL */
};

/* How many threads a parallel region may use: pass it to num_threads(). At least 1. */
int context_threads(const ne_context *context);
/* The same without threads_now: what scratch memory that outlives a step must be good for. */
int context_threads_most(const ne_context *context);

void context_hold(ne_context *context);
void context_release(ne_context *context);

void context_log(const ne_context *context, int level, const char *format, ...) NE_FORMAT(3, 4);

/* Progress of a long piece of work, handed down to it. report() returns 0 to go on; a null function always does. */
typedef struct progress {
    ne_progress_fn report;
    void          *user;
} progress;

int progress_report(const progress *to, const char *phase, int64_t step, int64_t steps);

#endif
