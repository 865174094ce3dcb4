/* SPDX-License-Identifier: MIT */
#include "pki/quickstart.h"

#include "pki/bundle.h"
#include "pki/ca_make.h"
#include "support/alloc_fail.h"
#include "support/ca_certs.h"
#include "support/fake_hsm.h"
#include "support/legacy_pki.h"
#include "support/legacy_state.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY RENEW_DAY_S

static const struct renew_plan all = {
    .owner = true, .cross = true, .device = true, .workload = true};

struct world {
    struct hsm *hsm;
    struct tmpdir *home;
    struct quickstart q;
    struct authorities a;
    char note[EDGE_ERROR_TEXT_MAX];
    struct buf chain, bundle;
};

static int setup(void **state) {
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->hsm = fake_hsm_new();
    w->home = tmpdir_new();
    w->q = (struct quickstart){.hsm = w->hsm,
                               .homedir = w->home->path,
                               .life_s = 90 * DAY,
                               .now_wall_s = NOW,
                               .clock_is_trusted = true};
    authorities_init(&w->a);
    w->a.source = AUTHORITIES_QUICKSTART;
    buf_init(&w->chain, CA_CERTS_PEM_MAX);
    buf_init(&w->bundle, CA_CERTS_PEM_MAX);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    authorities_clear(&w->a);
    buf_clear(&w->chain);
    buf_clear(&w->bundle);
    hsm_close(w->hsm);
    tmpdir_free(w->home);
    free(w);
    return 0;
}

static void carry_out(struct world *w, const struct renew_plan *plan) {
    struct edge_error err = {0};
    enum edge_code code = quickstart_carry_out(&w->q, plan, &w->a, w->note, &err);
    if (code != EDGE_OK) {
        print_message("%s\n", err.text);
    }
    assert_int_equal(code, EDGE_OK);
    buf_reset(&w->chain);
    buf_reset(&w->bundle);
    assert_int_equal(bundle_write_chain(&w->a, w->q.now_wall_s, &w->chain, NULL), EDGE_OK);
    assert_int_equal(bundle_write(&w->a, w->q.now_wall_s, &w->bundle, NULL), EDGE_OK);
}

static int verify(struct world *w, const char *bundle) {
    return ca_cert_verify(buf_slice(&w->chain),
                          bundle != NULL ? slice_str(bundle) : buf_slice(&w->bundle),
                          w->q.now_wall_s);
}

static void test_first(void **state) {
    struct world *w = *state;
    carry_out(w, &all);
    assert_int_equal(verify(w, NULL), 0);
    assert_string_equal(w->note, "");
    assert_true(w->a.predecessor_done);
    assert_string_equal(w->a.owner.key, "owner-ca-1");
    assert_string_equal(w->a.device.key, "device-ca-2");
    assert_string_equal(w->a.workload.key, "workload-ca-3");
    assert_int_equal(w->a.owner.cert.path_len, 3);
    assert_int_equal(w->a.device.cert.path_len, 2);
    assert_int_equal(w->a.workload.cert.path_len, 0);
    assert_true(w->a.owner.cert.is_ca && w->a.owner.cert.may_sign && w->a.owner.cert.self_issued);
    assert_int_equal(w->a.owner.cert.not_after_wall_s, NOW + RENEW_OWNER_LIFE_S);
    assert_true(w->a.owner.cert.not_before_wall_s <= NOW - RENEW_BACKDATE_S);
    assert_int_equal(w->a.device.cert.not_after_wall_s, NOW + 90 * DAY);
    assert_true(w->a.workload.cert.not_after_wall_s <= w->a.device.cert.not_after_wall_s);
    assert_true(w->a.device.cert.not_before_wall_s >= w->a.owner.cert.not_before_wall_s);
    assert_true(authority_is_under(&w->a.device, &w->a.owner));
    assert_true(authority_is_under(&w->a.workload, &w->a.device));
}

static void test_has_key(void **state) {
    struct world *w = *state;
    bool has = true;
    assert_int_equal(quickstart_has_key(w->hsm, &w->a.owner, &has, NULL), EDGE_OK);
    assert_false(has);
    carry_out(w, &all);
    assert_int_equal(quickstart_has_key(w->hsm, &w->a.owner, &has, NULL), EDGE_OK);
    assert_true(has);
    /* A key of that name that is not the certificate's. */
    struct hsm_key key;
    assert_int_equal(hsm_key_drop(w->hsm, w->a.owner.key, NULL), EDGE_OK);
    assert_int_equal(quickstart_has_key(w->hsm, &w->a.owner, &has, NULL), EDGE_OK);
    assert_false(has);
    assert_int_equal(hsm_key_make(w->hsm, w->a.owner.key, &key, NULL), EDGE_OK);
    assert_int_equal(quickstart_has_key(w->hsm, &w->a.owner, &has, NULL), EDGE_OK);
    assert_false(has);
    fake_hsm_fail(w->hsm, 1, EDGE_HSM);
    assert_int_equal(quickstart_has_key(w->hsm, &w->a.owner, &has, NULL), EDGE_HSM);
}

