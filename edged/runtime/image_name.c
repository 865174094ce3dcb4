/* SPDX-License-Identifier: MIT */
/*
 * The rules are those of Docker's distribution library: what stands before the first slash is a
 * registry when it looks like a host; without one the image is Docker Hub's, where images without
 * an owner are those of "library".
 */
#include "runtime/image_name.h"

#include <stdio.h>
#include <string.h>

#define HUB "docker.io"

/* Cuts at the first '@', then at the last ':' of the last path segment. */
static void split(struct slice name, struct slice *ret_path, struct slice *ret_tag,
                  struct slice *ret_digest) {
    struct slice path = name, digest = {0}, tag = {0};
    (void)slice_cut(name, '@', &path, &digest);
    for (size_t i = path.len; i > 0 && path.ptr[i - 1] != '/'; i--) {
        if (path.ptr[i - 1] == ':') {
            tag = slice_make(path.ptr + i, path.len - i);
            path.len = i - 1;
            break;
        }
    }
    *ret_path = path;
    *ret_tag = tag;
    *ret_digest = digest;
}

static bool is_host(struct slice s) {
    return slice_find(s, '.') >= 0 || slice_find(s, ':') >= 0 || slice_eq_str(s, "localhost");
}

bool image_name_full(struct slice name, char ret[RUNTIME_IMAGE_MAX + 1]) {
    char full[RUNTIME_IMAGE_MAX + 1];
    struct slice host = {0}, path, tag, digest, head, rest;

    if (!runtime_is_image(name)) {
        return false;
    }
    split(name, &path, &tag, &digest);
    if (slice_cut(path, '/', &head, &rest) && is_host(head)) {
        host = slice_eq_str(head, "index." HUB) ? SLICE_LIT(HUB) : head;
        path = rest;
    } else {
        host = SLICE_LIT(HUB);
    }
    bool official = slice_eq_str(host, HUB) && slice_find(path, '/') < 0;
    if (digest.len == 0 && tag.len == 0) {
        tag = SLICE_LIT("latest");
    }
    struct slice version = digest.len > 0 ? digest : tag;
    int n = snprintf(full, sizeof(full), "%.*s/%s%.*s%c%.*s", (int)host.len, host.ptr,
                     official ? "library/" : "", (int)path.len, path.ptr,
                     digest.len > 0 ? '@' : ':', (int)version.len, version.ptr);
    if (n < 0 || (size_t)n >= sizeof(full)) {
        return false;
    }
    memcpy(ret, full, (size_t)n + 1);
    return true;
}

struct slice image_name_repository(const char *full) {
    struct slice path, tag, digest;
    split(slice_str(full), &path, &tag, &digest);
    return path;
}
