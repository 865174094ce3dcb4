/* SPDX-License-Identifier: MIT */
/*
 * A job is owned by the worker from submit to done(). It sits in exactly one of: the urgent queue,
 * the normal queue, the thread's hands, the finished list. Queue and finished list are shared and
 * guarded by the mutex; everything else belongs to the loop thread.
 */
#include "loop/worker.h"

#include "base/clock.h"
#include "base/list.h"

#include <uv.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* RSA and EC operations of OpenSSL and the TPM stack's command buffers fit several times. */
#define WORKER_STACK_SIZE ((size_t)512 * 1024)

#define WORKER_NAME_MAX 16 /* kernel limit of a thread's name, with NUL */

enum worker_state {
    WORKER_WAITING,
    WORKER_RUNNING,
    WORKER_FINISHED,
};

struct worker_item {
    struct list node;
    struct worker *worker;
    struct worker_job job;
    struct op op;
    uint64_t deadline_ms; /* clock_mono_ms; 0: none */
    enum worker_state state;
    enum edge_code code;
};

struct worker {
    struct loop *loop;
    int wake_fd; /* an eventfd: there is news for the loop */
    uv_poll_t wake;
    struct loop_timer *timer; /* runs out with the earliest deadline in the queue */
    uint64_t timer_at_ms;     /* 0: not armed */
    uint32_t unfinished_cnt;  /* submitted, done() not yet run */
    bool stopping, abandoned;
    void (*stopped)(void *data);
    void *stop_data;
    pthread_t thread;
    char name[WORKER_NAME_MAX];

    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct list urgent;
    struct list normal;
    struct list finished;
    struct worker_item *running; /* in the thread's hands */
    _Atomic uint32_t waiting_cnt;
    bool is_told; /* the loop will look at the finished list */
    bool quit;    /* the thread leaves once the queues are empty */
    bool exited;  /* the thread touches nothing any more */
    bool left;    /* the loop has gone on without the thread and its job */
    bool dropped; /* of the two, one needs this no more */
    void (*last)(void *data);
};

static void worker_lock(struct worker *w) {
    (void)pthread_mutex_lock(&w->mutex);
}

static void worker_unlock(struct worker *w) {
    (void)pthread_mutex_unlock(&w->mutex);
}

/* Under the mutex: whether the loop has to be told that there is news. */
static bool worker_has_news(struct worker *w) {
    bool has_news = !w->is_told && (w->exited || !list_is_empty(&w->finished));
    w->is_told = w->is_told || has_news;
    return has_news;
}

/* Not under the mutex, which the loop takes as soon as it runs. libuv's own handle for this has the
 * loop spin until the sender is back from its system call: for nothing, when the two share a core.
 */
static void worker_tell(const struct worker *w) {
    const uint64_t one = 1;
    (void)!write(w->wake_fd, &one, sizeof(one)); /* fails only at 2^64 - 1 */
}

static void worker_unlock_and_tell(struct worker *w) {
    bool has_news = worker_has_news(w);
    worker_unlock(w);
    if (has_news) {
        worker_tell(w);
    }
}

/* Under the mutex: a waiting or running item is through. */
static void worker_finish(struct worker *w, struct worker_item *item, enum edge_code code) {
    if (item->state == WORKER_WAITING) {
        list_remove(&item->node);
        atomic_fetch_sub(&w->waiting_cnt, 1);
    }
    item->state = WORKER_FINISHED;
    if (item->code == EDGE_OK) {
        item->code = code;
    }
    list_append(&w->finished, &item->node);
}

/* Under the mutex: next item that may run, or NULL. */
static struct worker_item *worker_next(struct worker *w) {
    for (;;) {
        struct list *queue = list_is_empty(&w->urgent) ? &w->normal : &w->urgent;
        if (list_is_empty(queue)) {
            return NULL;
        }
        struct worker_item *item = LIST_ENTRY(queue->next, struct worker_item, node);
        if (item->deadline_ms == 0 || clock_mono_ms() < item->deadline_ms) {
            list_remove(&item->node);
            atomic_fetch_sub(&w->waiting_cnt, 1);
            item->state = WORKER_RUNNING;
            return item;
        }
        worker_finish(w, item, EDGE_TIMEOUT);
    }
}

