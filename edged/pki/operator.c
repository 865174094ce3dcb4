/* SPDX-License-Identifier: MIT */
/*
 * Files that people and deployment tools replace one after the other, while they are in use: so
 * they are read and checked together, and nothing is taken over by halves. A key file is read for
 * each signature and never kept, so that a key which has been imported or taken away is not used
 * on.
 */
#include "pki/operator.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/x509_key.h"
#include "pki/ca_make.h"
#include "pki/pki.h"
#include "pki/quickstart.h"
#include "pki/renew.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void look_at(const char *path, struct operator_look *l, size_t i) {
    struct stat st;
    if (path == NULL) {
        return;
    }
    if (stat(path, &st) != 0) {
        l->files[i].error = errno;
        return;
    }
    l->files[i].stat = st;
}

void operator_look(const struct operator_files *f, struct operator_look *ret) {
    memset(ret, 0, sizeof(*ret));
    look_at(f->cert, ret, 0);
    look_at(f->key, ret, 1);
    look_at(f->bundle, ret, 2);
}

bool operator_look_eq(const struct operator_look *a, const struct operator_look *b) {
    for (size_t i = 0; i < EDGE_ARRAY_LEN(a->files); i++) {
        if (a->files[i].error != b->files[i].error ||
            !fs_is_unchanged(&a->files[i].stat, &b->files[i].stat)) {
            return false;
        }
    }
    return true;
}

void operator_ca_clear(struct operator_ca *c) {
    chain_clear(&c->chain);
    buf_clear(&c->bundle);
    buf_clear(&c->anchor);
}

/* What speaks of a file is the operator's to mend. */
static enum edge_code read_file(const char *path, const char *what, struct buf *out,
                                struct edge_error *err) {
    struct edge_error why = {0};
    enum edge_code code = fs_read_path(path, out, &why);
    if (code == EDGE_OK || code == EDGE_NOMEM) {
        return code == EDGE_OK ? code : edge_set(err, code, "%s", edge_error_text(&why));
    }
    return edge_set(err, EDGE_CONFIG, "%s (certificates in config.yaml): %s", what,
                    edge_error_text(&why));
}

enum edge_code operator_read_bundle(const struct operator_files *f, struct buf *ret,
                                    struct edge_error *err) {
    buf_clear(ret);
    buf_init(ret, PKI_BUNDLE_MAX);
    enum edge_code code = read_file(f->bundle, "trusted_ca_certs", ret, err);
    return code == EDGE_OK ? chain_check_bundle(buf_slice(ret), f->bundle, err) : code;
}

static enum edge_code read_chain(const struct operator_files *f, struct chain *ret,
                                 struct edge_error *err) {
    struct buf pem EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&pem, CHAIN_PEM_MAX);
    enum edge_code code = read_file(f->cert, "device_ca_cert", &pem, err);
    code = code != EDGE_OK ? code : chain_read(buf_slice(&pem), f->cert, ret, err);
    if (code == EDGE_PARSE || code == EDGE_RANGE || code == EDGE_CONFLICT) {
        code = edge_set(err, EDGE_CONFIG, "%s", err != NULL ? err->text : "");
    }
    return code;
}

/* A device CA's key as it is in its file. */
struct file_key {
    struct secret pkcs8;
    struct buf spki;
};

static void file_key_clear(struct file_key *k) {
    secret_clear(&k->pkcs8);
    buf_clear(&k->spki);
}

/* NOT_FOUND when there is no such file: then the key must have been imported. */
static enum edge_code read_key_text(const char *path, struct buf *ret, struct edge_error *err) {
    struct edge_error why = {0};
    enum edge_code code = path != NULL ? fs_read_path(path, ret, &why)
                                       : edge_set(&why, EDGE_NOT_FOUND, "device_ca_pk is not set");
    /* 'iotedge tpm import-ca --delete' overwrites the bytes before the name goes. */
    if (code == EDGE_OK && ret->len > 0 && ret->data[0] == '\0') {
        code = edge_set(&why, EDGE_NOT_FOUND, "'%s' has been wiped", path);
    }
    if (code == EDGE_OK) {
        return EDGE_OK;
    }
    return edge_set(err, code == EDGE_NOT_FOUND || code == EDGE_NOMEM ? code : EDGE_CONFIG,
                    "device_ca_pk: %s", edge_error_text(&why));
}

