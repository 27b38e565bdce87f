/* tests/test_negatives.c: sampled repulsion against a double loop over the rows that each row should have drawn. */
#include "base/random.h"
#include "cpu/attract.h"
#include "cpu/negatives.h"
#include "fault.h"
#include "layout.h"

#include <string.h>

enum {
    N    = 307, /* prime, and more than one block */
    MOST = 5,
    M    = 19
};

static const output_kernel largevis = {.kind = KERNEL_LARGEVIS};

static const output_kernel *kernel_at(size_t k)
{
    return k < LAYOUT_KERNELS ? &layout_kernel[k] : &largevis;
}

static double log_q_of(const output_kernel *kernel, double s, double *w)
{
    if (kernel->kind != KERNEL_LARGEVIS) return layout_log_q(kernel, s, w);
    *w = 1 / (2 + s);
    return -log(2 + s);
}

/* --- A problem: an order that is not the caller's, and a circle that is neither -------------------------------------- */

typedef struct fixture {
    ne_problem problem;
    int64_t    order[N];
    int32_t    circle[N], circle_row[N];
    int32_t    neg[N * 64];
    float      f[N * MOST], again[N * MOST];
    double     want[N * MOST];
} fixture;

static fixture at;

static void shuffle(size_t n, int64_t *to, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) to[i] = (int64_t)i;
    for (size_t i = n - 1; i > 0; i--) {
        const size_t  j    = (size_t)(data_unit(&seed) * (double)(i + 1));
        const int64_t swap = to[i];
        to[i]              = to[j];
        to[j]              = swap;
    }
}

static void make_problem(size_t n, uint64_t seed)
{
    int64_t place[N];
    shuffle(n, at.order, 3);
    shuffle(n, place, 4);
    for (size_t i = 0; i < n; i++) {
        at.circle[i]            = (int32_t)place[i];
        at.circle_row[place[i]] = (int32_t)i;
    }
    at.problem = (ne_problem){.struct_size = sizeof at.problem,
                              .n           = n,
                              .order       = at.order,
                              .circle      = at.circle,
                              .circle_row  = at.circle_row,
                              .seed        = seed};
}

static negatives_job job_of(size_t c, const float *z, const output_kernel *kernel, int over_rows, int lists, float *f,
                            double *loss)
{
    return (negatives_job){.n         = at.problem.n,
                           .c         = c,
                           .row1      = at.problem.n,
                           .z         = z,
                           .f         = f,
                           .loss      = loss,
                           .kernel    = kernel,
                           .over_rows = over_rows,
                           .count     = M,
                           .lists     = lists,
                           .problem   = &at.problem,
                           .step      = 11};
}

/* Who draws whom, by the rules as they are written: rotations; or an ascending list of what is left out. */
static void draw_all(const negatives_job *job)
{
    const size_t n = job->n;
    for (size_t i = 0; i < n; i++) {
        char out[N]      = {0};
        out[at.order[i]] = 1;
        if (job->excluded)
            for (int64_t e = job->excluded->start[i]; e < job->excluded->start[i + 1]; e++)
                out[at.order[job->excluded->col[e]]] = 1;
        size_t left = 0;
        for (size_t j = 0; j < n; j++) left += !out[j];
        for (size_t s = 0; s < job->count; s++) {
            size_t index = 0;
            if (!job->lists) {
                const uint32_t turn        = ne_draw_rotation(&at.problem, job->step, (uint32_t)s);
                at.neg[i * job->count + s] = at.circle_row[((size_t)at.circle[i] + turn) % n];
                continue;
            }
            const random_block b =
                random_draw(at.problem.seed, STREAM_NEGATIVE, job->step, (uint64_t)at.order[i], (uint32_t)s);
            const uint64_t u = random_below(b.word[0], b.word[1], left);
            /* index = u + #{q : e_q - q <= u}, e ascending */
            uint64_t q = 0;
            index      = (size_t)u;
            for (size_t j = 0; j < n; j++)
                if (out[j]) {
                    index += j - q <= u;
                    q++;
                }
            for (size_t r = 0; r < n; r++)
                if ((size_t)at.order[r] == index) at.neg[i * job->count + s] = (int32_t)r;
        }
    }
}

