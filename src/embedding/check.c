/* embedding/check.c: see check.h.
 *
 * Losses are differences of numbers that are nearly equal, so they are summed in double: hooks do so by contract, and
 * for the stock kernels over all pairs objective_f64 stands in. The step of a difference is a power of two, so that
 * z + h and z - h are exact in float but for the rounding of their sum, which the quotient uses as it is. */
#include "embedding/check.h"

#include "base/random.h"
#include "cpu/objective_f64.h"

#include <math.h>
#include <string.h>

enum {
    MOST_TRIED = 512
};

/* What an evaluation must not leave changed: all but the method's own state, which may hold pointers, and which a hook
 * called twice at one step leaves as called once. */
typedef struct saved {
    loop_state *copy;
} saved;

static ne_status save(const ne_embedding *e, saved *to)
{
    to->copy = memory_new(&e->context->memory, e->fit->state->method_at, 1);
    if (!to->copy) return NE_OUT_OF_MEMORY;
    memcpy(to->copy, e->fit->state, e->fit->state->method_at);
    return NE_OK;
}

static void restore(const ne_embedding *e, saved *from)
{
    if (from->copy) memcpy(e->fit->state, from->copy, from->copy->method_at);
    memory_free(&e->context->memory, from->copy);
    from->copy = NULL;
}

static int stock_attraction(const ne_embedding *e)
{
    return !e->ops->attractive_gradient && !e->ops->whole_loss && e->fit->p.rows > 0;
}

static int stock_pairs(const ne_embedding *e)
{
    return !e->ops->repulsive_gradient && !e->ops->whole_loss && e->fit->repulse != NULL;
}

/* The stock losses in double. The reference's extra terms are known to the float kernels only. */
static ne_status precise_losses(ne_embedding *e, const ne_terms *terms, double *attractive, double *repulsive)
{
    const fit       *f    = e->fit;
    const size_t     size = f->n * f->c;
    const ne_csr    *p    = stock_attraction(e) ? &f->p_view : NULL;
    const int        over = terms->normalised;
    double           both = 0, alone = 0, *z = memory_new(&e->context->memory, size, sizeof *z);
    ne_normalisation by = over == NE_OVER_ROWS ? NE_OVER_ROWS : over == NE_OVER_PAIRS ? NE_OVER_PAIRS : NE_UNNORMALISED;
    ne_status        st;

    if (!z) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; i < size; i++) z[i] = (double)state_z(f->state)[i];
    st = objective_f64(e->context, f->n, f->c, NULL, &f->kernel, by, z, NULL, &alone);
    if (st == NE_OK && p) st = objective_f64(e->context, f->n, f->c, p, &f->kernel, by, z, NULL, &both);
    if (p) *attractive = both - alone;
    if (stock_pairs(e)) *repulsive = alone;
    memory_free(&e->context->memory, z);
    return st;
}

/* The loss as the step's own kernels tell it, put right by precise_losses() where that can. */
static ne_status loss_at(ne_embedding *e, const schedule_step *at, double *loss)
{
    fit       *f = e->fit;
    ne_terms   terms;
    update_job job        = {.n = f->n, .c = f->c};
    double     attractive = NAN, repulsive = NAN;
    ne_status  st = step_gradient(e, f, at, 1, 1, &terms, &job);

    if (st != NE_OK) return st;
    *loss = f->state->loss;
    if (f->problem.reference || (!stock_attraction(e) && !stock_pairs(e)) || !f->kernel.kind) return NE_OK;
    if ((st = precise_losses(e, &terms, &attractive, &repulsive)) != NE_OK) return st;
    if (isnan(attractive)) attractive = f->loss_attractive;
    if (isnan(repulsive)) repulsive = f->loss_repulsive;
    *loss = terms.attract * attractive + terms.repulse * repulsive;
    return st;
}

static schedule_step schedule_now(const ne_embedding *e)
{
    const schedule_rule rule = fit_schedule(e, e->fit);
    return schedule_at(&rule, e->fit->state->step);
}

static void put(const ne_embedding *e, const double *y)
{
    const fit *f = e->fit;
    for (size_t r = 0; y && r < f->n; r++)
        for (size_t k = 0; k < f->c; k++)
            state_z(f->state)[r * f->c + k] = (float)y[(size_t)state_order(f->state)[r] * f->c + k];
}

/* In working order; and the terms in force. Over the edges as they are, not as a step may round them. */
static ne_status gradient_at(ne_embedding *e, const schedule_step *at, ne_terms *terms, double *gradient)
{
    fit         *f     = e->fit;
    update_job   job   = {.n = f->n, .c = f->c};
    edge_groups *own   = f->edges;
    f->edges           = NULL;
    const ne_status st = step_gradient(e, f, at, 0, 0, terms, &job);
    f->edges           = own;
    for (size_t i = 0; st == NE_OK && i < f->n * f->c; i++)
        gradient[i] = job.attract_scale * (double)f->attraction[i] -
                      (job.repulsion ? job.repulse_scale * (double)f->repulsion[i] : 0);
    return st;
}

