/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include "cli/command.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static int terminal;

int __wrap_isatty(int fd);
int __wrap_isatty(int fd) {
    (void)fd;
    return terminal;
}

static void test_confirm_needs_a_terminal(void **state) {
    struct edge_error err;
    (void)state;
    terminal = 0;
    assert_int_equal(cli_confirm("Sure?", true, &err), EDGE_OK);
    assert_int_equal(cli_confirm("Sure?", false, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "--yes"));
}

static enum edge_code answer(const struct tmpdir *dir, const char *text) {
    struct edge_error err;
    tmpdir_write(dir, "answer", text, strlen(text), 0600);
    assert_non_null(freopen(tmpdir_join(dir, "answer"), "re", stdin));
    return cli_confirm("Sure?", false, &err);
}

static void test_only_yes_confirms(void **state) {
    const struct tmpdir *dir = *state;
    terminal = 1;
    assert_int_equal(answer(dir, "yes\n"), EDGE_OK);
    assert_int_equal(answer(dir, "no\n"), EDGE_CANCELED);
    assert_int_equal(answer(dir, "y\n"), EDGE_CANCELED);
    assert_int_equal(answer(dir, "yes please\n"), EDGE_CANCELED);
    assert_int_equal(answer(dir, "yes"), EDGE_CANCELED);
    assert_int_equal(answer(dir, ""), EDGE_CANCELED);
}

static void test_exit_codes(void **state) {
    const struct tmpdir *dir = *state;
    struct edge_error err;
    struct edge_config *cfg = NULL;
    struct cli c = {.command = "iotedge x", .file = tmpdir_join(dir, "none.yaml"), .json = true};
    (void)edge_set(&err, EDGE_NET, "no route");
    assert_int_equal(cli_fail(&c, &err), 1);
    assert_int_equal(cli_misuse(&c, "wrong %s", "thing"), EXIT_USAGE);
    assert_int_equal(cli_load(&c, &cfg), 1);
    assert_null(cfg);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_confirm_needs_a_terminal),
                                       T(test_only_yes_confirms), T(test_exit_codes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
