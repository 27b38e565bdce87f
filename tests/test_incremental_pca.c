/* tests/test_incremental_pca.c: principal components block by block, against scikit-learn and against themselves. */
#include "model_data.h"
#include "oracle/models.h"

enum {
    N    = MODEL_ROWS,
    D    = MODEL_COLS,
    WIDE = 150, /* columns: more than one tile, and than LAPACK solves at once */
    TALL = 200
};

static ne_context *context;
static double      x[N * D];

static void open_context(void)
{
    OK(ne_context_create(&context));
    model_clouds(N, D, 1, x);
}

static void close_context(void)
{
    ne_context_free(context);
}

/* The sine of the largest angle between a row of v and the space of the rows of w, both orthonormal. */
static double sine(size_t c, size_t d, const double *v, const double *w)
{
    double worst = 0;
    for (size_t i = 0; i < c; i++) {
        double left[WIDE], square = 0;
        for (size_t j = 0; j < d; j++) left[j] = v[i * d + j];
        for (size_t k = 0; k < c; k++) {
            double dot = 0;
            for (size_t j = 0; j < d; j++) dot += v[i * d + j] * w[k * d + j];
            for (size_t j = 0; j < d; j++) left[j] -= dot * w[k * d + j];
        }
        for (size_t j = 0; j < d; j++) square += left[j] * left[j];
        worst = fmax(worst, sqrt(square));
    }
    return worst;
}

/* Everything is in double on both sides, and printed with 12 digits. */
START_TEST(it_is_what_scikit_learn_computes)
{
    const linear_case *of = &linear_cases[_i];
    const size_t       c  = (size_t)of->n_components;
    ne_embedding      *e  = model_new(context, "incremental_pca", of->n_components);
    double             y[N * MODEL_COMPONENTS], got[MODEL_COMPONENTS * D], noise;
    const ne_dense     from = view_of_f64(x, N, D), to = view_of_f64(y, N, c);

    if (of->batch_size) OK(ne_embedding_set_int(e, "batch_size", of->batch_size));
    OK(ne_embedding_set_int(e, "exact", of->exact));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_get_array(e, "mean", got, D));
    for (size_t j = 0; j < D; j++) model_close(got[j], of->mean[j], 1e-9);
    OK(ne_embedding_get_array(e, "singular_values", got, c));
    for (size_t k = 0; k < c; k++) model_close(got[k], of->singular[k], 1e-8);
    OK(ne_embedding_get_array(e, "explained_variance", got, c));
    for (size_t k = 0; k < c; k++) model_close(got[k], of->variance[k], 1e-9);
    OK(ne_embedding_get_array(e, "explained_variance_ratio", got, c));
    for (size_t k = 0; k < c; k++) model_close(got[k], of->ratio[k], 1e-9);
    OK(ne_embedding_get_array(e, "noise_variance", &noise, 1));
    model_close(noise, of->noise, 1e-9);
    OK(ne_embedding_get_array(e, "components", got, c * D));
    ck_assert_double_lt(sine(c, D, got, of->components), 1e-8);
    for (size_t k = 0; k < c; k++) {
        double along = 0; /* scikit-learn's signs follow the same rule, in every version that has one */
        for (size_t j = 0; j < D; j++) along += got[k * D + j] * of->components[k * D + j];
        ck_assert_double_gt(along, 1 - 1e-9);
        model_close(y[k], of->first[k], 1e-8);
    }
    ne_embedding_free(e);
}
END_TEST

static void all_of(ne_embedding *e, size_t c, size_t d, double *to)
{
    OK(ne_embedding_get_array(e, "mean", to, d));
    OK(ne_embedding_get_array(e, "components", to + d, c * d));
    OK(ne_embedding_get_array(e, "singular_values", to + d + c * d, c));
    OK(ne_embedding_get_array(e, "noise_variance", to + d + c * d + c, 1));
    OK(ne_embedding_get_array(e, "explained_variance_ratio", to + d + c * d + c + 1, c));
}

START_TEST(rows_that_arrive_in_blocks_give_the_bits_of_one_fit)
{
    enum {
        C    = 3,
        SIZE = D + C * D + C + 1 + C
    };
    ne_embedding  *whole = model_new(context, "incremental_pca", C), *parts = model_new(context, "incremental_pca", C);
    double         y[N * C], again[N * C], a[SIZE], b[SIZE];
    const ne_dense from = view_of_f64(x, N, D), to = view_of_f64(y, N, C), other = view_of_f64(again, N, C);

    OK(ne_embedding_set_int(whole, "batch_size", 40));
    OK(ne_embedding_set_int(whole, "exact", _i));
    OK(ne_embedding_set_int(parts, "exact", _i));
    OK(ne_embedding_fit(whole, &from, &to));
    for (size_t at = 0, end; at < N; at = end) {
        end                  = at == 80 ? N : at + 40; /* the last block is longer: two rows would be too few */
        const ne_dense block = view_of_f64(x + at * D, end - at, D);
        OK(ne_embedding_partial_fit(parts, &block));
    }
    all_of(whole, C, D, a);
    all_of(parts, C, D, b);
    ck_assert_mem_eq(a, b, sizeof a);
    OK(ne_embedding_transform(parts, &from, &other));
    ck_assert_mem_eq(y, again, sizeof y);
    ne_embedding_free(whole);
    ne_embedding_free(parts);
}
END_TEST

