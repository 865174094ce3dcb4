/* SPDX-License-Identifier: MIT */
/*
 * Parser of activation blobs. Everything is refused here that can be known to be wrong without a
 * TPM, so that the operator reads which field it was.
 */
#include "tpm/tpm_blob.h"

#include "tpm/tpm_public.h"
#include "tpm/tpm_tmpl.h"

#include "hsm/hsm.h"

#include <string.h>

static enum edge_code take(struct slice *rest, unsigned number, size_t room, struct slice *ret,
                           struct edge_error *err) {
    const size_t max = room < TPM_BLOB_FIELD_MAX ? room : TPM_BLOB_FIELD_MAX;

    if (!tpm_take_2b(rest, max, ret)) {
        return edge_set(err, EDGE_PARSE,
                        "activation blob: field %u is cut short or longer than %zu bytes", number,
                        max);
    }
    if (ret->len == 0) {
        return edge_set(err, EDGE_PARSE, "activation blob: field %u is empty", number);
    }
    return EDGE_OK;
}

static enum edge_code take_bytes(struct slice *rest, unsigned number, uint8_t *dst, size_t room,
                                 UINT16 *ret_size, struct edge_error *err) {
    struct slice field;

    enum edge_code rc = take(rest, number, room, &field, err);
    if (rc == EDGE_OK) {
        memcpy(dst, field.ptr, field.len);
        *ret_size = (UINT16)field.len;
    }
    return rc;
}

static enum edge_code take_public(struct slice *rest, TPM2B_PUBLIC *ret, struct edge_error *err) {
    const char *start = rest->ptr;
    struct slice field;

    enum edge_code rc = take(rest, 5, HSM_PUBLIC_MAX - 2, &field, err);
    if (rc == EDGE_OK) {
        rc = tpm_public_parse(slice_make(start, field.len + 2), ret, err);
        if (rc != EDGE_OK) {
            return edge_wrap(err, rc, "reading field 5 of the activation blob");
        }
    }
    const char *why = rc == EDGE_OK ? tpm_tmpl_check_hub_key(ret) : NULL;
    if (why == NULL && rc == EDGE_OK &&
        (ret->publicArea.objectAttributes & (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT)) !=
            0) {
        why = "it claims to be fixed to a TPM already";
    }
    if (why != NULL) {
        return edge_set(err, EDGE_PARSE, "activation blob: the key is of no use: %s", why);
    }
    return rc;
}

enum edge_code tpm_blob_parse(struct slice bytes, struct tpm_blob *ret, struct edge_error *err) {
    struct tpm_blob b = {0};
    struct slice rest = bytes;

    if (bytes.len > HSM_BLOB_MAX) {
        return edge_set(err, EDGE_PARSE, "activation blob of %zu bytes", bytes.len);
    }
    enum edge_code rc = take_bytes(&rest, 1, b.credential.credential,
                                   sizeof(b.credential.credential), &b.credential.size, err);
    if (rc == EDGE_OK) {
        rc = take_bytes(&rest, 2, b.secret.secret, sizeof(b.secret.secret), &b.secret.size, err);
    }
    if (rc == EDGE_OK) {
        rc = take_bytes(&rest, 3, b.duplicate.buffer, sizeof(b.duplicate.buffer), &b.duplicate.size,
                        err);
    }
    if (rc == EDGE_OK) {
        rc = take_bytes(&rest, 4, b.import_seed.secret, sizeof(b.import_seed.secret),
                        &b.import_seed.size, err);
    }
    if (rc == EDGE_OK) {
        rc = take_public(&rest, &b.pub, err);
    }
    if (rc == EDGE_OK) {
        *ret = b;
    }
    return rc;
}
