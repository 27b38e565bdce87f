/* embedding/result.c: what a fit found out, by name. */
#include "base/view.h"
#include "cpu/objective_f64.h"
#include "embedding/embedding.h"

#include <math.h>
#include <string.h>

ne_status embedding_read(const ne_embedding *e, const ne_dense *y)
{
    const fit *f = e->fit;
    ne_status  st;
    if (!f) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if ((st = view_check_output(y, "y")) != NE_OK || (st = view_check_shape(y, "y", f->n, f->c)) != NE_OK) return st;
    const float   *z     = state_z(f->state);
    const int64_t *order = state_order(f->state);
    for (size_t r = 0; r < f->n; r++)
        for (size_t k = 0; k < f->c; k++) view_set(y, (size_t)order[r], k, (double)z[r * f->c + k]);
    return NE_OK;
}

/* The exact divergence is n^2 work, so it is done when asked for and kept. */
static ne_status exact_kl(const ne_embedding *e, double *value)
{
    fit      *f  = e->fit;
    ne_status st = NE_OK;
    if (!f->p.rows || !f->terms.affinity_out)
        return ne_fail(NE_UNSUPPORTED, "kl: %s has no pair of affinities to compare", e->ops->name);
    if (isnan(f->kl))
        st =
            objective_kl(e->context, f->n, f->c, &f->p_view, &f->kernel,
                         f->terms.normalised == NE_OVER_ROWS ? NE_OVER_ROWS : NE_OVER_PAIRS, state_z(f->state), &f->kl);
    if (st == NE_OK) *value = f->kl;
    return st;
}

ne_status result_real(const ne_embedding *e, const char *name, double *value, int *found)
{
    static const char *const names[] = {
        "n_iter",  "kl",          "gradient_norm",    "loss",         "random_state_used", "recall_measured",
        "seconds", "seconds_knn", "seconds_affinity", "seconds_init", "seconds_optimize"};
    const fit *f     = e->fit;
    int        known = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) known |= strcmp(name, names[i]) == 0;
    known |= strcmp(name, "lr") == 0 && f; /* also an option: without a fit, that is what is asked for */
    *found = known && !e->ops->fit;
    if (!*found) return NE_OK;
    if (!f) return ne_fail(NE_NOT_FITTED, "%s: a result, and nothing has been fitted", name);
    if (strcmp(name, "kl") == 0) return exact_kl(e, value);
    *value = strcmp(name, "n_iter") == 0              ? (double)f->state->step
             : strcmp(name, "gradient_norm") == 0     ? f->state->gradient_norm
             : strcmp(name, "loss") == 0              ? f->state->loss
             : strcmp(name, "random_state_used") == 0 ? (double)f->state->seed
             : strcmp(name, "recall_measured") == 0   ? f->recall
             : strcmp(name, "seconds_knn") == 0       ? f->seconds_knn
             : strcmp(name, "seconds_affinity") == 0  ? f->seconds_affinity
             : strcmp(name, "seconds_init") == 0      ? f->seconds_init
             : strcmp(name, "seconds_optimize") == 0  ? f->seconds_optimize
             : strcmp(name, "lr") == 0                ? f->state->rate
                                       : f->seconds_knn + f->seconds_affinity + f->seconds_init + f->seconds_optimize;
    return NE_OK;
}

ne_status result_array(const ne_embedding *e, const char *name, double *values, size_t count)
{
    const double *from = NULL;
    size_t        have = 0;
    ne_status     st   = NE_OK;
    if (e->ops->get_array) {
        if (!e->model) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
        st = e->ops->get_array(e->model, name, &from, &have);
    } else if (strcmp(name, "bandwidth") == 0) {
        if (!e->fit) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
        if (!e->fit->bandwidth) return ne_fail(NE_UNSUPPORTED, "bandwidth: the affinity was given, not computed");
        from = e->fit->bandwidth;
        have = e->fit->n;
    } else {
        st = ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; did you mean 'bandwidth'?", name);
    }
    if (st == NE_OK && count != have)
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: %zu values, room is for %zu", name, have, count);
    if (st == NE_OK) memcpy(values, from, have * sizeof *values);
    return st;
}

ne_status embedding_gradient(const ne_embedding *e, const double *y, double *gradient, double *loss)
{
    const fit          *f   = e->fit;
    const ne_allocator *mem = &e->context->memory;
    double             *z = NULL, *g = NULL;
    ne_status           st = NE_OK;

    if (!f) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if (!f->p.rows || !f->terms.affinity_out || e->ops->whole_loss || e->ops->repulsive_gradient)
        return ne_fail(NE_UNSUPPORTED, "gradient: %s has hooks of its own in place of the stock objective",
                       e->ops->name);
    z = memory_new(mem, f->n * f->c, sizeof *z);
    g = memory_new(mem, f->n * f->c, sizeof *g);
    if (!z || !g) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t r = 0; r < f->n; r++)
        for (size_t k = 0; k < f->c; k++) z[r * f->c + k] = y[(size_t)state_order(f->state)[r] * f->c + k];
    st = objective_f64(e->context, f->n, f->c, &f->p_view, &f->kernel, (ne_normalisation)f->terms.normalised, z,
                       gradient ? g : NULL, loss);
    for (size_t r = 0; st == NE_OK && gradient && r < f->n; r++)
        for (size_t k = 0; k < f->c; k++) gradient[(size_t)state_order(f->state)[r] * f->c + k] = g[r * f->c + k];
done:
    memory_free(mem, z);
    memory_free(mem, g);
    return st;
}
