/* SPDX-License-Identifier: MIT */
/*
 * Disks of a machine made of files, and who waits for what they say.
 */
#include "api/host_disks.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/fake_loop.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "/dev/one /disk ext4 rw 0 0\n"

static void put(const struct tmpdir *dir, const char *name, const char *text) {
    tmpdir_write(dir, name, text, strlen(text), 0644);
}

static int setup(void **state) {
    static const char *const dirs[] = {"proc", "proc/self", "disk"};
    assert_int_equal(tmpdir_setup(state), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mkdir(tmpdir_join(*state, dirs[i]), 0755), 0);
    }
    put(*state, "proc/self/mounts", ONE);
    return 0;
}

/* --- Reading --- */

static void read_ok(const struct tmpdir *dir, struct host_disk_list *list) {
    struct edge_error err;
    assert_int_equal(host_disks_read(dir->path, NULL, NULL, list, &err), EDGE_OK);
}

static void test_disks(void **state) {
    static struct host_disk_list list;
    put(*state, "proc/self/mounts",
        "proc /proc proc rw 0 0\n"
        "/dev/no-such-disk /disk ext4 rw 0 0\n"
        "/dev/no-such-disk / ext4 rw 0 0\n"   /* the same again */
        "/dev/other /gone xfs rw 0 0\n"       /* cannot be asked */
        "/dev/fuse /disk fuse.sshfs rw 0 0\n" /* of a process */
        "server:/share /disk nfs rw 0 0\n"    /* of a server */
        "/dev/sr0 /disk iso9660 ro 0 0\n"
        "/dev/with\\040blank /disk vfat rw 0 0\n"
        "/dev/cut /disk\n");
    read_ok(*state, &list);
    assert_int_equal(list.cnt, 2);
    assert_string_equal(list.items[0].name, "/dev/no-such-disk");
    assert_string_equal(list.items[0].file_system, "ext4");
    assert_string_equal(list.items[0].file_type, "Unknown(-1)");
    assert_true(list.items[0].total_space >= list.items[0].available_space);
    assert_true(list.items[0].total_space > 0);
    assert_string_equal(list.items[1].name, "/dev/with blank");
}

static void test_kinds_of_disks(void **state) {
    static const char *const dirs[] = {"dev",
                                       "dev/mapper",
                                       "sys",
                                       "sys/class",
                                       "sys/class/block",
                                       "sys/sda",
                                       "sys/sda/sda1",
                                       "sys/sda/queue",
                                       "sys/class/block/dm-0",
                                       "sys/class/block/dm-0/queue"};
    static struct host_disk_list list;
    const struct tmpdir *dir = *state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(dirs); i++) {
        assert_int_equal(mkdir(tmpdir_join(dir, dirs[i]), 0755), 0);
    }
    put(dir, "sys/sda/queue/rotational", "1\n");
    put(dir, "sys/class/block/dm-0/queue/rotational", "0\n");
    put(dir, "dev/dm-0", "");
    assert_int_equal(symlink("../../sda/sda1", tmpdir_join(dir, "sys/class/block/sda1")), 0);
    assert_int_equal(symlink("../dm-0", tmpdir_join(dir, "dev/mapper/data")), 0);
    put(dir, "proc/self/mounts",
        "/dev/sda1 /disk ext4 rw 0 0\n/dev/mapper/data /disk xfs rw 0 0\n");
    read_ok(dir, &list);
    assert_int_equal(list.cnt, 2);
    assert_string_equal(list.items[0].file_type, "HDD");
    assert_string_equal(list.items[1].name, "/dev/mapper/data");
    assert_string_equal(list.items[1].file_type, "SSD");
}

static void test_many_disks(void **state) {
    static char text[HOST_DISKS_MAX * 64];
    static struct host_disk_list list;
    size_t len = 0;
    for (unsigned i = 0; i < HOST_DISKS_MAX + 2; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "/dev/d%u /disk ext4 rw 0 0\n", i);
    }
    put(*state, "proc/self/mounts", text);
    read_ok(*state, &list);
    assert_int_equal(list.cnt, HOST_DISKS_MAX);
}

static void test_no_mounts(void **state) {
    static struct host_disk_list list;
    struct edge_error err;
    assert_int_equal(unlink(tmpdir_join(*state, "proc/self/mounts")), 0);
    assert_int_not_equal(host_disks_read(((struct tmpdir *)*state)->path, NULL, NULL, &list, &err),
                         EDGE_OK);
    assert_int_equal(host_disks_read("", NULL, NULL, &list, &err), EDGE_OK); /* this machine's */
}

