/* tests/test_repulsion_rows.c: repulsion normalised over rows, against double loops in logarithms. */
#include "cpu/objective_f64.h"
#include "cpu/repulse_exact_rows.h"
#include "cpu/repulsion.h"
#include "layout.h"

#include <string.h>

enum {
    N    = 211,  /* prime, so no multiple of any block */
    MANY = 1100, /* more than two tiles of sources */
    MOST = 10
};

static const output_kernel gaussian = {.kind = KERNEL_GAUSSIAN, .shape = 1};

static repulsion_job run(size_t n, size_t c, const output_kernel *kernel, int diagonal, const float *z, float *to,
                         int64_t threads)
{
    ne_context          *context = layout_context(threads);
    const repulsion_plan plan    = {.n = n, .c = c, .kernel = kernel, .over_rows = 1, .diagonal = diagonal};
    repulsion_job        job     = {.z = z, .f = to, .row0 = 0, .row1 = n, .normaliser = NAN};
    ck_assert_int_eq(repulse_exact_rows(context, &plan, &job), NE_OK);
    ne_context_free(context);
    return job;
}

/* The formulas of backend.h, in logarithms throughout. */
static double oracle(size_t n, size_t c, const output_kernel *kernel, int diagonal, const float *z, double *f)
{
    double *log_s = malloc(n * sizeof *log_s), total = 0, w;
    ck_assert_ptr_nonnull(log_s);
    for (size_t i = 0; i < n; i++) {
        double most = diagonal ? 0 : -INFINITY, sum = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) most = fmax(most, layout_log_q(kernel, layout_square(z, c, i, j), &w));
        for (size_t j = 0; j < n; j++)
            if (j != i) sum += exp(layout_log_q(kernel, layout_square(z, c, i, j), &w) - most);
        if (diagonal) sum += exp(-most);
        log_s[i] = most + log(sum);
        total += log_s[i];
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < c; k++) f[i * c + k] = 0;
        for (size_t j = 0; j < n; j++) {
            if (j == i) continue;
            const double log_q  = layout_log_q(kernel, layout_square(z, c, i, j), &w);
            const double weight = (exp(log_q - log_s[i]) + exp(log_q - log_s[j])) * w;
            for (size_t k = 0; k < c; k++) f[i * c + k] += weight * ((double)z[i * c + k] - (double)z[j * c + k]);
        }
    }
    free(log_s);
    return total;
}

/* A Gaussian exponent s in float is off by 1e-7 s, and the s of near pairs, in 10 columns, goes up to 10 times the extent. */
START_TEST(forces_and_log_sums_equal_a_double_loop_for_every_kernel_and_width)
{
    static const size_t  widths[]  = {1, 2, 3, 10};
    static const double  extents[] = {1e-4, 1, 10, 100};
    static float         f[N * MOST];
    static double        want[N * MOST];
    const output_kernel *kernel = _i < LAYOUT_KERNELS ? &layout_kernel[_i] : &gaussian;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
            for (int kind = LAYOUT_CLUSTERS; kind <= LAYOUT_REPEATED; kind++)
                for (int diagonal = 0; diagonal < 2; diagonal++) {
                    const size_t        c   = widths[w];
                    float              *z   = layout_make((layout_kind)kind, N, c, extents[e]);
                    const double        sum = oracle(N, c, kernel, diagonal, z, want);
                    const repulsion_job job = run(N, c, kernel, diagonal, z, f, 2);
                    ck_assert_double_eq_tol(job.normaliser, sum, 2e-6 * (fabs(sum) + N));
                    ck_assert_double_le(layout_difference(N * c, f, want), 1e-5 + 1e-6 * extents[e]);
                    free(z);
                }
}
END_TEST

