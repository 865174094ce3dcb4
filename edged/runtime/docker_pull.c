/* SPDX-License-Identifier: MIT */
/*
 * The Engine answers 200 before it knows whether it can: what became of a pull is in the last
 * message of the stream.
 */
#include "runtime/docker_pull.h"

#include "base/b64.h"
#include "base/buf.h"
#include "base/pct.h"
#include "runtime/docker_events.h"
#include "runtime/docker_parts.h"
#include "runtime/docker_pull_json.h"

#include <stdlib.h>

#define PATH_LEN_MAX 2048 /* an image's name, percent-encoded, and the rest */

struct pull {
    struct docker *docker;
    struct docker_splitter splitter;
    struct docker_pull_message last;
    bool any; /* message came */
    struct edge_error stream_err;
    struct op op;
    runtime_progress_fn *on_progress;
    runtime_done_fn *done;
    void *data;
};

static void pull_free(struct pull *p) {
    docker_splitter_clear(&p->splitter);
    free(p);
}

static enum edge_code on_message(void *data, struct slice object, struct edge_error *err) {
    struct pull *p = data;
    enum edge_code code = docker_pull_message(object, &p->last, err);
    if (code != EDGE_OK) {
        return code;
    }
    p->any = true;
    if (p->on_progress != NULL && !p->last.failed && p->last.text[0] != '\0') {
        p->on_progress(p->data, p->last.text);
    }
    return EDGE_OK;
}

static bool on_data(void *data, struct slice bytes) {
    struct pull *p = data;
    if (p->stream_err.code == EDGE_OK &&
        docker_splitter_feed(&p->splitter, bytes, on_message, p, &p->stream_err) != EDGE_OK) {
        op_cancel(loop_ops(p->docker->loop), p->op);
    }
    return true;
}

/* The verdict on a stream that came to its end. */
static enum edge_code verdict(const struct pull *p, struct edge_error *err) {
    if (p->last.failed) {
        return edge_set(err, docker_pull_meaning(p->last.text, EDGE_REMOTE),
                        "the image could not be pulled: %s", p->last.text);
    }
    if (p->splitter.depth > 0) {
        return edge_set(err, EDGE_PROTO, "the container engine broke off in the middle of a pull");
    }
    if (!p->any) {
        return edge_set(err, EDGE_PROTO, "the container engine said nothing about a pull");
    }
    return EDGE_OK;
}

static void on_done(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct pull *p = data;
    struct edge_error own_err = {0};

    (void)body;
    if (err != NULL) {
        own_err = *err;
    }
    if (p->stream_err.code != EDGE_OK) {
        own_err = p->stream_err;
        code = own_err.code;
    } else if (code == EDGE_OK) {
        code = verdict(p, &own_err);
    } else if (code == EDGE_REMOTE || code == EDGE_NOT_FOUND) {
        code = own_err.code = docker_pull_meaning(own_err.text, code);
    }
    p->docker->pull_cnt--;
    p->done(p->data, code, code == EDGE_OK ? NULL : &own_err);
    pull_free(p);
}

/* URL-safe base64 with padding; an empty header when there are no credentials. */
static enum edge_code encode_auth(struct slice auth_json, struct buf *out, struct edge_error *err) {
    enum edge_code code = b64_encode_url(auth_json.ptr, auth_json.len, out, err);
    if (code == EDGE_RANGE) {
        return edge_set(err, EDGE_INVALID, "the credentials for the registry are too long");
    }
    return code != EDGE_OK ? code : buf_append_byte(out, 0, err);
}

static enum edge_code send_pull(struct pull *p, const char *image, struct slice auth_json,
                                struct edge_error *err) {
    struct buf path EDGE_CLEANUP(buf_clear);
    struct buf name EDGE_CLEANUP(buf_clear);
    struct buf auth EDGE_CLEANUP(buf_clear);

    buf_init(&path, PATH_LEN_MAX);
    buf_init(&name, PATH_LEN_MAX);
    buf_init_sensitive(&auth, DOCKER_AUTH_MAX + 1);
    enum edge_code code = encode_auth(auth_json, &auth, err);
    if (code == EDGE_OK) {
        code = docker_pull_complete(slice_str(image), &name, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_str(&path, "/images/create?fromImage=", err);
    }
    if (code == EDGE_OK) {
        code = pct_encode(buf_slice(&name), PCT_UNRESERVED, &path, err);
    }
    if (code == EDGE_OK) {
        code = buf_append_byte(&path, 0, err);
    }
    if (code != EDGE_OK) {
        return code;
    }
    const struct docker_request req = {
        .method = "POST",
        .path = (const char *)path.data,
        .registry_auth = (const char *)auth.data,
        .stall_ms = DOCKER_PULL_STALL_MS,
        .on_data = on_data,
        .on_done = on_done,
        .data = p,
    };
    return docker_engine_send(p->docker->engine, &req, &p->op, err);
}

enum edge_code docker_pull_image(struct runtime *rt, const char *image, struct slice auth_json,
                                 runtime_progress_fn *on_progress, runtime_done_fn *done,
                                 void *data, struct op *ret_op, struct edge_error *err) {
    struct docker *d = (struct docker *)rt;

    if (d->pull_cnt >= DOCKER_PULLS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many images are pulled at once");
    }
    struct pull *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for the pull of an image");
    }
    p->docker = d;
    docker_splitter_init(&p->splitter);
    p->on_progress = on_progress;
    p->done = done;
    p->data = data;
    enum edge_code code = send_pull(p, image, auth_json, err);
    if (code != EDGE_OK) {
        pull_free(p);
        return code;
    }
    d->pull_cnt++;
    if (ret_op != NULL) {
        *ret_op = p->op;
    }
    return EDGE_OK;
}
