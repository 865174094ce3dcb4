/* SPDX-License-Identifier: MIT */
/*
 * Files that an external provisioner sends: certificate and private key, 0600 in the state
 * directory, named after their content, so that the ones in use are never overwritten. Worker
 * thread (blocking).
 */
#ifndef PROVISIONING_EXTERNAL_FILES_H
#define PROVISIONING_EXTERNAL_FILES_H

#include "base/error.h"
#include "base/slice.h"
#include "provisioning/state.h"

#include <stddef.h>

/* Writes both; the paths go into *ret, which is otherwise left alone. */
enum edge_code external_files_write(const char *dir, struct slice cert_pem, struct slice key_pem,
                                    struct provisioning_result *ret,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Removes those that the state does not name. A failure harms nothing. */
void external_files_sweep(const char *dir, const struct state *s);

/* Pure: the path that a reference of the provisioner means: an absolute path or a file URI.
 * Errors: PROTO. */
enum edge_code external_files_path(const char *ref, char *ret, size_t size,
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
