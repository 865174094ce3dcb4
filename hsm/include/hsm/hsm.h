/* SPDX-License-Identifier: MIT */
/*
 * Keys of the device behind one synchronous interface, backed by a TPM 2.0 or by key files.
 *
 * Threads: every function blocks and is called on one thread only, the HSM worker; debug builds
 * assert that hsm_* calls on one object never come from two threads. Outputs are copies that the
 * caller owns.
 *
 * Errors, common to all: BUSY (another program holds the device, or the TPM asks to retry for too
 * long), DENIED (no permission on the device node, wrong hierarchy password), NOT_FOUND (no
 * device), HSM (lockout, cleared or replaced TPM, damaged key file, TPM failure), UNSUPPORTED (this
 * backend cannot do it), NOMEM. The text names the node, key or file and the mend;
 * hsm_get_state() gives the class.
 */
#ifndef HSM_HSM_H
#define HSM_HSM_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HSM_MAC_LEN         32 /* HMAC-SHA256 */
#define HSM_FINGERPRINT_LEN 32
#define HSM_LABEL_MAX       1024 /* bytes of text kept with an identity key */
#define HSM_IDENTITY_MAX    8    /* identity keys kept at once */
#define HSM_BLOB_MAX        4096 /* activation blob from the provisioning service, decoded bytes */
#define HSM_DATA_MAX        ((size_t)1024 * 1024) /* bytes to sign in one call */
#define HSM_RECORD_NAME_MAX 32                    /* [a-z0-9-]+ */
#define HSM_RECORD_MAX      16384                 /* bytes of one record */
#define HSM_RECORD_UNBOUND  "identity-"           /* names that begin so: never bound to PCRs */
#define HSM_PCR_CNT         24
#define HSM_PCR_LEN         32 /* SHA-256 bank */
#define HSM_RECOVERY_MIN    16 /* bytes of a recovery code */
#define HSM_RECOVERY_MAX    64
#define HSM_PUBLIC_MAX      1024 /* marshalled TPM2B_PUBLIC */
#define HSM_NAME_MAX        66   /* TPM object name: algorithm id and digest */
#define HSM_CERT_MAX        4096 /* endorsement certificate, DER */
#define HSM_HANDLES_MAX     64
#define HSM_KEY_NAME_MAX    48  /* characters of the name of a signing key */
#define HSM_KEYS_MAX        16  /* signing keys kept at once */
#define HSM_SPKI_MAX        640 /* DER SubjectPublicKeyInfo; RSA of 4096 bits takes 550 */
#define HSM_SIGNATURE_MAX   512 /* RSA of 4096 bits */
#define HSM_DIGEST_LEN      32  /* SHA-256 */
#define HSM_REFRESH_MS      (10u * 60 * 1000) /* a hardware TPM takes longer for 65535 commands */

struct hsm; /* opaque */

enum hsm_backend_kind {
    HSM_BACKEND_TPM,
    HSM_BACKEND_SOFT,
};

/* Template used when the endorsement key has to be created. They give different keys. */
enum hsm_ek_template {
    HSM_EK_TCG_L1,         /* TCG EK Credential Profile, template L-1: unique of 256 zero bytes */
    HSM_EK_LEGACY_UNIQUE0, /* older clients of the provisioning service: empty unique */
};

/* Strings are borrowed for the call of hsm_open/hsm_probe only; NULL where not given. */
struct hsm_config {
    enum hsm_backend_kind backend;
    const char *state_dir;             /* key blobs; created 0700 when missing */
    const char *tcti;                  /* "device:/dev/tpmrm0"; never guessed when NULL: INVALID */
    bool allow_emulator;               /* accept TCTIs that are not a local device */
    const char *owner_auth_file;       /* owner hierarchy password, or NULL for empty */
    const char *endorsement_auth_file; /* endorsement hierarchy password, or NULL for empty */
    enum hsm_ek_template ek_template;
};

/* What an operator would call the condition of the key store. */
enum hsm_state {
    HSM_STATE_UNTRIED, /* not contacted yet */
    HSM_STATE_READY,
    HSM_STATE_NO_DEVICE,
    HSM_STATE_NO_PERMISSION,
    HSM_STATE_BUSY,
    HSM_STATE_LOCKOUT,
    HSM_STATE_CLEARED,  /* same endorsement key, other storage key than the pinned one */
    HSM_STATE_REPLACED, /* other endorsement key than the pinned one */
    HSM_STATE_AUTH_WRONG,
    HSM_STATE_BAD_OBJECT, /* something else sits at the handle of the EK or SRK */
    HSM_STATE_FAILED,
};

