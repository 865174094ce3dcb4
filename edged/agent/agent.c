/* SPDX-License-Identifier: MIT */
/*
 * A round: read the record once, ask the hub when that is due, look at the container, decide what
 * is to be done. Whatever happens meanwhile leads to another round.
 */
#include "agent/agent.h"

#include "agent/agent_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 1000 /* somebody else is changing the container */

static const char NO_GENERATION[AGENT_GENERATION_LEN];

/* --- The round --- */

static bool is_idle(const struct agent *a) {
    return a->hub[0] == '\0' || a->stopping;
}

void agent_poke(struct agent *a) {
    if (a->busy) {
        a->again = true;
    } else if (!is_idle(a)) {
        loop_timer_start(a->timer, 0);
    }
}

void agent_end_round(struct agent *a, uint64_t max_ms) {
    bool again = a->again || a->is_outdated;
    a->busy = false;
    a->again = false;
    a->is_outdated = false;
    agent_spec_clear(&a->spec);
    if (!is_idle(a)) {
        loop_timer_start(a->timer, again ? 0 : agent_pace_next_ms(a, max_ms));
    }
}

bool agent_goes_on(struct agent *a) {
    a->op = OP_NONE;
    if (a->stopping || a->is_outdated) {
        agent_end_round(a, AGENT_TICK_MS);
        return false;
    }
    return true;
}

bool agent_has_record(const struct agent *a) {
    return a->record.hub[0] != '\0' && slice_eq_nocase(slice_str(a->record.hub), a->hub) &&
           strcmp(a->record.device_id, a->device_id) == 0;
}

/* --- What the container is and should be --- */

/* Of a container that is there, with the generation id in a->generation_id. */
static enum agent_verdict judge(struct agent *a, const struct runtime_module *m,
                                const char **ret_why) {
    const struct agent_identity id = {a->hub, a->device_id, a->generation_id};
    struct edge_error err;
    if (a->generation_id[0] == '\0') {
        return AGENT_KEEP; /* not known yet, and the hub was not reached */
    }
    enum edge_code code = agent_build(a, &err);
    if (code != EDGE_OK) {
        log_warn("edgeAgent: its container cannot be compared with what it should be: %s",
                 edge_error_text(&err));
        return AGENT_KEEP;
    }
    return agent_spec_judge(a->deps.config, &id, a->spec.fingerprint,
                            agent_has_record(a) ? a->record.fingerprint : "", m, ret_why);
}

static void pursue(struct agent *a, enum agent_aim aim) {
    a->aim = aim;
    agent_pursue(a);
}

/* The container stays as it is; with AGENT_REPLACE only for the time being. */
static void keep(struct agent *a, enum agent_verdict verdict) {
    bool is_other = strcmp(a->generation_id, a->record.generation_id) != 0;
    if (!a->is_running && a->start_at_ms <= clock_mono_ms()) {
        pursue(a, AGENT_AIM_START);
    } else if (!a->is_running || verdict == AGENT_REPLACE) {
        agent_end_round(a, AGENT_TICK_MS);
    } else if (a->has_asked && (!a->has_keys || (agent_has_record(a) && is_other))) {
        pursue(a, AGENT_AIM_KEYS);
    } else if (verdict == AGENT_ADOPT || a->is_unsaved ||
               (a->has_asked && (!agent_has_record(a) || is_other))) {
        pursue(a, AGENT_AIM_SAVE);
    } else {
        agent_succeed(a);
    }
}

static void on_gone(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK || code == EDGE_NOT_FOUND) {
        agent_pace_seen(a, NULL);
        pursue(a, AGENT_AIM_MAKE);
    } else {
        agent_fail(a, "the container is unusable and cannot be removed", err, AGENT_EXIT_FAILURE,
                   0);
    }
}

