/* SPDX-License-Identifier: MIT */
/*
 * Taking over from release 1.1, one form of provisioning after the other, against a key store that
 * keeps its keys in an array.
 */
#include "provisioning/takeover.h"

#include "base/b64.h"
#include "base/mac.h"
#include "provisioning/key_label.h"
#include "provisioning/state.h"
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

#define INPUTS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* --- The key store --- */

struct stored {
    struct hsm_identity info;
    uint8_t key[64];
    size_t len;
};

static struct {
    struct stored keys[HSM_IDENTITY_MAX];
    size_t cnt;
    uint64_t next_generation;
    enum hsm_state state;
    enum edge_code start_code, list_code, adopt_code, import_code, sign_code;
    bool is_started;
} store;

static enum edge_code answer(enum edge_code code, struct edge_error *err) {
    return code == EDGE_OK ? code : edge_set(err, code, "scripted (%s)", edge_code_name(code));
}

enum edge_code hsm_start(struct hsm *h, struct edge_error *err) {
    (void)h;
    store.is_started = true;
    return answer(store.start_code, err);
}

enum hsm_state hsm_get_state(const struct hsm *h) {
    (void)h;
    return store.state;
}

enum edge_code hsm_identity_list(struct hsm *h, struct hsm_identity ret[HSM_IDENTITY_MAX],
                                 size_t *ret_cnt, struct edge_error *err) {
    (void)h;
    for (size_t i = 0; i < store.cnt; i++) {
        ret[i] = store.keys[i].info;
    }
    *ret_cnt = store.cnt;
    return answer(store.list_code, err);
}

static enum edge_code add(const uint8_t *key, size_t len, struct slice label,
                          uint64_t *ret_generation, struct edge_error *err) {
    if (store.cnt == HSM_IDENTITY_MAX) {
        return edge_set(err, EDGE_RANGE, "there are too many keys");
    }
    struct stored *s = &store.keys[store.cnt++];
    memset(s, 0, sizeof(*s));
    assert_true(slice_to_array(label, s->info.label, sizeof(s->info.label)));
    memcpy(s->key, key, len);
    s->len = len;
    s->info.generation = store.next_generation++;
    *ret_generation = s->info.generation;
    return EDGE_OK;
}

enum edge_code hsm_identity_import_key(struct hsm *h, const struct secret *key, struct slice label,
                                       uint64_t *ret_generation, struct edge_error *err) {
    (void)h;
    assert_true(store.is_started);
    enum edge_code code = answer(store.import_code, err);
    return code == EDGE_OK ? add(key->data, key->len, label, ret_generation, err) : code;
}

/* The hub key in the TPM is bytes 0x40 to 0x5f. */
enum edge_code hsm_identity_adopt(struct hsm *h, struct slice label, uint64_t *ret_generation,
                                  struct edge_error *err) {
    (void)h;
    uint8_t key[32];
    assert_true(store.is_started);
    enum edge_code code = answer(store.adopt_code, err);
    for (size_t i = 0; code == EDGE_OK && i < store.cnt; i++) {
        if (store.keys[i].info.adopted) {
            *ret_generation = store.keys[i].info.generation;
            return EDGE_OK;
        }
    }
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(0x40 + i);
    }
    if (code == EDGE_OK) {
        code = add(key, sizeof(key), label, ret_generation, err);
    }
    if (code == EDGE_OK) {
        store.keys[store.cnt - 1].info.adopted = true;
    }
    return code;
}

enum edge_code hsm_identity_sign(struct hsm *h, uint64_t generation, struct slice data,
                                 uint8_t ret_mac[HSM_MAC_LEN], struct edge_error *err) {
    (void)h;
    enum edge_code code = answer(store.sign_code, err);
    for (size_t i = 0; code == EDGE_OK && i < store.cnt; i++) {
        const struct stored *s = &store.keys[i];
        if (s->info.generation == generation) {
            return hmac_sha256(s->key, s->len, data.ptr, data.len, ret_mac, err);
        }
    }
    return code != EDGE_OK ? code : edge_set(err, EDGE_NOT_FOUND, "no such key");
}

/* Taking over drops nothing. */
enum edge_code hsm_identity_drop(struct hsm *h, uint64_t generation, struct edge_error *err) {
    (void)h;
    fail_msg("key %llu is dropped", (unsigned long long)generation);
    return edge_set(err, EDGE_INTERNAL, "not reached");
}

/* --- Fixture --- */

struct fixture {
    struct tmpdir *home;
    struct edge_config cfg;
    char scope[16], registration[16], hub[32], device[16], cert[256];
    struct takeover t;
    struct edge_error err;
};

static const char pem[] = "-----BEGIN CERTIFICATE-----\nnot looked into\n"
                          "-----END CERTIFICATE-----\n";

