/* SPDX-License-Identifier: MIT */
/*
 * The route that takes an operator's CA key.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_hsm.h"
#include "fake_loop.h"
#include "fake_pki.h"
#include "provisioning/ca_key.h"
#include "support/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    static const struct provisioning_status status;
    (void)p;
    return &status;
}

static struct api api;
static struct buf body;
static struct ca_key key;

static int setup(void **state) {
    struct certs_pair ca;
    struct buf pem, spki;
    (void)state;
    fake_loop_init();
    api = (struct api){
        .loop = fake_loop(), .worker = fake_worker(), .hsm = fake_hsm_new(), .pki = fake_pki()};
    certs_make(&ca, NULL, "ca", 1700000000, 1800000000);
    buf_init_sensitive(&pem, CERTS_TEXT_MAX);
    buf_init(&spki, X509_SPKI_MAX);
    buf_init_sensitive(&body, CA_KEY_SIZE_MAX);
    certs_add_key(&pem, &ca, NULL);
    key = (struct ca_key){.name = ""};
    assert_int_equal(x509_key_read(buf_slice(&pem), &key.pkcs8, &spki, NULL), EDGE_OK);
    assert_int_equal(x509_key_label(buf_slice(&spki), key.name, NULL), EDGE_OK);
    assert_int_equal(ca_key_encode(&key, &body, NULL), EDGE_OK);
    buf_clear(&pem);
    buf_clear(&spki);
    certs_free(&ca);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ca_key_clear(&key);
    buf_clear(&body);
    hsm_close(api.hsm);
    fake_loop_clear();
    return 0;
}

static int call(const char *text) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_body(text);
    mgmt_ca_key_add(x);
    fake_loop_run();
    fake_exchange_end();
    return fake_exchange_status();
}

static void test_import(void **state) {
    struct hsm_key found;
    (void)state;
    assert_int_equal(call(buf_cstr(&body)), 200);
    assert_non_null(strstr(fake_exchange_text(), key.name));
    assert_non_null(strstr(fake_exchange_text(), "\"kind\":\"P-256\",\"place\":\"tpm\""));
    assert_int_equal(hsm_key_get(api.hsm, key.name, &found, NULL), EDGE_OK);
    assert_int_equal(call(buf_cstr(&body)), 200);
}

static void test_refused(void **state) {
    (void)state;
    assert_int_equal(call("{}"), 400);
    key.name[5] = key.name[5] == '0' ? '1' : '0';
    buf_reset(&body);
    assert_int_equal(ca_key_encode(&key, &body, NULL), EDGE_OK);
    assert_int_equal(call(buf_cstr(&body)), 400);
    assert_non_null(strstr(fake_exchange_text(), "belongs to another key"));
    fake_hsm_fail(api.hsm, 1, EDGE_HSM);
    assert_int_equal(call(buf_cstr(&body)), 503);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(call(buf_cstr(&body)), 503);
    fake_worker_fail(EDGE_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_import), T(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
