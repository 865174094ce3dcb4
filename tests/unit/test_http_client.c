/*
 * The HTTP client against a real server with faults: tests/support/fault_server.py.
 */
#include "loop/http_client.h"

#include "base/clock.h"
#include "base/secret.h"
#include "support/alloc_fail.h"
#include "support/fault_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL_MAX  256
#define BODY_MAX 4096

enum step {
    STEP_NONE,
    STEP_SENT,
    STEP_OPEN,
    STEP_DATA,
    STEP_TIMER,
};

struct fixture {
    struct loop *loop;
    struct http_client *client;
    struct loop_timer *timer;
    bool closed;
};

struct call {
    struct fixture *f;
    struct op op;
    enum step cancel_at;
    bool in_send;
    bool pause; /* after each piece; the timer ends it */
    unsigned pause_ms;
    unsigned paused_cnt;
    unsigned opened_cnt;
    int open_status;
    unsigned done_cnt;
    size_t streamed;
    size_t piece_max;
    enum edge_code code;
    int status;
    bool tls_verified;
    char body[BODY_MAX];
    size_t body_len;
    char error[EDGE_ERROR_TEXT_MAX];
    char retry_after[64];
    char content_type[64];
    char date[64];
    struct call *next; /* sent from on_done or on_data of this one */
    struct http_client_request request;
    char url[URL_MAX];
};

static struct fault_server server;

static void on_timer(void *data);

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    struct http_client_options opt = {
        .extra_ca_file = server.extra_ca, .ca_dir = server.store, .user_agent = "edged-test"};
    assert_non_null(f);
    assert_int_equal(loop_new(&f->loop, NULL), EDGE_OK);
    assert_int_equal(http_client_new(f->loop, &opt, &f->client, NULL), EDGE_OK);
    *state = f;
    return 0;
}

static void on_closed(void *data) {
    struct fixture *f = data;
    assert_false(f->closed);
    f->closed = true;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (!f->closed) {
        http_client_close(f->client, on_closed, f);
        assert_false(f->closed);
    }
    loop_run(f->loop);
    assert_true(f->closed);
    http_client_free(f->client);
    loop_timer_free(f->timer);
    assert_int_equal(op_cnt(loop_ops(f->loop)), 0);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void copy_text(char *to, size_t size, struct slice from) {
    assert_true(slice_to_array(from, to, size));
}

static void send_call(struct call *c) {
    struct edge_error err;
    c->in_send = true;
    assert_int_equal(http_client_send(c->f->client, &c->request, &c->op, &err), EDGE_OK);
    c->in_send = false;
    if (c->cancel_at == STEP_SENT) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
}

static void on_open(void *data, int status) {
    struct call *c = data;
    c->opened_cnt++;
    c->open_status = status;
    if (c->cancel_at == STEP_OPEN) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
}

static bool on_data(void *data, struct slice bytes) {
    struct call *c = data;
    assert_int_equal(c->done_cnt, 0);
    c->streamed += bytes.len;
    c->piece_max = bytes.len > c->piece_max ? bytes.len : c->piece_max;
    if (c->cancel_at == STEP_DATA) {
        op_cancel(loop_ops(c->f->loop), c->op);
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
    if (c->next != NULL) {
        struct call *next = c->next;
        c->next = NULL;
        send_call(next);
    }
    if (c->pause) {
        c->paused_cnt++;
        loop_timer_start(c->f->timer, c->pause_ms);
        return false;
    }
    return true;
}

static void on_done(void *data, const struct http_client_answer *answer) {
    struct call *c = data;
    assert_false(c->in_send);
    c->done_cnt++;
    c->code = answer->code;
    c->status = answer->status;
    c->tls_verified = answer->tls_verified;
    assert_true(answer->body.len <= sizeof(c->body) || c->request.answer_max > sizeof(c->body));
    c->body_len = answer->body.len;
    if (answer->body.len > 0 && answer->body.len < sizeof(c->body)) {
        memcpy(c->body, answer->body.ptr, answer->body.len);
    }
    copy_text(c->retry_after, sizeof(c->retry_after), answer->retry_after);
    copy_text(c->content_type, sizeof(c->content_type), answer->content_type);
    copy_text(c->date, sizeof(c->date), answer->date);
    if (answer->code != EDGE_OK) {
        assert_non_null(answer->err);
        assert_int_equal(answer->err->code, answer->code);
        copy_text(c->error, sizeof(c->error), slice_str(answer->err->text));
    }
    op_cancel(loop_ops(c->f->loop), c->op); /* stale by now */
    if (c->next != NULL) {
        struct call *next = c->next;
        c->next = NULL;
        send_call(next);
    }
}

static void call_init(struct call *c, struct fixture *f, const char *kind, const char *path) {
    *c = (struct call){.f = f};
    bool local = strcmp(kind, "sock") == 0;
    if (local) {
        (void)snprintf(c->url, sizeof(c->url), "http://localhost%s", path);
    } else {
        (void)snprintf(c->url, sizeof(c->url), "https://127.0.0.1:%u%s",
                       fault_server_port(&server, kind), path);
    }
    c->request = (struct http_client_request){
        .method = "GET",
        .url = c->url,
        .unix_path = local ? server.sock : NULL,
        .timeout_ms = 20000,
        .on_open = on_open,
        .on_done = on_done,
        .data = c,
    };
}

static void run_call(struct call *c) {
    send_call(c);
    loop_run(c->f->loop);
    assert_int_equal(c->done_cnt, 1);
}

static void get(struct call *c, struct fixture *f, const char *kind, const char *path) {
    call_init(c, f, kind, path);
    run_call(c);
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' not in '%s'", part, text);
    }
}

static void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part) != NULL) {
        fail_msg("'%s' in '%s'", part, text);
    }
}

