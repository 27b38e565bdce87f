/* tests/test_matcher.c: the affinity matcher against central differences, against t-SNE and SNE, and against PCA. */
#include "hooks.h"
#include "methods/methods.h"

enum {
    N    = 40,
    MANY = 1100
};

static const char *const outputs[] = {"student", "gaussian", "hyperbolic", "scalar_product"};

/* Kernels of other affinities than the table's: their parameters are their defaults. */
static void use_output(hooks *h, const char *name)
{
    const ne_affinity_ops *out    = registry_find(REGISTRY_AFFINITY, name);
    void                  *params = calloc(1, out->params_size + 1);
    option_set             set    = {0};
    ck_assert_ptr_nonnull(params);
    ck_assert_int_eq(
        options_add(&h->context->memory, &set, name, out->options, out->option_count, out->option_size, params), NE_OK);
    ck_assert_int_eq(options_reset(&set), NE_OK);
    options_clear(&h->context->memory, &set);
    free(h->output_params);
    h->output_params             = params;
    h->terms.affinity_out        = name;
    h->terms.affinity_out_params = params;
}

static hooks matcher(size_t n, size_t c, const float *p, const char *out, const char *loss, const char *over,
                     int64_t threads)
{
    hooks h                  = hooks_open(&method_affinity_matcher, n, c, threads);
    h.problem.dense_affinity = p;
    ck_assert_int_eq(options_set(&h.options, "loss_fn", loss), NE_OK);
    ck_assert_int_eq(options_set(&h.options, "normalization", over), NE_OK);
    /* The last block's parameters are freed by use_output(): options are set before. */
    use_output(&h, out);
    return h;
}

/* The loss by its definition, in double. */
static double loss_of(const float *p, const float *z, size_t n, size_t c, int out, const char *loss, const char *over)
{
    double *q = calloc(n * n, sizeof *q), *row = calloc(n, sizeof *row), all = 0, value = 0;
    ck_assert(q && row);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double s  = layout_square(z, c, i, j);
            double       ii = 0, jj = 0, ij = 0;
            for (size_t k = 0; k < c; k++) {
                ii += (double)z[i * c + k] * (double)z[i * c + k];
                jj += (double)z[j * c + k] * (double)z[j * c + k];
                ij += (double)z[i * c + k] * (double)z[j * c + k];
            }
            q[i * n + j] = out == 0 ? 1 / (1 + s) : out == 1 ? exp(-s) : ij;
            if (out == 2) q[i * n + j] = 2 / (pow(acosh(1 + 2 * s / (1 - ii) / (1 - jj)), 2) + 4);
            if (j != i) row[i] += q[i * n + j];
            if (j != i) all += q[i * n + j];
        }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double by    = over[0] == 'a' ? all : over[0] == 'r' ? (double)n * row[i] : 1;
            const double there = (double)p[i * n + j], have = q[i * n + j] / by;
            if (j == i && !(over[0] == 'n' && out >= 2)) continue;
            if (loss[0] == 'c') value -= there > 0 ? there * log(have) : 0;
            else value += (there - have) * (there - have);
        }
    free(q);
    free(row);
    return loss[0] == 'l' ? sqrt(value) : value;
}

