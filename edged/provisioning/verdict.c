/* SPDX-License-Identifier: MIT */
/*
 * The identity in use: telling of it, and what the hub's verdict on it changes.
 */
#include "base/clock.h"
#include "base/log.h"
#include "provisioning/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_set(const struct cert_set *set, const struct provisioning_result *r) {
    return strcmp(set->cert_path, r->cert_path) == 0 && strcmp(set->pk_path, r->pk_path) == 0;
}

/* A service may name other files with each renewal. Requests under way hold on to theirs. */
static void drop_unused_certs(struct provisioning *p) {
    const struct state *s = &p->state;
    size_t kept = 0;
    for (size_t i = 0; i < p->cert_cnt; i++) {
        struct cert_set *set = &p->certs[i];
        if ((s->has_current && is_set(set, &s->current)) ||
            (s->has_previous && is_set(set, &s->previous))) {
            p->certs[kept++] = *set;
        } else {
            device_cert_free(set->cert);
        }
    }
    p->cert_cnt = kept;
}

/* NULL when memory is short: never the certificate of another identity. */
static struct device_cert *cert_of(struct provisioning *p, const struct provisioning_result *r) {
    struct edge_error err;
    drop_unused_certs(p);
    if (r->credential != PROVISIONING_CERT) {
        return NULL;
    }
    if (r->cert_path[0] == '\0') {
        return p->deps.cert;
    }
    for (size_t i = 0; i < p->cert_cnt; i++) {
        if (is_set(&p->certs[i], r)) {
            return p->certs[i].cert;
        }
    }
    if (p->cert_cnt == CERT_SETS_MAX) {
        log_error("The certificate of the device cannot be used: too many are in use");
        return NULL;
    }
    struct cert_set *set = &p->certs[p->cert_cnt];
    if (device_cert_new(p->deps.cloud->worker, r->cert_path, r->pk_path, &set->cert, &err) !=
        EDGE_OK) {
        log_error("The certificate of the device cannot be used: %s", edge_error_text(&err));
        return NULL;
    }
    device_cert_use_store(set->cert, p->deps.cloud->hsm);
    device_cert_set_wall(set->cert, p->deps.cloud->wall);
    memcpy(set->cert_path, r->cert_path, sizeof(set->cert_path));
    memcpy(set->pk_path, r->pk_path, sizeof(set->pk_path));
    p->cert_cnt++;
    return set->cert;
}

static bool is_elsewhere(const struct provisioning_result *a, const struct provisioning_result *b) {
    return strcmp(a->hub, b->hub) != 0 || strcmp(a->device_id, b->device_id) != 0;
}

void verdict_announce(struct provisioning *p) {
    struct provisioning_result r = p->on_previous ? p->state.previous : p->state.current;
    bool moved = false;
    if (p->serial != 0) {
        moved = is_elsewhere(&p->announced, &r);
    } else if (p->state.has_previous) {
        moved = is_elsewhere(&p->state.previous, &r);
    }
    if (p->serial == 0 || !state_is_same(&p->announced, &r)) {
        p->serial++;
    }
    p->announced = r;
    p->late_serial = 0; /* it is tried anew */
    p->cert = cert_of(p, &r);
    /* What the hub has refused has to show again that it works. */
    r.proven = r.proven && p->refusal.attempt == 0;
    p->events.on_identity(p->events.data, &r, p->serial, moved);
}

struct device_cert *provisioning_get_cert(const struct provisioning *p) {
    return p->cert;
}

/* Verdicts on an identity that has been replaced meanwhile come late and mean nothing. */
static bool is_about_us(const struct provisioning *p, uint64_t serial) {
    return serial != 0 && p->serial == serial && p->stopped == NULL && !p->committing &&
           p->status.state != PROVISIONING_STOPPED;
}

/* The hub takes it after all: no need to ask anybody. */
static void forget_refusal(struct provisioning *p) {
    backoff_reset(&p->refusal);
    if (!p->refused) {
        return;
    }
    p->refused = false;
    p->source->renew = false;
    loop_timer_stop(p->timer);
    edge_error_clear(&p->status.last_error);
    edge_error_clear(&p->logged);
    log_info("The hub accepts the device again");
    provisioning_set_state(p, PROVISIONING_ASSIGNED);
}

void provisioning_confirm(struct provisioning *p, uint64_t serial) {
    if (!is_about_us(p, serial)) {
        return;
    }
    p->late_serial = 0;
    if (p->on_previous) {
        log_warn("The hub accepts the previous identity and not the new one: it stays");
        p->on_previous = false;
        p->state.current = p->state.previous;
    } else {
        forget_refusal(p);
        if (p->state.current.proven && !p->state.has_previous) {
            return;
        }
    }
    p->state.current.proven = true;
    p->state.has_previous = false;
    p->announced.proven = true;
    provisioning_set_state(p, p->status.state);
    (void)store_save(p, true, NULL);
}

static void ask_again(struct provisioning *p, const struct edge_error *why) {
    bool local = p->source->ops->is_local;
    uint64_t delay = backoff_next(&p->refusal, 0);
    uint64_t floor = schedule_floor_ms(p);
    p->refused = true;
    p->source->renew = true;
    schedule_plan(p, delay > floor ? delay : floor, "the hub refused the device");
    provisioning_set_state(p, PROVISIONING_WAITING);
    schedule_log_failure(
        p, why,
        local ? "The hub refuses the device. Is it registered there, enabled, and with the "
                "credential that config.yaml or 'iotedge tpm import-key' gave? Its answer"
              : "The hub refuses the device, the assignment will be asked for",
        delay > floor ? delay : floor);
}

void provisioning_refuse(struct provisioning *p, uint64_t serial, const struct edge_error *why) {
    if (!is_about_us(p, serial)) {
        return;
    }
    if (p->asking) {
        p->late_serial = serial;
        p->late = *why;
        return;
    }
    p->status.last_error = *why;
    p->contact.last_error_wall_s = provisioning_now_s(p);
    (void)snprintf(p->contact.last_error, sizeof(p->contact.last_error), "%s", why->text);
    if (!p->refused) {
        ask_again(p, why);
    }
    if (p->on_previous) {
        p->on_previous = false;
        verdict_announce(p);
    } else if (!p->state.current.proven && p->state.has_previous) {
        log_warn("The hub refuses the new identity: trying the previous one");
        p->on_previous = true;
        verdict_announce(p);
    }
}

void verdict_go_on(struct provisioning *p, bool asks_anyway) {
    uint64_t serial = p->late_serial;
    p->late_serial = 0;
    if (!is_about_us(p, serial)) {
        return;
    }
    if (asks_anyway && !p->refused) {
        (void)backoff_next(&p->refusal, 0); /* counts as refused, though the pause is another */
        p->refused = true;
        p->source->renew = true;
    }
    const struct edge_error why = p->late;
    provisioning_refuse(p, serial, &why);
}

uint64_t provisioning_legacy_root(const struct provisioning *p) {
    return p->state.legacy_root;
}

void provisioning_legacy_done(struct provisioning *p) {
    if (p->state.legacy_root == 0 || !p->loaded || p->stopped != NULL) {
        return;
    }
    p->state.legacy_root = 0;
    provisioning_set_state(p, p->status.state);
    (void)store_save(p, true, NULL);
}