static void remove_unusable(struct agent *a, const char *state) {
    const struct module_order order = {.change = MODULE_REMOVE, .name = AGENT_NAME};
    struct edge_error err;
    log_warn("the container of edgeAgent is unusable (%s); it is made anew",
             state[0] != '\0' ? state : "in an unknown state");
    if (module_ops_run(a->deps.module_ops, &order, on_gone, a, &err) != EDGE_OK) {
        agent_fail(a, "the container is unusable and cannot be removed", &err, AGENT_EXIT_FAILURE,
                   0);
    }
}

static void decide(struct agent *a, const struct runtime_module *m) {
    const char *why = "";
    bool may_make = a->make_at_ms <= clock_mono_ms();
    bool is_unusable =
        m->status == RUNTIME_STATUS_DEAD || (m->status == RUNTIME_STATUS_UNKNOWN && !a->is_running);
    if (strcmp(m->state, "removing") == 0) {
        agent_end_round(a, BUSY_MS);
        return;
    }
    if (is_unusable) {
        if (may_make) {
            remove_unusable(a, m->state);
        } else {
            agent_end_round(a, AGENT_TICK_MS);
        }
        return;
    }
    enum agent_verdict verdict = judge(a, m, &why);
    if (verdict == AGENT_REPLACE && may_make) {
        log_info("the container of edgeAgent is made anew: %s", why);
        pursue(a, AGENT_AIM_REPLACE);
    } else {
        keep(a, verdict);
    }
}

static void on_look(void *data, enum edge_code code, const struct runtime_module *list, size_t cnt,
                    const struct edge_error *err) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        a->aim = AGENT_AIM_SAVE; /* none yet */
        agent_fail(a, "its container cannot be looked at", err, AGENT_EXIT_FAILURE, 0);
        return;
    }
    if (module_ops_is_busy(a->deps.module_ops, AGENT_NAME)) {
        agent_end_round(a, BUSY_MS);
        return;
    }
    if (!a->has_asked) {
        memcpy(a->generation_id, agent_has_record(a) ? a->record.generation_id : NO_GENERATION,
               sizeof(a->generation_id));
    }
    agent_pace_seen(a, code == EDGE_OK && cnt > 0 ? &list[0] : NULL);
    if (a->is_there) {
        decide(a, &list[0]);
    } else if (a->make_at_ms > clock_mono_ms()) {
        agent_end_round(a, AGENT_TICK_MS);
    } else {
        pursue(a, AGENT_AIM_MAKE);
    }
}

void agent_look(struct agent *a) {
    struct edge_error err;
    if (module_ops_is_busy(a->deps.module_ops, AGENT_NAME)) {
        agent_end_round(a, BUSY_MS);
        return;
    }
    if (runtime_inspect_module(a->deps.runtime, AGENT_NAME, on_look, a, &a->op, &err) != EDGE_OK) {
        agent_fail(a, "its container cannot be looked at", &err, AGENT_EXIT_FAILURE, 0);
    }
}

/* --- Before that --- */

static void on_checked(void *data, const struct agent_hub_answer *answer) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    agent_pace_checked(a, answer);
    if (answer->kind == AGENT_HUB_OK) {
        a->has_asked = slice_to_array(slice_str(answer->generation_id), a->generation_id,
                                      sizeof(a->generation_id)) &&
                       a->generation_id[0] != '\0';
        a->has_keys = answer->has_keys;
    } else if (answer->kind == AGENT_HUB_UNKNOWN) {
        log_warn("edgeAgent runs, but the hub does not know it any more: %s",
                 edge_error_text(answer->err));
    } else {
        log_debug("edgeAgent: the hub was not asked for its generation id: %s",
                  edge_error_text(answer->err));
    }
    agent_look(a);
}

static void begin(struct agent *a) {
    a->has_asked = false;
    if (a->is_running && a->check_at_ms <= clock_mono_ms()) {
        agent_ask(a, on_checked);
    } else {
        agent_look(a);
    }
}

static void read_run(void *data) {
    struct agent *a = data;
    a->job.code = agent_record_read(a->dir, &a->job.record, &a->job.err);
}

