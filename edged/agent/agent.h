/* SPDX-License-Identifier: MIT */
/*
 * Keeps edgeAgent running: makes its container from config.yaml and its identity at the hub, starts
 * it when it has stopped, makes it anew when its specification or its generation id has changed.
 * Told by the engine's events; everything that changes the container is an order to module_ops and
 * waits its turn there, so that an update that edgeAgent makes of itself is never interrupted. Loop
 * thread; AGENT_RECORD_FILE of the state directory is read and written on the worker.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base/error.h"
#include "config/config.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>

/* Pauses have full jitter between these. */
#define AGENT_CRASH_MIN_MS 1000 /* from a stop to the next start */
#define AGENT_CRASH_MAX_MS 600000
#define AGENT_STAYS_MS     600000 /* up for as long, it does not count as crashing */
#define AGENT_FAIL_MIN_MS  5000   /* after what could not be done */
#define AGENT_FAIL_MAX_MS  600000
#define AGENT_CHECK_MS     600000 /* from one look at the generation id to the next */
#define AGENT_TICK_MS      300000 /* from one look at the container to the next */

#define AGENT_TEXT_LEN 400 /* room for what agent_describe writes */

/* Exit codes of the daemon when it gives up (watchdog.max_retries). */
enum agent_exit {
    AGENT_EXIT_FAILURE = 1,
    AGENT_EXIT_NO_IDENTITY = 150, /* the hub does not know $edgeAgent, or not the device */
    AGENT_EXIT_NO_HUB = 151,      /* the hub cannot be reached */
    AGENT_EXIT_REFUSED = 152,     /* the hub refuses the device's credential */
};

enum agent_hub_kind {
    AGENT_HUB_OK,
    AGENT_HUB_UNKNOWN, /* no such identity, or no such device */
    AGENT_HUB_REFUSED,
    AGENT_HUB_AWAY, /* not reached, throttled, or it cannot be asked now */
};

struct agent_hub_answer {
    enum agent_hub_kind kind;
    const char *generation_id; /* "" when the hub sent none */
    bool has_keys;             /* the identity can be used with keys */
    uint32_t retry_after_ms;   /* 0: none given */
    const struct edge_error *err;
};

typedef void agent_hub_fn(void *data, const struct agent_hub_answer *answer);

/* The hub's registry, as far as edgeAgent is concerned. done runs once, later, also after
 * op_cancel. */
struct agent_hub_ops {
    /* The identity AGENT_MODULE_ID. */
    enum edge_code (*get)(void *data, agent_hub_fn *done, void *done_data, struct op *ret_op,
                          struct edge_error *err);
    /* Gives it our keys for this generation id. */
    enum edge_code (*update)(void *data, const char *generation_id, agent_hub_fn *done,
                             void *done_data, struct op *ret_op, struct edge_error *err);
};

struct agent_deps {
    struct loop *loop;
    struct worker *worker;
    struct runtime *runtime;
    struct module_ops *module_ops;
    const struct edge_config *config; /* borrowed */
    const char *state_dir;            /* copied */
    const struct agent_hub_ops *hub;  /* borrowed */
    void *hub_data;
    /* watchdog.max_retries failures in a row, and one more: the daemon is to end with this code,
     * and to leave modules alone. Once, later than the call that led to it. */
    void (*on_fatal)(void *data, enum agent_exit code);
    void *data;
};

struct agent;

enum edge_code agent_new(const struct agent_deps *deps, struct agent **ret,
                         struct edge_error *err) EDGE_NODISCARD;

/* Who the device is, once the containers on it are that identity's (moved_is_settled); the hub has
 * been told before. hub NULL: nothing is done until the next call. The last call wins; the same
 * again changes nothing. */
void agent_set_identity(struct agent *a, const char *hub, const char *device_id);

/* How edgeAgent fares, in a word: "waiting" (for an identity), "unknown" (the engine does not say),
 * "running", "stopped" or "missing". out: what is wrong and when it is tried again; else empty. */
const char *agent_describe(const struct agent *a, char *out, size_t out_size);

/* What keeps the device from an identity that could be set counts as a failure of edgeAgent's. */
void agent_on_hub_failure(struct agent *a, const struct agent_hub_answer *answer);

/* The hub takes the device: what the hub had kept from being done is tried again at once. */
void agent_on_hub_back(struct agent *a);

void agent_on_engine_event(struct agent *a, enum runtime_event event, const char *id);

/* Begins nothing any more and gives up what can be. Callbacks of what is under way still come:
 * agent_free when module_ops, runtime, hub and worker have ended. */
void agent_stop(struct agent *a);
void agent_free(struct agent *a); /* NULL allowed */

#endif