/* Opens by configuration. Checks names and files but does not contact the TPM: the first operation
 * does, and every later one reconnects when needed, so that a daemon can start before its TPM is
 * there. Errors: INVALID (tcti missing or an emulator without allow_emulator), IO, DENIED, NOMEM.
 */
enum edge_code hsm_open(const struct hsm_config *cfg, struct hsm **ret,
                        struct edge_error *err) EDGE_NODISCARD;

/* Flushes everything of ours from the TPM and releases. NULL allowed. */
void hsm_close(struct hsm *h);

/* Contacts the key store and brings it to working order: finds, checks or creates EK and SRK,
 * compares their names with the pinned ones (pins them at first use), opens the salted session.
 * Other operations imply it. */
enum edge_code hsm_start(struct hsm *h, struct edge_error *err) EDGE_NODISCARD;

/* Uses an open session once, which renews its place among the saved sessions of a TPM behind a
 * resource manager: one command, or none where that is not needed. To be called every
 * HSM_REFRESH_MS. The kernel saves the session of each program after each of its commands, and a
 * TPM refuses to save any session once TPM_PT_CONTEXT_GAP_MAX (65535) were saved after the oldest:
 * a program that idles with a session would stop all others (TPM_RC_CONTEXT_GAP). */
enum edge_code hsm_refresh(struct hsm *h, struct edge_error *err) EDGE_NODISCARD;

/* For an operator who knows that the TPM was cleared or replaced: sets the pinned names and the
 * files of the keys that are lost with the old TPM, the store key with all that hangs from it among
 * them, aside as "<name>.cleared-<unix time>" or "<name>.replaced-<unix time>" (".lost-" when an
 * earlier call was cut short), then starts with the TPM as it is. Keys that this TPM can load stay.
 * Does no more than hsm_start when nothing has changed, and may be repeated after a failure. Soft:
 * does nothing. Errors: as hsm_start. */
enum edge_code hsm_accept_change(struct hsm *h, struct edge_error *err) EDGE_NODISCARD;

enum hsm_state hsm_get_state(const struct hsm *h);
const char *hsm_state_name(enum hsm_state state); /* "ready", "no_device", ... */

/* TPM commands sent since hsm_open; 0 for the soft backend. For tests and benchmarks. */
uint64_t hsm_command_cnt(const struct hsm *h);

/* --- Attestation (TPM backend; soft: UNSUPPORTED) --- */

/* Public keys in the form the provisioning service takes: marshalled TPM2B_PUBLIC (TPM 2.0 Part 2,
 * 12.2.5), size field included. */
struct hsm_attestation {
    uint8_t ek[HSM_PUBLIC_MAX];
    size_t ek_len;
    uint8_t srk[HSM_PUBLIC_MAX];
    size_t srk_len;
};

