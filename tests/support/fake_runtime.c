/* SPDX-License-Identifier: MIT */
#include "support/fake_runtime.h"

#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define PIDS_MAX 8

enum kind {
    KIND_LIST,
    KIND_INSPECT,
    KIND_TOP,
    KIND_INFO,
    KIND_REMOVE,
};

struct call {
    struct list node;
    struct fake_runtime *fake;
    enum kind kind;
    char name[RUNTIME_NAME_MAX + 1];
    union {
        runtime_containers_fn *containers;
        runtime_pids_fn *pids;
        runtime_info_fn *info;
        runtime_done_fn *plain;
    } done;
    void *data;
    struct op op;
    bool canceled;
};

struct fake_runtime {
    struct runtime base;
    struct loop *loop;
    struct runtime_container containers[FAKE_RUNTIME_CONTAINERS_MAX];
    struct {
        pid_t pids[PIDS_MAX];
        size_t cnt;
    } lists[FAKE_RUNTIME_CONTAINERS_MAX];
    size_t cnt;
    enum edge_code fail, fail_top, refuse;
    struct list calls;
    unsigned open, inspects, tops;
};

static void cancel(void *data) {
    struct call *c = data;
    c->canceled = true;
}

static enum edge_code call_start(struct runtime *rt, const struct call *proto, struct op *ret_op,
                                 struct edge_error *err) {
    struct fake_runtime *f = (struct fake_runtime *)rt;
    if (f->refuse != EDGE_OK) {
        return edge_set(err, f->refuse, "refused by the test");
    }
    struct call *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    *c = *proto;
    c->fake = f;
    list_init(&c->node);
    enum edge_code code = op_add(loop_ops(f->loop), cancel, c, &c->op, err);
    if (code != EDGE_OK) {
        free(c);
        return code;
    }
    list_append(&f->calls, &c->node);
    f->open++;
    f->inspects += proto->kind == KIND_INSPECT ? 1 : 0;
    f->tops += proto->kind == KIND_TOP ? 1 : 0;
    if (ret_op != NULL) {
        *ret_op = c->op;
    }
    return EDGE_OK;
}

