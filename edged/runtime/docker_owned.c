/* SPDX-License-Identifier: MIT */
/*
 * Two calls of the Engine in a row under one handle. The first one's answer decides whether there
 * is a second one.
 */
#include "runtime/docker_owned.h"

#include "runtime/docker_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct owned {
    struct loop *loop;
    struct docker_engine *engine;
    struct docker_owned_request req;
    char tail[DOCKER_OWNED_TAIL_MAX];
    char name[RUNTIME_NAME_MAX + 1];
    struct op self;
    struct op current; /* the call under way */
    bool canceled;
};

static void cancel(void *data) {
    struct owned *o = data;
    o->canceled = true;
    op_cancel(loop_ops(o->loop), o->current);
}

static void finish(struct owned *o, enum edge_code code, struct slice body,
                   const struct edge_error *err) {
    op_remove(loop_ops(o->loop), o->self);
    o->req.on_done(o->req.data, code, body, code == EDGE_OK ? NULL : err);
    free(o);
}

static void on_open(void *data, int status) {
    const struct owned *o = data;
    if (o->req.on_open != NULL && status >= 200 && status < 300 && !o->canceled) {
        o->req.on_open(o->req.data, status);
    }
}

static bool on_data(void *data, struct slice bytes) {
    const struct owned *o = data;
    return o->req.on_data(o->req.data, bytes);
}

static void on_done(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct owned *o = data;
    if (code == EDGE_EXISTS || (code == EDGE_NOT_FOUND && o->req.gone_is_done)) {
        code = EDGE_OK;
        body = (struct slice){0};
    }
    finish(o, code, body, err);
}

static uint32_t timeout_ms(const struct owned *o, const struct runtime_container *c) {
    uint32_t ms = o->req.timeout_ms;
    if (ms == 0 || !o->req.waits_for_stop) {
        return ms;
    }
    int stop_s = o->req.stop_timeout_s >= 0 ? o->req.stop_timeout_s : c->stop_timeout_s;
    return ms + (uint32_t)stop_s * 1000u; /* at most a day and a bit */
}

static enum edge_code send_to_id(struct owned *o, const struct runtime_container *c,
                                 struct edge_error *err) {
    char path[sizeof("/containers/") + RUNTIME_ID_LEN + DOCKER_OWNED_TAIL_MAX];
    (void)snprintf(path, sizeof(path), "/containers/%s%s", c->id, o->tail);
    if (o->req.on_found != NULL) {
        o->req.on_found(o->req.data, c->id);
    }
    const struct docker_request req = {
        .method = o->req.method,
        .path = path,
        .yields = o->req.yields,
        .timeout_ms = timeout_ms(o, c),
        .on_open = on_open,
        .on_data = o->req.on_data != NULL ? on_data : NULL,
        .on_done = on_done,
        .data = o,
    };
    return docker_engine_send(o->engine, &req, &o->current, err);
}

bool docker_owned_is_asked(const char *id_or_name, const char *id, const char *name) {
    return strcmp(id_or_name, name) == 0 || strcmp(id_or_name, id) == 0;
}

enum edge_code docker_owned_none(const char *id_or_name, struct edge_error *err) {
    return edge_set_native(err, EDGE_NOT_FOUND, EDGE_DOMAIN_HTTP, 404,
                           "the container engine answered 404: No such container: %s", id_or_name);
}

static void on_inspected(void *data, enum edge_code code, struct slice body,
                         const struct edge_error *err) {
    struct owned *o = data;
    struct runtime_container c = {0};
    struct edge_error own_err = {0};

    o->current = OP_NONE;
    if (code != EDGE_OK) {
        finish(o, code, (struct slice){0}, err);
        return;
    }
    if (o->canceled) {
        code = edge_set(&own_err, EDGE_CANCELED, "the call to the container engine was cancelled");
    } else {
        code = docker_json_container(body, &c, &own_err);
    }
    if (code == EDGE_OK && (!c.owned || !docker_owned_is_asked(o->name, c.id, c.name))) {
        code = docker_owned_none(o->name, &own_err);
    }
    if (code == EDGE_OK) {
        code = send_to_id(o, &c, &own_err);
    }
    if (code != EDGE_OK) {
        finish(o, code, (struct slice){0}, &own_err);
    }
}

static enum edge_code owned_start(struct owned *o, struct edge_error *err) {
    char path[RUNTIME_NAME_MAX + 48];
    (void)snprintf(path, sizeof(path), "/containers/%s/json?size=false", o->name);
    const struct docker_request req = {
        .method = "GET",
        .path = path,
        .sieve = &docker_owner_label,
        .yields = o->req.yields,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_inspected,
        .data = o,
    };
    return docker_engine_send(o->engine, &req, &o->current, err);
}

enum edge_code docker_owned_send(struct loop *l, struct docker_engine *e, const char *id_or_name,
                                 const struct docker_owned_request *req, struct op *ret_op,
                                 struct edge_error *err) {
    struct owned *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    o->loop = l;
    o->engine = e;
    o->req = *req;
    if (!slice_to_array(slice_str(id_or_name), o->name, sizeof(o->name)) ||
        !slice_to_array(slice_str(req->tail), o->tail, sizeof(o->tail))) {
        free(o);
        return edge_set(err, EDGE_INVALID, "the request is too long");
    }
    enum edge_code code = op_add(loop_ops(l), cancel, o, &o->self, err);
    if (code != EDGE_OK) {
        free(o);
        return code;
    }
    code = owned_start(o, err);
    if (code != EDGE_OK) {
        op_remove(loop_ops(l), o->self);
        free(o);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = o->self;
    }
    return EDGE_OK;
}

void docker_owned_resume(struct loop *l, struct docker_engine *e, struct op op) {
    const struct owned *o = op_get(loop_ops(l), op);
    if (o != NULL) {
        docker_engine_resume(e, o->current);
    }
}
