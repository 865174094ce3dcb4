/* SPDX-License-Identifier: MIT */
/*
 * The exchange is detached from the work. What fails while nobody waits any more goes to the log.
 */
#include "api/module_change.h"

#include "api/api.h"
#include "api/api_error.h"
#include "base/log.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

#define OPERATION_MAX (RUNTIME_NAME_MAX + 64)

struct pending {
    struct api_pending *exchange;
    char operation[OPERATION_MAX];
    int status;
    struct buf body;
};

bool module_change_name(struct http_exchange *x, const char *what, char ret[RUNTIME_NAME_MAX + 1]) {
    struct slice name = http_exchange_param(x, 0);
    char operation[OPERATION_MAX];
    struct edge_error err;

    if (runtime_is_module_name(name) && slice_to_array(name, ret, RUNTIME_NAME_MAX + 1)) {
        return true;
    }
    (void)snprintf(operation, sizeof(operation), "Could not %s module", what);
    (void)edge_set(&err, EDGE_NOT_FOUND, "no module can have the name in the path");
    api_error_mgmt(x, operation, &err);
    return false;
}

static void pending_free(struct pending *p) {
    buf_clear(&p->body);
    free(p);
}

static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    struct pending *p = data;
    struct http_exchange *x = api_pending_take(p->exchange);

    if (x == NULL && code != EDGE_OK) {
        log_warn("%s: %s", p->operation, edge_error_text(err));
    } else if (x == NULL) {
        log_debug("nobody waits for the answer to a change any more");
    } else if (code != EDGE_OK) {
        api_error_engine(x, p->operation, err);
    } else if (p->body.len > 0) {
        http_reply_json(x, p->status, &p->body);
    } else {
        http_reply_empty(x, p->status);
    }
    pending_free(p);
}

void module_change_run(struct http_exchange *x, const struct module_order *order, const char *what,
                       int status, struct buf *body) {
    struct edge_error err;
    struct pending *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    p->exchange = api_pending_new(x, NULL);
    if (p->exchange == NULL) {
        free(p);
        return;
    }
    (void)snprintf(p->operation, sizeof(p->operation), "Could not %s module %s", what, order->name);
    p->status = status;
    http_exchange_detach(x);
    if (module_ops_run(api_of(x)->module_ops, order, on_done, p, &err) != EDGE_OK) {
        (void)api_pending_take(p->exchange);
        api_error_mgmt(x, p->operation, &err);
        free(p);
        return;
    }
    if (body != NULL) {
        p->body = *body;
        *body = (struct buf){0};
    }
}
