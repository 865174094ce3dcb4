/* SPDX-License-Identifier: MIT */
/*
 * Trust in the clock, on a device whose clock, kernel and cloud are the test's.
 */
#include "loop/wall.h"

#include "loop/wall_file.h"
#include "loop/wall_watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NOW_S     INT64_C(1800000000) /* 2027-01-15 */
#define RELEASE_S INT64_C(1793491200)
#define HOUR_S    3600
#define DAY_S     (24 * 3600)

static struct {
    struct tmpdir *dir;
    struct wall *wall;
    bool synced;
    unsigned asked_cnt; /* the kernel was */
    unsigned change_cnt;
    unsigned stop_cnt;
    void (*on_step)(void *data);
    void *step_data;
    enum edge_code watch_code;
} world;

/* In place of the timer of the kernel. */
enum edge_code wall_watch_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct wall_watch **ret, struct edge_error *err) {
    (void)l;
    (void)ret;
    if (world.watch_code != EDGE_OK) {
        return edge_set(err, world.watch_code, "no such timer");
    }
    world.on_step = fn;
    world.step_data = data;
    return EDGE_OK;
}

void wall_watch_free(struct wall_watch *w) {
    (void)w;
}

static bool is_synced(void *data) {
    (void)data;
    world.asked_cnt++;
    return world.synced;
}

static int setup(void **state) {
    static const struct wall_kernel kernel = {is_synced, NULL};
    (void)state;
    memset(&world, 0, sizeof(world));
    world.dir = tmpdir_new();
    fake_loop_init();
    fake_loop_jump_wall(NOW_S - clock_wall_s());
    wall_set_kernel(&kernel);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    wall_set_kernel(NULL);
    fake_loop_clear();
    tmpdir_free(world.dir);
    return 0;
}

static void set_clock(int64_t to_s) {
    fake_loop_jump_wall(to_s - clock_wall_s());
}

static void step_clock(int64_t to_s) {
    set_clock(to_s);
    world.on_step(world.step_data);
    fake_loop_run();
}

static void on_change(void *data) {
    (void)data;
    world.change_cnt++;
}

static void on_stopped(void *data) {
    (void)data;
    world.stop_cnt++;
}

static void boot(void) {
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    assert_int_equal(wall_on_change(world.wall, on_change, NULL, NULL), EDGE_OK);
    assert_int_equal(wall_start(world.wall, NULL), EDGE_OK);
    assert_int_equal(wall_get_state(world.wall), WALL_UNKNOWN);
    assert_false(wall_is_usable(world.wall));
    fake_loop_run();
    world.change_cnt = 0;
}

static void halt(void) {
    world.stop_cnt = 0;
    wall_stop(world.wall, on_stopped, NULL);
    assert_int_equal(world.stop_cnt, 0);
    fake_loop_advance(0);
    assert_int_equal(world.stop_cnt, 1);
    wall_free(world.wall);
    world.wall = NULL;
}

static int64_t saved(void) {
    int64_t t = 0;
    return wall_file_read(world.dir->path, &t, NULL) == EDGE_OK ? t : 0;
}

static void expect(enum wall_state s, int64_t offset_s) {
    const int64_t offset = wall_now_s(world.wall) - clock_wall_s();
    if (wall_get_state(world.wall) != s || offset != offset_s) {
        fail_msg("%s, offset %lld", wall_state_name(wall_get_state(world.wall)), (long long)offset);
    }
    assert_int_equal(wall_is_usable(world.wall), s != WALL_UNKNOWN && s != WALL_WRONG);
}

static void expect_text(const char *part) {
    char text[WALL_TEXT_LEN];
    wall_describe(world.wall, text, sizeof(text));
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, text);
    }
}

static void nobody_to_ask(void **state) {
    char text[WALL_TEXT_LEN];
    (void)state;
    assert_true(wall_is_usable(NULL));
    assert_int_equal(wall_now_s(NULL), clock_wall_s());
    assert_int_equal(wall_get_state(NULL), WALL_PLAUSIBLE);
    wall_describe(NULL, text, sizeof(text));
    wall_hint(NULL, NOW_S);
    wall_free(NULL);
}

