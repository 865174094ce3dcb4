/* SPDX-License-Identifier: MIT */
#include "support/sim_fleet.h"

#include "base/clock.h"
#include "base/log.h"
#include "loop/backoff.h"
#include "provisioning/internal.h"
#include "support/provisioning_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_S     1700000000
#define START_MS   3600000u
#define EVENTS_MAX (8 * FLEET_DEVICES)
#define POLL_MS    3000 /* from the accepted registration to the assignment */
#define AWAY_MS    5000 /* until a connection to nowhere is given up */

struct loop_timer {
    void (*fn)(void *data);
    void *data;
    uint64_t number; /* of the event that is to fire; 0: none */
};

struct device {
    struct source base;
    struct provisioning *p;
    source_done_fn *done;
    void *done_data;
    struct state state; /* its disk */
    struct contact contact;
    uint64_t not_before_ms;
    bool registered;
    struct source_outcome *outcome;
};

struct event {
    uint64_t due_ms;
    uint64_t number;
    void (*fn)(void *data);
    void *data;
    struct loop_timer *timer; /* NULL: a call */
};

static struct {
    uint64_t now_ms;
    uint64_t number;
    struct event heap[EVENTS_MAX];
    size_t cnt;
    struct device devices[FLEET_DEVICES];
    struct device *making; /* whose provisioning is being made */
    struct edge_config config;
    struct cloud cloud;
    const struct fleet_options *options;
    struct fleet_result *result;
    uint64_t minute; /* of the quota */
    unsigned used;
    uint64_t random;
} fleet;

static uint64_t mono_us(void *data) {
    (void)data;
    return fleet.now_ms * 1000;
}

static int64_t wall_s(void *data) {
    (void)data;
    return WALL_S + (int64_t)((fleet.now_ms - START_MS) / 1000);
}

/* splitmix64 */
static uint32_t next_random(void *data) {
    (void)data;
    uint64_t x = fleet.random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((x ^ (x >> 31)) >> 32);
}

static uint32_t draw(uint32_t below) {
    return (uint32_t)(((uint64_t)next_random(NULL) * below) >> 32);
}

/* --- The loop --- */

