/* tests/test_repulsion_grid.c: forces and normaliser of the grid against double loops over all pairs.
 *
 * Tolerances: a run is to keep to the accuracy that the plan asks for (relative L2 error of the forces), 0.01 by
 * default; the normaliser is a sum over all pairs, in which errors of either sign cancel, and has to be ten times
 * better. */
#include "cpu/repulse_grid.h"
#include "fault.h"
#include "repulsion_oracle.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>

enum {
    N     = 401,
    N_MAX = 20011,
    C_MAX = 3
}; /* primes: no multiple of any block */

static ne_context   *context;
static output_kernel kernel;
static repulse_grid *grid;
static float         z[N_MAX * C_MAX], f[N_MAX * C_MAX], other[N_MAX * C_MAX];
static double        exact[N_MAX * C_MAX];

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    kernel = (output_kernel){.kind = KERNEL_STUDENT, .shape = 1};
}

static void drop(void)
{
    repulse_grid_free(context, grid);
    grid = NULL;
}

static void close_all(void)
{
    drop();
    ne_context_free(context);
}

static ne_status start(size_t n, size_t c, double accuracy)
{
    drop();
    return repulse_grid_create(
        context, &(repulsion_plan){.n = n, .c = c, .kernel = &kernel, .method = NE_REPULSION_FFT, .accuracy = accuracy},
        &grid);
}

static ne_status run_rows(size_t n, size_t c, size_t row0, size_t row1, double *normaliser)
{
    repulsion_job   job    = {.z = z, .f = f, .row0 = row0, .row1 = row1};
    const box       around = box_of(context, n, c, z);
    const ne_status st     = repulse_grid_run(context, grid, &around, &job);
    *normaliser            = job.normaliser;
    return st;
}

static void check(size_t n, size_t c, double accuracy, const char *what, double extent)
{
    double       normaliser;
    const double want = oracle_repulsion(n, c, &kernel, z, 0, n, exact);
    ck_assert_int_eq(run_rows(n, c, 0, n, &normaliser), NE_OK);
    const double error = oracle_error(c, 0, n, f, exact), wrong = fabs(normaliser / want - 1);
    ck_assert_msg(error < accuracy, "%s, extent %g, %zu columns, kernel %d of shape %g: force error %g", what, extent,
                  c, (int)kernel.kind, kernel.shape, error);
    ck_assert_msg(wrong < accuracy / 10, "%s, extent %g, %zu columns, kernel %d of shape %g: normaliser off by %g",
                  what, extent, c, (int)kernel.kind, kernel.shape, wrong);
}

static const output_kernel kernels[] = {
    {.kind = KERNEL_STUDENT, .shape = 1},
    {.kind = KERNEL_STUDENT, .shape = 0.5},
    {.kind = KERNEL_STUDENT, .shape = 2},
    {.kind = KERNEL_GAUSSIAN, .shape = 1.5},
};
enum {
    KERNELS = sizeof kernels / sizeof *kernels
};

static void check_layouts(size_t c, const double *extents, size_t count)
{
    static const char *const names[ORACLE_LAYOUTS] = {"uniform", "clusters", "duplicates", "outlier"};
    ck_assert_int_eq(start(N, c, 0.01), NE_OK);
    for (size_t e = 0; e < count; e++) {
        for (int kind = 0; kind < ORACLE_LAYOUTS; kind++) {
            oracle_layout_make(z, N, c, (oracle_layout)kind, extents[e], 0);
            check(N, c, 0.01, names[kind], extents[e]);
        }
    }
}

/* One grid serves all layouts in turn, so it also has to grow and to shrink. */
START_TEST(one_column_is_within_accuracy)
{
    const double extents[] = {1e-4, 1, 100, 30, 1000, 1e-12};
    kernel                 = kernels[_i];
    check_layouts(1, extents, sizeof extents / sizeof *extents);
}
END_TEST

START_TEST(two_columns_are_within_accuracy)
{
    const double extents[] = {1e-4, 1, 100, 30, 5, 1e-12};
    kernel                 = kernels[_i];
    check_layouts(2, extents, sizeof extents / sizeof *extents);
}
END_TEST

