/* SPDX-License-Identifier: MIT */
/*
 * Each change is a fixed row of steps. A step that needs the engine goes on from its callback; the
 * step TURN waits until no older change of the same module holds the turn.
 */
#include "runtime/module_ops.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)4 * 1024 * 1024)
#define AUTH_MAX ((size_t)64 * 1024)

enum step {
    STEP_END,
    STEP_LOOK, /* is it there? */
    STEP_PULL, /* or, when it may not be pulled, of an update: is the image there? */
    STEP_TURN,
    STEP_REMOVE,
    STEP_CREATE,
    STEP_START,
    STEP_STOP,
    STEP_RESTART,
};

#define STEPS_MAX 7

static const enum step plans[][STEPS_MAX] = {
    [MODULE_START] = {STEP_TURN, STEP_START},
    [MODULE_STOP] = {STEP_TURN, STEP_STOP},
    [MODULE_RESTART] = {STEP_TURN, STEP_RESTART},
    [MODULE_REMOVE] = {STEP_TURN, STEP_REMOVE},
    [MODULE_PULL] = {STEP_PULL},
    [MODULE_CREATE] = {STEP_PULL, STEP_TURN, STEP_CREATE},
    [MODULE_UPDATE] = {STEP_LOOK, STEP_PULL, STEP_TURN, STEP_REMOVE, STEP_CREATE, STEP_START},
};

static const char *const words[] = {
    [MODULE_START] = "started",   [MODULE_STOP] = "stopped", [MODULE_RESTART] = "restarted",
    [MODULE_REMOVE] = "removed",  [MODULE_PULL] = "fetched", [MODULE_CREATE] = "created",
    [MODULE_UPDATE] = "replaced",
};

struct module_ops {
    struct loop *loop;
    struct runtime *rt;
    struct list all; /* oldest first */
    unsigned cnt;
    bool closing;
    struct loop_timer *limit; /* of closing */
    void (*closed)(void *data);
    void *closed_data;
};

struct change {
    struct list node;
    struct module_ops *owner;
    enum module_change what;
    unsigned at; /* step of the plan */
    bool pull, start;
    bool waiting, turn;
    struct op op;   /* of the runtime, while a step is under way */
    unsigned tries; /* of the present step */
    struct loop_timer *again;
    char name[RUNTIME_NAME_MAX + 1];
    char image[RUNTIME_IMAGE_MAX + 1];
    struct buf auth, body; /* both may hold secrets */
    runtime_done_fn *done;
    void *data;
};

static void change_free(struct change *c) {
    loop_timer_free(c->again);
    buf_clear(&c->auth);
    buf_clear(&c->body);
    free(c);
}

static enum step step_of(const struct change *c) {
    return plans[c->what][c->at];
}

/* The old container is gone, or may be. */
static bool is_beyond_return(const struct change *c) {
    return c->what == MODULE_UPDATE && c->turn;
}

static void go_on(struct change *c, enum edge_code code, const struct edge_error *err);

/* --- Steps --- */

static void on_step(void *data, enum edge_code code, const struct edge_error *err) {
    go_on(data, code, err);
}

static void on_look(void *data, enum edge_code code, const struct runtime_module *list, size_t cnt,
                    const struct edge_error *err) {
    (void)list;
    (void)cnt;
    go_on(data, code, err);
}

/* Those that wait go first. */
static bool is_turn_free(const struct change *c) {
    list_for_each (node, tmp, &c->owner->all) {
        const struct change *other = LIST_ENTRY(node, struct change, node);
        if ((other->turn || other->waiting) && strcmp(other->name, c->name) == 0) {
            return false;
        }
    }
    return true;
}

static enum edge_code begin_step(struct change *c, struct edge_error *err) {
    struct runtime *rt = c->owner->rt;
    const struct runtime_spec spec = {c->name, c->image, buf_slice(&c->body)};

    switch (step_of(c)) {
    case STEP_LOOK:
        return runtime_inspect_module(rt, c->name, on_look, c, &c->op, err);
    case STEP_PULL:
        if (!c->pull) {
            return runtime_image_check(rt, c->image, on_step, c, &c->op, err);
        }
        return runtime_pull(rt, c->image, buf_slice(&c->auth), NULL, on_step, c, &c->op, err);
    case STEP_REMOVE:
        return runtime_remove(rt, c->name, on_step, c, &c->op, err);
    case STEP_CREATE:
        return runtime_create(rt, &spec, on_step, c, &c->op, err);
    case STEP_START:
        return runtime_start(rt, c->name, on_step, c, &c->op, err);
    case STEP_STOP:
        return runtime_stop(rt, c->name, RUNTIME_STOP_DEFAULT, on_step, c, &c->op, err);
    case STEP_RESTART:
        return runtime_restart(rt, c->name, on_step, c, &c->op, err);
    case STEP_END:
    case STEP_TURN:
        break;
    }
    return edge_set(err, EDGE_INTERNAL, "no such step");
}

