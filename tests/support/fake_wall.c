/* SPDX-License-Identifier: MIT */
/*
 * See fake_wall.h.
 */
#include "fake_wall.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

struct listener {
    void (*fn)(void *data);
    void *data;
};

struct wall {
    struct loop *loop;
    enum wall_state state;
    int64_t offset_s;
    int64_t last_hint;
    unsigned hint_cnt;
    struct listener listeners[WALL_LISTENER_MAX];
    size_t listener_cnt;
};

struct wall *fake_wall_new(void) {
    struct wall *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        abort();
    }
    w->state = WALL_PLAUSIBLE;
    return w;
}

void fake_wall_set(struct wall *w, enum wall_state state, int64_t offset_s) {
    w->state = state;
    w->offset_s = state == WALL_CORRECTED ? offset_s : 0;
    for (size_t i = 0; i < w->listener_cnt; i++) {
        w->listeners[i].fn(w->listeners[i].data);
    }
}

unsigned fake_wall_hint_cnt(const struct wall *w) {
    return w->hint_cnt;
}

int64_t fake_wall_last_hint(const struct wall *w) {
    return w->last_hint;
}

enum edge_code wall_new(struct loop *l, struct worker *worker, const char *state_dir,
                        struct wall **ret, struct edge_error *err) {
    (void)worker;
    (void)state_dir;
    (void)err;
    struct wall *w = fake_wall_new();
    w->loop = l;
    *ret = w;
    return EDGE_OK;
}

enum edge_code wall_start(struct wall *w, struct edge_error *err) {
    (void)w;
    (void)err;
    return EDGE_OK;
}

enum edge_code wall_on_change(struct wall *w, void (*fn)(void *data), void *data,
                              struct edge_error *err) {
    if (w->listener_cnt == WALL_LISTENER_MAX) {
        return edge_set(err, EDGE_RANGE, "too many listeners");
    }
    w->listeners[w->listener_cnt++] = (struct listener){fn, data};
    return EDGE_OK;
}

enum wall_state wall_get_state(const struct wall *w) {
    return w != NULL ? w->state : WALL_PLAUSIBLE;
}

const char *wall_state_name(enum wall_state s) {
    static const char *const names[] = {"unknown", "plausible", "synced", "corrected", "wrong"};
    return (size_t)s < sizeof(names) / sizeof(names[0]) ? names[s] : "?";
}

bool wall_is_usable(const struct wall *w) {
    return w == NULL || (w->state != WALL_UNKNOWN && w->state != WALL_WRONG);
}

bool wall_is_trusted(const struct wall *w) {
    return w == NULL || w->state == WALL_SYNCED || w->state == WALL_CORRECTED;
}

int64_t wall_now_s(const struct wall *w) {
    return clock_wall_s() + (w != NULL ? w->offset_s : 0);
}

struct wall_time wall_get_time(const struct wall *w) {
    return (struct wall_time){
        .now_s = wall_now_s(w), .is_usable = wall_is_usable(w), .is_trusted = wall_is_trusted(w)};
}

void wall_describe(const struct wall *w, char *out, size_t size) {
    (void)snprintf(out, size, "the clock is %s", wall_state_name(wall_get_state(w)));
}

void wall_hint(struct wall *w, int64_t date_wall_s) {
    if (w != NULL) {
        w->last_hint = date_wall_s;
        w->hint_cnt++;
    }
}

void wall_stop(struct wall *w, void (*stopped)(void *data), void *data) {
    if (loop_post(w->loop, stopped, data, NULL) != EDGE_OK) {
        abort();
    }
}

void wall_free(struct wall *w) {
    free(w);
}
