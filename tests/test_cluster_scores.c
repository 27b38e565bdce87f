/* tests/test_cluster_scores.c: silhouette, k-means and the adjusted Rand index, against their definitions in double
 * loops and against scikit-learn (oracle/). */
#include "base/random.h"
#include "base/view.h"
#include "fault.h"
#include "metrics/kmeans.h"
#include "metrics/partition.h"
#include "ne.h"
#include "oracle/scores.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())
#define REFUSED(call, status, text)                                                                                    \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

/* Sums of a few hundred doubles in another order. */
static const double ROUNDING = 1e-13;

enum {
    N = 331,
    D = 3
};

static ne_context *context;
static double      x[N * D];
static float       x32[N * D];
static int64_t     labels[N];

static double uniform(uint32_t step, size_t row, size_t slot)
{
    return random_unit(random_draw(11, STREAM_SAMPLE, step, row, (uint32_t)slot).word[0]);
}

static void open_all(void)
{
    OK(ne_context_create(&context));
    for (size_t i = 0; i < N; i++) {
        labels[i] = (int64_t)(5 * uniform(0, i, 9)) * 1000000007 - 2;
        for (size_t j = 0; j < D; j++)
            x32[i * D + j] = (float)(uniform(1, i, j) + 0.2 * (double)(labels[i] / 1000000007));
    }
    for (size_t k = 0; k < N * D; k++) x[k] = (double)x32[k];
}

static void close_all(void)
{
    ne_context_free(context);
}

/* --- Silhouette */

static double distance(const double *a, const double *b, size_t d, int manhattan)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += manhattan ? fabs(a[j] - b[j]) : (a[j] - b[j]) * (a[j] - b[j]);
    return manhattan ? sum : sqrt(sum);
}

/* Mean distance from row i to the other rows of a label, of positive weight; NaN where there are none. */
static double naive_mean(size_t n, const int64_t *of, const double *weights, size_t i, int64_t label, int manhattan)
{
    double sum = 0, total = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == i || of[j] != label) continue;
        const double w = weights ? weights[j] : 1;
        sum += w * distance(x + i * D, x + j * D, D, manhattan);
        total += w;
    }
    return total > 0 ? sum / total : NAN;
}

static double naive_silhouette(size_t n, const int64_t *of, const double *weights, size_t i, int manhattan)
{
    const double a = naive_mean(n, of, weights, i, of[i], manhattan);
    double       b = NAN;
    for (size_t j = 0; j < n; j++)
        if (of[j] != of[i]) b = fmin(b, naive_mean(n, of, weights, i, of[j], manhattan)); /* of a NaN and b: b */
    return isnan(a) || isnan(b) || fmax(a, b) == 0 ? 0 : (b - a) / fmax(a, b);
}

static void check_silhouette(size_t n, const int64_t *of, const double *weights, int manhattan)
{
    const ne_score_options options = {
        .struct_size = sizeof options, .metric = manhattan ? "manhattan" : NULL, .weights = weights};
    const ne_dense wide = view_of_f64(x, n, D), narrow = view_of_f32(x32, n, D);
    static double  each[N];
    double         value = 77, same = 77, mean = 0;
    OK(ne_score_silhouette(context, &wide, of, &options, each, &value));
    OK(ne_score_silhouette(context, &narrow, of, &options, NULL, &same));
    ck_assert(value == same);
    for (size_t i = 0; i < n; i++) {
        const double want = naive_silhouette(n, of, weights, i, manhattan);
        ck_assert_msg(fabs(each[i] - want) <= ROUNDING, "n %zu, row %zu: %.17g, not %.17g", n, i, each[i], want);
        mean += want / (double)n;
    }
    ck_assert_double_eq_tol(value, mean, ROUNDING);
}

START_TEST(a_silhouette_is_its_definition)
{
    static double  weights[N];
    static int64_t own[N], two[N];
    for (size_t i = 0; i < N; i++) {
        weights[i] = i % 7 ? uniform(2, i, 0) : 0;
        own[i]     = (int64_t)i;
        two[i]     = i > 0; /* a row alone with its label */
    }
    for (int manhattan = 0; manhattan < 2; manhattan++) {
        static const size_t sizes[] = {2, 3, 63, 64, 65, 130, N}; /* around the tile of 64 */
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) check_silhouette(sizes[s], labels, NULL, manhattan);
        check_silhouette(N, labels, weights, manhattan);
        check_silhouette(100, own, NULL, manhattan);
        check_silhouette(N, two, NULL, manhattan);
        check_silhouette(N, two, weights, manhattan);
    }
}
END_TEST