static bool is_before(const struct event *a, const struct event *b) {
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

static uint64_t push(uint64_t delay_ms, void (*fn)(void *data), void *data,
                     struct loop_timer *timer) {
    const struct event e = {fleet.now_ms + delay_ms, ++fleet.number, fn, data, timer};
    assert_true(fleet.cnt < EVENTS_MAX);
    size_t i = fleet.cnt++;
    for (; i > 0 && is_before(&e, &fleet.heap[(i - 1) / 2]); i = (i - 1) / 2) {
        fleet.heap[i] = fleet.heap[(i - 1) / 2];
    }
    fleet.heap[i] = e;
    return e.number;
}

static struct event pop(void) {
    struct event top = fleet.heap[0], last = fleet.heap[--fleet.cnt];
    size_t i = 0;
    for (size_t child = 1; child < fleet.cnt; child = 2 * i + 1) {
        if (child + 1 < fleet.cnt && is_before(&fleet.heap[child + 1], &fleet.heap[child])) {
            child++;
        }
        if (!is_before(&fleet.heap[child], &last)) {
            break;
        }
        fleet.heap[i] = fleet.heap[child];
        i = child;
    }
    fleet.heap[i] = last;
    return top;
}

static void run_until(uint64_t end_ms) {
    while (fleet.cnt > 0 && fleet.heap[0].due_ms <= end_ms) {
        struct event e = pop();
        fleet.now_ms = e.due_ms;
        if (e.timer == NULL) {
            e.fn(e.data);
        } else if (e.timer->number == e.number) {
            e.timer->number = 0;
            e.timer->fn(e.timer->data);
        }
    }
}

enum edge_code loop_post(struct loop *l, void (*fn)(void *data), void *data,
                         struct edge_error *err) {
    (void)l;
    (void)err;
    (void)push(0, fn, data, NULL);
    return EDGE_OK;
}

enum edge_code loop_timer_new(struct loop *l, void (*fn)(void *data), void *data,
                              struct loop_timer **ret, struct edge_error *err) {
    (void)l;
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    *t = (struct loop_timer){fn, data, 0};
    *ret = t;
    return EDGE_OK;
}

void loop_timer_start(struct loop_timer *t, uint64_t delay_ms) {
    t->number = push(delay_ms, NULL, NULL, t);
}

void loop_timer_stop(struct loop_timer *t) {
    t->number = 0;
}

bool loop_timer_is_active(const struct loop_timer *t) {
    return t->number != 0;
}

void loop_timer_free(struct loop_timer *t) {
    free(t);
}

enum edge_code worker_submit(struct worker *w, const struct worker_job *job, struct op *ret_op,
                             struct edge_error *err) {
    (void)w;
    (void)job;
    (void)ret_op;
    return edge_set(err, EDGE_UNSUPPORTED, "there is no TPM");
}

/* --- The disk --- */

static struct device *device_of(const struct provisioning *p) {
    return (struct device *)p->source;
}

static void job_done(void *data) {
    struct store_job *job = data;
    job->next(job->p, job);
    free(job);
}

static void finish_later(struct provisioning *p,
                         void (*next)(struct provisioning *p, struct store_job *job)) {
    struct store_job *job = calloc(1, sizeof(*job));
    assert_non_null(job);
    job->p = p;
    job->state = device_of(p)->state;
    job->contact = device_of(p)->contact;
    job->next = next;
    (void)push(0, job_done, job, NULL);
}

enum edge_code store_load(struct provisioning *p,
                          void (*next)(struct provisioning *p, struct store_job *job),
                          struct edge_error *err) {
    (void)err;
    finish_later(p, next);
    return EDGE_OK;
}

bool store_save(struct provisioning *p, bool publish,
                void (*next)(struct provisioning *p, struct store_job *job)) {
    (void)publish;
    device_of(p)->state = p->state;
    device_of(p)->contact = p->contact;
    if (next != NULL) {
        finish_later(p, next);
    }
    return true;
}

void store_save_contact(struct provisioning *p) {
    device_of(p)->contact = p->contact;
}

/* --- The service --- */

static void end_registration(void *data) {
    struct device *d = data;
    struct source_outcome *o = TAKE_PTR(d->outcome);
    d->done(d->done_data, o);
    free(o);
}

static void answer(struct device *d, enum source_verdict verdict, uint32_t after_ms,
                   const char *text) {
    d->outcome = calloc(1, sizeof(*d->outcome));
    assert_non_null(d->outcome);
    d->outcome->verdict = verdict;
    if (verdict == SOURCE_TRANSIENT) {
        (void)edge_set(&d->outcome->err, EDGE_RETRY, "%s", text);
    }
    (void)push(after_ms, end_registration, d, NULL);
}

static void accept_device(struct device *d, struct fleet_count *count) {
    struct fleet_result *r = fleet.result;
    fleet.used++;
    count->accepted++;
    answer(d, SOURCE_ASSIGNED, POLL_MS, NULL);
    struct provisioning_result *id = &d->outcome->result;
    (void)snprintf(id->hub, sizeof(id->hub), "hub.example");
    (void)snprintf(id->device_id, sizeof(id->device_id), "dev-%zu", (size_t)(d - fleet.devices));
    id->key_generation = 1;
    r->registered += d->registered ? 0 : 1;
    d->registered = true;
    r->last_s = (unsigned)((fleet.now_ms - START_MS) / 1000);
}

/* Beyond the quota the service asks to wait for its next minute: all who are refused in one minute
 * are told the same moment, which is the worst that it can say. */
static void arrive(void *data) {
    struct device *d = data;
    uint64_t at_ms = fleet.now_ms - START_MS;
    if (at_ms / 1000 >= FLEET_SECONDS) {
        answer(d, SOURCE_CANCELED, 0, NULL);
        return;
    }
    struct fleet_count *count = &fleet.result->seconds[at_ms / 1000];
    count->asked++;
    fleet.result->early += fleet.now_ms < d->not_before_ms ? 1 : 0;
    if (at_ms / 60000 != fleet.minute) {
        fleet.minute = at_ms / 60000;
        fleet.used = 0;
    }
    if (at_ms < fleet.options->outage_s * UINT64_C(1000)) {
        answer(d, SOURCE_TRANSIENT, AWAY_MS, "no route");
    } else if (fleet.used < FLEET_QUOTA) {
        accept_device(d, count);
    } else {
        uint32_t wait_s = 60 - (uint32_t)(at_ms / 1000 % 60);
        count->refused++;
        answer(d, SOURCE_TRANSIENT, 20 + draw(180), "throttled");
        d->outcome->is_throttled = true;
        if (!fleet.options->no_retry_after) {
            d->outcome->retry_after_ms = wait_s * 1000;
            d->not_before_ms = fleet.now_ms + wait_s * 1000;
        }
    }
}

/* --- The source --- */

static enum edge_code src_begin(struct source *s, source_done_fn *done, void *data, bool looking,
                                struct edge_error *err) {
    struct device *d = (struct device *)s;
    if (looking) {
        return edge_set(err, EDGE_UNSUPPORTED, "nobody looks");
    }
    d->done = done;
    d->done_data = data;
    (void)push(50 + draw(450), arrive, d, NULL); /* name, TCP, TLS, and the TPM's part */
    return EDGE_OK;
}

static void src_cancel(struct source *s) {
    (void)s;
}

static const char *src_id(const struct source *s) {
    (void)s;
    return "";
}

static void src_free(struct source *s) {
    (void)s;
}

static const struct source_ops src_ops = {src_begin, src_cancel, src_id, src_free,
                                          .needs_clock = true};

enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) {
    struct device *d = fleet.making;
    (void)deps;
    (void)err;
    d->base.ops = &src_ops;
    if (fleet.options->saved) {
        struct provisioning_result *id = &d->state.current;
        d->state.has_current = true;
        (void)snprintf(d->state.inputs, sizeof(d->state.inputs), "%s", inputs);
        (void)snprintf(id->hub, sizeof(id->hub), "hub.example");
        (void)snprintf(id->device_id, sizeof(id->device_id), "dev-%zu",
                       (size_t)(d - fleet.devices));
        id->key_generation = 1;
        id->proven = true;
    }
    *ret = &d->base;
    return EDGE_OK;
}

