/* tests/test_repulsion_near.c: the near part of the repulsion against double loops over all pairs, and the grid that has
 * only the far part left.
 *
 * Tolerances: coordinates are rounded to floats once more, by 6e-8 of the extent, so a force, which varies over 1, is off by
 * 6e-6 where the extent is 100, and a sum of many by less, relatively: 1e-4 has a margin of ten. The grid is to keep to the
 * accuracy of its plan, with the normaliser ten times better, as in test_repulsion_grid.c. */
#include "cpu/repulse_grid.h"
#include "cpu/repulse_near.h"
#include "fault.h"
#include "repulsion_oracle.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>

enum {
    N     = 401,
    N_MAX = 9001,
    C_MAX = 3
};

static ne_context  *context;
static repulse_near near;
static float        z[N_MAX * C_MAX], f[N_MAX * C_MAX], other[N_MAX * C_MAX];
static double       exact[N_MAX * C_MAX];

static const double radii[] = {1.5, 3, 8};
enum {
    RADII = sizeof radii / sizeof *radii
};

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

static void close_all(void)
{
    repulse_near_clear(context, &near);
    ne_context_free(context);
}

static void start(size_t n, size_t c)
{
    repulse_near_clear(context, &near);
    ck_assert_int_eq(repulse_near_create(context, n, (int)c, &near), NE_OK);
}

static double run_rows(size_t n, size_t c, double radius, int threads, size_t row0, size_t row1)
{
    const box around = box_of(context, n, c, z);
    return repulse_near_run(&near, threads, &around, radius, z, row0, row1);
}

static double share(double radius, double s) /* q */
{
    const double square = radius * radius;
    return s < square ? (square - s) / (1 + square) : 0;
}

/* exact = sum_j -dN/ds (z_i - z_j); returns the sum of N of rows [row0, row1). */
static double all_pairs(size_t n, size_t c, double radius, size_t row0, size_t row1)
{
    double total = 0;
    memset(exact, 0, n * c * sizeof *exact);
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < n; l++) {
            double s = 0;
            if (l == i) continue;
            for (size_t j = 0; j < c; j++) s += pow((double)z[i * c + j] - (double)z[l * c + j], 2);
            const double q = share(radius, s), k = 1 / (1 + s), cubed = q * q * q;
            const double w = k * k * cubed * q + 4 * k * cubed / (1 + radius * radius);
            if (i >= row0 && i < row1) total += k * cubed * q;
            for (size_t j = 0; j < c; j++) exact[i * c + j] += w * ((double)z[i * c + j] - (double)z[l * c + j]);
        }
    return total;
}

static void check(size_t n, size_t c, double radius, const char *what)
{
    const double want = all_pairs(n, c, radius, 0, n), found = run_rows(n, c, radius, 1, 0, n);
    double       wrong = 0, all = 1e-30;
    for (size_t i = 0; i < n * c; i++) {
        wrong += pow((double)near.force[i] - exact[i], 2);
        all += exact[i] * exact[i];
    }
    ck_assert_msg(sqrt(wrong / all) < 1e-4, "%s, %zu points, %zu columns, radius %g: forces off by %g", what, n, c,
                  radius, sqrt(wrong / all));
    /* Each point's own N(0), up to 1, is taken off again. */
    ck_assert_msg(fabs(found - want) < 1e-4 * want + 1e-6 * (double)n, "%s, %zu columns, radius %g: sum %g, not %g",
                  what, c, radius, found, want);
}

START_TEST(near_and_far_make_the_kernel)
{
    for (size_t r = 0; r < RADII; r++)
        for (double s = 0; s < 100; s = 1.1 * s + 1e-3) {
            const double k = 1 / (1 + s), n = k * pow(share(radii[r], s), NEAR_POWER);
            ck_assert_double_eq_tol(n + near_far_value(radii[r], s), k, 1e-15);
        }
}
END_TEST

