/* SPDX-License-Identifier: MIT */
/*
 * Signing keys by name: made in the TPM, taken into it, sealed when it does not take them; used,
 * listed, lost.
 */
#include "fixture.h"

#include "support/fake_tcti.h"
#include "support/signing_keys.h"

#include <tss2/tss2_tpm2_types.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t digest[HSM_DIGEST_LEN] = "thirty-two bytes, all for a test";

static struct hsm_key make(struct fixture *f, const char *name) {
    struct hsm_key key;

    fixture_ok(f, hsm_key_make(f->hsm, name, &key, &f->err));
    assert_string_equal(key.name, name);
    assert_int_equal(key.type, HSM_KEY_P256);
    assert_int_equal(key.place, HSM_KEY_IN_TPM);
    return key;
}

static void reopen(struct fixture *f) {
    fixture_close(f);
    fixture_start(f);
}

static void check_sign_fails(struct fixture *f, const char *name, enum edge_code code,
                             const char *text) {
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t len = 0;

    enum edge_code rc = hsm_key_sign(f->hsm, name, digest, sig, &len, &f->err);
    if (rc != code || strstr(f->err.text, text) == NULL) {
        fail_msg("%s: %s", edge_code_name(rc), edge_error_text(&f->err));
    }
}

static size_t list(struct fixture *f, struct hsm_key ret[HSM_KEYS_MAX]) {
    size_t cnt = 99;

    fixture_ok(f, hsm_key_list(f->hsm, ret, &cnt, &f->err));
    return cnt;
}

static size_t read_file(struct fixture *f, const char *name, uint8_t *ret, size_t size) {
    int fd = openat(f->dir->fd, name, O_RDONLY);

    assert_true(fd >= 0);
    ssize_t n = read(fd, ret, size);
    assert_true(n > 0);
    (void)close(fd);
    return (size_t)n;
}

static void made_keys(void **state) {
    struct fixture *f = *state;
    struct hsm_key all[HSM_KEYS_MAX], got, again;

    fixture_start(f);
    assert_int_equal(list(f, all), 0);
    assert_int_equal(hsm_key_get(f->hsm, "owner-ca-1", &got, &f->err), EDGE_NOT_FOUND);
    check_sign_fails(f, "owner-ca-1", EDGE_NOT_FOUND, "owner-ca-1");
    struct hsm_key owner = make(f, "owner-ca-1");
    struct hsm_key device = make(f, "device-ca-2");
    signing_key_check(f->hsm, &owner);
    signing_key_check(f->hsm, &device);
    assert_int_equal(hsm_key_make(f->hsm, "owner-ca-1", &again, &f->err), EDGE_EXISTS);
    uint64_t before = hsm_command_cnt(f->hsm);
    signing_key_check(f->hsm, &device);
    signing_key_check(f->hsm, &device);
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 2); /* loaded: one command each */
    reopen(f);
    signing_key_check(f->hsm, &owner);
    fixture_close(f);
    fixture_check_clean(f);
    swtpm_reset(f->tpm, false);
    fixture_open(f);
    before = hsm_command_cnt(f->hsm);
    assert_int_equal(list(f, all), 2);
    fixture_ok(f, hsm_key_get(f->hsm, "owner-ca-1", &got, &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 0); /* public parts need no TPM */
    assert_memory_equal(&got, &owner, sizeof(got));
    assert_memory_equal(&all[0], &device, sizeof(device));
    assert_memory_equal(&all[1], &owner, sizeof(owner));
    signing_key_check(f->hsm, &device);
    fixture_ok(f, hsm_key_drop(f->hsm, "device-ca-2", &f->err));
    fixture_ok(f, hsm_key_drop(f->hsm, "device-ca-2", &f->err));
    check_sign_fails(f, "device-ca-2", EDGE_NOT_FOUND, "device-ca-2");
    assert_int_equal(list(f, all), 1);
    again = make(f, "device-ca-2");
    assert_memory_not_equal(again.spki, device.spki, device.spki_len);
    signing_key_check(f->hsm, &again);
    signing_key_check(f->hsm, &owner);
}

