/* SPDX-License-Identifier: MIT */
/*
 * The encrypt and decrypt routes: decoding, both ways to the result, and every way it can go wrong.
 */
#include "api/api.h"

#include "base/b64.h"
#include "fake_exchange.h"
#include "fake_module_crypt.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IV "\"initializationVector\":\"aXY=\"" /* "iv" */

/* "$edgeHub|637000000000000000|6976|hello", and without its last letter */
#define HELLO_BLOB "JGVkZ2VIdWJ8NjM3MDAwMDAwMDAwMDAwMDAwfDY5NzZ8aGVsbG8="
#define HELL_BLOB  "JGVkZ2VIdWJ8NjM3MDAwMDAwMDAwMDAwMDAwfDY5NzZ8aGVsbA"
#define ENCRYPT    "{\"plaintext\":\"aGVsbG8=\"," IV "}"
#define DECRYPT    "{\"ciphertext\":\"" HELLO_BLOB "\"," IV "}"
#define ENCRYPTED  "{\"ciphertext\":\"" HELLO_BLOB "\"}"
#define DECRYPTED  "{\"plaintext\":\"aGVsbG8=\"}"

/* Only the sign route and those that need the identity ask for it. */
const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return NULL;
}

static struct api api;

static int setup(void **state) {
    (void)state;
    api = (struct api){.crypt = fake_module_crypt()};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fake_exchange_end();
    (void)fake_module_crypt();
    return 0;
}

static void call(http_handler_fn *handler, const char *body) {
    struct http_exchange *x = fake_exchange(&api);
    fake_exchange_set_params("$edgeHub", "637000000000000000");
    fake_exchange_set_body(body);
    handler(x);
}

static void assert_answer(int status, const char *text) {
    assert_int_equal(fake_exchange_status(), status);
    assert_string_equal(fake_exchange_text(), text);
    assert_true(fake_exchange_was_sensitive());
}

static void test_at_once(void **unused) {
    (void)unused;
    call(workload_encrypt, ENCRYPT);
    assert_answer(200, ENCRYPTED);
    fake_exchange_end();
    call(workload_decrypt, DECRYPT);
    assert_answer(200, DECRYPTED);
    assert_false(fake_exchange_has_op());
}

static void test_waits_for_the_master_key(void **unused) {
    (void)unused;
    fake_module_crypt_set_open(false);
    call(workload_encrypt, ENCRYPT);
    assert_int_equal(fake_exchange_answers(), 0);
    assert_true(fake_exchange_has_op());
    fake_module_crypt_finish(EDGE_OK);
    assert_answer(200, ENCRYPTED);
    fake_exchange_end();
    fake_module_crypt_set_open(false);
    call(workload_decrypt, DECRYPT);
    fake_module_crypt_finish(EDGE_OK);
    assert_answer(200, DECRYPTED);
}

/* A body with `len` bytes of zeros as plaintext; freed by the caller. */
static char *large_body(size_t len) {
    struct buf out;
    char *zeros = calloc(1, len);
    buf_init(&out, 2 * len + 256);
    assert_int_equal(buf_append_str(&out, "{" IV ",\"plaintext\":\"", NULL), EDGE_OK);
    assert_int_equal(b64_encode(zeros, len, &out, NULL), EDGE_OK);
    assert_int_equal(buf_append_str(&out, "\"}", NULL), EDGE_OK);
    free(zeros);
    char *body = strdup(buf_cstr(&out));
    buf_clear(&out);
    return body;
}

static void test_large_messages_go_to_the_worker(void **unused) {
    (void)unused;
    char *body = large_body(MODULE_CRYPT_AT_ONCE_MAX);
    call(workload_encrypt, body);
    free(body);
    assert_int_equal(fake_exchange_status(), 200);
    fake_exchange_end();
    body = large_body((size_t)700 * 1024);
    call(workload_encrypt, body);
    free(body);
    assert_true(fake_module_crypt_is_waiting());
    fake_module_crypt_finish(EDGE_OK);
    assert_int_equal(fake_exchange_status(), 200);
    const size_t head = strlen("$edgeHub|637000000000000000|6976|");
    assert_int_equal(strlen(fake_exchange_text()),
                     strlen("{\"ciphertext\":\"\"}") + B64_LEN((size_t)700 * 1024 + head));
}

