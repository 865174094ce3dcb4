/* SPDX-License-Identifier: MIT */
/*
 * Connections: accept with the peer's credentials and the limits, read, write, and the signs by
 * which a client that left is known.
 */
#include "http/http_server_uv.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/http_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_link *link_of(struct http_exchange *x) {
    return (struct http_link *)x;
}

static int fd_of(const struct http_link *k) {
    uv_os_fd_t fd = -1;
    (void)uv_fileno((const uv_handle_t *)&k->pipe, &fd);
    return fd;
}

/* --- memory --- */

static struct http_link *link_new(struct http_listener *l) {
    struct http_server *s = l->server;
    struct http_link *k;
    if (!list_is_empty(&s->spares)) {
        k = LIST_ENTRY(s->spares.next, struct http_link, node);
        list_remove(&k->node);
        s->spare_cnt--;
    } else {
        k = malloc(sizeof(*k));
        if (k == NULL) {
            return NULL;
        }
    }
    http_exchange_init(&k->x, &s->core, s);
    k->x.listener_module = l->module;
    k->listener = l;
    k->hup_fd = -1;
    k->write_len = 0;
    k->handles = 0;
    k->writing = false;
    k->reading = false;
    k->refused = false;
    k->grouped = false;
    k->group = 0;
    list_append(&l->conns, &k->node);
    s->links++;
    return k;
}

static void link_free(struct http_link *k) {
    struct http_listener *l = k->listener;
    struct http_server *s = l->server;
    http_exchange_clear(&k->x);
    http_peer_clear(&k->x.peer);
    if (k->hup_fd >= 0) {
        (void)close(k->hup_fd);
    }
    list_remove(&k->node);
    s->links--;
    if (s->spare_cnt < HTTP_SPARE_MAX) {
        list_append(&s->spares, &k->node);
        s->spare_cnt++;
    } else {
        free(k);
    }
    http_server_settle(s, l);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct http_link *k = handle->data;
    if (--k->handles == 0) {
        link_free(k);
    }
}

void http_link_close(struct http_link *k) {
    struct http_server *s = k->listener->server;
    if (k->x.dead) {
        return;
    }
    http_exchange_kill(&k->x);
    if (k->refused) {
        k->listener->refused--;
    } else {
        k->listener->open--;
        s->core.stats.open--;
    }
    uv_close((uv_handle_t *)&k->pipe, on_handle_closed);
    if (k->hup_fd >= 0) {
        uv_close((uv_handle_t *)&k->hup, on_handle_closed);
    }
}

void http_server_close(struct http_exchange *x) {
    http_link_close(link_of(x));
}

/* --- clients that left --- */

/* A closed peer hangs up; one that shut only its writing side does not. */
static bool has_hung_up(const struct http_link *k) {
    struct pollfd p = {.fd = fd_of(k)};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_hup(uv_poll_t *handle, int status, int events) {
    struct http_link *k = handle->data;
    (void)status;
    (void)events;
    if (has_hung_up(k)) {
        http_link_close(k);
    }
}

/* Reading is over, so libuv does not look at the socket any more. A poll for urgent data, which
 * Unix sockets do not have, still reports a hang-up; it needs a descriptor of its own, as libuv has
 * one watcher for each. Without it the client's end is seen when the answer is written. */
static void watch_hup(struct http_link *k) {
    if (k->hup_fd >= 0) {
        return;
    }
    int fd = fcntl(fd_of(k), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    if (uv_poll_init(k->listener->server->uv, &k->hup, fd) != 0) {
        (void)close(fd);
        return;
    }
    k->hup.data = k;
    k->hup_fd = fd;
    k->handles++;
    (void)uv_poll_start(&k->hup, UV_PRIORITIZED, on_hup);
}

static void on_input_end(struct http_link *k) {
    k->reading = false;
    http_conn_eof(&k->x.conn);
    if (http_conn_is_busy(&k->x.conn)) {
        if (has_hung_up(k)) {
            http_link_close(k);
            return;
        }
        watch_hup(k);
    }
    http_exchange_run(&k->x);
}

/* --- reading --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct http_link *k = handle->data;
    struct http_server *s = k->listener->server;
    (void)suggested;
    *buf = uv_buf_init((char *)s->input, sizeof(s->input));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
    struct http_link *k = stream->data;
    if (len > 0) {
        http_conn_feed(&k->x.conn, buf->base, (size_t)len);
        http_exchange_run(&k->x);
        secret_wipe(buf->base, (size_t)len);
    } else if (len == UV_EOF) {
        on_input_end(k);
    } else if (len < 0) {
        http_link_close(k);
    }
}

void http_server_watch_input(struct http_exchange *x) {
    struct http_link *k = link_of(x);
    bool want = !x->conn.eof && (x->lingering || http_conn_wants_input(&x->conn));
    if (!want && x->phase == HTTP_PHASE_STREAM) {
        watch_hup(k); /* its source may have nothing to say for days, and it has no deadline */
    }
    if (want == k->reading) {
        return;
    }
    if (!want) {
        (void)uv_read_stop((uv_stream_t *)&k->pipe);
        k->reading = false;
    } else if (uv_read_start((uv_stream_t *)&k->pipe, on_alloc, on_read) == 0) {
        k->reading = true;
    } else {
        http_link_close(k);
    }
}

