/* SPDX-License-Identifier: MIT */
/*
 * How the machine and the modules use it: what the worker reads of the host, then how full the
 * disks are, then what the Engine says of each module.
 */
#include "api/api.h"
#include "api/api_error.h"
#include "api/stats_gather.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/http_reply.h"

#include <stdlib.h>

#define ANSWER_MAX (2 * STATS_TEXT_MAX + (size_t)64 * 1024) /* each quote becomes two bytes */
#define AT_ONCE    4 /* each may have STATS_AT_ONCE calls of the Engine open */
#define RETRY_S    5
#define FAILED     "Could not query system resources"

struct ask {
    struct api *api;
    struct api_pending *pending;
    struct host_usage usage;
    struct host_disk_list disks;
    enum edge_code code;
    struct edge_error err;
};

/* Releases a; the exchange, when somebody still waits. */
static struct http_exchange *ask_end(struct ask *a) {
    struct http_exchange *x = api_pending_take(a->pending);
    a->api->resources_cnt--;
    free(a);
    return x;
}

static void fail(struct ask *a, const struct edge_error *err) {
    const struct edge_error own = *err; /* which may be a's */
    struct http_exchange *x = ask_end(a);
    if (x != NULL) {
        api_error_blameless(x, FAILED, &own);
    }
}

static void add_u64(struct json_writer *w, const char *name, uint64_t value) {
    json_add_i64(w, name, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static enum edge_code encode(const struct ask *a, struct slice stats, struct buf *out,
                             struct edge_error *err) {
    const struct host_usage *u = &a->usage;
    struct json_writer w;
    json_begin(&w, out);
    json_object_open(&w, NULL);
    add_u64(&w, "host_uptime", u->uptime_s);
    add_u64(&w, "process_uptime", (clock_mono_ms() - a->api->host->started_ms) / 1000);
    json_add_i64(&w, "used_cpu", u->cpu.used_percent);
    add_u64(&w, "used_ram", u->used_ram);
    add_u64(&w, "total_ram", u->total_ram);
    json_array_open(&w, "disks");
    for (size_t i = 0; i < a->disks.cnt; i++) {
        const struct host_disk *disk = &a->disks.items[i];
        json_object_open(&w, NULL);
        json_add_cstr(&w, "name", disk->name);
        add_u64(&w, "available_space", disk->available_space);
        add_u64(&w, "total_space", disk->total_space);
        json_add_cstr(&w, "file_system", disk->file_system);
        json_add_cstr(&w, "file_type", disk->file_type);
        json_object_close(&w);
    }
    json_array_close(&w);
    json_add_str(&w, "docker_stats", stats);
    json_object_close(&w);
    return json_end(&w, err);
}

static void on_stats(void *data, enum edge_code code, const struct buf *stats,
                     const struct edge_error *err) {
    struct ask *a = data;
    struct edge_error own_err;
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    if (code == EDGE_OK && api_pending_is_live(a->pending)) {
        code = encode(a, buf_slice(stats), &out, &own_err);
        err = &own_err;
    }
    if (code != EDGE_OK) {
        fail(a, err);
    } else {
        struct http_exchange *x = ask_end(a);
        if (x != NULL) {
            http_reply_json(x, 200, &out);
        }
    }
    buf_clear(&out);
}

static void run(void *data) {
    struct ask *a = data;
    a->code = host_usage_read("", &a->usage, &a->err);
}

/* While the disks are asked nothing can be cancelled, and it is short. */
static void on_disks(void *data, const struct host_disk_list *list) {
    struct ask *a = data;
    struct op op;

    struct http_exchange *x = http_exchange_from(a->pending->server, a->pending->exchange);
    if (x == NULL) {
        fail(a, &a->err);
        return;
    }
    a->disks = *list;
    if (stats_gather(a->api->loop, a->api->runtime, on_stats, a, &op, &a->err) != EDGE_OK) {
        fail(a, &a->err);
        return;
    }
    http_exchange_set_op(x, op);
}

static void on_usage(void *data, enum edge_code code) {
    struct ask *a = data;

    if (code != EDGE_OK) {
        a->code = edge_set(&a->err, code, "the worker did not get to it");
    }
    struct http_exchange *x = http_exchange_from(a->pending->server, a->pending->exchange);
    if (x == NULL || a->code != EDGE_OK) {
        fail(a, &a->err);
        return;
    }
    a->api->cpu = a->usage.cpu;
    if (host_disks_ask(a->api->disks, on_disks, a, &a->err) != EDGE_OK) {
        fail(a, &a->err);
    }
}

void mgmt_system_resources(struct http_exchange *x) {
    struct api *api = api_of(x);
    struct op op;

    if (api->resources_cnt >= AT_ONCE) {
        http_reply_busy(x, 503, RETRY_S, FAILED ": others are asking at the moment");
        return;
    }
    struct ask *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        http_reply_error(x, 500, "Out of memory");
        return;
    }
    a->api = api;
    a->usage.cpu = api->cpu;
    a->pending = api_pending_new(x, NULL);
    if (a->pending == NULL) {
        free(a);
        return;
    }
    api->resources_cnt++;
    const struct worker_job job = {.run = run, .done = on_usage, .data = a};
    if (worker_submit(api->worker, &job, &op, &a->err) != EDGE_OK) {
        fail(a, &a->err);
        return;
    }
    http_exchange_set_op(x, op);
}
