/* SPDX-License-Identifier: MIT */
/*
 * Own implementation of the two protocols, which are documented and stable: datagrams of
 * assignments to $NOTIFY_SOCKET, and descriptors from 3 up described by $LISTEN_PID, $LISTEN_FDS
 * and $LISTEN_FDNAMES.
 */
#include "loop/notify.h"

#include "base/env.h"
#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_FD_FIRST 3

/* The manager's socket may be full for a moment; READY=1 must not get lost, nor the loop be held
 * up. */
#define NOTIFY_FULL_WAIT_MS 20

static struct loop_timer *notify_watchdog;
static uint64_t notify_watchdog_ms;

/* Address of the manager; false when there is none or it is of a kind we do not speak. */
static bool notify_address(struct sockaddr_un *addr, socklen_t *ret_len) {
    struct slice path = slice_str(env_get("NOTIFY_SOCKET"));
    if (path.len < 2 || path.len >= sizeof(addr->sun_path) ||
        (path.ptr[0] != '/' && path.ptr[0] != '@')) {
        return false;
    }
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(addr->sun_path, path.ptr, path.len);
    size_t len = offsetof(struct sockaddr_un, sun_path) + path.len;
    if (path.ptr[0] == '@') {
        addr->sun_path[0] = '\0'; /* abstract: the length is part of the name */
    } else {
        len++;
    }
    *ret_len = (socklen_t)len;
    return true;
}

static void notify_transmit(int sock, const struct msghdr *msg) {
    if (sendmsg(sock, msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
        return;
    }
    struct pollfd pfd = {.fd = sock, .events = POLLOUT};
    if (poll(&pfd, 1, NOTIFY_FULL_WAIT_MS) == 1) {
        (void)sendmsg(sock, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void notify_send_with_fd(const char *text, int fd) {
    struct sockaddr_un addr;
    socklen_t addr_len = 0;
    if (text[0] == '\0' || !notify_address(&addr, &addr_len)) {
        return;
    }
    int sock EDGE_CLEANUP(edge_cleanup_fd) = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (const struct sockaddr *)&addr, addr_len) != 0) {
        return;
    }
    struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {.bytes = {0}};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    }
    notify_transmit(sock, &msg);
}

void notify_send(const char *assignments) {
    notify_send_with_fd(assignments, -1);
}

bool notify_is_managed(void) {
    struct sockaddr_un addr;
    socklen_t len = 0;
    return notify_address(&addr, &len);
}

/* As the manager demands of FDNAME. */
static bool notify_is_name(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (name[i] < ' ' || name[i] >= 0x7f || name[i] == ':') {
            return false;
        }
    }
    return len > 0 && len <= NOTIFY_NAME_MAX;
}

