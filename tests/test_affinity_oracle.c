/* tests/test_affinity_oracle.c: four rows of each affinity, under two metrics, over all pairs and over neighbors, against
 * TorchDR's own values; and every parameter of its classes, by name and default, with what is otherwise here and why. */
#include "oracle/affinities_torchdr.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float       x[ORACLE_N * ORACLE_D], p[ORACLE_N * ORACLE_N];
static ne_context *ctx;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
    for (size_t e = 0; e < ORACLE_N * ORACLE_D; e++) x[e] = (float)oracle_x[e];
}

static void close_context(void)
{
    ne_context_free(ctx);
}

static const ne_dense data = {sizeof data, x, ORACLE_N, ORACLE_D, ORACLE_D, NE_F32, NE_HOST};

/* The rows of a graph into p, 0 where it has no entry. */
static ne_status compute_sparse(ne_affinity *affinity)
{
    ne_graph *graph = NULL;
    ne_csr    found;
    ne_status st = ne_affinity_compute(affinity, &data, &graph);
    memset(p, 0, sizeof p);
    if (st == NE_OK) st = ne_graph_csr(graph, &found);
    for (size_t i = 0; st == NE_OK && i < ORACLE_N; i++)
        for (int64_t e = found.start[i]; e < found.start[i + 1]; e++)
            p[i * ORACLE_N + (size_t)found.col[e]] = ((const float *)found.val)[e];
    ne_graph_free(graph);
    return st;
}

START_TEST(rows_are_those_of_torchdr)
{
    const ne_dense y = {sizeof y, p, ORACLE_N, ORACLE_N, ORACLE_N, NE_F32, NE_HOST};
    ne_affinity   *affinity;
    char           text[200], *word, *rest = text;
    double         largest = 0;

    ck_assert_int_eq(ne_affinity_create(ctx, oracle_cases[_i].name, &affinity), NE_OK);
    snprintf(text, sizeof text, "%s", oracle_cases[_i].options);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++    = 0;
        ck_assert_msg(ne_affinity_set(affinity, word, value) == NE_OK, "%s", ne_last_error());
    }
    const int sparse = strstr(oracle_cases[_i].options, "sparsity=true") != NULL;
    ck_assert_msg((sparse ? compute_sparse(affinity) : ne_affinity_compute_dense(affinity, &data, &y)) == NE_OK, "%s",
                  ne_last_error());
    for (size_t e = 0; e < ORACLE_ROWS * ORACLE_N; e++) largest = fmax(largest, fabs(oracle_cases[_i].rows[e]));
    for (size_t r = 0; r < ORACLE_ROWS; r++)
        for (size_t j = 0; j < ORACLE_N; j++) {
            const double want = oracle_cases[_i].rows[r * ORACLE_N + j];
            const double is   = (double)p[(size_t)oracle_row[r] * ORACLE_N + j];
            ck_assert_msg(fabs(is - want) <= oracle_cases[_i].tolerance * fabs(want) + 1e-7 * largest,
                          "%s %s: row %d, column %zu is %.9g, not %.9g", oracle_cases[_i].name,
                          oracle_cases[_i].options, oracle_row[r], j, is, want);
        }
    ne_affinity_free(affinity);
}
END_TEST

START_TEST(near_pairs_are_those_of_torchdr)
{
    ne_affinity *affinity;
    ne_graph    *graph = NULL;
    ne_csr       near;
    ck_assert_int_eq(ne_affinity_create(ctx, "pacmap", &affinity), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(affinity, &data, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &near), NE_OK);
    for (size_t r = 0; r < ORACLE_ROWS; r++) {
        const int64_t from  = near.start[oracle_row[r]];
        const size_t  count = sizeof oracle_pacmap / sizeof *oracle_pacmap / ORACLE_ROWS;
        ck_assert_int_eq(near.start[oracle_row[r] + 1] - from, (int64_t)count);
        for (size_t j = 0; j < count; j++) {
            int found = 0;
            for (size_t k = 0; k < count; k++) found |= near.col[from + (int64_t)k] == oracle_pacmap[r * count + j];
            ck_assert_msg(found, "row %d lacks %d", oracle_row[r], oracle_pacmap[r * count + j]);
        }
    }
    ne_graph_free(graph);
    ne_affinity_free(affinity);
}
END_TEST

