/* tests/test_edge_groups.c: packed edges hold what the CSR holds, and attraction over them is that over weights rounded to
 * halves. */
#include "cpu/attract.h"
#include "cpu/edge_groups.h"
#include "cpu/x86/attract_avx2.h"
#include "fault.h"
#include "layout.h"

#include <limits.h>
#include <string.h>

typedef struct graph {
    int64_t *start;
    int32_t *col;
    float   *val;
    ne_csr   csr;
} graph;

/* Row i has i % most edges, none in some rows: to rows within `near` of it, and each seventh to any row. */
static graph graph_make(size_t n, size_t near, size_t most)
{
    graph    g     = {malloc((n + 1) * sizeof *g.start),
                      malloc(n * most * sizeof *g.col),
                      malloc(n * most * sizeof *g.val),
                      {sizeof g.csr, n, n, NULL, NULL, NULL, NE_F32, NE_HOST}};
    uint64_t state = 5;
    int64_t  at    = 0;
    ck_assert(g.start && g.col && g.val);
    for (size_t i = 0; i < n; i++) {
        g.start[i] = at;
        for (size_t e = 0; e < i % most; e++, at++) {
            const double    u   = data_unit(&state);
            const ptrdiff_t far = (ptrdiff_t)(u * (double)n),
                            by  = (ptrdiff_t)((2 * u - 1) * (double)near) + (ptrdiff_t)i;
            const ptrdiff_t to  = e % 7 == 6 ? far : by;
            g.col[at]           = (int32_t)(to < 0 ? 0 : to < (ptrdiff_t)n ? to : (ptrdiff_t)n - 1);
            g.val[at]           = (float)(3e-5 * exp(-8 * data_unit(&state)));
        }
    }
    g.start[n]  = at;
    g.csr.start = g.start;
    g.csr.col   = g.col;
    g.csr.val   = g.val;
    return g;
}

static void graph_free(graph *g)
{
    free(g->start);
    free(g->col);
    free(g->val);
}

static double half_of(uint16_t half)
{
    const int exponent = half >> 10;
    return exponent ? ldexp(1024 + (half & 1023), exponent - 25) : ldexp(half & 1023, -24);
}

/* n and near: a row in one segment; rows that reach over several pages of 65,536 columns; the last page not full. */
static const size_t shapes[][2] = {{300, 300}, {65536, 40}, {70001, 200}, {80003, 40000}};

enum {
    SHAPES = sizeof shapes / sizeof *shapes
};

START_TEST(every_edge_is_there_once_with_its_weight)
{
    graph        g       = graph_make(shapes[_i][0], shapes[_i][1], 101);
    ne_context  *context = layout_context(2);
    edge_groups *edges   = NULL;
    double      *held = calloc(g.csr.rows, sizeof *held), *want = calloc(g.csr.rows, sizeof *want);
    ck_assert(held && want);
    ck_assert_int_eq(edge_groups_make(context, &g.csr, &edges), NE_OK);
    const edge_group *group    = edges->group;
    size_t            segments = 0, beyond = 0, strange = 0, wrong = 0; /* an assertion an edge would take a minute */
    for (size_t i = 0; i < g.csr.rows; i++) {
        if (i % EDGE_ROWS == 0) ck_assert_ptr_eq(group, edges->group + edges->first[i / EDGE_ROWS]);
        for (int64_t e = g.start[i]; e < g.start[i + 1]; e++) {
            want[g.col[e]] += (double)g.val[e];
            held[g.col[e]] = 0;
        }
        for (uint32_t s = edges->segments[i]; s < edges->segments[i + 1]; s++, segments++)
            for (const edge_group *end = group + edges->segment[s].groups; group < end; group++)
                for (size_t k = 0; k < EDGE_GROUP; k++) {
                    const size_t col = edges->segment[s].base + group->col[k];
                    beyond += col >= g.csr.rows;
                    if (col >= g.csr.rows) continue;
                    strange += group->weight[k] != 0 && !(want[col] > 0);
                    held[col] += half_of(group->weight[k]) * (double)edges->unit;
                }
        /* Halves have 11 bits; the smallest weight here is a three thousandth of the largest, far from their end. */
        for (int64_t e = g.start[i]; e < g.start[i + 1]; e++)
            wrong += !(fabs(held[g.col[e]] - want[g.col[e]]) <= 0x1p-11 * want[g.col[e]]);
        for (int64_t e = g.start[i]; e < g.start[i + 1]; e++) want[g.col[e]] = 0;
    }
    ck_assert_uint_eq(beyond, 0);
    ck_assert_uint_eq(strange, 0);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_ptr_eq(group, edges->group + edges->first[(g.csr.rows + EDGE_ROWS - 1) / EDGE_ROWS]);
    ck_assert(_i < 3 ? segments <= g.csr.rows * 11 / 10 : segments > g.csr.rows * 11 / 10);
    cpu_edges_free(context, edges);
    ne_context_free(context);
    free(held);
    free(want);
    graph_free(&g);
}
END_TEST

