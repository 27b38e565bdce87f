/* tests/test_knn_query.c: the nearest rows of one matrix for the rows of another, against double loops. */
#include "fault.h"
#include "graph/knn.h"
#include "knn_reference.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    TRAIN   = 333,
    QUERIES = 77,
    K       = 11
};

static knn_params params_of(const char *metric)
{
    knn_params params = {.recall = 1};
    snprintf(params.metric, sizeof params.metric, "%s", metric);
    return params;
}

/* The first TRAIN rows of `of`, and the last QUERIES. */
static void split(const data *of, ne_dtype dtype, ne_dense *train, ne_dense *queries)
{
    *train        = view_of(of, dtype);
    *queries      = *train;
    train->rows   = TRAIN;
    queries->rows = QUERIES;
    queries->data = (char *)train->data + TRAIN * of->stride * (dtype == NE_F32 ? sizeof(float) : sizeof(double));
}

START_TEST(queries_find_the_nearest_rows_in_order)
{
    const metric_kind kind   = (metric_kind)_i;
    data              of     = clusters(TRAIN + QUERIES, 37, 41, 6, 1, 0.5);
    const knn_params  params = params_of(metric_builtin((size_t)_i)->name);
    pair             *sorted = malloc(TRAIN * sizeof *sorted);
    int32_t           index[QUERIES * K];
    float             distance[QUERIES * K];
    for (size_t i = 0; i < of.n; i++) /* zeros, so that hamming and jaccard have something to count */
        for (size_t j = i % 3; j < of.d; j += 3) data_set(&of, i, j, 0);
    for (int dtype = NE_F32; dtype <= NE_F64; dtype++) {
        ne_dense train, queries;
        split(&of, (ne_dtype)dtype, &train, &queries);
        ck_assert_int_eq(knn_query(context, &params, &train, &queries, K, index, distance), NE_OK);
        for (size_t i = 0; i < QUERIES; i++) {
            const double *row = of.x + (TRAIN + i) * of.stride;
            for (size_t j = 0; j < TRAIN; j++)
                sorted[j] = (pair){slow_distance(kind, row, of.x + j * of.stride, of.d), j};
            qsort(sorted, TRAIN, sizeof *sorted, pair_order);
            for (size_t a = 0; a < K; a++) {
                const size_t at   = i * K + a;
                const double want = sorted[a].distance, got = (double)distance[at];
                ck_assert(index[at] >= 0 && index[at] < TRAIN);
                ck_assert_msg(fabs(got - want) <= RELATIVE * fabs(want) + CANCELLED + 1e-6 * (kind == METRIC_ANGULAR),
                              "%s, query %zu, place %zu: %.9g, not %.9g", params.metric, i, a, got, want);
                const double own = slow_distance(kind, row, of.x + (size_t)index[at] * of.stride, of.d);
                ck_assert(fabs(got - own) <= RELATIVE * fabs(own) + CANCELLED + 1e-6 * (kind == METRIC_ANGULAR));
                if (a)
                    ck_assert(distance[at - 1] < distance[at] ||
                              (distance[at - 1] == distance[at] && index[at - 1] < index[at]));
            }
        }
    }
    free(sorted);
    data_free(&of);
}
END_TEST

/* A row of the matrix as a query finds itself, then what the graph of the matrix says, to the bit. */
START_TEST(rows_of_the_matrix_find_themselves_and_then_their_neighbors)
{
    data             of     = clusters(TRAIN, 50, 50, 6, 1, 0);
    const knn_params params = params_of("euclidean");
    const ne_dense   x      = view_of(&of, NE_F32);
    knn_result       graph  = search(&of, NE_F32, K, metric_builtin(METRIC_EUCLIDEAN), KNN_EXACT, 1);
    int32_t          index[TRAIN * (K + 1)];
    float            distance[TRAIN * (K + 1)];
    ck_assert_int_eq(knn_query(context, &params, &x, &x, K + 1, index, distance), NE_OK);
    for (size_t i = 0; i < TRAIN; i++) {
        ck_assert_int_eq(index[i * (K + 1)], (int32_t)i);
        ck_assert(distance[i * (K + 1)] == 0);
        ck_assert_mem_eq(index + i * (K + 1) + 1, graph.index + i * K, K * sizeof *index);
        ck_assert_mem_eq(distance + i * (K + 1) + 1, graph.distance + i * K, K * sizeof *distance);
    }
    result_free(&graph);
    data_free(&of);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    data             of     = clusters(TRAIN + QUERIES, 20, 20, 6, 1, 0);
    const knn_params params = params_of("sqeuclidean");
    ne_dense         train, queries;
    int32_t          first[QUERIES * K], index[QUERIES * K];
    float            first_distance[QUERIES * K], distance[QUERIES * K];
    split(&of, NE_F32, &train, &queries);
    for (int64_t threads = 1; threads <= 7; threads += 2) {
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
        ck_assert_int_eq(knn_query(context, &params, &train, &queries, K, threads == 1 ? first : index,
                                   threads == 1 ? first_distance : distance),
                         NE_OK);
        if (threads == 1) continue;
        ck_assert_mem_eq(first, index, sizeof first);
        ck_assert_mem_eq(first_distance, distance, sizeof first_distance);
    }
    data_free(&of);
}
END_TEST

static double no_number(const float *a, const float *b, size_t d, void *user)
{
    (void)d;
    (void)user;
    return a[0] > 1e6f ? NAN : (double)fabsf(a[0] - b[0]);
}

