/* tests/test_knn_sparse.c: neighbors of sparse rows, against double loops over the same rows laid out, and against the
 * engine of dense rows. */
#include "cpu/knn_sparse.h"

#include "fault.h"
#include "sparse_data.h"

#include <limits.h>
#include <string.h>

static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_COSINE,  METRIC_ANGULAR,
                                    METRIC_CORRELATION, METRIC_MANHATTAN, METRIC_HAMMING, METRIC_JACCARD};
enum {
    KINDS = sizeof kinds / sizeof *kinds
};

static knn_request request_of(const sparse_data *x, size_t k, metric_kind kind)
{
    return (knn_request){.sparse = &x->view, .k = k, .metric = metric_builtin((size_t)kind), .recall = 1};
}

static knn_result search_sparse(const data *of, ne_dtype dtype, size_t k, metric_kind kind)
{
    sparse_data       x       = sparse_of(of, dtype);
    const knn_request request = request_of(&x, k, kind);
    knn_result        result;
    ck_assert_msg(cpu_knn_sparse(context, &request, &result) == NE_OK, "%s", ne_last_error());
    ck_assert(result.exact && result.recall == 1);
    sparse_free(&x);
    return result;
}

static int results_are_equal(const knn_result *a, const knn_result *b, size_t count)
{
    return memcmp(a->index, b->index, count * sizeof *a->index) == 0 &&
           memcmp(a->distance, b->distance, count * sizeof *a->distance) == 0;
}

/* Distances are computed in double and rounded once; the reference cosine cancels. */
START_TEST(each_metric_finds_the_nearest_rows)
{
    const metric_kind kind = kinds[_i];
    for (int value = COUNTS; value <= SIGNED; value++)
        for (int dtype = NE_F32; dtype <= NE_F64; dtype++) {
            data       of  = words(400, 70, (values)value);
            knn_result got = search_sparse(&of, (ne_dtype)dtype, 11, kind);
            check_exact(kind, &of, &got, 11, 1e-7, 1e-14);
            result_free(&got);
            data_free(&of);
        }
}
END_TEST

/* Sums of whole numbers are exact in both engines, so ties too have to be the same: 4200 rows meet in blocks of 512. */
START_TEST(counts_have_the_neighbors_of_the_dense_engine_to_the_bit)
{
    static const metric_kind whole[] = {METRIC_SQEUCLIDEAN, METRIC_ANGULAR, METRIC_MANHATTAN, METRIC_HAMMING,
                                        METRIC_JACCARD};
    data                     of      = words(4200, 30, COUNTS);
    knn_result               got     = search_sparse(&of, NE_F32, 9, whole[_i]);
    knn_result               want    = search(&of, NE_F32, 9, metric_builtin((size_t)whole[_i]), KNN_EXACT, 1);
    ck_assert(results_are_equal(&got, &want, of.n * 9));
    result_free(&got);
    result_free(&want);
    data_free(&of);
}
END_TEST

/* Row i has the columns i % 50 and 50 + i: it shares one with a fiftieth of the rows, and is at one distance from all
 * others, of which those of the smallest index are wanted. */
START_TEST(rows_that_share_no_column_tie_by_index)
{
    static const metric_kind kind[] = {METRIC_COSINE, METRIC_ANGULAR, METRIC_JACCARD, METRIC_HAMMING};
    data                     of     = data_new(600, 650, 650);
    pair                    *sorted = malloc(of.n * sizeof *sorted);
    for (size_t i = 0; i < of.n; i++) {
        data_set(&of, i, i % 50, 0.3 + 0.001 * (double)i);
        data_set(&of, i, 50 + i, 0.7);
    }
    knn_result got = search_sparse(&of, NE_F32, 30, kind[_i]);
    check_order(&of, &got, 30);
    for (size_t i = 0; i < of.n; i++) {
        slow_row(kind[_i], &of, i, sorted);
        for (size_t a = 11; a < 30; a++) ck_assert_int_eq(got.index[i * 30 + a], (int32_t)sorted[a].index);
    }
    free(sorted);
    result_free(&got);
    data_free(&of);
}
END_TEST

