/* SPDX-License-Identifier: MIT */
/*
 * Lists of modules over a fake transport: how many calls at once, what vanishes, what ends a list
 * early.
 */
#include "runtime/docker_modules.h"

#include "base/json.h"
#include "docker_world.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define LABELS    "{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}"
#define ID_FORMAT "%064u"

static struct docker_world *const w = &docker_world;
static struct {
    unsigned calls;
    enum edge_code code;
    size_t cnt;
    char names[4096];
    char statuses[4096];
} got;

static int setup(void **state) {
    memset(&got, 0, sizeof(got));
    return docker_world_setup_new(state);
}

static void on_modules(void *data, enum edge_code code, const struct runtime_module *list,
                       size_t cnt, const struct edge_error *err) {
    (void)data;
    assert_true((code == EDGE_OK) == (err == NULL));
    assert_true(code == EDGE_OK || (err->code == code && err->text[0] != '\0' && cnt == 0));
    got.calls++;
    got.code = code;
    got.cnt = cnt;
    got.names[0] = got.statuses[0] = '\0';
    for (size_t i = 0; i < cnt; i++) {
        size_t used = strlen(got.statuses);
        snprintf(got.statuses + used, sizeof(got.statuses) - used, "%s ",
                 list[i].status == RUNTIME_STATUS_RUNNING   ? "running"
                 : list[i].status == RUNTIME_STATUS_UNKNOWN ? "unknown"
                                                            : "other");
        assert_non_null(list[i].labels);
        size_t len = strlen(got.names);
        snprintf(got.names + len, sizeof(got.names) - len, "%s ", list[i].name);
    }
}

static struct op ask(void) {
    struct op op;
    assert_int_equal(runtime_list_modules(w->rt, on_modules, NULL, &op, NULL), EDGE_OK);
    return op;
}

/* Answers the oldest call, which is a list. */
static void answer_list(unsigned cnt) {
    static char text[32 * 512]; /* not allocated: the torture is for the code under test */
    assert_true(cnt < 32);
    assert_non_null(strstr(fake_transport_url(0), "/containers/json?all=true&filters="));
    assert_int_equal(fake_transport_timeout_ms(0), DOCKER_CONTROL_TIMEOUT_MS);
    strcpy(text, "[");
    for (unsigned i = 0; i < cnt; i++) {
        size_t len = strlen(text);
        snprintf(text + len, 512,
                 "%s{\"Id\":\"" ID_FORMAT
                 "\",\"Names\":[\"/m%u\"],\"Image\":\"i\",\"State\":\"running\",\"Labels\":" LABELS
                 "}",
                 i > 0 ? "," : "", i, i);
    }
    strcat(text, "]");
    fake_transport_answer(0, 200, text);
}

static void negotiate(void) {
    assert_string_equal(fake_transport_url(0), "GET http://localhost/version");
    fake_transport_answer(0, 200, WORLD_VERSION);
}

/* Answers the open call at `index` as an inspection of the container it asks for. */
static void answer_inspect(unsigned index) {
    char text[256];
    const char *at = strstr(fake_transport_url(index), "/v1.41/containers/");
    assert_non_null(at);
    assert_string_equal(at + strlen("/v1.41/containers/") + 64, "/json?size=false");
    assert_int_equal(fake_transport_timeout_ms(index), DOCKER_INSPECT_TIMEOUT_MS);
    snprintf(text, sizeof(text), "{\"Id\":\"%.64s\",\"State\":{\"Status\":\"running\"}}",
             at + strlen("/v1.41/containers/"));
    fake_transport_answer(index, 200, text);
}

static void on_event(void *data, enum runtime_event event, const char *id) {
    (void)data, (void)event, (void)id;
}

/* A client with an event stream that is up; it stays the oldest open request. */
static void open_with_events(void) {
    docker_world_close();
    assert_int_equal(docker_world_new(WORLD_SOCKET, on_event, NULL, NULL), EDGE_OK);
    fake_loop_run();
    fake_loop_advance(0);
    negotiate();
    assert_non_null(strstr(fake_transport_url(0), "/events?filters="));
    fake_transport_headers(0, 200);
}

static void event(const char *action, unsigned container) {
    char text[256];
    snprintf(text, sizeof(text),
             "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"" ID_FORMAT "\"}}",
             action, container);
    fake_transport_bytes(0, slice_str(text));
}

/* Answers a list of three modules beside the event stream; gives back how many inspections follow.
 */
