/* tests/test_umap.c: UMAP's forces, its schedule and the fit as a whole. */
#include "affinity/input.h"
#include "layout.h"
#include "methods/methods.h"
#include "methods/umap_forces.h"
#include "sampled_method.h"

static const char *const quick[]   = {"n_neighbors", "10", "max_iter", "60", NULL};
static const char *const sampled[] = {"n_neighbors", "10", "max_iter", "60", "edges", "sampled", NULL};
static const char *const lists[]   = {
      "n_neighbors", "10", "max_iter", "60", "edges", "sampled", "exclude_neighbors_from_negative_sampling",
      "true",        NULL};
static const char *const torchdr[] = {"n_neighbors", "10", "reference", "torchdr", "max_iter", "60", NULL};
static const char *const tiny[]    = {"n_neighbors", "2", "max_iter", "60", NULL};
static const char *const usual[]   = {"n_neighbors", "10", NULL};

/* --- Forces -------------------------------------------------------------------------------------------------------- */

/* Four points of TorchDR 0.5, a = 1.577, b = 0.895, all edges active, each directed edge as it is given. */
START_TEST(four_points_have_the_forces_of_torchdr)
{
    static const float      z[]    = {0, 0, 1, 0, 0, 2, 1.5f, -1};
    static const int32_t    near[] = {1, 2, 0, 3, 0, 1, 1, 0}, neg[] = {3, 2, 2, 2, 3, 1, 0, 2};
    static const double     pull[] = {-2.19078774, -1.51263117, 2.29597191, -2.78735169};
    static const double     push[] = {0.14938583, 0.03905920, -0.16555441, 0.13192770};
    static const umap_curve curve  = {1.577f, 0.895f};
    for (size_t i = 0; i < 4; i += 3) {
        float att[2] = {0}, rep[2] = {0};
        umap_attract(curve, 2, z + 2 * i, z, 2, near + 2 * i, NULL, att);
        umap_repel(curve, 2, z + 2 * i, z, 2, neg + 2 * i, rep);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_double_eq_tol(2 * (double)att[k], pull[i / 3 * 2 + k], 1e-5);
            ck_assert_double_eq_tol((double)rep[k], push[i / 3 * 2 + k], 1e-5);
        }
    }
}
END_TEST

/* The polynomials promise 1e-5; both forces over all sizes that occur, in any number of columns. */
START_TEST(forces_are_the_formulas_and_are_clamped)
{
    static const double shapes[][2] = {{1.577, 0.895}, {0.119305, 1.91639}, {5.069309, 1.003005}};
    for (size_t h = 0; h < 3; h++)
        for (size_t c = 1; c <= 5; c++)
            for (double size = 1e-4; size < 1e4; size *= 3) {
                const umap_curve curve = {(float)shapes[h][0], (float)shapes[h][1]};
                const double     a = (double)curve.a, b = (double)curve.b;
                const int32_t    other[]  = {1, 1, 1};
                const float      weight[] = {0.5f, 0.25f, 1};
                float            z[10] = {0}, att[5] = {0}, rep[5] = {0};
                double           s = 0;
                for (size_t k = 0; k < c; k++) z[k] = (float)(size * (1 + 0.3 * (double)k));
                for (size_t k = 0; k < c; k++) s += (double)z[k] * (double)z[k];
                umap_attract(curve, c, z, z, 3, other, weight, att);
                umap_repel(curve, c, z, z, 3, other, rep);
                for (size_t k = 0; k < c; k++) {
                    const double d = (double)z[k], t = a * pow(s, b);
                    const double pull = fmin(2 * a * b * pow(s, b - 1) / (1 + t) * d, 4);
                    const double push = fmax(-2 * b / ((0.001 + s) * (1 + t)) * d, -4);
                    ck_assert_double_eq_tol((double)att[k], 1.75 * pull, 1e-5 * fabs(1.75 * pull));
                    ck_assert_double_eq_tol((double)rep[k], 3 * push, 1e-5 * fabs(3 * push));
                }
            }
}
END_TEST

