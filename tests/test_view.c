/* tests/test_view.c: what a view must be, and that reading and writing touch its elements and nothing else. */
#include "base/view.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS   = 4,
    COLS   = 3,
    STRIDE = 5
};

static float   single[ROWS * STRIDE];
static double  twice[ROWS * STRIDE];
static int64_t whole[ROWS * STRIDE];

static ne_dense view_with(void *data, int32_t dtype)
{
    return (ne_dense){.struct_size = sizeof(ne_dense),
                      .data        = data,
                      .rows        = ROWS,
                      .cols        = COLS,
                      .stride      = STRIDE,
                      .dtype       = dtype,
                      .place       = NE_HOST};
}

/* Columns past COLS are the caller's own: filled with what would be an error inside. */
static void fill(void)
{
    for (int i = 0; i < ROWS * STRIDE; i++) {
        const int inside = i % STRIDE < COLS;
        single[i]        = inside ? (float)i + 0.25f : NAN;
        twice[i]         = inside ? i + 1e-12 : (double)INFINITY;
        whole[i]         = i;
    }
}

#define REFUSED(call, status, text)                                                                                    \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

START_TEST(views_that_hold_floats_pass)
{
    fill();
    ne_dense x = view_with(single, NE_F32);
    ck_assert_int_eq(view_check(&x, "x"), NE_OK);
    ck_assert_int_eq(view_check_finite_f32(&x, "x"), NE_OK);
    x = view_with(twice, NE_F64);
    ck_assert_int_eq(view_check(&x, "x"), NE_OK);
    ck_assert_int_eq(view_check_finite_f32(&x, "x"), NE_OK);
    x.stride = 0;
    x.struct_size += 64; /* as a later version of the header would have it */
    ck_assert_int_eq(view_check(&x, "x"), NE_OK);
    ck_assert_uint_eq(view_stride(&x), COLS);
    x = view_with(whole, NE_I64);
    ck_assert_int_eq(view_check_integer(&x, "x"), NE_OK);
}
END_TEST

START_TEST(what_is_wrong_with_a_view_is_said)
{
    const ne_dense good = view_with(single, NE_F32);
    ne_dense       x    = good;

    REFUSED(view_check(NULL, "x"), NE_INVALID_ARGUMENT, "x: a null pointer");
    REFUSED(view_check_integer(NULL, "x"), NE_INVALID_ARGUMENT, "x: a null pointer");
    x.data = NULL;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: data is a null pointer");
    x             = good;
    x.struct_size = 8;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: struct_size 8 is below sizeof(ne_dense), 48");
    x       = good;
    x.dtype = NE_I32;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: dtype 3 is not NE_F32 or NE_F64");
    REFUSED(view_check_integer(&good, "x"), NE_INVALID_ARGUMENT, "x: dtype 1 is not NE_I32 or NE_I64");
    x       = good;
    x.place = NE_DEVICE;
    REFUSED(view_check(&x, "x"), NE_UNSUPPORTED, "x: place 1 is neither NE_HOST nor NE_MAPPED");
    x      = good;
    x.rows = 0;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: 0 x 3 is empty");
    x      = good;
    x.cols = 0;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: 4 x 0 is empty");
    x        = good;
    x.cols   = 10;
    x.stride = 5;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: stride 5 is below its 10 columns");
    REFUSED(view_check_shape(&good, "x", 4, 2), NE_INVALID_ARGUMENT, "x: 4 x 3, 4 x 2 is needed");
    REFUSED(view_check_shape(&good, "x", 5, 3), NE_INVALID_ARGUMENT, "x: 4 x 3, 5 x 3 is needed");
    ck_assert_int_eq(view_check_shape(&good, "x", 4, 3), NE_OK);
}
END_TEST

