/* SPDX-License-Identifier: MIT */
/*
 * The decision and its asynchronous legs. /proc is read by authz_proc.c, the cgroup grammar is in
 * cgroup.c.
 *
 * No join of running process lists: a list that was begun before this peer connected may show its
 * number while that still was another process's.
 */
#include "api/authz.h"

#include "api/authz_memory.h"
#include "api/authz_peers.h"
#include "api/authz_proc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EDGE_AGENT "edgeAgent"

#define DENIED_MESSAGE "Module not found"
#define ENGINE_MESSAGE                                                                             \
    "An error occurred while authorizing the HTTP request: the container engine did not answer"
#define BUSY_MESSAGE                                                                               \
    "An error occurred while authorizing the HTTP request: too many callers to check"

/* A connection's proven identity. */
struct identity {
    char name[RUNTIME_NAME_MAX + 1];
    uint64_t epoch;
    uint64_t proved_ms;
};

struct authz {
    struct loop *loop;
    struct runtime *rt;
    int proc_fd;
    uint64_t epoch; /* counts events that void what was learnt */
    bool lost;      /* no events come */
    struct authz_memory memory;
    struct list lookups;
    struct list listings;
    unsigned listing_cnt;
    struct authz_peers peers;
};

/* One exchange that waits for an answer of the Engine. */
struct question {
    struct list node;
    struct http_server *server;
    struct op exchange;
    char expected[RUNTIME_NAME_MAX + 1];
};

/* One inspection of a container id; all who need it wait for the same. */
struct lookup {
    struct list node;
    struct authz *authz; /* NULL: nobody wants the answer any more */
    struct op op;
    uint64_t epoch;
    char id[RUNTIME_ID_LEN + 1];
    struct list questions;
};

/* One look into the process list of the expected module. */
struct listing {
    struct list node;
    struct authz *authz;
    struct op op;
    uint64_t epoch;
    struct question q;
};

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

static void lookup_free(struct lookup *lk) {
    list_for_each (node, next, &lk->questions) {
        free(LIST_ENTRY(node, struct question, node));
    }
    free(lk);
}

/* The legs are freed by their own completions, which are still to come. */
void authz_free(struct authz *a) {
    if (a == NULL) {
        return;
    }
    list_for_each (node, next, &a->lookups) {
        struct lookup *lk = LIST_ENTRY(node, struct lookup, node);
        list_remove(node);
        lk->authz = NULL;
        op_cancel(loop_ops(a->loop), lk->op);
    }
    list_for_each (node, next, &a->listings) {
        struct listing *li = LIST_ENTRY(node, struct listing, node);
        list_remove(node);
        li->authz = NULL;
        op_cancel(loop_ops(a->loop), li->op);
    }
    authz_memory_clear(&a->memory);
    edge_cleanup_fd(&a->proc_fd);
    free(a);
}

/* --- Verdicts --- */

static void deny(struct http_exchange *x, int status, const char *message, const char *expected,
                 const char *reason) {
    const struct http_peer *peer = http_exchange_peer(x);
    log_set_request(http_exchange_id(x));
    log_info("refused pid %d (uid %u) as module %s for %s: %s", (int)peer->pid, (unsigned)peer->uid,
             log_quote_str(expected), log_quote(http_exchange_target(x)), reason);
    log_set_request(0);
    http_exchange_deny(x, status, message);
}

static void refuse(struct http_exchange *x, const char *expected, const char *reason) {
    deny(x, 404, DENIED_MESSAGE, expected, reason);
}

static void engine_failed(struct http_exchange *x, const char *expected,
                          const struct edge_error *err) {
    deny(x, 503, ENGINE_MESSAGE, expected, edge_error_text(err));
}

