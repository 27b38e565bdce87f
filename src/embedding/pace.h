/* embedding/pace.h: how many threads a step uses.
 *
 * The bits of a step do not depend on its threads, so their number may be chosen by the clock. All threads are best for
 * large data on a free machine; for a few hundred points, or where other work holds the processors, each parallel region
 * waits for its last thread, and one thread is faster.
 *
 * All threads are used while the fastest of the last few steps is faster than a step was with one. Single steps say
 * little: some do more than others (a new grid, a look at the loss), and steps get dearer as the layout grows. So before
 * all threads are given up, two steps with one thread are timed anew; and after 128 steps in any case. They are also given
 * up where the mean of their steps is twice a step of one thread, as beside programs that come and go. Then one thread
 * takes the next 32 steps before all are tried again, and twice as many, up to 128, each time they lose. */
#ifndef NE_EMBEDDING_PACE_H
#define NE_EMBEDDING_PACE_H

#include <stdint.h>

enum {
    PACE_RECENT = 4
};

typedef enum pace_phase {
    PACE_TRIAL, /* one thread, to time it */
    PACE_ALL,
    PACE_ALONE, /* one thread, as it is faster */
} pace_phase;

typedef struct pace {
    int        all; /* threads that the context allows */
    pace_phase phase;
    int64_t    taken;               /* steps of the phase */
    int64_t    rest;                /* steps that the next phase alone will have */
    int64_t    length;              /* steps of the phase, if alone */
    double     one;                 /* seconds of a step with one thread */
    double     recent[PACE_RECENT]; /* of the last steps of the phase */
    double     best;                /* the fastest of the last steps of all threads before a trial; 0: none yet */
    double     mean;                /* of the steps of all threads, from their first to the trial */
    int        fresh;               /* `one` was measured just before all threads were tried */
} pace;

int  pace_threads(const pace *p);                 /* of the next step */
void pace_take(pace *p, int all, double seconds); /* a step was taken */

#endif
