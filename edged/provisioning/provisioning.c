/* SPDX-License-Identifier: MIT */
/*
 * When to ask for an identity, and what to keep. The loop thread's view; verdicts of the hub are in
 * verdict.c, pauses in schedule.c, the worker's part in store.c.
 */
#include "provisioning/provisioning.h"

#include "base/clock.h"
#include "base/log.h"
#include "provisioning/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 5000

int64_t provisioning_now_s(const struct provisioning *p) {
    return wall_now_s(p->deps.cloud->wall);
}

const char *provisioning_state_name(enum provisioning_state state) {
    switch (state) {
    case PROVISIONING_STARTING:
        return "starting";
    case PROVISIONING_TRYING:
        return "trying";
    case PROVISIONING_WAITING:
        return "waiting";
    case PROVISIONING_CLOCK:
        return "waiting for the clock";
    case PROVISIONING_ASSIGNED:
        return "assigned";
    case PROVISIONING_STOPPED:
        break;
    }
    return "stopped";
}

void provisioning_set_state(struct provisioning *p, enum provisioning_state state) {
    struct provisioning_status *st = &p->status;
    st->state = state;
    st->has_result = p->state.has_current;
    if (p->state.has_current) {
        st->result = p->on_previous ? p->state.previous : p->state.current;
    }
    st->last_contact_wall_s = p->contact.last_wall_s;
    st->last_ok_wall_s = p->contact.last_ok_wall_s;
    st->last_error_wall_s = p->contact.last_error_wall_s;
    st->legacy_root = p->state.legacy_root;
    if (!loop_timer_is_active(p->timer)) {
        st->next_try_wall_s = 0;
        if (state != PROVISIONING_CLOCK) {
            st->next_why[0] = '\0';
        }
    }
    (void)snprintf(st->registration_id, sizeof(st->registration_id), "%s",
                   p->source->ops->registration_id(p->source));
    if (p->events.on_status != NULL) {
        p->events.on_status(p->events.data, st);
    }
}

void provisioning_maybe_stopped(struct provisioning *p) {
    if (p->stopped != NULL && p->jobs == 0 && !p->asking) {
        void (*stopped)(void *data) = p->stopped;
        p->stopped = NULL;
        stopped(p->stopped_data);
    }
}

/* --- The key of the configuration --- */

static void key_is_stored(struct provisioning *p, uint64_t generation) {
    struct config_provisioning *cfg = &p->deps.config->provisioning;
    if (cfg->key.len == 0 || generation == 0) {
        return;
    }
    p->source->key_generation = generation;
    secret_clear(&cfg->key);
    p->status.key_line = cfg->key_line;
    log_info("The key in %s:%u is in the key store and can be deleted from the file",
             log_quote_str(p->deps.config->file), cfg->key_line);
}

/* --- Asking the source --- */

static void settle(struct provisioning *p) {
    struct contact *c = &p->contact;
    backoff_reset(&p->soon);
    backoff_reset(&p->calm);
    backoff_reset(&p->rarely);
    edge_error_clear(&p->status.last_error);
    edge_error_clear(&p->logged);
    p->reenroll_told = false;
    c->failures = 0;
    c->refused = false;
    c->last_ok_wall_s = provisioning_now_s(p);
    c->not_before_wall_s = c->floor_wall_s;
    c->why[0] = '\0';
}

static void adopt(struct provisioning *p) {
    const struct provisioning_result *r = &p->state.current;
    p->committing = false;
    provisioning_set_state(p, PROVISIONING_ASSIGNED);
    verdict_announce(p);
    if (r->credential == PROVISIONING_CERT) {
        log_info("Assigned to hub %s as device %s (certificate)", log_quote_str(r->hub),
                 log_quote_str(r->device_id));
    } else {
        log_info("Assigned to hub %s as device %s (key generation %" PRIu64 ")",
                 log_quote_str(r->hub), log_quote_str(r->device_id), r->key_generation);
    }
}

