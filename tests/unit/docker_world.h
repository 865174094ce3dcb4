/* SPDX-License-Identifier: MIT */
/*
 * An Engine client over the fake transport and the fake loop, and what its callbacks brought.
 */
#ifndef UNIT_DOCKER_WORLD_H
#define UNIT_DOCKER_WORLD_H

#include "runtime/runtime.h"
#include "support/fake_loop.h"
#include "support/fake_transport.h"

#include <stdbool.h>
#include <stddef.h>

#define WORLD_ID      "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define WORLD_SOCKET  "/nowhere/engine.sock"
#define WORLD_VERSION "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}"
#define WORLD_LABELS  "{\"" RUNTIME_OWNER_LABEL "\":\"" RUNTIME_OWNER_VALUE "\",\"x\":\"y\"}"
#define WORLD_MODULE                                                                               \
    "{\"Id\":\"" WORLD_ID                                                                          \
    "\",\"Name\":\"/a\",\"Image\":\"sha256:12\",\"Config\":{\"Labels\":" WORLD_LABELS              \
    ",\"Env\":[\"K=V\"],\"Image\":\"a:1\",\"StopTimeout\":7},\"State\":{"                          \
    "\"Running\":true,\"Status\":\"running\",\"Pid\":5}}"
#define WORLD_STRANGER                                                                             \
    "{\"Id\":\"" WORLD_ID "\",\"Name\":\"/a\",\"Config\":{\"Labels\":{}},\"State\":{}}"

struct docker_world {
    struct runtime *rt;
    struct op op; /* of the last call */
    struct edge_error start_err;
    unsigned calls;
    enum edge_code code;
    struct edge_error err;
    char text[512]; /* what else was told */
    bool closed;
};

extern struct docker_world docker_world;

int docker_world_setup(void **state);     /* with the version negotiated */
int docker_world_setup_new(void **state); /* it has not spoken to the Engine yet */
int docker_world_teardown(void **state);  /* cancels what is open */

/* For tests that make clients of their own: one with the version known, one that is new. OK or
 * NOMEM. on_event may be NULL. */
enum edge_code docker_world_open(struct edge_error *err);
enum edge_code docker_world_new(const char *path, runtime_event_fn *on_event, void *event_data,
                                struct edge_error *err);

/* Ends all calls of the client; releases it as well. */
void docker_world_end(void);
void docker_world_close(void);

/* Answers the look-up that is the oldest open request. */
void docker_world_found(const char *body);

/* Callbacks: note what came. */
void docker_world_done(void *data, enum edge_code code, const struct edge_error *err);

#define DOCKER_WORLD_TEST(name)                                                                    \
    cmocka_unit_test_setup_teardown(name, docker_world_setup, docker_world_teardown)

#endif
