/* SPDX-License-Identifier: MIT */
/*
 * The two keys everything hangs from: endorsement key and storage key. Finds, checks or makes them
 * and compares them with the names this device was set up with.
 */
#ifndef HSM_TPM_KEYS_H
#define HSM_TPM_KEYS_H

#include "tpm/tpm_ctx.h"
#include "tpm/tpm_public.h"

#include "base/error.h"
#include "hsm/hsm.h"

#include <stdbool.h>

struct tpm_key {
    ESYS_TR tr; /* ESYS_TR_NONE until known */
    TPM2B_PUBLIC pub;
    struct tpm_name name;
    bool persistent;
};

struct tpm_keys {
    struct tpm_key ek;
    struct tpm_key srk;
};

/* Names of EK and SRK as they were at first use; lengths 0 when there are no pins yet. */
struct tpm_pins {
    struct tpm_name ek;
    struct tpm_name srk;
};

void tpm_keys_init(struct tpm_keys *k);

/* Forgets the keys here (and flushes transient ones). */
void tpm_keys_clear(struct tpm_ctx *c, struct tpm_keys *k);

/* Brings both keys to persistent handles, checked against templates and pins. `pins_path` is for
 * the text of errors. Errors: HSM with the state BAD_OBJECT, CLEARED or REPLACED; DENIED; as the
 * TPM. */
enum edge_code tpm_keys_establish(struct tpm_ctx *c, struct tpm_keys *k, enum hsm_ek_template kind,
                                  const struct tpm_pins *pins, const char *pins_path,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Asks for both public areas once more inside the salted session and compares the names: only a TPM
 * that owns the private part of the SRK can answer. */
enum edge_code tpm_keys_confirm(struct tpm_ctx *c, const struct tpm_keys *k,
                                struct edge_error *err) EDGE_NODISCARD;

/* The same look without changing anything that lasts: keys that are not persistent are made as
 * transient ones, read and flushed. Parts that cannot be had stay without name; *err tells the last
 * reason. */
void tpm_keys_look(struct tpm_ctx *c, struct tpm_keys *k, enum hsm_ek_template kind,
                   struct edge_error *err);

/* Reads the public area at a persistent handle. *ret_found false when nothing is there. */
enum edge_code tpm_keys_read(struct tpm_ctx *c, TPM2_HANDLE handle, struct tpm_key *ret,
                             bool *ret_found, struct edge_error *err) EDGE_NODISCARD;

#endif
