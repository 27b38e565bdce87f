/* tests/test_pacmap.c: PaCMAP: its pairs, forces and phases; oracle/pair_packages.py wrote oracle/pair_packages.h. */
#include "method_checks.h"
#include "methods/pacmap.h"
#include "methods/scaled.h"
#include "oracle/pair_packages.h"

/* --- Given pairs at a given layout ------------------------------------------------------------------------------ */

static ne_context   *ctx;
static ne_embedding *emb;
static int32_t       same[PAIR_N]; /* working order is the caller's */

static void open_all(void)
{
    OK(ne_context_create(&ctx));
    OK(ne_embedding_create(ctx, "pacmap", &emb));
    for (int32_t i = 0; i < PAIR_N; i++) same[i] = i;
}

static void close_all(void)
{
    ne_embedding_free(emb);
    ne_context_free(ctx);
}

static void compare(pacmap_state *s, size_t n, const float *z, double attract, double repulse, const double *gradient)
{
    const ne_problem problem = {.struct_size = sizeof problem, .n = n, .c = 2, .row1 = n, .threads = 1, .context = ctx};
    double           loss[2] = {0, 0}, largest = 0;
    float            toward[2 * PAIR_N], away[2 * PAIR_N];
    OK(pacmap_attract_loss(NULL, &problem, s, z, 0, n, &loss[0]));
    OK(pacmap_repulse_loss(NULL, &problem, s, z, 0, n, &loss[1]));
    if (isnan(repulse)) ck_assert_double_eq_tol(loss[0] + loss[1], attract, 1e-5 * attract); /* their sum in floats */
    else {
        ck_assert_double_eq_tol(loss[0], attract, 1e-8);
        ck_assert_double_eq_tol(loss[1], repulse, 1e-8);
    }
    OK(pacmap_attract(NULL, &problem, s, z, 0, n, toward));
    OK(pacmap_repulse(NULL, &problem, s, z, 0, n, away));
    for (size_t i = 0; i < 2 * n; i++) largest = fmax(largest, fabs(gradient[i]));
    for (size_t i = 0; i < 2 * n; i++)
        if (!isnan(gradient[i]))
            ck_assert_double_eq_tol((double)toward[i] + (double)away[i], gradient[i], 2e-6 * largest);
    pacmap_clear(ctx, s);
}

START_TEST(losses_and_gradient_have_the_golden_values)
{
    static const float   z[]    = {0, 0, 1, 0, 0, 2, 1.5f, -1};
    static const int32_t near[] = {1, 2, 0, 3, 0, 1, 1, 0}, far[] = {3, 2, 2, 2, 3, 1, 0, 2};
    const double         want[] = {-0.63334401, -0.54814103, NAN, NAN, NAN, NAN, 0.31016819, -0.51661845};
    pacmap_state         s      = {.near_weight = 2, .far_weight = 1};
    OK(links_join(ctx, 4, 2, near, same, &s.near));
    OK(links_join(ctx, 4, 2, far, same, &s.far));
    compare(&s, 4, z, 4.08118511, 1.12713387, want);
}
END_TEST

START_TEST(losses_and_gradient_are_those_of_the_authors_program)
{
    static const struct {
        double        near, mid, loss;
        const double *gradient;
    } want[]       = {{2, 501.5, pair_early_loss, pair_early_gradient}, {1, 0, pair_late_loss, pair_late_gradient}};
    pacmap_state s = {.near_weight = want[_i].near, .mid_weight = want[_i].mid, .far_weight = 1, .mid_count = PAIR_MID};
    OK(links_join(ctx, PAIR_N, PAIR_NEAR, pair_near, same, &s.near));
    OK(links_join(ctx, PAIR_N, PAIR_MID, pair_mid, same, &s.mid));
    OK(links_join(ctx, PAIR_N, PAIR_FAR, pair_far, same, &s.far));
    compare(&s, PAIR_N, pair_z, want[_i].loss, NAN, want[_i].gradient);
}
END_TEST

