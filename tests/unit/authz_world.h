/* SPDX-License-Identifier: MIT */
/*
 * Caller authorization over a fake engine, a fake /proc and fake exchanges, one for each
 * connection. Stands in for the HTTP server. Failures end the cmocka test.
 */
#ifndef UNIT_AUTHZ_WORLD_H
#define UNIT_AUTHZ_WORLD_H

#include "api/authz.h"
#include "http/http_server.h"
#include "support/fake_runtime.h"
#include "support/tmpdir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Containers of the modules "a" and "b", and of "alien", which is not ours */
#define ID_A     "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"
#define ID_B     "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define ID_ALIEN "00000000e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
#define PRIVATE  "0::/\n"
#define HOST     "0::/system.slice/cron.service\n"

#define START_TIME 5000 /* of each process */

#define PENDING (-1)
#define ALLOWED 200
#define CONNS   24

struct http_exchange {
    struct http_peer peer;
    const char *socket_of;
    bool gone;
    int status; /* PENDING, ALLOWED, or the refusal's */
    unsigned answers;
    char who[RUNTIME_NAME_MAX + 1];
    char message[160];
    void *conn_data;
    void (*free_conn_data)(void *data);
};

struct world {
    struct tmpdir *dir; /* the fake /proc */
    struct fake_runtime *engine;
    struct authz *authz;
    struct http_exchange conns[CONNS];
    char last_line[1024]; /* of the log */
    pid_t next_pid;
};

extern struct world world;

int world_setup(void **state);
int world_teardown(void **state);

/* A connection of a new process with that cgroup text; its pidfd is an eventfd that stays quiet. */
struct http_exchange *world_conn(size_t index, const char *cgroup);
/* The same, of a process in the container with that id. */
struct http_exchange *world_conn_in(size_t index, const char *id);
void world_hang_up(struct http_exchange *x);

void world_set_cgroup(pid_t pid, const char *cgroup);
void world_set_start_time(pid_t pid, uint64_t start_time);

/* As on a kernel without SO_PEERPIDFD. */
void world_without_pidfd(struct http_exchange *x);
/* The process has exited: its pidfd fires. */
void world_exits(struct http_exchange *x);

/* Asks; the engine has yet to answer. */
void world_ask_policy(struct http_exchange *x, enum http_policy policy, const char *module);
/* Asks as a caller and returns the status. */
int world_ask(struct http_exchange *x, const char *module);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
