/* SPDX-License-Identifier: MIT */
/*
 * Faults between us and the TPM, and resets of it while the key store is open.
 */
#include "fixture.h"

#include "support/dps_blob.h"
#include "support/fake_clock.h"
#include "support/fake_tcti.h"

#include <tss2/tss2_tpm2_types.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t key_a[32] = "first key: the nonce of the 401";

/* Pauses of the transport take no time here, but are counted. */
static uint64_t paused_us;
int __real_nanosleep(const struct timespec *want, struct timespec *left);
int __wrap_nanosleep(const struct timespec *want, struct timespec *left);

int __wrap_nanosleep(const struct timespec *want, struct timespec *left) {
    (void)left;
    paused_us += (uint64_t)want->tv_sec * 1000000 + (uint64_t)want->tv_nsec / 1000;
    return 0;
}

static enum edge_code sign(struct fixture *f) {
    uint8_t mac[HSM_MAC_LEN];

    return hsm_identity_sign(f->hsm, 1, SLICE_LIT("x"), mac, &f->err);
}

static void transient_codes_are_resent(void **state) {
    static const uint32_t codes[] = {TPM2_RC_RETRY,   TPM2_RC_YIELDED, TPM2_RC_CANCELED,
                                     TPM2_RC_TESTING, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE};
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        size_t before = fake_tcti_count(0);
        fake_tcti_inject(TPM2_CC_HMAC, codes[i], 0, 3);
        fixture_check_sign(f, 1, key_a, 32);
        assert_int_equal(fake_tcti_count(0) - before, 4);
        /* The same from the kernel's resource manager layer. */
        fake_tcti_inject(TPM2_CC_HMAC, 0xC0000 | codes[i], 0, 2);
        fixture_check_sign(f, 1, key_a, 32);
    }
    fake_tcti_inject(TPM2_CC_Load, TPM2_RC_RETRY, 0, 2);
    assert_int_equal(fixture_import(f, key_a, "l"), 2);
    fixture_close(f);
    fixture_check_clean(f);
}

static void resending_is_capped(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    size_t before = fake_tcti_count(0);
    paused_us = 0;
    fake_tcti_inject(TPM2_CC_HMAC, TPM2_RC_RETRY, 0, SIZE_MAX);
    assert_int_equal(sign(f), EDGE_BUSY);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_BUSY);
    assert_in_range(paused_us, 3000000, 6000000);
    assert_in_range(fake_tcti_count(0) - before, 5, 60);
    fake_tcti_inject(0, 0, 0, 0);
    fixture_check_sign(f, 1, key_a, 32);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
}

static void lockout_is_not_retried(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    size_t before = fake_tcti_count(0);
    fake_tcti_inject(TPM2_CC_HMAC, TPM2_RC_LOCKOUT, 0, SIZE_MAX);
    assert_int_equal(sign(f), EDGE_HSM);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_LOCKOUT);
    assert_int_equal(fake_tcti_count(0) - before, 1);
    fake_tcti_inject(0, 0, 0, 0);
    fixture_check_sign(f, 1, key_a, 32);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
}

static void lost_session_is_rebuilt_once(void **state) {
    static const uint32_t codes[] = {TPM2_RC_REFERENCE_S0, TPM2_RC_REFERENCE_S0 + 6,
                                     TPM2_RC_CONTEXT_GAP, TPM2_RC_REFERENCE_H0,
                                     TPM2_RC_HANDLE | 0x100};
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    fixture_ok(f, fixture_challenge(f, key_a));
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        uint8_t mac[HSM_MAC_LEN];
        size_t sessions = fake_tcti_count(TPM2_CC_StartAuthSession);
        fake_tcti_inject(TPM2_CC_HMAC, codes[i], 0, 1);
        fixture_check_sign(f, 1, key_a, 32);
        assert_int_equal(fake_tcti_count(TPM2_CC_StartAuthSession) - sessions, 1);
        fake_tcti_inject(TPM2_CC_HMAC, codes[i], 0, SIZE_MAX);
        assert_int_equal(sign(f), codes[i] == (TPM2_RC_HANDLE | 0x100) ? EDGE_NOT_FOUND : EDGE_HSM);
        assert_in_range(fake_tcti_count(TPM2_CC_StartAuthSession) - sessions, 2, 3);
        fake_tcti_inject(0, 0, 0, 0);
        fixture_check_sign(f, 1, key_a, 32);
        fixture_ok(f, fixture_challenge(f, key_a));
        fake_tcti_inject(TPM2_CC_HMAC, TPM2_RC_CONTEXT_GAP, 0, 1);
        fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("x"), mac, &f->err));
    }
    fixture_close(f);
    fixture_check_clean(f);
}