enum edge_code source_manual_new(const struct provisioning_deps *deps, const char *inputs,
                                 struct source **ret, struct edge_error *err) {
    return source_dps_new(deps, inputs, ret, err);
}

enum edge_code source_external_new(const struct provisioning_deps *deps, const char *inputs,
                                   struct source **ret, struct edge_error *err) {
    return source_dps_new(deps, inputs, ret, err);
}

/* --- The fleet --- */

static void on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved) {
    (void)r;
    (void)moved;
    provisioning_confirm(((struct device *)data)->p, serial);
}

static void power_on(void *data) {
    struct device *d = data;
    const struct provisioning_deps deps = {
        .cloud = &fleet.cloud, .config = &fleet.config, .state_dir = "/"};
    const struct provisioning_events events = {.on_identity = on_identity, .data = d};
    fleet.making = d;
    assert_int_equal(provisioning_new(&deps, &events, &d->p, NULL), EDGE_OK);
    assert_int_equal(provisioning_start(d->p, NULL), EDGE_OK);
}

static void on_stopped(void *data) {
    (void)data;
}

static void power_off(void) {
    for (size_t i = 0; i < FLEET_DEVICES; i++) {
        provisioning_stop(fleet.devices[i].p, on_stopped, NULL);
    }
    fleet.result = NULL;
    while (fleet.cnt > 0) {
        struct event e = pop();
        if (e.fn == job_done) {
            free(e.data);
        }
    }
    for (size_t i = 0; i < FLEET_DEVICES; i++) {
        free(fleet.devices[i].outcome);
        provisioning_free(fleet.devices[i].p);
    }
    clock_set_source(NULL);
    backoff_set_random(NULL, NULL);
}

void fleet_run(const struct fleet_options *o, struct fleet_result *ret) {
    static const struct clock_source source = {mono_us, wall_s, NULL};
    static char endpoint[] = "https://dps.example", scope[] = "0ne00000000";
    memset(&fleet, 0, sizeof(fleet));
    memset(ret, 0, sizeof(*ret));
    world_init();
    log_set_level(LOG_OFF);
    fleet.now_ms = START_MS;
    fleet.options = o;
    fleet.result = ret;
    fleet.random = o->seed;
    fleet.config.provisioning = (struct config_provisioning){.source = CONFIG_SOURCE_DPS,
                                                             .credential = CONFIG_CREDENTIAL_TPM,
                                                             .always_reprovision_on_startup = true,
                                                             .startup_spread_s = o->spread_s,
                                                             .global_endpoint = endpoint,
                                                             .scope_id = scope};
    clock_set_source(&source);
    backoff_set_random(next_random, NULL);
    for (size_t i = 0; i < FLEET_DEVICES; i++) {
        (void)push(draw(FLEET_START_MIN * 60000), power_on, &fleet.devices[i], NULL);
    }
    for (unsigned s = 1; s <= FLEET_SECONDS && ret->registered < FLEET_DEVICES; s++) {
        run_until(START_MS + s * UINT64_C(1000));
    }
    power_off();
}
