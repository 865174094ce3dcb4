/* SPDX-License-Identifier: MIT */
/*
 * Mapping of registry messages. Module records are checked member by member; the keys that the hub
 * sends along are wiped with the tree and never looked at.
 */
#include "cloud/hub_json.h"

#include "base/json.h"
#include "cloud/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum edge_code hub_json_put(const struct hub_module_spec *spec, const char *device_id,
                            struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "moduleId", spec->module_id);
    if (spec->managed_by != NULL) {
        json_add_cstr(&w, "managedBy", spec->managed_by);
    }
    json_add_cstr(&w, "deviceId", device_id);
    json_object_open(&w, "authentication");
    if (spec->primary == NULL) {
        json_add_cstr(&w, "type", "none");
    } else {
        json_add_cstr(&w, "type", "sas");
        json_object_open(&w, "symmetricKey");
        json_add_b64(&w, "primaryKey", spec->primary->data, spec->primary->len);
        json_add_b64(&w, "secondaryKey", spec->secondary->data, spec->secondary->len);
        json_object_close(&w);
    }
    json_object_close(&w);
    json_object_close(&w);
    return json_end(&w, err);
}

/* One answer being read. */
struct reading {
    const struct hub_json_ask *ask;
    const struct reply *reply;
    struct hub_answer *answer;
};

static void fail(struct reading *r, enum hub_kind kind, enum edge_code code, const char *fmt, ...)
    EDGE_PRINTF(4, 5);

