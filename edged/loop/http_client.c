/*
 * Drives libcurl's multi interface from the loop: one uv_poll per socket that curl wants watched,
 * one timer for curl's clock. All of curl stays in here: options, callbacks, error numbers.
 *
 * curl calls back from inside its own calls and must not be re-entered from there. So everything
 * that the public functions want from curl is noted in the request and done in http_client_on_kick,
 * a timer of zero delay; that also keeps completions out of the calls that cause them.
 */
#include "loop/http_client.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/secret.h"
#include "loop/http_check.h"
#include "loop/http_fields.h"
#include "loop/wipe.h"

#include <curl/curl.h>
#include <uv.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HTTP_CLIENT_IDLE_CONNS_MAX 8L
#define HTTP_CLIENT_IO_SIZE        16384L
#define HTTP_CLIENT_CA_DIR         "/etc/ssl/certs"

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer; /* curl's clock */
    struct loop_timer *kick;
    struct list requests;
    uint32_t request_cnt;
    uint32_t socket_cnt; /* uv_poll handles not yet closed */
    char *extra_ca_file;
    char *ca_dir;
    char *user_agent;
    bool closing;
    bool cleaned; /* multi handle is gone */
    void (*closed)(void *data);
    void *closed_data;
};

struct client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
};

struct client_request {
    struct list node;
    struct http_client *client;
    CURL *easy;
    struct op op;
    bool started; /* the multi handle has it */
    bool canceled;
    bool resume; /* asked for, not yet done */
    bool paused; /* on_data said stop */
    bool held;   /* curl holds bytes back because of that */
    bool opened; /* the final answer's headers are complete */
    bool stream; /* its body goes to on_data */
    bool secure; /* https */
    char host[HTTP_CHECK_HOST_MAX];
    struct buf text; /* header lines, each with NUL; `lines` points into it */
    struct curl_slist *lines;
    struct buf body;
    struct buf answer;
    size_t header_len;
    struct http_fields fields;
    uint32_t stall_ms;
    struct loop_timer *stall_timer;
    uint64_t active_ms; /* when the last byte came or went */
    curl_off_t sent_len;
    enum edge_code fail; /* why one of our callbacks gave the transfer up; text in err */
    struct edge_error err;
    char detail[CURL_ERROR_SIZE];
    bool (*on_data)(void *data, struct slice bytes);
    void (*on_open)(void *data, int status);
    void (*on_done)(void *data, const struct http_client_answer *answer);
    void *data;
};

/* Loop thread only, like everything here. */
static unsigned client_users;

static enum edge_code client_global_init(struct edge_error *err) {
    if (client_users == 0 &&
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc, wipe_strdup,
                             wipe_calloc) != CURLE_OK) {
        return edge_set(err, EDGE_NOMEM, "could not initialise the HTTP client library");
    }
    client_users++;
    return EDGE_OK;
}

static void client_global_exit(void) {
    client_users--;
    if (client_users == 0) {
        curl_global_cleanup();
    }
}

struct client_fault {
    CURLcode curl;
    enum edge_code code;
    bool detail; /* curl's own text says more and names no credentials */
    const char *before;
    const char *after; /* of the quoted host */
};

