/* SPDX-License-Identifier: MIT */
/*
 * One object per call that outlives the HTTP request below it, because a call may have to wait for
 * the version or be sent a second time. Knows nothing of what the calls mean.
 */
#include "runtime/docker_engine.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "runtime/docker_answer.h"
#include "runtime/docker_version.h"

#include <stdlib.h>
#include <string.h>

#define URL_MAX 2048

enum version_state {
    VERSION_UNKNOWN,
    VERSION_ASKED,
    VERSION_KNOWN,
};

struct docker_engine {
    struct loop *loop;
    struct http_client *http;
    char *socket_path;
    enum version_state state;
    char version[DOCKER_VERSION_LEN];
    bool podman;
    struct op ask;
    struct list calls;   /* all */
    struct list waiting; /* for the version */
    unsigned call_cnt, yielding_cnt;
    bool closing;
    bool closed_told;
    void (*closed)(void *data);
    void *closed_data;
};

struct docker_call {
    struct list node;
    struct list wait_node;
    struct docker_engine *engine;
    struct op self;
    struct op http;
    struct docker_request req;
    char *path;
    char *podman_path;
    char *second_path;
    struct buf body, auth; /* sensitive */
    struct docker_sieve sieve;
    struct buf kept; /* what passed it */
    enum edge_code sieve_code;
    struct edge_error sieve_err;
    char version[DOCKER_VERSION_LEN]; /* it was sent with */
    bool canceled;
    bool renegotiated;
};

static void ask_version(struct docker_engine *e);

enum edge_code docker_engine_new(struct loop *l, struct http_client *http, const char *socket_path,
                                 struct docker_engine **ret, struct edge_error *err) {
    struct docker_engine *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    e->socket_path = strdup(socket_path);
    if (e->socket_path == NULL) {
        free(e);
        return edge_set(err, EDGE_NOMEM, "out of memory for the container engine's client");
    }
    e->loop = l;
    e->http = http;
    list_init(&e->calls);
    list_init(&e->waiting);
    *ret = e;
    return EDGE_OK;
}

void docker_engine_free(struct docker_engine *e) {
    if (e != NULL) {
        free(e->socket_path);
        free(e);
    }
}

void docker_engine_forget_version(struct docker_engine *e) {
    if (e->state == VERSION_KNOWN) {
        e->state = VERSION_UNKNOWN;
    }
}

bool docker_engine_is_podman(const struct docker_engine *e) {
    return e->podman;
}

static void tell_closed(struct docker_engine *e) {
    if (e->closing && !e->closed_told && e->call_cnt == 0 && e->state != VERSION_ASKED) {
        e->closed_told = true;
        e->closed(e->closed_data);
    }
}

static void tell_closed_later(void *data) {
    tell_closed(data);
}

static void call_free(struct docker_call *c) {
    if (c != NULL) {
        free(c->path);
        free(c->podman_path);
        free(c->second_path);
        buf_clear(&c->body);
        buf_clear(&c->auth);
        buf_clear(&c->kept);
        free(c);
    }
}

/* May free the engine (in the closed callback): the caller touches nothing afterwards unless it
 * knows better. */
static void finish(struct docker_call *c, enum edge_code code, struct slice body,
                   const struct edge_error *err) {
    struct docker_engine *e = c->engine;
    list_remove(&c->node);
    list_remove(&c->wait_node);
    op_remove(loop_ops(e->loop), c->self);
    e->yielding_cnt -= c->req.yields ? 1 : 0;
    c->req.on_done(c->req.data, code, code == EDGE_OK ? body : (struct slice){0}, err);
    call_free(c);
    e->call_cnt--;
    tell_closed(e);
}

static void finish_canceled(void *data) {
    struct edge_error err = {0};
    enum edge_code code =
        edge_set(&err, EDGE_CANCELED, "the call to the container engine was cancelled");
    finish(data, code, (struct slice){0}, &err);
}

