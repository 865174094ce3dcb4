/* SPDX-License-Identifier: MIT */
/*
 * Environment variables of a module, in the order in which their names first came; the last value
 * of a name counts.
 */
#ifndef RUNTIME_MODULE_ENV_H
#define RUNTIME_MODULE_ENV_H

#include "base/json.h"
#include "base/map.h"

#include <stddef.h>

#define MODULE_ENV_MAX 4096 /* variables */

struct module_env_item {
    struct slice name, value;
};

/* Embedded; views point into the trees that it was filled from. */
struct module_env {
    struct module_env_item *items;
    size_t cnt;
    struct map *by_name;
};

enum edge_code module_env_init(struct module_env *e, struct edge_error *err) EDGE_NODISCARD;
void module_env_clear(struct module_env *e); /* zero-initialised ones too */

/* From [{"key": ..., "value": ...}]. Errors: PARSE, INVALID for a name that cannot be one, RANGE.
 */
enum edge_code module_env_add_pairs(struct module_env *e, const struct cJSON *pairs,
                                    struct edge_error *err) EDGE_NODISCARD;
/* From ["NAME=value"]; without '=' the value is empty. */
enum edge_code module_env_add_texts(struct module_env *e, const struct cJSON *texts,
                                    struct edge_error *err) EDGE_NODISCARD;

/* Writes member "Env". Errors: through the writer; NOMEM here. */
enum edge_code module_env_write(const struct module_env *e, struct json_writer *w,
                                struct edge_error *err) EDGE_NODISCARD;

#endif
