/* SPDX-License-Identifier: MIT */
/*
 * Prints the body of the create call that the daemon would make for edgeAgent:
 *
 *   agent_spec_probe CONFIG HUB DEVICE GENERATION
 */
#include "agent/agent_spec.h"
#include "base/secret.h"

#include <stdio.h>

static int print_spec(const char *path, const struct agent_identity *id) {
    struct edge_config *cfg = NULL;
    struct config_report report = {0};
    struct agent_spec spec = {0};
    struct edge_error err;
    enum edge_code code = config_load(path, &cfg, &report, &err);
    if (code == EDGE_OK) {
        code = agent_spec_build(cfg, id, &spec, &err);
    }
    if (code == EDGE_OK) {
        printf("%s\n", buf_cstr(&spec.create_body));
    } else {
        fprintf(stderr, "%s\n", edge_error_text(&err));
    }
    agent_spec_clear(&spec);
    config_report_clear(&report);
    config_free(cfg);
    return code == EDGE_OK ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 5 || secret_heap_init(NULL, NULL) != EDGE_OK) {
        fprintf(stderr, "usage: agent_spec_probe CONFIG HUB DEVICE GENERATION\n");
        return 2;
    }
    const struct agent_identity id = {argv[2], argv[3], argv[4]};
    return print_spec(argv[1], &id);
}
