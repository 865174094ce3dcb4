/* SPDX-License-Identifier: MIT */
/*
 * Keys in and out, on the key store that keeps files.
 */
#include "provisioning/imported.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define TARGET "hub:h.example.net/dev-01"

struct world {
    struct tmpdir *dir;
    struct hsm *hsm;
    struct secret key;
};

static int setup(void **state) {
    static struct world w;
    w.dir = tmpdir_new();
    const struct hsm_config hc = {.backend = HSM_BACKEND_SOFT, .state_dir = w.dir->path};
    assert_int_equal(hsm_open(&hc, &w.hsm, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&w.key, "0123456789abcdef", 16, NULL), EDGE_OK);
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    hsm_close(w->hsm);
    secret_clear(&w->key);
    tmpdir_free(w->dir);
    return 0;
}

static void assert_target(const char *text, const char *expected) {
    char target[KEY_LABEL_TARGET_MAX + 1] = "";
    struct edge_error err;
    enum edge_code code = imported_target(slice_str(text), target, &err);
    if (expected == NULL) {
        assert_int_equal(code, EDGE_INVALID);
        assert_string_equal(target, "");
    } else {
        assert_int_equal(code, EDGE_OK);
        assert_string_equal(target, expected);
    }
}

static void test_targets(void **state) {
    (void)state;
    assert_target("hub:H.Example.net/Dev-01", "hub:h.example.net/Dev-01");
    assert_target("dps:0ne00ABC/Reg-1", "dps:0ne00ABC/Reg-1");
    static const char *const wrong[] = {"",          "hub:",         "hub:/d",       "hub:h/",
                                        "hub:h",     "h/d",          "dps:/",        "dps:s/",
                                        "hub:h h/d", "hub:h/d/e",    "hub:h/..",     "dps:s\n/r",
                                        "HUB:h",     "hub:h/\x01xy", "dps:scope/a b"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        assert_target(wrong[i], NULL);
    }
    char longer[1024] = "hub:h/";
    memset(longer + 6, 'd', sizeof(longer) - 7);
    assert_target(longer, NULL);
}

static void test_in_and_out(void **state) {
    struct world *w = *state;
    uint64_t first = 0, second = 0, other = 0;
    unsigned cnt = 0;
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t key_cnt = 0;
    struct key_label label;
    struct edge_error err;
    assert_int_equal(imported_remove(w->hsm, TARGET, &cnt, &err), EDGE_NOT_FOUND);
    assert_non_null(strstr(err.text, TARGET));
    assert_int_equal(imported_add(w->hsm, TARGET, &w->key, 1700000000, &first, &err), EDGE_OK);
    assert_int_equal(imported_add(w->hsm, TARGET, &w->key, 1700000001, &second, &err), EDGE_OK);
    assert_int_equal(imported_add(w->hsm, "dps:s/r", &w->key, 5, &other, &err), EDGE_OK);
    assert_true(first < second && second < other);
    assert_int_equal(hsm_identity_list(w->hsm, keys, &key_cnt, &err), EDGE_OK);
    assert_int_equal(key_cnt, 3);
    assert_int_equal(key_label_decode(slice_str(keys[1].label), &label, &err), EDGE_OK);
    assert_string_equal(label.target, TARGET);
    assert_int_equal(label.since_wall_s, 1700000001);
    assert_int_equal(imported_remove(w->hsm, TARGET, &cnt, &err), EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_int_equal(hsm_identity_list(w->hsm, keys, &key_cnt, &err), EDGE_OK);
    assert_int_equal(key_cnt, 1);
    assert_int_equal(keys[0].generation, other);
}

/* What a provisioning service gave is not the operator's to remove by this way. */
static void test_other_labels_stay(void **state) {
    struct world *w = *state;
    uint64_t generation;
    unsigned cnt;
    struct edge_error err;
    const char *label = "{\"hub\":\"h.example.net\",\"deviceId\":\"dev-01\"}";
    assert_int_equal(hsm_identity_import_key(w->hsm, &w->key, slice_str(label), &generation, &err),
                     EDGE_OK);
    assert_int_equal(imported_remove(w->hsm, TARGET, &cnt, &err), EDGE_NOT_FOUND);
}

static void test_full(void **state) {
    struct world *w = *state;
    uint64_t generation;
    struct edge_error err;
    /* A new assignment must find room: whoever imports keys does not get the last places. */
    for (size_t i = 0; i < HSM_IDENTITY_MAX - IMPORTED_ROOM; i++) {
        assert_int_equal(imported_add(w->hsm, TARGET, &w->key, 1, &generation, &err), EDGE_OK);
    }
    assert_int_equal(imported_add(w->hsm, TARGET, &w->key, 1, &generation, &err), EDGE_RANGE);
    assert_non_null(strstr(err.text, "remove-key"));
}

static enum edge_code one_round(void *data) {
    struct world *w = data;
    uint64_t generation;
    unsigned cnt;
    enum edge_code code = imported_add(w->hsm, TARGET, &w->key, 1, &generation, NULL);
    enum edge_code removed = EDGE_NOMEM;
    if (code == EDGE_OK) {
        removed = imported_remove(w->hsm, TARGET, &cnt, NULL);
    }
    while (code == EDGE_OK && removed != EDGE_OK) {
        code = removed;
        removed = imported_remove(w->hsm, TARGET, &cnt, NULL);
    }
    return code;
}

static void test_out_of_memory(void **state) {
    assert_true(alloc_fail_torture(one_round, *state) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets), T(test_in_and_out), T(test_other_labels_stay), T(test_full),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
