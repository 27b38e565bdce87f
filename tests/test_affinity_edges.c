/* tests/test_affinity_edges.c: every affinity at its edges: each metric, next to no rows, equal and far rows, bad numbers,
 * graphs with empty rows; solvers that report, stop and do not converge; and the inner parts that are fast by another way. */
#include "affinity/pairs.h"
#include "affinity/row.h"
#include "base/blas.h"
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N = 60,
    D = 5
};
static ne_context *ctx;
static float       x[N * D], p[N * N], q[N * N];

/* name, options that fit from 2 rows on, form: d dense, s sparse. */
static const char *const all[][3] = {{"entropic", "perplexity=1.5", "ds"},
                                     {"umap", "n_neighbors=2", "ds"},
                                     {"pacmap", "n_neighbors=1", "s"},
                                     {"student", "", "ds"},
                                     {"gaussian", "sigma=3", "ds"},
                                     {"symmetric_entropic", "perplexity=1.5", "d"},
                                     {"entropic", "perplexity=2 zero_diag=false", "d"},
                                     {"umap", "n_neighbors=2 zero_diag=false", "d"},
                                     {"sinkhorn", "eps=2", "d"},
                                     {"sinkhorn", "base_kernel=student", "d"},
                                     {"doubly_stochastic_quadratic", "eps=2", "d"},
                                     {"normalized_gaussian", "sigma=3", "d"},
                                     {"normalized_student", "", "d"},
                                     {"self_tuning", "K=1", "d"},
                                     {"magic", "K=1", "d"},
                                     {"phate", "k=2", "d"},
                                     {"scalar_product", "", "d"}};
enum {
    ALL = sizeof all / sizeof *all
};

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
    data_clusters(x, N, D, 3, 2, 5);
}

static void close_context(void)
{
    ne_context_free(ctx);
}

static ne_dense view(float *data, size_t n, size_t d)
{
    const ne_dense v = {sizeof v, data, n, d, d, NE_F32, NE_HOST};
    return v;
}

static ne_affinity *make(const char *name, const char *options)
{
    char         text[200], *word, *rest = text;
    ne_affinity *made = NULL;
    snprintf(text, sizeof text, "%s", options);
    ck_assert_int_eq(ne_affinity_create(ctx, name, &made), NE_OK);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++    = 0;
        ck_assert_msg(ne_affinity_set(made, word, value) == NE_OK, "%s", ne_last_error());
    }
    return made;
}

