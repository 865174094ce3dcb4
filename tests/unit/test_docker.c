/* SPDX-License-Identifier: MIT */
/*
 * The Engine client over a fake transport: negotiation, its renewal, cancellation, meaning of
 * statuses.
 */
#include "runtime/docker.h"

#include "base/json.h"
#include "docker_world.h"
#include "runtime/docker_engine.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define V141 WORLD_VERSION
#define V144 "{\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.44\"}"
#define PODMAN                                                                                     \
    "{\"Components\":[{\"Name\":\"Podman Engine\"}],\"ApiVersion\":\"1.41\",\"MinAPIVersion\":"    \
    "\"1.24\"}"
#define TOO_OLD                                                                                    \
    "{\"message\":\"client version 1.41 is too old. Minimum supported API version is 1.44\"}"

static struct docker_world *const w = &docker_world;
static struct {
    unsigned calls;
    enum edge_code code;
    struct edge_error err;
    struct runtime_container container;
    size_t cnt;
    pid_t pid;
    struct runtime_info info;
} got;

static int setup(void **state) {
    memset(&got, 0, sizeof(got));
    return docker_world_setup_new(state);
}

static void note(enum edge_code code, const struct edge_error *err) {
    got.calls++;
    got.code = code;
    assert_true((code == EDGE_OK) == (err == NULL));
    if (err != NULL) {
        got.err = *err;
        assert_int_equal(err->code, code);
    }
}

static void on_containers(void *data, enum edge_code code, const struct runtime_container *list,
                          size_t cnt, const struct edge_error *err) {
    (void)data;
    note(code, err);
    got.cnt = cnt;
    if (cnt > 0) {
        got.container = list[0];
    }
}

static void on_pids(void *data, enum edge_code code, const pid_t *pids, size_t cnt,
                    const struct edge_error *err) {
    (void)data;
    note(code, err);
    got.cnt = cnt;
    got.pid = cnt > 0 ? pids[0] : 0;
}

static void on_info(void *data, enum edge_code code, const struct runtime_info *info,
                    const struct edge_error *err) {
    (void)data;
    note(code, err);
    if (info != NULL) {
        got.info = *info;
    }
}

static struct op inspect(const char *name) {
    struct op op;
    assert_int_equal(runtime_inspect(w->rt, name, on_containers, NULL, &op, NULL), EDGE_OK);
    return op;
}

static void negotiate(const char *version) {
    assert_string_equal(fake_transport_url(0), "GET http://localhost/version");
    assert_int_equal(fake_transport_timeout_ms(0), DOCKER_VERSION_TIMEOUT_MS);
    fake_transport_answer(0, 200, version);
}

static void test_calls_wait_for_one_negotiation(void **state) {
    (void)state;
    inspect("a");
    inspect("b");
    assert_int_equal(runtime_get_info(w->rt, on_info, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(fake_transport_open(), 1);
    negotiate(V141);
    assert_int_equal(fake_transport_open(), 3);
    assert_int_equal(got.calls, 0);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/json?size=false");
    assert_int_equal(fake_transport_timeout_ms(0), DOCKER_INSPECT_TIMEOUT_MS);
    assert_string_equal(fake_transport_url(1),
                        "GET http://localhost/v1.41/containers/b/json?size=false");
    assert_string_equal(fake_transport_url(2), "GET http://localhost/v1.41/info");
    assert_int_equal(fake_transport_timeout_ms(2), DOCKER_CONTROL_TIMEOUT_MS);
    fake_transport_answer(2, 200, "{\"OSType\":\"linux\",\"NCPU\":4}");
    assert_int_equal(got.calls, 1);
    assert_string_equal(got.info.os_type, "linux");
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_OK);
    assert_true(got.container.owned);
    fake_transport_answer(0, 404, "{\"message\":\"No such container: b\"}");
    assert_int_equal(got.code, EDGE_NOT_FOUND);
    assert_non_null(strstr(got.err.text, "No such container: b"));
    assert_int_equal(got.err.native, 404);
    inspect("a"); /* asks no version any more */
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.calls, 4);
}

