/* SPDX-License-Identifier: MIT */
/*
 * Which module has a socket when: at the start, when containers are made and removed, and when the
 * engine tells what there is.
 */
#include "module_sockets.h"

#include "remount.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTENERS_MAX 32

/* The HTTP server. */
static struct {
    char module[RUNTIME_MODULE_MAX + 1];
    int fd;
} listeners[LISTENERS_MAX];
static size_t listener_cnt;
static enum edge_code answer;

static struct {
    struct tmpdir *dir;
    struct fake_runtime *fake;
    struct module_ops *ops;
    struct module_sockets *sockets;
} env;

enum edge_code http_server_listen_fd(struct http_server *s, int fd,
                                     const struct http_listen_options *opt,
                                     struct edge_error *err) {
    (void)s;
    assert_int_equal(opt->max_conns, MODULE_SOCKETS_CONNS);
    if (answer != EDGE_OK) {
        (void)close(fd);
        return edge_set(err, answer, "the server has no listener left");
    }
    assert_true(listener_cnt < LISTENERS_MAX);
    (void)snprintf(listeners[listener_cnt].module, sizeof(listeners[0].module), "%s", opt->module);
    listeners[listener_cnt++].fd = fd;
    return EDGE_OK;
}

void http_server_unlisten(struct http_server *s, const char *module) {
    (void)s;
    for (size_t i = 0; i < listener_cnt; i++) {
        if (strcmp(listeners[i].module, module) == 0) {
            (void)close(listeners[i].fd);
            listeners[i] = listeners[--listener_cnt];
            return;
        }
    }
}

static enum edge_code open_sockets(struct notify_fds *fds, struct edge_error *err) {
    const struct module_sockets_deps deps = {.loop = fake_loop(),
                                             .runtime = fake_runtime_get(env.fake),
                                             .module_ops = env.ops,
                                             .homedir = env.dir->path,
                                             .fds = fds};
    return module_sockets_new(&deps, &env.sockets, err);
}

static void start(void) {
    struct notify_fds none = {0};
    assert_int_equal(open_sockets(&none, NULL), EDGE_OK);
}

static void close_sockets(void) {
    module_sockets_stop(env.sockets);
    fake_runtime_fail(env.fake, EDGE_CANCELED);
    fake_runtime_run(env.fake);
    fake_runtime_fail(env.fake, EDGE_OK);
    module_sockets_free(env.sockets);
    env.sockets = NULL;
    while (listener_cnt > 0) {
        (void)close(listeners[--listener_cnt].fd);
    }
}

static int setup(void **state) {
    (void)state;
    memset(&env, 0, sizeof(env));
    answer = EDGE_OK;
    fake_loop_init();
    (void)umask(0077);
    env.dir = tmpdir_new();
    env.fake = fake_runtime_new(fake_loop());
    assert_int_equal(module_ops_new(fake_loop(), fake_runtime_get(env.fake), &env.ops, NULL),
                     EDGE_OK);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close_sockets();
    module_ops_free(env.ops);
    fake_runtime_free(env.fake);
    tmpdir_free(env.dir);
    fake_loop_clear();
    return 0;
}

static const char *path_of(const char *name) {
    char file[RUNTIME_MODULE_MAX + 16];
    (void)snprintf(file, sizeof(file), "mnt/%s.sock", name);
    return tmpdir_join(env.dir, file);
}

/* Whether a client gets through to the listener of this module. */
static bool is_served(const char *name) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    bool listed = false;
    for (size_t i = 0; i < listener_cnt; i++) {
        listed = listed || strcmp(listeners[i].module, name) == 0;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path_of(name));
    bool reached = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
    (void)close(fd);
    assert_true(listed == reached);
    return reached;
}

static void connect_engine(void) {
    module_sockets_on_engine_event(env.sockets, RUNTIME_EVENT_CONNECTED);
    fake_runtime_run(env.fake);
}

