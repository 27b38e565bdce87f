/* tests/test_infotsne.c: InfoTSNE as a whole; its kernels and golden values are in test_negatives.c. */
#include "sampled_method.h"

static const char *const quick[]   = {"perplexity", "10", "max_iter", "60", NULL};
static const char *const lists[]   = {"perplexity", "10", "max_iter", "60", "exclude_neighbors_from_negative_sampling",
                                      "true",       NULL};
static const char *const torchdr[] = {"perplexity", "10", "reference", "torchdr", "max_iter", "60", NULL};
static const char *const tiny[]    = {"perplexity", "1", "max_iter", "60", NULL};
static const char *const usual[]   = {"perplexity", "10", NULL};

START_TEST(clusters_come_apart)
{
    sampled_finds_clusters("infotsne", usual);
}
END_TEST

START_TEST(the_bits_do_not_depend_on_the_number_of_threads)
{
    static const char *const *const options[] = {quick, lists, torchdr};
    sampled_has_bits_of_one_thread("infotsne", options[_i]);
}
END_TEST

START_TEST(two_rows_and_equal_rows_work)
{
    sampled_takes_small_and_equal_rows("infotsne", tiny);
}
END_TEST

START_TEST(defaults_are_ours_and_under_reference_those_of_torchdr)
{
    sampled_has_default("infotsne", "n_negatives", "300", "300");
    sampled_has_default("infotsne", "exclude_neighbors_from_negative_sampling", "false", "false");
    sampled_has_default("infotsne", "scheduler", "linear", "linear");
    sampled_has_default("infotsne", "scheduler_total_iters", "auto", "5");
    sampled_has_default("infotsne", "perplexity", "30", "30");
    sampled_has_default("infotsne", "keep_data", "false", "false");
}
END_TEST

START_TEST(wrong_options_are_named)
{
    sampled_checks("infotsne", "n_negatives", "0", NE_OUT_OF_RANGE, "n_negatives");
    sampled_checks("infotsne", "n_negative", "3", NE_UNKNOWN_NAME, "n_negatives");
    sampled_checks("infotsne", "perplexity", "1000", NE_OUT_OF_RANGE, "perplexity");
    sampled_checks("infotsne", "repulsion", "barnes_hut", NE_UNSUPPORTED, "repulsion");
}
END_TEST

START_TEST(new_rows_land_in_their_clusters_one_by_one_or_together)
{
    sampled_transforms("infotsne", usual);
}
END_TEST

START_TEST(a_fit_in_pieces_is_the_fit_and_its_loss_falls)
{
    sampled_goes_in_pieces("infotsne", usual);
}
END_TEST

static Suite *infotsne_suite(void)
{
    Suite *suite = suite_create("infotsne");
    TCase *tests = tcase_create("infotsne");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, clusters_come_apart);
    tcase_add_loop_test(tests, the_bits_do_not_depend_on_the_number_of_threads, 0, 3);
    tcase_add_test(tests, two_rows_and_equal_rows_work);
    tcase_add_test(tests, defaults_are_ours_and_under_reference_those_of_torchdr);
    tcase_add_test(tests, wrong_options_are_named);
    tcase_add_test(tests, new_rows_land_in_their_clusters_one_by_one_or_together);
    tcase_add_test(tests, a_fit_in_pieces_is_the_fit_and_its_loss_falls);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(infotsne_suite());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