/* subject: of the certificate that it should fit. *ret is zero-initialised. */
static enum edge_code read_key_file(const char *path, const char *subject, struct file_key *ret,
                                    struct edge_error *err) {
    struct edge_error why = {0};
    struct buf pem EDGE_CLEANUP(buf_clear) = {0};
    buf_init_sensitive(&pem, OPERATOR_KEY_PEM_MAX);
    buf_init(&ret->spki, X509_SPKI_MAX);
    enum edge_code code = read_key_text(path, &pem, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = x509_key_read(buf_slice(&pem), &ret->pkcs8, &ret->spki, &why);
    if (code == EDGE_PARSE || code == EDGE_RANGE) {
        return edge_set(err, EDGE_CONFIG, "'%s', the key of certificate '%.64s': %s", path, subject,
                        edge_error_text(&why));
    }
    return code == EDGE_OK ? code : edge_set(err, code, "'%s': %s", path, edge_error_text(&why));
}

static enum edge_code check_imported(const struct operator_files *f, struct hsm *hsm,
                                     struct operator_ca *ret, struct edge_error *err) {
    char label[X509_KEY_LABEL];
    struct hsm_key key;
    struct slice spki = slice_make(ret->chain.spki, ret->chain.spki_len);
    enum edge_code code = x509_key_label(spki, label, err);
    code = code != EDGE_OK ? code : hsm_key_get(hsm, label, &key, err);
    if (code == EDGE_NOT_FOUND || code == EDGE_PARSE ||
        (code == EDGE_OK && !slice_eq(spki, slice_make(key.spki, key.spki_len)))) {
        return edge_set(err, EDGE_CONFIG,
                        "there is no private key for certificate '%.64s' of '%s': put it at '%s', "
                        "or import it with 'iotedge tpm import-ca'",
                        ret->chain.certs[0].subject, f->cert,
                        f->key != NULL ? f->key : "device_ca_pk of config.yaml");
    }
    if (code == EDGE_OK && !slice_to_array(slice_str(label), ret->key, sizeof(ret->key))) {
        code = edge_set(err, EDGE_INTERNAL, "a key name of unexpected length");
    }
    return code;
}

static enum edge_code check_key(const struct operator_files *f, struct hsm *hsm,
                                struct operator_ca *ret, struct edge_error *err) {
    struct file_key key EDGE_CLEANUP(file_key_clear) = {0};
    enum edge_code code = read_key_file(f->key, ret->chain.certs[0].subject, &key, err);
    if (code == EDGE_OK) {
        code = chain_check_key(&ret->chain, f->cert, buf_slice(&key.spki), f->key, err);
    }
    return code == EDGE_NOT_FOUND ? check_imported(f, hsm, ret, err) : code;
}

static int64_t first_end(const struct chain *c) {
    int64_t end = c->certs[0].not_after_wall_s;
    for (size_t i = 1; i < c->cnt; i++) {
        if (!c->certs[i].self_issued && c->certs[i].not_after_wall_s < end) {
            end = c->certs[i].not_after_wall_s;
        }
    }
    return end;
}

static enum edge_code check_left(int64_t ends_wall_s, const char *subject, const char *file,
                                 int64_t now_wall_s, struct edge_error *err) {
    char end[CLOCK_RFC3339_LEN];
    if (ends_wall_s - RENEW_LEAST_LEFT_S >= now_wall_s) {
        return EDGE_OK;
    }
    clock_format_rfc3339(ends_wall_s, end);
    return edge_set(err, EDGE_CONFIG, "'%s': the chain of certificate '%.64s' ends at %s: renew it",
                    file, subject, end);
}

enum edge_code operator_read(const struct operator_files *f, struct hsm *hsm, int64_t now_wall_s,
                             struct operator_ca *ret, struct edge_error *err) {
    enum edge_code code = operator_read_bundle(f, &ret->bundle, err);
    if (code != EDGE_OK || f->cert == NULL) {
        return code;
    }
    buf_init(&ret->anchor, CHAIN_PEM_MAX);
    code = read_chain(f, &ret->chain, err);
    code = code != EDGE_OK ? code : chain_check_ca(&ret->chain, f->cert, err);
    code = code != EDGE_OK ? code : chain_check_time(&ret->chain, now_wall_s, f->cert, err);
    code = code != EDGE_OK ? code : check_key(f, hsm, ret, err);
    code = code != EDGE_OK ? code
                           : chain_check_anchor(&ret->chain, f->cert, buf_slice(&ret->bundle),
                                                f->bundle, now_wall_s, &ret->anchor, err);
    if (code == EDGE_OK) {
        ret->ends_wall_s = first_end(&ret->chain);
        code = check_left(ret->ends_wall_s, ret->chain.certs[0].subject, f->cert, now_wall_s, err);
    }
    return code;
}

static bool text_eq(const char *text, const struct buf *b) {
    return slice_eq(slice_str(text), buf_slice(b));
}

bool operator_is_adopted(const struct operator_ca *c, const struct authorities *a) {
    bool same = text_eq(a->bundle, &c->bundle);
    if (c->chain.cnt == 0) {
        return same;
    }
    return same && a->source == AUTHORITIES_OPERATOR && text_eq(a->anchor, &c->anchor) &&
           text_eq(a->device.pem, &c->chain.pem) && strcmp(a->device.key, c->key) == 0;
}

static enum edge_code set_text(char **text, const struct buf *from, struct edge_error *err) {
    char *copy = slice_dup(buf_slice(from));
    if (copy == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for certificates");
    }
    free(*text);
    *text = copy;
    return EDGE_OK;
}

/* The root that modules verify present certificates with is needed as long as those live. */
static enum edge_code keep_root(struct authorities *a, int64_t now_wall_s, struct edge_error *err) {
    const char *root = a->source == AUTHORITIES_OPERATOR     ? a->anchor
                       : a->source == AUTHORITIES_QUICKSTART ? a->owner.pem
                                                             : NULL;
    const struct authority_root_info info = {
        .source = authorities_source_name(a->source),
        .until_wall_s = renew_root_until(a->workload.cert.not_after_wall_s, now_wall_s)};
    if (root == NULL || !authority_exists(&a->workload)) {
        return EDGE_OK;
    }
    return authority_roots_add(&a->former, slice_str(root), &info, err);
}

static enum edge_code adopt_device(const struct operator_ca *c, int64_t now_wall_s,
                                   struct authorities *a, struct edge_error *err) {
    struct authority device = {.pem = NULL};
    enum edge_code code = EDGE_OK;
    if (a->source != AUTHORITIES_OPERATOR || !text_eq(a->anchor, &c->anchor)) {
        code = keep_root(a, now_wall_s, err);
    }
    code = code != EDGE_OK ? code : set_text(&a->anchor, &c->anchor, err);
    code =
        code != EDGE_OK ? code : authority_set(&device, c->key, buf_slice(&c->chain.pem), "", err);
    if (code == EDGE_OK) {
        device.until_wall_s = c->ends_wall_s;
        authority_clear(&a->device);
        a->device = device;
        a->source = AUTHORITIES_OPERATOR;
    }
    return code;
}

enum edge_code operator_adopt(const struct operator_ca *c, int64_t now_wall_s,
                              struct authorities *a, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    if (c->chain.cnt > 0) {
        code = adopt_device(c, now_wall_s, a, err);
    }
    return code == EDGE_OK ? set_text(&a->bundle, &c->bundle, err) : code;
}

enum edge_code operator_make_workload(const struct operator_files *f, struct hsm *hsm,
                                      int64_t now_wall_s, struct authorities *a,
                                      struct edge_error *err) {
    struct file_key key EDGE_CLEANUP(file_key_clear) = {0};
    struct authority made = {.pem = NULL};
    struct edge_error why = {0};
    struct issue_signer signer = {.hsm = hsm, .key_name = a->device.key};
    enum edge_code code =
        check_left(a->device.until_wall_s, a->device.cert.subject, f->cert, now_wall_s, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (a->device.key[0] == '\0') {
        code = read_key_file(f->key, a->device.cert.subject, &key, &why);
        if (code != EDGE_OK) {
            return edge_set(err, code == EDGE_NOT_FOUND ? EDGE_CONFIG : code, "%s", why.text);
        }
        signer = (struct issue_signer){.key_pkcs8 = &key.pkcs8};
    }
    const struct ca_make m = {.hsm = hsm,
                              .kind = PROFILE_WORKLOAD_CA,
                              .common_name = QUICKSTART_WORKLOAD_NAME,
                              .issuer = &a->device,
                              .signer = &signer,
                              .number = a->next++,
                              .now_wall_s = now_wall_s,
                              .not_after_wall_s = a->device.until_wall_s};
    code = ca_make(&m, &made, err);
    if (code == EDGE_OK) {
        authority_clear(&a->workload);
        a->workload = made;
    } else if (code == EDGE_NOT_FOUND) {
        code = edge_set(err, code,
                        "the private key of the device CA '%.64s' is not in the key store any "
                        "more: import it again with 'iotedge tpm import-ca'",
                        a->device.cert.subject);
    }
    return code;
}
