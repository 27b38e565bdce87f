/* Every registered method's gradient is that of the loss it reports. The check itself is held against a method whose
 * gradient is wrong on purpose. */
#include "ne.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 48,
    COLS = 6
};

/* Three groups, no ties. */
static void make_data(float *x)
{
    unsigned state = 12345;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) {
            state           = state * 1664525u + 1013904223u;
            x[i * COLS + j] = (float)(state >> 8) / 16777216.0f + (j == i % 3 ? 2.0f : 0.0f);
        }
}

static int has_option(const ne_embedding *e, const char *name)
{
    char text[NE_NAME_SIZE];
    int  found = 0;
    for (size_t i = 0; i < ne_embedding_option_count(e); i++)
        found |= ne_embedding_option_info(e, i, "name", text, sizeof text) == NE_OK && strcmp(text, name) == 0;
    return found;
}

static void set_if_there(ne_embedding *e, const char *name, const char *text)
{
    if (has_option(e, name)) ck_assert_msg(ne_embedding_set(e, name, text) == NE_OK, "%s", ne_last_error());
}

/* An embedding of c columns, `steps` steps on its way from a start of some size. */
static ne_embedding *on_its_way(ne_context *context, const char *method, const char *c, size_t steps)
{
    ne_embedding  *e = NULL;
    float          x[ROWS * COLS];
    const ne_dense view = {.struct_size = sizeof view, .data = x, .rows = ROWS, .cols = COLS, .dtype = NE_F32};
    make_data(x);
    ck_assert_msg(ne_embedding_create(context, method, &e) == NE_OK, "%s", ne_last_error());
    set_if_there(e, "n_components", c);
    set_if_there(e, "perplexity", "5");
    set_if_there(e, "n_neighbors", "8");
    set_if_there(e, "n_negatives", "7");
    set_if_there(e, "init", "random");
    set_if_there(e, "init_scaling", strcmp(method, "cosne") == 0 ? "0.3" : "1");
    ck_assert_msg(ne_embedding_start(e, NULL, &view) == NE_OK, "%s: %s", method, ne_last_error());
    ck_assert_msg(ne_embedding_step(e, steps) == NE_OK, "%s: %s", method, ne_last_error());
    return e;
}

static int is_iterative(ne_context *context, const char *method)
{
    ne_embedding *e  = NULL;
    int           is = 0;
    if (ne_embedding_create(context, method, &e) == NE_OK) is = has_option(e, "max_iter") && has_option(e, "init");
    ne_embedding_free(e);
    return is;
}

/* UMAP cuts forces at 4, and a cut force is no gradient: a layout in which no two rows are near enough for that. */
static void spread_out(float *y, size_t c)
{
    unsigned state = 777;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < c; k++) {
            state        = state * 1664525u + 1013904223u;
            y[i * c + k] = k == 0 ? 1.5f * (float)(i * 7 % ROWS) : (float)(state >> 8) / 16777216.0f * 20;
        }
}

START_TEST(gradients_are_those_of_the_losses)
{
    static const char *const columns[] = {"1", "2", "3", "5"};
    ne_context              *context   = NULL;
    const char              *method;
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    for (size_t m = 0; (method = ne_type_name("method", m)); m++) {
        if (!is_iterative(context, method) || strncmp(method, "test_", 5) == 0) continue;
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
            ne_embedding      *e      = on_its_way(context, method, columns[i], 3);
            ne_gradient_report report = {.struct_size = sizeof report};
            float              at[ROWS * 5];
            const ne_dense     y = {
                    .struct_size = sizeof y, .data = at, .rows = ROWS, .cols = (size_t)atoi(columns[i]), .dtype = NE_F32};
            spread_out(at, y.cols);
            ck_assert_msg(ne_gradient_check(e, strcmp(method, "umap") == 0 ? &y : NULL, &report) == NE_OK, "%s: %s",
                          method, ne_last_error());
            ck_assert_msg(isfinite(report.loss) && report.worst < 1e-3,
                          "%s, c = %s: %.2e off at row %d, column %d: gradient %.9g, difference %.9g, loss %.6g",
                          method, columns[i], report.worst, (int)report.row, (int)report.column, report.gradient,
                          report.difference, report.loss);
            ne_embedding_free(e);
        }
    }
    ne_context_free(context);
}
END_TEST

