/* SPDX-License-Identifier: MIT */
/*
 * Policies start at a digest of zeros; each command replaces it by the hash of itself, its command
 * code and its arguments.
 */
#include "tpm/tpm_policy.h"

#include "base/buf.h"
#include "base/mac.h"

#include <stdio.h>
#include <string.h>

#define SELECT_LEN  (HSM_PCR_CNT / 8)
#define MESSAGE_MAX (HSM_PCR_CNT * HSM_PCR_LEN)

static const char recovery_context[] = "edged store recovery 1";

void tpm_policy_selection(uint32_t pcrs, TPML_PCR_SELECTION *ret) {
    *ret = (TPML_PCR_SELECTION){.count = 1};
    ret->pcrSelections[0].hash = TPM2_ALG_SHA256;
    ret->pcrSelections[0].sizeofSelect = SELECT_LEN;
    for (size_t i = 0; i < SELECT_LEN; i++) {
        ret->pcrSelections[0].pcrSelect[i] = (BYTE)(pcrs >> (8 * i) & 0xFF);
    }
}

static enum edge_code put_be(struct buf *b, uint32_t value, size_t len, struct edge_error *err) {
    uint8_t bytes[sizeof(value)];

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(value >> (8 * (len - 1 - i)) & 0xFF);
    }
    return buf_append(b, bytes, len, err);
}

static enum edge_code finish(const struct buf *message, TPM2B_DIGEST *ret, struct edge_error *err) {
    TPM2B_DIGEST digest = {.size = SHA256_LEN};

    enum edge_code rc = sha256(message->data, message->len, digest.buffer, err);
    if (rc == EDGE_OK) {
        *ret = digest;
    }
    return rc;
}

/* The digest before the first command, and the code of a command. */
static enum edge_code begin(struct buf *message, TPM2_CC command, struct edge_error *err) {
    static const uint8_t zeros[SHA256_LEN] = {0};

    buf_init(message, MESSAGE_MAX);
    enum edge_code rc = buf_append(message, zeros, sizeof(zeros), err);
    return rc == EDGE_OK ? put_be(message, command, sizeof(command), err) : rc;
}

/* Digest of the chosen values, as PolicyPCR takes it. */
static enum edge_code pcr_digest(uint32_t pcrs, const struct tpm_pcr_values *v, TPM2B_DIGEST *ret,
                                 struct edge_error *err) {
    struct buf message EDGE_CLEANUP(buf_clear) = {0};
    enum edge_code rc = EDGE_OK;

    buf_init(&message, MESSAGE_MAX);
    for (size_t i = 0; rc == EDGE_OK && i < HSM_PCR_CNT; i++) {
        if ((pcrs >> i & 1) != 0) {
            rc = buf_append(&message, v->value[i], HSM_PCR_LEN, err);
        }
    }
    return rc == EDGE_OK ? finish(&message, ret, err) : rc;
}

static enum edge_code policy_pcr(uint32_t pcrs, const struct tpm_pcr_values *v, TPM2B_DIGEST *ret,
                                 struct edge_error *err) {
    struct buf message EDGE_CLEANUP(buf_clear) = {0};
    TPML_PCR_SELECTION selection;
    TPM2B_DIGEST digest;

    tpm_policy_selection(pcrs, &selection);
    const TPMS_PCR_SELECTION *one = &selection.pcrSelections[0];
    enum edge_code rc = pcr_digest(pcrs, v, &digest, err);
    if (rc == EDGE_OK) {
        rc = begin(&message, TPM2_CC_PolicyPCR, err);
    }
    if (rc == EDGE_OK) {
        rc = put_be(&message, selection.count, sizeof(selection.count), err);
    }
    if (rc == EDGE_OK) {
        rc = put_be(&message, one->hash, sizeof(one->hash), err);
    }
    if (rc == EDGE_OK) {
        rc = put_be(&message, one->sizeofSelect, sizeof(one->sizeofSelect), err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&message, one->pcrSelect, one->sizeofSelect, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append(&message, digest.buffer, digest.size, err);
    }
    return rc == EDGE_OK ? finish(&message, ret, err) : rc;
}

static enum edge_code policy_auth_value(TPM2B_DIGEST *ret, struct edge_error *err) {
    struct buf message EDGE_CLEANUP(buf_clear) = {0};

    enum edge_code rc = begin(&message, TPM2_CC_PolicyAuthValue, err);
    return rc == EDGE_OK ? finish(&message, ret, err) : rc;
}

enum edge_code tpm_policy_branches(const struct tpm_binding *b, TPML_DIGEST *ret,
                                   struct edge_error *err) {
    TPML_DIGEST list = {0};

    enum edge_code rc = policy_pcr(b->pcrs, &b->now, &list.digests[list.count++], err);
    if (rc == EDGE_OK && b->has_planned) {
        rc = policy_pcr(b->pcrs, &b->planned, &list.digests[list.count++], err);
    }
    if (rc == EDGE_OK) {
        rc = policy_auth_value(&list.digests[list.count++], err);
    }
    if (rc == EDGE_OK) {
        *ret = list;
    }
    return rc;
}

enum edge_code tpm_policy_digest(const struct tpm_binding *b, TPM2B_DIGEST *ret,
                                 struct edge_error *err) {
    struct buf message EDGE_CLEANUP(buf_clear) = {0};
    TPML_DIGEST list;

    if (b->pcrs == 0) {
        *ret = (TPM2B_DIGEST){0};
        return EDGE_OK;
    }
    enum edge_code rc = tpm_policy_branches(b, &list, err);
    /* PolicyOR forgets what was before it: its digest starts from zeros again. */
    if (rc == EDGE_OK) {
        rc = begin(&message, TPM2_CC_PolicyOR, err);
    }
    for (uint32_t i = 0; rc == EDGE_OK && i < list.count; i++) {
        rc = buf_append(&message, list.digests[i].buffer, list.digests[i].size, err);
    }
    return rc == EDGE_OK ? finish(&message, ret, err) : rc;
}

enum edge_code tpm_policy_recovery_auth(const struct secret *code, TPM2B_AUTH *ret,
                                        struct edge_error *err) {
    TPM2B_AUTH auth = {.size = SHA256_LEN};

    enum edge_code rc = hmac_sha256(code->data, code->len, recovery_context,
                                    sizeof(recovery_context), auth.buffer, err);
    if (rc == EDGE_OK) {
        /* A TPM drops zeros from the end of an authValue; its other side may not. */
        auth.buffer[SHA256_LEN - 1] |= 1;
        *ret = auth;
    }
    secret_wipe(&auth, sizeof(auth));
    return rc;
}

void tpm_policy_pcr_text(uint32_t pcrs, char *ret, size_t size) {
    size_t len = 0;

    ret[0] = '\0';
    for (unsigned i = 0; i < HSM_PCR_CNT; i++) {
        if ((pcrs >> i & 1) != 0 && len < size) {
            int n = snprintf(ret + len, size - len, len == 0 ? "%u" : ", %u", i);
            len += n > 0 ? (size_t)n : 0;
        }
    }
}
