/* SPDX-License-Identifier: MIT */
#include "pki/pki.h"

#include "support/ca_certs.h"
#include "support/fake_hsm.h"
#include "support/fake_loop.h"
#include "support/fake_wall.h"
#include "support/pki_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW PKI_WORLD_NOW
#define DAY ((int64_t)86400)

static void test_cancel(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0}, one = {.cnt = 0}, two = {.cnt = 0};
    struct op op = OP_NONE, bundle_op = OP_NONE;
    pki_answer_init(&cert);
    pki_answer_init(&one);
    pki_answer_init(&two);
    fake_worker_hold(true);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, &op, NULL), EDGE_OK);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &one, &bundle_op, NULL), EDGE_OK);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &two, NULL, NULL), EDGE_OK);
    op_cancel(loop_ops(fake_loop()), op);
    op_cancel(loop_ops(fake_loop()), bundle_op);
    assert_int_equal(cert.cnt + one.cnt + two.cnt, 0);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(cert.cnt, 1);
    assert_int_equal(cert.code, EDGE_CANCELED);
    assert_int_equal(one.cnt, 1);
    assert_int_equal(one.code, EDGE_CANCELED);
    assert_int_equal(two.cnt, 1);
    assert_int_equal(two.code, EDGE_OK);
    pki_answer_clear(&cert);
    pki_answer_clear(&one);
    pki_answer_clear(&two);
}

static void test_bundle_is_shared(void **state) {
    struct pki_world *w = *state;
    struct pki_answer *answers = calloc(PKI_WAITERS_MAX, sizeof(*answers));
    struct edge_error err;
    enum edge_code code = EDGE_OK;
    size_t cnt = 0;
    assert_non_null(answers);
    for (; cnt < PKI_WAITERS_MAX && code == EDGE_OK; cnt++) {
        pki_answer_init(&answers[cnt]);
        code = pki_trust_bundle(w->pki, pki_answer_bundle, &answers[cnt], NULL, &err);
    }
    cnt -= code == EDGE_OK ? 0 : 1;
    assert_true(cnt > 64); /* more than the worker's queue */
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &answers[0], NULL, &err),
                     EDGE_BUSY);
    fake_loop_run();
    for (size_t i = 0; i < cnt; i++) {
        assert_int_equal(answers[i].cnt, 1);
        assert_int_equal(answers[i].code, EDGE_OK);
        buf_clear(&answers[i].pem);
    }
    free(answers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cancel, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_bundle_is_shared, pki_world_setup, pki_world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
