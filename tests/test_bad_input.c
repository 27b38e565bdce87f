/* tests/test_bad_input.c: tiny, huge, constant, repeated and broken input: a result, or an error that says what is wrong. */
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 40,
    D = 3
};

static float         x[N * D], y[N * 2];
static ne_context   *ctx;
static ne_embedding *emb;

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())
#define FAILS(call, status, text)                                                                                      \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

static void open_all(void)
{
    data_clusters(x, N, D, 2, 3, 1);
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "tsne", &emb));
    OK(ne_embedding_set(emb, "max_iter", "60"));
    for (size_t i = 0; i < N * 2; i++) y[i] = -5;
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
}

static ne_dense view(void *data, size_t rows, size_t cols, int32_t type)
{
    const ne_dense v = {sizeof v, data, rows, cols, cols, type, NE_HOST};
    return v;
}

static void check_untouched(void)
{
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq(y[i], -5);
}

static void check_finite(size_t n)
{
    for (size_t i = 0; i < n * 2; i++) ck_assert(isfinite(y[i]));
}

START_TEST(too_few_rows_are_refused)
{
    FAILS(ne_embedding_fit_f32(emb, x, 1, D, y), NE_INVALID_ARGUMENT, "x: 1 row, at least 2 are needed");
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, 0, D, y), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, 0, y), NE_INVALID_ARGUMENT);
    FAILS(ne_embedding_fit_f32(emb, x, 2, D, y), NE_OUT_OF_RANGE, "perplexity: 30 is outside [1, n - 1] with n = 2");
    check_untouched();
}
END_TEST

START_TEST(two_and_three_rows_are_embedded)
{
    static const char *const repulsion[] = {"auto", "exact", "barnes_hut", "fft"};
    OK(ne_embedding_set(emb, "perplexity", "1"));
    OK(ne_embedding_set(emb, "repulsion", repulsion[_i]));
    OK(ne_embedding_fit_f32(emb, x, 2, D, y));
    check_finite(2);
    ck_assert(y[0] != y[2] || y[1] != y[3]);
    OK(ne_embedding_fit_f32(emb, x, 3, D, y));
    check_finite(3);
    OK(ne_embedding_set(emb, "perplexity", "2"));
    OK(ne_embedding_fit_f32(emb, x, 3, D, y));
    check_finite(3);
}
END_TEST

