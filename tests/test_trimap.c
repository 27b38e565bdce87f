/* tests/test_trimap.c: TriMap: its triplets, weights, springs and descent; oracle/pair_packages.py wrote
 * oracle/pair_packages.h. */
#include "method_checks.h"
#include "methods/trimap.h"
#include "oracle/pair_packages.h"

enum {
    N = 300,
    D = 5
};

static ne_context   *ctx;
static ne_embedding *emb;
static float         x[N * D];

static void open_all(void)
{
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "trimap", &emb));
    data_clusters(x, N, D, 3, 3, 9);
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
}

static void start(int64_t n_components)
{
    const ne_dense view = {sizeof view, x, N, D, D, NE_F32, NE_HOST};
    OK(ne_embedding_set_int(emb, "n_components", n_components));
    OK(ne_embedding_start(emb, NULL, &view));
}

static const trimap_state *state_of(const ne_embedding *e)
{
    return state_method(e->fit->state);
}

/* The state of a started fit is filled with given triplets, so that its hooks run on them. */
START_TEST(loss_and_gradient_are_those_of_the_authors_program)
{
    const ne_dense view = {sizeof view, x, PAIR_N, D, D, NE_F32, NE_HOST};
    float          gradient[2 * PAIR_N];
    double         largest = 0;
    OK(ne_embedding_set_int(emb, "n_inliers", PAIR_INLIERS));
    OK(ne_embedding_set_int(emb, "n_outliers", PAIR_OUTLIERS));
    OK(ne_embedding_set_int(emb, "n_random", PAIR_RANDOM));
    OK(ne_embedding_start(emb, NULL, &view));
    trimap_state *s = state_method(emb->fit->state);
    ck_assert_uint_eq(PAIR_N * s->springs, sizeof pair_springs / sizeof *pair_springs);
    memcpy(s->other, pair_springs, sizeof pair_springs);
    memcpy(s->weight, pair_weight, sizeof pair_weight);
    ne_release(ctx, s->start);
    ne_release(ctx, s->end);
    OK(trimap_join(&emb->fit->problem, s));
    ck_assert_double_eq_tol(checks_loss(emb, pair_z), pair_triplet_loss, 1e-5 * pair_triplet_loss); /* floats there */
    checks_gradient(emb, pair_z, gradient);
    for (size_t i = 0; i < 2 * PAIR_N; i++) largest = fmax(largest, fabs(pair_triplet_gradient[i]));
    for (size_t i = 0; i < 2 * PAIR_N; i++) /* theirs is half the gradient */
        ck_assert_double_eq_tol((double)gradient[i] / 2, pair_triplet_gradient[i], 3e-6 * largest);
}
END_TEST

START_TEST(inliers_are_those_of_the_authors_program)
{
    const ne_dense view = {sizeof view, (void *)(uintptr_t)pair_x, PAIR_DATA, PAIR_DIM, PAIR_DIM, NE_F32, NE_HOST};
    OK(ne_embedding_set_int(emb, "n_inliers", PAIR_INLIERS));
    OK(ne_embedding_set(emb, "metric", _i ? "euclidean" : "sqeuclidean"));
    OK(ne_embedding_start(emb, NULL, &view));
    const trimap_state *s     = state_of(emb);
    const int64_t      *order = emb->fit->problem.order;
    for (size_t r = 0; r < PAIR_DATA; r++)
        for (size_t q = 0; q < PAIR_INLIERS; q++)
            ck_assert_int_eq(order[s->other[r * s->springs + q]], pair_inliers[(size_t)order[r] * PAIR_INLIERS + q]);
}
END_TEST

static double square_between(size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < D; k++)
        s += ((double)x[i * D + k] - (double)x[j * D + k]) * ((double)x[i * D + k] - (double)x[j * D + k]);
    return s;
}

static int ascending(const void *a, const void *b)
{
    const double u = *(const double *)a, v = *(const double *)b;
    return (u > v) - (u < v);
}

/* P_ij from the data by its definition. */
static double similarity(const double *radius, size_t i, size_t j)
{
    return -square_between(i, j) / (radius[i] * radius[j]);
}

