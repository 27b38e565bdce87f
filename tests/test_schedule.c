/* tests/test_schedule.c: learning rate, momentum and exaggeration of each step. */
#include "embedding/base_options.h"
#include "optim/schedule.h"

#include <check.h>
#include <math.h>

static schedule_rule tsne(size_t n)
{
    const schedule_rule rule = {
        .n = n, .max_iter = 500, .early_iter = 100, .early = 12, .late = 1, .rate = NAN, .momentum = NAN};
    return rule;
}

START_TEST(exaggeration_lasts_exactly_its_steps_then_rate_and_momentum_change)
{
    const schedule_rule rule = tsne(12000);
    const schedule_step a = schedule_at(&rule, 99), b = schedule_at(&rule, 100);
    ck_assert_double_eq(a.exaggeration, 12);
    ck_assert_double_eq(a.rate, 1000);
    ck_assert_double_eq(a.momentum, 0.5);
    ck_assert(a.exaggerated && !b.exaggerated && !a.restart && !b.restart);
    ck_assert_double_eq(b.exaggeration, 1);
    ck_assert_double_eq(b.rate, 12000);
    ck_assert_double_eq(b.momentum, 0.9);
}
END_TEST

START_TEST(small_data_has_a_floor_under_the_rate)
{
    const schedule_rule rule = tsne(120);
    ck_assert_double_eq(schedule_at(&rule, 0).rate, 50);
    ck_assert_double_eq(schedule_at(&rule, 499).rate, 120);
}
END_TEST

START_TEST(late_exaggeration_holds_after_the_early_one_and_lowers_the_rate)
{
    schedule_rule rule = tsne(12000);
    rule.late          = 4;
    ck_assert_double_eq(schedule_at(&rule, 0).exaggeration, 12);
    ck_assert_double_eq(schedule_at(&rule, 100).exaggeration, 4);
    ck_assert_double_eq(schedule_at(&rule, 100).rate, 3000);
}
END_TEST

START_TEST(late_exaggeration_is_slight_from_50000_rows_on_where_it_is_automatic)
{
    base_params base = {.early_exaggeration_coeff = 6, .early_exaggeration_iter = 75, .max_iter = 300, .lr = NAN};
    base.late_exaggeration_coeff = NAN;
    ck_assert_double_eq(base_schedule(&base, 49999).late, 1);
    ck_assert_double_eq(base_schedule(&base, 50000).late, 1.2);
    base.reference = 1;
    ck_assert_double_eq(base_schedule(&base, 50000).late, 1);
    base.late_exaggeration_coeff = 2;
    ck_assert_double_eq(base_schedule(&base, 50000).late, 2);
}
END_TEST

START_TEST(a_methods_own_momentum_waits_until_the_rate_has_settled_and_ends_before_the_last_tenth)
{
    schedule_rule rule = tsne(12000);
    rule.late_momentum = 0.95;
    ck_assert_double_eq(schedule_at(&rule, 99).momentum, 0.5);
    ck_assert_double_eq(schedule_at(&rule, 149).momentum, 0.5);
    ck_assert_double_eq(schedule_at(&rule, 150).momentum, 0.95);
    ck_assert_double_eq(schedule_at(&rule, 449).momentum, 0.95);
    ck_assert_double_eq(schedule_at(&rule, 450).momentum, 0.5);
    ck_assert_double_eq(schedule_at(&rule, 499).momentum, 0.5);
    ck_assert_double_eq(schedule_at(&rule, 500).momentum, 0.95);
    rule.late_momentum = 0;
    ck_assert_double_eq(schedule_at(&rule, 450).momentum, 0.9);
    rule.late_momentum = 0.95;
    rule.early         = 1;
    ck_assert_double_eq(schedule_at(&rule, 0).momentum, 0.95);
    rule.momentum = 0.3;
    ck_assert_double_eq(schedule_at(&rule, 150).momentum, 0.3);
}
END_TEST

/* methods.md, M1, F5: one exaggerated step more, the first rate and momentum stay, the velocity is emptied. */
START_TEST(reference_keeps_the_faults_of_its_model)
{
    schedule_rule rule = tsne(4000);
    rule.reference     = 1;
    rule.early_iter    = 250;
    rule.max_iter      = 2000;
    ck_assert_double_eq_tol(schedule_at(&rule, 0).rate, 83.3333333333, 1e-9);
    ck_assert_double_eq(schedule_at(&rule, 250).exaggeration, 12);
    ck_assert_double_eq(schedule_at(&rule, 251).exaggeration, 1);
    ck_assert_double_eq_tol(schedule_at(&rule, 1999).rate, 83.3333333333, 1e-9);
    ck_assert_double_eq(schedule_at(&rule, 1999).momentum, 0.5);
    ck_assert(schedule_at(&rule, 251).restart && !schedule_at(&rule, 250).restart && !schedule_at(&rule, 252).restart);
    rule.early = 1;
    ck_assert_double_eq(schedule_at(&rule, 0).rate, 1000);
    ck_assert_double_eq(schedule_at(&rule, 0).momentum, 0.8);
}
END_TEST

