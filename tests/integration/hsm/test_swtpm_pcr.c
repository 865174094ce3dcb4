/* SPDX-License-Identifier: MIT */
/*
 * A store that is bound to PCRs: what opens it, what does not, and that nothing of what it protects
 * is lost on the way.
 */
#include "fixture.h"

#include "support/fake_tcti.h"

#include "tpm/tpm_policy.h"

#include "base/mac.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PCRS (1u << 0 | 1u << 2 | 1u << 7)

static const char code_a[] = "recovery-code-0123456";
static const char code_b[] = "another-code-01234567";

/* --- The TPM as other software uses it; the key store must be closed --- */

struct raw {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

static void raw_open(struct fixture *f, struct raw *r) {
    assert_null(f->hsm);
    assert_int_equal(Tss2_TctiLdr_Initialize(f->tpm->tcti, &r->tcti), 0);
    assert_int_equal(Esys_Initialize(&r->esys, r->tcti, NULL), 0);
}

static void raw_close(struct raw *r) {
    Esys_Finalize(&r->esys);
    Tss2_TctiLdr_Finalize(&r->tcti);
}

static void extend(struct fixture *f, uint32_t pcr, uint8_t first_byte) {
    TPML_DIGEST_VALUES values = {.count = 1};
    struct raw r;

    values.digests[0].hashAlg = TPM2_ALG_SHA256;
    values.digests[0].digest.sha256[0] = first_byte;
    raw_open(f, &r);
    assert_int_equal(
        Esys_PCR_Extend(r.esys, pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &values), 0);
    raw_close(&r);
}

/* What a PCR of zeros holds after that. */
static void extended(uint8_t first_byte, uint8_t ret[HSM_PCR_LEN]) {
    uint8_t message[2 * HSM_PCR_LEN] = {0};

    message[HSM_PCR_LEN] = first_byte;
    assert_int_equal(sha256(message, sizeof(message), ret, NULL), EDGE_OK);
}

/* --- The store --- */

static enum edge_code reseal(struct fixture *f, uint32_t pcrs, const char *code,
                             const struct hsm_pcr_value *planned, size_t planned_cnt) {
    struct secret recovery SECRET_CLEANUP = {0};
    const struct hsm_reseal how = {
        .pcrs = pcrs, .planned = planned, .planned_cnt = planned_cnt, .recovery = &recovery};

    if (code != NULL) {
        fixture_ok(f, secret_copy(&recovery, code, strlen(code), &f->err));
    }
    return hsm_store_reseal(f->hsm, &how, &f->err);
}

static enum edge_code recover(struct fixture *f, const char *code) {
    struct secret recovery SECRET_CLEANUP = {0};

    fixture_ok(f, secret_copy(&recovery, code, strlen(code), &f->err));
    return hsm_store_recover(f->hsm, &recovery, &f->err);
}

static struct hsm_store_info info(struct fixture *f) {
    struct hsm_store_info now;

