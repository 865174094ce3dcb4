/* SPDX-License-Identifier: MIT */
/*
 * The operator's files as the keeper sees them: used, replaced, spoiled, taken away.
 */
#include "pki/operator.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/x509_key.h"
#include "pki/keeper.h"
#include "pki/renew.h"
#include "support/alloc_fail.h"
#include "support/ca_certs.h"
#include "support/fake_clock.h"
#include "support/fake_hsm.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW     1800000000
#define DAY     RENEW_DAY_S
#define PEM_MAX 262144
#define CERT    "ca.pem"
#define KEY     "ca.key"
#define BUNDLE  "roots.pem"

struct world {
    struct tmpdir *dir;
    struct hsm *hsm;
    struct keeper *keeper;
    char cert[PATH_MAX], key[PATH_MAX], bundle_file[PATH_MAX];
    struct operator_files files;
    struct wall_time now;
    struct ca_cert root, ca;
    struct buf leaf, bundle;
};

static void open_keeper(struct world *w) {
    const struct keeper_config config = {.hsm = w->hsm,
                                         .state_dir = w->dir->path,
                                         .homedir = "/nowhere",
                                         .files = w->files,
                                         .life_s = 90 * DAY};
    keeper_free(w->keeper);
    assert_int_equal(keeper_new(&config, &w->keeper, NULL), EDGE_OK);
}

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
    buf_init(&pem, PEM_MAX);
    if (b != NULL) {
        ca_cert_add(&pem, b); /* the wrong way round */
    }
    ca_cert_add(&pem, a);
    (void)unlink(tmpdir_join(w->dir, name));
    tmpdir_write(w->dir, name, pem.data, pem.len, 0644);
    buf_clear(&pem);
}

static void write_key(struct world *w, const struct ca_cert *c) {
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    ca_cert_add_key(&pem, c);
    (void)unlink(w->key);
    tmpdir_write(w->dir, KEY, pem.data, pem.len, 0600);
    buf_clear(&pem);
}

static int setup(void **state) {
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->dir = tmpdir_new();
    w->hsm = fake_hsm_new();
    w->now = (struct wall_time){.now_s = NOW, .is_usable = true, .is_trusted = true};
    buf_init(&w->leaf, PEM_MAX);
    buf_init(&w->bundle, PEM_MAX);
    (void)snprintf(w->cert, sizeof(w->cert), "%s", tmpdir_join(w->dir, CERT));
    (void)snprintf(w->key, sizeof(w->key), "%s", tmpdir_join(w->dir, KEY));
    (void)snprintf(w->bundle_file, sizeof(w->bundle_file), "%s", tmpdir_join(w->dir, BUNDLE));
    w->files = (struct operator_files){w->cert, w->key, w->bundle_file};
    make(&w->root, "Plant Root", NULL, NULL, NOW + 3000 * DAY);
    make(&w->ca, "Gateway CA", &w->root, NULL, NOW + 400 * DAY);
    write_certs(w, CERT, &w->ca, &w->root);
    write_certs(w, BUNDLE, &w->root, NULL);
    write_key(w, &w->ca);
    fake_clock_install(NOW);
    log_set_level(LOG_OFF);
    open_keeper(w);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    keeper_free(w->keeper);
    buf_clear(&w->leaf);
    buf_clear(&w->bundle);
    hsm_close(w->hsm);
    ca_cert_free(&w->root);
    ca_cert_free(&w->ca);
    tmpdir_free(w->dir);
    fake_clock_remove();
    free(w);
    return 0;
}

