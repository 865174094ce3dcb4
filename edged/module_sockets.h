/* SPDX-License-Identifier: MIT */
/*
 * A workload socket for each module, MODULE_SOCKETS_DIR/<module>.sock below homedir, which
 * edgeAgent mounts into the module's container. It bounds what one module can take from the others;
 * who is calling is still read from the caller's process. Loop thread only.
 */
#ifndef EDGED_MODULE_SOCKETS_H
#define EDGED_MODULE_SOCKETS_H

#include "agent/agent_spec.h"
#include "base/error.h"
#include "http/http_server.h"
#include "loop/loop.h"
#include "loop/notify.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#include <stdint.h>

#define MODULE_SOCKETS_DIR     AGENT_SOCKETS_DIR
#define MODULE_SOCKETS_AGENT   AGENT_NAME /* has one always, as it is made by the daemon */
#define MODULE_SOCKETS_MAX     (RUNTIME_CONTAINERS_MAX + 1)
#define MODULE_SOCKETS_CONNS   10 /* at each */
#define MODULE_SOCKETS_REFUSED 32 /* beyond these, that are told so */

struct module_sockets;

struct module_sockets_deps {
    struct loop *loop;
    struct runtime *runtime;
    struct module_ops *module_ops;
    struct http_server *server; /* of the workload API */
    const char *homedir;        /* copied */
    struct notify_fds *fds;     /* what the service manager kept; used by the call only */
};

/* Opens a socket wherever there was one, and edgeAgent's; those of containers that are there
 * without one follow when the engine has told of them. A socket that cannot be opened is a line in
 * the log. Errors: NOMEM, RANGE when homedir is longer than any path of a socket may be. */
enum edge_code module_sockets_new(const struct module_sockets_deps *deps,
                                  struct module_sockets **ret,
                                  struct edge_error *err) EDGE_NODISCARD;

/* Before a container is made: its socket must be there, or the engine makes a directory in its
 * place. */
enum edge_code module_sockets_ensure(struct module_sockets *m, const char *name,
                                     struct edge_error *err) EDGE_NODISCARD;

/* After a module is gone for good. edgeAgent's socket stays. */
void module_sockets_drop(struct module_sockets *m, const char *name);

/* The socket at path, of whichever API, was made at that time: running modules that had mounted the
 * one before do not reach it and are restarted, once the engine has told which these are. */
void module_sockets_made(struct module_sockets *m, const char *path, int64_t wall_s);

void module_sockets_on_engine_event(struct module_sockets *m, enum runtime_event event);

/* Begins nothing any more; before the server drains. A socket that a change under way still needs
 * is made, but not served. NULL allowed, also below. */
void module_sockets_stop(struct module_sockets *m);

/* After the runtime has been closed. The files stay: what takes their place would be a directory of
 * the engine's. */
void module_sockets_free(struct module_sockets *m);

#endif
