/* SPDX-License-Identifier: MIT */
/*
 * Names from modules and configuration. Nothing is passed on to a parser of option strings later,
 * so that the checks here serve the verifiers of the certificates, not our own safety.
 */
#include "pki/names.h"

#include <string.h>

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c) {
    return is_letter(c) || is_digit(c);
}

void names_lower(struct slice text, char out[NAMES_COMMON_NAME_MAX + 1]) {
    size_t len = text.len < NAMES_COMMON_NAME_MAX ? text.len : NAMES_COMMON_NAME_MAX;
    for (size_t i = 0; i < len; i++) {
        out[i] = slice_lower(text.ptr[i]);
    }
    out[len] = '\0';
}

void names_sanitize(struct slice module_id, char out[NAMES_LABEL_MAX + 1]) {
    size_t from = 0;
    size_t to = module_id.len;
    size_t len = 0;
    while (from < to && !is_letter(module_id.ptr[from])) {
        from++;
    }
    while (to > from && !is_alnum(module_id.ptr[to - 1])) {
        to--;
    }
    for (; from < to && len < NAMES_LABEL_MAX; from++) {
        char c = module_id.ptr[from];
        if (is_alnum(c) || c == '-') {
            out[len++] = slice_lower(c);
        }
    }
    out[len] = '\0';
}

static bool is_label(struct slice s) {
    if (s.len == 0 || s.len > NAMES_LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '_') {
            return false;
        }
    }
    return true;
}

/* What ends in a number is read as an IPv4 address by many programs, whatever it is. */
static bool is_number(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool names_is_dns(struct slice text) {
    struct slice label = text;
    struct slice rest = text;
    size_t cnt = 1;
    while (slice_cut(rest, '.', &label, &rest)) {
        if (!is_label(label)) {
            return false;
        }
        cnt++;
    }
    return is_label(rest) && (cnt == 1 || !is_number(rest));
}

static bool is_blank(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(" \t\r\n\v\f", s.ptr[i]) == NULL || s.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

static bool has_control(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

enum edge_code names_check_common_name(struct slice common_name, struct edge_error *err) {
    uint8_t ip[SLICE_IP_MAX];
    size_t ip_len = 0;
    if (is_blank(common_name)) {
        return edge_set(err, EDGE_INVALID, "the common name is empty");
    }
    if (common_name.len > NAMES_COMMON_NAME_MAX) {
        return edge_set(err, EDGE_INVALID, "the common name is longer than %d bytes",
                        NAMES_COMMON_NAME_MAX);
    }
    if (has_control(common_name)) {
        return edge_set(err, EDGE_INVALID, "the common name contains control characters");
    }
    if (slice_find(common_name, ',') >= 0) {
        return edge_set(err, EDGE_INVALID,
                        "the common name contains a comma: it is one host name or IP address");
    }
    if (!slice_parse_ip(common_name, ip, &ip_len) && !names_is_dns(common_name)) {
        return edge_set(err, EDGE_INVALID,
                        "the common name is neither a host name (letters, digits, '-', '_' and "
                        "'.', no wildcard) nor an IP address");
    }
    return EDGE_OK;
}

enum edge_code names_check_id(struct slice id, size_t max_len, const char *what,
                              struct edge_error *err) {
    if (id.len == 0) {
        return edge_set(err, EDGE_INVALID, "%s is empty", what);
    }
    if (id.len > max_len) {
        return edge_set(err, EDGE_INVALID,
                        "%s is longer than %zu bytes, the most that a certificate takes", what,
                        max_len);
    }
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '/') {
            return edge_set(
                err, EDGE_INVALID,
                "%s contains a blank, '/', a control character or one that is not ASCII", what);
        }
    }
    return EDGE_OK;
}
