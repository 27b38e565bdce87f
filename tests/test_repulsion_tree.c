/* tests/test_repulsion_tree.c: repulsion by the tree against exact sums; the tree itself against its points. */
#include "base/random.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulse_tree.h"
#include "cpu/tree.h"
#include "cpu/tree_sums.h"
#include "fault.h"
#include "layout.h"

#include <limits.h>
#include <string.h>

/* Primes, so no multiple of any run or block. */
enum {
    N    = 2003,
    MANY = 3001,
    MOST = 20011
};

static float  f[MOST * 3], again[MOST * 3];
static double want[MANY * 3];

typedef struct setting {
    size_t               n, c;
    const output_kernel *kernel;
    double               accuracy;
    int64_t              threads;
} setting;

static repulsion_plan plan_of(setting s)
{
    return (repulsion_plan){
        .n = s.n, .c = s.c, .kernel = s.kernel, .method = NE_REPULSION_BARNES_HUT, .accuracy = s.accuracy};
}

static repulsion_job run(setting s, const float *z, float *to)
{
    ne_context          *context = layout_context(s.threads);
    const repulsion_plan plan    = plan_of(s);
    repulse_tree        *with    = NULL;
    repulsion_job        job     = {.z = z, .f = to, .row0 = 0, .row1 = s.n, .normaliser = -1};
    ck_assert_int_eq(repulse_tree_create(context, &plan, &with), NE_OK);
    ck_assert_int_eq(repulse_tree_run(context, with, &job), NE_OK);
    repulse_tree_free(context, with);
    ne_context_free(context);
    return job;
}

/* The float kernel over all pairs is good to 4e-6 (test_repulsion_exact), far below what is asked here. */
static double exact(setting s, const float *z)
{
    ne_context   *context = layout_context(1);
    repulsion_job job     = {.z = z, .f = again, .row0 = 0, .row1 = s.n};
    ck_assert_int_eq(repulse_exact(context, s.n, s.c, s.kernel, &job), NE_OK);
    for (size_t i = 0; i < s.n * s.c; i++) want[i] = (double)again[i];
    ne_context_free(context);
    return job.normaliser;
}

static void check(setting s, const float *z, double force_bound, double normaliser_bound)
{
    const double        sum = exact(s, z);
    const repulsion_job job = run(s, z, f);
    ck_assert_double_le(layout_difference(s.n * s.c, f, want), force_bound);
    ck_assert_double_eq_tol(job.normaliser, sum, normaliser_bound * sum);
}

START_TEST(forces_are_within_the_accuracy_on_layouts_of_all_sizes)
{
    static const double extents[] = {1e-4, 0.1, 1, 3, 10, 30, 100, 1000};
    for (size_t c = 2; c <= 3; c++)
        for (size_t e = 0; e < sizeof extents / sizeof *extents; e++) {
            float *z = layout_make((layout_kind)_i, MANY, c, extents[e]);
            check((setting){MANY, c, &layout_kernel[0], 0.01, 1}, z, 0.01, 0.001);
            free(z);
        }
}
END_TEST

START_TEST(forces_are_within_the_accuracy_for_all_degrees_of_freedom)
{
    static const double extents[] = {1e-4, 1, 30, 100};
    for (size_t c = 2; c <= 3; c++)
        for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
            for (layout_kind kind = LAYOUT_NORMAL; kind <= LAYOUT_CLUSTERS; kind++) {
                float *z = layout_make(kind, N, c, extents[e]);
                check((setting){N, c, &layout_kernel[_i], 0.01, 1}, z, 0.01, 0.001);
                free(z);
            }
}
END_TEST

START_TEST(what_is_asked_of_accuracy_is_given)
{
    static const double accuracies[] = {1e-4, 1e-3, 3e-3, 0.03, 0.1};
    for (size_t a = 0; a < sizeof accuracies / sizeof *accuracies; a++)
        for (size_t c = 2; c <= 3; c++)
            for (double extent = 2; extent < 400; extent *= 12) {
                float *z = layout_make(LAYOUT_CLUSTERS, MANY, c, extent);
                check((setting){MANY, c, &layout_kernel[0], accuracies[a], 1}, z, accuracies[a], accuracies[a]);
                free(z);
            }
}
END_TEST

