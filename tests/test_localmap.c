/* tests/test_localmap.c: LocalMAP: what its third phase does differently; oracle/pair_packages.py wrote
 * oracle/pair_packages.h. */
#include "method_checks.h"
#include "methods/pacmap.h"
#include "oracle/pair_packages.h"

static ne_context   *ctx;
static ne_embedding *emb;

enum {
    N = 300,
    D = 5
};
static float x[N * D];

static void open_all(void)
{
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "localmap", &emb));
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

static pacmap_state *state_of(const ne_embedding *e)
{
    return state_method(e->fit->state);
}

/* The program reports PaCMAP's loss in this phase, so only its gradient is compared; the loss is held to the gradient below. */
START_TEST(the_local_gradient_is_that_of_the_authors_program)
{
    const ne_problem p = {.struct_size = sizeof p, .n = PAIR_N, .c = 2, .row1 = PAIR_N, .threads = 1, .context = ctx};
    pacmap_state     s = {.near_weight = 1, .far_weight = 1, .reach = 5};
    int32_t          same[PAIR_N];
    float            toward[2 * PAIR_N], away[2 * PAIR_N];
    double           largest = 0;
    for (int32_t i = 0; i < PAIR_N; i++) same[i] = i;
    OK(links_join(ctx, PAIR_N, PAIR_NEAR, pair_near, same, &s.near));
    OK(links_join(ctx, PAIR_N, PAIR_FAR, pair_far, same, &s.far));
    OK(pacmap_attract(NULL, &p, &s, pair_z, 0, PAIR_N, toward));
    OK(pacmap_repulse(NULL, &p, &s, pair_z, 0, PAIR_N, away));
    for (size_t i = 0; i < 2 * PAIR_N; i++) largest = fmax(largest, fabs(pair_local_gradient[i]));
    for (size_t i = 0; i < 2 * PAIR_N; i++)
        ck_assert_double_eq_tol((double)toward[i] + (double)away[i], pair_local_gradient[i], 2e-6 * largest);
    pacmap_clear(ctx, &s);
}
END_TEST

START_TEST(the_gradient_is_that_of_the_loss)
{
    static const int64_t components[] = {1, 2, 3, 5}, steps[] = {0, 120, 200};
    ne_terms             terms;
    start(components[_i]);
    for (size_t t = 0; t < 3; t++) {
        checks_begin(emb, steps[t], &terms);
        ck_assert_double_eq_tol(state_of(emb)->reach, steps[t] < 200 ? 0 : 5, 1e-12);
        checks_differences(emb, 3);
    }
}
END_TEST

static double distance_in(const float *z, size_t c, size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < c; k++)
        s += ((double)z[i * c + k] - (double)z[j * c + k]) * ((double)z[i * c + k] - (double)z[j * c + k]);
    return sqrt(s);
}

static void end_step(int64_t step, const float *z)
{
    OK(emb->ops->on_step_end(emb->params.method, &emb->fit->problem, state_of(emb), step, z));
}

/* Far pairs of many rows lie on a circle until they are drawn anew. */
START_TEST(far_pairs_leave_the_circle_when_they_are_drawn_anew)
{
    enum {
        MANY = 4500
    };
    static float   many[MANY * 3], z[2][MANY * 2];
    const ne_dense view = {sizeof view, many, MANY, 3, 3, NE_F32, NE_HOST};
    data_clusters(many, MANY, 3, 30, 3, 9);
    OK(ne_embedding_set_int(emb, "iter_per_phase", 1));
    OK(ne_embedding_set_int(emb, "max_iter", 13));
    for (int64_t threads = 1; threads <= 2; threads++) {
        const ne_dense y = {sizeof y, z[threads - 1], MANY, 2, 2, NE_F32, NE_HOST};
        OK(ne_context_set_int(ctx, "threads", threads));
        OK(ne_embedding_start(emb, NULL, &view));
        ck_assert_uint_eq(state_of(emb)->around.count, 20);
        OK(ne_embedding_step(emb, 10));
        ck_assert_uint_eq(state_of(emb)->around.count, 20);
        OK(ne_embedding_step(emb, 3));
        ck_assert_uint_eq(state_of(emb)->around.count, 0);
        ck_assert_uint_eq(state_of(emb)->far.n, MANY);
        OK(ne_embedding_read(emb, &y));
    }
    ck_assert_mem_eq(z[0], z[1], sizeof z[0]);
}
END_TEST