static void put(char *to, size_t size, const char *text) {
    (void)snprintf(to, size, "%s", text);
}

static int setup(void **state) {
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    memset(&store, 0, sizeof(store));
    store.state = HSM_STATE_READY;
    store.next_generation = 5;
    f.home = tmpdir_new();
    legacy_state_make(f.home);
    put(f.scope, sizeof(f.scope), "0ne00000000");
    put(f.registration, sizeof(f.registration), "reg-01");
    put(f.hub, sizeof(f.hub), "Hub.example");
    put(f.device, sizeof(f.device), "dev-01");
    tmpdir_write(f.home, "cert.pem", pem, strlen(pem), 0644);
    put(f.cert, sizeof(f.cert), tmpdir_join(f.home, "cert.pem"));
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    secret_clear(&f->cfg.provisioning.key);
    tmpdir_free(f->home);
    return 0;
}

static void use(struct fixture *f, enum config_source source, enum config_credential credential) {
    struct config_provisioning *p = &f->cfg.provisioning;
    p->source = source;
    p->credential = credential;
    if (source == CONFIG_SOURCE_DPS) {
        p->scope_id = f->scope;
        p->registration_id = f->registration;
        legacy_state_backup(f->home, "hub.example", "dev-01");
    } else {
        p->hub_hostname = f->hub;
        p->device_id = f->device;
    }
    if (credential == CONFIG_CREDENTIAL_X509) {
        p->identity_cert = f->cert;
        legacy_state_hybrid(f->home);
    }
    if (credential == CONFIG_CREDENTIAL_KEY) {
        assert_int_equal(secret_copy(&p->key, "the device's key", 16, NULL), EDGE_OK);
    }
}

static enum edge_code run(struct fixture *f) {
    f->err = (struct edge_error){0};
    return takeover_run(&f->cfg, f->home->path, NULL, INPUTS, &f->t, &f->err);
}

static void assert_note(const struct fixture *f, const char *part) {
    if (strstr(f->t.note, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, f->t.note);
    }
}

static void assert_found(const struct fixture *f, const char *hub, uint64_t generation,
                         uint64_t root) {
    assert_true(f->t.found);
    assert_string_equal(f->t.result.hub, hub);
    assert_string_equal(f->t.result.device_id, "dev-01");
    assert_int_equal(f->t.result.key_generation, generation);
    assert_int_equal(f->t.result.credential,
                     generation != 0 ? PROVISIONING_KEY : PROVISIONING_CERT);
    assert_false(f->t.result.proven);
    assert_int_equal(f->t.has_legacy_root, root != 0);
    assert_int_equal(f->t.legacy_root, root);
    assert_note(f, "dev-01");
    assert_note(f, hub);
}

/* The modules' keys are those that release 1.1 registered at the hub. */
static void assert_module_key(uint64_t root, const char *want_b64) {
    uint8_t mac[HSM_MAC_LEN];
    struct buf text;
    buf_init(&text, 64);
    assert_int_equal(
        hsm_identity_sign(NULL, root, SLICE_LIT("tempSensorprimary636463636967581550"), mac, NULL),
        EDGE_OK);
    assert_int_equal(b64_encode(mac, sizeof(mac), &text, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&text), want_b64);
    buf_clear(&text);
}

/* --- Tests --- */

static void test_nothing_left(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    assert_int_equal(unlinkat(f->home->fd, LEGACY_DIGEST_PATH, 0), 0);
    assert_int_equal(unlinkat(f->home->fd, LEGACY_MASTER_PATH, 0), 0);
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_false(f->t.has_legacy_root);
    assert_string_equal(f->t.note, "");
    assert_false(store.is_started);
}

static void test_dps_tpm(void **state) {
    struct fixture *f = *state;
    struct provisioning_result r;
    char inputs[STATE_INPUT_LEN];
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run(f), EDGE_OK);
        assert_found(f, "hub.example", 5, 5);
        assert_int_equal(store.cnt, 1);
    }
    assert_module_key(5, "mB+HPsdHHCHLmjVGbMFmGlb61pv8RudAGqw+QxKkQ18=");
    assert_int_equal(state_label_decode(slice_str(store.keys[0].info.label), &r, inputs, NULL),
                     EDGE_OK);
    assert_string_equal(r.hub, "hub.example");
    assert_string_equal(r.device_id, "dev-01");
    assert_string_equal(inputs, INPUTS);
}

