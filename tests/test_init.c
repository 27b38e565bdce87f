/* tests/test_init.c: where embeddings start. The spectral start is compared with LAPACK's eigenvectors of the dense
 * matrix. */
#include "base/blas.h"
#include "fault.h"
#include "init/init.h"
#include "init/spectral.h"
#include "layout.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* --- Graphs ------------------------------------------------------------------------------------------------------ */

typedef enum graph_kind {
    GRAPH_NEIGHBORS = 0, /* noise on a curve, weights of many sizes */
    GRAPH_RING      = 1, /* every eigenvalue twice */
    GRAPH_PATH      = 2,
    GRAPH_STAR      = 3, /* eigenvalue 0, n - 2 times */
    GRAPH_COMPLETE  = 4, /* one eigenvalue n - 1 times */
    GRAPH_KINDS     = 5
} graph_kind;

static double weight_of(int32_t kind, size_t n, size_t i, size_t j)
{
    const size_t low = i < j ? i : j, high = i < j ? j : i, apart = high - low;
    double       weight = 0;
    if (kind == GRAPH_NEIGHBORS) {
        uint64_t state = low * 7919 + high * 104729;
        data_unit(&state);
        data_unit(&state);
        weight = apart <= 6 ? 0.02 + data_unit(&state) : 0;
    }
    if (kind == GRAPH_RING) weight = apart == 1 || apart == n - 1 ? 1 : 0;
    if (kind == GRAPH_PATH) weight = apart == 1 ? 1 : 0;
    if (kind == GRAPH_STAR) weight = low == 0 ? 1 : 0;
    if (kind == GRAPH_COMPLETE) weight = 1;
    return i == j ? 0 : weight;
}

/* `copies` graphs of n rows, not linked to each other; row i of copy k is row i * copies + k. */
static csr graph_make(ne_context *context, int32_t kind, size_t n, size_t copies)
{
    csr    made = {0};
    size_t at   = 0;
    ck_assert_int_eq(csr_new(&context->memory, n * copies, n * n * copies, &made), NE_OK);
    for (size_t r = 0; r < n * copies; r++) {
        for (size_t j = 0; j < n; j++)
            if (weight_of(kind, n, r / copies, j) > 0) {
                made.col[at]   = (int32_t)(j * copies + r % copies);
                made.val[at++] = (float)weight_of(kind, n, r / copies, j);
            }
        made.start[r + 1] = (int64_t)at;
    }
    made.entries = at;
    return made;
}

/* D^(-1/2) W D^(-1/2) and its eigenvalues, falling. */
static double *dense_of(ne_context *context, const csr *p, double *values)
{
    const size_t n = p->rows;
    double      *a = calloc(n * n, sizeof *a), *copy = calloc(n * n, sizeof *copy), *v = calloc(n * n, sizeof *v);
    double      *degree = calloc(n, sizeof *degree);
    ck_assert(a && copy && v && degree);
    for (size_t i = 0; i < n; i++)
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++) degree[i] += (double)p->val[e];
    for (size_t i = 0; i < n; i++)
        for (int64_t e = p->start[i]; e < p->start[i + 1]; e++)
            a[i * n + (size_t)p->col[e]] = (double)p->val[e] / sqrt(degree[i] * degree[p->col[e]]);
    memcpy(copy, a, n * n * sizeof *a);
    ck_assert_int_eq(blas_eigen_top(context, n, copy, n, values, v), NE_OK);
    free(copy);
    free(v);
    free(degree);
    return a;
}

/* Columns of z are orthonormal eigenvectors for values[1], values[2], ...: multiple eigenvalues have no vectors of their
 * own to compare with. z is in float: 6e-8 a number, so 1e-6 a product. */
static void check_eigenvectors(const double *a, const double *values, size_t n, size_t c, const float *z)
{
    for (size_t k = 0; k < c && k + 1 < n; k++) {
        double off = 0, largest = 0, signed_largest = 0;
        for (size_t i = 0; i < n; i++) {
            double product = 0;
            for (size_t j = 0; j < n; j++) product += a[i * n + j] * (double)z[j * c + k];
            off += pow(product - values[k + 1] * (double)z[i * c + k], 2);
            largest = fmax(largest, fabs((double)z[i * c + k]));
        }
        for (size_t i = n; i-- > 0;)
            if (fabs((double)z[i * c + k]) >= (1 - 1e-5) * largest) signed_largest = (double)z[i * c + k];
        ck_assert_double_le(sqrt(off), 2e-6);
        ck_assert_double_gt(signed_largest, 0);
        for (size_t m = 0; m <= k; m++) {
            double product = 0;
            for (size_t i = 0; i < n; i++) product += (double)z[i * c + k] * (double)z[i * c + m];
            ck_assert_double_eq_tol(product, k == m, 2e-6);
        }
    }
}