static enum edge_code try_issue(struct world *w, struct edge_error *err) {
    struct leaf_issuer *issuer = NULL;
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    const struct leaf_server_request r = {.common_name = slice_str("gateway"),
                                          .module_id = slice_str("$edgeHub"),
                                          .now_wall_s = w->now.now_s,
                                          .not_after_wall_s = w->now.now_s + 90 * DAY};
    enum edge_code code = keeper_look(w->keeper, &w->now, err);
    code = code != EDGE_OK ? code : keeper_issuer(w->keeper, &w->now, &issuer, err);
    code = code != EDGE_OK ? code : leaf_server(issuer, &r, LEAF_KEY_P256, &key, &leaf, err);
    if (code == EDGE_OK) {
        buf_reset(&w->leaf);
        code = buf_append_slice(&w->leaf, buf_slice(&leaf.chain_pem), err);
    }
    leaf_clear(&leaf);
    leaf_key_clear(&key);
    return code;
}

static void issue(struct world *w) {
    struct edge_error err = {0};
    enum edge_code code = try_issue(w, &err);
    if (code != EDGE_OK) {
        print_message("%s\n", err.text);
    }
    assert_int_equal(code, EDGE_OK);
}

static void fetch(struct world *w) {
    buf_reset(&w->bundle);
    assert_int_equal(keeper_bundle(w->keeper, &w->now, &w->bundle, NULL), EDGE_OK);
}

static int verify(struct world *w) {
    return ca_cert_verify(buf_slice(&w->leaf), buf_slice(&w->bundle), w->now.now_s);
}

static struct pki_status status_of(struct world *w) {
    struct pki_status s;
    keeper_status(w->keeper, &s);
    return s;
}

static void wait_for_retry(struct world *w) {
    fake_clock_advance_ms(61000);
    w->now.now_s += 61;
}

static void test_used(void **state) {
    struct world *w = *state;
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    struct pki_status s = status_of(w);
    assert_int_equal(s.cnt, 2);
    assert_string_equal(s.items[0].source, "operator");
    assert_string_equal(s.items[0].subject, "CN=Gateway CA");
    assert_int_equal(s.items[1].not_after_wall_s, NOW + 400 * DAY);
    assert_string_equal(s.note, "");
    assert_true(keeper_is_ready(w->keeper));
}

/* The bundle is the file's text, to the byte. */
static void test_bundle_is_verbatim(void **state) {
    struct world *w = *state;
    struct buf pem;
    buf_init(&pem, PEM_MAX);
    assert_int_equal(buf_append_str(&pem, "# our roots\n", NULL), EDGE_OK);
    ca_cert_add(&pem, &w->root);
    tmpdir_write(w->dir, BUNDLE, pem.data, pem.len, 0644);
    issue(w);
    fetch(w);
    assert_true(slice_eq(buf_slice(&pem), buf_slice(&w->bundle)));
    buf_clear(&pem);
}

static void test_key_is_not_needed_again(void **state) {
    struct world *w = *state;
    issue(w);
    assert_int_equal(unlink(w->key), 0);
    open_keeper(w);
    w->now.now_s += 100 * DAY;
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_non_null(strstr(status_of(w).note, "iotedge tpm import-ca"));
}

static void import_key(struct world *w, const struct ca_cert *c) {
    struct buf pem, spki;
    struct secret der = {NULL, 0};
    char label[X509_KEY_LABEL];
    struct hsm_key key;
    buf_init(&pem, PEM_MAX);
    buf_init(&spki, X509_SPKI_MAX);
    ca_cert_add_key(&pem, c);
    assert_int_equal(x509_key_read(buf_slice(&pem), &der, &spki, NULL), EDGE_OK);
    assert_int_equal(x509_key_label(buf_slice(&spki), label, NULL), EDGE_OK);
    assert_int_equal(hsm_key_import(w->hsm, label, &der, &key, NULL), EDGE_OK);
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
    tmpdir_write(w->dir, KEY, zeros, sizeof(zeros), 0600);
    issue(w);
    fetch(w);
    assert_string_equal(status_of(w).note, "");
    assert_int_equal(verify(w), X509_V_OK);
}

