/* SPDX-License-Identifier: MIT */
#include "pki/pki.h"

#include "pki/leaf_pool.h"
#include "pki/names.h"
#include "support/ca_certs.h"
#include "support/fake_hsm.h"
#include "support/fake_loop.h"
#include "support/fake_wall.h"
#include "support/pki_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW PKI_WORLD_NOW
#define DAY ((int64_t)86400)

static unsigned made_cnt;

enum edge_code __real_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err);
enum edge_code __wrap_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err);

enum edge_code __wrap_leaf_key_make(enum leaf_key_type type, struct leaf_key *ret,
                                    struct edge_error *err) {
    made_cnt++;
    return __real_leaf_key_make(type, ret, err);
}

/* A request for an RSA key does not wait for one to be made. */
static void test_prepared_keys_are_taken(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    pki_answer_init(&cert);
    pki_free(w->pki);
    w->config.leaf_key = CONFIG_LEAF_RSA2048;
    const struct pki_deps deps = pki_world_deps(w);
    assert_int_equal(pki_new(&deps, &w->pki, NULL), EDGE_OK);
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    made_cnt = 0;
    fake_loop_advance(60 * LEAF_POOL_QUIET_MS);
    assert_int_equal(made_cnt, LEAF_POOL_MAX);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_OK);
    assert_int_equal(made_cnt, LEAF_POOL_MAX);
    fake_loop_advance(60 * LEAF_POOL_QUIET_MS);
    assert_int_equal(made_cnt, LEAF_POOL_MAX + 1);
    pki_answer_clear(&cert);
}

static void test_server_and_bundle(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0}, bundle = {.cnt = 0};
    pki_answer_init(&cert);
    pki_answer_init(&bundle);
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    assert_false(pki_is_ready(w->pki));
    assert_int_equal(pki_world_ask(w, "gateway.example", 30 * DAY, &cert, NULL, NULL), EDGE_OK);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &bundle, NULL, NULL), EDGE_OK);
    assert_int_equal(cert.cnt, 0);
    fake_loop_run();
    assert_int_equal(cert.cnt, 1);
    assert_int_equal(cert.code, EDGE_OK);
    assert_int_equal(cert.not_after_wall_s, NOW + 30 * DAY);
    assert_string_equal(cert.key, "-----BEGIN PRIVATE KEY-----");
    assert_int_equal(bundle.code, EDGE_OK);
    assert_int_equal(ca_cert_verify(buf_slice(&cert.pem), buf_slice(&bundle.pem), NOW), X509_V_OK);
    assert_true(pki_is_ready(w->pki));
    assert_int_equal(pki_get_status(w->pki)->cnt, 3);
    pki_answer_clear(&cert);
    pki_answer_clear(&bundle);
}

static void test_identity(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    pki_answer_init(&cert);
    const struct pki_identity_request r = {.module_id = slice_str("filter"),
                                           .hub = slice_str("hub.example"),
                                           .device_id = slice_str("dev-1"),
                                           .now = wall_get_time(w->wall),
                                           .validity_s = 10 * DAY};
    assert_int_equal(pki_issue_identity(w->pki, &r, pki_answer_issued, &cert, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_OK);
    assert_int_equal(cert.not_after_wall_s, NOW + PKI_IDENTITY_MAX_S);
    pki_answer_clear(&cert);
}

static void test_refused_at_once(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    struct edge_error err;
    assert_int_equal(pki_world_ask(w, "a,b", DAY, &cert, NULL, &err), EDGE_INVALID);
    assert_int_equal(pki_world_ask(w, "", DAY, &cert, NULL, &err), EDGE_INVALID);
    assert_int_equal(pki_world_ask(w, "gateway", 0, &cert, NULL, &err), EDGE_INVALID);
    fake_wall_set(w->wall, WALL_WRONG, 0);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, &err), EDGE_RETRY);
    fake_wall_set(w->wall, WALL_SYNCED, 0);
    fake_worker_fail(EDGE_BUSY);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, &err), EDGE_BUSY);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &cert, NULL, &err), EDGE_BUSY);
    assert_int_not_equal(pki_start(w->pki, &err), EDGE_OK);
    fake_worker_fail(EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.cnt, 0);
}

