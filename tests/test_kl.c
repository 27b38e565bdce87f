/* tests/test_kl.c: the divergence of an affinity and an embedding against its definition in double loops. */
#include "base/random.h"
#include "base/view.h"
#include "fault.h"
#include "ne.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REFUSED(call, status, text)                                                                                    \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

enum {
    N     = 83, /* prime: no multiple of a block */
    C_MAX = 4
};

static ne_context *context;
static double      p[N * N], y64[N * C_MAX];
static float       y32[N * C_MAX];

static double naive_kl(const double *y, size_t c, double nu)
{
    const size_t n     = N;
    double       total = 0, normaliser = 0, sum = 0;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++)
            for (size_t l = 0; l < n; l++) {
                double s = 0;
                for (size_t j = 0; j < c; j++) s += (y[i * c + j] - y[l * c + j]) * (y[i * c + j] - y[l * c + j]);
                const double q = pow(1 + s / nu, -(nu + 1) / 2), v = p[i * n + l];
                if (pass == 0) {
                    total += v;
                    normaliser += i != l ? q : 0;
                } else if (v > 0) {
                    sum += v / total * log(v / total / (q / normaliser));
                }
            }
    return sum;
}

/* About a quarter of all pairs, directed, of very different weight. */
static void make_affinity(void)
{
    for (size_t i = 0; i < N; i++)
        for (size_t l = 0; l < N; l++) {
            const random_block w = random_draw(3, STREAM_SAMPLE, 2, i, (uint32_t)l);
            const float v = w.word[0] % 4 ? 0 : (float)(random_unit(w.word[1]) * pow(10, -4 * random_unit(w.word[2])));
            p[i * N + l]  = i == l ? 0 : (double)v;
        }
}

/* Normal numbers of different width in each column, that floats and doubles both hold. */
static void make_embedding(size_t c)
{
    for (size_t i = 0; i < N * c; i++) {
        const random_block w = random_draw(5, STREAM_SAMPLE, 3, i, 0);
        double             normal[2];
        random_normal(w.word[0], w.word[1], normal);
        y32[i] = (float)(normal[0] * (double)(1 + 3 * (i % c)));
        y64[i] = (double)y32[i];
    }
}

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    make_affinity();
    make_embedding(2);
}

static void close_all(void)
{
    ne_context_free(context);
}

static ne_graph *graph_of(ne_context *in)
{
    const size_t n     = N;
    int64_t     *start = calloc(n + 1, sizeof *start);
    int32_t     *col   = calloc(n * n, sizeof *col);
    double      *val   = calloc(n * n, sizeof *val);
    ne_graph    *graph = NULL;
    for (size_t i = 0; i < n; i++) {
        start[i + 1] = start[i];
        for (size_t l = 0; l < n; l++)
            if (p[i * n + l] > 0) {
                col[start[i + 1]]   = (int32_t)l;
                val[start[i + 1]++] = p[i * n + l];
            }
    }
    const ne_csr csr = {.struct_size = sizeof csr,
                        .rows        = n,
                        .cols        = n,
                        .start       = start,
                        .col         = col,
                        .val         = val,
                        .dtype       = NE_F64,
                        .place       = NE_HOST};
    ck_assert_int_eq(ne_graph_from_csr(in, NE_GRAPH_AFFINITY, &csr, &graph), NE_OK);
    free(start);
    free(col);
    free(val);
    return graph;
}

/* Terms of the sums are floats, rounded at 2^-24, and so is the kernel's argument: a few times 1e-7 of the sum of
 * absolute terms, which is below 10 here. */
static const double FLOAT_SUMS = 2e-6;

START_TEST(kl_is_its_definition)
{
    ne_graph *graph = graph_of(context);
    for (size_t c = 1; c <= C_MAX; c++)
        for (int t = 0; t < 3; t++) {
            const double nu = t == 0 ? 1 : t == 1 ? 0.5 : 3;
            make_embedding(c);
            const ne_dense y    = view_of_f32(y32, N, c);
            const double   want = naive_kl(y64, c, nu);
            double         value;
            ck_assert_int_eq(ne_score_kl(context, graph, &y, nu, &value), NE_OK);
            ck_assert_double_eq_tol(value, want, FLOAT_SUMS);
            for (size_t i = 0; i < N * c; i++) y64[i] += 1e6; /* only differences count, and doubles still have them */
            const ne_dense far_away = view_of_f64(y64, N, c);
            ck_assert_int_eq(ne_score_kl(context, graph, &far_away, nu, &value), NE_OK);
            ck_assert_double_eq_tol(value, want, FLOAT_SUMS);
        }
    ne_graph_free(graph);
}
END_TEST