static const struct client_fault client_faults[] = {
    {CURLE_COULDNT_RESOLVE_HOST, EDGE_NET, false, "could not find the address of", ""},
    {CURLE_COULDNT_RESOLVE_PROXY, EDGE_NET, false, "could not find the address of the proxy for",
     ""},
    {CURLE_PROXY, EDGE_NET, false, "could not connect through the proxy to", ""},
    {CURLE_COULDNT_CONNECT, EDGE_NET, true, "could not connect to", ""},
    {CURLE_PEER_FAILED_VERIFICATION, EDGE_NET, true, "certificate of", " is not valid for it"},
    {CURLE_SSL_CONNECT_ERROR, EDGE_NET, true, "could not set up TLS with", ""},
    {CURLE_SSL_CACERT_BADFILE, EDGE_CONFIG, false, "could not read the certificates to check",
     " by"},
    {CURLE_GOT_NOTHING, EDGE_NET, false, "no answer:", " closed the connection"},
    {CURLE_PARTIAL_FILE, EDGE_NET, false, "half an answer:", " closed the connection"},
    {CURLE_RECV_ERROR, EDGE_NET, true, "lost the connection to", ""},
    {CURLE_SEND_ERROR, EDGE_NET, true, "lost the connection to", ""},
    {CURLE_WEIRD_SERVER_REPLY, EDGE_PROTO, false, "the answer of", " is not HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, EDGE_PROTO, false, "the answer of", " is not HTTP/1.1"},
    {CURLE_BAD_CONTENT_ENCODING, EDGE_PROTO, false, "the answer of", " is malformed"},
    {CURLE_URL_MALFORMAT, EDGE_INVALID, false, "malformed address of", ""},
    {CURLE_OUT_OF_MEMORY, EDGE_NOMEM, false, "no memory to talk to", ""},
};

static const struct client_fault client_fault_other = {CURLE_OK, EDGE_NET, true,
                                                       "could not talk to", ""};

static const struct client_fault *client_fault_find(CURLcode curl) {
    for (size_t i = 0; i < EDGE_ARRAY_LEN(client_faults); i++) {
        if (client_faults[i].curl == curl) {
            return &client_faults[i];
        }
    }
    return &client_fault_other;
}

/* Faults whose meaning hangs on more than curl's number; true when err is filled. */
static bool client_translate_special(struct client_request *r, CURLcode curl) {
    long os_errno = 0;
    long proxy_status = 0;
    curl_off_t ready_us = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno);
    (void)curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    (void)curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (curl == CURLE_OPERATION_TIMEDOUT) {
        (void)edge_set_native(&r->err, EDGE_TIMEOUT, EDGE_DOMAIN_CURL, curl, "%s '%s' in time",
                              ready_us > 0 ? "no complete answer from" : "could not connect to",
                              r->host);
        return true;
    }
    if (ready_us == 0 && proxy_status >= 300) {
        (void)edge_set_native(&r->err, EDGE_NET, EDGE_DOMAIN_HTTP, proxy_status,
                              "could not connect to '%s': the proxy answered with status %ld",
                              r->host, proxy_status);
        return true;
    }
    if (curl == CURLE_COULDNT_CONNECT && os_errno != 0) {
        (void)edge_set_native(&r->err, EDGE_NET, EDGE_DOMAIN_ERRNO, os_errno,
                              "could not connect to '%s'", r->host);
        return true;
    }
    if (curl == CURLE_OUT_OF_MEMORY && !wipe_has_failed()) {
        /* curl says so, too, when one header line outgrows its buffer. */
        (void)edge_set_native(&r->err, EDGE_RANGE, EDGE_DOMAIN_CURL, curl,
                              "the headers of the answer of '%s' are too long", r->host);
        return true;
    }
    return false;
}

/* curl's number -> our error; the one place where this happens. */
static enum edge_code client_translate(struct client_request *r, CURLcode curl) {
    if (client_translate_special(r, curl)) {
        return r->err.code;
    }
    const struct client_fault *fault = client_fault_find(curl);
    const char *detail = "";
    if (fault->detail) {
        /* Where there is a '@' there may be a proxy's password before it. */
        bool usable = r->detail[0] != '\0' && strchr(r->detail, '@') == NULL;
        detail = usable ? r->detail : curl_easy_strerror(curl);
    }
    return edge_set_native(&r->err, fault->code, EDGE_DOMAIN_CURL, curl, "%s '%s'%s%s%s",
                           fault->before, r->host, fault->after, fault->detail ? ": " : "", detail);
}

static void client_kick(struct http_client *c) {
    loop_timer_start(c->kick, 0);
}

