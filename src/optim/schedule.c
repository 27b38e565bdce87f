/* optim/schedule.c: see schedule.h. */
#include "optim/schedule.h"

#include <math.h>

enum {
    SETTLING = 50, /* steps after the rate's jump in which a high momentum would carry points too far */
    LANDING =
        10 /* one of so many steps, the last ones, lets the points come to rest where a high momentum shakes them */
};

/* Where the option is auto, without reference. */
static double automatic_momentum(const schedule_rule *rule, int64_t t, int64_t first_after)
{
    const int     high      = rule->late_momentum > 0;
    const int64_t low_until = first_after > 0 && high ? first_after + SETTLING : first_after;
    const int64_t landing   = high ? rule->max_iter - rule->max_iter / LANDING : rule->max_iter;
    double        momentum  = high ? rule->late_momentum : 0.9;

    if (t < low_until || (t >= landing && t < rule->max_iter)) momentum = 0.5;
    return momentum;
}

static double automatic_rate(const schedule_rule *rule, double exaggeration)
{
    const double divisor = rule->reference ? 4 * exaggeration : rule->stiff ? 10 * exaggeration : exaggeration;
    const double rate    = (double)rule->n / fmax(divisor, 1e-300);
    /* A stiff attraction has a curvature of at least 4 / n everywhere: a floor would be too high for few points. */
    return rule->stiff && !rule->reference ? rate : fmax(rate, 50);
}

static double given_or(double given, double automatic)
{
    return isnan(given) ? automatic : given;
}

/* The factor on `base` after t steps of the scheduler. */
static double factor_at(const schedule_rule *rule, double base, int64_t step)
{
    const scheduler_rule *by     = &rule->scheduler;
    const double          length = fmax((double)rule->max_iter, 1), t = (double)step;
    double                factor = 1;

    if (by->kind == SCHEDULER_LINEAR) {
        const double start = given_or(by->start_factor, 1), end = given_or(by->end_factor, 0);
        const double total = given_or(by->total_iters, length);
        factor             = total > 0 ? start + (end - start) * fmin(t, total) / total : end;
    } else if (by->kind == SCHEDULER_STEP) {
        const double size = fmax(given_or(by->step_size, ceil(2 * length / 3)), 1);
        factor            = pow(given_or(by->gamma, 0.1), floor(t / size));
    } else if (by->kind == SCHEDULER_EXPONENTIAL) {
        factor = isnan(by->gamma) ? pow(0.01, t / length) : pow(by->gamma, t);
    } else if (by->kind == SCHEDULER_COSINE) {
        const double least = base > 0 ? given_or(by->eta_min, 0) / base : 0;
        factor = least + (1 - least) * (1 + cos(3.14159265358979323846 * t / given_or(by->t_max, length))) / 2;
    }
    /* u = -rate v keeps v only while the rate is not 0, and a cosine may rise again. */
    return fmax(factor, 1e-12);
}

/* The scheduler's factor on the rate at step t. */
static double decay(const schedule_rule *rule, double base, int64_t t, int64_t first_after)
{
    double factor;
    if (rule->reference && first_after > 0 && t >= first_after) {
        factor = factor_at(rule, base, first_after);
        factor *= factor_at(rule, base * factor, t - first_after);
    } else {
        factor = factor_at(rule, base, t);
    }
    return factor;
}

schedule_step schedule_at(const schedule_rule *rule, int64_t t)
{
    const int     two_phases  = rule->early != 1 && rule->early_iter > 0;
    const int64_t first_after = two_phases ? rule->early_iter + (rule->reference ? 1 : 0) : 0;
    schedule_step step        = {0};
    double        base;

    step.exaggerated  = t < first_after;
    step.exaggeration = step.exaggerated ? rule->early : rule->late;
    base              = !isnan(rule->rate) ? rule->rate
                        : rule->reference  ? automatic_rate(rule, two_phases ? rule->early : 1)
                                           : automatic_rate(rule, step.exaggeration);
    step.rate         = base * decay(rule, base, t, first_after);
    if (!isnan(rule->momentum)) step.momentum = rule->momentum;
    else if (rule->reference) step.momentum = two_phases && rule->early > 1 ? 0.5 : 0.8;
    else step.momentum = automatic_momentum(rule, t, first_after);
    step.look_ahead = step.momentum;
    step.restart    = rule->reference && two_phases && t == first_after;
    if (t > 0) step.momentum *= decay(rule, base, t, first_after) / decay(rule, base, t - 1, first_after);
    return step;
}
