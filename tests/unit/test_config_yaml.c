/* SPDX-License-Identifier: MIT */
/* Dialect, positions and bounds of the YAML reader. */
#include "config/config_yaml.h"

#include "test_config_expect.h"

#include <stdlib.h>
#include <string.h>

/* The library allocates with functions of its own, so its failures are played here. */
static unsigned parse_fails_at; /* the n-th event; 0: never */
static bool initialize_fails;

struct yaml_parser_s;
struct yaml_event_s;
int __real_yaml_parser_initialize(struct yaml_parser_s *parser);
int __wrap_yaml_parser_initialize(struct yaml_parser_s *parser);
int __real_yaml_parser_parse(struct yaml_parser_s *parser, struct yaml_event_s *event);
int __wrap_yaml_parser_parse(struct yaml_parser_s *parser, struct yaml_event_s *event);

int __wrap_yaml_parser_initialize(struct yaml_parser_s *parser) {
    return initialize_fails ? 0 : __real_yaml_parser_initialize(parser);
}

int __wrap_yaml_parser_parse(struct yaml_parser_s *parser, struct yaml_event_s *event) {
    if (parse_fails_at > 0 && --parse_fails_at == 0) {
        /* enum yaml_error_type_e is the parser's first member, and YAML_MEMORY_ERROR its first
         * fault. */
        int memory_error = 1;
        memcpy(parser, &memory_error, sizeof(memory_error));
        return 0;
    }
    return __real_yaml_parser_parse(parser, event);
}

static struct config_tree *tree_of(const char *text, struct config_report *report) {
    struct config_tree *tree = NULL;
    struct edge_error err;
    enum edge_code code = config_yaml_parse(slice_str(text), &tree, report, &err);
    assert_int_equal(code, EDGE_OK);
    assert_non_null(tree);
    return tree;
}

static struct config_tree *clean_tree_of(const char *text) {
    struct config_report report = {0};
    struct config_tree *tree = tree_of(text, &report);
    assert_int_equal(report.cnt, 0);
    config_report_clear(&report);
    return tree;
}

static const struct config_node *at(const struct config_tree *tree, const char *key) {
    const struct config_node *node = config_tree_member(tree->root, slice_str(key));
    assert_non_null(node);
    return node;
}

static void refused(const char *text, size_t len, unsigned line, unsigned column,
                    const char *part) {
    struct config_report report = {0};
    struct config_tree *tree = NULL;
    struct edge_error err;
    enum edge_code code = config_yaml_parse(slice_make(text, len), &tree, &report, &err);
    assert_int_equal(code, EDGE_CONFIG);
    assert_null(tree);
    assert_int_equal(report.error_cnt, 1);
    assert_int_equal(report.items[0].line, line);
    assert_int_equal(report.items[0].column, column);
    if (strstr(report.items[0].text, part) == NULL) {
        fail_msg("'%s' does not contain '%s'", report.items[0].text, part);
    }
    config_report_clear(&report);
}

static void test_scalars(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum config_kind kind;
    } cases[] = {
        {"true", CONFIG_BOOL},
        {"false", CONFIG_BOOL},
        {"True", CONFIG_STRING},
        {"TRUE", CONFIG_STRING},
        {"yes", CONFIG_STRING},
        {"no", CONFIG_STRING},
        {"on", CONFIG_STRING},
        {"off", CONFIG_STRING},
        {"y", CONFIG_STRING},
        {"~", CONFIG_NULL},
        {"null", CONFIG_NULL},
        {"", CONFIG_NULL},
        {"Null", CONFIG_STRING},
        {"nil", CONFIG_STRING},
        {"0", CONFIG_INT},
        {"5", CONFIG_INT},
        {"-5", CONFIG_INT},
        {"+5", CONFIG_INT},
        {"007", CONFIG_INT},
        {"+-5", CONFIG_STRING},
        {"+", CONFIG_STRING},
        {"5 6", CONFIG_STRING},
        {"1.5", CONFIG_REAL},
        {"1.", CONFIG_REAL},
        {".5", CONFIG_REAL},
        {"-1e3", CONFIG_REAL},
        {"1E+3", CONFIG_REAL},
        {"1e", CONFIG_STRING},
        {"1e+", CONFIG_STRING},
        {".", CONFIG_STRING},
        {".inf", CONFIG_REAL},
        {"-.Inf", CONFIG_REAL},
        {".NAN", CONFIG_REAL},
        {"-.nan", CONFIG_STRING},
        {"10.0.0.1", CONFIG_STRING},
        {"0x1F", CONFIG_STRING},
        {"1_000", CONFIG_STRING},
        {"12:30", CONFIG_STRING},
        {"2020-01-02", CONFIG_STRING},
        {"'5'", CONFIG_STRING},
        {"\"true\"", CONFIG_STRING},
        {"''", CONFIG_STRING},
        {"!!str 5", CONFIG_STRING},
        {"! 5", CONFIG_STRING},
        {"!!int 5", CONFIG_INT},
        {"|\n  5\n", CONFIG_STRING},
        {">\n  true\n", CONFIG_STRING},
        {"99999999999999999999", CONFIG_REAL},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        char text[64] = "k: ";
        strncat(text, cases[i].text, sizeof(text) - 8);
        struct config_tree *tree = clean_tree_of(text);
        if (at(tree, "k")->kind != cases[i].kind) {
            fail_msg("'%s' has kind %d", cases[i].text, (int)at(tree, "k")->kind);
        }
        config_tree_free(tree);
    }
}