/* Against the same sums over a CSR whose weights are what the halves say: only the order of summing differs. */
START_TEST(attraction_is_that_of_the_rounded_weights)
{
    const size_t n       = shapes[_i][0];
    graph        g       = graph_make(n, shapes[_i][1], 101);
    ne_context  *context = layout_context(2);
    edge_groups *edges   = NULL;
    float *z = layout_make(LAYOUT_NORMAL, n, 2, 30), *f = malloc(2 * n * sizeof *f), *again = malloc(2 * n * sizeof *f);
    const output_kernel kernel = _i % 2 ? layout_kernel[0] : (output_kernel){.kind = KERNEL_LARGEVIS};
    double              want[2], size, loss, loss_csr;
    size_t              wrong = 0;
    attraction_job job = {.n = n, .c = 2, .row1 = n, .p = &g.csr, .z = z, .f = f, .loss = &loss, .kernel = &kernel};
    ck_assert(f && again);
    ck_assert_int_eq(edge_groups_make(context, &g.csr, &edges), NE_OK);
    job.edges = edges;
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    for (size_t i = 0; i < n; i++) {
        want[0] = want[1] = size = 0;
        for (int64_t e = g.start[i]; e < g.start[i + 1]; e++) {
            uint16_t     half;
            const size_t j = (size_t)g.col[e];
            attract_avx2_halves(&g.val[e], 1, 1 / edges->unit, &half);
            const double s = layout_square(z, 2, i, j), q = kernel.kind == KERNEL_LARGEVIS ? 1 / (2 + s) : 1 / (1 + s);
            for (size_t k = 0; k < 2; k++) {
                const double force =
                    half_of(half) * (double)edges->unit * q * ((double)z[2 * i + k] - (double)z[2 * j + k]);
                want[k] += force;
                size += fabs(force);
            }
        }
        for (size_t k = 0; k < 2; k++) wrong += !(fabs((double)f[2 * i + k] - want[k]) <= 1e-6 * size);
    }
    ck_assert_uint_eq(wrong, 0);
    /* The loss is over the CSR itself; rows in parts and other numbers of threads give the same bits. */
    job.edges = NULL;
    job.loss  = &loss_csr;
    job.f     = again;
    ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    ck_assert_double_eq(loss, loss_csr);
    ck_assert_int_ne(memcmp(f, again, 2 * n * sizeof *f), 0);
    job.edges = edges;
    job.loss  = NULL;
    for (size_t row = 0; row < n; row += 70 + n / 3) {
        job.row0 = row;
        job.row1 = row + 70 + n / 3 < n ? row + 70 + n / 3 : n;
        ck_assert_int_eq(cpu_attract(context, &job), NE_OK);
    }
    ck_assert_mem_eq(f, again, 2 * n * sizeof *f);
    cpu_edges_free(context, edges);
    ne_context_free(context);
    free(z);
    free(f);
    free(again);
    graph_free(&g);
}
END_TEST

START_TEST(small_graphs_and_other_kernels_and_weights_without_size_are_not_packed)
{
    graph        g       = graph_make(100000, 100, 71);
    ne_context  *context = layout_context(1);
    edge_groups *edges   = NULL;
    const size_t entries = (size_t)g.start[100000];
    ck_assert_uint_gt(entries, 1 << 20);
    for (size_t k = 0; k < LAYOUT_KERNELS; k++) {
        ck_assert_int_eq(cpu_edges_pack(context, &g.csr, 2, &layout_kernel[k], &edges), NE_OK);
        ck_assert_int_eq(edges != NULL, layout_kernel[k].kind == KERNEL_STUDENT);
        const double bytes = cpu_edges_bytes(100000, (double)entries, 2, &layout_kernel[k]);
        ck_assert(edges ? bytes > 4.0 * (double)entries : bytes == 0);
        if (edges) {
            const double held = (double)edges->first[(100000 + EDGE_ROWS - 1) / EDGE_ROWS] * sizeof(edge_group) +
                                4.0 * 100000 + (double)edges->segments[100000] * sizeof(edge_segment);
            ck_assert_double_eq_tol(held, bytes, 0.1 * bytes);
        }
        cpu_edges_free(context, edges);
    }
    ck_assert_int_eq(cpu_edges_pack(context, &g.csr, 3, &layout_kernel[0], &edges), NE_OK);
    ck_assert_ptr_null(edges);
    memset(g.val, 0, entries * sizeof *g.val);
    ck_assert_int_eq(cpu_edges_pack(context, &g.csr, 2, &layout_kernel[0], &edges), NE_OK);
    ck_assert_ptr_null(edges);
    g.csr.rows = g.csr.cols = 20000;
    ck_assert_int_eq(cpu_edges_pack(context, &g.csr, 2, &layout_kernel[0], &edges), NE_OK);
    ck_assert_ptr_null(edges);
    ne_context_free(context);
    graph_free(&g);
}
END_TEST

