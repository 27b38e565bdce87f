/* test_files.c: text files, labels, and what is no file at all: good ones of each kind, and broken ones with their
 * sentences. */
#include "io/bytes.h"
#include "io/labels.h"
#include "table_files.h"

#include <math.h>

/* --- Any file */

START_TEST(what_is_no_file_is_refused)
{
    check_error(take(at("none.csv")), NE_IO, "%/none.csv: No such file or directory");
    check_error(take(folder), NE_IO, "%: is a directory");
    check_error(take(put("x.csv", "", 0)), NE_IO, "%/x.csv: is empty");
    check_error(take(put_text("x.dat", "1,2\n")), NE_UNSUPPORTED,
                "%/x.dat: neither .npy, .npz, IDX, .mtx, .csv nor .tsv");
}
END_TEST

START_TEST(gzip_that_ends_early_or_is_damaged_is_refused)
{
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 8 == 7 ? '\n' : (char)('0' + i * i % 10);
    bytes file = {0};
    ck_assert_int_eq(bytes_read(put_gz("x.csv.gz", text, sizeof text), &file), NE_OK);
    ck_assert_uint_eq(file.size, sizeof text);
    bytes_clear(&file);

    unsigned char raw[4000];
    FILE         *from = fopen(at("x.csv.gz"), "rb");
    const size_t  size = fread(raw, 1, sizeof raw, from);
    fclose(from);
    check_error(take(put("x.csv.gz", raw, size - 9)), NE_IO, "%/x.csv.gz: truncated: its gzip stream ends early");
    raw[size - 7] ^= 1; /* a bit of the checksum */
    check_error(take(put("x.csv.gz", raw, size)), NE_IO,
                "%/x.csv.gz: not a valid gzip stream: "
                "incorrect data check");
}
END_TEST

/* --- CSV */

START_TEST(csv_is_read_with_and_without_a_header_and_with_any_line_end)
{
    static const char *const files[] = {
        "1,2\n3,4\n",
        "1,2\n3,4",
        "1,2\r\n3,4\r\n",
        "a,b\n1,2\n3,4\n",
        "\"a\",\"b\"\r\n1,2\r\n3,4",
        ("\xEF\xBB\xBF"
         "1,2\n3,4\n"),
        "\n1,2\n\n\n3,4\n\n",
        " 1 , 2\n\"3\",\"4\"\n",
        "1e0,2.\n+3,0.4e1\n",
        "\xEF\xBB\xBF\"a\nb\",\"c,\"\"d\"\"\"\r\n1,2\r\n3,4",
    };
    const double want[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        ck_assert_int_eq(take(put_text("x.csv", files[i])), NE_OK);
        check_table(2, 2, want);
    }
    ck_assert_int_eq(take(put_text("x.tsv", "a\tb\n1\t2\n3\t4\n")), NE_OK);
    check_table(2, 2, want);
    ck_assert_int_eq(take(put_text("x.csv", "id,0,1,2\n1,2,3,4\n")), NE_OK); /* columns that a data frame named */
    check_table(1, 4, want);
}
END_TEST

START_TEST(csv_numbers_keep_their_precision)
{
    ck_assert_int_eq(take(put_text("x.csv", "0.5,255\n-3,1e10\n")), NE_OK);
    ck_assert_int_eq(got.dtype, NE_F32);
    ck_assert_int_eq(take(put_text("x.csv", "0.1,255\n-3,1e300\n")), NE_OK);
    ck_assert_int_eq(got.dtype, NE_F64);
    ck_assert_double_eq(value(0, 0), 0.1);
    ck_assert_double_eq(value(1, 1), 1e300);
}
END_TEST