START_TEST(equal_points_have_no_force)
{
    const float   z[4] = {3, 4, 3, 4};
    const int32_t one  = 1;
    float         f[2] = {0};
    umap_attract((umap_curve){1.577f, 0.895f}, 2, z, z, 1, &one, NULL, f);
    umap_repel((umap_curve){1.577f, 0.895f}, 2, z, z, 1, &one, f);
    ck_assert(f[0] == 0 && f[1] == 0);
}
END_TEST

/* --- Hooks, called as the loop calls them ---------------------------------------------------------------------------- */

enum {
    N = 97
};

typedef struct hooks {
    ne_context     *context;
    option_set      own, out;
    void           *params, *out_params, *state;
    layout_affinity p;
    int64_t         order[N];
    int32_t         circle[N], circle_row[N];
    ne_problem      problem;
    ne_terms        terms;
} hooks;

static void hooks_make(hooks *h, size_t c, const char *edges)
{
    const ne_method_ops   *ops = &method_umap;
    const ne_affinity_ops *out = &affinity_umap_kernel;
    *h                         = (hooks){.context = layout_context(1), .p = layout_affinity_make(N)};
    h->params                  = calloc(1, ops->params_size);
    h->out_params              = calloc(1, out->params_size);
    h->state                   = calloc(1, ops->state_size);
    OK(options_add(&memory_default, &h->own, "umap", ops->options, ops->option_count, sizeof(ne_option), h->params));
    OK(options_add(&memory_default, &h->out, "out", out->options, out->option_count, sizeof(ne_option), h->out_params));
    OK(options_reset(&h->own));
    OK(options_reset(&h->out));
    OK(options_set(&h->own, "edges", edges));
    for (size_t i = 0; i < N; i++) {
        h->order[i]                 = (int64_t)(i * 5 % N);
        h->circle[i]                = (int32_t)(i * 31 % N);
        h->circle_row[h->circle[i]] = (int32_t)i;
    }
    h->problem = (ne_problem){.struct_size = sizeof h->problem,
                              .n           = N,
                              .c           = c,
                              .row1        = N,
                              .affinity    = &h->p.csr,
                              .order       = h->order,
                              .seed        = 3,
                              .max_iter    = 1000,
                              .threads     = 1,
                              .context     = h->context,
                              .circle      = h->circle,
                              .circle_row  = h->circle_row};
    h->terms   = (ne_terms){.struct_size = sizeof h->terms, .affinity_out_params = h->out_params};
    OK(ops->plan(h->params, &h->problem, h->state, &h->terms));
    OK(ops->on_affinity_computed(h->params, &h->problem, h->state));
}

static void hooks_free(hooks *h)
{
    method_umap.clear(h->context, h->state);
    options_clear(&memory_default, &h->own);
    options_clear(&memory_default, &h->out);
    free(h->params);
    free(h->out_params);
    free(h->state);
    layout_affinity_free(&h->p);
    ne_context_free(h->context);
}

/* Points a unit and more from each other: no force is clamped there. */
static void spread_points(size_t c, float *z)
{
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < c; k++)
            z[i * c + k] =
                (float)(k == 0 ? 1.1 * (double)(i * 12 % N) : 9 * fmod((double)i * 0.6180339 * (double)k, 1));
}

