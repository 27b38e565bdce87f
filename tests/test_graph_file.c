/* tests/test_graph_file.c: graphs in files: what comes back, and every way in which a file can lie. */
#include "fault.h"
#include "graph/graph_file.h"

#include <ne.h>

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    N      = 70,
    D      = 5,
    K      = 6,
    HEADER = 40,
    COLS   = HEADER + 8 * (N + 1), /* where the columns begin, */
    VALS   = COLS + 4 * N * K,     /* and the values, */
    SUM    = VALS + 4 * N * K,     /* and the check sum */
    SIZE   = SUM + 8
};

static ne_context   *ctx;
static ne_graph     *graph;
static char          folder[64], path[128];
static unsigned char bytes[SIZE + 8];

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static void open_all(void)
{
    static float x[N * D];
    for (size_t i = 0; i < N * D; i++) x[i] = (float)((i * 7919) % 101);
    const ne_dense v = {sizeof v, x, N, D, D, NE_F32, NE_HOST};
    snprintf(folder, sizeof folder, "ne_graph_file_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/graph", folder);
    OK(ne_context_create(&ctx));
    OK(ne_graph_create(ctx, &graph));
    OK(ne_graph_set_int(graph, "n_neighbors", K));
    OK(ne_graph_build(graph, &v));
}

static void close_all(void)
{
    ne_graph_free(graph);
    ne_context_free(ctx);
    remove(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left there */
}

static void get_file(void)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(bytes, 1, sizeof bytes, f), SIZE);
    fclose(f);
}

static void put_file(size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* The sum over what is in bytes[] now, from its definition. */
static void sign(void)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t b = 0; b < SUM; b += 4) {
        const uint32_t word = (uint32_t)bytes[b] | (uint32_t)bytes[b + 1] << 8 | (uint32_t)bytes[b + 2] << 16 |
                              (uint32_t)bytes[b + 3] << 24;
        hash = (hash ^ word) * 0x100000001B3u;
    }
    for (size_t b = 0; b < 8; b++) bytes[SUM + b] = (unsigned char)(hash >> (8 * b));
}

static void refused(int32_t status, const char *text)
{
    ne_graph *read = NULL;
    ck_assert_int_eq(ne_graph_read(ctx, path, &read), status);
    ck_assert_ptr_null(read);
    ck_assert_msg(strstr(ne_last_error(), text) != NULL, "'%s' lacks '%s'", ne_last_error(), text);
}

/* The saved file with these bytes at a place, signed anew: only the lie itself can give it away. */
static void lie(size_t at, const void *with, size_t size, int32_t status, const char *text)
{
    OK(ne_graph_save(graph, path));
    get_file();
    memcpy(bytes + at, with, size);
    sign();
    put_file(SIZE);
    refused(status, text);
}

START_TEST(what_is_saved_comes_back_to_the_bit)
{
    ne_graph *affinity = NULL, *read = NULL;
    ne_csr    a, b;
    double    recall;
    OK(ne_graph_csr(graph, &a));
    OK(ne_graph_from_csr(ctx, NE_GRAPH_AFFINITY, &a, &affinity));
    for (int kind = NE_GRAPH_DISTANCES; kind <= NE_GRAPH_AFFINITY; kind++) {
        OK(ne_graph_csr(kind == NE_GRAPH_DISTANCES ? graph : affinity, &a));
        OK(ne_graph_save(kind == NE_GRAPH_DISTANCES ? graph : affinity, path));
        OK(ne_graph_read(ctx, path, &read));
        OK(ne_graph_csr(read, &b));
        ck_assert_int_eq(ne_graph_get_kind(read), kind);
        ck_assert_uint_eq(b.rows, N);
        ck_assert_mem_eq(a.start, b.start, (N + 1) * sizeof *a.start);
        ck_assert_mem_eq(a.col, b.col, N * K * sizeof *a.col);
        ck_assert_mem_eq(a.val, b.val, N * K * sizeof(float));
        OK(ne_graph_get_real(read, "recall_measured", &recall));
        ck_assert_double_eq(recall, 1);
        ne_graph_free(read);
    }
    ne_graph_free(affinity);
}
END_TEST

