/* tests/test_sparse.c: sparse rows through the public calls: what is taken and what is refused, principal components and
 * whole fits against the same rows laid out. */
#include "sparse_data.h"

#include "fault.h"

#include <limits.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s", ne_last_error())

/* --- What is taken. */

static ne_graph *graph_of(const char *metric, int64_t k)
{
    ne_graph *graph = NULL;
    OK(ne_graph_create(context, &graph));
    OK(ne_graph_set(graph, "metric", metric));
    OK(ne_graph_set_int(graph, "n_neighbors", k));
    return graph;
}

static void check_equal(const ne_graph *a, const ne_graph *b)
{
    ne_csr p, q;
    OK(ne_graph_csr(a, &p));
    OK(ne_graph_csr(b, &q));
    ck_assert_uint_eq(p.rows, q.rows);
    const size_t entries = (size_t)p.start[p.rows];
    ck_assert_int_eq(p.start[p.rows], q.start[q.rows]);
    ck_assert(memcmp(p.col, q.col, entries * sizeof *p.col) == 0);
    ck_assert(memcmp(p.val, q.val, entries * sizeof(float)) == 0);
}

/* The entries of each row backwards, and zeros between them. */
START_TEST(the_order_of_columns_and_stored_zeros_do_not_matter)
{
    data        of = words(200, 40, WEIGHTS);
    sparse_data x = sparse_of(&of, NE_F32), other = sparse_of(&of, NE_F32);
    ne_graph   *graph = graph_of("cosine", 7), *again = graph_of("cosine", 7);
    int64_t     used   = 0;
    double      recall = 0;
    for (size_t i = 0; i < of.n; i++) {
        for (size_t j = of.d; j-- > 0;) {
            const float value = of.f[i * of.stride + j];
            if (!(value > 0) && j % 3) continue;
            other.col[used]            = (int32_t)j;
            ((float *)other.val)[used] = value > 0 ? value : j % 2 ? -0.0f : 0.0f;
            used++;
        }
        other.start[i + 1] = used;
    }
    ck_assert(used > x.start[of.n]);
    OK(ne_graph_build_sparse(graph, &x.view));
    OK(ne_graph_build_sparse(again, &other.view));
    check_equal(graph, again);
    OK(ne_graph_get_real(graph, "recall_measured", &recall));
    ck_assert(recall == 1);
    ck_assert_int_eq(ne_graph_get_kind(graph), NE_GRAPH_DISTANCES);
    ne_graph_free(graph);
    ne_graph_free(again);
    sparse_free(&x);
    sparse_free(&other);
    data_free(&of);
}
END_TEST

static void refused(ne_graph *graph, const ne_csr *x, ne_status status, const char *text)
{
    const ne_status st = ne_graph_build_sparse(graph, x);
    ck_assert_msg(st == status && strstr(ne_last_error(), text), "%d: '%s', not '%s'", (int)st, ne_last_error(), text);
}