static void client_request_free(struct client_request *r) {
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

/* The end of every request that http_client_send took. The error, if any, is in r->err. */
static void client_finish(struct client_request *r, enum edge_code code) {
    struct http_client *c = r->client;
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (r->started) {
        (void)curl_multi_remove_handle(c->multi, r->easy);
    }
    if (r->canceled) {
        code = edge_set(&r->err, EDGE_CANCELED, "request to '%s' was cancelled", r->host);
    } else if (code == EDGE_OK && status == 0) {
        code = edge_set(&r->err, EDGE_PROTO, "the answer of '%s' has no status", r->host);
    }
    struct http_client_answer answer = {.code = code};
    if (code == EDGE_OK) {
        answer.status = (int)status;
        answer.body = buf_slice(&r->answer);
        answer.retry_after = http_field_slice(&r->fields.retry_after);
        answer.content_type = http_field_slice(&r->fields.content_type);
        answer.date = http_field_slice(&r->fields.date);
        answer.tls_verified = r->secure;
    } else {
        answer.err = &r->err;
    }
    list_remove(&r->node);
    op_remove(loop_ops(c->loop), r->op);
    c->request_cnt--;
    r->on_done(r->data, &answer);
    client_request_free(r);
}

/* Takes what curl has finished. */
static void client_reap(struct http_client *c) {
    int left = 0;
    for (;;) {
        const CURLMsg *msg = curl_multi_info_read(c->multi, &left);
        if (msg == NULL) {
            return;
        }
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode result = msg->data.result;
        char *private = NULL;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        struct client_request *r = (struct client_request *)(void *)private;
        enum edge_code code = r->fail;
        if (code == EDGE_OK && result != CURLE_OK) {
            code = client_translate(r, result);
        }
        client_finish(r, code);
    }
}

static void client_on_timer(void *data) {
    struct http_client *c = data;
    int running = 0;
    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    client_reap(c);
}

static int client_on_curl_timer(CURLM *multi EDGE_UNUSED, long timeout_ms, void *data) {
    struct http_client *c = data;
    if (timeout_ms < 0) {
        loop_timer_stop(c->timer);
    } else {
        loop_timer_start(c->timer, (uint64_t)timeout_ms);
    }
    return 0;
}

static void client_on_poll(uv_poll_t *handle, int status, int events) {
    struct client_socket *s = handle->data;
    struct http_client *c = s->client;
    int flags = 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    flags |= status < 0 ? CURL_CSELECT_ERR : 0;
    int running = 0;
    (void)curl_multi_socket_action(c->multi, s->fd, flags, &running);
    client_reap(c);
}

static void client_after_close(struct http_client *c) {
    if (c->cleaned && c->socket_cnt == 0) {
        c->closed(c->closed_data);
    }
}

static void client_on_socket_closed(uv_handle_t *handle) {
    struct client_socket *s = handle->data;
    struct http_client *c = s->client;
    free(s);
    c->socket_cnt--;
    client_after_close(c);
}

static struct client_socket *client_socket_open(struct http_client *c, curl_socket_t fd) {
    struct client_socket *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    if (uv_poll_init(loop_uv(c->loop), &s->poll, fd) < 0) {
        free(s);
        return NULL;
    }
    s->poll.data = s;
    s->client = c;
    s->fd = fd;
    c->socket_cnt++;
    (void)curl_multi_assign(c->multi, fd, s);
    return s;
}

/* Reporting a failure from here would make curl give up all transfers: only this one is given up.
 */
static void client_socket_failed(struct http_client *c, CURL *easy) {
    char *private = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct client_request *r = (struct client_request *)(void *)private;
    if (r != NULL) {
        r->fail = edge_set(&r->err, EDGE_NOMEM, "could not watch the connection to '%s'", r->host);
        client_kick(c);
    }
}

static int client_on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data) {
    struct http_client *c = data;
    struct client_socket *s = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL) {
            /* Takes the descriptor out of the poll set now: curl closes it next. */
            (void)uv_poll_stop(&s->poll);
            (void)curl_multi_assign(c->multi, fd, NULL);
            uv_close((uv_handle_t *)&s->poll, client_on_socket_closed);
        }
        return 0;
    }
    if (s == NULL) {
        s = client_socket_open(c, fd);
    }
    int events = 0;
    events |= what != CURL_POLL_OUT ? UV_READABLE : 0;
    events |= what != CURL_POLL_IN ? UV_WRITABLE : 0;
    if (s == NULL || uv_poll_start(&s->poll, events, client_on_poll) < 0) {
        client_socket_failed(c, easy);
    }
    return 0;
}

