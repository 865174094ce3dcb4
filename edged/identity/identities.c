/* SPDX-License-Identifier: MIT */
/*
 * Sequences of registry requests for one module identity. A sequence has one step in flight at any
 * time; the step's completion starts the next or ends the sequence, so that an interrupted one can
 * be begun again.
 */
#include "identity/identities.h"

#include "cloud/text.h"

#include <stdlib.h>
#include <string.h>

struct flow {
    struct identities *ids;
    struct op self;
    struct op inner; /* the step in flight */
    bool is_canceled;
    bool is_retried; /* the update has been repeated after a transient fault */
    bool is_create;  /* the generation id is the hub's, not the caller's */
    bool has_redone; /* keys were derived again for a newer generation */
    bool has_managed_by;
    char module_id[HUB_ID_MAX + 1];
    char managed_by[HUB_ID_MAX + 1];
    char generation_id[MODULE_KEY_ID_MAX + 1];
    struct secret primary;
    struct secret secondary;
    struct edge_error
        conflict; /* why create was refused, while the existing identity is looked at */
    hub_done_fn *done;
    void *data;
};

static void flow_free(struct flow *f) {
    secret_clear(&f->primary);
    secret_clear(&f->secondary);
    free(f);
}

static void flow_finish(struct flow *f, const struct hub_answer *answer) {
    op_remove(loop_ops(f->ids->loop), f->self);
    f->done(f->data, answer);
    flow_free(f);
}

static void flow_fail(struct flow *f, enum edge_code code, const struct edge_error *err) {
    struct hub_answer answer = {.kind = code == EDGE_PROTO ? HUB_TRANSIENT : HUB_LOCAL};
    (void)edge_set(&answer.err, code, "%s", edge_code_name(code));
    if (err != NULL) {
        answer.err = *err;
    }
    flow_finish(f, &answer);
}

/* Ends a cancelled flow whose step completed all the same; f is gone then. */
static bool flow_end_canceled(struct flow *f) {
    if (!f->is_canceled) {
        return false;
    }
    struct edge_error err = {0};
    (void)edge_set(&err, EDGE_CANCELED, "work on module identity '%.64s' was cancelled",
                   f->module_id);
    flow_fail(f, EDGE_CANCELED, &err);
    return true;
}

static void flow_cancel(void *data) {
    struct flow *f = data;
    f->is_canceled = true;
    op_cancel(loop_ops(f->ids->loop), f->inner);
}

static enum edge_code start_derive(struct flow *f, struct edge_error *err);
static enum edge_code start_update(struct flow *f, struct edge_error *err);

static void on_updated(void *data, const struct hub_answer *answer) {
    struct flow *f = data;
    struct edge_error err = {0};
    enum edge_code code = EDGE_OK;
    if (flow_end_canceled(f)) {
        return;
    }
    if (answer->kind == HUB_TRANSIENT && !f->is_retried) {
        f->is_retried = true;
        code = start_update(f, &err);
    } else if (answer->kind == HUB_OK && f->is_create && !f->has_redone &&
               strcmp(answer->modules[0].generation_id, f->generation_id) != 0 &&
               answer->modules[0].generation_id[0] != '\0') {
        /* Somebody deleted and created it in between: keys are bound to the generation. */
        f->has_redone = true;
        memcpy(f->generation_id, answer->modules[0].generation_id, HUB_GENERATION_MAX + 1);
        code = start_derive(f, &err);
    } else {
        if (answer->kind == HUB_OK) {
            module_keys_leave_legacy(f->ids->keys, f->module_id);
        }
        flow_finish(f, answer);
        return;
    }
    if (code != EDGE_OK) {
        flow_fail(f, code, &err);
    }
}

static enum edge_code start_update(struct flow *f, struct edge_error *err) {
    const struct hub_module_spec spec = {.module_id = f->module_id,
                                         .managed_by = f->has_managed_by ? f->managed_by : NULL,
                                         .primary = &f->primary,
                                         .secondary = &f->secondary};
    return hub_update(f->ids->hub, &spec, on_updated, f, &f->inner, err);
}

static void on_keys(void *data, enum edge_code code, const struct secret *primary,
                    const struct secret *secondary, const struct edge_error *err) {
    struct flow *f = data;
    struct edge_error own = {0};
    if (code != EDGE_OK) {
        flow_fail(f, code, err);
        return;
    }
    if (flow_end_canceled(f)) {
        return;
    }
    secret_clear(&f->primary);
    secret_clear(&f->secondary);
    code = secret_copy(&f->primary, primary->data, primary->len, &own);
    if (code == EDGE_OK) {
        code = secret_copy(&f->secondary, secondary->data, secondary->len, &own);
    }
    if (code == EDGE_OK) {
        code = start_update(f, &own);
    }
    if (code != EDGE_OK) {
        flow_fail(f, code, &own);
    }
}

static enum edge_code start_derive(struct flow *f, struct edge_error *err) {
    return module_keys_pair(f->ids->keys, slice_str(f->module_id), slice_str(f->generation_id),
                            on_keys, f, &f->inner, err);
}

