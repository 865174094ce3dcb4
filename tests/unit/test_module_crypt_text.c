/* SPDX-License-Identifier: MIT */
#include "identity/module_crypt_text.h"

#include "base/b64.h"
#include "base/mac.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Vector of the interface: what release 1.1 and the 1.2+ line answer for this. */
static const char master[] = "0123456789abcdef0123456789abcdef";
static const char v1_b64[] = "AVWfkQQDCsdMkPI8dBrNFtk116B1EA==";
static const char v2_b64[] = "AjXXoHUQVZ+RBAMKx0yQ8jx0Gs0W2Q==";
/* Format 3 with the nonce 00 to 0b, computed apart. */
static const char v3_b64[] = "AwABAgMEBQYHCAkKC4qyADAag4e0Wtw8+gYmsv48GUvpNA==";
#define IV SLICE_LIT("0123456789abcdef0123456789ABCDEF")
#define HUB                                                                                        \
    (&(const struct module_crypt_id){SLICE_LIT("$edgeHub"), SLICE_LIT("637000000000000000")})

struct fixture {
    struct aead *aead;
    struct module_crypt_keys keys;
    struct buf blob, out;
    uint32_t random; /* of a generator that gives the same numbers each time */
};

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){.random = 1};
    assert_int_equal(secret_copy(&f.keys.master, master, 32, NULL), EDGE_OK);
    buf_init(&f.blob, MODULE_CRYPT_LEN_MAX + AEAD_V3_EXTRA);
    buf_init_sensitive(&f.out, MODULE_CRYPT_LEN_MAX);
    *state = &f;
    return aead_new(&f.aead, NULL) != EDGE_OK;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    module_crypt_keys_clear(&f->keys);
    aead_free(f->aead);
    buf_clear(&f->blob);
    buf_clear(&f->out);
    return 0;
}

static uint32_t next(struct fixture *f) {
    f->random = f->random * 1664525u + 1013904223u;
    return f->random >> 8;
}

static enum edge_code seal(struct fixture *f, const struct module_crypt_id *id, struct slice iv,
                           struct slice plain) {
    buf_reset(&f->blob);
    return module_crypt_text_seal(f->aead, &f->keys, id, iv, plain, &f->blob, NULL);
}

static enum edge_code open_blob(struct fixture *f, const struct module_crypt_id *id,
                                struct slice iv) {
    buf_reset(&f->out);
    enum edge_code code =
        module_crypt_text_open(f->aead, &f->keys, id, iv, buf_slice(&f->blob), &f->out, NULL);
    assert_true(code == EDGE_OK || f->out.len == 0);
    return code;
}

static bool reads(struct fixture *f, struct slice plain) {
    return slice_eq(buf_slice(&f->out), plain);
}

static void test_vectors(void **state) {
    struct fixture *f = *state;
    const char *const texts[] = {v1_b64, v2_b64, v3_b64};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        buf_reset(&f->blob);
        assert_int_equal(b64_decode(slice_str(texts[i]), &f->blob, NULL), EDGE_OK);
        assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
        assert_true(reads(f, SLICE_LIT("hello")));
        for (size_t bit = 0; bit < f->blob.len * 8; bit++) {
            f->blob.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(open_blob(f, HUB, IV), EDGE_DENIED);
            f->blob.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t len = 1; len < f->blob.len; len++) {
            size_t whole = f->blob.len;
            f->blob.len = len;
            assert_int_equal(open_blob(f, HUB, IV), EDGE_DENIED);
            f->blob.len = whole;
        }
        assert_int_equal(open_blob(f, HUB, SLICE_LIT("another")), EDGE_DENIED);
    }
}

