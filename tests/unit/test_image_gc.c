/* SPDX-License-Identifier: MIT */
/*
 * The life of images that were pulled for modules: what is accounted for, when it is looked at, and
 * what is removed in the end.
 */
#include "agent/image_gc.h"

#include "agent/image_use.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_images.h"
#include "support/fake_loop.h"
#include "support/fake_wall.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_S    3600u
#define DAY_S     (24 * HOUR_S)
#define DAY_MS    ((uint64_t)DAY_S * 1000)
#define AGE_D     30
#define BOOTSTRAP "r.test/agent:1"

static struct {
    struct tmpdir *dir;
    struct fake_images *engine;
    struct wall *wall;
    struct image_gc *gc;
    bool disabled;
    uint32_t age_d;
    unsigned stop_cnt;
} world;

static bool pump(void *data) {
    (void)data;
    return fake_images_step(world.engine);
}

static void on_stopped(void *data) {
    (void)data;
    world.stop_cnt++;
}

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    world.age_d = AGE_D;
    world.dir = tmpdir_new();
    fake_loop_init();
    world.wall = fake_wall_new();
    world.engine = fake_images_new(fake_loop());
    fake_loop_set_pump(pump, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_images_free(world.engine);
    wall_free(world.wall);
    fake_loop_clear();
    tmpdir_free(world.dir);
    return 0;
}

static enum edge_code try_boot(void) {
    const struct image_gc_deps deps = {.loop = fake_loop(),
                                       .worker = fake_worker(),
                                       .runtime = fake_images_get(world.engine),
                                       .wall = world.wall,
                                       .state_dir = world.dir->path,
                                       .bootstrap_image = BOOTSTRAP,
                                       .enabled = !world.disabled,
                                       .age_s = world.age_d * DAY_S,
                                       .interval_s = DAY_S};
    return image_gc_new(&deps, &world.gc, NULL);
}

static void boot(void) {
    assert_int_equal(try_boot(), EDGE_OK);
    fake_loop_advance(0);
}

static void halt(void) {
    world.stop_cnt = 0;
    image_gc_stop(world.gc, on_stopped, NULL);
    assert_int_equal(world.stop_cnt, 0);
    fake_loop_advance(0);
    assert_int_equal(world.stop_cnt, 1);
    image_gc_free(world.gc);
    world.gc = NULL;
}

/* A pull for a module: the engine's image with this id gets the name. */
static void pull(const char *image, const char *id) {
    image_gc_on_image(world.gc, MODULE_IMAGE_WANTED, image);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, image);
    fake_loop_run();
    fake_images_name(world.engine, id, image);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, image);
    fake_loop_run();
}

static void pass_days(unsigned days) {
    for (unsigned i = 0; i < days; i++) {
        fake_loop_advance(DAY_MS);
        fake_loop_run();
    }
}

static bool has(const char *id) {
    return fake_images_has(world.engine, id);
}

/* --- What is accounted for --- */

static size_t saved(void) {
    struct image_use use EDGE_CLEANUP(image_use_clear) = {0};
    enum edge_code code = image_use_read(world.dir->path, &use, NULL);
    assert_true(code == EDGE_OK || code == EDGE_NOT_FOUND);
    return use.cnt;
}

static void idle_image_goes(void **state) {
    (void)state;
    boot();
    assert_int_equal(fake_loop_active_timers(), 0); /* there is nothing to look at */
    pull("a:1", "sha256:1");
    assert_int_equal(saved(), 1);
    assert_int_equal(fake_loop_active_timers(), 1);
    pass_days(AGE_D);
    assert_true(has("sha256:1"));
    pass_days(3);
    assert_false(has("sha256:1"));
    assert_int_equal(saved(), 0);
    pass_days(1);
    assert_int_equal(fake_loop_active_timers(), 0);
    halt();
}

static void used_image_stays(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    fake_images_use(world.engine, "sha256:1", 1);
    pass_days(3 * AGE_D);
    assert_true(has("sha256:1"));
    fake_images_use(world.engine, "sha256:1", 0); /* its time begins now */
    pass_days(AGE_D);
    assert_true(has("sha256:1"));
    pass_days(3);
    assert_false(has("sha256:1"));
    halt();
}

