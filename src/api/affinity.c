/* api/affinity.c: the affinity handle. */
#include "affinity/affinity.h"

#include "api/api.h"
#include "base/registry.h"
#include "base/view.h"

#include <string.h>

ne_status ne_affinity_create(ne_context *context, const char *name, ne_affinity **affinity)
{
    if (!context || !name || !affinity) return api_null(!context ? "context" : !name ? "name" : "affinity");
    const ne_affinity_ops *ops = registry_find(REGISTRY_AFFINITY, name);
    return ops ? affinity_new(context, ops, affinity) : NE_UNKNOWN_NAME;
}

void ne_affinity_free(ne_affinity *affinity)
{
    affinity_free(affinity);
}

ne_status ne_affinity_set(ne_affinity *affinity, const char *name, const char *text)
{
    return affinity ? options_set(&affinity->options, name, text) : api_null("affinity");
}

ne_status ne_affinity_set_real(ne_affinity *affinity, const char *name, double value)
{
    return affinity ? options_set_real(&affinity->options, name, value) : api_null("affinity");
}

ne_status ne_affinity_set_int(ne_affinity *affinity, const char *name, int64_t value)
{
    return affinity ? options_set_int(&affinity->options, name, value) : api_null("affinity");
}

ne_status ne_affinity_get(const ne_affinity *affinity, const char *name, char *text, size_t size)
{
    return affinity ? options_get(&affinity->options, name, text, size) : api_null("affinity");
}

ne_status ne_affinity_get_real(const ne_affinity *affinity, const char *name, double *value)
{
    return affinity && value ? options_get_real(&affinity->options, name, value)
                             : api_null(affinity ? "value" : "affinity");
}

ne_status ne_affinity_get_int(const ne_affinity *affinity, const char *name, int64_t *value)
{
    return affinity && value ? options_get_int(&affinity->options, name, value)
                             : api_null(affinity ? "value" : "affinity");
}

size_t ne_affinity_option_count(const ne_affinity *affinity)
{
    return affinity ? options_count(&affinity->options) : 0;
}

ne_status ne_affinity_option_info(const ne_affinity *affinity, size_t index, const char *field, char *text, size_t size)
{
    return affinity ? options_info(&affinity->options, index, field, text, size) : api_null("affinity");
}

static ne_status compute(ne_affinity *affinity, const ne_dense *x, const csr *distances, ne_graph **graph)
{
    csr       made   = {0};
    ne_graph *handle = NULL;
    ne_status st     = graph_new(affinity->context, &handle);
    if (st == NE_OK && (st = affinity_compute(affinity, x, distances, &made)) == NE_OK) {
        handle->matrix = made;
        handle->kind   = NE_GRAPH_AFFINITY;
        handle->report = (knn_report){.recall = 1};
        *graph         = handle;
        handle         = NULL;
    }
    graph_free(handle);
    return st;
}

ne_status ne_affinity_compute(ne_affinity *affinity, const ne_dense *x, ne_graph **graph)
{
    ne_status st;
    if (!affinity || !graph) return api_null(affinity ? "graph" : "affinity");
    if ((st = view_check(x, "x")) != NE_OK || (st = view_check_finite_f32(x, "x")) != NE_OK) return st;
    if (x->rows < 2) return ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", x->rows);
    return compute(affinity, x, NULL, graph);
}

ne_status ne_affinity_compute_graph(ne_affinity *affinity, const ne_graph *distances, ne_graph **graph)
{
    if (!affinity || !distances || !graph) return api_null(!affinity ? "affinity" : !distances ? "distances" : "graph");
    if (!distances->matrix.rows) return ne_fail(NE_NOT_FITTED, "distances: the graph has not been built");
    if (distances->kind != NE_GRAPH_DISTANCES)
        return ne_fail(NE_INVALID_ARGUMENT, "distances: the graph holds affinities already");
    return compute(affinity, NULL, &distances->matrix, graph);
}

ne_status ne_affinity_get_array(const ne_affinity *affinity, const char *name, double *values, size_t count)
{
    if (!affinity || !name || !values) return api_null(!affinity ? "affinity" : !name ? "name" : "values");
    const double *from = strcmp(name, "bandwidth") == 0 ? affinity->bandwidth
                         : strcmp(name, "entropy") == 0 ? affinity->entropy
                                                        : NULL;
    if (strcmp(name, "bandwidth") != 0 && strcmp(name, "entropy") != 0)
        return ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; there are bandwidth and entropy", name);
    if (!from) return ne_fail(NE_NOT_FITTED, "%s: nothing has been computed", name);
    if (count != affinity->rows)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu values, room is for %zu", name, affinity->rows, count);
    memcpy(values, from, count * sizeof *values);
    return NE_OK;
}
