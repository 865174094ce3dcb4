/* SPDX-License-Identifier: MIT */
/*
 * Files of signing keys.
 */
#include "store_named.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct hsm_key key_of(const char *name, enum hsm_key_place place) {
    struct hsm_key key = {.type = HSM_KEY_RSA, .bits = 2048, .place = place, .spki_len = 7};

    (void)snprintf(key.name, sizeof(key.name), "%s", name);
    memcpy(key.spki, "public!", 7);
    return key;
}

static void write_key(struct tmpdir *dir, const char *name, enum hsm_key_place place) {
    struct hsm_key key = key_of(name, place);

    assert_int_equal(store_named_write(dir->fd, &key, SLICE_LIT("private"), NULL), EDGE_OK);
}

static int aside(struct tmpdir *dir, const char *name) {
    char start[STORE_NAMED_FILE_MAX];
    DIR *d = opendir(dir->path);
    struct dirent *e;
    int cnt = 0;

    assert_non_null(d);
    store_named_file(name, start);
    while ((e = readdir(d)) != NULL) {
        cnt += strncmp(e->d_name, start, strlen(start)) == 0 && e->d_name[strlen(start)] == '.';
    }
    (void)closedir(d);
    return cnt;
}

static void there_and_back(void **state) {
    static const enum hsm_key_place places[] = {HSM_KEY_IN_TPM, HSM_KEY_SEALED, HSM_KEY_IN_FILE};
    struct tmpdir *dir = *state;
    struct buf file;
    struct hsm_key got;
    struct slice body;
    struct stat st;

    buf_init_sensitive(&file, STORE_FILE_MAX);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(places); i++) {
        const struct hsm_key want = key_of("ca", places[i]);
        const enum hsm_key_place backend =
            places[i] == HSM_KEY_IN_FILE ? HSM_KEY_IN_FILE : HSM_KEY_IN_TPM;
        write_key(dir, "ca", places[i]);
        assert_int_equal(store_named_read(dir->fd, backend, "ca", &file, &got, &body, NULL),
                         EDGE_OK);
        assert_memory_equal(&got, &want, sizeof(got));
        assert_true(slice_eq_str(body, "private"));
        assert_int_equal(fstatat(dir->fd, "key-ca", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    /* The last one is of the soft backend: the TPM backend has none. */
    assert_int_equal(store_named_get(dir->fd, HSM_KEY_IN_TPM, "ca", &got, NULL), EDGE_NOT_FOUND);
    assert_int_equal(aside(dir, "ca"), 0);
    assert_int_equal(store_named_drop(dir->fd, "ca", NULL), EDGE_OK);
    assert_int_equal(store_named_drop(dir->fd, "ca", NULL), EDGE_OK);
    assert_int_equal(store_named_get(dir->fd, HSM_KEY_IN_FILE, "ca", &got, NULL), EDGE_NOT_FOUND);
    buf_clear(&file);
}

static void lists(void **state) {
    struct tmpdir *dir = *state;
    struct hsm_key all[HSM_KEYS_MAX];
    size_t cnt = 0;

    write_key(dir, "b", HSM_KEY_IN_TPM);
    write_key(dir, "c", HSM_KEY_IN_FILE);
    write_key(dir, "a", HSM_KEY_SEALED);
    tmpdir_write(dir, "key-damaged", "junk", 4, 0600);
    tmpdir_write(dir, "key-UPPER", "junk", 4, 0600);
    tmpdir_write(dir, "key-", "junk", 4, 0600);
    assert_int_equal(store_named_list(dir->fd, HSM_KEY_IN_TPM, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_string_equal(all[0].name, "a");
    assert_string_equal(all[1].name, "b");
    assert_int_equal(aside(dir, "damaged"), 1);
    assert_int_equal(store_named_list(dir->fd, HSM_KEY_IN_FILE, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 1);
    assert_string_equal(all[0].name, "c");
}

static void room(void **state) {
    struct tmpdir *dir = *state;
    struct hsm_key old;
    char name[16];

    assert_int_equal(store_named_room(dir->fd, HSM_KEY_IN_TPM, "a", &old, NULL), EDGE_OK);
    write_key(dir, "a", HSM_KEY_SEALED);
    assert_int_equal(store_named_room(dir->fd, HSM_KEY_IN_TPM, "a", &old, NULL), EDGE_EXISTS);
    assert_string_equal(old.name, "a");
    assert_int_equal(store_named_room(dir->fd, HSM_KEY_IN_FILE, "a", &old, NULL), EDGE_OK);
    assert_int_equal(aside(dir, "a"), 1); /* of the other backend: kept, out of the way */
    tmpdir_write(dir, "key-x", "junk", 4, 0600);
    assert_int_equal(store_named_room(dir->fd, HSM_KEY_IN_TPM, "x", &old, NULL), EDGE_OK);
    assert_int_equal(aside(dir, "x"), 1);
    for (int i = 0; i < HSM_KEYS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n-%d", i);
        write_key(dir, name, HSM_KEY_IN_TPM);
    }
    assert_int_equal(store_named_room(dir->fd, HSM_KEY_IN_TPM, "a", &old, NULL), EDGE_RANGE);
}

/* Whole envelopes with contents that are none. */
static void broken_payloads(void **state) {
    static const struct {
        const char *text;
        size_t len;
    } payloads[] = {
        {"", 0},
        {"\x02", 1},
        {"\x02"
         "ca",
         3},
        {"\x02"
         "ca\x00\x01\x00\x00\x00",
         8}, /* no public key */
        {"\x02"
         "ca\x00\x01\x00\x00\x01p",
         9}, /* nothing behind it */
        {"\x02"
         "ca\x09\x01\x00\x00\x01pb",
         10}, /* type */
        {"\x02"
         "ca\x00\x01\x00\x02\x81pb",
         10}, /* longer than a public key */
        {"\x02"
         "cb\x00\x01\x00\x00\x01pb",
         10}, /* another name */
        {"\x01"
         "c\x00\x01\x00\x00\x01pb-",
         10}, /* another name */
    };
    struct tmpdir *dir = *state;
    struct edge_error err = {0};
    struct hsm_key got;

    for (size_t i = 0; i < EDGE_ARRAY_LEN(payloads); i++) {
        assert_int_equal(store_write(dir->fd, "key-ca", STORE_TPM_NAMED,
                                     slice_make(payloads[i].text, payloads[i].len), NULL),
                         EDGE_OK);
        assert_int_equal(store_named_get(dir->fd, HSM_KEY_IN_TPM, "ca", &got, &err), EDGE_PARSE);
        assert_non_null(strstr(err.text, "key-ca.damaged-"));
        assert_int_equal(store_named_get(dir->fd, HSM_KEY_IN_TPM, "ca", &got, NULL),
                         EDGE_NOT_FOUND);
    }
    assert_int_equal(store_named_lost(dir->fd, "none", "why", NULL), EDGE_NOT_FOUND);
}

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    const struct hsm_key key = key_of("ca", HSM_KEY_SEALED);
    struct hsm_key all[HSM_KEYS_MAX], old;
    size_t cnt;

    enum edge_code rc = store_named_room(dir->fd, HSM_KEY_IN_TPM, "ca", &old, NULL);
    if (rc == EDGE_OK) {
        rc = store_named_write(dir->fd, &key, SLICE_LIT("private"), NULL);
    }
    if (rc == EDGE_OK) {
        rc = store_named_list(dir->fd, HSM_KEY_IN_TPM, all, &cnt, NULL);
    }
    if (rc == EDGE_OK) {
        rc = store_named_get(dir->fd, HSM_KEY_IN_TPM, "ca", &old, NULL);
    }
    assert_int_equal(aside(dir, "ca"), 0); /* a shortage of memory is no damage */
    (void)unlinkat(dir->fd, "key-ca", 0);
    return rc;
}

static void allocations(void **state) {
    assert_true(alloc_fail_torture(life, *state) > 5);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(there_and_back),  IN_DIR(lists),       IN_DIR(room),
        IN_DIR(broken_payloads), IN_DIR(allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