static void expect_fault(struct fixture *f, const char *kind, const char *path, enum edge_code code,
                         const char *part) {
    struct call c;
    get(&c, f, kind, path);
    if (c.code != code) {
        fail_msg("%s %s: %s '%s'", kind, path, edge_code_name(c.code), c.error);
    }
    assert_int_equal(c.status, 0);
    assert_int_equal(c.body_len, 0);
    assert_contains(c.error, part);
}

static void test_good_answer(void **state) {
    struct call c;
    get(&c, *state, "good", "/ok");
    assert_string_equal(c.error, "");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body, "hello");
    assert_string_equal(c.content_type, "text/plain");
    assert_string_equal(c.date, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(c.retry_after, "");
    assert_true(c.tls_verified);
    assert_int_equal(c.opened_cnt, 1);
    assert_int_equal(c.open_status, 200);
}

static void test_both_stores(void **state) {
    struct call c;
    get(&c, *state, "system", "/ok");
    assert_int_equal(c.code, EDGE_OK);
    get(&c, *state, "good", "/ok");
    assert_int_equal(c.code, EDGE_OK);
}

static void test_request_on_the_wire(void **state) {
    static const struct http_client_header headers[] = {
        {"Authorization", "SharedAccessSignature sr=x"}, {"X-Empty", ""}, {"If-Match", "*"}};
    struct call c;
    call_init(&c, *state, "good", "/echo?a=%2F..%2Fb");
    c.request.method = "PUT";
    c.request.headers = headers;
    c.request.header_cnt = EDGE_ARRAY_LEN(headers);
    c.request.body = SLICE_LIT("{\"a\":1}");
    c.request.sensitive = true;
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_contains(c.body, "PUT /echo?a=%2F..%2Fb HTTP/1.1\r\n");
    assert_contains(c.body, "\r\nAuthorization: SharedAccessSignature sr=x\r\n");
    assert_contains(c.body, "\r\nX-Empty:\r\n");
    assert_contains(c.body, "\r\nIf-Match: *\r\n");
    assert_contains(c.body, "\r\nUser-Agent: edged-test\r\n");
    assert_contains(c.body, "\r\nContent-Length: 7\r\n");
    assert_contains(c.body, "\r\n\r\n{\"a\":1}");
    assert_lacks(c.body, "Expect");
    assert_lacks(c.body, "Content-Type");
    assert_lacks(c.body, "Accept-Encoding");
}

