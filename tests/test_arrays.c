/* test_arrays.c: .npy and IDX: good files of each kind, and broken ones with their sentences; standard input. */
#include "io/bytes.h"
#include "table_files.h"

#include <fcntl.h>
#include <math.h>

/* --- .npy */

/* A whole number of 1 to 2047, or 0, in half precision. */
static uint64_t half_of(double number)
{
    const uint64_t sign = number < 0 ? 0x8000 : 0;
    int            exponent;
    if (number == 0) return sign;
    const double fraction = frexp(fabs(number), &exponent); /* in [1/2, 1) */
    return sign | (uint64_t)(exponent + 14) << 10 | (uint64_t)((fraction * 2 - 1) * 1024);
}

START_TEST(npy_of_every_type_and_byte_order_is_read)
{
    static const char *const types[] = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
    const double             want[] = {0, 1, 1, 0, 1, 1}, wide[] = {0, 1, -2, 100, -128, 5};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (int big = 0; big < 2; big++) {
            const size_t  size   = (size_t)(types[t][1] - '0');
            const int     simple = types[t][0] == 'u' || types[t][0] == 'b';
            const double *use    = simple ? want : wide;
            unsigned char data[48];
            char          header[96];
            for (size_t k = 0; k < 6; k++) {
                uint64_t raw    = (uint64_t)(int64_t)use[k];
                float    single = (float)use[k];
                if (types[t][0] == 'f' && size == 8) memcpy(&raw, &use[k], 8);
                if (types[t][0] == 'f' && size == 4) {
                    uint32_t half;
                    memcpy(&half, &single, 4);
                    raw = half;
                }
                if (types[t][0] == 'f' && size == 2) raw = half_of(use[k]);
                for (size_t b = 0; b < size; b++)
                    data[k * size + (big ? size - 1 - b : b)] = (unsigned char)(raw >> 8 * b);
            }
            snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': False, 'shape': (2, 3), }\n",
                     size == 1 ? '|'
                     : big     ? '>'
                               : '<',
                     types[t]);
            ck_assert_int_eq(take(put_npy("x.npy", header, data, 6 * size)), NE_OK);
            check_table(2, 3, use);
            ck_assert_int_eq(got.dtype, strcmp(types[t], "f8") == 0 ? NE_F64 : NE_F32);
        }
}
END_TEST

START_TEST(halves_are_the_numbers_of_ieee_754)
{
    static const uint16_t raw[]  = {0x0001, 0x03FF, 0x0400, 0x3555, 0x7BFF, 0xC000};
    static const double   want[] = {0x1p-24, 1023 * 0x1p-24, 0x1p-14, 1365.0 / 4096, 65504, -2};
    unsigned char         data[12];
    for (size_t k = 0; k < 6; k++) {
        data[2 * k]     = (unsigned char)raw[k];
        data[2 * k + 1] = (unsigned char)(raw[k] >> 8);
    }
    ck_assert_int_eq(take(put_npy("x.npy", "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3)}", data, 12)),
                     NE_OK);
    check_table(2, 3, want);
    memcpy(data, "\0\x7C", 2);
    check_error(take(put_npy("x.npy", "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3)}", data, 12)), NE_IO,
                "%/x.npy: row 0, column 0 (from 0): inf is not finite");
}
END_TEST

START_TEST(npy_in_fortran_order_is_turned)
{
    const float  data[] = {1, 4, 2, 5, 3, 6};
    const double want[] = {1, 2, 3, 4, 5, 6};
    const char  *path = put_npy("x.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", data, sizeof data);
    ck_assert_int_eq(take(path), NE_OK);
    check_table(2, 3, want);
    table_clear(&got);
    ck_assert_int_eq(table_read(path, &(table_request){.rows = 1}, &got), NE_OK);
    check_table(1, 3, want);
}
END_TEST

START_TEST(npy_integers_stay_exact)
{
    const int32_t data[]  = {16777216, 16777217};
    const double  want[]  = {16777216, 16777217};
    const int64_t large[] = {1, ((int64_t)1 << 53) + 2};
    ck_assert_int_eq(take(put_npy("x.npy", "{'descr':'<i4','fortran_order':False,'shape':(2,1)}", data, sizeof data)),
                     NE_OK);
    check_table(2, 1, want);
    ck_assert_int_eq(got.dtype, NE_F64);
    check_error(take(put_npy("x.npy", "{'descr':'<i8','fortran_order':False,'shape':(2,1)}", large, sizeof large)),
                NE_IO, "%/x.npy: row 1, column 0 (from 0): an integer above 2^53 in size has no exact double");
}
END_TEST

