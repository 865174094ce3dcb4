/* SPDX-License-Identifier: MIT */
/*
 * See fake_loop.h.
 */
#include "fake_loop.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX 512
#define OPS_MAX   1024
#define START_MS  1000000

struct loop_timer {
    struct loop_timer *next;
    void (*fn)(void *data);
    void *data;
    uint64_t due_ms;
    bool active;
};

struct post {
    void (*fn)(void *data);
    void *data;
};

struct job {
    struct worker_job job;
    struct op op;
    uint64_t seq;
    uint64_t queued_ms;
    bool canceled;
    bool has_run;
    bool used;
};

static struct {
    uint64_t now_ms;
    int64_t wall_jump_s;
    struct loop_timer *timers;
    struct post posts[QUEUE_MAX];
    unsigned post_cnt;
    struct job jobs[QUEUE_MAX];
    unsigned job_cnt;
    bool hold;
    enum edge_code fail;
    uint64_t seq;
    bool (*pump)(void *data);
    void *pump_data;
    struct op_table *ops;
} fake;

static uint64_t mono_us(void *data) {
    (void)data;
    return fake.now_ms * 1000;
}

static int64_t wall_s(void *data) {
    (void)data;
    return FAKE_LOOP_WALL_S + fake.wall_jump_s + (int64_t)((fake.now_ms - START_MS) / 1000);
}

void fake_loop_init(void) {
    static const struct clock_source source = {mono_us, wall_s, NULL};
    memset(&fake, 0, sizeof(fake));
    fake.now_ms = START_MS;
    if (op_table_new(OPS_MAX, &fake.ops, NULL) != EDGE_OK) {
        abort();
    }
    clock_set_source(&source);
}

void fake_loop_clear(void) {
    assert(fake.timers == NULL);
    assert(fake.post_cnt == 0 && fake.job_cnt == 0);
    op_table_free(fake.ops);
    clock_set_source(NULL);
}

struct loop *fake_loop(void) {
    return (struct loop *)&fake;
}

struct worker *fake_worker(void) {
    return (struct worker *)&fake;
}

struct op_table *loop_ops(struct loop *l) {
    (void)l;
    return fake.ops;
}

enum edge_code loop_post(struct loop *l, void (*fn)(void *data), void *data,
                         struct edge_error *err) {
    (void)l;
    (void)err;
    assert(fake.post_cnt < QUEUE_MAX);
    fake.posts[fake.post_cnt++] = (struct post){fn, data};
    return EDGE_OK;
}

enum edge_code loop_timer_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct loop_timer **ret, struct edge_error *err) {
    (void)l;
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    t->fn = fn;
    t->data = data;
    t->next = fake.timers;
    fake.timers = t;
    *ret = t;
    return EDGE_OK;
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms) {
    t->due_ms = fake.now_ms + delay_ms;
    t->active = true;
}

void loop_timer_stop(struct loop_timer *t) {
    t->active = false;
}

bool loop_timer_is_active(const struct loop_timer *t) {
    return t->active;
}

void loop_timer_free(struct loop_timer *t) {
    if (t == NULL) {
        return;
    }
    struct loop_timer **link = &fake.timers;
    while (*link != t) {
        link = &(*link)->next;
    }
    *link = t->next;
    free(t);
}

static void cancel_job(void *data) {
    ((struct job *)data)->canceled = true;
}

enum edge_code worker_submit(struct worker *w, const struct worker_job *job, struct op *ret_op,
                             struct edge_error *err) {
    (void)w;
    if (fake.fail != EDGE_OK) {
        return edge_set(err, fake.fail, "the queue of the key store is full");
    }
    if (fake.job_cnt >= WORKER_QUEUE_MAX) {
        return edge_set(err, EDGE_BUSY, "the queue of the key store is full");
    }
    struct job *j = NULL;
    for (unsigned i = 0; j == NULL; i++) {
        j = fake.jobs[i].used ? NULL : &fake.jobs[i];
    }
    memset(j, 0, sizeof(*j));
    j->job = *job;
    j->used = true;
    j->seq = ++fake.seq;
    j->queued_ms = fake.now_ms;
    fake.job_cnt++;
    if (op_add(fake.ops, cancel_job, j, &j->op, NULL) != EDGE_OK) {
        abort();
    }
    if (ret_op != NULL) {
        *ret_op = j->op;
    }
    return EDGE_OK;
}