/* It has no kink: second differences are the curvature, at most 2 near 0 for K, less than 1 / R^2 for F. */
START_TEST(the_far_part_is_smooth)
{
    const double h = 1e-3;
    for (size_t r = 0; r < RADII; r++)
        for (double x = 0; x < 2 * radii[r]; x += 0.01) {
            const double low  = near_far_value(radii[r], (x - h) * (x - h)),
                         high = near_far_value(radii[r], (x + h) * (x + h));
            const double bend = (low + high - 2 * near_far_value(radii[r], x * x)) / (h * h);
            ck_assert_double_lt(fabs(bend), 8 / pow(1 + radii[r] * radii[r], 2) * NEAR_POWER);
        }
}
END_TEST

START_TEST(forces_are_those_of_all_pairs)
{
    static const char *const names[ORACLE_LAYOUTS] = {"uniform", "clusters", "duplicates", "outlier"};
    const double             extents[]             = {1e-4, 1, 20, 100};
    const size_t             c                     = (size_t)_i;
    start(N, c);
    for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
        for (int kind = 0; kind < ORACLE_LAYOUTS; kind++)
            for (size_t r = 0; r < RADII; r++) {
                oracle_layout_make(z, N, c, (oracle_layout)kind, extents[e], e == 2 ? 100 : 0);
                check(N, c, radii[r], names[kind]);
            }
}
END_TEST

START_TEST(a_point_far_off_does_no_harm)
{
    const double places[] = {1e3, 1e6, 1e15};
    const size_t c        = (size_t)_i;
    start(N, c);
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 20, 0);
        for (size_t j = 0; j < c; j++) z[5 * c + j] = (float)places[p];
        const double want = all_pairs(N, c, 3, 0, N), found = run_rows(N, c, 3, 1, 0, N);
        ck_assert_double_eq_tol(found, want,
                                1e-4 * want + want * 1e-7 * places[p]); /* what coordinates keep of their digits */
        for (size_t j = 0; j < c; j++) ck_assert_float_eq(near.force[5 * c + j], 0);
    }
}
END_TEST

START_TEST(few_points_are_enough)
{
    const double distances[] = {0, 1e-3, 0.5, 2, 7.9, 8.1, 1000};
    for (size_t c = 2; c <= C_MAX; c++) {
        for (size_t d = 0; d < sizeof distances / sizeof *distances; d++) {
            start(2, c);
            for (size_t j = 0; j < c; j++) z[j] = z[c + j] = (float)j;
            z[c] += (float)distances[d];
            check(2, c, 8, "two points");
        }
        start(1, c);
        ck_assert_double_eq_tol(run_rows(1, c, 3, 1, 0, 1), 0, 1e-6);
        for (size_t j = 0; j < c; j++) ck_assert_float_eq(near.force[j], 0);
    }
}
END_TEST

START_TEST(rows_sum_up_to_the_whole)
{
    const size_t c = (size_t)_i, ends[] = {0, 1, 8, 300, 301, N};
    start(N, c);
    oracle_layout_make(z, N, c, ORACLE_CLUSTERS, 30, 0);
    const double whole = run_rows(N, c, 3, 1, 0, N);
    double       sum   = 0;
    memcpy(other, near.force, N * c * sizeof *other);
    for (size_t r = 0; r + 1 < sizeof ends / sizeof *ends; r++) {
        const double want = all_pairs(N, c, 3, ends[r], ends[r + 1]), part = run_rows(N, c, 3, 1, ends[r], ends[r + 1]);
        ck_assert_double_eq_tol(part, want, 1e-4 * want + 1e-6 * N);
        ck_assert_mem_eq(near.force, other, N * c * sizeof *other);
        sum += part;
    }
    ck_assert_double_eq_tol(sum, whole, 1e-6 * whole);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads)
{
    const int threads[] = {1, 2, 3, 7};
    for (size_t c = 2; c <= C_MAX; c++) {
        double first = 0;
        start(N_MAX, c); /* three blocks */
        oracle_layout_make(z, N_MAX, c, ORACLE_DUPLICATES, c == 3 ? 30 : 150, 0);
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            const double sum = run_rows(N_MAX, c, 3, threads[t], 0, N_MAX);
            if (t == 0) {
                memcpy(other, near.force, N_MAX * c * sizeof *other);
                first = sum;
            }
            ck_assert_mem_eq(near.force, other, N_MAX * c * sizeof *other);
            ck_assert_mem_eq(&sum, &first, sizeof sum);
        }
    }
}
END_TEST

