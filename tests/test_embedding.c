/* tests/test_embedding.c: t-SNE and PCA through ne.h: what a user relies on. */
#define NE_EXPERIMENTAL 1
#include "data.h"

#include <ne.h>

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    N        = 331,
    D        = 7,
    CLUSTERS = 3
}; /* 331: prime, so no multiple of any block */

static float         x[N * D], y[N * 8], other[N * 8];
static int64_t       label[N];
static ne_context   *ctx;
static ne_embedding *emb;

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static void open_all(void)
{
    data_clusters(x, N, D, CLUSTERS, 4, 1);
    for (size_t i = 0; i < N; i++) label[i] = (int64_t)(i % CLUSTERS);
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "tsne", &emb));
    OK(ne_embedding_set(emb, "perplexity", "20"));
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
}

/* A descent so gentle that rounding errors do not grow: what differs by them can be compared. */
static void be_gentle(ne_embedding *e)
{
    OK(ne_embedding_set(e, "gains", "false"));
    OK(ne_embedding_set(e, "early_exaggeration_coeff", "1"));
    OK(ne_embedding_set(e, "lr", "50"));
    OK(ne_embedding_set(e, "init_scaling", "1"));
}

static ne_dense view(void *data, size_t rows, size_t cols, int32_t type)
{
    const ne_dense v = {sizeof v, data, rows, cols, cols, type, NE_HOST};
    return v;
}

START_TEST(clusters_come_apart)
{
    static const char *const repulsion[] = {"auto", "exact", "barnes_hut", "fft"};
    const ne_dense           v           = view(y, N, 2, NE_F32);
    double                   accuracy = 0, kl = 0;
    OK(ne_embedding_set(emb, "repulsion", repulsion[_i]));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_score_knn_accuracy(ctx, &v, label, 10, &accuracy));
    ck_assert_double_ge(accuracy, 0.99);
    OK(ne_embedding_get_real(emb, "kl", &kl));
    ck_assert(kl > 0.1 && kl < 0.9);
    double n_iter = 0;
    OK(ne_embedding_get_real(emb, "n_iter", &n_iter));
    ck_assert_double_eq(n_iter, 300);
}
END_TEST