START_TEST(a_silhouette_of_one_label_or_of_equal_rows_is_0)
{
    static const float   same[12];
    static const int64_t one[12], three[12] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
    const ne_dense       equal = view_of_f32(same, 12, 1), apart = view_of_f32(x32, 12, D);
    double               value = 77;
    OK(ne_score_silhouette(context, &apart, one, NULL, NULL, &value));
    ck_assert(value == 0);
    value = 77;
    OK(ne_score_silhouette(context, &equal, three, NULL, NULL, &value));
    ck_assert(value == 0);
}
END_TEST

START_TEST(the_scale_of_the_data_changes_no_bit_of_a_silhouette)
{
    static double       scaled[N * D];
    static const double scales[] = {0x1p-1000, 0x1p-300, 0x1p+300, 0x1p+1000};
    const ne_dense      points = view_of_f64(x, N, D), other = view_of_f64(scaled, N, D);
    double              want, value;
    OK(ne_score_silhouette(context, &points, labels, NULL, NULL, &want));
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        for (size_t k = 0; k < N * D; k++) scaled[k] = x[k] * scales[s];
        OK(ne_score_silhouette(context, &other, labels, NULL, NULL, &value));
        ck_assert(value == want);
    }
}
END_TEST

START_TEST(a_sample_is_scored_among_itself)
{
    enum {
        SAMPLE = 100
    };
    const ne_score_options options = {.struct_size = sizeof options, .sample = SAMPLE, .seed = 5};
    const ne_score_options other   = {.struct_size = sizeof options, .sample = SAMPLE, .seed = 6};
    const ne_dense         points = view_of_f64(x, N, D), few = view_of_f64(x, SAMPLE, D);
    static double          each[N];
    static int64_t         of_sample[SAMPLE];
    size_t                 count = 0;
    double                 value, again, want;
    OK(ne_score_silhouette(context, &points, labels, &options, each, &value));
    OK(ne_score_silhouette(context, &points, labels, &other, NULL, &again));
    ck_assert(value != again);
    for (size_t i = 0; i < N; i++) {
        if (isnan(each[i])) continue;
        of_sample[count] = labels[i];
        memcpy(x + count * D, x + i * D, D * sizeof *x);
        count++;
    }
    ck_assert_uint_eq(count, SAMPLE);
    OK(ne_score_silhouette(context, &few, of_sample, NULL, NULL, &want));
    ck_assert_double_eq_tol(value, want, ROUNDING);
}
END_TEST

static double half_taxi(const float *a, const float *b, size_t d, void *user)
{
    double sum = 0;
    (void)user;
    for (size_t j = 0; j < d; j++) sum += fabs((double)a[j] - (double)b[j]);
    return a == b ? 1e9 : sum / 2;
}

static double no_number(const float *a, const float *b, size_t d, void *user)
{
    (void)d;
    (void)user;
    return a[0] > b[0] ? NAN : 1;
}

