/* SPDX-License-Identifier: MIT */
#include "provisioning/takeover_clean.h"

#include "base/fs_wipe.h"
#include "base/legacy_files.h"
#include "support/alloc_fail.h"
#include "support/fake_hsm.h"
#include "support/legacy_pki.h"
#include "support/legacy_state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MASTER "some-master"
#define FORMER "some-former"

#define ID_KEY "external_prov/id_key"

struct fixture {
    struct tmpdir *home;
    struct hsm *hsm;
    struct edge_config cfg;
    struct legacy_pki pki;
    struct takeover_clean_facts facts;
    struct takeover_clean c;
    struct edge_error err;
};

/* A device with a certificate, on which everything has been taken over. */
static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){.home = tmpdir_new(), .hsm = fake_hsm_new()};
    f.cfg.provisioning.source = CONFIG_SOURCE_MANUAL;
    f.cfg.provisioning.credential = CONFIG_CREDENTIAL_X509;
    f.facts = (struct takeover_clean_facts){
        .has_identity = true,
        .legacy_root = 1,
        .chain_is_safe = true,
        .master_records = {MASTER, FORMER},
    };
    legacy_state_make(f.home);
    legacy_state_hybrid(f.home);
    legacy_pki_make(&f.pki, f.home, 3, 1600000000, 1800000000);
    assert_int_equal(mkdirat(f.home->fd, "external_prov", 0755), 0);
    tmpdir_write(f.home, ID_KEY, "key", 3, 0600);
    tmpdir_write(f.home, "external_prov/id_cert", "cert", 4, 0644);
    struct secret master SECRET_CLEANUP = {0};
    assert_int_equal(legacy_files_master(f.home->path, &master, NULL), EDGE_OK);
    assert_int_equal(hsm_record_put(f.hsm, MASTER, &master, NULL), EDGE_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    legacy_pki_free(&f->pki);
    tmpdir_free(f->home);
    hsm_close(f->hsm);
    return 0;
}

static enum edge_code clean(struct fixture *f) {
    return takeover_clean_run(&f->cfg, f->home->path, f->hsm, &f->facts, &f->c, &f->err);
}

static bool has(const struct fixture *f, const char *path) {
    return faccessat(f->home->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool says(const struct fixture *f, const char *text) {
    return strstr(f->c.note, text) != NULL;
}

/* Bits: master key, chain, hybrid_id, external key. */
static unsigned left(const struct fixture *f) {
    return (has(f, LEGACY_MASTER_PATH) ? 1u : 0) |
           (has(f, LEGACY_PKI_KEY(LEGACY_PKI_OWNER)) ? 2u : 0) |
           (has(f, LEGACY_HYBRID_PATH) || has(f, LEGACY_IV_PATH) ? 4u : 0) |
           (has(f, ID_KEY) ? 8u : 0);
}

static void test_all_is_removed(void **state) {
    struct fixture *f = *state;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
    assert_true(f->c.is_complete);
    assert_int_equal(f->c.removed, 1 + LEGACY_PKI_FILES + 2 + 1);
    assert_true(says(f, "removed 4 files of release 1.1 from 'hsm/cert_keys'"));
    assert_true(says(f, "removed 1 file of release 1.1 from 'hsm/enc_keys'"));
    assert_false(says(f, "left"));
    assert_true(has(f, LEGACY_PKI_CERT(LEGACY_PKI_OWNER)));
    assert_true(has(f, "external_prov/id_cert"));
    assert_true(has(f, LEGACY_DIGEST_PATH));
    /* Once more: nothing to do, nothing to tell. */
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(f->c.removed, 0);
    assert_true(f->c.is_complete);
    assert_string_equal(f->c.note, "");
}

static void test_nothing_there(void **state) {
    struct fixture *f = *state;
    assert_int_equal(takeover_clean_run(&f->cfg, "/nowhere/at/all", f->hsm, &f->facts, &f->c, NULL),
                     EDGE_OK);
    assert_true(f->c.is_complete);
    assert_string_equal(f->c.note, "");
}

static void test_each_waits_for_its_own(void **state) {
    struct fixture *f = *state;
    f->facts.chain_is_safe = false;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 2);
    assert_false(f->c.is_complete);
    assert_true(says(f,
                     "'hsm/cert_keys' is left until the device has a chain of its own and the time "
                     "is confirmed"));
    f->facts.chain_is_safe = true;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
    assert_true(f->c.is_complete);
}

static void test_no_identity_yet(void **state) {
    struct fixture *f = *state;
    f->facts.has_identity = false;
    assert_int_equal(clean(f), EDGE_OK);
    /* hybrid_id cannot be read without the master key. */
    assert_int_equal(left(f), 1 + 4 + 8);
    assert_true(says(f, "'hybrid_id' is left until the device has its identity from us"));
    assert_true(says(f, "'hsm/enc_keys' is left until"));
}

static void test_root_of_module_keys(void **state) {
    struct fixture *f = *state;
    f->facts.legacy_root = 0;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1 + 4);
    assert_true(says(f, "until the hub has new keys of all modules"));
    f->facts.legacy_root = 77; /* a key that is not there */
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1 + 4);
    f->facts.modules_are_ours = true;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
}