START_TEST(sizes_beyond_a_blas_int_or_an_address_are_refused)
{
    ne_dense x = view_with(single, NE_F64);
    x.rows     = (size_t)1 << 31;
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT, "x: 2147483648 x 3, stride 5, is above 2147483647");
    x.rows = x.cols = x.stride = ((size_t)1 << 31) - 1; /* 2^62 elements of 8 bytes */
    REFUSED(view_check(&x, "x"), NE_INVALID_ARGUMENT,
            "x: 2147483647 rows of stride 2147483647 are more than an address can reach");
    x        = view_with(single, NE_F32);
    x.stride = (size_t)1 << 40;
    ck_assert_int_eq(view_check(&x, "x"), NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(the_first_bad_row_and_column_are_named)
{
    ne_dense x = view_with(single, NE_F32);
    fill();
    single[3 * STRIDE + 0] = NAN;
    single[2 * STRIDE + 2] = -INFINITY;
    REFUSED(view_check_finite(&x, "x"), NE_INVALID_ARGUMENT, "x: row 2, column 2 is -inf");
    single[2 * STRIDE + 1] = INFINITY;
    REFUSED(view_check_finite(&x, "x"), NE_INVALID_ARGUMENT, "x: row 2, column 1 is inf");
    single[0] = NAN;
    REFUSED(view_check_finite(&x, "init"), NE_INVALID_ARGUMENT, "init: row 0, column 0 is nan");

    x                     = view_with(twice, NE_F64);
    twice[1 * STRIDE + 1] = -1e300;
    ck_assert_int_eq(view_check_finite(&x, "x"), NE_OK);
    REFUSED(view_check_finite_f32(&x, "x"), NE_INVALID_ARGUMENT,
            "x: row 1, column 1 is -1e+300, beyond single precision");
    twice[3 * STRIDE + 2] = (double)NAN;
    REFUSED(view_check_finite(&x, "x"), NE_INVALID_ARGUMENT, "x: row 3, column 2 is nan");
}
END_TEST

/* One bad value at each place of rows long enough for every vector width and remainder. */
START_TEST(a_bad_value_is_found_wherever_it_is)
{
    enum {
        LENGTH = 67
    };
    for (size_t j = 0; j < LENGTH; j++) {
        float          row[LENGTH]   = {0};
        double         row_2[LENGTH] = {0};
        const ne_dense a = view_of_f32(row, 1, LENGTH), b = view_of_f64(row_2, 1, LENGTH);
        char           text[64];
        row[j]   = j % 2 ? NAN : INFINITY;
        row_2[j] = j % 2 ? (double)-INFINITY : (double)NAN;
        snprintf(text, sizeof text, "x: row 0, column %zu is %s", j, j % 2 ? "nan" : "inf");
        REFUSED(view_check_finite(&a, "x"), NE_INVALID_ARGUMENT, text);
        snprintf(text, sizeof text, "x: row 0, column %zu is %s", j, j % 2 ? "-inf" : "nan");
        REFUSED(view_check_finite(&b, "x"), NE_INVALID_ARGUMENT, text);
    }
}
END_TEST

START_TEST(the_largest_and_the_smallest_numbers_are_finite)
{
    const double   row[]   = {1.7976931348623157e308, -1.7976931348623157e308, 4.9e-324, -0.0};
    const float    row_1[] = {3.4028235e38f, -3.4028235e38f, 1e-45f, -0.0f};
    const ne_dense a = view_of_f64(row, 1, 4), b = view_of_f32(row_1, 2, 2);
    ck_assert_int_eq(view_check_finite(&a, "x"), NE_OK);
    ck_assert_int_eq(view_check_finite_f32(&b, "x"), NE_OK);
}
END_TEST

START_TEST(reading_follows_the_stride)
{
    const ne_dense a = view_with(single, NE_F32), b = view_with(twice, NE_F64), c = view_with(whole, NE_I64);
    int32_t        narrow[] = {-1, 2, -3, 4};
    ne_dense d = {.struct_size = sizeof d, .data = narrow, .rows = 2, .cols = 2, .dtype = NE_I32, .place = NE_HOST};
    float    to[ROWS * COLS];
    fill();
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++) {
            ck_assert(view_get(&a, i, j) == (double)single[i * STRIDE + j]);
            ck_assert(view_get(&b, i, j) == twice[i * STRIDE + j]);
            ck_assert_int_eq(view_get_integer(&c, i, j), (int64_t)(i * STRIDE + j));
        }
    ck_assert_int_eq(view_get_integer(&d, 1, 0), -3);
    view_read_f32(&a, to);
    for (size_t i = 0; i < ROWS * COLS; i++) ck_assert(to[i] == single[i / COLS * STRIDE + i % COLS]);
    view_read_f32(&b, to);
    for (size_t i = 0; i < ROWS * COLS; i++) ck_assert(to[i] == (float)twice[i / COLS * STRIDE + i % COLS]);
}
END_TEST

START_TEST(writing_leaves_what_lies_between_the_rows)
{
    const ne_dense a = view_with(single, NE_F32), b = view_with(twice, NE_F64);
    for (int i = 0; i < ROWS * STRIDE; i++) single[i] = (float)(twice[i] = 77);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++) {
            view_set(&a, i, j, (double)(i + j) / 3);
            view_set(&b, i, j, (double)(i + j) / 3);
        }
    for (size_t i = 0; i < ROWS * STRIDE; i++) {
        const double want = i % STRIDE < COLS ? (double)(i / STRIDE + i % STRIDE) / 3 : 77;
        ck_assert(twice[i] == want);
        ck_assert(single[i] == (float)want);
    }
}
END_TEST

static Suite *view_suite(void)
{
    Suite *s = suite_create("view");
    TCase *t = tcase_create("view");
    tcase_add_test(t, views_that_hold_floats_pass);
    tcase_add_test(t, what_is_wrong_with_a_view_is_said);
    tcase_add_test(t, sizes_beyond_a_blas_int_or_an_address_are_refused);
    tcase_add_test(t, the_first_bad_row_and_column_are_named);
    tcase_add_test(t, a_bad_value_is_found_wherever_it_is);
    tcase_add_test(t, the_largest_and_the_smallest_numbers_are_finite);
    tcase_add_test(t, reading_follows_the_stride);
    tcase_add_test(t, writing_leaves_what_lies_between_the_rows);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(view_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
