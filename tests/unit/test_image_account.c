/* SPDX-License-Identifier: MIT */
/*
 * The account and its file: what is added while a job is under way gets there as well.
 */
#include "agent/image_account.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct {
    struct image_account account;
    unsigned reads, idles;
    enum edge_code code; /* of the last reading */
} world;

static void on_read(void *data, enum edge_code code, const struct edge_error *err) {
    assert_ptr_equal(data, &world);
    assert_true((code == EDGE_OK) == (err == NULL));
    world.reads++;
    world.code = code;
}

static void on_idle(void *data) {
    assert_ptr_equal(data, &world);
    assert_false(world.account.under_way);
    world.idles++;
}

static void open_account(const struct tmpdir *dir) {
    memset(&world, 0, sizeof(world));
    world.account = (struct image_account){.worker = fake_worker(),
                                           .dir = dir->path,
                                           .on_read = on_read,
                                           .on_idle = on_idle,
                                           .data = &world};
}

static int setup(void **state) {
    assert_int_equal(tmpdir_setup(state), 0);
    fake_loop_init();
    open_account(*state);
    return 0;
}

static int teardown(void **state) {
    image_account_clear(&world.account);
    fake_loop_clear();
    return tmpdir_teardown(state);
}

static void add(const char *name) {
    assert_int_equal(image_use_add(&world.account.use, name, "sha256:1", 0, NULL), EDGE_OK);
    image_account_save(&world.account);
}

static size_t on_disk(const struct tmpdir *dir) {
    struct image_use use EDGE_CLEANUP(image_use_clear) = {0};
    enum edge_code code = image_use_read(dir->path, &use, NULL);
    assert_true(code == EDGE_OK || code == EDGE_NOT_FOUND);
    return use.cnt;
}

static void test_read_and_save(void **state) {
    add("a:1"); /* before the file has been read */
    assert_int_equal(on_disk(*state), 0);
    image_account_read(&world.account);
    fake_loop_run();
    assert_int_equal(world.reads, 1);
    assert_int_equal(world.code, EDGE_OK);
    assert_int_equal(world.idles, 1); /* after the saving that followed */
    assert_int_equal(on_disk(*state), 1);
    add("b:1");
    add("c:1"); /* while the other is on its way */
    fake_loop_run();
    assert_int_equal(on_disk(*state), 3);
    assert_int_equal(world.idles, 2);
    image_account_clear(&world.account);
    open_account(*state);
    image_account_read(&world.account);
    add("d:1");
    fake_loop_run();
    assert_int_equal(world.account.use.cnt, 4);
    assert_int_equal(on_disk(*state), 4);
}

static void test_damaged(void **state) {
    tmpdir_write(*state, IMAGE_USE_FILE, "x\n", 2, 0600);
    image_account_read(&world.account);
    fake_loop_run();
    assert_int_equal(world.code, EDGE_OK);
    assert_true(world.account.has_read);
    add("a:1");
    fake_loop_run();
    assert_int_equal(on_disk(*state), 1);
}

/* What cannot be read is not overwritten. */
static void test_unreadable(void **state) {
    tmpdir_write(*state, IMAGE_USE_FILE, "x\n", 2, 0666);
    image_account_read(&world.account);
    fake_loop_run();
    assert_int_equal(world.code, EDGE_DENIED);
    add("a:1");
    fake_loop_run();
    assert_int_equal(world.idles, 1);
    fake_worker_fail(EDGE_BUSY);
    image_account_read(&world.account);
    fake_worker_fail(EDGE_OK);
    assert_int_equal(world.code, EDGE_BUSY);
    assert_int_equal(chmod(tmpdir_join(*state, IMAGE_USE_FILE), 0600), 0);
    image_account_read(&world.account);
    fake_loop_run();
    assert_int_equal(world.code, EDGE_OK);
    assert_int_equal(on_disk(*state), 1);
}

static void test_unwritable(void **state) {
    image_account_read(&world.account);
    fake_loop_run();
    fake_worker_fail(EDGE_BUSY);
    add("a:1");
    fake_worker_fail(EDGE_OK);
    fake_loop_run();
    assert_int_equal(on_disk(*state), 0);
    add("b:1");
    fake_loop_run();
    assert_int_equal(on_disk(*state), 2);
}

static enum edge_code one_round(void *data) {
    open_account(data);
    image_account_read(&world.account);
    fake_loop_run();
    enum edge_code code = world.code;
    if (code == EDGE_OK) {
        code = image_use_add(&world.account.use, "a:1", "sha256:1", 0, NULL);
        image_account_save(&world.account);
        fake_loop_run();
    }
    image_account_clear(&world.account);
    return code;
}

static void test_memory(void **state) {
    assert_true(alloc_fail_torture(one_round, *state) > 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_read_and_save), T(test_damaged), T(test_unreadable),
        T(test_unwritable),    T(test_memory),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