START_TEST(a_users_metric_and_stored_distances_serve_too)
{
    static ne_metric_ops   taxi    = {sizeof taxi, "half_taxi", "h", half_taxi, NULL, NULL};
    static ne_metric_ops   nothing = {sizeof nothing, "no_number", "h", no_number, NULL, NULL};
    const ne_score_options mine    = {.struct_size = sizeof mine, .metric = "half_taxi"};
    const ne_score_options its     = {.struct_size = sizeof its, .metric = "manhattan"};
    const ne_score_options stored  = {.struct_size = sizeof stored, .metric = "precomputed"};
    const ne_score_options broken  = {.struct_size = sizeof broken, .metric = "no_number"};
    const ne_dense         points  = view_of_f32(x32, N, D);
    static double          square[N * N];
    const ne_dense         all = view_of_f64(square, N, N);
    double                 want, value;
    OK(ne_metric_register(&taxi));
    OK(ne_metric_register(&nothing));
    OK(ne_score_silhouette(context, &points, labels, &its, NULL, &want));
    OK(ne_score_silhouette(context, &points, labels, &mine, NULL,
                           &value)); /* what it says of a row and itself is not read */
    ck_assert_double_eq_tol(value, want, ROUNDING);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) square[i * N + j] = i == j ? 1e9 : distance(x + i * D, x + j * D, D, 1);
    OK(ne_score_silhouette(context, &all, labels, &stored, NULL, &value));
    ck_assert_double_eq_tol(value, want, ROUNDING);
    REFUSED(ne_score_silhouette(context, &points, labels, &broken, NULL, &value), NE_INVALID_ARGUMENT,
            "metric: 'no_number' gave a distance that is not finite");
    REFUSED(ne_score_silhouette(context, &points, labels, &stored, NULL, &value), NE_INVALID_ARGUMENT,
            "y: 331 x 3, distances of all pairs are n x n");
    square[7] = -1;
    REFUSED(ne_score_silhouette(context, &all, labels, &stored, NULL, &value), NE_INVALID_ARGUMENT,
            "y: row 0, column 7 is -1, a negative distance");
}
END_TEST

/* --- Adjusted Rand index */

/* From the four kinds of pairs, counted one by one. */
static double naive_rand(const int64_t *a, const int64_t *b, size_t n)
{
    double both = 0, only_a = 0, only_b = 0, neither = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            if (i == j) continue;
            both += a[i] == a[j] && b[i] == b[j];
            only_a += a[i] == a[j] && b[i] != b[j];
            only_b += a[i] != a[j] && b[i] == b[j];
            neither += a[i] != a[j] && b[i] != b[j];
        }
    if (only_a == 0 && only_b == 0) return 1;
    return 2 * (both * neither - only_a * only_b) /
           ((both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither));
}

START_TEST(an_adjusted_rand_index_is_its_definition)
{
    static int64_t other[N];
    double         value;
    for (int64_t kinds = 1; kinds < 40; kinds += 6) {
        for (size_t i = 0; i < N; i++) other[i] = (int64_t)(uniform(3, i, 0) * (double)kinds) + (i % 3 ? 0 : labels[i]);
        OK(ne_score_adjusted_rand(context, labels, other, N, &value));
        ck_assert_double_eq_tol(value, naive_rand(labels, other, N), 1e-14);
    }
    for (size_t i = 0; i < N; i++) other[i] = INT64_MIN + labels[i] + 2; /* other names, among them the smallest */
    OK(ne_score_adjusted_rand(context, labels, other, N, &value));
    ck_assert(value == 1);
    OK(ne_score_adjusted_rand(context, labels, other, 1, &value));
    ck_assert(value == 1);
}
END_TEST

START_TEST(labels_are_numbered_in_their_order)
{
    static const int64_t given[] = {INT64_MAX, -1, 0, INT64_MIN, -1, 256, INT64_MAX - 1, 0};
    static const int32_t code[] = {5, 1, 2, 0, 1, 3, 4, 2}, row[] = {3, 1, 4, 2, 7, 5, 6, 0};
    partition            of = {0};
    OK(partition_make(context, given, 8, &of));
    ck_assert_uint_eq(of.classes, 6);
    ck_assert_mem_eq(of.code, code, sizeof code);
    ck_assert_mem_eq(of.row, row, sizeof row);
    ck_assert_uint_eq(of.start[1], 1);
    ck_assert_uint_eq(of.start[6], 8);
    partition_clear(context, &of);
}
END_TEST

/* --- k-means */

/* Blobs of uneven sizes, 20 of their widths apart. */
static void blobs(double *to, int64_t *of, size_t kinds)
{
    for (size_t i = 0; i < N; i++) {
        const size_t kind = i < 200 ? 0 : i % kinds;
        of[i]             = (int64_t)kind * 3 - 4;
        for (size_t j = 0; j < D; j++)
            to[i * D + j] = uniform(4, i, j) + (j == kind % D ? 20.0 : 0) * (1 + (double)(kind / D));
    }
}

