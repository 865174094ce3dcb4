/* SPDX-License-Identifier: MIT */
/*
 * From the aim of a round to its end: the hub's generation id and our keys there, the network, the
 * image, the container, the record.
 */
#include "agent/agent_parts.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static void put_keys(struct agent *a);
static void prepare(struct agent *a);
static void create(struct agent *a);
static void start(struct agent *a);
static void save(struct agent *a);

enum edge_code agent_build(struct agent *a, struct edge_error *err) {
    const struct agent_identity id = {a->hub, a->device_id, a->generation_id};
    agent_spec_clear(&a->spec);
    return agent_spec_build(a->deps.config, &id, &a->spec, err);
}

/* --- Hub --- */

static const char *hub_advice(enum agent_hub_kind kind) {
    return kind == AGENT_HUB_UNKNOWN ? "the hub has no identity $edgeAgent for this device: create "
                                       "the device there as an "
                                       "IoT Edge device"
                                     : "its identity cannot be had from the hub";
}

enum agent_exit agent_exit_of(enum agent_hub_kind kind) {
    switch (kind) {
    case AGENT_HUB_UNKNOWN:
        return AGENT_EXIT_NO_IDENTITY;
    case AGENT_HUB_REFUSED:
        return AGENT_EXIT_REFUSED;
    case AGENT_HUB_AWAY:
        return AGENT_EXIT_NO_HUB;
    case AGENT_HUB_OK:
        break;
    }
    return AGENT_EXIT_FAILURE;
}

void agent_ask(struct agent *a, agent_hub_fn *done) {
    struct edge_error err;
    if (a->deps.hub->get(a->deps.hub_data, done, a, &a->op, &err) != EDGE_OK) {
        const struct agent_hub_answer answer = {
            .kind = AGENT_HUB_AWAY, .generation_id = "", .err = &err};
        done(a, &answer);
    }
}

/* A device that has had its edgeAgent before has it without the hub, too. */
static bool can_do_without(const struct agent *a, const struct agent_hub_answer *answer) {
    return answer->kind == AGENT_HUB_AWAY && agent_has_record(a);
}

static void on_asked(void *data, const struct agent_hub_answer *answer) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    agent_pace_checked(a, answer);
    if (can_do_without(a, answer)) {
        log_info("edgeAgent is made without the hub, with its generation id of the last time: %s",
                 edge_error_text(answer->err));
        memcpy(a->generation_id, a->record.generation_id, sizeof(a->generation_id));
        prepare(a);
        return;
    }
    if (answer->kind != AGENT_HUB_OK) {
        agent_fail(a, hub_advice(answer->kind), answer->err, agent_exit_of(answer->kind),
                   answer->retry_after_ms);
        return;
    }
    if (answer->generation_id[0] == '\0' ||
        !slice_to_array(slice_str(answer->generation_id), a->generation_id,
                        sizeof(a->generation_id))) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_PROTO, "the hub's answer has no usable generation id");
        agent_fail(a, hub_advice(AGENT_HUB_OK), &err, AGENT_EXIT_FAILURE, 0);
        return;
    }
    a->has_asked = true;
    a->has_keys = answer->has_keys;
    if (a->aim == AGENT_AIM_REPLACE && strcmp(a->generation_id, a->record.generation_id) != 0) {
        agent_look(a); /* it was compared with the wrong one */
    } else {
        put_keys(a);
    }
}

static void on_put(void *data, const struct agent_hub_answer *answer) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    if (answer->kind == AGENT_HUB_OK && strcmp(answer->generation_id, a->generation_id) != 0) {
        struct edge_error err;
        (void)edge_set(&err, EDGE_RETRY, "it was created anew at the hub at this very moment");
        agent_fail(a, "its keys do not fit", &err, AGENT_EXIT_FAILURE, 0);
        return;
    }
    bool is_done_before = a->has_keys && can_do_without(a, answer) &&
                          strcmp(a->record.generation_id, a->generation_id) == 0;
    if (answer->kind != AGENT_HUB_OK && !is_done_before) {
        agent_fail(a,
                   answer->kind == AGENT_HUB_UNKNOWN ? hub_advice(answer->kind)
                                                     : "the hub does not take its keys",
                   answer->err, agent_exit_of(answer->kind), answer->retry_after_ms);
        return;
    }
    prepare(a);
}

