/* SPDX-License-Identifier: MIT */
/*
 * Checks of the key store on the device node of a kernel. Runs inside a virtual machine.
 *
 * usage: guest_probe COMMAND TCTI FOLDER [ARGUMENT]...
 * FOLDER holds the key files (keys/) and what the run before a reboot expects to find (expect).
 */
#include "guest/guest_raw.h"
#include "support/dps_blob.h"

#include "base/mac.h"
#include "hsm/hsm.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FAILURES     100
#define LOAD_ROUNDS  8
#define DATA_MAX     100000
#define PUBLISHED_AT 0x81000100u
#define BARE         "device:/dev/tpm0" /* sees what the resource manager keeps for others */

static const uint8_t key_a[32] = "first key: the nonce of the 401";
static const uint8_t key_b[32] = "second key: it names the device";

/* What must be the same after a reboot. */
struct expect {
    struct hsm_attestation keys;
    uint8_t fingerprint[HSM_FINGERPRINT_LEN];
    uint8_t derived[HSM_MAC_LEN];
    uint64_t generation;
};

static const char *tcti;
static const char *folder;
static char **arguments;
static char state_dir[PATH_MAX];
static struct hsm *hsm; /* of the group */
static struct edge_error err;
static struct expect expect;

static void ok(enum edge_code code) {
    if (code != EDGE_OK) {
        fail_msg("%s, %s: %s", edge_code_name(code), hsm_state_name(hsm_get_state(hsm)),
                 edge_error_text(&err));
    }
}

static void open_store(void) {
    const struct hsm_config cfg = {
        .backend = HSM_BACKEND_TPM, .state_dir = state_dir, .tcti = tcti};

    (void)snprintf(state_dir, sizeof(state_dir), "%s/keys", folder);
    ok(hsm_open(&cfg, &hsm, &err));
}

static void close_store(void) {
    hsm_close(hsm);
    hsm = NULL;
}

static void expect_file(bool write_it) {
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/expect", folder);
    int fd = open(path, write_it ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600);
    assert_true(fd >= 0);
    ssize_t n = write_it ? write(fd, &expect, sizeof(expect)) : read(fd, &expect, sizeof(expect));
    assert_int_equal(n, sizeof(expect));
    assert_int_equal(close(fd), 0);
}

static size_t blob_of(const uint8_t key[32], uint8_t out[DPS_BLOB_MAX]) {
    return dps_blob_make(expect.keys.ek, expect.keys.srk, key, NULL, out);
}

static uint64_t import(const uint8_t key[32]) {
    uint8_t blob[DPS_BLOB_MAX];
    uint64_t generation = 0;
    size_t len = blob_of(key, blob);

    ok(hsm_identity_import_blob(hsm, slice_make(blob, len), SLICE_LIT("hub/device"), &generation,
                                &err));
    return generation;
}

static void challenge(const uint8_t key[32]) {
    uint8_t blob[DPS_BLOB_MAX];
    size_t len = blob_of(key, blob);

    ok(hsm_challenge_load(hsm, slice_make(blob, len), &err));
}

static void check_mac(const uint8_t key[32], const void *data, size_t len, const uint8_t *mac) {
    uint8_t want[HSM_MAC_LEN];

    ok(hmac_sha256(key, 32, data, len, want, &err));
    assert_memory_equal(mac, want, sizeof(want));
}

static void check_identity(uint64_t generation, const uint8_t key[32]) {
    uint8_t mac[HSM_MAC_LEN];

    ok(hsm_identity_sign(hsm, generation, SLICE_LIT("text"), mac, &err));
    check_mac(key, "text", 4, mac);
}

static void check_challenge(const uint8_t key[32]) {
    uint8_t mac[HSM_MAC_LEN];

    ok(hsm_challenge_sign(hsm, SLICE_LIT("text"), mac, &err));
    check_mac(key, "text", 4, mac);
}

static void derive(uint8_t ret[HSM_MAC_LEN]) {
    struct secret key = {0};

    ok(hsm_root_derive(hsm, SLICE_LIT("a module"), &key, &err));
    assert_int_equal(key.len, HSM_MAC_LEN);
    memcpy(ret, key.data, HSM_MAC_LEN);
    secret_clear(&key);
}

