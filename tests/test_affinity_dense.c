/* tests/test_affinity_dense.c: affinities over all pairs: golden values of TorchDR, what defines each, bad input, and the
 * same bits in place, row by row and with any number of threads. */
#include "affinity/input.h"
#include "base/context.h"
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ne_context  *ctx;
static ne_affinity *aff;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&ctx), NE_OK);
}

static void close_all(void)
{
    ne_affinity_free(aff);
    aff = NULL;
    ne_context_free(ctx);
}

enum {
    N = 150,
    D = 6
};
static float seven[14] = {0, 0, 1, 0, 0, 2, 3, 1, 4, 4, 1, 5, 6, 2};
static float x[N * D], p[N * N], q[N * N];

static ne_dense view(float *data, size_t n, size_t d)
{
    const ne_dense v = {sizeof v, data, n, d, d, NE_F32, NE_HOST};
    return v;
}

static const double *doubles(double *data, size_t n, ne_dense *v)
{
    *v = (ne_dense){sizeof *v, data, n, n, n, NE_F64, NE_HOST};
    return data;
}

/* A new affinity in aff, options as "name=value name=value". */
static void make(const char *name, const char *options)
{
    char  text[200];
    char *word, *rest = text;
    ne_affinity_free(aff);
    aff = NULL;
    snprintf(text, sizeof text, "%s", options);
    ck_assert_int_eq(ne_affinity_create(ctx, name, &aff), NE_OK);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++    = 0;
        ck_assert_msg(ne_affinity_set(aff, word, value) == NE_OK, "%s", ne_last_error());
    }
}

static void compute(const char *name, const char *options, float *data, size_t n, size_t d, float *to)
{
    const ne_dense v = view(data, n, d), y = view(to, n, n);
    make(name, options);
    ck_assert_msg(ne_affinity_compute_dense(aff, &v, &y) == NE_OK, "%s %s: %s", name, options, ne_last_error());
}

/* --- Golden values: row 0 of the seven points. */

static const struct {
    const char *name, *options;
    double      row[7], tolerance; /* relative, and 1e-12 */
} golden[] = {
    {"entropic",
     "perplexity=3 symmetrize=false",
     {0, .07188160224, .04721035156, .02036461508, .00093315209, .00216328362, .00030413826},
     2e-5},
    {"symmetric_entropic",
     "perplexity=3 zero_diag=false tol_affinity=1e-9",
     {.07378629717, .04588890333, .01931868588, .00227469774, 1.3981421e-5, .00126029450, .00031428279},
     1e-6},
    {"symmetric_entropic",
     "perplexity=3 tol_affinity=1e-9",
     {0, .07399519120, .05116492365, .01063460341, .00093180374, .00370751665, .00242310422},
     3e-6},
    {"sinkhorn",
     "eps=5 tol_affinity=1e-9",
     {0, .08138652191, .04190140822, .01549659981, .00014266102, .00374011744, .00018983447},
     1e-6},
    {"sinkhorn",
     "eps=1 base_kernel=student tol_affinity=1e-9",
     {0, .06338545362, .03627797308, .01641201135, .00622439913, .01219584012, .00836146555},
     1e-6},
    {"doubly_stochastic_quadratic",
     "eps=10 tol_affinity=1e-9",
     {0, .07740863787, .05631229236, .00913621263, 0, 0, 0},
     1e-6},
    {"normalized_gaussian",
     "sigma=5",
     {0, .1329006753, .07293743705, .02196833387, .00026971270, .00089547771, 5.4454055e-5},
     1e-6},
    {"normalized_student",
     "degrees_of_freedom=2 normalization_dim=rows",
     {0, .09163829853, .03239903115, .01145478731, .00240182037, .00321382224, .00174938325},
     1e-6},
    {"self_tuning",
     "K=3 scaling=ref",
     {0, .02644056721, .02591700890, .02440771980, .01958765395, .02368636266, .02349924829},
     1e-6},
    {"magic", "K=3", {0, .3831543892, .2980283253, .1635614128, .01812312113, .07709587728, .06003687418}, 1e-6},
    {"phate",
     "k=3 t=2 alpha=2",
     {0, -.7171393788, -1.426460841, -2.761827599, -4.450772323, -3.73625428, -4.812597203},
     1e-6},
};

