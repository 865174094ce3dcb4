/* SPDX-License-Identifier: MIT */
/*
 * The steps of each change. A module is replaced by a container that is made beside it, under the
 * name of RUNTIME_NEXT_SUFFIX: at every moment there is the old one or the new one, whole, and
 * which of them counts can be told from the names alone.
 */
#include "runtime/module_ops_parts.h"

#include "base/attr.h"
#include "base/log.h"

#include <string.h>

#define STEPS_MAX  10 /* with the end */
#define CLEARS_MAX 3

static const enum module_ops_step plans[][STEPS_MAX] = {
    [MODULE_START] = {STEP_TURN, STEP_START},
    [MODULE_STOP] = {STEP_TURN, STEP_STOP},
    [MODULE_RESTART] = {STEP_TURN, STEP_RESTART},
    [MODULE_REMOVE] = {STEP_TURN, STEP_CLEAR, STEP_REMOVE},
    [MODULE_PULL] = {STEP_PULL},
    [MODULE_CREATE] = {STEP_PULL, STEP_TURN, STEP_CREATE},
    [MODULE_UPDATE] = {STEP_LOOK, STEP_PULL, STEP_TURN, STEP_LOOK, STEP_CLEAR, STEP_CREATE_NEXT,
                       STEP_REMOVE, STEP_RENAME, STEP_START},
    [MODULE_SETTLE] = {STEP_TURN, STEP_LOOK_OLD, STEP_CLEAR, STEP_RENAME},
};

/* What still has to be done after a failure. */
static const enum module_ops_step settle_plan[] = {STEP_LOOK_OLD, STEP_CLEAR, STEP_RENAME,
                                                   STEP_END};
static const enum module_ops_step gone_plan[] = {STEP_LOOK_GONE, STEP_END};

const enum module_ops_step *module_ops_plan(enum module_change what) {
    return plans[what];
}

static enum module_ops_step step_of(const struct module_ops_change *c) {
    return c->plan[c->at];
}

/* The container that is to take the place is there, or may be. */
static bool is_replacing(const struct module_ops_change *c) {
    switch (step_of(c)) {
    case STEP_CLEAR:
    case STEP_CREATE_NEXT:
    case STEP_REMOVE:
    case STEP_RENAME:
        return c->plan == plans[MODULE_UPDATE];
    default:
        return false;
    }
}

/* --- Beginning a step --- */

static void on_step(void *data, enum edge_code code, const struct edge_error *err) {
    module_ops_go_on(data, code, err);
}

/* Nothing is asked but whether it is there: an image can make the rest of an answer as long as it
 * likes. What is not ours is not there. */
static enum edge_code judge(const struct module_ops_change *c, enum edge_code code,
                            const struct runtime_container *list, size_t cnt,
                            struct edge_error *err) {
    if (code != EDGE_OK || (cnt == 1 && list->owned && strcmp(list->name, c->name) == 0)) {
        return code;
    }
    return edge_set_native(err, EDGE_NOT_FOUND, EDGE_DOMAIN_HTTP, 404,
                           "the container engine has no module of this name");
}

static void on_look(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    struct edge_error own;
    enum edge_code verdict = judge(data, code, list, cnt, &own);
    module_ops_go_on(data, verdict, verdict == code ? err : &own);
}

static void on_look_old(void *data, enum edge_code code, const struct runtime_container *list,
                        size_t cnt, const struct edge_error *err) {
    struct module_ops_change *c = data;
    struct edge_error own;
    code = judge(c, code, list, cnt, &own);
    c->has_old = code == EDGE_OK;
    c->left = c->has_old;
    module_ops_go_on(c, code == EDGE_NOT_FOUND ? EDGE_OK : code, err);
}

static void on_look_gone(void *data, enum edge_code code, const struct runtime_container *list,
                         size_t cnt, const struct edge_error *err) {
    struct module_ops_change *c = data;
    const struct module_ops_hooks *h = &c->owner->hooks;
    struct edge_error own;
    enum edge_code verdict = judge(c, code, list, cnt, &own);
    if (verdict == EDGE_NOT_FOUND && h->after_remove != NULL) {
        h->after_remove(h->data, c->name);
    }
    module_ops_go_on(c, verdict, verdict == code ? err : &own);
}

static enum edge_code prepare(const struct module_ops_change *c, struct edge_error *err) {
    const struct module_ops_hooks *h = &c->owner->hooks;
    return h->before_create != NULL ? h->before_create(h->data, c->name, err) : EDGE_OK;
}

static enum edge_code create(struct module_ops_change *c, const char *name,
                             struct edge_error *err) {
    const struct runtime_spec spec = {name, c->image, buf_slice(&c->body)};
    enum edge_code code = prepare(c, err);
    return code != EDGE_OK ? code : runtime_create(c->owner->rt, &spec, on_step, c, &c->op, err);
}

