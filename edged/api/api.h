/* SPDX-License-Identifier: MIT */
/*
 * The two HTTP services of the daemon and what their handlers work on. Handlers decode, call,
 * encode: they hold no state of their own.
 */
#ifndef API_API_H
#define API_API_H

#include "config/config.h"
#include "hsm/hsm.h"
#include "http/http_server.h"
#include "identity/identities.h"
#include "identity/module_key.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"
#include "provisioning/provisioning.h"
#include "runtime/runtime.h"

#define API_SIGN_DEADLINE_MS 20000 /* below the 60 s of the C SDK, above a slow TPM's queue */
#define API_HUB_DEADLINE_MS  120000
#define API_DEADLINE_MS      30000
#define API_TOKEN_LIFE_MAX_S 86400
#define API_NODES_MAX        64 /* JSON values in the body of a sign or an identity request */

struct bundle_job;

/* Borrowed by the services for their life. */
struct api {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;   /* for jobs of the worker */
    struct wall *wall; /* NULL: the clock is taken as it is */
    struct runtime *runtime;
    struct module_keys *module_keys;
    struct identities *identities;
    struct provisioning *provisioning;
    const struct edge_config *config;
    struct bundle_job *bundle; /* of workload_certs.c: the read under way that others may share */
};

extern const struct http_route api_workload_routes[];
extern const size_t api_workload_route_cnt;
extern const struct http_route api_mgmt_routes[];
extern const size_t api_mgmt_route_cnt;

/* The api behind an exchange. */
struct api *api_of(const struct http_exchange *x);

/* True when the device has an identity; otherwise answers 503 with the reason and the next try. */
bool api_require_identity(struct http_exchange *x);

/* What a handler keeps while its work is under way elsewhere: enough to find the exchange again, or
 * to learn that it has gone. Released by api_pending_take. */
struct api_pending {
    struct http_server *server;
    struct op exchange;
};

/* NULL when memory is short; the exchange has then been answered. */
struct api_pending *api_pending_new(struct http_exchange *x);

/* False when nobody waits for p any more. */
bool api_pending_is_live(const struct api_pending *p);

/* Releases p; returns the exchange, or NULL when the client has gone or was answered by the
 * deadline. */
struct http_exchange *api_pending_take(struct api_pending *p);

/* Handlers, one file per subject. */
void workload_sign(struct http_exchange *x);
void workload_trust_bundle(struct http_exchange *x);
void mgmt_identities_list(struct http_exchange *x);
void mgmt_identities_create(struct http_exchange *x);
void mgmt_identities_update(struct http_exchange *x);
void mgmt_identities_delete(struct http_exchange *x);
void mgmt_system_info(struct http_exchange *x);
void mgmt_device_reprovision(struct http_exchange *x);
void mgmt_status(struct http_exchange *x);
void mgmt_reprovision(struct http_exchange *x);
void mgmt_key_add(struct http_exchange *x);
void mgmt_key_remove(struct http_exchange *x);
void mgmt_token(struct http_exchange *x);

#endif
