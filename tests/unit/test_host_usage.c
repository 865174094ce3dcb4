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

#include <string.h>
#include <sys/stat.h>

#define MEMINFO "MemTotal:        1000 kB\nMemFree:  10 kB\nMemAvailable:     400 kB\n"
#define STAT    "cpu  100 0 100 700 50 25 25 0 0 0\ncpu0 1 2 3\n"

static void put(const struct tmpdir *dir, const char *name, const char *text) {
    tmpdir_write(dir, name, text, strlen(text), 0644);
}

static int setup(void **state) {
    assert_int_equal(tmpdir_setup(state), 0);
    const struct tmpdir *dir = *state;
    assert_int_equal(mkdir(tmpdir_join(dir, "proc"), 0755), 0);
    put(dir, "proc/meminfo", MEMINFO);
    put(dir, "proc/stat", STAT);
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
        T(test_memory_and_cpu), T(test_cpu_since_last_look),
        T(test_bad_files),      T(test_more_available_than_there_is),
        T(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
