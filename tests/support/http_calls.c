/* SPDX-License-Identifier: MIT */
/*
 * See http_calls.h.
 */
#include "support/http_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fault_server http_calls_server;

static void open_client(struct http_calls *f, const char *https_proxy, const char *no_proxy) {
    struct http_client_options opt = {.extra_ca_file = http_calls_server.extra_ca,
                                      .ca_dir = http_calls_server.store,
                                      .user_agent = "edged-test",
                                      .https_proxy = https_proxy,
                                      .no_proxy = no_proxy};
    assert_int_equal(http_client_new(f->loop, &opt, &f->client, NULL), EDGE_OK);
}

int http_calls_set_up(void **state) {
    struct http_calls *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(loop_new(&f->loop, NULL), EDGE_OK);
    open_client(f, NULL, NULL);
    *state = f;
    return 0;
}

void http_calls_on_closed(void *data) {
    struct http_calls *f = data;
    assert_false(f->closed);
    f->closed = true;
}

void http_calls_reopen(struct http_calls *f, const char *https_proxy, const char *no_proxy) {
    http_client_close(f->client, http_calls_on_closed, f);
    loop_run(f->loop);
    assert_true(f->closed);
    http_client_free(f->client);
    f->closed = false;
    open_client(f, https_proxy, no_proxy);
}

int http_calls_tear_down(void **state) {
    struct http_calls *f = *state;
    if (!f->closed) {
        http_client_close(f->client, http_calls_on_closed, f);
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

void http_call_send(struct http_call *c) {
    struct edge_error err;
    c->in_send = true;
    assert_int_equal(http_client_send(c->f->client, &c->request, &c->op, &err), EDGE_OK);
    c->in_send = false;
    if (c->cancel_at == HTTP_CALL_SENT) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
}

static void on_open(void *data, int status) {
    struct http_call *c = data;
    c->opened_cnt++;
    c->open_status = status;
    if (c->open_ms > 0) {
        loop_timer_start(c->f->timer, c->open_ms);
    }
    if (c->cancel_at == HTTP_CALL_OPEN) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
}

bool http_call_on_data(void *data, struct slice bytes) {
    struct http_call *c = data;
    assert_int_equal(c->done_cnt, 0);
    c->streamed += bytes.len;
    c->piece_max = bytes.len > c->piece_max ? bytes.len : c->piece_max;
    if (c->cancel_at == HTTP_CALL_DATA) {
        op_cancel(loop_ops(c->f->loop), c->op);
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    }
    if (c->next != NULL) {
        struct http_call *next = c->next;
        c->next = NULL;
        http_call_send(next);
    }
    if (c->pause) {
        c->paused_cnt++;
        loop_timer_start(c->f->timer, c->pause_ms);
        return false;
    }
    return true;
}

static void on_done(void *data, const struct http_client_answer *answer) {
    struct http_call *c = data;
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
        struct http_call *next = c->next;
        c->next = NULL;
        http_call_send(next);
    }
}

void http_call_init(struct http_call *c, struct http_calls *f, const char *kind, const char *path) {
    *c = (struct http_call){.f = f};
    bool local = strcmp(kind, "sock") == 0;
    bool plain = strcmp(kind, "plain") == 0;
    if (local) {
        (void)snprintf(c->url, sizeof(c->url), "http://localhost%s", path);
    } else {
        (void)snprintf(c->url, sizeof(c->url), "%s://127.0.0.1:%u%s", plain ? "http" : "https",
                       fault_server_port(&http_calls_server, kind), path);
    }
    c->request = (struct http_client_request){
        .method = "GET",
        .url = c->url,
        .unix_path = local ? http_calls_server.sock : NULL,
        .plain_http = plain,
        .timeout_ms = 20000,
        .on_open = on_open,
        .on_done = on_done,
        .data = c,
    };
}

void http_call_run(struct http_call *c) {
    http_call_send(c);
    loop_run(c->f->loop);
    assert_int_equal(c->done_cnt, 1);
}

void http_call_get(struct http_call *c, struct http_calls *f, const char *kind, const char *path) {
    http_call_init(c, f, kind, path);
    http_call_run(c);
}

void http_call_assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' not in '%s'", part, text);
    }
}

void http_call_assert_lacks(const char *text, const char *part) {
    if (strstr(text, part) != NULL) {
        fail_msg("'%s' in '%s'", part, text);
    }
}

static void on_timer(void *data) {
    struct http_call *c = data;
    if (c->cancel_at == HTTP_CALL_TIMER) {
        op_cancel(loop_ops(c->f->loop), c->op);
        assert_int_equal(c->done_cnt, 0);
    } else {
        http_client_resume(c->f->client, c->op);
    }
}

void http_call_with_timer(struct http_call *c) {
    loop_timer_free(c->f->timer);
    assert_int_equal(loop_timer_new(c->f->loop, on_timer, c, &c->f->timer, NULL), EDGE_OK);
}

void http_call_expect_fault(struct http_calls *f, const char *kind, const char *path,
                            enum edge_code code, const char *part) {
    struct http_call c;
    http_call_get(&c, f, kind, path);
    if (c.code != code) {
        fail_msg("%s %s: %s '%s'", kind, path, edge_code_name(c.code), c.error);
    }
    assert_int_equal(c.status, 0);
    assert_int_equal(c.body_len, 0);
    http_call_assert_contains(c.error, part);
}

int http_calls_start_server(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        (void)unsetenv(names[i]);
    }
    return fault_server_start(&http_calls_server);
}

int http_calls_stop_server(void **state) {
    (void)state;
    fault_server_stop(&http_calls_server);
    return 0;
}
