/* SPDX-License-Identifier: MIT */
/*
 * Removal is never forced: whether an image is needed is the Engine's to know, at the very moment.
 */
#include "runtime/docker_images.h"

#include "base/json.h"
#include "runtime/docker_images_json.h"
#include "runtime/docker_json.h"
#include "runtime/docker_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The slashes of a name are part of the route; runtime_is_image has seen to the rest. The brackets
 * of an IPv6 address may not stand in a path (RFC 3986), but the Engine takes them. */
struct image_path {
    char text[RUNTIME_IMAGE_MAX + 48];
};

static void image_path(struct image_path *p, const char *image, const char *tail) {
    (void)snprintf(p->text, sizeof(p->text), "/images/%s%s", image, tail);
}

static void on_found(void *data, enum edge_code code, struct slice body,
                     const struct edge_error *err) {
    struct docker_job *job = data;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct edge_error own_err = {0};
    struct runtime_image image;

    if (code == EDGE_OK) {
        code = docker_images_json_one(body, &root, &image, &own_err);
        err = &own_err;
    }
    if (code == EDGE_OK) {
        job->done.image(job->data, code, &image, NULL);
    } else {
        job->done.image(job->data, code, NULL, err);
    }
    free(job);
}

enum edge_code docker_images_find(struct runtime *rt, const char *image, runtime_image_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err) {
    struct image_path path;
    image_path(&path, image, "/json");
    const struct docker_job job = {.done.image = done, .data = data};
    struct docker_request req = {
        .path = path.text,
        .sieve = &docker_no_labels,
        .timeout_ms = DOCKER_INSPECT_TIMEOUT_MS,
        .on_done = on_found,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
}

/* Podman knows ids without the digest's name only, Docker both. */
static enum edge_code unused_path(const char *id, struct buf *path, struct edge_error *err) {
    const char *colon = strchr(id, ':');
    return docker_filter_path("/containers/json?all=true&limit=1&filters=", "ancestor",
                              colon != NULL ? colon + 1 : id, path, err);
}

/* What is too long to be read speaks of a container, too. */
static void on_users(void *data, enum edge_code code, struct slice body,
                     const struct edge_error *err) {
    struct docker_job *job = data;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct edge_error own_err = {0};
    size_t cnt = 0;

    if (code == EDGE_OK) {
        code = docker_json_entries(body, &root, &cnt, &own_err);
        err = &own_err;
    }
    if (code == EDGE_RANGE || (code == EDGE_OK && cnt > 0)) {
        code = edge_set(&own_err, EDGE_CONFLICT, "a container is made of this image");
        err = &own_err;
    }
    job->done.plain(job->data, code, code == EDGE_OK ? NULL : err);
    free(job);
}

enum edge_code docker_images_unused(struct runtime *rt, const char *id, runtime_done_fn *done,
                                    void *data, struct op *ret_op, struct edge_error *err) {
    struct buf path EDGE_CLEANUP(buf_clear);
    buf_init(&path, DOCKER_PATH_MAX);
    enum edge_code code = unused_path(id, &path, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct docker_job job = {.done.plain = done, .data = data};
    struct docker_request req = {
        .path = (const char *)path.data,
        .sieve = &docker_no_labels,
        .timeout_ms = DOCKER_CONTROL_TIMEOUT_MS,
        .on_done = on_users,
    };
    return docker_job_start(rt, &req, &job, ret_op, err);
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
        .sieve = &docker_no_labels,
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
