/* api/sparse.c: what takes sparse rows. They are checked and brought into one form here. */
#include "base/sparse.h"

#include "api/api.h"
#include "base/view.h"
#include "embedding/embedding.h"

ne_status ne_graph_build_sparse(ne_graph *graph, const ne_csr *x)
{
    csr        made   = {0};
    knn_report report = {0};
    sparse     rows   = {0};
    ne_status  st;

    if (!graph) return api_null("graph");
    const ne_allocator *mem = &graph->context->memory;
    if ((st = sparse_take(graph->context, x, "x", &rows)) != NE_OK) goto done;
    if (rows.rows < 2) {
        st = ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", rows.rows);
        goto done;
    }
    if ((st = options_check_n(&graph->options, rows.rows)) != NE_OK) goto done;
    const ne_csr view = sparse_view(&rows);
    st = knn_build_sparse(graph->context, &graph->knn, &view, (size_t)graph->params.n_neighbors, NULL, &made, &report);
    if (st == NE_OK) {
        csr_clear(mem, &graph->matrix);
        graph->matrix = made;
        graph->kind   = NE_GRAPH_DISTANCES;
        graph->report = report;
    }
done:
    sparse_clear(mem, &rows);
    return st;
}

/* A type without steps: its state is made aside and replaces the old one when the fit is done. */
static ne_status fit_model(ne_embedding *e, const ne_csr *x, const ne_dense *y)
{
    ne_context *context = e->context;
    void       *made    = NULL;
    int64_t     c       = 0;
    ne_status   st;
    if (!e->ops->fit_sparse) return ne_fail(NE_UNSUPPORTED, "%s: takes dense rows only", e->ops->name);
    if ((st = options_get_int(&e->options, "n_components", &c)) != NE_OK ||
        (st = view_check_shape(y, "y", x->rows, (size_t)c)) != NE_OK)
        return st;
    made = memory_zero(&context->memory, 1, e->ops->state_size);
    if (!made) return NE_OUT_OF_MEMORY;
    st        = e->ops->fit_sparse(e->params.method, context, made, x, y);
    void *old = st == NE_OK ? e->model : made;
    if (st == NE_OK) e->model = made;
    if (old && e->ops->clear) e->ops->clear(context, old);
    memory_free(&context->memory, old);
    return st;
}

/* Rows that equal the caller's take the place of x until the first step. */
static ne_status fit_steps(ne_embedding *e, const ne_csr *x, const ne_dense *y)
{
    ne_status st = view_check_shape(y, "y", x->rows, (size_t)e->base.n_components);
    if (st != NE_OK) return st;
    e->busy = 1;
    st      = embedding_start(e, NULL, NULL, x);
    if (st == NE_OK) {
        st = embedding_step(e, (size_t)e->base.max_iter);
        if (st == NE_OK || st == NE_CANCELLED) {
            const ne_status read = embedding_read(e, y);
            if (read != NE_OK) st = read;
        }
    }
    e->busy = 0;
    return st;
}

ne_status ne_embedding_fit_sparse(ne_embedding *e, const ne_csr *x, const ne_dense *y)
{
    sparse    rows = {0};
    ne_status st;
    if (!e) return api_null("embedding");
    if (e->busy) return ne_fail(NE_INVALID_ARGUMENT, "embedding: inside its own progress callback it can only be read");
    if ((st = view_check_output(y, "y")) != NE_OK || (st = sparse_take(e->context, x, "x", &rows)) != NE_OK) return st;
    const ne_csr view = sparse_view(&rows);
    st                = e->ops->fit ? fit_model(e, &view, y) : fit_steps(e, &view, y);
    sparse_clear(&e->context->memory, &rows);
    return st;
}

ne_status ne_embedding_transform_sparse(const ne_embedding *e, const ne_csr *x, const ne_dense *y)
{
    sparse    rows = {0};
    ne_status st;
    if (!e) return api_null("embedding");
    if (!e->ops->transform_sparse)
        return ne_fail(NE_UNSUPPORTED, "%s: has no map for new rows that are sparse", e->ops->name);
    if (!e->model) return ne_fail(NE_NOT_FITTED, "%s: nothing has been fitted", e->ops->name);
    if ((st = view_check_output(y, "y")) != NE_OK || (st = sparse_take(e->context, x, "x", &rows)) != NE_OK) return st;
    const ne_csr view = sparse_view(&rows);
    st                = e->ops->transform_sparse(e->params.method, e->context, e->model, &view, y);
    sparse_clear(&e->context->memory, &rows);
    return st;
}
