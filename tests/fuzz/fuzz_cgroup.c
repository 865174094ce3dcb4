/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/cgroup as hostile text. Besides not crashing: a verdict is repeatable, an id is one
 * that the text contains, and whoever can only append below a path that names a container does not
 * change the verdict.
 */
#include "api/cgroup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_append(const char *text, size_t len, const char *id) {
    static const char tail[] =
        "/docker-0000000000000000000000000000000000000000000000000000000000000000.scope/docker/"
        "1111111111111111111111111111111111111111111111111111111111111111\n";
    char other[RUNTIME_ID_LEN + 1];
    char *longer = malloc(len + sizeof(tail));

    if (longer == NULL) {
        return;
    }
    memcpy(longer, text, len - 1);
    memcpy(longer + len - 1, tail, sizeof(tail) - 1);
    size_t longer_len = len - 1 + sizeof(tail) - 1;
    /* Only where the last line itself names the container; a line that names none may be appended
     * to by others. */
    const char *last = memrchr(text, '\n', len - 1);
    size_t last_at = last != NULL ? (size_t)(last - text) + 1 : 0;
    char alone[RUNTIME_ID_LEN + 1];
    if (longer_len <= CGROUP_TEXT_MAX &&
        cgroup_find_container(slice_make(text + last_at, len - last_at), alone) ==
            CGROUP_CONTAINER) {
        must(cgroup_find_container(slice_make(longer, longer_len), other) == CGROUP_CONTAINER);
        must(strcmp(id, other) == 0);
    }
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    char id[RUNTIME_ID_LEN + 1] = "", again[RUNTIME_ID_LEN + 1] = "";

    enum cgroup_verdict verdict = cgroup_find_container(slice_make(text, size), id);
    must(cgroup_find_container(slice_make(text, size), again) == verdict);
    must(strcmp(id, again) == 0);
    if (verdict != CGROUP_CONTAINER) {
        must(id[0] == '\0');
        return 0;
    }
    must(strlen(id) == RUNTIME_ID_LEN);
    must(memmem(text, size, id, RUNTIME_ID_LEN) != NULL);
    check_append(text, size, id);
    return 0;
}
