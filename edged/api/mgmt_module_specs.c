/* SPDX-License-Identifier: MIT */
/*
 * The routes that take a module's specification: create, update, and the fetching of its image
 * beforehand. Original: docker pull, remove, create; here the old container stays until the new
 * image is there.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "api/module_change.h"
#include "http/http_reply.h"
#include "runtime/module_spec.h"

#define DETAILS_MAX ((size_t)8 * 1024 * 1024)

static bool read_spec(struct http_exchange *x, struct module_spec *spec) {
    struct edge_error err;
    bool elevated = api_of(x)->config->allow_elevated;
    if (module_spec_parse(http_exchange_body(x), elevated, spec, &err) == EDGE_OK) {
        return true;
    }
    api_error_malformed(x, &err);
    return false;
}

/* The same, of the module that the path names. */
static bool read_spec_of(struct http_exchange *x, const char *what, struct module_spec *spec) {
    char name[RUNTIME_NAME_MAX + 1];
    struct edge_error err;
    if (!module_change_name(x, what, name) || !read_spec(x, spec)) {
        return false;
    }
    if (!slice_eq_str(slice_str(spec->name), name)) {
        module_spec_clear(spec);
        (void)edge_set(&err, EDGE_INVALID, "name: not the module that the path names");
        api_error_malformed(x, &err);
        return false;
    }
    return true;
}

static void run(struct http_exchange *x, const struct module_spec *spec, enum module_change change,
                bool start, const char *what) {
    const struct module_order order = {
        .change = change,
        .name = spec->name,
        .image = spec->image,
        .pull = spec->pull,
        .auth_json = buf_slice(&spec->auth),
        .create_body = buf_slice(&spec->create_body),
        .start = start,
    };
    struct edge_error err;
    struct buf details;

    buf_init_sensitive(&details, DETAILS_MAX);
    if (change != MODULE_PULL && module_spec_details(spec, start, &details, &err) != EDGE_OK) {
        api_error_mgmt(x, "Could not answer", &err);
    } else {
        module_change_run(x, &order, what,
                          change == MODULE_PULL     ? 204
                          : change == MODULE_CREATE ? 201
                                                    : 200,
                          &details);
    }
    buf_clear(&details);
}

void mgmt_modules_create(struct http_exchange *x) {
    struct module_spec spec;
    if (read_spec(x, &spec)) {
        run(x, &spec, MODULE_CREATE, false, "create");
        module_spec_clear(&spec);
    }
}

void mgmt_modules_prepare_update(struct http_exchange *x) {
    struct module_spec spec;
    if (!read_spec_of(x, "prepare update for", &spec)) {
        return;
    }
    if (spec.pull) {
        run(x, &spec, MODULE_PULL, false, "prepare update for");
    } else {
        http_reply_empty(x, 204);
    }
    module_spec_clear(&spec);
}

/* The oldest client writes True and False. */
static bool read_start(struct http_exchange *x, bool *ret) {
    struct buf text;
    buf_init(&text, HTTP_QUERY_LEN_MAX);
    bool given = http_query_get(http_exchange_target(x), "start", &text);
    bool yes = slice_eq_nocase(buf_slice(&text), "true");
    bool good = !given || yes || slice_eq_nocase(buf_slice(&text), "false");
    buf_clear(&text);
    if (!good) {
        http_reply_error(x, 400, "The request parameter `start` is malformed");
    }
    *ret = given && yes;
    return good;
}

void mgmt_modules_update(struct http_exchange *x) {
    struct module_spec spec;
    bool start;
    if (read_start(x, &start) && read_spec_of(x, "update", &spec)) {
        run(x, &spec, MODULE_UPDATE, start, "update");
        module_spec_clear(&spec);
    }
}
