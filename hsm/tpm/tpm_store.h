/* SPDX-License-Identifier: MIT */
/*
 * Files of the TPM backend: pinned names and SRK-wrapped keys.
 */
#ifndef HSM_TPM_STORE_H
#define HSM_TPM_STORE_H

#include "tpm/tpm_keys.h"
#include "tpm/tpm_policy.h"

#include "store.h"

#define TPM_PINS_FILE "pins"
#define TPM_ROOT_FILE "module-root"

/* Pins of this device; lengths 0 when there are none, or when the file was damaged (it is set
 * aside). */
enum edge_code tpm_store_pins_read(int dirfd, struct tpm_pins *ret,
                                   struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_store_pins_write(int dirfd, const struct tpm_pins *pins,
                                    struct edge_error *err) EDGE_NODISCARD;

/* A wrapped key together with the name of the key that wraps it. */
struct tpm_wrapped {
    struct tpm_name parent;
    TPM2B_PUBLIC pub;
    TPM2B_PRIVATE priv;
};

enum edge_code tpm_store_wrapped_encode(const struct tpm_wrapped *key, struct buf *out,
                                        struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_store_wrapped_decode(struct slice bytes, struct tpm_wrapped *ret,
                                        struct edge_error *err) EDGE_NODISCARD;

/* The sealed store key with what it is bound to. The binding is what the policy of the object says,
 * else PARSE. */
struct tpm_kek {
    struct tpm_binding binding;
    struct tpm_wrapped key;
};

enum edge_code tpm_store_kek_encode(const struct tpm_kek *kek, struct buf *out,
                                    struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_store_kek_decode(struct slice bytes, struct tpm_kek *ret,
                                    struct edge_error *err) EDGE_NODISCARD;

/* A key of other software: where it is and what it is. */
struct tpm_adopted {
    TPM2_HANDLE handle; /* persistent */
    struct tpm_name name;
};

enum edge_code tpm_store_adopted_encode(const struct tpm_adopted *key, struct buf *out,
                                        struct edge_error *err) EDGE_NODISCARD;
enum edge_code tpm_store_adopted_decode(struct slice bytes, struct tpm_adopted *ret,
                                        struct edge_error *err) EDGE_NODISCARD;

#endif
