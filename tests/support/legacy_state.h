/* SPDX-License-Identifier: MIT */
/*
 * The state folder of release 1.1, made by hand: file names, formats and keys as that release wrote
 * them.
 */
#ifndef SUPPORT_LEGACY_STATE_H
#define SUPPORT_LEGACY_STATE_H

#include "base/secret.h"
#include "base/slice.h"
#include "support/tmpdir.h"

#include <stdbool.h>

#define LEGACY_MASTER_NAME "edgelet-masterWt5mT2xpO72EPKlt2Tt0Sq4uJCrMvfl2rzzKRB3pnyo_"
#define LEGACY_MASTER_PATH "hsm/enc_keys/" LEGACY_MASTER_NAME ".enc.key"
#define LEGACY_BACKUP_PATH "cache/provisioning_backup.json"
#define LEGACY_DIGEST_PATH "cache/settings_state"
#define LEGACY_HYBRID_PATH "hybrid_id/iotedge_hybrid_key"
#define LEGACY_IV_PATH     "hybrid_id/iotedge_hybrid_iv"
#define LEGACY_HYBRID_LEN  49 /* bytes of the encrypted key */

/* The folders cache, hsm/certs, hsm/cert_keys, hsm/enc_keys; the master key, bytes 0x00 to 0x1f;
 * the digest of the settings. */
void legacy_state_make(const struct tmpdir *home);

/* provisioning_backup.json as release 1.1 wrote it after DPS had assigned this. */
void legacy_state_backup(const struct tmpdir *home, const char *hub, const char *device_id);

/* hybrid_id: the key of bytes 0x80 to 0x9f, sealed under the master key. */
void legacy_state_hybrid(const struct tmpdir *home);

/* Seals as release 1.1 did: 0x01, tag, ciphertext; out has room for AEAD_V1_EXTRA bytes more. False
 * when the library failed. */
bool legacy_state_seal(struct slice key, struct slice iv, struct slice aad, struct slice plain,
                       uint8_t *out);

#endif
