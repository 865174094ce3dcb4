/* SPDX-License-Identifier: MIT */
/*
 * One sequence at a time: load state, list the hub's identities, update those that can carry our
 * keys, save state. At most one step is in flight; a stop or a restart lets it end first.
 * Identities that were updated are remembered over retries, so that a hub that throttles is not
 * asked twice for the same.
 */
#include "identity/reconcile.h"

#include "base/list.h"
#include "base/log.h"
#include "cloud/text.h"
#include "identity/reconcile_state.h"
#include "loop/backoff.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum phase {
    PHASE_IDLE,    /* nothing to do, done, or refused */
    PHASE_BUSY,    /* a step is in flight */
    PHASE_WAITING, /* for the timer: next try, restart, or to say that we stopped */
};

/* What the worker reads and writes; the loop touches it only while no job is in flight. */
struct job {
    struct hsm *hsm;
    const char *state_dir;
    struct reconcile_state wanted; /* root filled by the load */
    bool is_same;                  /* the saved state is the wanted one */
    struct edge_error damage;      /* of the saved state; code OK: none */
    enum edge_code code;
    struct edge_error err;
};

struct task {
    struct hub_module module;
    bool is_done;
};

struct reconcile {
    struct loop *loop;
    struct worker *worker;
    struct identities *ids;
    struct reconcile_events events;
    struct loop_timer *timer;
    struct backoff backoff;
    enum phase phase;
    struct op step;
    struct job job;
    char hub[HUB_HOST_MAX + 1]; /* as last asked for; job.wanted follows when a sequence begins */
    char device_id[HUB_ID_MAX + 1];
    bool need_proof;
    bool is_restart; /* begin anew when the step in flight has ended */
    bool is_stopping;
    uint8_t root[HSM_FINGERPRINT_LEN]; /* the one that tasks were done for */
    struct task *tasks;
    size_t task_cnt;
    size_t current;
    unsigned redo_cnt; /* repetitions of the current task for a newer generation */
    unsigned updated_cnt;
    unsigned failed_cnt;       /* identities left over in this round */
    struct edge_error failure; /* of the last one */
    uint32_t failure_retry_after_ms;
    void (*stopped)(void *data);
    void *stopped_data;
};

#define REDO_MAX 2

static void begin(struct reconcile *r);
static void next_task(struct reconcile *r);

static void forget_tasks(struct reconcile *r) {
    free(r->tasks);
    r->tasks = NULL;
    r->task_cnt = 0;
}

/* Lets a pending stop or restart take over at the end of a step; false when the step's result
 * counts. */
static bool is_interrupted(struct reconcile *r) {
    r->step = OP_NONE;
    if (!r->is_stopping && !r->is_restart) {
        return false;
    }
    r->phase = PHASE_WAITING;
    loop_timer_start(r->timer, 0);
    return true;
}

static void retry_later(struct reconcile *r, const struct edge_error *err,
                        uint32_t retry_after_ms) {
    uint32_t delay_ms = backoff_next(&r->backoff, retry_after_ms);
    log_warn("Could not bring the module keys at hub %s in line: %s; retrying in %u s",
             log_quote_str(r->hub), edge_error_text(err), (delay_ms + 999) / 1000);
    r->phase = PHASE_WAITING;
    loop_timer_start(r->timer, delay_ms);
}

static void on_timer(void *data) {
    struct reconcile *r = data;
    r->phase = PHASE_IDLE;
    if (r->is_stopping) {
        r->stopped(r->stopped_data);
        return;
    }
    begin(r);
}

static void finish(struct reconcile *r) {
    unsigned cnt = r->updated_cnt;
    r->phase = PHASE_IDLE;
    forget_tasks(r);
    backoff_reset(&r->backoff);
    r->events.on_done(r->events.data, cnt);
}

static void save_run(void *data) {
    struct job *job = data;
    job->code = reconcile_state_save(job->state_dir, &job->wanted, &job->err);
}

static void on_saved(void *data, enum edge_code code) {
    struct reconcile *r = data;
    if (is_interrupted(r)) {
        return;
    }
    if (code != EDGE_OK || r->job.code != EDGE_OK) {
        /* The keys are in place; only the next start will do the work again. */
        log_warn("Could not save that the module keys are in line: %s",
                 code != EDGE_OK ? edge_code_name(code) : edge_error_text(&r->job.err));
    }
    finish(r);
}

static void save_done(void *data, enum edge_code code) {
    on_saved(LIST_ENTRY(data, struct reconcile, job), code);
}

static enum edge_code submit(struct reconcile *r, void (*run)(void *data),
                             void (*done)(void *data, enum edge_code code),
                             struct edge_error *err) {
    r->job.code = EDGE_OK;
    edge_error_clear(&r->job.err);
    const struct worker_job job = {.run = run, .done = done, .data = &r->job};
    return worker_submit(r->worker, &job, &r->step, err);
}