START_TEST(the_spectral_start_is_that_of_lapack)
{
    static const size_t sizes[] = {2, 3, 4, 9, 30, 200};
    ne_context         *context = layout_context(2);
    for (size_t s = 0; s < 6; s++)
        for (size_t c = 1; c <= 6; c += c < 3 ? 1 : 3) {
            const size_t n = sizes[s];
            csr          p = graph_make(context, _i, n, 1);
            double       values[200];
            double      *a = dense_of(context, &p, values);
            float       *z = malloc(n * c * sizeof *z);
            ck_assert_ptr_nonnull(z);
            for (size_t i = 0; i < n * c; i++) z[i] = NAN;
            ck_assert_int_eq(spectral_start(context, &p, c, 1e-7, 5, z), NE_OK);
            /* The trivial vector is not among them: with it, values[1] would have to be 1. */
            if (n > 2 && _i != GRAPH_STAR) ck_assert_double_lt(values[1], 1 - 1e-5);
            check_eigenvectors(a, values, n, c, z);
            for (size_t k = n - 1; k < c; k++)
                for (size_t i = 0; i < n; i++) ck_assert_float_eq(z[i * c + k], 0);
            free(a);
            free(z);
            csr_clear(&context->memory, &p);
        }
    ne_context_free(context);
}
END_TEST

typedef struct log_lines {
    int  count;
    char last[256];
} log_lines;

static void take_line(void *user, int level, const char *text)
{
    log_lines *lines = user;
    (void)level;
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%s", text);
}

/* Bounding squares of components; each holds the start of one copy, moved and scaled. */
START_TEST(components_stand_apart_and_each_is_its_own_start)
{
    const size_t n = 40, copies = (size_t)_i, c = 2;
    ne_context  *context = layout_context(2);
    log_lines    lines   = {0};
    csr          one = graph_make(context, GRAPH_NEIGHBORS, n, 1), p = graph_make(context, GRAPH_NEIGHBORS, n, copies);
    float       *z = malloc(n * copies * c * sizeof *z), *alone = malloc(n * c * sizeof *alone);
    double       low[8][2], high[8][2];
    ck_assert(z && alone);
    ne_context_set_log(context, take_line, &lines);
    ck_assert_int_eq(spectral_start(context, &one, c, 1e-7, 5, alone), NE_OK);
    ck_assert_int_eq(lines.count, 0);
    ck_assert_int_eq(spectral_start(context, &p, c, 1e-7, 5, z), NE_OK);
    ck_assert_int_eq(lines.count, 1);
    for (size_t k = 0; k < copies; k++) {
        double scale = 0, largest = 0, mean[2] = {0, 0};
        for (size_t d = 0; d < 2; d++) {
            low[k][d]  = INFINITY;
            high[k][d] = -INFINITY;
            for (size_t i = 0; i < n; i++) {
                const double value = (double)z[(i * copies + k) * c + d];
                low[k][d]          = fmin(low[k][d], value);
                high[k][d]         = fmax(high[k][d], value);
                largest            = fmax(largest, fabs((double)alone[i * c + d]));
            }
        }
        scale = 0.4 * sqrt((double)n) / largest;
        for (size_t d = 0; d < 2; d++)
            mean[d] = (double)z[k * c + d] - scale * (double)alone[d]; /* where the first row says the middle is */
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; d < 2; d++)
                ck_assert_double_eq_tol((double)z[(i * copies + k) * c + d] - mean[d], scale * (double)alone[i * c + d],
                                        1e-4);
        for (size_t other = 0; other < k; other++) {
            double gap = -INFINITY;
            for (size_t d = 0; d < 2; d++)
                gap = fmax(gap, fmax(low[k][d] - high[other][d], low[other][d] - high[k][d]));
            ck_assert_double_gt(gap, 0.19 * sqrt((double)n));
        }
    }
    free(z);
    free(alone);
    csr_clear(&context->memory, &one);
    csr_clear(&context->memory, &p);
    ne_context_free(context);
}
END_TEST

START_TEST(rows_without_neighbors_have_places_of_their_own)
{
    enum {
        N = 23
    };
    ne_context *context = layout_context(1);
    csr         p       = {0};
    float       z[2 * N];
    ck_assert_int_eq(csr_new(&context->memory, N, 1, &p), NE_OK);
    for (size_t i = 0; i <= N; i++) p.start[i] = 0;
    p.entries = 0;
    ck_assert_int_eq(spectral_start(context, &p, 2, 1e-7, 5, z), NE_OK);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_double_gt(hypot((double)z[2 * i] - (double)z[2 * j], (double)z[2 * i + 1] - (double)z[2 * j + 1]),
                                0.5);
    csr_clear(&context->memory, &p);
    ne_context_free(context);
}
END_TEST

