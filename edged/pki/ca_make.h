/* SPDX-License-Identifier: MIT */
/*
 * Makes one CA: a key in the key store, and its certificate. Worker thread.
 */
#ifndef PKI_CA_MAKE_H
#define PKI_CA_MAKE_H

#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "pki/authorities.h"
#include "pki/issue.h"
#include "pki/profile.h"

#include <stdint.h>

struct ca_make {
    struct hsm *hsm;
    enum profile_kind kind;
    const char *common_name;        /* NULL: the owner CA's, which has a part of its key's hash */
    const struct authority *issuer; /* NULL: self-signed */
    const struct issue_signer *signer; /* NULL: the issuer's key in the key store, or its own */
    uint64_t number;                   /* of the key */
    int64_t now_wall_s;
    int64_t not_after_wall_s;
};

/* On failure nothing is left over in the key store. *ret is absent before. Errors: those of the key
 * store and of issue_cert. */
enum edge_code ca_make(const struct ca_make *m, struct authority *ret,
                       struct edge_error *err) EDGE_NODISCARD;

/* Whether a key is one of those made here, by its name. */
bool ca_make_is_name(const char *key_name);

/* Common name of the owner CA with this public key. Distinct for each, so that clients which look
 * for issuers by name do not take one for the other. */
#define CA_MAKE_NAME_MAX 48
enum edge_code ca_make_owner_name(struct slice spki_der, char ret[CA_MAKE_NAME_MAX],
                                  struct edge_error *err) EDGE_NODISCARD;

#endif