START_TEST(values_are_those_of_torchdr)
{
    const size_t g = (size_t)_i;
    compute(golden[g].name, golden[g].options, seven, 7, 2, p);
    for (int j = 0; j < 7; j++)
        ck_assert_msg(fabs((double)p[j] - golden[g].row[j]) <= golden[g].tolerance * fabs(golden[g].row[j]) + 1e-12,
                      "%s %s: column %d is %.10g, not %.10g", golden[g].name, golden[g].options, j, (double)p[j],
                      golden[g].row[j]);
}
END_TEST

START_TEST(duals_are_those_of_torchdr)
{
    double dual[7];
    compute("symmetric_entropic", "perplexity=3 zero_diag=false", seven, 7, 2, p);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", dual, 7), NE_OK);
    ck_assert_double_eq_tol(dual[0], 2.6521298, 3e-6);
    ck_assert_int_eq(ne_affinity_get_array(aff, "dual", dual, 7), NE_OK);
    ck_assert_double_eq_tol(dual[0], -1.7521881, 3e-6);
    compute("doubly_stochastic_quadratic", "eps=10", seven, 7, 2, p);
    ck_assert_int_eq(ne_affinity_get_array(aff, "dual", dual, 7), NE_OK);
    ck_assert_double_eq_tol(dual[0], 4.2093023258, 3e-6);
    compute("self_tuning", "K=3 scaling=ref", seven, 7, 2, p);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", dual, 7), NE_OK);
    ck_assert_double_eq(dual[1], 5);
    ck_assert_int_eq(ne_affinity_get_array(aff, "entropy", dual, 7), NE_NOT_FITTED);
    ck_assert_int_eq(ne_affinity_get_array(aff, "duals", dual, 7), NE_UNKNOWN_NAME);
}
END_TEST

/* --- What defines them, on clusters. */

static void check_sums(double rows, double tolerance, int symmetric)
{
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t j = 0; j < N; j++) {
            sum += (double)p[i * N + j];
            if (symmetric) ck_assert_float_eq(p[i * N + j], p[j * N + i]);
            ck_assert_float_ge(p[i * N + j], 0);
        }
        ck_assert_double_eq_tol(sum, rows, tolerance * rows);
    }
}

/* The solvers' tolerance is 1e-6; floats rounded add 1e-7. */
START_TEST(doubly_stochastic_ones_are_so_at_every_regularisation)
{
    static const char *const cases[][2] = {{"sinkhorn", "eps=100"},
                                           {"sinkhorn", "eps=1"},
                                           {"sinkhorn", "eps=0.1"},
                                           {"sinkhorn", "eps=1 zero_diag=false"},
                                           {"sinkhorn", "eps=0.3 base_kernel=student"},
                                           {"doubly_stochastic_quadratic", "eps=100"},
                                           {"doubly_stochastic_quadratic", "eps=1"},
                                           {"doubly_stochastic_quadratic", "eps=0.1"},
                                           {"doubly_stochastic_quadratic", "eps=1 base_kernel=student"},
                                           {"doubly_stochastic_quadratic", "eps=3 zero_diag=false"},
                                           {"symmetric_entropic", "perplexity=10"},
                                           {"symmetric_entropic", "perplexity=40.5"},
                                           {"symmetric_entropic", "perplexity=10 zero_diag=false"}};
    double                   residual   = 1;
    data_clusters(x, N, D, 4, 3, 2);
    compute(cases[_i][0], cases[_i][1], x, N, D, p);
    ck_assert_int_eq(ne_affinity_get_real(aff, "residual", &residual), NE_OK);
    ck_assert_msg(residual < 1e-6, "%s %s: residual %g", cases[_i][0], cases[_i][1], residual);
    check_sums(1.0 / N, 2e-6, 1);
    for (size_t i = 0; !strstr(cases[_i][1], "zero_diag") && i < N; i++) ck_assert_float_eq(p[i * N + i], 0);
}
END_TEST

