/* SPDX-License-Identifier: MIT */
/* The table of keys is consistent in itself. */
#include "config/config_schema.h"

#include "test_config_expect.h"

#include <stdio.h>
#include <string.h>

static const struct config_key *parent_of(const struct config_key *row) {
    char parent[128];
    (void)snprintf(parent, sizeof(parent), "%s", row->path);
    char *dot = strrchr(parent, '.');
    size_t len = strlen(parent);
    if (len > 2 && strcmp(parent + len - 2, "[]") == 0) {
        parent[len - 2] = '\0';
        return config_schema_find(parent);
    }
    if (dot == NULL) {
        return NULL;
    }
    *dot = '\0';
    return config_schema_find(parent);
}

static void test_paths(void **state) {
    (void)state;
    size_t cnt = 0;
    const struct config_key *rows = config_schema_rows(&cnt);
    assert_true(cnt > 60);
    for (size_t i = 0; i < cnt; i++) {
        assert_ptr_equal(config_schema_find(rows[i].path), &rows[i]);
        const struct config_key *parent = parent_of(&rows[i]);
        if (strchr(rows[i].path, '.') != NULL) {
            assert_non_null(parent);
            assert_true(parent < &rows[i]);
            assert_true(parent->type == CONFIG_TYPE_MAP || parent->type == CONFIG_TYPE_NAMED_MAP ||
                        parent->type == CONFIG_TYPE_LIST || parent->type == CONFIG_TYPE_NUMBERS);
        }
        assert_non_null(rows[i].text);
        assert_true(rows[i].text[strlen(rows[i].text) - 1] == '.');
    }
    assert_null(config_schema_find("nothing"));
}

static void test_modes(void **state) {
    (void)state;
    size_t cnt = 0;
    const struct config_key *rows = config_schema_rows(&cnt);
    for (size_t i = 0; i < cnt; i++) {
        const struct config_key *parent = parent_of(&rows[i]);
        assert_int_equal(rows[i].required_in & ~rows[i].modes, 0);
        if ((rows[i].flags & CONFIG_FLAG_REQUIRED) == 0) {
            assert_int_equal(rows[i].required_in, 0);
        }
        if (parent != NULL && parent->modes != 0) {
            assert_int_equal(rows[i].modes & ~parent->modes, 0);
        }
    }
}

static void test_defaults_fit_their_rows(void **state) {
    (void)state;
    size_t cnt = 0;
    const struct config_key *rows = config_schema_rows(&cnt);
    for (size_t i = 0; i < cnt; i++) {
        const struct config_key *row = &rows[i];
        struct config_node node = {.kind = CONFIG_STRING};
        assert_true((row->type == CONFIG_TYPE_ENUM) == (row->choices[0] != NULL));
        assert_true(row->type == CONFIG_TYPE_UINT || row->unit == NULL);
        assert_true(row->type == CONFIG_TYPE_UINT || row->max < 32);
        assert_true(row->type == CONFIG_TYPE_UINT || row->type == CONFIG_TYPE_NUMBERS ||
                    row->max == 0);
        if (row->def == NULL) {
            continue;
        }
        node.text = slice_str(row->def);
        if (row->type == CONFIG_TYPE_BOOL) {
            node.kind = CONFIG_BOOL;
            assert_true(strcmp(row->def, "true") == 0 || strcmp(row->def, "false") == 0);
        } else if (row->type == CONFIG_TYPE_UINT) {
            node.kind = CONFIG_INT;
            assert_true(slice_parse_i64(node.text, &node.number));
        } else if (strcmp(row->def, "{}") == 0) {
            node.kind = CONFIG_MAP;
        }
        assert_int_equal(config_schema_accepts(row, &node, NULL), EDGE_OK);
    }
}

static void test_secrets_are_marked(void **state) {
    (void)state;
    static const char *const secrets[] = {"provisioning.device_connection_string",
                                          "provisioning.authentication.device_connection_string",
                                          "provisioning.attestation.symmetric_key",
                                          "cloud.https_proxy", "agent.config.auth.password"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(secrets); i++) {
        const struct config_key *row = config_schema_find(secrets[i]);
        assert_non_null(row);
        assert_true((row->flags & CONFIG_FLAG_SECRET) != 0);
        assert_null(row->def);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_defaults_fit_their_rows),
        cmocka_unit_test(test_secrets_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
