/* embedding/input.c: from what the caller gives, data or a graph, to the affinity of the fit. */
#include "base/clock.h"
#include "base/view.h"
#include "embedding/embedding.h"

#include <string.h>

ne_status fit_check_rows(const ne_embedding *e, size_t n)
{
    ne_status st;
    if (n < 2) return ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", n);
    st = options_check_n(&e->options, n);
    if (st == NE_OK && e->input && e->input->check) st = e->input->check(e->params.input, n);
    return st;
}

ne_status fit_check_sparse(const ne_embedding *e)
{
    return e->base.keep_data ? ne_fail(NE_UNSUPPORTED, "keep_data: true keeps a copy of dense rows, and x is sparse")
                             : NE_OK;
}

ne_status fit_check_input(const ne_embedding *e, const ne_graph *graph, const ne_dense *x, const ne_csr *rows,
                          size_t *n)
{
    ne_status st = NE_OK;
    if (x && (st = view_check(x, "x")) == NE_OK) st = view_check_finite_f32(x, "x");
    if (st != NE_OK) return st;
    if (!x && !graph && !rows) return ne_fail(NE_INVALID_ARGUMENT, "x: a null pointer, and no graph in its place");
    if (graph && !graph->matrix.rows) return ne_fail(NE_NOT_FITTED, "graph: it has not been built");
    if (x && graph && graph->matrix.rows != x->rows)
        return ne_fail(NE_INVALID_ARGUMENT, "graph: %zu rows, x has %zu", graph->matrix.rows, x->rows);
    if (graph) *n = graph->matrix.rows;
    if (x) *n = x->rows;
    if (rows) *n = rows->rows;
    if (rows && (st = fit_check_sparse(e)) != NE_OK) return st;
    /* Bounds on neighbors have no meaning for an affinity. */
    return graph && graph->kind == NE_GRAPH_AFFINITY && *n >= 2 ? NE_OK : fit_check_rows(e, *n);
}

static ne_status compute_distances(ne_embedding *e, fit *f, const ne_dense *x, size_t k, csr *to)
{
    knn_report report = {0};
    ne_status  st;

    if (progress_report(&e->progress, "knn", 0, 1))
        return ne_fail(NE_CANCELLED, "cancelled before the neighbor search");
    st             = f->sparse ? knn_build_sparse(e->context, &e->knn, f->sparse, k, &e->progress, to, &report)
                               : knn_build(e->context, &e->knn, f->problem.seed, x, k, &e->progress, to, &report);
    f->recall      = report.recall;
    f->seconds_knn = report.seconds;
    if (st == NE_OK && report.recall < e->knn.recall && report.recall < 1)
        context_log(e->context, NE_LOG_WARNING, "recall: %.4f was reached, %g was asked for", report.recall,
                    e->knn.recall);
    return st;
}

/* The caller's affinity, made symmetric and scaled to sum to 1. */
static ne_status take_affinity(ne_embedding *e, fit *f, const ne_graph *graph)
{
    ne_context  *context  = e->context;
    csr          directed = {0};
    const double sum      = csr_sum(&graph->matrix);
    ne_status    st;

    if (!(sum > 0)) return ne_fail(NE_INVALID_ARGUMENT, "graph: its affinities sum to %g", sum);
    f->recall = 1;
    st        = csr_copy(&context->memory, &graph->matrix, &directed);
    if (st == NE_OK) st = csr_symmetrise(context, &directed, 0.5 / sum, &f->p);
    csr_clear(&context->memory, &directed);
    return st;
}

/* The caller's distances, or those of the k nearest neighbors in x. */
static ne_status take_distances(ne_embedding *e, fit *f, const ne_graph *graph, const ne_dense *x, size_t k, csr *to)
{
    ne_status st;
    if (!graph) return compute_distances(e, f, x, k, to);
    f->recall = graph->report.recall;
    st        = csr_copy(&e->context->memory, &graph->matrix, to);
    for (size_t i = 0; st == NE_OK && i < f->n; i++)
        if (graph->matrix.start[i] == graph->matrix.start[i + 1])
            st = ne_fail(NE_INVALID_ARGUMENT, "graph: row %zu has no neighbors", i);
    return st;
}

