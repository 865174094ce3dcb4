/* SPDX-License-Identifier: MIT */
/*
 * Wiring. Start order: loop, worker and key store, cloud clients, identity, runtime, sockets,
 * provisioning. The sockets answer before the TPM or the cloud has been reached. Stop order is the
 * reverse, as a chain of callbacks: each step begins when the one before has nothing in flight any
 * more.
 */
#include "daemon.h"

#include "api/api.h"
#include "api/authz.h"
#include "base/clock.h"
#include "base/log.h"
#include "footprint.h"
#include "identity/reconcile.h"
#include "key_store.h"
#include "listen.h"
#include "loop/http_client.h"
#include "loop/notify.h"
#include "provisioning/provisioning.h"
#include "runtime/docker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define STATE_DIR_MAX    512
#define DRAIN_MS         10000
#define SETTLED_MS       15000 /* from the start to when start-up is over */
#define MGMT_SOCKET_MODE 0660
#define WORK_SOCKET_MODE 0666
#define WORK_CONNS       256 /* of all modules together; each has HTTP_GROUP_CONNS */

struct daemon {
    const struct edge_config *cfg;
    char state_dir[STATE_DIR_MAX];
    char keys_dir[STATE_DIR_MAX];
    struct listen_fds fds;
    struct loop *loop;
    struct loop_timer *settled;
    struct key_store_refresh *refresh;
    struct worker *worker;
    struct hsm *hsm;
    struct http_client *http;
    struct hub *hub;
    struct module_keys *module_keys;
    struct identities identities;
    struct reconcile *reconcile;
    struct runtime *runtime;
    struct authz *authz;
    struct provisioning *provisioning;
    struct api api;
    struct http_service mgmt_service;
    struct http_service work_service;
    struct http_server *mgmt;
    struct http_server *work;
    unsigned draining;
    bool stopping;
};

/* --- Events between subsystems --- */

static void on_identity(void *data, const struct provisioning_result *r, bool moved) {
    struct daemon *d = data;
    struct edge_error err;
    if (moved) {
        log_warn("The device was moved: hub %s, device %s", log_quote_str(r->hub),
                 log_quote_str(r->device_id));
    }
    enum edge_code code = hub_set_identity(d->hub, r->hub, r->device_id, r->key_generation, &err);
    if (code == EDGE_OK) {
        code = reconcile_start(d->reconcile, r->hub, r->device_id, !r->proven, &err);
    }
    if (code != EDGE_OK) {
        log_error("The identity cannot be used: %s", edge_error_text(&err));
    }
}

static void on_status(void *data, const struct provisioning_status *st) {
    (void)data;
    switch (st->state) {
    case PROVISIONING_ASSIGNED:
        notify_send("STATUS=Provisioned");
        break;
    case PROVISIONING_WAITING:
        notify_send(st->has_result ? "STATUS=Serving from the saved identity, cloud not reached"
                                   : "STATUS=Not provisioned, trying again later");
        break;
    case PROVISIONING_STARTING:
    case PROVISIONING_TRYING:
        notify_send(st->has_result ? "STATUS=Serving from the saved identity"
                                   : "STATUS=Provisioning");
        break;
    case PROVISIONING_STOPPED:
        break;
    }
}

static void on_device_key(void *data, bool accepted, const struct hub_answer *answer) {
    struct daemon *d = data;
    if (accepted) {
        provisioning_confirm(d->provisioning, answer->key_generation);
    } else {
        provisioning_refuse(d->provisioning, answer->key_generation, &answer->err);
    }
}

static void on_reconciled(void *data, unsigned cnt) {
    struct daemon *d = data;
    if (cnt > 0) {
        /* The root may have changed while we ran: keys derived before are not the hub's any more.
         */
        module_keys_drop(d->module_keys);
        log_info("The hub holds the current keys of all module identities (%u updated)", cnt);
    }
}

static void on_engine_event(void *data, enum runtime_event event, const char *id) {
    struct daemon *d = data;
    if (d->authz != NULL) {
        authz_on_event(d->authz, event, id);
    }
}

/* A signal that interrupts the wait makes libuv forget how long it had waited, so the turn in which
 * we are told to stop looks long and says nothing. */
static void on_lag(void *data, uint64_t lag_ms) {
    const struct daemon *d = data;
    if (!d->stopping) {
        log_warn("The event loop was held up for %llu ms", (unsigned long long)lag_ms);
    }
}

static void on_settled(void *data) {
    (void)data;
    footprint_trim();
}

/* --- Start --- */