START_TEST(gradients_are_the_slopes_of_each_rows_own_loss)
{
    static const size_t      widths[] = {1, 2, 3, 5};
    static const char *const edges[]  = {"weighted", "sampled"};
    const size_t             c        = widths[_i % 4];
    const ne_method_ops     *ops      = &method_umap;
    const float              step     = 1.0f / 128;
    float                    z[N * 5], att[N * 5], rep[N * 5];
    hooks                    h;
    double                   error[2] = {0}, size[2] = {0};
    hooks_make(&h, c, edges[_i / 4]);
    spread_points(c, z);
    OK(ops->before_gradient(h.params, &h.problem, h.state, 7, z, &h.terms));
    OK(ops->attractive_gradient(h.params, &h.problem, h.state, z, 0, N, att));
    OK(ops->repulsive_gradient(h.params, &h.problem, h.state, z, 0, N, rep));
    for (size_t v = 0; v < N * c; v++) {
        const size_t i    = v / c;
        const float  keep = z[v], high = keep + step, low = keep - step;
        double       up[2] = {0}, down[2] = {0};
        z[v] = high;
        OK(ops->attractive_loss(h.params, &h.problem, h.state, z, i, i + 1, up));
        OK(ops->repulsive_loss(h.params, &h.problem, h.state, z, i, i + 1, up + 1));
        z[v] = low;
        OK(ops->attractive_loss(h.params, &h.problem, h.state, z, i, i + 1, down));
        OK(ops->repulsive_loss(h.params, &h.problem, h.state, z, i, i + 1, down + 1));
        z[v] = keep;
        for (size_t side = 0; side < 2; side++) {
            const double slope = (up[side] - down[side]) / ((double)high - (double)low);
            const double got   = (double)(side ? rep : att)[v];
            error[side] += (slope - got) * (slope - got);
            size[side] += slope * slope;
        }
    }
    for (size_t side = 0; side < 2; side++) {
        ck_assert_double_gt(size[side], 0);
        ck_assert_double_le(sqrt(error[side] / size[side]), 1e-3);
    }
    hooks_free(&h);
}
END_TEST

/* An edge of weight w acts at steps ceil(m / w) - 1, m = 1, 2, ...; those of weight 1 / max_iter and less never. */
START_TEST(edges_act_as_often_as_their_weight_says)
{
    static const int64_t start[] = {0, 1, 3, 4};
    static const int32_t col[]   = {1, 0, 2, 1};
    static const float   val[]   = {0.3f, 0.3f, 1, 1};
    const ne_csr         edges   = {sizeof edges, 3, 3, start, col, val, NE_F32, NE_HOST};
    const float          z[]     = {0, 0, 1, 0, 0, 2};
    hooks                h;
    hooks_make(&h, 2, "sampled");
    method_umap.clear(h.context, h.state);
    memset(h.state, 0, method_umap.state_size);
    h.problem.n        = 3;
    h.problem.affinity = &edges;
    h.terms            = (ne_terms){.struct_size = sizeof h.terms, .affinity_out_params = h.out_params};
    OK(method_umap.plan(h.params, &h.problem, h.state, &h.terms));
    OK(method_umap.on_affinity_computed(h.params, &h.problem, h.state));
    for (int64_t t = 0; t < 40; t++) {
        float g[6];
        int   due = 0;
        for (int m = 1; m < 20; m++) due |= (int64_t)ceil(m / (double)0.3f) - 1 == t;
        OK(method_umap.before_gradient(h.params, &h.problem, h.state, t, z, &h.terms));
        OK(method_umap.attractive_gradient(h.params, &h.problem, h.state, z, 0, 3, g));
        ck_assert_int_eq(g[0] != 0, due);
        ck_assert(g[4] != 0);
    }
    h.problem.max_iter = 3; /* 0.3 * 3 < 1 */
    OK(method_umap.before_gradient(h.params, &h.problem, h.state, 3, z, &h.terms));
    float g[6];
    OK(method_umap.attractive_gradient(h.params, &h.problem, h.state, z, 0, 3, g));
    ck_assert(g[0] == 0 && g[4] != 0);
    hooks_free(&h);
}
END_TEST

