/* SPDX-License-Identifier: MIT */
#include "agent_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const struct agent_identity agent_world_identity = {"hub.example.net", "dev-1", "6380"};

struct edge_config *agent_world_config(const char *more) {
    static const char base[] =
        "provisioning: {source: dps, global_endpoint: 'https://dps.example', scope_id: 0ne1, "
        "attestation: {method: tpm}}\n"
        "hostname: Edge.Example\n"
        "homedir: /srv/edge\n";
    char text[8192];
    struct config_report report = {0};
    struct edge_config *cfg = NULL;
    struct edge_error err;
    (void)snprintf(text, sizeof(text), "%s%s", base, more);
    if (config_parse("config.yaml", slice_str(text), &cfg, &report, &err) != EDGE_OK) {
        fail_msg("%s: %s", more, report.cnt > 0 ? report.items[0].text : err.text);
    }
    config_report_clear(&report);
    return cfg;
}

const char *agent_world_fingerprint(const struct edge_config *cfg, const struct agent_identity *id,
                                    char ret[SHA256_HEX]) {
    struct agent_spec spec;
    struct edge_error err;
    assert_int_equal(agent_spec_build(cfg, id, &spec, &err), EDGE_OK);
    memcpy(ret, spec.fingerprint, SHA256_HEX);
    agent_spec_clear(&spec);
    return ret;
}
