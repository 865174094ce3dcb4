/* SPDX-License-Identifier: MIT */
/* The network of the modules. */
#include "test_config_expect.h"

#include <stdio.h>
#include <string.h>

#define NETWORK DPS "moby_runtime: {network: {name: n, ipv6: true, ipam: {config: ["

static void test_ranges(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(NETWORK "{subnet: 10.0.0.0/8}, {}, {gateway: 'fe80::1', ip_range: ~}]}}}\n");
    const struct config_network *n = &cfg->network;
    assert_string_equal(n->name, "n");
    assert_true(n->ipv6);
    assert_int_equal(n->range_cnt, 3);
    assert_string_equal(n->ranges[0].subnet, "10.0.0.0/8");
    assert_null(n->ranges[0].gateway);
    assert_null(n->ranges[1].subnet);
    assert_string_equal(n->ranges[2].gateway, "fe80::1");
    assert_null(n->ranges[2].ip_range);
    config_free(cfg);
}

static void test_doubts(void **state) {
    (void)state;
    expect_warning(NETWORK "{gateway: 10.0.0}]}}}\n", 2, 73,
                   "moby_runtime.network.ipam.config[0].gateway", "is no IP address");
    expect_warning(NETWORK "{}, {subnet: 10.0.0.0/33}]}}}\n", 2, 76,
                   "moby_runtime.network.ipam.config[1].subnet", "is no range");
    expect_warning(NETWORK "{ip_range: 10.0.0.0}]}}}\n", 2, 74,
                   "moby_runtime.network.ipam.config[0].ip_range", "will not make the network");
}

static void test_too_many(void **state) {
    char text[1024];
    (void)state;
    size_t len = (size_t)snprintf(text, sizeof(text), NETWORK "{}");
    for (int i = 1; i <= CONFIG_NETWORK_RANGES_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ", {}");
    }
    (void)snprintf(text + len, sizeof(text) - len, "]}}}\n");
    expect_error(text, 2, 62, "moby_runtime.network.ipam.config", "has 17 ranges");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
