/* SPDX-License-Identifier: MIT */
/*
 * Records and the store key in files, and the checks of arguments that both backends share.
 */
#include "hsm/hsm.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct hsm *open_in(struct tmpdir *dir) {
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    struct hsm *h = NULL;

    assert_int_equal(hsm_open(&cfg, &h, NULL), EDGE_OK);
    return h;
}

static enum edge_code put(struct hsm *h, const char *name, const char *text) {
    struct secret value SECRET_CLEANUP = {0};

    assert_int_equal(secret_copy(&value, text, strlen(text), NULL), EDGE_OK);
    return hsm_record_put(h, name, &value, NULL);
}

static void check_get(struct hsm *h, const char *name, const char *text) {
    struct secret value SECRET_CLEANUP = {0};

    assert_int_equal(hsm_record_get(h, name, &value, NULL), EDGE_OK);
    assert_true(secret_equal_bytes(&value, text, strlen(text)));
}

static enum edge_code get_fails(struct hsm *h, const char *name, struct edge_error *err) {
    struct secret value = {0};

    enum edge_code rc = hsm_record_get(h, name, &value, err);
    assert_null(value.data);
    return rc;
}

static void records(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct hsm_store_info info;
    struct edge_error err;
    struct stat st;

    assert_int_equal(hsm_store_get_info(h, &info, NULL), EDGE_OK);
    assert_false(info.exists || info.open);
    assert_int_equal(get_fails(h, "a", &err), EDGE_NOT_FOUND);
    assert_int_equal(fstatat(dir->fd, "store-key", &st, 0), -1); /* asking makes none */
    assert_int_equal(put(h, "a", "one"), EDGE_OK);
    assert_int_equal(put(h, "a", "two"), EDGE_OK);
    assert_int_equal(put(h, "a-longer-name-of-thirty-two-byte", "three"), EDGE_OK);
    assert_int_equal(fstatat(dir->fd, "store-key", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    hsm_close(h);
    h = open_in(dir);
    check_get(h, "a", "two");
    check_get(h, "a-longer-name-of-thirty-two-byte", "three");
    assert_int_equal(hsm_store_get_info(h, &info, NULL), EDGE_OK);
    assert_true(info.exists && info.open && !info.bound && !info.recoverable);
    assert_non_null(strstr(info.text, "0600"));
    assert_int_equal(hsm_record_drop(h, "a", NULL), EDGE_OK);
    assert_int_equal(hsm_record_drop(h, "a", NULL), EDGE_OK);
    assert_int_equal(get_fails(h, "a", &err), EDGE_NOT_FOUND);
    hsm_close(h);
}

static void a_lost_key_is_not_replaced(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct hsm_store_info info;
    struct edge_error err;

    assert_int_equal(put(h, "a", "one"), EDGE_OK);
    hsm_close(h);
    assert_int_equal(renameat(dir->fd, "store-key", dir->fd, "kept"), 0);
    h = open_in(dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_fails(h, "a", &err), EDGE_HSM);
        assert_non_null(strstr(err.text, "--abandon"));
        assert_int_equal(put(h, "b", "two"), EDGE_HSM);
        assert_int_not_equal(hsm_get_state(h), HSM_STATE_FAILED);
        assert_int_equal(hsm_store_get_info(h, &info, NULL), EDGE_OK);
        assert_false(info.open || info.exists);
        assert_non_null(strstr(info.text, "--abandon"));
        if (i == 0) { /* neither is a damaged one */
            tmpdir_write(dir, "store-key", "junk", 4, 0600);
        }
    }
    assert_int_equal(renameat(dir->fd, "kept", dir->fd, "store-key"), 0);
    check_get(h, "a", "one");
    assert_int_equal(hsm_store_abandon(h, NULL), EDGE_OK);
    assert_int_equal(get_fails(h, "a", &err), EDGE_NOT_FOUND);
    assert_int_equal(put(h, "a", "new"), EDGE_OK);
    check_get(h, "a", "new");
    hsm_close(h);
}

static void nothing_is_bound(void **state) {
    struct hsm *h = open_in(*state);
    struct secret code = {0};
    struct hsm_reseal how = {.pcrs = 0x81, .recovery = &code};
    struct edge_error err;

    assert_int_equal(hsm_store_reseal(h, &how, &err), EDGE_INVALID); /* no code */
    assert_int_equal(secret_alloc(&code, HSM_RECOVERY_MIN, NULL), EDGE_OK);
    assert_int_equal(hsm_store_reseal(h, &how, &err), EDGE_UNSUPPORTED);
    assert_non_null(strstr(err.text, "TPM"));
    assert_int_equal(hsm_store_recover(h, &code, &err), EDGE_UNSUPPORTED);
    secret_clear(&code);
    assert_int_equal(secret_alloc(&code, HSM_RECOVERY_MAX + 1, NULL), EDGE_OK);
    assert_int_equal(hsm_store_recover(h, &code, &err), EDGE_INVALID);
    secret_clear(&code);
    hsm_close(h);
}

static void names_and_sizes(void **state) {
    static const char *const bad[] = {"",   "A",   "a/b",      "a.b",
                                      "..", "a b", "\xC3\xA4", "a-name-of-thirty-three-characters"};
    struct hsm *h = open_in(*state);
    struct secret value = {0};
    struct edge_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(put(h, bad[i], "x"), EDGE_INVALID);
        assert_int_equal(get_fails(h, bad[i], &err), EDGE_INVALID);
        assert_int_equal(hsm_record_drop(h, bad[i], NULL), EDGE_INVALID);
    }
    assert_int_equal(hsm_record_put(h, "a", &value, NULL), EDGE_RANGE);
    assert_int_equal(secret_alloc(&value, HSM_RECORD_MAX + 1, NULL), EDGE_OK);
    assert_int_equal(hsm_record_put(h, "a", &value, NULL), EDGE_RANGE);
    value.len = HSM_RECORD_MAX;
    assert_int_equal(hsm_record_put(h, "a", &value, NULL), EDGE_OK);
    value.len = HSM_RECORD_MAX + 1;
    secret_clear(&value);
    hsm_close(h);
}

