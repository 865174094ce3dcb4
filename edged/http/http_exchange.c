/* SPDX-License-Identifier: MIT */
/*
 * The life of a request: route, verdict, body, handler, one answer. Knows no socket; http_server.c
 * calls it when something has happened and does what it asks for.
 */
#include "http/http_exchange.h"

#include "base/log.h"
#include "http/http_reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void http_exchange_init(struct http_exchange *x, struct http_core *core,
                        struct http_server *server) {
    memset(x, 0, offsetof(struct http_exchange, who));
    x->core = core;
    x->server = server;
    x->peer.pidfd = -1;
    x->who[0] = '\0';
    x->match.route = NULL;
    x->match.param_cnt = 0;
    http_conn_init(&x->conn);
}

enum edge_code http_exchange_enter(struct http_exchange *x, struct edge_error *err) {
    struct http_core *core = x->core;
    if (core->slot_free == core->slot_cnt) {
        uint32_t cnt = core->slot_cnt == 0 ? 16 : core->slot_cnt * 2;
        struct http_slot *slots = reallocarray(core->slots, cnt, sizeof(*slots));
        if (slots == NULL) {
            return edge_set(err, EDGE_NOMEM, "out of memory for a connection");
        }
        for (uint32_t i = core->slot_cnt; i < cnt; i++) {
            slots[i] = (struct http_slot){.generation = 1, .next_free = i + 1};
        }
        core->slots = slots;
        core->slot_cnt = cnt;
    }
    x->slot = core->slot_free;
    core->slot_free = core->slots[x->slot].next_free;
    core->slots[x->slot].x = x;
    x->has_slot = true;
    return EDGE_OK;
}

/* --- requests --- */

static void new_generation(struct http_exchange *x) {
    if (x->has_slot) {
        struct http_slot *slot = &x->core->slots[x->slot];
        slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
        slot->taken = false;
    }
}

static void cancel_work(struct http_exchange *x) {
    struct op op = x->op;
    x->op = OP_NONE;
    if (op_is_set(op) && !x->detached) {
        op_cancel(loop_ops(x->core->loop), op);
    }
}

/* The request has its answer, or will never have one. */
static void end_request(struct http_exchange *x) {
    new_generation(x);
    x->phase = HTTP_PHASE_NONE;
    x->on_writable = NULL;
    x->on_gone = NULL;
}

static struct slice path_of(struct slice target) {
    struct slice path = target, query;
    (void)slice_cut(target, '?', &path, &query);
    return path;
}

static void log_answer(struct http_exchange *x, int status, uint64_t bytes) {
    struct http_core *core = x->core;
    enum log_level level = status >= 500 ? LOG_WARN : LOG_DEBUG;
    if (status >= 500) {
        core->stats.answered_5xx++;
    } else if (status >= 400) {
        core->stats.answered_4xx++;
    }
    /* Who is turned away has been logged with the limit that was hit. */
    if (log_get_level() < level || !x->has_slot) {
        return;
    }
    uint64_t ms = http_server_now_ms(x->server) - x->started_ms;
    struct slice method = x->conn.head.method;
    const char *path = log_quote(path_of(x->conn.head.target));
    const char *who = log_quote_str(x->who);
    log_set_request(x->id);
    if (status >= 500) {
        log_warn("%s: pid %d %s: %.*s %s -> %d, %llu bytes, %llu ms", core->service->name,
                 (int)x->peer.pid, who, SLICE_ARG(method), path, status, (unsigned long long)bytes,
                 (unsigned long long)ms);
    } else {
        log_debug("%s: pid %d %s: %.*s %s -> %d, %llu bytes, %llu ms", core->service->name,
                  (int)x->peer.pid, who, SLICE_ARG(method), path, status, (unsigned long long)bytes,
                  (unsigned long long)ms);
    }
    if (!x->running) {
        log_set_request(0);
    }
}

const char *http_exchange_date(struct http_exchange *x) {
    struct http_core *core = x->core;
    int64_t now_s = clock_wall_s();
    if (now_s != core->date_s || core->date[0] == '\0') {
        core->date_s = now_s;
        clock_format_http(now_s, core->date);
    }
    return core->date;
}

bool http_exchange_may_answer(struct http_exchange *x) {
    if (x->dead) {
        return false;
    }
    if (x->phase == HTTP_PHASE_NONE || x->phase == HTTP_PHASE_STREAM) {
        log_error("%s: a request was answered twice", x->core->service->name);
        assert(false && "a request was answered twice");
        return false;
    }
    return true;
}

