/* SPDX-License-Identifier: MIT */
/*
 * The certificates and keys that release 1.1 makes for itself, in hsm/certs and hsm/cert_keys of a
 * state folder of legacy_state.h: root, device CA, workload CA, and two leaves. Extensions as that
 * release sets them.
 */
#ifndef SUPPORT_LEGACY_PKI_H
#define SUPPORT_LEGACY_PKI_H

#include "support/certs.h"
#include "support/tmpdir.h"

#include <stdint.h>

#define LEGACY_PKI_OWNER    "edge_owner_cav0cQJsrFHjxosiOJDer2oKf-O45ZXKVJrO5WFWtFKe0_"
#define LEGACY_PKI_DEVICE   "device_ca_aliasazxVrrdEVxd7kvKvne1pOEyuSHF8EXSowNDhMzl30jI_"
#define LEGACY_PKI_WORKLOAD "iotedged-workload-caGrw6jn-HzmxG8plggnAjPDuGJr0qGW94X1KnqPwU9ng_"
#define LEGACY_PKI_TLS      "iotedge-tlsTLNi220opyZbShBY7-R4NIxntUhft8tKSA59Ln8BbSA_"
#define LEGACY_PKI_FILES    4 /* keys */

#define LEGACY_PKI_CERT(stem) "hsm/certs/" stem ".cert.pem"
#define LEGACY_PKI_KEY(stem)  "hsm/cert_keys/" stem ".key.pem"

struct legacy_pki {
    struct certs_pair root; /* RSA */
    struct certs_pair device;
    struct certs_pair workload;
    struct certs_pair leaf;
};

/* Makes and writes all. path_len: of the root; 3 with release 1.1. */
void legacy_pki_make(struct legacy_pki *ret, const struct tmpdir *home, int path_len,
                     int64_t from_wall_s, int64_t to_wall_s);
void legacy_pki_free(struct legacy_pki *p);

#endif
