/* SPDX-License-Identifier: MIT */
/*
 * Derivation of module keys: the context of the HMAC, the jobs on the worker, and who waits for
 * which. What is kept afterwards is module_cache.c's matter.
 */
#include "identity/module_key.h"

#include "base/list.h"
#include "base/log.h"
#include "identity/module_cache.h"
#include "identity/module_legacy.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN      "edged module key 1"
#define CONTEXT_MAX (4 * 4 + sizeof(DOMAIN) + 3 * MODULE_KEY_ID_MAX)

struct module_keys {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    struct module_cache *cache;
    struct module_legacy legacy;
    bool keeps;          /* lifetime is not 0 */
    struct list flights; /* oldest first */
    size_t flight_cnt;
    size_t at_worker_cnt; /* of these */
};

/* Input of the HMAC for one key. */
struct context {
    uint8_t bytes[CONTEXT_MAX];
    size_t len;
};

/* One derivation on the worker and the requests that share it. */
struct flight {
    struct list node; /* in module_keys.flights */
    struct module_keys *keys;
    struct module_cache_key key;
    bool is_closed; /* takes no more waiters, and its result is not kept */
    bool is_at_worker;
    struct op job;
    struct list waiters;
    size_t waiter_cnt;
    size_t live_cnt; /* waiters that have not been cancelled */
    struct hsm *hsm;
    struct context context;
    uint64_t legacy_generation; /* 0: the key is ours */
    struct module_legacy_context legacy_context;
    struct secret secret;
    enum edge_code code;
    struct edge_error err;
};

struct waiter {
    struct list node;
    struct flight *flight;
    struct op self;
    bool is_canceled;
    module_key_done_fn *done;
    void *data;
};

/* Derivation of both keys of a module. */
struct pair {
    struct hsm *hsm;
    struct context contexts[2];
    struct secret secrets[2];
    enum edge_code code;
    struct edge_error err;
    module_key_pair_fn *done;
    void *data;
};

static void context_add(struct context *c, struct slice part) {
    const uint8_t len[4] = {(uint8_t)(part.len >> 24), (uint8_t)(part.len >> 16),
                            (uint8_t)(part.len >> 8), (uint8_t)part.len};
    memcpy(c->bytes + c->len, len, sizeof(len));
    memcpy(c->bytes + c->len + sizeof(len), part.ptr, part.len);
    c->len += sizeof(len) + part.len;
}

static enum edge_code context_build(const struct module_key_id *id, struct context *ret,
                                    struct edge_error *err) {
    if (!slice_eq_str(id->key_id, "primary") && !slice_eq_str(id->key_id, "secondary")) {
        return edge_set(err, EDGE_INVALID, "key id is neither 'primary' nor 'secondary'");
    }
    if (id->module.len == 0 || id->generation.len == 0) {
        return edge_set(err, EDGE_INVALID, "a module key needs a module id and a generation id");
    }
    if (id->module.len > MODULE_KEY_ID_MAX || id->generation.len > MODULE_KEY_ID_MAX) {
        return edge_set(err, EDGE_RANGE, "module id or generation id is longer than %d bytes",
                        MODULE_KEY_ID_MAX);
    }
    ret->len = 0;
    context_add(ret, SLICE_LIT(DOMAIN));
    context_add(ret, id->module);
    context_add(ret, id->key_id);
    context_add(ret, id->generation);
    return EDGE_OK;
}

enum edge_code module_keys_new(struct loop *l, struct worker *w, struct hsm *h, uint32_t ttl_s,
                               struct module_keys **ret, struct edge_error *err) {
    struct module_keys *k = calloc(1, sizeof(*k));
    if (k == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for module keys");
    }
    k->loop = l;
    k->worker = w;
    k->hsm = h;
    k->keeps = ttl_s > 0;
    list_init(&k->flights);
    enum edge_code code = module_cache_new(l, (uint64_t)ttl_s * 1000, &k->cache, err);
    if (code != EDGE_OK) {
        free(k);
        return code;
    }
    *ret = k;
    return EDGE_OK;
}

void module_keys_free(struct module_keys *k) {
    if (k != NULL) {
        module_cache_free(k->cache);
        module_legacy_clear(&k->legacy);
        free(k);
    }
}