START_TEST(npy_of_more_dimensions_is_laid_out_by_rows_and_may_be_gzipped)
{
    const unsigned char data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const double        want[] = {1, 2, 3, 4, 5, 6, 7, 8};
    unsigned char       file[256];
    const size_t        size =
        make_npy(file, "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 2L, 2L), }", data, sizeof data);
    ck_assert_int_eq(take(put_gz("x.npy.gz", file, size)), NE_OK);
    check_table(2, 4, want);
}
END_TEST

START_TEST(npy_versions_2_and_3_have_a_longer_header)
{
    const char          header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}";
    const double        want[]   = {2.5};
    unsigned char       file[256];
    const unsigned char length = sizeof header - 1;
    memcpy(file, NPY, sizeof NPY);
    memcpy(file + 8, (unsigned char[4]){length}, 4);
    memcpy(file + 12, header, length);
    memcpy(file + 12 + length, (float[]){2.5f}, 4);
    for (unsigned char version = 2; version <= 3; version++) {
        file[6] = version;
        ck_assert_int_eq(take(put("x.npy", file, 12u + length + 4u)), NE_OK);
        check_table(1, 1, want);
    }
    memset(file + 8, 0xFF, 4); /* a header of 4 GB */
    check_error(take(put("x.npy", file, 12u + length + 4u)), NE_IO,
                "%/x.npy: truncated: it ends within the .npy header");
}
END_TEST

START_TEST(npy_that_ends_early_or_late_names_both_sizes)
{
    const float data[6]  = {0};
    const char  header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    check_error(take(put_npy("x.npy", header, data, 23)), NE_IO,
                "%/x.npy: truncated: its header says 2 x 3 numbers of 4 bytes, 24 in all, and 23 follow");
    check_error(take(put_npy("x.npy", header, data, 0)), NE_IO,
                "%/x.npy: truncated: its header says 2 x 3 numbers of 4 bytes, 24 in all, and 0 follow");
    unsigned char file[256];
    const size_t  size = make_npy(file, header, data, 24);
    check_error(take(put("x.npy", file, size + 1)), NE_IO,
                "%/x.npy: its header says 2 x 3 numbers of 4 bytes, 24 in all, and 25 follow");
    for (size_t cut = 6; cut < 10 + sizeof header - 1; cut++)
        check_error(take(put("x.npy", file, cut)), NE_IO, "%/x.npy: truncated: it ends within the .npy header");
}
END_TEST

START_TEST(npy_of_a_huge_shape_is_refused_before_memory_is_asked_for)
{
    check_error(
        take(put_npy("x.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000), }", "", 0)), NE_IO,
        "%/x.npy: truncated: its header says 1000000000 x 1000 numbers of 8 bytes, 8000000000000 in all, and 0 follow");
    check_error(
        take(put_npy("x.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000, 9000000000), }", "", 0)),
        NE_IO, "%/x.npy: its header says 9000000000 x 9000000000 numbers, more than memory can address");
    check_error(
        take(put_npy("x.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 1), }", "", 0)),
        NE_IO, "%/x.npy: malformed .npy header: it needs descr, fortran_order and shape");
}
END_TEST

START_TEST(npy_that_is_no_matrix_of_numbers_is_refused)
{
    static const struct {
        const char *header, *text;
        ne_status   status;
    } cases[] = {
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1), }",
         "%/x.npy: type '<c8' is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", NE_UNSUPPORTED},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (1, 1), }",
         "%/x.npy: type '<f16' is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", NE_UNSUPPORTED},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }",
         "%/x.npy: type '|O' is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", NE_UNSUPPORTED},
        {"{'descr': '<U12', 'fortran_order': False, 'shape': (1, 1), }",
         "%/x.npy: type '<U12' is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", NE_UNSUPPORTED},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1), }",
         "%/x.npy: type of records is not supported; f2, f4, f8, b1 and integers of 1 to 8 bytes are", NE_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }",
         "%/x.npy: truncated: its header says 4 numbers of 4 bytes, 16 in all, and 4 follow", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
         "%/x.npy: has one dimension of 1 numbers; rows and columns are needed", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "%/x.npy: holds one number, not an array", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }",
         "%/x.npy: holds no numbers: its header says 0 x 3", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }",
         "%/x.npy: holds no numbers: its header says 3 x 0", NE_IO},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1, 1), }",
         "%/x.npy: Fortran order with 3 dimensions is not supported; save it in C order", NE_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': maybe, 'shape': (1, 1), }",
         "%/x.npy: malformed .npy header: fortran_order is neither True nor False", NE_IO},
        {"{'descr': '<f4', 'shape': (1, 1), }",
         "%/x.npy: malformed .npy header: it needs descr, fortran_order and shape", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, -1), }",
         "%/x.npy: malformed .npy header: it needs descr, fortran_order and shape", NE_IO},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1",
         "%/x.npy: malformed .npy header: it needs descr, fortran_order and shape", NE_IO},
        {"", "%/x.npy: malformed .npy header: it needs descr, fortran_order and shape", NE_IO},
    };
    const float number = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_error(take(put_npy("x.npy", cases[i].header, &number, 4)), cases[i].status, cases[i].text);
    check_error(take(put_text("x.npy", "1,2\n")), NE_IO, "%/x.npy: not a .npy file: it does not begin with \\x93NUMPY");
    check_error(take(put("x.npy", "\x93NUMPY\x09\x00\x01\x00\x01\x00 ", 13)), NE_UNSUPPORTED,
                "%/x.npy: version 9 of the .npy format is not supported; 1 to 3 are");
}
END_TEST