/* Preloaded in the factory, or pulled by the operator; our pull found it up to date. */
static void others_images_stay(void **state) {
    (void)state;
    boot();
    fake_images_name(world.engine, "sha256:1", "a:1");
    fake_images_name(world.engine, "sha256:2", "b:1");
    pull("a:1", "sha256:1");
    assert_int_equal(saved(), 0);
    pull("a:1", "sha256:3"); /* a newer one, which is ours; the older one stays */
    assert_int_equal(saved(), 1);
    pass_days(2 * AGE_D);
    assert_true(has("sha256:1") && has("sha256:2"));
    assert_false(has("sha256:3"));
    halt();
}

static void name_moves_on(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    fake_images_name(world.engine, "sha256:1", "a@sha256:11");
    pull("a:1", "sha256:2");
    fake_images_use(world.engine, "sha256:2", 1);
    assert_int_equal(saved(), 2);
    pass_days(AGE_D + 3);
    assert_false(has("sha256:1"));
    assert_true(has("sha256:2"));
    halt();
}

static void shared_images(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    pull("b:1", "sha256:1");
    pull("c:1", "sha256:2");
    fake_images_name(world.engine, "sha256:2", "operators:1");
    pull("d:1", "sha256:3");
    fake_images_name(world.engine, "sha256:4", "d:1"); /* the operator's pull */
    pull(BOOTSTRAP, "sha256:5");
    fake_images_name(world.engine, "sha256:5", BOOTSTRAP);
    pass_days(AGE_D + 3);
    assert_false(has("sha256:1"));
    assert_true(has("sha256:2")); /* by its other name */
    assert_non_null(strstr(fake_images_journal(world.engine), "remove docker.io/library/c:1"));
    assert_false(has("sha256:3"));
    assert_true(has("sha256:4") && has("sha256:5"));
    halt();
}

static void failed_pulls(void **state) {
    (void)state;
    boot();
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "a:1");
    image_gc_on_image(world.gc, MODULE_IMAGE_FAILED, "a:1");
    fake_loop_run();
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "a:1");
    fake_loop_run();
    image_gc_on_image(world.gc, MODULE_IMAGE_FAILED, "a:1");
    fake_loop_run();
    assert_string_equal(fake_images_journal(world.engine), "find a:1!; find a:1!");
    /* The answer comes after the pull, and may speak of its image: it is not claimed. */
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "a:1");
    fake_images_name(world.engine, "sha256:1", "a:1");
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, "a:1");
    fake_loop_run();
    /* The engine does not answer before, or after. */
    fake_images_fail(world.engine, EDGE_NET);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "b:1");
    fake_loop_run();
    fake_images_fail(world.engine, EDGE_OK);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, "b:1");
    fake_images_refuse(world.engine, EDGE_BUSY);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "c:1");
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, "c:1");
    fake_images_refuse(world.engine, EDGE_OK);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "d:1");
    fake_loop_run();
    fake_images_fail(world.engine, EDGE_NET);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, "d:1");
    fake_loop_run();
    assert_int_equal(saved(), 0);
    halt();
}

/* --- When --- */

static void wanted_again(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    pass_days(AGE_D - 1);
    image_gc_on_image(world.gc, MODULE_IMAGE_WANTED, "docker.io/a:1");
    image_gc_on_image(world.gc, MODULE_IMAGE_WANTED, "<none>");
    pass_days(AGE_D);
    assert_true(has("sha256:1"));
    pull("a:1", "sha256:1"); /* up to date */
    pass_days(AGE_D);
    assert_true(has("sha256:1"));
    pass_days(3);
    assert_false(has("sha256:1"));
    halt();
}

