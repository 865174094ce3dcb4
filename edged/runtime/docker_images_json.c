/* SPDX-License-Identifier: MIT */
/*
 * Message mapping for images.
 */
#include "runtime/docker_images_json.h"

#include "base/json.h"
#include "runtime/docker_json.h"

enum edge_code docker_images_json_one(struct slice text, struct cJSON **ret_root,
                                      struct runtime_image *ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct runtime_image image = {0};
    struct slice id = {0};

    enum edge_code code = docker_json_object(text, &root, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (json_get_str(root, "Id", &id, NULL) != EDGE_OK || id.len == 0 ||
        !slice_to_array(id, image.id, sizeof(image.id))) {
        return docker_json_bad(err, "Id");
    }
    if (docker_json_opt(json_get_array(root, "RepoTags", &image.tags, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "RepoTags");
    }
    if (docker_json_opt(json_get_array(root, "RepoDigests", &image.digests, NULL)) != EDGE_OK) {
        return docker_json_bad(err, "RepoDigests");
    }
    *ret = image;
    *ret_root = TAKE_PTR(root);
    return EDGE_OK;
}