static void files_of_a_tpm_are_left(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct edge_error err;
    uint8_t bytes[256] = {0};

    /* An intact file of another kind: the envelope of a store key that a TPM sealed. */
    assert_int_equal(put(h, "a", "one"), EDGE_OK);
    hsm_close(h);
    assert_int_equal(renameat(dir->fd, "record-a", dir->fd, "store-key"), 0);
    h = open_in(dir);
    assert_int_equal(put(h, "b", "two"), EDGE_HSM);
    tmpdir_write(dir, "record-b", bytes, sizeof(bytes), 0600);
    assert_int_equal(get_fails(h, "b", &err), EDGE_HSM);
    assert_non_null(strstr(err.text, "--abandon"));
    hsm_close(h);
}

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    struct secret value SECRET_CLEANUP = {0}, back SECRET_CLEANUP = {0};
    struct hsm_store_info info;
    struct hsm *h = NULL;

    enum edge_code rc = hsm_open(&cfg, &h, NULL);
    rc = rc == EDGE_OK ? secret_copy(&value, "value", 5, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_record_put(h, "a", &value, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_record_get(h, "a", &back, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_store_get_info(h, &info, NULL) : rc;
    hsm_close(h);
    (void)unlinkat(dir->fd, "record-a", 0);
    (void)unlinkat(dir->fd, "store-key", 0);
    return rc;
}

/* A failure is not damage: nothing is set aside. */
static void out_of_memory(void **state) {
    struct tmpdir *dir = *state;
    struct fs_names names = {0};

    assert_true(alloc_fail_torture(life, dir) > 10);
    assert_int_equal(fs_list(dir->fd, "", 100, &names, NULL), EDGE_OK);
    assert_int_equal(names.cnt, 0);
    fs_names_clear(&names);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(records),         IN_DIR(a_lost_key_is_not_replaced), IN_DIR(nothing_is_bound),
        IN_DIR(names_and_sizes), IN_DIR(files_of_a_tpm_are_left),    IN_DIR(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
