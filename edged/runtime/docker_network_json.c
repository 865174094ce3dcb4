/* SPDX-License-Identifier: MIT */
/*
 * Message mapping for networks.
 */
#include "runtime/docker_network_json.h"

#include "base/json.h"
#include "runtime/docker_json.h"

enum edge_code docker_network_json_find(struct slice text, const char *name, bool *ret_found,
                                        struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    bool found = false;

    enum edge_code code = json_parse(text, &root, err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "reading the container engine's networks");
    }
    if (!json_is_array(root)) {
        return edge_set(err, EDGE_PROTO, "the container engine's networks are not an array");
    }
    for (const struct cJSON *n = json_first(root); n != NULL; n = json_next(n)) {
        struct slice own = {0};
        if (!json_is_object(n) || json_get_opt_str(n, "Name", &own, NULL) != EDGE_OK) {
            return docker_json_bad(err, "Name");
        }
        found = found || slice_eq_str(own, name);
    }
    *ret_found = found;
    return EDGE_OK;
}

static void add_opt(struct json_writer *w, const char *name, const char *value) {
    if (value != NULL) {
        json_add_cstr(w, name, value);
    }
}

enum edge_code docker_network_json_create(const struct runtime_network *network, struct buf *out,
                                          struct edge_error *err) {
    struct json_writer w;

    json_begin(&w, out);
    json_object_open(&w, NULL);
    json_add_cstr(&w, "Name", network->name);
    /* Engines before 25 would make a second one of the same name. */
    json_add_bool(&w, "CheckDuplicate", true);
    json_add_bool(&w, "EnableIPv6", network->ipv6);
    if (network->range_cnt > 0) {
        json_object_open(&w, "IPAM");
        json_array_open(&w, "Config");
        for (size_t i = 0; i < network->range_cnt; i++) {
            json_object_open(&w, NULL);
            add_opt(&w, "Subnet", network->ranges[i].subnet);
            add_opt(&w, "Gateway", network->ranges[i].gateway);
            add_opt(&w, "IPRange", network->ranges[i].ip_range);
            json_object_close(&w);
        }
        json_array_close(&w);
        json_object_close(&w);
    }
    json_object_close(&w);
    return json_end(&w, err);
}
