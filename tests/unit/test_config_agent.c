/* SPDX-License-Identifier: MIT */
/* The section about edgeAgent: what is taken from it, and what is said against it. */
#include "test_config_expect.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

#define OPTIONS "agent.config.createOptions"

static void test_everything_given(void **state) {
    (void)state;
    struct edge_config *cfg =
        expect_fine(DPS "agent:\n"
                        "  name: edgeAgent\n"
                        "  type: docker\n"
                        "  imagePullPolicy: never\n"
                        "  env: {b: x, Aa: ~, a.b: \"say \\\"hi\\\"\"}\n"
                        "  config:\n"
                        "    image: localhost:5000/agent@sha256:0123\n"
                        "    imageHash: ignored\n"
                        "    createOptions:\n"
                        "      Env: [A=b, C]\n"
                        "      Labels: {l: m}\n"
                        "      HostConfig: {Binds: ['/a:/b'], Memory: 5000000000}\n"
                        "      NetworkingConfig: {EndpointsConfig: {x: {}}}\n"
                        "    auth: {username: u, password: p, email: e, serveraddress: s}\n");
    struct slice auth = secret_slice(&cfg->agent.auth);
    assert_false(cfg->agent.pull);
    assert_string_equal(cfg->agent.image, "localhost:5000/agent@sha256:0123");
    assert_string_equal(buf_cstr(&cfg->agent.env),
                        "{\"b\":\"x\",\"Aa\":\"\",\"a.b\":\"say \\\"hi\\\"\"}");
    assert_string_equal(buf_cstr(&cfg->agent.create_options),
                        "{\"Env\":[\"A=b\",\"C\"],\"Labels\":{\"l\":\"m\"},"
                        "\"HostConfig\":{\"Binds\":[\"/a:/b\"],\"Memory\":5000000000},"
                        "\"NetworkingConfig\":{\"EndpointsConfig\":{\"x\":{}}}}");
    assert_true(slice_eq_str(auth, "{\"username\":\"u\",\"password\":\"p\",\"email\":\"e\","
                                   "\"serveraddress\":\"s\"}"));
    config_free(cfg);
}

static void test_defaults(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(DPS "agent: {env: {x: y}, config: {auth: {}}}\n");
    assert_true(cfg->agent.pull);
    assert_string_equal(cfg->agent.image, "mcr.microsoft.com/azureiotedge-agent:1.1");
    assert_string_equal(buf_cstr(&cfg->agent.create_options), "{}");
    assert_int_equal(cfg->agent.auth.len, 0);
    config_free(cfg);
}

static void test_kind_and_image(void **state) {
    (void)state;
    expect_error(DPS "agent: {type: podman}\n", 2, 15, "agent.type", "must be 'docker'");
    expect_error(DPS "agent: {type: ''}\n", 2, 15, "agent.type", "must be 'docker'");
    expect_warning(DPS "agent: {name: mine}\n", 2, 15, "agent.name", "is named edgeAgent");
    expect_error(DPS "agent: {config: {image: ''}}\n", 2, 25, "agent.config.image", "is empty");
    expect_error(DPS "agent: {config: {image: 'a b'}}\n", 2, 25, "agent.config.image",
                 "is no name of an image");
}

static void test_env(void **state) {
    (void)state;
    expect_error(DPS "agent: {env: {a=b: c}}\n", 2, 15, "agent.env.a...", "can have this name");
    expect_error(DPS "agent: {env: {'': c}}\n", 2, 15, "agent.env.", "can have this name");
    expect_warning(DPS "agent: {env: {iotedge_deviceid: c}}\n", 2, 33, "agent.env.iotedge_deviceid",
                   "the daemon sets this variable");
    expect_hidden(DPS "agent: {env: {networkid: S3cr3t}}\n", "S3cr3t");
    assert_true(config_is_agent_variable(slice_str("EDGEDEVICEHOSTNAME")));
    assert_false(config_is_agent_variable(slice_str("UpstreamProtocol")));
}

