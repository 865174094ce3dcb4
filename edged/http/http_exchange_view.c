/* SPDX-License-Identifier: MIT */
/*
 * What hooks may know of a request and leave with it.
 */
#include "http/http_exchange.h"

struct http_server *http_exchange_server(struct http_exchange *x) {
    return x->server;
}

void *http_exchange_context(const struct http_exchange *x) {
    return x->core->service->context;
}

const struct http_peer *http_exchange_peer(const struct http_exchange *x) {
    return &x->peer;
}

const char *http_exchange_listener_module(const struct http_exchange *x) {
    return x->listener_module;
}

const struct http_route *http_exchange_route(const struct http_exchange *x) {
    return x->match.route;
}

struct slice http_exchange_param(const struct http_exchange *x, size_t index) {
    if (index >= x->match.param_cnt) {
        return slice_make(NULL, 0);
    }
    return slice_make(x->match.params[index], x->match.param_lens[index]);
}

struct slice http_exchange_target(const struct http_exchange *x) {
    return x->conn.head.target;
}

struct slice http_exchange_version(const struct http_exchange *x) {
    return slice_str(x->match.version);
}

struct slice http_exchange_body(const struct http_exchange *x) {
    return http_conn_body(&x->conn);
}

uint64_t http_exchange_id(const struct http_exchange *x) {
    return x->id;
}

struct op http_exchange_handle(const struct http_exchange *x) {
    x->core->slots[x->slot].taken = true;
    return (struct op){x->slot, x->core->slots[x->slot].generation};
}

void http_exchange_set_op(struct http_exchange *x, struct op op) {
    x->op = op;
}

void http_exchange_detach(struct http_exchange *x) {
    x->detached = true;
}

void http_exchange_set_conn_data(struct http_exchange *x, void *data,
                                 void (*free_data)(void *data)) {
    if (x->free_conn_data != NULL) {
        x->free_conn_data(x->conn_data);
    }
    x->conn_data = data;
    x->free_conn_data = free_data;
}

void *http_exchange_conn_data(const struct http_exchange *x) {
    return x->conn_data;
}
