/* SPDX-License-Identifier: MIT */
/*
 * Findings of one document: collecting, ordering, formatting. Nothing here knows the schema.
 */
#include "config/config_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP     8
#define KEY_SHOWN_MAX 40 /* shorter than 32 bytes in base64 */
#define KEY_HINT_LEN  8

/* Length of the well-formed UTF-8 character at s, 1 for a printable ASCII byte, 0 for anything
 * else. */
static size_t printable_len(const char *s) {
    unsigned char c = (unsigned char)s[0];
    size_t len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (len == 1) {
        return c >= 0x20 && c != 0x7F ? 1 : 0;
    }
    return strnlen(s, len) == len && slice_is_utf8_text(slice_make(s, len)) ? len : 0;
}

/* snprintf cuts between bytes and foreign text may hold anything; the result goes to terminals and
 * logs. */
static void clean(char *s) {
    while (*s != '\0') {
        size_t len = printable_len(s);
        if (len == 0) {
            *s = '?';
            len = 1;
        }
        s += len;
    }
}

/* The array grows by doubling; items never move within it, so that the order of discovery is kept.
 */
static struct config_problem *append(struct config_report *report) {
    size_t cnt = report->cnt;
    if (cnt == 0 || (cnt >= FIRST_CAP && (cnt & (cnt - 1)) == 0)) {
        size_t cap = cnt == 0 ? FIRST_CAP : cnt * 2;
        struct config_problem *items = reallocarray(report->items, cap, sizeof(*items));
        if (items == NULL) {
            report->nomem = true;
            return NULL;
        }
        report->items = items;
    }
    report->cnt = cnt + 1;
    return &report->items[cnt];
}

void config_report_add(struct config_report *report, enum config_severity severity, unsigned line,
                       unsigned column, const char *key, const char *fmt, ...) {
    if (severity == CONFIG_ERROR) {
        report->error_cnt++;
    } else {
        report->warning_cnt++;
    }
    if (report->cnt >= CONFIG_PROBLEMS_MAX) {
        return;
    }
    struct config_problem *p = append(report);
    if (p == NULL) {
        return;
    }
    *p = (struct config_problem){.severity = severity, .line = line, .column = column};
    (void)snprintf(p->key, sizeof(p->key), "%s", key);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(p->text, sizeof(p->text), fmt, args);
    va_end(args);
    clean(p->key);
    clean(p->text);
}

static int compare_unsigned(unsigned a, unsigned b) {
    return a < b ? -1 : a > b;
}

static int compare_problem(const void *va, const void *vb) {
    const struct config_problem *a = va;
    const struct config_problem *b = vb;
    int order = compare_unsigned(a->line, b->line);
    if (order == 0) {
        order = compare_unsigned(a->column, b->column);
    }
    if (order == 0) {
        order = strcmp(a->key, b->key);
    }
    return order != 0 ? order : strcmp(a->text, b->text);
}

void config_report_sort(struct config_report *report) {
    if (report->cnt > 1) {
        qsort(report->items, report->cnt, sizeof(report->items[0]), compare_problem);
    }
}

/* Length of the leading part that consists of letters, digits and the given signs. */
static size_t harmless_len(struct slice s, const char *signs) {
    size_t len = 0;
    while (len < s.len && s.ptr[len] != '\0' &&
           ((s.ptr[len] >= 'a' && s.ptr[len] <= 'z') || (s.ptr[len] >= 'A' && s.ptr[len] <= 'Z') ||
            (s.ptr[len] >= '0' && s.ptr[len] <= '9') || strchr(signs, s.ptr[len]) != NULL)) {
        len++;
    }
    return len;
}

void config_report_path(char *out, size_t out_size, const char *parent, struct slice name) {
    size_t len = harmless_len(name, "_-.$<");
    const char *cut = "";
    if (len < name.len || len > KEY_SHOWN_MAX) {
        len = len < KEY_HINT_LEN ? len : KEY_HINT_LEN;
        cut = "...";
    }
    (void)snprintf(out, out_size, "%s%s%.*s%s", parent, parent[0] != '\0' ? "." : "", (int)len,
                   name.ptr != NULL ? name.ptr : "", cut);
}

const char *config_report_quote(struct slice value, char out[CONFIG_QUOTE_MAX]) {
    if (value.len > 0 && value.len <= CONFIG_QUOTE_MAX - 8 &&
        harmless_len(value, "_-.") == value.len) {
        (void)snprintf(out, CONFIG_QUOTE_MAX, "'%.*s'", (int)value.len, value.ptr);
    } else {
        (void)snprintf(out, CONFIG_QUOTE_MAX, "this value");
    }
    return out;
}

void config_problem_format(const char *file, const struct config_problem *p, char *out,
                           size_t out_size) {
    char place[32] = "";
    if (p->line != 0) {
        (void)snprintf(place, sizeof(place), ":%u:%u", p->line, p->column);
    }
    (void)snprintf(out, out_size, "%s%s: %s%s%s", file, place, p->key,
                   p->key[0] != '\0' ? ": " : "", p->text);
}

void config_report_clear(struct config_report *report) {
    if (report != NULL) {
        free(report->items);
        *report = (struct config_report){0};
    }
}
