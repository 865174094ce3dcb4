/* SPDX-License-Identifier: MIT */
/*
 * What the command line makes of the daemon's answers and of its absence. A conversation with a
 * real daemon is for the integration tests.
 */
#include "cli/ask.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_refusals(void **state) {
    struct edge_error err;
    (void)state;
    assert_int_equal(ask_refusal(404, slice_str("{\"message\":\"Module not found\"}"), &err),
                     EDGE_DENIED);
    assert_non_null(strstr(err.text, "iotedge"));
    assert_int_equal(ask_refusal(404, slice_str("{\"message\":\"no key\"}"), &err), EDGE_REMOTE);
    assert_string_equal(err.text, "no key");
    assert_int_equal(err.native, 404);
    assert_int_equal(ask_refusal(503, slice_str("<html>"), &err), EDGE_REMOTE);
    assert_non_null(strstr(err.text, "503"));
    assert_int_equal(ask_refusal(500, slice_str("{}"), &err), EDGE_REMOTE);
    assert_non_null(strstr(err.text, "500"));
}

static void test_nobody_listens(void **state) {
    const struct tmpdir *dir = *state;
    char path[512], text[] = "fd://iotedge.mgmt.socket";
    struct edge_config cfg = {0};
    struct edge_error err;
    struct buf out;
    const struct ask_request req = {.method = "GET", .path = "/edged/status"};
    buf_init(&out, 1024);
    assert_true(slice_to_array(slice_str(tmpdir_join(dir, "none.sock")), path, sizeof(path)));
    cfg.connect_management = (struct config_uri){.scheme = CONFIG_SCHEME_UNIX, .path = path};
    assert_int_equal(ask_daemon(&cfg, &req, &out, &err), EDGE_NOT_FOUND);
    assert_non_null(strstr(err.text, "none.sock"));
    tmpdir_write(dir, "none.sock", "", 0, 0600);
    assert_int_equal(ask_daemon(&cfg, &req, &out, &err), EDGE_NOT_FOUND);
    memset(path, 'a', 200);
    path[200] = '\0';
    assert_int_equal(ask_daemon(&cfg, &req, &out, &err), EDGE_INVALID);
    cfg.connect_management = (struct config_uri){.scheme = CONFIG_SCHEME_FD, .text = text};
    assert_int_equal(ask_daemon(&cfg, &req, &out, &err), EDGE_INVALID);
    assert_int_equal(out.len, 0);
}

/* The daemon has ended, and the service manager keeps its socket. */
static void test_kept_socket(void **state) {
    const struct tmpdir *dir = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct edge_config cfg = {0};
    struct edge_error err;
    struct buf out;
    int status = 0;
    const struct ask_request req = {.method = "GET", .path = "/edged/status"};
    buf_init(&out, 1024);
    assert_true(slice_to_array(slice_str(tmpdir_join(dir, "m.sock")), addr.sun_path,
                               sizeof(addr.sun_path)));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(listen(fd, 1));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    cfg.connect_management =
        (struct config_uri){.scheme = CONFIG_SCHEME_UNIX, .path = addr.sun_path};
    cfg.listen_management = cfg.connect_management;
    assert_int_equal(ask_daemon(&cfg, &req, &out, &err), EDGE_NOT_FOUND);
    assert_non_null(strstr(err.text, "does not run"));
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test_setup_teardown(test_nobody_listens, tmpdir_setup, tmpdir_teardown),
        cmocka_unit_test_setup_teardown(test_kept_socket, tmpdir_setup, tmpdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