static void save(struct reconcile *r) {
    struct edge_error err = {0};
    if (submit(r, save_run, save_done, &err) != EDGE_OK) {
        retry_later(r, &err, 0);
    }
}

/* The hub does not take the device's own credential: only another one can help, and with it comes
 * the next start. */
static bool is_refused(struct reconcile *r, const struct hub_answer *answer) {
    if (!hub_answer_is_device_refused(answer)) {
        return false;
    }
    r->phase = PHASE_IDLE;
    forget_tasks(r);
    return true;
}

static void task_failed(struct reconcile *r, const struct hub_answer *answer) {
    const struct hub_module *module = &r->tasks[r->current].module;
    log_warn("Could not register the keys of module %s: %s", log_quote_str(module->module_id),
             edge_error_text(&answer->err));
    r->failed_cnt++;
    r->failure = answer->err;
    r->failure_retry_after_ms = answer->retry_after_ms;
}

static void on_updated(void *data, const struct hub_answer *answer) {
    struct reconcile *r = data;
    struct task *task = &r->tasks[r->current];
    if (is_interrupted(r) || is_refused(r, answer)) {
        return;
    }
    switch (answer->kind) {
    case HUB_OK:
        if (answer->modules[0].generation_id[0] != '\0' && r->redo_cnt < REDO_MAX &&
            strcmp(answer->modules[0].generation_id, task->module.generation_id) != 0) {
            /* It was created anew between our list and our update. */
            r->redo_cnt++;
            memcpy(task->module.generation_id, answer->modules[0].generation_id,
                   sizeof(task->module.generation_id));
            break;
        }
        task->is_done = true;
        r->updated_cnt++;
        break;
    case HUB_NOT_FOUND:
    case HUB_STALE:
        task->is_done = true; /* removed meanwhile */
        break;
    case HUB_INVALID:
    case HUB_CONFLICT:
        task_failed(r, answer);
        r->current++;
        r->redo_cnt = 0;
        break;
    default:
        retry_later(r, &answer->err, answer->retry_after_ms);
        return;
    }
    next_task(r);
}

static bool takes_keys(const struct hub_module *m) {
    return (m->auth == HUB_AUTH_SAS || m->auth == HUB_AUTH_NONE) && m->generation_id[0] != '\0';
}

/* Starts the next update, or ends the round. */
static void next_task(struct reconcile *r) {
    while (r->current < r->task_cnt && r->tasks[r->current].is_done) {
        r->current++;
        r->redo_cnt = 0;
    }
    if (r->current == r->task_cnt) {
        if (r->failed_cnt > 0) {
            retry_later(r, &r->failure, r->failure_retry_after_ms);
        } else {
            save(r);
        }
        return;
    }
    struct edge_error err = {0};
    const struct hub_module *m = &r->tasks[r->current].module;
    enum edge_code code = identities_update(r->ids, m->module_id, m->generation_id,
                                            m->managed_by[0] != '\0' ? m->managed_by : NULL,
                                            on_updated, r, &r->step, &err);
    if (code != EDGE_OK) {
        retry_later(r, &err, 0);
    }
}

/* Makes the tasks of a round from the hub's list; what an earlier round did stays done. */
static enum edge_code plan(struct reconcile *r, const struct hub_answer *answer,
                           struct edge_error *err) {
    struct task *tasks = calloc(answer->module_cnt + 1, sizeof(*tasks));
    if (tasks == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the list of module identities");
    }
    for (size_t i = 0; i < answer->module_cnt; i++) {
        tasks[i].module = answer->modules[i];
        tasks[i].is_done = !takes_keys(&tasks[i].module);
        for (size_t j = 0; j < r->task_cnt; j++) {
            const struct task *old = &r->tasks[j];
            if (old->is_done && strcmp(old->module.module_id, tasks[i].module.module_id) == 0 &&
                strcmp(old->module.generation_id, tasks[i].module.generation_id) == 0) {
                tasks[i].is_done = true;
            }
        }
    }
    free(r->tasks);
    r->tasks = tasks;
    r->task_cnt = answer->module_cnt;
    r->current = 0;
    r->redo_cnt = 0;
    r->failed_cnt = 0;
    return EDGE_OK;
}

static void on_listed(void *data, const struct hub_answer *answer) {
    struct reconcile *r = data;
    if (answer->kind != HUB_OK && !r->is_stopping && r->events.on_failed != NULL) {
        r->events.on_failed(r->events.data, answer);
    }
    if (is_interrupted(r) || is_refused(r, answer)) {
        return;
    }
    if (answer->kind != HUB_OK) {
        retry_later(r, &answer->err, answer->retry_after_ms);
        return;
    }
    if (r->job.is_same) {
        finish(r);
        return;
    }
    struct edge_error err = {0};
    if (plan(r, answer, &err) != EDGE_OK) {
        retry_later(r, &err, 0);
        return;
    }
    next_task(r);
}

