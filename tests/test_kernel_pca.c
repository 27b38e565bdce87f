/* tests/test_kernel_pca.c: principal components of a kernel, against scikit-learn and against other roads to them. */
#include "model_data.h"
#include "oracle/models.h"

enum {
    N = MODEL_ROWS,
    D = MODEL_COLS,
    C = 3
};

static ne_context *context;
static double      x[N * D], y[N * C];
static ne_dense    from, to;

static void open_context(void)
{
    OK(ne_context_create(&context));
    model_clouds(N, D, 1, x);
    from = view_of_f64(x, N, D);
    to   = view_of_f64(y, N, C);
}

static void close_context(void)
{
    ne_context_free(context);
}

/* The iteration bounds the angle of a vector by 1e-6, and coordinates are up to 7. */
START_TEST(it_is_what_scikit_learn_computes)
{
    const kernel_case *of = &kernel_cases[_i];
    ne_embedding      *e  = model_new(context, "kernel_pca", C);
    double             values[C], rows[2 * D], fresh[2 * C];
    const ne_dense     others = view_of_f64(rows, 2, D), mapped = view_of_f64(fresh, 2, C);

    model_clouds(2, D, 9, rows);
    OK(ne_embedding_set(e, "affinity", of->affinity));
    OK(ne_embedding_set_real(e, "sigma", of->sigma));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_transform(e, &others, &mapped));
    OK(ne_embedding_get_array(e, "eigenvalues", values, C));
    for (size_t k = 0; k < C; k++) {
        const double sign = y[k] * of->old[k] < 0 ? -1 : 1;
        model_close(values[k], of->values[k], 1e-9 * of->values[0]);
        for (size_t i = 0; i < 2; i++) {
            model_close(sign * y[i * C + k], of->old[i * C + k], 1e-5);
            model_close(sign * fresh[i * C + k], of->fresh[i * C + k], 1e-5);
        }
    }
    ne_embedding_free(e);
}
END_TEST

START_TEST(rows_of_the_fit_are_mapped_to_where_the_fit_put_them)
{
    static const char *const names[] = {"gaussian", "student", "scalar_product"};
    ne_embedding            *e       = model_new(context, "kernel_pca", C);
    double                   again[N * C];
    const ne_dense           mapped = view_of_f64(again, N, C);
    OK(ne_embedding_set(e, "affinity", names[_i]));
    OK(ne_embedding_set_real(e, "sigma", 5));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_transform(e, &from, &mapped));
    for (size_t i = 0; i < N * C; i++) model_close(again[i], y[i], 1e-5); /* (K - lambda) v of the iteration */
    ne_embedding_free(e);
}
END_TEST

START_TEST(the_largest_entry_of_each_eigenvector_is_positive_and_its_length_is_1)
{
    ne_embedding *e = model_new(context, "kernel_pca", C);
    double        v[N * C], values[C];
    OK(ne_embedding_set_real(e, "sigma", 5));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_get_array(e, "eigenvectors", v, N * C));
    OK(ne_embedding_get_array(e, "eigenvalues", values, C));
    for (size_t k = 0; k < C; k++) {
        double most = 0, least = 0, square = 0;
        for (size_t i = 0; i < N; i++) {
            most  = fmax(most, v[i * C + k]);
            least = fmin(least, v[i * C + k]);
            square += v[i * C + k] * v[i * C + k];
            model_close(y[i * C + k], v[i * C + k] * sqrt(values[k]), 1e-12);
        }
        ck_assert_double_ge(most, -least);
        model_close(square, 1, 1e-12);
        ck_assert(k == 0 || values[k] <= values[k - 1]);
    }
    ne_embedding_free(e);
}
END_TEST

