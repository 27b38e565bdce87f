/* tests/test_store.c: rows go into a store as they come and come back as they were; what fails leaves nothing behind. */
#include "base/store.h"
#include "base/view.h"
#include "fault.h"
#include "ne.h"

#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static ne_context *context;
static char        folder[] = "ne_store_test_XXXXXX", own[sizeof folder];

static void open_folder(void)
{
    memcpy(own, folder, sizeof folder);
    ck_assert_ptr_nonnull(mkdtemp(own));
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

static void close_folder(void)
{
    ne_context_free(context);
    ck_assert_int_eq(rmdir(own), 0); /* empty: nothing is left behind */
}

static ne_store *store_of(size_t d)
{
    ne_store *made = NULL;
    ck_assert_msg(ne_store_create(context, d, own, &made) == NE_OK, "%s", ne_last_error());
    return made;
}

static ne_dense view_as(void *data, size_t rows, size_t cols, size_t stride, int32_t dtype)
{
    return (ne_dense){sizeof(ne_dense), data, rows, cols, stride, dtype, NE_HOST};
}

static float value_at(size_t i, size_t j)
{
    return (float)i * 1000 + (float)j + 0.5f;
}

/* All rows of a store, row i of which is value_at(i, .). */
static void check_rows(ne_store *of, size_t rows, size_t d)
{
    ne_dense got = {0};
    ck_assert_int_eq(ne_store_view(of, &got), NE_OK);
    ck_assert_uint_eq(got.struct_size, sizeof got);
    ck_assert_uint_eq(got.rows, rows);
    ck_assert_uint_eq(got.cols, d);
    ck_assert_int_eq(got.dtype, NE_F32);
    ck_assert_int_eq(got.place, NE_MAPPED);
    ck_assert_int_eq(view_check(&got, "x"), NE_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < d; j++) wrong += !(view_get(&got, i, j) == (double)value_at(i, j));
    ck_assert_uint_eq(wrong, 0);
}

static size_t files_in(const char *path)
{
    DIR   *list  = opendir(path);
    size_t count = 0;
    ck_assert_ptr_nonnull(list);
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

#define REFUSED(call, status, text)                                                                                    \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

START_TEST(rows_of_any_stride_and_type_are_added_behind_those_that_are_there)
{
    enum {
        D      = 5,
        STRIDE = 9
    };
    float     narrow[7 * STRIDE];
    double    wide[3 * D];
    ne_store *made = store_of(D);
    for (size_t e = 0; e < 7 * STRIDE; e++)
        narrow[e] = e % STRIDE < D ? value_at(e / STRIDE, e % STRIDE) : (float)NAN; /* between the rows */
    for (size_t e = 0; e < 3 * D; e++) wide[e] = (double)value_at(7 + e / D, e % D);
    const ne_dense first = view_as(narrow, 7, D, STRIDE, NE_F32), second = view_as(wide, 3, D, 0, NE_F64);
    ck_assert_int_eq(ne_store_append(made, &first), NE_OK);
    check_rows(made, 7, D);
    ck_assert_int_eq(ne_store_append(made, &second), NE_OK);
    check_rows(made, 10, D);
    ne_store_free(made);
}
END_TEST

START_TEST(one_row_of_one_column_is_a_store_and_its_own_view_can_be_appended)
{
    float     one  = value_at(0, 0);
    ne_dense  rows = view_as(&one, 1, 1, 0, NE_F32);
    ne_store *made = store_of(1);
    ck_assert_int_eq(ne_store_append(made, &rows), NE_OK);
    check_rows(made, 1, 1);
    ck_assert_int_eq(ne_store_view(made, &rows), NE_OK);
    ck_assert_int_eq(ne_store_append(made, &rows), NE_OK);
    ck_assert_int_eq(ne_store_view(made, &rows), NE_OK);
    ck_assert_uint_eq(rows.rows, 2);
    ck_assert(view_get(&rows, 1, 0) == (double)one);
    ne_store_free(made);
}
END_TEST

/* --- Readers. */

typedef struct source {
    size_t    rows, given, d, most; /* at most so many at a time */
    size_t    bad_row;              /* NaN in column 1; SIZE_MAX: none */
    size_t    too_many;             /* this is said in place of the count */
    ne_status stop;                 /* once all rows are given */
    int       calls;
} source;

static ne_status give(void *user, size_t row0, const ne_dense *block, size_t *count)
{
    source *from = user;
    ck_assert_uint_eq(row0, from->given);
    ck_assert_uint_eq(block->cols, from->d);
    ck_assert_int_eq(block->dtype, NE_F32);
    ck_assert_uint_ge(block->rows, 1);
    from->calls++;
    *count = from->rows - from->given;
    if (*count > block->rows) *count = block->rows;
    if (*count > from->most) *count = from->most;
    for (size_t i = 0; i < *count; i++)
        for (size_t j = 0; j < from->d; j++) {
            const size_t row = row0 + i;
            view_set(block, i, j, row == from->bad_row && j == 1 ? (double)NAN : (double)value_at(row, j));
        }
    from->given += *count;
    if (*count == 0 && from->stop != NE_OK) return ne_fail(from->stop, "source: it broke");
    if (from->too_many) *count = from->too_many;
    return NE_OK;
}

/* 4 MiB a block: 1500 rows of 3000 columns are several. */
START_TEST(a_reader_is_read_once_in_order_and_to_its_end)
{
    static const size_t most[] = {SIZE_MAX, 17};
    source              from   = {.rows = 1500, .d = 3000, .most = most[_i], .bad_row = SIZE_MAX};
    ne_store           *made   = store_of(from.d);
    ck_assert_msg(ne_store_read(made, give, &from) == NE_OK, "%s", ne_last_error());
    check_rows(made, 1500, from.d);
    ck_assert_int_ge(from.calls, 5);
    ne_store_free(made);
}
END_TEST

START_TEST(a_reader_that_fails_adds_nothing)
{
    source    good = {.rows = 4, .d = 3, .most = 3, .bad_row = SIZE_MAX}, from = good;
    ne_store *made = store_of(3);
    ck_assert_int_eq(ne_store_read(made, give, &good), NE_OK);

    from.stop = NE_CANCELLED;
    REFUSED(ne_store_read(made, give, &from), NE_CANCELLED, "source: it broke");
    check_rows(made, 4, 3);
    from = (source){.rows = 9, .d = 3, .most = 3, .bad_row = 7};
    REFUSED(ne_store_read(made, give, &from), NE_INVALID_ARGUMENT, "rows: row 11, column 1 is nan");
    check_rows(made, 4, 3);
    from = (source){.rows = 1, .d = 3, .most = 3, .bad_row = SIZE_MAX, .too_many = 5000000};
    ck_assert_int_eq(ne_store_read(made, give, &from), NE_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "count: 5000000 rows, the block holds "));
    check_rows(made, 4, 3);
    ne_store_free(made);
}
END_TEST

/* --- What is refused. */

START_TEST(bad_numbers_and_shapes_are_named_and_leave_the_store_as_it_was)
{
    double    data[4 * 2];
    ne_store *made = store_of(2);
    ne_dense  rows = view_as(data, 4, 2, 0, NE_F64);
    for (size_t e = 0; e < 8; e++) data[e] = (double)value_at(e / 2, e % 2);
    ck_assert_int_eq(ne_store_append(made, &rows), NE_OK);

    data[5] = NAN;
    REFUSED(ne_store_append(made, &rows), NE_INVALID_ARGUMENT, "rows: row 6, column 1 is nan");
    data[5] = -INFINITY;
    REFUSED(ne_store_append(made, &rows), NE_INVALID_ARGUMENT, "rows: row 6, column 1 is -inf");
    data[5] = 1e300;
    REFUSED(ne_store_append(made, &rows), NE_INVALID_ARGUMENT,
            "rows: row 6, column 1 is 1e+300, beyond single precision");
    rows.cols = 1;
    REFUSED(ne_store_append(made, &rows), NE_INVALID_ARGUMENT, "rows: 1 columns, the store has 2");
    rows.place = NE_DEVICE;
    ck_assert_int_eq(ne_store_append(made, &rows), NE_UNSUPPORTED);
    ck_assert_int_eq(ne_store_append(made, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_store_append(NULL, &rows), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_store_read(made, NULL, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_store_view(made, NULL), NE_INVALID_ARGUMENT);
    check_rows(made, 4, 2);
    ne_store_free(made);
}
END_TEST

START_TEST(an_empty_store_has_no_view)
{
    ne_dense  view = {0};
    ne_store *made = store_of(2);
    REFUSED(ne_store_view(made, &view), NE_INVALID_ARGUMENT, "store: it has no rows");
    ne_store_free(made);
    ne_store_free(NULL);
}
END_TEST

START_TEST(a_store_needs_columns_and_a_folder)
{
    ne_store *made = NULL;
    REFUSED(ne_store_create(context, 0, own, &made), NE_OUT_OF_RANGE, "d: 0 is outside [1, 2147483647]");
    REFUSED(ne_store_create(context, 3, "no/such/folder", &made), NE_IO,
            "store: making a file in no/such/folder: No such file or directory");
    ck_assert_int_eq(ne_store_create(NULL, 3, own, &made), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_store_create(context, 3, own, NULL), NE_INVALID_ARGUMENT);
    ck_assert_ptr_null(made);
}
END_TEST

/* --- The file. */

START_TEST(its_file_has_no_name_and_is_in_the_folder_that_was_asked_for)
{
    float     one  = value_at(0, 0);
    ne_dense  rows = view_as(&one, 1, 1, 0, NE_F32);
    ne_store *made = store_of(1);
    ck_assert_int_eq(ne_store_append(made, &rows), NE_OK);
    ck_assert_uint_eq(files_in(own), 0);
    ne_store_free(made);

    made = NULL;
    ck_assert_int_eq(setenv("TMPDIR", "no/such/place", 1), 0); /* of this test's own process */
    REFUSED(ne_store_create(context, 3, NULL, &made), NE_IO,
            "store: making a file in no/such/place: No such file or directory");
    ck_assert_int_eq(setenv("TMPDIR", own, 1), 0);
    ck_assert_int_eq(ne_store_create(context, 1, NULL, &made), NE_OK);
    ne_store_free(made);
    unsetenv("TMPDIR");
}
END_TEST

/* A limit of the process stands in for a full disk. 1 MiB holds 262144 rows of one column, less than a piece. */
START_TEST(a_full_disk_is_reported_and_the_file_is_cut_back)
{
    const size_t        many  = 400000;
    float              *data  = malloc(many * sizeof *data);
    const struct rlimit least = {1 << 20, 1 << 20};
    const ne_allocator *mem   = &memory_default;
    store               made;
    struct stat         now;
    ne_dense            view;

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < many; i++) data[i] = value_at(i % 1000, 0);
    const ne_dense few = view_as(data, 1000, 1, 0, NE_F32), all = view_as(data, many, 1, 0, NE_F32);
    ck_assert_int_eq(store_open(mem, 1, own, &made), NE_OK);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &least), 0);
    ck_assert_int_eq(store_append(&made, &few), NE_OK);
    ck_assert_int_eq(store_append(&made, &all), NE_IO);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "store: writing to a file in ne_store_test_"));
    ck_assert_ptr_nonnull(strstr(ne_last_error(), ": File too large"));
    ck_assert_int_eq(fstat(made.file, &now), 0);
    ck_assert_int_eq(now.st_size, 1000 * (off_t)sizeof(float));
    ck_assert_int_eq(store_append(&made, &few), NE_OK);
    ck_assert_int_eq(store_view(&made, &view), NE_OK);
    ck_assert_uint_eq(view.rows, 2000);
    for (size_t i = 0; i < 2000; i++) ck_assert(view_get(&view, i, 0) == (double)value_at(i % 1000, 0));
    store_clear(&made);
    free(data);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_nothing_is_lost)
{
    fault              mem     = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *mine    = NULL;
    ck_assert_int_eq(ne_context_create_with(&failing, &mine), NE_OK);
    for (long k = 0, fired = 1; fired; k++) {
        const long before  = mem.live;
        ne_store  *made    = NULL;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = ne_store_create(mine, 3, own, &made);
        mem.until          = LONG_MAX;
        fired              = mem.fired;
        ck_assert_int_eq(st, fired ? NE_OUT_OF_MEMORY : NE_OK);
        ne_store_free(made);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(mine);
    ck_assert_int_eq(mem.live, 0);
}
END_TEST

START_TEST(a_store_keeps_its_context_alive)
{
    ne_context *mine = NULL;
    ne_store   *made = NULL;
    float       one  = value_at(0, 0);
    ne_dense    rows = view_as(&one, 1, 1, 0, NE_F32);
    ck_assert_int_eq(ne_context_create(&mine), NE_OK);
    ck_assert_int_eq(ne_store_create(mine, 1, own, &made), NE_OK);
    ne_context_free(mine);
    ck_assert_int_eq(ne_store_append(made, &rows), NE_OK);
    check_rows(made, 1, 1);
    ne_store_free(made);
}
END_TEST

Suite *store_suite(void);

Suite *store_suite(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_add_checked_fixture(tests, open_folder, close_folder);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, rows_of_any_stride_and_type_are_added_behind_those_that_are_there);
    tcase_add_test(tests, one_row_of_one_column_is_a_store_and_its_own_view_can_be_appended);
    tcase_add_loop_test(tests, a_reader_is_read_once_in_order_and_to_its_end, 0, 2);
    tcase_add_test(tests, a_reader_that_fails_adds_nothing);
    tcase_add_test(tests, bad_numbers_and_shapes_are_named_and_leave_the_store_as_it_was);
    tcase_add_test(tests, an_empty_store_has_no_view);
    tcase_add_test(tests, a_store_needs_columns_and_a_folder);
    tcase_add_test(tests, its_file_has_no_name_and_is_in_the_folder_that_was_asked_for);
    tcase_add_test(tests, a_full_disk_is_reported_and_the_file_is_cut_back);
    tcase_add_test(tests, every_failed_allocation_is_reported_and_nothing_is_lost);
    tcase_add_test(tests, a_store_keeps_its_context_alive);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(store_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