/* Key and associated data of format 3, built here by hand. */
static void test_format_3(void **state) {
    struct fixture *f = *state;
    static const char context[] = "\0\0\0\x19"
                                  "edged module encryption 3\0\0\0\x08$edgeHub\0\0\0\x12"
                                  "637000000000000000";
    static const char aad[] = "\0\0\0\x08$edgeHub\0\0\0\x12"
                              "637000000000000000\0\0\0\x20"
                              "0123456789abcdef0123456789ABCDEF";
    struct secret key SECRET_CLEANUP = {0};
    assert_int_equal(secret_alloc(&key, SHA256_LEN, NULL), EDGE_OK);
    assert_int_equal(hmac_sha256(master, 32, context, sizeof(context) - 1, key.data, NULL),
                     EDGE_OK);
    assert_int_equal(aead_seal(f->aead, &key, slice_make(aad, sizeof(aad) - 1), SLICE_LIT("hello"),
                               &f->blob, NULL),
                     EDGE_OK);
    assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
    assert_true(reads(f, SLICE_LIT("hello")));
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    assert_int_equal(f->blob.data[0], 3);
    assert_int_equal(aead_open(f->aead, AEAD_V3, &key, SLICE_LIT(""),
                               slice_make(aad, sizeof(aad) - 1), buf_slice(&f->blob), &f->out,
                               NULL),
                     EDGE_OK);
}

static void test_same_iv_gives_another_text(void **state) {
    struct fixture *f = *state;
    char first[64];
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    size_t len = f->blob.len;
    memcpy(first, f->blob.data, len);
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    assert_int_equal(f->blob.len, len);
    /* No part of it may tell that both are the same. */
    assert_memory_not_equal(first + 1, f->blob.data + 1, 12);
    assert_memory_not_equal(first + AEAD_V3_EXTRA, f->blob.data + AEAD_V3_EXTRA, 5);
}

static void test_random_sizes(void **state) {
    struct fixture *f = *state;
    static char plain[MODULE_CRYPT_LEN_MAX];
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (char)next(f);
    }
    for (int round = 0; round < 48; round++) {
        size_t len = 1 + (round < 40 ? next(f) % 4096 : next(f) % (sizeof(plain) / 2));
        len = round == 47 ? sizeof(plain) - AEAD_V3_EXTRA : len;
        struct slice text = slice_make(plain, len);
        struct slice iv = slice_make(plain, 1 + next(f) % MODULE_CRYPT_IV_MAX);
        assert_int_equal(seal(f, HUB, iv, text), EDGE_OK);
        assert_int_equal(open_blob(f, HUB, iv), EDGE_OK);
        assert_true(reads(f, text));
        size_t at = next(f) % f->blob.len;
        f->blob.data[at] ^= (uint8_t)(1u << next(f) % 8);
        assert_int_equal(open_blob(f, HUB, iv), EDGE_DENIED);
    }
}

static void test_all_iv_lengths(void **state) {
    struct fixture *f = *state;
    char iv[MODULE_CRYPT_IV_MAX + 1];
    memset(iv, 'i', sizeof(iv));
    for (size_t len = 1; len <= MODULE_CRYPT_IV_MAX; len++) {
        assert_int_equal(seal(f, HUB, slice_make(iv, len), SLICE_LIT("text")), EDGE_OK);
        assert_int_equal(open_blob(f, HUB, slice_make(iv, len)), EDGE_OK);
        assert_true(reads(f, SLICE_LIT("text")));
        size_t other = len == 1 ? 2 : len - 1;
        assert_int_equal(open_blob(f, HUB, slice_make(iv, other)), EDGE_DENIED);
    }
    assert_int_equal(open_blob(f, HUB, slice_make(iv, sizeof(iv))), EDGE_INVALID);
    assert_int_equal(open_blob(f, HUB, slice_make(iv, 0)), EDGE_INVALID);
    assert_int_equal(seal(f, HUB, slice_make(iv, sizeof(iv)), SLICE_LIT("text")), EDGE_INVALID);
    assert_int_equal(seal(f, HUB, slice_make(iv, 0), SLICE_LIT("text")), EDGE_INVALID);
}

