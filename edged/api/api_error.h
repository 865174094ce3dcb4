/* SPDX-License-Identifier: MIT */
/*
 * The one table from an error to an HTTP answer, in the shape of the original API: {"message":
 * text}.
 */
#ifndef API_API_ERROR_H
#define API_API_ERROR_H

#include "base/error.h"
#include "cloud/hub.h"
#include "http/http_server.h"

/* Status for an error. Clients of this API try again on 5xx only, so what will not heal is 4xx. */
int api_error_status(enum edge_code code);

/* Answers a workload caller: the operation's name and the class of the error. What the TPM, OpenSSL
 * or the cloud said goes to the log, not to a module. */
void api_error_workload(struct http_exchange *x, const char *operation,
                        const struct edge_error *err);

/* The same for a failure of the key store. What it says of itself (no device, another TPM) must not
 * pass for an answer about the request: that is 503. */
void api_error_key_store(struct http_exchange *x, const char *operation,
                         const struct edge_error *err);

/* The same for a certificate or a trust bundle. 503 also while the clock is not right, which the
 * caller is told, and while the operator's files cannot be used. */
void api_error_pki(struct http_exchange *x, const char *operation, const struct edge_error *err);

/* Answers a management caller: operation, then the error's text. */
void api_error_mgmt(struct http_exchange *x, const char *operation, const struct edge_error *err);

/* The same for a failure of the container engine: an answer of its own that is malformed or too
 * long must not pass for a fault of the request. */
void api_error_engine(struct http_exchange *x, const char *operation, const struct edge_error *err);

/* The same for a request that has nothing that could be wrong: never 4xx. */
void api_error_blameless(struct http_exchange *x, const char *operation,
                         const struct edge_error *err);

/* The same for an answer of the hub: its 404 and 409 stay visible, what may heal is 500. */
void api_error_hub(struct http_exchange *x, const char *operation, const struct hub_answer *answer);

/* 400 for a request body that is not what the route takes. */
void api_error_malformed(struct http_exchange *x, const struct edge_error *err);

#endif