/* What an interrupted change had prepared may be gone with the daemon that did it. */
static enum edge_code rename_next(struct module_ops_change *c, struct edge_error *err) {
    enum edge_code code = c->plan == plans[MODULE_UPDATE] ? EDGE_OK : prepare(c, err);
    return code != EDGE_OK
               ? code
               : runtime_rename(c->owner->rt, c->next, c->name, on_step, c, &c->op, err);
}

static enum edge_code fetch(struct module_ops_change *c, struct edge_error *err) {
    struct runtime *rt = c->owner->rt;
    if (!c->pull) {
        return runtime_image_check(rt, c->image, on_step, c, &c->op, err);
    }
    enum edge_code code =
        runtime_pull(rt, c->image, buf_slice(&c->auth), NULL, on_step, c, &c->op, err);
    if (code == EDGE_OK) {
        module_ops_tell_image(c, MODULE_IMAGE_PULLING);
    }
    return code;
}

static enum edge_code stop(struct module_ops_change *c, struct edge_error *err) {
    int stop_s = c->stop_s > 0 ? c->stop_s : RUNTIME_STOP_DEFAULT;
    return runtime_stop(c->owner->rt, c->name, module_ops_is_awaited(c) ? 0 : stop_s, on_step, c,
                        &c->op, err);
}

static enum edge_code begin(struct module_ops_change *c, struct edge_error *err) {
    struct runtime *rt = c->owner->rt;

    switch (step_of(c)) {
    case STEP_LOOK:
        return runtime_inspect(rt, c->name, on_look, c, &c->op, err);
    case STEP_LOOK_OLD:
        return runtime_inspect(rt, c->name, on_look_old, c, &c->op, err);
    case STEP_LOOK_GONE:
        return runtime_inspect(rt, c->name, on_look_gone, c, &c->op, err);
    case STEP_PULL:
        return fetch(c, err);
    case STEP_CLEAR:
        return runtime_remove(rt, c->next, on_step, c, &c->op, err);
    case STEP_CREATE:
        return create(c, c->name, err);
    case STEP_CREATE_NEXT:
        return create(c, c->next, err);
    case STEP_REMOVE:
        return runtime_remove(rt, c->name, on_step, c, &c->op, err);
    case STEP_RENAME:
        return rename_next(c, err);
    case STEP_START:
        return runtime_start(rt, c->name, on_step, c, &c->op, err);
    case STEP_STOP:
        return stop(c, err);
    case STEP_RESTART:
        return runtime_restart(rt, c->name, on_step, c, &c->op, err);
    case STEP_END:
    case STEP_TURN:
        break;
    }
    return edge_set(err, EDGE_INTERNAL, "no such step");
}

/* Whether there is something to do in the present step, which takes time. */
static bool is_needed(const struct module_ops_change *c) {
    switch (step_of(c)) {
    case STEP_PULL:
        return c->pull || c->what == MODULE_UPDATE;
    case STEP_CLEAR:
        return c->left || c->what == MODULE_REMOVE;
    case STEP_RENAME:
        return !c->has_old;
    case STEP_START:
        return c->what != MODULE_UPDATE || c->start;
    default:
        return true;
    }
}

enum edge_code module_ops_advance(struct module_ops_change *c, bool *ret_end,
                                  struct edge_error *err) {
    for (;; c->at++) {
        if (step_of(c) == STEP_END) {
            *ret_end = true;
            return EDGE_OK;
        }
        if (step_of(c) == STEP_TURN) {
            if (!module_ops_take_turn(c)) {
                return EDGE_OK;
            }
        } else if (is_needed(c)) {
            return begin(c, err);
        }
    }
}

/* --- What a step has come to --- */

bool module_ops_is_passing(enum edge_code code) {
    switch (code) {
    case EDGE_NET:
    case EDGE_PROTO: /* the engine died in the middle of its answer */
    case EDGE_TIMEOUT:
    case EDGE_BUSY:
    case EDGE_RETRY:
        return true;
    default:
        return false;
    }
}

/* Whoever asked for a replacement may be what is replaced: nobody repeats it. */
static bool may_heal(const struct module_ops_change *c, enum edge_code code) {
    if (c->plan != plans[MODULE_UPDATE] || !c->turn || c->tries >= MODULE_OPS_RETRIES) {
        return false;
    }
    bool removes = step_of(c) == STEP_REMOVE || step_of(c) == STEP_CLEAR;
    return module_ops_is_passing(code) ||
           (code == EDGE_CONFLICT && removes /* somebody else is at it */);
}