static enum edge_code make_paths(struct daemon *d, struct edge_error *err) {
    int a = snprintf(d->state_dir, sizeof(d->state_dir), "%s/edged", d->cfg->homedir);
    int b = snprintf(d->keys_dir, sizeof(d->keys_dir), "%s/edged/keys", d->cfg->homedir);
    if (a < 0 || b < 0 || (size_t)b >= sizeof(d->keys_dir)) {
        return edge_set(err, EDGE_CONFIG, "homedir '%s' is too long", d->cfg->homedir);
    }
    return EDGE_OK;
}

static enum edge_code open_hsm(struct daemon *d, struct edge_error *err) {
    enum edge_code code = worker_new(d->loop, "hsm", &d->worker, err);
    if (code == EDGE_OK) {
        code = key_store_open(d->cfg, d->keys_dir, &d->hsm, err);
    }
    return code;
}

static enum edge_code open_cloud(struct daemon *d, struct edge_error *err) {
    const struct http_client_options options = {.extra_ca_file = d->cfg->cloud_extra_ca_file,
                                                .user_agent = "edged/" EDGE_VERSION};
    enum edge_code code = http_client_new(d->loop, &options, &d->http, err);
    if (code == EDGE_OK) {
        code = hub_new(d->loop, d->http, d->worker, d->hsm, &d->hub, err);
    }
    return code;
}

static enum edge_code open_identity(struct daemon *d, struct edge_error *err) {
    const struct reconcile_events events = {on_device_key, on_reconciled, d};
    enum edge_code code = module_keys_new(d->loop, d->worker, d->hsm, d->cfg->derived_key_ttl_s,
                                          &d->module_keys, err);
    if (code == EDGE_OK) {
        d->identities = (struct identities){d->hub, d->module_keys, d->loop};
        code = reconcile_new(d->loop, d->worker, d->hsm, &d->identities, d->state_dir, &events,
                             &d->reconcile, err);
    }
    return code;
}

static enum edge_code open_runtime(struct daemon *d, struct edge_error *err) {
    enum edge_code code =
        docker_new(d->loop, d->http, d->cfg->engine.path, on_engine_event, d, &d->runtime, err);
    if (code == EDGE_OK) {
        code = authz_new(d->loop, d->runtime, &d->authz, err);
    }
    return code;
}

static enum edge_code open_provisioning(struct daemon *d, struct edge_error *err) {
    const struct provisioning_deps deps = {d->loop, d->worker, d->hsm,
                                           d->http, d->cfg,    d->state_dir};
    const struct provisioning_events events = {on_identity, on_status, d};
    return provisioning_new(&deps, &events, &d->provisioning, err);
}

static enum edge_code open_service(struct daemon *d, struct http_service *service,
                                   struct http_server **ret, const struct config_uri *uri,
                                   const struct http_listen_options *opt, const char *key,
                                   struct edge_error *err) {
    service->authorize = authz_authorize;
    service->group = authz_group;
    service->data = d->authz;
    service->context = &d->api;
    enum edge_code code = http_server_new(d->loop, service, ret, err);
    if (code == EDGE_OK) {
        code = listen_open(*ret, &d->fds, uri, opt, key, err);
    }
    return code;
}

/* Workload before management: edgeAgent, which is told to start by the latter, needs the former. */
static enum edge_code open_services(struct daemon *d, struct edge_error *err) {
    const struct http_listen_options work = {.mode = WORK_SOCKET_MODE, .max_conns = WORK_CONNS};
    const struct http_listen_options mgmt = {.mode = MGMT_SOCKET_MODE};
    d->api = (struct api){.loop = d->loop,
                          .worker = d->worker,
                          .runtime = d->runtime,
                          .module_keys = d->module_keys,
                          .identities = &d->identities,
                          .provisioning = d->provisioning,
                          .config = d->cfg};
    d->work_service = (struct http_service){
        .name = "work", .routes = api_workload_routes, .route_cnt = api_workload_route_cnt};
    d->mgmt_service = (struct http_service){
        .name = "mgmt", .routes = api_mgmt_routes, .route_cnt = api_mgmt_route_cnt};
    enum edge_code code = open_service(d, &d->work_service, &d->work, &d->cfg->listen_workload,
                                       &work, "listen.workload_uri", err);
    if (code == EDGE_OK) {
        code = open_service(d, &d->mgmt_service, &d->mgmt, &d->cfg->listen_management, &mgmt,
                            "listen.management_uri", err);
    }
    return code;
}

static void on_signal(void *data, int signum);

