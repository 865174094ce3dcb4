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
    static uint8_t large[AEAD_LEN_MAX + AEAD_V1_EXTRA + 1];
    struct secret plain = {0};
    struct secret key SECRET_CLEANUP = {0};
    struct slice iv = buf_slice(&v->iv);
    struct slice blob = buf_slice(&v->blob);
    large[0] = 1;
    assert_int_equal(secret_copy(&key, v->key.data, 16, NULL), EDGE_OK);
    assert_int_equal(aead_open_v1(&key, iv, SLICE_LIT(""), blob, &plain, NULL), EDGE_INTERNAL);
    assert_int_equal(aead_open_v1(&v->secret, SLICE_LIT(""), SLICE_LIT(""), blob, &plain, NULL),
                     EDGE_INVALID);
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

static void test_format_2(void **state) {
    const struct vector *v = *state;
    struct aead *a = NULL;
    struct buf blob, out;
    buf_init(&blob, 256);
    buf_init_sensitive(&out, 256);
    struct slice tag = slice_make(v->blob.data + 1, 16);
    struct slice text = slice_make(v->blob.data + AEAD_V1_EXTRA, v->blob.len - AEAD_V1_EXTRA);
    assert_int_equal(buf_append_byte(&blob, 2, NULL), EDGE_OK);
    assert_int_equal(buf_append_slice(&blob, text, NULL), EDGE_OK);
    assert_int_equal(buf_append_slice(&blob, tag, NULL), EDGE_OK);
    assert_int_equal(aead_format_of(buf_slice(&blob)), AEAD_V2);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    assert_int_equal(aead_open(a, AEAD_V2, &v->secret, buf_slice(&v->iv), buf_slice(&v->aad),
                               buf_slice(&blob), &out, NULL),
                     EDGE_OK);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&v->plain)));
    /* Another format than the one asked for is not looked into. */
    assert_int_equal(aead_open(a, AEAD_V1, &v->secret, buf_slice(&v->iv), buf_slice(&v->aad),
                               buf_slice(&blob), &out, NULL),
                     EDGE_PARSE);
    assert_int_equal(aead_open(a, AEAD_V2, &v->secret, SLICE_LIT(""), buf_slice(&v->aad),
                               buf_slice(&blob), &out, NULL),
                     EDGE_INVALID);
    blob.data[0] = 1;
    assert_int_equal(aead_open(a, AEAD_V1, &v->secret, buf_slice(&v->iv), buf_slice(&v->aad),
                               buf_slice(&blob), &out, NULL),
                     EDGE_DENIED);
    assert_int_equal(out.len, v->plain.len);
    aead_free(a);
    buf_clear(&blob);
    buf_clear(&out);
}

/* One context takes nonces of changing lengths, one after another. */
static void test_nonce_lengths(void **state) {
    const struct vector *v = *state;
    struct aead *a = NULL;
    struct slice iv = buf_slice(&v->iv), aad = buf_slice(&v->aad);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    for (int round = 0; round < 3; round++) {
        struct buf blob, out;
        buf_init(&blob, 256);
        buf_init_sensitive(&out, 256);
        assert_int_equal(
            aead_open(a, AEAD_V1, &v->secret, iv, aad, buf_slice(&v->blob), &out, NULL), EDGE_OK);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&v->plain)));
        assert_int_equal(aead_seal(a, &v->secret, aad, SLICE_LIT("text"), &blob, NULL), EDGE_OK);
        assert_int_equal(aead_open(a, AEAD_V1, &v->secret, SLICE_LIT("short"), aad,
                                   buf_slice(&v->blob), &out, NULL),
                         EDGE_DENIED);
        buf_reset(&out);
        assert_int_equal(
            aead_open(a, AEAD_V3, &v->secret, SLICE_LIT(""), aad, buf_slice(&blob), &out, NULL),
            EDGE_OK);
        assert_true(slice_eq(buf_slice(&out), SLICE_LIT("text")));
        buf_clear(&blob);
        buf_clear(&out);
    }
    aead_free(a);
}