/* A connection that cannot be given a memory is proved again next time. */
static void remember(struct http_exchange *x, const char *name, uint64_t epoch) {
    struct identity *who = http_exchange_conn_data(x);
    if (who == NULL) {
        who = calloc(1, sizeof(*who));
        if (who == NULL) {
            return;
        }
        http_exchange_set_conn_data(x, who, free);
    }
    if (!slice_to_array(slice_str(name), who->name, sizeof(who->name))) {
        who->name[0] = '\0';
    }
    who->epoch = epoch;
    who->proved_ms = clock_mono_ms();
}

static void allow(struct http_exchange *x, const char *name, uint64_t epoch, const char *source) {
    const struct http_peer *peer = http_exchange_peer(x);
    log_debug("pid %d is module %s: %s, process confirmed by %s", (int)peer->pid,
              log_quote_str(name), source, peer->pidfd >= 0 ? "pidfd" : "start time");
    remember(x, name, epoch);
    http_exchange_allow(x, slice_str(name));
}

/* --- The Engine's process list --- */

static void listing_free(struct listing *li) {
    if (li->authz != NULL) {
        li->authz->listing_cnt--;
    }
    list_remove(&li->node);
    free(li);
}

/* The Engine's failures that a later try may not see. */
static bool is_passing(enum edge_code code) {
    switch (code) {
    case EDGE_NET:
    case EDGE_TIMEOUT:
    case EDGE_RETRY:
    case EDGE_BUSY:
    case EDGE_CANCELED:
    case EDGE_NOMEM:
        return true;
    default:
        return false;
    }
}