static void quiet(void *user, int level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

/* Both forms of affinity a from n rows: a result that is finite, or an error of a status that is allowed, with its text. */
static void result_or_error(size_t a, const char *metric, float *data, size_t n, const char *allowed)
{
    const ne_dense v = view(data, n, D), y = view(p, n, n);
    ne_affinity   *affinity = make(all[a][0], all[a][1]);
    ck_assert_int_eq(ne_context_set_log(ctx, quiet, NULL), NE_OK);
    if (metric) ck_assert_int_eq(ne_affinity_set(affinity, "metric", metric), NE_OK);
    for (const char *form = all[a][2]; *form; form++) {
        ne_graph       *graph = NULL;
        const ne_status st =
            *form == 'd' ? ne_affinity_compute_dense(affinity, &v, &y) : ne_affinity_compute(affinity, &v, &graph);
        if (st != NE_OK) {
            ck_assert_msg(strstr(allowed, ne_status_name(st)) && *ne_last_error(),
                          "%s %s %s, %zu rows, form %c: %s, %s", all[a][0], all[a][1], metric ? metric : "", n, *form,
                          ne_status_name(st), ne_last_error());
            continue;
        }
        ne_csr m = {sizeof m, 0, 0, NULL, NULL, NULL, 0, 0};
        if (graph) ck_assert_int_eq(ne_graph_csr(graph, &m), NE_OK);
        const size_t count  = graph ? (size_t)m.start[n] : n * n;
        const float *values = graph ? m.val : p;
        for (size_t e = 0; e < count; e++)
            ck_assert_msg(isfinite(values[e]), "%s %s %s, %zu rows, form %c: %g", all[a][0], all[a][1],
                          metric ? metric : "", n, *form, (double)values[e]);
        ne_graph_free(graph);
    }
    ne_affinity_free(affinity);
}

/* Student kernels have no value at negative distances, which angular has, and scales are none of those. */
START_TEST(every_affinity_takes_every_metric)
{
    static const char *const positive = "self_tuning magic phate pacmap student normalized_student";
    const char              *metric;
    for (size_t m = 0; (metric = ne_type_name("metric", m)); m++) {
        const int refused =
            strcmp(metric, "angular") == 0 && (strstr(positive, all[_i][0]) || strstr(all[_i][1], "student"));
        result_or_error((size_t)_i, metric, x, N, refused ? "NE_INVALID_ARGUMENT" : "none");
    }
    ck_assert_uint_ge(ne_type_name("metric", 8) ? 9 : 0, 9);
}
END_TEST

START_TEST(next_to_no_rows_have_a_result_or_an_error)
{
    result_or_error((size_t)_i, NULL, x, 1, "NE_INVALID_ARGUMENT NE_OUT_OF_RANGE");
    result_or_error((size_t)_i, NULL, x, 2,
                    strstr("entropic symmetric_entropic phate", all[_i][0]) ? "NE_OUT_OF_RANGE" : "none");
    result_or_error((size_t)_i, NULL, x, 3, "none");
}
END_TEST

START_TEST(equal_and_far_rows_have_a_result)
{
    static float same[N * D];
    for (size_t e = 0; e < N * D; e++) same[e] = 3;
    result_or_error((size_t)_i, NULL, same, N, "none");
    for (size_t e = 0; e < D; e++) x[e] = 1e6f; /* one row far off, and then two places only */
    result_or_error((size_t)_i, NULL, x, N, "none");
    for (size_t e = 0; e < D; e++) same[e] = -1e3f;
    result_or_error((size_t)_i, NULL, same, N, "none");
}
END_TEST

START_TEST(bad_numbers_are_refused_with_their_place)
{
    static const float bad[3] = {NAN, INFINITY, -INFINITY};
    const ne_dense     v = view(x, N, D), y = view(p, N, N);
    ne_affinity       *affinity = make(all[_i][0], all[_i][1]);
    for (size_t b = 0; b < 3; b++) {
        ne_graph *graph = NULL;
        x[7 * D + 2]    = bad[b];
        ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &y), NE_INVALID_ARGUMENT);
        ck_assert_msg(strstr(ne_last_error(), "row 7") && strstr(ne_last_error(), "column 2"), "%s", ne_last_error());
        ck_assert_int_eq(ne_affinity_compute(affinity, &v, &graph), NE_INVALID_ARGUMENT);
        ck_assert_ptr_null(graph);
    }
    ne_affinity_free(affinity);
}
END_TEST

START_TEST(as_many_neighbors_as_rows_are_out_of_range)
{
    static const char *const many[][2] = {{"entropic", "perplexity=60"},
                                          {"umap", "n_neighbors=61"},
                                          {"pacmap", "n_neighbors=60"},
                                          {"self_tuning", "K=60"},
                                          {"symmetric_entropic", "perplexity=59"},
                                          {"magic", "K=60"},
                                          {"phate", "k=60"}};
    const ne_dense           v = view(x, N, D), y = view(p, N, N);
    for (size_t a = 0; a < sizeof many / sizeof *many; a++) {
        ne_affinity *affinity = make(many[a][0], many[a][1]);
        ne_graph    *graph    = NULL;
        const int    pairs    = strcmp(many[a][0], "pacmap") != 0;
        ck_assert_int_eq(pairs ? ne_affinity_compute_dense(affinity, &v, &y)
                               : ne_affinity_compute(affinity, &v, &graph),
                         NE_OUT_OF_RANGE);
        ck_assert_msg(strstr(ne_last_error(), "60"), "%s", ne_last_error());
        ne_affinity_free(affinity);
    }
}
END_TEST

