/* SPDX-License-Identifier: MIT */
/*
 * The routes about imported keys, on the key store that keeps files.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_loop.h"
#include "fake_wall.h"
#include "provisioning/imported.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define ADD    "{\"target\":\"hub:H.example.net/dev-01\",\"key\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}"
#define REMOVE "{\"target\":\"hub:h.example.net/dev-01\"}"

static unsigned asked;

void provisioning_ask(struct provisioning *p, const char *why) {
    (void)p;
    assert_non_null(strstr(why, "a key was"));
    asked++;
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static const struct provisioning_status status;
    (void)p;
    return &status;
}

static struct tmpdir *dir;
static struct api api;

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    asked = 0;
    dir = tmpdir_new();
    api = (struct api){.loop = fake_loop(), .worker = fake_worker(), .wall = fake_wall_new()};
    const struct hsm_config hc = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    assert_int_equal(hsm_open(&hc, &api.hsm, NULL), EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hsm_close(api.hsm);
    wall_free(api.wall);
    tmpdir_free(dir);
    fake_loop_clear();
    return 0;
}

static int call(http_handler_fn *handler, const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_body(body);
    handler(x);
    fake_loop_run();
    fake_exchange_end();
    return fake_exchange_status();
}

static size_t key_cnt(void) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    while (hsm_identity_list(api.hsm, keys, &cnt, NULL) != EDGE_OK) {
        /* the allocation that had to fail was in here */
    }
    return cnt;
}

static void test_in_and_out(void **state) {
    (void)state;
    assert_int_equal(call(mgmt_key_add, ADD), 200);
    assert_string_equal(fake_exchange_text(),
                        "{\"target\":\"hub:h.example.net/dev-01\",\"generation\":1}");
    assert_int_equal(asked, 1);
    assert_int_equal(key_cnt(), 1);
    assert_int_equal(call(mgmt_key_remove, REMOVE), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"removed\":1"));
    assert_int_equal(asked, 2);
    assert_int_equal(key_cnt(), 0);
    assert_int_equal(call(mgmt_key_remove, REMOVE), 404);
    assert_non_null(strstr(fake_exchange_text(), "no key was imported"));
    assert_int_equal(asked, 2);
}

static void test_malformed(void **state) {
    static const char *const bodies[] = {
        "",
        "{}",
        "{\"target\":\"hub:h/d\"}",
        "{\"target\":\"hub:h/d\",\"key\":\"\"}",
        "{\"target\":\"hub:h/d\",\"key\":\"!!\"}",
        "{\"target\":\"h/d\",\"key\":\"MDEy\"}",
        "{\"target\":1,\"key\":\"MDEy\"}",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        assert_int_equal(call(mgmt_key_add, bodies[i]), 400);
    }
    assert_int_equal(call(mgmt_key_remove, "{\"target\":\"\"}"), 400);
    assert_int_equal(key_cnt(), 0);
}

static void test_busy(void **state) {
    (void)state;
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(call(mgmt_key_add, ADD), 503);
    fake_worker_fail(EDGE_OK);
    assert_int_equal(key_cnt(), 0);
}

/* It is done although nobody waits for the answer. */
static void test_client_leaves(void **state) {
    struct http_exchange *x = fake_exchange(&api);
    (void)state;
    fake_exchange_set_body(ADD);
    mgmt_key_add(x);
    fake_exchange_leave();
    fake_loop_run();
    fake_exchange_end();
    assert_int_equal(key_cnt(), 1);
    assert_int_equal(asked, 1);
}

/* An answer that could not be made may be about a key that was imported. */
static enum edge_code one_round(void *data) {
    unsigned cnt;
    (void)data;
    int added = call(mgmt_key_add, ADD);
    int removed = added == 200 ? call(mgmt_key_remove, REMOVE) : added;
    while (key_cnt() > 0) {
        (void)!imported_remove(api.hsm, "hub:h.example.net/dev-01", &cnt, NULL);
    }
    return added == 200 && removed == 200 ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_in_and_out),    T(test_malformed),     T(test_busy),
        T(test_client_leaves), T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
