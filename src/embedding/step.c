/* embedding/step.c: the loop. One step: schedule, attraction, repulsion, update; every check_interval steps a look at the
 * gradient norm. What step t does depends on the options, the state and t only. */
#include "base/clock.h"
#include "embedding/embedding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- Hooks of the method, called over fixed blocks of rows from all threads -------------------------------------- */

enum {
    HOOK_ROWS = 1024
};

typedef struct hook_error {
    int64_t   block; /* the first that failed, or -1 */
    ne_status status;
    char      text[256];
} hook_error;

typedef ne_status (*gradient_hook)(const void *params, const ne_problem *problem, void *state, const float *z,
                                   size_t row0, size_t row1, float *gradient);

static void keep_first_error(hook_error *error, int64_t block, ne_status status)
{
#pragma omp critical(ne_hook_error)
    if (error->block < 0 || block < error->block) {
        error->block  = block;
        error->status = status;
        snprintf(error->text, sizeof error->text, "%s", ne_last_error());
    }
}

static ne_status finish_hooks(const hook_error *error)
{
    return error->block < 0 ? NE_OK : ne_fail(error->status, "%s", error->text);
}

static ne_status call_gradient(ne_embedding *e, const fit *f, gradient_hook hook, float *gradient)
{
    hook_error    error  = {.block = -1};
    const int64_t blocks = (int64_t)((f->n + HOOK_ROWS - 1) / HOOK_ROWS);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(e->context))
    for (int64_t b = 0; b < blocks; b++) {
        const size_t    from = (size_t)b * HOOK_ROWS, to = from + HOOK_ROWS < f->n ? from + HOOK_ROWS : f->n;
        const ne_status st =
            hook(e->params.method, &f->problem, state_method(f->state), state_z(f->state), from, to, gradient);
        if (st != NE_OK) keep_first_error(&error, b, st);
    }
    return finish_hooks(&error);
}

/* A hook that gives a loss, and with it a gradient where it writes one; sums in block order. */
typedef struct loss_hook {
    ne_status (*loss)(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                      size_t row1, double *loss);
    ne_status (*whole)(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                       size_t row1, float *gradient, double *loss);
} loss_hook;

static ne_status call_loss(ne_embedding *e, const fit *f, loss_hook hook, float *gradient, double *loss)
{
    hook_error          error   = {.block = -1};
    const int64_t       blocks  = (int64_t)((f->n + HOOK_ROWS - 1) / HOOK_ROWS);
    const ne_allocator *mem     = &e->context->memory;
    double             *partial = memory_zero(mem, (size_t)blocks, sizeof *partial);
    if (!partial) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(e->context))
    for (int64_t b = 0; b < blocks; b++) {
        const size_t    from = (size_t)b * HOOK_ROWS, to = from + HOOK_ROWS < f->n ? from + HOOK_ROWS : f->n;
        const float    *z     = state_z(f->state);
        void           *state = state_method(f->state);
        const ne_status st    = hook.whole
                                    ? hook.whole(e->params.method, &f->problem, state, z, from, to, gradient, &partial[b])
                                    : hook.loss(e->params.method, &f->problem, state, z, from, to, &partial[b]);
        if (st != NE_OK) keep_first_error(&error, b, st);
    }
    *loss = 0;
    for (int64_t b = 0; b < blocks; b++) *loss += partial[b];
    memory_free(mem, partial);
    return finish_hooks(&error);
}

/* --- One step ---------------------------------------------------------------------------------------------------- */

/* Each side: the gradient, its scale into the job, and the loss (unweighted) where it is wanted and known, else NaN. */
static ne_status attractive_side(ne_embedding *e, fit *f, const ne_terms *terms, int want_loss, update_job *job,
                                 double *loss)
{
    const ne_method_ops *ops = e->ops;
    ne_status            st  = NE_OK;

    *loss = NAN;
    if (ops->attractive_gradient) {
        job->attract_scale = terms->attract;
        st                 = call_gradient(e, f, ops->attractive_gradient, f->attraction);
        if (st == NE_OK && want_loss && ops->attractive_loss)
            st = call_loss(e, f, (loss_hook){.loss = ops->attractive_loss}, NULL, loss);
    } else {
        const attraction_job attract = {.n      = f->n,
                                        .c      = f->c,
                                        .row0   = 0,
                                        .row1   = f->n,
                                        .p      = &f->p_view,
                                        .z      = state_z(f->state),
                                        .f      = f->attraction,
                                        .loss   = want_loss ? loss : NULL,
                                        .kernel = &f->kernel,
                                        .edges  = f->edges};
        job->attract_scale           = 4 * terms->attract;
        st                           = e->context->backend->attract(e->context, &attract);
    }
    return st;
}

