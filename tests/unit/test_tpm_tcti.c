/* SPDX-License-Identifier: MIT */
/*
 * The transport on a scripted TPM.
 */
#include "tpm/tpm_tcti.h"

#include "support/fake_tcti.h"

#include <tss2/tss2_tpm2_types.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

static uint64_t cnt;
static unsigned paused_ms;

int __wrap_nanosleep(const struct timespec *want, struct timespec *left);

int __wrap_nanosleep(const struct timespec *want, struct timespec *left) {
    (void)left;
    paused_ms += (unsigned)want->tv_sec * 1000 + (unsigned)(want->tv_nsec / 1000000);
    return 0;
}

static int polled_ms;

int __wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms);

int __wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms) {
    (void)n;
    assert_int_equal(fds[0].events, POLLIN);
    polled_ms = wait_ms;
    return 0; /* nothing came in time */
}

/* What poll becomes with _FORTIFY_SOURCE. */
int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int wait_ms, size_t size);

int __wrap___poll_chk(struct pollfd *fds, nfds_t n, int wait_ms, size_t size) {
    (void)size;
    return __wrap_poll(fds, n, wait_ms);
}

struct script {
    uint32_t rc;
    int busy; /* answers with rc before success */
    int len;  /* of the answer, as told in its header */
    int sent; /* bytes really sent */
};

static int answer(void *data, const uint8_t *cmd, size_t len, uint8_t *rsp) {
    struct script *s = data;
    uint32_t rc = s->busy > 0 ? s->rc : 0;

    (void)cmd;
    (void)len;
    s->busy -= s->busy > 0;
    memset(rsp, 0, 64);
    rsp[0] = 0x80;
    rsp[1] = 0x01;
    rsp[4] = (uint8_t)(s->len >> 8);
    rsp[5] = (uint8_t)s->len;
    rsp[6] = (uint8_t)(rc >> 24);
    rsp[7] = (uint8_t)(rc >> 16);
    rsp[8] = (uint8_t)(rc >> 8);
    rsp[9] = (uint8_t)rc;
    return s->sent;
}

static const uint8_t command[12] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0};

static TSS2_RC exchange(struct tpm_tcti *t, uint8_t *rsp, size_t *len) {
    TSS2_TCTI_CONTEXT *ctx = tpm_tcti_context(t);
    TSS2_RC rc = Tss2_Tcti_Transmit(ctx, sizeof(command), command);

    *len = 4096;
    return rc != TSS2_RC_SUCCESS ? rc : Tss2_Tcti_Receive(ctx, len, rsp, TSS2_TCTI_TIMEOUT_BLOCK);
}

static struct tpm_tcti *open_with(struct script *s) {
    struct tpm_tcti *t = NULL;

    fake_tcti_reset();
    fake_tcti_script(answer, s);
    cnt = 0;
    paused_ms = 0;
    assert_int_equal(tpm_tcti_open("any", &cnt, &t), TSS2_RC_SUCCESS);
    return t;
}

static void resends(void **state) {
    struct script s = {.rc = TPM2_RC_RETRY, .busy = 4, .len = 10, .sent = 10};
    struct tpm_tcti *t = open_with(&s);
    uint8_t rsp[4096];
    size_t len;

    (void)state;
    assert_int_equal(exchange(t, rsp, &len), TSS2_RC_SUCCESS);
    assert_int_equal(len, 10);
    assert_int_equal(rsp[9] | rsp[8] << 8, 0);
    assert_int_equal(cnt, 5);
    assert_int_equal(paused_ms, 2 + 4 + 8 + 16);
    /* Other answers are handed on at once. */
    s = (struct script){.rc = TPM2_RC_LOCKOUT, .busy = 100, .len = 10, .sent = 10};
    assert_int_equal(exchange(t, rsp, &len), TSS2_RC_SUCCESS);
    assert_int_equal(rsp[9] | rsp[8] << 8, TPM2_RC_LOCKOUT);
    assert_int_equal(cnt, 6);
    tpm_tcti_close(t);
}

