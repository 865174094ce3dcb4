/* SPDX-License-Identifier: MIT */
/*
 * From libyaml's events to the tree. The library speaks YAML 1.1; what a plain scalar means is
 * decided here, by the YAML 1.2 core rules in the narrow reading that existing config.yaml files
 * were written for.
 */
#include "config/config_yaml.h"

#include <yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct anchor {
    struct anchor *next;
    char *name;
    const struct config_node *node;
};

struct builder {
    yaml_parser_t parser;
    struct slice text;
    struct config_tree *tree;
    struct config_report *report;
    struct anchor *anchors; /* latest first, so that a repeated name means the latest */
    size_t node_cnt;        /* so far, aliases at full size */
};

/* Where in the document the builder is. */
struct place {
    unsigned depth;
    char path[sizeof(((struct config_problem *)NULL)->key)];
};

static enum edge_code build_node(struct builder *b, const yaml_event_t *event,
                                 const struct place *at, struct config_node **ret);

static unsigned line_of(yaml_mark_t mark) {
    return (unsigned)mark.line + 1;
}

static unsigned column_of(yaml_mark_t mark) {
    return (unsigned)mark.column + 1;
}

static void cleanup_event(yaml_event_t *event) {
    yaml_event_delete(event);
}

#define EVENT_CLEANUP EDGE_CLEANUP(cleanup_event)

/* Bytes of line `line` (counted from 0). */
static struct slice text_line(struct slice text, size_t line) {
    struct slice head;
    struct slice rest = text;
    for (size_t i = 0; i <= line; i++) {
        if (!slice_cut(rest, '\n', &head, &rest)) {
            return i == line ? rest : slice_make(NULL, 0);
        }
    }
    return head;
}

static bool is_indented_with_tab(struct slice line) {
    for (size_t i = 0; i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'); i++) {
        if (line.ptr[i] == '\t') {
            return true;
        }
    }
    return false;
}