static void test_options_as_text(void **state) {
    (void)state;
    struct edge_config *cfg = expect_fine(
        DPS "agent: {config: {createOptions: ' {\"HostConfig\" : {\"Binds\":[\"/a:/b\"]}}'}}\n");
    assert_string_equal(buf_cstr(&cfg->agent.create_options),
                        "{\"HostConfig\":{\"Binds\":[\"/a:/b\"]}}");
    config_free(cfg);
    cfg = expect_fine(DPS "agent: {config: {createOptions: ''}}\n");
    assert_string_equal(buf_cstr(&cfg->agent.create_options), "{}");
    config_free(cfg);
    expect_error(DPS "agent: {config: {createOptions: '{\"Env\":\"a=b\"}'}}\n", 2, 18,
                 OPTIONS ".Env", "must be a list of strings");
    expect_error(DPS "agent: {config: {createOptions: '[]'}}\n", 2, 33, OPTIONS, "no JSON object");
}

/* One member of createOptions in line 6, column 9. */
static void refuse(const char *member, const char *path, const char *part) {
    char text[512];
    (void)snprintf(text, sizeof(text), DPS "agent:\n  config:\n    createOptions:\n      %s\n",
                   member);
    struct outcome o = outcome_of(text);
    bool found = false;
    assert_int_equal(o.code, EDGE_CONFIG);
    for (size_t i = 0; i < o.report.cnt; i++) {
        const struct config_problem *p = &o.report.items[i];
        found =
            found || (p->line == 5 && strcmp(p->key, path) == 0 && strstr(p->text, part) != NULL);
    }
    if (!found) {
        fail_msg("%s: not refused as expected", member);
    }
    outcome_clear(&o);
}

static void test_options(void **state) {
    (void)state;
    refuse("Env: a=b", OPTIONS ".Env", "a list of strings");
    refuse("env: [5]", OPTIONS ".env", "a list of strings");
    refuse("Env: ['=x']", OPTIONS ".Env", "without a name");
    refuse("Labels: {a: 1}", OPTIONS ".Labels", "a mapping of strings");
    refuse("HostConfig: []", OPTIONS ".HostConfig", "a mapping");
    refuse("hostConfig: {binds: x}", OPTIONS ".hostConfig.binds", "a list of strings");
    refuse("NetworkingConfig: 1", OPTIONS ".NetworkingConfig", "a mapping");
    refuse("NetworkingConfig: {EndpointsConfig: [a]}", OPTIONS ".NetworkingConfig.EndpointsConfig",
           "a mapping");
    refuse("{Env: [], ENV: []}", OPTIONS ".ENV", "the same as Env");
    expect_warning(DPS "agent: {config: {createOptions: {Env: [Mode=x]}}}\n", 2, 39, OPTIONS ".Env",
                   "ignored as to Mode");
    config_free(expect_fine(DPS "agent: {config: {createOptions: {Env: ~, HostConfig: ~}}}\n"));
}

static void test_auth(void **state) {
    (void)state;
    expect_error(DPS "agent: {config: {auth: {username: u}}}\n", 2, 18,
                 "agent.config.auth.password", "wants username and password");
    expect_error(DPS "agent: {config: {auth: {username: '', password: p}}}\n", 2, 35,
                 "agent.config.auth.username", "wants username and password");
    expect_warning(DPS "agent: {imagePullPolicy: never, config: {auth: {username: u}}}\n", 2, 42,
                   "agent.config.auth.password", "wants username and password");
    expect_hidden(DPS "agent: {config: {auth: {password: S3cr3t}}}\n", "S3cr3t");
    struct edge_config *cfg = expect_fine(DPS "agent: {config: {auth: {serveraddress: s}}}\n");
    assert_int_equal(cfg->agent.auth.len, 0);
    config_free(cfg);
    char text[CONFIG_AUTH_MAX + 512];
    (void)snprintf(text, sizeof(text),
                   DPS "agent: {config: {auth: {username: u, password: %0*d}}}\n", CONFIG_AUTH_MAX,
                   7);
    char *number = strstr(text, "password: 0");
    number[10] = 'x'; /* no number any more */
    expect_error(text, 2, 24, "agent.config.auth", "more than 8192 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_given),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_kind_and_image),
        cmocka_unit_test(test_env),
        cmocka_unit_test(test_options_as_text),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_auth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
