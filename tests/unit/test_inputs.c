/* SPDX-License-Identifier: MIT */
/*
 * The digest of what an assignment depends on.
 */
#include "base/b64.h"
#include "base/mac.h"
#include "provisioning/internal.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct config_provisioning sample(void) {
    struct config_provisioning c = {.source = CONFIG_SOURCE_DPS,
                                    .credential = CONFIG_CREDENTIAL_TPM,
                                    .global_endpoint = (char *)"https://dps.example",
                                    .scope_id = (char *)"0ne"};
    return c;
}

/* What the release before wrote: an upgrade is no change of configuration. */
static void test_dps_with_tpm_is_as_it_was(void **unused) {
    (void)unused;
    static const char text[] = "dps.tpm\nhttps://dps.example\n0ne\n\n";
    struct config_provisioning c = sample();
    char inputs[STATE_INPUT_LEN];
    uint8_t digest[SHA256_LEN];
    struct buf hex;
    buf_init(&hex, STATE_INPUT_LEN);
    assert_int_equal(sha256(text, sizeof(text) - 1, digest, NULL), EDGE_OK);
    assert_int_equal(hex_encode(digest, sizeof(digest), &hex, NULL), EDGE_OK);
    assert_int_equal(inputs_digest(&c, inputs, NULL), EDGE_OK);
    assert_true(slice_eq_str(buf_slice(&hex), inputs));
    buf_clear(&hex);
}

static void assert_differs(const struct config_provisioning *a,
                           const struct config_provisioning *b) {
    char one[STATE_INPUT_LEN], two[STATE_INPUT_LEN];
    assert_int_equal(inputs_digest(a, one, NULL), EDGE_OK);
    assert_int_equal(inputs_digest(b, two, NULL), EDGE_OK);
    assert_string_not_equal(one, two);
}

static void test_what_counts(void **unused) {
    (void)unused;
    struct config_provisioning a = sample(), b = sample();
    b.scope_id = (char *)"0nf";
    assert_differs(&a, &b);
    b = a;
    b.registration_id = (char *)"reg";
    assert_differs(&a, &b);
    b = a;
    b.credential = CONFIG_CREDENTIAL_X509;
    b.identity_cert = (char *)"/a.pem";
    assert_differs(&a, &b);
    a = b;
    a.identity_cert = (char *)"/b.pem";
    assert_differs(&a, &b);
    a.source = CONFIG_SOURCE_MANUAL;
    b.source = CONFIG_SOURCE_EXTERNAL;
    assert_differs(&a, &b);
}

/* The file may lose its key once the key store has it. */
static void test_what_does_not_count(void **unused) {
    (void)unused;
    struct config_provisioning a = sample(), b;
    char one[STATE_INPUT_LEN], two[STATE_INPUT_LEN];
    uint8_t key[4] = {1, 2, 3, 4};
    a.credential = CONFIG_CREDENTIAL_KEY;
    b = a;
    b.key = (struct secret){key, sizeof(key)};
    b.key_line = 7;
    b.startup_spread_s = 9;
    assert_int_equal(inputs_digest(&a, one, NULL), EDGE_OK);
    assert_int_equal(inputs_digest(&b, two, NULL), EDGE_OK);
    assert_string_equal(one, two);
}

static enum edge_code digest(void *data) {
    struct config_provisioning c = sample();
    char inputs[STATE_INPUT_LEN];
    (void)data;
    return inputs_digest(&c, inputs, NULL);
}

static void test_out_of_memory_anywhere(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(digest, NULL) > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dps_with_tpm_is_as_it_was),
        cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_what_does_not_count),
        cmocka_unit_test(test_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
