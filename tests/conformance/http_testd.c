/* SPDX-License-Identifier: MIT */
/*
 * A server for tests and measurements: edge_http with routes that answer at once, later, in
 * streams, or not at all. Usage: http_testd SOCKET [OPTION=NUMBER]...; stops on SIGTERM and then
 * prints what it counted.
 */
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/http_reply.h"
#include "http/http_server.h"
#include "loop/loop.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ANSWER_MAX (4 * 1024 * 1024)

struct testd {
    struct loop *loop;
    struct http_server *server;
    uint64_t gone;     /* streams whose client left */
    uint64_t canceled; /* operations cancelled by the server */
    uint64_t paused;   /* times a stream had to wait */
    uint64_t largest;  /* most bytes written to a stream without a pause in between */
};

static struct testd testd;

static uint64_t query_number(struct http_exchange *x, const char *name, uint64_t fallback) {
    struct buf text;
    uint64_t value = fallback;
    buf_init(&text, 32);
    if (http_query_get(http_exchange_target(x), name, &text)) {
        (void)slice_parse_u64(buf_slice(&text), UINT32_MAX, &value);
    }
    buf_clear(&text);
    return value;
}

static void reply_text(struct http_exchange *x, int status, struct slice json) {
    struct buf out;
    buf_init(&out, ANSWER_MAX);
    if (buf_append_slice(&out, json, NULL) == EDGE_OK) {
        http_reply_json(x, status, &out);
    } else {
        http_reply_empty(x, 500);
    }
    buf_clear(&out);
}

static void on_hello(struct http_exchange *x) {
    reply_text(x, 200, SLICE_LIT("{\"digest\":\"yqyQQvz6Z3lnqJYYVZ3mmXrb0hBHwd0/ChvOl4bTSxE=\"}"));
}

static void on_echo(struct http_exchange *x) {
    reply_text(x, 200, http_exchange_body(x));
}

static void on_status(struct http_exchange *x) {
    uint64_t status = 0;
    (void)slice_parse_u64(http_exchange_param(x, 0), 599, &status);
    http_reply_empty(x, status >= 200 ? (int)status : 400);
}

