/* SPDX-License-Identifier: MIT */
/*
 * The worker thread. A gate holds a job in the thread for as long as a test needs.
 */
#include "loop/worker.h"

#include "base/clock.h"
#include "support/alloc_fail.h"
#include "support/fake_clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define TRACE_MAX 256

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool entered;
    bool open;
};

struct fixture {
    struct loop *loop;
    struct worker *worker;
    struct loop_timer *timer;
    struct gate gate;
    pthread_t loop_thread;
    char run_trace[TRACE_MAX]; /* worker thread only, until it is joined */
    char done_trace[TRACE_MAX];
    unsigned done_cnt;
    _Atomic bool gate_passed;
    bool last_ran;
    bool stopped;
    unsigned jobs_at_stop;
};

struct job {
    struct fixture *f;
    char name;
    struct op op;
    enum edge_code code;
    unsigned done_cnt;
    struct job *next;   /* submitted from done() */
    struct job *cancel; /* cancelled from done() */
    struct worker_job spec;
};

static void gate_open(struct gate *g) {
    (void)pthread_mutex_lock(&g->mutex);
    g->open = true;
    (void)pthread_cond_broadcast(&g->changed);
    (void)pthread_mutex_unlock(&g->mutex);
}

static void gate_pass(struct gate *g) {
    (void)pthread_mutex_lock(&g->mutex);
    g->entered = true;
    (void)pthread_cond_broadcast(&g->changed);
    while (!g->open) {
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    }
    (void)pthread_mutex_unlock(&g->mutex);
}

static void gate_wait_entered(struct gate *g) {
    (void)pthread_mutex_lock(&g->mutex);
    while (!g->entered) {
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    }
    (void)pthread_mutex_unlock(&g->mutex);
}

static void trace(char *text, char c) {
    size_t len = strlen(text);
    if (len < TRACE_MAX - 1) {
        text[len] = c;
    }
}

static void run(void *data) {
    struct job *j = data;
    trace(j->f->run_trace, j->name);
    if (j->name == 'G') {
        gate_pass(&j->f->gate);
        atomic_store(&j->f->gate_passed, true);
    }
}

static void submit(struct job *j) {
    assert_int_equal(worker_submit(j->f->worker, &j->spec, &j->op, NULL), EDGE_OK);
}

static void done(void *data, enum edge_code code) {
    struct job *j = data;
    assert_true(pthread_equal(pthread_self(), j->f->loop_thread));
    j->code = code;
    j->done_cnt++;
    j->f->done_cnt++;
    trace(j->f->done_trace, j->name);
    assert_null(op_get(loop_ops(j->f->loop), j->op));
    if (j->next != NULL) {
        submit(j->next);
    }
    if (j->cancel != NULL) {
        op_cancel(loop_ops(j->f->loop), j->cancel->op);
    }
}

static struct job make_job(struct fixture *f, char name) {
    return (struct job){.f = f, .name = name, .spec = {.run = run, .done = done}};
}

static void put(struct job *j) {
    j->spec.data = j;
    submit(j);
}

static void fixture_init(struct fixture *f) {
    *f = (struct fixture){.loop_thread = pthread_self()};
    assert_int_equal(pthread_mutex_init(&f->gate.mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&f->gate.changed, NULL), 0);
    assert_int_equal(loop_new(&f->loop, NULL), EDGE_OK);
    assert_int_equal(worker_new(f->loop, "test-worker-with-long-name", &f->worker, NULL), EDGE_OK);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fixture_init(f);
    *state = f;
    return 0;
}

static void on_last(void *data) {
    struct fixture *f = data;
    assert_false(pthread_equal(pthread_self(), f->loop_thread));
    f->last_ran = true;
}

static void on_stopped(void *data) {
    struct fixture *f = data;
    assert_true(pthread_equal(pthread_self(), f->loop_thread));
    assert_true(f->last_ran);
    assert_false(f->stopped);
    f->stopped = true;
    f->jobs_at_stop = f->done_cnt;
}

