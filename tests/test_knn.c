/* tests/test_knn.c: k nearest neighbors against double loops over the definitions; the approximate engine by its recall. */
#include "base/random.h"
#include "cpu/knn.h"
#include "cpu/metric.h"
#include "cpu/top_k.h"
#include "fault.h"
#include "ne.h"

#include <check.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- Data: n x d, rows `stride` apart, the same numbers as floats and as doubles. */

typedef struct data {
    size_t  n, d, stride;
    float  *f;
    double *x;
} data;

static data data_new(size_t n, size_t d, size_t stride)
{
    data made = {n, d, stride, NULL, NULL};
    made.f    = calloc(n * stride, sizeof *made.f);
    made.x    = calloc(n * stride, sizeof *made.x);
    ck_assert(made.f && made.x);
    return made;
}

static void data_free(data *of)
{
    free(of->f);
    free(of->x);
}

static void data_set(data *of, size_t i, size_t j, double value)
{
    of->f[i * of->stride + j] = (float)value;
    of->x[i * of->stride + j] = (double)(float)value;
}

static double normal(uint32_t step, size_t i, size_t j)
{
    const random_block draw = random_draw(5, STREAM_SAMPLE, step, i, (uint32_t)j);
    double             pair[2];
    random_normal(draw.word[0], draw.word[1], pair);
    return pair[0];
}

/* Normal clusters of unit width, their centres `apart` times a standard normal vector from each other; all of it shifted. */
static data clusters(size_t n, size_t d, size_t stride, size_t count, double apart, double shift)
{
    data made = data_new(n, d, stride);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) data_set(&made, i, j, normal(0, i, j) + apart * normal(1, i % count, j) + shift);
    return made;
}

/* --- The reference: each distance from its definition, in double, and a full sort. */

static double slow_distance(metric_kind kind, const double *a, const double *b, size_t d)
{
    double sum = 0, most = 0, ab = 0, aa = 0, bb = 0, ma = 0, mb = 0, unequal = 0, both = 0, either = 0;
    for (size_t j = 0; j < d && kind == METRIC_CORRELATION; j++) {
        ma += a[j] / (double)d;
        mb += b[j] / (double)d;
    }
    for (size_t j = 0; j < d; j++) {
        const double u = a[j] - ma, v = b[j] - mb;
        sum += kind == METRIC_MANHATTAN ? fabs(u - v) : (u - v) * (u - v);
        most = fmax(most, fabs(u - v));
        ab += u * v;
        aa += u * u;
        bb += v * v;
        unequal += a[j] != b[j];
        both += a[j] != 0 && b[j] != 0;
        either += a[j] != 0 || b[j] != 0;
    }
    switch (kind) {
    case METRIC_EUCLIDEAN: return sqrt(sum);
    case METRIC_CHEBYSHEV: return most;
    case METRIC_COSINE:
    case METRIC_CORRELATION: return aa > 0 && bb > 0 ? 1 - ab / sqrt(aa * bb) : aa > 0 || bb > 0;
    case METRIC_ANGULAR: return -ab;
    case METRIC_HAMMING: return unequal / (double)d;
    case METRIC_JACCARD: return either > 0 ? 1 - both / either : 0;
    default: return sum;
    }
}

typedef struct pair {
    double distance;
    size_t index;
} pair;

static int pair_order(const void *a, const void *b)
{
    const pair *p = a, *q = b;
    return p->distance < q->distance ? -1 : p->distance > q->distance ? 1 : p->index < q->index ? -1 : p->index > q->index;
}

static void slow_row(metric_kind kind, const data *of, size_t i, pair *sorted)
{
    size_t count = 0;
    for (size_t j = 0; j < of->n; j++)
        if (j != i) sorted[count++] = (pair){slow_distance(kind, of->x + i * of->stride, of->x + j * of->stride, of->d), j};
    qsort(sorted, count, sizeof *sorted, pair_order);
}

/* --- Calls. */

static ne_context *context;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

/* For hundreds of tiny searches, whose threads would spend the time waiting for each other on a machine with other work. */
static void open_serial(void)
{
    open_context();
    ck_assert_int_eq(ne_context_set_int(context, "threads", 1), NE_OK);
}

static void close_context(void)
{
    ne_context_free(context);
}

