/* SPDX-License-Identifier: MIT */
/*
 * From config.yaml and an identity to the container of edgeAgent.
 */
#include "agent_world.h"

#include "base/json.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OPTIONS(text) "agent: {config: {createOptions: " text "}}\n"

static struct edge_config *cfg;
static struct agent_spec spec;
static struct cJSON *body;

static void build(const char *more) {
    struct edge_error err;
    cfg = agent_world_config(more);
    assert_int_equal(agent_spec_build(cfg, &agent_world_identity, &spec, &err), EDGE_OK);
    assert_int_equal(json_parse(buf_slice(&spec.create_body), &body, &err), EDGE_OK);
}

static void clear(void) {
    json_free(body);
    body = NULL;
    agent_spec_clear(&spec);
    config_free(cfg);
    cfg = NULL;
}

static const struct cJSON *at(const struct cJSON *node, const char *name) {
    const struct cJSON *found = NULL;
    for (const struct cJSON *n = json_first(node); n != NULL; n = json_next(n)) {
        if (strcmp(json_name(n), name) == 0) {
            assert_null(found);
            found = n;
        }
    }
    return found;
}

/* Times that a text stands in a list. */
static unsigned times_in(const struct cJSON *list, const char *text) {
    unsigned cnt = 0;
    assert_true(json_is_array(list));
    for (const struct cJSON *n = json_first(list); n != NULL; n = json_next(n)) {
        cnt += slice_eq_str(json_str(n), text) ? 1 : 0;
    }
    return cnt;
}

static unsigned length(const struct cJSON *list) {
    unsigned cnt = 0;
    for (const struct cJSON *n = json_first(list); n != NULL; n = json_next(n)) {
        cnt++;
    }
    return cnt;
}

static void assert_env(const char *text) {
    if (times_in(at(body, "Env"), text) != 1) {
        fail_msg("Env has not once: %s", text);
    }
}

static void assert_text(const struct cJSON *node, const char *text) {
    assert_true(json_is_str(node));
    assert_true(slice_eq_str(json_str(node), text));
}

static void assert_label(const char *name, const char *value) {
    assert_text(at(at(body, "Labels"), name), value);
}

static void test_all_by_default(void **state) {
    static const char *const env[] = {
        "IOTEDGE_IOTHUBHOSTNAME=hub.example.net",
        "EdgeDeviceHostName=edge.example",
        "IOTEDGE_DEVICEID=dev-1",
        "IOTEDGE_MODULEID=$edgeAgent",
        "IOTEDGE_MODULEGENERATIONID=6380",
        "IOTEDGE_WORKLOADURI=unix:///var/run/iotedge/workload.sock",
        "IOTEDGE_WORKLOADLISTEN_MNTURI=unix:///srv/edge/mnt",
        "IOTEDGE_MANAGEMENTURI=unix:///var/run/iotedge/mgmt.sock",
        "IOTEDGE_AUTHSCHEME=sasToken",
        "IOTEDGE_APIVERSION=2022-08-03",
        "Mode=iotedged",
        "NetworkId=azure-iot-edge",
    };
    (void)state;
    build("");
    assert_string_equal(spec.image, "mcr.microsoft.com/azureiotedge-agent:1.1");
    assert_true(spec.pull);
    assert_int_equal(spec.auth_json.len, 0);
    assert_int_equal(strlen(spec.fingerprint), SHA256_HEX - 1);
    assert_text(at(body, "Image"), spec.image);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(env); i++) {
        assert_env(env[i]);
        struct slice name, value;
        assert_true(slice_cut(slice_str(env[i]), '=', &name, &value));
        assert_true(config_is_agent_variable(name)); /* or else config.yaml could set it, too */
    }
    assert_int_equal(length(at(body, "Env")), EDGE_ARRAY_LEN(env));
    assert_label("net.azure-devices.edge.owner", "Microsoft.Azure.Devices.Edge.Agent");
    assert_label("net.azure-devices.edge.create-options", "{}");
    assert_label("net.azure-devices.edge.env", "{}");
    assert_label(AGENT_SPEC_LABEL, spec.fingerprint);
    const struct cJSON *binds = at(at(body, "HostConfig"), "Binds");
    assert_int_equal(length(binds), 2);
    assert_int_equal(times_in(binds, "/var/run/iotedge/mgmt.sock:/var/run/iotedge/mgmt.sock"), 1);
    assert_int_equal(times_in(binds, "/srv/edge/mnt/edgeAgent.sock:/var/run/iotedge/workload.sock"),
                     1);
    const struct cJSON *endpoints = at(at(body, "NetworkingConfig"), "EndpointsConfig");
    assert_int_equal(length(endpoints), 1);
    assert_true(json_is_object(at(endpoints, "azure-iot-edge")));
    clear();
}

