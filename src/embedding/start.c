/* embedding/start.c: all that comes before the first step. The new fit is built aside; the object gets it when nothing
 * can fail any more. */
#include "base/clock.h"
#include "base/registry.h"
#include "base/view.h"
#include "embedding/embedding.h"
#include "graph/order.h"
#include "init/init.h"

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

/* --- Affinity ---------------------------------------------------------------------------------------------------- */

static ne_status check_input(const ne_embedding *e, const ne_graph *graph, const ne_dense *x, size_t *n)
{
    ne_status st = NE_OK;
    if (x && (st = view_check(x, "x")) == NE_OK) st = view_check_finite_f32(x, "x");
    if (st != NE_OK) return st;
    if (!x && !graph) return ne_fail(NE_INVALID_ARGUMENT, "x: a null pointer, and no graph in its place");
    if (graph && !graph->matrix.rows) return ne_fail(NE_NOT_FITTED, "graph: it has not been built");
    if (x && graph && graph->matrix.rows != x->rows)
        return ne_fail(NE_INVALID_ARGUMENT, "graph: %zu rows, x has %zu", graph->matrix.rows, x->rows);
    if (graph) *n = graph->matrix.rows;
    if (x) *n = x->rows;
    if (*n < 2) return ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", *n);
    if (graph && graph->kind == NE_GRAPH_AFFINITY) return NE_OK; /* bounds on neighbors have no meaning then */
    st = options_check_n(&e->options, *n);
    if (st == NE_OK && e->input && e->input->check) st = e->input->check(e->params.input, *n);
    return st;
}

static ne_status compute_distances(ne_embedding *e, fit *f, const ne_dense *x, csr *to)
{
    const size_t k      = e->input->neighbors(e->params.input, f->n);
    knn_report   report = {0};
    ne_status    st;

    if (progress_report(&e->progress, "knn", 0, 1))
        return ne_fail(NE_CANCELLED, "cancelled before the neighbor search");
    st             = knn_build(e->context, &e->knn, f->problem.seed, x, k, &e->progress, to, &report);
    f->recall      = report.recall;
    f->seconds_knn = report.seconds;
    if (st == NE_OK && report.recall < e->knn.recall && report.recall < 1)
        context_log(e->context, NE_LOG_WARNING, "recall: %.4f was reached, %g was asked for", report.recall,
                    e->knn.recall);
    return st;
}

static ne_status compute_affinity(ne_embedding *e, fit *f, const ne_graph *graph, const ne_dense *x, csr *to)
{
    ne_context  *context  = e->context;
    csr          directed = {0};
    ne_status    st       = NE_OK;
    double       begin;
    const double n = (double)f->n;

    if (graph && graph->kind == NE_GRAPH_AFFINITY) {
        const double sum = csr_sum(&graph->matrix);
        if (!(sum > 0)) return ne_fail(NE_INVALID_ARGUMENT, "graph: its affinities sum to %g", sum);
        f->recall = 1;
        st        = csr_copy(&context->memory, &graph->matrix, &directed);
        if (st == NE_OK) st = csr_symmetrise(context, &directed, 0.5 / sum, to);
        csr_clear(&context->memory, &directed);
        return st;
    }
    if (graph) {
        f->recall = graph->report.recall;
        st        = csr_copy(&context->memory, &graph->matrix, &directed);
        for (size_t i = 0; st == NE_OK && i < f->n; i++)
            if (graph->matrix.start[i] == graph->matrix.start[i + 1])
                st = ne_fail(NE_INVALID_ARGUMENT, "graph: row %zu has no neighbors", i);
    } else {
        st = compute_distances(e, f, x, &directed);
    }
    begin = clock_seconds();
    if (st == NE_OK && progress_report(&e->progress, "affinity", 0, 1))
        st = ne_fail(NE_CANCELLED, "cancelled before the affinity");
    if (st == NE_OK) {
        f->bandwidth = memory_new(&context->memory, f->n, sizeof *f->bandwidth);
        st           = !f->bandwidth ? NE_OUT_OF_MEMORY
                                     : affinity_apply(context, e->input, e->params.input, &directed, f->bandwidth);
    }
    if (st == NE_OK) {
        const double sum = e->input->row_sum_is_one ? n : csr_sum(&directed);
        st               = sum > 0 ? csr_symmetrise(context, &directed, 0.5 / sum, to)
                                   : ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", e->input->name, sum);
    }
    csr_clear(&context->memory, &directed);
    f->seconds_affinity = clock_seconds() - begin;
    return st;
}