static void find_radii(double *radius)
{
    for (size_t i = 0; i < N; i++) {
        double all[N];
        for (size_t j = 0; j < N; j++) all[j] = sqrt(square_between(i, j));
        qsort(all, N, sizeof *all, ascending);
        radius[i] = (all[3] + all[4] + all[5]) / 3; /* all[0] is the row itself */
    }
}

START_TEST(triplets_and_weights_follow_from_the_data)
{
    static const char *const temperature[] = {"0", "0.5", "1"};
    double                   radius[N], smallest = INFINITY;
    OK(ne_embedding_set(emb, "weight_temp", temperature[_i]));
    start(2);
    const trimap_state *s     = state_of(emb);
    const int64_t      *order = emb->fit->problem.order;
    static double       raw[N * 51];
    find_radii(radius);
    ck_assert_uint_eq(s->triplets, 51);
    for (size_t r = 0; r < N; r++) {
        const int32_t *other = s->other + r * s->springs;
        const size_t   i     = (size_t)order[r];
        for (size_t t = 0; t < 51; t++) {
            const size_t g = t < 48 ? t / 4 : 12 + t - 48, j = (size_t)order[other[g]],
                         m = (size_t)order[other[s->near + t]];
            ck_assert(j != i && m != i && m != j);
            raw[r * 51 + t] = (t < 48 ? 1 : 0.1) * (similarity(radius, i, j) - similarity(radius, i, m));
            ck_assert(t < 48 || raw[r * 51 + t] >= 0);
            for (size_t q = 0; t < 48 && q <= g; q++) ck_assert_int_ne(other[s->near + t], other[q]);
            for (size_t u = g * 4; t < 48 && u < t; u++) ck_assert_int_ne(other[s->near + t], other[s->near + u]);
            smallest = fmin(smallest, raw[r * 51 + t]);
        }
    }
    for (size_t e = 0; e < N * 51; e++) {
        const double w    = raw[e] - smallest;
        const double want = _i == 0 ? w : _i == 1 ? 2 * (sqrt(1 + w) - 1) : log(1 + w);
        ck_assert_double_eq_tol((double)s->weight[e], want, 1e-4 * (1 + want));
    }
}
END_TEST

/* n n_random ends over n rows: see test_pacmap.c. */
START_TEST(random_triplets_are_uniform)
{
    double count[N] = {0}, chi = 0;
    OK(ne_embedding_set_int(emb, "n_random", 10));
    start(2);
    const trimap_state *s = state_of(emb);
    for (size_t r = 0; r < N; r++)
        for (size_t g = 0; g < 10; g++) {
            count[s->other[r * s->springs + 12 + g]]++;
            count[s->other[r * s->springs + s->near + 48 + g]]++;
        }
    for (size_t i = 0; i < N; i++) chi += (count[i] - 20) * (count[i] - 20) / 20;
    ck_assert_double_gt(chi, 200);
    ck_assert_double_lt(chi, 400);
}
END_TEST

START_TEST(the_gradient_is_that_of_the_loss)
{
    static const int64_t components[] = {1, 2, 3, 5};
    start(components[_i]);
    checks_differences(emb, 0.5);
    checks_differences(emb, 5);
}
END_TEST

/* The program's descent, from its description: g at z + m v, gains, v, z. Ours holds the point ahead, and at the end the
 * momentum of the next step is the same. */
START_TEST(the_descent_is_the_published_one)
{
    enum {
        STEPS = 12
    };
    static float y[2 * N], ahead[2 * N], half[2 * N], v[2 * N], gain[2 * N], z[2 * N];
    start(2);
    memcpy(z, state_z(emb->fit->state), sizeof z);
    for (size_t i = 0; i < 2 * N; i++) {
        v[i]    = 0;
        gain[i] = 1;
    }
    for (int t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < 2 * N; i++) ahead[i] = z[i] + 0.5f * v[i];
        checks_gradient(emb, ahead, half);
        for (size_t i = 0; i < 2 * N; i++) {
            const float g      = half[i] / 2;
            const int   differ = ((v[i] > 0) - (v[i] < 0)) != ((g > 0) - (g < 0));
            gain[i]            = differ ? gain[i] + 0.2f : fmaxf(0.8f * gain[i], 0.01f);
            v[i]               = 0.5f * v[i] - 0.1f * gain[i] * g;
            z[i] += v[i];
        }
    }
    OK(ne_embedding_step(emb, STEPS));
    memcpy(y, state_z(emb->fit->state), sizeof y);
    for (size_t i = 0; i < 2 * N; i++) {
        const float want = z[i] + 0.5f * v[i];
        ck_assert_float_eq_tol(y[i], want, 1e-4f * (0.01f + fabsf(want)));
    }
}
END_TEST

