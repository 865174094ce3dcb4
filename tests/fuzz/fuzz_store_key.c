/* SPDX-License-Identifier: MIT */
/*
 * Files of the sealed store: the store key with its binding, and records. What the parser of the
 * first takes must be what the policy of the object says, and encode to the same bytes again.
 */
#include "record.h"
#include "tpm/tpm_store.h"

#include "store.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_kek(struct slice in) {
    struct buf again EDGE_CLEANUP(buf_clear) = {0};
    struct edge_error err;
    struct tpm_kek kek;
    TPM2B_DIGEST policy;
    char text[96];

    if (tpm_store_kek_decode(in, &kek, &err) != EDGE_OK) {
        require(err.text[0] != '\0');
        return;
    }
    require(kek.binding.pcrs < UINT32_C(1) << HSM_PCR_CNT);
    require(kek.binding.pcrs != 0 || !kek.binding.has_planned);
    require(tpm_policy_digest(&kek.binding, &policy, NULL) == EDGE_OK);
    require(kek.key.pub.publicArea.authPolicy.size == policy.size);
    tpm_policy_pcr_text(kek.binding.pcrs, text, sizeof(text));
    buf_init(&again, STORE_PAYLOAD_MAX);
    require(tpm_store_kek_encode(&kek, &again, NULL) == EDGE_OK);
    require(slice_eq(buf_slice(&again), in));
}

static void check_record(struct slice in) {
    static const uint8_t bytes[STORE_KEY_LEN] = "store key of the seeds: 32 bytes";
    struct secret key SECRET_CLEANUP = {0}, value SECRET_CLEANUP = {0};

    require(secret_copy(&key, bytes, sizeof(bytes), NULL) == EDGE_OK);
    enum edge_code rc = record_decode(&key, "record-a", in, &value, NULL);
    require(rc == EDGE_OK ? value.len > 0 && value.len < in.len : value.data == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice in = slice_make(data, size);
    struct slice payload;

    check_kek(in);
    check_record(in);
    if (store_decode(in, STORE_TPM_KEK, &payload, NULL) == EDGE_OK) {
        check_kek(payload);
    }
    if (store_decode(in, STORE_RECORD, &payload, NULL) == EDGE_OK) {
        check_record(payload);
    }
    return 0;
}
