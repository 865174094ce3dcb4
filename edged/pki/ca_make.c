/* SPDX-License-Identifier: MIT */
#include "pki/ca_make.h"

#include "pki/renew.h"

#include <stdio.h>
#include <string.h>

static const char *const prefixes[] = {"owner-ca-", "device-ca-", "workload-ca-"};

bool ca_make_is_name(const char *key_name) {
    for (size_t i = 0; i < EDGE_ARRAY_LEN(prefixes); i++) {
        if (slice_starts_with(slice_str(key_name), prefixes[i])) {
            return true;
        }
    }
    return false;
}

enum edge_code ca_make_owner_name(struct slice spki_der, char ret[CA_MAKE_NAME_MAX],
                                  struct edge_error *err) {
    char hash[SHA256_HEX];
    enum edge_code code = sha256_hex(spki_der, hash, err);
    if (code == EDGE_OK) {
        (void)snprintf(ret, CA_MAKE_NAME_MAX, "Test Edge Owner CA %.8s", hash);
    }
    return code;
}

/* A key of that number is left from a run that was cut short: nothing was ever signed with it that
 * anybody has. */
static enum edge_code make_key(const struct ca_make *m, const char *name, struct hsm_key *ret,
                               struct edge_error *err) {
    enum edge_code code = hsm_key_make(m->hsm, name, ret, err);
    if (code != EDGE_EXISTS) {
        return code;
    }
    code = hsm_key_drop(m->hsm, name, err);
    return code == EDGE_OK ? hsm_key_make(m->hsm, name, ret, err) : code;
}

static enum edge_code sign(const struct ca_make *m, const struct hsm_key *key,
                           struct authority *ret, struct edge_error *err) {
    char owner_name[CA_MAKE_NAME_MAX] = "";
    const char *signer_name = m->issuer != NULL ? m->issuer->key : key->name;
    const struct issue_signer own = {.hsm = m->hsm, .key_name = signer_name};
    const struct slice spki = slice_make(key->spki, key->spki_len);
    int64_t begin = m->now_wall_s - RENEW_BACKDATE_S;
    if (m->issuer != NULL && begin < m->issuer->cert.not_before_wall_s) {
        begin = m->issuer->cert.not_before_wall_s;
    }
    enum edge_code code =
        m->common_name == NULL ? ca_make_owner_name(spki, owner_name, err) : EDGE_OK;
    if (code != EDGE_OK) {
        return code;
    }
    const struct issue_request request = {
        .kind = m->kind,
        .common_name = slice_str(m->common_name != NULL ? m->common_name : owner_name),
        .spki_der = spki,
        .issuer_pem = slice_str(m->issuer != NULL ? m->issuer->pem : NULL),
        .not_before_wall_s = begin,
        .not_after_wall_s = m->not_after_wall_s,
    };
    struct buf pem EDGE_CLEANUP(buf_clear) = {0};
    buf_init(&pem, ISSUE_PEM_MAX);
    code = issue_cert(&request, m->signer != NULL ? m->signer : &own, &pem, NULL, err);
    return code != EDGE_OK ? code
                           : authority_set(ret, key->name, buf_slice(&pem),
                                           m->issuer != NULL ? m->issuer->cert.sha256 : "", err);
}

enum edge_code ca_make(const struct ca_make *m, struct authority *ret, struct edge_error *err) {
    char name[HSM_KEY_NAME_MAX + 1];
    struct hsm_key key;
    (void)snprintf(name, sizeof(name), "%s%llu", prefixes[m->kind], (unsigned long long)m->number);
    enum edge_code code = make_key(m, name, &key, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = sign(m, &key, ret, err);
    if (code != EDGE_OK) {
        struct edge_error dropped;
        if (hsm_key_drop(m->hsm, name, &dropped) != EDGE_OK) {
            /* The next start finds that it belongs to nothing. */
        }
    }
    return code;
}