START_TEST(momentum_rises_after_step_250)
{
    ne_terms terms;
    start(2);
    ck_assert(isnan(emb->fit->terms.momentum));
    checks_begin(emb, 250, &terms);
    ck_assert_double_eq_tol(terms.momentum, 0.5, 1e-12);
    checks_begin(emb, 251, &terms);
    ck_assert_double_eq_tol(terms.momentum, 0.8, 1e-12);
}
END_TEST

static void few_steps(ne_embedding *e)
{
    OK(ne_embedding_set_int(e, "max_iter", 15));
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    checks_threads("trimap", few_steps, 2100, _i ? 3 : 2);
}
END_TEST

START_TEST(few_rows_and_duplicates_are_embedded)
{
    static const size_t n[] = {2, 3, 4, 7, 12, 40, 64};
    checks_small("trimap", n[_i % 7], _i / 7);
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
    checks_memory("trimap", few_steps, _i);
}
END_TEST

START_TEST(type_and_stride_of_the_data_do_not_matter)
{
    checks_strides("trimap", few_steps);
}
END_TEST

START_TEST(clusters_stay_together)
{
    checks_clusters("trimap", 400);
}
END_TEST

START_TEST(what_cannot_be_is_refused_by_name)
{
    float          y[N * 2];
    ne_graph      *distances = NULL, *affinity = NULL;
    ne_affinity   *entropic = NULL;
    const ne_dense view = {sizeof view, x, N, D, D, NE_F32, NE_HOST}, to = {sizeof to, y, N, 2, 2, NE_F32, NE_HOST};
    ck_assert_int_eq(ne_embedding_set_int(emb, "n_inliers", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_int(emb, "n_outliers", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_int(emb, "n_random", -1), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(emb, "weight_temp", -1), NE_OUT_OF_RANGE);
    OK(ne_embedding_set_int(emb, "max_iter", 3));
    OK(ne_graph_create(ctx, &distances));
    OK(ne_graph_set_int(distances, "n_neighbors", 20));
    OK(ne_graph_build(distances, &view));
    OK(ne_embedding_fit_graph(emb, distances, &view, &to));
    ck_assert_int_eq(ne_embedding_fit_graph(emb, distances, NULL, &to), NE_INVALID_ARGUMENT);
    OK(ne_affinity_create(ctx, "entropic", &entropic));
    OK(ne_affinity_compute(entropic, &view, &affinity));
    ck_assert_int_eq(ne_embedding_fit_graph(emb, affinity, &view, &to), NE_UNSUPPORTED);
    OK(ne_embedding_set(emb, "metric", "euclidian"));
    ck_assert_int_eq(ne_embedding_fit(emb, &view, &to), NE_UNKNOWN_NAME);
    ne_affinity_free(entropic);
    ne_graph_free(affinity);
    ne_graph_free(distances);
}
END_TEST

Suite *trimap_suite(void);

Suite *trimap_suite(void)
{
    Suite *s = suite_create("trimap");
    TCase *t = tcase_create("trimap");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, loss_and_gradient_are_those_of_the_authors_program);
    tcase_add_loop_test(t, inliers_are_those_of_the_authors_program, 0, 2);
    tcase_add_loop_test(t, triplets_and_weights_follow_from_the_data, 0, 3);
    tcase_add_test(t, random_triplets_are_uniform);
    tcase_add_loop_test(t, the_gradient_is_that_of_the_loss, 0, 4);
    tcase_add_test(t, the_descent_is_the_published_one);
    tcase_add_test(t, momentum_rises_after_step_250);
    tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 2);
    tcase_add_loop_test(t, few_rows_and_duplicates_are_embedded, 0, 14);
    tcase_add_loop_test(t, every_failed_allocation_is_survived, 0, 2);
    tcase_add_test(t, type_and_stride_of_the_data_do_not_matter);
    tcase_add_test(t, clusters_stay_together);
    tcase_add_test(t, what_cannot_be_is_refused_by_name);
    tcase_set_timeout(t, 600);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(trimap_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