static void names_and_numbers(void **state) {
    struct fixture *f = *state;
    struct hsm_key key;
    char name[HSM_KEY_NAME_MAX + 2];

    fixture_start(f);
    memset(name, 'x', sizeof(name));
    name[HSM_KEY_NAME_MAX] = '\0';
    key = make(f, name);
    signing_key_check(f->hsm, &key);
    name[HSM_KEY_NAME_MAX] = 'x';
    name[HSM_KEY_NAME_MAX + 1] = '\0';
    static const char *const bad[] = {"", "A", "a.b", "a/b", "a b", "../x"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bad); i++) {
        assert_int_equal(hsm_key_make(f->hsm, bad[i], &key, &f->err), EDGE_INVALID);
        assert_int_equal(hsm_key_get(f->hsm, bad[i], &key, &f->err), EDGE_INVALID);
        assert_int_equal(hsm_key_drop(f->hsm, bad[i], &f->err), EDGE_INVALID);
    }
    assert_int_equal(hsm_key_make(f->hsm, name, &key, &f->err), EDGE_INVALID);
    for (int i = 1; i < HSM_KEYS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "k-%d", i);
        (void)make(f, name);
    }
    assert_int_equal(hsm_key_make(f->hsm, "one-more", &key, &f->err), EDGE_RANGE);
    fixture_ok(f, hsm_key_drop(f->hsm, "k-3", &f->err));
    (void)make(f, "one-more");
}

static void take_in(struct fixture *f, const char *kind, enum hsm_key_type type, unsigned bits,
                    enum hsm_key_place place) {
    struct secret pkcs8 = {0}, other = {0};
    struct hsm_key key, again;

    signing_key_make(kind, &pkcs8);
    fixture_ok(f, hsm_key_import(f->hsm, "imported", &pkcs8, &key, &f->err));
    assert_int_equal(key.type, type);
    assert_int_equal(key.bits, bits);
    assert_int_equal(key.place, place);
    assert_true(signing_key_is_public(&key, &pkcs8));
    signing_key_check(f->hsm, &key);
    fixture_ok(f, hsm_key_import(f->hsm, "imported", &pkcs8, &again, &f->err));
    assert_memory_equal(&key, &again, sizeof(key));
    reopen(f);
    signing_key_check(f->hsm, &key);
    fixture_ok(f, hsm_key_get(f->hsm, "imported", &again, &f->err));
    assert_memory_equal(&key, &again, sizeof(key));
    signing_key_make("P-256", &other);
    assert_int_equal(hsm_key_import(f->hsm, "imported", &other, &again, &f->err), EDGE_EXISTS);
    assert_int_equal(hsm_key_make(f->hsm, "imported", &again, &f->err), EDGE_EXISTS);
    signing_key_check(f->hsm, &key);
    fixture_ok(f, hsm_key_drop(f->hsm, "imported", &f->err));
    secret_clear(&pkcs8);
    secret_clear(&other);
}

static void imports(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    take_in(f, "P-256", HSM_KEY_P256, 256, HSM_KEY_IN_TPM);
    take_in(f, "P-384", HSM_KEY_P384, 384, HSM_KEY_IN_TPM);
    take_in(f, "RSA-2048", HSM_KEY_RSA, 2048, HSM_KEY_IN_TPM);
    take_in(f, "RSA-3072", HSM_KEY_RSA, 3072, HSM_KEY_IN_TPM);
    fixture_close(f);
    fixture_check_clean(f);
}