static void test_owner_again(void **state) {
    struct world *w = *state;
    carry_out(w, &all);
    char *old = strdup(w->a.owner.pem);
    assert_non_null(old);
    w->q.now_wall_s += 3000 * DAY;
    carry_out(w, &all);
    assert_int_equal(w->a.before_cnt, 1);
    assert_string_equal(w->a.before[0].pem, old);
    assert_string_not_equal(w->a.owner.cert.subject, w->a.before[0].cert.subject);
    assert_int_equal(w->a.before[0].until_wall_s, w->a.before[0].cert.not_after_wall_s);
    assert_int_equal(verify(w, NULL), 0);
    assert_int_equal(verify(w, old), 0);
    assert_int_equal(verify(w, w->a.owner.pem), 0);
    w->q.now_wall_s += 700 * DAY; /* the former one has ended, and cannot sign any more */
    carry_out(w, &all);
    assert_int_equal(w->a.before_cnt, 2);
    assert_int_equal(verify(w, w->a.before[0].pem), 0);
    assert_int_not_equal(verify(w, old), 0);
    free(old);
}

static void test_lost_key_of_the_former(void **state) {
    struct world *w = *state;
    carry_out(w, &all);
    assert_int_equal(hsm_key_drop(w->hsm, w->a.owner.key, NULL), EDGE_OK);
    carry_out(w, &all);
    assert_int_equal(w->a.cross.cnt, 0);
    assert_int_equal(verify(w, NULL), 0);
}

static void test_follows_release_1_1(void **state) {
    struct world *w = *state;
    struct legacy_pki old;
    struct buf root;
    buf_init(&root, CERTS_TEXT_MAX);
    legacy_state_make(w->home);
    legacy_pki_make(&old, w->home, 3, NOW - 10 * DAY, NOW + 80 * DAY);
    certs_add_cert(&root, &old.root);
    carry_out(w, &all);
    assert_string_equal(w->note, "");
    assert_true(w->a.predecessor_done);
    assert_int_equal(w->a.former.cnt, 1);
    assert_string_equal(w->a.former.items[0].source, "predecessor");
    assert_int_equal(verify(w, NULL), 0);
    assert_int_equal(verify(w, buf_cstr(&root)), 0); /* devices that trust the old root go on */
    assert_int_equal(verify(w, w->a.owner.pem), 0);
    /* Only once, and until the root ends. */
    const struct renew_plan below = {.device = true, .workload = true};
    carry_out(w, &below);
    assert_int_equal(w->a.cross.cnt, 1);
    w->q.now_wall_s += 81 * DAY;
    carry_out(w, &below);
    assert_int_equal(verify(w, NULL), 0);
    assert_null(memmem(w->bundle.data, w->bundle.len, root.data, root.len));
    buf_clear(&root);
    legacy_pki_free(&old);
}

static void test_root_of_1_1_has_ended(void **state) {
    struct world *w = *state;
    struct legacy_pki old;
    legacy_state_make(w->home);
    legacy_pki_make(&old, w->home, 3, NOW - 100 * DAY, NOW - 10 * DAY);
    carry_out(w, &all);
    assert_true(w->a.predecessor_done);
    assert_int_equal(w->a.former.cnt, 0);
    assert_string_not_equal(w->note, "");
    assert_int_equal(verify(w, NULL), 0);
    legacy_pki_free(&old);
}

/* It is the clock that is wrong: nothing that comes later may find the old root given up. */
static void test_root_of_1_1_is_not_valid_yet(void **state) {
    const struct renew_plan nothing = {.owner = false};
    struct world *w = *state;
    struct legacy_pki old;
    struct edge_error err;
    legacy_state_make(w->home);
    legacy_pki_make(&old, w->home, 3, NOW + 10 * DAY, NOW + 80 * DAY);
    carry_out(w, &all);
    assert_false(w->a.predecessor_done);
    assert_int_equal(verify(w, NULL), 0);
    assert_int_equal(quickstart_carry_out(&w->q, &nothing, &w->a, w->note, &err), EDGE_RETRY);
    assert_false(w->a.predecessor_done);
    w->q.now_wall_s += 11 * DAY;
    carry_out(w, &nothing);
    assert_true(w->a.predecessor_done);
    assert_int_equal(w->a.former.cnt, 1);
    legacy_pki_free(&old);
}

