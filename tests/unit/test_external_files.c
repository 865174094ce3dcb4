/* SPDX-License-Identifier: MIT */
/*
 * Certificates and keys that an external provisioner sends.
 */
#include "provisioning/external_files.h"

#include "cloud/device_cert.h"
#include "support/alloc_fail.h"
#include "support/fake_hsm.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD(r) ((r).pk_path + sizeof(DEVICE_CERT_RECORD) - 1)

struct fixture {
    struct tmpdir *dir;
    struct hsm *hsm;
};

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){tmpdir_new(), fake_hsm_new()};
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    tmpdir_free(f->dir);
    hsm_close(f->hsm);
    return 0;
}

static void write_pair(const struct fixture *f, const char *cert, const char *key,
                       struct provisioning_result *ret) {
    assert_int_equal(
        external_files_write(f->dir->path, f->hsm, slice_str(cert), slice_str(key), ret, NULL),
        EDGE_OK);
    assert_memory_equal(ret->pk_path, DEVICE_CERT_RECORD, sizeof(DEVICE_CERT_RECORD) - 1);
}

static bool has_key(const struct fixture *f, const struct provisioning_result *r, const char *key) {
    struct secret have SECRET_CLEANUP = {0};
    enum edge_code code = hsm_record_get(f->hsm, RECORD(*r), &have, NULL);
    assert_true(code == EDGE_OK || code == EDGE_NOT_FOUND);
    return code == EDGE_OK && secret_equal_bytes(&have, key, strlen(key));
}

static void test_write_and_sweep(void **state) {
    const struct fixture *f = *state;
    struct state s = {.has_current = true, .has_previous = true};
    struct provisioning_result third = {0};
    write_pair(f, "cert 1", "key 1", &s.previous);
    write_pair(f, "cert 2", "key 2", &s.current);
    write_pair(f, "cert 2", "key 3", &third);
    assert_string_not_equal(s.current.cert_path, s.previous.cert_path);
    assert_string_not_equal(s.current.cert_path, third.cert_path);
    assert_true(has_key(f, &s.current, "key 2"));
    external_files_sweep(f->dir->path, f->hsm, &s);
    assert_int_equal(access(s.current.cert_path, F_OK), 0);
    assert_true(has_key(f, &s.current, "key 2"));
    assert_true(has_key(f, &s.previous, "key 1"));
    assert_int_equal(access(third.cert_path, F_OK), -1);
    assert_false(has_key(f, &third, "key 3"));
    s.has_previous = false;
    external_files_sweep(f->dir->path, f->hsm, &s);
    assert_false(has_key(f, &s.previous, "key 1"));
    assert_int_equal(fake_hsm_record_cnt(f->hsm), 1);
    external_files_sweep("/nowhere", f->hsm, &s);
}

static void test_locked_store(void **state) {
    const struct fixture *f = *state;
    struct provisioning_result r = {0};
    write_pair(f, "cert 1", "key 1", &r);
    fake_hsm_lock_store(f->hsm);
    assert_true(has_key(f, &r, "key 1")); /* a change of firmware does not take it off line */
    write_pair(f, "cert 2", "key 2", &r);
    assert_true(has_key(f, &r, "key 2"));
}

/* As an earlier version left it. */
static void old_pair(const struct fixture *f, const char *stem, const char *key,
                     struct provisioning_result *ret) {
    char name[64];
    (void)snprintf(name, sizeof(name), "external-%s.cert.pem", stem);
    tmpdir_write(f->dir, name, "cert", 4, 0600);
    (void)snprintf(ret->cert_path, sizeof(ret->cert_path), "%.180s/%s", f->dir->path, name);
    (void)snprintf(name, sizeof(name), "external-%s.key.pem", stem);
    tmpdir_write(f->dir, name, key, strlen(key), 0600);
    (void)snprintf(ret->pk_path, sizeof(ret->pk_path), "%.180s/%s", f->dir->path, name);
}

static void test_keys_in_files_are_moved(void **state) {
    const struct fixture *f = *state;
    struct state s = {.has_current = true, .has_previous = true};
    bool changed = false;
    old_pair(f, "0011223344556677", "key 1", &s.current);
    old_pair(f, "8899aabbccddeeff", "key 2", &s.previous);
    const struct state before = s;
    fake_hsm_fail(f->hsm, 1, EDGE_HSM);
    assert_int_equal(external_files_adopt(f->dir->path, f->hsm, &s, &changed, NULL), EDGE_HSM);
    assert_false(changed);
    assert_string_equal(s.current.pk_path, before.current.pk_path);
    assert_int_equal(external_files_adopt(f->dir->path, f->hsm, &s, &changed, NULL), EDGE_OK);
    assert_true(changed);
    assert_string_equal(s.current.pk_path, "record:identity-0011223344556677");
    assert_true(has_key(f, &s.current, "key 1"));
    assert_true(has_key(f, &s.previous, "key 2"));
    assert_int_equal(access(before.current.pk_path, F_OK), 0);
    external_files_sweep(f->dir->path, f->hsm, &s);
    assert_int_equal(access(before.current.pk_path, F_OK), -1);
    assert_int_equal(access(before.previous.pk_path, F_OK), -1);
    assert_int_equal(access(s.current.cert_path, F_OK), 0);
    assert_true(has_key(f, &s.current, "key 1"));
    assert_int_equal(external_files_adopt(f->dir->path, f->hsm, &s, &changed, NULL), EDGE_OK);
    assert_false(changed);
}

static void test_files_of_others_stay(void **state) {
    const struct fixture *f = *state;
    struct state s = {.has_current = true, .current = {.cert_path = "/c", .pk_path = "/k"}};
    bool changed = true;
    assert_int_equal(external_files_adopt(f->dir->path, f->hsm, &s, &changed, NULL), EDGE_OK);
    assert_false(changed);
    assert_string_equal(s.current.pk_path, "/k");
    assert_int_equal(external_files_adopt("/nowhere", f->hsm, &s, &changed, NULL), EDGE_OK);
    assert_false(changed);
    old_pair(f, "0011223344556677", "key 1", &s.current);
    assert_int_equal(chmod(s.current.pk_path, 0644), 0);
    assert_int_equal(external_files_adopt(f->dir->path, f->hsm, &s, &changed, NULL), EDGE_DENIED);
}

static void test_paths(void **unused) {
    (void)unused;
    char path[32];
    assert_int_equal(external_files_path("/a/b.pem", path, sizeof(path), NULL), EDGE_OK);
    assert_string_equal(path, "/a/b.pem");
    assert_int_equal(external_files_path("file:///a/c.pem", path, sizeof(path), NULL), EDGE_OK);
    assert_string_equal(path, "/a/c.pem");
    static const char *const bad[] = {
        "",          "a.pem",         "file://a",
        "http:///a", "file:///a%20b", "/a/path/that/is/longer/than/the/room"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(external_files_path(bad[i], path, sizeof(path), NULL), EDGE_PROTO);
    }
}

static enum edge_code write_them(void *data) {
    const struct fixture *f = data;
    struct provisioning_result r = {0};
    return external_files_write(f->dir->path, f->hsm, SLICE_LIT("cert"), SLICE_LIT("key"), &r,
                                NULL);
}

static void test_out_of_memory_anywhere(void **state) {
    assert_true(alloc_fail_torture(write_them, *state) > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_and_sweep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_in_files_are_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_of_others_stay, setup, teardown),
        cmocka_unit_test(test_paths),
        cmocka_unit_test_setup_teardown(test_out_of_memory_anywhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