/* --- Pairs ------------------------------------------------------------------------------------------------------- */

static const pacmap_state *state_of(const ne_embedding *e)
{
    return state_method(e->fit->state);
}

START_TEST(near_pairs_are_those_of_the_authors_program)
{
    const ne_dense x = {sizeof x, (void *)(uintptr_t)pair_x, PAIR_DATA, PAIR_DIM, PAIR_DIM, NE_F32, NE_HOST};
    OK(ne_embedding_set_int(emb, "n_neighbors", PAIR_NEAR));
    OK(ne_embedding_set(emb, "metric", _i ? "euclidean" : "sqeuclidean"));
    OK(ne_embedding_start(emb, NULL, &x));
    const pacmap_state *s = state_of(emb);
    for (size_t r = 0; r < PAIR_DATA; r++)
        for (size_t q = 0; q < PAIR_NEAR; q++)
            ck_assert_int_eq(s->near_row[r * PAIR_NEAR + q],
                             pair_chosen[(size_t)emb->fit->problem.order[r] * PAIR_NEAR + q]);
}
END_TEST

enum {
    N = 300,
    D = 5
};
static float x[N * D];

static void start(int64_t n_components)
{
    const ne_dense view = {sizeof view, x, N, D, D, NE_F32, NE_HOST};
    data_clusters(x, N, D, 3, 3, 9);
    OK(ne_embedding_set_int(emb, "n_components", n_components));
    OK(ne_embedding_start(emb, NULL, &view));
}

static double square_between(size_t i, size_t j)
{
    double s = 0;
    for (size_t k = 0; k < D; k++)
        s += ((double)x[i * D + k] - (double)x[j * D + k]) * ((double)x[i * D + k] - (double)x[j * D + k]);
    return s;
}

START_TEST(drawn_pairs_are_distinct_and_leave_out_the_row_and_far_ones_its_near_ones)
{
    start(2);
    const pacmap_state *s = state_of(emb);
    ck_assert_uint_eq(s->near_count, 10);
    ck_assert_uint_eq(s->mid_count, 5);
    ck_assert_uint_eq(s->far_count, 20);
    for (size_t r = 0; r < N; r++) {
        int seen_mid[N] = {0}, seen_far[N] = {0};
        seen_mid[emb->fit->problem.order[r]] = 1;
        seen_far[emb->fit->problem.order[r]] = 1;
        for (size_t q = 0; q < 10; q++) seen_far[s->near_row[r * 10 + q]] = 1;
        for (size_t q = 0; q < 5; q++) ck_assert_int_eq(seen_mid[s->mid_row[r * 5 + q]]++, 0);
        for (size_t q = 0; q < 20; q++) ck_assert_int_eq(seen_far[s->far_row[r * 20 + q]]++, 0);
    }
}
END_TEST

enum {
    MANY = 4500 /* enough for far pairs on the circle */
};

static float many[MANY * 3], many_z[MANY * 2], around[MANY * 2], listed[MANY * 2];

/* The circle's forces, less those of partners that rows may not have, are those of the lists that the pairs would make; the
 * loss likewise. Forces are sums of 40 floats of either sign, of the size of the largest one. */
