/* SPDX-License-Identifier: MIT */
/*
 * What a module asks for becomes a request to issue.c. SAN as release 1.1 has it, but for IP
 * addresses, which are given as such, and names that come to nothing, which are left out.
 */
#include "pki/leaf.h"

#include "pki/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct leaf_issuer {
    struct issue_issuer *issuer;
    struct buf chain_pem;
    struct hsm *hsm;
    char key_name[HSM_KEY_NAME_MAX + 1];
    EC_GROUP *p256; /* NULL until used */
};

enum edge_code leaf_issuer_new(struct slice chain_pem, struct hsm *hsm, const char *key_name,
                               struct leaf_issuer **ret, struct edge_error *err) {
    struct leaf_issuer *i = calloc(1, sizeof(*i));
    if (i == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the issuer of certificates");
    }
    i->hsm = hsm;
    buf_init(&i->chain_pem, X509_PEM_MAX);
    enum edge_code code = slice_to_array(slice_str(key_name), i->key_name, sizeof(i->key_name))
                              ? EDGE_OK
                              : edge_set(err, EDGE_INTERNAL, "the name of the key is too long");
    code = code != EDGE_OK ? code : buf_append_slice(&i->chain_pem, chain_pem, err);
    if (code == EDGE_OK && chain_pem.len > 0 && chain_pem.ptr[chain_pem.len - 1] != '\n') {
        code = buf_append_byte(&i->chain_pem, '\n', err);
    }
    code = code != EDGE_OK ? code : issue_issuer_new(chain_pem, &i->issuer, err);
    if (code != EDGE_OK) {
        leaf_issuer_free(i);
        return code;
    }
    *ret = i;
    return EDGE_OK;
}

void leaf_issuer_free(struct leaf_issuer *i) {
    if (i != NULL) {
        issue_issuer_free(i->issuer);
        EC_GROUP_free(i->p256);
        buf_clear(&i->chain_pem);
        free(i);
    }
}

void leaf_clear(struct leaf *leaf) {
    if (leaf != NULL) {
        secret_clear(&leaf->key_pem);
        buf_clear(&leaf->chain_pem);
    }
}

/* Certificate and chain for a key that is there. */
static enum edge_code certify(struct leaf_issuer *i, struct issue_request *r,
                              const struct leaf_key *key, struct leaf *out,
                              struct edge_error *err) {
    const struct issue_signer signer = {.hsm = i->hsm, .key_name = i->key_name};
    r->spki_der = slice_make(key->spki, key->spki_len);
    enum edge_code code =
        issue_cert_under(i->issuer, r, &signer, &out->chain_pem, &out->not_after_wall_s, err);
    return code != EDGE_OK ? code
                           : buf_append_slice(&out->chain_pem, buf_slice(&i->chain_pem), err);
}

static enum edge_code make_key(struct leaf_issuer *i, enum leaf_key_type type, struct leaf_key *ret,
                               struct edge_error *err) {
    return type == LEAF_KEY_P256 ? leaf_key_make_p256(&i->p256, ret, err)
                                 : leaf_key_make(type, ret, err);
}

static enum edge_code make(struct leaf_issuer *i, struct issue_request *r, enum leaf_key_type type,
                           struct leaf_key *key, struct leaf *ret, struct edge_error *err) {
    struct leaf out EDGE_CLEANUP(leaf_clear) = {.not_after_wall_s = 0};
    buf_init(&out.chain_pem, LEAF_CHAIN_MAX);
    enum edge_code code = key->pkcs8_der.len > 0 ? EDGE_OK : make_key(i, type, key, err);
    code = code != EDGE_OK ? code : certify(i, r, key, &out, err);
    code = code != EDGE_OK ? code : leaf_key_pem(key, &out.key_pem, err);
    if (code == EDGE_OK) {
        leaf_key_clear(key);
        *ret = out;
        out = (struct leaf){.not_after_wall_s = 0};
    }
    return code;
}

enum edge_code leaf_check_server(const struct leaf_server_request *r, struct edge_error *err) {
    return names_check_common_name(r->common_name, err);
}

enum edge_code leaf_server(struct leaf_issuer *i, const struct leaf_server_request *r,
                           enum leaf_key_type type, struct leaf_key *key, struct leaf *ret,
                           struct edge_error *err) {
    uint8_t ip[SLICE_IP_MAX];
    size_t ip_len = 0;
    char host[NAMES_COMMON_NAME_MAX + 1];
    char module[NAMES_LABEL_MAX + 1];
    enum edge_code code = leaf_check_server(r, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct issue_request request = {.kind = PROFILE_SERVER,
                                    .common_name = r->common_name,
                                    .not_before_wall_s = r->now_wall_s,
                                    .not_after_wall_s = r->not_after_wall_s};
    if (slice_parse_ip(r->common_name, ip, &ip_len)) {
        request.ip = slice_make(ip, ip_len);
    } else {
        names_lower(r->common_name, host);
        request.dns[0] = slice_str(host);
    }
    names_sanitize(r->module_id, module);
    if (!slice_eq_str(request.dns[0], module)) {
        request.dns[1] = slice_str(module);
    }
    return make(i, &request, type, key, ret, err);
}

enum edge_code leaf_check_identity(const struct leaf_identity_request *r, struct edge_error *err) {
    enum edge_code code = names_check_id(r->module_id, NAMES_COMMON_NAME_MAX, "the module id", err);
    code =
        code != EDGE_OK ? code : names_check_id(r->device_id, NAMES_ID_MAX, "the device id", err);
    if (code == EDGE_OK && !names_is_dns(r->hub)) {
        code = edge_set(err, EDGE_INVALID, "the name of the hub is not a host name");
    }
    return code != EDGE_OK ? code
                           : names_check_id(r->hub, NAMES_ID_MAX, "the name of the hub", err);
}

enum edge_code leaf_identity(struct leaf_issuer *i, const struct leaf_identity_request *r,
                             enum leaf_key_type type, struct leaf_key *key, struct leaf *ret,
                             struct edge_error *err) {
    char uri[NAMES_URI_MAX];
    enum edge_code code = leaf_check_identity(r, err);
    if (code != EDGE_OK) {
        return code;
    }
    int len = snprintf(uri, sizeof(uri), "azureiot://%.*s/devices/%.*s/modules/%.*s",
                       (int)r->hub.len, r->hub.ptr, (int)r->device_id.len, r->device_id.ptr,
                       (int)r->module_id.len, r->module_id.ptr);
    if (len < 0 || (size_t)len >= sizeof(uri)) {
        return edge_set(err, EDGE_INVALID, "the names of hub, device and module are too long");
    }
    struct issue_request request = {.kind = PROFILE_IDENTITY,
                                    .common_name = r->module_id,
                                    .uri = slice_make(uri, (size_t)len),
                                    .not_before_wall_s = r->now_wall_s,
                                    .not_after_wall_s = r->not_after_wall_s};
    return make(i, &request, type, key, ret, err);
}
