/* SPDX-License-Identifier: MIT */
/*
 * Any section of config.yaml beside a fixed rest: what the check lets pass becomes a container of
 * edgeAgent, unless it is too large, and identity and labels in it are ours.
 */
#include "agent/agent_spec.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static unsigned times_of(const struct cJSON *env, const char *variable) {
    unsigned cnt = 0;
    for (const struct cJSON *n = json_first(env); n != NULL; n = json_next(n)) {
        struct slice name = json_str(n);
        struct slice value;
        require(slice_cut(name, '=', &name, &value));
        cnt += slice_eq_nocase(name, variable) ? 1 : 0;
    }
    return cnt;
}

static void check_body(const struct agent_spec *spec) {
    struct cJSON *root = NULL;
    const struct cJSON *part;
    struct slice text;
    require(json_parse(buf_slice(&spec->create_body), &root, NULL) == EDGE_OK);
    require(json_get_str(root, "Image", &text, NULL) == EDGE_OK);
    require(slice_eq_str(text, spec->image));
    require(json_get_array(root, "Env", &part, NULL) == EDGE_OK);
    require(times_of(part, "IOTEDGE_DEVICEID") == 1 && times_of(part, "NetworkId") == 1);
    require(json_get_object(root, "Labels", &part, NULL) == EDGE_OK);
    require(json_get_str(part, AGENT_SPEC_LABEL, &text, NULL) == EDGE_OK);
    require(slice_eq_str(text, spec->fingerprint));
    require(json_get_str(part, RUNTIME_OWNER_LABEL, &text, NULL) == EDGE_OK);
    require(json_get_object(root, "HostConfig", &part, NULL) == EDGE_OK);
    require(json_get_array(part, "Binds", &part, NULL) == EDGE_OK);
    require(json_get_object(root, "NetworkingConfig", &part, NULL) == EDGE_OK);
    json_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char base[] =
        "provisioning: {source: dps, global_endpoint: 'https://d', scope_id: s, "
        "attestation: {method: tpm}}\n";
    static const struct agent_identity id = {"hub.example.net", "dev-1", "6380"};
    struct config_report report = {0};
    struct edge_config *cfg = NULL;
    struct agent_spec spec;
    struct buf text;
    buf_init(&text, CONFIG_SIZE_MAX);
    require(buf_append_str(&text, base, NULL) == EDGE_OK);
    if (buf_append(&text, data, size, NULL) == EDGE_OK &&
        config_parse("f", buf_slice(&text), &cfg, &report, NULL) == EDGE_OK) {
        enum edge_code code = agent_spec_build(cfg, &id, &spec, NULL);
        require(code == EDGE_OK || code == EDGE_RANGE);
        if (code == EDGE_OK) {
            check_body(&spec);
            agent_spec_clear(&spec);
        }
    }
    config_free(cfg);
    config_report_clear(&report);
    buf_clear(&text);
    return 0;
}
