/* SPDX-License-Identifier: MIT */
#include "runtime/docker_pull.h"

#include "docker_world.h"
#include "runtime/docker_engine.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct docker_world *const w = &docker_world;

static void on_progress(void *data, const char *text) {
    (void)data;
    assert_true(strlen(w->text) + strlen(text) + 2 < sizeof(w->text));
    strncat(w->text, text, sizeof(w->text) - strlen(w->text) - 1);
    strncat(w->text, ";", sizeof(w->text) - strlen(w->text) - 1);
}

static enum edge_code pull(const char *image, const char *auth) {
    return runtime_pull(w->rt, image, slice_str(auth), on_progress, docker_world_done, NULL, &w->op,
                        &w->start_err);
}

static void test_request(void **state) {
    static const struct {
        const char *image, *auth, *from, *header;
    } rows[] = {
        {"alpine", NULL, "alpine%3Alatest", ""},
        {"alpine:3", "", "alpine%3A3", ""},
        {"localhost:5000/a/b", "{}", "localhost%3A5000%2Fa%2Fb%3Alatest", "e30="},
        {"a/b@sha256:01", "{\"username\":\"\xc3\xbf?>\"}", "a%2Fb%40sha256%3A01",
         "eyJ1c2VybmFtZSI6IsO_Pz4ifQ=="},
    };
    char url[256];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(pull(rows[i].image, rows[i].auth), EDGE_OK);
        snprintf(url, sizeof(url), "POST http://localhost/v1.41/images/create?fromImage=%s",
                 rows[i].from);
        assert_string_equal(fake_transport_url(0), url);
        assert_string_equal(fake_transport_header(0, "X-Registry-Auth"), rows[i].header);
        assert_int_equal(fake_transport_timeout_ms(0), 0);
        assert_int_equal(fake_transport_stall_ms(0), DOCKER_PULL_STALL_MS);
        fake_transport_headers(0, 200);
        fake_transport_bytes(0, SLICE_LIT("{\"status\":\"Pulling from a\",\"id\":\"3\"}\r\n"));
        fake_transport_bytes(0,
                             SLICE_LIT("{\"status\":\"Downloading\",\"progressDetail\":{}}\r\n"));
        fake_transport_bytes(0, SLICE_LIT("{\"status\":\"Pull com"));
        fake_transport_bytes(0, SLICE_LIT("plete\",\"id\":\"0a\"}"));
        assert_int_equal(w->calls, i);
        fake_transport_answer(0, 200, "");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, EDGE_OK);
        assert_string_equal(w->text, "Pulling from a (3);Pull complete (0a);");
        w->text[0] = '\0';
    }
}

