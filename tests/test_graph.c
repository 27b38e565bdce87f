/* tests/test_graph.c: sparse matrices, Morton order, and graphs that the caller brings. */
#include "base/random.h"
#include "graph/csr.h"
#include "graph/order.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ne_context *ctx;

static void open_all(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
}

static void close_all(void)
{
    ne_context_free(ctx);
}

enum {
    N = 211,
    K = 9
};

/* K distinct columns a row in no order, values of row and column. */
static void fill(csr *m)
{
    ck_assert_int_eq(csr_new(&ctx->memory, N, N * K, m), NE_OK);
    for (size_t i = 0; i < N; i++) {
        m->start[i + 1] = (int64_t)((i + 1) * K);
        for (size_t j = 0; j < K; j++) {
            m->col[i * K + j] = (int32_t)((i + 1 + (j * j * 17 + i * 3) % (N - 1)) % N);
            for (size_t l = 0; l < j; l++)
                if (m->col[i * K + l] == m->col[i * K + j]) {
                    m->col[i * K + j] = (int32_t)((size_t)(m->col[i * K + j] + 1) % N);
                    l                 = (size_t)-1;
                }
            m->val[i * K + j] = (float)(i * 1000 + (size_t)m->col[i * K + j]);
        }
    }
}

START_TEST(symmetrised_is_the_sum_with_the_transpose_sorted_and_exactly_symmetric)
{
    csr     a, s;
    double *want = calloc(N * N, sizeof *want);
    for (int threads = 1; threads <= 7; threads += 3) {
        memset(want, 0, N * N * sizeof *want);
        ck_assert_int_eq(ne_context_set_int(ctx, "threads", threads), NE_OK);
        fill(&a);
        for (size_t i = 0; i < N; i++)
            for (int64_t e = a.start[i]; e < a.start[i + 1]; e++) {
                want[i * N + (size_t)a.col[e]] += 0.5 * (double)a.val[e];
                want[(size_t)a.col[e] * N + i] += 0.5 * (double)a.val[e];
            }
        ck_assert_int_eq(csr_symmetrise(ctx, &a, 0.5, &s), NE_OK);
        ck_assert(csr_is_symmetric(&s));
        size_t found = 0;
        for (size_t i = 0; i < N; i++)
            for (int64_t e = s.start[i]; e < s.start[i + 1]; e++, found++) {
                ck_assert(e == s.start[i] || s.col[e] > s.col[e - 1]);
                ck_assert_double_eq((double)s.val[e], want[i * N + (size_t)s.col[e]]);
            }
        for (size_t e = 0; e < N * N; e++) found -= want[e] != 0;
        ck_assert_uint_eq(found, 0);
        csr_clear(&ctx->memory, &a);
        csr_clear(&ctx->memory, &s);
    }
    free(want);
}
END_TEST

START_TEST(permuting_there_and_back_gives_the_same)
{
    csr     a, b, c;
    int64_t order[N], back[N];
    fill(&a);
    ck_assert_int_eq(csr_sort_rows(ctx, &a), NE_OK);
    for (size_t i = 0; i < N; i++) order[i] = (int64_t)((i * 37 + 5) % N);
    for (size_t i = 0; i < N; i++) back[order[i]] = (int64_t)i;
    ck_assert_int_eq(csr_permute(ctx, &a, order, &b), NE_OK);
    for (size_t r = 0; r < N; r++)
        for (int64_t e = b.start[r]; e < b.start[r + 1]; e++)
            ck_assert_float_eq(b.val[e], (float)(order[r] * 1000 + order[b.col[e]]));
    ck_assert_int_eq(csr_permute(ctx, &b, back, &c), NE_OK);
    ck_assert_mem_eq(c.col, a.col, N * K * sizeof *a.col);
    ck_assert_mem_eq(c.val, a.val, N * K * sizeof *a.val);
    csr_clear(&ctx->memory, &a);
    csr_clear(&ctx->memory, &b);
    csr_clear(&ctx->memory, &c);
}
END_TEST

/* Every point is at most a few places from some neighbor in the plane: the path through all points is short. */
START_TEST(morton_order_is_a_permutation_with_short_steps)
{
    enum {
        POINTS = 4096
    };
    float   *z     = malloc(POINTS * 3 * sizeof *z);
    int64_t *order = malloc(POINTS * sizeof *order);
    for (size_t c = 1; c <= 3; c++) {
        char   seen[POINTS] = {0};
        double path         = 0;
        for (size_t i = 0; i < POINTS * c; i++) z[i] = (float)random_unit(random_draw(1, 9, 0, i, 0).word[0]);
        ck_assert_int_eq(order_morton(ctx, POINTS, c, z, order), NE_OK);
        for (size_t r = 0; r < POINTS; r++) {
            ck_assert(order[r] >= 0 && order[r] < POINTS && !seen[order[r]]);
            seen[order[r]] = 1;
            double square  = 0;
            for (size_t k = 0; k < c && r > 0; k++) {
                const double step = (double)z[(size_t)order[r] * c + k] - (double)z[(size_t)order[r - 1] * c + k];
                square += step * step;
            }
            path += sqrt(square);
        }
        /* A random order's path is POINTS times 1/3, 0.52, 0.66; this one's a small multiple of POINTS^(1 - 1/c). */
        ck_assert_double_lt(path, 3 * pow(POINTS, 1 - 1.0 / (double)c));
    }
    free(z);
    free(order);
}
END_TEST