/* Every edge to a page of its own would take 40 bytes. */
START_TEST(rows_that_reach_all_over_the_columns_are_not_packed)
{
    enum {
        ROWS = 600000
    };
    graph        g       = graph_make(ROWS, 1, 23);
    ne_context  *context = layout_context(2);
    edge_groups *edges   = NULL;
    uint64_t     state   = 1;
    for (int64_t e = 0; e < g.start[ROWS]; e++) g.col[e] = (int32_t)(ROWS * data_unit(&state));
    ck_assert_int_eq(edge_groups_make(context, &g.csr, &edges), NE_OK);
    ck_assert_ptr_null(edges);
    ne_context_free(context);
    graph_free(&g);
}
END_TEST

/* Relative to the largest of all: at 2^-20 a row keeps its digits, at 2^-26 it would lose some. */
START_TEST(a_row_of_weights_too_small_for_halves_keeps_the_csr)
{
    for (int power = -26; power <= -20; power += 6) {
        graph        g       = graph_make(1000, 100, 31);
        ne_context  *context = layout_context(1);
        edge_groups *edges   = NULL;
        for (int64_t e = 0; e < g.start[1000]; e++) g.val[e] = 0.75f;
        for (int64_t e = g.start[500]; e < g.start[501]; e++) g.val[e] = ldexpf(0.75f, power);
        ck_assert_int_gt(g.start[501], g.start[500]);
        ck_assert_int_eq(edge_groups_make(context, &g.csr, &edges), NE_OK);
        ck_assert_int_eq(edges != NULL, power == -20);
        cpu_edges_free(context, edges);
        ne_context_free(context);
        graph_free(&g);
    }
}
END_TEST

START_TEST(without_the_instructions_nothing_is_packed)
{
    graph        g       = graph_make(100000, 100, 71);
    ne_context  *context = layout_context(1);
    edge_groups *edges   = NULL;
    ck_assert_int_eq(cpu_edges_pack(context, &g.csr, 2, &layout_kernel[0], &edges), NE_OK);
    ck_assert_ptr_null(edges);
    ne_context_free(context);
    graph_free(&g);
}
END_TEST

START_TEST(a_failed_allocation_is_reported_and_loses_nothing)
{
    graph       g       = graph_make(1000, 100, 31);
    fault       mem     = {.until = LONG_MAX};
    ne_context *context = NULL;
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    const long before = mem.live;
    for (long k = 0, fired = 1; fired; k++) {
        edge_groups *edges = NULL;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = edge_groups_make(context, &g.csr, &edges);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        cpu_edges_free(context, edges);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(context);
    ck_assert_int_eq(mem.live, 0);
    graph_free(&g);
}
END_TEST

Suite *edge_groups_suite(void);

Suite *edge_groups_suite(void)
{
    Suite *suite = suite_create("edge_groups");
    TCase *t     = tcase_create("edge_groups");
    tcase_set_timeout(t, 120);
    if (attract_avx2_packs()) {
        tcase_add_loop_test(t, every_edge_is_there_once_with_its_weight, 0, SHAPES);
        tcase_add_loop_test(t, attraction_is_that_of_the_rounded_weights, 0, SHAPES);
        tcase_add_test(t, small_graphs_and_other_kernels_and_weights_without_size_are_not_packed);
        tcase_add_test(t, rows_that_reach_all_over_the_columns_are_not_packed);
        tcase_add_test(t, a_row_of_weights_too_small_for_halves_keeps_the_csr);
        tcase_add_test(t, a_failed_allocation_is_reported_and_loses_nothing);
    } else {
        tcase_add_test(t, without_the_instructions_nothing_is_packed);
    }
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(edge_groups_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
