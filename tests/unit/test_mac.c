/* SPDX-License-Identifier: MIT */
#include "base/mac.h"

#include "base/b64.h"
#include "base/pct.h"
#include "support/alloc_fail.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_hex(const uint8_t digest[SHA256_LEN], const char *want) {
    struct buf hex;
    buf_init(&hex, 2 * SHA256_LEN);
    assert_int_equal(hex_encode(digest, SHA256_LEN, &hex, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&hex), want);
    buf_clear(&hex);
}

/* Both ways to sign, and the prepared key twice. */
static void check_hmac(const void *key, size_t key_len, const void *data, size_t len,
                       const char *want) {
    uint8_t mac[SHA256_LEN];
    assert_int_equal(hmac_sha256(key, key_len, data, len, mac, NULL), EDGE_OK);
    check_hex(mac, want);

    struct secret s SECRET_CLEANUP = {0};
    struct mac_key *k = NULL;
    assert_int_equal(secret_copy(&s, key, key_len, NULL), EDGE_OK);
    assert_int_equal(mac_key_new(&s, &k, NULL), EDGE_OK);
    for (int i = 0; i < 2; i++) {
        memset(mac, 0, sizeof(mac));
        assert_int_equal(mac_key_sign(k, data, len, mac, NULL), EDGE_OK);
        check_hex(mac, want);
    }
    mac_key_free(k);
}

/* What is kept of a key is in locked memory, and is not the key. */
static void test_prepared_key_is_locked(void **state) {
    static const uint8_t key[SHA256_LEN] = "key-0123456789-key-0123456789-k";
    struct secret s SECRET_CLEANUP = {0};
    struct mac_key *k = NULL;
    bool locked;
    (void)state;
    assert_int_equal(secret_heap_init(&locked, NULL), EDGE_OK);
    assert_int_equal(secret_copy(&s, key, sizeof(key), NULL), EDGE_OK);
    size_t before = secret_heap_used();
    assert_int_equal(mac_key_new(&s, &k, NULL), EDGE_OK);
    assert_true(secret_heap_used() >= before + (size_t)(2 * SHA256_LEN));
    const struct secret *kept = (const void *)k;
    assert_null(memmem(kept->data, kept->len, key, sizeof(key) / 2));
    mac_key_free(k);
    assert_int_equal(secret_heap_used(), before);
}

static void test_sha256(void **state) {
    (void)state;
    uint8_t digest[SHA256_LEN];
    assert_int_equal(sha256(NULL, 0, digest, NULL), EDGE_OK);
    check_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(
        sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, digest, NULL),
        EDGE_OK);
    check_hex(digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_sha256_hex(void **state) {
    (void)state;
    char text[SHA256_HEX];
    assert_int_equal(sha256_hex(slice_str("abc"), text, NULL), EDGE_OK);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231. */
static void test_hmac_vectors(void **state) {
    (void)state;
    uint8_t key[131];
    memset(key, 0x0b, 20);
    check_hmac(key, 20, "Hi There", 8,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac("Jefe", 4, "what do ya want for nothing?", 28,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    check_hmac(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_hmac("", 0, "", 0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    check_hmac(NULL, 0, NULL, 0,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* A whole token signature as DPS checks it. */
static void test_token_signature(void **state) {
    (void)state;
    uint8_t key[32];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(0x40 + i);
    }
    struct buf text;
    struct buf sig;
    struct buf escaped;
    uint8_t mac[SHA256_LEN];
    buf_init(&text, 200);
    buf_init(&sig, 200);
    buf_init(&escaped, 200);
    assert_int_equal(
        pct_encode(SLICE_LIT("0ne00000000/registrations/dev-01"), PCT_SEGMENT, &text, NULL),
        EDGE_OK);
    assert_int_equal(buf_append_str(&text, "\n1700003600", NULL), EDGE_OK);
    assert_int_equal(hmac_sha256(key, sizeof(key), text.data, text.len, mac, NULL), EDGE_OK);
    assert_int_equal(b64_encode(mac, sizeof(mac), &sig, NULL), EDGE_OK);
    assert_int_equal(pct_encode(buf_slice(&sig), PCT_UNRESERVED, &escaped, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&escaped), "fzICP13iutSeze%2Ff8l10Neowz8UznAa71iSx1PkV6B8%3D");
    buf_reset(&sig);
    assert_int_equal(hmac_sha256(key, sizeof(key), "dev-01", 6, mac, NULL), EDGE_OK);
    assert_int_equal(b64_encode(mac, sizeof(mac), &sig, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&sig), "Sl/RvhrrwmxG/FZWT+sL1OsSCvrm8AYxjPP1JbFHOSU=");
    buf_clear(&text);
    buf_clear(&sig);
    buf_clear(&escaped);
}

static void *sign_often(void *data) {
    uint8_t first[SHA256_LEN];
    uint8_t mac[SHA256_LEN];
    uint8_t key = *(const uint8_t *)data;
    bool same = hmac_sha256(&key, 1, "text", 4, first, NULL) == EDGE_OK;
    for (int i = 0; i < 2000 && same; i++) {
        same = hmac_sha256(&key, 1, "text", 4, mac, NULL) == EDGE_OK &&
               memcmp(first, mac, sizeof(mac)) == 0;
    }
    return same ? data : NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    uint8_t keys[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, &keys[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &keys[i]);
    }
}

static enum edge_code every_call(void *data) {
    (void)data;
    struct edge_error err = {0};
    struct secret s SECRET_CLEANUP = {0};
    struct mac_key *k = NULL;
    uint8_t mac[SHA256_LEN];
    uint8_t again[SHA256_LEN];
    enum edge_code code = secret_copy(&s, "key", 3, &err);
    if (code == EDGE_OK) {
        code = mac_key_new(&s, &k, &err);
    }
    if (code == EDGE_OK) {
        code = mac_key_sign(k, "text", 4, mac, &err);
    }
    if (code == EDGE_OK) {
        code = mac_key_sign(k, "text", 4, mac, &err);
    }
    if (code == EDGE_OK) {
        code = hmac_sha256("key", 3, "text", 4, again, &err);
    }
    if (code == EDGE_OK) {
        assert_memory_equal(mac, again, sizeof(mac));
    }
    if (code == EDGE_OK) {
        code = sha256("text", 4, mac, &err);
    }
    mac_key_free(k);
    assert_int_equal(code, err.code);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(every_call, NULL) > 0);
    mac_key_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prepared_key_is_locked),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha256_hex),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_token_signature),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