static void on_abandoned(void *data) {
    struct fixture *f = data;
    assert_false(f->stopped);
    f->stopped = true;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    gate_open(&f->gate);
    if (!f->stopped) {
        worker_stop(f->worker, on_last, on_stopped, f);
        assert_false(f->stopped);
        loop_run(f->loop);
    }
    assert_true(f->stopped);
    worker_free(f->worker);
    loop_timer_free(f->timer);
    assert_int_equal(op_cnt(loop_ops(f->loop)), 0);
    loop_free(f->loop);
    (void)pthread_cond_destroy(&f->gate.changed);
    (void)pthread_mutex_destroy(&f->gate.mutex);
    free(f);
    return 0;
}

/* Puts a job into the thread that stays there until gate_open. */
static void hold(struct job *holder) {
    put(holder);
    gate_wait_entered(&holder->f->gate);
}

static void test_order(void **state) {
    struct fixture *f = *state;
    struct job jobs[4];
    for (size_t i = 0; i < EDGE_ARRAY_LEN(jobs); i++) {
        jobs[i] = make_job(f, (char)('a' + i));
        put(&jobs[i]);
    }
    assert_int_equal(f->done_cnt, 0);
    loop_run(f->loop);
    assert_string_equal(f->run_trace, "abcd");
    assert_string_equal(f->done_trace, "abcd");
    for (size_t i = 0; i < EDGE_ARRAY_LEN(jobs); i++) {
        assert_int_equal(jobs[i].code, EDGE_OK);
        assert_int_equal(jobs[i].done_cnt, 1);
    }
}

static void test_idle_worker_lets_the_loop_end(void **state) {
    struct fixture *f = *state;
    loop_run(f->loop);
    struct job j = make_job(f, 'a');
    put(&j);
    loop_run(f->loop);
    assert_int_equal(j.done_cnt, 1);
    loop_run(f->loop);
}

static void test_urgent_goes_first(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job jobs[4];
    hold(&holder);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(jobs); i++) {
        jobs[i] = make_job(f, (char)('a' + i));
        jobs[i].spec.urgent = i >= 2;
        put(&jobs[i]);
    }
    assert_int_equal(worker_queue_len(f->worker), 4);
    gate_open(&f->gate);
    loop_run(f->loop);
    assert_string_equal(f->run_trace, "Gcdab");
    assert_int_equal(worker_queue_len(f->worker), 0);
}

static void test_full_queue(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job jobs[WORKER_QUEUE_MAX];
    struct job extra = make_job(f, 'x');
    struct op op = OP_NONE;
    struct edge_error err;
    hold(&holder);
    for (size_t i = 0; i < WORKER_QUEUE_MAX; i++) {
        jobs[i] = make_job(f, '.');
        put(&jobs[i]);
    }
    assert_int_equal(worker_submit(f->worker, &extra.spec, &op, &err), EDGE_BUSY);
    assert_false(op_is_set(op));
    assert_non_null(strstr(err.text, "full"));
    struct job urgent[WORKER_URGENT_ROOM + 1];
    for (size_t i = 0; i <= WORKER_URGENT_ROOM; i++) {
        urgent[i] = make_job(f, '!');
        urgent[i].spec.urgent = true;
        urgent[i].spec.data = &urgent[i];
        assert_int_equal(worker_submit(f->worker, &urgent[i].spec, &urgent[i].op, &err),
                         i < WORKER_URGENT_ROOM ? EDGE_OK : EDGE_BUSY);
    }
    for (size_t i = 5; i <= 5 + WORKER_URGENT_ROOM; i++) {
        op_cancel(loop_ops(f->loop), jobs[i].op); /* makes room at once */
    }
    put(&extra);
    gate_open(&f->gate);
    loop_run(f->loop);
    assert_int_equal(f->done_cnt, WORKER_QUEUE_MAX + 2 + WORKER_URGENT_ROOM);
    assert_int_equal(jobs[5].code, EDGE_CANCELED);
    assert_int_equal(extra.code, EDGE_OK);
}

static void test_cancel_waiting(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job a = make_job(f, 'a');
    struct job b = make_job(f, 'b');
    hold(&holder);
    put(&a);
    put(&b);
    op_cancel(loop_ops(f->loop), a.op);
    op_cancel(loop_ops(f->loop), a.op);
    assert_int_equal(a.done_cnt, 0);
    b.cancel = &holder; /* stale by then */
    gate_open(&f->gate);
    loop_run(f->loop);
    assert_int_equal(a.code, EDGE_CANCELED);
    assert_int_equal(a.done_cnt, 1);
    assert_int_equal(b.code, EDGE_OK);
    assert_string_equal(f->run_trace, "Gb");
}

