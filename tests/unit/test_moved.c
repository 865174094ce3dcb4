/* SPDX-License-Identifier: MIT */
/*
 * Moves of the device, with an engine and a loop of the test's own.
 */
#include "agent/moved.h"

#include "agent/moved_file.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HUB       "hub.example.net"
#define LONG_MS   (10u * 60 * 1000)
#define ID_LONG   "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define ID_OTHERS "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static struct {
    struct tmpdir *dir;
    struct fake_runtime *engine;
    struct module_ops *ops;
    struct moved *moved;
    unsigned settled_cnt, stop_cnt, closed_cnt, done_cnt;
} world;

static bool pump(void *data) {
    (void)data;
    return fake_runtime_step(world.engine);
}

static void on_settled(void *data) {
    (void)data;
    world.settled_cnt++;
}

static void on_stopped(void *data) {
    (void)data;
    world.stop_cnt++;
}

static void on_closed(void *data) {
    (void)data;
    world.closed_cnt++;
}

static void on_done(void *data, enum edge_code code, const struct edge_error *err) {
    (void)data;
    (void)code;
    (void)err;
    world.done_cnt++;
}

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    world.dir = tmpdir_new();
    fake_loop_init();
    world.engine = fake_runtime_new(fake_loop());
    fake_loop_set_pump(pump, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_runtime_free(world.engine);
    fake_loop_clear();
    tmpdir_free(world.dir);
    return 0;
}

static enum edge_code boot(void) {
    enum edge_code code =
        module_ops_new(fake_loop(), fake_runtime_get(world.engine), &world.ops, NULL);
    if (code != EDGE_OK) {
        return code;
    }
    const struct moved_deps deps = {.loop = fake_loop(),
                                    .worker = fake_worker(),
                                    .runtime = fake_runtime_get(world.engine),
                                    .module_ops = world.ops,
                                    .state_dir = world.dir->path,
                                    .on_settled = on_settled};
    world.settled_cnt = 0;
    code = moved_new(&deps, &world.moved, NULL);
    if (code != EDGE_OK) {
        module_ops_free(world.ops);
    }
    return code;
}

static void halt(void) {
    world.stop_cnt = 0;
    world.closed_cnt = 0;
    moved_stop(world.moved, on_stopped, NULL);
    assert_int_equal(world.stop_cnt, 0);
    module_ops_close(world.ops, on_closed, NULL);
    fake_loop_advance(0);
    assert_int_equal(world.stop_cnt, 1);
    assert_int_equal(world.closed_cnt, 1);
    moved_free(world.moved);
    module_ops_free(world.ops);
    world.moved = NULL;
}

static void set(const char *device_id) {
    moved_set_identity(world.moved, HUB, device_id, true);
    fake_loop_run();
}

static void expect_remembered(const char *device_id) {
    struct moved_identity id = {0};
    enum edge_code code = moved_file_read(world.dir->path, &id, NULL);
    assert_int_equal(code, device_id != NULL ? EDGE_OK : EDGE_NOT_FOUND);
    assert_string_equal(id.device_id, device_id != NULL ? device_id : "");
}

/* Three containers of ours and one of somebody else. */
static void furnish(void) {
    char id[RUNTIME_ID_LEN + 1], name[8];
    for (int i = 1; i <= 3; i++) {
        (void)snprintf(id, sizeof(id), "%064d", i);
        (void)snprintf(name, sizeof(name), "own-%d", i);
        (void)fake_runtime_add(world.engine, id, name, true);
    }
    (void)fake_runtime_add(world.engine, ID_OTHERS, "others", false);
}

static unsigned left;

static void on_list(void *data, enum edge_code code, const struct runtime_container *list,
                    size_t cnt, const struct edge_error *err) {
    (void)data;
    (void)list;
    (void)err;
    assert_int_equal(code, EDGE_OK);
    left = (unsigned)cnt;
}

static unsigned containers(void) {
    assert_int_equal(runtime_list(fake_runtime_get(world.engine), on_list, NULL, NULL, NULL),
                     EDGE_OK);
    fake_loop_run();
    return left;
}

static void first_run_remembers(void **state) {
    (void)state;
    furnish();
    assert_int_equal(boot(), EDGE_OK);
    moved_set_identity(world.moved, HUB, "a", false); /* not confirmed */
    fake_loop_run();
    expect_remembered(NULL);
    assert_false(moved_is_settled(world.moved));
    set("a");
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(world.settled_cnt, 1);
    expect_remembered("a");
    moved_set_identity(world.moved, "HUB.example.net", "a", true); /* host names have no case */
    fake_loop_run();
    halt();
    assert_int_equal(boot(), EDGE_OK);
    set("a");
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(world.settled_cnt, 1);
    halt();
    assert_int_equal(containers(), 4);
}

