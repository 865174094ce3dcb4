/* SPDX-License-Identifier: MIT */
/*
 * Orders, their turns and their ends. What a change consists of is in module_ops_steps.c.
 */
#include "runtime/module_ops.h"

#include "base/attr.h"
#include "base/log.h"
#include "runtime/module_ops_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct module_ops_change *change_of(struct list *node) {
    return LIST_ENTRY(node, struct module_ops_change, node);
}

static void change_free(struct module_ops_change *c) {
    loop_timer_free(c->again);
    buf_clear(&c->auth);
    buf_clear(&c->body);
    free(c);
}

/* --- Turns --- */

static bool is_of(const struct module_ops_change *c, const char *name) {
    return strcmp(c->name, name) == 0;
}

static bool kills(const struct module_ops_change *c) {
    return c->what == MODULE_REMOVE || c->what == MODULE_UPDATE;
}

bool module_ops_is_awaited(const struct module_ops_change *c) {
    list_for_each (node, tmp, &c->owner->all) {
        const struct module_ops_change *other = change_of(node);
        if (other->waiting && kills(other) && is_of(other, c->name)) {
            return true;
        }
    }
    return false;
}

static void on_hurried(void *data, enum edge_code code, const struct edge_error *err) {
    struct module_ops_change *c = data;
    struct edge_error own = {0};

    (void)code;
    (void)err;
    c->hurrying = false;
    c->op = OP_NONE;
    if (c->ended) {
        module_ops_finish(c, edge_set(&own, EDGE_CANCELED, "the daemon is stopping"), &own);
    } else if (c->turn) {
        module_ops_go_on(c, EDGE_OK, NULL);
    }
}

static struct module_ops_change *holder_of(struct module_ops *m, const char *name) {
    list_for_each (node, tmp, &m->all) {
        struct module_ops_change *c = change_of(node);
        if (c->turn && is_of(c, name)) {
            return c;
        }
    }
    return NULL;
}

/* A module may have a day to stop, and what is to be killed need not be waited for. */
static void hurry(struct module_ops_change *c) {
    struct module_ops_change *before = holder_of(c->owner, c->name);
    if (!kills(c) || before == NULL || before->hurried ||
        (before->what != MODULE_STOP && before->what != MODULE_RESTART)) {
        return;
    }
    before->hurried = true;
    c->hurrying = runtime_stop(c->owner->rt, c->name, 0, on_hurried, c, &c->op, NULL) == EDGE_OK;
}

/* Whoever looked at the module before what an interrupted update has left was settled may want to
 * make it although it is there. */
static bool is_settled_first(struct module_ops_change *c) {
    struct module_ops *m = c->owner;
    if (c->what != MODULE_SETTLE && !m->settled && !m->settling) {
        module_ops_settle(m);
    }
    return c->what == MODULE_SETTLE || !m->settling;
}

/* Those that wait go first, but for what makes a module whole. */
static bool is_turn_free(struct module_ops_change *c) {
    list_for_each (node, tmp, &c->owner->all) {
        const struct module_ops_change *other = change_of(node);
        if (other != c && is_of(other, c->name) &&
            (other->turn || (other->waiting && c->what != MODULE_SETTLE))) {
            return false;
        }
    }
    return true;
}

bool module_ops_take_turn(struct module_ops_change *c) {
    c->turn = is_settled_first(c) && is_turn_free(c);
    c->waiting = !c->turn;
    if (c->waiting) {
        hurry(c);
    }
    return c->turn;
}

static void give_turn(struct module_ops *m, const char *name) {
    if (m->settling) {
        return;
    }
    list_for_each (node, tmp, &m->all) {
        struct module_ops_change *c = change_of(node);
        if (c->waiting && is_of(c, name)) {
            c->waiting = false;
            c->turn = true;
            if (!c->hurrying) {
                module_ops_go_on(c, EDGE_OK, NULL);
            }
            return;
        }
    }
}

static struct module_ops_change *waits_for_nobody(struct module_ops *m) {
    list_for_each (node, tmp, &m->all) {
        struct module_ops_change *c = change_of(node);
        if (c->waiting && holder_of(m, c->name) == NULL) {
            return c;
        }
    }
    return NULL;
}

void module_ops_give_turns(struct module_ops *m) {
    struct module_ops_change *c;
    while (!m->settling && (c = waits_for_nobody(m)) != NULL) {
        give_turn(m, c->name);
    }
}

