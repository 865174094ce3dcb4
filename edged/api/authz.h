/*
 * Which container is asking: from the kernel's peer credentials to a module name, and from there to a route's
 * permission. Fails closed, with the reason in our log. Loop thread only.
 *
 * Evidence, strongest first: the pidfd taken at accept still refers to the live peer (where the kernel has
 * SO_PEERPIDFD), else its start time is unchanged; /proc/PID/cgroup names a container; the Engine says that this
 * container carries the owner label and its name. Only when the cgroup names no container is the Engine's process
 * list of the expected module asked. A proven identity is remembered with the connection; container facts are
 * cached until an Engine event voids them.
 */
#ifndef API_AUTHZ_H
#define API_AUTHZ_H

#include "http/http_server.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

struct authz;

enum edge_code authz_new(struct loop *l, struct runtime *rt, struct authz **ret,
                         struct edge_error *err) EDGE_NODISCARD;
void authz_free(struct authz *a);

/* For http_service.authorize, with the authz object as data. */
void authz_authorize(void *data, struct http_exchange *x, enum http_policy policy, struct slice module);

/* For docker_new's on_event. */
void authz_on_event(void *data, enum runtime_event event, const char *id);

#endif
