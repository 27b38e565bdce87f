/* tests/test_stream.c: data of a mapped file, and of more of it than may be held, give what the same rows in memory
 * give. */
#include "fault.h"
#include "knn_reference.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    N     = 4000,
    K     = 12,
    SMALL = 20000 /* bytes: 156 rows of 32 floats */
};

static void set_buffer(ne_context *of, int64_t bytes)
{
    ck_assert_int_eq(ne_context_set_int(of, "stream_buffer", bytes), NE_OK);
}

/* Clusters of 32 columns, every seventh row of which occurs twice where copies is 1. */
static data rows_with(int copies)
{
    data made = clusters(N, 32, 32, 25, 3, 1);
    for (size_t i = 7; i < N && copies; i += 7)
        for (size_t j = 0; j < made.d; j++) data_set(&made, i, j, made.x[(i - 3) * made.stride + j]);
    return made;
}

static ne_dense view_as(const data *of, int32_t dtype, int32_t place)
{
    return (ne_dense){
        sizeof(ne_dense), dtype == NE_F32 ? (void *)of->f : (void *)of->x, of->n, of->d, of->stride, dtype, place};
}

static knn_result search_in(ne_context *own, const ne_dense *x, const ne_metric_ops *metric, double recall)
{
    knn_result        got     = {0};
    const knn_request request = {
        .x = x, .k = K, .metric = metric, .method = KNN_APPROXIMATE, .recall = recall, .seed = 3};
    ck_assert_msg(cpu_knn(own, &request, &got) == NE_OK, "%s", ne_last_error());
    return got;
}

static void results_clear(ne_context *own, knn_result *of)
{
    memory_free(&own->memory, of->index);
    memory_free(&own->memory, of->distance);
}

/* Of a user's metric, which tells its two ends apart. */
static double lopsided(double a, double b)
{
    return a > b ? 1.5 * (a - b) : b - a;
}

static double lopsided_f32(const float *a, const float *b, size_t d, void *user)
{
    double sum = 0;
    (void)user;
    for (size_t j = 0; j < d; j++) sum += lopsided((double)a[j], (double)b[j]);
    return sum;
}

static double lopsided_f64(const double *a, const double *b, size_t d, void *user)
{
    double sum = 0;
    (void)user;
    for (size_t j = 0; j < d; j++) sum += lopsided(a[j], b[j]);
    return sum;
}

static const ne_metric_ops lopsided_metric = {.struct_size  = sizeof(ne_metric_ops),
                                              .name         = "lopsided",
                                              .help         = "absolute differences, upward ones count more",
                                              .distance_f32 = lopsided_f32,
                                              .distance_f64 = lopsided_f64};

static const ne_metric_ops *metric_number(int number)
{
    static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_COSINE, METRIC_CORRELATION,
                                        METRIC_MANHATTAN};
    return number < 5 ? metric_builtin((size_t)kinds[number]) : &lopsided_metric;
}

enum {
    METRICS = 6
};

START_TEST(a_search_through_a_small_buffer_has_the_bits_of_one_in_memory)
{
    const ne_metric_ops *metric = metric_number(_i / 2);
    data                 of     = rows_with(_i % 2);
    for (int32_t type = NE_F32; type <= (_i % 2 ? NE_F32 : NE_F64); type++) {
        const ne_dense host = view_as(&of, type, NE_HOST), mapped = view_as(&of, type, NE_MAPPED);
        knn_result     want = {0};
        for (int64_t threads = 1; threads <= 3; threads += 2) {
            ne_context *own = NULL;
            ck_assert_int_eq(ne_context_create(&own), NE_OK);
            ck_assert_int_eq(ne_context_set_int(own, "threads", threads), NE_OK);
            if (threads == 1) want = search_in(own, &host, metric, 0.9);
            set_buffer(own, threads == 3 ? 4096 : SMALL);
            knn_result got = search_in(own, &mapped, metric, 0.9);
            ck_assert_msg(!want.exact && !got.exact, "%s: exact search was cheaper, which proves nothing",
                          metric->name);
            ck_assert_mem_eq(got.index, want.index, N * K * sizeof *got.index);
            ck_assert_mem_eq(got.distance, want.distance, N * K * sizeof *got.distance);
            ck_assert_double_eq_tol(got.recall, want.recall, 0.04); /* of other samples, see knn_recall.h */
            results_clear(own, &got);
            if (threads == 3) results_clear(own, &want);
            ne_context_free(own);
        }
    }
    data_free(&of);
}
END_TEST

