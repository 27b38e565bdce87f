/* embedding/start.c: all that comes before the first step. The new fit is built aside; the object gets it when nothing
 * can fail any more. */
#include "base/clock.h"
#include "base/random.h"
#include "base/registry.h"
#include "base/view.h"
#include "embedding/embedding.h"
#include "init/init.h"
#include "init/spectral.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

static uint64_t pick_seed(int64_t asked)
{
    uint64_t seed = (uint64_t)asked;
    if (asked == INT64_MIN) {
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = (uint64_t)(clock_seconds() * 1e9);
        seed &= (UINT64_C(1) << 53) - 1;
    }
    return seed;
}

/* --- Start ------------------------------------------------------------------------------------------------------- */

static ne_status take_array(ne_embedding *e, const fit *f, float *z)
{
    if (!e->init) return ne_fail(NE_INVALID_ARGUMENT, "init: array is asked for and none is set");
    if (e->init_rows != f->n || e->init_cols != f->c)
        return ne_fail(NE_INVALID_ARGUMENT, "init: the array is %zu x %zu, %zu x %zu is needed", e->init_rows,
                       e->init_cols, f->n, f->c);
    memcpy(z, e->init, f->n * f->c * sizeof *z);
    return NE_OK;
}

/* The affinity's eigenvectors; where there is none, or they were not found, *done stays 0. */
static ne_status spectral_or_not(ne_embedding *e, fit *f, float *z, int *done)
{
    const base_params *b  = &e->base;
    ne_status          st = NE_NOT_CONVERGED;

    if (f->p.rows) st = spectral_start(e->context, &f->p, f->c, 1e-4, f->state->seed, z);
    *done = st == NE_OK;
    if (*done) init_scale(f->n, f->c, b->init_scaling, b->reference != 0, z);
    else if (st == NE_NOT_CONVERGED)
        context_log(e->context, NE_LOG_WARNING, "init: spectral %s, another start is used",
                    f->p.rows ? "did not converge" : "needs a graph of affinities, and this method has none");
    return st == NE_NOT_CONVERGED ? NE_OK : st;
}