static void test_dps_tpm_without_key(void **state) {
    struct fixture *f = *state;
    static const enum edge_code codes[] = {EDGE_NOT_FOUND, EDGE_CONFLICT, EDGE_UNSUPPORTED,
                                           EDGE_RANGE};
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        store.adopt_code = codes[i];
        assert_int_equal(run(f), EDGE_OK);
        assert_false(f->t.found);
        assert_false(f->t.has_legacy_root);
        assert_note(f, "scripted");
    }
}

/* What may pass decides nothing. */
static void test_key_store_away(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM);
    f->t.found = true;
    store.start_code = EDGE_BUSY;
    assert_int_equal(run(f), EDGE_BUSY);
    assert_non_null(strstr(f->err.text, "scripted"));
    store.start_code = EDGE_OK;
    store.adopt_code = EDGE_HSM;
    assert_int_equal(run(f), EDGE_HSM);
    store.adopt_code = EDGE_NOT_FOUND;
    store.state = HSM_STATE_NO_DEVICE;
    assert_int_equal(run(f), EDGE_NOT_FOUND);
    assert_true(f->t.found); /* untouched */
    store.adopt_code = EDGE_OK;
    store.state = HSM_STATE_READY;
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, "hub.example", 5, 5);
}

static void test_dps_without_backup(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM);
    legacy_state_backup(f->home, "hub.example/x", "dev-01");
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_note(f, "provisioning_backup.json");
    assert_int_equal(unlinkat(f->home->fd, LEGACY_BACKUP_PATH, 0), 0);
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_int_equal(store.cnt, 0);
}

static void check_device_key(struct fixture *f, const char *hub, const char *target) {
    struct key_label l;
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, hub, 5, 5);
    assert_int_equal(store.cnt, 1);
    assert_int_equal(store.keys[0].len, 16);
    assert_memory_equal(store.keys[0].key, "the device's key", 16);
    assert_int_equal(key_label_decode(slice_str(store.keys[0].info.label), &l, NULL), EDGE_OK);
    assert_string_equal(l.target, target);
    /* Again, and with the key no longer in the configuration: the same. */
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, hub, 5, 5);
    secret_clear(&f->cfg.provisioning.key);
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, hub, 5, 5);
    assert_int_equal(store.cnt, 1);
}

static void test_dps_key(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_KEY);
    check_device_key(f, "hub.example", "dps:0ne00000000/reg-01");
}

static void test_connection_string(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    check_device_key(f, "Hub.example", "hub:hub.example/dev-01");
}

static void test_another_key_was_imported(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    assert_int_equal(run(f), EDGE_OK);
    store.keys[0].key[0] ^= 1;
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, "Hub.example", 6, 6);
    assert_int_equal(store.cnt, 2);
}

static void test_no_device_key(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    secret_clear(&f->cfg.provisioning.key);
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_note(f, "import-key");
}

static void check_cert(struct fixture *f, const char *hub) {
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run(f), EDGE_OK);
        assert_found(f, hub, 0, 5);
        assert_int_equal(store.cnt, 1);
    }
    struct provisioning_result r;
    char inputs[STATE_INPUT_LEN];
    struct key_label l;
    struct slice label = slice_str(store.keys[0].info.label);
    assert_non_null(strstr(store.keys[0].info.label, "\"kind\":\"legacy-root\""));
    /* Nothing takes it for the key of an identity. */
    assert_int_equal(state_label_decode(label, &r, inputs, NULL), EDGE_PARSE);
    assert_int_equal(key_label_decode(label, &l, NULL), EDGE_PARSE);
}

static void test_dps_x509(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    check_cert(f, "hub.example");
    assert_module_key(5, "VFacpYKu+plguMHKRilusz5Ci8T2nb2RtfrVKq0K+lw=");
}

static void test_manual_x509(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_X509);
    check_cert(f, "Hub.example");
    assert_module_key(5, "BAcofCbk6JeDFup7QO5jGxmvDb5akoRRhVNKl1A4ud4=");
}

/* A renewed certificate has another root. */
static void test_certificate_changed(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    assert_int_equal(run(f), EDGE_OK);
    tmpdir_write(f->home, "cert.pem", pem, strlen(pem) - 1, 0644);
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, "hub.example", 0, 6);
    /* A key that cannot sign for the moment is not taken for another one. */
    tmpdir_write(f->home, "cert.pem", pem, strlen(pem), 0644);
    store.sign_code = EDGE_BUSY;
    assert_int_equal(run(f), EDGE_BUSY);
    assert_int_equal(store.cnt, 2);
}

static void test_x509_without_root(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    store.import_code = EDGE_RANGE;
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, "hub.example", 0, 0);
    assert_note(f, "modules cannot");
    store.import_code = EDGE_IO;
    assert_int_equal(run(f), EDGE_IO);
    store.import_code = EDGE_OK;
    store.list_code = EDGE_IO;
    assert_int_equal(run(f), EDGE_IO);
    store.list_code = EDGE_OK;
    assert_int_equal(unlinkat(f->home->fd, LEGACY_IV_PATH, 0), 0);
    assert_int_equal(run(f), EDGE_OK);
    assert_found(f, "hub.example", 0, 0);
    assert_note(f, "iotedge_hybrid_iv");
    assert_int_equal(store.cnt, 0);
}

