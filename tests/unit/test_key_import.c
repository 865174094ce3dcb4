/* SPDX-License-Identifier: MIT */
/*
 * Keys of the configuration on their way into the key store, and which keys are kept.
 */
#include "provisioning/key_import.h"

#include "support/alloc_fail.h"
#include "support/provisioning_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define TARGET "hub:h.example/dev"

static int setup(void **state) {
    (void)state;
    world_init();
    return 0;
}

static enum edge_code ensure(const char *key, uint64_t *ret_generation, struct edge_error *err) {
    struct secret s = {0};
    if (key != NULL && secret_copy(&s, key, strlen(key), NULL) != EDGE_OK) {
        return EDGE_NOMEM;
    }
    enum edge_code code = key_import_ensure(NULL, TARGET, &s, 1700000000, ret_generation, err);
    secret_clear(&s);
    return code;
}

static void test_target_of_the_configuration(void **unused) {
    (void)unused;
    char t[KEY_LABEL_TARGET_MAX + 1];
    struct config_provisioning c = {.source = CONFIG_SOURCE_MANUAL,
                                    .credential = CONFIG_CREDENTIAL_KEY,
                                    .hub_hostname = (char *)"H.example",
                                    .device_id = (char *)"dev",
                                    .scope_id = (char *)"0ne",
                                    .registration_id = (char *)"reg"};
    assert_int_equal(key_import_target(&c, t, NULL), EDGE_OK);
    assert_string_equal(t, TARGET);
    c.source = CONFIG_SOURCE_DPS;
    assert_int_equal(key_import_target(&c, t, NULL), EDGE_OK);
    assert_string_equal(t, "dps:0ne/reg");
    c.credential = CONFIG_CREDENTIAL_X509;
    assert_int_equal(key_import_target(&c, t, NULL), EDGE_INVALID);
}

static void test_import_once(void **unused) {
    (void)unused;
    uint64_t a = 0, b = 0;
    assert_int_equal(ensure("first key", &a, NULL), EDGE_OK);
    assert_int_equal(ensure("first key", &b, NULL), EDGE_OK);
    assert_int_equal(a, b);
    assert_int_equal(world.imports, 1);
    assert_int_equal(ensure(NULL, &b, NULL), EDGE_OK); /* deleted from the file */
    assert_int_equal(a, b);
}

static void test_another_key_stands_beside_the_old(void **unused) {
    (void)unused;
    uint64_t a = 0, b = 0, c = 0;
    assert_int_equal(ensure("first key", &a, NULL), EDGE_OK);
    assert_int_equal(ensure("second key", &b, NULL), EDGE_OK);
    assert_true(b > a);
    assert_true(world_has_key(a));
    assert_int_equal(ensure("first key", &c, NULL), EDGE_OK); /* the operator went back */
    assert_int_equal(c, a);
    assert_int_equal(ensure(NULL, &c, NULL), EDGE_OK);
    assert_int_equal(c, b);
}

static void test_newer_than_what_was_known(void **unused) {
    (void)unused;
    uint64_t g = 1, newest = 0;
    world_add_imported(1, TARGET, "a");
    world_add_imported(2, TARGET, "b");
    assert_int_equal(key_import_current(NULL, TARGET, &g, &newest, NULL), EDGE_OK);
    assert_true(g == 1 && newest == 2);
    world_add_imported(3, TARGET, "c");
    assert_int_equal(key_import_current(NULL, TARGET, &g, &newest, NULL), EDGE_OK);
    assert_true(g == 3 && newest == 3);
    g = 9; /* removed */
    assert_int_equal(key_import_current(NULL, TARGET, &g, &newest, NULL), EDGE_OK);
    assert_true(g == 3 && newest == 3);
    world.cnt = 0;
    assert_int_equal(key_import_current(NULL, TARGET, &g, &newest, NULL), EDGE_CONFIG);
    world.list_code = EDGE_HSM;
    assert_int_equal(key_import_current(NULL, TARGET, &g, &newest, NULL), EDGE_HSM);
}

