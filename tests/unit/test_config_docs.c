/* SPDX-License-Identifier: MIT */
/*
 * The template, the table in config/README.md and the entries of config.yaml(5) agree with the
 * table of keys. After a change of the table, `test_config_docs readme` and `test_config_docs man`
 * print what belongs into the documents.
 */
#include "base/buf.h"
#include "base/fs.h"
#include "config/config_doc.h"
#include "config/config_yaml.h"

#include "test_config_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_MAX 1024

static struct buf read_document(const char *folder, const char *name) {
    char path[1024];
    struct buf text;
    struct edge_error err;
    int dir = -1;
    (void)snprintf(path, sizeof(path), "%s/%s", EDGE_SOURCE_DIR, folder);
    buf_init(&text, 256 * 1024);
    assert_int_equal(fs_dir_open(path, false, 0, &dir, &err), EDGE_OK);
    assert_int_equal(fs_read(dir, name, &text, &err), EDGE_OK);
    assert_int_equal(close(dir), 0);
    assert_non_null(buf_cstr(&text));
    return text;
}

static size_t count_of(const char *text, const char *part) {
    size_t cnt = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        cnt++;
    }
    return cnt;
}

/* "string", "one of `a`, `b`", "0 to 9 days". */
static void describe_type(const struct config_key *row, const char *quote, char *out, size_t size) {
    static const char *const names[] = {
        [CONFIG_TYPE_MAP] = "mapping",
        [CONFIG_TYPE_STRING] = "string",
        [CONFIG_TYPE_BOOL] = "boolean",
        [CONFIG_TYPE_NAMED_MAP] = "string or mapping",
        [CONFIG_TYPE_STRING_MAP] = "mapping of strings",
        [CONFIG_TYPE_FREE_MAP] = "free mapping",
        [CONFIG_TYPE_LIST] = "list",
        [CONFIG_TYPE_NUMBERS] = "list of numbers",
    };
    if (row->type == CONFIG_TYPE_UINT) {
        (void)snprintf(out, size, "%llu to %llu%s%s", (unsigned long long)row->min,
                       (unsigned long long)row->max, row->unit != NULL ? " " : "",
                       row->unit != NULL ? row->unit : "");
        return;
    }
    if (row->type != CONFIG_TYPE_ENUM) {
        (void)snprintf(out, size, "%s", names[row->type]);
        return;
    }
    size_t len = 0;
    for (size_t i = 0; i < CONFIG_CHOICES_MAX && row->choices[i] != NULL; i++) {
        int n = snprintf(out + len, size - len, "%s%s%s%s", i == 0 ? "" : ", ", quote,
                         row->choices[i], quote);
        assert_true(n > 0 && (size_t)n < size - len);
        len += (size_t)n;
    }
}

static void readme_entry(const struct config_key *row, char *out) {
    char type[128];
    char def[96] = "";
    describe_type(row, "`", type, sizeof(type));
    if ((row->flags & CONFIG_FLAG_REQUIRED) != 0) {
        (void)snprintf(def, sizeof(def), "required%s", row->required_in != 0 ? " in its form" : "");
    } else if (row->def != NULL) {
        (void)snprintf(def, sizeof(def), "`%s`", row->def);
    }
    int n = snprintf(out, ENTRY_MAX, "| `%s`%s | %s | %s | %s | %s |\n", row->path,
                     (row->flags & CONFIG_FLAG_NEW) != 0 ? " (new)" : "", type, def,
                     row->used_by != NULL ? row->used_by : "", row->text);
    assert_true(n > 0 && n < ENTRY_MAX);
}

static void man_entry(const struct config_key *row, char *out) {
    char type[128];
    char def[96] = "";
    describe_type(row, "", type, sizeof(type));
    if ((row->flags & CONFIG_FLAG_REQUIRED) != 0) {
        (void)snprintf(def, sizeof(def), "; required");
    } else if (row->def != NULL) {
        (void)snprintf(def, sizeof(def), "; default %s", row->def);
    }
    char text[ENTRY_MAX];
    (void)snprintf(text, sizeof(text), ".TP\n.B %s\n(%s%s)\n%s\n", row->path, type, def, row->text);
    size_t len = 0;
    for (const char *c = text; *c != '\0' && len < ENTRY_MAX - 2; c++) {
        if (*c == '`') {
            continue;
        }
        if (*c == '-') {
            out[len++] = '\\';
        }
        out[len++] = *c;
    }
    out[len] = '\0';
}

