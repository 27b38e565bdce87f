/* api/score.c: the scores of ne.h, section 7: arguments are checked here, the work is done in metrics/. A value is
 * written on success only. */
#include "api/api.h"
#include "base/view.h"
#include "metrics/kl.h"
#include "metrics/knn_scores.h"
#include "metrics/trustworthiness.h"

#include <math.h>

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