/* Row 1 has no neighbor, row 2 names them in no order. */
START_TEST(graphs_with_empty_rows_have_an_affinity)
{
    static const int64_t start[6]  = {0, 2, 2, 5, 7, 9};
    static const int32_t col[9]    = {2, 1, 4, 0, 3, 0, 2, 1, 3};
    static const float   val[9]    = {1, 2, 0.5f, 3, 1, 0, 4, 2, 2};
    const ne_csr         in        = {sizeof in, 5, 5, start, col, val, NE_F32, NE_HOST};
    ne_graph            *distances = NULL;
    ck_assert_int_eq(ne_graph_from_csr(ctx, NE_GRAPH_DISTANCES, &in, &distances), NE_OK);
    for (size_t a = 0; a < 5; a++) {
        ne_affinity *affinity = make(all[a][0], all[a][1]);
        ne_graph    *graph    = NULL;
        ne_csr       m;
        ck_assert_msg(ne_affinity_compute_graph(affinity, distances, &graph) == NE_OK, "%s: %s", all[a][0],
                      ne_last_error());
        ck_assert_int_eq(ne_graph_csr(graph, &m), NE_OK);
        for (int64_t e = 0; e < m.start[5]; e++) {
            ck_assert(isfinite(((const float *)m.val)[e]) && ((const float *)m.val)[e] >= 0);
            ck_assert(e == 0 || m.col[e] > m.col[e - 1] || e == m.start[1] || e == m.start[2] || e == m.start[3] ||
                      e == m.start[4]);
        }
        ne_graph_free(graph);
        ne_affinity_free(affinity);
    }
    ne_graph_free(distances);
}
END_TEST

/* --- Solvers. */

typedef struct watcher {
    int     calls, stop, warned;
    int64_t step, steps;
} watcher;

static int watch(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    watcher *w = user;
    (void)gradient_norm;
    (void)loss;
    ck_assert(strcmp(phase, "affinity") == 0 || strcmp(phase, "optimize") == 0);
    ck_assert_msg(step >= 0 && step <= steps, "step %lld of %lld", (long long)step, (long long)steps);
    w->step  = step > w->step ? step : w->step;
    w->steps = steps;
    return ++w->calls == w->stop;
}

static void hear(void *user, int level, const char *text)
{
    ((watcher *)user)->warned += level == NE_LOG_WARNING && strstr(text, "not converged") != NULL;
}

START_TEST(solvers_report_stop_anywhere_and_say_when_they_do_not_converge)
{
    static const char *const solvers[3][2] = {
        {"symmetric_entropic", "perplexity=8"}, {"sinkhorn", "eps=0.3"}, {"doubly_stochastic_quadratic", "eps=0.5"}};
    const ne_dense v = view(x, N, D), y = view(p, N, N), again = view(q, N, N);
    ne_affinity   *affinity = make(solvers[_i][0], solvers[_i][1]);
    watcher        w        = {0, 0, 0, 0, 0};
    int64_t        n_iter   = 0;
    double         residual = 1;

    ck_assert_int_eq(ne_context_set_log(ctx, hear, &w), NE_OK);
    ck_assert_int_eq(ne_affinity_set_progress(affinity, watch, &w), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &y), NE_OK);
    ck_assert_int_eq(ne_affinity_get_int(affinity, "n_iter", &n_iter), NE_OK);
    ck_assert_int_eq(ne_affinity_get_real(affinity, "residual", &residual), NE_OK);
    ck_assert_msg(n_iter > 1 && residual < 1e-6 && w.warned == 0, "%s: %lld iterations, residual %g, %d warnings",
                  solvers[_i][0], (long long)n_iter, residual, w.warned);
    ck_assert_int_gt(w.steps, w.step);
    ck_assert_msg(w.step + 1 >= n_iter, "%lld of %lld reported", (long long)w.step, (long long)n_iter);
    for (int stop = 1, calls = w.calls; stop <= calls; stop += 1 + stop / 3) {
        w.calls = 0;
        w.stop  = stop;
        ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &again), NE_CANCELLED);
        ck_assert_int_eq(w.calls, stop); /* no call after the one that said stop */
    }
    w = (watcher){0, 0, 0, 0, 0};
    ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &again), NE_OK);
    ck_assert_mem_eq(p, q, sizeof p);
    ck_assert_int_eq(ne_affinity_set(affinity, "max_iter_affinity", "1"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &again), NE_OK);
    ck_assert_int_eq(ne_affinity_get_real(affinity, "residual", &residual), NE_OK);
    ck_assert_msg(residual > 1e-6 && w.warned == 1, "residual %g, %d warnings", residual, w.warned);
    ne_affinity_free(affinity);
}
END_TEST