struct mac_key *module_keys_cached(struct module_keys *k, const struct module_key_id *id) {
    struct module_cache_key key;
    return module_cache_key_init(&key, id) ? module_cache_get(k->cache, &key) : NULL;
}

size_t module_keys_cnt(const struct module_keys *k) {
    return module_cache_cnt(k->cache);
}

void module_keys_drop(struct module_keys *k) {
    module_cache_drop(k->cache);
    list_for_each (pos, tmp, &k->flights) {
        LIST_ENTRY(pos, struct flight, node)->is_closed = true;
    }
}

void module_keys_set_legacy(struct module_keys *k, uint64_t generation) {
    if (generation != k->legacy.generation) {
        module_legacy_set(&k->legacy, generation);
        module_keys_drop(k);
    }
}

static void drop_module(struct module_keys *k, struct slice module) {
    module_cache_drop_module(k->cache, module);
    list_for_each (pos, tmp, &k->flights) {
        struct flight *f = LIST_ENTRY(pos, struct flight, node);
        f->is_closed = f->is_closed || module_cache_is_of(&f->key, module);
    }
}

void module_keys_leave_legacy(struct module_keys *k, const char *module_id) {
    struct edge_error err = {0};
    struct slice module = slice_str(module_id);
    if (module_id == NULL) {
        module_keys_set_legacy(k, 0);
    } else if (module_legacy_generation(&k->legacy, module) != 0) {
        if (module_legacy_leave(&k->legacy, module, &err) != EDGE_OK) {
            log_warn("Module %s goes on with its old key until all modules have new ones: %s",
                     log_quote_str(module_id), edge_error_text(&err));
            return;
        }
        drop_module(k, module);
    }
}

static void flight_run(void *data) {
    struct flight *f = data;
    struct slice context = slice_make(f->context.bytes, f->context.len);
    if (f->legacy_generation != 0) {
        f->code = module_legacy_sign(f->hsm, f->legacy_generation, &f->legacy_context, &f->secret,
                                     &f->err);
    } else {
        f->code = hsm_root_derive(f->hsm, context, &f->secret, &f->err);
    }
}

static void waiter_finish(struct waiter *w, enum edge_code code, struct mac_key *key,
                          const struct edge_error *err) {
    struct edge_error canceled = {0};
    if (w->is_canceled && code != EDGE_CANCELED) {
        code = edge_set(&canceled, EDGE_CANCELED, "the request for a module key was cancelled");
        key = NULL;
        err = &canceled;
    }
    op_remove(loop_ops(w->flight->keys->loop), w->self);
    list_remove(&w->node);
    w->done(w->data, code, key, err);
    free(w);
}

/* The prepared key; the secret is gone afterwards. */
static enum edge_code flight_key(struct flight *f, enum edge_code job_code, struct mac_key **ret) {
    if (job_code == EDGE_CANCELED) {
        return edge_set(&f->err, job_code, "the request for a module key was cancelled");
    }
    if (job_code != EDGE_OK) {
        return edge_set(&f->err, job_code, "the key store was busy for %d s",
                        MODULE_KEY_QUEUE_TIMEOUT_MS / 1000);
    }
    enum edge_code code = f->code;
    if (code == EDGE_OK) {
        code = mac_key_new(&f->secret, ret, &f->err);
    }
    return code;
}

/* Answers all who wait. */
static void flight_end(struct flight *f, enum edge_code job_code) {
    struct module_keys *k = f->keys;
    struct mac_key *key = NULL;
    enum edge_code code = flight_key(f, job_code, &key);
    secret_clear(&f->secret);
    /* Requests made by the callbacks below start a derivation of their own unless the key is kept.
     */
    list_remove(&f->node);
    k->flight_cnt--;
    struct module_cache_entry *entry = NULL;
    if (code == EDGE_OK && k->keeps && !f->is_closed) {
        /* A full memory costs the keeping, not the answer. */
        entry = module_cache_put(k->cache, &f->key, key);
    }
    while (!list_is_empty(&f->waiters)) {
        waiter_finish(LIST_ENTRY(f->waiters.next, struct waiter, node), code, key, &f->err);
    }
    if (entry != NULL) {
        module_cache_unref(entry);
    } else {
        mac_key_free(key);
    }
    free(f);
}

