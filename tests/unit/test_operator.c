/* SPDX-License-Identifier: MIT */
/*
 * The operator's files as the keeper sees them: used, replaced, spoiled, taken away.
 */
#include "pki/operator.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/x509_key.h"
#include "pki/renew.h"
#include "support/alloc_fail.h"
#include "support/ca_certs.h"
#include "support/fake_clock.h"
#include "support/fake_hsm.h"
#include "support/keeper_world.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW    1800000000
#define DAY    RENEW_DAY_S
#define CERT   "ca.pem"
#define KEY    "ca.key"
#define BUNDLE "roots.pem"

struct world {
    struct keeper_world k;
    char cert[PATH_MAX], key[PATH_MAX], bundle_file[PATH_MAX];
    struct ca_cert root, ca;
};

static void make(struct ca_cert *c, const char *name, const struct ca_cert *issuer,
                 const struct ca_cert *same_key, int64_t to) {
    const struct ca_cert_spec spec = {.common_name = name,
                                      .issuer = issuer,
                                      .same_key = same_key,
                                      .from_wall_s = NOW - 10 * DAY,
                                      .to_wall_s = to};
    ca_cert_make(c, &spec);
}

static void write_certs(struct world *w, const char *name, const struct ca_cert *a,
                        const struct ca_cert *b) {
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    if (b != NULL) {
        ca_cert_add(&pem, b); /* the wrong way round */
    }
    ca_cert_add(&pem, a);
    (void)unlink(tmpdir_join(w->k.dir, name));
    tmpdir_write(w->k.dir, name, pem.data, pem.len, 0644);
    buf_clear(&pem);
}

static void write_key(struct world *w, const struct ca_cert *c) {
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    ca_cert_add_key(&pem, c);
    (void)unlink(w->key);
    tmpdir_write(w->k.dir, KEY, pem.data, pem.len, 0600);
    buf_clear(&pem);
}

static int setup(void **state) {
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    fake_clock_install(NOW);
    log_set_level(LOG_OFF);
    keeper_world_init(&w->k, tmpdir_new(), fake_hsm_new(), NOW);
    (void)snprintf(w->cert, sizeof(w->cert), "%s", tmpdir_join(w->k.dir, CERT));
    (void)snprintf(w->key, sizeof(w->key), "%s", tmpdir_join(w->k.dir, KEY));
    (void)snprintf(w->bundle_file, sizeof(w->bundle_file), "%s", tmpdir_join(w->k.dir, BUNDLE));
    w->k.files = (struct operator_files){w->cert, w->key, w->bundle_file};
    make(&w->root, "Plant Root", NULL, NULL, NOW + 3000 * DAY);
    make(&w->ca, "Gateway CA", &w->root, NULL, NOW + 400 * DAY);
    write_certs(w, CERT, &w->ca, &w->root);
    write_certs(w, BUNDLE, &w->root, NULL);
    write_key(w, &w->ca);
    keeper_world_restart(&w->k);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    keeper_world_clear(&w->k);
    hsm_close(w->k.hsm);
    ca_cert_free(&w->root);
    ca_cert_free(&w->ca);
    tmpdir_free(w->k.dir);
    fake_clock_remove();
    free(w);
    return 0;
}

static void wait_for_retry(struct world *w) {
    fake_clock_advance_ms(61000);
    w->k.now.now_s += 61;
}

static void test_used(void **state) {
    struct world *w = *state;
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    struct pki_status s = keeper_world_status(&w->k);
    assert_int_equal(s.cnt, 2);
    assert_string_equal(s.items[0].source, "operator");
    assert_string_equal(s.items[0].subject, "CN=Gateway CA");
    assert_int_equal(s.items[1].not_after_wall_s, NOW + 400 * DAY);
    assert_string_equal(s.note, "");
    assert_true(keeper_is_ready(w->k.keeper));
}