/* --- Start ------------------------------------------------------------------------------------------------------- */

static ne_status make_start(ne_embedding *e, fit *f, const ne_dense *x, float *z)
{
    const base_params *b  = &e->base;
    ne_status          st = NE_OK;

    if (b->init == INIT_ARRAY && !e->init) {
        st = ne_fail(NE_INVALID_ARGUMENT, "init: array is asked for and none is set");
    } else if (b->init == INIT_ARRAY && (e->init_rows != f->n || e->init_cols != f->c)) {
        st = ne_fail(NE_INVALID_ARGUMENT, "init: the array is %zu x %zu, %zu x %zu is needed", e->init_rows,
                     e->init_cols, f->n, f->c);
    } else if (b->init == INIT_ARRAY) {
        memcpy(z, e->init, f->n * f->c * sizeof *z);
    } else if (b->init == INIT_PCA && x) {
        st = init_pca(e->context, x, f->c, b->init_scaling, b->reference != 0, f->state->seed, z);
    } else {
        if (b->init == INIT_PCA)
            context_log(e->context, NE_LOG_WARNING, "init: pca needs x, and only a graph was given: random is used");
        init_random(f->n, f->c, b->init_scaling, b->reference != 0, f->state->seed, z);
    }
    return st;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static ne_status make_state(ne_embedding *e, fit *f)
{
    const size_t values = rounded(f->n * f->c * sizeof(float)); /* n * c floats were allocated: no overflow */
    loop_state   s      = {0};

    s.z_at      = rounded(sizeof s);
    s.u_at      = s.z_at + values;
    s.gains_at  = e->base.gains ? s.u_at + values : 0;
    s.order_at  = s.u_at + values * (e->base.gains ? 2 : 1);
    s.method_at = s.order_at + rounded(f->n * sizeof(int64_t));
    s.bytes     = s.method_at + rounded(e->ops->state_size);
    s.seed      = f->problem.seed;
    f->state    = memory_zero(&e->context->memory, s.bytes, 1);
    if (!f->state) return NE_OUT_OF_MEMORY;
    *f->state = s;
    for (size_t i = 0; i < f->n; i++) state_order(f->state)[i] = (int64_t)i;
    for (size_t i = 0; e->base.gains && i < f->n * f->c; i++) state_gains(f->state)[i] = 1;
    f->state->gradient_norm = NAN;
    f->state->loss          = NAN;
    return NE_OK;
}

ne_status fit_sort(ne_context *context, fit *f)
{
    const ne_allocator *mem = &context->memory;
    loop_state         *s   = f->state;
    const size_t        n = f->n, c = f->c;
    int64_t            *order = memory_new(mem, n, sizeof *order), *old = memory_new(mem, n, sizeof *old);
    float              *copy      = memory_new(mem, n * c, sizeof *copy);
    float              *arrays[3] = {state_z(s), state_u(s), state_gains(s)};
    csr                 p         = {0};
    ne_status           st;

    if (!order || !old || !copy) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = order_morton(context, n, c, state_z(s), order)) != NE_OK) goto done;
    if (f->p.rows && (st = csr_permute(context, &f->p, order, &p)) != NE_OK) goto done;
    for (int a = 0; a < 3; a++)
        if (arrays[a]) {
            memcpy(copy, arrays[a], n * c * sizeof *copy);
            for (size_t r = 0; r < n; r++)
                for (size_t k = 0; k < c; k++) arrays[a][r * c + k] = copy[(size_t)order[r] * c + k];
        }
    memcpy(old, state_order(s), n * sizeof *old);
    for (size_t r = 0; r < n; r++) state_order(s)[r] = old[order[r]];
    if (f->p.rows) {
        csr_clear(mem, &f->p);
        f->p      = p;
        f->p_view = csr_view(&f->p);
    }
