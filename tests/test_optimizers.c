/* tests/test_optimizers.c: optimizers and schedulers against torch's own numbers: oracle/torch_optim.py wrote
 * oracle/torch_optim.h. */
#include "cpu/update.h"
#include "layout.h"
#include "optim/schedule.h"
#include "oracle/torch_optim.h"

#include <limits.h>
#include <string.h>

enum {
    CASES     = sizeof torch_cases / sizeof *torch_cases,
    SCHEDULES = sizeof torch_schedules / sizeof *torch_schedules,
    N         = 4999, /* prime, and more than one block */
    WIDE      = 5000
};

static schedule_rule schedule_of(const char *name, double rate, double momentum)
{
    schedule_rule rule = {
        .n = TORCH_POINTS, .max_iter = TORCH_STEPS, .early = 1, .late = 1, .rate = rate, .momentum = momentum};
    for (size_t i = 0; i < SCHEDULES; i++)
        if (strcmp(torch_schedules[i].name, name) == 0) {
            const torch_schedule *by = &torch_schedules[i];
            rule.scheduler           = (scheduler_rule){(scheduler_kind)by->kind,
                                                        by->start_factor,
                                                        by->end_factor,
                                                        by->total_iters,
                                                        by->step_size,
                                                        by->gamma,
                                                        by->t_max,
                                                        by->eta_min};
        }
    return rule;
}

START_TEST(the_rates_are_those_of_torch)
{
    const torch_schedule *want = &torch_schedules[_i];
    const schedule_rule   rule = schedule_of(want->name, 0.1, 0.9);
    for (int64_t t = 0; t < TORCH_STEPS; t++) ck_assert_double_eq_tol(schedule_at(&rule, t).rate, want->rate[t], 1e-12);
}
END_TEST

static optimizer_rule rule_of(const torch_case *by)
{
    const optimizer_rule rule = {.kind                = (optimizer_kind)by->kind,
                                 .dampening           = by->dampening,
                                 .weight_decay        = by->weight_decay,
                                 .beta1               = by->beta1,
                                 .beta2               = by->beta2,
                                 .eps                 = by->eps,
                                 .alpha               = by->alpha,
                                 .lr_decay            = by->lr_decay,
                                 .initial_accumulator = by->accumulator,
                                 .nesterov            = by->nesterov,
                                 .amsgrad             = by->amsgrad,
                                 .centered            = by->centered,
                                 .reference           = by->reference};
    return rule;
}

/* z in float, and 50 roundings of 1e-7 that the descent damps: 1e-5 of sizes up to 4. At the rim, l^2 multiplies a
 * rounding of z by up to 1e5, and the tangential step that follows from it by the rate. */
START_TEST(fifty_steps_are_those_of_torch)
{
    const torch_case    *want = &torch_cases[_i];
    const optimizer_rule rule = rule_of(want);
    const schedule_rule  plan = schedule_of(want->scheduler, want->rate, want->momentum);
    float       z[TORCH_VALUES], g[TORCH_VALUES], u[TORCH_VALUES] = {0}, second[TORCH_VALUES], third[TORCH_VALUES];
    ne_context *context = layout_context(1);
    update_job  job     = {.n             = TORCH_POINTS,
                           .c             = 2,
                           .attraction    = g,
                           .attract_scale = 0.5,
                           .u             = u,
                           .z             = z,
                           .rule          = &rule,
                           .second        = optimizer_arrays(&rule) > 0 ? second : NULL,
                           .third         = optimizer_arrays(&rule) > 1 ? third : NULL,
                           .poincare      = want->poincare};
    for (size_t i = 0; i < TORCH_VALUES; i++) {
        z[i]      = (float)torch_start[i];
        second[i] = rule.kind == OPTIMIZER_ADAGRAD ? (float)rule.initial_accumulator : 0;
        third[i]  = 0;
    }
    for (int64_t t = 0; t < TORCH_STEPS; t++) {
        const schedule_step at = schedule_at(&plan, t);
        for (size_t i = 0; i < TORCH_VALUES; i++) g[i] = (float)(2 * torch_a[i] * ((double)z[i] - torch_b[i]));
        job.rate       = at.rate;
        job.momentum   = at.momentum;
        job.look_ahead = at.look_ahead;
        job.count      = t + 1;
        ck_assert_int_eq(cpu_update(context, &job), NE_OK);
        ck_assert_int_eq(job.all_finite, 1);
    }
    for (size_t i = 0; i < TORCH_VALUES; i++)
        ck_assert_msg(fabs((double)z[i] - want->z[i]) <= 1e-5, "%s: z[%zu] = %.9g, torch has %.9g", want->name, i,
                      (double)z[i], want->z[i]);
    ck_assert_msg(fabs(sqrt(job.gradient_square) - want->norm) <= 1e-5 * fmax(want->norm, 1), "%s: norm %.9g, %.9g",
                  want->name, sqrt(job.gradient_square), want->norm);
    ne_context_free(context);
}
END_TEST

