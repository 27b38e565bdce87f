/* tests/test_fft.c: the transforms of cpu/fft.h against sums in double, written from the definition.
 *
 * Tolerance. A radix-r stage rounds each of its outputs by at most about 4 eps of the rows' norm, so after log n / log
 * 2 stages at most the relative L2 error is below 4 eps log2 n; rounding being random, it is found ten times
 * smaller. */
#include "cpu/fft.h"
#include "data.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST   = 2160,
    ALL_UP_TO = 400
};

static ne_context context;
static fft_plan   plan;
static float     *in, *rows, *out;

static const double two_pi = 6.283185307179586476925;

static void open_all(void)
{
    context = (ne_context){.memory = memory_default, .params = {.threads = 1}};
    in      = memory_new(&memory_default, LONGEST, FFT_ROW * sizeof *in);
    rows    = memory_new(&memory_default, LONGEST, FFT_ROW * sizeof *rows);
    out     = memory_new(&memory_default, LONGEST, FFT_ROW * sizeof *out);
    ck_assert(in && rows && out);
}

static void close_all(void)
{
    fft_clear(&context, &plan);
    memory_free(&memory_default, in);
    memory_free(&memory_default, rows);
    memory_free(&memory_default, out);
}

static void start(size_t n)
{
    uint64_t state = n;
    fft_clear(&context, &plan);
    ck_assert_int_eq(fft_create(&context, n, &plan), NE_OK);
    for (size_t i = 0; i < n * FFT_ROW; i++) in[i] = (float)(data_unit(&state) - 0.5);
}

static double bound(size_t n)
{
    return 4 * 0x1p-24 * log2((double)n);
}

/* Frequency f of lane l of the first `count` rows of in. */
static void definition(size_t n, size_t count, size_t f, size_t l, double *re, double *im)
{
    *re = *im = 0;
    for (size_t j = 0; j < count; j++) {
        const double angle = two_pi * (double)(j * f % n) / (double)n;
        const double a = (double)in[j * FFT_ROW + l], b = (double)in[j * FFT_ROW + FFT_LANES + l];
        *re += a * cos(angle) + b * sin(angle);
        *im += b * cos(angle) - a * sin(angle);
    }
}

/* Relative L2 error of rows against the definition; every frequency of a short transform, every 61st of a long one. */
static double error_of(size_t n, size_t count)
{
    const size_t step  = n <= ALL_UP_TO ? 1 : 61;
    double       wrong = 0, all = 0;
    for (size_t f = 0; f < n; f += step) {
        for (size_t l = 0; l < FFT_LANES; l += 3) {
            const float *row = rows + plan.place[f] * FFT_ROW;
            double       re, im;
            definition(n, count, f, l, &re, &im);
            wrong += pow((double)row[l] - re, 2) + pow((double)row[l + FFT_LANES] - im, 2);
            all += re * re + im * im;
        }
    }
    return sqrt(wrong / all);
}

START_TEST(fft_length_is_the_smallest_product_of_2_3_5)
{
    for (size_t least = 1; least < 3000; least++) {
        size_t n = (least + FFT_STEP - 1) / FFT_STEP * FFT_STEP;
        for (;; n += FFT_STEP) {
            size_t rest = n;
            while (rest % 2 == 0) rest /= 2;
            while (rest % 3 == 0) rest /= 3;
            while (rest % 5 == 0) rest /= 5;
            if (rest == 1) break;
        }
        ck_assert_uint_eq(fft_length(least), n);
    }
    ck_assert_uint_eq(fft_length(FFT_LONGEST), 0);
}
END_TEST

START_TEST(place_is_a_permutation)
{
    for (size_t n = fft_length(1); n <= LONGEST; n = fft_length(n + 1)) {
        start(n);
        memset(rows, 0, n * sizeof *rows);
        for (size_t f = 0; f < n; f++) {
            ck_assert_uint_lt(plan.place[f], n);
            rows[plan.place[f]]++;
        }
        for (size_t r = 0; r < n; r++) ck_assert_float_eq(rows[r], 1);
    }
}
END_TEST

START_TEST(forward_of_half_is_the_definition_with_zeros_behind)
{
    for (size_t n = fft_length(1); n <= LONGEST; n = fft_length(n + 1)) {
        start(n);
        fft_forward(&plan, in, in + FFT_LANES, FFT_ROW, rows);
        const double error = error_of(n, n / 2);
        ck_assert_msg(error < bound(n), "length %zu: error %g", n, error);
    }
}
END_TEST

START_TEST(full_forward_is_the_definition)
{
    for (size_t n = fft_length(1); n <= LONGEST; n = fft_length(n + 1)) {
        start(n);
        memcpy(rows, in, n * FFT_ROW * sizeof *rows);
        fft_forward_full(&plan, rows);
        const double error = error_of(n, n);
        ck_assert_msg(error < bound(n), "length %zu: error %g", n, error);
    }
}
END_TEST

