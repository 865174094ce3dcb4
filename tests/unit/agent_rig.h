/* SPDX-License-Identifier: MIT */
/*
 * A watch over edgeAgent with an engine, a hub and a loop of the test's own.
 */
#ifndef TESTS_AGENT_RIG_H
#define TESTS_AGENT_RIG_H

#include "agent/agent.h"
#include "agent/agent_record.h"
#include "agent/agent_spec.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#define HUB     "hub.example.net"
#define LONG_MS (30u * 60 * 1000)
#define MADE    "pull agent:1; create edgeAgent; start edgeAgent"
/* By another made beside it. */
#define REPLACED                                                                                   \
    "network azure-iot-edge; pull agent:1; create edgeAgent.edged-next; remove edgeAgent; "        \
    "rename edgeAgent.edged-next; start edgeAgent"

struct rig_hub_call {
    bool is_open, is_put, is_canceled;
    agent_hub_fn *done;
    void *data;
    struct op op;
};

extern struct rig {
    struct tmpdir *dir;
    struct fake_runtime *engine;
    struct module_ops *ops;
    struct agent *agent;
    struct edge_config cfg;
    char config_tag;
    enum edge_code build_code;
    /* hub */
    struct rig_hub_call call; /* the one that is open */
    enum agent_hub_kind kind, put_kind;
    char generation[AGENT_GENERATION_LEN];
    bool has_keys;
    enum edge_code refuse;
    unsigned get_cnt, put_cnt;
    char put_generation[AGENT_GENERATION_LEN];
    unsigned fatal_cnt, closed_cnt;
    enum agent_exit fatal;
    char lines[8192];
} rig;

/* Fixtures for cmocka. */
int rig_setup(void **state);
int rig_teardown(void **state);

enum edge_code rig_boot(void);
void rig_start(void); /* with an identity */
void rig_halt(void);
bool rig_step(void); /* the least that can happen */
/* What the loop has the hub and the engine answer with, and the hub alone. */
bool rig_pump(void *data);
bool rig_answer_hub(void); /* false: nobody asks */

/* What the engine was told since the last call. */
void rig_check(const char *journal);
void rig_check_record(const char *generation, const char *fingerprint);
bool rig_logged(const char *text); /* since the last call */

/* A container as another daemon, or edgeAgent itself, has made it. */
void rig_furnish(bool running);
const char *rig_agent_id(void);
/* It ends, and the engine tells of it. */
void rig_crash(int64_t code);

#endif
