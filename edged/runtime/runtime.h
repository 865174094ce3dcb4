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

#define RUNTIME_ID_LEN         64  /* hex digits of a container id */
#define RUNTIME_NAME_MAX       144 /* of a container */
#define RUNTIME_MODULE_MAX     128 /* of a module */
#define RUNTIME_CONTAINERS_MAX 1024
#define RUNTIME_PIDS_MAX       32768
#define RUNTIME_IMAGE_MAX      511 /* bytes of an image reference; the Engine's limit is lower */
#define RUNTIME_BODY_MAX       ((size_t)4 * 1024 * 1024) /* bytes, of a container to be made */
#define RUNTIME_AUTH_MAX       ((size_t)64 * 1024)       /* bytes of registry credentials */
#define RUNTIME_STATE_MAX      31
#define RUNTIME_TIME_LEN       30   /* "2026-01-02T03:04:05.123456789Z" */
#define RUNTIME_TAIL_MAX       20   /* digits of a number of lines */
#define RUNTIME_STOP_DEFAULT   (-1) /* as the container's creator said, else the engine's */
#define RUNTIME_STOP_ENGINE_S  10
#define RUNTIME_STOP_MAX_S     86400

/* Marks the containers that are ours; no other container exists for us. */
#define RUNTIME_OWNER_LABEL "net.azure-devices.edge.owner"
#define RUNTIME_OWNER_VALUE "Microsoft.Azure.Devices.Edge.Agent"

/* Carries the image's name as it was asked for: Podman tells another one, "docker.io/" and the tag
 * added, and edgeAgent would take that for a module that has to be made again. */
#define RUNTIME_IMAGE_LABEL "net.azure-devices.edge.original-image"

/* A container that is to take a module's place bears the module's name and this until the place is
 * free. It never runs under that name; no module may have such a name. */
#define RUNTIME_NEXT_SUFFIX ".edged-next"

struct cJSON;

struct runtime_container {
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1]; /* without leading '/' */
    bool owned;                      /* carries the owner label */
    bool running;
    pid_t pid;              /* first process, host pid namespace; 0 when not running or listed */
    int64_t started_wall_s; /* 0 when unknown */
    int32_t stop_timeout_s; /* from the polite signal to SIGKILL; 0 when listed */
};

/* What has become of a module; the words of the management API. */
enum runtime_status {
    RUNTIME_STATUS_UNKNOWN,
    RUNTIME_STATUS_RUNNING,
    RUNTIME_STATUS_STOPPED,
    RUNTIME_STATUS_FAILED,
    RUNTIME_STATUS_DEAD,
};