/* What this TPM does not take: RSA-4096, sizes that no TPM knows, and here all, when it says so. */
static void sealed_imports(void **state) {
    struct fixture *f = *state;

    fixture_start(f);
    take_in(f, "RSA-4096", HSM_KEY_RSA, 4096, HSM_KEY_SEALED);
    take_in(f, "RSA-2304", HSM_KEY_RSA, 2304, HSM_KEY_SEALED);
    fake_tcti_inject(TPM2_CC_TestParms, TPM2_RC_CURVE + TPM2_RC_P + TPM2_RC_1, 0, 1);
    take_in(f, "P-521", HSM_KEY_P521, 521, HSM_KEY_SEALED);
    fake_tcti_inject(TPM2_CC_TestParms, TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, 0, 1);
    take_in(f, "P-256", HSM_KEY_P256, 256, HSM_KEY_SEALED);
}

static void refused_imports(void **state) {
    static const struct {
        const char *kind;
        enum edge_code code;
    } kinds[] = {
        {"ED25519", EDGE_UNSUPPORTED}, {"secp256k1", EDGE_UNSUPPORTED}, {"RSA-1024", EDGE_RANGE}};
    struct fixture *f = *state;
    struct secret pkcs8 = {0};
    struct hsm_key key;

    fixture_start(f);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        signing_key_make(kinds[i].kind, &pkcs8);
        assert_int_equal(hsm_key_import(f->hsm, "k", &pkcs8, &key, &f->err), kinds[i].code);
        secret_clear(&pkcs8);
    }
    signing_key_make("RSA-2048", &pkcs8);
    pkcs8.data[100] ^= 1; /* in the modulus */
    assert_int_equal(hsm_key_import(f->hsm, "k", &pkcs8, &key, &f->err), EDGE_CONFLICT);
    pkcs8.data[0] = 0x31;
    assert_int_equal(hsm_key_import(f->hsm, "k", &pkcs8, &key, &f->err), EDGE_PARSE);
    secret_clear(&pkcs8);
    assert_int_equal(hsm_key_import(f->hsm, "k", &pkcs8, &key, &f->err), EDGE_RANGE);
    assert_int_equal(fixture_count(f, "key-", false) + fixture_count(f, "key-", true), 0);
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
}

/* The wrapped key in its file, loaded by other software, which does not know the authValue. */
static void no_use_without_the_store_key(void **state) {
    struct fixture *f = *state;
    struct hsm_key key;
    uint8_t file[4096];

    fixture_start(f);
    key = make(f, "ca");
    fixture_close(f);
    size_t len = read_file(f, "key-ca", file, sizeof(file));
    size_t at = 16 + 1 + strlen("ca") + 5 + key.spki_len + 32 + 1 + 34;
    size_t pub_len = ((size_t)file[at] << 8 | file[at + 1]) + 2;
    struct tmpdir *d = tmpdir_new();
    tmpdir_write(d, "pub", file + at, pub_len, 0600);
    tmpdir_write(d, "priv", file + at + pub_len, len - 32 - at - pub_len, 0600);
    tmpdir_write(d, "digest", digest, sizeof(digest), 0600);
    char script[PATH_MAX + 512];
    (void)snprintf(script, sizeof(script),
                   "cd '%s' && tpm2_load -C 0x81000001 -u pub -r priv -c k.ctx >/dev/null",
                   d->path);
    assert_int_equal(swtpm_sh(f->tpm, script), 0);
    (void)snprintf(script, sizeof(script),
                   "cd '%s' && tpm2_sign -c k.ctx -g sha256 -s ecdsa -d digest -o s 2>/dev/null",
                   d->path);
    assert_int_not_equal(swtpm_sh(f->tpm, script), 0);
    (void)snprintf(script, sizeof(script),
                   "cd '%s' && tpm2_duplicate -C null -c k.ctx -G null -r d -s e 2>/dev/null",
                   d->path);
    assert_int_not_equal(swtpm_sh(f->tpm, script), 0);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_flushcontext -t"), 0);
    tmpdir_free(d);
    fixture_start(f);
    signing_key_check(f->hsm, &key);
}

/* A TPM without resource manager has three slots. All kinds of keys take turns; the challenge,
 * which cannot be loaded again, stays. */
