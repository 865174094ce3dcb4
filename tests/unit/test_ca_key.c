/* SPDX-License-Identifier: MIT */
/* An operator's CA key on its way into the key store. */
#include "provisioning/ca_key.h"

#include "fake_hsm.h"
#include "support/alloc_fail.h"
#include "support/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct hsm *hsm;
static struct ca_key key;
static struct edge_error err;

static int setup(void **state) {
    struct certs_pair ca;
    struct buf pem, spki;
    (void)state;
    hsm = fake_hsm_new();
    certs_make(&ca, NULL, "ca", 1700000000, 1800000000);
    buf_init_sensitive(&pem, CERTS_TEXT_MAX);
    buf_init(&spki, X509_SPKI_MAX);
    certs_add_key(&pem, &ca, NULL);
    key = (struct ca_key){.name = ""};
    assert_int_equal(x509_key_read(buf_slice(&pem), &key.pkcs8, &spki, NULL), EDGE_OK);
    assert_int_equal(x509_key_label(buf_slice(&spki), key.name, NULL), EDGE_OK);
    buf_clear(&pem);
    buf_clear(&spki);
    certs_free(&ca);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    ca_key_clear(&key);
    hsm_close(hsm);
    return 0;
}

static size_t key_cnt(void) {
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    assert_int_equal(hsm_key_list(hsm, keys, &cnt, NULL), EDGE_OK);
    return cnt;
}

static void test_import(void **state) {
    struct hsm_key ret;
    (void)state;
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_OK);
    assert_string_equal(ret.name, key.name);
    assert_int_equal(fake_hsm_key_sign_cnt(hsm), 1);
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_OK);
    assert_int_equal(key_cnt(), 1);
}

static void test_a_name_of_another_key(void **state) {
    struct hsm_key ret;
    (void)state;
    key.name[10] = key.name[10] == '0' ? '1' : '0';
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_INVALID);
    assert_non_null(strstr(err.text, "belongs to another key"));
    assert_int_equal(key_cnt(), 0);
}

static void test_room_for_the_devices_own(void **state) {
    struct hsm_key ret;
    char name[HSM_KEY_NAME_MAX + 1];
    (void)state;
    assert_int_equal(hsm_key_make(hsm, "owner-ca-1", &ret, &err), EDGE_OK);
    for (int i = 0; i < CA_KEY_CNT_MAX - 1; i++) {
        (void)snprintf(name, sizeof(name), X509_KEY_PREFIX "%d", i);
        assert_int_equal(hsm_key_make(hsm, name, &ret, &err), EDGE_OK);
    }
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_OK);
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_OK);
    assert_int_equal(hsm_key_drop(hsm, key.name, &err), EDGE_OK);
    assert_int_equal(hsm_key_make(hsm, X509_KEY_PREFIX "last", &ret, &err), EDGE_OK);
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_CONFLICT);
    assert_non_null(strstr(err.text, "key-" X509_KEY_PREFIX));
    assert_int_equal(key_cnt(), CA_KEY_CNT_MAX + 1);
}

static void test_failures(void **state) {
    struct hsm_key ret;
    (void)state;
    fake_hsm_fail(hsm, 1, EDGE_BUSY);
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_BUSY);
    assert_int_equal(hsm_record_put(hsm, "x", &key.pkcs8, NULL), EDGE_OK);
    fake_hsm_lock_store(hsm);
    assert_int_equal(ca_key_import(hsm, &key, &ret, &err), EDGE_HSM);
}

static void test_json(void **state) {
    struct ca_key back = {.name = ""};
    struct buf json;
    (void)state;
    buf_init_sensitive(&json, CA_KEY_SIZE_MAX);
    assert_int_equal(ca_key_encode(&key, &json, NULL), EDGE_OK);
    assert_int_equal(ca_key_decode(buf_slice(&json), &back, NULL), EDGE_OK);
    assert_string_equal(back.name, key.name);
    assert_true(secret_equal(&back.pkcs8, &key.pkcs8));
    ca_key_clear(&back);
    buf_clear(&json);
}

#define NAME "ca-ba7816bf8f01cfea414140de5dae2223"

static void test_malformed(void **state) {
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"name\":\"" NAME "\"}",
        "{\"name\":\"" NAME "\",\"key\":\"\"}",
        "{\"name\":\"" NAME "\",\"key\":\"!\"}",
        "{\"name\":\"" NAME "x\",\"key\":\"MDEy\"}",
        "{\"name\":\"ca\",\"key\":\"MDEy\"}",
        "{\"name\":1,\"key\":\"MDEy\"}",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(wrong); i++) {
        struct ca_key k = {.name = ""};
        if (ca_key_decode(slice_str(wrong[i]), &k, &err) == EDGE_OK) {
            fail_msg("accepted: %s", wrong[i]);
        }
        ca_key_clear(&k);
    }
}

static void test_answer(void **state) {
    static const struct {
        struct hsm_key key;
        const char *text;
    } cases[] = {
        {{.name = "a", .type = HSM_KEY_P256, .bits = 256, .place = HSM_KEY_IN_TPM},
         "{\"name\":\"a\",\"kind\":\"P-256\",\"place\":\"tpm\"}"},
        {{.name = "b", .type = HSM_KEY_RSA, .bits = 4096, .place = HSM_KEY_SEALED},
         "{\"name\":\"b\",\"kind\":\"RSA-4096\",\"place\":\"sealed\"}"},
        {{.name = "c", .type = HSM_KEY_P521, .bits = 521, .place = HSM_KEY_IN_FILE},
         "{\"name\":\"c\",\"kind\":\"P-521\",\"place\":\"file\"}"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        struct buf json;
        buf_init(&json, 256);
        assert_int_equal(ca_key_answer(&cases[i].key, &json, NULL), EDGE_OK);
        assert_string_equal(buf_cstr(&json), cases[i].text);
        buf_clear(&json);
    }
}

static enum edge_code one_round(void *data) {
    struct ca_key back = {.name = ""};
    struct buf json;
    (void)data;
    buf_init_sensitive(&json, CA_KEY_SIZE_MAX);
    enum edge_code code = ca_key_encode(&key, &json, NULL);
    code = code == EDGE_OK ? ca_key_decode(buf_slice(&json), &back, NULL) : code;
    ca_key_clear(&back);
    buf_clear(&json);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 4);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_room_for_the_devices_own),
        T(test_import),
        T(test_a_name_of_another_key),
        T(test_failures),
        T(test_json),
        T(test_malformed),
        T(test_answer),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