static void test_imported_key(void **state) {
    struct world *w = *state;
    struct edge_error err;
    assert_int_equal(unlink(w->key), 0);
    assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, "iotedge tpm import-ca"));
    assert_non_null(strstr(err.text, w->cert));
    assert_non_null(strstr(err.text, "CN=Gateway CA"));
    import_key(w, &w->ca);
    keeper_doubt(w->keeper);
    issue(w); /* no file has changed, and it is noticed */
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    tmpdir_write(w->dir, KEY, "\0\0\0\0", 4, 0600); /* being overwritten by import-ca --delete */
    open_keeper(w);
    issue(w);
    assert_string_equal(status_of(w).note, "");
    w->files.key = NULL;
    open_keeper(w);
    issue(w);
    assert_int_equal(verify(w), X509_V_OK);
}

/* A failing adoption costs a key of the TPM, and modules ask as fast as they can. */
static void test_adoption_is_not_tried_at_each_request(void **state) {
    struct world *w = *state;
    struct edge_error err;
    fake_hsm_fail(w->hsm, 1000, EDGE_HSM);
    assert_int_equal(try_issue(w, &err), EDGE_HSM);
    fake_hsm_fail(w->hsm, 0, EDGE_OK);
    fake_clock_advance_ms(1000);
    assert_int_equal(try_issue(w, &err), EDGE_HSM);
    assert_string_not_equal(err.text, "");
    fake_clock_advance_ms(1001);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
}

static void test_replaced(void **state) {
    struct world *w = *state;
    struct ca_cert next;
    struct buf old;
    buf_init(&old, PEM_MAX);
    issue(w);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->leaf), NULL), EDGE_OK);
    make(&next, "Gateway CA", &w->root, NULL, NOW + 800 * DAY);
    write_certs(w, CERT, &next, NULL);
    /* Half a replacement: the key is still the old one. */
    issue(w);
    assert_int_equal(status_of(w).items[1].not_after_wall_s, NOW + 400 * DAY);
    assert_non_null(strstr(status_of(w).note, "replace both"));
    (void)unlink(w->key);
    tmpdir_write(w->dir, KEY, "x", 1, 0600);
    issue(w);
    assert_non_null(strstr(status_of(w).note, "/" KEY "', the key of certificate"));
    write_key(w, &next);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_int_equal(status_of(w).items[1].not_after_wall_s, NOW + 800 * DAY);
    assert_string_equal(status_of(w).note, "");
    assert_int_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->bundle), NOW), X509_V_OK);
    ca_cert_free(&next);
    buf_clear(&old);
}

/* Another root: the former one stays in the bundle until what was made under it has ended. */
static void test_other_root(void **state) {
    struct world *w = *state;
    struct ca_cert root, ca;
    struct buf old;
    buf_init(&old, PEM_MAX);
    issue(w);
    assert_int_equal(buf_append_slice(&old, buf_slice(&w->leaf), NULL), EDGE_OK);
    make(&root, "New Root", NULL, NULL, NOW + 3000 * DAY);
    make(&ca, "New CA", &root, NULL, NOW + 800 * DAY);
    write_certs(w, BUNDLE, &root, NULL);
    issue(w); /* the present CA is not under it: refused */
    assert_non_null(strstr(status_of(w).note, "is not in"));
    write_certs(w, CERT, &ca, NULL);
    write_key(w, &ca);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->bundle), NOW), X509_V_OK);
    struct pki_status s = status_of(w);
    assert_int_equal(s.cnt, 3);
    assert_string_equal(s.items[2].name, "former root");
    w->now.now_s += 91 * DAY;
    fetch(w);
    assert_int_not_equal(ca_cert_verify(buf_slice(&old), buf_slice(&w->bundle), w->now.now_s),
                         X509_V_OK);
    ca_cert_free(&root);
    ca_cert_free(&ca);
    buf_clear(&old);
}

