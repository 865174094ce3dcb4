/* SPDX-License-Identifier: MIT */
/*
 * The report: complete in every condition, and what it says.
 */
#include "provisioning/report.h"

#include "base/json.h"
#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct edge_config cfg;
static struct provisioning_status st;
static struct report report;
static struct buf out;

static int setup(void **state) {
    (void)state;
    memset(&cfg, 0, sizeof(cfg));
    memset(&st, 0, sizeof(st));
    static char file[] = "/etc/iotedge/config.yaml";
    cfg.file = file;
    cfg.provisioning.source = CONFIG_SOURCE_DPS;
    cfg.provisioning.credential = CONFIG_CREDENTIAL_TPM;
    cfg.hsm_backend = CONFIG_HSM_TPM;
    report = (struct report){.running = true,
                             .now_wall_s = 1700000000,
                             .config = &cfg,
                             .status = &st,
                             .key_store_state = "ready",
                             .clock_state = "synced",
                             .clock_text = "kept by a time service",
                             .agent_state = "missing",
                             .agent_text = "no image"};
    buf_init(&out, REPORT_MAX);
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

static void test_nothing_yet(void **state) {
    struct cJSON *root = NULL;
    (void)state;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_int_equal(json_parse(buf_slice(&out), &root, NULL), EDGE_OK);
    json_free(root);
    assert_shows("\"running\":true");
    assert_shows("\"now\":\"2023-11-14T22:13:20Z\"");
    assert_shows("\"identity\":null");
    assert_shows("\"mode\":\"dps.tpm\",\"state\":\"starting\",\"registrationId\":null");
    assert_shows("\"contact\":{\"next\":null,\"why\":null,\"last\":null,\"lastSuccess\":null}");
    assert_shows("\"lastError\":null");
    assert_shows("\"keyStore\":{\"backend\":\"tpm\",\"state\":\"ready\",\"text\":null}");
    assert_shows("\"clock\":{\"state\":\"synced\",\"text\":\"kept by a time service\"}");
    assert_shows("\"edgeAgent\":{\"state\":\"missing\",\"text\":\"no image\"}");
    assert_shows("\"certificates\":null,\"certificatesNote\":null,\"sealedStore\":null");
    assert_shows("\"keyInConfig\":null");
}

static void test_everything(void **state) {
    (void)state;
    st.state = PROVISIONING_WAITING;
    st.has_result = true;
    snprintf(st.result.hub, sizeof(st.result.hub), "h.example.net");
    snprintf(st.result.device_id, sizeof(st.result.device_id), "dev-01");
    st.result.since_wall_s = 1700000000;
    st.result.proven = true;
    st.next_try_wall_s = 1700000060;
    snprintf(st.next_why, sizeof(st.next_why), "the service asked to wait");
    st.last_contact_wall_s = 1699999000;
    st.last_ok_wall_s = 1699990000;
    (void)edge_set(&st.last_error, EDGE_NET, "no route to \"host\"");
    st.last_error_wall_s = 1699999001;
    snprintf(st.registration_id, sizeof(st.registration_id), "reg-1");
    st.key_line = 12;
    st.legacy_root = 3;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"identity\":{\"hub\":\"h.example.net\",\"deviceId\":\"dev-01\","
                 "\"credential\":\"tpm\",\"since\":\"2023-11-14T22:13:20Z\",\"proven\":true}");
    assert_shows("\"state\":\"waiting\",\"registrationId\":\"reg-1\"");
    assert_shows("\"next\":\"2023-11-14T22:14:20Z\",\"why\":\"the service asked to wait\"");
    assert_shows("\"message\":\"no route to \\\"host\\\"\"");
    assert_shows("\"keyInConfig\":\"/etc/iotedge/config.yaml:12\"");
    assert_shows("\"moduleKeysOfPredecessor\":true");
}

static void test_credentials(void **state) {
    (void)state;
    st.has_result = true;
    cfg.hsm_backend = CONFIG_HSM_SOFT;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"credential\":\"file\"");
    buf_reset(&out);
    st.result.credential = PROVISIONING_CERT;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"credential\":\"certificate\"");
}

static void test_not_running(void **state) {
    (void)state;
    report.running = false;
    report.note = "from files";
    report.key_store_state = NULL;
    report.clock_state = report.clock_text = NULL;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"running\":false");
    assert_shows("\"note\":\"from files\"");
    assert_shows("\"mode\":\"dps.tpm\",\"state\":null");
    assert_shows("\"clock\":{\"state\":null,\"text\":null}");
}

static void test_certificates(void **state) {
    (void)state;
    struct report_cert certs[] = {
        {"owner CA", "quickstart", "owner", 1699999700, 1700000000 + 86400, 0},
        {"device CA", "quickstart", "\"x\"", 1699999700, 1700000000 + 86399, 1700000000},
        {"workload CA", NULL, "", 0, 1700000000, 0},
        {"former root", "predecessor", "old", 0, 1700000000 - 1, 0},
    };
    report.certs = certs;
    report.cert_cnt = EDGE_ARRAY_LEN(certs);
    report.cert_note = "the new file is not used";
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("{\"name\":\"owner CA\",\"source\":\"quickstart\",\"subject\":\"owner\","
                 "\"notBefore\":\"2023-11-14T22:08:20Z\",\"notAfter\":\"2023-11-15T22:13:20Z\","
                 "\"daysLeft\":1,\"renewAt\":null}");
    assert_shows("\"subject\":\"\\\"x\\\"\",\"notBefore\":\"2023-11-14T22:08:20Z\","
                 "\"notAfter\":\"2023-11-15T22:13:19Z\",\"daysLeft\":0,"
                 "\"renewAt\":\"2023-11-14T22:13:20Z\"");
    assert_shows("\"source\":null,\"subject\":null,\"notBefore\":null");
    assert_shows("\"notAfter\":\"2023-11-14T22:13:20Z\",\"daysLeft\":0");
    assert_shows("\"notAfter\":\"2023-11-14T22:13:19Z\",\"daysLeft\":-1");
    assert_shows("],\"certificatesNote\":\"the new file is not used\"");
    buf_reset(&out);
    report.cert_cnt = 0;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"certificates\":[]");
}

static void test_sealed_store(void **state) {
    (void)state;
    struct report_store store = {REPORT_STORE_BOUND, "fine", 1u << 0 | 1u << 7 | 1u << 23, true};
    report.store = &store;
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"sealedStore\":{\"state\":\"bound\",\"text\":\"fine\",\"pcrs\":[0,7,23],"
                 "\"hasPlanned\":true}");
    buf_reset(&out);
    store = (struct report_store){.state = REPORT_STORE_NONE};
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("{\"state\":\"none\",\"text\":null,\"pcrs\":[],\"hasPlanned\":false}");
    assert_shows("\"resealNeeded\":false");
    cfg.tpm_pcrs = 1;
    buf_reset(&out);
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"resealNeeded\":true");
    store.state = REPORT_STORE_LOCKED;
    buf_reset(&out);
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"resealNeeded\":false");
    report.store = NULL;
    buf_reset(&out);
    assert_int_equal(report_encode(&report, &out, NULL), EDGE_OK);
    assert_shows("\"resealNeeded\":false");
}

static enum edge_code one_round(void *data) {
    (void)data;
    struct buf b;
    buf_init(&b, REPORT_MAX);
    enum edge_code code = report_encode(&report, &b, NULL);
    buf_clear(&b);
    return code;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(one_round, NULL) >= 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_nothing_yet),  T(test_everything),  T(test_credentials),   T(test_certificates),
        T(test_sealed_store), T(test_not_running), T(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