static void test_list(void **state) {
    (void)state;
    assert_int_equal(runtime_list(w->rt, on_containers, NULL, NULL, NULL), EDGE_OK);
    negotiate(V141);
    assert_string_equal(
        fake_transport_url(0),
        "GET http://localhost/v1.41/containers/json?all=true&filters=%7B%22label%22%3A%5B%22"
        "net.azure-devices.edge.owner%3DMicrosoft.Azure.Devices.Edge.Agent%22%5D%7D");
    /* An engine that does not filter: others stay outside. */
    fake_transport_answer(0, 200,
                          "[{\"Id\":\"" WORLD_ID "\",\"Names\":[\"/x\"],\"Labels\":{}},"
                          "{\"Id\":\"" WORLD_ID
                          "\",\"Names\":[\"/a\"],\"Labels\":{\"" RUNTIME_OWNER_LABEL
                          "\":\"" RUNTIME_OWNER_VALUE "\"},\"State\":\"running\"}]");
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 1);
    assert_string_equal(got.container.name, "a");
    assert_true(got.container.running);
}

static void test_top_of_docker(void **state) {
    (void)state;
    assert_int_equal(runtime_top(w->rt, "a", on_pids, NULL, NULL, NULL), EDGE_OK);
    negotiate(V141);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/top?ps_args=");
    /* A host whose ps knows none of the default options. */
    fake_transport_answer(0, 500, "{\"message\":\"ps: exit status 1\"}");
    assert_int_equal(got.calls, 0);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/top?ps_args=-o%20pid");
    fake_transport_answer(0, 200, "{\"Titles\":[\"PID\"],\"Processes\":[[\"77\"]]}");
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.pid, 77);
    /* Twice is enough. */
    assert_int_equal(runtime_top(w->rt, "a", on_pids, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 500, "");
    fake_transport_answer(0, 500, "");
    assert_int_equal(got.code, EDGE_REMOTE);
    /* Not running is an answer. */
    assert_int_equal(runtime_top(w->rt, "a", on_pids, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 409, "{\"message\":\"not running\"}");
    assert_int_equal(got.code, EDGE_CONFLICT);
}

/* Podman's default are numbers of the container's own namespace, which would be other processes on
 * the host. */
static void test_top_of_podman(void **state) {
    (void)state;
    assert_int_equal(runtime_top(w->rt, "a", on_pids, NULL, NULL, NULL), EDGE_OK);
    negotiate(PODMAN);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/top?ps_args=hpid");
    fake_transport_answer(0, 200, "{\"Titles\":[\"HPID\"],\"Processes\":[[\"1234\"]]}");
    assert_int_equal(got.pid, 1234);
    assert_int_equal(runtime_top(w->rt, "a", on_pids, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 200, "{\"Titles\":[\"PID\"],\"Processes\":[[\"1\"]]}");
    assert_int_equal(got.code, EDGE_PROTO);
}

static void test_statuses(void **state) {
    static const struct {
        int status;
        enum edge_code code;
    } rows[] = {{304, EDGE_EXISTS},    {400, EDGE_INVALID},  {401, EDGE_DENIED}, {403, EDGE_DENIED},
                {404, EDGE_NOT_FOUND}, {409, EDGE_CONFLICT}, {418, EDGE_REMOTE}, {500, EDGE_REMOTE},
                {503, EDGE_REMOTE},    {302, EDGE_REMOTE}};
    (void)state;
    inspect("a");
    negotiate(V141);
    fake_transport_answer(0, 200, WORLD_MODULE);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        inspect("a");
        fake_transport_answer(0, rows[i].status, "{\"message\":\"because\\u001b[31m\"}");
        assert_int_equal(got.code, rows[i].code);
        assert_int_equal(got.err.native, rows[i].status);
        assert_int_equal(got.err.domain, EDGE_DOMAIN_HTTP);
        assert_non_null(strstr(got.err.text, "because [31m"));
    }
    inspect("a");
    fake_transport_answer(0, 200, "{\"Id\":");
    assert_int_equal(got.code, EDGE_PARSE);
    inspect("a");
    fake_transport_fail(0, EDGE_TIMEOUT);
    assert_int_equal(got.code, EDGE_TIMEOUT);
    inspect("a");
    fake_transport_fail(0, EDGE_RANGE);
    assert_int_equal(got.code, EDGE_RANGE);
}

static void test_renewed_after_complaint(void **state) {
    (void)state;
    inspect("a");
    inspect("b");
    negotiate(V141);
    fake_transport_answer(0, 400, TOO_OLD);
    fake_transport_answer(0, 400, TOO_OLD);
    assert_int_equal(got.calls, 0);
    assert_int_equal(fake_transport_open(), 1); /* one new negotiation for both */
    negotiate(V144);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.51/containers/a/json?size=false");
    fake_transport_answer(0, 200, WORLD_MODULE);
    /* Complaining for ever does not go round for ever. */
    fake_transport_answer(0, 400, TOO_OLD);
    assert_int_equal(got.calls, 2);
    assert_int_equal(got.code, EDGE_INVALID);
    inspect("a");
    fake_transport_answer(0, 400, "{\"message\":\"invalid filter\"}");
    assert_int_equal(got.code, EDGE_INVALID);
}

/* A late complaint about the old version does not throw the new one away. */
static void test_late_complaint(void **state) {
    (void)state;
    inspect("a");
    inspect("b");
    negotiate(V141);
    fake_transport_answer(0, 400, TOO_OLD);
    fake_transport_answer(1, 200, V144);
    assert_int_equal(fake_transport_open(), 2);
    fake_transport_answer(0, 400, TOO_OLD);
    assert_int_equal(fake_transport_count(), 6); /* two negotiations, each call twice */
    assert_string_equal(fake_transport_url(1),
                        "GET http://localhost/v1.51/containers/b/json?size=false");
    fake_transport_answer(1, 200, WORLD_MODULE);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.calls, 2);
}

