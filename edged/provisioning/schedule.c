/* SPDX-License-Identifier: MIT */
/*
 * Pauses: how long after what, what is said and kept of it, and what a step of the clock means for
 * it. Delays run on the monotonic clock; their ends are told and kept in terms of the wall clock.
 */
#include "base/clock.h"
#include "base/log.h"
#include "provisioning/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REPEAT_MS          (60u * 60 * 1000) /* the same failure is told at warn once in this time */
#define SOON_MIN_MS        2000
#define SOON_START_MS      10000
#define SOON_MAX_MS        (30 * 60 * 1000)
#define RARELY_MIN_MS      30000
#define RARELY_START_MS    120000
#define RARELY_MAX_MS      (4 * 60 * 60 * 1000)
#define THROTTLED_WISH_MS  60000 /* of a service that is throttling and does not say it */
#define THROTTLED_SPREAD   8u    /* times its wish */
#define THROTTLED_MAX_MS   (5u * 60 * 1000) /* the first time */
#define SUGGESTED_MIN_MS   60000
#define SUGGESTED_START_MS 120000
#define SUGGESTED_MAX_MS   (30 * 60 * 1000)

void schedule_init(struct provisioning *p) {
    backoff_init(&p->soon, SOON_MIN_MS, SOON_START_MS, SOON_MAX_MS);
    backoff_init(&p->calm, SOON_MIN_MS, SOON_START_MS, RARELY_MAX_MS);
    backoff_init(&p->rarely, RARELY_MIN_MS, RARELY_START_MS, RARELY_MAX_MS);
    backoff_init(&p->suggested, SUGGESTED_MIN_MS, SUGGESTED_START_MS, SUGGESTED_MAX_MS);
}

void schedule_plan(struct provisioning *p, uint64_t delay_ms, const char *why) {
    uint64_t due = clock_mono_ms() + delay_ms;
    if (loop_timer_is_active(p->timer) && p->due_ms <= due) {
        return;
    }
    p->due_ms = due;
    p->first_ms = 0;
    loop_timer_start(p->timer, delay_ms);
    p->status.next_try_wall_s = provisioning_now_s(p) + (int64_t)(delay_ms / 1000);
    (void)snprintf(p->status.next_why, sizeof(p->status.next_why), "%s", why);
}

/* A clock that is known to be wrong says nothing about it, and asking is what may bring the time.
 */
int64_t schedule_wait_s(const struct provisioning *p, int64_t moment_wall_s) {
    int64_t wait_s = contact_wait_s(moment_wall_s, provisioning_now_s(p));
    bool unknown = wall_get_state(p->deps.cloud->wall) == WALL_WRONG;
    return unknown && wait_s > PROVISIONING_SPACING_S ? PROVISIONING_SPACING_S : wait_s;
}

uint64_t schedule_floor_ms(const struct provisioning *p) {
    bool local = p->source->ops->is_local;
    bool lockout = p->status.key_store == HSM_STATE_LOCKOUT;
    uint64_t now = clock_mono_ms();
    uint64_t floor = local ? 0 : (uint64_t)schedule_wait_s(p, p->contact.floor_wall_s) * 1000;
    uint64_t rest = lockout && p->lockout_ms > now ? p->lockout_ms - now : 0;
    return rest > floor ? rest : floor;
}

void schedule_log_failure(struct provisioning *p, const struct edge_error *err, const char *what,
                          uint64_t delay_ms) {
    uint64_t now = clock_mono_ms();
    bool again = strcmp(p->logged.text, err->text) == 0 && now - p->logged_ms < REPEAT_MS;
    const char *meanwhile = p->state.has_current ? ", meanwhile the saved identity is used" : "";
    if (again) {
        log_debug("%s: %s; trying again in %" PRIu64 " s", what, edge_error_text(err),
                  delay_ms / 1000);
        return;
    }
    p->logged = *err;
    p->logged_ms = now;
    log_warn("%s: %s; trying again in %" PRIu64 " s%s", what, edge_error_text(err), delay_ms / 1000,
             meanwhile);
}