START_TEST(what_is_malformed_is_refused_by_row_and_column)
{
    int64_t   start[] = {0, 2, 2, 4};
    int32_t   col[]   = {3, 0, 1, 4};
    float     f[]     = {1, -2, 3, 4};
    double    wide[]  = {1, -2, 3, 1e60};
    ne_csr    x       = {sizeof x, 3, 5, start, col, f, NE_F32, NE_HOST}, bad;
    ne_graph *graph   = graph_of("euclidean", 1);
    OK(ne_graph_build_sparse(graph, &x)); /* negative values, an empty row, columns that fall */

    refused(graph, NULL, NE_INVALID_ARGUMENT, "x: a null pointer");
    bad = x, bad.struct_size = 8;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "struct_size");
    bad = x, bad.start = NULL;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "start is a null pointer");
    bad = x, bad.col = NULL;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "col is a null pointer");
    bad = x, bad.val = NULL;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "val is a null pointer");
    bad = x, bad.rows = 0;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "x: 0 x 5");
    bad = x, bad.rows = 1;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "1 row");
    bad = x, bad.cols = 0;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "x: 3 x 0");
    bad = x, bad.cols = (size_t)INT32_MAX + 1;
    refused(graph, &bad, NE_UNSUPPORTED, "columns");
    bad = x, bad.dtype = NE_I32;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "dtype");
    bad = x, bad.place = NE_DEVICE;
    refused(graph, &bad, NE_UNSUPPORTED, "host memory");
    bad = x, bad.val = wide, bad.dtype = NE_F64;
    refused(graph, &bad, NE_INVALID_ARGUMENT, "row 2, column 4 is 1e+60");

    start[0] = 1;
    refused(graph, &x, NE_INVALID_ARGUMENT, "start[0] is 1");
    start[0] = 0, start[2] = 1;
    refused(graph, &x, NE_INVALID_ARGUMENT, "from 2 to 1 at row 1");
    start[2] = 2, col[3] = 5;
    refused(graph, &x, NE_INVALID_ARGUMENT, "row 2 names column 5, outside [0, 5)");
    col[3] = -1;
    refused(graph, &x, NE_INVALID_ARGUMENT, "row 2 names column -1");
    col[3] = 1;
    refused(graph, &x, NE_INVALID_ARGUMENT, "row 2 names column 1 twice");
    col[3] = 4, f[1] = NAN;
    refused(graph, &x, NE_INVALID_ARGUMENT, "row 0, column 0 is nan");
    f[1] = -INFINITY;
    refused(graph, &x, NE_INVALID_ARGUMENT, "row 0, column 0 is -inf");
    f[1] = -2;
    OK(ne_graph_set_int(graph, "n_neighbors", 3));
    refused(graph, &x, NE_OUT_OF_RANGE, "n_neighbors");
    OK(ne_graph_set_int(graph, "n_neighbors", 2));
    OK(ne_graph_build_sparse(graph, &x));
    OK(ne_graph_set(graph, "metric", "chebyshev"));
    refused(graph, &x, NE_UNSUPPORTED, "chebyshev");
    OK(ne_graph_set(graph, "metric", "cosine"));
    OK(ne_graph_set(graph, "knn", "faiss"));
    refused(graph, &x, NE_UNSUPPORTED, "faiss");
    ck_assert_int_eq(ne_graph_build_sparse(NULL, &x), NE_INVALID_ARGUMENT);
    ne_graph_free(graph);
}
END_TEST

/* --- Principal components. */

static ne_embedding *embedding_of(const char *name, int64_t c)
{
    ne_embedding *e = NULL;
    OK(ne_embedding_create(context, name, &e));
    OK(ne_embedding_set_int(e, "n_components", c));
    if (strcmp(name, "kernel_pca") != 0) OK(ne_embedding_set_int(e, "random_state", 3));
    return e;
}

static ne_dense dense_of(double *y, size_t rows, size_t cols)
{
    return (ne_dense){sizeof(ne_dense), y, rows, cols, cols, NE_F64, NE_HOST};
}

/* Values that fall from column to column, so that the components are apart. */
static data apart(size_t n, size_t d, size_t each)
{
    data made = data_new(n, d, d);
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < each; a++) {
            const double u = uniform(7, i, a);
            const size_t j = (size_t)(u * u * (double)d);
            data_set(&made, i, j, (1 + 6 * exp(-(double)j / 3)) * (0.2 + uniform(8, i, a)));
        }
    return made;
}

enum {
    C = 3
};

/* Through the covariance, through products of rows, and through products with a few vectors; as floats and as doubles.
 * All ways are in double, but for the floats of the dense covariance: 1e-6 of the largest variance. */
static const struct {
    size_t n, d, each;
} shapes[] = {{400, 30, 6}, {90, 700, 9}, {2100, 2050, 3}, {5, 3, 2}};

