/* SPDX-License-Identifier: MIT */
/*
 * Facts about device nodes for operators. Nothing here talks to a TPM.
 */
#include "tpm/tpm_node.h"

#include "base/slice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_MAX 65536 /* entries looked at when searching the holder of a node */

static bool is_plain_path(const char *path) {
    return path[0] == '/' && strchr(path, ',') == NULL && strlen(path) < TPM_NODE_MAX;
}

enum edge_code tpm_node_check(const char *tcti, bool allow_emulator, char ret_node[TPM_NODE_MAX],
                              struct edge_error *err) {
    struct slice s = slice_str(tcti);

    if (s.len == 0) {
        return edge_set(err, EDGE_INVALID,
                        "no TPM transport is configured; the usual one is 'device:/dev/tpmrm0'");
    }
    if (s.len >= TPM_NODE_MAX) {
        return edge_set(err, EDGE_RANGE, "TPM transport of %zu bytes", s.len);
    }
    ret_node[0] = '\0';
    if (slice_starts_with(s, "device:")) {
        const char *node = tcti + strlen("device:");
        if (!is_plain_path(node)) {
            return edge_set(err, EDGE_INVALID, "'%s' does not name a device node by its full path",
                            tcti);
        }
        (void)snprintf(ret_node, TPM_NODE_MAX, "%s", node);
        return EDGE_OK;
    }
    if (slice_eq_str(s, "device")) {
        return edge_set(err, EDGE_INVALID,
                        "the TPM transport 'device' must name its node: 'device:/dev/tpmrm0'");
    }
    if (slice_eq_str(s, "tabrmd") || slice_eq_str(s, "tabrmd:bus_type=system")) {
        return EDGE_OK;
    }
    if (!allow_emulator) {
        return edge_set(err, EDGE_INVALID,
                        "'%s' is not a local TPM device; a software TPM is accepted only with "
                        "allow_emulator, for tests",
                        tcti);
    }
    return EDGE_OK;
}

bool tpm_node_is_managed(const char *tcti) {
    struct slice s = slice_str(tcti);

    return slice_starts_with(s, "tabrmd") || slice_starts_with(s, "device:/dev/tpmrm");
}

static void user_name(uid_t uid, char out[TPM_WHO_MAX]) {
    struct passwd pw, *found = NULL;
    char space[2048];

    if (getpwuid_r(uid, &pw, space, sizeof(space), &found) == 0 && found != NULL) {
        (void)snprintf(out, TPM_WHO_MAX, "%s", pw.pw_name);
    } else {
        (void)snprintf(out, TPM_WHO_MAX, "%u", (unsigned)uid);
    }
}

static void group_name(gid_t gid, char out[TPM_WHO_MAX]) {
    struct group gr, *found = NULL;
    char space[4096];

    if (getgrgid_r(gid, &gr, space, sizeof(space), &found) == 0 && found != NULL) {
        (void)snprintf(out, TPM_WHO_MAX, "%s", gr.gr_name);
    } else {
        (void)snprintf(out, TPM_WHO_MAX, "%u", (unsigned)gid);
    }
}

static bool holds(int proc_fd, const char *pid, const char *node) {
    char name[64], target[PATH_MAX];
    bool found = false;

    (void)snprintf(name, sizeof(name), "%s/fd", pid);
    int fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        edge_cleanup_fd(&fd);
        return false;
    }
    for (struct dirent *e = readdir(dir); e != NULL && !found; e = readdir(dir)) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
        if (n > 0) {
            target[n] = '\0';
            found = strcmp(target, node) == 0;
        }
    }
    (void)closedir(dir);
    return found;
}