static void on_read(void *data, enum edge_code code) {
    struct agent *a = data;
    if (code != EDGE_OK) {
        a->stopping = true; /* the worker has ended */
    }
    if (!agent_goes_on(a)) {
        return;
    }
    a->has_read = true;
    if (a->job.code == EDGE_OK) {
        a->record = a->job.record;
    } else if (a->job.code != EDGE_NOT_FOUND) {
        log_warn("how edgeAgent was made is not known any more: %s", edge_error_text(&a->job.err));
    }
    begin(a);
}

static void on_timer(void *data) {
    struct agent *a = data;
    const struct worker_job job = {.run = read_run, .done = on_read, .data = a};
    struct edge_error err;
    if (a->busy || is_idle(a)) {
        return;
    }
    a->busy = true;
    a->aim = AGENT_AIM_SAVE;
    if (a->has_read) {
        begin(a);
    } else if (worker_submit(a->deps.worker, &job, NULL, &err) != EDGE_OK) {
        agent_fail(a, "it cannot be read how it was made", &err, AGENT_EXIT_FAILURE, 0);
    }
}

/* --- Life --- */

enum edge_code agent_new(const struct agent_deps *deps, struct agent **ret,
                         struct edge_error *err) {
    struct agent *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the watch over edgeAgent");
    }
    a->deps = *deps;
    a->deps.state_dir = a->dir;
    agent_pace_init(a);
    enum edge_code code = EDGE_OK;
    if (!slice_to_array(slice_str(deps->state_dir), a->dir, sizeof(a->dir))) {
        code = edge_set(err, EDGE_INVALID, "the path of the state directory is too long");
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(deps->loop, on_timer, a, &a->timer, err);
    }
    if (code != EDGE_OK) {
        agent_free(a);
        return code;
    }
    *ret = a;
    return EDGE_OK;
}

void agent_set_identity(struct agent *a, const char *hub, const char *device_id) {
    struct slice h = slice_str(hub), d = slice_str(device_id);
    if (a->stopping ||
        (slice_eq_nocase(h, a->hub) && (h.len == 0 || strcmp(device_id, a->device_id) == 0))) {
        return;
    }
    a->is_outdated = a->busy;
    if (!slice_to_array(h, a->hub, sizeof(a->hub)) ||
        !slice_to_array(d, a->device_id, sizeof(a->device_id))) {
        log_error("edgeAgent is not started: the name of hub or device is too long");
        a->hub[0] = '\0';
    }
    if (is_idle(a)) {
        loop_timer_stop(a->timer);
        return;
    }
    agent_pace_reset(a);
    agent_poke(a);
}

void agent_on_hub_failure(struct agent *a, const struct agent_hub_answer *answer) {
    if (a->hub[0] == '\0' && !a->stopping) {
        (void)agent_count_failure(a, agent_exit_of(answer->kind));
    }
}

void agent_on_hub_back(struct agent *a) {
    if (a->wants_hub && !is_idle(a)) {
        a->wants_hub = false;
        a->make_at_ms = 0;
        agent_poke(a);
    }
}

void agent_on_engine_event(struct agent *a, enum runtime_event event, const char *id) {
    switch (event) {
    case RUNTIME_EVENT_STOPPED:
        if (a->is_there && id != NULL && strcmp(id, a->id) == 0) {
            agent_poke(a);
        }
        break;
    case RUNTIME_EVENT_CONNECTED:
        a->is_engine_away = false;
        agent_poke(a);
        break;
    case RUNTIME_EVENT_LOST:
        a->is_engine_away = true;
        a->problem[0] = '\0'; /* what keeps it from running is the engine */
        break;
    case RUNTIME_EVENT_STARTED:
        break;
    }
}

void agent_stop(struct agent *a) {
    a->stopping = true;
    loop_timer_stop(a->timer);
    if (op_is_set(a->op)) {
        op_cancel(loop_ops(a->deps.loop), a->op);
    }
}

void agent_free(struct agent *a) {
    if (a == NULL) {
        return;
    }
    assert(!a->busy);
    agent_spec_clear(&a->spec);
    loop_timer_free(a->timer);
    free(a);
}