void http_exchange_answer(struct http_exchange *x, const struct http_answer *a) {
    uint64_t bytes = a->body != NULL ? a->body->len : 0;
    int status = a->status;
    if (x->core->draining) {
        http_conn_no_keep_alive(&x->conn);
    }
    http_conn_answer(&x->conn, a, http_exchange_date(x));
    x->op = OP_NONE;
    log_answer(x, status, bytes);
    end_request(x);
    http_exchange_run(x);
}

/* A hook came back: has it done, or promised to do, its part of request `id`? */
static void check_dropped(struct http_exchange *x, uint64_t id, enum http_phase phase,
                          const char *hook) {
    if (x->dead || x->id != id || x->phase != phase || x->core->slots[x->slot].taken) {
        return;
    }
    log_error("%s: the %s of %s '%s' dropped a request", x->core->service->name, hook,
              x->match.route->method, x->match.route->path);
    cancel_work(x);
    http_reply_error(x, 500, "Internal error");
}

static void set_wait(struct http_exchange *x, enum http_wait wait, uint64_t ms) {
    x->wait = wait;
    x->wait_id = x->id;
    x->waiting_since_ms = http_server_now_ms(x->server);
    x->deadline_ms = ms == 0 ? 0 : x->waiting_since_ms + ms;
    http_server_arm(x);
}

static void read_body(struct http_exchange *x) {
    const struct http_route *route = x->match.route;
    x->phase = HTTP_PHASE_BODY;
    http_conn_read_body(&x->conn, route->body_max, (route->flags & HTTP_ROUTE_SENSITIVE) != 0);
}

static void ask_authorizer(struct http_exchange *x) {
    const struct http_service *service = x->core->service;
    struct slice module = SLICE_LIT("edgeAgent");
    uint64_t id = x->id;
    if (x->match.route->policy == HTTP_POLICY_CALLER) {
        module = http_exchange_param(x, 0);
    } else if (x->match.route->policy == HTTP_POLICY_HOST ||
               x->match.route->policy == HTTP_POLICY_OWNER) {
        module = SLICE_LIT("");
    }
    log_set_request(id);
    service->authorize(service->data, x, x->match.route->policy, module);
    log_set_request(0);
    check_dropped(x, id, HTTP_PHASE_AUTHORIZE, "authorizer");
}

static void on_head(struct http_exchange *x) {
    struct http_core *core = x->core;
    const struct http_head *head = &x->conn.head;
    struct edge_error err;

    x->id = ++core->next_id;
    x->started_ms = http_server_now_ms(x->server);
    x->op = OP_NONE;
    x->detached = false;
    x->who[0] = '\0';
    x->match.route = NULL;
    x->match.param_cnt = 0;
    x->phase = HTTP_PHASE_AUTHORIZE;
    core->stats.requests++;
    enum edge_code code = http_router_match(core->service->routes, core->service->route_cnt,
                                            head->method, head->target, &x->match, &err);
    if (code != EDGE_OK) {
        int status = code == EDGE_NOT_FOUND ? 404 : code == EDGE_RANGE ? 414 : 400;
        http_reply_error(x, status, err.text);
    } else if (x->match.route->policy == HTTP_POLICY_ANONYMOUS) {
        read_body(x);
    } else if (core->service->authorize == NULL) {
        log_error("%s: no authorizer for '%s'", core->service->name, x->match.route->path);
        http_reply_error(x, 500, "Internal error");
    } else {
        ask_authorizer(x);
    }
}

void http_exchange_allow(struct http_exchange *x, struct slice who) {
    if (x->dead || x->phase != HTTP_PHASE_AUTHORIZE) {
        assert(x->dead && "a second verdict");
        return;
    }
    size_t len = who.len < HTTP_WHO_MAX ? who.len : HTTP_WHO_MAX;
    if (len > 0) {
        memcpy(x->who, who.ptr, len);
    }
    x->who[len] = '\0';
    x->op = OP_NONE;
    x->detached = false;
    new_generation(x);
    read_body(x);
    http_exchange_run(x);
}

void http_exchange_deny(struct http_exchange *x, int status, const char *message) {
    http_reply_busy(x, status, status == 503 ? HTTP_RETRY_AFTER_S : 0, message);
}