static void call_cancel(void *data) {
    struct docker_call *c = data;
    if (c->canceled) {
        return;
    }
    c->canceled = true;
    if (op_is_set(c->http)) {
        op_cancel(loop_ops(c->engine->loop), c->http);
    } else if (loop_post(c->engine->loop, finish_canceled, c, NULL) == EDGE_OK) {
        list_remove(&c->wait_node);
    }
    /* Without memory for the post it stays in the queue, and ends when the version is known or not.
     */
}

/* --- Sending --- */

static void on_open(void *data, int status) {
    struct docker_call *c = data;
    if (c->req.on_open != NULL && !c->canceled) {
        c->req.on_open(c->req.data, status);
    }
}

static bool on_data(void *data, struct slice bytes) {
    struct docker_call *c = data;
    return c->canceled ? true : c->req.on_data(c->req.data, bytes);
}

static bool on_sieve(void *data, struct slice bytes) {
    struct docker_call *c = data;
    if (c->canceled || c->sieve_code != EDGE_OK) {
        return true;
    }
    c->sieve_code = docker_sieve_feed(&c->sieve, bytes, &c->kept, &c->sieve_err);
    if (c->sieve_code != EDGE_OK) {
        (void)edge_wrap(&c->sieve_err, c->sieve_code, "reading the container engine's answer");
        op_cancel(loop_ops(c->engine->loop), c->http);
    }
    return true;
}

static void on_answer(void *data, const struct http_client_answer *answer);

static enum edge_code transmit(struct docker_call *c, struct edge_error *err) {
    struct docker_engine *e = c->engine;
    struct buf url EDGE_CLEANUP(buf_clear);
    const char *path = e->podman && c->podman_path != NULL ? c->podman_path : c->path;