START_TEST(far_pairs_of_many_rows_lie_on_the_circle_and_act_as_if_listed)
{
    const ne_dense view  = {sizeof view, many, MANY, 3, 3, NE_F32, NE_HOST};
    uint64_t       state = 3;
    size_t         other = 0;
    double         loss = 0, largest = 0;
    links          far   = {0};
    ne_terms       terms = {0};
    data_clusters(many, MANY, 3, 30, 3, 9);
    OK(ne_embedding_start(emb, NULL, &view));
    pacmap_state     *s       = state_method(emb->fit->state);
    const ne_problem *problem = &emb->fit->problem;
    ck_assert_uint_eq(s->around.count, 20);
    ck_assert_uint_eq(s->far.n, 0);
    for (size_t r = 0; r < MANY; r++) {
        static int seen[MANY]; /* by the row that has marked it last */
        const int  mark         = (int)r + 1;
        seen[problem->order[r]] = mark;
        for (size_t q = 0; q < 10; q++) seen[s->near_row[r * 10 + q]] = mark;
        for (size_t q = 0; q < 20; q++) {
            const int32_t drawn = s->far_row[r * 20 + q];
            ck_assert_int_ne(seen[drawn], mark);
            seen[drawn] = mark;
            other += circle_links_partner(&s->around, problem, r, q) != drawn;
        }
    }
    /* A partner is a near one with probability 10 / 4499: 200 are to be expected. */
    ck_assert_uint_gt(other, 130);
    ck_assert_uint_lt(other, 280);

    for (size_t i = 0; i < MANY * 2; i++) many_z[i] = (float)(3 * data_normal(&state));
    OK(links_join(ctx, MANY, 20, s->far_row, s->place, &far));
    OK(pacmap_begin(emb->params.method, problem, s, 0, &terms));
    OK(pacmap_before(emb->params.method, problem, s, 0, many_z, &terms));
    OK(pacmap_repulse(emb->params.method, problem, s, many_z, 0, 1000, around));
    OK(pacmap_repulse(emb->params.method, problem, s, many_z, 1000, MANY, around));
    links_pull(&far, (link_force){-2, 2, 0}, 2, many_z, 0, MANY, 0, listed);
    for (size_t i = 0; i < MANY * 2; i++) largest = fmax(largest, fabs((double)listed[i]));
    for (size_t i = 0; i < MANY * 2; i++) ck_assert_float_eq_tol(around[i], listed[i], 1e-6f * (float)largest);

    OK(pacmap_repulse_loss(emb->params.method, problem, s, many_z, 0, 1000, &loss));
    OK(pacmap_repulse_loss(emb->params.method, problem, s, many_z, 1000, MANY, &loss));
    double want = 0;
    for (size_t i = 0; i < MANY; i++)
        for (int64_t e = far.start[i]; e < far.start[i + 1]; e++) {
            const float *a = many_z + 2 * i, *b = many_z + 2 * (size_t)far.other[e];
            const double dx = (double)a[0] - (double)b[0], dy = (double)a[1] - (double)b[1];
            want += 0.5 / (2 + dx * dx + dy * dy);
        }
    ck_assert_double_eq_tol(loss, want, 1e-9 * want);
    links_clear(ctx, &far);
}
END_TEST

START_TEST(pairs_on_the_circle_give_the_same_bits_at_any_number_of_threads)
{
    const ne_dense view = {sizeof view, many, MANY, 3, 3, NE_F32, NE_HOST};
    ne_dense       y[2] = {{sizeof view, around, MANY, 2, 2, NE_F32, NE_HOST},
                           {sizeof view, listed, MANY, 2, 2, NE_F32, NE_HOST}};
    data_clusters(many, MANY, 3, 30, 3, 9);
    OK(ne_embedding_set_int(emb, "max_iter", 12));
    for (int64_t threads = 1; threads <= 3; threads++) {
        OK(ne_context_set_int(ctx, "threads", threads));
        OK(ne_embedding_fit(emb, &view, &y[threads > 1]));
        if (threads > 1) ck_assert_mem_eq(around, listed, sizeof around);
    }
}
END_TEST

/* Far pairs: n M draws over about n rows, so the sum of squared deviations over the expected count is near n; its standard
 * deviation is below sqrt(2 n) = 25. Mid-near pairs: the second of six lies at the quantile 2/7 on the average over rows and
 * slots, with a standard deviation of 0.16 / sqrt(1500) = 0.004. */