done:
    memory_free(mem, order);
    memory_free(mem, old);
    memory_free(mem, copy);
    return st;
}

/* --- Plan -------------------------------------------------------------------------------------------------------- */

static ne_status make_plan(ne_embedding *e, fit *f)
{
    const ne_method_ops *ops     = e->ops;
    ne_context          *context = e->context;
    void                *method  = state_method(f->state);
    ne_status            st      = NE_OK;

    f->terms = (ne_terms){.struct_size         = sizeof f->terms,
                          .affinity_out        = ops->affinity_out,
                          .affinity_out_params = e->params.output,
                          .normalised          = NE_OVER_PAIRS,
                          .repulsion           = (int32_t)e->base.repulsion,
                          .attract             = 1,
                          .repulse             = 1};
    if (ops->plan && (st = ops->plan(e->params.method, &f->problem, method, &f->terms)) != NE_OK) return st;
    if (f->terms.normalised == NE_OVER_ROWS && !ops->repulsive_gradient && !ops->whole_loss)
        return ne_fail(NE_UNSUPPORTED, "%s: a repulsion normalised over rows needs a hook of the method's own",
                       ops->name);
    if (f->terms.affinity_out) {
        const ne_affinity_ops *out = registry_find(REGISTRY_AFFINITY, f->terms.affinity_out);
        if (!out) return NE_UNKNOWN_NAME;
        if (!out->kernel) return ne_fail(NE_UNSUPPORTED, "affinity_out: %s has no kernel", out->name);
        f->kernel = output_kernel_of(out, f->terms.affinity_out_params);
    }
    if (!ops->repulsive_gradient && !ops->whole_loss && f->terms.repulsion != NE_REPULSION_NONE) {
        const repulsion_plan plan = {.n        = f->n,
                                     .c        = f->c,
                                     .kernel   = &f->kernel,
                                     .method   = (ne_repulsion)f->terms.repulsion,
                                     .accuracy = e->base.repulsion_accuracy};
        st                        = context->backend->repulsion_create(context, &plan, &f->repulse);
    }
    return st;
}

ne_status embedding_start(ne_embedding *e, const ne_graph *graph, const ne_dense *x)
{
    ne_context         *context = e->context;
    const ne_allocator *mem     = &context->memory;
    fit                *f       = NULL;
    size_t              n       = 0;
    double              begin;
    ne_status           st = check_input(e, graph, x, &n);

    if (st != NE_OK) return st;
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
    if ((st = make_state(e, f)) != NE_OK) goto done;
    /* The plan first: what cannot be done is said before the long work. */
    f->problem.order = state_order(f->state);
    if ((st = make_plan(e, f)) != NE_OK) goto done;
    if (e->input && (st = compute_affinity(e, f, graph, x, &f->p)) != NE_OK) goto done;
    f->p_view = csr_view(&f->p);

    begin = clock_seconds();
    if (progress_report(&e->progress, "init", 0, 1)) {
        st = ne_fail(NE_CANCELLED, "cancelled before the start");
        goto done;
    }
    if ((st = make_start(e, f, x, state_z(f->state))) != NE_OK) goto done;
    if ((st = fit_sort(context, f)) != NE_OK) goto done;
    f->problem.affinity = &f->p_view;
    f->seconds_init     = clock_seconds() - begin;
    if (e->ops->on_affinity_computed)
        st = e->ops->on_affinity_computed(e->params.method, &f->problem, state_method(f->state));
done:
    if (st == NE_OK) {
        fit_free(context, e->ops, e->fit);
        e->fit = f;
    } else {
        fit_free(context, e->ops, f);
    }
    return st;
}