/* Sums in another order: some hundred roundings of 1e-16 of values up to 30. */
START_TEST(exact_components_do_not_depend_on_the_blocks)
{
    enum {
        C    = 2,
        SIZE = D + C * D + C + 1 + C
    };
    static const size_t cuts[] = {1, 2, 9, 121};
    ne_embedding       *whole  = model_new(context, "incremental_pca", C);
    double              y[N * C], a[SIZE], b[SIZE];
    const ne_dense      from = view_of_f64(x, N, D), to = view_of_f64(y, N, C);
    OK(ne_embedding_set(whole, "exact", "true"));
    OK(ne_embedding_fit(whole, &from, &to));
    all_of(whole, C, D, a);
    for (size_t i = 1; i < sizeof cuts / sizeof *cuts; i++) {
        ne_embedding *parts = model_new(context, "incremental_pca", C);
        OK(ne_embedding_set(parts, "exact", "true"));
        const ne_dense first = view_of_f64(x, cuts[i], D), rest = view_of_f64(x + cuts[i] * D, N - cuts[i], D);
        OK(ne_embedding_partial_fit(parts, &first));
        OK(ne_embedding_partial_fit(parts, &rest));
        all_of(parts, C, D, b);
        for (size_t e = 0; e < SIZE; e++) model_close(b[e], a[e], 1e-11);
        ne_embedding_free(parts);
    }
    ne_embedding_free(whole);
}
END_TEST

START_TEST(a_block_of_one_row_moves_the_mean)
{
    ne_embedding  *e = model_new(context, "incremental_pca", 2);
    double         mean[D], expected[D] = {0};
    const ne_dense first = view_of_f64(x, 60, D), row = view_of_f64(x + 60 * D, 1, D);
    OK(ne_embedding_partial_fit(e, &first));
    OK(ne_embedding_partial_fit(e, &row));
    OK(ne_embedding_get_array(e, "mean", mean, D));
    for (size_t i = 0; i < 61; i++)
        for (size_t j = 0; j < D; j++) expected[j] += x[i * D + j] / 61;
    for (size_t j = 0; j < D; j++) model_close(mean[j], expected[j], 1e-13);
    ne_embedding_free(e);
}
END_TEST

START_TEST(all_components_map_there_and_back)
{
    ne_embedding  *e = model_new(context, "incremental_pca", D);
    double         y[N * D], back[N * D], noise;
    const ne_dense from = view_of_f64(x, N, D), to = view_of_f64(y, N, D), again = view_of_f64(back, N, D);
    OK(ne_embedding_set_int(e, "batch_size", 30));
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_inverse_transform(e, &to, &again));
    for (size_t i = 0; i < (size_t)N * D; i++) model_close(back[i], x[i], 1e-12);
    OK(ne_embedding_get_array(e, "noise_variance", &noise, 1));
    ck_assert_double_eq(noise, 0);
    ne_embedding_free(e);
}
END_TEST

START_TEST(floats_in_wide_rows_are_read_as_they_are)
{
    ne_embedding *e = model_new(context, "incremental_pca", 2);
    float         narrow[N * (D + 3)], y[N * 2];
    double        same[N * D], a[D], b[D], z[N * 2];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D + 3; j++) {
            narrow[i * (D + 3) + j] = j < D ? (float)x[i * D + j] : NAN;
            if (j < D) same[i * D + j] = (double)narrow[i * (D + 3) + j];
        }
    const ne_dense from = {sizeof from, narrow, N, D, D + 3, NE_F32, NE_HOST}, to = view_of_f32(y, N, 2);
    const ne_dense wide = view_of_f64(same, N, D), out = view_of_f64(z, N, 2);
    OK(ne_embedding_fit(e, &from, &to));
    OK(ne_embedding_get_array(e, "singular_values", a, 2));
    OK(ne_embedding_fit(e, &wide, &out));
    OK(ne_embedding_get_array(e, "singular_values", b, 2));
    ck_assert_mem_eq(a, b, 2 * sizeof *a);
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq(y[i], (float)z[i]);
    ne_embedding_free(e);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    enum {
        C    = 4,
        SIZE = WIDE + C * WIDE + C + 1 + C
    };
    double *data = malloc(sizeof *data * TALL * WIDE), *y = malloc(sizeof *y * TALL * C);
    double *a = malloc(sizeof *a * SIZE), *b = malloc(sizeof *b * SIZE), *first = malloc(sizeof *first * TALL * C);
    ck_assert(data && y && a && b && first);
    model_clouds(TALL, WIDE, 5, data);
    const ne_dense from = view_of_f64(data, TALL, WIDE), to = view_of_f64(y, TALL, C);
    for (int threads = 1; threads <= 3; threads++) {
        ne_embedding *e = model_new(context, "incremental_pca", C);
        OK(ne_context_set_int(context, "threads", threads));
        OK(ne_embedding_set_int(e, "exact", _i));
        OK(ne_embedding_set_int(e, "batch_size", 90));
        OK(ne_embedding_fit(e, &from, &to));
        all_of(e, C, WIDE, b);
        if (threads == 1) {
            memcpy(a, b, sizeof *a * SIZE);
            memcpy(first, y, sizeof *y * TALL * C);
        }
        ck_assert_mem_eq(a, b, sizeof *a * SIZE);
        ck_assert_mem_eq(first, y, sizeof *y * TALL * C);
        ne_embedding_free(e);
    }
    free(data);
    free(y);
    free(a);
    free(b);
    free(first);
}
END_TEST

