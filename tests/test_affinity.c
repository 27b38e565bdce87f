/* tests/test_affinity.c: the entropic affinity against TorchDR's values, its definition, and its corner cases. */
#include "affinity/input.h"
#include "base/random.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <string.h>

static ne_context  *ctx;
static ne_affinity *aff;

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
    ck_assert_int_eq(ne_affinity_create(ctx, "entropic", &aff), NE_OK);
}

static void close_all(void)
{
    ne_affinity_free(aff);
    ne_context_free(ctx);
}

static ne_dense view(float *x, size_t n, size_t d)
{
    const ne_dense v = {sizeof v, x, n, d, d, NE_F32, NE_HOST};
    return v;
}

static double value_at(const ne_csr *p, size_t i, int32_t j)
{
    for (int64_t e = p->start[i]; e < p->start[i + 1]; e++)
        if (p->col[e] == j) return (double)((const float *)p->val)[e];
    return 0;
}

/* Seven rows whose affinities TorchDR 0.5 gave in double precision. */
static float seven[14] = {0, 0, 1, 0, 0, 2, 3, 1, 4, 4, 1, 5, 6, 2};

START_TEST(dense_rows_are_those_of_torchdr)
{
    static const double want[7] = {0,           .07188160224, .04721035156, .02036461508, .00093315209, .00216328362,
                                   .00030413826};
    const ne_dense      x       = view(seven, 7, 2);
    ne_graph           *graph   = NULL;
    ne_csr              p;
    double              eps[7];
    ck_assert_int_eq(ne_affinity_set(aff, "perplexity", "3"), NE_OK);
    ck_assert_int_eq(ne_affinity_set(aff, "sparsity", "false"), NE_OK);
    ck_assert_int_eq(ne_affinity_set(aff, "symmetrize", "false"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(aff, &x, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
    for (int j = 0; j < 7; j++) ck_assert_double_eq_tol(value_at(&p, 0, j), want[j], 2e-5 * want[j] + 1e-12);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", eps, 7), NE_OK);
    ck_assert_double_eq_tol(eps[0], 7.13594, 2e-5);
    ne_graph_free(graph);
}
END_TEST

START_TEST(sparse_rows_are_those_of_torchdr_with_its_neighbor_count)
{
    static const int    column[5] = {1, 2, 3, 5, 4};
    static const double want[5]   = {.1025654339, .03588189484, .004391613, 1.62164e-5, 1.98474e-6};
    const ne_dense      x         = view(seven, 7, 2);
    ne_graph           *graph     = NULL;
    ne_csr              p;
    ck_assert_int_eq(ne_affinity_set(aff, "perplexity", "2"), NE_OK);
    ck_assert_int_eq(ne_affinity_set(aff, "reference", "torchdr"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(aff, &x, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
    ck_assert_int_eq(p.start[1], 5);
    for (int j = 0; j < 5; j++) ck_assert_double_eq_tol(value_at(&p, 0, column[j]), want[j], 2e-5 * want[j]);
    ne_graph_free(graph);
}
END_TEST

enum {
    N = 300,
    D = 5
};
static float x[N * D];

static void fill(void)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = (float)(random_unit(random_draw(3, 9, 0, i, (uint32_t)j).word[0]) + 2.0 * (double)(i % 3));
}

START_TEST(every_row_has_its_perplexity_and_the_whole_sums_to_one)
{
    const ne_dense v     = view(x, N, D);
    ne_graph      *graph = NULL;
    ne_csr         p;
    double         entropy[N], total = 0;
    fill();
    ck_assert_int_eq(ne_affinity_set_real(aff, "perplexity", 17.5), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_get_kind(graph), NE_GRAPH_AFFINITY);
    ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
    ck_assert_int_eq(ne_affinity_get_array(aff, "entropy", entropy, N), NE_OK);
    for (size_t i = 0; i < N; i++) ck_assert_double_eq_tol(entropy[i], log(17.5), 1e-5);
    for (size_t i = 0; i < N; i++)
        for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
            ck_assert(e == p.start[i] || p.col[e] > p.col[e - 1]);
            ck_assert_int_ne(p.col[e], (int32_t)i);
            ck_assert_double_eq(value_at(&p, (size_t)p.col[e], (int32_t)i), (double)((const float *)p.val)[e]);
            total += (double)((const float *)p.val)[e];
        }
    ck_assert_double_eq_tol(total, 1, 1e-6);
    ne_graph_free(graph);
}
END_TEST

/* The bandwidth that the row's search finds, in double, against bisection of the definition. */
START_TEST(the_search_finds_the_root_of_the_entropy)
{
    struct {
        double  perplexity;
        int64_t max_iter, sparsity, reference;
    } params = {12, 100, 1, 0};
    float  d[60], values[60];
    double eps = 0;
    for (int round = 0; round < 20; round++) {
        for (int j = 0; j < 60; j++)
            d[j] = (float)(pow(10, round - 10) *
                           (1 + 0.1 * j + random_unit(random_draw(1, 9, 0, (uint64_t)j, 7).word[1])));
        for (int a = 1; a < 60; a++) /* ascending */
            for (int b = a; b > 0 && d[b] < d[b - 1]; b--) {
                const float swap = d[b];
                d[b]             = d[b - 1];
                d[b - 1]         = swap;
            }
        ck_assert_int_eq(affinity_entropic.weights(&params, 1000, 60, d, values, &eps), NE_OK);
        double low = -100, high = 100;
        for (int t = 0; t < 200; t++) {
            const double u = (low + high) / 2, beta = exp(u);
            double       s = 0, m = 0;
            for (int j = 0; j < 60; j++) {
                const double delta = (double)d[j] - (double)d[0];
                s += exp(-beta * delta);
                m += delta * exp(-beta * delta);
            }
            if (log(s) + beta * m / s > log(12)) low = u;
            else high = u;
        }
        ck_assert_double_eq_tol(log(eps), -low, 1e-9);
    }
}
END_TEST

/* A row of Fashion-MNIST and its 90 neighbors, squared distances over 1000: steps of Newton's method alone swing for ever
 * between the ends of the bracket there. */
static const float swinging[90] = {
    2207.4f, 2245.4f, 2338.1f, 2361.4f, 2410.3f, 2461.1f, 2553.0f, 2710.0f, 2786.1f, 2852.2f, 2861.5f, 2882.5f, 2914.0f,
    2930.4f, 2955.8f, 3058.2f, 3084.7f, 3089.8f, 3119.9f, 3125.6f, 3137.9f, 3150.1f, 3153.0f, 3155.7f, 3159.8f, 3172.6f,
    3239.3f, 3242.4f, 3259.6f, 3262.6f, 3293.2f, 3319.0f, 3335.1f, 3335.2f, 3365.3f, 3373.8f, 3383.5f, 3385.2f, 3392.0f,
    3403.4f, 3407.4f, 3412.6f, 3415.2f, 3415.9f, 3421.0f, 3447.2f, 3459.3f, 3481.2f, 3494.5f, 3525.0f, 3528.5f, 3548.8f,
    3552.2f, 3587.0f, 3604.6f, 3623.9f, 3642.4f, 3661.4f, 3662.8f, 3683.5f, 3722.2f, 3726.2f, 3728.4f, 3733.0f, 3742.5f,
    3753.9f, 3761.4f, 3820.4f, 3833.3f, 3835.7f, 3839.2f, 3842.1f, 3842.4f, 3854.9f, 3857.8f, 3861.4f, 3862.5f, 3875.1f,
    3882.5f, 3883.3f, 3893.8f, 3908.0f, 3938.3f, 3942.8f, 3954.3f, 3954.4f, 3956.7f, 3958.7f, 3959.6f, 3966.2f,
};

START_TEST(the_search_ends_where_newton_steps_would_swing)
{
    struct {
        double  perplexity;
        int64_t max_iter, sparsity, reference;
    } params = {30, 100, 1, 0};
    float  values[90];
    double eps = 0, s = 0, m = 0;
    ck_assert_int_eq(affinity_entropic.weights(&params, 5000, 90, swinging, values, &eps), NE_OK);
    for (int j = 0; j < 90; j++) {
        const double delta = (double)swinging[j] - (double)swinging[0];
        s += exp(-delta / eps);
        m += delta * exp(-delta / eps);
    }
    ck_assert_double_eq_tol(log(s) + m / s / eps, log(30), 1e-9);
}
END_TEST

START_TEST(corner_cases_have_their_limits)
{
    struct {
        double  perplexity;
        int64_t max_iter, sparsity, reference;
    } params    = {3, 100, 1, 0};
    float  d[6] = {2, 2, 2, 2, 2, 2}, values[6];
    double eps;
    ck_assert_int_eq(affinity_entropic.weights(&params, 7, 6, d, values, &eps), NE_OK);
    for (int j = 0; j < 6; j++) ck_assert_float_eq(values[j], 1.0f / 6); /* all equal: uniform */
    d[4] = 5;
    d[5] = 9;
    ck_assert_int_eq(affinity_entropic.weights(&params, 7, 6, d, values, &eps), NE_OK);
    for (int j = 0; j < 6; j++) ck_assert_float_eq(values[j], j < 4 ? 0.25f : 0); /* four tied, three asked for */
    ck_assert_double_eq(eps, 0);
    d[0]              = 1;
    params.perplexity = 6;
    ck_assert_int_eq(affinity_entropic.weights(&params, 7, 6, d, values, &eps), NE_OK);
    ck_assert(isinf(eps)); /* as many as there are: uniform */
    params.perplexity = 1;
    ck_assert_int_eq(affinity_entropic.weights(&params, 7, 6, d, values, &eps), NE_OK);
    ck_assert_float_eq(values[0], 1); /* one neighbor: the nearest */
    params.perplexity = 2.5;
    for (int j = 0; j < 6; j++) d[j] = (float)(j - 9); /* negative distances, as angular has: only differences count */
    ck_assert_int_eq(affinity_entropic.weights(&params, 7, 6, d, values, &eps), NE_OK);
    double sum = 0;
    for (int j = 0; j < 6; j++) sum += (double)values[j];
    ck_assert_double_eq_tol(sum, 1, 1e-6);
    ck_assert(values[0] > values[1] && values[1] > values[2]);
}
END_TEST

START_TEST(a_constant_added_to_a_row_changes_nothing)
{
    struct {
        double  perplexity;
        int64_t max_iter, sparsity, reference;
    } params = {5, 100, 1, 0};
    float  d[40], e[40], a[40], b[40];
    double eps;
    for (int j = 0; j < 40; j++) {
        d[j] = (float)j * 0.25f;
        e[j] = d[j] + 1024; /* exact in float */
    }
    ck_assert_int_eq(affinity_entropic.weights(&params, 41, 40, d, a, &eps), NE_OK);
    ck_assert_int_eq(affinity_entropic.weights(&params, 41, 40, e, b, &eps), NE_OK);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(kernels_are_their_formulas_and_the_slope_is_the_derivative)
{
    const ne_affinity_ops *const ops[] = {&affinity_student, &affinity_gaussian};
    for (int o = 0; o < 2; o++)
        for (int shape = 0; shape < 3; shape++) {
            const double parameter = shape == 0 ? 1 : shape == 1 ? 0.5 : 3;
            const float  s[3]      = {0.7f, 0.7f - 1e-2f, 0.7f + 1e-2f};
            float        q[3], slope[3];
            ops[o]->kernel(&parameter, 3, s, q, slope);
            const double want = o == 0 ? pow(1 + 0.7 / parameter, -(parameter + 1) / 2) : exp(-0.7 / parameter);
            ck_assert_double_eq_tol(q[0], want, 1e-6);
            ck_assert_double_eq_tol(slope[0], (log(q[1]) - log(q[2])) / 2e-2, 1e-4 * slope[0] + 1e-5);
        }
}
END_TEST

START_TEST(wrong_calls_are_refused)
{
    const ne_dense v     = view(x, N, D);
    ne_graph      *graph = NULL, *again = NULL;
    double         one[1];
    fill();
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", one, 1), NE_NOT_FITTED);
    ck_assert_int_eq(ne_affinity_set(aff, "perplexity", "300"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OUT_OF_RANGE);
    ck_assert_str_eq(ne_last_error(), "perplexity: 300 is outside [1, n - 1] with n = 300");
    ck_assert_int_eq(ne_affinity_set(aff, "perplexity", "3"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_graph(aff, graph, &again), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwith", one, 1), NE_UNKNOWN_NAME);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", one, 1), NE_INVALID_ARGUMENT);
    ck_assert_ptr_null(again);
    ne_graph_free(graph);
}
END_TEST

Suite *affinity_suite(void);

Suite *affinity_suite(void)
{
    Suite *s = suite_create("affinity");
    TCase *t = tcase_create("affinity");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, dense_rows_are_those_of_torchdr);
    tcase_add_test(t, sparse_rows_are_those_of_torchdr_with_its_neighbor_count);
    tcase_add_test(t, every_row_has_its_perplexity_and_the_whole_sums_to_one);
    tcase_add_test(t, the_search_finds_the_root_of_the_entropy);
    tcase_add_test(t, the_search_ends_where_newton_steps_would_swing);
    tcase_add_test(t, corner_cases_have_their_limits);
    tcase_add_test(t, a_constant_added_to_a_row_changes_nothing);
    tcase_add_test(t, kernels_are_their_formulas_and_the_slope_is_the_derivative);
    tcase_add_test(t, wrong_calls_are_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