/* Equal rows of x start at one place where the start depends on the row's number or on the graph. */
static ne_status make_start(ne_embedding *e, fit *f, const ne_dense *x, float *z)
{
    const base_params *b    = &e->base;
    const uint64_t     seed = f->state->seed;
    int                done = 0;
    ne_status          st   = NE_OK;

    /* In the reference, only its hyperbolic start makes the layout a point of the ball. */
    if (b->reference && b->init != INIT_HYPERBOLIC) f->terms.manifold = NE_EUCLIDEAN;
    if (f->terms.manifold == NE_POINCARE_BALL && b->optimizer != OPTIMIZER_RIEMANNIAN_ADAM)
        return ne_fail(NE_INVALID_ARGUMENT, "optimizer: only riemannian_adam keeps points inside the Poincare ball");

    if (b->init == INIT_ARRAY) st = take_array(e, f, z);
    else if (b->init == INIT_SPECTRAL) st = spectral_or_not(e, f, z, &done);
    if (st != NE_OK) return st;

    if (b->init == INIT_HYPERBOLIC) {
        init_hyperbolic(f->n, f->c, b->init_scaling, seed, z);
    } else if (b->init == INIT_RANDOM || b->init == INIT_NORMAL) {
        init_random(f->n, f->c, b->init_scaling, b->reference != 0, seed, z);
    } else if (b->init != INIT_ARRAY && !done && x) {
        st = init_pca(e->context, x, f->c, b->init_scaling, b->reference != 0, seed, z);
    } else if (b->init != INIT_ARRAY && !done && f->sparse) {
        st = init_pca_sparse(e->context, f->sparse, f->c, b->init_scaling, b->reference != 0, seed, z);
    } else if (b->init != INIT_ARRAY && !done) {
        context_log(e->context, NE_LOG_WARNING, "init: pca needs x, and only a graph was given: random is used");
        init_random(f->n, f->c, b->init_scaling, b->reference != 0, seed, z);
    }
    if (st == NE_OK && b->process_duplicates && b->init != INIT_ARRAY && b->init != INIT_PCA) {
        if (x) st = init_share_places(e->context, x, f->c, z);
        else if (f->sparse) st = init_share_places_sparse(e->context, f->sparse, f->c, z);
    }
    /* An array that lies in the ball is a layout of it; anything else is a layout of the plane. */
    if (st == NE_OK && f->terms.manifold == NE_POINCARE_BALL && b->init != INIT_HYPERBOLIC &&
        !(b->init == INIT_ARRAY && init_is_in_ball(f->n, f->c, z)))
        init_into_ball(f->n, f->c, z);
    return st;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* An array of the state, if it is needed: its place, else 0. */
static size_t take(size_t *at, int needed, size_t bytes)
{
    const size_t place = needed ? *at : 0;
    if (needed) *at += bytes;
    return place;
}

/* The optimizer as at its first step; gains stay. */
void optimizer_restart(fit *f)
{
    loop_state  *s      = f->state;
    const size_t values = f->n * f->c;
    /* In the reference, riemannian_adam's count is no part of what is emptied. */
    if (!(f->optimizer.reference && f->optimizer.kind == OPTIMIZER_RIEMANNIAN_ADAM)) s->updates = 0;
    memset(state_u(s), 0, values * sizeof(float));
    for (size_t i = 0; s->second_at && i < values; i++)
        state_second(s)[i] = f->optimizer.kind == OPTIMIZER_ADAGRAD ? (float)f->optimizer.initial_accumulator : 0;
    if (s->third_at) memset(state_third(s), 0, values * sizeof(float));
}

loop_state state_layout(const ne_embedding *e, size_t n, size_t c)
{
    const optimizer_rule rule   = base_optimizer(&e->base);
    const size_t         values = rounded(n * c * sizeof(float));
    const int            arrays = optimizer_arrays(&rule);
    loop_state           s      = {0};
    size_t               at;

    s.z_at      = rounded(sizeof s);
    s.u_at      = s.z_at + values;
    at          = s.u_at + values;
    s.gains_at  = take(&at, e->base.gains && rule.kind == OPTIMIZER_SGD, values);
    s.second_at = take(&at, arrays > 0, values);
    s.third_at  = take(&at, arrays > 1, values);
    s.order_at  = at;
    s.method_at = s.order_at + rounded(n * sizeof(int64_t));
    s.bytes     = s.method_at + rounded(e->ops->state_size);
    return s;
}

static ne_status make_state(ne_embedding *e, fit *f)
{
    loop_state s = state_layout(e, f->n, f->c);

    s.seed   = f->problem.seed;
    f->state = memory_zero(&e->context->memory, s.bytes, 1);
    if (!f->state) return NE_OUT_OF_MEMORY;
    *f->state = s;
    for (size_t i = 0; i < f->n; i++) state_order(f->state)[i] = (int64_t)i;
    for (size_t i = 0; s.gains_at && i < f->n * f->c; i++) state_gains(f->state)[i] = 1;
    optimizer_restart(f);
    f->state->gradient_norm = NAN;
    f->state->loss          = NAN;
    return NE_OK;
}

/* --- Plan -------------------------------------------------------------------------------------------------------- */

/* A random circle of the rows, by the caller's index (Fisher & Yates's shuffle). */
static ne_status make_circle(ne_context *context, fit *f)
{
    const ne_allocator *mem = &context->memory;
    if (f->n > INT32_MAX) return ne_fail(NE_OUT_OF_RANGE, "x: %zu rows, sampling takes %d at most", f->n, INT32_MAX);
    f->place      = memory_new(mem, f->n, sizeof *f->place);
    f->circle     = memory_new(mem, f->n, sizeof *f->circle);
    f->circle_row = memory_new(mem, f->n, sizeof *f->circle_row);
    if (!f->place || !f->circle || !f->circle_row) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; i < f->n; i++) f->place[i] = (int32_t)i;
    for (size_t i = f->n - 1; i > 0; i--) {
        const random_block b    = random_draw(f->problem.seed, STREAM_NEGATIVE, UINT32_MAX, i, 0);
        const size_t       j    = random_below(b.word[0], b.word[1], i + 1);
        const int32_t      swap = f->place[i];
        f->place[i]             = f->place[j];
        f->place[j]             = swap;
    }
    for (size_t i = 0; i < f->n; i++) {
        f->circle[i]               = f->place[i];
        f->circle_row[f->place[i]] = (int32_t)i;
    }
    f->problem.circle     = f->circle;
    f->problem.circle_row = f->circle_row;
    return NE_OK;
}

ne_status fit_plan(const ne_embedding *e, const ne_problem *problem, void *method, ne_terms *terms,
                   output_kernel *kernel, repulsion_plan *plan)
{
    const ne_method_ops *ops = e->ops;
    ne_status            st;

    *plan  = (repulsion_plan){0};
    *terms = (ne_terms){.struct_size         = sizeof *terms,
                        .affinity_out        = e->output ? e->output->name : NULL,
                        .affinity_out_params = e->params.output,
                        .normalised          = NE_OVER_PAIRS,
                        .repulsion           = (int32_t)e->base.repulsion,
                        .attract             = 1,
                        .repulse             = 1,
                        .momentum            = NAN};
    if (ops->plan && (st = ops->plan(e->params.method, problem, method, terms)) != NE_OK) return st;
    const int own_attraction = ops->attractive_gradient || ops->whole_loss;
    const int own_repulsion  = ops->repulsive_gradient || ops->whole_loss || terms->repulsion == NE_REPULSION_NONE;
    if (terms->affinity_out && !(own_attraction && own_repulsion)) {
        const ne_affinity_ops *out = registry_find(REGISTRY_AFFINITY, terms->affinity_out);
        if (!out) return NE_UNKNOWN_NAME;
        if (!out->kernel) return ne_fail(NE_UNSUPPORTED, "affinity_out: %s has no kernel", out->name);
        *kernel = output_kernel_of(out, terms->affinity_out_params);
    }
    if (!own_repulsion && terms->repulsion != NE_REPULSION_SAMPLED)
        *plan = (repulsion_plan){.n         = problem->n,
                                 .c         = problem->c,
                                 .kernel    = kernel,
                                 .method    = (ne_repulsion)terms->repulsion,
                                 .over_rows = terms->normalised == NE_OVER_ROWS,
                                 .diagonal  = problem->reference,
                                 .accuracy  = e->base.repulsion_accuracy};
    return NE_OK;
}

