/* SPDX-License-Identifier: MIT */
#include "cli/key_options.h"

#include "cli/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <getopt.h>
#include <string.h>

/* getopt wants to be able to write. */
static int parse(struct key_options *o, bool is_import, const char *const *argv) {
    static char text[16][64];
    char *args[17] = {0};
    int argc = 0;
    for (; argv[argc] != NULL; argc++) {
        assert_true(argc < 16 && slice_to_array(slice_str(argv[argc]), text[argc], 64));
        args[argc] = text[argc];
    }
    memset(o, 0, sizeof(*o));
    o->cli.command = "iotedge tpm x";
    optind = 0;
    opterr = 0;
    return key_options_parse(argc, args, is_import, "Usage\n", o);
}

#define PARSE(o, is_import, ...) parse(o, is_import, (const char *[]){"x", __VA_ARGS__, NULL})

static void test_import(void **state) {
    struct key_options o;
    (void)state;
    assert_int_equal(PARSE(&o, true, "--scope", "s", "--registration-id", "r", "--file", "f",
                           "--derive-from-group", "--json", "-c", "cfg"),
                     CLI_GO_ON);
    assert_string_equal(o.target.scope, "s");
    assert_string_equal(o.target.registration_id, "r");
    assert_string_equal(o.input, "f");
    assert_string_equal(o.cli.file, "cfg");
    assert_true(o.derive && o.cli.json && !o.yes);
    assert_int_equal(PARSE(&o, true, "--yes"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, true, "c2VjcmV0"), EXIT_USAGE); /* a key on the command line */
}

static void test_remove(void **state) {
    struct key_options o;
    (void)state;
    assert_int_equal(PARSE(&o, false, "--hub", "h", "--device", "d", "--yes"), CLI_GO_ON);
    assert_string_equal(o.target.hub, "h");
    assert_true(o.yes);
    assert_int_equal(PARSE(&o, false, "--file", "f"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, false, "--hub"), EXIT_USAGE);
    assert_int_equal(PARSE(&o, false, "--help"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_import),
                                       cmocka_unit_test(test_remove)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
