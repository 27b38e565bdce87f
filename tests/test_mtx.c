/* test_mtx.c: Matrix Market files: sparse and dense ones of each kind, and broken ones with their sentences. */
#include "table_files.h"

#include <math.h>

#define COORDINATE "%%MatrixMarket matrix coordinate "
#define ARRAY      "%%MatrixMarket matrix array "

static const char GENERAL[] = COORDINATE "real general\n"
                                         "% a comment\n"
                                         "\n"
                                         "%\n"
                                         "3 4 4\n"
                                         "3 1 7\n"
                                         "  1 4   2.0e0  \n"
                                         "\n"
                                         "% another one\n"
                                         "3\t3\t-1\n"
                                         "1 2 1.5\n\n";

static const double MATRIX[] = {0, 1.5, 0, 2, 0, 0, 0, 0, 7, 0, -1, 0};

START_TEST(entries_may_come_in_any_order_between_comments_and_blank_lines)
{
    char         text[sizeof GENERAL + 32];
    size_t       size  = 0;
    const double two[] = {0, 1.5, 0, 2, 0, 0, 0, 0};
    ck_assert_int_eq(take(put_text("x.mtx", GENERAL)), NE_OK);
    check_sparse(3, 4, 4, MATRIX);
    ck_assert_int_eq(got.sparse.dtype, NE_F32);
    ck_assert_int_eq(take(put_gz("x.mtx.gz", GENERAL, sizeof GENERAL - 1)), NE_OK);
    check_sparse(3, 4, 4, MATRIX);
    ck_assert_int_eq(take(put_text("known by what it holds", GENERAL)), NE_OK);
    check_sparse(3, 4, 4, MATRIX);
    for (const char *at = GENERAL; *at; at++) {
        if (*at == '\n') text[size++] = '\r';
        text[size++] = *at;
    }
    ck_assert_int_eq(take(put("x.csv", text, size)), NE_OK);
    check_sparse(3, 4, 4, MATRIX);
    ck_assert_int_eq(take_with(at("x.mtx"), (table_request){.rows = 2}), NE_OK);
    check_sparse(2, 4, 2, two);
    ck_assert_int_eq(take_with(at("x.mtx"), (table_request){.dense = 1}), NE_OK);
    check_table(3, 4, MATRIX);
    check_error(take_with(at("x.mtx"), (table_request){.rows = 4}), NE_OUT_OF_RANGE,
                "--rows: 4 is above the 3 rows of %/x.mtx");
    check_error(take_with(at("x.mtx"), (table_request){.id_column = "k"}), NE_UNKNOWN_NAME,
                "%/x.mtx: has no named columns; --label-column and --id-column are for .csv and .tsv");
}
END_TEST

