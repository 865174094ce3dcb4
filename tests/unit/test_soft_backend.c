/* SPDX-License-Identifier: MIT */
/*
 * The key store in files through its public interface: the same promises as with a TPM, but for
 * attestation.
 */
#include "hsm/hsm.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hsm *open_in(struct tmpdir *dir) {
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    struct hsm *h = NULL;

    assert_int_equal(hsm_open(&cfg, &h, NULL), EDGE_OK);
    assert_int_equal(hsm_start(h, NULL), EDGE_OK);
    return h;
}

static uint64_t import_key(struct hsm *h, const char *text, const char *label) {
    struct secret key = {0};
    uint64_t generation = 0;

    assert_int_equal(secret_copy(&key, text, strlen(text), NULL), EDGE_OK);
    assert_int_equal(hsm_identity_import_key(h, &key, slice_str(label), &generation, NULL),
                     EDGE_OK);
    secret_clear(&key);
    return generation;
}

static void check_sign(struct hsm *h, uint64_t generation, const char *key) {
    static uint8_t data[5500];
    uint8_t mac[HSM_MAC_LEN], want[HSM_MAC_LEN];
    static const size_t lengths[] = {0, 1, 1023, 1024, 1025, 5500};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct slice s = slice_make(data, lengths[i]);
        assert_int_equal(hsm_identity_sign(h, generation, s, mac, NULL), EDGE_OK);
        assert_int_equal(hmac_sha256(key, strlen(key), data, lengths[i], want, NULL), EDGE_OK);
        assert_memory_equal(mac, want, sizeof(mac));
    }
}