static void test_methods(void **state) {
    struct call c;
    call_init(&c, *state, "sock", "/echo");
    c.request.method = "POST";
    run_call(&c);
    assert_contains(c.body, "POST /echo HTTP/1.1\r\n");
    assert_contains(c.body, "\r\nContent-Length: 0");
    call_init(&c, *state, "sock", "/echo");
    c.request.method = "DELETE";
    run_call(&c);
    assert_contains(c.body, "DELETE /echo HTTP/1.1\r\n");
    assert_lacks(c.body, "Content-Length");
    call_init(&c, *state, "sock", "/ok");
    c.request.method = "HEAD";
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.body_len, 0);
    get(&c, *state, "sock", "/empty");
    assert_int_equal(c.status, 204);
}

static void test_statuses_are_answers(void **state) {
    struct call c;
    get(&c, *state, "good", "/busy");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.status, 429);
    assert_string_equal(c.retry_after, "7");
    get(&c, *state, "good", "/redirect");
    assert_int_equal(c.status, 302);
    assert_string_equal(c.body, "moved");
    get(&c, *state, "good", "/interim");
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body, "final");
    assert_string_equal(c.retry_after, "");
    assert_int_equal(c.opened_cnt, 1);
}

static void test_chunked(void **state) {
    struct call c;
    get(&c, *state, "good", "/chunked");
    assert_int_equal(c.code, EDGE_OK);
    assert_string_equal(c.body, "one two three");
    assert_string_equal(c.retry_after, ""); /* a trailer is not a header */
}

static void test_no_cookies(void **state) {
    struct call c;
    get(&c, *state, "good", "/cookie");
    get(&c, *state, "good", "/echo");
    assert_lacks(c.body, "Cookie");
}

static void test_connections_are_reused(void **state) {
    static const char *const kinds[] = {"good", "sock"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct call first;
        struct call second;
        get(&first, *state, kinds[i], "/stats");
        get(&second, *state, kinds[i], "/stats");
        assert_int_equal(first.code, EDGE_OK);
        assert_int_equal(second.code, EDGE_OK);
        assert_string_equal(first.body, second.body);
    }
}

static void test_limits(void **state) {
    struct call c;
    call_init(&c, *state, "good", "/big?bytes=1000");
    c.request.answer_max = 1000;
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.body_len, 1000);
    call_init(&c, *state, "good", "/big?bytes=1001");
    c.request.answer_max = 1000;
    run_call(&c);
    assert_int_equal(c.code, EDGE_RANGE);
    assert_contains(c.error, "longer than 1000 bytes");
    expect_fault(*state, "good", "/big?bytes=1100000", EDGE_RANGE, "longer than 1048576 bytes");
    get(&c, *state, "good", "/headers?count=6&size=10000");
    assert_int_equal(c.code, EDGE_OK);
    expect_fault(*state, "good", "/headers?count=7&size=10000", EDGE_RANGE, "headers");
    expect_fault(*state, "good", "/long-line", EDGE_RANGE, "headers");
}

static void test_broken_answers(void **state) {
    expect_fault(*state, "good", "/partial?then=close", EDGE_NET,
                 "'127.0.0.1' closed the connection in the middle");
    expect_fault(*state, "sock", "/partial?then=close", EDGE_NET, "in the middle");
    expect_fault(*state, "sock", "/partial?then=reset", EDGE_NET, server.sock);
    expect_fault(*state, "good", "/partial?then=reset", EDGE_NET, "'127.0.0.1'");
    expect_fault(*state, "good", "/reset", EDGE_NET, "'127.0.0.1'");
    expect_fault(*state, "good", "/none", EDGE_NET, "'127.0.0.1'");
    expect_fault(*state, "sock", "/none", EDGE_NET, "without an answer");
    expect_fault(*state, "good", "/garbage", EDGE_PROTO, "not HTTP");
    expect_fault(*state, "good", "/bad-chunk", EDGE_NET, "'127.0.0.1'");
}

static void test_certificates(void **state) {
    expect_fault(*state, "stranger", "/ok", EDGE_NET, "certificate of '127.0.0.1' is not trusted");
    expect_fault(*state, "misnamed", "/ok", EDGE_NET, "certificate of '127.0.0.1' is not valid");
    expect_fault(*state, "expired", "/ok", EDGE_NET, "expired");
    expect_fault(*state, "old", "/ok", EDGE_NET, "TLS");
}

