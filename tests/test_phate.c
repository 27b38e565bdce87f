/* tests/test_phate.c: the stress of PHATE's map, by its definition, against TorchDR's, and at its minimum. */
#include "model_data.h"
#include "oracle/models.h"

enum {
    N = 120,
    D = 6,
    C = 2
};

static ne_context *context;
static double      x[N * D], y[N * C];
static ne_dense    from, to;

static void open_context(void)
{
    OK(ne_context_create(&context));
    model_tree(N, D, 1, 3, x);
    from = view_of_f64(x, N, D);
    to   = view_of_f64(y, N, C);
}

static void close_context(void)
{
    ne_context_free(context);
}

/* Minus the affinity, n x n. */
static double *distances_of(const ne_dense *rows, int64_t t, int64_t k)
{
    const size_t n        = rows->rows;
    double      *delta    = malloc(n * n * sizeof *delta);
    ne_affinity *affinity = NULL;
    ck_assert_ptr_nonnull(delta);
    const ne_dense all = view_of_f64(delta, n, n);
    OK(ne_affinity_create(context, "phate", &affinity));
    OK(ne_affinity_set_int(affinity, "t", t));
    OK(ne_affinity_set_int(affinity, "k", k));
    OK(ne_affinity_compute_dense(affinity, rows, &all));
    for (size_t e = 0; e < n * n; e++) delta[e] = -delta[e];
    ne_affinity_free(affinity);
    return delta;
}

static double stress_of(size_t n, size_t c, const double *z, const double *delta)
{
    double sum = 0, total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double square = 0;
            for (size_t k = 0; k < c; k++) square += (z[i * c + k] - z[j * c + k]) * (z[i * c + k] - z[j * c + k]);
            const double apart = sqrt(square) - delta[i * n + j];
            sum += apart * apart;
            total += delta[i * n + j] * delta[i * n + j];
        }
    return sqrt(sum / total);
}

/* Steps end when one gains a part of 1e-7; then a few times that is left to gain. Distances are floats: 1e-7 again. */
START_TEST(the_stress_is_not_above_that_of_torchdr_after_1000_steps)
{
    const phate_case *of = &phate_cases[_i];
    const size_t      n = (size_t)of->n, d = (size_t)of->d;
    double           *rows = calloc(n * d, sizeof *rows), *z = calloc(n * C, sizeof *z), said, steps;
    const ne_dense    data = view_of_f64(rows, n, d), out = view_of_f64(z, n, C);
    ne_embedding     *e = model_new(context, "phate", C);

    ck_assert(rows && z);
    model_tree(n, d, of->noise, of->seed, rows);
    OK(ne_embedding_set_int(e, "t", of->t));
    OK(ne_embedding_set_int(e, "k", of->k));
    OK(ne_embedding_fit(e, &data, &out));
    double      *delta  = distances_of(&data, of->t, of->k);
    const double stress = stress_of(n, C, z, delta);
    const double above  = of->seed == 7 ? 1e-2 : 1e-6; /* seed 7: another minimum, 0.9 % above; from one start 26 % */
    ck_assert_msg(stress <= of->stress * (1 + above), "stress %.9g, TorchDR's is %.9g", stress, of->stress);
    OK(ne_embedding_get_array(e, "stress", &said, 1));
    model_close(said, stress, 1e-6 * stress);
    OK(ne_embedding_get_array(e, "n_iter", &steps, 1));
    ck_assert(steps >= 1 && steps <= 300);
    free(delta);
    free(rows);
    free(z);
    ne_embedding_free(e);
}
END_TEST