static void test_client_leaves(void **unused) {
    (void)unused;
    fake_module_crypt_set_open(false);
    call(workload_decrypt, DECRYPT);
    fake_exchange_leave();
    fake_module_crypt_finish(EDGE_OK); /* frees what the request held; asan would tell */
    fake_module_crypt_set_open(false);
    call(workload_encrypt, ENCRYPT);
    fake_exchange_leave();
    fake_module_crypt_finish(EDGE_CANCELED);
}

static void test_undecryptable(void **unused) {
    (void)unused;
    static const char *const bodies[] = {
        "{\"ciphertext\":\"" HELL_BLOB "\",\"initializationVector\":\"aXZ4\"}", /* another IV */
        "{\"ciphertext\":\"YQ==\"," IV "}",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        call(workload_decrypt, bodies[i]);
        assert_int_equal(fake_exchange_status(), 400);
        assert_non_null(strstr(fake_exchange_text(), "Could not decrypt\n\tcaused by: not made"));
        fake_exchange_end();
    }
    fake_module_crypt_set_open(false);
    call(workload_decrypt, bodies[0]);
    fake_module_crypt_finish(EDGE_OK);
    assert_int_equal(fake_exchange_status(), 400);
}

static void test_empty_and_too_long(void **unused) {
    (void)unused;
    call(workload_encrypt, "{\"plaintext\":\"\"," IV "}");
    assert_int_equal(fake_exchange_status(), 400);
    fake_exchange_end();
    call(workload_encrypt, "{\"plaintext\":\"YQ==\",\"initializationVector\":\"\"}");
    assert_int_equal(fake_exchange_status(), 400);
    fake_exchange_end();
    call(workload_decrypt, "{\"ciphertext\":\"\"," IV "}");
    assert_int_equal(fake_exchange_status(), 400);
    fake_exchange_end();
    char iv[600], body[800];
    memset(iv, 'A', sizeof(iv));
    (void)snprintf(body, sizeof(body), "{\"plaintext\":\"YQ==\",\"initializationVector\":\"%.*s\"}",
                   (int)sizeof(iv), iv);
    call(workload_encrypt, body);
    assert_int_equal(fake_exchange_status(), 400);
}

static void test_large_message_goes_wrong(void **unused) {
    (void)unused;
    static const struct {
        enum edge_code code;
        int status;
    } cases[] = {{EDGE_DENIED, 400},  {EDGE_PARSE, 400}, {EDGE_INVALID, 400}, {EDGE_CANCELED, 503},
                 {EDGE_TIMEOUT, 503}, {EDGE_RETRY, 503}, {EDGE_CRYPTO, 500},  {EDGE_NOMEM, 500}};
    char *body = large_body((size_t)100 * 1024);
    for (size_t i = 0; i < EDGE_ARRAY_LEN(cases); i++) {
        call(workload_encrypt, body);
        fake_module_crypt_finish(cases[i].code);
        assert_int_equal(fake_exchange_status(), cases[i].status);
        fake_exchange_end();
    }
    body[strlen(body) - 4] = '*';
    call(workload_encrypt, body);
    fake_module_crypt_finish(EDGE_OK);
    assert_int_equal(fake_exchange_status(), 400);
    assert_non_null(strstr(fake_exchange_text(), "Request body is malformed"));
    fake_exchange_end();
    body[strlen(body) - 4] = 'A';
    fake_module_crypt_refuse(EDGE_BUSY);
    call(workload_encrypt, body);
    assert_int_equal(fake_exchange_status(), 503);
    free(body);
}

/* What the key store says must not pass for an answer about the request. */
static void test_key_store_fails(void **unused) {
    (void)unused;
    static const enum edge_code codes[] = {EDGE_HSM,      EDGE_DENIED,  EDGE_NOT_FOUND, EDGE_PARSE,
                                           EDGE_CANCELED, EDGE_TIMEOUT, EDGE_RETRY};
    for (size_t i = 0; i < EDGE_ARRAY_LEN(codes); i++) {
        fake_module_crypt_set_open(false);
        call(workload_decrypt, DECRYPT);
        fake_module_crypt_finish(codes[i]);
        assert_int_equal(fake_exchange_status(), 503);
        assert_true(fake_exchange_retry_after() > 0);
        assert_null(strstr(fake_exchange_text(), "secret details"));
        assert_non_null(strstr(fake_exchange_text(), "Could not decrypt\n\tcaused by: "));
        fake_exchange_end();
    }
    fake_module_crypt_set_open(false);
    call(workload_encrypt, ENCRYPT);
    fake_module_crypt_finish(EDGE_CRYPTO);
    assert_int_equal(fake_exchange_status(), 500);
}

