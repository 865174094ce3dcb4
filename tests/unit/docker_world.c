/* SPDX-License-Identifier: MIT */
#include "docker_world.h"

#include "runtime/docker.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

struct docker_world docker_world;

static void on_info(void *data, enum edge_code code, const struct runtime_info *info,
                    const struct edge_error *err) {
    (void)data, (void)info, (void)err;
    docker_world.code = code;
}

static void on_closed(void *data) {
    (void)data;
    docker_world.closed = true;
}

enum edge_code docker_world_new(const char *path, runtime_event_fn *on_event, void *event_data,
                                struct edge_error *err) {
    memset(&docker_world, 0, sizeof(docker_world));
    return docker_new(fake_loop(), NULL, path, on_event, event_data, &docker_world.rt, err);
}

enum edge_code docker_world_open(struct edge_error *err) {
    enum edge_code code = docker_world_new(WORLD_SOCKET, NULL, NULL, err);
    if (code != EDGE_OK) {
        return code;
    }
    code = runtime_get_info(docker_world.rt, on_info, NULL, NULL, err);
    while (fake_transport_open() > 0) {
        bool version = strstr(fake_transport_url(0), "/version") != NULL;
        fake_transport_answer(0, 200, version ? WORLD_VERSION : "{}");
    }
    if (code == EDGE_OK) {
        code = docker_world.code;
    }
    if (code != EDGE_OK) {
        docker_world_close();
    }
    docker_world.code = EDGE_INTERNAL;
    return code;
}

static void wait_closed(void) {
    fake_loop_run();
    fake_transport_end_canceled();
    fake_loop_run();
    assert_true(docker_world.closed);
}

void docker_world_end(void) {
    runtime_close(docker_world.rt, on_closed, NULL);
    assert_false(docker_world.closed); /* always later, but without memory */
    wait_closed();
}

void docker_world_close(void) {
    if (!docker_world.closed) {
        runtime_close(docker_world.rt, on_closed, NULL);
        wait_closed();
    }
    runtime_free(docker_world.rt);
    docker_world.rt = NULL;
}

int docker_world_setup_new(void **state) {
    (void)state;
    fake_loop_init();
    fake_transport_init(fake_loop());
    assert_int_equal(docker_world_new(WORLD_SOCKET, NULL, NULL, NULL), EDGE_OK);
    return 0;
}

int docker_world_setup(void **state) {
    (void)state;
    fake_loop_init();
    fake_transport_init(fake_loop());
    assert_int_equal(docker_world_open(NULL), EDGE_OK);
    return 0;
}

int docker_world_teardown(void **state) {
    (void)state;
    if (docker_world.rt != NULL && !docker_world.closed) {
        docker_world_end();
    }
    if (docker_world.rt != NULL) {
        docker_world_close();
    }
    fake_transport_clear();
    fake_loop_clear();
    return 0;
}

void docker_world_found(const char *body) {
    assert_string_equal(fake_transport_url(0),
                        "GET http://localhost/v1.41/containers/a/json?size=false");
    fake_transport_answer(0, 200, body);
}

void docker_world_done(void *data, enum edge_code code, const struct edge_error *err) {
    (void)data;
    docker_world.calls++;
    docker_world.code = code;
    assert_true((code == EDGE_OK) == (err == NULL));
    if (err != NULL) {
        docker_world.err = *err;
        assert_int_equal(err->code, code);
    }
}
