/* tests/test_scores.c: each score against its definition in double loops, and against other libraries (oracle/). */
#include "base/random.h"
#include "base/view.h"
#include "fault.h"
#include "ne.h"
#include "oracle/scores.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED(call, status, text)                                                                                    \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

/* A score of whole counts is one division away from exact: a few roundings. */
static const double EXACT = 1e-14;

static ne_context *context;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

static void close_context(void)
{
    ne_context_free(context);
}

/* --- Data. */

typedef struct data {
    size_t   n, d, c;
    double  *x, *y; /* n x d, n x c: what both floats and doubles hold exactly */
    float   *x32, *y32;
    int64_t *labels;
} data;

static void data_free(data *of)
{
    free(of->x);
    free(of->y);
    free(of->x32);
    free(of->y32);
    free(of->labels);
}

/* Five overlapping clouds, and as embedding a noisy copy of their first columns. */
static data clouds(size_t n, size_t d, size_t c)
{
    data made   = {.n = n, .d = d, .c = c};
    made.x      = calloc(n * d, sizeof *made.x);
    made.y      = calloc(n * c, sizeof *made.y);
    made.x32    = calloc(n * d, sizeof *made.x32);
    made.y32    = calloc(n * c, sizeof *made.y32);
    made.labels = calloc(n, sizeof *made.labels);
    for (size_t i = 0; i < n; i++) {
        made.labels[i] = (int64_t)(random_draw(7, STREAM_SAMPLE, 1, i, 0).word[0] % 5) - 2;
        for (size_t j = 0; j < d; j++) {
            const random_block w = random_draw(7, STREAM_SAMPLE, 0, i, (uint32_t)j);
            double             normal[2];
            random_normal(w.word[0], w.word[1], normal);
            made.x32[i * d + j] = (float)(normal[0] + (j < 3 ? (double)made.labels[i] : 0));
            made.x[i * d + j]   = (double)made.x32[i * d + j];
            if (j < c) {
                made.y32[i * c + j] = (float)(made.x[i * d + j] + 0.5 * normal[1]);
                made.y[i * c + j]   = (double)made.y32[i * c + j];
            }
        }
    }
    return made;
}

/* --- The definitions, in double. */

typedef struct near {
    double distance;
    size_t index;
} near;

static int by_distance(const void *a, const void *b)
{
    const near *l = a, *r = b;
    return l->distance != r->distance ? (l->distance > r->distance) - (l->distance < r->distance)
                                      : (l->index > r->index) - (l->index < r->index);
}

/* All other rows of i, the nearest first; ties by index. */
static near *naive_order(const double *x, size_t n, size_t d, size_t i)
{
    near  *order = malloc(n * sizeof *order);
    size_t count = 0;
    for (size_t l = 0; l < n; l++)
        if (l != i) {
            double sum = 0;
            for (size_t j = 0; j < d; j++) sum += (x[i * d + j] - x[l * d + j]) * (x[i * d + j] - x[l * d + j]);
            order[count++] = (near){sum, l};
        }
    qsort(order, count, sizeof *order, by_distance);
    return order;
}

static double naive_trustworthiness(const double *x, size_t d, const double *y, size_t c, size_t n, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        near *in_x = naive_order(x, n, d, i), *in_y = naive_order(y, n, c, i);
        for (size_t m = 0; m < k; m++)
            for (size_t rank = 1; rank < n; rank++)
                if (in_x[rank - 1].index == in_y[m].index && rank > k) sum += (double)(rank - k);
        free(in_x);
        free(in_y);
    }
    return 1 - 2 / ((double)n * (double)k * (2 * (double)n - 3 * (double)k - 1)) * sum;
}

static double naive_preservation(const data *of, size_t k)
{
    double shared = 0;
    for (size_t i = 0; i < of->n; i++) {
        near *in_x = naive_order(of->x, of->n, of->d, i), *in_y = naive_order(of->y, of->n, of->c, i);
        for (size_t a = 0; a < k; a++)
            for (size_t b = 0; b < k; b++) shared += in_x[a].index == in_y[b].index;
        free(in_x);
        free(in_y);
    }
    return shared / ((double)of->n * (double)k);
}

/* Votes are counted for every label from the smallest up, so the first with the most votes is the winner. */
static double naive_accuracy(const data *of, size_t k, int64_t smallest, int64_t largest)
{
    double right = 0;
    for (size_t i = 0; i < of->n; i++) {
        near   *in_y   = naive_order(of->y, of->n, of->c, i);
        int64_t winner = 0;
        size_t  most   = 0;
        for (int64_t label = smallest; label <= largest; label++) {
            size_t votes = 0;
            for (size_t m = 0; m < k; m++) votes += of->labels[in_y[m].index] == label;
            if (votes > most) {
                most   = votes;
                winner = label;
            }
        }
        right += winner == of->labels[i];
        free(in_y);
    }
    return right / (double)of->n;
}