static void test_renewed_after_disconnect(void **state) {
    (void)state;
    inspect("a");
    negotiate(V141);
    fake_transport_fail(0, EDGE_NET);
    assert_int_equal(got.code, EDGE_NET);
    inspect("a");
    negotiate(V144);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_OK);
}

static void test_negotiation_fails(void **state) {
    static const struct {
        int status;
        const char *body;
        enum edge_code code;
    } rows[] = {
        {200, "{\"ApiVersion\":\"1.70\",\"MinAPIVersion\":\"1.60\"}", EDGE_UNSUPPORTED},
        {200, "{\"ApiVersion\":\"1.20\",\"MinAPIVersion\":\"1.12\"}", EDGE_UNSUPPORTED},
        {200, "{}", EDGE_PROTO},
        {200, "<html>", EDGE_PARSE},
        {500, "{\"message\":\"starting\"}", EDGE_REMOTE},
        {404, "", EDGE_NOT_FOUND},
        {301, "", EDGE_REMOTE},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        unsigned before = got.calls;
        inspect("a");
        inspect("b");
        fake_transport_answer(0, rows[i].status, rows[i].body);
        assert_int_equal(got.calls, before + 2);
        assert_int_equal(got.code, rows[i].code);
        assert_int_equal(fake_transport_open(), 0);
    }
    inspect("a");
    negotiate(V141); /* asked again each time, so it heals */
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_OK);
}

static void again(void *data, enum edge_code code, const struct runtime_container *list, size_t cnt,
                  const struct edge_error *err) {
    (void)list, (void)cnt;
    note(code, err);
    if (--*(int *)data > 0) {
        assert_int_equal(runtime_inspect(w->rt, "a", again, data, NULL, NULL), EDGE_OK);
    }
}

static void test_calls_from_completions(void **state) {
    int times = 4;
    (void)state;
    assert_int_equal(runtime_inspect(w->rt, "a", again, &times, NULL, NULL), EDGE_OK);
    fake_transport_fail(0, EDGE_TIMEOUT);
    fake_transport_answer(0, 500, "");
    negotiate(V141);
    fake_transport_answer(0, 404, "");
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.calls, 4);
}