/* What is as it should be, be it by an attempt whose answer was lost. */
static bool is_so_already(const struct module_ops_change *c, enum edge_code code) {
    if (code != EDGE_NOT_FOUND) {
        return false;
    }
    switch (step_of(c)) {
    case STEP_CLEAR:
        return true;
    case STEP_REMOVE:
        return c->what == MODULE_UPDATE || c->cleared;
    case STEP_RENAME:
        return c->tries > 0 || c->what == MODULE_SETTLE;
    default:
        return false;
    }
}

/* One that an interrupted update has left, or an attempt whose answer was lost: nobody knows what
 * it was made from. */
static bool is_left_over(const struct module_ops_change *c, enum edge_code code) {
    return step_of(c) == STEP_CREATE_NEXT && (code == EDGE_CONFLICT || code == EDGE_EXISTS) &&
           c->clears < CLEARS_MAX && !c->ended;
}

static void tell_hooks(const struct module_ops_change *c, enum edge_code code) {
    const struct module_ops_hooks *h = &c->owner->hooks;
    if (step_of(c) == STEP_PULL && c->pull) {
        module_ops_tell_image(c, code == EDGE_OK ? MODULE_IMAGE_PULLED : MODULE_IMAGE_FAILED);
    }
    bool gone = (c->what == MODULE_REMOVE && step_of(c) == STEP_REMOVE &&
                 (code == EDGE_OK || code == EDGE_NOT_FOUND)) ||
                (c->what == MODULE_UPDATE && step_of(c) == STEP_RENAME && code == EDGE_NOT_FOUND);
    if (gone && h->after_remove != NULL) {
        h->after_remove(h->data, c->name);
    }
}

/* What has to be done before the failure may be told; NULL: nothing. */
static const enum module_ops_step *plan_after(const struct module_ops_change *c,
                                              enum edge_code code) {
    if (c->ended || c->failure != EDGE_OK) {
        return NULL;
    }
    if (is_replacing(c)) {
        return settle_plan;
    }
    bool made = step_of(c) == STEP_CREATE && code != EDGE_CONFLICT && code != EDGE_EXISTS;
    return made && c->owner->hooks.after_remove != NULL ? gone_plan : NULL;
}

static void end(struct module_ops_change *c, enum edge_code code, const struct edge_error *err) {
    if (c->failure != EDGE_OK) {
        c->owner->settled = c->owner->settled && (code == EDGE_OK || c->plan != settle_plan);
        code = c->failure;
        err = &c->failure_err;
    }
    module_ops_finish(c, code, err);
}

static void fail(struct module_ops_change *c, enum edge_code code, const struct edge_error *err) {
    const enum module_ops_step *plan = plan_after(c, code);
    bool at_end = false;

    if (plan == NULL) {
        end(c, code, err);
        return;
    }
    c->failure = code;
    c->failure_err = *err;
    c->plan = plan;
    c->at = 0;
    c->tries = 0;
    if (module_ops_advance(c, &at_end, NULL) != EDGE_OK || at_end) {
        end(c, code, err);
    }
}

void module_ops_try(struct module_ops_change *c) {
    struct edge_error err = {0};
    enum edge_code code = begin(c, &err);
    if (code != EDGE_OK) {
        module_ops_go_on(c, code, &err);
    }
}

static void clear_and_go_on(struct module_ops_change *c) {
    c->clears++;
    c->left = true;
    c->tries = 0;
    c->at--; /* STEP_CLEAR */
    module_ops_try(c);
}

static void succeed(struct module_ops_change *c) {
    struct edge_error err = {0};
    enum edge_code code = EDGE_OK;
    bool at_end = false;

    c->at++;
    c->tries = 0;
    if (c->ended && step_of(c) != STEP_END) {
        code = edge_set(&err, EDGE_CANCELED, "the daemon is stopping");
    } else {
        code = module_ops_advance(c, &at_end, &err);
    }
    if (code != EDGE_OK) {
        fail(c, code, &err);
    } else if (at_end) {
        end(c, EDGE_OK, NULL);
    }
}

void module_ops_go_on(struct module_ops_change *c, enum edge_code code,
                      const struct edge_error *err) {
    c->op = OP_NONE;
    c->cleared = c->cleared || (code == EDGE_OK && step_of(c) == STEP_CLEAR);
    c->renamed = c->renamed || (code == EDGE_OK && step_of(c) == STEP_RENAME);
    if (is_so_already(c, code)) {
        code = EDGE_OK;
    }
    if (is_left_over(c, code)) {
        clear_and_go_on(c);
        return;
    }
    if (may_heal(c, code) && !c->ended) {
        c->tries++;
        log_debug("module %s: trying again: %s", c->name, edge_error_text(err));
        loop_timer_start(c->again, MODULE_OPS_RETRY_MS);
        return;
    }
    tell_hooks(c, code);
    if (code == EDGE_OK) {
        succeed(c);
    } else {
        fail(c, code, err);
    }
}