static void gives_up_once(void **state) {
    struct script s = {.rc = TPM2_RC_NV_RATE, .busy = 1000, .len = 10, .sent = 10};
    struct tpm_tcti *t = open_with(&s);
    uint8_t rsp[4096];
    size_t len;

    (void)state;
    assert_int_equal(exchange(t, rsp, &len), TSS2_RC_SUCCESS);
    assert_int_equal(rsp[9] | rsp[8] << 8, TPM2_RC_NV_RATE);
    assert_in_range(paused_ms, TPM_RESEND_BUDGET_MS, TPM_RESEND_BUDGET_MS + 250);
    /* The library's own repetitions of the same command get no pauses. */
    unsigned before = paused_ms;
    uint64_t sent = cnt;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(exchange(t, rsp, &len), TSS2_RC_SUCCESS);
    }
    assert_int_equal(paused_ms, before);
    assert_int_equal(cnt, sent + 5);
    tpm_tcti_close(t);
}

static void lengths_that_lie(void **state) {
    static const int lengths[][2] = {{10, 9}, {9, 9}, {0, 10}, {11, 10}, {10, 11}, {10, 0}};
    struct script s = {0};
    struct tpm_tcti *t = open_with(&s);
    uint8_t rsp[4096];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        s = (struct script){.len = lengths[i][0], .sent = lengths[i][1]};
        assert_int_equal(exchange(t, rsp, &len), TSS2_TCTI_RC_MALFORMED_RESPONSE);
    }
    s = (struct script){.sent = -1};
    assert_int_equal(exchange(t, rsp, &len), TSS2_TCTI_RC_IO_ERROR);
    TSS2_TCTI_CONTEXT *ctx = tpm_tcti_context(t);
    assert_int_equal(Tss2_Tcti_Transmit(ctx, 9, command), TSS2_TCTI_RC_BAD_VALUE);
    assert_int_equal(Tss2_Tcti_Transmit(ctx, TPM_COMMAND_MAX + 1, rsp), TSS2_TCTI_RC_BAD_VALUE);
    len = 0;
    assert_int_equal(Tss2_Tcti_Receive(ctx, &len, NULL, 0), TSS2_RC_SUCCESS);
    assert_int_equal(len, TPM_COMMAND_MAX);
    tpm_tcti_close(t);
}

static void flushes_by_handle(void **state) {
    static const uint8_t want[14] = {0x80, 0x01, 0,    0,    0,    14,   0,
                                     0,    0x01, 0x65, 0x80, 0x12, 0x34, 0x56};
    struct script s = {.len = 10, .sent = 10};
    struct tpm_tcti *t = open_with(&s);

    (void)state;
    tpm_tcti_flush(t, 0x80123456);
    assert_true(fake_tcti_saw(want, sizeof(want)));
    assert_false(tpm_tcti_timed_out(t));
    tpm_tcti_close(t);
    tpm_tcti_close(NULL);
    fake_tcti_refuse_open(true);
    t = NULL;
    assert_int_equal(tpm_tcti_open("any", &cnt, &t), TSS2_TCTI_RC_IO_ERROR);
    assert_null(t);
    fake_tcti_reset();
}

static void waits_are_bounded(void **state) {
    static const struct {
        uint8_t cc;
        int wait_ms;
    } cases[] = {{0x44, TPM_WAIT_MS}, {0x31, TPM_WAIT_PRIMARY_MS}};
    struct script s = {.len = 10, .sent = 10};
    struct tpm_tcti *t = open_with(&s);
    uint8_t rsp[4096], cmd[sizeof(command)];
    size_t len = sizeof(rsp);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        TSS2_TCTI_CONTEXT *ctx = tpm_tcti_context(t);
        memcpy(cmd, command, sizeof(cmd));
        cmd[9] = cases[i].cc;
        fake_tcti_hang(true);
        assert_int_equal(Tss2_Tcti_Transmit(ctx, sizeof(cmd), cmd), TSS2_RC_SUCCESS);
        assert_int_equal(Tss2_Tcti_Receive(ctx, &len, rsp, TSS2_TCTI_TIMEOUT_BLOCK),
                         TSS2_TCTI_RC_IO_ERROR);
        assert_int_equal(polled_ms, cases[i].wait_ms);
        assert_true(tpm_tcti_timed_out(t));
        uint64_t before = cnt;
        tpm_tcti_flush(t, 0x80000000); /* would hang as well */
        assert_int_equal(cnt, before);
        fake_tcti_hang(false);
    }
    tpm_tcti_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resends),           cmocka_unit_test(gives_up_once),
        cmocka_unit_test(lengths_that_lie),  cmocka_unit_test(flushes_by_handle),
        cmocka_unit_test(waits_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
