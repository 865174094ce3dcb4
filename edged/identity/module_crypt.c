/* SPDX-License-Identifier: MIT */
/*
 * The object on the loop: who waits for the master key, and texts that are too large to be worked
 * on at once. What happens to a text is module_crypt_text.c's matter, where the master key comes
 * from module_crypt_master.c's.
 */
#include "identity/module_crypt.h"

#include "base/b64.h"
#include "base/list.h"
#include "identity/module_crypt_master.h"
#include "identity/module_crypt_text.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of base64 for the largest text of format 3. */
#define BASE64_MAX ((size_t)(MODULE_CRYPT_LEN_MAX + AEAD_V3_EXTRA + 2) / 3 * 4)

struct module_crypt {
    struct loop *loop;
    struct worker *worker;
    struct hsm *hsm;
    char *homedir;
    struct aead *aead;
    bool is_open;
    struct module_crypt_master master; /* once is_open */
    struct opening *opening;           /* the look under way that takes more waiters, or NULL */
    struct list later;                 /* texts on the worker */
    size_t later_cnt;
};

/* One look for the master key, and those who wait for it. */
struct opening {
    struct module_crypt *crypt;
    struct hsm *hsm;
    const char *homedir;
    struct list waiters;
    size_t waiter_cnt;
    struct module_crypt_master master;
    enum edge_code code;
    struct edge_error err;
};

struct waiter {
    struct list node; /* in opening.waiters */
    struct op self;
    bool is_canceled;
    module_crypt_done_fn *done;
    void *data;
    struct module_crypt *crypt;
};

/* A text on the worker: carries copies only. */
struct later {
    struct list node; /* in module_crypt.later */
    struct module_crypt *crypt;
    struct module_crypt_keys keys;
    enum module_crypt_way way;
    struct module_crypt_id id; /* point to names */
    struct slice iv;           /* the same */
    uint8_t names[2 * MODULE_CRYPT_ID_MAX + MODULE_CRYPT_IV_MAX];
    struct buf text;
    struct buf out;
    enum edge_code code;
    struct edge_error err;
    module_crypt_text_fn *done;
    void *data;
};

enum edge_code module_crypt_new(struct loop *l, struct worker *w, struct hsm *h,
                                const char *homedir, struct module_crypt **ret,
                                struct edge_error *err) {
    struct module_crypt *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for module encryption");
    }
    c->loop = l;
    c->worker = w;
    c->hsm = h;
    list_init(&c->later);
    c->homedir = strdup(homedir);
    enum edge_code code =
        c->homedir != NULL ? aead_new(&c->aead, err) : edge_set(err, EDGE_NOMEM, "out of memory");
    if (code != EDGE_OK) {
        module_crypt_free(c);
        return code;
    }
    *ret = c;
    return EDGE_OK;
}

void module_crypt_free(struct module_crypt *c) {
    if (c != NULL) {
        module_crypt_keys_clear(&c->master.keys);
        aead_free(c->aead);
        free(c->homedir);
        free(c);
    }
}

bool module_crypt_is_open(const struct module_crypt *c) {
    return c->is_open;
}

void module_crypt_forget(struct module_crypt *c) {
    module_crypt_keys_clear(&c->master.keys);
    c->master = (struct module_crypt_master){0};
    c->is_open = false;
}

const char *module_crypt_note(const struct module_crypt *c) {
    return c->master.note;
}

/* --- Opening the master key --- */

static void opening_run(void *data) {
    struct opening *o = data;
    o->code = module_crypt_master_open(o->hsm, o->homedir, &o->master, &o->err);
}

static void waiter_finish(struct waiter *w, enum edge_code code, const struct edge_error *err) {
    struct edge_error canceled = {0};
    if (w->is_canceled && code != EDGE_CANCELED) {
        code = edge_set(&canceled, EDGE_CANCELED, "the request was cancelled");
        err = &canceled;
    }
    op_remove(loop_ops(w->crypt->loop), w->self);
    list_remove(&w->node);
    w->done(w->data, code, code == EDGE_OK ? NULL : err);
    free(w);
}