/* What the server knows about the request. */
static void on_describe(struct http_exchange *x) {
    const struct http_peer *peer = http_exchange_peer(x);
    struct buf out;
    struct json_writer w;
    buf_init(&out, ANSWER_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_str(&w, "p0", http_exchange_param(x, 0));
    json_add_str(&w, "p1", http_exchange_param(x, 1));
    json_add_str(&w, "version", http_exchange_version(x));
    json_add_i64(&w, "body", (int64_t)http_exchange_body(x).len);
    json_add_i64(&w, "pid", peer->pid);
    json_add_i64(&w, "uid", (int64_t)peer->uid);
    json_add_bool(&w, "pidfd", peer->pidfd >= 0);
    json_add_bool(&w, "start_time", peer->start_time > 0);
    json_object_close(&w);
    if (json_end(&w, NULL) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        http_reply_empty(x, 500);
    }
    buf_clear(&out);
}

static void on_drop(struct http_exchange *x) {
    (void)x;
}

struct later {
    struct op exchange;
    struct op op;
    struct loop_timer *timer;
};

static void later_free(struct later *p) {
    op_remove(loop_ops(testd.loop), p->op);
    loop_timer_free(p->timer);
    free(p);
}

static void on_later(void *data) {
    struct later *p = data;
    struct http_exchange *x = http_exchange_from(testd.server, p->exchange);
    if (x != NULL) {
        reply_text(x, 200, SLICE_LIT("{\"late\":true}"));
    }
    later_free(p);
}

static void on_later_cancel(void *data) {
    struct later *p = data;
    testd.canceled++;
    loop_timer_start(p->timer, 0);
}

/* Answers after ?ms=N; the client's end cancels it. */
static void on_slow(struct http_exchange *x) {
    struct later *p = calloc(1, sizeof(*p));
    if (p == NULL || loop_timer_new(testd.loop, on_later, p, &p->timer, NULL) != EDGE_OK) {
        free(p);
        http_reply_empty(x, 500);
        return;
    }
    if (op_add(loop_ops(testd.loop), on_later_cancel, p, &p->op, NULL) != EDGE_OK) {
        later_free(p);
        http_reply_busy(x, 503, 1, "too many");
        return;
    }
    p->exchange = http_exchange_handle(x);
    http_exchange_set_op(x, p->op);
    loop_timer_start(p->timer, query_number(x, "ms", 50));
}

struct source {
    struct http_exchange *x;
    uint64_t left;
    struct slice piece;
    struct loop_timer *timer; /* NULL: as fast as it goes */
    uint64_t every_ms;
};

static char pattern[65536];

static void source_free(struct source *s) {
    loop_timer_free(s->timer);
    free(s);
}

static void source_go_on(void *data) {
    struct source *s = data;
    uint64_t burst = 0;
    while (s->left > 0) {
        size_t len = s->left < s->piece.len ? (size_t)s->left : s->piece.len;
        s->left -= len;
        burst += len;
        testd.largest = burst > testd.largest ? burst : testd.largest;
        if (!http_reply_stream_write(s->x, slice_make(s->piece.ptr, len))) {
            testd.paused++;
            return;
        }
        if (s->timer != NULL && s->left > 0) {
            loop_timer_start(s->timer, s->every_ms);
            return;
        }
    }
    http_reply_stream_end(s->x);
    source_free(s);
}

static void source_gone(void *data) {
    testd.gone++;
    source_free(data);
}

/* Streams ?bytes=N in pieces of ?piece=N, one each ?every=MS. */
static void on_stream(struct http_exchange *x) {
    struct source *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        http_reply_empty(x, 500);
        return;
    }
    uint64_t piece = query_number(x, "piece", sizeof(pattern));
    s->x = x;
    s->left = query_number(x, "bytes", 1024 * 1024);
    s->piece = slice_make(pattern, piece > 0 && piece <= sizeof(pattern) ? piece : sizeof(pattern));
    s->every_ms = query_number(x, "every", 0);
    if (s->every_ms > 0 &&
        loop_timer_new(testd.loop, source_go_on, s, &s->timer, NULL) != EDGE_OK) {
        free(s);
        http_reply_empty(x, 500);
        return;
    }
    http_reply_stream_begin(x, 200, "application/octet-stream", source_go_on, source_gone, s);
    source_go_on(s);
}

/* Knows "good" at once, "later" after a while, and nobody else; "mute" gets no verdict. */
static void on_verdict(void *data) {
    struct later *p = data;
    struct http_exchange *x = http_exchange_from(testd.server, p->exchange);
    if (x != NULL) {
        http_exchange_allow(x, SLICE_LIT("later"));
    }
    later_free(p);
}

static void authorize(void *data, struct http_exchange *x, enum http_policy policy,
                      struct slice module) {
    (void)data;
    (void)policy;
    if (slice_eq_str(module, "good")) {
        http_exchange_allow(x, module);
    } else if (slice_eq_str(module, "later")) {
        struct later *p = calloc(1, sizeof(*p));
        if (p != NULL && loop_timer_new(testd.loop, on_verdict, p, &p->timer, NULL) == EDGE_OK) {
            p->exchange = http_exchange_handle(x);
            loop_timer_start(p->timer, 20);
        } else {
            free(p);
            http_exchange_deny(x, 500, "Out of memory");
        }
    } else if (!slice_eq_str(module, "mute")) {
        http_exchange_deny(x, 404, "Module not found");
    }
}

