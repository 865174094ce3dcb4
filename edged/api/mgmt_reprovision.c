/* SPDX-License-Identifier: MIT */
/*
 * Asking the source of the identity again: for an operator, who may look first, and for edgeAgent.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/json.h"
#include "base/log.h"
#include "http/http_reply.h"

#define PREVIEW_FAILED "Could not find out what would change"
#define ANSWER_MAX     4096

/* edgeAgent asks when its hub calls it disabled or refuses its credential. It takes 200 only, and
 * takes anything else for a fault of ours (http-api.md 3.15); the work goes on behind its back, and
 * neither sockets nor containers notice. */
void mgmt_device_reprovision(struct http_exchange *x) {
    if (api_of(x)->config->provisioning.dynamic_reprovisioning) {
        provisioning_suggest(api_of(x)->provisioning, "edgeAgent asked for it");
    } else {
        log_info("edgeAgent asks to provision the device again: not done, since "
                 "provisioning.dynamic_reprovisioning is off");
    }
    http_reply_empty(x, 200);
}

static void reply(struct http_exchange *x, bool dry_run, const struct provisioning_preview *p) {
    struct edge_error err;
    struct buf out;
    struct json_writer w;

    buf_init(&out, ANSWER_MAX);
    json_begin(&w, &out);
    json_object_open(&w, NULL);
    json_add_bool(&w, "dryRun", dry_run);
    if (p != NULL) {
        json_add_bool(&w, "changes", p->changes);
        json_add_cstr(&w, "hub", p->hub);
        json_add_cstr(&w, "deviceId", p->device_id);
    }
    json_add_cstr(&w, "text",
                  p != NULL ? p->text
                            : "The source is asked, after a pause if one is due; a new identity is "
                              "used once it is there.");
    json_object_close(&w);
    if (json_end(&w, &err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, "Could not answer", &err);
    }
    buf_clear(&out);
}

static void on_preview(void *data, const struct provisioning_preview *p) {
    struct http_exchange *x = api_pending_take(data);
    if (x == NULL) {
        return;
    }
    if (p->err.code == EDGE_OK) {
        reply(x, true, p);
    } else {
        api_error_mgmt(x, PREVIEW_FAILED, &p->err);
    }
}

static void preview(struct http_exchange *x) {
    struct edge_error err;
    struct api_pending *pending = api_pending_new(x, NULL);
    if (pending == NULL) {
        return;
    }
    if (provisioning_preview(api_of(x)->provisioning, on_preview, pending, &err) != EDGE_OK) {
        (void)api_pending_take(pending);
        api_error_mgmt(x, PREVIEW_FAILED, &err);
    }
}

void mgmt_reprovision(struct http_exchange *x) {
    struct edge_error err;
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    bool dry_run = false;

    enum edge_code code = json_parse_within(http_exchange_body(x), API_NODES_MAX, &root, &err);
    if (code == EDGE_OK) {
        code = json_get_bool(root, "dryRun", &dry_run, &err);
        code = code == EDGE_NOT_FOUND ? EDGE_OK : code;
    }
    if (code != EDGE_OK) {
        api_error_malformed(x, &err);
    } else if (dry_run) {
        preview(x);
    } else {
        provisioning_ask(api_of(x)->provisioning, "an operator asked for it");
        reply(x, false, NULL);
    }
}
