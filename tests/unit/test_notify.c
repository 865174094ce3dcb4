/* SPDX-License-Identifier: MIT */
/*
 * The service manager's protocols, against a socket of our own that stands for the manager.
 */
#include "loop/notify.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 512

struct manager {
    int fd;
    char name[108];
};

static void manager_open(struct manager *m, const char *name) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(addr.sun_path, name, len);
    if (name[0] == '@') {
        addr.sun_path[0] = '\0';
    }
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(m->fd >= 0);
    assert_int_equal(bind(m->fd, (const struct sockaddr *)&addr,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

/* One message, or "" when there is none; a descriptor that came with it, or -1. */
static void manager_read(const struct manager *m, char text[TEXT_MAX], int *ret_fd) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {text, TEXT_MAX - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(m->fd, &msg, MSG_CMSG_CLOEXEC);
    text[len > 0 ? len : 0] = '\0';
    *ret_fd = -1;
    struct cmsghdr *cmsg = len >= 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (cmsg != NULL && cmsg->cmsg_type == SCM_RIGHTS) {
        memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(*ret_fd));
    }
}

static void expect_message(const struct manager *m, const char *expected) {
    char text[TEXT_MAX];
    int fd = -1;
    manager_read(m, text, &fd);
    assert_string_equal(text, expected);
    assert_int_equal(fd, -1);
}

static void manager_close(struct manager *m) {
    (void)close(m->fd);
    (void)unsetenv("NOTIFY_SOCKET");
}

static void abstract_name(char name[64]) {
    (void)snprintf(name, 64, "@edge-notify-%d", (int)getpid());
}

static void test_send(void **state) {
    (void)state;
    char path[64] = "/tmp/edge-notify-XXXXXX";
    assert_non_null(mkdtemp(path));
    char sock[80];
    (void)snprintf(sock, sizeof(sock), "%s/s", path);
    struct manager m;
    manager_open(&m, sock);
    notify_send("READY=1\nSTATUS=fine");
    notify_send("");
    expect_message(&m, "READY=1\nSTATUS=fine");
    expect_message(&m, "");
    manager_close(&m);
    (void)unlink(sock);
    (void)rmdir(path);
}

static void test_abstract_socket(void **state) {
    (void)state;
    char name[64];
    struct manager m;
    abstract_name(name);
    manager_open(&m, name);
    notify_send("STOPPING=1");
    expect_message(&m, "STOPPING=1");
    manager_close(&m);
}

static void test_nobody_listens(void **state) {
    (void)state;
    static const char *const addresses[] = {"/nonexistent/notify", "relative", "vsock:2:1", "@",
                                            "/"};
    (void)unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    for (size_t i = 0; i < EDGE_ARRAY_LEN(addresses); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", addresses[i], 1), 0);
        notify_send("READY=1");
    }
    char path[200];
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_send("READY=1");
    (void)unsetenv("NOTIFY_SOCKET");
}

static void test_full_manager_does_not_hold_us_up(void **state) {
    (void)state;
    char name[64];
    struct manager m;
    abstract_name(name);
    manager_open(&m, name);
    for (unsigned i = 0; i < 30; i++) {
        notify_send("STATUS=x");
    }
    manager_close(&m);
}

static void test_store(void **state) {
    (void)state;
    char name[64];
    char text[TEXT_MAX];
    int pipe_fds[2];
    int fd = -1;
    struct stat sent;
    struct stat got;
    struct manager m;
    abstract_name(name);
    manager_open(&m, name);
    assert_int_equal(pipe(pipe_fds), 0);
    notify_store_fd(pipe_fds[0], "module-tempSensor");
    manager_read(&m, text, &fd);
    assert_string_equal(text, "FDSTORE=1\nFDNAME=module-tempSensor");
    assert_true(fd >= 0);
    assert_int_equal(fstat(pipe_fds[0], &sent), 0);
    assert_int_equal(fstat(fd, &got), 0);
    assert_int_equal(sent.st_ino, got.st_ino);
    (void)close(fd);
    notify_remove_fd("module-tempSensor");
    expect_message(&m, "FDSTOREREMOVE=1\nFDNAME=module-tempSensor");

    char long_name[257];
    memset(long_name, 'n', sizeof(long_name));
    long_name[256] = '\0';
    notify_store_fd(pipe_fds[0], "a:b");
    notify_store_fd(pipe_fds[0], "a\nREADY=1");
    notify_store_fd(pipe_fds[0], "");
    notify_store_fd(pipe_fds[0], long_name);
    notify_store_fd(-1, "a");
    notify_remove_fd("a\nb");
    expect_message(&m, "");
    long_name[255] = '\0';
    notify_store_fd(pipe_fds[0], long_name);
    manager_read(&m, text, &fd);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    manager_close(&m);
}

static void on_end(void *data) {
    loop_stop(data);
}

static void test_watchdog(void **state) {
    (void)state;
    char name[64];
    char text[64];
    struct manager m;
    struct loop *l = NULL;
    struct loop_timer *end = NULL;
    struct edge_error err;
    abstract_name(name);
    manager_open(&m, name);
    assert_int_equal(loop_new(&l, NULL), EDGE_OK);
    assert_int_equal(notify_watchdog_start(l, NULL), EDGE_OK);
    expect_message(&m, "");
    assert_int_equal(setenv("WATCHDOG_USEC", "often", 1), 0);
    assert_int_equal(notify_watchdog_start(l, &err), EDGE_CONFIG);
    assert_int_equal(setenv("WATCHDOG_USEC", "4000", 1), 0);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(notify_watchdog_start(l, NULL), EDGE_OK);
    expect_message(&m, ""); /* meant for another process */
    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", text, 1), 0);
    assert_int_equal(notify_watchdog_start(l, NULL), EDGE_OK);
    assert_int_equal(notify_watchdog_start(l, NULL), EDGE_OK);
    assert_int_equal(loop_timer_new(l, on_end, l, &end, NULL), EDGE_OK);
    loop_timer_start(end, 15);
    loop_run(l);
    expect_message(&m, "WATCHDOG=1");
    expect_message(&m, "WATCHDOG=1");
    notify_watchdog_stop();
    notify_watchdog_stop();
    loop_timer_free(end);
    loop_free(l);
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    manager_close(&m);
}

/* --- Inherited sockets: in a child, whose descriptors from 3 up are free to arrange --- */

enum kind {
    KIND_NONE,
    KIND_LISTENING,
    KIND_CONNECTABLE, /* stream, not listening */
    KIND_DATAGRAM,
    KIND_TCP,
    KIND_FILE,
};

struct inherit {
    enum kind kinds[4];
    const char *fds;
    const char *names; /* NULL: not set */
    const char *pid;   /* NULL: our own */
    enum edge_code code;
    size_t cnt;
    const char *name0;
    const char *error;
};

static int make_fd(enum kind kind) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = -1;
    switch (kind) {
    case KIND_NONE:
        return -1;
    case KIND_FILE:
        return open("/dev/null", O_RDONLY);
    case KIND_TCP:
        fd = socket(AF_INET, SOCK_STREAM, 0);
        (void)listen(fd, 1);
        return fd;
    case KIND_DATAGRAM:
        return socket(AF_UNIX, SOCK_DGRAM, 0);
    case KIND_LISTENING:
    case KIND_CONNECTABLE:
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        (void)bind(fd, (const struct sockaddr *)&addr, sizeof(addr.sun_family));
        if (kind == KIND_LISTENING) {
            (void)listen(fd, 1);
        }
        return fd;
    }
    return -1;
}