static void load_run(void *data) {
    struct job *job = data;
    struct reconcile_state saved;
    struct edge_error err = {0};
    job->code = hsm_root_fingerprint(job->hsm, job->wanted.root, &job->err);
    if (job->code != EDGE_OK) {
        return;
    }
    enum edge_code code = reconcile_state_load(job->state_dir, &saved, &err);
    if (code == EDGE_PARSE) {
        job->damage = err;
    }
    job->is_same = code == EDGE_OK && reconcile_state_eq(&saved, &job->wanted);
}

static void on_loaded(struct reconcile *r, enum edge_code code) {
    if (is_interrupted(r)) {
        return;
    }
    struct edge_error err = r->job.err;
    if (code != EDGE_OK) {
        (void)edge_set(&err, code, "the key store did not answer");
    }
    if (code != EDGE_OK || r->job.code != EDGE_OK) {
        retry_later(r, &err, 0);
        return;
    }
    if (memcmp(r->root, r->job.wanted.root, sizeof(r->root)) != 0) {
        forget_tasks(r);
        memcpy(r->root, r->job.wanted.root, sizeof(r->root));
    }
    if (r->job.damage.code == EDGE_PARSE) {
        log_warn("Registering all module keys again: %s", edge_error_text(&r->job.damage));
    }
    if (r->job.is_same && !r->need_proof) {
        finish(r);
        return;
    }
    if (!r->job.is_same) {
        log_info("The root of the module keys, the hub or the device changed: updating the module "
                 "identities "
                 "at hub %s",
                 log_quote_str(r->hub));
    }
    code = identities_list(r->ids, on_listed, r, &r->step, &err);
    if (code != EDGE_OK) {
        retry_later(r, &err, 0);
    }
}

static void load_done(void *data, enum edge_code code) {
    on_loaded(LIST_ENTRY(data, struct reconcile, job), code);
}

/* First step of a sequence, at a start and at each retry. */
static void begin(struct reconcile *r) {
    if (r->is_restart) {
        r->is_restart = false;
        r->updated_cnt = 0;
        forget_tasks(r);
        backoff_reset(&r->backoff);
    }
    memcpy(r->job.wanted.hub, r->hub, sizeof(r->hub));
    memcpy(r->job.wanted.device_id, r->device_id, sizeof(r->device_id));
    r->job.damage = (struct edge_error){0};
    r->phase = PHASE_BUSY;
    struct edge_error err = {0};
    if (submit(r, load_run, load_done, &err) != EDGE_OK) {
        retry_later(r, &err, 0);
    }
}

enum edge_code reconcile_new(struct loop *l, struct worker *w, struct hsm *h,
                             struct identities *ids, const char *state_dir,
                             const struct reconcile_events *events, struct reconcile **ret,
                             struct edge_error *err) {
    struct reconcile *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the reconciliation of module keys");
    }
    r->loop = l;
    r->worker = w;
    r->ids = ids;
    r->events = *events;
    r->job.hsm = h;
    r->job.state_dir = state_dir;
    backoff_init(&r->backoff, RECONCILE_RETRY_MIN_MS, RECONCILE_RETRY_START_MS,
                 RECONCILE_RETRY_MAX_MS);
    enum edge_code code = loop_timer_new(l, on_timer, r, &r->timer, err);
    if (code != EDGE_OK) {
        free(r);
        return code;
    }
    *ret = r;
    return EDGE_OK;
}

enum edge_code reconcile_start(struct reconcile *r, const char *hub_host, const char *device_id,
                               bool need_proof, struct edge_error *err) {
    if (r->is_stopping) {
        return edge_set(err, EDGE_INVALID, "reconciliation of module keys was stopped");
    }
    struct slice hub = slice_str(hub_host);
    struct slice device = slice_str(device_id);
    if (!text_is_host_port(hub) || !text_is_id(device) ||
        !slice_to_array(hub, r->hub, sizeof(r->hub)) ||
        !slice_to_array(device, r->device_id, sizeof(r->device_id))) {
        return edge_set(err, EDGE_INVALID, "hub name or device id is not usable");
    }
    r->need_proof = need_proof;
    r->is_restart = true;
    if (r->phase == PHASE_BUSY) {
        op_cancel(loop_ops(r->loop), r->step);
    } else {
        r->phase = PHASE_WAITING;
        loop_timer_start(r->timer, 0);
    }
    return EDGE_OK;
}

void reconcile_stop(struct reconcile *r, void (*stopped)(void *data), void *data) {
    r->is_stopping = true;
    r->stopped = stopped;
    r->stopped_data = data;
    if (r->phase == PHASE_BUSY) {
        op_cancel(loop_ops(r->loop), r->step);
    } else {
        r->phase = PHASE_WAITING;
        loop_timer_start(r->timer, 0);
    }
}

void reconcile_free(struct reconcile *r) {
    if (r != NULL) {
        loop_timer_free(r->timer);
        forget_tasks(r);
        free(r);
    }
}
