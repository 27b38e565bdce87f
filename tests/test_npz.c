/* test_npz.c: .npz: arrays and scipy's sparse matrices, stored and deflated, sizes of 32 and 64 bits; and broken ones with
 * their sentences. */
#include "zip_files.h"

#include <fcntl.h>
#include <math.h>

static unsigned char room[8][MEMBER_ROOM];
static archive       made;

static const float  NUMBERS[] = {1, 2, 3, 4, 5, 6};
static const double WANT[]    = {1, 2, 3, 4, 5, 6};

/* --- Arrays */

static void make_arrays(part parts[2])
{
    static const int16_t other[] = {7, 8, 9};
    parts[0]                     = npy_part("a.npy", room[0], "<f4", "2, 3", NUMBERS, sizeof NUMBERS);
    parts[1]                     = npy_part("b.npy", room[1], "<i2", "3, 1", other, sizeof other);
}

START_TEST(an_array_is_the_first_one_or_the_one_that_is_named)
{
    const double other[] = {7, 8, 9};
    part         parts[2];
    char         name[200];
    make_arrays(parts);
    for (int packed = 0; packed < 2; packed++)
        for (int wide = 0; wide < 2; wide++) {
            const char *path = put_zip("x.npz", parts, 2, packed, wide);
            ck_assert_int_eq(take(path), NE_OK);
            check_table(2, 3, WANT);
            ck_assert_int_eq(take_with(path, (table_request){.rows = 1}), NE_OK);
            check_table(1, 3, WANT);
            for (int longer = 0; longer < 2; longer++) {
                snprintf(name, sizeof name, "%s:b%s", path, longer ? ".npy" : "");
                ck_assert_int_eq(take(name), NE_OK);
                check_table(3, 1, other);
            }
            snprintf(name, sizeof name, "%s:c", path);
            check_error(take(name), NE_IO, "%/x.npz: has no member 'c'; its first one is a.npy");
        }
    ck_assert_int_eq(take(put_zip("named otherwise", parts, 2, 1, 0)), NE_OK);
    check_table(2, 3, WANT);
}
END_TEST

START_TEST(labels_may_be_an_array_of_an_archive)
{
    part   parts[2];
    labels classes = {0};
    char   name[200];
    make_arrays(parts);
    snprintf(name, sizeof name, "%s:b", put_zip("x.npz", parts, 2, 1, 0));
    ck_assert_int_eq(labels_read(name, "x.npz", 3, 0, &classes), NE_OK);
    ck_assert_uint_eq(classes.classes, 3);
    ck_assert_str_eq(classes.name[2], "9");
    labels_clear(&classes);
}
END_TEST

START_TEST(an_archive_may_come_through_a_pipe)
{
    part parts[2];
    int  ends[2];
    make_arrays(parts);
    make_zip(&made, parts, 2, 1, 0);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], made.bytes, made.size), (ssize_t)made.size);
    close(ends[1]);
    ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    ck_assert_int_eq(take("-"), NE_OK);
    check_table(2, 3, WANT);
    ck_assert_int_eq(take(put_gz("x.npz.gz", made.bytes, made.size)), NE_OK);
    check_table(2, 3, WANT);
}
END_TEST

START_TEST(an_archive_that_is_damaged_says_how)
{
    part parts[2];
    char text[200];
    make_arrays(parts);
    for (int packed = 0; packed < 2; packed++) {
        make_zip(&made, parts, 2, packed, 0);
        made.bytes[made.entry[0] + 16] ^= 1;
        check_error(take(put("x.npz", made.bytes, made.size)), NE_IO, "%/x.npz:a: damaged: its checksum is wrong");
    }
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.begin[0] + parts[0].size - 1] ^= 1;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO, "%/x.npz:a: damaged: its checksum is wrong");

    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[0] + 24]++;
    put("x.npz", made.bytes, made.size);
    snprintf(text, sizeof text, "%%/x.npz:a.npy: malformed: %zu bytes can't be made of the %zu that it has",
             parts[0].size + 1, parts[0].size);
    check_error(take(at("x.npz")), NE_IO, text);
    make_zip(&made, parts, 2, 1, 0);
    made.bytes[made.entry[0] + 24]--;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO,
                "%/x.npz:a: damaged: it holds more bytes than the list of members says");
    made.bytes[made.entry[0] + 24] += 2;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO, "%/x.npz:a: damaged: its packed bytes end early");
    memset(made.bytes + made.entry[0] + 24, 0xFE, 4); /* 4 GB of a few bytes */
    ck_assert_int_eq(take(put("x.npz", made.bytes, made.size)), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "/x.npz:a.npy: malformed: 4278124286 bytes can't be made of the "));
    make_zip(&made, parts, 2, 1, 0);
    made.bytes[made.begin[0]] = 0x07; /* a block of a kind that there is not */
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO, "%/x.npz:a: damaged: invalid block type");
}
END_TEST

