/* SPDX-License-Identifier: MIT */
#include "runtime/docker_details.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct runtime_module module(unsigned id, const char *state) {
    struct runtime_module m = {.status = RUNTIME_STATUS_FAILED, .has_exit_code = true};
    snprintf(m.id, sizeof(m.id), "%064u", id);
    snprintf(m.image, sizeof(m.image), "a:%u", id);
    snprintf(m.state, sizeof(m.state), "%s", state);
    snprintf(m.started, sizeof(m.started), "2026-01-02T03:04:05Z");
    snprintf(m.finished, sizeof(m.finished), "2026-01-02T03:04:06Z");
    m.exit_code = 7;
    return m;
}

static bool is_known(const struct docker_details *d, unsigned id, const char *state) {
    struct runtime_module m = {0};
    snprintf(m.id, sizeof(m.id), "%064u", id);
    snprintf(m.image, sizeof(m.image), "sha256:00");
    snprintf(m.state, sizeof(m.state), "%s", state);
    if (!docker_details_fill(d, &m)) {
        assert_string_equal(m.image, "sha256:00");
        return false;
    }
    const struct runtime_module want = module(id, state);
    assert_string_equal(m.image, want.image);
    assert_string_equal(m.started, want.started);
    assert_string_equal(m.finished, want.finished);
    assert_int_equal(m.status, want.status);
    assert_int_equal(m.exit_code, want.exit_code);
    assert_true(m.has_exit_code);
    return true;
}

static void keep(struct docker_details *d, unsigned id, const char *state) {
    const struct runtime_module m = module(id, state);
    docker_details_keep(d, &m, state);
}

static void test_kept_while_live(void **state) {
    struct docker_details *d = NULL;
    const struct runtime_module changing = module(3, "running");
    char id[RUNTIME_ID_LEN + 1];
    (void)state;
    assert_int_equal(docker_details_new(&d, NULL), EDGE_OK);
    keep(d, 1, "exited");
    assert_false(is_known(d, 1, "exited")); /* no events yet */
    docker_details_event(d, RUNTIME_EVENT_CONNECTED, NULL);
    keep(d, 1, "exited");
    keep(d, 2, "running");
    docker_details_keep(d, &changing, "created");
    assert_true(is_known(d, 1, "exited") && is_known(d, 2, "running"));
    assert_false(is_known(d, 1, "running") || is_known(d, 3, "running") || is_known(d, 4, ""));
    snprintf(id, sizeof(id), "%064u", 1u);
    docker_details_event(d, RUNTIME_EVENT_STARTED, id);
    assert_false(is_known(d, 1, "exited"));
    assert_true(is_known(d, 2, "running"));
    docker_details_event(d, RUNTIME_EVENT_LOST, NULL);
    keep(d, 1, "exited");
    assert_false(is_known(d, 1, "exited") || is_known(d, 2, "running"));
    docker_details_free(d);
    docker_details_free(NULL);
}

static void test_full(void **state) {
    struct docker_details *d = NULL;
    (void)state;
    assert_int_equal(docker_details_new(&d, NULL), EDGE_OK);
    docker_details_event(d, RUNTIME_EVENT_CONNECTED, NULL);
    for (unsigned i = 0; i <= RUNTIME_CONTAINERS_MAX; i++) {
        keep(d, i, "running");
    }
    assert_true(is_known(d, 0, "running"));
    assert_false(is_known(d, RUNTIME_CONTAINERS_MAX, "running"));
    docker_details_free(d);
}

static enum edge_code one_round(void *data) {
    struct docker_details *d = NULL;
    (void)data;
    enum edge_code code = docker_details_new(&d, NULL);
    if (code == EDGE_OK) {
        docker_details_event(d, RUNTIME_EVENT_CONNECTED, NULL);
        keep(d, 1, "running");
        code = is_known(d, 1, "running") ? EDGE_OK : EDGE_NOMEM;
    }
    docker_details_free(d);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_while_live),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