static const struct http_route routes[] = {
    {"GET", "/hello", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_hello},
    {"POST", "/echo", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 1024 * 1024, 5000, on_echo},
    {"PUT", "/echo", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 16, 5000, on_echo},
    {"POST", "/modules/{name}/genid/{genid}/sign", "2018-06-28", HTTP_POLICY_CALLER,
     HTTP_ROUTE_SENSITIVE, 1024 * 1024, 5000, on_hello},
    {"GET", "/modules", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_hello},
    {"GET", "/systeminfo/resources", "2019-11-05", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_hello},
    {"GET", "/agent", "2018-06-28", HTTP_POLICY_EDGE_AGENT, 0, 0, 5000, on_hello},
    {"GET", "/status/{code}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_status},
    {"GET", "/describe/{a}/{b}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_describe},
    {"POST", "/describe/{a}/{b}", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 5000, on_describe},
    {"GET", "/slow", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, on_slow},
    {"GET", "/deadline", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 200, on_slow},
    {"GET", "/stream", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 200, on_stream},
    {"GET", "/drop", "2018-06-28", HTTP_POLICY_ANONYMOUS, 0, 0, 0, on_drop},
};

static const struct http_service service = {
    .name = "test",
    .routes = routes,
    .route_cnt = EDGE_ARRAY_LEN(routes),
    .authorize = authorize,
    .context = &testd,
};

static void on_drained(void *data) {
    (void)data;
    loop_stop(testd.loop);
}

static void on_term(void *data, int signum) {
    (void)data;
    (void)signum;
    http_server_drain(testd.server, 2000, on_drained, NULL);
}

struct options {
    uint64_t max_conns, max_peer, head_ms, body_ms, idle_ms, linger_ms, nofile, debug;
};

static bool read_options(int argc, char **argv, struct options *ret) {
    const struct {
        const char *name;
        uint64_t *value;
    } known[] = {
        {"max-conns", &ret->max_conns}, {"max-peer", &ret->max_peer},
        {"head-ms", &ret->head_ms},     {"body-ms", &ret->body_ms},
        {"idle-ms", &ret->idle_ms},     {"linger-ms", &ret->linger_ms},
        {"nofile", &ret->nofile},       {"debug", &ret->debug},
    };
    for (int i = 2; i < argc; i++) {
        struct slice key, value;
        bool found = false;
        if (!slice_cut(slice_str(argv[i]), '=', &key, &value)) {
            return false;
        }
        for (size_t k = 0; k < EDGE_ARRAY_LEN(known); k++) {
            if (slice_eq_str(key, known[k].name)) {
                found = slice_parse_u64(value, UINT32_MAX, known[k].value);
            }
        }
        if (!found) {
            return false;
        }
    }
    return argc >= 2;
}

static enum edge_code start(const char *path, const struct options *o, struct edge_error *err) {
    const struct http_listen_options listen = {
        .max_conns = (unsigned)o->max_conns,
        .max_conns_per_peer = (unsigned)o->max_peer,
        .mode = 0660,
    };
    const struct http_timeouts times = {(uint32_t)o->head_ms, (uint32_t)o->body_ms,
                                        (uint32_t)o->idle_ms, (uint32_t)o->linger_ms};
    enum edge_code code = loop_new(&testd.loop, err);
    if (code == EDGE_OK) {
        code = http_server_new(testd.loop, &service, &testd.server, err);
    }
    if (code == EDGE_OK) {
        http_server_set_timeouts(testd.server, &times);
        code = http_server_listen_path(testd.server, path, &listen, err);
    }
    if (code == EDGE_OK) {
        code = loop_on_signal(testd.loop, SIGTERM, on_term, NULL, err);
    }
    return code;
}

int main(int argc, char **argv) {
    struct options o = {.nofile = 1024};
    struct edge_error err = {0};
    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: http_testd SOCKET [OPTION=NUMBER]...\n");
        return 2;
    }
    const struct rlimit files = {(rlim_t)o.nofile, (rlim_t)o.nofile};
    (void)setrlimit(RLIMIT_NOFILE, &files);
    log_init();
    log_set_level(o.debug ? LOG_DEBUG : LOG_ERROR);
    if (secret_heap_init(NULL, &err) != EDGE_OK) {
        return 1;
    }
    memset(pattern, 'x', sizeof(pattern));
    if (start(argv[1], &o, &err) != EDGE_OK) {
        (void)fprintf(stderr, "http_testd: %s\n", edge_error_text(&err));
        return 1;
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    loop_run(testd.loop);

    struct http_server_stats st;
    http_server_get_stats(testd.server, &st);
    (void)printf("{\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"requests\":%" PRIu64
                 ",\"open\":%u,\"gone\":%" PRIu64 ",\"canceled\":%" PRIu64 ",\"paused\":%" PRIu64
                 ",\"largest\":%" PRIu64 "}\n",
                 st.accepted, st.refused, st.requests, st.open, testd.gone, testd.canceled,
                 testd.paused, testd.largest);
    http_server_free(testd.server);
    loop_free(testd.loop);
    return 0;
}