/* An owned container with all that is known of it. */
struct runtime_module {
    char id[RUNTIME_ID_LEN + 1];
    char name[RUNTIME_NAME_MAX + 1];
    char image[RUNTIME_IMAGE_MAX + 1];    /* as it was asked for at creation; never "" */
    char image_id[RUNTIME_IMAGE_MAX + 1]; /* "" when the engine does not tell */
    const struct cJSON *labels;           /* an object with all of them, or NULL */
    const struct cJSON *env;    /* array of "NAME=value", the image's too; NULL in lists */
    const struct cJSON *mounts; /* array of objects with Source, a path; NULL in lists */
    enum runtime_status status;
    char state[RUNTIME_STATE_MAX + 1];  /* the engine's word for it, "" when it has none */
    char started[RUNTIME_TIME_LEN + 1]; /* RFC 3339 in UTC, fraction as told; "": never */
    char finished[RUNTIME_TIME_LEN + 1];
    bool has_exit_code;
    int64_t exit_code;
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

/* A container to be made. */
struct runtime_spec {
    const char *name;
    const char *image;        /* for error texts; create_body names it as well */
    struct slice create_body; /* JSON of the engine's create call, complete; may hold secrets */
};

struct runtime_network_range {
    const char *subnet, *gateway, *ip_range; /* each may be NULL */
};

struct runtime_network {
    const char *name;
    bool ipv6;
    const struct runtime_network_range *ranges;
    size_t range_cnt; /* 0: the engine chooses */
};

/* One image of the engine, pulled by whomever. What is told of one without name ("<none>") is left
 * to the reader. */
struct runtime_image {
    char id[RUNTIME_IMAGE_MAX + 1];
    const struct cJSON *tags;    /* array of "name:tag", or NULL */
    const struct cJSON *digests; /* array of "name@digest", or NULL */
};

struct runtime_logs_options {
    bool follow;
    bool timestamps;
    const char *tail;     /* number of lines in digits, "all" or NULL */
    int32_t since, until; /* seconds since 1970; since 0: from the beginning */
    bool has_until;
};

/* on_open (may be NULL) runs once when the engine has agreed, before the first byte. on_data takes
 * the bytes either way; false asks for no more until runtime_logs_resume. on_done runs exactly
 * once; without on_open before it, nothing came of the stream. */
struct runtime_stream {
    void (*on_open)(void *data, int status);
    bool (*on_data)(void *data, struct slice bytes);
    void (*on_done)(void *data, enum edge_code code, const struct edge_error *err);
};

enum runtime_act {
    RUNTIME_ACT_START,
    RUNTIME_ACT_STOP,
    RUNTIME_ACT_RESTART,
    RUNTIME_ACT_REMOVE,
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
/* list and what it points to live until the callback returns. */
typedef void runtime_modules_fn(void *data, enum edge_code code, const struct runtime_module *list,
                                size_t cnt, const struct edge_error *err);
typedef void runtime_pids_fn(void *data, enum edge_code code, const pid_t *pids, size_t cnt,
                             const struct edge_error *err);
typedef void runtime_info_fn(void *data, enum edge_code code, const struct runtime_info *info,
                             const struct edge_error *err);
typedef void runtime_done_fn(void *data, enum edge_code code, const struct edge_error *err);
/* json is one object and lives until the callback returns. */
typedef void runtime_json_fn(void *data, enum edge_code code, struct slice json,
                             const struct edge_error *err);
/* image and what it points to live until the callback returns. */
typedef void runtime_image_fn(void *data, enum edge_code code, const struct runtime_image *image,
                              const struct edge_error *err);
/* One line for people about a pull under way. */
typedef void runtime_progress_fn(void *data, const char *text);
/* id is NULL for CONNECTED and LOST. */
typedef void runtime_event_fn(void *data, enum runtime_event event, const char *id);

struct runtime;

struct runtime_ops {
    enum edge_code (*list)(struct runtime *rt, runtime_containers_fn *done, void *data,
                           struct op *ret_op, struct edge_error *err);
    enum edge_code (*modules)(struct runtime *rt, runtime_modules_fn *done, void *data,
                              struct op *ret_op, struct edge_error *err);
    enum edge_code (*inspect)(struct runtime *rt, const char *id_or_name,
                              runtime_containers_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err);
    enum edge_code (*top)(struct runtime *rt, const char *id_or_name, runtime_pids_fn *done,
                          void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*info)(struct runtime *rt, runtime_info_fn *done, void *data, struct op *ret_op,
                           struct edge_error *err);
    enum edge_code (*inspect_module)(struct runtime *rt, const char *id_or_name,
                                     runtime_modules_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err);
    enum edge_code (*create)(struct runtime *rt, const struct runtime_spec *spec,
                             runtime_done_fn *done, void *data, struct op *ret_op,
                             struct edge_error *err);
    enum edge_code (*act)(struct runtime *rt, enum runtime_act act, const char *id_or_name,
                          int timeout_s, runtime_done_fn *done, void *data, struct op *ret_op,
                          struct edge_error *err);
    enum edge_code (*pull)(struct runtime *rt, const char *image, struct slice auth_json,
                           runtime_progress_fn *on_progress, runtime_done_fn *done, void *data,
                           struct op *ret_op, struct edge_error *err);
    enum edge_code (*logs)(struct runtime *rt, const char *id_or_name,
                           const struct runtime_logs_options *opts, const struct runtime_stream *s,
                           void *data, struct op *ret_op, struct edge_error *err);
    void (*logs_resume)(struct runtime *rt, struct op op);
    enum edge_code (*stats)(struct runtime *rt, const char *id_or_name, runtime_json_fn *done,
                            void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*network_ensure)(struct runtime *rt, const struct runtime_network *network,
                                     runtime_done_fn *done, void *data, struct op *ret_op,
                                     struct edge_error *err);
    enum edge_code (*image_find)(struct runtime *rt, const char *image, runtime_image_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*image_unused)(struct runtime *rt, const char *id, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*image_check)(struct runtime *rt, const char *image, runtime_done_fn *done,
                                  void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*image_remove)(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op, struct edge_error *err);
    enum edge_code (*rename)(struct runtime *rt, const char *id_or_name, const char *to,
                             runtime_done_fn *done, void *data, struct op *ret_op,
                             struct edge_error *err);
    void (*close)(struct runtime *rt, void (*closed)(void *data), void *data);
    void (*free)(struct runtime *rt);
};

/* First member of every implementation. */
struct runtime {
    const struct runtime_ops *ops;
};

/* Owned containers, running or not, those with names of RUNTIME_NEXT_SUFFIX too. NET when the
 * engine is away, TIMEOUT, REMOTE, PROTO. */
enum edge_code runtime_list(struct runtime *rt, runtime_containers_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* Modules, with all details. One that vanishes meanwhile is left out. Codes as of runtime_list;
 * BUSY when too many wait. */
enum edge_code runtime_list_modules(struct runtime *rt, runtime_modules_fn *done, void *data,
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
/* One module with all details, as cnt 1. NOT_FOUND when there is none, or it is not ours. */
enum edge_code runtime_inspect_module(struct runtime *rt, const char *id_or_name,
                                      runtime_modules_fn *done, void *data, struct op *ret_op,
                                      struct edge_error *err) EDGE_NODISCARD;

/* Everything that changes a container, and its logs, is for owned ones only: NOT_FOUND otherwise.
 * The container is looked up first and then spoken of by its id, whose labels never change. All may
 * be repeated. Everything in the arguments is copied. */

/* Makes a container that does not run. CONFLICT: the name is in use; NOT_FOUND: no such image;
 * INVALID: the engine does not like the specification; REMOTE with its text. */
enum edge_code runtime_create(struct runtime *rt, const struct runtime_spec *spec,
                              runtime_done_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err) EDGE_NODISCARD;
/* One that runs already, or is stopped already, counts as done. */
enum edge_code runtime_start(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                             void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* timeout_s: from the polite signal to SIGKILL, at most RUNTIME_STOP_MAX_S, or
 * RUNTIME_STOP_DEFAULT. */
enum edge_code runtime_stop(struct runtime *rt, const char *id_or_name, int timeout_s,
                            runtime_done_fn *done, void *data, struct op *ret_op,
                            struct edge_error *err) EDGE_NODISCARD;
enum edge_code runtime_restart(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                               void *data, struct op *ret_op,
                               struct edge_error *err) EDGE_NODISCARD;
/* Removes a container, running or not; its volumes stay. NOT_FOUND when it was not there to begin
 * with; CONFLICT while somebody else is removing it. */
enum edge_code runtime_remove(struct runtime *rt, const char *id_or_name, runtime_done_fn *done,
                              void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Gives a container another name. CONFLICT: that name is in use. */
enum edge_code runtime_rename(struct runtime *rt, const char *id_or_name, const char *to,
                              runtime_done_fn *done, void *data, struct op *ret_op,
                              struct edge_error *err) EDGE_NODISCARD;

/* Fetches an image; one without tag and digest is fetched as ":latest". auth_json is the engine's
 * registry credentials (may be empty; secret). No deadline as long as something comes in. OK when
 * the engine has it; NOT_FOUND, DENIED (credentials), REMOTE with the registry's text; BUSY. */
enum edge_code runtime_pull(struct runtime *rt, const char *image, struct slice auth_json,
                            runtime_progress_fn *on_progress, runtime_done_fn *done, void *data,
                            struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* What a container has written, as the engine frames it: 8-byte headers unless it has a terminal.
 * Errors before on_open as of runtime_start; BUSY when too many are read at once. */
enum edge_code runtime_logs(struct runtime *rt, const char *id_or_name,
                            const struct runtime_logs_options *opts, const struct runtime_stream *s,
                            void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;
/* Goes on after an on_data that returned false; stale handles are fine. */
void runtime_logs_resume(struct runtime *rt, struct op op);

/* One sample of a container's use of resources, owned or not, in the engine's form; takes the
 * engine one to two seconds. CONFLICT (Podman) or a sample of zeros (Docker) when it does not run.
 */
enum edge_code runtime_stats(struct runtime *rt, const char *id_or_name, runtime_json_fn *done,
                             void *data, struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Makes a network unless there is one of exactly this name, which is left as it is. */
enum edge_code runtime_network_ensure(struct runtime *rt, const struct runtime_network *network,
                                      runtime_done_fn *done, void *data, struct op *ret_op,
                                      struct edge_error *err) EDGE_NODISCARD;

/* An image by one of its names or its id. NOT_FOUND. */
enum edge_code runtime_image_find(struct runtime *rt, const char *image, runtime_image_fn *done,
                                  void *data, struct op *ret_op,
                                  struct edge_error *err) EDGE_NODISCARD;
/* OK when no container is made of the image with this id; CONFLICT when one is, running or not,
 * owned or not. */
enum edge_code runtime_image_unused(struct runtime *rt, const char *id, runtime_done_fn *done,
                                    void *data, struct op *ret_op,
                                    struct edge_error *err) EDGE_NODISCARD;
/* OK when a container can be made of this image now; NOT_FOUND. */
enum edge_code runtime_image_check(struct runtime *rt, const char *image, runtime_done_fn *done,
                                   void *data, struct op *ret_op,
                                   struct edge_error *err) EDGE_NODISCARD;
/* Takes away a name of an image, by name or id; the image goes with its last one. CONFLICT when a
 * container, running or not, needs it. One that is not there counts as removed. */
enum edge_code runtime_image_remove(struct runtime *rt, const char *image, runtime_done_fn *done,
                                    void *data, struct op *ret_op,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Ends everything (callbacks run with CANCELED), then closed() runs; then runtime_free. */
void runtime_close(struct runtime *rt, void (*closed)(void *data), void *data);
void runtime_free(struct runtime *rt);

/* A name or id that is safe in an Engine path: [A-Za-z0-9][A-Za-z0-9_.-]*, at most
 * RUNTIME_NAME_MAX. */
bool runtime_is_name(struct slice name);

/* A container's whole id: RUNTIME_ID_LEN lower-case hex digits. */
bool runtime_is_id(struct slice id);

/* One that a module can have: at most RUNTIME_MODULE_MAX, without RUNTIME_NEXT_SUFFIX, and no id,
 * which the engine would take for that of a container, and which would pass by a module's turns. */
bool runtime_is_module_name(struct slice name);

/* The name of the container that is to take this module's place, and back. name is one that a
 * module can have; of_next is false for a container that is no such one. */
void runtime_next_name(const char *name, char ret[RUNTIME_NAME_MAX + 1]);
bool runtime_of_next_name(const char *container, char ret_name[RUNTIME_MODULE_MAX + 1]);

/* Text that may be an image reference or id: at most RUNTIME_IMAGE_MAX of [A-Za-z0-9] and
 * "._-+:@/[]", begins with a letter, digit or '[', no empty path segment and none of dots only. */
bool runtime_is_image(struct slice image);

#endif