static void test_cancel(void **state) {
    (void)state;
    struct op waiting = inspect("a");
    struct op other = inspect("b");
    op_cancel(loop_ops(fake_loop()), waiting);
    op_cancel(loop_ops(fake_loop()), waiting);
    assert_int_equal(got.calls, 0);
    fake_loop_run();
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_CANCELED);
    negotiate(V141);
    assert_int_equal(fake_transport_open(), 1);
    op_cancel(loop_ops(fake_loop()), other);
    assert_true(fake_transport_canceled(0));
    fake_transport_end_canceled();
    assert_int_equal(got.calls, 2);
    assert_int_equal(got.code, EDGE_CANCELED);
    /* Too late: the answer was already on its way. */
    struct op late = inspect("a");
    op_cancel(loop_ops(fake_loop()), late);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.calls, 3);
    assert_int_equal(got.code, EDGE_CANCELED);
    op_cancel(loop_ops(fake_loop()), late); /* stale */
}

static void test_close_while_negotiating(void **state) {
    (void)state;
    inspect("a");
    inspect("b");
    docker_world_end();
    assert_int_equal(got.calls, 2);
    assert_int_equal(got.code, EDGE_CANCELED);
    assert_int_equal(runtime_inspect(w->rt, "a", on_containers, NULL, NULL, NULL), EDGE_CANCELED);
}

static void test_close_in_flight(void **state) {
    (void)state;
    inspect("a");
    inspect("b");
    negotiate(V141);
    docker_world_end();
    assert_int_equal(got.calls, 2);
    assert_int_equal(got.code, EDGE_CANCELED);
}

static void test_too_many_calls(void **state) {
    enum edge_code code = EDGE_OK;
    unsigned cnt = 0;
    (void)state;
    while (code == EDGE_OK && cnt <= DOCKER_CALLS_MAX) {
        code = runtime_inspect(w->rt, "a", on_containers, NULL, NULL, NULL);
        cnt++;
    }
    assert_int_equal(code,
                     EDGE_BUSY); /* by this limit or, before it, that of the loop's operations */
    assert_true(cnt > 16);
}

static void on_stats(void *data, enum edge_code code, struct slice json,
                     const struct edge_error *err) {
    (void)data;
    (void)json;
    note(code, err);
}

/* What can do without an answer does not keep what cannot from its own. */
static void test_some_calls_yield(void **state) {
    (void)state;
    for (unsigned i = 0; i < DOCKER_CALLS_YIELDING; i++) {
        assert_int_equal(runtime_stats(w->rt, "a", on_stats, NULL, NULL, NULL), EDGE_OK);
    }
    assert_int_equal(runtime_stats(w->rt, "a", on_stats, NULL, NULL, NULL), EDGE_BUSY);
    inspect("a");
    negotiate(V141);
    fake_transport_answer(0, 200, "{}");
    assert_int_equal(runtime_stats(w->rt, "a", on_stats, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_stats(w->rt, "a", on_stats, NULL, NULL, NULL), EDGE_BUSY);
}

/* Labels and commands that come from images may be longer than all that is kept of an answer. */
static void test_huge_labels(void **state) {
    static char text[16384];
    (void)state;
    assert_int_equal(runtime_list(w->rt, on_containers, NULL, NULL, NULL), EDGE_OK);
    negotiate(V141);
    fake_transport_headers(0, 200);
    fake_transport_bytes(0,
                         SLICE_LIT("[{\"Id\":\"" WORLD_ID "\",\"Names\":[\"/a\"],\"Command\":\""));
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= DOCKER_ANSWER_MAX; len += sizeof(text)) {
        fake_transport_bytes(0, slice_make(text, sizeof(text)));
    }
    fake_transport_bytes(0, SLICE_LIT("\",\"Labels\":{\"" RUNTIME_OWNER_LABEL "x\":\""));
    for (size_t len = 0; len <= DOCKER_ANSWER_MAX; len += sizeof(text)) {
        fake_transport_bytes(0, slice_make(text, sizeof(text)));
    }
    fake_transport_bytes(
        0, SLICE_LIT("\",\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}]"));
    fake_transport_answer(0, 200, "");
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 1);
    /* What is kept has its limit all the same. */
    assert_int_equal(runtime_list(w->rt, on_containers, NULL, NULL, NULL), EDGE_OK);
    fake_transport_headers(0, 200);
    fake_transport_bytes(0, SLICE_LIT("[{\"Id\":\""));
    for (size_t len = 0; len <= DOCKER_ANSWER_MAX; len += sizeof(text)) {
        fake_transport_bytes(0, slice_make(text, sizeof(text)));
    }
    fake_loop_run();
    assert_true(fake_transport_canceled(0));
    fake_transport_end_canceled();
    assert_int_equal(got.code, EDGE_RANGE);
}

