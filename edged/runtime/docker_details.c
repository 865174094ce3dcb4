/* SPDX-License-Identifier: MIT */
/*
 * edgeAgent lists all modules every few seconds while hardly ever something happens to one. A
 * state that no event announces (a pause) is noticed by the word in the list.
 */
#include "runtime/docker_details.h"

#include "base/map.h"
#include "base/slice.h"

#include <stdlib.h>
#include <string.h>

struct details {
    char *image;
    enum runtime_status status;
    char state[RUNTIME_STATE_MAX + 1];
    char started[RUNTIME_TIME_LEN + 1];
    char finished[RUNTIME_TIME_LEN + 1];
    bool has_exit_code;
    int64_t exit_code;
};

struct docker_details {
    struct map *by_id;
    bool live; /* events come */
};

static void details_free(void *value) {
    struct details *one = value;
    if (one != NULL) {
        free(one->image);
        free(one);
    }
}

enum edge_code docker_details_new(struct docker_details **ret, struct edge_error *err) {
    struct docker_details *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    enum edge_code code = map_new(RUNTIME_CONTAINERS_MAX, details_free, &d->by_id, err);
    if (code != EDGE_OK) {
        free(d);
        return code;
    }
    *ret = d;
    return EDGE_OK;
}

void docker_details_free(struct docker_details *d) {
    if (d != NULL) {
        map_free(d->by_id);
        free(d);
    }
}

void docker_details_event(struct docker_details *d, enum runtime_event event, const char *id) {
    if (id != NULL) {
        (void)map_remove(d->by_id, slice_str(id));
        return;
    }
    map_clear(d->by_id);
    d->live = event == RUNTIME_EVENT_CONNECTED;
}

void docker_details_keep(struct docker_details *d, const struct runtime_module *m,
                         const char *listed_state) {
    if (!d->live || strcmp(m->state, listed_state) != 0) {
        return;
    }
    struct details *one = calloc(1, sizeof(*one));
    if (one == NULL || (one->image = strdup(m->image)) == NULL) {
        details_free(one);
        return;
    }
    one->status = m->status;
    memcpy(one->state, m->state, sizeof(one->state));
    memcpy(one->started, m->started, sizeof(one->started));
    memcpy(one->finished, m->finished, sizeof(one->finished));
    one->has_exit_code = m->has_exit_code;
    one->exit_code = m->exit_code;
    enum edge_code code = map_put(d->by_id, slice_str(m->id), one, NULL);
    if (code != EDGE_OK) {
        details_free(one);
    }
}

bool docker_details_fill(const struct docker_details *d, struct runtime_module *m) {
    const struct details *one = map_get(d->by_id, slice_str(m->id));
    if (one == NULL || strcmp(one->state, m->state) != 0) {
        return false;
    }
    memcpy(m->image, one->image, strlen(one->image) + 1);
    m->status = one->status;
    memcpy(m->started, one->started, sizeof(m->started));
    memcpy(m->finished, one->finished, sizeof(m->finished));
    m->has_exit_code = one->has_exit_code;
    m->exit_code = one->exit_code;
    return true;
}
