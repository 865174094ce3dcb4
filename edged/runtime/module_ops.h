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
    MODULE_SETTLE, /* ends an update that was interrupted; that there is none is fine */
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
    int stop_s;               /* STOP: from the polite signal to SIGKILL; 0: as it was made for */
};

/* What becomes of an image for a module's sake. Each PULLING is followed by PULLED or FAILED. */
enum module_image {
    MODULE_IMAGE_WANTED, /* an order for it was taken; it may be there already */
    MODULE_IMAGE_PULLING,
    MODULE_IMAGE_PULLED, /* the engine has it */
    MODULE_IMAGE_FAILED,
};

struct module_ops;

/* What else is to be done at a change; each may be NULL. All run on the loop and must not give
 * orders. The name is a module's. */
struct module_ops_hooks {
    /* Before the container is made, of CREATE and UPDATE; what fails here fails the change. May
     * come more than once for one change. */
    enum edge_code (*before_create)(void *data, const char *name, struct edge_error *err);
    /* There is no such module any more: it was removed, or could not be made. */
    void (*after_remove)(void *data, const char *name);
    void (*on_image)(void *data, enum module_image what, const char *image);
    void *data;
};

enum edge_code module_ops_new(struct loop *l, struct runtime *rt, struct module_ops **ret,
                              struct edge_error *err) EDGE_NODISCARD;

/* Copied. Once, before the first order. */
void module_ops_set_hooks(struct module_ops *m, const struct module_ops_hooks *hooks);

/* The order is copied. done (may be NULL) runs once, later, unless this fails. Codes as of the
 * runtime's functions. UPDATE and REMOVE of a module that is not there: NOT_FOUND, and nothing is
 * made. An update leaves the old container alone until the new one is made, under another name; it
 * is tried again and again while the engine is away, since whoever asked may be what is replaced.
 * REMOVE takes the container along that an interrupted UPDATE has left, whose name it may be given.
 * REMOVE and UPDATE do not wait for the time that a module may take to stop: a STOP or RESTART
 * under way becomes one that kills. */
enum edge_code module_ops_run(struct module_ops *m, const struct module_order *order,
                              runtime_done_fn *done, void *data,
                              struct edge_error *err) EDGE_NODISCARD;

/* Ends what interrupted updates have left, each in its turn: the container that was to take the
 * module's place takes it, or goes when the old one is still there. To be called whenever the
 * engine is found again; orders wait until it is known what there is. */
void module_ops_settle(struct module_ops *m);

/* Whether a change of this module is being made or waits for its turn, so that what the engine says
 * of it now is soon void. An image that is being fetched does not count. */
bool module_ops_is_busy(const struct module_ops *m, const char *name);
/* Whether something under way may bring forth a container. */
bool module_ops_is_making(const struct module_ops *m);

/* While held, nothing is begun but STOP and REMOVE: other orders are refused with RETRY, those that
 * wait or fetch their image end with CANCELED. What is being made goes on. Several may hold; each
 * of them lets go once. */
void module_ops_hold(struct module_ops *m, bool hold);

/* Takes no more. What has changed nothing yet ends with CANCELED, creations and updates that are
 * beyond their pull get MODULE_OPS_CLOSE_MS. closed() runs when nothing is left, which may be at
 * once; then module_ops_free. The runtime must be closed later than this. */
void module_ops_close(struct module_ops *m, void (*closed)(void *data), void *data);
void module_ops_free(struct module_ops *m); /* when nothing is under way; NULL allowed */

#endif