/* Up to the next step that takes time; true in *ret_end when there is none left. */
static enum edge_code advance(struct change *c, bool *ret_end, struct edge_error *err) {
    for (;; c->at++) {
        switch (step_of(c)) {
        case STEP_END:
            *ret_end = true;
            return EDGE_OK;
        case STEP_PULL:
            if (c->pull || c->what == MODULE_UPDATE) {
                return begin_step(c, err);
            }
            break;
        case STEP_TURN:
            if (!is_turn_free(c)) {
                c->waiting = true;
                return EDGE_OK;
            }
            c->turn = true;
            break;
        case STEP_START:
            if (c->what != MODULE_UPDATE || c->start) {
                return begin_step(c, err);
            }
            break;
        default:
            return begin_step(c, err);
        }
    }
}

/* --- The end --- */

static void check_closed(struct module_ops *m) {
    if (m->closing && m->cnt == 0 && m->closed != NULL) {
        void (*closed)(void *data) = m->closed;
        m->closed = NULL;
        loop_timer_stop(m->limit);
        closed(m->closed_data);
    }
}

static void unlink_change(struct change *c) {
    list_remove(&c->node);
    c->owner->cnt--;
}

static void give_turn(struct module_ops *m, const char *name) {
    list_for_each (node, tmp, &m->all) {
        struct change *c = LIST_ENTRY(node, struct change, node);
        if (c->waiting && strcmp(c->name, name) == 0) {
            c->waiting = false;
            c->turn = true;
            go_on(c, EDGE_OK, NULL);
            return;
        }
    }
}

static void finish(struct change *c, enum edge_code code, const struct edge_error *err) {
    struct module_ops *m = c->owner;
    char name[RUNTIME_NAME_MAX + 1];
    bool had_turn = c->turn;

    memcpy(name, c->name, sizeof(name));
    unlink_change(c);
    if (code == EDGE_OK && c->what == MODULE_PULL) {
        log_info("Image %s for module %s is there", log_quote_str(c->image), name);
    } else if (code == EDGE_OK) {
        log_info("Module %s was %s", name, words[c->what]);
    }
    c->done(c->data, code, code == EDGE_OK ? NULL : err);
    change_free(c);
    if (had_turn) {
        give_turn(m, name);
    }
    check_closed(m);
}

static bool may_heal(const struct change *c, enum edge_code code) {
    switch (code) {
    case EDGE_NET:
    case EDGE_PROTO: /* the engine died in the middle of its answer */
    case EDGE_TIMEOUT:
    case EDGE_BUSY:
    case EDGE_RETRY:
        return true;
    case EDGE_CONFLICT:
        return step_of(c) == STEP_REMOVE; /* somebody else is at it */
    default:
        return false;
    }
}

/* What an attempt may have done whose answer was lost. */
static bool was_done_before(const struct change *c, enum edge_code code) {
    if (c->tries == 0) {
        return false;
    }
    return (step_of(c) == STEP_REMOVE && code == EDGE_NOT_FOUND) ||
           (step_of(c) == STEP_CREATE && (code == EDGE_CONFLICT || code == EDGE_EXISTS));
}

static void go_on(struct change *c, enum edge_code code, const struct edge_error *err) {
    struct edge_error own = {0};
    bool end = false;

    c->op = OP_NONE;
    if (is_beyond_return(c)) {
        if (was_done_before(c, code)) {
            code = EDGE_OK;
        }
        if (may_heal(c, code) && c->tries < MODULE_OPS_RETRIES) {
            c->tries++;
            log_debug("module %s: trying again: %s", c->name, edge_error_text(err));
            loop_timer_start(c->again, MODULE_OPS_RETRY_MS);
            return;
        }
    }
    if (code == EDGE_OK) {
        c->at++;
        c->tries = 0;
        err = &own;
        code = advance(c, &end, &own);
    }
    if (code != EDGE_OK || end) {
        finish(c, code, err);
    }
}