static void note_error(struct provisioning *p, const struct edge_error *err) {
    p->status.last_error = *err;
    p->contact.last_error_wall_s = provisioning_now_s(p);
    (void)snprintf(p->contact.last_error, sizeof(p->contact.last_error), "%s", err->text);
}

/* The end of a pause in whole seconds, never before it is over: both the time and the pause may
 * have lost a fraction. */
static int64_t end_of(int64_t now_wall_s, uint32_t delay_ms) {
    return now_wall_s + 1 + ((int64_t)delay_ms + 999) / 1000;
}

/* The identity at hand works as far as anybody knows, so nobody waits for another one. */
static bool is_served(const struct provisioning *p) {
    return p->state.has_current && !p->refused && !p->on_previous;
}

/* A service that has too much to do is asked by many, and tells all of them the same moment or
 * none: they come back spread over a time that is long against it, from the first time on. The
 * count of failures is that of other faults. */
static uint32_t next_when_throttled(struct backoff *b, uint32_t retry_after_ms) {
    struct backoff wide = *b;
    uint32_t wish = retry_after_ms > 0 ? retry_after_ms : THROTTLED_WISH_MS;
    uint32_t spread =
        wish < THROTTLED_MAX_MS / THROTTLED_SPREAD ? wish * THROTTLED_SPREAD : THROTTLED_MAX_MS;
    wide.start_ms = spread > b->start_ms ? spread : b->start_ms;
    uint32_t delay = backoff_next(&wide, wish);
    b->attempt = wide.attempt;
    return delay;
}

/* The cloud's answer, or silence. Kept on disk, so that a restart does not forget it. */
void schedule_after_answer(struct provisioning *p, const struct source_outcome *o) {
    bool refused = o->verdict == SOURCE_REFUSED;
    struct backoff *b = refused ? &p->rarely : is_served(p) ? &p->calm : &p->soon;
    bool throttled = !refused && (o->is_throttled || o->retry_after_ms > 0);
    uint32_t delay =
        throttled ? next_when_throttled(b, o->retry_after_ms) : backoff_next(b, o->retry_after_ms);
    int64_t now = provisioning_now_s(p);
    struct contact *c = &p->contact;
    note_error(p, &o->err);
    p->asked_unsure = p->asked_unsure && !throttled; /* that is no matter of the clock */
    c->failures = b->attempt;
    c->refused = refused;
    c->not_before_wall_s = end_of(now, delay);
    if (o->retry_after_ms > 0 && c->floor_wall_s < end_of(now, o->retry_after_ms)) {
        c->floor_wall_s = end_of(now, o->retry_after_ms);
    }
    (void)snprintf(c->why, sizeof(c->why), "%s",
                   o->retry_after_ms > 0 ? "the service asked to wait"
                   : refused             ? "the cause of the refusal has to be removed first"
                                         : "the last try failed");
    schedule_plan(p, delay, c->why);
    provisioning_set_state(p, PROVISIONING_WAITING);
    schedule_log_failure(p, &o->err, "Provisioning failed", delay);
    if (p->loaded) {
        store_save_contact(p);
    }
}

/* Conditions of the key store that only an operator changes are looked at rarely: a TPM in lockout
 * must not be kept busy. */
static bool is_for_an_operator(enum hsm_state state) {
    return state == HSM_STATE_LOCKOUT || state == HSM_STATE_CLEARED ||
           state == HSM_STATE_REPLACED || state == HSM_STATE_AUTH_WRONG ||
           state == HSM_STATE_NO_PERMISSION || state == HSM_STATE_BAD_OBJECT;
}

