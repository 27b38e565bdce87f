/* tests/test_tsnekhorn.c: TSNEkhorn against golden values, and gradients in double that know nothing of its sweeps. */
#include "hooks.h"
#include "methods/methods.h"

enum {
    N    = 40,
    MANY = 1300
};

static hooks khorn(size_t n, size_t c, const float *p, int unrolling, const char *nu, int64_t threads)
{
    hooks h                  = hooks_open(&method_tsnekhorn, n, c, threads);
    h.problem.dense_affinity = p;
    ck_assert_int_eq(options_set_int(&h.options, "unrolling", unrolling), NE_OK);
    ck_assert_int_eq(options_set(&h.options, "degrees_of_freedom", nu), NE_OK);
    ck_assert_int_eq(hooks_start(&h), NE_OK);
    ck_assert_int_eq(h.terms.dense_affinity, 1);
    return h;
}

START_TEST(loss_and_gradient_are_the_golden_values)
{
    static const double want[2][5] = {{3.45742536, -0.22231981, 0.01316323, -0.04162810, 0.13746208},
                                      {2.45896557, -0.04440544, 0.03298234, 0.00473972, 0.02638471}};
    golden_affinity     p;
    float               z[8], g[8];
    golden_make(&p);
    for (size_t i = 0; i < 8; i++) z[i] = (float)golden_z[i];
    for (int reference = 0; reference < 2; reference++) {
        hooks h             = khorn(4, 2, p.dense, _i, "1", 1);
        h.problem.reference = reference;
        ck_assert_double_eq_tol(hooks_gradient(&h, z, g), want[_i][0], 2e-6);
        ck_assert_double_eq_tol((double)g[0], want[_i][1], 1e-6);
        ck_assert_double_eq_tol((double)g[1], want[_i][2], 1e-6);
        ck_assert_double_eq_tol((double)g[6], want[_i][3], 1e-6);
        ck_assert_double_eq_tol((double)g[7], want[_i][4], 1e-6);
        hooks_close(&h);
    }
}
END_TEST

/* k_ij in double, the diagonal infinite. */
static double energy(const double *z, size_t c, double nu, size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < c; k++) s += (z[i * c + k] - z[j * c + k]) * (z[i * c + k] - z[j * c + k]);
    return i == j ? INFINITY : (nu + 1) / 2 * log1p(s / nu);
}

static void sweeps(const double *z, size_t n, size_t c, double nu, double *f)
{
    double *r = malloc(n * sizeof *r), apart = 1;
    ck_assert_ptr_nonnull(r);
    for (int t = 0; t < 5 && apart >= 1e-5; t++) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++) sum += exp(f[j] - energy(z, c, nu, i, j));
            r[i] = -log(sum);
        }
        apart = 0;
        for (size_t i = 0; i < n; i++) {
            f[i] = (f[i] + r[i]) / 2;
            apart += (f[i] - r[i]) * (f[i] - r[i]);
        }
        apart = sqrt(apart);
    }
    free(r);
}

/* The loss for given f; with unrolling for the f that sweeps from `start` come to. */
static double loss_of(const float *p, const double *z, size_t n, size_t c, double nu, int unrolling, const double *f)
{
    double *own = malloc(n * sizeof *own), loss = 0;
    ck_assert_ptr_nonnull(own);
    memcpy(own, f, n * sizeof *own);
    if (unrolling) sweeps(z, n, c, nu, own);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double k = energy(z, c, nu, i, j), log_q = own[i] + own[j] - k - log((double)n);
            if (j == i) continue;
            loss -= (double)p[i * n + j] * log_q;
            if (!unrolling) loss += exp(log_q);
        }
    free(own);
    return loss;
}