static void test_every_flipped_bit_is_noticed(void **state) {
    struct fixture *f = *state;
    for (size_t len = 1; len <= 20; len++) {
        assert_int_equal(seal(f, HUB, IV, slice_make("twenty bytes of text", len)), EDGE_OK);
        for (size_t bit = 0; bit < f->blob.len * 8; bit++) {
            f->blob.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(open_blob(f, HUB, IV), EDGE_DENIED);
            f->blob.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void test_nobody_else_reads_it(void **state) {
    struct fixture *f = *state;
    static const struct module_crypt_id others[] = {
        {SLICE_LIT("edgeHub"), SLICE_LIT("637000000000000000")},
        {SLICE_LIT("$edgeAgent"), SLICE_LIT("637000000000000000")},
        {SLICE_LIT("$edgeHub"), SLICE_LIT("637000000000000001")},
        /* The same text when both are put together. */
        {SLICE_LIT("$edgeHub6"), SLICE_LIT("37000000000000000")},
        {SLICE_LIT("$edgeHu"), SLICE_LIT("b637000000000000000")},
    };
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        assert_int_equal(open_blob(f, &others[i], IV), EDGE_DENIED);
    }
    assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
    /* The older formats bind the last two in the same way. */
    const char *const former[] = {v1_b64, v2_b64};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(former); i++) {
        buf_reset(&f->blob);
        assert_int_equal(b64_decode(slice_str(former[i]), &f->blob, NULL), EDGE_OK);
        for (size_t j = 0; j < EDGE_ARRAY_LEN(others); j++) {
            assert_int_equal(open_blob(f, &others[j], IV), EDGE_DENIED);
        }
        assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
    }
}

static void test_former_master(void **state) {
    struct fixture *f = *state;
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    f->keys.former = secret_take(&f->keys.master);
    assert_int_equal(secret_copy(&f->keys.master, "another key of thirty-two bytes!", 32, NULL),
                     EDGE_OK);
    assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
    assert_true(reads(f, SLICE_LIT("hello")));
    buf_reset(&f->blob);
    assert_int_equal(b64_decode(slice_str(v1_b64), &f->blob, NULL), EDGE_OK);
    assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
    /* New texts are under the first one only. */
    assert_int_equal(seal(f, HUB, IV, SLICE_LIT("hello")), EDGE_OK);
    secret_clear(&f->keys.former);
    assert_int_equal(open_blob(f, HUB, IV), EDGE_OK);
}

static void test_bounds(void **state) {
    struct fixture *f = *state;
    static char large[MODULE_CRYPT_LEN_MAX + 1];
    struct slice all = slice_make(large, MODULE_CRYPT_ID_MAX);
    struct slice over = slice_make(large, MODULE_CRYPT_ID_MAX + 1);
    struct slice none = SLICE_LIT("");
    memset(large, 'x', sizeof(large));
    const struct module_crypt_id bad[] = {{none, all}, {all, none}, {over, all}, {all, over}};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(seal(f, &bad[i], IV, SLICE_LIT("text")), EDGE_INVALID);
        assert_int_equal(open_blob(f, &bad[i], IV), EDGE_INVALID);
    }
    const struct module_crypt_id good = {all, all};
    assert_int_equal(seal(f, &good, all, SLICE_LIT("text")), EDGE_OK);
    assert_int_equal(open_blob(f, &good, all), EDGE_OK);
    assert_int_equal(seal(f, HUB, IV, none), EDGE_INVALID);
    assert_int_equal(open_blob(f, HUB, IV), EDGE_INVALID);
    assert_int_equal(seal(f, HUB, IV, slice_make(large, sizeof(large))), EDGE_INVALID);
    assert_int_equal(module_crypt_text_open(f->aead, &f->keys, HUB, IV,
                                            slice_make(large, sizeof(large)), &f->out, NULL),
                     EDGE_INVALID);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    enum edge_code code = seal(f, HUB, IV, SLICE_LIT("text"));
    buf_clear(&f->out);
    code = code == EDGE_OK ? open_blob(f, HUB, IV) : code;
    buf_clear(&f->blob);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_format_3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_iv_gives_another_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_iv_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flipped_bit_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_else_reads_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_former_master, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
