/* tests/test_cosne.c: CO-SNE against golden values, central differences and the formulas in double. */
#include "hooks.h"
#include "methods/methods.h"

enum {
    N    = 40,
    MANY = 1300
};

/* n rows of one column whose squares are given. */
/* Squared norms as they are: the formulas know of no other unit. */
static hooks open_cosne(size_t n, size_t c, int64_t threads)
{
    hooks h = hooks_open(&method_cosne, n, c, threads);
    ck_assert_int_eq(options_set(&h.options, "scale_norms", "false"), NE_OK);
    return h;
}

static ne_dense norms(double *x, const double *squares, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = sqrt(squares[i]);
    return (ne_dense){.struct_size = sizeof(ne_dense), .data = x, .rows = n, .cols = 1, .dtype = NE_F64};
}

START_TEST(loss_and_gradient_are_the_golden_values)
{
    static const double squares[4] = {1, 2, .5, 1.5};
    golden_affinity     p;
    double              x[4];
    float               z[8], g[8];
    hooks               h    = open_cosne(4, 2, 1);
    const ne_dense      view = norms(x, squares, 4);
    golden_make(&p);
    for (size_t i = 0; i < 8; i++) z[i] = (float)(0.3 * golden_z[i]);
    h.problem.affinity  = &p.csr;
    h.problem.x         = &view;
    h.problem.reference = 1;
    ck_assert_int_eq(hooks_start(&h), NE_OK);
    const double loss = hooks_gradient(&h, z, g);
    ck_assert_double_eq_tol(loss, 0.95220013 + 3.23450146, 2e-6);
    ck_assert_float_eq_tol(g[0], -0.17512476f, 1e-6f);
    ck_assert_float_eq_tol(g[1], -0.06842434f, 1e-6f);
    ck_assert_float_eq_tol(g[6], -0.09132749f, 1e-6f);
    ck_assert_float_eq_tol(g[7], 0.11149756f, 1e-6f);
    hooks_close(&h);
}
END_TEST

static float *ball(size_t n, size_t c, double most)
{
    float   *z     = malloc(n * c * sizeof *z);
    uint64_t state = 9;
    ck_assert_ptr_nonnull(z);
    for (size_t i = 0; i < n; i++) {
        double square = 0, radius = most * sqrt(data_unit(&state));
        for (size_t k = 0; k < c; k++) {
            const double value = data_normal(&state);
            z[i * c + k]       = (float)value;
            square += value * value;
        }
        for (size_t k = 0; k < c; k++) z[i * c + k] = (float)((double)z[i * c + k] * radius / sqrt(square + 1e-9));
    }
    return z;
}

/* Differences of a loss in double at floats: the width of 1e-3 leaves 1e-6 of it. Near the rim curvature is high. */
START_TEST(the_gradient_is_that_of_the_loss)
{
    static const size_t widths[] = {1, 2, 3, 5, 20};
    const size_t        c        = widths[_i];
    layout_affinity     p        = layout_affinity_make(N);
    double              x[N], squares[N];
    float              *z     = ball(N, c, 0.9);
    uint64_t            state = 4;
    for (size_t i = 0; i < N; i++) squares[i] = 3 * data_unit(&state);
    const ne_dense view = norms(x, squares, N);
    for (size_t k = 0; k < c; k++) z[c + k] = z[k]; /* duplicates */
    for (int reference = 0; reference < 2; reference++) {
        hooks h             = open_cosne(N, c, 2);
        h.problem.affinity  = &p.csr;
        h.problem.x         = &view;
        h.problem.reference = reference;
        ck_assert_int_eq(hooks_start(&h), NE_OK);
        ck_assert_double_le(hooks_difference(&h, z, 5e-4, 10), 1e-3);
        hooks_close(&h);
    }
    layout_affinity_free(&p);
    free(z);
}
END_TEST

