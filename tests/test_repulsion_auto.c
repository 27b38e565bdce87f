/* tests/test_repulsion_auto.c: which way the repulsion of a layout is computed, and that all ways lead to the same
 * forces. */
#include "cpu/box.h"
#include "cpu/repulsion.h"
#include "fault.h"
#include "repulsion_oracle.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>

enum {
    N     = 307,
    N_MAX = 30011
};

static ne_context   *context;
static output_kernel kernel;
static repulsion    *repulse;
static float         z[N_MAX * 3], f[N_MAX * 3], other[N_MAX * 3];
static double        exact[N_MAX * 3];

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    kernel = (output_kernel){.kind = KERNEL_STUDENT, .shape = 1};
}

static void drop(void)
{
    cpu_repulsion_free(context, repulse);
    repulse = NULL;
}

static void close_all(void)
{
    drop();
    ne_context_free(context);
}

static ne_status start(size_t n, size_t c, ne_repulsion method)
{
    drop();
    return cpu_repulsion_create(
        context, &(repulsion_plan){.n = n, .c = c, .kernel = &kernel, .method = method, .accuracy = 0.01}, &repulse);
}

static ne_status run_rows(size_t row0, size_t row1, double *normaliser)
{
    repulsion_job   job = {.z = z, .f = f, .row0 = row0, .row1 = row1};
    const ne_status st  = cpu_repulse(context, repulse, &job);
    *normaliser         = job.normaliser;
    return st;
}

/* Runs, compares `rows` rows with the double loop, and returns the way taken. */
static ne_repulsion check(size_t n, size_t c, size_t rows)
{
    double       normaliser;
    const double want = oracle_repulsion(n, c, &kernel, z, 0, rows, exact);
    ck_assert_int_eq(run_rows(0, n, &normaliser), NE_OK);
    const ne_repulsion way   = cpu_repulsion_last(repulse);
    const double       error = oracle_error(c, 0, rows, f, exact);
    /* The tree's error on a few hundred points is not yet the mean of many, which its opening rule is made for. */
    ck_assert_msg(error < (way == NE_REPULSION_BARNES_HUT ? 0.0125 : 0.01), "way %d: force error %g", (int)way, error);
    if (rows == n) ck_assert_double_lt(fabs(normaliser / want - 1), 0.001);
    return way;
}

static const ne_repulsion methods[] = {NE_REPULSION_AUTO, NE_REPULSION_EXACT, NE_REPULSION_BARNES_HUT,
                                       NE_REPULSION_FFT};

START_TEST(every_method_is_within_accuracy)
{
    for (size_t c = 2; c <= 3; c++) {
        for (int kind = 0; kind < ORACLE_LAYOUTS; kind++) {
            const double extents[] = {1e-4, 1, 20};
            ck_assert_int_eq(start(N, c, methods[_i]), NE_OK);
            ck_assert_int_eq(cpu_repulsion_last(repulse), NE_REPULSION_NONE);
            for (size_t e = 0; e < 3; e++) {
                oracle_layout_make(z, N, c, (oracle_layout)kind, extents[e], 0);
                const ne_repulsion way = check(N, c, N);
                if (methods[_i] != NE_REPULSION_AUTO) ck_assert_int_eq(way, methods[_i]);
            }
        }
    }
}
END_TEST

START_TEST(few_points_go_over_all_pairs)
{
    for (size_t c = 1; c <= 3; c++) {
        ck_assert_int_eq(start(64, c, NE_REPULSION_AUTO), NE_OK);
        oracle_layout_make(z, 64, c, ORACLE_CLUSTERS, 30, 0);
        ck_assert_int_eq(check(64, c, 64), NE_REPULSION_EXACT);
        ck_assert_int_eq(start(64, c, NE_REPULSION_FFT), NE_OK);
        ck_assert_int_eq(check(64, c, 64), NE_REPULSION_EXACT);
    }
}
END_TEST

