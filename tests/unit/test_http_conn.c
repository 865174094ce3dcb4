/* SPDX-License-Identifier: MIT */
#include "http_driver.h"

#include "conformance/http_answers.h"
#include "conformance/http_cases.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET_HEAD  "GET / HTTP/1.1\r\n\r\n"
#define POST_HEAD "POST /echo HTTP/1.1\r\n"

/* What one way of feeding a case came to. */
struct outcome {
    struct buf out;
    bool closed;
    bool lingers;
};

static void run_case(const struct http_case *c, const char *bytes, size_t len, size_t first,
                     size_t step, struct outcome *ret) {
    struct http_driver d;
    http_driver_init(&d);
    size_t pos = first < len ? first : len;
    http_driver_feed(&d, bytes, pos);
    while (pos < len) {
        size_t part = step == 0 || step > len - pos ? len - pos : step;
        http_driver_feed(&d, bytes + pos, part);
        pos += part;
    }
    if (c->half_close) {
        http_driver_eof(&d);
    }
    ret->closed = d.closed;
    ret->lingers = d.lingers;
    ret->out = d.out;
    buf_init(&d.out, 0);
    http_driver_clear(&d);
}

static void check_outcome(const struct http_case *c, const struct outcome *o) {
    struct http_answers answers;
    char statuses[HTTP_ANSWERS_MAX * 4 + 1];
    http_answers_read((const char *)o->out.data, o->out.len, o->closed, false, &answers);
    http_answers_text(&answers, statuses, sizeof(statuses));
    if (answers.problem != NULL || !answers.whole || strcmp(statuses, c->statuses) != 0 ||
        o->closed != c->closes || (!c->half_close && answers.closing != c->closes)) {
        print_error("case '%s': got '%s'%s, expected '%s'%s; %s\n", c->name, statuses,
                    o->closed ? " and the end" : "", c->statuses, c->closes ? " and the end" : "",
                    answers.problem != NULL ? answers.problem : "");
        fail();
    }
    if (c->contains != NULL &&
        memmem(o->out.data, o->out.len, c->contains, strlen(c->contains)) == NULL) {
        print_error("case '%s': the answer lacks its text\n", c->name);
        fail();
    }
}

static void check_same(const struct http_case *c, const struct outcome *a,
                       const struct outcome *b) {
    if (!slice_eq(buf_slice(&a->out), buf_slice(&b->out)) || a->closed != b->closed ||
        a->lingers != b->lingers) {
        print_error("case '%s': another split gave another answer\n", c->name);
        fail();
    }
}

static void test_cases_in_any_split(void **state) {
    (void)state;
    size_t cases = 0;
    for (size_t i = 0; i < http_case_cnt; i++) {
        const struct http_case *c = &http_cases[i];
        struct outcome whole, split;
        size_t len;
        if (c->routed) {
            continue;
        }
        char *bytes = http_case_bytes(c, &len);
        run_case(c, bytes, len, 0, 0, &whole);
        check_outcome(c, &whole);
        run_case(c, bytes, len, 0, 1, &split);
        check_same(c, &whole, &split);
        buf_clear(&split.out);
        /* Two parts, cut anywhere; of the large cases, around the places where something changes.
         */
        size_t end = len < 2048 ? len : len < 65536 ? 256 : 16;
        for (size_t cut = 1; cut < end; cut++) {
            run_case(c, bytes, len, cut, 0, &split);
            check_same(c, &whole, &split);
            buf_clear(&split.out);
        }
        buf_clear(&whole.out);
        free(bytes);
        cases++;
    }
    assert_true(cases > 90);
}