static void on_committed(struct provisioning *p, struct store_job *job) {
    if (job->code != EDGE_OK) {
        log_error("Provisioning: %s; the identity is used all the same, its credential is complete",
                  edge_error_text(&job->err));
    }
    adopt(p);
    provisioning_go_on(p, false);
}

/* Same hub, same device, same credential: nothing happens, unless the hub had refused it, which is
 * then asked again. */
static void confirm_same(struct provisioning *p, bool again) {
    bool changed = strcmp(p->state.inputs, p->inputs) != 0;
    memcpy(p->state.inputs, p->inputs, sizeof(p->inputs));
    if (changed) {
        (void)store_save(p, false, NULL);
    } else if (!p->source->ops->is_local) {
        store_save_contact(p);
    }
    provisioning_set_state(p, PROVISIONING_ASSIGNED);
    log_debug("provisioning: the assignment is what it was");
    if (again) {
        p->on_previous = false;
        verdict_announce(p);
    }
}

static void assigned(struct provisioning *p, const struct provisioning_result *r) {
    bool again = p->refused || p->on_previous;
    p->refused = false;
    p->source->renew = false;
    settle(p);
    if (p->state.has_current && state_is_same(&p->state.current, r)) {
        confirm_same(p, again);
        return;
    }
    p->on_previous = false;
    state_advance(&p->state, r);
    memcpy(p->state.inputs, p->inputs, sizeof(p->inputs));
    p->committing = true;
    if (!store_save(p, true, on_committed)) {
        adopt(p);
    }
}

static void on_outcome(void *data, const struct source_outcome *o) {
    struct provisioning *p = data;
    p->asking = false;
    if (p->stopped != NULL || o->verdict == SOURCE_CANCELED) {
        provisioning_maybe_stopped(p);
        return;
    }
    if (o->key_store != HSM_STATE_UNTRIED) {
        p->status.key_store = o->key_store;
    }
    switch (o->verdict) {
    case SOURCE_ASSIGNED:
        key_is_stored(p, o->result.key_generation);
        assigned(p, &o->result);
        break;
    case SOURCE_TRANSIENT:
    case SOURCE_REFUSED:
        schedule_after_answer(p, o);
        break;
    case SOURCE_CLOCK:
        schedule_by_clock(p);
        break;
    case SOURCE_LOCAL:
    case SOURCE_CANCELED:
        schedule_after_fault(p, &o->err);
        break;
    }
    provisioning_go_on(p, o->verdict != SOURCE_ASSIGNED);
}

/* Written before the service is asked: whatever ends this process meanwhile, the next one keeps the
 * distance. */
static void note_contact(struct provisioning *p) {
    struct contact *c = &p->contact;
    c->last_wall_s = provisioning_now_s(p);
    c->floor_wall_s = c->last_wall_s + PROVISIONING_SPACING_S;
    if (c->not_before_wall_s < c->floor_wall_s) {
        c->not_before_wall_s = c->floor_wall_s;
    }
    memcpy(c->inputs, p->inputs, sizeof(c->inputs));
    store_save_contact(p);
}

void provisioning_start_asking(struct provisioning *p) {
    struct edge_error err;
    const struct source_ops *ops = p->source->ops;
    if (p->asking || p->committing || p->stopped != NULL || !p->loaded) {
        return;
    }
    loop_timer_stop(p->timer);
    if (ops->needs_clock && wall_get_state(p->deps.cloud->wall) == WALL_UNKNOWN) {
        schedule_by_clock(p);
        return;
    }
    p->asked_unsure = !wall_is_usable(p->deps.cloud->wall);
    if (ops->begin(p->source, on_outcome, p, false, &err) != EDGE_OK) {
        schedule_after_fault(p, &err);
        return;
    }
    p->asking = true;
    p->wish[0] = '\0'; /* this run is later than it */
    if (!ops->is_local) {
        note_contact(p);
    }
    provisioning_set_state(p, PROVISIONING_TRYING);
}

