/* SPDX-License-Identifier: MIT */
/*
 * Files of signing keys: "key-<name>", the public part in clear in front of what the backend keeps.
 */
#ifndef HSM_STORE_NAMED_H
#define HSM_STORE_NAMED_H

#include "store.h"

#define STORE_NAMED_PREFIX   "key-"
#define STORE_NAMED_FILE_MAX (HSM_KEY_NAME_MAX + 8)

void store_named_file(const char *name, char ret[STORE_NAMED_FILE_MAX]);

/* Writes a key crash-safely; key->place tells the kind of file. */
enum edge_code store_named_write(int dirfd, const struct hsm_key *key, struct slice body,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Reads a key of the backend that has this place (HSM_KEY_IN_TPM stands for HSM_KEY_SEALED, too).
 * *ret_body points into `file`, which the caller has initialised (sensitive, STORE_FILE_MAX).
 * Errors: NOT_FOUND (also for a file of the other backend or of later software), PARSE (damaged,
 * set aside). */
enum edge_code store_named_read(int dirfd, enum hsm_key_place place, const char *name,
                                struct buf *file, struct hsm_key *ret, struct slice *ret_body,
                                struct edge_error *err) EDGE_NODISCARD;

/* The same without the body. */
enum edge_code store_named_get(int dirfd, enum hsm_key_place place, const char *name,
                               struct hsm_key *ret, struct edge_error *err) EDGE_NODISCARD;

/* Keys by name; files that give none are left out. */
enum edge_code store_named_list(int dirfd, enum hsm_key_place place,
                                struct hsm_key ret[HSM_KEYS_MAX], size_t *ret_cnt,
                                struct edge_error *err) EDGE_NODISCARD;

/* Makes sure that the name is free and a key more can be kept; a file of the other backend is set
 * aside. Errors: EXISTS, and then *ret is the key that has the name; RANGE. */
enum edge_code store_named_room(int dirfd, enum hsm_key_place place, const char *name,
                                struct hsm_key *ret, struct edge_error *err) EDGE_NODISCARD;

enum edge_code store_named_drop(int dirfd, const char *name, struct edge_error *err) EDGE_NODISCARD;

/* Sets the file of a key that is lost aside and returns PARSE with the reason and the new name. */
enum edge_code store_named_lost(int dirfd, const char *name, const char *why,
                                struct edge_error *err);

#endif