static void full_tpm_is_flushed(void **state) {
    static const uint32_t codes[] = {TPM2_RC_OBJECT_MEMORY, TPM2_RC_SESSION_MEMORY, TPM2_RC_MEMORY,
                                     TPM2_RC_SESSION_HANDLES, TPM2_RC_OBJECT_HANDLES};
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        for (size_t times = 1; times <= 2; times++) {
            fake_tcti_inject(TPM2_CC_HMAC, codes[i], 0, times);
            fixture_check_sign(f, 1, key_a, 32);
        }
        fake_tcti_inject(TPM2_CC_HMAC, codes[i], 0, SIZE_MAX);
        assert_int_equal(sign(f), EDGE_BUSY);
        assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_BUSY);
        fake_tcti_inject(0, 0, 0, 0);
    }
    fixture_check_sign(f, 1, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
}

/* What killed programs leave fills a TPM without resource manager. */
static void leftovers_are_flushed(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    fixture_close(f);
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            uint8_t print[HSM_FINGERPRINT_LEN];
            fixture_start(f);
            bool ok = sign(f) == EDGE_OK && hsm_root_fingerprint(f->hsm, print, NULL) == EDGE_OK &&
                      fixture_challenge(f, key_a) == EDGE_OK;
            if (!ok) {
                _exit(1);
            }
            (void)kill(getpid(), SIGKILL);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
    }
    fixture_start(f);
    fixture_check_sign(f, 1, key_a, 32);
    fixture_close(f);
    fixture_start(f);
    fixture_check_sign(f, 1, key_a, 32);
}

static void reset_while_open(void **state) {
    struct fixture *f = *state;
    struct secret one = {0}, two = {0};
    uint8_t mac[HSM_MAC_LEN];

    fake_clock_install(1700000000);
    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module"), &one, &f->err));
    fixture_ok(f, fixture_challenge(f, key_a));
    swtpm_reset(f->tpm, false);
    fixture_check_sign(f, 1, key_a, 32);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module"), &two, &f->err));
    assert_true(secret_equal(&one, &two));
    assert_int_equal(hsm_challenge_sign(f->hsm, SLICE_LIT("x"), mac, &f->err), EDGE_NOT_FOUND);
    secret_clear(&one);
    secret_clear(&two);
    fixture_check_sign(f, 1, key_a, 32);
    fixture_close(f);
    fixture_check_clean(f);
    fake_clock_remove();
}

static void dead_tpm_is_not_hammered(void **state) {
    struct fixture *f = *state;

    fake_clock_install(1700000000);
    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    swtpm_stop(f->tpm);
    assert_int_not_equal(sign(f), EDGE_OK);
    assert_int_not_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    size_t opened = fake_tcti_opened();
    for (int i = 0; i < 50; i++) {
        assert_int_not_equal(sign(f), EDGE_OK);
    }
    assert_int_equal(fake_tcti_opened(), opened);
    assert_non_null(strstr(f->err.text, f->tpm->tcti));
    swtpm_start(f->tpm);
    assert_int_not_equal(sign(f), EDGE_OK); /* still the remembered answer */
    fake_clock_advance_ms(1001);
    fixture_check_sign(f, 1, key_a, 32);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    fake_clock_remove();
}

static void tpm_may_come_later(void **state) {
    struct fixture *f = *state;

    fake_clock_install(1700000000);
    swtpm_stop(f->tpm);
    assert_int_equal(swtpm_sh(f->tpm, "rm -f \"$D/sock\""), 0);
    fixture_open(f);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_UNTRIED);
    assert_int_equal(hsm_start(f->hsm, &f->err), EDGE_NOT_FOUND);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_NO_DEVICE);
    swtpm_start(f->tpm);
    fake_clock_advance_ms(1001);
    fixture_start(f);
    fake_clock_remove();
}

static void broken_connection_is_reopened(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    size_t opened = fake_tcti_opened();
    fake_tcti_break(0, 1);
    fixture_check_sign(f, 1, key_a, 32);
    assert_int_equal(fake_tcti_opened() - opened, 1);
    for (size_t skip = 0; skip < 12; skip++) { /* also while it is being reopened */
        fake_tcti_break(skip, 1);
        fixture_check_sign(f, 1, key_a, 32);
        fake_tcti_break(0, 0);
    }
    fixture_close(f);
    fixture_check_clean(f);
}

