/* tests/test_options.c: options as data: parsing, ranges, suggestions, the reference column, introspection, registry. */
#include "base/options.h"
#include "base/registry.h"

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fruit {
    double  weight;
    int64_t count, ripe, colour, reference;
    char    name[NE_NAME_SIZE];
} fruit;

static const ne_option rows[] = {
    {.name      = "weight",
     .type      = NE_OPT_REAL,
     .offset    = offsetof(fruit, weight),
     .preset    = "2.5",
     .reference = "3",
     .min       = 0,
     .max       = 10,
     .flags     = NE_OPT_MIN_OPEN | NE_OPT_AUTO,
     .help      = "h"},
    {.name   = "count",
     .type   = NE_OPT_INT,
     .offset = offsetof(fruit, count),
     .preset = "7",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N | NE_OPT_NONE,
     .help   = "h"},
    {.name = "ripe", .type = NE_OPT_BOOL, .offset = offsetof(fruit, ripe), .preset = "true", .help = "h"},
    {.name    = "colour",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(fruit, colour),
     .preset  = "green",
     .choices = "red|green|blue",
     .help    = "h"},
    {.name = "kind", .type = NE_OPT_NAME, .offset = offsetof(fruit, name), .preset = "apple", .help = "h"},
    {.name    = "reference",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(fruit, reference),
     .preset  = "none",
     .choices = "none|torchdr",
     .help    = "h"},
};
enum {
    ROWS = sizeof rows / sizeof *rows
};

static const ne_preset presets[] = {{"colour", "blue", "red"}};

static fruit      f;
static option_set set;

static void open_set(void)
{
    set = (option_set){.presets = presets, .preset_count = 1};
    ck_assert_int_eq(options_add(&memory_default, &set, "fruit", rows, ROWS, sizeof *rows, &f), NE_OK);
    ck_assert_int_eq(options_reset(&set), NE_OK);
}

static void close_set(void)
{
    options_clear(&memory_default, &set);
}

#define FAILS(call, status, text)                                                                                      \
    do {                                                                                                               \
        ck_assert_int_eq(call, status);                                                                                \
        ck_assert_str_eq(ne_last_error(), text);                                                                       \
    } while (0)

START_TEST(defaults_come_from_the_table_and_the_type_may_change_them)
{
    ck_assert_double_eq(f.weight, 2.5);
    ck_assert_int_eq(f.count, 7);
    ck_assert_int_eq(f.ripe, 1);
    ck_assert_int_eq(f.colour, 2);
    ck_assert_str_eq(f.name, "apple");
}
END_TEST

START_TEST(reference_sets_what_the_user_has_not_set)
{
    ck_assert_int_eq(options_set(&set, "colour", "green"), NE_OK);
    ck_assert_int_eq(options_set(&set, "reference", "torchdr"), NE_OK);
    ck_assert_double_eq(f.weight, 3);
    ck_assert_int_eq(f.colour, 1);
    ck_assert_int_eq(options_set(&set, "reference", "none"), NE_OK);
    ck_assert_double_eq(f.weight, 2.5);
}
END_TEST

