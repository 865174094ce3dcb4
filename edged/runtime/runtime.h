/* SPDX-License-Identifier: MIT */
/*
 * The container runtime as the daemon sees it: an ops table with one real implementation, the
 * Docker Engine API. Loop thread only; every done callback runs exactly once, later than its call.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "base/error.h"
#include "base/slice.h"
#include "loop/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUNTIME_ID_LEN         64 /* hex digits of a container id */
#define RUNTIME_NAME_MAX       128
#define RUNTIME_CONTAINERS_MAX 1024
#define RUNTIME_PIDS_MAX       32768

/* Marks the containers that are ours; no other container exists for us. */
#define RUNTIME_OWNER_LABEL "net.azure-devices.edge.owner"
#define RUNTIME_OWNER_VALUE "Microsoft.Azure.Devices.Edge.Agent"

struct runtime_container {
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1]; /* without leading '/' */
    bool owned;                      /* carries the owner label */
    bool running;
    pid_t pid;              /* first process, host pid namespace; 0 when not running or listed */
    int64_t started_wall_s; /* 0 when unknown */
};

struct runtime_info {
    char os_type[64];
    char architecture[64];
    char server_version[64];
    char kernel_version[128];
    char operating_system[128];
    uint32_t cpus;
    uint64_t total_memory; /* bytes */
};

enum runtime_event {
    RUNTIME_EVENT_STARTED,
    RUNTIME_EVENT_STOPPED, /* died, killed, removed, renamed: whatever was known about it is void */
    RUNTIME_EVENT_CONNECTED, /* the event stream is up: what was cached before is void */
    RUNTIME_EVENT_LOST,      /* the engine is away */
};

typedef void runtime_containers_fn(void *data, enum edge_code code,
                                   const struct runtime_container *list, size_t cnt,
                                   const struct edge_error *err);
typedef void runtime_pids_fn(void *data, enum edge_code code, const pid_t *pids, size_t cnt,
                             const struct edge_error *err);
typedef void runtime_info_fn(void *data, enum edge_code code, const struct runtime_info *info,
                             const struct edge_error *err);
typedef void runtime_done_fn(void *data, enum edge_code code, const struct edge_error *err);
/* id is NULL for CONNECTED and LOST. */
typedef void runtime_event_fn(void *data, enum runtime_event event, const char *id);

struct runtime;

struct runtime_ops {
    enum edge_code (*list)(struct runtime *rt, runtime_containers_fn *done, void *data,
                           struct op *ret_op, struct edge_error *err);
    enum edge_code (*inspect)(struct runtime *rt, const char *id_or_name,
                              runtime_containers_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err);
    enum edge_code (*top)(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*info)(struct runtime *rt, runtime_info_fn *done, void *data, struct op *ret_op,
                           struct edge_error *err);
    enum edge_code (*remove)(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                             void *data, struct op *ret_op, struct edge_error *err);
    void (*close)(struct runtime *rt, void (*closed)(void *data), void *data);
    void (*free)(struct runtime *rt);
};

/* First member of every implementation. */
struct runtime {
    const struct runtime_ops *ops;
};

/* Owned containers, running or not. NET when the engine is away, TIMEOUT, REMOTE, PROTO. */
enum edge_code runtime_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* One container, owned or not (see .owned); NOT_FOUND. */
enum edge_code runtime_inspect(struct runtime *rt, const char *id_or_name,
                               runtime_containers_fn *done, void *data, struct op *ret_op,
                               struct edge_error *err) EDGE_NODISCARD;
/* Process ids in the host pid namespace; the fallback for hosts whose cgroups tell nothing. */
enum edge_code runtime_top(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                           void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
enum edge_code runtime_get_info(struct runtime *rt, runtime_info_fn *done, void *data,
                                struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* Removes a container, running or not; its volumes stay. One that is not there counts as removed.
 * CONFLICT while somebody else is removing it. */
enum edge_code runtime_remove(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                              void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Ends everything (callbacks run with CANCELED), then closed() runs; then runtime_free. */
void runtime_close(struct runtime *rt, void (*closed)(void *data), void *data);
void runtime_free(struct runtime *rt);

/* A name or id that is safe in an Engine path: [A-Za-z0-9][A-Za-z0-9_.-]*, at most
 * RUNTIME_NAME_MAX. */
bool runtime_is_name(struct slice name);

#endif