START_TEST(constant_columns_have_no_variance_and_components_all_the_same)
{
    enum {
        C = 12
    };
    static double  flat[40 * WIDE], y[40 * C], v[C * WIDE], got[C];
    const ne_dense from = view_of_f64(flat, 40, WIDE), to = view_of_f64(y, 40, C);
    for (size_t e = 0; e < sizeof flat / sizeof *flat; e++) flat[e] = 0.1;
    for (int exact = 0; exact < 2; exact++) {
        ne_embedding *e = model_new(context, "incremental_pca", C);
        OK(ne_embedding_set_int(e, "exact", exact));
        OK(ne_embedding_set_int(e, "batch_size", 20));
        OK(ne_embedding_fit(e, &from, &to));
        OK(ne_embedding_get_array(e, "components", v, C * WIDE));
        for (size_t k = 0; k < C; k++)
            for (size_t l = 0; l <= k; l++) {
                double dot = 0;
                for (size_t j = 0; j < WIDE; j++) dot += v[k * WIDE + j] * v[l * WIDE + j];
                model_close(dot, k == l, 1e-12);
            }
        OK(ne_embedding_get_array(e, "explained_variance", got, C));
        for (size_t k = 0; k < C; k++) model_close(got[k], 0, 1e-25);
        for (size_t i = 0; i < 40 * C; i++) model_close(y[i], 0, 1e-12);
        ne_embedding_free(e);
    }
}
END_TEST

START_TEST(one_row_has_a_mean_and_no_variance)
{
    ne_embedding  *e = model_new(context, "incremental_pca", 1);
    double         y = 1, got = 1, mean[D];
    const ne_dense from = view_of_f64(x, 1, D), to = view_of_f64(&y, 1, 1);
    OK(ne_embedding_fit(e, &from, &to));
    ck_assert_double_eq(y, 0);
    OK(ne_embedding_get_array(e, "explained_variance", &got, 1));
    ck_assert_double_eq(got, 0);
    OK(ne_embedding_get_array(e, "explained_variance_ratio", &got, 1));
    ck_assert_double_eq(got, 0);
    OK(ne_embedding_get_array(e, "mean", mean, D));
    ck_assert_mem_eq(mean, x, sizeof mean);
    ne_embedding_free(e);
}
END_TEST