START_TEST(kl_takes_an_affinity_of_any_sum)
{
    const ne_dense y = view_of_f32(y32, N, 2);
    double         value, again;
    ne_graph      *graph = graph_of(context);
    ck_assert_int_eq(ne_score_kl(context, graph, &y, 1, &value), NE_OK);
    ne_graph_free(graph);
    for (size_t i = 0; i < N * N; i++) p[i] *= 0x1p-20;
    graph = graph_of(context);
    ck_assert_int_eq(ne_score_kl(context, graph, &y, 1, &again), NE_OK);
    ck_assert_double_eq_tol(value, again, FLOAT_SUMS);
    ne_graph_free(graph);
    memset(p, 0, sizeof p);
    graph = graph_of(context);
    REFUSED(ne_score_kl(context, graph, &y, 1, &again), NE_INVALID_ARGUMENT,
            "affinity: the entries sum to 0, a positive sum is needed");
    ne_graph_free(graph);
}
END_TEST

START_TEST(kl_says_what_does_not_fit)
{
    ne_dense  y     = view_of_f32(y32, N, 2);
    double    value = 77;
    ne_graph *graph = graph_of(context), *distances = NULL;
    REFUSED(ne_score_kl(NULL, graph, &y, 1, &value), NE_INVALID_ARGUMENT, "context: a null pointer");
    REFUSED(ne_score_kl(context, NULL, &y, 1, &value), NE_INVALID_ARGUMENT, "affinity: a null pointer");
    REFUSED(ne_score_kl(context, graph, NULL, 1, &value), NE_INVALID_ARGUMENT, "y: a null pointer");
    REFUSED(ne_score_kl(context, graph, &y, 1, NULL), NE_INVALID_ARGUMENT, "value: a null pointer");
    REFUSED(ne_score_kl(context, graph, &y, 0, &value), NE_OUT_OF_RANGE, "degrees_of_freedom: 0 is outside (0, inf)");
    REFUSED(ne_score_kl(context, graph, &y, (double)NAN, &value), NE_OUT_OF_RANGE,
            "degrees_of_freedom: nan is outside (0, inf)");
    y.rows = N - 1;
    REFUSED(ne_score_kl(context, graph, &y, 1, &value), NE_INVALID_ARGUMENT, "y: 82 rows, affinity has 83");
    y.rows = N;
    y32[5] = NAN;
    REFUSED(ne_score_kl(context, graph, &y, 1, &value), NE_INVALID_ARGUMENT, "y: row 2, column 1 is nan");
    const ne_dense matrix = view_of_f64(p, N, N);
    ck_assert_int_eq(ne_graph_from_distances(context, &matrix, 3, &distances), NE_OK);
    REFUSED(ne_score_kl(context, distances, &y, 1, &value), NE_INVALID_ARGUMENT,
            "affinity: a graph of distances, a graph of similarities is needed");
    ck_assert(value == 77);
    ne_graph_free(graph);
    ne_graph_free(distances);
}
END_TEST

/* The list of edges is directed; with every edge turned round, the same pairs have the same weights. */
START_TEST(kl_of_the_transposed_affinity_is_the_same)
{
    const ne_dense y     = view_of_f32(y32, N, 2);
    ne_graph      *graph = graph_of(context);
    double         value, turned;
    ck_assert_int_eq(ne_score_kl(context, graph, &y, 1, &value), NE_OK);
    ne_graph_free(graph);
    for (size_t i = 0; i < N; i++)
        for (size_t l = 0; l < i; l++) {
            const double other = p[i * N + l];
            p[i * N + l]       = p[l * N + i];
            p[l * N + i]       = other;
        }
    graph = graph_of(context);
    ck_assert_int_eq(ne_score_kl(context, graph, &y, 1, &turned), NE_OK);
    ck_assert_double_eq_tol(value, turned, FLOAT_SUMS);
    ne_graph_free(graph);
}
END_TEST

START_TEST(kl_survives_any_failed_allocation)
{
    fault          f         = {.until = LONG_MAX, .sticky = _i};
    ne_allocator   allocator = {fault_allocate, fault_release, &f};
    ne_context    *in        = NULL;
    const ne_dense y         = view_of_f32(y32, N, 2);
    double         want, got = 0;
    ck_assert_int_eq(ne_context_create_with(&allocator, &in), NE_OK);
    ck_assert_int_eq(ne_context_set_int(in, "threads", 1), NE_OK); /* many short regions */
    ne_graph *graph = graph_of(in);
    ck_assert_int_eq(ne_score_kl(in, graph, &y, 1, &want), NE_OK);
    const long before = f.live;
    f.fired           = 1;
    for (long k = 0; f.fired; k++) {
        f.until = k;
        f.fired = 0;
        ck_assert_int_eq(ne_score_kl(in, graph, &y, 1, &got), f.fired ? NE_OUT_OF_MEMORY : NE_OK);
        ck_assert_int_eq(f.live, before);
    }
    ck_assert(got == want);
    ne_graph_free(graph);
    ne_context_free(in);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

static Suite *kl_suite(void)
{
    Suite *s = suite_create("kl");
    TCase *t = tcase_create("kl");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, kl_is_its_definition);
    tcase_add_test(t, kl_takes_an_affinity_of_any_sum);
    tcase_add_test(t, kl_of_the_transposed_affinity_is_the_same);
    tcase_add_test(t, kl_says_what_does_not_fit);
    tcase_add_loop_test(t, kl_survives_any_failed_allocation, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(kl_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