/* The state file is lost after the files of 1.1 were removed: the key is found by its label. */
static void test_x509_root_taken_before(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    assert_int_equal(run(f), EDGE_OK);
    assert_true(f->t.has_legacy_root);
    uint64_t root = f->t.legacy_root;
    static const char *const files[] = {LEGACY_HYBRID_PATH, LEGACY_IV_PATH, LEGACY_MASTER_PATH};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(files); i++) {
        assert_int_equal(unlinkat(f->home->fd, files[i], 0), 0);
        assert_int_equal(run(f), EDGE_OK);
        assert_found(f, "hub.example", 0, root);
    }
}

static void test_external(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_EXTERNAL, CONFIG_CREDENTIAL_EXTERNAL);
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_note(f, "external");
}

static void test_bad_names_in_the_configuration(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    put(f->device, sizeof(f->device), "a/b");
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    f->cfg.provisioning.device_id = NULL;
    assert_int_equal(run(f), EDGE_OK);
    assert_false(f->t.found);
    assert_int_equal(store.cnt, 0);
}

/* Content and times of what 1.1 left stay as they are. */
static void test_files_are_left_alone(void **state) {
    struct fixture *f = *state;
    static const char *const files[] = {LEGACY_MASTER_PATH, LEGACY_BACKUP_PATH, LEGACY_DIGEST_PATH,
                                        LEGACY_HYBRID_PATH, LEGACY_IV_PATH};
    static const char *const dirs[] = {"cache", "hybrid_id", "hsm/enc_keys", "."};
    struct stat before[EDGE_ARRAY_LEN(files) + EDGE_ARRAY_LEN(dirs)];
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < EDGE_ARRAY_LEN(before); i++) {
            const char *name =
                i < EDGE_ARRAY_LEN(files) ? files[i] : dirs[i - EDGE_ARRAY_LEN(files)];
            struct stat st;
            assert_int_equal(fstatat(f->home->fd, name, &st, 0), 0);
            if (pass == 0) {
                before[i] = st;
            } else {
                assert_int_equal(st.st_ino, before[i].st_ino);
                assert_int_equal(st.st_size, before[i].st_size);
                assert_int_equal(st.st_mtim.tv_nsec, before[i].st_mtim.tv_nsec);
                assert_int_equal(st.st_ctim.tv_nsec, before[i].st_ctim.tv_nsec);
            }
        }
        assert_int_equal(run(f), EDGE_OK);
    }
}

static enum edge_code torture(void *data) {
    struct fixture *f = data;
    store.cnt = 0;
    store.next_generation = 5;
    enum edge_code code = run(f);
    if (code == EDGE_OK) {
        assert_true(f->t.found && f->t.has_legacy_root);
        code = run(f);
    }
    if (code == EDGE_OK) {
        assert_true(f->t.found && f->t.has_legacy_root);
        /* A device key that could not be compared for lack of memory is imported again. */
        assert_in_range(store.cnt, 1, f->cfg.provisioning.key.len > 0 ? 2 : 1);
    }
    return code;
}

static void test_allocation_torture(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_TPM);
    assert_true(alloc_fail_torture(torture, f) > 10);
}

static void test_allocation_torture_of_key(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_MANUAL, CONFIG_CREDENTIAL_KEY);
    assert_true(alloc_fail_torture(torture, f) > 10);
}

static void test_allocation_torture_of_x509(void **state) {
    struct fixture *f = *state;
    use(f, CONFIG_SOURCE_DPS, CONFIG_CREDENTIAL_X509);
    assert_true(alloc_fail_torture(torture, f) > 10);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_left),
        TEST(test_dps_tpm),
        TEST(test_dps_tpm_without_key),
        TEST(test_key_store_away),
        TEST(test_dps_without_backup),
        TEST(test_dps_key),
        TEST(test_connection_string),
        TEST(test_another_key_was_imported),
        TEST(test_no_device_key),
        TEST(test_dps_x509),
        TEST(test_manual_x509),
        TEST(test_certificate_changed),
        TEST(test_x509_without_root),
        TEST(test_x509_root_taken_before),
        TEST(test_external),
        TEST(test_bad_names_in_the_configuration),
        TEST(test_files_are_left_alone),
        TEST(test_allocation_torture),
        TEST(test_allocation_torture_of_key),
        TEST(test_allocation_torture_of_x509),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