START_TEST(draws_are_uniform_and_mid_near_is_second_of_six)
{
    double count[N] = {0}, chi = 0, quantile = 0;
    start(2);
    const pacmap_state *s = state_of(emb);
    for (size_t e = 0; e < N * 20; e++) count[s->far_row[e]]++;
    for (size_t i = 0; i < N; i++) chi += (count[i] - 20) * (count[i] - 20) / 20;
    ck_assert_double_gt(chi, 200);
    ck_assert_double_lt(chi, 400);
    for (size_t e = 0; e < N * 5; e++) {
        const size_t i      = (size_t)emb->fit->problem.order[e / 5];
        const double chosen = square_between(i, (size_t)s->mid_row[e]);
        size_t       nearer = 0;
        for (size_t j = 0; j < N; j++) nearer += j != i && square_between(i, j) < chosen;
        quantile += (double)nearer / (N - 1) / (N * 5);
    }
    ck_assert_double_eq_tol(quantile, 2.0 / 7, 0.02);
}
END_TEST

START_TEST(reference_draws_anew_at_each_step_by_its_rule)
{
    int32_t  before[N * 20];
    ne_terms terms;
    uint32_t word[4];
    OK(ne_embedding_set(emb, "reference", "torchdr"));
    start(2);
    const pacmap_state *s = state_of(emb);
    const ne_problem   *p = &emb->fit->problem;
    checks_begin(emb, 3, &terms);
    memcpy(before, s->far_row, sizeof before);
    checks_begin(emb, 4, &terms);
    ck_assert_mem_ne(before, s->far_row, sizeof before);
    for (size_t r = 0; r < N; r++) {
        const size_t i = (size_t)p->order[r];
        for (uint32_t slot = 0; slot < 5; slot++) {
            size_t candidate[6], less = 0;
            for (uint32_t q = 0; q < 6; q++) {
                ne_draw(p, 4, i, 6 * slot + q, word);
                candidate[q] = 1 + (size_t)random_below(word[0], word[1], N - 2);
                candidate[q] += i <= candidate[q];
            }
            const double chosen = square_between(i, (size_t)s->mid_row[r * 5 + slot]);
            size_t       equal  = 0;
            for (size_t q = 0; q < 6; q++) {
                const double ratio = square_between(i, candidate[q]) / chosen;
                less += ratio < 1 - 1e-6; /* nearer than floats can tell */
                equal += fabs(ratio - 1) <= 1e-6;
            }
            ck_assert(less <= 1 && less + equal >= 2);
        }
        for (uint32_t slot = 0; slot < 20; slot++) {
            int     out[N] = {0};
            int32_t free_rows[N];
            size_t  count = 0;
            out[i]        = 1;
            for (size_t q = 0; q < 10; q++) out[s->near_row[r * 10 + q]] = 1;
            for (int32_t j = 0; j < N; j++)
                if (!out[j]) free_rows[count++] = j;
            const random_block b = random_draw(p->seed, STREAM_NEGATIVE, 4, i, slot);
            ck_assert_int_eq(s->far_row[r * 20 + slot], free_rows[random_below(b.word[0], b.word[1], count)]);
        }
    }
}
END_TEST

START_TEST(rows_are_linked_from_both_ends)
{
    static const int32_t partner[] = {1, 0, NO_PARTNER, 1, NO_PARTNER, NO_PARTNER}; /* of three rows */
    static const int32_t place[] = {1, 2, 0}, other[] = {2, 1, 2, 0, 0, 1};
    static const int64_t first[] = {0, 2, 4, 6};
    links                made    = {0};
    OK(links_join(ctx, 3, 2, partner, place, &made));
    ck_assert_mem_eq(made.start, first, sizeof first);
    ck_assert_mem_eq(made.other, other, sizeof other);
    links_clear(ctx, &made);
}
END_TEST

/* --- Phases, gradients ------------------------------------------------------------------------------------------- */

