/* tests/test_plugin.c: methods and metrics that a user registers, through the door that the built-in ones take. */
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <string.h>

enum {
    N        = 331,
    D        = 7,
    CLUSTERS = 3
};

static float         x[N * D], y[N * 2], other[N * 2];
static ne_context   *ctx;
static ne_embedding *emb;

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static void open_all(void)
{
    data_clusters(x, N, D, CLUSTERS, 4, 1);
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "tsne", &emb));
    OK(ne_embedding_set(emb, "perplexity", "20"));
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
}

/* t-SNE once more as a plug-in: the table with stock kernels, and one that brings loops of its own. */
/* A descent so gentle that rounding errors do not grow: what differs by them can be compared. */
static void be_gentle(ne_embedding *e)
{
    OK(ne_embedding_set(e, "gains", "false"));
    OK(ne_embedding_set(e, "early_exaggeration_coeff", "1"));
    OK(ne_embedding_set(e, "lr", "50"));
    OK(ne_embedding_set(e, "init_scaling", "1"));
}

static ne_status plugin_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params;
    (void)problem;
    (void)state;
    terms->normalised = NE_OVER_PAIRS;
    terms->momentum   = 0.9;
    return NE_OK;
}

static ne_status plugin_attract(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                                size_t row1, float *gradient)
{
    (void)params;
    (void)state;
    const ne_csr *p = problem->affinity;
    for (size_t i = row0; i < row1; i++) {
        double gx = 0, gy = 0;
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++) {
            const size_t j  = (size_t)p->col[e];
            const double dx = (double)z[2 * i] - (double)z[2 * j], dy = (double)z[2 * i + 1] - (double)z[2 * j + 1];
            const double f = 4 * (double)((const float *)p->val)[e] / (1 + dx * dx + dy * dy);
            gx += f * dx;
            gy += f * dy;
        }
        gradient[2 * i]     = (float)gx;
        gradient[2 * i + 1] = (float)gy;
    }
    return NE_OK;
}

static ne_status plugin_fail(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                             size_t row1, float *gradient)
{
    (void)params;
    (void)problem;
    (void)state;
    (void)z;
    (void)row1;
    (void)gradient;
    return ne_fail(NE_OUT_OF_RANGE, "row %zu is not to my taste", row0);
}

START_TEST(a_plug_in_takes_the_same_door)
{
    static const ne_preset presets[] = {{"early_exaggeration_coeff", "6", "12"},
                                        {"early_exaggeration_iter", "75", "250"}};
    static ne_method_ops   plain     = {.struct_size  = sizeof plain,
                                        .name         = "plugin_plain",
                                        .help         = "h",
                                        .affinity_in  = "entropic",
                                        .affinity_out = "student",
                                        .presets      = presets,
                                        .preset_count = 2,
                                        .plan         = plugin_plan};
    static ne_method_ops   loops, fails;
    ne_embedding          *e  = NULL;
    loops                     = plain;
    loops.name                = "plugin_loops";
    loops.attractive_gradient = plugin_attract;
    fails                     = plain;
    fails.name                = "plugin_fails";
    fails.attractive_gradient = plugin_fail;
    OK(ne_method_register(&plain));
    OK(ne_method_register(&loops));
    OK(ne_method_register(&fails));
    ck_assert_int_eq(ne_method_register(&plain), NE_INVALID_ARGUMENT);
    OK(ne_embedding_set(emb, "max_iter", "30"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_create(ctx, "plugin_plain", &e));
    OK(ne_embedding_set(e, "max_iter", "30"));
    OK(ne_embedding_set(e, "perplexity", "20"));
    OK(ne_embedding_fit_f32(e, x, N, D, other));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
    ne_embedding_free(e);
    be_gentle(emb);
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_create(ctx, "plugin_loops", &e));
    OK(ne_embedding_set(e, "max_iter", "30"));
    OK(ne_embedding_set(e, "perplexity", "20"));
    be_gentle(e);
    OK(ne_embedding_fit_f32(e, x, N, D, other));
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq_tol(other[i], y[i], 1e-3f * (1 + fabsf(y[i])));
    ne_embedding_free(e);
    OK(ne_embedding_create(ctx, "plugin_fails", &e));
    ck_assert_int_eq(ne_embedding_fit_f32(e, x, N, D, other), NE_OUT_OF_RANGE);
    ck_assert_str_eq(ne_last_error(), "row 0 is not to my taste");
    ne_embedding_free(e);
}
END_TEST

static ne_status plugin_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                             size_t row1, double *loss)
{
    const ne_csr *p = problem->affinity;
    (void)params;
    (void)state;
    for (size_t i = row0; i < row1; i++)
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++) {
            const size_t j  = (size_t)p->col[e];
            const double dx = (double)z[2 * i] - (double)z[2 * j], dy = (double)z[2 * i + 1] - (double)z[2 * j + 1];
            *loss += (double)((const float *)p->val)[e] * log(1 + dx * dx + dy * dy);
        }
    return NE_OK;
}