void provisioning_ask(struct provisioning *p, const char *why) {
    if (p->stopped != NULL || p->status.state == PROVISIONING_STOPPED) {
        return;
    }
    if (p->asking || p->committing || !p->loaded) {
        (void)snprintf(p->wish, sizeof(p->wish), "%s", why);
        return;
    }
    uint64_t wait_ms = schedule_floor_ms(p);
    p->source->renew = true;
    if (wait_ms == 0) {
        log_info("Asking for the assignment: %s", why);
        provisioning_start_asking(p);
        return;
    }
    if (strcmp(p->asked, why) != 0 || !loop_timer_is_active(p->timer)) {
        (void)snprintf(p->asked, sizeof(p->asked), "%s", why);
        log_info("Asking for the assignment in %" PRIu64 " s: %s", (wait_ms + 999) / 1000, why);
    }
    schedule_plan(p, wait_ms, why);
    provisioning_set_state(p, p->status.state);
}

void provisioning_go_on(struct provisioning *p, bool asks_anyway) {
    char why[sizeof(p->wish)];
    verdict_go_on(p, asks_anyway);
    if (p->wish[0] != '\0' && !p->asking && !p->committing) {
        memcpy(why, p->wish, sizeof(why));
        p->wish[0] = '\0';
        provisioning_ask(p, why);
    }
}

/* --- Start --- */

static uint32_t random_ms(uint32_t span_s) {
    struct backoff b;
    backoff_init(&b, 0, span_s * 1000, span_s * 1000);
    return backoff_next(&b, 0);
}

/* The first contact after a start. */
static void plan_first(struct provisioning *p) {
    const struct config_provisioning *cfg = &p->deps.config->provisioning;
    const char *why = "first registration";
    bool changed = strcmp(p->state.inputs, p->inputs) != 0 || p->new_key;
    uint64_t delay = 0, first = clock_mono_ms();
    if (p->state.has_current && changed) {
        why = "the configuration has changed";
    } else if (p->state.has_current) {
        if (!cfg->always_reprovision_on_startup && !p->source->ops->is_local) {
            return;
        }
        why = "start-up";
        delay = p->source->ops->is_local ? 0 : random_ms(cfg->startup_spread_s);
        first += delay;
    }
    if (!p->source->ops->is_local && strcmp(p->contact.inputs, p->inputs) == 0 && !p->new_key) {
        uint64_t agreed = (uint64_t)schedule_wait_s(p, p->contact.not_before_wall_s) * 1000;
        if (agreed > delay) {
            delay = agreed;
            why = p->contact.why[0] != '\0' ? p->contact.why : why;
        }
    }
    if (delay == 0) {
        provisioning_start_asking(p);
        return;
    }
    schedule_plan(p, delay, why);
    p->first_ms = first;
    provisioning_set_state(p, p->state.has_current ? PROVISIONING_ASSIGNED : PROVISIONING_WAITING);
    if (!p->state.has_current) {
        log_info("The service is asked in %" PRIu64 " s: %s", delay / 1000, why);
    }
}

/* Where the pauses of the last run ended; another configuration starts afresh. */
static void resume_contact(struct provisioning *p, const struct contact *c) {
    p->contact = *c;
    if (strcmp(c->inputs, p->inputs) != 0) {
        return;
    }
    struct backoff *b = c->refused ? &p->rarely : &p->soon;
    b->attempt = c->failures;
    p->calm.attempt = c->refused ? 0 : c->failures;
    if (c->failures > 0) {
        (void)edge_set(&p->status.last_error, EDGE_RETRY, "%s", c->last_error);
    }
}