static enum edge_code build(struct daemon *d, struct edge_error *err) {
    enum edge_code code = make_paths(d, err);
    if (code == EDGE_OK) {
        code = notify_listen_fds(d->fds.items, LISTEN_FDS_MAX, &d->fds.cnt, err);
    }
    if (code == EDGE_OK) {
        code = loop_new(&d->loop, err);
    }
    static enum edge_code (*const steps[])(struct daemon *, struct edge_error *) = {
        open_hsm, open_cloud, open_identity, open_runtime, open_provisioning, open_services};
    for (size_t i = 0; code == EDGE_OK && i < EDGE_ARRAY_LEN(steps); i++) {
        code = steps[i](d, err);
    }
    if (code == EDGE_OK) {
        code = loop_on_signal(d->loop, SIGTERM, on_signal, d, err);
    }
    if (code == EDGE_OK) {
        code = loop_on_signal(d->loop, SIGINT, on_signal, d, err);
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(d->loop, on_settled, d, &d->settled, err);
    }
    if (code == EDGE_OK) {
        loop_timer_start(d->settled, SETTLED_MS);
        loop_on_lag(d->loop, on_lag, d);
        code = provisioning_start(d->provisioning, err);
    }
    if (code == EDGE_OK) {
        key_store_warm_up(d->worker, d->hsm, d->keys_dir);
        code = key_store_refresh_start(d->loop, d->worker, d->hsm, &d->refresh, err);
    }
    return code;
}

/* --- Stop: each step is started by the callback of the one before --- */

static void close_hsm(void *data) {
    struct daemon *d = data;
    hsm_close(d->hsm); /* on the worker thread, the only one that may */
    d->hsm = NULL;
}

static void stop_loop(void *data) {
    struct daemon *d = data;
    loop_stop(d->loop);
}

static void stop_worker(void *data) {
    struct daemon *d = data;
    if (d->worker != NULL) {
        worker_stop(d->worker, close_hsm, stop_loop, d);
    } else {
        stop_loop(d);
    }
}

static void stop_http(void *data) {
    struct daemon *d = data;
    if (d->http != NULL) {
        http_client_close(d->http, stop_worker, d);
    } else {
        stop_worker(d);
    }
}

static void stop_runtime(void *data) {
    struct daemon *d = data;
    if (d->runtime != NULL) {
        runtime_close(d->runtime, stop_http, d);
    } else {
        stop_http(d);
    }
}

static void stop_reconcile(void *data) {
    struct daemon *d = data;
    if (d->reconcile != NULL) {
        reconcile_stop(d->reconcile, stop_runtime, d);
    } else {
        stop_runtime(d);
    }
}

static void stop_provisioning(void *data) {
    struct daemon *d = data;
    if (d->provisioning != NULL) {
        provisioning_stop(d->provisioning, stop_reconcile, d);
    } else {
        stop_reconcile(d);
    }
}

static void on_drained(void *data) {
    struct daemon *d = data;
    if (--d->draining == 0) {
        stop_provisioning(d);
    }
}

static void stop(struct daemon *d) {
    d->stopping = true;
    loop_timer_free(d->settled);
    key_store_refresh_stop(d->refresh);
    notify_watchdog_stop();
    d->draining = 1;
    if (d->mgmt != NULL) {
        d->draining++;
        http_server_drain(d->mgmt, DRAIN_MS, on_drained, d);
    }
    if (d->work != NULL) {
        d->draining++;
        http_server_drain(d->work, DRAIN_MS, on_drained, d);
    }
    on_drained(d);
}

static void on_signal(void *data, int signum) {
    struct daemon *d = data;
    if (d->stopping) {
        return;
    }
    log_info("Stopping on signal %d", signum);
    notify_send("STOPPING=1");
    stop(d);
}

static void release(struct daemon *d) {
    http_server_free(d->mgmt);
    http_server_free(d->work);
    provisioning_free(d->provisioning);
    reconcile_free(d->reconcile);
    authz_free(d->authz);
    runtime_free(d->runtime);
    module_keys_free(d->module_keys);
    hub_free(d->hub);
    http_client_free(d->http);
    worker_free(d->worker);
    hsm_close(d->hsm);
    if (d->loop != NULL) {
        loop_free(d->loop);
    }
}

enum edge_code daemon_run(const struct edge_config *cfg, struct edge_error *err) {
    struct daemon *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    d->cfg = cfg;
    enum edge_code code = build(d, err);
    if (code == EDGE_OK) {
        code = notify_watchdog_start(d->loop, err);
    }
    if (code == EDGE_OK) {
        notify_send("READY=1");
    } else if (d->loop != NULL) {
        stop(d);
    }
    if (d->loop != NULL) {
        loop_run(d->loop);
    }
    release(d);
    free(d);
    if (code == EDGE_OK) {
        log_info("Stopped");
    }
    return code;
}