START_TEST(csv_columns_of_labels_and_ids_are_no_data)
{
    const double  want[]  = {1, 2, 3, 4};
    table_request request = {.label_column = "kind", .id_column = "who"};
    ck_assert_int_eq(
        table_read(put_text("x.csv", "who,a,kind,b\n\"x, \"\"1\"\"\",1,dog,2\ny,3, cat ,4\n"), &request, &got), NE_OK);
    check_table(2, 2, want);
    ck_assert_str_eq(got.ids[0], "x, \"1\"");
    ck_assert_str_eq(got.ids[1], "y");
    ck_assert_uint_eq(got.labels.classes, 2);
    ck_assert_str_eq(got.labels.title, "kind");
    ck_assert_str_eq(got.labels.name[0], "cat");
    ck_assert_int_eq(got.labels.code[0], 1);
    ck_assert_int_eq(got.labels.code[1], 0);

    table_clear(&got); /* a header of numbers beside one word, as pandas writes it */
    request = (table_request){.label_column = "label"};
    ck_assert_int_eq(table_read(put_text("x.csv", "label,0,1\n7,1,2\n7,3,4\n"), &request, &got), NE_OK);
    check_table(2, 2, want);

    table_clear(&got); /* no header: a column by its number */
    request = (table_request){.label_column = "3"};
    ck_assert_int_eq(table_read(put_text("x.csv", "1,2,setosa\n3,4,virginica\n"), &request, &got), NE_OK);
    check_table(2, 2, want);
    ck_assert_str_eq(got.labels.name[1], "virginica");
    ck_assert_ptr_null(got.labels.title);

    table_clear(&got); /* nor here, though the numbers count */
    request = (table_request){.label_column = "1"};
    ck_assert_int_eq(table_read(put_text("x.csv", "setosa,0,1\nvirginica,3,4\n"), &request, &got), NE_OK);
    ck_assert_uint_eq(got.rows, 2);
}
END_TEST

START_TEST(csv_columns_that_are_not_there_are_refused)
{
    table_request request = {.label_column = "kind"};
    put_text("x.csv", "a,b\n1,2\n");
    check_error(table_read(at("x.csv"), &request, &got), NE_UNKNOWN_NAME, "%/x.csv: no column is named 'kind'");
    put_text("y.csv", "1,2\n3,4\n");
    check_error(table_read(at("y.csv"), &request, &got), NE_UNKNOWN_NAME,
                "%/y.csv: no column is named 'kind'; it has no header line, give the number of a column, from 1");
    request.label_column = "3";
    check_error(table_read(at("y.csv"), &request, &got), NE_UNKNOWN_NAME,
                "%/y.csv: no column is named '3'; it has no header line, give the number of a column, from 1");
    request.label_column = "a";
    check_error(table_read(put_text("x.csv", "a,a\n1,2\n"), &request, &got), NE_UNKNOWN_NAME,
                "%/x.csv: two columns are named 'a'");
    check_error(table_read(put_text("x.csv", "a\n1\n"), &request, &got), NE_IO,
                "%/x.csv: no column is left for the data");
    check_error(table_read(put("x.idx", IDX, sizeof IDX), &request, &got), NE_UNKNOWN_NAME,
                "%/x.idx: has no named columns; --label-column and --id-column are for .csv and .tsv");
}
END_TEST

