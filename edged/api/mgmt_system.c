/* SPDX-License-Identifier: MIT */
/*
 * System information: what the Engine and the host's own files say about the machine, and how this
 * device is provisioned. Clients dereference the members that 1.1 had; the later ones are optional.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/json.h"
#include "http/http_reply.h"

#define INFO_MAX    (16 * 1024)
#define INFO_FAILED "Could not query system info"

static const char *known(const char *text) {
    return text[0] != '\0' ? text : "Unknown";
}

static void encode_provisioning(struct json_writer *w, const struct config_provisioning *p) {
    json_object_open(w, "provisioning");
    json_add_cstr(w, "type", config_provisioning_mode(p));
    json_add_bool(w, "dynamicReprovisioning", p->dynamic_reprovisioning);
    json_add_bool(w, "alwaysReprovisionOnStartup", p->always_reprovision_on_startup);
    json_object_close(w);
}

static void add_known(struct json_writer *w, const char *name, const char *text) {
    if (text[0] != '\0') {
        json_add_cstr(w, name, text);
    }
}

static void encode_host(struct json_writer *w, const struct host_facts *host) {
    json_add_cstr(w, "virtualized", host->virtualized);
    add_known(w, "kernel_release", host->kernel_release);
    add_known(w, "operating_system_version", host->os_version);
    add_known(w, "operating_system_variant", host->os_variant);
    add_known(w, "operating_system_build", host->os_build);
    add_known(w, "product_name", host->product_name);
    add_known(w, "system_vendor", host->system_vendor);
}

static enum edge_code encode_info(const struct runtime_info *info, const struct api *api,
                                  struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "osType", known(info->os_type));
    json_add_cstr(&w, "architecture", known(info->architecture));
    json_add_cstr(&w, "version", EDGE_VERSION);
    encode_provisioning(&w, &api->config->provisioning);
    json_add_cstr(&w, "server_version", info->server_version);
    json_add_cstr(&w, "kernel_version", info->kernel_version);
    json_add_cstr(&w, "operating_system", info->operating_system);
    json_add_i64(&w, "cpus", info->cpus);
    encode_host(&w, api->host);
    if (info->total_memory > 0 && info->total_memory <= INT64_MAX) {
        json_add_i64(&w, "total_memory", (int64_t)info->total_memory);
    }
    json_object_close(&w);
    return json_end(&w, err);
}

static void on_info(void *data, enum edge_code code, const struct runtime_info *info,
                    const struct edge_error *err) {
    struct http_exchange *x = api_pending_take(data);
    struct edge_error encode_err;
    struct buf out;

    if (x == NULL) {
        return;
    }
    if (code != EDGE_OK) {
        api_error_engine(x, INFO_FAILED, err);
        return;
    }
    buf_init(&out, INFO_MAX);
    if (encode_info(info, api_of(x), &out, &encode_err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, INFO_FAILED, &encode_err);
    }
    buf_clear(&out);
}

void mgmt_system_info(struct http_exchange *x) {
    struct edge_error err;
    struct op op;
    struct api_pending *pending = api_pending_new(x, NULL);
    if (pending == NULL) {
        return;
    }
    if (runtime_get_info(api_of(x)->runtime, on_info, pending, &op, &err) != EDGE_OK) {
        (void)api_pending_take(pending);
        api_error_mgmt(x, INFO_FAILED, &err);
        return;
    }
    http_exchange_set_op(x, op);
}

void mgmt_support_bundle(struct http_exchange *x) {
    http_reply_error(x, 501, "Could not collect support bundle: this version makes none");
}