/* Central differences of the loss in double are good to 1e-9; of the floats' terms, each good to 1e-7, many cancel. */
START_TEST(the_gradient_is_that_of_a_loss_in_double)
{
    static const size_t      widths[]  = {1, 2, 3, 5};
    static const char *const nus[]     = {"1", "0.5", "3"};
    static const double      extents[] = {1e-2, 3, 300};
    const size_t             c         = widths[_i / 2];
    const int                unrolling = _i % 2;
    float                   *p         = hooks_dense_affinity(N), g[N * 5], z[N * 5];
    for (size_t v = 0; v < 3; v++)
        for (size_t e = 0; e < 3; e++) {
            const double nu = atof(nus[v]);
            double       exact[N * 5], f[N] = {0}, before[N] = {0}, apart = 0, size = 0;
            float       *layout = layout_make(LAYOUT_NORMAL, N, c, extents[e]);
            hooks        h      = khorn(N, c, p, unrolling, nus[v], 2);
            memcpy(z, layout, N * c * sizeof *z);
            for (size_t k = 0; k < c; k++) z[c + k] = z[k]; /* duplicates */
            for (size_t i = 0; i < N * c; i++) exact[i] = (double)z[i];
            for (int step = 0; step < 3; step++) { /* f goes on from step to step */
                h.step = step;
                memcpy(before, f, sizeof f);
                sweeps(exact, N, c, nu, f);
                const double loss = hooks_gradient(&h, z, g);
                ck_assert_double_eq_tol(loss, loss_of(p, exact, N, c, nu, unrolling, unrolling ? before : f),
                                        2e-6 * fabs(loss));
            }
            for (size_t i = 0; i < N * c; i++) {
                const double at = exact[i], width = 1e-5 * fmax(extents[e], 1);
                exact[i]           = at + width;
                const double above = loss_of(p, exact, N, c, nu, unrolling, unrolling ? before : f);
                exact[i]           = at - width;
                const double below = loss_of(p, exact, N, c, nu, unrolling, unrolling ? before : f);
                exact[i]           = at;
                const double slope = (above - below) / (2 * width);
                apart += (slope - (double)g[i]) * (slope - (double)g[i]);
                size += slope * slope;
            }
            ck_assert_double_le(sqrt(apart / size), 2e-5);
            hooks_close(&h);
            free(layout);
        }
    free(p);
}
END_TEST

/* After many steps f has converged, and each row of q, and so of the kernel scaled by it, sums to 1 / n: the gradient is
 * that of L with f the best there is, and moving all points the same way changes nothing. */
START_TEST(forces_add_up_to_nothing)
{
    float *p = hooks_dense_affinity(N), *z = layout_make(LAYOUT_CLUSTERS, N, 2, 10), g[N * 2];
    hooks  h = khorn(N, 2, p, _i, "1", 1);
    for (; h.step < 30; h.step++) hooks_gradient(&h, z, g);
    for (size_t k = 0; k < 2; k++) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < N; i++) {
            sum += (double)g[2 * i + k];
            size += fabs((double)g[2 * i + k]);
        }
        ck_assert_double_le(fabs(sum), 1e-5 * size);
    }
    hooks_close(&h);
    free(p);
    free(z);
}
END_TEST

/* exp f would leave the range of floats: one point 1e20 away from the others, two clusters 1e15 apart. */
START_TEST(huge_layouts_stay_finite)
{
    float *p = hooks_dense_affinity(N), *z = layout_make(LAYOUT_NORMAL, N, 2, 1), g[N * 2];
    hooks  h = khorn(N, 2, p, _i, "1", 2);
    z[0]     = 1e17f;
    for (size_t i = N / 2; i < N; i++) z[2 * i] += 1e15f;
    for (; h.step < 10; h.step++) {
        ck_assert(isfinite(hooks_gradient(&h, z, g)));
        for (size_t i = 0; i < 2 * N; i++) ck_assert(isfinite(g[i]));
    }
    hooks_close(&h);
    free(p);
    free(z);
}
END_TEST

