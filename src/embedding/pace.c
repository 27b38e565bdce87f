/* embedding/pace.c: see pace.h. */
#include "embedding/pace.h"

#include <math.h>

enum {
    TRIAL = 2,   /* steps */
    AGAIN = 128, /* steps after which one thread is timed again in any case */
    LEAST = 32,
    MOST  = 128,
    MUCH  = 3,  /* so many times slower: two steps are enough to see it */
    SOME  = 16, /* steps that have a mean to judge by */
    TWICE = 2
};

static double fastest(const pace *p, int64_t steps)
{
    double least = INFINITY;
    for (int64_t i = 1; i <= steps && i <= p->taken; i++) least = fmin(least, p->recent[(p->taken - i) % PACE_RECENT]);
    return least;
}

static void enter(pace *p, pace_phase phase)
{
    p->phase = phase;
    p->taken = 0;
}

static void keep(pace *p, double seconds)
{
    p->recent[p->taken % PACE_RECENT] = seconds;
    p->taken++;
}

/* The next rest is twice as long, unless all threads win in between. */
static void rest(pace *p)
{
    enter(p, PACE_ALONE);
    p->length = p->rest;
    p->rest   = p->rest < MOST ? 2 * p->rest : MOST;
    p->fresh  = 1;
}

static void take_trial(pace *p, double seconds)
{
    p->one = p->taken++ ? fmin(p->one, seconds) : seconds;
    if (p->taken == TRIAL) {
        if (p->best > 0 && (p->one < p->best || p->mean > TWICE * p->one)) rest(p);
        else enter(p, PACE_ALL);
    }
}

static void take_all(pace *p, double seconds)
{
    if (!p->taken) p->mean = 0;
    keep(p, seconds);
    p->mean += (seconds - p->mean) / (double)p->taken;
    const int slow = (p->taken >= PACE_RECENT && fastest(p, PACE_RECENT) > p->one) ||
                     (p->taken >= 2 && fastest(p, 2) > MUCH * p->one) || (p->taken >= SOME && p->mean > TWICE * p->one);
    if (p->taken > PACE_RECENT) p->fresh = 0;
    if (slow && p->fresh) {
        rest(p);
    } else if (slow || p->taken >= AGAIN) {
        if (!slow) p->rest = LEAST;
        p->best = fastest(p, PACE_RECENT);
        enter(p, PACE_TRIAL);
    }
}

static void take_alone(pace *p, double seconds)
{
    keep(p, seconds);
    if (p->taken >= p->length) {
        p->one = fastest(p, PACE_RECENT);
        enter(p, PACE_ALL);
    }
}

int pace_threads(const pace *p)
{
    return p->phase == PACE_ALL ? p->all : 1;
}

void pace_take(pace *p, int all, double seconds)
{
    if (p->all != all) *p = (pace){.all = all, .rest = LEAST}; /* new, or the context's threads were set */
    if (all == 1) return;
    if (p->phase == PACE_TRIAL) take_trial(p, seconds);
    else if (p->phase == PACE_ALL) take_all(p, seconds);
    else take_alone(p, seconds);
}
