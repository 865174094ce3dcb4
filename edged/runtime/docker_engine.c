/* SPDX-License-Identifier: MIT */
/*
 * One object per call that outlives the HTTP request below it, because a call may have to wait for
 * the version or be sent a second time. Knows nothing of what the calls mean.
 */
#include "runtime/docker_engine.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "runtime/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    unsigned call_cnt;
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

/* --- Meaning of answers --- */

static enum edge_code status_code(int status) {
    switch (status) {
    case 304:
        return EDGE_EXISTS;
    case 400:
        return EDGE_INVALID;
    case 401:
    case 403:
        return EDGE_DENIED;
    case 404:
        return EDGE_NOT_FOUND;
    case 409:
        return EDGE_CONFLICT;
    default:
        return EDGE_REMOTE;
    }
}

static enum edge_code status_error(int status, struct slice body, struct edge_error *err) {
    char text[DOCKER_MESSAGE_MAX];
    docker_json_message(body, text);
    return edge_set_native(err, status_code(status), EDGE_DOMAIN_HTTP, status,
                           "the container engine answered %d%s%s", status, text[0] ? ": " : "",
                           text);
}

/* Says of an unreachable socket what an operator can do. Both calls are on a local path and do not
 * block. */
static enum edge_code explain_unreachable(const struct docker_engine *e,
                                          const struct edge_error *cause, struct edge_error *err) {
    const char *path = e->socket_path;
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno == EACCES) {
            return edge_set(err, EDGE_DENIED, "no permission for the directory of '%s'", path);
        }
        return edge_set(err, EDGE_NET,
                        "no container engine socket at '%s' (is the engine installed and running?)",
                        path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return edge_set(err, EDGE_NET, "'%s' is not a socket", path);
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0) {
        return edge_set(err, EDGE_DENIED,
                        "no permission for the container engine's socket '%s': add this user to "
                        "the group that owns it ('docker', id %u) and restart the daemon",
                        path, (unsigned)st.st_gid);
    }
    return edge_set(err, EDGE_NET, "the container engine does not answer on '%s': %s", path,
                    edge_error_text(cause));
}

static bool is_version_complaint(int status, struct slice body) {
    char text[DOCKER_MESSAGE_MAX];
    if (status != 400) {
        return false;
    }
    docker_json_message(body, text);
    return strstr(text, "client version") != NULL || strstr(text, "API version") != NULL;
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

static void on_answer(void *data, const struct http_client_answer *answer);

static enum edge_code transmit(struct docker_call *c, struct edge_error *err) {
    struct docker_engine *e = c->engine;
    struct buf url EDGE_CLEANUP(buf_clear);
    const char *path = e->podman && c->podman_path != NULL ? c->podman_path : c->path;

    buf_init(&url, URL_MAX);
    memcpy(c->version, e->version, sizeof(c->version));
    enum edge_code code = buf_printf(&url, err, "http://localhost/v%s%s", e->version, path);
    if (code != EDGE_OK) {
        return code;
    }
    const char *text = buf_cstr(&url);
    if (text == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a call to the container engine");
    }
    struct http_client_request req = {
        .method = c->req.method,
        .url = text,
        .unix_path = e->socket_path,
        .timeout_ms = c->req.timeout_ms,
        .answer_max = DOCKER_ANSWER_MAX,
        .on_open = on_open,
        .on_data = c->req.on_data != NULL ? on_data : NULL,
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
    if (answer->code == EDGE_NET) {
        docker_engine_forget_version(e);
        finish(c, explain_unreachable(e, answer->err, &err), (struct slice){0}, &err);
        return;
    }
    if (answer->code != EDGE_OK) {
        finish(c, answer->code, (struct slice){0}, answer->err);
        return;
    }
    if (answer->status >= 200 && answer->status < 300) {
        finish(c, EDGE_OK, answer->body, NULL);
        return;
    }
    if (!c->renegotiated && is_version_complaint(answer->status, answer->body)) {
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
    enum edge_code code = status_error(answer->status, answer->body, &err);
    finish(c, code, (struct slice){0}, &err);
}

/* --- The version --- */

static bool parse_version(const char *text, uint64_t *ret) {
    struct slice major, minor;
    uint64_t a, b;
    if (!slice_cut(slice_str(text), '.', &major, &minor) || !slice_parse_u64(major, 9999, &a) ||
        !slice_parse_u64(minor, 9999, &b)) {
        return false;
    }
    *ret = a * 10000 + b;
    return true;
}

enum edge_code docker_engine_choose(const struct docker_version *theirs,
                                    char ret_version[DOCKER_VERSION_LEN], struct edge_error *err) {
    uint64_t our_min = 0, our_max = 0, their_min = 0, their_max = 0;

    if (!parse_version(DOCKER_API_MIN, &our_min) || !parse_version(DOCKER_API_MAX, &our_max)) {
        return edge_set(err, EDGE_INTERNAL, "our API versions are malformed");
    }
    if (!parse_version(theirs->api, &their_max) ||
        (theirs->min[0] && !parse_version(theirs->min, &their_min))) {
        return edge_set(err, EDGE_PROTO, "the container engine told a malformed API version %s",
                        log_quote_str(theirs->api));
    }
    uint64_t best = their_max < our_max ? their_max : our_max;
    if (best < our_min || best < their_min) {
        return edge_set(err, EDGE_UNSUPPORTED,
                        "the container engine speaks API %s to %s, this daemon " DOCKER_API_MIN
                        " to " DOCKER_API_MAX,
                        theirs->min[0] ? theirs->min : "?", theirs->api);
    }
    const char *chosen = best == our_max ? DOCKER_API_MAX : theirs->api;
    memcpy(ret_version, chosen, strlen(chosen) + 1);
    return EDGE_OK;
}

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

    if (answer->code == EDGE_NET) {
        return explain_unreachable(e, answer->err, err);
    }
    if (answer->code != EDGE_OK) {
        if (answer->err != NULL) {
            *err = *answer->err;
        }
        return answer->code;
    }
    if (answer->status != 200) {
        return status_error(answer->status, answer->body, err);
    }
    enum edge_code code = docker_json_version(answer->body, &theirs, err);
    if (code == EDGE_OK) {
        code = docker_engine_choose(&theirs, chosen, err);
    }
    if (code == EDGE_OK) {
        if (strcmp(e->version, chosen) != 0) {
            log_info("container engine at %s speaks API %s%s, using %s",
                     log_quote_str(e->socket_path), theirs.api, theirs.podman ? " (Podman)" : "",
                     chosen);
        }
        memcpy(e->version, chosen, sizeof(chosen));
        e->podman = theirs.podman;
    }
    return code;
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
    if (e->call_cnt >= DOCKER_CALLS_MAX) {
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
    if (ret_op != NULL) {
        *ret_op = c->self;
    }
    return EDGE_OK;
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