static void fail(struct reading *r, enum hub_kind kind, enum edge_code code, const char *fmt, ...) {
    char meaning[EDGE_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(meaning, sizeof(meaning), fmt, args);
    va_end(args);
    r->answer->kind = kind;
    (void)reply_error(r->reply, code, "hub", 0, r->answer->said, &r->answer->err, "%s", meaning);
}

static void fail_unreadable(struct reading *r, const char *what) {
    fail(r, HUB_TRANSIENT, EDGE_PROTO, "answer of hub '%.64s' is not usable: %.100s",
         r->ask->hub_host, what);
}

/* The hub has used several names for its message, and "ErrorCode:<name>;<text>" inside it. A body
 * that cannot be read says nothing; only NOMEM is an error, since the message decides what a status
 * means. */
static enum edge_code read_said(struct reading *r, struct edge_error *err) {
    static const char *const names[] = {"Message", "message", "errorMessage"};
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    enum edge_code code = json_parse(r->reply->body, &root, err);
    if (code != EDGE_OK || !json_is_object(root)) {
        return code == EDGE_NOMEM ? code : EDGE_OK;
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        struct slice text;
        if (json_get_str(root, names[i], &text, NULL) == EDGE_OK && text.len > 0) {
            text_clean(text, r->answer->said, sizeof(r->answer->said));
            break;
        }
    }
    return EDGE_OK;
}

static bool said_code(const struct reading *r, const char *name) {
    return strstr(r->answer->said, name) != NULL;
}

static void read_refusal(struct reading *r) {
    if (said_code(r, "QuotaExceeded")) {
        fail(r, HUB_THROTTLED, EDGE_RETRY, "the daily quota of hub '%.64s' is used up",
             r->ask->hub_host);
        return;
    }
    char buf[REPLY_HINT_MAX];
    const char *otherwise =
        r->reply->status == 403
            ? "look at the hub's IP filter and whether the device or the hub is disabled"
            : "it is disabled or deleted there, its key changed, or this machine's clock is wrong";
    fail(r, HUB_REFUSED, EDGE_DENIED, "hub '%.64s' refused device '%.64s': %s", r->ask->hub_host,
         r->ask->device_id, reply_refusal_hint(r->reply, otherwise, buf));
}

static void read_not_found(struct reading *r) {
    if (r->ask->module_id == NULL || said_code(r, "DeviceNotFound")) {
        r->answer->is_device_unknown = true;
        fail(r, HUB_NOT_FOUND, EDGE_NOT_FOUND, "device '%.64s' is not registered with hub '%.64s'",
             r->ask->device_id, r->ask->hub_host);
        return;
    }
    fail(r, HUB_NOT_FOUND, EDGE_NOT_FOUND, "device '%.48s' has no module '%.64s' at hub '%.48s'",
         r->ask->device_id, r->ask->module_id, r->ask->hub_host);
}

static void read_failure_status(struct reading *r) {
    const char *module = r->ask->module_id != NULL ? r->ask->module_id : "";
    int status = r->reply->status;
    switch (status) {
    case 400:
        fail(r, HUB_INVALID, EDGE_REMOTE, "hub '%.64s' rejected the request about '%.64s'",
             r->ask->hub_host, module);
        break;
    case 401:
    case 403:
        read_refusal(r);
        break;
    case 404:
        read_not_found(r);
        break;
    case 408:
        fail(r, HUB_TRANSIENT, EDGE_RETRY, "hub '%.64s' waited too long for our request",
             r->ask->hub_host);
        break;
    case 409:
        fail(r, HUB_CONFLICT, EDGE_EXISTS, "module '%.64s' exists already at hub '%.64s'", module,
             r->ask->hub_host);
        break;
    case 412:
        fail(r, HUB_STALE, EDGE_CONFLICT,
             "module '%.64s' was removed or changed meanwhile at hub '%.64s'", module,
             r->ask->hub_host);
        break;
    case 413:
        fail(r, HUB_INVALID, EDGE_REMOTE, "the device has as many modules as hub '%.64s' allows",
             r->ask->hub_host);
        break;
    case 429:
        fail(r, HUB_THROTTLED, EDGE_RETRY, "hub '%.64s' is throttling", r->ask->hub_host);
        break;
    default:
        if (status >= 500) {
            fail(r, HUB_TRANSIENT, EDGE_RETRY, "hub '%.64s' has a fault of its own",
                 r->ask->hub_host);
        } else if (status >= 400) {
            fail(r, HUB_INVALID, EDGE_REMOTE, "hub '%.64s' rejected the request", r->ask->hub_host);
        } else {
            fail_unreadable(r, "a status that the hub does not use");
        }
        break;
    }
}

static enum edge_code read_auth(const struct cJSON *node, enum hub_auth *ret,
                                struct edge_error *err) {
    const struct cJSON *auth;
    enum edge_code code = json_get_object(node, "authentication", &auth, err);
    if (code == EDGE_NOT_FOUND) {
        *ret = HUB_AUTH_NONE;
        return EDGE_OK;
    }
    struct slice type = {0};
    if (code == EDGE_OK) {
        code = json_get_opt_str(auth, "type", &type, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (type.len == 0 || slice_eq_nocase(type, "none")) {
        *ret = HUB_AUTH_NONE;
    } else if (slice_eq_nocase(type, "sas")) {
        *ret = HUB_AUTH_SAS;
    } else if (slice_eq_nocase(type, "x509") || slice_eq_nocase(type, "selfSigned") ||
               slice_eq_nocase(type, "certificateAuthority")) {
        *ret = HUB_AUTH_X509;
    } else {
        *ret = HUB_AUTH_OTHER;
    }
    return EDGE_OK;
}

static enum edge_code read_module(const struct cJSON *node, struct hub_module *ret,
                                  struct edge_error *err) {
    struct slice id;
    struct slice managed_by = {0};
    struct slice generation = {0};
    if (!json_is_object(node)) {
        return edge_set(err, EDGE_PARSE, "a module is not an object");
    }
    enum edge_code code = json_get_str(node, "moduleId", &id, err);
    if (code == EDGE_OK) {
        code = json_get_opt_str(node, "managedBy", &managed_by, err);
    }
    if (code == EDGE_OK) {
        code = json_get_opt_str(node, "generationId", &generation, err);
    }
    if (code == EDGE_OK) {
        code = read_auth(node, &ret->auth, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    if (!text_is_id(id) || !slice_to_array(id, ret->module_id, sizeof(ret->module_id))) {
        return edge_set(err, EDGE_PARSE, "moduleId is not a module id");
    }
    if (!slice_is_plain_text(managed_by) ||
        !slice_to_array(managed_by, ret->managed_by, sizeof(ret->managed_by))) {
        return edge_set(err, EDGE_PARSE, "managedBy of '%s' is not usable", ret->module_id);
    }
    if (generation.len > 0 &&
        (!text_is_token(generation, HUB_GENERATION_MAX) ||
         !slice_to_array(generation, ret->generation_id, sizeof(ret->generation_id)))) {
        return edge_set(err, EDGE_PARSE, "generationId of '%s' is not usable", ret->module_id);
    }
    return EDGE_OK;
}

static enum edge_code read_list(const struct cJSON *root, struct hub_module **ret, size_t *ret_cnt,
                                struct edge_error *err) {
    if (!json_is_array(root)) {
        return edge_set(err, EDGE_PARSE, "the module list is not an array");
    }
    size_t cnt = 0;
    for (const struct cJSON *n = json_first(root); n != NULL; n = json_next(n)) {
        if (++cnt > HUB_MODULES_MAX) {
            return edge_set(err, EDGE_RANGE, "more than %d modules", HUB_MODULES_MAX);
        }
    }
    if (cnt == 0) {
        *ret_cnt = 0;
        return EDGE_OK;
    }
    struct hub_module *modules EDGE_CLEANUP(edge_cleanup_free) = calloc(cnt, sizeof(*modules));
    if (modules == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the hub's module list");
    }
    size_t i = 0;
    for (const struct cJSON *n = json_first(root); n != NULL; n = json_next(n)) {
        enum edge_code code = read_module(n, &modules[i++], err);
        if (code != EDGE_OK) {
            return code;
        }
    }
    *ret = TAKE_PTR(modules);
    *ret_cnt = cnt;
    return EDGE_OK;
}

static enum edge_code read_one(const struct hub_json_ask *ask, const struct cJSON *root,
                               struct hub_module **ret, size_t *ret_cnt, struct edge_error *err) {
    struct hub_module *module EDGE_CLEANUP(edge_cleanup_free) = calloc(1, sizeof(*module));
    if (module == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the hub's answer");
    }
    enum edge_code code = read_module(root, module, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (strcmp(module->module_id, ask->module_id) != 0) {
        return edge_set(err, EDGE_PARSE, "it is about another module than '%.64s'", ask->module_id);
    }
    *ret = TAKE_PTR(module);
    *ret_cnt = 1;
    return EDGE_OK;
}

static void read_success(struct reading *r, struct hub_module **ret_modules) {
    struct edge_error err = {0};
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    enum edge_code code = reply_parse(r->reply, &root, &err);
    size_t cnt = 0;
    if (code == EDGE_OK && r->ask->expect == HUB_JSON_LIST) {
        code = read_list(root, ret_modules, &cnt, &err);
    } else if (code == EDGE_OK) {
        code = read_one(r->ask, root, ret_modules, &cnt, &err);
    }
    if (code == EDGE_OK) {
        r->answer->modules = *ret_modules;
        r->answer->module_cnt = cnt;
    } else if (code == EDGE_NOMEM) {
        r->answer->kind = HUB_LOCAL;
        r->answer->err = err;
    } else {
        fail_unreadable(r, edge_error_text(&err));
    }
}

void hub_json_answer(const struct hub_json_ask *ask, const struct reply *reply,
                     struct hub_answer *ret, struct hub_module **ret_modules) {
    *ret = (struct hub_answer){.kind = HUB_OK,
                               .http_status = reply->status,
                               .retry_after_ms = reply->retry_after_ms,
                               .date_wall_s = reply->date_wall_s};
    *ret_modules = NULL;
    struct reading r = {ask, reply, ret};
    if (reply->status < 200 || reply->status > 299) {
        struct edge_error err = {0};
        if (read_said(&r, &err) != EDGE_OK) {
            ret->kind = HUB_LOCAL;
            ret->err = err;
            return;
        }
        read_failure_status(&r);
    } else if (ask->expect != HUB_JSON_NOTHING) {
        read_success(&r, ret_modules);
    }
}
