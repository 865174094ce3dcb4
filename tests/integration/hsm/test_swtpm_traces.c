/* SPDX-License-Identifier: MIT */
/*
 * Where the sealed store leaves its secrets: not on the bus, and not in memory that may be swapped
 * out. The store key is caught on its way out of the TPM and kept here in a changed form, so that
 * what is found is not our own.
 */
#include "fixture.h"

#include "support/fake_tcti.h"
#include "support/signing_keys.h"

#include "pkcs8.h"
#include "tpm/tpm_policy.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_LEN 32
#define MASK    0xA5

/* Reads what it should not, and all of it: checks of each byte would take most of the time. */
#if defined(__clang__)
#define RAW_MEMORY                                                                                 \
    __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))
#else
#define RAW_MEMORY                                                                                 \
    __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"),        \
                   optimize("O2")))
#endif

static uint8_t masked_key[KEY_LEN];
static bool caught;

enum edge_code __real_secret_copy(struct secret *s, const void *data, size_t len,
                                  struct edge_error *err);
enum edge_code __wrap_secret_copy(struct secret *s, const void *data, size_t len,
                                  struct edge_error *err);

enum edge_code __wrap_secret_copy(struct secret *s, const void *data, size_t len,
                                  struct edge_error *err) {
    if (len == KEY_LEN) {
        for (size_t i = 0; i < KEY_LEN; i++) {
            masked_key[i] = (uint8_t)(((const uint8_t *)data)[i] ^ MASK);
        }
        caught = true;
    }
    return __real_secret_copy(s, data, len, err);
}

/* Compares without ever having the bytes at one place. */
RAW_MEMORY static bool masked_at(const uint8_t *p, const uint8_t *masked, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)(p[i] ^ MASK) != masked[i]) {
            return false;
        }
    }
    return true;
}

static void mask(const char *text, uint8_t *ret, size_t len) {
    for (size_t i = 0; i < len; i++) {
        ret[i] = (uint8_t)(text[i] ^ MASK);
    }
}

/* Hits in memory of ours that can be written and is not the locked heap of secrets. */
RAW_MEMORY static int hits_in_memory(const uint8_t *masked, size_t len, const void *locked) {
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        return 0; /* valgrind minds, and keeps copies itself */
    }
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], mode[8];
    unsigned long from, to;
    int hits = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r' ||
            mode[1] != 'w' || to - from > 1ul << 30 ||
            ((unsigned long)locked >= from && (unsigned long)locked < to)) {
            continue;
        }
        for (const uint8_t *p = (const uint8_t *)from; p + len <= (const uint8_t *)to; p++) {
            hits += (*p ^ MASK) == masked[0] && masked_at(p, masked, len);
        }
    }
    (void)fclose(maps);
    return hits;
}

static bool saw(const uint8_t *masked, size_t len) {
    uint8_t plain[64];

    for (size_t i = 0; i < len; i++) {
        plain[i] = masked[i] ^ MASK;
    }
    bool found = fake_tcti_saw(plain, len) || fake_tcti_saw(plain, len / 2) ||
                 fake_tcti_saw(plain + len / 2, len - len / 2);
    secret_wipe(plain, sizeof(plain));
    return found;
}

static void nothing_is_left(void **state) {
    static const char code_text[] = "recovery-code-of-24-byte",
                      record_text[] = "record-of-24-bytes-12345";
    static uint8_t code[24], record[24], auth[KEY_LEN];
    struct fixture *f = *state;
    struct secret value = {0}, recovery = {0}, back = {0};
    struct hsm_reseal how = {.pcrs = 1u << 7 | 1u, .recovery = &recovery};
    TPM2B_AUTH auth_value;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    mask(code_text, code, sizeof(code));
    mask(record_text, record, sizeof(record));
    fixture_start(f);
    fixture_ok(f, secret_copy(&value, record_text, sizeof(record), &f->err));
    fixture_ok(f, secret_copy(&recovery, code_text, sizeof(code), &f->err));
    fixture_ok(f, tpm_policy_recovery_auth(&recovery, &auth_value, &f->err));
    mask((const char *)auth_value.buffer, auth, sizeof(auth));
    secret_wipe(&auth_value, sizeof(auth_value));
    fixture_ok(f, hsm_record_put(f->hsm, "r", &value, &f->err));
    fixture_ok(f, hsm_store_reseal(f->hsm, &how, &f->err));
    fixture_ok(f, hsm_store_recover(f->hsm, &recovery, &f->err));
    fixture_close(f);
    fixture_open(f);
    fixture_ok(f, hsm_record_get(f->hsm, "r", &back, &f->err));
    assert_true(secret_equal(&value, &back));
    assert_true(caught);
    assert_true(fake_tcti_count(TPM2_CC_Unseal) >= 4);
    /* On the bus. */
    assert_false(saw(masked_key, sizeof(masked_key)));
    assert_false(saw(auth, sizeof(auth)));
    assert_false(saw(code, sizeof(code)));
    assert_false(saw(record, sizeof(record)));
    /* In memory, while all of it is in use. (The TSS leaves the recovery password in what it freed;
     * there is no way to wipe that.) */
    assert_int_equal(hits_in_memory(masked_key, sizeof(masked_key), value.data), 0);
    secret_clear(&value);
    secret_clear(&recovery);
    secret_clear(&back);
}