/* normalized_gaussian is the same kernel over its sum, in float: so the diagonal was kept. */
START_TEST(an_affinity_gives_the_components_of_its_matrix)
{
    ne_embedding *own = model_new(context, "kernel_pca", C), *other = model_new(context, "kernel_pca", C);
    double        a[C], b[C], v[N * C], w[N * C];
    OK(ne_embedding_set_real(own, "sigma", 20));
    OK(ne_embedding_set_real(other, "sigma", 20));
    OK(ne_embedding_set(other, "affinity", "normalized_gaussian"));
    OK(ne_embedding_fit(own, &from, &to));
    OK(ne_embedding_fit(other, &from, &to));
    OK(ne_embedding_get_array(own, "eigenvalues", a, C));
    OK(ne_embedding_get_array(other, "eigenvalues", b, C));
    OK(ne_embedding_get_array(own, "eigenvectors", v, N * C));
    OK(ne_embedding_get_array(other, "eigenvectors", w, N * C));
    for (size_t k = 0; k < C; k++) model_close(b[k] / b[0], a[k] / a[0], 1e-5);
    for (size_t i = 0; i < N * C; i++) model_close(w[i], v[i], 1e-4);
    FAILS(ne_embedding_transform(other, &from, &to), NE_UNSUPPORTED, "affinity");
    ne_embedding_free(own);
    ne_embedding_free(other);
}
END_TEST

START_TEST(what_is_no_kernel_is_refused)
{
    static const struct {
        const char *affinity, *word;
        ne_status   status;
    } cases[]       = {{"umap", "eigenvalues", NE_INVALID_ARGUMENT},
                       {"magic", "symmetric", NE_INVALID_ARGUMENT},
                       {"no_such_thing", "no_such_thing", NE_UNKNOWN_NAME}};
    ne_embedding *e = model_new(context, "kernel_pca", C);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OK(ne_embedding_set(e, "affinity", cases[i].affinity));
        FAILS(ne_embedding_fit(e, &from, &to), cases[i].status, cases[i].word);
    }
    ne_embedding_free(e);
}
END_TEST

/* K is then the identity, and less its means has the eigenvalue 1 n - 1 times: what LAPACK's bisection cannot tell apart. */
START_TEST(rows_that_do_not_know_each_other_have_equal_eigenvalues)
{
    ne_embedding *e = model_new(context, "kernel_pca", C);
    double        values[C];
    OK(ne_embedding_set_real(e, "sigma", 1e-6));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_get_array(e, "eigenvalues", values, C));
    for (size_t k = 0; k < C; k++) model_close(values[k], 1, 1e-12);
    ne_embedding_free(e);
}
END_TEST

START_TEST(a_shift_of_the_data_changes_nothing)
{
    ne_embedding *e = model_new(context, "kernel_pca", C);
    double        shifted[N * D], other[N * C];
    for (size_t i = 0; i < (size_t)N * D; i++) shifted[i] = x[i] + 1048576;
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = shifted[i] - 1048576; /* the same digits */
    const ne_dense far = view_of_f64(shifted, N, D), there = view_of_f64(other, N, C);
    OK(ne_embedding_set_real(e, "sigma", 20));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_fit(e, &far, &there));
    for (size_t i = 0; i < N * C; i++) model_close(other[i], y[i], 1e-6);
    ne_embedding_free(e);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    double         first[N * C], again[N * C] = {0}, mapped[N * C];
    const ne_dense out = view_of_f64(again, N, C);
    for (int threads = 1; threads <= 3; threads++) {
        ne_embedding *e = model_new(context, "kernel_pca", C);
        OK(ne_context_set_int(context, "threads", threads));
        OK(ne_embedding_set_real(e, "sigma", 20));
        OK(ne_embedding_fit(e, &from, &to));
        OK(ne_embedding_transform(e, &from, &out));
        if (threads == 1) {
            memcpy(first, y, sizeof y);
            memcpy(mapped, again, sizeof again);
        }
        ck_assert_mem_eq(first, y, sizeof y);
        ck_assert_mem_eq(mapped, again, sizeof again);
        ne_embedding_free(e);
    }
}
END_TEST

