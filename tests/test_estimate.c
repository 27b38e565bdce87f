/* tests/test_estimate.c: what ne_estimate_memory() says, against an allocator that counts. */
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_ROWS = 5000,
    MOST_COLS = 96
};

typedef struct ledger {
    size_t held, most;
} ledger;

static void *count_allocate(void *user, size_t size, size_t alignment)
{
    ledger *l = user;
    l->held += size;
    if (l->held > l->most) l->most = l->held;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void count_release(void *user, void *block, size_t size, size_t alignment)
{
    ledger *l = user;
    (void)alignment;
    l->held -= size;
    free(block);
}

static ledger      counted;
static ne_context *context;

static void setup(void)
{
    const ne_allocator allocator = {count_allocate, count_release, &counted};
    counted                      = (ledger){0, 0};
    ck_assert_int_eq(ne_context_create_with(&allocator, &context), NE_OK);
    ck_assert_int_eq(ne_context_set_int(context, "threads", 2), NE_OK);
}

static void teardown(void)
{
    ne_context_free(context);
    ck_assert_uint_eq(counted.held, 0);
}

typedef struct fit_case {
    const char *method;
    size_t      n, d;
    const char *option, *value;
} fit_case;

/* Few columns: the neighbors decide; many: the covariance of the start, or the sketches of the search. */
static const fit_case cases[] = {
    {"tsne", 600, 8, NULL, NULL},
    {"tsne", 600, 96, NULL, NULL},
    {"tsne", 2000, 8, NULL, NULL},
    {"tsne", 5000, 16, NULL, NULL},
    {"tsne", 600, 8, "init", "random"},
    {"tsne", 600, 96, "keep_data", "true"},
    {"tsne", 600, 8, "optimizer", "adam"},
    {"tsne", 600, 8, "n_components", "5"},
    {"tsne", 2000, 8, "knn", "approximate"},
    {"tsne", 600, 30, "metric", "cosine"},
    {"umap", 600, 8, NULL, NULL},
    {"umap", 2000, 96, NULL, NULL},
    {"umap", 5000, 16, NULL, NULL},
    {"umap", 2000, 8, "init", "spectral"},
    {"umap", 600, 8, "n_neighbors", "200"},
    {"pacmap", 600, 8, NULL, NULL},
    {"pacmap", 2000, 96, NULL, NULL},
    {"pacmap", 5000, 40, NULL, NULL},
    {"pacmap", 2000, 8, "FP_ratio", "20"},
    {"localmap", 2000, 8, NULL, NULL},
    {"trimap", 600, 8, NULL, NULL},
    {"trimap", 2000, 8, NULL, NULL},
    {"trimap", 2000, 8, "n_inliers", "40"},
    {"infotsne", 600, 8, NULL, NULL},
    {"infotsne", 2000, 8, NULL, NULL},
    {"infotsne", 600, 8, "n_negatives", "400"},
    {"largevis", 2000, 8, NULL, NULL},
    {"sne", 600, 8, NULL, NULL},
    {"cosne", 600, 8, NULL, NULL},
    {"affinity_matcher", 600, 8, NULL, NULL},
    {"affinity_matcher", 1000, 8, "affinity_in", "phate"},
    {"pca", 600, 96, NULL, NULL},
    {"pca", 40, 96, NULL, NULL},
    {"phate", 600, 8, NULL, NULL},
};

static double peak_of_fit(ne_embedding *e, const ne_dense *x, const ne_dense *y)
{
    const size_t before = counted.held;
    counted.most        = counted.held;
    const ne_status st  = ne_embedding_fit(e, x, y);
    ck_assert_msg(st == NE_OK, "%s", ne_last_error());
    return (double)(counted.most - before);
}

static void compare(const fit_case *of, int32_t dtype, double tolerance)
{
    static float   data[MOST_ROWS * MOST_COLS], out[MOST_ROWS * 5];
    static double  wide[600 * MOST_COLS];
    const size_t   c = of->option && of->value[0] == '5' ? 5 : 2;
    const ne_dense y = {sizeof y, out, of->n, c, 0, NE_F32, NE_HOST};
    ne_dense       x = {sizeof x, data, of->n, of->d, 0, dtype, NE_HOST};
    ne_embedding  *e;
    size_t         bytes = 0;

    data_clusters(data, of->n, of->d, 10, 2, 1);
    for (size_t i = 0; dtype == NE_F64 && i < of->n * of->d; i++) wide[i] = (double)data[i];
    if (dtype == NE_F64) x.data = wide;
    ck_assert_int_eq(ne_embedding_create(context, of->method, &e), NE_OK);
    if (strcmp(of->method, "pca") != 0) ck_assert_int_eq(ne_embedding_set(e, "max_iter", "2"), NE_OK);
    if (of->option) ck_assert_msg(ne_embedding_set(e, of->option, of->value) == NE_OK, "%s", ne_last_error());
    const size_t before = counted.held;
    ck_assert_msg(ne_estimate_memory(e, of->n, of->d, dtype, &bytes) == NE_OK, "%s", ne_last_error());
    ck_assert_uint_eq(counted.held, before);
    const double peak = peak_of_fit(e, &x, &y), share = (double)bytes / peak;
    ck_assert_msg(fabs(share - 1) < tolerance, "%s %zu x %zu %s: %zu bytes are %.3f of %.0f", of->method, of->n, of->d,
                  of->option ? of->option : "", bytes, share, peak);
    ne_embedding_free(e);
}

START_TEST(an_estimate_is_within_a_tenth_of_the_peak)
{
    compare(&cases[_i], NE_F32, 0.1);
}
END_TEST

START_TEST(an_estimate_for_doubles_is_within_a_tenth_of_the_peak)
{
    static const fit_case of[] = {{"tsne", 600, 96, NULL, NULL}, {"pacmap", 600, 40, NULL, NULL}};
    compare(&of[_i], NE_F64, 0.1);
}
END_TEST

/* How many pairs matter is for the data to say. */
START_TEST(an_estimate_with_a_solver_that_keeps_lists_is_within_a_third)
{
    static const fit_case of[] = {{"tsnekhorn", 600, 8, NULL, NULL}, {"tsnekhorn", 1000, 8, "init", "random"}};
    compare(&of[_i], NE_F32, 0.33);
}
END_TEST

START_TEST(a_million_rows_are_estimated_in_no_memory_to_speak_of)
{
    ne_embedding *e;
    size_t        some = 0, more = 0;
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &e), NE_OK);
    const size_t before = counted.held;
    counted.most        = before;
    ck_assert_int_eq(ne_estimate_memory(e, 100000, 50, NE_F32, &some), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(e, 1000000, 50, NE_F32, &more), NE_OK);
    ck_assert_uint_lt(counted.most - before, 4096);
    ck_assert_uint_eq(counted.held, before);
    /* 90 neighbors: 28 bytes each and some for a row, in proportion to the rows. */
    ck_assert_uint_gt(more, (size_t)1000000 * 90 * 27);
    ck_assert_uint_lt(more, (size_t)1000000 * 90 * 30);
    ck_assert_double_eq_tol((double)more / (double)some, 10, 0.1);
    ne_embedding_free(e);
}
END_TEST

