/* SPDX-License-Identifier: MIT */
#include "pki/legacy.h"

#include "base/legacy_files.h"
#include "base/x509.h"
#include "base/x509_key.h"
#include "pki/chain.h"
#include "pki/issue.h"

#define CERT_FILE LEGACY_FILES_OWNER_CA LEGACY_FILES_CERT_END
#define KEY_FILE  LEGACY_FILES_OWNER_CA LEGACY_FILES_KEY_END
#define CERT_NAME "release 1.1's root in 'hsm/certs'"
#define KEY_NAME  "release 1.1's key in 'hsm/cert_keys'"

/* Below the root come our owner CA, device CA and workload CA. */
#define PATH_LEN_MIN 3

bool legacy_exists(const char *homedir) {
    return legacy_files_exist(homedir, LEGACY_FILES_CERT_DIR, CERT_FILE) &&
           legacy_files_exist(homedir, LEGACY_FILES_CERT_KEY_DIR, KEY_FILE);
}

static enum edge_code check_root(const struct chain *c, int64_t now_wall_s,
                                 struct edge_error *err) {
    const struct chain_cert *root = &c->certs[0];
    if (c->cnt != 1 || !root->self_issued || !root->is_ca || !root->may_sign ||
        (root->path_len >= 0 && root->path_len < PATH_LEN_MIN)) {
        return edge_set(err, EDGE_PARSE,
                        CERT_NAME " is not the one root of a chain that is long enough");
    }
    if (now_wall_s < root->not_before_wall_s) {
        return edge_set(err, EDGE_RETRY, CERT_NAME " is not valid yet: check the clock");
    }
    if (now_wall_s > root->not_after_wall_s) {
        return edge_set(err, EDGE_RANGE, CERT_NAME " has expired");
    }
    return EDGE_OK;
}

static enum edge_code read_root(const char *homedir, int64_t now_wall_s, struct chain *ret,
                                struct edge_error *err) {
    struct buf text;
    buf_init(&text, CHAIN_PEM_MAX);
    enum edge_code code =
        legacy_files_read(homedir, LEGACY_FILES_CERT_DIR, CERT_FILE, false, &text, err);
    if (code == EDGE_OK) {
        code = chain_read(buf_slice(&text), CERT_NAME, ret, err);
    }
    buf_clear(&text);
    return code == EDGE_OK ? check_root(ret, now_wall_s, err) : code;
}

/* The key, whichever way it was written, as PKCS#8. Its file may be open to others: who
 * trusts the root has borne that so far, and our certificate under it adds nothing. */
static enum edge_code read_key(const char *homedir, const struct chain *root, struct secret *ret,
                               struct edge_error *err) {
    struct buf text, spki;
    buf_init_sensitive(&text, X509_PEM_MAX);
    buf_init(&spki, X509_SPKI_MAX);
    enum edge_code code =
        legacy_files_read(homedir, LEGACY_FILES_CERT_KEY_DIR, KEY_FILE, false, &text, err);
    if (code == EDGE_OK) {
        code = x509_key_read(buf_slice(&text), ret, &spki, err);
        code = code == EDGE_OK ? code : edge_wrap(err, code, "reading " KEY_NAME);
    }
    if (code == EDGE_OK && !slice_eq(buf_slice(&spki), slice_make(root->spki, root->spki_len))) {
        code = edge_set(err, EDGE_CONFLICT, KEY_NAME " is not that of its root");
    }
    buf_clear(&text);
    buf_clear(&spki);
    return code;
}

static enum edge_code sign(const struct chain *root, const struct issue_request *request,
                           const struct secret *key, struct buf *ret_cross_pem,
                           struct buf *ret_root_pem, struct edge_error *err) {
    const struct issue_signer signer = {.key_pkcs8 = key};
    size_t before = ret_cross_pem->len;
    enum edge_code code = issue_cert(request, &signer, ret_cross_pem, NULL, err);
    if (code == EDGE_OK) {
        code = buf_append_slice(ret_root_pem, buf_slice(&root->pem), err);
        if (code != EDGE_OK) {
            buf_truncate(ret_cross_pem, before);
        }
    }
    return code;
}

enum edge_code legacy_cross_sign(const char *homedir, struct slice owner_spki,
                                 struct slice owner_common_name, int64_t now_wall_s,
                                 int64_t not_after_wall_s, struct buf *ret_cross_pem,
                                 struct buf *ret_root_pem, struct edge_error *err) {
    struct secret key SECRET_CLEANUP = {0};
    struct chain root = {0};
    enum edge_code code = read_root(homedir, now_wall_s, &root, err);
    if (code == EDGE_OK) {
        code = read_key(homedir, &root, &key, err);
    }
    if (code == EDGE_OK) {
        const struct issue_request request = {.kind = PROFILE_CROSS_CA,
                                              .common_name = owner_common_name,
                                              .spki_der = owner_spki,
                                              .issuer_pem = buf_slice(&root.pem),
                                              .not_before_wall_s = root.certs[0].not_before_wall_s,
                                              .not_after_wall_s = not_after_wall_s};
        code = sign(&root, &request, &key, ret_cross_pem, ret_root_pem, err);
    }
    chain_clear(&root);
    return code == EDGE_OK ? code : edge_wrap(err, code, "carrying on the root of release 1.1");
}
