/* SPDX-License-Identifier: MIT */
#include "identity/module_cache.h"

#include "support/cloud_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TTL_MS 60000

struct fixture {
    struct cloud_env env;
    struct module_cache *cache;
};

static int setup(void **state) {
    static struct fixture f;
    cloud_env_init(&f.env);
    assert_int_equal(module_cache_new(f.env.loop, TTL_MS, &f.cache, NULL), EDGE_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    module_cache_free(f->cache);
    cloud_env_clear(&f->env);
    return 0;
}

static struct module_cache_key key_of(const char *module, const char *key_id,
                                      const char *generation) {
    struct module_cache_key key;
    const struct module_key_id id = {slice_str(module), slice_str(key_id), slice_str(generation)};
    assert_true(module_cache_key_init(&key, &id));
    return key;
}

static struct mac_key *mac_new(void) {
    struct secret secret = {0};
    struct mac_key *mac;
    assert_int_equal(secret_copy(&secret, "k", 1, NULL), EDGE_OK);
    assert_int_equal(mac_key_new(&secret, &mac, NULL), EDGE_OK);
    secret_clear(&secret);
    return mac;
}

static void put(struct fixture *f, const char *module, const char *key_id, const char *generation) {
    struct module_cache_key key = key_of(module, key_id, generation);
    struct module_cache_entry *e = module_cache_put(f->cache, &key, mac_new());
    assert_non_null(e);
    module_cache_unref(e);
}

static bool has(struct fixture *f, const char *module, const char *key_id, const char *generation) {
    struct module_cache_key key = key_of(module, key_id, generation);
    return module_cache_get(f->cache, &key) != NULL;
}

static void test_keys_are_unambiguous(void **state) {
    (void)state;
    struct module_cache_key a = key_of("ab", "primary", "c");
    struct module_cache_key b = key_of("a", "primary", "bc");
    struct module_cache_key c = key_of("ab", "secondary", "c");
    struct module_cache_key d = key_of("ab", "primary", "c");
    assert_false(module_cache_key_eq(&a, &b));
    assert_false(module_cache_key_eq(&a, &c));
    assert_true(module_cache_key_eq(&a, &d));
}

static void test_ids_that_have_no_key(void **state) {
    (void)state;
    struct module_cache_key key;
    char text[MODULE_KEY_ID_MAX + 1];
    memset(text, 'a', sizeof(text));
    struct slice good = slice_make(text, MODULE_KEY_ID_MAX);
    struct slice too_long = slice_make(text, sizeof(text));
    const struct module_key_id bad[] = {
        {SLICE_LIT("m"), SLICE_LIT("tertiary"), SLICE_LIT("1")},
        {SLICE_LIT("m"), SLICE_LIT(""), SLICE_LIT("1")},
        {SLICE_LIT(""), SLICE_LIT("primary"), SLICE_LIT("1")},
        {SLICE_LIT("m"), SLICE_LIT("primary"), {0}},
        {too_long, SLICE_LIT("primary"), SLICE_LIT("1")},
        {SLICE_LIT("m"), SLICE_LIT("primary"), too_long},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_false(module_cache_key_init(&key, &bad[i]));
    }
    const struct module_key_id longest = {good, SLICE_LIT("secondary"), good};
    assert_true(module_cache_key_init(&key, &longest));
    assert_int_equal(key.len, MODULE_CACHE_KEY_MAX);
}

static void test_per_module_bound_evicts_least_recently_used(void **state) {
    struct fixture *f = *state;
    char generation[16];
    put(f, "other", "primary", "1");
    for (int i = 0; i < MODULE_KEY_CACHE_PER_MODULE; i++) {
        (void)snprintf(generation, sizeof(generation), "%d", i);
        put(f, "m", "primary", generation);
    }
    assert_int_equal(module_cache_cnt(f->cache), MODULE_KEY_CACHE_PER_MODULE + 1);
    assert_true(has(f, "m", "primary", "0"));
    put(f, "m", "primary", "new");
    assert_int_equal(module_cache_cnt(f->cache), MODULE_KEY_CACHE_PER_MODULE + 1);
    assert_true(has(f, "m", "primary", "0"));
    assert_false(has(f, "m", "primary", "1"));
    assert_true(has(f, "m", "primary", "new"));
    assert_true(has(f, "other", "primary", "1"));
}

static void test_bound_in_all(void **state) {
    struct fixture *f = *state;
    char module[16];
    for (int i = 0; i < MODULE_KEY_CACHE_MAX; i++) {
        (void)snprintf(module, sizeof(module), "m%d", i);
        put(f, module, "primary", "1");
    }
    assert_int_equal(module_cache_cnt(f->cache), MODULE_KEY_CACHE_MAX);
    assert_true(has(f, "m0", "primary", "1"));
    put(f, "one-more", "primary", "1");
    assert_int_equal(module_cache_cnt(f->cache), MODULE_KEY_CACHE_MAX);
    assert_true(has(f, "m0", "primary", "1"));
    assert_false(has(f, "m1", "primary", "1"));
}

/* By its exact name, unlike the bound. */
static void test_drop_of_one_module(void **state) {
    struct fixture *f = *state;
    put(f, "a", "primary", "1");
    put(f, "a", "secondary", "2");
    put(f, "$a", "primary", "1");
    put(f, "ab", "primary", "1");
    module_cache_drop_module(f->cache, SLICE_LIT("none"));
    assert_int_equal(module_cache_cnt(f->cache), 4);
    module_cache_drop_module(f->cache, SLICE_LIT("a"));
    assert_int_equal(module_cache_cnt(f->cache), 2);
    assert_true(has(f, "$a", "primary", "1"));
    assert_true(has(f, "ab", "primary", "1"));
    module_cache_drop_module(f->cache, SLICE_LIT("$a"));
    module_cache_drop_module(f->cache, SLICE_LIT("ab"));
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_replacing(void **state) {
    struct fixture *f = *state;
    put(f, "m", "primary", "1");
    put(f, "m", "primary", "1");
    assert_int_equal(module_cache_cnt(f->cache), 1);
}

static void test_expiry_on_use(void **state) {
    struct fixture *f = *state;
    put(f, "m", "primary", "1");
    fake_loop_advance(TTL_MS - 1);
    assert_true(has(f, "m", "primary", "1"));
    /* Use does not prolong it. */
    fake_loop_advance(1);
    assert_false(has(f, "m", "primary", "1"));
}

static void test_timer_runs_only_while_there_are_keys(void **state) {
    struct fixture *f = *state;
    assert_int_equal(fake_loop_active_timers(), 0);
    put(f, "a", "primary", "1");
    assert_int_equal(fake_loop_active_timers(), 1);
    fake_loop_advance(TTL_MS / 2);
    put(f, "b", "primary", "1");
    fake_loop_advance(TTL_MS / 2);
    assert_int_equal(module_cache_cnt(f->cache), 1);
    assert_int_equal(fake_loop_next_timer_ms(), TTL_MS / 2);
    fake_loop_advance(TTL_MS / 2);
    assert_int_equal(module_cache_cnt(f->cache), 0);
    assert_int_equal(fake_loop_active_timers(), 0);
    put(f, "a", "primary", "1");
    module_cache_drop(f->cache);
    assert_int_equal(module_cache_cnt(f->cache), 0);
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_reference_outlives_the_cache_entry(void **state) {
    struct fixture *f = *state;
    struct module_cache_key key = key_of("m", "primary", "1");
    struct mac_key *mac = mac_new();
    struct module_cache_entry *e = module_cache_put(f->cache, &key, mac);
    module_cache_drop(f->cache);
    uint8_t out[SHA256_LEN];
    assert_int_equal(mac_key_sign(mac, "x", 1, out, NULL), EDGE_OK);
    module_cache_unref(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_unambiguous),
        cmocka_unit_test(test_ids_that_have_no_key),
        cmocka_unit_test_setup_teardown(test_per_module_bound_evicts_least_recently_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bound_in_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replacing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_of_one_module, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expiry_on_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_runs_only_while_there_are_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reference_outlives_the_cache_entry, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