static void on_loaded(struct provisioning *p, struct store_job *job) {
    p->loading = false;
    if (job->code != EDGE_OK) {
        schedule_after_fault(p, &job->err);
        return;
    }
    p->loaded = true;
    backoff_reset(&p->soon);
    backoff_reset(&p->calm);
    backoff_reset(&p->rarely);
    edge_error_clear(&p->status.last_error);
    p->state = job->state;
    resume_contact(p, &job->contact);
    key_is_stored(p, job->key_generation);
    p->source->key_newest = job->key_newest;
    p->new_key = job->key_generation != 0 && p->state.has_current &&
                 p->state.current.key_generation != job->key_generation;
    if (p->state.has_current) {
        log_info("Using the saved identity: hub %s, device %s", log_quote_str(p->state.current.hub),
                 log_quote_str(p->state.current.device_id));
        provisioning_set_state(p, PROVISIONING_ASSIGNED);
        verdict_announce(p);
    }
    if (p->state.has_current || job->adopted) {
        (void)store_save(p, false, NULL);
    }
    plan_first(p);
    provisioning_go_on(p, false);
}

static void on_timer(void *data) {
    struct provisioning *p = data;
    if (p->asking) {
        schedule_plan(p, BUSY_MS, p->status.next_why);
    } else if (p->loaded) {
        provisioning_start_asking(p);
    } else if (provisioning_start(p, &p->status.last_error) != EDGE_OK) {
        schedule_after_fault(p, &p->status.last_error);
    }
}

static enum edge_code new_source(struct provisioning *p, struct edge_error *err) {
    switch (p->deps.config->provisioning.source) {
    case CONFIG_SOURCE_MANUAL:
        return source_manual_new(&p->deps, p->inputs, &p->source, err);
    case CONFIG_SOURCE_DPS:
        return source_dps_new(&p->deps, p->inputs, &p->source, err);
    case CONFIG_SOURCE_EXTERNAL:
        return source_external_new(&p->deps, p->inputs, &p->source, err);
    }
    return edge_set(err, EDGE_INTERNAL, "unknown source of provisioning");
}

enum edge_code provisioning_new(const struct provisioning_deps *deps,
                                const struct provisioning_events *events, struct provisioning **ret,
                                struct edge_error *err) {
    struct provisioning *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    p->deps = *deps;
    p->events = *events;
    p->status.state = PROVISIONING_STARTING;
    schedule_init(p);
    enum edge_code code = inputs_digest(&deps->config->provisioning, p->inputs, err);
    if (code == EDGE_OK) {
        code = new_source(p, err);
    }
    if (code == EDGE_OK) {
        p->refusal = p->source->ops->is_local ? p->rarely : p->soon;
        code = loop_timer_new(deps->cloud->loop, on_timer, p, &p->timer, err);
    }
    if (code == EDGE_OK && deps->cloud->wall != NULL) {
        code = wall_on_change(deps->cloud->wall, schedule_on_wall, p, err);
    }
    if (code != EDGE_OK) {
        provisioning_free(p);
        return code;
    }
    *ret = p;
    return EDGE_OK;
}

enum edge_code provisioning_start(struct provisioning *p, struct edge_error *err) {
    if (p->loading) {
        return EDGE_OK;
    }
    enum edge_code code = store_load(p, on_loaded, err);
    p->loading = code == EDGE_OK;
    return code;
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    return &p->status;
}

/* --- Stop --- */

static void stop_later(void *data) {
    provisioning_maybe_stopped(data);
}

void provisioning_stop(struct provisioning *p, void (*stopped)(void *data), void *data) {
    p->stopped = stopped;
    p->stopped_data = data;
    p->status.state = PROVISIONING_STOPPED;
    loop_timer_stop(p->timer);
    if (p->asking) {
        p->source->ops->cancel(p->source);
    }
    if (loop_post(p->deps.cloud->loop, stop_later, p, NULL) != EDGE_OK) {
        provisioning_maybe_stopped(p);
    }
}

void provisioning_free(struct provisioning *p) {
    if (p == NULL) {
        return;
    }
    if (p->source != NULL) {
        p->source->ops->free(p->source);
    }
    for (size_t i = 0; i < p->cert_cnt; i++) {
        device_cert_free(p->certs[i].cert);
    }
    loop_timer_free(p->timer);
    free(p);
}