static void who_vouches(void **state) {
    (void)state;
    assert_true(wall_is_trusted(NULL));
    boot();
    expect(WALL_PLAUSIBLE, 0);
    assert_false(wall_is_trusted(world.wall)); /* it may be ahead */
    unsigned asked_cnt = world.asked_cnt;
    const struct wall_time t = wall_get_time(world.wall);
    assert_true(t.now_s == NOW_S && t.is_usable && !t.is_trusted);
    assert_int_equal(world.asked_cnt, asked_cnt + 1);
    wall_hint(world.wall, NOW_S + 1);
    expect(WALL_PLAUSIBLE, 0);
    assert_true(wall_is_trusted(world.wall));
    step_clock(NOW_S + 100 * (int64_t)DAY_S);
    assert_false(wall_is_trusted(world.wall));
    wall_hint(world.wall, NOW_S);
    expect(WALL_CORRECTED, -100 * (int64_t)DAY_S);
    assert_true(wall_is_trusted(world.wall));
    halt();
    set_clock(12);
    boot();
    expect(WALL_WRONG, 0);
    assert_false(wall_is_trusted(world.wall));
    set_clock(NOW_S);
    world.synced = true;
    assert_true(wall_is_trusted(world.wall));
    halt();
}

static void plausible_and_saved(void **state) {
    (void)state;
    boot();
    expect(WALL_PLAUSIBLE, 0);
    expect_text("nothing speaks against it");
    assert_int_equal(saved(), NOW_S); /* the first time at once */
    fake_loop_advance((uint64_t)WALL_SAVE_MS - 1000);
    assert_int_equal(saved(), NOW_S);
    fake_loop_advance(1000);
    assert_int_equal(saved(), NOW_S + HOUR_S);
    fake_loop_advance(1000 * 1000);
    assert_int_equal(world.change_cnt, 0);
    assert_int_equal(fake_loop_active_timers(), 1);
    halt();
    assert_int_equal(saved(), NOW_S + HOUR_S + 1000);
}

static void epoch_at_boot(void **state) {
    (void)state;
    set_clock(12);
    boot();
    expect(WALL_WRONG, 0);
    expect_text("1970-01-01T00:00:12Z");
    expect_text("the release of this program");
    halt();
    assert_int_equal(saved(), 0);
    /* A device that has lived. */
    set_clock(NOW_S);
    boot();
    halt();
    set_clock(RELEASE_S + DAY_S);
    boot();
    expect(WALL_WRONG, 0);
    expect_text("before 2027-01-15T08:00:00Z, which this device has lived through");
    fake_loop_advance(3 * (uint64_t)WALL_SAVE_MS);
    expect(WALL_WRONG, 0);
    assert_int_equal(saved(), NOW_S);
    /* A time service starts. */
    step_clock(NOW_S + 5 * DAY_S);
    expect(WALL_PLAUSIBLE, 0);
    assert_true(world.change_cnt > 0);
    halt();
    assert_int_equal(saved(), NOW_S + 5 * DAY_S);
}

static void small_steps_back_are_no_news(void **state) {
    (void)state;
    boot();
    step_clock(NOW_S - WALL_HINT_S + 1);
    expect(WALL_PLAUSIBLE, 0);
    assert_int_equal(world.change_cnt, 1); /* a step is told even so */
    halt();
    assert_int_equal(saved(), NOW_S);
}

static void jumps(void **state) {
    (void)state;
    boot();
    /* A date set wrong by hand and set right at once leaves no trace ... */
    step_clock(NOW_S + 4000 * (int64_t)DAY_S);
    expect(WALL_PLAUSIBLE, 0);
    step_clock(NOW_S + 1);
    expect(WALL_PLAUSIBLE, 0);
    step_clock(NOW_S - DAY_S);
    expect(WALL_WRONG, 0);
    assert_int_equal(world.change_cnt, 3);
    halt();
    assert_int_equal(saved(), NOW_S);
}

static void future_last_known(bool by_service) {
    boot();
    step_clock(NOW_S + 4000 * (int64_t)DAY_S);
    fake_loop_advance(WALL_SAVE_MS); /* ... but an hour of it does */
    step_clock(NOW_S);
    expect(WALL_WRONG, 0);
    halt();
    assert_true(saved() > NOW_S + 3999 * (int64_t)DAY_S);
    boot();
    expect(WALL_WRONG, 0);
    expect_text("also reset");
    if (by_service) {
        world.synced = true; /* without a step: noticed by the next who asks */
        expect(WALL_SYNCED, 0);
        fake_loop_advance(1);
    } else {
        wall_hint(world.wall, NOW_S + 1);
        expect(WALL_PLAUSIBLE, 0);
        fake_loop_run();
    }
    assert_int_equal(world.change_cnt, 1);
    expect_text("the last-known time was 2037-12-28T09:00:00Z, in the future, and was reset");
    assert_int_equal(saved(), NOW_S);
    world.synced = false;
    halt();
    boot();
    expect(WALL_PLAUSIBLE, 0);
    halt();
}