START_TEST(two_and_three_points_work)
{
    for (size_t n = 2; n <= 3; n++) {
        static const float z[6] = {0, 0, 1, 0, 0, 1};
        float             *p    = hooks_dense_affinity(n), g[6];
        hooks              h    = khorn(n, 2, p, _i, "1", 1);
        ck_assert(isfinite(hooks_gradient(&h, z, g)));
        for (size_t i = 0; i < 2 * n; i++) ck_assert(isfinite(g[i]));
        hooks_close(&h);
        free(p);
    }
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const int64_t threads[] = {1, 2, 3, 7};
    static float         g[4][MANY * 2];
    double               loss[4];
    float               *p = hooks_dense_affinity(MANY), *z = layout_make(LAYOUT_CLUSTERS, MANY, 2, 20);
    for (size_t t = 0; t < 4; t++) {
        hooks h = khorn(MANY, 2, p, _i, "1", threads[t]);
        hooks_gradient(&h, z, g[t]);
        loss[t] = hooks_gradient(&h, z, g[t]);
        ck_assert_double_eq(loss[t], loss[0]);
        ck_assert_int_eq(memcmp(g[t], g[0], sizeof g[0]), 0);
        hooks_close(&h);
    }
    free(p);
    free(z);
}
END_TEST

/* --- Through the public door --------------------------------------------------------------------------------------- */

START_TEST(a_second_fit_is_the_first)
{
    static float  x[120 * 5], y[120 * 2], again[120 * 2];
    ne_context   *context   = layout_context(2);
    ne_embedding *embedding = NULL;
    data_clusters(x, 120, 5, 3, 3, 5);
    ck_assert_int_eq(ne_embedding_create(context, "tsnekhorn", &embedding), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "perplexity", "10"), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "max_iter", "40"), NE_OK);
    ck_assert_msg(ne_embedding_fit_f32(embedding, x, 120, 5, y) == NE_OK, "%s", ne_last_error());
    ck_assert_int_eq(ne_embedding_fit_f32(embedding, x, 60, 5, again), NE_OK); /* another n in between */
    ck_assert_int_eq(ne_embedding_fit_f32(embedding, x, 120, 5, again), NE_OK);
    ck_assert_int_eq(memcmp(y, again, sizeof y), 0);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

START_TEST(options_that_cannot_be_are_said)
{
    float         x[12]     = {0, 1, 2, 3, 5, 4, 7, 6, 8, 9, 3, 1}, y[12];
    ne_context   *context   = layout_context(1);
    ne_embedding *embedding = NULL;
    ck_assert_int_eq(ne_embedding_create(context, "tsnekhorn", &embedding), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "perplexity", "2"), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "unrolling", "maybe"), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_set(embedding, "lr_affinity_in", "0"), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set(embedding, "symmetric_affinity", "false"), NE_OK);
    ck_assert_int_eq(ne_embedding_fit_f32(embedding, x, 6, 2, y), NE_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "symmetric_affinity"));
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

Suite *tsnekhorn_suite(void);
Suite *tsnekhorn_suite(void)
{
    Suite *suite = suite_create("tsnekhorn");
    TCase *hook  = tcase_create("hooks");
    TCase *door  = tcase_create("fit");
    tcase_set_timeout(hook, 120);
    tcase_add_loop_test(hook, loss_and_gradient_are_the_golden_values, 0, 2);
    tcase_add_loop_test(hook, the_gradient_is_that_of_a_loss_in_double, 0, 8);
    tcase_add_loop_test(hook, forces_add_up_to_nothing, 0, 2);
    tcase_add_loop_test(hook, huge_layouts_stay_finite, 0, 2);
    tcase_add_loop_test(hook, two_and_three_points_work, 0, 2);
    tcase_add_loop_test(hook, the_bits_do_not_depend_on_the_number_of_threads, 0, 2);
    suite_add_tcase(suite, hook);
    tcase_set_timeout(door, 120);
    tcase_add_test(door, a_second_fit_is_the_first);
    tcase_add_test(door, options_that_cannot_be_are_said);
    suite_add_tcase(suite, door);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(tsnekhorn_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
