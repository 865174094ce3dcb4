/* SPDX-License-Identifier: MIT */
/*
 * Operations live in slots of one array. A slot's generation changes each time it is given back, so
 * that a handle to its former user no longer fits. Slots beyond `fresh` have never been used and
 * are not touched: the memory of a large table costs nothing until it is needed.
 */
#include "loop/op.h"

#include <assert.h>
#include <stdlib.h>

struct op_slot {
    void (*cancel)(void *data);
    void *data;
    uint32_t generation; /* 0: never used */
    uint32_t next_free;
    bool live;
};

struct op_table {
    struct op_slot *slots;
    uint32_t max_cnt;
    uint32_t live_cnt;
    uint32_t fresh;     /* first slot that was never used */
    uint32_t free_head; /* list of slots given back; max_cnt: empty */
};

enum edge_code op_table_new(uint32_t max_cnt, struct op_table **ret, struct edge_error *err) {
    if (max_cnt == 0) {
        return edge_set(err, EDGE_INTERNAL, "an operation table needs at least one slot");
    }
    struct op_table *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the operation table");
    }
    t->slots = calloc(max_cnt, sizeof(*t->slots));
    if (t->slots == NULL) {
        free(t);
        return edge_set(err, EDGE_NOMEM, "no memory for the operation table");
    }
    t->max_cnt = max_cnt;
    t->free_head = max_cnt;
    *ret = t;
    return EDGE_OK;
}

void op_table_free(struct op_table *t) {
    if (t == NULL) {
        return;
    }
    assert(t->live_cnt == 0);
    free(t->slots);
    free(t);
}

static struct op_slot *op_slot_find(const struct op_table *t, struct op op) {
    if (op.generation == 0 || op.index >= t->fresh) {
        return NULL;
    }
    struct op_slot *slot = &t->slots[op.index];
    return slot->live && slot->generation == op.generation ? slot : NULL;
}

enum edge_code op_add(struct op_table *t, void (*cancel)(void *data), void *data, struct op *ret,
                      struct edge_error *err) {
    uint32_t index;
    if (t->free_head < t->max_cnt) {
        index = t->free_head;
        t->free_head = t->slots[index].next_free;
    } else if (t->fresh < t->max_cnt) {
        index = t->fresh++;
        t->slots[index].generation = 1;
    } else {
        return edge_set(err, EDGE_BUSY, "too many operations in flight (%u)", t->max_cnt);
    }
    struct op_slot *slot = &t->slots[index];
    slot->cancel = cancel;
    slot->data = data;
    slot->live = true;
    t->live_cnt++;
    *ret = (struct op){index, slot->generation};
    return EDGE_OK;
}

void *op_get(const struct op_table *t, struct op op) {
    const struct op_slot *slot = op_slot_find(t, op);
    return slot != NULL ? slot->data : NULL;
}

void op_remove(struct op_table *t, struct op op) {
    struct op_slot *slot = op_slot_find(t, op);
    if (slot == NULL) {
        return;
    }
    slot->live = false;
    slot->cancel = NULL;
    slot->data = NULL;
    slot->generation++;
    if (slot->generation == 0) {
        slot->generation = 1;
    }
    slot->next_free = t->free_head;
    t->free_head = op.index;
    t->live_cnt--;
}

void op_cancel(struct op_table *t, struct op op) {
    struct op_slot *slot = op_slot_find(t, op);
    if (slot == NULL || slot->cancel == NULL) {
        return;
    }
    void (*cancel)(void *data) = slot->cancel;
    slot->cancel = NULL;
    cancel(slot->data);
}

uint32_t op_cnt(const struct op_table *t) {
    return t->live_cnt;
}

void op_table_set_generation(struct op_table *t, uint32_t index, uint32_t generation) {
    assert(index < t->fresh && !t->slots[index].live && generation != 0);
    t->slots[index].generation = generation;
}