static void test_root_is_not_needed(void **state) {
    struct fixture *f = *state;
    f->facts.legacy_root = 0;
    f->cfg.provisioning.credential = CONFIG_CREDENTIAL_KEY;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
}

static void test_master_is_not_in_the_store(void **state) {
    struct fixture *f = *state;
    struct secret other SECRET_CLEANUP = {0};
    assert_int_equal(hsm_record_drop(f->hsm, MASTER, NULL), EDGE_OK);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1);
    assert_true(says(f, "'hsm/enc_keys' is left until the key store has the master key"));
    assert_int_equal(secret_alloc(&other, 32, NULL), EDGE_OK);
    assert_int_equal(hsm_record_put(f->hsm, MASTER, &other, NULL), EDGE_OK);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1);
    fake_hsm_damage_record(f->hsm, MASTER);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1);
    for (size_t i = 0; i < other.len; i++) {
        other.data[i] = (uint8_t)i;
    }
    assert_int_equal(hsm_record_put(f->hsm, FORMER, &other, NULL), EDGE_OK);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
}

static void test_master_open_to_others(void **state) {
    struct fixture *f = *state;
    assert_int_equal(fchmodat(f->home->fd, LEGACY_MASTER_PATH, 0644, 0), 0);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 1);
}

static void test_store_that_does_not_answer(void **state) {
    struct fixture *f = *state;
    fake_hsm_fail(f->hsm, 1, EDGE_BUSY);
    assert_int_equal(clean(f), EDGE_BUSY);
    assert_int_equal(left(f), 1 + 4 + 8);
    assert_false(f->c.is_complete);
    assert_true(says(f, "removed 4 files"));
    assert_non_null(strstr(f->err.text, "removing what release 1.1 left"));
    fake_hsm_lock_store(f->hsm);
    assert_int_equal(clean(f), EDGE_HSM);
    assert_int_equal(left(f), 1);
}

static void test_unknown_files(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {
        "hsm/cert_keys/operator.key.pem",
        "hsm/cert_keys/notes.txt",
        "hsm/enc_keys/other.enc.key",
        "hybrid_id/iotedge_hybrid_key.bak",
        /* The name of a key, and something else in it. */
        LEGACY_PKI_KEY("moduleGrw6jn-HzmxG8plggnAjPDuGJr0qGW94X1KnqPwU9ng_"),
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        tmpdir_write(f->home, names[i], "text", 4, 0600);
    }
    assert_int_equal(symlinkat("/etc/passwd", f->home->fd, "hsm/cert_keys/link.key.pem"), 0);
    assert_int_equal(mkdirat(f->home->fd, "hsm/cert_keys/folder", 0700), 0);
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
    assert_true(f->c.is_complete);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(names); i++) {
        assert_true(has(f, names[i]));
    }
    assert_true(has(f, "hsm/cert_keys/link.key.pem"));
    assert_true(says(f, "hsm/cert_keys/notes.txt' is left: it is no key of release 1.1"));
}

static void test_damaged_hybrid(void **state) {
    struct fixture *f = *state;
    tmpdir_write(f->home, LEGACY_HYBRID_PATH, "short", 5, 0644);
    assert_int_equal(clean(f), EDGE_OK);
    assert_true(has(f, LEGACY_HYBRID_PATH));
    assert_true(says(f, "iotedge_hybrid_key"));
}

/* An operator has made 1.1's device CA their own. */
static void test_configured_files(void **state) {
    struct fixture *f = *state;
    char path[5000];
    (void)snprintf(path, sizeof(path), "%s/%s", f->home->path, LEGACY_PKI_KEY(LEGACY_PKI_DEVICE));
    f->cfg.device_ca_pk = path;
    assert_int_equal(clean(f), EDGE_OK);
    assert_int_equal(left(f), 0);
    assert_true(has(f, LEGACY_PKI_KEY(LEGACY_PKI_DEVICE)));
    assert_false(has(f, LEGACY_PKI_KEY(LEGACY_PKI_WORKLOAD)));
}

static void test_rest_of_a_cut(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        renameat(f->home->fd, LEGACY_MASTER_PATH, f->home->fd, LEGACY_MASTER_PATH FS_WIPE_SUFFIX),
        0);
    f->facts.chain_is_safe = false;
    assert_int_equal(clean(f), EDGE_OK);
    assert_false(has(f, LEGACY_MASTER_PATH FS_WIPE_SUFFIX));
    assert_int_equal(left(f), 2);
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    f->facts.chain_is_safe = false; /* so that each round has something to do */
    return clean(f);
}

static void test_allocation_torture(void **state) {
    assert_true(alloc_fail_torture(torture, *state) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_waits_for_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_identity_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_of_module_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_is_not_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_master_is_not_in_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_master_open_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_that_does_not_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_hybrid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_configured_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_of_a_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
