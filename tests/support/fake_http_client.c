/* SPDX-License-Identifier: MIT */
/*
 * Recording and scripting. Deliveries come from the fake loop's pump, never from within the call
 * that started the request.
 */
#include "support/fake_http_client.h"

#include "base/list.h"
#include "support/fake_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX 1024

struct pending {
    struct list node;
    struct op op;
    bool is_canceled;
    bool has_answer;
    struct fake_http_answer answer;
    size_t call; /* its record */
    void (*on_done)(void *data, const struct http_client_answer *answer);
    void *data;
};

struct http_client {
    struct loop *loop;
    struct list pending;
    struct fake_http_call calls[FAKE_HTTP_CALLS_MAX];
    size_t call_cnt;
    struct fake_http_answer queue[QUEUE_MAX];
    size_t queue_cnt;
    size_t queue_pos;
    enum edge_code refuse;
    fake_http_serve_fn *serve;
    void *serve_data;
};

static void deliver(struct http_client *c, struct pending *p) {
    struct edge_error err = {0};
    struct http_client_answer a = {.code = p->answer.code};
    if (p->is_canceled) {
        a.code = EDGE_CANCELED;
    }
    if (a.code != EDGE_OK) {
        (void)edge_set(&err, a.code, "scripted failure");
        a.err = &err;
    } else {
        const char *body = p->answer.body != NULL ? p->answer.body : "";
        a.status = p->answer.status;
        a.body = slice_make(body, p->answer.body_len ? p->answer.body_len : strlen(body));
        a.retry_after = slice_str(p->answer.retry_after);
        a.date = slice_str(p->answer.date);
        a.content_type = p->answer.content_type != NULL ? slice_str(p->answer.content_type)
                                                        : SLICE_LIT("application/json");
        a.tls_verified = !p->answer.no_tls;
    }
    list_remove(&p->node);
    op_remove(loop_ops(c->loop), p->op);
    p->on_done(p->data, &a);
    free(p);
}

static bool pump(void *data) {
    struct http_client *c = data;
    list_for_each (pos, tmp, &c->pending) {
        struct pending *p = LIST_ENTRY(pos, struct pending, node);
        if (!p->has_answer && c->queue_pos < c->queue_cnt) {
            p->has_answer = true;
            p->answer = c->queue[c->queue_pos++];
        } else if (!p->has_answer && c->serve != NULL) {
            p->answer = (struct fake_http_answer){0};
            p->has_answer = c->serve(c->serve_data, &c->calls[p->call], &p->answer);
        }
        if (p->has_answer || p->is_canceled) {
            deliver(c, p);
            return true;
        }
    }
    return false;
}

enum edge_code http_client_new(struct loop *l, const struct http_client_options *opt,
                               struct http_client **ret, struct edge_error *err) {
    (void)opt;
    struct http_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "fake http client");
    }
    c->loop = l;
    list_init(&c->pending);
    fake_loop_set_pump(pump, c);
    *ret = c;
    return EDGE_OK;
}

static void call_clear(struct fake_http_call *call) {
    free(call->method);
    free(call->url);
    free(call->headers);
    free(call->body);
    free(call->cert_pem);
    free(call->key_pem);
    free(call->unix_path);
    *call = (struct fake_http_call){0};
}

void fake_http_forget(struct http_client *c) {
    for (size_t i = 0; i < c->call_cnt; i++) {
        call_clear(&c->calls[i]);
    }
    c->call_cnt = 0;
    c->queue_cnt = 0;
    c->queue_pos = 0;
}

void http_client_free(struct http_client *c) {
    assert(list_is_empty(&c->pending));
    fake_http_forget(c);
    fake_loop_set_pump(NULL, NULL);
    free(c);
}

static void on_cancel(void *data) {
    ((struct pending *)data)->is_canceled = true;
}