static void start_at(const char *device_id) {
    assert_int_equal(boot(), EDGE_OK);
    set(device_id);
    furnish();
    world.settled_cnt = 0;
}

static void a_move_removes_what_is_ours(void **state) {
    (void)state;
    start_at("a");
    set("b");
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(world.settled_cnt, 1);
    expect_remembered("b");
    assert_int_equal(containers(), 1);
    halt();
    /* Over a restart, and by the hub alone. */
    furnish();
    assert_int_equal(boot(), EDGE_OK);
    moved_set_identity(world.moved, "other.example.net", "b", true);
    fake_loop_run();
    assert_int_equal(containers(), 2); /* the strangers */
    halt();
}

static void engine_is_away(void **state) {
    (void)state;
    start_at("a");
    fake_runtime_fail(world.engine, EDGE_NET);
    set("b");
    fake_loop_advance(LONG_MS);
    assert_false(moved_is_settled(world.moved));
    expect_remembered("a");
    fake_runtime_fail(world.engine, EDGE_OK);
    fake_runtime_refuse(world.engine, EDGE_BUSY);
    fake_loop_advance(LONG_MS);
    expect_remembered("a");
    fake_runtime_refuse(world.engine, EDGE_OK);
    fake_loop_advance(LONG_MS);
    expect_remembered("b");
    assert_int_equal(world.settled_cnt, 1);
    assert_int_equal(containers(), 1);
    assert_int_equal(fake_loop_active_timers(), 0);
    halt();
}

/* The engine goes away between two removals. */
static void half_a_removal(void **state) {
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        start_at(refused == 0 ? "a" : "c");
        moved_set_identity(world.moved, HUB, refused == 0 ? "b" : "d", true);
        assert_true(fake_runtime_step(world.engine)); /* the list */
        assert_true(fake_runtime_step(world.engine)); /* what an update has left: nothing */
        if (refused != 0) {
            fake_runtime_refuse(world.engine, EDGE_BUSY);
        }
        assert_true(fake_runtime_step(world.engine)); /* one container */
        fake_runtime_fail(world.engine, EDGE_CONFLICT);
        fake_loop_run();
        expect_remembered(refused == 0 ? "a" : "c");
        assert_false(moved_is_settled(world.moved));
        fake_runtime_fail(world.engine, EDGE_OK);
        fake_runtime_refuse(world.engine, EDGE_OK);
        fake_loop_advance(LONG_MS);
        assert_true(moved_is_settled(world.moved));
        assert_int_equal(containers(), 1);
        halt();
        fake_runtime_remove(world.engine, ID_OTHERS);
        (void)remove(tmpdir_join(world.dir, MOVED_FILE));
    }
}

static void moved_again_meanwhile(void **state) {
    (void)state;
    start_at("a");
    moved_set_identity(world.moved, HUB, "b", true);
    assert_true(fake_runtime_step(world.engine));
    moved_set_identity(world.moved, HUB, "c", true);
    fake_loop_run();
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(world.settled_cnt, 1);
    expect_remembered("c");
    assert_int_equal(containers(), 1);
    /* There and back before anything was removed. */
    furnish();
    moved_set_identity(world.moved, HUB, "d", true);
    moved_set_identity(world.moved, HUB, "c", true);
    fake_loop_run();
    assert_true(moved_is_settled(world.moved));
    expect_remembered("c");
    halt();
}

static enum edge_code order(enum module_change change, const char *name) {
    const struct module_order order = {
        .change = change,
        .name = name,
        .image = "a:1",
        .pull = true,
        .start = true,
        .create_body =
            SLICE_LIT("{\"Labels\":{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\"}}")};
    return module_ops_run(world.ops, &order, on_done, NULL, NULL);
}

/* By the edgeAgent that is about to be removed, at the worst of moments. */
static void what_is_being_made_goes_too(void **state) {
    (void)state;
    start_at("a");
    assert_int_equal(order(MODULE_UPDATE, "own-1"), EDGE_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(fake_runtime_step(world.engine)); /* it has its turn now */
    }
    assert_int_equal(order(MODULE_CREATE, "new"), EDGE_OK);
    assert_true(fake_runtime_step(world.engine));
    assert_int_equal(order(MODULE_CREATE, "late"), EDGE_OK);
    moved_set_identity(world.moved, HUB, "b", true);
    assert_false(moved_is_settled_for(world.moved, HUB, "b"));
    assert_int_equal(order(MODULE_CREATE, "later"), EDGE_RETRY);
    fake_loop_advance(LONG_MS);
    assert_true(moved_is_settled_for(world.moved, HUB, "b"));
    assert_false(moved_is_settled_for(world.moved, HUB, "a"));
    assert_int_equal(world.done_cnt, 3);
    assert_int_equal(containers(), 1);
    assert_int_equal(order(MODULE_CREATE, "later"), EDGE_OK);
    fake_loop_run();
    assert_int_equal(containers(), 2);
    /* Back before anything was removed: changes are let through again. */
    moved_set_identity(world.moved, HUB, "c", true);
    moved_set_identity(world.moved, HUB, "b", true);
    fake_loop_advance(LONG_MS);
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(order(MODULE_CREATE, "latest"), EDGE_OK);
    fake_loop_run();
    halt();
}

