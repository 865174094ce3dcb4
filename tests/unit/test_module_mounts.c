/* SPDX-License-Identifier: MIT */
/*
 * Files of the host among the mounts of a module.
 */
#include "runtime/module_mounts.h"

#include "base/json.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static bool has(const char *json, const char *path) {
    struct cJSON *mounts = NULL;
    assert_int_equal(json_parse(slice_str(json), &mounts, NULL), EDGE_OK);
    bool found = module_mounts_have(mounts, path);
    json_free(mounts);
    return found;
}

static void test_by_path(void **state) {
    static const char mounts[] = "[5,{},{\"Source\":1},{\"Source\":\"/a/b\"},{\"Source\":\"\"}]";
    (void)state;
    assert_true(has(mounts, "/a/b"));
    assert_false(has(mounts, "/a"));
    assert_false(has(mounts, "/c/b")); /* neither is there */
    assert_false(has("[]", "/a/b"));
    assert_false(module_mounts_have(NULL, "/a/b"));
}

static void test_by_another_way(void **state) {
    struct tmpdir *dir = *state;
    char path[8192];
    char json[8192];
    tmpdir_write(dir, "s", "", 0, 0600);
    assert_int_equal(symlink(".", tmpdir_join(dir, "link")), 0);
    (void)snprintf(path, sizeof(path), "%s/link/s", dir->path);
    (void)snprintf(json, sizeof(json), "[{\"Source\":\"%s/s\"}]", dir->path);
    assert_true(has(json, path));
    (void)snprintf(path, sizeof(path), "%s/link/t", dir->path);
    assert_false(has(json, path));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_path),
        cmocka_unit_test_setup_teardown(test_by_another_way, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
