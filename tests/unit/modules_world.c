/* SPDX-License-Identifier: MIT */
#include "modules_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

struct modules_world modules_world;

/* Not asked by these routes; the real one would bring the real loop with it. */
const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return NULL;
}

int modules_world_setup(void **state) {
    struct modules_world *w = &modules_world;
    (void)state;
    memset(w, 0, sizeof(*w));
    fake_loop_init();
    w->fake = fake_runtime_new(fake_loop());
    w->api.config = &w->config;
    w->api.loop = fake_loop();
    w->api.runtime = fake_runtime_get(w->fake);
    assert_int_equal(module_ops_new(fake_loop(), w->api.runtime, &w->api.module_ops, NULL),
                     EDGE_OK);
    return 0;
}

int modules_world_teardown(void **state) {
    (void)state;
    module_ops_free(modules_world.api.module_ops);
    fake_runtime_free(modules_world.fake);
    fake_loop_clear();
    return 0;
}