START_TEST(a_directed_graph_is_made_symmetric)
{
    ne_context  *context = layout_context(1);
    const size_t n       = 50;
    csr          whole = graph_make(context, GRAPH_NEIGHBORS, n, 1), half = graph_make(context, GRAPH_NEIGHBORS, n, 1);
    float       *a = malloc(n * 2 * sizeof *a), *b = malloc(n * 2 * sizeof *b);
    size_t       at = 0;
    ck_assert(a && b);
    for (size_t i = 0; i < n; i++) {
        const int64_t from = i ? whole.start[i] : 0;
        for (int64_t e = from; e < whole.start[i + 1]; e++)
            if ((size_t)whole.col[e] > i) {
                half.col[at]   = whole.col[e];
                half.val[at++] = whole.val[e];
            }
        half.start[i + 1] = (int64_t)at;
    }
    half.entries = at;
    ck_assert_int_eq(spectral_start(context, &whole, 2, 1e-8, 5, a), NE_OK);
    ck_assert_int_eq(spectral_start(context, &half, 2, 1e-8, 5, b), NE_OK);
    for (size_t i = 0; i < 2 * n; i++) ck_assert_float_eq_tol(a[i], b[i], 1e-5f);
    free(a);
    free(b);
    csr_clear(&context->memory, &whole);
    csr_clear(&context->memory, &half);
    ne_context_free(context);
}
END_TEST

START_TEST(the_bits_of_the_spectral_start_do_not_depend_on_the_number_of_threads)
{
    enum {
        N = 5000
    };
    float *first = malloc(2 * N * sizeof *first), *z = malloc(2 * N * sizeof *z);
    ck_assert(first && z);
    for (int64_t threads = 1; threads <= 3; threads += 2) {
        ne_context *context = layout_context(threads);
        csr         p       = {0};
        size_t      at      = 0;
        ck_assert_int_eq(csr_new(&context->memory, N, 12 * N, &p), NE_OK);
        for (size_t i = 0; i < N; i++) {
            for (size_t j = i < 6 ? 0 : i - 6; j <= i + 6 && j < N; j++)
                if (j != i) {
                    p.col[at]   = (int32_t)j;
                    p.val[at++] = (float)weight_of(GRAPH_NEIGHBORS, N, i, j);
                }
            p.start[i + 1] = (int64_t)at;
        }
        p.entries = at;
        ck_assert_int_eq(spectral_start(context, &p, 2, 1e-3, 5, threads == 1 ? first : z), NE_OK);
        ck_assert(threads == 1 || memcmp(first, z, 2 * N * sizeof *z) == 0);
        csr_clear(&context->memory, &p);
        ne_context_free(context);
    }
    free(first);
    free(z);
}
END_TEST

START_TEST(a_failed_allocation_of_the_spectral_start_is_reported)
{
    fault       mem     = {.until = LONG_MAX};
    ne_context *context = NULL, *own = layout_context(1);
    csr         p = graph_make(own, GRAPH_NEIGHBORS, 20, 2);
    float       z[80];
    ne_status   st = NE_OUT_OF_MEMORY;
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    const long before = mem.live;
    long       until  = 0;
    p.val[0] *= 2; /* not symmetric: the copies may fail too */
    for (; st == NE_OUT_OF_MEMORY && until < 1000; until++) {
        mem.until = until;
        mem.fired = 0;
        st        = spectral_start(context, &p, 2, 1e-6, 5, z);
        ck_assert_int_eq(mem.live, before);
    }
    ck_assert_int_eq(st, NE_OK);
    ck_assert_int_gt(until, 15);
    csr_clear(&own->memory, &p);
    ne_context_free(context);
    ne_context_free(own);
    ck_assert_int_eq(mem.live, 0);
}
END_TEST

/* --- Other starts ------------------------------------------------------------------------------------------------ */

START_TEST(the_ball_holds_every_start)
{
    const float rows[] = {0, 0, 0.3f, 0.4f, -3, 4, 3e10f, 0, 1e-20f, 0};
    float       z[10];
    memcpy(z, rows, sizeof z);
    ck_assert(!init_is_in_ball(5, 2, rows));
    init_into_ball(5, 2, z);
    ck_assert(init_is_in_ball(5, 2, z));
    ck_assert_float_eq(z[0], 0);
    ck_assert_float_eq_tol(z[2], (float)(tanh(0.5) * 0.6), 1e-7f);
    ck_assert_float_eq_tol(z[3], (float)(tanh(0.5) * 0.8), 1e-7f);
    ck_assert_float_eq_tol(z[4], (float)(tanh(5.0) * -0.6), 1e-6f);
    ck_assert_float_eq_tol(z[6], 1 - 1e-5f, 1e-7f);
    ck_assert_float_eq_tol(z[8], 1e-20f, 1e-26f);
}
END_TEST