static ne_status sparse_affinity(ne_embedding *e, fit *f, const ne_graph *graph, const ne_dense *x)
{
    ne_context *context  = e->context;
    csr         directed = {0};
    double      begin;
    ne_status   st = affinity_check_graph(e->input, e->params.input);

    if (st == NE_OK)
        st = take_distances(e, f, graph, x, graph ? 0 : e->input->neighbors(e->params.input, f->n), &directed);
    begin = clock_seconds();
    if (st == NE_OK && progress_report(&e->progress, "affinity", 0, 1))
        st = ne_fail(NE_CANCELLED, "cancelled before the affinity");
    if (st == NE_OK) {
        f->bandwidth = memory_new(&context->memory, f->n, sizeof *f->bandwidth);
        st           = !f->bandwidth ? NE_OUT_OF_MEMORY
                                     : affinity_apply(context, e->input, e->params.input, &directed, f->bandwidth);
    }
    /* Rows leave out of their draws what they have as neighbors themselves. */
    if (st == NE_OK && f->terms.exclude_neighbors) st = csr_copy(&context->memory, &directed, &f->distances);
    f->distances_view = csr_view(&f->distances);
    if (st == NE_OK) st = affinity_combine(context, e->input, &directed, &f->p);
    csr_clear(&context->memory, &directed);
    f->seconds_affinity = clock_seconds() - begin;
    return st;
}

static ne_status dense_affinity(ne_embedding *e, fit *f, const ne_dense *x)
{
    const double begin = clock_seconds();
    ne_status    st;
    if (f->sparse)
        return ne_fail(NE_UNSUPPORTED, "%s: compares all pairs of rows of a dense x, and x is sparse", e->ops->name);
    if (!x) return ne_fail(NE_UNSUPPORTED, "%s: needs x or a graph that is an affinity", e->ops->name);
    if (progress_report(&e->progress, "affinity", 0, 1)) return ne_fail(NE_CANCELLED, "cancelled before the affinity");
    st                  = affinity_dense(e->context, e->input, e->params.input, &e->knn, x, &e->progress, f->dense);
    f->recall           = 1;
    f->seconds_affinity = clock_seconds() - begin;
    return st;
}

static void spread_rows(const csr *p, float *dense)
{
    const size_t n = p->rows;
    for (size_t i = 0; i < n; i++) {
        memset(dense + i * n, 0, n * sizeof *dense);
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++) dense[i * n + (size_t)p->col[e]] = p->val[e];
    }
}

ne_status fit_affinity(ne_embedding *e, fit *f, const ne_graph *graph, const ne_dense *x)
{
    const ne_allocator *mem      = &e->context->memory;
    const int           is_given = graph && graph->kind == NE_GRAPH_AFFINITY;
    ne_status           st       = NE_OK;

    if (f->terms.dense_affinity) {
        if (f->n > SIZE_MAX / f->n || !(f->dense = memory_new(mem, f->n * f->n, sizeof *f->dense)))
            return ne_fail(NE_OUT_OF_MEMORY, "%s: %zu x %zu affinities", e->ops->name, f->n, f->n);
        if (!is_given) return dense_affinity(e, f, x);
        st = take_affinity(e, f, graph);
        if (st == NE_OK) spread_rows(&f->p, f->dense);
        csr_clear(mem, &f->p);
    } else if (is_given && (e->input || e->ops->neighbors)) {
        st = take_affinity(e, f, graph);
    } else if (e->input) {
        st = sparse_affinity(e, f, graph, x);
    } else if (e->ops->neighbors) {
        const size_t want = e->ops->neighbors(e->params.method, f->n), most = f->n - 1;
        st                = take_distances(e, f, graph, x, want < most ? want : most, &f->distances);
        f->distances_view = csr_view(&f->distances);
    }
    f->p_view = csr_view(&f->p);
    return st;
}
