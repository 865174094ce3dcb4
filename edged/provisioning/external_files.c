/* SPDX-License-Identifier: MIT */
/*
 * The certificate's file is written before the key's record: what a cut leaves is then a file, by
 * which the sweep finds the record.
 */
#include "provisioning/external_files.h"

#include "base/b64.h"
#include "base/fs.h"
#include "base/fs_wipe.h"
#include "base/mac.h"
#include "base/secret.h"
#include "cloud/device_cert.h"

#include <stdio.h>
#include <string.h>

#define PREFIX     "external-" /* of files; records have HSM_RECORD_UNBOUND in its place */
#define CERT_END   ".cert.pem"
#define KEY_END    ".key.pem" /* of an earlier version */
#define STEM_BYTES 8
#define FILES_MAX  64
#define STEM_MAX   64

static enum edge_code make_stem(struct slice cert_pem, struct slice key_pem, char ret[32],
                                struct edge_error *err) {
    uint8_t cert[SHA256_LEN], both[SHA256_LEN];
    struct buf hex;
    buf_init(&hex, 32);
    /* Under the certificate's digest, so that the name tells nothing of the key. */
    enum edge_code code = sha256(cert_pem.ptr, cert_pem.len, cert, err);
    if (code == EDGE_OK) {
        code = hmac_sha256(cert, sizeof(cert), key_pem.ptr, key_pem.len, both, err);
    }
    if (code == EDGE_OK) {
        code = hex_encode(both, STEM_BYTES, &hex, err);
    }
    if (code == EDGE_OK && !slice_to_array(buf_slice(&hex), ret, 32)) {
        code = edge_set(err, EDGE_INTERNAL, "digest does not fit");
    }
    buf_clear(&hex);
    return code;
}

static enum edge_code put_key(struct hsm *h, const char *record, struct slice key_pem,
                              struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    enum edge_code code = secret_copy(&key, key_pem.ptr, key_pem.len, err);
    return code == EDGE_OK ? hsm_record_put(h, record, &key, err) : code;
}

enum edge_code external_files_write(const char *dir, struct hsm *h, struct slice cert_pem,
                                    struct slice key_pem, struct provisioning_result *ret,
                                    struct edge_error *err) {
    char stem[32], cert_name[STEM_MAX], record[STEM_MAX];
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = make_stem(cert_pem, key_pem, stem, err);
    if (code != EDGE_OK) {
        return code;
    }
    (void)snprintf(cert_name, sizeof(cert_name), PREFIX "%s" CERT_END, stem);
    (void)snprintf(record, sizeof(record), HSM_RECORD_UNBOUND "%s", stem);
    if (strlen(dir) + 1 + strlen(cert_name) > PROVISIONING_PATH_MAX) {
        return edge_set(err, EDGE_CONFIG, "the path '%.120s' is too long", dir);
    }
    code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code == EDGE_OK) {
        code = fs_write_atomic(dirfd, cert_name, cert_pem, err);
    }
    if (code == EDGE_OK) {
        code = put_key(h, record, key_pem, err);
    }
    if (code == EDGE_OK) {
        (void)snprintf(ret->cert_path, sizeof(ret->cert_path), "%s/%s", dir, cert_name);
        (void)snprintf(ret->pk_path, sizeof(ret->pk_path), DEVICE_CERT_RECORD "%s", record);
    }
    return code;
}

/* --- Keys in files --- */

/* The record that belongs to one of our files with this end. */
static bool record_of(const char *name, const char *end, char ret[STEM_MAX]) {
    static const char record[] = HSM_RECORD_UNBOUND;
    struct slice s = slice_str(name);
    if (!slice_starts_with(s, PREFIX) || !slice_ends_with(s, end)) {
        return false;
    }
    s = slice_make(s.ptr + sizeof(PREFIX) - 1, s.len - (sizeof(PREFIX) - 1));
    if (s.len < strlen(end)) {
        return false;
    }
    s.len -= strlen(end);
    memcpy(ret, record, sizeof(record));
    return slice_to_array(s, ret + sizeof(record) - 1, STEM_MAX - sizeof(record) + 1);
}