START_TEST(blobs_far_apart_are_found)
{
    const ne_dense points = view_of_f64(x, N, D);
    static int64_t assigned[N];
    for (uint64_t seed = 0; seed < 20; seed++) {
        const ne_score_options options = {.struct_size = sizeof options, .seed = seed};
        double                 value   = 77, same;
        blobs(x, labels, 6);
        OK(ne_score_kmeans_ari(context, &points, labels, &options, assigned, &value));
        ck_assert(value == 1);
        OK(ne_score_adjusted_rand(context, labels, assigned, N, &same));
        ck_assert(same == 1);
    }
}
END_TEST

/* Lloyd's fixed point: each row is with its nearest centre, each centre the mean of its rows. */
START_TEST(clusters_are_a_fixed_point_of_lloyd)
{
    enum {
        K = 7
    };
    const ne_dense         points  = view_of_f64(x, N, D);
    const ne_score_options options = {.struct_size = sizeof options, .clusters = K};
    static int64_t         assigned[N];
    double                 centre[K * D] = {0}, size[K] = {0}, value, want;
    OK(ne_score_kmeans_ari(context, &points, labels, &options, assigned, &value));
    for (size_t i = 0; i < N; i++) {
        size[assigned[i]]++;
        for (size_t j = 0; j < D; j++) centre[(size_t)assigned[i] * D + j] += x[i * D + j];
    }
    for (size_t c = 0; c < K; c++)
        for (size_t j = 0; j < D; j++) centre[c * D + j] /= size[c];
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < K; c++)
            ck_assert_double_le(distance(x + i * D, centre + (size_t)assigned[i] * D, D, 0),
                                distance(x + i * D, centre + c * D, D, 0) + 1e-12);
    want = naive_rand(labels, assigned, N);
    ck_assert_double_eq_tol(value, want, 1e-14);
}
END_TEST

static double spread_of(const int64_t *assigned, size_t k)
{
    double spread = 0;
    for (size_t c = 0; c < k; c++) {
        double mean[D] = {0}, size = 0;
        for (size_t i = 0; i < N; i++)
            if (assigned[i] == (int64_t)c) {
                size++;
                for (size_t j = 0; j < D; j++) mean[j] += x[i * D + j];
            }
        for (size_t j = 0; j < D; j++) mean[j] /= fmax(size, 1);
        for (size_t i = 0; i < N; i++)
            if (assigned[i] == (int64_t)c) spread += pow(distance(x + i * D, mean, D, 0), 2);
    }
    return spread;
}

START_TEST(more_restarts_are_never_worse)
{
    const ne_dense points = view_of_f64(x, N, D);
    double         last = INFINITY, first = 0;
    for (size_t restarts = 1; restarts <= 32; restarts *= 2) {
        const ne_score_options options = {.struct_size = sizeof options, .clusters = 9, .restarts = restarts};
        static int64_t         assigned[N];
        double                 value;
        OK(ne_score_kmeans_ari(context, &points, labels, &options, assigned, &value));
        const double spread = spread_of(assigned, 9);
        if (restarts == 1) first = spread;
        ck_assert_double_le(spread, last * (1 + 1e-12));
        last = spread;
    }
    ck_assert_double_lt(last, first);
}
END_TEST

START_TEST(fewer_distinct_rows_than_clusters_are_no_trouble)
{
    static const float   line[]  = {1, 1, 1, 2, 2, 2, 2, 1e30f};
    static const int64_t kinds[] = {0, 0, 0, 1, 1, 1, 1, 2};
    const ne_dense       points  = view_of_f32(line, 8, 1);
    for (size_t clusters = 1; clusters <= 8; clusters++) {
        const ne_score_options options = {.struct_size = sizeof options, .clusters = clusters};
        int64_t                assigned[8];
        double                 value = 77;
        OK(ne_score_kmeans_ari(context, &points, kinds, &options, assigned, &value));
        ck_assert(value >= -1 && value <= 1);
        ck_assert(clusters != 3 || value == 1);
        for (size_t i = 0; i < 8; i++) ck_assert(assigned[i] >= 0 && assigned[i] < (int64_t)clusters);

        static const float equal[8] = {3, 3, 3, 3, 3, 3, 3, 3};
        const ne_dense     same     = view_of_f32(equal, 8, 1);
        OK(ne_score_kmeans_ari(context, &same, kinds, &options, assigned, &value));
        for (size_t i = 0; i < 8; i++) ck_assert_int_eq(assigned[i], 0); /* of equally near centres the first */
    }
}
END_TEST

