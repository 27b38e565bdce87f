/* affinity/dual.c: see dual.h. */
#include "affinity/dual.h"

#include <math.h>
#include <string.h>

static ne_status product(void *user, const double *v, double *to)
{
    dual_hessian *h = user;
    if (h->list.col) {
        pair_list_product(ne_pairs_context(h->pairs), &h->list, h->diagonal, v, to);
        return NE_OK;
    }
    h->v = v;
    for (size_t i = 0; h->narrow && i < h->n; i++) h->narrow[i] = (float)v[i];
    h->to = to;
    return ne_pairs_visit(h->pairs, h->row, h->user);
}

static void precondition(void *user, const double *v, double *to)
{
    const dual_hessian *h = user;
    for (size_t i = 0; i < h->n; i++) to[i] = v[i] / (h->diagonal[i] + h->own[i]);
}

cg_system dual_system(dual_hessian *h, double *work)
{
    return (cg_system){h->n, product, precondition, h, work};
}

static ne_status sums_at(const dual_problem *d)
{
    d->prepare(d->state);
    return ne_pairs_visit(d->pairs, d->sum, d->state);
}

ne_status dual_search(const dual_problem *d, double value, double t, double slope, double rounding, int tries,
                      int *moved)
{
    ne_status st = NE_OK;
    *moved       = 0;
    memcpy(d->kept, d->f, d->n * sizeof *d->f);
    for (int i = 0; i < tries && !*moved && st == NE_OK; i++, t /= 2) {
        for (size_t k = 0; k < d->n; k++) d->f[k] = d->kept[k] + t * d->step[k];
        st     = sums_at(d);
        *moved = d->value(d->state) <= value + 1e-4 * t * slope + rounding;
    }
    if (st == NE_OK && !*moved) {
        memcpy(d->f, d->kept, d->n * sizeof *d->f);
        st = sums_at(d);
    }
    return st;
}

ne_status dual_descend(const dual_problem *d, int64_t most, double tol, ne_solution *solution)
{
    int       moved = 1;
    ne_status st    = sums_at(d);
    while (st == NE_OK) {
        solution->residual = 0;
        for (size_t i = 0; i < d->n; i++) solution->residual = fmax(solution->residual, fabs(d->r[i] - 1));
        solution->met = solution->residual < tol;
        if (solution->met || !moved || solution->n_iter >= most) break;
        if (ne_pairs_progress(d->pairs, solution->n_iter, most)) {
            st = ne_fail(NE_CANCELLED, "cancelled in the affinity");
            break;
        }
        st = d->newton(d->state, solution->residual, &moved);
        solution->n_iter++;
    }
    return st;
}
