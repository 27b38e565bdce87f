/* embedding/pace.c: see pace.h. */
#include "embedding/pace.h"

/* The first WARM steps with all threads may be slower, but not MUCH slower. */
enum {
    TRIAL        = 2,
    FIRST_LENGTH = 32,
    LAST_LENGTH  = 128,
    WARM         = 3,
    MUCH         = 3
};

int pace_threads(const pace *p)
{
    return p->taken < TRIAL || p->alone ? 1 : p->all;
}

void pace_take(pace *p, int all, double seconds)
{
    if (p->all != all) *p = (pace){.all = all, .length = FIRST_LENGTH}; /* new, or the context's threads were set */
    if (all == 1) return;
    if (p->taken < TRIAL) {
        p->one_sum = (p->taken ? p->one_sum : 0) + seconds;
    } else if (!p->alone) {
        p->average = p->average > 0 ? 0.75 * p->average + 0.25 * seconds : seconds;
        p->alone   = p->average > (p->taken < TRIAL + WARM ? MUCH : 1) * p->one_sum / TRIAL;
    }
    if (++p->taken >= p->length)
        *p = (pace){.all = all, .length = p->length < LAST_LENGTH ? 2 * p->length : LAST_LENGTH};
}