/* Something on this machine, which costs the cloud nothing. */
void schedule_after_fault(struct provisioning *p, const struct edge_error *err) {
    enum hsm_state ks = p->status.key_store;
    uint32_t delay = backoff_next(is_for_an_operator(ks) ? &p->rarely : &p->soon, 0);
    char why[CONTACT_WHY_MAX];
    bool changed = ks == HSM_STATE_CLEARED || ks == HSM_STATE_REPLACED;
    (void)snprintf(why, sizeof(why), "the key store: %s", hsm_state_name(ks));
    if (changed && !p->reenroll_told) {
        p->reenroll_told = true;
        reenroll_tell(p);
    }
    note_error(p, err);
    p->lockout_ms = clock_mono_ms() + delay;
    schedule_plan(p, delay,
                  ks == HSM_STATE_READY || ks == HSM_STATE_UNTRIED ? "the last try failed" : why);
    provisioning_set_state(p, PROVISIONING_WAITING);
    schedule_log_failure(p, err, "Provisioning failed", delay);
}

/* wall_on_change wakes us; the timer is for a verified peer's time, which may be had by trying. */
void schedule_by_clock(struct provisioning *p) {
    char text[WALL_TEXT_LEN];
    wall_describe(p->deps.cloud->wall, text, sizeof(text));
    if (wall_get_state(p->deps.cloud->wall) != WALL_UNKNOWN) {
        schedule_plan(p, backoff_next(&p->soon, 0), "");
        if (!p->clock_told) {
            log_warn("Provisioning waits for the clock: %s", text);
            p->clock_told = true;
        }
    }
    (void)snprintf(p->status.next_why, sizeof(p->status.next_why), "%s", text);
    provisioning_set_state(p, PROVISIONING_CLOCK);
}

/* The last run's pauses are known in terms of the wall clock only: what it says now counts. */
static uint64_t first_left_ms(const struct provisioning *p, uint64_t now) {
    uint64_t left = p->first_ms > now ? p->first_ms - now : 0;
    uint64_t agreed = (uint64_t)schedule_wait_s(p, p->contact.not_before_wall_s) * 1000;
    return agreed > left ? agreed : left;
}

/* The delays run on the monotonic clock; what is said and kept in terms of the wall clock moves
 * with it. */
void schedule_on_wall(void *data) {
    struct provisioning *p = data;
    if (p->stopped != NULL || p->status.state == PROVISIONING_STOPPED) {
        return;
    }
    bool usable = wall_is_usable(p->deps.cloud->wall);
    bool waits = p->status.state == PROVISIONING_CLOCK ||
                 (p->status.state == PROVISIONING_WAITING && p->asked_unsure);
    /* Only now known to be wrong: a try may bring a verified peer's time. */
    bool news = p->status.state == PROVISIONING_CLOCK && !p->clock_told;
    if ((waits && usable) || news) {
        if (p->clock_told) {
            log_info("The clock can be trusted now: provisioning goes on");
        }
        p->clock_told = false;
        p->asked_unsure = false;
        provisioning_start_asking(p);
        return;
    }
    if (loop_timer_is_active(p->timer)) {
        uint64_t now = clock_mono_ms();
        uint64_t left = p->due_ms > now ? p->due_ms - now : 0;
        if (p->first_ms != 0) {
            left = first_left_ms(p, now);
            p->due_ms = now + left;
        }
        int64_t next = provisioning_now_s(p) + (int64_t)(left / 1000);
        int64_t step = next - p->status.next_try_wall_s;
        loop_timer_start(p->timer, left);
        p->status.next_try_wall_s = next;
        if (p->loaded && p->first_ms == 0 && p->status.state == PROVISIONING_WAITING &&
            (step < -PROVISIONING_SPACING_S || step > PROVISIONING_SPACING_S)) {
            p->contact.not_before_wall_s = next;
            store_save_contact(p);
        }
    }
}

void provisioning_suggest(struct provisioning *p, const char *why) {
    uint64_t now = clock_mono_ms();
    if (p->asking || p->committing || !p->loaded || p->status.state == PROVISIONING_STOPPED) {
        return;
    }
    if (now < p->suggested_ms) {
        log_debug("not asking for the assignment so soon again: %s", why);
        return;
    }
    if (now - p->suggested_ms > SUGGESTED_MAX_MS) {
        backoff_reset(&p->suggested);
    }
    p->suggested_ms = now + backoff_next(&p->suggested, 0);
    provisioning_ask(p, why);
}