START_TEST(bad_input_is_refused_and_changes_nothing)
{
    enum {
        SIZE = D + 2 * D + 2 + 1 + 2
    };
    ne_embedding  *e = model_new(context, "incremental_pca", 2), *pca = model_new(context, "pca", 2);
    double         y[N * (D + 1)], bad[4 * D], a[SIZE], b[SIZE];
    const ne_dense all = view_of_f64(x, N, D), to = view_of_f64(y, N, 2), few = view_of_f64(x, 1, D);
    const ne_dense narrow = view_of_f64(x, 20, D - 1), to_few = view_of_f64(y, 1, 2), wide = view_of_f64(y, N, D + 1);
    const ne_dense nan = view_of_f64(bad, 4, D);

    memcpy(bad, x, sizeof bad);
    bad[2 * D + 3] = NAN;
    FAILS(ne_embedding_transform(e, &all, &to), NE_NOT_FITTED, "fitted");
    FAILS(ne_embedding_get_array(e, "mean", a, D), NE_NOT_FITTED, "fitted");
    FAILS(ne_embedding_partial_fit(NULL, &all), NE_INVALID_ARGUMENT, "embedding");
    FAILS(ne_embedding_partial_fit(e, NULL), NE_INVALID_ARGUMENT, "x");
    FAILS(ne_embedding_partial_fit(e, &nan), NE_INVALID_ARGUMENT, "row 2");
    FAILS(ne_embedding_partial_fit(pca, &all), NE_UNSUPPORTED, "all rows");
    FAILS(ne_embedding_partial_fit(e, &few), NE_OUT_OF_RANGE, "first block");
    FAILS(ne_embedding_fit(e, &few, &to_few), NE_OUT_OF_RANGE, "n_components");
    FAILS(ne_embedding_transform(e, &all, &to), NE_NOT_FITTED, "fitted"); /* still */
    ck_assert_int_eq(ne_embedding_set_int(e, "n_components", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_int(e, "batch_size", 0), NE_OUT_OF_RANGE);
    OK(ne_embedding_set_int(e, "batch_size", 1));
    FAILS(ne_embedding_fit(e, &all, &to), NE_OUT_OF_RANGE, "batch_size");
    OK(ne_embedding_set(e, "batch_size", "none"));

    OK(ne_embedding_partial_fit(e, &all));
    all_of(e, 2, D, a);
    FAILS(ne_embedding_partial_fit(e, &narrow), NE_INVALID_ARGUMENT, "7 columns");
    FAILS(ne_embedding_partial_fit(e, &nan), NE_INVALID_ARGUMENT, "row 2");
    FAILS(ne_embedding_transform(e, &narrow, &to), NE_INVALID_ARGUMENT, "x");
    OK(ne_embedding_set(e, "exact", "true"));
    FAILS(ne_embedding_partial_fit(e, &all), NE_INVALID_ARGUMENT, "exact");
    OK(ne_embedding_set(e, "exact", "false"));
    OK(ne_embedding_set_int(e, "n_components", D + 1));
    FAILS(ne_embedding_partial_fit(e, &all), NE_INVALID_ARGUMENT, "n_components");
    FAILS(ne_embedding_fit(e, &all, &wide), NE_OUT_OF_RANGE, "columns");
    FAILS(ne_embedding_get_array(e, "scores", b, 2), NE_UNKNOWN_NAME, "noise_variance");
    all_of(e, 2, D, b);
    ck_assert_mem_eq(a, b, sizeof a);
    ne_embedding_free(e);
    ne_embedding_free(pca);
}
END_TEST

START_TEST(without_memory_the_fit_so_far_stays)
{
    enum {
        SIZE = D + 2 * D + 2 + 1 + 2
    };
    fault              f      = {.until = LONG_MAX};
    const ne_allocator faulty = {fault_allocate, fault_release, &f};
    ne_context        *own    = NULL;
    double             a[SIZE], b[SIZE];
    const ne_dense     first = view_of_f64(x, 60, D), rest = view_of_f64(x + 60 * D, N - 60, D);
    ne_status          st = NE_OUT_OF_MEMORY;

    OK(ne_context_create_with(&faulty, &own));
    for (long until = 0; st != NE_OK; until++) {
        ne_embedding *e = model_new(own, "incremental_pca", 2);
        OK(ne_embedding_set_int(e, "exact", _i));
        OK(ne_embedding_partial_fit(e, &first));
        all_of(e, 2, D, a);
        f       = (fault){.until = until, .live = f.live};
        st      = ne_embedding_partial_fit(e, &rest);
        f.until = LONG_MAX;
        if (st != NE_OK) {
            ck_assert_int_eq(st, NE_OUT_OF_MEMORY);
            all_of(e, 2, D, b);
            ck_assert_mem_eq(a, b, sizeof a);
            OK(ne_embedding_partial_fit(e, &rest));
        }
        ne_embedding_free(e);
        ck_assert_int_lt(until, 100);
    }
    ne_context_free(own);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

static Suite *incremental_pca_suite(void)
{
    Suite *s = suite_create("incremental pca");
    TCase *t = tcase_create("incremental pca");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, it_is_what_scikit_learn_computes, 0, (int)(sizeof linear_cases / sizeof *linear_cases));
    tcase_add_loop_test(t, rows_that_arrive_in_blocks_give_the_bits_of_one_fit, 0, 2);
    tcase_add_test(t, exact_components_do_not_depend_on_the_blocks);
    tcase_add_test(t, a_block_of_one_row_moves_the_mean);
    tcase_add_test(t, all_components_map_there_and_back);
    tcase_add_test(t, floats_in_wide_rows_are_read_as_they_are);
    tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 2);
    tcase_add_test(t, constant_columns_have_no_variance_and_components_all_the_same);
    tcase_add_test(t, one_row_has_a_mean_and_no_variance);
    tcase_add_test(t, bad_input_is_refused_and_changes_nothing);
    tcase_add_loop_test(t, without_memory_the_fit_so_far_stays, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(incremental_pca_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
