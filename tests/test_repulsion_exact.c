/* tests/test_repulsion_exact.c: repulsion over all pairs against a double loop, the objective in double against central
 * differences of itself and against closed forms, and float gradients against both. */
#include "cpu/attract.h"
#include "cpu/objective_f64.h"
#include "cpu/repulse_exact.h"
#include "fault.h"
#include "layout.h"

#include <limits.h>
#include <string.h>

enum {
    N    = 211, /* prime, so no multiple of any block */
    MOST = 40,
    FEW  = 50
};

static float  f[N * MOST], again[N * MOST];
static double want[N * MOST];

static repulsion_job run(size_t n, size_t c, const output_kernel *kernel, const float *z, float *to, int64_t threads)
{
    ne_context   *context = layout_context(threads);
    repulsion_job job     = {.z = z, .f = to, .row0 = 0, .row1 = n, .normaliser = NAN};
    ck_assert_int_eq(repulse_exact(context, n, c, kernel, &job), NE_OK);
    ne_context_free(context);
    return job;
}

/* q is good to 1e-7 times its logarithm, here at most 40 (Gaussian: as large as it matters), and sums of floats to
 * 1e-6. */
START_TEST(forces_and_normaliser_equal_a_double_loop_for_every_kernel_and_width)
{
    static const size_t  widths[]  = {1, 2, 3, 5, 40};
    static const double  extents[] = {1e-4, 1, 30, 1000};
    const output_kernel *kernel    = &layout_kernel[_i];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
            for (layout_kind kind = LAYOUT_CLUSTERS; kind <= LAYOUT_REPEATED; kind++) {
                const size_t        c   = widths[w];
                float              *z   = layout_make(kind, N, c, extents[e]);
                const double        sum = layout_repulsion(kernel, N, c, z, want);
                const repulsion_job job = run(N, c, kernel, z, f, 2);
                ck_assert_double_eq_tol(job.normaliser, sum, 2e-6 * sum + 1e-30);
                ck_assert_double_le(layout_difference(N * c, f, want), 4e-6);
                free(z);
            }
}
END_TEST

START_TEST(points_far_from_each_other_keep_their_small_normaliser)
{
    const size_t c = (size_t)_i + 1;
    float       *z = layout_make(LAYOUT_SQUARE, N, c, 1e6);
    for (size_t k = 0; k < 3; k++) { /* Student kernels */
        const double        sum = layout_repulsion(&layout_kernel[k], N, c, z, want);
        const repulsion_job job = run(N, c, &layout_kernel[k], z, f, 1);
        ck_assert_double_eq_tol(job.normaliser, sum, 4e-6 * sum);
        ck_assert_double_le(layout_difference(N * c, f, want), 4e-6);
    }
    free(z);
}
END_TEST

START_TEST(two_points_are_the_formula)
{
    static const float  z[4] = {0.5f, -1, 2.5f, 0}; /* s = 5, q = 1 / 6, w = q */
    const repulsion_job job  = run(2, 2, &layout_kernel[0], z, f, 1);
    ck_assert_double_eq_tol(job.normaliser, 2 / 6.0, 1e-7);
    ck_assert_float_eq_tol(f[0], -2 / 36.0f, 1e-8f);
    ck_assert_float_eq_tol(f[1], -1 / 36.0f, 1e-8f);
    ck_assert_float_eq(f[2], -f[0]);
    ck_assert_float_eq(f[3], -f[1]);
}
END_TEST

START_TEST(one_point_and_equal_points_feel_nothing)
{
    static float        z[2 * N];
    const repulsion_job alone = run(1, 2, &layout_kernel[0], z, f, 1);
    ck_assert_double_eq(alone.normaliser, 0);
    ck_assert_float_eq(f[0], 0);
    for (size_t i = 0; i < 2 * N; i++) z[i] = 3.25f;
    for (size_t k = 0; k < 5; k++) {
        const repulsion_job all = run(N, 2, &layout_kernel[k], z, f, 2);
        ck_assert_double_eq_tol(all.normaliser, N * (N - 1), 1e-6 * N * N);
        for (size_t i = 0; i < 2 * N; i++) ck_assert_float_eq(f[i], 0);
    }
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    const size_t c = (size_t)_i + 1;
    float       *z = layout_make(LAYOUT_NORMAL, N, c, 20);
    for (size_t k = 0; k < LAYOUT_KERNELS; k++) {
        const repulsion_job one = run(N, c, &layout_kernel[k], z, f, 1);
        for (int64_t threads = 2; threads <= 7; threads += threads < 3 ? 1 : 4) {
            const repulsion_job many = run(N, c, &layout_kernel[k], z, again, threads);
            ck_assert_mem_eq(&many.normaliser, &one.normaliser, sizeof one.normaliser);
            ck_assert_mem_eq(f, again, N * c * sizeof *f);
        }
    }
    free(z);
}
END_TEST