static void test_values(void **state) {
    (void)state;
    struct config_tree *tree =
        clean_tree_of("a: true\nb: false\nc: -12\nd: 'it''s'\ne: \"x\\ty\"\nf: |\n  l1\n  l2\n");
    assert_true(at(tree, "a")->boolean);
    assert_false(at(tree, "b")->boolean);
    assert_int_equal(at(tree, "c")->number, -12);
    assert_string_equal(at(tree, "d")->text.ptr, "it's");
    assert_false(at(tree, "d")->plain);
    assert_string_equal(at(tree, "e")->text.ptr, "x\ty");
    assert_string_equal(at(tree, "f")->text.ptr, "l1\nl2\n");
    config_tree_free(tree);
}

static void test_positions_count_characters(void **state) {
    (void)state;
    struct config_tree *tree = clean_tree_of("# \xC3\xA4\na:\n  \xC3\xA4\xC3\xB6: [x,\n    y]\n");
    const struct config_node *inner = at(tree, "a")->first;
    assert_int_equal(inner->key_line, 3);
    assert_int_equal(inner->key_column, 3);
    assert_int_equal(inner->line, 3);
    assert_int_equal(inner->column, 7);
    assert_int_equal(inner->last->line, 4);
    assert_int_equal(inner->last->column, 5);
    config_tree_free(tree);
}

static void test_key_case_is_kept(void **state) {
    (void)state;
    struct config_tree *tree = clean_tree_of("AbC: 1\nabc: 2\n");
    assert_int_equal(at(tree, "AbC")->number, 1);
    assert_int_equal(at(tree, "abc")->number, 2);
    config_tree_free(tree);
}

static void test_empty_documents(void **state) {
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "~", "{}"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        struct config_tree *tree = clean_tree_of(texts[i]);
        assert_int_equal(tree->root->kind, CONFIG_MAP);
        assert_null(tree->root->first);
        config_tree_free(tree);
    }
}

static void test_null_slice_is_empty(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_tree *tree = NULL;
    enum edge_code code = config_yaml_parse(slice_make(NULL, 0), &tree, &report, NULL);
    assert_int_equal(code, EDGE_OK);
    config_tree_free(tree);
}

static void test_root_must_be_mapping(void **state) {
    (void)state;
    refused("- a\n- b\n", 8, 1, 1, "is a list");
    refused("\nhello\n", 7, 2, 1, "is a single value");
}

static void test_one_document_only(void **state) {
    (void)state;
    const char *text = "a: b\n---\nc: d\n";
    refused(text, strlen(text), 2, 1, "second YAML document");
}

static void test_syntax_errors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
        const char *part;
    } cases[] = {
        {"a: b: c\n", 1, 5, "mapping values are not allowed"},
        {"a: b\n\tc: d\n", 2, 1, "indented with a tab"},
        {"a:\n  - b\n c: d\n", 3, 2, "while parsing a block mapping"},
        {"a: [b, c\n", 2, 1, "flow sequence that starts in line 1"},
        {"a: \"b\n", 2, 1, "unexpected end of stream"},
        {"a: *nowhere\n", 1, 4, "alias"},
        {"a: @b\n", 1, 4, "cannot start any token"},
        {"a: 1\nb = 2\nc: 3\n", 3, 1, "starts in line 2"},
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        refused(cases[i].text, strlen(cases[i].text), cases[i].line, cases[i].column,
                cases[i].part);
    }
}