/* What the stream said last is what counts, not the status. */
static void test_verdicts(void **state) {
    static const struct {
        const char *stream;
        enum edge_code code;
        const char *text;
    } rows[] = {
        {"{\"status\":\"x\"}{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"e\"}",
         EDGE_NOT_FOUND, "manifest unknown"},
        {"{\"error\":\"unauthorized: authentication required\"}", EDGE_DENIED, "unauthorized"},
        {"{\"errorDetail\":{\"message\":\"no space left on device\"}}", EDGE_REMOTE, "no space"},
        {"{\"errorDetail\":{}}", EDGE_REMOTE, "unknown error"},
        {"{\"error\":\"once\"}{\"status\":\"and again\"}", EDGE_OK, ""},
        {"", EDGE_PROTO, "nothing"},
        {"{\"status\":\"half", EDGE_PROTO, "broke off"},
        {"{\"status\":\"x\"} {\"status\":\"half", EDGE_PROTO, "broke off"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(pull("a", NULL), EDGE_OK);
        fake_transport_headers(0, 200);
        if (rows[i].stream[0] != '\0') {
            fake_transport_bytes(0, slice_str(rows[i].stream));
        }
        fake_transport_answer(0, 200, "");
        assert_int_equal(w->calls, i + 1);
        assert_int_equal(w->code, rows[i].code);
        if (w->code != EDGE_OK) {
            assert_non_null(strstr(w->err.text, rows[i].text));
        }
    }
}

static void test_refusals(void **state) {
    static const struct {
        int status;
        const char *message;
        enum edge_code code;
    } rows[] = {
        {404, "pull access denied for a, repository does not exist or may require 'docker login'",
         EDGE_NOT_FOUND},
        {404, "manifest for a:1 not found: manifest unknown", EDGE_NOT_FOUND},
        {404, "unauthorized: authentication required", EDGE_DENIED},
        {500, "Head \"http://x/v2/\": no basic auth credentials", EDGE_DENIED},
        {500, "dial tcp 127.0.0.1:1: connect: connection refused", EDGE_REMOTE},
        {400, "invalid reference format", EDGE_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        assert_int_equal(pull("a", NULL), EDGE_OK);
        fake_transport_headers(0, rows[i].status);
        fake_transport_answer(0, rows[i].status, rows[i].message); /* as its own text */
        assert_int_equal(w->code, rows[i].code);
        assert_int_equal(w->err.native, rows[i].status);
        assert_non_null(strstr(w->err.text, rows[i].message));
    }
}

static void test_broken_streams(void **state) {
    (void)state;
    assert_int_equal(pull("a", NULL), EDGE_OK);
    fake_transport_headers(0, 200);
    fake_transport_bytes(0, SLICE_LIT("{\"status\":\"x\"}"));
    fake_transport_bytes(0, SLICE_LIT("not JSON"));
    assert_true(fake_transport_canceled(0));
    fake_transport_bytes(0, SLICE_LIT("{\"status\":\"late\"}"));
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_PARSE);
    assert_int_equal(pull("a", NULL), EDGE_OK);
    fake_transport_headers(0, 200);
    fake_transport_bytes(0, SLICE_LIT("{\"status\":1}"));
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_PROTO);
    assert_int_equal(pull("a", NULL), EDGE_OK);
    fake_transport_headers(0, 200);
    fake_transport_bytes(0, SLICE_LIT("{\"status\":\"x\"}"));
    fake_transport_fail(0, EDGE_TIMEOUT); /* stalled */
    assert_int_equal(w->code, EDGE_TIMEOUT);
    assert_int_equal(w->calls, 3);
}

static void test_cancel(void **state) {
    (void)state;
    assert_int_equal(pull("a", NULL), EDGE_OK);
    op_cancel(loop_ops(fake_loop()), w->op);
    fake_transport_end_canceled();
    assert_int_equal(w->code, EDGE_CANCELED);
    assert_int_equal(w->calls, 1);
}

static void test_limits(void **state) {
    static char big[DOCKER_AUTH_MAX];
    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    assert_int_equal(pull("a", big), EDGE_INVALID);
    for (unsigned i = 0; i < DOCKER_PULLS_MAX; i++) {
        assert_int_equal(pull("a", NULL), EDGE_OK);
    }
    assert_int_equal(pull("a", NULL), EDGE_BUSY);
    docker_world_close();
    assert_int_equal(w->calls, DOCKER_PULLS_MAX);
}

static enum edge_code one_round(void *data) {
    struct edge_error err = {0};
    (void)data;
    enum edge_code code = docker_world_open(&err);
    if (code != EDGE_OK) {
        return code;
    }
    code = pull("a", "{}");
    if (code == EDGE_OK) {
        fake_transport_headers(0, 200);
        fake_transport_bytes(0, SLICE_LIT("{\"status\":\"one\"}{\"status\":\"two\"}"));
        fake_transport_end_canceled();
        if (fake_transport_open() > 0) {
            fake_transport_answer(0, 200, "");
        }
        code = w->code;
        assert_int_equal(w->calls, 1);
    }
    docker_world_close();
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    docker_world_close();
    assert_true(alloc_fail_torture(one_round, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        DOCKER_WORLD_TEST(test_request),       DOCKER_WORLD_TEST(test_verdicts),
        DOCKER_WORLD_TEST(test_refusals),      DOCKER_WORLD_TEST(test_broken_streams),
        DOCKER_WORLD_TEST(test_cancel),        DOCKER_WORLD_TEST(test_limits),
        DOCKER_WORLD_TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