START_TEST(fewer_rows_than_three_perplexities_are_embedded)
{
    OK(ne_embedding_fit_f32(emb, x, N, D, y)); /* perplexity 30, 39 neighbors */
    check_finite(N);
    OK(ne_embedding_set(emb, "perplexity", "39"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
    OK(ne_embedding_set(emb, "perplexity", "1"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
    OK(ne_embedding_set(emb, "perplexity", "40"));
    FAILS(ne_embedding_fit_f32(emb, x, N, D, y), NE_OUT_OF_RANGE, "perplexity: 40 is outside [1, n - 1] with n = 40");
}
END_TEST

START_TEST(perplexities_that_are_none_are_refused_at_once)
{
    FAILS(ne_embedding_set_real(emb, "perplexity", 0), NE_OUT_OF_RANGE, "perplexity: 0 is outside [1, n - 1]");
    FAILS(ne_embedding_set_real(emb, "perplexity", NAN), NE_INVALID_ARGUMENT,
          "perplexity: nan is not a number that it can take");
    ck_assert_int_eq(ne_embedding_set_real(emb, "perplexity", -3), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(emb, "perplexity", -INFINITY), NE_OUT_OF_RANGE);
    FAILS(ne_embedding_set_real(emb, "perplexity", INFINITY), NE_OUT_OF_RANGE, "perplexity: inf is outside [1, n - 1]");
}
END_TEST

START_TEST(equal_rows_are_embedded_by_every_repulsion)
{
    static const char *const repulsion[] = {"auto", "exact", "barnes_hut", "fft"};
    OK(ne_embedding_set(emb, "perplexity", "5"));
    OK(ne_embedding_set(emb, "repulsion", repulsion[_i]));
    for (size_t i = 0; i < N * D; i++) x[i] = 4;
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
    data_clusters(x, N, D, 2, 3, 1);
    for (size_t i = 0; i < N / 2; i++) memcpy(x + i * D, x, D * sizeof *x); /* half of them equal */
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
}
END_TEST

START_TEST(a_constant_column_changes_nothing_but_memory)
{
    OK(ne_embedding_set(emb, "perplexity", "5"));
    for (size_t i = 0; i < N; i++) x[i * D + 1] = -17;
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
}
END_TEST

START_TEST(one_column_is_enough)
{
    OK(ne_embedding_set(emb, "perplexity", "5"));
    OK(ne_embedding_fit_f32(emb, x, N, 1, y));
    check_finite(N);
    OK(ne_embedding_set(emb, "metric", "correlation")); /* of one column: nothing to correlate */
    const ne_status st = ne_embedding_fit_f32(emb, x, N, 1, y);
    ck_assert(st == NE_OK || st == NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(numbers_that_are_none_are_named_by_row_and_column)
{
    x[7 * D + 2] = NAN;
    FAILS(ne_embedding_fit_f32(emb, x, N, D, y), NE_INVALID_ARGUMENT, "x: row 7, column 2 is nan");
    x[7 * D + 2] = INFINITY;
    FAILS(ne_embedding_fit_f32(emb, x, N, D, y), NE_INVALID_ARGUMENT, "x: row 7, column 2 is inf");
    check_untouched();
}
END_TEST

START_TEST(numbers_of_1e30_give_a_result_or_say_what_overflows)
{
    OK(ne_embedding_set(emb, "perplexity", "5"));
    for (size_t i = 0; i < N * D; i++) x[i] *= 1e30f;
    const ne_status st = ne_embedding_fit_f32(emb, x, N, D, y);
    ck_assert(st == NE_OK || st == NE_INVALID_ARGUMENT);
    if (st == NE_OK) check_finite(N);
    if (st != NE_OK) check_untouched();
    if (st != NE_OK) ck_assert_ptr_nonnull(strstr(ne_last_error(), "sqeuclidean gives inf"));
    OK(ne_embedding_set(emb, "metric", "euclidean"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
    OK(ne_embedding_set(emb, "metric", "cosine"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
    double big[4] = {1e300, 0, 0, 1e300};
    OK(ne_embedding_set(emb, "perplexity", "1"));
    const ne_dense from = view(big, 2, 2, NE_F64), to = view(y, 2, 2, NE_F32);
    ck_assert_int_eq(ne_embedding_fit(emb, &from, &to), NE_INVALID_ARGUMENT); /* beyond float */
}
END_TEST

START_TEST(tiny_numbers_are_embedded)
{
    OK(ne_embedding_set(emb, "perplexity", "5"));
    for (size_t i = 0; i < N * D; i++) x[i] *= 1e-25f; /* squares vanish in float */
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    check_finite(N);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    ck_assert_int_ne(ne_embedding_fit_f32(emb, x, SIZE_MAX / 2, 8, y), NE_OK);
    ck_assert_int_ne(ne_embedding_fit_f32(emb, x, SIZE_MAX, SIZE_MAX, y), NE_OK);
    ck_assert_int_ne(ne_embedding_fit_f32(emb, x, (size_t)1 << 62, 1, y), NE_OK);
    check_untouched();
}
END_TEST

START_TEST(many_components_are_refused_by_the_grid)
{
    ne_dense from = view(x, N, D, NE_F32), to = view(y, N, 10000, NE_F32);
    OK(ne_embedding_set(emb, "n_components", "10000"));
    OK(ne_embedding_set(emb, "repulsion", "fft"));
    FAILS(ne_embedding_fit(emb, &from, &to), NE_UNSUPPORTED, "repulsion: fft works for 1 to 3 components, not 10000");
}
END_TEST

START_TEST(views_with_a_fault_are_refused)
{
    ne_dense from = view(x, N, D, NE_F32), to = view(y, N, 2, NE_F32), bad;
    FAILS(ne_embedding_fit(emb, NULL, &to), NE_INVALID_ARGUMENT, "x: a null pointer");
    ck_assert_int_eq(ne_embedding_fit(emb, &from, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_fit(NULL, &from, &to), NE_INVALID_ARGUMENT);
    bad      = from;
    bad.data = NULL;
    ck_assert_int_eq(ne_embedding_fit(emb, &bad, &to), NE_INVALID_ARGUMENT);
    bad        = from;
    bad.stride = D - 1;
    FAILS(ne_embedding_fit(emb, &bad, &to), NE_INVALID_ARGUMENT, "x: stride 2 is below its 3 columns");
    bad       = from;
    bad.dtype = NE_I32;
    ck_assert_int_eq(ne_embedding_fit(emb, &bad, &to), NE_INVALID_ARGUMENT);
    bad       = from;
    bad.dtype = 77;
    ck_assert_int_eq(ne_embedding_fit(emb, &bad, &to), NE_INVALID_ARGUMENT);
    bad       = from;
    bad.place = NE_DEVICE;
    ck_assert_int_ne(ne_embedding_fit(emb, &bad, &to), NE_OK);
    bad             = from;
    bad.struct_size = 3;
    ck_assert_int_eq(ne_embedding_fit(emb, &bad, &to), NE_INVALID_ARGUMENT);
    bad      = to;
    bad.cols = 3;
    ck_assert_int_eq(ne_embedding_fit(emb, &from, &bad), NE_INVALID_ARGUMENT);
    bad      = to;
    bad.rows = N - 1;
    ck_assert_int_eq(ne_embedding_fit(emb, &from, &bad), NE_INVALID_ARGUMENT);
    check_untouched();
}
END_TEST

START_TEST(null_handles_are_refused_and_freeing_null_does_nothing)
{
    ne_context *c = NULL;
    double      v;
    ck_assert_int_eq(ne_context_create(NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_create(NULL, "tsne", &emb), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_create(ctx, NULL, &emb), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_create(ctx, "tsne", NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_set(NULL, "perplexity", "3"), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_get_real(emb, "perplexity", NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_get_real(NULL, "perplexity", &v), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_step(emb, 1), NE_NOT_FITTED);
    ck_assert_int_eq(ne_embedding_start(emb, NULL, NULL), NE_INVALID_ARGUMENT);
    ck_assert_uint_eq(ne_embedding_option_count(NULL), 0);
    ck_assert_int_eq(ne_method_register(NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_build(NULL, NULL), NE_INVALID_ARGUMENT);
    const ne_allocator half = {NULL, NULL, NULL};
    ck_assert_int_eq(ne_context_create_with(&half, &c), NE_INVALID_ARGUMENT);
    ne_context_free(NULL);
    ne_embedding_free(NULL);
    ne_graph_free(NULL);
    ne_affinity_free(NULL);
    FAILS(ne_embedding_create(ctx, "t-sne", &emb), NE_UNKNOWN_NAME, "method: unknown 't-sne'; did you mean 'tsne'?");
}
END_TEST

START_TEST(a_failed_fit_leaves_the_last_one_in_place)
{
    ne_dense to = view(y, N, 2, NE_F32);
    float    first[N * 2];
    OK(ne_embedding_set(emb, "perplexity", "5"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    memcpy(first, y, sizeof first);
    x[0] = NAN;
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, D, y), NE_INVALID_ARGUMENT);
    OK(ne_embedding_read(emb, &to));
    ck_assert_mem_eq(first, y, sizeof first);
}
END_TEST

START_TEST(every_option_refuses_what_is_outside_its_table)
{
    static const char *const wrong[] = {"", "x", "nan", "-1e300", "1e300", "inf", "-inf", "0x", "1 2", "trueish"};
    char                     name[64], type[16], before[64], after[64];
    for (size_t i = 0; i < ne_embedding_option_count(emb); i++) {
        OK(ne_embedding_option_info(emb, i, "name", name, sizeof name));
        OK(ne_embedding_option_info(emb, i, "type", type, sizeof type));
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
            OK(ne_embedding_get(emb, name, before, sizeof before));
            const ne_status st = ne_embedding_set(emb, name, wrong[w]);
            OK(ne_embedding_get(emb, name, after, sizeof after));
            if (st != NE_OK) {
                ck_assert_str_eq(before, after);
                ck_assert_msg(strncmp(ne_last_error(), name, strlen(name)) == 0, "%s", ne_last_error());
            } else { /* only names, which are looked up when used, and bounds that depend on n */
                ck_assert_msg(strcmp(type, "name") == 0 || strcmp(name, "perplexity") == 0, "%s = %s", name, wrong[w]);
                OK(ne_embedding_set(emb, name, before));
            }
        }
    }
}
END_TEST

Suite *bad_input_suite(void);

Suite *bad_input_suite(void)
{
    Suite *s = suite_create("bad input");
    TCase *t = tcase_create("bad input");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, too_few_rows_are_refused);
    tcase_add_loop_test(t, two_and_three_rows_are_embedded, 0, 4);
    tcase_add_test(t, fewer_rows_than_three_perplexities_are_embedded);
    tcase_add_test(t, perplexities_that_are_none_are_refused_at_once);
    tcase_add_loop_test(t, equal_rows_are_embedded_by_every_repulsion, 0, 4);
    tcase_add_test(t, a_constant_column_changes_nothing_but_memory);
    tcase_add_test(t, one_column_is_enough);
    tcase_add_test(t, numbers_that_are_none_are_named_by_row_and_column);
    tcase_add_test(t, numbers_of_1e30_give_a_result_or_say_what_overflows);
    tcase_add_test(t, tiny_numbers_are_embedded);
    tcase_add_test(t, sizes_that_overflow_are_refused);
    tcase_add_test(t, many_components_are_refused_by_the_grid);
    tcase_add_test(t, views_with_a_fault_are_refused);
    tcase_add_test(t, null_handles_are_refused_and_freeing_null_does_nothing);
    tcase_add_test(t, a_failed_fit_leaves_the_last_one_in_place);
    tcase_add_test(t, every_option_refuses_what_is_outside_its_table);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(bad_input_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