static void test_encoding(void **state) {
    (void)state;
    refused("a: b\nc: \xFF\n", 10, 2, 4, "UTF-8");
    refused("a: b\nc: \x01\n", 10, 2, 4, "control characters");
    struct config_tree *tree = clean_tree_of("\xEF\xBB\xBF"
                                             "a: b\r\nc: d\r\n");
    assert_string_equal(at(tree, "c")->text.ptr, "d");
    config_tree_free(tree);
}

static void test_last_duplicate_wins(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_tree *tree = tree_of("m:\n  a: 1\n  b: 2\n  a: 3\n", &report);
    const struct config_node *map = at(tree, "m");
    assert_int_equal(config_tree_member(map, SLICE_LIT("a"))->number, 3);
    assert_int_equal(map->first->number, 2);
    assert_ptr_equal(map->first->next, map->last);
    assert_null(map->last->next);
    assert_int_equal(report.warning_cnt, 1);
    assert_int_equal(report.items[0].line, 4);
    assert_int_equal(report.items[0].column, 3);
    assert_string_equal(report.items[0].key, "m.a");
    assert_string_equal(report.items[0].text, "given twice: the value in line 2 is ignored");
    config_report_clear(&report);
    config_tree_free(tree);
}

static void test_only_member_may_be_replaced(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_tree *tree = tree_of("a: 1\na: 2\na: 3\n", &report);
    assert_int_equal(tree->root->first->number, 3);
    assert_ptr_equal(tree->root->first, tree->root->last);
    assert_int_equal(report.warning_cnt, 2);
    config_report_clear(&report);
    config_tree_free(tree);
}

static void test_keys_that_are_no_strings(void **state) {
    (void)state;
    static const char *const texts[] = {"5: x\n",      "true: x\n",        "~: x\n",
                                        "[a, b]: x\n", "{a: b}: {c: d}\n", "? 1.5\n: x\n"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(texts); i++) {
        struct config_report report = {0};
        struct config_tree *tree = tree_of(texts[i], &report);
        assert_null(tree->root->first);
        assert_int_equal(report.warning_cnt, 1);
        assert_int_equal(report.items[0].line, 1);
        config_report_clear(&report);
        config_tree_free(tree);
    }
    struct config_tree *tree = clean_tree_of("'5': x\n");
    assert_string_equal(at(tree, "5")->text.ptr, "x");
    config_tree_free(tree);
}

static void test_aliases(void **state) {
    (void)state;
    struct config_tree *tree = clean_tree_of("a: &x {p: 1, q: [2]}\n"
                                             "b: *x\n"
                                             "c: &x text\n"
                                             "d: *x\n"
                                             "e: &l [1, 2]\n"
                                             "f: [*l, *l]\n");
    const struct config_node *b = at(tree, "b");
    assert_int_equal(b->kind, CONFIG_MAP);
    assert_int_equal(b->line, 2);
    assert_int_equal(b->key_column, 1);
    assert_ptr_equal(b->first, at(tree, "a")->first);
    assert_string_equal(b->next->key.ptr, "c");
    assert_string_equal(at(tree, "d")->text.ptr, "text");
    const struct config_node *f = at(tree, "f");
    assert_int_equal(f->node_cnt, 7);
    assert_int_equal(f->height, 2);
    config_tree_free(tree);
}

static void test_alias_within_its_anchor(void **state) {
    (void)state;
    const char *text = "a: &x\n  b: *x\n";
    refused(text, strlen(text), 2, 6, "no anchor that is complete");
}

static void test_merge_key_is_ordinary(void **state) {
    (void)state;
    struct config_tree *tree = clean_tree_of("a: &x {p: 1}\nb:\n  <<: *x\n");
    const struct config_node *b = at(tree, "b");
    assert_null(config_tree_member(b, SLICE_LIT("p")));
    assert_non_null(config_tree_member(b, SLICE_LIT("<<")));
    config_tree_free(tree);
}