static void slots(void **state) {
    static const uint8_t hub[32] = "hub key", nonce[32] = "challenge";
    struct fixture *f = *state;
    struct secret pkcs8 = {0}, derived = {0};
    struct hsm_key made, imported;
    uint8_t mac[HSM_MAC_LEN];

    fixture_start(f);
    uint64_t generation = fixture_import(f, hub, "l");
    made = make(f, "made");
    signing_key_make("P-384", &pkcs8);
    fixture_ok(f, hsm_key_import(f->hsm, "imported", &pkcs8, &imported, &f->err));
    fixture_ok(f, fixture_challenge(f, nonce));
    for (int i = 0; i < 3; i++) {
        signing_key_check(f->hsm, &made);
        fixture_check_sign(f, generation, hub, sizeof(hub));
        fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("m"), &derived, &f->err));
        secret_clear(&derived);
        signing_key_check(f->hsm, &imported);
        fixture_ok(f, hsm_challenge_sign(f->hsm, SLICE_LIT("t"), mac, &f->err));
    }
    hsm_challenge_drop(f->hsm);
    /* Module keys and certificates side by side load nothing again and again. */
    signing_key_check(f->hsm, &made);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("m"), &derived, &f->err));
    secret_clear(&derived);
    uint64_t before = hsm_command_cnt(f->hsm);
    signing_key_check(f->hsm, &made);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("m"), &derived, &f->err));
    assert_int_equal(hsm_command_cnt(f->hsm) - before, 2);
    secret_clear(&derived);
    secret_clear(&pkcs8);
    fixture_close(f);
    fixture_check_clean(f);
}

static void cleared_tpm(void **state) {
    struct fixture *f = *state;
    struct secret pkcs8 = {0};
    struct hsm_key key, all[HSM_KEYS_MAX];

    fixture_start(f);
    (void)make(f, "made");
    signing_key_make("RSA-4096", &pkcs8);
    fixture_ok(f, hsm_key_import(f->hsm, "sealed", &pkcs8, &key, &f->err));
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear -c p"), 0);
    fixture_open(f);
    check_sign_fails(f, "made", EDGE_HSM, "clear");
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_CLEARED);
    assert_int_equal(list(f, all), 2);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    assert_int_equal(list(f, all), 0);
    assert_int_equal(fixture_count(f, "key-", true), 2);
    check_sign_fails(f, "made", EDGE_NOT_FOUND, "made");
    key = make(f, "made");
    signing_key_check(f->hsm, &key);
    fixture_ok(f, hsm_key_import(f->hsm, "sealed", &pkcs8, &key, &f->err));
    signing_key_check(f->hsm, &key);
    secret_clear(&pkcs8);
}

static void damaged_files(void **state) {
    struct fixture *f = *state;
    struct hsm_key key, all[HSM_KEYS_MAX];
    uint8_t file[4096], changed[4096];
    int aside = 0;

    fixture_start(f);
    key = make(f, "ca");
    size_t len = read_file(f, "key-ca", file, sizeof(file));
    for (size_t i = 0; i < len; i += 41) {
        memcpy(changed, file, len);
        changed[i] ^= 0x20;
        tmpdir_write(f->dir, "key-ca", changed, len, 0600);
        reopen(f);
        if (i % 2 == 0) {
            check_sign_fails(f, "ca", EDGE_PARSE, "key-ca.damaged-");
        } else {
            assert_int_equal(hsm_key_get(f->hsm, "ca", &key, &f->err), EDGE_PARSE);
        }
        check_sign_fails(f, "ca", EDGE_NOT_FOUND, "ca");
        assert_int_equal(list(f, all), 0);
        assert_int_equal(fixture_count(f, "key-ca", true), 1);
        assert_int_equal(swtpm_sh(f->tpm, "true"), 0);
        char script[PATH_MAX + 32];
        (void)snprintf(script, sizeof(script), "rm '%s'/key-ca.*", f->dir->path);
        assert_int_equal(swtpm_sh(f->tpm, script), 0);
        aside++;
    }
    assert_true(aside > 5);
    tmpdir_write(f->dir, "key-ca", file, len, 0600);
    tmpdir_write(f->dir, "key-renamed", file, len, 0600);
    check_sign_fails(f, "renamed", EDGE_PARSE, "key-renamed.damaged-");
    signing_key_check(f->hsm, &key);
}