/* What was used is known after a restart, and so is its idle time. */
static void restarts(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    for (unsigned i = 0; i < AGE_D - 1; i++) {
        pass_days(1);
        halt();
        boot();
    }
    assert_true(has("sha256:1"));
    image_gc_on_image(world.gc, MODULE_IMAGE_WANTED, "a:1");
    halt();
    boot();
    pass_days(AGE_D - 1);
    assert_true(has("sha256:1"));
    pass_days(4);
    assert_false(has("sha256:1"));
    halt();
}

/* A device that runs for an hour a day: each time two days pass at most, however long it was off.
 */
static void off_most_of_the_time(void **state) {
    unsigned runs = 0;
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    fake_loop_advance(HOUR_S * 1000);
    while (has("sha256:1")) {
        halt();
        fake_loop_jump_wall(365L * DAY_S);
        boot();
        fake_loop_advance(HOUR_S * 1000);
        runs++;
        assert_true(runs < 2 * AGE_D);
    }
    assert_true(runs >= AGE_D / 2);
    halt();
}

static void clock_jumps(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    pass_days(2);
    fake_loop_jump_wall(10 * 365L * DAY_S);
    pass_days(2);
    halt();
    fake_loop_jump_wall(-30 * 365L * DAY_S); /* before the last look */
    boot();
    pass_days(2);
    halt();
    fake_wall_set(world.wall, WALL_WRONG, 0);
    boot();
    fake_loop_advance(IMAGE_GC_SETTLE_MS);
    assert_true(has("sha256:1"));
    pass_days(10);
    halt();
    boot();
    pass_days(1);
    assert_true(has("sha256:1"));
    pass_days(AGE_D);
    assert_false(has("sha256:1"));
    halt();
}

static void not_during_a_pull(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    pass_days(AGE_D - 1);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "b:1");
    fake_loop_run();
    pass_days(AGE_D);
    assert_true(has("sha256:1"));
    assert_int_equal(fake_loop_active_timers(), 0);
    image_gc_on_image(world.gc, MODULE_IMAGE_FAILED, "b:1");
    fake_loop_advance(1000);
    assert_false(has("sha256:1"));
    halt();
}

/* Up to the removal of the first of two old images. */
static void go_to_removal(void) {
    pull("a:1", "sha256:1");
    pull("b:1", "sha256:2");
    pass_days(AGE_D);
    fake_images_journal_clear(world.engine);
    fake_loop_set_pump(NULL, NULL);
    fake_loop_advance(DAY_MS);
    while (strstr(fake_images_journal(world.engine), "unused sha256:2") == NULL) {
        assert_true(fake_images_step(world.engine));
        fake_loop_run();
    }
    fake_loop_set_pump(pump, NULL);
}

static void pull_in_a_look(void **state) {
    (void)state;
    boot();
    go_to_removal();
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "c:1");
    fake_loop_run();
    assert_false(has("sha256:1"));
    assert_true(has("sha256:2"));
    image_gc_on_image(world.gc, MODULE_IMAGE_FAILED, "c:1");
    fake_loop_advance(1000);
    assert_false(has("sha256:2"));
    halt();
}

static void disabled(void **state) {
    (void)state;
    world.disabled = true;
    boot();
    pull("a:1", "sha256:1");
    assert_int_equal(fake_loop_active_timers(), 0);
    assert_int_equal(saved(), 1);
    halt();
    world.disabled = false;
    boot();
    pass_days(AGE_D + 3);
    assert_false(has("sha256:1"));
    halt();
}

/* --- What fails --- */

static void engine_is_away(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    pass_days(AGE_D - 1);
    fake_images_fail(world.engine, EDGE_NET);
    pass_days(5);
    fake_images_fail(world.engine, EDGE_OK);
    fake_images_refuse(world.engine, EDGE_BUSY);
    pass_days(5);
    assert_true(has("sha256:1"));
    fake_images_refuse(world.engine, EDGE_OK);
    pass_days(2);
    assert_false(has("sha256:1"));
    halt();
}

