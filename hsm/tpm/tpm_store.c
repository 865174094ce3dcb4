/* SPDX-License-Identifier: MIT */
/*
 * Encodings of pins and wrapped keys inside the common envelope.
 */
#include "tpm/tpm_store.h"

#include "base/fs.h"

#include <string.h>

#define HANDLE_LEN  4
#define KEK_VERSION 1
#define KEK_HEADER  6 /* version, PCRs, whether values are planned */

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

static enum edge_code values_append(uint32_t pcrs, const struct tpm_pcr_values *v, struct buf *out,
                                    struct edge_error *err) {
    enum edge_code rc = EDGE_OK;

    for (size_t i = 0; rc == EDGE_OK && i < HSM_PCR_CNT; i++) {
        if ((pcrs >> i & 1) != 0) {
            rc = buf_append(out, v->value[i], HSM_PCR_LEN, err);
        }
    }
    return rc;
}

static bool values_take(uint32_t pcrs, struct slice *rest, struct tpm_pcr_values *ret) {
    for (size_t i = 0; i < HSM_PCR_CNT; i++) {
        if ((pcrs >> i & 1) == 0) {
            continue;
        }
        if (rest->len < HSM_PCR_LEN) {
            return false;
        }
        memcpy(ret->value[i], rest->ptr, HSM_PCR_LEN);
        *rest = slice_make(rest->ptr + HSM_PCR_LEN, rest->len - HSM_PCR_LEN);
    }
    return true;
}

enum edge_code tpm_store_kek_encode(const struct tpm_kek *kek, struct buf *out,
                                    struct edge_error *err) {
    const struct tpm_binding *b = &kek->binding;
    const uint8_t header[KEK_HEADER] = {KEK_VERSION,
                                        (uint8_t)(b->pcrs >> 24),
                                        (uint8_t)(b->pcrs >> 16 & 0xFF),
                                        (uint8_t)(b->pcrs >> 8 & 0xFF),
                                        (uint8_t)(b->pcrs & 0xFF),
                                        b->has_planned};

    enum edge_code rc = buf_append(out, header, sizeof(header), err);
    if (rc == EDGE_OK) {
        rc = values_append(b->pcrs, &b->now, out, err);
    }
    if (rc == EDGE_OK && b->has_planned) {
        rc = values_append(b->pcrs, &b->planned, out, err);
    }
    return rc == EDGE_OK ? tpm_store_wrapped_encode(&kek->key, out, err) : rc;
}

static bool binding_take(struct slice *rest, struct tpm_binding *ret) {
    const uint8_t *p = (const uint8_t *)rest->ptr;

    if (rest->len < KEK_HEADER || p[0] != KEK_VERSION || p[1] != 0 || p[5] > 1) {
        return false;
    }
    *ret = (struct tpm_binding){
        .pcrs = (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4],
        .has_planned = p[5] != 0,
    };
    *rest = slice_make(rest->ptr + KEK_HEADER, rest->len - KEK_HEADER);
    return (ret->pcrs != 0 || !ret->has_planned) && values_take(ret->pcrs, rest, &ret->now) &&
           (!ret->has_planned || values_take(ret->pcrs, rest, &ret->planned));
}

enum edge_code tpm_store_kek_decode(struct slice bytes, struct tpm_kek *ret,
                                    struct edge_error *err) {
    struct tpm_kek kek;
    TPM2B_DIGEST policy;

    if (!binding_take(&bytes, &kek.binding)) {
        return edge_set(err, EDGE_PARSE, "not a sealed store key");
    }
    enum edge_code rc = tpm_store_wrapped_decode(bytes, &kek.key, err);
    if (rc == EDGE_OK) {
        rc = tpm_policy_digest(&kek.binding, &policy, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    const TPM2B_DIGEST *has = &kek.key.pub.publicArea.authPolicy;
    if (has->size != policy.size || memcmp(has->buffer, policy.buffer, policy.size) != 0) {
        return edge_set(err, EDGE_PARSE, "the store key is bound to other values than it says");
    }
    *ret = kek;
    return EDGE_OK;
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
