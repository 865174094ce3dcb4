/* SPDX-License-Identifier: MIT */
/*
 * curl reads the environment by itself unless it is told; it always is, so that what is used is
 * known, checked and the same for every request of a client. Addresses may hold a password: no text
 * in here quotes one.
 */
#include "loop/http_client_proxy.h"

#include "base/env.h"
#include "base/slice.h"

#include <curl/curl.h>

#include <stdio.h>
#include <string.h>

#define PROXY_FORM "[http://][user:password@]host[:port]"

/* Scheme and everything else of an address, as curl would split it. */
static struct slice proxy_cut_scheme(struct slice *rest) {
    const char *at = memmem(rest->ptr, rest->len, "://", 3);
    if (at == NULL) {
        return slice_make(NULL, 0);
    }
    struct slice scheme = slice_make(rest->ptr, (size_t)(at - rest->ptr));
    *rest = slice_make(at + 3, rest->len - scheme.len - 3);
    return scheme;
}

static bool proxy_scheme_is_known(struct slice scheme) {
    static const char *const known[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(known); i++) {
        if (slice_eq_nocase(scheme, known[i])) {
            return true;
        }
    }
    return scheme.ptr == NULL;
}

/* Whether curl can take this part of the address, and what it is; a part that is absent is fine. */
static CURLUcode proxy_part(CURLU *u, CURLUPart part, CURLUcode absent, bool *ret_is_empty) {
    char *text = NULL;
    CURLUcode rc = curl_url_get(u, part, &text, CURLU_URLDECODE);
    *ret_is_empty = text == NULL || text[0] == '\0';
    curl_free(text);
    return rc == absent ? CURLUE_OK : rc;
}

static CURLUcode proxy_parse(const char *url) {
    CURLU *u = curl_url();
    bool is_empty = false;
    if (u == NULL) {
        return CURLUE_OUT_OF_MEMORY;
    }
    CURLUcode rc =
        curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME);
    if (rc == CURLUE_OK) {
        rc = proxy_part(u, CURLUPART_USER, CURLUE_NO_USER, &is_empty);
    }
    if (rc == CURLUE_OK) {
        rc = proxy_part(u, CURLUPART_PASSWORD, CURLUE_NO_PASSWORD, &is_empty);
    }
    if (rc == CURLUE_OK) {
        rc = proxy_part(u, CURLUPART_HOST, CURLUE_OK, &is_empty);
        rc = rc == CURLUE_OK && is_empty ? CURLUE_NO_HOST : rc;
    }
    curl_url_cleanup(u);
    return rc;
}

static enum edge_code proxy_check(const char *url, const char *where, struct edge_error *err) {
    struct slice rest = slice_str(url);
    if (rest.len > HTTP_CLIENT_PROXY_MAX) {
        return edge_set(err, EDGE_RANGE, "the proxy address in %s is too long", where);
    }
    if (!proxy_scheme_is_known(proxy_cut_scheme(&rest))) {
        return edge_set(err, EDGE_INVALID,
                        "the proxy address in %s starts with a scheme that cannot be used; it "
                        "must look like " PROXY_FORM,
                        where);
    }
    CURLUcode rc = proxy_parse(url);
    if (rc == CURLUE_OUT_OF_MEMORY) {
        return edge_set(err, EDGE_NOMEM, "no memory for the address of the proxy");
    }
    if (rc != CURLUE_OK) {
        return edge_set(err, EDGE_INVALID,
                        "the proxy address in %s is malformed (%s); it must look like " PROXY_FORM
                        " with other characters of user and password percent-encoded",
                        where, curl_url_strerror(rc));
    }
    return EDGE_OK;
}

/* A variable that is set but empty counts as unset, as it does for curl. */
static const char *proxy_env(const char *const names[2], const char **ret_where) {
    for (size_t i = 0; i < 2; i++) {
        const char *value = env_get(names[i]);
        if (value != NULL && value[0] != '\0') {
            *ret_where = names[i];
            return value;
        }
    }
    return "";
}

static enum edge_code proxy_keep(struct buf *b, const char *text, struct edge_error *err) {
    return buf_append(b, text, strlen(text) + 1, err);
}

enum edge_code http_client_proxy_init(struct http_client_proxy *p,
                                      const struct http_client_options *opt,
                                      struct edge_error *err) {
    static const char *const url_names[2] = {"https_proxy", "HTTPS_PROXY"};
    static const char *const exception_names[2] = {"no_proxy", "NO_PROXY"};
    buf_init_sensitive(&p->url, HTTP_CLIENT_PROXY_MAX + 1);
    buf_init(&p->exceptions, HTTP_CLIENT_NO_PROXY_MAX + 1);
    const char *where = "the configuration";
    const char *exceptions_where = where;
    const char *url = opt->https_proxy;
    const char *exceptions = opt->no_proxy;
    if (url == NULL) {
        url = proxy_env(url_names, &where);
    }
    if (exceptions == NULL) {
        exceptions = proxy_env(exception_names, &exceptions_where);
    }
    if (strlen(exceptions) > HTTP_CLIENT_NO_PROXY_MAX) {
        return edge_set(err, EDGE_RANGE, "the list of hosts without proxy in %s is too long",
                        exceptions_where);
    }
    enum edge_code code = url[0] != '\0' ? proxy_check(url, where, err) : EDGE_OK;
    code = code != EDGE_OK ? code : proxy_keep(&p->url, url, err);
    return code != EDGE_OK ? code : proxy_keep(&p->exceptions, exceptions, err);
}

void http_client_proxy_clear(struct http_client_proxy *p) {
    buf_clear(&p->url);
    buf_clear(&p->exceptions);
}

const char *http_client_proxy_url(const struct http_client_proxy *p) {
    return (const char *)p->url.data;
}

const char *http_client_proxy_exceptions(const struct http_client_proxy *p) {
    return (const char *)p->exceptions.data;
}

bool http_client_proxy_text(const char *url, char *out, size_t size) {
    struct slice rest = slice_str(url);
    struct slice scheme = proxy_cut_scheme(&rest);
    /* The last '@' of all: a password that should have been encoded may hold anything. */
    const char *at = rest.len > 0 ? memrchr(rest.ptr, '@', rest.len) : NULL;
    if (at != NULL) {
        rest = slice_make(at + 1, rest.len - (size_t)(at + 1 - rest.ptr));
    }
    size_t len = 0;
    while (len < rest.len && strchr("/?#", rest.ptr[len]) == NULL) {
        len++;
    }
    rest.len = len;
    if (size == 0) {
        return false;
    }
    bool fits = scheme.len < 16 && rest.len < size;
    int need = fits
                   ? snprintf(out, size, "%.*s%s%s%.*s", (int)scheme.len,
                              scheme.len > 0 ? scheme.ptr : "", scheme.len > 0 ? "://" : "",
                              at != NULL ? "***@" : "", (int)rest.len, rest.len > 0 ? rest.ptr : "")
                   : 0;
    fits = fits && (size_t)need < size;
    if (!fits) {
        out[0] = '\0';
    }
    return fits;
}
