/* SPDX-License-Identifier: MIT */
/*
 * Message mapping for images.
 */
#include "runtime/docker_images_json.h"

#include "base/json.h"
#include "runtime/docker_json.h"

#include <stdlib.h>

static enum edge_code read_image(const struct cJSON *node, struct runtime_image *ret,
                                 struct edge_error *err) {
    struct slice id = {0};

    if (!json_is_object(node) || json_get_str(node, "Id", &id, NULL) != EDGE_OK || id.len == 0 ||
        !slice_to_array(id, ret->id, sizeof(ret->id))) {
        return docker_json_bad(err, "Id");
    }
    if (docker_json_opt(json_get_array(node, "RepoTags", &ret->tags, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "RepoTags");
    }
    if (docker_json_opt(json_get_array(node, "RepoDigests", &ret->digests, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "RepoDigests");
    }
    if (docker_json_opt(json_get_i64(node, "Created", &ret->created_wall_s, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Created");
    }
    if (docker_json_opt(json_get_i64(node, "Size", &ret->size, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "Size");
    }
    return EDGE_OK;
}

enum edge_code docker_images_json_list(struct slice text, struct cJSON **ret_root,
                                       struct runtime_image **ret_list, size_t *ret_cnt,
                                       struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_image *list EDGE_CLEANUP(edge_cleanup_free) = NULL;
    size_t cnt = 0;

    enum edge_code code = json_parse(text, &root, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading the container engine's images");
    }
    if (!json_is_array(root)) {
        return edge_set(err, EDGE_PROTO, "the container engine's images are not an array");
    }
    cnt = docker_json_count(root);
    if (cnt > RUNTIME_IMAGES_MAX) {
        return edge_set(err, EDGE_RANGE, "the container engine has more than %d images",
                        RUNTIME_IMAGES_MAX);
    }
    list = calloc(cnt + 1, sizeof(*list));
    if (list == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a list of images");
    }
    cnt = 0;
    for (const struct cJSON *n = json_first(root); n != NULL && code == EDGE_OK; n = json_next(n)) {
        code = read_image(n, &list[cnt++], err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    *ret_root = TAKE_PTR(root);
    *ret_list = TAKE_PTR(list);
    *ret_cnt = cnt;
    return EDGE_OK;
}