static void on_cancel_timer(void *data) {
    struct job *j = data;
    op_cancel(loop_ops(j->f->loop), j->op);
    assert_int_equal(j->done_cnt, 0);
    gate_open(&j->f->gate);
}

static void test_cancel_running(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    hold(&holder);
    assert_int_equal(loop_timer_new(f->loop, on_cancel_timer, &holder, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 1);
    loop_run(f->loop);
    assert_int_equal(holder.code, EDGE_CANCELED);
    assert_string_equal(f->run_trace, "G"); /* it ran to its end */
}

static void test_cancel_finished(void **state) {
    struct fixture *f = *state;
    struct job a = make_job(f, 'a');
    struct job b = make_job(f, 'G');
    put(&a);
    put(&b);
    gate_wait_entered(&f->gate); /* a has returned; its done() has not run */
    op_cancel(loop_ops(f->loop), a.op);
    gate_open(&f->gate);
    loop_run(f->loop);
    assert_int_equal(a.code, EDGE_CANCELED);
    assert_int_equal(b.code, EDGE_OK);
}

static void on_open_timer(void *data) {
    struct fixture *f = data;
    gate_open(&f->gate);
}

static void test_queue_timeout(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job late = make_job(f, 'l');
    struct job later = make_job(f, 'm');
    struct job patient = make_job(f, 'p');
    late.spec.queue_timeout_ms = 5;
    later.spec.queue_timeout_ms = 8;
    later.spec.urgent = true;
    patient.spec.queue_timeout_ms = 60000;
    hold(&holder);
    put(&patient);
    put(&later);
    put(&late);
    assert_int_equal(loop_timer_new(f->loop, on_open_timer, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 25);
    uint64_t start_ms = clock_mono_ms();
    loop_run(f->loop);
    assert_in_range(clock_mono_ms() - start_ms, 20, 10000); /* not held up by the long deadline */
    assert_int_equal(strlen(f->done_trace), 4);
    assert_string_equal(f->done_trace + 2, "Gp");
    assert_int_equal(late.code, EDGE_TIMEOUT);
    assert_int_equal(later.code, EDGE_TIMEOUT);
    assert_int_equal(patient.code, EDGE_OK);
    assert_string_equal(f->run_trace, "Gp");
}

static void test_overdue_job_is_not_started(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job late = make_job(f, 'l');
    fake_clock_install(1000);
    late.spec.queue_timeout_ms = 60000;
    hold(&holder);
    put(&late);
    fake_clock_advance_ms(60000); /* the loop has not had a turn: the thread itself must notice */
    gate_open(&f->gate);
    loop_run(f->loop);
    fake_clock_remove();
    assert_int_equal(late.code, EDGE_TIMEOUT);
    assert_string_equal(f->run_trace, "G");
}

static void test_submit_from_done(void **state) {
    struct fixture *f = *state;
    struct job a = make_job(f, 'a');
    struct job b = make_job(f, 'b');
    b.spec.data = &b;
    a.next = &b;
    put(&a);
    loop_run(f->loop);
    assert_string_equal(f->done_trace, "ab");
}

static void test_stop_with_jobs(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job a = make_job(f, 'a');
    struct job b = make_job(f, 'b');
    struct edge_error err;
    b.spec.urgent = true;
    hold(&holder);
    put(&a);
    put(&b);
    worker_stop(f->worker, on_last, on_stopped, f);
    assert_int_equal(f->done_cnt, 0);
    assert_int_equal(worker_submit(f->worker, &a.spec, NULL, &err), EDGE_CANCELED);
    assert_int_equal(loop_timer_new(f->loop, on_open_timer, f, &f->timer, NULL), EDGE_OK);
    loop_timer_start(f->timer, 5);
    loop_run(f->loop);
    assert_int_equal(a.code, EDGE_CANCELED);
    assert_int_equal(b.code, EDGE_CANCELED);
    assert_int_equal(holder.code, EDGE_OK);
    assert_true(f->stopped);
    assert_int_equal(f->jobs_at_stop, 3);
    assert_string_equal(f->run_trace, "G");
}

/* What waits is cancelled, what runs is left to itself. */
static void test_abandon(void **state) {
    struct fixture *f = *state;
    struct job holder = make_job(f, 'G');
    struct job a = make_job(f, 'a');
    hold(&holder);
    put(&a);
    worker_abandon(f->worker, on_abandoned, f);
    loop_run(f->loop);
    assert_true(f->stopped);
    assert_int_equal(a.code, EDGE_CANCELED);
    assert_int_equal(holder.done_cnt, 0);
    assert_int_equal(op_cnt(loop_ops(f->loop)), 0);
    worker_free(f->worker);
    f->worker = NULL;
    gate_open(&f->gate);
    for (unsigned i = 0; i < 1000 && !atomic_load(&f->gate_passed); i++) {
        assert_int_equal(usleep(5000), 0);
    }
    assert_true(atomic_load(&f->gate_passed)); /* the thread ends by itself */
}

static void test_abandon_idle(void **state) {
    struct fixture *f = *state;
    struct job a = make_job(f, 'a');
    put(&a);
    loop_run(f->loop);
    worker_abandon(f->worker, on_abandoned, f);
    loop_run(f->loop);
    assert_true(f->stopped);
    assert_int_equal(a.code, EDGE_OK);
}

/* Many small jobs with cancels in between: what the thread sanitizer looks at. */
static void test_many(void **state) {
    enum {
        ROUNDS = 40,
        CNT = 60
    };
    struct fixture *f = *state;
    struct job *jobs = calloc(CNT, sizeof(*jobs));
    assert_non_null(jobs);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CNT; i++) {
            jobs[i] = make_job(f, '.');
            jobs[i].spec.urgent = i % 3 == 0;
            jobs[i].spec.queue_timeout_ms = i % 7 == 0 ? 1 : 0;
            put(&jobs[i]);
            if (i % 5 == 0) {
                op_cancel(loop_ops(f->loop), jobs[i / 2].op);
            }
        }
        loop_run(f->loop);
        for (unsigned i = 0; i < CNT; i++) {
            assert_int_equal(jobs[i].done_cnt, 1);
        }
    }
    free(jobs);
}

