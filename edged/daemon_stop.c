/* SPDX-License-Identifier: MIT */
/*
 * The end: the reverse of daemon.c's order, as a chain of callbacks. Each step begins when the one
 * before has nothing in flight any more.
 */
#include "base/log.h"
#include "daemon_parts.h"
#include "loop/notify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS 10000

static void stop_loop(void *data) {
    struct daemon *d = data;
    loop_stop(d->loop);
}

/* Last: a disk that hangs must not keep anything else from ending well. */
static void stop_disks(void *data) {
    struct daemon *d = data;
    if (d->disk_worker != NULL) {
        worker_abandon(d->disk_worker, stop_loop, d);
    } else {
        stop_loop(d);
    }
}

static void close_hsm(void *data) {
    struct daemon *d = data;
    hsm_close(d->hsm); /* on the worker thread, the only one that may */
    d->hsm = NULL;
}

static void stop_worker(void *data) {
    struct daemon *d = data;
    if (d->worker != NULL) {
        worker_stop(d->worker, close_hsm, stop_disks, d);
    } else {
        stop_disks(d);
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

static void stop_image_gc(void *data) {
    struct daemon *d = data;
    if (d->image_gc != NULL) {
        image_gc_stop(d->image_gc, stop_runtime, d);
    } else {
        stop_runtime(d);
    }
}

static void on_closed(void *data) {
    struct daemon *d = data;
    if (--d->closing == 0) {
        stop_image_gc(d);
    }
}

/* At once: a removal by the one ends with the other. */
static void stop_changes(void *data) {
    struct daemon *d = data;
    d->closing = 1;
    if (d->moved != NULL) {
        d->closing++;
        moved_stop(d->moved, on_closed, d);
    }
    if (d->module_ops != NULL) {
        d->closing++;
        module_ops_close(d->module_ops, on_closed, d);
    }
    on_closed(d);
}

static void stop_reconcile(void *data) {
    struct daemon *d = data;
    if (d->reconcile != NULL) {
        reconcile_stop(d->reconcile, stop_changes, d);
    } else {
        stop_changes(d);
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

void daemon_stop(struct daemon *d) {
    d->stopping = true;
    module_sockets_stop(d->module_sockets);
    if (d->agent != NULL) {
        agent_stop(d->agent);
    }
    host_disks_stop(d->disks);
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

static void on_modules_stopped(void *data) {
    daemon_stop(data);
}

/* A manager may count from its own signal on; it is told how long this takes. */
static void stop_with_modules(struct daemon *d) {
    char text[80];
    (void)snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%u",
                   (STOP_MODULES_MAX_S + DRAIN_MS / 1000) * 1000000U);
    notify_send(text);
    d->is_stopping_modules = true;
    stop_modules_start(d->stop_modules, on_modules_stopped, d);
}

static void end(void *data) {
    struct daemon *d = data;
    const enum config_on_stop policy = d->cfg->on_stop;
    bool with_modules =
        policy == CONFIG_STOP_STOP || (policy == CONFIG_STOP_AUTO && d->is_machine_down);
    log_info("Stopping on a signal; modules %s",
             with_modules ? "are stopped, edgeAgent first" : "run on");
    module_sockets_stop(d->module_sockets); /* it restarts modules, too */
    agent_stop(d->agent);
    if (with_modules) {
        stop_with_modules(d);
    } else {
        notify_send("STOPPING=1");
        daemon_stop(d);
    }
}

/* SIGPWR says that the machine goes down. Whoever sends it has the service stopped with SIGTERM as
 * well, which may even come first: what to do is decided when all that came at once is known, and
 * it takes a second SIGTERM to say that somebody is in a hurry. */
void daemon_on_signal(void *data, int signum) {
    struct daemon *d = data;
    bool is_hurry = d->is_asked && signum != SIGPWR;
    d->is_asked |= signum != SIGPWR;
    d->is_machine_down |= signum == SIGPWR;
    if (d->is_stopping_modules && is_hurry) {
        stop_modules_skip(d->stop_modules);
    }
    if (d->ending) {
        return;
    }
    d->ending = true;
    if (loop_post(d->loop, end, d, NULL) != EDGE_OK) {
        end(d);
    }
}

void daemon_release(struct daemon *d) {
    http_server_free(d->mgmt);
    http_server_free(d->work);
    provisioning_free(d->provisioning);
    reconcile_free(d->reconcile);
    agent_free(d->agent);
    stop_modules_free(d->stop_modules);
    moved_free(d->moved);
    module_sockets_free(d->module_sockets);
    notify_fds_clear(&d->fds);
    authz_free(d->authz);
    module_ops_free(d->module_ops);
    image_gc_free(d->image_gc);
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
    host_disks_free(d->disks);
    worker_free(d->disk_worker);
    hsm_close(d->hsm);
    edge_cleanup_fd(&d->lock_fd);
    if (d->loop != NULL) {
        loop_free(d->loop);
    }
}