/* --- All of them */

START_TEST(cluster_scores_are_those_of_scikit_learn)
{
    enum {
        ROWS = ORACLE_ROWS,
        COLS = ORACLE_COLS
    };
    static float   points[ROWS * COLS], plane[ROWS * 2];
    static int64_t kind[ROWS], other[ROWS];
    uint64_t       state = 1;
    for (size_t i = 0; i < ROWS * COLS + ROWS; i++) {
        state = (1103515245 * state + 12345) % ((uint64_t)1 << 31);
        if (i < ROWS * COLS) points[i] = (float)((double)state * 0x1p-31);
        else kind[i - ROWS * COLS] = (int64_t)((double)state * 0x1p-31 * ORACLE_CLASSES);
    }
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < 3; j++) points[i * COLS + j] += 2 * (float)kind[i] / ORACLE_CLASSES;
        for (size_t j = 0; j < 2; j++) plane[i * 2 + j] = points[i * COLS + j];
    }
    const ne_dense of_x = view_of_f32(points, ROWS, COLS), of_y = view_of_f32(plane, ROWS, 2);
    double         value;
    for (size_t t = 0; t < sizeof oracle_silhouettes / sizeof *oracle_silhouettes; t++) {
        const ne_score_options options = {.struct_size = sizeof options, .metric = oracle_silhouettes[t].metric};
        OK(ne_score_silhouette(context, &of_x, kind, &options, NULL, &value));
        ck_assert_double_eq_tol(value, oracle_silhouettes[t].of_x, 2e-12); /* twelve printed digits */
        OK(ne_score_silhouette(context, &of_y, kind, &options, NULL, &value));
        ck_assert_double_eq_tol(value, oracle_silhouettes[t].of_y, 2e-12);
    }
    for (size_t t = 0; t < sizeof oracle_rand / sizeof *oracle_rand; t++) {
        const size_t classes = oracle_rand[t].classes;
        for (size_t i = 0; i < ROWS; i++)
            other[i] = classes == 3 ? kind[i] % 3 : (int64_t)((double)points[i * COLS + 3] * (double)classes);
        OK(ne_score_adjusted_rand(context, kind, other, ROWS, &value));
        ck_assert_double_eq_tol(value, oracle_rand[t].rand, 1e-12);
    }
}
END_TEST

static ne_status all_scores(ne_context *in, double value[3])
{
    const ne_dense points = view_of_f32(x32, N, D);
    ne_status      st     = ne_score_silhouette(in, &points, labels, NULL, NULL, value);
    if (st == NE_OK) st = ne_score_kmeans_ari(in, &points, labels, NULL, NULL, value + 1);
    if (st == NE_OK) st = ne_score_adjusted_rand(in, labels, labels, N, value + 2);
    return st;
}

START_TEST(the_number_of_threads_changes_no_bit)
{
    double first[3], value[3];
    for (int64_t threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
        OK(ne_context_set_int(context, "threads", threads));
        OK(all_scores(context, value));
        if (threads == 1) memcpy(first, value, sizeof first);
        ck_assert_mem_eq(value, first, sizeof first);
    }
}
END_TEST