START_TEST(phate_reports_its_affinity_and_its_steps_and_stops_at_any)
{
    static float   z[N * 2], other[N * 2];
    const ne_dense v = view(x, N, D), y = view(z, N, 2), again = view(other, N, 2);
    ne_embedding  *e = NULL;
    watcher        w = {0, 0, 0, 0, 0};
    ck_assert_int_eq(ne_embedding_create(ctx, "phate", &e), NE_OK);
    ck_assert_int_eq(ne_embedding_set_int(e, "t", 7), NE_OK);
    ck_assert_int_eq(ne_embedding_fit(e, &v, &y), NE_OK);
    ck_assert_int_eq(ne_embedding_set_progress(e, watch, &w), NE_OK);
    ck_assert_int_eq(ne_embedding_fit(e, &v, &again), NE_OK);
    ck_assert_mem_eq(z, other, sizeof z);
    ck_assert(w.calls > 10 && w.step > 3);
    ck_assert_int_eq(w.steps, 300);
    for (int stop = 1, calls = w.calls; stop <= calls; stop += 1 + stop / 3) {
        w.calls = 0;
        w.stop  = stop;
        ck_assert_int_eq(ne_embedding_fit(e, &v, &again), NE_CANCELLED);
        ck_assert_int_eq(w.calls, stop);
    }
    w.stop = 0;
    ck_assert_int_eq(ne_embedding_fit(e, &v, &again), NE_OK);
    ck_assert_mem_eq(z, other, sizeof z);
    ne_embedding_free(e);
}
END_TEST

/* --- Inner parts. */

/* M^t in double; its entries from products of floats are right to some 1e-6, and so are logarithms, of which each row has
 * up to 27. alpha 10 multiplies by the few entries that count, alpha 1 by all. */
START_TEST(potential_distances_are_those_of_a_power_in_double)
{
    static const struct {
        int t, alpha;
    } cases[5] = {{5, 10}, {2, 10}, {3, 1}, {8, 1}, {0, 10}};
    static double  a[N * N], m[N * N], t1[N * N], s[N];
    char           options[60];
    const ne_dense v = view(x, N, D), y = view(p, N, N);
    snprintf(options, sizeof options, "k=4 t=%d alpha=%d", cases[_i].t, cases[_i].alpha);
    data_clusters(x, N, D, 5, 6, 3); /* far apart: most entries of the kernel are 0 */
    ne_affinity *affinity = make("phate", options);
    ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &y), NE_OK);
    for (size_t i = 0; i < N; i++) {
        float row[N];
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t c = 0; c < D; c++)
                sum += ((double)x[i * D + c] - (double)x[j * D + c]) * ((double)x[i * D + c] - (double)x[j * D + c]);
            a[i * N + j] = sqrt(sum);
            row[j]       = (float)a[i * N + j];
        }
        const row_view r = {N, row, N};
        s[i]             = (double)row_kth_smallest(&r, 4);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            m[i * N + j] = 0.5 * (exp(-pow(a[i * N + j] / s[i], cases[_i].alpha)) +
                                  exp(-pow(a[i * N + j] / s[j], cases[_i].alpha)));
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t j = 0; j < N; j++) sum += m[i * N + j];
        for (size_t j = 0; j < N; j++) m[i * N + j] /= sum;
        for (size_t j = 0; j < N; j++) a[i * N + j] = i == j ? 1 : 0;
    }
    for (int t = 0; t < cases[_i].t; t++) {
        memset(t1, 0, sizeof t1);
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < N; k++)
                for (size_t j = 0; j < N; j++) t1[i * N + j] += a[i * N + k] * m[k * N + j];
        memcpy(a, t1, sizeof a);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < N; k++)
                sum += pow(log(fmax(a[i * N + k], 1e-12)) - log(fmax(a[j * N + k], 1e-12)), 2);
            ck_assert_msg(fabs((double)p[i * N + j] + sqrt(sum)) <= 1e-5 * sqrt(sum) + 2e-4,
                          "%s: %zu, %zu is %g, not %g", options, i, j, (double)p[i * N + j], -sqrt(sum));
        }
    ne_affinity_free(affinity);
}
END_TEST

static int ascending(const void *a, const void *b)
{
    const float u = *(const float *)a, v = *(const float *)b;
    return (u > v) - (u < v);
}

