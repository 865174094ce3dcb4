/* SPDX-License-Identifier: MIT */
/*
 * When what comes next: pauses after crashes and failures, the checks of the generation id, and
 * when it is time to give up.
 */
#include "agent/agent_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define CRASH_START_MS 2000 /* ceilings of the first pauses */
#define FAIL_START_MS  60000
#define CHECK_START_MS 60000
#define CHECK_AFTER_MS 5000  /* from a start to the look at the generation id */
#define CHECK_LEAST_MS 60000 /* from one such look to another */
#define AWAY_MS        60000 /* the engine's events usually come earlier */
#define ORDERED_MS     5000

void agent_pace_init(struct agent *a) {
    backoff_init(&a->crash, AGENT_CRASH_MIN_MS, CRASH_START_MS, AGENT_CRASH_MAX_MS);
    backoff_init(&a->fail, AGENT_FAIL_MIN_MS, FAIL_START_MS, AGENT_FAIL_MAX_MS);
    backoff_init(&a->check, AGENT_FAIL_MIN_MS, CHECK_START_MS, AGENT_CHECK_MS);
}

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The first look is for a random moment: after a power outage all devices start at once. */
void agent_pace_reset(struct agent *a) {
    struct backoff spread;
    uint64_t spread_ms = (uint64_t)a->deps.config->provisioning.startup_spread_s * 1000;
    uint32_t ms = (uint32_t)min_u64(spread_ms, AGENT_CHECK_MS);
    backoff_init(&spread, 0, ms, ms);
    a->check_at_ms = clock_mono_ms() + (ms > 0 ? backoff_next(&spread, 0) : 0);
    a->has_checked = false;
    a->make_at_ms = 0;
    a->wants_hub = false;
    a->start_at_ms = 0;
    a->failures = 0;
    a->problem[0] = '\0';
    backoff_reset(&a->crash);
    backoff_reset(&a->fail);
    backoff_reset(&a->check);
}

static void plan_start(struct agent *a, const struct runtime_module *m) {
    uint64_t now_ms = clock_mono_ms();
    if (now_ms - a->up_since_ms >= AGENT_STAYS_MS) {
        backoff_reset(&a->crash);
    }
    uint32_t delay_ms = backoff_next(&a->crash, 0);
    a->start_at_ms = now_ms + delay_ms;
    if (m->has_exit_code) {
        (void)snprintf(a->end, sizeof(a->end), "has ended with code %lld", (long long)m->exit_code);
    } else {
        (void)snprintf(a->end, sizeof(a->end), "has ended");
    }
    log_warn("edgeAgent %s; it is started again in %u s", a->end,
             (unsigned)((delay_ms + 999) / 1000));
}

void agent_pace_seen(struct agent *a, const struct runtime_module *m) {
    a->has_looked = true;
    if (m == NULL) {
        a->is_there = false;
        a->is_running = false;
        a->id[0] = '\0';
        return;
    }
    if (a->is_running && strcmp(a->id, m->id) != 0) {
        a->up_since_ms = clock_mono_ms(); /* it has replaced itself */
    }
    a->is_there = true;
    /* Whoever paused it will want it so. */
    a->is_running = m->status == RUNTIME_STATUS_RUNNING || strcmp(m->state, "paused") == 0 ||
                    strcmp(m->state, "restarting") == 0;
    memcpy(a->id, m->id, sizeof(a->id));
    if (a->is_running && !a->has_run) {
        a->has_run = true;
        a->up_since_ms = clock_mono_ms();
    } else if (!a->is_running && a->has_run) {
        a->has_run = false;
        plan_start(a, m);
    }
}

void agent_pace_started(struct agent *a) {
    uint64_t now_ms = clock_mono_ms();
    a->is_running = true;
    a->has_run = true;
    a->up_since_ms = now_ms;
    if (a->has_checked) {
        uint64_t at_ms = now_ms + CHECK_AFTER_MS;
        uint64_t least_ms = a->checked_ms + CHECK_LEAST_MS;
        a->check_at_ms = min_u64(a->check_at_ms, at_ms > least_ms ? at_ms : least_ms);
    }
}

void agent_pace_checked(struct agent *a, const struct agent_hub_answer *answer) {
    uint64_t now_ms = clock_mono_ms();
    if (answer->kind == AGENT_HUB_OK) {
        backoff_reset(&a->check);
        a->has_checked = true;
        a->checked_ms = now_ms;
        a->check_at_ms = now_ms + AGENT_CHECK_MS;
    } else {
        a->check_at_ms = now_ms + backoff_next(&a->check, answer->retry_after_ms);
    }
}