START_TEST(morton_order_takes_equal_and_non_finite_points)
{
    float   z[12] = {NAN, 1, INFINITY, 2, 1, 1, 1, 1, 1, 1, -INFINITY, NAN};
    int64_t order[6], sum = 0;
    ck_assert_int_eq(order_morton(ctx, 6, 2, z, order), NE_OK);
    for (int i = 0; i < 6; i++) sum += order[i];
    ck_assert_int_eq(sum, 15);
    for (int i = 0; i < 12; i++) z[i] = 3;
    ck_assert_int_eq(order_morton(ctx, 6, 2, z, order), NE_OK);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(order[i], i);
}
END_TEST

static ne_dense dense(void *data, size_t rows, size_t cols, int32_t type)
{
    const ne_dense v = {sizeof v, data, rows, cols, 0, type, NE_HOST};
    return v;
}

START_TEST(a_graph_is_made_of_the_callers_neighbors)
{
    int64_t        index[8]    = {2, 1, 0, 3, 3, 0, 1, 2};
    double         distance[8] = {5, 3, 1, 1, 0, 0, 2, 2};
    const ne_dense i = dense(index, 4, 2, NE_I64), d = dense(distance, 4, 2, NE_F64);
    ne_graph      *g = NULL;
    ne_csr         m;
    ck_assert_int_eq(ne_graph_from_neighbors(ctx, &i, &d, &g), NE_OK);
    ck_assert_int_eq(ne_graph_csr(g, &m), NE_OK);
    static const int32_t col[8] = {1, 2, 0, 3, 0, 3, 1, 2}; /* by distance, then index */
    ck_assert_mem_eq(m.col, col, sizeof col);
    ck_assert_float_eq(((const float *)m.val)[0], 3);
    ck_assert_int_eq(ne_graph_get_kind(g), NE_GRAPH_DISTANCES);
    ne_graph_free(g);
}
END_TEST

#define REFUSED(call, text)                                                                                            \
    do {                                                                                                               \
        ck_assert_int_eq(call, NE_INVALID_ARGUMENT);                                                                   \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
        ck_assert_ptr_null(g);                                                                                         \
    } while (0)

