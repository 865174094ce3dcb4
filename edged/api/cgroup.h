/* SPDX-License-Identifier: MIT */
/*
 * Finds the container in the text of /proc/PID/cgroup. Pure.
 *
 * What is believed: the *outermost* container id, and only where nobody but root could have made
 * the directories above it. A process can make cgroups below its own container, and users, services
 * and foreign containers can below what was delegated to them, with any names they like, so a name
 * proves nothing there.
 */
#ifndef API_CGROUP_H
#define API_CGROUP_H

#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define CGROUP_TEXT_MAX ((size_t)64 * 1024)

enum cgroup_verdict {
    CGROUP_CONTAINER, /* one container id, the same in every line that names one */
    CGROUP_HOST,      /* well-formed, names no container */
    CGROUP_UNCLEAR,   /* "0::/" of a private namespace, an id in a place that others than root can
                         write,   several ids, or malformed: somebody else must be asked */
};

/* Knows cgroup v1 and v2, the cgroupfs driver ("/docker/<id>"), the systemd driver
 * ("docker-<id>.scope" below any chain of slices, so also below cgroup parents of the operator),
 * rootful Podman ("libpod-<id>.scope", "libpod_parent/libpod-<id>"), nesting below the container,
 * and paths relative to a reader in another cgroup namespace ("/../<id>"). Rootless engines and
 * parents that are plain directories are CGROUP_UNCLEAR. ret_id receives RUNTIME_ID_LEN lower-case
 * hex digits and NUL for CGROUP_CONTAINER, and is untouched otherwise. */
enum cgroup_verdict cgroup_find_container(struct slice text, char ret_id[RUNTIME_ID_LEN + 1]);

#endif