/* f and the loss of negatives_job. */
static double expected(const negatives_job *job)
{
    const size_t n = job->n, c = job->c, m = job->count;
    double       loss = 0;
    memset(at.want, 0, sizeof at.want);
    for (size_t i = 0; i < n; i++) {
        double w, sum = 0;
        for (size_t s = 0; s < m; s++)
            sum += exp(log_q_of(job->kernel, layout_square(job->z, c, i, (size_t)at.neg[i * m + s]), &w));
        if (job->over_rows) loss += log(sum);
        for (size_t s = 0; s < m; s++) {
            const size_t j  = (size_t)at.neg[i * m + s];
            const double q  = exp(log_q_of(job->kernel, layout_square(job->z, c, i, j), &w));
            const double by = q * w / (job->over_rows ? sum : 1 - q);
            if (!job->over_rows) loss -= log(1 - q);
            for (size_t k = 0; k < c; k++) {
                const double d = by * ((double)job->z[i * c + k] - (double)job->z[j * c + k]);
                at.want[i * c + k] += d;
                at.want[j * c + k] -= d;
            }
        }
    }
    return loss;
}

/* Where q(0) = 1 the force over 1 - q has a pole at 0, and points in one column come too near to it for float. */
static int has_pole(const negatives_job *job)
{
    return !job->over_rows && job->kernel->kind != KERNEL_LARGEVIS;
}

/* A sum of M or so float terms: a few 1e-7 of their sizes; 1 - q of a kernel that is near 1 loses as many digits as q and 1
 * share, at most two here. */
START_TEST(forces_and_loss_equal_a_double_loop_for_every_kernel_and_width)
{
    static const size_t  widths[] = {1, 2, 3, 5};
    const output_kernel *kernel   = kernel_at((size_t)_i);
    ne_context          *context  = layout_context(2);
    make_problem(N, 5);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int mode = 0; mode < 4; mode++) {
            const size_t        c    = widths[w];
            float *const        z    = layout_make(LAYOUT_SQUARE, N, c, kernel->kind == KERNEL_GAUSSIAN ? 5 : 30);
            double              loss = NAN;
            const negatives_job job  = job_of(c, z, kernel, mode & 1, mode >> 1, at.f, &loss);
            if (has_pole(&job) && c == 1) {
                free(z);
                continue;
            }
            draw_all(&job);
            const double want = expected(&job);
            memset(at.f, 0xff, sizeof at.f); /* NaN */
            ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
            ck_assert_double_le(layout_difference(N * c, at.f, at.want), has_pole(&job) ? 2e-4 : 3e-6);
            ck_assert_double_eq_tol(loss, want, 1e-5 * fabs(want) + 1e-6);
            free(z);
        }
    ne_context_free(context);
}
END_TEST

START_TEST(forces_are_half_the_slope_of_the_loss)
{
    static const size_t  widths[] = {1, 2, 3, 5};
    const output_kernel *kernel   = kernel_at((size_t)_i);
    ne_context          *context  = layout_context(1);
    const float          h        = 1.0f / 128;
    make_problem(40, 6);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (int mode = 0; mode < 4; mode++) {
            const size_t  c  = widths[w];
            float        *z  = layout_make(LAYOUT_NORMAL, 40, c, 20);
            double        up = 0, down = 0;
            negatives_job job = job_of(c, z, kernel, mode & 1, mode >> 1, at.f, &up);
            if (has_pole(&job) && c == 1) {
                free(z);
                continue;
            }
            ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
            job.f        = at.again;
            double error = 0, size = 0;
            for (size_t v = 0; v < 40 * c; v++) {
                const float keep = z[v], high = keep + h, low = keep - h;
                z[v]     = high;
                job.loss = &up;
                ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
                z[v]     = low;
                job.loss = &down;
                ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
                z[v]               = keep;
                const double slope = (up - down) / ((double)high - (double)low);
                error += (slope + 2 * (double)at.f[v]) * (slope + 2 * (double)at.f[v]);
                size += slope * slope;
            }
            ck_assert_double_le(sqrt(error / size), 1e-3); /* h^2 times third derivatives */
            free(z);
        }
    ne_context_free(context);
}
END_TEST

