/* SPDX-License-Identifier: MIT */
/*
 * The report without a daemon, of files in every condition.
 */
#include "cli/offline.h"

#include "provisioning/contact.h"
#include "provisioning/report.h"
#include "provisioning/state.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char homedir[512], folder[512];
static struct edge_config cfg;
static struct buf out;

static int setup(void **state) {
    int rc = tmpdir_setup(state);
    const struct tmpdir *dir = *state;
    memset(&cfg, 0, sizeof(cfg));
    assert_true(slice_to_array(slice_str(dir->path), homedir, sizeof(homedir)));
    assert_true(slice_to_array(slice_str(tmpdir_join(dir, "edged")), folder, sizeof(folder)));
    cfg.homedir = homedir;
    cfg.hsm_backend = CONFIG_HSM_SOFT;
    cfg.provisioning.source = CONFIG_SOURCE_DPS;
    buf_init(&out, REPORT_MAX);
    return rc;
}

static int teardown(void **state) {
    buf_clear(&out);
    return tmpdir_teardown(state);
}

static void assert_shows(const char *text) {
    if (strstr(buf_cstr(&out), text) == NULL) {
        fail_msg("'%s' is not in: %s", text, buf_cstr(&out));
    }
}

static void test_fresh_device(void **state) {
    (void)state;
    assert_int_equal(offline_report(&cfg, "no daemon", &out, NULL), EDGE_OK);
    assert_shows("\"running\":false");
    assert_shows("\"note\":\"no daemon\"");
    assert_shows("\"identity\":null");
}

static void test_saved_identity(void **state) {
    struct state s = {.has_current = true};
    struct contact c = {.not_before_wall_s = 1700000060, .why = "backoff", .last_wall_s = 1};
    (void)state;
    snprintf(s.current.hub, sizeof(s.current.hub), "h.example.net");
    snprintf(s.current.device_id, sizeof(s.current.device_id), "dev-01");
    s.current.key_generation = 3;
    s.current.since_wall_s = 1700000000;
    snprintf(c.last_error, sizeof(c.last_error), "no route");
    memset(s.inputs, 'a', STATE_INPUT_LEN - 1);
    assert_int_equal(state_save(folder, &s, NULL), EDGE_OK);
    assert_int_equal(contact_save(folder, &c, NULL), EDGE_OK);
    assert_int_equal(offline_report(&cfg, "no daemon", &out, NULL), EDGE_OK);
    assert_shows("\"hub\":\"h.example.net\",\"deviceId\":\"dev-01\",\"credential\":\"file\"");
    assert_shows("\"next\":\"2023-11-14T22:14:20Z\",\"why\":\"backoff\"");
    assert_shows("\"message\":\"no route\"");
}

static void test_damage_is_told_and_left(void **state) {
    const struct tmpdir *dir = *state;
    struct stat st;
    assert_int_equal(mkdir(folder, 0700), 0);
    tmpdir_write(dir, "edged/" STATE_FILE, "rubbish", 7, 0600);
    tmpdir_write(dir, "edged/" CONTACT_FILE, "rubbish", 7, 0600);
    assert_int_equal(offline_report(&cfg, "no daemon", &out, NULL), EDGE_OK);
    assert_shows("\"identity\":null");
    assert_shows("\"lastError\":{\"time\":null,\"message\":");
    assert_int_equal(stat(tmpdir_join(dir, "edged/" STATE_FILE), &st), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_fresh_device), T(test_saved_identity),
                                       T(test_damage_is_told_and_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