START_TEST(neighbors_with_a_fault_are_refused_by_row)
{
    int64_t        index[6]    = {1, 2, 0, 2, 0, 1};
    double         distance[6] = {1, 1, 1, 1, 1, 1};
    const ne_dense i = dense(index, 3, 2, NE_I64), d = dense(distance, 3, 2, NE_F64);
    const ne_dense wide = dense(index, 2, 3, NE_I64), wide_d = dense(distance, 2, 3, NE_F64);
    ne_graph      *g = NULL;
    index[3]         = 1;
    REFUSED(ne_graph_from_neighbors(ctx, &i, &d, &g), "indices: row 1 names itself in column 1");
    index[3] = 0;
    REFUSED(ne_graph_from_neighbors(ctx, &i, &d, &g), "indices: row 1 names column 0 twice");
    index[3] = 3;
    REFUSED(ne_graph_from_neighbors(ctx, &i, &d, &g), "indices: row 1 names column 3, outside [0, 3)");
    index[3] = -1;
    REFUSED(ne_graph_from_neighbors(ctx, &i, &d, &g), "indices: row 1 names column -1, outside [0, 3)");
    index[3]    = 2;
    distance[4] = -0.5;
    REFUSED(ne_graph_from_neighbors(ctx, &i, &d, &g),
            "indices: row 2, column 0 is -0.5, not a finite number of 0 or more");
    distance[4] = NAN;
    ck_assert_int_eq(ne_graph_from_neighbors(ctx, &i, &d, &g), NE_INVALID_ARGUMENT);
    REFUSED(ne_graph_from_neighbors(ctx, &wide, &wide_d, &g), "indices: 3 columns, a row has 1 others");
    ck_assert_int_eq(ne_graph_from_neighbors(ctx, &d, &d, &g), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_from_neighbors(ctx, &i, NULL, &g), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_from_neighbors(NULL, &i, &d, &g), NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(distances_give_the_nearest_without_the_diagonal)
{
    float          d[9] = {7, 2, 1, 2, 0, 2, 1, 2, -0.0f};
    const ne_dense v    = dense(d, 3, 3, NE_F32);
    ne_graph      *g    = NULL;
    ne_csr         m;
    ck_assert_int_eq(ne_graph_from_distances(ctx, &v, 3, &g), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_graph_from_distances(ctx, &v, 2, &g), NE_OK);
    ck_assert_int_eq(ne_graph_csr(g, &m), NE_OK);
    static const int32_t col[6] = {2, 1, 0, 2, 0, 1};
    ck_assert_mem_eq(m.col, col, sizeof col);
    ne_graph_free(g);
}
END_TEST

START_TEST(csr_is_sorted_loses_its_diagonal_and_is_refused_when_broken)
{
    int64_t   start[4] = {0, 3, 3, 4};
    int32_t   col[4]   = {2, 0, 1, 0};
    double    val[4]   = {0.5, 9, 0.25, 0.125};
    ne_csr    in       = {sizeof in, 3, 3, start, col, val, NE_F64, NE_HOST}, m;
    ne_graph *g        = NULL;
    ck_assert_int_eq(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), NE_OK);
    ck_assert_int_eq(ne_graph_csr(g, &m), NE_OK);
    ck_assert_int_eq(m.start[1], 2); /* row 1 is empty, the entry (0, 0) is gone */
    ck_assert_int_eq(m.col[0], 1);
    ck_assert_float_eq(((const float *)m.val)[0], 0.25f);
    ne_graph_free(g);
    g      = NULL;
    col[1] = 2;
    REFUSED(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), "csr: row 0 names column 2 twice");
    col[1]   = 0;
    start[1] = 5;
    REFUSED(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), "csr: start falls from 5 to 3 at row 1");
    start[1] = 3;
    in.cols  = 4;
    REFUSED(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), "csr: 3 x 4, a square matrix is needed");
    in.cols  = 3;
    in.dtype = NE_I32;
    ck_assert_int_eq(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), NE_INVALID_ARGUMENT);
    in.dtype = NE_F64;
    ck_assert_int_eq(ne_graph_from_csr(ctx, (ne_graph_kind)9, &in, &g), NE_INVALID_ARGUMENT);
    in.struct_size = 0;
    ck_assert_int_eq(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &in, &g), NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(options_of_faiss_go_by_the_names_of_torchdr_too)
{
    ne_graph *graph;
    char      text[NE_NAME_SIZE];
    int64_t   bits = 0;
    ck_assert_int_eq(ne_graph_create(ctx, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_set(graph, "faiss_index_type", "ivfpq"), NE_OK);
    ck_assert_int_eq(ne_graph_get(graph, "faiss_index", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "ivfpq");
    ck_assert_int_eq(ne_graph_set(graph, "faiss_nbits", "5"), NE_OK);
    ck_assert_int_eq(ne_graph_get_int(graph, "faiss_pq_bits", &bits), NE_OK);
    ck_assert_int_eq(bits, 5);
    ne_graph_free(graph);
}
END_TEST

START_TEST(a_graph_that_is_not_built_says_so)
{
    ne_graph *g = NULL;
    ne_csr    m;
    double    value;
    ck_assert_int_eq(ne_graph_create(ctx, &g), NE_OK);
    ck_assert_int_eq(ne_graph_csr(g, &m), NE_NOT_FITTED);
    ck_assert_int_eq(ne_graph_get_real(g, "entries", &value), NE_NOT_FITTED);
    ck_assert_int_eq(ne_graph_get_kind(g), 0);
    ck_assert_int_eq(ne_graph_set(g, "n_neighbours", "3"), NE_UNKNOWN_NAME);
    ck_assert_str_eq(ne_last_error(), "unknown option 'n_neighbours'; did you mean 'n_neighbors'?");
    ne_graph_free(g);
}
END_TEST

Suite *graph_suite(void);

Suite *graph_suite(void)
{
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, symmetrised_is_the_sum_with_the_transpose_sorted_and_exactly_symmetric);
    tcase_add_test(t, permuting_there_and_back_gives_the_same);
    tcase_add_test(t, morton_order_is_a_permutation_with_short_steps);
    tcase_add_test(t, morton_order_takes_equal_and_non_finite_points);
    tcase_add_test(t, a_graph_is_made_of_the_callers_neighbors);
    tcase_add_test(t, neighbors_with_a_fault_are_refused_by_row);
    tcase_add_test(t, distances_give_the_nearest_without_the_diagonal);
    tcase_add_test(t, csr_is_sorted_loses_its_diagonal_and_is_refused_when_broken);
    tcase_add_test(t, options_of_faiss_go_by_the_names_of_torchdr_too);
    tcase_add_test(t, a_graph_that_is_not_built_says_so);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(graph_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
