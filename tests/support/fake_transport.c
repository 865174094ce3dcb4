/* SPDX-License-Identifier: MIT */
#include "support/fake_transport.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct list node;
    char url[4096];
    char *body;
    char *headers; /* "Name: value\n" */
    unsigned resumed;
    struct http_client_request req;
    struct op op;
    bool canceled;
};

static struct {
    struct loop *loop;
    struct list requests;
    unsigned open, count;
    enum edge_code refuse;
} transport;

void fake_transport_init(struct loop *l) {
    transport.loop = l;
    transport.open = 0;
    transport.count = 0;
    transport.refuse = EDGE_OK;
    list_init(&transport.requests);
}

void fake_transport_clear(void) {
    assert_int_equal(transport.open, 0);
}

void fake_transport_refuse(enum edge_code code) {
    transport.refuse = code;
}

static void cancel(void *data) {
    struct request *r = data;
    r->canceled = true;
}

static void request_free(struct request *r) {
    free(r->body);
    free(r->headers);
    free(r);
}

static bool copy_message(struct request *r, const struct http_client_request *req) {
    size_t len = 0;

    r->body = req->body.ptr != NULL ? slice_dup(req->body) : NULL;
    for (size_t i = 0; i < req->header_cnt; i++) {
        len += strlen(req->headers[i].name) + strlen(req->headers[i].value) + 3;
    }
    r->headers = calloc(1, len + 1);
    if ((req->body.ptr != NULL && r->body == NULL) || r->headers == NULL) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < req->header_cnt; i++) {
        at += (size_t)snprintf(r->headers + at, len + 1 - at, "%s: %s\n", req->headers[i].name,
                               req->headers[i].value);
    }
    return true;
}

enum edge_code http_client_send(struct http_client *c, const struct http_client_request *req,
                                struct op *ret_op, struct edge_error *err) {
    (void)c;
    assert_non_null(req->on_done);
    assert_non_null(req->unix_path);
    if (transport.refuse != EDGE_OK) {
        enum edge_code code = transport.refuse;
        transport.refuse = EDGE_OK;
        return edge_set(err, code, "refused by the test");
    }
    struct request *r = calloc(1, sizeof(*r));
    if (r == NULL || !copy_message(r, req)) {
        if (r != NULL) {
            request_free(r);
        }
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    snprintf(r->url, sizeof(r->url), "%s %s", req->method, req->url);
    r->req = *req;
    list_init(&r->node);
    enum edge_code code = op_add(loop_ops(transport.loop), cancel, r, &r->op, err);
    if (code != EDGE_OK) {
        request_free(r);
        return code;
    }
    list_append(&transport.requests, &r->node);
    transport.open++;
    transport.count++;
    if (ret_op != NULL) {
        *ret_op = r->op;
    }
    return EDGE_OK;
}

void http_client_resume(struct http_client *c, struct op op) {
    struct request *r = op_get(loop_ops(transport.loop), op);
    (void)c;
    if (r != NULL) {
        r->resumed++;
    }
}

unsigned fake_transport_open(void) {
    return transport.open;
}

unsigned fake_transport_count(void) {
    return transport.count;
}

static struct request *get(unsigned index) {
    list_for_each (node, next, &transport.requests) {
        if (index-- == 0) {
            return LIST_ENTRY(node, struct request, node);
        }
    }
    fail_msg("there is no such open request");
    return NULL;
}

const char *fake_transport_url(unsigned index) {
    return get(index)->url;
}

uint32_t fake_transport_timeout_ms(unsigned index) {
    return get(index)->req.timeout_ms;
}

uint32_t fake_transport_stall_ms(unsigned index) {
    return get(index)->req.stall_ms;
}

const char *fake_transport_body(unsigned index) {
    return get(index)->body;
}

const char *fake_transport_header(unsigned index, const char *name) {
    static char value[4096];
    struct slice rest = slice_str(get(index)->headers), line, key;

    while (slice_cut(rest, '\n', &line, &rest)) {
        if (slice_cut(line, ':', &key, &line) && slice_eq_nocase(key, name)) {
            assert_true(slice_to_array(slice_trim(line), value, sizeof(value)));
            return value;
        }
    }
    return NULL;
}

unsigned fake_transport_resumed(unsigned index) {
    return get(index)->resumed;
}

bool fake_transport_canceled(unsigned index) {
    return get(index)->canceled;
}

static void end(struct request *r, const struct http_client_answer *answer) {
    list_remove(&r->node);
    op_remove(loop_ops(transport.loop), r->op);
    transport.open--;
    r->req.on_done(r->req.data, answer);
    request_free(r);
}

void fake_transport_headers(unsigned index, int status) {
    struct request *r = get(index);
    if (r->req.on_open != NULL) {
        r->req.on_open(r->req.data, status);
    }
}

bool fake_transport_offer(unsigned index, struct slice bytes) {
    struct request *r = get(index);
    assert_non_null(r->req.on_data);
    return r->req.on_data(r->req.data, bytes);
}

void fake_transport_bytes(unsigned index, struct slice bytes) {
    assert_true(fake_transport_offer(index, bytes));
}

void fake_transport_answer(unsigned index, int status, const char *body) {
    struct request *r = get(index);
    bool streams = r->req.on_data != NULL && status < 300 && body[0] != '\0' && !r->canceled;
    if (streams) {
        (void)r->req.on_data(r->req.data, slice_str(body));
    }
    const struct http_client_answer answer = {.status = status,
                                              .body = slice_str(streams ? "" : body)};
    end(r, &answer);
}

void fake_transport_fail(unsigned index, enum edge_code code) {
    struct edge_error err = {0};
    edge_set(&err, code, "failed by the test");
    const struct http_client_answer answer = {.code = code, .err = &err};
    end(get(index), &answer);
}

void fake_transport_end_canceled(void) {
    unsigned index = 0;
    while (index < transport.open) {
        if (get(index)->canceled) {
            fake_transport_fail(index, EDGE_CANCELED);
            index = 0;
        } else {
            index++;
        }
    }
}
