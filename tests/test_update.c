/* tests/test_update.c: the optimizer's step against its formula in double, coordinate by coordinate. */
#include "cpu/update.h"
#include "fault.h"
#include "layout.h"

#include <limits.h>
#include <string.h>

enum {
    N    = 4999, /* prime, and more than one block */
    WIDE = 5000
};

typedef struct arrays {
    size_t n, c;
    float *attraction, *repulsion, *gains, *u, *z;
} arrays;

static float *numbers(size_t count, double size, uint64_t seed)
{
    float *made = malloc(count * sizeof *made);
    ck_assert_ptr_nonnull(made);
    for (size_t i = 0; i < count; i++) {
        made[i] = (float)(size * data_normal(&seed));
        if (i % 11 == 3) made[i] = 0; /* signs are 0 at times */
    }
    return made;
}

static arrays arrays_make(size_t n, size_t c)
{
    arrays a = {n,
                c,
                numbers(n * c, 1, 1),
                numbers(n * c, 3, 2),
                numbers(n * c, 1, 3),
                numbers(n * c, 2, 4),
                numbers(n * c, 9, 5)};
    for (size_t i = 0; i < n * c; i++) a.gains[i] = 0.01f + fabsf(a.gains[i]);
    return a;
}

static void arrays_free(arrays *a)
{
    free(a->attraction);
    free(a->repulsion);
    free(a->gains);
    free(a->u);
    free(a->z);
}

static update_job job_of(arrays *a)
{
    return (update_job){.n               = a->n,
                        .c               = a->c,
                        .attraction      = a->attraction,
                        .repulsion       = a->repulsion,
                        .attract_scale   = 4,
                        .repulse_scale   = 0.3,
                        .gains           = a->gains,
                        .u               = a->u,
                        .z               = a->z,
                        .momentum        = 0.8,
                        .rate            = 0.7,
                        .max_step        = 5,
                        .gradient_square = NAN,
                        .all_finite      = -1};
}

static int sign_of(double x)
{
    return (x > 0) - (x < 0);
}

/* One step of the formula in double, from the same floats: what float rounding adds is 1e-6 of the terms' sizes. */
static void check_step(update_job job, const arrays *before)
{
    double square = 0;
    for (size_t i = 0; i < job.n; i++) {
        double length = 0, shorten = 1;
        double u[WIDE];
        for (size_t k = 0; k < job.c; k++) {
            const size_t at   = i * job.c + k;
            const double away = job.repulsion ? (double)before->repulsion[at] : 0;
            const double g    = job.attract_scale * (double)before->attraction[at] - job.repulse_scale * away;
            double       gain = 1;
            if (job.gains) {
                gain = (double)before->gains[at];
                gain = sign_of(g) != sign_of((double)before->u[at]) ? gain + 0.2 : 0.8 * gain;
                gain = fmax(gain, 0.01);
                ck_assert_double_eq_tol((double)job.gains[at], gain, 1e-6 * gain);
            }
            u[k] = job.momentum * (double)before->u[at] - job.rate * gain * g;
            square += g * g;
            length += u[k] * u[k];
        }
        if (job.max_step > 0) shorten = fmin(1, job.max_step / sqrt(length));
        for (size_t k = 0; k < job.c; k++) {
            const size_t at = i * job.c + k;
            ck_assert_double_eq_tol((double)job.u[at], shorten * u[k], 1e-5);
            ck_assert_double_eq_tol((double)job.z[at], (double)before->z[at] + shorten * u[k], 2e-5);
        }
    }
    ck_assert_double_eq_tol(job.gradient_square, square, 1e-6 * square);
    ck_assert_int_eq(job.all_finite, 1);
}

START_TEST(a_step_is_the_formula)
{
    static const size_t widths[] = {1, 2, 3, 5, WIDE};
    const size_t        c = widths[_i / 8], n = c == WIDE ? 3 : N;
    arrays              a = arrays_make(n, c), before = arrays_make(n, c);
    update_job          job     = job_of(&a);
    ne_context         *context = layout_context(2);
    if (_i & 1) job.gains = NULL;
    if (_i & 2) job.repulsion = NULL;
    if (_i & 4) job.max_step = 0;
    ck_assert_int_eq(cpu_update(context, &job), NE_OK);
    check_step(job, &before);
    arrays_free(&a);
    arrays_free(&before);
    ne_context_free(context);
}
END_TEST

