/* SPDX-License-Identifier: MIT */
/*
 * Wiring. Start order: loop, worker and key store, clock, certificates, cloud clients, identity,
 * runtime, edgeAgent, images, disks, sockets, provisioning. The sockets answer before the TPM or
 * the cloud has been reached.
 */
#include "daemon.h"

#include "base/lock.h"
#include "base/log.h"
#include "daemon_parts.h"
#include "footprint.h"
#include "kept_socket.h"
#include "loop/notify.h"
#include "runtime/docker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PROXY_TEXT_MAX   320
#define SETTLED_MS       15000 /* from the start to when start-up is over */
#define MGMT_SOCKET_MODE 0660
#define WORK_SOCKET_MODE 0666
#define WORK_CONNS       256 /* of all modules together; each has HTTP_GROUP_CONNS */

static void on_settled(void *data) {
    (void)data;
    footprint_trim();
}

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
    const struct reconcile_events events = {
        .on_done = daemon_on_reconciled, .on_failed = daemon_on_reconcile_failed, .data = d};
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
        const struct moved_deps deps = {.loop = d->loop,
                                        .worker = d->worker,
                                        .runtime = d->runtime,
                                        .module_ops = d->module_ops,
                                        .state_dir = d->state_dir,
                                        .on_settled = daemon_on_moved,
                                        .data = d};
        code = moved_new(&deps, &d->moved, err);
    }
    return code;
}

static enum edge_code open_agent(struct daemon *d, struct edge_error *err) {
    const struct agent_deps deps = {.loop = d->loop,
                                    .worker = d->worker,
                                    .runtime = d->runtime,
                                    .module_ops = d->module_ops,
                                    .config = d->cfg,
                                    .state_dir = d->state_dir,
                                    .hub = &agent_hub_ops,
                                    .hub_data = &d->agent_hub,
                                    .on_fatal = daemon_on_agent_fatal,
                                    .data = d};
    d->agent_hub.ids = &d->identities;
    enum edge_code code =
        stop_modules_new(d->loop, d->runtime, d->module_ops, &d->stop_modules, err);
    return code == EDGE_OK ? agent_new(&deps, &d->agent, err) : code;
}

static enum edge_code open_image_gc(struct daemon *d, struct edge_error *err) {
    const struct config_image_gc *c = &d->cfg->image_gc;
    const struct image_gc_deps deps = {.loop = d->loop,
                                       .worker = d->worker,
                                       .runtime = d->runtime,
                                       .wall = d->cloud.wall,
                                       .state_dir = d->state_dir,
                                       .bootstrap_image = d->cfg->agent.image,
                                       .enabled = c->enabled,
                                       .age_s = c->age_days * 86400,
                                       .interval_s = c->interval_hours * 3600};
    return image_gc_new(&deps, &d->image_gc, err);
}

static enum edge_code open_disks(struct daemon *d, struct edge_error *err) {
    enum edge_code code = worker_new(d->loop, "disks", &d->disk_worker, err);
    return code != EDGE_OK ? code : host_disks_new(d->loop, d->disk_worker, "", &d->disks, err);
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
                                   struct listen_made *ret_made, struct edge_error *err) {
    service->authorize = authz_authorize;
    service->group = authz_group;
    service->data = d->authz;
    service->context = &d->api;
    enum edge_code code = http_server_new(d->loop, service, ret, err);
    if (code == EDGE_OK) {
        code = listen_open(*ret, &d->fds, uri, opt, key, ret_made, err);
    }
    return code;
}

static enum edge_code open_module_sockets(struct daemon *d, const struct listen_made *work,
                                          const struct listen_made *mgmt, struct edge_error *err) {
    const struct module_sockets_deps deps = {.loop = d->loop,
                                             .runtime = d->runtime,
                                             .module_ops = d->module_ops,
                                             .server = d->work,
                                             .homedir = d->cfg->homedir,
                                             .fds = &d->fds};
    enum edge_code code = module_sockets_new(&deps, &d->module_sockets, err);
    if (code == EDGE_OK) {
        const struct module_ops_hooks hooks = {.before_create = daemon_before_create,
                                               .after_remove = daemon_after_remove,
                                               .on_image = daemon_on_image,
                                               .data = d};
        module_ops_set_hooks(d->module_ops, &hooks);
    }
    if (code == EDGE_OK && work->path[0] != '\0') {
        module_sockets_made(d->module_sockets, work->path, work->wall_s);
    }
    if (code == EDGE_OK && mgmt->path[0] != '\0') {
        module_sockets_made(d->module_sockets, mgmt->path, mgmt->wall_s);
    }
    kept_socket_drop_rest(&d->fds);
    notify_fds_clear(&d->fds);
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
                          .describe_agent = daemon_describe_agent,
                          .describe_agent_data = d,
                          .host = &d->host,
                          .disks = d->disks};
    d->work_service = (struct http_service){
        .name = "work", .routes = api_workload_routes, .route_cnt = api_workload_route_cnt};
    d->mgmt_service = (struct http_service){
        .name = "mgmt", .routes = api_mgmt_routes, .route_cnt = api_mgmt_route_cnt};
    struct listen_made work_made = {0};
    struct listen_made mgmt_made = {0};
    enum edge_code code = open_service(d, &d->work_service, &d->work, &d->cfg->listen_workload,
                                       &work, "listen.workload_uri", &work_made, err);
    if (code == EDGE_OK) {
        code = open_service(d, &d->mgmt_service, &d->mgmt, &d->cfg->listen_management, &mgmt,
                            "listen.management_uri", &mgmt_made, err);
    }
    return code == EDGE_OK ? open_module_sockets(d, &work_made, &mgmt_made, err) : code;
}

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

/* Before anything listens: whoever sees a socket may already send one. */
static enum edge_code take_signals(struct daemon *d, struct edge_error *err) {
    static const int signals[] = {SIGTERM, SIGINT, SIGPWR};
    enum edge_code code = EDGE_OK;
    for (size_t i = 0; code == EDGE_OK && i < EDGE_ARRAY_LEN(signals); i++) {
        code = loop_on_signal(d->loop, signals[i], daemon_on_signal, d, err);
    }
    return code;
}

static enum edge_code build(struct daemon *d, struct edge_error *err) {
    enum edge_code code = make_paths(d, err);
    if (code == EDGE_OK) {
        code = lock_state(d, err);
    }
    if (code == EDGE_OK) {
        code = notify_listen_fds(&d->fds, err);
    }
    if (code == EDGE_OK) {
        code = loop_new(&d->loop, err);
    }
    if (code == EDGE_OK) {
        code = take_signals(d, err);
    }
    static enum edge_code (*const steps[])(struct daemon *, struct edge_error *) = {
        open_hsm,   open_wall,     open_pki,   open_cloud,        open_identity, open_runtime,
        open_agent, open_image_gc, open_disks, open_provisioning, open_services};
    for (size_t i = 0; code == EDGE_OK && i < EDGE_ARRAY_LEN(steps); i++) {
        code = steps[i](d, err);
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

enum edge_code daemon_run(struct edge_config *cfg, int *ret_status, struct edge_error *err) {
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
        d->ending = true;
        daemon_stop(d);
    }
    if (d->loop != NULL) {
        loop_run(d->loop);
    }
    daemon_release(d);
    *ret_status = d->exit_status;
    free(d);
    if (code == EDGE_OK) {
        log_info("Stopped");
    }
    return code;
}
