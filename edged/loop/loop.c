/* SPDX-License-Identifier: MIT */
/*
 * Owns the uv_loop_t and the handles that every program needs: signals, posted calls, timers and
 * the lag meter. It wakes up for nothing of its own.
 */
#include "loop/loop.h"

#include "base/list.h"

#include <uv.h>

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

/* All requests, jobs and calls in flight at once; beyond it callers get BUSY. */
#define LOOP_OPS_MAX 4096

/* Rounds of close callbacks that may start further closes. */
#define LOOP_CLOSE_ROUNDS 16

struct loop_call {
    struct list node;
    void (*fn)(void *data);
    void *data;
};

struct loop_signal {
    struct list node;
    uv_signal_t handle;
    struct loop *loop;
    void (*fn)(void *data, int signum);
    void *data;
};

struct loop_timer {
    uv_timer_t handle;
    void (*fn)(void *data);
    void *data;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn; /* once per turn, right before the wait */
    uv_idle_t poster;  /* active while calls are posted: keeps the loop from waiting */
    struct list calls;
    struct list signals;
    struct op_table *ops;
    uint64_t turn_start_ns;
    uint64_t turn_idle_ns; /* time waited so far, at the start of the turn */
    bool was_signaled;     /* in this turn: libuv does not count a wait that a signal interrupts */
    void (*lag_fn)(void *data, uint64_t lag_ms);
    void *lag_data;
};

static void loop_begin_turn(struct loop *l, uint64_t now_ns, uint64_t idle_ns) {
    l->turn_start_ns = now_ns;
    l->turn_idle_ns = idle_ns;
    l->was_signaled = false;
}

static void loop_on_turn(uv_prepare_t *handle) {
    struct loop *l = handle->data;
    uint64_t now_ns = uv_hrtime();
    uint64_t idle_ns = uv_metrics_idle_time(&l->uv);
    uint64_t turn_ns = now_ns - l->turn_start_ns;
    uint64_t waited_ns = idle_ns - l->turn_idle_ns;
    uint64_t lag_ns = turn_ns > waited_ns ? turn_ns - waited_ns : 0;
    bool is_known = !l->was_signaled;
    loop_begin_turn(l, now_ns, idle_ns);
    if (l->lag_fn != NULL && is_known && lag_ns >= UINT64_C(1000000) * LOOP_LAG_WARN_MS) {
        l->lag_fn(l->lag_data, lag_ns / 1000000);
    }
}

/* Runs what was posted up to now; what these calls post waits for the next turn. */
static void loop_run_calls(struct loop *l) {
    const struct list *last = l->calls.prev;
    bool more = !list_is_empty(&l->calls);
    while (more) {
        struct loop_call *call = LIST_ENTRY(l->calls.next, struct loop_call, node);
        more = &call->node != last;
        list_remove(&call->node);
        void (*fn)(void *data) = call->fn;
        void *data = call->data;
        free(call);
        fn(data);
    }
}

static void loop_on_poster(uv_idle_t *handle) {
    struct loop *l = handle->data;
    loop_run_calls(l);
    if (list_is_empty(&l->calls)) {
        (void)uv_idle_stop(handle);
    }
}

enum edge_code loop_new(struct loop **ret, struct edge_error *err) {
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the event loop");
    }
    list_init(&l->calls);
    list_init(&l->signals);
    enum edge_code code = op_table_new(LOOP_OPS_MAX, &l->ops, err);
    if (code != EDGE_OK) {
        free(l);
        return code;
    }
    int rc = uv_loop_init(&l->uv);
    if (rc < 0) {
        op_table_free(l->ops);
        free(l);
        return edge_set_native(err, rc == UV_ENOMEM ? EDGE_NOMEM : EDGE_IO, EDGE_DOMAIN_UV, rc,
                               "could not create the event loop: %s", uv_strerror(rc));
    }
    (void)uv_loop_configure(&l->uv, UV_METRICS_IDLE_TIME);
    (void)uv_prepare_init(&l->uv, &l->turn);
    l->turn.data = l;
    (void)uv_prepare_start(&l->turn, loop_on_turn);
    uv_unref((uv_handle_t *)&l->turn);
    (void)uv_idle_init(&l->uv, &l->poster);
    l->poster.data = l;
    (void)signal(SIGPIPE, SIG_IGN);
    *ret = l;
    return EDGE_OK;
}

