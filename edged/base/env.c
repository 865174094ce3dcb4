/* SPDX-License-Identifier: MIT */
/*
 * The environment. A program that runs with more rights than its caller sees none of it.
 */
#include "base/env.h"

#include "base/slice.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

const char *env_get(const char *name) {
    return secure_getenv(name);
}

void env_each(bool (*fn)(void *data, const char *name, const char *value), void *data) {
    if (environ == NULL || getauxval(AT_SECURE)) {
        return;
    }
    for (char **entry = environ; *entry; entry++) {
        char name[ENV_NAME_MAX + 1];
        struct slice head;
        struct slice rest;
        if (!slice_cut(slice_str(*entry), '=', &head, &rest) || head.len == 0 ||
            !slice_to_array(head, name, sizeof(name))) {
            continue;
        }
        if (!fn(data, name, rest.ptr)) {
            return;
        }
    }
}

/* The TSS is not quiet without a word about it. */
void env_drop_debug(void) {
    (void)unsetenv("SSLKEYLOGFILE");
    (void)unsetenv("TSS2_LOGFILE");
    (void)setenv("TSS2_LOG", "all+none", 1);
}