START_TEST(a_range_of_rows_is_written_and_no_other)
{
    ne_context   *context = layout_context(2);
    float        *z       = layout_make(LAYOUT_NORMAL, N, 2, 20);
    repulsion_job whole = run(N, 2, &layout_kernel[0], z, f, 1), part = {.z = z, .f = again};
    double        sum = 0;
    for (size_t i = 0; i < N * 2; i++) again[i] = -7;
    for (size_t row = 0; row < N; row += 90) {
        part.row0 = row;
        part.row1 = row + 90 < N ? row + 90 : N;
        ck_assert_int_eq(repulse_exact(context, N, 2, &layout_kernel[0], &part), NE_OK);
        for (size_t i = part.row1 * 2; i < N * 2; i++) ck_assert(again[i] == -7);
        sum += part.normaliser;
    }
    /* Blocks begin elsewhere, so a target is summed in another order. */
    for (size_t i = 0; i < N * 2; i++) want[i] = (double)f[i];
    ck_assert_double_le(layout_difference(N * 2, again, want), 1e-6);
    ck_assert_double_eq_tol(sum, whole.normaliser, 1e-6 * sum);
    free(z);
    ne_context_free(context);
}
END_TEST

START_TEST(a_failed_allocation_is_reported_and_loses_nothing)
{
    fault         mem     = {.until = LONG_MAX};
    ne_context   *context = NULL;
    float        *z       = layout_make(LAYOUT_NORMAL, N, 5, 1);
    double       *y       = calloc(N * 5, sizeof *y), loss;
    repulsion_job job     = {.z = z, .f = f, .row0 = 0, .row1 = N};
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    const long before = mem.live;
    for (long k = 0, fired = 1; fired; k++) {
        mem.fired    = 0;
        mem.until    = k;
        ne_status st = repulse_exact(context, N, 5, &layout_kernel[0], &job);
        if (st == NE_OK) st = objective_f64(context, N, 5, NULL, &layout_kernel[0], NE_OVER_PAIRS, y, NULL, &loss);
        mem.until = LONG_MAX;
        fired     = mem.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        ck_assert_int_eq(mem.live, before);
    }
    free(z);
    free(y);
    ne_context_free(context);
    ck_assert_int_eq(mem.live, 0);
}
END_TEST

/* --- The objective in double. */

static double objective(ne_context *context, size_t n, size_t c, const ne_csr *p, size_t kernel,
                        ne_normalisation normalisation, const double *y, double *gradient)
{
    double loss = NAN;
    ck_assert_int_eq(objective_f64(context, n, c, p, &layout_kernel[kernel], normalisation, y, gradient, &loss), NE_OK);
    return loss;
}

/* Central difference of fourth order, step h = 1e-3: its error is h^4 / 30 of the fifth derivative, about 1e-12
 * here, and the rounding of a loss of 10, over h, 1e-12. */
static double slope_of(ne_context *context, size_t n, size_t c, const ne_csr *p, size_t kernel,
                       ne_normalisation normalisation, double *y, size_t at)
{
    const double x = y[at], h = 1e-3;
    double       value[4];
    for (int i = 0; i < 4; i++) {
        y[at]    = x + h * (i < 2 ? i - 2 : i - 1);
        value[i] = objective(context, n, c, p, kernel, normalisation, y, NULL);
    }
    y[at] = x;
    return (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * h);
}

/* The float kernels' gradient of the same, as the fit puts it together. */
static void float_gradient(ne_context *context, size_t n, size_t c, const ne_csr *p, const output_kernel *kernel,
                           ne_normalisation normalisation, const float *z, double *gradient)
{
    float               *toward = malloc(n * c * sizeof *toward), *away = malloc(n * c * sizeof *away);
    const attraction_job attract = {.n = n, .c = c, .row1 = n, .p = p, .z = z, .f = toward, .kernel = kernel};
    repulsion_job        repulse = {.z = z, .f = away, .row1 = n};
    ck_assert(toward && away);
    ck_assert_int_eq(cpu_attract(context, &attract), NE_OK);
    ck_assert_int_eq(repulse_exact(context, n, c, kernel, &repulse), NE_OK);
    const double by = normalisation == NE_OVER_PAIRS ? 4 / repulse.normaliser : 4;
    for (size_t i = 0; i < n * c; i++) gradient[i] = 4 * (double)toward[i] - by * (double)away[i];
    free(toward);
    free(away);
}

