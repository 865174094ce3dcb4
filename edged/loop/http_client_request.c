/* SPDX-License-Identifier: MIT */
/*
 * What goes to curl (options, headers, body) and what it hands back byte by byte (header lines,
 * body). Both callbacks run inside curl's own calls: they note, and never call curl's multi
 * interface.
 */
#include "loop/http_client_request.h"

#include "base/clock.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_CLIENT_IO_SIZE 16384L

/* The blank line after the headers; interim answers (1xx) have one too. */
static void request_headers_end(struct http_client_call *r) {
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) {
        http_fields_reset(&r->fields);
        return;
    }
    r->opened = true;
    r->stream = r->on_data != NULL && status < 300;
    if (r->on_open != NULL) {
        r->on_open(r->data, (int)status);
    }
}

static size_t request_on_header(char *bytes, size_t size, size_t cnt, void *data) {
    struct http_client_call *r = data;
    size_t len = size * cnt;
    r->active_ms = clock_mono_ms();
    if (r->canceled) {
        return 0;
    }
    r->header_len += len;
    if (r->header_len > HTTP_CLIENT_HEADERS_MAX) {
        r->fail = edge_set(&r->err, EDGE_RANGE, "the headers of the answer of '%s' are too long",
                           r->host);
        return 0;
    }
    struct slice line = slice_make(bytes, len);
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r')) {
        line.len--;
    }
    if (!r->opened) { /* what comes later are trailers */
        if (line.len == 0) {
            request_headers_end(r);
        } else {
            http_fields_take(&r->fields, line);
        }
    }
    return r->canceled ? 0 : len;
}

static size_t request_on_body(char *bytes, size_t size, size_t cnt, void *data) {
    struct http_client_call *r = data;
    size_t len = size * cnt;
    r->active_ms = clock_mono_ms();
    if (r->canceled) {
        return 0;
    }
    if (!r->stream) {
        enum edge_code code = buf_append(&r->answer, bytes, len, &r->err);
        if (code == EDGE_OK) {
            return len;
        }
        if (code == EDGE_RANGE) {
            (void)edge_set(&r->err, EDGE_RANGE, "the answer of '%s' is longer than %zu bytes",
                           r->host, r->answer.max);
        }
        r->fail = code;
        return 0;
    }
    if (r->paused) {
        r->held = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!r->on_data(r->data, slice_make(bytes, len))) {
        r->paused = true;
    }
    return r->canceled ? 0 : len;
}

/* Header lines in wiped memory; curl reads them in place. */
static enum edge_code request_add_line(struct http_client_call *r, const char *name,
                                       const char *value, struct edge_error *err) {
    /* "name:" removes what curl would send, "name;" sends an empty value. */
    const char *separator = value == NULL ? ":" : value[0] == '\0' ? ";" : ": ";
    enum edge_code code = buf_append_str(&r->text, name, err);
    code = code != EDGE_OK ? code : buf_append_str(&r->text, separator, err);
    code = code != EDGE_OK || value == NULL ? code : buf_append_str(&r->text, value, err);
    return code != EDGE_OK ? code : buf_append_byte(&r->text, 0, err);
}

