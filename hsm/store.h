/* SPDX-License-Identifier: MIT */
/*
 * Files of the key store: one versioned, checksummed envelope around every payload, and the
 * directory of identity keys with their generations. Payloads belong to the backends.
 */
#ifndef HSM_STORE_H
#define HSM_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PAYLOAD_MAX (HSM_RECORD_MAX + 4096)
#define STORE_FILE_MAX    (STORE_PAYLOAD_MAX + 64)

/* What a file holds; part of the file, never renumbered. */
enum store_kind {
    STORE_PINS = 1,          /* names of EK and SRK */
    STORE_GENERATION = 2,    /* highest identity generation given out */
    STORE_TPM_IDENTITY = 3,  /* SRK-wrapped identity key */
    STORE_TPM_ROOT = 4,      /* SRK-wrapped module root */
    STORE_SOFT_IDENTITY = 5, /* identity key in clear */
    STORE_SOFT_ROOT = 6,     /* module root in clear */
    STORE_TPM_ADOPTED = 8,   /* persistent handle and name of an identity key */
    STORE_TPM_NAMED = 9,     /* SRK-wrapped signing key */
    STORE_SEALED_NAMED = 10, /* signing key encrypted under the store key */
    STORE_SOFT_NAMED = 11,   /* signing key in clear */
    STORE_TPM_KEK = 12,      /* sealed store key, with what it is bound to */
    STORE_SOFT_KEK = 13,     /* store key in clear */
    STORE_RECORD = 14,       /* secret under the store key */
};

/* Names of records and signing keys, which become parts of file names: 1 to max of a-z, 0-9 and
 * '-'. */
bool store_is_name(const char *name, size_t max);

/* Appends the envelope of a payload. */
enum edge_code store_encode(enum store_kind kind, struct slice payload, struct buf *out,
                            struct edge_error *err) EDGE_NODISCARD;

/* Opens an envelope; *ret points into `file`. Errors: PARSE (damaged, or written by a later
 * version), CONFLICT (intact, but of another kind). */
enum edge_code store_decode(struct slice file, enum store_kind kind, struct slice *ret,
                            struct edge_error *err) EDGE_NODISCARD;

/* Writes an envelope crash-safely, 0600. */
enum edge_code store_write(int dirfd, const char *name, enum store_kind kind, struct slice payload,
                           struct edge_error *err) EDGE_NODISCARD;

/* The same, and what the file held before is overwritten. */
enum edge_code store_replace(int dirfd, const char *name, enum store_kind kind,
                             struct slice payload, struct edge_error *err) EDGE_NODISCARD;

/* Reads a file into `file` (initialised by the caller, STORE_FILE_MAX) and opens the envelope. A
 * damaged file is moved aside and reported as PARSE with its new name. Other errors: NOT_FOUND,
 * CONFLICT, DENIED, IO, NOMEM. */
enum edge_code store_read(int dirfd, const char *name, enum store_kind kind, struct buf *file,
                          struct slice *ret, struct edge_error *err) EDGE_NODISCARD;

/* --- identity keys --- */

/* Takes the next generation number, recorded on disk before it is returned, so that it is never
 * given out again. RANGE when HSM_IDENTITY_MAX keys are there. */
enum edge_code store_identity_reserve(int dirfd, uint64_t *ret_generation,
                                      struct edge_error *err) EDGE_NODISCARD;

/* RANGE when another key would be one too many; for an early refusal. */
enum edge_code store_identity_room(int dirfd, struct edge_error *err) EDGE_NODISCARD;

enum edge_code store_identity_write(int dirfd, enum store_kind kind, uint64_t generation,
                                    struct slice label, struct slice key,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Reads one key; *ret_label and *ret_key point into `file`. NOT_FOUND; a damaged file is set aside
 * and is then NOT_FOUND, too. */
enum edge_code store_identity_read(int dirfd, enum store_kind kind, uint64_t generation,
                                   struct buf *file, struct slice *ret_label, struct slice *ret_key,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Keys of one kind, oldest first; other files are left alone. */
enum edge_code store_identity_list(int dirfd, enum store_kind kind,
                                   struct hsm_identity ret[HSM_IDENTITY_MAX], size_t *ret_cnt,
                                   struct edge_error *err) EDGE_NODISCARD;

enum edge_code store_identity_drop(int dirfd, uint64_t generation,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Moves the file of a key that is of no use any more to "identity-N.<word>-<unix time>"; its number
 * stays taken. */
enum edge_code store_identity_set_aside(int dirfd, uint64_t generation, const char *word,
                                        struct edge_error *err) EDGE_NODISCARD;

#endif
