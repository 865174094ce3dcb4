/* SPDX-License-Identifier: MIT */
/*
 * Matching of requests to routes. Tables have a few dozen rows and a row fails on its method or its
 * first literal segment, so they are searched in order.
 */
#include "http/http_router.h"

#include "base/pct.h"

#include <string.h>

#define VERSION_SHOWN_MAX 64 /* bytes of a refused api-version that are told back */

const char *const http_api_versions[] = {
    "2018-06-28", "2019-01-30", "2019-10-22", "2019-11-05",
    "2020-07-07", "2021-12-07", "2022-08-03",
};
const size_t http_api_version_cnt = EDGE_ARRAY_LEN(http_api_versions);

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX once; what is not an escape stays. False when it does not fit. */
static bool decode(struct slice text, bool plus_is_space, char *dst, size_t dst_size,
                   size_t *ret_len) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && text.len - i > 2) {
            int high = hex_value(text.ptr[i + 1]);
            int low = hex_value(text.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high * 16 + low);
                i += 2;
            }
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (len == dst_size) {
            return false;
        }
        dst[len++] = c;
    }
    *ret_len = len;
    return true;
}

/* One path parameter. A NUL counts as not decodable: names are C strings further in. */
static bool take_param(struct http_match *m, struct slice segment) {
    char *dst = m->params[m->param_cnt];
    size_t len;
    if (segment.len > HTTP_PARAM_LEN_MAX * 3 ||
        !decode(segment, false, dst, HTTP_PARAM_LEN_MAX, &len)) {
        return false;
    }
    if (!slice_is_utf8_text(slice_make(dst, len))) {
        if (segment.len > HTTP_PARAM_LEN_MAX) {
            return false;
        }
        memcpy(dst, segment.ptr, segment.len);
        len = segment.len;
    }
    dst[len] = '\0';
    m->param_lens[m->param_cnt++] = len;
    return true;
}

/* Cuts the segment after the leading '/' off *path. */
static struct slice next_segment(struct slice *path) {
    struct slice rest = slice_make(path->ptr + 1, path->len - 1);
    ptrdiff_t slash = slice_find(rest, '/');
    struct slice segment = slash < 0 ? rest : slice_make(rest.ptr, (size_t)slash);
    *path = slice_make(segment.ptr + segment.len, rest.len - segment.len);
    return segment;
}

enum path_match {
    PATH_DIFFERS,
    PATH_FITS,
    PATH_PARAM_TOO_LONG,
};

/* Compares on the encoded text, as the original did; "/modules/%6Dine" is no other spelling of a
 * literal. */
static enum path_match match_path(struct slice pattern, struct slice path, struct http_match *m) {
    bool too_long = false;
    m->param_cnt = 0;
    while (pattern.len > 0) {
        if (path.len == 0) {
            return PATH_DIFFERS;
        }
        struct slice want = next_segment(&pattern);
        struct slice have = next_segment(&path);
        if (want.len > 0 && want.ptr[0] == '{') {
            if (have.len == 0) {
                return PATH_DIFFERS;
            }
            too_long = too_long || !take_param(m, have);
        } else if (!slice_eq(want, have)) {
            return PATH_DIFFERS;
        }
    }
    if (path.len > 1 || (path.len == 1 && path.ptr[0] != '/')) {
        return PATH_DIFFERS;
    }
    return too_long ? PATH_PARAM_TOO_LONG : PATH_FITS;
}

/* First pair of that name; both sides are form-encoded. */
static bool find_pair(struct slice query, const char *name, struct slice *ret_value) {
    char decoded[64];
    while (query.len > 0) {
        struct slice pair = query, key, value = slice_make(NULL, 0);
        size_t len;
        if (!slice_cut(query, '&', &pair, &query)) {
            query.len = 0;
        }
        key = pair;
        (void)slice_cut(pair, '=', &key, &value);
        if (decode(key, true, decoded, sizeof(decoded), &len) &&
            slice_eq_str(slice_make(decoded, len), name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static void split_target(struct slice target, struct slice *ret_path, struct slice *ret_query) {
    *ret_path = target;
    *ret_query = slice_make(NULL, 0);
    (void)slice_cut(target, '?', ret_path, ret_query);
}

/* The versions are dates in one form: text order is their order. */
static enum edge_code take_version(struct slice query, struct http_match *m,
                                   struct edge_error *err) {
    char text[VERSION_SHOWN_MAX];
    struct slice value = slice_make(NULL, 0);
    size_t len = 0;
    if (find_pair(query, "api-version", &value) && !decode(value, true, text, sizeof(text), &len)) {
        len = sizeof(text);
    }
    for (size_t i = 0; i < http_api_version_cnt; i++) {
        if (slice_eq_str(slice_make(text, len), http_api_versions[i])) {
            memcpy(m->version, text, len);
            m->version[len] = '\0';
            return EDGE_OK;
        }
    }
    return edge_set(err, EDGE_INVALID, "Invalid API version \"%.*s\"", (int)len, text);
}

enum edge_code http_router_match(const struct http_route *routes, size_t cnt, struct slice method,
                                 struct slice target, struct http_match *ret,
                                 struct edge_error *err) {
    struct slice path, query;
    split_target(target, &path, &query);
    if (query.len > HTTP_QUERY_LEN_MAX) {
        return edge_set(err, EDGE_RANGE, "the query is longer than %d bytes", HTTP_QUERY_LEN_MAX);
    }
    enum edge_code code = take_version(query, ret, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < cnt; i++) {
        if (!slice_eq_str(method, routes[i].method)) {
            continue;
        }
        enum path_match match = match_path(slice_str(routes[i].path), path, ret);
        if (match == PATH_DIFFERS || strcmp(ret->version, routes[i].min_version) < 0) {
            continue;
        }
        if (match == PATH_PARAM_TOO_LONG) {
            return edge_set(err, EDGE_RANGE, "a path parameter is longer than %d bytes",
                            HTTP_PARAM_LEN_MAX);
        }
        ret->route = &routes[i];
        return EDGE_OK;
    }
    return edge_set(err, EDGE_NOT_FOUND, "not found");
}

bool http_query_get(struct slice target, const char *name, struct buf *out) {
    struct slice path, query, value;
    split_target(target, &path, &query);
    if (!find_pair(query, name, &value)) {
        return false;
    }
    size_t before = out->len;
    if (pct_decode(value, true, out, NULL) != EDGE_OK) {
        buf_truncate(out, before);
        return false;
    }
    return true;
}
