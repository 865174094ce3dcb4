/* SPDX-License-Identifier: MIT */
/*
 * Asks a container engine with the daemon's own client and prints what came, one JSON object a
 * line:
 *
 *   runtime_probe SOCKET list | modules | info | inspect NAME | top NAME | watch |
 *       module NAME | create NAME BODY | start NAME | stop NAME [SECONDS] | restart NAME |
 *       remove NAME | pull IMAGE [AUTH] | logs NAME [FOLLOW [TAIL [HOW]]] | stats NAME |
 *       network NAME | image NAME | image-remove IMAGE | repeat N WHAT [NAME...]
 *
 * "watch" prints events until its standard input ends. FOLLOW is "yes" or "no". HOW: "slow" takes
 * 16 KiB of a log a tenth of a second; "slow" and "count" print no more than how much it was. The
 * exit code is 0 whatever the engine answered.
 */
#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "runtime/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe {
    struct loop *loop;
    struct http_client *http;
    struct runtime *rt;
    unsigned waiting;
    bool watching;
    struct loop_timer *input;
    struct op log;
    bool slow;
    bool count;
    int64_t log_bytes;
};

static struct probe probe;

static void print(struct json_writer *w) {
    struct edge_error err;
    json_object_close(w);
    if (json_end(w, &err) == EDGE_OK) {
        printf("%s\n", buf_cstr(w->out));
        fflush(stdout);
    }
    buf_clear(w->out);
}

static void begin(struct json_writer *w, struct buf *out, enum edge_code code,
                  const struct edge_error *err) {
    buf_init(out, 16 * 1024 * 1024);
    json_begin(w, out);
    json_object_open(w, NULL);
    json_add_cstr(w, "code", code == EDGE_OK ? "ok" : edge_code_name(code));
    if (code != EDGE_OK) {
        json_add_cstr(w, "error", edge_error_text(err));
        json_add_i64(w, "native", err != NULL ? err->native : 0);
    }
}

static void http_closed(void *data) {
    (void)data;
    loop_timer_free(probe.input);
    loop_stop(probe.loop);
}

static void runtime_closed(void *data) {
    (void)data;
    http_client_close(probe.http, http_closed, NULL);
}

static void finished(void) {
    if (--probe.waiting == 0) {
        runtime_close(probe.rt, runtime_closed, NULL);
    }
}

static void on_containers(void *data, enum edge_code code, const struct runtime_container *list,
                          size_t cnt, const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    json_array_open(&w, "containers");
    for (size_t i = 0; i < cnt; i++) {
        json_object_open(&w, NULL);
        json_add_cstr(&w, "id", list[i].id);
        json_add_cstr(&w, "name", list[i].name);
        json_add_bool(&w, "owned", list[i].owned);
        json_add_bool(&w, "running", list[i].running);
        json_add_i64(&w, "pid", list[i].pid);
        json_add_i64(&w, "started", list[i].started_wall_s);
        json_object_close(&w);
    }
    json_array_close(&w);
    print(&w);
    finished();
}

static void on_modules(void *data, enum edge_code code, const struct runtime_module *list,
                       size_t cnt, const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    json_array_open(&w, "modules");
    for (size_t i = 0; i < cnt; i++) {
        json_object_open(&w, NULL);
        json_add_cstr(&w, "name", list[i].name);
        json_add_cstr(&w, "image", list[i].image);
        json_add_cstr(&w, "state", list[i].state);
        json_add_cstr(&w, "started", list[i].started);
        json_object_close(&w);
    }
    json_array_close(&w);
    print(&w);
    finished();
}

static void on_pids(void *data, enum edge_code code, const pid_t *pids, size_t cnt,
                    const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    json_array_open(&w, "pids");
    for (size_t i = 0; i < cnt; i++) {
        json_add_i64(&w, NULL, pids[i]);
    }
    json_array_close(&w);
    print(&w);
    finished();
}

static void on_info(void *data, enum edge_code code, const struct runtime_info *info,
                    const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    if (code == EDGE_OK) {
        json_add_cstr(&w, "os_type", info->os_type);
        json_add_cstr(&w, "architecture", info->architecture);
        json_add_cstr(&w, "server_version", info->server_version);
        json_add_cstr(&w, "kernel_version", info->kernel_version);
        json_add_cstr(&w, "operating_system", info->operating_system);
        json_add_i64(&w, "cpus", info->cpus);
        json_add_i64(&w, "total_memory", (int64_t)info->total_memory);
    }
    print(&w);
    finished();
}

