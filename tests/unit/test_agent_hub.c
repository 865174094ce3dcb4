/* SPDX-License-Identifier: MIT */
/*
 * What the hub's answers mean to edgeAgent.
 */
#include "agent_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct {
    hub_done_fn *done;
    void *data;
    char generation[HUB_GENERATION_MAX + 1];
    enum agent_hub_kind kind;
    bool has_keys;
    unsigned cnt;
} world;

enum edge_code hub_get(struct hub *hub, const char *module_id, hub_done_fn *done, void *data,
                       struct op *ret_op, struct edge_error *err) {
    (void)hub;
    (void)err;
    assert_string_equal(module_id, "$edgeAgent");
    world.done = done;
    world.data = data;
    *ret_op = (struct op){1, 1};
    return EDGE_OK;
}

enum edge_code identities_update(struct identities *ids, const char *module_id,
                                 const char *generation_id, const char *managed_by,
                                 hub_done_fn *done, void *data, struct op *ret_op,
                                 struct edge_error *err) {
    (void)ids;
    (void)ret_op;
    assert_string_equal(module_id, "$edgeAgent");
    assert_string_equal(generation_id, "7");
    assert_null(managed_by);
    world.done = done;
    world.data = data;
    return edge_set(err, EDGE_BUSY, "busy");
}

static void on_answer(void *data, const struct agent_hub_answer *answer) {
    assert_ptr_equal(data, &world);
    assert_non_null(answer->err);
    world.kind = answer->kind;
    world.has_keys = answer->has_keys;
    assert_true(strlen(answer->generation_id) < sizeof(world.generation));
    (void)strcpy(world.generation, answer->generation_id);
    world.cnt++;
}

static void answers(void **state) {
    (void)state;
    static const struct {
        enum hub_kind hub;
        enum edge_code code;
        enum agent_hub_kind kind;
    } rows[] = {
        {HUB_OK, EDGE_OK, AGENT_HUB_OK},
        {HUB_NOT_FOUND, EDGE_NOT_FOUND, AGENT_HUB_UNKNOWN},
        {HUB_REFUSED, EDGE_DENIED, AGENT_HUB_REFUSED},
        {HUB_LOCAL, EDGE_DENIED, AGENT_HUB_REFUSED},
        {HUB_LOCAL, EDGE_RETRY, AGENT_HUB_AWAY},
        {HUB_TRANSIENT, EDGE_NET, AGENT_HUB_AWAY},
        {HUB_THROTTLED, EDGE_RETRY, AGENT_HUB_AWAY},
        {HUB_INVALID, EDGE_REMOTE, AGENT_HUB_AWAY},
    };
    const struct hub_module module = {.generation_id = "7", .auth = HUB_AUTH_SAS};
    struct identities ids = {0};
    struct agent_hub hub = {.ids = &ids};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct op op = OP_NONE;
        struct hub_answer answer = {.kind = rows[i].hub, .err.code = rows[i].code};
        if (answer.kind == HUB_OK) {
            answer.modules = &module;
            answer.module_cnt = 1;
        }
        assert_int_equal(agent_hub_ops.get(&hub, on_answer, &world, &op, NULL), EDGE_OK);
        assert_true(op_is_set(op));
        world.done(world.data, &answer);
        assert_int_equal(world.kind, rows[i].kind);
        assert_string_equal(world.generation, rows[i].hub == HUB_OK ? "7" : "");
        assert_int_equal(world.has_keys, rows[i].hub == HUB_OK);
        assert_int_equal(world.cnt, i + 1);
    }
    struct op op;
    assert_int_equal(agent_hub_ops.update(&hub, "7", on_answer, &world, &op, NULL), EDGE_BUSY);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
