/* SPDX-License-Identifier: MIT */
/*
 * IoT Hub identity registry over HTTPS, seen by one device: its module identities. One request in,
 * one typed answer out, no policy. Loop thread only.
 */
#ifndef CLOUD_HUB_H
#define CLOUD_HUB_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "cloud/cloud.h"
#include "cloud/proof.h"
#include "cloud/reply.h"
#include "loop/op.h"

#include <stdint.h>

#define HUB_API_VERSION        "2017-11-08-preview"
#define HUB_TIMEOUT_MS         60000
#define HUB_STALL_MS           30000
#define HUB_RETRY_AFTER_MAX_MS 3600000
#define HUB_BODY_MAX           (512 * 1024) /* bytes of an answer */
#define HUB_MODULES_MAX        128          /* the service allows 50 per device */
#define HUB_ID_MAX             128          /* bytes of a module or device id */
#define HUB_HOST_MAX           259          /* DNS name, colon, port */
#define HUB_GENERATION_MAX     63           /* bytes of a generation id */
#define HUB_KEY_LEN            32           /* bytes of a module key */

struct hub;

enum hub_auth {
    HUB_AUTH_NONE,
    HUB_AUTH_SAS,
    HUB_AUTH_X509,
    HUB_AUTH_OTHER,
};

struct hub_module {
    char module_id[HUB_ID_MAX + 1];
    char managed_by[HUB_ID_MAX + 1];            /* "" when the hub has none */
    char generation_id[HUB_GENERATION_MAX + 1]; /* "" when the hub sent none */
    enum hub_auth auth;
};

enum hub_kind {
    HUB_OK,
    HUB_REFUSED,   /* 401, 403: credential, clock, or the device is disabled (err: DENIED) */
    HUB_NOT_FOUND, /* 404 (NOT_FOUND) */
    HUB_CONFLICT,  /* 409: exists (EXISTS) */
    HUB_STALE,     /* 412 (CONFLICT) */
    HUB_THROTTLED, /* 429, and 403 for an exhausted quota (RETRY) */
    HUB_INVALID,   /* other 4xx (REMOTE) */
    HUB_TRANSIENT, /* 5xx, network, time-out, unreadable answer (RETRY, NET, TIMEOUT, PROTO) */
    HUB_LOCAL,     /* our side: HSM, memory, cancelled (code as it came) */
};

struct hub_answer {
    enum hub_kind kind;
    struct edge_error err;     /* text says what the hub said and what it means */
    char said[REPLY_SAID_MAX]; /* the hub's message, cleaned and cut; also at the end of err's text
                                */
    int http_status;           /* 0: no answer */
    uint32_t retry_after_ms;   /* 0: none given; at most HUB_RETRY_AFTER_MAX_MS */
    int64_t date_wall_s;       /* Date of the verified peer, 0: none */
    uint64_t identity_serial;  /* of the identity that the request was made with */
    bool is_device_unknown;    /* NOT_FOUND: it is the device that is unknown, not a module */
    const struct hub_module
        *modules; /* list: all; get, create, update: one; valid during the callback */
    size_t module_cnt;
};

/* Whether the device's own credential is no good: the hub refused it or does not know the device,
 * or the key store cannot use the key, as after the TPM was cleared. */
static inline bool hub_answer_is_device_refused(const struct hub_answer *a) {
    return a->kind == HUB_REFUSED || a->is_device_unknown ||
           (a->kind == HUB_LOCAL && a->err.code == EDGE_DENIED);
}

typedef void hub_done_fn(void *data, const struct hub_answer *answer);

/* c is copied, its parts are borrowed. Errors: NOMEM. */
enum edge_code hub_new(const struct cloud *c, struct hub **ret,
                       struct edge_error *err) EDGE_NODISCARD;
void hub_free(struct hub *hub); /* no request may be in flight; NULL allowed */

/* The identity that later requests use; those in flight keep theirs. hub_host may carry ":port".
 * serial: the caller's number for this identity, which answers carry back. Names and source are
 * copied, a certificate is kept until neither the identity nor a request uses it. Errors: INVALID
 * when a name or the source is not usable, the identity then stays as it was. */
enum edge_code hub_set_identity(struct hub *hub, const char *hub_host, const char *device_id,
                                const struct proof_source *from, uint64_t serial,
                                struct edge_error *err) EDGE_NODISCARD;

/* What the requests of all callers show about the device's own credential, told right before the
 * request's own done: accepted with the first success of an identity's serial and with the first
 * after each refusal; refused for each answer that hub_answer_is_device_refused holds for. fn may
 * call hub_set_identity. One listener; NULL: none. */
void hub_on_verdict(struct hub *hub,
                    void (*fn)(void *data, bool accepted, const struct hub_answer *answer),
                    void *data);

/* Requests: done runs once, later; after op_cancel with HUB_LOCAL and code CANCELED. Every request
 * is made with a fresh proof; a 401 is answered once with another, made after the clock was told
 * the hub's time, before it counts. ret_op may be NULL. Errors: RETRY without an identity or while
 * no token can be minted (proof_make), INVALID for a module id that no hub would take, BUSY, NOMEM.
 * An OK answer to get, create and update is about
 * the module that was asked for. Keys that an answer carries are not kept. */
enum edge_code hub_list(struct hub *hub, hub_done_fn *done, void *data, struct op *ret_op,
                        struct edge_error *err) EDGE_NODISCARD;
enum edge_code hub_get(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                       struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* What a PUT says about the identity. primary and secondary NULL: authentication "none"; else two
 * keys of HUB_KEY_LEN bytes, copied into wiped memory. managed_by NULL: left out. */
struct hub_module_spec {
    const char *module_id;
    const char *managed_by;
    const struct secret *primary;
    const struct secret *secondary;
};

/* PUT without If-Match: an existing module is HUB_CONFLICT. */
enum edge_code hub_create(struct hub *hub, const struct hub_module_spec *spec, hub_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* PUT with If-Match: *. */
enum edge_code hub_update(struct hub *hub, const struct hub_module_spec *spec, hub_done_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* DELETE with If-Match: *. */
enum edge_code hub_delete(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                          struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

#endif