START_TEST(csv_that_is_broken_is_named_by_line_and_column)
{
    static const struct {
        const char *file, *text;
    } cases[] = {
        {"1,2\n3\n", "%/x.csv: line 2: 1 columns, and line 1 has 2"},
        {"1,2\n3,4,5\n", "%/x.csv: line 2: 3 columns, and line 1 has 2"},
        {"a,b\r\n1,2\r\n\r\n3,\r\n", "%/x.csv: line 4, column 2 'b': '' is not a number"},
        {"1,2\n3,x\n", "%/x.csv: line 2, column 2: 'x' is not a number"},
        {"x,5,9\n1,2,3\n", "%/x.csv: line 1, column 1: 'x' is not a number; for labels, name it with --label-column"},
        {"1,2x\n3,4\n", "%/x.csv: line 1, column 2: '2x' is not a number; for labels, name it with --label-column"},
        {"a,b\n1,nan\n", "%/x.csv: line 2, column 2 'b': 'nan' is not a finite number"},
        {"1,2\n1e999,4\n", "%/x.csv: line 2, column 1: '1e999' is not a finite number"},
        {"a,k\n1,dog\n",
         "%/x.csv: line 2, column 2 'k': 'dog' is not a number; for labels, name it with --label-column"},
        {"1,2\n\"3,4\n5,6\n", "%/x.csv: line 2, column 1: the quotes are not closed"},
        {"1,2\n\"3\"x,4\n", "%/x.csv: line 2, column 1: text after the closing quote"},
        {"\"a\nb\",c\n1,2\n3,x\n", "%/x.csv: line 4, column 2 'c': 'x' is not a number"},
        {"a,b\n", "%/x.csv: has a header line and no rows"},
        {"a,b,\n1,2,\n", "%/x.csv: line 2, column 3 '': '' is not a number; for labels, name it with --label-column"},
        {"a,b\n1,2\n3,1e400", "%/x.csv: line 3, column 2 'b': '1e400' is not a finite number"},
        {"a,b\n1,2\n-Infinity,4", "%/x.csv: line 3, column 1 'a': '-Infinity' is not a finite number"},
        {"a,b\n1,2\n3,\"4,5\"\n", "%/x.csv: line 3, column 2 'b': '4,5' is not a number"},
        {"\xFF\xFE\x01\x80,\x90\n\x91,\x92\n", "%/x.csv: line 2, column 1 '\xFF\xFE\x01\x80': '\x91' is not a number; "
                                               "for labels, name it with --label-column"},
        {"\n\r\n", "%/x.csv: holds no lines but empty ones"},
        {"1;2\n3;4\n",
         "%/x.csv: line 2, column 1 '1;2': '3;4' is not a number; for labels, name it with --label-column"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_error(take(put_text("x.csv", cases[i].file)), NE_IO, cases[i].text);
    check_error(take(put("x.csv", "1,2\n3,\0\n", 8)), NE_IO, "%/x.csv: not a text file: it holds zero bytes");
}
END_TEST

START_TEST(csv_rows_beyond_those_asked_for_are_not_looked_at)
{
    const double want[] = {1, 2, 3, 4};
    ck_assert_int_eq(table_read(put_text("x.csv", "1,2\n3,4\nx,\"y\n"), &(table_request){.rows = 2}, &got), NE_OK);
    check_table(2, 2, want);
    table_clear(&got);
    put_text("x.csv", "a,b\n1,2\n");
    check_error(table_read(at("x.csv"), &(table_request){.rows = 2}, &got), NE_OUT_OF_RANGE,
                "--rows: 2 is above the 1 rows of %/x.csv");
}
END_TEST

/* --- Labels */

static labels classes;

static ne_status take_labels(const char *path, size_t rows, int cut)
{
    labels_clear(&classes);
    return labels_read(path, "x.npy", rows, cut, &classes);
}

START_TEST(labels_of_numbers_sort_by_value_and_words_by_letters)
{
    ck_assert_int_eq(take_labels(put_text("l.txt", "10\n9\n10\n-1\n"), 4, 0), NE_OK);
    ck_assert_uint_eq(classes.classes, 3);
    ck_assert_str_eq(classes.name[0], "-1");
    ck_assert_str_eq(classes.name[2], "10");
    ck_assert_int_eq(classes.code[0], 2);
    ck_assert_int_eq(classes.code[1], 1);
    ck_assert_double_eq(classes.value[2], 10);

    ck_assert_int_eq(take_labels(put_text("l.csv", "10\r\n\"a, b\"\r\n9\r\n"), 3, 0), NE_OK);
    ck_assert_ptr_null(classes.value);
    ck_assert_str_eq(classes.name[0], "10");
    ck_assert_str_eq(classes.name[1], "9");
    ck_assert_str_eq(classes.name[2], "a, b");
    ck_assert_int_eq(take_labels(put_text("l.txt", "Ankle boot, brown\n Bag\n"), 2, 0), NE_OK);
    ck_assert_str_eq(classes.name[0], "Ankle boot, brown");
    ck_assert_str_eq(classes.name[1], "Bag");
    labels_clear(&classes);
}
END_TEST

START_TEST(labels_come_from_arrays_too)
{
    const unsigned char idx[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 7};
    const int64_t       npy[] = {5, -5, 5};
    ck_assert_int_eq(take_labels(put_gz("l-idx1-ubyte.gz", idx, sizeof idx), 3, 0), NE_OK);
    ck_assert_str_eq(classes.name[1], "7");
    ck_assert_int_eq(classes.code[1], 0);
    ck_assert_int_eq(take_labels(put_npy("l.npy", "{'descr':'<i8','fortran_order':False,'shape':(3,)}", npy, 24), 3, 0),
                     NE_OK);
    ck_assert_str_eq(classes.name[0], "-5");
    ck_assert_int_eq(take_labels(at("l.npy"), 2, 1), NE_OK);
    ck_assert_uint_eq(classes.count, 2);
    check_error(
        take_labels(put_npy("l.npy", "{'descr':'<f4','fortran_order':False,'shape':(2,)}", (float[]){0, NAN}, 8), 2, 0),
        NE_IO, "%/l.npy: row 1 (from 0): nan is not a label");
    check_error(
        take_labels(put_npy("l.npy", "{'descr':'<f4','fortran_order':False,'shape':(1,2)}", (float[]){0, 1}, 8), 1, 0),
        NE_IO, "%/l.npy: 2 numbers a row; labels are one");
    labels_clear(&classes);
}
END_TEST

START_TEST(labels_that_do_not_fit_the_rows_name_both_counts)
{
    check_error(take_labels(put_text("l.txt", "1\n2\n"), 5, 0), NE_IO, "%/l.txt: 2 labels for 5 rows of x.npy");
    check_error(take_labels(at("l.txt"), 5, 1), NE_IO, "%/l.txt: 2 labels for 5 rows of x.npy");
    check_error(take_labels(put_text("l.txt", "a\nb\nc\nd\n"), 2, 0), NE_IO, "%/l.txt: 4 labels for 2 rows of x.npy");
    ck_assert_int_eq(take_labels(at("l.txt"), 2, 1), NE_OK);
    ck_assert_uint_eq(classes.classes, 2);
    check_error(take_labels(put_text("l.txt", "kind\na\nb\n"), 2, 0), NE_IO,
                "%/l.txt: 3 labels for 2 rows of x.npy; a header line is not a label");
    check_error(take_labels(put_text("l.csv", "a\nb,c\n"), 2, 0), NE_IO,
                "%/l.csv: line 2: 2 columns; labels are one a line");
    labels_clear(&classes);
}
END_TEST

/* --- Standardizing */

START_TEST(standardized_columns_have_mean_0_and_deviation_1_and_constant_ones_are_0)
{
    size_t constant = 0;
    ck_assert_int_eq(take(put_text("x.csv", "1,0.1,5\n2,0.1,5\n6,0.1,-7\n3,0.1,9\n")), NE_OK);
    ck_assert_int_eq(table_standardize("x.csv", NULL, &got, &constant), NE_OK);
    ck_assert_uint_eq(constant, 1);
    for (size_t j = 0; j < 3; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < 4; i++) mean += value(i, j) / 4;
        for (size_t i = 0; i < 4; i++) square += value(i, j) * value(i, j) / 4;
        ck_assert_double_eq_tol(mean, 0, 1e-15); /* 4 additions of numbers below 2 in double */
        ck_assert_double_eq_tol(square, j == 1 ? 0 : 1, 1e-15);
    }
    ck_assert_double_gt(value(2, 0), value(0, 0));
    ck_assert_int_eq(take(put_text("x.csv", "1e200,1\n-1e200,2\n")), NE_OK);
    check_error(table_standardize("x.csv", NULL, &got, &constant), NE_IO,
                "x.csv: column 0 (from 0): too large to standardize, its variance overflows");
}
END_TEST

Suite *files_suite(void);

Suite *files_suite(void)
{
    Suite *suite = suite_create("files");
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, what_is_no_file_is_refused);
    tcase_add_test(tests, gzip_that_ends_early_or_is_damaged_is_refused);
    tcase_add_test(tests, csv_is_read_with_and_without_a_header_and_with_any_line_end);
    tcase_add_test(tests, csv_numbers_keep_their_precision);
    tcase_add_test(tests, csv_columns_of_labels_and_ids_are_no_data);
    tcase_add_test(tests, csv_columns_that_are_not_there_are_refused);
    tcase_add_test(tests, csv_that_is_broken_is_named_by_line_and_column);
    tcase_add_test(tests, csv_rows_beyond_those_asked_for_are_not_looked_at);
    tcase_add_test(tests, labels_of_numbers_sort_by_value_and_words_by_letters);
    tcase_add_test(tests, labels_come_from_arrays_too);
    tcase_add_test(tests, labels_that_do_not_fit_the_rows_name_both_counts);
    tcase_add_test(tests, standardized_columns_have_mean_0_and_deviation_1_and_constant_ones_are_0);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(files_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
