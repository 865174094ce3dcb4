/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON straight into a buffer, so that a sensitive buffer holds the only copy.
 */
#include "base/b64.h"
#include "base/json.h"
#include "base/json_scan.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What INT64_MAX is as a double. */
#define INT64_EDGE 9223372036854775808.0 /* 2^63 */

static void put(struct json_writer *w, const void *data, size_t len) {
    if (w->code == EDGE_OK) {
        w->code = buf_append(w->out, data, len, &w->err);
    }
}

static void put_str(struct json_writer *w, const char *text) {
    put(w, text, strlen(text));
}

static void put_escape(struct json_writer *w, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at != NULL) {
        const char text[] = {'\\', to[at - from]};
        put(w, text, sizeof(text));
    } else {
        static const char digits[] = "0123456789abcdef";
        const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        put(w, text, sizeof(text));
    }
}

/* Bytes at the start of s that need no escape and are well-formed. */
static size_t plain_len(struct slice s) {
    size_t len = 0;
    size_t n;
    do {
        len += json_scan_plain(slice_make(s.ptr + len, s.len - len));
        bool is_ascii = len == s.len || (unsigned char)s.ptr[len] < 0x80;
        n = is_ascii ? 0 : slice_utf8_char(slice_make(s.ptr + len, s.len - len));
        len += n;
    } while (n > 0);
    return len;
}

static void put_quoted(struct json_writer *w, struct slice s) {
    uint8_t *unused;
    if (w->code == EDGE_OK) { /* one growth for the whole text, which takes no less than that */
        w->code = buf_reserve(w->out, s.len + 2, &unused, &w->err);
    }
    put(w, "\"", 1);
    while (s.len > 0 && w->code == EDGE_OK) {
        size_t len = plain_len(s);
        put(w, s.ptr, len);
        if (len < s.len) {
            unsigned char c = (unsigned char)s.ptr[len];
            if (c >= 0x80) {
                put_str(w, "\xEF\xBF\xBD"); /* U+FFFD */
            } else {
                put_escape(w, c);
            }
            len++;
        }
        s = slice_make(s.ptr + len, s.len - len);
    }
    put(w, "\"", 1);
}

/* Separator and name of the next value. */
static void put_lead(struct json_writer *w, const char *name) {
    if (w->comma) {
        put(w, ",", 1);
    }
    w->comma = true;
    if (name != NULL) {
        put_quoted(w, slice_str(name));
        put(w, ":", 1);
    }
}

static void container_open(struct json_writer *w, const char *name, const char *bracket) {
    put_lead(w, name);
    put(w, bracket, 1);
    w->comma = false;
    w->depth++;
    if (w->code == EDGE_OK && w->depth > JSON_DEPTH_MAX) {
        w->code =
            edge_set(&w->err, EDGE_RANGE, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
    }
}

static void container_close(struct json_writer *w, const char *bracket) {
    if (w->code == EDGE_OK && w->depth == 0) {
        w->code = edge_set(&w->err, EDGE_INTERNAL, "JSON writer closed more than it opened");
    }
    put(w, bracket, 1);
    w->comma = true;
    w->depth -= w->depth > 0 ? 1 : 0;
}

void json_begin(struct json_writer *w, struct buf *out) {
    *w = (struct json_writer){.out = out, .start = out->len};
}

void json_object_open(struct json_writer *w, const char *name) {
    container_open(w, name, "{");
}

void json_object_close(struct json_writer *w) {
    container_close(w, "}");
}

void json_array_open(struct json_writer *w, const char *name) {
    container_open(w, name, "[");
}

void json_array_close(struct json_writer *w) {
    container_close(w, "]");
}

void json_add_str(struct json_writer *w, const char *name, struct slice value) {
    put_lead(w, name);
    put_quoted(w, value);
}

void json_add_cstr(struct json_writer *w, const char *name, const char *value) {
    json_add_str(w, name, slice_str(value));
}

void json_add_cstr_or_null(struct json_writer *w, const char *name, const char *value) {
    if (value != NULL && value[0] != '\0') {
        json_add_cstr(w, name, value);
    } else {
        json_add_null(w, name);
    }
}

void json_add_i64(struct json_writer *w, const char *name, int64_t value) {
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    put_lead(w, name);
    put_str(w, text);
}

void json_add_bool(struct json_writer *w, const char *name, bool value) {
    put_lead(w, name);
    put_str(w, value ? "true" : "false");
}

void json_add_null(struct json_writer *w, const char *name) {
    put_lead(w, name);
    put_str(w, "null");
}

void json_add_b64(struct json_writer *w, const char *name, const void *data, size_t len) {
    put_lead(w, name);
    put(w, "\"", 1);
    if (w->code == EDGE_OK) {
        w->code = b64_encode(data, len, w->out, &w->err);
    }
    put(w, "\"", 1);
}

static void add_number(struct json_writer *w, const char *name, double value) {
    /* Whoever wants an integer takes none with an exponent. */
    if (value >= -INT64_EDGE && value <= INT64_EDGE) {
        int64_t integer = value < INT64_EDGE ? (int64_t)value : INT64_MAX;
        if (!((double)integer < value || (double)integer > value)) {
            json_add_i64(w, name, integer);
            return;
        }
    }
    if (!isfinite(value)) {
        json_add_null(w, name);
        return;
    }
    char text[32];
    (void)snprintf(text, sizeof(text), "%.17g", value);
    put_lead(w, name);
    put_str(w, text);
}

void json_add_node(struct json_writer *w, const char *name, const struct cJSON *node) {
    if (w->code != EDGE_OK) {
        return;
    }
    if (cJSON_IsString(node)) {
        json_add_str(w, name, slice_str(node->valuestring));
    } else if (cJSON_IsNumber(node)) {
        add_number(w, name, node->valuedouble);
    } else if (cJSON_IsBool(node)) {
        json_add_bool(w, name, cJSON_IsTrue(node));
    } else if (node == NULL || cJSON_IsNull(node)) {
        json_add_null(w, name);
    } else if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
        container_open(w, name, cJSON_IsObject(node) ? "{" : "[");
        for (const struct cJSON *c = node->child; c != NULL; c = c->next) {
            json_add_node(w, c->string, c);
        }
        container_close(w, cJSON_IsObject(node) ? "}" : "]");
    } else {
        w->code = edge_set(&w->err, EDGE_INTERNAL, "JSON node of an unknown type");
    }
}

enum edge_code json_end(struct json_writer *w, struct edge_error *err) {
    if (w->code == EDGE_OK && w->depth != 0) {
        w->code = edge_set(&w->err, EDGE_INTERNAL, "JSON writer closed less than it opened");
    }
    if (w->code != EDGE_OK) {
        buf_truncate(w->out, w->start);
        if (err != NULL) {
            *err = w->err;
        }
    }
    return w->code;
}