static void test_what_is_configured(void **state) {
    (void)state;
    build("agent:\n"
          "  imagePullPolicy: never\n"
          "  env: {UpstreamProtocol: Amqp, empty: ~}\n"
          "  config:\n"
          "    image: r.example/agent:2\n"
          "    auth: {username: u, password: p}\n"
          "    createOptions:\n"
          "      Hostname: h\n"
          "      Image: other\n"
          "      Env: [RuntimeLogLevel=debug, UpstreamProtocol=Mqtt]\n"
          "      Labels: {mine: x, net.azure-devices.edge.env: no}\n"
          "      HostConfig: {Privileged: true, CapAdd: [NET_ADMIN], Memory: 1000000000,\n"
          "        Binds: ['/a:/b:ro']}\n"
          "      NetworkingConfig: {X: 1}\n"
          "moby_runtime: {network: plant}\n");
    assert_string_equal(spec.image, "r.example/agent:2");
    assert_false(spec.pull);
    assert_true(slice_eq_str(spec.auth_json, "{\"username\":\"u\",\"password\":\"p\"}"));
    assert_text(at(body, "Image"), "r.example/agent:2");
    assert_text(at(body, "Hostname"), "h");
    assert_env("UpstreamProtocol=Mqtt"); /* createOptions go before agent.env */
    assert_env("empty=");
    assert_env("RuntimeLogLevel=debug");
    assert_env("NetworkId=plant");
    assert_label("mine", "x");
    assert_label("net.azure-devices.edge.env", "{}");
    const struct cJSON *host = at(body, "HostConfig");
    assert_non_null(at(host, "Privileged"));
    assert_int_equal(times_in(at(host, "CapAdd"), "NET_ADMIN"), 1);
    assert_int_equal(json_int(at(host, "Memory"), 0), 1000000000);
    assert_int_equal(length(at(host, "Binds")), 3);
    assert_int_equal(times_in(at(host, "Binds"), "/a:/b:ro"), 1);
    assert_non_null(at(at(body, "NetworkingConfig"), "X"));
    assert_non_null(at(at(at(body, "NetworkingConfig"), "EndpointsConfig"), "plant"));
    clear();
}

/* Modules may be held to less; edgeAgent is the operator's own. */
static void test_privileges_stay(void **state) {
    (void)state;
    build("allow_elevated_docker_permissions: false\n" OPTIONS("{HostConfig: {Privileged: true}}"));
    assert_non_null(at(at(body, "HostConfig"), "Privileged"));
    assert_null(at(at(body, "HostConfig"), "CapDrop"));
    clear();
}

static void test_identity_wins(void **state) {
    struct edge_error err;
    struct config_report report = {0};
    (void)state;
    cfg = agent_world_config(
        "agent: {env: {IOTEDGE_DEVICEID: a, mode: b}, config: {createOptions: "
        "{Env: ['IOTEDGE_MODULEGENERATIONID=1', 'iotedge_workloaduri=x', NETWORKID, Mode=k]}}}\n");
    config_report_clear(&report);
    assert_int_equal(agent_spec_build(cfg, &agent_world_identity, &spec, &err), EDGE_OK);
    assert_int_equal(json_parse(buf_slice(&spec.create_body), &body, &err), EDGE_OK);
    assert_env("IOTEDGE_DEVICEID=dev-1");
    assert_env("IOTEDGE_MODULEGENERATIONID=6380");
    assert_int_equal(length(at(body, "Env")), 12);
    clear();
}

/* Names that the engine takes for its own in any case of letters. */
static void test_case_of_members(void **state) {
    (void)state;
    build(OPTIONS("{hostconfig: {binds: ['/a:/b']}, ENV: [A=1], labels: {l: m},"
                  " networkingConfig: {endpointsConfig: {}}}"));
    assert_null(at(body, "hostconfig"));
    assert_int_equal(length(at(at(body, "HostConfig"), "Binds")), 3);
    assert_env("A=1");
    assert_label("l", "m");
    assert_null(at(body, "networkingConfig"));
    assert_int_equal(length(at(at(body, "NetworkingConfig"), "EndpointsConfig")), 1);
    clear();
}

static void test_binds_of_the_operator(void **state) {
    (void)state;
    build(OPTIONS("{HostConfig: {Binds: ['/run/iotedge/mgmt.sock:/var/run/iotedge/mgmt.sock:z',"
                  " '/x:/y', volume]}}"));
    const struct cJSON *binds = at(at(body, "HostConfig"), "Binds");
    assert_int_equal(length(binds), 4);
    assert_int_equal(times_in(binds, "/var/run/iotedge/mgmt.sock:/var/run/iotedge/mgmt.sock"), 0);
    assert_int_equal(times_in(binds, "/srv/edge/mnt/edgeAgent.sock:/var/run/iotedge/workload.sock"),
                     1);
    clear();
}

/* An engine refuses two mounts at one place. */
static void test_mounts_of_the_operator(void **state) {
    (void)state;
    build(OPTIONS("{HostConfig: {mounts: [7, {Type: bind, Source: /s, target:"
                  " /var/run/iotedge/workload.sock}, {Target: /y}]}}"));
    const struct cJSON *binds = at(at(body, "HostConfig"), "Binds");
    assert_int_equal(length(binds), 1);
    assert_int_equal(times_in(binds, "/var/run/iotedge/mgmt.sock:/var/run/iotedge/mgmt.sock"), 1);
    clear();
}

