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
    if (!affinity || !name || !value) return api_null(!affinity ? "affinity" : !name ? "name" : "value");
    const int steps = strcmp(name, "n_iter") == 0, residual = strcmp(name, "residual") == 0;
    if (!steps && !residual) return options_get_real(&affinity->options, name, value);
    if (!affinity->rows) return ne_fail(NE_NOT_FITTED, "%s: nothing has been computed", name);
    *value = steps ? (double)affinity->n_iter : affinity->residual;
    return NE_OK;
}

ne_status ne_affinity_get_int(const ne_affinity *affinity, const char *name, int64_t *value)
{
    double    real = 0;
    ne_status st;
    if (!affinity || !name || !value) return api_null(!affinity ? "affinity" : !name ? "name" : "value");
    if (strcmp(name, "n_iter") != 0) return options_get_int(&affinity->options, name, value);
    if ((st = ne_affinity_get_real(affinity, name, &real)) == NE_OK) *value = (int64_t)real;
    return st;
}

ne_status ne_affinity_set_progress(ne_affinity *affinity, ne_progress_fn report, void *user)
{
    if (!affinity) return api_null("affinity");
    affinity->progress = (progress){report, user};
    return NE_OK;
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

static ne_status check_data(const ne_dense *x)
{
    ne_status st = view_check(x, "x");
    if (st == NE_OK) st = view_check_finite_f32(x, "x");
    if (st == NE_OK && x->rows < 2) st = ne_fail(NE_INVALID_ARGUMENT, "x: %zu row, at least 2 are needed", x->rows);
    return st;
}

ne_status ne_affinity_compute(ne_affinity *affinity, const ne_dense *x, ne_graph **graph)
{
    if (!affinity || !graph) return api_null(affinity ? "graph" : "affinity");
    const ne_status st = check_data(x);
    return st == NE_OK ? compute(affinity, x, NULL, graph) : st;
}

ne_status ne_affinity_compute_dense(ne_affinity *affinity, const ne_dense *x, const ne_dense *y)
{
    ne_status st;
    if (!affinity) return api_null("affinity");
    if ((st = check_data(x)) != NE_OK || (st = view_check_output(y, "y")) != NE_OK) return st;
    st = view_check_shape(y, "y", x->rows, x->rows);
    return st == NE_OK ? affinity_compute_dense(affinity, x, y) : st;
}

ne_status ne_affinity_compute_rows(ne_affinity *affinity, const ne_dense *x, size_t block, ne_rows_fn take, void *user)
{
    if (!affinity || !take) return api_null(affinity ? "take" : "affinity");
    if (!block) return ne_fail(NE_OUT_OF_RANGE, "block: 0 rows at a time");
    const ne_status st = check_data(x);
    return st == NE_OK ? affinity_compute_rows(affinity, x, block, take, user) : st;
}

ne_status ne_affinity_compute_graph(ne_affinity *affinity, const ne_graph *distances, ne_graph **graph)
{
    if (!affinity || !distances || !graph) return api_null(!affinity ? "affinity" : !distances ? "distances" : "graph");
    if (!distances->matrix.rows) return ne_fail(NE_NOT_FITTED, "distances: the graph has not been built");
    if (distances->kind != NE_GRAPH_DISTANCES)
        return ne_fail(NE_INVALID_ARGUMENT, "distances: the graph holds affinities already");
    return compute(affinity, NULL, &distances->matrix, graph);
}

/* The array of that name as its first value, NULL where there is none, and how far apart values lie. */
static const double *find_array(const ne_affinity *a, const char *name, size_t *step, int *known)
{
    const double *from = NULL;
    *step              = 1;
    *known             = 0;
    for (size_t k = 0; k < a->ops->dual_count && !from; k++)
        if (strcmp(name, a->ops->dual_names[k]) == 0) {
            *known = 1;
            *step  = a->ops->dual_count;
            from   = a->dual ? a->dual + k : NULL;
        }
    if (!from && (strcmp(name, "bandwidth") == 0 || strcmp(name, "entropy") == 0)) {
        *known = 1;
        *step  = 1;
        from   = *name == 'b' ? a->bandwidth : a->entropy;
    }
    return from;
}

ne_status ne_affinity_set_array(ne_affinity *affinity, const char *name, const ne_dense *values)
{
    double *copy = NULL;
    if (!affinity || !name) return api_null(affinity ? "name" : "affinity");
    const int takes = affinity->ops == &affinity_sinkhorn || affinity->ops == &affinity_doubly_stochastic_quadratic;
    if (strcmp(name, "init_dual") != 0 || !takes)
        return ne_fail(NE_UNKNOWN_NAME, "unknown array option '%s'%s", name,
                       takes ? "; did you mean 'init_dual'?" : "");
    if (values) {
        ne_status st = view_check(values, "init_dual");
        if (st == NE_OK) st = view_check_finite(values, "init_dual");
        if (st != NE_OK) return st;
        if (values->cols != 1)
            return ne_fail(NE_INVALID_ARGUMENT, "init_dual: %zu x %zu, one column is needed", values->rows,
                           values->cols);
        copy = memory_new(&affinity->context->memory, values->rows, sizeof *copy);
        if (!copy) return NE_OUT_OF_MEMORY;
        for (size_t i = 0; i < values->rows; i++) copy[i] = view_get(values, i, 0);
    }
    memory_free(&affinity->context->memory, affinity->start);
    affinity->start      = copy;
    affinity->start_rows = values ? values->rows : 0;
    return NE_OK;
}

ne_status ne_affinity_get_array(const ne_affinity *affinity, const char *name, double *values, size_t count)
{
    size_t step;
    int    known;
    if (!affinity || !name || !values) return api_null(!affinity ? "affinity" : !name ? "name" : "values");
    const double *from = find_array(affinity, name, &step, &known);
    if (!known)
        return ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; there are bandwidth, entropy%s%s%s%s%s%s", name,
                       affinity->ops->dual_count > 0 ? ", " : "",
                       affinity->ops->dual_count > 0 ? affinity->ops->dual_names[0] : "",
                       affinity->ops->dual_count > 1 ? ", " : "",
                       affinity->ops->dual_count > 1 ? affinity->ops->dual_names[1] : "",
                       affinity->ops->dual_count > 2 ? ", " : "",
                       affinity->ops->dual_count > 2 ? affinity->ops->dual_names[2] : "");
    if (!from)
        return ne_fail(NE_NOT_FITTED, "%s: %s", name,
                       affinity->rows ? "the last computation made none" : "nothing has been computed");
    if (count != affinity->rows)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu values, room is for %zu", name, affinity->rows, count);
    for (size_t i = 0; i < count; i++) values[i] = from[i * step];
    return NE_OK;
}