/* Somebody removed it, or takes it for a container at the last moment. */
static void engine_says_no(void **state) {
    (void)state;
    boot();
    go_to_removal();
    fake_images_use(world.engine, "sha256:1", 1);
    fake_loop_run();
    assert_true(has("sha256:1"));
    assert_false(has("sha256:2"));
    assert_int_equal(saved(), 1);
    fake_images_use(world.engine, "sha256:1", 0);
    fake_images_fail(world.engine, EDGE_RANGE); /* it has too much to tell */
    pass_days(AGE_D);
    assert_int_equal(saved(), 1);
    halt();
}

/* What its maker has put into it must not keep the others from being looked at. */
static void image_cannot_be_read(void **state) {
    static const enum edge_code codes[] = {EDGE_RANGE, EDGE_PARSE};
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        boot();
        pull("a:1", "sha256:1");
        pass_days(1);
        fake_images_fail(world.engine, codes[i]);
        fake_images_journal_clear(world.engine);
        pass_days(1);
        assert_string_equal(fake_images_journal(world.engine), "find sha256:1!");
        assert_int_equal(saved(), 1);
        halt();
    }
}

static void stop_at_any_time(void **state) {
    (void)state;
    for (unsigned steps = 0; steps < 8; steps++) {
        boot();
        pull("a:1", "sha256:1");
        image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "b:1");
        fake_loop_set_pump(NULL, NULL);
        for (unsigned i = 0; i < steps; i++) {
            (void)fake_images_step(world.engine);
            if (i == 1) {
                image_gc_on_image(world.gc, MODULE_IMAGE_PULLED, "b:1");
            } else if (i == 2) {
                fake_loop_advance(2 * DAY_MS);
            }
        }
        fake_loop_set_pump(pump, NULL);
        halt();
    }
}

static void file_cannot_be_used(void **state) {
    (void)state;
    boot();
    pull("a:1", "sha256:1");
    halt();
    assert_int_equal(chmod(tmpdir_join(world.dir, IMAGE_USE_FILE), 0666), 0); /* refused */
    boot();
    pull("b:1", "sha256:2");
    assert_int_equal(chmod(tmpdir_join(world.dir, IMAGE_USE_FILE), 0600), 0);
    assert_int_equal(saved(), 1);
    fake_loop_advance(DAY_MS / 24);
    assert_int_equal(saved(), 2);
    fake_worker_fail(EDGE_BUSY);
    pull("c:1", "sha256:3");
    fake_worker_fail(EDGE_OK);
    assert_int_equal(saved(), 2);
    pull("d:1", "sha256:4");
    assert_int_equal(saved(), 4);
    halt();
    tmpdir_write(world.dir, IMAGE_USE_FILE, "x", 1, 0600);
    boot();
    assert_int_equal(saved(), 0);
    fake_worker_hold(true);
    image_gc_on_image(world.gc, MODULE_IMAGE_PULLING, "e:1");
    fake_loop_run();
    fake_worker_hold(false);
    halt();
}

static enum edge_code one_round(void *data) {
    (void)data;
    fake_images_clear(world.engine);
    fake_images_journal_clear(world.engine);
    (void)unlink(tmpdir_join(world.dir, IMAGE_USE_FILE));
    enum edge_code code = try_boot();
    if (code != EDGE_OK) {
        return code;
    }
    fake_loop_advance(0);
    pull("a:1", "sha256:1");
    pass_days(3);
    halt();
    return has("sha256:1") ? EDGE_NOMEM : EDGE_OK;
}

static void out_of_memory(void **state) {
    (void)state;
    world.age_d = 1;
    assert_true(alloc_fail_torture(one_round, NULL) > 20);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(idle_image_goes),
        T(used_image_stays),
        T(others_images_stay),
        T(name_moves_on),
        T(shared_images),
        T(failed_pulls),
        T(wanted_again),
        T(restarts),
        T(off_most_of_the_time),
        T(clock_jumps),
        T(not_during_a_pull),
        T(pull_in_a_look),
        T(disabled),
        T(engine_is_away),
        T(engine_says_no),
        T(image_cannot_be_read),
        T(stop_at_any_time),
        T(file_cannot_be_used),
        T(out_of_memory),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
