/* SPDX-License-Identifier: MIT */
/*
 * Activation blobs and the formats of keys at rest. What the parser takes must be within its bounds
 * and encode to the same bytes again.
 */
#include "tpm/tpm_blob.h"
#include "tpm/tpm_public.h"
#include "tpm/tpm_store.h"

#include "store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_blob(struct slice in) {
    struct tpm_blob b;
    struct edge_error err;
    uint8_t bytes[HSM_PUBLIC_MAX];
    size_t len = 0;

    if (tpm_blob_parse(in, &b, &err) != EDGE_OK) {
        require(err.text[0] != '\0');
        return;
    }
    require(b.credential.size > 0 && b.secret.size > 0 && b.duplicate.size > 0);
    require(b.credential.size <= TPM_BLOB_FIELD_MAX && b.duplicate.size <= TPM_BLOB_FIELD_MAX);
    const size_t at =
        (size_t)b.credential.size + b.secret.size + b.duplicate.size + b.import_seed.size + 8;
    require(tpm_public_marshal(&b.pub, bytes, &len, NULL) == EDGE_OK);
    require(at + len <= in.len && memcmp(in.ptr + at, bytes, len) == 0);
}

static void check_wrapped(struct slice in) {
    struct tpm_wrapped key;
    struct buf again EDGE_CLEANUP(buf_clear) = {0};

    if (tpm_store_wrapped_decode(in, &key, NULL) != EDGE_OK) {
        return;
    }
    buf_init(&again, 65536);
    require(tpm_store_wrapped_encode(&key, &again, NULL) == EDGE_OK);
    require(slice_eq(buf_slice(&again), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice in = slice_make(data, size);
    struct slice payload;

    check_blob(in);
    check_wrapped(in);
    if (store_decode(in, STORE_TPM_IDENTITY, &payload, NULL) == EDGE_OK) {
        require(payload.len <= size);
        check_wrapped(payload);
    }
    return 0;
}