ne_status embedding_evaluate(ne_embedding *e, const double *y, double *gradient, double *loss)
{
    fit      *f      = e->fit;
    saved     before = {0};
    double   *g      = NULL;
    ne_status st;
    ne_terms  terms;
    if (!f) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    const schedule_step at = schedule_now(e);
    if ((st = save(e, &before)) != NE_OK) return st;
    put(e, y);
    g = memory_new(&e->context->memory, f->n * f->c, sizeof *g);
    if (!g) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = gradient_at(e, &at, &terms, g)) != NE_OK) goto done;
    for (size_t r = 0; gradient && r < f->n; r++)
        for (size_t k = 0; k < f->c; k++) gradient[(size_t)state_order(f->state)[r] * f->c + k] = g[r * f->c + k];
    if (loss) st = loss_at(e, &at, loss);
done:
    memory_free(&e->context->memory, g);
    restore(e, &before);
    return st;
}

/* The loss of one row where hooks move one end. */
static ne_status loss_of_row(ne_embedding *e, const ne_terms *terms, size_t row, double *loss)
{
    const fit           *f      = e->fit;
    const ne_method_ops *ops    = e->ops;
    const float         *z      = state_z(f->state);
    void                *own    = state_method(f->state);
    double               toward = 0, away = 0;
    ne_status            st = NE_OK;
    if (ops->attractive_loss) st = ops->attractive_loss(e->params.method, &f->problem, own, z, row, row + 1, &toward);
    if (st == NE_OK && ops->repulsive_loss)
        st = ops->repulsive_loss(e->params.method, &f->problem, own, z, row, row + 1, &away);
    *loss = terms->attract * toward + terms->repulse * away;
    return st;
}

/* (L(z + h) - L(z - h)) / 2h at coordinate i, working order. */
static ne_status difference_at(ne_embedding *e, const schedule_step *at, const ne_terms *terms, size_t i, double h,
                               double *slope)
{
    fit        *f    = e->fit;
    float      *z    = state_z(f->state) + i;
    const float here = *z, up = (float)((double)here + h), down = (float)((double)here - h);
    double      above = 0, below = 0;
    ne_status   st;

    *z = up;
    st = terms->one_end ? loss_of_row(e, terms, i / f->c, &above) : loss_at(e, at, &above);
    *z = down;
    if (st == NE_OK) st = terms->one_end ? loss_of_row(e, terms, i / f->c, &below) : loss_at(e, at, &below);
    *z     = here;
    *slope = (above - below) / ((double)up - (double)down);
    return st;
}

/* Two of them, whose errors of second order cancel (Richardson 1911). */
static ne_status slope_at(ne_embedding *e, const schedule_step *at, const ne_terms *terms, size_t i, double h,
                          double *slope)
{
    double    wide = 0, narrow = 0;
    ne_status st = difference_at(e, at, terms, i, h, &wide);
    if (st == NE_OK) st = difference_at(e, at, terms, i, h / 2, &narrow);
    *slope = (4 * narrow - wide) / 3;
    return st;
}

/* A few thousandths of the typical coordinate: the error is of fourth order in it, and losses of float kernels are
 * good to seven digits. */
static double difference_step(const fit *f)
{
    double sum = 0;
    for (size_t i = 0; i < f->n * f->c; i++) sum += (double)state_z(f->state)[i] * (double)state_z(f->state)[i];
    const double size = sqrt(sum / (double)(f->n * f->c));
    return ldexp(1, (int)floor(log2(4e-3 * (size > 0 ? size : 1))));
}

ne_status embedding_check_gradient(ne_embedding *e, const double *y, ne_gradient_report *report)
{
    fit      *f      = e->fit;
    saved     before = {0};
    double   *g = NULL, largest = 0, h, loss = NAN;
    size_t    size, tried;
    ne_terms  terms;
    ne_status st;

    if (!f) return ne_fail(NE_NOT_FITTED, "%s: nothing has been started", e->ops->name);
    const schedule_step at = schedule_now(e);
    size                   = f->n * f->c;
    tried                  = size < MOST_TRIED ? size : MOST_TRIED;
    if ((st = save(e, &before)) != NE_OK) return st;
    g = memory_new(&e->context->memory, size, sizeof *g);
    if (!g) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    put(e, y);
    h = difference_step(f);
    if ((st = gradient_at(e, &at, &terms, g)) != NE_OK || (st = loss_at(e, &at, &loss)) != NE_OK) goto done;
    if (isnan(loss)) {
        st = ne_fail(NE_UNSUPPORTED, "%s: has a gradient hook without the loss hook of that side", e->ops->name);
        goto done;
    }
    for (size_t i = 0; i < size; i++) largest = fmax(largest, fabs(g[i]));
    *report = (ne_gradient_report){.struct_size = report->struct_size, .tried = (int64_t)tried, .loss = loss};
    for (size_t t = 0; t < tried; t++) {
        const random_block b = random_draw(f->problem.seed, STREAM_SAMPLE, 0, t, 0);
        const size_t       i = tried == size ? t : random_below(b.word[0], b.word[1], size);
        double             slope;
        if ((st = slope_at(e, &at, &terms, i, h, &slope)) != NE_OK) goto done;
        const double off = fabs(g[i] - slope) / (largest > 0 ? largest : 1);
        if (off > report->worst || t == 0) {
            report->worst      = off;
            report->row        = state_order(f->state)[i / f->c];
            report->column     = (int64_t)(i % f->c);
            report->gradient   = g[i];
            report->difference = slope;
        }
    }
done:
    memory_free(&e->context->memory, g);
    restore(e, &before);
    return st;
}
