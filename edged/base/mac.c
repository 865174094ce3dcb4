/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 and HMAC on OpenSSL. Algorithms are fetched once, because a fetch costs more than a
 * signature; a new context is a copy of a template that knows its digest already, for the same
 * reason.
 */
#include "base/mac.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mac_key {
    EVP_MAC_CTX *ctx; /* holds the key and the hashed pads, which the library wipes on free */
};

static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_set_up;
static EVP_MD *digest;         /* constant once is_set_up */
static EVP_MAC_CTX *prototype; /* the same; only ever copied */

static enum edge_code failed(struct edge_error *err, const char *what) {
    unsigned long number = ERR_peek_last_error();
    ERR_clear_error();
    return edge_set_native(err, EDGE_CRYPTO, EDGE_DOMAIN_OPENSSL, (int64_t)number, "%s failed",
                           what);
}

/* A context cannot be copied before it has had a key; this one stands in until the real one. */
static EVP_MAC_CTX *prototype_new(void) {
    static const uint8_t any_key[SHA256_LEN];
    char name[] = OSSL_DIGEST_NAME_SHA2_256;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (ctx != NULL && !EVP_MAC_init(ctx, any_key, sizeof(any_key), params)) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* Not pthread_once: a set-up that failed for lack of memory is tried again by the next call. */
static enum edge_code set_up(struct edge_error *err) {
    if (atomic_load_explicit(&is_set_up, memory_order_acquire)) {
        return EDGE_OK;
    }
    pthread_mutex_lock(&setup_lock);
    if (digest == NULL) {
        digest = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    }
    if (digest != NULL && prototype == NULL) {
        prototype = prototype_new();
    }
    bool ok = prototype != NULL;
    atomic_store_explicit(&is_set_up, ok, memory_order_release);
    pthread_mutex_unlock(&setup_lock);
    return ok ? EDGE_OK : failed(err, "setting up SHA-256");
}

enum edge_code sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_LEN],
                      struct edge_error *err) {
    enum edge_code code = set_up(err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!EVP_Digest(data, len, ret_digest, NULL, digest, NULL)) {
        return failed(err, "SHA-256");
    }
    return EDGE_OK;
}

/* A context with the key set, or NULL. */
static EVP_MAC_CTX *keyed(const void *key, size_t key_len) {
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(prototype);
    /* NULL would mean "the key you have", also for an empty key. */
    const void *bytes = key_len > 0 ? key : "";
    if (ctx != NULL && !EVP_MAC_init(ctx, bytes, key_len, NULL)) {
        EVP_MAC_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static bool finish(EVP_MAC_CTX *ctx, const void *data, size_t len, uint8_t ret_mac[SHA256_LEN]) {
    size_t mac_len = 0;
    return EVP_MAC_update(ctx, data, len) && EVP_MAC_final(ctx, ret_mac, &mac_len, SHA256_LEN) &&
           mac_len == SHA256_LEN;
}

enum edge_code hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                           uint8_t ret_mac[SHA256_LEN], struct edge_error *err) {
    enum edge_code code = set_up(err);
    if (code != EDGE_OK) {
        return code;
    }
    EVP_MAC_CTX *ctx = keyed(key, key_len);
    bool ok = ctx != NULL && finish(ctx, data, len, ret_mac);
    EVP_MAC_CTX_free(ctx);
    return ok ? EDGE_OK : failed(err, "HMAC");
}

enum edge_code mac_key_new(const struct secret *key, struct mac_key **ret, struct edge_error *err) {
    enum edge_code code = set_up(err);
    if (code != EDGE_OK) {
        return code;
    }
    struct mac_key *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a signing key");
    }
    k->ctx = keyed(key->data, key->len);
    if (k->ctx == NULL) {
        mac_key_free(k);
        return failed(err, "setting an HMAC key");
    }
    *ret = k;
    return EDGE_OK;
}

enum edge_code mac_key_sign(struct mac_key *k, const void *data, size_t len,
                            uint8_t ret_mac[SHA256_LEN], struct edge_error *err) {
    /* Starting again with the same key costs half of copying a prepared context. */
    if (!EVP_MAC_init(k->ctx, NULL, 0, NULL) || !finish(k->ctx, data, len, ret_mac)) {
        return failed(err, "HMAC");
    }
    return EDGE_OK;
}

void mac_key_free(struct mac_key *k) {
    if (k != NULL) {
        EVP_MAC_CTX_free(k->ctx);
        free(k);
    }
}