START_TEST(components_are_those_of_the_rows_laid_out)
{
    for (int dtype = NE_F32; dtype <= (_i == 2 ? NE_F32 : NE_F64); dtype++) { /* the dense solver takes seconds there */
        data          of = apart(shapes[_i].n, shapes[_i].d, shapes[_i].each);
        const size_t  n = of.n, d = of.d;
        sparse_data   x    = sparse_of(&of, (ne_dtype)dtype);
        ne_dense      laid = view_of(&of, NE_F64);
        ne_embedding *e = embedding_of("pca", C), *want = embedding_of("pca", C);
        double       *y = calloc(3 * n, C * sizeof *y), *v = calloc(4 * d, C * sizeof *v), s[C], t[C];
        ne_dense      to = dense_of(y, n, C), there = dense_of(y + n * C, n, C), new = dense_of(y + 2 * n * C, n, C);
        OK(ne_embedding_fit_sparse(e, &x.view, &to));
        OK(ne_embedding_fit(want, &laid, &there));
        OK(ne_embedding_get_array(e, "explained_variance", s, C));
        OK(ne_embedding_get_array(want, "explained_variance", t, C));
        OK(ne_embedding_get_array(e, "components", v, C * d));
        OK(ne_embedding_get_array(want, "components", v + C * d, C * d));
        OK(ne_embedding_get_array(e, "mean", v + 2 * C * d, d));
        OK(ne_embedding_get_array(want, "mean", v + 3 * C * d, d));
        for (size_t k = 0; k < C; k++) ck_assert_double_eq_tol(s[k], t[k], 1e-6 * t[0]);
        for (size_t j = 0; j < C * d; j++) ck_assert_double_eq_tol(v[j], v[C * d + j], 1e-5);
        for (size_t j = 0; j < d; j++) ck_assert_double_eq_tol(v[2 * C * d + j], v[3 * C * d + j], 1e-12);
        for (size_t i = 0; i < n * C; i++) ck_assert_double_eq_tol(y[i], y[n * C + i], 1e-4);
        OK(ne_embedding_transform_sparse(e, &x.view, &new));
        ck_assert(memcmp(y, y + 2 * n * C, n * C * sizeof *y) == 0);
        OK(ne_embedding_transform(e, &laid, &new));
        for (size_t i = 0; i < n * C; i++) ck_assert_double_eq_tol(y[i], y[2 * n * C + i], 1e-12);
        ne_embedding_free(e);
        ne_embedding_free(want);
        free(y);
        free(v);
        sparse_free(&x);
        data_free(&of);
    }
}
END_TEST