static ne_dense view_of(const data *of, ne_dtype dtype)
{
    return (ne_dense){sizeof(ne_dense), dtype == NE_F32 ? (void *)of->f : (void *)of->x, of->n, of->d, of->stride, (int32_t)dtype,
                      NE_HOST};
}

static knn_result search(const data *of, ne_dtype dtype, size_t k, const ne_metric_ops *metric, knn_method method, double recall)
{
    const ne_dense    x       = view_of(of, dtype);
    const knn_request request = {.x = &x, .k = k, .metric = metric, .method = method, .recall = recall, .seed = 3};
    knn_result        result;
    ck_assert_msg(cpu_knn(context, &request, &result) == NE_OK, "%s: %s", metric->name, ne_last_error());
    return result;
}

static void result_free(knn_result *of)
{
    memory_free(&context->memory, of->index);
    memory_free(&context->memory, of->distance);
}

/* Ascending by (distance, index), no row twice, never itself. */
static void check_order(const data *of, const knn_result *got, size_t k)
{
    unsigned char *seen = calloc(of->n, 1);
    for (size_t i = 0; i < of->n; i++) {
        const int32_t *index    = got->index + i * k;
        const float   *distance = got->distance + i * k;
        for (size_t a = 0; a < k; a++) {
            ck_assert(index[a] >= 0 && (size_t)index[a] < of->n && (size_t)index[a] != i && isfinite(distance[a]));
            ck_assert_msg(!seen[index[a]], "row %zu has %d twice", i, index[a]);
            seen[index[a]] = 1;
            if (a) ck_assert(distance[a - 1] < distance[a] || (distance[a - 1] == distance[a] && index[a - 1] < index[a]));
        }
        for (size_t a = 0; a < k; a++) seen[index[a]] = 0;
    }
    free(seen);
}

/* Every neighbor has its own distance, and the a-th has the a-th smallest there is. `absolute` is in units of the distance. */
static void check_exact(metric_kind kind, const data *of, const knn_result *got, size_t k, double relative, double absolute)
{
    pair *sorted = malloc(of->n * sizeof *sorted);
    check_order(of, got, k);
    for (size_t i = 0; i < of->n; i++) {
        slow_row(kind, of, i, sorted);
        for (size_t a = 0; a < k; a++) {
            const size_t j    = (size_t)got->index[i * k + a];
            const double want = sorted[a].distance, d = (double)got->distance[i * k + a];
            const double own  = slow_distance(kind, of->x + i * of->stride, of->x + j * of->stride, of->d);
            ck_assert_msg(fabs(d - want) <= relative * fabs(want) + absolute, "%s: row %zu, neighbor %zu: %.9g for %.9g",
                          metric_builtin((size_t)kind)->name, i, a, d, want);
            ck_assert_msg(fabs(d - own) <= relative * fabs(own) + absolute, "%s: row %zu, neighbor %zu is at %.9g, not %.9g",
                          metric_builtin((size_t)kind)->name, i, a, own, d);
        }
    }
    free(sorted);
}

/* --- Exact search. */

/* f32 sums of d terms in 32 lanes: below 8 roundings each, 2^-24 a rounding. The reference cosine cancels: 1e-15 absolute. */
static const double RELATIVE = 1e-6, CANCELLED = 1e-14;

START_TEST(exact_search_equals_a_double_loop_for_every_metric)
{
    const metric_kind kind = (metric_kind)_i;
    data              of   = clusters(301, 37, 40, 5, 1, 0.3);
    for (size_t i = 0; i < of.n; i++) /* repeated values, zeros, and a few columns that make all metrics differ */
        for (size_t j = 0; j < of.d; j += 2) data_set(&of, i, j, i % 7 == j % 7 ? 0 : floor(3 * of.x[i * of.stride + j]));
    const double cancelled = fabs(slow_distance(METRIC_ANGULAR, of.x, of.x, of.d)) * 1e-6;
    for (int type = NE_F32; type <= NE_F64; type++) {
        knn_result got = search(&of, (ne_dtype)type, 13, metric_builtin((size_t)kind), KNN_EXACT, 1);
        ck_assert(got.exact && got.recall == 1);
        check_exact(kind, &of, &got, 13, RELATIVE, kind == METRIC_ANGULAR ? cancelled : CANCELLED);
        result_free(&got);
    }
    data_free(&of);
}
END_TEST