/* --- What the log says of it. */

typedef struct listener {
    size_t blocks, rows;
    double times;
    int    warned;
} listener;

static void listen(void *user, int level, const char *text)
{
    listener *to = user, now = {0};
    if (sscanf(text, "knn: %zu blocks of %zu rows, %lf times", &now.blocks, &now.rows, &now.times) == 3) {
        to->blocks = now.blocks;
        to->rows   = now.rows;
        to->times  = now.times;
    }
    to->warned |= level == NE_LOG_WARNING && strstr(text, "x is too large to be searched exactly") != NULL;
}

START_TEST(neighbors_are_mostly_in_the_same_block_so_that_few_rows_are_read_again)
{
    data           of    = rows_with(0);
    const ne_dense x     = view_as(&of, NE_F32, NE_MAPPED);
    ne_context    *own   = NULL;
    listener       heard = {0};
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ck_assert_int_eq(ne_context_set_log(own, listen, &heard), NE_OK);
    set_buffer(own, SMALL);
    knn_result got = search_in(own, &x, metric_number(0), 0.9);
    ck_assert_uint_eq(heard.rows, SMALL / (32 * sizeof(float)));
    ck_assert_uint_eq(heard.blocks, N / heard.rows + 1);
    ck_assert_msg(heard.times >= 1 && heard.times < 0.25 * (double)(heard.blocks + 1), "%g times, %zu blocks",
                  heard.times, heard.blocks);
    results_clear(own, &got);
    ne_context_free(own);
    data_free(&of);
}
END_TEST

/* No structure at all: no plan gets there, and exact search is not made. */
START_TEST(where_only_exact_search_would_do_the_best_plan_is_taken_and_its_recall_told)
{
    data           of   = clusters(N, 200, 200, 1, 0, 0);
    const ne_dense host = view_as(&of, NE_F32, NE_HOST), mapped = view_as(&of, NE_F32, NE_MAPPED);
    ne_context    *own   = NULL;
    listener       heard = {0};
    size_t         found = 0;
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    knn_result exact = search_in(own, &host, metric_number(0), 0.9999);
    ck_assert(exact.exact);
    ck_assert_int_eq(ne_context_set_log(own, listen, &heard), NE_OK);
    set_buffer(own, 100000);
    knn_result got = search_in(own, &mapped, metric_number(0), 0.9999);
    ck_assert(!got.exact);
    ck_assert_uint_ge(heard.blocks, 2);
    for (size_t i = 0; i < N; i++)
        for (size_t a = 0; a < K; a++) found += got.distance[i * K + a] <= exact.distance[i * K + K - 1];
    ck_assert_int_eq(heard.warned, got.recall < 0.9999);
    ck_assert(heard.warned);
    ck_assert_double_eq_tol(got.recall, (double)found / (N * K), 0.03); /* 128 rows: see test_knn_approximate.c */
    ck_assert_double_ge(got.recall, 0.8);
    results_clear(own, &got);
    results_clear(own, &exact);
    ne_context_free(own);
    data_free(&of);
}
END_TEST

/* --- When it does not end well. */

typedef struct stopper {
    int until, calls;
} stopper;

static int stop(void *user, const char *phase, int64_t step, int64_t steps, double loss, double norm)
{
    stopper *after = user;
    (void)phase;
    (void)loss;
    (void)norm;
    ck_assert(step >= 0 && step <= steps);
    return ++after->calls > after->until;
}