    buf_init(&url, URL_MAX);
    if (c->req.sieve != NULL) {
        docker_sieve_init(&c->sieve, c->req.sieve);
        buf_reset(&c->kept);
    }
    memcpy(c->version, e->version, sizeof(c->version));
    enum edge_code code = buf_printf(&url, err, "http://localhost/v%s%s", e->version, path);
    if (code != EDGE_OK) {
        return code;
    }
    const char *text = buf_cstr(&url);
    if (text == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    const struct http_client_header headers[] = {
        {"Content-Type", "application/json"},
        {"X-Registry-Auth", c->req.registry_auth != NULL ? (const char *)c->auth.data : ""},
    };
    struct http_client_request req = {
        .method = c->req.method,
        .url = text,
        .unix_path = e->socket_path,
        .headers = headers,
        .header_cnt = c->req.registry_auth != NULL ? 2
                      : c->req.body.ptr != NULL    ? 1
                                                   : 0,
        .body = c->req.body.ptr != NULL ? buf_slice(&c->body) : (struct slice){0},
        .sensitive = c->req.body.ptr != NULL,
        .timeout_ms = c->req.timeout_ms,
        .stall_ms = c->req.stall_ms,
        .answer_max = DOCKER_ANSWER_MAX,
        .on_open = on_open,
        .on_data = c->req.sieve != NULL     ? on_sieve
                   : c->req.on_data != NULL ? on_data
                                            : NULL,
        .on_done = on_answer,
        .data = c,
    };
    return http_client_send(e->http, &req, &c->http, err);
}

/* Sends now, or when the version is known. Only from callbacks of the loop: failures are completed
 * at once. */
static void submit(struct docker_call *c) {
    struct docker_engine *e = c->engine;
    struct edge_error err = {0};

    if (c->canceled || e->closing) {
        finish_canceled(c);
        return;
    }
    if (e->state == VERSION_KNOWN) {
        enum edge_code code = transmit(c, &err);
        if (code != EDGE_OK) {
            finish(c, code, (struct slice){0}, &err);
        }
        return;
    }
    list_append(&e->waiting, &c->wait_node);
    if (e->state == VERSION_UNKNOWN) {
        ask_version(e);
    }
}

static void on_answer(void *data, const struct http_client_answer *answer) {
    struct docker_call *c = data;
    struct docker_engine *e = c->engine;
    struct edge_error err = {0};

    c->http = OP_NONE;
    if (c->canceled) {
        finish_canceled(c);
        return;
    }
    if (c->sieve_code != EDGE_OK) {
        finish(c, c->sieve_code, (struct slice){0}, &c->sieve_err);
        return;
    }
    if (answer->code == EDGE_NET) {
        docker_engine_forget_version(e);
        finish(c, docker_answer_unreachable(e->socket_path, answer->err, &err), (struct slice){0},
               &err);
        return;
    }
    if (answer->code != EDGE_OK) {
        finish(c, answer->code, (struct slice){0}, answer->err);
        return;
    }
    if (answer->status >= 200 && answer->status < 300) {
        finish(c, EDGE_OK, c->req.sieve != NULL ? buf_slice(&c->kept) : answer->body, NULL);
        return;
    }
    if (!c->renegotiated && docker_answer_is_version_complaint(answer->status, answer->body)) {
        c->renegotiated = true;
        if (strcmp(c->version, e->version) == 0) {
            docker_engine_forget_version(e);
        }
        submit(c);
        return;
    }
    if (answer->status >= 500 && c->second_path != NULL) {
        free(c->path);
        c->path = TAKE_PTR(c->second_path);
        submit(c);
        return;
    }
    enum edge_code code = docker_answer_error(answer->status, answer->body, &err);
    finish(c, code, (struct slice){0}, &err);
}

/* --- The version --- */

/* Completes or sends all calls that wait. Callbacks may start and cancel calls, so the queue is
 * moved first and then emptied from its head. */
static void release_waiting(struct docker_engine *e, enum edge_code code,
                            const struct edge_error *err) {
    struct list queue;

    list_init(&queue);
    while (!list_is_empty(&e->waiting)) {
        struct list *node = e->waiting.next;
        list_remove(node);
        list_append(&queue, node);
    }
    /* The engine must stay until the queue is empty, whatever the callbacks do. */
    e->call_cnt++;
    while (!list_is_empty(&queue)) {
        struct docker_call *c = LIST_ENTRY(queue.next, struct docker_call, wait_node);
        list_remove(&c->wait_node);
        if (code == EDGE_OK) {
            submit(c);
        } else if (c->canceled) {
            finish_canceled(c);
        } else {
            finish(c, code, (struct slice){0}, err);
        }
    }
    e->call_cnt--;
    tell_closed(e);
}

static enum edge_code read_version(struct docker_engine *e, const struct http_client_answer *answer,
                                   struct edge_error *err) {
    struct docker_version theirs;
    char chosen[DOCKER_VERSION_LEN];
    enum edge_code code = docker_version_read(e->socket_path, answer, &theirs, chosen, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (strcmp(e->version, chosen) != 0) {
        log_info("container engine at %s speaks API %s%s, using %s", log_quote_str(e->socket_path),
                 theirs.api, theirs.podman ? " (Podman)" : "", chosen);
    }
    memcpy(e->version, chosen, sizeof(chosen));
    e->podman = theirs.podman;
    return EDGE_OK;
}

static void on_version(void *data, const struct http_client_answer *answer) {
    struct docker_engine *e = data;
    struct edge_error err = {0};

    e->ask = OP_NONE;
    enum edge_code code = read_version(e, answer, &err);
    e->state = code == EDGE_OK ? VERSION_KNOWN : VERSION_UNKNOWN;
    release_waiting(e, code, &err);
}

static enum edge_code ask_start(struct docker_engine *e, struct edge_error *err) {
    struct http_client_request req = {
        .method = "GET",
        .url = "http://localhost/version",
        .unix_path = e->socket_path,
        .timeout_ms = DOCKER_VERSION_TIMEOUT_MS,
        .on_done = on_version,
        .data = e,
    };
    enum edge_code code = http_client_send(e->http, &req, &e->ask, err);
    if (code == EDGE_OK) {
        e->state = VERSION_ASKED;
    }
    return code;
}

static void ask_version(struct docker_engine *e) {
    struct edge_error err = {0};
    enum edge_code code = ask_start(e, &err);
    if (code != EDGE_OK) {
        release_waiting(e, code, &err);
    }
}

/* --- Calls --- */

static bool copy_path(const char *from, char **to) {
    if (from == NULL) {
        return true;
    }
    *to = strdup(from);
    return *to != NULL;
}

static enum edge_code call_new(struct docker_engine *e, const struct docker_request *req,
                               struct docker_call **ret, struct edge_error *err) {
    struct docker_call *c = calloc(1, sizeof(*c));
    if (c == NULL || !copy_path(req->path, &c->path) ||
        !copy_path(req->podman_path, &c->podman_path) ||
        !copy_path(req->second_path, &c->second_path)) {
        call_free(c);
        (void)edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
        return EDGE_NOMEM;
    }
    c->engine = e;
    c->req = *req;
    buf_init_sensitive(&c->body, req->body.len);
    buf_init_sensitive(&c->auth, DOCKER_AUTH_MAX + 1);
    buf_init(&c->kept, DOCKER_ANSWER_MAX);
    enum edge_code code = buf_append_slice(&c->body, req->body, err);
    if (code == EDGE_OK && req->registry_auth != NULL) {
        /* With its terminator, so that nothing is left to fail when it is sent. */
        code = buf_append(&c->auth, req->registry_auth, strlen(req->registry_auth) + 1, err);
    }
    if (code != EDGE_OK) {
        call_free(c);
        return code;
    }
    list_init(&c->node);
    list_init(&c->wait_node);
    *ret = c;
    return EDGE_OK;
}

enum edge_code docker_engine_send(struct docker_engine *e, const struct docker_request *req,
                                  struct op *ret_op, struct edge_error *err) {
    struct docker_call *c = NULL;

