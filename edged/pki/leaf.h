/* SPDX-License-Identifier: MIT */
/*
 * Certificates of modules: TLS server and module identity (client), each with a new key and its
 * chain. Worker thread, but for the checks.
 */
#ifndef PKI_LEAF_H
#define PKI_LEAF_H

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/x509.h"
#include "pki/issue.h"
#include "pki/leaf_key.h"

#include <stdint.h>

#define LEAF_CHAIN_MAX (X509_PEM_MAX + ISSUE_PEM_MAX) /* bytes */

/* The CA that signs leaves, made ready. */
struct leaf_issuer;

/* chain_pem: the issuer's certificate, then what follows it in the chains given out; copied.
 * key_name: its key in the HSM; copied. hsm is borrowed until leaf_issuer_free. Errors: as
 * issue_issuer_new. */
enum edge_code leaf_issuer_new(struct slice chain_pem, struct hsm *hsm, const char *key_name,
                               struct leaf_issuer **ret, struct edge_error *err) EDGE_NODISCARD;
void leaf_issuer_free(struct leaf_issuer *i);

struct leaf_server_request {
    struct slice common_name; /* host name or IP address: the first subject alternative name */
    struct slice module_id;   /* sanitized: the second */
    int64_t now_wall_s;
    int64_t not_after_wall_s;
};

struct leaf_identity_request {
    struct slice module_id, hub, device_id; /* azureiot://hub/devices/device/modules/module */
    int64_t now_wall_s;
    int64_t not_after_wall_s;
};

struct leaf {
    struct secret key_pem;
    struct buf chain_pem; /* leaf, then the issuer's chain */
    int64_t not_after_wall_s;
};

/* Names only; any thread, pure. The functions below check them as well. Errors: INVALID with the
 * reason. */
enum edge_code leaf_check_server(const struct leaf_server_request *r,
                                 struct edge_error *err) EDGE_NODISCARD;
enum edge_code leaf_check_identity(const struct leaf_identity_request *r,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Make key and certificate. key: one that was prepared, or an empty one: then it is made here, of
 * this type. It is empty afterwards; after a failure it may be there, for another try, and is the
 * caller's to clear. Errors: INVALID (names, dates), as issue_cert, as leaf_key_make. */
enum edge_code leaf_server(struct leaf_issuer *i, const struct leaf_server_request *r,
                           enum leaf_key_type type, struct leaf_key *key, struct leaf *ret,
                           struct edge_error *err) EDGE_NODISCARD;
enum edge_code leaf_identity(struct leaf_issuer *i, const struct leaf_identity_request *r,
                             enum leaf_key_type type, struct leaf_key *key, struct leaf *ret,
                             struct edge_error *err) EDGE_NODISCARD;

/* Wipes the key; idempotent, NULL allowed. */
void leaf_clear(struct leaf *leaf);

#endif
