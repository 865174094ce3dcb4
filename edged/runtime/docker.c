/* SPDX-License-Identifier: MIT */
/*
 * The Docker Engine API as runtime operations: which path, which timeout, which reader.
 */
#include "runtime/docker.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/pct.h"
#include "runtime/docker_engine.h"
#include "runtime/docker_events.h"
#include "runtime/docker_json.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_MAX_LEN 1024

struct docker {
    struct runtime base;
    struct docker_engine *engine;
    struct docker_events *events; /* NULL without on_event */
};

struct docker_job {
    struct docker *docker;
    union {
        runtime_containers_fn *containers;
        runtime_pids_fn *pids;
        runtime_info_fn *info;
        runtime_done_fn *plain;
    } done;
    void *data;
};

static enum edge_code job_start(struct runtime *rt, struct docker_request *req,
                                const struct docker_job *job, struct op *ret_op,
                                struct edge_error *err) {
    struct docker *d = (struct docker *)rt;
    struct docker_job *own = malloc(sizeof(*own));
    if (own == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    *own = *job;
    own->docker = d;
    if (req->method == NULL) {
        req->method = "GET";
    }
    req->data = own;
    enum edge_code code = docker_engine_send(d->engine, req, ret_op, err);
    if (code != EDGE_OK) {
        free(own);
    }
    return code;
}

static void on_list(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct docker_job *job = data;
    struct runtime_container *list EDGE_CLEANUP(edge_cleanup_free) = NULL;
    struct edge_error own_err = {0};
    size_t cnt = 0, owned_cnt = 0;

    if (code == EDGE_OK) {
        code = docker_json_list(body, &list, &cnt, &own_err);
        err = &own_err;
    }
    /* The filter is the Engine's; what counts is what we read ourselves. */
    for (size_t i = 0; code == EDGE_OK && i < cnt; i++) {
        if (list[i].owned) {
            list[owned_cnt++] = list[i];
        }
    }
    job->done.containers(job->data, code, code == EDGE_OK ? list : NULL, owned_cnt,
                         code == EDGE_OK ? NULL : err);
    free(job);
}

static enum edge_code filters_path(struct buf *path, struct edge_error *err) {
    struct buf filters EDGE_CLEANUP(buf_clear);
    struct json_writer w;

    buf_init(&filters, PATH_MAX_LEN);
    json_begin(&w, &filters);
    json_object_open(&w, NULL);
    json_array_open(&w, "label");
    json_add_cstr(&w, NULL, RUNTIME_OWNER_LABEL "=" RUNTIME_OWNER_VALUE);
    json_array_close(&w);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    if (code == EDGE_OK) {
        code = buf_append_str(path, "/containers/json?all=true&filters=", err);
    }
    if (code == EDGE_OK) {
        code = pct_encode(buf_slice(&filters), PCT_UNRESERVED, path, err);
    }
    return code;
}

static enum edge_code docker_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    struct buf path EDGE_CLEANUP(buf_clear);

    buf_init(&path, PATH_MAX_LEN);
    enum edge_code code = filters_path(&path, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct docker_job job = {.done.containers = done, .data = data};
    struct docker_request req = {
        .path = buf_cstr(&path),
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_list,
    };
    if (req.path == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    return job_start(rt, &req, &job, ret_op, err);
}

static void on_inspect(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct docker_job *job = data;
    struct runtime_container container;
    struct edge_error own_err = {0};

    if (code == EDGE_OK) {
        code = docker_json_container(body, &container, &own_err);
        err = &own_err;
    }
    bool ok = code == EDGE_OK;
    job->done.containers(job->data, code, ok ? &container : NULL, ok ? 1 : 0, ok ? NULL : err);
    free(job);
}

/* Room for a path with one name in it; names need no encoding, runtime_is_name has seen to that. */
struct name_path {
    char text[RUNTIME_NAME_MAX + 64];
};

static void name_path(struct name_path *p, const char *id_or_name, const char *tail) {
    (void)snprintf(p->text, sizeof(p->text), "/containers/%s/%s", id_or_name, tail);
}

static enum edge_code docker_inspect(struct runtime *rt, const char *id_or_name,
                                     runtime_containers_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err) {
    struct name_path path;
    name_path(&path, id_or_name, "json?size=false");
    struct docker_job job = {.done.containers = done, .data = data};
    struct docker_request req = {
        .path = path.text,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_inspect,
    };
    return job_start(rt, &req, &job, ret_op, err);
}

static void on_top(void *data, enum edge_code code, struct slice body,
                   const struct edge_error *err) {
    struct docker_job *job = data;
    pid_t *pids EDGE_CLEANUP(edge_cleanup_free) = NULL;
    struct edge_error own_err = {0};
    size_t cnt = 0;

    if (code == EDGE_OK) {
        const char *title = docker_engine_is_podman(job->docker->engine) ? "HPID" : "PID";
        code = docker_json_top(body, title, &pids, &cnt, &own_err);
        err = &own_err;
    }
    job->done.pids(job->data, code, pids, cnt, code == EDGE_OK ? NULL : err);
    free(job);
}

static enum edge_code docker_top(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    struct name_path path, podman_path, second_path;
    name_path(&path, id_or_name, "top?ps_args=");
    /* Podman's default are numbers of the container's own pid namespace, which mean somebody else
     * on the host. */
    name_path(&podman_path, id_or_name, "top?ps_args=hpid");
    /* The Engine runs the host's ps; BusyBox has none of the default's options, but this one. */
    name_path(&second_path, id_or_name, "top?ps_args=-o%20pid");
    struct docker_job job = {.done.pids = done, .data = data};
    struct docker_request req = {
        .path = path.text,
        .podman_path = podman_path.text,
        .second_path = second_path.text,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_top,
    };
    return job_start(rt, &req, &job, ret_op, err);
}

static void on_info(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct docker_job *job = data;
    struct runtime_info info;
    struct edge_error own_err = {0};

    if (code == EDGE_OK) {
        code = docker_json_info(body, &info, &own_err);
        err = &own_err;
    }
    job->done.info(job->data, code, code == EDGE_OK ? &info : NULL, code == EDGE_OK ? NULL : err);
    free(job);
}

static enum edge_code docker_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    struct docker_job job = {.done.info = done, .data = data};
    struct docker_request req = {
        .path = "/info",
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_info,
    };
    return job_start(rt, &req, &job, ret_op, err);
}

static void on_remove(void *data, enum edge_code code, struct slice body,
                      const struct edge_error *err) {
    struct docker_job *job = data;
    (void)body;
    if (code == EDGE_NOT_FOUND) {
        code = EDGE_OK;
    }
    job->done.plain(job->data, code, code == EDGE_OK ? NULL : err);
    free(job);
}

static enum edge_code docker_remove(struct runtime *rt, const char *id_or_name,
                                    runtime_done_fn *done, void *data, struct op *ret_op,
                                    struct edge_error *err) {
    char path[RUNTIME_NAME_MAX + 64];
    (void)snprintf(path, sizeof(path), "/containers/%s?v=false&force=true", id_or_name);
    struct docker_job job = {.done.plain = done, .data = data};
    struct docker_request req = {
        .method = "DELETE",
        .path = path,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_remove,
    };
    return job_start(rt, &req, &job, ret_op, err);
}

static void docker_close(struct runtime *rt, void (*closed)(void *data), void *data) {
    struct docker *d = (struct docker *)rt;
    if (d->events != NULL) {
        docker_events_stop(d->events);
    }
    docker_engine_close(d->engine, closed, data);
}

static void docker_free(struct runtime *rt) {
    struct docker *d = (struct docker *)rt;
    docker_events_free(d->events);
    docker_engine_free(d->engine);
    free(d);
}

static const struct runtime_ops docker_ops = {
    .list = docker_list,
    .inspect = docker_inspect,
    .top = docker_top,
    .info = docker_info,
    .remove = docker_remove,
    .close = docker_close,
    .free = docker_free,
};

enum edge_code docker_new(struct loop *l, struct http_client *http, const char *socket_path,
                          runtime_event_fn *on_event, void *event_data, struct runtime **ret,
                          struct edge_error *err) {
    struct docker *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    d->base.ops = &docker_ops;
    enum edge_code code = docker_engine_new(l, http, socket_path, &d->engine, err);
    if (code == EDGE_OK && on_event != NULL) {
        code = docker_events_new(l, d->engine, on_event, event_data, &d->events, err);
    }
    if (code != EDGE_OK) {
        docker_free(&d->base);
        return code;
    }
    *ret = &d->base;
    return EDGE_OK;
}