static char *repeated(const char *unit, size_t cnt, const char *end) {
    size_t len = strlen(unit);
    char *text = calloc(1, len * cnt + strlen(end) + 8);
    assert_non_null(text);
    memcpy(text, "a: ", 3);
    for (size_t i = 0; i < cnt; i++) {
        memcpy(text + 3 + i * len, unit, len);
    }
    memcpy(text + 3 + cnt * len, end, strlen(end));
    return text;
}

static void test_depth_limit(void **state) {
    (void)state;
    char *fine = repeated("[", CONFIG_DEPTH_MAX - 1, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    config_tree_free(clean_tree_of(fine));
    free(fine);
    char *deep = repeated("[", CONFIG_DEPTH_MAX + 1, "");
    refused(deep, strlen(deep), 1, 36, "too deeply");
    free(deep);
    char *vast = repeated("{b: ", 30000, "");
    refused(vast, strlen(vast), 1, 4 * CONFIG_DEPTH_MAX + 1, "too deeply");
    free(vast);
}

static void test_depth_counts_aliases(void **state) {
    (void)state;
    const char *text = "a: &a [[[[[[[[[[[[x]]]]]]]]]]]]\n"
                       "b: &b [[[[[[[[[[[[*a]]]]]]]]]]]]\n"
                       "c: [[[[[[[[[[[[*b]]]]]]]]]]]]\n";
    refused(text, strlen(text), 3, 16, "too deeply");
}

static void test_node_limit(void **state) {
    (void)state;
    /* root, key and list count too */
    char *many = repeated("\n- x", CONFIG_NODES_MAX - 2, "\n");
    refused(many, strlen(many), CONFIG_NODES_MAX - 1, 3, "too many values");
    char *enough = repeated("\n- x", CONFIG_NODES_MAX - 3, "\n");
    struct config_tree *tree = clean_tree_of(enough);
    assert_int_equal(at(tree, "a")->node_cnt, CONFIG_NODES_MAX - 2);
    config_tree_free(tree);
    free(many);
    free(enough);
}

static void test_alias_expansion_limit(void **state) {
    (void)state;
    const char *text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
                       "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                       "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                       "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
                       "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n";
    refused(text, strlen(text), 4, 36, "too many values");
}

static void test_size_limit(void **state) {
    (void)state;
    char *text = malloc(CONFIG_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', CONFIG_SIZE_MAX + 1);
    refused(text, CONFIG_SIZE_MAX + 1, 0, 0, "larger than");
    struct config_report report = {0};
    struct config_tree *tree = NULL;
    enum edge_code code =
        config_yaml_parse(slice_make(text, CONFIG_SIZE_MAX), &tree, &report, NULL);
    assert_int_equal(code, EDGE_OK);
    config_tree_free(tree);
    free(text);
}

static void test_library_without_memory(void **state) {
    (void)state;
    struct config_report report = {0};
    struct config_tree *tree = NULL;
    struct edge_error err;
    initialize_fails = true;
    assert_int_equal(config_yaml_parse(SLICE_LIT("a: b"), &tree, &report, &err), EDGE_NOMEM);
    initialize_fails = false;
    for (unsigned n = 1; n <= 10; n++) {
        parse_fails_at = n;
        assert_int_equal(config_yaml_parse(SLICE_LIT("a: &x [b]\nc: *x"), &tree, &report, &err),
                         EDGE_NOMEM);
        assert_null(tree);
    }
    parse_fails_at = 0;
    assert_int_equal(report.cnt, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_positions_count_characters),
        cmocka_unit_test(test_key_case_is_kept),
        cmocka_unit_test(test_empty_documents),
        cmocka_unit_test(test_null_slice_is_empty),
        cmocka_unit_test(test_root_must_be_mapping),
        cmocka_unit_test(test_one_document_only),
        cmocka_unit_test(test_syntax_errors),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_last_duplicate_wins),
        cmocka_unit_test(test_only_member_may_be_replaced),
        cmocka_unit_test(test_keys_that_are_no_strings),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_alias_within_its_anchor),
        cmocka_unit_test(test_merge_key_is_ordinary),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_depth_counts_aliases),
        cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_alias_expansion_limit),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_library_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
