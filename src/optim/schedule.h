/* optim/schedule.h: what step t of the descent uses: exaggeration, learning rate, momentum. A pure function of the
 * options and t, so that a fit in pieces is a fit in one. */
#ifndef NE_OPTIM_SCHEDULE_H
#define NE_OPTIM_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

/* The factor on the rate at step t, with torch's formulas and names; each parameter that is NaN is chosen for a fit of
 * max_iter steps. */
typedef enum scheduler_kind {
    SCHEDULER_NONE        = 0,
    SCHEDULER_LINEAR      = 1, /* start + (end - start) min(t, total) / total;  auto: 1, 0, max_iter */
    SCHEDULER_STEP        = 2, /* gamma^floor(t / size);  auto: 0.1, two thirds of max_iter */
    SCHEDULER_EXPONENTIAL = 3, /* gamma^t;  auto: 0.01^(1 / max_iter) */
    SCHEDULER_COSINE = 4 /* the rate is eta_min + (rate - eta_min) (1 + cos(pi t / t_max)) / 2;  auto: 0, max_iter */
} scheduler_kind;

typedef struct scheduler_rule {
    scheduler_kind kind;
    double         start_factor, end_factor, total_iters, step_size, gamma, t_max, eta_min;
} scheduler_rule;

typedef struct schedule_rule {
    size_t  n;
    int64_t max_iter, early_iter;
    double  early, late;   /* exaggeration in the first early_iter steps, and after them */
    double  rate;          /* NaN: auto */
    double  momentum;      /* NaN: auto */
    double  late_momentum; /* what auto is from 50 steps after early exaggeration on, the last tenth of max_iter left
                                   * out, which is at 0.5 again; 0: 0.9, from its end to the last step */
    scheduler_rule scheduler;
    int            stiff;     /* attraction grows with distance (a Gaussian kernel): auto is n / (10 exaggeration) */
    int            reference; /* TorchDR's schedule, see below */
} schedule_rule;

typedef struct schedule_step {
    int    exaggerated; /* in the first phase */
    double exaggeration, rate, momentum;
    double look_ahead; /* momentum as torch has it, without the ratio below */
    int    restart;    /* forget the velocity before this step */
} schedule_step;

/* The velocity of update_job is a displacement u = -rate v, with v the velocity of gradient descent as torch defines it.
 * Where a scheduler changes the rate, `momentum` is therefore the nominal one times the ratio of the two rates; the jump
 * of the automatic rate at the end of exaggeration leaves u as it is.
 *
 * Under reference, as TorchDR 0.5 does: the first phase has one step more, rate and momentum of its start stay for the
 * whole fit, the velocity is emptied at its end, and a scheduler starts again there from the rate then in force. */
schedule_step schedule_at(const schedule_rule *rule, int64_t t);

#endif
