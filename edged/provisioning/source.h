/* SPDX-License-Identifier: MIT */
/*
 * A source of identities: one registration from start to end, no policy about when. The ops table
 * lets provisioning.c run any of them. Loop thread only.
 */
#ifndef PROVISIONING_SOURCE_H
#define PROVISIONING_SOURCE_H

#include "base/error.h"
#include "provisioning/provisioning.h"
#include "provisioning/state.h"

#include <stdbool.h>
#include <stdint.h>

enum source_verdict {
    SOURCE_ASSIGNED,  /* result holds hub, device id and a credential that is complete: the
                         generation of an imported, self-tested key, or a certificate */
    SOURCE_TRANSIENT, /* network, throttling, service trouble: try again soon */
    SOURCE_REFUSED, /* an operator must act (enroll, correct the configuration): try again rarely */
    SOURCE_LOCAL,   /* the key store or this machine failed: try again soon, it costs the cloud
                       nothing */
    SOURCE_CLOCK,   /* nothing can be signed before the clock is right */
    SOURCE_CANCELED,
};

struct source_outcome {
    enum source_verdict verdict;
    struct provisioning_result result;
    struct edge_error err;
    bool is_throttled;        /* TRANSIENT: the service has too much to do */
    uint32_t retry_after_ms;  /* the service's wish, 0: none */
    enum hsm_state key_store; /* condition of the key store when it was last used */
};

/* Exactly once for each begin, later. */
typedef void source_done_fn(void *data, const struct source_outcome *outcome);

struct source;

struct source_ops {
    /* looking: a dry run, which finds out what a run would give without changing anything here or
     * in the cloud; the result has hub and device id only. */
    enum edge_code (*begin)(struct source *s, source_done_fn *done, void *data, bool looking,
                            struct edge_error *err);
    void (*cancel)(struct source *s); /* done runs with SOURCE_CANCELED; idle: does nothing */
    /* Id under which the device registers; "" until known or where there is none. */
    const char *(*registration_id)(const struct source *s);
    void (*free)(struct source *s); /* not while a registration runs */
    bool is_local;    /* asks nobody: it costs nothing, and does not mend a refusal by the hub */
    bool needs_clock; /* signs what the time is part of */
};

struct source {
    const struct source_ops *ops;
    uint64_t key_generation; /* of the key that stood in the configuration, once it is known; 0 */
    uint64_t key_newest;     /* newest key of its target by then; 0: not known */
    bool renew; /* set before a run: somebody thinks that the assignment is not right any more */
};

/* One of these fits the configuration. inputs: digest stored in a key's label; copied. */
enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) EDGE_NODISCARD;
enum edge_code source_manual_new(const struct provisioning_deps *deps, const char *inputs,
                                 struct source **ret, struct edge_error *err) EDGE_NODISCARD;
enum edge_code source_external_new(const struct provisioning_deps *deps, const char *inputs,
                                   struct source **ret, struct edge_error *err) EDGE_NODISCARD;

#endif