START_TEST(sizes_beyond_an_address_are_errors)
{
    static const char *const methods[] = {"tsne", "pacmap", "tsnekhorn", "pca"};
    ne_embedding            *e;
    size_t                   bytes = 7;
    ck_assert_int_eq(ne_embedding_create(context, methods[_i], &e), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(e, SIZE_MAX / 8, 9, NE_F32, &bytes), NE_OUT_OF_MEMORY);
    ck_assert_int_eq(ne_estimate_memory(e, 1000, SIZE_MAX / 8, NE_F64, &bytes), NE_OUT_OF_MEMORY);
    ck_assert_int_eq(ne_estimate_memory(e, SIZE_MAX, SIZE_MAX, NE_F64, &bytes), NE_OUT_OF_MEMORY);
    ck_assert_uint_eq(bytes, 7);
    ne_embedding_free(e);
}
END_TEST

START_TEST(a_square_of_rows_beyond_an_address_is_an_error)
{
    ne_embedding *e;
    size_t        bytes = 7;
    ck_assert_int_eq(ne_embedding_create(context, "tsnekhorn", &e), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(e, INT32_MAX, 1, NE_F32, &bytes), NE_OUT_OF_MEMORY);
    ck_assert_uint_eq(bytes, 7);
    ck_assert_int_eq(ne_estimate_memory(e, 1000000, 1, NE_F32, &bytes), NE_OK);
    ck_assert_uint_gt(bytes, (size_t)4000000000000u);
    ne_embedding_free(e);
}
END_TEST

START_TEST(what_a_fit_would_refuse_is_refused)
{
    ne_embedding *e;
    size_t        bytes = 7;
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &e), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(NULL, 100, 5, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, 100, 5, NE_F32, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, 0, 5, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, 1, 5, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, 100, 0, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, 100, 5, NE_I32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory(e, (size_t)1 << 32, 1, NE_F32, &bytes), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_embedding_set(e, "perplexity", "99"), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(e, 50, 5, NE_F32, &bytes), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set(e, "perplexity", "5"), NE_OK);
    ck_assert_int_eq(ne_embedding_set(e, "distributed", "true"), NE_OK);
    ck_assert_int_eq(ne_estimate_memory(e, 100, 5, NE_F32, &bytes), NE_UNSUPPORTED);
    ck_assert_uint_eq(bytes, 7);
    ne_embedding_free(e);
}
END_TEST

Suite *estimate_suite(void);

Suite *estimate_suite(void)
{
    Suite *s = suite_create("estimate");
    TCase *t = tcase_create("estimate");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, an_estimate_is_within_a_tenth_of_the_peak, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(t, an_estimate_for_doubles_is_within_a_tenth_of_the_peak, 0, 2);
    tcase_add_loop_test(t, an_estimate_with_a_solver_that_keeps_lists_is_within_a_third, 0, 2);
    tcase_add_test(t, a_million_rows_are_estimated_in_no_memory_to_speak_of);
    tcase_add_loop_test(t, sizes_beyond_an_address_are_errors, 0, 4);
    tcase_add_test(t, a_square_of_rows_beyond_an_address_is_an_error);
    tcase_add_test(t, what_a_fit_would_refuse_is_refused);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(estimate_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