static void ignore_stopped(void *data) {
    (void)data;
}

static enum edge_code one_job(void *data) {
    (void)data;
    struct fixture f = {.loop_thread = pthread_self()};
    struct job j = make_job(&f, 'a');
    enum edge_code code = loop_new(&f.loop, NULL);
    if (code == EDGE_OK) {
        code = worker_new(f.loop, "torture", &f.worker, NULL);
    }
    if (code == EDGE_OK) {
        j.spec.data = &j;
        code = worker_submit(f.worker, &j.spec, &j.op, NULL);
        worker_stop(f.worker, NULL, ignore_stopped, NULL);
        loop_run(f.loop);
        worker_free(f.worker);
        assert_int_equal(j.done_cnt, code == EDGE_OK ? 1 : 0);
    }
    loop_free(f.loop);
    return code;
}

static void test_torture(void **state) {
    (void)state;
    assert_in_range(alloc_fail_torture(one_job, NULL), 5, 100);
}

static void test_no_descriptor_left(void **state) {
    struct fixture *f = *state;
    struct rlimit before, none;
    struct worker *w = NULL;
    struct edge_error err;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum edge_code code = worker_new(f->loop, "late", &w, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(code, EDGE_IO);
    assert_non_null(strstr(edge_error_text(&err), "too many open files"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_idle_worker_lets_the_loop_end),
        TEST(test_urgent_goes_first),
        TEST(test_full_queue),
        TEST(test_cancel_waiting),
        TEST(test_cancel_running),
        TEST(test_cancel_finished),
        TEST(test_queue_timeout),
        TEST(test_overdue_job_is_not_started),
        TEST(test_submit_from_done),
        TEST(test_stop_with_jobs),
        TEST(test_abandon),
        TEST(test_abandon_idle),
        TEST(test_many),
        TEST(test_no_descriptor_left),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