START_TEST(numbers_words_and_switches_are_read_from_text)
{
    char text[64];
    ck_assert_int_eq(options_set(&set, "weight", " 1e0 "), NE_OK);
    ck_assert_double_eq(f.weight, 1);
    ck_assert_int_eq(options_set(&set, "weight", "auto"), NE_OK);
    ck_assert(isnan(f.weight));
    ck_assert_int_eq(options_get(&set, "weight", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "auto");
    ck_assert_int_eq(options_set(&set, "count", "none"), NE_OK);
    ck_assert_int_eq(options_get(&set, "count", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "none");
    ck_assert_int_eq(options_set(&set, "ripe", "No"), NE_OK);
    ck_assert_int_eq(f.ripe, 0);
    ck_assert_int_eq(options_set(&set, "colour", "red"), NE_OK);
    ck_assert_int_eq(f.colour, 0);
    ck_assert_int_eq(options_set_int(&set, "weight", 4), NE_OK);
    ck_assert_double_eq(f.weight, 4);
}
END_TEST

START_TEST(every_refusal_names_the_option_the_value_and_the_rule)
{
    const fruit before = f;
    FAILS(options_set(&set, "weight", "0"), NE_OUT_OF_RANGE, "weight: 0 is outside (0, 10] or auto");
    FAILS(options_set_real(&set, "weight", 10.5), NE_OUT_OF_RANGE, "weight: 10.5 is outside (0, 10] or auto");
    FAILS(options_set_real(&set, "weight", NAN), NE_INVALID_ARGUMENT, "weight: nan is not a number that it can take");
    FAILS(options_set_real(&set, "weight", INFINITY), NE_OUT_OF_RANGE, "weight: inf is outside (0, 10] or auto");
    FAILS(options_set(&set, "weight", "heavy"), NE_INVALID_ARGUMENT, "weight: 'heavy' is not a number");
    FAILS(options_set(&set, "weight", ""), NE_INVALID_ARGUMENT, "weight: '' is not a number");
    FAILS(options_set(&set, "weight", "3 kg"), NE_INVALID_ARGUMENT, "weight: '3 kg' is not a number");
    FAILS(options_set(&set, "weight", NULL), NE_INVALID_ARGUMENT, "weight: the value is a null pointer");
    FAILS(options_set(&set, NULL, "3"), NE_INVALID_ARGUMENT, "option: the name is a null pointer");
    FAILS(options_set_real(&set, "count", 2.5), NE_INVALID_ARGUMENT, "count: 2.5 is not a whole number");
    FAILS(options_set_int(&set, "count", 0), NE_OUT_OF_RANGE, "count: 0 is outside [1, n - 1] or none");
    FAILS(options_set_int(&set, "count", INT64_MAX), NE_OUT_OF_RANGE, "count: 9223372036854775807 is beyond 2^53");
    FAILS(options_set(&set, "ripe", "maybe"), NE_INVALID_ARGUMENT, "ripe: 'maybe' is neither true nor false");
    FAILS(options_set_int(&set, "ripe", 2), NE_OUT_OF_RANGE, "ripe: 2 is neither 0 nor 1");
    FAILS(options_set(&set, "colour", "gree"), NE_OUT_OF_RANGE, "colour: 'gree' is not one of red|green|blue");
    FAILS(options_set_int(&set, "colour", 1), NE_INVALID_ARGUMENT, "colour: 1 is a number, and it takes a word");
    FAILS(options_set(&set, "wieght", "1"), NE_UNKNOWN_NAME, "unknown option 'wieght'; did you mean 'weight'?");
    FAILS(options_set(&set, "zzzzzzzzz", "1"), NE_UNKNOWN_NAME, "unknown option 'zzzzzzzzz'");
    ck_assert_mem_eq(&f, &before, sizeof f);
}
END_TEST

START_TEST(a_bound_from_n_is_checked_when_n_is_known)
{
    ck_assert_int_eq(options_check_n(&set, 8), NE_OK);
    FAILS(options_check_n(&set, 7), NE_OUT_OF_RANGE, "count: 7 is outside [1, n - 1] or none with n = 7");
    ck_assert_int_eq(options_set(&set, "count", "none"), NE_OK);
    ck_assert_int_eq(options_check_n(&set, 7), NE_OK);
}
END_TEST

START_TEST(a_row_hides_one_of_the_same_name_and_keeps_it_equal)
{
    fruit base;
    ck_assert_int_eq(options_add(&memory_default, &set, "base", rows, ROWS, sizeof *rows, &base), NE_OK);
    ck_assert_int_eq(options_reset(&set), NE_OK);
    ck_assert_uint_eq(options_count(&set), ROWS);
    ck_assert_int_eq(options_set(&set, "weight", "9"), NE_OK);
    ck_assert_double_eq(f.weight, 9);
    ck_assert_double_eq(base.weight, 9);
}
END_TEST

START_TEST(introspection_tells_all_that_the_table_holds)
{
    static const char *const fields[]   = {"name", "type", "default", "reference", "range", "owner", "value", "unit"};
    static const char *const expected[] = {"weight", "real", "2.5", "3", "(0, 10] or auto", "fruit", "2.5", ""};
    char                     text[64], tiny[4];
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(options_info(&set, 0, fields[i], text, sizeof text), NE_OK);
        ck_assert_str_eq(text, expected[i]);
    }
    ck_assert_int_eq(options_info(&set, 3, "default", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "blue");
    ck_assert_int_eq(options_info(&set, 0, "name", tiny, sizeof tiny), NE_OK);
    ck_assert_str_eq(tiny, "wei");
    FAILS(options_info(&set, 0, "colour", text, sizeof text), NE_UNKNOWN_NAME, "option info: unknown field 'colour'");
    FAILS(options_info(&set, 99, "name", text, sizeof text), NE_OUT_OF_RANGE,
          "option index: 99 is not below the count, 6");
}
END_TEST

static const option_alias aliases[] = {{"mass", "weight"}, {"diameter", "girth"}, {"ripe", "count"}};
static const option_list  lists[]   = {
       {.name      = "fruit_kwargs",
        .prefix    = "",
        .automatic = "weight=auto",
        .none      = "weight=1,count=2",
        .members   = "weight,count,ripe"},
       {.name = "c_kwargs", .prefix = "co", .automatic = "unt=none", .none = "unt=3", .members = "unt,lour"}};
static const option_names names = {aliases, 3, lists, 2};

START_TEST(an_alias_is_one_option_with_two_names)
{
    char text[64];
    set.names = &names;
    ck_assert_int_eq(options_set(&set, "mass", "4"), NE_OK);
    ck_assert_double_eq(f.weight, 4);
    ck_assert(options_given(&set, "weight") && options_given(&set, "mass") && options_has(&set, "mass"));
    ck_assert_int_eq(options_set_real(&set, "mass", 5), NE_OK);
    ck_assert_int_eq(options_get(&set, "mass", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "5");
    ck_assert_uint_eq(options_count(&set), ROWS);
    FAILS(options_set(&set, "mass", "11"), NE_OUT_OF_RANGE, "weight: 11 is outside (0, 10] or auto");
    FAILS(options_set(&set, "diameter", "1"), NE_UNKNOWN_NAME, "unknown option 'diameter'");
    /* A row comes before an alias of its name. */
    ck_assert_int_eq(options_set(&set, "ripe", "no"), NE_OK);
    ck_assert_int_eq(f.ripe, 0);
}
END_TEST

START_TEST(a_list_sets_several_options)
{
    char text[128];
    set.names = &names;
    ck_assert_int_eq(options_set(&set, "fruit_kwargs", " ripe = no , weight=3"), NE_OK);
    ck_assert_double_eq(f.weight, 3);
    ck_assert_int_eq(f.count, 2); /* none's */
    ck_assert_int_eq(f.ripe, 0);
    ck_assert_int_eq(options_get(&set, "fruit_kwargs", text, sizeof text), NE_OK);
    ck_assert_str_eq(text, "weight=3,count=2,ripe=false");
    ck_assert_int_eq(options_set(&set, "fruit_kwargs", "none"), NE_OK);
    ck_assert_double_eq(f.weight, 1);
    ck_assert_int_eq(options_set(&set, "fruit_kwargs", text), NE_OK);
    ck_assert_double_eq(f.weight, 3);
    ck_assert_int_eq(options_set(&set, "fruit_kwargs", "auto"), NE_OK);
    ck_assert(isnan(f.weight));
    ck_assert_int_eq(options_set(&set, "c_kwargs", "UNT=4,lour=red"), NE_OK);
    ck_assert_int_eq(f.colour, 0);
    ck_assert_int_eq(options_get(&set, "fruit_kwargs", text, 9), NE_OK);
    ck_assert_str_eq(text, "weight=a");
}
END_TEST

START_TEST(a_list_with_a_fault_is_refused_and_a_name_that_is_none_changes_nothing)
{
    set.names = &names;
    FAILS(options_set(&set, "fruit_kwargs", "weight=3,colour=red"), NE_UNKNOWN_NAME,
          "fruit_kwargs: 'colour' is not one of weight,count,ripe");
    FAILS(options_set(&set, "fruit_kwargs", "weight=3,ripe"), NE_INVALID_ARGUMENT,
          "fruit_kwargs: 'ripe' is not of the form name=value");
    FAILS(options_set(&set, "fruit_kwargs", "="), NE_UNKNOWN_NAME, "fruit_kwargs: '' is not one of weight,count,ripe");
    FAILS(options_set(&set, "fruit_kwargs", NULL), NE_INVALID_ARGUMENT, "fruit_kwargs: the value is a null pointer");
    ck_assert_double_eq(f.weight, 2.5);
    FAILS(options_set(&set, "fruit_kwargs", "weight=heavy"), NE_INVALID_ARGUMENT, "weight: 'heavy' is not a number");
}
END_TEST

START_TEST(a_table_with_a_fault_is_refused)
{
    ne_option bad = rows[0];
    ck_assert_int_eq(options_check_table("t", rows, ROWS, sizeof *rows), NE_OK);
    bad.preset = "11";
    FAILS(options_check_table("t", &bad, 1, sizeof bad), NE_INVALID_ARGUMENT,
          "t: the default of option 'weight' is outside its range");
    bad      = rows[0];
    bad.help = NULL;
    FAILS(options_check_table("t", &bad, 1, sizeof bad), NE_INVALID_ARGUMENT, "t: option 'weight' has no line of help");
    ck_assert_int_eq(options_check_table("t", rows, ROWS, 8), NE_INVALID_ARGUMENT);
}
END_TEST

START_TEST(numbers_are_read_and_printed_with_a_point_in_any_locale)
{
    char   text[64];
    double value = 0;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) setlocale(LC_NUMERIC, "C");
    ck_assert_int_eq(number_parse("0.25", &value), 1);
    ck_assert_double_eq(value, 0.25);
    number_print(0.1, text, sizeof text);
    ck_assert_str_eq(text, "0.1");
    number_print(1.0 / 3, text, sizeof text);
    ck_assert_int_eq(number_parse(text, &value), 1);
    ck_assert_double_eq(value, 1.0 / 3);
    setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(names_are_compared_as_a_typist_would)
{
    ck_assert_int_eq(name_distance("perplexity", "perplexity"), 0);
    ck_assert_int_eq(name_distance("perplexty", "perplexity"), 1);
    ck_assert_int_eq(name_distance("prepelxity", "perplexity"), 2);
    ck_assert_int_eq(name_distance("", "abc"), 3);
    ck_assert(name_is_near("exaggeration", "early_exaggeration_coeff"));
    ck_assert(!name_is_near("momentum", "perplexity"));
}
END_TEST

START_TEST(the_registry_takes_a_name_once)
{
    static const struct {
        size_t      size;
        const char *name, *help;
    } first = {8, "options_test_type", "h"}, nameless = {8, "", "h"}, helpless = {8, "options_test_other", ""};
    ck_assert_int_eq(registry_add(REGISTRY_METRIC, &first), NE_OK);
    FAILS(registry_add(REGISTRY_METRIC, &first), NE_INVALID_ARGUMENT, "metric 'options_test_type': the name is taken");
    ck_assert_int_eq(registry_add(REGISTRY_METRIC, &nameless), NE_INVALID_ARGUMENT);
    ck_assert_int_eq(registry_add(REGISTRY_METRIC, &helpless), NE_INVALID_ARGUMENT);
    ck_assert_ptr_eq(registry_find(REGISTRY_METRIC, "options_test_type"), &first);
    ck_assert_ptr_null(registry_find(REGISTRY_METRIC, "options_test_typo"));
    ck_assert_str_eq(ne_last_error(), "metric: unknown 'options_test_typo'; did you mean 'options_test_type'?");
    ck_assert_ptr_null(registry_find(REGISTRY_METHOD, "options_test_type"));
}
END_TEST

Suite *options_suite(void);

Suite *options_suite(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_add_checked_fixture(t, open_set, close_set);
    tcase_add_test(t, defaults_come_from_the_table_and_the_type_may_change_them);
    tcase_add_test(t, reference_sets_what_the_user_has_not_set);
    tcase_add_test(t, numbers_words_and_switches_are_read_from_text);
    tcase_add_test(t, every_refusal_names_the_option_the_value_and_the_rule);
    tcase_add_test(t, a_bound_from_n_is_checked_when_n_is_known);
    tcase_add_test(t, a_row_hides_one_of_the_same_name_and_keeps_it_equal);
    tcase_add_test(t, introspection_tells_all_that_the_table_holds);
    tcase_add_test(t, an_alias_is_one_option_with_two_names);
    tcase_add_test(t, a_list_sets_several_options);
    tcase_add_test(t, a_list_with_a_fault_is_refused_and_a_name_that_is_none_changes_nothing);
    tcase_add_test(t, a_table_with_a_fault_is_refused);
    tcase_add_test(t, numbers_are_read_and_printed_with_a_point_in_any_locale);
    tcase_add_test(t, names_are_compared_as_a_typist_would);
    tcase_add_test(t, the_registry_takes_a_name_once);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(options_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