static void service_resets_the_future(void **state) {
    (void)state;
    future_last_known(true);
}

static void hint_resets_the_future(void **state) {
    (void)state;
    future_last_known(false);
}

static void hours_wrong(void **state) {
    (void)state;
    boot();
    wall_hint(world.wall, NOW_S + WALL_HINT_S);
    expect(WALL_PLAUSIBLE, 0);
    expect_text("the cloud agrees");
    wall_hint(world.wall, NOW_S + 7 * HOUR_S);
    expect(WALL_CORRECTED, 7 * HOUR_S);
    expect_text("it is 2027-01-15T15:00:00Z");
    assert_int_equal(world.change_cnt, 1);
    fake_loop_run();
    assert_int_equal(saved(), NOW_S + 7 * HOUR_S);
    fake_loop_advance(1000 * 1000);
    expect(WALL_CORRECTED, 7 * HOUR_S);
    wall_hint(world.wall, RELEASE_S - 1); /* no peer that can be right */
    expect(WALL_CORRECTED, 7 * HOUR_S);
    /* The clock steps, nobody has heard yet: the monotonic clock still tells the time. */
    int64_t right = wall_now_s(world.wall);
    set_clock(right - 2 * HOUR_S);
    assert_int_equal(wall_now_s(world.wall), right);
    step_clock(right + 1);
    expect(WALL_PLAUSIBLE, 0);
    halt();
    assert_int_equal(saved(), right + 1);
}

static void hours_ahead(void **state) {
    (void)state;
    boot();
    wall_hint(world.wall, NOW_S - 7 * HOUR_S);
    expect(WALL_CORRECTED, -7 * HOUR_S);
    fake_loop_run();
    assert_int_equal(saved(), NOW_S - 7 * HOUR_S);
    expect_text("was reset");
    step_clock(NOW_S - 6 * HOUR_S);
    expect(WALL_PLAUSIBLE, 0);
    halt();
}

static void epoch_and_a_hint(void **state) {
    (void)state;
    set_clock(12);
    boot();
    wall_hint(world.wall, NOW_S);
    expect(WALL_CORRECTED, NOW_S - 12);
    fake_loop_run();
    assert_int_equal(saved(), NOW_S);
    step_clock(100);
    expect(WALL_WRONG, 0);
    halt();
}

static void synced_wins(void **state) {
    (void)state;
    world.synced = true;
    boot();
    expect(WALL_SYNCED, 0);
    expect_text("time service");
    wall_hint(world.wall, NOW_S + 7 * HOUR_S);
    expect(WALL_SYNCED, 0);
    assert_int_equal(world.change_cnt, 0);
    fake_loop_run();
    assert_int_equal(saved(), NOW_S);
    /* No service that keeps the clock in 1970 is one. */
    step_clock(12);
    expect(WALL_WRONG, 0);
    halt();
}

static void steps_without_the_timer(void **state) {
    (void)state;
    world.watch_code = EDGE_UNSUPPORTED;
    boot();
    wall_hint(world.wall, NOW_S + 7 * HOUR_S);
    expect(WALL_CORRECTED, 7 * HOUR_S);
    set_clock(NOW_S + 7 * HOUR_S);
    fake_loop_advance(WALL_SAVE_MS);
    expect(WALL_PLAUSIBLE, 0);
    expect_text("nothing speaks against it"); /* the old word counts no more */
    halt();
}

static void hint_before_the_file_was_read(void **state) {
    (void)state;
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    assert_int_equal(wall_start(world.wall, NULL), EDGE_OK);
    assert_int_equal(wall_start(world.wall, NULL), EDGE_INTERNAL);
    wall_hint(world.wall, NOW_S + HOUR_S);
    expect(WALL_UNKNOWN, 0);
    expect_text("being read");
    fake_loop_run();
    expect(WALL_CORRECTED, HOUR_S);
    halt();
}

