/* tests/test_knn_bound.c: exact neighbors by bounds are those of exact search to the last bit, and the recall that is
 * reported is that of other rows than those that chose the plan. */
#include "base/blas.h"
#include "cpu/knn_bound.h"
#include "cpu/knn_recall.h"
#include "knn_reference.h"

#include <string.h>

enum {
    K = 10
};

/* --- Data of few strong directions, so that sketches are shorter than rows. */

typedef enum shape {
    IMAGES,    /* variance falls off, and a rest in all columns */
    FAR_OFF,   /* the same far from the origin, one row farther still */
    LOW_RANK,  /* no rest at all but rounding */
    SOME_REST, /* every other row has none */
    SHARED,    /* every other row shares its rest with its nearest ones */
    SHORT,     /* whole sketches: bounds are distances */
    SHAPES
} shape;

static data make(shape of, size_t n, size_t d)
{
    const size_t latents = 12, width = of == SHORT ? 9 : d;
    data         made = data_new(n, width, width);
    for (size_t i = 0; i < n; i++) {
        const double rest = of == LOW_RANK || (of == SOME_REST && i % 2) ? 0 : 0.2;
        const int    near = of == SHARED && i % 2 == 0;
        const size_t who  = near ? i / 2 % 40 : i;
        double       latent[12];
        for (size_t l = 0; l < latents; l++)
            latent[l] =
                (normal(0, who, l) + near * 0.1 * normal(4, i, l) + 2 * normal(1, who % 9, l)) / (1 + (double)l);
        for (size_t j = 0; j < width; j++) {
            double sum = rest * (normal(2, who, j) + near * 0.1 * normal(5, i, j)) +
                         (of == FAR_OFF ? 300 + 100 * (double)(i == 7) : 0);
            for (size_t l = 0; l < latents; l++) sum += latent[l] * normal(3, l, j);
            data_set(&made, i, j, sum);
        }
    }
    return made;
}

/* --- What a search by bounds needs. */

typedef struct means {
    ne_dense   x;
    knn_rows   rows;
    knn_search search;
    knn_pilot  pilot;
    knn_sketch sketch;
    knn_cells  cells;
    int32_t   *index; /* exact neighbors of all rows */
    float     *distance;
} means;

static void means_create(const data *of, const ne_metric_ops *metric, means *m)
{
    m->x = view_of(of, NE_F32);
    ck_assert_int_eq(knn_rows_create(context, &m->x, metric, &m->rows), NE_OK);
    ck_assert_uint_eq(m->rows.count, of->n);
    m->search   = (knn_search){.rows = &m->rows, .k = K, .skip_self = 1, .recall = 0.9};
    m->index    = malloc(of->n * K * sizeof *m->index);
    m->distance = malloc(of->n * K * sizeof *m->distance);
    ck_assert_int_eq(knn_exact(context, &m->search, m->index, m->distance), NE_OK);
    blas_enter();
    ck_assert_int_eq(knn_pilot_create(context, &m->search, 1, &m->pilot), NE_OK);
    ck_assert_int_eq(knn_sketch_create(context, &m->rows, 1, &m->sketch), NE_OK);
    if (!m->sketch.whole)
        ck_assert_int_eq(
            knn_sketch_correlate(context, &m->rows, m->pilot.query, m->pilot.queries, m->pilot.index, K, &m->sketch),
            NE_OK);
    ck_assert_int_eq(knn_cells_create(context, &m->rows, 1, &m->sketch, &m->cells), NE_OK);
    blas_leave();
}

static void means_clear(means *m)
{
    knn_pilot_clear(&context->memory, &m->pilot);
    knn_sketch_clear(&context->memory, &m->sketch);
    knn_cells_clear(&context->memory, &m->cells);
    knn_rows_clear(&context->memory, &m->rows);
    free(m->index);
    free(m->distance);
}

/* --- Bounds. */

START_TEST(exact_search_by_bounds_has_the_bits_of_exact_search)
{
    static const metric_kind kinds[] = {METRIC_SQEUCLIDEAN, METRIC_EUCLIDEAN, METRIC_COSINE, METRIC_CORRELATION};
    const size_t             n       = 1300;
    data                     of      = make((shape)_i, n, 120);
    for (size_t kind = 0; kind < 4; kind++) {
        means m = {0};
        means_create(&of, metric_builtin(kinds[kind]), &m);
        ck_assert_int_eq(m.sketch.whole, _i == SHORT);
        ck_assert(knn_bound_works(&m.rows, &m.sketch));
        knn_bound_work work     = {0};
        int32_t       *index    = malloc(n * K * sizeof *index), query[40];
        float         *distance = malloc(n * K * sizeof *distance), *some = malloc(40 * K * sizeof *some);
        memcpy(distance, m.distance, n * K * sizeof *distance);
        for (size_t i = 0; i < n; i += 3) distance[i * K + K - 1] *= 1.1f; /* a radius need not be tight, */
        for (size_t q = 0; q < 40; q++) query[q] = (int32_t)(q * 31);
        ck_assert_int_eq(knn_bound(context, &m.search, &m.sketch, &m.cells, query, 40, distance, NULL, some, NULL),
                         NE_OK);
        for (size_t q = 0; q < 40; q++)
            ck_assert_mem_eq(some + q * K, m.distance + (size_t)query[q] * K, K * sizeof *some);
        distance[5 * K + K - 1] = INFINITY; /* nor finite */
        ck_assert_int_eq(knn_bound(context, &m.search, &m.sketch, &m.cells, NULL, 0, distance, index, distance, &work),
                         NE_OK);
        ck_assert_mem_eq(index, m.index, n * K * sizeof *index);
        ck_assert_mem_eq(distance, m.distance, n * K * sizeof *distance);
        /* Somebody is beyond reach in every shape; a pair that is not bounded is not measured. */
        ck_assert_msg(work.measured < 0.5 * (double)(n * n) && work.measured <= work.bounded,
                      "shape %d, %s: %.3f of all pairs measured", _i, m.rows.metric->name,
                      work.measured / (double)(n * n));
        free(index);
        free(distance);
        free(some);
        means_clear(&m);
    }
    data_free(&of);
}
END_TEST