START_TEST(forces_add_up_to_zero)
{
    ne_context *context = layout_context(2);
    make_problem(N, 7);
    for (int mode = 0; mode < 4; mode++) {
        float              *z      = layout_make(LAYOUT_CLUSTERS, N, 2, 10);
        const negatives_job job    = job_of(2, z, &largevis, mode & 1, mode >> 1, at.f, NULL);
        double              sum[2] = {0}, size = 0;
        ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
        for (size_t i = 0; i < N; i++)
            for (size_t k = 0; k < 2; k++) {
                sum[k] += (double)at.f[2 * i + k];
                size += fabs((double)at.f[2 * i + k]);
            }
        ck_assert_double_gt(size, 1e-3);
        ck_assert_double_le(fabs(sum[0]) + fabs(sum[1]), 1e-6 * size);
        free(z);
    }
    ne_context_free(context);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    make_problem(N, 8);
    for (size_t k = 0; k <= LAYOUT_KERNELS; k++)
        for (int mode = 0; mode < 4; mode++) {
            float *z     = layout_make(LAYOUT_NORMAL, N, 2, 20);
            double first = 0;
            for (int64_t threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4) {
                ne_context         *context = layout_context(threads);
                double              loss    = NAN;
                const negatives_job job =
                    job_of(2, z, kernel_at(k), mode & 1, mode >> 1, threads == 1 ? at.f : at.again, &loss);
                ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
                if (threads == 1) first = loss;
                ck_assert_mem_eq(&loss, &first, sizeof loss);
                ck_assert(threads == 1 || memcmp(at.f, at.again, 2 * N * sizeof *at.f) == 0);
                ne_context_free(context);
            }
            free(z);
        }
}
END_TEST

START_TEST(a_range_of_rows_is_written_and_no_other)
{
    ne_context *context = layout_context(2);
    make_problem(N, 9);
    for (int mode = 0; mode < 4; mode++) {
        float        *z     = layout_make(LAYOUT_SQUARE, N, 3, 5);
        double        whole = 0, parts = 0;
        negatives_job job = job_of(3, z, &layout_kernel[0], mode & 1, mode >> 1, at.f, &whole);
        ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
        for (size_t i = 0; i < 3 * N; i++) at.again[i] = -7;
        for (size_t row = 0; row < N; row += 70) {
            double loss;
            job      = job_of(3, z, &layout_kernel[0], mode & 1, mode >> 1, at.again, &loss);
            job.row0 = row;
            job.row1 = row + 70 < N ? row + 70 : N;
            ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
            ck_assert_mem_eq(at.again, at.f, job.row1 * 3 * sizeof *at.f);
            for (size_t i = job.row1 * 3; i < 3 * N; i++) ck_assert(at.again[i] == -7);
            parts += loss;
        }
        ck_assert_double_eq_tol(parts, whole, 1e-12 * fabs(whole));
        free(z);
    }
    ne_context_free(context);
}
END_TEST

START_TEST(rows_that_are_excluded_are_not_drawn)
{
    ne_context     *context = layout_context(2);
    layout_affinity p       = layout_affinity_make(N);
    float          *z       = layout_make(LAYOUT_SQUARE, N, 2, 10);
    double          loss    = NAN;
    make_problem(N, 10);
    negatives_job job = job_of(2, z, &layout_kernel[0], 1, 1, at.f, &loss);
    job.excluded      = &p.csr;
    draw_all(&job);
    for (size_t i = 0; i < N; i++)
        for (size_t s = 0; s < M; s++) {
            ck_assert_int_ne(at.neg[i * M + s], (int)i);
            for (int64_t e = p.start[i]; e < p.start[i + 1]; e++) ck_assert_int_ne(at.neg[i * M + s], p.col[e]);
        }
    const double want = expected(&job);
    ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
    ck_assert_double_le(layout_difference(2 * N, at.f, at.want), 3e-6);
    ck_assert_double_eq_tol(loss, want, 1e-5 * fabs(want));
    free(z);
    layout_affinity_free(&p);
    ne_context_free(context);
}
END_TEST

