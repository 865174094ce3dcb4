/* SPDX-License-Identifier: MIT */
/*
 * The Engine's JSON, read. Pure functions on hostile bytes; inside runtime/ only. All fail with
 * PROTO for well-formed JSON of the wrong shape, with PARSE or RANGE as json_parse does, and with
 * NOMEM.
 */
#ifndef RUNTIME_DOCKER_JSON_H
#define RUNTIME_DOCKER_JSON_H

#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>
#include <stddef.h>

#define DOCKER_VERSION_LEN 12  /* "1.41" and NUL, with room */
#define DOCKER_MESSAGE_MAX 200 /* bytes of an Engine's error message that are kept */

struct cJSON;

struct docker_version {
    char api[DOCKER_VERSION_LEN]; /* ApiVersion */
    char min[DOCKER_VERSION_LEN]; /* MinAPIVersion, "" when not told */
    bool podman;
};

/* For readers: a member that may be absent or null, but not of another type; the error for one that
 * is not as it should be; the number of an array's elements, 0 for NULL. */
enum edge_code docker_json_opt(enum edge_code code) EDGE_NODISCARD;
enum edge_code docker_json_bad(struct edge_error *err, const char *what);
size_t docker_json_count(const struct cJSON *array);

/* An answer that must be an object; one of GET /containers/json, with the number of its entries:
 * RANGE above RUNTIME_CONTAINERS_MAX. The caller frees *ret with json_free. */
enum edge_code docker_json_object(struct slice text, struct cJSON **ret,
                                  struct edge_error *err) EDGE_NODISCARD;
enum edge_code docker_json_entries(struct slice text, struct cJSON **ret, size_t *ret_cnt,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /version. */
enum edge_code docker_json_version(struct slice text, struct docker_version *ret,
                                   struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /containers/json. Entries without a name that could be ours are left out. The
 * caller frees *ret_list with free(). RANGE above RUNTIME_CONTAINERS_MAX. */
enum edge_code docker_json_list(struct slice text, struct runtime_container **ret_list,
                                size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;

/* One element of that answer; *ret_named is false when it has no name that could be ours. */
enum edge_code docker_json_entry(const struct cJSON *node, struct runtime_container *ret,
                                 bool *ret_named, struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /containers/ID/json. A name that no container of ours can have is returned as "".
 */
enum edge_code docker_json_container(struct slice text, struct runtime_container *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

/* The same, parsed already. */
enum edge_code docker_json_inspected(const struct cJSON *root, struct runtime_container *ret,
                                     struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /containers/ID/top: the numbers of the column with that title. The caller frees
 * *ret_pids with free(). RANGE above RUNTIME_PIDS_MAX. */
enum edge_code docker_json_top(struct slice text, const char *title, pid_t **ret_pids,
                               size_t *ret_cnt, struct edge_error *err) EDGE_NODISCARD;

/* Answer of GET /info. What is absent is "" or 0. */
enum edge_code docker_json_info(struct slice text, struct runtime_info *ret,
                                struct edge_error *err) EDGE_NODISCARD;

/* One object of the event stream. *ret_known is false for an event that concerns nobody here. */
enum edge_code docker_json_event(struct slice text, bool *ret_known, enum runtime_event *ret_event,
                                 char ret_id[RUNTIME_ID_LEN + 1],
                                 struct edge_error *err) EDGE_NODISCARD;

/* The text of an error answer: its member "message", else the body itself; control characters
 * become blanks, bytes that are not UTF-8 '?'. Never fails; may be empty. */
void docker_json_message(struct slice body, char ret_text[DOCKER_MESSAGE_MAX]);

#endif