static void forged_answers_are_refused(void **state) {
    struct fixture *f = *state;
    static const uint32_t commands[] = {TPM2_CC_HMAC, TPM2_CC_GetRandom};
    uint8_t bytes[32];

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    for (size_t i = 0; i < 2; i++) {
        fake_tcti_flip(commands[i], 1); /* once: the TPM is asked again in a new session */
        fixture_ok(f, i == 0 ? sign(f) : hsm_random(f->hsm, bytes, sizeof(bytes), &f->err));
        fake_tcti_flip(commands[i], SIZE_MAX);
        assert_int_equal(i == 0 ? sign(f) : hsm_random(f->hsm, bytes, sizeof(bytes), &f->err),
                         EDGE_HSM);
        assert_non_null(strstr(f->err.text, "not authentic"));
        assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_FAILED);
        fake_tcti_flip(0, 0);
        fixture_check_sign(f, 1, key_a, 32);
    }
}

static void malformed_answers_are_errors(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
    } answers[] = {
        {"", 1},
        {"\x80\x01\x00\x00\x00\x0a\x00\x00\x00", 9},
        {"\x80\x01\x00\x00\x00\x0b\x00\x00\x00\x00", 10},
        {"\x80\x01\x00\x00\x00\x0a\x00\x00\x00\x00", 10},
        {"\x80\x02\x00\x00\x00\x0e\x00\x00\x00\x00\xff\xff\xff\xff", 14},
        {"\x80\x02\x00\x00\x00\x12\x00\x00\x00\x00\x00\x00\x00\x02\x00\x22\x00\x00", 18},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10},
    };
    struct fixture *f = *state;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fake_tcti_inject_bytes(TPM2_CC_HMAC, answers[i].bytes, answers[i].len);
        enum edge_code rc = sign(f);
        assert_true(rc == EDGE_OK || rc == EDGE_HSM || rc == EDGE_PROTO || rc == EDGE_IO);
        fixture_check_sign(f, 1, key_a, 32);
    }
    fixture_close(f);
    fixture_check_clean(f);
}

static void unstarted_tpm_is_started(void **state) {
    struct fixture *f = *state;

    fixture_open(f);
    fake_tcti_inject(TPM2_CC_ReadPublic, TPM2_RC_INITIALIZE, 0, 1);
    fixture_ok(f, hsm_start(f->hsm, &f->err));
    assert_int_equal(fake_tcti_count(TPM2_CC_Startup), 1);
}

static void every_command_may_fail(void **state) {
    struct fixture *f = *state;
    size_t n = 0;

    fixture_start(f);
    (void)fixture_import(f, key_a, "l");
    fixture_close(f);
    for (bool done = false; !done; n++) {
        uint8_t print[HSM_FINGERPRINT_LEN];
        fixture_open(f);
        fake_tcti_inject(0, TPM2_RC_COMMAND_CODE, n, 1);
        size_t before = fake_tcti_count(0);
        enum edge_code rc = hsm_root_fingerprint(f->hsm, print, &f->err);
        rc = rc == EDGE_OK ? fixture_challenge(f, key_a) : rc;
        rc = rc == EDGE_OK ? sign(f) : rc;
        done = fake_tcti_count(0) - before <= n;
        assert_true(!done || rc == EDGE_OK);
        fake_tcti_inject(0, 0, 0, 0);
        fixture_close(f);
        fixture_check_clean(f);
    }
    assert_true(n > 15);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(transient_codes_are_resent), WITH_TPM(resending_is_capped),
        WITH_TPM(lockout_is_not_retried),     WITH_TPM(lost_session_is_rebuilt_once),
        WITH_TPM(full_tpm_is_flushed),        WITH_TPM(leftovers_are_flushed),
        WITH_TPM(reset_while_open),           WITH_TPM(dead_tpm_is_not_hammered),
        WITH_TPM(tpm_may_come_later),         WITH_TPM(broken_connection_is_reopened),
        WITH_TPM(forged_answers_are_refused), WITH_TPM(malformed_answers_are_errors),
        WITH_TPM(unstarted_tpm_is_started),   WITH_TPM(every_command_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
