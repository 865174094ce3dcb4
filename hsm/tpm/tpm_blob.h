/* SPDX-License-Identifier: MIT */
/*
 * The activation blob as the provisioning service sends it: six size-prefixed fields without
 * header. A pure function over hostile bytes.
 */
#ifndef HSM_TPM_BLOB_H
#define HSM_TPM_BLOB_H

#include "base/error.h"
#include "base/slice.h"

#include <tss2/tss2_tpm2_types.h>

#define TPM_BLOB_FIELD_MAX 1024 /* bytes of one field */

struct tpm_blob {
    TPM2B_ID_OBJECT credential;         /* 1: for TPM2_ActivateCredential */
    TPM2B_ENCRYPTED_SECRET secret;      /* 2: its seed, encrypted to the EK */
    TPM2B_PRIVATE duplicate;            /* 3: for TPM2_Import */
    TPM2B_ENCRYPTED_SECRET import_seed; /* 4: its seed, encrypted to the SRK */
    TPM2B_PUBLIC pub;                   /* 5: public area of the key */
};                                      /* 6 and more: optional, ignored */

/* Splits a blob; checks bounds, the encoding of the public area and that the key is an HMAC-SHA256
 * key that signs with an empty password. Errors: PARSE, naming the field. */
enum edge_code tpm_blob_parse(struct slice bytes, struct tpm_blob *ret,
                              struct edge_error *err) EDGE_NODISCARD;

#endif