START_TEST(symmetric_rows_have_the_perplexity_at_least)
{
    double eps[N], largest = 0;
    data_clusters(x, N, D, 4, 3, 2);
    compute("symmetric_entropic", "perplexity=12.5", x, N, D, p);
    ck_assert_int_eq(ne_affinity_get_array(aff, "bandwidth", eps, N), NE_OK);
    for (size_t i = 0; i < N; i++) largest = fmax(largest, eps[i]);
    for (size_t i = 0; i < N; i++) {
        double h = 0;
        for (size_t j = 0; j < N; j++)
            if (p[i * N + j] > 0) h -= N * (double)p[i * N + j] * log(N * (double)p[i * N + j]);
        if (eps[i] > 1e-6 * largest) ck_assert_double_eq_tol(h, log(12.5), 1e-5);
        else ck_assert_double_ge(h, log(12.5) - 1e-5); /* a row without a bound to meet */
    }
}
END_TEST

/* Lengths spread over two orders of magnitude: the directed start gives far points next to no mass. */
START_TEST(the_symmetric_solver_recovers_rows_that_start_without_mass)
{
    enum {
        COLUMNS = 20
    };
    static float wide[N * COLUMNS];
    uint64_t     state    = 3;
    double       residual = 1;
    for (size_t i = 0; i < N; i++) {
        const double length = exp(data_normal(&state));
        for (size_t j = 0; j < COLUMNS; j++) wide[i * COLUMNS + j] = (float)(length * data_normal(&state));
    }
    compute("symmetric_entropic", "perplexity=10", wide, N, COLUMNS, p);
    ck_assert_int_eq(ne_affinity_get_real(aff, "residual", &residual), NE_OK);
    ck_assert_msg(residual < 1e-6, "residual %g", residual);
    check_sums(1.0 / N, 2e-6, 1);
}
END_TEST

START_TEST(quadratic_pairs_are_zero_where_the_duals_do_not_reach)
{
    double f[N];
    size_t few = 0, many = 0;
    data_clusters(x, N, D, 4, 3, 2);
    compute("doubly_stochastic_quadratic", "eps=5", x, N, D, p);
    ck_assert_int_eq(ne_affinity_get_array(aff, "dual", f, N), NE_OK);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double c = 0;
            for (size_t k = 0; k < D; k++) c += pow((double)x[i * D + k] - (double)x[j * D + k], 2);
            few += p[i * N + j] > 0;
            if (i != j)
                ck_assert_double_eq_tol((double)p[i * N + j], fmax(f[i] + f[j] - c, 0) / (5 * N), 1e-6 * (1 + c) / N);
        }
    compute("doubly_stochastic_quadratic", "eps=50", x, N, D, p);
    for (size_t e = 0; e < N * N; e++) many += p[e] > 0;
    ck_assert_uint_lt(few, many);
}
END_TEST

