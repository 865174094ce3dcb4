/* SPDX-License-Identifier: MIT */
/*
 * The server object: listeners, the one timer, drain. Connections are in http_server_link.c,
 * requests in http_exchange.c.
 */
#include "http/http_server.h"

#include "base/log.h"
#include "http/http_server_uv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum edge_code http_server_new(struct loop *l, const struct http_service *service,
                               struct http_server **ret, struct edge_error *err) {
    struct http_server *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the %s server", service->name);
    }
    s->core.service = service;
    s->core.loop = l;
    s->core.times = (struct http_timeouts){HTTP_HEAD_TIMEOUT_MS, HTTP_BODY_TIMEOUT_MS,
                                           HTTP_IDLE_TIMEOUT_MS, HTTP_LINGER_MS};
    s->uv = loop_uv(l);
    list_init(&s->listeners);
    list_init(&s->spares);
    *ret = s;
    return EDGE_OK;
}

void http_server_free(struct http_server *s) {
    if (s == NULL) {
        return;
    }
    assert(list_is_empty(&s->listeners) && s->links == 0 && !s->timer_open && !s->sink_open);
    list_for_each (pos, tmp, &s->spares) {
        free(LIST_ENTRY(pos, struct http_link, node));
    }
    free(s->core.slots);
    free(s);
}

void http_server_set_timeouts(struct http_server *s, const struct http_timeouts *t) {
    struct http_timeouts *now = &s->core.times;
    now->head_ms = t->head_ms > 0 ? t->head_ms : now->head_ms;
    now->body_ms = t->body_ms > 0 ? t->body_ms : now->body_ms;
    now->idle_ms = t->idle_ms > 0 ? t->idle_ms : now->idle_ms;
    now->linger_ms = t->linger_ms > 0 ? t->linger_ms : now->linger_ms;
}

void http_server_get_stats(const struct http_server *s, struct http_server_stats *ret) {
    *ret = s->core.stats;
}

struct http_exchange *http_exchange_from(struct http_server *s, struct op handle) {
    if (handle.generation == 0 || handle.index >= s->core.slot_cnt) {
        return NULL;
    }
    const struct http_slot *slot = &s->core.slots[handle.index];
    if (slot->x == NULL || slot->generation != handle.generation || slot->x->dead) {
        return NULL;
    }
    return slot->x->phase != HTTP_PHASE_NONE ? slot->x : NULL;
}

/* --- time --- */

uint64_t http_server_now_ms(const struct http_server *s) {
    return uv_now(s->uv);
}

static void cut_off(struct http_server *s, bool only_streams) {
    list_for_each (pos, tmp, &s->listeners) {
        struct http_listener *l = LIST_ENTRY(pos, struct http_listener, node);
        list_for_each (at, after, &l->conns) {
            struct http_link *k = LIST_ENTRY(at, struct http_link, node);
            if (!only_streams || k->x.phase == HTTP_PHASE_STREAM) {
                http_link_close(k);
            }
        }
    }
}

static void expire_links(struct http_listener *l, uint64_t now_ms, uint64_t *next_ms) {
    list_for_each (pos, tmp, &l->conns) {
        struct http_link *k = LIST_ENTRY(pos, struct http_link, node);
        if (k->x.deadline_ms != 0 && k->x.deadline_ms <= now_ms && !k->x.dead) {
            http_exchange_expire(&k->x);
        }
        if (k->x.deadline_ms != 0 && !k->x.dead && k->x.deadline_ms < *next_ms) {
            *next_ms = k->x.deadline_ms;
        }
    }
}

/* The timer is set for the earliest deadline there was when it was set. Deadlines mostly move away
 * before they are reached, so it is cheaper to look at all of them now and then than to keep it
 * exact. */
static void on_timer(uv_timer_t *timer) {
    struct http_server *s = timer->data;
    uint64_t now_ms = uv_now(s->uv);
    uint64_t next_ms = UINT64_MAX;
    s->armed_ms = 0;
    list_for_each (pos, tmp, &s->listeners) {
        expire_links(LIST_ENTRY(pos, struct http_listener, node), now_ms, &next_ms);
    }
    if (s->drain_ms != 0) {
        uint64_t drain_ms = s->drain_streams_ms;
        if (now_ms >= s->drain_streams_ms) {
            cut_off(s, now_ms < s->drain_ms);
            drain_ms = s->drain_ms;
        }
        next_ms = drain_ms < next_ms ? drain_ms : next_ms;
    }
    if (next_ms != UINT64_MAX) {
        http_server_arm_at(s, next_ms);
    }
}