/* All cells are one: the series is exact but for rounding, also where forces are 1e-4 times the number of points. */
START_TEST(a_tiny_layout_loses_nothing_to_rounding)
{
    for (size_t c = 2; c <= 3; c++)
        for (double move = 0; move < 2; move++) {
            const setting s = {N, c, &layout_kernel[0], 0.01, 1};
            float        *z = layout_make(LAYOUT_NORMAL, N, c, 1e-3);
            for (size_t i = 0; i < N * c; i++) z[i] = rintf(z[i] * 0x1p20f) * 0x1p-20f + (float)move;
            const double        sum = exact(s, z);
            const repulsion_job job = run(s, z, f);
            ck_assert_double_le(layout_difference(N * c, f, want), 1e-5);
            ck_assert_double_eq_tol(job.normaliser, sum, 1e-6 * sum);
            free(z);
        }
}
END_TEST

/* A hundred thousand equal points would be 10^10 pairs. */
START_TEST(equal_points_are_one_cell)
{
    static const size_t n = 100000;
    float              *z = malloc(3 * n * sizeof *z), *to = malloc(3 * n * sizeof *to);
    ck_assert(z && to);
    for (size_t c = 2; c <= 3; c++) {
        for (size_t i = 0; i < c * n; i++) z[i] = 2.5f;
        const repulsion_job all = run((setting){n, c, &layout_kernel[0], 0.01, 2}, z, to);
        ck_assert_double_eq_tol(all.normaliser, (double)n * (double)(n - 1), 1e-6 * (double)n * (double)n);
        for (size_t i = 0; i < c * n; i++) ck_assert_float_eq(to[i], 0);
        /* Two such points at a distance of 3, q = 1 / 10. */
        for (size_t i = 0; i < n; i += 2) z[i * c] = 5.5f;
        const repulsion_job two = run((setting){n, c, &layout_kernel[0], 0.01, 2}, z, to);
        ck_assert_double_eq_tol(two.normaliser, 0.55 * (double)n * (double)n - (double)n, 1e-5 * (double)n * (double)n);
        for (size_t i = 0; i < n; i++) {
            ck_assert_float_eq_tol(to[i * c], (i % 2 ? -0.015f : 0.015f) * (float)n, 1e-5f * (float)n);
            ck_assert_float_eq_tol(to[i * c + 1], 0, 1e-5f * (float)n);
        }
    }
    free(z);
    free(to);
}
END_TEST

START_TEST(few_points_are_exact)
{
    for (size_t c = 2; c <= 3; c++)
        for (size_t n = 1; n <= 12; n++)
            for (double extent = 30; extent < 4e7; extent *= 100) {
                const setting       s   = {n, c, &layout_kernel[0], 0.01, 3};
                float              *z   = layout_make(LAYOUT_SQUARE, n, c, extent);
                const double        sum = exact(s, z);
                const repulsion_job job = run(s, z, f);
                ck_assert_double_le(layout_difference(n * c, f, want), 2e-6);
                ck_assert_double_eq_tol(job.normaliser, sum, 2e-6 * sum + 1e-30);
                free(z);
            }
}
END_TEST

/* Thirty places with a hundred points each: most runs are two places, with all targets at the ends of their box. */
START_TEST(runs_of_two_clusters_are_not_taken_for_full_boxes)
{
    for (double extent = 5; extent < 50; extent *= 2) {
        float *z = layout_make(LAYOUT_SQUARE, MANY, 2, extent);
        for (size_t i = 30; i < MANY; i++) memcpy(z + 2 * i, z + 2 * (i % 30), 2 * sizeof *z);
        check((setting){MANY, 2, &layout_kernel[0], 0.01, 1}, z, 0.05, 0.001);
        free(z);
    }
}
END_TEST

START_TEST(a_point_beyond_all_others_changes_nothing_for_them)
{
    for (size_t c = 2; c <= 3; c++)
        for (double far = 1e3; far < 1e12; far *= 1e4) {
            const setting s = {N, c, &layout_kernel[0], 0.01, 2};
            float        *z = layout_make(LAYOUT_CLUSTERS, N, c, 40);
            z[17 * c + 1]   = (float)far;
            check(s, z, 0.01, 0.001);
            free(z);
        }
}
END_TEST

