/* SPDX-License-Identifier: MIT */
/*
 * Two calls under one handle: is it there, and if not, make it. The Engine's own filter finds names
 * that merely contain ours, so what counts is what we compare ourselves.
 */
#include "runtime/docker_network.h"

#include "base/buf.h"
#include "runtime/docker_network_json.h"
#include "runtime/docker_parts.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX 8192 /* bytes of a creation */

struct ensurance {
    struct docker *docker;
    char *name;
    struct buf body; /* of the creation */
    struct op self;
    struct op current; /* the call under way */
    bool canceled;
    runtime_done_fn *done;
    void *data;
};

static void ensurance_free(struct ensurance *e) {
    free(e->name);
    buf_clear(&e->body);
    free(e);
}

static void cancel(void *data) {
    struct ensurance *e = data;
    e->canceled = true;
    op_cancel(loop_ops(e->docker->loop), e->current);
}

static void finish(struct ensurance *e, enum edge_code code, const struct edge_error *err) {
    op_remove(loop_ops(e->docker->loop), e->self);
    e->done(e->data, code, code == EDGE_OK ? NULL : err);
    ensurance_free(e);
}

static void on_created(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    (void)body;
    /* CONFLICT: somebody else made it meanwhile. */
    finish(data, code == EDGE_CONFLICT ? EDGE_OK : code, err);
}

static enum edge_code send_create(struct ensurance *e, struct edge_error *err) {
    const struct docker_request req = {
        .method = "POST",
        .path = "/networks/create",
        .body = buf_slice(&e->body),
        .timeout_ms = DOCKER_CHANGE_TIMEOUT_MS,
        .on_done = on_created,
        .data = e,
    };
    return docker_engine_send(e->docker->engine, &req, &e->current, err);
}

static void on_listed(void *data, enum edge_code code, struct slice body,
                      const struct edge_error *err) {
    struct ensurance *e = data;
    struct edge_error own_err = {0};
    bool found = false;

    e->current = OP_NONE;
    if (code != EDGE_OK) {
        finish(e, code, err);
        return;
    }
    if (e->canceled) {
        code = edge_set(&own_err, EDGE_CANCELED, "the call to the container engine was cancelled");
    } else {
        code = docker_network_json_find(body, e->name, &found, &own_err);
    }
    if (code == EDGE_OK && !found) {
        code = send_create(e, &own_err);
        if (code == EDGE_OK) {
            return;
        }
    }
    finish(e, code, &own_err);
}

static enum edge_code send_list(struct ensurance *e, struct edge_error *err) {
    struct buf path EDGE_CLEANUP(buf_clear);

    buf_init(&path, DOCKER_PATH_MAX);
    enum edge_code code = docker_filter_path("/networks?filters=", "name", e->name, &path, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct docker_request req = {
        .method = "GET",
        .path = (const char *)path.data,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_listed,
        .data = e,
    };
    return docker_engine_send(e->docker->engine, &req, &e->current, err);
}

static enum edge_code prepare(struct ensurance *e, const struct runtime_network *network,
                              struct edge_error *err) {
    buf_init(&e->body, BODY_MAX);
    e->name = strdup(network->name);
    if (e->name == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a network");
    }
    return docker_network_json_create(network, &e->body, err);
}

enum edge_code docker_network_ensure(struct runtime *rt, const struct runtime_network *network,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) {
    struct docker *d = (struct docker *)rt;
    struct ensurance *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a network");
    }
    e->docker = d;
    e->done = done;
    e->data = data;
    enum edge_code code = prepare(e, network, err);
    if (code == EDGE_OK) {
        code = op_add(loop_ops(d->loop), cancel, e, &e->self, err);
    }
    if (code == EDGE_OK) {
        code = send_list(e, err);
        if (code != EDGE_OK) {
            op_remove(loop_ops(d->loop), e->self);
        }
    }
    if (code != EDGE_OK) {
        ensurance_free(e);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = e->self;
    }
    return EDGE_OK;
}
