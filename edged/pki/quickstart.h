/* SPDX-License-Identifier: MIT */
/*
 * A chain of our own: owner CA (root), device CA, workload CA, with the names of release 1.1's.
 * Worker thread.
 */
#ifndef PKI_QUICKSTART_H
#define PKI_QUICKSTART_H

#include "base/error.h"
#include "hsm/hsm.h"
#include "pki/authorities.h"
#include "pki/renew.h"

#include <stdint.h>

#define QUICKSTART_DEVICE_NAME   "Test Edge Device CA"
#define QUICKSTART_WORKLOAD_NAME "iotedged workload ca"

struct quickstart {
    struct hsm *hsm;
    const char *homedir; /* where release 1.1 kept its root */
    int64_t life_s;
    int64_t now_wall_s;
    bool clock_is_trusted; /* else release 1.1's root is not given up for having expired */
};

/* Whether this key of the key store is there and the certificate is its own. Errors: those of
 * hsm_key_get, without NOT_FOUND and PARSE. */
enum edge_code quickstart_has_key(struct hsm *hsm, const struct authority *a, bool *ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Prepares *a, a copy, for a chain of our own: an operator's CA, if there was one, is forgotten but
 * for what modules still need to know. */
enum edge_code quickstart_leave_operator(const struct quickstart *q, struct authorities *a,
                                         struct edge_error *err) EDGE_NODISCARD;

/* Carries out the plan on *a, a copy. On failure *a is half changed; keys that it names and that
 * the original does not are the caller's to drop. ret_note receives what an operator should know
 * ("": nothing). */
enum edge_code quickstart_carry_out(const struct quickstart *q, const struct renew_plan *plan,
                                    struct authorities *a, char ret_note[EDGE_ERROR_TEXT_MAX],
                                    struct edge_error *err) EDGE_NODISCARD;

#endif