START_TEST(the_kth_smallest_is_that_of_a_sorted_row)
{
    enum {
        LONG = 203
    };
    float    row[LONG], sorted[LONG];
    uint64_t state = 11;
    for (size_t j = 0; j < LONG; j++) row[j] = floorf((float)(80 * data_unit(&state)) - 9); /* ties, and below 0 */
    for (size_t self = 0; self <= LONG; self += LONG / 7)
        for (size_t k = 1; k < LONG; k += 1 + k / 20) {
            const row_view r     = {LONG, row, self};
            size_t         count = 0;
            for (size_t j = 0; j < LONG; j++)
                if (j != self) sorted[count++] = row[j];
            qsort(sorted, count, sizeof *sorted, ascending);
            ck_assert_float_eq(row_kth_smallest(&r, k), sorted[k - 1]);
        }
}
END_TEST

/* By products, in a tile row that is computed alone and in one that is mirrored; 300 rows: two tiles and a part of one. */
START_TEST(tiles_have_the_same_bits_alone_and_mirrored)
{
    enum {
        ROWS = 300,
        COLS = 41
    };
    static float      data[ROWS * COLS], kept[ROWS * ROWS], panel[PAIRS_TILE * ROWS];
    static knn_params knn   = {.metric = "sqeuclidean"};
    const ne_dense    v     = view(data, ROWS, COLS);
    ne_pairs         *pairs = NULL;
    data_clusters(data, ROWS, COLS, 4, 3, 9);
    for (int m = 0; m < 3; m++) {
        snprintf(knn.metric, sizeof knn.metric, "%s", m == 0 ? "sqeuclidean" : m == 1 ? "angular" : "manhattan");
        ck_assert_int_eq(pairs_open(ctx, &knn, 0, &v, NULL, kept, ROWS, &pairs), NE_OK);
        blas_enter();
        for (size_t row0 = 0; row0 < ROWS; row0 += PAIRS_TILE) {
            const size_t row1 = row0 + PAIRS_TILE < ROWS ? row0 + PAIRS_TILE : ROWS;
            ck_assert(pairs_fill(pairs, row0, row1, panel, ROWS));
            ck_assert_mem_eq(panel, kept + row0 * ROWS, (row1 - row0) * ROWS * sizeof *panel);
        }
        blas_leave();
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < i; j++) ck_assert_float_eq(kept[i * ROWS + j], kept[j * ROWS + i]);
        pairs_close(pairs);
    }
}
END_TEST

/* Three tiles by products in two sections of columns. A value in float is right to (1 + x) 2e-7, and x, up to 20, to a
 * few 1e-6 as distances are. */