START_TEST(an_archive_whose_list_is_wrong_is_refused)
{
    part parts[2];
    char text[200];
    make_arrays(parts);
    make_zip(&made, parts, 2, 0, 0);
    for (size_t cut = 4; cut < made.size; cut += 7) {
        ck_assert_int_eq(take(put("x.npz", made.bytes, cut)), NE_IO);
        ck_assert_ptr_nonnull(strstr(ne_last_error(), "/x.npz: truncated, or no zip archive: "));
    }
    make_zip(&made, parts, 2, 0, 0);
    memset(made.bytes + made.end + 16, 0x7F, 4); /* where the list is */
    ck_assert_int_eq(take(put("x.npz", made.bytes, made.size)), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "at 2139062143 is outside the file"));
    make_zip(&made, parts, 2, 0, 0);
    memset(made.bytes + made.end + 10, 0x7F, 2); /* how many there are */
    ck_assert_int_eq(take(put("x.npz", made.bytes, made.size)), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "malformed: its list of 32639 members"));
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[1]] = 'Q';
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO,
                "%/x.npz: malformed: entry 1 of its list of members is none");
    make_zip(&made, parts, 2, 0, 0);
    memset(made.bytes + made.entry[1] + 28, 0xFF, 2); /* the length of the name */
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO,
                "%/x.npz: malformed: entry 1 of its list of members is cut short");
    make_zip(&made, parts, 2, 0, 0);
    memset(made.bytes + made.entry[0] + 42, 0x11, 4); /* where a member is */
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO,
                "%/x.npz:a.npy: malformed: it is said to be at 286331153, outside the file");
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[0] + 42] = 1;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_IO,
                "%/x.npz:a.npy: malformed: no member is at 1, where it is said to be");
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[0] + 22] = 1; /* 64 KiB more, packed and not */
    made.bytes[made.entry[0] + 26] = 1;
    put("x.npz", made.bytes, made.size);
    snprintf(text, sizeof text, "%%/x.npz:a.npy: truncated: it is said to have %zu bytes, and %zu follow",
             parts[0].size + 65536, made.size - made.begin[0]);
    check_error(take(at("x.npz")), NE_IO, text);
    make_zip(&made, parts, 2, 0, 1);
    memset(made.bytes + made.end - 12, 0x22, 8); /* where the record of 64 bits is */
    ck_assert_int_eq(take(put("x.npz", made.bytes, made.size)), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "its list of members is said to be at 2459565876494606882"));
}
END_TEST

START_TEST(an_archive_of_another_kind_is_refused)
{
    part parts[2];
    make_arrays(parts);
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[0] + 8] = 1;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_UNSUPPORTED, "%/x.npz:a.npy: is encrypted");
    make_zip(&made, parts, 2, 0, 0);
    made.bytes[made.entry[0] + 10] = 14;
    check_error(take(put("x.npz", made.bytes, made.size)), NE_UNSUPPORTED,
                "%/x.npz:a.npy: is packed by method 14; stored and deflated members can be read");
    parts[0] = (part){"readme.txt", "hello", 5};
    check_error(take(put_zip("x.npz", parts, 1, 0, 0)), NE_IO,
                "%/x.npz: an archive without an array: none of its members ends in .npy");
    check_error(take(put_zip("x.npz", parts, 0, 0, 0)), NE_IO,
                "%/x.npz: an archive without an array: none of its members ends in .npy");
    check_error(take(put_text("x.npz", "1,2\n")), NE_IO,
                "%/x.npz: not a .npz file: it does not begin as a zip archive does");
    parts[0] = (part){"a.npy", "hello", 5};
    check_error(take(put_zip("x.npz", parts, 1, 0, 0)), NE_IO,
                "%/x.npz:a: not a .npy file: it does not begin with \\x93NUMPY");
}
END_TEST

/* --- Sparse matrices. The one of most tests, 3 x 4, and its columns:
 *
 *     0 1.5 0 2
 *     0 0   0 0
 *     7 0  -1 0 */

static const double MATRIX[] = {0, 1.5, 0, 2, 0, 0, 0, 0, 7, 0, -1, 0};

