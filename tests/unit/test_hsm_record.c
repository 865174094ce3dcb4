/* SPDX-License-Identifier: MIT */
/*
 * Records as bytes and as files.
 */
#include "record.h"

#include "store.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void make(struct secret *s, size_t len, uint8_t first_byte) {
    assert_int_equal(secret_alloc(s, len, NULL), EDGE_OK);
    for (size_t i = 0; i < len; i++) {
        s->data[i] = (uint8_t)(first_byte + i);
    }
}

static void there_and_back(void **state) {
    static const size_t lengths[] = {1, 16, 32, 1000, HSM_RECORD_MAX};
    struct secret key = {0}, value = {0}, back = {0};
    struct buf bytes;

    (void)state;
    make(&key, STORE_KEY_LEN, 1);
    buf_init(&bytes, STORE_PAYLOAD_MAX);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        make(&value, lengths[i], 7);
        buf_reset(&bytes);
        assert_int_equal(record_encode(&key, "record-a", &value, &bytes, NULL), EDGE_OK);
        assert_int_equal(record_decode(&key, "record-a", buf_slice(&bytes), &back, NULL), EDGE_OK);
        assert_true(secret_equal(&value, &back));
        assert_true(lengths[i] < 16 ||
                    memmem(bytes.data, bytes.len, value.data, lengths[i]) == NULL);
        secret_clear(&value);
        secret_clear(&back);
    }
    make(&value, HSM_RECORD_MAX + 1, 0);
    assert_int_equal(record_encode(&key, "record-a", &value, &bytes, NULL), EDGE_RANGE);
    secret_clear(&value);
    assert_int_equal(record_encode(&key, "record-a", &value, &bytes, NULL), EDGE_RANGE);
    secret_clear(&key);
    buf_clear(&bytes);
}

static void changes_are_noticed(void **state) {
    struct secret key = {0}, other = {0}, value = {0}, back = {0};
    struct buf bytes, again;

    (void)state;
    make(&key, STORE_KEY_LEN, 1);
    make(&other, STORE_KEY_LEN, 2);
    make(&value, 40, 7);
    buf_init(&bytes, STORE_PAYLOAD_MAX);
    buf_init(&again, STORE_PAYLOAD_MAX);
    assert_int_equal(record_encode(&key, "record-a", &value, &bytes, NULL), EDGE_OK);
    assert_int_equal(record_encode(&key, "record-a", &value, &again, NULL), EDGE_OK);
    assert_false(slice_eq(buf_slice(&bytes), buf_slice(&again)));
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x10;
        assert_int_equal(record_decode(&key, "record-a", buf_slice(&bytes), &back, NULL),
                         EDGE_PARSE);
        bytes.data[i] ^= 0x10;
        assert_int_equal(record_decode(&key, "record-a", slice_make(bytes.data, i), &back, NULL),
                         EDGE_PARSE);
    }
    assert_int_equal(record_decode(&key, "record-b", buf_slice(&bytes), &back, NULL), EDGE_PARSE);
    assert_int_equal(record_decode(&other, "record-a", buf_slice(&bytes), &back, NULL), EDGE_PARSE);
    assert_null(back.data);
    secret_clear(&key);
    secret_clear(&other);
    secret_clear(&value);
    buf_clear(&bytes);
    buf_clear(&again);
}

static void files(void **state) {
    struct tmpdir *dir = *state;
    struct secret key = {0}, value = {0}, back = {0};
    struct edge_error err;
    char file[RECORD_FILE_MAX];
    bool any = true;

    make(&key, STORE_KEY_LEN, 1);
    make(&value, 20, 7);
    record_file("a", file);
    assert_string_equal(file, "record-a");
    assert_false(record_exists(dir->fd, file));
    assert_int_equal(record_any(dir->fd, true, &any, NULL), EDGE_OK);
    assert_false(any);
    assert_int_equal(record_read(dir->fd, &key, file, &back, NULL), EDGE_NOT_FOUND);
    assert_int_equal(record_write(dir->fd, &key, file, &value, NULL), EDGE_OK);
    assert_true(record_exists(dir->fd, file));
    assert_int_equal(record_read(dir->fd, &key, file, &back, NULL), EDGE_OK);
    assert_true(secret_equal(&value, &back));
    secret_clear(&back);
    key.data[0] ^= 1; /* another store key */
    assert_int_equal(record_read(dir->fd, &key, file, &back, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "record-a.damaged-"));
    assert_int_equal(record_any(dir->fd, true, &any, NULL), EDGE_OK);
    assert_false(any);
    tmpdir_write(dir, "key-b", "x", 1, 0600);
    assert_int_equal(record_any(dir->fd, false, &any, NULL), EDGE_OK);
    assert_false(any);
    assert_int_equal(record_any(dir->fd, true, &any, NULL), EDGE_OK);
    assert_true(any);
    tmpdir_write(dir, "store-key", "x", 1, 0600);
    assert_int_equal(record_set_all_aside(dir->fd, "abandoned", NULL), EDGE_OK);
    assert_false(record_exists(dir->fd, "key-b"));
    assert_false(record_exists(dir->fd, "store-key"));
    assert_int_equal(record_set_all_aside(dir->fd, "abandoned", NULL), EDGE_OK);
    secret_clear(&key);
    secret_clear(&value);
}

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    struct secret key SECRET_CLEANUP = {0}, back SECRET_CLEANUP = {0};
    bool any;

    enum edge_code rc = secret_copy(&key, "0123456789abcdef0123456789abcdef", 32, NULL);
    rc = rc == EDGE_OK ? record_write(dir->fd, &key, "record-a", &key, NULL) : rc;
    rc = rc == EDGE_OK ? record_read(dir->fd, &key, "record-a", &back, NULL) : rc;
    rc = rc == EDGE_OK ? record_any(dir->fd, true, &any, NULL) : rc;
    (void)unlinkat(dir->fd, "record-a", 0);
    return rc;
}

/* A failure is not damage: nothing is set aside. */
static void out_of_memory(void **state) {
    struct tmpdir *dir = *state;
    struct fs_names names = {0};

    assert_true(alloc_fail_torture(life, dir) > 5);
    assert_int_equal(fs_list(dir->fd, "", 100, &names, NULL), EDGE_OK);
    assert_int_equal(names.cnt, 0);
    fs_names_clear(&names);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(changes_are_noticed),
        IN_DIR(files),
        IN_DIR(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
