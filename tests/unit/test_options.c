/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <getopt.h>
#include <string.h>

static struct {
    struct cli cli;
    const char *value;
    bool flag;
    struct cli_values many;
    const char *no_operand;
} got;

/* getopt wants to be able to write. */
static int parse(const char *const *argv) {
    static char text[64][64];
    char *args[65] = {0};
    const char *no_operand = got.no_operand;
    int argc = 0;
    const struct cli_option own[] = {{.name = "value", .value = &got.value},
                                     {.name = "flag", .flag = &got.flag},
                                     {.name = "many", .values = &got.many}};
    const struct cli_options options = {
        .help = "Usage\n", .own = own, .cnt = EDGE_ARRAY_LEN(own), .no_operand = no_operand};
    for (; argv[argc] != NULL; argc++) {
        assert_true(argc < 64 && slice_to_array(slice_str(argv[argc]), text[argc], 64));
        args[argc] = text[argc];
    }
    memset(&got, 0, sizeof(got));
    got.cli = (struct cli){.command = "iotedge x", .file = "default"};
    got.no_operand = no_operand;
    optind = 0;
    opterr = 0;
    return cli_options_parse(argc, args, &options, &got.cli);
}

#define PARSE(...) parse((const char *[]){"x", __VA_ARGS__, NULL})

static void test_common(void **state) {
    (void)state;
    assert_int_equal(parse((const char *[]){"x", NULL}), CLI_GO_ON);
    assert_string_equal(got.cli.file, "default");
    assert_false(got.cli.json);
    assert_int_equal(PARSE("-c", "f", "--json"), CLI_GO_ON);
    assert_string_equal(got.cli.file, "f");
    assert_true(got.cli.json);
    assert_int_equal(PARSE("--config-file=g"), CLI_GO_ON);
    assert_string_equal(got.cli.file, "g");
    assert_int_equal(PARSE("-h"), 0);
    assert_int_equal(PARSE("--help"), 0);
}

static void test_own(void **state) {
    (void)state;
    assert_int_equal(PARSE("--flag", "--value", "v"), CLI_GO_ON);
    assert_true(got.flag);
    assert_string_equal(got.value, "v");
    assert_int_equal(PARSE("--json"), CLI_GO_ON);
    assert_true(!got.flag && got.value == NULL);
}

static void test_many_times(void **state) {
    (void)state;
    const char *argv[64] = {"x"};
    assert_int_equal(PARSE("--many", "a", "--flag", "--many=b"), CLI_GO_ON);
    assert_int_equal(got.many.cnt, 2);
    assert_string_equal(got.many.items[0], "a");
    assert_string_equal(got.many.items[1], "b");
    for (size_t i = 1; i <= CLI_VALUES_MAX; i++) {
        argv[i] = "--many=x";
    }
    assert_int_equal(parse(argv), CLI_GO_ON);
    argv[CLI_VALUES_MAX + 1] = "--many=x";
    assert_int_equal(parse(argv), EXIT_USAGE);
}

static void test_wrong(void **state) {
    (void)state;
    assert_int_equal(PARSE("--other"), EXIT_USAGE);
    assert_int_equal(PARSE("-x"), EXIT_USAGE);
    assert_int_equal(PARSE("--value"), EXIT_USAGE);
    assert_int_equal(PARSE("--flag=1"), EXIT_USAGE);
    assert_int_equal(PARSE("word"), EXIT_USAGE);
    got.no_operand = "nothing is taken";
    assert_int_equal(PARSE("word"), EXIT_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_common), cmocka_unit_test(test_own),
                                       cmocka_unit_test(test_many_times),
                                       cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