static void test_nobody_there(void **state) {
    struct call c;
    call_init(&c, *state, "good", "/");
    c.request.url = "https://127.0.0.1:1/";
    run_call(&c);
    assert_int_equal(c.code, EDGE_NET);
    assert_contains(c.error, "could not connect to '127.0.0.1': Connection refused");
    call_init(&c, *state, "sock", "/");
    c.request.unix_path = "/nonexistent/engine.sock";
    run_call(&c);
    assert_int_equal(c.code, EDGE_NET);
    assert_contains(c.error, "'/nonexistent/engine.sock': No such file");
    call_init(&c, *state, "good", "/");
    c.request.url = "https://name.invalid/";
    run_call(&c);
    assert_int_equal(c.code, EDGE_NET);
    assert_contains(c.error, "could not find the address of 'name.invalid'");
}

static void test_timeouts(void **state) {
    struct call c;
    call_init(&c, *state, "good", "/silence");
    c.request.timeout_ms = 150;
    run_call(&c);
    assert_int_equal(c.code, EDGE_TIMEOUT);
    assert_contains(c.error, "no complete answer from '127.0.0.1' in time");
    call_init(&c, *state, "mute", "/"); /* accepts, but never speaks TLS */
    c.request.timeout_ms = 100;
    run_call(&c);
    assert_int_equal(c.code, EDGE_TIMEOUT);
    assert_contains(c.error, "could not connect to '127.0.0.1' in time");
}

static void test_stall(void **state) {
    static const char *const paths[] = {"/silence", "/partial?then=silence"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(paths); i++) {
        struct call c;
        call_init(&c, *state, "good", paths[i]);
        c.request.stall_ms = 60;
        uint64_t start_ms = clock_mono_ms();
        run_call(&c);
        assert_int_equal(c.code, EDGE_TIMEOUT);
        assert_contains(c.error, "no byte from '127.0.0.1' for 60 ms");
        assert_true(clock_mono_ms() - start_ms < 5000);
    }
}

static void test_slow_is_not_stalled(void **state) {
    struct call c;
    call_init(&c, *state, "sock", "/drip?count=8&ms=30");
    c.request.stall_ms = 150;
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_string_equal(c.body, "........");
}

static void test_parallel(void **state) {
    enum {
        CALLS = 100
    };
    struct call *calls = calloc(CALLS, sizeof(*calls));
    assert_non_null(calls);
    for (size_t i = 0; i < CALLS; i++) {
        call_init(&calls[i], *state, i % 2 == 0 ? "good" : "sock", "/ok");
        send_call(&calls[i]);
    }
    loop_run(calls[0].f->loop);
    for (size_t i = 0; i < CALLS; i++) {
        assert_string_equal(calls[i].error, "");
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].status, 200);
    }
    free(calls);
}

static void test_in_flight_limit(void **state) {
    struct call *calls = calloc(HTTP_CLIENT_IN_FLIGHT_MAX + 1, sizeof(*calls));
    struct edge_error err;
    struct op op = OP_NONE;
    assert_non_null(calls);
    for (size_t i = 0; i <= HTTP_CLIENT_IN_FLIGHT_MAX; i++) {
        call_init(&calls[i], *state, "sock", "/ok");
        calls[i].cancel_at = STEP_SENT;
        if (i < HTTP_CLIENT_IN_FLIGHT_MAX) {
            send_call(&calls[i]);
        }
    }
    struct call *last = &calls[HTTP_CLIENT_IN_FLIGHT_MAX];
    assert_int_equal(http_client_send(last->f->client, &last->request, &op, &err), EDGE_BUSY);
    assert_false(op_is_set(op));
    loop_run(last->f->loop);
    assert_int_equal(last->done_cnt, 0);
    for (size_t i = 0; i < HTTP_CLIENT_IN_FLIGHT_MAX; i++) {
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].code, EDGE_CANCELED);
    }
    free(calls);
}

static void on_timer(void *data) {
    struct call *c = data;
    if (c->cancel_at == STEP_TIMER) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    } else {
        http_client_resume(c->f->client, c->op);
    }
}

