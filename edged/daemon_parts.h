/* SPDX-License-Identifier: MIT */
/*
 * The subsystems of the daemon, for daemon.c, which builds and stops them, and daemon_events.c, in
 * which they hear of each other.
 */
#ifndef EDGED_DAEMON_PARTS_H
#define EDGED_DAEMON_PARTS_H

#include "agent/moved.h"
#include "api/api.h"
#include "api/authz.h"
#include "cloud/device_cert.h"
#include "custody.h"
#include "identity/module_crypt.h"
#include "identity/reconcile.h"
#include "key_store.h"
#include "listen.h"
#include "pki/pki.h"
#include "provisioning/provisioning.h"

#define STATE_DIR_MAX 512

struct daemon {
    struct edge_config *cfg;
    char state_dir[STATE_DIR_MAX];
    char keys_dir[STATE_DIR_MAX];
    int lock_fd; /* of the state folder; -1: not locked */
    struct listen_fds fds;
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
    struct authz *authz;
    struct moved *moved;
    struct provisioning *provisioning;
    struct provisioning_result identity; /* told last */
    uint64_t identity_serial;            /* 0: none yet */
    uint64_t moved_serial;               /* which of them the containers are for */
    bool clock_usable;
    struct host_facts host;
    struct api api;
    struct http_service mgmt_service;
    struct http_service work_service;
    struct http_server *mgmt;
    struct http_server *work;
    unsigned draining;
    bool stopping;
};

/* Events; data is the struct daemon. */
void daemon_on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved);
void daemon_on_status(void *data, const struct provisioning_status *st);
void daemon_on_verdict(void *data, bool accepted, const struct hub_answer *answer);
void daemon_on_reconciled(void *data, unsigned cnt);
void daemon_on_wall(void *data);
void daemon_on_store_changed(void *data);
void daemon_on_engine_event(void *data, enum runtime_event event, const char *id);
void daemon_on_lag(void *data, uint64_t lag_ms);

#endif