/* The hub's record of the identity is known: goes on to the keys. */
static void on_known(struct flow *f, const struct hub_module *module) {
    struct edge_error err = {0};
    enum edge_code code;
    if (module->generation_id[0] == '\0') {
        code = edge_set(&err, EDGE_PROTO, "the hub gave module '%.64s' no generation id",
                        f->module_id);
    } else {
        memcpy(f->generation_id, module->generation_id, sizeof(module->generation_id));
        code = start_derive(f, &err);
    }
    if (code != EDGE_OK) {
        flow_fail(f, code, &err);
    }
}

static void on_existing(void *data, const struct hub_answer *answer) {
    struct flow *f = data;
    if (flow_end_canceled(f)) {
        return;
    }
    if (answer->kind != HUB_OK && answer->kind != HUB_NOT_FOUND) {
        flow_finish(f, answer);
        return;
    }
    if (answer->kind == HUB_NOT_FOUND) {
        /* The conflict was about something else, or it is gone again: the caller may try anew. */
        struct hub_answer conflict = *answer;
        conflict.kind = HUB_CONFLICT;
        conflict.err = f->conflict;
        flow_finish(f, &conflict);
        return;
    }
    const struct hub_module *module = &answer->modules[0];
    if (!f->has_managed_by && module->managed_by[0] != '\0') {
        f->has_managed_by = true;
        memcpy(f->managed_by, module->managed_by, sizeof(f->managed_by));
    }
    on_known(f, module);
}

static void on_created(void *data, const struct hub_answer *answer) {
    struct flow *f = data;
    if (flow_end_canceled(f)) {
        return;
    }
    if (answer->kind != HUB_OK && answer->kind != HUB_CONFLICT) {
        flow_finish(f, answer);
        return;
    }
    if (answer->kind == HUB_OK) {
        on_known(f, &answer->modules[0]);
        return;
    }
    struct edge_error err = {0};
    f->conflict = answer->err;
    enum edge_code code = hub_get(f->ids->hub, f->module_id, on_existing, f, &f->inner, &err);
    if (code != EDGE_OK) {
        flow_fail(f, code, &err);
    }
}

static enum edge_code flow_new(struct identities *ids, const char *module_id,
                               const char *managed_by, struct flow **ret, struct edge_error *err) {
    struct flow *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a module identity");
    }
    f->ids = ids;
    f->has_managed_by = managed_by != NULL;
    struct slice module = slice_str(module_id);
    if (!text_is_id(module) || !slice_to_array(module, f->module_id, sizeof(f->module_id))) {
        free(f);
        return edge_set(err, EDGE_INVALID,
                        "not a module id: 1 to %d letters, digits and -.+%%_#*?!(),:=@$'",
                        HUB_ID_MAX);
    }
    if (!slice_to_array(slice_str(managed_by), f->managed_by, sizeof(f->managed_by))) {
        free(f);
        return edge_set(err, EDGE_INVALID, "managedBy is longer than %d bytes", HUB_ID_MAX);
    }
    *ret = f;
    return EDGE_OK;
}

/* Registers the flow and starts its first step; takes ownership. */
static enum edge_code flow_start(struct flow *f, hub_done_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    struct op_table *ops = loop_ops(f->ids->loop);
    f->done = done;
    f->data = data;
    enum edge_code code = op_add(ops, flow_cancel, f, &f->self, err);
    if (code != EDGE_OK) {
        flow_free(f);
        return code;
    }
    if (f->is_create) {
        const struct hub_module_spec spec = {
            .module_id = f->module_id, .managed_by = f->has_managed_by ? f->managed_by : NULL};
        code = hub_create(f->ids->hub, &spec, on_created, f, &f->inner, err);
    } else {
        code = start_derive(f, err);
    }
    if (code != EDGE_OK) {
        op_remove(ops, f->self);
        flow_free(f);
        return code;
    }
    if (ret_op != NULL) {
        *ret_op = f->self;
    }
    return EDGE_OK;
}

enum edge_code identities_list(struct identities *ids, hub_done_fn *done, void *data,
                               struct op *ret_op, struct edge_error *err) {
    return hub_list(ids->hub, done, data, ret_op, err);
}

enum edge_code identities_create(struct identities *ids, const char *module_id,
                                 const char *managed_by, hub_done_fn *done, void *data,
                                 struct op *ret_op, struct edge_error *err) {
    struct flow *f;
    enum edge_code code = flow_new(ids, module_id, managed_by, &f, err);
    if (code != EDGE_OK) {
        return code;
    }
    f->is_create = true;
    return flow_start(f, done, data, ret_op, err);
}

enum edge_code identities_update(struct identities *ids, const char *module_id,
                                 const char *generation_id, const char *managed_by,
                                 hub_done_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    struct flow *f;
    enum edge_code code = flow_new(ids, module_id, managed_by, &f, err);
    if (code != EDGE_OK) {
        return code;
    }
    struct slice generation = slice_str(generation_id);
    if (!text_is_token(generation, HUB_GENERATION_MAX) ||
        !slice_to_array(generation, f->generation_id, sizeof(f->generation_id))) {
        flow_free(f);
        return edge_set(err, EDGE_INVALID, "not a generation id of a hub");
    }
    return flow_start(f, done, data, ret_op, err);
}

enum edge_code identities_delete(struct identities *ids, const char *module_id, hub_done_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    return hub_delete(ids->hub, module_id, done, data, ret_op, err);
}
