/* tests/test_estimate.c: what ne_estimate_memory() says, against an allocator that counts. */
#include "base/random.h"
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

/* --- Sparse rows ------------------------------------------------------------------------------------------------- */

typedef struct text_case {
    const char *method;
    size_t      n, d;
    int         steep; /* 1: words by Zipf's law; 0: by a flatter one, of topics that share few */
    int32_t     dtype;
    const char *option, *value;
} text_case;

static const text_case texts[] = {
    {"tsne", 600, 3000, 1, NE_F32, NULL, NULL},
    {"tsne", 2000, 10000, 1, NE_F32, NULL, NULL},
    {"tsne", 5000, 20000, 1, NE_F64, NULL, NULL},
    {"tsne", 600, 3000, 0, NE_F64, NULL, NULL},
    {"tsne", 2000, 10000, 0, NE_F32, NULL, NULL},
    {"tsne", 5000, 20000, 0, NE_F32, "metric", "cosine"},
    {"tsne", 5000, 1000, 1, NE_F32, NULL, NULL},
    {"tsne", 300, 3000, 1, NE_F32, NULL, NULL},
    {"umap", 2000, 10000, 1, NE_F32, NULL, NULL},
    {"umap", 5000, 20000, 0, NE_F32, "init", "random"},
    {"umap", 5000, 20000, 1, NE_F32, "metric", "jaccard"},
    {"largevis", 2000, 10000, 0, NE_F32, NULL, NULL},
    {"infotsne", 2000, 10000, 1, NE_F32, NULL, NULL},
    {"pca", 600, 3000, 1, NE_F32, NULL, NULL},
    {"pca", 3000, 1000, 0, NE_F32, NULL, NULL},
    {"pca", 5000, 20000, 1, NE_F64, "n_components", "5"},
};

typedef struct text {
    ne_csr   view;
    int64_t *start;
    int32_t *col;
    void    *val;
} text;

static double unit_at(size_t row, size_t place)
{
    return random_unit(random_draw(3, 9, 0, row, (uint32_t)place).word[0]);
}

static int ascending(const void *a, const void *b)
{
    const int32_t *p = a, *q = b;
    return (*p > *q) - (*p < *q);
}

/* Documents of 20 to 100 words, each counted once; every hundredth is a copy of the one before it. The word of rank r has a
 * chance in proportion to 1 / r, or 1 / sqrt(r), then moved by the document's topic. */
static text make_text(const text_case *of)
{
    enum {
        LONGEST = 100
    };
    text    made = {.start = calloc(of->n + 1, sizeof *made.start),
                    .col   = calloc(of->n * LONGEST, sizeof *made.col),
                    .val   = calloc(of->n * LONGEST, sizeof(double))};
    int64_t used = 0;
    for (size_t i = 0; i < of->n; i++) {
        const size_t source = i % 100 == 99 ? i - 1 : i, words = 20 + (size_t)(80 * unit_at(source, LONGEST));
        int32_t     *row = made.col + used;
        for (size_t w = 0; w < words; w++) {
            const double u    = unit_at(source, w);
            const double rank = of->steep ? pow((double)of->d, u) - 1 : (double)of->d * u * u;
            row[w]            = (int32_t)((size_t)rank + (of->steep ? 0 : source % 7 * of->d / 7)) % (int32_t)of->d;
        }
        qsort(row, words, sizeof *row, ascending);
        const int64_t from = used;
        for (size_t w = 0; w < words; w++)
            if (w == 0 || row[w] != made.col[used - 1]) made.col[used++] = row[w];
        for (int64_t e = from; e < used; e++) {
            const double value = 1 + floor(3 * unit_at(source, (size_t)made.col[e] + LONGEST + 1));
            if (of->dtype == NE_F32) ((float *)made.val)[e] = (float)value;
            else ((double *)made.val)[e] = value;
        }
        made.start[i + 1] = used;
    }
    made.view = (ne_csr){sizeof made.view, of->n, of->d, made.start, made.col, made.val, of->dtype, NE_HOST};
    return made;
}