/* A whole key file of another store, and one of the other backend. */
static void foreign_files(void **state) {
    struct fixture *f = *state;
    struct hsm_key key, all[HSM_KEYS_MAX];
    struct secret pkcs8 = {0};
    uint8_t made[4096], sealed[4096];

    fixture_start(f);
    (void)make(f, "made");
    signing_key_make("RSA-2304", &pkcs8);
    fixture_ok(f, hsm_key_import(f->hsm, "sealed", &pkcs8, &key, &f->err));
    size_t made_len = read_file(f, "key-made", made, sizeof(made));
    size_t sealed_len = read_file(f, "key-sealed", sealed, sizeof(sealed));
    fixture_ok(f, hsm_store_abandon(f->hsm, &f->err));
    assert_int_equal(list(f, all), 0);
    check_sign_fails(f, "made", EDGE_NOT_FOUND, "made"); /* also the one that was loaded */
    key = make(f, "new");
    tmpdir_write(f->dir, "key-made", made, made_len, 0600);
    tmpdir_write(f->dir, "key-sealed", sealed, sealed_len, 0600);
    check_sign_fails(f, "made", EDGE_PARSE, "store key");
    check_sign_fails(f, "sealed", EDGE_PARSE, "store key");
    signing_key_check(f->hsm, &key);
    /* Taking the same key in again replaces a file that is of no use. */
    tmpdir_write(f->dir, "key-sealed", sealed, sealed_len, 0600);
    fixture_ok(f, hsm_key_import(f->hsm, "sealed", &pkcs8, &key, &f->err));
    signing_key_check(f->hsm, &key);
    secret_clear(&pkcs8);
    fixture_close(f);

    struct hsm_config soft = {.backend = HSM_BACKEND_SOFT, .state_dir = f->dir->path};
    struct hsm *h = NULL;
    fixture_ok(f, hsm_open(&soft, &h, &f->err));
    assert_int_equal(hsm_key_get(h, "new", &key, &f->err), EDGE_NOT_FOUND);
    fixture_ok(f, hsm_key_make(h, "new", &key, &f->err));
    assert_int_equal(key.place, HSM_KEY_IN_FILE);
    signing_key_check(h, &key);
    hsm_close(h);
    fixture_start(f);
    check_sign_fails(f, "new", EDGE_NOT_FOUND, "backend");
    key = make(f, "new");
    signing_key_check(f->hsm, &key);
    assert_int_equal(fixture_count(f, "key-new", true), 2);
}

static void locked_store(void **state) {
    struct fixture *f = *state;
    struct secret code = {0}, pkcs8 = {0};
    struct hsm_key key, other;

    fixture_start(f);
    key = make(f, "ca");
    fixture_ok(f, secret_copy(&code, "a recovery code of some bytes", 29, &f->err));
    fixture_ok(f, hsm_store_reseal(
                      f->hsm, &(struct hsm_reseal){.pcrs = 1u << 16, .recovery = &code}, &f->err));
    signing_key_check(f->hsm, &key);
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_pcrextend 16:sha256="
                                      "00000000000000000000000000000000000000000000000000000000"
                                      "00000001"),
                     0);
    fixture_start(f);
    check_sign_fails(f, "ca", EDGE_HSM, "reseal");
    assert_int_equal(hsm_get_state(f->hsm), HSM_STATE_READY);
    assert_int_equal(hsm_key_make(f->hsm, "new", &other, &f->err), EDGE_HSM);
    signing_key_make("P-256", &pkcs8);
    assert_int_equal(hsm_key_import(f->hsm, "new", &pkcs8, &other, &f->err), EDGE_HSM);
    fixture_ok(f, hsm_key_get(f->hsm, "ca", &other, &f->err));
    assert_int_equal(fixture_count(f, "key-", true), 0);
    fixture_ok(f, hsm_store_recover(f->hsm, &code, &f->err));
    signing_key_check(f->hsm, &key);
    secret_clear(&code);
    secret_clear(&pkcs8);
}