static void test_format_3(void **state) {
    const struct vector *v = *state;
    struct slice aad = buf_slice(&v->aad);
    struct slice plain = buf_slice(&v->plain);
    struct aead *a = NULL;
    struct buf one, two, out;
    buf_init(&one, 256);
    buf_init(&two, 256);
    buf_init_sensitive(&out, 256);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    assert_int_equal(aead_seal(a, &v->secret, aad, plain, &one, NULL), EDGE_OK);
    assert_int_equal(aead_seal(a, &v->secret, aad, plain, &two, NULL), EDGE_OK);
    assert_int_equal(one.len, plain.len + AEAD_V3_EXTRA);
    assert_false(slice_eq(buf_slice(&one), buf_slice(&two)));
    assert_int_equal(aead_format_of(buf_slice(&one)), AEAD_V3);
    assert_int_equal(
        aead_open(a, AEAD_V3, &v->secret, SLICE_LIT(""), aad, buf_slice(&one), &out, NULL),
        EDGE_OK);
    assert_true(slice_eq(buf_slice(&out), plain));
    buf_reset(&out);
    for (size_t bit = 0; bit < one.len * 8; bit++) {
        one.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(
            aead_open(a, AEAD_V3, &v->secret, SLICE_LIT(""), aad, buf_slice(&one), &out, NULL),
            bit < 8 ? EDGE_PARSE : EDGE_DENIED);
        assert_int_equal(out.len, 0);
        one.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    aead_free(a);
    buf_clear(&one);
    buf_clear(&two);
    buf_clear(&out);
}

/* Also where a new set of them begins. */
static void test_no_nonce_comes_twice(void **state) {
    const struct vector *v = *state;
    static uint8_t seen[100][12];
    struct aead *a = NULL;
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(seen); i++) {
        buf_reset(&out);
        assert_int_equal(aead_seal(a, &v->secret, SLICE_LIT(""), SLICE_LIT("text"), &out, NULL),
                         EDGE_OK);
        memcpy(seen[i], out.data + 1, sizeof(seen[i]));
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(seen[i], seen[j], sizeof(seen[i]));
        }
    }
    aead_free(a);
    buf_clear(&out);
}

static void test_formats_need_their_length(void **state) {
    (void)state;
    uint8_t blob[AEAD_V3_EXTRA + 1] = {0};
    for (size_t len = 0; len <= sizeof(blob); len++) {
        struct slice s = slice_make(blob, len);
        blob[0] = 1;
        assert_int_equal(aead_format_of(s), len > AEAD_V1_EXTRA ? AEAD_V1 : AEAD_NONE);
        blob[0] = 2;
        assert_int_equal(aead_format_of(s), len > AEAD_V1_EXTRA ? AEAD_V2 : AEAD_NONE);
        blob[0] = 3;
        assert_int_equal(aead_format_of(s), len > AEAD_V3_EXTRA ? AEAD_V3 : AEAD_NONE);
        blob[0] = 4;
        assert_int_equal(aead_format_of(s), AEAD_NONE);
    }
}

static void test_what_cannot_be_sealed(void **state) {
    const struct vector *v = *state;
    static char large[AEAD_LEN_MAX + 1];
    struct aead *a = NULL;
    struct secret key SECRET_CLEANUP = {0};
    struct buf out;
    buf_init(&out, AEAD_V3_EXTRA + 4);
    assert_int_equal(secret_copy(&key, v->key.data, 31, NULL), EDGE_OK);
    assert_int_equal(aead_new(&a, NULL), EDGE_OK);
    struct slice none = SLICE_LIT("");
    struct slice much = slice_make(large, sizeof(large));
    assert_int_equal(aead_seal(a, &v->secret, none, none, &out, NULL), EDGE_INVALID);
    assert_int_equal(aead_seal(a, &key, none, SLICE_LIT("x"), &out, NULL), EDGE_INTERNAL);
    assert_int_equal(aead_seal(a, &v->secret, none, much, &out, NULL), EDGE_RANGE);
    assert_int_equal(aead_seal(a, &v->secret, much, SLICE_LIT("x"), &out, NULL), EDGE_RANGE);
    assert_int_equal(aead_seal(a, &v->secret, none, SLICE_LIT("no room"), &out, NULL), EDGE_RANGE);
    assert_int_equal(out.len, 0);
    aead_free(a);
    buf_clear(&out);
}

static enum edge_code torture_3(void *data) {
    const struct vector *v = data;
    struct aead *a = NULL;
    struct buf blob, out;
    buf_init(&blob, 256);
    buf_init_sensitive(&out, 256);
    struct slice plain = buf_slice(&v->plain);
    enum edge_code code = aead_new(&a, NULL);
    if (code == EDGE_OK) {
        code = aead_seal(a, &v->secret, SLICE_LIT("aad"), plain, &blob, NULL);
    }
    if (code == EDGE_OK) {
        code = aead_open(a, AEAD_V3, &v->secret, SLICE_LIT(""), SLICE_LIT("aad"), buf_slice(&blob),
                         &out, NULL);
    }
    assert_int_equal(out.len, code == EDGE_OK ? plain.len : 0);
    aead_free(a);
    buf_clear(&blob);
    buf_clear(&out);
    return code;
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
    assert_true(alloc_fail_torture(torture_3, *state) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_changed_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_format_2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonce_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_format_3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_nonce_comes_twice, setup, teardown),
        cmocka_unit_test(test_formats_need_their_length),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