static void test_transport_refuses(void **state) {
    (void)state;
    fake_transport_refuse(EDGE_BUSY);
    assert_int_equal(runtime_inspect(w->rt, "a", on_containers, NULL, NULL, NULL), EDGE_BUSY);
    inspect("a");
    inspect("b");
    fake_transport_refuse(EDGE_NOMEM); /* the first after the version is known */
    negotiate(V141);
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_NOMEM);
    fake_transport_refuse(EDGE_BUSY);
    assert_int_equal(runtime_inspect(w->rt, "a", on_containers, NULL, NULL, NULL), EDGE_BUSY);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.calls, 2);
}

static void on_module(void *data, enum edge_code code, const struct runtime_module *list,
                      size_t cnt, const struct edge_error *err) {
    (void)data;
    note(code, err);
    got.cnt = cnt;
    assert_true(cnt == 0 || json_is_object(list->labels));
}

static void test_inspect_module(void **state) {
    (void)state;
    assert_int_equal(runtime_inspect_module(w->rt, "a", on_module, NULL, NULL, NULL), EDGE_OK);
    negotiate(V141);
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/json?size=false");
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 1);
    assert_int_equal(runtime_inspect_module(w->rt, "a", on_module, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 404, "{}");
    assert_int_equal(got.code, EDGE_NOT_FOUND);
    assert_int_equal(got.cnt, 0);
    assert_int_equal(runtime_inspect_module(w->rt, WORLD_ID, on_module, NULL, NULL, NULL), EDGE_OK);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_OK);
}

/* Containers that are none of ours, and one whose id begins with what was taken for a name. */
static void test_inspect_other_module(void **state) {
    static const char stranger[] =
        "{\"Id\":\"" WORLD_ID "\",\"Name\":\"/a\",\"Config\":{},\"State\":{}}";
    char beginning[] = WORLD_ID;
    (void)state;
    assert_int_equal(runtime_inspect_module(w->rt, "a", on_module, NULL, NULL, NULL), EDGE_OK);
    negotiate(V141);
    fake_transport_answer(0, 200, stranger);
    assert_int_equal(got.code, EDGE_NOT_FOUND);
    assert_string_equal(edge_error_text(&got.err),
                        "the container engine answered 404: No such container: a");
    beginning[12] = '\0';
    assert_int_equal(runtime_inspect_module(w->rt, beginning, on_module, NULL, NULL, NULL),
                     EDGE_OK);
    fake_transport_answer(0, 200, WORLD_MODULE);
    assert_int_equal(got.code, EDGE_NOT_FOUND);
    assert_int_equal(got.cnt, 0);
}

static void on_json(void *data, enum edge_code code, struct slice json,
                    const struct edge_error *err) {
    (void)data;
    note(code, err);
    got.cnt = json.len;
}