/* --- The end --- */

void module_ops_check_closed(struct module_ops *m) {
    if (m->closing && m->cnt == 0 && !m->settling && m->closed != NULL) {
        void (*closed)(void *data) = m->closed;
        m->closed = NULL;
        loop_timer_stop(m->limit);
        closed(m->closed_data);
    }
}

static void unlink_change(struct module_ops_change *c) {
    list_remove(&c->node);
    c->owner->cnt--;
}

static void tell(const struct module_ops_change *c, enum edge_code code,
                 const struct edge_error *err) {
    static const char *const words[] = {
        [MODULE_START] = "started",  [MODULE_STOP] = "stopped",   [MODULE_RESTART] = "restarted",
        [MODULE_REMOVE] = "removed", [MODULE_CREATE] = "created", [MODULE_UPDATE] = "replaced",
    };
    if (c->what == MODULE_SETTLE) {
        if (code != EDGE_OK && code != EDGE_CANCELED) {
            module_ops_tell_left(c->name, err);
        } else if (c->cleared) {
            log_info("Module %s: what an interrupted replacement had left was removed", c->name);
        } else if (c->renamed) {
            log_info("Module %s: an interrupted replacement was brought to its end", c->name);
        }
    } else if (code == EDGE_OK && c->what == MODULE_PULL) {
        log_info("Image %s for module %s is there", log_quote_str(c->image), c->name);
    } else if (code == EDGE_OK) {
        log_info("Module %s was %s", c->name, words[c->what]);
    }
}

void module_ops_finish(struct module_ops_change *c, enum edge_code code,
                       const struct edge_error *err) {
    struct module_ops *m = c->owner;
    char name[RUNTIME_MODULE_MAX + 1];
    bool had_turn = c->turn;

    memcpy(name, c->name, sizeof(name));
    unlink_change(c);
    tell(c, code, err);
    if (c->what == MODULE_SETTLE && module_ops_is_passing(code)) {
        m->settled = false;
    }
    if (c->done != NULL) {
        c->done(c->data, code, code == EDGE_OK ? NULL : err);
    }
    change_free(c);
    if (had_turn) {
        give_turn(m, name);
    }
    module_ops_check_closed(m);
}

static void end_early(struct module_ops_change *c) {
    struct edge_error err;
    c->ended = true;
    if (op_is_set(c->op)) {
        op_cancel(loop_ops(c->owner->loop), c->op);
        return;
    }
    (void)edge_set(&err, EDGE_CANCELED, "the daemon is stopping");
    module_ops_finish(c, EDGE_CANCELED, &err);
}

/* All of a kind. The end of one may begin or end others. */
static void end_those(struct module_ops *m, bool (*is_meant)(const struct module_ops_change *c)) {
    struct module_ops_change *meant;
    do {
        meant = NULL;
        list_for_each (node, tmp, &m->all) {
            struct module_ops_change *c = change_of(node);
            if (!c->ended && is_meant(c)) {
                meant = c;
                break;
            }
        }
        if (meant != NULL) {
            end_early(meant);
        }
    } while (meant != NULL);
}

/* --- Orders --- */

static bool take_name(struct module_ops_change *c, const struct module_order *o) {
    if (o->change == MODULE_REMOVE && runtime_of_next_name(o->name, c->name)) {
        return true;
    }
    return runtime_is_module_name(slice_str(o->name)) &&
           slice_to_array(slice_str(o->name), c->name, sizeof(c->name));
}

static enum edge_code copy_order(struct module_ops_change *c, const struct module_order *o,
                                 struct edge_error *err) {
    c->what = o->change;
    c->plan = module_ops_plan(c->what);
    c->pull = o->pull || o->change == MODULE_PULL;
    c->start = o->start;
    c->stop_s = o->stop_s;
    buf_init_sensitive(&c->auth, RUNTIME_AUTH_MAX);
    buf_init_sensitive(&c->body, RUNTIME_BODY_MAX);
    if (!take_name(c, o)) {
        return edge_set(err, EDGE_INVALID, "not the name of a module");
    }
    if (!slice_to_array(slice_str(o->image), c->image, sizeof(c->image))) {
        return edge_set(err, EDGE_INVALID, "the name of the image is too long");
    }
    runtime_next_name(c->name, c->next);
    enum edge_code code = buf_append_slice(&c->auth, o->auth_json, err);
    return code != EDGE_OK ? code : buf_append_slice(&c->body, o->create_body, err);
}

