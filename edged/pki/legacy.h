/* SPDX-License-Identifier: MIT */
/*
 * The certificates that release 1.1 made for itself ("quickstart"). Leaf devices trust its root;
 * its key, RSA-4096 in a plain file, signs one last certificate: one for our owner CA under that
 * root. Served along with our chain, and the root with the trust bundle, they let those devices go
 * on until the root expires, and no old key needs to live on. Files of 1.1 count as hostile and are
 * only read. Worker thread (blocking).
 */
#ifndef PKI_LEGACY_H
#define PKI_LEGACY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether 1.1 left a root with its key. */
bool legacy_exists(const char *homedir);

/* Signs for our owner CA: its public key and its common name. The certificate is valid from
 * the root's begin, so that a clock that is ahead now does not leave a gap, to not_after_wall_s or
 * the root's end. Appends both certificates in PEM. Errors:
 * NOT_FOUND (1.1 left no such root or no key of it, or what it left are not its quickstart
 * certificates), RANGE (the root has expired), RETRY (it is not valid yet: so the clock is wrong),
 * PARSE, CONFLICT (key and root do not fit), DENIED, INVALID, IO, NOMEM, CRYPTO; then neither
 * buffer has changed. All but RETRY, IO, NOMEM and CRYPTO are final: there is nothing to carry
 * on. */
enum edge_code legacy_cross_sign(const char *homedir, struct slice owner_spki,
                                 struct slice owner_common_name, int64_t now_wall_s,
                                 int64_t not_after_wall_s, struct buf *ret_cross_pem,
                                 struct buf *ret_root_pem, struct edge_error *err) EDGE_NODISCARD;

#endif
