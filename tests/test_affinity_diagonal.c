/* tests/test_affinity_diagonal.c: zero_diag=false of the affinities that have a form over neighbors, too: a point is one of
 * its own neighbors over all pairs, by definition; over a graph, which has no diagonal, it is refused. */
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static ne_context  *ctx;
static ne_affinity *aff;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
}

static void close_all(void)
{
    ne_affinity_free(aff);
    aff = NULL;
    ne_context_free(ctx);
}

enum {
    N = 300, /* above the length from which sums begin in float */
    D = 5
};
static float x[N * D], p[N * N], q[N * N];
static float few[6] = {0, 0, 1, 0, 0, 2}; /* squared distances 1, 4 and 5 */

static ne_dense view(float *data, size_t n, size_t d)
{
    const ne_dense v = {sizeof v, data, n, d, d, NE_F32, NE_HOST};
    return v;
}

/* A new affinity in aff, options as "name=value name=value". */
static void make(const char *name, const char *options)
{
    char  text[200];
    char *word, *rest = text;
    ne_affinity_free(aff);
    aff = NULL;
    snprintf(text, sizeof text, "%s", options);
    ck_assert_int_eq(ne_affinity_create(ctx, name, &aff), NE_OK);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++    = 0;
        ck_assert_msg(ne_affinity_set(aff, word, value) == NE_OK, "%s", ne_last_error());
    }
}

static ne_status compute(const char *name, const char *options, float *data, size_t n, size_t d, float *to)
{
    const ne_dense v = view(data, n, d), y = view(to, n, n);
    make(name, options);
    return ne_affinity_compute_dense(aff, &v, &y);
}

/* Distances of a row in double from its floats, itself included: squared, or along the axes. */
static void distances_of(const float *data, size_t n, size_t d, size_t row, int squared, double *to)
{
    for (size_t j = 0; j < n; j++) {
        to[j] = 0;
        for (size_t k = 0; k < d; k++) {
            const double t = (double)data[row * d + k] - (double)data[j * d + k];
            to[j] += squared ? t * t : fabs(t);
        }
    }
}

/* exp(-beta D), with beta by bisection: such that the entropy is the logarithm of the perplexity, and the sum 1; or, for a
 * perplexity of 0, that the sum is `sum`. */
static void row_by_definition(size_t n, const double *distance, double perplexity, double sum, double *row)
{
    double low = -30, high = 30, mass = 0, mean;
    for (int t = 0; t < 64; t++) {
        const double u = (low + high) / 2, beta = exp(u);
        mass = mean = 0;
        for (size_t j = 0; j < n; j++) {
            row[j] = exp(-beta * distance[j]); /* the nearest is at 0 */
            mass += row[j];
            mean += row[j] * distance[j];
        }
        const int wide = perplexity > 0 ? log(mass) + beta * mean / mass > log(perplexity) : mass > sum;
        if (wide) low = u;
        else high = u;
    }
    for (size_t j = 0; perplexity > 0 && j < n; j++) row[j] /= mass;
}

/* Distances are floats, right to 1e-6, and exponents go to 20. */
static void expect_row(const char *what, size_t row, size_t n, const float *is, const double *want, double scale)
{
    for (size_t j = 0; j < n; j++)
        ck_assert_msg(fabs((double)is[j] - scale * want[j]) <= scale * (5e-5 * want[j] + 1e-9),
                      "%s: row %zu, column %zu is %.9g, not %.9g", what, row, j, (double)is[j], scale * want[j]);
}

/* The entropy of floats is right to 2^-24 sum p |1 + log p|, less than 4e-7 here. */
START_TEST(rows_have_their_perplexity_the_point_itself_included)
{
    static const double perplexities[] = {1.5, 8, 60};
    double              distance[N], want[N];
    char                options[100];
    data_clusters(x, N, D, 3, 2, 4);
    for (size_t n = 100; n <= N; n += 200)
        for (int squared = 0; squared < 2; squared++)
            for (size_t k = 0; k < 3; k++) {
                snprintf(options, sizeof options, "perplexity=%g zero_diag=false symmetrize=false metric=%s",
                         perplexities[k], squared ? "sqeuclidean" : "manhattan");
                ck_assert_msg(compute("entropic", options, x, n, D, p) == NE_OK, "%s", ne_last_error());
                for (size_t i = 0; i < n; i++) {
                    double sum = 0, entropy = 0;
                    for (size_t j = 0; j < n; j++) {
                        const double v = (double)n * (double)p[i * n + j];
                        sum += v;
                        entropy -= v > 0 ? v * log(v) : 0;
                        ck_assert_float_le(p[i * n + j], p[i * n + i]); /* it is its own nearest */
                    }
                    ck_assert_double_eq_tol(sum, 1, 1e-6);
                    ck_assert_double_eq_tol(entropy, log(perplexities[k]), 2e-6);
                    if (i % 5 > 0) continue;
                    distances_of(x, n, D, i, squared, distance);
                    row_by_definition(n, distance, perplexities[k], 0, want);
                    expect_row(options, i, n, p + i * n, want, 1 / (double)n);
                }
            }
}
END_TEST

