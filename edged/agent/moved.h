/* SPDX-License-Identifier: MIT */
/*
 * For which hub and device the containers on this machine were made. Modules that were started for
 * another identity hold its addresses and names; when the device has moved, all containers of ours
 * are removed, and edgeAgent makes those of the new deployment. Until they are gone no others are
 * made (module_ops_hold), and what is being made at that moment goes as well.
 *
 * The file MOVED_FILE of the state directory remembers the identity. It changes only after all
 * containers of the old one are gone, so a crash or an engine that is away delays the removal but
 * never skips it. Loop thread; the file is read and written on the worker.
 */
#ifndef AGENT_MOVED_H
#define AGENT_MOVED_H

#include "base/error.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define MOVED_FILE     "containers"
#define MOVED_TEXT_LEN 256 /* hub and device id, with NUL */

struct moved;

struct moved_deps {
    struct loop *loop;
    struct worker *worker;
    struct runtime *runtime;
    struct module_ops *module_ops;
    const char *state_dir; /* copied */
    /* May be NULL. The containers that are there now belong to the identity last given; comes from
     * within moved_set_identity when the device has moved back meanwhile. No container may be made
     * for a new identity before. */
    void (*on_settled)(void *data);
    void *data;
};

enum edge_code moved_new(const struct moved_deps *deps, struct moved **ret,
                         struct edge_error *err) EDGE_NODISCARD;

/* Who the device is. Only what the hub has confirmed (proven) counts; anything else is ignored. The
 * first identity ever is just remembered: containers that are there were made for it, or by the
 * daemon that this one replaces. The last call wins. */
void moved_set_identity(struct moved *m, const char *hub, const char *device_id, bool proven);

/* True when the remembered identity is the one last given. */
bool moved_is_settled(const struct moved *m);
/* The same, and it is this one. */
bool moved_is_settled_for(const struct moved *m, const char *hub, const char *device_id);

/* Ends what is in progress; stopped() runs in a later callback, when a removal under way has ended,
 * as module_ops_close makes it. Once. */
void moved_stop(struct moved *m, void (*stopped)(void *data), void *data);

/* After stopped() has run, or when no identity was ever given. NULL allowed. */
void moved_free(struct moved *m);

#endif
