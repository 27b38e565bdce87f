/* embedding/pace.h: how many threads a step uses.
 *
 * The bits of a step do not depend on its threads, so their number may be chosen by the clock. All threads are best for
 * large data on a free machine; for a few hundred points, or where other work holds the processors, each parallel region waits
 * for its last thread, and one thread is faster. So now and then two steps are taken with one thread, and all threads
 * are used as long as they are faster than that. Trials come after 32, 64 and then every 128 steps: on a free machine
 * they cost two threads about one step in a hundred. */
#ifndef NE_EMBEDDING_PACE_H
#define NE_EMBEDDING_PACE_H

#include <stdint.h>

typedef struct pace {
    int     all;     /* threads that the context allows */
    int     alone;   /* one thread until the next trial */
    int64_t taken;   /* steps since the trial began */
    int64_t length;  /* steps from this trial to the next */
    double  one_sum; /* seconds of the steps of the trial */
    double  average; /* of steps with all threads, recent ones count most; 0: none yet */
} pace;

int  pace_threads(const pace *p);                 /* of the next step */
void pace_take(pace *p, int all, double seconds); /* a step was taken */

#endif
