/* SPDX-License-Identifier: MIT */
/*
 * What a module has written, passed through as the engine frames it, which edgeAgent and the
 * command line decode. A client that reads slowly holds the engine back; one that leaves ends its
 * request.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "api/log_time.h"
#include "api/module_change.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/http_reply.h"

#include <stdio.h>
#include <stdlib.h>

#define WHAT        "get logs for"
#define LOGS_FAILED "Could not get logs for module"

struct query {
    struct runtime_logs_options options;
    char tail[RUNTIME_TAIL_MAX + 1];
};

/* One request: before the engine has agreed the exchange is found by its handle, then it is ours
 * until the end of the stream or until it goes. */
struct reader {
    struct api *api;
    struct api_pending *pending; /* NULL once the stream has begun */
    struct http_exchange *x;     /* the stream's; NULL when there is none */
    struct op op;
    char name[RUNTIME_NAME_MAX + 1];
};

/* --- The query --- */

typedef bool set_fn(struct query *q, struct slice value);

static bool parse_bool(struct slice value, bool *ret) {
    *ret = slice_eq_str(value, "true");
    return *ret || slice_eq_str(value, "false");
}

static bool set_follow(struct query *q, struct slice value) {
    return parse_bool(value, &q->options.follow);
}

static bool set_timestamps(struct query *q, struct slice value) {
    return parse_bool(value, &q->options.timestamps);
}

static bool set_tail(struct query *q, struct slice value) {
    uint64_t lines;
    if (slice_eq_str(value, "all")) {
        return true;
    }
    if (!slice_parse_u64(value, UINT64_MAX, &lines)) {
        return false;
    }
    (void)snprintf(q->tail, sizeof(q->tail), "%llu", (unsigned long long)lines);
    q->options.tail = q->tail;
    return true;
}

static bool set_since(struct query *q, struct slice value) {
    bool good = log_time_parse(value, clock_wall_s(), &q->options.since);
    if (q->options.since < 0) {
        q->options.since = 0; /* from the beginning */
    }
    return good;
}

static bool set_until(struct query *q, struct slice value) {
    q->options.has_until = true;
    return log_time_parse(value, clock_wall_s(), &q->options.until);
}

/* Answers 400 when one cannot be understood. */
static bool read_query(struct http_exchange *x, struct query *q) {
    static const struct {
        const char *name;
        set_fn *set;
    } rows[] = {
        {"follow", set_follow},         {"tail", set_tail},   {"since", set_since},
        {"timestamps", set_timestamps}, {"until", set_until},
    };
    char text[64];

    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct buf value;
        buf_init(&value, HTTP_QUERY_LEN_MAX);
        bool good = !http_query_get(http_exchange_target(x), rows[i].name, &value) ||
                    rows[i].set(q, buf_slice(&value));
        buf_clear(&value);
        if (!good) {
            (void)snprintf(text, sizeof(text), "The request parameter `%s` is malformed",
                           rows[i].name);
            http_reply_error(x, 400, text);
            return false;
        }
    }
    return true;
}

/* --- The stream --- */

static void on_writable(void *data) {
    const struct reader *r = data;
    runtime_logs_resume(r->api->runtime, r->op);
}

static void on_gone(void *data) {
    struct reader *r = data;
    r->x = NULL;
    op_cancel(loop_ops(r->api->loop), r->op);
}

static void on_open(void *data, int status) {
    struct reader *r = data;
    (void)status;
    r->x = api_pending_take(TAKE_PTR(r->pending));
    if (r->x != NULL) {
        http_reply_stream_begin(r->x, 200, NULL, on_writable, on_gone, r);
    }
}

static bool on_data(void *data, struct slice bytes) {
    const struct reader *r = data;
    return r->x == NULL || http_reply_stream_write(r->x, bytes);
}

static void end_stream(const struct reader *r, enum edge_code code, const struct edge_error *err) {
    if (code == EDGE_OK) {
        http_reply_stream_end(r->x);
        return;
    }
    log_warn("the logs of module %s break off: %s", r->name, edge_error_text(err));
    http_reply_stream_break(r->x);
}

static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    struct reader *r = data;
    if (r->x != NULL) {
        end_stream(r, code, err);
    } else if (r->pending != NULL) {
        struct http_exchange *x = api_pending_take(r->pending);
        if (x != NULL && code == EDGE_OK) {
            http_reply_empty(x, 200);
        } else if (x != NULL) {
            api_error_engine(x, LOGS_FAILED, err);
        }
    }
    free(r);
}

void mgmt_modules_logs(struct http_exchange *x) {
    static const struct runtime_stream stream = {on_open, on_data, on_done};
    struct query q = {0};
    struct edge_error err;
    struct reader *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    if (!module_change_name(x, WHAT, r->name) || !read_query(x, &q)) {
        free(r);
        return;
    }
    r->api = api_of(x);
    r->pending = api_pending_new(x, NULL);
    if (r->pending == NULL) {
        free(r);
        return;
    }
    if (runtime_logs(r->api->runtime, r->name, &q.options, &stream, r, &r->op, &err) != EDGE_OK) {
        (void)api_pending_take(r->pending);
        api_error_mgmt(x, LOGS_FAILED, &err);
        free(r);
        return;
    }
    http_exchange_set_op(x, r->op);
}