/* A pair at distance h has q = gamma / (h^2 + gamma^2); on a line through the origin h = 2 |atanh a - atanh b|. */
START_TEST(two_points_on_a_diameter_are_the_formula)
{
    static const float a[] = {0.1f, 1e-4f, 0.9f, 0.999f};
    for (size_t t = 0; t < sizeof a / sizeof *a; t++) {
        const float  z[4] = {a[t], 0, -a[t], 0};
        float        g[4], val[2] = {0.5f, 0.5f};
        int32_t      col[2]   = {1, 0};
        int64_t      start[3] = {0, 1, 2};
        const ne_csr p        = {sizeof p, 2, 2, start, col, val, NE_F32, NE_HOST};
        hooks        h        = open_cosne(2, 2, 1);
        const double r = (double)a[t], d = 4 * atanh(r), gamma = 2;
        h.problem.affinity = &p;
        ck_assert_int_eq(options_set(&h.options, "learning_rate_for_h_loss", "0"), NE_OK);
        ck_assert_int_eq(hooks_start(&h), NE_OK);
        /* log(1 / q) + log(2 q): the distance cancels, and so does the gradient, whose two sides are this large: */
        const double side = 2 * d * 4 / (1 - r * r) / 2 / (d * d + gamma * gamma);
        ck_assert_double_eq_tol(hooks_gradient(&h, z, g), log(2), 1e-6);
        ck_assert_float_eq_tol(g[0], 0, (float)(4e-6 * side));
        method_cosne.attractive_gradient(h.params, &h.problem, h.state, z, 0, 2, g);
        ck_assert_double_eq_tol((double)g[0], side, 4e-6 * side);
        hooks_close(&h);
    }
}
END_TEST

START_TEST(equal_points_have_no_force_and_no_nan)
{
    static const float z[2 * 8] = {0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f, 0.25f, 0.5f};
    float              g[2 * 8];
    layout_affinity    p = layout_affinity_make(6);
    hooks              h = open_cosne(6, 2, 1);
    h.problem.affinity   = &p.csr;
    ck_assert_int_eq(options_set(&h.options, "learning_rate_for_h_loss", "0"), NE_OK);
    ck_assert_int_eq(hooks_start(&h), NE_OK);
    ck_assert_double_eq_tol(hooks_gradient(&h, z, g), log(4.0 / 2) + log(30 * 2.0 / 4), 1e-6);
    for (size_t i = 0; i < 12; i++) ck_assert_float_eq(g[i], 0);
    hooks_close(&h);
    layout_affinity_free(&p);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t threads[] = {1, 2, 3, 7};
    static float         g[4][MANY * 2];
    double               loss[4];
    layout_affinity      p = layout_affinity_make(MANY);
    float               *z = ball(MANY, 2, 0.99);
    for (size_t t = 0; t < 4; t++) {
        hooks h            = open_cosne(MANY, 2, threads[t]);
        h.problem.affinity = &p.csr;
        ck_assert_int_eq(options_set(&h.options, "learning_rate_for_h_loss", "0"), NE_OK);
        ck_assert_int_eq(hooks_start(&h), NE_OK);
        loss[t] = hooks_gradient(&h, z, g[t]);
        ck_assert_double_eq(loss[t], loss[0]);
        ck_assert_int_eq(memcmp(g[t], g[0], sizeof g[0]), 0);
        hooks_close(&h);
    }
    layout_affinity_free(&p);
    free(z);
}
END_TEST

/* --- Through the public door --------------------------------------------------------------------------------------- */

