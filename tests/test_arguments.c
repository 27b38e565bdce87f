/* test_arguments.c: the command line of ne_embed, as far as it can be read without a method. */
#include "folder.h"
#include "io/arguments.h"

static void open_all(void)
{
    folder_open();
}

static void close_all(void)
{
    folder_close();
}

/* --- The command line */

static ne_status parse(arguments *to, char **words)
{
    int count = 0;
    while (words[count]) count++;
    *to = (arguments){0};
    return arguments_parse(count, words, to);
}

START_TEST(flags_and_options_are_told_apart)
{
    arguments of;
    char     *words[] = {"ne_embed", "--max-iter=5", "x.npy", "--pca", "7",           "--label_column",
                         "k",        "--perplexity", "-3",    "--",    "--score.npy", NULL};
    ck_assert_int_eq(parse(&of, words), NE_OK);
    ck_assert_uint_eq(of.option_count, 2);
    ck_assert_str_eq(of.options[0].name, "max_iter");
    ck_assert_str_eq(of.options[0].value, "5");
    ck_assert_str_eq(of.options[1].name, "perplexity");
    ck_assert_str_eq(of.options[1].value, "-3");
    ck_assert_str_eq(of.input, "x.npy");
    ck_assert_str_eq(of.output, "--score.npy");
    ck_assert_str_eq(of.label_column, "k");
    ck_assert_int_eq(of.pca, 7);
    ck_assert_int_eq(of.score, 0);
    ck_assert_int_eq(arguments_check(&of), NE_OK);
    arguments_clear(&of);
}
END_TEST

START_TEST(command_lines_that_are_wrong_are_refused)
{
    static const struct {
        char       *words[8];
        const char *text;
        ne_status   status;
    } cases[] = {
        {{"ne_embed", NULL},
         "INPUT is missing; usage: ne_embed INPUT OUTPUT [--OPTION VALUE ...], see --help",
         NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", NULL},
         "OUTPUT is missing; usage: ne_embed INPUT OUTPUT [--OPTION VALUE ...], see --help",
         NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.npy", "z", NULL},
         "'z' is one name too many; one INPUT and one OUTPUT are taken",
         NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.txt", NULL}, "y.txt: OUTPUT ends neither in .npy nor in .csv", NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.csv.gz", NULL}, "y.csv.gz: OUTPUT ends neither in .npy nor in .csv", NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.csv", "--plot", "p.pdf", NULL},
         "--plot: p.pdf ends neither in .png nor in .svg",
         NE_INVALID_ARGUMENT},
        {{"ne_embed", "/dev/null", "/dev/null.csv", "--rows", NULL}, "--rows: needs a value, N", NE_INVALID_ARGUMENT},
        {{"ne_embed", "--rows", "0", NULL}, "--rows: 0 is outside [1, inf)", NE_OUT_OF_RANGE},
        {{"ne_embed", "--rows", "-4", NULL}, "--rows: -4 is outside [1, inf)", NE_OUT_OF_RANGE},
        {{"ne_embed", "--rows", "99999999999999999999", NULL},
         "--rows: 99999999999999999999 is outside [1, inf)",
         NE_OUT_OF_RANGE},
        {{"ne_embed", "--pca", "5x", NULL}, "--pca: '5x' is not a whole number", NE_INVALID_ARGUMENT},
        {{"ne_embed", "--score=1", NULL}, "--score: '1' is given, and it takes no value", NE_INVALID_ARGUMENT},
        {{"ne_embed", "--perplexity", NULL}, "--perplexity: needs a value", NE_INVALID_ARGUMENT},
        {{"ne_embed", "-v", NULL}, "unknown option '-v'; options begin with --", NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.csv", "--labels=l", "--label-column=k", NULL},
         "--labels and --label-column: only one of them can give the labels",
         NE_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arguments of;
        char     *words[8];
        memcpy(words, cases[i].words, sizeof words);
        ne_status st = parse(&of, words);
        if (st == NE_OK) st = arguments_check(&of);
        check_error(st, cases[i].status, cases[i].text);
        arguments_clear(&of);
    }
    put_text("x.csv", "1,2\n");
    char      own[160];
    arguments same = {.input = at("x.csv"), .output = at("x.csv")};
    snprintf(own, sizeof own, "%s: is INPUT and OUTPUT at once", same.output);
    check_error(arguments_check(&same), NE_INVALID_ARGUMENT, own);
}
END_TEST

Suite *arguments_suite(void);

Suite *arguments_suite(void)
{
    Suite *suite = suite_create("arguments");
    TCase *tests = tcase_create("arguments");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, flags_and_options_are_told_apart);
    tcase_add_test(tests, command_lines_that_are_wrong_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(arguments_suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