static char *join_headers(const struct http_client_request *req) {
    size_t len = 1;
    for (size_t i = 0; i < req->header_cnt; i++) {
        len += strlen(req->headers[i].name) + strlen(req->headers[i].value) + 3;
    }
    char *text = malloc(len);
    if (text == NULL) {
        return NULL;
    }
    char *end = text;
    for (size_t i = 0; i < req->header_cnt; i++) {
        end = stpcpy(stpcpy(stpcpy(stpcpy(end, req->headers[i].name), ": "), req->headers[i].value),
                     "\n");
    }
    *end = '\0';
    return text;
}

static bool record(struct http_client *c, const struct http_client_request *req) {
    assert(c->call_cnt < FAKE_HTTP_CALLS_MAX);
    struct fake_http_call *call = &c->calls[c->call_cnt];
    call->method = strdup(req->method);
    call->url = strdup(req->url);
    call->headers = join_headers(req);
    call->body_len = req->body.len;
    if (req->body.ptr != NULL) {
        call->body = calloc(1, req->body.len + 1);
        if (call->body != NULL) {
            memcpy(call->body, req->body.ptr, req->body.len);
        }
    }
    if (req->identity != NULL) {
        call->cert_pem = slice_dup(req->identity->cert_pem);
        call->key_pem = slice_dup(req->identity->key_pem);
    }
    call->unix_path = req->unix_path != NULL ? strdup(req->unix_path) : NULL;
    call->plain_http = req->plain_http;
    call->sensitive = req->sensitive;
    call->timeout_ms = req->timeout_ms;
    if (call->method == NULL || call->url == NULL || call->headers == NULL ||
        (req->body.ptr != NULL && call->body == NULL) ||
        (req->identity != NULL && (call->cert_pem == NULL || call->key_pem == NULL)) ||
        (req->unix_path != NULL && call->unix_path == NULL)) {
        call_clear(call);
        return false;
    }
    c->call_cnt++;
    return true;
}

enum edge_code http_client_send(struct http_client *c, const struct http_client_request *req,
                                struct op *ret_op, struct edge_error *err) {
    if (c->refuse != EDGE_OK) {
        enum edge_code code = c->refuse;
        c->refuse = EDGE_OK;
        return edge_set(err, code, "scripted refusal");
    }
    struct pending *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "fake request");
    }
    p->on_done = req->on_done;
    p->data = req->data;
    enum edge_code code = op_add(loop_ops(c->loop), on_cancel, p, &p->op, err);
    if (code != EDGE_OK) {
        free(p);
        return code;
    }
    if (!record(c, req)) {
        op_remove(loop_ops(c->loop), p->op);
        free(p);
        return edge_set(err, EDGE_NOMEM, "fake request");
    }
    p->call = c->call_cnt - 1;
    list_append(&c->pending, &p->node);
    if (ret_op != NULL) {
        *ret_op = p->op;
    }
    return EDGE_OK;
}

void fake_http_queue(struct http_client *c, const struct fake_http_answer *answer) {
    assert(c->queue_cnt < QUEUE_MAX);
    c->queue[c->queue_cnt++] = *answer;
}

void fake_http_queue_status(struct http_client *c, int status, const char *body) {
    const struct fake_http_answer answer = {.status = status, .body = body};
    fake_http_queue(c, &answer);
}

void fake_http_serve(struct http_client *c, fake_http_serve_fn *fn, void *data) {
    c->serve = fn;
    c->serve_data = data;
}

size_t fake_http_queue_len(const struct http_client *c) {
    return c->queue_cnt - c->queue_pos;
}

void fake_http_refuse(struct http_client *c, enum edge_code code) {
    c->refuse = code;
}

size_t fake_http_call_cnt(const struct http_client *c) {
    return c->call_cnt;
}

const struct fake_http_call *fake_http_call_get(const struct http_client *c, size_t index) {
    assert(index < c->call_cnt);
    return &c->calls[index];
}

const struct fake_http_call *fake_http_call_last(const struct http_client *c) {
    return fake_http_call_get(c, c->call_cnt - 1);
}

size_t fake_http_in_flight(const struct http_client *c) {
    size_t cnt = 0;
    list_for_each (pos, tmp, &c->pending) {
        cnt++;
    }
    return cnt;
}
