/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_files.h"

#include "base/b64.h"
#include "support/alloc_fail.h"
#include "support/legacy_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char pem[] = "-----BEGIN CERTIFICATE-----\nnot looked into\n"
                          "-----END CERTIFICATE-----\n";
/* HMAC(0x80 to 0x9f, "hub.example/devices/dev-01/" SHA-256 of the text above), computed apart. */
static const char root_hex[] = "5b1197d620c2a70a68b6f2c7c28f5555e7d5002dce2638c5b11645d013ca18d5";
static const struct takeover_backup names = {"hub.example", "dev-01"};

struct fixture {
    struct tmpdir *home;
    char cert[256];
};

static int setup(void **state) {
    static struct fixture f;
    f.home = tmpdir_new();
    legacy_state_make(f.home);
    legacy_state_backup(f.home, "hub.example", "dev-01");
    legacy_state_hybrid(f.home);
    tmpdir_write(f.home, "cert.pem", pem, strlen(pem), 0644);
    (void)snprintf(f.cert, sizeof(f.cert), "%s", tmpdir_join(f.home, "cert.pem"));
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    tmpdir_free(f->home);
    return 0;
}

static enum edge_code root_of(const struct fixture *f, struct secret *ret) {
    return takeover_files_root(f->home->path, f->cert, &names, ret, NULL);
}

static void drop(const struct fixture *f, const char *name) {
    assert_int_equal(unlinkat(f->home->fd, name, 0), 0);
}

static void test_traces(void **state) {
    struct fixture *f = *state;
    assert_true(takeover_files_exist(f->home->path));
    drop(f, LEGACY_DIGEST_PATH);
    assert_true(takeover_files_exist(f->home->path));
    drop(f, LEGACY_MASTER_PATH);
    assert_true(takeover_files_exist(f->home->path));
    drop(f, LEGACY_BACKUP_PATH);
    assert_false(takeover_files_exist(f->home->path));
    assert_int_equal(symlinkat("../cert.pem", f->home->fd, LEGACY_DIGEST_PATH), 0);
    assert_false(takeover_files_exist(f->home->path));
    assert_false(takeover_files_exist("/nowhere/at/all"));
    static char longest[5000];
    memset(longest, 'a', sizeof(longest) - 1);
    assert_false(takeover_files_exist(longest));
}

static void test_backup(void **state) {
    struct fixture *f = *state;
    struct takeover_backup b;
    struct edge_error err;
    assert_int_equal(takeover_files_backup(f->home->path, &b, NULL), EDGE_OK);
    assert_string_equal(b.hub, "hub.example");
    assert_string_equal(b.device_id, "dev-01");
    legacy_state_backup(f->home, "hub/../x", "dev-01");
    assert_int_equal(takeover_files_backup(f->home->path, &b, &err), EDGE_PARSE);
    assert_non_null(strstr(err.text, "provisioning_backup.json"));
    static char large[TAKEOVER_BACKUP_MAX + 1];
    tmpdir_write(f->home, LEGACY_BACKUP_PATH, large, sizeof(large), 0644);
    assert_int_equal(takeover_files_backup(f->home->path, &b, &err), EDGE_RANGE);
    drop(f, LEGACY_BACKUP_PATH);
    assert_int_equal(takeover_files_backup(f->home->path, &b, &err), EDGE_NOT_FOUND);
    assert_int_equal(symlinkat("../cert.pem", f->home->fd, LEGACY_BACKUP_PATH), 0);
    assert_int_not_equal(takeover_files_backup(f->home->path, &b, &err), EDGE_OK);
    drop(f, LEGACY_BACKUP_PATH);
    assert_int_equal(mkfifoat(f->home->fd, LEGACY_BACKUP_PATH, 0600), 0);
    assert_int_equal(takeover_files_backup(f->home->path, &b, &err), EDGE_INVALID);
}

static void test_root_vector(void **state) {
    struct fixture *f = *state;
    struct secret root SECRET_CLEANUP = {0};
    struct buf hex;
    buf_init(&hex, 128);
    assert_int_equal(root_of(f, &root), EDGE_OK);
    assert_int_equal(hex_encode(root.data, root.len, &hex, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&hex), root_hex);
    buf_clear(&hex);
}

/* The text counts: another line end is another root. */
static void test_root_depends_on_the_text(void **state) {
    struct fixture *f = *state;
    struct secret a SECRET_CLEANUP = {0};
    struct secret b SECRET_CLEANUP = {0};
    assert_int_equal(root_of(f, &a), EDGE_OK);
    tmpdir_write(f->home, "cert.pem", pem, strlen(pem) - 1, 0644);
    assert_int_equal(root_of(f, &b), EDGE_OK);
    assert_false(secret_equal(&a, &b));
}

static void test_files_that_are_missing(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {LEGACY_HYBRID_PATH, LEGACY_IV_PATH, LEGACY_MASTER_PATH,
                                        "cert.pem"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(files); i++) {
        struct secret root = {0};
        assert_int_equal(renameat(f->home->fd, files[i], f->home->fd, "away"), 0);
        assert_int_equal(root_of(f, &root), EDGE_NOT_FOUND);
        assert_int_equal(symlinkat(tmpdir_join(f->home, "away"), f->home->fd, files[i]), 0);
        /* Only the operator's own path may be a link. */
        assert_int_equal(root_of(f, &root) == EDGE_OK, i == 3);
        secret_clear(&root);
        drop(f, files[i]);
        assert_int_equal(renameat(f->home->fd, "away", f->home->fd, files[i]), 0);
    }
}

static void test_files_that_are_damaged(void **state) {
    struct fixture *f = *state;
    static const char bytes[LEGACY_HYBRID_LEN + 1] = {1};
    struct secret root = {0};
    tmpdir_write(f->home, LEGACY_HYBRID_PATH, bytes, LEGACY_HYBRID_LEN, 0644);
    assert_int_equal(root_of(f, &root), EDGE_DENIED);
    tmpdir_write(f->home, LEGACY_HYBRID_PATH, bytes, LEGACY_HYBRID_LEN - 1, 0644);
    assert_int_equal(root_of(f, &root), EDGE_PARSE);
    tmpdir_write(f->home, LEGACY_HYBRID_PATH, bytes, LEGACY_HYBRID_LEN + 1, 0644);
    assert_int_equal(root_of(f, &root), EDGE_RANGE);
    tmpdir_write(f->home, LEGACY_HYBRID_PATH, bytes + 1, LEGACY_HYBRID_LEN, 0644);
    assert_int_equal(root_of(f, &root), EDGE_PARSE);
    assert_null(root.data);
}

static void test_master_key_open_to_others(void **state) {
    struct fixture *f = *state;
    struct secret root = {0};
    assert_int_equal(fchmodat(f->home->fd, LEGACY_MASTER_PATH, 0644, 0), 0);
    assert_int_equal(root_of(f, &root), EDGE_DENIED);
}

static enum edge_code torture(void *data) {
    struct secret root = {0};
    struct takeover_backup b;
    const struct fixture *f = data;
    enum edge_code code = takeover_files_backup(f->home->path, &b, NULL);
    if (code == EDGE_OK) {
        code = root_of(f, &root);
        assert_true((code == EDGE_OK) == (root.data != NULL));
    }
    secret_clear(&root);
    return code;
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_traces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_vector, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_depends_on_the_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_are_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_are_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_master_key_open_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