/* The scale too: all coordinates by a thousandth. */
START_TEST(no_row_can_move_and_lower_the_stress)
{
    ne_embedding *e = model_new(context, "phate", C);
    double        moved[N * C], size = 0;
    OK(ne_embedding_set_int(e, "t", 20));
    OK(ne_embedding_set_real(e, "tol", 0));
    OK(ne_embedding_set_int(e, "max_iter", 3000));
    OK(ne_embedding_fit(e, &from, &to));
    double      *delta = distances_of(&from, 20, 5);
    const double least = stress_of(N, C, y, delta);
    for (size_t i = 0; i < N * C; i++) size = fmax(size, fabs(y[i]));
    for (size_t i = 0; i < N * C; i += 7)
        for (int sign = -1; sign < 2; sign += 2) {
            memcpy(moved, y, sizeof y);
            moved[i] += sign * 1e-2 * size;
            ck_assert_double_gt(stress_of(N, C, moved, delta), least);
        }
    for (int sign = -1; sign < 2; sign += 2) {
        for (size_t i = 0; i < N * C; i++) moved[i] = y[i] * (1 + sign * 1e-3);
        ck_assert_double_gt(stress_of(N, C, moved, delta), least);
    }
    free(delta);
    ne_embedding_free(e);
}
END_TEST

START_TEST(more_steps_never_raise_the_stress)
{
    double before = INFINITY, got, steps;
    for (int64_t most = 0; most < 40; most += 1 + most / 2) {
        ne_embedding *e = model_new(context, "phate", C);
        OK(ne_embedding_set_int(e, "t", 20));
        OK(ne_embedding_set_int(e, "max_iter", most));
        OK(ne_embedding_fit(e, &from, &to));
        OK(ne_embedding_get_array(e, "stress", &got, 1));
        OK(ne_embedding_get_array(e, "n_iter", &steps, 1));
        ck_assert(steps <= (double)most);
        ck_assert_double_le(got, before);
        before = got;
        ne_embedding_free(e);
    }
}
END_TEST

START_TEST(more_dimensions_have_less_stress)
{
    double before = INFINITY;
    for (size_t c = 1; c <= 9; c += 4) { /* more than the data have columns, too */
        ne_embedding  *e   = model_new(context, "phate", (int64_t)c);
        double        *z   = malloc(N * c * sizeof *z), got;
        const ne_dense out = view_of_f64(z, N, c);
        ck_assert_ptr_nonnull(z);
        OK(ne_embedding_fit(e, &from, &out));
        OK(ne_embedding_get_array(e, "stress", &got, 1));
        ck_assert_double_lt(got, before);
        before = got;
        free(z);
        ne_embedding_free(e);
    }
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    double first[N * C];
    for (int threads = 1; threads <= 3; threads++) {
        ne_embedding *e = model_new(context, "phate", C);
        OK(ne_context_set_int(context, "threads", threads));
        OK(ne_embedding_fit(e, &from, &to));
        if (threads == 1) memcpy(first, y, sizeof y);
        ck_assert_mem_eq(first, y, sizeof y);
        ne_embedding_free(e);
    }
}
END_TEST

START_TEST(few_or_equal_rows_have_coordinates_all_the_same)
{
    const ne_dense two = view_of_f64(x, 2, D), out2 = view_of_f64(y, 2, 1);
    const ne_dense three = view_of_f64(x, 3, D), out3 = view_of_f64(y, 3, C);
    ne_embedding  *e = model_new(context, "phate", 1);
    OK(ne_embedding_set_int(e, "k", 1));
    OK(ne_embedding_set_int(e, "t", 1));
    OK(ne_embedding_fit(e, &two, &out2));
    for (size_t i = 0; i < 2; i++) ck_assert(isfinite(y[i]));
    OK(ne_embedding_set_int(e, "n_components", C));
    OK(ne_embedding_set_int(e, "k", 2));
    OK(ne_embedding_fit(e, &three, &out3));
    for (size_t i = 0; i < 3 * C; i++) ck_assert(isfinite(y[i]));
    for (size_t i = 0; i < (size_t)N * D; i++) x[i] = 0.3;
    OK(ne_embedding_fit(e, &from, &to));
    for (size_t i = 0; i < N * C; i++) model_close(y[i], 0, 1e-6);
    ne_embedding_free(e);
}
END_TEST

