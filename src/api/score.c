/* api/score.c: the scores of ne.h, section 7: arguments are checked here, the work is done in metrics/. A value is
 * written on success only. */
#include "api/api.h"
#include "base/memory.h"
#include "base/registry.h"
#include "base/view.h"
#include "metrics/kl.h"
#include "metrics/kmeans.h"
#include "metrics/knn_scores.h"
#include "metrics/partition.h"
#include "metrics/rand_index.h"
#include "metrics/silhouette.h"
#include "metrics/trustworthiness.h"

#include <math.h>
#include <string.h>

enum {
    KMEANS_ROUNDS   = 100,
    KMEANS_RESTARTS = 10
};

static ne_status check_call(const ne_context *context, const double *value)
{
    return context && value ? NE_OK : api_null(context ? "value" : "context");
}

static ne_status check_points(const ne_dense *view, const char *name, size_t least)
{
    ne_status st = view_check(view, name);
    if (st == NE_OK) st = view_check_finite(view, name);
    if (st == NE_OK && view->rows < least)
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: %zu rows, at least %zu are needed", name, view->rows, least);
    return st;
}

static ne_status check_pair(const ne_dense *x, const ne_dense *y, size_t least)
{
    ne_status st = check_points(x, "x", least);
    if (st == NE_OK) st = check_points(y, "y", least);
    if (st == NE_OK && x->rows != y->rows)
        st = ne_fail(NE_INVALID_ARGUMENT, "y: %zu rows, x has %zu", y->rows, x->rows);
    return st;
}

static ne_status check_k(size_t k, size_t most, const char *bound)
{
    if (k < 1 || k > most) return ne_fail(NE_OUT_OF_RANGE, "k: %zu is outside [1, %s] = [1, %zu]", k, bound, most);
    return NE_OK;
}

static ne_status check_labelled(const ne_context *context, const ne_dense *y, const int64_t *labels, size_t k,
                                const double *value)
{
    ne_status st = check_call(context, value);
    if (st == NE_OK) st = check_points(y, "y", 2);
    if (st == NE_OK && !labels) st = api_null("labels");
    if (st == NE_OK) st = check_k(k, y->rows - 1, "n - 1");
    return st;
}

ne_status ne_score_kl(ne_context *context, const ne_graph *affinity, const ne_dense *y, double degrees_of_freedom,
                      double *value)
{
    ne_csr    p  = {.struct_size = sizeof p};
    ne_status st = check_call(context, value);
    if (st == NE_OK && !affinity) st = api_null("affinity");
    if (st == NE_OK && ne_graph_get_kind(affinity) != NE_GRAPH_AFFINITY)
        st = ne_fail(NE_INVALID_ARGUMENT, "affinity: a graph of distances, a graph of similarities is needed");
    if (st == NE_OK) st = ne_graph_csr(affinity, &p);
    if (st == NE_OK) st = check_points(y, "y", 2);
    if (st == NE_OK) st = view_check_finite_f32(y, "y");
    if (st == NE_OK && y->rows != p.rows)
        st = ne_fail(NE_INVALID_ARGUMENT, "y: %zu rows, affinity has %zu", y->rows, p.rows);
    if (st == NE_OK && !(degrees_of_freedom > 0 && isfinite(degrees_of_freedom)))
        st = ne_fail(NE_OUT_OF_RANGE, "degrees_of_freedom: %g is outside (0, inf)", degrees_of_freedom);
    if (st == NE_OK) st = kl_score(context, &p, y, degrees_of_freedom, value);
    return st;
}

ne_status ne_score_trustworthiness(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value)
{
    ne_status st = check_call(context, value);
    if (st == NE_OK) st = check_pair(x, y, 3);
    if (st == NE_OK) st = check_k(k, (x->rows - 1) / 2, "(n - 1) / 2");
    if (st == NE_OK) st = trustworthiness_score(context, x, y, k, value);
    return st;
}

ne_status ne_score_knn_preservation(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value)
{
    ne_status st = check_call(context, value);
    if (st == NE_OK) st = check_pair(x, y, 2);
    if (st == NE_OK) st = check_k(k, x->rows - 1, "n - 1");
    if (st == NE_OK) st = knn_score_preservation(context, x, y, k, value);
    return st;
}

ne_status ne_score_knn_accuracy(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k, double *value)
{
    ne_status st = check_labelled(context, y, labels, k, value);
    if (st == NE_OK) st = knn_score_accuracy(context, y, labels, k, value);
    return st;
}

ne_status ne_score_knn_label_agreement(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k,
                                       double *value)
{
    ne_status st = check_labelled(context, y, labels, k, value);
    if (st == NE_OK) st = knn_score_agreement(context, y, labels, k, value);
    return st;
}

/* --- Scores with options */

/* What the caller's struct has, which may be a shorter one of an older header. */
static ne_status read_options(const ne_score_options *from, ne_score_options *to)
{
    *to = (ne_score_options){.struct_size = sizeof *to};
    if (!from) return NE_OK;
    if (from->struct_size < offsetof(ne_score_options, weights))
        return ne_fail(NE_INVALID_ARGUMENT, "options: struct_size is %zu, sizeof(ne_score_options) is needed",
                       from->struct_size);
    memcpy(to, from, from->struct_size < sizeof *to ? from->struct_size : sizeof *to);
    return NE_OK;
}