static void put_keys(struct agent *a) {
    struct edge_error err;
    if (a->deps.hub->update(a->deps.hub_data, a->generation_id, on_put, a, &a->op, &err) !=
        EDGE_OK) {
        const struct agent_hub_answer answer = {
            .kind = AGENT_HUB_AWAY, .generation_id = "", .err = &err};
        on_put(a, &answer);
    }
}

/* --- Network --- */

static enum edge_code ensure_network(struct agent *a, runtime_done_fn *done,
                                     struct edge_error *err) {
    const struct config_network *n = &a->deps.config->network;
    struct runtime_network_range ranges[CONFIG_NETWORK_RANGES_MAX];
    for (size_t i = 0; i < n->range_cnt && i < CONFIG_NETWORK_RANGES_MAX; i++) {
        ranges[i] = (struct runtime_network_range){n->ranges[i].subnet, n->ranges[i].gateway,
                                                   n->ranges[i].ip_range};
    }
    const struct runtime_network network = {n->name, n->ipv6, ranges, n->range_cnt};
    return runtime_network_ensure(a->deps.runtime, &network, done, a, &a->op, err);
}

/* One that is just to be started may need no network; if it does, that will show. */
static void on_network(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    if (a->aim == AGENT_AIM_START) {
        start(a);
    } else if (code != EDGE_OK) {
        agent_fail(a, "the network of the modules cannot be made (moby_runtime.network)", err,
                   AGENT_EXIT_FAILURE, 0);
    } else {
        create(a);
    }
}

/* Identity and keys are there. */
static void prepare(struct agent *a) {
    struct edge_error err;
    if (a->aim == AGENT_AIM_KEYS) {
        save(a);
        return;
    }
    enum edge_code code = ensure_network(a, on_network, &err);
    if (code != EDGE_OK) {
        on_network(a, code, &err);
    }
}

/* --- Container --- */

static void give_order(struct agent *a, enum module_change change, bool pull,
                       runtime_done_fn *done) {
    const struct module_order order = {.change = change,
                                       .name = AGENT_NAME,
                                       .image = a->spec.image,
                                       .pull = pull,
                                       .auth_json = a->spec.auth_json,
                                       .create_body = buf_slice(&a->spec.create_body),
                                       .start = true};
    struct edge_error err;
    enum edge_code code = module_ops_run(a->deps.module_ops, &order, done, a, &err);
    if (code != EDGE_OK) {
        done(a, code, &err);
    }
}

static void on_started(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    if (code == EDGE_OK) {
        agent_pace_started(a);
    }
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK) {
        agent_succeed(a);
        return;
    }
    a->aim = AGENT_AIM_START; /* it is made */
    agent_fail(a, "its container cannot be started", err, AGENT_EXIT_FAILURE, 0);
    if (code == EDGE_NOT_FOUND) {
        /* Removed meanwhile, then it can be made at once; or it is something that it needs, such as
         * a network, for which engines have the same answer. */
        a->make_at_ms = 0;
        agent_poke(a);
    }
}

static void start(struct agent *a) {
    give_order(a, MODULE_START, false, on_started);
}

static void on_replaced(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    if (code == EDGE_OK) {
        agent_pace_started(a);
    }
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK) {
        save(a);
    } else {
        agent_fail(a, "its container cannot be made anew", err, AGENT_EXIT_FAILURE, 0);
    }
}

static void on_created(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK) {
        save(a);
    } else {
        agent_fail(a,
                   code == EDGE_CONFLICT
                       ? "another container has its name and does not belong to IoT Edge; remove "
                         "or rename that"
                   : code == EDGE_NOT_FOUND && !a->spec.pull
                       ? "its container cannot be made, and agent.imagePullPolicy forbids to fetch "
                         "an image"
                       : "its container cannot be made",
                   err, AGENT_EXIT_FAILURE, 0);
    }
}

static void make(struct agent *a) {
    if (a->aim == AGENT_AIM_REPLACE) {
        give_order(a, MODULE_UPDATE, false, on_replaced);
    } else {
        give_order(a, MODULE_CREATE, false, on_created);
    }
}

