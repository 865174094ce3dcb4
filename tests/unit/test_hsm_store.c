/* SPDX-License-Identifier: MIT */
/*
 * Envelopes and generation-numbered identity files.
 */
#include "store.h"

#include "support/alloc_fail.h"
#include "support/fake_clock.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

static void envelope(void **state) {
    struct buf file;
    struct slice payload;

    (void)state;
    buf_init(&file, STORE_FILE_MAX);
    assert_int_equal(store_encode(STORE_PINS, SLICE_LIT("payload"), &file, NULL), EDGE_OK);
    assert_int_equal(store_decode(buf_slice(&file), STORE_PINS, &payload, NULL), EDGE_OK);
    assert_true(slice_eq_str(payload, "payload"));
    assert_int_equal(store_decode(buf_slice(&file), STORE_TPM_ROOT, &payload, NULL), EDGE_CONFLICT);
    for (size_t i = 0; i < file.len; i++) { /* any changed byte is damage */
        file.data[i] ^= 0x01;
        assert_int_equal(store_decode(buf_slice(&file), STORE_PINS, &payload, NULL), EDGE_PARSE);
        file.data[i] ^= 0x01;
        assert_int_equal(store_decode(slice_make(file.data, i), STORE_PINS, &payload, NULL),
                         EDGE_PARSE);
    }
    buf_reset(&file);
    assert_int_equal(store_encode(STORE_PINS, (struct slice){NULL, 0}, &file, NULL), EDGE_OK);
    assert_int_equal(store_decode(buf_slice(&file), STORE_PINS, &payload, NULL), EDGE_OK);
    assert_int_equal(payload.len, 0);
    static char big[STORE_PAYLOAD_MAX + 1];
    assert_int_equal(store_encode(STORE_PINS, slice_make(big, sizeof(big)), &file, NULL),
                     EDGE_RANGE);
    buf_clear(&file);
}

static void damaged_file_is_named(void **state) {
    struct tmpdir *dir = *state;
    struct buf file;
    struct slice payload;
    struct edge_error err;

    buf_init(&file, STORE_FILE_MAX);
    tmpdir_write(dir, "key", "EDGEKEY\nbut no more", 19, 0600);
    assert_int_equal(store_read(dir->fd, "key", STORE_PINS, &file, &payload, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "key.damaged-"));
    assert_int_equal(store_read(dir->fd, "key", STORE_PINS, &file, &payload, &err), EDGE_NOT_FOUND);
    static char big[STORE_FILE_MAX + 1];
    tmpdir_write(dir, "key", big, sizeof(big), 0600);
    assert_int_equal(store_read(dir->fd, "key", STORE_PINS, &file, &payload, &err), EDGE_PARSE);
    /* Intact, but not ours to read: left where it is. */
    assert_int_equal(store_write(dir->fd, "key", STORE_SOFT_ROOT, SLICE_LIT("x"), NULL), EDGE_OK);
    assert_int_equal(store_read(dir->fd, "key", STORE_PINS, &file, &payload, &err), EDGE_CONFLICT);
    assert_int_equal(faccessat(dir->fd, "key", F_OK, 0), 0);
    buf_clear(&file);
}

static void add(struct tmpdir *dir, enum store_kind kind, uint64_t *ret) {
    assert_int_equal(store_identity_reserve(dir->fd, ret, NULL), EDGE_OK);
    assert_int_equal(
        store_identity_write(dir->fd, kind, *ret, SLICE_LIT("label"), SLICE_LIT("key"), NULL),
        EDGE_OK);
}

static void both_backends_in_one_directory(void **state) {
    struct tmpdir *dir = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    uint64_t one, two;
    size_t cnt;
    struct buf file;
    struct slice label, key;

    buf_init(&file, STORE_FILE_MAX);
    add(dir, STORE_TPM_IDENTITY, &one);
    add(dir, STORE_SOFT_IDENTITY, &two);
    assert_int_equal(two, one + 1);
    assert_int_equal(store_identity_list(dir->fd, STORE_SOFT_IDENTITY, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 1);
    assert_int_equal(all[0].generation, two);
    assert_int_equal(
        store_identity_read(dir->fd, STORE_SOFT_IDENTITY, two, &file, &label, &key, NULL), EDGE_OK);
    assert_true(slice_eq_str(label, "label") && slice_eq_str(key, "key"));
    assert_int_equal(store_identity_list(dir->fd, STORE_TPM_IDENTITY, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 1);
    buf_clear(&file);
}

static void numbers_survive_everything(void **state) {
    struct tmpdir *dir = *state;
    uint64_t n, last = 0;

    fake_clock_install(1700000000);
    for (int i = 0; i < 30; i++) {
        add(dir, STORE_TPM_IDENTITY, &n);
        assert_true(n > last);
        last = n;
        assert_int_equal(store_identity_drop(dir->fd, n, NULL), EDGE_OK);
        if (i == 20) {
            tmpdir_write(dir, "generation", "x", 1, 0600);
        }
    }
    assert_true(last > 1700000000);
    fake_clock_remove();
}

static void odd_names_are_ignored(void **state) {
    struct tmpdir *dir = *state;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    size_t cnt = 9;
    uint64_t n;

    tmpdir_write(dir, "identity-", "x", 1, 0600);
    tmpdir_write(dir, "identity-abc", "x", 1, 0600);
    tmpdir_write(dir, "identity-0", "x", 1, 0600);
    tmpdir_write(dir, "identity-99999999999999999999", "x", 1, 0600);
    assert_int_equal(store_identity_list(dir->fd, STORE_TPM_IDENTITY, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 0);
    add(dir, STORE_TPM_IDENTITY, &n);
    assert_int_equal(n, 1);
}

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    struct hsm_identity all[HSM_IDENTITY_MAX];
    struct buf file EDGE_CLEANUP(buf_clear);
    struct slice label, key;
    uint64_t n = 0;
    size_t cnt;

    buf_init(&file, STORE_FILE_MAX);
    enum edge_code rc = store_identity_reserve(dir->fd, &n, NULL);
    if (rc == EDGE_OK) {
        rc = store_identity_write(dir->fd, STORE_TPM_IDENTITY, n, SLICE_LIT("l"), SLICE_LIT("k"),
                                  NULL);
    }
    if (rc == EDGE_OK) {
        rc = store_identity_list(dir->fd, STORE_TPM_IDENTITY, all, &cnt, NULL);
    }
    if (rc == EDGE_OK) {
        rc = store_identity_read(dir->fd, STORE_TPM_IDENTITY, n, &file, &label, &key, NULL);
    }
    if (n != 0) {
        for (int tries = 0; store_identity_drop(dir->fd, n, NULL) != EDGE_OK; tries++) {
            assert_true(tries < 3);
        }
    }
    return rc;
}

static void out_of_memory(void **state) {
    assert_true(alloc_fail_torture(life, *state) > 10);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelope),
        IN_DIR(damaged_file_is_named),
        IN_DIR(both_backends_in_one_directory),
        IN_DIR(numbers_survive_everything),
        IN_DIR(odd_names_are_ignored),
        IN_DIR(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
