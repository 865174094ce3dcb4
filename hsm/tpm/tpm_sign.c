/* SPDX-License-Identifier: MIT */
/*
 * HMAC commands and sequences; random numbers.
 */
#include "tpm/tpm_sign.h"

#include "base/mac.h"
#include "base/secret.h"
#include "tpm/tpm_traces.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define SEED_LEN 32

static enum edge_code copy_mac(const TPM2B_DIGEST *mac, uint8_t ret_mac[HSM_MAC_LEN],
                               struct edge_error *err) {
    if (mac->size != HSM_MAC_LEN) {
        return edge_set(err, EDGE_PROTO, "the TPM gave an HMAC of %u bytes", (unsigned)mac->size);
    }
    memcpy(ret_mac, mac->buffer, HSM_MAC_LEN);
    return EDGE_OK;
}

static void fill(TPM2B_MAX_BUFFER *buffer, struct slice data) {
    buffer->size = (UINT16)data.len;
    if (data.len != 0) {
        memcpy(buffer->buffer, data.ptr, data.len);
    }
}

static enum edge_code hmac_once(struct tpm *t, ESYS_TR key, struct slice data,
                                uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_DIGEST *mac EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_MAX_BUFFER buffer = {0};

    fill(&buffer, data);
    TSS2_RC rc = Esys_HMAC(c->esys, key, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &buffer,
                           TPM2_ALG_SHA256, &mac);
    secret_wipe(&buffer, sizeof(buffer));
    tpm_traces_wipe(c);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_HMAC", err);
    }
    return copy_mac(mac, ret_mac, err);
}

static TSS2_RC feed(struct tpm *t, ESYS_TR sequence, struct slice *data, TPM2B_MAX_BUFFER *buffer) {
    struct tpm_ctx *c = &t->ctx;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    while (data->len > t->chunk && rc == TSS2_RC_SUCCESS) {
        fill(buffer, slice_make(data->ptr, t->chunk));
        *data = slice_make(data->ptr + t->chunk, data->len - t->chunk);
        rc = Esys_SequenceUpdate(c->esys, sequence, c->session, ESYS_TR_NONE, ESYS_TR_NONE, buffer);
    }
    return rc;
}

static enum edge_code hmac_sequence(struct tpm *t, ESYS_TR key, struct slice data,
                                    uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_DIGEST *mac EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_MAX_BUFFER buffer = {0};
    const TPM2B_AUTH no_auth = {0};
    ESYS_TR sequence = ESYS_TR_NONE;

    TSS2_RC rc = Esys_HMAC_Start(c->esys, key, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth,
                                 TPM2_ALG_SHA256, &sequence);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_HMAC_Start", err);
    }
    rc = feed(t, sequence, &data, &buffer);
    if (rc == TSS2_RC_SUCCESS) {
        fill(&buffer, data);
        rc = Esys_SequenceComplete(c->esys, sequence, c->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &buffer, ESYS_TR_RH_NULL, &mac, NULL);
    }
    secret_wipe(&buffer, sizeof(buffer));
    tpm_traces_wipe(c);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_ctx_flush(c, &sequence);
        return tpm_ctx_fail(c, rc, "HMAC sequence", err);
    }
    return copy_mac(mac, ret_mac, err); /* completing a sequence removes it */
}

enum edge_code tpm_hmac(struct tpm *t, ESYS_TR key, enum tpm_slot slot, struct slice data,
                        uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    if (data.len <= t->chunk) {
        return hmac_once(t, key, data, ret_mac, err);
    }
    tpm_make_room(t, 2, slot);
    return hmac_sequence(t, key, data, ret_mac, err);
}

static enum edge_code system_random(uint8_t *ret, size_t len, struct edge_error *err) {
    for (size_t off = 0; off < len;) {
        ssize_t n = getrandom(ret + off, len - off, 0);
        if (n < 0 && errno != EINTR) {
            return edge_set_errno(err, errno, "system random numbers");
        }
        off += n > 0 ? (size_t)n : 0;
    }
    return EDGE_OK;
}

static enum edge_code tpm_seed(struct tpm *t, struct secret *ret, struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;

    enum edge_code rc = secret_alloc(ret, SEED_LEN, err);
    for (size_t off = 0; rc == EDGE_OK && off < SEED_LEN;) {
        TPM2B_DIGEST *bytes EDGE_CLEANUP(tpm_cleanup) = NULL;
        TSS2_RC trc = Esys_GetRandom(c->esys, c->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                     (UINT16)(SEED_LEN - off), &bytes);
        tpm_traces_wipe(c);
        if (trc != TSS2_RC_SUCCESS) {
            return tpm_ctx_fail(c, trc, "TPM2_GetRandom", err);
        }
        if (bytes->size == 0 || bytes->size > SEED_LEN - off) {
            return edge_set(err, EDGE_PROTO, "TPM2_GetRandom gave %u bytes", (unsigned)bytes->size);
        }
        memcpy(ret->data + off, bytes->buffer, bytes->size);
        off += bytes->size;
    }
    return rc;
}

/* One command whatever the length: the TPM's 32 bytes key a counter stream. Either source alone,
 * even if the other were known to an attacker, makes the result unpredictable. */
enum edge_code tpm_random(struct tpm *t, uint8_t *ret, size_t len, struct edge_error *err) {
    struct secret seed SECRET_CLEANUP = {0};
    struct secret out SECRET_CLEANUP = {0};
    uint8_t block[SHA256_LEN];

    if (len == 0) {
        return EDGE_OK;
    }
    enum edge_code rc = tpm_seed(t, &seed, err);
    if (rc == EDGE_OK) {
        rc = secret_alloc(&out, len, err);
    }
    if (rc == EDGE_OK) {
        rc = system_random(out.data, len, err);
    }
    for (size_t off = 0; rc == EDGE_OK && off < len; off += sizeof(block)) {
        const uint8_t counter[2] = {(uint8_t)(off >> 13), (uint8_t)(off >> 5)};
        rc = hmac_sha256(seed.data, seed.len, counter, sizeof(counter), block, err);
        for (size_t i = 0; rc == EDGE_OK && i < sizeof(block) && off + i < len; i++) {
            out.data[off + i] ^= block[i];
        }
    }
    secret_wipe(block, sizeof(block));
    if (rc == EDGE_OK) {
        memcpy(ret, out.data, len);
    }
    return rc;
}