START_TEST(rows_sum_to_log2_of_the_neighborhood_and_hold_1_for_the_point_itself)
{
    double distance[N], want[N];
    char   options[100];
    data_clusters(x, N, D, 3, 2, 5);
    for (int squared = 0; squared < 2; squared++)
        for (int k = 5; k <= 80; k *= 4) {
            snprintf(options, sizeof options, "n_neighbors=%d zero_diag=false symmetrize=false metric=%s", k,
                     squared ? "sqeuclidean" : "manhattan");
            ck_assert_msg(compute("umap", options, x, N, D, p) == NE_OK, "%s", ne_last_error());
            for (size_t i = 0; i < N; i++) {
                double sum = 0;
                for (size_t j = 0; j < N; j++) sum += (double)p[i * N + j];
                ck_assert_float_eq(p[i * N + i], 1);
                ck_assert_double_eq_tol(sum, log2(k), 2e-6);
                if (i % 5 > 0) continue;
                distances_of(x, N, D, i, squared, distance);
                row_by_definition(N, distance, 0, log2(k), want);
                expect_row(options, i, N, p + i * N, want, 1);
            }
        }
}
END_TEST

/* Where it is the farthest, under angular, the point counts as any other does. */
START_TEST(a_point_that_is_not_its_own_nearest_counts_all_the_same)
{
    float  three[3] = {1, 2, 4}; /* distances -x y: of the first row -1, -2, -4 */
    double want[3], distance[3] = {3, 2, 0};
    ck_assert_int_eq(
        compute("entropic", "perplexity=2 zero_diag=false symmetrize=false metric=angular", three, 3, 1, p), NE_OK);
    row_by_definition(3, distance, 2, 0, want);
    ck_assert_double_lt(want[0], want[1]);
    expect_row("entropic", 0, 3, p, want, 1.0 / 3);
    ck_assert_int_eq(compute("umap", "n_neighbors=3 zero_diag=false symmetrize=false metric=angular", three, 3, 1, p),
                     NE_OK);
    row_by_definition(3, distance, 0, log2(3), want);
    expect_row("umap", 0, 3, p, want, 1);
}
END_TEST

START_TEST(both_directions_are_combined_on_the_diagonal_too)
{
    data_clusters(x, N, D, 3, 2, 6);
    ck_assert_int_eq(compute("entropic", "perplexity=9 zero_diag=false symmetrize=false", x, N, D, p), NE_OK);
    ck_assert_int_eq(compute("entropic", "perplexity=9 zero_diag=false", x, N, D, q), NE_OK);
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            const double mean = ((double)p[i * N + j] + (double)p[j * N + i]) / 2;
            sum += (double)q[i * N + j];
            ck_assert_double_eq_tol((double)q[i * N + j], mean, 0x1p-23 * mean); /* one float more or less */
            ck_assert_float_eq(q[i * N + j], q[j * N + i]);
        }
    ck_assert_double_eq_tol(sum, 1, 1e-6);
    ck_assert_int_eq(compute("umap", "n_neighbors=9 zero_diag=false symmetrize=false", x, N, D, p), NE_OK);
    ck_assert_int_eq(compute("umap", "n_neighbors=9 zero_diag=false", x, N, D, q), NE_OK);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            const double a = (double)p[i * N + j], b = (double)p[j * N + i];
            ck_assert_float_eq(q[i * N + j], (float)(a + b - a * b));
        }
    for (size_t i = 0; i < N; i++) ck_assert_float_eq(q[i * N + i], 1);
}
END_TEST

