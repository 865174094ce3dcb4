/* SPDX-License-Identifier: MIT */
/*
 * Keeps the event stream open and turns it into runtime events. CONNECTED comes with the headers of
 * the answer: the Engine has subscribed by then, so what is learnt afterwards is kept true by the
 * events.
 */
#include "runtime/docker_events.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/pct.h"
#include "loop/backoff.h"

#include <stdlib.h>

#define RETRY_MIN_MS   250
#define RETRY_START_MS 1000
#define RETRY_MAX_MS   30000

struct docker_events {
    struct loop *loop;
    struct docker_engine *engine;
    runtime_event_fn *on_event;
    void *data;
    struct loop_timer *retry;
    struct backoff backoff;
    struct docker_sieve sieve;
    struct buf thinned_out;
    struct docker_splitter splitter;
    struct op op;
    struct edge_error stream_err; /* what ended the stream from our side */
    bool up;
    uint64_t up_since_ms;
    bool told_lost;
    bool stopped;
};

static const char filters[] =
    "{\"type\":[\"container\"],"
    "\"event\":[\"start\",\"die\",\"died\",\"destroy\",\"remove\",\"rename\"]}";

/* All labels of the container. */
static const struct docker_sieve_rule no_attributes = {.object = "Attributes"};

/* --- Splitter --- */

void docker_splitter_init(struct docker_splitter *s) {
    *s = (struct docker_splitter){0};
    buf_init(&s->object, DOCKER_EVENT_MAX);
}

void docker_splitter_clear(struct docker_splitter *s) {
    buf_clear(&s->object);
    s->depth = 0;
    s->quote = (struct docker_quote){0};
}

/* True when c was the last byte of an object. */
static bool step(struct docker_splitter *s, char c) {
    if (docker_quote_step(&s->quote, c)) {
        return false;
    }
    if (c == '{') {
        s->depth++;
    } else if (c == '}') {
        s->depth--;
        return s->depth == 0;
    }
    return false;
}

enum edge_code docker_splitter_feed(struct docker_splitter *s, struct slice bytes,
                                    enum edge_code (*fn)(void *data, struct slice object,
                                                         struct edge_error *err),
                                    void *data, struct edge_error *err) {
    size_t start = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        if (s->depth == 0 && c != '{') {
            if (!docker_quote_is_blank(c)) {
                return edge_set(err, EDGE_PARSE,
                                "the container engine's stream is not a row of objects");
            }
            start = i + 1;
            continue;
        }
        if (!step(s, c)) {
            continue;
        }
        enum edge_code code = buf_append(&s->object, bytes.ptr + start, i + 1 - start, err);
        if (code == EDGE_OK) {
            code = fn(data, buf_slice(&s->object), err);
        }
        if (code != EDGE_OK) {
            return code;
        }
        buf_reset(&s->object);
        start = i + 1;
    }
    if (start == bytes.len) {
        return EDGE_OK;
    }
    return buf_append(&s->object, bytes.ptr + start, bytes.len - start, err);
}

/* --- Stream --- */

static void lost(struct docker_events *ev, const struct edge_error *err) {
    /* An Engine that accepts and drops at once is retried ever more slowly. */
    if (ev->up && clock_mono_ms() - ev->up_since_ms >= RETRY_MAX_MS) {
        backoff_reset(&ev->backoff);
    }
    uint32_t delay_ms = backoff_next(&ev->backoff, 0);

    ev->up = false;
    docker_splitter_clear(&ev->splitter);
    docker_engine_forget_version(ev->engine);
    if (ev->told_lost) {
        log_debug("container engine still away: %s; next try in %u ms", edge_error_text(err),
                  delay_ms);
    } else {
        log_warn("The container engine is away: %s; trying again until it is back",
                 edge_error_text(err));
    }
    loop_timer_start(ev->retry, delay_ms);
    if (!ev->told_lost) {
        ev->told_lost = true;
        ev->on_event(ev->data, RUNTIME_EVENT_LOST, NULL);
    }
}

static void on_open(void *data, int status) {
    struct docker_events *ev = data;
    if (ev->stopped || status < 200 || status >= 300) {
        return;
    }
    if (ev->told_lost) {
        log_info("The container engine is back");
    }
    ev->up = true;
    ev->up_since_ms = clock_mono_ms();
    ev->told_lost = false;
    ev->on_event(ev->data, RUNTIME_EVENT_CONNECTED, NULL);
}