static void faults(void **state) {
    static const uint32_t codes[] = {TPM2_RC_OBJECT_MEMORY, TPM2_RC_SESSION_MEMORY,
                                     TPM2_RC_REFERENCE_H0, TPM2_RC_REFERENCE_S0, TPM2_RC_RETRY};
    static const uint32_t commands[] = {TPM2_CC_Sign, TPM2_CC_Load};
    struct fixture *f = *state;
    struct hsm_key key, other;

    fixture_start(f);
    key = make(f, "ca");
    other = make(f, "other");
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        for (size_t j = 0; j < EDGE_ARRAY_LEN(commands); j++) {
            fake_tcti_inject(commands[j], codes[i], 0, 1);
            signing_key_check(f->hsm, &key);
            signing_key_check(f->hsm, &other);
        }
    }
    swtpm_reset(f->tpm, false); /* keys, session and connection are gone */
    signing_key_check(f->hsm, &other);
    fake_tcti_inject(TPM2_CC_Sign, TPM2_RC_FAILURE, 0, 9);
    check_sign_fails(f, "ca", EDGE_HSM, "TPM2_Sign");
    fake_tcti_inject(TPM2_CC_Sign, 0, 0, 0);
    fake_tcti_inject(TPM2_CC_TestParms, TPM2_RC_FAILURE, 0, 9);
    struct secret pkcs8 = {0};
    signing_key_make("P-256", &pkcs8);
    assert_int_equal(hsm_key_import(f->hsm, "k", &pkcs8, &other, &f->err), EDGE_HSM);
    secret_clear(&pkcs8);
    fake_tcti_reset();
    signing_key_check(f->hsm, &key);
    fixture_close(f);
    fixture_check_clean(f);
}

/* A TPM that is away is no reason to make another key. */
static void without_the_tpm(void **state) {
    struct fixture *f = *state;
    struct secret pkcs8 = {0};
    struct hsm_key key, got, all[HSM_KEYS_MAX];

    fixture_start(f);
    key = make(f, "ca");
    fixture_close(f);
    swtpm_stop(f->tpm);
    fixture_open(f);
    check_sign_fails(f, "ca", EDGE_HSM, "TPM");
    assert_int_equal(hsm_key_make(f->hsm, "new", &got, &f->err), EDGE_HSM);
    signing_key_make("P-256", &pkcs8);
    assert_int_equal(hsm_key_import(f->hsm, "new", &pkcs8, &got, &f->err), EDGE_HSM);
    secret_clear(&pkcs8);
    fixture_ok(f, hsm_key_get(f->hsm, "ca", &got, &f->err));
    assert_memory_equal(&got, &key, sizeof(key));
    assert_int_equal(list(f, all), 1);
    fixture_close(f);
    swtpm_start(f->tpm);
    fixture_start(f);
    signing_key_check(f->hsm, &key);
}

#define WITH_TPM(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TPM(made_keys),       WITH_TPM(names_and_numbers),
        WITH_TPM(imports),         WITH_TPM(sealed_imports),
        WITH_TPM(refused_imports), WITH_TPM(no_use_without_the_store_key),
        WITH_TPM(slots),           WITH_TPM(cleared_tpm),
        WITH_TPM(damaged_files),   WITH_TPM(foreign_files),
        WITH_TPM(locked_store),    WITH_TPM(faults),
        WITH_TPM(without_the_tpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