/* sum_i |z_i|^2 with one coordinate's gradient wrong. */
static ne_status wrong_gradient(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                                size_t row1, float *gradient)
{
    (void)params;
    (void)state;
    for (size_t i = row0; i < row1; i++)
        for (size_t k = 0; k < problem->c; k++)
            gradient[i * problem->c + k] =
                2 * z[i * problem->c + k] + (problem->order[i] == 31 && k == 1 ? 0.5f : 0.0f);
    return NE_OK;
}

static ne_status square_loss(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                             size_t row1, double *loss)
{
    (void)params;
    (void)state;
    *loss = 0;
    for (size_t i = row0 * problem->c; i < row1 * problem->c; i++) *loss += (double)z[i] * (double)z[i];
    return NE_OK;
}

static ne_status no_repulsion(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params;
    (void)problem;
    (void)state;
    terms->repulsion = NE_REPULSION_NONE;
    return NE_OK;
}

static const ne_method_ops wrong = {.struct_size         = sizeof(ne_method_ops),
                                    .name                = "test_wrong",
                                    .help                = "a gradient with one wrong coordinate",
                                    .option_size         = sizeof(ne_option),
                                    .params_size         = 1,
                                    .plan                = no_repulsion,
                                    .attractive_gradient = wrong_gradient,
                                    .attractive_loss     = square_loss};

static const ne_method_ops silent = {.struct_size         = sizeof(ne_method_ops),
                                     .name                = "test_silent",
                                     .help                = "a gradient without a loss",
                                     .option_size         = sizeof(ne_option),
                                     .params_size         = 1,
                                     .plan                = no_repulsion,
                                     .attractive_gradient = wrong_gradient};

START_TEST(the_worst_coordinate_is_named)
{
    ne_context        *context = NULL;
    ne_gradient_report report  = {.struct_size = sizeof report};
    float              before[ROWS * 2], after[ROWS * 2];
    ne_dense           y = {.struct_size = sizeof y, .data = before, .rows = ROWS, .cols = 2, .dtype = NE_F32};
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_msg(ne_method_register(&wrong) == NE_OK, "%s", ne_last_error());
    ne_embedding *e = on_its_way(context, "test_wrong", "2", 0);
    ck_assert_int_eq(ne_embedding_read(e, &y), NE_OK);
    ck_assert_msg(ne_gradient_check(e, NULL, &report) == NE_OK, "%s", ne_last_error());
    ck_assert_int_eq(report.row, 31);
    ck_assert_int_eq(report.column, 1);
    ck_assert_double_eq_tol(report.gradient - report.difference, 0.5, 1e-4);
    ck_assert_int_eq(report.tried, ROWS * 2);
    y.data = after;
    ck_assert_int_eq(ne_embedding_read(e, &y), NE_OK);
    ck_assert_msg(memcmp(before, after, sizeof before) == 0, "the check moved the embedding");
    ne_embedding_free(e);
    ne_context_free(context);
}
END_TEST

START_TEST(what_cannot_be_checked_says_so)
{
    ne_context        *context = NULL;
    ne_embedding      *e       = NULL;
    ne_gradient_report report  = {.struct_size = sizeof report};
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &e), NE_OK);
    ck_assert_int_eq(ne_gradient_check(e, NULL, &report), NE_NOT_FITTED);
    ck_assert_int_eq(ne_gradient_check(e, NULL, NULL), NE_INVALID_ARGUMENT);
    ne_embedding_free(e);
    ck_assert_msg(ne_method_register(&silent) == NE_OK, "%s", ne_last_error());
    e = on_its_way(context, "test_silent", "2", 0);
    ck_assert_int_eq(ne_gradient_check(e, NULL, &report), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "loss hook"));
    report.struct_size = 4;
    ck_assert_int_eq(ne_gradient_check(e, NULL, &report), NE_INVALID_ARGUMENT);
    ne_embedding_free(e);
    ne_context_free(context);
}
END_TEST

static Suite *gradient_check_suite(void)
{
    Suite *s = suite_create("gradient check");
    TCase *t = tcase_create("gradient check");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, gradients_are_those_of_the_losses);
    tcase_add_test(t, the_worst_coordinate_is_named);
    tcase_add_test(t, what_cannot_be_checked_says_so);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(gradient_check_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