/* Differences are a hundred-thousandth of the values: a product of floats knows little of their squares. */
START_TEST(rows_that_are_nearly_equal_keep_their_distances)
{
    static const metric_kind kind[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_COSINE, METRIC_MANHATTAN,
                                       METRIC_CORRELATION};
    data                     of     = words(240, 60, WEIGHTS);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) {
            const double base = of.x[(i % 6) * of.stride + j];
            if (i >= 6) data_set(&of, i, j, base * (1 + 1e-5 * normal(3, i, j)));
        }
    knn_result got = search_sparse(&of, NE_F64, 20, kind[_i]);
    /* 1 - cosine cancels in the reference: some 1e-15 of values of 1e-11. */
    check_exact(kind[_i], &of, &got, 20, 1e-6, kind[_i] == METRIC_COSINE || kind[_i] == METRIC_CORRELATION ? 1e-14 : 0);
    result_free(&got);
    data_free(&of);
}
END_TEST

START_TEST(values_that_are_equal_as_floats_only_are_unequal)
{
    data of = data_new(64, 4, 4);
    for (size_t i = 0; i < of.n; i++) {
        of.x[i * 4 + i % 2]      = 1 + 1e-12 * (double)(i / 2 % 4);
        of.x[i * 4 + 2 + i / 32] = 2;
    }
    knn_result got = search_sparse(&of, NE_F64, 7, METRIC_HAMMING);
    check_exact(METRIC_HAMMING, &of, &got, 7, 1e-7, 0);
    result_free(&got);
    data_free(&of);
}
END_TEST

/* The largest and the smallest numbers that a float can hold. */
START_TEST(extreme_values_neither_overflow_nor_vanish)
{
    for (int small = 0; small < 2; small++) {
        data of = words(200, 40, SIGNED);
        for (size_t i = 0; i < of.n; i++)
            for (size_t j = 0; j < of.d; j++) data_set(&of, i, j, of.x[i * of.stride + j] * (small ? 1e-36 : 1e37));
        knn_result got = search_sparse(&of, NE_F32, 8, METRIC_EUCLIDEAN);
        check_exact(METRIC_EUCLIDEAN, &of, &got, 8, 1e-6, 0);
        result_free(&got);
        got = search_sparse(&of, NE_F32, 8, METRIC_COSINE);
        check_exact(METRIC_COSINE, &of, &got, 8, 1e-6, 1e-14);
        result_free(&got);
        data_free(&of);
    }
}
END_TEST

START_TEST(many_neighbors_are_found_pair_by_pair)
{
    for (size_t n = 2; n <= 60; n += n < 5 ? 1 : 55) {
        data       of  = words(n, 20, WEIGHTS);
        knn_result got = search_sparse(&of, NE_F32, n - 1, METRIC_COSINE);
        check_exact(METRIC_COSINE, &of, &got, n - 1, 1e-7, 1e-14);
        result_free(&got);
        data_free(&of);
    }
}
END_TEST

START_TEST(equal_rows_and_empty_rows_tie_by_index)
{
    for (int empty = 0; empty < 2; empty++)
        for (size_t m = 0; m < KINDS; m++) {
            data of = data_new(50, 8, 8);
            for (size_t i = 0; i < of.n && !empty; i++) data_set(&of, i, 3, 1.5);
            knn_result got = search_sparse(&of, NE_F32, 6, kinds[m]);
            for (size_t i = 0; i < of.n; i++)
                for (size_t a = 0; a < 6; a++) {
                    ck_assert_int_eq(got.index[i * 6 + a], (int32_t)(a < i ? a : a + 1));
                    ck_assert(got.distance[i * 6 + a] == (kinds[m] == METRIC_ANGULAR && !empty ? -2.25f : 0.0f));
                }
            result_free(&got);
            data_free(&of);
        }
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    data       of  = words(1100, 120, SIGNED);
    knn_result one = {0};
    for (int threads = 1; threads <= 3; threads++) {
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
        knn_result got = search_sparse(&of, NE_F32, 12, kinds[_i]);
        if (threads == 1) one = got;
        else {
            ck_assert(results_are_equal(&one, &got, of.n * 12));
            result_free(&got);
        }
    }
    result_free(&one);
    data_free(&of);
}
END_TEST

