/* SPDX-License-Identifier: MIT */
/*
 * Calls to one Engine: the API version, its negotiation and renewal, timeouts, cancellation and the
 * meaning of status codes. Inside runtime/ only; loop thread only.
 *
 * The version is asked for with the unversioned GET /version before the first call; calls that come
 * meanwhile wait for that one answer. It is asked again after the Engine could not be reached and
 * after an answer that complains about the version.
 */
#ifndef RUNTIME_DOCKER_ENGINE_H
#define RUNTIME_DOCKER_ENGINE_H

#include "base/error.h"
#include "base/slice.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "runtime/docker_json.h"
#include "runtime/docker_sieve.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCKER_CONTROL_TIMEOUT_MS 30000
#define DOCKER_INSPECT_TIMEOUT_MS 10000
#define DOCKER_VERSION_TIMEOUT_MS 10000
#define DOCKER_CALLS_MAX          384   /* waiting or in flight */
#define DOCKER_CALLS_YIELDING     160   /* beyond it those that yield are BUSY */
#define DOCKER_AUTH_MAX           32768 /* bytes */
#define DOCKER_ANSWER_MAX         ((size_t)8 * 1024 * 1024) /* bytes; 1024 containers with their labels */

struct docker_engine;

/* Strings and the body are copied. Paths come after "/vX.Y" and are encoded already. */
struct docker_request {
    const char *method;
    const char *path;
    const char *podman_path;   /* used instead when the Engine is Podman; or NULL */
    const char *second_path;   /* tried once when the first answer is 5xx; or NULL */
    struct slice body;         /* JSON; .ptr NULL: none; wiped with all its copies */
    const char *registry_auth; /* X-Registry-Auth, at most DOCKER_AUTH_MAX; NULL: none; secret */
    const struct docker_sieve_rule *sieve;   /* what of the answer is kept; NULL: all; no on_data */
    bool yields;                             /* to what others cannot do without */
    uint32_t timeout_ms;                     /* whole call; 0: none */
    uint32_t stall_ms;                       /* longest silence once connected; 0: any */
    void (*on_open)(void *data, int status); /* as in http_client_request */
    bool (*on_data)(void *data, struct slice bytes); /* as in http_client_request */
    /* Exactly once, later. body is valid during the callback; empty unless code is OK. Codes:
     * NOT_FOUND (404), CONFLICT (409), EXISTS (304: it is so already), INVALID (400), DENIED (401,
     * 403, or no right to the socket), REMOTE (the rest), UNSUPPORTED (no common version), NET,
     * TIMEOUT, RANGE, PROTO, CANCELED, NOMEM. The native number of an HTTP failure is its status.
     */
    void (*on_done)(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err);
    void *data;
};

enum edge_code docker_engine_new(struct loop *l, struct http_client *http, const char *socket_path,
                                 struct docker_engine **ret, struct edge_error *err) EDGE_NODISCARD;

/* Errors: BUSY, CANCELED (closing), NOMEM. ret_op may be NULL. */
enum edge_code docker_engine_send(struct docker_engine *e, const struct docker_request *req,
                                  struct op *ret_op, struct edge_error *err) EDGE_NODISCARD;

/* Goes on after an on_data that returned false; stale handles are fine. */
void docker_engine_resume(struct docker_engine *e, struct op op);

/* The Engine may be another one from now on. */
void docker_engine_forget_version(struct docker_engine *e);

/* As of the last negotiation. */
bool docker_engine_is_podman(const struct docker_engine *e);

/* Cancels all calls; when the last callback has run, closed() runs. Then docker_engine_free. */
void docker_engine_close(struct docker_engine *e, void (*closed)(void *data), void *data);
void docker_engine_free(struct docker_engine *e);

#endif
