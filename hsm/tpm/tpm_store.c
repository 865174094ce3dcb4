/* SPDX-License-Identifier: MIT */
/*
 * Encodings of pins and wrapped keys inside the common envelope.
 */
#include "tpm/tpm_store.h"

#include "base/fs.h"

#include <string.h>

#define HANDLE_LEN 4

static enum edge_code name_append(const struct tpm_name *name, struct buf *out,
                                  struct edge_error *err) {
    enum edge_code rc = buf_append_byte(out, (uint8_t)name->len, err);

    return rc == EDGE_OK ? buf_append(out, name->bytes, name->len, err) : rc;
}

static bool name_take(struct slice *rest, struct tpm_name *ret) {
    if (rest->len < 1) {
        return false;
    }
    const size_t len = (uint8_t)rest->ptr[0];
    if (len == 0 || len > HSM_NAME_MAX || len > rest->len - 1) {
        return false;
    }
    *ret = (struct tpm_name){.len = len};
    memcpy(ret->bytes, rest->ptr + 1, len);
    *rest = slice_make(rest->ptr + 1 + len, rest->len - 1 - len);
    return true;
}

enum edge_code tpm_store_pins_read(int dirfd, struct tpm_pins *ret, struct edge_error *err) {
    struct buf file EDGE_CLEANUP(buf_clear) = {0};
    struct tpm_pins pins = {0};
    struct slice rest;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_read(dirfd, TPM_PINS_FILE, STORE_PINS, &file, &rest, err);
    if (rc == EDGE_OK && (!name_take(&rest, &pins.ek) || !name_take(&rest, &pins.srk))) {
        rc = fs_set_aside(dirfd, TPM_PINS_FILE, NULL, 0, err);
        rc = rc == EDGE_OK ? EDGE_PARSE : rc;
    }
    if (rc == EDGE_NOT_FOUND || rc == EDGE_PARSE) {
        pins = (struct tpm_pins){0};
        rc = EDGE_OK;
    }
    if (rc == EDGE_OK) {
        *ret = pins;
    }
    return rc;
}

enum edge_code tpm_store_pins_write(int dirfd, const struct tpm_pins *pins,
                                    struct edge_error *err) {
    struct buf payload EDGE_CLEANUP(buf_clear) = {0};

    buf_init(&payload, STORE_PAYLOAD_MAX);
    enum edge_code rc = name_append(&pins->ek, &payload, err);
    if (rc == EDGE_OK) {
        rc = name_append(&pins->srk, &payload, err);
    }
    if (rc == EDGE_OK) {
        rc = store_write(dirfd, TPM_PINS_FILE, STORE_PINS, buf_slice(&payload), err);
    }
    return rc;
}

enum edge_code tpm_store_wrapped_encode(const struct tpm_wrapped *key, struct buf *out,
                                        struct edge_error *err) {
    enum edge_code rc = name_append(&key->parent, out, err);

    return rc == EDGE_OK ? tpm_wrapped_write(&key->pub, &key->priv, out, err) : rc;
}

enum edge_code tpm_store_wrapped_decode(struct slice bytes, struct tpm_wrapped *ret,
                                        struct edge_error *err) {
    struct tpm_wrapped key;

    if (!name_take(&bytes, &key.parent)) {
        return edge_set(err, EDGE_PARSE, "wrapped key without the name of its parent");
    }
    enum edge_code rc = tpm_wrapped_parse(bytes, &key.pub, &key.priv, err);
    if (rc == EDGE_OK) {
        *ret = key;
    }
    return rc;
}

enum edge_code tpm_store_adopted_encode(const struct tpm_adopted *key, struct buf *out,
                                        struct edge_error *err) {
    const uint8_t handle[HANDLE_LEN] = {(uint8_t)(key->handle >> 24), (uint8_t)(key->handle >> 16),
                                        (uint8_t)(key->handle >> 8), (uint8_t)key->handle};
    enum edge_code rc = buf_append(out, handle, sizeof(handle), err);

    return rc == EDGE_OK ? name_append(&key->name, out, err) : rc;
}

enum edge_code tpm_store_adopted_decode(struct slice bytes, struct tpm_adopted *ret,
                                        struct edge_error *err) {
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    struct tpm_adopted key = {0};
    struct slice rest;

    if (bytes.len < HANDLE_LEN) {
        return edge_set(err, EDGE_PARSE, "adopted key without a handle");
    }
    for (size_t i = 0; i < HANDLE_LEN; i++) {
        key.handle = key.handle << 8 | p[i];
    }
    rest = slice_make(p + HANDLE_LEN, bytes.len - HANDLE_LEN);
    if (key.handle < TPM2_PERSISTENT_FIRST || key.handle > TPM2_PERSISTENT_LAST ||
        !name_take(&rest, &key.name) || rest.len != 0) {
        return edge_set(err, EDGE_PARSE, "adopted key without a persistent handle and a name");
    }
    *ret = key;
    return EDGE_OK;
}
