/* SPDX-License-Identifier: MIT */
/*
 * Secrets at rest under the store key, for both backends: AES-256-GCM with a key of its own for
 * each file name and a random nonce for each write.
 */
#ifndef HSM_RECORD_H
#define HSM_RECORD_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"

#include <stdbool.h>

#define STORE_KEY_LEN   32
#define STORE_KEY_FILE  "store-key"
#define RECORD_PREFIX   "record-"
#define UNBOUND_PREFIX  "unbound-" /* of records that do not hang from the store key */
#define RECORD_FILE_MAX 64         /* bytes of a file's name */

/* The way out, told with every store that does not open. */
#define RECORD_GIVE_UP "to give the store up: iotedge tpm reseal --abandon"

/* HSM: the store key is gone, but what hangs from it is not. */
enum edge_code record_key_lost(struct edge_error *err);

/* Name of the file of a record. */
void record_file(const char *name, char ret[RECORD_FILE_MAX]);

/* The same, where records of HSM_RECORD_UNBOUND have another key and are not the store's to set
 * aside. */
void record_file_unbound(const char *name, char ret[RECORD_FILE_MAX]);
bool record_is_unbound(const char *name);

/* Whether something is there under this name of a file; decided without the store key, so that
 * asking for what is not there makes no store. */
bool record_exists(int dirfd, const char *file);

/* Appends the encrypted form of 1 to HSM_RECORD_MAX bytes; it can be read under this name only. */
enum edge_code record_encode(const struct secret *store_key, const char *file,
                             const struct secret *value, struct buf *out,
                             struct edge_error *err) EDGE_NODISCARD;

/* Errors: PARSE (not a record, or changed, or of another name or store key), NOMEM, CRYPTO. */
enum edge_code record_decode(const struct secret *store_key, const char *file, struct slice bytes,
                             struct secret *ret, struct edge_error *err) EDGE_NODISCARD;

/* Writes a file crash-safely and reads it back. `file` is the whole name of the file. */
enum edge_code record_write(int dirfd, const struct secret *store_key, const char *file,
                            const struct secret *value, struct edge_error *err) EDGE_NODISCARD;

/* NOT_FOUND; PARSE: damaged, set aside. *ret must be empty. */
enum edge_code record_read(int dirfd, const struct secret *store_key, const char *file,
                           struct secret *ret, struct edge_error *err) EDGE_NODISCARD;

/* Whether records are there (with `keys`: or named keys), but for those that were set aside. */
enum edge_code record_any(int dirfd, bool keys, bool *ret_any,
                          struct edge_error *err) EDGE_NODISCARD;

/* Moves records and named keys, and last the store key, to "<name>.<word>-<unix time>". */
enum edge_code record_set_all_aside(int dirfd, const char *word,
                                    struct edge_error *err) EDGE_NODISCARD;

#endif