static void opening_done(void *data, enum edge_code job_code) {
    struct opening *o = data;
    struct module_crypt *c = o->crypt;
    if (job_code == EDGE_CANCELED) {
        o->code = edge_set(&o->err, job_code, "the key store is stopping");
    } else if (job_code != EDGE_OK) {
        o->code = edge_set(&o->err, job_code, "the key store was busy for %d s",
                           MODULE_CRYPT_QUEUE_TIMEOUT_MS / 1000);
    }
    c->opening = NULL;
    if (o->code == EDGE_OK) {
        module_crypt_keys_clear(&c->master.keys);
        c->master = o->master;
        c->is_open = true;
    }
    while (!list_is_empty(&o->waiters)) {
        waiter_finish(LIST_ENTRY(o->waiters.next, struct waiter, node), o->code, &o->err);
    }
    free(o);
}

/* The others who wait, and the next ones to ask, are served by the same look. */
static void waiter_cancel(void *data) {
    struct waiter *w = data;
    w->is_canceled = true;
}

static enum edge_code opening_start(struct module_crypt *c, struct edge_error *err) {
    struct opening *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for module encryption");
    }
    o->crypt = c;
    o->hsm = c->hsm;
    o->homedir = c->homedir;
    list_init(&o->waiters);
    const struct worker_job job = {.run = opening_run,
                                   .done = opening_done,
                                   .data = o,
                                   .queue_timeout_ms = MODULE_CRYPT_QUEUE_TIMEOUT_MS};
    enum edge_code code = worker_submit(c->worker, &job, NULL, err);
    if (code != EDGE_OK) {
        free(o);
        return code;
    }
    c->opening = o;
    return EDGE_OK;
}

enum edge_code module_crypt_open(struct module_crypt *c, module_crypt_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) {
    if (c->opening != NULL && c->opening->waiter_cnt >= MODULE_CRYPT_WAITERS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many requests wait for the master key");
    }
    struct waiter *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for module encryption");
    }
    w->crypt = c;
    w->done = done;
    w->data = data;
    enum edge_code code = op_add(loop_ops(c->loop), waiter_cancel, w, &w->self, err);
    if (code == EDGE_OK && c->opening == NULL) {
        code = opening_start(c, err);
        if (code != EDGE_OK) {
            op_remove(loop_ops(c->loop), w->self);
        }
    }
    if (code != EDGE_OK) {
        free(w);
        return code;
    }
    list_append(&c->opening->waiters, &w->node);
    c->opening->waiter_cnt++;
    if (ret_op != NULL) {
        *ret_op = w->self;
    }
    return EDGE_OK;
}

/* --- At once --- */

static enum edge_code require_open(const struct module_crypt *c, struct edge_error *err) {
    return c->is_open
               ? EDGE_OK
               : edge_set(err, EDGE_RETRY, "the master key of module encryption is not open");
}

enum edge_code module_crypt_encrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice plain, struct buf *out,
                                    struct edge_error *err) {
    enum edge_code code = require_open(c, err);
    return code == EDGE_OK
               ? module_crypt_text_seal(c->aead, &c->master.keys, id, iv, plain, out, err)
               : code;
}

enum edge_code module_crypt_decrypt(struct module_crypt *c, const struct module_crypt_id *id,
                                    struct slice iv, struct slice blob, struct buf *out,
                                    struct edge_error *err) {
    enum edge_code code = require_open(c, err);
    return code == EDGE_OK
               ? module_crypt_text_open(c->aead, &c->master.keys, id, iv, blob, out, err)
               : code;
}

/* --- On the worker --- */

static void later_free(struct later *j) {
    module_crypt_keys_clear(&j->keys);
    buf_clear(&j->text);
    buf_clear(&j->out);
    free(j);
}

static enum edge_code later_work(struct later *j, struct aead *a, struct buf *in,
                                 struct buf *result) {
    enum edge_code code = b64_decode(buf_slice(&j->text), in, &j->err);
    if (code != EDGE_OK) {
        return edge_wrap(&j->err, code, "decoding the text");
    }
    buf_clear(&j->text);
    code = j->way == MODULE_CRYPT_ENCRYPT
               ? module_crypt_text_seal(a, &j->keys, &j->id, j->iv, buf_slice(in), result, &j->err)
               : module_crypt_text_open(a, &j->keys, &j->id, j->iv, buf_slice(in), result, &j->err);
    return code == EDGE_OK ? b64_encode(result->data, result->len, &j->out, &j->err) : code;
}