START_TEST(near_rows_far_from_the_origin_keep_their_distances)
{
    static const double shifts[] = {100, 1e6};
    for (int s = 0; s < 2; s++) {
        data of = clusters(400, 11, 11, 3, 4, shifts[s]); /* in f32 at 1e6 columns are multiples of 1/16: many ties */
        for (int type = NE_F32; type <= NE_F64; type++)
            for (int kind = METRIC_SQEUCLIDEAN; kind <= METRIC_CHEBYSHEV; kind++) {
                knn_result got = search(&of, (ne_dtype)type, 20, metric_builtin((size_t)kind), KNN_EXACT, 1);
                check_exact((metric_kind)kind, &of, &got, 20, RELATIVE, 0);
                result_free(&got);
            }
        data_free(&of);
    }
}
END_TEST

/* Clusters so small beside their distances that float products know nothing of the order within one: every row has to be
 * searched again, pair by pair. */
START_TEST(rows_that_float_products_cannot_order_are_searched_again)
{
    data of = data_new(600, 8, 8);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) data_set(&of, i, j, 64 * floor(8 * normal(1, i % 4, j)) + 1e-3 * normal(0, i, j));
    for (int type = NE_F32; type <= NE_F64; type++) {
        knn_result got = search(&of, (ne_dtype)type, 10, metric_builtin(METRIC_EUCLIDEAN), KNN_EXACT, 1);
        check_exact(METRIC_EUCLIDEAN, &of, &got, 10, RELATIVE, 0);
        result_free(&got);
    }
    data_free(&of);
}
END_TEST

START_TEST(ties_go_to_the_smaller_index)
{
    static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_MANHATTAN, METRIC_CHEBYSHEV, METRIC_HAMMING};
    data                     of      = data_new(400, 2, 2);
    pair                    *sorted  = malloc(of.n * sizeof *sorted);
    for (size_t i = 0; i < of.n; i++) { /* a square lattice in scrambled order: all sums are exact */
        const size_t at = i * 187 % of.n;
        data_set(&of, i, 0, (double)(at % 20));
        data_set(&of, i, 1, (double)(at / 20));
    }
    for (size_t m = 0; m < 5; m++)
        for (size_t k = 1; k <= 41; k += 8)
            for (int type = NE_F32; type <= NE_F64; type++) {
                knn_result got = search(&of, (ne_dtype)type, k, metric_builtin((size_t)kinds[m]), KNN_EXACT, 1);
                for (size_t i = 0; i < of.n; i++) {
                    slow_row(kinds[m], &of, i, sorted);
                    for (size_t a = 0; a < k; a++) ck_assert_uint_eq((size_t)got.index[i * k + a], sorted[a].index);
                }
                result_free(&got);
            }
    free(sorted);
    data_free(&of);
}
END_TEST

START_TEST(equal_rows_are_each_others_neighbors_in_order_of_index)
{
    data  of     = clusters(450, 6, 6, 1, 0, 0);
    pair *sorted = malloc(of.n * sizeof *sorted);
    for (size_t i = 0; i < of.n; i++) /* 150 copies of row 0, pairs and triples of others; -0 equals 0 */
        for (size_t j = 0; j < of.d; j++) {
            if (i % 3 == 0) data_set(&of, i, j, j == 2 ? (i % 2 ? 0.0 : -0.0) : of.x[j]);
            if (i % 3 == 1 && i > 225) data_set(&of, i, j, of.x[(i - 225) * of.stride + j]);
        }
    for (size_t k = 1; k < 400; k = k * 4 + 1)
        for (int type = NE_F32; type <= NE_F64; type++) {
            knn_result got = search(&of, (ne_dtype)type, k, metric_builtin(METRIC_EUCLIDEAN), KNN_EXACT, 1);
            check_order(&of, &got, k);
            for (size_t i = 0; i < of.n; i++) {
                slow_row(METRIC_EUCLIDEAN, &of, i, sorted);
                for (size_t a = 0; a < k; a++) {
                    ck_assert(fabs((double)got.distance[i * k + a] - sorted[a].distance) <= RELATIVE * sorted[a].distance);
                    if (sorted[a].distance == 0) ck_assert_uint_eq((size_t)got.index[i * k + a], sorted[a].index);
                }
            }
            result_free(&got);
        }
    free(sorted);
    data_free(&of);
}
END_TEST