START_TEST(what_cannot_be_is_refused)
{
    static const ne_metric_ops ops    = {sizeof ops, "query_no_number", "NaN for a large row", no_number, NULL, NULL};
    data                       of     = clusters(TRAIN + QUERIES, 4, 4, 6, 1, 0);
    knn_params                 params = params_of("euclidean");
    ne_dense                   train, queries;
    int32_t                    index[QUERIES * K];
    float                      distance[QUERIES * K];
    split(&of, NE_F32, &train, &queries);
    ck_assert_int_eq(knn_query(context, &params, &train, &queries, 0, index, distance), NE_OUT_OF_RANGE);
    ck_assert_int_eq(knn_query(context, &params, &train, &queries, TRAIN + 1, index, distance), NE_OUT_OF_RANGE);
    ck_assert_str_eq(ne_last_error(), "k: 334 is outside [1, n] = [1, 333]");
    params = params_of("euclidian");
    ck_assert_int_eq(knn_query(context, &params, &train, &queries, K, index, distance), NE_UNKNOWN_NAME);
    ck_assert_int_eq(ne_metric_register(&ops), NE_OK);
    params = params_of("query_no_number");
    ck_assert_int_eq(knn_query(context, &params, &train, &queries, K, index, distance), NE_OK);
    data_set(&of, TRAIN + 5, 0, 2e6);
    data_set(&of, TRAIN + 9, 0, 2e6);
    ck_assert_int_eq(knn_query(context, &params, &train, &queries, K, index, distance), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "metric 'query_no_number': a distance of row 5 of the queries is not a number");
    data_free(&of);
}
END_TEST

START_TEST(the_public_call_writes_integers_and_floats_of_both_sizes)
{
    data      of = clusters(TRAIN + QUERIES, 9, 9, 6, 1, 0);
    ne_dense  train, queries, other;
    ne_graph *graph = NULL;
    int32_t   narrow[QUERIES * K];
    int64_t   wide[QUERIES * (K + 2)];
    float     narrow_distance[QUERIES * K];
    double    wide_distance[QUERIES * (K + 1)];
    split(&of, NE_F32, &train, &queries);
    const ne_dense i32 = {sizeof i32, narrow, QUERIES, K, K, NE_I32, NE_HOST};
    const ne_dense i64 = {sizeof i64, wide, QUERIES, K, K + 2, NE_I64, NE_HOST};
    const ne_dense f32 = {sizeof f32, narrow_distance, QUERIES, K, K, NE_F32, NE_HOST};
    const ne_dense f64 = {sizeof f64, wide_distance, QUERIES, K, K + 1, NE_F64, NE_HOST};
    ck_assert_int_eq(ne_graph_create(context, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_set(graph, "metric", "manhattan"), NE_OK);
    ck_assert_int_eq(ne_graph_query(graph, &train, &queries, &i32, &f32), NE_OK);
    ck_assert_int_eq(ne_graph_query(graph, &train, &queries, &i64, &f64), NE_OK);
    for (size_t i = 0; i < QUERIES; i++)
        for (size_t a = 0; a < K; a++) {
            ck_assert_int_eq(narrow[i * K + a], wide[i * (K + 2) + a]);
            ck_assert_double_eq((double)narrow_distance[i * K + a], wide_distance[i * (K + 1) + a]);
        }
    other      = queries;
    other.cols = 8;
    ck_assert_int_eq(ne_graph_query(graph, &train, &other, &i32, &f32), NE_INVALID_ARGUMENT);
    other      = f32;
    other.cols = K - 1;
    ck_assert_int_eq(ne_graph_query(graph, &train, &queries, &i32, &other), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_query(NULL, &train, &queries, &i32, &f32), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_query(graph, &train, &queries, NULL, &f32), NE_INVALID_ARGUMENT);
    ne_graph_free(graph);
    data_free(&of);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    fault              mem     = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *own     = NULL;
    data               of      = clusters(TRAIN + QUERIES, 6, 6, 6, 1, 0);
    const knn_params   params  = params_of("euclidean");
    ne_dense           train, queries, unused;
    int32_t            index[QUERIES * K];
    float              distance[QUERIES * K];
    split(&of, NE_F64, &train, &unused);
    split(&of, NE_F32, &unused, &queries); /* of two types: both are narrowed */
    ck_assert_int_eq(ne_context_create_with(&failing, &own), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const long before  = mem.live;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = knn_query(own, &params, &train, &queries, K, index, distance);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", k, (int)st);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
    data_free(&of);
}
END_TEST

Suite *knn_query_suite(void);

Suite *knn_query_suite(void)
{
    Suite *suite = suite_create("knn_query");
    TCase *query = tcase_create("query");
    tcase_add_checked_fixture(query, open_context, close_context);
    tcase_set_timeout(query, 100);
    tcase_add_loop_test(query, queries_find_the_nearest_rows_in_order, 0, METRIC_CUSTOM);
    tcase_add_test(query, rows_of_the_matrix_find_themselves_and_then_their_neighbors);
    tcase_add_test(query, the_bits_do_not_depend_on_the_number_of_threads);
    tcase_add_test(query, what_cannot_be_is_refused);
    tcase_add_test(query, the_public_call_writes_integers_and_floats_of_both_sizes);
    tcase_add_test(query, every_failed_allocation_is_reported_and_loses_nothing);
    suite_add_tcase(suite, query);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_query_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