/* The blank line after the headers; interim answers (1xx) have one too. */
static void client_headers_end(struct client_request *r) {
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

static size_t client_on_header(char *bytes, size_t size, size_t cnt, void *data) {
    struct client_request *r = data;
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
            client_headers_end(r);
        } else {
            http_fields_take(&r->fields, line);
        }
    }
    return r->canceled ? 0 : len;
}

static size_t client_on_body(char *bytes, size_t size, size_t cnt, void *data) {
    struct client_request *r = data;
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

static void client_on_stall(void *data) {
    struct client_request *r = data;
    uint64_t now_ms = clock_mono_ms();
    curl_off_t sent_len = 0;
    curl_off_t ready_us = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &sent_len);
    (void)curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (r->paused || ready_us == 0 || sent_len != r->sent_len) {
        r->sent_len = sent_len;
        r->active_ms = now_ms;
    }
    uint64_t quiet_ms = now_ms - r->active_ms;
    if (quiet_ms < r->stall_ms) {
        loop_timer_start(r->stall_timer, r->stall_ms - quiet_ms);
        return;
    }
    client_finish(
        r, edge_set(&r->err, EDGE_TIMEOUT, "no byte from '%s' for %u ms", r->host, r->stall_ms));
}

/* Hands the request to curl. */
static void client_start(struct client_request *r) {
    CURLMcode rc = curl_multi_add_handle(r->client->multi, r->easy);
    if (rc != CURLM_OK) {
        client_finish(r, edge_set_native(&r->err, EDGE_NOMEM, EDGE_DOMAIN_CURL, rc,
                                         "could not start the request to '%s': %s", r->host,
                                         curl_multi_strerror(rc)));
        return;
    }
    r->started = true;
    r->active_ms = clock_mono_ms();
    if (r->stall_timer != NULL) {
        loop_timer_start(r->stall_timer, r->stall_ms);
    }
}

static void client_continue(struct client_request *r) {
    r->resume = false;
    r->paused = false;
    r->active_ms = clock_mono_ms();
    if (!r->held) {
        return;
    }
    r->held = false;
    CURLcode rc = curl_easy_pause(r->easy, CURLPAUSE_CONT);
    if (rc != CURLE_OK) {
        client_finish(r, r->fail != EDGE_OK ? r->fail : client_translate(r, rc));
    }
}

static void client_clean(struct http_client *c) {
    (void)curl_multi_cleanup(c->multi);
    c->multi = NULL;
    c->cleaned = true;
    loop_timer_free(c->timer);
    loop_timer_free(c->kick);
    client_after_close(c);
}

static void client_on_kick(void *data) {
    struct http_client *c = data;
    list_for_each (pos, tmp, &c->requests) {
        struct client_request *r = LIST_ENTRY(pos, struct client_request, node);
        r->canceled = r->canceled || c->closing;
        if (r->canceled || r->fail != EDGE_OK) {
            client_finish(r, r->fail);
        } else if (!r->started) {
            client_start(r);
        } else if (r->resume) {
            client_continue(r);
        }
    }
    if (c->closing && list_is_empty(&c->requests)) {
        client_clean(c);
    }
}

static void client_on_cancel(void *data) {
    struct client_request *r = data;
    r->canceled = true;
    client_kick(r->client);
}

