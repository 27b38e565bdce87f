/* tests/test_knn.c: exact k nearest neighbors against double loops over the definitions. */
#include "knn_reference.h"

#include <float.h>

START_TEST(exact_search_equals_a_double_loop_for_every_metric)
{
    const metric_kind kind = (metric_kind)_i;
    data              of   = clusters(301, 37, 40, 5, 1, 0.3);
    for (size_t i = 0; i < of.n; i++) /* repeated values, zeros, and a few columns that make all metrics differ */
        for (size_t j = 0; j < of.d; j += 2)
            data_set(&of, i, j, i % 7 == j % 7 ? 0 : floor(3 * of.x[i * of.stride + j]));
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

/* Clusters so small beside their distances that float products know nothing of the order within one: every row has to
 * be searched again, pair by pair. */
START_TEST(rows_that_float_products_cannot_order_are_searched_again)
{
    data of = data_new(600, 8, 8);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++)
            data_set(&of, i, j, 64 * floor(8 * normal(1, i % 4, j)) + 1e-3 * normal(0, i, j));
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
    static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_MANHATTAN, METRIC_CHEBYSHEV,
                                        METRIC_HAMMING};
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
                    ck_assert(fabs((double)got.distance[i * k + a] - sorted[a].distance) <=
                              RELATIVE * sorted[a].distance);
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
        ck_assert_msg(got.index[e] == one.index[e], "%g, type %d, metric %d: row %zu", scale, (int)dtype, (int)kind,
                      e / 8);
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
    data of =
        data_new(300, 12, 12); /* 1e-5 radian apart: 1 - cosine is 1e-10, where 1 minus a float product knows nothing */
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) data_set(&of, i, j, (1 + (double)(i % 9)) * (1 + 1e-5 * normal(0, i, j)));
    const data exact  = of;
    knn_result got    = search(&of, NE_F32, 7, metric_builtin(METRIC_COSINE), KNN_EXACT, 1);
    pair      *sorted = malloc(of.n * sizeof *sorted);
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
                const long double t =
                    (long double)exact.x[i * 12 + c] / sqrtl(aa) - (long double)exact.x[j * 12 + c] / sqrtl(bb);
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
    for (size_t i = 0; i < of.n; i++)
        data_set(&of, i, 0, i == 100 || i == 200 ? 2 + 0.001 * (double)i : 0.001 * (double)i);
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
            if (kinds[m] == METRIC_MANHATTAN) ck_assert_float_eq_tol(got[r], want, 45 * 0x1p-24f * want);
            else ck_assert(got[r] == want);
        }
    }
    free(tile);
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

Suite *knn_suite(void);

Suite *knn_suite(void)
{
    Suite *suite = suite_create("knn");
    TCase *exact = tcase_create("exact"), *many = tcase_create("many");
    tcase_add_checked_fixture(exact, open_context, close_context);
    tcase_add_checked_fixture(many, open_serial, close_context);
    tcase_set_timeout(exact, 300);
    tcase_set_timeout(many, 300);
    tcase_add_loop_test(exact, exact_search_equals_a_double_loop_for_every_metric, 0, METRIC_CUSTOM);
    tcase_add_test(exact, rows_that_float_products_cannot_order_are_searched_again);
    tcase_add_test(exact, huge_and_tiny_numbers_neither_overflow_nor_vanish);
    tcase_add_test(exact, zero_rows_are_at_one_from_all_but_zero_rows);
    tcase_add_test(exact, near_directions_keep_their_cosine_distance);
    tcase_add_test(exact, a_users_metric_is_called_as_it_is_from_row_to_neighbor);
    tcase_add_test(exact, a_metric_that_gives_nan_is_an_error);
    tcase_add_test(exact, a_tile_gives_the_numbers_of_the_metric);
    tcase_add_test(exact, k_has_to_be_in_range);
    tcase_add_test(many, near_rows_far_from_the_origin_keep_their_distances);
    tcase_add_test(many, ties_go_to_the_smaller_index);
    tcase_add_test(many, equal_rows_are_each_others_neighbors_in_order_of_index);
    tcase_add_test(many, constant_data_two_rows_and_all_neighbors_have_answers);
    suite_add_tcase(suite, exact);
    suite_add_tcase(suite, many);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