START_TEST(inverse_undoes_forward)
{
    for (size_t n = fft_length(1); n <= LONGEST; n = fft_length(n + 1)) {
        start(n);
        fft_forward(&plan, in, in + FFT_LANES, FFT_ROW, rows);
        fft_inverse(&plan, rows, out, out + FFT_LANES, FFT_ROW);
        double wrong = 0, all = 0;
        for (size_t i = 0; i < n / 2 * FFT_ROW; i++) {
            wrong += pow((double)out[i] / (double)n - (double)in[i], 2);
            all += pow((double)in[i], 2);
        }
        ck_assert_msg(sqrt(wrong / all) < 2 * bound(n), "length %zu: error %g", n, sqrt(wrong / all));
    }
}
END_TEST

/* Real and imaginary parts far apart, rows further apart than they are long. */
START_TEST(strides_are_kept)
{
    enum {
        STRIDE = 40,
        IM     = 24
    };
    const size_t n = 48;
    start(n);
    for (size_t i = 0; i < n / 2 * STRIDE; i++) out[i] = 7;
    for (size_t j = 0; j < n / 2; j++) {
        memcpy(out + j * STRIDE, in + j * FFT_ROW, FFT_LANES * sizeof *in);
        memcpy(out + j * STRIDE + IM, in + j * FFT_ROW + FFT_LANES, FFT_LANES * sizeof *in);
    }
    fft_forward(&plan, out, out + IM, STRIDE, rows);
    ck_assert(error_of(n, n / 2) < bound(n));
    fft_inverse(&plan, rows, out, out + IM, STRIDE);
    for (size_t j = 0; j < n / 2; j++) {
        for (size_t l = 0; l < STRIDE; l++) {
            if (l < FFT_LANES)
                ck_assert_double_eq_tol((double)out[j * STRIDE + l] / (double)n, (double)in[j * FFT_ROW + l], 1e-6);
            else if (l >= IM && l < IM + FFT_LANES)
                ck_assert_double_eq_tol((double)out[j * STRIDE + l] / (double)n,
                                        (double)in[j * FFT_ROW + FFT_LANES + l - IM], 1e-6);
            else ck_assert_float_eq(out[j * STRIDE + l], 7);
        }
    }
}
END_TEST

/* With a real, even spectrum: what a kernel k(m) = k(-m) has, here 2 cos of a few frequencies, of another size per
 * lane. */
START_TEST(convolve_is_a_sum_over_pairs)
{
    static const size_t lengths[] = {16, 48, 80, 96, 240, 320, 432, 1600};
    for (size_t t = 0; t < sizeof lengths / sizeof *lengths; t++) {
        const size_t n        = lengths[t];
        uint32_t    *slot     = memory_new(&memory_default, n, sizeof *slot);
        float       *spectrum = memory_new(&memory_default, n, FFT_LANES * sizeof *spectrum);
        double      *kernel   = memory_new(&memory_default, n, sizeof *kernel);
        double       wrong = 0, all = 0;
        start(n);
        for (size_t r = 0; r < n; r++) slot[r] = (uint32_t)(n - 1 - r); /* any rule will do */
        for (size_t f = 0; f < n; f++)
            for (size_t l = 0; l < FFT_LANES; l++) {
                const double far                              = (double)(f < n - f ? f : n - f);
                spectrum[slot[plan.place[f]] * FFT_LANES + l] = (float)((double)(l + 1) / (1 + far));
            }
        memcpy(out, in, n / 2 * FFT_ROW * sizeof *out);
        fft_convolve(&plan, spectrum, slot, out, out + FFT_LANES, FFT_ROW, rows);
        for (size_t m = 0; m < n; m++) {
            kernel[m] = 0;
            for (size_t f = 0; f < n; f++)
                kernel[m] += cos(two_pi * (double)(f * m % n) / (double)n) / (1 + (double)(f < n - f ? f : n - f));
        }
        for (size_t i = 0; i<n / 2; i += n> ALL_UP_TO ? 17 : 1) {
            for (size_t l = 0; l < FFT_ROW; l += 3) {
                double sum = 0;
                for (size_t j = 0; j < n / 2; j++)
                    sum += (double)(l % FFT_LANES + 1) * kernel[i > j ? i - j : j - i] * (double)in[j * FFT_ROW + l];
                wrong += pow((double)out[i * FFT_ROW + l] - sum, 2);
                all += sum * sum;
            }
        }
        memory_free(&memory_default, slot);
        memory_free(&memory_default, spectrum);
        memory_free(&memory_default, kernel);
        ck_assert_msg(sqrt(wrong / all) < 3 * bound(n), "length %zu: error %g", n, sqrt(wrong / all));
    }
}
END_TEST

static Suite *fft_suite(void)
{
    Suite *s = suite_create("fft");
    TCase *t = tcase_create("fft");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_add_test(t, fft_length_is_the_smallest_product_of_2_3_5);
    tcase_add_test(t, place_is_a_permutation);
    tcase_add_test(t, forward_of_half_is_the_definition_with_zeros_behind);
    tcase_add_test(t, full_forward_is_the_definition);
    tcase_add_test(t, inverse_undoes_forward);
    tcase_add_test(t, strides_are_kept);
    tcase_add_test(t, convolve_is_a_sum_over_pairs);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(fft_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
