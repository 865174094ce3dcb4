/* SPDX-License-Identifier: MIT */
#include "base/aead.h"

#include "base/b64.h"
#include "support/alloc_fail.h"
#include "support/legacy_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Test case 16 of the GCM specification (McGrew, Viega), put into the format. */
static const char key_hex[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char iv_hex[] = "cafebabefacedbaddecaf888";
static const char aad_hex[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
static const char plain_hex[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
static const char blob_hex[] = "01"
                               "76fc6ece0f4e1768cddf8853bb2d551b"
                               "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                               "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";

struct vector {
    struct buf key, iv, aad, plain, blob;
    struct secret secret; /* the key */
};

static void take_hex(struct buf *b, const char *hex) {
    buf_init(b, 256);
    assert_int_equal(hex_decode(slice_str(hex), b, NULL), EDGE_OK);
}

static struct vector vector;

static int setup(void **state) {
    struct vector *v = &vector;
    *v = (struct vector){0};
    take_hex(&v->key, key_hex);
    take_hex(&v->iv, iv_hex);
    take_hex(&v->aad, aad_hex);
    take_hex(&v->plain, plain_hex);
    take_hex(&v->blob, blob_hex);
    *state = v;
    return secret_copy(&v->secret, v->key.data, v->key.len, NULL) != EDGE_OK;
}

static int teardown(void **state) {
    struct vector *v = *state;
    buf_clear(&v->key);
    buf_clear(&v->iv);
    buf_clear(&v->aad);
    buf_clear(&v->plain);
    buf_clear(&v->blob);
    secret_clear(&v->secret);
    return 0;
}

static enum edge_code open_with(const struct vector *v, struct secret *ret) {
    return aead_open_v1(&v->secret, buf_slice(&v->iv), buf_slice(&v->aad), buf_slice(&v->blob), ret,
                        NULL);
}

static void test_vector(void **state) {
    const struct vector *v = *state;
    struct secret plain SECRET_CLEANUP = {0};
    assert_int_equal(open_with(v, &plain), EDGE_OK);
    assert_true(secret_equal_bytes(&plain, v->plain.data, v->plain.len));
}

static void test_every_changed_byte_is_noticed(void **state) {
    struct vector *v = *state;
    struct secret plain = {0};
    struct buf *const parts[] = {&v->iv, &v->aad, &v->blob};
    for (size_t p = 0; p < EDGE_ARRAY_LEN(parts); p++) {
        for (size_t i = 0; i < parts[p]->len; i++) {
            bool is_version = parts[p] == &v->blob && i == 0;
            parts[p]->data[i] ^= 0x40;
            assert_int_equal(open_with(v, &plain), is_version ? EDGE_PARSE : EDGE_DENIED);
            parts[p]->data[i] ^= 0x40;
        }
    }
    v->secret.data[31] ^= 1;
    assert_int_equal(open_with(v, &plain), EDGE_DENIED);
    v->secret.data[31] ^= 1;
    for (size_t cut = 1; cut <= v->blob.len; cut++) {
        struct slice blob = slice_make(v->blob.data, v->blob.len - cut);
        assert_int_equal(
            aead_open_v1(&v->secret, buf_slice(&v->iv), buf_slice(&v->aad), blob, &plain, NULL),
            blob.len <= AEAD_V1_EXTRA ? EDGE_PARSE : EDGE_DENIED);
    }
    assert_null(plain.data);
}

/* Initialization vectors of other lengths than 12, with and without associated data. */
static void test_what_was_sealed(void **state) {
    const struct vector *v = *state;
    uint8_t iv[AEAD_IV_MAX + 1];
    uint8_t blob[AEAD_V1_EXTRA + 5];
    memset(iv, 0x5a, sizeof(iv));
    for (size_t len = 1; len <= AEAD_IV_MAX; len += len < 20 ? 1 : 36) {
        for (int has_aad = 0; has_aad < 2; has_aad++) {
            struct slice aad = has_aad ? SLICE_LIT("$iotedge") : SLICE_LIT("");
            struct secret plain SECRET_CLEANUP = {0};
            assert_true(legacy_state_seal(buf_slice(&v->key), slice_make(iv, len), aad,
                                          SLICE_LIT("plain"), blob));
            assert_int_equal(aead_open_v1(&v->secret, slice_make(iv, len), aad,
                                          slice_make(blob, sizeof(blob)), &plain, NULL),
                             EDGE_OK);
            assert_true(secret_equal_bytes(&plain, "plain", 5));
        }
    }
}

static void test_bad_lengths(void **state) {
    const struct vector *v = *state;
    static uint8_t large[AEAD_V1_LEN_MAX + 1];
    struct secret plain = {0};
    struct secret key SECRET_CLEANUP = {0};
    struct slice iv = buf_slice(&v->iv);
    struct slice blob = buf_slice(&v->blob);
    large[0] = 1;
    assert_int_equal(secret_copy(&key, v->key.data, 16, NULL), EDGE_OK);
    assert_int_equal(aead_open_v1(&key, iv, SLICE_LIT(""), blob, &plain, NULL), EDGE_INVALID);
    assert_int_equal(aead_open_v1(&v->secret, SLICE_LIT(""), SLICE_LIT(""), blob, &plain, NULL),
                     EDGE_PARSE);
    assert_int_equal(aead_open_v1(&v->secret, slice_make(large, AEAD_IV_MAX + 1), SLICE_LIT(""),
                                  blob, &plain, NULL),
                     EDGE_RANGE);
    assert_int_equal(
        aead_open_v1(&v->secret, iv, slice_make(large, sizeof(large)), blob, &plain, NULL),
        EDGE_RANGE);
    assert_int_equal(
        aead_open_v1(&v->secret, iv, SLICE_LIT(""), slice_make(large, sizeof(large)), &plain, NULL),
        EDGE_RANGE);
    assert_null(plain.data);
}

static enum edge_code torture(void *data) {
    struct secret plain = {0};
    enum edge_code code = open_with(data, &plain);
    assert_true((code == EDGE_OK) == (plain.data != NULL));
    secret_clear(&plain);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_changed_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