static void on_found(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    char what[256];
    (void)err;
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK) {
        log_warn("edgeAgent is made from the image %s that is here, as it cannot be fetched: %s",
                 log_quote_str(a->spec.image), edge_error_text(&a->pull_err));
        make(a);
    } else {
        (void)snprintf(what, sizeof(what), "its image %s (agent.config.image) cannot be fetched",
                       log_quote_str(a->spec.image));
        agent_fail(a, what, &a->pull_err, AGENT_EXIT_FAILURE, 0);
    }
}

/* The one that is there can do its work. */
static bool is_there_good(const struct agent *a) {
    return a->aim == AGENT_AIM_REPLACE && strcmp(a->generation_id, a->record.generation_id) == 0;
}

/* An edgeAgent of last month is better than none. */
static void on_pulled(void *data, enum edge_code code, const struct edge_error *err) {
    struct agent *a = data;
    struct edge_error own;
    if (!agent_goes_on(a)) {
        return;
    }
    if (code == EDGE_OK) {
        make(a);
        return;
    }
    a->pull_err = *err;
    if (is_there_good(a)) {
        agent_fail(a, "its image cannot be fetched", err, AGENT_EXIT_FAILURE, 0);
        return;
    }
    code = runtime_image_check(a->deps.runtime, a->spec.image, on_found, a, &a->op, &own);
    if (code != EDGE_OK) {
        on_found(a, code, &own);
    }
}

static void create(struct agent *a) {
    struct edge_error err;
    if (agent_build(a, &err) != EDGE_OK) {
        agent_fail(a, "its container cannot be described", &err, AGENT_EXIT_FAILURE, 0);
    } else if (a->spec.pull) {
        give_order(a, MODULE_PULL, true, on_pulled);
    } else {
        make(a);
    }
}

/* --- Record --- */

static void saved(struct agent *a) {
    if (a->aim == AGENT_AIM_MAKE) {
        start(a);
    } else {
        agent_succeed(a);
    }
}

static void save_run(void *data) {
    struct agent *a = data;
    a->job.code = agent_record_write(a->dir, &a->job.record, &a->job.err);
}

/* What is not on disk counts as long as we run. */
static void on_saved(void *data, enum edge_code code) {
    struct agent *a = data;
    a->is_unsaved = code != EDGE_OK || a->job.code != EDGE_OK;
    if (code == EDGE_OK && a->is_unsaved) {
        log_warn("how edgeAgent was made cannot be saved: %s", edge_error_text(&a->job.err));
    }
    a->record = a->job.record;
    if (agent_goes_on(a)) {
        saved(a);
    }
}

static void save(struct agent *a) {
    const struct worker_job job = {.run = save_run, .done = on_saved, .data = a};
    struct agent_record *r = &a->job.record;
    struct edge_error err;
    *r = (struct agent_record){0};
    memcpy(r->hub, a->hub, sizeof(r->hub));
    memcpy(r->device_id, a->device_id, sizeof(r->device_id));
    memcpy(r->generation_id, a->generation_id, sizeof(r->generation_id));
    memcpy(r->fingerprint,
           a->spec.fingerprint[0] == '\0' && agent_has_record(a) ? a->record.fingerprint
                                                                 : a->spec.fingerprint,
           sizeof(r->fingerprint));
    if (agent_has_record(a) && !a->is_unsaved &&
        strcmp(r->generation_id, a->record.generation_id) == 0 &&
        strcmp(r->fingerprint, a->record.fingerprint) == 0) {
        saved(a);
    } else if (worker_submit(a->deps.worker, &job, NULL, &err) != EDGE_OK) {
        log_warn("how edgeAgent was made cannot be saved: %s", edge_error_text(&err));
        a->record = *r;
        a->is_unsaved = true;
        saved(a);
    }
}

void agent_pursue(struct agent *a) {
    switch (a->aim) {
    case AGENT_AIM_KEYS:
        put_keys(a);
        break;
    case AGENT_AIM_SAVE:
        save(a);
        break;
    case AGENT_AIM_START:
        prepare(a);
        break;
    case AGENT_AIM_REPLACE:
    case AGENT_AIM_MAKE:
        if (a->has_asked) {
            put_keys(a);
        } else {
            agent_ask(a, on_asked);
        }
        break;
    }
}