START_TEST(many_points_in_a_moderate_box_go_on_a_grid)
{
    const double extents[] = {1e-4, 5, 60};
    ck_assert_int_eq(start(N_MAX, 2, NE_REPULSION_AUTO), NE_OK);
    for (size_t e = 0; e < 3; e++) {
        oracle_layout_make(z, N_MAX, 2, ORACLE_CLUSTERS, extents[e], 0);
        ck_assert_int_eq(check(N_MAX, 2, 50), NE_REPULSION_FFT);
    }
    ck_assert_int_eq(start(N_MAX, 1, NE_REPULSION_AUTO), NE_OK);
    oracle_layout_make(z, N_MAX, 1, ORACLE_CLUSTERS, 200, 0);
    ck_assert_int_eq(check(N_MAX, 1, 50), NE_REPULSION_FFT);
}
END_TEST

START_TEST(a_wide_layout_goes_to_the_tree_and_back)
{
    const ne_repulsion asked[] = {NE_REPULSION_AUTO, NE_REPULSION_FFT};
    for (size_t m = 0; m < 2; m++) {
        ck_assert_int_eq(start(N_MAX, 2, asked[m]), NE_OK);
        oracle_layout_make(z, N_MAX, 2, ORACLE_CLUSTERS, 40, 0);
        ck_assert_int_eq(check(N_MAX, 2, 50), NE_REPULSION_FFT);
        z[0] = 1e5f; /* one point flies off */
        ck_assert_int_eq(check(N_MAX, 2, 50), NE_REPULSION_BARNES_HUT);
        z[0] = 0;
        ck_assert_int_eq(check(N_MAX, 2, 50), NE_REPULSION_FFT);
    }
}
END_TEST

START_TEST(clotted_points_go_to_the_tree_and_rest_there)
{
    ck_assert_int_eq(start(N_MAX, 2, NE_REPULSION_FFT), NE_OK);
    oracle_layout_make(z, N_MAX, 2, ORACLE_CLUSTERS, 1e-4, 0);
    z[0] = z[1] = 30;
    ck_assert_int_eq(check(N_MAX, 2, 50), NE_REPULSION_BARNES_HUT);
    oracle_layout_make(z, N_MAX, 2, ORACLE_CLUSTERS, 20, 0);
    int steps = 0;
    ck_assert_int_eq(check(N_MAX, 2, 5), NE_REPULSION_BARNES_HUT);
    while (check(N_MAX, 2, 5) != NE_REPULSION_FFT) ck_assert_int_lt(++steps, 40);
}
END_TEST

/* One column has no tree. */
START_TEST(a_wide_line_goes_over_all_pairs)
{
    ck_assert_int_eq(start(N, 1, NE_REPULSION_FFT), NE_OK);
    oracle_layout_make(z, N, 1, ORACLE_CLUSTERS, 40, 0);
    z[0] = 1e9f;
    ck_assert_int_eq(check(N, 1, N), NE_REPULSION_EXACT);
}
END_TEST

/* Sides of the box that move to and fro by a few percent, across whatever border there is between two ways. */
START_TEST(the_way_does_not_change_with_every_step)
{
    const size_t n = 3001;
    oracle_layout_make(other, n, 2, ORACLE_CLUSTERS, 1, 0);
    for (int e = 0; e < 20; e++) {
        const double extent  = 10 * pow(1.3, e);
        int          changes = 0;
        ne_repulsion last    = NE_REPULSION_NONE;
        ck_assert_int_eq(start(n, 2, NE_REPULSION_AUTO), NE_OK);
        for (int step = 0; step < 8; step++) {
            double normaliser;
            for (size_t i = 0; i < 2 * n; i++) z[i] = other[i] * (float)(extent * (step % 2 ? 1.05 : 1));
            ck_assert_int_eq(run_rows(0, n, &normaliser), NE_OK);
            changes += step && cpu_repulsion_last(repulse) != last;
            last = cpu_repulsion_last(repulse);
        }
        ck_assert_int_le(changes, 1);
    }
}
END_TEST