static unsigned endpoints_of(const char *options) {
    char more[512];
    (void)snprintf(more, sizeof(more), OPTIONS("%s"), options);
    build(more);
    unsigned cnt = length(at(at(body, "NetworkingConfig"), "EndpointsConfig"));
    clear();
    return cnt;
}

static void test_network_of_the_operator(void **state) {
    (void)state;
    assert_int_equal(endpoints_of("{HostConfig: {NetworkMode: host}}"), 0);
    assert_int_equal(endpoints_of("{HostConfig: {NetworkMode: default}}"), 1);
    assert_int_equal(endpoints_of("{HostConfig: {NetworkMode: ''}}"), 1);
    assert_int_equal(endpoints_of("{NetworkingConfig: {EndpointsConfig: {plant: {}}}}"), 1);
    assert_int_equal(endpoints_of("{NetworkingConfig: ~, HostConfig: ~, Env: ~, Labels: ~}"), 1);
}

/* --- Fingerprint --- */

static bool same(const char *a, const char *b) {
    char x[SHA256_HEX], y[SHA256_HEX];
    struct edge_config *one = agent_world_config(a), *other = agent_world_config(b);
    bool eq = strcmp(agent_world_fingerprint(one, &agent_world_identity, x),
                     agent_world_fingerprint(other, &agent_world_identity, y)) == 0;
    config_free(one);
    config_free(other);
    return eq;
}

static void test_fingerprint_of_a_configuration(void **state) {
    static const char *const others[] = {
        "agent: {env: {a: b}}\n",
        "agent: {config: {image: other}}\n",
        OPTIONS("{Hostname: h}"),
        "moby_runtime: {network: other}\n",
        "connect: {workload_uri: 'unix:///run/iotedge/workload.sock'}\n",
        "connect: {management_uri: 'unix:///run/iotedge/mgmt.sock'}\n",
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        if (same("", others[i])) {
            fail_msg("makes no difference: %s", others[i]);
        }
    }
    /* Another order, another spelling, or nothing that the container shows. */
    assert_true(same("agent: {env: {a: b, c: d}}\n", "agent: {env: {c: d, a: b}}\n"));
    assert_true(same(OPTIONS("{A: 1, HostConfig: {B: [1, 2], C: {d: e, f: g}}}"),
                     OPTIONS("'{\"HostConfig\":{\"C\":{\"f\":\"g\",\"d\":\"e\"},\"B\":[1,2]},"
                             " \"A\":1}'")));
    assert_false(same(OPTIONS("{B: [1, 2]}"), OPTIONS("{B: [2, 1]}")));
    assert_true(same("", "agent: {imagePullPolicy: never}\n"));
    assert_true(same("", "agent: {config: {auth: {username: u, password: p}}}\n"));
    assert_true(same("", "allow_elevated_docker_permissions: false\n"));
    assert_true(same("", "watchdog: {max_retries: 3}\n"));
    assert_true(same("", "hsm: {derived_key_ttl: 1}\nlisten: {module_control: operators}\n"));
}

static void test_fingerprint_of_an_identity(void **state) {
    static const struct agent_identity others[] = {
        {"hub2.example.net", "dev-1", "6380"},
        {"hub.example.net", "Dev-1", "6380"},
        {"hub.example.net", "dev-1", "6381"},
    };
    static const struct agent_identity other_case = {"HUB.Example.net", "dev-1", "6380"};
    char own[SHA256_HEX], other[SHA256_HEX];
    (void)state;
    cfg = agent_world_config("");
    (void)agent_world_fingerprint(cfg, &agent_world_identity, own);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(others); i++) {
        assert_string_not_equal(agent_world_fingerprint(cfg, &others[i], other), own);
    }
    assert_string_equal(agent_world_fingerprint(cfg, &other_case, other), own);
    config_free(cfg);
    cfg = NULL;
}

/* --- Failures --- */

static enum edge_code build_once(void *data) {
    struct agent_spec s;
    enum edge_code code = agent_spec_build(data, &agent_world_identity, &s, NULL);
    if (code == EDGE_OK) {
        agent_spec_clear(&s);
    }
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    cfg = agent_world_config("agent: {env: {a: b}, config: {createOptions: "
                             "{Env: [x=y], HostConfig: {Binds: ['/a:/b']}, Labels: {l: m}}}}\n");
    assert_true(alloc_fail_torture(build_once, cfg) > 0);
    config_free(cfg);
    cfg = NULL;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_by_default),
        cmocka_unit_test(test_what_is_configured),
        cmocka_unit_test(test_privileges_stay),
        cmocka_unit_test(test_identity_wins),
        cmocka_unit_test(test_case_of_members),
        cmocka_unit_test(test_binds_of_the_operator),
        cmocka_unit_test(test_mounts_of_the_operator),
        cmocka_unit_test(test_network_of_the_operator),
        cmocka_unit_test(test_fingerprint_of_a_configuration),
        cmocka_unit_test(test_fingerprint_of_an_identity),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
