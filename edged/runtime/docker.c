/* SPDX-License-Identifier: MIT */
/*
 * The Docker Engine API as runtime operations: which path, which timeout, which reader.
 */
#include "runtime/docker.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/pct.h"
#include "runtime/docker_control.h"
#include "runtime/docker_images.h"
#include "runtime/docker_json.h"
#include "runtime/docker_logs.h"
#include "runtime/docker_modules_json.h"
#include "runtime/docker_network.h"
#include "runtime/docker_owned.h"
#include "runtime/docker_parts.h"
#include "runtime/docker_pull.h"

#include <stdio.h>
#include <stdlib.h>

enum edge_code docker_job_start(struct runtime *rt, struct docker_request *req,
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

enum edge_code docker_filter_path(const char *route, const char *filter, const char *value,
                                  struct buf *path, struct edge_error *err) {
    struct buf filters EDGE_CLEANUP(buf_clear);
    struct json_writer w;

    buf_init(&filters, DOCKER_PATH_MAX);
    json_begin(&w, &filters);
    json_object_open(&w, NULL);
    json_array_open(&w, filter);
    json_add_cstr(&w, NULL, value);
    json_array_close(&w);
    json_object_close(&w);
    enum edge_code code = json_end(&w, err);
    if (code == EDGE_OK) {
        code = buf_append_str(path, route, err);
    }
    if (code == EDGE_OK) {
        code = pct_encode(buf_slice(&filters), PCT_UNRESERVED, path, err);
    }
    return code == EDGE_OK ? buf_append_byte(path, 0, err) : code;
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

static enum edge_code owned_path(struct buf *path, struct edge_error *err) {
    return docker_filter_path("/containers/json?all=true&filters=", "label",
                              RUNTIME_OWNER_LABEL "=" RUNTIME_OWNER_VALUE, path, err);
}

static enum edge_code docker_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    struct buf path EDGE_CLEANUP(buf_clear);

    buf_init(&path, DOCKER_PATH_MAX);
    enum edge_code code = owned_path(&path, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct docker_job job = {.done.containers = done, .data = data};
    struct docker_request req = {
        .path = (const char *)path.data,
        .sieve = &docker_owner_label,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_list,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

static enum edge_code docker_list_modules(struct runtime *rt, runtime_modules_fn *done, void *data,
                                          struct op *ret_op, struct edge_error *err) {
    struct docker *d = (struct docker *)rt;
    struct buf path EDGE_CLEANUP(buf_clear);

    buf_init(&path, DOCKER_PATH_MAX);
    enum edge_code code = owned_path(&path, err);
    if (code != EDGE_OK) {
        return code;
    }
    return docker_modules_list(d->modules, (const char *)path.data, done, data, ret_op, err);
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
        .sieve = &docker_owner_label,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_inspect,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
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
    return docker_job_start(rt, &req, &job, ret_op, err);
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
    return docker_job_start(rt, &req, &job, ret_op, err);
}

static void on_module(void *data, enum edge_code code, struct slice body,
                      const struct edge_error *err) {
    struct docker_job *job = data;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_module module;
    struct edge_error own_err = {0};

    if (code == EDGE_OK) {
        code = docker_modules_json_one(body, &root, &module, &own_err);
        err = &own_err;
    }
    if (code == EDGE_OK && !docker_owned_is_asked(job->asked, module.id, module.name)) {
        code = EDGE_NOT_FOUND;
    }
    if (code == EDGE_NOT_FOUND && err == &own_err) {
        code = docker_owned_none(job->asked, &own_err);
    }
    bool ok = code == EDGE_OK;
    job->done.modules(job->data, code, ok ? &module : NULL, ok ? 1 : 0, ok ? NULL : err);
    free(job);
}

static enum edge_code docker_inspect_module(struct runtime *rt, const char *id_or_name,
                                            runtime_modules_fn *done, void *data, struct op *ret_op,
                                            struct edge_error *err) {
    struct name_path path;
    name_path(&path, id_or_name, "json?size=false");
    struct docker_job job = {.done.modules = done, .data = data};
    if (!slice_to_array(slice_str(id_or_name), job.asked, sizeof(job.asked))) {
        return edge_set(err, EDGE_INVALID, "the request is too long");
    }
    struct docker_request req = {
        .path = path.text,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_module,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

static void on_stats(void *data, enum edge_code code, struct slice body,
                     const struct edge_error *err) {
    struct docker_job *job = data;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct edge_error own_err = {0};

    if (code == EDGE_OK && body.len == 0) { /* Podman */
        code = edge_set(&own_err, EDGE_CONFLICT, "the container does not run");
        err = &own_err;
    } else if (code == EDGE_OK) {
        code = json_parse(body, &root, &own_err);
        err = &own_err;
    }
    if (code == EDGE_OK && !json_is_object(root)) {
        code = edge_set(&own_err, EDGE_PROTO, "the container engine's statistics are no object");
    }
    bool ok = code == EDGE_OK;
    job->done.json(job->data, code, ok ? body : (struct slice){0}, ok ? NULL : err);
    free(job);
}

static enum edge_code docker_stats(struct runtime *rt, const char *id_or_name,
                                   runtime_json_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    struct name_path path;
    name_path(&path, id_or_name, "stats?stream=false");
    struct docker_job job = {.done.json = done, .data = data};
    struct docker_request req = {
        .path = path.text,
        .yields = true,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_stats,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
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
    docker_modules_free(d->modules);
    docker_engine_free(d->engine);
    free(d);
}

static const struct runtime_ops docker_ops = {
    .list = docker_list,
    .modules = docker_list_modules,
    .inspect = docker_inspect,
    .inspect_module = docker_inspect_module,
    .top = docker_top,
    .info = docker_info,
    .create = docker_control_create,
    .act = docker_control_act,
    .pull = docker_pull_image,
    .logs = docker_logs_open,
    .logs_resume = docker_logs_resume,
    .stats = docker_stats,
    .network_ensure = docker_network_ensure,
    .image_find = docker_images_find,
    .image_unused = docker_images_unused,
    .image_check = docker_images_check,
    .image_remove = docker_images_remove,
    .rename = docker_control_rename,
    .close = docker_close,
    .free = docker_free,
};

static void on_engine_event(void *data, enum runtime_event event, const char *id) {
    struct docker *d = data;
    docker_modules_event(d->modules, event, id);
    d->on_event(d->event_data, event, id);
}

enum edge_code docker_new(struct loop *l, struct http_client *http, const char *socket_path,
                          runtime_event_fn *on_event, void *event_data, struct runtime **ret,
                          struct edge_error *err) {
    struct docker *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    d->base.ops = &docker_ops;
    d->loop = l;
    d->on_event = on_event;
    d->event_data = event_data;
    enum edge_code code = docker_engine_new(l, http, socket_path, &d->engine, err);
    if (code == EDGE_OK) {
        code = docker_modules_new(l, d->engine, &d->modules, err);
    }
    if (code == EDGE_OK && on_event != NULL) {
        code = docker_events_new(l, d->engine, on_engine_event, d, &d->events, err);
    }
    if (code != EDGE_OK) {
        docker_free(&d->base);
        return code;
    }
    *ret = &d->base;
    return EDGE_OK;
}