START_TEST(three_columns_are_within_accuracy)
{
    const double extents[] = {1e-4, 1, 20, 5, 1e-12};
    kernel                 = kernels[_i];
    check_layouts(3, extents, sizeof extents / sizeof *extents);
}
END_TEST

START_TEST(a_better_accuracy_is_kept)
{
    const double accuracy[] = {0.05, 0.01, 1e-3, 1e-4};
    for (size_t c = 1; c <= 2; c++) {
        ck_assert_int_eq(start(N, c, accuracy[_i]), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 30, 0);
        check(N, c, accuracy[_i], "clusters", 30);
    }
}
END_TEST

/* All in one place but for one point: no grid sees both the spot and the distance. */
START_TEST(clotted_points_are_refused)
{
    for (size_t c = 1; c <= C_MAX; c++) {
        double normaliser;
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 1e-4, 0);
        for (size_t j = 0; j < c; j++) z[j] = 20;
        ck_assert_int_eq(run_rows(N, c, 0, N, &normaliser), NE_UNSUPPORTED);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 20, 0);
        check(N, c, 0.01, "clusters after clots", 20);
    }
}
END_TEST

/* Clusters narrower than a cell want closer nodes, and get them. */
START_TEST(tight_clusters_are_within_accuracy)
{
    for (size_t c = 1; c <= C_MAX; c++) {
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        for (int step = 0; step < 3; step++) {
            oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 0.2, 0);
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < c; j++) z[i * c + j] += (float)((i % 12) * (j + 1) % 5) * 3.7f;
            check(N, c, 0.01, "tight clusters", 0.2);
        }
    }
}
END_TEST

START_TEST(a_layout_far_from_zero_is_within_accuracy)
{
    const double extents[] = {0.1, 30};
    ck_assert_int_eq(start(N, 2, 0.01), NE_OK);
    for (int e = 0; e < 2; e++) {
        oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, extents[e], 1000);
        check(N, 2, 0.01, "moved", extents[e]);
    }
}
END_TEST

START_TEST(a_flat_layout_is_within_accuracy)
{
    for (size_t c = 2; c <= C_MAX; c++) {
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 50, 0);
        for (size_t i = 0; i < N; i++) z[i * c + c - 1] = 3;
        check(N, c, 0.01, "flat in the last column", 50);
        for (size_t i = 0; i < N; i++) {
            z[i * c + c - 1] = z[i * c];
            z[i * c]         = 3;
        }
        check(N, c, 0.01, "flat in the first column", 50);
    }
}
END_TEST

START_TEST(forces_sum_to_zero)
{
    for (size_t c = 1; c <= C_MAX; c++) {
        double normaliser, sum[C_MAX] = {0}, square = 0;
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 15, 0);
        ck_assert_int_eq(run_rows(N, c, 0, N, &normaliser), NE_OK);
        for (size_t i = 0; i < N * c; i++) {
            sum[i % c] += (double)f[i];
            square += (double)f[i] * (double)f[i];
        }
        /* Cauchy: the errors, 1 % of the forces in L2, sum up to at most sqrt(n) times their L2 norm; it is a third. */
        for (size_t j = 0; j < c; j++) ck_assert_double_lt(fabs(sum[j]), 0.01 * sqrt(N * square) / 3);
    }
}
END_TEST

START_TEST(row_ranges_are_parts_of_the_whole)
{
    const size_t ends[] = {0, 1, 8, 300, 301, N};
    for (size_t c = 1; c <= C_MAX; c++) {
        double whole, sum = 0;
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 15, 0);
        ck_assert_int_eq(run_rows(N, c, 0, N, &whole), NE_OK);
        memcpy(other, f, N * c * sizeof *f);
        for (size_t i = 0; i < N * c; i++) f[i] = 1e-20f;
        for (size_t r = 0; r + 1 < sizeof ends / sizeof *ends; r++) {
            double       part;
            const double want = oracle_repulsion(N, c, &kernel, z, ends[r], ends[r + 1], exact);
            ck_assert_int_eq(run_rows(N, c, ends[r], ends[r + 1], &part), NE_OK);
            /* A row's own sum of q has no pairs of either sign to cancel errors. */
            ck_assert_double_lt(fabs(part / want - 1), 0.01);
            sum += part;
            if (ends[r + 1] < N) ck_assert_float_eq(f[ends[r + 1] * c], 1e-20f); /* nothing behind the range */
        }
        ck_assert_mem_eq(f, other, N * c * sizeof *f);
        ck_assert_double_lt(fabs(sum / whole - 1), 1e-6);
    }
}
END_TEST

