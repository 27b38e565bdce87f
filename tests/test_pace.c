/* tests/test_pace.c: the number of threads of a step follows the clock it is told. */
#include "embedding/pace.h"

#include "data.h"
#include "ne.h"

#include <check.h>
#include <math.h>

/* Takes steps that cost `one` with one thread and `all` with all four; returns the seconds they took. */
static double take(pace *p, int steps, double one, double all)
{
    double sum = 0;
    for (int i = 0; i < steps; i++) {
        const int    threads = p->all == 4 ? pace_threads(p) : 1;
        const double seconds = threads == 1 ? one : all;
        ck_assert(threads == 1 || threads == 4);
        pace_take(p, 4, seconds);
        sum += seconds;
    }
    return sum;
}

START_TEST(all_threads_are_used_where_they_are_faster)
{
    pace p = {0};
    ck_assert_double_lt(take(&p, 500, 2, 1), 500 + 10);
}
END_TEST

/* Steps grow a hundredfold within 300, and every third takes four times as long as the others. */
START_TEST(neither_growing_steps_nor_a_dear_one_now_and_then_send_it_alone)
{
    pace p     = {0};
    int  alone = 0;
    for (int i = 0; i < 300; i++) {
        const int    threads = p.all == 4 ? pace_threads(&p) : 1;
        const double grown   = exp(i * log(100.0) / 300) * (i % 3 ? 1 : 4);
        alone += threads == 1;
        pace_take(&p, 4, threads == 1 ? 1.7 * grown : grown);
    }
    ck_assert_int_lt(alone, 40);
}
END_TEST

START_TEST(one_thread_is_used_where_it_is_faster)
{
    pace p = {0};
    ck_assert_double_lt(take(&p, 500, 1, 50), 500 + 14 * 50);
    p = (pace){0};
    ck_assert_double_lt(take(&p, 500, 1, 1.5), 500 + 25);
}
END_TEST

/* A third of the steps with all threads is thirty times dearer than one with one thread, the others a little cheaper. */
START_TEST(one_thread_is_used_where_all_have_to_wait_now_and_then)
{
    pace   p   = {0};
    double sum = 0;
    for (int i = 0; i < 1000; i++) {
        const int    threads = p.all == 4 ? pace_threads(&p) : 1;
        const double seconds = threads == 1 ? 1 : i % 3 ? 0.8 : 30;
        pace_take(&p, 4, seconds);
        sum += seconds;
    }
    ck_assert_double_lt(sum, 3000);
}
END_TEST

START_TEST(it_notices_when_the_machine_becomes_busy_or_free)
{
    pace p = {0};
    take(&p, 100, 2, 1);
    ck_assert_double_lt(take(&p, 400, 2, 60), 2 * 400 + 12 * 60);
    ck_assert_double_lt(take(&p, 1000, 2, 1), 1000 + 128 + 40);
}
END_TEST

START_TEST(a_single_thread_needs_no_trial)
{
    pace p = {0};
    for (int i = 0; i < 10; i++) {
        pace_take(&p, 1, 1);
        ck_assert_int_eq(pace_threads(&p), 1);
    }
}
END_TEST

/* The bits of a fit, from the start to the end, whatever the threads of its steps. */
START_TEST(threads_may_change_between_steps_and_no_bit_does)
{
    enum {
        ROWS    = 400,
        COLUMNS = 5
    };
    static float   x[ROWS * COLUMNS], y[ROWS * 2], other[ROWS * 2];
    const ne_dense data      = {sizeof data, x, ROWS, COLUMNS, COLUMNS, NE_F32, NE_HOST};
    const ne_dense to        = {sizeof to, other, ROWS, 2, 2, NE_F32, NE_HOST};
    ne_context    *context   = NULL;
    ne_embedding  *embedding = NULL;
    data_clusters(x, ROWS, COLUMNS, 4, 3, 2);
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &embedding), NE_OK);
    ck_assert_int_eq(ne_embedding_set(embedding, "repulsion", "fft"), NE_OK);
    ck_assert_int_eq(ne_context_set_int(context, "threads", 1), NE_OK);
    ck_assert_int_eq(ne_embedding_fit_f32(embedding, x, ROWS, COLUMNS, y), NE_OK);
    ck_assert_int_eq(ne_embedding_start(embedding, NULL, &data), NE_OK);
    for (int threads = 1; threads <= 4; threads++) {
        ck_assert_int_eq(ne_context_set_int(context, "threads", threads), NE_OK);
        ck_assert_int_eq(ne_embedding_step(embedding, threads < 4 ? 60 : 1000000), NE_OK);
    }
    ck_assert_int_eq(ne_embedding_read(embedding, &to), NE_OK);
    ck_assert_mem_eq(y, other, sizeof y);
    ne_embedding_free(embedding);
    ne_context_free(context);
}
END_TEST

Suite *pace_suite(void);

Suite *pace_suite(void)
{
    Suite *s = suite_create("pace");
    TCase *t = tcase_create("pace");
    tcase_add_test(t, all_threads_are_used_where_they_are_faster);
    tcase_add_test(t, neither_growing_steps_nor_a_dear_one_now_and_then_send_it_alone);
    tcase_add_test(t, one_thread_is_used_where_it_is_faster);
    tcase_add_test(t, one_thread_is_used_where_all_have_to_wait_now_and_then);
    tcase_add_test(t, it_notices_when_the_machine_becomes_busy_or_free);
    tcase_add_test(t, a_single_thread_needs_no_trial);
    tcase_add_test(t, threads_may_change_between_steps_and_no_bit_does);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(pace_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
