/* SPDX-License-Identifier: MIT */
/*
 * The decision as far as it needs nobody else: by the connection, the process and what is known of
 * its container. What must be asked for is in authz_engine.c.
 */
#include "api/authz.h"

#include "api/authz_engine.h"
#include "api/authz_host.h"
#include "api/authz_memory.h"
#include "api/authz_peers.h"
#include "api/authz_proc.h"
#include "api/authz_verdict.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EDGE_AGENT "edgeAgent"

/* --- Life --- */

enum edge_code authz_new(struct loop *l, struct runtime *rt, struct authz **ret,
                         struct edge_error *err) {
    struct authz *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the authorization");
    }
    a->loop = l;
    a->rt = rt;
    a->lost = true;
    list_init(&a->lookups);
    list_init(&a->listings);
    enum edge_code code = authz_memory_init(&a->memory, err);
    a->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (code == EDGE_OK && a->proc_fd < 0) {
        code = edge_set_errno(err, errno, "cannot open /proc");
    }
    if (code != EDGE_OK) {
        authz_free(a);
        return code;
    }
    *ret = a;
    return EDGE_OK;
}

void authz_set_proc_take(struct authz *a, int proc_fd) {
    edge_cleanup_fd(&a->proc_fd);
    a->proc_fd = proc_fd;
}

void authz_narrow_control(struct authz *a) {
    a->control_narrowed = true;
}

void authz_free(struct authz *a) {
    if (a == NULL) {
        return;
    }
    authz_engine_cancel(a);
    authz_memory_clear(&a->memory);
    edge_cleanup_fd(&a->proc_fd);
    free(a);
}

/* --- The group of a peer --- */

/* No two kinds meet: ids keep 62 of their random bits, users have 32. */
#define GROUP_CONTAINER ((uint64_t)1 << 63)
#define GROUP_USER      ((uint64_t)1 << 62)
#define GROUP_EXITED    ((uint64_t)1)

static uint64_t group_of_container(const char *id) {
    uint64_t value = 0;
    for (size_t i = 0; i < 16; i++) {
        unsigned digit = id[i] <= '9' ? (unsigned)(id[i] - '0') : (unsigned)(id[i] - 'a') + 10;
        value = value << 4 | digit;
    }
    return GROUP_CONTAINER | value >> 2;
}

uint64_t authz_group(void *data, const struct http_peer *peer) {
    struct authz *a = data;
    struct authz_evidence found;
    const uint64_t key = peer->pid > 0 ? authz_peer_key(peer) : 0;

    if (peer->pid <= 0) {
        return 0;
    }
    if (authz_peers_get(&a->peers, key, clock_mono_ms(), found.id)) {
        return group_of_container(found.id);
    }
    /* Whoever lets its processes exit after connecting would escape from its group otherwise. */
    if (authz_proc_look(a->proc_fd, peer, &found, NULL) != EDGE_OK) {
        return GROUP_EXITED;
    }
    switch (found.verdict) {
    case CGROUP_CONTAINER:
        authz_peers_put(&a->peers, key, clock_mono_ms(), found.id);
        return group_of_container(found.id);
    case CGROUP_HOST:
        return GROUP_USER | peer->uid;
    case CGROUP_UNCLEAR:
        break;
    }
    return 0;
}

/* --- The request --- */

/* The name that the caller must turn out to have: what is in the path without the '$' that system
 * modules may carry there, all of them. */
static bool expected_name(enum http_policy policy, struct slice module,
                          char ret[RUNTIME_NAME_MAX + 1]) {
    if (policy != HTTP_POLICY_CALLER) {
        module = SLICE_LIT(EDGE_AGENT);
    }
    while (slice_starts_with(module, "$")) {
        module = slice_make(module.ptr + 1, module.len - 1);
    }
    return module.len > 0 && slice_to_array(module, ret, RUNTIME_NAME_MAX + 1);
}

/* True when the connection's memory settled it. */
static bool settle_by_connection(const struct authz *a, struct http_exchange *x,
                                 const char *expected) {
    const struct authz_identity *who = http_exchange_conn_data(x);
    char reason[RUNTIME_NAME_MAX + 64];

    if (who == NULL || who->epoch != a->epoch ||
        (a->lost && clock_mono_ms() - who->proved_ms >= AUTHZ_LOST_FRESH_MS)) {
        return false;
    }
    if (strcmp(who->name, expected) == 0) {
        http_exchange_allow(x, slice_str(expected));
    } else {
        (void)snprintf(reason, sizeof(reason), "its connection was proved to be module '%s'",
                       who->name);
        authz_verdict_refuse(x, expected, reason);
    }
    return true;
}