START_TEST(weights_follow_the_three_phases_and_lag_in_the_reference)
{
    static const struct {
        int64_t step;
        double  near, mid;
    } want[] = {{0, 2, 1000}, {50, 2, 501.5}, {99, 2, 12.97}, {100, 3, 3}, {199, 3, 3}, {200, 1, 0}, {449, 1, 0}};
    ne_terms terms;
    start(2);
    for (size_t t = 0; t < sizeof want / sizeof *want; t++) {
        checks_begin(emb, want[t].step, &terms);
        ck_assert_double_eq_tol(state_of(emb)->near_weight, want[t].near, 1e-12);
        ck_assert_double_eq_tol(state_of(emb)->mid_weight, want[t].mid, 1e-9);
        ck_assert_double_eq_tol(state_of(emb)->far_weight, 1, 1e-12);
    }
    OK(ne_embedding_set(emb, "reference", "torchdr"));
    start(2);
    for (size_t t = 0; t < sizeof want / sizeof *want; t++) {
        checks_begin(emb, want[t].step + 1, &terms);
        ck_assert_double_eq_tol(state_of(emb)->near_weight, want[t].near, 1e-12);
        ck_assert_double_eq_tol(state_of(emb)->mid_weight, want[t].mid, 1e-4); /* a float there */
    }
    checks_begin(emb, 0, &terms);
    ck_assert_double_eq_tol(state_of(emb)->mid_weight, 1009.97, 1e-4);
}
END_TEST

START_TEST(the_gradient_is_that_of_the_loss)
{
    static const int64_t components[] = {1, 2, 3, 5}, steps[] = {0, 120, 300};
    ne_terms             terms;
    start(components[_i]);
    for (size_t t = 0; t < 3; t++) {
        checks_begin(emb, steps[t], &terms);
        checks_differences(emb, 3);
    }
}
END_TEST

/* --- Whole fits -------------------------------------------------------------------------------------------------- */

static void short_phases(ne_embedding *e)
{
    OK(ne_embedding_set_int(e, "iter_per_phase", 8));
    OK(ne_embedding_set_int(e, "max_iter", 30));
}

static void short_reference(ne_embedding *e)
{
    OK(ne_embedding_set(e, "reference", "torchdr"));
    OK(ne_embedding_set_int(e, "iter_per_phase", 2));
    OK(ne_embedding_set_int(e, "max_iter", 6));
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    checks_threads("pacmap", _i == 2 ? short_reference : short_phases, 2100, _i == 1 ? 3 : 2);
}
END_TEST

START_TEST(few_rows_and_duplicates_are_embedded)
{
    static const size_t n[] = {2, 3, 4, 7, 12, 40, 64};
    checks_small("pacmap", n[_i % 7], _i / 7);
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
    checks_memory("pacmap", _i / 2 ? short_reference : short_phases, _i % 2);
}
END_TEST

START_TEST(type_and_stride_of_the_data_do_not_matter)
{
    checks_strides("pacmap", short_phases);
}
END_TEST

START_TEST(clusters_stay_together)
{
    checks_clusters("pacmap", 400);
}
END_TEST

START_TEST(exaggeration_weighs_the_attraction)
{
    float z[2][N * 2];
    for (int on = 0; on < 2; on++) {
        const ne_dense y = {sizeof y, z[on], N, 2, 2, NE_F32, NE_HOST};
        OK(ne_embedding_set(emb, "optimizer", "sgd"));
        OK(ne_embedding_set(emb, "gains", "false"));
        OK(ne_embedding_set(emb, "momentum", "0"));
        OK(ne_embedding_set(emb, "lr", on ? "0.0005" : "0.001"));
        OK(ne_embedding_set(emb, "late_exaggeration_coeff", on ? "2" : "1"));
        OK(ne_embedding_set(emb, "repulsion_strength", on ? "2" : "1"));
        OK(ne_embedding_set(emb, "init_scaling", "1"));
        start(2);
        OK(ne_embedding_step(emb, 1));
        OK(ne_embedding_read(emb, &y));
    }
    for (size_t i = 0; i < N * 2; i++) ck_assert_float_eq_tol(z[0][i], z[1][i], 1e-5f * (1 + fabsf(z[0][i])));
}
END_TEST