START_TEST(coordinates_that_are_not_finite_give_nan_and_an_end)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t c = 2; c <= 3; c++)
        for (size_t b = 0; b < 3; b++)
            for (size_t every = 1; every <= N; every += N - 1) {
                float *z = layout_make(LAYOUT_SQUARE, N, c, 10);
                for (size_t i = 0; i < N * c; i += every) z[i] = bad[b];
                const repulsion_job job = run((setting){N, c, &layout_kernel[0], 0.01, 2}, z, f);
                ck_assert(isnan(job.normaliser));
                for (size_t i = 0; i < N * c; i++) ck_assert(isnan(f[i]));
                free(z);
            }
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    for (size_t c = 2; c <= 3; c++)
        for (double extent = 0.5; extent < 100; extent *= 10) {
            setting             s   = {MOST, c, &layout_kernel[_i], 0.01, 1};
            float              *z   = layout_make(LAYOUT_CLUSTERS, MOST, c, extent);
            const repulsion_job one = run(s, z, f);
            for (s.threads = 2; s.threads <= 7; s.threads += s.threads < 3 ? 1 : 4) {
                const repulsion_job many = run(s, z, again);
                ck_assert_mem_eq(&many.normaliser, &one.normaliser, sizeof one.normaliser);
                ck_assert_mem_eq(f, again, MOST * c * sizeof *f);
            }
            free(z);
        }
}
END_TEST

START_TEST(a_second_run_does_not_see_the_first)
{
    const setting        s       = {N, 2, &layout_kernel[0], 0.01, 2};
    const repulsion_plan plan    = plan_of(s);
    ne_context          *context = layout_context(2);
    repulse_tree        *with    = NULL;
    float               *z = layout_make(LAYOUT_CLUSTERS, N, 2, 30), *other = layout_make(LAYOUT_SQUARE, N, 2, 3000);
    const repulsion_job  fresh = run(s, z, f);
    ck_assert_int_eq(repulse_tree_create(context, &plan, &with), NE_OK);
    other[77] = NAN;
    for (int round = 0; round < 3; round++) {
        repulsion_job job = {.z = round == 2 ? z : other, .f = again, .row0 = 0, .row1 = N};
        if (round == 1) other[77] = 0;
        ck_assert_int_eq(repulse_tree_run(context, with, &job), NE_OK);
        if (round == 2) ck_assert_mem_eq(&job.normaliser, &fresh.normaliser, sizeof job.normaliser);
    }
    ck_assert_mem_eq(f, again, N * 2 * sizeof *f);
    repulse_tree_free(context, with);
    free(z);
    free(other);
    ne_context_free(context);
}
END_TEST

START_TEST(a_range_of_rows_is_written_and_no_other)
{
    const setting        s       = {N, 2, &layout_kernel[0], 0.01, 2};
    const repulsion_plan plan    = plan_of(s);
    ne_context          *context = layout_context(2);
    repulse_tree        *with    = NULL;
    float               *z       = layout_make(LAYOUT_CLUSTERS, N, 2, 30);
    const repulsion_job  whole   = run(s, z, f);
    double               sum     = 0;
    ck_assert_int_eq(repulse_tree_create(context, &plan, &with), NE_OK);
    for (size_t i = 0; i < N * 2; i++) again[i] = -7;
    for (size_t row = 0; row < N; row += 600) {
        repulsion_job part = {.z = z, .f = again, .row0 = row, .row1 = row + 600 < N ? row + 600 : N};
        ck_assert_int_eq(repulse_tree_run(context, with, &part), NE_OK);
        ck_assert_mem_eq(again, f, part.row1 * 2 * sizeof *f);
        for (size_t i = part.row1 * 2; i < N * 2; i++) ck_assert(again[i] == -7);
        sum += part.normaliser;
    }
    ck_assert_double_eq_tol(sum, whole.normaliser, 1e-12 * sum);
    repulse_tree_free(context, with);
    free(z);
    ne_context_free(context);
}
END_TEST

