/* SPDX-License-Identifier: MIT */
/*
 * One job at a time makes one key. A job belongs to the worker once it is submitted; the pool may
 * go meanwhile, and the job then wipes its key.
 */
#include "pki/leaf_pool.h"

#include "base/attr.h"

#include <stdlib.h>

struct filling {
    struct leaf_pool *pool; /* NULL: it has gone */
    enum leaf_key_type type;
    struct leaf_key key;
    enum edge_code code;
};

struct leaf_pool {
    struct worker *worker;
    struct loop_timer *timer;
    enum leaf_key_type type;
    struct leaf_key keys[LEAF_POOL_MAX];
    size_t cnt;
    struct filling *filling; /* job under way, or NULL */
};

static size_t wanted(const struct leaf_pool *p) {
    return p->type == LEAF_KEY_RSA2048 ? LEAF_POOL_MAX : 0;
}

static void pool_look(void *data);

static void filling_free(struct filling *f) {
    leaf_key_clear(&f->key);
    free(f);
}

static void fill_run(void *data) {
    struct filling *f = data;
    f->code = leaf_key_make(f->type, &f->key, NULL);
}

/* A failure (no locked memory, a worker that stops) is nobody's: the next look tries again, and a
 * request that meets an empty pool makes its own key and reports. */
static void fill_done(void *data, enum edge_code code) {
    struct filling *f = data;
    struct leaf_pool *p = f->pool;
    if (p != NULL) {
        p->filling = NULL;
        bool is_made = code == EDGE_OK && f->code == EDGE_OK;
        if (is_made) {
            leaf_key_take(&f->key, &p->keys[p->cnt++]);
        }
        if (code != EDGE_CANCELED && p->cnt < wanted(p) && !loop_timer_is_active(p->timer)) {
            loop_timer_start(p->timer, is_made ? 0 : LEAF_POOL_QUIET_MS);
        }
    }
    filling_free(f);
}

/* Timer: asks for one more key if the worker has nothing else to do. */
static void pool_look(void *data) {
    struct leaf_pool *p = data;
    if (p->filling != NULL || p->cnt >= wanted(p)) {
        return;
    }
    struct filling *f = worker_queue_len(p->worker) == 0 ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL) {
        loop_timer_start(p->timer, LEAF_POOL_QUIET_MS);
        return;
    }
    *f = (struct filling){.pool = p, .type = p->type};
    const struct worker_job job = {.run = fill_run, .done = fill_done, .data = f};
    enum edge_code code = worker_submit(p->worker, &job, NULL, NULL);
    if (code == EDGE_OK) {
        p->filling = f;
        return;
    }
    filling_free(f);
    if (code != EDGE_CANCELED) {
        loop_timer_start(p->timer, LEAF_POOL_QUIET_MS);
    }
}

enum edge_code leaf_pool_new(struct loop *loop, struct worker *worker, enum leaf_key_type type,
                             struct leaf_pool **ret, struct edge_error *err) {
    struct leaf_pool *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for prepared keys");
    }
    p->worker = worker;
    p->type = type;
    enum edge_code code = loop_timer_new(loop, pool_look, p, &p->timer, err);
    if (code != EDGE_OK) {
        free(p);
        return code;
    }
    *ret = p;
    return EDGE_OK;
}

void leaf_pool_start(struct leaf_pool *p) {
    if (p->cnt < wanted(p)) {
        loop_timer_start(p->timer, LEAF_POOL_QUIET_MS);
    }
}

bool leaf_pool_take(struct leaf_pool *p, struct leaf_key *ret) {
    if (wanted(p) > 0) {
        loop_timer_start(p->timer, LEAF_POOL_QUIET_MS);
    }
    if (p->cnt == 0) {
        return false;
    }
    leaf_key_take(&p->keys[--p->cnt], ret);
    return true;
}

enum leaf_key_type leaf_pool_type(const struct leaf_pool *p) {
    return p->type;
}

size_t leaf_pool_cnt(const struct leaf_pool *p) {
    return p->cnt;
}

void leaf_pool_free(struct leaf_pool *p) {
    if (p == NULL) {
        return;
    }
    if (p->filling != NULL) {
        p->filling->pool = NULL;
    }
    for (size_t i = 0; i < p->cnt; i++) {
        leaf_key_clear(&p->keys[i]);
    }
    loop_timer_free(p->timer);
    free(p);
}