/* Growing from a speck to a wide layout, as a fit does: the same ways and the same bits for any number of threads. */
START_TEST(ways_and_bits_do_not_depend_on_threads)
{
    enum {
        STEPS = 21
    };
    static uint64_t hash[2][STEPS];
    const int       threads[] = {1, 5};
    const size_t    n         = 5003;
    oracle_layout_make(other, n, 2, ORACLE_CLUSTERS, 1, 0);
    for (int t = 0; t < 2; t++) {
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads[t]), NE_OK);
        ck_assert_int_eq(start(n, 2, NE_REPULSION_AUTO), NE_OK);
        for (int step = 0; step < STEPS; step++) {
            const double extent = 1e-4 * pow(2.5, step);
            double       normaliser;
            uint32_t     bits;
            for (size_t i = 0; i < 2 * n; i++) z[i] = other[i] * (float)extent;
            ck_assert_int_eq(run_rows(0, n, &normaliser), NE_OK);
            memcpy(&hash[t][step], &normaliser, sizeof normaliser);
            hash[t][step] += (uint64_t)cpu_repulsion_last(repulse);
            for (size_t i = 0; i < 2 * n; i++) {
                memcpy(&bits, &f[i], sizeof bits);
                hash[t][step] = hash[t][step] * 1099511628211u + bits;
            }
        }
    }
    ck_assert_mem_eq(hash[0], hash[1], sizeof hash[0]);
}
END_TEST

START_TEST(what_is_not_finite_gives_nan)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t c = 1; c <= 3; c++) {
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            if (start(N, c, methods[m]) != NE_OK) continue;
            for (size_t b = 0; b < 3; b++) {
                double normaliser;
                oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 10, 0);
                z[(N / 2) * c] = bad[b];
                ck_assert_int_eq(run_rows(0, N, &normaliser), NE_OK);
                if (methods[m] != NE_REPULSION_EXACT) {
                    ck_assert(isnan(normaliser));
                    for (size_t i = 0; i < N * c; i++) ck_assert(isnan(f[i]));
                }
            }
        }
    }
}
END_TEST

START_TEST(huge_numbers_are_no_trouble)
{
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        double normaliser;
        ck_assert_int_eq(start(N, 2, methods[m]), NE_OK);
        oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 6e38, 0);
        ck_assert_int_eq(run_rows(0, N, &normaliser), NE_OK);
    }
}
END_TEST

START_TEST(what_a_method_cannot_do_is_said)
{
    ck_assert_int_eq(start(N, 5, NE_REPULSION_FFT), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "repulsion: fft works for 1 to 3 components, not 5");
    ck_assert_int_eq(start(N, 5, NE_REPULSION_BARNES_HUT), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "repulsion: barnes_hut works for 2 or 3 components, not 5");
    ck_assert_int_eq(start(N, 1, NE_REPULSION_BARNES_HUT), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "repulsion: barnes_hut works for 2 or 3 components, not 1");
}
END_TEST

START_TEST(five_columns_go_over_all_pairs)
{
    enum {
        ROWS = 100
    };
    ck_assert_int_eq(start(ROWS, 5, NE_REPULSION_AUTO), NE_OK);
    oracle_layout_make(z, ROWS, 5, ORACLE_CLUSTERS, 10, 0);
    ck_assert_int_eq(check(ROWS, 5, ROWS), NE_REPULSION_EXACT);
}
END_TEST

static void cauchy(const void *params, size_t count, const float *s, float *q, float *slope)
{
    (void)params;
    for (size_t i = 0; i < count; i++) q[i] = slope[i] = 1 / (1 + s[i]);
}

START_TEST(a_kernel_of_the_users_own_goes_over_all_pairs)
{
    const ne_affinity_ops ops = {.struct_size = sizeof ops, .name = "own", .help = "own", .kernel = cauchy};
    double                normaliser;
    kernel = (output_kernel){.kind = KERNEL_CUSTOM, .ops = &ops};
    ck_assert_int_eq(start(N, 2, NE_REPULSION_FFT), NE_UNSUPPORTED);
    ck_assert_int_eq(start(N, 2, NE_REPULSION_AUTO), NE_OK);
    oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 10, 0);
    ck_assert_int_eq(run_rows(0, N, &normaliser), NE_OK);
    ck_assert_int_eq(cpu_repulsion_last(repulse), NE_REPULSION_EXACT);
    kernel            = (output_kernel){.kind = KERNEL_STUDENT, .shape = 1};
    const double want = oracle_repulsion(N, 2, &kernel, z, 0, N, exact);
    ck_assert_double_lt(oracle_error(2, 0, N, f, exact), 1e-5);
    ck_assert_double_lt(fabs(normaliser / want - 1), 1e-5);
}
END_TEST