void http_server_arm_at(struct http_server *s, uint64_t deadline_ms) {
    uint64_t now_ms = uv_now(s->uv);
    if (!s->timer_open || (s->armed_ms != 0 && s->armed_ms <= deadline_ms)) {
        return;
    }
    s->armed_ms = deadline_ms;
    (void)uv_timer_start(&s->timer, on_timer, deadline_ms > now_ms ? deadline_ms - now_ms : 1, 0);
}

void http_server_arm(struct http_exchange *x) {
    if (x->deadline_ms != 0) {
        http_server_arm_at(x->server, x->deadline_ms);
    }
}

static void open_timer(struct http_server *s) {
    if (!s->timer_open) {
        (void)uv_timer_init(s->uv, &s->timer);
        s->timer.data = s;
        (void)uv_idle_init(s->uv, &s->rest);
        s->rest.data = s;
        s->timer_open = true;
    }
}

/* --- listeners --- */

static void listener_free(struct http_listener *l) {
    if (l != NULL) {
        free(l->path);
        free(l->module);
        free(l);
    }
}

static void on_listener_closed(uv_handle_t *handle) {
    struct http_listener *l = handle->data;
    l->closed = true;
    http_server_settle(l->server, l);
}

static void listener_close(struct http_listener *l) {
    if (!l->closing) {
        l->closing = true;
        if (l->path != NULL) {
            http_socket_unlink(l->path, &l->file);
        }
        uv_close((uv_handle_t *)&l->pipe, on_listener_closed);
    }
}

static void on_rest_over(uv_idle_t *idle) {
    struct http_server *s = idle->data;
    (void)uv_idle_stop(idle);
    list_for_each (pos, tmp, &s->listeners) {
        struct http_listener *l = LIST_ENTRY(pos, struct http_listener, node);
        if (l->resting && !l->closing) {
            http_link_accept(l);
        }
        l->resting = false;
    }
}

/* libuv accepts for as long as somebody connects. One who connects faster than that would have the
 * loop for himself, and what he closes would never be freed. The loop's clock stands still
 * meanwhile. */
static bool must_rest(struct http_listener *l) {
    struct http_server *s = l->server;
    uint64_t now_ms = uv_now(s->uv);
    if (l->burst_ms != now_ms) {
        l->burst_ms = now_ms;
        l->burst = 0;
    }
    if (++l->burst <= HTTP_ACCEPT_BURST) {
        return false;
    }
    l->burst = 0;
    l->resting = true;
    (void)uv_idle_start(&s->rest, on_rest_over);
    return true;
}

/* When descriptors run out, libuv accepts with a reserve and closes at once, so that the waiting
 * clients do not keep the loop spinning. */
static void on_connection(uv_stream_t *stream, int status) {
    struct http_listener *l = stream->data;
    if (status < 0) {
        l->server->core.stats.refused++;
        log_warn("%s: could not accept a connection: %s", l->server->core.service->name,
                 uv_strerror(status));
        return;
    }
    if (!must_rest(l)) {
        http_link_accept(l);
    }
}

static enum edge_code listener_new(struct http_server *s, const struct http_listen_options *opt,
                                   const char *path, struct http_listener **ret,
                                   struct edge_error *err) {
    struct http_listener *l = calloc(1, sizeof(*l));
    if (l != NULL && path != NULL) {
        l->path = strdup(path);
    }
    if (l != NULL && opt->module != NULL) {
        l->module = strdup(opt->module);
    }
    if (l == NULL || (path != NULL && l->path == NULL) ||
        (opt->module != NULL && l->module == NULL)) {
        listener_free(l);
        return edge_set(err, EDGE_NOMEM, "out of memory for a listener");
    }
    list_init(&l->conns);
    l->server = s;
    l->max_conns = opt->max_conns > 0 ? opt->max_conns : HTTP_LISTENER_CONNS;
    l->max_conns_per_peer = opt->max_conns_per_peer > 0 ? opt->max_conns_per_peer : HTTP_PEER_CONNS;
    l->max_conns_per_group =
        opt->max_conns_per_group > 0 ? opt->max_conns_per_group : HTTP_GROUP_CONNS;
    l->max_refused = opt->max_refused > 0 ? opt->max_refused : HTTP_REFUSED_MAX;
    *ret = l;
    return EDGE_OK;
}

