/* SPDX-License-Identifier: MIT */
/* What an unknown key was probably meant to be. */
#include "config/config_schema.h"

#include "test_config_expect.h"

static void test_suggestions(void **state) {
    (void)state;
    static const struct {
        const char *parent;
        const char *name;
        const char *expected; /* NULL: none */
    } cases[] = {
        {"", "hostnam", "hostname"},
        {"", "Hostname", "hostname"},
        {"", "host_name", "hostname"},
        {"", "HOMEDIR", "homedir"},
        {"", "homdeir", "homedir"},
        {"", "provisionning", "provisioning"},
        {"", "watch-dog", "watchdog"},
        {"", "tpn", "tpm"},
        {"provisioning", "scopeId", "provisioning.scope_id"},
        {"provisioning", "global_endpont", "provisioning.global_endpoint"},
        {"provisioning", "sourcex", "provisioning.source"},
        {"provisioning.attestation", "registrationId", "provisioning.attestation.registration_id"},
        {"agent", "image_pull_policy", "agent.imagePullPolicy"},
        {"agent.config", "create_options", "agent.config.createOptions"},
        {"agent.config", "createoptions", "agent.config.createOptions"},
        {"agent", "createOptions", "agent.config.createOptions"},
        {"moby_runtime.network.ipam.config[]", "ipRange",
         "moby_runtime.network.ipam.config[].ip_range"},
        {"", "scope_id", "provisioning.scope_id"},
        {"provisioning", "hostname", "hostname"},
        {"connect", "min_tls_version", "listen.min_tls_version"},
        {"", "docker_uri", "moby_runtime.uri"},
        {"", "network", "moby_runtime.network"},
        {"provisioning", "id_scope", "provisioning.scope_id"},
        {"", "tcti", "tpm.tcti"},
        {"", "image_gc", "image_garbage_collection"},
        {"image_garbage_collection", "cleanup_recurrence",
         "image_garbage_collection.interval_hours"},
        {"agent.config.auth", "user", "agent.config.auth.username"},
        {"", "x", NULL},
        {"", "zzzzzzzz", NULL},
        {"", "", NULL},
        {"", "___", NULL},
        {"provisioning", "colour", NULL},
        {"", "hostnamehostnamehostnamehostnamehostnamehostnamehostname", NULL},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        const char *found = config_schema_suggest(cases[i].parent, slice_str(cases[i].name));
        if (cases[i].expected == NULL) {
            if (found != NULL) {
                fail_msg("'%s': unexpected '%s'", cases[i].name, found);
            }
        } else if (found == NULL) {
            fail_msg("'%s': nothing found", cases[i].name);
        } else {
            assert_string_equal(found, cases[i].expected);
        }
    }
}

static void test_every_key_finds_itself(void **state) {
    (void)state;
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        struct slice path = slice_str(rows[i].path);
        size_t cut = path.len;
        while (cut > 0 && path.ptr[cut - 1] != '.') {
            cut--;
        }
        char parent[128] = "";
        if (cut > 0) {
            assert_true(slice_to_array(slice_make(path.ptr, cut - 1), parent, sizeof(parent)));
        }
        const char *found =
            config_schema_suggest(parent, slice_make(path.ptr + cut, path.len - cut));
        assert_non_null(found);
        assert_string_equal(found, rows[i].path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_every_key_finds_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
