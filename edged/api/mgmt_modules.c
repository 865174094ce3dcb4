/* SPDX-License-Identifier: MIT */
/*
 * The list of modules, as edgeAgent reads it before each of its rounds, and one module of it.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "api/module_change.h"
#include "base/json.h"
#include "http/http_reply.h"

#include <inttypes.h>
#include <stdio.h>

#define ANSWER_MAX  ((size_t)16 * 1024 * 1024) /* twice what the Engine may say */
#define LIST_FAILED "Could not list modules"
#define GET_FAILED  "Could not get module"

static const char *status_name(enum runtime_status status) {
    switch (status) {
    case RUNTIME_STATUS_RUNNING:
        return "running";
    case RUNTIME_STATUS_STOPPED:
        return "stopped";
    case RUNTIME_STATUS_FAILED:
        return "failed";
    case RUNTIME_STATUS_DEAD:
        return "dead";
    case RUNTIME_STATUS_UNKNOWN:
        break;
    }
    return "unknown";
}

/* edgeAgent decides by its own labels whether it must update itself: all of them, as they are. */
static void encode_config(struct json_writer *w, const struct runtime_module *m) {
    json_object_open(w, "config");
    json_object_open(w, "settings");
    json_add_cstr(w, "image", m->image);
    if (m->image_id[0] != '\0') {
        json_add_cstr(w, "imageHash", m->image_id);
    }
    json_object_open(w, "createOptions");
    if (m->labels != NULL) {
        json_add_node(w, "Labels", m->labels);
    }
    json_object_close(w);
    json_object_close(w);
    json_array_open(w, "env");
    json_array_close(w);
    json_object_close(w);
}

static void encode_status(struct json_writer *w, const struct runtime_module *m) {
    char exit_code[24];
    json_object_open(w, "status");
    if (m->started[0] != '\0') {
        json_add_cstr(w, "startTime", m->started);
    }
    if (m->finished[0] != '\0' && m->has_exit_code) {
        (void)snprintf(exit_code, sizeof(exit_code), "%" PRId64, m->exit_code);
        json_object_open(w, "exitStatus");
        json_add_cstr(w, "exitTime", m->finished);
        json_add_cstr(w, "statusCode", exit_code);
        json_object_close(w);
    }
    json_object_open(w, "runtimeStatus");
    json_add_cstr(w, "status", status_name(m->status));
    if (m->state[0] != '\0') {
        json_add_cstr(w, "description", m->state);
    }
    json_object_close(w);
    json_object_close(w);
}

static void encode_module(struct json_writer *w, const struct runtime_module *m) {
    json_object_open(w, NULL);
    json_add_cstr(w, "id", "id");
    json_add_cstr(w, "name", m->name);
    json_add_cstr(w, "type", "docker");
    encode_config(w, m);
    encode_status(w, m);
    json_object_close(w);
}

static enum edge_code encode_list(const struct runtime_module *list, size_t cnt, struct buf *out,
                                  struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_array_open(&w, "modules");
    for (size_t i = 0; i < cnt; i++) {
        encode_module(&w, &list[i]);
    }
    json_array_close(&w);
    json_object_close(&w);
    return json_end(&w, err);
}

static void on_modules(void *data, enum edge_code code, const struct runtime_module *list,
                       size_t cnt, const struct edge_error *err) {
    struct http_exchange *x = api_pending_take(data);
    struct edge_error encode_err;
    struct buf out;

    if (x == NULL) {
        return;
    }
    if (code != EDGE_OK) {
        api_error_blameless(x, LIST_FAILED, err);
        return;
    }
    buf_init(&out, ANSWER_MAX);
    if (encode_list(list, cnt, &out, &encode_err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_blameless(x, LIST_FAILED, &encode_err);
    }
    buf_clear(&out);
}

void mgmt_modules_list(struct http_exchange *x) {
    struct edge_error err;
    struct op op;
    struct api_pending *pending = api_pending_new(x, NULL);
    if (pending == NULL) {
        return;
    }
    if (runtime_list_modules(api_of(x)->runtime, on_modules, pending, &op, &err) != EDGE_OK) {
        (void)api_pending_take(pending);
        api_error_blameless(x, LIST_FAILED, &err);
        return;
    }
    http_exchange_set_op(x, op);
}

/* --- One module --- */

static void reply_module(struct http_exchange *x, const struct runtime_module *m) {
    struct edge_error err;
    struct json_writer w;
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    json_begin(&w, &out);
    encode_module(&w, m);
    if (json_end(&w, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, GET_FAILED, &err);
    }
    buf_clear(&out);
}

static void on_module(void *data, enum edge_code code, const struct runtime_module *list,
                      size_t cnt, const struct edge_error *err) {
    struct http_exchange *x = api_pending_take(data);
    (void)cnt;
    if (x == NULL) {
        return;
    }
    if (code != EDGE_OK) {
        api_error_engine(x, GET_FAILED, err);
    } else {
        reply_module(x, list);
    }
}

void mgmt_modules_get(struct http_exchange *x) {
    char name[RUNTIME_NAME_MAX + 1];
    struct edge_error err;
    struct op op;

    if (!module_change_name(x, "get", name)) {
        return;
    }
    struct api_pending *pending = api_pending_new(x, NULL);
    if (pending == NULL) {
        return;
    }
    if (runtime_inspect_module(api_of(x)->runtime, name, on_module, pending, &op, &err) !=
        EDGE_OK) {
        (void)api_pending_take(pending);
        api_error_mgmt(x, GET_FAILED, &err);
        return;
    }
    http_exchange_set_op(x, op);
}
