/* SPDX-License-Identifier: MIT */
/*
 * What one subsystem of the daemon tells another.
 */
#include "base/log.h"
#include "daemon_parts.h"
#include "loop/notify.h"

static void use_identity(struct daemon *d, bool need_proof) {
    const struct provisioning_result *r = &d->identity;
    struct edge_error err;
    const struct proof_source from = {.kind = r->credential == PROVISIONING_CERT ? PROOF_CERT
                                                                                 : PROOF_KEY,
                                      .key_generation = r->key_generation,
                                      .cert = provisioning_get_cert(d->provisioning)};
    enum edge_code code =
        hub_set_identity(d->hub, r->hub, r->device_id, &from, d->identity_serial, &err);
    if (code == EDGE_OK) {
        code = reconcile_start(d->reconcile, r->hub, r->device_id, need_proof, &err);
    }
    if (code != EDGE_OK) {
        log_error("The identity cannot be used: %s", edge_error_text(&err));
    }
}

/* No container is made for an identity before those of the former one are gone. */
static void tell_agent(struct daemon *d) {
    const struct provisioning_result *r = &d->identity;
    if (!moved_is_settled_for(d->moved, r->hub, r->device_id)) {
        agent_set_identity(d->agent, "", "");
    } else if (d->moved_serial == d->identity_serial) {
        agent_set_identity(d->agent, r->hub, r->device_id);
    }
}

void daemon_on_moved(void *data) {
    tell_agent(data);
}

/* What the hub has confirmed decides for whom the containers on this machine are. */
static void tell_moved(struct daemon *d, const struct provisioning_result *r) {
    /* The end of modules is not to be a sudden one; the next start removes them. */
    if (d->moved_serial != d->identity_serial && !d->ending) {
        d->moved_serial = d->identity_serial;
        moved_set_identity(d->moved, r->hub, r->device_id, true);
        tell_agent(d);
    }
}

void daemon_on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved) {
    struct daemon *d = data;
    if (moved) {
        log_warn("The device was moved: hub %s, device %s", log_quote_str(r->hub),
                 log_quote_str(r->device_id));
    }
    d->identity = *r;
    d->identity_serial = serial;
    if (r->proven) {
        tell_moved(d, r);
    }
    module_keys_set_legacy(d->module_keys, provisioning_legacy_root(d->provisioning));
    use_identity(d, !r->proven);
    tell_agent(d);
    custody_poke(d->custody);
}

void daemon_on_status(void *data, const struct provisioning_status *st) {
    struct daemon *d = data;
    const bool saved = st->has_result;
    const char *texts[] = {
        [PROVISIONING_ASSIGNED] = "STATUS=Provisioned",
        [PROVISIONING_WAITING] = saved ? "STATUS=Serving from the saved identity, cloud not reached"
                                       : "STATUS=Not provisioned, trying again later",
        [PROVISIONING_CLOCK] = saved ? "STATUS=Serving from the saved identity, clock not right"
                                     : "STATUS=Not provisioned, waiting for the clock",
        [PROVISIONING_STARTING] = "STATUS=Provisioning",
        [PROVISIONING_TRYING] =
            saved ? "STATUS=Serving from the saved identity" : "STATUS=Provisioning",
    };
    if (st->state != PROVISIONING_STOPPED) {
        notify_send(texts[st->state]);
    }
    if (saved && st->result.proven) {
        tell_moved(d, &st->result);
    }
}

void daemon_on_verdict(void *data, bool accepted, const struct hub_answer *answer) {
    struct daemon *d = data;
    if (accepted) {
        provisioning_confirm(d->provisioning, answer->identity_serial);
    } else {
        provisioning_refuse(d->provisioning, answer->identity_serial, &answer->err);
    }
}

void daemon_on_reconciled(void *data, unsigned cnt) {
    struct daemon *d = data;
    module_keys_leave_legacy(d->module_keys, NULL);
    provisioning_legacy_done(d->provisioning);
    custody_modules_are_ours(d->custody);
    agent_on_hub_back(d->agent);
    if (cnt > 0) {
        /* The root may have changed while we ran: keys derived before are not the hub's any more.
         */
        module_keys_drop(d->module_keys);
        log_info("The hub holds the current keys of all module identities (%u updated)", cnt);
    }
}

void daemon_on_reconcile_failed(void *data, const struct hub_answer *answer) {
    struct daemon *d = data;
    const struct agent_hub_answer read = agent_hub_read(answer);
    if (answer->kind != HUB_LOCAL) {
        agent_on_hub_failure(d->agent, &read);
    }
}

void daemon_on_agent_fatal(void *data, enum agent_exit code) {
    struct daemon *d = data;
    if (!d->ending) {
        d->ending = true;
        d->exit_status = (int)code;
        notify_send("STOPPING=1");
        daemon_stop(d);
    }
}

/* Its own pause may be long by now, and modules wait for the key that they encrypt with. */
void daemon_on_store_changed(void *data) {
    struct daemon *d = data;
    custody_poke(d->custody);
}

const char *daemon_describe_agent(void *data, char *out, size_t out_size) {
    const struct daemon *d = data;
    return agent_describe(d->agent, out, out_size);
}

/* What waits for a token goes on at once; its own pause may be long by now. */
void daemon_on_wall(void *data) {
    struct daemon *d = data;
    bool usable = wall_is_usable(d->cloud.wall);
    if (usable && !d->clock_usable && d->identity_serial != 0 && !d->stopping) {
        use_identity(d, !d->identity.proven);
    }
    if (usable && !d->stopping) {
        custody_poke(d->custody);
    }
    d->clock_usable = usable;
}

void daemon_on_engine_event(void *data, enum runtime_event event, const char *id) {
    struct daemon *d = data;
    if (d->authz != NULL) {
        authz_on_event(d->authz, event, id);
    }
    if (event == RUNTIME_EVENT_CONNECTED && d->module_ops != NULL) {
        module_ops_settle(d->module_ops);
    }
    if (d->module_sockets != NULL) {
        module_sockets_on_engine_event(d->module_sockets, event);
    }
    if (d->agent != NULL) {
        agent_on_engine_event(d->agent, event, id);
    }
}

enum edge_code daemon_before_create(void *data, const char *name, struct edge_error *err) {
    struct daemon *d = data;
    return module_sockets_ensure(d->module_sockets, name, err);
}

void daemon_on_image(void *data, enum module_image what, const char *image) {
    struct daemon *d = data;
    image_gc_on_image(d->image_gc, what, image);
}

void daemon_after_remove(void *data, const char *name) {
    struct daemon *d = data;
    module_sockets_drop(d->module_sockets, name);
}

void daemon_on_lag(void *data, uint64_t lag_ms) {
    (void)data;
    log_warn("The event loop was held up for %llu ms", (unsigned long long)lag_ms);
}
