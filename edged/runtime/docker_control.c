/* SPDX-License-Identifier: MIT */
/*
 * Requests that change containers. Creation is the only one that needs no look-up: the Engine
 * itself sees to it that a name is given once.
 */
#include "runtime/docker_control.h"

#include "runtime/docker_owned.h"
#include "runtime/docker_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct change {
    struct docker *docker;
    char id[RUNTIME_ID_LEN + 1]; /* "" until it is known */
    runtime_done_fn *done;
    void *data;
};

static void on_found(void *data, const char *id) {
    struct change *c = data;
    memcpy(c->id, id, sizeof(c->id));
}

/* Podman before 5 answers 500 for a name that is in use. */
static enum edge_code name_conflict(enum edge_code code, const struct edge_error *err,
                                    struct edge_error *ret_err) {
    if (code != EDGE_OK) {
        *ret_err = *err;
    }
    if (code == EDGE_REMOTE && strstr(edge_error_text(err), "already in use") != NULL) {
        code = ret_err->code = EDGE_CONFLICT;
    }
    return code;
}

static void on_changed(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct change *c = data;
    struct edge_error own_err = {0};

    (void)body;
    code = name_conflict(code, err, &own_err);
    err = &own_err;
    /* Whoever lists modules next sees what he did, even if the Engine's event is still on its way.
     */
    if (c->id[0] != '\0') {
        docker_modules_event(c->docker->modules, RUNTIME_EVENT_STOPPED, c->id);
    }
    c->done(c->data, code, code == EDGE_OK ? NULL : err);
    free(c);
}

static void on_created(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct docker_job *job = data;
    struct edge_error own_err = {0};

    (void)body; /* an id and warnings */
    code = name_conflict(code, err, &own_err);
    err = &own_err;
    job->done.plain(job->data, code, code == EDGE_OK ? NULL : err);
    free(job);
}

enum edge_code docker_control_create(struct runtime *rt, const struct runtime_spec *spec,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) {
    char path[RUNTIME_NAME_MAX + 32];
    (void)snprintf(path, sizeof(path), "/containers/create?name=%s", spec->name);
    const struct docker_job job = {.done.plain = done, .data = data};
    struct docker_request req = {
        .method = "POST",
        .path = path,
        .body = spec->create_body,
        .timeout_ms = DOCKER_CHANGE_TIMEOUT_MS,
        .on_done = on_created,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

/* What changes the container that is there. */
static enum edge_code change(struct runtime *rt, const char *id_or_name,
                             struct docker_owned_request *req, runtime_done_fn *done, void *data,
                             struct op *ret_op, struct edge_error *err) {
    struct docker *d = (struct docker *)rt;
    struct change *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    c->docker = d;
    c->done = done;
    c->data = data;
    req->timeout_ms = DOCKER_CHANGE_TIMEOUT_MS;
    req->on_found = on_found;
    req->on_done = on_changed;
    req->data = c;
    enum edge_code code = docker_owned_send(d->loop, d->engine, id_or_name, req, ret_op, err);
    if (code != EDGE_OK) {
        free(c);
    }
    return code;
}

enum edge_code docker_control_act(struct runtime *rt, enum runtime_act act, const char *id_or_name,
                                  int timeout_s, runtime_done_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    static const struct {
        const char *method;
        const char *tail;
        bool waits_for_stop;
        bool gone_is_done;
    } acts[] = {
        [RUNTIME_ACT_START] = {"POST", "/start", false, false},
        [RUNTIME_ACT_STOP] = {"POST", "/stop", true, false},
        [RUNTIME_ACT_RESTART] = {"POST", "/restart", true, false},
        [RUNTIME_ACT_REMOVE] = {"DELETE", "?v=false&force=true", false, true},
    };
    char tail[DOCKER_OWNED_TAIL_MAX];

    if (acts[act].waits_for_stop && timeout_s >= 0) {
        (void)snprintf(tail, sizeof(tail), "%s?t=%d", acts[act].tail, timeout_s);
    } else {
        (void)snprintf(tail, sizeof(tail), "%s", acts[act].tail);
    }
    struct docker_owned_request req = {
        .method = acts[act].method,
        .tail = tail,
        .waits_for_stop = acts[act].waits_for_stop,
        .stop_timeout_s = timeout_s,
        .gone_is_done = acts[act].gone_is_done,
    };
    return change(rt, id_or_name, &req, done, data, ret_op, err);
}

enum edge_code docker_control_rename(struct runtime *rt, const char *id_or_name, const char *to,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) {
    char tail[DOCKER_OWNED_TAIL_MAX];
    (void)snprintf(tail, sizeof(tail), "/rename?name=%s", to);
    struct docker_owned_request req = {.method = "POST", .tail = tail};
    return change(rt, id_or_name, &req, done, data, ret_op, err);
}
