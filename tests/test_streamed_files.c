/* test_streamed_files.c: files of which memory holds a part at a time: mapped, in a store, and read no further than the rows
 * asked for. */
#include "io/bytes.h"
#include "io/csv.h"
#include "zip_files.h"

#include <fcntl.h>
#include <math.h>

static ne_context *context;

static void open_streams(void)
{
    open_all();
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

static void close_streams(void)
{
    close_all();
    ne_context_free(context);
}

static ne_status take_stream(const char *path, table_request request)
{
    request.stream = context;
    return take_with(path, request);
}

/* Rows of whole numbers: row i, column j is i * COLS + j, cut to a byte where small is 1. Enough for several blocks. */
enum {
    ROWS = 20000,
    COLS = 60
};

static double number_of(size_t k, int small)
{
    return small ? (double)(k % 100) : (double)k;
}

static void check_rows(size_t rows, int small, int in_store)
{
    ck_assert_uint_eq(got.rows, rows);
    ck_assert_uint_eq(got.cols, COLS);
    ck_assert_int_eq(got.place, NE_MAPPED);
    ck_assert_int_eq(got.store != NULL, in_store);
    ck_assert_int_eq(got.map != NULL, !in_store);
    for (size_t k = 0; k < rows * COLS; k++) {
        const double have =
            got.dtype == NE_F64 ? ((const double *)got.values)[k] : (double)((const float *)got.values)[k];
        if (have != number_of(k, small)) ck_abort_msg("number %zu is %g", k, have);
    }
}

/* A .npy file of a type, in a byte order, C or Fortran. The bytes are the caller's to free. */
static unsigned char *make_rows(const char *type, int big, int fortran, size_t *length)
{
    const size_t   size = (size_t)(type[1] - '0'), count = (size_t)ROWS * COLS;
    unsigned char *file = malloc(256 + count * size);
    char           header[128];
    const int      used = snprintf(header, sizeof header, "{'descr': '%c%s', 'fortran_order': %s, 'shape': (%d, %d), }",
                              size == 1 ? '|'
                                   : big     ? '>'
                                             : '<',
                                   type, fortran ? "True" : "False", ROWS, COLS);
    /* As NumPy does it: the numbers begin at a multiple of 64 bytes. */
    memset(header + used, ' ', sizeof header - (size_t)used);
    header[117] = '\n';
    header[118] = 0;
    *length     = make_npy(file, header, NULL, 0);
    ck_assert_uint_eq(*length, 128);
    for (size_t k = 0; k < count; k++) {
        const size_t place  = fortran ? k % ROWS * COLS + k / ROWS : k;
        const double number = number_of(place, size == 1);
        const float  single = (float)number;
        uint64_t     raw    = (uint64_t)number;
        if (type[0] == 'f' && size == 8) memcpy(&raw, &number, 8);
        if (type[0] == 'f' && size == 4) {
            uint32_t bits;
            memcpy(&bits, &single, 4);
            raw = bits;
        }
        for (size_t b = 0; b < size; b++)
            file[*length + k * size + (big ? size - 1 - b : b)] = (unsigned char)(raw >> 8 * b);
    }
    *length += count * size;
    return file;
}

START_TEST(floats_of_this_machine_are_mapped_where_they_lie)
{
    static const char *const types[] = {"f4", "f8"};
    for (size_t t = 0; t < 2; t++) {
        size_t         length = 0;
        unsigned char *file   = make_rows(types[t], 0, 0, &length);
        ck_assert_int_eq(take_stream(put("x.npy", file, length), (table_request){0}), NE_OK);
        check_rows(ROWS, 0, 0);
        ck_assert_int_eq(got.dtype, t ? NE_F64 : NE_F32);
        ck_assert_int_eq(take_stream(at("x.npy"), (table_request){.rows = 777}), NE_OK);
        check_rows(777, 0, 0);
        free(file);
    }
}
END_TEST

START_TEST(other_types_and_orders_go_through_a_store)
{
    static const struct {
        const char *type;
        int         big, fortran;
    } cases[] = {{"f4", 1, 0}, {"f8", 1, 0}, {"i4", 0, 0}, {"u1", 0, 0}, {"f4", 0, 1}, {"i8", 1, 1}};
    for (size_t t = 0; t < sizeof cases / sizeof *cases; t++) {
        size_t         length = 0;
        unsigned char *file   = make_rows(cases[t].type, cases[t].big, cases[t].fortran, &length);
        ck_assert_int_eq(take_stream(put("x.npy", file, length), (table_request){0}), NE_OK);
        check_rows(ROWS, cases[t].type[1] == '1', 1);
        ck_assert_int_eq(take_stream(at("x.npy"), (table_request){.rows = 777}), NE_OK);
        check_rows(777, cases[t].type[1] == '1', 1);
        free(file);
    }
}
END_TEST

START_TEST(what_is_packed_or_comes_through_a_pipe_goes_through_a_store)
{
    size_t         length = 0;
    unsigned char *file   = make_rows("f4", 0, 0, &length);
    ck_assert_int_eq(take_stream(put_gz("x.npy.gz", file, length), (table_request){0}), NE_OK);
    check_rows(ROWS, 0, 1);
    ck_assert_int_eq(take_stream(at("x.npy.gz"), (table_request){.rows = 777}), NE_OK);
    check_rows(777, 0, 1);
    put_gz("cut.npy.gz", file, length - 4 * COLS);
    check_error(take_stream(at("cut.npy.gz"), (table_request){0}), NE_IO,
                "%/cut.npy.gz: truncated: its header says 20000 rows, and it ends in row 19999 (from 0)");
    ck_assert_int_eq(take_stream(at("cut.npy.gz"), (table_request){.rows = 19000}), NE_OK);

    const int handle = open(put("x.npy", file, length), O_RDONLY);
    ck_assert_int_eq(dup2(handle, STDIN_FILENO), STDIN_FILENO);
    close(handle);
    ck_assert_int_eq(take_stream("-", (table_request){0}), NE_OK);
    check_rows(ROWS, 0, 1);
    free(file);
}
END_TEST

START_TEST(members_of_an_archive_and_idx_go_through_a_store)
{
    static unsigned char room[MEMBER_ROOM];
    static const double  want[] = {1, 2, 3, 4, 5, 6};
    const part           one    = npy_part("a.npy", room, "<f4", "2, 3", (float[]){1, 2, 3, 4, 5, 6}, 24);
    for (int packed = 0; packed < 2; packed++) {
        ck_assert_int_eq(take_stream(put_zip("x.npz", &one, 1, packed, 0), (table_request){0}), NE_OK);
        check_table(2, 3, want);
        ck_assert_ptr_nonnull(got.store);
    }
    ck_assert_int_eq(take_stream(put("x.idx", IDX, sizeof IDX), (table_request){0}), NE_OK);
    check_table(3, 2, (double[]){10, 20, 30, 40, 50, 255});
    ck_assert_int_eq(take_stream(put_gz("x.idx", IDX, sizeof IDX), (table_request){0}), NE_OK);
    check_table(3, 2, (double[]){10, 20, 30, 40, 50, 255});
    put_gz("x.npy.gz", room, make_npy(room, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", want, 24));
    check_error(take_stream(at("x.npy.gz"), (table_request){0}), NE_UNSUPPORTED,
                "%/x.npy.gz: --stream: Fortran order can be read of a .npy file only, neither of a pipe nor of what is "
                "packed; save it in C order");
}
END_TEST

START_TEST(sparse_rows_are_filled_into_a_store_block_by_block)
{
    ck_assert_int_eq(take_stream(put_text("x.mtx", "%%MatrixMarket matrix coordinate real general\n2 3 2\n"
                                                   "2 1 .5\n1 3 4\n"),
                                 (table_request){.dense = 1}),
                     NE_OK);
    check_table(2, 3, (double[]){0, 0, 4, .5, 0, 0});
    ck_assert_int_eq(got.place, NE_MAPPED);
    ck_assert_uint_eq(got.sparse.rows, 0);
}
END_TEST

START_TEST(a_bad_number_is_named_by_the_row_of_the_file)
{
    size_t         length = 0;
    unsigned char *file   = make_rows("f4", 1, 0, &length);
    memcpy(file + 128 + ((size_t)19000 * COLS + 7) * 4, "\x7F\xC0\0\0", 4); /* big-endian */
    ck_assert_int_eq(take_stream(put("x.npy", file, length), (table_request){0}), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "/x.npy: "));
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "row 19000, column 7"));
    free(file);
    file                                           = make_rows("i8", 0, 0, &length);
    file[128 + ((size_t)19000 * COLS + 7) * 8 + 7] = 0x7F;
    check_error(take_stream(put_gz("y.npy.gz", file, length), (table_request){0}), NE_IO,
                "%/y.npy.gz: row 19000, column 7 (from 0): an integer above 2^53 in size has no exact double");
    free(file);
}
END_TEST

