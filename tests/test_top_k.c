/* tests/test_top_k.c: selection and sorting of (value, id) entries against qsort. */
#include "base/random.h"
#include "cpu/x86/top_k_avx2.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double normal(uint32_t step, size_t i, size_t j)
{
    const random_block draw = random_draw(5, STREAM_SAMPLE, step, i, (uint32_t)j);
    double             pair[2];
    random_normal(draw.word[0], draw.word[1], pair);
    return pair[0];
}

static int key_order(const void *a, const void *b)
{
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

START_TEST(keys_sort_as_their_values_do)
{
    enum {
        COUNT = 3000
    };
    static uint64_t    key[COUNT], sorted[COUNT], sum[2];
    static const float values[] = {-INFINITY, -2, -FLT_MIN, -0.0f, 0, FLT_MIN, 1, 1.5f, INFINITY};
    for (size_t a = 0; a < 9; a++) {
        ck_assert(top_k_value(top_k_key(values[a], 5)) == values[a] && top_k_id(top_k_key(values[a], 5)) == 5);
        if (a)
            ck_assert(values[a] > values[a - 1] ? top_k_key(values[a], 0) > top_k_key(values[a - 1], 9)
                                                : top_k_key(values[a], 0) == top_k_key(values[a - 1], 0));
    }
    for (size_t count = 1; count <= COUNT; count = count * 3 / 2 + 1) {
        for (size_t i = 0; i < count; i++) key[i] = top_k_key((float)floor(5 * normal(9, i, count)), (uint32_t)i);
        memcpy(sorted, key, sizeof key);
        qsort(sorted, count, sizeof *sorted, key_order);
        for (size_t keep = 1; keep < count; keep = keep * 2 + 1) {
            top_k_select(key, count, keep);
            sum[0] = sum[1] = 0;
            for (size_t i = 0; i < keep; i++) {
                ck_assert(key[i] <= sorted[keep - 1]);
                sum[0] += key[i];
                sum[1] += sorted[i];
            }
            ck_assert(sum[0] == sum[1]);
        }
        top_k_sort(key, count);
        ck_assert_mem_eq(key, sorted, count * sizeof *key);
    }
}
END_TEST

typedef void offer_row(top_k *, size_t, const float *, const float *, size_t, uint32_t);
typedef void offer_column(top_k *, size_t, const float *, float, size_t, uint32_t);

/* _i: what this processor chooses, or the portable code. */
START_TEST(lists_keep_the_smallest_whatever_the_order_of_offers)
{
    enum {
        ROWS  = 37,
        COUNT = 500,
        KEEP  = 21
    };
    static float        value[ROWS * COUNT], add[COUNT], column[ROWS];
    offer_row *const    to_row    = _i ? top_k_offer_row_portable : top_k_offer_row;
    offer_column *const to_column = _i ? top_k_offer_column_portable : top_k_offer_column;
    top_k               by_row, by_column;
    ck_assert_int_eq(top_k_create(&memory_default, ROWS, KEEP, &by_row), NE_OK);
    ck_assert_int_eq(top_k_create(&memory_default, ROWS, KEEP, &by_column), NE_OK);
    for (size_t e = 0; e < ROWS * COUNT; e++) value[e] = (float)floor(30 * normal(8, e, 0));
    for (size_t j = 0; j < COUNT; j++) add[j] = (float)(j % 7);
    value[3] = NAN;
    for (size_t i = 0; i < ROWS; i++) to_row(&by_row, i, value + i * COUNT, add, COUNT, 0);
    for (size_t j = COUNT; j-- > 0;) {
        for (size_t i = 0; i < ROWS; i++) column[i] = value[i * COUNT + j];
        to_column(&by_column, 0, column, add[j], ROWS, (uint32_t)j);
    }
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t key[COUNT];
        size_t   count = 0;
        for (size_t j = 0; j < COUNT; j++)
            if (!isnan(value[i * COUNT + j])) key[count++] = top_k_key(value[i * COUNT + j] + add[j], (uint32_t)j);
        qsort(key, count, sizeof *key, key_order);
        top_k_shrink(&by_row, i);
        top_k_shrink(&by_column, i);
        top_k_sort(by_row.key + i * by_row.room, by_row.count[i]);
        top_k_sort(by_column.key + i * by_column.room, by_column.count[i]);
        ck_assert_uint_eq(by_row.count[i], KEEP);
        ck_assert_uint_eq(by_column.count[i], KEEP);
        ck_assert_mem_eq(by_row.key + i * by_row.room, key, KEEP * sizeof *key);
        ck_assert_mem_eq(by_column.key + i * by_column.room, key, KEEP * sizeof *key);
    }
    top_k_clear(&memory_default, &by_row);
    top_k_clear(&memory_default, &by_column);
}
END_TEST

START_TEST(a_partition_puts_what_is_below_the_pivot_first)
{
    enum {
        COUNT = 203
    };
    uint64_t key[COUNT], sorted[COUNT], spare[COUNT + 4];
    for (size_t count = 0; count <= COUNT; count += 7)
        for (int portable = x86_top_k_works() ? 0 : 1; portable < 2; portable++) {
            size_t below = 0;
            for (size_t i = 0; i < count; i++) {
                const random_block draw = random_draw(3, STREAM_SAMPLE, 1, i, (uint32_t)count);
                key[i]                  = (uint64_t)draw.word[0] << 32 | draw.word[1]; /* both halves of the range */
                below += key[i] < 0x9000000000000000u;
            }
            memcpy(sorted, key, sizeof key);
            const size_t got = portable ? top_k_partition_portable(key, count, 0x9000000000000000u)
                                        : x86_partition(key, count, 0x9000000000000000u, spare);
            ck_assert_uint_eq(got, below);
            for (size_t i = 0; i < count; i++) ck_assert((key[i] < 0x9000000000000000u) == (i < below));
            qsort(key, count, sizeof *key, key_order);
            qsort(sorted, count, sizeof *sorted, key_order);
            ck_assert_mem_eq(key, sorted, count * sizeof *key);
        }
}
END_TEST

START_TEST(the_least_is_the_first_of_the_smallest)
{
    float value[101];
    for (size_t count = 1; count <= 101; count++) {
        size_t least = 0;
        for (size_t i = 0; i < count; i++) {
            value[i] = (float)floor(4 * normal(6, i, count));
            least    = value[i] < value[least] ? i : least;
        }
        ck_assert_uint_eq(top_k_least(value, count), least);
    }
}
END_TEST

Suite *top_k_suite(void);

Suite *top_k_suite(void)
{
    Suite *suite = suite_create("top_k");
    TCase *tests = tcase_create("top_k");
    tcase_add_test(tests, keys_sort_as_their_values_do);
    tcase_add_loop_test(tests, lists_keep_the_smallest_whatever_the_order_of_offers, 0, 2);
    tcase_add_test(tests, a_partition_puts_what_is_below_the_pivot_first);
    tcase_add_test(tests, the_least_is_the_first_of_the_smallest);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(top_k_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