/* A clock that is ahead lets the old root look expired: nothing is given up by it. */
static void test_clock_ahead_of_the_end_of_1_1(void **state) {
    const struct renew_plan nothing = {.owner = false};
    struct world *w = *state;
    struct legacy_pki old;
    struct edge_error err;
    legacy_state_make(w->home);
    legacy_pki_make(&old, w->home, 3, NOW - 100 * DAY, NOW + 80 * DAY);
    w->q.clock_is_trusted = false;
    w->q.now_wall_s = NOW + 100 * DAY;
    carry_out(w, &all); /* what modules need is made all the same */
    assert_false(w->a.predecessor_done);
    assert_int_equal(quickstart_carry_out(&w->q, &nothing, &w->a, w->note, &err), EDGE_RETRY);
    assert_non_null(strstr(err.text, "nobody vouches"));
    assert_false(w->a.predecessor_done);
    w->q.clock_is_trusted = true;
    w->q.now_wall_s = NOW;
    carry_out(w, &all);
    assert_true(w->a.predecessor_done);
    assert_int_equal(w->a.former.cnt, 1);
    legacy_pki_free(&old);
}

/* The root that was made by a clock that is ahead goes, and 1.1's signs for the next one as well,
 * unless its key has been removed by then. */
static void clock_ahead(struct world *w, bool key_is_there) {
    struct legacy_pki old;
    struct buf root;
    buf_init(&root, CERTS_TEXT_MAX);
    legacy_state_make(w->home);
    legacy_pki_make(&old, w->home, 3, NOW - 100 * DAY, NOW + 80 * DAY);
    certs_add_cert(&root, &old.root);
    w->q.clock_is_trusted = false;
    w->q.now_wall_s = NOW + 20 * DAY;
    carry_out(w, &all);
    assert_true(w->a.predecessor_done);
    assert_true(w->a.cross.items[0].cert.not_before_wall_s <= NOW); /* it leaves no gap */
    if (!key_is_there) {
        assert_int_equal(unlinkat(w->home->fd, LEGACY_PKI_KEY(LEGACY_PKI_OWNER), 0), 0);
    }
    w->q.now_wall_s = NOW;
    carry_out(w, &all); /* also a new root */
    assert_true(w->a.predecessor_done);
    assert_int_equal(verify(w, NULL), 0);
    assert_int_equal(verify(w, buf_cstr(&root)) == 0, key_is_there);
    buf_clear(&root);
    legacy_pki_free(&old);
}

static void test_clock_ahead_of_the_cross_certificate(void **state) {
    clock_ahead(*state, true);
}

static void test_clock_ahead_and_no_key(void **state) {
    clock_ahead(*state, false);
}

static void test_swap(void **state) {
    struct world *w = *state;
    const struct renew_plan swap = {
        .swap = true, .swap_with = 0, .cross = true, .device = true, .workload = true};
    carry_out(w, &all);
    char *old = strdup(w->a.owner.pem);
    assert_non_null(old);
    w->q.now_wall_s = NOW + 9 * 365 * DAY;
    carry_out(w, &all);
    w->q.now_wall_s = NOW + DAY;
    carry_out(w, &swap);
    assert_string_equal(w->a.owner.pem, old);
    assert_int_equal(w->a.before_cnt, 1);
    assert_int_equal(w->a.cross.cnt, 0); /* the other one is not valid yet */
    assert_int_equal(verify(w, old), 0);
    free(old);
}

static void test_leave_operator(void **state) {
    struct world *w = *state;
    carry_out(w, &all);
    char *owner = strdup(w->a.owner.pem);
    assert_non_null(owner);
    w->a.source = AUTHORITIES_OPERATOR;
    w->a.anchor = strdup(w->a.owner.pem);
    assert_non_null(w->a.anchor);
    assert_int_equal(quickstart_leave_operator(&w->q, &w->a, NULL), EDGE_OK);
    assert_int_equal(w->a.source, AUTHORITIES_QUICKSTART);
    assert_false(authority_exists(&w->a.device));
    assert_null(w->a.anchor);
    assert_int_equal(w->a.former.cnt, 1);
    assert_string_equal(w->a.former.items[0].source, "operator");
    assert_string_equal(w->a.owner.pem, owner); /* the root that clients know from before */
    free(owner);
}

/* What is half made when the key store fails: the caller can tell which keys are new. */
static void test_failing_store(void **state) {
    struct world *w = *state;
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    fake_hsm_fail(w->hsm, 1, EDGE_HSM);
    assert_int_equal(quickstart_carry_out(&w->q, &all, &w->a, w->note, NULL), EDGE_HSM);
    assert_int_equal(hsm_key_list(w->hsm, keys, &cnt, NULL), EDGE_OK);
    for (size_t i = 0; i < cnt; i++) {
        assert_true(authorities_has_key(&w->a, keys[i].name));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_has_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_key_of_the_former, setup, teardown),
        cmocka_unit_test_setup_teardown(test_follows_release_1_1, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_of_1_1_has_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_of_1_1_is_not_valid_yet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_ahead_of_the_end_of_1_1, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_ahead_of_the_cross_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_ahead_and_no_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leave_operator, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_store, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