static void test_no_key_anywhere(void **unused) {
    (void)unused;
    struct edge_error err;
    uint64_t g = 5;
    world_add_imported(1, "hub:other.example/dev", "key");
    assert_int_equal(ensure(NULL, &g, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, "iotedge tpm import-key"));
    assert_non_null(strstr(err.text, TARGET));
    assert_int_equal(g, 5);
}

static void test_store_in_trouble(void **unused) {
    (void)unused;
    struct edge_error err;
    uint64_t g = 0;
    world.list_code = EDGE_HSM;
    assert_int_equal(ensure("key", &g, &err), EDGE_HSM);
    world.list_code = EDGE_OK;
    world.import_code = EDGE_IO;
    assert_int_equal(ensure("key", &g, &err), EDGE_IO);
    assert_non_null(strstr(err.text, "config.yaml"));
    /* A key that is there but cannot sign is not taken for the same. */
    world.import_code = EDGE_OK;
    world_add_imported(1, TARGET, "key");
    world.sign_code = EDGE_HSM;
    assert_int_equal(ensure("key", &g, &err), EDGE_OK);
    assert_int_equal(g, 2);
}

static void test_what_is_dropped(void **unused) {
    (void)unused;
    char note[256] = "";
    struct state s = {.has_current = true, .legacy_root = 6};
    world_add_key(1, "a.example", "dev", "");
    world_add_imported(2, TARGET, "old");
    world_add_imported(3, "dps:0ne/reg", "other target");
    world_add_imported(4, TARGET, "new");
    world_add_imported(5, TARGET, "newer, not in use yet");
    world_add_key(6, "b.example", "dev", "");
    s.current.key_generation = 4;
    key_import_drop_unused(NULL, &s, note, sizeof(note));
    assert_false(world_has_key(1));
    assert_true(world_has_key(2)); /* the new one is not proven */
    s.current.proven = true;
    key_import_drop_unused(NULL, &s, note, sizeof(note));
    assert_false(world_has_key(2));
    assert_true(world_has_key(3) && world_has_key(4) && world_has_key(5) && world_has_key(6));
    assert_string_equal(note, "");
    s.legacy_root = 0;
    world.drop_code = EDGE_IO;
    key_import_drop_unused(NULL, &s, note, sizeof(note));
    assert_non_null(strstr(note, "read-only"));
}

/* A service that moves the device on and on must not fill the key store. */
static void test_keys_of_a_service_go_when_unused(void **unused) {
    (void)unused;
    char note[256] = "";
    struct secret key = {0};
    struct state s = {.has_current = true};
    uint64_t first = 0, second = 0, again = 0;
    assert_int_equal(secret_copy(&key, "a key", 5, NULL), EDGE_OK);
    const struct key_label label = {.target = TARGET, .is_service = true};
    const struct key_label other = {.target = "hub:o.example/dev", .is_service = true};
    assert_int_equal(key_import_once(NULL, &label, &key, &first, NULL), EDGE_OK);
    assert_int_equal(key_import_once(NULL, &label, &key, &again, NULL), EDGE_OK);
    assert_int_equal(first, again);
    assert_int_equal(key_import_once(NULL, &other, &key, &second, NULL), EDGE_OK);
    world_add_imported(9, TARGET, "of the operator");
    s.current.key_generation = second;
    key_import_drop_unused(NULL, &s, note, sizeof(note));
    assert_false(world_has_key(first));
    assert_true(world_has_key(second) && world_has_key(9));
    secret_clear(&key);
}

static enum edge_code import_twice(void *data) {
    uint64_t g = 0;
    char note[256] = "";
    struct state s = {.has_current = true};
    (void)data;
    world_init();
    enum edge_code code = ensure("first key", &g, NULL);
    if (code == EDGE_OK) {
        code = ensure("second key", &g, NULL);
    }
    if (code == EDGE_OK) {
        s.current.key_generation = g;
        key_import_drop_unused(NULL, &s, note, sizeof(note));
        assert_int_equal(world.cnt, 2);
    }
    return code;
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(import_twice, NULL) > 5);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_target_of_the_configuration),
        T(test_import_once),
        T(test_another_key_stands_beside_the_old),
        T(test_no_key_anywhere),
        T(test_newer_than_what_was_known),
        T(test_store_in_trouble),
        T(test_what_is_dropped),
        T(test_keys_of_a_service_go_when_unused),
        T(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