START_TEST(one_point_feels_nothing)
{
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        double normaliser;
        ck_assert_int_eq(start(1, 2, methods[m]), NE_OK);
        z[0] = z[1] = 4;
        f[0] = f[1] = 1;
        ck_assert_int_eq(run_rows(0, 1, &normaliser), NE_OK);
        ck_assert_double_eq(normaliser, 0);
        ck_assert_float_eq(f[0], 0);
        ck_assert_float_eq(f[1], 0);
    }
}
END_TEST

START_TEST(box_is_the_smallest_around_all_points)
{
    for (size_t c = 1; c <= 3; c++) {
        for (size_t n = 1; n < N; n = 2 * n + 1) {
            oracle_layout_make(z, n, c, ORACLE_UNIFORM, 10, -3);
            const box around = box_of(context, n, c, z);
            ck_assert(around.finite);
            for (size_t a = 0; a < c; a++) {
                float low = z[a], high = z[a];
                for (size_t i = 0; i < n; i++) {
                    low  = fminf(low, z[i * c + a]);
                    high = fmaxf(high, z[i * c + a]);
                }
                ck_assert_float_eq(around.low[a], low);
                ck_assert_float_eq(around.high[a], high);
            }
            for (size_t i = 0; i < n * c; i++) {
                const float kept = z[i];
                z[i]             = i % 2 ? NAN : -INFINITY;
                ck_assert(!box_of(context, n, c, z).finite);
                z[i] = kept;
            }
        }
    }
}
END_TEST

START_TEST(it_survives_any_failed_allocation)
{
    static fault memory;
    memory.until = LONG_MAX;
    close_all();
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &memory}, &context), NE_OK);
    const long before = memory.live;
    for (long k = 0, fired = 1; fired; k++) {
        double normaliser;
        memory.sticky = _i;
        memory.fired  = 0;
        memory.until  = k;
        ne_status st  = start(N, 2, NE_REPULSION_FFT);
        for (int step = 0; step < 3 && st == NE_OK; step++) {
            oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 20, 0);
            if (step == 1) z[0] = 1e6f; /* to the tree, and back */
            st = run_rows(0, N, &normaliser);
        }
        memory.until = LONG_MAX;
        fired        = memory.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 20, 0);
        if (repulse) check(N, 2, N);
        drop();
        ck_assert_int_eq(memory.live, before);
    }
}
END_TEST

static Suite *repulsion_auto_suite(void)
{
    Suite *s = suite_create("repulsion_auto");
    TCase *t = tcase_create("repulsion_auto");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, every_method_is_within_accuracy, 0, 4);
    tcase_add_test(t, few_points_go_over_all_pairs);
    tcase_add_test(t, many_points_in_a_moderate_box_go_on_a_grid);
    tcase_add_test(t, a_wide_layout_goes_to_the_tree_and_back);
    tcase_add_test(t, clotted_points_go_to_the_tree_and_rest_there);
    tcase_add_test(t, a_wide_line_goes_over_all_pairs);
    tcase_add_test(t, the_way_does_not_change_with_every_step);
    tcase_add_test(t, ways_and_bits_do_not_depend_on_threads);
    tcase_add_test(t, what_is_not_finite_gives_nan);
    tcase_add_test(t, huge_numbers_are_no_trouble);
    tcase_add_test(t, what_a_method_cannot_do_is_said);
    tcase_add_test(t, five_columns_go_over_all_pairs);
    tcase_add_test(t, a_kernel_of_the_users_own_goes_over_all_pairs);
    tcase_add_test(t, one_point_feels_nothing);
    tcase_add_test(t, box_is_the_smallest_around_all_points);
    tcase_add_loop_test(t, it_survives_any_failed_allocation, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_auto_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
