/* api/graph.c: the graph handle. */
#include "graph/graph.h"

#include "api/api.h"
#include "base/view.h"
#include "graph/graph_file.h"

#include <string.h>

ne_status ne_graph_create(ne_context *context, ne_graph **graph)
{
    return context && graph ? graph_new(context, graph) : api_null(context ? "graph" : "context");
}

void ne_graph_free(ne_graph *graph)
{
    graph_free(graph);
}

ne_status ne_graph_set(ne_graph *graph, const char *name, const char *text)
{
    return graph ? options_set(&graph->options, name, text) : api_null("graph");
}

ne_status ne_graph_set_real(ne_graph *graph, const char *name, double value)
{
    return graph ? options_set_real(&graph->options, name, value) : api_null("graph");
}

ne_status ne_graph_set_int(ne_graph *graph, const char *name, int64_t value)
{
    return graph ? options_set_int(&graph->options, name, value) : api_null("graph");
}

ne_status ne_graph_get(const ne_graph *graph, const char *name, char *text, size_t size)
{
    return graph ? options_get(&graph->options, name, text, size) : api_null("graph");
}

ne_status ne_graph_get_real(const ne_graph *graph, const char *name, double *value)
{
    if (!graph || !name || !value) return api_null(!graph ? "graph" : !name ? "name" : "value");
    const int rows = strcmp(name, "rows") == 0, entries = strcmp(name, "entries") == 0;
    const int recall = strcmp(name, "recall_measured") == 0, seconds = strcmp(name, "knn_seconds") == 0;
    if (!(rows || entries || recall || seconds)) return options_get_real(&graph->options, name, value);
    if (!graph->matrix.rows) return ne_fail(NE_NOT_FITTED, "%s: a result, and the graph has not been built", name);
    *value = rows      ? (double)graph->matrix.rows
             : entries ? (double)graph->matrix.entries
             : recall  ? graph->report.recall
                       : graph->report.seconds;
    return NE_OK;
}

ne_status ne_graph_get_int(const ne_graph *graph, const char *name, int64_t *value)
{
    double    real = 0;
    ne_status st;
    if (!graph || !name || !value) return api_null(!graph ? "graph" : !name ? "name" : "value");
    if (strcmp(name, "rows") != 0 && strcmp(name, "entries") != 0) return options_get_int(&graph->options, name, value);
    if ((st = ne_graph_get_real(graph, name, &real)) == NE_OK) *value = (int64_t)real;
    return st;
}

size_t ne_graph_option_count(const ne_graph *graph)
{
    return graph ? options_count(&graph->options) : 0;
}

ne_status ne_graph_option_info(const ne_graph *graph, size_t index, const char *field, char *text, size_t size)
{
    return graph ? options_info(&graph->options, index, field, text, size) : api_null("graph");
}

void api_take_neighbors(ne_graph *graph, csr *made, const knn_report *report)
{
    csr_clear(&graph->context->memory, &graph->matrix);
    graph->matrix = *made;
    graph->kind   = NE_GRAPH_DISTANCES;
    graph->report = *report;
    *made         = (csr){0};
}

ne_status ne_graph_build(ne_graph *graph, const ne_dense *x)
{
    csr        made   = {0};
    knn_report report = {0};
    ne_status  st;

    if (!graph) return api_null("graph");
    if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite_f32(x, "x")) != NE_OK) return st;
    if (x->rows < 2) return ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", x->rows);
    if ((st = options_check_n(&graph->options, x->rows)) != NE_OK) return st;
    st = knn_build(graph->context, &graph->knn, (uint64_t)graph->params.random_state, x,
                   (size_t)graph->params.n_neighbors, NULL, &made, &report);
    if (st == NE_OK) api_take_neighbors(graph, &made, &report);
    return st;
}

/* A handle around a matrix that is ready; takes it over, also when it fails. */
static ne_status wrap(ne_context *context, ne_graph_kind kind, csr *made, ne_graph **graph)
{
    ne_status st = graph_new(context, graph);
    if (st == NE_OK) {
        (*graph)->matrix = *made;
        (*graph)->kind   = kind;
        (*graph)->report = (knn_report){.recall = 1};
    } else {
        csr_clear(&context->memory, made);
    }
    return st;
}