static int keep_loss(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    (void)phase;
    (void)step;
    (void)steps;
    (void)gradient_norm;
    if (!isnan(loss)) *(double *)user = loss;
    return 0;
}

START_TEST(a_loss_hook_is_asked_when_the_loss_is_wanted)
{
    static ne_method_ops     with = {.struct_size         = sizeof with,
                                     .name                = "plugin_with_loss",
                                     .help                = "h",
                                     .affinity_in         = "entropic",
                                     .affinity_out        = "student",
                                     .attractive_gradient = plugin_attract,
                                     .attractive_loss     = plugin_loss};
    static ne_method_ops     without;
    static const char *const names[] = {"tsne", "plugin_with_loss", "plugin_without_loss"};
    double                   loss[3] = {NAN, NAN, NAN};
    without                          = with;
    without.name                     = "plugin_without_loss";
    without.attractive_loss          = NULL;
    OK(ne_method_register(&with));
    OK(ne_method_register(&without));
    for (int m = 0; m < 3; m++) {
        ne_embedding *e = NULL;
        OK(ne_embedding_create(ctx, names[m], &e));
        OK(ne_embedding_set(e, "perplexity", "20"));
        OK(ne_embedding_set(e, "early_exaggeration_iter", "0"));
        OK(ne_embedding_set(e, "max_iter", "1"));
        OK(ne_embedding_set(e, "init_scaling", "3"));
        OK(ne_embedding_set(e, "track_loss", "true"));
        OK(ne_embedding_set_progress(e, keep_loss, &loss[m]));
        OK(ne_embedding_fit_f32(e, x, N, D, y));
        ne_embedding_free(e);
    }
    ck_assert_double_eq_tol(loss[1], loss[0], 1e-5 * fabs(loss[0]));
    ck_assert(isnan(loss[2]));
}
END_TEST

static double taxi(const float *a, const float *b, size_t d, void *user)
{
    double sum = 0;
    ++*(int *)user;
    for (size_t j = 0; j < d; j++) sum += fabs((double)a[j] - (double)b[j]);
    return sum;
}

START_TEST(a_users_metric_is_the_built_in_one_of_the_same_formula)
{
    static int               calls;
    static ne_metric_ops     ops     = {sizeof ops, "taxi", "h", taxi, NULL, &calls};
    static const char *const names[] = {"taxi", "manhattan"};
    const ne_dense           from    = {sizeof from, x, N, D, D, NE_F32, NE_HOST};
    ne_graph                *g[2]    = {NULL, NULL};
    ne_csr                   m[2];
    OK(ne_context_set_int(ctx, "threads", 1)); /* calls is counted without a lock */
    OK(ne_metric_register(&ops));
    for (int i = 0; i < 2; i++) {
        OK(ne_graph_create(ctx, &g[i]));
        OK(ne_graph_set(g[i], "metric", names[i]));
        OK(ne_graph_set(g[i], "knn", "exact"));
        OK(ne_graph_build(g[i], &from));
        OK(ne_graph_csr(g[i], &m[i]));
    }
    ck_assert_int_gt(calls, N);
    for (int64_t e = 0; e < m[0].start[N]; e++) {
        const float a = ((const float *)m[0].val)[e], b = ((const float *)m[1].val)[e];
        ck_assert_float_eq_tol(a, b, 1e-6f * b);
    }
    ne_graph_free(g[0]);
    ne_graph_free(g[1]);
    OK(ne_embedding_set(emb, "metric", "taxi"));
    OK(ne_embedding_set(emb, "max_iter", "3"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
}
END_TEST

START_TEST(types_are_listed)
{
    int tsne = 0, student = 0, cosine = 0;
    for (size_t i = 0; ne_type_name("method", i); i++) tsne += strcmp(ne_type_name("method", i), "tsne") == 0;
    for (size_t i = 0; ne_type_name("affinity", i); i++) student += strcmp(ne_type_name("affinity", i), "student") == 0;
    for (size_t i = 0; ne_type_name("metric", i); i++) cosine += strcmp(ne_type_name("metric", i), "cosine") == 0;
    ck_assert(tsne == 1 && student == 1 && cosine == 1);
    ck_assert_ptr_null(ne_type_name("methods", 0));
    ck_assert_ptr_null(ne_type_name(NULL, 0));
    ck_assert_str_eq(ne_version(), "0.1.0");
}
END_TEST

Suite *plugin_suite(void);

Suite *plugin_suite(void)
{
    Suite *s = suite_create("plugin");
    TCase *t = tcase_create("plugin");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, a_plug_in_takes_the_same_door);
    tcase_add_test(t, a_loss_hook_is_asked_when_the_loss_is_wanted);
    tcase_add_test(t, a_users_metric_is_the_built_in_one_of_the_same_formula);
    tcase_add_test(t, types_are_listed);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(plugin_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