START_TEST(a_run_leaves_nothing_behind_for_the_next)
{
    for (size_t c = 1; c <= C_MAX; c++) {
        double first, again;
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 15, 0);
        ck_assert_int_eq(run_rows(N, c, 0, N, &first), NE_OK);
        memcpy(other, f, N * c * sizeof *f);
        for (int step = 0; step < 60; step++) ck_assert_int_eq(run_rows(N, c, 0, N, &again), NE_OK);
        ck_assert_mem_eq(f, other, N * c * sizeof *f);
        ck_assert_mem_eq(&first, &again, sizeof first);
    }
}
END_TEST

START_TEST(bits_do_not_depend_on_threads)
{
    const int threads[] = {1, 2, 3, 7};
    for (size_t c = 1; c <= C_MAX; c++) {
        const size_t n     = c == 3 ? 4001 : N_MAX;
        double       first = 0, normaliser;
        oracle_layout_make(z, n, c, ORACLE_CLUSTERS, c == 3 ? 15 : 80, 0);
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            ck_assert_int_eq(ne_context_set_int(context, "threads", threads[t]), NE_OK);
            ck_assert_int_eq(start(n, c, 0.01), NE_OK);
            ck_assert_int_eq(run_rows(n, c, 0, n, &normaliser), NE_OK);
            if (t == 0) {
                memcpy(other, f, n * c * sizeof *f);
                first = normaliser;
            }
            ck_assert_mem_eq(f, other, n * c * sizeof *f);
            ck_assert_mem_eq(&normaliser, &first, sizeof first);
        }
    }
}
END_TEST

START_TEST(equal_points_feel_nothing)
{
    const size_t counts[] = {1, 2, N};
    for (size_t c = 1; c <= C_MAX; c++) {
        for (size_t t = 0; t < 3; t++) {
            double normaliser;
            ck_assert_int_eq(start(counts[t], c, 0.01), NE_OK);
            for (size_t i = 0; i < counts[t] * c; i++) z[i] = 3.25f;
            for (size_t i = 0; i < counts[t] * c; i++) f[i] = -7;
            ck_assert_int_eq(run_rows(counts[t], c, 0, counts[t], &normaliser), NE_OK);
            for (size_t i = 0; i < counts[t] * c; i++) ck_assert_float_eq(f[i], 0);
            ck_assert_double_eq(normaliser, (double)(counts[t] * (counts[t] - 1)));
        }
    }
}
END_TEST

START_TEST(two_points_repel_each_other)
{
    const double distances[] = {1e-20, 1e-4, 0.5, 2};
    for (size_t c = 1; c <= C_MAX; c++) {
        ck_assert_int_eq(start(2, c, 0.01), NE_OK);
        for (size_t d = 0; d < sizeof distances / sizeof *distances; d++) {
            for (size_t j = 0; j < c; j++) {
                z[j]     = 0;
                z[c + j] = (float)(distances[d] / (double)(j + 1));
            }
            check(2, c, 0.01, "two points", distances[d]);
            ck_assert_float_gt(f[c], 0);
            ck_assert_float_lt(f[0], 0);
        }
    }
}
END_TEST

START_TEST(what_a_grid_cannot_take_is_refused)
{
    ck_assert_int_eq(start(N, 4, 0.01), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "repulsion: fft works for 1 to 3 components, not 4");
    kernel.kind = KERNEL_CUSTOM;
    ck_assert_int_eq(start(N, 2, 0.01), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "repulsion: fft works for the Student and the Gaussian kernel only");
}
END_TEST

