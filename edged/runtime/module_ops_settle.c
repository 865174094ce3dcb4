/* SPDX-License-Identifier: MIT */
/*
 * Looks for what interrupted updates have left. That there is something is told by the names of the
 * containers; what becomes of it is decided in the module's turn.
 */
#include "runtime/module_ops_parts.h"

#include "base/log.h"

void module_ops_tell_left(const char *name, const struct edge_error *err) {
    log_warn("What an interrupted replacement of module %s has left is still there: %s; it is "
             "looked at again when a module is changed or the container engine is back",
             name, edge_error_text(err));
}

static void settle_one(struct module_ops *m, const char *name) {
    const struct module_order order = {.change = MODULE_SETTLE, .name = name};
    struct edge_error err;
    enum edge_code code = module_ops_run(m, &order, NULL, NULL, &err);
    if (code == EDGE_OK) {
        return;
    }
    m->settled = false;
    if (code != EDGE_RETRY) { /* while changes are held back it is no news */
        module_ops_tell_left(name, &err);
    }
}

static void on_list(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    struct module_ops *m = data;
    char name[RUNTIME_MODULE_MAX + 1];

    m->settling = false;
    m->settle_op = OP_NONE;
    m->settled = code == EDGE_OK;
    if (code != EDGE_OK) {
        /* An engine that is away is found again some time, and then this is asked again. */
        log_debug("no look at what interrupted updates have left: %s", edge_error_text(err));
    }
    for (size_t i = 0; code == EDGE_OK && !m->closing && i < cnt; i++) {
        if (list[i].owned && runtime_of_next_name(list[i].name, name)) {
            settle_one(m, name);
        }
    }
    if (m->settle_again) {
        m->settle_again = false;
        module_ops_settle(m);
    }
    if (!m->settling) {
        module_ops_give_turns(m); /* if the engine has gone again, they find out themselves */
    }
    module_ops_check_closed(m);
}

void module_ops_settle(struct module_ops *m) {
    struct edge_error err;

    if (m->closing) {
        return;
    }
    if (m->settling) {
        m->settle_again = true;
        return;
    }
    m->settled = false;
    m->settling = runtime_list(m->rt, on_list, m, &m->settle_op, &err) == EDGE_OK;
    if (!m->settling) {
        log_warn("It cannot be seen what interrupted updates have left: %s", edge_error_text(&err));
    }
}

void module_ops_settle_end(struct module_ops *m) {
    m->settle_again = false;
    if (m->settling) {
        op_cancel(loop_ops(m->loop), m->settle_op);
    }
}