/* The layout is a promise: these bytes were written down by hand from graph_file.h. */
START_TEST(the_bytes_are_those_that_the_header_describes)
{
    int64_t                    start[3] = {0, 1, 2};
    int32_t                    col[2]   = {1, 0};
    float                      val[2]   = {1, 2};
    const ne_csr               in       = {sizeof in, 2, 2, start, col, val, NE_F32, NE_HOST};
    static const unsigned char want[]   = {
          'N', 'E', 'G',  'R',  'A', 'P', 'H',  0,    1, 0, 0, 0, 1, 0, 0, 0, /* version, kind */
          2,   0,   0,    0,    0,   0,   0,    0,    2, 0, 0, 0, 0, 0, 0, 0, /* rows, entries */
          0,   0,   0,    0,    0,   0,   0xF0, 0x3F,                         /* recall 1 */
          0,   0,   0,    0,    0,   0,   0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* starts */
          2,   0,   0,    0,    0,   0,   0,    0,    1, 0, 0, 0, 0, 0, 0, 0, /* and columns */
          0,   0,   0x80, 0x3F, 0,   0,   0,    0x40};                        /* values */
    unsigned char got[sizeof want + 8];
    ne_graph     *two = NULL;
    FILE         *f;
    OK(ne_graph_from_csr(ctx, NE_GRAPH_DISTANCES, &in, &two));
    OK(ne_graph_save(two, path));
    f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(got, 1, sizeof got, f), sizeof got);
    ck_assert_int_eq(fgetc(f), EOF);
    fclose(f);
    ck_assert_mem_eq(got, want, sizeof want);
    ne_graph_free(two);
}
END_TEST

START_TEST(a_file_of_any_other_length_is_refused)
{
    OK(ne_graph_save(graph, path));
    get_file();
    for (size_t size = 0; size < SIZE; size += size < HEADER + 8 ? 1 : 97) {
        put_file(size);
        refused(NE_IO, size < HEADER ? "ends too early" : "which is not the length of");
    }
    put_file(SIZE + 1);
    refused(NE_IO, "which is not the length of 70 rows with 420 entries");
}
END_TEST

START_TEST(every_changed_byte_is_noticed)
{
    ne_graph *read = NULL;
    OK(ne_graph_save(graph, path));
    get_file();
    for (size_t at = 0; at < SIZE; at += at < HEADER ? 1 : 13) {
        bytes[at] ^= 0x11;
        put_file(SIZE);
        const ne_status st = ne_graph_read(ctx, path, &read);
        ck_assert_msg(st == NE_IO || st == NE_UNSUPPORTED, "byte %zu: %s", at, ne_status_name(st));
        ck_assert_ptr_null(read);
        bytes[at] ^= 0x11;
    }
}
END_TEST

