/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_files.h"

#include "base/aead.h"
#include "base/b64.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/mac.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* The stem is the alias "edgelet-master" and the base64 of its SHA-256; other programs that move
 * keys between releases rely on it too. */
#define MASTER_DIR  "hsm/enc_keys"
#define MASTER_FILE "edgelet-masterWt5mT2xpO72EPKlt2Tt0Sq4uJCrMvfl2rzzKRB3pnyo_.enc.key"
#define CACHE_DIR   "cache"
#define BACKUP_FILE "provisioning_backup.json"
#define DIGEST_FILE "settings_state"
#define HYBRID_DIR  "hybrid_id"
#define HYBRID_FILE "iotedge_hybrid_key"
#define IV_FILE     "iotedge_hybrid_iv"
#define CLIENT_ID   "$iotedge"

#define HYBRID_KEY_LEN 32
#define IV_LEN         16

static enum edge_code dir_open(const char *homedir, const char *name, int *ret_fd,
                               struct edge_error *err) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", homedir, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return edge_set(err, EDGE_RANGE, "the path of the home folder is too long");
    }
    return fs_dir_open(path, false, 0, ret_fd, err);
}

static bool exists(const char *homedir, const char *dir, const char *name) {
    struct stat st;
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    return dir_open(homedir, dir, &fd, NULL) == EDGE_OK &&
           fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool takeover_files_exist(const char *homedir) {
    return exists(homedir, CACHE_DIR, DIGEST_FILE) || exists(homedir, MASTER_DIR, MASTER_FILE) ||
           exists(homedir, CACHE_DIR, BACKUP_FILE);
}

enum edge_code takeover_files_backup(const char *homedir, struct takeover_backup *ret,
                                     struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct buf text;
    /* Other members of the file may be credentials. */
    buf_init_sensitive(&text, TAKEOVER_BACKUP_MAX);
    enum edge_code code = dir_open(homedir, CACHE_DIR, &fd, err);
    if (code == EDGE_OK) {
        code = fs_read(fd, BACKUP_FILE, &text, err);
    }
    if (code == EDGE_OK) {
        code = takeover_backup_decode(buf_slice(&text), ret, err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? EDGE_OK
                           : edge_wrap(err, code, "reading '" CACHE_DIR "/" BACKUP_FILE "'");
}

typedef enum edge_code read_fn(int dirfd, const char *name, struct buf *out,
                               struct edge_error *err);

/* A file of exactly this many bytes; out was initialised with that maximum. */
static enum edge_code read_exact(const char *homedir, const char *dir, const char *name,
                                 read_fn *read, struct buf *out, struct edge_error *err) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = dir_open(homedir, dir, &fd, err);
    if (code == EDGE_OK) {
        code = read(fd, name, out, err);
    }
    if (code == EDGE_OK && out->len != out->max) {
        code = edge_set(err, EDGE_PARSE, "it has %zu bytes instead of %zu", out->len, out->max);
    }
    return code == EDGE_OK ? EDGE_OK : edge_wrap(err, code, "reading '%s/%.32s'", dir, name);
}

static enum edge_code read_master(const char *homedir, struct secret *ret, struct edge_error *err) {
    struct buf bytes;
    buf_init_sensitive(&bytes, AEAD_KEY_LEN);
    enum edge_code code =
        read_exact(homedir, MASTER_DIR, MASTER_FILE, fs_read_private, &bytes, err);
    if (code == EDGE_OK) {
        code = secret_copy(ret, bytes.data, bytes.len, err);
    }
    buf_clear(&bytes);
    return code;
}

static enum edge_code read_hybrid(const char *homedir, struct secret *ret, struct edge_error *err) {
    struct secret master SECRET_CLEANUP = {0};
    struct secret hybrid SECRET_CLEANUP = {0};
    struct buf blob, iv;
    buf_init(&blob, HYBRID_KEY_LEN + AEAD_V1_EXTRA);
    buf_init(&iv, IV_LEN);
    enum edge_code code = read_exact(homedir, HYBRID_DIR, HYBRID_FILE, fs_read, &blob, err);
    if (code == EDGE_OK) {
        code = read_exact(homedir, HYBRID_DIR, IV_FILE, fs_read, &iv, err);
    }
    if (code == EDGE_OK) {
        code = read_master(homedir, &master, err);
    }
    if (code == EDGE_OK) {
        code = aead_open_v1(&master, buf_slice(&iv), SLICE_LIT(CLIENT_ID), buf_slice(&blob),
                            &hybrid, err);
        if (code != EDGE_OK) {
            code = edge_wrap(err, code, "decrypting '" HYBRID_DIR "/" HYBRID_FILE "'");
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