static void on_event(void *data, enum runtime_event event, const char *id) {
    static const char *const names[] = {"started", "stopped", "connected", "lost"};
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, EDGE_OK, NULL);
    json_add_cstr(&w, "event", names[event]);
    json_add_cstr(&w, "id", id != NULL ? id : "");
    print(&w);
}

static void print_code(enum edge_code code, const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    begin(&w, &out, code, err);
    print(&w);
}

static void on_plain(void *data, enum edge_code code, const struct edge_error *err) {
    (void)data;
    print_code(code, err);
    finished();
}

static void on_module(void *data, enum edge_code code, const struct runtime_module *list,
                      size_t cnt, const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    if (cnt == 1) {
        json_add_cstr(&w, "id", list->id);
        json_add_cstr(&w, "name", list->name);
        json_add_cstr(&w, "image", list->image);
        json_add_cstr(&w, "image_id", list->image_id);
        json_add_cstr(&w, "state", list->state);
        json_add_node(&w, "labels", list->labels);
        json_add_node(&w, "env", list->env);
    }
    print(&w);
    finished();
}

static void on_progress(void *data, const char *text) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, EDGE_OK, NULL);
    json_add_cstr(&w, "progress", text);
    print(&w);
}

static void on_json(void *data, enum edge_code code, struct slice json,
                    const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    json_add_str(&w, "json", json);
    print(&w);
    finished();
}

static void on_image(void *data, enum edge_code code, const struct runtime_image *image,
                     const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    if (code == EDGE_OK) {
        json_add_cstr(&w, "id", image->id);
    }
    if (code == EDGE_OK && image->tags != NULL) {
        json_add_node(&w, "tags", image->tags);
    }
    print(&w);
    finished();
}

static void on_log_open(void *data, int status) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, EDGE_OK, NULL);
    json_add_i64(&w, "open", status);
    print(&w);
}

static bool on_log_data(void *data, struct slice bytes) {
    struct json_writer w;
    struct buf out;
    (void)data;
    probe.log_bytes += (int64_t)bytes.len;
    if (probe.slow) {
        loop_timer_start(probe.input, 100);
        return false;
    }
    if (probe.count) {
        return true;
    }
    begin(&w, &out, EDGE_OK, NULL);
    json_add_b64(&w, "data", bytes.ptr, bytes.len);
    print(&w);
    return true;
}

static void on_log_done(void *data, enum edge_code code, const struct edge_error *err) {
    struct json_writer w;
    struct buf out;
    (void)data;
    begin(&w, &out, code, err);
    json_add_i64(&w, "bytes", probe.log_bytes);
    print(&w);
    finished();
}

static enum edge_code start_logs(const char *name, int argc, char **argv, struct edge_error *err) {
    static const struct runtime_stream stream = {on_log_open, on_log_data, on_log_done};
    const struct runtime_logs_options opts = {
        .follow = argc > 0 && strcmp(argv[0], "yes") == 0,
        .tail = argc > 1 ? argv[1] : NULL,
    };
    probe.slow = argc > 2 && strcmp(argv[2], "slow") == 0;
    probe.count = argc > 2 && strcmp(argv[2], "count") == 0;
    return runtime_logs(probe.rt, name, &opts, &stream, NULL, &probe.log, err);
}

static enum edge_code start_create(const char *name, const char *body, struct edge_error *err) {
    const struct runtime_spec spec = {.name = name, .image = "", .create_body = slice_str(body)};
    return runtime_create(probe.rt, &spec, on_plain, NULL, NULL, err);
}

/* What changes something. `extra` is what follows the name. */
static enum edge_code start_act(const char *what, const char *name, int argc, char **extra,
                                struct edge_error *err) {
    const char *first = argc > 0 ? extra[0] : "";
    const struct runtime_network network = {.name = name};
    int64_t seconds = RUNTIME_STOP_DEFAULT;

    if (strcmp(what, "create") == 0) {
        return start_create(name, first, err);
    }
    if (strcmp(what, "start") == 0) {
        return runtime_start(probe.rt, name, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "stop") == 0) {
        (void)slice_parse_i64(slice_str(first), &seconds);
        return runtime_stop(probe.rt, name, (int)seconds, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "restart") == 0) {
        return runtime_restart(probe.rt, name, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "remove") == 0) {
        return runtime_remove(probe.rt, name, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "rename") == 0) {
        return runtime_rename(probe.rt, name, first, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "pull") == 0) {
        return runtime_pull(probe.rt, name, slice_str(first), on_progress, on_plain, NULL, NULL,
                            err);
    }
    if (strcmp(what, "network") == 0) {
        return runtime_network_ensure(probe.rt, &network, on_plain, NULL, NULL, err);
    }
    if (strcmp(what, "image-remove") == 0) {
        return runtime_image_remove(probe.rt, name, on_plain, NULL, NULL, err);
    }
    return edge_set(err, EDGE_INVALID, "what is '%s'?", what);
}

