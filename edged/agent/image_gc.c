/* SPDX-License-Identifier: MIT */
/*
 * A look: each image of ours is found and asked for its containers, one after the other; then all
 * idle times are added up at once, and what has been idle for too long is removed. A look that
 * fails has changed nothing and is begun again later.
 */
#include "agent/image_gc.h"

#include "agent/image_account.h"
#include "agent/image_claim.h"
#include "agent/image_pulls.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/backoff.h"
#include "runtime/image_name.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS   60000
#define RETRY_START_MS (5u * 60 * 1000)
#define RETRY_MAX_MS   (60u * 60 * 1000)
#define AFTER_PULL_MS  1000

/* One record in a look. */
struct view {
    struct image_record *record;
    enum image_claim claim;
    bool used;
    char *target; /* what the engine is to remove */
};

struct image_gc {
    struct image_gc_deps deps;
    char dir[PATH_MAX];
    char bootstrap[RUNTIME_IMAGE_MAX + 1]; /* in full, or "" */
    struct loop_timer *timer;              /* the next look or attempt, or the end of stopping */
    struct backoff backoff;
    struct image_account account;
    struct image_pulls pulls;
    unsigned pulling;
    bool is_due; /* the next look, put off until pulls have ended */

    uint64_t begun_mono_ms, looked_mono_ms; /* the latter 0: not in this run */
    struct view *views;                     /* of a look under way */
    size_t view_cnt, at;
    bool in_engine;
    struct op op;

    bool stopping;
    void (*stopped)(void *data);
    void *stopped_data;
};

static void look_on(struct image_gc *g);
static void remove_on(struct image_gc *g);

static void check_stopped(struct image_gc *g) {
    if (g->stopping && !g->in_engine && !g->account.under_way && image_pulls_is_idle(&g->pulls)) {
        loop_timer_start(g->timer, 0);
    }
}

/* --- When --- */

/* How long ago the last look was, as far as it is known. */
static uint64_t since_look_s(const struct image_gc *g) {
    uint64_t now_ms = clock_mono_ms(), max_s = 2 * (uint64_t)g->deps.interval_s;
    uint64_t since_s = (now_ms - g->begun_mono_ms) / 1000;
    if (g->looked_mono_ms != 0) {
        since_s = (now_ms - g->looked_mono_ms) / 1000;
    } else if (g->account.use.looked_wall_s != 0 && wall_is_usable(g->deps.wall)) {
        int64_t wall_s = wall_now_s(g->deps.wall);
        if (wall_s > g->account.use.looked_wall_s) {
            uint64_t gone_s = (uint64_t)wall_s - (uint64_t)g->account.use.looked_wall_s;
            since_s = gone_s > since_s ? gone_s : since_s;
        }
    }
    return since_s < max_s ? since_s : max_s;
}

static void arm(struct image_gc *g) {
    if (g->stopping || !g->deps.enabled || !g->account.has_read || g->account.use.cnt == 0 ||
        g->views != NULL || g->is_due || loop_timer_is_active(g->timer)) {
        return;
    }
    bool is_known = g->looked_mono_ms != 0 ||
                    (g->account.use.looked_wall_s != 0 && wall_is_usable(g->deps.wall));
    uint64_t since_s = since_look_s(g), delay_ms = g->deps.settle_ms;
    if (is_known && since_s < g->deps.interval_s &&
        (g->deps.interval_s - since_s) * 1000 > delay_ms) {
        delay_ms = (g->deps.interval_s - since_s) * 1000;
    }
    loop_timer_start(g->timer, delay_ms);
}

static void retry(struct image_gc *g, const char *what, const struct edge_error *err) {
    uint32_t delay_ms = backoff_next(&g->backoff, 0);
    log_warn("%s: %s; trying again in %u min", what, edge_error_text(err),
             (unsigned)(delay_ms / 60000) + 1);
    loop_timer_start(g->timer, delay_ms);
}

/* --- The end of a look --- */

static void end_look(struct image_gc *g) {
    for (size_t i = 0; i < g->view_cnt; i++) {
        free(g->views[i].target);
    }
    free(g->views);
    g->views = NULL;
    g->view_cnt = 0;
}

static void fail_look(struct image_gc *g, const struct edge_error *err) {
    end_look(g);
    if (!g->stopping) {
        retry(g, "images cannot be looked at", err);
    }
    check_stopped(g);
}

/* --- Removal --- */

static void forget(struct image_gc *g, struct image_record *r) {
    for (size_t i = 0; i < g->account.use.cnt; i++) {
        if (g->account.use.records[i] == r) {
            image_use_remove(&g->account.use, i);
            return;
        }
    }
}

static void on_removed(void *data, enum edge_code code, const struct edge_error *err) {
    struct image_gc *g = data;
    struct view *v = &g->views[g->at++];
    const char *name = v->record->name;

    g->in_engine = false;
    if (code == EDGE_OK) {
        log_info("Image %s was removed: no container has used it for %u days", log_quote_str(name),
                 (unsigned)(v->record->idle_s / 86400));
        forget(g, v->record);
    } else if (code == EDGE_CONFLICT) {
        log_debug("image %s is kept: %s", log_quote_str(name), edge_error_text(err));
    } else if (code != EDGE_CANCELED) {
        log_warn("Image %s, which no container uses, cannot be removed now: %s",
                 log_quote_str(name), edge_error_text(err));
    }
    remove_on(g);
}

