/* SPDX-License-Identifier: MIT */
/*
 * Only what has the same last part is looked at on the disk: most paths need not be.
 */
#include "runtime/module_mounts.h"

#include "base/json.h"

#include <limits.h>
#include <sys/stat.h>

static struct slice base_of(struct slice path) {
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    return slice_make(path.ptr + at, path.len - at);
}

static bool is_same_file(struct slice source, const char *path) {
    char text[PATH_MAX];
    struct stat a;
    struct stat b;
    return slice_eq(base_of(source), base_of(slice_str(path))) &&
           slice_to_array(source, text, sizeof(text)) && stat(text, &a) == 0 &&
           stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool module_mounts_have(const struct cJSON *mounts, const char *path) {
    for (const struct cJSON *n = json_first(mounts); n != NULL; n = json_next(n)) {
        struct slice source = {0};
        if (json_is_object(n) && json_get_str(n, "Source", &source, NULL) == EDGE_OK &&
            (slice_eq_str(source, path) || is_same_file(source, path))) {
            return true;
        }
    }
    return false;
}