/* Number of the first thing that is wrong; 0: nothing. */
static int inherit_in_child(const struct inherit *t) {
    struct notify_fds fds = {.cnt = 99};
    struct edge_error err = {0};
    char own[32];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(t->kinds) && t->kinds[i] != KIND_NONE; i++) {
        if (make_fd(t->kinds[i]) != 3 + (int)i) {
            return 10;
        }
    }
    (void)snprintf(own, sizeof(own), "%d", (int)getpid());
    (void)setenv("LISTEN_PID", t->pid != NULL ? t->pid : own, 1);
    (void)setenv("LISTEN_FDS", t->fds, 1);
    (void)unsetenv("LISTEN_FDNAMES");
    if (t->names != NULL) {
        (void)setenv("LISTEN_FDNAMES", t->names, 1);
    }
    if (notify_listen_fds(&fds, &err) != t->code) {
        return 11;
    }
    if (fds.cnt != (t->code == EDGE_OK ? t->cnt : 99)) {
        return 12;
    }
    if (t->error != NULL && strstr(err.text, t->error) == NULL) {
        return 13;
    }
    for (size_t i = 0; t->code == EDGE_OK && i < fds.cnt; i++) {
        const int fd = fds.items[i].fd;
        if (fd != 3 + (int)i || fcntl(fd, F_GETFD) != FD_CLOEXEC ||
            (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) {
            return 14;
        }
    }
    if (t->name0 != NULL && strcmp(fds.items[0].name, t->name0) != 0) {
        return 15;
    }
    if (t->code == EDGE_OK) {
        notify_fds_clear(&fds);
    }
    bool cleared = getenv("LISTEN_PID") == NULL && getenv("LISTEN_FDS") == NULL &&
                   getenv("LISTEN_FDNAMES") == NULL;
    return cleared ? 0 : 16;
}

