/* tests/test_affinity_neighbors.c: the affinities of UMAP and PaCMAP, and the kernels of a pair in the plane, against
 * TorchDR's values, their definitions and finite differences. */
#include "affinity/input.h"
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <string.h>

static ne_context *ctx;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
}

static void close_context(void)
{
    ne_context_free(ctx);
}

enum {
    N = 200,
    D = 5
};
static float seven[14] = {0, 0, 1, 0, 0, 2, 3, 1, 4, 4, 1, 5, 6, 2};
static float x[N * D];

static ne_dense view(float *data, size_t n, size_t d)
{
    const ne_dense v = {sizeof v, data, n, d, d, NE_F32, NE_HOST};
    return v;
}

static double value_at(const ne_csr *p, size_t i, size_t j)
{
    for (int64_t e = p->start[i]; e < p->start[i + 1]; e++)
        if (p->col[e] == (int32_t)j) return (double)((const float *)p->val)[e];
    return 0;
}

/* name with option = value twice; NULL ends. */
static ne_status compute(const char *name, const char *const *options, const ne_dense *v, ne_graph **graph)
{
    ne_affinity *affinity = NULL;
    ne_status    st       = ne_affinity_create(ctx, name, &affinity);
    for (; st == NE_OK && options && *options; options += 2) st = ne_affinity_set(affinity, options[0], options[1]);
    if (st == NE_OK) st = ne_affinity_compute(affinity, v, graph);
    ne_affinity_free(affinity);
    return st;
}