/* The bundle is the file's text, to the byte. */
static void test_bundle_is_verbatim(void **state) {
    struct world *w = *state;
    struct buf pem;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    assert_int_equal(buf_append_str(&pem, "# our roots\n", NULL), EDGE_OK);
    ca_cert_add(&pem, &w->root);
    tmpdir_write(w->k.dir, BUNDLE, pem.data, pem.len, 0644);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_true(slice_eq(buf_slice(&pem), buf_slice(&w->k.bundle)));
    buf_clear(&pem);
}

static void test_key_is_not_needed_again(void **state) {
    struct world *w = *state;
    keeper_world_issue(&w->k);
    assert_int_equal(unlink(w->key), 0);
    keeper_world_restart(&w->k);
    w->k.now.now_s += 100 * DAY;
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_non_null(strstr(keeper_world_status(&w->k).note, "iotedge tpm import-ca"));
}

static void import_key(struct world *w, const struct ca_cert *c) {
    struct buf pem, spki;
    struct secret der = {NULL, 0};
    char label[X509_KEY_LABEL];
    struct hsm_key key;
    buf_init(&pem, CA_CERTS_PEM_MAX);
    buf_init(&spki, X509_SPKI_MAX);
    ca_cert_add_key(&pem, c);
    assert_int_equal(x509_key_read(buf_slice(&pem), &der, &spki, NULL), EDGE_OK);
    assert_int_equal(x509_key_label(buf_slice(&spki), label, NULL), EDGE_OK);
    assert_int_equal(hsm_key_import(w->k.hsm, label, &der, &key, NULL), EDGE_OK);
    secret_clear(&der);
    buf_clear(&pem);
    buf_clear(&spki);
}

/* Seen by a look between the two halves of its deletion. */
static void test_key_file_being_wiped(void **state) {
    struct world *w = *state;
    static const char zeros[200];
    import_key(w, &w->ca);
    (void)unlink(w->key);
    tmpdir_write(w->k.dir, KEY, zeros, sizeof(zeros), 0600);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_string_equal(keeper_world_status(&w->k).note, "");
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
}

static void test_imported_key(void **state) {
    struct world *w = *state;
    struct edge_error err;
    assert_int_equal(unlink(w->key), 0);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, "iotedge tpm import-ca"));
    assert_non_null(strstr(err.text, w->cert));
    assert_non_null(strstr(err.text, "CN=Gateway CA"));
    import_key(w, &w->ca);
    keeper_doubt(w->k.keeper);
    keeper_world_issue(&w->k); /* no file has changed, and it is noticed */
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    tmpdir_write(w->k.dir, KEY, "\0\0\0\0", 4, 0600); /* being overwritten by import-ca --delete */
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    assert_string_equal(keeper_world_status(&w->k).note, "");
    w->k.files.key = NULL;
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
}

/* A failing adoption costs a key of the TPM, and modules ask as fast as they can. */
static void test_adoption_is_not_tried_at_each_request(void **state) {
    struct world *w = *state;
    struct edge_error err;
    fake_hsm_fail(w->k.hsm, 1000, EDGE_HSM);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_HSM);
    fake_hsm_fail(w->k.hsm, 0, EDGE_OK);
    fake_clock_advance_ms(1000);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_HSM);
    assert_string_not_equal(err.text, "");
    fake_clock_advance_ms(1001);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
}

static void test_replaced(void **state) {
    struct world *w = *state;
    struct ca_cert next;
    struct buf old;
    buf_init(&old, CA_CERTS_PEM_MAX);
    keeper_world_issue(&w->k);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->k.leaf), NULL), EDGE_OK);
    make(&next, "Gateway CA", &w->root, NULL, NOW + 800 * DAY);
    write_certs(w, CERT, &next, NULL);
    /* Half a replacement: the key is still the old one. */
    keeper_world_issue(&w->k);
    assert_int_equal(keeper_world_status(&w->k).items[1].not_after_wall_s, NOW + 400 * DAY);
    assert_non_null(strstr(keeper_world_status(&w->k).note, "replace both"));
    (void)unlink(w->key);
    tmpdir_write(w->k.dir, KEY, "x", 1, 0600);
    keeper_world_issue(&w->k);
    assert_non_null(strstr(keeper_world_status(&w->k).note, "/" KEY "', the key of certificate"));
    write_key(w, &next);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_int_equal(keeper_world_status(&w->k).items[1].not_after_wall_s, NOW + 800 * DAY);
    assert_string_equal(keeper_world_status(&w->k).note, "");
    assert_int_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->k.bundle), NOW), X509_V_OK);
    ca_cert_free(&next);
    buf_clear(&old);
}