START_TEST(an_estimate_for_sparse_rows_is_within_a_tenth_of_the_peak)
{
    static float     out[MOST_ROWS * 5];
    const text_case *of    = &texts[_i];
    text             x     = make_text(of);
    const size_t     c     = of->option && of->value[0] == '5' ? 5 : 2;
    const ne_dense   y     = {sizeof y, out, of->n, c, 0, NE_F32, NE_HOST};
    size_t           bytes = 0;
    ne_embedding    *e;

    ck_assert_int_eq(ne_embedding_create(context, of->method, &e), NE_OK);
    if (strcmp(of->method, "pca") != 0) ck_assert_int_eq(ne_embedding_set(e, "max_iter", "2"), NE_OK);
    if (of->option) ck_assert_msg(ne_embedding_set(e, of->option, of->value) == NE_OK, "%s", ne_last_error());
    const size_t before  = counted.held;
    const size_t entries = (size_t)x.start[of->n];
    ck_assert_msg(ne_estimate_memory_sparse(e, of->n, of->d, entries, of->dtype, &bytes) == NE_OK, "%s",
                  ne_last_error());
    ck_assert_uint_eq(counted.held, before);
    counted.most = counted.held;
    ck_assert_msg(ne_embedding_fit_sparse(e, &x.view, &y) == NE_OK, "%s", ne_last_error());
    const double peak = (double)(counted.most - before), share = (double)bytes / peak;
    ck_assert_msg(fabs(share - 1) < 0.1, "%s %zu x %zu, %zu entries, %s: %zu bytes are %.3f of %.0f", of->method, of->n,
                  of->d, entries, of->option ? of->option : "", bytes, share, peak);
    ne_embedding_free(e);
    free(x.start);
    free(x.col);
    free(x.val);
}
END_TEST

START_TEST(what_a_fit_to_sparse_rows_would_refuse_is_refused)
{
    static const char *const options[][4] = {
        {"tsne", "knn", "approximate", "knn: approximate is not there for sparse rows"},
        {"tsne", "metric", "chebyshev", "metric: chebyshev is not there for sparse rows"},
        {"tsne", "keep_data", "true", "keep_data: true keeps a copy of dense rows"},
        {"tsnekhorn", "n_components", "2", "tsnekhorn: compares all pairs"},
        {"phate", "n_components", "2", "phate: takes dense rows only"},
        {"pacmap", "n_components", "2", "it is sparse"},
    };
    ne_embedding *e;
    size_t        bytes = 7;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        ck_assert_int_eq(ne_embedding_create(context, options[i][0], &e), NE_OK);
        ck_assert_int_eq(ne_embedding_set(e, options[i][1], options[i][2]), NE_OK);
        ck_assert_int_eq(ne_estimate_memory_sparse(e, 1000, 500, 5000, NE_F32, &bytes), NE_UNSUPPORTED);
        ck_assert_msg(strstr(ne_last_error(), options[i][3]) != NULL, "%s", ne_last_error());
        ne_embedding_free(e);
    }
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &e), NE_OK);
    ck_assert_int_eq(ne_estimate_memory_sparse(NULL, 100, 5, 9, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 100, 5, 9, NE_F32, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 0, 5, 0, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 1, 5, 0, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 100, 0, 0, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 100, 5, 501, NE_F32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 100, 5, 9, NE_I32, &bytes), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 1000, INT32_MAX, 9, NE_F32, &bytes), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, (size_t)1 << 32, 1, 9, NE_F32, &bytes), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 1000000, 100000, UINT32_MAX, NE_F32, &bytes), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "2^32 are too many"));
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 50, 5, 9, NE_F32, &bytes), NE_OK);
    ck_assert_int_eq(ne_embedding_set(e, "perplexity", "99"), NE_OK);
    bytes = 7;
    ck_assert_int_eq(ne_estimate_memory_sparse(e, 50, 5, 9, NE_F32, &bytes), NE_OUT_OF_RANGE);
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
    tcase_add_loop_test(t, an_estimate_for_sparse_rows_is_within_a_tenth_of_the_peak, 0, sizeof texts / sizeof *texts);
    tcase_add_test(t, what_a_fit_to_sparse_rows_would_refuse_is_refused);
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
