/* SPDX-License-Identifier: MIT */
/*
 * Wiring. Start order: loop, worker and key store, clock, certificates, cloud clients, identity,
 * runtime, sockets, provisioning. The sockets answer before the TPM or the cloud has been reached.
 * Stop order is the reverse, as a chain of callbacks: each step begins when the one before has
 * nothing in flight any more.
 */
#include "daemon.h"

#include "base/lock.h"
#include "base/log.h"
#include "daemon_parts.h"
#include "footprint.h"
#include "loop/notify.h"
#include "runtime/docker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS         10000
#define PROXY_TEXT_MAX   320
#define SETTLED_MS       15000 /* from the start to when start-up is over */
#define MGMT_SOCKET_MODE 0660
#define WORK_SOCKET_MODE 0666
#define WORK_CONNS       256 /* of all modules together; each has HTTP_GROUP_CONNS */

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

/* Two daemons, or a command at work on the keys, would undo what the other does. A disk that takes
 * no lock file is no reason to stay away. */
static enum edge_code lock_state(struct daemon *d, struct edge_error *err) {
    enum edge_code code = lock_take(d->state_dir, LOCK_FILE, &d->lock_fd, err);
    if (code == EDGE_CONFLICT) {
        return edge_wrap(err, code, "starting on a state folder that is in use");
    }
    if (code != EDGE_OK) {
        log_warn("The state folder is not locked: %s", edge_error_text(err));
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

static enum edge_code open_wall(struct daemon *d, struct edge_error *err) {
    enum edge_code code = wall_new(d->loop, d->worker, d->state_dir, &d->cloud.wall, err);
    if (code == EDGE_OK) {
        code = wall_on_change(d->cloud.wall, daemon_on_wall, d, err);
    }
    return code;
}

static enum edge_code open_pki(struct daemon *d, struct edge_error *err) {
    const struct pki_deps deps = {.loop = d->loop,
                                  .worker = d->worker,
                                  .hsm = d->hsm,
                                  .wall = d->cloud.wall,
                                  .config = d->cfg,
                                  .state_dir = d->state_dir};
    return pki_new(&deps, &d->pki, err);
}

static void log_proxy(const struct http_client *http) {
    char proxy[PROXY_TEXT_MAX];
    if (http_client_proxy_in_use(http, proxy, sizeof(proxy)) && proxy[0] != '\0') {
        log_info("The cloud is reached through the proxy %s", log_quote_str(proxy));
    }
}

static enum edge_code open_cloud(struct daemon *d, struct edge_error *err) {
    const struct config_provisioning *p = &d->cfg->provisioning;
    const struct http_client_options options = {.extra_ca_file = d->cfg->cloud_extra_ca_file,
                                                .user_agent = "edged/" EDGE_VERSION,
                                                .https_proxy = d->cfg->https_proxy,
                                                .no_proxy = d->cfg->no_proxy};
    enum edge_code code = http_client_new(d->loop, &options, &d->http, err);
    if (code != EDGE_OK) {
        return code;
    }
    log_proxy(d->http);
    d->cloud.loop = d->loop;
    d->cloud.worker = d->worker;
    d->cloud.hsm = d->hsm;
    d->cloud.http = d->http;
    code = hub_new(&d->cloud, &d->hub, err);
    if (code == EDGE_OK) {
        hub_on_verdict(d->hub, daemon_on_verdict, d);
    }
    if (code == EDGE_OK && p->credential == CONFIG_CREDENTIAL_X509) {
        code = device_cert_new(d->worker, p->identity_cert, p->identity_pk, &d->cert, err);
    }
    if (code == EDGE_OK && d->cert != NULL) {
        device_cert_set_wall(d->cert, d->cloud.wall);
    }
    return code;
}

static enum edge_code open_identity(struct daemon *d, struct edge_error *err) {
    const struct reconcile_events events = {.on_done = daemon_on_reconciled, .data = d};
    enum edge_code code = module_keys_new(d->loop, d->worker, d->hsm, d->cfg->derived_key_ttl_s,
                                          &d->module_keys, err);
    if (code == EDGE_OK) {
        code = module_crypt_new(d->loop, d->worker, d->hsm, d->cfg->homedir, &d->crypt, err);
    }
    if (code == EDGE_OK) {
        d->identities = (struct identities){d->hub, d->module_keys, d->loop};
        code = reconcile_new(d->loop, d->worker, d->hsm, &d->identities, d->state_dir, &events,
                             &d->reconcile, err);
    }
    return code;
}

static enum edge_code open_runtime(struct daemon *d, struct edge_error *err) {
    enum edge_code code = docker_new(d->loop, d->http, d->cfg->engine.path, daemon_on_engine_event,
                                     d, &d->runtime, err);
    if (code == EDGE_OK) {
        code = module_ops_new(d->loop, d->runtime, &d->module_ops, err);
    }
    if (code == EDGE_OK) {
        code = authz_new(d->loop, d->runtime, &d->authz, err);
    }
    if (code == EDGE_OK && d->cfg->narrow_control) {
        authz_narrow_control(d->authz);
    }
    if (code == EDGE_OK) {
        const struct moved_deps deps = {
            .loop = d->loop, .worker = d->worker, .runtime = d->runtime, .state_dir = d->state_dir};
        code = moved_new(&deps, &d->moved, err);
    }
    return code;
}

static enum edge_code open_provisioning(struct daemon *d, struct edge_error *err) {
    const struct provisioning_deps deps = {
        .cloud = &d->cloud, .config = d->cfg, .cert = d->cert, .state_dir = d->state_dir};
    const struct provisioning_events events = {daemon_on_identity, daemon_on_status, d};
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
    host_facts_read("", &d->host);
    d->api = (struct api){.loop = d->loop,
                          .worker = d->worker,
                          .hsm = d->hsm,
                          .wall = d->cloud.wall,
                          .runtime = d->runtime,
                          .module_ops = d->module_ops,
                          .module_keys = d->module_keys,
                          .identities = &d->identities,
                          .provisioning = d->provisioning,
                          .pki = d->pki,
                          .crypt = d->crypt,
                          .config = d->cfg,
                          .store_changed = daemon_on_store_changed,
                          .store_changed_data = d,
                          .host = &d->host};
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

/* In the order in which the worker gets to it: the identity first, it is what modules need most. */
static enum edge_code start_parts(struct daemon *d, struct edge_error *err) {
    const struct custody_deps custody = {.loop = d->loop,
                                         .worker = d->worker,
                                         .hsm = d->hsm,
                                         .config = d->cfg,
                                         .crypt = d->crypt,
                                         .pki = d->pki,
                                         .provisioning = d->provisioning};
    enum edge_code code = provisioning_start(d->provisioning, err);
    if (code == EDGE_OK) {
        key_store_warm_up(d->worker, d->hsm, d->cfg, d->keys_dir);
        code = key_store_refresh_start(d->loop, d->worker, d->hsm, &d->refresh, err);
    }
    if (code == EDGE_OK) {
        code = custody_start(&custody, &d->custody, err);
    }
    if (code == EDGE_OK) {
        code = pki_start(d->pki, err);
    }
    return code;
}

static enum edge_code build(struct daemon *d, struct edge_error *err) {
    enum edge_code code = make_paths(d, err);
    if (code == EDGE_OK) {
        code = lock_state(d, err);
    }
    if (code == EDGE_OK) {
        code = notify_listen_fds(d->fds.items, LISTEN_FDS_MAX, &d->fds.cnt, err);
    }
    if (code == EDGE_OK) {
        code = loop_new(&d->loop, err);
    }
    static enum edge_code (*const steps[])(struct daemon *, struct edge_error *) = {
        open_hsm,      open_wall,    open_pki,          open_cloud,
        open_identity, open_runtime, open_provisioning, open_services};
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
        loop_on_lag(d->loop, daemon_on_lag, d);
        code = wall_start(d->cloud.wall, err);
    }
    return code == EDGE_OK ? start_parts(d, err) : code;
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

static void stop_wall(void *data) {
    struct daemon *d = data;
    if (d->cloud.wall != NULL) {
        wall_stop(d->cloud.wall, stop_worker, d);
    } else {
        stop_worker(d);
    }
}

static void stop_pki(void *data) {
    struct daemon *d = data;
    if (d->pki != NULL) {
        pki_stop(d->pki, stop_wall, d);
    } else {
        stop_wall(d);
    }
}

static void stop_http(void *data) {
    struct daemon *d = data;
    if (d->http != NULL) {
        http_client_close(d->http, stop_pki, d);
    } else {
        stop_pki(d);
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

static void stop_module_ops(void *data) {
    struct daemon *d = data;
    if (d->module_ops != NULL) {
        module_ops_close(d->module_ops, stop_runtime, d);
    } else {
        stop_runtime(d);
    }
}

static void stop_moved(void *data) {
    struct daemon *d = data;
    if (d->moved != NULL) {
        moved_stop(d->moved, stop_module_ops, d);
    } else {
        stop_module_ops(d);
    }
}

static void stop_reconcile(void *data) {
    struct daemon *d = data;
    if (d->reconcile != NULL) {
        reconcile_stop(d->reconcile, stop_moved, d);
    } else {
        stop_moved(d);
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
    custody_stop(d->custody);
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
    moved_free(d->moved);
    authz_free(d->authz);
    module_ops_free(d->module_ops);
    runtime_free(d->runtime);
    custody_free(d->custody);
    module_crypt_free(d->crypt);
    module_keys_free(d->module_keys);
    hub_free(d->hub);
    device_cert_free(d->cert);
    pki_free(d->pki);
    wall_free(d->cloud.wall);
    http_client_free(d->http);
    worker_free(d->worker);
    hsm_close(d->hsm);
    edge_cleanup_fd(&d->lock_fd);
    if (d->loop != NULL) {
        loop_free(d->loop);
    }
}

enum edge_code daemon_run(struct edge_config *cfg, struct edge_error *err) {
    struct daemon *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    d->cfg = cfg;
    d->lock_fd = -1;
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