static void describe_mount(const char *id, const char *path) {
    char json[512];
    (void)snprintf(json, sizeof(json), "{\"Mounts\":[{\"Source\":\"%s\"}]}", path);
    fake_runtime_describe(env.fake, id, json);
}

static void check_journal(const char *journal) {
    assert_string_equal(fake_runtime_journal(env.fake), journal);
    fake_runtime_journal_clear(env.fake);
}

static void test_agent_has_one_always(void **state) {
    struct stat st;
    (void)state;
    start();
    assert_true(is_served("edgeAgent"));
    assert_int_equal(stat(path_of("edgeAgent"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(stat(tmpdir_join(env.dir, "mnt"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    module_sockets_drop(env.sockets, "edgeAgent");
    connect_engine();
    assert_true(is_served("edgeAgent"));
}

static void test_life_of_a_module(void **state) {
    (void)state;
    start();
    connect_engine();
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_true(is_served("m"));
    connect_engine(); /* its container is not made yet */
    assert_true(is_served("m"));
    fake_runtime_add(env.fake, "1", "m", true);
    connect_engine();
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_true(is_served("m"));
    fake_runtime_remove(env.fake, "1");
    module_sockets_drop(env.sockets, "m");
    assert_false(is_served("m"));
    assert_int_equal(access(path_of("m"), F_OK), -1);
    module_sockets_drop(env.sockets, "m");
    check_journal(""); /* nobody is restarted for a socket of a new container */
}

/* An update: the old container has gone, the new one waits under another name. */
static void test_waiting_container(void **state) {
    char name[RUNTIME_NAME_MAX + 1];
    (void)state;
    start();
    runtime_next_name("m", name);
    fake_runtime_add(env.fake, "1", name, true)->running = false;
    connect_engine();
    assert_true(is_served("m"));
    assert_false(is_served(name));
}

static void test_existing_containers(void **state) {
    (void)state;
    start();
    fake_runtime_add(env.fake, "1", "a", true);
    fake_runtime_add(env.fake, "2", "b", true)->running = false;
    fake_runtime_add(env.fake, "3", "stranger", false);
    describe_mount("1", path_of("a"));
    connect_engine();
    assert_true(is_served("a") && is_served("b"));
    assert_false(is_served("stranger"));
    check_journal("restart a");
    connect_engine();
    check_journal("");
    /* Removed behind our back. */
    fake_runtime_remove(env.fake, "2");
    connect_engine();
    assert_true(is_served("a"));
    assert_false(is_served("b"));
}

/* What a run without a service manager left: dead files, a directory of the engine's, and things
 * that are not ours. */
static void test_start_over(void **state) {
    (void)state;
    start();
    assert_int_equal(module_sockets_ensure(env.sockets, "a", NULL), EDGE_OK);
    close_sockets();
    assert_int_equal(mkdir(path_of("b"), 0755), 0);
    tmpdir_write(env.dir, "mnt/c.sock", "", 0, 0600);
    tmpdir_write(env.dir, "mnt/d.txt", "", 0, 0600);
    tmpdir_write(env.dir, "mnt/-e.sock", "", 0, 0600);
    start();
    /* The engine has not been asked yet. */
    assert_true(is_served("a") && is_served("b") && is_served("edgeAgent"));
    assert_int_equal(listener_cnt, 3);
    struct edge_error err;
    assert_int_equal(module_sockets_ensure(env.sockets, "c", &err), EDGE_EXISTS);
    assert_non_null(strstr(err.text, "module 'c'"));
    fake_runtime_add(env.fake, "1", "a", true);
    fake_runtime_add(env.fake, "2", "edgeAgent", true);
    fake_runtime_add(env.fake, "3", "other", true);
    describe_mount("1", path_of("a"));
    describe_mount("2", path_of("edgeAgent"));
    connect_engine();
    check_journal("restart a; restart edgeAgent");
    assert_false(is_served("b"));
}

static void test_kept_by_the_manager(void **state) {
    struct stat st;
    (void)state;
    start();
    int fd = fcntl(listeners[0].fd, F_DUPFD_CLOEXEC, 0);
    close_sockets();
    assert_int_equal(stat(path_of("edgeAgent"), &st), 0);
    struct notify_fd kept = {.fd = fd};
    (void)snprintf(kept.name, sizeof(kept.name), "edged-socket.%jx.%jx.%.100s",
                   (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, path_of("edgeAgent"));
    struct notify_fds fds = {&kept, 1};
    assert_int_equal(open_sockets(&fds, NULL), EDGE_OK);
    assert_int_equal(listeners[0].fd, fd);
    fake_runtime_add(env.fake, "2", "edgeAgent", true);
    describe_mount("2", path_of("edgeAgent"));
    connect_engine();
    check_journal("");
    /* That of an API was made anew, though. */
    module_sockets_made(env.sockets, path_of("edgeAgent"), FAKE_LOOP_WALL_S);
    connect_engine();
    check_journal("restart edgeAgent");
}

/* Somebody has removed the file under a module that is being made again. */
static void test_file_has_gone(void **state) {
    (void)state;
    start();
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_int_equal(unlink(path_of("m")), 0);
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_true(is_served("m"));
    assert_int_equal(listener_cnt, 2);
}

static void test_changes_during_a_list(void **state) {
    (void)state;
    start();
    fake_runtime_add(env.fake, "1", "m", true);
    connect_engine();
    module_sockets_on_engine_event(env.sockets, RUNTIME_EVENT_CONNECTED);
    module_sockets_on_engine_event(env.sockets, RUNTIME_EVENT_LOST);
    module_sockets_on_engine_event(env.sockets, RUNTIME_EVENT_CONNECTED);
    module_sockets_drop(env.sockets, "m");
    assert_true(fake_runtime_step(env.fake)); /* tells of m, but that is out of date */
    assert_false(is_served("m"));
    fake_runtime_remove(env.fake, "1");
    fake_runtime_run(env.fake);
    assert_false(is_served("m"));
    check_journal("");
}

/* A creation that has begun when the daemon stops: the engine finds a socket, the next run serves.
 */
static void test_created_at_the_end(void **state) {
    (void)state;
    start();
    module_sockets_stop(env.sockets);
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_int_equal(access(path_of("m"), F_OK), 0);
    assert_false(is_served("m"));
    connect_engine();
    module_sockets_drop(env.sockets, "m");
    assert_int_equal(access(path_of("m"), F_OK), -1);
}

static void test_failures(void **state) {
    struct edge_error err;
    char name[RUNTIME_MODULE_MAX + 1];
    (void)state;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    start();
    assert_int_equal(module_sockets_ensure(env.sockets, name, &err), EDGE_RANGE);
    assert_non_null(strstr(err.text, "shorter"));
    answer = EDGE_NOMEM;
    assert_int_equal(module_sockets_ensure(env.sockets, "m", &err), EDGE_NOMEM);
    assert_int_equal(access(path_of("m"), F_OK), -1);
    fake_runtime_add(env.fake, "1", "m", true);
    connect_engine();
    answer = EDGE_OK;
    fake_runtime_fail(env.fake, EDGE_NET);
    connect_engine();
    assert_false(is_served("m"));
    fake_runtime_fail(env.fake, EDGE_OK);
    fake_runtime_refuse(env.fake, EDGE_NOMEM);
    connect_engine();
    fake_runtime_refuse(env.fake, EDGE_OK);
    connect_engine();
    assert_true(is_served("m"));
}

/* A module that has the folder mounted has filled it: what the manager kept is served all the same.
 */
static void test_full_folder(void **state) {
    struct stat st;
    char file[64];
    struct notify_fd kept = {.fd = -1};
    struct notify_fds fds = {&kept, 1};
    (void)state;
    start();
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    kept.fd = fcntl(listeners[1].fd, F_DUPFD_CLOEXEC, 0);
    close_sockets();
    assert_int_equal(stat(path_of("m"), &st), 0);
    (void)snprintf(kept.name, sizeof(kept.name), "edged-socket.%jx.%jx.%.100s",
                   (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, path_of("m"));
    for (unsigned i = 0; i < MODULE_SOCKETS_MAX; i++) {
        (void)snprintf(file, sizeof(file), "mnt/%u", i);
        tmpdir_write(env.dir, file, "", 0, 0600);
    }
    assert_int_equal(open_sockets(&fds, NULL), EDGE_OK);
    assert_true(is_served("m"));
    assert_true(is_served("edgeAgent"));
}

/* What a module did to its socket is not the next one's affair. */
static void test_mode_is_restored(void **state) {
    struct stat st;
    (void)state;
    start();
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_int_equal(chmod(path_of("m"), 0), 0);
    assert_int_equal(module_sockets_ensure(env.sockets, "m", NULL), EDGE_OK);
    assert_int_equal(stat(path_of("m"), &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0666);
    assert_int_equal(listener_cnt, 2); /* it is the same still */
}

/* An engine that is there and has no time is asked again. */
static void test_list_is_late(void **state) {
    (void)state;
    start();
    fake_runtime_add(env.fake, "1", "m", true);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_LIST, EDGE_RANGE);
    connect_engine();
    assert_int_equal(fake_loop_active_timers(), 0);
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_LIST, EDGE_TIMEOUT);
    connect_engine();
    assert_false(is_served("m"));
    fake_runtime_fail_call(env.fake, FAKE_RUNTIME_LIST, EDGE_OK);
    fake_loop_advance(REMOUNT_AGAIN_MS);
    fake_runtime_run(env.fake);
    assert_true(is_served("m"));
}

/* No folder for them: the daemon runs, and whoever makes a module is told. */
static void test_no_folder(void **state) {
    struct edge_error err;
    (void)state;
    tmpdir_write(env.dir, "mnt", "", 0, 0600);
    start();
    assert_int_equal(listener_cnt, 0);
    assert_true(module_sockets_ensure(env.sockets, "m", &err) != EDGE_OK);
}

/* Too long for sockets: the same. */
static void test_long_homedir(void **state) {
    char homedir[600];
    struct notify_fds none = {0};
    struct edge_error err;
    struct module_sockets_deps deps = {.loop = fake_loop(),
                                       .runtime = fake_runtime_get(env.fake),
                                       .module_ops = env.ops,
                                       .homedir = homedir,
                                       .fds = &none};
    (void)state;
    memset(homedir, 'h', sizeof(homedir));
    int len = snprintf(homedir, sizeof(homedir), "%s/", env.dir->path);
    homedir[len] = 'h';
    homedir[120] = '\0';
    assert_int_equal(module_sockets_new(&deps, &env.sockets, NULL), EDGE_OK);
    assert_int_equal(listener_cnt, 0);
    assert_int_equal(module_sockets_ensure(env.sockets, "m", &err), EDGE_RANGE);
    assert_non_null(strstr(err.text, "homedir"));
    close_sockets();
    homedir[120] = 'h';
    homedir[sizeof(homedir) - 1] = '\0';
    assert_int_equal(module_sockets_new(&deps, &env.sockets, &err), EDGE_RANGE);
}

static enum edge_code round_trip(void *data) {
    struct notify_fds none = {0};
    (void)data;
    enum edge_code code = open_sockets(&none, NULL);
    if (code == EDGE_OK) {
        code = module_sockets_ensure(env.sockets, "m", NULL);
        connect_engine();
        module_sockets_drop(env.sockets, "m");
    }
    close_sockets();
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(round_trip, NULL) >= 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_agent_has_one_always),
        T(test_life_of_a_module),
        T(test_waiting_container),
        T(test_existing_containers),
        T(test_start_over),
        T(test_kept_by_the_manager),
        T(test_file_has_gone),
        T(test_changes_during_a_list),
        T(test_created_at_the_end),
        T(test_failures),
        T(test_full_folder),
        T(test_mode_is_restored),
        T(test_no_folder),
        T(test_long_homedir),
        T(test_out_of_memory),
        T(test_list_is_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