START_TEST(a_layout_too_wide_is_refused_and_the_next_one_is_not)
{
    const double wide[] = {1e8, 1e6, 1e5, 1e30};
    for (size_t c = 1; c <= C_MAX; c++) {
        double normaliser;
        ck_assert_int_eq(start(N, c, 0.01), NE_OK);
        const box around = {.finite = 1, .high = {(float)wide[c - 1], (float)wide[c - 1], (float)wide[c - 1]}};
        ck_assert(isinf(repulse_grid_cost(grid, &around, NULL)));
        oracle_layout_make(z, N, c, ORACLE_UNIFORM, wide[c - 1], 0);
        ck_assert_int_eq(run_rows(N, c, 0, N, &normaliser), NE_UNSUPPORTED);
        oracle_layout_make(z, N, c, ORACLE_UNIFORM, wide[3], 0);
        ck_assert_int_eq(run_rows(N, c, 0, N, &normaliser), NE_UNSUPPORTED);
        oracle_layout_make(z, N, c, ORACLE_UNIFORM, 5, 0);
        check(N, c, 0.01, "uniform", 5);
    }
}
END_TEST

START_TEST(a_run_survives_any_failed_allocation)
{
    static fault memory;
    memory.until = LONG_MAX;
    close_all();
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &memory}, &context), NE_OK);
    const long before = memory.live;
    oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 20, 0);
    for (long k = 0, fired = 1; fired; k++) {
        double normaliser;
        memory.sticky = _i;
        memory.fired  = 0;
        memory.until  = k;
        ne_status st  = start(N, 2, 0.01);
        if (st == NE_OK) st = run_rows(N, 2, 0, N, &normaliser);
        memory.until = LONG_MAX;
        fired        = memory.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        if (grid) check(N, 2, 0.01, "after a failure", 20);
        drop();
        ck_assert_int_eq(memory.live, before);
    }
    kernel.shape = 2; /* and growing fails half way: the grid at hand still works */
    ck_assert_int_eq(start(N, 2, 0.01), NE_OK);
    check(N, 2, 0.01, "clusters", 20);
    for (long k = 0, fired = 1; fired; k++) {
        double normaliser;
        oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, 40, 0);
        memory.fired       = 0;
        memory.until       = k;
        const ne_status st = run_rows(N, 2, 0, N, &normaliser);
        memory.until       = LONG_MAX;
        fired              = memory.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        oracle_layout_make(z, N, 2, ORACLE_CLUSTERS, fired ? 20 : 40, 0);
        check(N, 2, 0.01, "clusters after a failure", fired ? 20 : 40);
    }
}
END_TEST

static Suite *repulsion_grid_suite(void)
{
    Suite *s = suite_create("repulsion_grid");
    TCase *t = tcase_create("repulsion_grid");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, one_column_is_within_accuracy, 0, KERNELS);
    tcase_add_loop_test(t, two_columns_are_within_accuracy, 0, KERNELS);
    tcase_add_loop_test(t, three_columns_are_within_accuracy, 0, KERNELS);
    tcase_add_loop_test(t, a_better_accuracy_is_kept, 0, 4);
    tcase_add_test(t, clotted_points_are_refused);
    tcase_add_test(t, tight_clusters_are_within_accuracy);
    tcase_add_test(t, a_layout_far_from_zero_is_within_accuracy);
    tcase_add_test(t, a_flat_layout_is_within_accuracy);
    tcase_add_test(t, forces_sum_to_zero);
    tcase_add_test(t, row_ranges_are_parts_of_the_whole);
    tcase_add_test(t, a_run_leaves_nothing_behind_for_the_next);
    tcase_add_test(t, bits_do_not_depend_on_threads);
    tcase_add_test(t, equal_points_feel_nothing);
    tcase_add_test(t, two_points_repel_each_other);
    tcase_add_test(t, what_a_grid_cannot_take_is_refused);
    tcase_add_test(t, a_layout_too_wide_is_refused_and_the_next_one_is_not);
    tcase_add_loop_test(t, a_run_survives_any_failed_allocation, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_grid_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