START_TEST(constant_data_two_rows_and_all_neighbors_have_answers)
{
    data constant = data_new(40, 3, 3), two = clusters(2, 5, 5, 1, 0, 0), all = clusters(67, 4, 4, 2, 1, 0);
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < 3; j++) data_set(&constant, i, j, 0.1);
    for (size_t m = 0; metric_builtin(m); m++)
        for (int method = KNN_AUTO; method <= KNN_APPROXIMATE; method++)
            for (int type = NE_F32; type <= NE_F64; type++) {
                knn_result got = search(&constant, (ne_dtype)type, 7, metric_builtin(m), (knn_method)method, 0.9);
                for (size_t i = 0; i < 40; i++)
                    for (size_t a = 0; a < 7; a++) {
                        ck_assert_int_eq(got.index[i * 7 + a], (int)(a + (a >= i)));
                        ck_assert_float_eq_tol(got.distance[i * 7 + a], m == METRIC_ANGULAR ? -0.03f : 0.0f, 1e-8f);
                    }
                result_free(&got);
                got = search(&two, (ne_dtype)type, 1, metric_builtin(m), (knn_method)method, 0.9);
                ck_assert(got.index[0] == 1 && got.index[1] == 0 && got.distance[0] == got.distance[1]);
                result_free(&got);
                got = search(&all, (ne_dtype)type, 66, metric_builtin(m), (knn_method)method, 0.9);
                check_exact((metric_kind)m, &all, &got, 66, RELATIVE, m == METRIC_ANGULAR ? 1e-5 : CANCELLED);
                result_free(&got);
            }
    data_free(&constant);
    data_free(&two);
    data_free(&all);
}
END_TEST

/* The same rows times a power of two have the same neighbors. */
static void check_scale(double scale, ne_dtype dtype, metric_kind kind)
{
    data of = data_new(240, 9, 9), unit = data_new(240, 9, 9);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) {
            data_set(&unit, i, j, normal(0, i, j));
            of.f[i * of.stride + j] = (float)((double)unit.f[i * of.stride + j] * scale);
            of.x[i * of.stride + j] = unit.x[i * of.stride + j] * scale;
        }
    knn_result got = search(&of, dtype, 8, metric_builtin((size_t)kind), KNN_EXACT, 1);
    knn_result one = search(&unit, NE_F64, 8, metric_builtin((size_t)kind), KNN_EXACT, 1);
    for (size_t e = 0; e < 240 * 8; e++) {
        const double want = (double)one.distance[e] * scale * (kind == METRIC_SQEUCLIDEAN ? scale : 1);
        ck_assert_msg(got.index[e] == one.index[e], "%g, type %d, metric %d: row %zu", scale, (int)dtype, (int)kind, e / 8);
        /* the smallest floats have fewer digits */
        ck_assert(fabs((double)got.distance[e] - fmin(want, (double)FLT_MAX)) <= 2e-6 * want + 0x1p-148);
    }
    result_free(&got);
    result_free(&one);
    data_free(&of);
    data_free(&unit);
}

START_TEST(huge_and_tiny_numbers_neither_overflow_nor_vanish)
{
    check_scale(0x1p100, NE_F32, METRIC_EUCLIDEAN);
    check_scale(0x1p-85, NE_F32, METRIC_EUCLIDEAN);
    check_scale(0x1p100, NE_F32, METRIC_MANHATTAN);
    check_scale(0x1p100, NE_F64, METRIC_EUCLIDEAN);
    check_scale(0x1p60, NE_F32, METRIC_SQEUCLIDEAN);
    check_scale(0x1p-60, NE_F64, METRIC_SQEUCLIDEAN);

    /* Outliers at 1e30 beside rows near 0. */
    data of = clusters(300, 4, 4, 1, 0, 0);
    for (size_t j = 0; j < 4; j++) {
        data_set(&of, 7, j, 1e30);
        data_set(&of, 8, j, -1e30);
    }
    knn_result got = search(&of, NE_F32, 5, metric_builtin(METRIC_EUCLIDEAN), KNN_EXACT, 1);
    check_exact(METRIC_EUCLIDEAN, &of, &got, 5, RELATIVE, 0);
    result_free(&got);
    got = search(&of, NE_F32, 5, metric_builtin(METRIC_SQEUCLIDEAN), KNN_EXACT, 1);
    check_order(&of, &got, 5);
    ck_assert(got.distance[7 * 5] == FLT_MAX);
    result_free(&got);

    /* Doubles whose squares are out of range. */
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < 4; j++) of.x[i * 4 + j] = normal(0, i, j) * 1e-200;
    got = search(&of, NE_F64, 5, metric_builtin(METRIC_COSINE), KNN_EXACT, 1);
    check_order(&of, &got, 5);
    ck_assert(got.distance[0] > 0 && got.distance[4] < 0.5f);
    result_free(&got);
    data_free(&of);
}
END_TEST

