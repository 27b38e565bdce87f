/* What holds for every registered type, whoever brought it: its options refuse what they must and say so, and data that
 * is tiny or all equal gives a finite layout or an error with a text. */
#include "ne.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The five calls that every object has, for embeddings and affinities alike. */
typedef struct object {
    ne_embedding *embedding;
    ne_affinity  *affinity;
} object;

static ne_status set_text(const object *of, const char *name, const char *text)
{
    return of->embedding ? ne_embedding_set(of->embedding, name, text) : ne_affinity_set(of->affinity, name, text);
}

static ne_status set_real(const object *of, const char *name, double value)
{
    return of->embedding ? ne_embedding_set_real(of->embedding, name, value)
                         : ne_affinity_set_real(of->affinity, name, value);
}

static size_t option_count(const object *of)
{
    return of->embedding ? ne_embedding_option_count(of->embedding) : ne_affinity_option_count(of->affinity);
}

static void option_info(const object *of, size_t index, const char *field, char *text, size_t size)
{
    const ne_status st = of->embedding ? ne_embedding_option_info(of->embedding, index, field, text, size)
                                       : ne_affinity_option_info(of->affinity, index, field, text, size);
    ck_assert_int_eq(st, NE_OK);
}

static void refused(const object *of, const char *type, const char *name, const char *what, ne_status st)
{
    (void)of;
    ck_assert_msg(st != NE_OK, "%s: %s took %s", type, name, what);
    ck_assert_msg(strstr(ne_last_error(), name) != NULL, "%s: %s with %s: the text names no option: %s", type, name,
                  what, ne_last_error());
}

static void check_options(const object *of, const char *type)
{
    for (size_t i = 0; i < option_count(of); i++) {
        char name[64], kind[32], preset[64], range[80], wrong[80];
        option_info(of, i, "name", name, sizeof name);
        option_info(of, i, "type", kind, sizeof kind);
        option_info(of, i, "range", range, sizeof range);
        option_info(of, i, "default", preset, sizeof preset);
        snprintf(wrong, sizeof wrong, "%s_x", name);
        ck_assert_msg(set_text(of, wrong, preset) == NE_UNKNOWN_NAME, "%s: took %s", type, wrong);
        ck_assert_msg(strstr(ne_last_error(), name) != NULL, "%s: %s suggests nothing: %s", type, wrong,
                      ne_last_error());
        if (strcmp(kind, "real") == 0 || strcmp(kind, "int") == 0) {
            refused(of, type, name, "NaN", set_real(of, name, NAN));
            refused(of, type, name, "nan", set_text(of, name, "nan"));
            refused(of, type, name, "infinity", set_real(of, name, INFINITY));
            refused(of, type, name, "-1e300", set_real(of, name, -1e300));
            if (!strchr(range, 'n'))
                refused(of, type, name, "1e300", set_real(of, name, 1e300)); /* n - 1: known later */
            refused(of, type, name, "a word", set_text(of, name, "many"));
        }
        if (strcmp(kind, "int") == 0) refused(of, type, name, "2.5", set_real(of, name, 2.5));
        if (strcmp(kind, "bool") == 0 || strcmp(kind, "choice") == 0) {
            refused(of, type, name, "a word", set_text(of, name, "perhaps"));
            refused(of, type, name, "NaN", set_real(of, name, NAN));
            refused(of, type, name, "77", set_real(of, name, 77));
        }
        if (strcmp(kind, "name") != 0)
            ck_assert_msg(set_text(of, name, preset) == NE_OK, "%s: %s refuses its default %s: %s", type, name, preset,
                          ne_last_error());
    }
}

START_TEST(every_option_refuses_what_it_must)
{
    ne_context *context = NULL;
    const char *name;
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    for (size_t i = 0; (name = ne_type_name("method", i)); i++) {
        object of = {0};
        ck_assert_int_eq(ne_embedding_create(context, name, &of.embedding), NE_OK);
        check_options(&of, name);
        ne_embedding_free(of.embedding);
    }
    for (size_t i = 0; (name = ne_type_name("affinity", i)); i++) {
        object of = {0};
        ck_assert_int_eq(ne_affinity_create(context, name, &of.affinity), NE_OK);
        check_options(&of, name);
        ne_affinity_free(of.affinity);
    }
    ne_context_free(context);
}
END_TEST

