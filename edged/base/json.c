/* SPDX-License-Identifier: MIT */
/*
 * Reading JSON: the strict scan first, then cJSON, then typed access.
 */
#include "base/json.h"

#include "base/json_scan.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* Below this every integer has a double of its own. */
#define EXACT_MAX 9007199254740992.0 /* 2^53 */

enum edge_code json_parse(struct slice text, struct cJSON **ret, struct edge_error *err) {
    return json_parse_within(text, JSON_NODES_MAX, ret, err);
}

/* Whatever passes the scan is in cJSON's language, so only memory can be missing. */
static enum edge_code parse_scanned(struct slice text, struct cJSON **ret, struct edge_error *err) {
    struct cJSON *root = cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, 0);
    if (root == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for JSON of %zu bytes", text.len);
    }
    *ret = root;
    return EDGE_OK;
}

enum edge_code json_parse_within(struct slice text, size_t nodes_max, struct cJSON **ret,
                                 struct edge_error *err) {
    enum edge_code code = json_scan_within(text, nodes_max, err);
    return code == EDGE_OK ? parse_scanned(text, ret, err) : code;
}

/* Escapes are as long as before. A backslash takes the character after it along, so that an escaped
 * one begins nothing. */
static void replace_nul(char *text, size_t len) {
    static const char nul[] = "\\u0000", mark[] = "\\ufffd";
    const size_t escape_len = sizeof(nul) - 1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\') {
            continue;
        }
        if (len - i >= escape_len && memcmp(text + i, nul, escape_len) == 0) {
            memcpy(text + i, mark, escape_len);
        }
        i++;
    }
}

enum edge_code json_parse_with_nul(struct slice text, struct cJSON **ret, struct edge_error *err) {
    if (text.len == 0 || memmem(text.ptr, text.len, "\\u0000", sizeof("\\u0000") - 1) == NULL) {
        return json_parse(text, ret, err);
    }
    char *copy EDGE_CLEANUP(edge_cleanup_free) = malloc(text.len);
    if (copy == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for JSON of %zu bytes", text.len);
    }
    memcpy(copy, text.ptr, text.len);
    replace_nul(copy, text.len);
    return json_parse(slice_make(copy, text.len), ret, err);
}

void json_free(struct cJSON *node) {
    cJSON_Delete(node);
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static void wipe(struct cJSON *node) {
    for (; node != NULL; node = node->next) {
        if (node->valuestring != NULL) {
            secret_wipe(node->valuestring, strlen(node->valuestring));
        }
        wipe(node->child);
    }
}

void json_free_sensitive(struct cJSON *node) {
    wipe(node);
    cJSON_Delete(node);
}

void json_cleanup(struct cJSON **node) {
    json_free(*node);
}

void json_cleanup_sensitive(struct cJSON **node) {
    json_free_sensitive(*node);
}

static enum edge_code wrong_type(const char *name, const char *type, struct edge_error *err) {
    return edge_set(err, EDGE_PARSE, "member '%s' is not %s", name, type);
}

/* The last member of that name that is there and not null. */
static enum edge_code find(const struct cJSON *obj, const char *name, const struct cJSON **ret,
                           struct edge_error *err) {
    const struct cJSON *hit = NULL;
    if (!json_is_object(obj)) {
        return edge_set(err, EDGE_PARSE, "member '%s' sought in what is not a JSON object", name);
    }
    for (const struct cJSON *c = obj->child; c != NULL; c = c->next) {
        if (c->string != NULL && strcmp(c->string, name) == 0) {
            hit = c;
        }
    }
    if (hit == NULL || cJSON_IsNull(hit)) {
        return edge_set(err, EDGE_NOT_FOUND, "member '%s' is missing", name);
    }
    *ret = hit;
    return EDGE_OK;
}

enum edge_code json_get_object(const struct cJSON *obj, const char *name, const struct cJSON **ret,
                               struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = find(obj, name, &node, err);
    if (code == EDGE_OK && !cJSON_IsObject(node)) {
        return wrong_type(name, "an object", err);
    }
    if (code == EDGE_OK) {
        *ret = node;
    }
    return code;
}

enum edge_code json_get_array(const struct cJSON *obj, const char *name, const struct cJSON **ret,
                              struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = find(obj, name, &node, err);
    if (code == EDGE_OK && !cJSON_IsArray(node)) {
        return wrong_type(name, "an array", err);
    }
    if (code == EDGE_OK) {
        *ret = node;
    }
    return code;
}

enum edge_code json_get_str(const struct cJSON *obj, const char *name, struct slice *ret,
                            struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = find(obj, name, &node, err);
    if (code == EDGE_OK && !cJSON_IsString(node)) {
        return wrong_type(name, "a string", err);
    }
    if (code == EDGE_OK) {
        *ret = slice_str(node->valuestring);
    }
    return code;
}

enum edge_code json_parse_views(struct slice text, size_t nodes_max, struct json_view *views,
                                size_t view_cnt, struct cJSON **ret, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup_sensitive) = NULL;
    bool are_there = true;
    enum edge_code code = json_scan_views(text, nodes_max, views, view_cnt, err);
    for (size_t i = 0; i < view_cnt; i++) {
        are_there = are_there && views[i].value.ptr != NULL;
    }
    if (code == EDGE_OK && !are_there) {
        code = parse_scanned(text, &root, err);
    }
    for (size_t i = 0; i < view_cnt && code == EDGE_OK && !are_there; i++) {
        code = json_get_str(root, views[i].name, &views[i].value, err);
    }
    if (code == EDGE_OK) {
        *ret = TAKE_PTR(root);
    }
    return code;
}

