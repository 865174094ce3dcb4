/* SPDX-License-Identifier: MIT */
#include "support/signing_keys.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static EVP_PKEY *generate(const char *kind) {
    if (strcmp(kind, "RSA-PSS") == 0) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
        EVP_PKEY *key = NULL;
        assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
        assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
        EVP_PKEY_CTX_free(ctx);
        return key;
    }
    if (strncmp(kind, "RSA-", 4) == 0) {
        uint64_t bits = 0;
        assert_true(slice_parse_u64(slice_str(kind + 4), 16384, &bits));
        return EVP_RSA_gen((unsigned)bits);
    }
    if (strncmp(kind, "P-", 2) == 0 || strncmp(kind, "secp", 4) == 0) {
        return EVP_EC_gen(kind);
    }
    return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

void signing_key_make(const char *kind, struct secret *ret) {
    EVP_PKEY *key = generate(kind);
    uint8_t *der = NULL;

    assert_non_null(key);
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    assert_non_null(info);
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    assert_true(len > 0);
    assert_int_equal(secret_copy(ret, der, (size_t)len, NULL), EDGE_OK);
    OPENSSL_clear_free(der, (size_t)len);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(key);
}

bool signing_key_verifies(const struct hsm_key *key, const uint8_t digest[HSM_DIGEST_LEN],
                          const uint8_t *sig, size_t len) {
    const uint8_t *at = key->spki;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &at, (long)key->spki_len);

    assert_non_null(pub);
    assert_ptr_equal(at, key->spki + key->spki_len);
    assert_int_equal(EVP_PKEY_get_bits(pub), (int)key->bits);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pub, NULL);
    assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
    bool ok = EVP_PKEY_verify(ctx, sig, len, digest, HSM_DIGEST_LEN) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pub);
    return ok;
}

bool signing_key_is_public(const struct hsm_key *key, const struct secret *pkcs8) {
    const uint8_t *at = pkcs8->data, *pub_at = key->spki;
    EVP_PKEY *own = d2i_AutoPrivateKey(NULL, &at, (long)pkcs8->len);
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &pub_at, (long)key->spki_len);

    bool same = own != NULL && pub != NULL && EVP_PKEY_eq(own, pub) == 1;
    EVP_PKEY_free(own);
    EVP_PKEY_free(pub);
    return same;
}

void signing_key_check(struct hsm *h, const struct hsm_key *key) {
    static uint8_t number;
    uint8_t digest[HSM_DIGEST_LEN], sig[HSM_SIGNATURE_MAX];
    struct edge_error err = {0};
    size_t len = 0;

    memset(digest, ++number, sizeof(digest));
    if (hsm_key_sign(h, key->name, digest, sig, &len, &err) != EDGE_OK) {
        fail_msg("'%s' does not sign: %s", key->name, edge_error_text(&err));
    }
    assert_true(signing_key_verifies(key, digest, sig, len));
    digest[0] ^= 1;
    assert_false(signing_key_verifies(key, digest, sig, len));
}
