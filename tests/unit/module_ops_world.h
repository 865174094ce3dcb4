/* SPDX-License-Identifier: MIT */
/*
 * An engine, a loop and the changes of modules on them, for the tests of module_ops*.c.
 */
#ifndef UNIT_MODULE_OPS_WORLD_H
#define UNIT_MODULE_OPS_WORLD_H

#include "runtime/module_ops.h"
#include "support/fake_runtime.h"

#define BODY                                                                                       \
    "{\"Image\":\"a:1\",\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}"

#define NEXT     "m" RUNTIME_NEXT_SUFFIX
#define REPLACED "create " NEXT "; remove m; rename " NEXT

struct module_ops_world {
    struct fake_runtime *fake;
    struct module_ops *ops;
    unsigned done, closed;
    enum edge_code codes[MODULE_OPS_MAX];
    struct edge_error err;
};

extern struct module_ops_world world;

/* For cmocka. What interrupted updates have left is settled, so that tests begin with their own. */
int world_setup(void **state);
int world_teardown(void **state);

/* For module_ops_run and module_ops_close, with the world as data. */
void world_done(void *data, enum edge_code code, const struct edge_error *err);
void world_closed(void *data);

/* Orders for image "a:1"; what has become of them is in the world. */
enum edge_code run(enum module_change what, const char *name, bool pull, bool start);
void must_run(enum module_change what, const char *name, bool pull, bool start);

/* Runs all to its end: one order has ended with this code, and the engine has done that. */
void check(const char *journal, enum edge_code code);

#endif
