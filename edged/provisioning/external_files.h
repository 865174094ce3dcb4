/* SPDX-License-Identifier: MIT */
/*
 * What an external provisioner sends of a certificate: the chain goes into a file of the state
 * directory, the private key into a record of the key store. Both are named after their content, so
 * that the ones in use are never overwritten. Worker thread (blocking).
 */
#ifndef PROVISIONING_EXTERNAL_FILES_H
#define PROVISIONING_EXTERNAL_FILES_H

#include "base/error.h"
#include "base/slice.h"
#include "provisioning/state.h"

#include <stddef.h>

/* Writes both; the paths go into *ret, which is otherwise left alone, that of the key as
 * device_cert.h names a record. Errors: those of the file, and of hsm_record_put. */
enum edge_code external_files_write(const char *dir, struct hsm *h, struct slice cert_pem,
                                    struct slice key_pem, struct provisioning_result *ret,
                                    struct edge_error *err) EDGE_NODISCARD;

/* An earlier version kept the keys in files: puts them into records and names these in *s.
 * *ret_changed: *s is to be saved, and external_files_sweep called after that, which removes the
 * files. On failure *s is as before, and the files stay in use. */
enum edge_code external_files_adopt(const char *dir, struct hsm *h, struct state *s,
                                    bool *ret_changed, struct edge_error *err) EDGE_NODISCARD;

/* Removes what the state does not name. A failure harms nothing. */
void external_files_sweep(const char *dir, struct hsm *h, const struct state *s);

/* Pure: the path that a reference of the provisioner means: an absolute path or a file URI.
 * Errors: PROTO. */
enum edge_code external_files_path(const char *ref, char *ret, size_t size,
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