START_TEST(a_row_with_nothing_left_to_draw_is_an_error)
{
    static const int64_t start[] = {0, 2, 4, 6};
    static const int32_t col[]   = {1, 2, 0, 2, 0, 1};
    static const float   val[6]  = {0};
    const ne_csr         all     = {sizeof all, 3, 3, start, col, val, NE_F32, NE_HOST};
    ne_context          *context = layout_context(1);
    float               *z       = layout_make(LAYOUT_SQUARE, 3, 2, 10);
    make_problem(3, 10);
    negatives_job job = job_of(2, z, &layout_kernel[0], 1, 1, at.f, NULL);
    job.excluded      = &all;
    ck_assert_int_eq(cpu_negatives(context, &job), NE_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "exclude_neighbors_from_negative_sampling"));
    free(z);
    ne_context_free(context);
}
END_TEST

START_TEST(two_and_three_rows_and_equal_rows_work)
{
    ne_context *context = layout_context(2);
    for (size_t n = 2; n <= 3; n++)
        for (int mode = 0; mode < 4; mode++) {
            float  z[6] = {0, 1, 2, 3, 5, 5}, same[6] = {1, 1, 1, 1, 1, 1};
            double loss = NAN;
            make_problem(n, 12);
            negatives_job job = job_of(2, z, &layout_kernel[0], mode & 1, mode >> 1, at.f, &loss);
            draw_all(&job);
            const double want = expected(&job);
            ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
            ck_assert_double_le(layout_difference(2 * n, at.f, at.want), 3e-6);
            ck_assert_double_eq_tol(loss, want, 1e-5 * fabs(want));
            for (size_t k = 0; k <= LAYOUT_KERNELS; k++) {
                job = job_of(2, same, kernel_at(k), mode & 1, mode >> 1, at.f, &loss);
                ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
                ck_assert(isfinite(loss));
                for (size_t i = 0; i < 2 * n; i++) ck_assert(at.f[i] == 0);
            }
        }
    ne_context_free(context);
}
END_TEST

/* 60,000 draws over 96 rotations: chi-square of 95 degrees of freedom, mean 95, deviation 13.8; five deviations. */
START_TEST(rotations_are_uniform_and_draw_each_row_once_a_slot)
{
    enum {
        POINTS = 97,
        DRAWS  = 60000
    };
    double count[POINTS] = {0}, square = 0;
    make_problem(POINTS, 13);
    for (uint32_t d = 0; d < DRAWS; d++) {
        const uint32_t turn = ne_draw_rotation(&at.problem, d / 100, d % 100);
        ck_assert_uint_ge(turn, 1);
        ck_assert_uint_le(turn, POINTS - 1);
        count[turn]++;
    }
    for (size_t t = 1; t < POINTS; t++) {
        const double mean = (double)DRAWS / (POINTS - 1);
        square += (count[t] - mean) * (count[t] - mean) / mean;
    }
    ck_assert_double_le(square, 95 + 5 * 13.8);
    ck_assert_double_ge(square, 95 - 5 * 13.8);
    const negatives_job job = job_of(2, NULL, NULL, 1, 0, NULL, NULL);
    draw_all(&job);
    for (size_t s = 0; s < M; s++) {
        int drawn[POINTS] = {0};
        for (size_t i = 0; i < POINTS; i++) drawn[at.neg[i * M + s]]++;
        for (size_t i = 0; i < POINTS; i++) ck_assert_int_eq(drawn[i], 1);
    }
}
END_TEST

/* Four points whose losses and gradients under InfoTSNE and LargeVis were computed by TorchDR 0.5 in double, with the draws
 * {3, 2}, {2, 2}, {3, 1}, {0, 2}: a seed that draws them is looked for. */