static void on_again(void *data) {
    struct change *c = data;
    struct edge_error err = {0};
    enum edge_code code = begin_step(c, &err);
    if (code != EDGE_OK) {
        go_on(c, code, &err);
    }
}

/* --- Orders --- */

static enum edge_code copy_order(struct change *c, const struct module_order *o,
                                 struct edge_error *err) {
    c->what = o->change;
    c->pull = o->pull || o->change == MODULE_PULL;
    c->start = o->start;
    buf_init_sensitive(&c->auth, AUTH_MAX);
    buf_init_sensitive(&c->body, BODY_MAX);
    if (!runtime_is_name(slice_str(o->name)) ||
        !slice_to_array(slice_str(o->name), c->name, sizeof(c->name))) {
        return edge_set(err, EDGE_INVALID, "not the name of a module");
    }
    if (!slice_to_array(slice_str(o->image), c->image, sizeof(c->image))) {
        return edge_set(err, EDGE_INVALID, "the name of the image is too long");
    }
    enum edge_code code = buf_append_slice(&c->auth, o->auth_json, err);
    return code != EDGE_OK ? code : buf_append_slice(&c->body, o->create_body, err);
}

static bool has_too_many(const struct change *c) {
    unsigned same = 0;
    list_for_each (node, tmp, &c->owner->all) {
        same += strcmp(LIST_ENTRY(node, struct change, node)->name, c->name) == 0 ? 1 : 0;
    }
    return same >= MODULE_OPS_OF_ONE;
}

static enum edge_code submit(struct change *c, struct edge_error *err) {
    bool end = false;
    if (has_too_many(c)) {
        return edge_set(err, EDGE_BUSY, "too many changes of this module at once");
    }
    list_append(&c->owner->all, &c->node);
    c->owner->cnt++;
    enum edge_code code = advance(c, &end, err);
    assert(!end); /* every plan has a step that takes time */
    if (code != EDGE_OK) {
        unlink_change(c);
    }
    return code;
}

enum edge_code module_ops_run(struct module_ops *m, const struct module_order *order,
                              runtime_done_fn *done, void *data, struct edge_error *err) {
    if (m->closing) {
        return edge_set(err, EDGE_CANCELED, "the daemon is stopping");
    }
    if (m->cnt >= MODULE_OPS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many changes of modules at once");
    }
    struct change *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a change of a module");
    }
    list_init(&c->node);
    c->owner = m;
    c->done = done;
    c->data = data;
    enum edge_code code = copy_order(c, order, err);
    if (code == EDGE_OK && c->what == MODULE_UPDATE) {
        code = loop_timer_new(m->loop, on_again, c, &c->again, err);
    }
    if (code == EDGE_OK) {
        code = submit(c, err);
    }
    if (code != EDGE_OK) {
        change_free(c);
    }
    return code;
}

/* --- Life --- */

static void end_early(struct change *c) {
    struct edge_error err;
    (void)edge_set(&err, EDGE_CANCELED, "the daemon is stopping");
    if (op_is_set(c->op)) {
        op_cancel(loop_ops(c->owner->loop), c->op);
    } else {
        finish(c, EDGE_CANCELED, &err);
    }
}

static void on_limit(void *data) {
    struct module_ops *m = data;
    list_for_each (node, tmp, &m->all) {
        end_early(LIST_ENTRY(node, struct change, node));
    }
}

enum edge_code module_ops_new(struct loop *l, struct runtime *rt, struct module_ops **ret,
                              struct edge_error *err) {
    struct module_ops *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the changes of modules");
    }
    m->loop = l;
    m->rt = rt;
    list_init(&m->all);
    enum edge_code code = loop_timer_new(l, on_limit, m, &m->limit, err);
    if (code != EDGE_OK) {
        free(m);
        return code;
    }
    *ret = m;
    return EDGE_OK;
}

void module_ops_close(struct module_ops *m, void (*closed)(void *data), void *data) {
    m->closing = true;
    list_for_each (node, tmp, &m->all) {
        struct change *c = LIST_ENTRY(node, struct change, node);
        if (!c->turn || (c->what != MODULE_UPDATE && c->what != MODULE_CREATE)) {
            end_early(c);
        }
    }
    m->closed = closed;
    m->closed_data = data;
    loop_timer_start(m->limit, MODULE_OPS_CLOSE_MS);
    check_closed(m);
}

void module_ops_free(struct module_ops *m) {
    if (m != NULL) {
        assert(m->cnt == 0);
        loop_timer_free(m->limit);
        free(m);
    }
}
