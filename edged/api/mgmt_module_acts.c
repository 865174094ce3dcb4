/* SPDX-License-Identifier: MIT */
/*
 * Start, stop, restart and removal. A module that is so already is an answer of success, as
 * edgeAgent and the command line take it; release 1.1 answered 304.
 */
#include "api/api.h"
#include "api/module_change.h"

static void act(struct http_exchange *x, enum module_change change, const char *what) {
    char name[RUNTIME_NAME_MAX + 1];
    if (module_change_name(x, what, name)) {
        const struct module_order order = {.change = change, .name = name};
        module_change_run(x, &order, what, 204, NULL);
    }
}

void mgmt_modules_start(struct http_exchange *x) {
    act(x, MODULE_START, "start");
}

void mgmt_modules_stop(struct http_exchange *x) {
    act(x, MODULE_STOP, "stop");
}

void mgmt_modules_restart(struct http_exchange *x) {
    act(x, MODULE_RESTART, "restart");
}

void mgmt_modules_delete(struct http_exchange *x) {
    act(x, MODULE_REMOVE, "remove");
}