START_TEST(bad_input_is_refused)
{
    ne_embedding *e = model_new(context, "phate", C);
    double        got;
    for (size_t n = 1; n <= 5; n++) { /* k is 5 */
        const ne_dense few = view_of_f64(x, n, D), out = view_of_f64(y, n, C);
        FAILS(ne_embedding_fit(e, &few, &out), NE_OUT_OF_RANGE, n > C ? "k: 5" : "n_components: 2");
    }
    ck_assert_int_eq(ne_embedding_set_int(e, "t", -1), NE_OUT_OF_RANGE);
    ck_assert_int_ne(ne_embedding_set_real(e, "t", 2.5), NE_OK);
    ck_assert_int_eq(ne_embedding_set_int(e, "k", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(e, "alpha", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_int(e, "n_components", 0), NE_OUT_OF_RANGE);
    ck_assert_int_eq(ne_embedding_set_real(e, "tol", -1), NE_OUT_OF_RANGE);
    FAILS(ne_embedding_get_array(e, "stress", &got, 1), NE_NOT_FITTED, "fitted");
    FAILS(ne_embedding_transform(e, &from, &to), NE_UNSUPPORTED, "phate");
    FAILS(ne_embedding_partial_fit(e, &from), NE_UNSUPPORTED, "phate");
    OK(ne_embedding_set(e, "metric", "no_such_metric"));
    FAILS(ne_embedding_fit(e, &from, &to), NE_UNKNOWN_NAME, "no_such_metric");
    OK(ne_embedding_set(e, "metric", "manhattan"));
    OK(ne_embedding_fit(e, &from, &to));
    FAILS(ne_embedding_get_array(e, "loss", &got, 1), NE_UNKNOWN_NAME, "stress");
    x[4 * D] = INFINITY;
    FAILS(ne_embedding_fit(e, &from, &to), NE_INVALID_ARGUMENT, "row 4");
    ne_embedding_free(e);
}
END_TEST

START_TEST(without_memory_a_fit_fails_and_leaks_nothing)
{
    fault              f      = {.until = LONG_MAX};
    const ne_allocator faulty = {fault_allocate, fault_release, &f};
    ne_context        *own    = NULL;
    ne_status          st     = NE_OUT_OF_MEMORY;
    const ne_dense     some = view_of_f64(x, 30, D), out = view_of_f64(y, 30, C);

    OK(ne_context_create_with(&faulty, &own));
    for (long until = 0; st != NE_OK; until++) {
        ne_embedding *e = model_new(own, "phate", C);
        f               = (fault){.until = until, .live = f.live};
        st              = ne_embedding_fit(e, &some, &out);
        if (st != NE_OK) ck_assert_int_eq(st, NE_OUT_OF_MEMORY);
        f.until = LONG_MAX;
        ne_embedding_free(e);
        ck_assert_int_lt(until, 200);
    }
    ne_context_free(own);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

/* Of more rows than a tile and a band have. alpha 10: by lists, of t 64 by squares too; alpha 1: by dense products.
 * Distances rounded to floats are right to 6e-8, so exponents of at most 41 to 41 alpha 6e-8, and logarithms of powers,
 * which are distances' terms, to t times what most of their paths add to that. */
START_TEST(distances_of_many_rows_are_those_of_powers_in_double)
{
    enum {
        MANY = 700,
        FEW  = 4
    };
    static const struct {
        int t, alpha;
    } all[]     = {{1, 10}, {5, 10}, {13, 10}, {64, 10}, {5, 1}, {8, 1}};
    const int t = all[_i].t, alpha = all[_i].alpha;
    double   *rows = calloc(MANY * D, sizeof *rows), *m = calloc(MANY * MANY, sizeof *m);
    double   *u = calloc(FEW * MANY, sizeof *u), *next = calloc(MANY, sizeof *next), *scale = calloc(MANY, sizeof *u);
    float    *delta     = calloc(MANY * MANY, sizeof *delta);
    const ne_dense data = view_of_f64(rows, MANY, D), out = view_of_f32(delta, MANY, MANY);
    ne_affinity   *affinity = NULL;

    ck_assert(rows && m && u && next && scale && delta);
    model_tree(MANY, D, 1, 5, rows);
    OK(ne_affinity_create(context, "phate", &affinity));
    OK(ne_affinity_set_int(affinity, "t", t));
    OK(ne_affinity_set_real(affinity, "alpha", alpha));
    OK(ne_affinity_compute_dense(affinity, &data, &out));
    for (size_t i = 0; i < MANY; i++) {
        double least[5]; /* ascending, itself the first */
        size_t have = 0;
        for (size_t j = 0; j < MANY; j++) {
            double square = 0;
            for (size_t c = 0; c < D; c++)
                square += (rows[i * D + c] - rows[j * D + c]) * (rows[i * D + c] - rows[j * D + c]);
            m[i * MANY + j] = sqrt(square);
            size_t at       = have < 5 ? have++ : 5;
            if (at == 5 && m[i * MANY + j] >= least[4]) continue;
            for (at = at == 5 ? 4 : at; at > 0 && least[at - 1] > m[i * MANY + j]; at--) least[at] = least[at - 1];
            least[at] = m[i * MANY + j];
        }
        scale[i] = least[4];
    }
    for (size_t i = 0; i < MANY; i++)
        for (size_t j = i; j < MANY; j++)
            m[i * MANY + j] = m[j * MANY + i] =
                0.5 * (exp(-pow(m[i * MANY + j] / scale[i], alpha)) + exp(-pow(m[i * MANY + j] / scale[j], alpha)));
    for (size_t i = 0; i < MANY; i++) {
        double sum = 0;
        for (size_t j = 0; j < MANY; j++) sum += m[i * MANY + j];
        for (size_t j = 0; j < MANY; j++) m[i * MANY + j] /= sum;
    }
    for (size_t r = 0; r < FEW; r++) { /* rows 0, 233, 466 and 699 of the power */
        double *row = u + r * MANY;
        memcpy(row, m + r * 233 * MANY, MANY * sizeof *row);
        for (int step = 1; step < t; step++) {
            memset(next, 0, MANY * sizeof *next);
            for (size_t k = 0; k < MANY; k++)
                for (size_t j = 0; j < MANY; j++) next[j] += row[k] * m[k * MANY + j];
            memcpy(row, next, MANY * sizeof *row);
        }
        for (size_t j = 0; j < MANY; j++) row[j] = -log(fmax(row[j], 1e-12));
    }
    for (size_t r = 0; r < FEW; r++)
        for (size_t q = 0; q < FEW; q++) {
            double square = 0;
            for (size_t j = 0; j < MANY; j++)
                square += (u[r * MANY + j] - u[q * MANY + j]) * (u[r * MANY + j] - u[q * MANY + j]);
            model_close(-(double)delta[r * 233 * MANY + q * 233], sqrt(square), 2e-5 * (1 + sqrt(square)));
        }
    for (size_t i = 0; i < MANY; i++)
        for (size_t j = 0; j < i; j++) ck_assert_float_eq(delta[i * MANY + j], delta[j * MANY + i]);
    ne_affinity_free(affinity);
    free(rows);
    free(m);
    free(u);
    free(next);
    free(scale);
    free(delta);
}
END_TEST

static Suite *phate_suite(void)
{
    Suite *s = suite_create("phate");
    TCase *t = tcase_create("phate");
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, the_stress_is_not_above_that_of_torchdr_after_1000_steps, 0,
                        (int)(sizeof phate_cases / sizeof *phate_cases));
    tcase_add_test(t, no_row_can_move_and_lower_the_stress);
    tcase_add_test(t, more_steps_never_raise_the_stress);
    tcase_add_test(t, more_dimensions_have_less_stress);
    tcase_add_test(t, any_number_of_threads_gives_the_same_bits);
    tcase_add_test(t, few_or_equal_rows_have_coordinates_all_the_same);
    tcase_add_test(t, bad_input_is_refused);
    tcase_add_test(t, without_memory_a_fit_fails_and_leaks_nothing);
    tcase_add_loop_test(t, distances_of_many_rows_are_those_of_powers_in_double, 0, 6);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(phate_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
