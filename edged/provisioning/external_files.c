/* SPDX-License-Identifier: MIT */
/*
 * Certificate and key files from an external provisioner.
 */
#include "provisioning/external_files.h"

#include "base/b64.h"
#include "base/fs.h"
#include "base/mac.h"

#include <stdio.h>
#include <string.h>

#define PREFIX     "external-"
#define STEM_BYTES 8
#define FILES_MAX  64

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

enum edge_code external_files_write(const char *dir, struct slice cert_pem, struct slice key_pem,
                                    struct provisioning_result *ret, struct edge_error *err) {
    char stem[32], cert_name[64], key_name[64];
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    enum edge_code code = make_stem(cert_pem, key_pem, stem, err);
    if (code != EDGE_OK) {
        return code;
    }
    (void)snprintf(cert_name, sizeof(cert_name), PREFIX "%s.cert.pem", stem);
    (void)snprintf(key_name, sizeof(key_name), PREFIX "%s.key.pem", stem);
    if (strlen(dir) + 1 + strlen(cert_name) > PROVISIONING_PATH_MAX) {
        return edge_set(err, EDGE_CONFIG, "the path '%.120s' is too long", dir);
    }
    code = fs_dir_open(dir, true, 0700, &dirfd, err);
    if (code == EDGE_OK) {
        code = fs_write_atomic(dirfd, key_name, key_pem, err);
    }
    if (code == EDGE_OK) {
        code = fs_write_atomic(dirfd, cert_name, cert_pem, err);
    }
    if (code == EDGE_OK) {
        (void)snprintf(ret->cert_path, sizeof(ret->cert_path), "%s/%s", dir, cert_name);
        (void)snprintf(ret->pk_path, sizeof(ret->pk_path), "%s/%s", dir, key_name);
    }
    return code;
}

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

void external_files_sweep(const char *dir, const struct state *s) {
    int dirfd EDGE_CLEANUP(edge_cleanup_fd) = -1;
    char **names = NULL;
    size_t cnt = 0;
    struct edge_error err;
    if (fs_dir_open(dir, false, 0700, &dirfd, &err) != EDGE_OK ||
        fs_list(dirfd, PREFIX, FILES_MAX, &names, &cnt, &err) != EDGE_OK) {
        return;
    }
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; code == EDGE_OK && i < cnt; i++) {
        if (!(s->has_current && is_named(&s->current, names[i])) &&
            !(s->has_previous && is_named(&s->previous, names[i]))) {
            code = fs_remove(dirfd, names[i], &err);
        }
    }
    fs_names_free(names, cnt);
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
