/* SPDX-License-Identifier: MIT */
/*
 * Looks first whether anybody listens, since the HTTP client tells a missing daemon and a lost
 * connection in one word. With socket activation somebody always does, and the daemon comes up.
 */
#include "cli/ask.h"

#include "base/json.h"
#include "loop/http_client.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define API_VERSION "2018-06-28"
#define URL_MAX     256
#define REFUSED     "Module not found" /* how the daemon turns strangers away */

struct question {
    struct loop *loop;
    struct http_client *http;
    struct buf *out;
    enum edge_code code;
    struct edge_error err;
};

enum edge_code ask_refusal(int status, struct slice body, struct edge_error *err) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    struct slice message = SLICE_LIT("");
    if (json_parse(body, &root, NULL) == EDGE_OK &&
        json_get_str(root, "message", &message, NULL) != EDGE_OK) {
        message = SLICE_LIT("");
    }
    if (status == 404 && slice_eq_str(message, REFUSED)) {
        return edge_set(err, EDGE_DENIED,
                        "the daemon refuses this user: run this on the host (in no container) as "
                        "root or as a member of the daemon's group 'iotedge'; the daemon's log "
                        "says more");
    }
    if (message.len == 0) {
        return edge_set_native(err, EDGE_REMOTE, EDGE_DOMAIN_HTTP, status,
                               "the daemon answered with status %d", status);
    }
    return edge_set_native(
        err, EDGE_REMOTE, EDGE_DOMAIN_HTTP, status, "%.*s",
        (int)(message.len < EDGE_ERROR_TEXT_MAX ? message.len : EDGE_ERROR_TEXT_MAX), message.ptr);
}

/* The service manager may keep the socket of a daemon that has ended. Whoever listened on it last
 * is known; a socket that systemd itself opened brings the daemon up. */
static bool is_kept_for_nobody(const struct edge_config *cfg, int fd) {
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);
    return cfg->listen_management.scheme == CONFIG_SCHEME_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid > 0 &&
           kill(cred.pid, 0) != 0 && errno == ESRCH;
}

static enum edge_code probe(const struct edge_config *cfg, const char *path,
                            struct edge_error *err) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (!slice_to_array(slice_str(path), addr.sun_path, sizeof(addr.sun_path))) {
        return edge_set(err, EDGE_INVALID, "connect.management_uri is too long for a socket: '%s'",
                        path);
    }
    int fd EDGE_CLEANUP(edge_cleanup_fd) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return edge_set_errno(err, errno, "cannot make a socket");
    }
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
        return is_kept_for_nobody(cfg, fd)
                   ? edge_set(err, EDGE_NOT_FOUND,
                              "the daemon does not run: '%s' only waits for its next start", path)
                   : EDGE_OK;
    }
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
        return edge_set(err, EDGE_NOT_FOUND, "the daemon does not run: nobody listens at '%s'",
                        path);
    }
    if (errno == EACCES || errno == EPERM) {
        return edge_set(err, EDGE_DENIED,
                        "this user may not open '%s': run this as root or as a member of the "
                        "group 'iotedge'",
                        path);
    }
    return edge_set_errno(err, errno, "cannot connect to '%s'", path);
}

static void on_closed(void *data) {
    const struct question *q = data;
    loop_stop(q->loop);
}

static void on_done(void *data, const struct http_client_answer *a) {
    struct question *q = data;
    if (a->code != EDGE_OK) {
        q->code = a->code;
        q->err = *a->err;
    } else if (a->status >= 200 && a->status < 300) {
        q->code = buf_append_slice(q->out, a->body, &q->err);
    } else {
        q->code = ask_refusal(a->status, a->body, &q->err);
    }
    http_client_close(q->http, on_closed, q);
}

static enum edge_code send_it(struct question *q, const char *path, const struct ask_request *req,
                              struct edge_error *err) {
    static const struct http_client_header json[] = {{"Content-Type", "application/json"}};
    char url[URL_MAX];
    (void)snprintf(url, sizeof(url), "http://localhost%s?api-version=" API_VERSION, req->path);
    const struct http_client_request r = {
        .method = req->method,
        .url = url,
        .unix_path = path,
        .headers = json,
        .header_cnt = req->body.ptr != NULL ? 1 : 0,
        .body = req->body,
        .sensitive = req->sensitive,
        .timeout_ms = ASK_TIMEOUT_MS,
        .answer_max = ASK_ANSWER_MAX,
        .on_done = on_done,
        .data = q,
    };
    return http_client_send(q->http, &r, NULL, err);
}

enum edge_code ask_daemon(const struct edge_config *cfg, const struct ask_request *req,
                          struct buf *out, struct edge_error *err) {
    const struct http_client_options options = {.user_agent = "iotedge/" EDGE_VERSION};
    const struct config_uri *uri = &cfg->connect_management;
    struct question q = {.out = out, .code = EDGE_INTERNAL};
    if (uri->scheme != CONFIG_SCHEME_UNIX) {
        return edge_set(err, EDGE_INVALID,
                        "connect.management_uri is '%s': only unix:// can be connected to",
                        uri->text);
    }
    enum edge_code code = probe(cfg, uri->path, err);
    if (code == EDGE_OK) {
        code = loop_new(&q.loop, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    code = http_client_new(q.loop, &options, &q.http, err);
    if (code == EDGE_OK) {
        code = send_it(&q, uri->path, req, err);
        if (code == EDGE_OK) {
            loop_run(q.loop);
            code = q.code;
            if (code != EDGE_OK && err != NULL) {
                *err = q.err;
            }
        } else {
            http_client_close(q.http, on_closed, &q);
            loop_run(q.loop);
        }
        http_client_free(q.http);
    }
    loop_free(q.loop);
    return code;
}
