/* SPDX-License-Identifier: MIT */
/*
 * From a request that changes a module to its answer. Once it has begun the change runs to its end,
 * whether or not the caller still waits: the caller may be the module that is replaced.
 */
#ifndef API_MODULE_CHANGE_H
#define API_MODULE_CHANGE_H

#include "base/buf.h"
#include "http/http_server.h"
#include "runtime/module_ops.h"
#include "runtime/runtime.h"

/* The module in the path; otherwise answers 404: no container can be called so. `what` as below. */
bool module_change_name(struct http_exchange *x, const char *what, char ret[RUNTIME_NAME_MAX + 1]);

/* Runs the order and answers: status with the JSON of body (content is taken over; NULL: none), or
 * the error, which begins with "Could not <what> module <name>". */
void module_change_run(struct http_exchange *x, const struct module_order *order, const char *what,
                       int status, struct buf *body);

#endif