static unsigned list_again(const char *state) {
    char text[1024] = "[";
    ask();
    for (unsigned i = 0; i < 3; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len,
                 "%s{\"Id\":\"" ID_FORMAT
                 "\",\"Names\":[\"/m%u\"],\"Image\":\"i\",\"State\":\"%s\",\"Labels\":" LABELS "}",
                 i > 0 ? "," : "", i, i, state);
    }
    strcat(text, "]");
    assert_non_null(strstr(fake_transport_url(1), "/containers/json?all=true&filters="));
    fake_transport_answer(1, 200, text);
    return fake_transport_open() - 1;
}

static void answer_all(void) {
    while (fake_transport_open() > 1) {
        answer_inspect(1);
    }
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 3);
    assert_string_equal(got.names, "m0 m1 m2 ");
}

static void test_only_what_changed_is_inspected(void **state) {
    (void)state;
    open_with_events();
    assert_int_equal(list_again("running"), 3);
    answer_all();
    assert_int_equal(list_again("running"), 0);
    assert_int_equal(got.calls, 2);
    answer_all();
    event("die", 1);
    event("start", 1);
    assert_int_equal(list_again("running"), 1);
    answer_all();
    assert_int_equal(list_again("paused"), 3); /* which no event says; in the middle of it */
    answer_all();
    assert_int_equal(list_again("running"), 0); /* what was known is true again */
    answer_all();
}

static void test_what_happens_meanwhile_is_not_kept(void **state) {
    (void)state;
    open_with_events();
    assert_int_equal(list_again("running"), 3);
    event("die", 2);
    event("start", 2);
    answer_all();
    assert_int_equal(list_again("running"), 1);
    answer_all();
    assert_int_equal(list_again("running"), 0);
    answer_all();
}

/* Without events nothing is known for sure. */
static void test_lost_events(void **state) {
    (void)state;
    open_with_events();
    assert_int_equal(list_again("running"), 3);
    answer_all();
    fake_transport_answer(0, 200, ""); /* the stream ends */
    ask();
    if (strstr(fake_transport_url(0), "/version") != NULL) {
        negotiate();
    }
    answer_list(3);
    assert_int_equal(fake_transport_open(), 3);
    while (fake_transport_open() > 0) {
        answer_inspect(0);
    }
    assert_int_equal(got.cnt, 3);
}

/* One's own change is seen in the next list, event or not. */
static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    (void)data, (void)err;
    got.code = code;
}

static void test_own_changes_are_seen(void **state) {
    char text[512];
    (void)state;
    open_with_events();
    assert_int_equal(list_again("running"), 3);
    answer_all();
    assert_int_equal(runtime_restart(w->rt, "m1", on_done, NULL, NULL, NULL), EDGE_OK);
    snprintf(text, sizeof(text),
             "{\"Id\":\"" ID_FORMAT "\",\"Name\":\"/m1\",\"Config\":{\"Labels\":" LABELS
             "},\"State\":{\"Running\":true}}",
             1u);
    fake_transport_answer(1, 200, text);
    fake_transport_answer(1, 204, "");
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(list_again("running"), 1);
    answer_all();
}

static void test_empty(void **state) {
    (void)state;
    ask();
    negotiate();
    answer_list(0);
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 0);
}

static void test_few_at_a_time(void **state) {
    unsigned left = 21;
    (void)state;
    ask();
    negotiate();
    answer_list(left);
    while (left > 0) {
        assert_int_equal(fake_transport_open(),
                         left < DOCKER_MODULES_INSPECTS ? left : DOCKER_MODULES_INSPECTS);
        assert_int_equal(got.calls, 0);
        answer_inspect(left % 2 ? 0 : fake_transport_open() - 1);
        left--;
    }
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 21);
    assert_non_null(strstr(got.names, "m0 m1 m2 ")); /* in the Engine's order */
}

static void test_vanished_are_skipped(void **state) {
    (void)state;
    ask();
    negotiate();
    answer_list(3);
    fake_transport_answer(1, 404, "{\"message\":\"No such container\"}");
    answer_inspect(0);
    answer_inspect(0);
    assert_int_equal(got.code, EDGE_OK);
    assert_string_equal(got.names, "m0 m2 ");
    ask();
    answer_list(1);
    fake_transport_answer(0, 404, "");
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, 0);
}

/* What a health check prints stands in the Engine's answer: a module must not take the list away
 * from edgeAgent, and so its own removal. */