static double naive_agreement(const data *of, size_t k)
{
    double same = 0;
    for (size_t i = 0; i < of->n; i++) {
        near *in_y = naive_order(of->y, of->n, of->c, i);
        for (size_t m = 0; m < k; m++) same += of->labels[in_y[m].index] == of->labels[i];
        free(in_y);
    }
    return same / ((double)of->n * (double)k);
}

/* --- Trustworthiness. */

static double trustworthiness(const ne_dense *x, const ne_dense *y, size_t k)
{
    double value = NAN;
    ck_assert_int_eq(ne_score_trustworthiness(context, x, y, k, &value), NE_OK);
    return value;
}

START_TEST(trustworthiness_is_its_definition)
{
    /* n around the tile of 256, d around the slice of 256; k up to the largest */
    static const struct {
        size_t n, d, k;
    } cases[] = {{3, 2, 1}, {5, 3, 2}, {40, 4, 19}, {255, 7, 10}, {257, 3, 1}, {300, 300, 6}, {530, 40, 12}};
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        const size_t   n = cases[t].n, d = cases[t].d, k = cases[t].k;
        data           of  = clouds(n, d, 2);
        const ne_dense x64 = view_of_f64(of.x, n, d), y64 = view_of_f64(of.y, n, 2);
        const ne_dense x32 = view_of_f32(of.x32, n, d), y32 = view_of_f32(of.y32, n, 2);
        const double   want = naive_trustworthiness(of.x, d, of.y, 2, n, k);
        ck_assert_double_eq_tol(trustworthiness(&x32, &y32, k), want, EXACT);
        ck_assert_double_eq_tol(trustworthiness(&x64, &y64, k), want, EXACT);
        data_free(&of);
    }
}
END_TEST

/* The first column tells rows apart by 1e-12 of the size of the second: single precision sees nothing of it. */
START_TEST(ranks_are_right_where_floats_cannot_tell)
{
    enum {
        N = 301,
        K = 7
    };
    data of = clouds(N, 3, 2);
    for (size_t i = 0; i < N; i++) {
        of.x[i * 3]     = of.x[i * 3] * 1e-6;
        of.x[i * 3 + 1] = i % 2 ? 1 : -1;
        of.x[i * 3 + 2] = 0;
    }
    const ne_dense x = view_of_f64(of.x, N, 3), y = view_of_f64(of.y, N, 2);
    ck_assert_double_eq_tol(trustworthiness(&x, &y, K), naive_trustworthiness(of.x, 3, of.y, 2, N, K), EXACT);
    /* far from the origin: the differences are still exact, and floats of the rows would all be equal */
    for (size_t i = 0; i < N * 3; i++) of.x[i] = 1e9 + (double)(int64_t)(1e9 * of.x[i]);
    ck_assert_double_eq_tol(trustworthiness(&x, &y, K), naive_trustworthiness(of.x, 3, of.y, 2, N, K), EXACT);
    data_free(&of);
}
END_TEST

START_TEST(ties_go_to_the_smaller_index)
{
    enum {
        N = 290,
        D = 4,
        K = 9
    };
    data of = clouds(N, D, 2);
    for (size_t i = 0; i < N * D; i++) of.x32[i] = (float)(of.x[i] = rint(of.x[i])); /* a grid, duplicates included */
    const ne_dense x32 = view_of_f32(of.x32, N, D), x64 = view_of_f64(of.x, N, D), y = view_of_f64(of.y, N, 2);
    const double   want = naive_trustworthiness(of.x, D, of.y, 2, N, K);
    ck_assert_double_eq_tol(trustworthiness(&x32, &y, K), want, EXACT);
    ck_assert_double_eq_tol(trustworthiness(&x64, &y, K), want, EXACT);
    for (size_t i = 0; i < N * D; i++) of.x[i] = -3.7; /* all rows equal: the rank is the index */
    ck_assert_double_eq_tol(trustworthiness(&x64, &y, K), naive_trustworthiness(of.x, D, of.y, 2, N, K), EXACT);
    data_free(&of);
}
END_TEST

