/* tests/test_knn_approximate.c: approximate k nearest neighbors by their recall, and what holds of both engines. */
#include "fault.h"
#include "knn_reference.h"

#include <limits.h>
#include <string.h>

/* Share of the results that are no farther than the k-th exact neighbor. */
static double true_recall(const knn_result *exact, const knn_result *got, size_t n, size_t k)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < k; a++) found += got->distance[i * k + a] <= exact->distance[i * k + k - 1];
    return (double)found / (double)(n * k);
}

/* The sample's recall has a standard error of about 0.006 at .95 and 0.01 at .8. */
static const double SAMPLE_ERROR = 0.03;

static void check_recall(const data *of, const ne_metric_ops *metric, size_t k, double recall, int may_be_exact)
{
    knn_result   exact = search(of, NE_F32, k, metric, KNN_EXACT, 1);
    knn_result   got   = search(of, NE_F32, k, metric, KNN_APPROXIMATE, recall);
    const double found = true_recall(&exact, &got, of->n, k);
    check_order(of, &got, k);
    ck_assert_msg(got.recall >= recall, "%s: its own recall is %.4f", metric->name, got.recall);
    ck_assert_msg(found >= recall - SAMPLE_ERROR, "%s: recall %.4f of %.2f", metric->name, found, recall);
    ck_assert_msg(fabs(found - got.recall) <= SAMPLE_ERROR, "%s: says %.4f, is %.4f", metric->name, got.recall, found);
    if (!may_be_exact) ck_assert_msg(!got.exact, "%s: fell back to exact search", metric->name);
    for (size_t e = 0; e < of->n * k; e++) { /* the distances are those of the metric, to the last bit */
        const float *a = of->f + e / k * of->stride, *b = of->f + (size_t)got.index[e] * of->stride;
        const double d = metric->distance_f32(a, b, of->d, metric->user);
        ck_assert(fabs((double)got.distance[e] - d) <= RELATIVE * fabs(d));
    }
    result_free(&exact);
    result_free(&got);
}

START_TEST(approximate_search_reaches_its_recall_on_clusters)
{
    static const size_t columns[] = {2, 8, 50, 120};
    data                of        = clusters(3000, columns[_i], columns[_i], 12, 2, 0);
    check_recall(&of, metric_builtin(METRIC_SQEUCLIDEAN), 15, 0.95, columns[_i] == 50 || columns[_i] == 120);
    check_recall(&of, metric_builtin(METRIC_EUCLIDEAN), 60, 0.8, 1);
    data_free(&of);
}
END_TEST

/* As images are: variance falls off with the component, the last columns hardly vary. */
START_TEST(approximate_search_reaches_its_recall_by_sketches)
{
    data of = data_new(3000, 200, 200);
    for (size_t i = 0; i < of.n; i++) {
        double latent[24];
        for (size_t j = 0; j < 24; j++) latent[j] = normal(0, i, j) + 2 * normal(1, i % 9, j);
        for (size_t j = 0; j < of.d; j++) {
            double sum = 0.3 * normal(2, i, j);
            for (size_t l = 0; l < 24; l++) sum += latent[l] * normal(3, l, j) / (1 + (double)l);
            data_set(&of, i, j, sum + 10);
        }
    }
    check_recall(&of, metric_builtin(METRIC_EUCLIDEAN), 15, 0.95, 0);
    check_recall(&of, metric_builtin(METRIC_COSINE), 15, 0.9, 1);
    check_recall(&of, metric_builtin(METRIC_MANHATTAN), 15, 0.9, 1);
    check_recall(&of, metric_builtin(METRIC_CORRELATION), 15, 0.9, 1);
    data_free(&of);
}
END_TEST

START_TEST(approximate_search_reaches_its_recall_on_a_flat_spectrum_and_on_copies)
{
    data flat = clusters(3000, 100, 100, 1, 0, 0), copies = clusters(6000, 7, 7, 30, 3, 0);
    for (size_t i = 0; i < flat.n; i++) {
        double square = 0;
        for (size_t j = 0; j < 100; j++) square += flat.x[i * 100 + j] * flat.x[i * 100 + j];
        for (size_t j = 0; j < 100; j++) data_set(&flat, i, j, flat.x[i * 100 + j] / sqrt(square));
    }
    for (size_t i = 0; i < 2000; i++) /* 2000 equal rows, 1000 nearly equal ones */
        for (size_t j = 0; j < 7; j++) data_set(&copies, 3 * i, j, j == 0 ? 0.25 : 0);
    for (size_t i = 0; i < 1000; i++)
        for (size_t j = 0; j < 7; j++) data_set(&copies, 3 * i + 1, j, 5 + 0.01 * normal(4, i, j));
    check_recall(&flat, metric_builtin(METRIC_EUCLIDEAN), 20, 0.9, 1);
    check_recall(&copies, metric_builtin(METRIC_EUCLIDEAN), 20, 0.95, 0);
    data_free(&flat);
    data_free(&copies);
}
END_TEST