START_TEST(kernels_in_tiles_are_those_in_double_at_any_number_of_threads)
{
    enum {
        ROWS = 300,
        COLS = 301
    };
    static const char *const forms[][2] = {{"normalized_gaussian", "sigma=100"},
                                           {"normalized_gaussian", "sigma=100 normalization_dim=none"},
                                           {"normalized_student", "zero_diag=false"},
                                           {"normalized_student", "normalization_dim=none"},
                                           {"self_tuning", ""},
                                           {"magic", ""},
                                           {"scalar_product", "zero_diag=true"}};
    static float             data[ROWS * COLS], is[ROWS * ROWS], again[ROWS * ROWS];
    static double            c[ROWS * ROWS], k[ROWS * ROWS], scale[ROWS];
    const ne_dense           v = view(data, ROWS, COLS), y = view(is, ROWS, ROWS), z = view(again, ROWS, ROWS);
    data_clusters(data, ROWS, COLS, 4, 1, 9);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        const int    gaussian = f < 2, student = f == 2 || f == 3, all_pairs = f == 0 || f == 2 || f == 4;
        ne_affinity *affinity = make(forms[f][0], forms[f][1]);
        double       total    = 0;
        ck_assert_int_eq(ne_context_set_int(ctx, "threads", 1), NE_OK);
        ck_assert_msg(ne_affinity_compute_dense(affinity, &v, &y) == NE_OK, "%s", ne_last_error());
        for (int threads = 2; threads <= 7; threads += threads == 2 ? 1 : 4) {
            ck_assert_int_eq(ne_context_set_int(ctx, "threads", threads), NE_OK);
            ck_assert_int_eq(ne_affinity_compute_dense(affinity, &v, &z), NE_OK);
            ck_assert_mem_eq(is, again, sizeof is);
        }
        if (f == 4 || f == 5) ck_assert_int_eq(ne_affinity_get_array(affinity, "bandwidth", scale, ROWS), NE_OK);
        for (size_t e = 0; e < ROWS * ROWS; e++) {
            const float *a = data + e / ROWS * COLS, *b = data + e % ROWS * COLS;
            double       s = 0;
            for (size_t j = 0; j < COLS; j++)
                s += f == 6 ? (double)a[j] * (double)b[j] : pow((double)a[j] - (double)b[j], 2);
            c[e] = s;
        }
        for (size_t e = 0; e < ROWS * ROWS; e++) {
            const size_t i = e / ROWS, j = e % ROWS;
            k[e] = gaussian  ? exp(-c[e] / 100)
                   : student ? 1 / (1 + c[e])
                   : f == 4  ? exp(-c[e] / (scale[i] * scale[j]))
                   : f == 5  ? exp(-c[e] / scale[i]) + exp(-c[e] / scale[j])
                             : c[e];
            if (i == j && f != 2) k[e] = 0;
            total += k[e];
        }
        for (size_t i = 0; i < ROWS; i++) {
            double row = 0;
            for (size_t j = 0; j < ROWS; j++) row += k[i * ROWS + j];
            for (size_t j = 0; j < ROWS; j++) {
                const double want = k[i * ROWS + j] / (all_pairs ? total : f == 5 ? row : 1);
                ck_assert_msg(fabs((double)is[i * ROWS + j] - want) <=
                                  2e-5 * fabs(want) + (f == 6 ? 1e-6 * sqrt(c[i * ROWS + i] * c[j * ROWS + j]) : 1e-30),
                              "%s %s: %zu, %zu: %.9g, not %.9g", forms[f][0], forms[f][1], i, j,
                              (double)is[i * ROWS + j], want);
            }
        }
        ne_affinity_free(affinity);
    }
}
END_TEST

/* exp(-c / sigma) of all pairs is 0 in float, and in double: only logarithms have their sum. */
START_TEST(kernels_that_underflow_are_normalised)
{
    const ne_dense v = view(x, N, D), y = view(p, N, N);
    for (int f = 0; f < 2; f++) {
        ne_affinity *affinity = make(f ? "self_tuning" : "normalized_gaussian", f ? "scaling=ref" : "sigma=1e-4");
        double       total    = 0;
        for (size_t e = 0; f && e < N * D; e++) x[e] *= 1e-3f;
        ck_assert_msg(ne_affinity_compute_dense(affinity, &v, &y) == NE_OK, "%s", ne_last_error());
        for (size_t e = 0; e < N * N; e++) total += (double)p[e];
        ck_assert_double_eq_tol(total, 1, 1e-4);
        ne_affinity_free(affinity);
    }
}
END_TEST

/* --- A start for the duals. */