START_TEST(any_number_of_components_is_fitted)
{
    static const int c[]      = {1, 2, 3, 5};
    double           accuracy = 0;
    const ne_dense   v        = view(y, N, (size_t)c[_i], NE_F32);
    OK(ne_embedding_set_int(emb, "n_components", c[_i]));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_score_knn_accuracy(ctx, &v, label, 10, &accuracy));
    ck_assert_double_ge(accuracy, 0.99);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes_at_any_number_of_threads)
{
    static const char *const repulsion[] = {"exact", "barnes_hut", "fft"};
    OK(ne_embedding_set(emb, "repulsion", repulsion[_i]));
    OK(ne_embedding_set(emb, "max_iter", "120"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    for (int threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
        OK(ne_context_set_int(ctx, "threads", threads));
        OK(ne_embedding_fit_f32(emb, x, N, D, other));
        ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
    }
}
END_TEST

START_TEST(another_seed_gives_another_random_start)
{
    OK(ne_embedding_set(emb, "init", "random"));
    OK(ne_embedding_set(emb, "max_iter", "5"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_set_int(emb, "random_state", 1));
    OK(ne_embedding_fit_f32(emb, x, N, D, other));
    ck_assert(memcmp(y, other, N * 2 * sizeof *y) != 0);
    int64_t seed = 0, again = 0;
    OK(ne_embedding_set(emb, "random_state", "none"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_get_int(emb, "random_state_used", &seed));
    OK(ne_embedding_set_int(emb, "random_state", seed));
    OK(ne_embedding_fit_f32(emb, x, N, D, other));
    OK(ne_embedding_get_int(emb, "random_state_used", &again));
    ck_assert_int_eq(seed, again);
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
}
END_TEST

START_TEST(fifty_calls_of_one_step_are_one_call_of_fifty)
{
    const ne_dense from = view(x, N, D, NE_F32), to = view(y, N, 2, NE_F32), again = view(other, N, 2, NE_F32);
    OK(ne_embedding_set(emb, "early_exaggeration_iter", "20"));
    OK(ne_embedding_start(emb, NULL, &from));
    OK(ne_embedding_step(emb, 50));
    OK(ne_embedding_read(emb, &to));
    OK(ne_embedding_start(emb, NULL, &from));
    for (int i = 0; i < 50; i++) OK(ne_embedding_step(emb, 1));
    OK(ne_embedding_read(emb, &again));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
    OK(ne_embedding_set(emb, "max_iter", "50"));
    OK(ne_embedding_fit_f32(emb, x, N, D, other));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
}
END_TEST

static void *fit_alone(void *to)
{
    ne_context   *c  = NULL;
    ne_embedding *e  = NULL;
    ne_status     st = ne_context_create(&c);
    if (st == NE_OK) st = ne_context_set_int(c, "threads", 2);
    if (st == NE_OK) st = ne_embedding_create(c, "tsne", &e);
    if (st == NE_OK) st = ne_embedding_set(e, "perplexity", "20");
    if (st == NE_OK) st = ne_embedding_set(e, "max_iter", "150");
    for (int i = 0; i < 3 && st == NE_OK; i++) st = ne_embedding_fit_f32(e, x, N, D, to);
    ne_embedding_free(e);
    ne_context_free(c);
    return st == NE_OK ? to : NULL;
}

START_TEST(two_fits_at_the_same_time_give_the_bytes_of_each_alone)
{
    static float both[2][N * 2];
    pthread_t    thread[2];
    void        *result = NULL;
    OK(ne_embedding_set(emb, "max_iter", "150"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&thread[i], NULL, fit_alone, both[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], &result);
        ck_assert_ptr_nonnull(result);
        ck_assert_mem_eq(both[i], y, N * 2 * sizeof *y);
    }
}
END_TEST

/* Central differences of the objective in double. */
START_TEST(the_gradient_is_the_derivative_of_the_objective)
{
    static const int         c[]  = {1, 2, 3, 5};
    static const char *const nu[] = {"1", "0.5", "4"};
    enum {
        POINTS = 50
    };
    const size_t   k = (size_t)c[_i % 4], count = POINTS * k;
    double         z[POINTS * 5], g[POINTS * 5], worst = 0, largest = 0;
    const ne_dense from = view(x, POINTS, D, NE_F32);
    OK(ne_embedding_set_int(emb, "n_components", (int64_t)k));
    OK(ne_embedding_set(emb, "perplexity", "5"));
    OK(ne_embedding_set(emb, "degrees_of_freedom", nu[_i / 4]));
    OK(ne_embedding_start(emb, NULL, &from));
    uint64_t random = 5;
    for (size_t i = 0; i < count; i++) z[i] = 2 * data_normal(&random);
    OK(ne_embedding_gradient(emb, z, g, NULL));
    for (size_t i = 0; i < count; i++) {
        const double h = 1e-5, at = z[i];
        double       up = 0, down = 0;
        z[i] = at + h;
        OK(ne_embedding_gradient(emb, z, NULL, &up));
        z[i] = at - h;
        OK(ne_embedding_gradient(emb, z, NULL, &down));
        z[i]            = at;
        const double fd = (up - down) / (2 * h);
        worst           = fmax(worst, fabs(fd - g[i]));
        largest         = fmax(largest, fabs(fd));
    }
    ck_assert_double_lt(worst, 1e-6 * largest);
}
END_TEST

/* One step without momentum, gains or clipping from a known start is -lr times the gradient: the float kernels against
 * the double objective. */
START_TEST(a_step_follows_the_gradient)
{
    static const int         c[]         = {1, 2, 3, 5, 2, 3, 1, 2, 3};
    static const char *const repulsion[] = {"exact",      "exact", "exact", "exact", "barnes_hut",
                                            "barnes_hut", "fft",   "fft",   "fft"};
    const size_t             k = (size_t)c[_i], count = N * k;
    double                  *g = malloc(count * sizeof *g), *z = malloc(count * sizeof *z), worst = 0, largest = 0;
    const double             rate   = 1000;
    uint64_t                 random = 11;
    for (size_t i = 0; i < count; i++) {
        y[i] = (float)(3 * data_normal(&random));
        z[i] = (double)y[i];
    }
    const ne_dense init = view(y, N, k, NE_F32), from = view(x, N, D, NE_F32), to = view(other, N, k, NE_F32);
    OK(ne_embedding_set_int(emb, "n_components", (int64_t)k));
    OK(ne_embedding_set(emb, "early_exaggeration_coeff", "1"));
    OK(ne_embedding_set(emb, "gains", "false"));
    OK(ne_embedding_set(emb, "max_step", "0"));
    OK(ne_embedding_set(emb, "repulsion", repulsion[_i]));
    OK(ne_embedding_set_real(emb, "lr", rate));
    OK(ne_embedding_set_array(emb, "init", &init));
    OK(ne_embedding_start(emb, NULL, &from));
    OK(ne_embedding_gradient(emb, z, g, NULL));
    OK(ne_embedding_step(emb, 1));
    OK(ne_embedding_read(emb, &to));
    for (size_t i = 0; i < count; i++) {
        worst   = fmax(worst, fabs(((double)y[i] - (double)other[i]) / rate - g[i]));
        largest = fmax(largest, fabs(g[i]));
    }
    /* float sums: 1e-3; the tree and the grid promise 1 % of the repulsion, of which the gradient is a difference */
    ck_assert_double_lt(worst, (_i < 4 ? 1e-3 : 5e-2) * largest);
    double norm = 0, sum = 0;
    OK(ne_embedding_get_real(emb, "gradient_norm", &norm));
    for (size_t i = 0; i < count; i++) sum += g[i] * g[i];
    ck_assert_double_eq_tol(norm, sqrt(sum), (_i < 4 ? 1e-3 : 1e-2) * norm);
    free(g);
    free(z);
}
END_TEST

/* TorchDR 0.5's t-SNE in plain double loops: directed P, normaliser with the diagonal, momentum of torch, one exaggerated
 * step more, velocity emptied at its end, the first rate kept (methods.md 1.3, 1.4, 4, M1). */
START_TEST(reference_takes_the_steps_of_torchdr)
{
    enum {
        POINTS = 60,
        STEPS  = 12,
        EARLY  = 6
    };
    ne_affinity   *a = NULL;
    ne_graph      *g = NULL;
    ne_csr         p;
    double         z[POINTS * 2], v[POINTS * 2] = {0}, gradient[POINTS * 2];
    const ne_dense from = view(x, POINTS, D, NE_F32), to = view(other, POINTS, 2, NE_F32);
    uint64_t       random = 3;
    for (size_t i = 0; i < POINTS * 2; i++) z[i] = (double)(y[i] = (float)(1e-2 * data_normal(&random)));
    const ne_dense init = view(y, POINTS, 2, NE_F32);
    OK(ne_affinity_create(ctx, "entropic", &a));
    OK(ne_affinity_set(a, "reference", "torchdr"));
    OK(ne_affinity_set(a, "perplexity", "8"));
    OK(ne_affinity_compute(a, &from, &g));
    OK(ne_graph_csr(g, &p));
    for (int t = 0; t < STEPS; t++) {
        const double lambda = t <= EARLY ? 12 : 1;
        double       S      = 0;
        memset(gradient, 0, sizeof gradient);
        for (size_t i = 0; i < POINTS; i++)
            for (size_t j = 0; j < POINTS; j++)
                S += 1 / (1 + pow(z[2 * i] - z[2 * j], 2) + pow(z[2 * i + 1] - z[2 * j + 1], 2));
        for (size_t i = 0; i < POINTS; i++)
            for (size_t j = 0; j < POINTS; j++) {
                const double dx = z[2 * i] - z[2 * j], dy = z[2 * i + 1] - z[2 * j + 1],
                             w = 1 / (1 + dx * dx + dy * dy);
                gradient[2 * i] -= 4 / S * w * w * dx;
                gradient[2 * i + 1] -= 4 / S * w * w * dy;
            }
        for (size_t i = 0; i < POINTS; i++)
            for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) {
                const size_t j  = (size_t)p.col[e];
                const double dx = z[2 * i] - z[2 * j], dy = z[2 * i + 1] - z[2 * j + 1];
                const double f = 2 * lambda * (double)((const float *)p.val)[e] / (1 + dx * dx + dy * dy);
                gradient[2 * i] += f * dx;
                gradient[2 * i + 1] += f * dy;
                gradient[2 * j] -= f * dx;
                gradient[2 * j + 1] -= f * dy;
            }
        for (size_t i = 0; i < POINTS * 2; i++) {
            v[i] = (t == EARLY + 1 ? 0 : 0.5 * v[i]) + gradient[i];
            z[i] -= 50 * v[i]; /* max(60 / 12 / 4, 50) */
        }
    }
    OK(ne_embedding_set(emb, "reference", "torchdr"));
    OK(ne_embedding_set(emb, "perplexity", "8"));
    OK(ne_embedding_set(emb, "repulsion", "exact"));
    OK(ne_embedding_set_int(emb, "early_exaggeration_iter", EARLY));
    OK(ne_embedding_set_int(emb, "max_iter", STEPS));
    OK(ne_embedding_set_array(emb, "init", &init));
    OK(ne_embedding_fit(emb, &from, &to));
    double largest = 0;
    for (size_t i = 0; i < POINTS * 2; i++) largest = fmax(largest, fabs(z[i]));
    for (size_t i = 0; i < POINTS * 2; i++) ck_assert_double_eq_tol((double)other[i], z[i], 1e-3 * largest);
    ck_assert_double_gt(largest, 0.1);
    ne_affinity_free(a);
    ne_graph_free(g);
}
END_TEST

/* --- Ways in and out --------------------------------------------------------------------------------------------- */

START_TEST(a_graph_in_place_of_data_gives_the_same_bytes)
{
    const ne_dense from = view(x, N, D, NE_F32), to = view(other, N, 2, NE_F32);
    ne_graph      *g = NULL, *p = NULL;
    ne_affinity   *a = NULL;
    be_gentle(emb);
    OK(ne_embedding_set(emb, "max_iter", "60"));
    OK(ne_embedding_set(emb, "knn", "exact"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_graph_create(ctx, &g));
    OK(ne_graph_set(g, "knn", "exact"));
    OK(ne_graph_set(g, "n_neighbors", "60"));
    OK(ne_graph_build(g, &from));
    OK(ne_embedding_fit_graph(emb, g, &from, &to));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
    OK(ne_affinity_create(ctx, "entropic", &a));
    OK(ne_affinity_set(a, "perplexity", "20"));
    OK(ne_affinity_compute_graph(a, g, &p));
    OK(ne_embedding_fit_graph(emb, p, &from, &to)); /* scaled to sum to 1 once more: equal but for rounding */
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq_tol(y[i], other[i], 1e-3f);
    OK(ne_embedding_fit_graph(emb, p, NULL, &to)); /* without data: a random start */
    ne_graph_free(g);
    ne_graph_free(p);
    ne_affinity_free(a);
}
END_TEST

START_TEST(strides_and_doubles_change_nothing)
{
    enum {
        STRIDE_X = D + 4,
        STRIDE_Y = 5
    };
    double *wide = malloc(N * STRIDE_X * sizeof *wide), out[N * STRIDE_Y];
    be_gentle(emb);
    OK(ne_embedding_set(emb, "max_iter", "60"));
    OK(ne_embedding_set(emb, "knn", "exact"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    for (size_t i = 0; i < N * STRIDE_X; i++) wide[i] = NAN;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < D; j++) wide[i * STRIDE_X + j] = (double)x[i * D + j];
    for (size_t i = 0; i < N * STRIDE_Y; i++) out[i] = -7;
    ne_dense from = view(wide, N, D, NE_F64), to = view(out, N, 2, NE_F64);
    from.stride = STRIDE_X;
    to.stride   = STRIDE_Y;
    OK(ne_embedding_fit(emb, &from, &to));
    for (size_t i = 0; i < N; i++) {
        ck_assert_double_eq_tol(out[i * STRIDE_Y], (double)y[2 * i], 1e-3);
        ck_assert_double_eq_tol(out[i * STRIDE_Y + 1], (double)y[2 * i + 1], 1e-3);
        ck_assert_double_eq(out[i * STRIDE_Y + 2], -7);
    }
    free(wide);
}
END_TEST

START_TEST(an_array_start_is_taken_as_it_is)
{
    const ne_dense from = view(x, N, D, NE_F32), init = view(other, N, 2, NE_F32);
    for (size_t i = 0; i < N * 2; i++) other[i] = (float)i * 0.25f - 7;
    OK(ne_embedding_set_array(emb, "init", &init));
    OK(ne_embedding_set(emb, "max_iter", "0"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
    const ne_dense narrow = view(other, N, 1, NE_F32);
    OK(ne_embedding_set_array(emb, "init", &narrow));
    ck_assert_int_eq(ne_embedding_start(emb, NULL, &from), NE_INVALID_ARGUMENT);
    ck_assert_str_eq(ne_last_error(), "init: the array is 331 x 1, 331 x 2 is needed");
    OK(ne_embedding_set_array(emb, "init", NULL));
    OK(ne_embedding_fit_f32(emb, x, N, D, y)); /* pca again */
    double sum = 0, square = 0;
    for (size_t i = 0; i < N; i++) sum += (double)y[2 * i];
    for (size_t i = 0; i < N; i++) square += pow((double)y[2 * i] - sum / N, 2);
    ck_assert_double_eq_tol(sqrt(square / N), 1e-4, 1e-9);
}
END_TEST

/* --- Progress ---------------------------------------------------------------------------------------------------- */

typedef struct watcher {
    int64_t   calls, stop_at;
    double    loss, norm;
    float     seen[N * 2];
    int       phases;
    ne_status inside;
} watcher;

static int watch(void *user, const char *phase, int64_t step, int64_t steps, double loss, double gradient_norm)
{
    watcher       *w  = user;
    const ne_dense to = {sizeof to, w->seen, N, 2, 2, NE_F32, NE_HOST};
    w->phases |= strcmp(phase, "knn") == 0            ? 1
                 : strcmp(phase, "affinity") == 0     ? 2
                 : strcmp(phase, "init") == 0         ? 4
                 : strcmp(phase, "exaggeration") == 0 ? 8
                 : strcmp(phase, "optimize") == 0     ? 16
                                                      : 0;
    if (strcmp(phase, "optimize") == 0 || strcmp(phase, "exaggeration") == 0) {
        w->calls++;
        if (!isnan(loss)) w->loss = loss;
        w->norm = gradient_norm;
        if (step == w->stop_at) ne_embedding_read(emb, &to);
        w->inside = ne_embedding_set(emb, "perplexity", "9");
        return step == w->stop_at || step > steps;
    }
    return 0;
}

START_TEST(progress_is_reported_and_may_cancel_and_the_state_is_delivered)
{
    static watcher w = {.stop_at = 130, .loss = NAN};
    OK(ne_embedding_set(emb, "momentum", "0.8")); /* auto depends on max_iter */
    OK(ne_embedding_set(emb, "track_loss", "true"));
    OK(ne_embedding_set_progress(emb, watch, &w));
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, D, y), NE_CANCELLED);
    ck_assert_int_eq(w.calls, 130);
    ck_assert_int_eq(w.phases, 31);
    ck_assert_int_eq(w.inside, NE_INVALID_ARGUMENT); /* its own embedding can only be read */
    ck_assert(w.norm > 0 && isfinite(w.loss));
    ck_assert_mem_eq(y, w.seen, sizeof w.seen);
    OK(ne_embedding_set_progress(emb, NULL, NULL));
    OK(ne_embedding_set(emb, "max_iter", "130"));
    OK(ne_embedding_fit_f32(emb, x, N, D, other));
    ck_assert_mem_eq(y, other, N * 2 * sizeof *y);
}
END_TEST

static int stop_in_phase(void *user, const char *phase, int64_t step, int64_t steps, double loss, double norm)
{
    (void)step;
    (void)steps;
    (void)loss;
    (void)norm;
    return strcmp(phase, user) == 0;
}

START_TEST(a_fit_cancelled_before_its_start_leaves_y_alone)
{
    static char *const phases[] = {"knn", "affinity", "init"};
    for (size_t i = 0; i < N * 2; i++) y[i] = -3;
    OK(ne_embedding_set_progress(emb, stop_in_phase, phases[_i]));
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, N, D, y), NE_CANCELLED);
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq(y[i], -3);
}
END_TEST

START_TEST(the_loss_tracked_is_the_objective)
{
    static watcher w    = {.stop_at = -1, .loss = NAN};
    const ne_dense from = view(x, N, D, NE_F32), to = view(y, N, 2, NE_F32);
    double         z[N * 2], loss                   = 0;
    OK(ne_embedding_set(emb, "track_loss", "true"));
    OK(ne_embedding_set(emb, "repulsion", "exact"));
    OK(ne_embedding_set(emb, "early_exaggeration_coeff", "1"));
    OK(ne_embedding_start(emb, NULL, &from));
    OK(ne_embedding_step(emb, 100));
    OK(ne_embedding_read(emb, &to));
    for (size_t i = 0; i < N * 2; i++) z[i] = (double)y[i];
    OK(ne_embedding_gradient(emb, z, NULL, &loss));
    OK(ne_embedding_set_progress(emb, watch, &w));
    OK(ne_embedding_step(emb, 1)); /* step 100 is a check step, its loss is that of the state before it */
    ck_assert_double_eq_tol(w.loss, loss, 1e-5 * fabs(loss));
}
END_TEST

START_TEST(a_small_gradient_stops_the_fit)
{
    int64_t steps = 0;
    OK(ne_embedding_set(emb, "min_grad_norm", "1e9"));
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_get_int(emb, "n_iter", &steps));
    ck_assert_int_eq(steps, 1);
}
END_TEST

/* --- Results and maps ------------------------------------------------------------------------------------- */

START_TEST(results_are_asked_by_name)
{
    double value = 0, bandwidth[N], kl = 0, sum = 0;
    char   text[32];
    ck_assert_int_eq(ne_embedding_get_real(emb, "kl", &value), NE_NOT_FITTED);
    ck_assert_str_eq(ne_last_error(), "kl: a result, and nothing has been fitted");
    ck_assert_int_eq(ne_embedding_get_array(emb, "bandwidth", bandwidth, N), NE_NOT_FITTED);
    OK(ne_embedding_get_real(emb, "lr", &value));
    ck_assert(isnan(value)); /* auto */
    OK(ne_embedding_fit_f32(emb, x, N, D, y));
    OK(ne_embedding_get_real(emb, "lr", &value));
    ck_assert_double_eq(value, N);
    OK(ne_embedding_get(emb, "lr", text, sizeof text));
    ck_assert_str_eq(text, "auto");
    static const char *const parts[] = {"seconds_knn", "seconds_affinity", "seconds_init", "seconds_optimize"};
    for (int i = 0; i < 4; i++) {
        OK(ne_embedding_get_real(emb, parts[i], &value));
        ck_assert_double_ge(value, 0);
        sum += value;
    }
    OK(ne_embedding_get_real(emb, "seconds", &value));
    ck_assert_double_eq_tol(value, sum, 1e-12);
    OK(ne_embedding_get_array(emb, "bandwidth", bandwidth, N));
    for (int i = 0; i < N; i++) ck_assert(bandwidth[i] > 0 && isfinite(bandwidth[i]));
    ck_assert_int_eq(ne_embedding_get_array(emb, "bandwidth", bandwidth, 3), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_embedding_get_real(emb, "n_itre", &value), NE_UNKNOWN_NAME);
    OK(ne_embedding_get_real(emb, "kl", &kl));
    OK(ne_embedding_get_real(emb, "recall_measured", &value));
    ck_assert_double_ge(value, 0.95);
}
END_TEST

START_TEST(tsne_has_no_map_for_new_rows)
{
    const ne_dense from = view(x, N, D, NE_F32), to = view(y, N, 2, NE_F32);
    ck_assert_int_eq(ne_embedding_transform(emb, &from, &to), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_embedding_inverse_transform(emb, &to, &from), NE_UNSUPPORTED);
}
END_TEST

START_TEST(pca_maps_there_and_back)
{
    ne_embedding  *pca = NULL;
    double         mean[D], components[D * D], variance[D];
    static float   back[N * D];
    const ne_dense from = view(x, N, D, NE_F32), to = view(y, N, D, NE_F32), again = view(other, N, D, NE_F32);
    const ne_dense data = view(back, N, D, NE_F32);
    OK(ne_embedding_create(ctx, "pca", &pca));
    ck_assert_int_eq(ne_embedding_transform(pca, &from, &to), NE_NOT_FITTED);
    OK(ne_embedding_set_int(pca, "n_components", D));
    OK(ne_embedding_fit(pca, &from, &to));
    OK(ne_embedding_transform(pca, &from, &again));
    ck_assert_mem_eq(y, other, N * D * sizeof *y);
    OK(ne_embedding_inverse_transform(pca, &to, &data));
    for (size_t i = 0; i < N * D; i++) ck_assert_float_eq_tol(back[i], x[i], 1e-4f);
    OK(ne_embedding_get_array(pca, "mean", mean, D));
    OK(ne_embedding_get_array(pca, "components", components, D * D));
    OK(ne_embedding_get_array(pca, "explained_variance", variance, D));
    for (int a = 0; a < D; a++)
        for (int b = 0; b < D; b++) {
            double dot = 0;
            for (int j = 0; j < D; j++) dot += components[a * D + j] * components[b * D + j];
            ck_assert_double_eq_tol(dot, a == b, 1e-9);
        }
    for (int a = 1; a < D; a++) ck_assert_double_le(variance[a], variance[a - 1]);
    ck_assert_int_eq(ne_embedding_set_int(pca, "n_components", D + 1), NE_OK);
    const ne_dense wide = view(y, N, 8, NE_F32);
    ck_assert_int_eq(ne_embedding_fit(pca, &from, &wide), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_start(pca, NULL, &from), NE_UNSUPPORTED);
    ne_embedding_free(pca);
}
END_TEST

Suite *embedding_suite(void);

Suite *embedding_suite(void)
{
    Suite *s = suite_create("embedding");
    TCase *t = tcase_create("embedding");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, clusters_come_apart, 0, 4);
    tcase_add_loop_test(t, any_number_of_components_is_fitted, 0, 4);
    tcase_add_loop_test(t, the_same_seed_gives_the_same_bytes_at_any_number_of_threads, 0, 3);
    tcase_add_test(t, another_seed_gives_another_random_start);
    tcase_add_test(t, fifty_calls_of_one_step_are_one_call_of_fifty);
    tcase_add_test(t, two_fits_at_the_same_time_give_the_bytes_of_each_alone);
    tcase_add_loop_test(t, the_gradient_is_the_derivative_of_the_objective, 0, 12);
    tcase_add_loop_test(t, a_step_follows_the_gradient, 0, 9);
    tcase_add_test(t, reference_takes_the_steps_of_torchdr);
    tcase_add_test(t, a_graph_in_place_of_data_gives_the_same_bytes);
    tcase_add_test(t, strides_and_doubles_change_nothing);
    tcase_add_test(t, an_array_start_is_taken_as_it_is);
    tcase_add_test(t, progress_is_reported_and_may_cancel_and_the_state_is_delivered);
    tcase_add_loop_test(t, a_fit_cancelled_before_its_start_leaves_y_alone, 0, 3);
    tcase_add_test(t, the_loss_tracked_is_the_objective);
    tcase_add_test(t, a_small_gradient_stops_the_fit);
    tcase_add_test(t, results_are_asked_by_name);
    tcase_add_test(t, tsne_has_no_map_for_new_rows);
    tcase_add_test(t, pca_maps_there_and_back);
    tcase_set_timeout(t, 300);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(embedding_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