static void test_busy(void **unused) {
    (void)unused;
    fake_module_crypt_set_open(false);
    fake_module_crypt_refuse(EDGE_BUSY);
    call(workload_encrypt, ENCRYPT);
    assert_int_equal(fake_exchange_status(), 503);
    assert_null(strstr(fake_exchange_text(), "secret details"));
    fake_exchange_end();
    fake_module_crypt_set_open(true);
    fake_module_crypt_refuse(EDGE_RETRY); /* closed again in between */
    call(workload_encrypt, ENCRYPT);
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_malformed_bodies(void **unused) {
    (void)unused;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "7",
        "{}",
        "{" IV "}",
        "{\"plaintext\":\"aGVsbG8=\"}",
        "{\"plaintext\":null," IV "}",
        "{\"plaintext\":7," IV "}",
        "{\"plaintext\":[\"aGVsbG8=\"]," IV "}",
        "{\"plaintext\":\"aGVsbG8=\",\"initializationVector\":{}}",
        "{\"plaintext\":\"aGVsbG8=\",\"initializationVector\":null}",
        "{\"plaintext\":\"aGVs bG8=\"," IV "}",
        "{\"plaintext\":\"a\"," IV "}",
        "{\"plaintext\":\"aGVs=bG8\"," IV "}",
        "{\"plaintext\":\"aGVsbG8_\"," IV "}",
        "{\"plaintext\":\"aGVsbG8=\",\"initializationVector\":\"a\"}",
        "{\"Plaintext\":\"aGVsbG8=\"," IV "}",
        "{\"ciphertext\":\"aGVsbG8=\"," IV "}",
        "{\"plaintext\":\"aGVsbG8=\"," IV "} x",
        "{\"plaintext\":\"\\u0000\"," IV "}",
    };
    for (size_t i = 0; i < EDGE_ARRAY_LEN(bodies); i++) {
        call(workload_encrypt, bodies[i]);
        assert_int_equal(fake_exchange_status(), 400);
        assert_non_null(strstr(fake_exchange_text(), "Request body is malformed"));
        fake_exchange_end();
    }
    call(workload_decrypt, ENCRYPT);
    assert_int_equal(fake_exchange_status(), 400);
}

static void test_lenient_where_the_original_is(void **unused) {
    (void)unused;
    call(workload_encrypt, "{\"more\":[{\"a\":null},1.5],\"plaintext\":\"aGVsbG8\","
                           "\"initializationVector\":\"aXY\"}");
    assert_answer(200, ENCRYPTED);
    fake_exchange_end();
    call(workload_decrypt, "{\"ciphertext\":\"" HELL_BLOB "\",\"initializationVector\":\"aXY\"}");
    assert_answer(200, "{\"plaintext\":\"aGVsbA==\"}");
}

static enum edge_code one_round(void *data) {
    fake_module_crypt_set_open(data != NULL);
    call(workload_encrypt, ENCRYPT);
    if (fake_module_crypt_is_waiting()) {
        fake_module_crypt_finish(EDGE_OK);
    }
    assert_int_equal(fake_exchange_answers(), 1);
    return fake_exchange_status() == 200 ? EDGE_OK : EDGE_NOMEM;
}

static void test_out_of_memory(void **unused) {
    (void)unused;
    assert_true(alloc_fail_torture(one_round, NULL) >= 3);
    assert_true(alloc_fail_torture(one_round, &api) >= 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_at_once),
        T(test_waits_for_the_master_key),
        T(test_large_messages_go_to_the_worker),
        T(test_client_leaves),
        T(test_undecryptable),
        T(test_empty_and_too_long),
        T(test_large_message_goes_wrong),
        T(test_key_store_fails),
        T(test_busy),
        T(test_malformed_bodies),
        T(test_lenient_where_the_original_is),
        T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