static void test_a_module_that_prints_nul(void **state) {
    char text[512];
    (void)state;
    ask();
    negotiate();
    answer_list(1);
    (void)snprintf(text, sizeof(text),
                   "{\"Id\":\"" ID_FORMAT
                   "\",\"State\":{\"Status\":\"running\",\"Health\":{\"Log\":["
                   "{\"Output\":\"\\u0000\"}]}}}",
                   0u);
    fake_transport_answer(0, 200, text);
    assert_int_equal(got.code, EDGE_OK);
    assert_string_equal(got.names, "m0 ");
}

static void test_a_failure_ends_the_rest(void **state) {
    (void)state;
    ask();
    negotiate();
    answer_list(20);
    fake_transport_fail(0, EDGE_NET);
    assert_int_equal(got.calls, 0); /* the others have been told, and are waited for */
    assert_int_equal(fake_transport_open(), DOCKER_MODULES_INSPECTS - 1);
    fake_transport_answer(0, 200, "{}"); /* too late to matter */
    fake_transport_end_canceled();
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_NET);
}

/* edgeAgent could otherwise not even remove that one. */
static void test_broken_ones_are_listed_as_unknown(void **state) {
    static const struct {
        int status;
        const char *text;
    } answers[] = {
        {500, "{\"message\":\"RWLayer of container is unexpectedly nil\"}"},
        {200, "{\"Id\":7}"},
        {200, "{\"Id\":"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(answers); i++) {
        ask();
        if (i == 0) {
            negotiate();
        }
        answer_list(3);
        fake_transport_answer(1, answers[i].status, answers[i].text);
        answer_inspect(0);
        answer_inspect(0);
        assert_int_equal(got.code, EDGE_OK);
        assert_string_equal(got.names, "m0 m1 m2 ");
        assert_string_equal(got.statuses, "running unknown running ");
    }
}

static void test_the_list_fails(void **state) {
    (void)state;
    ask();
    negotiate();
    fake_transport_answer(0, 500, "");
    assert_int_equal(got.code, EDGE_REMOTE);
    ask();
    fake_transport_answer(0, 200, "{}");
    assert_int_equal(got.code, EDGE_PROTO);
    ask();
    fake_transport_fail(0, EDGE_NET);
    assert_int_equal(got.code, EDGE_NET);
    assert_int_equal(got.calls, 3);
}

/* Because of labels that nobody needs: it is tried without them, and at once from then on. */
static void test_the_list_is_too_long(void **state) {
    (void)state;
    ask();
    negotiate();
    assert_int_equal(fake_transport_open(), 1);
    fake_transport_fail(0, EDGE_RANGE);
    assert_int_equal(got.calls, 0);
    answer_list(0);
    assert_int_equal(got.code, EDGE_OK);
    ask();
    fake_transport_fail(0, EDGE_RANGE); /* still */
    assert_int_equal(got.code, EDGE_RANGE);
    assert_int_equal(got.calls, 2);
    ask();
    answer_list(0);
    assert_int_equal(got.code, EDGE_OK);
}

/* As many values as can be counted, in few bytes. */
static void test_the_list_has_too_many_values(void **state) {
    static char text[2 * JSON_NODES_MAX + 256];
    size_t len;
    (void)state;
    ask();
    negotiate();
    len = (size_t)snprintf(text, sizeof(text), "[{\"Id\":\"" ID_FORMAT "\",\"Ports\":[0", 1);
    for (size_t i = 1; i < JSON_NODES_MAX; i++) {
        memcpy(text + len, ",0", 2);
        len += 2;
    }
    memcpy(text + len, "]}]", 4);
    fake_transport_answer(0, 200, text);
    assert_int_equal(got.calls, 0);
    answer_list(0);
    assert_int_equal(got.code, EDGE_OK);
}

static void test_cancel(void **state) {
    (void)state;
    struct op op = ask();
    negotiate();
    op_cancel(loop_ops(fake_loop()), op);
    fake_transport_end_canceled();
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_CANCELED);
    op = ask();
    answer_list(12);
    op_cancel(loop_ops(fake_loop()), op);
    op_cancel(loop_ops(fake_loop()), op);
    assert_int_equal(got.calls, 1);
    fake_transport_end_canceled();
    assert_int_equal(got.calls, 2);
    assert_int_equal(got.code, EDGE_CANCELED);
    assert_int_equal(fake_transport_open(), 0); /* no further inspection was begun */
}

