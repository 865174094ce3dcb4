/* SPDX-License-Identifier: MIT */
/*
 * Provisioning with a source, key store, clock and disk that are the test's.
 */
#ifndef SUPPORT_PROVISIONING_POLICY_H
#define SUPPORT_PROVISIONING_POLICY_H

#include "fake_loop.h"
#include "provisioning/source.h"
#include "provisioning/state.h"
#include "support/provisioning_world.h"

/* The source: start and look are kept until the test answers. */
struct fake_source {
    struct source base;
    struct source_ops ops;
    source_done_fn *done;
    void *data;
    unsigned starts;
    unsigned looks;
    bool canceled;
    enum edge_code start_code;
    char inputs[STATE_INPUT_LEN];
};
extern struct fake_source src;

/* The daemon's side. */
struct policy_env {
    struct provisioning *p;
    struct cloud cloud;
    struct edge_config cfg;
    char dir[64];
    uint64_t serial;

    unsigned identities;
    struct provisioning_result last;
    bool moved;
    bool stopped;
};
extern struct policy_env env;

void policy_answer(const struct source_outcome *o);
struct provisioning_result policy_result(const char *hub, uint64_t generation);
void policy_assign(const char *hub, uint64_t generation);
void policy_fail(enum source_verdict verdict, uint32_t retry_after_ms);
void policy_open(void);
void policy_close(void);
void policy_restart(void);
void policy_restart_later(void);
int policy_setup(void **state);
int policy_teardown(void **state);
const struct provisioning_status *policy_status(void);
void policy_clear_dir(void);
void policy_on_identity(void *data, const struct provisioning_result *r, uint64_t serial,
                        bool moved);

#endif