/* Another root: the former one stays in the bundle until what was made under it has ended. */
static void test_other_root(void **state) {
    struct world *w = *state;
    struct ca_cert root, ca;
    struct buf old;
    buf_init(&old, CA_CERTS_PEM_MAX);
    keeper_world_issue(&w->k);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->k.leaf), NULL), EDGE_OK);
    make(&root, "New Root", NULL, NULL, NOW + 3000 * DAY);
    make(&ca, "New CA", &root, NULL, NOW + 800 * DAY);
    write_certs(w, BUNDLE, &root, NULL);
    keeper_world_issue(&w->k); /* the present CA is not under it: refused */
    assert_non_null(strstr(keeper_world_status(&w->k).note, "is not in"));
    write_certs(w, CERT, &ca, NULL);
    write_key(w, &ca);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->k.bundle), NOW), X509_V_OK);
    struct pki_status s = keeper_world_status(&w->k);
    assert_int_equal(s.cnt, 3);
    assert_string_equal(s.items[2].name, "former root");
    w->k.now.now_s += 91 * DAY;
    keeper_world_fetch(&w->k);
    assert_int_not_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->k.bundle), w->k.now.now_s),
                         X509_V_OK);
    ca_cert_free(&root);
    ca_cert_free(&ca);
    buf_clear(&old);
}

static void test_bad_replacement_after_restart(void **state) {
    struct world *w = *state;
    struct edge_error err;
    keeper_world_issue(&w->k);
    tmpdir_write(w->k.dir, CERT, "garbage", 7, 0644);
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_non_null(strstr(keeper_world_status(&w->k).note, w->cert));
    /* Without anything older there is nothing to go on with. */
    assert_int_equal(unlink(tmpdir_join(w->k.dir, PKI_DIR "/authorities")), 0);
    assert_int_equal(unlink(tmpdir_join(w->k.dir, PKI_DIR "/authorities-copy")), 0);
    keeper_world_restart(&w->k);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->cert));
    keeper_world_fetch(&w->k); /* the bundle alone is fine */
}

static void test_missing_files(void **state) {
    struct world *w = *state;
    struct edge_error err;
    assert_int_equal(unlink(w->bundle_file), 0);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->bundle_file));
    assert_int_equal(keeper_bundle(w->k.keeper, &w->k.now, &w->k.bundle, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->bundle_file));
    write_certs(w, BUNDLE, &w->root, NULL);
    assert_int_equal(unlink(w->cert), 0);
    assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->cert));
}

static void test_ends_soon(void **state) {
    struct world *w = *state;
    struct edge_error err;
    keeper_world_issue(&w->k);
    assert_string_equal(keeper_world_status(&w->k).note, "");
    w->k.now.now_s = NOW + 370 * DAY;
    keeper_world_issue(&w->k);
    assert_non_null(strstr(keeper_world_status(&w->k).note, "cut to the 30 days"));
    assert_non_null(strstr(keeper_world_status(&w->k).note, "CN=Gateway CA"));
    for (int restarted = 0; restarted < 2; restarted++) {
        w->k.now.now_s = NOW + 400 * DAY - 100;
        assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
        assert_non_null(strstr(err.text, "renew it"));
        assert_non_null(strstr(err.text, w->cert));
        assert_non_null(strstr(err.text, "CN=Gateway CA"));
        w->k.now.now_s = NOW + 400 * DAY + 100;
        wait_for_retry(w);
        assert_int_equal(keeper_world_try_issue(&w->k, &err), EDGE_CONFIG);
        assert_non_null(strstr(err.text, "renew it"));
        keeper_world_restart(&w->k);
    }
}