static enum edge_code flight_submit(struct flight *f, struct edge_error *err);

static struct flight *flight_next(const struct module_keys *k) {
    list_for_each (pos, tmp, &k->flights) {
        struct flight *f = LIST_ENTRY(pos, struct flight, node);
        if (!f->is_at_worker) {
            return f;
        }
    }
    return NULL;
}

/* Those that wait for a place at the worker move up. */
static void move_up(struct module_keys *k) {
    struct flight *f;
    struct edge_error err;
    while (k->at_worker_cnt < MODULE_KEY_AT_WORKER_MAX && (f = flight_next(k)) != NULL) {
        enum edge_code code = f->live_cnt == 0 ? EDGE_CANCELED : flight_submit(f, &err);
        if (code == EDGE_CANCELED) {
            flight_end(f, code);
        } else if (code != EDGE_OK) {
            f->code = code;
            f->err = err;
            flight_end(f, EDGE_OK);
        }
    }
}

static void flight_done(void *data, enum edge_code job_code) {
    struct flight *f = data;
    struct module_keys *k = f->keys;
    k->at_worker_cnt--;
    move_up(k);
    flight_end(f, job_code);
}

static enum edge_code flight_submit(struct flight *f, struct edge_error *err) {
    const struct worker_job job = {.run = flight_run,
                                   .done = flight_done,
                                   .data = f,
                                   .queue_timeout_ms = MODULE_KEY_QUEUE_TIMEOUT_MS};
    enum edge_code code = worker_submit(f->keys->worker, &job, &f->job, err);
    if (code == EDGE_OK) {
        f->is_at_worker = true;
        f->keys->at_worker_cnt++;
    }
    return code;
}

static struct flight *flight_find(const struct module_keys *k, const struct module_cache_key *key) {
    list_for_each (pos, tmp, &k->flights) {
        struct flight *f = LIST_ENTRY(pos, struct flight, node);
        if (!f->is_closed && module_cache_key_eq(&f->key, key)) {
            return f;
        }
    }
    return NULL;
}

static void waiter_cancel(void *data) {
    struct waiter *w = data;
    struct flight *f = w->flight;
    if (w->is_canceled) {
        return;
    }
    w->is_canceled = true;
    if (--f->live_cnt == 0) {
        f->is_closed = true;
        if (f->is_at_worker) {
            op_cancel(loop_ops(f->keys->loop), f->job);
        }
    }
}

static enum edge_code flight_join(struct flight *f, module_key_done_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    if (f->waiter_cnt >= MODULE_KEY_WAITERS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many requests wait for this module key");
    }
    struct waiter *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a request for a module key");
    }
    w->flight = f;
    w->done = done;
    w->data = data;
    enum edge_code code = op_add(loop_ops(f->keys->loop), waiter_cancel, w, &w->self, err);
    if (code != EDGE_OK) {
        free(w);
        return code;
    }
    list_append(&f->waiters, &w->node);
    f->waiter_cnt++;
    f->live_cnt++;
    if (ret_op != NULL) {
        *ret_op = w->self;
    }
    return EDGE_OK;
}

/* A module may ask for any generation id: its questions must not fill the key store's queue. */
static size_t flights_of_module(const struct module_keys *k, const struct module_cache_key *key) {
    size_t cnt = 0;
    list_for_each (pos, tmp, &k->flights) {
        const struct flight *f = LIST_ENTRY(pos, struct flight, node);
        cnt += module_cache_is_same_module(&f->key, key) ? 1 : 0;
    }
    return cnt;
}

/* What the worker derives the key from. */
static enum edge_code flight_prepare(struct flight *f, const struct module_key_id *id,
                                     struct edge_error *err) {
    f->legacy_generation = module_legacy_generation(&f->keys->legacy, id->module);
    enum edge_code code = context_build(id, &f->context, err);
    return code == EDGE_OK ? module_legacy_context(id, &f->legacy_context, err) : code;
}