/* An end of input that comes with the last bytes must not change what is answered. */
static void test_slow_reader_gets_the_same(void **state) {
    (void)state;
    static const char bytes[] =
        POST_HEAD "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" GET_HEAD;
    struct http_driver fast, slow;
    http_driver_init(&fast);
    http_driver_init(&slow);
    slow.send_max = 1;
    http_driver_feed(&fast, bytes, sizeof(bytes) - 1);
    http_driver_feed(&slow, bytes, sizeof(bytes) - 1);
    assert_int_equal(fast.answers, 2);
    assert_true(slice_eq(buf_slice(&fast.out), buf_slice(&slow.out)));
    http_driver_clear(&fast);
    http_driver_clear(&slow);
}

static void test_input_waits_for_the_answer(void **state) {
    (void)state;
    struct http_driver d;
    char bytes[HTTP_READ_MAX];
    http_driver_init(&d);
    d.defer = true;
    http_driver_feed(&d, GET_HEAD GET_HEAD GET_HEAD, 3 * (sizeof(GET_HEAD) - 1));
    assert_int_equal(d.requests, 1);
    assert_true(d.owes && http_conn_is_busy(&d.conn) && !http_conn_is_idle(&d.conn));
    assert_true(http_conn_wants_input(&d.conn));
    http_driver_answer(&d);
    assert_int_equal(d.requests, 2);
    http_driver_answer(&d);
    http_driver_answer(&d);
    assert_int_equal(d.requests, 3);
    assert_true(http_conn_is_idle(&d.conn) && !http_conn_is_busy(&d.conn));
    assert_int_equal(d.conn.held.len, 0);

    /* Held bytes are bounded: first the driver is told to stop, then the rest is given up. */
    memset(bytes, 'a', sizeof(bytes));
    http_driver_feed(&d, GET_HEAD, sizeof(GET_HEAD) - 1);
    http_driver_feed(&d, bytes, sizeof(bytes));
    assert_true(http_conn_wants_input(&d.conn));
    http_driver_feed(&d, bytes, 1);
    assert_false(http_conn_wants_input(&d.conn));
    http_driver_feed(&d, bytes, sizeof(bytes));
    assert_int_equal(d.conn.held.len, 0);
    http_driver_answer(&d);
    assert_true(d.closed && d.lingers);
    http_driver_clear(&d);
}

static void test_end_of_input(void **state) {
    (void)state;
    struct http_driver d;
    http_driver_init(&d);
    d.defer = true;
    /* While a request is served: it is answered, and the answer says that it is the last. */
    http_driver_feed(&d, GET_HEAD, sizeof(GET_HEAD) - 1);
    http_driver_eof(&d);
    assert_false(d.closed);
    http_driver_answer(&d);
    assert_true(d.closed && !d.lingers);
    assert_non_null(memmem(d.out.data, d.out.len, "Connection: close", 17));
    /* What comes after the end is not looked at. */
    http_driver_feed(&d, GET_HEAD, sizeof(GET_HEAD) - 1);
    assert_int_equal(d.requests, 1);
    http_driver_clear(&d);
}

static void test_early_answer(void **state) {
    (void)state;
    struct http_conn c;
    struct slice parts[2];
    const struct http_answer a = {.status = 404, .retry_after_s = 7};
    static const char bytes[] = POST_HEAD "Content-Length: 100\r\n\r\n";
    http_conn_init(&c);
    http_conn_feed(&c, bytes, sizeof(bytes) - 1);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_HEAD);
    http_conn_answer(&c, &a, DRIVER_DATE);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_WAIT);
    assert_int_equal(http_conn_output(&c, parts), 1);
    assert_non_null(memmem(parts[0].ptr, parts[0].len, "Retry-After: 7\r\n", 16));
    assert_non_null(memmem(parts[0].ptr, parts[0].len, "Connection: close\r\n", 19));
    http_conn_sent(&c, parts[0].len);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_CLOSE);
    assert_true(http_conn_should_linger(&c));
    http_conn_clear(&c);

    /* A client without a request can be told something too. */
    http_conn_init(&c);
    assert_false(http_conn_has_part(&c));
    http_conn_feed(&c, "GET", 3);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_WAIT);
    assert_true(http_conn_has_part(&c));
    http_conn_answer(&c, &a, DRIVER_DATE);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_WAIT);
    assert_int_equal(http_conn_output(&c, parts), 1);
    http_conn_sent(&c, parts[0].len);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_CLOSE);
    http_conn_clear(&c);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_CLOSE);
}