START_TEST(a_search_can_be_cancelled_at_any_report)
{
    data           of     = clusters(1000, 32, 32, 9, 3, 0);
    const ne_dense x      = view_as(&of, NE_F32, NE_MAPPED);
    fault          mem    = {.until = LONG_MAX};
    int            status = NE_CANCELLED, reports = 0;
    for (; status == NE_CANCELLED; reports++) {
        const ne_allocator counting = {fault_allocate, fault_release, &mem};
        ne_context        *own      = NULL;
        stopper            after    = {reports, 0};
        const progress     report   = {stop, &after};
        knn_result         got      = {0};
        ck_assert_int_eq(ne_context_create_with(&counting, &own), NE_OK);
        set_buffer(own, SMALL);
        const knn_request request = {
            .x = &x, .k = K, .metric = metric_number(0), .method = KNN_APPROXIMATE, .recall = 0.9, .progress = &report};
        status = (int)cpu_knn(own, &request, &got);
        results_clear(own, &got);
        ne_context_free(own);
        ck_assert_int_eq(mem.live, 0);
    }
    ck_assert_int_eq(status, NE_OK);
    ck_assert_int_ge(reports, 1000 / 156 + 2); /* each block, and the visit before */
    data_free(&of);
}
END_TEST

START_TEST(every_failed_allocation_is_reported)
{
    data           of    = clusters(600, 32, 32, 9, 3, 0);
    const ne_dense x     = view_as(&of, NE_F32, NE_MAPPED);
    long           tried = 0;
    for (int fired = 1; fired; tried++) {
        fault              mem     = {.until = LONG_MAX};
        const ne_allocator failing = {fault_allocate, fault_release, &mem};
        ne_context        *own     = NULL;
        knn_result         got     = {0};
        ck_assert_int_eq(ne_context_create_with(&failing, &own), NE_OK);
        set_buffer(own, SMALL);
        const knn_request request = {
            .x = &x, .k = K, .metric = metric_number(0), .method = KNN_APPROXIMATE, .recall = 0.9};
        mem.until          = tried;
        const ne_status st = cpu_knn(own, &request, &got);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", tried, (int)st);
        results_clear(own, &got);
        ne_context_free(own);
        ck_assert_int_eq(mem.live, 0);
    }
    ck_assert_int_ge(tried, 40);
    data_free(&of);
}
END_TEST

static double missing(const float *a, const float *b, size_t d, void *user)
{
    (void)d;
    (void)user;
    return a[0] == b[0]                               ? 0
           : fabs((double)a[0] - (double)b[0]) < 1e-4 ? (double)NAN
                                                      : fabs((double)a[0] - (double)b[0]);
}

/* Few pairs are so near, and only some of them are of rows that the pilot asks for. */
START_TEST(a_distance_that_is_not_a_number_is_reported)
{
    const ne_metric_ops broken = {.struct_size = sizeof broken, .name = "broken", .help = "-", .distance_f32 = missing};
    data                of     = clusters(N, 1, 1, 1, 0, 0);
    const ne_dense      x      = view_as(&of, NE_F32, NE_MAPPED);
    ne_context         *own    = NULL;
    knn_result          got    = {0};
    const knn_request   request = {.x = &x, .k = K, .metric = &broken, .method = KNN_APPROXIMATE, .recall = 0.9};
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    set_buffer(own, 4096);
    ck_assert_int_eq(cpu_knn(own, &request, &got), NE_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "metric 'broken': "));
    ne_context_free(own);
    data_free(&of);
}
END_TEST

/* --- From outside: a file, through every kind of object. */

/* The rows of a store that is made of data. */
static ne_store *store_with(ne_context *own, const data *of, ne_dense *view)
{
    const ne_dense x    = view_as(of, NE_F32, NE_HOST);
    ne_store      *made = NULL;
    ck_assert_msg(ne_store_create(own, of->d, NULL, &made) == NE_OK, "%s", ne_last_error());
    ck_assert_int_eq(ne_store_append(made, &x), NE_OK);
    ck_assert_int_eq(ne_store_view(made, view), NE_OK);
    return made;
}