void http_server_linger(struct http_exchange *x) {
    (void)shutdown(fd_of(link_of(x)), SHUT_WR);
}

/* --- writing --- */

static void on_written(uv_write_t *req, int status) {
    struct http_link *k = req->data;
    k->writing = false;
    if (k->x.dead) {
        return;
    }
    if (status < 0) {
        http_link_close(k);
        return;
    }
    http_conn_sent(&k->x.conn, k->write_len);
    http_exchange_run(&k->x);
}

static unsigned take_output(struct http_link *k, uv_buf_t bufs[2], size_t *ret_len) {
    struct slice parts[2];
    size_t cnt = http_conn_output(&k->x.conn, parts);
    *ret_len = 0;
    for (size_t i = 0; i < cnt; i++) {
        bufs[i].base = (char *)(uintptr_t)parts[i].ptr;
        bufs[i].len = parts[i].len;
        *ret_len += parts[i].len;
    }
    return (unsigned)cnt;
}

bool http_server_send(struct http_exchange *x) {
    struct http_link *k = link_of(x);
    uv_stream_t *stream = (uv_stream_t *)&k->pipe;
    uv_buf_t bufs[2];
    size_t len;
    unsigned cnt;
    if (k->writing || x->dead) {
        return false;
    }
    while ((cnt = take_output(k, bufs, &len)) > 0) {
        int rc = uv_try_write(stream, bufs, cnt);
        if (rc < 0 && rc != UV_EAGAIN) {
            http_link_close(k);
            return false;
        }
        if (rc > 0) {
            http_conn_sent(&x->conn, (size_t)rc);
        }
        if (rc < 0 || (size_t)rc < len) {
            cnt = take_output(k, bufs, &k->write_len);
            k->write.data = k;
            k->writing = uv_write(&k->write, stream, bufs, cnt, on_written) == 0;
            if (!k->writing) {
                http_link_close(k);
            }
            return false;
        }
    }
    return true;
}

size_t http_server_unsent(const struct http_exchange *x) {
    const struct http_link *k = (const struct http_link *)x;
    return uv_stream_get_write_queue_size((const uv_stream_t *)&k->pipe);
}

/* --- accepting --- */

static void on_sink_closed(uv_handle_t *handle) {
    struct http_server *s = handle->data;
    s->sink_open = false;
    list_for_each (pos, tmp, &s->listeners) {
        struct http_listener *l = LIST_ENTRY(pos, struct http_listener, node);
        if (l->waiting && !l->closing) {
            l->waiting = false;
            http_link_accept(l);
        }
    }
    http_server_settle(s, NULL);
}

/* A client that there is no memory for must be accepted all the same, or libuv stops listening. */
static void drop_client(struct http_listener *l) {
    struct http_server *s = l->server;
    s->core.stats.refused++;
    if (s->sink_open) {
        l->waiting = true;
        return;
    }
    (void)uv_pipe_init(s->uv, &s->sink, 0);
    s->sink.data = s;
    s->sink_open = true;
    (void)uv_accept((uv_stream_t *)&l->pipe, (uv_stream_t *)&s->sink);
    uv_close((uv_handle_t *)&s->sink, on_sink_closed);
    log_warn("%s: a connection was dropped: out of memory", s->core.service->name);
}

/* A stream whose client does not read. Nobody is sent away for that alone: it may be a pager. */
static bool is_stalled(const struct http_link *k) {
    const struct http_exchange *x = &k->x;
    return x->paused &&
           http_server_now_ms(x->server) - x->waiting_since_ms >= x->core->times.idle_ms;
}

/* Whether it is the client's turn: nothing is lost but its patience when it is sent away. */
static bool keeps_us_waiting(const struct http_link *k) {
    switch (k->x.wait) {
    case HTTP_WAIT_HEAD:
    case HTTP_WAIT_BODY:
    case HTTP_WAIT_IDLE:
    case HTTP_WAIT_SENT:
    case HTTP_WAIT_LINGER:
        return !k->refused && !k->x.dead;
    case HTTP_WAIT_NOTHING:
        return !k->x.dead && is_stalled(k);
    case HTTP_WAIT_HANDLER:
        break;
    }
    return false;
}