START_TEST(gradients_are_central_differences_of_the_objective)
{
    static const size_t widths[] = {1, 2, 3, 5};
    static double       y[FEW * 5], gradient[FEW * 5], rough[FEW * 5];
    const size_t        kernel  = (size_t)_i;
    ne_context         *context = layout_context(1);
    layout_affinity     p       = layout_affinity_make(FEW);
    for (size_t w = 0; w < 4; w++)
        for (ne_normalisation by = NE_UNNORMALISED; by <= NE_OVER_ROWS; by++) {
            const size_t c       = widths[w];
            float       *z       = layout_make(LAYOUT_NORMAL, FEW, c, 4);
            double       largest = 0, wrong = 0, rough_wrong = 0;
            for (size_t i = 0; i < FEW * c; i++) y[i] = (double)z[i];
            objective(context, FEW, c, &p.csr, kernel, by, y, gradient);
            float_gradient(context, FEW, c, &p.csr, &layout_kernel[kernel], by, z, rough);
            for (size_t i = 0; i < FEW * c; i += 7) { /* 7: meets every column */
                const double slope = slope_of(context, FEW, c, &p.csr, kernel, by, y, i);
                largest            = fmax(largest, fabs(slope));
                wrong              = fmax(wrong, fabs(gradient[i] - slope));
                rough_wrong        = fmax(rough_wrong, fabs(rough[i] - slope));
            }
            /* A custom kernel is in float: differences of its values say nothing below 1e-7 / h. */
            ck_assert_double_le(wrong, (layout_kernel[kernel].kind == KERNEL_CUSTOM ? 1e-2 : 1e-9) * largest);
            if (by != NE_OVER_ROWS && layout_kernel[kernel].kind != KERNEL_CUSTOM)
                ck_assert_double_le(rough_wrong, 2e-5 * largest);
            free(z);
        }
    layout_affinity_free(&p);
    ne_context_free(context);
}
END_TEST

/* Three points on a line at 0, 1, 3: all of the objective by hand. */
START_TEST(three_points_have_the_objective_of_the_formula)
{
    static const double  y[3]     = {0, 1, 3};
    static const int64_t start[4] = {0, 1, 3, 4};
    static const int32_t col[4]   = {1, 0, 2, 1};
    static const double  val[4]   = {0.3, 0.3, 0.2, 0.2};
    const ne_csr         p        = {sizeof p, 3, 3, start, col, val, NE_F64, NE_HOST};
    ne_context          *context  = layout_context(2);
    const double         q01 = 1 / 2.0, q12 = 1 / 5.0, q02 = 1 / 10.0, attract = -0.6 * log(q01) - 0.4 * log(q12);
    const double         sum = 2 * (q01 + q12 + q02);
    double               gradient[3];
    ck_assert_double_eq_tol(objective(context, 3, 1, &p, 0, NE_OVER_PAIRS, y, gradient), attract + log(sum), 1e-14);
    ck_assert_double_eq_tol(gradient[0], 4 * 0.3 * q01 * -1 + 4 / sum * (q01 * q01 + 3 * q02 * q02), 1e-14);
    ck_assert_double_eq_tol(objective(context, 3, 1, &p, 0, NE_UNNORMALISED, y, NULL), attract + sum, 1e-14);
    ck_assert_double_eq_tol(objective(context, 3, 1, &p, 0, NE_OVER_ROWS, y, NULL),
                            attract + (log(q01 + q02) + log(q01 + q12) + log(q12 + q02)) / 3, 1e-14);
    ne_context_free(context);
}
END_TEST

START_TEST(a_point_whose_kernel_underflows_still_has_a_row)
{
    static const double y[3]    = {0, 1, 100}; /* exp(-10000 / 3) is 0 in double */
    ne_context         *context = layout_context(1);
    double              gradient[3];
    const double        loss = objective(context, 3, 1, NULL, 4, NE_OVER_ROWS, y, gradient); /* Gaussian, sigma = 3 */
    ck_assert_double_eq_tol(loss, (-1 / 3.0 - 1 / 3.0 - 99 * 99 / 3.0) / 3, 1e-12);
    ck_assert_double_eq_tol(gradient[2], -2 / 3.0 / 3 * 99, 1e-12); /* all of its row is the nearer point */
    ne_context_free(context);
}
END_TEST

/* Values that TorchDR 0.5 gives in float64 for four points. Its P is directed, so p = (P + P') / 2; its normaliser
 * has the four q_ii = 1 in it. */
