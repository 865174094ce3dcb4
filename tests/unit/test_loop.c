/* SPDX-License-Identifier: MIT */
/*
 * Event loop: posted calls, timers, signals, lag.
 */
#include "loop/loop.h"

#include "base/clock.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#define TRACE_MAX 32

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    char trace[TRACE_MAX];
    unsigned runs;
    uint64_t lag_ms;
};

static struct fixture fixture;

static int set_up(void **state) {
    fixture = (struct fixture){.loop = NULL};
    assert_int_equal(loop_new(&fixture.loop, NULL), EDGE_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    loop_timer_free(f->timer);
    loop_free(f->loop);
    return 0;
}

static void mark(struct fixture *f, char c) {
    size_t len = strlen(f->trace);
    assert_in_range(len, 0, TRACE_MAX - 2);
    f->trace[len] = c;
}

static void on_b(void *data) {
    mark(data, 'b');
}

static void on_a(void *data) {
    struct fixture *f = data;
    mark(f, 'a');
    assert_int_equal(loop_post(f->loop, on_b, f, NULL), EDGE_OK);
    mark(f, '.');
}

static void test_posts_run_later_and_in_order(void **state) {
    struct fixture *f = *state;
    assert_int_equal(loop_post(f->loop, on_a, f, NULL), EDGE_OK);
    assert_int_equal(loop_post(f->loop, on_b, f, NULL), EDGE_OK);
    assert_string_equal(f->trace, "");
    loop_run(f->loop);
    assert_string_equal(f->trace, "a.bb");
}

static void test_free_runs_what_is_posted(void **state) {
    (void)state;
    struct fixture f = {.loop = NULL};
    assert_int_equal(loop_new(&f.loop, NULL), EDGE_OK);
    assert_int_equal(loop_post(f.loop, on_a, &f, NULL), EDGE_OK);
    loop_free(f.loop);
    assert_string_equal(f.trace, "a.b");
    loop_free(NULL);
}

static void on_stop(void *data) {
    struct fixture *f = data;
    mark(f, 's');
    loop_stop(f->loop);
}

static void test_stop(void **state) {
    struct fixture *f = *state;
    assert_int_equal(loop_timer_new(f->loop, on_b, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 60000);
    assert_int_equal(loop_post(f->loop, on_stop, f, NULL), EDGE_OK);
    loop_run(f->loop);
    assert_string_equal(f->trace, "s");
    assert_true(loop_timer_is_active(f->timer));
}

static void on_timer(void *data) {
    struct fixture *f = data;
    f->runs++;
    assert_false(loop_timer_is_active(f->timer));
    if (f->runs < 3) {
        loop_timer_start(f->timer, 1);
    }
}

static void test_timer(void **state) {
    struct fixture *f = *state;
    assert_int_equal(loop_timer_new(f->loop, on_timer, f, &f->timer, NULL), EDGE_OK);
    assert_false(loop_timer_is_active(f->timer));
    uint64_t start_ms = clock_mono_ms();
    loop_timer_start(f->timer, 60000);
    loop_timer_start(f->timer, 5);
    assert_true(loop_timer_is_active(f->timer));
    loop_run(f->loop);
    assert_int_equal(f->runs, 3);
    assert_in_range(clock_mono_ms() - start_ms, 5, 5000);
    loop_timer_start(f->timer, 1);
    loop_timer_stop(f->timer);
    loop_run(f->loop);
    assert_int_equal(f->runs, 3);
}

static void on_free_self(void *data) {
    struct fixture *f = data;
    f->runs++;
    struct loop_timer *t = f->timer;
    f->timer = NULL;
    loop_timer_start(t, 0);
    loop_timer_free(t);
}

static void test_timer_freed_in_its_callback(void **state) {
    struct fixture *f = *state;
    assert_int_equal(loop_timer_new(f->loop, on_free_self, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 0);
    loop_run(f->loop);
    assert_int_equal(f->runs, 1);
}

static void on_signal(void *data, int signum) {
    struct fixture *f = data;
    mark(f, signum == SIGUSR1 ? '1' : '2');
    if (signum == SIGUSR2) {
        loop_stop(f->loop);
    } else {
        (void)raise(SIGUSR2);
    }
}

static void test_signals(void **state) {
    struct fixture *f = *state;
    struct edge_error err;
    assert_int_equal(loop_on_signal(f->loop, SIGUSR1, on_signal, f, NULL), EDGE_OK);
    assert_int_equal(loop_on_signal(f->loop, SIGUSR2, on_signal, f, NULL), EDGE_OK);
    loop_run(f->loop); /* a signal handler alone keeps nothing alive */
    assert_int_equal(loop_timer_new(f->loop, on_b, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 10000);
    (void)raise(SIGUSR1);
    loop_run(f->loop);
    assert_string_equal(f->trace, "12");
    assert_int_equal(loop_on_signal(f->loop, SIGKILL, on_signal, f, &err), EDGE_INVALID);
    assert_int_equal(loop_on_signal(f->loop, 0, on_signal, f, &err), EDGE_INVALID);
    (void)raise(SIGPIPE); /* ignored since loop_new */
}

static void on_block(void *data) {
    (void)data;
    uint64_t start_ms = clock_mono_ms();
    while (clock_mono_ms() - start_ms < LOOP_LAG_WARN_MS + 10) {
    }
}

static void on_lag(void *data, uint64_t lag_ms) {
    struct fixture *f = data;
    f->runs++;
    f->lag_ms = lag_ms;
}

static void test_lag(void **state) {
    struct fixture *f = *state;
    loop_on_lag(f->loop, on_lag, f);
    assert_int_equal(loop_timer_new(f->loop, on_b, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, LOOP_LAG_WARN_MS + 20); /* waiting is no lag */
    loop_run(f->loop);
    assert_int_equal(f->runs, 0);
    assert_int_equal(f->lag_ms, 0);
    assert_int_equal(loop_post(f->loop, on_block, f, NULL), EDGE_OK);
    loop_timer_start(f->timer, 1);
    loop_run(f->loop);
    assert_int_equal(f->runs, 1);
    assert_in_range(f->lag_ms, LOOP_LAG_WARN_MS, 10000);
}

static void on_alarm(void *data, int signum) {
    struct fixture *f = data;
    (void)signum;
    mark(f, 's');
    loop_timer_start(f->timer, 1);
}

/* Nor is a wait that a signal interrupts. */
static void test_signal_is_no_lag(void **state) {
    struct fixture *f = *state;
    const struct itimerval soon = {.it_value = {.tv_usec = (LOOP_LAG_WARN_MS + 20) * 1000}};
    loop_on_lag(f->loop, on_lag, f);
    assert_int_equal(loop_on_signal(f->loop, SIGALRM, on_alarm, f, NULL), EDGE_OK);
    assert_int_equal(loop_timer_new(f->loop, on_b, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 60000);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    loop_run(f->loop);
    assert_string_equal(f->trace, "sb");
    assert_int_equal(f->lag_ms, 0);
    assert_int_equal(loop_post(f->loop, on_block, f, NULL), EDGE_OK);
    loop_timer_start(f->timer, 1);
    loop_run(f->loop);
    assert_in_range(f->lag_ms, LOOP_LAG_WARN_MS, 10000);
}

static enum edge_code build(void *data) {
    struct fixture f = {.loop = NULL};
    (void)data;
    enum edge_code code = loop_new(&f.loop, NULL);
    if (code == EDGE_OK) {
        code = loop_post(f.loop, on_b, &f, NULL);
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(f.loop, on_b, &f, &f.timer, NULL);
    }
    if (code == EDGE_OK) {
        code = loop_on_signal(f.loop, SIGUSR1, on_signal, &f, NULL);
    }
    loop_timer_free(f.timer);
    loop_free(f.loop);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    assert_in_range(alloc_fail_torture(build, NULL), 5, 100);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_posts_run_later_and_in_order),
        TEST(test_free_runs_what_is_posted),
        TEST(test_stop),
        TEST(test_timer),
        TEST(test_timer_freed_in_its_callback),
        TEST(test_signals),
        TEST(test_lag),
        TEST(test_signal_is_no_lag),
        TEST(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
