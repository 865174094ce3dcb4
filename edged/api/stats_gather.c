/* SPDX-License-Identifier: MIT */
/*
 * A list, then samples in a fixed number of places. Whatever ends it early, its calls are waited
 * for: their callbacks lead back here.
 */
#include "api/stats_gather.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct gather;

struct sample {
    struct gather *gather;
    size_t index;
    struct op op;
    bool busy;
};

struct target {
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1];
};

struct gather {
    struct loop *loop;
    struct runtime *runtime;
    struct op self, list_op;
    uint64_t started_ms;
    struct target *targets;
    size_t cnt, next;
    struct sample samples[STATS_AT_ONCE];
    unsigned busy_cnt;
    struct buf out;
    bool any;
    enum edge_code code;
    struct edge_error err;
    stats_gather_fn *done;
    void *data;
};

static void gather_free(struct gather *g) {
    buf_clear(&g->out);
    free(g->targets);
    free(g);
}

static void fail(struct gather *g, enum edge_code code, const struct edge_error *err) {
    if (g->code != EDGE_OK) {
        return;
    }
    g->code = code;
    g->err = *err;
    for (size_t i = 0; i < STATS_AT_ONCE; i++) {
        if (g->samples[i].busy) {
            op_cancel(loop_ops(g->loop), g->samples[i].op);
        }
    }
}

static void finish(struct gather *g) {
    op_remove(loop_ops(g->loop), g->self);
    if (g->code == EDGE_OK) {
        g->code = buf_append(&g->out, "]", 1, &g->err);
    }
    bool ok = g->code == EDGE_OK;
    g->done(g->data, g->code, ok ? &g->out : NULL, ok ? NULL : &g->err);
    gather_free(g);
}

/* Room for the end is kept. */
static void append(struct gather *g, const char *name, struct slice json) {
    struct edge_error err;
    size_t before = g->out.len;
    if (json.len + 2 > STATS_TEXT_MAX - before) {
        log_warn("no room for the statistics of module %s", log_quote_str(name));
        return;
    }
    enum edge_code code = g->any ? buf_append(&g->out, ",", 1, &err) : EDGE_OK;
    if (code == EDGE_OK) {
        code = buf_append(&g->out, json.ptr, json.len, &err);
    }
    if (code != EDGE_OK) {
        fail(g, code, &err);
        return;
    }
    g->any = true;
}

static void sample_more(struct gather *g);

static void on_stats(void *data, enum edge_code code, struct slice json,
                     const struct edge_error *err) {
    struct sample *one = data;
    struct gather *g = one->gather;
    const char *name = g->targets[one->index].name;

    one->busy = false;
    g->busy_cnt--;
    if (g->code != EDGE_OK) { /* ended early: nobody reads it */
    } else if (code == EDGE_OK) {
        append(g, name, json);
    } else if (code == EDGE_NOT_FOUND || code == EDGE_CONFLICT) { /* gone, or not running */
        log_debug("no statistics of module %s: %s", log_quote_str(name), edge_error_text(err));
    } else {
        log_warn("no statistics of module %s: %s", log_quote_str(name), edge_error_text(err));
    }
    sample_more(g);
}

static void give_up_late(struct gather *g) {
    if (g->next < g->cnt && clock_mono_ms() - g->started_ms > STATS_START_MS) {
        log_warn("no time for the statistics of %zu of %zu modules", g->cnt - g->next, g->cnt);
        g->next = g->cnt;
    }
}

/* Fills the free places; ends it when nothing is left to do. */
static void sample_more(struct gather *g) {
    struct edge_error err;
    give_up_late(g);
    for (size_t i = 0; i < STATS_AT_ONCE && g->code == EDGE_OK && g->next < g->cnt; i++) {
        struct sample *one = &g->samples[i];
        if (one->busy) {
            continue;
        }
        one->gather = g;
        one->index = g->next;
        enum edge_code code =
            runtime_stats(g->runtime, g->targets[g->next].id, on_stats, one, &one->op, &err);
        if (code == EDGE_BUSY && g->busy_cnt > 0) {
            break; /* goes on when one of ours has ended */
        }
        if (code != EDGE_OK) {
            fail(g, code, &err);
            break;
        }
        one->busy = true;
        g->busy_cnt++;
        g->next++;
    }
    if (g->busy_cnt == 0) {
        finish(g);
    }
}

static enum edge_code keep_targets(struct gather *g, const struct runtime_container *list,
                                   size_t cnt, struct edge_error *err) {
    g->targets = calloc(cnt > 0 ? cnt : 1, sizeof(*g->targets));
    if (g->targets == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for statistics");
    }
    for (size_t i = 0; i < cnt; i++) {
        if (list[i].owned && runtime_is_module_name(slice_str(list[i].name))) {
            struct target *t = &g->targets[g->cnt++];
            memcpy(t->id, list[i].id, sizeof(t->id));
            memcpy(t->name, list[i].name, sizeof(t->name));
        }
    }
    return EDGE_OK;
}

static void on_list(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    struct gather *g = data;
    struct edge_error own_err;

    g->list_op = OP_NONE;
    if (code == EDGE_OK) {
        code = keep_targets(g, list, cnt, &own_err);
        err = &own_err;
    }
    if (code != EDGE_OK) {
        fail(g, code, err);
    }
    sample_more(g);
}

static void cancel(void *data) {
    struct gather *g = data;
    struct edge_error err;
    enum edge_code code = edge_set(&err, EDGE_CANCELED, "nobody waits for the statistics");
    fail(g, code, &err);
    op_cancel(loop_ops(g->loop), g->list_op);
}

enum edge_code stats_gather(struct loop *l, struct runtime *rt, stats_gather_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) {
    struct gather *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for statistics");
    }
    g->loop = l;
    g->runtime = rt;
    g->done = done;
    g->data = data;
    g->started_ms = clock_mono_ms();
    buf_init(&g->out, STATS_TEXT_MAX);
    enum edge_code code = buf_append(&g->out, "[", 1, err);
    if (code == EDGE_OK) {
        code = op_add(loop_ops(l), cancel, g, &g->self, err);
    }
    if (code != EDGE_OK) {
        gather_free(g);
        return code;
    }
    code = runtime_list(rt, on_list, g, &g->list_op, err);
    if (code != EDGE_OK) {
        op_remove(loop_ops(l), g->self);
        gather_free(g);
        return code;
    }
    *ret_op = g->self;
    return EDGE_OK;
}