/* A key that this process has never had in other memory: made by a child. */
static void key_by_child(struct fixture *f, const char *kind, struct secret *ret) {
    int status = 1;

    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct secret key = {0};
        signing_key_make(kind, &key);
        tmpdir_write(f->dir, "given", key.data, key.len, 0600);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    int fd = openat(f->dir->fd, "given", O_RDONLY);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    fixture_ok(f, secret_alloc(ret, (size_t)st.st_size, &f->err));
    assert_int_equal(read(fd, ret->data, ret->len), st.st_size);
    (void)close(fd);
    assert_int_equal(unlinkat(f->dir->fd, "given", 0), 0);
}

/* As bytes and as the library keeps numbers. */
static void check_number(struct slice number, const void *locked, const char *what) {
    uint8_t forth[512], back[512];

    assert_in_range(number.len, 24, sizeof(forth));
    mask(number.ptr, forth, number.len);
    for (size_t i = 0; i < number.len; i++) {
        back[i] = forth[number.len - 1 - i];
    }
    int hits = hits_in_memory(forth, number.len, locked) + hits_in_memory(back, number.len, locked);
    if (hits != 0) {
        fail_msg("%s: %d copies", what, hits);
    }
}

static void the_search_finds(void **state) {
    uint8_t *copy = malloc(32), masked[32];

    (void)state;
    assert_non_null(copy);
    for (size_t i = 0; i < sizeof(masked); i++) {
        masked[i] = (uint8_t)(i * 7 + 3);
        copy[i] = masked[i] ^ MASK;
    }
    assert_int_equal(hits_in_memory(masked, sizeof(masked), NULL), 1);
    free(copy);
}

static void signing_keys_leave_nothing(void **state) {
    static const struct {
        const char *kind;
        bool refused;
        enum hsm_key_place place;
    } keys[] = {{"RSA-2048", false, HSM_KEY_IN_TPM},
                {"P-384", false, HSM_KEY_IN_TPM},
                {"RSA-2304", false, HSM_KEY_SEALED},
                {"P-256", true, HSM_KEY_SEALED}};
    struct fixture *f = *state;

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    fixture_start(f);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(keys); i++) {
        struct secret pkcs8 = {0};
        struct pkcs8_key k;
        struct hsm_key key;
        key_by_child(f, keys[i].kind, &pkcs8);
        if (keys[i].refused) {
            fake_tcti_inject(TPM2_CC_TestParms, TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, 0, 1);
        }
        fixture_ok(f, hsm_key_import(f->hsm, "k", &pkcs8, &key, &f->err));
        assert_int_equal(key.place, keys[i].place);
        signing_key_check(f->hsm, &key);
        signing_key_check(f->hsm, &key);
        fixture_ok(f, pkcs8_parse(secret_slice(&pkcs8), &k, &f->err));
        if (k.type == HSM_KEY_RSA) {
            check_number(k.rsa.p, pkcs8.data, "first prime");
            check_number(k.rsa.d, pkcs8.data, "private exponent");
        } else {
            check_number(k.ec, pkcs8.data, "private value");
        }
        fixture_ok(f, hsm_key_drop(f->hsm, "k", &f->err));
        secret_clear(&pkcs8);
    }
}

/* Right after the command: nothing that comes later has overwritten anything. */
static void derived_keys_leave_nothing(void **state) {
    struct fixture *f = *state;
    struct secret key = {0};
    uint8_t masked[HSM_MAC_LEN];

    fixture_ok(f, secret_heap_init(NULL, &f->err));
    fixture_start(f);
    fixture_ok(f, hsm_root_derive(f->hsm, SLICE_LIT("module"), &key, &f->err));
    assert_int_equal(key.len, sizeof(masked));
    for (size_t i = 0; i < sizeof(masked); i++) {
        masked[i] = (uint8_t)(key.data[i] ^ MASK);
    }
    assert_int_equal(hits_in_memory(masked, sizeof(masked), key.data), 0);
    secret_clear(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_finds),
        cmocka_unit_test_setup_teardown(derived_keys_leave_nothing, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(signing_keys_leave_nothing, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