START_TEST(every_lie_has_its_text)
{
    static const unsigned char two[4] = {2}, nine[4] = {9}, huge[8] = {0, 0, 0, 0, 0, 0, 0, 0x80};
    const int64_t              far = N * K + 1, falls = 0;
    const int32_t              outside = N, minus = -1;
    const float                nan_value = NAN, infinite = INFINITY, small = -1;
    const double               recall = 1.5;
    int32_t                    self   = 0, other;
    ne_csr                     m;
    OK(ne_graph_csr(graph, &m));
    other = m.col[1];
    lie(0, "Q", 1, NE_IO, "not a file of ne_graph_save()");
    lie(8, two, 4, NE_UNSUPPORTED, "version 2 of the format, this library reads 1");
    lie(12, nine, 4, NE_IO, "kind 9 is neither distances nor affinity");
    lie(16, huge, 8, NE_IO, "9223372036854775808 rows, outside [2, 2147483647]");
    lie(24, huge, 8, NE_IO, "which is not the length of");
    lie(32, &recall, 8, NE_IO, "recall 1.5, outside [0, 1]");
    lie(HEADER, &far, 8, NE_IO, "row 0 does not start at 0");
    lie(HEADER + 8, &far, 8, NE_IO, "row 0 ends outside the entries or before it starts");
    lie(HEADER + 16, &falls, 8, NE_IO, "row 1 ends outside the entries or before it starts");
    lie(HEADER + 8 * N, &m.start[N - 1], 8, NE_IO, "row 69 is not where the entries end");
    lie(COLS, &outside, 4, NE_IO, "row 0 names a column outside the matrix");
    lie(COLS + 4 * K, &minus, 4, NE_IO, "row 1 names a column outside the matrix");
    lie(COLS, &self, 4, NE_IO, "row 0 names itself");
    lie(COLS, &other, 4, NE_IO, "row 0 names a column twice");
    lie(VALS + 4 * K, &nan_value, 4, NE_IO, "row 1 has a value that is not finite");
    lie(VALS, &infinite, 4, NE_IO, "row 0 has a value that is not finite");
    lie(VALS + 4, &small, 4, NE_IO, "row 0 has distances that do not ascend");
    lie(12, two, 4, NE_IO, "has columns that do not ascend"); /* distances that call themselves an affinity */
}
END_TEST

START_TEST(paths_that_cannot_be_are_errors_and_a_file_is_replaced_only_by_a_whole_one)
{
    ne_graph *empty = NULL, *read = NULL;
    char      other[160];
    OK(ne_graph_create(ctx, &empty));
    ck_assert_int_eq(ne_graph_save(empty, path), NE_NOT_FITTED);
    ne_graph_free(empty);
    ck_assert_int_eq(ne_graph_save(NULL, path), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_save(graph, NULL), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(ne_graph_read(ctx, NULL, &read), NE_INVALID_ARGUMENT);
    snprintf(other, sizeof other, "%s/none/graph", folder);
    ck_assert_int_eq(ne_graph_save(graph, other), NE_IO);
    ck_assert_int_eq(ne_graph_read(ctx, other, &read), NE_IO);
    ck_assert_int_eq(ne_graph_read(ctx, folder, &read), NE_IO); /* a folder */
    OK(ne_graph_save(graph, path));
    OK(ne_graph_save(graph, path));
    OK(ne_graph_read(ctx, path, &read));
    ne_graph_free(read);
}
END_TEST

START_TEST(every_failed_allocation_is_reported_and_loses_nothing)
{
    fault              mem     = {.until = LONG_MAX};
    const ne_allocator failing = {fault_allocate, fault_release, &mem};
    ne_context        *own     = NULL;
    OK(ne_graph_save(graph, path));
    OK(ne_context_create_with(&failing, &own));
    for (long k = 0, fired = 1; fired; k++) {
        ne_graph  *read   = NULL;
        const long before = mem.live;
        mem.fired         = 0;
        mem.until         = k;
        ne_status st      = ne_graph_read(own, path, &read);
        if (st == NE_OK) st = ne_graph_save(read, path);
        mem.until = LONG_MAX;
        fired     = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: status %d", k, (int)st);
        ne_graph_free(read);
        ck_assert_int_eq(mem.live, before);
    }
    ne_context_free(own);
}
END_TEST

Suite *graph_file_suite(void);

Suite *graph_file_suite(void)
{
    Suite *s = suite_create("graph_file");
    TCase *t = tcase_create("graph_file");
    tcase_add_checked_fixture(t, open_all, close_all);
    tcase_set_timeout(t, 100);
    tcase_add_test(t, what_is_saved_comes_back_to_the_bit);
    tcase_add_test(t, the_bytes_are_those_that_the_header_describes);
    tcase_add_test(t, a_file_of_any_other_length_is_refused);
    tcase_add_test(t, every_changed_byte_is_noticed);
    tcase_add_test(t, every_lie_has_its_text);
    tcase_add_test(t, paths_that_cannot_be_are_errors_and_a_file_is_replaced_only_by_a_whole_one);
    tcase_add_test(t, every_failed_allocation_is_reported_and_loses_nothing);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(graph_file_suite());
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
