/* SPDX-License-Identifier: MIT */
/*
 * Whatever cannot be read or understood refuses. The text of status is one of the kernel's; only
 * its Name: line holds bytes of the process, with line ends escaped.
 */
#include "api/authz_host.h"

#include "api/authz_proc.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* NGROUPS_MAX groups of up to ten digits would be ten times as long; such a caller is refused. */
#define STATUS_MAX ((size_t)64 * 1024)

/* The value of a line "NAME:\tVALUE". */
static bool find_line(struct slice text, const char *name, struct slice *ret) {
    struct slice line, key, value;
    while (text.len > 0 && slice_cut(text, '\n', &line, &text)) {
        if (slice_cut(line, ':', &key, &value) && slice_eq_str(key, name)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* The next word of *rest; empty at the end. */
static struct slice next_word(struct slice *rest) {
    size_t start = 0;
    while (start < rest->len && is_blank(rest->ptr[start])) {
        start++;
    }
    size_t end = start;
    while (end < rest->len && !is_blank(rest->ptr[end])) {
        end++;
    }
    struct slice word = slice_make(rest->ptr + start, end - start);
    *rest = slice_make(rest->ptr + end, rest->len - end);
    return word;
}

bool authz_host_has_group(struct slice status, gid_t gid) {
    struct slice rest;
    uint64_t number;
    if (!find_line(status, "Groups", &rest)) {
        return false;
    }
    for (struct slice word = next_word(&rest); word.len > 0; word = next_word(&rest)) {
        if (slice_parse_u64(word, UINT32_MAX, &number) && number == gid) {
            return true;
        }
    }
    return false;
}

bool authz_host_is_owner(const struct http_peer *peer, const struct authz_self *self) {
    return peer->uid == 0 || peer->uid == self->uid;
}

/* One number for each namespace from the reader's down to the process's own. */
bool authz_host_shares_pids(struct slice status) {
    struct slice rest;
    return find_line(status, "NSpid", &rest) && next_word(&rest).len > 0 &&
           next_word(&rest).len == 0;
}

static bool read_own_cgroup(int proc_fd, char *dst, size_t dst_size, size_t *ret_len) {
    int fd EDGE_CLEANUP(edge_cleanup_fd) = openat(proc_fd, "self/cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, dst, dst_size);
    if (len <= 0 || (size_t)len == dst_size) {
        return false;
    }
    *ret_len = (size_t)len;
    return true;
}

static bool is_in_own_cgroup(int proc_fd, const struct http_peer *peer) {
    static char own[CGROUP_TEXT_MAX], theirs[CGROUP_TEXT_MAX]; /* loop thread only */
    size_t own_len = 0, their_len = 0;
    return read_own_cgroup(proc_fd, own, sizeof(own), &own_len) &&
           authz_proc_read(proc_fd, peer, "cgroup", theirs, sizeof(theirs), &their_len, NULL) ==
               EDGE_OK &&
           own_len == their_len && memcmp(own, theirs, own_len) == 0;
}

static enum edge_code check_place(int proc_fd, const struct http_peer *peer, struct slice status,
                                  struct edge_error *err) {
    struct authz_evidence found;
    enum edge_code code = authz_proc_look(proc_fd, peer, &found, err);
    if (code != EDGE_OK) {
        return code;
    }
    switch (found.verdict) {
    case CGROUP_CONTAINER:
        return edge_set(err, EDGE_DENIED, "it runs in container %.12s", found.id);
    case CGROUP_HOST:
    case CGROUP_UNCLEAR:
        break;
    }
    if (!authz_host_shares_pids(status)) {
        return edge_set(err, EDGE_DENIED, "it has process numbers of its own, as containers have");
    }
    if (found.verdict == CGROUP_HOST || is_in_own_cgroup(proc_fd, peer)) {
        return EDGE_OK;
    }
    return edge_set(err, EDGE_DENIED, "its cgroup does not tell that it is in no container");
}

enum edge_code authz_host_check(int proc_fd, const struct http_peer *peer,
                                const struct authz_self *self, struct edge_error *err) {
    static char text[STATUS_MAX]; /* too big for the stack; the loop thread is the only user */
    size_t len = 0;

    if (peer->pid <= 0) {
        return edge_set(err, EDGE_DENIED,
                        "the kernel tells no process id: it is in another pid namespace");
    }
    enum edge_code code = authz_proc_read(proc_fd, peer, "status", text, sizeof(text), &len, err);
    if (code != EDGE_OK) {
        return code;
    }
    const struct slice status = slice_make(text, len);
    if (!authz_host_is_owner(peer, self) && peer->gid != self->gid &&
        !authz_host_has_group(status, self->gid)) {
        return edge_set(err, EDGE_DENIED,
                        "user %u is neither root nor this daemon's user (%u) nor a member of its "
                        "group (%u)",
                        (unsigned)peer->uid, (unsigned)self->uid, (unsigned)self->gid);
    }
    return check_place(proc_fd, peer, status, err);
}