    fixture_ok(f, hsm_store_get_info(f->hsm, &now, &f->err));
    return now;
}

static void reopen(struct fixture *f) {
    fixture_close(f);
    fixture_open(f);
}

/* A store with one record, bound to PCRS by code_a. Left closed. */
#define ID HSM_RECORD_UNBOUND "x"

static void bound_store(struct fixture *f, const struct hsm_pcr_value *planned, size_t cnt) {
    fixture_start(f);
    fixture_put(f, "a", "text a");
    fixture_ok(f, reseal(f, PCRS, code_a, planned, cnt));
    fixture_get(f, "a", "text a");
    fixture_close(f);
}

static void check_locked(struct fixture *f, const char *pcrs) {
    char text[64];

    (void)snprintf(text, sizeof(text), "PCR %s changed", pcrs);
    fixture_get_fails(f, "a", EDGE_HSM, text);
    assert_non_null(strstr(f->err.text, "iotedge tpm reseal --recover"));
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    struct hsm_store_info now = info(f);
    assert_true(now.exists && now.bound && now.recoverable && !now.open);
    assert_non_null(strstr(now.text, text));
}

static void policies_are_those_of_the_tpm(void **state) {
    const TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    const TPM2B_DIGEST present = {0};
    struct fixture *f = *state;
    struct tpm_binding b = {.pcrs = PCRS | 1u << 23, .has_planned = true};
    TPML_PCR_SELECTION selection;
    TPML_DIGEST branches;
    TPM2B_DIGEST whole, *digest = NULL;
    ESYS_TR session;
    struct raw r;

    extend(f, 2, 9);
    extended(9, b.now.value[2]);
    b.planned = b.now;
    b.planned.value[0][5] = 1;
    assert_int_equal(tpm_policy_branches(&b, &branches, NULL), EDGE_OK);
    assert_int_equal(branches.count, 3);
    assert_int_equal(tpm_policy_digest(&b, &whole, NULL), EDGE_OK);
    raw_open(f, &r);
    tpm_policy_selection(b.pcrs, &selection);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(Esys_StartAuthSession(r.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                               ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_TRIAL,
                                               &none, TPM2_ALG_SHA256, &session),
                         0);
        if (i == 0) {
            assert_int_equal(Esys_PolicyPCR(r.esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                            ESYS_TR_NONE, &present, &selection),
                             0);
        } else {
            assert_int_equal(
                Esys_PolicyAuthValue(r.esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE), 0);
        }
        assert_int_equal(Esys_PolicyGetDigest(r.esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                              ESYS_TR_NONE, &digest),
                         0);
        assert_memory_equal(digest->buffer, branches.digests[i * 2].buffer, SHA256_LEN);
        free(digest);
        assert_int_equal(
            Esys_PolicyOR(r.esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &branches), 0);
        assert_int_equal(Esys_PolicyGetDigest(r.esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                              ESYS_TR_NONE, &digest),
                         0);
        assert_memory_equal(digest->buffer, whole.buffer, SHA256_LEN);
        free(digest);
        assert_int_equal(Esys_FlushContext(r.esys, session), 0);
    }
    raw_close(&r);
}

static void a_bound_store_opens_and_locks(void **state) {
    struct fixture *f = *state;

    bound_store(f, NULL, 0);
    fixture_check_clean(f);
    fixture_open(f);
    fixture_get(f, "a", "text a");
    struct hsm_store_info now = info(f);
    assert_true(now.exists && now.bound && now.open && now.recoverable && !now.planned);
    assert_int_equal(now.pcrs, PCRS);
    assert_non_null(strstr(now.text, "0, 2, 7"));
    fixture_close(f);
    extend(f, 3, 1); /* not one of them */
    fixture_open(f);
    fixture_get(f, "a", "text a");
    fixture_close(f);
    extend(f, 7, 1);
    extend(f, 2, 1);
    fixture_open(f);
    check_locked(f, "2, 7");
    fixture_get_fails(f, "b", EDGE_NOT_FOUND, "'b'");
    uint64_t commands = hsm_command_cnt(f->hsm);
    for (int i = 0; i < 1000; i++) { /* does not keep the TPM busy */
        fixture_get_fails(f, "a", EDGE_HSM, "PCR 2, 7 changed");
    }
    assert_in_range(hsm_command_cnt(f->hsm) - commands, 0, 20);
    assert_int_equal(reseal(f, PCRS, code_a, NULL, 0), EDGE_HSM);
    uint8_t print[HSM_FINGERPRINT_LEN];
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print, &f->err)); /* does not hang from it */
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, true); /* the firmware as it was */
    fixture_open(f);
    fixture_get(f, "a", "text a");
    assert_int_equal(fixture_count(f, "store-key", true), 0);
    assert_int_equal(fixture_count(f, "record-", true), 0);
}

static void planned_values_open_it(void **state) {
    struct fixture *f = *state;
    struct hsm_pcr_value planned = {.pcr = 7};

    extended(5, planned.digest);
    bound_store(f, &planned, 1);
    fixture_open(f);
    fixture_get(f, "a", "text a");
    assert_true(info(f).planned);
    fixture_close(f);
    extend(f, 7, 5);
    fixture_open(f);
    fixture_get(f, "a", "text a");
    fixture_close(f);
    extend(f, 2, 5);
    fixture_open(f);
    check_locked(f, "2, 7");
    fixture_close(f);
    swtpm_reset(f->tpm, true);
    fixture_open(f);
    /* Values that are there already are no plan. */
    memset(planned.digest, 0, sizeof(planned.digest));
    fixture_ok(f, reseal(f, PCRS, code_a, &planned, 1));
    assert_false(info(f).planned);
}

