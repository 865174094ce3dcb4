/* SPDX-License-Identifier: MIT */
/*
 * System information: what the Engine says about the machine, and how this device is provisioned.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "base/json.h"
#include "http/http_reply.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define INFO_MAX    (16 * 1024)
#define INFO_FAILED "Could not query system info"

/* Whether the processor says that a hypervisor runs it; "unknown" where the kernel does not tell.
 */
static const char *virtualized(void) {
    char text[4096];
    int fd EDGE_CLEANUP(edge_cleanup_fd) = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return "unknown";
    }
    ssize_t len = read(fd, text, sizeof(text) - 1);
    if (len <= 0) {
        return "unknown";
    }
    text[len] = '\0';
    if (strstr(text, "\nflags") == NULL) {
        return "unknown";
    }
    return strstr(text, " hypervisor") != NULL ? "yes" : "no";
}

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

static enum edge_code encode_info(const struct runtime_info *info, const struct edge_config *cfg,
                                  struct buf *out, struct edge_error *err) {
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "osType", known(info->os_type));
    json_add_cstr(&w, "architecture", known(info->architecture));
    json_add_cstr(&w, "version", EDGE_VERSION);
    encode_provisioning(&w, &cfg->provisioning);
    json_add_cstr(&w, "server_version", info->server_version);
    json_add_cstr(&w, "kernel_version", info->kernel_version);
    json_add_cstr(&w, "operating_system", info->operating_system);
    json_add_i64(&w, "cpus", info->cpus);
    json_add_cstr(&w, "virtualized", virtualized());
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
        api_error_mgmt(x, INFO_FAILED, err);
        return;
    }
    buf_init(&out, INFO_MAX);
    if (encode_info(info, api_of(x)->config, &out, &encode_err) == EDGE_OK) {
        http_reply_json(x, 200, &out);
    } else {
        api_error_mgmt(x, INFO_FAILED, &encode_err);
    }
    buf_clear(&out);
}

void mgmt_system_info(struct http_exchange *x) {
    struct edge_error err;
    struct op op;
    struct api_pending *pending = api_pending_new(x);
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