static bool has_too_many(const struct module_ops_change *c) {
    unsigned same = 0;
    list_for_each (node, tmp, &c->owner->all) {
        same += is_of(change_of(node), c->name) ? 1 : 0;
    }
    return same >= MODULE_OPS_OF_ONE;
}

static bool is_taken_when_held(enum module_change change) {
    return change == MODULE_STOP || change == MODULE_REMOVE;
}

void module_ops_tell_image(const struct module_ops_change *c, enum module_image what) {
    const struct module_ops_hooks *h = &c->owner->hooks;
    if (h->on_image != NULL) {
        h->on_image(h->data, what, c->image);
    }
}

static bool has_image(const struct module_ops_change *c) {
    return c->what == MODULE_PULL || c->what == MODULE_CREATE || c->what == MODULE_UPDATE;
}

static enum edge_code submit(struct module_ops_change *c, struct edge_error *err) {
    bool end = false;
    if (has_too_many(c)) {
        return edge_set(err, EDGE_BUSY, "too many changes of this module at once");
    }
    list_append(&c->owner->all, &c->node);
    c->owner->cnt++;
    enum edge_code code = module_ops_advance(c, &end, err);
    assert(!end); /* every plan has a step that takes time */
    if (code != EDGE_OK) {
        unlink_change(c);
    } else if (has_image(c)) {
        module_ops_tell_image(c, MODULE_IMAGE_WANTED);
    }
    return code;
}

static void on_again(void *data) {
    module_ops_try(data);
}

enum edge_code module_ops_run(struct module_ops *m, const struct module_order *order,
                              runtime_done_fn *done, void *data, struct edge_error *err) {
    if (m->closing) {
        return edge_set(err, EDGE_CANCELED, "the daemon is stopping");
    }
    if (m->held > 0 && !is_taken_when_held(order->change)) {
        return edge_set(err, EDGE_RETRY,
                        "modules are being stopped or removed; nothing is made now");
    }
    if (m->cnt >= MODULE_OPS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many changes of modules at once");
    }
    struct module_ops_change *c = calloc(1, sizeof(*c));
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

static bool is_any(const struct module_ops_change *c) {
    (void)c;
    return true;
}

/* Leaving it now leaves nothing half done. */
static bool is_whole(const struct module_ops_change *c) {
    return !c->turn || (c->what != MODULE_UPDATE && c->what != MODULE_CREATE);
}

static bool is_to_be_held(const struct module_ops_change *c) {
    return !c->turn && !is_taken_when_held(c->what);
}

static void on_limit(void *data) {
    end_those(data, is_any);
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

void module_ops_set_hooks(struct module_ops *m, const struct module_ops_hooks *hooks) {
    m->hooks = *hooks;
}

void module_ops_hold(struct module_ops *m, bool hold) {
    assert(hold || m->held > 0);
    m->held = hold ? m->held + 1 : m->held - 1;
    if (hold) {
        end_those(m, is_to_be_held);
    } else if (m->held == 0 && !m->settled) {
        module_ops_settle(m); /* what was refused meanwhile */
    }
}

bool module_ops_is_busy(const struct module_ops *m, const char *name) {
    list_for_each (node, tmp, &m->all) {
        const struct module_ops_change *c = change_of(node);
        if ((c->turn || c->waiting) && is_of(c, name)) {
            return true;
        }
    }
    return m->settling; /* which may be about any of them */
}

bool module_ops_is_making(const struct module_ops *m) {
    list_for_each (node, tmp, &m->all) {
        enum module_change what = change_of(node)->what;
        if (what == MODULE_CREATE || what == MODULE_UPDATE || what == MODULE_SETTLE) {
            return true;
        }
    }
    return m->settling;
}

void module_ops_close(struct module_ops *m, void (*closed)(void *data), void *data) {
    m->closing = true;
    module_ops_settle_end(m);
    end_those(m, is_whole);
    m->closed = closed;
    m->closed_data = data;
    loop_timer_start(m->limit, MODULE_OPS_CLOSE_MS);
    module_ops_check_closed(m);
}

void module_ops_free(struct module_ops *m) {
    if (m != NULL) {
        assert(m->cnt == 0 && !m->settling);
        loop_timer_free(m->limit);
        free(m);
    }
}