/* Only finds processes whose descriptors we may see: all for root, else our user's. */
static void find_holder(struct tpm_node_facts *f) {
    DIR *dir = opendir("/proc");

    if (dir == NULL) {
        return;
    }
    int left = PROC_MAX;
    for (struct dirent *e = readdir(dir); e != NULL && left-- > 0; e = readdir(dir)) {
        uint64_t pid;
        if (!slice_parse_u64(slice_str(e->d_name), INT_MAX, &pid) ||
            !holds(dirfd(dir), e->d_name, f->node)) {
            continue;
        }
        char name[64], comm[TPM_WHO_MAX] = "a program";
        (void)snprintf(name, sizeof(name), "%u/comm", (unsigned)pid);
        int fd EDGE_CLEANUP(edge_cleanup_fd) = openat(dirfd(dir), name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
        if (n > 0) {
            comm[comm[n - 1] == '\n' ? n - 1 : n] = '\0';
        }
        (void)snprintf(f->holder, sizeof(f->holder), "%.*s (pid %u)", TPM_WHO_MAX - 1, comm,
                       (unsigned)pid);
        break;
    }
    (void)closedir(dir);
}

void tpm_node_look(const char *node, struct tpm_node_facts *ret) {
    struct stat st;

    *ret = (struct tpm_node_facts){.node = node};
    user_name(geteuid(), ret->user);
    if (stat(node, &st) != 0) {
        ret->errnum = errno;
        return;
    }
    ret->exists = true;
    ret->is_char = S_ISCHR(st.st_mode);
    ret->mode = st.st_mode & 07777;
    user_name(st.st_uid, ret->owner);
    group_name(st.st_gid, ret->group);
    if (!ret->is_char) {
        return;
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        ret->errnum = errno;
        if (ret->errnum == EBUSY) {
            find_holder(ret);
        }
    }
}

static enum edge_code explain_permission(const struct tpm_node_facts *f, struct edge_error *err) {
    bool group_may = (f->mode & 060) == 060 && strcmp(f->group, "root") != 0;
    unsigned mode = (unsigned)f->mode;

    if (!f->exists) {
        return edge_set_native(err, EDGE_DENIED, EDGE_DOMAIN_ERRNO, f->errnum,
                               "user '%s' may not look for '%s'", f->user, f->node);
    }
    if (group_may) {
        return edge_set(err, EDGE_DENIED,
                        "no permission on '%s' (%s:%s %04o) for user '%s': add it to group '%s' "
                        "(usermod -aG %s %s) and restart",
                        f->node, f->owner, f->group, mode, f->user, f->group, f->group, f->user);
    }
    return edge_set(
        err, EDGE_DENIED,
        "no permission on '%s' (%s:%s %04o) for user '%s': let a udev rule give the node "
        "to a group the user is in (KERNEL==\"tpmrm[0-9]*\", GROUP=\"tss\", MODE=\"0660\")",
        f->node, f->owner, f->group, mode, f->user);
}

enum edge_code tpm_node_explain(const struct tpm_node_facts *f, enum hsm_state *ret_state,
                                struct edge_error *err) {
    if (f->errnum == EACCES || f->errnum == EPERM) {
        *ret_state = HSM_STATE_NO_PERMISSION;
        return explain_permission(f, err);
    }
    if (f->errnum == EBUSY) {
        *ret_state = HSM_STATE_BUSY;
        return edge_set(err, EDGE_BUSY,
                        "'%s' is in use by %s; only one program can have it: stop that one, or use "
                        "the kernel's resource manager 'device:/dev/tpmrm0'",
                        f->node,
                        f->holder[0] != '\0' ? f->holder : "another program (tpm2-abrmd?)");
    }
    if (!f->exists || f->errnum == ENXIO || f->errnum == ENODEV) {
        *ret_state = HSM_STATE_NO_DEVICE;
        return edge_set(err, EDGE_NOT_FOUND,
                        "'%s' %s: enable the TPM (fTPM, PTT) in the firmware setup, and check that "
                        "the kernel found it (dmesg | grep -i tpm)",
                        f->node, f->exists ? "has no TPM behind it" : "does not exist");
    }
    if (!f->is_char) {
        *ret_state = HSM_STATE_NO_DEVICE;
        return edge_set(err, EDGE_INVALID, "'%s' is not a device node", f->node);
    }
    *ret_state = HSM_STATE_FAILED;
    if (f->errnum != 0) {
        return edge_set_native(err, EDGE_IO, EDGE_DOMAIN_ERRNO, f->errnum, "cannot open '%s'",
                               f->node);
    }
    return edge_set(err, EDGE_IO, "'%s' does not behave like a TPM", f->node);
}