static enum edge_code adopt_one(int dirfd, const char *dir, struct hsm *h,
                                struct provisioning_result *r, bool *ret_changed,
                                struct edge_error *err) {
    char record[STEM_MAX];
    struct buf text;
    size_t dir_len = strlen(dir);
    if (strncmp(r->pk_path, dir, dir_len) != 0 || r->pk_path[dir_len] != '/' ||
        !record_of(r->pk_path + dir_len + 1, KEY_END, record)) {
        return EDGE_OK;
    }
    buf_init_sensitive(&text, HSM_RECORD_MAX);
    enum edge_code code = fs_read_private(dirfd, r->pk_path + dir_len + 1, &text, err);
    if (code == EDGE_OK) {
        code = put_key(h, record, buf_slice(&text), err);
    }
    if (code == EDGE_OK) {
        (void)snprintf(r->pk_path, sizeof(r->pk_path), DEVICE_CERT_RECORD "%s", record);
        *ret_changed = true;
    }
    buf_clear(&text);
    return code;
}

enum edge_code external_files_adopt(const char *dir, struct hsm *h, struct state *s,
                                    bool *ret_changed, struct edge_error *err) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct state changed = *s;
    *ret_changed = false;
    enum edge_code code = fs_dir_open(dir, false, 0700, &dirfd, err);
    if (code != EDGE_OK) {
        return code == EDGE_NOT_FOUND ? EDGE_OK : code;
    }
    if (s->has_current) {
        code = adopt_one(dirfd, dir, h, &changed.current, ret_changed, err);
    }
    if (code == EDGE_OK && s->has_previous) {
        code = adopt_one(dirfd, dir, h, &changed.previous, ret_changed, err);
    }
    if (code != EDGE_OK) {
        *ret_changed = false;
        return edge_wrap(err, code, "moving the device's private key into the key store");
    }
    *s = changed;
    return EDGE_OK;
}

/* --- What is not in use --- */

static bool is_named(const struct provisioning_result *r, const char *name) {
    const char *const paths[] = {r->cert_path, r->pk_path};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(paths); i++) {
        const char *last = strrchr(paths[i], '/');
        if (last != NULL && strcmp(last + 1, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum edge_code sweep_one(int dirfd, struct hsm *h, const char *name,
                                struct edge_error *err) {
    char record[STEM_MAX];
    if (record_of(name, KEY_END, record)) {
        return fs_wipe(dirfd, name, err);
    }
    enum edge_code code =
        record_of(name, CERT_END, record) ? hsm_record_drop(h, record, err) : EDGE_OK;
    return code == EDGE_OK ? fs_remove(dirfd, name, err) : code;
}

void external_files_sweep(const char *dir, struct hsm *h, const struct state *s) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    struct fs_names names EDGE_CLEANUP(fs_names_clear) = {0};
    struct edge_error err;
    if (fs_dir_open(dir, false, 0700, &dirfd, &err) != EDGE_OK ||
        fs_list(dirfd, PREFIX, FILES_MAX, &names, &err) != EDGE_OK) {
        return;
    }
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; code == EDGE_OK && i < names.cnt; i++) {
        if (!(s->has_current && is_named(&s->current, names.list[i])) &&
            !(s->has_previous && is_named(&s->previous, names.list[i]))) {
            code = sweep_one(dirfd, h, names.list[i], &err);
        }
    }
}

enum edge_code external_files_path(const char *ref, char *ret, size_t size,
                                   struct edge_error *err) {
    struct slice path = slice_str(ref);
    static const char scheme[] = "file://";
    if (slice_starts_with(path, scheme)) {
        path = slice_make(path.ptr + sizeof(scheme) - 1, path.len - (sizeof(scheme) - 1));
    }
    if (!slice_starts_with(path, "/") || slice_find(path, '%') >= 0 ||
        !slice_to_array(path, ret, size)) {
        return edge_set(err, EDGE_PROTO,
                        "the service names '%.100s' where an absolute path or a file URI of at "
                        "most %zu bytes is needed",
                        ref, size - 1);
    }
    return EDGE_OK;
}
