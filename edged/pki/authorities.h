/* SPDX-License-Identifier: MIT */
/*
 * What is public about the authorities: certificates, names of keys, roots that clients still need.
 * A value: a change is made on a copy, which takes the place of the old one when it is on disk.
 * Inside pki/ only. Any thread.
 */
#ifndef PKI_AUTHORITIES_H
#define PKI_AUTHORITIES_H

#include "base/error.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "pki/chain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTHORITIES_BEFORE_MAX 3 /* former owner CAs whose keys are kept */
#define AUTHORITIES_ROOTS_MAX  6 /* of each kind of struct authority_root */
#define AUTHORITIES_SOURCE_MAX 16

enum authorities_source {
    AUTHORITIES_NONE,
    AUTHORITIES_QUICKSTART, /* a root of our own */
    AUTHORITIES_OPERATOR,   /* under the operator's device CA */
};

/* A CA that signs. Absent while pem is NULL. */
struct authority {
    char
        key[HSM_KEY_NAME_MAX + 1]; /* in the key store; "": none there, the operator's file is it */
    char *pem;                     /* its certificate first; an operator's with its issuers */
    char issuer_sha256[SHA256_HEX]; /* certificate that it was made under; "": none */
    int64_t until_wall_s;   /* former owner CAs: how long clients need it; an operator's device CA:
                               end of the certificate of its chain that ends first */
    struct chain_cert cert; /* what pem says */
};

/* A certificate that we only hand on. */
struct authority_root {
    char *pem;
    int64_t until_wall_s;
    char source[AUTHORITIES_SOURCE_MAX]; /* as in struct pki_cert_status */
    char by_sha256[SHA256_HEX];          /* cross: the former owner CA; "": another's root */
    struct chain_cert cert;
};

struct authority_roots {
    struct authority_root items[AUTHORITIES_ROOTS_MAX];
    size_t cnt;
};

struct authorities {
    enum authorities_source source;
    uint64_t next;          /* number of the next key */
    bool predecessor_done;  /* nothing of release 1.1 waits to be signed by its root */
    struct authority owner; /* kept, unused, while the source is the operator */
    struct authority before[AUTHORITIES_BEFORE_MAX]; /* former owner CAs, newest first */
    size_t before_cnt;
    struct authority device;
    struct authority workload;
    struct authority_roots cross;  /* our owner CA under former roots; part of the served chain */
    struct authority_roots former; /* roots that are not used any more; part of the bundle */
    char *bundle;                  /* the operator's trust bundle as last accepted, or NULL */
    char *anchor; /* the certificate of it that the operator's chain leads to, or NULL */
};

#define AUTHORITIES_CLEANUP EDGE_CLEANUP(authorities_clear)
void authorities_init(struct authorities *a);
void authorities_clear(struct authorities *a);
enum edge_code authorities_copy(const struct authorities *from, struct authorities *ret,
                                struct edge_error *err) EDGE_NODISCARD;

bool authority_exists(const struct authority *a);

/* Puts a certificate in; issuer NULL: made under none. *a is absent before. Errors: PARSE, NOMEM.
 */
enum edge_code authority_set(struct authority *a, const char *key, struct slice pem,
                             const char *issuer_sha256, struct edge_error *err) EDGE_NODISCARD;
void authority_clear(struct authority *a);

/* Whether a was made under the certificate of issuer. */
bool authority_is_under(const struct authority *a, const struct authority *issuer);

/* Where a certificate to be added comes from, and how long it is needed. */
struct authority_root_info {
    const char *source;
    const char *by_sha256; /* NULL: "" */
    int64_t until_wall_s;
};

/* Adds a certificate; one that is there already only lives longer. The one that ends first makes
 * room. Errors: PARSE, NOMEM. */
enum edge_code authority_roots_add(struct authority_roots *r, struct slice pem,
                                   const struct authority_root_info *info,
                                   struct edge_error *err) EDGE_NODISCARD;
void authority_roots_clear(struct authority_roots *r);

/* Makes the owner CA a former one, needed until then. When there are too many, one that cannot be
 * used at now_wall_s makes room, or the oldest. */
void authorities_retire_owner(struct authorities *a, int64_t until_wall_s, int64_t now_wall_s);

/* Lets the former owner CA i and the present one change places. */
void authorities_swap_owner(struct authorities *a, size_t i, int64_t until_wall_s);

/* Forgets former owner CA i. */
void authorities_forget(struct authorities *a, size_t i);

/* Forgets certificates over other keys than the owner CA's, but for those that cannot be made
 * again. */
void authorities_prune_cross(struct authorities *a);

/* Whether the owner CA has a certificate of this former one that is in force. */
bool authorities_has_cross(const struct authorities *a, const struct authority *by,
                           int64_t now_wall_s);

/* Whether a key of this name belongs to one of the CAs. */
bool authorities_has_key(const struct authorities *a, const char *name);

const char *authorities_source_name(enum authorities_source s); /* "quickstart", ... */

#endif