START_TEST(normalised_kernels_sum_to_what_they_say)
{
    double total = 0;
    data_clusters(x, N, D, 4, 1, 2);
    compute("normalized_gaussian", "sigma=3", x, N, D, p);
    for (size_t e = 0; e < N * N; e++) total += (double)p[e];
    ck_assert_double_eq_tol(total, 1, 1e-6);
    compute("normalized_gaussian", "sigma=3 normalization_dim=rows", x, N, D, p);
    check_sums(1.0 / N, 1e-6, 0);
    compute("normalized_gaussian", "sigma=3 normalization_dim=columns", x, N, D, q);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) ck_assert_double_eq_tol((double)p[i * N + j], (double)q[j * N + i], 1e-9);
    compute("normalized_student", "normalization_dim=none", x, N, D, p);
    ck_assert_float_eq(p[1], p[N]);
    compute("normalized_student", "normalization_dim=none zero_diag=false", x, N, D, p);
    ck_assert_float_eq(p[0], 1);
    compute("magic", "", x, N, D, p);
    check_sums(1, 1e-6, 0);
    for (size_t e = 0; e < N * D; e++) x[e] *= 8; /* exact */
    compute("magic", "", x, N, D, q);
    for (size_t e = 0; e < N * N; e++) ck_assert_double_eq_tol((double)p[e], (double)q[e], 1e-7);
    compute("self_tuning", "", x, N, D, q); /* the paper's scaling has no unit */
    for (size_t e = 0; e < N * D; e++) x[e] /= 8;
    compute("self_tuning", "", x, N, D, p);
    for (size_t e = 0; e < N * N; e++) ck_assert_double_eq_tol((double)p[e], (double)q[e], 1e-9);
}
END_TEST

START_TEST(potential_distances_are_a_metric)
{
    data_clusters(x, N, D, 4, 3, 2);
    compute("phate", "", x, N, D, p);
    for (size_t i = 0; i < N; i++) {
        ck_assert_float_eq(p[i * N + i], 0);
        for (size_t j = 0; j < N; j++) {
            const size_t k = (i + 7 * j + 1) % N;
            ck_assert_float_eq(p[i * N + j], p[j * N + i]);
            ck_assert_float_le(p[i * N + j], 0);
            ck_assert_float_le(-p[i * N + j], (-p[i * N + k] - p[k * N + j]) * 1.00001f + 1e-4f);
        }
    }
}
END_TEST

START_TEST(dense_rows_are_the_sparse_ones_over_all_neighbors)
{
    static const char *const names[3] = {"entropic", "umap", "student"}, *const options[3] = {"perplexity=9",
                                                                                              "n_neighbors=9", ""};
    const ne_dense v = view(x, N, D);
    data_clusters(x, N, D, 3, 2, 4);
    for (int a = 0; a < 3; a++) {
        ne_graph *graph = NULL;
        ne_csr    sparse;
        compute(names[a], options[a], x, N, D, p);
        if (a < 2) ck_assert_int_eq(ne_affinity_set(aff, "sparsity", "false"), NE_OK);
        ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OK);
        ck_assert_int_eq(ne_graph_csr(graph, &sparse), NE_OK);
        for (size_t i = 0; i < N; i++)
            for (int64_t e = sparse.start[i]; e < sparse.start[i + 1]; e++) {
                const double want = (double)((const float *)sparse.val)[e],
                             is   = (double)p[i * N + (size_t)sparse.col[e]];
                ck_assert_double_eq_tol(is, want, 5e-5 * want + 1e-12); /* distances to 1e-6, exponents to 20 */
            }
        ne_graph_free(graph);
    }
}
END_TEST

START_TEST(a_solution_becomes_a_graph_without_its_zeros)
{
    const ne_dense v     = view(x, N, D);
    ne_graph      *graph = NULL;
    ne_csr         sparse;
    size_t         entries = 0;
    data_clusters(x, N, D, 3, 2, 4);
    compute("doubly_stochastic_quadratic", "eps=2", x, N, D, p);
    ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_OK);
    ck_assert_int_eq(ne_graph_csr(graph, &sparse), NE_OK);
    for (size_t e = 0; e < N * N; e++) entries += p[e] != 0;
    ck_assert_int_eq(sparse.start[N], (int64_t)entries);
    for (size_t i = 0; i < N; i++)
        for (int64_t e = sparse.start[i]; e < sparse.start[i + 1]; e++)
            ck_assert_float_eq(((const float *)sparse.val)[e], p[i * N + (size_t)sparse.col[e]]);
    ne_graph_free(graph);
    graph = NULL;
    make("sinkhorn", "zero_diag=false");
    ck_assert_int_eq(ne_affinity_compute(aff, &v, &graph), NE_UNSUPPORTED);
    ck_assert_ptr_null(graph);
}
END_TEST