/* --- What torch does not say ------------------------------------------------------------------------------------- */

typedef struct arrays {
    float *g, *u, *z, *second, *third;
} arrays;

static arrays arrays_make(size_t count)
{
    uint64_t state = 3;
    float   *all   = malloc(5 * count * sizeof *all);
    ck_assert_ptr_nonnull(all);
    for (size_t i = 0; i < 3 * count; i++) all[i] = (float)(0.2 * data_normal(&state));
    for (size_t i = 3 * count; i < 5 * count; i++) all[i] = (float)data_unit(&state);
    return (arrays){all, all + count, all + 2 * count, all + 3 * count, all + 4 * count};
}

static optimizer_rule usual(int32_t kind)
{
    const optimizer_rule rule = {.kind         = (optimizer_kind)kind,
                                 .beta1        = 0.9,
                                 .beta2        = 0.999,
                                 .eps          = 1e-8,
                                 .alpha        = 0.99,
                                 .weight_decay = 0.1,
                                 .nesterov     = 1,
                                 .centered     = kind == OPTIMIZER_RMSPROP,
                                 .amsgrad      = kind == OPTIMIZER_ADAM};
    return rule;
}

static update_job job_of(const arrays *a, const optimizer_rule *rule, size_t n, size_t c)
{
    return (update_job){.n             = n,
                        .c             = c,
                        .attraction    = a->g,
                        .repulsion     = a->u + n * c / 2, /* any numbers */
                        .attract_scale = 1,
                        .repulse_scale = 0.3,
                        .u             = a->u,
                        .z             = a->z,
                        .momentum      = 0.7,
                        .look_ahead    = 0.8,
                        .rate          = 0.5,
                        .rule          = rule,
                        .second        = a->second,
                        .third         = optimizer_arrays(rule) > 1 ? a->third : NULL,
                        .count         = 3,
                        .poincare      = rule->kind == OPTIMIZER_RIEMANNIAN_ADAM};
}

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    const optimizer_rule rule   = usual(_i);
    const arrays         one    = arrays_make(3 * N);
    double               square = 0;
    for (int64_t threads = 1; threads <= 7; threads += 3) {
        const arrays own     = arrays_make(3 * N);
        const arrays a       = threads == 1 ? one : own;
        update_job   job     = job_of(&a, &rule, N, 3);
        ne_context  *context = layout_context(threads);
        job.repulsion        = NULL;
        job.max_step         = 0.4;
        ck_assert_int_eq(cpu_update(context, &job), NE_OK);
        if (threads == 1) square = job.gradient_square;
        ck_assert_mem_eq(&square, &job.gradient_square, sizeof square);
        ck_assert_mem_eq(one.g, a.g, 5 * 3 * N * sizeof *a.g);
        free(own.g);
        ne_context_free(context);
    }
    free(one.g);
}
END_TEST