START_TEST(the_scale_of_the_data_does_not_matter)
{
    enum {
        N = 150,
        D = 5,
        K = 4
    };
    static const double scales[] = {0x1p-1000, 0x1p-140, 0x1p+100, 0x1p+1000};
    data                of       = clouds(N, D, 2);
    const ne_dense      x = view_of_f64(of.x, N, D), y = view_of_f64(of.y, N, 2);
    const double        want = trustworthiness(&x, &y, K);
    for (size_t t = 0; t < sizeof scales / sizeof *scales; t++) {
        for (size_t i = 0; i < N * D; i++) of.x[i] = (double)of.x32[i] * scales[t];
        ck_assert(trustworthiness(&x, &y, K) == want);
    }
    for (size_t i = 0; i < N * D; i++) of.x[i] = i % D ? (double)of.x32[i] : 1.5e308; /* huge, but constant */
    const double value = trustworthiness(&x, &y, K);
    ck_assert(value >= 0 && value <= 1);
    for (size_t i = 0; i < N * D; i++) of.x[i] = (double)of.x32[i] * 1e-22; /* squares of a bit or two */
    for (size_t j = 0; j < D; j++) of.x[j] = -(of.x[D + j] = 1);
    ck_assert_double_eq_tol(trustworthiness(&x, &y, K), naive_trustworthiness(of.x, D, of.y, 2, N, K), EXACT);
    data_free(&of);
}
END_TEST

START_TEST(an_embedding_that_is_the_data_has_full_scores)
{
    data           of = clouds(120, 3, 3);
    const ne_dense x  = view_of_f32(of.x32, of.n, of.d);
    double         value;
    ck_assert(trustworthiness(&x, &x, 11) == 1);
    ck_assert_int_eq(ne_score_knn_preservation(context, &x, &x, 11, &value), NE_OK);
    ck_assert(value == 1);
    data_free(&of);
}
END_TEST

START_TEST(the_number_of_threads_changes_no_bit)
{
    data           of = clouds(700, 20, 2);
    const ne_dense x = view_of_f32(of.x32, of.n, of.d), y = view_of_f32(of.y32, of.n, of.c);
    double         first[4] = {0};
    for (int64_t threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
        double value[4];
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
        ck_assert_int_eq(ne_score_trustworthiness(context, &x, &y, 10, value), NE_OK);
        ck_assert_int_eq(ne_score_knn_preservation(context, &x, &y, 10, value + 1), NE_OK);
        ck_assert_int_eq(ne_score_knn_accuracy(context, &y, of.labels, 10, value + 2), NE_OK);
        ck_assert_int_eq(ne_score_knn_label_agreement(context, &y, of.labels, 10, value + 3), NE_OK);
        if (threads == 1) memcpy(first, value, sizeof first);
        ck_assert_mem_eq(value, first, sizeof first);
    }
    data_free(&of);
}
END_TEST

/* --- The scores of neighbors. */

