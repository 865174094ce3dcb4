/* SPDX-License-Identifier: MIT */
#include "runtime/docker_network_json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_find(void **state) {
    static const struct {
        const char *json;
        enum edge_code code;
        bool found;
    } rows[] = {
        {"[]", EDGE_OK, false},
        {"[{\"Name\":\"net\"}]", EDGE_OK, true},
        {"[{\"Name\":\"my-net\"},{\"Name\":\"network\"},{\"Name\":\"Net\"}]", EDGE_OK, false},
        {"[{\"Name\":\"my-net\"},{\"Name\":\"net\"},{\"Id\":\"0\"}]", EDGE_OK, true},
        {"[{\"Name\":1}]", EDGE_PROTO, false},
        {"[null]", EDGE_PROTO, false},
        {"{}", EDGE_PROTO, false},
        {"[", EDGE_PARSE, false},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        bool found = false;
        assert_int_equal(docker_network_json_find(slice_str(rows[i].json), "net", &found, NULL),
                         rows[i].code);
        assert_int_equal(found, rows[i].found);
    }
}

static const struct runtime_network_range ranges[] = {
    {.subnet = "172.20.0.0/16", .gateway = "172.20.0.1", .ip_range = "172.20.1.0/24"},
    {.subnet = "fd00::/64"},
};

static void test_create(void **state) {
    const struct runtime_network net = {
        .name = "a\"b", .ipv6 = true, .ranges = ranges, .range_cnt = EDGE_ARRAY_LEN(ranges)};
    struct buf out EDGE_CLEANUP(buf_clear);
    (void)state;
    buf_init(&out, 1024);
    assert_int_equal(docker_network_json_create(&net, &out, NULL), EDGE_OK);
    assert_string_equal(
        buf_cstr(&out),
        "{\"Name\":\"a\\\"b\",\"CheckDuplicate\":true,\"EnableIPv6\":true,\"IPAM\":{\"Config\":["
        "{\"Subnet\":\"172.20.0.0/16\",\"Gateway\":\"172.20.0.1\",\"IPRange\":\"172.20.1.0/24\"},"
        "{\"Subnet\":\"fd00::/64\"}]}}");
    buf_clear(&out);
    buf_init(&out, 16);
    assert_int_equal(docker_network_json_create(&net, &out, NULL), EDGE_RANGE);
}

static enum edge_code one_round(void *data) {
    bool found;
    (void)data;
    return docker_network_json_find(SLICE_LIT("[{\"Name\":\"net\"}]"), "net", &found, NULL);
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