enum edge_code json_get_bool(const struct cJSON *obj, const char *name, bool *ret,
                             struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = find(obj, name, &node, err);
    if (code == EDGE_OK && !cJSON_IsBool(node)) {
        return wrong_type(name, "a boolean", err);
    }
    if (code == EDGE_OK) {
        *ret = cJSON_IsTrue(node);
    }
    return code;
}

enum edge_code json_get_i64(const struct cJSON *obj, const char *name, int64_t *ret,
                            struct edge_error *err) {
    const struct cJSON *node = NULL;
    enum edge_code code = find(obj, name, &node, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!cJSON_IsNumber(node)) {
        return wrong_type(name, "an integer", err);
    }
    double value = node->valuedouble;
    if (!(value > -EXACT_MAX && value < EXACT_MAX)) {
        return edge_set(err, EDGE_RANGE, "member '%s' is too large an integer", name);
    }
    int64_t integer = (int64_t)value;
    if ((double)integer < value || (double)integer > value) {
        return wrong_type(name, "an integer", err);
    }
    *ret = integer;
    return EDGE_OK;
}

enum edge_code json_get_opt_str(const struct cJSON *obj, const char *name, struct slice *ret,
                                struct edge_error *err) {
    enum edge_code code = json_get_str(obj, name, ret, err);
    if (code == EDGE_NOT_FOUND) {
        edge_error_clear(err);
        *ret = slice_make(NULL, 0);
        return EDGE_OK;
    }
    return code;
}

bool json_is_object(const struct cJSON *node) {
    return cJSON_IsObject(node);
}

bool json_is_array(const struct cJSON *node) {
    return cJSON_IsArray(node);
}

bool json_is_str(const struct cJSON *node) {
    return cJSON_IsString(node);
}

bool json_is_null(const struct cJSON *node) {
    return cJSON_IsNull(node);
}

int json_int(const struct cJSON *node, int other) {
    return cJSON_IsNumber(node) ? node->valueint : other;
}

struct slice json_str(const struct cJSON *node) {
    return slice_str(cJSON_IsString(node) ? node->valuestring : NULL);
}

const struct cJSON *json_first(const struct cJSON *node) {
    return node != NULL ? node->child : NULL;
}

const struct cJSON *json_next(const struct cJSON *node) {
    return node->next;
}

const char *json_name(const struct cJSON *member) {
    return member->string;
}

/* In Unicode U+017F is an 's' in another case, U+212A a 'k'. */
bool json_name_is(const struct cJSON *member, const char *want) {
    const char *name = member->string;
    for (; *want != '\0'; want++) {
        char c = slice_lower(*name);
        size_t len = 1;
        if (strncmp(name, "\xc5\xbf", 2) == 0) {
            c = 's';
            len = 2;
        } else if (strncmp(name, "\xe2\x84\xaa", 3) == 0) {
            c = 'k';
            len = 3;
        }
        if (c != slice_lower(*want)) {
            return false;
        }
        name += len;
    }
    return *name == '\0';
}
