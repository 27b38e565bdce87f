/* optim/schedule.h: what step t of the descent uses: exaggeration, learning rate, momentum. A pure function of the
 * options and t, so that a fit in pieces is a fit in one. */
#ifndef NE_OPTIM_SCHEDULE_H
#define NE_OPTIM_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

typedef struct schedule_rule {
    size_t  n;
    int64_t max_iter, early_iter;
    double  early, late; /* exaggeration in the first early_iter steps, and after them */
    double  rate;        /* NaN: auto */
    double  momentum;    /* NaN: auto */
    int     linear;      /* the rate falls to 0 over max_iter steps */
    int     reference;   /* TorchDR's schedule, see below */
} schedule_rule;

typedef struct schedule_step {
    int    exaggerated; /* in the first phase */
    double exaggeration, rate, momentum;
    int    restart; /* forget the velocity before this step */
} schedule_step;

/* The velocity of update_job is a displacement u = -rate v, with v the velocity of gradient descent as torch defines it.
 * Where a scheduler changes the rate, `momentum` is therefore the nominal one times the ratio of the two rates; the jump
 * of the automatic rate at the end of exaggeration leaves u as it is.
 *
 * Under reference, as TorchDR 0.5 does: the first phase has one step more, rate and momentum of its start stay for the
 * whole fit, the velocity is emptied at its end, and a linear schedule starts again there from the rate then in force. */
schedule_step schedule_at(const schedule_rule *rule, int64_t t);

#endif