static void compare(const char *loss, const char *over, int out, size_t c, int symmetric)
{
    float   *p = hooks_dense_affinity(N), *z = layout_make(LAYOUT_NORMAL, N, c, out == 2 ? 0.5 : 2), g[N * 5];
    uint64_t state = 8;
    double   apart = 0, size = 0;
    for (size_t i = 0; i < N * N && !symmetric; i++) p[i] *= (float)data_unit(&state);
    for (size_t i = 0; i < N; i++) p[i * N + i] = 0;
    for (size_t k = 0; k < c && out != 3; k++) z[c + k] = z[k]; /* duplicates */
    hooks h = matcher(N, c, p, outputs[out], loss, over, 2);
    ck_assert_msg(hooks_start(&h) == NE_OK, "%s", ne_last_error());
    const double value = hooks_gradient(&h, z, g), want = loss_of(p, z, N, c, out, loss, over);
    ck_assert_double_eq_tol(value, want, 3e-6 * fabs(want));
    for (size_t i = 0; i < N * c; i++) {
        const float at = z[i], high = at + 1e-3f, low = at - 1e-3f;
        z[i]               = high;
        const double above = loss_of(p, z, N, c, out, loss, over);
        z[i]               = low;
        const double below = loss_of(p, z, N, c, out, loss, over);
        z[i]               = at;
        const double slope = (above - below) / ((double)high - (double)low);
        apart += (slope - (double)g[i]) * (slope - (double)g[i]);
        size += slope * slope;
    }
    ck_assert_msg(sqrt(apart / size) < 1e-3, "%s %s %s c %zu: %g", loss, over, outputs[out], c, sqrt(apart / size));
    hooks_close(&h);
    free(p);
    free(z);
}

START_TEST(loss_and_gradient_are_those_of_the_definition)
{
    static const size_t      widths[] = {1, 2, 3, 5};
    static const char *const losses[] = {"square_loss", "cross_entropy_loss", "l2_loss"};
    static const char *const overs[]  = {"all", "rows", "none"};
    for (size_t l = 0; l < 3; l++)
        for (size_t o = 0; o < 3; o++)
            for (int out = 0; out < 3; out++)
                for (int symmetric = 0; symmetric < 2; symmetric++)
                    compare(losses[l], overs[o], out, widths[_i], symmetric);
    compare("square_loss", "none", 3, widths[_i], 1);
    compare("l2_loss", "none", 3, widths[_i], 0);
}
END_TEST

START_TEST(the_golden_values_of_sne_and_tsne_are_those_of_cross_entropy)
{
    /* Without the pairs of a point with itself, so computed here; the gradient's formulas are the golden ones. */
    golden_affinity p;
    float           z[8], g[8];
    golden_make(&p);
    for (size_t i = 0; i < 8; i++) z[i] = (float)golden_z[i];
    for (int out = 0; out < 2; out++) {
        hooks        h          = matcher(4, 2, p.dense, outputs[out], "cross_entropy_loss", out ? "rows" : "all", 1);
        const double attraction = out ? 2.65 : 1.19917180;
        double       all = 0, logs = 0;
        ck_assert_int_eq(hooks_start(&h), NE_OK);
        for (size_t i = 0; i < 4; i++) {
            double row = 0;
            for (size_t j = 0; j < 4; j++) {
                const double s = layout_square(z, 2, i, j);
                row += j == i ? 0 : out ? exp(-s) : 1 / (1 + s);
            }
            all += row;
            logs += log(4 * row) / 4;
        }
        /* Rows of the symmetric P do not have mass 1/4 each; log(4 row) then weighs as the mass does. */
        if (out)
            for (size_t i = 0; i < 4; i++) {
                double mass = 0, row = 0;
                for (size_t j = 0; j < 4; j++) {
                    mass += (double)p.dense[i * 4 + j];
                    row += j == i ? 0 : exp(-layout_square(z, 2, i, j));
                }
                logs += (mass - 0.25) * log(4 * row);
            }
        ck_assert_double_eq_tol(hooks_gradient(&h, z, g), attraction + (out ? logs : log(all)), 2e-6);
        hooks_close(&h);
    }
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t     threads[] = {1, 2, 3, 7};
    static const char *const losses[]  = {"square_loss", "cross_entropy_loss", "l2_loss"};
    static float             g[4][MANY * 2];
    double                   loss[4];
    float                   *p = hooks_dense_affinity(MANY), *z = layout_make(LAYOUT_CLUSTERS, MANY, 2, 20);
    for (size_t t = 0; t < 4; t++) {
        hooks h = matcher(MANY, 2, p, "student", losses[_i], _i == 1 ? "rows" : "all", threads[t]);
        ck_assert_int_eq(hooks_start(&h), NE_OK);
        loss[t] = hooks_gradient(&h, z, g[t]);
        ck_assert_double_eq(loss[t], loss[0]);
        ck_assert_int_eq(memcmp(g[t], g[0], sizeof g[0]), 0);
        hooks_close(&h);
    }
    free(p);
    free(z);
}
END_TEST

