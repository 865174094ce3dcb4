/* SPDX-License-Identifier: MIT */
#include "module_ops_world.h"

#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

struct module_ops_world world;

int world_setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    fake_loop_init();
    world.fake = fake_runtime_new(fake_loop());
    assert_int_equal(module_ops_new(fake_loop(), fake_runtime_get(world.fake), &world.ops, NULL),
                     EDGE_OK);
    module_ops_settle(world.ops);
    fake_runtime_run(world.fake);
    return 0;
}

int world_teardown(void **state) {
    (void)state;
    module_ops_free(world.ops);
    fake_runtime_free(world.fake);
    fake_loop_clear();
    return 0;
}

void world_done(void *data, enum edge_code code, const struct edge_error *err) {
    assert_ptr_equal(data, &world);
    assert_true((code == EDGE_OK) == (err == NULL));
    world.codes[world.done++] = code;
    if (err != NULL) {
        world.err = *err;
    }
}

void world_closed(void *data) {
    assert_ptr_equal(data, &world);
    world.closed++;
}

enum edge_code run(enum module_change what, const char *name, bool pull, bool start) {
    const struct module_order order = {
        .change = what,
        .name = name,
        .image = "a:1",
        .pull = pull,
        .auth_json = SLICE_LIT("{\"username\":\"u\"}"),
        .create_body = SLICE_LIT(BODY),
        .start = start,
    };
    return module_ops_run(world.ops, &order, world_done, &world, &world.err);
}

void must_run(enum module_change what, const char *name, bool pull, bool start) {
    assert_int_equal(run(what, name, pull, start), EDGE_OK);
}

void check(const char *journal, enum edge_code code) {
    fake_runtime_run(world.fake);
    assert_string_equal(fake_runtime_journal(world.fake), journal);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.codes[0], code);
    fake_runtime_journal_clear(world.fake);
    world.done = 0;
}