enum {
    DEFAULTS = sizeof oracle_defaults / sizeof *oracle_defaults
};

typedef struct exception {
    const char *affinity; /* "*": every one that has it */
    const char *name;
    const char *ours; /* the default; NULL: there is no such option */
    const char *reason;
} exception;

static const exception absent[] = {
    {"*", "device", NULL, "a context's backend"},
    {"*", "backend", NULL, "knn=faiss or the search built in; all pairs are never kept where that can be helped"},
    {"*", "verbose", NULL, "ne_context_set_log()"},
    {"*", "compile", NULL, "nothing is compiled at run time"},
    {"*", "distributed", NULL, "an option of an embedding; a computation by itself is that of one process"},
    {"*", "input_layout", NULL, "a computation by itself is that of one process"},
    {"*", "_pre_processed", NULL, "inside TorchDR: x is a tensor already"},
    {"*", "with_grad", NULL, "no gradient goes through an input affinity"},
    {"*", "init_dual", NULL, "an array: ne_affinity_set_array()"},
    {"*", "optimizer", NULL, "the solver is Newton's method"},
    {"*", "lr", NULL, "the solver is Newton's method"},
    {"*", "check_interval", NULL, "convergence is looked at in each Newton step"},
};
/* Without reference=torchdr. */
static const exception better[] = {
    {"entropic", "max_iter", "100", "the search of a bandwidth ends after 6 on average"},
    {"umap", "max_iter", "100", "the search of a bandwidth ends after 5 on average"},
    {"symmetric_entropic", "max_iter", "100", "steps of Newton's method"},
    {"symmetric_entropic", "tol", "1e-06", "near the solution a Newton step squares the residual"},
    {"sinkhorn", "tol", "1e-06", "near the solution a Newton step squares the residual"},
    {"doubly_stochastic_quadratic", "max_iter", "200", "steps of Newton's method"},
    {"doubly_stochastic_quadratic", "tol", "1e-06", "near the solution a Newton step squares the residual"},
};

static int is_of(const exception *e, const char *const row[3])
{
    return (strcmp(e->affinity, "*") == 0 || strcmp(e->affinity, row[0]) == 0) && strcmp(e->name, row[1]) == 0;
}

static const exception *find_exception(const exception *from, size_t count, const char *const row[3])
{
    const exception *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (is_of(&from[i], row)) found = &from[i];
    return found;
}

static void expect_value(const ne_affinity *affinity, const char *const row[3], const char *want)
{
    char   text[NE_NAME_SIZE] = "", *end = NULL;
    double value = 0;
    ck_assert_msg(ne_affinity_get(affinity, row[1], text, sizeof text) == NE_OK, "%s: %s", row[0], ne_last_error());
    value          = strtod(want, &end);
    const int same = *end == '\0' ? strtod(text, NULL) == value : strcmp(text, want) == 0;
    ck_assert_msg(same && *text, "%s: %s is '%s', not %s", row[0], row[1], text, want);
}

