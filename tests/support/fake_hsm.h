/* SPDX-License-Identifier: MIT */
/*
 * Stand-in for hsm.h with keys in plain memory and a switch for failures. Attestation is imitated:
 * the blob of a challenge or an identity is taken as the key itself.
 */
#ifndef SUPPORT_FAKE_HSM_H
#define SUPPORT_FAKE_HSM_H

#include "hsm/hsm.h"

/* The key of identity generation 1 and of the challenge until one is loaded: bytes 0x40 to 0x5f.
 * The module root is bytes 0x60 to 0x7f. */
struct hsm *fake_hsm_new(void);

/* The next `cnt` operations that can fail do so with this code. */
void fake_hsm_fail(struct hsm *h, unsigned cnt, enum edge_code code);

/* Replaces the module root, as a cleared TPM would. */
void fake_hsm_set_root(struct hsm *h, uint8_t first_byte);

/* What hsm_identity_adopt finds at the handle of the hub key: 32 bytes from this one on. Until then
 * it finds nothing. */
void fake_hsm_set_hub_key(struct hsm *h, uint8_t first_byte);

/* hsm_start fails with this state until hsm_accept_change, which drops all identities. READY ends
 * it. */
void fake_hsm_set_state(struct hsm *h, enum hsm_state state);

/* Locks the sealed store until hsm_store_recover or hsm_store_abandon. The first takes the code of
 * the last hsm_store_reseal. */
void fake_hsm_lock_store(struct hsm *h);

/* Records kept, damaged ones included; and makes the next read of one find it damaged. */
size_t fake_hsm_record_cnt(const struct hsm *h);
void fake_hsm_damage_record(struct hsm *h, const char *name);

unsigned fake_hsm_derive_cnt(const struct hsm *h);
unsigned fake_hsm_sign_cnt(const struct hsm *h);

/* Where hsm_key_get says that all named keys are; at first HSM_KEY_IN_TPM. */
void fake_hsm_set_key_place(struct hsm *h, enum hsm_key_place place);

/* Signatures of named keys, which are real ones in memory. */
unsigned fake_hsm_key_sign_cnt(const struct hsm *h);

#endif