/* Squared distances of 1e4 and more: every exp(-s) is 0 in float, and in double too. */
START_TEST(points_that_underflow_are_pushed_by_their_nearest_neighbors)
{
    enum {
        LINE = 9
    };
    const size_t c           = (size_t)_i + 1;
    float        z[LINE * 3] = {0}, f[LINE * 3];
    double       want[LINE * 3];
    for (size_t i = 0; i < LINE; i++) z[i * c] = 100 * (float)i + (float)(i * i);
    const double        sum = oracle(LINE, c, &gaussian, 0, z, want);
    const repulsion_job job = run(LINE, c, &gaussian, 0, z, f, 1);
    ck_assert_double_eq_tol(job.normaliser, sum, 1e-6 * fabs(sum));
    for (size_t i = 0; i < LINE; i++) ck_assert_double_eq_tol((double)f[i * c], want[i * c], 2e-3 * fabs(want[i * c]));
    ck_assert_float_gt(fabsf(f[0]), 50);
}
END_TEST

START_TEST(clusters_far_apart_each_keep_their_forces)
{
    static float  z[MANY * 2], f[MANY * 2];
    static double want[MANY * 2];
    uint64_t      state = 3;
    for (size_t i = 0; i < MANY; i++)
        for (size_t k = 0; k < 2; k++)
            z[i * 2 + k] = (float)(data_normal(&state) + 300 * (double)(i / 500) * (double)k);
    z[0]                    = -900; /* and one alone */
    const double        sum = oracle(MANY, 2, &gaussian, 0, z, want);
    const repulsion_job job = run(MANY, 2, &gaussian, 0, z, f, 2);
    ck_assert_double_eq_tol(job.normaliser, sum, 1e-5 * fabs(sum));
    ck_assert_double_le(layout_difference(2 * MANY, f, want), 1e-4);
    ck_assert_float_eq_tol(f[0], (float)want[0], 1e-4f * (float)fabs(want[0]));
}
END_TEST

START_TEST(two_points_push_with_weight_two_whatever_their_distance)
{
    for (int far = 0; far < 2; far++) {
        const float         z[4] = {0, 0, far ? 30 : 0.5f, 0};
        float               f[4];
        const repulsion_job job = run(2, 2, &gaussian, 0, z, f, 1);
        ck_assert_double_eq_tol(job.normaliser, -2.0 * (double)z[2] * (double)z[2], 1e-3);
        ck_assert_float_eq_tol(f[0], -2 * z[2], 1e-5f * z[2]);
        ck_assert_float_eq_tol(f[2], 2 * z[2], 1e-5f * z[2]);
    }
}
END_TEST

START_TEST(equal_points_push_nobody)
{
    static float z[2 * N], f[2 * N];
    for (size_t i = 0; i < 2 * N; i++) z[i] = 3;
    const repulsion_job job = run(N, 2, &gaussian, 0, z, f, 2);
    ck_assert_double_eq_tol(job.normaliser, N * log(N - 1), 1e-3);
    for (size_t i = 0; i < 2 * N; i++) ck_assert_float_eq(f[i], 0);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t threads[] = {2, 3, 7};
    static float         f[MANY * 2], again[MANY * 2];
    float               *z   = layout_make((layout_kind)_i, MANY, 2, 40);
    const repulsion_job  one = run(MANY, 2, &gaussian, 0, z, f, 1);
    for (size_t t = 0; t < 3; t++) {
        const repulsion_job job = run(MANY, 2, &gaussian, 0, z, again, threads[t]);
        ck_assert_double_eq(job.normaliser, one.normaliser);
        ck_assert_int_eq(memcmp(f, again, sizeof f), 0);
    }
    free(z);
}
END_TEST

START_TEST(a_range_of_rows_gets_the_forces_of_the_whole)
{
    static float         f[N * 2], part[N * 2];
    float               *z       = layout_make(LAYOUT_CLUSTERS, N, 2, 20);
    ne_context          *context = layout_context(2);
    const repulsion_plan plan    = {.n = N, .c = 2, .kernel = &gaussian, .over_rows = 1};
    const repulsion_job  whole   = run(N, 2, &gaussian, 0, z, f, 1);
    repulsion_job low = {.z = z, .f = part, .row0 = 0, .row1 = 64}, high = {.z = z, .f = part, .row0 = 64, .row1 = N};
    ck_assert_int_eq(repulse_exact_rows(context, &plan, &low), NE_OK);
    ck_assert_int_eq(repulse_exact_rows(context, &plan, &high), NE_OK);
    ck_assert_double_eq_tol(low.normaliser + high.normaliser, whole.normaliser, 1e-9 * fabs(whole.normaliser));
    ck_assert_int_eq(memcmp(f, part, sizeof f), 0);
    ne_context_free(context);
    free(z);
}
END_TEST