/* torch: v <- mu v + g, z <- z - r(t) v. With u = -r v: u <- mu r(t) / r(t - 1) u - r(t) g. */
START_TEST(a_linear_schedule_is_torchs_descent)
{
    schedule_rule rule = tsne(1000);
    double        v = 0, z = 3, u = 0, w = 3;
    rule.scheduler.kind         = SCHEDULER_LINEAR;
    rule.scheduler.start_factor = rule.scheduler.end_factor = rule.scheduler.total_iters = NAN;
    rule.early                                                                           = 1;
    rule.rate                                                                            = 0.2;
    rule.momentum                                                                        = 0.7;
    rule.max_iter                                                                        = 50;
    for (int64_t t = 0; t < 50; t++) {
        const schedule_step at = schedule_at(&rule, t);
        v                      = 0.7 * v + 2 * z;
        z -= 0.2 * (1 - (double)t / 50) * v;
        u = at.momentum * u - at.rate * 2 * w;
        w += u;
        ck_assert_double_eq_tol(w, z, 1e-12);
    }
}
END_TEST

/* methods.md, M3: after exaggeration the schedule starts again from the rate then in force. */
START_TEST(a_linear_schedule_under_reference_starts_again)
{
    schedule_rule rule          = tsne(4000);
    rule.reference              = 1;
    rule.scheduler.kind         = SCHEDULER_LINEAR;
    rule.scheduler.start_factor = rule.scheduler.end_factor = rule.scheduler.total_iters = NAN;
    rule.rate                                                                            = 1;
    ck_assert_double_eq_tol(schedule_at(&rule, 100).rate, 1 - 100.0 / 500, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 101).rate, 1 - 101.0 / 500, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 301).rate, (1 - 101.0 / 500) * (1 - 200.0 / 500), 1e-12);
}
END_TEST

static schedule_rule scheduled(int32_t kind)
{
    schedule_rule rule = tsne(1000);
    rule.early         = 1;
    rule.rate          = 2;
    rule.scheduler     = (scheduler_rule){(scheduler_kind)kind, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    return rule;
}

START_TEST(a_scheduler_without_parameters_spans_the_fit)
{
    schedule_rule rule = scheduled(SCHEDULER_LINEAR);
    ck_assert_double_eq(schedule_at(&rule, 0).rate, 2);
    ck_assert_double_eq_tol(schedule_at(&rule, 499).rate, 2.0 / 500, 1e-12);
    rule = scheduled(SCHEDULER_STEP);
    ck_assert_double_eq(schedule_at(&rule, 333).rate, 2);
    ck_assert_double_eq_tol(schedule_at(&rule, 334).rate, 0.2, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 499).rate, 0.2, 1e-12);
    rule = scheduled(SCHEDULER_EXPONENTIAL);
    ck_assert_double_eq_tol(schedule_at(&rule, 250).rate, 0.2, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 500).rate, 0.02, 1e-12);
    rule = scheduled(SCHEDULER_COSINE);
    ck_assert_double_eq_tol(schedule_at(&rule, 250).rate, 1, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 499).rate, 1 + cos(3.141592653589793 * 499 / 500), 1e-9);
}
END_TEST

/* methods.md, M2 and M3: torch's warm-up, and again a third of it after exaggeration. */
START_TEST(a_warm_up_under_reference_runs_again)
{
    schedule_rule rule          = scheduled(SCHEDULER_LINEAR);
    rule.scheduler.start_factor = 1.0 / 3;
    rule.scheduler.end_factor   = 1;
    rule.scheduler.total_iters  = 5;
    rule.early                  = 12;
    rule.reference              = 1;
    ck_assert_double_eq_tol(schedule_at(&rule, 0).rate, 2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 2).rate, 2 * (1.0 / 3 + 2.0 / 3 * 0.4), 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 100).rate, 2, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 101).rate, 2.0 / 3, 1e-12);
    ck_assert_double_eq_tol(schedule_at(&rule, 106).rate, 2, 1e-12);
}
END_TEST

Suite *schedule_suite(void);

Suite *schedule_suite(void)
{
    Suite *s = suite_create("schedule");
    TCase *t = tcase_create("schedule");
    tcase_add_test(t, exaggeration_lasts_exactly_its_steps_then_rate_and_momentum_change);
    tcase_add_test(t, small_data_has_a_floor_under_the_rate);
    tcase_add_test(t, late_exaggeration_holds_after_the_early_one_and_lowers_the_rate);
    tcase_add_test(t, late_exaggeration_is_slight_from_50000_rows_on_where_it_is_automatic);
    tcase_add_test(t, a_methods_own_momentum_waits_until_the_rate_has_settled_and_ends_before_the_last_tenth);
    tcase_add_test(t, reference_keeps_the_faults_of_its_model);
    tcase_add_test(t, a_linear_schedule_is_torchs_descent);
    tcase_add_test(t, a_linear_schedule_under_reference_starts_again);
    tcase_add_test(t, a_scheduler_without_parameters_spans_the_fit);
    tcase_add_test(t, a_warm_up_under_reference_runs_again);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(schedule_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