START_TEST(no_step_is_longer_than_the_longest_whatever_the_width)
{
    static const size_t  widths[] = {2, 3, WIDE};
    const optimizer_rule rule     = usual(_i);
    ne_context          *context  = layout_context(2);
    for (size_t w = 0; w < 3; w++) {
        const size_t c = widths[w], n = c == WIDE ? 3 : N;
        const arrays a = arrays_make(n * c), before = arrays_make(n * c), free_of = arrays_make(n * c);
        update_job   job = job_of(&a, &rule, n, c), other = job_of(&free_of, &rule, n, c);
        size_t       clipped = 0;
        double       limit   = 0;
        job.repulsion = other.repulsion = NULL;
        ck_assert_int_eq(cpu_update(context, &other), NE_OK);
        for (size_t i = 0; i < n; i++) {
            double whole = 0;
            for (size_t k = i * c; k < (i + 1) * c; k++)
                whole += ((double)free_of.z[k] - (double)before.z[k]) * ((double)free_of.z[k] - (double)before.z[k]);
            limit = fmax(limit, sqrt(whole) / (c == WIDE ? 1.5 : 3));
        }
        job.max_step = limit;
        ck_assert_int_eq(cpu_update(context, &job), NE_OK);
        for (size_t i = 0; i < n; i++) {
            double length = 0, whole = 0, along = 0;
            for (size_t k = i * c; k < (i + 1) * c; k++) {
                const double step = (double)a.z[k] - (double)before.z[k];
                const double want = (double)free_of.z[k] - (double)before.z[k];
                length += step * step;
                whole += want * want;
                along += step * want;
            }
            length = sqrt(length);
            whole  = sqrt(whole);
            ck_assert_double_eq_tol(length, fmin(whole, limit), 1e-5 * limit);
            ck_assert_double_ge(along, (1 - 1e-5) * length * whole);
            clipped += whole > limit;
        }
        ck_assert_uint_gt(clipped, 0);
        ck_assert(c == WIDE || clipped < n);
        free(a.g);
        free(before.g);
        free(free_of.g);
    }
    ne_context_free(context);
}
END_TEST

START_TEST(points_stay_inside_the_ball_at_any_rate)
{
    static const double rates[] = {1e-3, 1, 1e3, 1e9};
    optimizer_rule      rule    = usual(OPTIMIZER_RIEMANNIAN_ADAM);
    ne_context         *context = layout_context(2);
    rule.weight_decay           = 0;
    for (size_t r = 0; r < 4; r++)
        for (size_t c = 1; c < 5; c++) {
            const arrays a     = arrays_make(c * N);
            update_job   job   = job_of(&a, &rule, N, c);
            uint64_t     state = 9;
            memset(a.u, 0, c * N * sizeof *a.u);
            memset(a.second, 0, c * N * sizeof *a.u);
            job.repulsion = NULL;
            job.rate      = rates[r];
            for (size_t i = 0; i < N; i++) {
                double length = 0;
                for (size_t k = 0; k < c; k++) length += (double)a.z[i * c + k] * (double)a.z[i * c + k];
                for (size_t k = 0; k < c; k++) a.z[i * c + k] *= (float)(tanh(sqrt(length)) / sqrt(length));
            }
            for (job.count = 1; job.count <= 10; job.count++) {
                for (size_t i = 0; i < c * N; i++) a.g[i] = (float)(100 * data_normal(&state));
                ck_assert_int_eq(cpu_update(context, &job), NE_OK);
                ck_assert_int_eq(job.all_finite, 1);
                for (size_t i = 0; i < N; i++) {
                    double length = 0;
                    for (size_t k = 0; k < c; k++) length += (double)a.z[i * c + k] * (double)a.z[i * c + k];
                    ck_assert_double_lt(length, 1 - 1e-5);
                }
            }
            free(a.g);
        }
    ne_context_free(context);
}
END_TEST

START_TEST(what_is_not_finite_is_reported)
{
    const optimizer_rule rule    = usual(_i);
    const arrays         a       = arrays_make(2 * N);
    update_job           job     = job_of(&a, &rule, N, 2);
    ne_context          *context = layout_context(2);
    job.repulsion                = NULL;
    a.z[2 * N - 1]               = NAN;
    ck_assert_int_eq(cpu_update(context, &job), NE_OK);
    ck_assert_int_eq(job.all_finite, 0);
    free(a.g);
    ne_context_free(context);
}
END_TEST

/* --- Through the public door ------------------------------------------------------------------------------------- */

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())
#define FAILS(call, status, text)                                                                                      \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

static ne_embedding *small_tsne(ne_context *context)
{
    ne_embedding *e = NULL;
    OK(ne_embedding_create(context, "tsne", &e));
    OK(ne_embedding_set_int(e, "perplexity", 5));
    OK(ne_embedding_set_int(e, "max_iter", 100));
    OK(ne_embedding_set_int(e, "n_components", 2));
    return e;
}

static ne_status fit_small(ne_embedding *e, float *z)
{
    float x[4 * 60];
    data_clusters(x, 60, 4, 3, 3, 4);
    return ne_embedding_fit_f32(e, x, 60, 4, z);
}

