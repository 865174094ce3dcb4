/* SPDX-License-Identifier: MIT */
/*
 * Each stop is an order to module_ops, so that it comes after a change of the module that is being
 * made, whose container would else be started after it.
 */
#include "agent/stop_modules.h"

#include "agent/agent_spec.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define AT_ONCE_MAX 100 /* orders; below MODULE_OPS_MAX */

struct name {
    char text[RUNTIME_NAME_MAX + 1];
};

struct stop_modules {
    struct loop *loop;
    struct runtime *rt;
    struct module_ops *ops;
    struct loop_timer *limit; /* of what is under way; 0: the end */
    bool is_over;             /* only the end is missing, or has been */
    bool is_rest;             /* edgeAgent has ended */
    struct op op;             /* the list */
    struct name *names;       /* to be stopped */
    size_t cnt;
    unsigned open; /* orders under way */
    unsigned stopped, failed;
    void (*done)(void *data);
    void *data;
};

static void end(struct stop_modules *s) {
    s->is_over = true;
    s->cnt = 0;
    op_cancel(loop_ops(s->loop), s->op);
    loop_timer_start(s->limit, 0);
}

static enum edge_code stop_one(struct stop_modules *s, const char *name, int timeout_s,
                               runtime_done_fn *done, struct edge_error *err) {
    const struct module_order order = {.change = MODULE_STOP, .name = name, .stop_s = timeout_s};
    return module_ops_run(s->ops, &order, done, s, err);
}

/* --- The rest --- */

static void feed(struct stop_modules *s);

static void on_stopped(void *data, enum edge_code code, const struct edge_error *err) {
    struct stop_modules *s = data;
    s->open--;
    if (code == EDGE_OK) {
        s->stopped++;
    } else if (code != EDGE_NOT_FOUND) {
        log_debug("a module was not stopped: %s", edge_error_text(err));
        s->failed++;
    }
    if (!s->is_over) {
        feed(s);
    }
}

static void feed(struct stop_modules *s) {
    struct edge_error err;
    while (s->cnt > 0 && s->open < AT_ONCE_MAX) {
        s->cnt--;
        if (stop_one(s, s->names[s->cnt].text, STOP_MODULES_REST_S, on_stopped, &err) == EDGE_OK) {
            s->open++;
        } else {
            log_warn("Module %s is not stopped: %s", log_quote_str(s->names[s->cnt].text),
                     edge_error_text(&err));
            s->failed++;
        }
    }
    if (s->open == 0) {
        log_info("Modules stopped after edgeAgent: %u, not stopped: %u", s->stopped, s->failed);
        end(s);
    }
}

/* What does not run yet, but is being started or replaced at this moment, is stopped after that. */
static bool is_to_be_stopped(const struct stop_modules *s, const struct runtime_container *c,
                             char ret_name[RUNTIME_NAME_MAX + 1]) {
    if (!runtime_of_next_name(c->name, ret_name)) {
        memcpy(ret_name, c->name, sizeof(c->name));
    }
    return c->owned && (c->running || module_ops_is_busy(s->ops, ret_name));
}

static void on_listed(void *data, enum edge_code code, const struct runtime_container *list,
                      size_t cnt, const struct edge_error *err) {
    struct stop_modules *s = data;
    struct edge_error own;
    s->op = OP_NONE;
    if (s->is_over) {
        return;
    }
    if (code == EDGE_OK && cnt > 0) {
        s->names = calloc(cnt, sizeof(*s->names));
        if (s->names == NULL) {
            code = edge_set(&own, EDGE_NOMEM, "out of memory");
            err = &own;
        }
    }
    if (code != EDGE_OK) {
        log_warn("The modules that run are not stopped: %s", edge_error_text(err));
        end(s);
        return;
    }
    for (size_t i = 0; i < cnt; i++) {
        if (is_to_be_stopped(s, &list[i], s->names[s->cnt].text)) {
            s->cnt++;
        }
    }
    feed(s);
}

static void stop_rest(struct stop_modules *s) {
    struct edge_error err;
    s->is_rest = true;
    module_ops_hold(s->ops, true);
    loop_timer_start(s->limit, (STOP_MODULES_REST_S + STOP_MODULES_SLACK_S) * 1000);
    if (runtime_list(s->rt, on_listed, s, &s->op, &err) != EDGE_OK) {
        log_warn("The modules that run are not stopped: %s", edge_error_text(&err));
        end(s);
    }
}

/* --- edgeAgent --- */

static void on_agent_stopped(void *data, enum edge_code code, const struct edge_error *err) {
    struct stop_modules *s = data;
    if (s->is_over || s->is_rest) {
        return;
    }
    if (code != EDGE_OK && code != EDGE_NOT_FOUND) {
        log_warn("edgeAgent was not stopped: %s", edge_error_text(err));
    }
    stop_rest(s);
}

static void on_limit(void *data) {
    struct stop_modules *s = data;
    if (s->is_over) {
        s->done(s->data);
    } else if (s->is_rest) {
        log_warn("Modules take too long to stop; they are left to the container engine");
        end(s);
    } else {
        log_warn("edgeAgent takes too long to stop");
        stop_rest(s);
    }
}

/* --- Life --- */

enum edge_code stop_modules_new(struct loop *l, struct runtime *rt, struct module_ops *ops,
                                struct stop_modules **ret, struct edge_error *err) {
    struct stop_modules *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the end of modules");
    }
    s->loop = l;
    s->rt = rt;
    s->ops = ops;
    enum edge_code code = loop_timer_new(l, on_limit, s, &s->limit, err);
    if (code != EDGE_OK) {
        free(s);
        return code;
    }
    *ret = s;
    return EDGE_OK;
}

void stop_modules_start(struct stop_modules *s, void (*done)(void *data), void *data) {
    struct edge_error err;
    s->done = done;
    s->data = data;
    loop_timer_start(s->limit, (STOP_MODULES_AGENT_S + STOP_MODULES_SLACK_S) * 1000);
    if (stop_one(s, AGENT_NAME, STOP_MODULES_AGENT_S, on_agent_stopped, &err) != EDGE_OK) {
        log_warn("edgeAgent is not stopped: %s", edge_error_text(&err));
        stop_rest(s);
    }
}

void stop_modules_skip(struct stop_modules *s) {
    if (!s->is_over) {
        log_info("The stop of modules is not waited for");
        end(s);
    }
}

void stop_modules_free(struct stop_modules *s) {
    if (s != NULL) {
        loop_timer_free(s->limit);
        free(s->names);
        free(s);
    }
}
