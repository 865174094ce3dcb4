/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of release 1.1 under its home folder. Nothing is written. Links at a file's name
 * are not followed, except for the certificate, whose path the operator gave. Worker thread
 * (blocking).
 */
#ifndef PROVISIONING_TAKEOVER_FILES_H
#define PROVISIONING_TAKEOVER_FILES_H

#include "base/error.h"
#include "base/secret.h"
#include "provisioning/takeover_backup.h"

#include <stdbool.h>

#define TAKEOVER_CERT_MAX ((size_t)256 * 1024) /* bytes of the certificate file */

/* Whether release 1.1 has ever run here: a digest of its settings, its master key or its backup of
 * a provisioning is there. */
bool takeover_files_exist(const char *homedir);

/* Reads cache/provisioning_backup.json. Errors: NOT_FOUND, PARSE, RANGE, DENIED, INVALID, IO,
 * NOMEM. */
enum edge_code takeover_files_backup(const char *homedir, struct takeover_backup *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

/* The key that 1.1 derived module keys from on a device with a certificate:
 *
 *   HMAC(hybrid key, "{hub}/devices/{device id}/{thumbprint}")
 *
 * The hybrid key lies in hybrid_id, encrypted under the master key for the client "$iotedge". The
 * thumbprint is the lower-case hex SHA-256 of the text of the certificate file, not of the
 * certificate. *ret must be empty. Errors: NOT_FOUND, PARSE, RANGE, DENIED (also when it was not
 * encrypted with this master key), INVALID, IO, NOMEM, CRYPTO. */
enum edge_code takeover_files_root(const char *homedir, const char *cert_path,
                                   const struct takeover_backup *names, struct secret *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