START_TEST(auto_and_exact_take_it_and_tree_and_grid_say_that_they_cannot)
{
    ne_context    *context = layout_context(1);
    repulsion_plan plan    = {.n = N, .c = 2, .kernel = &gaussian, .over_rows = 1, .method = (ne_repulsion)_i};
    repulsion     *made    = NULL;
    const int      can     = _i == NE_REPULSION_AUTO || _i == NE_REPULSION_EXACT;
    ck_assert_int_eq(cpu_repulsion_create(context, &plan, &made), can ? NE_OK : NE_UNSUPPORTED);
    if (can) {
        static float  f[N * 2], direct[N * 2];
        float        *z   = layout_make(LAYOUT_NORMAL, N, 2, 5);
        repulsion_job job = {.z = z, .f = f, .row0 = 0, .row1 = N};
        ck_assert_int_eq(cpu_repulse(context, made, &job), NE_OK);
        ck_assert_double_eq(job.normaliser, run(N, 2, &gaussian, 0, z, direct, 1).normaliser);
        ck_assert_int_eq(memcmp(f, direct, sizeof f), 0);
        free(z);
    } else {
        ck_assert_ptr_nonnull(strstr(ne_last_error(), "over rows"));
    }
    cpu_repulsion_free(context, made);
    ne_context_free(context);
}
END_TEST

/* L_att + L_rep + sum_ij p_ij log(n p_ij): the mean of the rows' divergences, for rows of mass 1 / n. */
START_TEST(kl_over_rows_is_its_definition)
{
    float          *z       = layout_make(LAYOUT_NORMAL, N, 2, 4);
    layout_affinity p       = layout_affinity_make(N);
    ne_context     *context = layout_context(2);
    double          got, want = 0, w;
    ck_assert_int_eq(objective_kl(context, N, 2, &p.csr, &gaussian, NE_OVER_ROWS, z, &got), NE_OK);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t j = 0; j < N; j++) sum += j == i ? 0 : exp(layout_log_q(&gaussian, layout_square(z, 2, i, j), &w));
        want += log(sum) / N;
        for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
            const double log_q = layout_log_q(&gaussian, layout_square(z, 2, i, (size_t)p.col[e]), &w);
            want += (double)p.val[e] * (log(N * (double)p.val[e]) - log_q);
        }
    }
    ck_assert_double_eq_tol(got, want, 1e-5 * fabs(want));
    ne_context_free(context);
    layout_affinity_free(&p);
    free(z);
}
END_TEST

Suite *repulsion_rows_suite(void);
Suite *repulsion_rows_suite(void)
{
    Suite *suite = suite_create("repulsion over rows");
    TCase *exact = tcase_create("exact");
    tcase_set_timeout(exact, 120);
    tcase_add_loop_test(exact, forces_and_log_sums_equal_a_double_loop_for_every_kernel_and_width, 0,
                        LAYOUT_KERNELS + 1);
    tcase_add_loop_test(exact, points_that_underflow_are_pushed_by_their_nearest_neighbors, 0, 3);
    tcase_add_test(exact, clusters_far_apart_each_keep_their_forces);
    tcase_add_test(exact, two_points_push_with_weight_two_whatever_their_distance);
    tcase_add_test(exact, equal_points_push_nobody);
    tcase_add_loop_test(exact, the_bits_do_not_depend_on_the_number_of_threads, 0, LAYOUT_KINDS);
    tcase_add_test(exact, a_range_of_rows_gets_the_forces_of_the_whole);
    tcase_add_loop_test(exact, auto_and_exact_take_it_and_tree_and_grid_say_that_they_cannot, 0, 4);
    tcase_add_test(exact, kl_over_rows_is_its_definition);
    suite_add_tcase(suite, exact);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_rows_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