static void with_timer(struct call *c) {
    loop_timer_free(c->f->timer);
    assert_int_equal(loop_timer_new(c->f->loop, on_timer, c, &c->f->timer, NULL), EDGE_OK);
}

static void test_cancel_at_every_stage(void **state) {
    static const struct {
        const char *kind;
        const char *path;
        enum step step;
        unsigned after_ms;
    } stages[] = {
        {"good", "/ok", STEP_SENT, 0},
        {"good", "/silence", STEP_TIMER, 0},  /* connecting */
        {"good", "/silence", STEP_TIMER, 40}, /* waiting */
        {"mute", "/", STEP_TIMER, 20},        /* in the TLS handshake */
        {"sock", "/silence", STEP_TIMER, 10},
        {"good", "/ok", STEP_OPEN, 0},
        {"sock", "/open", STEP_OPEN, 0},
        {"sock", "/open", STEP_TIMER, 20},
        {"good", "/stream?bytes=5000000", STEP_DATA, 0},
        {"sock", "/ok", STEP_DATA, 0},
        {"good", "/partial?then=silence", STEP_TIMER, 40},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(stages); i++) {
        struct call c;
        call_init(&c, *state, stages[i].kind, stages[i].path);
        c.request.on_data = on_data;
        c.request.stall_ms = 5000;
        c.cancel_at = stages[i].step;
        with_timer(&c);
        if (stages[i].step == STEP_TIMER) {
            loop_timer_start(c.f->timer, stages[i].after_ms);
        }
        run_call(&c);
        assert_int_equal(c.code, EDGE_CANCELED);
        assert_int_equal(c.status, 0);
    }
}

static void test_cancel_name_lookup(void **state) {
    struct call c;
    call_init(&c, *state, "good", "/");
    c.request.url = "https://name.invalid/";
    c.cancel_at = STEP_TIMER;
    with_timer(&c);
    loop_timer_start(c.f->timer, 0);
    run_call(&c);
    assert_true(c.code == EDGE_CANCELED || c.code == EDGE_NET);
}

static void test_stream(void **state) {
    struct call c;
    call_init(&c, *state, "good", "/stream?bytes=1000000");
    c.request.on_data = on_data;
    c.request.answer_max = 10;
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.streamed, 1000000);
    assert_int_equal(c.body_len, 0);
    /* An answer that is not a success is kept, not streamed. */
    call_init(&c, *state, "good", "/busy");
    c.request.on_data = on_data;
    run_call(&c);
    assert_int_equal(c.streamed, 0);
    assert_string_equal(c.body, "later");
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_MEASURABLE false /* freed memory is kept to catch its use */
#else
#define MEMORY_IS_MEASURABLE true
#endif

static uint64_t resident_bytes(void) {
    uint64_t pages = 0;
    char line[128];
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    struct slice total;
    struct slice rest;
    struct slice resident;
    assert_true(slice_cut(slice_str(line), ' ', &total, &rest));
    assert_true(slice_cut(rest, ' ', &resident, &rest));
    assert_true(slice_parse_u64(resident, UINT64_MAX, &pages));
    return pages * 4096;
}

static void test_stream_with_pauses(void **state) {
    struct call c;
    uint64_t before = resident_bytes();
    call_init(&c, *state, "good", "/stream?bytes=50000000");
    c.request.on_data = on_data;
    c.request.stall_ms = 10000;
    c.pause = true;
    with_timer(&c);
    run_call(&c);
    assert_string_equal(c.error, "");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(c.streamed, 50000000);
    assert_true(c.piece_max <= 16384);
    assert_true(c.paused_cnt >= 50000000 / 16384);
    if (MEMORY_IS_MEASURABLE) {
        assert_in_range(resident_bytes(), 0, before + 8 * 1024 * 1024);
    }
}

