/* tests/test_pca.c: principal components from their definition: orthonormal rows v of X^T X v = (n - 1) variance v, in
 * order, that leave no more behind than any others; every road (covariance, Gram matrix, products alone; LAPACK and
 * iteration). */
#include "base/random.h"
#include "cpu/pca.h"
#include "fault.h"
#include "ne.h"

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ne_context *context;

static void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

static void close_context(void)
{
    ne_context_free(context);
}

static double normal(uint32_t step, size_t i, size_t j)
{
    const random_block draw = random_draw(11, STREAM_SAMPLE, step, i, (uint32_t)j);
    double             pair[2];
    random_normal(draw.word[0], draw.word[1], pair);
    return pair[0];
}

/* Rows with `latent` directions of standard deviations 8, 4, 2.67, 2, ... over noise of 0.1 and a shift: the same
 * numbers in both types. Direction l of column j is normal(1, l, j) / sqrt(d), nearly orthonormal. */
typedef struct data {
    size_t  n, d;
    float  *f;
    double *x;
} data;

static data make(size_t n, size_t d, size_t latent, double noise, double shift)
{
    data    made      = {n, d, malloc(n * d * sizeof(float)), malloc(n * d * sizeof(double))};
    double *direction = malloc(latent * d * sizeof *direction), *score = malloc(latent * sizeof *score);
    ck_assert(made.f && made.x && direction && score);
    for (size_t l = 0; l < latent; l++)
        for (size_t j = 0; j < d; j++) direction[l * d + j] = normal(1, l, j) / sqrt((double)d);
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < latent; l++) score[l] = 8 / (double)(l + 1) * normal(0, i, l);
        for (size_t j = 0; j < d; j++) {
            double sum = shift + noise * normal(2, i, j);
            for (size_t l = 0; l < latent; l++) sum += score[l] * direction[l * d + j];
            made.f[i * d + j] = (float)sum;
            made.x[i * d + j] = (double)made.f[i * d + j];
        }
    }
    free(direction);
    free(score);
    return made;
}

static void data_free(data *of)
{
    free(of->f);
    free(of->x);
}

typedef struct components {
    size_t  count, d;
    double *mean, *v, *variance;
} components;

static components fit(const data *of, ne_dtype dtype, size_t count)
{
    components     got = {count, of->d, NULL, NULL, NULL};
    const ne_dense x   = {sizeof x, dtype == NE_F32 ? (void *)of->f : (void *)of->x, of->n, of->d, 0, (int32_t)dtype,
                          NE_HOST};
    got.mean           = malloc(of->d * sizeof *got.mean);
    got.v              = malloc(count * of->d * sizeof *got.v);
    got.variance       = malloc(count * sizeof *got.variance);
    const pca_job job  = {.x = &x, .count = count, .mean = got.mean, .components = got.v, .variance = got.variance};
    ck_assert_msg(cpu_pca(context, &job) == NE_OK, "%s", ne_last_error());
    return got;
}

static void components_free(components *of)
{
    free(of->mean);
    free(of->v);
    free(of->variance);
}

/* X^T X v / (n - 1) for one v, in double loops. */
static void slow_product(const data *of, const double *mean, const double *v, double *to)
{
    for (size_t j = 0; j < of->d; j++) to[j] = 0;
    for (size_t i = 0; i < of->n; i++) {
        double dot = 0;
        for (size_t j = 0; j < of->d; j++) dot += (of->x[i * of->d + j] - mean[j]) * v[j];
        for (size_t j = 0; j < of->d; j++) to[j] += dot * (of->x[i * of->d + j] - mean[j]) / (double)(of->n - 1);
    }
}

static double dot(const double *a, const double *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++) sum += a[j] * b[j];
    return sum;
}

