/* SPDX-License-Identifier: MIT */
/*
 * Callers who ask for the same container wait for one inspection.
 *
 * No join of running process lists: a list that was begun before this peer connected may show its
 * number while that still was another process's.
 */
#include "api/authz_engine.h"

#include "api/authz_proc.h"
#include "api/authz_verdict.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* --- The Engine's process list --- */

static void listing_free(struct listing *li) {
    if (li->authz != NULL) {
        li->authz->listing_cnt--;
    }
    list_remove(&li->node);
    free(li);
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
        authz_verdict_engine_failed(x, expected, cause);
        return;
    }
    if (code != EDGE_OK) {
        (void)snprintf(reason, sizeof(reason), "its cgroup does not tell, and no process list: %s",
                       edge_error_text(cause));
        authz_verdict_refuse(x, expected, reason);
        return;
    }
    if (!has_pid(pids, cnt, peer->pid)) {
        authz_memory_deny(&li->authz->memory, li->authz->proc_fd, peer, expected);
        authz_verdict_refuse(
            x, expected, "its cgroup does not tell, and it is not in the module's process list");
        return;
    }
    if (authz_proc_verify(li->authz->proc_fd, peer, &err) != EDGE_OK) {
        authz_verdict_refuse(x, expected, edge_error_text(&err));
        return;
    }
    authz_verdict_allow(x, expected, li->epoch, "process list of the container");
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
            authz_verdict_engine_failed(x, li->q.expected, &err);
            listing_free(li);
        }
        return;
    }
    if (code == EDGE_OK || code == EDGE_NOT_FOUND) {
        authz_memory_deny(&li->authz->memory, li->authz->proc_fd, http_exchange_peer(x),
                          li->q.expected);
        authz_verdict_refuse(x, li->q.expected,
                             "its cgroup does not tell, and no such module of ours is running");
    } else {
        authz_verdict_engine_failed(x, li->q.expected, cause);
    }
    listing_free(li);
}

static void question_init(struct question *q, struct http_exchange *x, const char *expected) {
    list_init(&q->node);
    q->server = http_exchange_server(x);
    q->exchange = http_exchange_handle(x);
    memcpy(q->expected, expected, strlen(expected) + 1);
}

void authz_engine_list(struct authz *a, struct http_exchange *x, const char *expected) {
    struct edge_error err = {0};

    if (!runtime_is_module_name(slice_str(expected))) {
        authz_verdict_refuse(x, expected, "no module can have that name");
        return;
    }
    if (authz_memory_is_denied(&a->memory, a->proc_fd, http_exchange_peer(x), expected)) {
        authz_verdict_refuse(x, expected, "refused a moment ago");
        return;
    }
    if (a->listing_cnt >= AUTHZ_LISTING_MAX) {
        authz_verdict_busy(x, expected, "too many process lists are being asked for");
        return;
    }
    struct listing *li = calloc(1, sizeof(*li));
    if (li == NULL) {
        (void)edge_set(&err, EDGE_NOMEM, "out of memory");
        authz_verdict_engine_failed(x, expected, &err);
        return;
    }
    li->authz = a;
    li->epoch = a->epoch;
    question_init(&li->q, x, expected);
    list_append(&a->listings, &li->node);
    a->listing_cnt++;
    if (runtime_inspect(a->rt, expected, on_expected, li, &li->op, &err) != EDGE_OK) {
        listing_free(li);
        authz_verdict_engine_failed(x, expected, &err);
    }
}

/* --- The container of the peer --- */

static void lookup_free(struct lookup *lk) {
    list_for_each (node, next, &lk->questions) {
        free(LIST_ENTRY(node, struct question, node));
    }
    free(lk);
}

void authz_engine_settle(struct authz *a, struct http_exchange *x, const char *expected,
                         const char *id, const struct authz_fact *f, uint64_t epoch) {
    char reason[RUNTIME_NAME_MAX + 128];

    if (!f->known) {
        authz_engine_list(a, x, expected);
        return;
    }
    if (!f->owned || strcmp(f->name, expected) != 0) {
        (void)snprintf(reason, sizeof(reason), "it runs in container %.12s, which is %s%s%s", id,
                       f->owned ? "module '" : "none of our modules", f->owned ? f->name : "",
                       f->owned ? "'" : "");
        authz_verdict_refuse(x, expected, reason);
        return;
    }
    authz_verdict_allow(x, f->name, epoch, "cgroup of the container");
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
            authz_engine_settle(lk->authz, x, q->expected, lk->id, f, lk->epoch);
        } else if (x != NULL) {
            authz_verdict_engine_failed(x, q->expected, err);
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
        f.owned = list->owned && runtime_is_module_name(slice_str(list->name));
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

void authz_engine_inspect(struct authz *a, struct http_exchange *x, const char *expected,
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
    authz_verdict_engine_failed(x, expected, &err);
}

/* The legs are freed by their own completions, which are still to come. */
void authz_engine_cancel(struct authz *a) {
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
}