uint32_t worker_queue_len(const struct worker *w) {
    uint32_t cnt = 0;
    (void)w;
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        cnt += fake.jobs[i].used && !fake.jobs[i].has_run;
    }
    return cnt;
}

static bool run_post(void) {
    if (fake.post_cnt == 0) {
        return false;
    }
    struct post p = fake.posts[0];
    fake.post_cnt--;
    memmove(&fake.posts[0], &fake.posts[1], fake.post_cnt * sizeof(fake.posts[0]));
    p.fn(p.data);
    return true;
}

static bool is_late(const struct job *j) {
    return j->job.queue_timeout_ms != 0 && fake.now_ms - j->queued_ms > j->job.queue_timeout_ms;
}

static bool is_before(const struct job *a, const struct job *b) {
    if (a->has_run != b->has_run) {
        return a->has_run;
    }
    return a->job.urgent != b->job.urgent ? a->job.urgent : a->seq < b->seq;
}

/* The job whose turn it is, or NULL. */
static struct job *next_job(void) {
    struct job *best = NULL;
    for (unsigned i = 0; i < QUEUE_MAX; i++) {
        struct job *j = &fake.jobs[i];
        bool is_due = j->used && (!fake.hold || j->canceled || j->has_run || is_late(j));
        if (is_due && (best == NULL || is_before(j, best))) {
            best = j;
        }
    }
    return best;
}

/* Running a job and giving its result are two steps, so that a test can cancel in between. */
static bool run_job(void) {
    struct job *next = next_job();
    if (next == NULL) {
        return false;
    }
    bool is_timeout = !next->has_run && !next->canceled && is_late(next);
    if (!next->has_run && !next->canceled && !is_timeout) {
        next->has_run = true;
        next->job.run(next->job.data);
        return true;
    }
    struct job j = *next;
    next->used = false;
    fake.job_cnt--;
    op_remove(fake.ops, j.op);
    j.job.done(j.job.data, j.canceled ? EDGE_CANCELED : is_timeout ? EDGE_TIMEOUT : EDGE_OK);
    return true;
}

bool fake_loop_step(void) {
    return run_post() || run_job() || (fake.pump != NULL && fake.pump(fake.pump_data));
}

void fake_loop_run(void) {
    for (unsigned i = 0; fake_loop_step(); i++) {
        assert(i < 1000000);
    }
}

void fake_loop_jump_wall(int64_t s) {
    fake.wall_jump_s += s;
}

void fake_loop_set_pump(bool (*pump)(void *data), void *data) {
    fake.pump = pump;
    fake.pump_data = data;
}

static struct loop_timer *earliest(void) {
    struct loop_timer *best = NULL;
    for (struct loop_timer *t = fake.timers; t != NULL; t = t->next) {
        if (t->active && (best == NULL || t->due_ms < best->due_ms)) {
            best = t;
        }
    }
    return best;
}

bool fake_loop_fire(void) {
    struct loop_timer *t = earliest();
    if (t == NULL || t->due_ms > fake.now_ms) {
        return false;
    }
    t->active = false;
    t->fn(t->data);
    return true;
}

void fake_loop_advance(uint64_t ms) {
    uint64_t end = fake.now_ms + ms;
    fake_loop_run();
    for (struct loop_timer *t = earliest(); t != NULL && t->due_ms <= end; t = earliest()) {
        fake.now_ms = t->due_ms > fake.now_ms ? t->due_ms : fake.now_ms;
        t->active = false;
        t->fn(t->data);
        fake_loop_run();
    }
    fake.now_ms = end;
    fake_loop_run();
}

void fake_worker_hold(bool hold) {
    fake.hold = hold;
}

void fake_worker_fail(enum edge_code code) {
    fake.fail = code;
}

unsigned fake_loop_active_timers(void) {
    unsigned cnt = 0;
    for (struct loop_timer *t = fake.timers; t != NULL; t = t->next) {
        cnt += t->active ? 1 : 0;
    }
    return cnt;
}

uint64_t fake_loop_next_timer_ms(void) {
    struct loop_timer *t = earliest();
    return t != NULL ? t->due_ms - fake.now_ms : 0;
}