START_TEST(what_the_tree_cannot_do_it_says)
{
    ne_context   *context = layout_context(1);
    repulse_tree *with    = NULL;
    for (size_t c = 1; c <= 4; c += 3) {
        const repulsion_plan plan = plan_of((setting){N, c, &layout_kernel[0], 0.01, 1});
        ck_assert_int_eq(repulse_tree_create(context, &plan, &with), NE_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(ne_last_error(), "2 and 3"));
        ck_assert(isinf(repulse_tree_cost(&plan, 10, 1)));
    }
    for (size_t k = 4; k < LAYOUT_KERNELS; k++) {
        const repulsion_plan plan = plan_of((setting){N, 2, &layout_kernel[k], 0.01, 1});
        ck_assert_int_eq(repulse_tree_create(context, &plan, &with), NE_UNSUPPORTED);
        ck_assert(isinf(repulse_tree_cost(&plan, 10, 1)));
    }
    ck_assert_ptr_null(with);
    ne_context_free(context);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    const setting        s       = {N, 2, &layout_kernel[0], 0.01, 1};
    const repulsion_plan plan    = plan_of(s);
    fault                mem     = {.until = LONG_MAX};
    ne_context          *context = NULL;
    float               *z       = layout_make(LAYOUT_CLUSTERS, N, 2, 30);
    run(s, z, f);
    ck_assert_int_eq(ne_context_create_with(&(ne_allocator){fault_allocate, fault_release, &mem}, &context), NE_OK);
    ck_assert_int_eq(ne_context_set_int(context, "threads", 1), NE_OK);
    const long before = mem.live;
    mem.sticky        = _i;
    for (long k = 0, fired = 1; fired; k++) {
        repulse_tree *with = NULL;
        repulsion_job job  = {.z = z, .f = again, .row0 = 0, .row1 = N};
        mem.fired          = 0;
        mem.until          = k;
        ne_status st       = repulse_tree_create(context, &plan, &with);
        if (st == NE_OK) st = repulse_tree_run(context, with, &job);
        mem.until = LONG_MAX;
        fired     = mem.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        if (with) { /* it can be run again */
            ck_assert_int_eq(repulse_tree_run(context, with, &job), NE_OK);
            ck_assert_mem_eq(f, again, N * 2 * sizeof *f);
        }
        repulse_tree_free(context, with);
        ck_assert_int_eq(mem.live, before);
    }
    free(z);
    ne_context_free(context);
}
END_TEST

START_TEST(costs_grow_with_points_extent_and_demand_and_fall_with_threads)
{
    for (size_t c = 2; c <= 3; c++) {
        repulsion_plan plan = plan_of((setting){10000, c, &layout_kernel[0], 0.01, 1}), more = plan, strict = plan;
        more.n          = 40000;
        strict.accuracy = 0.001;
        ck_assert_double_gt(repulse_tree_cost(&more, 50, 1), 3 * repulse_tree_cost(&plan, 50, 1));
        ck_assert_double_gt(repulse_tree_cost(&plan, 50, 1), 2 * repulse_tree_cost(&plan, 0.1, 1));
        ck_assert_double_gt(repulse_tree_cost(&strict, 50, 1), 1.2 * repulse_tree_cost(&plan, 50, 1));
        ck_assert_double_lt(repulse_tree_cost(&plan, 50, 4), 0.5 * repulse_tree_cost(&plan, 50, 1));
        ck_assert_double_gt(repulse_exact_cost(&plan, 10000, 1), repulse_tree_cost(&plan, 50, 1));
    }
}
END_TEST

/* --- The parts. */

