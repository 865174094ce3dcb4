/* SPDX-License-Identifier: MIT */
/*
 * What the operations of the Engine client share. Inside runtime/ only; loop thread only.
 */
#ifndef RUNTIME_DOCKER_PARTS_H
#define RUNTIME_DOCKER_PARTS_H

#include "base/buf.h"
#include "loop/loop.h"
#include "runtime/docker_engine.h"
#include "runtime/docker_events.h"
#include "runtime/docker_modules.h"
#include "runtime/runtime.h"

/* An engine that is busy with images may take its time for what changes a container. */
#define DOCKER_CHANGE_TIMEOUT_MS 60000

struct docker {
    struct runtime base;
    struct loop *loop;
    struct docker_engine *engine;
    struct docker_modules *modules;
    struct docker_events *events; /* NULL without on_event */
    runtime_event_fn *on_event;
    void *event_data;
    unsigned log_cnt; /* streams under way */
    unsigned pull_cnt;
};

/* A call of one request. The callback of the request gets it as data, calls done and frees it with
 * free(). */
struct docker_job {
    struct docker *docker;
    union {
        runtime_containers_fn *containers;
        runtime_modules_fn *modules;
        runtime_pids_fn *pids;
        runtime_info_fn *info;
        runtime_json_fn *json;
        runtime_image_fn *image;
        runtime_done_fn *plain;
    } done;
    void *data;
    char asked[RUNTIME_NAME_MAX + 1]; /* of docker_inspect_module: the name or id */
};

/* Copies the job and sends the request, which is a GET unless it says otherwise. */
enum edge_code docker_job_start(struct runtime *rt, struct docker_request *req,
                                const struct docker_job *job, struct op *ret_op,
                                struct edge_error *err) EDGE_NODISCARD;

#define DOCKER_PATH_MAX 8192 /* bytes of a path with a filter */

/* Appends the route of a list, which ends with "filters=", what lets pass one value only, and a
 * NUL. */
enum edge_code docker_filter_path(const char *route, const char *filter, const char *value,
                                  struct buf *path, struct edge_error *err) EDGE_NODISCARD;

#endif