/* Over all pairs. */
static ne_status repulse_pairs(ne_embedding *e, fit *f, const ne_terms *terms, update_job *job, double *loss)
{
    const double    n       = (double)f->n;
    repulsion_job   repulse = {.z = state_z(f->state), .f = f->repulsion, .row0 = 0, .row1 = f->n};
    const ne_status st      = e->context->backend->repulse(e->context, f->repulse, &repulse);

    if (terms->normalised == NE_OVER_ROWS) {
        *loss              = repulse.normaliser / n;
        job->repulse_scale = 2 * terms->repulse / n;
    } else {
        /* The reference counts each point's pair with itself. */
        const double normaliser = repulse.normaliser + (f->problem.reference ? n : 0);
        const int    over_pairs = terms->normalised == NE_OVER_PAIRS;
        *loss                   = over_pairs ? log(normaliser) : normaliser;
        job->repulse_scale      = 4 * terms->repulse / (over_pairs && normaliser > 0 ? normaliser : 1);
    }
    return st;
}

/* From rows drawn at random. */
static ne_status repulse_sampled(ne_embedding *e, fit *f, const ne_terms *terms, int want_loss, update_job *job,
                                 double *loss)
{
    const negatives_job sampled = {.n         = f->n,
                                   .c         = f->c,
                                   .row0      = 0,
                                   .row1      = f->n,
                                   .z         = state_z(f->state),
                                   .f         = f->repulsion,
                                   .loss      = want_loss ? loss : NULL,
                                   .kernel    = &f->kernel,
                                   .over_rows = terms->normalised == NE_OVER_ROWS,
                                   .count     = (size_t)terms->negatives,
                                   .lists     = f->problem.reference || terms->exclude_neighbors,
                                   .excluded  = !terms->exclude_neighbors ? NULL
                                                : f->distances.rows       ? &f->distances_view
                                                                          : &f->p_view,
                                   .problem   = &f->problem,
                                   .step      = (uint32_t)f->state->step};
    const ne_status     st      = e->context->backend->negatives(e->context, &sampled);

    if (want_loss) *loss /= (double)f->n;
    job->repulse_scale = 2 * terms->repulse / (double)f->n;
    return st;
}

static ne_status repulsive_side(ne_embedding *e, fit *f, const ne_terms *terms, int want_loss, update_job *job,
                                double *loss)
{
    const ne_method_ops *ops = e->ops;
    ne_status            st  = NE_OK;

    *loss = 0;
    if (ops->repulsive_gradient) {
        *loss              = NAN;
        job->repulse_scale = -terms->repulse;
        st                 = call_gradient(e, f, ops->repulsive_gradient, f->repulsion);
        if (st == NE_OK && want_loss && ops->repulsive_loss)
            st = call_loss(e, f, (loss_hook){.loss = ops->repulsive_loss}, NULL, loss);
    } else if (terms->repulsion == NE_REPULSION_SAMPLED && terms->repulse != 0) {
        st = repulse_sampled(e, f, terms, want_loss, job, loss);
    } else if (f->repulse && terms->repulse != 0) {
        st = repulse_pairs(e, f, terms, job, loss);
    } else {
        job->repulsion = NULL;
    }
    return st;
}

static ne_status compute_gradient(ne_embedding *e, fit *f, const ne_terms *terms, int want_loss, update_job *job)
{
    double    attractive = NAN, repulsive = NAN;
    ne_status st;

    job->attraction = f->attraction;
    job->repulsion  = f->repulsion;
    f->state->loss  = NAN;
    if (e->ops->whole_loss) {
        job->attract_scale = 1;
        job->repulsion     = NULL;
        return call_loss(e, f, (loss_hook){.whole = e->ops->whole_loss}, f->attraction, &f->state->loss);
    }
    if ((st = attractive_side(e, f, terms, want_loss, job, &attractive)) != NE_OK) return st;
    if ((st = repulsive_side(e, f, terms, want_loss, job, &repulsive)) != NE_OK) return st;
    f->loss_attractive = attractive;
    f->loss_repulsive  = repulsive;
    if (want_loss) f->state->loss = terms->attract * attractive + terms->repulse * repulsive;
    return st;
}

ne_status step_gradient(ne_embedding *e, fit *f, const schedule_step *at, int want_loss, int again, ne_terms *terms,
                        update_job *job)
{
    loop_state          *s   = f->state;
    const ne_method_ops *ops = e->ops;
    ne_status            st  = NE_OK;

    *terms          = f->terms;
    terms->momentum = NAN;
    terms->again    = again;
    terms->attract *= at->exaggeration;
    terms->repulse *= e->base.repulsion_strength;
    if (ops->on_step_begin) st = ops->on_step_begin(e->params.method, &f->problem, state_method(s), s->step, terms);
    if (st == NE_OK && ops->before_gradient)
        st = ops->before_gradient(e->params.method, &f->problem, state_method(s), s->step, state_z(s), terms);
    return st == NE_OK ? compute_gradient(e, f, terms, want_loss, job) : st;
}