START_TEST(arguments_that_do_not_fit_are_named)
{
    const ne_dense   points  = view_of_f64(x, N, D);
    ne_score_options options = {.struct_size = sizeof options};
    static double    weights[N];
    double           v = 77;
    REFUSED(ne_score_silhouette(NULL, &points, labels, NULL, NULL, &v), NE_INVALID_ARGUMENT, "context: a null pointer");
    REFUSED(ne_score_silhouette(context, NULL, labels, NULL, NULL, &v), NE_INVALID_ARGUMENT, "y: a null pointer");
    REFUSED(ne_score_silhouette(context, &points, NULL, NULL, NULL, &v), NE_INVALID_ARGUMENT, "labels: a null pointer");
    REFUSED(ne_score_kmeans_ari(context, &points, NULL, NULL, NULL, &v), NE_INVALID_ARGUMENT, "labels: a null pointer");
    REFUSED(ne_score_kmeans_ari(context, &points, labels, NULL, NULL, NULL), NE_INVALID_ARGUMENT,
            "value: a null pointer");
    REFUSED(ne_score_kmeans_ari(NULL, &points, labels, NULL, NULL, &v), NE_INVALID_ARGUMENT, "context: a null pointer");
    REFUSED(ne_score_adjusted_rand(context, labels, NULL, N, &v), NE_INVALID_ARGUMENT, "b: a null pointer");
    REFUSED(ne_score_adjusted_rand(context, labels, labels, 0, &v), NE_OUT_OF_RANGE, "n: 0 is outside [1, 2147483647]");
    options.sample = N + 1;
    REFUSED(ne_score_silhouette(context, &points, labels, &options, NULL, &v), NE_OUT_OF_RANGE,
            "sample: 332 is outside [1, n] = [1, 331]");
    options = (ne_score_options){.struct_size = sizeof options, .clusters = N + 1};
    REFUSED(ne_score_kmeans_ari(context, &points, labels, &options, NULL, &v), NE_OUT_OF_RANGE,
            "clusters: 332 is outside [1, n] = [1, 331]");
    options    = (ne_score_options){.struct_size = sizeof options, .weights = weights};
    weights[4] = -1;
    REFUSED(ne_score_silhouette(context, &points, labels, &options, NULL, &v), NE_INVALID_ARGUMENT,
            "weights: row 4 is -1, which is negative or not finite");
    options = (ne_score_options){.struct_size = sizeof options, .metric = "euclidian"};
    REFUSED(ne_score_silhouette(context, &points, labels, &options, NULL, &v), NE_UNKNOWN_NAME,
            "metric: unknown 'euclidian'; did you mean 'euclidean'?");
    options.struct_size = 0;
    REFUSED(ne_score_kmeans_ari(context, &points, labels, &options, NULL, &v), NE_INVALID_ARGUMENT,
            "options: struct_size is 0, sizeof(ne_score_options) is needed");
    x[5] = NAN;
    REFUSED(ne_score_silhouette(context, &points, labels, NULL, NULL, &v), NE_INVALID_ARGUMENT,
            "y: row 1, column 2 is nan");
    ck_assert(v == 77);
}
END_TEST

START_TEST(scores_survive_any_failed_allocation)
{
    fault        f         = {.until = LONG_MAX, .sticky = _i};
    ne_allocator allocator = {fault_allocate, fault_release, &f};
    ne_context  *in        = NULL;
    double       want[3], got[3];
    OK(ne_context_create_with(&allocator, &in));
    OK(ne_context_set_int(in, "threads", 1)); /* many short regions */
    OK(all_scores(in, want));
    const long before = f.live;
    f.fired           = 1;
    for (long k = 0; f.fired; k++) {
        f.until = k;
        f.fired = 0;
        ck_assert_int_eq(all_scores(in, got), f.fired ? NE_OUT_OF_MEMORY : NE_OK);
        ck_assert_int_eq(f.live, before);
    }
    ck_assert_mem_eq(got, want, sizeof want);
    ne_context_free(in);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

Suite *cluster_scores_suite(void);

Suite *cluster_scores_suite(void)
{
    Suite *s = suite_create("cluster_scores");
    TCase *t = tcase_create("cluster_scores");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, a_silhouette_is_its_definition);
    tcase_add_test(t, a_silhouette_of_one_label_or_of_equal_rows_is_0);
    tcase_add_test(t, the_scale_of_the_data_changes_no_bit_of_a_silhouette);
    tcase_add_test(t, a_sample_is_scored_among_itself);
    tcase_add_test(t, a_users_metric_and_stored_distances_serve_too);
    tcase_add_test(t, an_adjusted_rand_index_is_its_definition);
    tcase_add_test(t, labels_are_numbered_in_their_order);
    tcase_add_test(t, blobs_far_apart_are_found);
    tcase_add_test(t, clusters_are_a_fixed_point_of_lloyd);
    tcase_add_test(t, more_restarts_are_never_worse);
    tcase_add_test(t, fewer_distinct_rows_than_clusters_are_no_trouble);
    tcase_add_test(t, cluster_scores_are_those_of_scikit_learn);
    tcase_add_test(t, the_number_of_threads_changes_no_bit);
    tcase_add_test(t, arguments_that_do_not_fit_are_named);
    tcase_add_loop_test(t, scores_survive_any_failed_allocation, 0, 2);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(cluster_scores_suite());
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
