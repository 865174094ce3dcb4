/* SPDX-License-Identifier: MIT */
/*
 * Numbers of a machine made of files, and of the one that runs the test.
 */
#include "api/host_usage.h"

#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMINFO "MemTotal:        1000 kB\nMemFree:  10 kB\nMemAvailable:     400 kB\n"
#define STAT    "cpu  100 0 100 700 50 25 25 0 0 0\ncpu0 1 2 3\n"

static void put(const struct tmpdir *dir, const char *name, const char *text) {
    tmpdir_write(dir, name, text, strlen(text), 0644);
}

static int setup(void **state) {
    static const char *const dirs[] = {"proc", "proc/self", "disk"};
    assert_int_equal(tmpdir_setup(state), 0);
    const struct tmpdir *dir = *state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mkdir(tmpdir_join(dir, dirs[i]), 0755), 0);
    }
    put(dir, "proc/meminfo", MEMINFO);
    put(dir, "proc/stat", STAT);
    put(dir, "proc/self/mounts", "");
    return 0;
}

static void read_ok(const struct tmpdir *dir, struct host_usage *u) {
    struct edge_error err;
    assert_int_equal(host_usage_read(dir->path, u, &err), EDGE_OK);
}

static void test_memory_and_cpu(void **state) {
    struct host_usage u = {0};
    read_ok(*state, &u);
    assert_int_equal(u.total_ram, 1000 * 1024);
    assert_int_equal(u.used_ram, 600 * 1024);
    assert_int_equal(u.cpu.total, 1000);
    assert_int_equal(u.cpu.busy, 250);
    assert_int_equal(u.cpu.used_percent, 25); /* since boot */
    assert_true(u.uptime_s > 0);
    assert_int_equal(u.disk_cnt, 0);
}

static void test_cpu_since_last_look(void **state) {
    struct host_usage u = {0};
    read_ok(*state, &u);
    put(*state, "proc/stat", "cpu  104 0 101 700 50 25 25 0 0 0\n");
    read_ok(*state, &u); /* too soon */
    assert_int_equal(u.cpu.total, 1000);
    assert_int_equal(u.cpu.used_percent, 25);
    put(*state, "proc/stat", "cpu  160 0 100 740 50 25 25 0 0 0\n");
    read_ok(*state, &u);
    assert_int_equal(u.cpu.total, 1100);
    assert_int_equal(u.cpu.used_percent, 60);
    put(*state, "proc/stat", STAT); /* goes back */
    read_ok(*state, &u);
    assert_int_equal(u.cpu.total, 1000);
    assert_int_equal(u.cpu.used_percent, 60);
}

static void test_disks(void **state) {
    struct host_usage u = {0};
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
    read_ok(*state, &u);
    assert_int_equal(u.disk_cnt, 2);
    assert_string_equal(u.disks[0].name, "/dev/no-such-disk");
    assert_string_equal(u.disks[0].file_system, "ext4");
    assert_string_equal(u.disks[0].file_type, "Unknown(-1)");
    assert_true(u.disks[0].total_space >= u.disks[0].available_space);
    assert_true(u.disks[0].total_space > 0);
    assert_string_equal(u.disks[1].name, "/dev/with blank");
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
    struct host_usage u = {0};
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
    read_ok(dir, &u);
    assert_int_equal(u.disk_cnt, 2);
    assert_string_equal(u.disks[0].file_type, "HDD");
    assert_string_equal(u.disks[1].name, "/dev/mapper/data");
    assert_string_equal(u.disks[1].file_type, "SSD");
}

static void test_many_disks(void **state) {
    static char text[HOST_DISKS_MAX * 64];
    struct host_usage u = {0};
    size_t len = 0;
    for (unsigned i = 0; i < HOST_DISKS_MAX + 2; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "/dev/d%u /disk ext4 rw 0 0\n", i);
    }
    put(*state, "proc/self/mounts", text);
    read_ok(*state, &u);
    assert_int_equal(u.disk_cnt, HOST_DISKS_MAX);
}

/* Whatever is missing or odd: an error, and the last look is kept. */
static void test_bad_files(void **state) {
    static const struct {
        const char *name, *text, *good;
    } rows[] = {
        {"proc/meminfo", "", MEMINFO},
        {"proc/meminfo", "MemTotal: 1000 kB\n", MEMINFO},
        {"proc/meminfo", "MemTotal: 1000 MB\nMemAvailable: 1 kB\n", MEMINFO},
        {"proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n", MEMINFO},
        {"proc/stat", "", STAT},
        {"proc/stat", "cpu  1 2 3\n", STAT},
        {"proc/stat", "cpu  1 2 3 x 5 6 7 8 9\n", STAT},
        {"proc/stat", "cpu  1 2 3 18446744073709551615 5 6 7 8 9\n", STAT},
        {"proc/stat", "cpu0 1 2 3 4 5 6 7 8 9\n", STAT},
    };
    struct edge_error err;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        struct host_usage u = {.cpu = {1, 2, 3}};
        put(*state, rows[i].name, rows[i].text);
        assert_int_equal(host_usage_read(((struct tmpdir *)*state)->path, &u, &err), EDGE_IO);
        assert_int_equal(u.cpu.used_percent, 3);
        put(*state, rows[i].name, rows[i].good);
    }
    struct host_usage u = {0};
    assert_int_equal(remove(tmpdir_join(*state, "proc/self/mounts")), 0);
    assert_int_not_equal(host_usage_read(((struct tmpdir *)*state)->path, &u, &err), EDGE_OK);
}

static void test_more_available_than_there_is(void **state) {
    struct host_usage u = {0};
    put(*state, "proc/meminfo", "MemTotal: 10 kB\nMemAvailable: 11 kB\n");
    read_ok(*state, &u);
    assert_int_equal(u.used_ram, 0);
}

static void test_this_machine(void **state) {
    struct host_usage u = {0};
    struct edge_error err;
    (void)state;
    assert_int_equal(host_usage_read("", &u, &err), EDGE_OK);
    assert_true(u.total_ram > u.used_ram && u.used_ram > 0);
    assert_true(u.cpu.used_percent <= 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_memory_and_cpu),
        T(test_cpu_since_last_look),
        T(test_disks),
        T(test_kinds_of_disks),
        T(test_many_disks),
        T(test_bad_files),
        T(test_more_available_than_there_is),
        T(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
