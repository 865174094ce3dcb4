/* SPDX-License-Identifier: MIT */
/*
 * When to ask for an identity, and what to keep. Loading and saving run on the worker; the
 * structure here is the loop thread's view, which every saving job gets a copy of, so that the
 * order of jobs is the order of states.
 */
#include "provisioning/provisioning.h"

#include "base/b64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mac.h"
#include "loop/backoff.h"
#include "provisioning/source.h"
#include "provisioning/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MIN_MS     2000
#define SOON_START_MS   10000
#define SOON_MAX_MS     (30 * 60 * 1000)
#define RARELY_MIN_MS   30000
#define RARELY_START_MS 120000
#define RARELY_MAX_MS   (4 * 60 * 60 * 1000)
#define NOTE_MAX        512

struct provisioning {
    struct provisioning_deps deps;
    struct provisioning_events events;
    struct provisioning_status status;
    struct state state;
    struct source *source;
    struct loop_timer *timer;
    struct backoff soon;
    struct backoff rarely;
    char inputs[STATE_INPUT_LEN];
    char announced_hub[PROVISIONING_HUB_MAX + 1];
    char announced_device[PROVISIONING_DEVICE_MAX + 1];
    uint64_t announced_key; /* generation; 0: none yet */
    bool loaded;            /* the saved state has been read: nothing is asked before */
    bool asking;            /* the source runs */
    bool committing;        /* a new identity is being written, and not announced yet */
    bool on_previous; /* the previous identity is on trial after the hub refused the current one */
    unsigned jobs;    /* worker jobs in flight */
    void (*stopped)(void *data);
    void *stopped_data;
};

struct store_job {
    struct provisioning *p;
    struct hsm *hsm;
    const char *dir;
    struct state state;
    char note[NOTE_MAX];
    bool publish; /* refresh the well-known handle */
    void (*next)(struct provisioning *p, struct store_job *job);
    enum edge_code code;
    struct edge_error err;
};

static void ask(struct provisioning *p);

static void set_state(struct provisioning *p, enum provisioning_state state) {
    p->status.state = state;
    p->status.has_result = p->state.has_current;
    if (p->state.has_current) {
        p->status.result = p->on_previous ? p->state.previous : p->state.current;
    }
    (void)snprintf(p->status.registration_id, sizeof(p->status.registration_id), "%s",
                   p->source->ops->registration_id(p->source));
    if (p->events.on_status != NULL) {
        p->events.on_status(p->events.data, &p->status);
    }
}

static void maybe_stopped(struct provisioning *p) {
    if (p->stopped != NULL && p->jobs == 0 && !p->asking) {
        void (*stopped)(void *data) = p->stopped;
        p->stopped = NULL;
        stopped(p->stopped_data);
    }
}

/* --- Storing, on the worker --- */

/* Keys that the state does not refer to have no use. Oldest first, so that a cut leaves the newest.
 */
static void drop_unused(struct store_job *job) {
    struct hsm_identity keys[HSM_IDENTITY_MAX];
    size_t cnt = 0;
    if (hsm_identity_list(job->hsm, keys, &cnt, NULL) != EDGE_OK) {
        return;
    }
    for (size_t i = 0; i < cnt; i++) {
        uint64_t g = keys[i].generation;
        bool used = (job->state.has_current && g == job->state.current.key_generation) ||
                    (job->state.has_previous && g == job->state.previous.key_generation);
        if (!used && hsm_identity_drop(job->hsm, g, &job->err) != EDGE_OK) {
            (void)snprintf(job->note, sizeof(job->note), "an unused key stays: %s", job->err.text);
        }
    }
}

static void run_load(void *data) {
    struct store_job *job = data;
    job->code =
        state_load(job->dir, job->hsm, &job->state, job->note, sizeof(job->note), &job->err);
}

static void run_save(void *data) {
    struct store_job *job = data;
    job->code = state_save(job->dir, &job->state, &job->err);
    if (job->code != EDGE_OK) {
        return;
    }
    drop_unused(job);
    struct edge_error err;
    if (job->publish &&
        hsm_identity_publish(job->hsm, job->state.current.key_generation, &err) != EDGE_OK) {
        (void)snprintf(job->note, sizeof(job->note),
                       "the handle for other software was not refreshed: %s", err.text);
    }
}

static void store_done(void *data, enum edge_code code) {
    struct store_job *job = data;
    struct provisioning *p = job->p;
    p->jobs--;
    if (code != EDGE_OK) {
        job->code = edge_set(&job->err, code, "the key store is stopping");
    }
    if (job->note[0] != '\0') {
        log_warn("Provisioning: %s", job->note);
    }
    if (p->stopped == NULL && job->next != NULL) {
        job->next(p, job);
    } else if (job->code != EDGE_OK) {
        log_error("Provisioning: %s", edge_error_text(&job->err));
    }
    free(job);
    maybe_stopped(p);
}