static void damaged_file(void **state) {
    (void)state;
    tmpdir_write(world.dir, WALL_FILE, "junk", 4, 0600);
    boot();
    expect(WALL_PLAUSIBLE, 0);
    assert_int_equal(saved(), NOW_S);
    halt();
    /* Not damaged, but not to be trusted: neither read nor thrown away. */
    assert_int_equal(chmod(tmpdir_join(world.dir, WALL_FILE), 0666), 0);
    boot();
    expect(WALL_PLAUSIBLE, 0);
    halt();
}

static void stop_in_every_state(void **state) {
    (void)state;
    /* Never started. */
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    wall_free(world.wall);
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    halt();
    /* While the file is being read. */
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    assert_int_equal(wall_start(world.wall, NULL), EDGE_OK);
    halt();
    assert_int_equal(saved(), 0);
    /* While it is being written: once more afterwards. */
    boot();
    fake_worker_hold(true);
    fake_loop_advance(WALL_SAVE_MS);
    fake_loop_advance(100 * 1000);
    wall_stop(world.wall, on_stopped, NULL);
    fake_loop_advance(1000);
    assert_int_equal(world.stop_cnt, 2 - 1);
    fake_worker_hold(false);
    fake_loop_advance(0);
    assert_int_equal(world.stop_cnt, 2);
    wall_free(world.wall);
    assert_int_equal(saved(), NOW_S + HOUR_S + 100);
    /* The worker takes nothing any more. */
    boot();
    fake_worker_fail(EDGE_CANCELED);
    fake_loop_advance(WALL_SAVE_MS);
    halt();
    assert_int_equal(wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL),
                     EDGE_OK);
    assert_int_equal(wall_start(world.wall, NULL), EDGE_CANCELED);
    wall_free(world.wall);
    fake_worker_fail(EDGE_OK);
}

static void only_so_many_listeners(void **state) {
    (void)state;
    boot();
    for (size_t i = 1; i < WALL_LISTENER_MAX; i++) {
        assert_int_equal(wall_on_change(world.wall, on_change, NULL, NULL), EDGE_OK);
    }
    assert_int_equal(wall_on_change(world.wall, on_change, NULL, NULL), EDGE_RANGE);
    halt();
}

static void too_long_a_path(void **state) {
    static char path[2 * PATH_MAX];
    (void)state;
    memset(path, 'p', sizeof(path) - 1);
    assert_int_equal(wall_new(fake_loop(), fake_worker(), path, &world.wall, NULL), EDGE_INVALID);
}

static void the_kernel_answers(void **state) {
    (void)state;
    wall_set_kernel(NULL);
    boot();
    assert_true(wall_is_usable(world.wall));
    halt();
}

static enum edge_code life(void *data) {
    (void)data;
    enum edge_code code = wall_new(fake_loop(), fake_worker(), world.dir->path, &world.wall, NULL);
    if (code != EDGE_OK) {
        return code;
    }
    code = wall_start(world.wall, NULL);
    if (code == EDGE_OK) {
        fake_loop_run();
        expect(WALL_PLAUSIBLE, 0); /* also when the file could not be read or written */
        wall_hint(world.wall, clock_wall_s() + HOUR_S);
        expect(WALL_CORRECTED, HOUR_S);
        fake_loop_run();
    }
    halt();
    (void)remove(tmpdir_join(world.dir, WALL_FILE));
    return code;
}

static void out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(life, NULL) > 0);
}

#define WITH_WORLD(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(nobody_to_ask),
        WITH_WORLD(who_vouches),
        WITH_WORLD(plausible_and_saved),
        WITH_WORLD(epoch_at_boot),
        WITH_WORLD(small_steps_back_are_no_news),
        WITH_WORLD(jumps),
        WITH_WORLD(service_resets_the_future),
        WITH_WORLD(hint_resets_the_future),
        WITH_WORLD(hours_wrong),
        WITH_WORLD(hours_ahead),
        WITH_WORLD(epoch_and_a_hint),
        WITH_WORLD(synced_wins),
        WITH_WORLD(steps_without_the_timer),
        WITH_WORLD(hint_before_the_file_was_read),
        WITH_WORLD(damaged_file),
        WITH_WORLD(stop_in_every_state),
        WITH_WORLD(only_so_many_listeners),
        WITH_WORLD(too_long_a_path),
        WITH_WORLD(the_kernel_answers),
        WITH_WORLD(out_of_memory),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