static void test_sensitive_bytes_are_wiped(void **state) {
    (void)state;
    struct http_conn c;
    struct slice parts[2];
    struct buf body;
    static const char bytes[] = POST_HEAD "Content-Length: 6\r\n\r\nSECRET";
    http_conn_init(&c);
    http_conn_feed(&c, bytes, sizeof(bytes) - 1);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_HEAD);
    http_conn_read_body(&c, 100, true);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_MESSAGE);
    assert_true(slice_eq_str(http_conn_body(&c), "SECRET"));
    assert_true(c.body.sensitive);
    buf_init_sensitive(&body, 100);
    assert_int_equal(buf_append_str(&body, "ANSWER", NULL), EDGE_OK);
    const struct http_answer a = {.status = 200, .body = &body};
    http_conn_answer(&c, &a, DRIVER_DATE);
    assert_int_equal(http_conn_output(&c, parts), 1);
    assert_non_null(memmem(c.fixed, sizeof(c.fixed), "ANSWER", 6));
    http_conn_sent(&c, parts[0].len);
    assert_int_equal(http_conn_next(&c), HTTP_CONN_WAIT);
    assert_null(memmem(c.fixed, sizeof(c.fixed), "ANSWER", 6));
    assert_null(memmem(c.body.data, c.body.cap, "SECRET", 6));
    assert_true(http_conn_is_idle(&c));
    http_conn_clear(&c);
}

static enum edge_code converse(void *data) {
    struct http_driver d;
    struct http_answers answers;
    static const char bytes[] =
        POST_HEAD "Content-Length: 3\r\n\r\nabc" POST_HEAD
                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n" GET_HEAD;
    size_t step = *(size_t *)data;
    http_driver_init(&d);
    for (size_t pos = 0; pos < sizeof(bytes) - 1; pos += step) {
        http_driver_feed(&d, bytes + pos,
                         step < sizeof(bytes) - 1 - pos ? step : sizeof(bytes) - 1 - pos);
    }
    http_answers_read((const char *)d.out.data, d.out.len, d.closed, false, &answers);
    bool good = answers.cnt == 3 && answers.statuses[0] == 200 && answers.statuses[1] == 200 &&
                answers.statuses[2] == 200 && !d.closed;
    if (!d.failed) {
        /* Whatever failed: what was said is well-formed, and each request has one answer. */
        assert_null(answers.problem);
        assert_true(answers.whole);
        assert_true(d.answers == answers.cnt);
    }
    http_driver_clear(&d);
    return good ? EDGE_OK : EDGE_NOMEM;
}

static enum edge_code hold_back(void *data) {
    struct http_driver d;
    (void)data;
    http_driver_init(&d);
    d.defer = true;
    http_driver_feed(&d, GET_HEAD GET_HEAD, 2 * (sizeof(GET_HEAD) - 1));
    while (d.owes) {
        http_driver_answer(&d);
    }
    bool good = d.answers == 2 && !d.closed && !d.failed;
    http_driver_clear(&d);
    return good ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **state) {
    (void)state;
    size_t whole = SIZE_MAX / 2, bytewise = 1;
    assert_true(alloc_fail_torture(converse, &whole) > 5);
    assert_true(alloc_fail_torture(converse, &bytewise) > 5);
    assert_true(alloc_fail_torture(hold_back, NULL) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_in_any_split),
        cmocka_unit_test(test_slow_reader_gets_the_same),
        cmocka_unit_test(test_input_waits_for_the_answer),
        cmocka_unit_test(test_end_of_input),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_sensitive_bytes_are_wiped),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