static void the_code_opens_it(void **state) {
    struct fixture *f = *state;
    struct secret short_code = {0};

    fixture_start(f);
    assert_int_equal(recover(f, code_a), EDGE_NOT_FOUND);
    fixture_put(f, "a", "text a");
    assert_int_equal(recover(f, code_a), EDGE_INVALID);
    fixture_close(f);
    bound_store(f, NULL, 0);
    extend(f, 0, 1);
    fixture_open(f);
    for (int i = 0; i < 40; i++) { /* does not lead into a lockout */
        assert_int_equal(recover(f, code_b), EDGE_DENIED);
        assert_non_null(strstr(f->err.text, "recovery code"));
    }
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    check_locked(f, "0");
    fixture_ok(f, secret_copy(&short_code, "too short", 9, &f->err));
    assert_int_equal(hsm_store_recover(f->hsm, &short_code, &f->err), EDGE_INVALID);
    secret_clear(&short_code);
    fixture_ok(f, recover(f, code_a));
    fixture_get(f, "a", "text a");
    assert_true(info(f).open);
    reopen(f);
    check_locked(f, "0"); /* only for the life of the object */
    fixture_ok(f, recover(f, code_a));
    fixture_ok(f, reseal(f, PCRS, code_b, NULL, 0));
    reopen(f);
    fixture_get(f, "a", "text a");
    assert_int_equal(recover(f, code_a), EDGE_DENIED); /* the old code is of no use any more */
    fixture_ok(f, recover(f, code_b));
    fixture_close(f);
    fixture_check_clean(f);
}

/* It would give out the key to whoever has the machine, started as he likes. */
static void the_unbound_object_does_not_stay_on_the_disk(void **state) {
    struct fixture *f = *state;
    uint8_t bytes[4096];

    fixture_start(f);
    fixture_put(f, "a", "text a");
    int old EDGE_CLEANUP(edge_cleanup_fd) = openat(f->dir->fd, "store-key", O_RDONLY | O_CLOEXEC);
    ssize_t len = pread(old, bytes, sizeof(bytes), 0);
    assert_true(len > 0 && (size_t)len < sizeof(bytes));
    fixture_ok(f, reseal(f, PCRS, code_a, NULL, 0));
    assert_int_equal(pread(old, bytes, sizeof(bytes), 0), len);
    for (ssize_t i = 0; i < len; i++) {
        assert_int_equal(bytes[i], 0);
    }
    fixture_get(f, "a", "text a");
}

static void suspending(void **state) {
    struct fixture *f = *state;

    bound_store(f, NULL, 0);
    fixture_open(f);
    fixture_ok(f, reseal(f, 0, NULL, NULL, 0));
    assert_false(info(f).bound);
    fixture_close(f);
    extend(f, 0, 1);
    fixture_open(f);
    fixture_get(f, "a", "text a");
    fixture_ok(f, reseal(f, PCRS, code_a, NULL, 0));
    fixture_close(f);
    swtpm_reset(f->tpm, true);
    fixture_open(f);
    check_locked(f, "0");
}

static void giving_it_up(void **state) {
    struct fixture *f = *state;

    bound_store(f, NULL, 0);
    fixture_open(f);
    fixture_put(f, ID, "text i");
    fixture_close(f);
    extend(f, 0, 1);
    fixture_open(f);
    check_locked(f, "0");
    fixture_get(f, ID, "text i"); /* a part of the identity, which no firmware takes away */
    fixture_put(f, ID "-2", "text i2");
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    fixture_get_fails(f, "a", EDGE_NOT_FOUND, "'a'");
    assert_false(info(f).exists);
    fixture_put(f, "a", "new");
    fixture_get(f, "a", "new");
    assert_int_equal(fixture_count(f, "record-a.abandoned-", true), 1);
    assert_int_equal(fixture_count(f, "store-key.abandoned-", true), 1);
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    fixture_close(f);
    fixture_open(f);
    fixture_get(f, ID, "text i");
    fixture_get(f, ID "-2", "text i2");
    fixture_ok(f, hsm_record_drop(f->hsm, ID, &f->err));
    fixture_get_fails(f, ID, EDGE_NOT_FOUND, ID);
}

