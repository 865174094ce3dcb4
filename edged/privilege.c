/* SPDX-License-Identifier: MIT */
/*
 * Process hardening that does not depend on the service manager.
 */
#include "privilege.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum edge_code privilege_harden(bool allow_root, struct edge_error *err) {
    const struct rlimit no_core = {0, 0};
    if (geteuid() == 0 && !allow_root) {
        return edge_set(
            err, EDGE_DENIED,
            "refusing to run as root: start as user 'iotedge', member of groups 'tss' and "
            "'docker', or give --allow-root");
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        setrlimit(RLIMIT_CORE, &no_core) != 0) {
        return edge_set_errno(err, errno, "hardening the process");
    }
    (void)umask(0077);
    return EDGE_OK;
}