enum edge_code hsm_attestation_get(struct hsm *h, struct hsm_attestation *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Activates a challenge: the blob is the decoded authenticationKey (credential, encrypted secret,
 * duplicated key, encrypted seed, public area, optional data; TPM2_ActivateCredential,
 * TPM2_Import). The key stays in a transient slot, is never stored, and replaces an earlier
 * challenge key. Errors: PARSE (layout or bounds), DENIED (made for another EK or SRK, or
 * corrupted), HSM. */
enum edge_code hsm_challenge_load(struct hsm *h, struct slice blob,
                                  struct edge_error *err) EDGE_NODISCARD;
enum edge_code hsm_challenge_sign(struct hsm *h, struct slice data, uint8_t ret_mac[HSM_MAC_LEN],
                                  struct edge_error *err) EDGE_NODISCARD;
void hsm_challenge_drop(struct hsm *h);

/* --- Identity keys: the HMAC keys that prove the device to its hub --- */

/* An identity key at rest. Each import makes a new generation; earlier ones stay until dropped, so
 * a new key never endangers the one in use. The label is the importer's text (here: which hub and
 * device the key belongs to), written together with the key in one crash-safe file. */
struct hsm_identity {
    uint64_t generation; /* 1, 2, ...; never reused */
    bool adopted;        /* lives at 0x81000100 of the TPM only; see hsm_identity_adopt */
    char label[HSM_LABEL_MAX + 1];
};

/* Imports an activation blob as a candidate: activates and imports it under the SRK, lets it sign a
 * test message, and only then writes it (SRK-wrapped private and public part) with fsync and
 * rename. Soft: UNSUPPORTED. Errors as hsm_challenge_load; RANGE above HSM_IDENTITY_MAX. */
enum edge_code hsm_identity_import_blob(struct hsm *h, struct slice blob, struct slice label,
                                        uint64_t *ret_generation,
                                        struct edge_error *err) EDGE_NODISCARD;

/* Imports a symmetric key (1 to 64 bytes) the same way; the key crosses the bus encrypted only. */
enum edge_code hsm_identity_import_key(struct hsm *h, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation,
                                       struct edge_error *err) EDGE_NODISCARD;

/* Takes the hub key at 0x81000100, left there by the daemon that this one replaces, as an identity
 * key: it keeps signing from that handle, and its file only names it. Adopting the same key with
 * the same label again gives the same generation. Soft: UNSUPPORTED. Errors: NOT_FOUND (nothing is
 * there), CONFLICT (something else is there), RANGE above HSM_IDENTITY_MAX. */
enum edge_code hsm_identity_adopt(struct hsm *h, struct slice label, uint64_t *ret_generation,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Keys at rest, oldest first. Damaged files are set aside and not listed. */
enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;

/* HMAC-SHA256 under one generation; data of 0 to HSM_DATA_MAX bytes. NOT_FOUND when it is not
 * there, also when the handle of an adopted key is empty; DENIED when the handle of an adopted key
 * holds another object than the one adopted. */
enum edge_code hsm_identity_sign(struct hsm *h, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN],
                                 struct edge_error *err) EDGE_NODISCARD;

/* Forgets one generation for good; absent is fine. Of an adopted key the file is dropped; the TPM
 * keeps the object. */
enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Makes 0x81000100, the handle where other software of this device class looks for the key, hold
 * this generation. Done last and never relied on: after a failure the key still works from its
 * file. CONFLICT, and nothing done, while an adopted key is kept: the handle is its only copy.
 * Soft: does nothing. */
enum edge_code hsm_identity_publish(struct hsm *h, uint64_t generation,
                                    struct edge_error *err) EDGE_NODISCARD;

/* --- Module root: a random HMAC key made in the TPM that does not rotate --- */

/* Value that changes exactly when the root changed (made, TPM cleared, file lost). Makes the root
 * at first use. */
enum edge_code hsm_root_fingerprint(struct hsm *h, uint8_t ret[HSM_FINGERPRINT_LEN],
                                    struct edge_error *err) EDGE_NODISCARD;

/* HMAC-SHA256(root, context) as a 32 byte secret: one TPM command once the root is loaded. The
 * caller makes contexts unambiguous (length prefixes). */
enum edge_code hsm_root_derive(struct hsm *h, struct slice context, struct secret *ret,
                               struct edge_error *err) EDGE_NODISCARD;

/* --- Signing keys by name: the keys of certificate authorities --- */

enum hsm_key_type {
    HSM_KEY_P256,
    HSM_KEY_P384,
    HSM_KEY_P521,
    HSM_KEY_RSA,
};

/* Where the private part is. */
enum hsm_key_place {
    HSM_KEY_IN_TPM,  /* an object of the TPM, which alone can use it */
    HSM_KEY_SEALED,  /* of a type that this TPM cannot hold: encrypted under the store key that the
                        TPM keeps, in locked memory while it signs */
    HSM_KEY_IN_FILE, /* soft backend: a file of mode 0600 */
};

struct hsm_key {
    char name[HSM_KEY_NAME_MAX + 1];
    enum hsm_key_type type;
    unsigned bits; /* 256, 384, 521; RSA: of the modulus */
    enum hsm_key_place place;
    uint8_t spki[HSM_SPKI_MAX]; /* DER SubjectPublicKeyInfo */
    size_t spki_len;
};

/* Names are of lower-case letters, digits and '-', not empty: else INVALID. What needs the private
 * part fails with HSM while the sealed store is locked; the text names the mend. */

/* Makes a P-256 key; TPM: inside it, never outside. It signs before it is written. Errors: EXISTS,
 * RANGE above HSM_KEYS_MAX. */
enum edge_code hsm_key_make(struct hsm *h, const char *name, struct hsm_key *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Takes a key in: unencrypted PKCS#8 (DER) with an EC key on P-256, P-384 or P-521 or an RSA key of
 * 2048 to 4096 bits. It signs before it is written. The same key under the same name again is OK.
 * Errors: PARSE (no such structure), UNSUPPORTED (another kind of key), RANGE (size of an RSA key;
 * above HSM_KEYS_MAX), CONFLICT (the numbers do not belong together), EXISTS (another key has the
 * name). */
enum edge_code hsm_key_import(struct hsm *h, const char *name, const struct secret *pkcs8_der,
                              struct hsm_key *ret, struct edge_error *err) EDGE_NODISCARD;

/* Public part; uses neither the TPM nor the sealed store. Errors: NOT_FOUND; PARSE: the file was
 * damaged and is set aside now. */
enum edge_code hsm_key_get(struct hsm *h, const char *name, struct hsm_key *ret,
                           struct edge_error *err) EDGE_NODISCARD;

/* All keys by name. Damaged files are set aside and not listed. */
enum edge_code hsm_key_list(struct hsm *h, struct hsm_key ret[HSM_KEYS_MAX], size_t *ret_cnt,
                            struct edge_error *err) EDGE_NODISCARD;

/* Signs a SHA-256 digest: ECDSA as DER SEQUENCE of r and s, RSASSA-PKCS1-v1_5 as bytes of the
 * modulus's length. Errors: NOT_FOUND; PARSE: the key is lost (damaged, made by another TPM or
 * under another store key), its file is set aside now. */
enum edge_code hsm_key_sign(struct hsm *h, const char *name, const uint8_t digest[HSM_DIGEST_LEN],
                            uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                            struct edge_error *err) EDGE_NODISCARD;

/* Forgets a key for good; absent is fine. */
enum edge_code hsm_key_drop(struct hsm *h, const char *name, struct edge_error *err) EDGE_NODISCARD;

/* Signs a SHA-256 digest with a private key that is not in the key store: unencrypted PKCS#8, as
 * for hsm_key_import, used once and wiped. No HSM is involved; any thread. Errors: PARSE,
 * UNSUPPORTED, RANGE, CONFLICT, CRYPTO, NOMEM. */
enum edge_code hsm_sign_with(const struct secret *pkcs8_der, const uint8_t digest[HSM_DIGEST_LEN],
                             uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                             struct edge_error *err) EDGE_NODISCARD;

/* --- Random numbers --- */

/* Up to 4096 bytes; the TPM's generator mixed with the system's. */
enum edge_code hsm_random(struct hsm *h, uint8_t *ret, size_t len,
                          struct edge_error *err) EDGE_NODISCARD;

/* --- Sealed store: secrets that must rest on the disk --- */

/* Records are encrypted under one random key, the store key, which the TPM seals (soft: in a file
 * of mode 0600) and which is unsealed once into locked memory. A store may be bound to values of
 * PCRs; then it is locked after they have changed: every call that needs it fails with HSM and a
 * text that names the mend, hsm_get_state stays as it is, and identity keys and the module root
 * work on. A store key that is lost or damaged is not replaced while records or named keys are
 * there: HSM, too, until hsm_store_abandon. A device that is not there is HSM for these calls, so
 * that NOT_FOUND always means that there is no such record.
 *
 * Records whose names begin with HSM_RECORD_UNBOUND are part of the device's identity, which no
 * change of firmware may take away: the TPM seals their key apart and without PCRs, so they work
 * with a locked store and outlive hsm_store_abandon. Soft: records like all others. */

/* Keeps 1 to HSM_RECORD_MAX bytes under a name, replacing what was there; crash-safe, and read back
 * before it returns. Errors: INVALID (name), RANGE (size), HSM (locked or lost store). */
enum edge_code hsm_record_put(struct hsm *h, const char *name, const struct secret *value,
                              struct edge_error *err) EDGE_NODISCARD;

/* *ret must be empty. Errors: NOT_FOUND; PARSE: damaged, or of another store key; the file is then
 * set aside as "record-<name>.damaged-<unix time>"; HSM (locked or lost store). */
enum edge_code hsm_record_get(struct hsm *h, const char *name, struct secret *ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* Forgets a record for good; absent is fine. Works with a locked store, too. */
enum edge_code hsm_record_drop(struct hsm *h, const char *name,
                               struct edge_error *err) EDGE_NODISCARD;

struct hsm_store_info {
    bool exists;      /* there is a store key; the first record or named key makes one */
    bool bound;       /* to PCRs */
    uint32_t pcrs;    /* bit n: PCR n, SHA-256 bank */
    bool open;        /* the store key is in memory, or could be had just now */
    bool planned;     /* a second set of PCR values opens it as well */
    bool recoverable; /* a recovery code opens it, whatever the PCRs are */
    char
        text[EDGE_ERROR_TEXT_MAX]; /* the condition in words; of a locked or lost store: the mend */
};

/* Tells the condition of the store and tries to open one that is not open; makes none. Fails only
 * when the directory cannot be read; a TPM that does not answer is told in the text. */
enum edge_code hsm_store_get_info(struct hsm *h, struct hsm_store_info *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

struct hsm_pcr_value {
    uint32_t pcr;
    uint8_t digest[HSM_PCR_LEN];
};

struct hsm_reseal {
    uint32_t pcrs;                       /* bit n: PCR n; 0: bound to nothing */
    const struct hsm_pcr_value *planned; /* values known before; PCRs not named: as they are now */
    size_t planned_cnt;
    const struct secret
        *recovery; /* HSM_RECOVERY_MIN to _MAX random bytes; needed with pcrs only */
};

/* Binds the store key to the present values of these PCRs, in place of what it was bound to. The
 * store must be open (or new). The old object stays until the new one has been unsealed by the
 * present values and by the recovery code, so that a crash leaves one that opens. Errors: INVALID
 * (PCR numbers, planned values outside of pcrs, recovery code missing or too short), UNSUPPORTED
 * (soft backend; no SHA-256 bank), HSM (locked or lost store). */
enum edge_code hsm_store_reseal(struct hsm *h, const struct hsm_reseal *how,
                                struct edge_error *err) EDGE_NODISCARD;

/* Opens a locked store with its recovery code, until hsm_close; hsm_store_reseal should follow. The
 * code proves itself by HMAC and does not cross the bus. Errors: DENIED (another code), INVALID
 * (the store is not bound to PCRs), NOT_FOUND (no store), UNSUPPORTED (soft backend). */
enum edge_code hsm_store_recover(struct hsm *h, const struct secret *recovery,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Gives the store up: store key, records and named keys are set aside as "<name>.abandoned-<unix
 * time>" (with the PCR values or the recovery code they could still be opened); an empty store
 * follows at next use. Needs no TPM and may be repeated after a failure. */
enum edge_code hsm_store_abandon(struct hsm *h, struct edge_error *err) EDGE_NODISCARD;

/* --- Diagnosis --- */

struct hsm_handle_info {
    uint32_t handle;
    char what[48]; /* "endorsement key", "storage root key", "hub identity key", "other" */
};

/* What `iotedge tpm info` shows. Each part that could not be read says so; nothing is created. */
struct hsm_tpm_info {
    char tcti[256];
    char node[256];        /* device node, or empty for an emulator */
    char manufacturer[16]; /* four characters of TPM_PT_MANUFACTURER, trimmed */
    char vendor[32];
    uint32_t firmware_1, firmware_2; /* TPM_PT_FIRMWARE_VERSION_1 and _2 */
    char spec_family[8];
    uint32_t spec_revision;
    struct hsm_attestation keys; /* of the persistent objects, or of transient ones made to look */
    bool ek_persistent, srk_persistent;
    uint8_t ek_name[HSM_NAME_MAX], srk_name[HSM_NAME_MAX];
    size_t ek_name_len, srk_name_len;
    char registration_id[64]; /* base32(SHA-256(EK)), the SDKs' default */
    uint8_t ek_cert[HSM_CERT_MAX];
    size_t ek_cert_len;   /* 0: none in NV */
    bool ek_cert_matches; /* its public key is the EK's */
    char ek_cert_subject[256], ek_cert_issuer[256];
    uint32_t lockout_counter, lockout_max, lockout_interval_s, lockout_recovery_s;
    bool in_lockout, owner_auth_set, endorsement_auth_set, lockout_auth_set;
    struct hsm_handle_info handles[HSM_HANDLES_MAX]; /* persistent handles in use */
    size_t handle_cnt;
    char keys_missing[EDGE_ERROR_TEXT_MAX]; /* why EK or SRK could not be had; empty when both are
                                               there */
};

/* Looks at the TPM of cfg (state_dir unused) without changing anything in it that lasts. *ret_state
 * is set also on failure. */
enum edge_code hsm_probe(const struct hsm_config *cfg, struct hsm_tpm_info *ret,
                         enum hsm_state *ret_state, struct edge_error *err) EDGE_NODISCARD;

/* Default registration id for an endorsement key in DPS form. */
enum edge_code hsm_registration_id(const uint8_t *ek, size_t ek_len, char ret[64],
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