/* What hangs from a lost key comes again from whoever provisions the device. */
static void lost_unbound_key(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    fixture_put(f, ID, "text i");
    fixture_put(f, "a", "text a");
    fixture_close(f);
    assert_int_equal(unlinkat(f->dir->fd, "unbound-key", 0), 0);
    fixture_open(f);
    fixture_get_fails(f, ID, EDGE_PARSE, "unbound-" ID);
    fixture_get(f, "a", "text a");
    fixture_put(f, ID, "again");
    fixture_close(f);
    fixture_open(f);
    fixture_get(f, ID, "again");
}

static void wrong_arguments(void **state) {
    const struct hsm_pcr_value twice[] = {{.pcr = 7}, {.pcr = 7}}, outside = {.pcr = 8};
    struct fixture *f = *state;

    fixture_start(f);
    assert_int_equal(reseal(f, 1u << 24, code_a, NULL, 0), EDGE_INVALID);
    assert_int_equal(reseal(f, PCRS, "short", NULL, 0), EDGE_INVALID);
    assert_int_equal(reseal(f, PCRS, NULL, NULL, 0), EDGE_INVALID);
    assert_int_equal(reseal(f, PCRS, code_a, twice, 2), EDGE_INVALID);
    assert_int_equal(reseal(f, PCRS, code_a, &outside, 1), EDGE_INVALID);
    assert_int_equal(reseal(f, 0, NULL, &outside, 1), EDGE_INVALID);
    fixture_ok(f, reseal(f, 0xFFFFFF, code_a, NULL, 0)); /* makes a store; more than one answer */
    fixture_put(f, "a", "text a");
    reopen(f);
    fixture_get(f, "a", "text a");
}

static void no_bank(void **state) {
    struct fixture *f = *state;

    assert_int_equal(swtpm_sh(f->tpm, "tpm2_pcrallocate sha1:all+sha256:none"), 0);
    swtpm_reset(f->tpm, true);
    fixture_start(f);
    fixture_put(f, "a", "text a");
    assert_int_equal(reseal(f, PCRS, code_a, NULL, 0), EDGE_UNSUPPORTED);
    assert_non_null(strstr(f->err.text, "no SHA-256 bank"));
    assert_non_null(strstr(f->err.text, "0, 2, 7"));
    reopen(f);
    fixture_get(f, "a", "text a");
}

/* Values that somebody between the TPM and us has changed bind nothing and open nothing. */
static void forged_values_are_refused(void **state) {
    struct fixture *f = *state;

    bound_store(f, NULL, 0);
    fixture_start(f);
    fake_tcti_flip(TPM2_CC_PCR_Read, 2);
    fixture_get_fails(f, "a", EDGE_HSM, "not authentic");
    fake_tcti_flip(TPM2_CC_PCR_Read, 1); /* once: the connection is made again */
    fixture_get(f, "a", "text a");
    fake_tcti_flip(TPM2_CC_PCR_Read, 2);
    assert_int_equal(reseal(f, PCRS, code_b, NULL, 0), EDGE_HSM);
    fixture_ok(f, recover(f, code_a));
}

/* All that may stay loaded is, and still there is room for the policy session and the object. */
static void slots_suffice(void **state) {
    static const uint8_t key[32] = "a key in the slot of a challenge";
    struct fixture *f = *state;
    uint8_t mac[HSM_MAC_LEN], print[HSM_FINGERPRINT_LEN];

    bound_store(f, NULL, 0);
    fixture_start(f);
    uint64_t generation = fixture_import(f, key, "l");
    fixture_ok(f, fixture_challenge(f, key));
    fixture_check_sign(f, generation, key, 32);
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print, &f->err));
    fixture_get(f, "a", "text a");
    fixture_ok(f, hsm_root_fingerprint(f->hsm, print, &f->err));
    fixture_ok(f, reseal(f, PCRS, code_b, NULL, 0));
    fixture_ok(f, recover(f, code_b));
    fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("x"), mac, &f->err)); /* still there */
    fixture_close(f);
    fixture_check_clean(f);
}