static ne_status check_weights(const double *weights, size_t n)
{
    for (size_t i = 0; weights && i < n; i++)
        if (!(weights[i] >= 0 && isfinite(weights[i])))
            return ne_fail(NE_INVALID_ARGUMENT, "weights: row %zu is %g, which is negative or not finite", i,
                           weights[i]);
    return NE_OK;
}

static ne_status check_distances(const ne_dense *y)
{
    if (y->rows != y->cols)
        return ne_fail(NE_INVALID_ARGUMENT, "y: %zu x %zu, distances of all pairs are n x n", y->rows, y->cols);
    for (size_t i = 0; i < y->rows; i++)
        for (size_t j = 0; j < y->cols; j++)
            if (view_get(y, i, j) < 0)
                return ne_fail(NE_INVALID_ARGUMENT, "y: row %zu, column %zu is %g, a negative distance", i, j,
                               view_get(y, i, j));
    return NE_OK;
}

/* NULL for distances that are there already. */
static ne_status find_metric(const char *name, const ne_dense *y, const ne_metric_ops **metric)
{
    *metric = NULL;
    if (name && strcmp(name, "precomputed") == 0) return check_distances(y);
    *metric = registry_find(REGISTRY_METRIC, name ? name : "euclidean");
    return *metric ? NE_OK : NE_UNKNOWN_NAME;
}

ne_status ne_score_silhouette(ne_context *context, const ne_dense *y, const int64_t *labels,
                              const ne_score_options *options, double *each, double *value)
{
    ne_score_options     given  = {0};
    const ne_metric_ops *metric = NULL;
    ne_status            st     = check_call(context, value);
    if (st == NE_OK) st = check_points(y, "y", 2);
    if (st == NE_OK && !labels) st = api_null("labels");
    if (st == NE_OK) st = read_options(options, &given);
    if (st == NE_OK) st = find_metric(given.metric, y, &metric);
    if (st == NE_OK) st = check_weights(given.weights, y->rows);
    if (st == NE_OK && given.sample > y->rows)
        st = ne_fail(NE_OUT_OF_RANGE, "sample: %zu is outside [1, n] = [1, %zu]", given.sample, y->rows);
    if (st == NE_OK) {
        const silhouette_request request = {.y       = y,
                                            .labels  = labels,
                                            .metric  = metric,
                                            .weights = given.weights,
                                            .sample  = given.sample ? given.sample : y->rows,
                                            .seed    = given.seed};
        st                               = silhouette_score(context, &request, value, each);
    }
    return st;
}

static ne_status count_labels(ne_context *context, const int64_t *labels, size_t n, size_t *count)
{
    partition of = {0};
    ne_status st = partition_make(context, labels, n, &of);
    *count       = of.classes;
    partition_clear(context, &of);
    return st;
}

ne_status ne_score_kmeans_ari(ne_context *context, const ne_dense *y, const int64_t *labels,
                              const ne_score_options *options, int64_t *assigned, double *value)
{
    ne_score_options given = {0};
    int64_t         *found = NULL;
    double           index = 0;
    ne_status        st    = check_call(context, value);
    if (st == NE_OK) st = check_points(y, "y", 1);
    if (st == NE_OK && !labels) st = api_null("labels");
    if (st == NE_OK) st = read_options(options, &given);
    if (st == NE_OK && given.clusters > y->rows)
        st = ne_fail(NE_OUT_OF_RANGE, "clusters: %zu is outside [1, n] = [1, %zu]", given.clusters, y->rows);
    if (st == NE_OK && given.restarts > UINT32_MAX)
        st = ne_fail(NE_OUT_OF_RANGE, "restarts: %zu is outside [1, %u]", given.restarts, UINT32_MAX);
    if (st == NE_OK && !given.clusters) st = count_labels(context, labels, y->rows, &given.clusters);
    if (st != NE_OK) goto done;

    found = memory_new(&context->memory, y->rows, sizeof *found);
    if (!found) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    const kmeans_request request = {.y        = y,
                                    .clusters = given.clusters,
                                    .rounds   = given.rounds ? given.rounds : KMEANS_ROUNDS,
                                    .restarts = given.restarts ? given.restarts : KMEANS_RESTARTS,
                                    .seed     = given.seed};
    if ((st = kmeans_assign(context, &request, found)) != NE_OK) goto done;
    if ((st = rand_index_score(context, labels, found, y->rows, &index)) != NE_OK) goto done;
    if (assigned) memcpy(assigned, found, y->rows * sizeof *found);
    *value = index;
done:
    if (context) memory_free(&context->memory, found);
    return st;
}

ne_status ne_score_adjusted_rand(ne_context *context, const int64_t *a, const int64_t *b, size_t n, double *value)
{
    ne_status st = check_call(context, value);
    if (st == NE_OK && (!a || !b)) st = api_null(a ? "b" : "a");
    if (st == NE_OK && (n < 1 || n > INT32_MAX))
        st = ne_fail(NE_OUT_OF_RANGE, "n: %zu is outside [1, %d]", n, INT32_MAX);
    if (st == NE_OK) st = rand_index_score(context, a, b, n, value);
    return st;
}