static void test_to_operator_and_back(void **state) {
    struct world *w = *state;
    struct buf first, second;
    const struct operator_files files = w->k.files;
    buf_init(&first, CA_CERTS_PEM_MAX);
    buf_init(&second, CA_CERTS_PEM_MAX);
    w->k.files = (struct operator_files){NULL, NULL, NULL};
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    assert_int_equal(buf_append_slice(&first, buf_slice(&w->k.leaf), NULL), EDGE_OK);
    w->k.files = files;
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&first), buf_slice(&w->k.bundle), NOW), X509_V_OK);
    assert_int_equal(buf_append_slice(&second, buf_slice(&w->k.leaf), NULL), EDGE_OK);
    w->k.files = (struct operator_files){NULL, NULL, NULL};
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&first), buf_slice(&w->k.bundle), NOW), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&second), buf_slice(&w->k.bundle), NOW), X509_V_OK);
    assert_string_equal(keeper_world_status(&w->k).items[0].name, "owner CA");
    buf_clear(&first);
    buf_clear(&second);
}

/* trusted_ca_certs alone: more to trust beside our own root. */
static void test_bundle_alone(void **state) {
    struct world *w = *state;
    w->k.files.cert = NULL;
    w->k.files.key = NULL;
    keeper_world_restart(&w->k);
    keeper_world_issue(&w->k);
    keeper_world_fetch(&w->k);
    assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
    struct buf root;
    buf_init(&root, CA_CERTS_PEM_MAX);
    ca_cert_add(&root, &w->root);
    assert_non_null(memmem(w->k.bundle.data, w->k.bundle.len, root.data, root.len));
    buf_clear(&root);
}

static void test_rsa_and_other_curves(void **state) {
    struct world *w = *state;
    static const char *const kinds[] = {"RSA-2048", "P-384", "P-521"};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(kinds); i++) {
        struct ca_cert ca;
        const struct ca_cert_spec spec = {.common_name = "Gateway CA",
                                          .issuer = &w->root,
                                          .key = kinds[i],
                                          .from_wall_s = NOW - DAY,
                                          .to_wall_s = NOW + 400 * DAY};
        ca_cert_make(&ca, &spec);
        write_certs(w, CERT, &ca, NULL);
        write_key(w, &ca);
        keeper_world_issue(&w->k);
        keeper_world_fetch(&w->k);
        assert_string_equal(keeper_world_status(&w->k).note, "");
        assert_int_equal(keeper_world_verify(&w->k), X509_V_OK);
        ca_cert_free(&ca);
    }
}

struct adoption {
    struct operator_ca ca;
    struct authorities *from;
};

static enum edge_code torture(void *data) {
    struct adoption *d = data;
    struct authorities next;
    authorities_init(&next);
    enum edge_code code = authorities_copy(d->from, &next, NULL);
    code = code != EDGE_OK ? code : operator_adopt(&d->ca, NOW, &next, NULL);
    authorities_clear(&next);
    return code;
}

static void test_allocation_torture(void **state) {
    struct world *w = *state;
    struct adoption d = {.from = &(struct authorities){.next = 1}};
    assert_int_equal(operator_read(&w->k.files, w->k.hsm, NOW, &d.ca, NULL), EDGE_OK);
    assert_true(alloc_fail_torture(torture, &d) > 4);
    operator_ca_clear(&d.ca);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_used, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bundle_is_verbatim, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_file_being_wiped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_is_not_needed_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_imported_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_adoption_is_not_tried_at_each_request, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_replacement_after_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_soon, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_operator_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bundle_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rsa_and_other_curves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