/* Starts listening. Takes l and fd over in any case. */
static enum edge_code listener_start(struct http_listener *l, int fd, struct edge_error *err) {
    struct http_server *s = l->server;
    open_timer(s);
    (void)uv_pipe_init(s->uv, &l->pipe, 0);
    l->pipe.data = l;
    list_append(&s->listeners, &l->node);
    int rc = uv_pipe_open(&l->pipe, fd);
    if (rc != 0) {
        (void)close(fd);
    } else {
        rc = uv_listen((uv_stream_t *)&l->pipe, HTTP_BACKLOG, on_connection);
    }
    if (rc != 0) {
        listener_close(l);
        return edge_set_native(err, EDGE_IO, EDGE_DOMAIN_UV, rc, "could not listen: %s",
                               uv_strerror(rc));
    }
    return EDGE_OK;
}

enum edge_code http_server_listen_path(struct http_server *s, const char *path,
                                       const struct http_listen_options *opt,
                                       struct edge_error *err) {
    struct http_listener *l;
    int fd = -1;
    enum edge_code code = listener_new(s, opt, path, &l, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = http_socket_bind(path, opt->mode, &fd, &l->file, err);
    if (code != EDGE_OK) {
        listener_free(l);
        return code;
    }
    code = listener_start(l, fd, err);
    if (code == EDGE_OK) {
        log_info("%s: listening on '%s'", s->core.service->name, path);
    }
    return code;
}

enum edge_code http_server_listen_fd(struct http_server *s, int fd,
                                     const struct http_listen_options *opt,
                                     struct edge_error *err) {
    struct http_listener *l;
    enum edge_code code = http_socket_check(fd, err);
    if (code == EDGE_OK) {
        code = listener_new(s, opt, NULL, &l, err);
    }
    if (code != EDGE_OK) {
        (void)close(fd);
        return code;
    }
    code = listener_start(l, fd, err);
    if (code == EDGE_OK && opt->module == NULL) {
        log_info("%s: listening on the inherited socket %d", s->core.service->name, fd);
    }
    return code;
}

void http_server_unlisten(struct http_server *s, const char *module) {
    list_for_each (pos, tmp, &s->listeners) {
        struct http_listener *l = LIST_ENTRY(pos, struct http_listener, node);
        if (l->module != NULL && strcmp(l->module, module) == 0) {
            listener_close(l);
        }
    }
}

/* --- the end --- */

static void on_rest_closed(uv_handle_t *handle) {
    struct http_server *s = handle->data;
    s->timer_open = false;
    s->drained(s->drained_data);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct http_server *s = handle->data;
    uv_close((uv_handle_t *)&s->rest, on_rest_closed);
}

void http_server_settle(struct http_server *s, struct http_listener *l) {
    if (l != NULL && l->closed && list_is_empty(&l->conns)) {
        list_remove(&l->node);
        listener_free(l);
    }
    if (s->drain_ms != 0 && s->links == 0 && list_is_empty(&s->listeners) && !s->sink_open &&
        !uv_is_closing((uv_handle_t *)&s->timer)) {
        uv_close((uv_handle_t *)&s->timer, on_timer_closed);
    }
}

static void drain_links(struct http_listener *l) {
    list_for_each (pos, tmp, &l->conns) {
        struct http_link *k = LIST_ENTRY(pos, struct http_link, node);
        http_conn_no_keep_alive(&k->x.conn);
        if (http_conn_is_idle(&k->x.conn) || k->refused) {
            http_link_close(k);
        }
    }
}

void http_server_drain(struct http_server *s, uint32_t timeout_ms, void (*done)(void *data),
                       void *data) {
    uint64_t now_ms = uv_now(s->uv);
    uint32_t streams_ms = timeout_ms < HTTP_DRAIN_STREAM_MS ? timeout_ms : HTTP_DRAIN_STREAM_MS;
    open_timer(s);
    s->core.draining = true;
    s->drained = done;
    s->drained_data = data;
    s->drain_ms = now_ms + timeout_ms;
    s->drain_streams_ms = now_ms + streams_ms;
    list_for_each (pos, tmp, &s->listeners) {
        struct http_listener *l = LIST_ENTRY(pos, struct http_listener, node);
        listener_close(l);
        drain_links(l);
    }
    http_server_arm_at(s, s->drain_streams_ms);
    http_server_settle(s, NULL);
}