START_TEST(four_points_have_the_gradient_of_torchdr)
{
    static const float   z[8]     = {0, 0, 1, 0, 0, 2, 1.5f, -1};
    static const int64_t start[5] = {0, 3, 6, 8, 10};
    static const int32_t col[10]  = {1, 2, 3, 0, 2, 3, 0, 1, 0, 1};
    static const float   val[10]  = {0.175f, 0.1125f, 0.1f, 0.175f, 0.0625f, 0.05f, 0.1125f, 0.0625f, 0.1f, 0.05f};
    const ne_csr         p        = {sizeof p, 4, 4, start, col, val, NE_F32, NE_HOST};
    ne_context          *context  = layout_context(1);
    double               loss, y[8], gradient[8];
    const attraction_job attract = {
        .n = 4, .c = 2, .row1 = 4, .p = &p, .z = z, .f = f, .loss = &loss, .kernel = &layout_kernel[0]};
    ck_assert_int_eq(cpu_attract(context, &attract), NE_OK);
    const repulsion_job repulse = run(4, 2, &layout_kernel[0], z, again, 1);
    const double        sum     = repulse.normaliser + 4;
    ck_assert_double_eq_tol(loss, 1.19917180, 1e-6);
    ck_assert_double_eq_tol(log(sum), 1.98183915, 1e-7);
    static const size_t at[4]     = {0, 1, 6, 7};
    static const double golden[4] = {-0.30758137, -0.07230108, 0.07988539, -0.03257489};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(4 * (double)f[at[i]] - 4 / sum * (double)again[at[i]], golden[i], 2e-7);
    /* The double twin, whose normaliser is the right one: correct for it by hand. */
    for (int i = 0; i < 8; i++) y[i] = (double)z[i];
    ck_assert_double_eq_tol(objective(context, 4, 2, &p, 0, NE_OVER_PAIRS, y, gradient), 1.19917180 + log(sum - 4),
                            1e-6);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(gradient[at[i]] + (4 / (sum - 4) - 4 / sum) * (double)again[at[i]], golden[i], 2e-7);
    ne_context_free(context);
}
END_TEST

START_TEST(the_divergence_equals_a_double_loop)
{
    ne_context     *context = layout_context(2);
    layout_affinity p       = layout_affinity_make(N);
    for (size_t k = 0; k < 4; k++)
        for (size_t c = 1; c <= 4; c++)
            for (double scale = 1; scale < 4; scale += 2) { /* p is scaled to sum to 1 */
                float *z  = layout_make(LAYOUT_CLUSTERS, N, c, 25);
                double kl = 0, sum = layout_repulsion(&layout_kernel[k], N, c, z, want), got = NAN;
                for (size_t i = 0; i < N; i++)
                    for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
                        double       w;
                        const double log_q =
                            layout_log_q(&layout_kernel[k], layout_square(z, c, i, (size_t)p.col[e]), &w) - log(sum);
                        kl += (double)p.val[e] * (log((double)p.val[e]) - log_q);
                    }
                for (int64_t e = 0; e < p.start[N]; e++) p.val[e] *= (float)scale;
                ck_assert_int_eq(objective_kl(context, N, c, &p.csr, &layout_kernel[k], NE_OVER_PAIRS, z, &got), NE_OK);
                for (int64_t e = 0; e < p.start[N]; e++) p.val[e] /= (float)scale;
                ck_assert_double_eq_tol(got, kl, 2e-6);
                free(z);
            }
    layout_affinity_free(&p);
    ne_context_free(context);
}
END_TEST

Suite *repulsion_exact_suite(void);

Suite *repulsion_exact_suite(void)
{
    Suite *suite = suite_create("repulsion_exact");
    TCase *pairs = tcase_create("pairs"), *twin = tcase_create("objective");
    tcase_set_timeout(pairs, 120);
    tcase_set_timeout(twin, 120);
    tcase_add_loop_test(pairs, forces_and_normaliser_equal_a_double_loop_for_every_kernel_and_width, 0, LAYOUT_KERNELS);
    tcase_add_loop_test(pairs, points_far_from_each_other_keep_their_small_normaliser, 0, 4);
    tcase_add_test(pairs, two_points_are_the_formula);
    tcase_add_test(pairs, one_point_and_equal_points_feel_nothing);
    tcase_add_loop_test(pairs, the_bits_do_not_depend_on_the_number_of_threads, 0, 4);
    tcase_add_test(pairs, a_range_of_rows_is_written_and_no_other);
    tcase_add_test(pairs, a_failed_allocation_is_reported_and_loses_nothing);
    tcase_add_loop_test(twin, gradients_are_central_differences_of_the_objective, 0, LAYOUT_KERNELS);
    tcase_add_test(twin, three_points_have_the_objective_of_the_formula);
    tcase_add_test(twin, a_point_whose_kernel_underflows_still_has_a_row);
    tcase_add_test(twin, four_points_have_the_gradient_of_torchdr);
    tcase_add_test(twin, the_divergence_equals_a_double_loop);
    suite_add_tcase(suite, pairs);
    suite_add_tcase(suite, twin);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_exact_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