static int take_rows(void *user, size_t row0, size_t row1, const ne_dense *rows)
{
    (void)user;
    for (size_t i = row0; i < row1; i++)
        memcpy(q + i * N, (const float *)rows->data + (i - row0) * rows->stride, N * sizeof *q);
    return 0;
}

START_TEST(rows_and_threads_change_no_bit)
{
    static const char *const forms[][2] = {{"entropic", "perplexity=9 zero_diag=false"},
                                           {"umap", "n_neighbors=9 zero_diag=false"}};
    const ne_dense           v = view(x, N, D), y = view(q, N, N);
    data_clusters(x, N, D, 3, 2, 7);
    for (size_t f = 0; f < 2; f++) {
        ck_assert_int_eq(ne_context_set_int(ctx, "threads", 1), NE_OK);
        ck_assert_int_eq(compute(forms[f][0], forms[f][1], x, N, D, p), NE_OK);
        for (int threads = 1; threads <= 3; threads++) {
            ck_assert_int_eq(ne_context_set_int(ctx, "threads", threads), NE_OK);
            ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OK);
            ck_assert_mem_eq(p, q, sizeof p);
            memset(q, 0, sizeof q);
            ck_assert_int_eq(ne_affinity_compute_rows(aff, &v, 7, take_rows, NULL), NE_OK);
            ck_assert_mem_eq(p, q, sizeof p);
        }
    }
}
END_TEST

/* --- Next to no rows, rows alike. */

static void expect_values(const char *name, const char *options, float *data, size_t n, const double *want)
{
    ck_assert_msg(compute(name, options, data, n, 2, p) == NE_OK, "%s", ne_last_error());
    for (size_t e = 0; e < n * n; e++)
        ck_assert_msg(fabs((double)p[e] - want[e]) <= 1e-6 * want[e], "%s %s, %zu rows: value %zu is %.9g, not %.9g",
                      name, options, n, e, (double)p[e], want[e]);
}

START_TEST(one_two_and_three_rows_and_rows_alike_have_their_limits)
{
    static const double alone[4] = {0.5, 0, 0, 0.5}, each[4] = {1, 0, 0, 1};
    double              want[9]    = {0}, row[3];
    float               same[12]   = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    float               pairs[8]   = {0, 0, 0, 0, 4, 4, 4, 4};
    double              halves[16] = {0}, all[16];
    ck_assert_int_eq(compute("entropic", "zero_diag=false perplexity=1", few, 1, 2, p), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "x: 1 row, at least 2 are needed");
    ck_assert_int_eq(compute("umap", "zero_diag=false n_neighbors=2", few, 1, 2, p), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "x: 1 row, at least 2 are needed");
    expect_values("entropic", "zero_diag=false perplexity=1", few, 2, alone); /* no one but itself */
    expect_values("umap", "zero_diag=false n_neighbors=2", few, 2, each);     /* log2(2) is itself */

    for (size_t i = 0; i < 3; i++) {
        const double squares[3][3] = {{0, 1, 4}, {1, 0, 5}, {4, 5, 0}};
        row_by_definition(3, squares[i], 2, 0, row);
        for (size_t j = 0; j < 3; j++) want[3 * i + j] = row[j] / 3;
    }
    expect_values("entropic", "zero_diag=false symmetrize=false perplexity=2", few, 3, want);
    for (size_t i = 0; i < 3; i++) {
        const double squares[3][3] = {{0, 1, 4}, {1, 0, 5}, {4, 5, 0}};
        row_by_definition(3, squares[i], 0, log2(3), want + 3 * i);
    }
    expect_values("umap", "zero_diag=false symmetrize=false n_neighbors=3", few, 3, want);

    for (size_t n = 2; n <= 4; n++) { /* all equal: itself as much as the others */
        for (size_t e = 0; e < n * n; e++) all[e] = 1 / (double)(n * n);
        expect_values("entropic", "zero_diag=false perplexity=1", same, n, all);
        for (size_t e = 0; e < n * n; e++) all[e] = 1;
        expect_values("umap", "zero_diag=false n_neighbors=2", same, n, all);
    }
    for (size_t i = 0; i < 4; i++) /* two places: of a perplexity of 2 nothing is left for the other one */
        for (size_t j = 0; j < 4; j++) halves[4 * i + j] = i / 2 == j / 2 ? 0.125 : 0;
    expect_values("entropic", "zero_diag=false perplexity=2", pairs, 4, halves);
    for (size_t e = 0; e < 16; e++) halves[e] *= 8;
    expect_values("umap", "zero_diag=false n_neighbors=4", pairs, 4, halves); /* log2(4) = 2 */
}
END_TEST

