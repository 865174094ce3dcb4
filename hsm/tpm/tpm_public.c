/* SPDX-License-Identifier: MIT */
/*
 * Marshalling of public areas and computation of names, and the layout of wrapped keys at rest.
 */
#include "tpm/tpm_public.h"

#include "base/mac.h"

#include <tss2/tss2_mu.h>

#include <string.h>

bool tpm_name_eq(const struct tpm_name *a, const struct tpm_name *b) {
    return a->len != 0 && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

enum edge_code tpm_public_marshal(const TPM2B_PUBLIC *pub, uint8_t ret[HSM_PUBLIC_MAX],
                                  size_t *ret_len, struct edge_error *err) {
    uint8_t bytes[sizeof(TPM2B_PUBLIC) + sizeof(UINT16)];
    size_t len = 0;

    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(pub, bytes, sizeof(bytes), &len);
    if (rc != TSS2_RC_SUCCESS) {
        return edge_set_native(err, EDGE_HSM, EDGE_DOMAIN_TSS, (int64_t)rc,
                               "public area cannot be encoded");
    }
    if (len > HSM_PUBLIC_MAX) {
        return edge_set(err, EDGE_RANGE, "public area of %zu bytes", len);
    }
    memcpy(ret, bytes, len);
    *ret_len = len;
    return EDGE_OK;
}

enum edge_code tpm_public_parse(struct slice bytes, TPM2B_PUBLIC *ret, struct edge_error *err) {
    TPM2B_PUBLIC pub = {0};
    uint8_t again[HSM_PUBLIC_MAX];
    size_t off = 0, again_len = 0;

    if (bytes.len > HSM_PUBLIC_MAX) {
        return edge_set(err, EDGE_PARSE, "public area of %zu bytes", bytes.len);
    }
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Unmarshal((const uint8_t *)bytes.ptr, bytes.len, &off, &pub);
    if (rc != TSS2_RC_SUCCESS || off != bytes.len) {
        return edge_set(err, EDGE_PARSE, "public area is malformed");
    }
    /* The library accepts encodings that a TPM would not produce; the name is made from the bytes,
     * so there must be only one form of them. */
    if (tpm_public_marshal(&pub, again, &again_len, NULL) != EDGE_OK || again_len != bytes.len ||
        memcmp(again, bytes.ptr, again_len) != 0) {
        return edge_set(err, EDGE_PARSE, "public area is not in its canonical form");
    }
    *ret = pub;
    return EDGE_OK;
}

enum edge_code tpm_public_name(const TPM2B_PUBLIC *pub, struct tpm_name *ret,
                               struct edge_error *err) {
    uint8_t bytes[HSM_PUBLIC_MAX];
    size_t len = 0;

    if (pub->publicArea.nameAlg != TPM2_ALG_SHA256) {
        return edge_set(err, EDGE_UNSUPPORTED, "name algorithm 0x%04x is not SHA-256",
                        (unsigned)pub->publicArea.nameAlg);
    }
    enum edge_code rc = tpm_public_marshal(pub, bytes, &len, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    uint8_t digest[SHA256_LEN];
    rc = sha256(bytes + sizeof(UINT16), len - sizeof(UINT16), digest, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    ret->bytes[0] = TPM2_ALG_SHA256 >> 8;
    ret->bytes[1] = TPM2_ALG_SHA256 & 0xFF;
    memcpy(ret->bytes + 2, digest, SHA256_LEN);
    ret->len = 2 + SHA256_LEN;
    return EDGE_OK;
}

bool tpm_take_2b(struct slice *rest, size_t max_len, struct slice *ret) {
    if (rest->len < 2) {
        return false;
    }
    const uint8_t *p = (const uint8_t *)rest->ptr;
    size_t len = (size_t)p[0] << 8 | p[1];
    if (len > max_len || len > rest->len - 2) {
        return false;
    }
    *ret = slice_make(rest->ptr + 2, len);
    *rest = slice_make(rest->ptr + 2 + len, rest->len - 2 - len);
    return true;
}

enum edge_code tpm_wrapped_write(const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                                 struct buf *out, struct edge_error *err) {
    uint8_t bytes[HSM_PUBLIC_MAX];
    size_t len = 0;

    enum edge_code rc = tpm_public_marshal(pub, bytes, &len, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    const uint8_t size[2] = {(uint8_t)(priv->size >> 8), (uint8_t)(priv->size & 0xFF)};
    rc = buf_append(out, bytes, len, err);
    if (rc == EDGE_OK) {
        rc = buf_append(out, size, sizeof(size), err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(out, priv->buffer, priv->size, err);
    }
    return rc;
}

enum edge_code tpm_wrapped_parse(struct slice bytes, TPM2B_PUBLIC *ret_pub, TPM2B_PRIVATE *ret_priv,
                                 struct edge_error *err) {
    struct slice rest = bytes, pub_body, priv_body;
    TPM2B_PUBLIC pub;

    if (!tpm_take_2b(&rest, HSM_PUBLIC_MAX - 2, &pub_body) ||
        !tpm_take_2b(&rest, sizeof(ret_priv->buffer), &priv_body) || rest.len != 0 ||
        priv_body.len == 0) {
        return edge_set(err, EDGE_PARSE, "wrapped key is malformed");
    }
    enum edge_code rc = tpm_public_parse(slice_make(bytes.ptr, pub_body.len + 2), &pub, err);
    if (rc != EDGE_OK) {
        return rc;
    }
    *ret_pub = pub;
    *ret_priv = (TPM2B_PRIVATE){.size = (UINT16)priv_body.len};
    memcpy(ret_priv->buffer, priv_body.ptr, priv_body.len);
    return EDGE_OK;
}
