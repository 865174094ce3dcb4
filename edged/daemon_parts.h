/* SPDX-License-Identifier: MIT */
/*
 * The subsystems of the daemon, for daemon.c, which builds them, daemon_events.c, in which they
 * hear of each other, and daemon_stop.c, which takes them down.
 */
#ifndef EDGED_DAEMON_PARTS_H
#define EDGED_DAEMON_PARTS_H

#include "agent/agent.h"
#include "agent/image_gc.h"
#include "agent/moved.h"
#include "agent/stop_modules.h"
#include "agent_hub.h"
#include "api/api.h"
#include "api/authz.h"
#include "cloud/device_cert.h"
#include "custody.h"
#include "identity/module_crypt.h"
#include "identity/reconcile.h"
#include "key_store.h"
#include "listen.h"
#include "module_sockets.h"
#include "pki/pki.h"
#include "provisioning/provisioning.h"

#define STATE_DIR_MAX 512

struct daemon {
    struct edge_config *cfg;
    char state_dir[STATE_DIR_MAX];
    char keys_dir[STATE_DIR_MAX];
    int lock_fd;           /* of the state folder; -1: not locked */
    struct notify_fds fds; /* until the sockets are open */
    struct loop *loop;
    struct loop_timer *settled;
    struct key_store_refresh *refresh;
    struct worker *worker;
    struct hsm *hsm;
    struct http_client *http;
    struct cloud cloud; /* the parts above, and the clock */
    struct device_cert *cert;
    struct hub *hub;
    struct module_keys *module_keys;
    struct module_crypt *crypt;
    struct pki *pki;
    struct custody *custody;
    struct identities identities;
    struct reconcile *reconcile;
    struct runtime *runtime;
    struct module_ops *module_ops;
    struct image_gc *image_gc;
    struct authz *authz;
    struct moved *moved;
    struct agent_hub agent_hub;
    struct agent *agent;
    struct stop_modules *stop_modules;
    struct provisioning *provisioning;
    struct provisioning_result identity; /* told last */
    uint64_t identity_serial;            /* 0: none yet */
    uint64_t moved_serial;               /* which of them the containers are for */
    bool clock_usable;
    struct host_facts host;
    struct worker *disk_worker; /* for what may never come back */
    struct host_disks *disks;
    struct api api;
    struct http_service mgmt_service;
    struct http_service work_service;
    struct http_server *mgmt;
    struct http_server *work;
    struct module_sockets *module_sockets;
    bool ending;   /* told to stop; modules may be stopped before the rest */
    bool is_asked; /* by SIGTERM or SIGINT */
    bool is_machine_down, is_stopping_modules;
    bool stopping;   /* the parts are being stopped */
    int exit_status; /* of the daemon */
    unsigned draining, closing;
};

/* Events; data is the struct daemon. */
void daemon_on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved);
void daemon_on_status(void *data, const struct provisioning_status *st);
void daemon_on_verdict(void *data, bool accepted, const struct hub_answer *answer);
void daemon_on_reconciled(void *data, unsigned cnt);
void daemon_on_reconcile_failed(void *data, const struct hub_answer *answer);
void daemon_on_moved(void *data);
void daemon_on_agent_fatal(void *data, enum agent_exit code);
void daemon_on_wall(void *data);
void daemon_on_store_changed(void *data);
const char *daemon_describe_agent(void *data, char *out, size_t out_size);
void daemon_on_engine_event(void *data, enum runtime_event event, const char *id);
enum edge_code daemon_before_create(void *data, const char *name, struct edge_error *err);
void daemon_after_remove(void *data, const char *name);
void daemon_on_image(void *data, enum module_image what, const char *image);
void daemon_on_lag(void *data, uint64_t lag_ms);
void daemon_on_signal(void *data, int signum); /* stops */

/* Takes down what has been built; the loop ends when nothing is in flight any more. Once. */
void daemon_stop(struct daemon *d);
/* After the loop has ended, or when there never was one. */
void daemon_release(struct daemon *d);

#endif