START_TEST(a_tree_holds_every_point_once_and_its_sums_are_those_of_its_points)
{
    const size_t c       = 2 + (size_t)_i % 2;
    ne_context  *context = layout_context(2);
    tree         of      = {0};
    for (layout_kind kind = LAYOUT_SQUARE; kind < LAYOUT_KINDS; kind++) {
        float *z    = layout_make(kind, N, c, 50);
        char  *seen = calloc(N, 1);
        ck_assert_ptr_nonnull(seen);
        ck_assert_int_eq(tree_build(context, &of, N, c, z, 12, 0.3), NE_OK);
        for (size_t i = 0; i < N; i++) {
            ck_assert(!seen[of.curve.order[i]]++);
            for (size_t k = 0; k < c; k++) ck_assert(of.x[k][i] == z[of.curve.order[i] * c + k] - of.origin[k]);
            ck_assert(i == 0 || of.curve.key[i - 1] <= of.curve.key[i]);
        }
        for (size_t id = 0; id < of.nodes; id++) {
            const tree_node *node    = &of.node[id];
            uint32_t         next    = node->first;
            double           mean[3] = {0}, second[3][3] = {{0}}, trace = 0;
            for (uint32_t i = 0; i < node->children; i++) { /* children share the points out */
                ck_assert_uint_eq(of.node[node->child + i].first, next);
                next = of.node[node->child + i].last;
            }
            if (node->children) ck_assert_uint_eq(next, node->last);
            for (size_t k = 0; k < c && !node->children && node->last - node->first > 12; k++) { /* as small as asked */
                float low = INFINITY, high = -INFINITY;
                for (uint32_t i = node->first; i < node->last; i++) {
                    low  = fminf(low, of.x[k][i]);
                    high = fmaxf(high, of.x[k][i]);
                }
                ck_assert_float_le(high - low, 0.3f * 1.001f);
            }
            ck_assert(node->children != 1 && node->first < node->last);
            const double count = node->last - node->first;
            ck_assert_float_eq(of.moments[id].weight, (float)count);
            for (uint32_t i = node->first; i < node->last; i++)
                for (size_t k = 0; k < c; k++) mean[k] += (double)of.x[k][i] / count;
            for (uint32_t i = node->first; i < node->last; i++) {
                double square = 0;
                for (size_t k = 0; k < c; k++) {
                    const double d = (double)of.x[k][i] - (double)node->center[k];
                    square += d * d;
                    for (size_t l = 0; l < c; l++) second[k][l] += d * ((double)of.x[l][i] - (double)node->center[l]);
                }
                trace += square;
                ck_assert_double_le(sqrt(square), (double)node->radius * (1 + 1e-5) + 1e-5);
            }
            ck_assert_double_ge((double)node->radius * (1 + 1e-5) + 1e-5, sqrt(3 * trace / count));
            ck_assert_double_eq_tol((double)of.moments[id].trace, trace, 1e-5 * trace + 1e-5);
            size_t entry = 0;
            for (size_t k = 0; k < c; k++) {
                ck_assert_double_eq_tol((double)node->center[k], mean[k], 1e-5 * (1 + fabs(mean[k])));
                for (size_t l = k; l < c; l++)
                    ck_assert_double_eq_tol((double)of.moments[id].second[entry++], 2 * second[k][l],
                                            2e-5 * trace + 1e-5);
            }
        }
        free(seen);
        free(z);
    }
    tree_clear(context, &of);
    ne_context_free(context);
}
END_TEST

/* All points of a grid of 8 or 16 a side: on the Hilbert curve, one step is one place along one column. */
START_TEST(points_next_to_each_other_in_the_trees_order_are_neighbors)
{
    const size_t c = 2 + (size_t)_i % 2, side = c == 2 ? 16 : 8, n = c == 2 ? 256 : 512;
    ne_context  *context = layout_context(1);
    tree         of      = {0};
    float        z[512 * 3];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, rest = (i * 37) % n; k < c; k++, rest /= side) z[i * c + k] = (float)(rest % side);
    ck_assert_int_eq(tree_build(context, &of, n, c, z, 1, 1), NE_OK);
    for (size_t i = 1; i < n; i++) {
        float step = 0;
        for (size_t k = 0; k < c; k++) step += fabsf(of.x[k][i] - of.x[k][i - 1]);
        ck_assert_float_eq(step, 1);
    }
    tree_clear(context, &of);
    ne_context_free(context);
}
END_TEST

/* One far cell of two points: the polynomial against the sum over both points, its error against the sixth power,
 * and its forces against differences of its own potential. */
