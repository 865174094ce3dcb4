/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_backup.h"

#include "base/json.h"
#include "cloud/text.h"

enum edge_code takeover_backup_check(struct slice hub, struct slice device_id,
                                     struct takeover_backup *ret, struct edge_error *err) {
    struct takeover_backup b = {0};
    if (!text_is_host_port(hub) || !slice_to_array(hub, b.hub, sizeof(b.hub))) {
        return edge_set(err, EDGE_PARSE, "the hub is not named by a host name");
    }
    if (!text_is_id(device_id) || !slice_to_array(device_id, b.device_id, sizeof(b.device_id))) {
        return edge_set(err, EDGE_PARSE, "the device id is not one that a hub takes");
    }
    *ret = b;
    return EDGE_OK;
}

enum edge_code takeover_backup_decode(struct slice text, struct takeover_backup *ret,
                                      struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    struct slice hub = {0}, device_id = {0};
    if (text.len > TAKEOVER_BACKUP_MAX) {
        return edge_set(err, EDGE_RANGE, "more than %d bytes", TAKEOVER_BACKUP_MAX);
    }
    enum edge_code code = json_parse_within(text, TAKEOVER_BACKUP_NODES_MAX, &root, err);
    if (code == EDGE_OK && !json_is_object(root)) {
        code = edge_set(err, EDGE_PARSE, "not a JSON object");
    }
    if (code == EDGE_OK) {
        code = json_get_str(root, "hub_name", &hub, err);
    }
    if (code == EDGE_OK) {
        code = json_get_str(root, "device_id", &device_id, err);
    }
    if (code == EDGE_OK) {
        code = takeover_backup_check(hub, device_id, ret, err);
    }
    if (code == EDGE_NOT_FOUND) {
        return edge_set(err, EDGE_PARSE, "it has no 'hub_name' or no 'device_id'");
    }
    return code;
}