/* --- Text */

/* Lines "name i",i * 2,i * 2 + 1,kind: longer than what is read at once. */
static const char *put_lines(const char *name, size_t rows, const char *last)
{
    const char *path = at(name);
    FILE       *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("name,a,b,kind\n", file);
    for (size_t i = 0; i < rows; i++)
        fprintf(file, "\"name \"\"%zu\"\",\n of a record\",%zu,%zu,%s\n", i, 2 * i, 2 * i + 1, i % 3 ? "x" : "yy");
    fputs(last, file);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

START_TEST(long_text_is_the_same_in_memory_and_in_a_store)
{
    enum {
        LINES = 100000
    };
    const table_request request = {.label_column = "kind", .id_column = "name"};
    char                name[64];
    put_lines("x.csv", LINES, "");
    for (int stream = 0; stream < 2; stream++) {
        ck_assert_int_eq(stream ? take_stream(at("x.csv"), request) : take_with(at("x.csv"), request), NE_OK);
        ck_assert_uint_eq(got.rows, LINES);
        ck_assert_uint_eq(got.cols, 2);
        ck_assert_int_eq(got.place, stream ? NE_MAPPED : NE_HOST);
        ck_assert_uint_eq(got.labels.count, LINES);
        for (size_t i = 0; i < LINES; i++) {
            snprintf(name, sizeof name, "name \"%zu\",\n of a record", i);
            if (((const float *)got.values)[2 * i + 1] != (float)(2 * i + 1) || strcmp(got.ids[i], name) != 0 ||
                got.labels.code[i] != (i % 3 == 0))
                ck_abort_msg("row %zu is another", i);
        }
    }
    put_lines("x.csv", LINES, "\"last\",1,two,x\n");
    check_error(take_stream(at("x.csv"), request), NE_IO, "%/x.csv: line 200002, column 3 'b': 'two' is not a number");
    put_lines("x.csv", LINES, "\"last\",1,1e39,x\n");
    check_error(take_stream(at("x.csv"), request), NE_IO,
                "%/x.csv: line 200002, column 3 'b': '1e39' is no float; without --stream it is a double");
    put_lines("x.csv", LINES, "\"last,1,2,x\n");
    check_error(take_stream(at("x.csv"), request), NE_IO, "%/x.csv: line 200002, column 1: the quotes are not closed");
}
END_TEST

START_TEST(no_more_text_is_read_than_the_rows_asked_for)
{
    bytes_source source = {0};
    csv_reader   reader;
    put_lines("x.csv", 150000, "");
    ck_assert_int_eq(bytes_open(at("x.csv"), &source), NE_OK);
    ck_assert_int_eq(csv_open(at("x.csv"), &source, &reader), NE_OK);
    for (size_t i = 0; i < 1000; i++) ck_assert_int_eq(csv_next(&reader), NE_OK);
    ck_assert_uint_lt(source.dropped + source.file.size, source.length / 2);
    ck_assert_uint_eq(source.file.data[source.file.size], 0);
    csv_close(&reader);
    bytes_close(&source);

    /* What follows is no text, and beyond the first piece. */
    put_lines("x.csv", 100000, "");
    FILE *file = fopen(at("x.csv"), "a");
    ck_assert_uint_eq(fwrite("\0\0\0", 1, 3, file), 3);
    ck_assert_int_eq(fclose(file), 0);
    const table_request request = {.rows = 50, .label_column = "kind", .id_column = "name"};
    ck_assert_int_eq(take_with(at("x.csv"), request), NE_OK);
    ck_assert_uint_eq(got.rows, 50);
    ck_assert_int_eq(take_stream(at("x.csv"), request), NE_OK);
    ck_assert_uint_eq(got.rows, 50);
    check_error(take_stream(at("x.csv"), (table_request){.label_column = "kind", .id_column = "name"}), NE_IO,
                "%/x.csv: not a text file: it holds zero bytes");
}
END_TEST

/* Each way to cut a text into pieces gives the same records: what is read at once is as much as a pipe holds. */
START_TEST(a_record_may_be_cut_anywhere_by_what_is_read_at_once)
{
    enum {
        PIECE = 1 << 20,
        LINE  = 4000
    };
    static char  text[PIECE + 4096];
    const double want[] = {1, 2, 3, 4};
    for (size_t shift = 0; shift < 40; shift++) {
        bytes_source source = {0};
        csv_reader   reader;
        size_t       size = 0;
        for (; size + LINE < PIECE - 30 + shift; size += LINE) {
            memset(text + size, '0', LINE);
            text[size + 1]        = ',';
            text[size + LINE - 1] = '\n';
        }
        while (size < PIECE - 30 + shift) text[size++] = '\n';
        size += (size_t)sprintf(text + size, "\"1\",\" 2\",\"\"\"q\"\"\r\n\",4\r\n\r\n1,2,3,4\r\n");
        ck_assert_int_eq(bytes_open(put("x.csv", text, size), &source), NE_OK);
        ck_assert_int_eq(csv_open(at("x.csv"), &source, &reader), NE_OK);
        do ck_assert_int_eq(csv_next(&reader), NE_OK);
        while (strcmp(reader.field[0], "0") == 0);
        ck_assert_uint_eq(reader.count, 4);
        ck_assert_str_eq(reader.field[0], "1");
        ck_assert_str_eq(reader.field[1], " 2");
        ck_assert_str_eq(reader.field[2], "\"q\"\r\n");
        ck_assert_str_eq(reader.field[3], "4");
        ck_assert_int_eq(csv_next(&reader), NE_OK);
        ck_assert_uint_eq(reader.count, 4);
        for (size_t j = 0; j < 4; j++) ck_assert_double_eq(strtod(reader.field[j], NULL), want[j]);
        ck_assert_int_eq(csv_next(&reader), NE_OK);
        ck_assert_uint_eq(reader.count, 0);
        csv_close(&reader);
        bytes_close(&source);
    }
}
END_TEST

/* --- Standardizing */

START_TEST(mapped_rows_are_standardized_as_those_in_memory)
{
    static float values[12] = {1, 5, 2, 5, 6, 5, 3, 5, 9, 5, -4, 5};
    float        want[12];
    size_t       constant = 0;
    put_npy("x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2)}  \n", values, sizeof values);
    ck_assert_int_eq(take(at("x.npy")), NE_OK);
    ck_assert_int_eq(table_standardize("x.npy", context, &got, &constant), NE_OK);
    memcpy(want, got.values, sizeof want);
    ck_assert_int_eq(take_stream(at("x.npy"), (table_request){0}), NE_OK);
    ck_assert_int_eq(table_standardize("x.npy", context, &got, &constant), NE_OK);
    ck_assert_uint_eq(constant, 1);
    ck_assert_int_eq(got.place, NE_MAPPED);
    ck_assert_mem_eq(got.values, want, sizeof want);
    ck_assert_int_eq(take(put_text("x.mtx", "%%MatrixMarket matrix coordinate real general\n2 3 1\n2 1 .5\n")), NE_OK);
    check_error(table_standardize("x.mtx", context, &got, &constant), NE_UNSUPPORTED,
                "x.mtx: --standardize: sparse rows would lose their zeros; give --dense too");
}
END_TEST

Suite *streamed_files_suite(void);

Suite *streamed_files_suite(void)
{
    Suite *suite = suite_create("streamed files");
    TCase *tests = tcase_create("streamed files");
    tcase_add_checked_fixture(tests, open_streams, close_streams);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, floats_of_this_machine_are_mapped_where_they_lie);
    tcase_add_test(tests, other_types_and_orders_go_through_a_store);
    tcase_add_test(tests, what_is_packed_or_comes_through_a_pipe_goes_through_a_store);
    tcase_add_test(tests, members_of_an_archive_and_idx_go_through_a_store);
    tcase_add_test(tests, sparse_rows_are_filled_into_a_store_block_by_block);
    tcase_add_test(tests, a_bad_number_is_named_by_the_row_of_the_file);
    tcase_add_test(tests, long_text_is_the_same_in_memory_and_in_a_store);
    tcase_add_test(tests, no_more_text_is_read_than_the_rows_asked_for);
    tcase_add_test(tests, a_record_may_be_cut_anywhere_by_what_is_read_at_once);
    tcase_add_test(tests, mapped_rows_are_standardized_as_those_in_memory);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(streamed_files_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