static void test_bad_replacement_after_restart(void **state) {
    struct world *w = *state;
    struct edge_error err;
    issue(w);
    tmpdir_write(w->dir, CERT, "garbage", 7, 0644);
    open_keeper(w);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_non_null(strstr(status_of(w).note, w->cert));
    /* Without anything older there is nothing to go on with. */
    assert_int_equal(unlink(tmpdir_join(w->dir, PKI_DIR "/authorities")), 0);
    assert_int_equal(unlink(tmpdir_join(w->dir, PKI_DIR "/authorities-copy")), 0);
    open_keeper(w);
    assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->cert));
    fetch(w); /* the bundle alone is fine */
}

static void test_missing_files(void **state) {
    struct world *w = *state;
    struct edge_error err;
    assert_int_equal(unlink(w->bundle_file), 0);
    assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->bundle_file));
    assert_int_equal(keeper_bundle(w->keeper, &w->now, &w->bundle, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->bundle_file));
    write_certs(w, BUNDLE, &w->root, NULL);
    assert_int_equal(unlink(w->cert), 0);
    assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
    assert_non_null(strstr(err.text, w->cert));
}

static void test_ends_soon(void **state) {
    struct world *w = *state;
    struct edge_error err;
    issue(w);
    assert_string_equal(status_of(w).note, "");
    w->now.now_s = NOW + 370 * DAY;
    issue(w);
    assert_non_null(strstr(status_of(w).note, "cut to the 30 days"));
    assert_non_null(strstr(status_of(w).note, "CN=Gateway CA"));
    for (int restarted = 0; restarted < 2; restarted++) {
        w->now.now_s = NOW + 400 * DAY - 100;
        assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
        assert_non_null(strstr(err.text, "renew it"));
        assert_non_null(strstr(err.text, w->cert));
        assert_non_null(strstr(err.text, "CN=Gateway CA"));
        w->now.now_s = NOW + 400 * DAY + 100;
        wait_for_retry(w);
        assert_int_equal(try_issue(w, &err), EDGE_CONFIG);
        assert_non_null(strstr(err.text, "renew it"));
        open_keeper(w);
    }
}

static void test_to_operator_and_back(void **state) {
    struct world *w = *state;
    struct buf first, second;
    const struct operator_files files = w->files;
    buf_init(&first, PEM_MAX);
    buf_init(&second, PEM_MAX);
    w->files = (struct operator_files){NULL, NULL, NULL};
    open_keeper(w);
    issue(w);
    assert_int_equal(buf_append_slice(&first, buf_slice(&w->leaf), NULL), EDGE_OK);
    w->files = files;
    open_keeper(w);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&first), buf_slice(&w->bundle), NOW), X509_V_OK);
    assert_int_equal(buf_append_slice(&second, buf_slice(&w->leaf), NULL), EDGE_OK);
    w->files = (struct operator_files){NULL, NULL, NULL};
    open_keeper(w);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&first), buf_slice(&w->bundle), NOW), X509_V_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&second), buf_slice(&w->bundle), NOW), X509_V_OK);
    assert_string_equal(status_of(w).items[0].name, "owner CA");
    buf_clear(&first);
    buf_clear(&second);
}

/* trusted_ca_certs alone: more to trust beside our own root. */
static void test_bundle_alone(void **state) {
    struct world *w = *state;
    w->files.cert = NULL;
    w->files.key = NULL;
    open_keeper(w);
    issue(w);
    fetch(w);
    assert_int_equal(verify(w), X509_V_OK);
    struct buf root;
    buf_init(&root, PEM_MAX);
    ca_cert_add(&root, &w->root);
    assert_non_null(memmem(w->bundle.data, w->bundle.len, root.data, root.len));
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
        issue(w);
        fetch(w);
        assert_string_equal(status_of(w).note, "");
        assert_int_equal(verify(w), X509_V_OK);
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
    assert_int_equal(operator_read(&w->files, w->hsm, NOW, &d.ca, NULL), EDGE_OK);
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