static size_t make_sparse(part parts[6], const char *format, const char *type)
{
    static const int64_t shape[] = {3, 4}, row[] = {2, 0, 2, 0};
    static const int32_t col[] = {2, 3, 0, 1}, starts[] = {0, 2, 2, 4}, indices[] = {3, 1, 0, 2};
    static const int32_t column_starts[] = {0, 1, 2, 3, 4}, rows[] = {2, 0, 2, 0};
    static const double  by_rows[] = {2, 1.5, 7, -1}, by_columns[] = {7, 1.5, -1, 2}, loose[] = {-1, 2, 7, 1.5};
    const int            wide     = strcmp(type, "S3") != 0;
    char                 word[12] = {0}, code[8];
    for (size_t i = 0; i < 3; i++) word[wide ? 4 * i : i] = format[i];
    snprintf(code, sizeof code, "%c%s", wide ? '<' : '|', type);
    parts[0] = npy_part("format.npy", room[0], code, "", word, wide ? 12 : 3);
    parts[1] = npy_part("shape.npy", room[1], "<i8", "2,", shape, sizeof shape);
    if (strcmp(format, "coo") == 0) {
        parts[2] = npy_part("row.npy", room[2], "<i8", "4,", row, sizeof row);
        parts[3] = npy_part("col.npy", room[3], "<i4", "4,", col, sizeof col);
        parts[4] = npy_part("data.npy", room[4], "<f8", "4,", loose, sizeof loose);
    } else if (strcmp(format, "csc") == 0) {
        parts[2] = npy_part("indices.npy", room[2], "<i4", "4,", rows, sizeof rows);
        parts[3] = npy_part("indptr.npy", room[3], "<i4", "5,", column_starts, sizeof column_starts);
        parts[4] = npy_part("data.npy", room[4], "<f8", "4,", by_columns, sizeof by_columns);
    } else {
        parts[2] = npy_part("indices.npy", room[2], "<i4", "4,", indices, sizeof indices);
        parts[3] = npy_part("indptr.npy", room[3], "<i4", "4,", starts, sizeof starts);
        parts[4] = npy_part("data.npy", room[4], "<f8", "4,", by_rows, sizeof by_rows);
    }
    return 5;
}

START_TEST(sparse_matrices_of_each_format_are_read)
{
    static const char *const formats[] = {"csr", "csc", "coo"}, *const types[] = {"S3", "U3"};
    part parts[6];
    for (size_t f = 0; f < 3; f++)
        for (int kind = 0; kind < 8; kind++) {
            const size_t count = make_sparse(parts, formats[f], types[kind / 4]);
            ck_assert_int_eq(take(put_zip("x.npz", parts, count, kind % 2, kind / 2 % 2)), NE_OK);
            check_sparse(3, 4, 4, MATRIX);
            ck_assert_int_eq(got.sparse.dtype, NE_F32);
            ck_assert_int_eq(take_with(at("x.npz"), (table_request){.rows = 2}), NE_OK);
            check_sparse(2, 4, 2, MATRIX);
            ck_assert_int_eq(take_with(at("x.npz"), (table_request){.dense = 1}), NE_OK);
            check_table(3, 4, MATRIX);
            ck_assert_uint_eq(got.sparse.rows, 0);
        }
    check_error(take_with(at("x.npz"), (table_request){.rows = 4}), NE_OUT_OF_RANGE,
                "--rows: 4 is above the 3 rows of %/x.npz");
    check_error(take_with(at("x.npz"), (table_request){.label_column = "k"}), NE_UNKNOWN_NAME,
                "%/x.npz: has no named columns; --label-column and --id-column are for .csv and .tsv");
}
END_TEST

START_TEST(entries_of_one_place_are_added_up)
{
    static const int64_t where[] = {1, 0, 1, 1}, shape[] = {2, 2};
    static const double  values[] = {0.1, 2, 0.2, 0.3}, want[] = {0, 2, 0, 0.1 + 0.2 + 0.3};
    part                 parts[6];
    make_sparse(parts, "coo", "S3");
    parts[1] = npy_part("shape.npy", room[1], "<i8", "2,", shape, sizeof shape);
    parts[2] = npy_part("row.npy", room[2], "<i8", "4,", where, sizeof where);
    parts[3] = npy_part("col.npy", room[3], "<i8", "4,", (int64_t[]){1, 1, 1, 1}, 32);
    parts[4] = npy_part("data.npy", room[4], "<f8", "4,", values, sizeof values);
    ck_assert_int_eq(take(put_zip("x.npz", parts, 5, 0, 0)), NE_OK);
    check_sparse(2, 2, 2, want);
    ck_assert_int_eq(got.sparse.dtype, NE_F64);
    parts[4] = npy_part("data.npy", room[4], "<f8", "4,", (double[]){1e308, 0, 1e308, 0}, sizeof values);
    check_error(take(put_zip("x.npz", parts, 5, 0, 0)), NE_IO,
                "%/x.npz: row 1, column 1 (from 0): the entries of this place add up to inf");
}
END_TEST