/* Large enough for knn=exact to go by bounds; a copy of a row, since those are spread afterwards. */
START_TEST(exact_search_of_many_rows_finds_what_a_double_loop_finds)
{
    const size_t n      = KNN_BOUND_ROWS + 100;
    data         of     = make(IMAGES, n, KNN_BOUND_COLUMNS + 64);
    pair        *sorted = malloc(n * sizeof *sorted);
    for (size_t j = 0; j < of.d; j++) data_set(&of, n - 1, j, of.x[j]);
    knn_result got = search(&of, NE_F32, K, metric_builtin(METRIC_SQEUCLIDEAN), KNN_EXACT, 0.5);
    ck_assert(got.exact && got.recall >= 1);
    for (size_t i = 0; i < n; i += n / 12) {
        slow_row(METRIC_SQEUCLIDEAN, &of, i, sorted);
        for (size_t a = 0; a < K; a++) {
            ck_assert_int_eq(got.index[i * K + a], (int32_t)sorted[a].index);
            ck_assert(fabs((double)got.distance[i * K + a] - sorted[a].distance) <= RELATIVE * sorted[a].distance);
        }
    }
    result_free(&got);
    free(sorted);
    data_free(&of);
}
END_TEST

/* --- Recall. */

/* Rows of the pilot are answered in full, a known share of all others is not. Of r rows with standard deviation s the mean
 * is within 5 s / sqrt(r), but for a chance below 1e-6. */
START_TEST(recall_is_that_of_all_rows_and_not_of_the_pilots)
{
    const size_t   n    = 2600;
    const knn_plan plan = {.scan = 300, .keep = 20, .cost = 3000};
    data           of   = make(_i ? SHORT : IMAGES, n, 120);
    double         sum = 0, squares = 0;
    float         *found = malloc(n * K * sizeof *found);
    char          *known = calloc(n, 1);
    knn_recall     got;
    means          m = {0};
    means_create(&of, metric_builtin(METRIC_EUCLIDEAN), &m);
    ck_assert_int_eq(knn_recall_measure(context, &m.search, &m.sketch, &m.cells, &plan, 3, m.distance, &got), NE_OK);
    ck_assert_msg(got.mean >= 1 && got.error <= 0 && got.rows >= 128, "%f of %zu rows", got.mean, got.rows);

    memcpy(found, m.distance, n * K * sizeof *found);
    for (size_t q = 0; q < m.pilot.queries; q++) known[m.pilot.query[q]] = 1;
    for (size_t i = 0; i < n; i++) {
        const size_t lost = known[i] ? 0 : i % 5; /* of K: the last ones, now beyond the true K-th */
        for (size_t a = K - lost; a < K; a++) found[i * K + a] = 1.001f * m.distance[i * K + K - 1];
        sum += 1 - (double)lost / K;
        squares += (1 - (double)lost / K) * (1 - (double)lost / K);
    }
    const double mean = sum / (double)n, deviation = sqrt(squares / (double)n - mean * mean);
    ck_assert_int_eq(knn_recall_measure(context, &m.search, &m.sketch, &m.cells, &plan, 3, found, &got), NE_OK);
    ck_assert_msg(fabs(got.mean - mean) <= 5 * deviation / sqrt((double)got.rows), "%f, is %f", got.mean, mean);
    ck_assert_msg(fabs(got.error * sqrt((double)got.rows) / deviation - 1) < 0.2, "error %f", got.error);
    means_clear(&m);
    free(found);
    free(known);
    data_free(&of);
}
END_TEST

Suite *knn_bound_suite(void);

Suite *knn_bound_suite(void)
{
    Suite *suite = suite_create("knn_bound");
    TCase *bound = tcase_create("bound"), *large = tcase_create("large");
    tcase_add_checked_fixture(bound, open_context, close_context);
    tcase_set_timeout(bound, 300);
    tcase_add_loop_test(bound, exact_search_by_bounds_has_the_bits_of_exact_search, 0, SHAPES);
    tcase_add_checked_fixture(large, open_context, close_context);
    tcase_set_timeout(large, 300);
    tcase_add_test(large, exact_search_of_many_rows_finds_what_a_double_loop_finds);
    tcase_add_loop_test(bound, recall_is_that_of_all_rows_and_not_of_the_pilots, 0, 2);
    suite_add_tcase(suite, bound);
    suite_add_tcase(suite, large);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(knn_bound_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