START_TEST(a_start_at_the_solution_ends_at_once_and_another_length_is_an_error)
{
    enum {
        ROWS = 60
    };
    static const char *const names[] = {"sinkhorn", "doubly_stochastic_quadratic"};
    ne_context              *own     = NULL;
    float                    data[ROWS * 3], got[ROWS * ROWS], again[ROWS * ROWS];
    double                   dual[ROWS], far[ROWS];
    const ne_dense           v     = {sizeof v, data, ROWS, 3, 3, NE_F32, NE_HOST};
    const ne_dense           less  = {sizeof less, data, ROWS - 1, 3, 3, NE_F32, NE_HOST};
    const ne_dense           small = {sizeof small, again, ROWS - 1, ROWS - 1, ROWS - 1, NE_F32, NE_HOST};
    const ne_dense           y     = {sizeof y, got, ROWS, ROWS, ROWS, NE_F32, NE_HOST};
    const ne_dense           z     = {sizeof z, again, ROWS, ROWS, ROWS, NE_F32, NE_HOST};
    const ne_dense           start = {sizeof start, dual, ROWS, 1, 1, NE_F64, NE_HOST};
    const ne_dense           wrong = {sizeof wrong, far, ROWS, 1, 1, NE_F64, NE_HOST};
    const ne_dense           wide  = {sizeof wide, dual, ROWS / 2, 2, 2, NE_F64, NE_HOST};
    ne_affinity             *a     = NULL;
    int64_t                  steps;
    for (size_t e = 0; e < ROWS * 3; e++) data[e] = (float)((e * 7919) % 101) / 25;
    for (size_t i = 0; i < ROWS; i++) far[i] = i % 2 ? 9 : -9;
    ck_assert_int_eq(ne_context_create(&own), NE_OK);
    for (size_t k = 0; k < 2; k++) {
        ck_assert_int_eq(ne_affinity_create(own, names[k], &a), NE_OK);
        ck_assert_int_eq(ne_affinity_compute_dense(a, &v, &y), NE_OK);
        ck_assert_int_eq(ne_affinity_get_int(a, "n_iter", &steps), NE_OK);
        ck_assert_int_gt(steps, 0);
        ck_assert_int_eq(ne_affinity_get_array(a, "dual", dual, ROWS), NE_OK);
        ck_assert_int_eq(ne_affinity_set_array(a, "init_dual", &start), NE_OK);
        ck_assert_int_eq(ne_affinity_compute_dense(a, &v, &z), NE_OK);
        ck_assert_int_eq(ne_affinity_get_int(a, "n_iter", &steps), NE_OK);
        ck_assert_int_eq(steps, 0);
        ck_assert_mem_eq(got, again, sizeof got);
        ck_assert_int_eq(ne_affinity_compute_dense(a, &less, &small), NE_INVALID_ARGUMENT);
        ck_assert_str_eq(ne_last_error(), "init_dual: 60 values, x has 59 rows");
        ck_assert_int_eq(ne_affinity_set_array(a, "init_dual", &wide), NE_INVALID_ARGUMENT);
        ck_assert_int_eq(ne_affinity_set_array(a, "dual", &start), NE_UNKNOWN_NAME);
        ck_assert_int_eq(ne_affinity_set_array(a, "init_dual", &wrong), NE_OK); /* far off: the same solution */
        ck_assert_int_eq(ne_affinity_compute_dense(a, &v, &z), NE_OK);
        ck_assert_int_eq(ne_affinity_get_int(a, "n_iter", &steps), NE_OK);
        ck_assert_int_gt(steps, 0);
        for (size_t e = 0; e < ROWS * ROWS; e++) ck_assert_float_eq_tol(got[e], again[e], 1e-5F);
        ck_assert_int_eq(ne_affinity_set_array(a, "init_dual", NULL), NE_OK);
        ck_assert_int_eq(ne_affinity_compute_dense(a, &less, &small), NE_OK);
        ne_affinity_free(a);
    }
    ck_assert_int_eq(ne_affinity_create(own, "entropic", &a), NE_OK);
    ck_assert_int_eq(ne_affinity_set_array(a, "init_dual", &start), NE_UNKNOWN_NAME);
    ne_affinity_free(a);
    ne_context_free(own);
}
END_TEST

Suite *affinity_edges_suite(void);

Suite *affinity_edges_suite(void)
{
    Suite *s = suite_create("affinity_edges");
    TCase *t = tcase_create("affinity_edges");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_add_loop_test(t, every_affinity_takes_every_metric, 0, ALL);
    tcase_add_loop_test(t, next_to_no_rows_have_a_result_or_an_error, 0, ALL);
    tcase_add_loop_test(t, equal_and_far_rows_have_a_result, 0, ALL);
    tcase_add_loop_test(t, bad_numbers_are_refused_with_their_place, 0, ALL);
    tcase_add_test(t, a_start_at_the_solution_ends_at_once_and_another_length_is_an_error);
    tcase_add_test(t, as_many_neighbors_as_rows_are_out_of_range);
    tcase_add_test(t, graphs_with_empty_rows_have_an_affinity);
    tcase_add_loop_test(t, solvers_report_stop_anywhere_and_say_when_they_do_not_converge, 0, 3);
    tcase_add_test(t, phate_reports_its_affinity_and_its_steps_and_stops_at_any);
    tcase_add_loop_test(t, potential_distances_are_those_of_a_power_in_double, 0, 5);
    tcase_add_test(t, the_kth_smallest_is_that_of_a_sorted_row);
    tcase_add_test(t, tiles_have_the_same_bits_alone_and_mirrored);
    tcase_add_test(t, kernels_in_tiles_are_those_in_double_at_any_number_of_threads);
    tcase_add_test(t, kernels_that_underflow_are_normalised);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_edges_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
