/* tests/test_knn_faiss.c: neighbors by the plug-in, where it was built (NE_TEST_FAISS names its folder), and what is
 * said where it is not. */
#include "knn_reference.h"

#include <string.h>

enum {
    K = 12
};

static const faiss_options flat = {FAISS_FLAT, 0, 16, 16, 40, 0, 16, 8};

static ne_status find(const data *of, const ne_metric_ops *metric, const faiss_options *options, knn_result *result)
{
    const ne_dense    x       = view_of(of, NE_F32);
    const knn_request request = {
        .x = &x, .k = K, .metric = metric, .method = KNN_FAISS, .recall = 0.9, .seed = 3, .faiss = options};
    return cpu_knn(context, &request, result);
}

static int plugin_is_here(void)
{
    const char *folder = getenv("NE_TEST_FAISS");
    if (folder && *folder) ck_assert_int_eq(setenv("NE_PLUGIN_PATH", folder, 1), 0);
    return folder && *folder;
}

START_TEST(without_the_plugin_the_error_names_the_package)
{
    data       of = clusters(300, 8, 8, 4, 2, 0);
    knn_result got;
    ck_assert_int_eq(setenv("NE_PLUGIN_PATH", "no-such-folder", 1), 0);
    ck_assert_int_eq(find(&of, metric_builtin(METRIC_EUCLIDEAN), &flat, &got), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "apt-get install libfaiss-dev"));
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "no-such-folder/libne-faiss.so"));
    ck_assert_ptr_null(got.index);
    ck_assert_int_eq(find(&of, metric_builtin(METRIC_MANHATTAN), &flat, &got), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "metric: manhattan"));
    data_free(&of);
}
END_TEST

/* Flat search is exact but for the rounding of its products, and more than k are measured again. */
START_TEST(the_flat_index_finds_what_exact_search_finds)
{
    static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_COSINE, METRIC_CORRELATION};
    data                     of      = clusters(900, 30, 33, 7, 1, 2);
    for (size_t j = 0; j < of.d && _i % 2; j++) data_set(&of, 17, j, (double)of.f[j]); /* a copy */
    for (size_t m = 0; m < 4 && plugin_is_here(); m++) {
        const ne_metric_ops *metric = metric_builtin(kinds[m]);
        knn_result           got, exact = search(&of, NE_F32, K, metric, KNN_EXACT, 1);
        ck_assert_msg(find(&of, metric, &flat, &got) == NE_OK, "%s", ne_last_error());
        ck_assert_mem_eq(got.index, exact.index, of.n * K * sizeof *got.index);
        ck_assert_mem_eq(got.distance, exact.distance, of.n * K * sizeof *got.distance);
        ck_assert_double_eq(got.recall, 1);
        result_free(&got);
        result_free(&exact);
    }
    data_free(&of);
}
END_TEST

START_TEST(every_index_says_what_it_finds_and_more_work_finds_more)
{
    data                 of            = clusters(2000, 20, 20, 1, 0, 0);
    const ne_metric_ops *metric        = metric_builtin(METRIC_EUCLIDEAN);
    faiss_options        options[3][2] = {
               {{FAISS_IVF, 30, 3, 16, 40, 0, 16, 8}, {FAISS_IVF, 30, 30, 16, 40, 0, 16, 8}},
               {{FAISS_HNSW, 0, 16, 4, 10, 21, 16, 8}, {FAISS_HNSW, 0, 16, 32, 200, 300, 16, 8}},
               {{FAISS_IVFPQ, 30, 30, 16, 40, 0, 3, 4}, {FAISS_IVFPQ, 30, 30, 16, 40, 0, 20, 8}}}; /* 3: a column is added */
    for (int kind = 0; kind < 3 && plugin_is_here(); kind++) {
        knn_result less, more;
        ck_assert_msg(find(&of, metric, &options[kind][0], &less) == NE_OK, "%s", ne_last_error());
        ck_assert_msg(find(&of, metric, &options[kind][1], &more) == NE_OK, "%s", ne_last_error());
        check_order(&of, &less, K);
        check_order(&of, &more, K);
        ck_assert_msg(less.recall < more.recall && more.recall > 0.97, "%.3f, %.3f", less.recall, more.recall);
        result_free(&less);
        result_free(&more);
    }
    data_free(&of);
}
END_TEST

START_TEST(too_few_neighbors_are_an_error_that_names_the_option)
{
    const faiss_options narrow = {FAISS_IVF, 300, 1, 16, 40, 0, 16, 8};
    data                of     = clusters(900, 10, 10, 7, 1, 0);
    knn_result          got;
    if (plugin_is_here()) {
        ck_assert_int_eq(find(&of, metric_builtin(METRIC_EUCLIDEAN), &narrow, &got), NE_NOT_CONVERGED);
        ck_assert_ptr_nonnull(strstr(ne_last_error(), "raise faiss_nprobe"));
        ck_assert_ptr_null(got.index);
    }
    data_free(&of);
}
END_TEST

START_TEST(codes_that_the_data_do_not_allow_are_refused)
{
    const faiss_options many = {FAISS_IVFPQ, 0, 16, 16, 40, 0, 11, 8}, fine = {FAISS_IVFPQ, 0, 16, 16, 40, 0, 5, 10};
    data                of = clusters(900, 10, 10, 7, 1, 0);
    knn_result          got;
    ck_assert_int_eq(find(&of, metric_builtin(METRIC_EUCLIDEAN), &many, &got), NE_OUT_OF_RANGE);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "faiss_pq_m: 11"));
    ck_assert_int_eq(find(&of, metric_builtin(METRIC_EUCLIDEAN), &fine, &got), NE_OUT_OF_RANGE);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "faiss_pq_bits: 10 takes 1024 rows"));
    ck_assert_ptr_null(got.index);
    data_free(&of);
}
END_TEST

Suite *knn_faiss_suite(void);

Suite *knn_faiss_suite(void)
{
    Suite *suite = suite_create("knn_faiss");
    TCase *faiss = tcase_create("faiss");
    tcase_add_checked_fixture(faiss, open_context, close_context);
    tcase_set_timeout(faiss, 100);
    tcase_add_test(faiss, without_the_plugin_the_error_names_the_package);
    tcase_add_loop_test(faiss, the_flat_index_finds_what_exact_search_finds, 0, 2);
    tcase_add_test(faiss, every_index_says_what_it_finds_and_more_work_finds_more);
    tcase_add_test(faiss, codes_that_the_data_do_not_allow_are_refused);
    tcase_add_test(faiss, too_few_neighbors_are_an_error_that_names_the_option);
    suite_add_tcase(suite, faiss);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_faiss_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