START_TEST(zero_rows_are_at_one_from_all_but_zero_rows)
{
    static const metric_kind kinds[] = {METRIC_COSINE, METRIC_CORRELATION};
    for (int m = 0; m < 2; m++) {
        data of = clusters(200, 5, 5, 2, 2, 0.5);
        for (size_t j = 0; j < 5; j++) { /* a constant row is a zero row to correlation */
            data_set(&of, 3, j, m ? 0.1 : 0);
            data_set(&of, 77, j, m ? 7.3 : 0);
            data_set(&of, 78, j, 0);
        }
        for (int type = NE_F32; type <= NE_F64; type++) {
            knn_result got = search(&of, (ne_dtype)type, 6, metric_builtin((size_t)kinds[m]), KNN_EXACT, 1);
            check_exact(kinds[m], &of, &got, 6, RELATIVE, CANCELLED);
            const int32_t *three = got.index + 3 * 6;
            ck_assert(three[0] == 77 && three[1] == 78 && got.distance[3 * 6 + 1] == 0 && got.distance[3 * 6 + 2] == 1);
            ck_assert(three[2] == 0); /* all others tie */
            result_free(&got);
        }
        data_free(&of);
    }
}
END_TEST

START_TEST(near_directions_keep_their_cosine_distance)
{
    data of = data_new(300, 12, 12); /* 1e-5 radian apart: 1 - cosine is 1e-10, where 1 minus a float product knows nothing */
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) data_set(&of, i, j, (1 + (double)(i % 9)) * (1 + 1e-5 * normal(0, i, j)));
    const data        exact = of;
    knn_result        got   = search(&of, NE_F32, 7, metric_builtin(METRIC_COSINE), KNN_EXACT, 1);
    pair             *sorted = malloc(of.n * sizeof *sorted);
    for (size_t i = 0; i < of.n; i += 13) {
        size_t count = 0;
        for (size_t j = 0; j < of.n; j++) {
            long double aa = 0, bb = 0, half = 0;
            if (j == i) continue;
            for (size_t c = 0; c < of.d; c++) {
                aa += (long double)exact.x[i * 12 + c] * (long double)exact.x[i * 12 + c];
                bb += (long double)exact.x[j * 12 + c] * (long double)exact.x[j * 12 + c];
            }
            for (size_t c = 0; c < of.d; c++) {
                const long double t = (long double)exact.x[i * 12 + c] / sqrtl(aa) - (long double)exact.x[j * 12 + c] / sqrtl(bb);
                half += t * t / 2;
            }
            sorted[count++] = (pair){(double)half, j};
        }
        qsort(sorted, count, sizeof *sorted, pair_order);
        for (size_t a = 0; a < 7; a++)
            ck_assert(fabs((double)got.distance[i * 7 + a] - sorted[a].distance) <= RELATIVE * sorted[a].distance);
    }
    free(sorted);
    result_free(&got);
    data_free(&of);
}
END_TEST

/* --- Users' metrics. */

static double skewed(const float *a, const float *b, size_t d, void *user)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += a[j] > b[j] ? 3 * fabs((double)a[j] - (double)b[j]) : fabs((double)a[j] - (double)b[j]);
    return sum + *(const double *)user;
}

static double broken(const float *a, const float *b, size_t d, void *user)
{
    (void)d;
    (void)user;
    return a[0] > 1 && b[0] > 1 ? NAN : fabs((double)a[0] - (double)b[0]);
}