/* --- Distances. */

START_TEST(distances_of_tiles_are_those_of_the_metric)
{
    enum {
        WIDE = 50 /* columns: by products */
    };
    static const char *const metrics[] = {"sqeuclidean", "euclidean", "cosine", "correlation",
                                          "angular",     "manhattan", "jaccard"};
    float                   *data      = malloc(N * WIDE * sizeof *data);
    data_clusters(data, N, WIDE, 5, 20, 3); /* near pairs, whose products cancel */
    for (size_t j = 0; j < WIDE; j++) data[3 * WIDE + j] = data[11 * WIDE + j] = 0;
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++)
        for (size_t d = 6; d <= WIDE; d += 44) {
            char           option[60];
            const ne_dense v = {sizeof v, data, N, d, WIDE, NE_F32, NE_HOST}, y = view(p, N, N);
            snprintf(option, sizeof option, "metric=%s", metrics[m]);
            make("scalar_product", option); /* minus the distance */
            ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OK);
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < N; j++) {
                    double want = 0, aa = 0, bb = 0, ab = 0, ma = 0, mb = 0;
                    size_t both = 0, either = 0;
                    for (size_t k = 0; m == 3 && k < d; k++) {
                        ma += (double)data[i * WIDE + k] / (double)d;
                        mb += (double)data[j * WIDE + k] / (double)d;
                    }
                    for (size_t k = 0; k < d; k++) {
                        const double a = (double)data[i * WIDE + k] - ma, b = (double)data[j * WIDE + k] - mb;
                        want += m == 5 ? fabs(a - b) : (a - b) * (a - b);
                        aa += a * a;
                        bb += b * b;
                        ab += a * b;
                        both += a != 0 && b != 0;
                        either += a != 0 || b != 0;
                    }
                    const int zero = (aa > 0) + (bb > 0);
                    if (m == 1) want = sqrt(want);
                    if (m == 2 || m == 3) want = zero == 2 ? 1 - ab / sqrt(aa * bb) : zero;
                    if (m == 4) want = -ab;
                    if (m == 6) want = either ? 1 - (double)both / (double)either : 0;
                    /* Products leave at least 1/64 of the squares, whose own error is some 2e-7. */
                    ck_assert_msg(
                        fabs((double)p[i * N + j] + want) <= (m == 4 ? 1e-6 * sqrt(aa * bb) : 2e-5 * want + 1e-6),
                        "%s, %zu columns: %zu, %zu: %.9g, not %.9g", metrics[m], d, i, j, -(double)p[i * N + j], want);
                    ck_assert_float_eq(p[i * N + j], p[j * N + i]);
                }
        }
    free(data);
}
END_TEST

/* --- The same bits whatever the way. */

typedef struct collected {
    size_t next, most;
    float *to;
    int    stop;
} collected;

static int collect(void *user, size_t row0, size_t row1, const ne_dense *values)
{
    collected *c = user;
    ck_assert_uint_eq(row0, c->next);
    ck_assert_uint_le(row1 - row0, c->most);
    ck_assert_uint_eq(values->cols, N);
    for (size_t i = row0; i < row1; i++)
        memcpy(c->to + i * N, (const float *)values->data + (i - row0) * values->stride, N * sizeof *c->to);
    c->next = row1;
    return c->stop && row1 > 20;
}

static const char *const all[][2] = {{"entropic", "perplexity=9"},
                                     {"umap", "n_neighbors=9"},
                                     {"student", ""},
                                     {"symmetric_entropic", "perplexity=9"},
                                     {"sinkhorn", "eps=2"},
                                     {"doubly_stochastic_quadratic", "eps=2"},
                                     {"normalized_gaussian", ""},
                                     {"normalized_student", "normalization_dim=columns"},
                                     {"self_tuning", ""},
                                     {"magic", ""},
                                     {"phate", ""},
                                     {"scalar_product", ""}};

