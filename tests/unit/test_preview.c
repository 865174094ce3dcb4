/* SPDX-License-Identifier: MIT */
/*
 * The dry run.
 */
#include "support/alloc_fail.h"
#include "support/provisioning_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- Dry run --- */

static struct provisioning_preview preview;
static unsigned previews;

static void on_preview(void *data, const struct provisioning_preview *pv) {
    (void)data;
    previews++;
    preview = *pv;
}

static void look(const char *hub) {
    previews = 0;
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_OK);
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_BUSY);
    struct source_outcome o = {.verdict = SOURCE_ASSIGNED, .result = policy_result(hub, 0)};
    policy_answer(&o);
    assert_int_equal(previews, 1);
    assert_int_equal(preview.err.code, EDGE_OK);
}

static void test_preview(void **unused) {
    (void)unused;
    policy_open();
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_BUSY);
    policy_assign("a.example", 1);
    look("a.example");
    assert_false(preview.changes);
    look("b.example");
    assert_true(preview.changes);
    assert_non_null(strstr(preview.text, "b.example"));
    assert_string_equal(env.last.hub, "a.example");
    assert_int_equal(src.looks, 2);
    assert_int_equal(provisioning_preview(env.p, on_preview, NULL, NULL), EDGE_OK);
    policy_close();
    assert_int_equal(preview.err.code, EDGE_CANCELED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, policy_setup, policy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_preview),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
