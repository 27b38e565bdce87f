/* io/progress.h: the live line on a terminal, and the interrupt key. */
#ifndef IO_PROGRESS_H
#define IO_PROGRESS_H

#include "ne.h"

#include <signal.h>

typedef struct progress {
    const char *method;
    int         shown;       /* 1: draw the line */
    int         drawn;       /* 1: it stands on the terminal now */
    double      begin, last; /* seconds of a clock: of the fit, of the line */
    char        phase[32];
    long long   step, steps;

    struct sigaction before[2]; /* what SIGINT and SIGTERM did */
} progress;

/** Starts the clock, and takes SIGINT and SIGTERM over: the first one makes progress_report() ask the fit to stop, a
 *  second one ends the program as it would have without this. A signal that the caller ignores (nohup) stays ignored.
 *  shown: draw a line, if stderr is a terminal. */
void progress_begin(progress *of, const char *method, int shown);
/** An ne_progress_fn; user is the progress. */
int progress_report(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm);
/** Wipes the line, so that something else can be said. */
void progress_wipe(progress *of);
/** Wipes the line and gives the signals back. */
void progress_end(progress *of);

#endif