/* On a layout of extent 60: some 5 % of the rows are within 10, so that a hundred draws find one in 99 of 100 slots. */
START_TEST(far_pairs_are_drawn_anew_from_the_rows_nearby_every_tenth_step_of_the_third_phase)
{
    const size_t c = _i ? 3 : 2;
    float       *z = malloc(N * c * sizeof *z);
    int32_t      before[N * 20], first[N * 20];
    uint64_t     random = 3;
    size_t       kept = 0, near_enough = 0;
    ck_assert_ptr_nonnull(z);
    for (size_t i = 0; i < N * c; i++) z[i] = (float)((c == 2 ? 60 : 30) * (data_unit(&random) - 0.5));
    start((int64_t)c);
    pacmap_state *s = state_of(emb);
    memcpy(before, s->far_row, sizeof before);
    end_step(190, z);
    end_step(199, z);
    end_step(205, z);
    ck_assert_mem_eq(before, s->far_row, sizeof before);
    end_step(200, z);
    for (size_t r = 0; r < N; r++) {
        int seen[N]                      = {0};
        seen[emb->fit->problem.order[r]] = 1;
        for (size_t q = 0; q < 10; q++) seen[s->near_row[r * 10 + q]] = 1;
        for (size_t q = 0; q < 20; q++) {
            const int32_t m = s->far_row[r * 20 + q];
            ck_assert_int_eq(seen[m]++, 0);
            kept += m == before[r * 20 + q];
            near_enough += distance_in(z, c, r, (size_t)s->place[m]) <= 10.0001;
            if (m != before[r * 20 + q]) ck_assert_double_le(distance_in(z, c, r, (size_t)s->place[m]), 10.0001);
        }
    }
    ck_assert_uint_gt(near_enough, N * 20 / 2); /* rows at the rim have fewer than 20 such neighbors */
    ck_assert_uint_lt(kept, N * 20 / 2);
    memcpy(first, s->far_row, sizeof first);
    end_step(210, z);
    ck_assert_mem_ne(first, s->far_row, sizeof first);
    free(z);
}
END_TEST

START_TEST(without_rows_nearby_the_partners_stay)
{
    float   z[N * 2];
    int32_t before[N * 20];
    for (size_t i = 0; i < N; i++) {
        z[2 * i]     = 11 * (float)i;
        z[2 * i + 1] = 0;
    }
    start(2);
    memcpy(before, state_of(emb)->far_row, sizeof before);
    end_step(200, z);
    ck_assert_mem_eq(before, state_of(emb)->far_row, sizeof before);
}
END_TEST

START_TEST(the_first_two_phases_are_those_of_pacmap)
{
    float         y[2][N * 2];
    ne_embedding *other = NULL;
    OK(ne_embedding_create(ctx, "pacmap", &other));
    OK(ne_embedding_set_int(emb, "iter_per_phase", 10));
    OK(ne_embedding_set_int(other, "iter_per_phase", 10));
    for (int64_t steps = 20; steps < 22; steps++) {
        OK(ne_embedding_set_int(emb, "max_iter", steps));
        OK(ne_embedding_set_int(other, "max_iter", steps));
        OK(ne_embedding_fit_f32(emb, x, N, D, y[0]));
        OK(ne_embedding_fit_f32(other, x, N, D, y[1]));
        if (steps == 20) ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        else ck_assert_mem_ne(y[0], y[1], sizeof y[0]);
    }
    ne_embedding_free(other);
}
END_TEST

static void short_phases(ne_embedding *e)
{
    OK(ne_embedding_set_int(e, "iter_per_phase", 4));
    OK(ne_embedding_set_int(e, "max_iter", 24));
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    checks_threads("localmap", short_phases, 2100, _i ? 3 : 2);
}
END_TEST

START_TEST(few_rows_and_duplicates_are_embedded)
{
    static const size_t n[] = {2, 3, 4, 7, 12, 40, 64};
    checks_small("localmap", n[_i % 7], _i / 7);
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
    checks_memory("localmap", short_phases, _i);
}
END_TEST

START_TEST(clusters_stay_together)
{
    checks_clusters("localmap", 400);
}
END_TEST

START_TEST(the_reference_which_has_no_localmap_changes_no_pair)
{
    int32_t  far[N * 20];
    ne_terms terms;
    OK(ne_embedding_set(emb, "reference", "torchdr"));
    start(2);
    memcpy(far, state_of(emb)->far_row, sizeof far);
    checks_begin(emb, 5, &terms);
    ck_assert_mem_eq(far, state_of(emb)->far_row, sizeof far);
    ck_assert_double_eq_tol(state_of(emb)->mid_weight, 1000 * 0.95 + 3 * 0.05, 1e-9);
}
END_TEST

START_TEST(the_threshold_is_positive)
{
    ck_assert_int_eq(ne_embedding_set_real(emb, "low_dist_thres", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(emb, "low_dist_thres", -1), NE_OUT_OF_RANGE);
    OK(ne_embedding_set_real(emb, "low_dist_thres", 4));
}
END_TEST

Suite *localmap_suite(void);

Suite *localmap_suite(void)
{
    Suite *s = suite_create("localmap");
    TCase *t = tcase_create("localmap");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, the_local_gradient_is_that_of_the_authors_program);
    tcase_add_loop_test(t, the_gradient_is_that_of_the_loss, 0, 4);
    tcase_add_test(t, far_pairs_leave_the_circle_when_they_are_drawn_anew);
    tcase_add_loop_test(t, far_pairs_are_drawn_anew_from_the_rows_nearby_every_tenth_step_of_the_third_phase, 0, 2);
    tcase_add_test(t, without_rows_nearby_the_partners_stay);
    tcase_add_test(t, the_first_two_phases_are_those_of_pacmap);
    tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 2);
    tcase_add_loop_test(t, few_rows_and_duplicates_are_embedded, 0, 14);
    tcase_add_loop_test(t, every_failed_allocation_is_survived, 0, 2);
    tcase_add_test(t, clusters_stay_together);
    tcase_add_test(t, the_reference_which_has_no_localmap_changes_no_pair);
    tcase_add_test(t, the_threshold_is_positive);
    tcase_set_timeout(t, 600);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(localmap_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