static void worker_destroy(struct worker *w) {
    if (w->wake_fd >= 0) {
        (void)close(w->wake_fd);
    }
    (void)pthread_cond_destroy(&w->has_work);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

/* Of a worker that was left: the second of loop and thread destroys it. */
static void worker_drop(struct worker *w) {
    worker_lock(w);
    bool last = w->dropped;
    w->dropped = true;
    worker_unlock(w);
    if (last) {
        worker_destroy(w);
    }
}

static void *worker_main(void *data) {
    struct worker *w = data;
    (void)pthread_setname_np(pthread_self(), w->name);
    worker_lock(w);
    for (;;) {
        struct worker_item *item = worker_next(w);
        bool has_news = worker_has_news(w);
        if (item == NULL && !has_news) {
            if (w->quit) {
                break;
            }
            (void)pthread_cond_wait(&w->has_work, &w->mutex);
            continue;
        }
        w->running = item;
        worker_unlock(w);
        if (has_news) {
            worker_tell(w);
        }
        if (item != NULL) {
            item->job.run(item->job.data);
        }
        worker_lock(w);
        w->running = NULL;
        if (w->left) {
            worker_unlock(w);
            free(item);
            worker_drop(w);
            return NULL;
        }
        if (item != NULL) {
            worker_finish(w, item, EDGE_OK);
        }
    }
    void (*last)(void *data) = w->last;
    worker_unlock(w);
    if (last != NULL) {
        last(w->stop_data);
    }
    worker_lock(w);
    w->exited = true;
    worker_unlock_and_tell(w);
    return NULL;
}

/* Under the mutex: expires what is due in a queue; returns the earliest deadline left, or best. */
static uint64_t worker_expire(struct worker *w, struct list *queue, uint64_t now_ms,
                              uint64_t best) {
    list_for_each (pos, tmp, queue) {
        struct worker_item *item = LIST_ENTRY(pos, struct worker_item, node);
        if (item->deadline_ms == 0) {
            continue;
        }
        if (item->deadline_ms <= now_ms) {
            worker_finish(w, item, EDGE_TIMEOUT);
        } else if (best == 0 || item->deadline_ms < best) {
            best = item->deadline_ms;
        }
    }
    return best;
}

static void worker_arm(struct worker *w, uint64_t deadline_ms, uint64_t now_ms) {
    w->timer_at_ms = deadline_ms;
    if (deadline_ms == 0) {
        loop_timer_stop(w->timer);
    } else {
        loop_timer_start(w->timer, deadline_ms > now_ms ? deadline_ms - now_ms : 1);
    }
}

static void worker_on_timer(void *data) {
    struct worker *w = data;
    uint64_t now_ms = clock_mono_ms();
    worker_lock(w);
    uint64_t next = worker_expire(w, &w->urgent, now_ms, 0);
    next = worker_expire(w, &w->normal, now_ms, next);
    worker_unlock_and_tell(w);
    worker_arm(w, next, now_ms);
}

static void worker_on_closed(uv_handle_t *handle) {
    struct worker *w = handle->data;
    w->stopped(w->stop_data);
}

/* An idle worker must not keep the loop alive; one with jobs or one that is stopping must. */
static void worker_update_ref(struct worker *w) {
    if (w->unfinished_cnt > 0 || w->stopping) {
        uv_ref((uv_handle_t *)&w->wake);
    } else {
        uv_unref((uv_handle_t *)&w->wake);
        worker_arm(w, 0, 0);
    }
}

static void worker_deliver(struct worker *w, struct worker_item *item) {
    void (*done)(void *data, enum edge_code code) = item->job.done;
    void *data = item->job.data;
    enum edge_code code = item->code;
    op_remove(loop_ops(w->loop), item->op);
    free(item);
    w->unfinished_cnt--;
    done(data, code);
}

/* Under the mutex: nobody waits for the running job any more. True when there is one. */
static bool worker_leave(struct worker *w) {
    if (!w->abandoned || w->running == NULL) {
        return false;
    }
    w->left = true;
    op_remove(loop_ops(w->loop), w->running->op);
    w->unfinished_cnt--;
    return true;
}

static void worker_on_wake(uv_poll_t *handle, int status, int events) {
    struct worker *w = handle->data;
    uint64_t unused;
    struct list batch;
    (void)status;
    (void)events;
    list_init(&batch);
    (void)!read(w->wake_fd, &unused, sizeof(unused));
    worker_lock(w);
    w->is_told = false;
    list_for_each (pos, tmp, &w->finished) {
        list_remove(pos);
        list_append(&batch, pos);
    }
    bool exited = w->exited;
    bool left = worker_leave(w);
    worker_unlock(w);
    while (!list_is_empty(&batch)) {
        struct worker_item *item = LIST_ENTRY(batch.next, struct worker_item, node);
        list_remove(&item->node);
        worker_deliver(w, item);
    }
    worker_update_ref(w);
    if (exited || left) {
        /* `exited` is set after the last job went to the finished list: all of them are delivered.
         */
        assert(w->unfinished_cnt == 0);
        (void)(left ? pthread_detach(w->thread) : pthread_join(w->thread, NULL));
        loop_timer_free(w->timer);
        uv_close((uv_handle_t *)handle, worker_on_closed);
    }
}

static void worker_cancel(void *data) {
    struct worker_item *item = data;
    struct worker *w = item->worker;
    worker_lock(w);
    item->code = EDGE_CANCELED;
    if (item->state == WORKER_WAITING) {
        worker_finish(w, item, EDGE_CANCELED);
    }
    worker_unlock_and_tell(w);
}

/* The thread gets no signals: they are the loop's. */
static int worker_spawn(struct worker *w) {
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    rc = pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
    if (rc == 0) {
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        rc = pthread_create(&w->thread, &attr, worker_main, w);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    (void)pthread_attr_destroy(&attr);
    return rc;
}

static void worker_on_unborn_closed(uv_handle_t *handle) {
    worker_free(handle->data);
}

static int worker_connect(struct worker *w) {
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake_fd < 0) {
        return -errno;
    }
    int rc = uv_poll_init(loop_uv(w->loop), &w->wake, w->wake_fd);
    if (rc < 0) {
        return rc;
    }
    w->wake.data = w;
    (void)uv_poll_start(&w->wake, UV_READABLE, worker_on_wake); /* fails on a closing handle only */
    uv_unref((uv_handle_t *)&w->wake);
    return 0;
}

enum edge_code worker_new(struct loop *l, const char *name, struct worker **ret,
                          struct edge_error *err) {
    struct worker *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a worker");
    }
    w->loop = l;
    w->wake_fd = -1;
    memcpy(w->name, name, strnlen(name, WORKER_NAME_MAX - 1));
    list_init(&w->urgent);
    list_init(&w->normal);
    list_init(&w->finished);
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->has_work, NULL);
    enum edge_code code = loop_timer_new(l, worker_on_timer, w, &w->timer, err);
    if (code != EDGE_OK) {
        worker_free(w);
        return code;
    }
    int rc = worker_connect(w);
    if (rc < 0) {
        loop_timer_free(w->timer);
        worker_free(w);
        return edge_set_native(err, EDGE_IO, EDGE_DOMAIN_UV, rc,
                               "could not connect a worker to the loop: %s", uv_strerror(rc));
    }
    rc = worker_spawn(w);
    if (rc != 0) {
        loop_timer_free(w->timer);
        uv_close((uv_handle_t *)&w->wake, worker_on_unborn_closed);
        return edge_set_errno(err, rc, "could not start thread '%s'", name);
    }
    *ret = w;
    return EDGE_OK;
}

