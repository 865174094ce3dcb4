/* SPDX-License-Identifier: MIT */
/*
 * What edgeAgent wants a module to be: the request body of create, update and prepareupdate turned
 * into what the engine's create call takes. A pure function of its input. createOptions go to the
 * engine as they are, but for image, environment, labels and, where they are not allowed,
 * privileges; their members are recognised as the engine recognises them, whatever their case.
 */
#ifndef RUNTIME_MODULE_SPEC_H
#define RUNTIME_MODULE_SPEC_H

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "runtime/runtime.h"

#include <stdbool.h>

#define MODULE_SPEC_TEXT_MAX  (1024 * 1024) /* bytes of a request */
#define MODULE_SPEC_NODES_MAX 20000         /* JSON values in it */

/* Zero-initialised, or filled by module_spec_parse; module_spec_clear releases and wipes. */
struct module_spec {
    char name[RUNTIME_NAME_MAX + 1];
    char image[RUNTIME_IMAGE_MAX + 1];
    bool pull;              /* false: imagePullPolicy is Never */
    struct buf auth;        /* registry credentials, JSON; empty: none */
    struct buf create_body; /* of the engine's create call, JSON */
    struct buf config;      /* for the answer, JSON: what was asked for, but no credentials */
};

/* allow_elevated false: no privileged mode, no added capabilities, CAP_CHOWN and CAP_SETUID
 * dropped. On failure nothing is to be cleared. Errors: PARSE, INVALID and RANGE for the request,
 * NOMEM. */
enum edge_code module_spec_parse(struct slice json, bool allow_elevated, struct module_spec *ret,
                                 struct edge_error *err) EDGE_NODISCARD;

/* Appends the module details that answer the request. */
enum edge_code module_spec_details(const struct module_spec *spec, bool running, struct buf *out,
                                   struct edge_error *err) EDGE_NODISCARD;

void module_spec_clear(struct module_spec *spec); /* idempotent */

#endif