/* Orthonormal, in order, signs, variances and residuals: |S v - t v| <= accuracy * S's largest eigenvalue. */
static void check_components(const data *of, const components *got, double accuracy)
{
    double *image = malloc(of->d * sizeof *image);
    for (size_t j = 0; j < of->d; j++) {
        double mean = 0;
        for (size_t i = 0; i < of->n; i++) mean += of->x[i * of->d + j] / (double)of->n;
        ck_assert(fabs(got->mean[j] - mean) <= 1e-12 * (1 + fabs(mean)));
    }
    for (size_t a = 0; a < got->count; a++) {
        const double *v       = got->v + a * of->d;
        size_t        largest = 0;
        for (size_t j = 1; j < of->d; j++) largest = fabs(v[j]) > fabs(v[largest]) ? j : largest;
        ck_assert_msg(v[largest] > 0, "component %zu: its largest entry is negative", a);
        if (a) ck_assert(got->variance[a] <= got->variance[a - 1] && got->variance[a] >= 0);
        for (size_t b = 0; b <= a; b++) ck_assert(fabs(dot(v, got->v + b * of->d, of->d) - (a == b)) <= 1e-9);
        slow_product(of, got->mean, v, image);
        for (size_t j = 0; j < of->d; j++) image[j] -= got->variance[a] * v[j];
        const double residual = sqrt(dot(image, image, of->d));
        ck_assert_msg(residual <= accuracy * got->variance[0], "component %zu: residual %g of %g", a, residual,
                      got->variance[0]);
    }
    free(image);
}

/* No direction at right angles to the components has more variance than the last one: power iteration from outside. */
static void check_nothing_is_missed(const data *of, const components *got, double accuracy)
{
    double *v = malloc(of->d * sizeof *v), *image = malloc(of->d * sizeof *image), most = 0;
    for (size_t j = 0; j < of->d; j++) v[j] = normal(7, 0, j);
    for (int step = 0; step < 60; step++) {
        for (int twice = 0; twice < 2; twice++) { /* what is left the first time may be rounding along the components */
            for (size_t a = 0; a < got->count; a++) {
                const double along = dot(v, got->v + a * of->d, of->d);
                for (size_t j = 0; j < of->d; j++) v[j] -= along * got->v[a * of->d + j];
            }
            const double length = sqrt(dot(v, v, of->d));
            for (size_t j = 0; j < of->d && length > 0; j++) v[j] /= length;
        }
        slow_product(of, got->mean, v, image);
        most = dot(v, image, of->d);
        memcpy(v, image, of->d * sizeof *v);
    }
    ck_assert_msg(most <= got->variance[got->count - 1] + accuracy * got->variance[0],
                  "%g is left, the last one has %g", most, got->variance[got->count - 1]);
    free(v);
    free(image);
}

/* f32 data: products of 256 floats are off by 256 x 2^-24 at most, 1.5e-5, and by some roundings in practice; f64:
 * rounding, or the iteration's stop at a residual of a millionth of the gap. */
static const double F32 = 1e-6, F64 = 1e-6;

START_TEST(components_are_eigenvectors_and_the_leading_ones)
{
    static const struct {
        size_t n, d, count;
    } shapes[] = {{300, 5, 5},  {300, 50, 3}, {500, 130, 2}, {500, 130, 20},
                  {60, 60, 60}, {90, 300, 4}, {150, 400, 2}, {40, 333, 39}};
    data of    = make(shapes[_i].n, shapes[_i].d, 4, 0.1, _i % 2 ? 30 : 0);
    for (int type = NE_F32; type <= NE_F64; type++) {
        components got = fit(&of, (ne_dtype)type, shapes[_i].count);
        check_components(&of, &got, type == NE_F32 ? F32 : F64);
        if (shapes[_i].count < of.d) check_nothing_is_missed(&of, &got, F32);
        components_free(&got);
    }
    data_free(&of);
}
END_TEST

START_TEST(large_problems_are_solved_by_products_alone)
{
    data       of  = make(2100, 2050, 3, 0.05, 5);
    components got = fit(&of, NE_F32, 2);
    check_components(&of, &got, F64);
    check_nothing_is_missed(&of, &got, F64);
    components_free(&got);
    data_free(&of);
}
END_TEST