enum edge_code worker_submit(struct worker *w, const struct worker_job *job, struct op *ret_op,
                             struct edge_error *err) {
    if (w->stopping) {
        return edge_set(err, EDGE_CANCELED, "thread '%s' is stopping", w->name);
    }
    uint32_t max = WORKER_QUEUE_MAX + (job->urgent ? WORKER_URGENT_ROOM : 0);
    if (worker_queue_len(w) >= max) {
        return edge_set(err, EDGE_BUSY, "the queue of thread '%s' is full (%u jobs)", w->name,
                        (unsigned)max);
    }
    struct worker_item *item = calloc(1, sizeof(*item));
    if (item == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a job");
    }
    enum edge_code code = op_add(loop_ops(w->loop), worker_cancel, item, &item->op, err);
    if (code != EDGE_OK) {
        free(item);
        return code;
    }
    item->worker = w;
    item->job = *job;
    struct op op = item->op;
    uint64_t now_ms = 0;
    uint64_t deadline_ms = 0;
    if (job->queue_timeout_ms > 0) {
        now_ms = clock_mono_ms();
        deadline_ms = now_ms + job->queue_timeout_ms;
        item->deadline_ms = deadline_ms;
    }
    w->unfinished_cnt++;
    uv_ref((uv_handle_t *)&w->wake);
    worker_lock(w);
    list_append(job->urgent ? &w->urgent : &w->normal, &item->node);
    atomic_fetch_add(&w->waiting_cnt, 1);
    (void)pthread_cond_signal(&w->has_work);
    worker_unlock(w);
    if (deadline_ms != 0 && (w->timer_at_ms == 0 || deadline_ms < w->timer_at_ms)) {
        worker_arm(w, deadline_ms, now_ms);
    }
    if (ret_op != NULL) {
        *ret_op = op;
    }
    return EDGE_OK;
}

static void worker_cancel_queue(struct worker *w, struct list *queue) {
    list_for_each (pos, tmp, queue) {
        worker_finish(w, LIST_ENTRY(pos, struct worker_item, node), EDGE_CANCELED);
    }
}

void worker_stop(struct worker *w, void (*last)(void *data), void (*stopped)(void *data),
                 void *data) {
    assert(!w->stopping);
    w->stopping = true;
    w->stopped = stopped;
    w->stop_data = data;
    worker_lock(w);
    worker_cancel_queue(w, &w->urgent);
    worker_cancel_queue(w, &w->normal);
    w->last = last;
    w->quit = true;
    (void)pthread_cond_signal(&w->has_work);
    w->is_told = true;
    worker_unlock(w);
    worker_tell(w); /* in any case: of a job that is running the loop may have to let go */
    worker_update_ref(w);
}

void worker_abandon(struct worker *w, void (*stopped)(void *data), void *data) {
    w->abandoned = true;
    worker_stop(w, NULL, stopped, data);
}

void worker_free(struct worker *w) {
    if (w != NULL && w->left) {
        worker_drop(w);
    } else if (w != NULL) {
        worker_destroy(w);
    }
}

uint32_t worker_queue_len(const struct worker *w) {
    return atomic_load(&w->waiting_cnt);
}