/* The reader stops at a byte offset, before lines are counted. */
static void report_encoding(struct builder *b, const yaml_parser_t *parser) {
    unsigned line = 1;
    unsigned column = 1;
    for (size_t i = 0; i < parser->problem_offset && i < b->text.len; i++) {
        column++;
        if (b->text.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    config_report_add(b->report, CONFIG_ERROR, line, column, "", "not readable as UTF-8 text: %s",
                      parser->problem);
}

static enum edge_code report_syntax(struct builder *b) {
    const yaml_parser_t *parser = &b->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return EDGE_NOMEM;
    }
    if (parser->error == YAML_READER_ERROR) {
        report_encoding(b, parser);
        return EDGE_CONFIG;
    }
    const char *context = parser->context != NULL ? parser->context : "";
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
    const char *hint = "";
    if (is_indented_with_tab(text_line(b->text, parser->problem_mark.line))) {
        hint = " (this line is indented with a tab; YAML wants spaces)";
    }
    /* A bracket or quote that is never closed is noticed at the end of the file. */
    char since[48] = "";
    if (context[0] != '\0' && parser->context_mark.line < parser->problem_mark.line) {
        (void)snprintf(since, sizeof(since), " that starts in line %u",
                       line_of(parser->context_mark));
    }
    config_report_add(b->report, CONFIG_ERROR, line_of(parser->problem_mark),
                      column_of(parser->problem_mark), "", "YAML syntax: %s%s%s%s%s", context,
                      since, context[0] != '\0' ? ", " : "", problem, hint);
    return EDGE_CONFIG;
}

static enum edge_code next_event(struct builder *b, yaml_event_t *event) {
    return yaml_parser_parse(&b->parser, event) == 1 ? EDGE_OK : report_syntax(b);
}

static enum edge_code refuse(struct builder *b, yaml_mark_t mark, const struct place *at,
                             const char *reason) {
    config_report_add(b->report, CONFIG_ERROR, line_of(mark), column_of(mark), at->path, "%s",
                      reason);
    return EDGE_CONFIG;
}

static struct place place_below(const struct place *at, const struct config_node *key) {
    struct place below = {.depth = at->depth + 1};
    if (key != NULL && key->kind == CONFIG_STRING) {
        config_report_path(below.path, sizeof(below.path), at->path, key->text);
    } else {
        (void)snprintf(below.path, sizeof(below.path), "%s", at->path);
    }
    return below;
}

/* Counts `cnt` nodes that reach down `height` levels from here. */
static enum edge_code charge(struct builder *b, yaml_mark_t mark, const struct place *at,
                             size_t cnt, unsigned height) {
    if (at->depth + height > CONFIG_DEPTH_MAX) {
        return refuse(b, mark, at, "nested too deeply");
    }
    if (cnt > CONFIG_NODES_MAX - b->node_cnt) {
        return refuse(b, mark, at, "the document has too many values (aliases count in full)");
    }
    b->node_cnt += cnt;
    return EDGE_OK;
}

static enum edge_code new_node(struct builder *b, yaml_mark_t mark, const struct place *at,
                               enum config_kind kind, struct config_node **ret) {
    enum edge_code code = charge(b, mark, at, 1, 0);
    if (code != EDGE_OK) {
        return code;
    }
    struct config_node *node = config_tree_node(b->tree, kind);
    if (node == NULL) {
        return EDGE_NOMEM;
    }
    node->line = line_of(mark);
    node->column = column_of(mark);
    *ret = node;
    return EDGE_OK;
}

static enum edge_code remember_anchor(struct builder *b, const yaml_char_t *name,
                                      const struct config_node *node) {
    if (name == NULL) {
        return EDGE_OK;
    }
    struct anchor *anchor = calloc(1, sizeof(*anchor));
    if (anchor == NULL) {
        return EDGE_NOMEM;
    }
    anchor->name = strdup((const char *)name);
    if (anchor->name == NULL) {
        free(anchor);
        return EDGE_NOMEM;
    }
    anchor->node = node;
    anchor->next = b->anchors;
    b->anchors = anchor;
    return EDGE_OK;
}

static void forget_anchors(struct builder *b) {
    while (b->anchors != NULL) {
        struct anchor *anchor = b->anchors;
        b->anchors = anchor->next;
        free(anchor->name);
        free(anchor);
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct slice s, size_t pos) {
    while (pos < s.len && is_digit(s.ptr[pos])) {
        pos++;
    }
    return pos;
}

static size_t skip_sign(struct slice s, size_t pos) {
    return pos < s.len && (s.ptr[pos] == '-' || s.ptr[pos] == '+') ? pos + 1 : pos;
}

static bool is_special_real(struct slice s) {
    struct slice body = slice_make(s.ptr + skip_sign(s, 0), s.len - skip_sign(s, 0));
    return slice_eq_str(body, ".inf") || slice_eq_str(body, ".Inf") || slice_eq_str(body, ".INF") ||
           slice_eq_str(s, ".nan") || slice_eq_str(s, ".NaN") || slice_eq_str(s, ".NAN");
}

/* Number of the YAML 1.2 core schema that is no integer:
 * [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_real(struct slice s) {
    size_t start = skip_sign(s, 0);
    size_t pos = skip_digits(s, start);
    size_t digit_cnt = pos - start;
    if (pos < s.len && s.ptr[pos] == '.') {
        size_t fraction = skip_digits(s, pos + 1);
        digit_cnt += fraction - pos - 1;
        pos = fraction;
    }
    if (digit_cnt == 0) {
        return is_special_real(s);
    }
    if (pos < s.len && (s.ptr[pos] == 'e' || s.ptr[pos] == 'E')) {
        size_t exponent = skip_sign(s, pos + 1);
        pos = skip_digits(s, exponent);
        if (pos == exponent) {
            return false;
        }
    }
    return pos == s.len;
}

static bool is_int(struct slice s, int64_t *ret) {
    if (s.len > 1 && s.ptr[0] == '+' && is_digit(s.ptr[1])) {
        s = slice_make(s.ptr + 1, s.len - 1);
    }
    return slice_parse_i64(s, ret);
}

static void resolve_plain(struct config_node *node) {
    if (node->text.len == 0 || slice_eq_str(node->text, "~") || slice_eq_str(node->text, "null")) {
        node->kind = CONFIG_NULL;
    } else if (slice_eq_str(node->text, "true") || slice_eq_str(node->text, "false")) {
        node->kind = CONFIG_BOOL;
        node->boolean = node->text.len == 4;
    } else if (is_int(node->text, &node->number)) {
        node->kind = CONFIG_INT;
    } else if (is_real(node->text)) {
        node->kind = CONFIG_REAL;
    }
}

/* "!!str 5" and "! 5" are strings; any other tag leaves the scalar what its form says. */
static bool is_tagged_string(const yaml_char_t *tag) {
    return tag != NULL &&
           (strcmp((const char *)tag, YAML_STR_TAG) == 0 || strcmp((const char *)tag, "!") == 0);
}

static enum edge_code build_scalar(struct builder *b, const yaml_event_t *event,
                                   const struct place *at, struct config_node **ret) {
    struct config_node *node = NULL;
    enum edge_code code = new_node(b, event->start_mark, at, CONFIG_STRING, &node);
    if (code != EDGE_OK) {
        return code;
    }
    struct slice text = slice_make(event->data.scalar.value, event->data.scalar.length);
    if (!config_tree_text(b->tree, text, &node->text)) {
        return EDGE_NOMEM;
    }
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (node->plain && !is_tagged_string(event->data.scalar.tag)) {
        resolve_plain(node);
    }
    *ret = node;
    return remember_anchor(b, event->data.scalar.anchor, node);
}

static enum edge_code build_alias(struct builder *b, const yaml_event_t *event,
                                  const struct place *at, struct config_node **ret) {
    const struct anchor *anchor = b->anchors;
    while (anchor != NULL && strcmp(anchor->name, (const char *)event->data.alias.anchor) != 0) {
        anchor = anchor->next;
    }
    if (anchor == NULL) {
        return refuse(b, event->start_mark, at,
                      "the alias names no anchor that is complete before it");
    }
    const struct config_node *target = anchor->node;
    enum edge_code code = charge(b, event->start_mark, at, target->node_cnt - 1, target->height);
    if (code != EDGE_OK) {
        return code;
    }
    struct config_node *node = NULL;
    code = new_node(b, event->start_mark, at, target->kind, &node);
    if (code != EDGE_OK) {
        return code;
    }
    unsigned line = node->line;
    unsigned column = node->column;
    *node = *target;
    node->line = line;
    node->column = column;
    node->key = slice_make(NULL, 0);
    node->next = NULL;
    *ret = node;
    return EDGE_OK;
}

static enum edge_code build_list(struct builder *b, const yaml_event_t *event,
                                 const struct place *at, struct config_node **ret) {
    struct config_node *list = NULL;
    enum edge_code code = new_node(b, event->start_mark, at, CONFIG_LIST, &list);
    const struct place below = place_below(at, NULL);
    while (code == EDGE_OK) {
        yaml_event_t next EVENT_CLEANUP = {0};
        struct config_node *item = NULL;
        code = next_event(b, &next);
        if (code == EDGE_OK && next.type == YAML_SEQUENCE_END_EVENT) {
            *ret = list;
            return remember_anchor(b, event->data.sequence_start.anchor, list);
        }
        if (code == EDGE_OK) {
            code = build_node(b, &next, &below, &item);
        }
        if (code == EDGE_OK) {
            config_tree_append(list, item);
        }
    }
    return code;
}

static void add_member(struct builder *b, const struct place *at, struct config_node *map,
                       const struct config_node *key, struct config_node *value) {
    if (key->kind != CONFIG_STRING) {
        config_report_add(b->report, CONFIG_WARNING, key->line, key->column, at->path,
                          "a key that is not a string is ignored; put it in quotes");
        return;
    }
    const struct config_node *former = config_tree_member(map, key->text);
    if (former != NULL) {
        config_report_add(b->report, CONFIG_WARNING, key->line, key->column, at->path,
                          "given twice: the value in line %u is ignored", former->key_line);
        config_tree_remove(map, former);
    }
    value->key = key->text;
    value->key_line = key->line;
    value->key_column = key->column;
    config_tree_append(map, value);
}

/* One key and its value, whose first event is `event`. */
static enum edge_code build_member(struct builder *b, const yaml_event_t *event,
                                   const struct place *at, struct config_node *map) {
    const struct place below = place_below(at, NULL);
    struct config_node *key = NULL;
    enum edge_code code = build_node(b, event, &below, &key);
    if (code != EDGE_OK) {
        return code;
    }
    yaml_event_t next EVENT_CLEANUP = {0};
    code = next_event(b, &next);
    if (code != EDGE_OK) {
        return code;
    }
    const struct place inside = place_below(at, key);
    struct config_node *value = NULL;
    code = build_node(b, &next, &inside, &value);
    if (code == EDGE_OK) {
        add_member(b, &inside, map, key, value);
    }
    return code;
}

static enum edge_code build_map(struct builder *b, const yaml_event_t *event,
                                const struct place *at, struct config_node **ret) {
    struct config_node *map = NULL;
    enum edge_code code = new_node(b, event->start_mark, at, CONFIG_MAP, &map);
    while (code == EDGE_OK) {
        yaml_event_t next EVENT_CLEANUP = {0};
        code = next_event(b, &next);
        if (code == EDGE_OK && next.type == YAML_MAPPING_END_EVENT) {
            *ret = map;
            return remember_anchor(b, event->data.mapping_start.anchor, map);
        }
        if (code == EDGE_OK) {
            code = build_member(b, &next, at, map);
        }
    }
    return code;
}

/* Recursion is bounded by CONFIG_DEPTH_MAX (charge). */
static enum edge_code build_node(struct builder *b, const yaml_event_t *event,
                                 const struct place *at, struct config_node **ret) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(b, event, at, ret);
    case YAML_SEQUENCE_START_EVENT:
        return build_list(b, event, at, ret);
    case YAML_MAPPING_START_EVENT:
        return build_map(b, event, at, ret);
    default: /* the parser's grammar leaves only an alias here */
        return build_alias(b, event, at, ret);
    }
}