/* Somebody else's tool has put our label on it. */
static void a_name_that_no_module_has(void **state) {
    (void)state;
    char name[RUNTIME_NAME_MAX + 1];
    memset(name, 'x', sizeof(name));
    name[RUNTIME_NAME_MAX] = '\0';
    start_at("a");
    (void)fake_runtime_add(world.engine, ID_LONG, name, true);
    set("b");
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(containers(), 1);
    halt();
}

static void the_worker_is_busy(void **state) {
    (void)state;
    assert_int_equal(boot(), EDGE_OK);
    fake_worker_fail(EDGE_BUSY);
    set("a");
    fake_loop_advance(LONG_MS);
    assert_false(moved_is_settled(world.moved));
    fake_worker_fail(EDGE_OK);
    fake_loop_advance(LONG_MS);
    assert_true(moved_is_settled(world.moved));
    halt();
}

static void files_in_the_way(void **state) {
    (void)state;
    furnish();
    tmpdir_write(world.dir, MOVED_FILE, "junk", 4, 0600);
    assert_int_equal(boot(), EDGE_OK);
    set("a"); /* damaged: nobody knows, so nothing is removed */
    expect_remembered("a");
    halt();
    assert_int_equal(containers(), 4);
    tmpdir_write(world.dir, MOVED_FILE, "junk", 4, 0666);
    assert_int_equal(boot(), EDGE_OK);
    set("b"); /* not to be trusted: waits for somebody to mend it */
    fake_loop_advance(LONG_MS);
    assert_false(moved_is_settled(world.moved));
    assert_int_equal(containers(), 4);
    halt();
}

static void stop_anywhere(void **state) {
    (void)state;
    assert_int_equal(boot(), EDGE_OK);
    moved_free(world.moved); /* never used */
    module_ops_free(world.ops);
    moved_free(NULL);
    assert_int_equal(boot(), EDGE_OK);
    moved_set_identity(world.moved, HUB, "a", true); /* the file is being read */
    halt();
    start_at("a");
    moved_set_identity(world.moved, HUB, "b", true); /* the list is on its way */
    halt();
    for (int steps = 1; steps < 4; steps++) {
        assert_int_equal(boot(), EDGE_OK);
        moved_set_identity(world.moved, HUB, "b", true);
        while (fake_runtime_open(world.engine) == 0) {
            assert_true(fake_loop_step());
        }
        for (int i = 0; i < steps && i < 2; i++) {
            (void)fake_runtime_step(world.engine);
        }
        halt();
        expect_remembered("a");
    }
    assert_int_equal(boot(), EDGE_OK);
    fake_runtime_fail(world.engine, EDGE_NET);
    set("b"); /* waits for the next attempt */
    halt();
    fake_runtime_fail(world.engine, EDGE_OK);
    assert_int_equal(boot(), EDGE_OK);
    set("b");
    moved_set_identity(world.moved, "", "b", true);
    assert_true(moved_is_settled(world.moved));
    halt();
    assert_int_equal(containers(), 1);
}

static enum edge_code life(void *data) {
    (void)data;
    enum edge_code code = boot();
    if (code != EDGE_OK) {
        return code;
    }
    set("a");
    fake_loop_advance(LONG_MS);
    assert_true(moved_is_settled(world.moved)); /* sooner or later */
    (void)fake_runtime_add(world.engine, ID_OTHERS, "own", true);
    set("b");
    fake_loop_advance(LONG_MS);
    assert_true(moved_is_settled(world.moved));
    assert_int_equal(fake_runtime_open(world.engine), 0);
    halt();
    (void)remove(tmpdir_join(world.dir, MOVED_FILE));
    return code;
}

static void out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 0);
}

#define WITH_WORLD(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(first_run_remembers),
        WITH_WORLD(a_move_removes_what_is_ours),
        WITH_WORLD(engine_is_away),
        WITH_WORLD(half_a_removal),
        WITH_WORLD(moved_again_meanwhile),
        WITH_WORLD(the_worker_is_busy),
        WITH_WORLD(files_in_the_way),
        WITH_WORLD(stop_anywhere),
        WITH_WORLD(out_of_memory),
        WITH_WORLD(what_is_being_made_goes_too),
        WITH_WORLD(a_name_that_no_module_has),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
