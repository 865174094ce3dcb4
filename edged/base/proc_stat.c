/* SPDX-License-Identifier: MIT */
/*
 * The second field, the command name, is the process's own choice and may contain anything; only
 * its last parenthesis tells where it ends.
 */
#include "base/proc_stat.h"

#include <string.h>

#define START_AFTER_NAME 20 /* fields from the state (3) to the start time (22) */

bool proc_stat_start_time(struct slice text, uint64_t *ret) {
    const char *end = text.len > 0 ? memrchr(text.ptr, ')', text.len) : NULL;
    if (end == NULL) {
        return false;
    }
    size_t at = (size_t)(end - text.ptr) + 1;
    struct slice rest = slice_make(text.ptr + at, text.len - at);
    struct slice field = {0};

    if (!slice_starts_with(rest, " ")) {
        return false;
    }
    rest = slice_make(rest.ptr + 1, rest.len - 1);
    for (unsigned i = 0; i < START_AFTER_NAME; i++) {
        if (!slice_cut(rest, ' ', &field, &rest)) {
            return false;
        }
    }
    return slice_parse_u64(field, UINT64_MAX, ret);
}