static void compare(const char *folder, const char *name, const char *heading, const char *mark,
                    void (*entry)(const struct config_key *row, char *out)) {
    struct buf document = read_document(folder, name);
    const char *text = strstr(buf_cstr(&document), heading);
    assert_non_null(text);
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        char expected[ENTRY_MAX];
        entry(&rows[i], expected);
        if (count_of(text, expected) != 1) {
            fail_msg("%s lacks:\n%s", name, expected);
        }
    }
    assert_int_equal(count_of(text, mark), row_cnt);
    buf_clear(&document);
}

static void test_readme(void **state) {
    (void)state;
    compare("config", "README.md", "\n## Keys", "\n| `", readme_entry);
}

static void test_man(void **state) {
    (void)state;
    compare("packaging/man", "config.yaml.5", "\n.SH KEYS", "\n.TP\n.B ", man_entry);
}

static void test_template_asks_for_its_placeholders(void **state) {
    (void)state;
    struct buf text = read_document("config", "config.yaml");
    struct outcome o = outcome_of_slice(buf_slice(&text));
    assert_int_equal(o.code, EDGE_CONFIG);
    assert_int_equal(o.report.cnt, 2);
    assert_string_equal(o.report.items[0].key, "provisioning.scope_id");
    assert_string_equal(o.report.items[1].key, "hostname");
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(strstr(o.report.items[i].text, "placeholder"));
        assert_int_not_equal(o.report.items[i].line, 0);
    }
    outcome_clear(&o);
    buf_clear(&text);
}

/* Writes `value` over the placeholder, padded with blanks after the closing quote. */
static void fill(char *text, const char *placeholder, const char *value) {
    char *at = strstr(text, placeholder);
    assert_non_null(at);
    size_t len = strlen(placeholder);
    assert_true(strlen(value) + 1 <= len);
    memset(at, ' ', len + 1);
    memcpy(at, value, strlen(value));
    at[strlen(value)] = '"';
}

static char *filled_template(void) {
    struct buf text = read_document("config", "config.yaml");
    char *copy = strdup(buf_cstr(&text));
    assert_non_null(copy);
    fill(copy, "<ADD DPS ID SCOPE HERE>", "0ne00123ABC");
    fill(copy, "<ADD HOSTNAME HERE>", "edge.example");
    buf_clear(&text);
    return copy;
}

static void test_filled_template(void **state) {
    (void)state;
    char *text = filled_template();
    struct edge_config *cfg = expect_fine(text);
    assert_string_equal(cfg->hostname, "edge.example");
    assert_string_equal(cfg->provisioning.scope_id, "0ne00123ABC");
    assert_null(cfg->provisioning.registration_id);
    assert_string_equal(cfg->listen_workload.name, "iotedge.socket");
    assert_string_equal(cfg->listen_management.name, "iotedge.mgmt.socket");
    config_free(cfg);
    free(text);
}

/* A commented line that is "key:" or "- key:" is an example; prose starts with a capital or has no
 * colon. */
static bool is_example(const char *line) {
    line += strspn(line, " ");
    if (strncmp(line, "- ", 2) == 0) {
        line += 2;
    }
    if (*line < 'a' || *line > 'z') {
        return false;
    }
    size_t word = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_6");
    return word > 0 && line[word] == ':' && (line[word + 1] == ' ' || line[word + 1] == '\n');
}

/* Examples of whole sections that take the place of another one begin so. */
#define OTHER_FORM "# provisioning:"