START_TEST(a_number_that_is_not_finite_is_named_by_row_and_column)
{
    const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
    check_error(take(put_npy("x.npy", header, (float[]){0, 1, 2, NAN}, 16)), NE_IO,
                "%/x.npy: row 1, column 1 (from 0): nan is not finite");
    check_error(take(put_npy("x.npy", header, (float[]){0, -INFINITY, 2, NAN}, 16)), NE_IO,
                "%/x.npy: row 0, column 1 (from 0): -inf is not finite");
}
END_TEST

/* --- IDX */

START_TEST(idx_images_are_rows_gzipped_or_not)
{
    const double want[] = {10, 20, 30, 40, 50, 255};
    ck_assert_int_eq(take(put("train-images-idx3-ubyte", IDX, sizeof IDX)), NE_OK);
    check_table(3, 2, want);
    ck_assert_int_eq(take(put_gz("train-images-idx3-ubyte.gz", IDX, sizeof IDX)), NE_OK);
    check_table(3, 2, want);
    table_clear(&got);
    ck_assert_int_eq(table_read(at("train-images-idx3-ubyte.gz"), &(table_request){.rows = 2}, &got), NE_OK);
    check_table(2, 2, want);
    table_clear(&got);
    check_error(table_read(at("train-images-idx3-ubyte"), &(table_request){.rows = 4}, &got), NE_OUT_OF_RANGE,
                "--rows: 4 is above the 3 rows of %/train-images-idx3-ubyte");
}
END_TEST

START_TEST(idx_numbers_are_big_endian)
{
    const unsigned char file[] = {0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x00, 0xFF, 0xFE};
    const double        want[] = {256, -2};
    ck_assert_int_eq(take(put("x.idx", file, sizeof file)), NE_OK);
    check_table(1, 2, want);
}
END_TEST

START_TEST(idx_that_is_broken_is_refused)
{
    unsigned char file[sizeof IDX];
    check_error(take(put("x.idx", IDX, sizeof IDX - 1)), NE_IO,
                "%/x.idx: truncated: its header says 3 x 1 x 2 numbers of 1 bytes, 6 in all, and 5 follow");
    check_error(take(put("x.idx", IDX, 9)), NE_IO, "%/x.idx: truncated: it ends within the IDX header");
    memcpy(file, IDX, sizeof IDX);
    file[4] = 0xFF;
    check_error(
        take(put("x.idx", file, sizeof file)), NE_IO,
        "%/x.idx: truncated: its header says 4278190083 x 1 x 2 numbers of 1 bytes, 8556380166 in all, and 6 follow");
    memcpy(file + 4, (unsigned char[4]){0, 1, 2, 3}, 4);
    check_error(take(put("x.idx", file, sizeof file)), NE_IO,
                "%/x.idx: truncated: its header says 66051 x 1 x 2 numbers of 1 bytes, 132102 in all, and 6 follow");
    file[2] = 7;
    check_error(take(put("x.idx", file, sizeof file)), NE_UNSUPPORTED,
                "%/x.idx: neither .npy, .npz, IDX, .mtx, .csv nor .tsv");
}
END_TEST

/* --- No more than the rows asked for */

START_TEST(of_a_large_array_only_the_rows_asked_for_are_read)
{
    const char   header[]  = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000, 1000), }\n";
    const float  numbers[] = {1, 2, 3};
    const char  *path      = put_npy("large.npy", header, numbers, sizeof numbers);
    const size_t start = 10 + strlen(header), length = start + (size_t)4000000 * 1000 * 4;
    bytes_source source = {0};
    if (truncate(path, (off_t)length) != 0) return; /* a file system without holes has no room for 16 GB */
    ck_assert_int_eq(table_read(path, &(table_request){.rows = 2}, &got), NE_OK);
    ck_assert_uint_eq(got.rows, 2);
    ck_assert_uint_eq(got.cols, 1000);
    ck_assert_double_eq(value(0, 2), 3);
    ck_assert_double_eq(value(1, 999), 0);
    ck_assert_int_eq(bytes_open(path, &source), NE_OK);
    ck_assert_int_eq(bytes_more(&source, 100), NE_OK);
    ck_assert_uint_eq(source.file.size, 100);
    ck_assert_uint_eq(source.file.total, length);
    ck_assert_int_eq(bytes_more(&source, 300000), NE_OK);
    ck_assert_uint_eq(source.file.size, 300000);
    bytes_close(&source);

    ck_assert_int_eq(truncate(path, (off_t)length - 1), 0);
    check_error(table_read(path, &(table_request){.rows = 2}, &got), NE_IO,
                "%/large.npy: truncated: its header says 4000000 x 1000 numbers of 4 bytes, 16000000000 in all, and "
                "15999999999 follow");
}
END_TEST

