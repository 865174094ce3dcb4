/* SPDX-License-Identifier: MIT */
/*
 * One request to the running daemon, over its management socket. Blocks.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

#include <stdbool.h>

#define ASK_ANSWER_MAX ((size_t)256 * 1024)
#define ASK_TIMEOUT_MS 150000 /* above the daemon's own deadlines */

struct ask_request {
    const char *method;
    const char *path;  /* "/edged/status" */
    struct slice body; /* JSON; .ptr NULL: none */
    bool sensitive;    /* body and answer are secret; then out must be sensitive too */
};

/* Appends the body of a successful answer to out. Errors: NOT_FOUND when no daemon listens, DENIED
 * when this user may not open the socket or the daemon refuses it, REMOTE with the daemon's message
 * for any other answer; INVALID, NET, TIMEOUT, PROTO, NOMEM. */
enum edge_code ask_daemon(const struct edge_config *cfg, const struct ask_request *req,
                          struct buf *out, struct edge_error *err) EDGE_NODISCARD;

/* Pure: the error that an unsuccessful answer stands for. */
enum edge_code ask_refusal(int status, struct slice body, struct edge_error *err);

#endif
