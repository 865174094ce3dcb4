/* SPDX-License-Identifier: MIT */
/*
 * External provisioning: a service on this device or in its network that knows the hub, the device
 * id and the credential (API version 2019-04-10). One request in, one typed answer out, no policy.
 * Loop thread only.
 */
#ifndef CLOUD_EXTERNAL_H
#define CLOUD_EXTERNAL_H

#include "base/error.h"
#include "base/slice.h"
#include "cloud/cloud.h"
#include "cloud/reply.h"
#include "loop/op.h"

#include <stdint.h>

#define EXTERNAL_API_VERSION        "2019-04-10"
#define EXTERNAL_TIMEOUT_MS         60000
#define EXTERNAL_STALL_MS           30000
#define EXTERNAL_RETRY_AFTER_MAX_MS 3600000
#define EXTERNAL_BODY_MAX           (256 * 1024) /* bytes of an answer */
#define EXTERNAL_KEY_MAX            128          /* bytes of a symmetric key */
#define EXTERNAL_PEM_MAX            (64 * 1024)  /* bytes of a certificate chain or a private key */
#define EXTERNAL_REF_MAX            1024         /* bytes of a reference to a file or a key */
#define EXTERNAL_HOST_MAX           259          /* DNS name, colon, port */
#define EXTERNAL_ID_MAX             128

/* Borrowed for the life of the object, which outlives its calls. */
struct external {
    const struct cloud *cloud;
    const char *endpoint; /* "http://host[:port][/]" or "unix:///path" */
};

enum external_kind {
    EXTERNAL_OK,
    EXTERNAL_WAITING,   /* the service says that the device is not assigned yet (RETRY) */
    EXTERNAL_REFUSED,   /* the service says failed or disabled, or answers 4xx (REMOTE, DENIED,
                           NOT_FOUND) */
    EXTERNAL_UNUSABLE,  /* an answer that misses something or holds what cannot be used (PROTO):
                           repeats until somebody mends the service */
    EXTERNAL_TRANSIENT, /* 5xx, 408, 429, network, time-out, not JSON, memory, cancelled */
};

enum external_auth {
    EXTERNAL_AUTH_KEY,  /* symmetric-key */
    EXTERNAL_AUTH_X509, /* x509 */
};

struct external_answer {
    enum external_kind kind;
    enum edge_code code;       /* OK with EXTERNAL_OK; else what err says */
    struct edge_error err;     /* helpful text */
    char said[REPLY_SAID_MAX]; /* the service's message, cleaned and cut */
    int http_status;           /* 0: no answer */
    uint32_t retry_after_ms;   /* 0: none given */
    /* external_get, EXTERNAL_OK: */
    char hub[EXTERNAL_HOST_MAX + 1];
    char device_id[EXTERNAL_ID_MAX + 1];
    enum external_auth auth;
    bool is_in_hsm; /* source "hsm": nothing comes along, the credential is on this device */
    /* source "payload"; secrets, decoded; valid during the callback */
    struct slice key;      /* AUTH_KEY: 1 to EXTERNAL_KEY_MAX bytes */
    struct slice cert_pem; /* AUTH_X509: chain, leaf first */
    struct slice key_pem;
    /* source "hsm", AUTH_X509: where they are, as the service names them: a path or a URI */
    char cert_ref[EXTERNAL_REF_MAX + 1];
    char key_ref[EXTERNAL_REF_MAX + 1];
    char status[32];    /* cleaned; "" when the service sent none */
    char substatus[64]; /* the same */
};

typedef void external_done_fn(void *data, const struct external_answer *answer);

/* GET /device/provisioninginformation. done runs once, later; after op_cancel with kind TRANSIENT
 * and code CANCELED. ret_op may be NULL. Errors: INVALID for an endpoint that is neither of the two
 * forms, BUSY, NOMEM. */
enum edge_code external_get(const struct external *x, external_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* POST /device/reprovision: tells the service that the device wants to be provisioned anew. Only
 * the kind, the error and the status of the answer mean something. */
enum edge_code external_reprovision(const struct external *x, external_done_fn *done, void *data,
                                    struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

#endif