/* One who has not said anything yet may be about to, and is told; for others the end says it. */
static void send_away(struct http_link *k) {
    struct http_listener *l = k->listener;
    if (k->x.id != 0 || !http_conn_is_idle(&k->x.conn) || l->refused >= l->max_refused) {
        http_link_close(k);
        return;
    }
    l->open--;
    l->server->core.stats.open--;
    l->refused++;
    k->refused = true;
    http_exchange_turn_away(&k->x);
}

/* At the limit a newcomer takes the place of the client that has kept us waiting the longest.
 * Otherwise the processes of one slow container could hold all places, and nobody else would get
 * in; whoever speaks at once is never the one to go. */
static void make_room(struct http_listener *l, const struct http_link *newcomer) {
    struct http_link *longest = NULL;
    list_for_each (pos, tmp, &l->conns) {
        struct http_link *k = LIST_ENTRY(pos, struct http_link, node);
        if (k != newcomer && keeps_us_waiting(k) &&
            (longest == NULL || k->x.waiting_since_ms < longest->x.waiting_since_ms)) {
            longest = k;
        }
    }
    if (longest != NULL) {
        log_debug("%s: a connection of pid %d makes room", l->server->core.service->name,
                  (int)longest->x.peer.pid);
        send_away(longest);
    }
}

static bool counts(const struct http_link *k, const struct http_link *newcomer) {
    return k != newcomer && !k->refused && !k->x.dead;
}

/* Peers of another pid namespace have no number here and cannot be told apart. */
static bool is_above_peer_limit(const struct http_listener *l, const struct http_link *newcomer) {
    const pid_t pid = newcomer->x.peer.pid;
    unsigned same = 0;
    if (pid == 0 || l->open < l->max_conns_per_peer) {
        return false;
    }
    list_for_each (pos, tmp, &l->conns) {
        const struct http_link *k = LIST_ENTRY(pos, struct http_link, node);
        same += counts(k, newcomer) && k->x.peer.pid == pid ? 1 : 0;
    }
    return same >= l->max_conns_per_peer;
}

static uint64_t group_of(struct http_link *k) {
    const struct http_service *service = k->listener->server->core.service;
    if (!k->grouped) {
        k->grouped = true;
        k->group = service->group(service->data, &k->x.peer);
    }
    return k->group;
}

static bool is_above_group_limit(struct http_listener *l, struct http_link *newcomer) {
    unsigned same = 0;
    if (l->server->core.service->group == NULL || l->open < l->max_conns_per_group) {
        return false;
    }
    const uint64_t group = group_of(newcomer);
    if (group == 0) {
        return false;
    }
    list_for_each (pos, tmp, &l->conns) {
        struct http_link *k = LIST_ENTRY(pos, struct http_link, node);
        same += counts(k, newcomer) && group_of(k) == group ? 1 : 0;
    }
    return same >= l->max_conns_per_group;
}

/* The newcomer is in the list already and counts for nothing yet. */
static bool is_above_limits(struct http_listener *l, struct http_link *newcomer) {
    if (is_above_peer_limit(l, newcomer) || is_above_group_limit(l, newcomer)) {
        return true;
    }
    if (l->open >= l->max_conns) {
        make_room(l, newcomer);
    }
    return l->open >= l->max_conns;
}

/* Counts the link in; false when it may not even be told that it is one too many. */
static bool admit(struct http_link *k) {
    struct http_listener *l = k->listener;
    struct http_server *s = l->server;
    struct edge_error err = {0};
    enum edge_code code = http_peer_read(fd_of(k), &k->x.peer, &err);
    k->refused = code == EDGE_OK && is_above_limits(l, k);
    if (k->refused) {
        l->refused++;
        s->core.stats.refused++;
        log_warn("%s: pid %d has a connection too many (%u open at the %s)", s->core.service->name,
                 (int)k->x.peer.pid, l->open, l->module != NULL ? l->module : "shared socket");
        return l->refused <= l->max_refused;
    }
    l->open++;
    s->core.stats.open++;
    if (code == EDGE_OK) {
        code = http_exchange_enter(&k->x, &err);
    }
    if (code != EDGE_OK) {
        s->core.stats.refused++;
        log_warn("%s: a connection was dropped: %s", s->core.service->name, edge_error_text(&err));
    }
    return code == EDGE_OK;
}

void http_link_accept(struct http_listener *l) {
    struct http_server *s = l->server;
    struct http_link *k = link_new(l);
    if (k == NULL) {
        drop_client(l);
        return;
    }
    (void)uv_pipe_init(s->uv, &k->pipe, 0);
    k->pipe.data = k;
    k->handles = 1;
    int rc = uv_accept((uv_stream_t *)&l->pipe, (uv_stream_t *)&k->pipe);
    s->core.stats.accepted += rc == 0 ? 1 : 0;
    if (!admit(k) || rc != 0) {
        http_link_close(k);
    } else if (k->refused) {
        http_exchange_turn_away(&k->x);
    } else {
        http_exchange_run(&k->x);
    }
}