static void fit_to(ne_context *own, const char *method, const ne_dense *x, float *y)
{
    ne_embedding  *made = NULL;
    const ne_dense to   = {sizeof to, y, x->rows, 2, 2, NE_F32, NE_HOST};
    ck_assert_int_eq(ne_embedding_create(own, method, &made), NE_OK);
    if (ne_embedding_set_int(made, "max_iter", 15) == NE_OK) (void)ne_embedding_set_int(made, "random_state", 1);
    (void)ne_embedding_set(made, "init", "pca");
    ck_assert_msg(ne_embedding_fit(made, x, &to) == NE_OK, "%s: %s", method, ne_last_error());
    ne_embedding_free(made);
}

START_TEST(every_method_fits_a_mapped_file_as_it_fits_memory)
{
    const char *method;
    data        of  = clusters(300, 20, 20, 6, 3, 0);
    ne_context *own = NULL;
    ne_dense    mapped, host = view_as(&of, NE_F32, NE_HOST);
    float       want[2 * 300], got[2 * 300];
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ne_store *rows = store_with(own, &of, &mapped);
    for (size_t m = 0; (method = ne_type_name("method", m)); m++) {
        set_buffer(own, 1 << 20);
        fit_to(own, method, &host, want);
        set_buffer(own, 4096);
        fit_to(own, method, &mapped, got);
        ck_assert_msg(memcmp(want, got, sizeof want) == 0, "%s: other bits", method);
    }
    ne_store_free(rows);
    ne_context_free(own);
    data_free(&of);
}
END_TEST

START_TEST(tsne_of_a_file_through_a_small_buffer_has_the_bits_of_tsne_in_memory)
{
    data        of  = rows_with(0);
    ne_context *own = NULL;
    ne_dense    mapped, host = view_as(&of, NE_F32, NE_HOST);
    float      *want = malloc(2 * N * sizeof *want), *got = malloc(2 * N * sizeof *got);
    ck_assert(want && got);
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ne_store *rows = store_with(own, &of, &mapped);
    fit_to(own, "tsne", &host, want);
    set_buffer(own, SMALL);
    fit_to(own, "tsne", &mapped, got);
    ck_assert_mem_eq(got, want, 2 * N * sizeof *got);
    ne_store_free(rows);
    ne_context_free(own);
    data_free(&of);
    free(want);
    free(got);
}
END_TEST

START_TEST(affinities_and_scores_take_mapped_rows_and_nothing_is_written_to_them)
{
    data         of   = clusters(120, 6, 6, 4, 3, 0);
    ne_context  *own  = NULL;
    ne_affinity *made = NULL;
    ne_dense     mapped, host = view_as(&of, NE_F32, NE_HOST);
    static float want[120 * 120], got[120 * 120];
    ne_dense     to = {sizeof to, want, 120, 120, 120, NE_F32, NE_HOST};
    double       a, b;
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ne_store *rows = store_with(own, &of, &mapped);
    ck_assert_int_eq(ne_affinity_create(own, "entropic", &made), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_dense(made, &host, &to), NE_OK);
    to.data = got;
    ck_assert_int_eq(ne_affinity_compute_dense(made, &mapped, &to), NE_OK);
    ck_assert_mem_eq(got, want, sizeof got);
    to.place = NE_MAPPED;
    ck_assert_int_eq(ne_affinity_compute_dense(made, &mapped, &to), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "y: place 2 is not NE_HOST, the only one that is written to");
    ne_affinity_free(made);

    const ne_dense y = {sizeof y, of.f, 120, 2, 6, NE_F32, NE_HOST};
    ck_assert_int_eq(ne_score_trustworthiness(own, &host, &y, 5, &a), NE_OK);
    ck_assert_int_eq(ne_score_trustworthiness(own, &mapped, &y, 5, &b), NE_OK);
    ck_assert(a <= b && a >= b);
    ne_store_free(rows);
    ne_context_free(own);
    data_free(&of);
}
END_TEST

