/* SPDX-License-Identifier: MIT */
/*
 * An image has tags, which move from image to image, and digests, which do not: one for each
 * repository that it was pulled from. An image whose tag has moved on keeps the digest.
 */
#include "agent/image_claim.h"

#include "base/json.h"
#include "runtime/image_name.h"

#include <string.h>

struct names {
    unsigned tag_cnt;
    bool has_name, has_bootstrap;
    bool has_digest; /* of the name's repository */
    bool has_other_digests;
    char digest[RUNTIME_IMAGE_MAX + 1];
};

static void read_tags(const struct runtime_image *image, const char *name, const char *bootstrap,
                      struct names *n) {
    char full[RUNTIME_IMAGE_MAX + 1];
    for (const struct cJSON *t = json_first(image->tags); t != NULL; t = json_next(t)) {
        if (image_name_full(json_str(t), full)) {
            n->tag_cnt++;
            n->has_name = n->has_name || strcmp(full, name) == 0;
            n->has_bootstrap = n->has_bootstrap || strcmp(full, bootstrap) == 0;
        }
    }
}

static void read_digests(const struct runtime_image *image, const char *name, const char *bootstrap,
                         struct names *n) {
    char full[RUNTIME_IMAGE_MAX + 1];
    struct slice repository = image_name_repository(name);
    for (const struct cJSON *d = json_first(image->digests); d != NULL; d = json_next(d)) {
        if (!image_name_full(json_str(d), full)) {
            continue;
        }
        n->has_bootstrap = n->has_bootstrap || strcmp(full, bootstrap) == 0;
        if (slice_eq(image_name_repository(full), repository)) {
            n->has_digest = true;
            memcpy(n->digest, full, sizeof(full));
        } else {
            n->has_other_digests = true;
        }
    }
}

enum image_claim image_claim_of(const char *name, const struct runtime_image *image,
                                const char *bootstrap, char ret_target[RUNTIME_IMAGE_MAX + 1]) {
    struct names n = {0};
    read_tags(image, name, bootstrap, &n);
    read_digests(image, name, bootstrap, &n);
    bool by_digest = strchr(name, '@') != NULL && n.has_digest;
    bool is_nameless = n.tag_cnt == 0 && (n.has_digest || !n.has_other_digests);
    if (n.has_bootstrap) {
        return IMAGE_CLAIM_KEPT;
    }
    if (!n.has_name && !by_digest && !is_nameless) {
        return IMAGE_CLAIM_GONE;
    }
    bool is_alone = !n.has_other_digests && (n.tag_cnt == 0 || (n.tag_cnt == 1 && n.has_name));
    const char *target = is_alone ? image->id : n.has_name ? name : n.digest;
    memcpy(ret_target, target, strlen(target) + 1);
    return IMAGE_CLAIM_OURS;
}
