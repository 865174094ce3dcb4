/* SPDX-License-Identifier: MIT */
/*
 * Messages of IoT Hub's identity registry: what we send and what its answers mean. Pure.
 */
#ifndef CLOUD_HUB_JSON_H
#define CLOUD_HUB_JSON_H

#include "base/buf.h"
#include "cloud/hub.h"

enum hub_json_expect {
    HUB_JSON_LIST,
    HUB_JSON_MODULE,
    HUB_JSON_NOTHING, /* delete */
};

/* The request that an answer belongs to; strings are borrowed. */
struct hub_json_ask {
    enum hub_json_expect expect;
    const char *hub_host;
    const char *device_id;
    const char *module_id; /* NULL for a list */
};

/* Appends the body of a PUT. out should be sensitive when the keys are there. */
enum edge_code hub_json_put(const struct hub_module_spec *spec, const char *device_id,
                            struct buf *out, struct edge_error *err) EDGE_NODISCARD;

/* Interprets a complete HTTP answer of any status. Fills all of *ret; *ret_modules (to be freed
 * with free()) is what ret->modules points to, NULL when there are none. */
void hub_json_answer(const struct hub_json_ask *ask, const struct reply *reply,
                     struct hub_answer *ret, struct hub_module **ret_modules);

#endif
