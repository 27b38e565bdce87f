/* tests/test_sne.c: SNE through the public door: golden values, gradients, and what a fit of it is like. The sums over
 * rows themselves: test_repulsion_rows.c. */
#define NE_EXPERIMENTAL 1
#include "hooks.h"

enum {
    N = 120
};

static ne_dense view(void *data, size_t rows, size_t cols, int32_t dtype)
{
    return (ne_dense){.struct_size = sizeof(ne_dense), .data = data, .rows = rows, .cols = cols, .dtype = dtype};
}

typedef const char *const setting[2];

static ne_embedding *make(ne_context *context, setting *set, size_t count)
{
    ne_embedding *embedding = NULL;
    ck_assert_int_eq(ne_embedding_create(context, "sne", &embedding), NE_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(ne_embedding_set(embedding, set[i][0], set[i][1]) == NE_OK, "%s", ne_last_error());
    return embedding;
}

/* One step of plain descent at rate 1 moves by the gradient. */
START_TEST(a_step_of_the_reference_is_the_golden_gradient)
{
    static setting  set[] = {{"reference", "torchdr"}, {"lr", "1"}, {"max_iter", "1"}, {"track_loss", "true"}};
    golden_affinity p;
    double          z[8], y[8], loss = 0;
    ne_context     *context   = layout_context(1);
    ne_embedding   *embedding = make(context, set, sizeof set / sizeof *set);
    ne_graph       *graph     = NULL;
    const ne_dense  start = view(z, 4, 2, NE_F64), to = view(y, 4, 2, NE_F64);
    golden_make(&p);
    memcpy(z, golden_z, sizeof z);
    ck_assert_int_eq(ne_graph_from_csr(context, NE_GRAPH_AFFINITY, &p.csr, &graph), NE_OK);
    ck_assert_int_eq(ne_embedding_set_array(embedding, "init", &start), NE_OK);
    ck_assert_msg(ne_embedding_fit_graph(embedding, graph, NULL, &to) == NE_OK, "%s", ne_last_error());
    ck_assert_int_eq(ne_embedding_get_real(embedding, "loss", &loss), NE_OK);
    ck_assert_double_eq_tol(loss, 2.65000000 + 0.29200851, 1e-6);
    ck_assert_double_eq_tol(z[0] - y[0], -1.01783376, 1e-6);
    ck_assert_double_eq_tol(z[1] - y[1], -0.49751272, 1e-6);
    ck_assert_double_eq_tol(z[6] - y[6], 0.56046761, 1e-6);
    ck_assert_double_eq_tol(z[7] - y[7], -0.37740289, 1e-6);
    ne_graph_free(graph);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

/* Heavy ball with momentum 0.8 on the gradient of section's formulas, in double. */
START_TEST(twenty_steps_of_the_reference_follow_the_formulas)
{
    static setting  set[] = {{"reference", "torchdr"}, {"lr", "0.3"}, {"max_iter", "20"}};
    golden_affinity p;
    double          z[8], v[8] = {0}, y[8];
    ne_context     *context   = layout_context(1);
    ne_embedding   *embedding = make(context, set, sizeof set / sizeof *set);
    ne_graph       *graph     = NULL;
    const ne_dense  start = view(z, 4, 2, NE_F64), to = view(y, 4, 2, NE_F64);
    golden_make(&p);
    memcpy(z, golden_z, sizeof z);
    ck_assert_int_eq(ne_graph_from_csr(context, NE_GRAPH_AFFINITY, &p.csr, &graph), NE_OK);
    ck_assert_int_eq(ne_embedding_set_array(embedding, "init", &start), NE_OK);
    ck_assert_msg(ne_embedding_fit_graph(embedding, graph, NULL, &to) == NE_OK, "%s", ne_last_error());
    for (int step = 0; step < 20; step++) {
        double q[16], sum[4] = {0}, g[8] = {0};
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++) {
                q[i * 4 + j] = exp(-pow(z[2 * i] - z[2 * j], 2) - pow(z[2 * i + 1] - z[2 * j + 1], 2));
                sum[i] += q[i * 4 + j]; /* with j = i */
            }
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++)
                for (size_t k = 0; k < 2; k++)
                    g[2 * i + k] += (4 * (double)p.dense[i * 4 + j] - 0.5 * q[i * 4 + j] * (1 / sum[i] + 1 / sum[j])) *
                                    (z[2 * i + k] - z[2 * j + k]);
        for (size_t i = 0; i < 8; i++) {
            v[i] = 0.8 * v[i] + g[i];
            z[i] -= 0.3 * v[i];
        }
    }
    for (size_t i = 0; i < 8; i++) ck_assert_double_eq_tol(y[i], z[i], 3e-6);
    ne_graph_free(graph);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

START_TEST(the_gradient_is_that_of_the_objective)
{
    static const size_t widths[] = {1, 2, 3, 5};
    static setting      set[]    = {{"perplexity", "8"}, {"max_iter", "0"}};
    static float        x[N * 6];
    const size_t        c = widths[_i];
    double              y[N * 5], g[N * 5], apart = 0, size = 0;
    uint64_t            state     = 3;
    ne_context         *context   = layout_context(2);
    ne_embedding       *embedding = make(context, set, sizeof set / sizeof *set);
    const ne_dense      data = view(x, N, 6, NE_F32), at = view(y, N, c, NE_F64);
    data_clusters(x, N, 6, 3, 2, 5);
    ck_assert_int_eq(ne_embedding_set_int(embedding, "n_components", (int64_t)c), NE_OK);
    ck_assert_msg(ne_embedding_fit(embedding, &data, &at) == NE_OK, "%s", ne_last_error());
    for (size_t i = 0; i < N * c; i++) y[i] = 3 * data_normal(&state);
    ck_assert_int_eq(ne_embedding_gradient(embedding, y, g, NULL), NE_OK);
    for (size_t i = 0; i < 20 * c; i++) {
        const double was = y[i];
        double       above, below;
        y[i] = was + 1e-4;
        ck_assert_int_eq(ne_embedding_gradient(embedding, y, NULL, &above), NE_OK);
        y[i] = was - 1e-4;
        ck_assert_int_eq(ne_embedding_gradient(embedding, y, NULL, &below), NE_OK);
        y[i]               = was;
        const double slope = (above - below) / 2e-4;
        apart += (slope - g[i]) * (slope - g[i]);
        size += slope * slope;
    }
    ck_assert_double_le(sqrt(apart / size), 1e-6);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

START_TEST(a_fit_lowers_the_divergence_and_keeps_its_bits_at_any_number_of_threads)
{
    static const int64_t threads[] = {1, 2, 3, 7};
    static setting       set[]     = {{"perplexity", "10"}, {"max_iter", "150"}};
    static float         x[N * 6], y[N * 2], first[N * 2];
    double               kl = 0;
    data_clusters(x, N, 6, 3, 2, 5);
    for (size_t t = 0; t < 4; t++) {
        ne_context   *context   = layout_context(threads[t]);
        ne_embedding *embedding = make(context, set, sizeof set / sizeof *set);
        ck_assert_msg(ne_embedding_fit_f32(embedding, x, N, 6, y) == NE_OK, "%s", ne_last_error());
        if (t == 0) memcpy(first, y, sizeof y);
        ck_assert_int_eq(memcmp(first, y, sizeof y), 0);
        ck_assert_int_eq(ne_embedding_get_real(embedding, "kl", &kl), NE_OK);
        ne_embedding_free(embedding);
        ne_context_free(context);
    }
    /* At the start all q are 1 / (n - 1), and KL is log((n - 1) / perplexity) at least; here log 11.9 = 2.5. */
    ck_assert_double_ge(kl, 0);
    ck_assert_double_le(kl, 1);
}
END_TEST

START_TEST(few_points_and_duplicates_work)
{
    static const size_t ns[] = {2, 3, 40};
    const size_t        n    = ns[_i];
    static float        x[40 * 3], y[40 * 2];
    ne_context         *context   = layout_context(2);
    ne_embedding       *embedding = make(context, NULL, 0);
    uint64_t            state     = 5;
    for (size_t i = 0; i < n * 3; i++) x[i] = (float)data_normal(&state);
    for (size_t k = 0; k < 3 && n > 3; k++) x[3 + k] = x[6 + k] = x[k];
    ck_assert_int_eq(ne_embedding_set_real(embedding, "perplexity", n > 3 ? 5 : 1), NE_OK);
    ck_assert_int_eq(ne_embedding_set_int(embedding, "max_iter", 60), NE_OK);
    ck_assert_msg(ne_embedding_fit_f32(embedding, x, n, 3, y) == NE_OK, "%s", ne_last_error());
    for (size_t i = 0; i < 2 * n; i++) ck_assert(isfinite(y[i]));
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

START_TEST(tree_and_grid_are_refused)
{
    static float  x[N * 6], y[N * 2];
    ne_context   *context   = layout_context(1);
    ne_embedding *embedding = make(context, NULL, 0);
    data_clusters(x, N, 6, 3, 2, 5);
    ck_assert_int_eq(ne_embedding_set(embedding, "repulsion", _i ? "fft" : "barnes_hut"), NE_OK);
    ck_assert_int_eq(ne_embedding_fit_f32(embedding, x, N, 6, y), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "over rows"));
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

Suite *sne_suite(void);
Suite *sne_suite(void)
{
    Suite *suite = suite_create("sne");
    TCase *door  = tcase_create("fit");
    tcase_set_timeout(door, 120);
    tcase_add_test(door, a_step_of_the_reference_is_the_golden_gradient);
    tcase_add_test(door, twenty_steps_of_the_reference_follow_the_formulas);
    tcase_add_loop_test(door, the_gradient_is_that_of_the_objective, 0, 4);
    tcase_add_test(door, a_fit_lowers_the_divergence_and_keeps_its_bits_at_any_number_of_threads);
    tcase_add_loop_test(door, few_points_and_duplicates_work, 0, 3);
    tcase_add_loop_test(door, tree_and_grid_are_refused, 0, 2);
    suite_add_tcase(suite, door);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(sne_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