static void expect_inherit(size_t index, const struct inherit *t) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int fd = 3; fd < 256; fd++) {
            (void)close(fd);
        }
        _exit(inherit_in_child(t));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("case %zu: status %x", index, (unsigned)status);
    }
}

static void test_inherited(void **state) {
    (void)state;
    char many_names[300];
    memset(many_names, 'n', sizeof(many_names));
    many_names[sizeof(many_names) - 1] = '\0';
    const struct inherit cases[] = {
        {.fds = "0", .code = EDGE_OK, .cnt = 0},
        {.kinds = {KIND_LISTENING, KIND_LISTENING},
         .fds = "2",
         .names = "iotedge.socket:iotedge.mgmt.socket",
         .cnt = 2,
         .name0 = "iotedge.socket"},
        {.kinds = {KIND_LISTENING}, .fds = "1", .cnt = 1, .name0 = ""},
        {.kinds = {KIND_LISTENING}, .fds = "1", .names = "", .cnt = 1, .name0 = ""},
        {.kinds = {KIND_LISTENING, KIND_LISTENING},
         .fds = "2",
         .names = ":b",
         .cnt = 2,
         .name0 = ""},
        {.kinds = {KIND_LISTENING}, .fds = "1", .names = "a", .pid = "1", .cnt = 0},
        {.kinds = {KIND_LISTENING}, .fds = "1", .names = "a", .pid = "none", .cnt = 0},
        {.fds = "x", .code = EDGE_CONFIG, .error = "LISTEN_FDS"},
        {.fds = "-1", .code = EDGE_CONFIG, .error = "LISTEN_FDS"},
        {.fds = "2049", .code = EDGE_CONFIG, .error = "too many inherited sockets (2049, at most"},
        {.kinds = {KIND_LISTENING, KIND_LISTENING},
         .fds = "2",
         .names = "a",
         .code = EDGE_CONFIG,
         .error = "fewer names"},
        {.kinds = {KIND_LISTENING},
         .fds = "1",
         .names = "a:b",
         .code = EDGE_CONFIG,
         .error = "more names"},
        {.fds = "0", .names = "a", .code = EDGE_CONFIG, .error = "more names"},
        {.kinds = {KIND_LISTENING}, .fds = "1", .names = many_names, .code = EDGE_CONFIG},
        {.fds = "1", .names = "a", .code = EDGE_CONFIG, .error = "3 ('a') is not open"},
        {.kinds = {KIND_FILE},
         .fds = "1",
         .names = "a",
         .code = EDGE_CONFIG,
         .error = "not a socket"},
        {.kinds = {KIND_TCP}, .fds = "1", .names = "a", .code = EDGE_CONFIG, .error = "TCP"},
        {.kinds = {KIND_DATAGRAM}, .fds = "1", .code = EDGE_CONFIG, .error = "stream"},
        {.kinds = {KIND_CONNECTABLE}, .fds = "1", .code = EDGE_CONFIG, .error = "listening"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        expect_inherit(i, &cases[i]);
    }
}

static void test_nothing_inherited(void **state) {
    (void)state;
    struct notify_fds fds = {.cnt = 9};
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    assert_int_equal(notify_listen_fds(&fds, NULL), EDGE_OK);
    assert_int_equal(fds.cnt, 0);
    notify_fds_clear(&fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_abstract_socket),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_full_manager_does_not_hold_us_up),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_nothing_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