    if (e->closing) {
        return edge_set(err, EDGE_CANCELED, "the container engine's client is closing");
    }
    /* Readers of logs and of statistics must not keep authorization and changes waiting. */
    if (e->call_cnt >= DOCKER_CALLS_MAX ||
        (req->yields && e->yielding_cnt >= DOCKER_CALLS_YIELDING)) {
        return edge_set(err, EDGE_BUSY, "too many calls to the container engine at once");
    }
    enum edge_code code = call_new(e, req, &c, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = op_add(loop_ops(e->loop), call_cancel, c, &c->self, err);
    if (code != EDGE_OK) {
        call_free(c);
        return code;
    }
    if (e->state == VERSION_KNOWN) {
        code = transmit(c, err);
    } else if (e->state == VERSION_UNKNOWN) {
        code = ask_start(e, err);
    }
    if (code != EDGE_OK) {
        op_remove(loop_ops(e->loop), c->self);
        call_free(c);
        return code;
    }
    if (e->state == VERSION_ASKED) {
        list_append(&e->waiting, &c->wait_node);
    }
    list_append(&e->calls, &c->node);
    e->call_cnt++;
    e->yielding_cnt += c->req.yields ? 1 : 0;
    if (ret_op != NULL) {
        *ret_op = c->self;
    }
    return EDGE_OK;
}

void docker_engine_resume(struct docker_engine *e, struct op op) {
    const struct docker_call *c = op_get(loop_ops(e->loop), op);
    if (c != NULL && op_is_set(c->http)) {
        http_client_resume(e->http, c->http);
    }
}

void docker_engine_close(struct docker_engine *e, void (*closed)(void *data), void *data) {
    e->closing = true;
    e->closed = closed;
    e->closed_data = data;
    list_for_each (node, next, &e->calls) {
        call_cancel(LIST_ENTRY(node, struct docker_call, node));
    }
    if (e->state == VERSION_ASKED) {
        op_cancel(loop_ops(e->loop), e->ask);
        return;
    }
    if (e->call_cnt == 0 && loop_post(e->loop, tell_closed_later, e, NULL) != EDGE_OK) {
        tell_closed(e);
    }
}
