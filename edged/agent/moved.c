/* SPDX-License-Identifier: MIT */
/*
 * One thing at a time: read the file, list the containers, remove them one after the other, write
 * the file. What fails is tried again from the list on, so that nothing that came meanwhile is
 * missed.
 */
#include "agent/moved.h"

#include "agent/moved_file.h"

#include "base/log.h"
#include "loop/backoff.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS   1000
#define RETRY_START_MS 5000
#define RETRY_MAX_MS   60000
#define MAKING_MS      500 /* from one look at whether something is being made to the next */

struct container {
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1];
};

/* Worker's from submission to completion, else the loop's. */
struct job {
    bool is_write;
    struct moved_identity id;
    enum edge_code code;
    struct edge_error err;
};

struct moved {
    struct moved_deps deps;
    char dir[PATH_MAX];
    struct loop_timer *timer; /* the next attempt, or the end of moved_stop */
    struct backoff backoff;

    bool has_wanted, has_read, has_remembered;
    struct moved_identity wanted, remembered;
    struct moved_identity target; /* whom the removal in progress is for */

    bool busy;    /* a job or a call to the engine is on its way */
    struct op op; /* of the call to the engine */
    struct job job;
    struct container *list; /* still to be removed */
    size_t cnt;
    bool held;   /* the changes of modules */
    bool failed; /* one of them could not be removed */

    bool stopping;
    void (*stopped)(void *data);
    void *stopped_data;
};

static void advance(struct moved *m);
static void remove_next(struct moved *m);

/* Whatever was on its way has ended. True when the caller may go on. */
static bool is_going_on(struct moved *m) {
    m->busy = false;
    m->op = OP_NONE;
    if (m->stopping) {
        loop_timer_start(m->timer, 0);
    }
    return !m->stopping;
}

static void retry(struct moved *m, const char *what, const struct edge_error *err) {
    uint32_t delay_ms = backoff_next(&m->backoff, 0);
    log_warn("%s: %s; trying again in %u s", what, edge_error_text(err),
             (unsigned)(delay_ms / 1000));
    loop_timer_start(m->timer, delay_ms);
}

static void job_run(void *data) {
    struct moved *m = data;
    struct job *j = &m->job;
    j->code = j->is_write ? moved_file_write(m->dir, &j->id, &j->err)
                          : moved_file_read(m->dir, &j->id, &j->err);
}

static void submit(struct moved *m, bool is_write, void (*done)(void *data, enum edge_code code)) {
    const struct worker_job spec = {.run = job_run, .done = done, .data = m};
    struct edge_error err;
    m->job = (struct job){.is_write = is_write, .id = m->target};
    m->busy = worker_submit(m->deps.worker, &spec, NULL, &err) == EDGE_OK;
    if (!m->busy) {
        retry(m, "the file of whose containers these are cannot be used", &err);
    }
}

static void tell_settled(struct moved *m) {
    if (!moved_is_settled(m)) {
        return;
    }
    if (m->held) {
        m->held = false;
        module_ops_hold(m->deps.module_ops, false);
    }
    if (m->deps.on_settled != NULL) {
        m->deps.on_settled(m->deps.data);
    }
}

static void on_written(void *data, enum edge_code code) {
    struct moved *m = data;
    if (!is_going_on(m)) {
        return;
    }
    if (code != EDGE_OK || m->job.code != EDGE_OK) {
        struct edge_error err = m->job.err;
        if (code != EDGE_OK) {
            (void)edge_set(&err, code, "canceled");
        }
        retry(m, "it cannot be saved for whom the containers were made", &err);
        return;
    }
    m->remembered = m->job.id;
    m->has_remembered = true;
    backoff_reset(&m->backoff);
    tell_settled(m);
    advance(m);
}

static void on_read(void *data, enum edge_code code) {
    struct moved *m = data;
    const struct job *j = &m->job;
    if (!is_going_on(m)) {
        return;
    }
    if (code == EDGE_OK && j->code != EDGE_OK && j->code != EDGE_NOT_FOUND &&
        j->code != EDGE_PARSE) {
        retry(m, "it cannot be read for whom the containers were made", &j->err);
        return;
    }
    if (code != EDGE_OK) {
        return; /* the worker has ended */
    }
    if (j->code == EDGE_PARSE) {
        log_warn("%s; the containers are taken for those of this identity",
                 edge_error_text(&j->err));
    }
    m->has_read = true;
    m->has_remembered = j->code == EDGE_OK;
    m->remembered = j->id;
    tell_settled(m);
    advance(m);
}

static void end_removal(struct moved *m) {
    free(m->list);
    m->list = NULL;
    m->cnt = 0;
}

static void on_removed(void *data, enum edge_code code, const struct edge_error *err) {
    struct moved *m = data;
    if (!is_going_on(m)) {
        return;
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        log_warn("container %s cannot be removed: %s", log_quote_str(m->list[m->cnt].name),
                 edge_error_text(err));
        m->failed = true;
    }
    remove_next(m);
}

/* In the module's turn, so that what an update makes of it at this moment goes with it. A name that
 * no module can have is nobody's turn. */
static enum edge_code remove_one(struct moved *m, const struct container *c,
                                 struct edge_error *err) {
    const struct module_order order = {.change = MODULE_REMOVE, .name = c->name};
    enum edge_code code = module_ops_run(m->deps.module_ops, &order, on_removed, m, err);
    if (code == EDGE_INVALID) {
        code = runtime_remove(m->deps.runtime, c->id, on_removed, m, &m->op, err);
    }
    return code;
}

