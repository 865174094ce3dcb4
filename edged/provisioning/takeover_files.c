/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_files.h"

#include "base/aead.h"
#include "base/b64.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/legacy_files.h"
#include "base/mac.h"

#define CACHE_DIR   "cache"
#define BACKUP_FILE "provisioning_backup.json"
#define DIGEST_FILE "settings_state"
#define CLIENT_ID   "$iotedge"

#define HYBRID_KEY_LEN 32
#define IV_LEN         16

bool takeover_files_exist(const char *homedir) {
    return legacy_files_exist(homedir, CACHE_DIR, DIGEST_FILE) ||
           legacy_files_exist(homedir, LEGACY_FILES_ENC_DIR, LEGACY_FILES_MASTER) ||
           legacy_files_exist(homedir, CACHE_DIR, BACKUP_FILE);
}

enum edge_code takeover_files_backup(const char *homedir, struct takeover_backup *ret,
                                     struct edge_error *err) {
    struct buf text;
    /* Other members of the file may be credentials. */
    buf_init_sensitive(&text, TAKEOVER_BACKUP_MAX);
    enum edge_code code = legacy_files_read(homedir, CACHE_DIR, BACKUP_FILE, false, &text, err);
    if (code == EDGE_OK) {
        code = takeover_backup_decode(buf_slice(&text), ret, err);
        if (code != EDGE_OK) {
            code = edge_wrap(err, code, "reading '" CACHE_DIR "/" BACKUP_FILE "'");
        }
    }
    buf_clear(&text);
    return code;
}

/* A file of exactly this many bytes; out was initialised with that maximum. */
static enum edge_code read_exact(const char *homedir, const char *name, struct buf *out,
                                 struct edge_error *err) {
    enum edge_code code =
        legacy_files_read(homedir, LEGACY_FILES_HYBRID_DIR, name, false, out, err);
    if (code == EDGE_OK && out->len != out->max) {
        code = edge_set(err, EDGE_PARSE, "'%s/%.32s' has %zu bytes instead of %zu",
                        LEGACY_FILES_HYBRID_DIR, name, out->len, out->max);
    }
    return code;
}

static enum edge_code read_hybrid(const char *homedir, struct secret *ret, struct edge_error *err) {
    struct secret master SECRET_CLEANUP = {0};
    struct secret hybrid SECRET_CLEANUP = {0};
    struct buf blob, iv;
    buf_init(&blob, HYBRID_KEY_LEN + AEAD_V1_EXTRA);
    buf_init(&iv, IV_LEN);
    enum edge_code code = read_exact(homedir, LEGACY_FILES_HYBRID_KEY, &blob, err);
    if (code == EDGE_OK) {
        code = read_exact(homedir, LEGACY_FILES_HYBRID_IV, &iv, err);
    }
    if (code == EDGE_OK) {
        code = legacy_files_master(homedir, &master, err);
    }
    if (code == EDGE_OK) {
        code = aead_open_v1(&master, buf_slice(&iv), SLICE_LIT(CLIENT_ID), buf_slice(&blob),
                            &hybrid, err);
        if (code != EDGE_OK) {
            code = edge_wrap(
                err, code, "decrypting '" LEGACY_FILES_HYBRID_DIR "/" LEGACY_FILES_HYBRID_KEY "'");
        }
    }
    if (code == EDGE_OK) {
        *ret = secret_take(&hybrid);
    }
    buf_clear(&blob);
    buf_clear(&iv);
    return code;
}

/* Appends the thumbprint of the certificate file. */
static enum edge_code add_thumbprint(const char *cert_path, struct buf *out,
                                     struct edge_error *err) {
    uint8_t digest[SHA256_LEN];
    struct buf pem;
    buf_init(&pem, TAKEOVER_CERT_MAX);
    enum edge_code code = fs_read_path(cert_path, &pem, err);
    if (code == EDGE_OK) {
        code = sha256(pem.data, pem.len, digest, err);
    }
    if (code == EDGE_OK) {
        code = hex_encode(digest, sizeof(digest), out, err);
    }
    buf_clear(&pem);
    return code;
}

enum edge_code takeover_files_root(const char *homedir, const char *cert_path,
                                   const struct takeover_backup *names, struct secret *ret,
                                   struct edge_error *err) {
    struct secret hybrid SECRET_CLEANUP = {0};
    uint8_t mac[SHA256_LEN];
    struct buf text;
    buf_init(&text, sizeof(*names) + sizeof("/devices//") + (size_t)2 * SHA256_LEN);
    enum edge_code code = read_hybrid(homedir, &hybrid, err);
    if (code == EDGE_OK) {
        code = buf_printf(&text, err, "%s/devices/%s/", names->hub, names->device_id);
    }
    if (code == EDGE_OK) {
        code = add_thumbprint(cert_path, &text, err);
    }
    if (code == EDGE_OK) {
        code = hmac_sha256(hybrid.data, hybrid.len, text.data, text.len, mac, err);
    }
    if (code == EDGE_OK) {
        code = secret_copy(ret, mac, sizeof(mac), err);
    }
    secret_wipe(mac, sizeof(mac));
    buf_clear(&text);
    return code;
}