static void later_run(void *data) {
    struct later *j = data;
    struct aead *a = NULL;
    struct buf in, result;
    buf_init_sensitive(&in, BASE64_MAX);
    buf_init_sensitive(&result, MODULE_CRYPT_LEN_MAX + AEAD_V3_EXTRA);
    j->code = aead_new(&a, &j->err);
    if (j->code == EDGE_OK) {
        j->code = later_work(j, a, &in, &result);
    }
    aead_free(a);
    buf_clear(&in);
    buf_clear(&result);
}

static void later_done(void *data, enum edge_code job_code) {
    struct later *j = data;
    struct module_crypt *c = j->crypt;
    if (job_code == EDGE_CANCELED) {
        j->code = edge_set(&j->err, job_code, "the request was cancelled");
    } else if (job_code != EDGE_OK) {
        j->code = edge_set(&j->err, job_code, "the key store was busy for %d s",
                           MODULE_CRYPT_QUEUE_TIMEOUT_MS / 1000);
    }
    list_remove(&j->node);
    c->later_cnt--;
    bool ok = j->code == EDGE_OK;
    j->done(j->data, j->code, ok ? &j->out : NULL, ok ? NULL : &j->err);
    later_free(j);
}

static enum edge_code later_room(const struct module_crypt *c, struct slice module,
                                 struct edge_error *err) {
    size_t cnt = 0;
    list_for_each (pos, tmp, &c->later) {
        cnt += slice_eq(LIST_ENTRY(pos, struct later, node)->id.module, module) ? 1 : 0;
    }
    if (c->later_cnt >= MODULE_CRYPT_LATER_MAX || cnt >= MODULE_CRYPT_LATER_PER_MODULE_MAX) {
        return edge_set(err, EDGE_BUSY, "too many large texts are being worked on");
    }
    return EDGE_OK;
}

static struct slice keep(struct later *j, size_t *used, struct slice name) {
    uint8_t *at = j->names + *used;
    memcpy(at, name.ptr, name.len);
    *used += name.len;
    return slice_make(at, name.len);
}

static enum edge_code later_fill(struct later *j, const struct module_crypt_id *id, struct slice iv,
                                 struct slice text, struct edge_error *err) {
    const struct module_crypt_keys *keys = &j->crypt->master.keys;
    size_t used = 0;
    j->id.module = keep(j, &used, id->module);
    j->id.generation = keep(j, &used, id->generation);
    j->iv = keep(j, &used, iv);
    enum edge_code code = secret_copy(&j->keys.master, keys->master.data, keys->master.len, err);
    if (code == EDGE_OK && keys->former.len > 0) {
        code = secret_copy(&j->keys.former, keys->former.data, keys->former.len, err);
    }
    return code == EDGE_OK ? buf_append_slice(&j->text, text, err) : code;
}

static enum edge_code later_start(struct later *j, const struct module_crypt_id *id,
                                  struct slice iv, struct slice text, struct op *ret_op,
                                  struct edge_error *err) {
    struct module_crypt *c = j->crypt;
    const struct worker_job job = {.run = later_run,
                                   .done = later_done,
                                   .data = j,
                                   .queue_timeout_ms = MODULE_CRYPT_QUEUE_TIMEOUT_MS};
    enum edge_code code = later_fill(j, id, iv, text, err);
    if (code == EDGE_OK) {
        code = worker_submit(c->worker, &job, ret_op, err);
    }
    if (code == EDGE_OK) {
        list_append(&c->later, &j->node);
        c->later_cnt++;
    }
    return code;
}

enum edge_code module_crypt_later(struct module_crypt *c, enum module_crypt_way way,
                                  const struct module_crypt_id *id, struct slice iv,
                                  struct slice text, module_crypt_text_fn *done, void *data,
                                  struct op *ret_op, struct edge_error *err) {
    enum edge_code code = require_open(c, err);
    if (code == EDGE_OK) {
        code = module_crypt_text_check(id, iv, err);
    }
    if (code == EDGE_OK && text.len > BASE64_MAX) {
        code = edge_set(err, EDGE_INVALID, "the text has more than %d bytes", MODULE_CRYPT_LEN_MAX);
    }
    if (code == EDGE_OK) {
        code = later_room(c, id->module, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    struct later *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for module encryption");
    }
    j->crypt = c;
    j->way = way;
    j->done = done;
    j->data = data;
    buf_init_sensitive(&j->text, BASE64_MAX);
    buf_init_sensitive(&j->out, BASE64_MAX + 4);
    code = later_start(j, id, iv, text, ret_op, err);
    if (code != EDGE_OK) {
        later_free(j);
    }
    return code;
}
