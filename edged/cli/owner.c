/* SPDX-License-Identifier: MIT */
/*
 * The groups come from the system's user data base, because access to the TPM hangs on one of them.
 */
#include "cli/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE  512
#define ENTRY_SIZE 16384

static enum edge_code cannot_look(const char *path, struct edge_error *err) {
    return edge_set_errno(err, errno, "cannot look at '%.128s'", path);
}

/* Who owns homedir can put anything in the place of our folder in it, so that a folder of somebody
 * else says nothing, unless homedir is root's. */
static enum edge_code find_owner(const char *homedir, struct stat *ret, struct edge_error *err) {
    char path[PATH_SIZE];
    struct stat folder;
    int len = snprintf(path, sizeof(path), "%s/edged", homedir);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return edge_set(err, EDGE_CONFIG, "homedir '%.128s' is too long", homedir);
    }
    if (stat(homedir, ret) != 0) {
        return errno != ENOENT
                   ? cannot_look(homedir, err)
                   : edge_set(err, EDGE_NOT_FOUND,
                              "homedir '%.128s' is not there: make it, owned by the daemon's user, "
                              "or start the daemon once",
                              homedir);
    }
    if (stat(path, &folder) != 0) {
        return errno == ENOENT ? EDGE_OK : cannot_look(path, err);
    }
    if (ret->st_uid != 0 && folder.st_uid != ret->st_uid) {
        return edge_set(err, EDGE_CONFLICT,
                        "'%.128s' must be a folder that belongs to the owner of '%.128s'", path,
                        homedir);
    }
    *ret = folder;
    return EDGE_OK;
}

static enum edge_code switch_user(const struct stat *st, struct edge_error *err) {
    char text[ENTRY_SIZE];
    struct passwd entry, *found = NULL;
    gid_t gid = st->st_gid;
    int rc = getpwuid_r(st->st_uid, &entry, text, sizeof(text), &found);
    if (rc == 0 && found != NULL) {
        gid = entry.pw_gid;
        rc = initgroups(entry.pw_name, gid);
    } else {
        rc = setgroups(1, &gid);
    }
    if (rc != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(st->st_uid, st->st_uid, st->st_uid) != 0) {
        return edge_set_errno(err, errno, "cannot become user %u, who owns the state folder",
                              (unsigned)st->st_uid);
    }
    if (setresuid(0, 0, 0) == 0) {
        return edge_set(err, EDGE_INTERNAL, "the privileges of root could not be given up");
    }
    return EDGE_OK;
}

enum edge_code owner_become(const char *homedir, struct edge_error *err) {
    struct stat st;
    enum edge_code code = find_owner(homedir, &st, err);
    if (code != EDGE_OK || st.st_uid == geteuid()) {
        return code;
    }
    if (geteuid() != 0) {
        return edge_set(err, EDGE_DENIED,
                        "the state folder in '%.128s' is not yours: run this as root", homedir);
    }
    return switch_user(&st, err);
}
