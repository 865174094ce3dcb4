/* SPDX-License-Identifier: MIT */
/*
 * One value against its row: type, choices, bounds. Types are as strict as in the 1.1 daemon, which
 * converts nothing.
 */
#include "config/config_schema.h"

#include "config/config_report.h"
#include "config/config_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *kind_name(enum config_kind kind) {
    static const char *const names[] = {
        [CONFIG_NULL] = "nothing",  [CONFIG_BOOL] = "true or false", [CONFIG_INT] = "a number",
        [CONFIG_REAL] = "a number", [CONFIG_STRING] = "a string",    [CONFIG_LIST] = "a list",
        [CONFIG_MAP] = "a mapping",
    };
    return names[kind];
}

static enum edge_code accept_string(const struct config_node *node, struct edge_error *err) {
    if (node->kind != CONFIG_STRING) {
        bool scalar =
            node->kind == CONFIG_BOOL || node->kind == CONFIG_INT || node->kind == CONFIG_REAL;
        return edge_set(err, EDGE_CONFIG, "expected a string, found %s%s", kind_name(node->kind),
                        scalar ? "; put it in quotes" : "");
    }
    if (!slice_is_utf8_text(node->text)) {
        return edge_set(err, EDGE_CONFIG, "the text contains a NUL byte");
    }
    return EDGE_OK;
}

static bool is_boolean_word(struct slice text) {
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(words); i++) {
        if (slice_eq_nocase(text, words[i])) {
            return true;
        }
    }
    return false;
}

static enum edge_code accept_bool(const struct config_node *node, struct edge_error *err) {
    if (node->kind == CONFIG_BOOL) {
        return EDGE_OK;
    }
    const char *hint = "";
    if (node->kind == CONFIG_STRING && is_boolean_word(node->text)) {
        hint = node->plain ? "; the only words for it are true and false, in small letters"
                           : "; leave out the quotes";
    }
    return edge_set(err, EDGE_CONFIG, "expected true or false, found %s%s", kind_name(node->kind),
                    hint);
}

static enum edge_code accept_uint(const struct config_key *row, const struct config_node *node,
                                  struct edge_error *err) {
    uint64_t value = 0;
    if (node->kind != CONFIG_INT) {
        bool quoted = node->kind == CONFIG_STRING && !node->plain &&
                      slice_parse_u64(node->text, row->max, &value);
        return edge_set(err, EDGE_CONFIG, "expected a whole number, found %s%s",
                        kind_name(node->kind), quoted ? "; leave out the quotes" : "");
    }
    if (node->number < 0 || (uint64_t)node->number < row->min ||
        (uint64_t)node->number > row->max) {
        return edge_set(err, EDGE_CONFIG, "must be from %" PRIu64 " to %" PRIu64 "%s%s", row->min,
                        row->max, row->unit != NULL ? " " : "", row->unit != NULL ? row->unit : "");
    }
    return EDGE_OK;
}

/* 'a', 'b', 'c' */
static void list_choices(const struct config_key *row, char *out, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < CONFIG_CHOICES_MAX && row->choices[i] != NULL; i++) {
        int n = snprintf(out + len, size - len, "%s'%s'", i > 0 ? ", " : "", row->choices[i]);
        len += n > 0 && (size_t)n < size - len ? (size_t)n : 0;
    }
}

static enum edge_code accept_enum(const struct config_key *row, const struct config_node *node,
                                  struct edge_error *err) {
    char list[128] = "";
    const char *near_miss = NULL;
    list_choices(row, list, sizeof(list));
    if (node->kind != CONFIG_STRING) {
        return edge_set(err, EDGE_CONFIG, "expected one of %s, found %s", list,
                        kind_name(node->kind));
    }
    for (size_t i = 0; i < CONFIG_CHOICES_MAX && row->choices[i] != NULL; i++) {
        if (slice_eq_str(node->text, row->choices[i])) {
            return EDGE_OK;
        }
        if (slice_eq_nocase(node->text, row->choices[i])) {
            near_miss = row->choices[i];
        }
    }
    char shown[CONFIG_QUOTE_MAX];
    return edge_set(err, EDGE_CONFIG, "%s is none of %s%s", config_report_quote(node->text, shown),
                    list, near_miss != NULL ? "; write it in small letters" : "");
}

static enum edge_code accept_kind(const struct config_node *node, enum config_kind kind,
                                  struct edge_error *err) {
    if (node->kind == kind) {
        return EDGE_OK;
    }
    return edge_set(err, EDGE_CONFIG, "expected %s, found %s", kind_name(kind),
                    kind_name(node->kind));
}

/* "image_garbage_collection: false" is meant for its member. */
static enum edge_code accept_map(const struct config_key *row, const struct config_node *node,
                                 struct edge_error *err) {
    char path[96];
    (void)snprintf(path, sizeof(path), "%s.enabled", row->path);
    if (node->kind == CONFIG_BOOL && config_schema_find(path) != NULL) {
        return edge_set(err, EDGE_CONFIG, "expected a mapping, found true or false; write %s",
                        path);
    }
    return accept_kind(node, CONFIG_MAP, err);
}

/* Deployments have createOptions as JSON text, so that is what people paste; whether it is one
 * shows when it is taken. */
static enum edge_code accept_free_map(const struct config_node *node, struct edge_error *err) {
    return node->kind == CONFIG_STRING ? accept_string(node, err)
                                       : accept_kind(node, CONFIG_MAP, err);
}

/* The name alone, or a mapping with it. */
static enum edge_code accept_named_map(const struct config_node *node, struct edge_error *err) {
    if (node->kind == CONFIG_LIST) {
        return edge_set(err, EDGE_CONFIG, "expected a name or a mapping, found a list");
    }
    return node->kind == CONFIG_MAP ? EDGE_OK : accept_string(node, err);
}

static enum edge_code accept_numbers(const struct config_key *row, const struct config_node *node,
                                     struct edge_error *err) {
    uint32_t bits = 0;
    if (node->kind == CONFIG_LIST) {
        return EDGE_OK; /* each item has a row of its own */
    }
    if (node->kind != CONFIG_STRING) {
        return accept_uint(row, node, err);
    }
    if (!config_value_numbers(node->text, row->max, &bits)) {
        return edge_set(err, EDGE_CONFIG,
                        "expected numbers from 0 to %" PRIu64 ", as in [0, 2] or '0,2'", row->max);
    }
    return EDGE_OK;
}

enum edge_code config_schema_accepts(const struct config_key *row, const struct config_node *node,
                                     struct edge_error *err) {
    if (node->kind == CONFIG_NULL) {
        return config_schema_nullable(row)
                   ? EDGE_OK
                   : edge_set(err, EDGE_CONFIG, "has no value; give one or leave the key out");
    }
    switch (row->type) {
    case CONFIG_TYPE_STRING:
        return accept_string(node, err);
    case CONFIG_TYPE_BOOL:
        return accept_bool(node, err);
    case CONFIG_TYPE_UINT:
        return accept_uint(row, node, err);
    case CONFIG_TYPE_ENUM:
        return accept_enum(row, node, err);
    case CONFIG_TYPE_NAMED_MAP:
        return accept_named_map(node, err);
    case CONFIG_TYPE_FREE_MAP:
        return accept_free_map(node, err);
    case CONFIG_TYPE_LIST:
        return accept_kind(node, CONFIG_LIST, err);
    case CONFIG_TYPE_NUMBERS:
        return accept_numbers(row, node, err);
    default:
        return accept_map(row, node, err);
    }
}