/* The end of standard input ends a watch. */
static void look_at_input(void *data) {
    char c;
    (void)data;
    if (!probe.watching) {
        runtime_logs_resume(probe.rt, probe.log);
    } else if (read(STDIN_FILENO, &c, 1) == 0) {
        finished();
    } else {
        loop_timer_start(probe.input, 50);
    }
}

static enum edge_code start(int argc, char **argv, struct edge_error *err) {
    const char *what = argv[2];
    const char *name = argc > 3 ? argv[3] : "";
    if (strcmp(what, "watch") == 0) {
        if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0) {
            return edge_set_errno(err, errno, "standard input");
        }
        probe.watching = true;
        loop_timer_start(probe.input, 50);
        return EDGE_OK;
    }
    if (strcmp(what, "list") == 0) {
        return runtime_list(probe.rt, on_containers, NULL, NULL, err);
    }
    if (strcmp(what, "modules") == 0) {
        return runtime_list_modules(probe.rt, on_modules, NULL, NULL, err);
    }
    if (strcmp(what, "info") == 0) {
        return runtime_get_info(probe.rt, on_info, NULL, NULL, err);
    }
    if (strcmp(what, "inspect") == 0) {
        return runtime_inspect(probe.rt, name, on_containers, NULL, NULL, err);
    }
    if (strcmp(what, "top") == 0) {
        return runtime_top(probe.rt, name, on_pids, NULL, NULL, err);
    }
    if (strcmp(what, "module") == 0) {
        return runtime_inspect_module(probe.rt, name, on_module, NULL, NULL, err);
    }
    if (strcmp(what, "stats") == 0) {
        return runtime_stats(probe.rt, name, on_json, NULL, NULL, err);
    }
    if (strcmp(what, "image") == 0) {
        return runtime_image_find(probe.rt, name, on_image, NULL, NULL, err);
    }
    if (strcmp(what, "logs") == 0) {
        return start_logs(name, argc - 4, argv + 4, err);
    }
    return start_act(what, name, argc - 4, argv + 4, err);
}

static enum edge_code run(int argc, char **argv, struct edge_error *err) {
    const struct http_client_options options = {.user_agent = "runtime_probe"};
    bool watch = strcmp(argv[2], "watch") == 0;
    uint64_t times = 1;

    const char *socket_path = argv[1];
    if (strcmp(argv[2], "repeat") == 0 && argc > 4 &&
        slice_parse_u64(slice_str(argv[3]), 1000, &times)) {
        argv += 2;
        argc -= 2;
    }
    enum edge_code code = loop_new(&probe.loop, err);
    if (code == EDGE_OK) {
        code = http_client_new(probe.loop, &options, &probe.http, err);
    }
    if (code == EDGE_OK) {
        code = docker_new(probe.loop, probe.http, socket_path, watch ? on_event : NULL, NULL,
                          &probe.rt, err);
    }
    if (code == EDGE_OK) {
        code = loop_timer_new(probe.loop, look_at_input, NULL, &probe.input, err);
    }
    for (uint64_t i = 0; code == EDGE_OK && i < times; i++) {
        code = start(argc, argv, err);
        probe.waiting += code == EDGE_OK ? 1 : 0;
    }
    if (code == EDGE_OK) {
        loop_run(probe.loop);
        runtime_free(probe.rt);
        http_client_free(probe.http);
        loop_free(probe.loop);
    }
    return code;
}

int main(int argc, char **argv) {
    struct edge_error err = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: runtime_probe SOCKET WHAT [NAME]\n");
        return 2;
    }
    log_init();
    if (run(argc, argv, &err) != EDGE_OK) {
        printf("{\"code\":\"start\",\"error\":\"%s\"}\n", edge_error_text(&err));
        return 1;
    }
    return 0;
}