static int stop_at_second(void *user, const char *phase, int64_t step, int64_t steps, double loss, double norm)
{
    int *calls = user;
    (void)loss;
    (void)norm;
    ck_assert_str_eq(phase, "knn");
    ck_assert(step >= 1 && step <= steps);
    return ++*calls == 2;
}

START_TEST(what_cannot_be_is_refused_and_a_search_can_be_cancelled)
{
    data           of      = words(400, 30, COUNTS);
    sparse_data    x       = sparse_of(&of, NE_F32);
    int            calls   = 0;
    const progress stop    = {stop_at_second, &calls};
    knn_request    request = request_of(&x, 5, METRIC_CHEBYSHEV);
    knn_result     got;
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_UNSUPPORTED);
    ck_assert(strstr(ne_last_error(), "chebyshev") && strstr(ne_last_error(), "jaccard"));
    request        = request_of(&x, 5, METRIC_COSINE);
    request.method = KNN_APPROXIMATE;
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_UNSUPPORTED);
    ck_assert(strstr(ne_last_error(), "approximate"));
    request = request_of(&x, of.n, METRIC_COSINE);
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_OUT_OF_RANGE);
    request.k = 0;
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_OUT_OF_RANGE);
    request          = request_of(&x, 5, METRIC_COSINE);
    request.progress = &stop;
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_CANCELLED);
    ck_assert_int_eq(calls, 2);
    request.k = 399; /* pair by pair; 400 rows are two pieces of 256 */
    calls     = 0;
    ck_assert_int_eq(cpu_knn_sparse(context, &request, &got), NE_CANCELLED);
    ck_assert(!got.index && !got.distance);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    data               of     = words(200, 30, COUNTS);
    sparse_data        x      = sparse_of(&of, NE_F32);
    fault              mem    = {.until = LONG_MAX};
    const ne_allocator faulty = {fault_allocate, fault_release, &mem};
    ne_context        *own    = NULL;
    int                fired  = 1;
    ck_assert_int_eq(ne_context_create_with(&faulty, &own), NE_OK);
    const knn_request request = request_of(&x, 5, METRIC_CORRELATION);
    for (long k = 0; fired; k++) {
        const long before = mem.live;
        knn_result got;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = cpu_knn_sparse(own, &request, &got);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", k, (int)st);
        if (st == NE_OK) {
            memory_free(&own->memory, got.index);
            memory_free(&own->memory, got.distance);
        }
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
    sparse_free(&x);
    data_free(&of);
}
END_TEST

Suite *knn_sparse_suite(void);

Suite *knn_sparse_suite(void)
{
    Suite *suite = suite_create("knn_sparse");
    TCase *rows  = tcase_create("rows");
    tcase_add_checked_fixture(rows, open_context, close_context);
    tcase_set_timeout(rows, 100);
    tcase_add_loop_test(rows, each_metric_finds_the_nearest_rows, 0, KINDS);
    tcase_add_loop_test(rows, counts_have_the_neighbors_of_the_dense_engine_to_the_bit, 0, 5);
    tcase_add_loop_test(rows, rows_that_share_no_column_tie_by_index, 0, 4);
    tcase_add_loop_test(rows, rows_that_are_nearly_equal_keep_their_distances, 0, 5);
    tcase_add_test(rows, values_that_are_equal_as_floats_only_are_unequal);
    tcase_add_test(rows, extreme_values_neither_overflow_nor_vanish);
    tcase_add_test(rows, many_neighbors_are_found_pair_by_pair);
    tcase_add_test(rows, equal_rows_and_empty_rows_tie_by_index);
    tcase_add_loop_test(rows, the_bits_do_not_depend_on_the_number_of_threads, 0, KINDS);
    tcase_add_test(rows, what_cannot_be_is_refused_and_a_search_can_be_cancelled);
    tcase_add_test(rows, every_failed_allocation_is_reported_and_loses_nothing);
    suite_add_tcase(suite, rows);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_sparse_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