static void settle_by_container(struct authz *a, struct http_exchange *x, const char *expected,
                                const char *id) {
    const struct authz_fact *f = authz_memory_fact(&a->memory, id);
    if (f != NULL &&
        (!a->lost || !f->known || clock_mono_ms() - f->asked_ms < AUTHZ_LOST_FRESH_MS)) {
        struct authz_fact copy = *f;
        authz_engine_settle(a, x, expected, id, &copy, a->epoch);
    } else {
        authz_engine_inspect(a, x, expected, id);
    }
}

static void settle_by_process(struct authz *a, struct http_exchange *x, const char *expected) {
    const struct http_peer *peer = http_exchange_peer(x);
    const uint64_t key = authz_peer_key(peer);
    struct authz_evidence found;
    struct edge_error err = {0};

    if (authz_peers_get(&a->peers, key, clock_mono_ms(), found.id)) {
        settle_by_container(a, x, expected, found.id);
        return;
    }
    if (authz_proc_look(a->proc_fd, peer, &found, &err) != EDGE_OK) {
        authz_verdict_refuse(x, expected, edge_error_text(&err));
        return;
    }
    if (found.verdict == CGROUP_HOST) {
        authz_verdict_refuse(x, expected, "it runs in no container (by its cgroup)");
        return;
    }
    if (found.verdict == CGROUP_UNCLEAR) {
        authz_engine_list(a, x, expected);
        return;
    }
    authz_peers_put(&a->peers, key, clock_mono_ms(), found.id);
    settle_by_container(a, x, expected, found.id);
}

/* Not remembered with the connection: these requests are rare. */
static enum edge_code check_host(const struct authz *a, struct http_exchange *x,
                                 struct edge_error *err) {
    const struct authz_self self = {.uid = geteuid(), .gid = getegid()};
    if (http_exchange_listener_module(x) != NULL) {
        return edge_set(err, EDGE_DENIED, "it came through the socket of a module");
    }
    return authz_host_check(a->proc_fd, http_exchange_peer(x), &self, err);
}

static void authorize_host(const struct authz *a, struct http_exchange *x,
                           enum http_policy policy) {
    const struct authz_self self = {.uid = geteuid(), .gid = getegid()};
    struct edge_error err = {0};
    if (check_host(a, x, &err) != EDGE_OK) {
        authz_verdict_refuse(x, AUTHZ_HOST, edge_error_text(&err));
    } else if (policy == HTTP_POLICY_OWNER && !authz_host_is_owner(http_exchange_peer(x), &self)) {
        authz_verdict_not_owner(x, AUTHZ_HOST);
    } else {
        http_exchange_allow(x, slice_str(AUTHZ_HOST));
    }
}

/* True when it is settled; otherwise the caller must be edgeAgent. */
static bool settle_control(const struct authz *a, struct http_exchange *x) {
    if (!a->control_narrowed) {
        http_exchange_allow(x, SLICE_LIT(""));
        return true;
    }
    if (check_host(a, x, NULL) == EDGE_OK) {
        http_exchange_allow(x, slice_str(AUTHZ_HOST));
        return true;
    }
    return false;
}

void authz_authorize(void *data, struct http_exchange *x, enum http_policy policy,
                     struct slice module) {
    struct authz *a = data;
    const char *socket_of = http_exchange_listener_module(x);
    char expected[RUNTIME_NAME_MAX + 1];

    if (policy == HTTP_POLICY_HOST || policy == HTTP_POLICY_OWNER) {
        authorize_host(a, x, policy);
        return;
    }
    if (policy == HTTP_POLICY_CONTROL && settle_control(a, x)) {
        return;
    }
    if (!expected_name(policy, module, expected)) {
        authz_verdict_refuse(x, "", "the path names no module that a container could be");
        return;
    }
    if (socket_of != NULL && strcmp(socket_of + strspn(socket_of, "$"), expected) != 0) {
        authz_verdict_refuse(x, expected, "it came through the socket of another module");
        return;
    }
    if (http_exchange_peer(x)->pid <= 0) {
        authz_verdict_refuse(
            x, expected,
            "the kernel tells no process id: this daemon runs in another pid namespace than the "
            "caller (a daemon in a container needs the host's, --pid=host)");
        return;
    }
    if (!settle_by_connection(a, x, expected)) {
        settle_by_process(a, x, expected);
    }
}

void authz_on_event(void *data, enum runtime_event event, const char *id) {
    struct authz *a = data;

    switch (event) {
    case RUNTIME_EVENT_STARTED:
        authz_memory_forget(&a->memory, id);
        return;
    case RUNTIME_EVENT_STOPPED:
        authz_memory_forget(&a->memory, id);
        break;
    case RUNTIME_EVENT_CONNECTED:
        authz_memory_forget_facts(&a->memory);
        a->lost = false;
        break;
    case RUNTIME_EVENT_LOST:
        a->lost = true;
        return;
    }
    a->epoch++;
    authz_memory_forget_denials(&a->memory);
}
