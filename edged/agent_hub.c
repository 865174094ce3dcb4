/* SPDX-License-Identifier: MIT */
/*
 * agent has one call under way at a time, so there is room for one.
 */
#include "agent_hub.h"

#include "agent/agent_spec.h"

static enum agent_hub_kind kind_of(const struct hub_answer *answer) {
    if (answer->kind == HUB_OK) {
        return AGENT_HUB_OK;
    }
    if (answer->kind == HUB_NOT_FOUND) {
        return AGENT_HUB_UNKNOWN;
    }
    return hub_answer_is_device_refused(answer) ? AGENT_HUB_REFUSED : AGENT_HUB_AWAY;
}

struct agent_hub_answer agent_hub_read(const struct hub_answer *answer) {
    struct agent_hub_answer ret = {.kind = kind_of(answer),
                                   .generation_id = "",
                                   .retry_after_ms = answer->retry_after_ms,
                                   .err = &answer->err};
    if (ret.kind == AGENT_HUB_OK && answer->module_cnt > 0) {
        ret.generation_id = answer->modules[0].generation_id;
        ret.has_keys = answer->modules[0].auth == HUB_AUTH_SAS;
    }
    return ret;
}

static void on_answer(void *data, const struct hub_answer *answer) {
    struct agent_hub *h = data;
    const struct agent_hub_answer read = agent_hub_read(answer);
    h->done(h->done_data, &read);
}

static enum edge_code get(void *data, agent_hub_fn *done, void *done_data, struct op *ret_op,
                          struct edge_error *err) {
    struct agent_hub *h = data;
    h->done = done;
    h->done_data = done_data;
    return hub_get(h->ids->hub, AGENT_MODULE_ID, on_answer, h, ret_op, err);
}

static enum edge_code update(void *data, const char *generation_id, agent_hub_fn *done,
                             void *done_data, struct op *ret_op, struct edge_error *err) {
    struct agent_hub *h = data;
    h->done = done;
    h->done_data = done_data;
    return identities_update(h->ids, AGENT_MODULE_ID, generation_id, NULL, on_answer, h, ret_op,
                             err);
}

const struct agent_hub_ops agent_hub_ops = {.get = get, .update = update};
