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

#include <stdint.h>

enum source_verdict {
    SOURCE_ASSIGNED,  /* result holds hub, device id and the generation of an imported, self-tested
                         key */
    SOURCE_TRANSIENT, /* network, throttling, service trouble: try again soon */
    SOURCE_REFUSED, /* an operator must act (enroll, correct the configuration): try again rarely */
    SOURCE_LOCAL,   /* the key store or this machine failed: try again soon, it costs the cloud
                       nothing */
    SOURCE_CANCELED,
};

struct source_outcome {
    enum source_verdict verdict;
    struct provisioning_result result;
    struct edge_error err;
    uint32_t retry_after_ms; /* the service's wish, 0: none */
};

/* Exactly once for each start, later. */
typedef void source_done_fn(void *data, const struct source_outcome *outcome);

struct source;

struct source_ops {
    enum edge_code (*start)(struct source *s, source_done_fn *done, void *data,
                            struct edge_error *err);
    void (*cancel)(struct source *s); /* done runs with SOURCE_CANCELED; idle: does nothing */
    /* Id under which the device registers; "" until known. */
    const char *(*registration_id)(const struct source *s);
    void (*free)(struct source *s); /* not while a registration runs */
};

struct source {
    const struct source_ops *ops;
};

/* DPS with TPM attestation. inputs: digest stored in the key's label; copied. */
enum edge_code source_dps_new(const struct provisioning_deps *deps, const char *inputs,
                              struct source **ret, struct edge_error *err) EDGE_NODISCARD;

#endif