START_TEST(a_sparse_matrix_without_entries_has_rows_of_zeros)
{
    const double zeros[12] = {0};
    part         parts[6];
    make_sparse(parts, "csr", "S3");
    parts[2] = npy_part("indices.npy", room[2], "<i4", "0,", "", 0);
    parts[3] = npy_part("indptr.npy", room[3], "<i4", "4,", (int32_t[]){0, 0, 0, 0}, 16);
    parts[4] = npy_part("data.npy", room[4], "<f4", "0,", "", 0);
    ck_assert_int_eq(take(put_zip("x.npz", parts, 5, 0, 0)), NE_OK);
    check_sparse(3, 4, 0, zeros);
}
END_TEST

START_TEST(a_sparse_matrix_that_is_broken_names_member_and_place)
{
    static const int64_t large[] = {(int64_t)1 << 40, 4}, long_one[] = {2000000000, 4};
    const double         nan[] = {2, 1.5, 7, NAN}, inf[] = {-1, INFINITY, 7, 1.5};
    part                 parts[6];

#define WRONG(format, which, name, type, shape, data, size, status, text)                                              \
    do {                                                                                                               \
        make_sparse(parts, format, "S3");                                                                              \
        parts[which] = npy_part(name, room[which], type, shape, data, size);                                           \
        check_error(take(put_zip("x.npz", parts, 5, 0, 0)), status, text);                                             \
    } while (0)
    WRONG("csr", 2, "indices.npy", "<i4", "4,", ((int32_t[]){3, 1, 0, 4}), 16, NE_IO,
          "%/x.npz:indices: entry 3 (from 0): 4 is outside [0, 4)");
    WRONG("csr", 2, "indices.npy", "<i4", "4,", ((int32_t[]){3, -1, 0, 2}), 16, NE_IO,
          "%/x.npz:indices: entry 1 (from 0): -1 is outside [0, 4)");
    WRONG("csc", 2, "indices.npy", "<i4", "4,", ((int32_t[]){2, 0, 3, 0}), 16, NE_IO,
          "%/x.npz:indices: entry 2 (from 0): 3 is outside [0, 3)");
    WRONG("csr", 2, "indices.npy", "<i4", "2, 2", ((int32_t[]){3, 1, 0, 2}), 16, NE_IO,
          "%/x.npz:indices: has 2 dimensions; one is needed");
    WRONG("csr", 2, "indices.npy", "<i4", "4,", ((int32_t[]){3, 1, 0}), 12, NE_IO,
          "%/x.npz:indices: truncated: its header says 4 numbers of 4 bytes, 16 in all, and 12 follow");
    WRONG("csr", 2, "others.npy", "<i4", "4,", ((int32_t[]){3, 1, 0, 2}), 16, NE_IO,
          "%/x.npz: a sparse matrix without its member 'indices'");
    WRONG("csr", 3, "indptr.npy", "<i4", "4,", ((int32_t[]){0, 3, 2, 4}), 16, NE_IO,
          "%/x.npz:indptr: entry 2 (from 0): 2, after 3; they begin with 0 and do not decrease");
    WRONG("csr", 3, "indptr.npy", "<i4", "4,", ((int32_t[]){1, 2, 2, 4}), 16, NE_IO,
          "%/x.npz:indptr: entry 0 (from 0): 1, after 0; they begin with 0 and do not decrease");
    WRONG("csr", 3, "indptr.npy", "<i4", "4,", ((int32_t[]){0, 2, 2, 5}), 16, NE_IO,
          "%/x.npz:indptr: entry 3 (from 0): 5 is outside [0, 5)");
    WRONG("csr", 3, "indptr.npy", "<i4", "3,", ((int32_t[]){0, 2, 4}), 12, NE_IO,
          "%/x.npz:indptr: 3 numbers for 3 rows or columns; one more than these is needed");
    WRONG("csr", 4, "data.npy", "<f8", "4,", nan, sizeof nan, NE_IO,
          "%/x.npz: row 2, column 2 (from 0): nan is not finite");
    WRONG("coo", 4, "data.npy", "<f8", "4,", inf, sizeof inf, NE_IO,
          "%/x.npz: row 0, column 3 (from 0): inf is not finite");
    WRONG("coo", 4, "data.npy", "<i8", "4,", ((int64_t[]){1, ((int64_t)1 << 53) + 2, 1, 1}), 32, NE_IO,
          "%/x.npz: row 0, column 3 (from 0): an integer above 2^53 in size has no exact double");
    WRONG("coo", 2, "row.npy", "<i8", "4,", ((int64_t[]){2, 0, 2, 3}), 32, NE_IO,
          "%/x.npz:row: entry 3 (from 0): 3 is outside [0, 3)");
    WRONG("coo", 3, "col.npy", "<f8", "4,", ((double[]){2, 3, 0.5, 1}), 32, NE_IO,
          "%/x.npz:col: entry 2 (from 0): 0.5 is outside [0, 4)");
    WRONG("coo", 3, "col.npy", "<i4", "3,", ((int32_t[]){2, 3, 0}), 12, NE_IO,
          "%/x.npz: 'row', 'col' and 'data' have 4, 3 and 4 entries");
    WRONG("csr", 1, "shape.npy", "<i8", "1,", large, 8, NE_IO, "%/x.npz:shape: 1 numbers; rows and columns are needed");
    WRONG("csr", 1, "shape.npy", "<i8", "2,", large, 16, NE_IO,
          "%/x.npz: its shape is 1099511627776 x 4; sparse matrices of up to 2147483647 are taken");
    WRONG("coo", 1, "shape.npy", "<i8", "2,", long_one, 16, NE_IO,
          "%/x.npz: its shape is 2000000000 x 4, and it has 4 entries; hardly a row would not be empty");
    WRONG("csr", 1, "shape.npy", "<i8", "2,", ((int64_t[]){0, 4}), 16, NE_IO,
          "%/x.npz: holds no numbers: its shape is 0 x 4");
    WRONG("csr", 0, "format.npy", "|S3", "", "bsr", 3, NE_UNSUPPORTED,
          "%/x.npz: a sparse matrix of format 'bsr'; csr, csc and coo can be read, see tocsr()");
#undef WRONG
}
END_TEST

