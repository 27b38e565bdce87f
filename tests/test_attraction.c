/* tests/test_attraction.c: attraction over a CSR matrix against a double loop over its edges. */
#include "cpu/attract.h"
#include "cpu/elementary.h"
#include "fault.h"
#include "layout.h"

#include <limits.h>
#include <string.h>

enum {
    N    = 211, /* prime, so no multiple of any block */
    MOST = 40
};

static layout_affinity p;
static float           f[N * MOST], again[N * MOST];
static double          want[N * MOST];

static void make_affinity(void)
{
    p = layout_affinity_make(N);
}

static void free_affinity(void)
{
    layout_affinity_free(&p);
}

static attraction_job job_of(size_t c, const float *z, const output_kernel *kernel, float *to, double *loss)
{
    return (attraction_job){
        .n = N, .c = c, .row0 = 0, .row1 = N, .p = &p.csr, .z = z, .f = to, .loss = loss, .kernel = kernel};
}

/* Sums of up to 140 float terms of either sign: 1e-6 of their sizes, which are those of the result but for
 * cancellation. */
START_TEST(forces_and_loss_equal_a_double_loop_for_every_kernel_and_width)
{
    static const size_t  widths[]  = {1, 2, 3, 5, 40};
    static const double  extents[] = {1e-4, 1, 30, 1000};
    const output_kernel *kernel    = &layout_kernel[_i];
    ne_context          *context   = layout_context(2);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t e = 0; e < sizeof extents / sizeof *extents; e++) {
            const size_t         c         = widths[w];
            float               *z         = layout_make(LAYOUT_NORMAL, N, c, extents[e]);
            double               loss      = NAN;
            const attraction_job job       = job_of(c, z, kernel, f, &loss);
            const double         loss_want = layout_attraction(kernel, N, c, &p, z, want);
            memset(f, 0xff, sizeof f); /* NaN */
            ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
            ck_assert_double_le(layout_difference(N * c, f, want), 2e-6);
            /* What a custom kernel gives as q, rounded, is all there is: log q near 1 is good to 1e-7, not
             * relatively. */
            ck_assert_double_eq_tol(loss, loss_want, 1e-6 * loss_want + (kernel->kind == KERNEL_CUSTOM ? 1e-7 : 0));
            free(z);
        }
    ne_context_free(context);
}
END_TEST

START_TEST(the_loss_changes_no_bit_of_the_forces)
{
    const size_t c       = (size_t)_i + 1;
    ne_context  *context = layout_context(1);
    float       *z       = layout_make(LAYOUT_CLUSTERS, N, c, 20);
    for (size_t k = 0; k < LAYOUT_KERNELS; k++) {
        double         loss;
        attraction_job job = job_of(c, z, &layout_kernel[k], f, NULL);
        ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
        job = job_of(c, z, &layout_kernel[k], again, &loss);
        ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
        ck_assert_mem_eq(f, again, N * c * sizeof *f);
    }
    free(z);
    ne_context_free(context);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    const size_t c = (size_t)_i + 1;
    float       *z = layout_make(LAYOUT_NORMAL, N, c, 20);
    for (size_t k = 0; k < LAYOUT_KERNELS; k++) {
        double first = 0;
        for (int64_t threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
            ne_context    *context = layout_context(threads);
            double         loss    = NAN;
            attraction_job job     = job_of(c, z, &layout_kernel[k], threads == 1 ? f : again, &loss);
            ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
            if (threads == 1) first = loss;
            ck_assert_mem_eq(&loss, &first, sizeof loss);
            ck_assert(threads == 1 || memcmp(f, again, N * c * sizeof *f) == 0);
            ne_context_free(context);
        }
    }
    free(z);
}
END_TEST

START_TEST(a_range_of_rows_is_written_and_no_other)
{
    const size_t   c       = (size_t)_i + 1;
    ne_context    *context = layout_context(2);
    float         *z       = layout_make(LAYOUT_SQUARE, N, c, 5);
    double         whole = 0, parts = 0;
    attraction_job job = job_of(c, z, &layout_kernel[0], f, &whole);
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    for (size_t i = 0; i < N * c; i++) again[i] = -7;
    for (size_t row = 0; row < N; row += 70) {
        double loss;
        job      = job_of(c, z, &layout_kernel[0], again, &loss);
        job.row0 = row;
        job.row1 = row + 70 < N ? row + 70 : N;
        ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
        ck_assert_mem_eq(again, f, job.row1 * c * sizeof *f);
        for (size_t i = job.row1 * c; i < N * c; i++) ck_assert(again[i] == -7);
        parts += loss;
    }
    ck_assert_double_eq_tol(parts, whole, 1e-12 * whole);
    free(z);
    ne_context_free(context);
}
END_TEST