START_TEST(neighbor_scores_are_their_definitions)
{
    static const struct {
        size_t n, k;
    } cases[] = {{2, 1}, {5, 4}, {61, 1}, {200, 10}, {310, 40}};
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        const size_t   k  = cases[t].k;
        data           of = clouds(cases[t].n, 6, 2);
        const ne_dense x = view_of_f64(of.x, of.n, of.d), y = view_of_f64(of.y, of.n, of.c);
        double         value;
        ck_assert_int_eq(ne_score_knn_preservation(context, &x, &y, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, naive_preservation(&of, k), EXACT);
        ck_assert_int_eq(ne_score_knn_accuracy(context, &y, of.labels, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, naive_accuracy(&of, k, -2, 2), EXACT);
        ck_assert_int_eq(ne_score_knn_label_agreement(context, &y, of.labels, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, naive_agreement(&of, k), EXACT);
        data_free(&of);
    }
}
END_TEST

START_TEST(the_smallest_label_wins_a_tied_vote)
{
    const float    line[]   = {0, 1, 2.1f, 9};
    const int64_t  labels[] = {-4, 9, 5, 5};
    const ne_dense y        = view_of_f32(line, 4, 1);
    double         value;
    /* Row 0 sees 9 and 5, row 1 sees -4 and 5, row 2 sees 9 and -4, row 3 sees 5 and 9: only the last is right. */
    ck_assert_int_eq(ne_score_knn_accuracy(context, &y, labels, 2, &value), NE_OK);
    ck_assert(value == 0.25);
    ck_assert_int_eq(ne_score_knn_label_agreement(context, &y, labels, 2, &value), NE_OK);
    ck_assert(value == 0.125);
}
END_TEST

START_TEST(labels_are_told_apart_to_the_last_of_64_bits)
{
    const float    line[]  = {0, 1, 10, 11};
    const int64_t  large[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX, INT64_MAX - 1};
    const ne_dense y       = view_of_f32(line, 4, 1);
    double         value;
    ck_assert_int_eq(ne_score_knn_accuracy(context, &y, large, 1, &value), NE_OK);
    ck_assert(value == 0);
    ck_assert_int_eq(ne_score_knn_label_agreement(context, &y, large, 1, &value), NE_OK);
    ck_assert(value == 0);
    const int64_t odd_one[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX, INT64_MAX};
    ck_assert_int_eq(ne_score_knn_accuracy(context, &y, odd_one, 3, &value), NE_OK);
    ck_assert(value == 0.75);
}
END_TEST

START_TEST(scores_are_those_of_scikit_learn)
{
    enum {
        N = ORACLE_ROWS,
        D = ORACLE_COLS
    };
    static float   x[N * D], y[N * 2];
    static int64_t labels[N];
    uint64_t       state = 1;
    for (size_t i = 0; i < N * D + N; i++) {
        state = (1103515245 * state + 12345) % ((uint64_t)1 << 31);
        if (i < N * D) x[i] = (float)((double)state * 0x1p-31);
        else labels[i - N * D] = (int64_t)((double)state * 0x1p-31 * ORACLE_CLASSES);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < 3; j++) x[i * D + j] += 2 * (float)labels[i] / ORACLE_CLASSES;
        for (size_t j = 0; j < 2; j++) y[i * 2 + j] = x[i * D + j];
    }
    const ne_dense points = view_of_f32(x, N, D), embedding = view_of_f32(y, N, 2);
    for (size_t t = 0; t < sizeof oracle_scores / sizeof *oracle_scores; t++) {
        const size_t k = oracle_scores[t].k;
        double       value;
        /* twelve printed digits */
        ck_assert_double_eq_tol(trustworthiness(&points, &embedding, k), oracle_scores[t].trustworthiness, 1e-12);
        ck_assert_int_eq(ne_score_knn_preservation(context, &points, &embedding, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, oracle_scores[t].preservation, 1e-12);
        ck_assert_int_eq(ne_score_knn_accuracy(context, &embedding, labels, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, oracle_scores[t].accuracy, 1e-12);
        ck_assert_int_eq(ne_score_knn_label_agreement(context, &embedding, labels, k, &value), NE_OK);
        ck_assert_double_eq_tol(value, oracle_scores[t].agreement, 1e-12);
    }
}
END_TEST

/* --- Errors. */

START_TEST(k_outside_its_range_is_refused_with_the_range)
{
    data           of = clouds(40, 3, 2);
    const ne_dense x = view_of_f32(of.x32, 40, 3), y = view_of_f32(of.y32, 40, 2);
    double         v = 77;
    REFUSED(ne_score_trustworthiness(context, &x, &y, 0, &v), NE_OUT_OF_RANGE,
            "k: 0 is outside [1, (n - 1) / 2] = [1, 19]");
    REFUSED(ne_score_trustworthiness(context, &x, &y, 20, &v), NE_OUT_OF_RANGE,
            "k: 20 is outside [1, (n - 1) / 2] = [1, 19]");
    REFUSED(ne_score_knn_preservation(context, &x, &y, 0, &v), NE_OUT_OF_RANGE, "k: 0 is outside [1, n - 1] = [1, 39]");
    REFUSED(ne_score_knn_accuracy(context, &y, of.labels, 40, &v), NE_OUT_OF_RANGE,
            "k: 40 is outside [1, n - 1] = [1, 39]");
    REFUSED(ne_score_knn_label_agreement(context, &y, of.labels, 40, &v), NE_OUT_OF_RANGE,
            "k: 40 is outside [1, n - 1] = [1, 39]");
    ck_assert(v == 77);
    ck_assert_int_eq(ne_score_knn_preservation(context, &x, &y, 39, &v), NE_OK);
    ck_assert(v == 1); /* all others, in x as in y */
    ck_assert_int_eq(ne_score_trustworthiness(context, &x, &y, 19, &v), NE_OK);
    data_free(&of);
}
END_TEST

START_TEST(arguments_that_do_not_fit_are_named)
{
    data     of = clouds(40, 3, 2);
    ne_dense x = view_of_f32(of.x32, 40, 3), y = view_of_f32(of.y32, 40, 2);
    double   v = 77;
    REFUSED(ne_score_trustworthiness(NULL, &x, &y, 5, &v), NE_INVALID_ARGUMENT, "context: a null pointer");
    REFUSED(ne_score_trustworthiness(context, NULL, &y, 5, &v), NE_INVALID_ARGUMENT, "x: a null pointer");
    REFUSED(ne_score_knn_preservation(context, &x, NULL, 5, &v), NE_INVALID_ARGUMENT, "y: a null pointer");
    REFUSED(ne_score_knn_preservation(context, &x, &y, 5, NULL), NE_INVALID_ARGUMENT, "value: a null pointer");
    REFUSED(ne_score_knn_accuracy(context, &y, NULL, 5, &v), NE_INVALID_ARGUMENT, "labels: a null pointer");
    y.rows = 39;
    REFUSED(ne_score_knn_preservation(context, &x, &y, 5, &v), NE_INVALID_ARGUMENT, "y: 39 rows, x has 40");
    x.rows = y.rows = 2;
    REFUSED(ne_score_trustworthiness(context, &x, &y, 1, &v), NE_INVALID_ARGUMENT, "x: 2 rows, at least 3 are needed");
    y.rows = 1;
    REFUSED(ne_score_knn_accuracy(context, &y, of.labels, 1, &v), NE_INVALID_ARGUMENT,
            "y: 1 rows, at least 2 are needed");
    x.rows = y.rows = 40;
    of.y32[7]       = INFINITY;
    REFUSED(ne_score_trustworthiness(context, &x, &y, 5, &v), NE_INVALID_ARGUMENT, "y: row 3, column 1 is inf");
    of.x32[9] = NAN;
    REFUSED(ne_score_knn_preservation(context, &x, &y, 5, &v), NE_INVALID_ARGUMENT, "x: row 3, column 0 is nan");
    ck_assert(v == 77);
    data_free(&of);
}
END_TEST

/* --- Memory. */

static ne_status all_scores(ne_context *in, const data *of, double *value)
{
    const ne_dense x = view_of_f32(of->x32, of->n, of->d), y = view_of_f32(of->y32, of->n, of->c);
    ne_status      st = ne_score_trustworthiness(in, &x, &y, 5, value);
    if (st == NE_OK) st = ne_score_knn_preservation(in, &x, &y, 5, value + 1);
    if (st == NE_OK) st = ne_score_knn_accuracy(in, &y, of->labels, 5, value + 2);
    if (st == NE_OK) st = ne_score_knn_label_agreement(in, &y, of->labels, 5, value + 3);
    return st;
}

START_TEST(scores_survive_any_failed_allocation)
{
    fault        f         = {.until = LONG_MAX, .sticky = _i};
    ne_allocator allocator = {fault_allocate, fault_release, &f};
    ne_context  *in        = NULL;
    data         of        = clouds(97, 3, 2);
    double       want[4], got[4];
    ck_assert_int_eq(ne_context_create_with(&allocator, &in), NE_OK);
    ck_assert_int_eq(ne_context_set_int(in, "threads", 1), NE_OK); /* many short regions */
    ck_assert_int_eq(all_scores(in, &of, want), NE_OK);
    const long before = f.live;
    f.fired           = 1;
    for (long k = 0; f.fired; k++) {
        f.until = k;
        f.fired = 0;
        ck_assert_int_eq(all_scores(in, &of, got), f.fired ? NE_OUT_OF_MEMORY : NE_OK);
        ck_assert_int_eq(f.live, before);
    }
    ck_assert_mem_eq(got, want, sizeof want);
    ne_context_free(in);
    ck_assert_int_eq(f.live, 0);
    data_free(&of);
}
END_TEST

static Suite *scores_suite(void)
{
    Suite *s = suite_create("scores");
    TCase *t = tcase_create("scores");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_add_test(t, trustworthiness_is_its_definition);
    tcase_add_test(t, ranks_are_right_where_floats_cannot_tell);
    tcase_add_test(t, ties_go_to_the_smaller_index);
    tcase_add_test(t, the_scale_of_the_data_does_not_matter);
    tcase_add_test(t, an_embedding_that_is_the_data_has_full_scores);
    tcase_add_test(t, the_number_of_threads_changes_no_bit);
    tcase_add_test(t, neighbor_scores_are_their_definitions);
    tcase_add_test(t, the_smallest_label_wins_a_tied_vote);
    tcase_add_test(t, labels_are_told_apart_to_the_last_of_64_bits);
    tcase_add_test(t, scores_are_those_of_scikit_learn);
    tcase_add_test(t, k_outside_its_range_is_refused_with_the_range);
    tcase_add_test(t, arguments_that_do_not_fit_are_named);
    tcase_add_loop_test(t, scores_survive_any_failed_allocation, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(scores_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