uint64_t agent_pace_next_ms(const struct agent *a, uint64_t max_ms) {
    uint64_t now_ms = clock_mono_ms();
    uint64_t at_ms = now_ms + max_ms;
    if (a->is_running) {
        at_ms = min_u64(at_ms, a->check_at_ms);
    } else if (a->is_there && a->start_at_ms > now_ms) {
        at_ms = min_u64(at_ms, a->start_at_ms);
    }
    if (a->make_at_ms > now_ms) {
        at_ms = min_u64(at_ms, a->make_at_ms);
    }
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

/* While something else waits to be done better, its failures are not forgotten. */
void agent_succeed(struct agent *a) {
    if (a->make_at_ms <= clock_mono_ms()) {
        a->make_at_ms = 0;
        a->failures = 0;
        a->problem[0] = '\0';
        backoff_reset(&a->fail);
    }
    if (a->aim == AGENT_AIM_MAKE || a->aim == AGENT_AIM_REPLACE) {
        a->again = true; /* events speak of its id, which is not known yet */
    }
    agent_end_round(a, AGENT_TICK_MS);
}

static void tell_fatal(void *data) {
    struct agent *a = data;
    a->deps.on_fatal(a->deps.data, a->exit_code);
}

static bool is_last_try(const struct agent *a) {
    return a->deps.config->has_max_retries && a->failures >= a->deps.config->max_retries;
}

bool agent_count_failure(struct agent *a, enum agent_exit code) {
    struct edge_error err;
    bool is_last = is_last_try(a);
    a->failures++;
    if (!is_last || a->stopping) {
        return false;
    }
    a->exit_code = code;
    if (loop_post(a->deps.loop, tell_fatal, a, &err) != EDGE_OK) {
        return false; /* the next failure will tell */
    }
    log_error("edgeAgent could not be brought up, failures in a row: %u; the daemon ends with code "
              "%d, modules run on (watchdog.max_retries)",
              (unsigned)a->failures, (int)code);
    agent_stop(a);
    return true;
}

void agent_fail(struct agent *a, const char *what, const struct edge_error *err,
                enum agent_exit code, uint32_t retry_after_ms) {
    bool is_engine_away = err->code == EDGE_NET && code == AGENT_EXIT_FAILURE;
    if (err->code == EDGE_CANCELED) {
        log_debug("edgeAgent: %s: %s", what, edge_error_text(err));
        agent_end_round(a, ORDERED_MS);
        return;
    }
    (void)snprintf(a->problem, sizeof(a->problem), "%s: %s", what, edge_error_text(err));
    if (is_engine_away) {
        log_debug("edgeAgent: %s", a->problem);
        agent_end_round(a, AWAY_MS);
        return;
    }
    uint32_t delay_ms = backoff_next(&a->fail, retry_after_ms);
    a->make_at_ms = clock_mono_ms() + delay_ms;
    a->wants_hub = code != AGENT_EXIT_FAILURE && retry_after_ms == 0;
    if (a->aim == AGENT_AIM_START) {
        a->start_at_ms = a->make_at_ms;
    } else if (a->aim == AGENT_AIM_REPLACE && !a->is_running) {
        a->again = true; /* the old one is better than none */
    }
    if (is_last_try(a)) {
        log_error("edgeAgent: %s", a->problem);
    } else {
        log_warn("edgeAgent: %s; trying again in %u s", a->problem,
                 (unsigned)((delay_ms + 999) / 1000));
    }
    (void)agent_count_failure(a, code);
    agent_end_round(a, AGENT_TICK_MS);
}

/* --- For the operator --- */

const char *agent_describe(const struct agent *a, char *out, size_t out_size) {
    uint64_t now_ms = clock_mono_ms();
    uint64_t at_ms = a->is_there && !a->is_running ? a->start_at_ms : a->make_at_ms;
    out[0] = '\0';
    if (a->hub[0] == '\0') {
        (void)snprintf(out, out_size, "for the hub to accept the device");
        return "waiting";
    }
    const char *state = !a->has_looked || a->is_engine_away ? "unknown"
                        : a->is_running                     ? "running"
                        : a->is_there                       ? "stopped"
                                                            : "missing";
    const char *why = a->problem[0] != '\0'           ? a->problem
                      : a->is_engine_away             ? "the container engine does not answer"
                      : a->is_there && !a->is_running ? a->end
                                                      : "";
    if (at_ms > now_ms && !a->is_engine_away) {
        (void)snprintf(out, out_size, "%s%strying again in %llu s", why, why[0] != '\0' ? "; " : "",
                       (unsigned long long)((at_ms - now_ms + 999) / 1000));
    } else {
        (void)snprintf(out, out_size, "%s", why);
    }
    return state;
}
