/* SPDX-License-Identifier: MIT */
/*
 * Changes of modules, each run to its end whoever asked for it and whether he still waits. Changes
 * of one module take turns, in the order of their coming; images are fetched before, outside of the
 * turn, so that a slow registry holds up nobody. Loop thread only.
 */
#ifndef RUNTIME_MODULE_OPS_H
#define RUNTIME_MODULE_OPS_H

#include "base/error.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define MODULE_OPS_MAX      128   /* under way or waiting; beyond it BUSY */
#define MODULE_OPS_OF_ONE   16    /* of these, for one module: it may take days to stop */
#define MODULE_OPS_CLOSE_MS 10000 /* for what must not be left half done */
#define MODULE_OPS_RETRY_MS 2000
#define MODULE_OPS_RETRIES  30 /* of a step of an update after which there is no way back */

enum module_change {
    MODULE_START,
    MODULE_STOP,
    MODULE_RESTART,
    MODULE_REMOVE,
    MODULE_PULL, /* the image only */
    MODULE_CREATE,
    MODULE_UPDATE, /* replaces a module that exists */
};

struct module_order {
    enum module_change change;
    const char *name;
    /* Of PULL, CREATE and UPDATE. */
    const char *image;
    bool pull;                /* else the image must be there; PULL always does */
    struct slice auth_json;   /* as of runtime_pull */
    struct slice create_body; /* as of runtime_create */
    bool start;               /* UPDATE: start it as well */
};

struct module_ops;

enum edge_code module_ops_new(struct loop *l, struct runtime *rt, struct module_ops **ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* The order is copied. done runs once, later, unless this fails. Codes as of the runtime's
 * functions. UPDATE and REMOVE of a module that is not there: NOT_FOUND, and nothing is made. An
 * update leaves the old container alone until the new image is there; from the removal on it is
 * tried again and again while the engine is away, since whoever asked may be what was removed. */
enum edge_code module_ops_run(struct module_ops *m, const struct module_order *order,
                              runtime_done_fn *done, void *data,
                              struct edge_error *err) EDGE_NODISCARD;

/* Takes no more. What has changed nothing yet ends with CANCELED, creations and updates that are
 * beyond their pull get MODULE_OPS_CLOSE_MS. closed() runs when nothing is left, which may be at
 * once; then module_ops_free. The runtime must be closed later than this. */
void module_ops_close(struct module_ops *m, void (*closed)(void *data), void *data);
void module_ops_free(struct module_ops *m); /* when nothing is under way; NULL allowed */

#endif