static void check_record(void) {
    struct secret plain = {0};

    ok(hsm_record_get(hsm, "probe", &plain, &err));
    assert_int_equal(plain.len, sizeof(key_a));
    assert_memory_equal(plain.data, key_a, sizeof(key_a));
    secret_clear(&plain);
}

static void put_record(void) {
    struct secret plain = {0};

    ok(secret_copy(&plain, key_a, sizeof(key_a), &err));
    ok(hsm_record_put(hsm, "probe", &plain, &err));
    secret_clear(&plain);
}

/* --- first: a blank TPM and an empty folder --- */

static void keys_are_made(void **state) {
    (void)state;
    ok(hsm_start(hsm, &err));
    assert_int_equal(hsm_get_state(hsm), HSM_STATE_READY);
    ok(hsm_attestation_get(hsm, &expect.keys, &err));
    assert_int_equal(expect.keys.ek_len, 316);
    assert_int_equal(expect.keys.srk_len, 284);
}

static void session_is_refreshed_by_one_command(void **state) {
    (void)state;
    uint64_t before = hsm_command_cnt(hsm);
    ok(hsm_refresh(hsm, &err));
    assert_int_equal(hsm_command_cnt(hsm) - before, 1);
}

static void refresh_without_session_does_nothing(void **state) {
    (void)state;
    ok(hsm_refresh(hsm, &err));
    assert_int_equal(hsm_command_cnt(hsm), 0);
}

static void root_derives_by_one_command(void **state) {
    uint8_t again[HSM_MAC_LEN];

    (void)state;
    ok(hsm_root_fingerprint(hsm, expect.fingerprint, &err));
    uint64_t before = hsm_command_cnt(hsm);
    derive(expect.derived);
    assert_int_equal(hsm_command_cnt(hsm) - before, 1);
    derive(again);
    assert_int_equal(hsm_command_cnt(hsm) - before, 2);
    assert_memory_equal(expect.derived, again, sizeof(again));
}

static void identity_is_imported_published_and_dropped(void **state) {
    uint8_t mac[HSM_MAC_LEN];

    (void)state;
    uint64_t old = import(key_a);
    expect.generation = import(key_b);
    check_identity(old, key_a);
    check_identity(expect.generation, key_b);
    ok(hsm_identity_publish(hsm, old, &err));
    ok(hsm_identity_publish(hsm, expect.generation, &err));
    ok(hsm_identity_drop(hsm, old, &err));
    assert_int_equal(hsm_identity_sign(hsm, old, SLICE_LIT("x"), mac, &err), EDGE_NOT_FOUND);
    check_identity(expect.generation, key_b);
}

static void data_of_any_length_is_signed(void **state) {
    static const size_t lens[] = {0, 1, 64, 1023, 1024, 1025, 2048, 5500, DATA_MAX};
    static uint8_t data[DATA_MAX];
    uint8_t mac[HSM_MAC_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < EDGE_ARRAY_LEN(lens); i++) {
        ok(hsm_identity_sign(hsm, expect.generation, slice_make(data, lens[i]), mac, &err));
        check_mac(key_b, data, lens[i], mac);
    }
}

static void records_are_kept(void **state) {
    (void)state;
    put_record();
    check_record();
}

/* More keys than the resource manager keeps for one connection, one after the other. */
static void keys_share_the_slots(void **state) {
    uint8_t derived[HSM_MAC_LEN];

    (void)state;
    challenge(key_a);
    for (int i = 0; i < 3; i++) {
        check_challenge(key_a);
        check_identity(expect.generation, key_b);
        derive(derived);
        assert_memory_equal(derived, expect.derived, sizeof(derived));
        check_record();
    }
    check_challenge(key_a);
}

static void failing_activations_leave_nothing(void **state) {
    uint8_t blob[DPS_BLOB_MAX], derived[HSM_MAC_LEN];

    (void)state;
    for (int i = 0; i < FAILURES; i++) {
        size_t len = blob_of(key_a, blob);
        /* Another part of the blob each time: credential, encrypted secrets, key. */
        blob[dps_blob_field(blob, (unsigned)i % 4 + 1) + 20] ^= 0x40;
        assert_int_equal(hsm_challenge_load(hsm, slice_make(blob, len), &err), EDGE_DENIED);
    }
    assert_int_equal(raw_count(BARE).sessions, 1); /* ours, which stays */
    check_identity(expect.generation, key_b);
    derive(derived);
    assert_memory_equal(derived, expect.derived, sizeof(derived));
    challenge(key_b);
    check_challenge(key_b);
    hsm_challenge_drop(hsm);
}