START_TEST(a_users_metric_is_called_as_it_is_from_row_to_neighbor)
{
    double              extra = 2;
    const ne_metric_ops ops   = {sizeof ops, "skewed", "a distance that is not symmetric", skewed, NULL, &extra};
    data                of    = clusters(260, 3, 3, 3, 2, 0);
    double             *d     = malloc(of.n * sizeof *d);
    for (int type = NE_F32; type <= NE_F64; type++) /* without a double form, doubles are narrowed */
        for (size_t k = 4; k < 200; k += 150) {
            knn_result got = search(&of, (ne_dtype)type, k, &ops, KNN_EXACT, 1);
            check_order(&of, &got, k);
            for (size_t i = 0; i < of.n; i++) {
                size_t nearer = 0;
                for (size_t j = 0; j < of.n; j++) {
                    d[j] = (double)(float)skewed(of.f + i * 3, of.f + j * 3, 3, &extra);
                    nearer += j != i && d[j] < (double)got.distance[i * k + k - 1];
                }
                ck_assert_uint_le(nearer, k - 1);
                for (size_t a = 0; a < k; a++) ck_assert((double)got.distance[i * k + a] == d[got.index[i * k + a]]);
            }
            result_free(&got);
        }
    free(d);
    data_free(&of);
}
END_TEST

START_TEST(a_metric_that_gives_nan_is_an_error)
{
    const ne_metric_ops ops = {sizeof ops, "broken", "a distance with a fault", broken, NULL, NULL};
    data                of  = data_new(300, 2, 2);
    knn_result          got;
    for (size_t i = 0; i < of.n; i++) data_set(&of, i, 0, i == 100 || i == 200 ? 2 + 0.001 * (double)i : 0.001 * (double)i);
    const ne_dense x = view_of(&of, NE_F32);
    for (size_t k = 5; k < 300; k += 290) {
        const knn_request request = {.x = &x, .k = k, .metric = &ops, .method = KNN_EXACT};
        ck_assert_int_eq(cpu_knn(context, &request, &got), NE_INVALID_ARGUMENT);
        ck_assert_str_eq(ne_last_error(), "metric 'broken': the distance of rows 100 and 100 is not a number");
        ck_assert(!got.index && !got.distance);
    }
    data_free(&of);
}
END_TEST

/* --- The approximate engine. */

/* Share of the results that are no farther than the k-th exact neighbor. */
static double true_recall(const knn_result *exact, const knn_result *got, size_t n, size_t k)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < k; a++) found += got->distance[i * k + a] <= exact->distance[i * k + k - 1];
    return (double)found / (double)(n * k);
}