static bool has_pid(const pid_t *pids, size_t cnt, pid_t pid) {
    for (size_t i = 0; i < cnt; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

static void listing_settle(struct listing *li, struct http_exchange *x, enum edge_code code,
                           const pid_t *pids, size_t cnt, const struct edge_error *cause) {
    const struct http_peer *peer = http_exchange_peer(x);
    const char *expected = li->q.expected;
    struct edge_error err = {0};
    char reason[EDGE_ERROR_TEXT_MAX + 64];

    if (is_passing(code)) {
        engine_failed(x, expected, cause);
        return;
    }
    if (code != EDGE_OK) {
        (void)snprintf(reason, sizeof(reason), "its cgroup does not tell, and no process list: %s",
                       edge_error_text(cause));
        refuse(x, expected, reason);
        return;
    }
    if (!has_pid(pids, cnt, peer->pid)) {
        authz_memory_deny(&li->authz->memory, li->authz->proc_fd, peer, expected);
        refuse(x, expected, "its cgroup does not tell, and it is not in the module's process list");
        return;
    }
    if (authz_proc_verify(li->authz->proc_fd, peer, &err) != EDGE_OK) {
        refuse(x, expected, edge_error_text(&err));
        return;
    }
    allow(x, expected, li->epoch, "process list of the container");
}

static void on_top(void *data, enum edge_code code, const pid_t *pids, size_t cnt,
                   const struct edge_error *cause) {
    struct listing *li = data;
    struct http_exchange *x =
        li->authz != NULL ? http_exchange_from(li->q.server, li->q.exchange) : NULL;

    if (x != NULL) {
        listing_settle(li, x, code, pids, cnt, cause);
    }
    listing_free(li);
}

static void on_expected(void *data, enum edge_code code, const struct runtime_container *list,
                        size_t cnt, const struct edge_error *cause) {
    struct listing *li = data;
    struct http_exchange *x =
        li->authz != NULL ? http_exchange_from(li->q.server, li->q.exchange) : NULL;
    struct edge_error err = {0};

    if (x == NULL) {
        listing_free(li);
        return;
    }
    if (code == EDGE_OK && cnt == 1 && list->owned && list->running &&
        strcmp(list->name, li->q.expected) == 0) {
        code = runtime_top(li->authz->rt, list->id, on_top, li, &li->op, &err);
        if (code != EDGE_OK) {
            engine_failed(x, li->q.expected, &err);
            listing_free(li);
        }
        return;
    }
    if (code == EDGE_OK || code == EDGE_NOT_FOUND) {
        authz_memory_deny(&li->authz->memory, li->authz->proc_fd, http_exchange_peer(x),
                          li->q.expected);
        refuse(x, li->q.expected,
               "its cgroup does not tell, and no such module of ours is running");
    } else {
        engine_failed(x, li->q.expected, cause);
    }
    listing_free(li);
}

static void question_init(struct question *q, struct http_exchange *x, const char *expected) {
    list_init(&q->node);
    q->server = http_exchange_server(x);
    q->exchange = http_exchange_handle(x);
    memcpy(q->expected, expected, strlen(expected) + 1);
}

static void listing_start(struct authz *a, struct http_exchange *x, const char *expected) {
    struct edge_error err = {0};

    if (!runtime_is_name(slice_str(expected))) {
        refuse(x, expected, "no container can have that name");
        return;
    }
    if (authz_memory_is_denied(&a->memory, a->proc_fd, http_exchange_peer(x), expected)) {
        refuse(x, expected, "refused a moment ago");
        return;
    }
    if (a->listing_cnt >= AUTHZ_LISTING_MAX) {
        deny(x, 503, BUSY_MESSAGE, expected, "too many process lists are being asked for");
        return;
    }
    struct listing *li = calloc(1, sizeof(*li));
    if (li == NULL) {
        (void)edge_set(&err, EDGE_NOMEM, "out of memory");
        engine_failed(x, expected, &err);
        return;
    }
    li->authz = a;
    li->epoch = a->epoch;
    question_init(&li->q, x, expected);
    list_append(&a->listings, &li->node);
    a->listing_cnt++;
    if (runtime_inspect(a->rt, expected, on_expected, li, &li->op, &err) != EDGE_OK) {
        listing_free(li);
        engine_failed(x, expected, &err);
    }
}

/* --- The container of the peer --- */

static void settle(struct authz *a, struct http_exchange *x, const char *expected, const char *id,
                   const struct authz_fact *f, uint64_t epoch) {
    char reason[RUNTIME_NAME_MAX + 128];

    if (!f->known) {
        listing_start(a, x, expected);
        return;
    }
    if (!f->owned || strcmp(f->name, expected) != 0) {
        (void)snprintf(reason, sizeof(reason), "it runs in container %.12s, which is %s%s%s", id,
                       f->owned ? "module '" : "none of our modules", f->owned ? f->name : "",
                       f->owned ? "'" : "");
        refuse(x, expected, reason);
        return;
    }
    allow(x, f->name, epoch, "cgroup of the container");
}

/* Answers all who wait. The verdicts run handlers, which may come back here with new questions, but
 * the lookup is in no list any more, so none joins this one. */
static void lookup_settle(struct lookup *lk, const struct authz_fact *f,
                          const struct edge_error *err) {
    list_for_each (node, next, &lk->questions) {
        struct question *q = LIST_ENTRY(node, struct question, node);
        struct http_exchange *x = http_exchange_from(q->server, q->exchange);
        list_remove(node);
        if (x != NULL && f != NULL) {
            settle(lk->authz, x, q->expected, lk->id, f, lk->epoch);
        } else if (x != NULL) {
            engine_failed(x, q->expected, err);
        }
        free(q);
    }
}

static void on_container(void *data, enum edge_code code, const struct runtime_container *list,
                         size_t cnt, const struct edge_error *err) {
    struct lookup *lk = data;
    struct authz *a = lk->authz;
    struct authz_fact f = {.asked_ms = clock_mono_ms()};
    bool told = false;

    if (a == NULL) {
        lookup_free(lk);
        return;
    }
    list_remove(&lk->node);
    if (code == EDGE_OK && cnt == 1) {
        /* The Engine also resolves names; only the container with that very id counts. */
        f.known = strcmp(list->id, lk->id) == 0;
        f.owned = list->owned;
        memcpy(f.name, list->name, sizeof(f.name));
        told = true;
    } else if (code == EDGE_NOT_FOUND) {
        told = true;
    } else {
        const struct authz_fact *old = authz_memory_fact(&a->memory, lk->id);
        if (old != NULL && old->known && is_passing(code)) {
            f = *old;
            f.asked_ms = clock_mono_ms();
            told = true;
        }
    }
    /* What an event has voided meanwhile is good for those who asked before it, and for nobody
     * else. */
    if (told && lk->epoch == a->epoch) {
        authz_memory_store(&a->memory, lk->id, &f);
    }
    lookup_settle(lk, told ? &f : NULL, err);
    lookup_free(lk);
}

static struct lookup *lookup_find(struct authz *a, const char *id) {
    list_for_each (node, next, &a->lookups) {
        struct lookup *lk = LIST_ENTRY(node, struct lookup, node);
        if (lk->epoch == a->epoch && strcmp(lk->id, id) == 0) {
            return lk;
        }
    }
    return NULL;
}

static enum edge_code lookup_new(struct authz *a, const char *id, struct lookup **ret,
                                 struct edge_error *err) {
    struct lookup *lk = calloc(1, sizeof(*lk));
    if (lk == NULL) {
        (void)edge_set(err, EDGE_NOMEM, "out of memory");
        return EDGE_NOMEM;
    }
    list_init(&lk->node);
    list_init(&lk->questions);
    lk->authz = a;
    lk->epoch = a->epoch;
    memcpy(lk->id, id, sizeof(lk->id));
    enum edge_code code = runtime_inspect(a->rt, id, on_container, lk, &lk->op, err);
    if (code != EDGE_OK) {
        lookup_free(lk);
        return code;
    }
    list_append(&a->lookups, &lk->node);
    *ret = lk;
    return EDGE_OK;
}

static void lookup_join(struct authz *a, struct http_exchange *x, const char *expected,
                        const char *id) {
    struct edge_error err = {0};
    struct question *q = malloc(sizeof(*q));
    struct lookup *lk = lookup_find(a, id);

    if (q == NULL) {
        (void)edge_set(&err, EDGE_NOMEM, "out of memory");
    } else if (lk != NULL || lookup_new(a, id, &lk, &err) == EDGE_OK) {
        question_init(q, x, expected);
        list_append(&lk->questions, &q->node);
        return;
    }
    free(q);
    engine_failed(x, expected, &err);
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
    if (policy == HTTP_POLICY_EDGE_AGENT) {
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
    const struct identity *who = http_exchange_conn_data(x);
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
        refuse(x, expected, reason);
    }
    return true;
}

static void settle_by_container(struct authz *a, struct http_exchange *x, const char *expected,
                                const char *id) {
    const struct authz_fact *f = authz_memory_fact(&a->memory, id);
    if (f != NULL &&
        (!a->lost || !f->known || clock_mono_ms() - f->asked_ms < AUTHZ_LOST_FRESH_MS)) {
        struct authz_fact copy = *f;
        settle(a, x, expected, id, &copy, a->epoch);
    } else {
        lookup_join(a, x, expected, id);
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
        refuse(x, expected, edge_error_text(&err));
        return;
    }
    if (found.verdict == CGROUP_HOST) {
        refuse(x, expected, "it runs in no container (by its cgroup)");
        return;
    }
    if (found.verdict == CGROUP_UNCLEAR) {
        listing_start(a, x, expected);
        return;
    }
    authz_peers_put(&a->peers, key, clock_mono_ms(), found.id);
    settle_by_container(a, x, expected, found.id);
}

void authz_authorize(void *data, struct http_exchange *x, enum http_policy policy,
                     struct slice module) {
    struct authz *a = data;
    const char *socket_of = http_exchange_listener_module(x);
    char expected[RUNTIME_NAME_MAX + 1];

    if (!expected_name(policy, module, expected)) {
        refuse(x, "", "the path names no module that a container could be");
        return;
    }
    if (socket_of != NULL && strcmp(socket_of + strspn(socket_of, "$"), expected) != 0) {
        refuse(x, expected, "it came through the socket of another module");
        return;
    }
    if (http_exchange_peer(x)->pid <= 0) {
        refuse(x, expected,
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
