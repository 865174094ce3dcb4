/* SPDX-License-Identifier: MIT */
/*
 * The daemon's care for images, with days shortened to seconds:
 *
 *   image_probe SOCKET STATE_DIR BOOTSTRAP_IMAGE AGE_S
 *
 * Each line of its standard input is the name of an image, which is pulled as for a module; "NAME:
 * ok", or what it came to, is printed. Images are looked at every second. Ends with its input.
 */
#include "agent/image_gc.h"
#include "base/log.h"
#include "loop/http_client.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "runtime/docker.h"
#include "runtime/module_ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MS 20

static struct {
    struct loop *loop;
    struct worker *worker;
    struct http_client *http;
    struct runtime *rt;
    struct module_ops *ops;
    struct image_gc *gc;
    struct loop_timer *input;
    char line[RUNTIME_IMAGE_MAX + 1];
    size_t len;
} probe;

static void on_worker_stopped(void *data) {
    (void)data;
    loop_stop(probe.loop);
}

static void on_http_closed(void *data) {
    (void)data;
    worker_stop(probe.worker, NULL, on_worker_stopped, NULL);
}

static void on_runtime_closed(void *data) {
    (void)data;
    http_client_close(probe.http, on_http_closed, NULL);
}

static void on_gc_stopped(void *data) {
    (void)data;
    runtime_close(probe.rt, on_runtime_closed, NULL);
}

static void on_ops_closed(void *data) {
    (void)data;
    image_gc_stop(probe.gc, on_gc_stopped, NULL);
}

static void on_image(void *data, enum module_image what, const char *image) {
    (void)data;
    image_gc_on_image(probe.gc, what, image);
}

static void on_pulled(void *data, enum edge_code code, const struct edge_error *err) {
    char *name = data;
    (void)err;
    printf("%s: %s\n", name, code == EDGE_OK ? "ok" : edge_code_name(code));
    fflush(stdout);
    free(name);
}

static void pull(const char *image) {
    const struct module_order order = {
        .change = MODULE_PULL, .name = "module", .image = image, .pull = true};
    struct edge_error err;
    char *name = slice_dup(slice_str(image));
    enum edge_code code = module_ops_run(probe.ops, &order, on_pulled, name, &err);
    if (code != EDGE_OK) {
        on_pulled(name, code, &err);
    }
}

static void on_input(void *data) {
    ssize_t n = 0;
    char c;
    (void)data;
    while ((n = read(STDIN_FILENO, &c, 1)) == 1) {
        if (c == '\n') {
            probe.line[probe.len] = '\0';
            probe.len = 0;
            pull(probe.line);
        } else if (probe.len < RUNTIME_IMAGE_MAX) {
            probe.line[probe.len++] = c;
        }
    }
    if (n == 0) {
        loop_timer_free(probe.input);
        module_ops_close(probe.ops, on_ops_closed, NULL);
    } else {
        loop_timer_start(probe.input, INPUT_MS);
    }
}

static enum edge_code open_parts(char **argv, uint32_t age_s, struct edge_error *err) {
    const struct http_client_options options = {.user_agent = "image_probe"};
    const struct module_ops_hooks hooks = {.on_image = on_image};
    enum edge_code code = loop_new(&probe.loop, err);
    if (code == EDGE_OK) {
        code = worker_new(probe.loop, "files", &probe.worker, err);
    }
    if (code == EDGE_OK) {
        code = http_client_new(probe.loop, &options, &probe.http, err);
    }
    if (code == EDGE_OK) {
        code = docker_new(probe.loop, probe.http, argv[1], NULL, NULL, &probe.rt, err);
    }
    if (code == EDGE_OK) {
        code = module_ops_new(probe.loop, probe.rt, &probe.ops, err);
    }
    if (code == EDGE_OK) {
        const struct image_gc_deps deps = {.loop = probe.loop,
                                           .worker = probe.worker,
                                           .runtime = probe.rt,
                                           .state_dir = argv[2],
                                           .bootstrap_image = argv[3],
                                           .enabled = true,
                                           .age_s = age_s,
                                           .interval_s = 1,
                                           .settle_ms = 200};
        module_ops_set_hooks(probe.ops, &hooks);
        code = image_gc_new(&deps, &probe.gc, err);
    }
    return code == EDGE_OK ? loop_timer_new(probe.loop, on_input, NULL, &probe.input, err) : code;
}

int main(int argc, char **argv) {
    struct edge_error err = {0};
    uint64_t age_s;
    if (argc != 5 || !slice_parse_u64(slice_str(argv[4]), 86400, &age_s) ||
        fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0) {
        fprintf(stderr, "usage: image_probe SOCKET STATE_DIR BOOTSTRAP_IMAGE AGE_S\n");
        return 2;
    }
    log_init();
    if (open_parts(argv, (uint32_t)age_s, &err) != EDGE_OK) {
        fprintf(stderr, "%s\n", edge_error_text(&err));
        return 1;
    }
    loop_timer_start(probe.input, 0);
    loop_run(probe.loop);
    module_ops_free(probe.ops);
    image_gc_free(probe.gc);
    runtime_free(probe.rt);
    http_client_free(probe.http);
    worker_free(probe.worker);
    loop_free(probe.loop);
    return 0;
}