START_TEST(the_density_around_points_is_found)
{
    for (size_t c = 2; c <= C_MAX; c++) {
        double found[RADII];
        start(N_MAX, c);
        oracle_layout_make(z, N_MAX, c, ORACLE_CLUSTERS, 100, 0);
        const box around = box_of(context, N_MAX, c, z);
        repulse_near_density(&near, &around, z, radii, RADII, found);
        for (size_t r = 0; r < RADII; r++) {
            double held = 0, asked = 0;
            for (size_t i = 0; i < N_MAX; i += 10, asked++)
                for (size_t l = 0; l < N_MAX; l++) {
                    int inside = 1;
                    for (size_t j = 0; j < c; j++)
                        inside &= fabs((double)z[i * c + j] - (double)z[l * c + j]) < 1.5 * radii[r];
                    held += inside;
                }
            /* Boxes that stand where they stand say as much as boxes around the points, but for what varies inside. */
            ck_assert_msg(found[r] * asked > 0.5 * held && found[r] * asked < 1.5 * held,
                          "%zu columns, radius %g: %g points, not %g", c, radii[r], found[r], held / asked);
        }
    }
}
END_TEST

START_TEST(failed_allocations_leave_nothing)
{
    static fault memory;
    close_all();
    memory.until = LONG_MAX;
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &memory}, &context), NE_OK);
    const long before = memory.live;
    for (long k = 0, fired = 1; fired; k++) {
        memory.fired       = 0;
        memory.until       = k;
        const ne_status st = repulse_near_create(context, N, 2, &near);
        memory.until       = LONG_MAX;
        fired              = memory.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        repulse_near_clear(context, &near);
        ck_assert_int_eq(memory.live, before);
    }
}
END_TEST

/* --- With the grid ------------------------------------------------------------------------------------------------ */

static const output_kernel student = {.kind = KERNEL_STUDENT, .shape = 1};

static repulse_grid *grid_of(size_t n, size_t c, double accuracy)
{
    repulse_grid *made = NULL;
    ck_assert_int_eq(
        repulse_grid_create(
            context,
            &(repulsion_plan){.n = n, .c = c, .kernel = &student, .method = NE_REPULSION_FFT, .accuracy = accuracy},
            &made),
        NE_OK);
    return made;
}

static void grid_check(repulse_grid *grid, size_t n, size_t c, double accuracy, const char *what, double extent)
{
    repulsion_job job    = {.z = z, .f = f, .row0 = 0, .row1 = n};
    const box     around = box_of(context, n, c, z);
    const double  want   = oracle_repulsion(n, c, &student, z, 0, n, exact);
    ck_assert_int_eq(repulse_grid_run(context, grid, &around, &job), NE_OK);
    const double error = oracle_error(c, 0, n, f, exact), wrong = fabs(job.normaliser / want - 1);
    ck_assert_msg(error < accuracy, "%s, %zu columns, extent %g, radius %g, accuracy %g: force error %g", what, c,
                  extent, repulse_grid_radius(grid), accuracy, error);
    ck_assert_msg(wrong < accuracy / 10, "%s, %zu columns, extent %g, radius %g, accuracy %g: normaliser off by %g",
                  what, c, extent, repulse_grid_radius(grid), accuracy, wrong);
}

START_TEST(a_wide_layout_is_split_and_within_accuracy)
{
    static const char *const names[ORACLE_LAYOUTS] = {"uniform", "clusters", "duplicates", "outlier"};
    const size_t             c                     = (size_t)_i;
    const double             accuracy[] = {0.05, 0.01, 1e-3}, extents[] = {100, 250, 600};
    for (int a = 0; a < 3; a++)
        for (int e = 0; e < 3; e++)
            for (int kind = 0; kind < ORACLE_LAYOUTS; kind++) {
                const double  extent = c == 2 ? extents[e] : extents[e] / 4;
                repulse_grid *grid   = grid_of(2 * N, c, accuracy[a]);
                oracle_layout_make(z, 2 * N, c, (oracle_layout)kind, extent, 0);
                grid_check(grid, 2 * N, c, accuracy[a], names[kind], extent);
                if (e && kind != ORACLE_OUTLIER) ck_assert_double_gt(repulse_grid_radius(grid), 0);
                repulse_grid_free(context, grid);
            }
}
END_TEST