static void test_lives_are_cut(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    pki_answer_init(&cert);
    assert_int_equal(pki_world_ask(w, "10.0.0.1", 5000 * DAY, &cert, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_OK);
    assert_true(cert.not_after_wall_s <= NOW + 90 * DAY);
    pki_answer_clear(&cert);
}

static void test_cancel_of_issue(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert;
    struct op op = OP_NONE;
    pki_answer_init(&cert);
    fake_worker_hold(true);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, &op, NULL), EDGE_OK);
    op_cancel(loop_ops(fake_loop()), op);
    assert_int_equal(cert.cnt, 0);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(cert.cnt, 1);
    assert_int_equal(cert.code, EDGE_CANCELED);
    pki_answer_init(&cert);
}

static enum edge_code ask_for(struct pki_world *w, const char *module, struct pki_answer *a,
                              struct edge_error *err) {
    const struct pki_server_request r = {.common_name = slice_str("host"),
                                         .module_id = slice_str(module),
                                         .now = wall_get_time(w->wall),
                                         .validity_s = DAY};
    return pki_issue_server(w->pki, &r, pki_answer_issued, a, NULL, err);
}

static enum edge_code ask_identity(struct pki_world *w, const char *module, struct pki_answer *a,
                                   struct edge_error *err) {
    const struct pki_identity_request r = {.module_id = slice_str(module),
                                           .hub = slice_str("hub.example"),
                                           .device_id = slice_str("dev-1"),
                                           .now = wall_get_time(w->wall),
                                           .validity_s = 60};
    return pki_issue_identity(w->pki, &r, pki_answer_issued, a, NULL, err);
}

/* One module may ask as fast as it can: it has its places, the others have theirs. */
static void test_places_of_a_module(void **state) {
    struct pki_world *w = *state;
    struct pki_answer greedy = {.cnt = 0}, others = {.cnt = 0};
    struct edge_error err;
    char name[16];
    pki_answer_init(&greedy);
    pki_answer_init(&others);
    fake_worker_hold(true);
    for (int i = 0; i < PKI_PER_MODULE_MAX; i++) {
        enum edge_code code = i % 2 == 0 ? ask_for(w, "greedy", &greedy, &err)
                                         : ask_identity(w, "greedy", &greedy, &err);
        assert_int_equal(code, EDGE_OK);
    }
    assert_int_equal(ask_for(w, "greedy", &greedy, &err), EDGE_BUSY);
    assert_int_equal(ask_identity(w, "greedy", &greedy, &err), EDGE_BUSY);
    for (int i = PKI_PER_MODULE_MAX; i < PKI_ISSUING_MAX; i++) {
        (void)snprintf(name, sizeof(name), "module%d", i);
        assert_int_equal(ask_for(w, name, &others, &err), EDGE_OK);
    }
    assert_int_equal(ask_for(w, "late", &others, &err), EDGE_BUSY);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(greedy.cnt, PKI_PER_MODULE_MAX);
    assert_int_equal(others.cnt, PKI_ISSUING_MAX - PKI_PER_MODULE_MAX);
    assert_int_equal(ask_for(w, "greedy", &greedy, &err), EDGE_OK);
    fake_loop_run();
    assert_int_equal(greedy.code, EDGE_OK);
    pki_answer_clear(&greedy);
    pki_answer_clear(&others);
}

static void test_longest_names(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    struct edge_error err;
    char name[NAMES_ID_MAX + 2];
    pki_answer_init(&cert);
    memset(name, 'm', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(ask_for(w, name, &cert, &err), EDGE_RANGE);
    name[NAMES_ID_MAX] = '\0';
    assert_int_equal(ask_for(w, name, &cert, &err), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_OK);
    pki_answer_clear(&cert);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_places_of_a_module, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_prepared_keys_are_taken, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_server_and_bundle, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_identity, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_at_once, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_longest_names, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_lives_are_cut, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_of_issue, pki_world_setup, pki_world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
