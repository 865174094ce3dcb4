/* SPDX-License-Identifier: MIT */
/*
 * Bytes are passed on as they come and are never kept: a reader that does not keep up holds the
 * Engine's connection back, and so the Engine.
 */
#include "runtime/docker_logs.h"

#include "runtime/docker_owned.h"
#include "runtime/docker_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct docker *docker;
    struct runtime_stream stream;
    void *data;
};

static void on_open(void *data, int status) {
    const struct reader *r = data;
    if (r->stream.on_open != NULL) {
        r->stream.on_open(r->data, status);
    }
}

static bool on_data(void *data, struct slice bytes) {
    const struct reader *r = data;
    return r->stream.on_data(r->data, bytes);
}

static void on_done(void *data, enum edge_code code, struct slice body,
                    const struct edge_error *err) {
    struct reader *r = data;
    (void)body;
    r->docker->log_cnt--;
    r->stream.on_done(r->data, code, code == EDGE_OK ? NULL : err);
    free(r);
}

static void write_tail(char tail[DOCKER_OWNED_TAIL_MAX], const struct runtime_logs_options *o) {
    char until[32] = "";
    if (o->has_until) {
        (void)snprintf(until, sizeof(until), "&until=%" PRId32, o->until);
    }
    (void)snprintf(tail, DOCKER_OWNED_TAIL_MAX,
                   "/logs?follow=%s&stdout=true&stderr=true&since=%" PRId32
                   "&timestamps=%s&tail=%.20s%s",
                   o->follow ? "true" : "false", o->since, o->timestamps ? "true" : "false",
                   o->tail != NULL ? o->tail : "all", until);
}

enum edge_code docker_logs_open(struct runtime *rt, const char *id_or_name,
                                const struct runtime_logs_options *opts,
                                const struct runtime_stream *s, void *data, struct op *ret_op,
                                struct edge_error *err) {
    struct docker *d = (struct docker *)rt;
    char tail[DOCKER_OWNED_TAIL_MAX];

    if (d->log_cnt >= DOCKER_LOGS_MAX) {
        return edge_set(err, EDGE_BUSY, "too many logs are read at once");
    }
    struct reader *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a reader of logs");
    }
    r->docker = d;
    r->stream = *s;
    r->data = data;
    write_tail(tail, opts);
    const struct docker_owned_request req = {
        .method = "GET",
        .tail = tail,
        .yields = true,
        .on_open = on_open,
        .on_data = on_data,
        .on_done = on_done,
        .data = r,
    };
    enum edge_code code = docker_owned_send(d->loop, d->engine, id_or_name, &req, ret_op, err);
    if (code != EDGE_OK) {
        free(r);
        return code;
    }
    d->log_cnt++;
    return EDGE_OK;
}

void docker_logs_resume(struct runtime *rt, struct op op) {
    struct docker *d = (struct docker *)rt;
    docker_owned_resume(d->loop, d->engine, op);
}