START_TEST(no_step_is_longer_than_the_longest)
{
    arrays      a = arrays_make(N, 2), before = arrays_make(N, 2);
    update_job  job     = job_of(&a);
    ne_context *context = layout_context(1);
    size_t      clipped = 0;
    job.max_step        = 0.5;
    ck_assert_int_eq(cpu_update(context, &job), NE_OK);
    check_step(job, &before);
    for (size_t i = 0; i < N; i++) {
        const double length = hypot((double)a.u[2 * i], (double)a.u[2 * i + 1]);
        ck_assert_double_le(length, 0.5 * (1 + 1e-6));
        clipped += length > 0.499;
    }
    ck_assert_uint_gt(clipped, N / 2);
    ck_assert_uint_lt(clipped, N);
    arrays_free(&a);
    arrays_free(&before);
    ne_context_free(context);
}
END_TEST

START_TEST(signs_are_compared_even_where_the_product_underflows)
{
    float       attraction[2] = {1e-30f, 1e-30f}, gains[2] = {1, 1}, u[2] = {1e-30f, -1e-30f}, z[2] = {0, 0};
    update_job  job = {.n = 1, .c = 2, .attraction = attraction, .attract_scale = 1, .gains = gains, .u = u, .z = z};
    ne_context *context = layout_context(1);
    ck_assert_int_eq(cpu_update(context, &job), NE_OK);
    ck_assert_float_eq_tol(gains[0], 0.8f, 1e-7f);
    ck_assert_float_eq_tol(gains[1], 1.2f, 1e-6f);
    ne_context_free(context);
}
END_TEST

START_TEST(what_is_not_finite_is_reported)
{
    static const float bad[]   = {NAN, INFINITY, -INFINITY};
    ne_context        *context = layout_context(2);
    for (size_t b = 0; b < 3; b++)
        for (size_t at = 0; at < 2 * N; at += 2 * N - 1) {
            arrays     a   = arrays_make(N, 2);
            update_job job = job_of(&a);
            a.z[at]        = bad[b];
            ck_assert_int_eq(cpu_update(context, &job), NE_OK);
            ck_assert_int_eq(job.all_finite, 0);
            arrays_free(&a);
        }
    ne_context_free(context);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    double square = 0;
    arrays one    = arrays_make(N, 3);
    for (int64_t threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
        arrays      a       = arrays_make(N, 3);
        update_job  job     = job_of(threads == 1 ? &one : &a);
        ne_context *context = layout_context(threads);
        ck_assert_int_eq(cpu_update(context, &job), NE_OK);
        if (threads == 1) square = job.gradient_square;
        ck_assert_mem_eq(&job.gradient_square, &square, sizeof square);
        ck_assert(threads == 1 ||
                  (memcmp(one.z, a.z, N * 3 * sizeof *a.z) == 0 && memcmp(one.u, a.u, N * 3 * sizeof *a.u) == 0 &&
                   memcmp(one.gains, a.gains, N * 3 * sizeof *a.gains) == 0));
        arrays_free(&a);
        ne_context_free(context);
    }
    arrays_free(&one);
}
END_TEST

START_TEST(a_failed_allocation_is_reported_before_anything_is_written)
{
    fault       mem     = {.until = LONG_MAX};
    ne_context *context = NULL;
    arrays      a = arrays_make(N, 2), before = arrays_make(N, 2);
    update_job  job = job_of(&a);
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    mem.until = 0;
    ck_assert_int_eq(cpu_update(context, &job), NE_OUT_OF_MEMORY);
    mem.until = LONG_MAX;
    ck_assert_mem_eq(a.z, before.z, N * 2 * sizeof *a.z);
    ck_assert_mem_eq(a.u, before.u, N * 2 * sizeof *a.u);
    arrays_free(&a);
    arrays_free(&before);
    ne_context_free(context);
    ck_assert_int_eq(mem.live, 0);
}
END_TEST

Suite *update_suite(void);

Suite *update_suite(void)
{
    Suite *suite = suite_create("update");
    TCase *t     = tcase_create("update");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_step_is_the_formula, 0, 40);
    tcase_add_test(t, no_step_is_longer_than_the_longest);
    tcase_add_test(t, signs_are_compared_even_where_the_product_underflows);
    tcase_add_test(t, what_is_not_finite_is_reported);
    tcase_add_test(t, the_bits_do_not_depend_on_the_number_of_threads);
    tcase_add_test(t, a_failed_allocation_is_reported_before_anything_is_written);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(update_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