/* --- kill -9 --- */

static enum edge_code do_reseal(struct fixture *f) {
    return reseal(f, PCRS, code_b, NULL, 0);
}

static enum edge_code do_abandon(struct fixture *f) {
    return hsm_store_abandon(f->hsm, &f->err);
}

static enum edge_code do_put(struct fixture *f) {
    struct secret value SECRET_CLEANUP = {0};

    fixture_ok(f, secret_copy(&value, "new text", 8, &f->err));
    return hsm_record_put(f->hsm, "a", &value, &f->err);
}

/* Old or new binding, but whole: the values open it, and one of the codes does. */
static void check_after_kill(struct fixture *f) {
    fixture_start(f);
    fixture_get(f, "a", "text a");
    if (recover(f, code_a) != EDGE_OK) {
        fixture_ok(f, recover(f, code_b));
        fixture_ok(f, reseal(f, PCRS, code_a, NULL, 0));
    }
    assert_int_equal(fixture_count(f, "store-key", true), 0);
}

static void killed_reseals_lose_nothing(void **state) {
    struct fixture *f = *state;
    size_t points = 0;

    bound_store(f, NULL, 0);
    for (size_t n = 1; !fixture_dies(f, true, n, 0, do_reseal); n += 3, points++) {
        check_after_kill(f);
    }
    assert_true(points >= 8);
    check_after_kill(f);
    for (points = 1; !fixture_dies(f, true, 0, points, do_reseal); points++) {
        check_after_kill(f);
    }
    assert_true(points > 4);
    check_after_kill(f);
}

static void killed_abandons_go_on(void **state) {
    struct fixture *f = *state;
    size_t points = 1;

    bound_store(f, NULL, 0);
    for (; !fixture_dies(f, true, 0, points, do_abandon); points++) {
        fixture_start(f);
        /* Set aside already or not: never a new key beside old records. */
        if (fixture_count(f, "store-key", false) == 0) {
            assert_int_equal(fixture_count(f, "record-", false), 0);
        }
        fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
        assert_int_equal(fixture_count(f, "record-", false), 0);
        assert_int_equal(fixture_count(f, "store-key", false), 0);
        fixture_put(f, "a", "text a");
    }
    assert_true(points > 4);
}

static void killed_writes_leave_old_or_new(void **state) {
    struct fixture *f = *state;
    size_t points = 1;

    fixture_start(f);
    fixture_put(f, "a", "text a");
    for (; !fixture_dies(f, true, 0, points, do_put); points++) {
        struct secret value = {0};
        fixture_open(f);
        fixture_ok(f, hsm_record_get(f->hsm, "a", &value, &f->err));
        assert_true(secret_equal_bytes(&value, "text a", 6) ||
                    secret_equal_bytes(&value, "new text", 8));
        secret_clear(&value);
        fixture_put(f, "a", "text a");
    }
    assert_true(points > 4);
    fixture_open(f);
    fixture_get(f, "a", "new text");
    assert_int_equal(fixture_count(f, "record-", true), 0);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(policies_are_those_of_the_tpm),
        WITH_TPM(a_bound_store_opens_and_locks),
        WITH_TPM(planned_values_open_it),
        WITH_TPM(the_code_opens_it),
        WITH_TPM(the_unbound_object_does_not_stay_on_the_disk),
        WITH_TPM(suspending),
        WITH_TPM(giving_it_up),
        WITH_TPM(lost_unbound_key),
        WITH_TPM(wrong_arguments),
        WITH_TPM(no_bank),
        WITH_TPM(forged_values_are_refused),
        WITH_TPM(slots_suffice),
        WITH_TPM(killed_reseals_lose_nothing),
        WITH_TPM(killed_abandons_go_on),
        WITH_TPM(killed_writes_leave_old_or_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