static ne_embedding *make(ne_context *context, const char *const (*set)[2], size_t count)
{
    ne_embedding *embedding = NULL;
    ck_assert_int_eq(ne_embedding_create(context, "cosne", &embedding), NE_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(ne_embedding_set(embedding, set[i][0], set[i][1]) == NE_OK, "%s", ne_last_error());
    return embedding;
}

START_TEST(a_fit_stays_in_the_ball_and_parts_clusters)
{
    static const char *const set[][2] = {{"perplexity", "10"}, {"max_iter", "300"}};
    static float             x[150 * 5], y[150 * 2];
    ne_context              *context   = layout_context(2);
    ne_embedding            *embedding = make(context, set, sizeof set / sizeof *set);
    data_clusters(x, 150, 5, 3, 0.7, 5);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] *= 0.4f;
    ck_assert_msg(ne_embedding_fit_f32(embedding, x, 150, 5, y) == NE_OK, "%s", ne_last_error());
    for (size_t i = 0; i < 150; i++) ck_assert_float_lt(y[2 * i] * y[2 * i] + y[2 * i + 1] * y[2 * i + 1], 1);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

START_TEST(the_unit_of_the_data_does_not_matter)
{
    enum {
        ROW_COUNT = 40,
        D         = 5
    };
    static float x[ROW_COUNT * D], y[2][ROW_COUNT * 2];
    uint64_t     state = 7;
    for (size_t i = 0; i < ROW_COUNT * D; i++) x[i] = (float)data_normal(&state);
    for (int t = 0; t < 2; t++) {
        ne_context   *context = layout_context(1);
        ne_embedding *e       = NULL;
        for (size_t i = 0; t && i < ROW_COUNT * D; i++) x[i] *= 1024;
        ck_assert_int_eq(ne_embedding_create(context, "cosne", &e), NE_OK);
        ck_assert_int_eq(ne_embedding_set_real(e, "perplexity", 5), NE_OK);
        ck_assert_int_eq(ne_embedding_set_int(e, "max_iter", 20), NE_OK);
        ck_assert_msg(ne_embedding_fit_f32(e, x, ROW_COUNT, D, y[t]) == NE_OK, "%s", ne_last_error());
        ne_embedding_free(e);
        ne_context_free(context);
    }
    ck_assert_int_eq(memcmp(y[0], y[1], sizeof y[0]), 0);
}
END_TEST

START_TEST(a_graph_alone_has_no_norms)
{
    ne_context     *context   = layout_context(1);
    ne_embedding   *embedding = make(context, NULL, 0);
    ne_graph       *graph     = NULL;
    float           y[8];
    golden_affinity p;
    golden_make(&p);
    const ne_dense view = {.struct_size = sizeof view, .data = y, .rows = 4, .cols = 2, .dtype = NE_F32};
    ck_assert_int_eq(ne_graph_from_csr(context, NE_GRAPH_AFFINITY, &p.csr, &graph), NE_OK);
    ck_assert_int_eq(ne_embedding_fit_graph(embedding, graph, NULL, &view), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "learning_rate_for_h_loss"));
    ck_assert_int_eq(ne_embedding_set(embedding, "gamma", "0"), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set(embedding, "learning_rate_for_h_loss", "-1"), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set(embedding, "learning_rate_for_h_loss", "0"), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "max_iter", "5"), NE_OK);
    ck_assert_msg(ne_embedding_fit_graph(embedding, graph, NULL, &view) == NE_OK, "%s", ne_last_error());
    ne_graph_free(graph);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

/* --- The reference's steps, in double: the loss of all pairs and RiemannianAdam, curvature 1. ---------------------- */

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1];
}

/* The gradient of 4 points; gamma 2, weight of the norms 1. */
static void formula_gradient(const float *p, const double *y, const double *squares, double *g)
{
    double sum = 0, part[8] = {0};
    for (size_t i = 0; i < 4; i++) {
        const double *a = y + 2 * i;
        const double  r = dot(a, a), v = 1 + 2 * r / (1 - r) + 1e-8, eta = acosh(v);
        const double  norm = -(2.0 / 4) * (squares[i] - eta * eta) * 2 * eta / sqrt(v * v - 1) * 4 / pow(1 - r, 2);
        for (size_t k = 0; k < 2; k++) g[2 * i + k] = norm * a[k];
        for (size_t j = 0; j < 4; j++) {
            const double *b    = y + 2 * j;
            const double  d[2] = {a[0] - b[0], a[1] - b[1]}, s = dot(d, d), rim = 1 - dot(b, b);
            const double  u = 1 + 2 * s / (1 - r) / rim + 1e-8, h = acosh(u), q = 1 / (h * h + 4);
            sum += q;
            for (size_t k = 0; k < 2 && j != i; k++) {
                const double G = 2 * h / sqrt(u * u - 1) * 4 / (1 - r) / rim * (d[k] + s / (1 - r) * a[k]);
                g[2 * i + k] += 2 * (double)p[i * 4 + j] * q * G;
                part[2 * i + k] += q * q * G;
            }
        }
    }
    for (size_t i = 0; i < 8; i++) g[i] -= 2 / sum * part[i];
}

/* z + 2 (A a + B b) / (1 + 2 ab + a^2 b^2) */
static void gyrate(const double *a, const double *b, double *z)
{
    const double ab = dot(a, b), aa = dot(a, a), bb = dot(b, b), az = dot(a, z), bz = dot(b, z);
    const double A = -az * bb + bz + 2 * ab * bz, B = -bz * aa - az, by = 2 / (1 + 2 * ab + aa * bb);
    for (size_t k = 0; k < 2; k++) z[k] += by * (A * a[k] + B * b[k]);
}