enum {
    MOST = 40,
    COLS = 5
};

/* kind 0: no two rows equal; 1: all rows equal; 2: rows equal in pairs. */
static void make_rows(int kind, size_t n, float *x)
{
    unsigned state = 99;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < COLS; j++) {
            state           = state * 1664525u + 1013904223u;
            x[i * COLS + j] = kind == 1 ? 3.0f : (float)(state >> 8) / 16777216.0f;
        }
    for (size_t i = 1; kind == 2 && i < n; i += 2) memcpy(x + i * COLS, x + (i - 1) * COLS, COLS * sizeof *x);
}

static void fit_small(ne_context *context, const char *method, size_t n, int kind)
{
    ne_embedding *e = NULL;
    float         x[MOST * COLS], y[MOST * 2];
    make_rows(kind, n, x);
    ck_assert_int_eq(ne_embedding_create(context, method, &e), NE_OK);
    ne_embedding_set(e, "max_iter", "60"); /* types without steps have none */
    if (n > 8) ne_embedding_set(e, "perplexity", "6");
    ne_status st = ne_embedding_fit_f32(e, x, n, COLS, y);
    if (st != NE_OK && n <= 8) { /* a size that fits the rows */
        char why[256];
        snprintf(why, sizeof why, "%s", ne_last_error());
        ck_assert_msg(strlen(why) > 5, "%s, %zu rows: status %d without a text", method, n, (int)st);
        ne_embedding_set(e, "perplexity", "1");
        ne_embedding_set(e, "n_neighbors", "1");
        st = ne_embedding_fit_f32(e, x, n, COLS, y);
    }
    if (st == NE_OK)
        for (size_t i = 0; i < n * 2; i++)
            ck_assert_msg(isfinite(y[i]), "%s, %zu rows of kind %d: row %zu is not finite", method, n, kind, i / 2);
    else
        ck_assert_msg(strlen(ne_last_error()) > 5 && st != NE_INTERNAL, "%s, %zu rows of kind %d: status %d, %s",
                      method, n, kind, (int)st, ne_last_error());
    /* Forty rows that differ are enough for all of them. */
    if (n == MOST && kind == 0) ck_assert_msg(st == NE_OK, "%s, 40 rows: %s", method, ne_last_error());
    ne_embedding_free(e);
}

START_TEST(tiny_and_equal_data_end)
{
    static const size_t sizes[] = {1, 2, 3, 7, MOST};
    ne_context         *context = NULL;
    const char         *method;
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    for (size_t m = 0; (method = ne_type_name("method", m)); m++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int kind = 0; kind < 3; kind++) fit_small(context, method, sizes[s], kind);
    ne_context_free(context);
}
END_TEST

/* The same seed at one thread and at two. */
START_TEST(threads_do_not_change_the_bits)
{
    enum {
        N = 600
    };
    static float x[N * COLS], y[2][N * 2];
    const char  *method;
    unsigned     state = 4242;
    for (size_t i = 0; i < N * COLS; i++) {
        state = state * 1664525u + 1013904223u;
        x[i]  = (float)(state >> 8) / 16777216.0f + (float)(i / COLS % 3);
    }
    for (size_t m = 0; (method = ne_type_name("method", m)); m++) {
        for (int t = 0; t < 2; t++) {
            ne_context   *context = NULL;
            ne_embedding *e       = NULL;
            ck_assert_int_eq(ne_context_create(&context), NE_OK);
            ck_assert_int_eq(ne_context_set_int(context, "threads", t + 1), NE_OK);
            ck_assert_int_eq(ne_embedding_create(context, method, &e), NE_OK);
            ne_embedding_set(e, "max_iter", "12");
            ck_assert_msg(ne_embedding_fit_f32(e, x, N, COLS, y[t]) == NE_OK, "%s: %s", method, ne_last_error());
            ne_embedding_free(e);
            ne_context_free(context);
        }
        ck_assert_msg(memcmp(y[0], y[1], sizeof y[0]) == 0, "%s: other bits at two threads", method);
    }
}
END_TEST

static Suite *every_type_suite(void)
{
    Suite *s = suite_create("every type");
    TCase *t = tcase_create("every type");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, every_option_refuses_what_it_must);
    tcase_add_test(t, tiny_and_equal_data_end);
    tcase_add_test(t, threads_do_not_change_the_bits);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(every_type_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
