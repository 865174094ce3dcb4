/* SPDX-License-Identifier: MIT */
/*
 * Removal is never forced: whether an image is needed is the Engine's to know, at the very moment.
 */
#include "runtime/docker_images.h"

#include "base/json.h"
#include "runtime/docker_images_json.h"
#include "runtime/docker_parts.h"

#include <stdio.h>
#include <stdlib.h>

static void on_list(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct docker_job *job = data;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_image *list EDGE_CLEANUP(edge_cleanup_free) = NULL;
    struct edge_error own_err = {0};
    size_t cnt = 0;

    if (code == EDGE_OK) {
        code = docker_images_json_list(body, &root, &list, &cnt, &own_err);
        err = &own_err;
    }
    job->done.images(job->data, code, list, cnt, code == EDGE_OK ? NULL : err);
    free(job);
}

enum edge_code docker_images_list(struct runtime *rt, runtime_images_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    const struct docker_job job = {.done.images = done, .data = data};
    struct docker_request req = {
        .path = "/images/json",
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_list,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

/* The slashes of a name are part of the route; runtime_is_image has seen to the rest. The brackets
 * of an IPv6 address may not stand in a path (RFC 3986), but the Engine takes them. */
struct image_path {
    char text[RUNTIME_IMAGE_MAX + 48];
};

static void image_path(struct image_path *p, const char *image, const char *tail) {
    (void)snprintf(p->text, sizeof(p->text), "/images/%s%s", image, tail);
}

static void on_checked(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct docker_job *job = data;
    (void)body;
    job->done.plain(job->data, code, code == EDGE_OK ? NULL : err);
    free(job);
}

enum edge_code docker_images_check(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err) {
    struct image_path path;
    image_path(&path, image, "/json");
    const struct docker_job job = {.done.plain = done, .data = data};
    struct docker_request req = {
        .path = path.text,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_checked,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

static void on_removed(void *data, enum edge_code code, struct slice body,
                       const struct edge_error *err) {
    struct docker_job *job = data;
    (void)body;
    if (code == EDGE_NOT_FOUND) {
        code = EDGE_OK;
    }
    job->done.plain(job->data, code, code == EDGE_OK ? NULL : err);
    free(job);
}

enum edge_code docker_images_remove(struct runtime *rt, const char *image, runtime_done_fn *done,
                                    void *data, struct op *ret_op, struct edge_error *err) {
    struct image_path path;
    image_path(&path, image, "?force=false&noprune=false");
    const struct docker_job job = {.done.plain = done, .data = data};
    struct docker_request req = {
        .method = "DELETE",
        .path = path.text,
        .timeout_ms = DOCKER_CHANGE_TIMEOUT_MS,
        .on_done = on_removed,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}
