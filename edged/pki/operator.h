/* SPDX-License-Identifier: MIT */
/*
 * The operator's CA: the files that config.yaml names, looked at again and again, taken over only
 * when everything fits. Worker thread.
 */
#ifndef PKI_OPERATOR_H
#define PKI_OPERATOR_H

#include "base/buf.h"
#include "base/error.h"
#include "hsm/hsm.h"
#include "pki/authorities.h"
#include "pki/chain.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define OPERATOR_KEY_PEM_MAX 16384 /* bytes of a key file */

/* Paths, each may be NULL. */
struct operator_files {
    const char *cert;   /* certificates.device_ca_cert */
    const char *key;    /* certificates.device_ca_pk */
    const char *bundle; /* certificates.trusted_ca_certs */
};

/* What the files looked like. */
struct operator_look {
    struct {
        int error; /* errno of stat, or 0 */
        struct stat stat;
    } files[3];
};

void operator_look(const struct operator_files *f, struct operator_look *ret);
bool operator_look_eq(const struct operator_look *a, const struct operator_look *b);

/* What the files say. Embedded; operator_ca_clear releases. */
struct operator_ca {
    struct chain chain; /* cnt 0: no device CA is configured, only a bundle */
    struct buf bundle;
    struct buf anchor;              /* of the bundle; empty without a device CA */
    char key[HSM_KEY_NAME_MAX + 1]; /* imported key; "": the key is in its file */
    int64_t ends_wall_s;            /* the certificate of the chain that ends first */
};
void operator_ca_clear(struct operator_ca *c);

/* Reads and checks everything. *ret is zero-initialised. Errors: CONFIG with file, certificate and
 * mend; HSM and the like when the key store does not answer; IO, NOMEM. */
enum edge_code operator_read(const struct operator_files *f, struct hsm *hsm, int64_t now_wall_s,
                             struct operator_ca *ret, struct edge_error *err) EDGE_NODISCARD;

/* Reads the bundle alone. Errors: CONFIG, NOMEM. */
enum edge_code operator_read_bundle(const struct operator_files *f, struct buf *ret,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Puts it into *a, a copy: bundle, device CA, and what has to stay known of what it replaces. */
enum edge_code operator_adopt(const struct operator_ca *c, int64_t now_wall_s,
                              struct authorities *a, struct edge_error *err) EDGE_NODISCARD;

/* Whether *a has all of this already. */
bool operator_is_adopted(const struct operator_ca *c, const struct authorities *a);

/* Makes the workload CA of *a under its device CA. Errors: as ca_make; CONFIG when the key file
 * cannot be used. */
enum edge_code operator_make_workload(const struct operator_files *f, struct hsm *hsm,
                                      int64_t now_wall_s, struct authorities *a,
                                      struct edge_error *err) EDGE_NODISCARD;

#endif