static void on_message(struct http_exchange *x) {
    uint64_t id = x->id;
    x->phase = HTTP_PHASE_HANDLE;
    log_set_request(id);
    x->match.route->handler(x);
    log_set_request(0);
    check_dropped(x, id, HTTP_PHASE_HANDLE, "handler");
}

/* RFC 9112 section 2.2 and following: what the gate refuses gets a reason, never its bytes back. */
static void on_refused(struct http_exchange *x) {
    struct http_core *core = x->core;
    if (x->phase == HTTP_PHASE_NONE) {
        x->id = ++core->next_id;
        x->started_ms = http_server_now_ms(x->server);
        x->who[0] = '\0';
        core->stats.requests++;
    }
    x->phase = HTTP_PHASE_HANDLE;
    log_debug("%s: pid %d: request refused: %s", core->service->name, (int)x->peer.pid,
              x->conn.refuse_reason);
    http_reply_error(x, x->conn.refuse_status, x->conn.refuse_reason);
}

/* --- time --- */

static enum http_wait wait_of(const struct http_exchange *x) {
    if (x->lingering) {
        return HTTP_WAIT_LINGER;
    }
    switch (x->conn.state) {
    case HTTP_CONN_AT_HEAD:
        /* A client that connects has something to say; one that was answered may think. */
        return x->id > 0 && http_conn_is_idle(&x->conn) ? HTTP_WAIT_IDLE : HTTP_WAIT_HEAD;
    case HTTP_CONN_AT_BODY:
        return HTTP_WAIT_BODY;
    case HTTP_CONN_AT_DECISION:
    case HTTP_CONN_AT_HANDLER:
        return HTTP_WAIT_HANDLER;
    case HTTP_CONN_AT_FLUSH:
    case HTTP_CONN_AT_END:
        return HTTP_WAIT_SENT;
    case HTTP_CONN_AT_STREAM:
        break;
    }
    return HTTP_WAIT_NOTHING;
}

static void update_wait(struct http_exchange *x, bool progress) {
    const struct http_timeouts *times = &x->core->times;
    enum http_wait wait = wait_of(x);
    if (wait == x->wait && x->wait_id == x->id && !(progress && wait == HTTP_WAIT_SENT)) {
        return;
    }
    x->unsent = SIZE_MAX;
    switch (wait) {
    case HTTP_WAIT_NOTHING:
        set_wait(x, wait, 0);
        break;
    case HTTP_WAIT_HEAD:
        set_wait(x, wait, times->head_ms);
        break;
    case HTTP_WAIT_BODY:
        set_wait(x, wait, times->body_ms);
        break;
    case HTTP_WAIT_HANDLER:
        set_wait(x, wait, x->match.route != NULL ? x->match.route->deadline_ms : 0);
        break;
    case HTTP_WAIT_IDLE:
    case HTTP_WAIT_SENT:
        set_wait(x, wait, times->idle_ms);
        break;
    case HTTP_WAIT_LINGER:
        set_wait(x, wait, times->linger_ms);
        break;
    }
}

/* Answers in the place of somebody who did not in time. */
static void answer_late(struct http_exchange *x, int status, const char *message) {
    cancel_work(x);
    http_conn_no_keep_alive(&x->conn);
    if (status == 503) {
        http_reply_busy(x, status, HTTP_RETRY_AFTER_S, message);
    } else {
        http_reply_error(x, status, message);
    }
}

void http_exchange_expire(struct http_exchange *x) {
    x->deadline_ms = 0;
    switch (x->wait) {
    case HTTP_WAIT_HEAD:
        if (!http_conn_has_part(&x->conn)) {
            http_server_close(x);
            return;
        }
        x->phase = HTTP_PHASE_HANDLE;
        answer_late(x, 408, "the request's head took too long");
        return;
    case HTTP_WAIT_BODY:
        answer_late(x, 408, "the request's body took too long");
        return;
    case HTTP_WAIT_HANDLER:
        answer_late(x, 503, "the request took too long");
        return;
    case HTTP_WAIT_SENT:
        /* A slow reader is not a dead one. */
        if (http_server_unsent(x) < x->unsent) {
            x->unsent = http_server_unsent(x);
            set_wait(x, HTTP_WAIT_SENT, x->core->times.idle_ms);
            return;
        }
        http_server_close(x);
        return;
    case HTTP_WAIT_NOTHING:
    case HTTP_WAIT_IDLE:
    case HTTP_WAIT_LINGER:
        http_server_close(x);
        return;
    }
}