static void identities(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct hsm_identity all[HSM_IDENTITY_MAX];
    size_t cnt;
    uint8_t mac[HSM_MAC_LEN];
    struct stat st;
    uint64_t n;
    struct secret key = {0};

    assert_int_equal(import_key(h, "first", "one"), 1);
    assert_int_equal(import_key(h, "second", "two"), 2);
    hsm_close(h);
    h = open_in(dir);
    check_sign(h, 1, "first");
    check_sign(h, 2, "second");
    assert_int_equal(hsm_identity_publish(h, 2, NULL), EDGE_OK);
    assert_int_equal(hsm_identity_drop(h, 2, NULL), EDGE_OK);
    assert_int_equal(hsm_identity_drop(h, 2, NULL), EDGE_OK);
    assert_int_equal(hsm_identity_sign(h, 2, SLICE_LIT("x"), mac, NULL), EDGE_NOT_FOUND);
    assert_int_equal(import_key(h, "third", "three"), 3);
    assert_int_equal(hsm_identity_list(h, all, &cnt, NULL), EDGE_OK);
    assert_int_equal(cnt, 2);
    assert_string_equal(all[1].label, "three");
    assert_int_equal(fstatat(dir->fd, "identity-3", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    for (int i = 0; i < HSM_IDENTITY_MAX - 2; i++) {
        (void)import_key(h, "more", "l");
    }
    assert_int_equal(secret_copy(&key, "k", 1, NULL), EDGE_OK);
    assert_int_equal(hsm_identity_import_key(h, &key, SLICE_LIT("l"), &n, NULL), EDGE_RANGE);
    secret_clear(&key);
    hsm_close(h);
}

static void root(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = open_in(dir);
    struct secret a = {0}, b = {0}, c = {0};
    uint8_t one[HSM_FINGERPRINT_LEN], two[HSM_FINGERPRINT_LEN];

    assert_int_equal(hsm_root_derive(h, SLICE_LIT("m1"), &a, NULL), EDGE_OK);
    assert_int_equal(hsm_root_derive(h, SLICE_LIT("m2"), &b, NULL), EDGE_OK);
    assert_false(secret_equal(&a, &b));
    assert_int_equal(hsm_root_fingerprint(h, one, NULL), EDGE_OK);
    assert_false(secret_equal_bytes(&a, one, sizeof(one)));
    hsm_close(h);
    h = open_in(dir);
    assert_int_equal(hsm_root_derive(h, SLICE_LIT("m1"), &c, NULL), EDGE_OK);
    assert_true(secret_equal(&a, &c));
    hsm_close(h);
    tmpdir_write(dir, "module-root", "junk", 4, 0600);
    h = open_in(dir);
    assert_int_equal(hsm_root_fingerprint(h, two, NULL), EDGE_OK);
    assert_memory_not_equal(one, two, sizeof(one));
    assert_int_equal(hsm_root_derive(h, (struct slice){NULL, 0}, &c, NULL), EDGE_RANGE);
    hsm_close(h);
    secret_clear(&a);
    secret_clear(&b);
    secret_clear(&c);
}

static void no_attestation(void **state) {
    struct hsm *h = open_in(*state);
    struct hsm_attestation a;
    uint8_t mac[HSM_MAC_LEN];
    uint64_t n;

    assert_int_equal(hsm_attestation_get(h, &a, NULL), EDGE_UNSUPPORTED);
    assert_int_equal(hsm_challenge_load(h, SLICE_LIT("x"), NULL), EDGE_UNSUPPORTED);
    assert_int_equal(hsm_challenge_sign(h, SLICE_LIT("x"), mac, NULL), EDGE_UNSUPPORTED);
    assert_int_equal(hsm_identity_import_blob(h, SLICE_LIT("x"), SLICE_LIT("l"), &n, NULL),
                     EDGE_UNSUPPORTED);
    assert_int_equal(hsm_identity_adopt(h, SLICE_LIT("l"), &n, NULL), EDGE_UNSUPPORTED);
    assert_int_equal(hsm_accept_change(h, NULL), EDGE_OK);
    hsm_challenge_drop(h);
    assert_int_equal(hsm_get_state(h), HSM_STATE_READY);
    assert_int_equal(hsm_command_cnt(h), 0);
    hsm_close(h);
}

static void arguments(void **state) {
    struct tmpdir *dir = *state;
    struct hsm *h = NULL;
    uint8_t bytes[8] = {0};
    char id[64];

    assert_int_equal(hsm_open(&(struct hsm_config){.backend = HSM_BACKEND_SOFT}, &h, NULL),
                     EDGE_INVALID);
    assert_int_equal(hsm_open(&(struct hsm_config){.state_dir = dir->path}, &h, NULL),
                     EDGE_INVALID);
    assert_int_equal(
        hsm_open(&(struct hsm_config){.state_dir = dir->path, .tcti = "swtpm"}, &h, NULL),
        EDGE_INVALID);
    assert_null(h);
    hsm_close(NULL);
    h = open_in(dir);
    assert_int_equal(hsm_random(h, bytes, sizeof(bytes), NULL), EDGE_OK);
    assert_int_equal(hsm_random(h, bytes, 5000, NULL), EDGE_RANGE);
    hsm_close(h);
    /* SHA-256 of nothing, known to everybody. */
    assert_int_equal(hsm_registration_id(bytes, 0, id, NULL), EDGE_OK);
    assert_string_equal(id, "4oymiquy7qobjgx36tejs35zeqt24qpemsnzgtfeswmrw6csxbkq");
    for (int i = 0; i <= HSM_STATE_FAILED; i++) {
        assert_string_not_equal(hsm_state_name((enum hsm_state)i), "unknown");
    }
}

#if EDGE_ASSERTS
static void *use_elsewhere(void *data) {
    uint8_t byte;

    return hsm_random(data, &byte, 1, NULL) == EDGE_OK ? NULL : data;
}

static void second_thread_is_our_bug(void **state) {
    int status = 0;

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        struct hsm *h = open_in(*state);
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        (void)pthread_create(&thread, NULL, use_elsewhere, h);
        (void)pthread_join(thread, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
#endif

static enum edge_code life(void *data) {
    struct tmpdir *dir = data;
    const struct hsm_config cfg = {.backend = HSM_BACKEND_SOFT, .state_dir = dir->path};
    struct hsm *h = NULL;
    struct secret key SECRET_CLEANUP = {0}, derived SECRET_CLEANUP = {0};
    uint8_t mac[HSM_MAC_LEN];
    uint64_t n = 0;

    enum edge_code rc = secret_copy(&key, "key", 3, NULL);
    rc = rc == EDGE_OK ? hsm_open(&cfg, &h, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_identity_import_key(h, &key, SLICE_LIT("l"), &n, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_identity_sign(h, n, SLICE_LIT("x"), mac, NULL) : rc;
    rc = rc == EDGE_OK ? hsm_root_derive(h, SLICE_LIT("m"), &derived, NULL) : rc;
    if (n != 0) {
        for (int tries = 0; hsm_identity_drop(h, n, NULL) != EDGE_OK; tries++) {
            assert_true(tries < 3);
        }
    }
    hsm_close(h);
    return rc;
}

static void out_of_memory(void **state) {
    assert_true(alloc_fail_torture(life, *state) > 10);
}

#define IN_DIR(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_setup, tmpdir_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIR(identities),
        IN_DIR(root),
        IN_DIR(no_attestation),
        IN_DIR(arguments),
        IN_DIR(out_of_memory),
#if EDGE_ASSERTS
        IN_DIR(second_thread_is_our_bug),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
