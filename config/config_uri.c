/* SPDX-License-Identifier: MIT */
/*
 * Forms of URIs. What the 1.1 daemon took and this one does not is parsed far enough to be refused
 * with the reason.
 */
#include "config/config_uri.h"

#include "base/buf.h"
#include "base/pct.h"

#include <stdlib.h>
#include <string.h>

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Printable ASCII without blanks and without the delimiters that no part of our URIs may hold. */
static bool is_uri_text(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7F || strchr("\"<>\\^`{|}", s.ptr[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static struct slice skip(struct slice s, size_t len) {
    return slice_make(s.ptr + len, s.len - len);
}

struct slice config_uri_scheme(struct slice text) {
    size_t len = 0;
    while (len < text.len && (is_alpha(text.ptr[len]) ||
                              (len > 0 && (is_digit(text.ptr[len]) || text.ptr[len] == '+' ||
                                           text.ptr[len] == '-' || text.ptr[len] == '.')))) {
        len++;
    }
    bool ended = len > 0 && len < text.len && text.ptr[len] == ':';
    return slice_make(text.ptr, ended ? len : 0);
}

static enum edge_code copy_text(struct slice text, char **ret, struct edge_error *err) {
    *ret = slice_dup(text);
    return *ret != NULL ? EDGE_OK : edge_set(err, EDGE_NOMEM, "out of memory");
}

static enum edge_code join_text(const char *prefix, struct slice text, char **ret,
                                struct edge_error *err) {
    struct buf joined;
    buf_init(&joined, CONFIG_URL_MAX + 1);
    enum edge_code code = buf_append(&joined, prefix, strlen(prefix), err);
    if (code == EDGE_OK) {
        code = buf_append(&joined, text.ptr, text.len, err);
    }
    if (code == EDGE_OK) {
        code = copy_text(buf_slice(&joined), ret, err);
    }
    buf_clear(&joined);
    return code;
}

static enum edge_code check_socket_path(struct slice rest, struct edge_error *err) {
    if (!slice_starts_with(rest, "/")) {
        return edge_set(err, EDGE_CONFIG,
                        "needs an absolute path after unix://, for example unix:///run/x.sock");
    }
    if (slice_find(rest, '?') >= 0 || slice_find(rest, '#') >= 0) {
        return edge_set(err, EDGE_CONFIG, "a socket path has no query and no fragment");
    }
    if (rest.len > CONFIG_UNIX_PATH_MAX) {
        return edge_set(err, EDGE_CONFIG, "the socket path is longer than %d bytes",
                        CONFIG_UNIX_PATH_MAX);
    }
    if (slice_ends_with(rest, "/")) {
        return edge_set(err, EDGE_CONFIG, "names a directory, not a socket");
    }
    return EDGE_OK;
}

static enum edge_code parse_unix(struct slice rest, struct config_uri *uri,
                                 struct edge_error *err) {
    enum edge_code code = check_socket_path(rest, err);
    uri->scheme = CONFIG_SCHEME_UNIX;
    return code == EDGE_OK ? copy_text(rest, &uri->path, err) : code;
}

static enum edge_code parse_fd(struct slice rest, struct config_uri *uri, struct edge_error *err) {
    if (slice_ends_with(rest, "/")) {
        rest.len--;
    }
    if (rest.len == 0 || slice_find(rest, '/') >= 0 || slice_find(rest, ':') >= 0) {
        return edge_set(err, EDGE_CONFIG,
                        "needs the name or the number of a systemd socket after fd://");
    }
    uri->scheme = CONFIG_SCHEME_FD;
    bool number = true;
    for (size_t i = 0; i < rest.len; i++) {
        number = number && is_digit(rest.ptr[i]);
    }
    if (!number) {
        return copy_text(rest, &uri->name, err);
    }
    uint64_t value = 0;
    if (!slice_parse_u64(rest, CONFIG_FD_INDEX_MAX, &value)) {
        return edge_set(err, EDGE_CONFIG, "the descriptor number is above %d", CONFIG_FD_INDEX_MAX);
    }
    uri->fd_index = (int)value;
    return EDGE_OK;
}

static enum edge_code parse_rest(struct slice text, struct config_uri *uri,
                                 struct edge_error *err) {
    struct slice scheme = config_uri_scheme(text);
    if (scheme.len == 0 || !is_uri_text(text)) {
        return edge_set(err, EDGE_CONFIG, "is no URI; write unix:///PATH");
    }
    struct slice rest = skip(text, scheme.len + 1);
    if (!slice_starts_with(rest, "//")) {
        return edge_set(err, EDGE_CONFIG, "is no URI with //; write unix:///PATH");
    }
    rest = skip(rest, 2);
    if (slice_eq_nocase(scheme, "unix")) {
        return parse_unix(rest, uri, err);
    }
    if (slice_eq_nocase(scheme, "fd")) {
        return parse_fd(rest, uri, err);
    }
    if (slice_eq_nocase(scheme, "http") || slice_eq_nocase(scheme, "tcp") ||
        slice_eq_nocase(scheme, "https")) {
        return edge_set(err, EDGE_CONFIG,
                        "network sockets are not supported: nobody could tell which module is "
                        "calling, so every caller would have the rights of all; use unix:///PATH");
    }
    return edge_set(err, EDGE_CONFIG, "the scheme is not supported; use unix:///PATH");
}

enum edge_code config_uri_parse(struct slice text, struct config_uri *ret, struct edge_error *err) {
    struct config_uri uri = {.fd_index = -1};
    enum edge_code code = parse_rest(text, &uri, err);
    if (code == EDGE_OK) {
        code = copy_text(text, &uri.text, err);
    }
    if (code != EDGE_OK) {
        config_uri_clear(&uri);
        return code;
    }
    *ret = uri;
    return EDGE_OK;
}

void config_uri_clear(struct config_uri *uri) {
    if (uri != NULL) {
        free(uri->text);
        free(uri->path);
        free(uri->name);
        *uri = (struct config_uri){.fd_index = -1};
    }
}

static bool is_host(struct slice host) {
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        for (size_t i = 1; i + 1 < host.len; i++) {
            if (strchr("0123456789abcdefABCDEF:.", host.ptr[i]) == NULL) {
                return false;
            }
        }
        return true;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!is_alpha(host.ptr[i]) && !is_digit(host.ptr[i]) && host.ptr[i] != '-' &&
            host.ptr[i] != '.') {
            return false;
        }
    }
    return host.len > 0;
}

/* Cuts ":PORT" off an authority. An IPv6 address keeps its colons in brackets. */
static bool cut_port(struct slice *authority) {
    size_t len = authority->len;
    while (len > 0 && is_digit(authority->ptr[len - 1])) {
        len--;
    }
    if (len == 0 || authority->ptr[len - 1] != ':') {
        return true;
    }
    uint64_t port = 0;
    if (!slice_parse_u64(skip(*authority, len), UINT16_MAX, &port) || port == 0) {
        return false;
    }
    authority->len = len - 1;
    return true;
}

enum edge_code config_uri_endpoint(struct slice text, char **ret_url, struct edge_error *err) {
    struct slice scheme = config_uri_scheme(text);
    if (!slice_eq_nocase(scheme, "https") || !slice_starts_with(skip(text, scheme.len), "://")) {
        return edge_set(err, EDGE_CONFIG,
                        "must be an https URL, for example "
                        "https://global.azure-devices-provisioning.net");
    }
    if (text.len > CONFIG_URL_MAX) {
        return edge_set(err, EDGE_CONFIG, "is longer than %d bytes", CONFIG_URL_MAX);
    }
    if (slice_ends_with(text, "/")) {
        text.len--;
    }
    struct slice authority =
        text.len < scheme.len + 3 ? slice_make("", 0) : skip(text, scheme.len + 3);
    if (slice_find(authority, '@') >= 0) {
        return edge_set(err, EDGE_CONFIG, "must not contain a user name or password");
    }
    if (slice_find(authority, '/') >= 0 || slice_find(authority, '?') >= 0 ||
        slice_find(authority, '#') >= 0) {
        return edge_set(err, EDGE_CONFIG, "must end after host and port");
    }
    if (!cut_port(&authority) || !is_host(authority)) {
        return edge_set(err, EDGE_CONFIG, "needs a host name and at most a port after https://");
    }
    return copy_text(text, ret_url, err);
}

/* True for the names of this machine's own interface. */
static bool is_loopback(struct slice host) {
    return slice_eq_nocase(host, "localhost") || slice_starts_with(host, "127.") ||
           slice_eq_str(host, "[::1]");
}

static enum edge_code parse_external_http(struct slice authority, char **ret_url, bool *ret_clear,
                                          struct edge_error *err) {
    if (slice_ends_with(authority, "/")) {
        authority.len--;
    }
    struct slice host = authority;
    if (slice_find(authority, '@') >= 0) {
        return edge_set(err, EDGE_CONFIG, "must not contain a user name or password");
    }
    if (slice_find(authority, '/') >= 0 || slice_find(authority, '?') >= 0 ||
        slice_find(authority, '#') >= 0) {
        return edge_set(err, EDGE_CONFIG, "must end after host and port");
    }
    if (!cut_port(&host) || !is_host(host)) {
        return edge_set(err, EDGE_CONFIG, "needs a host name and at most a port after http://");
    }
    *ret_clear = !is_loopback(host);
    return join_text("http://", authority, ret_url, err);
}

enum edge_code config_uri_external(struct slice text, char **ret_url, bool *ret_clear,
                                   struct edge_error *err) {
    struct slice scheme = config_uri_scheme(text);
    if (slice_eq_nocase(scheme, "https")) {
        return edge_set(err, EDGE_CONFIG,
                        "https is not possible: nothing says which certificate the provisioning "
                        "environment would have; use unix:///PATH, or http://HOST:PORT on this "
                        "machine");
    }
    if ((!slice_eq_nocase(scheme, "http") && !slice_eq_nocase(scheme, "unix")) ||
        !slice_starts_with(skip(text, scheme.len), "://") || !is_uri_text(text)) {
        return edge_set(err, EDGE_CONFIG, "must be unix:///PATH or http://HOST:PORT");
    }
    if (text.len > CONFIG_URL_MAX) {
        return edge_set(err, EDGE_CONFIG, "is longer than %d bytes", CONFIG_URL_MAX);
    }
    struct slice rest = skip(text, scheme.len + 3);
    *ret_clear = false;
    if (slice_eq_nocase(scheme, "http")) {
        return parse_external_http(rest, ret_url, ret_clear, err);
    }
    enum edge_code code = check_socket_path(rest, err);
    return code == EDGE_OK ? join_text("unix://", rest, ret_url, err) : code;
}

enum edge_code config_uri_proxy(struct slice text, char **ret_url, struct edge_error *err) {
    struct slice scheme = config_uri_scheme(text);
    if ((!slice_eq_nocase(scheme, "http") && !slice_eq_nocase(scheme, "https")) ||
        !slice_starts_with(skip(text, scheme.len), "://")) {
        return edge_set(err, EDGE_CONFIG, "must be an http or https URL, like http://PROXY:3128");
    }
    if (text.len > CONFIG_URL_MAX || !is_uri_text(text)) {
        return edge_set(err, EDGE_CONFIG,
                        "is longer than %d bytes or contains a character that must be "
                        "percent-encoded",
                        CONFIG_URL_MAX);
    }
    if (slice_ends_with(text, "/")) {
        text.len--;
    }
    struct slice authority =
        text.len < scheme.len + 3 ? slice_make("", 0) : skip(text, scheme.len + 3);
    if (slice_find(authority, '/') >= 0 || slice_find(authority, '?') >= 0 ||
        slice_find(authority, '#') >= 0) {
        return edge_set(err, EDGE_CONFIG,
                        "must end after host and port; '/', '?' and '#' in a password must be "
                        "percent-encoded");
    }
    struct slice user;
    struct slice host = authority;
    (void)slice_cut(authority, '@', &user, &host);
    if (!cut_port(&host) || !is_host(host)) {
        return edge_set(err, EDGE_CONFIG,
                        "needs a host name and at most a port after user and password, in which "
                        "'@' must be percent-encoded");
    }
    return copy_text(text, ret_url, err);
}

static enum edge_code decode_path(struct slice text, char **ret_path, struct edge_error *err) {
    struct buf path;
    buf_init(&path, CONFIG_URL_MAX);
    enum edge_code code = pct_decode(text, false, &path, err);
    if (code == EDGE_OK) {
        code = slice_find(buf_slice(&path), '\0') < 0 ? copy_text(buf_slice(&path), ret_path, err)
                                                      : EDGE_PARSE;
    }
    buf_clear(&path);
    if (code != EDGE_OK && code != EDGE_NOMEM) {
        return edge_set(err, EDGE_CONFIG, "the path of the file URI cannot be decoded");
    }
    return code;
}

enum edge_code config_uri_file(struct slice text, char **ret_path, struct edge_error *err) {
    struct slice scheme = config_uri_scheme(text);
    if (scheme.len == 0) {
        return edge_set(err, EDGE_CONFIG, "must be a file URI, file:///PATH");
    }
    if (!slice_eq_nocase(scheme, "file")) {
        return edge_set(err, EDGE_CONFIG, "only file URIs are supported, file:///PATH");
    }
    if (slice_find(text, '?') >= 0 || slice_find(text, '#') >= 0) {
        return edge_set(err, EDGE_CONFIG, "a file URI must not have a query or a fragment");
    }
    struct slice rest = skip(text, scheme.len + 1);
    if (slice_starts_with(rest, "//")) {
        rest = skip(rest, 2);
        struct slice host = slice_make(rest.ptr, 0);
        while (host.len < rest.len && rest.ptr[host.len] != '/') {
            host.len++;
        }
        if (host.len > 0 && !slice_eq_nocase(host, "localhost")) {
            return edge_set(err, EDGE_CONFIG,
                            "a file URI must not name another host; write "
                            "file:///PATH with three slashes");
        }
        rest = skip(rest, host.len);
    }
    if (!slice_starts_with(rest, "/") || rest.len < 2) {
        return edge_set(err, EDGE_CONFIG, "must hold an absolute path, file:///PATH");
    }
    return decode_path(rest, ret_path, err);
}

enum edge_code config_uri_path(struct slice text, char **ret_path, struct edge_error *err) {
    if (text.len == 0) {
        return edge_set(err, EDGE_CONFIG, "is empty");
    }
    if (!slice_starts_with(text, "/") && config_uri_scheme(text).len > 0) {
        return config_uri_file(text, ret_path, err);
    }
    return copy_text(text, ret_path, err);
}