START_TEST(umap_is_that_of_torchdr)
{
    const char *const directed[] = {"n_neighbors", "4", "symmetrize", "false", NULL}, *const both[] = {"n_neighbors",
                                                                                                       "4", NULL};
    const ne_dense v     = view(seven, 7, 2);
    ne_graph      *graph = NULL;
    ne_csr         p;
    ck_assert_int_eq(compute("umap", directed, &v, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
    ck_assert_int_eq(p.start[1], 3);
    ck_assert_double_eq(value_at(&p, 0, 1), 1);
    ck_assert_double_eq_tol(value_at(&p, 0, 2), .6823274853, 2e-6);
    ck_assert_double_eq_tol(value_at(&p, 0, 3), .3176717513, 2e-6); /* TorchDR's own sum is off by 8e-7 */
    ne_graph_free(graph);
    ck_assert_int_eq(compute("umap", both, &v, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
    ck_assert_double_eq(value_at(&p, 0, 1), 1);
    ck_assert_double_eq(value_at(&p, 0, 2), 1); /* row 3 has four others tied in third place: not compared */
    ne_graph_free(graph);
}
END_TEST

START_TEST(umap_unites_directed_rows_whose_sums_are_log2_of_the_neighbors)
{
    const char *const directed[] = {"n_neighbors", "15", "symmetrize", "false", NULL}, *const both[] = {"n_neighbors",
                                                                                                        "15", NULL};
    const ne_dense v    = view(x, N, D);
    ne_graph      *rows = NULL, *whole = NULL;
    ne_csr         p, q;
    size_t         entries = 0;
    data_clusters(x, N, D, 3, 3, 1);
    ck_assert_int_eq(compute("umap", directed, &v, &rows), NE_OK);
    ck_assert_int_eq(compute("umap", both, &v, &whole), NE_OK);
    ck_assert_int_eq(ne_graph_csr(rows, &p), NE_OK);
    ck_assert_int_eq(ne_graph_csr(whole, &q), NE_OK);
    for (size_t i = 0; i < N; i++) {
        double sum = 0, most = 0;
        ck_assert_int_eq(p.start[i + 1] - p.start[i], 14);
        for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
            sum += (double)((const float *)p.val)[e];
            most = fmax(most, (double)((const float *)p.val)[e]);
        }
        ck_assert_double_eq_tol(sum, log2(15), 1e-6); /* 14 floats rounded */
        ck_assert_double_eq(most, 1);
        for (size_t j = 0; j < N; j++) {
            const double a = value_at(&p, i, j), b = value_at(&p, j, i), c = value_at(&q, i, j);
            ck_assert_double_eq(c, (double)(float)(a + b - a * b));
            ck_assert_double_eq(c, value_at(&q, j, i));
            ck_assert(c >= 0 && c <= 1);
            entries += a > 0 || b > 0;
        }
    }
    ck_assert_int_ge(q.start[N], (int64_t)entries);
    ne_graph_free(rows);
    ne_graph_free(whole);
}
END_TEST

START_TEST(umap_takes_the_limit_where_the_nearest_tie)
{
    struct {
        double  floor;
        int64_t n_neighbors, max_iter, sparsity;
    } params     = {0, 16, 100, 1};
    float  d[15] = {2, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 9, 9}, p[15]; /* five ties, log2(16) = 4 */
    double sigma = -1;
    ck_assert_int_eq(affinity_umap.weights(&params, 100, 15, d, p, &sigma), NE_OK);
    ck_assert_double_eq(sigma, 0);
    for (int j = 0; j < 15; j++) ck_assert_float_eq(p[j], j < 5 ? 1 : 0);
    params.floor = 0.5; /* of the row's mean distance */
    ck_assert_int_eq(affinity_umap.weights(&params, 100, 15, d, p, &sigma), NE_OK);
    ck_assert_double_eq_tol(sigma, 0.5 * 73 / 15, 1e-12);
    ck_assert_double_eq_tol((double)p[14], exp(-7 / sigma), 1e-6);
    params.n_neighbors = 2;
    params.floor       = 0;
    ck_assert_int_eq(affinity_umap.weights(&params, 100, 1, d, p, &sigma), NE_OK);
    ck_assert_float_eq(p[0], 1);
}
END_TEST

/* The definition, all others ranked. */
static void pacmap_by_definition(const float *data, size_t n, size_t d, size_t row, size_t want, int *chosen)
{
    static double c[N][N];
    double        rho[N], s[N];
    for (size_t i = 0; i < n; i++) {
        double near[6] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
        for (size_t j = 0; j < n; j++) {
            c[i][j] = 0;
            for (size_t k = 0; k < d; k++) c[i][j] += pow((double)data[i * d + k] - (double)data[j * d + k], 2);
            double take = i == j ? INFINITY : c[i][j];
            for (int k = 0; k < 6; k++)
                if (take < near[k]) {
                    const double old = near[k];
                    near[k]          = take;
                    take             = old;
                }
        }
        rho[i] = (sqrt(near[3]) + sqrt(near[4]) + sqrt(near[5])) / 3;
    }
    for (size_t j = 0; j < n; j++) {
        s[j]      = j == row ? INFINITY : c[row][j] / (rho[row] * rho[j]);
        chosen[j] = 0;
    }
    for (size_t k = 0; k < want; k++) {
        size_t best = 0;
        for (size_t j = 1; j < n; j++)
            if (s[j] < s[best]) best = j;
        chosen[best] = 1;
        s[best]      = INFINITY;
    }
}

START_TEST(pacmap_keeps_the_rows_with_the_smallest_scaled_distance)
{
    static const char *const metric[2] = {"sqeuclidean",
                                          "euclidean"}; /* the same pairs: the root is taken where it is due */
    const ne_dense           v         = view(x, N, D);
    data_clusters(x, N, D, 4, 2, 5);
    for (int m = 0; m < 2; m++) {
        const char *const options[] = {"metric", metric[m], "n_neighbors", "10", NULL};
        ne_graph         *graph     = NULL;
        ne_csr            p;
        int               chosen[N];
        ck_assert_int_eq(compute("pacmap", options, &v, &graph), NE_OK);
        ck_assert_int_eq(ne_graph_csr(graph, &p), NE_OK);
        for (size_t i = 0; i < N; i += 7) {
            pacmap_by_definition(x, N, D, i, 10, chosen);
            ck_assert_int_eq(p.start[i + 1] - p.start[i], 10);
            for (size_t j = 0; j < N; j++) ck_assert_double_eq(value_at(&p, i, j), chosen[j]);
        }
        ne_graph_free(graph);
    }
}
END_TEST

START_TEST(few_rows_are_enough)
{
    const char *const umap[] = {"n_neighbors", "2", NULL}, *const pacmap[] = {"n_neighbors", "1", NULL};
    for (size_t n = 2; n <= 7; n++) {
        const ne_dense v     = view(seven, n, 2);
        ne_graph      *graph = NULL;
        ck_assert_int_eq(compute("umap", umap, &v, &graph), NE_OK);
        ne_graph_free(graph);
        ck_assert_int_eq(compute("pacmap", pacmap, &v, &graph), NE_OK);
        ne_graph_free(graph);
    }
    const ne_dense    v      = view(seven, 7, 2);
    const char *const many[] = {"n_neighbors", "7", NULL}, *const more[] = {"n_neighbors", "8", NULL};
    ne_graph *graph = NULL;
    ck_assert_int_eq(compute("umap", many, &v, &graph), NE_OK);
    ne_graph_free(graph);
    graph = NULL;
    ck_assert_int_eq(compute("umap", more, &v, &graph), NE_OUT_OF_RANGE);
    ck_assert_int_eq(compute("pacmap", many, &v, &graph), NE_OUT_OF_RANGE);
    ck_assert_ptr_null(graph);
}
END_TEST

START_TEST(a_and_b_are_those_of_the_fit)
{
    static const double fit[][4] = {
        {1, 0, 1.932808, 0.790495},   {1, .001, 1.929073, 0.791505}, {1, .01, 1.895606, 0.800638},
        {1, .05, 1.750225, 0.842055}, {1, .1, 1.576943, 0.895061},   {1, .25, 1.121436, 1.057500},
        {1, .5, 0.583030, 1.334167},  {1, .8, 0.232063, 1.681232},   {1, .99, 0.119305, 1.916390},
        {2, .1, 0.544661, 0.842055},  {.5, .1, 5.069309, 1.003005}};
    for (size_t i = 0; i < sizeof fit / sizeof *fit; i++) {
        double a = 0, b = 0;
        ck_assert_int_eq(umap_fit_ab(fit[i][0], fit[i][1], &a, &b), NE_OK);
        ck_assert_double_eq_tol(a, fit[i][2], 2e-5); /* the table's own fit stopped at a relative 1e-8 of the cost */
        ck_assert_double_eq_tol(b, fit[i][3], 2e-5);
    }
}
END_TEST

START_TEST(one_of_a_and_b_alone_is_refused)
{
    struct {
        double a, b, min_dist, spread, fitted_a, fitted_b;
    } params = {NAN, 1, 0.1, 1, 0, 0};
    double a, b;
    ck_assert_int_eq(affinity_umap_kernel.check(&params, 10), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "a: auto, and b is given; both or neither");
    params.a = 2;
    ck_assert_int_eq(umap_kernel_ab(&params, &a, &b), NE_OK);
    ck_assert_double_eq(a, 2);
    ck_assert_double_eq(b, 1);
    params.a = params.b = NAN;
    params.min_dist     = 4;
    ck_assert_int_eq(affinity_umap_kernel.check(&params, 10), NE_OUT_OF_RANGE);
}
END_TEST

START_TEST(kernels_of_the_plane_are_their_formulas_and_slopes_their_derivatives)
{
    struct {
        double a, b, min_dist, spread, fitted_a, fitted_b;
    } params         = {NAN, NAN, 0.1, 1, 0, 0};
    const float s[4] = {0.7f, 0.7f - 1e-2f, 0.7f + 1e-2f, 0};
    float       q[4], slope[4], slow[4];
    affinity_umap_kernel.kernel(&params, 4, s, slow, slope);
    ck_assert_int_eq(affinity_umap_kernel.prepare(&params), NE_OK);
    affinity_umap_kernel.kernel(&params, 4, s, q, slope);
    ck_assert_mem_eq(q, slow, sizeof q); /* prepare saves time, and changes nothing */
    ck_assert_double_eq_tol((double)q[0], 1 / (1 + 1.576943 * pow(0.7, 0.895061)), 2e-6);
    ck_assert_double_eq_tol((double)slope[0], (log((double)q[1]) - log((double)q[2])) / 2e-2, 1e-4);
    ck_assert_float_eq(q[3], 1);
    ck_assert_float_eq(slope[3], 0);
    affinity_largevis.kernel(NULL, 4, s, q, slope);
    ck_assert_double_eq_tol((double)q[0], 1 / 2.7, 1e-7);
    ck_assert_double_eq_tol((double)slope[0], (log((double)q[1]) - log((double)q[2])) / 2e-2, 1e-4);
}
END_TEST

/* -log q of one pair, by its own formula. */
static double hyperbolic_energy(const double *a, const double *b, double gamma)
{
    const double s = pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2);
    const double u = 1 + 2 * s / ((1 - a[0] * a[0] - a[1] * a[1]) * (1 - b[0] * b[0] - b[1] * b[1]));
    return log(acosh(u) * acosh(u) + gamma * gamma) - log(gamma);
}

START_TEST(kernels_of_pairs_have_the_gradient_of_their_energy)
{
    static const float a[4] = {0.3f, -0.2f, 0.7f, 0.6f}, b[4] = {-0.5f, 0.1f, 0.69f, 0.61f};
    const double       gamma = 2;
    float              q[2], gradient[4];
    affinity_hyperbolic.pair_kernel(&gamma, 2, 2, a, b, q, gradient);
    for (int p = 0; p < 2; p++) {
        const double at[2] = {(double)a[2 * p], (double)a[2 * p + 1]}, to[2] = {(double)b[2 * p], (double)b[2 * p + 1]};
        ck_assert_double_eq_tol((double)q[p], exp(-hyperbolic_energy(at, to, gamma)), 1e-6);
        for (int k = 0; k < 2; k++) {
            double up[2] = {at[0], at[1]}, down[2] = {at[0], at[1]};
            up[k] += 1e-5;
            down[k] -= 1e-5;
            const double want = (hyperbolic_energy(up, to, gamma) - hyperbolic_energy(down, to, gamma)) / 2e-5;
            ck_assert_double_eq_tol((double)gradient[2 * p + k], want, 1e-5 * fabs(want) + 1e-6);
        }
    }
    affinity_hyperbolic.pair_kernel(&gamma, 2, 1, a, a, q, gradient); /* a point and itself: 1 / gamma, and no force */
    ck_assert_float_eq(q[0], 0.5f);
    ck_assert_float_eq(gradient[0], 0);
    affinity_scalar_product.pair_kernel(NULL, 2, 1, a + 2, b + 2, q, gradient);
    ck_assert_double_eq_tol((double)q[0], 0.7 * 0.69 + 0.6 * 0.61, 1e-6);
    ck_assert_double_eq_tol((double)gradient[0], -0.69 / (0.7 * 0.69 + 0.6 * 0.61), 1e-6);
}
END_TEST

Suite *affinity_neighbors_suite(void);

Suite *affinity_neighbors_suite(void)
{
    Suite *s = suite_create("affinity_neighbors");
    TCase *t = tcase_create("affinity_neighbors");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_add_test(t, umap_is_that_of_torchdr);
    tcase_add_test(t, umap_unites_directed_rows_whose_sums_are_log2_of_the_neighbors);
    tcase_add_test(t, umap_takes_the_limit_where_the_nearest_tie);
    tcase_add_test(t, pacmap_keeps_the_rows_with_the_smallest_scaled_distance);
    tcase_add_test(t, few_rows_are_enough);
    tcase_add_test(t, a_and_b_are_those_of_the_fit);
    tcase_add_test(t, one_of_a_and_b_alone_is_refused);
    tcase_add_test(t, kernels_of_the_plane_are_their_formulas_and_slopes_their_derivatives);
    tcase_add_test(t, kernels_of_pairs_have_the_gradient_of_their_energy);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_neighbors_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