static enum edge_code fake_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    const struct call c = {.kind = KIND_LIST, .done.containers = done, .data = data};
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_inspect(struct runtime *rt, const char *name,
                                   runtime_containers_fn *done, void *data, struct op *ret_op,
                                   struct edge_error *err) {
    struct call c = {.kind = KIND_INSPECT, .done.containers = done, .data = data};
    assert_true(slice_to_array(slice_str(name), c.name, sizeof(c.name)));
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_top(struct runtime *rt, const char *name, runtime_pids_fn *done,
                               void *data, struct op *ret_op, struct edge_error *err) {
    struct call c = {.kind = KIND_TOP, .done.pids = done, .data = data};
    assert_true(slice_to_array(slice_str(name), c.name, sizeof(c.name)));
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) {
    const struct call c = {.kind = KIND_INFO, .done.info = done, .data = data};
    return call_start(rt, &c, ret_op, err);
}

static enum edge_code fake_remove(struct runtime *rt, const char *name, runtime_done_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err) {
    struct call c = {.kind = KIND_REMOVE, .done.plain = done, .data = data};
    assert_true(slice_to_array(slice_str(name), c.name, sizeof(c.name)));
    return call_start(rt, &c, ret_op, err);
}

static void fake_close(struct runtime *rt, void (*closed)(void *data), void *data) {
    struct fake_runtime *f = (struct fake_runtime *)rt;
    f->fail = EDGE_CANCELED;
    fake_runtime_run(f);
    closed(data);
}

static void fake_free(struct runtime *rt) {
    free(rt);
}

static const struct runtime_ops ops = {
    .list = fake_list,
    .inspect = fake_inspect,
    .top = fake_top,
    .info = fake_info,
    .remove = fake_remove,
    .close = fake_close,
    .free = fake_free,
};

struct fake_runtime *fake_runtime_new(struct loop *l) {
    struct fake_runtime *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->base.ops = &ops;
    f->loop = l;
    list_init(&f->calls);
    return f;
}

struct runtime *fake_runtime_get(struct fake_runtime *f) {
    return &f->base;
}

void fake_runtime_free(struct fake_runtime *f) {
    assert_int_equal(f->open, 0);
    runtime_free(&f->base);
}

struct runtime_container *fake_runtime_add(struct fake_runtime *f, const char *id, const char *name,
                                           bool owned) {
    assert_true(f->cnt < FAKE_RUNTIME_CONTAINERS_MAX);
    struct runtime_container *c = &f->containers[f->cnt];
    memset(&f->lists[f->cnt], 0, sizeof(f->lists[f->cnt]));
    memset(c, 0, sizeof(*c));
    assert_true(slice_to_array(slice_str(id), c->id, sizeof(c->id)));
    assert_true(slice_to_array(slice_str(name), c->name, sizeof(c->name)));
    c->owned = owned;
    c->running = true;
    f->cnt++;
    return c;
}

static size_t find(const struct fake_runtime *f, const char *id_or_name) {
    for (size_t i = 0; i < f->cnt; i++) {
        if (strcmp(f->containers[i].id, id_or_name) == 0) {
            return i;
        }
    }
    for (size_t i = 0; i < f->cnt; i++) {
        if (strcmp(f->containers[i].name, id_or_name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

void fake_runtime_remove(struct fake_runtime *f, const char *id) {
    size_t i = find(f, id);
    assert_true(i != SIZE_MAX);
    f->cnt--;
    f->containers[i] = f->containers[f->cnt];
    f->lists[i] = f->lists[f->cnt];
}

void fake_runtime_set_pids(struct fake_runtime *f, const char *id, const pid_t *pids, size_t cnt) {
    size_t i = find(f, id);
    assert_true(i != SIZE_MAX && cnt <= PIDS_MAX);
    memcpy(f->lists[i].pids, pids, cnt * sizeof(*pids));
    f->lists[i].cnt = cnt;
}

void fake_runtime_fail(struct fake_runtime *f, enum edge_code code) {
    f->fail = code;
}

void fake_runtime_fail_top(struct fake_runtime *f, enum edge_code code) {
    f->fail_top = code;
}

void fake_runtime_refuse(struct fake_runtime *f, enum edge_code code) {
    f->refuse = code;
}

static enum edge_code code_of(const struct call *c, size_t at) {
    const struct fake_runtime *f = c->fake;
    if (c->canceled) {
        return EDGE_CANCELED;
    }
    if (f->fail != EDGE_OK) {
        return f->fail;
    }
    if (c->kind == KIND_TOP && f->fail_top != EDGE_OK) {
        return f->fail_top;
    }
    if (c->kind == KIND_INSPECT || c->kind == KIND_TOP) {
        return at == SIZE_MAX ? EDGE_NOT_FOUND : EDGE_OK;
    }
    return EDGE_OK;
}

static void answer(const struct call *c) {
    struct fake_runtime *f = c->fake;
    static const struct runtime_info info = {.os_type = "linux", .architecture = "x86_64"};
    size_t at = find(f, c->name);
    struct edge_error err = {0};
    enum edge_code code = code_of(c, at);
    bool ok = code == EDGE_OK;

    if (!ok) {
        edge_set(&err, code, "failed by the test");
    }
    switch (c->kind) {
    case KIND_LIST:
        c->done.containers(c->data, code, ok ? f->containers : NULL, ok ? f->cnt : 0, &err);
        break;
    case KIND_INSPECT:
        c->done.containers(c->data, code, ok ? &f->containers[at] : NULL, ok ? 1 : 0, &err);
        break;
    case KIND_TOP:
        c->done.pids(c->data, code, ok ? f->lists[at].pids : NULL, ok ? f->lists[at].cnt : 0, &err);
        break;
    case KIND_INFO:
        c->done.info(c->data, code, ok ? &info : NULL, &err);
        break;
    case KIND_REMOVE:
        if (ok && at != SIZE_MAX) {
            fake_runtime_remove(f, c->name);
        }
        c->done.plain(c->data, code, ok ? NULL : &err);
        break;
    }
}

bool fake_runtime_step(struct fake_runtime *f) {
    if (list_is_empty(&f->calls)) {
        return false;
    }
    struct call *c = LIST_ENTRY(f->calls.next, struct call, node);
    list_remove(&c->node);
    op_remove(loop_ops(f->loop), c->op);
    f->open--;
    answer(c);
    free(c);
    return true;
}

void fake_runtime_run(struct fake_runtime *f) {
    while (fake_runtime_step(f)) {
    }
}

unsigned fake_runtime_open(const struct fake_runtime *f) {
    return f->open;
}

unsigned fake_runtime_inspects(const struct fake_runtime *f) {
    return f->inspects;
}

unsigned fake_runtime_tops(const struct fake_runtime *f) {
    return f->tops;
}