START_TEST(two_columns_have_the_closed_form)
{
    data of = make(1000, 2, 1, 0, 0);
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < 2; j++) {
            of.f[2 * i + j] = (float)(j ? normal(3, i, 0) + 0.5 * normal(3, i, 1) : 2 * normal(3, i, 1)) + 7;
            of.x[2 * i + j] = (double)of.f[2 * i + j];
        }
    double m[2] = {0}, s[3] = {0};
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < 2; j++) m[j] += of.x[2 * i + j] / 1000;
    for (size_t i = 0; i < of.n; i++) {
        s[0] += (of.x[2 * i] - m[0]) * (of.x[2 * i] - m[0]) / 999;
        s[1] += (of.x[2 * i] - m[0]) * (of.x[2 * i + 1] - m[1]) / 999;
        s[2] += (of.x[2 * i + 1] - m[1]) * (of.x[2 * i + 1] - m[1]) / 999;
    }
    const double half = (s[0] + s[2]) / 2, root = sqrt((s[0] - s[2]) * (s[0] - s[2]) / 4 + s[1] * s[1]);
    const double angle = 0.5 * atan2(2 * s[1], s[0] - s[2]);
    for (int type = NE_F32; type <= NE_F64; type++) {
        components   got = fit(&of, (ne_dtype)type, 2);
        const double tol = type == NE_F32 ? 1e-6 : 1e-12;
        ck_assert_double_eq_tol(got.variance[0], half + root, tol * half);
        ck_assert_double_eq_tol(got.variance[1], half - root, tol * half);
        ck_assert_double_eq_tol(got.v[0], fabs(cos(angle)), tol);
        ck_assert_double_eq_tol(got.v[1], sin(angle) * (cos(angle) < 0 ? -1 : 1), tol);
        components_free(&got);
    }
    data_free(&of);
}
END_TEST

START_TEST(constant_and_short_data_have_finite_orthonormal_components)
{
    static const struct {
        size_t n, d, count;
    } shapes[] = {{1, 1, 1}, {1, 3, 1}, {2, 2, 2}, {2, 500, 2}, {30, 4, 4}, {30, 100, 30}, {200, 90, 7}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int constant = 0; constant < 2; constant++) {
            data of = make(shapes[s].n, shapes[s].d, 2, 0.1, 0);
            for (size_t e = 0; e < of.n * of.d && constant; e++) of.x[e] = (double)(of.f[e] = 0.1f);
            for (int type = NE_F32; type <= NE_F64; type++) {
                components got = fit(&of, (ne_dtype)type, shapes[s].count);
                for (size_t a = 0; a < got.count; a++) {
                    ck_assert(isfinite(got.variance[a]) && got.variance[a] >= 0);
                    if (constant) ck_assert(got.variance[a] < 1e-15);
                    for (size_t b = 0; b <= a; b++)
                        ck_assert(fabs(dot(got.v + a * of.d, got.v + b * of.d, of.d) - (a == b)) <= 1e-9);
                }
                components_free(&got);
            }
            data_free(&of);
        }
}
END_TEST