static ne_status one_step(ne_embedding *e, fit *f, const schedule_step *at, int want_loss)
{
    loop_state          *s   = f->state;
    const ne_method_ops *ops = e->ops;
    ne_terms             terms;
    update_job           job = {.n          = f->n,
                                .c          = f->c,
                                .gains      = state_gains(s),
                                .u          = state_u(s),
                                .z          = state_z(s),
                                .momentum   = at->momentum,
                                .look_ahead = at->look_ahead,
                                .rate       = at->rate,
                                .max_step   = e->base.max_step,
                                .rule       = &f->optimizer,
                                .second     = state_second(s),
                                .third      = state_third(s),
                                .poincare   = f->terms.manifold == NE_POINCARE_BALL};
    ne_status            st;

    if (at->restart) optimizer_restart(f);
    job.count = ++s->updates;
    st        = step_gradient(e, f, at, want_loss, 0, &terms, &job);
    if (st == NE_OK && !isnan(terms.momentum) && isnan(e->base.momentum))
        job.momentum = job.look_ahead = terms.momentum;
    if (st == NE_OK) st = e->context->backend->update(e->context, &job);
    if (st == NE_OK && !job.all_finite)
        st =
            ne_fail(NE_NOT_CONVERGED, "step %lld: the embedding is no longer finite; a smaller lr or max_step may help",
                    (long long)s->step);
    if (st == NE_OK && ops->on_step_end)
        st = ops->on_step_end(e->params.method, &f->problem, state_method(s), s->step, state_z(s));
    s->gradient_norm = sqrt(job.gradient_square);
    s->rate          = at->rate;
    s->step++;
    return st;
}

static ne_status paced_step(ne_embedding *e, fit *f, const schedule_step *at, int want_loss)
{
    ne_context  *context = e->context;
    const int    all     = context_threads(context);
    const double begin   = clock_seconds();
    ne_status    st;

    context->threads_now = f->pace.all == all ? pace_threads(&f->pace) : 1;
    f->problem.threads   = context_threads(context);
    st                   = one_step(e, f, at, want_loss);
    context->threads_now = 0;
    pace_take(&f->pace, all, clock_seconds() - begin);
    return st;
}

/* Steps before which the points are put in order again: as the layout forms, neighbors in memory drift apart. The cost is
 * that of about 10 steps, and below SMALL points all of z fits the cache anyway. Sorted at 20, 50, 100, 150 and 250, the 300
 * steps of 70,000 points took 0.12 s longer, of 1.6. */
int fit_sort_is_due(size_t n, const ne_terms *terms, int64_t step)
{
    enum {
        SMALL = 8192
    };
    static const int64_t due[] = {30, 100, 300, 600};
    int                  is    = 0;
    for (size_t i = 0; i < sizeof due / sizeof *due; i++) is |= step == due[i];
    return is && n > SMALL && !terms->keep_order;
}

schedule_rule fit_schedule(const ne_embedding *e, const fit *f)
{
    schedule_rule rule = base_schedule(&e->base, f->n);
    rule.stiff         = f->kernel.kind == KERNEL_GAUSSIAN;
    if (!isnan(f->terms.momentum)) rule.late_momentum = f->terms.momentum;
    return rule;
}

ne_status embedding_step(ne_embedding *e, size_t k)
{
    fit                *f     = e->fit;
    loop_state         *s     = f->state;
    const base_params  *b     = &e->base;
    const schedule_rule rule  = fit_schedule(e, f);
    const double        begin = clock_seconds();
    ne_status           st    = NE_OK;

    f->kl = NAN;
    for (size_t i = 0; i < k && st == NE_OK && !s->stopped && s->step < f->problem.max_iter; i++) {
        const int64_t       t     = s->step;
        const schedule_step at    = schedule_at(&rule, t);
        const int           check = t % b->check_interval == 0;
        const char         *phase = at.exaggerated ? "exaggeration" : "optimize";

        if (fit_sort_is_due(f->n, &f->terms, t) && (st = fit_sort(e->context, f)) != NE_OK) break;
        if ((st = paced_step(e, f, &at, check && b->track_loss)) != NE_OK) break;
        if (check && s->gradient_norm < b->min_grad_norm) s->stopped = 1;
        if (check && b->verbose)
            context_log(e->context, NE_LOG_INFO, "%s: step %lld of %lld (%s), gradient norm %.3g%s%.4f", e->ops->name,
                        (long long)s->step, (long long)b->max_iter, phase, s->gradient_norm,
                        isnan(s->loss) ? ", loss not tracked " : ", loss ", s->loss);
        if (e->progress.report &&
            e->progress.report(e->progress.user, phase, s->step, f->problem.max_iter, s->loss, s->gradient_norm))
            st = ne_fail(NE_CANCELLED, "cancelled after step %lld", (long long)s->step);
    }
    f->seconds_optimize += clock_seconds() - begin;
    return st;
}
