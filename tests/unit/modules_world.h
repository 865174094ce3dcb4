/* SPDX-License-Identifier: MIT */
/*
 * What the routes about modules work with, over the fake runtime and the fake loop.
 */
#ifndef UNIT_MODULES_WORLD_H
#define UNIT_MODULES_WORLD_H

#include "api/api.h"
#include "support/fake_loop.h"
#include "support/fake_runtime.h"

struct modules_world {
    struct fake_runtime *fake;
    struct edge_config config;
    struct api api;
};

extern struct modules_world modules_world;

int modules_world_setup(void **state);
int modules_world_teardown(void **state);

#define MODULES_WORLD_TEST(name)                                                                   \
    cmocka_unit_test_setup_teardown(name, modules_world_setup, modules_world_teardown)

#endif
