/* SPDX-License-Identifier: MIT */
/*
 * The certificate authorities with their keys in a TPM: made, found again, renewed, lost.
 */
#include "fixture.h"

#include "base/log.h"
#include "pki/renew.h"
#include "support/ca_certs.h"
#include "support/keeper_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW ((int64_t)1800000000)
#define DAY RENEW_DAY_S

static void open_world(struct keeper_world *w, struct fixture *f) {
    if (f->hsm == NULL) {
        fixture_start(f);
    }
    keeper_world_init(w, f->dir, f->hsm, NOW);
}

static void issue(struct keeper_world *w) {
    keeper_world_issue(w);
    keeper_world_fetch(w);
    assert_int_equal(keeper_world_verify(w), 0);
}

static size_t keys_in_tpm(struct fixture *f) {
    struct hsm_key keys[HSM_KEYS_MAX];
    size_t cnt = 0;
    fixture_ok(f, hsm_key_list(f->hsm, keys, &cnt, &f->err));
    for (size_t i = 0; i < cnt; i++) {
        assert_int_equal(keys[i].place, HSM_KEY_IN_TPM);
    }
    return cnt;
}

static void test_made_found_renewed(void **state) {
    struct fixture *f = *state;
    struct keeper_world w;
    struct buf first;
    buf_init(&first, CA_CERTS_PEM_MAX);
    open_world(&w, f);
    issue(&w);
    assert_int_equal(keys_in_tpm(f), 3);
    assert_int_equal(buf_append_slice(&first, buf_slice(&w.bundle), NULL), EDGE_OK);
    keeper_world_clear(&w);
    fixture_close(f);
    swtpm_reset(f->tpm, false);
    open_world(&w, f);
    issue(&w);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&w.bundle)));
    w.now.now_s = NOW + 70 * DAY;
    issue(&w);
    assert_true(slice_eq(buf_slice(&first), buf_slice(&w.bundle)));
    w.now.now_s = NOW + 3000 * DAY;
    issue(&w); /* by the cross certificate with the first bundle as well */
    assert_int_equal(ca_cert_verify(buf_slice(&w.leaf), buf_slice(&first), w.now.now_s), 0);
    assert_int_equal(keys_in_tpm(f), 4);
    keeper_world_clear(&w);
    buf_clear(&first);
}

/* Keys of a TPM that was cleared are of no use any more: new authorities follow, and the former
 * root stays known. */
static void test_cleared(void **state) {
    struct fixture *f = *state;
    struct keeper_world w;
    struct buf first;
    buf_init(&first, CA_CERTS_PEM_MAX);
    open_world(&w, f);
    issue(&w);
    assert_int_equal(buf_append_slice(&first, buf_slice(&w.bundle), NULL), EDGE_OK);
    keeper_world_clear(&w);
    fixture_close(f);
    assert_int_equal(swtpm_sh(f->tpm, "tpm2_clear -c p"), 0);
    fixture_open(f);
    fixture_ok(f, hsm_accept_change(f->hsm, &f->err));
    open_world(&w, f);
    issue(&w);
    assert_int_equal(keys_in_tpm(f), 3);
    assert_non_null(memmem(w.bundle.data, w.bundle.len, first.data, first.len));
    keeper_world_clear(&w);
    buf_clear(&first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_found_renewed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_cleared, fixture_setup, fixture_teardown),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
