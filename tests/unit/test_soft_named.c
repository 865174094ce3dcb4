/* SPDX-License-Identifier: MIT */
/*
 * Signing keys of the soft backend through the public interface.
 */
#include "hsm/hsm.h"

#include "support/alloc_fail.h"
#include "support/signing_keys.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

static void made(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct hsm_key a, b, all[HSM_KEYS_MAX];
    struct stat st;
    size_t cnt;

    assert_int_equal(hsm_key_make(h, "owner-ca-1", &a, NULL), EDGE_OK);
    assert_int_equal(a.place, HSM_KEY_IN_FILE);
    assert_int_equal(a.type, HSM_KEY_P256);
    assert_int_equal(hsm_key_make(h, "owner-ca-1", &b, NULL), EDGE_EXISTS);
    assert_int_equal(hsm_key_make(h, "b", &b, NULL), EDGE_OK);
    signing_key_check(h, &a);
    hsm_close(h);
    h = open_in(dir);
    signing_key_check(h, &a);
    signing_key_check(h, &b);
    assert_int_equal(hsm_key_list(h, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_memory_equal(&all[0], &b, sizeof(b));
    assert_memory_equal(&all[1], &a, sizeof(a));
    assert_int_equal(fstatat(dir->fd, "key-b", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(hsm_key_drop(h, "b", NULL), EDGE_OK);
    assert_int_equal(hsm_key_get(h, "b", &b, NULL), EDGE_NOT_FOUND);
    assert_int_equal(hsm_key_make(h, "Bad Name", &b, NULL), EDGE_INVALID);
    assert_int_equal(hsm_get_state(h), HSM_STATE_READY);
    hsm_close(h);
}

static void imported(void **state) {
    static const char *const kinds[] = {"P-256", "P-384", "P-521", "RSA-2048", "RSA-2304"};
    struct hsm *h = open_in(*state);
    struct secret first = {0};
    struct hsm_key key, again;

    signing_key_make("P-256", &first);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct secret pkcs8 = {0};
        signing_key_make(kinds[i], &pkcs8);
        assert_int_equal(hsm_key_import(h, "ca", &pkcs8, &key, NULL), EDGE_OK);
        assert_true(signing_key_is_public(&key, &pkcs8));
        signing_key_check(h, &key);
        assert_int_equal(hsm_key_import(h, "ca", &pkcs8, &again, NULL), EDGE_OK);
        assert_memory_equal(&again, &key, sizeof(key));
        assert_int_equal(hsm_key_import(h, "ca", &first, &again, NULL), EDGE_EXISTS);
        assert_int_equal(hsm_key_drop(h, "ca", NULL), EDGE_OK);
        secret_clear(&pkcs8);
    }
    first.data[0] ^= 1;
    assert_int_equal(hsm_key_import(h, "ca", &first, &key, NULL), EDGE_PARSE);
    secret_clear(&first);
    assert_int_equal(hsm_key_import(h, "ca", &first, &key, NULL), EDGE_RANGE);
    hsm_close(h);
}

static void damaged(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    uint8_t digest[HSM_DIGEST_LEN] = {0}, sig[HSM_SIGNATURE_MAX];
    struct hsm_key key;
    size_t len;

    assert_int_equal(hsm_key_make(h, "ca", &key, NULL), EDGE_OK);
    tmpdir_write(dir, "key-ca", "junk", 4, 0600);
    assert_int_equal(hsm_key_sign(h, "ca", digest, sig, &len, NULL), EDGE_PARSE);
    assert_int_equal(hsm_key_sign(h, "ca", digest, sig, &len, NULL), EDGE_NOT_FOUND);
    assert_int_equal(hsm_key_make(h, "ca", &key, NULL), EDGE_OK);
    signing_key_check(h, &key);
    hsm_close(h);
}

/* The key that signed last stays open, but for no longer than its file stays what it was. */
static void kept_open(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir), *other = open_in(dir);
    uint8_t digest[HSM_DIGEST_LEN] = {0}, sig[HSM_SIGNATURE_MAX];
    struct hsm_key key, next;
    size_t len;

    assert_int_equal(hsm_key_make(h, "ca", &key, NULL), EDGE_OK);
    signing_key_check(h, &key);
    signing_key_check(h, &key);
    assert_int_equal(hsm_key_make(h, "ca-2", &next, NULL), EDGE_OK);
    signing_key_check(h, &next);
    signing_key_check(h, &key);

    assert_int_equal(hsm_key_drop(other, "ca", NULL), EDGE_OK);
    assert_int_equal(hsm_key_sign(h, "ca", digest, sig, &len, NULL), EDGE_NOT_FOUND);
    assert_int_equal(hsm_key_make(other, "ca", &next, NULL), EDGE_OK);
    signing_key_check(h, &next);
    assert_int_equal(hsm_key_drop(h, "ca", NULL), EDGE_OK);
    assert_int_equal(hsm_key_sign(h, "ca", digest, sig, &len, NULL), EDGE_NOT_FOUND);
    hsm_close(other);
    hsm_close(h);
}

static enum edge_code signing(void *data) {
    uint8_t digest[HSM_DIGEST_LEN] = {0}, sig[HSM_SIGNATURE_MAX];
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT,
                                   .state_dir = ((struct tmpdir *)data)->path};
    struct hsm *h = NULL;
    size_t len;

    enum edge_code rc = hsm_open(&cfg, &h, NULL);
    for (int i = 0; rc == EDGE_OK && i < 2; i++) {
        rc = hsm_key_sign(h, "ca", digest, sig, &len, NULL);
    }
    hsm_close(h);
    return rc;
}

static void allocations_of_signing(void **state) {
    struct hsm *h = open_in(*state);
    struct hsm_key key;

    assert_int_equal(hsm_key_make(h, "ca", &key, NULL), EDGE_OK);
    hsm_close(h);
    assert_true(alloc_fail_torture(signing, *state) > 20);
}

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    struct hsm_key key, all[HSM_KEYS_MAX];
    struct hsm *h = NULL;
    size_t cnt = 0;

    enum edge_code rc = hsm_open(&cfg, &h, NULL);
    rc = rc == EDGE_OK ? hsm_key_make(h, "ca", &key, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_key_list(h, all, &cnt, NULL) : rc;
    hsm_close(h);
    (void)unlinkat(dir->fd, "key-ca", 0);
    return rc;
}

static void allocations(void **state) {
    assert_true(alloc_fail_torture(life, *state) > 20);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(made),
        IN_DIR(imported),
        IN_DIR(damaged),
        IN_DIR(kept_open),
        IN_DIR(allocations_of_signing),
        IN_DIR(allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