static void test_pause_holds_the_sender_back(void **state) {
    struct call c;
    struct call wait;
    struct call stats;
    call_init(&c, *state, "sock", "/stream?bytes=50000000");
    c.request.on_data = on_data;
    c.request.stall_ms = 20; /* a pause of our own is no stall */
    c.pause = true;
    c.pause_ms = 150;
    c.cancel_at = STEP_TIMER;
    with_timer(&c);
    call_init(&wait, *state, "sock", "/drip?count=4&ms=20");
    call_init(&stats, *state, "sock", "/stats");
    c.next = &wait;
    wait.next = &stats;
    run_call(&c);
    assert_int_equal(c.code, EDGE_CANCELED);
    assert_int_equal(c.paused_cnt, 1);
    assert_int_equal(stats.code, EDGE_OK);
    const char *sent = strstr(stats.body, "streamed=");
    uint64_t sent_len = 0;
    assert_non_null(sent);
    assert_true(slice_parse_u64(slice_str(sent + strlen("streamed=")), UINT64_MAX, &sent_len));
    assert_in_range(sent_len, 1, 5000000);
}

static void test_requests_from_callbacks(void **state) {
    struct call first;
    struct call second;
    struct call third;
    call_init(&first, *state, "good", "/chunked");
    call_init(&second, *state, "good", "/ok");
    call_init(&third, *state, "sock", "/ok");
    first.request.on_data = on_data;
    first.next = &second;
    second.next = &third;
    run_call(&first);
    assert_int_equal(first.streamed, strlen("one two three"));
    assert_int_equal(second.done_cnt, 1);
    assert_int_equal(second.status, 200);
    assert_int_equal(third.done_cnt, 1);
    assert_int_equal(third.status, 200);
}

static void test_open_before_data(void **state) {
    struct call c;
    call_init(&c, *state, "sock", "/open");
    c.request.on_data = on_data;
    c.cancel_at = STEP_TIMER;
    with_timer(&c);
    loop_timer_start(c.f->timer, 30);
    run_call(&c);
    assert_int_equal(c.opened_cnt, 1);
    assert_int_equal(c.open_status, 200);
    assert_int_equal(c.streamed, 0);
}

static void test_close_with_requests(void **state) {
    struct fixture *f = *state;
    struct call calls[4];
    static const char *const paths[] = {"/silence", "/open", "/stream?bytes=50000000", "/ok"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(calls); i++) {
        call_init(&calls[i], f, "good", paths[i]);
        calls[i].request.on_data = on_data;
        send_call(&calls[i]);
    }
    calls[2].pause = true;
    with_timer(&calls[2]);
    calls[0].cancel_at = STEP_SENT;
    http_client_close(f->client, on_closed, f);
    assert_false(f->closed);
    struct op op;
    assert_int_equal(http_client_send(f->client, &calls[0].request, &op, NULL), EDGE_CANCELED);
    loop_run(f->loop);
    assert_true(f->closed);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(calls); i++) {
        assert_int_equal(calls[i].done_cnt, 1);
        assert_int_equal(calls[i].code, EDGE_CANCELED);
    }
}

static void test_proxy(void **state) {
    char proxy[URL_MAX];
    struct call c;
    unsigned port = fault_server_port(&server, "proxy");
    (void)snprintf(proxy, sizeof(proxy), "http://porter:sesame@127.0.0.1:%u", port);
    assert_int_equal(setenv("https_proxy", proxy, 1), 0);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    /* Not a loopback name: only the proxy can reach it, and its certificate does not fit. */
    call_init(&c, *state, "good", "/ok");
    (void)snprintf(c.url, sizeof(c.url), "https://hub.example:%u/ok",
                   fault_server_port(&server, "misnamed"));
    run_call(&c);
    assert_int_equal(c.code, EDGE_NET);
    assert_contains(c.error, "certificate of 'hub.example' is not valid for it");
    (void)snprintf(c.url, sizeof(c.url), "https://localhost:%u/ok",
                   fault_server_port(&server, "good"));
    c.done_cnt = 0;
    run_call(&c);
    assert_int_equal(c.code, EDGE_OK);
    assert_string_equal(c.retry_after, "");

    (void)snprintf(proxy, sizeof(proxy), "http://porter:wrongword@127.0.0.1:%u", port);
    assert_int_equal(setenv("https_proxy", proxy, 1), 0);
    expect_fault(*state, "system", "/ok", EDGE_NET, "the proxy answered with status 407");
    assert_int_equal(setenv("https_proxy", "http://porter:wrong word@127.0.0.1:99999", 1), 0);
    get(&c, *state, "system", "/ok");
    assert_int_not_equal(c.code, EDGE_OK);
    assert_lacks(c.error, "wrong");
    assert_int_equal(setenv("https_proxy", "bogus://porter:wrongword@127.0.0.1:1", 1), 0);
    get(&c, *state, "system", "/ok");
    assert_int_not_equal(c.code, EDGE_OK);
    assert_lacks(c.error, "wrongword");

    assert_int_equal(setenv("no_proxy", "127.0.0.1", 1), 0);
    get(&c, *state, "system", "/ok");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(unsetenv("no_proxy"), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    get(&c, *state, "sock", "/ok");
    assert_int_equal(c.code, EDGE_OK);
    assert_int_equal(unsetenv("all_proxy"), 0);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("https_proxy"), 0);
}

