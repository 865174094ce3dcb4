/*
 * IoT Hub identity registry over HTTPS, seen by one device: its module identities. One request in, one
 * typed answer out, no policy. Loop thread only.
 */
#ifndef CLOUD_HUB_H
#define CLOUD_HUB_H

#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"
#include "hsm/hsm.h"
#include "loop/http_client.h"
#include "loop/op.h"
#include "loop/worker.h"

#include <stdint.h>

#define HUB_API_VERSION  "2017-11-08-preview"
#define HUB_TIMEOUT_MS   60000
#define HUB_MODULES_MAX  128 /* the service allows 50 per device */
#define HUB_ID_MAX       128 /* bytes of a module id */

struct hub;

enum hub_auth {
    HUB_AUTH_NONE,
    HUB_AUTH_SAS,
    HUB_AUTH_X509,
    HUB_AUTH_OTHER,
};

struct hub_module {
    char module_id[HUB_ID_MAX + 1];
    char managed_by[HUB_ID_MAX + 1]; /* "" when the hub has none */
    char generation_id[64];
    enum hub_auth auth;
};

enum hub_kind {
    HUB_OK,
    HUB_REFUSED,   /* 401, 403: credential, clock, or the device is disabled */
    HUB_NOT_FOUND, /* 404 */
    HUB_CONFLICT,  /* 409: exists */
    HUB_STALE,     /* 412 */
    HUB_THROTTLED, /* 429 */
    HUB_INVALID,   /* other 4xx */
    HUB_TRANSIENT, /* 5xx, network, time-out, unreadable answer */
    HUB_LOCAL,     /* our side: no identity yet, HSM, memory */
};

struct hub_answer {
    enum hub_kind kind;
    struct edge_error err;   /* text says what the hub said and what it means */
    int http_status;         /* 0: no answer */
    uint32_t retry_after_ms;
    int64_t date_wall_s;
    const struct hub_module *modules; /* list: all; get, create, update: one; valid during the callback */
    size_t module_cnt;
};

typedef void hub_done_fn(void *data, const struct hub_answer *answer);

enum edge_code hub_new(struct http_client *http, struct worker *w, struct hsm *h, struct hub **ret,
                       struct edge_error *err) EDGE_NODISCARD;
void hub_free(struct hub *hub); /* no request may be in flight */

/* The identity that later requests use. hub_host may carry ":port". Copied. */
enum edge_code hub_set_identity(struct hub *hub, const char *hub_host, const char *device_id,
                                uint64_t key_generation, struct edge_error *err) EDGE_NODISCARD;

/* Requests: done runs once, later. Every request carries a fresh token. Without an identity the call fails
 * with RETRY. */
enum edge_code hub_list(struct hub *hub, hub_done_fn *done, void *data, struct op *ret_op,
                        struct edge_error *err) EDGE_NODISCARD;
enum edge_code hub_get(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                       struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* What a PUT says about the identity. keys NULL: authentication "none"; else two 32 byte keys, copied into
 * wiped memory. managed_by NULL: left out. */
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