START_TEST(a_hyperbolic_start_is_spread_as_its_scaling_says)
{
    enum {
        N = 20000
    };
    float *z   = malloc(2 * N * sizeof *z);
    double sum = 0, mean = 0;
    ck_assert_ptr_nonnull(z);
    init_hyperbolic(N, 2, 0.5, 3, z);
    for (size_t i = 0; i < N; i++) {
        const double length = hypot((double)z[2 * i], (double)z[2 * i + 1]);
        ck_assert_double_lt(length, 1);
        sum += atanh(length) * atanh(length);
        mean += (double)z[2 * i];
    }
    /* |u|^2 has mean 2 * 0.25 and deviation 0.5 / sqrt(N) over the sample */
    ck_assert_double_eq_tol(sum / N, 0.5, 5 * 0.5 / sqrt(N));
    ck_assert_double_eq_tol(mean / N, 0, 5 * 0.5 / sqrt(N));
    free(z);
}
END_TEST

START_TEST(equal_rows_start_at_one_place)
{
    double         data[]  = {1, 2, 0.0, 5, 1, 2, 3, 4, -0.0, 5, 1, 2};
    const ne_dense x       = {sizeof x, data, 6, 2, 2, NE_F64, NE_HOST};
    float          z[]     = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    const float    want[]  = {0, 1, 2, 3, 0, 1, 6, 7, 2, 3, 0, 1};
    ne_context    *context = layout_context(1);
    ck_assert_int_eq(init_share_places(context, &x, 2, z), NE_OK);
    ck_assert_mem_eq(z, want, sizeof z);
    ne_context_free(context);
}
END_TEST

/* --- Through the public door ------------------------------------------------------------------------------------- */

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static void start_of(ne_context *context, const char *init, const float *x, size_t n, float *z)
{
    ne_embedding *e = NULL;
    OK(ne_embedding_create(context, "tsne", &e));
    OK(ne_embedding_set(e, "init", init));
    OK(ne_embedding_set_int(e, "perplexity", 5));
    OK(ne_embedding_set_int(e, "max_iter", 0));
    OK(ne_embedding_set_real(e, "init_scaling", 0.3));
    OK(ne_embedding_fit_f32(e, x, n, 4, z));
    ne_embedding_free(e);
}

START_TEST(every_start_can_be_asked_for_and_has_its_scale)
{
    enum {
        N = 90
    };
    static const char *const names[] = {"pca", "random", "normal", "spectral", "hyperbolic"};
    ne_context              *context = layout_context(1);
    float                    x[4 * N], z[2 * N], random[2 * N];
    data_clusters(x, N, 4, 3, 0.7, 4);
    memcpy(x + 4, x, 4 * sizeof *x); /* rows 0 and 1 are equal */
    for (size_t k = 0; k < 5; k++) {
        double mean = 0, square = 0;
        start_of(context, names[k], x, N, z);
        for (size_t i = 0; i < N; i++) mean += (double)z[2 * i] / N;
        for (size_t i = 0; i < N; i++) square += pow((double)z[2 * i] - mean, 2) / N;
        /* Shared places and tanh change the deviation a little. */
        ck_assert_double_eq_tol(sqrt(square), 0.3, k == 4 ? 0.08 : 0.02);
        ck_assert_float_eq_tol(z[0], z[2], 1e-6f);
        ck_assert_float_eq_tol(z[1], z[3], 1e-6f);
        if (k == 1) memcpy(random, z, sizeof z);
        if (k == 2) ck_assert_mem_eq(random, z, sizeof z);
    }
    ne_context_free(context);
}
END_TEST

Suite *init_suite(void);

Suite *init_suite(void)
{
    Suite *suite = suite_create("init");
    TCase *t     = tcase_create("init");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, the_spectral_start_is_that_of_lapack, 0, GRAPH_KINDS);
    tcase_add_loop_test(t, components_stand_apart_and_each_is_its_own_start, 2, 6);
    tcase_add_test(t, rows_without_neighbors_have_places_of_their_own);
    tcase_add_test(t, a_directed_graph_is_made_symmetric);
    tcase_add_test(t, the_bits_of_the_spectral_start_do_not_depend_on_the_number_of_threads);
    tcase_add_test(t, a_failed_allocation_of_the_spectral_start_is_reported);
    tcase_add_test(t, the_ball_holds_every_start);
    tcase_add_test(t, a_hyperbolic_start_is_spread_as_its_scaling_says);
    tcase_add_test(t, equal_rows_start_at_one_place);
    tcase_add_test(t, every_start_can_be_asked_for_and_has_its_scale);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(init_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