static enum edge_code store(struct provisioning *p, void (*run)(void *data), bool publish,
                            void (*next)(struct provisioning *p, struct store_job *job),
                            struct edge_error *err) {
    struct store_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    job->p = p;
    job->hsm = p->deps.hsm;
    job->dir = p->deps.state_dir;
    job->state = p->state;
    job->publish = publish;
    job->next = next;
    const struct worker_job work = {.run = run, .done = store_done, .data = job, .urgent = true};
    enum edge_code code = worker_submit(p->deps.worker, &work, NULL, err);
    if (code != EDGE_OK) {
        free(job);
        return code;
    }
    p->jobs++;
    return EDGE_OK;
}

/* False when it could not even be begun; then nothing is lost either: the key's own file carries
 * hub and device id. */
static bool save(struct provisioning *p, bool publish,
                 void (*next)(struct provisioning *p, struct store_job *job)) {
    struct edge_error err;
    if (store(p, run_save, publish, next, &err) == EDGE_OK) {
        return true;
    }
    log_error("Provisioning: could not save the result: %s", edge_error_text(&err));
    return false;
}

/* --- Announcing --- */

static void announce(struct provisioning *p) {
    const struct provisioning_result *r = p->on_previous ? &p->state.previous : &p->state.current;
    bool moved = p->announced_hub[0] != '\0' && (strcmp(p->announced_hub, r->hub) != 0 ||
                                                 strcmp(p->announced_device, r->device_id) != 0);
    memcpy(p->announced_hub, r->hub, sizeof(p->announced_hub));
    memcpy(p->announced_device, r->device_id, sizeof(p->announced_device));
    p->announced_key = r->key_generation;
    p->events.on_identity(p->events.data, r, moved);
}

/* --- Asking the source --- */

static void wait(struct provisioning *p, struct backoff *b, uint32_t retry_after_ms) {
    uint32_t delay = backoff_next(b, retry_after_ms);
    p->status.next_try_wall_s = clock_wall_s() + delay / 1000;
    loop_timer_start(p->timer, delay);
    set_state(p, PROVISIONING_WAITING);
    log_warn("Provisioning failed: %s; trying again in %" PRIu32 " s%s",
             edge_error_text(&p->status.last_error), delay / 1000,
             p->state.has_current ? ", meanwhile the saved identity is used" : "");
}

static void adopt(struct provisioning *p) {
    const struct provisioning_result *r = &p->state.current;
    p->committing = false;
    backoff_reset(&p->soon);
    backoff_reset(&p->rarely);
    edge_error_clear(&p->status.last_error);
    set_state(p, PROVISIONING_ASSIGNED);
    announce(p);
    log_info("Assigned to hub %s as device %s (key generation %" PRIu64 ")", log_quote_str(r->hub),
             log_quote_str(r->device_id), r->key_generation);
}

static void on_committed(struct provisioning *p, struct store_job *job) {
    if (job->code != EDGE_OK) {
        log_error("Provisioning: %s; the identity is used all the same, its key file is complete",
                  edge_error_text(&job->err));
    }
    adopt(p);
}

static void on_outcome(void *data, const struct source_outcome *o) {
    struct provisioning *p = data;
    p->asking = false;
    if (p->stopped != NULL || o->verdict == SOURCE_CANCELED) {
        maybe_stopped(p);
        return;
    }
    p->status.last_error = o->err;
    if (o->verdict != SOURCE_ASSIGNED) {
        wait(p, o->verdict == SOURCE_REFUSED ? &p->rarely : &p->soon, o->retry_after_ms);
        return;
    }
    p->on_previous = false;
    state_advance(&p->state, &o->result);
    memcpy(p->state.inputs, p->inputs, sizeof(p->inputs));
    p->committing = true;
    if (!save(p, true, on_committed)) {
        adopt(p);
    }
}

static void ask(struct provisioning *p) {
    struct edge_error err;
    if (p->asking || p->stopped != NULL) {
        return;
    }
    loop_timer_stop(p->timer);
    if (p->source->ops->start(p->source, on_outcome, p, &err) != EDGE_OK) {
        p->status.last_error = err;
        wait(p, &p->soon, 0);
        return;
    }
    p->asking = true;
    set_state(p, PROVISIONING_TRYING);
}

/* --- Start --- */

static bool must_ask(const struct provisioning *p) {
    if (!p->state.has_current || strcmp(p->state.inputs, p->inputs) != 0) {
        return true;
    }
    return p->deps.config->provisioning.always_reprovision_on_startup;
}