static void formula_step(double *y, double *m, double *v, const double *g, double rate, int t)
{
    const double e = 2 * t + 1, alpha = rate * sqrt(1 - pow(0.999, e)) / (1 - pow(0.9, e));
    const double yy = dot(y, y), l = 2 / (1 - yy), R[2] = {g[0] / l / l, g[1] / l / l};
    double       T[2], to[2];
    for (size_t k = 0; k < 2; k++) m[k] = 0.9 * m[k] + 0.1 * R[k];
    *v = 0.999 * *v + 0.001 * l * l * dot(R, R);
    for (size_t k = 0; k < 2; k++) T[k] = -alpha * m[k] / (sqrt(*v) + 1e-8);
    const double length = fmax(sqrt(dot(T, T)), 1e-15), far = tanh(fmin(l * length / 2, 15)) / length;
    const double b[2] = {far * T[0], far * T[1]}, yb = dot(y, b), bb = dot(b, b);
    for (size_t k = 0; k < 2; k++) to[k] = ((1 + 2 * yb + bb) * y[k] + (1 - yy) * b[k]) / (1 + 2 * yb + yy * bb);
    const double reach = sqrt(dot(to, to)), back[2] = {-y[0], -y[1]};
    for (size_t k = 0; k < 2 && reach > 1 - 1e-5; k++) to[k] *= (1 - 1e-5) / reach;
    gyrate(to, back, m);
    for (size_t k = 0; k < 2; k++) {
        m[k] *= l * (1 - dot(to, to)) / 2;
        y[k] = to[k];
    }
}

START_TEST(ten_steps_of_the_reference_follow_the_formulas)
{
    static const char *const set[][2]   = {{"reference", "torchdr"}, {"lr", "0.1"}, {"max_iter", "0"}};
    static const double      squares[4] = {1, 2, .5, 1.5};
    golden_affinity          p;
    double                   x[4], y[8], got[8], m[8] = {0}, v[4] = {0}, g[8];
    ne_context              *context   = layout_context(1);
    ne_embedding            *embedding = make(context, set, sizeof set / sizeof *set);
    ne_graph                *graph     = NULL;
    const ne_dense           data      = norms(x, squares, 4);
    ne_dense                 to        = {.struct_size = sizeof to, .data = y, .rows = 4, .cols = 2, .dtype = NE_F64};
    golden_make(&p);
    ck_assert_int_eq(ne_graph_from_csr(context, NE_GRAPH_AFFINITY, &p.csr, &graph), NE_OK);
    ck_assert_msg(ne_embedding_fit_graph(embedding, graph, &data, &to) == NE_OK, "%s", ne_last_error());
    to.data = got;
    ck_assert_int_eq(ne_embedding_set(embedding, "max_iter", "10"), NE_OK);
    ck_assert_msg(ne_embedding_fit_graph(embedding, graph, &data, &to) == NE_OK, "%s", ne_last_error());
    for (int t = 0; t < 10; t++) {
        formula_gradient(p.dense, y, squares, g);
        for (size_t i = 0; i < 4; i++) formula_step(y + 2 * i, m + 2 * i, v + i, g + 2 * i, 0.1, t);
    }
    for (size_t i = 0; i < 8; i++) ck_assert_double_eq_tol(got[i], y[i], 1e-5);
    ne_graph_free(graph);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

Suite *cosne_suite(void);
Suite *cosne_suite(void)
{
    Suite *suite = suite_create("cosne");
    TCase *hook  = tcase_create("hooks");
    TCase *door  = tcase_create("fit");
    tcase_set_timeout(hook, 120);
    tcase_add_test(hook, loss_and_gradient_are_the_golden_values);
    tcase_add_loop_test(hook, the_gradient_is_that_of_the_loss, 0, 5);
    tcase_add_test(hook, two_points_on_a_diameter_are_the_formula);
    tcase_add_test(hook, equal_points_have_no_force_and_no_nan);
    tcase_add_test(hook, the_bits_do_not_depend_on_the_number_of_threads);
    suite_add_tcase(suite, hook);
    tcase_set_timeout(door, 120);
    tcase_add_test(door, a_fit_stays_in_the_ball_and_parts_clusters);
    tcase_add_test(door, the_unit_of_the_data_does_not_matter);
    tcase_add_test(door, a_graph_alone_has_no_norms);
    tcase_add_test(door, ten_steps_of_the_reference_follow_the_formulas);
    suite_add_tcase(suite, door);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(cosne_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
