/* SPDX-License-Identifier: MIT */
#include "runtime/image_name.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_full(void **state) {
    static const struct {
        const char *name, *full, *repository;
    } rows[] = {
        {"a", "docker.io/library/a:latest", "docker.io/library/a"},
        {"a:1", "docker.io/library/a:1", "docker.io/library/a"},
        {"docker.io/a:1", "docker.io/library/a:1", "docker.io/library/a"},
        {"index.docker.io/a", "docker.io/library/a:latest", "docker.io/library/a"},
        {"docker.io/library/a:1", "docker.io/library/a:1", "docker.io/library/a"},
        {"me/a:1", "docker.io/me/a:1", "docker.io/me/a"},
        {"localhost/a", "localhost/a:latest", "localhost/a"},
        {"localhost:5000/a", "localhost:5000/a:latest", "localhost:5000/a"},
        {"mcr.test/x/a:1.2-b", "mcr.test/x/a:1.2-b", "mcr.test/x/a"},
        {"[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a"},
        {"a@sha256:12", "docker.io/library/a@sha256:12", "docker.io/library/a"},
        {"r.test:1/a:2@sha256:12", "r.test:1/a@sha256:12", "r.test:1/a"},
        {"<none>:<none>", NULL, NULL},
        {"<none>@<none>", NULL, NULL},
        {"", NULL, NULL},
        {"a b", NULL, NULL},
    };
    char full[RUNTIME_IMAGE_MAX + 1];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        (void)memset(full, 'x', 1);
        bool ok = image_name_full(slice_str(rows[i].name), full);
        assert_int_equal(ok, rows[i].full != NULL);
        assert_true(ok || full[0] == 'x');
        if (ok) {
            assert_string_equal(full, rows[i].full);
            assert_true(slice_eq_str(image_name_repository(full), rows[i].repository));
        }
    }
}

static void test_too_long(void **state) {
    char name[RUNTIME_IMAGE_MAX + 1], full[RUNTIME_IMAGE_MAX + 1];
    (void)state;
    (void)memset(name, 'a', sizeof(name));
    for (size_t len = RUNTIME_IMAGE_MAX - 40; len <= RUNTIME_IMAGE_MAX; len++) {
        bool fits = len + strlen("docker.io/library/:latest") <= RUNTIME_IMAGE_MAX;
        assert_int_equal(image_name_full(slice_make(name, len), full), fits);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