START_TEST(four_points_have_the_gradients_of_torchdr)
{
    static const float   z[]     = {0, 0, 1, 0, 0, 2, 1.5f, -1};
    static const int32_t neg[]   = {3, 2, 2, 2, 3, 1, 0, 2};
    static const int64_t start[] = {0, 3, 6, 8, 10};
    static const int32_t col[]   = {1, 2, 3, 0, 2, 3, 0, 1, 0, 1};
    /* (P + P^T) / 2 of P rows (1: .15, 2: .10), (0: .2, 3: .05), (0: .125, 1: .125), (1: .05, 0: .2) */
    static const float val[] = {0.175f, 0.1125f, 0.1f, 0.175f, 0.0625f, 0.05f, 0.1125f, 0.0625f, 0.1f, 0.05f};
    const ne_csr       p     = {sizeof p, 4, 4, start, col, val, NE_F32, NE_HOST};
    static const struct {
        double att, rep, first[2], last[2];
    } golden[] = {
        {1.19917180, -1.11813762, {-0.26477092, -0.14492749}, {-0.07668318, 0.03972758}},
        {1.48041007, 0.30608375, {-0.28039216, -0.08529412}, {0.06858662, -0.07442815}},
    };
    ne_context *context = layout_context(1);
    make_problem(4, 0);
    for (size_t i = 0; i < 4; i++) at.order[i] = (int64_t)i;
    for (int found = 0; !found; at.problem.seed += !found) {
        negatives_job job = job_of(2, z, &largevis, 0, 1, at.f, NULL);
        job.count         = 2;
        draw_all(&job);
        found = memcmp(at.neg, neg, sizeof neg) == 0;
        ck_assert_uint_le(at.problem.seed, 200000);
    }
    for (int g = 0; g < 2; g++) {
        const output_kernel *kernel = g ? &largevis : &layout_kernel[0];
        double               att = 0, rep = 0;
        float                pull[8];
        negatives_job        job     = job_of(2, z, kernel, !g, 1, at.f, &rep);
        const attraction_job attract = {
            .n = 4, .c = 2, .row1 = 4, .p = &p, .z = z, .f = pull, .loss = &att, .kernel = kernel};
        job.count = 2;
        ck_assert_int_eq(cpu_attract(context, &attract), NE_OK);
        ck_assert_int_eq(cpu_negatives(context, &job), NE_OK);
        ck_assert_double_eq_tol(att, golden[g].att, 1e-6);
        ck_assert_double_eq_tol(rep / 4, golden[g].rep, 1e-6);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_double_eq_tol(4 * (double)pull[k] - 0.5 * (double)at.f[k], golden[g].first[k], 1e-6);
            ck_assert_double_eq_tol(4 * (double)pull[6 + k] - 0.5 * (double)at.f[6 + k], golden[g].last[k], 1e-6);
        }
    }
    ne_context_free(context);
}
END_TEST

static Suite *negatives_suite(void)
{
    Suite *suite = suite_create("negatives");
    TCase *tests = tcase_create("negatives");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, forces_and_loss_equal_a_double_loop_for_every_kernel_and_width, 0, LAYOUT_KERNELS + 1);
    tcase_add_loop_test(tests, forces_are_half_the_slope_of_the_loss, 0, LAYOUT_KERNELS + 1);
    tcase_add_test(tests, forces_add_up_to_zero);
    tcase_add_test(tests, the_bits_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tests, a_range_of_rows_is_written_and_no_other);
    tcase_add_test(tests, rows_that_are_excluded_are_not_drawn);
    tcase_add_test(tests, a_row_with_nothing_left_to_draw_is_an_error);
    tcase_add_test(tests, two_and_three_rows_and_equal_rows_work);
    tcase_add_test(tests, rotations_are_uniform_and_draw_each_row_once_a_slot);
    tcase_add_test(tests, four_points_have_the_gradients_of_torchdr);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(negatives_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
