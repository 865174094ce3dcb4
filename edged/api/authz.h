/* SPDX-License-Identifier: MIT */
/*
 * Which container is asking: from the kernel's peer credentials to a module name, and from there to
 * a route's permission. Fails closed, with the reason in our log. Loop thread only.
 *
 * Evidence, strongest first: the pidfd taken at accept still refers to the live peer (where the
 * kernel has SO_PEERPIDFD), else its start time is unchanged; /proc/PID/cgroup names a container;
 * the Engine says that this container carries the owner label and its name. When the cgroup does
 * not settle it, or names a container that the Engine does not know (its own world is nested in
 * another engine's), the Engine's process list of the expected module is asked. A proven identity
 * is remembered with the connection: it belongs to the process that called connect(2), whoever uses
 * the descriptor afterwards.
 *
 * An operator's routes (HTTP_POLICY_HOST, HTTP_POLICY_OWNER) are decided in authz_host.h, from the
 * kernel's word alone; where HTTP_POLICY_CONTROL is narrowed, an operator is let in by that, and
 * anybody else must be edgeAgent.
 *
 * Container facts (id to name and label) are cached until an Engine event voids them. An id is
 * never given to another container and labels never change, so only a rename can make a fact false;
 * while the event stream is down a fact is asked for again after AUTHZ_LOST_FRESH_MS, and is used
 * on when the Engine cannot be reached.
 *
 * Answers: 404 "Module not found" for a refusal (also of an operator's route), 503 when the Engine
 * could not be asked.
 */
#ifndef API_AUTHZ_H
#define API_AUTHZ_H

#include "http/http_server.h"
#include "loop/loop.h"
#include "runtime/runtime.h"

#define AUTHZ_LOST_FRESH_MS 30000 /* how long facts are believed without events */
#define AUTHZ_LISTING_MAX   8     /* process lists asked for at once; beyond it 503 */

struct authz;

enum edge_code authz_new(struct loop *l, struct runtime *rt, struct authz **ret,
                         struct edge_error *err) EDGE_NODISCARD;

/* Questions in flight are cancelled and their exchanges left unanswered: drain the servers first.
 * NULL allowed. */
void authz_free(struct authz *a);

/* Narrows HTTP_POLICY_CONTROL to edgeAgent and operators; without, it lets everybody in unseen. */
void authz_narrow_control(struct authz *a);

/* For http_service.authorize, with the authz object as data. */
void authz_authorize(void *data, struct http_exchange *x, enum http_policy policy,
                     struct slice module);

/* For http_service.group: processes of one container are one group, however deep they hide below
 * it, and so are host processes of one user, and processes that have exited already. 0 when /proc
 * does not tell which container it is. */
uint64_t authz_group(void *data, const struct http_peer *peer);

/* For docker_new's on_event. */
void authz_on_event(void *data, enum runtime_event event, const char *id);

/* Test seam: a directory that looks like /proc; taken over. */
void authz_set_proc_take(struct authz *a, int proc_fd);

#endif
