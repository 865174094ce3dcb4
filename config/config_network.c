/* SPDX-License-Identifier: MIT */
/*
 * The network of the modules, by name or with what is needed to make it.
 */
#include "config/config_take.h"
#include "config/config_value.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH   "moby_runtime.network"
#define RANGES PATH ".ipam.config"

/* One that the engine would not take matters only where the network does not exist yet. */
static void take_member(struct config_doc *doc, const struct config_node *range, unsigned index,
                        const char *name, config_rule *rule, char **ret) {
    const struct config_node *node = config_tree_member(range, slice_str(name));
    if (node == NULL || node->kind != CONFIG_STRING || node->text.len == 0) {
        return;
    }
    const char *reason = rule(node->text);
    if (reason != NULL) {
        char path[64];
        (void)snprintf(path, sizeof(path), RANGES "[%u].%s", index, name);
        config_report_add(doc->report, CONFIG_WARNING, node->line, node->column, path,
                          "%s; the engine will not make the network", reason);
    }
    config_take_copy(doc, node->text, ret);
}

static void take_ranges(struct config_doc *doc, struct config_network *network) {
    const struct config_node *list = config_doc_get(doc, RANGES);
    unsigned cnt = 0;
    for (const struct config_node *n = list != NULL ? list->first : NULL; n != NULL; n = n->next) {
        cnt++;
    }
    if (cnt > CONFIG_NETWORK_RANGES_MAX) {
        config_doc_problem(doc, CONFIG_ERROR, RANGES, "has %u ranges; at most %d are taken", cnt,
                           CONFIG_NETWORK_RANGES_MAX);
        return;
    }
    network->ranges = calloc(cnt + 1, sizeof(*network->ranges));
    if (network->ranges == NULL) {
        doc->report->nomem = true;
        return;
    }
    for (const struct config_node *n = list != NULL ? list->first : NULL; n != NULL; n = n->next) {
        unsigned i = (unsigned)network->range_cnt++;
        struct config_network_range *r = &network->ranges[i];
        take_member(doc, n, i, "gateway", config_value_ip_address, &r->gateway);
        take_member(doc, n, i, "subnet", config_value_ip_range, &r->subnet);
        take_member(doc, n, i, "ip_range", config_value_ip_range, &r->ip_range);
    }
}

void config_take_network(struct config_doc *doc, struct config_network *network) {
    const char *path = PATH;
    const struct config_node *node = config_doc_get(doc, path);
    struct slice name = slice_str(config_schema_find(path)->def);
    if (node != NULL && node->kind == CONFIG_MAP) {
        path = PATH ".name";
        node = config_doc_get(doc, path);
        network->ipv6 = config_doc_bool(doc, PATH ".ipv6");
        take_ranges(doc, network);
    }
    /* An empty name means the default one, as in the 1.1 daemon. */
    if (node != NULL && node->text.len > 0) {
        name = node->text;
    }
    config_take_copy(doc, name, &network->name);
}

void config_network_clear(struct config_network *network) {
    for (size_t i = 0; i < network->range_cnt; i++) {
        free(network->ranges[i].subnet);
        free(network->ranges[i].gateway);
        free(network->ranges[i].ip_range);
    }
    free(network->ranges);
    free(network->name);
}
