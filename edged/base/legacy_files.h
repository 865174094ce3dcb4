/* SPDX-License-Identifier: MIT */
/*
 * Where release 1.1 keeps its files under its home folder, and how they are read: as hostile bytes,
 * never through a link at their name, within a size. Nothing is written. Worker thread (blocking).
 */
#ifndef BASE_LEGACY_FILES_H
#define BASE_LEGACY_FILES_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>

/* Stems are an alias and the base64 of its SHA-256; other programs that move keys between releases
 * rely on them too. */
#define LEGACY_FILES_ENC_DIR       "hsm/enc_keys"
#define LEGACY_FILES_MASTER        "edgelet-masterWt5mT2xpO72EPKlt2Tt0Sq4uJCrMvfl2rzzKRB3pnyo_.enc.key"
#define LEGACY_FILES_CERT_DIR      "hsm/certs"
#define LEGACY_FILES_CERT_KEY_DIR  "hsm/cert_keys"
#define LEGACY_FILES_OWNER_CA      "edge_owner_cav0cQJsrFHjxosiOJDer2oKf-O45ZXKVJrO5WFWtFKe0_"
#define LEGACY_FILES_CERT_END      ".cert.pem"
#define LEGACY_FILES_KEY_END       ".key.pem"
#define LEGACY_FILES_HYBRID_DIR    "hybrid_id"
#define LEGACY_FILES_HYBRID_KEY    "iotedge_hybrid_key"
#define LEGACY_FILES_HYBRID_IV     "iotedge_hybrid_iv"
#define LEGACY_FILES_EXTERNAL_DIR  "external_prov"
#define LEGACY_FILES_EXTERNAL_KEY  "id_key"
#define LEGACY_FILES_EXTERNAL_CERT "id_cert"

#define LEGACY_FILES_MASTER_LEN 32

/* Opens one of the folders. Errors as fs_dir_open, RANGE. */
enum edge_code legacy_files_dir(const char *homedir, const char *dir, int *ret_fd,
                                struct edge_error *err) EDGE_NODISCARD;

/* Whether a regular file of that name is there. */
bool legacy_files_exist(const char *homedir, const char *dir, const char *name);

/* Appends the file. is_secret: it must be open to nobody else. Errors: NOT_FOUND, DENIED, INVALID
 * (no regular file), RANGE (beyond out->max), IO, NOMEM; the text names the file. */
enum edge_code legacy_files_read(const char *homedir, const char *dir, const char *name,
                                 bool is_secret, struct buf *out,
                                 struct edge_error *err) EDGE_NODISCARD;

/* The master key that modules' data were encrypted under; *ret must be empty. Errors: the same, and
 * PARSE (another length). */
enum edge_code legacy_files_master(const char *homedir, struct secret *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

#endif
