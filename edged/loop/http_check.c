/* SPDX-License-Identifier: MIT */
/*
 * The gate between our callers and the wire. Values can come from the cloud or from a module (a
 * hub's host name, an image's tag), so that nothing here is taken for granted.
 */
#include "loop/http_check.h"

#include "base/slice.h"

#include <string.h>
#include <sys/un.h>

static bool http_check_is_token(struct slice text) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && (c == '\0' || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

/* Field values: visible ASCII, blanks, tabs and bytes above; nothing that could end the line. */
static bool http_check_is_value(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static enum edge_code http_check_headers(const struct http_client_request *req,
                                         struct edge_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < req->header_cnt; i++) {
        struct slice name = slice_str(req->headers[i].name);
        struct slice value = slice_str(req->headers[i].value);
        if (!http_check_is_token(name)) {
            return edge_set(err, EDGE_INVALID, "header %zu of the request has a malformed name", i);
        }
        if (!http_check_is_value(value)) {
            return edge_set(err, EDGE_INVALID, "header '%.*s' has a malformed value",
                            SLICE_ARG(name));
        }
        total += name.len + value.len;
        if (total > HTTP_CLIENT_HEADERS_MAX) {
            return edge_set(err, EDGE_INVALID, "the headers of the request are too long");
        }
    }
    return EDGE_OK;
}

/* The authority: what stands between "//" and the path. */
static struct slice http_check_authority(struct slice url) {
    const char *start = memmem(url.ptr, url.len, "://", 3);
    if (start == NULL) {
        return slice_make(NULL, 0);
    }
    start += 3;
    size_t left = url.len - (size_t)(start - url.ptr);
    size_t len = 0;
    while (len < left && strchr("/?#", start[len]) == NULL) {
        len++;
    }
    return slice_make(start, len);
}

static enum edge_code http_check_url(const struct http_client_request *req,
                                     struct edge_error *err) {
    struct slice url = slice_str(req->url);
    bool local = req->unix_path != NULL;
    if (url.len > HTTP_CHECK_URL_MAX) {
        return edge_set(err, EDGE_INVALID, "the address of the request is too long");
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f) {
            return edge_set(err, EDGE_INVALID, "the address has a byte that must be escaped");
        }
    }
    bool may_be_plain = local || req->plain_http;
    if (!(may_be_plain && slice_starts_with(url, "http://")) &&
        !(!local && slice_starts_with(url, "https://"))) {
        return edge_set(err, EDGE_INVALID, "only https and local sockets can be asked");
    }
    struct slice authority = http_check_authority(url);
    if (authority.len == 0) {
        return edge_set(err, EDGE_INVALID, "the address names no host");
    }
    if (slice_find(authority, '@') >= 0) {
        return edge_set(err, EDGE_INVALID, "the address has credentials in it");
    }
    if (slice_find(authority, '\\') >= 0) {
        return edge_set(err, EDGE_INVALID, "the address has a malformed host");
    }
    return EDGE_OK;
}

static enum edge_code http_check_identity(const struct http_client_request *req,
                                          struct edge_error *err) {
    const struct http_client_identity *id = req->identity;
    if (id == NULL) {
        return EDGE_OK;
    }
    if (!slice_starts_with(slice_str(req->url), "https://")) {
        return edge_set(err, EDGE_INVALID, "a client certificate can only be sent over https");
    }
    if (id->cert_pem.len == 0 || id->key_pem.len == 0) {
        return edge_set(err, EDGE_INVALID, "a client certificate needs its private key");
    }
    if (id->cert_pem.len > HTTP_CLIENT_IDENTITY_MAX || id->key_pem.len > HTTP_CLIENT_IDENTITY_MAX) {
        return edge_set(err, EDGE_INVALID, "client certificate or key longer than %d bytes",
                        HTTP_CLIENT_IDENTITY_MAX);
    }
    return EDGE_OK;
}

enum edge_code http_check_request(const struct http_client_request *req, struct edge_error *err) {
    struct slice method = slice_str(req->method);
    if (method.len > HTTP_CHECK_METHOD_MAX || !http_check_is_token(method)) {
        return edge_set(err, EDGE_INVALID, "malformed request method");
    }
    if (req->on_done == NULL) {
        return edge_set(err, EDGE_INVALID, "a request needs a completion callback");
    }
    if (req->unix_path != NULL) {
        size_t len = strlen(req->unix_path);
        if (len == 0 || len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
            return edge_set(err, EDGE_INVALID, "socket path of %zu bytes cannot be used", len);
        }
    }
    enum edge_code code = http_check_url(req, err);
    code = code != EDGE_OK ? code : http_check_identity(req, err);
    return code != EDGE_OK ? code : http_check_headers(req, err);
}

void http_check_host(const struct http_client_request *req, char ret_host[HTTP_CHECK_HOST_MAX]) {
    struct slice host = slice_str(req->unix_path);
    if (req->unix_path == NULL) {
        host = http_check_authority(slice_str(req->url));
        const char *colon = memrchr(host.ptr, ':', host.len);
        /* In "[::1]" the last colon belongs to the address. */
        if (colon != NULL && memchr(colon, ']', host.len - (size_t)(colon - host.ptr)) == NULL) {
            host.len = (size_t)(colon - host.ptr);
        }
    }
    if (host.len > HTTP_CHECK_HOST_MAX - 1) {
        host.len = HTTP_CHECK_HOST_MAX - 1;
    }
    if (host.len > 0) {
        memcpy(ret_host, host.ptr, host.len);
    }
    ret_host[host.len] = '\0';
}