/* Two points: f_0 = p w (z_0 - z_1) with nothing to sum. */
START_TEST(two_points_are_the_formula)
{
    static const float   z[4]     = {0.5f, -1, 2.5f, 0};
    static const int64_t start[3] = {0, 1, 2};
    static const int32_t col[2]   = {1, 0};
    static const float   val[2]   = {0.5f, 0.5f};
    const ne_csr         csr      = {sizeof csr, 2, 2, start, col, val, NE_F32, NE_HOST};
    ne_context          *context  = layout_context(1);
    float                to[4];
    double               loss;
    attraction_job       job = {
              .n = 2, .c = 2, .row1 = 2, .p = &csr, .z = z, .f = to, .loss = &loss, .kernel = &layout_kernel[0]};
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    /* s = 4 + 1, w = 1 / 6 */
    ck_assert_float_eq_tol(to[0], -1 / 6.0f, 1e-7f);
    ck_assert_float_eq_tol(to[1], -0.5f / 6.0f, 1e-7f);
    ck_assert_float_eq(to[2], -to[0]);
    ck_assert_float_eq(to[3], -to[1]);
    ck_assert_double_eq_tol(loss, log(6), 1e-6);
    ne_context_free(context);
}
END_TEST

START_TEST(forces_sum_to_zero_and_do_not_see_a_move)
{
    const size_t   c       = (size_t)_i + 1;
    ne_context    *context = layout_context(2);
    float         *z = layout_make(LAYOUT_NORMAL, N, c, 16), *moved = malloc(N * c * sizeof *moved);
    double         sum[3] = {0}, size = 0;
    attraction_job job = job_of(c, z, &layout_kernel[0], f, NULL);
    ck_assert_ptr_nonnull(moved);
    for (size_t i = 0; i < N * c; i++) z[i] = rintf(z[i] * 1024) / 1024; /* a move by 64 is then exact */
    for (size_t i = 0; i < N * c; i++) moved[i] = z[i] + 64;
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    job = job_of(c, moved, &layout_kernel[0], again, NULL);
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    ck_assert_mem_eq(f, again, N * c * sizeof *f);
    for (size_t i = 0; i < N * c; i++) {
        sum[i % c] += (double)f[i];
        size += fabs((double)f[i]);
    }
    for (size_t k = 0; k < c; k++) ck_assert_double_eq_tol(sum[k], 0, 1e-6 * size);
    free(z);
    free(moved);
    ne_context_free(context);
}
END_TEST

START_TEST(log_and_exp_are_as_good_as_they_say)
{
    for (int i = -8000; i <= 8000; i++) {
        const float  x = expf((float)i * 0.0108f), y = (float)(i - 8000) * 0.00543f; /* to 3e37, from -86.9 */
        const float  close = 1 + (float)i * 0x1p-20f;
        const lanes  logs = elementary_log(lanes_all(x)), closer = elementary_log(lanes_all(close));
        const lanes  exps  = elementary_exp(lanes_all(y));
        const double log_x = log((double)x), log_close = log((double)close), exp_y = exp((double)y);
        ck_assert_double_eq_tol((double)logs[i & 7], log_x, 1e-7 * fabs(log_x) + 1e-30);
        ck_assert_double_eq_tol((double)closer[i & 7], log_close, 1e-7 * fabs(log_close) + 1e-30);
        ck_assert_double_eq_tol((double)exps[i & 7], exp_y, 1e-7 * exp_y);
    }
    ck_assert_float_eq(elementary_exp(lanes_all(-88))[0], 0);
    ck_assert_float_eq(elementary_exp(lanes_all(-1e30f))[0], 0);
    ck_assert_float_eq(elementary_exp(lanes_all(-INFINITY))[0], 0);
}
END_TEST

START_TEST(a_failed_allocation_is_reported_and_loses_nothing)
{
    fault          mem     = {.until = LONG_MAX};
    ne_context    *context = NULL;
    float         *z       = layout_make(LAYOUT_NORMAL, N, 2, 1);
    double         loss;
    attraction_job job = job_of(2, z, &layout_kernel[0], f, &loss);
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    const long before = mem.live;
    for (long k = 0, fired = 1; fired; k++) {
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = cpu_attract(context, &job);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        ck_assert_int_eq(mem.live, before);
    }
    free(z);
    ne_context_free(context);
    ck_assert_int_eq(mem.live, 0);
}
END_TEST

Suite *attraction_suite(void);

Suite *attraction_suite(void)
{
    Suite *suite = suite_create("attraction");
    TCase *t     = tcase_create("attraction");
    tcase_add_checked_fixture(t, make_affinity, free_affinity);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, forces_and_loss_equal_a_double_loop_for_every_kernel_and_width, 0, LAYOUT_KERNELS);
    tcase_add_loop_test(t, the_loss_changes_no_bit_of_the_forces, 0, 4);
    tcase_add_loop_test(t, the_bits_do_not_depend_on_the_number_of_threads, 0, 4);
    tcase_add_loop_test(t, a_range_of_rows_is_written_and_no_other, 0, 4);
    tcase_add_test(t, two_points_are_the_formula);
    tcase_add_loop_test(t, forces_sum_to_zero_and_do_not_see_a_move, 0, 3);
    tcase_add_test(t, log_and_exp_are_as_good_as_they_say);
    tcase_add_test(t, a_failed_allocation_is_reported_and_loses_nothing);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(attraction_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