static enum edge_code set_root(struct builder *b, struct config_node *root) {
    if (root->kind == CONFIG_MAP) {
        b->tree->root = root;
        return EDGE_OK;
    }
    if (root->kind == CONFIG_NULL) {
        return EDGE_OK;
    }
    /* The 1.1 daemon ignores such a file without a word and runs on its defaults, which cannot
     * provision: its operator would look for the fault everywhere but here. */
    config_report_add(b->report, CONFIG_ERROR, root->line, root->column, "",
                      "the document is a %s; it must be a mapping of keys to values",
                      root->kind == CONFIG_LIST ? "list" : "single value");
    return EDGE_CONFIG;
}

/* Between the start of the stream and its end: at most one document. */
static enum edge_code build_document(struct builder *b) {
    unsigned document_cnt = 0;
    for (;;) {
        yaml_event_t event EVENT_CLEANUP = {0};
        const struct place top = {0};
        struct config_node *root = NULL;
        enum edge_code code = next_event(b, &event);
        if (code != EDGE_OK || event.type == YAML_STREAM_END_EVENT) {
            return code;
        }
        if (event.type == YAML_DOCUMENT_START_EVENT && ++document_cnt > 1) {
            return refuse(b, event.start_mark, &top,
                          "a second YAML document; the file may hold one");
        }
        if (event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT ||
            event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT) {
            code = build_node(b, &event, &top, &root);
            if (code == EDGE_OK) {
                code = set_root(b, root);
            }
        }
        if (code != EDGE_OK) {
            return code;
        }
    }
}

