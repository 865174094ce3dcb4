/* SPDX-License-Identifier: MIT */
#include "pki/pki.h"

#include "base/log.h"
#include "support/alloc_fail.h"
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

static void test_clock_wrong_at_start(void **state) {
    struct pki_world *w = *state;
    struct pki_answer bundle = {.cnt = 0};
    pki_answer_init(&bundle);
    fake_wall_set(w->wall, WALL_WRONG, 0);
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &bundle, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(bundle.code, EDGE_RETRY);
    assert_false(pki_is_ready(w->pki));
    assert_string_not_equal(pki_get_status(w->pki)->note, "");
    fake_wall_set(w->wall, WALL_CORRECTED, 500 * DAY); /* the listener looks again */
    fake_loop_run();
    assert_true(pki_is_ready(w->pki));
    assert_string_equal(pki_get_status(w->pki)->note, "");
    assert_true(pki_get_status(w->pki)->items[2].not_after_wall_s > NOW + 580 * DAY);
    pki_answer_clear(&bundle);
}

static void test_renewal_by_the_timer(void **state) {
    struct pki_world *w = *state;
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    fake_loop_run();
    int64_t end = pki_get_status(w->pki)->items[2].not_after_wall_s;
    for (int day = 0; day < 59; day++) {
        fake_loop_advance((uint64_t)DAY * 1000);
    }
    assert_int_equal(pki_get_status(w->pki)->items[2].not_after_wall_s, end);
    for (int day = 0; day < 3; day++) {
        fake_loop_advance((uint64_t)DAY * 1000);
    }
    assert_true(pki_get_status(w->pki)->items[2].not_after_wall_s > end + 50 * DAY);
}

struct told {
    unsigned cnt;
    char last[256];
};

static void on_line(void *data, enum log_level level, const char *line) {
    struct told *t = data;
    if (level == LOG_WARN && strstr(line, " days left") != NULL) {
        t->cnt++;
        (void)snprintf(t->last, sizeof(t->last), "%s", line);
    }
}

/* Each day once, of what should have been renewed a day ago. */
static void test_days_left_are_told(void **state) {
    struct pki_world *w = *state;
    struct told told = {.cnt = 0};
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    fake_loop_run();
    log_set_level(LOG_WARN);
    log_set_sink(on_line, &told);
    fake_hsm_fail(w->hsm, 1000000, EDGE_HSM);
    fake_loop_advance((uint64_t)60 * DAY * 1000);
    assert_int_equal(told.cnt, 0);
    fake_loop_advance((uint64_t)DAY * 1500);
    assert_int_equal(told.cnt, 2); /* device and workload CA */
    assert_non_null(strstr(told.last, "the workload CA '"));
    assert_non_null(strstr(told.last, " has 28 days left"));
    fake_loop_advance((uint64_t)DAY * 1000);
    assert_int_equal(told.cnt, 4);
    fake_hsm_fail(w->hsm, 0, EDGE_OK);
    fake_loop_advance((uint64_t)DAY * 2000);
    assert_int_equal(told.cnt, 4);
    log_set_sink(NULL, NULL);
}

static void test_store_away(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0};
    pki_answer_init(&cert);
    fake_hsm_fail(w->hsm, 1000, EDGE_HSM);
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_HSM);
    assert_string_not_equal(pki_get_status(w->pki)->note, "");
    fake_hsm_fail(w->hsm, 0, EDGE_OK);
    fake_loop_advance(15u * 60 * 1000);
    assert_true(pki_is_ready(w->pki));
    pki_answer_init(&cert);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, NULL), EDGE_OK);
    fake_loop_run();
    assert_int_equal(cert.code, EDGE_OK);
    pki_answer_clear(&cert);
}

static void test_stop_answers_all(void **state) {
    struct pki_world *w = *state;
    struct pki_answer cert = {.cnt = 0}, bundle = {.cnt = 0};
    struct edge_error err;
    pki_answer_init(&cert);
    pki_answer_init(&bundle);
    assert_int_equal(pki_start(w->pki, NULL), EDGE_OK);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, NULL), EDGE_OK);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &bundle, NULL, NULL), EDGE_OK);
    pki_stop(w->pki, pki_world_stopped, w);
    assert_int_equal(pki_world_ask(w, "gateway", DAY, &cert, NULL, &err), EDGE_CANCELED);
    assert_int_equal(pki_trust_bundle(w->pki, pki_answer_bundle, &bundle, NULL, &err),
                     EDGE_CANCELED);
    fake_loop_run();
    assert_true(w->stopped);
    assert_int_equal(cert.cnt, 1);
    assert_int_equal(cert.code, EDGE_CANCELED);
    assert_int_equal(bundle.cnt, 1);
    pki_answer_clear(&cert);
    pki_answer_clear(&bundle);
}

static enum edge_code torture(void *data) {
    const struct pki_deps *deps = data;
    struct pki *p = NULL;
    enum edge_code code = pki_new(deps, &p, NULL);
    pki_free(p);
    return code;
}

static void test_allocation_torture(void **state) {
    struct pki_world *w = *state;
    const struct pki_deps deps = pki_world_deps(w);
    assert_true(alloc_fail_torture(torture, (void *)(uintptr_t)&deps) > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clock_wrong_at_start, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_renewal_by_the_timer, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_days_left_are_told, pki_world_setup,
                                        pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_store_away, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_stop_answers_all, pki_world_setup, pki_world_teardown),
        cmocka_unit_test_setup_teardown(test_allocation_torture, pki_world_setup,
                                        pki_world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
