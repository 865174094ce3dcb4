/* SPDX-License-Identifier: MIT */
/*
 * From an error to a status: what heals is 5xx, because clients of this API try again on those
 * only.
 */
#include "api/api_error.h"

#include "fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static void test_every_code_has_a_sane_status(void **unused) {
    (void)unused;
    for (int code = EDGE_OK + 1; code < EDGE_CODE_CNT_; code++) {
        int status = api_error_status((enum edge_code)code);
        assert_true(status >= 400 && status <= 503);
    }
    assert_int_equal(api_error_status(EDGE_OK), 200);
    assert_int_equal(api_error_status(EDGE_PARSE), 400);
    assert_int_equal(api_error_status(EDGE_NOT_FOUND), 404);
    assert_int_equal(api_error_status(EDGE_BUSY), 503);
    assert_int_equal(api_error_status(EDGE_NOMEM), 500);
}

static void test_module_learns_no_details(void **unused) {
    (void)unused;
    struct edge_error err;
    for (int code = EDGE_OK + 1; code < EDGE_CODE_CNT_; code++) {
        struct http_exchange *x = fake_exchange(NULL);
        int status = api_error_status((enum edge_code)code);
        (void)edge_set(&err, (enum edge_code)code, "DETAIL");
        api_error_workload(x, "Could not sign", &err);
        assert_int_equal(fake_exchange_status(), status);
        assert_memory_equal(fake_exchange_text(), "Could not sign\n\tcaused by: ", 27);
        assert_int_equal(strstr(fake_exchange_text(), "DETAIL") != NULL, status < 500);
        assert_int_equal(fake_exchange_retry_after() > 0, status == 503);
        fake_exchange_end();
    }
}

static void test_manager_is_told_everything(void **unused) {
    (void)unused;
    struct edge_error err;
    (void)edge_set(&err, EDGE_NET, "DETAIL");
    api_error_mgmt(fake_exchange(NULL), "Could not list identities", &err);
    assert_string_equal(fake_exchange_text(), "Could not list identities\n\tcaused by: DETAIL");
}

static void test_blameless_requests(void **unused) {
    (void)unused;
    for (int code = EDGE_OK + 1; code < EDGE_CODE_CNT_; code++) {
        struct edge_error err;
        int status = api_error_status((enum edge_code)code);
        (void)edge_set(&err, (enum edge_code)code, "DETAIL");
        api_error_blameless(fake_exchange(NULL), "Could not list modules", &err);
        assert_int_equal(fake_exchange_status(), status >= 500 ? status : 500);
        assert_string_equal(fake_exchange_text(), "Could not list modules\n\tcaused by: DETAIL");
        fake_exchange_end();
    }
}

static void test_throttled_hub_is_passed_on(void **unused) {
    (void)unused;
    struct hub_answer a = {.kind = HUB_THROTTLED, .retry_after_ms = 9000};
    (void)edge_set(&a.err, EDGE_BUSY, "slow down");
    api_error_hub(fake_exchange(NULL), "Could not list identities", &a);
    assert_int_equal(fake_exchange_status(), 500);
    assert_int_equal(fake_exchange_retry_after(), 10);
}

/* "No TPM answers" is no "there is no such module". */
static void test_key_store_speaks_of_itself(void **unused) {
    (void)unused;
    static const enum edge_code codes[] = {EDGE_NOT_FOUND, EDGE_EXISTS, EDGE_CONFLICT, EDGE_PARSE,
                                           EDGE_DENIED,    EDGE_HSM,    EDGE_BUSY};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct hub_answer a = {.kind = HUB_LOCAL};
        (void)edge_set(&a.err, codes[i], "DETAIL");
        api_error_key_store(fake_exchange(NULL), "Could not sign", &a.err);
        assert_int_equal(fake_exchange_status(), 503);
        assert_null(strstr(fake_exchange_text(), "DETAIL"));
        fake_exchange_end();
        api_error_hub(fake_exchange(NULL), "Could not list identities", &a);
        assert_int_equal(fake_exchange_status(), 503);
        assert_non_null(strstr(fake_exchange_text(), "DETAIL"));
        fake_exchange_end();
    }
    struct edge_error err;
    (void)edge_set(&err, EDGE_INVALID, "no such key id");
    api_error_key_store(fake_exchange(NULL), "Could not sign", &err);
    assert_int_equal(fake_exchange_status(), 400);
    fake_exchange_end();
}

/* What heals by itself is 503, what the request is to blame for 400, and our insides stay ours. */
static void test_certificates(void **unused) {
    (void)unused;
    static const struct {
        enum edge_code code;
        int status;
        bool is_told;
    } cases[] = {
        {EDGE_INVALID, 400, true},   {EDGE_RANGE, 400, true},  {EDGE_RETRY, 503, true},
        {EDGE_CONFIG, 503, false},   {EDGE_HSM, 503, false},   {EDGE_NOT_FOUND, 503, false},
        {EDGE_CONFLICT, 503, false}, {EDGE_PARSE, 503, false}, {EDGE_BUSY, 503, false},
        {EDGE_NOMEM, 500, false},    {EDGE_CRYPTO, 500, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct edge_error err;
        (void)edge_set(&err, cases[i].code, "DETAIL");
        api_error_pki(fake_exchange(NULL), "Could not get server cert", &err);
        assert_int_equal(fake_exchange_status(), cases[i].status);
        assert_int_equal(fake_exchange_retry_after() > 0, cases[i].status == 503);
        assert_int_equal(strstr(fake_exchange_text(), "DETAIL") != NULL, cases[i].is_told);
        fake_exchange_end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_sane_status),
        cmocka_unit_test(test_module_learns_no_details),
        cmocka_unit_test(test_manager_is_told_everything),
        cmocka_unit_test(test_blameless_requests),
        cmocka_unit_test(test_throttled_hub_is_passed_on),
        cmocka_unit_test(test_key_store_speaks_of_itself),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
