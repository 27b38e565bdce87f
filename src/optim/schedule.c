/* optim/schedule.c: see schedule.h. */
#include "optim/schedule.h"

#include <math.h>

static double automatic_rate(const schedule_rule *rule, double exaggeration)
{
    const double divisor = rule->reference ? 4 * exaggeration : exaggeration;
    return fmax((double)rule->n / fmax(divisor, 1e-300), 50);
}

/* The scheduler's factor on the rate at step t. */
static double decay(const schedule_rule *rule, int64_t t, int64_t first_after)
{
    const double length = (double)rule->max_iter;
    double       factor = 1;
    if (rule->linear && rule->reference && first_after > 0 && t >= first_after)
        factor = (1 - (double)first_after / length) * (1 - (double)(t - first_after) / length);
    else if (rule->linear) factor = 1 - (double)t / length;
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
    step.rate         = base * decay(rule, t, first_after);
    if (!isnan(rule->momentum)) step.momentum = rule->momentum;
    else if (rule->reference) step.momentum = two_phases && rule->early > 1 ? 0.5 : 0.8;
    else step.momentum = step.exaggerated ? 0.5 : 0.9;
    step.restart = rule->reference && two_phases && t == first_after;
    if (t > 0 && decay(rule, t - 1, first_after) > 0)
        step.momentum *= decay(rule, t, first_after) / decay(rule, t - 1, first_after);
    return step;
}
