/* SPDX-License-Identifier: MIT */
#include "cli/status_text.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const char full[] =
    "{\"running\":true,\"version\":\"1.2\",\"note\":null,\"now\":\"2026-01-01T00:00:00Z\","
    "\"identity\":{\"hub\":\"h.example.net\",\"deviceId\":\"d\",\"credential\":\"tpm\","
    "\"since\":\"2025-01-01T00:00:00Z\",\"proven\":true},"
    "\"provisioning\":{\"mode\":\"dps.tpm\",\"state\":\"waiting\",\"registrationId\":\"r\","
    "\"moduleKeysOfPredecessor\":true},"
    "\"contact\":{\"next\":\"2026-01-01T00:01:00Z\",\"why\":\"backoff\",\"last\":null,"
    "\"lastSuccess\":\"2025-12-01T00:00:00Z\"},"
    "\"lastError\":{\"time\":\"2025-12-31T00:00:00Z\",\"message\":\"no \\u001b[2Jroute\"},"
    "\"keyStore\":{\"backend\":\"tpm\",\"state\":\"ready\",\"text\":null},"
    "\"clock\":{\"state\":\"synced\",\"text\":\"kept\"},"
    "\"edgeAgent\":{\"state\":\"stopped\",\"text\":\"trying again in 5 s\"},"
    "\"certificates\":[{\"name\":\"owner CA\",\"source\":\"quickstart\",\"subject\":\"CN=x\","
    "\"notBefore\":null,\"notAfter\":\"2036-01-01T00:00:00Z\",\"daysLeft\":3652,"
    "\"renewAt\":null},{\"name\":\"device CA\",\"source\":\"quickstart\",\"subject\":\"CN=y\","
    "\"notAfter\":\"2025-12-31T00:00:00Z\",\"daysLeft\":-1,"
    "\"renewAt\":\"2025-12-01T00:00:00Z\"}],\"certificatesNote\":\"the clock is wrong\","
    "\"sealedStore\":{\"state\":\"locked\",\"text\":\"PCR 7 changed\",\"pcrs\":[0,7],"
    "\"hasPlanned\":false},\"resealNeeded\":true,\"keyInConfig\":\"/etc/c.yaml:5\"}";

static struct buf out;

static int setup(void **state) {
    (void)state;
    buf_init(&out, 65536);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_clear(&out);
    return 0;
}

static void assert_shows(const char *text) {
    if (strstr(buf_cstr(&out), text) == NULL) {
        fail_msg("'%s' is not in: %s", text, buf_cstr(&out));
    }
}

static void test_full(void **state) {
    (void)state;
    assert_int_equal(status_text(slice_str(full), &out, NULL), EDGE_OK);
    assert_shows("Daemon:        running, version 1.2\n");
    assert_shows("Device:        d\nHub:           h.example.net\n");
    assert_shows("2025-01-01T00:00:00Z, accepted by the hub\n");
    assert_shows("dps.tpm, waiting, registration id r\n");
    assert_shows("Next contact:  2026-01-01T00:01:00Z (backoff)\n");
    assert_shows("Last contact:  success 2025-12-01T00:00:00Z\n");
    assert_shows("2025-12-31T00:00:00Z: no  [2Jroute\n"); /* no control characters */
    assert_shows("Key store:     TPM, ready\n");
    assert_shows("Clock:         synced (kept)\nedgeAgent:     stopped (trying again in 5 s)\n");
    assert_shows(
        "Certificates:  owner CA (quickstart), 3652 days left, until 2036-01-01T00:00:00Z\n"
        "               device CA (quickstart), expired at 2025-12-31T00:00:00Z; renewal "
        "at 2025-12-01T00:00:00Z\n");
    assert_shows("Sealed store:  locked, PCR 0 and 7 (PCR 7 changed)\n");
    assert_shows("\nCertificates: the clock is wrong\n");
    assert_shows("'iotedge tpm reseal'");
    assert_shows("/etc/c.yaml:5: it can be deleted");
    assert_shows("release 1.1");
}

static void test_little(void **state) {
    (void)state;
    assert_int_equal(
        status_text(slice_str("{\"running\":false,\"note\":\"from files\"}"), &out, NULL), EDGE_OK);
    assert_shows("Daemon:        not running, from files\n");
    assert_shows("no identity yet");
    assert_shows("Last error:    none");
    assert_shows("Clock:         unknown\n");
    assert_null(strstr(buf_cstr(&out), "edgeAgent"));
}

static void test_certificates_and_store(void **state) {
    (void)state;
    assert_int_equal(status_text(slice_str("{\"certificates\":[],\"sealedStore\":{\"state\":"
                                           "\"bound\",\"text\":\"fine\",\"pcrs\":[0,2,7],"
                                           "\"hasPlanned\":true}}"),
                                 &out, NULL),
                     EDGE_OK);
    assert_shows("Certificates:  none yet\n");
    assert_shows("Sealed store:  bound to PCR 0, 2 and 7\n");
    buf_reset(&out);
    assert_int_equal(status_text(slice_str("{\"sealedStore\":{\"state\":\"open\",\"pcrs\":[],"
                                           "\"hasPlanned\":false}}"),
                                 &out, NULL),
                     EDGE_OK);
    assert_shows("Sealed store:  open\n");
    assert_null(strstr(buf_cstr(&out), "Certificates"));
    assert_null(strstr(buf_cstr(&out), "reseal"));
}

static void test_other_tpm(void **state) {
    (void)state;
    assert_int_equal(
        status_text(slice_str("{\"keyStore\":{\"backend\":\"tpm\",\"state\":\"replaced\","
                              "\"text\":null}}"),
                    &out, NULL),
        EDGE_OK);
    assert_shows("Key store:     TPM, replaced\n");
    assert_shows("'iotedge tpm accept-change'");
}

static void test_refused(void **state) {
    struct edge_error err;
    struct buf small;
    (void)state;
    assert_int_equal(status_text(slice_str("no JSON"), &out, &err), EDGE_PARSE);
    buf_init(&small, 40);
    assert_int_equal(status_text(slice_str(full), &small, &err), EDGE_RANGE);
    assert_int_equal(small.len, 0);
    buf_clear(&small);
}

static enum edge_code one_round(void *data) {
    struct buf b;
    (void)data;
    buf_init(&b, 65536);
    enum edge_code code = status_text(slice_str(full), &b, NULL);
    buf_clear(&b);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_full),      T(test_little),  T(test_certificates_and_store),
        T(test_other_tpm), T(test_refused), T(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