/* One grid for a layout that grows as a fit's does, and shrinks again: the radius changes, and no error jumps. */
START_TEST(a_growing_layout_changes_the_radius_and_stays_within_accuracy)
{
    const size_t  c       = (size_t)_i;
    repulse_grid *grid    = grid_of(2 * N, c, 0.01);
    double        last    = 0;
    int           changes = 0;
    for (int step = 0; step < 480; step++) {
        const double extent = 5 * pow(c == 2 ? 60 : 20, (step < 240 ? step : 479 - step) / 240.0);
        oracle_layout_make(z, 2 * N, c, ORACLE_CLUSTERS, extent, 0);
        if (step % 16 == 0 || step % 16 == 15) {
            grid_check(grid, 2 * N, c, 0.01, "clusters", extent);
        } else {
            const box around = box_of(context, 2 * N, c, z);
            ck_assert_double_lt(repulse_grid_cost(grid, &around, z), INFINITY);
        }
        changes += repulse_grid_radius(grid) != last;
        last = repulse_grid_radius(grid);
    }
    ck_assert_int_ge(changes, 2);
    repulse_grid_free(context, grid);
}
END_TEST

START_TEST(rows_of_a_split_grid_are_parts_of_the_whole)
{
    const size_t  ends[] = {0, 100, 801, 2 * N}, n = 2 * N;
    const box     around = (oracle_layout_make(z, n, 2, ORACLE_CLUSTERS, 300, 0), box_of(context, n, 2, z));
    repulse_grid *grid   = grid_of(n, 2, 0.01);
    repulsion_job job    = {.z = z, .f = other, .row0 = 0, .row1 = n};
    double        sum    = 0;
    ck_assert_int_eq(repulse_grid_run(context, grid, &around, &job), NE_OK);
    ck_assert_double_gt(repulse_grid_radius(grid), 0);
    for (size_t r = 0; r < 3; r++) {
        repulsion_job part = {.z = z, .f = f, .row0 = ends[r], .row1 = ends[r + 1]};
        ck_assert_int_eq(repulse_grid_run(context, grid, &around, &part), NE_OK);
        sum += part.normaliser;
    }
    ck_assert_mem_eq(f, other, n * 2 * sizeof *f);
    ck_assert_double_eq_tol(sum, job.normaliser, 1e-6 * sum);
    repulse_grid_free(context, grid);
}
END_TEST

static Suite *repulsion_near_suite(void)
{
    Suite *s = suite_create("repulsion_near");
    TCase *t = tcase_create("repulsion_near");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, near_and_far_make_the_kernel);
    tcase_add_test(t, the_far_part_is_smooth);
    tcase_add_loop_test(t, forces_are_those_of_all_pairs, 2, C_MAX + 1);
    tcase_add_loop_test(t, a_point_far_off_does_no_harm, 2, C_MAX + 1);
    tcase_add_test(t, few_points_are_enough);
    tcase_add_loop_test(t, rows_sum_up_to_the_whole, 2, C_MAX + 1);
    tcase_add_test(t, bits_do_not_depend_on_threads);
    tcase_add_test(t, the_density_around_points_is_found);
    tcase_add_test(t, failed_allocations_leave_nothing);
    tcase_add_loop_test(t, a_wide_layout_is_split_and_within_accuracy, 2, C_MAX + 1);
    tcase_add_loop_test(t, a_growing_layout_changes_the_radius_and_stays_within_accuracy, 2, C_MAX + 1);
    tcase_add_test(t, rows_of_a_split_grid_are_parts_of_the_whole);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_near_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