START_TEST(the_polynomial_of_a_cell_converges_to_its_points)
{
    const size_t         c      = 2 + (size_t)_i % 2;
    const output_kernel *kernel = &layout_kernel[_i / 2];
    const kernel_numbers by     = {(float)kernel->shape, (float)(0.5 * (kernel->shape + 1))};
    static tree_sums     sums;
    tree                 of = {.c = c};
    static float         column[3][RUN + TREE_PAD];
    double               errors[2];
    for (int halved = 0; halved < 2; halved++) {
        const double        scale        = halved ? 0.5 : 1;
        double              worst        = 0;
        static const double direction[3] = {0.3, -0.2, 0.15}, place[3] = {1.1, 0.7, -0.4};
        double              trace = 0;
        memset(&sums, 0, sizeof sums);
        sums.far.count = 1;
        size_t entry   = 0;
        for (size_t k = 0; k < c; k++) {
            sums.far.center[k][0] = (float)place[k];
            trace += 2 * scale * scale * direction[k] * direction[k];
            for (size_t l = k; l < c; l++)
                sums.far.second[entry++][0] = (float)(4 * scale * scale * direction[k] * direction[l]);
        }
        sums.far.weight[0] = 2;
        sums.far.trace[0]  = (float)trace;
        tree_sums_add_far((int)c, &by, &sums);
        ck_assert_uint_eq(sums.far.count, 0);
        const float moved[3] = {(float)(0.1 * scale), (float)(-0.05 * scale), (float)(0.02 * scale)};
        tree_sums_shift((int)c, &sums, moved); /* changes the middle, not the polynomial */
        for (size_t i = 0; i < RUN; i++)
            for (size_t k = 0; k < c; k++)
                column[k][i] = (float)(scale * 0.4 * (random_unit(random_draw(1, 1, 1, i, (uint32_t)k).word[0]) - 0.5));
        for (size_t k = 0; k < c; k++) of.x[k] = column[k];
        tree_sums_add_series(&of, 0, RUN, &sums);
        for (size_t i = 0; i < RUN; i++) {
            double potential = 0, force[3] = {0};
            for (double side = -1; side < 2; side += 2) {
                double s = 0, w;
                for (size_t k = 0; k < c; k++) {
                    const double d = (double)column[k][i] - place[k] - side * scale * direction[k];
                    s += d * d;
                }
                const double q = exp(layout_log_q(kernel, s, &w));
                potential += q;
                for (size_t k = 0; k < c; k++)
                    force[k] += q * w * ((double)column[k][i] - place[k] - side * scale * direction[k]);
            }
            worst = fmax(worst, fabs((double)sums.potential[i] - potential));
            for (size_t k = 0; k < c; k++) worst = fmax(worst, fabs((double)sums.force[k][i] - force[k]));
        }
        errors[halved] = worst;
    }
    /* Forces are wrong in fourth order of the sizes of cell and group, so by a sixteenth: leave room for the fifth. */
    ck_assert_double_le(errors[0], 0.02);
    ck_assert_double_le(errors[1], errors[0] / 10 + 1e-6);
}
END_TEST

Suite *repulsion_tree_suite(void);

Suite *repulsion_tree_suite(void)
{
    Suite *suite = suite_create("repulsion_tree");
    TCase *sums = tcase_create("sums"), *parts = tcase_create("parts");
    tcase_set_timeout(sums, 300);
    tcase_set_timeout(parts, 60);
    tcase_add_loop_test(sums, forces_are_within_the_accuracy_on_layouts_of_all_sizes, 0, LAYOUT_KINDS);
    tcase_add_loop_test(sums, forces_are_within_the_accuracy_for_all_degrees_of_freedom, 0, 4);
    tcase_add_test(sums, what_is_asked_of_accuracy_is_given);
    tcase_add_test(sums, a_tiny_layout_loses_nothing_to_rounding);
    tcase_add_test(sums, equal_points_are_one_cell);
    tcase_add_test(sums, few_points_are_exact);
    tcase_add_test(sums, runs_of_two_clusters_are_not_taken_for_full_boxes);
    tcase_add_test(sums, a_point_beyond_all_others_changes_nothing_for_them);
    tcase_add_test(sums, coordinates_that_are_not_finite_give_nan_and_an_end);
    tcase_add_loop_test(sums, the_bits_do_not_depend_on_the_number_of_threads, 0, 2);
    tcase_add_test(sums, a_second_run_does_not_see_the_first);
    tcase_add_test(sums, a_range_of_rows_is_written_and_no_other);
    tcase_add_test(sums, what_the_tree_cannot_do_it_says);
    tcase_add_loop_test(sums, every_failed_allocation_is_reported_and_loses_nothing, 0, 2);
    tcase_add_test(sums, costs_grow_with_points_extent_and_demand_and_fall_with_threads);
    tcase_add_loop_test(parts, a_tree_holds_every_point_once_and_its_sums_are_those_of_its_points, 0, 2);
    tcase_add_loop_test(parts, points_next_to_each_other_in_the_trees_order_are_neighbors, 0, 2);
    tcase_add_loop_test(parts, the_polynomial_of_a_cell_converges_to_its_points, 0, 8);
    suite_add_tcase(suite, sums);
    suite_add_tcase(suite, parts);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(repulsion_tree_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
