/* SPDX-License-Identifier: MIT */
/*
 * What a pull has brought: the questions before and after it, in whatever order they are answered.
 */
#include "agent/image_pulls.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_images.h"
#include "support/fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
    struct fake_images *engine;
    struct image_pulls pulls;
    char told[256];
    unsigned ends;
} world;

static void on_named(void *data, const char *name, const char *id, bool is_new) {
    size_t len = strlen(world.told);
    assert_ptr_equal(data, &world);
    (void)snprintf(world.told + len, sizeof(world.told) - len, "%s%s=%s ", is_new ? "+" : "", name,
                   id);
}

static void on_end(void *data) {
    assert_ptr_equal(data, &world);
    world.ends++;
}

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    fake_loop_init();
    world.engine = fake_images_new(fake_loop());
    world.pulls = (struct image_pulls){.loop = fake_loop(),
                                       .runtime = fake_images_get(world.engine),
                                       .on_named = on_named,
                                       .on_end = on_end,
                                       .data = &world};
    image_pulls_init(&world.pulls);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_true(image_pulls_is_idle(&world.pulls));
    fake_images_free(world.engine);
    fake_loop_clear();
    return 0;
}

static void answer(void) {
    while (fake_images_step(world.engine)) {
    }
}

static void expect(const char *told, unsigned ends) {
    answer();
    assert_string_equal(world.told, told);
    assert_int_equal(world.ends, ends);
    assert_true(image_pulls_is_idle(&world.pulls));
    world.told[0] = '\0';
    world.ends = 0;
}

static void test_news(void **state) {
    (void)state;
    image_pulls_begin(&world.pulls, "r.test/a");
    answer();
    assert_false(image_pulls_is_idle(&world.pulls));
    fake_images_name(world.engine, "sha256:1", "r.test/a");
    image_pulls_finish(&world.pulls, "r.test/a", true);
    expect("+r.test/a:latest=sha256:1 ", 1);
    image_pulls_begin(&world.pulls, "r.test/a"); /* up to date */
    answer();
    image_pulls_finish(&world.pulls, "r.test/a", true);
    expect("r.test/a:latest=sha256:1 ", 1);
    image_pulls_begin(&world.pulls, "r.test/a"); /* a newer one */
    answer();
    fake_images_name(world.engine, "sha256:2", "r.test/a");
    image_pulls_finish(&world.pulls, "r.test/a", true);
    expect("+r.test/a:latest=sha256:2 ", 1);
    image_pulls_begin(&world.pulls, "r.test/a");
    image_pulls_finish(&world.pulls, "r.test/a", false);
    expect("", 1);
    image_pulls_finish(&world.pulls, "r.test/a", true); /* of which nothing is known */
    expect("", 0);
}

/* The same image for several modules: it is news to whoever came first. */
static void test_side_by_side(void **state) {
    (void)state;
    image_pulls_begin(&world.pulls, "a:1");
    image_pulls_begin(&world.pulls, "b:1");
    answer();
    fake_images_name(world.engine, "sha256:1", "a:1");
    image_pulls_begin(&world.pulls, "a:1");
    answer();
    image_pulls_finish(&world.pulls, "a:1", true);
    image_pulls_finish(&world.pulls, "a:1", true);
    image_pulls_finish(&world.pulls, "b:1", true); /* the engine does not have it after all */
    expect("+docker.io/library/a:1=sha256:1 docker.io/library/a:1=sha256:1 ", 3);
}

static void test_stop(void **state) {
    (void)state;
    image_pulls_begin(&world.pulls, "a:1");
    answer();
    image_pulls_begin(&world.pulls, "b:1");
    image_pulls_begin(&world.pulls, "c:1");
    fake_images_step(world.engine);
    fake_images_step(world.engine);
    image_pulls_finish(&world.pulls, "c:1", true);
    image_pulls_begin(&world.pulls, "d:1");
    image_pulls_stop(&world.pulls);
    expect("", 4);
}

static enum edge_code one_round(void *data) {
    (void)data;
    fake_images_clear(world.engine);
    fake_images_journal_clear(world.engine);
    image_pulls_begin(&world.pulls, "a:1");
    answer();
    fake_images_name(world.engine, "sha256:1", "a:1");
    image_pulls_finish(&world.pulls, "a:1", true);
    answer();
    enum edge_code code = world.told[0] != '\0' ? EDGE_OK : EDGE_NOMEM;
    world.told[0] = '\0';
    return code;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) > 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_news),
        T(test_side_by_side),
        T(test_stop),
        T(test_memory),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