/* --- the engine --- */

static void finish(struct http_exchange *x) {
    if (http_conn_should_linger(&x->conn)) {
        http_server_linger(x);
        x->lingering = true;
    } else {
        http_server_close(x);
    }
}

/* One step; false when there is nothing more to do now. */
static bool step(struct http_exchange *x, bool *progress) {
    switch (http_conn_next(&x->conn)) {
    case HTTP_CONN_HEAD:
        on_head(x);
        return true;
    case HTTP_CONN_MESSAGE:
        on_message(x);
        return true;
    case HTTP_CONN_REFUSED:
        on_refused(x);
        return true;
    case HTTP_CONN_WAIT:
        if (http_conn_queued(&x->conn) == 0) {
            return false;
        }
        *progress = http_server_send(x);
        return *progress && x->conn.state == HTTP_CONN_AT_FLUSH;
    case HTTP_CONN_CLOSE:
        if (!x->lingering || x->conn.eof) {
            finish(x);
        }
        return false;
    }
    return false;
}

/* Hooks may answer from inside the loop; then it is the loop that goes on. */
static void run(struct http_exchange *x) {
    bool progress = false;
    if (x->running || x->dead) {
        return;
    }
    x->running = true;
    while (!x->dead && step(x, &progress)) {
    }
    x->running = false;
    if (!x->dead && x->core->draining && http_conn_is_idle(&x->conn)) {
        http_server_close(x);
    }
    if (!x->dead) {
        http_server_watch_input(x);
        update_wait(x, progress);
    }
}

void http_exchange_run(struct http_exchange *x) {
    run(x);
    if (!x->dead && !x->running && x->paused && x->phase == HTTP_PHASE_STREAM &&
        http_conn_queued(&x->conn) < HTTP_STREAM_HIGH / 2) {
        x->paused = false;
        if (x->on_writable != NULL) {
            x->on_writable(x->stream_data);
        }
    }
}

void http_exchange_turn_away(struct http_exchange *x) {
    x->phase = HTTP_PHASE_HANDLE;
    http_reply_busy(x, 503, HTTP_RETRY_AFTER_S, "too many connections");
}

void http_exchange_kill(struct http_exchange *x) {
    x->dead = true;
    new_generation(x);
}

void http_exchange_clear(struct http_exchange *x) {
    struct http_core *core = x->core;
    void (*gone)(void *data) = x->phase == HTTP_PHASE_STREAM ? x->on_gone : NULL;
    if (x->phase != HTTP_PHASE_NONE) {
        log_debug("%s: pid %d: the connection ended before its answer", core->service->name,
                  (int)x->peer.pid);
        cancel_work(x);
    }
    if (gone != NULL) {
        gone(x->stream_data);
    }
    x->phase = HTTP_PHASE_NONE;
    http_exchange_set_conn_data(x, NULL, NULL);
    if (x->has_slot) {
        core->slots[x->slot].x = NULL;
        core->slots[x->slot].next_free = core->slot_free;
        core->slot_free = x->slot;
        x->has_slot = false;
    }
    http_conn_clear(&x->conn);
}

/* --- streams, for http_reply.c --- */

void http_exchange_stream_started(struct http_exchange *x, int status) {
    x->phase = HTTP_PHASE_STREAM;
    x->stream_status = status;
    x->stream_bytes = 0;
    x->paused = false;
    run(x);
}

bool http_exchange_stream_written(struct http_exchange *x, size_t len, bool writable) {
    x->stream_bytes += len;
    run(x);
    writable = !x->dead && !x->conn.broken && http_conn_queued(&x->conn) < HTTP_STREAM_HIGH;
    if (!writable && !x->paused) {
        x->waiting_since_ms = http_server_now_ms(x->server);
    }
    x->paused = !writable;
    return writable;
}

void http_exchange_stream_forgotten(struct http_exchange *x) {
    x->on_writable = NULL;
    x->on_gone = NULL;
    x->op = OP_NONE;
}

void http_exchange_stream_ended(struct http_exchange *x) {
    log_answer(x, x->stream_status, x->stream_bytes);
    x->op = OP_NONE;
    end_request(x);
    run(x);
}
