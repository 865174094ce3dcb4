/* SPDX-License-Identifier: MIT */
/*
 * Steps of the clock. No test sets the clock of the machine: the timer is an event counter whose
 * value stands for the step, since reading both makes them unreadable again.
 */
#include "loop/wall_watch.h"

#include "loop/wall.h"
#include "loop/worker.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    bool as_event;    /* timerfd_create gives an event counter */
    int create_errno; /* 0: works */
    int settime_errno;
    int fd;
    bool canceled; /* reading says that the clock was stepped */
    unsigned settime_cnt;
    int flags;
    struct itimerspec last;
    struct loop *loop;
    struct loop_timer *timer;
    unsigned step_cnt;
} world;

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
                           struct itimerspec *old_value);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
                           struct itimerspec *old_value);

int __wrap_timerfd_create(int clock, int flags) {
    if (world.create_errno != 0) {
        errno = world.create_errno;
        return -1;
    }
    world.fd = world.as_event ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
                              : __real_timerfd_create(clock, flags);
    return world.fd;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
                           struct itimerspec *old_value) {
    world.settime_cnt++;
    world.flags = flags;
    world.last = *new_value;
    if (world.settime_errno != 0) {
        errno = world.settime_errno;
        return -1;
    }
    return world.as_event ? 0 : __real_timerfd_settime(fd, flags, new_value, old_value);
}

ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __wrap_read(int fd, void *data, size_t len);

ssize_t __wrap_read(int fd, void *data, size_t len) {
    ssize_t n = __real_read(fd, data, len);
    if (fd != world.fd || !world.canceled || n < 0) {
        return n;
    }
    errno = ECANCELED;
    return -1;
}

static int setup(void **state) {
    (void)state;
    world = (__typeof__(world)){.fd = -1};
    return loop_new(&world.loop, NULL) == EDGE_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    loop_free(world.loop);
    return 0;
}

static void on_step(void *data) {
    world.step_cnt++;
    (void)data;
}

static void on_time(void *data) {
    (void)data;
    loop_stop(world.loop);
}

static void run_for(uint64_t ms) {
    assert_int_equal(loop_timer_new(world.loop, on_time, NULL, &world.timer, NULL), EDGE_OK);
    loop_timer_start(world.timer, ms);
    loop_run(world.loop);
    loop_timer_free(world.timer);
}

static void steps_are_told(void **state) {
    struct wall_watch *w = NULL;
    (void)state;
    world.as_event = true;
    world.canceled = true;
    assert_int_equal(wall_watch_new(world.loop, on_step, NULL, &w, NULL), EDGE_OK);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(eventfd_write(world.fd, 1), 0);
        run_for(5);
        assert_int_equal(world.step_cnt, i);
        assert_int_equal(world.settime_cnt, i + 1);
    }
    /* Cannot be armed again: told once more, then no more. */
    world.settime_errno = EINVAL;
    assert_int_equal(eventfd_write(world.fd, 1), 0);
    run_for(5);
    assert_int_equal(eventfd_write(world.fd, 1), 0);
    run_for(5);
    assert_int_equal(world.step_cnt, 4);
    wall_watch_free(w);
}

static void a_timer_at_its_end(void **state) {
    struct wall_watch *w = NULL;
    (void)state;
    world.as_event = true;
    assert_int_equal(wall_watch_new(world.loop, on_step, NULL, &w, NULL), EDGE_OK);
    assert_int_equal(world.flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
    run_for(1);
    assert_int_equal(world.step_cnt, 0);
    /* It must not call again and again. */
    assert_int_equal(eventfd_write(world.fd, 1), 0);
    run_for(5);
    assert_int_equal(world.step_cnt, 1);
    assert_int_equal(eventfd_write(world.fd, 1), 0);
    run_for(5);
    assert_int_equal(world.step_cnt, 1);
    wall_watch_free(w);
    wall_watch_free(NULL);
}

static void the_kernel_takes_the_timer(void **state) {
    struct wall_watch *w = NULL;
    (void)state;
    assert_int_equal(wall_watch_new(world.loop, on_step, NULL, &w, NULL), EDGE_OK);
    run_for(5);
    assert_int_equal(world.step_cnt, 0);
    assert_true(world.last.it_value.tv_sec > 4000000000);
    wall_watch_free(w);
}

static void a_step_while_arming(void **state) {
    struct wall_watch *w = NULL;
    (void)state;
    world.as_event = true;
    world.settime_errno = ECANCELED;
    assert_int_equal(wall_watch_new(world.loop, on_step, NULL, &w, NULL), EDGE_OK);
    wall_watch_free(w);
}

static void failures(void **state) {
    struct wall_watch *w = NULL;
    struct edge_error err;
    (void)state;
    world.create_errno = EMFILE;
    assert_int_not_equal(wall_watch_new(world.loop, on_step, NULL, &w, &err), EDGE_OK);
    world.create_errno = 0;
    world.settime_errno = EINVAL;
    assert_int_not_equal(wall_watch_new(world.loop, on_step, NULL, &w, &err), EDGE_OK);
    assert_null(w);
}

static void on_stopped(void *data) {
    bool *stopped = data;
    *stopped = true;
    loop_stop(world.loop);
}

/* The real loop, worker, kernel and clock together. */
static void the_whole(void **state) {
    struct tmpdir *dir = tmpdir_new();
    struct worker *worker = NULL;
    struct wall *wall = NULL;
    bool stopped = false;
    (void)state;
    assert_int_equal(worker_new(world.loop, "test", &worker, NULL), EDGE_OK);
    assert_int_equal(wall_new(world.loop, worker, dir->path, &wall, NULL), EDGE_OK);
    assert_int_equal(wall_start(wall, NULL), EDGE_OK);
    for (int i = 0; i < 200 && wall_get_state(wall) == WALL_UNKNOWN; i++) {
        run_for(10);
    }
    assert_int_not_equal(wall_get_state(wall), WALL_UNKNOWN);
    wall_stop(wall, on_stopped, &stopped);
    loop_run(world.loop);
    assert_true(stopped);
    assert_int_equal(access(tmpdir_join(dir, WALL_FILE), F_OK) == 0, wall_is_usable(wall));
    wall_free(wall);
    stopped = false;
    worker_stop(worker, NULL, on_stopped, &stopped);
    loop_run(world.loop);
    worker_free(worker);
    tmpdir_free(dir);
}

static enum edge_code open_and_close(void *data) {
    struct wall_watch *w = NULL;
    (void)data;
    enum edge_code code = wall_watch_new(world.loop, on_step, NULL, &w, NULL);
    wall_watch_free(w);
    run_for(1);
    return code;
}

static void out_of_memory(void **state) {
    struct wall_watch *w = NULL;
    (void)state;
    assert_int_equal(open_and_close(NULL), EDGE_OK);
    alloc_fail_arm(1);
    assert_int_equal(wall_watch_new(world.loop, on_step, NULL, &w, NULL), EDGE_NOMEM);
    assert_true(alloc_fail_disarm());
    assert_null(w);
}

#define WITH_LOOP(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LOOP(steps_are_told),
        WITH_LOOP(a_timer_at_its_end),
        WITH_LOOP(the_kernel_takes_the_timer),
        WITH_LOOP(a_step_while_arming),
        WITH_LOOP(failures),
        WITH_LOOP(out_of_memory),
        WITH_LOOP(the_whole),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