void loop_run(struct loop *l) {
    loop_begin_turn(l, uv_hrtime(), uv_metrics_idle_time(&l->uv));
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l) {
    uv_stop(&l->uv);
}

static void loop_on_signal_closed(uv_handle_t *handle) {
    free(handle->data);
}

void loop_free(struct loop *l) {
    if (l == NULL) {
        return;
    }
    while (!list_is_empty(&l->calls)) {
        loop_run_calls(l);
    }
    list_for_each (pos, tmp, &l->signals) {
        struct loop_signal *s = LIST_ENTRY(pos, struct loop_signal, node);
        list_remove(pos);
        uv_close((uv_handle_t *)&s->handle, loop_on_signal_closed);
    }
    uv_close((uv_handle_t *)&l->turn, NULL);
    uv_close((uv_handle_t *)&l->poster, NULL);
    int rc = UV_EBUSY;
    for (int i = 0; i < LOOP_CLOSE_ROUNDS && rc != 0; i++) {
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
        rc = uv_loop_close(&l->uv);
    }
    assert(rc == 0);
    if (rc != 0) {
        return; /* somebody's handle still points into the loop: a leak is better than a stray write
                 */
    }
    op_table_free(l->ops);
    free(l);
}

struct uv_loop_s *loop_uv(struct loop *l) {
    return &l->uv;
}

struct op_table *loop_ops(struct loop *l) {
    return l->ops;
}

enum edge_code loop_post(struct loop *l, void (*fn)(void *data), void *data,
                         struct edge_error *err) {
    struct loop_call *call = malloc(sizeof(*call));
    if (call == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory to post a call");
    }
    call->fn = fn;
    call->data = data;
    list_append(&l->calls, &call->node);
    (void)uv_idle_start(&l->poster, loop_on_poster);
    return EDGE_OK;
}

static void loop_on_signal_event(uv_signal_t *handle, int signum) {
    struct loop_signal *s = handle->data;
    s->loop->was_signaled = true;
    s->fn(s->data, signum);
}

enum edge_code loop_on_signal(struct loop *l, int signum, void (*fn)(void *data, int signum),
                              void *data, struct edge_error *err) {
    struct loop_signal *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a signal handler");
    }
    s->loop = l;
    s->fn = fn;
    s->data = data;
    int rc = uv_signal_init(&l->uv, &s->handle);
    if (rc < 0) {
        free(s);
        return edge_set_native(err, EDGE_IO, EDGE_DOMAIN_UV, rc, "could not watch signals: %s",
                               uv_strerror(rc));
    }
    s->handle.data = s;
    rc = uv_signal_start(&s->handle, loop_on_signal_event, signum);
    if (rc < 0) {
        uv_close((uv_handle_t *)&s->handle, loop_on_signal_closed);
        return edge_set_native(err, EDGE_INVALID, EDGE_DOMAIN_UV, rc,
                               "could not watch signal %d: %s", signum, uv_strerror(rc));
    }
    uv_unref((uv_handle_t *)&s->handle);
    list_append(&l->signals, &s->node);
    return EDGE_OK;
}

enum edge_code loop_timer_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct loop_timer **ret, struct edge_error *err) {
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a timer");
    }
    t->fn = fn;
    t->data = data;
    (void)uv_timer_init(&l->uv, &t->handle);
    t->handle.data = t;
    *ret = t;
    return EDGE_OK;
}

static void loop_on_timer(uv_timer_t *handle) {
    struct loop_timer *t = handle->data;
    t->fn(t->data);
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms) {
    /* libuv counts from its cached time; a callback that took long would shorten the delay. */
    uv_update_time(t->handle.loop);
    (void)uv_timer_start(&t->handle, loop_on_timer, delay_ms, 0);
}

void loop_timer_stop(struct loop_timer *t) {
    (void)uv_timer_stop(&t->handle);
}

bool loop_timer_is_active(const struct loop_timer *t) {
    return uv_is_active((const uv_handle_t *)&t->handle) != 0;
}

static void loop_on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

void loop_timer_free(struct loop_timer *t) {
    if (t != NULL) {
        uv_close((uv_handle_t *)&t->handle, loop_on_timer_closed);
    }
}

void loop_on_lag(struct loop *l, void (*fn)(void *data, uint64_t lag_ms), void *data) {
    l->lag_fn = fn;
    l->lag_data = data;
}
