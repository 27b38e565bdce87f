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
    if (st == NE_OK) api_take_neighbors(graph, &made, &report);
done:
    sparse_clear(mem, &rows);
    return st;
}

ne_status ne_embedding_fit_sparse(ne_embedding *e, const ne_csr *x, const ne_dense *y)
{
    sparse    rows = {0};
    ne_status st;
    if (!e) return api_null("embedding");
    if ((st = view_check_output(y, "y")) != NE_OK || (st = sparse_take(e->context, x, "x", &rows)) != NE_OK) return st;
    const ne_csr view = sparse_view(&rows);
    st                = api_fit(e, NULL, NULL, &view, y);
    sparse_clear(&e->context->memory, &rows);
    return st;
}

ne_status ne_estimate_memory_sparse(const ne_embedding *embedding, size_t n, size_t d, size_t entries, int32_t dtype,
                                    size_t *bytes)
{
    ne_status st;
    if (!embedding || !bytes) return api_null(!embedding ? "embedding" : "bytes");
    if (dtype != NE_F32 && dtype != NE_F64)
        return ne_fail(NE_INVALID_ARGUMENT, "dtype: %d, f32 or f64 are taken", dtype);
    if (n < 1 || d < 1)
        return ne_fail(NE_INVALID_ARGUMENT, "x: %zu x %zu, at least one row and one column are needed", n, d);
    if ((st = sparse_check_columns(d, "d")) != NE_OK) return st;
    if (entries / d > n || (entries / d == n && entries % d > 0))
        return ne_fail(NE_INVALID_ARGUMENT, "entries: %zu, there is room for %zu x %zu", entries, n, d);
    return embedding_estimate(embedding, n, d, dtype, &entries, bytes);
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
