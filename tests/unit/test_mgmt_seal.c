/* SPDX-License-Identifier: MIT */
/*
 * The routes about the sealed store.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_hsm.h"
#include "fake_loop.h"
#include "fake_module_crypt.h"
#include "fake_pki.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define BIND                                                                                       \
    "{\"action\":\"bind\",\"pcrs\":[0,7],\"planned\":[],"                                          \
    "\"recovery\":\"MDEyMzQ1Njc4OWFiY2RlZmdoaWo=\"}"
#define RECOVER                                                                                    \
    "{\"action\":\"recover\",\"pcrs\":[0],\"planned\":[],"                                         \
    "\"recovery\":\"MDEyMzQ1Njc4OWFiY2RlZmdoaWo=\"}"
#define SUSPEND "{\"action\":\"suspend\",\"pcrs\":[],\"planned\":[]}"
#define ABANDON "{\"action\":\"abandon\",\"pcrs\":[],\"planned\":[]}"

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static const struct provisioning_status status;
    (void)p;
    return &status;
}

static struct api api;
static unsigned changed_cnt;

static void on_changed(void *data) {
    assert_ptr_equal(data, &api);
    changed_cnt++;
}

static int setup(void **state) {
    const struct secret nothing = {(uint8_t *)"x", 1};
    (void)state;
    fake_loop_init();
    api = (struct api){.loop = fake_loop(),
                       .worker = fake_worker(),
                       .hsm = fake_hsm_new(),
                       .pki = fake_pki(),
                       .crypt = fake_module_crypt(),
                       .store_changed = on_changed,
                       .store_changed_data = &api};
    changed_cnt = 0;
    assert_int_equal(hsm_record_put(api.hsm, "x", &nothing, NULL), EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    hsm_close(api.hsm);
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

static void test_changes(void **state) {
    (void)state;
    assert_int_equal(call(mgmt_seal_get, ""), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"open\""));
    assert_int_equal(call(mgmt_seal_change, BIND), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"bound\""));
    assert_non_null(strstr(fake_exchange_text(), "\"pcrs\":[0,7]"));
    assert_int_equal(call(mgmt_seal_change, SUSPEND), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"open\""));
}

static void test_locked(void **state) {
    (void)state;
    assert_int_equal(call(mgmt_seal_change, BIND), 200);
    assert_int_equal(call(mgmt_seal_change, ABANDON), 409);
    fake_hsm_lock_store(api.hsm);
    assert_int_equal(call(mgmt_seal_get, ""), 200);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"locked\""));
    assert_int_equal(call(mgmt_seal_change, BIND), 503);
    assert_int_equal(changed_cnt, 1);
    assert_int_equal(call(mgmt_seal_change, RECOVER), 200);
    assert_int_equal(changed_cnt, 2); /* what waits for the store goes on at once */
    fake_hsm_lock_store(api.hsm);
    assert_true(module_crypt_is_open(api.crypt));
    const unsigned look_cnt = fake_pki_look_cnt();
    assert_int_equal(call(mgmt_seal_change, ABANDON), 200);
    assert_false(module_crypt_is_open(api.crypt)); /* what it has in memory is gone from the disk */
    assert_int_equal(fake_pki_look_cnt(), look_cnt + 1);
    assert_non_null(strstr(fake_exchange_text(), "\"state\":\"none\""));
}

static void test_refused(void **state) {
    (void)state;
    assert_int_equal(call(mgmt_seal_change, "{}"), 400);
    assert_non_null(strstr(fake_exchange_text(), "action"));
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(call(mgmt_seal_change, SUSPEND), 503);
    fake_worker_fail(EDGE_OK);
    fake_hsm_fail(api.hsm, 1, EDGE_HSM);
    assert_int_equal(call(mgmt_seal_get, ""), 503);
    assert_non_null(strstr(fake_exchange_text(), "Could not look at the sealed store"));
}

/* It is done although nobody waits for the answer. */
static void test_client_leaves(void **state) {
    struct hsm_store_info info;
    struct http_exchange *x = fake_exchange(&api);
    (void)state;
    fake_exchange_set_body(BIND);
    mgmt_seal_change(x);
    fake_exchange_leave();
    fake_loop_run();
    fake_exchange_end();
    assert_int_equal(hsm_store_get_info(api.hsm, &info, NULL), EDGE_OK);
    assert_int_equal(info.pcrs, 129);
}

static enum edge_code one_round(void *data) {
    (void)data;
    bool ok = call(mgmt_seal_change, BIND) == 200;
    ok = call(mgmt_seal_change, SUSPEND) == 200 && ok;
    ok = call(mgmt_seal_get, "") == 200 && ok;
    return ok ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 8);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_changes),       T(test_locked),        T(test_refused),
        T(test_client_leaves), T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