START_TEST(rows_and_threads_and_doubles_change_no_bit)
{
    static double  wide[N * N];
    const ne_dense v = view(x, N, D);
    ne_dense       y;
    collected      c = {0, 11, q, 0};
    data_clusters(x, N, D, 3, 2, 6);
    ck_assert_int_eq(ne_context_set_int(ctx, "threads", 1), NE_OK);
    compute(all[_i][0], all[_i][1], x, N, D, p);
    ck_assert_int_eq(ne_context_set_int(ctx, "threads", 3), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_rows(aff, &v, 11, collect, &c), NE_OK);
    ck_assert_uint_eq(c.next, N);
    ck_assert_mem_eq(p, q, sizeof p);
    doubles(wide, N, &y);
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OK);
    for (size_t e = 0; e < N * N; e++) ck_assert_double_eq(wide[e], (double)p[e]);
}
END_TEST

/* --- Edges and bad input. */

START_TEST(two_or_three_rows_and_constant_data_work)
{
    static const char *const small[][2] = {{"sinkhorn", ""},
                                           {"doubly_stochastic_quadratic", ""},
                                           {"normalized_gaussian", ""},
                                           {"normalized_student", ""},
                                           {"self_tuning", "K=1"},
                                           {"magic", "K=1"}};
    for (size_t a = 0; a < sizeof small / sizeof *small; a++)
        for (size_t n = 2; n <= 4; n++)
            for (int constant = 0; constant < 2; constant++) {
                static float same[14];
                const double each =
                    strcmp(small[a][0], "magic") == 0 ? 1.0 / (double)(n - 1) : 1.0 / (double)(n * (n - 1));
                compute(small[a][0], small[a][1], constant ? same : seven, n, 2, p);
                for (size_t e = 0; e < n * n; e++) {
                    ck_assert(isfinite(p[e]));
                    if (constant || n == 2 || (n == 3 && a < 2))
                        ck_assert_double_eq_tol((double)p[e], e % (n + 1) == 0 ? 0 : each, 1e-6);
                }
            }
    memset(x, 0, sizeof x);
    compute("symmetric_entropic", "perplexity=5", x, 20, 2, p);
    for (size_t e = 0; e < 400; e++) ck_assert_double_eq_tol((double)p[e], e % 21 == 0 ? 0 : 1.0 / 380, 1e-8);
    compute("symmetric_entropic", "perplexity=1.5", seven, 3, 2, p);
    compute("phate", "k=1", x, 20, 2, p);
    for (size_t e = 0; e < 400; e++) ck_assert_double_eq_tol((double)p[e], 0, 1e-5);
}
END_TEST

START_TEST(precomputed_is_taken_as_it_is)
{
    float          matrix[9] = {1, 2, 0, 3, 4, 5, 0, 0.5f, 7}, to[9];
    const ne_dense v = view(matrix, 3, 3), y = view(to, 3, 3), flat = view(matrix, 3, 2);
    make("precomputed", "");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OK);
    ck_assert_mem_eq(to, matrix, sizeof to);
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &flat, &y), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "x: 3 x 2, a square matrix is needed");
    matrix[5] = -1;
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "x: row 1, column 2 is -1, an affinity is not negative");
}
END_TEST

static int stop(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    (void)phase;
    (void)step;
    (void)steps;
    (void)loss;
    (void)gradient_norm;
    return ++*(int *)user > 3;
}