static void closing_leaves_nothing(void **state) {
    (void)state;
    close_store();
    struct raw_counts counts = raw_count(BARE);
    assert_int_equal(counts.sessions, 0);
    assert_int_equal(counts.transient, 0);
    expect_file(true);
}

/* --- again: the same TPM and folder after a reboot --- */

static void the_same_keys_are_found(void **state) {
    struct hsm_attestation keys;
    uint8_t bytes[HSM_FINGERPRINT_LEN];

    (void)state;
    expect_file(false);
    ok(hsm_start(hsm, &err));
    ok(hsm_attestation_get(hsm, &keys, &err));
    assert_memory_equal(&keys, &expect.keys, sizeof(keys));
    ok(hsm_root_fingerprint(hsm, bytes, &err));
    assert_memory_equal(bytes, expect.fingerprint, sizeof(bytes));
    derive(bytes);
    assert_memory_equal(bytes, expect.derived, sizeof(bytes));
    check_identity(expect.generation, key_b);
    check_record();
}

static void the_published_key_is_there(void **state) {
    const struct hsm_config cfg = {.backend = HSM_BACKEND_TPM, .tcti = tcti};
    static struct hsm_tpm_info info;
    enum hsm_state condition;
    bool found = false;

    (void)state;
    ok(hsm_probe(&cfg, &info, &condition, &err));
    assert_true(info.ek_persistent && info.srk_persistent);
    for (size_t i = 0; i < info.handle_cnt; i++) {
        found = found || info.handles[i].handle == PUBLISHED_AT;
    }
    assert_true(found);
}

/* --- load: many operations, beside another process that does the same --- */

static void nothing_is_disturbed(void **state) {
    uint8_t first[HSM_MAC_LEN], derived[HSM_MAC_LEN];

    (void)state;
    ok(hsm_attestation_get(hsm, &expect.keys, &err));
    derive(first);
    put_record();
    for (int i = 0; i < LOAD_ROUNDS; i++) {
        const uint8_t *key = i % 2 == 0 ? key_a : key_b;
        challenge(key);
        uint64_t generation = import(key);
        check_challenge(key);
        check_identity(generation, key);
        derive(derived);
        assert_memory_equal(derived, first, sizeof(first));
        check_record();
        ok(hsm_identity_drop(hsm, generation, &err));
    }
}

/* --- single commands --- */

/* Arguments: the state that starting must give, and texts that the error must contain. */
static void start_fails(void **state) {
    (void)state;
    enum edge_code code = hsm_start(hsm, &err);
    const char *got = hsm_state_name(hsm_get_state(hsm));
    print_message("# %s, %s: %s\n", edge_code_name(code), got, edge_error_text(&err));
    assert_int_not_equal(code, EDGE_OK);
    assert_string_equal(got, arguments[0]);
    for (char **text = arguments + 1; *text != NULL; text++) {
        if (strstr(edge_error_text(&err), *text) == NULL) {
            fail_msg("the text does not contain '%s'", *text);
        }
    }
}

static void store_starts(void **state) {
    (void)state;
    ok(hsm_start(hsm, &err));
}

/* A clear while our session and keys are loaded. */
static void clear_is_noticed(void **state) {
    uint8_t mac[HSM_MAC_LEN];

    (void)state;
    expect_file(false);
    check_identity(expect.generation, key_b);
    derive(mac);
    raw_clear(tcti);
    assert_int_not_equal(hsm_identity_sign(hsm, expect.generation, SLICE_LIT("x"), mac, &err),
                         EDGE_OK);
    assert_int_equal(hsm_get_state(hsm), HSM_STATE_CLEARED);
}

