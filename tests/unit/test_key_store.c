/* SPDX-License-Identifier: MIT */
/*
 * The key store at start: settings reach it, and its condition reaches the log.
 */
#include "key_store.h"

#include "base/log.h"
#include "fake_loop.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct hsm_config opened;
static enum edge_code start_code;
static char lines[1024];
static const char *dir = "/nonexistent";

enum edge_code hsm_open(const struct hsm_config *cfg, struct hsm **ret, struct edge_error *err) {
    (void)err;
    opened = *cfg;
    *ret = (struct hsm *)&opened;
    return EDGE_OK;
}

enum edge_code hsm_start(struct hsm *h, struct edge_error *err) {
    assert_ptr_equal(h, &opened);
    return start_code == EDGE_OK ? EDGE_OK
                                 : edge_set(err, start_code, "add the user to group 'tss'");
}

enum edge_code hsm_root_fingerprint(struct hsm *h, uint8_t ret[HSM_FINGERPRINT_LEN],
                                    struct edge_error *err) {
    (void)h;
    (void)err;
    memset(ret, 0, HSM_FINGERPRINT_LEN);
    return EDGE_OK;
}

static struct hsm_store_info store;
static const struct edge_config plain;

enum edge_code hsm_store_get_info(struct hsm *h, struct hsm_store_info *ret,
                                  struct edge_error *err) {
    assert_ptr_equal(h, &opened);
    (void)err;
    *ret = store;
    return EDGE_OK;
}

static unsigned refreshes;

enum edge_code hsm_refresh(struct hsm *h, struct edge_error *err) {
    assert_ptr_equal(h, &opened);
    (void)err;
    refreshes++;
    return EDGE_OK;
}

enum hsm_state hsm_get_state(const struct hsm *h) {
    (void)h;
    return start_code == EDGE_OK ? HSM_STATE_READY : HSM_STATE_NO_PERMISSION;
}

const char *hsm_state_name(enum hsm_state state) {
    return state == HSM_STATE_READY ? "ready" : "no_permission";
}

static void keep(void *data, enum log_level level, const char *line) {
    size_t len = strlen(lines);
    (void)data;
    (void)level;
    (void)snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
}

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    lines[0] = '\0';
    start_code = EDGE_OK;
    store = (struct hsm_store_info){.exists = true, .open = true};
    log_set_sink(keep, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    log_set_sink(NULL, NULL);
    fake_loop_clear();
    return 0;
}

static void test_settings_reach_the_key_store(void **unused) {
    (void)unused;
    struct hsm *h = NULL;
    const struct edge_config cfg = {.hsm_backend = CONFIG_HSM_TPM,
                                    .tpm_tcti = (char *)"swtpm:port=1",
                                    .tpm_allow_emulator = true,
                                    .tpm_owner_auth_file = (char *)"/o",
                                    .tpm_endorsement_auth_file = (char *)"/e",
                                    .tpm_ek_template = CONFIG_EK_LEGACY_UNIQUE0};
    assert_int_equal(key_store_open(&cfg, "/keys", &h, NULL), EDGE_OK);
    assert_int_equal(opened.backend, HSM_BACKEND_TPM);
    assert_string_equal(opened.state_dir, "/keys");
    assert_string_equal(opened.tcti, "swtpm:port=1");
    assert_string_equal(opened.owner_auth_file, "/o");
    assert_string_equal(opened.endorsement_auth_file, "/e");
    assert_int_equal(opened.ek_template, HSM_EK_LEGACY_UNIQUE0);
    assert_true(opened.allow_emulator);
    assert_non_null(strstr(lines, "protects nothing"));
}

static void test_ready(void **unused) {
    (void)unused;
    key_store_warm_up(fake_worker(), (struct hsm *)&opened, &plain, dir);
    assert_string_equal(lines, "");
    fake_loop_run();
    assert_non_null(strstr(lines, "ready"));
}

static void test_unusable_says_why_and_how_to_mend_it(void **unused) {
    (void)unused;
    start_code = EDGE_DENIED;
    key_store_warm_up(fake_worker(), (struct hsm *)&opened, &plain, dir);
    fake_loop_run();
    assert_non_null(strstr(lines, "no_permission"));
    assert_non_null(strstr(lines, "add the user to group 'tss'"));
}

static void assert_warns(uint32_t wanted_pcrs, const char *text) {
    const struct edge_config cfg = {.tpm_pcrs = wanted_pcrs};
    lines[0] = '\0';
    key_store_warm_up(fake_worker(), (struct hsm *)&opened, &cfg, dir);
    fake_loop_run();
    assert_non_null(strstr(lines, "ready"));
    assert_int_equal(strstr(lines, "sealed store") != NULL, text != NULL);
    if (text != NULL) {
        assert_non_null(strstr(lines, text));
    }
}

static void test_sealed_store_is_not_as_configured(void **unused) {
    (void)unused;
    assert_warns(0, NULL);
    assert_warns(0x81, "not bound to these PCRs yet: run 'iotedge tpm reseal'");
    store = (struct hsm_store_info){0};
    assert_warns(0, NULL);
    assert_warns(0x81, "not bound to these PCRs yet");
    store = (struct hsm_store_info){.exists = true, .open = true, .bound = true, .pcrs = 0x81};
    assert_warns(0x81, NULL);
    assert_warns(0, "bound to other PCRs");
    assert_warns(0x80, "bound to other PCRs");
    store.open = false;
    (void)snprintf(store.text, sizeof(store.text), "run 'iotedge tpm reseal --recover'");
    assert_warns(0x81, "The sealed store is locked: run 'iotedge tpm reseal --recover'");
}

static void test_damaged_files_are_named(void **unused) {
    (void)unused;
    struct tmpdir *keys = tmpdir_new();
    dir = keys->path;
    tmpdir_write(keys, "pins.damaged-1700000000", "x", 1, 0600);
    tmpdir_write(keys, "module-root", "x", 1, 0600);
    key_store_warm_up(fake_worker(), (struct hsm *)&opened, &plain, dir);
    fake_loop_run();
    assert_non_null(strstr(lines, "pins.damaged-1700000000"));
    assert_null(strstr(lines, "module-root"));
    tmpdir_free(keys);
    dir = "/nonexistent";
}

static void test_session_is_refreshed_for_ever(void **unused) {
    (void)unused;
    struct key_store_refresh *r = NULL;
    refreshes = 0;
    assert_int_equal(
        key_store_refresh_start(fake_loop(), fake_worker(), (struct hsm *)&opened, &r, NULL),
        EDGE_OK);
    fake_loop_advance(HSM_REFRESH_MS - 1);
    assert_int_equal(refreshes, 0);
    fake_loop_advance(1);
    assert_int_equal(refreshes, 1);
    fake_worker_fail(EDGE_BUSY);
    fake_loop_advance(HSM_REFRESH_MS);
    fake_worker_fail(EDGE_OK);
    fake_loop_advance(3 * HSM_REFRESH_MS);
    assert_int_equal(refreshes, 4);
    key_store_refresh_stop(r);
}

static void test_full_queue(void **unused) {
    (void)unused;
    fake_worker_fail(EDGE_BUSY);
    key_store_warm_up(fake_worker(), (struct hsm *)&opened, &plain, dir);
    fake_worker_fail(EDGE_OK);
    assert_non_null(strstr(lines, "not warmed up"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_settings_reach_the_key_store),
        T(test_ready),
        T(test_unusable_says_why_and_how_to_mend_it),
        T(test_damaged_files_are_named),
        T(test_sealed_store_is_not_as_configured),
        T(test_session_is_refreshed_for_ever),
        T(test_full_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