/* Over a thousand steps the edges that act add up to the weighted ones, but for the last, unfinished period of each. */
START_TEST(weighted_edges_are_the_mean_of_sampled_ones)
{
    hooks  weighted, drawn;
    float  z[N * 2], want[N * 2], g[N * 2];
    double sum[N * 2] = {0}, error = 0, size = 0;
    hooks_make(&weighted, 2, "weighted");
    hooks_make(&drawn, 2, "sampled");
    spread_points(2, z);
    OK(method_umap.before_gradient(weighted.params, &weighted.problem, weighted.state, 0, z, &weighted.terms));
    OK(method_umap.attractive_gradient(weighted.params, &weighted.problem, weighted.state, z, 0, N, want));
    for (int64_t t = 0; t < 1000; t++) {
        OK(method_umap.before_gradient(drawn.params, &drawn.problem, drawn.state, t, z, &drawn.terms));
        OK(method_umap.attractive_gradient(drawn.params, &drawn.problem, drawn.state, z, 0, N, g));
        for (size_t v = 0; v < 2 * N; v++) sum[v] += (double)g[v] / 1000;
    }
    for (size_t v = 0; v < 2 * N; v++) {
        error += (sum[v] - (double)want[v]) * (sum[v] - (double)want[v]);
        size += sum[v] * sum[v];
    }
    ck_assert_double_le(sqrt(error / size), 0.01);
    hooks_free(&weighted);
    hooks_free(&drawn);
}
END_TEST

/* --- The fit --------------------------------------------------------------------------------------------------------- */

START_TEST(clusters_come_apart)
{
    static const char *const sampled_edges[] = {"n_neighbors", "10", "edges", "sampled", NULL};
    sampled_finds_clusters("umap", _i ? sampled_edges : usual);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const char *const *const options[] = {quick, sampled, lists, torchdr};
    sampled_has_bits_of_one_thread("umap", options[_i]);
}
END_TEST

START_TEST(two_rows_and_equal_rows_work)
{
    sampled_takes_small_and_equal_rows("umap", tiny);
}
END_TEST

START_TEST(defaults_are_ours_and_under_reference_those_of_torchdr)
{
    sampled_has_default("umap", "metric", "euclidean", "sqeuclidean");
    sampled_has_default("umap", "n_neighbors", "30", "30");
    sampled_has_default("umap", "edges", "weighted", "sampled");
    sampled_has_default("umap", "optimizer", "adam", "sgd");
    sampled_has_default("umap", "negative_sample_rate", "5", "5");
    sampled_has_default("umap", "init_scaling", "5", "0.0001");
}
END_TEST

START_TEST(wrong_options_are_named)
{
    sampled_checks("umap", "a", "1.5", NE_INVALID_ARGUMENT, "b");
    sampled_checks("umap", "edges", "all", NE_OUT_OF_RANGE, "edges");
    sampled_checks("umap", "repulsion", "exact", NE_UNSUPPORTED, "repulsion");
    sampled_checks("umap", "n_neighbors", "1000", NE_OUT_OF_RANGE, "n_neighbors");
    sampled_checks("umap", "exclude_neighbors_from_negative_sampling", "true", NE_UNSUPPORTED, "edges = sampled");
}
END_TEST

START_TEST(new_rows_land_in_their_clusters_one_by_one_or_together)
{
    sampled_transforms("umap", usual);
}
END_TEST

START_TEST(a_fit_in_pieces_is_the_fit_and_its_loss_falls)
{
    sampled_goes_in_pieces("umap", usual);
}
END_TEST

static Suite *umap_suite(void)
{
    Suite *suite = suite_create("umap");
    TCase *tests = tcase_create("umap");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, four_points_have_the_forces_of_torchdr);
    tcase_add_test(tests, forces_are_the_formulas_and_are_clamped);
    tcase_add_test(tests, equal_points_have_no_force);
    tcase_add_loop_test(tests, gradients_are_the_slopes_of_each_rows_own_loss, 0, 8);
    tcase_add_test(tests, edges_act_as_often_as_their_weight_says);
    tcase_add_test(tests, weighted_edges_are_the_mean_of_sampled_ones);
    tcase_add_loop_test(tests, clusters_come_apart, 0, 2);
    tcase_add_loop_test(tests, the_bits_do_not_depend_on_the_number_of_threads, 0, 4);
    tcase_add_test(tests, two_rows_and_equal_rows_work);
    tcase_add_test(tests, defaults_are_ours_and_under_reference_those_of_torchdr);
    tcase_add_test(tests, wrong_options_are_named);
    tcase_add_test(tests, new_rows_land_in_their_clusters_one_by_one_or_together);
    tcase_add_test(tests, a_fit_in_pieces_is_the_fit_and_its_loss_falls);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(umap_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