static void new_keys_replace_those_of_before(void **state) {
    struct hsm_attestation keys;
    uint8_t mac[HSM_MAC_LEN];

    (void)state;
    expect_file(false);
    ok(hsm_attestation_get(hsm, &keys, &err));
    assert_memory_equal(keys.ek, expect.keys.ek, sizeof(keys.ek));
    assert_memory_not_equal(keys.srk, expect.keys.srk, sizeof(keys.srk));
    assert_int_equal(hsm_identity_sign(hsm, expect.generation, SLICE_LIT("x"), mac, &err),
                     EDGE_DENIED);
    expect.keys = keys;
    check_identity(import(key_a), key_a);
    ok(hsm_root_fingerprint(hsm, mac, &err));
    assert_memory_not_equal(mac, expect.fingerprint, sizeof(mac));
}

static void nothing_is_left_in_the_tpm(void **state) {
    (void)state;
    struct raw_counts counts = raw_count(BARE);
    assert_int_equal(counts.sessions, 0);
    assert_int_equal(counts.transient, 0);
}

static void slots_are_filled(void **state) {
    (void)state;
    raw_fill(tcti);
}

static void slots_are_freed(void **state) {
    (void)state;
    raw_flush(tcti);
}

/* Keeps session and keys until it is killed. */
static void hold(void) {
    uint8_t mac[HSM_MAC_LEN];

    open_store();
    ok(hsm_attestation_get(hsm, &expect.keys, &err));
    challenge(key_a);
    derive(mac);
    print_message("# holding\n");
    (void)fflush(stdout);
    for (;;) {
        (void)pause();
    }
}

static int group_open(void **state) {
    (void)state;
    open_store();
    return 0;
}

static int group_close(void **state) {
    (void)state;
    close_store();
    return 0;
}

#define RUN_GROUP(name, ...)                                                                       \
    do {                                                                                           \
        const struct CMUnitTest name[] = {__VA_ARGS__};                                            \
        return cmocka_run_group_tests(name, group_open, group_close);                              \
    } while (0)

static int run(const char *command) {
    if (strcmp(command, "first") == 0) {
        RUN_GROUP(first, cmocka_unit_test(refresh_without_session_does_nothing),
                  cmocka_unit_test(keys_are_made),
                  cmocka_unit_test(session_is_refreshed_by_one_command),
                  cmocka_unit_test(root_derives_by_one_command),
                  cmocka_unit_test(identity_is_imported_published_and_dropped),
                  cmocka_unit_test(data_of_any_length_is_signed),
                  cmocka_unit_test(records_are_kept), cmocka_unit_test(keys_share_the_slots),
                  cmocka_unit_test(failing_activations_leave_nothing),
                  cmocka_unit_test(closing_leaves_nothing));
    }
    if (strcmp(command, "again") == 0) {
        RUN_GROUP(again, cmocka_unit_test(the_same_keys_are_found),
                  cmocka_unit_test(the_published_key_is_there));
    }
    if (strcmp(command, "load") == 0) {
        RUN_GROUP(load, cmocka_unit_test(nothing_is_disturbed));
    }
    if (strcmp(command, "start") == 0) {
        RUN_GROUP(start, cmocka_unit_test(store_starts));
    }
    if (strcmp(command, "start-fails") == 0) {
        RUN_GROUP(fails, cmocka_unit_test(start_fails));
    }
    if (strcmp(command, "clear") == 0) {
        RUN_GROUP(clear, cmocka_unit_test(clear_is_noticed));
    }
    if (strcmp(command, "renew") == 0) {
        RUN_GROUP(renew, cmocka_unit_test(new_keys_replace_those_of_before));
    }
    if (strcmp(command, "clean") == 0) {
        RUN_GROUP(clean, cmocka_unit_test(nothing_is_left_in_the_tpm));
    }
    if (strcmp(command, "fill") == 0) {
        RUN_GROUP(fill, cmocka_unit_test(slots_are_filled));
    }
    if (strcmp(command, "flush") == 0) {
        RUN_GROUP(flush, cmocka_unit_test(slots_are_freed));
    }
    if (strcmp(command, "hold") == 0) {
        hold();
    }
    (void)fprintf(stderr, "guest_probe: no command '%s'\n", command);
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        (void)fprintf(stderr, "usage: guest_probe COMMAND TCTI FOLDER [ARGUMENT]...\n");
        return 2;
    }
    tcti = argv[2];
    folder = argv[3];
    arguments = argv + 4;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return run(argv[1]);
}