START_TEST(parameters_have_the_names_and_defaults_of_torchdr)
{
    const char *const *row        = oracle_defaults[_i];
    const exception   *none       = find_exception(absent, sizeof absent / sizeof *absent, row);
    const exception   *better_one = find_exception(better, sizeof better / sizeof *better, row);
    char               text[NE_NAME_SIZE];
    ne_affinity       *affinity;
    ck_assert_int_eq(ne_affinity_create(ctx, row[0], &affinity), NE_OK);
    if (none) {
        ck_assert_msg(ne_affinity_get(affinity, row[1], text, sizeof text) == NE_UNKNOWN_NAME,
                      "%s has %s, and an exception says: %s", row[0], row[1], none->reason);
    } else {
        expect_value(affinity, row, better_one ? better_one->ours : row[2]);
        ck_assert_int_eq(ne_affinity_set(affinity, "reference", "torchdr"), NE_OK);
        expect_value(affinity, row, row[2]);
        ck_assert_int_eq(ne_affinity_set(affinity, "reference", "none"), NE_OK);
        ck_assert_msg(ne_affinity_set(affinity, row[1], row[2]) == NE_OK, "%s: %s", row[0], ne_last_error());
        expect_value(affinity, row, row[2]);
    }
    ne_affinity_free(affinity);
}
END_TEST

static void expect_use(const exception *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t uses = 0;
        for (size_t r = 0; r < DEFAULTS; r++) uses += is_of(&from[i], oracle_defaults[r]) != 0;
        ck_assert_msg(uses > 0, "%s: TorchDR has no %s", from[i].affinity, from[i].name);
        ck_assert(*from[i].reason);
    }
}

START_TEST(exceptions_are_of_parameters_that_are_there)
{
    expect_use(absent, sizeof absent / sizeof *absent);
    expect_use(better, sizeof better / sizeof *better);
}
END_TEST

START_TEST(names_of_torchdr_are_names_of_the_same_option)
{
    ne_affinity *affinity;
    int64_t      most = 0;
    double       tol  = 0;
    ck_assert_int_eq(ne_affinity_create(ctx, "sinkhorn", &affinity), NE_OK);
    ck_assert_int_eq(ne_affinity_set_int(affinity, "max_iter", 7), NE_OK);
    ck_assert_int_eq(ne_affinity_set(affinity, "tol", "0.25"), NE_OK);
    ck_assert_int_eq(ne_affinity_set(affinity, "reference", "torchdr"), NE_OK); /* leaves alone what was given */
    ck_assert_int_eq(ne_affinity_get_int(affinity, "max_iter_affinity", &most), NE_OK);
    ck_assert_int_eq(ne_affinity_get_real(affinity, "tol_affinity", &tol), NE_OK);
    ck_assert_int_eq(most, 7);
    ck_assert_double_eq(tol, 0.25);
    ck_assert_int_eq(ne_affinity_set(affinity, "faiss_M", "4"), NE_OK);
    ck_assert_int_eq(ne_affinity_get_int(affinity, "faiss_pq_m", &most), NE_OK);
    ck_assert_int_eq(most, 4);
    ck_assert_int_eq(ne_affinity_set(affinity, "max_iter", "0"), NE_OUT_OF_RANGE);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "max_iter_affinity: 0 is outside"));
    ne_affinity_free(affinity);
    ck_assert_int_eq(ne_affinity_create(ctx, "entropic", &affinity), NE_OK); /* has no tolerance */
    ck_assert_int_eq(ne_affinity_set(affinity, "tol", "0.25"), NE_UNKNOWN_NAME);
    ne_affinity_free(affinity);
}
END_TEST

Suite *affinity_oracle_suite(void);

Suite *affinity_oracle_suite(void)
{
    Suite *s = suite_create("affinity_oracle");
    TCase *t = tcase_create("affinity_oracle");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_add_loop_test(t, rows_are_those_of_torchdr, 0, sizeof oracle_cases / sizeof *oracle_cases);
    tcase_add_test(t, near_pairs_are_those_of_torchdr);
    tcase_add_loop_test(t, parameters_have_the_names_and_defaults_of_torchdr, 0, DEFAULTS);
    tcase_add_test(t, exceptions_are_of_parameters_that_are_there);
    tcase_add_test(t, names_of_torchdr_are_names_of_the_same_option);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_oracle_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