static bool is_old(const struct image_gc *g, const struct view *v) {
    return v->claim == IMAGE_CLAIM_OURS && v->record->idle_s > 0 &&
           v->record->idle_s >= g->deps.age_s;
}

static void remove_on(struct image_gc *g) {
    struct edge_error err;
    while (g->at < g->view_cnt && !g->stopping) {
        const struct view *v = &g->views[g->at];
        if (!is_old(g, v)) {
            g->at++;
        } else if (g->pulling > 0) {
            g->is_due = true;
            break;
        } else if (runtime_image_remove(g->deps.runtime, v->target, on_removed, g, &g->op, &err) ==
                   EDGE_OK) {
            g->in_engine = true;
            return;
        } else {
            log_debug("image %s: %s", log_quote_str(v->record->name), edge_error_text(&err));
            g->at++;
        }
    }
    end_look(g);
    image_account_save(&g->account);
    arm(g);
    check_stopped(g);
}

/* --- The look --- */

/* Whatever was used at any time since the last look begins anew with this one. */
static void add_up(struct image_gc *g) {
    uint64_t since_s = since_look_s(g);
    for (size_t i = 0; i < g->view_cnt; i++) {
        struct view *v = &g->views[i];
        struct image_record *r = v->record;
        if (v->claim == IMAGE_CLAIM_GONE) {
            forget(g, r);
        } else if (v->used) {
            r->idle_s = 0;
        } else if (r->idle_s == 0) {
            r->idle_s = 1;
        } else {
            uint64_t idle_s = r->idle_s + since_s;
            r->idle_s = idle_s < UINT32_MAX ? (uint32_t)idle_s : UINT32_MAX;
        }
    }
    g->looked_mono_ms = clock_mono_ms();
    g->account.use.looked_wall_s = wall_is_usable(g->deps.wall) ? wall_now_s(g->deps.wall) : 0;
    backoff_reset(&g->backoff);
}

static void on_users(void *data, enum edge_code code, const struct edge_error *err) {
    struct image_gc *g = data;
    struct view *v = &g->views[g->at];

    g->in_engine = false;
    if (code != EDGE_OK && code != EDGE_CONFLICT && code != EDGE_NOT_FOUND) {
        fail_look(g, err);
        return;
    }
    v->used = code == EDGE_CONFLICT;
    g->at++;
    look_on(g);
}

static void ask_for_users(struct image_gc *g) {
    struct edge_error err;
    struct view *v = &g->views[g->at];
    if (runtime_image_unused(g->deps.runtime, v->record->id, on_users, g, &g->op, &err) ==
        EDGE_OK) {
        g->in_engine = true;
    } else {
        fail_look(g, &err);
    }
}

/* An image that tells what cannot be read is let alone: its maker must not keep the others. */
static void on_found(void *data, enum edge_code code, const struct runtime_image *image,
                     const struct edge_error *err) {
    struct image_gc *g = data;
    struct view *v = &g->views[g->at];
    struct edge_error own_err;
    char target[RUNTIME_IMAGE_MAX + 1];

    g->in_engine = false;
    if (code == EDGE_OK) {
        v->claim = image_claim_of(v->record->name, image, g->bootstrap, target);
    } else if (code == EDGE_NOT_FOUND) {
        v->claim = IMAGE_CLAIM_GONE;
    } else if (code == EDGE_RANGE || code == EDGE_PARSE) {
        v->claim = IMAGE_CLAIM_KEPT;
    } else {
        fail_look(g, err);
        return;
    }
    if (v->claim == IMAGE_CLAIM_OURS) {
        v->target = slice_dup(slice_str(target));
        if (v->target == NULL) {
            (void)edge_set(&own_err, EDGE_NOMEM, "out of memory");
            fail_look(g, &own_err);
            return;
        }
        ask_for_users(g);
        return;
    }
    v->used = true;
    g->at++;
    look_on(g);
}

static void look_on(struct image_gc *g) {
    struct edge_error err;
    if (g->stopping) {
        (void)edge_set(&err, EDGE_CANCELED, "stopping");
        fail_look(g, &err);
    } else if (g->at == g->view_cnt) {
        add_up(g);
        g->at = 0;
        remove_on(g);
    } else if (runtime_image_find(g->deps.runtime, g->views[g->at].record->id, on_found, g, &g->op,
                                  &err) == EDGE_OK) {
        g->in_engine = true;
    } else {
        fail_look(g, &err);
    }
}

static void look(struct image_gc *g) {
    struct edge_error err;
    g->views = calloc(g->account.use.cnt, sizeof(*g->views));
    if (g->views == NULL) {
        (void)edge_set(&err, EDGE_NOMEM, "out of memory");
        fail_look(g, &err);
        return;
    }
    for (size_t i = 0; i < g->account.use.cnt; i++) {
        g->views[i].record = g->account.use.records[i];
    }
    g->view_cnt = g->account.use.cnt;
    g->at = 0;
    look_on(g);
}

