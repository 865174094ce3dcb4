/* SPDX-License-Identifier: MIT */
#include "identity/module_crypt_master.h"

#include "base/log.h"
#include "support/alloc_fail.h"
#include "support/cloud_env.h"
#include "support/legacy_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct hsm *hsm;
    struct tmpdir *home;
    struct module_crypt_master m;
    struct edge_error err;
};

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){.hsm = fake_hsm_new(), .home = tmpdir_new()};
    *state = &f;
    return 0;
}

static int setup_legacy(void **state) {
    (void)setup(state);
    legacy_state_make(((struct fixture *)*state)->home);
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    module_crypt_keys_clear(&f->m.keys);
    tmpdir_free(f->home);
    hsm_close(f->hsm);
    return 0;
}

static enum edge_code open_again(struct fixture *f) {
    module_crypt_keys_clear(&f->m.keys);
    enum edge_code code = module_crypt_master_open(f->hsm, f->home->path, &f->m, &f->err);
    assert_true((code == EDGE_OK) == (f->m.keys.master.len == AEAD_KEY_LEN));
    return code;
}

static bool is_of_legacy(const struct secret *key) {
    for (size_t i = 0; i < key->len; i++) {
        if (key->data[i] != i) {
            return false;
        }
    }
    return key->len == AEAD_KEY_LEN;
}

static void other_master(const struct fixture *f, uint8_t byte) {
    uint8_t key[AEAD_KEY_LEN];
    memset(key, byte, sizeof(key));
    tmpdir_write(f->home, LEGACY_MASTER_PATH, key, sizeof(key), 0600);
}

static void test_new_device(void **state) {
    struct fixture *f = *state;
    struct secret first SECRET_CLEANUP = {0};
    assert_int_equal(open_again(f), EDGE_OK);
    assert_non_null(strstr(f->m.note, "new master key"));
    first = secret_take(&f->m.keys.master);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(secret_equal(&first, &f->m.keys.master));
    assert_string_equal(f->m.note, "");
    assert_int_equal(f->m.keys.former.len, 0);
    assert_int_equal(fake_hsm_record_cnt(f->hsm), 1);
}

static void test_taken_over(void **state) {
    struct fixture *f = *state;
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.master));
    assert_non_null(strstr(f->m.note, "took over"));
    /* The file is still there, as after a cut, or gone. */
    assert_int_equal(open_again(f), EDGE_OK);
    assert_string_equal(f->m.note, "");
    assert_int_equal(unlinkat(f->home->fd, LEGACY_MASTER_PATH, 0), 0);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.master));
}

/* Somebody went back to 1.1, which made a master key of its own, and came again. */
static void test_second_one(void **state) {
    struct fixture *f = *state;
    assert_int_equal(open_again(f), EDGE_OK);
    other_master(f, 0x77);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.master));
    assert_int_equal(f->m.keys.former.len, AEAD_KEY_LEN);
    assert_int_equal(f->m.keys.former.data[0], 0x77);
    assert_non_null(strstr(f->m.note, "second"));
    assert_int_equal(open_again(f), EDGE_OK);
    assert_string_equal(f->m.note, "");
    other_master(f, 0x78);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_int_equal(f->m.keys.former.data[0], 0x77);
    assert_non_null(strstr(f->m.note, "third"));
    assert_int_equal(unlinkat(f->home->fd, LEGACY_MASTER_PATH, 0), 0);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_int_equal(f->m.keys.former.data[0], 0x77);
}

/* A file that cannot be trusted holds nothing up, and counts once it has been mended. */
static void test_file_that_is_open_to_others(void **state) {
    struct fixture *f = *state;
    assert_int_equal(fchmodat(f->home->fd, LEGACY_MASTER_PATH, 0644, 0), 0);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_false(is_of_legacy(&f->m.keys.master));
    assert_non_null(strstr(f->m.note, "not taken over"));
    assert_int_equal(fchmodat(f->home->fd, LEGACY_MASTER_PATH, 0600, 0), 0);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.former));
}

static void test_locked_store(void **state) {
    struct fixture *f = *state;
    assert_int_equal(open_again(f), EDGE_OK);
    fake_hsm_lock_store(f->hsm);
    assert_int_equal(open_again(f), EDGE_HSM);
    assert_non_null(strstr(f->err.text, "opening the master key"));
    /* Given up: the file is still there. */
    assert_int_equal(hsm_store_abandon(f->hsm, NULL), EDGE_OK);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.master));
}

static char last_error[1024];

static void keep_error(void *data, enum log_level level, const char *line) {
    (void)data;
    if (level == LOG_ERROR) {
        (void)snprintf(last_error, sizeof(last_error), "%s", line);
    }
}

static void test_damaged_record(void **state) {
    struct fixture *f = *state;
    assert_int_equal(open_again(f), EDGE_OK);
    fake_hsm_damage_record(f->hsm, MODULE_CRYPT_RECORD);
    log_set_sink(keep_error, NULL);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_non_null(strstr(last_error, "that of release 1.1 takes its place"));
    assert_true(is_of_legacy(&f->m.keys.master));
    assert_non_null(strstr(f->m.note, "lost unless"));
    other_master(f, 1);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_int_equal(f->m.keys.former.len, AEAD_KEY_LEN);
    fake_hsm_damage_record(f->hsm, MODULE_CRYPT_FORMER);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_int_equal(f->m.keys.former.len, AEAD_KEY_LEN);
    assert_non_null(strstr(last_error, "The second key"));
    log_set_sink(NULL, NULL);
}

/* Told at once: when the new key cannot be written now, the next try finds nothing that was lost.
 */
static void test_loss_is_told(void **state) {
    struct fixture *f = *state;
    assert_int_equal(open_again(f), EDGE_OK);
    fake_hsm_damage_record(f->hsm, MODULE_CRYPT_RECORD);
    log_set_sink(keep_error, NULL);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_non_null(strstr(last_error, MODULE_CRYPT_RECORD));
    assert_non_null(strstr(last_error, "what modules have encrypted so far"));
    log_set_sink(NULL, NULL);
}

static void test_record_of_another_length(void **state) {
    struct fixture *f = *state;
    struct secret five SECRET_CLEANUP = {0};
    assert_int_equal(secret_copy(&five, "12345", 5, NULL), EDGE_OK);
    assert_int_equal(hsm_record_put(f->hsm, MODULE_CRYPT_RECORD, &five, NULL), EDGE_OK);
    assert_int_equal(open_again(f), EDGE_HSM);
    assert_non_null(strstr(f->err.text, "5 bytes instead of 32"));
}

/* Whichever call of the key store fails, a later look finds 1.1's key. */
static void test_failures(void **state) {
    struct fixture *f = *state;
    fake_hsm_fail(f->hsm, 1, EDGE_BUSY);
    assert_int_equal(open_again(f), EDGE_BUSY);
    assert_int_equal(open_again(f), EDGE_OK);
    assert_true(is_of_legacy(&f->m.keys.master));
}

static enum edge_code torture(void *data) {
    const struct fixture *f = data;
    struct module_crypt_master m = {0};
    enum edge_code code = module_crypt_master_open(f->hsm, f->home->path, &m, NULL);
    assert_true((code == EDGE_OK) == (m.keys.master.data != NULL));
    assert_true(code != EDGE_OK || is_of_legacy(&m.keys.master));
    module_crypt_keys_clear(&m.keys);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_second_one, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_is_open_to_others, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_locked_store, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_record, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_loss_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_of_another_length, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup_legacy, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup_legacy, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
