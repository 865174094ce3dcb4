/*
 * Finds the container in the text of /proc/PID/cgroup. Pure.
 */
#ifndef API_CGROUP_H
#define API_CGROUP_H

#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define CGROUP_TEXT_MAX (64 * 1024)

enum cgroup_verdict {
    CGROUP_CONTAINER, /* exactly one container id was named */
    CGROUP_HOST,      /* well-formed, names no container */
    CGROUP_UNCLEAR,   /* "0::/" of a private namespace, several ids, or malformed */
};

/* Knows cgroup v1 and v2, the cgroupfs ("/docker/<id>") and systemd ("docker-<id>.scope") drivers, Podman
 * ("libpod-<id>.scope", "libpod_parent"), nesting below the container, and Engine cgroup parents set by the
 * operator. ret_id receives RUNTIME_ID_LEN hex digits and NUL for CGROUP_CONTAINER. */
enum cgroup_verdict cgroup_find_container(struct slice text, char ret_id[RUNTIME_ID_LEN + 1]);

#endif