START_TEST(rows_of_a_gzipped_array_are_its_first_ones)
{
    enum {
        ROWS = 40000
    };
    static unsigned char file[128 + 4 * ROWS];
    static float         numbers[ROWS];
    const char           header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (20000, 2)}";
    for (size_t i = 0; i < ROWS; i++) numbers[i] = (float)i;
    const size_t size = make_npy(file, header, numbers, sizeof numbers);
    const char  *path = put_gz("x.npy.gz", file, size);
    for (size_t rows = 1; rows <= 20000; rows = 3 * rows + 1) {
        table_clear(&got);
        ck_assert_int_eq(table_read(path, &(table_request){.rows = rows}, &got), NE_OK);
        ck_assert_uint_eq(got.rows, rows);
        ck_assert_double_eq(value(rows - 1, 1), (double)(2 * rows - 1));
    }
    check_error(table_read(path, &(table_request){.rows = 20001}, &got), NE_OUT_OF_RANGE,
                "--rows: 20001 is above the 20000 rows of %/x.npy.gz");
    put_gz("cut.npy.gz", file, size - 4);
    table_clear(&got);
    ck_assert_int_eq(table_read(at("cut.npy.gz"), &(table_request){.rows = 100}, &got), NE_OK);
    ck_assert_int_eq(table_read(at("cut.npy.gz"), &(table_request){.rows = 20000}, &got), NE_IO);
}
END_TEST

/* --- Standard input */

static ne_status take_input(const char *path)
{
    const int handle = open(path, O_RDONLY);
    ck_assert_int_ge(handle, 0);
    ck_assert_int_eq(dup2(handle, STDIN_FILENO), STDIN_FILENO);
    close(handle);
    return take("-");
}

START_TEST(standard_input_is_known_by_its_content)
{
    const double want[]    = {1, 2, 3, 4};
    const float  numbers[] = {1, 2, 3, 4};
    ck_assert_int_eq(take_input(put_text("comma", "1,2\n3,4\n")), NE_OK);
    check_table(2, 2, want);
    ck_assert_int_eq(take_input(put_text("tab", "\r\na b\tc\r\n1\t2\r\n3\t4\r\n")), NE_OK);
    check_table(2, 2, want);
    ck_assert_int_eq(take_input(put_gz("packed", "1,2\n3,4\n", 8)), NE_OK);
    check_table(2, 2, want);
    ck_assert_int_eq(take_input(put_npy("array", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", numbers,
                                        sizeof numbers)),
                     NE_OK);
    check_table(2, 2, want);
    check_error(take_input(put_text("words", "1,2\n3,x\n")), NE_IO,
                "standard input: line 2, column 2: 'x' is not a number");
    check_error(take_input(put_text("nothing", "")), NE_IO, "standard input: is empty");
}
END_TEST

Suite *arrays_suite(void);

Suite *arrays_suite(void)
{
    Suite *suite = suite_create("arrays");
    TCase *tests = tcase_create("arrays");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, npy_of_every_type_and_byte_order_is_read);
    tcase_add_test(tests, halves_are_the_numbers_of_ieee_754);
    tcase_add_test(tests, npy_in_fortran_order_is_turned);
    tcase_add_test(tests, npy_integers_stay_exact);
    tcase_add_test(tests, npy_of_more_dimensions_is_laid_out_by_rows_and_may_be_gzipped);
    tcase_add_test(tests, npy_versions_2_and_3_have_a_longer_header);
    tcase_add_test(tests, npy_that_ends_early_or_late_names_both_sizes);
    tcase_add_test(tests, npy_of_a_huge_shape_is_refused_before_memory_is_asked_for);
    tcase_add_test(tests, npy_that_is_no_matrix_of_numbers_is_refused);
    tcase_add_test(tests, a_number_that_is_not_finite_is_named_by_row_and_column);
    tcase_add_test(tests, idx_images_are_rows_gzipped_or_not);
    tcase_add_test(tests, idx_numbers_are_big_endian);
    tcase_add_test(tests, idx_that_is_broken_is_refused);
    tcase_add_test(tests, of_a_large_array_only_the_rows_asked_for_are_read);
    tcase_add_test(tests, rows_of_a_gzipped_array_are_its_first_ones);
    tcase_add_test(tests, standard_input_is_known_by_its_content);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(arrays_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