static enum edge_code on_object(void *data, struct slice object, struct edge_error *err) {
    struct docker_events *ev = data;
    char id[RUNTIME_ID_LEN + 1];
    enum runtime_event event;
    bool known = false;

    enum edge_code code = docker_json_event(object, &known, &event, id, err);
    if (code != EDGE_OK) {
        return code;
    }
    backoff_reset(&ev->backoff);
    if (known && !ev->stopped) {
        ev->on_event(ev->data, event, id);
    }
    return EDGE_OK;
}

static bool on_data(void *data, struct slice bytes) {
    struct docker_events *ev = data;
    if (ev->stopped || ev->stream_err.code != EDGE_OK) {
        return true;
    }
    buf_reset(&ev->thinned_out);
    enum edge_code code = docker_sieve_feed(&ev->sieve, bytes, &ev->thinned_out, &ev->stream_err);
    if (code == EDGE_OK) {
        code = docker_splitter_feed(&ev->splitter, buf_slice(&ev->thinned_out), on_object, ev,
                                    &ev->stream_err);
    }
    if (code != EDGE_OK) {
        op_cancel(loop_ops(ev->loop), ev->op);
    }
    return true;
}

static void on_done(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct docker_events *ev = data;
    struct edge_error ended = {0};

    (void)body;
    ev->op = OP_NONE;
    if (ev->stopped) {
        return;
    }
    if (ev->stream_err.code != EDGE_OK) {
        ended = ev->stream_err;
    } else if (code == EDGE_OK) {
        edge_set(&ended, EDGE_NET, "the container engine ended its event stream");
    } else if (err != NULL) {
        ended = *err;
    }
    lost(ev, &ended);
}

static void open_stream(void *data) {
    struct docker_events *ev = data;
    struct buf path EDGE_CLEANUP(buf_clear);
    struct edge_error err = {0};

    buf_init(&path, 1024);
    edge_error_clear(&ev->stream_err);
    docker_sieve_init(&ev->sieve, &no_attributes);
    enum edge_code code = buf_append_str(&path, "/events?filters=", &err);
    if (code == EDGE_OK) {
        code = pct_encode(slice_str(filters), PCT_UNRESERVED, &path, &err);
    }
    const char *text = code == EDGE_OK ? buf_cstr(&path) : NULL;
    if (text != NULL) {
        struct docker_request req = {
            .method = "GET",
            .path = text,
            .on_open = on_open,
            .on_data = on_data,
            .on_done = on_done,
            .data = ev,
        };
        code = docker_engine_send(ev->engine, &req, &ev->op, &err);
    } else {
        code = edge_set(&err, EDGE_NOMEM, "out of memory");
    }
    if (code != EDGE_OK) {
        lost(ev, &err);
    }
}

enum edge_code docker_events_new(struct loop *l, struct docker_engine *e,
                                 runtime_event_fn *on_event, void *data, struct docker_events **ret,
                                 struct edge_error *err) {
    struct docker_events *ev = calloc(1, sizeof(*ev));
    if (ev == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's events");
    }
    ev->loop = l;
    ev->engine = e;
    ev->on_event = on_event;
    ev->data = data;
    docker_splitter_init(&ev->splitter);
    buf_init(&ev->thinned_out, DOCKER_EVENT_MAX);
    backoff_init(&ev->backoff, RETRY_MIN_MS, RETRY_START_MS, RETRY_MAX_MS);
    enum edge_code code = loop_timer_new(l, open_stream, ev, &ev->retry, err);
    if (code != EDGE_OK) {
        free(ev);
        return code;
    }
    loop_timer_start(ev->retry, 0);
    *ret = ev;
    return EDGE_OK;
}

void docker_events_stop(struct docker_events *ev) {
    ev->stopped = true;
    loop_timer_stop(ev->retry);
}

void docker_events_free(struct docker_events *ev) {
    if (ev != NULL) {
        loop_timer_free(ev->retry);
        docker_splitter_clear(&ev->splitter);
        buf_clear(&ev->thinned_out);
        free(ev);
    }
}