/* The sample's recall has a standard error of about 0.006 at .95 and 0.01 at .8, and the plan was fitted to it. */
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
    fault              mem = {.until = LONG_MAX};
    const ne_allocator counting = {fault_allocate, fault_release, &mem};
    ne_context        *own      = NULL;
    data               of       = clusters(4300, 5, 5, 9, 2, 0);
    const ne_dense     x        = view_of(&of, NE_F32);
    ck_assert_int_eq(ne_context_create_with(&counting, &own), NE_OK);
    const long before = mem.live;
    for (int method = KNN_EXACT; method <= KNN_APPROXIMATE; method++) {
        int               left    = 2;
        const progress    report  = {stop, &left};
        const knn_request request = {.x = &x, .k = 10, .metric = metric_builtin(METRIC_EUCLIDEAN), .method = (knn_method)method,
                                     .recall = 0.9, .progress = &report};
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
    fault              mem = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *own     = NULL;
    data               of      = clusters(900, 80, 80, 9, 2, 0);
    const ne_dense     x       = view_of(&of, NE_F64);
    const knn_method   method  = _i % 2 ? KNN_APPROXIMATE : KNN_EXACT;
    for (size_t i = 0; i < 80 && _i >= 2; i++) of.x[80 * 80 + i] = of.x[i]; /* copies: the spread allocates too */
    ck_assert_int_eq(ne_context_create_with(&failing, &own), NE_OK);
    ck_assert_int_eq(ne_context_set_int(own, "threads", 1), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const knn_request request = {.x = &x, .k = 5, .metric = metric_builtin(METRIC_COSINE), .method = method, .recall = 0.5};
        const long        before  = mem.live;
        knn_result        got;
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

START_TEST(k_has_to_be_in_range)
{
    data           of = clusters(10, 2, 2, 1, 0, 0);
    const ne_dense x  = view_of(&of, NE_F32);
    knn_result     got;
    for (size_t k = 0; k <= 10; k += 10) {
        const knn_request request = {.x = &x, .k = k, .metric = metric_builtin(METRIC_EUCLIDEAN)};
        ck_assert_int_eq(cpu_knn(context, &request, &got), NE_OUT_OF_RANGE);
        ck_assert_str_eq(ne_last_error(), k ? "n_neighbors: 10 is outside [1, n - 1] = [1, 9]"
                                            : "n_neighbors: 0 is outside [1, n - 1] = [1, 9]");
    }
    data_free(&of);
}
END_TEST

/* --- Parts. */

static int key_order(const void *a, const void *b)
{
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

START_TEST(keys_sort_as_their_values_do)
{
    enum { COUNT = 3000 };
    static uint64_t   key[COUNT], sorted[COUNT], sum[2];
    static const float values[] = {-INFINITY, -2, -FLT_MIN, -0.0f, 0, FLT_MIN, 1, 1.5f, INFINITY};
    for (size_t a = 0; a < 9; a++) {
        ck_assert(top_k_value(top_k_key(values[a], 5)) == values[a] && top_k_id(top_k_key(values[a], 5)) == 5);
        if (a) ck_assert(values[a] > values[a - 1] ? top_k_key(values[a], 0) > top_k_key(values[a - 1], 9)
                                                   : top_k_key(values[a], 0) == top_k_key(values[a - 1], 0));
    }
    for (size_t count = 1; count <= COUNT; count = count * 3 / 2 + 1) {
        for (size_t i = 0; i < count; i++) key[i] = top_k_key((float)floor(5 * normal(9, i, count)), (uint32_t)i);
        memcpy(sorted, key, sizeof key);
        qsort(sorted, count, sizeof *sorted, key_order);
        for (size_t keep = 1; keep < count; keep = keep * 2 + 1) {
            top_k_select(key, count, keep);
            sum[0] = sum[1] = 0;
            for (size_t i = 0; i < keep; i++) {
                ck_assert(key[i] <= sorted[keep - 1]);
                sum[0] += key[i];
                sum[1] += sorted[i];
            }
            ck_assert(sum[0] == sum[1]);
        }
        top_k_sort(key, count);
        ck_assert_mem_eq(key, sorted, count * sizeof *key);
    }
}
END_TEST

START_TEST(lists_keep_the_smallest_whatever_the_order_of_offers)
{
    enum { ROWS = 37, COUNT = 500, KEEP = 21 };
    static float value[ROWS * COUNT], add[COUNT], column[ROWS];
    top_k        by_row, by_column;
    ck_assert_int_eq(top_k_create(&memory_default, ROWS, KEEP, &by_row), NE_OK);
    ck_assert_int_eq(top_k_create(&memory_default, ROWS, KEEP, &by_column), NE_OK);
    for (size_t e = 0; e < ROWS * COUNT; e++) value[e] = (float)floor(30 * normal(8, e, 0));
    value[3] = NAN;
    for (size_t i = 0; i < ROWS; i++) top_k_offer_row(&by_row, i, value + i * COUNT, add, COUNT, 0);
    for (size_t j = COUNT; j-- > 0;) {
        for (size_t i = 0; i < ROWS; i++) column[i] = value[i * COUNT + j];
        top_k_offer_column(&by_column, 0, column, 0, ROWS, (uint32_t)j);
    }
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t key[COUNT];
        size_t   count = 0;
        for (size_t j = 0; j < COUNT; j++)
            if (!isnan(value[i * COUNT + j])) key[count++] = top_k_key(value[i * COUNT + j], (uint32_t)j);
        qsort(key, count, sizeof *key, key_order);
        top_k_shrink(&by_row, i);
        top_k_shrink(&by_column, i);
        top_k_sort(by_row.key + i * by_row.room, by_row.count[i]);
        top_k_sort(by_column.key + i * by_column.room, by_column.count[i]);
        ck_assert_uint_eq(by_row.count[i], KEEP);
        ck_assert_uint_eq(by_column.count[i], KEEP);
        ck_assert_mem_eq(by_row.key + i * by_row.room, key, KEEP * sizeof *key);
        ck_assert_mem_eq(by_column.key + i * by_column.room, key, KEEP * sizeof *key);
    }
    top_k_clear(&memory_default, &by_row);
    top_k_clear(&memory_default, &by_column);
}
END_TEST

START_TEST(a_tile_gives_the_numbers_of_the_metric)
{
    data of = clusters(METRIC_TILE + 1, 45, 45, 2, 1, 0);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j += 3) data_set(&of, i, j, (double)((i * j) % 3));
    float *tile = malloc(METRIC_TILE * of.d * sizeof *tile), got[METRIC_TILE];
    for (size_t r = 0; r < METRIC_TILE; r++)
        for (size_t j = 0; j < of.d; j++) tile[j * METRIC_TILE + r] = of.f[r * of.d + j];
    static const metric_kind kinds[] = {METRIC_MANHATTAN, METRIC_CHEBYSHEV, METRIC_HAMMING, METRIC_JACCARD};
    for (size_t m = 0; m < 4; m++) {
        const float *row = of.f + METRIC_TILE * of.d;
        metric_tile_f32(kinds[m], row, tile, of.d, got);
        for (size_t r = 0; r < METRIC_TILE; r++) {
            const float want = (float)metric_builtin((size_t)kinds[m])->distance_f32(row, of.f + r * of.d, of.d, NULL);
            if (kinds[m] == METRIC_MANHATTAN)
                ck_assert_float_eq_tol(got[r], want, 45 * 0x1p-24f * want);
            else
                ck_assert(got[r] == want);
        }
    }
    free(tile);
    data_free(&of);
}
END_TEST

Suite *knn_suite(void);

Suite *knn_suite(void)
{
    Suite *suite = suite_create("knn");
    TCase *exact = tcase_create("exact"), *many = tcase_create("many"), *approximate = tcase_create("approximate"),
          *parts = tcase_create("parts");
    tcase_add_checked_fixture(many, open_serial, close_context);
    tcase_add_checked_fixture(exact, open_context, close_context);
    tcase_add_checked_fixture(approximate, open_context, close_context);
    tcase_set_timeout(exact, 300);
    tcase_set_timeout(many, 300);
    tcase_set_timeout(approximate, 300);
    tcase_add_loop_test(exact, exact_search_equals_a_double_loop_for_every_metric, 0, METRIC_CUSTOM);
    tcase_add_test(many, near_rows_far_from_the_origin_keep_their_distances);
    tcase_add_test(exact, rows_that_float_products_cannot_order_are_searched_again);
    tcase_add_test(many, ties_go_to_the_smaller_index);
    tcase_add_test(many, equal_rows_are_each_others_neighbors_in_order_of_index);
    tcase_add_test(many, constant_data_two_rows_and_all_neighbors_have_answers);
    tcase_add_test(exact, huge_and_tiny_numbers_neither_overflow_nor_vanish);
    tcase_add_test(exact, zero_rows_are_at_one_from_all_but_zero_rows);
    tcase_add_test(exact, near_directions_keep_their_cosine_distance);
    tcase_add_test(exact, a_users_metric_is_called_as_it_is_from_row_to_neighbor);
    tcase_add_test(exact, a_metric_that_gives_nan_is_an_error);
    tcase_add_test(exact, k_has_to_be_in_range);
    tcase_add_loop_test(approximate, approximate_search_reaches_its_recall_on_clusters, 0, 4);
    tcase_add_test(approximate, approximate_search_reaches_its_recall_by_sketches);
    tcase_add_test(approximate, approximate_search_reaches_its_recall_on_a_flat_spectrum_and_on_copies);
    tcase_add_test(approximate, approximate_search_serves_users_metrics_too);
    tcase_add_test(approximate, the_bits_do_not_depend_on_the_number_of_threads);
    tcase_add_test(approximate, a_cancelled_search_leaves_nothing);
    tcase_add_loop_test(approximate, every_failed_allocation_is_reported_and_loses_nothing, 0, 4);
    tcase_add_test(parts, keys_sort_as_their_values_do);
    tcase_add_test(parts, lists_keep_the_smallest_whatever_the_order_of_offers);
    tcase_add_test(parts, a_tile_gives_the_numbers_of_the_metric);
    suite_add_tcase(suite, exact);
    suite_add_tcase(suite, many);
    suite_add_tcase(suite, approximate);
    suite_add_tcase(suite, parts);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