START_TEST(pca_has_the_same_bits_for_any_number_of_threads)
{
    data        of = apart(shapes[_i].n, shapes[_i].d, shapes[_i].each);
    sparse_data x  = sparse_of(&of, NE_F32);
    double     *y  = calloc(2 * of.n, C * sizeof *y);
    for (int threads = 1; threads <= 2; threads++) {
        ne_dense      to = dense_of(y + (size_t)(threads - 1) * of.n * C, of.n, C);
        ne_embedding *e  = embedding_of("pca", C);
        OK(ne_context_set_int(context, "threads", threads));
        OK(ne_embedding_fit_sparse(e, &x.view, &to));
        ne_embedding_free(e);
    }
    ck_assert(memcmp(y, y + of.n * C, of.n * C * sizeof *y) == 0);
    free(y);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

/* Rows of zeros have no direction; three rows have two. */
START_TEST(pca_of_few_or_constant_rows_is_orthonormal)
{
    for (size_t n = 1; n <= 3; n++)
        for (int empty = 0; empty < 2; empty++) {
            data          of = empty ? data_new(n, 4, 4) : words(n, 4, WEIGHTS);
            sparse_data   x  = sparse_of(&of, NE_F32);
            ne_embedding *e  = embedding_of("pca", 1);
            double        y[3], v[4], square = 0;
            ne_dense      to = dense_of(y, n, 1);
            OK(ne_embedding_fit_sparse(e, &x.view, &to));
            OK(ne_embedding_get_array(e, "components", v, 4));
            for (size_t j = 0; j < 4; j++) square += v[j] * v[j];
            ck_assert_double_eq_tol(square, 1, 1e-12);
            for (size_t i = 0; i < n && empty; i++) ck_assert(y[i] == 0);
            ne_embedding_free(e);
            sparse_free(&x);
            data_free(&of);
        }
}
END_TEST

START_TEST(pca_refuses_what_does_not_fit)
{
    data          of = words(30, 8, COUNTS);
    sparse_data   x  = sparse_of(&of, NE_F32);
    ne_embedding *e = embedding_of("pca", 2), *other = embedding_of("kernel_pca", 2);
    double        y[60];
    ne_dense      to = dense_of(y, 30, 2), thin = dense_of(y, 30, 1);
    ne_csr        wide = x.view;
    ck_assert_int_eq(ne_embedding_transform_sparse(e, &x.view, &to), NE_NOT_FITTED);
    ck_assert_int_eq(ne_embedding_fit_sparse(e, &x.view, &thin), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_fit_sparse(e, &x.view, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_fit_sparse(NULL, &x.view, &to), NE_INVALID_ARGUMENT);
    OK(ne_embedding_fit_sparse(e, &x.view, &to));
    wide.cols = 9;
    ck_assert_int_eq(ne_embedding_transform_sparse(e, &wide, &to), NE_INVALID_ARGUMENT);
    ck_assert(strstr(ne_last_error(), "9 columns"));
    ck_assert_int_eq(ne_embedding_transform_sparse(e, &x.view, &thin), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_fit_sparse(other, &x.view, &to), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_embedding_transform_sparse(other, &x.view, &to), NE_UNSUPPORTED);
    OK(ne_embedding_set_int(e, "n_components", 9));
    ck_assert_int_eq(ne_embedding_fit_sparse(e, &x.view, &to), NE_INVALID_ARGUMENT);
    ne_embedding_free(e);
    ne_embedding_free(other);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

/* --- Fits. */

static void options_of_small_fit(ne_embedding *e, const char *init)
{
    OK(ne_embedding_set(e, "init", init));
    OK(ne_embedding_set_int(e, "max_iter", 30));
}

/* Counts have the same distances to the bit, dense or sparse, so from a start that is the same the whole fit is; and the
 * start by components is close enough that after one step all is. */
START_TEST(a_fit_is_that_of_the_rows_laid_out)
{
    static const char *const methods[] = {"tsne", "umap", "largevis", "infotsne", "cosne"};
    static const char *const inits[]   = {"random", "pca", "spectral"};
    data                     of        = words(220, 40, COUNTS);
    sparse_data              x         = sparse_of(&of, NE_F32);
    const ne_dense           laid      = view_of(&of, NE_F32);
    double                  *y = calloc(4 * of.n, sizeof *y), largest = 0;
    for (size_t init = 0; init < 3; init++) {
        ne_embedding *e = embedding_of(methods[_i], 2), *want = embedding_of(methods[_i], 2);
        ne_dense      to = dense_of(y, of.n, 2), there = dense_of(y + 2 * of.n, of.n, 2);
        options_of_small_fit(e, inits[init]);
        options_of_small_fit(want, inits[init]);
        if (init == 1) {
            OK(ne_embedding_set_int(e, "max_iter", 1));
            OK(ne_embedding_set_int(want, "max_iter", 1));
        }
        OK(ne_embedding_fit_sparse(e, &x.view, &to));
        OK(ne_embedding_fit(want, &laid, &there));
        if (init != 1) ck_assert(memcmp(y, y + 2 * of.n, 2 * of.n * sizeof *y) == 0);
        for (size_t i = 0; i < 2 * of.n; i++) largest = fmax(largest, fabs(y[2 * of.n + i]));
        ck_assert(largest > 0);
        for (size_t i = 0; i < 2 * of.n; i++) ck_assert_double_eq_tol(y[i], y[2 * of.n + i], 1e-3 * largest);
        ne_embedding_free(e);
        ne_embedding_free(want);
    }
    free(y);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

START_TEST(a_method_that_needs_x_says_so)
{
    static const struct {
        const char *method, *option, *value, *text;
    } cases[]      = {{"pacmap", NULL, NULL, "mid_near_ratio"},
                      {"localmap", NULL, NULL, "mid_near_ratio"},
                      {"trimap", NULL, NULL, "sparse"},
                      {"tsnekhorn", NULL, NULL, "sparse"},
                      {"sne", "keep_data", "true", "keep_data"},
                      {"tsne", "keep_data", "true", "keep_data"},
                      {"tsne", "metric", "chebyshev", "chebyshev"},
                      {"phate", NULL, NULL, "dense rows only"},
                      {"incremental_pca", NULL, NULL, "dense rows only"}};
    data        of = words(120, 30, COUNTS);
    sparse_data x  = sparse_of(&of, NE_F32);
    double      y[240];
    ne_dense    to = dense_of(y, of.n, 2);
    for (size_t a = 0; a < sizeof cases / sizeof *cases; a++) {
        ne_embedding *e = NULL;
        OK(ne_embedding_create(context, cases[a].method, &e));
        if (cases[a].option) OK(ne_embedding_set(e, cases[a].option, cases[a].value));
        const ne_status st = ne_embedding_fit_sparse(e, &x.view, &to);
        ck_assert_msg(st == NE_UNSUPPORTED && strstr(ne_last_error(), cases[a].text), "%s: %d, %s", cases[a].method,
                      (int)st, ne_last_error());
        ne_embedding_free(e);
    }
    sparse_free(&x);
    data_free(&of);
}
END_TEST

typedef struct stopper {
    const char *phase;
    int         seen;
} stopper;

static int stop_in(void *user, const char *phase, int64_t step, int64_t steps, double loss, double norm)
{
    stopper *s = user;
    (void)step;
    (void)steps;
    (void)loss;
    (void)norm;
    s->seen |= strcmp(phase, s->phase) == 0;
    return s->seen;
}

/* Stopped before there is a layout, y stays as it was; afterwards it is the layout so far. */
START_TEST(a_fit_can_be_cancelled_and_fitted_again)
{
    static const char *const phases[] = {"knn", "init", "exaggeration"};
    data                     of       = words(200, 30, COUNTS);
    sparse_data              x        = sparse_of(&of, NE_F32);
    ne_embedding            *e        = embedding_of("tsne", 2);
    double                   y[400], again[400];
    ne_dense                 to = dense_of(y, of.n, 2), twice = dense_of(again, of.n, 2);
    OK(ne_embedding_set_int(e, "max_iter", 20));
    OK(ne_embedding_fit_sparse(e, &x.view, &to));
    for (size_t a = 0; a < 3; a++) {
        stopper stop = {phases[a], 0};
        for (size_t i = 0; i < 400; i++) again[i] = 77;
        OK(ne_embedding_set_progress(e, stop_in, &stop));
        ck_assert_int_eq(ne_embedding_fit_sparse(e, &x.view, &twice), NE_CANCELLED);
        ck_assert(stop.seen && (again[399] == 77) == (a < 2));
    }
    OK(ne_embedding_set_progress(e, NULL, NULL));
    OK(ne_embedding_fit_sparse(e, &x.view, &twice));
    ck_assert(memcmp(y, again, sizeof y) == 0);
    ne_embedding_free(e);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

/* What an allocation that fails in turn leaves behind, by pca of three ways and by a fit with its start. */
START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    data               of     = apart(shapes[_i % 3].n / 3, shapes[_i % 3].d / 3, 3);
    sparse_data        x      = sparse_of(&of, NE_F32);
    fault              mem    = {.until = LONG_MAX};
    const ne_allocator faulty = {fault_allocate, fault_release, &mem};
    ne_context        *own    = NULL;
    ne_embedding      *e      = NULL;
    int                fired  = 1;
    double            *y      = calloc(of.n, 2 * sizeof *y);
    const ne_dense     to     = dense_of(y, of.n, 2);
    OK(ne_context_create_with(&faulty, &own));
    OK(ne_embedding_create(own, _i < 2 ? "pca" : "tsne", &e));
    if (_i >= 2) OK(ne_embedding_set_int(e, "max_iter", 2));
    for (long k = 0; fired; k++) {
        const long before  = mem.live;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = ne_embedding_fit_sparse(e, &x.view, &to);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d, %s", k, (int)st,
                      ne_last_error());
        if (fired && _i < 2) ck_assert_int_eq(mem.live, before); /* a fit that has started is kept */
    }
    ne_embedding_free(e);
    ne_context_free(own);
    ck_assert_int_eq(mem.live, 0);
    free(y);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

Suite *sparse_suite(void);

Suite *sparse_suite(void)
{
    Suite *suite = suite_create("sparse");
    TCase *rows = tcase_create("rows"), *fits = tcase_create("fits");
    tcase_add_checked_fixture(rows, open_context, close_context);
    tcase_add_checked_fixture(fits, open_context, close_context);
    tcase_set_timeout(rows, 100);
    tcase_set_timeout(fits, 200);
    tcase_add_test(rows, the_order_of_columns_and_stored_zeros_do_not_matter);
    tcase_add_test(rows, what_is_malformed_is_refused_by_row_and_column);
    tcase_add_loop_test(rows, components_are_those_of_the_rows_laid_out, 0, 4);
    tcase_add_loop_test(rows, pca_has_the_same_bits_for_any_number_of_threads, 0, 3);
    tcase_add_test(rows, pca_of_few_or_constant_rows_is_orthonormal);
    tcase_add_test(rows, pca_refuses_what_does_not_fit);
    tcase_add_loop_test(fits, a_fit_is_that_of_the_rows_laid_out, 0, 5);
    tcase_add_test(fits, a_method_that_needs_x_says_so);
    tcase_add_test(fits, a_fit_can_be_cancelled_and_fitted_again);
    tcase_add_loop_test(fits, every_failed_allocation_is_reported_and_loses_nothing, 0, 3);
    suite_add_tcase(suite, rows);
    suite_add_tcase(suite, fits);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(sparse_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