static void uncomment(char *text) {
    for (char *line = text; line != NULL && *line != '\0';) {
        char *mark = line + strspn(line, " ");
        if (strncmp(line, OTHER_FORM, sizeof(OTHER_FORM) - 1) == 0) {
            line = strstr(line, "\n\n");
            continue;
        }
        if (strncmp(mark, "# ", 2) == 0 && is_example(mark + 2)) {
            memmove(mark, mark + 2, strlen(mark + 2) + 1);
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
}

/* Kept for old files only, or written in another form. */
static bool may_be_absent(const struct config_key *row) {
    return (row->modes != 0 && (row->modes & CONFIG_MODE_DPS_TPM) == 0) ||
           strcmp(row->path, "provisioning.registration_id") == 0 ||
           strcmp(row->path, "listen.min_tls_version") == 0 || strstr(row->path, "[]") != NULL;
}

static void test_template_shows_every_key(void **state) {
    (void)state;
    char *text = filled_template();
    uncomment(text);
    struct edge_config *cfg = expect_fine(text);
    assert_string_equal(cfg->provisioning.registration_id, "my-device");
    config_free(cfg);

    struct config_report report = {0};
    struct config_doc doc = {.report = &report};
    assert_int_equal(config_yaml_parse(slice_str(text), &doc.tree, &report, NULL), EDGE_OK);
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        if (!may_be_absent(&rows[i]) && config_doc_find(&doc, rows[i].path) == NULL) {
            fail_msg("the template does not show %s", rows[i].path);
        }
    }
    config_tree_free(doc.tree);
    free(text);
}

/* The text up to the next empty line, without comment signs, its placeholders filled in. */
static struct buf form_at(const char *block) {
    static const char *const values[][2] = {
        {"DPS ID SCOPE", "0ne00123ABC"},
        {"REGISTRATION ID", "my-device"},
        {"DEVICE KEY", "c2VjcmV0"},
        {"DEVICE CONNECTION STRING", "HostName=h.example;DeviceId=d;SharedAccessKey=c2VjcmV0"},
        {"HUB HOST NAME", "h.example"},
        {"DEVICE ID", "d"},
    };
    struct buf form;
    buf_init(&form, 4096);
    for (const char *c = block; strncmp(c, "\n\n", 2) != 0; c++) {
        if ((c == block || c[-1] == '\n') && strncmp(c, "# ", 2) == 0) {
            c += 2;
        }
        size_t i = 0;
        while (strncmp(c, "<ADD ", 5) == 0 && i < EDGE_ARRAY_LEN(values) &&
               strncmp(c + 5, values[i][0], strlen(values[i][0])) != 0) {
            i++;
        }
        if (strncmp(c, "<ADD ", 5) != 0) {
            assert_int_equal(buf_append(&form, c, 1, NULL), EDGE_OK);
            continue;
        }
        assert_true(i < EDGE_ARRAY_LEN(values));
        assert_int_equal(buf_append_str(&form, values[i][1], NULL), EDGE_OK);
        c = strchr(c, '>');
        assert_non_null(c);
    }
    assert_int_equal(buf_append_str(&form, "\n", NULL), EDGE_OK);
    return form;
}

static void test_template_shows_every_form(void **state) {
    (void)state;
    static const char *const modes[] = {
        "dps.symmetric_key",
        "dps.x509",
        "manual.device_connection_string",
        "manual.device_connection_string",
        "manual.device_connection_string",
        "manual.x509",
        "external",
    };
    struct buf text = read_document("config", "config.yaml");
    const char *at = buf_cstr(&text);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(modes); i++) {
        at = strstr(at, "\n" OTHER_FORM);
        assert_non_null(at);
        at++;
        struct buf form = form_at(at);
        struct edge_config *cfg = expect_fine(buf_cstr(&form));
        assert_string_equal(config_provisioning_mode(&cfg->provisioning), modes[i]);
        config_free(cfg);
        buf_clear(&form);
    }
    assert_null(strstr(at, "\n" OTHER_FORM));
    buf_clear(&text);
}

/* The examples of the README are usable, each with the section that it leaves out. */
static void test_readme_examples(void **state) {
    (void)state;
    static const char fence[] = "\n```yaml\n";
    struct buf text = read_document(".", "README.md");
    size_t cnt = 0;
    for (const char *at = strstr(buf_cstr(&text), fence); at != NULL; at = strstr(at, fence)) {
        struct buf example;
        at += sizeof(fence) - 1;
        struct slice block = slice_make(at, (size_t)(strstr(at, "```") - at));
        buf_init(&example, 8192);
        if (!slice_starts_with(block, "provisioning:")) {
            assert_int_equal(buf_append_str(&example, DPS, NULL), EDGE_OK);
        }
        assert_int_equal(buf_append_slice(&example, block, NULL), EDGE_OK);
        config_free(expect_fine(buf_cstr(&example)));
        buf_clear(&example);
        cnt++;
    }
    assert_true(cnt >= 2);
    buf_clear(&text);
}

static int print_entries(void (*entry)(const struct config_key *row, char *out)) {
    size_t row_cnt = 0;
    const struct config_key *rows = config_schema_rows(&row_cnt);
    for (size_t i = 0; i < row_cnt; i++) {
        char text[ENTRY_MAX];
        entry(&rows[i], text);
        (void)fputs(text, stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return print_entries(strcmp(argv[1], "man") == 0 ? man_entry : readme_entry);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readme),
        cmocka_unit_test(test_readme_examples),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_template_asks_for_its_placeholders),
        cmocka_unit_test(test_filled_template),
        cmocka_unit_test(test_template_shows_every_key),
        cmocka_unit_test(test_template_shows_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
