/* SPDX-License-Identifier: MIT */
/*
 * The two HTTP services of the daemon and what their handlers work on. Handlers decode, call,
 * encode: they hold no state of their own.
 */
#ifndef API_API_H
#define API_API_H

#include "api/host_disks.h"
#include "api/host_facts.h"
#include "api/host_usage.h"
#include "config/config.h"
#include "hsm/hsm.h"
#include "http/http_server.h"
#include "identity/identities.h"
#include "identity/module_key.h"
#include "loop/loop.h"
#include "loop/wall.h"
#include "loop/worker.h"
#include "provisioning/provisioning.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#define API_SIGN_DEADLINE_MS    20000 /* below the 60 s of the C SDK, above a slow TPM's queue */
#define API_CERT_DEADLINE_MS    50000 /* the first one may wait for all authorities to be made */
#define API_HUB_DEADLINE_MS     120000
#define API_DEADLINE_MS         30000
#define API_MODULES_DEADLINE_MS 60000 /* calls of the Engine, each with a time of its own */
/* Of what changes modules. The work itself has no end set: it may wait for a module that takes its
 * time to stop, or for an image on a slow line. */
#define API_CHANGE_DEADLINE_MS 3600000
#define API_TOKEN_LIFE_MAX_S   86400
#define API_NODES_MAX          64 /* JSON values in the body of a sign or an identity request */

struct module_crypt;
struct pki;

/* Borrowed by the services for their life. */
struct api {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;   /* for jobs of the worker */
    struct wall *wall; /* NULL: the clock is taken as it is */
    struct runtime *runtime;
    struct module_ops *module_ops;
    struct module_keys *module_keys;
    struct identities *identities;
    struct provisioning *provisioning;
    struct pki *pki;
    struct module_crypt *crypt;
    const struct edge_config *config;
    void (*store_changed)(void *data); /* the sealed store was opened, bound, given up; or NULL */
    void *store_changed_data;
    /* How edgeAgent fares, in a word, and in `out` what is wrong; or NULL. */
    const char *(*describe_agent)(void *data, char *out, size_t out_size);
    void *describe_agent_data;
    const struct host_facts *host;
    struct host_disks *disks;
    struct host_cpu cpu;    /* the last look at it */
    unsigned resources_cnt; /* requests for GET /systeminfo/resources under way */
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
    const void *about; /* the handler's own, such as what to say of a failure; lives for good */
};

/* about may be NULL. NULL when memory is short; the exchange has then been answered. */
struct api_pending *api_pending_new(struct http_exchange *x, const void *about);

/* False when nobody waits for p any more. */
bool api_pending_is_live(const struct api_pending *p);

/* Releases p; returns the exchange, or NULL when the client has gone or was answered by the
 * deadline. */
struct http_exchange *api_pending_take(struct api_pending *p);

/* Handlers, one file per subject. */
void workload_sign(struct http_exchange *x);
void workload_encrypt(struct http_exchange *x);
void workload_decrypt(struct http_exchange *x);
void workload_server_cert(struct http_exchange *x);
void workload_identity_cert(struct http_exchange *x);
void workload_trust_bundle(struct http_exchange *x);
void workload_manifest_trust_bundle(struct http_exchange *x);
void mgmt_modules_list(struct http_exchange *x); /* on both sockets */
void mgmt_modules_create(struct http_exchange *x);
void mgmt_modules_prepare_update(struct http_exchange *x);
void mgmt_modules_update(struct http_exchange *x);
void mgmt_modules_get(struct http_exchange *x);
void mgmt_modules_start(struct http_exchange *x);
void mgmt_modules_stop(struct http_exchange *x);
void mgmt_modules_restart(struct http_exchange *x);
void mgmt_modules_delete(struct http_exchange *x);
void mgmt_modules_logs(struct http_exchange *x);
void mgmt_identities_list(struct http_exchange *x);
void mgmt_identities_create(struct http_exchange *x);
void mgmt_identities_update(struct http_exchange *x);
void mgmt_identities_delete(struct http_exchange *x);
void mgmt_system_info(struct http_exchange *x);
void mgmt_system_resources(struct http_exchange *x);
void mgmt_support_bundle(struct http_exchange *x);
void mgmt_device_reprovision(struct http_exchange *x);
void mgmt_status(struct http_exchange *x);
void mgmt_reprovision(struct http_exchange *x);
void mgmt_key_add(struct http_exchange *x);
void mgmt_key_remove(struct http_exchange *x);
void mgmt_ca_key_add(struct http_exchange *x);
void mgmt_seal_get(struct http_exchange *x);
void mgmt_seal_change(struct http_exchange *x);
void mgmt_token(struct http_exchange *x);

#endif