/* Header lines in wiped memory; curl reads them in place. */
static enum edge_code client_add_line(struct client_request *r, const char *name, const char *value,
                                      struct edge_error *err) {
    /* "name:" removes what curl would send, "name;" sends an empty value. */
    const char *separator = value == NULL ? ":" : value[0] == '\0' ? ";" : ": ";
    enum edge_code code = buf_append_str(&r->text, name, err);
    code = code != EDGE_OK ? code : buf_append_str(&r->text, separator, err);
    code = code != EDGE_OK || value == NULL ? code : buf_append_str(&r->text, value, err);
    return code != EDGE_OK ? code : buf_append_byte(&r->text, 0, err);
}

static enum edge_code client_take_lines(struct client_request *r,
                                        const struct http_client_request *req,
                                        struct edge_error *err) {
    bool has_type = false;
    for (size_t i = 0; i < req->header_cnt; i++) {
        const char *value = req->headers[i].value != NULL ? req->headers[i].value : "";
        enum edge_code code = client_add_line(r, req->headers[i].name, value, err);
        if (code != EDGE_OK) {
            return code;
        }
        has_type = has_type || slice_eq_nocase(slice_str(req->headers[i].name), "content-type");
    }
    enum edge_code code = client_add_line(r, "Expect", NULL, err);
    if (code == EDGE_OK && !has_type) {
        code = client_add_line(r, "Content-Type", NULL, err);
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

static bool client_set_transport(struct client_request *r, const struct http_client_request *req) {
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
    if (req->unix_path != NULL) {
        bad |= SET(e, CURLOPT_PROTOCOLS_STR, "http");
        bad |= SET(e, CURLOPT_UNIX_SOCKET_PATH, req->unix_path);
        bad |= SET(e, CURLOPT_PROXY, "");
        return !bad;
    }
    bad |= SET(e, CURLOPT_PROTOCOLS_STR, "https");
    bad |= SET(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= SET(e, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= SET(e, CURLOPT_SSL_VERIFYHOST, 2L);
    /* The directory is looked up by name: only the certificates in use are read, not the whole
     * store. */
    bad |= SET(e, CURLOPT_CAPATH, c->ca_dir);
    bad |= SET(e, CURLOPT_CAINFO, c->extra_ca_file);
    bad |= SET(e, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= SET(e, CURLOPT_PROXY_CAPATH, c->ca_dir);
    bad |= SET(e, CURLOPT_PROXY_CAINFO, c->extra_ca_file);
    bad |= SET(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return !bad;
}

static bool client_set_message(struct client_request *r, const struct http_client_request *req) {
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
    bad |= SET(e, CURLOPT_HEADERFUNCTION, client_on_header);
    bad |= SET(e, CURLOPT_HEADERDATA, r);
    bad |= SET(e, CURLOPT_WRITEFUNCTION, client_on_body);
    bad |= SET(e, CURLOPT_WRITEDATA, r);
    return !bad;
}

static enum edge_code client_request_fill(struct client_request *r,
                                          const struct http_client_request *req,
                                          struct edge_error *err) {
    buf_init_sensitive(&r->text, 2 * HTTP_CLIENT_HEADERS_MAX);
    size_t answer_max = req->answer_max > 0 ? req->answer_max : HTTP_CLIENT_BODY_MAX;
    if (req->sensitive) {
        buf_init_sensitive(&r->body, req->body.len);
        buf_init_sensitive(&r->answer, answer_max);
    } else {
        buf_init(&r->body, req->body.len);
        buf_init(&r->answer, answer_max);
    }
    http_check_host(req, r->host);
    r->secure = req->unix_path == NULL;
    r->stall_ms = req->stall_ms;
    r->on_data = req->on_data;
    r->on_open = req->on_open;
    r->on_done = req->on_done;
    r->data = req->data;
    enum edge_code code = buf_append_slice(&r->body, req->body, err);
    if (code == EDGE_OK) {
        code = client_take_lines(r, req, err);
    }
    if (code == EDGE_OK && r->stall_ms > 0) {
        code = loop_timer_new(r->client->loop, client_on_stall, r, &r->stall_timer, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    r->easy = curl_easy_init();
    if (r->easy == NULL || !client_set_transport(r, req) || !client_set_message(r, req)) {
        return edge_set(err, EDGE_NOMEM, "no memory for a request to '%s'", r->host);
    }
    return EDGE_OK;
}

enum edge_code http_client_send(struct http_client *c, const struct http_client_request *req,
                                struct op *ret_op, struct edge_error *err) {
    if (c->closing) {
        return edge_set(err, EDGE_CANCELED, "the HTTP client is closing");
    }
    enum edge_code code = http_check_request(req, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (c->request_cnt >= HTTP_CLIENT_IN_FLIGHT_MAX) {
        return edge_set(err, EDGE_BUSY, "too many requests in flight (%d)",
                        HTTP_CLIENT_IN_FLIGHT_MAX);
    }
    struct client_request *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for a request");
    }
    r->client = c;
    code = client_request_fill(r, req, err);
    if (code == EDGE_OK) {
        code = op_add(loop_ops(c->loop), client_on_cancel, r, &r->op, err);
    }
    if (code != EDGE_OK) {
        client_request_free(r);
        return code;
    }
    list_append(&c->requests, &r->node);
    c->request_cnt++;
    client_kick(c);
    if (ret_op != NULL) {
        *ret_op = r->op;
    }
    return EDGE_OK;
}

void http_client_resume(struct http_client *c, struct op op) {
    struct client_request *r = op_get(loop_ops(c->loop), op);
    if (r != NULL) {
        r->resume = true;
        client_kick(c);
    }
}

static bool client_set_multi(struct http_client *c) {
    CURLM *m = c->multi;
    return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, client_on_socket) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, client_on_curl_timer) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, HTTP_CLIENT_IDLE_CONNS_MAX) == CURLM_OK;
}

static bool client_copy(char **ret, const char *text) {
    *ret = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret != NULL;
}

enum edge_code http_client_new(struct loop *l, const struct http_client_options *opt,
                               struct http_client **ret, struct edge_error *err) {
    if (opt->extra_ca_file != NULL && access(opt->extra_ca_file, R_OK) != 0) {
        return edge_set_errno(err, errno, "could not read the certificates in '%s'",
                              opt->extra_ca_file);
    }
    struct http_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return edge_set(err, EDGE_NOMEM, "no memory for the HTTP client");
    }
    c->loop = l;
    list_init(&c->requests);
    enum edge_code code = client_global_init(err);
    if (code != EDGE_OK) {
        free(c);
        return code;
    }
    code = loop_timer_new(l, client_on_timer, c, &c->timer, err);
    if (code == EDGE_OK) {
        code = loop_timer_new(l, client_on_kick, c, &c->kick, err);
    }
    const char *ca_dir = opt->ca_dir != NULL ? opt->ca_dir : HTTP_CLIENT_CA_DIR;
    if (code == EDGE_OK) {
        c->multi = curl_multi_init();
        if (c->multi == NULL || !client_set_multi(c) ||
            !client_copy(&c->extra_ca_file, opt->extra_ca_file) ||
            !client_copy(&c->user_agent, opt->user_agent) || !client_copy(&c->ca_dir, ca_dir)) {
            code = edge_set(err, EDGE_NOMEM, "no memory for the HTTP client");
        }
    }
    if (code != EDGE_OK) {
        (void)curl_multi_cleanup(c->multi);
        loop_timer_free(c->timer);
        loop_timer_free(c->kick);
        http_client_free(c);
        return code;
    }
    *ret = c;
    return EDGE_OK;
}

void http_client_close(struct http_client *c, void (*closed)(void *data), void *data) {
    assert(!c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_data = data;
    client_kick(c);
}

void http_client_free(struct http_client *c) {
    if (c == NULL) {
        return;
    }
    free(c->extra_ca_file);
    free(c->ca_dir);
    free(c->user_agent);
    free(c);
    client_global_exit();
}
