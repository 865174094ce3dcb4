/* SPDX-License-Identifier: MIT */
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
#include "base/wipe.h"
#include "loop/http_check.h"
#include "loop/http_client_request.h"

#include <uv.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HTTP_CLIENT_IDLE_CONNS_MAX 8L
#define HTTP_CLIENT_CA_DIR         "/etc/ssl/certs"

struct client_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t fd;
    int events;
    bool failed; /* polling has reported an error once */
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

static void client_kick(struct http_client *c) {
    loop_timer_start(c->kick, 0);
}

/* The end of every request that http_client_send took. The error, if any, is in r->err. */
static void client_finish(struct http_client_call *r, enum edge_code code) {
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
    http_client_request_free(r);
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
        struct http_client_call *r = (struct http_client_call *)(void *)private;
        enum edge_code code = r->fail;
        if (code == EDGE_OK && result != CURLE_OK) {
            code = http_client_error_set(&r->err, r->easy, result, r->host, r->detail);
        }
        client_finish(r, code);
    }
}

/* Lets curl work. When memory is short there, it may have lost sight of a transfer without saying
 * of which: then all are given up, rather than one never answered. */
static void client_act(struct http_client *c, curl_socket_t fd, int flags) {
    int running = 0;
    CURLMcode rc = curl_multi_socket_action(c->multi, fd, flags, &running);
    if (rc == CURLM_OK) {
        return;
    }
    list_for_each (pos, tmp, &c->requests) {
        struct http_client_call *r = LIST_ENTRY(pos, struct http_client_call, node);
        if (r->started && r->fail == EDGE_OK) {
            r->fail = edge_set_native(&r->err, EDGE_NOMEM, EDGE_DOMAIN_CURL, rc,
                                      "request to '%s' was given up: %s", r->host,
                                      curl_multi_strerror(rc));
        }
    }
    client_kick(c);
}

static void client_on_timer(void *data) {
    struct http_client *c = data;
    client_act(c, CURL_SOCKET_TIMEOUT, 0);
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
    if (status < 0) {
        /* Told of an error curl gives up without looking; told to read it finds out what it was. */
        flags = s->failed ? CURL_CSELECT_ERR : CURL_CSELECT_IN | CURL_CSELECT_OUT;
        s->failed = true;
    }
    client_act(c, s->fd, flags);
    if (status < 0 && !uv_is_closing((uv_handle_t *)handle)) {
        (void)uv_poll_start(handle, s->events, client_on_poll); /* libuv stops it on errors */
    }
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
    struct http_client_call *r = (struct http_client_call *)(void *)private;
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
    if (s != NULL) {
        s->events =
            (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
    }
    if (s == NULL || uv_poll_start(&s->poll, s->events, client_on_poll) < 0) {
        client_socket_failed(c, easy);
    }
    return 0;
}

static void client_on_stall(void *data) {
    struct http_client_call *r = data;
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
static void client_start(struct http_client_call *r) {
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

static void client_continue(struct http_client_call *r) {
    r->resume = false;
    r->paused = false;
    r->active_ms = clock_mono_ms();
    if (!r->held) {
        return;
    }
    r->held = false;
    CURLcode rc = curl_easy_pause(r->easy, CURLPAUSE_CONT);
    if (rc != CURLE_OK) {
        client_finish(r, r->fail != EDGE_OK
                             ? r->fail
                             : http_client_error_set(&r->err, r->easy, rc, r->host, r->detail));
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
        struct http_client_call *r = LIST_ENTRY(pos, struct http_client_call, node);
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
    struct http_client_call *r = data;
    r->canceled = true;
    client_kick(r->client);
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
    struct http_client_call *r = NULL;
    code = http_client_request_new(c, req, client_on_stall, &r, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = op_add(loop_ops(c->loop), client_on_cancel, r, &r->op, err);
    if (code != EDGE_OK) {
        http_client_request_free(r);
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
    struct http_client_call *r = op_get(loop_ops(c->loop), op);
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
    code = http_client_proxy_init(&c->proxy, opt, err);
    if (code == EDGE_OK) {
        code = loop_timer_new(l, client_on_timer, c, &c->timer, err);
    }
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

bool http_client_proxy_in_use(const struct http_client *c, char *out, size_t size) {
    return http_client_proxy_text(http_client_proxy_url(&c->proxy), out, size);
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
    http_client_proxy_clear(&c->proxy);
    free(c);
    client_global_exit();
}
