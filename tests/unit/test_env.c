/* SPDX-License-Identifier: MIT */
#include "base/env.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    int stop_after;
    int cnt;
    bool found;
    bool empty_found;
};

static bool look(void *data, const char *name, const char *value) {
    struct seen *seen = data;
    seen->cnt++;
    assert_true(strlen(name) > 0 && strlen(name) <= ENV_NAME_MAX);
    assert_null(strchr(name, '='));
    if (strcmp(name, "EDGE_TEST_A") == 0) {
        assert_string_equal(value, "one=two");
        seen->found = true;
    }
    if (strcmp(name, "EDGE_TEST_B") == 0) {
        assert_string_equal(value, "");
        seen->empty_found = true;
    }
    return seen->cnt != seen->stop_after;
}

static void test_get(void **state) {
    (void)state;
    setenv("EDGE_TEST_A", "one=two", 1);
    assert_string_equal(env_get("EDGE_TEST_A"), "one=two");
    unsetenv("EDGE_TEST_A");
    assert_null(env_get("EDGE_TEST_A"));
}

static void test_each(void **state) {
    (void)state;
    char long_name[ENV_NAME_MAX + 2];
    memset(long_name, 'L', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    setenv("EDGE_TEST_A", "one=two", 1);
    setenv("EDGE_TEST_B", "", 1);
    setenv(long_name, "skipped", 1);
    char odd[] = "no-equals-sign";
    char nameless[] = "=value";
    putenv(odd);
    struct seen all = {0};
    env_each(look, &all);
    assert_true(all.found);
    assert_true(all.empty_found);
    struct seen first = {.stop_after = 1};
    env_each(look, &first);
    assert_int_equal(first.cnt, 1);
    unsetenv(long_name);

    extern char **environ;
    char **saved = environ;
    char entry[] = "EDGE_TEST_A=one=two";
    char *own[] = {odd, nameless, entry, NULL};
    environ = own;
    struct seen few = {0};
    env_each(look, &few);
    environ = NULL;
    struct seen none = {0};
    env_each(look, &none);
    environ = saved;
    assert_int_equal(few.cnt, 1);
    assert_true(few.found);
    assert_int_equal(none.cnt, 0);
}

static void test_drop_debug(void **state) {
    (void)state;
    setenv("SSLKEYLOGFILE", "/keys", 1);
    setenv("TSS2_LOGFILE", "/traffic", 1);
    setenv("TSS2_LOG", "all+trace", 1);
    env_drop_debug();
    assert_null(env_get("SSLKEYLOGFILE"));
    assert_null(env_get("TSS2_LOGFILE"));
    assert_string_equal(env_get("TSS2_LOG"), "all+none");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_drop_debug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