static enum edge_code build_tree(struct builder *b, struct slice text) {
    if (text.len > CONFIG_SIZE_MAX) {
        config_report_add(b->report, CONFIG_ERROR, 0, 0, "", "larger than %d bytes",
                          CONFIG_SIZE_MAX);
        return EDGE_CONFIG;
    }
    b->tree = config_tree_new();
    if (b->tree == NULL || yaml_parser_initialize(&b->parser) != 1) {
        return EDGE_NOMEM;
    }
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""),
                                 text.len);
    enum edge_code code = build_document(b);
    yaml_parser_delete(&b->parser);
    if (code == EDGE_OK && b->tree->root == NULL) {
        b->tree->root = config_tree_node(b->tree, CONFIG_MAP);
        code = b->tree->root != NULL ? EDGE_OK : EDGE_NOMEM;
    }
    return code;
}

enum edge_code config_yaml_parse(struct slice text, struct config_tree **ret,
                                 struct config_report *report, struct edge_error *err) {
    struct builder b = {.text = text, .report = report};
    enum edge_code code = build_tree(&b, text);
    forget_anchors(&b);
    if (code == EDGE_OK) {
        *ret = TAKE_PTR(b.tree);
        return EDGE_OK;
    }
    config_tree_free(b.tree);
    return edge_set(err, code,
                    code == EDGE_NOMEM ? "out of memory" : "the document is not usable YAML");
}