START_TEST(wrong_calls_and_a_stop_are_answered)
{
    static const char *const range[][3] = {{"sinkhorn", "eps", "0"},       {"normalized_gaussian", "sigma", "-1"},
                                           {"phate", "t", "2.5"},          {"symmetric_entropic", "perplexity", "1"},
                                           {"self_tuning", "K", "0"},      {"umap", "n_neighbors", "1"},
                                           {"magic", "zero_diag", "maybe"}};
    const ne_dense           v = view(x, N, D), y = view(p, N, N), small = view(p, N, N - 1), one = view(x, 1, D);
    collected                c     = {0, N, q, 1};
    int                      calls = 0;
    data_clusters(x, N, D, 3, 2, 6);
    for (size_t r = 0; r < sizeof range / sizeof *range; r++) {
        make(range[r][0], "");
        ck_assert_int_ne(ne_affinity_set(aff, range[r][1], range[r][2]), NE_OK);
    }
    make("magic", "K=150");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OUT_OF_RANGE);
    make("symmetric_entropic", "perplexity=149");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_OUT_OF_RANGE);
    make("sinkhorn", "metric=sqeuclidian");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_UNKNOWN_NAME);
    make("sinkhorn", "");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &one, &y), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &small), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_affinity_compute_rows(aff, &v, 0, collect, &c), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_affinity_compute_rows(aff, &v, 5, collect, &c), NE_CANCELLED);
    ck_assert_int_eq(ne_affinity_set_progress(aff, stop, &calls), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_CANCELLED);
    make("umap_kernel", "");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_UNSUPPORTED);
    make("normalized_student", "metric=angular");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_INVALID_ARGUMENT); /* log of a negative number */
    x[7] = NAN;
    make("magic", "");
    ck_assert_int_eq(ne_affinity_compute_dense(aff, &v, &y), NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(a_table_with_weights_alone_has_a_dense_form)
{
    ne_affinity_ops         bare = affinity_student;
    const ne_dense          v    = view(x, N, D);
    const double            nu   = 2;
    static const knn_params knn  = {.metric = "sqeuclidean"};
    bare.rows                    = NULL;
    data_clusters(x, N, D, 3, 2, 6);
    ck_assert_int_eq(affinity_dense(ctx, &bare, &nu, &knn, &v, NULL, p), NE_OK);
    ck_assert_int_eq(affinity_dense(ctx, &affinity_student, &nu, &knn, &v, NULL, q), NE_OK);
    for (size_t e = 0; e < N * N; e++) ck_assert_double_eq_tol((double)p[e], (double)q[e], 1e-6 * (double)q[e] + 1e-30);
}
END_TEST

Suite *affinity_dense_suite(void);

Suite *affinity_dense_suite(void)
{
    Suite *s = suite_create("affinity_dense");
    TCase *t = tcase_create("affinity_dense");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_context, close_all);
    tcase_add_loop_test(t, values_are_those_of_torchdr, 0, sizeof golden / sizeof *golden);
    tcase_add_test(t, duals_are_those_of_torchdr);
    tcase_add_loop_test(t, doubly_stochastic_ones_are_so_at_every_regularisation, 0, 13);
    tcase_add_test(t, symmetric_rows_have_the_perplexity_at_least);
    tcase_add_test(t, the_symmetric_solver_recovers_rows_that_start_without_mass);
    tcase_add_test(t, quadratic_pairs_are_zero_where_the_duals_do_not_reach);
    tcase_add_test(t, normalised_kernels_sum_to_what_they_say);
    tcase_add_test(t, potential_distances_are_a_metric);
    tcase_add_test(t, dense_rows_are_the_sparse_ones_over_all_neighbors);
    tcase_add_test(t, a_solution_becomes_a_graph_without_its_zeros);
    tcase_add_test(t, distances_of_tiles_are_those_of_the_metric);
    tcase_add_loop_test(t, rows_and_threads_and_doubles_change_no_bit, 0, sizeof all / sizeof *all);
    tcase_add_test(t, two_or_three_rows_and_constant_data_work);
    tcase_add_test(t, precomputed_is_taken_as_it_is);
    tcase_add_test(t, wrong_calls_and_a_stop_are_answered);
    tcase_add_test(t, a_table_with_weights_alone_has_a_dense_form);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(affinity_dense_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