static void on_loaded(struct provisioning *p, struct store_job *job) {
    if (job->code != EDGE_OK) {
        p->status.last_error = job->err;
        wait(p, &p->soon, 0);
        return;
    }
    p->loaded = true;
    backoff_reset(&p->soon);
    p->state = job->state;
    if (p->state.has_current) {
        log_info("Using the saved identity: hub %s, device %s", log_quote_str(p->state.current.hub),
                 log_quote_str(p->state.current.device_id));
        set_state(p, PROVISIONING_ASSIGNED);
        announce(p);
        (void)save(p, false, NULL);
    }
    if (must_ask(p)) {
        ask(p);
    }
}

static void on_timer(void *data) {
    struct provisioning *p = data;
    if (p->loaded) {
        ask(p);
    } else if (provisioning_start(p, &p->status.last_error) != EDGE_OK) {
        wait(p, &p->soon, 0);
    }
}

/* Digest of the configuration that a result depends on: another value calls for another
 * registration. */
static enum edge_code digest_inputs(const struct edge_config *cfg, char ret[STATE_INPUT_LEN],
                                    struct edge_error *err) {
    const struct config_provisioning *c = &cfg->provisioning;
    uint8_t digest[SHA256_LEN];
    struct buf text, hex;
    buf_init(&text, 4096);
    buf_init(&hex, STATE_INPUT_LEN);
    enum edge_code code =
        buf_printf(&text, err, "dps.tpm\n%s\n%s\n%s\n", c->global_endpoint, c->scope_id,
                   c->registration_id != NULL ? c->registration_id : "");
    if (code == EDGE_OK) {
        code = sha256(text.data, text.len, digest, err);
    }
    if (code == EDGE_OK) {
        code = hex_encode(digest, sizeof(digest), &hex, err);
    }
    if (code == EDGE_OK && !slice_to_array(buf_slice(&hex), ret, STATE_INPUT_LEN)) {
        code = edge_set(err, EDGE_INTERNAL, "digest does not fit");
    }
    buf_clear(&text);
    buf_clear(&hex);
    return code;
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
    backoff_init(&p->soon, SOON_MIN_MS, SOON_START_MS, SOON_MAX_MS);
    backoff_init(&p->rarely, RARELY_MIN_MS, RARELY_START_MS, RARELY_MAX_MS);
    enum edge_code code = digest_inputs(deps->config, p->inputs, err);
    if (code == EDGE_OK) {
        code = source_dps_new(&p->deps, p->inputs, &p->source, err);
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(deps->loop, on_timer, p, &p->timer, err);
    }
    if (code != EDGE_OK) {
        provisioning_free(p);
        return code;
    }
    *ret = p;
    return EDGE_OK;
}

enum edge_code provisioning_start(struct provisioning *p, struct edge_error *err) {
    return store(p, run_load, false, on_loaded, err);
}

/* --- What the hub says about the key --- */

/* Verdicts on a key that has been replaced meanwhile come late and mean nothing. */
static bool is_about_us(const struct provisioning *p, uint64_t key_generation) {
    return p->announced_key != 0 && p->announced_key == key_generation && p->stopped == NULL;
}

void provisioning_confirm(struct provisioning *p, uint64_t key_generation) {
    if (!is_about_us(p, key_generation) || p->committing) {
        return;
    }
    if (p->on_previous) {
        log_warn(
            "The hub accepts the previous key and not the new one: the previous identity stays");
        p->on_previous = false;
        p->state.current = p->state.previous;
    } else if (p->state.current.proven) {
        return;
    }
    p->state.current.proven = true;
    p->state.has_previous = false;
    set_state(p, p->status.state);
    (void)save(p, true, NULL);
}

void provisioning_refuse(struct provisioning *p, uint64_t key_generation,
                         const struct edge_error *why) {
    if (!is_about_us(p, key_generation) || p->committing || p->asking) {
        return;
    }
    p->status.last_error = *why;
    if (!loop_timer_is_active(p->timer)) {
        wait(p, &p->soon, 0);
    }
    if (p->on_previous) {
        p->on_previous = false;
        announce(p);
    } else if (!p->state.current.proven && p->state.has_previous) {
        log_warn("The hub refuses the new key: trying the previous one");
        p->on_previous = true;
        announce(p);
    }
}

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    return &p->status;
}

/* --- Stop --- */

static void stop_later(void *data) {
    maybe_stopped(data);
}

void provisioning_stop(struct provisioning *p, void (*stopped)(void *data), void *data) {
    p->stopped = stopped;
    p->stopped_data = data;
    p->status.state = PROVISIONING_STOPPED;
    loop_timer_stop(p->timer);
    if (p->asking) {
        p->source->ops->cancel(p->source);
    }
    if (loop_post(p->deps.loop, stop_later, p, NULL) != EDGE_OK) {
        maybe_stopped(p);
    }
}

void provisioning_free(struct provisioning *p) {
    if (p == NULL) {
        return;
    }
    if (p->source != NULL) {
        p->source->ops->free(p->source);
    }
    loop_timer_free(p->timer);
    free(p);
}