START_TEST(every_optimizer_lowers_the_divergence)
{
    static const char *const names[] = {"sgd", "adam", "adamw", "adagrad", "rmsprop", "riemannian_adam"};
    ne_context              *context = layout_context(1);
    ne_embedding            *e       = small_tsne(context);
    float                    z[120];
    double                   start = 0, end = 0;
    OK(ne_embedding_set(e, "optimizer", names[_i]));
    OK(ne_embedding_set_int(e, "max_iter", 0));
    OK(fit_small(e, z));
    OK(ne_embedding_get_real(e, "kl", &start));
    OK(ne_embedding_set_int(e, "max_iter", 500));
    OK(fit_small(e, z));
    OK(ne_embedding_get_real(e, "kl", &end));
    ck_assert_double_lt(end, 0.3 * start);
    ne_embedding_free(e);
    ne_context_free(context);
}
END_TEST

START_TEST(an_embedding_knows_the_names_that_torchdr_has)
{
    ne_context   *context = layout_context(1);
    ne_embedding *e       = small_tsne(context);
    double        value   = 0;
    char          text[512];
    OK(ne_embedding_set(e, "learning_rate", "7"));
    OK(ne_embedding_get_real(e, "lr", &value));
    ck_assert_double_eq(value, 7);
    OK(ne_embedding_set_real(e, "early_exaggeration", 3));
    OK(ne_embedding_get_real(e, "early_exaggeration_coeff", &value));
    ck_assert_double_eq(value, 3);
    OK(ne_embedding_set(e, "optimizer_kwargs", "nesterov=true,momentum=0.25"));
    OK(ne_embedding_get_real(e, "momentum", &value));
    ck_assert_double_eq(value, 0.25);
    OK(ne_embedding_set(e, "optimizer_kwargs", "none"));
    OK(ne_embedding_get_real(e, "momentum", &value));
    ck_assert_double_eq(value, 0);
    OK(ne_embedding_set(e, "scheduler_kwargs", "T_max=40,eta_min=0.5"));
    OK(ne_embedding_get_real(e, "scheduler_t_max", &value));
    ck_assert_double_eq(value, 40);
    OK(ne_embedding_set(e, "scheduler_kwargs", "auto"));
    OK(ne_embedding_get(e, "scheduler_kwargs", text, sizeof text));
    ck_assert_str_eq(text, "start_factor=auto,end_factor=auto,total_iters=auto,step_size=auto,gamma=auto,t_max=auto,"
                           "eta_min=auto");
    ne_embedding_free(e);
    ne_context_free(context);
}
END_TEST

START_TEST(options_that_do_not_go_together_are_refused_before_the_fit)
{
    ne_context   *context = layout_context(1);
    ne_embedding *e       = small_tsne(context);
    float         z[120];
    OK(ne_embedding_set(e, "optimizer_kwargs", "momentum=0,nesterov=true"));
    FAILS(fit_small(e, z), NE_INVALID_ARGUMENT, "nesterov: needs a momentum above 0, and a dampening of 0");
    OK(ne_embedding_set(e, "optimizer_kwargs", "auto"));
    OK(ne_embedding_set(e, "nesterov", "false"));
    OK(ne_embedding_set(e, "distributed", "true"));
    FAILS(fit_small(e, z), NE_UNSUPPORTED,
          "distributed: true asks for ranks, and this library has none; auto or false");
    OK(ne_embedding_set(e, "distributed", "false"));
    OK(ne_embedding_set(e, "device", "cpu"));
    OK(fit_small(e, z));
    ne_embedding_free(e);
    ne_context_free(context);
}
END_TEST

Suite *optimizers_suite(void);

Suite *optimizers_suite(void)
{
    Suite *suite = suite_create("optimizers");
    TCase *t     = tcase_create("optimizers");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_rates_are_those_of_torch, 0, SCHEDULES);
    tcase_add_loop_test(t, fifty_steps_are_those_of_torch, 0, CASES);
    tcase_add_loop_test(t, the_bits_do_not_depend_on_the_number_of_threads, 0, 6);
    tcase_add_loop_test(t, no_step_is_longer_than_the_longest_whatever_the_width, 0, 5);
    tcase_add_test(t, points_stay_inside_the_ball_at_any_rate);
    tcase_add_loop_test(t, what_is_not_finite_is_reported, 0, 6);
    tcase_add_loop_test(t, every_optimizer_lowers_the_divergence, 0, 6);
    tcase_add_test(t, an_embedding_knows_the_names_that_torchdr_has);
    tcase_add_test(t, options_that_do_not_go_together_are_refused_before_the_fit);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(optimizers_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