static void test_refused_requests(void **state) {
    struct fixture *f = *state;
    struct call c;
    struct op op = OP_NONE;
    struct edge_error err;
    call_init(&c, f, "good", "/ok");
    c.request.url = "http://127.0.0.1/";
    assert_int_equal(http_client_send(f->client, &c.request, &op, &err), EDGE_INVALID);
    assert_false(op_is_set(op));
    http_client_resume(f->client, OP_NONE);
    assert_int_equal(op_cnt(loop_ops(f->loop)), 0);
}

static enum edge_code one_request(void *data) {
    static const struct http_client_header headers[] = {{"Authorization", "token"}};
    struct fixture f = {.loop = NULL};
    struct http_client_options opt = {.ca_dir = server.store, .user_agent = "edged-test"};
    struct call *c = data;
    enum edge_code code = loop_new(&f.loop, NULL);
    if (code == EDGE_OK) {
        code = http_client_new(f.loop, &opt, &f.client, NULL);
    }
    if (code == EDGE_OK) {
        call_init(c, &f, "sock", "/echo");
        c->request.headers = headers;
        c->request.header_cnt = 1;
        c->request.body = SLICE_LIT("{}");
        c->request.method = "POST";
        c->request.stall_ms = 5000;
        code = http_client_send(f.client, &c->request, &c->op, NULL);
        loop_run(f.loop);
        assert_int_equal(c->done_cnt, code == EDGE_OK ? 1 : 0);
        code = code == EDGE_OK ? c->code : code;
        http_client_close(f.client, on_closed, &f);
        loop_run(f.loop);
        assert_true(f.closed);
        http_client_free(f.client);
    }
    loop_free(f.loop);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    struct call c;
    assert_in_range(alloc_fail_torture(one_request, &c), 20, 2000);
}

static void test_unreadable_ca_file(void **state) {
    struct fixture *f = *state;
    struct http_client *other = NULL;
    struct edge_error err;
    struct http_client_options opt = {.extra_ca_file = "/nonexistent/ca.pem"};
    assert_int_not_equal(http_client_new(f->loop, &opt, &other, &err), EDGE_OK);
    assert_null(other);
    assert_contains(err.text, "/nonexistent/ca.pem");
}

static int start_server(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        (void)unsetenv(names[i]);
    }
    return fault_server_start(&server);
}

static int stop_server(void **state) {
    (void)state;
    fault_server_stop(&server);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_good_answer),
        TEST(test_both_stores),
        TEST(test_request_on_the_wire),
        TEST(test_methods),
        TEST(test_statuses_are_answers),
        TEST(test_chunked),
        TEST(test_no_cookies),
        TEST(test_connections_are_reused),
        TEST(test_limits),
        TEST(test_broken_answers),
        TEST(test_certificates),
        TEST(test_nobody_there),
        TEST(test_timeouts),
        TEST(test_stall),
        TEST(test_slow_is_not_stalled),
        TEST(test_parallel),
        TEST(test_in_flight_limit),
        TEST(test_cancel_at_every_stage),
        TEST(test_cancel_name_lookup),
        TEST(test_stream),
        TEST(test_stream_with_pauses),
        TEST(test_pause_holds_the_sender_back),
        TEST(test_requests_from_callbacks),
        TEST(test_open_before_data),
        TEST(test_close_with_requests),
        TEST(test_proxy),
        TEST(test_refused_requests),
        TEST(test_unreadable_ca_file),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