START_TEST(scalar_products_take_neither_logarithms_nor_sums)
{
    float *p = hooks_dense_affinity(3);
    hooks  a = matcher(3, 2, p, "scalar_product", "cross_entropy_loss", "none", 1);
    hooks  b = matcher(3, 2, p, "scalar_product", "square_loss", "rows", 1);
    ck_assert_int_eq(hooks_start(&a), NE_UNSUPPORTED);
    ck_assert_int_eq(hooks_start(&b), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "scalar_product"));
    ck_assert_int_ne(options_set(&b.options, "loss_fn", "hinge"), NE_OK);
    hooks_close(&a);
    hooks_close(&b);
    free(p);
}
END_TEST

/* --- Through the public door --------------------------------------------------------------------------------------- */

typedef const char *const setting[2];

/* Of a graph or of x. */
static void fit(ne_context *context, const char *method, setting *set, size_t count, const ne_graph *graph,
                const ne_dense *x, const ne_dense *start, const ne_dense *y)
{
    ne_embedding *embedding = NULL;
    ck_assert_int_eq(ne_embedding_create(context, method, &embedding), NE_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(ne_embedding_set(embedding, set[i][0], set[i][1]) == NE_OK, "%s", ne_last_error());
    ck_assert_int_eq(ne_embedding_set_array(embedding, "init", start), NE_OK);
    const ne_status st = graph ? ne_embedding_fit_graph(embedding, graph, NULL, y) : ne_embedding_fit(embedding, x, y);
    ck_assert_msg(st == NE_OK, "%s", ne_last_error());
    ne_embedding_free(embedding);
}

static ne_dense view(float *data, size_t rows, size_t cols)
{
    return (ne_dense){.struct_size = sizeof(ne_dense), .data = data, .rows = rows, .cols = cols, .dtype = NE_F32};
}

/* Same P, same start, same optimizer: the matcher sums over all pairs what the methods take edge by edge and pair by pair, so
 * gradients agree to rounding, and 20 steps of Adam keep what they differ by small. */
START_TEST(a_neighbor_embedding_is_an_affinity_matcher)
{
    static setting ours[]  = {{"optimizer", "adam"},
                              {"gains", "false"},
                              {"lr", "0.1"},
                              {"max_step", "0"},
                              {"repulsion", "exact"},
                              {"max_iter", "20"},
                              {"early_exaggeration_coeff", "1"}};
    static setting match[] = {{"loss_fn", "cross_entropy_loss"}, {"lr", "0.1"}, {"max_iter", "20"}};
    static float   x[150 * 5], a[150 * 2], b[150 * 2];
    ne_context    *context  = layout_context(2);
    ne_affinity   *affinity = NULL;
    ne_graph      *graph    = NULL;
    float         *z        = layout_make(LAYOUT_NORMAL, 150, 2, 4);
    const ne_dense data = view(x, 150, 5), start = view(z, 150, 2), ya = view(a, 150, 2), yb = view(b, 150, 2);
    double         apart = 0, moved = 0;
    data_clusters(x, 150, 5, 3, 2, 5);
    ck_assert_int_eq(ne_affinity_create(context, "entropic", &affinity), NE_OK);
    ck_assert_int_eq(ne_affinity_set(affinity, "perplexity", "10"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute(affinity, &data, &graph), NE_OK);
    fit(context, "tsne", ours, sizeof ours / sizeof *ours, graph, NULL, &start, &ya);
    fit(context, "affinity_matcher", match, sizeof match / sizeof *match, graph, NULL, &start, &yb);
    for (size_t i = 0; i < 300; i++) {
        apart = fmax(apart, fabs((double)(a[i] - b[i])));
        moved = fmax(moved, fabs((double)(a[i] - z[i])));
    }
    ck_assert_double_ge(moved, 0.5);
    ck_assert_msg(apart < 1e-4, "apart %g", apart);
    ne_graph_free(graph);
    ne_affinity_free(affinity);
    free(z);
    ne_context_free(context);
}
END_TEST

/* Centred data: the best matrix of rank 2 next to X X^T is the one of its two largest components (Eckart & Young 1936). */
START_TEST(scalar_products_with_square_loss_find_principal_components)
{
    enum {
        ROWS = 60
    };
    static setting      match[] = {{"affinity_in", "scalar_product"},
                                   {"affinity_out", "scalar_product"},
                                   {"lr", "0.05"},
                                   {"max_iter", "3000"},
                                   {"scheduler", "linear"}};
    static float        x[ROWS * 4], pca[ROWS * 2], y[ROWS * 2];
    static const double spread[4] = {3, 2, 0.5, 0.2};
    ne_context         *context   = layout_context(2);
    ne_embedding       *exact     = NULL;
    float              *z         = layout_make(LAYOUT_NORMAL, ROWS, 2, 1);
    const ne_dense      data = view(x, ROWS, 4), start = view(z, ROWS, 2), to = view(y, ROWS, 2);
    uint64_t            state = 21;
    double              apart = 0, size = 0;
    for (size_t k = 0; k < 4; k++) {
        double mean = 0;
        for (size_t i = 0; i < ROWS; i++) {
            const double value = spread[k] * data_normal(&state);
            x[i * 4 + k]       = (float)value;
            mean += value / ROWS;
        }
        for (size_t i = 0; i < ROWS; i++) x[i * 4 + k] -= (float)mean;
    }
    fit(context, "affinity_matcher", match, sizeof match / sizeof *match, NULL, &data, &start, &to);
    ck_assert_int_eq(ne_embedding_create(context, "pca", &exact), NE_OK);
    ck_assert_int_eq(ne_embedding_fit_f32(exact, x, ROWS, 4, pca), NE_OK);
    for (size_t i = 0; i < ROWS; i++) /* up to a rotation: by the products */
        for (size_t j = 0; j < ROWS; j++) {
            const double want =
                (double)pca[2 * i] * (double)pca[2 * j] + (double)pca[2 * i + 1] * (double)pca[2 * j + 1];
            const double got = (double)y[2 * i] * (double)y[2 * j] + (double)y[2 * i + 1] * (double)y[2 * j + 1];
            apart += (got - want) * (got - want);
            size += want * want;
        }
    ck_assert_msg(sqrt(apart / size) < 1e-2, "apart %g", sqrt(apart / size));
    ne_embedding_free(exact);
    free(z);
    ne_context_free(context);
}
END_TEST

Suite *matcher_suite(void);
Suite *matcher_suite(void)
{
    Suite *suite = suite_create("affinity_matcher");
    TCase *hook  = tcase_create("hooks");
    TCase *door  = tcase_create("fit");
    tcase_set_timeout(hook, 120);
    tcase_add_loop_test(hook, loss_and_gradient_are_those_of_the_definition, 0, 4);
    tcase_add_test(hook, the_golden_values_of_sne_and_tsne_are_those_of_cross_entropy);
    tcase_add_loop_test(hook, the_bits_do_not_depend_on_the_number_of_threads, 0, 3);
    tcase_add_test(hook, scalar_products_take_neither_logarithms_nor_sums);
    suite_add_tcase(suite, hook);
    tcase_set_timeout(door, 120);
    tcase_add_test(door, a_neighbor_embedding_is_an_affinity_matcher);
    tcase_add_test(door, scalar_products_with_square_loss_find_principal_components);
    suite_add_tcase(suite, door);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(matcher_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