static void remove_next(struct moved *m) {
    struct edge_error err;
    if (m->cnt > 0) {
        m->cnt--;
        m->busy = true;
        if (remove_one(m, &m->list[m->cnt], &err) == EDGE_OK) {
            return;
        }
        (void)is_going_on(m);
        m->failed = true;
    } else {
        (void)edge_set(&err, EDGE_RETRY, "the container engine refused some of them");
    }
    end_removal(m);
    if (m->failed) {
        retry(m, "containers of the former identity are still there", &err);
    } else if (moved_identity_eq(&m->target, &m->wanted)) {
        submit(m, true, on_written);
    } else {
        advance(m); /* moved again meanwhile: what was made in between has to go, too */
    }
}

static void on_listed(void *data, enum edge_code code, const struct runtime_container *list,
                      size_t cnt, const struct edge_error *err) {
    struct moved *m = data;
    struct edge_error own_err;
    if (!is_going_on(m)) {
        return;
    }
    if (code == EDGE_OK && cnt > 0) {
        m->list = calloc(cnt, sizeof(*m->list));
        if (m->list == NULL) {
            code = edge_set(&own_err, EDGE_NOMEM, "out of memory");
            err = &own_err;
        }
    }
    if (code != EDGE_OK) {
        retry(m, "containers of the former identity cannot be listed", err);
        return;
    }
    for (size_t i = 0; m->list != NULL && i < cnt; i++) {
        if (list[i].owned) {
            struct container *c = &m->list[m->cnt++];
            memcpy(c->id, list[i].id, sizeof(c->id));
            memcpy(c->name, list[i].name, sizeof(c->name));
        }
    }
    log_info("%zu containers of the former identity are removed", m->cnt);
    remove_next(m);
}

static void start_removal(struct moved *m) {
    struct edge_error err;
    if (!m->held) {
        log_info("The device has moved from %s at %s to %s at %s; its containers are made anew",
                 m->remembered.device_id, m->remembered.hub, m->wanted.device_id, m->wanted.hub);
        m->held = true;
        module_ops_hold(m->deps.module_ops, true);
    }
    if (module_ops_is_making(m->deps.module_ops)) {
        loop_timer_start(m->timer, MAKING_MS); /* the list would miss what is being made */
        return;
    }
    m->failed = false;
    m->busy = true;
    if (runtime_list(m->deps.runtime, on_listed, m, &m->op, &err) != EDGE_OK) {
        (void)is_going_on(m);
        retry(m, "containers of the former identity cannot be listed", &err);
    }
}

/* Does what is due; nothing while something is on its way or waits for its time. */
static void advance(struct moved *m) {
    if (m->busy || m->stopping || !m->has_wanted || loop_timer_is_active(m->timer)) {
        return;
    }
    if (moved_is_settled(m)) {
        if (m->held) {
            tell_settled(m); /* it has moved back */
        }
        return;
    }
    m->target = m->wanted;
    if (!m->has_read) {
        submit(m, false, on_read);
    } else if (!m->has_remembered) {
        submit(m, true, on_written);
    } else {
        start_removal(m);
    }
}

static void on_timer(void *data) {
    struct moved *m = data;
    if (m->stopping) {
        m->stopped(m->stopped_data);
    } else {
        advance(m);
    }
}

enum edge_code moved_new(const struct moved_deps *deps, struct moved **ret,
                         struct edge_error *err) {
    struct moved *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the watch on moves");
    }
    m->deps = *deps;
    m->deps.state_dir = m->dir;
    backoff_init(&m->backoff, RETRY_MIN_MS, RETRY_START_MS, RETRY_MAX_MS);
    enum edge_code code = EDGE_OK;
    if (!slice_to_array(slice_str(deps->state_dir), m->dir, sizeof(m->dir))) {
        code = edge_set(err, EDGE_INVALID, "the path of the state directory is too long");
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(deps->loop, on_timer, m, &m->timer, err);
    }
    if (code != EDGE_OK) {
        moved_free(m);
        return code;
    }
    *ret = m;
    return EDGE_OK;
}

void moved_set_identity(struct moved *m, const char *hub, const char *device_id, bool proven) {
    struct moved_identity id;
    if (!proven || m->stopping) {
        return;
    }
    if (!moved_identity_make(slice_str(hub), slice_str(device_id), &id)) {
        log_error("the identity is empty or too long to be remembered for the containers");
        return;
    }
    m->wanted = id;
    m->has_wanted = true;
    advance(m);
}

bool moved_is_settled(const struct moved *m) {
    return m->has_wanted && m->has_read && m->has_remembered && !m->busy &&
           moved_identity_eq(&m->wanted, &m->remembered);
}

bool moved_is_settled_for(const struct moved *m, const char *hub, const char *device_id) {
    struct moved_identity id;
    return moved_is_settled(m) && moved_identity_make(slice_str(hub), slice_str(device_id), &id) &&
           moved_identity_eq(&id, &m->wanted);
}

void moved_stop(struct moved *m, void (*stopped)(void *data), void *data) {
    assert(!m->stopping);
    m->stopping = true;
    m->stopped = stopped;
    m->stopped_data = data;
    loop_timer_stop(m->timer);
    if (!m->busy) {
        loop_timer_start(m->timer, 0);
    } else if (op_is_set(m->op)) {
        op_cancel(loop_ops(m->deps.loop), m->op);
    }
}

void moved_free(struct moved *m) {
    if (m == NULL) {
        return;
    }
    assert(!m->busy);
    loop_timer_free(m->timer);
    free(m->list);
    free(m);
}
