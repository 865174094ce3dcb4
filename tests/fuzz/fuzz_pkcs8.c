/* SPDX-License-Identifier: MIT */
/* A private key that an operator hands over. */
#include "keypair.h"
#include "pkcs8.h"
#include "tpm/tpm_named_key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* Inside the input, not empty, without a leading zero. */
static void require_number(struct slice s, const uint8_t *data, size_t size) {
    const uint8_t *p = (const uint8_t *)s.ptr;

    require(s.len > 0 && p >= data && p + s.len <= data + size && p[0] != 0);
}

/* The same public key for OpenSSL and for a TPM. */
static void require_same_public(const struct pkcs8_key *k, EVP_PKEY *key) {
    struct secret pad SECRET_CLEANUP = {0};
    EVP_PKEY *again KEYPAIR_CLEANUP = NULL;
    struct hsm_key a = {0}, b = {0};
    struct slice private = {0};
    TPM2B_PUBLIC area = {0};
    bool possible = false;

    require(keypair_describe(key, &a, NULL) == EDGE_OK);
    require(tpm_named_given(k, &pad, &area, &private, &possible, NULL) == EDGE_OK);
    if (possible && tpm_named_public(&area, &again, NULL) == EDGE_OK) {
        require(keypair_describe(again, &b, NULL) == EDGE_OK);
        require(memcmp(&a, &b, sizeof(a)) == 0 && private.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;
    struct edge_error err = {0};
    struct pkcs8_key k;

    enum edge_code rc = pkcs8_parse(slice_make(data, size), &k, &err);
    require(rc == err.code);
    if (rc != EDGE_OK) {
        require(rc == EDGE_PARSE || rc == EDGE_UNSUPPORTED || rc == EDGE_RANGE);
        return 0;
    }
    if (k.type == HSM_KEY_RSA) {
        const struct slice all[] = {k.rsa.n, k.rsa.e,  k.rsa.d,  k.rsa.p,
                                    k.rsa.q, k.rsa.dp, k.rsa.dq, k.rsa.qi};
        for (size_t i = 0; i < EDGE_ARRAY_LEN(all); i++) {
            require_number(all[i], data, size);
        }
        require(k.bits >= PKCS8_RSA_BITS_MIN && k.bits <= PKCS8_RSA_BITS_MAX);
    } else {
        require_number(k.ec, data, size);
        require(k.ec.len <= pkcs8_ec_len(k.type));
    }
    if (keypair_open(&k, &key, NULL) == EDGE_OK) {
        require_same_public(&k, key);
    }
    return 0;
}
