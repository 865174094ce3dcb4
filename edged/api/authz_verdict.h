/* SPDX-License-Identifier: MIT */
/*
 * How the authorization of an exchange ends: answered, logged, and remembered with the connection.
 * Private to api/authz*.c. Loop thread.
 */
#ifndef API_AUTHZ_VERDICT_H
#define API_AUTHZ_VERDICT_H

#include "base/error.h"
#include "http/http_server.h"
#include "runtime/runtime.h"

#include <stdint.h>

/* A connection's proven identity; the connection data of an exchange. */
struct authz_identity {
    char name[RUNTIME_NAME_MAX + 1];
    uint64_t epoch; /* of authz, when it was proved */
    uint64_t proved_ms;
};

/* Lets the caller pass as `name`. source: what proved it, for the log. */
void authz_verdict_allow(struct http_exchange *x, const char *name, uint64_t epoch,
                         const char *source);

/* 404; expected and reason go to the log. */
void authz_verdict_refuse(struct http_exchange *x, const char *expected, const char *reason);

/* 403: an operator, but this is for root and the daemon's own user. */
void authz_verdict_not_owner(struct http_exchange *x, const char *expected);

/* 503: too much is being asked. */
void authz_verdict_busy(struct http_exchange *x, const char *expected, const char *reason);

/* 503: the Engine could not be asked. */
void authz_verdict_engine_failed(struct http_exchange *x, const char *expected,
                                 const struct edge_error *err);

#endif
