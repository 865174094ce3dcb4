/* SPDX-License-Identifier: MIT */
/*
 * The trust bundle route: what is given out, and what must never be.
 */
#include "api/api.h"

#include "fake_exchange.h"
#include "fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEM "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"

const struct provisioning_status *provisioning_get_status(const struct provisioning *p) {
    (void)p;
    return NULL;
}

static struct edge_config cfg;
static struct api api;
static char path[64];

static int setup(void **state) {
    (void)state;
    fake_loop_init();
    memset(&cfg, 0, sizeof(cfg));
    strcpy(path, "/tmp/edge-bundle-XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    cfg.trusted_ca_certs = path;
    api = (struct api){.loop = fake_loop(), .worker = fake_worker(), .config = &cfg};
    return fd < 0;
}

static int teardown(void **state) {
    (void)state;
    (void)unlink(path);
    fake_loop_run();
    fake_exchange_end();
    fake_loop_clear();
    return 0;
}

static void bundle(const char *content) {
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    workload_trust_bundle(fake_exchange(&api));
    fake_loop_run();
}

static void test_given_out_verbatim(void **unused) {
    (void)unused;
    bundle(PEM PEM);
    assert_int_equal(fake_exchange_status(), 200);
    assert_string_equal(fake_exchange_text(),
                        "{\"certificate\":\"-----BEGIN CERTIFICATE-----\\nTUlJ\\n-----END "
                        "CERTIFICATE-----\\n-----BEGIN CERTIFICATE-----\\nTUlJ\\n-----END "
                        "CERTIFICATE-----\\n\"}");
}

static void test_replaced_file_is_picked_up(void **unused) {
    (void)unused;
    bundle("nothing yet");
    assert_int_equal(fake_exchange_status(), 500);
    fake_exchange_end();
    bundle(PEM);
    assert_int_equal(fake_exchange_status(), 200);
}

static void test_private_key_is_never_given_out(void **unused) {
    (void)unused;
    bundle(PEM "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n");
    assert_int_equal(fake_exchange_status(), 500);
    assert_null(strstr(fake_exchange_text(), "c2VjcmV0"));
}

static void test_no_certificate_in_the_file(void **unused) {
    (void)unused;
    bundle("hello\n");
    assert_int_equal(fake_exchange_status(), 500);
}

/* Anybody may ask for it: a hundred who wait take one place in the queue. */
static void test_readers_share_one_job(void **unused) {
    (void)unused;
    fake_worker_hold(true);
    for (int i = 0; i < 2 * WORKER_QUEUE_MAX; i++) {
        workload_trust_bundle(fake_exchange(&api));
        assert_int_equal(fake_exchange_answers(), 0);
        fake_exchange_leave();
        fake_exchange_end();
    }
    bundle(PEM);
    assert_int_equal(fake_exchange_answers(), 0);
    fake_worker_hold(false);
    fake_loop_run();
    assert_int_equal(fake_exchange_status(), 200);
    assert_null(api.bundle);
}

static void test_not_configured(void **unused) {
    (void)unused;
    cfg.trusted_ca_certs = NULL;
    workload_trust_bundle(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 404);
    assert_non_null(strstr(fake_exchange_text(), "certificates.trusted_ca_certs"));
}

static void test_file_missing(void **unused) {
    (void)unused;
    cfg.trusted_ca_certs = (char *)"/nonexistent/bundle.pem";
    workload_trust_bundle(fake_exchange(&api));
    fake_loop_run();
    assert_int_equal(fake_exchange_status(), 404);
}

static void test_link_is_followed(void **unused) {
    (void)unused;
    char link_path[sizeof(path) + 8];
    (void)snprintf(link_path, sizeof(link_path), "%s.link", path);
    assert_int_equal(symlink(path, link_path), 0);
    cfg.trusted_ca_certs = link_path;
    bundle(PEM);
    (void)unlink(link_path);
    assert_int_equal(fake_exchange_status(), 200);
}

static void test_queue_full(void **unused) {
    (void)unused;
    fake_worker_fail(EDGE_BUSY);
    workload_trust_bundle(fake_exchange(&api));
    assert_int_equal(fake_exchange_status(), 503);
}

static void test_client_leaves(void **unused) {
    (void)unused;
    fake_worker_hold(true);
    bundle(PEM);
    fake_exchange_leave();
    fake_worker_hold(false);
    fake_loop_run();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_given_out_verbatim),
        T(test_replaced_file_is_picked_up),
        T(test_private_key_is_never_given_out),
        T(test_no_certificate_in_the_file),
        T(test_not_configured),
        T(test_readers_share_one_job),
        T(test_file_missing),
        T(test_link_is_followed),
        T(test_queue_full),
        T(test_client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