int fit_packs(const ne_embedding *e, const ne_terms *terms)
{
    return terms->affinity_out && !e->ops->attractive_gradient && !e->ops->whole_loss && !e->base.reference;
}

static ne_status make_plan(ne_embedding *e, fit *f)
{
    ne_context    *context = e->context;
    repulsion_plan plan;
    ne_status      st = NE_OK;

    if (e->input && e->input->prepare) st = e->input->prepare(e->params.input);
    if (st == NE_OK && e->output && e->output->prepare) st = e->output->prepare(e->params.output);
    if (st == NE_OK) st = fit_plan(e, &f->problem, state_method(f->state), &f->terms, &f->kernel, &plan);
    if (st == NE_OK && plan.n) st = context->backend->repulsion_create(context, &plan, &f->repulse);
    if (st == NE_OK && f->terms.negatives > 0) st = make_circle(context, f);
    return st;
}

ne_status embedding_start(ne_embedding *e, const ne_graph *graph, const ne_dense *x, const ne_csr *rows)
{
    ne_context         *context = e->context;
    const ne_allocator *mem     = &context->memory;
    fit                *f       = NULL;
    size_t              n       = 0;
    double              begin;
    ne_status           st = base_check(&e->base);

    if (st != NE_OK || (st = fit_check_input(e, graph, x, rows, &n)) != NE_OK) return st;
    f = memory_zero(mem, 1, sizeof *f);
    if (!f) return NE_OUT_OF_MEMORY;
    f->n       = n;
    f->c       = (size_t)e->base.n_components;
    f->kl      = NAN;
    f->problem = (ne_problem){.struct_size = sizeof f->problem,
                              .n           = n,
                              .c           = f->c,
                              .row0        = 0,
                              .row1        = n,
                              .seed        = pick_seed(e->base.random_state),
                              .max_iter    = e->base.max_iter,
                              .threads     = context_threads(context),
                              .reference   = e->base.reference != 0};
    if (n > SIZE_MAX / 64 / f->c) {
        st = ne_fail(NE_OUT_OF_MEMORY, "n_components: %zu columns of %zu rows are more than an address can reach", f->c,
                     n);
        goto done;
    }
    f->attraction = memory_new(mem, n * f->c, sizeof *f->attraction);
    if (!f->attraction) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    f->repulsion = memory_new(mem, n * f->c, sizeof *f->repulsion);
    if (!f->repulsion) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    f->optimizer = base_optimizer(&e->base);
    if ((st = make_state(e, f)) != NE_OK) goto done;
    if (x) {
        f->x         = *x;
        f->problem.x = &f->x;
    }
    f->sparse          = rows;
    f->problem.sparse  = rows;
    f->problem.context = context;
    if (graph || e->input || e->ops->neighbors)
        f->problem.metric = registry_find(REGISTRY_METRIC, graph ? graph->knn.metric : e->knn.metric);
    if (x && e->base.keep_data) {
        f->kept      = memory_new(mem, n, x->cols * sizeof *f->kept);
        f->kept_cols = x->cols;
        if (!f->kept) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        view_read_f32(x, f->kept);
    }
    /* The plan first: what cannot be done is said before the long work. */
    f->problem.order = state_order(f->state);
    if ((st = make_plan(e, f)) != NE_OK) goto done;
    if ((st = fit_affinity(e, f, graph, x)) != NE_OK) goto done;

    begin = clock_seconds();
    if (progress_report(&e->progress, "init", 0, 1)) {
        st = ne_fail(NE_CANCELLED, "cancelled before the start");
        goto done;
    }
    if ((st = make_start(e, f, x, state_z(f->state))) != NE_OK) goto done;
    f->packs = f->p.rows && fit_packs(e, &f->terms);
    if (!f->dense && (st = fit_sort(context, f)) != NE_OK) goto done;
    f->problem.affinity       = f->p.rows ? &f->p_view : NULL;
    f->problem.distances      = e->ops->neighbors && f->distances.rows ? &f->distances_view : NULL;
    f->problem.dense_affinity = f->dense;
    if (e->ops->on_affinity_computed)
        st = e->ops->on_affinity_computed(e->params.method, &f->problem, state_method(f->state));
    f->seconds_init = clock_seconds() - begin;
    if (!f->terms.exclude_neighbors) csr_clear(mem, &f->distances); /* both were lent to the hook */
    f->problem.distances = NULL;
    f->problem.x         = NULL;
    f->problem.sparse    = NULL;
    f->sparse            = NULL;
done:
    if (st == NE_OK) {
        fit_free(context, e->ops, e->fit);
        e->fit = f;
    } else {
        fit_free(context, e->ops, f);
    }
    return st;
}
