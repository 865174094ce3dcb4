/* SPDX-License-Identifier: MIT */
/*
 * Process hardening that does not depend on the service manager.
 */
#include "privilege.h"

#include "base/env.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FILES_WANTED 65536 /* 1024 modules that all use up their share */

/* Each connection takes up to three descriptors. Those of all modules together must not be able to
 * keep the daemon from its TPM, its files and the cloud. */
static void raise_file_limit(void) {
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < OPEN_FILES_WANTED) {
        now.rlim_cur = now.rlim_max < OPEN_FILES_WANTED ? now.rlim_max : OPEN_FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &now);
    }
}

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
    raise_file_limit();
    env_drop_debug();
    return EDGE_OK;
}