static void test_others_wait_for_their_turn(void **state) {
    struct op ops[DOCKER_MODULES_LISTS + 3];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(ops); i++) {
        ops[i] = ask();
    }
    negotiate();
    assert_int_equal(fake_transport_open(), DOCKER_MODULES_LISTS);
    op_cancel(loop_ops(fake_loop()), ops[DOCKER_MODULES_LISTS]); /* of those that wait */
    fake_loop_run();
    answer_list(0);
    assert_int_equal(fake_transport_open(), DOCKER_MODULES_LISTS);
    assert_int_equal(got.calls, 2); /* the first, and the cancelled one whose turn came */
    assert_int_equal(got.code, EDGE_CANCELED);
    fake_transport_refuse(EDGE_NOMEM);
    answer_list(0);
    assert_int_equal(got.calls, 4);
    assert_int_equal(got.code, EDGE_NOMEM);
    while (fake_transport_open() > 0) {
        answer_list(0);
    }
    assert_int_equal(got.calls, EDGE_ARRAY_LEN(ops));
}

static void test_too_many_wait(void **state) {
    enum edge_code code = EDGE_OK;
    unsigned cnt = 0;
    (void)state;
    while (code == EDGE_OK && cnt < 2 * DOCKER_MODULES_WAITING) {
        code = runtime_list_modules(w->rt, on_modules, NULL, NULL, NULL);
        cnt += code == EDGE_OK ? 1 : 0;
    }
    assert_int_equal(code, EDGE_BUSY);
    assert_int_equal(cnt, DOCKER_MODULES_LISTS + DOCKER_MODULES_WAITING);
    docker_world_end();
    assert_int_equal(got.calls, cnt);
    assert_int_equal(got.code, EDGE_CANCELED);
}

static void test_transport_refuses(void **state) {
    (void)state;
    ask();
    negotiate();
    answer_list(0);
    fake_transport_refuse(EDGE_BUSY);
    assert_int_equal(runtime_list_modules(w->rt, on_modules, NULL, NULL, NULL), EDGE_BUSY);
    ask();
    fake_transport_refuse(EDGE_BUSY); /* the first inspection, and nothing else to wait for */
    answer_list(3);
    assert_int_equal(got.code, EDGE_BUSY);
    ask();
    answer_list(DOCKER_MODULES_INSPECTS + 1);
    fake_transport_refuse(EDGE_BUSY); /* one of many: tried again when another has ended */
    answer_inspect(0);
    while (fake_transport_open() > 0) {
        answer_inspect(0);
    }
    assert_int_equal(got.code, EDGE_OK);
    assert_int_equal(got.cnt, DOCKER_MODULES_INSPECTS + 1);
}

static void test_close(void **state) {
    (void)state;
    ask();
    negotiate();
    answer_list(20);
    docker_world_end();
    assert_int_equal(got.calls, 1);
    assert_int_equal(got.code, EDGE_CANCELED);
    assert_int_equal(runtime_list_modules(w->rt, on_modules, NULL, NULL, NULL), EDGE_CANCELED);
}

static enum edge_code one_round(void *data) {
    struct edge_error err = {0};
    (void)data;
    memset(&got, 0, sizeof(got));
    enum edge_code code = docker_world_new(WORLD_SOCKET, NULL, NULL, &err);
    if (code != EDGE_OK) {
        return code;
    }
    code = runtime_list_modules(w->rt, on_modules, NULL, NULL, &err);
    unsigned expected = code == EDGE_OK ? 1 : 0;
    while (fake_transport_open() > 0) {
        if (fake_transport_canceled(0)) {
            fake_transport_end_canceled();
        } else if (strstr(fake_transport_url(0), "/version") != NULL) {
            negotiate();
        } else if (strstr(fake_transport_url(0), "filters=") != NULL) {
            answer_list(2);
        } else {
            answer_inspect(0);
        }
    }
    assert_int_equal(got.calls, expected);
    code = expected ? got.code : code;
    docker_world_close();
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    docker_world_close();
    assert_true(alloc_fail_torture(one_round, NULL) > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, docker_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_changed_is_inspected),
        TEST(test_what_happens_meanwhile_is_not_kept),
        TEST(test_lost_events),
        TEST(test_own_changes_are_seen),
        TEST(test_empty),
        TEST(test_few_at_a_time),
        TEST(test_vanished_are_skipped),
        TEST(test_a_module_that_prints_nul),
        TEST(test_a_failure_ends_the_rest),
        TEST(test_broken_ones_are_listed_as_unknown),
        TEST(test_the_list_fails),
        TEST(test_the_list_is_too_long),
        TEST(test_the_list_has_too_many_values),
        TEST(test_cancel),
        TEST(test_others_wait_for_their_turn),
        TEST(test_too_many_wait),
        TEST(test_transport_refuses),
        TEST(test_close),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