START_TEST(no_result_goes_into_a_mapped_view)
{
    float          in[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, out[12];
    ne_context    *own    = NULL;
    ne_embedding  *pca    = NULL;
    ne_graph      *graph  = NULL;
    int32_t        near[6];
    const ne_dense x = {sizeof x, in, 6, 2, 2, NE_F32, NE_MAPPED}, y = {sizeof y, out, 6, 2, 2, NE_F32, NE_MAPPED};
    const ne_dense index = {sizeof index, near, 6, 1, 1, NE_I32, NE_MAPPED},
                   host  = {sizeof host, out, 6, 2, 2, NE_F32, 0};
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ck_assert_int_eq(ne_embedding_create(own, "pca", &pca), NE_OK);
    ck_assert_int_eq(ne_embedding_fit(pca, &x, &y), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_embedding_fit(pca, &x, &host), NE_OK);
    ck_assert_int_eq(ne_embedding_transform(pca, &x, &y), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_embedding_inverse_transform(pca, &host, &y), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_graph_create(own, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_query(graph, &x, &x, &index, &y), NE_UNSUPPORTED);
    ck_assert_str_eq(ne_last_error(), "indices: place 2 is not NE_HOST, the only one that is written to");
    ne_graph_free(graph);
    ne_embedding_free(pca);
    ne_context_free(own);
}
END_TEST

/* --- Rows so wide that blocks and samples are bounded by bytes. */

/* Float sums of 16 lanes, 2813 terms each: off by 2813 x 2^-24 = 1.7e-4 at most. */
START_TEST(exact_search_of_very_wide_rows_is_exact)
{
    const size_t n = 150, d = 45000, k = 5;
    data         of  = data_new(n, d, d);
    ne_context  *own = NULL;
    knn_result   got = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            of.f[i * d + j] = (float)((i * 2654435761u + j * (i % 7 + 1) * 40503u) % 1009) / 1009;
    const ne_dense    x       = view_as(&of, NE_F32, NE_MAPPED);
    const knn_request request = {.x = &x, .k = k, .metric = metric_number(0), .method = KNN_EXACT, .recall = 1};
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    ck_assert_int_eq(cpu_knn(own, &request, &got), NE_OK);
    for (size_t i = 0; i < n; i += 37) {
        pair sorted[150];
        for (size_t a = 0; a < n; a++) {
            double sum = 0;
            for (size_t j = 0; j < d; j++) {
                const double t = (double)of.f[i * d + j] - (double)of.f[a * d + j];
                sum += t * t;
            }
            sorted[a] = (pair){a == i ? (double)INFINITY : sum, a};
        }
        qsort(sorted, n, sizeof *sorted, pair_order);
        for (size_t a = 0; a < k; a++)
            ck_assert_double_eq_tol((double)got.distance[i * k + a], sorted[a].distance, 1.7e-4 * sorted[a].distance);
    }
    results_clear(own, &got);
    ne_context_free(own);
    data_free(&of);
}
END_TEST

Suite *stream_suite(void);

Suite *stream_suite(void)
{
    Suite *suite = suite_create("stream");
    TCase *tests = tcase_create("stream");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, a_search_through_a_small_buffer_has_the_bits_of_one_in_memory, 0, 2 * METRICS);
    tcase_add_test(tests, neighbors_are_mostly_in_the_same_block_so_that_few_rows_are_read_again);
    tcase_add_test(tests, where_only_exact_search_would_do_the_best_plan_is_taken_and_its_recall_told);
    tcase_add_test(tests, a_search_can_be_cancelled_at_any_report);
    tcase_add_test(tests, every_failed_allocation_is_reported);
    tcase_add_test(tests, a_distance_that_is_not_a_number_is_reported);
    tcase_add_test(tests, every_method_fits_a_mapped_file_as_it_fits_memory);
    tcase_add_test(tests, tsne_of_a_file_through_a_small_buffer_has_the_bits_of_tsne_in_memory);
    tcase_add_test(tests, affinities_and_scores_take_mapped_rows_and_nothing_is_written_to_them);
    tcase_add_test(tests, no_result_goes_into_a_mapped_view);
    tcase_add_test(tests, exact_search_of_very_wide_rows_is_exact);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(stream_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