START_TEST(few_or_equal_rows_have_coordinates_all_the_same)
{
    for (size_t n = 1; n <= 3; n++) {
        ne_embedding  *e   = model_new(context, "kernel_pca", (int64_t)n);
        const ne_dense few = view_of_f64(x, n, D), out = view_of_f64(y, n, n);
        OK(ne_embedding_fit(e, &few, &out));
        for (size_t i = 0; i < n * n; i++) ck_assert(isfinite(y[i]));
        for (size_t i = 0; i < n; i++) model_close(y[i * n + n - 1], 0, 1e-6); /* the direction that the mean takes */
        ne_embedding_free(e);
    }
    ne_embedding *e = model_new(context, "kernel_pca", C);
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = 0.3;
    OK(ne_embedding_fit(e, &from, &to));
    for (size_t i = 0; i < N * C; i++) ck_assert_double_eq(y[i], 0);
    OK(ne_embedding_transform(e, &from, &to));
    for (size_t i = 0; i < N * C; i++) ck_assert_double_eq(y[i], 0);
    ne_embedding_free(e);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    ne_embedding  *e = model_new(context, "kernel_pca", C);
    double         v[N * C];
    const ne_dense few = view_of_f64(x, 2, D), out = view_of_f64(y, 2, C), narrow = view_of_f64(x, N, D - 1);
    FAILS(ne_embedding_transform(e, &from, &to), NE_NOT_FITTED, "fitted");
    FAILS(ne_embedding_fit(e, &few, &out), NE_OUT_OF_RANGE, "n_components");
    FAILS(ne_embedding_partial_fit(e, &from), NE_UNSUPPORTED, "kernel_pca");
    ck_assert_int_eq(ne_embedding_set_real(e, "sigma", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(e, "sigma", NAN), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_set_int(e, "n_components", 0), NE_OUT_OF_RANGE);
    OK(ne_embedding_fit(e, &from, &to));
    FAILS(ne_embedding_transform(e, &narrow, &to), NE_INVALID_ARGUMENT, "x");
    FAILS(ne_embedding_inverse_transform(e, &to, &from), NE_UNSUPPORTED, "kernel_pca");
    FAILS(ne_embedding_get_array(e, "values", v, C), NE_UNKNOWN_NAME, "eigenvalues");
    x[D + 2] = NAN;
    FAILS(ne_embedding_fit(e, &from, &to), NE_INVALID_ARGUMENT, "row 1");
    ne_embedding_free(e);
}
END_TEST

START_TEST(without_memory_a_fit_fails_and_leaks_nothing)
{
    static const char *const names[] = {"gaussian", "normalized_gaussian"};
    fault                    f       = {.until = LONG_MAX};
    const ne_allocator       faulty  = {fault_allocate, fault_release, &f};
    ne_context              *own     = NULL;
    ne_status                st      = NE_OUT_OF_MEMORY;
    const ne_dense           some = view_of_f64(x, 30, D), out = view_of_f64(y, 30, C);

    OK(ne_context_create_with(&faulty, &own));
    for (long until = 0; st != NE_OK; until++) {
        ne_embedding *e = model_new(own, "kernel_pca", C);
        OK(ne_embedding_set(e, "affinity", names[_i]));
        f  = (fault){.until = until, .live = f.live};
        st = ne_embedding_fit(e, &some, &out);
        if (st != NE_OK) ck_assert_int_eq(st, NE_OUT_OF_MEMORY);
        f.until = LONG_MAX;
        ne_embedding_free(e);
        ck_assert_int_lt(until, 200);
    }
    ne_context_free(own);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

static Suite *kernel_pca_suite(void)
{
    Suite *s = suite_create("kernel pca");
    TCase *t = tcase_create("kernel pca");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, it_is_what_scikit_learn_computes, 0, (int)(sizeof kernel_cases / sizeof *kernel_cases));
    tcase_add_loop_test(t, rows_of_the_fit_are_mapped_to_where_the_fit_put_them, 0, 3);
    tcase_add_test(t, the_largest_entry_of_each_eigenvector_is_positive_and_its_length_is_1);
    tcase_add_test(t, an_affinity_gives_the_components_of_its_matrix);
    tcase_add_test(t, what_is_no_kernel_is_refused);
    tcase_add_test(t, rows_that_do_not_know_each_other_have_equal_eigenvalues);
    tcase_add_test(t, a_shift_of_the_data_changes_nothing);
    tcase_add_test(t, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(t, few_or_equal_rows_have_coordinates_all_the_same);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_loop_test(t, without_memory_a_fit_fails_and_leaks_nothing, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(kernel_pca_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