START_TEST(what_cannot_be_is_refused_by_name)
{
    float          y[N * 2];
    ne_graph      *distances = NULL, *affinity = NULL;
    ne_affinity   *entropic = NULL;
    const ne_dense view = {sizeof view, x, N, D, D, NE_F32, NE_HOST}, to = {sizeof to, y, N, 2, 2, NE_F32, NE_HOST};
    data_clusters(x, N, D, 3, 3, 9);
    ck_assert_int_eq(ne_embedding_set_int(emb, "n_neighbors", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(emb, "MN_ratio", -1), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(emb, "FP_ratio", -1), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_int(emb, "iter_per_phase", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set(emb, "perplexity", "30"), NE_UNKNOWN_NAME);
    OK(ne_embedding_set(emb, "metric", "euclidian"));
    ck_assert_int_eq(ne_embedding_fit(emb, &view, &to), NE_UNKNOWN_NAME);
    OK(ne_embedding_set(emb, "metric", "euclidean"));
    OK(ne_embedding_set_int(emb, "max_iter", 3));
    OK(ne_graph_create(ctx, &distances));
    OK(ne_graph_set_int(distances, "n_neighbors", 20));
    OK(ne_graph_build(distances, &view));
    OK(ne_embedding_fit_graph(emb, distances, &view, &to));
    ck_assert_int_eq(ne_embedding_fit_graph(emb, distances, NULL, &to), NE_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "mid-near"));
    OK(ne_embedding_set_real(emb, "MN_ratio", 0));
    OK(ne_embedding_fit_graph(emb, distances, NULL, &to));
    OK(ne_affinity_create(ctx, "entropic", &entropic));
    OK(ne_affinity_compute(entropic, &view, &affinity));
    ck_assert_int_eq(ne_embedding_fit_graph(emb, affinity, &view, &to), NE_UNSUPPORTED);
    OK(ne_embedding_set(emb, "reference", "torchdr"));
    ck_assert_int_eq(ne_embedding_fit_f32(emb, x, 61, D, y), NE_OUT_OF_RANGE);
    OK(ne_embedding_fit_f32(emb, x, 62, D, y));
    ne_affinity_free(entropic);
    ne_graph_free(affinity);
    ne_graph_free(distances);
}
END_TEST

Suite *pacmap_suite(void);

Suite *pacmap_suite(void)
{
    Suite *s = suite_create("pacmap");
    TCase *t = tcase_create("pacmap");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, losses_and_gradient_have_the_golden_values);
    tcase_add_loop_test(t, losses_and_gradient_are_those_of_the_authors_program, 0, 2);
    tcase_add_loop_test(t, near_pairs_are_those_of_the_authors_program, 0, 2);
    tcase_add_test(t, drawn_pairs_are_distinct_and_leave_out_the_row_and_far_ones_its_near_ones);
    tcase_add_test(t, far_pairs_of_many_rows_lie_on_the_circle_and_act_as_if_listed);
    tcase_add_test(t, pairs_on_the_circle_give_the_same_bits_at_any_number_of_threads);
    tcase_add_test(t, draws_are_uniform_and_mid_near_is_second_of_six);
    tcase_add_test(t, reference_draws_anew_at_each_step_by_its_rule);
    tcase_add_test(t, rows_are_linked_from_both_ends);
    tcase_add_test(t, weights_follow_the_three_phases_and_lag_in_the_reference);
    tcase_add_loop_test(t, the_gradient_is_that_of_the_loss, 0, 4);
    tcase_add_loop_test(t, any_number_of_threads_gives_the_same_bits, 0, 3);
    tcase_add_loop_test(t, few_rows_and_duplicates_are_embedded, 0, 14);
    tcase_add_loop_test(t, every_failed_allocation_is_survived, 0, 4);
    tcase_add_test(t, type_and_stride_of_the_data_do_not_matter);
    tcase_add_test(t, clusters_stay_together);
    tcase_add_test(t, exaggeration_weighs_the_attraction);
    tcase_add_test(t, what_cannot_be_is_refused_by_name);
    tcase_set_timeout(t, 600);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(pacmap_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
