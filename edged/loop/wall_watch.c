/* SPDX-License-Identifier: MIT */
/*
 * A timer on the wall clock that is due at the end of the kernel's time. It never fires; a step of
 * the clock cancels it, which makes its descriptor readable with ECANCELED.
 */
#include "loop/wall_watch.h"

#include <uv.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define END_OF_TIME_S ((time_t)(sizeof(time_t) > 4 ? INT64_C(9223372036) : INT32_MAX))

struct wall_watch {
    uv_poll_t poll;
    int fd;
    void (*fn)(void *data);
    void *data;
};

/* Arms the timer. A step since the last look is reported by this call, too, and then stays armed.
 */
static int arm(int fd) {
    const struct itimerspec end = {.it_value.tv_sec = END_OF_TIME_S};
    int rc = timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &end, NULL);
    return rc < 0 && errno != ECANCELED ? -1 : 0;
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    struct wall_watch *w = handle->data;
    uint64_t expirations;
    (void)events;
    ssize_t n = status == 0 ? read(w->fd, &expirations, sizeof(expirations)) : 0;
    if (n < 0 && errno != ECANCELED) {
        return; /* nothing there after all */
    }
    if (n >= 0 || arm(w->fd) < 0) {
        /* Broken, or due at once: it would call without end. */
        (void)uv_poll_stop(handle);
    }
    w->fn(w->data);
}

static void on_closed(uv_handle_t *handle) {
    struct wall_watch *w = handle->data;
    (void)close(w->fd);
    free(w);
}

enum edge_code wall_watch_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct wall_watch **ret, struct edge_error *err) {
    struct wall_watch *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory to watch the clock");
    }
    w->fn = fn;
    w->data = data;
    w->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (w->fd < 0 || arm(w->fd) < 0) {
        enum edge_code code = edge_set_errno(err, errno, "cannot watch the clock for steps");
        edge_cleanup_fd(&w->fd);
        free(w);
        return code;
    }
    int rc = uv_poll_init(loop_uv(l), &w->poll, w->fd);
    if (rc < 0) {
        edge_cleanup_fd(&w->fd);
        free(w);
        return edge_set_native(err, rc == UV_ENOMEM ? EDGE_NOMEM : EDGE_IO, EDGE_DOMAIN_UV, rc,
                               "cannot watch the clock for steps: %s", uv_strerror(rc));
    }
    w->poll.data = w;
    rc = uv_poll_start(&w->poll, UV_READABLE, on_readable);
    if (rc < 0) {
        uv_close((uv_handle_t *)&w->poll, on_closed);
        return edge_set_native(err, rc == UV_ENOMEM ? EDGE_NOMEM : EDGE_IO, EDGE_DOMAIN_UV, rc,
                               "cannot watch the clock for steps: %s", uv_strerror(rc));
    }
    uv_unref((uv_handle_t *)&w->poll);
    *ret = w;
    return EDGE_OK;
}

void wall_watch_free(struct wall_watch *w) {
    if (w != NULL) {
        uv_close((uv_handle_t *)&w->poll, on_closed);
    }
}
