/* SPDX-License-Identifier: MIT */
/*
 * One look at each running module: has it mounted, before, what was made anew?
 */
#include "remount.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "runtime/module_mounts.h"

#include <stdlib.h>
#include <string.h>

enum state {
    STATE_WAITING,
    STATE_BUSY,
    STATE_DONE,
};

struct made {
    struct list node;
    int64_t wall_s;
    char *path;
};

struct module {
    struct list node;
    struct remount *owner;
    enum state state;
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1];
};

struct remount {
    struct runtime *rt;
    struct module_ops *ops;
    void (*look_again)(void *data);
    void *data;
    struct loop_timer *timer;
    struct list made;
    struct list modules; /* seen since the first look at them */
    unsigned busy;
    unsigned restarted;
    bool again; /* some could not be looked at */
    bool stopped;
};

static void forget_made(struct remount *r) {
    list_for_each (node, tmp, &r->made) {
        struct made *made = LIST_ENTRY(node, struct made, node);
        list_remove(node);
        free(made->path);
        free(made);
    }
}

static void forget_modules(struct remount *r) {
    list_for_each (node, tmp, &r->modules) {
        list_remove(node);
        free(LIST_ENTRY(node, struct module, node));
    }
}

/* --- Which modules are cut off --- */

/* Started after the socket was made, by all that clocks can tell. */
static bool is_younger(const struct runtime_module *m, int64_t wall_s) {
    int64_t started_s = 0;
    return clock_parse_rfc3339(slice_str(m->started), &started_s) && started_s > wall_s &&
           started_s <= clock_wall_s();
}

static bool is_cut_off(const struct remount *r, const struct runtime_module *m) {
    list_for_each (node, tmp, &r->made) {
        const struct made *made = LIST_ENTRY(node, struct made, node);
        if (!is_younger(m, made->wall_s) && module_mounts_have(m->mounts, made->path)) {
            return true;
        }
    }
    return false;
}

/* --- One after the other --- */

static void go_on(struct remount *r);

static void leave(struct module *m, enum edge_code code, const struct edge_error *err) {
    struct remount *r = m->owner;
    m->state = STATE_DONE;
    switch (code) {
    case EDGE_OK:
    case EDGE_NOT_FOUND: /* has gone meanwhile */
    case EDGE_CANCELED:
        break;
    case EDGE_NET:
    case EDGE_PROTO:
    case EDGE_TIMEOUT:
    case EDGE_BUSY:
    case EDGE_RETRY:
        r->again = true;
        list_remove(&m->node);
        free(m);
        break;
    default:
        log_warn("Module %s may not reach its socket any more, restart it: %s", m->name,
                 edge_error_text(err));
        break;
    }
}

static void on_restarted(void *data, enum edge_code code, const struct edge_error *err) {
    struct module *m = data;
    struct remount *r = m->owner;
    r->busy--;
    r->restarted += code == EDGE_OK ? 1 : 0;
    leave(m, code, err);
    go_on(r);
}

static void on_inspected(void *data, enum edge_code code, const struct runtime_module *list,
                         size_t cnt, const struct edge_error *err) {
    struct module *m = data;
    struct remount *r = m->owner;
    struct edge_error own = {0};
    if (code == EDGE_OK && cnt == 1 && list[0].status == RUNTIME_STATUS_RUNNING && !r->stopped &&
        is_cut_off(r, &list[0])) {
        const struct module_order order = {.change = MODULE_RESTART, .name = m->name};
        code = module_ops_run(r->ops, &order, on_restarted, m, &own);
        if (code == EDGE_OK) {
            return;
        }
        err = &own;
    }
    r->busy--;
    leave(m, code, err);
    go_on(r);
}

static void look_at(struct module *m) {
    struct edge_error err = {0};
    struct op op;
    m->state = STATE_BUSY;
    enum edge_code code = runtime_inspect_module(m->owner->rt, m->id, on_inspected, m, &op, &err);
    if (code == EDGE_OK) {
        m->owner->busy++;
    } else {
        leave(m, code, &err);
    }
}

static void finish(struct remount *r) {
    if (r->restarted > 0) {
        log_info("Running modules that were restarted, since their sockets had to be made anew: %u",
                 r->restarted);
    }
    r->restarted = 0;
    forget_made(r);
    forget_modules(r);
}

static void go_on(struct remount *r) {
    list_for_each (node, tmp, &r->modules) {
        struct module *m = LIST_ENTRY(node, struct module, node);
        if (r->busy >= REMOUNT_AT_ONCE || r->stopped) {
            break;
        }
        if (m->state == STATE_WAITING) {
            look_at(m);
        }
    }
    if (r->busy > 0 || r->stopped) {
        return;
    }
    if (r->again) {
        r->again = false;
        loop_timer_start(r->timer, REMOUNT_AGAIN_MS);
    } else {
        finish(r);
    }
}

static bool is_known(const struct remount *r, const char *id) {
    list_for_each (node, tmp, &r->modules) {
        if (strcmp(LIST_ENTRY(node, struct module, node)->id, id) == 0) {
            return true;
        }
    }
    return false;
}

void remount_run(struct remount *r, const struct runtime_container *list, size_t cnt) {
    if (list_is_empty(&r->made) || r->stopped) {
        return;
    }
    for (size_t i = 0; i < cnt; i++) {
        if (!list[i].owned || !list[i].running || is_known(r, list[i].id)) {
            continue;
        }
        struct module *m = calloc(1, sizeof(*m));
        if (m == NULL) {
            r->again = true;
            continue;
        }
        m->owner = r;
        memcpy(m->id, list[i].id, sizeof(m->id));
        memcpy(m->name, list[i].name, sizeof(m->name));
        list_append(&r->modules, &m->node);
    }
    go_on(r);
}

void remount_ask_again(struct remount *r) {
    if (!r->stopped) {
        loop_timer_start(r->timer, REMOUNT_AGAIN_MS);
    }
}

enum edge_code remount_add(struct remount *r, const char *path, int64_t wall_s,
                           struct edge_error *err) {
    struct made *made = calloc(1, sizeof(*made));
    char *copy = made != NULL ? strdup(path) : NULL;
    if (copy == NULL) {
        free(made);
        return edge_set(err, EDGE_NOMEM, "out of memory for a socket that was made anew");
    }
    made->path = copy;
    made->wall_s = wall_s;
    list_append(&r->made, &made->node);
    return EDGE_OK;
}

/* --- Life --- */

static void on_timer(void *data) {
    struct remount *r = data;
    r->look_again(r->data);
}

enum edge_code remount_new(struct loop *l, struct runtime *rt, struct module_ops *ops,
                           void (*look_again)(void *data), void *data, struct remount **ret,
                           struct edge_error *err) {
    struct remount *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the restarts of modules");
    }
    *r = (struct remount){.rt = rt, .ops = ops, .look_again = look_again, .data = data};
    list_init(&r->made);
    list_init(&r->modules);
    enum edge_code code = loop_timer_new(l, on_timer, r, &r->timer, err);
    if (code != EDGE_OK) {
        free(r);
        return code;
    }
    *ret = r;
    return EDGE_OK;
}

void remount_stop(struct remount *r) {
    r->stopped = true;
    loop_timer_stop(r->timer);
}

void remount_free(struct remount *r) {
    if (r != NULL) {
        forget_made(r);
        forget_modules(r);
        loop_timer_free(r->timer);
        free(r);
    }
}