START_TEST(equal_variances_are_told_apart_or_not_but_span_the_right_plane)
{
    data of = make(400, 100, 1, 0, 0); /* variance 4 along axes 10 and 20, exactly equal; 1 along axis 30 */
    for (size_t i = 0; i < of.n; i++)
        for (size_t j = 0; j < of.d; j++) {
            const double value = j == 10   ? (i % 4 == 0   ? 4
                                              : i % 4 == 1 ? -4
                                                           : 0)
                                 : j == 20 ? (i % 4 == 2   ? 4
                                              : i % 4 == 3 ? -4
                                                           : 0)
                                 : j == 30 ? (i / 4 % 2 ? 1 : -1)
                                           : 0;
            of.f[i * of.d + j] = (float)value;
            of.x[i * of.d + j] = value;
        }
    components got = fit(&of, NE_F32, 3);
    for (size_t a = 0; a < 3; a++) {
        const double *v = got.v + a * of.d;
        ck_assert_double_eq_tol(got.variance[a], (a < 2 ? 8.0 : 1.0) * 400 / 399, 1e-6);
        ck_assert_double_eq_tol(a < 2 ? v[10] * v[10] + v[20] * v[20] : v[30] * v[30], 1, 1e-9);
    }
    components_free(&got);
    data_free(&of);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const size_t shapes[][3] = {{700, 200, 2}, {700, 200, 20}, {90, 300, 5}, {2100, 2030, 1}};
    data                of          = make(shapes[_i][0], shapes[_i][1], 3, 0.1, 1);
    components          first       = {0};
    for (int64_t threads = 1; threads <= 7; threads += threads == 3 ? 4 : 1) {
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
        components got = fit(&of, NE_F32, shapes[_i][2]);
        if (threads == 1) {
            first = got;
        } else {
            ck_assert_mem_eq(got.v, first.v, got.count * of.d * sizeof *got.v);
            ck_assert_mem_eq(got.mean, first.mean, of.d * sizeof *got.mean);
            ck_assert_mem_eq(got.variance, first.variance, got.count * sizeof *got.variance);
            components_free(&got);
        }
    }
    components_free(&first);
    data_free(&of);
}
END_TEST

START_TEST(doubles_beyond_the_range_of_float_are_taken)
{
    data of = make(200, 80, 3, 0.1, 0);
    for (size_t e = 0; e < of.n * of.d; e++) of.x[e] *= 0x1p300;
    components got = fit(&of, NE_F64, 2), one;
    for (size_t e = 0; e < of.n * of.d; e++) of.x[e] *= 0x1p-300;
    one = fit(&of, NE_F64, 2);
    for (size_t j = 0; j < 2 * of.d; j++) ck_assert_double_eq_tol(got.v[j], one.v[j], 1e-6);
    components_free(&got);
    components_free(&one);
    data_free(&of);
}
END_TEST

START_TEST(a_count_out_of_range_and_every_failed_allocation_are_reported)
{
    fault              mem     = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *own     = NULL;
    double             mean[300], v[6 * 300], variance[6];
    data               of  = make(_i ? 90 : 300, 120, 2, 0.1, 0);
    const ne_dense     x   = {sizeof x, of.f, of.n, of.d, 0, NE_F32, NE_HOST};
    pca_job            job = {.x = &x, .mean = mean, .components = v, .variance = variance};
    ck_assert_int_eq(cpu_pca(context, &job), NE_OUT_OF_RANGE);
    job.count = 121;
    ck_assert_int_eq(cpu_pca(context, &job), NE_OUT_OF_RANGE);
    ck_assert_str_eq(ne_last_error(), _i ? "n_components: 121 is outside [1, 90], the smaller of rows and columns"
                                         : "n_components: 121 is outside [1, 120], the smaller of rows and columns");
    job.count = 2;
    ck_assert_int_eq(ne_context_create_with(&failing, &own), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const long before  = mem.live;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = cpu_pca(own, &job);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", k, (int)st);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
    data_free(&of);
}
END_TEST

Suite *pca_suite(void);

Suite *pca_suite(void)
{
    Suite *suite = suite_create("pca");
    TCase *tests = tcase_create("pca");
    tcase_add_checked_fixture(tests, open_context, close_context);
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, components_are_eigenvectors_and_the_leading_ones, 0, 8);
    tcase_add_test(tests, large_problems_are_solved_by_products_alone);
    tcase_add_test(tests, two_columns_have_the_closed_form);
    tcase_add_test(tests, constant_and_short_data_have_finite_orthonormal_components);
    tcase_add_test(tests, equal_variances_are_told_apart_or_not_but_span_the_right_plane);
    tcase_add_loop_test(tests, the_bits_do_not_depend_on_the_number_of_threads, 0, 4);
    tcase_add_test(tests, doubles_beyond_the_range_of_float_are_taken);
    tcase_add_loop_test(tests, a_count_out_of_range_and_every_failed_allocation_are_reported, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(pca_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