/* --- Asking --- */

static struct {
    struct host_disks *disks;
    unsigned answers;
    size_t cnt; /* of disks, in the last answer */
} world;

static int setup_world(void **state) {
    assert_int_equal(setup(state), 0);
    memset(&world, 0, sizeof(world));
    fake_loop_init();
    assert_int_equal(host_disks_new(fake_loop(), fake_worker(), ((struct tmpdir *)*state)->path,
                                    &world.disks, NULL),
                     EDGE_OK);
    return 0;
}

static int teardown_world(void **state) {
    host_disks_free(world.disks);
    fake_loop_clear();
    return tmpdir_teardown(state);
}

static void on_answer(void *data, const struct host_disk_list *list) {
    assert_ptr_equal(data, &world);
    world.answers++;
    world.cnt = list->cnt;
}

static void ask(void) {
    unsigned before = world.answers;
    assert_int_equal(host_disks_ask(world.disks, on_answer, &world, NULL), EDGE_OK);
    assert_int_equal(world.answers, before);
}

static void test_ask(void **state) {
    ask();
    ask(); /* one look is enough for both */
    fake_loop_run();
    assert_int_equal(world.answers, 2);
    assert_int_equal(world.cnt, 1);
    assert_int_equal(fake_loop_active_timers(), 0);
    put(*state, "proc/self/mounts", "");
    ask();
    fake_loop_run();
    assert_int_equal(world.cnt, 0);
}

/* The numbers of before are told, at once from then on, until the disk answers. */
static void test_disk_hangs(void **state) {
    struct edge_error err;
    ask();
    fake_loop_run();
    put(*state, "proc/self/mounts", "");
    fake_worker_hold(true);
    for (unsigned i = 0; i < HOST_DISKS_ASKERS; i++) {
        ask();
    }
    assert_int_equal(host_disks_ask(world.disks, on_answer, &world, &err), EDGE_BUSY);
    fake_loop_advance(HOST_DISKS_WAIT_MS - 1);
    assert_int_equal(world.answers, 1);
    fake_loop_advance(1);
    assert_int_equal(world.answers, 1 + HOST_DISKS_ASKERS);
    assert_int_equal(world.cnt, 1);
    for (unsigned i = 0; i < 3; i++) {
        ask();
        fake_loop_advance(0);
        assert_int_equal(world.answers, 2 + HOST_DISKS_ASKERS + i);
    }
    ask();
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(world.answers, 5 + HOST_DISKS_ASKERS);
    assert_int_equal(world.cnt, 0);
    fake_worker_hold(true);
    ask();
    fake_loop_advance(0);
    assert_int_equal(world.answers, 5 + HOST_DISKS_ASKERS); /* there is hope again */
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(fake_loop_active_timers(), 0);
}

static void test_cannot_look(void **state) {
    struct edge_error err;
    ask();
    fake_loop_run();
    assert_int_equal(unlink(tmpdir_join(*state, "proc/self/mounts")), 0);
    ask();
    fake_loop_run();
    assert_int_equal(world.answers, 2);
    assert_int_equal(world.cnt, 1);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(host_disks_ask(world.disks, on_answer, &world, &err), EDGE_BUSY);
    fake_worker_fail(EDGE_OK);
    assert_int_equal(world.answers, 2);
}

static void test_stop(void **state) {
    struct edge_error err;
    (void)state;
    ask();
    host_disks_stop(world.disks);
    assert_int_equal(world.answers, 1);
    assert_int_equal(host_disks_ask(world.disks, on_answer, &world, &err), EDGE_CANCELED);
    fake_loop_run();
    assert_int_equal(world.answers, 1);
    host_disks_stop(NULL);
    host_disks_free(NULL);
}

static enum edge_code one_round(void *data) {
    struct host_disks *disks = NULL;
    (void)data;
    enum edge_code code = host_disks_new(fake_loop(), fake_worker(), "/none", &disks, NULL);
    if (code == EDGE_OK) {
        code = host_disks_ask(disks, on_answer, &world, NULL);
        fake_loop_run();
    }
    host_disks_free(disks);
    return code;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 3);
}

#define READ(name) cmocka_unit_test_setup_teardown(name, setup, tmpdir_teardown)
#define ASK(name)  cmocka_unit_test_setup_teardown(name, setup_world, teardown_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        READ(test_disks), READ(test_kinds_of_disks), READ(test_many_disks), READ(test_no_mounts),
        ASK(test_ask),    ASK(test_disk_hangs),      ASK(test_cannot_look), ASK(test_stop),
        ASK(test_memory),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
