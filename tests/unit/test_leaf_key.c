/* SPDX-License-Identifier: MIT */
#include "pki/leaf_key.h"

#include "support/alloc_fail.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static EVP_PKEY *read_private(const struct leaf_key *key) {
    const unsigned char *at = key->pkcs8_der.data;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)key->pkcs8_der.len);
    assert_non_null(info);
    assert_ptr_equal(at, key->pkcs8_der.data + key->pkcs8_der.len);
    EVP_PKEY *read = EVP_PKCS82PKEY(info);
    assert_non_null(read);
    PKCS8_PRIV_KEY_INFO_free(info);
    return read;
}

/* What OpenSSL writes for the key as it reads it is what we wrote. */
static void check_key(enum leaf_key_type type) {
    struct leaf_key key = {.spki_len = 0};
    struct secret pem = {0};
    unsigned char *der = NULL;
    assert_int_equal(leaf_key_make(type, &key, NULL), EDGE_OK);
    EVP_PKEY *read = read_private(&key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(read, NULL);
    assert_int_equal(EVP_PKEY_check(ctx), 1);
    EVP_PKEY_CTX_free(ctx);

    int len = i2d_PUBKEY(read, &der);
    assert_int_equal(len, key.spki_len);
    assert_memory_equal(der, key.spki, key.spki_len);
    OPENSSL_free(der);

    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(read);
    der = NULL;
    len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    assert_int_equal(len, key.pkcs8_der.len);
    assert_memory_equal(der, key.pkcs8_der.data, key.pkcs8_der.len);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);

    assert_int_equal(leaf_key_pem(&key, &pem, NULL), EDGE_OK);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *again = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_int_equal(EVP_PKEY_eq(read, again), 1);
    assert_memory_equal(pem.data, "-----BEGIN PRIVATE KEY-----\n", 28);
    EVP_PKEY_free(again);
    BIO_free(bio);
    EVP_PKEY_free(read);
    secret_clear(&pem);
    leaf_key_clear(&key);
    leaf_key_clear(&key);
    assert_null(key.pkcs8_der.data);
}

static void p256_is_a_key_as_openssl_writes_it(void **state) {
    (void)state;
    for (unsigned i = 0; i < 300; i++) { /* numbers with leading zeros among them */
        check_key(LEAF_KEY_P256);
    }
}

static void rsa_is_a_key_as_openssl_writes_it(void **state) {
    (void)state;
    check_key(LEAF_KEY_RSA2048);
}

static void taken_keys_move(void **state) {
    struct leaf_key a = {.spki_len = 0}, b = {.spki_len = 0};
    (void)state;
    assert_int_equal(leaf_key_make(LEAF_KEY_P256, &a, NULL), EDGE_OK);
    leaf_key_take(&a, &b);
    assert_null(a.pkcs8_der.data);
    assert_int_equal(a.spki_len, 0);
    assert_int_equal(b.spki_len, 91);
    leaf_key_clear(&a);
    leaf_key_clear(&b);
    leaf_key_clear(NULL);
}

static enum edge_code under_torture(void *data) {
    struct leaf_key key = {.spki_len = 0};
    struct secret pem = {0};
    (void)data;
    enum edge_code code = leaf_key_make(LEAF_KEY_P256, &key, NULL);
    assert_true((code == EDGE_OK) == (key.pkcs8_der.data != NULL));
    code = code != EDGE_OK ? code : leaf_key_pem(&key, &pem, NULL);
    secret_clear(&pem);
    leaf_key_clear(&key);
    return code;
}

static void torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(under_torture, NULL) > 20);
}

#define STEP       65536
#define REGION_MAX (256UL << 20) /* larger ones are the shadow memory of a sanitizer */

/* Position of the bytes, which are given inverted so that the question itself is not found. */
static bool contains(const uint8_t *block, size_t block_len, const uint8_t *inverted, size_t len) {
    for (size_t i = 0; i + len <= block_len; i++) {
        size_t same = 0;
        while (same < len && (block[i + same] ^ inverted[same]) == 0xff) {
            same++;
        }
        if (same == len) {
            return true;
        }
    }
    return false;
}

static bool is_in_region(int mem, unsigned long from, unsigned long to, const uint8_t *inverted,
                         size_t len) {
    static uint8_t block[STEP + 64];
    bool found = false;
    for (unsigned long at = from; !found && at < to; at += STEP) {
        unsigned long want = to - at < STEP + len ? to - at : STEP + len;
        ssize_t got = pread(mem, block, want, (off_t)at);
        found = got > 0 && contains(block, (size_t)got, inverted, len);
        memset(block, 0, sizeof(block));
    }
    return found;
}

/* Whether the bytes stand anywhere in memory that can be written but is not the secure heap. */
static bool is_in_swappable_memory(const uint8_t *inverted, size_t len, const void *secure) {
    FILE *maps = fopen("/proc/self/maps", "re");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    unsigned long inside = (unsigned long)secure;
    char line[512];
    bool found = false;
    assert_true(maps != NULL && mem >= 0);
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        char perms[8];
        assert_int_equal(sscanf(line, "%lx-%lx %7s", &from, &to, perms), 3);
        if (perms[0] == 'r' && perms[1] == 'w' && (inside < from || inside >= to) &&
            to - from < REGION_MAX) {
            found = is_in_region(mem, from, to, inverted, len);
        }
    }
    (void)fclose(maps);
    (void)close(mem);
    return found;
}

static void no_number_is_left_outside_of_the_secure_heap(void **state) {
    (void)state;
    bool locked;
    assert_int_equal(secret_heap_init(&locked, NULL), EDGE_OK);
    for (unsigned type = LEAF_KEY_P256; type <= LEAF_KEY_RSA2048; type++) {
        struct leaf_key key = {.spki_len = 0};
        struct secret pem = {0};
        uint8_t probe[24], text[24], sure[24];
        assert_int_equal(leaf_key_make((enum leaf_key_type)type, &key, NULL), EDGE_OK);
        assert_int_equal(leaf_key_pem(&key, &pem, NULL), EDGE_OK);
        assert_true(CRYPTO_secure_allocated(key.pkcs8_der.data));
        /* Within the private value: of P-256 after 36 bytes; of RSA in the first prime, near the
         * middle of the structure. */
        size_t at = type == LEAF_KEY_P256 ? 40 : 600;
        for (size_t i = 0; i < sizeof(probe); i++) {
            probe[i] = (uint8_t)~key.pkcs8_der.data[at + i];
            text[i] = (uint8_t)~pem.data[(type == LEAF_KEY_P256 ? 80 : 900) + i];
            sure[i] = (uint8_t)~key.spki[40 + i];
        }
        assert_true(is_in_swappable_memory(sure, sizeof(sure), key.pkcs8_der.data));
        assert_false(is_in_swappable_memory(probe, sizeof(probe), key.pkcs8_der.data));
        assert_false(is_in_swappable_memory(text, sizeof(text), key.pkcs8_der.data));
        secret_clear(&pem);
        leaf_key_clear(&key);
    }
    assert_int_equal(secret_heap_used(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p256_is_a_key_as_openssl_writes_it),
        cmocka_unit_test(rsa_is_a_key_as_openssl_writes_it),
        cmocka_unit_test(taken_keys_move),
        cmocka_unit_test(torture),
        cmocka_unit_test(no_number_is_left_outside_of_the_secure_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