START_TEST(zeros_that_would_not_fit_memory_are_not_filled_in)
{
    static const int64_t shape[] = {3, 2000000000};
    part                 parts[6];
    make_sparse(parts, "coo", "S3");
    parts[1] = npy_part("shape.npy", room[1], "<i8", "2,", shape, sizeof shape);
    ck_assert_int_eq(take(put_zip("x.npz", parts, 5, 0, 0)), NE_OK);
    ck_assert_uint_eq(got.cols, 2000000000);
    parts[1] = npy_part("shape.npy", room[1], "<i8", "2,", (int64_t[]){900000, 2000000000}, sizeof shape);
    ck_assert_int_eq(take_with(put_zip("x.npz", parts, 5, 0, 0), (table_request){.dense = 1}), NE_OUT_OF_MEMORY);
    ck_assert_ptr_nonnull(strstr(
        ne_last_error(), "/x.npz: --dense: 900000 x 2000000000 numbers take 6705522.5 GiB, and this machine has "));
}
END_TEST

Suite *npz_suite(void);

Suite *npz_suite(void)
{
    Suite *suite = suite_create("npz");
    TCase *tests = tcase_create("npz");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, an_array_is_the_first_one_or_the_one_that_is_named);
    tcase_add_test(tests, labels_may_be_an_array_of_an_archive);
    tcase_add_test(tests, an_archive_may_come_through_a_pipe);
    tcase_add_test(tests, an_archive_that_is_damaged_says_how);
    tcase_add_test(tests, an_archive_whose_list_is_wrong_is_refused);
    tcase_add_test(tests, an_archive_of_another_kind_is_refused);
    tcase_add_test(tests, sparse_matrices_of_each_format_are_read);
    tcase_add_test(tests, entries_of_one_place_are_added_up);
    tcase_add_test(tests, a_sparse_matrix_without_entries_has_rows_of_zeros);
    tcase_add_test(tests, a_sparse_matrix_that_is_broken_names_member_and_place);
    tcase_add_test(tests, zeros_that_would_not_fit_memory_are_not_filled_in);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(npz_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