START_TEST(each_field_and_symmetry_means_what_the_format_says)
{
    static const struct {
        const char *text;
        size_t      entries;
        double      want[4];
    } cases[] = {
        {COORDINATE "integer general\n2 2 2\n1 1 3\n2 1 -4\n", 2, {3, 0, -4, 0}},
        {COORDINATE "pattern general\n2 2 2\n1 2\n2 2\n", 2, {0, 1, 0, 1}},
        {COORDINATE "pattern symmetric\n2 2 2\n2 1\n2 2\n", 3, {0, 1, 1, 1}},
        {COORDINATE "real symmetric\n2 2 2\n1 1 5\n2 1 .5\n", 3, {5, .5, .5, 0}},
        {COORDINATE "real skew-symmetric\n2 2 1\n2 1 3\n", 2, {0, -3, 3, 0}},
        {"%%matrixmarket MATRIX Coordinate Real GENERAL\n2 2 1\n1 1 1\n", 1, {1, 0, 0, 0}},
        {COORDINATE "real general\n2 2 3\n1 1 1\n2 2 4\n1 1 2\n", 2, {3, 0, 0, 4}},
        {COORDINATE "real general\n2 2 2\n1 1 0\n2 2 4", 2, {0, 0, 0, 4}},
        {COORDINATE "real general\n2 2 0\n", 0, {0, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(take(put_text("x.mtx", cases[i].text)), NE_OK);
        check_sparse(2, 2, cases[i].entries, cases[i].want);
    }
}
END_TEST

START_TEST(arrays_are_read_column_by_column)
{
    static const double general[] = {1, 3, 5, 2, 4, 6}, symmetric[] = {1, 2, 3, 2, 4, 5, 3, 5, 6},
                        skew[] = {0, -1, -2, 1, 0, -3, 2, 3, 0};
    ck_assert_int_eq(take(put_text("x.mtx", ARRAY "real general\n2 3\n1\n2\n3\n4\n5\n6\n")), NE_OK);
    check_table(2, 3, general);
    ck_assert_int_eq(got.dtype, NE_F32);
    ck_assert_int_eq(take(put_text("x.mtx", ARRAY "integer general\n% two a line\n2 3\n1 2\n3 4\n5 6\n")), NE_OK);
    check_table(2, 3, general);
    ck_assert_int_eq(take_with(at("x.mtx"), (table_request){.rows = 1}), NE_OK);
    check_table(1, 3, general);
    ck_assert_int_eq(take(put_text("x.mtx", ARRAY "real symmetric\n3 3\n1\n2\n3\n4\n5\n6\n")), NE_OK);
    check_table(3, 3, symmetric);
    ck_assert_int_eq(take(put_text("x.mtx", ARRAY "real skew-symmetric\n3 3\n1\n2\n3\n")), NE_OK);
    check_table(3, 3, skew);
    ck_assert_int_eq(take_with(at("x.mtx"), (table_request){.rows = 2}), NE_OK);
    check_table(2, 3, skew);
    ck_assert_int_eq(take(put_text("x.mtx", ARRAY "real general\n1 1\n0.1\n")), NE_OK);
    ck_assert_int_eq(got.dtype, NE_F64);
}
END_TEST

START_TEST(what_is_broken_is_named_by_its_line)
{
    static const struct {
        const char *file, *text;
        ne_status   status;
    } cases[] = {
        {"1 1 1\n", "%/x.mtx: line 1: not a Matrix Market file: it does not begin with %%MatrixMarket", NE_IO},
        {"%%MatrixMarket matrix\n",
         "%/x.mtx: line 1: 2 words; %%MatrixMarket, object, format, field and symmetry are needed", NE_IO},
        {"%%MatrixMarket vector coordinate real general\n", "%/x.mtx: line 1: 'vector' is not supported; matrix is",
         NE_UNSUPPORTED},
        {"%%MatrixMarket matrix rows real general\n",
         "%/x.mtx: line 1: format 'rows' is not supported; coordinate and array are", NE_UNSUPPORTED},
        {COORDINATE "complex general\n",
         "%/x.mtx: line 1: field 'complex' is not supported; real, integer and pattern are", NE_UNSUPPORTED},
        {COORDINATE "real hermitian\n",
         "%/x.mtx: line 1: symmetry 'hermitian' is not supported; general, symmetric and skew-symmetric are",
         NE_UNSUPPORTED},
        {ARRAY "pattern general\n", "%/x.mtx: line 1: a pattern has no values, which an array needs", NE_IO},
        {COORDINATE "pattern skew-symmetric\n", "%/x.mtx: line 1: a pattern has no values, which skew symmetry needs",
         NE_IO},
        {COORDINATE "real general\n% nothing\n", "%/x.mtx: truncated: it ends before the line of its shape", NE_IO},
        {COORDINATE "real general\n2 2\n",
         "%/x.mtx: line 2: '2 2' is no shape; rows, columns and entries are needed, as whole numbers", NE_IO},
        {COORDINATE "real general\n2 2 -1\n",
         "%/x.mtx: line 2: '2 2 -1' is no shape; rows, columns and entries are needed, as whole numbers", NE_IO},
        {COORDINATE "real general\n2 99999999999999999999 1\n",
         "%/x.mtx: line 2: '2 99999999999999999999 1' is no shape; rows, columns and entries are needed, as whole "
         "numbers",
         NE_IO},
        {ARRAY "real general\n2 2 4\n",
         "%/x.mtx: line 2: '2 2 4' is no shape; rows and columns are needed, as whole numbers", NE_IO},
        {COORDINATE "real symmetric\n2 3 0\n", "%/x.mtx: line 2: 2 x 3 is not square, and so not symmetric", NE_IO},
        {COORDINATE "real general\n0 3 0\n", "%/x.mtx: holds no numbers: its shape is 0 x 3", NE_IO},
        {ARRAY "real general\n3 0\n", "%/x.mtx: holds no numbers: its shape is 3 x 0", NE_IO},
        {COORDINATE "real general\n3000000000 1 1\n1 1 1\n",
         "%/x.mtx: its shape is 3000000000 x 1; sparse matrices of up to 2147483647 are taken", NE_IO},
        {COORDINATE "real general\n2000000000 1 1\n1 1 1\n",
         "%/x.mtx: its shape is 2000000000 x 1, and it has 1 entries; hardly a row would not be empty", NE_IO},
        {ARRAY "real general\n9000000000 9000000000\n1\n",
         "%/x.mtx: line 2: 9000000000 x 9000000000 numbers, more than memory can address", NE_IO},
        {ARRAY "real general\n1000000 1000000\n1\n",
         "%/x.mtx: truncated: it has 1 of the 1000000000000 numbers that line 2 says", NE_IO},
        {COORDINATE "real general\n2 2 9000000000000\n1 1 1\n",
         "%/x.mtx: truncated: it has 1 of the 9000000000000 entries that line 2 says", NE_IO},
        {COORDINATE "real general\n2 2 1\n1 1 1\n\n2 2 2\n",
         "%/x.mtx: line 5: '2 2 2' follows the 1 entries that line 2 says", NE_IO},
        {COORDINATE "real general\n2 2 1\n3 1 1\n", "%/x.mtx: line 3: row 3, column 1 (from 1) is outside of 2 x 2",
         NE_IO},
        {COORDINATE "real general\n2 2 1\n1 0 1\n", "%/x.mtx: line 3: row 1, column 0 (from 1) is outside of 2 x 2",
         NE_IO},
        {COORDINATE "real general\n2 2 1\n1 -1 1\n",
         "%/x.mtx: line 3: '1 -1 1' is no entry; row, column and a number are needed", NE_IO},
        {COORDINATE "real general\n2 2 1\n1 1\n",
         "%/x.mtx: line 3: '1 1' is no entry; row, column and a number are needed", NE_IO},
        {COORDINATE "real general\n2 2 1\n1 1 1 1\n",
         "%/x.mtx: line 3: '1 1 1 1' is no entry; row, column and a number are needed", NE_IO},
        {COORDINATE "integer general\n2 2 1\n1 1 1.5\n",
         "%/x.mtx: line 3: '1 1 1.5' is no entry; row, column and a whole number are needed", NE_IO},
        {COORDINATE "pattern general\n2 2 1\n1 1 1\n", "%/x.mtx: line 3: '1 1 1' is no entry; row, column are needed",
         NE_IO},
        {COORDINATE "real general\n2 2 1\n1 2 nan\n", "%/x.mtx: line 3: row 1, column 2 (from 1): nan is not finite",
         NE_IO},
        {COORDINATE "real general\n2 2 1\n1 2 1e400\n", "%/x.mtx: line 3: row 1, column 2 (from 1): inf is not finite",
         NE_IO},
        {COORDINATE "real skew-symmetric\n2 2 1\n1 1 3\n",
         "%/x.mtx: line 3: row 1, column 1 (from 1): 3 on the diagonal of a skew-symmetric matrix", NE_IO},
        {COORDINATE "real general\n2 2 2\n1 1 1e308\n1 1 1e308\n",
         "%/x.mtx: row 0, column 0 (from 0): the entries of this place add up to inf", NE_IO},
        {ARRAY "real general\n2 1\n1\nx\n", "%/x.mtx: line 4: 'x' is not a finite number", NE_IO},
        {ARRAY "real general\n2 1\n1\ninf\n", "%/x.mtx: line 4: 'inf' is not a finite number", NE_IO},
        {ARRAY "integer general\n2 1\n1\n.5\n", "%/x.mtx: line 4: '.5' is not a finite whole number", NE_IO},
        {ARRAY "real general\n2 1\n1\n2 3\n", "%/x.mtx: line 4: more numbers than the 2 that line 2 says", NE_IO},
        {ARRAY "real general\n2 1\n1\n2\n3\n", "%/x.mtx: line 5: '3' follows the 2 numbers that line 2 says", NE_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_error(take(put_text("x.mtx", cases[i].file)), cases[i].status, cases[i].text);
    check_error(take(put("x.mtx", "%%MatrixMarket matrix\0", 22)), NE_IO,
                "%/x.mtx: not a text file: it holds zero bytes");
}
END_TEST

START_TEST(many_entries_are_sorted_and_added_as_they_should_be)
{
    enum {
        ROWS    = 57,
        COLS    = 43,
        ENTRIES = 20000
    };
    static double want[ROWS * COLS];
    static double dense[ROWS * COLS];
    const char   *path  = at("x.mtx");
    FILE         *file  = fopen(path, "w");
    uint32_t      state = 1;
    fputs(COORDINATE "real general\n", file);
    fprintf(file, "%d %d %d\n", ROWS, COLS, ENTRIES);
    for (size_t k = 0; k < ENTRIES; k++) {
        state              = state * 1664525u + 1013904223u;
        const size_t place = (state >> 8) % (ROWS * COLS);
        const double value = (double)(state >> 24) / 7; /* no float: sums are those of the file's order in double */
        want[place] += value;
        fprintf(file, "%zu %zu %.17g\n", place / COLS + 1, place % COLS + 1, value);
    }
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(take(path), NE_OK);
    ck_assert_int_eq(got.sparse.dtype, NE_F64);
    ck_assert_uint_le((size_t)got.sparse.start[ROWS], ROWS * COLS);
    sparse_fill(&got.sparse, 0, ROWS, dense);
    for (size_t k = 0; k < ROWS * COLS; k++) ck_assert_double_eq(dense[k], want[k]);
    sparse_fill(&got.sparse, 10, 5, dense);
    for (size_t k = 0; k < 5 * COLS; k++) ck_assert_double_eq(dense[k], want[10 * COLS + k]);
}
END_TEST

Suite *mtx_suite(void);

Suite *mtx_suite(void)
{
    Suite *suite = suite_create("mtx");
    TCase *tests = tcase_create("mtx");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, entries_may_come_in_any_order_between_comments_and_blank_lines);
    tcase_add_test(tests, each_field_and_symmetry_means_what_the_format_says);
    tcase_add_test(tests, arrays_are_read_column_by_column);
    tcase_add_test(tests, what_is_broken_is_named_by_its_line);
    tcase_add_test(tests, many_entries_are_sorted_and_added_as_they_should_be);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(mtx_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