static enum edge_code flight_start(struct module_keys *k, const struct module_key_id *id,
                                   const struct module_cache_key *key, module_key_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err) {
    if (k->flight_cnt >= MODULE_KEY_IN_FLIGHT_MAX) {
        return edge_set(err, EDGE_BUSY, "too many module keys are being derived");
    }
    if (flights_of_module(k, key) >= MODULE_KEY_PER_MODULE_MAX) {
        return edge_set(err, EDGE_BUSY, "too many keys of this module are being derived");
    }
    struct flight *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the derivation of a module key");
    }
    f->keys = k;
    f->key = *key;
    f->hsm = k->hsm;
    list_init(&f->waiters);
    struct op op = OP_NONE;
    enum edge_code code = flight_prepare(f, id, err);
    if (code == EDGE_OK) {
        code = flight_join(f, done, data, &op, err);
    }
    if (code != EDGE_OK) {
        free(f);
        return code;
    }
    if (k->at_worker_cnt < MODULE_KEY_AT_WORKER_MAX) {
        code = flight_submit(f, err);
    }
    if (code != EDGE_OK) {
        op_remove(loop_ops(k->loop), op);
        free(LIST_ENTRY(f->waiters.next, struct waiter, node));
        free(f);
        return code;
    }
    list_append(&k->flights, &f->node);
    k->flight_cnt++;
    if (ret_op != NULL) {
        *ret_op = op;
    }
    return EDGE_OK;
}

enum edge_code module_keys_derive(struct module_keys *k, const struct module_key_id *id,
                                  module_key_done_fn *done, void *data, struct op *ret_op,
                                  struct edge_error *err) {
    struct context context;
    enum edge_code code = context_build(id, &context, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct module_cache_key key;
    if (!module_cache_key_init(&key, id)) {
        return edge_set(err, EDGE_INTERNAL, "a checked module key id has no cache key");
    }
    struct flight *f = flight_find(k, &key);
    if (f != NULL) {
        return flight_join(f, done, data, ret_op, err);
    }
    return flight_start(k, id, &key, done, data, ret_op, err);
}

static void pair_run(void *data) {
    struct pair *p = data;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(p->contexts); i++) {
        struct slice context = slice_make(p->contexts[i].bytes, p->contexts[i].len);
        p->code = hsm_root_derive(p->hsm, context, &p->secrets[i], &p->err);
        if (p->code != EDGE_OK) {
            return;
        }
    }
}

static void pair_free(struct pair *p) {
    secret_clear(&p->secrets[0]);
    secret_clear(&p->secrets[1]);
    free(p);
}

static void pair_done(void *data, enum edge_code code) {
    struct pair *p = data;
    if (code == EDGE_CANCELED) {
        (void)edge_set(&p->err, code, "the derivation of module keys was cancelled");
    } else if (code != EDGE_OK) {
        (void)edge_set(&p->err, code, "the key store was busy for %d s",
                       MODULE_KEY_QUEUE_TIMEOUT_MS / 1000);
    } else {
        code = p->code;
    }
    bool ok = code == EDGE_OK;
    p->done(p->data, code, ok ? &p->secrets[0] : NULL, ok ? &p->secrets[1] : NULL, &p->err);
    pair_free(p);
}

enum edge_code module_keys_pair(struct module_keys *k, struct slice module, struct slice generation,
                                module_key_pair_fn *done, void *data, struct op *ret_op,
                                struct edge_error *err) {
    struct pair *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the derivation of module keys");
    }
    p->hsm = k->hsm;
    p->done = done;
    p->data = data;
    const struct module_key_id primary = {module, SLICE_LIT("primary"), generation};
    const struct module_key_id secondary = {module, SLICE_LIT("secondary"), generation};
    enum edge_code code = context_build(&primary, &p->contexts[0], err);
    if (code == EDGE_OK) {
        code = context_build(&secondary, &p->contexts[1], err);
    }
    if (code == EDGE_OK) {
        const struct worker_job job = {.run = pair_run,
                                       .done = pair_done,
                                       .data = p,
                                       .queue_timeout_ms = MODULE_KEY_QUEUE_TIMEOUT_MS};
        code = worker_submit(k->worker, &job, ret_op, err);
    }
    if (code != EDGE_OK) {
        pair_free(p);
    }
    return code;
}