/* --- What has no diagonal. */

static int count_calls(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    (void)phase;
    (void)step;
    (void)steps;
    (void)loss;
    (void)gradient_norm;
    ++*(int *)user;
    return 0;
}

START_TEST(a_graph_is_refused_before_neighbors_are_looked_for)
{
    static const char *const names[] = {"entropic", "umap", "pacmap"};
    const ne_dense           v = view(x, N, D), y = view(p, N, N);
    ne_graph                *distances = NULL, *graph = NULL;
    char                     want[100];
    data_clusters(x, N, D, 3, 2, 8);
    ck_assert_int_eq(ne_graph_create(ctx, &distances), NE_OK);
    ck_assert_int_eq(ne_graph_build(distances, &v), NE_OK);
    for (size_t a = 0; a < 3; a++) {
        int calls = 0;
        make(names[a], "zero_diag=false");
        snprintf(want, sizeof want, "zero_diag: a graph has no diagonal, and with false each row of %s has one",
                 names[a]);
        ck_assert_int_eq(ne_affinity_set_progress(aff, count_calls, &calls), NE_OK);
        ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_UNSUPPORTED);
        ck_assert_str_eq(ne_last_error(), want);
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(ne_affinity_compute_graph(aff, distances, &graph), NE_UNSUPPORTED);
        ck_assert_str_eq(ne_last_error(), want);
        ck_assert_ptr_null(graph);
        ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), a < 2 ? NE_OK : NE_UNSUPPORTED);
        if (a < 2) ck_assert_int_eq(ne_affinity_set(aff, "sparsity", "false"), NE_OK); /* a graph of all is one, too */
        ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_UNSUPPORTED);
        ck_assert_int_eq(ne_affinity_set(aff, "zero_diag", "true"), NE_OK);
        ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OK);
        ck_assert_int_gt(calls, 0);
        ne_graph_free(graph);
        graph = NULL;
    }
    ne_graph_free(distances);
}
END_TEST

START_TEST(a_method_over_neighbors_refuses_it_and_one_over_all_pairs_takes_it)
{
    static const char *const methods[] = {"tsne", "umap", "affinity_matcher"};
    float                    z[60 * 2];
    const ne_dense           v = view(x, 60, D), y = view(z, 60, 2);
    data_clusters(x, N, D, 3, 2, 9);
    for (size_t m = 0; m < 3; m++) {
        ne_embedding *e = NULL;
        ck_assert_int_eq(ne_embedding_create(ctx, methods[m], &e), NE_OK);
        ck_assert_int_eq(ne_embedding_set(e, "zero_diag", "false"), NE_OK);
        ck_assert_int_eq(ne_embedding_set(e, m == 1 ? "n_neighbors" : "perplexity", "10"), NE_OK);
        ck_assert_int_eq(ne_embedding_set_int(e, "max_iter", 3), NE_OK);
        ck_assert_int_eq(ne_embedding_fit(e, &v, &y), m < 2 ? NE_UNSUPPORTED : NE_OK);
        if (m < 2) ck_assert_msg(strncmp(ne_last_error(), "zero_diag:", 10) == 0, "%s", ne_last_error());
        ne_embedding_free(e);
    }
}
END_TEST

Suite *affinity_diagonal_suite(void);

Suite *affinity_diagonal_suite(void)
{
    Suite *s = suite_create("affinity_diagonal");
    TCase *t = tcase_create("affinity_diagonal");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, open_context, close_all);
    tcase_add_test(t, rows_have_their_perplexity_the_point_itself_included);
    tcase_add_test(t, rows_sum_to_log2_of_the_neighborhood_and_hold_1_for_the_point_itself);
    tcase_add_test(t, a_point_that_is_not_its_own_nearest_counts_all_the_same);
    tcase_add_test(t, both_directions_are_combined_on_the_diagonal_too);
    tcase_add_test(t, rows_and_threads_change_no_bit);
    tcase_add_test(t, one_two_and_three_rows_and_rows_alike_have_their_limits);
    tcase_add_test(t, a_graph_is_refused_before_neighbors_are_looked_for);
    tcase_add_test(t, a_method_over_neighbors_refuses_it_and_one_over_all_pairs_takes_it);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_diagonal_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