void notify_store_fd(int fd, const char *name) {
    char text[sizeof("FDSTORE=1\nFDNAME=") + NOTIFY_NAME_MAX];
    if (fd < 0 || !notify_is_name(name)) {
        return;
    }
    (void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
    notify_send_with_fd(text, fd);
}

void notify_remove_fd(const char *name) {
    char text[sizeof("FDSTOREREMOVE=1\nFDNAME=") + NOTIFY_NAME_MAX];
    if (notify_is_name(name)) {
        (void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        notify_send(text);
    }
}

static void notify_on_watchdog(void *data EDGE_UNUSED) {
    notify_send("WATCHDOG=1");
    loop_timer_start(notify_watchdog, notify_watchdog_ms);
}

static bool notify_is_own_pid(const char *text) {
    uint64_t pid = 0;
    return slice_parse_u64(slice_str(text), INT32_MAX, &pid) && pid == (uint64_t)getpid();
}

enum edge_code notify_watchdog_start(struct loop *l, struct edge_error *err) {
    const char *usec_text = env_get("WATCHDOG_USEC");
    const char *pid_text = env_get("WATCHDOG_PID");
    uint64_t usec = 0;
    if (notify_watchdog != NULL || usec_text == NULL ||
        (pid_text != NULL && !notify_is_own_pid(pid_text))) {
        return EDGE_OK;
    }
    if (!slice_parse_u64(slice_str(usec_text), INT64_MAX, &usec) || usec == 0) {
        return edge_set(err, EDGE_CONFIG, "WATCHDOG_USEC is not a number of microseconds");
    }
    enum edge_code code = loop_timer_new(l, notify_on_watchdog, NULL, &notify_watchdog, err);
    if (code != EDGE_OK) {
        return code;
    }
    notify_watchdog_ms = usec / 2000 > 0 ? usec / 2000 : 1;
    notify_on_watchdog(NULL);
    return EDGE_OK;
}

void notify_watchdog_stop(void) {
    loop_timer_free(notify_watchdog);
    notify_watchdog = NULL;
}

static bool notify_socket_option(int fd, int option, int *ret_value) {
    socklen_t len = sizeof(*ret_value);
    return getsockopt(fd, SOL_SOCKET, option, ret_value, &len) == 0;
}

/* Makes an inherited descriptor ours, if it is what we can serve. */
static enum edge_code notify_adopt(int fd, const char *name, struct edge_error *err) {
    int type = 0;
    int domain = 0;
    int accepts = 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return edge_set(err, EDGE_CONFIG, "inherited descriptor %d ('%s') is not open", fd, name);
    }
    if (!notify_socket_option(fd, SO_TYPE, &type) ||
        !notify_socket_option(fd, SO_DOMAIN, &domain)) {
        return edge_set(err, EDGE_CONFIG, "inherited descriptor %d ('%s') is not a socket", fd,
                        name);
    }
    if (domain != AF_UNIX) {
        return edge_set(err, EDGE_CONFIG,
                        "inherited descriptor %d ('%s') is not a Unix socket; TCP is not served",
                        fd, name);
    }
    if (type != SOCK_STREAM || !notify_socket_option(fd, SO_ACCEPTCONN, &accepts) || !accepts) {
        return edge_set(err, EDGE_CONFIG,
                        "inherited descriptor %d ('%s') is not a listening stream socket", fd,
                        name);
    }
    return EDGE_OK;
}

/* Takes the next name off the list; false when there is none left. */
static bool notify_next_name(struct slice *names, bool *more, struct slice *ret_name) {
    if (!*more) {
        return false;
    }
    if (!slice_cut(*names, ':', ret_name, names)) {
        *ret_name = *names;
        *more = false;
    }
    return true;
}

static enum edge_code notify_read_all(struct notify_fd *list, size_t cnt, struct edge_error *err) {
    const char *names_text = env_get("LISTEN_FDNAMES");
    struct slice names = slice_str(names_text);
    bool more = names_text != NULL;
    for (size_t i = 0; i < cnt; i++) {
        struct slice name = slice_make(NULL, 0);
        if (names_text != NULL && !notify_next_name(&names, &more, &name)) {
            return edge_set(err, EDGE_CONFIG,
                            "LISTEN_FDNAMES has fewer names than LISTEN_FDS says");
        }
        if (!slice_to_array(name, list[i].name, sizeof(list[i].name))) {
            return edge_set(err, EDGE_CONFIG, "name %zu in LISTEN_FDNAMES is too long", i);
        }
        list[i].fd = NOTIFY_FD_FIRST + (int)i;
        enum edge_code code = notify_adopt(list[i].fd, list[i].name, err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    if (more && (cnt > 0 || names.len > 0)) {
        return edge_set(err, EDGE_CONFIG, "LISTEN_FDNAMES has more names than LISTEN_FDS says");
    }
    return EDGE_OK;
}

static enum edge_code notify_parse(struct notify_fds *ret, struct edge_error *err) {
    uint64_t cnt = 0;
    if (!slice_parse_u64(slice_str(env_get("LISTEN_FDS")), INT32_MAX, &cnt)) {
        return edge_set(err, EDGE_CONFIG, "LISTEN_FDS is not a number");
    }
    if (cnt > NOTIFY_FDS_MAX) {
        return edge_set(err, EDGE_CONFIG, "too many inherited sockets (%llu, at most %d)",
                        (unsigned long long)cnt, NOTIFY_FDS_MAX);
    }
    struct notify_fd *list EDGE_CLEANUP(edge_cleanup_free) = calloc((size_t)cnt + 1, sizeof(*list));
    if (list == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the inherited sockets");
    }
    enum edge_code code = notify_read_all(list, (size_t)cnt, err);
    if (code == EDGE_OK && cnt > 0) {
        ret->items = TAKE_PTR(list);
        ret->cnt = (size_t)cnt;
    }
    return code;
}

enum edge_code notify_listen_fds(struct notify_fds *ret, struct edge_error *err) {
    enum edge_code code = EDGE_OK;
    struct notify_fds fds = {0};
    const char *pid = env_get("LISTEN_PID");
    if (pid != NULL && env_get("LISTEN_FDS") != NULL && notify_is_own_pid(pid)) {
        code = notify_parse(&fds, err);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (code == EDGE_OK) {
        *ret = fds;
    }
    return code;
}

void notify_fds_clear(struct notify_fds *fds) {
    free(fds->items);
    *fds = (struct notify_fds){0};
}