static void test_stats(void **state) {
    static const struct {
        int status;
        const char *body;
        enum edge_code code;
    } rows[] = {
        {200, "{\"read\":1}", EDGE_OK}, {200, "", EDGE_CONFLICT},    {200, "[]", EDGE_PROTO},
        {200, "{", EDGE_PARSE},         {404, "{}", EDGE_NOT_FOUND},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(runtime_stats(w->rt, "a", on_json, NULL, NULL, NULL), EDGE_OK);
        if (i == 0) {
            negotiate(V141);
        }
        assert_string_equal(fake_transport_url(0),
                            "GET http://localhost/v1.41/containers/a/stats?stream=false");
        fake_transport_answer(0, rows[i].status, rows[i].body);
        assert_int_equal(got.code, rows[i].code);
        assert_int_equal(got.cnt, rows[i].code == EDGE_OK ? strlen(rows[i].body) : 0);
    }
}

static void unreachable(const char *path, enum edge_code code, const char *hint) {
    docker_world_close();
    assert_int_equal(docker_world_new(path, NULL, NULL, NULL), EDGE_OK);
    assert_int_equal(runtime_inspect(w->rt, "a", on_containers, NULL, NULL, NULL), EDGE_OK);
    fake_transport_fail(0, EDGE_NET);
    assert_int_equal(got.code, code);
    assert_non_null(strstr(got.err.text, path));
    assert_non_null(strstr(got.err.text, hint));
}

static void test_unreachable_says_what_to_do(void **state) {
    struct tmpdir *dir = tmpdir_new();
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)state;
    unreachable(tmpdir_join(dir, "none"), EDGE_NET, "is the engine installed and running?");
    tmpdir_write(dir, "file", "", 0, 0644);
    unreachable(tmpdir_join(dir, "file"), EDGE_NET, "is not a socket");
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", tmpdir_join(dir, "sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    unreachable(addr.sun_path, EDGE_NET, "does not answer");
    if (geteuid() == 0) {
        assert_int_equal(chmod(addr.sun_path, 0600), 0);
        assert_int_equal(chmod(dir->path, 0755), 0);
        assert_int_equal(seteuid(65534), 0);
        unreachable(addr.sun_path, EDGE_DENIED, "group that owns it ('docker'");
        assert_int_equal(seteuid(0), 0);
    }
    close(fd);
    tmpdir_free(dir);
}

static enum edge_code one_round(void *data) {
    struct edge_error err = {0};
    (void)data;
    memset(&got, 0, sizeof(got));
    got.code = EDGE_NOMEM;
    enum edge_code code = docker_world_new(WORLD_SOCKET, NULL, NULL, &err);
    if (code != EDGE_OK) {
        return code;
    }
    enum edge_code started = runtime_list(w->rt, on_containers, NULL, NULL, &err);
    enum edge_code second = runtime_top(w->rt, "a", on_pids, NULL, NULL, &err);
    while (fake_transport_open() > 0) {
        bool version = strstr(fake_transport_url(0), "/version") != NULL;
        bool top = strstr(fake_transport_url(0), "/top") != NULL;
        fake_transport_answer(0, 200,
                              version ? V141
                              : top   ? "{\"Titles\":[\"PID\"],\"Processes\":[]}"
                                      : "[]");
    }
    assert_int_equal(got.calls, (started == EDGE_OK ? 1 : 0) + (second == EDGE_OK ? 1 : 0));
    code = got.code;
    bool whole = got.calls == 2;
    docker_world_close();
    return whole ? code : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    docker_world_close();
    assert_true(alloc_fail_torture(one_round, NULL) > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, docker_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_calls_wait_for_one_negotiation),
        TEST(test_list),
        TEST(test_top_of_docker),
        TEST(test_top_of_podman),
        TEST(test_statuses),
        TEST(test_renewed_after_complaint),
        TEST(test_late_complaint),
        TEST(test_renewed_after_disconnect),
        TEST(test_negotiation_fails),
        TEST(test_calls_from_completions),
        TEST(test_cancel),
        TEST(test_close_while_negotiating),
        TEST(test_close_in_flight),
        TEST(test_too_many_calls),
        TEST(test_some_calls_yield),
        TEST(test_huge_labels),
        TEST(test_transport_refuses),
        TEST(test_inspect_module),
        TEST(test_inspect_other_module),
        TEST(test_stats),
        TEST(test_unreachable_says_what_to_do),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