static enum edge_code request_take_lines(struct http_client_call *r,
                                         const struct http_client_request *req,
                                         struct edge_error *err) {
    bool has_type = false;
    for (size_t i = 0; i < req->header_cnt; i++) {
        const char *value = req->headers[i].value != NULL ? req->headers[i].value : "";
        enum edge_code code = request_add_line(r, req->headers[i].name, value, err);
        if (code != EDGE_OK) {
            return code;
        }
        has_type = has_type || slice_eq_nocase(slice_str(req->headers[i].name), "content-type");
    }
    enum edge_code code = request_add_line(r, "Expect", NULL, err);
    if (code == EDGE_OK && !has_type) {
        code = request_add_line(r, "Content-Type", NULL, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    size_t cnt = req->header_cnt + (has_type ? 1 : 2);
    r->lines = calloc(cnt, sizeof(*r->lines));
    if (r->lines == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the headers of a request");
    }
    char *line = (char *)r->text.data;
    for (size_t i = 0; i < cnt; i++) {
        r->lines[i].data = line;
        r->lines[i].next = i + 1 < cnt ? &r->lines[i + 1] : NULL;
        line += strlen(line) + 1;
    }
    return EDGE_OK;
}

/* Collects the results of option calls; curl has no other failure there than memory and our
 * mistakes. */
#define SET(easy, option, value) (curl_easy_setopt((easy), (option), (value)) != CURLE_OK)

/* curl's copies are in wiped memory. The certificate is part of what it compares before it uses a
 * connection or a TLS session again; the key is not, but belongs to one certificate only. */
static bool request_set_identity(CURL *e, const struct http_client_identity *id) {
    struct curl_blob cert = {(void *)(uintptr_t)id->cert_pem.ptr, id->cert_pem.len, CURL_BLOB_COPY};
    struct curl_blob key = {(void *)(uintptr_t)id->key_pem.ptr, id->key_pem.len, CURL_BLOB_COPY};
    bool bad = SET(e, CURLOPT_SSLCERTTYPE, "PEM");
    bad |= SET(e, CURLOPT_SSLCERT_BLOB, &cert);
    bad |= SET(e, CURLOPT_SSLKEYTYPE, "PEM");
    bad |= SET(e, CURLOPT_SSLKEY_BLOB, &key);
    /* Without one, curl 7.88 reads through a null pointer when the key turns out encrypted. */
    bad |= SET(e, CURLOPT_KEYPASSWD, "");
    return !bad;
}

/* What has been read stays in OpenSSL's buffer otherwise, for as long as the connection lives: the
 * hub's answers hold keys of modules. */
static CURLcode tls_wipes_input(CURL *e, void *ctx, void *data) {
    (void)e;
    (void)data;
    SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

static bool request_set_tls(CURL *e, const struct http_client *c) {
    bool bad = SET(e, CURLOPT_PROTOCOLS_STR, "https");
    bad |= SET(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= SET(e, CURLOPT_SSL_CTX_FUNCTION, tls_wipes_input);
    bad |= SET(e, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= SET(e, CURLOPT_SSL_VERIFYHOST, 2L);
    /* The directory is looked up by name: only the certificates in use are read, not the whole
     * store. */
    bad |= SET(e, CURLOPT_CAPATH, c->ca_dir);
    bad |= SET(e, CURLOPT_CAINFO, c->extra_ca_file);
    /* Both are always said, or curl would ask the environment. */
    bad |= SET(e, CURLOPT_PROXY, http_client_proxy_url(&c->proxy));
    bad |= SET(e, CURLOPT_NOPROXY, http_client_proxy_exceptions(&c->proxy));
    bad |= SET(e, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= SET(e, CURLOPT_PROXY_CAPATH, c->ca_dir);
    bad |= SET(e, CURLOPT_PROXY_CAINFO, c->extra_ca_file);
    bad |= SET(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return !bad;
}

static bool request_set_transport(struct http_client_call *r,
                                  const struct http_client_request *req) {
    const struct http_client *c = r->client;
    CURL *e = r->easy;
    bool bad = SET(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= SET(e, CURLOPT_NOSIGNAL, 1L);
    bad |= SET(e, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CLIENT_CONNECT_TIMEOUT_MS);
    bad |= SET(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    bad |= SET(e, CURLOPT_BUFFERSIZE, HTTP_CLIENT_IO_SIZE);
    bad |= SET(e, CURLOPT_UPLOAD_BUFFERSIZE, HTTP_CLIENT_IO_SIZE);
    bad |= SET(e, CURLOPT_TCP_KEEPALIVE, 1L);
    /* A cancelled name lookup is left to its thread: waiting for it would stop the loop. */
    bad |= SET(e, CURLOPT_QUICK_EXIT, 1L);
    if (r->secure) {
        bad |= !request_set_tls(e, c);
        return !bad && (req->identity == NULL || request_set_identity(e, req->identity));
    }
    bad |= SET(e, CURLOPT_PROTOCOLS_STR, "http");
    bad |= SET(e, CURLOPT_PROXY, "");
    if (req->unix_path != NULL) {
        bad |= SET(e, CURLOPT_UNIX_SOCKET_PATH, req->unix_path);
        /* curl sends a request again by itself when a connection that it had kept ends without an
         * answer. What changes something would be done twice; a new connection costs little here.
         */
        bad |= SET(e, CURLOPT_FRESH_CONNECT, strcmp(req->method, "GET") != 0 ? 1L : 0L);
    }
    return !bad;
}

static bool request_set_message(struct http_client_call *r, const struct http_client_request *req) {
    CURL *e = r->easy;
    bool bad = SET(e, CURLOPT_URL, req->url);
    bad |= SET(e, CURLOPT_PATH_AS_IS, 1L);
    bad |= SET(e, CURLOPT_USERAGENT, r->client->user_agent);
    bad |= SET(e, CURLOPT_HTTPHEADER, r->lines);
    struct slice method = slice_str(req->method);
    bool sends = slice_eq_str(method, "POST") || slice_eq_str(method, "PUT") ||
                 slice_eq_str(method, "PATCH");
    if (req->body.ptr != NULL || sends) {
        bad |= SET(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        bad |= SET(e, CURLOPT_POSTFIELDS, r->body.len > 0 ? (const char *)r->body.data : "");
    }
    if (slice_eq_str(method, "HEAD")) {
        bad |= SET(e, CURLOPT_NOBODY, 1L);
    } else {
        bad |= SET(e, CURLOPT_CUSTOMREQUEST, req->method);
    }
    bad |= SET(e, CURLOPT_PRIVATE, r);
    bad |= SET(e, CURLOPT_ERRORBUFFER, r->detail);
    bad |= SET(e, CURLOPT_HEADERFUNCTION, request_on_header);
    bad |= SET(e, CURLOPT_HEADERDATA, r);
    bad |= SET(e, CURLOPT_WRITEFUNCTION, request_on_body);
    bad |= SET(e, CURLOPT_WRITEDATA, r);
    return !bad;
}

static enum edge_code request_fill(struct http_client_call *r,
                                   const struct http_client_request *req,
                                   void (*on_stall)(void *data), struct edge_error *err) {
    buf_init_sensitive(&r->text, (size_t)2 * HTTP_CLIENT_HEADERS_MAX);
    size_t answer_max = req->answer_max > 0 ? req->answer_max : HTTP_CLIENT_BODY_MAX;
    if (req->sensitive) {
        buf_init_sensitive(&r->body, req->body.len);
        buf_init_sensitive(&r->answer, answer_max);
    } else {
        buf_init(&r->body, req->body.len);
        buf_init(&r->answer, answer_max);
    }
    http_check_host(req, r->host);
    r->secure = slice_starts_with(slice_str(req->url), "https://");
    r->stall_ms = req->stall_ms;
    r->on_data = req->on_data;
    r->on_open = req->on_open;
    r->on_done = req->on_done;
    r->data = req->data;
    enum edge_code code = buf_append_slice(&r->body, req->body, err);
    if (code == EDGE_OK) {
        code = request_take_lines(r, req, err);
    }
    if (code == EDGE_OK && r->stall_ms > 0) {
        code = loop_timer_new(r->client->loop, on_stall, r, &r->stall_timer, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    r->easy = curl_easy_init();
    if (r->easy == NULL || !request_set_transport(r, req) || !request_set_message(r, req)) {
        return edge_set(err, EDGE_NOMEM, "no memory for a request to '%s'", r->host);
    }
    return EDGE_OK;
}

void http_client_request_free(struct http_client_call *r) {
    loop_timer_free(r->stall_timer);
    if (r->easy != NULL) {
        curl_easy_cleanup(r->easy);
    }
    free(r->lines);
    buf_clear(&r->text);
    buf_clear(&r->body);
    buf_clear(&r->answer);
    free(r);
}

enum edge_code http_client_request_new(struct http_client *c, const struct http_client_request *req,
                                       void (*on_stall)(void *data), struct http_client_call **ret,
                                       struct edge_error *err) {
    struct http_client_call *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a request");
    }
    r->client = c;
    enum edge_code code = request_fill(r, req, on_stall, err);
    if (code != EDGE_OK) {
        http_client_request_free(r);
        return code;
    }
    *ret = r;
    return EDGE_OK;
}