/* --- Pulls --- */

static void on_named(void *data, const char *name, const char *id, bool is_new) {
    struct image_gc *g = data;
    struct edge_error err;
    struct image_record *r = image_use_find(&g->account.use, name, id);

    if (r != NULL) {
        r->idle_s = 0;
    } else if (is_new) {
        if (image_use_add(&g->account.use, name, id, 0, &err) != EDGE_OK) {
            log_warn("Image %s will never be removed: %s", log_quote_str(name),
                     edge_error_text(&err));
            return;
        }
        image_account_save(&g->account);
        arm(g);
    }
}

static void on_end(void *data) {
    check_stopped(data);
}

static void on_read(void *data, enum edge_code code, const struct edge_error *err) {
    struct image_gc *g = data;
    if (code == EDGE_OK) {
        backoff_reset(&g->backoff);
        arm(g);
    } else if (!g->stopping) {
        retry(g, "It cannot be read which images were pulled for modules", err);
    }
}

/* An order for an image is as good as a container. */
static void touch(struct image_gc *g, const char *image) {
    char name[RUNTIME_IMAGE_MAX + 1];
    if (!image_name_full(slice_str(image), name)) {
        return;
    }
    for (size_t i = 0; i < g->account.use.cnt; i++) {
        struct image_record *r = g->account.use.records[i];
        if (r->idle_s > 0 && strcmp(r->name, name) == 0) {
            r->idle_s = 0;
            g->account.has_changed = true;
        }
    }
}

void image_gc_on_image(struct image_gc *g, enum module_image what, const char *image) {
    switch (what) {
    case MODULE_IMAGE_WANTED:
        touch(g, image);
        break;
    case MODULE_IMAGE_PULLING:
        g->pulling++;
        image_pulls_begin(&g->pulls, image);
        break;
    case MODULE_IMAGE_PULLED:
    case MODULE_IMAGE_FAILED:
        g->pulling--;
        image_pulls_finish(&g->pulls, image, what == MODULE_IMAGE_PULLED);
        if (g->is_due && g->pulling == 0 && !g->stopping) {
            g->is_due = false;
            loop_timer_start(g->timer, AFTER_PULL_MS);
        }
        break;
    }
}

/* --- Life --- */

static void on_timer(void *data) {
    struct image_gc *g = data;
    if (g->stopping) {
        g->stopped(g->stopped_data);
    } else if (!g->account.has_read) {
        image_account_read(&g->account);
    } else if (g->pulling > 0) {
        g->is_due = true;
    } else if (g->views == NULL && g->account.use.cnt > 0) {
        look(g);
    }
}

static enum edge_code open_gc(struct image_gc *g, struct edge_error *err) {
    const struct image_gc_deps *d = &g->deps;
    if (!slice_to_array(slice_str(d->state_dir), g->dir, sizeof(g->dir))) {
        return edge_set(err, EDGE_INVALID, "the path of the state directory is too long");
    }
    (void)image_name_full(slice_str(d->bootstrap_image), g->bootstrap);
    g->deps.state_dir = g->dir;
    g->deps.bootstrap_image = g->bootstrap;
    g->deps.settle_ms = d->settle_ms != 0 ? d->settle_ms : IMAGE_GC_SETTLE_MS;
    return loop_timer_new(d->loop, on_timer, g, &g->timer, err);
}

enum edge_code image_gc_new(const struct image_gc_deps *deps, struct image_gc **ret,
                            struct edge_error *err) {
    struct image_gc *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the account of images");
    }
    g->deps = *deps;
    g->begun_mono_ms = clock_mono_ms();
    g->pulls = (struct image_pulls){.loop = deps->loop,
                                    .runtime = deps->runtime,
                                    .on_named = on_named,
                                    .on_end = on_end,
                                    .data = g};
    g->account = (struct image_account){
        .worker = deps->worker, .dir = g->dir, .on_read = on_read, .on_idle = on_end, .data = g};
    image_pulls_init(&g->pulls);
    backoff_init(&g->backoff, RETRY_MIN_MS, RETRY_START_MS, RETRY_MAX_MS);
    enum edge_code code = open_gc(g, err);
    if (code != EDGE_OK) {
        free(g);
        return code;
    }
    loop_timer_start(g->timer, 0);
    *ret = g;
    return EDGE_OK;
}

void image_gc_stop(struct image_gc *g, void (*stopped)(void *data), void *data) {
    g->stopping = true;
    g->stopped = stopped;
    g->stopped_data = data;
    loop_timer_stop(g->timer);
    if (g->in_engine) {
        op_cancel(loop_ops(g->deps.loop), g->op);
    }
    image_pulls_stop(&g->pulls);
    if (g->account.has_changed) {
        image_account_save(&g->account);
    }
    check_stopped(g);
}

void image_gc_free(struct image_gc *g) {
    if (g != NULL) {
        loop_timer_free(g->timer);
        end_look(g);
        image_account_clear(&g->account);
        free(g);
    }
}
