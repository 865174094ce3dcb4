/* SPDX-License-Identifier: MIT */
/*
 * Working without the daemon: one at a time, and with a clock that can be trusted.
 */
#include "cli/direct.h"

#include "base/clock.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

static char homedir[PATH_MAX];
static struct edge_config cfg;

static int setup(void **state) {
    int rc = tmpdir_setup(state);
    const struct tmpdir *dir = *state;
    memset(&cfg, 0, sizeof(cfg));
    assert_true(slice_to_array(slice_str(dir->path), homedir, sizeof(homedir)));
    cfg.homedir = homedir;
    cfg.hsm_backend = CONFIG_HSM_SOFT;
    return rc;
}

static void test_one_at_a_time(void **state) {
    struct direct d, other;
    struct edge_error err;
    struct stat st;
    (void)state;
    assert_int_equal(direct_open(&cfg, &d, &err), EDGE_OK);
    assert_non_null(d.hsm);
    assert_int_equal(stat(d.keys_dir, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    assert_int_equal(direct_open(&cfg, &other, &err), EDGE_CONFLICT);
    assert_non_null(strstr(err.text, "systemctl stop iotedge"));
    direct_close(&other);
    direct_close(&d);
    direct_close(&d);
    assert_int_equal(direct_open(&cfg, &d, &err), EDGE_OK);
    direct_close(&d);
}

static void test_long_path(void **state) {
    struct direct d;
    static char longer[1024];
    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    cfg.homedir = longer;
    assert_int_equal(direct_open(&cfg, &d, NULL), EDGE_CONFIG);
    direct_close(&d);
}

static int64_t wall_s;

static uint64_t mono_us(void *data) {
    (void)data;
    return 1000000;
}

static int64_t wall(void *data) {
    (void)data;
    return wall_s;
}

static void test_clock(void **state) {
    const struct clock_source source = {mono_us, wall, NULL};
    struct direct d;
    struct edge_error err;
    int64_t now = 0;
    (void)state;
    assert_int_equal(direct_open(&cfg, &d, &err), EDGE_OK);
    clock_set_source(&source);
    wall_s = 4000000000;
    assert_int_equal(direct_time(&d, &now, &err), EDGE_OK);
    assert_int_equal(now, 4000000000);
    wall_s = 100; /* booted without a clock */
    now = 0;
    assert_int_equal(direct_time(&d, &now, &err), EDGE_RETRY);
    assert_non_null(strstr(err.text, "clock"));
    assert_int_equal(now, 0);
    clock_set_source(NULL);
    direct_close(&d);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_one_at_a_time), T(test_long_path), T(test_clock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