ne_status ne_graph_from_neighbors(ne_context *context, const ne_dense *indices, const ne_dense *distances,
                                  ne_graph **graph)
{
    csr       made = {0};
    ne_status st;
    if (!context || !graph) return api_null(context ? "graph" : "context");
    st = graph_from_neighbors(context, indices, distances, &made);
    return st == NE_OK ? wrap(context, NE_GRAPH_DISTANCES, &made, graph) : st;
}

ne_status ne_graph_from_distances(ne_context *context, const ne_dense *distances, size_t k, ne_graph **graph)
{
    csr       made = {0};
    ne_status st;
    if (!context || !graph) return api_null(context ? "graph" : "context");
    st = graph_from_distances(context, distances, k, &made);
    return st == NE_OK ? wrap(context, NE_GRAPH_DISTANCES, &made, graph) : st;
}

ne_status ne_graph_from_csr(ne_context *context, ne_graph_kind kind, const ne_csr *from, ne_graph **graph)
{
    csr       made = {0};
    ne_status st;
    if (!context || !graph) return api_null(context ? "graph" : "context");
    st = graph_from_csr(context, kind, from, &made);
    return st == NE_OK ? wrap(context, kind, &made, graph) : st;
}

ne_status ne_graph_csr(const ne_graph *graph, ne_csr *view)
{
    if (!graph || !view) return api_null(graph ? "csr" : "graph");
    if (!graph->matrix.rows) return ne_fail(NE_NOT_FITTED, "graph: it has not been built");
    *view = csr_view(&graph->matrix);
    return NE_OK;
}

int ne_graph_get_kind(const ne_graph *graph)
{
    return graph && graph->matrix.rows ? (int)graph->kind : 0;
}

ne_status ne_graph_save(const ne_graph *graph, const char *path)
{
    if (!graph || !path) return api_null(graph ? "path" : "graph");
    if (!graph->matrix.rows) return ne_fail(NE_NOT_FITTED, "graph: it has not been built");
    return graph_file_write(graph->context, path, graph->kind, &graph->matrix, graph->report.recall);
}

ne_status ne_graph_read(ne_context *context, const char *path, ne_graph **graph)
{
    csr           made   = {0};
    ne_graph_kind kind   = NE_GRAPH_DISTANCES;
    double        recall = 0;
    ne_graph     *read   = NULL;
    ne_status     st;
    if (!context || !path || !graph) return api_null(!context ? "context" : !path ? "path" : "graph");
    if ((st = graph_file_read(context, path, &kind, &made, &recall)) != NE_OK) return st;
    if ((st = wrap(context, kind, &made, &read)) != NE_OK) return st;
    read->report.recall = recall;
    *graph              = read;
    return NE_OK;
}

ne_status ne_graph_query(const ne_graph *graph, const ne_dense *x, const ne_dense *queries, const ne_dense *indices,
                         const ne_dense *distances)
{
    const ne_allocator *mem;
    int32_t            *index    = NULL;
    float              *distance = NULL;
    ne_status           st;

    if (!graph) return api_null("graph");
    if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite_f32(x, "x")) != NE_OK ||
        (st = view_check(queries, "queries")) != NE_OK ||
        (st = view_check_shape(queries, "queries", queries->rows, x->cols)) != NE_OK ||
        (st = view_check_finite_f32(queries, "queries")) != NE_OK ||
        (st = view_check_integer(indices, "indices")) != NE_OK ||
        (st = view_check_output(indices, "indices")) != NE_OK ||
        (st = view_check_shape(indices, "indices", queries->rows, indices->cols)) != NE_OK ||
        (st = view_check(distances, "distances")) != NE_OK ||
        (st = view_check_output(distances, "distances")) != NE_OK ||
        (st = view_check_shape(distances, "distances", queries->rows, indices->cols)) != NE_OK)
        return st;
    const size_t k = indices->cols, m = queries->rows;
    mem      = &graph->context->memory;
    index    = memory_new(mem, m, k * sizeof *index);
    distance = memory_new(mem, m, k * sizeof *distance);
    if (!index || !distance) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = knn_query(graph->context, &graph->knn, x, queries, k, index, distance)) != NE_OK) goto done;
    for (size_t i = 0; i < m; i++)
        for (size_t a = 0; a < k; a++) {
            const size_t at = i * view_stride(indices) + a;
            if (indices->dtype == NE_I32) ((int32_t *)indices->data)[at] = index[i * k + a];
            else ((int64_t *)indices->data)[at] = index[i * k + a];
            view_set(distances, i, a, (double)distance[i * k + a]);
        }
done:
    memory_free(mem, index);
    memory_free(mem, distance);
    return st;
}
