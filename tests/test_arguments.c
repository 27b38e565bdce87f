/* test_arguments.c: the command line of ne_embed, as far as it can be read without a method. */
#include "folder.h"
#include "io/arguments.h"
#include "io/methods.h"

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
    ck_assert_ptr_null(of.score);
    ck_assert_int_eq(arguments_check(&of), NE_OK);
    arguments_clear(&of);
}
END_TEST

START_TEST(scores_are_a_value_only_where_the_next_word_names_some)
{
    arguments of;
    char     *named[] = {"ne_embed", "--score", "kl,silhouette", "x.csv", "y.csv", NULL};
    char     *plain[] = {"ne_embed", "--score", "x.csv", "y.csv", NULL};
    char     *last[]  = {"ne_embed", "-", "--plot", "p.png", "--score", NULL};
    ck_assert_int_eq(parse(&of, named), NE_OK);
    ck_assert_str_eq(of.score, "kl,silhouette");
    ck_assert_str_eq(of.input, "x.csv");
    arguments_clear(&of);
    ck_assert_int_eq(parse(&of, plain), NE_OK);
    ck_assert_str_eq(of.score, "");
    ck_assert_str_eq(of.output, "y.csv");
    arguments_clear(&of);
    ck_assert_int_eq(parse(&of, last), NE_OK);
    ck_assert_str_eq(of.score, "");
    ck_assert_str_eq(of.input, "-");
    ck_assert_int_eq(arguments_check(&of), NE_OK); /* with a picture, OUTPUT may be missing */
    arguments_clear(&of);
}
END_TEST

START_TEST(lists_of_methods_are_read)
{
    methods of = {0};
    char   *name;
    ck_assert_int_eq(methods_read("pca,tsne", NULL, &of), NE_OK);
    ck_assert_uint_eq(of.count, 2);
    ck_assert_str_eq(of.name[0], "pca");
    ck_assert_str_eq(of.name[1], "tsne");
    methods_clear(&of);
    ck_assert_int_eq(methods_read("all", NULL, &of), NE_OK); /* what takes steps, so no pca */
    size_t tsne = 0;
    for (size_t m = 0; m < of.count; m++) {
        ck_assert_str_ne(of.name[m], "pca");
        tsne += strcmp(of.name[m], "tsne") == 0;
    }
    ck_assert_uint_eq(tsne, 1);
    const size_t all = of.count;
    methods_clear(&of);
    if (all > 1) {
        ck_assert_int_eq(methods_read("all", "tsne", &of), NE_OK);
        ck_assert_uint_eq(of.count, all - 1);
        methods_clear(&of);
    }
    check_error(methods_read("tsne,tsne", NULL, &of), NE_INVALID_ARGUMENT, "--method: 'tsne' is named twice");
    check_error(methods_read("tsne", "tsne", &of), NE_INVALID_ARGUMENT, "--skip: no method is left");
    ck_assert_int_eq(methods_read("tsne,tnse", NULL, &of), NE_UNKNOWN_NAME);
    ck_assert_int_eq(methods_read("all", "tnse", &of), NE_UNKNOWN_NAME);
    static const char *const files[][2] = {
        {"y.csv", "y.pca.csv"}, {"a.b/y", "a.b/y.pca"}, {"a/y.tar.npy", "a/y.tar.pca.npy"}, {"./y.csv", "./y.pca.csv"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        name = methods_file(files[i][0], "pca");
        ck_assert_str_eq(name, files[i][1]);
        free(name);
    }
}
END_TEST

/* Of two methods, one has no perplexity. */
START_TEST(an_option_goes_to_the_methods_that_have_it)
{
    arguments     of;
    char         *good[]  = {"ne_embed", "--perplexity", "7", "--n_components", "3", NULL};
    char         *none[]  = {"ne_embed", "--perplexitty", "7", NULL};
    char         *flags[] = {"ne_embed", "--label", "7", NULL};
    char         *bad[]   = {"ne_embed", "--metric", "7", "--perplexity", "0", NULL};
    ne_context   *context = NULL;
    ne_embedding *made[2] = {NULL, NULL};
    int64_t       components[2];
    double        perplexity = 0;
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_int_eq(ne_embedding_create(context, "tsne", &made[0]), NE_OK);
    ck_assert_int_eq(ne_embedding_create(context, "pca", &made[1]), NE_OK);
    ck_assert_int_eq(parse(&of, good), NE_OK);
    ck_assert_int_eq(arguments_apply(&of, made, 2), NE_OK);
    ck_assert_int_eq(ne_embedding_get_real(made[0], "perplexity", &perplexity), NE_OK);
    ck_assert_double_eq(perplexity, 7);
    for (int m = 0; m < 2; m++) {
        ck_assert_int_eq(ne_embedding_get_int(made[m], "n_components", &components[m]), NE_OK);
        ck_assert_int_eq(components[m], 3);
    }
    arguments_clear(&of);
    ck_assert_int_eq(parse(&of, none), NE_OK);
    ck_assert_int_eq(arguments_apply(&of, made, 2), NE_UNKNOWN_NAME);
    arguments_clear(&of);
    ck_assert_int_eq(parse(&of, flags), NE_OK);
    check_error(arguments_apply(&of, made, 2), NE_UNKNOWN_NAME, "unknown option 'label'; did you mean '--labels'?");
    arguments_clear(&of);
    ck_assert_int_eq(parse(&of, bad), NE_OK);
    ck_assert_int_eq(arguments_apply(&of, made, 2), NE_OUT_OF_RANGE);
    arguments_clear(&of);
    ne_embedding_free(made[0]);
    ne_embedding_free(made[1]);
    ne_context_free(context);
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
        {{"ne_embed", "--quiet=1", NULL}, "--quiet: '1' is given, and it takes no value", NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "y.csv", "--score=kl,silhuette", NULL},
         "--score: unknown 'silhuette'; did you mean 'silhouette'?",
         NE_UNKNOWN_NAME},
        {{"ne_embed", "-", "y.csv", "--labels", "-", NULL},
         "--labels: standard input is INPUT already",
         NE_INVALID_ARGUMENT},
        {{"ne_embed", "x", "--output", "y.csv", "z.csv", NULL},
         "'z.csv' is one name too many; one INPUT and one OUTPUT are taken",
         NE_INVALID_ARGUMENT},
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
    tcase_add_test(tests, scores_are_a_value_only_where_the_next_word_names_some);
    tcase_add_test(tests, lists_of_methods_are_read);
    tcase_add_test(tests, an_option_goes_to_the_methods_that_have_it);
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