START_TEST(approximate_search_serves_users_metrics_too)
{
    double              extra = 0;
    const ne_metric_ops ops   = {sizeof ops, "skewed", "a distance that is not symmetric", skewed, NULL, &extra};
    data                of    = clusters(4200, 3, 3, 10, 3, 0);
    check_recall(&of, &ops, 10, 0.9, 0);
    check_recall(&of, metric_builtin(METRIC_CHEBYSHEV), 10, 0.95, 1);
    check_recall(&of, metric_builtin(METRIC_ANGULAR), 10, 0.9, 1);
    data_free(&of);
}
END_TEST

/* --- Both. */

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t threads[] = {1, 2, 3, 7};
    data                 of        = clusters(4300, 70, 71, 9, 1.5, 1);
    for (int method = KNN_EXACT; method <= KNN_APPROXIMATE; method++)
        for (int m = METRIC_EUCLIDEAN; m <= METRIC_COSINE; m += METRIC_COSINE - METRIC_EUCLIDEAN) {
            knn_result first = {0};
            for (int t = 0; t < 4; t++) {
                ck_assert_int_eq(ne_context_set_int(context, "threads", threads[t]), NE_OK);
                knn_result got = search(&of, NE_F32, 12, metric_builtin((size_t)m), (knn_method)method, 0.9);
                if (t == 0) {
                    first = got;
                } else {
                    ck_assert_mem_eq(got.index, first.index, of.n * 12 * sizeof *got.index);
                    ck_assert_mem_eq(got.distance, first.distance, of.n * 12 * sizeof *got.distance);
                    ck_assert(got.recall == first.recall);
                    result_free(&got);
                }
            }
            result_free(&first);
        }
    data_free(&of);
}
END_TEST

static int stop(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    (void)loss;
    (void)gradient_norm;
    ck_assert_str_eq(phase, "knn");
    ck_assert(step >= 1 && step <= steps);
    return --*(int *)user == 0;
}

START_TEST(a_cancelled_search_leaves_nothing)
{
    fault              mem      = {.until = LONG_MAX};
    const ne_allocator counting = {fault_allocate, fault_release, &mem};
    ne_context        *own      = NULL;
    data               of       = clusters(4300, 5, 5, 9, 2, 0);
    const ne_dense     x        = view_of(&of, NE_F32);
    ck_assert_int_eq(ne_context_create_with(&counting, &own), NE_OK);
    const long before = mem.live;
    for (int method = KNN_EXACT; method <= KNN_APPROXIMATE; method++) {
        int               left    = 2;
        const progress    report  = {stop, &left};
        const knn_request request = {.x        = &x,
                                     .k        = 10,
                                     .metric   = metric_builtin(METRIC_EUCLIDEAN),
                                     .method   = (knn_method)method,
                                     .recall   = 0.9,
                                     .progress = &report};
        knn_result        got;
        ck_assert_int_eq(cpu_knn(own, &request, &got), NE_CANCELLED);
        ck_assert(!got.index && !got.distance);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
    data_free(&of);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    fault              mem     = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *own     = NULL;
    data               of      = clusters(900, 80, 80, 9, 2, 0);
    const ne_dense     x       = view_of(&of, NE_F64);
    const knn_method   method  = _i % 2 ? KNN_APPROXIMATE : KNN_EXACT;
    for (size_t i = 0; i < 80 && _i >= 2; i++) of.x[80 * 80 + i] = of.x[i]; /* copies: the spread allocates too */
    ck_assert_int_eq(ne_context_create_with(&failing, &own), NE_OK);
    ck_assert_int_eq(ne_context_set_int(own, "threads", 1), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const knn_request request = {
            .x = &x, .k = 5, .metric = metric_builtin(METRIC_COSINE), .method = method, .recall = 0.5};
        const long before = mem.live;
        knn_result got;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = cpu_knn(own, &request, &got);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", k, (int)st);
        memory_free(&own->memory, got.index);
        memory_free(&own->memory, got.distance);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
    data_free(&of);
}
END_TEST

Suite *knn_approximate_suite(void);

Suite *knn_approximate_suite(void)
{
    Suite *suite       = suite_create("knn_approximate");
    TCase *approximate = tcase_create("approximate");
    tcase_add_checked_fixture(approximate, open_context, close_context);
    tcase_set_timeout(approximate, 300);
    tcase_add_loop_test(approximate, approximate_search_reaches_its_recall_on_clusters, 0, 4);
    tcase_add_test(approximate, approximate_search_reaches_its_recall_by_sketches);
    tcase_add_test(approximate, approximate_search_reaches_its_recall_on_a_flat_spectrum_and_on_copies);
    tcase_add_test(approximate, approximate_search_serves_users_metrics_too);
    tcase_add_test(approximate, the_bits_do_not_depend_on_the_number_of_threads);
    tcase_add_test(approximate, a_cancelled_search_leaves_nothing);
    tcase_add_loop_test(approximate, every_failed_allocation_is_reported_and_loses_nothing, 0, 4);
    suite_add_tcase(suite, approximate);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_approximate_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
