/* SPDX-License-Identifier: MIT */
/*
 * Messages of the external provisioning service: what its answers mean. Pure.
 */
#ifndef CLOUD_EXTERNAL_JSON_H
#define CLOUD_EXTERNAL_JSON_H

#include "base/buf.h"
#include "cloud/external.h"

enum external_json_ask {
    EXTERNAL_JSON_INFORMATION,
    EXTERNAL_JSON_REPROVISION,
};

/* Where the decoded secrets of an answer live. */
struct external_secrets {
    struct buf key;
    struct buf cert_pem;
    struct buf key_pem;
};

void external_secrets_init(struct external_secrets *s);
void external_secrets_clear(struct external_secrets *s); /* wipes; may be used again */

/* Interprets a complete HTTP answer of any status. Fills all of *ret; its secrets point into
 * *secrets, which is fresh. */
void external_json_answer(const struct external *x, enum external_json_ask ask,
                          const struct reply *reply, struct external_answer *ret,
                          struct external_secrets *secrets);

#endif
