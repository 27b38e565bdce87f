/* tests/test_affinity_oracle.c: four rows of each affinity, under two metrics, over all pairs and over neighbors, against
 * TorchDR's own values; and the defaults of its parameters. */
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

/* Under reference=torchdr, which ne_affinity_option_info() tells of. */
START_TEST(defaults_are_those_of_torchdr)
{
    const char *const *row = oracle_defaults[_i];
    char               name[NE_NAME_SIZE], text[NE_NAME_SIZE] = "";
    ne_affinity       *affinity;
    ck_assert_int_eq(ne_affinity_create(ctx, row[0], &affinity), NE_OK);
    for (size_t i = 0; i < ne_affinity_option_count(affinity); i++) {
        ck_assert_int_eq(ne_affinity_option_info(affinity, i, "name", name, sizeof name), NE_OK);
        if (strcmp(name, row[1]) == 0)
            ck_assert_int_eq(ne_affinity_option_info(affinity, i, "reference", text, sizeof text), NE_OK);
    }
    char        *end   = NULL;
    const double value = strtod(row[2], &end);
    const int    same  = *end == '\0' ? strtod(text, NULL) == value : strcmp(text, row[2]) == 0;
    ck_assert_msg(same && *text, "%s: the default of %s is '%s', TorchDR's %s", row[0], row[1], text, row[2]);
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
    tcase_add_loop_test(t, defaults_are_those_of_torchdr, 0, sizeof oracle_defaults / sizeof *oracle_defaults);
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
