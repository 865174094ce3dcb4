/* SPDX-License-Identifier: MIT */
/*
 * How the TPM is shown: the enrollment line must be complete, and the JSON must be what enrollment
 * tools read.
 */
#include "cli/tpm_info.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static struct hsm_tpm_info info;
static struct buf out;

static int setup(void **state) {
    (void)state;
    memset(&info, 0, sizeof(info));
    strcpy(info.tcti, "device:/dev/tpmrm0");
    strcpy(info.node, "/dev/tpmrm0");
    strcpy(info.manufacturer, "IBM");
    strcpy(info.spec_family, "2.0");
    info.spec_revision = 164;
    info.firmware_1 = 0x00010002;
    info.firmware_2 = 0x00030004;
    memcpy(info.keys.ek, "EKEK", 4);
    info.keys.ek_len = 4;
    memcpy(info.keys.srk, "SRK", 3);
    info.keys.srk_len = 3;
    info.srk_name[0] = 0xab;
    info.srk_name_len = 1;
    strcpy(info.registration_id, "abc234");
    info.lockout_counter = 1;
    info.lockout_max = 3;
    info.lockout_interval_s = 1000;
    info.handles[0].handle = 0x81010001;
    strcpy(info.handles[0].what, "endorsement key");
    info.handle_cnt = 1;
    buf_init(&out, TPM_INFO_OUT_MAX);
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

static void test_enroll_line(void **unused) {
    (void)unused;
    assert_int_equal(tpm_info_enroll_line(&info, &out, NULL), EDGE_OK);
    assert_shows("az iot dps enrollment create ");
    assert_shows(" --attestation-type tpm ");
    assert_shows(" --enrollment-id abc234 ");
    assert_shows(" --endorsement-key RUtFSw==");
}

static void test_text(void **unused) {
    (void)unused;
    assert_int_equal(tpm_info_text(&info, &out, NULL), EDGE_OK);
    assert_shows("/dev/tpmrm0");
    assert_shows("1.2.3.4");
    assert_shows("revision 1.64");
    assert_shows("abc234");
    assert_shows("0x81010001       endorsement key");
    assert_shows("1 of 3 failed tries");
    assert_shows("none in the TPM");
    assert_shows("not stored in the TPM yet");
}

static void test_text_warns_of_a_foreign_certificate(void **unused) {
    (void)unused;
    info.ek_cert_len = 3;
    strcpy(info.ek_cert_issuer, "CN=maker");
    assert_int_equal(tpm_info_text(&info, &out, NULL), EDGE_OK);
    assert_shows("DOES NOT BELONG");
    assert_shows("CN=maker");
}

static void test_text_without_keys_shows_no_enroll_line(void **unused) {
    (void)unused;
    info.keys.ek_len = 0;
    assert_int_equal(tpm_info_text(&info, &out, NULL), EDGE_OK);
    assert_shows("could not be read");
    assert_null(strstr(buf_cstr(&out), "az iot"));
}

static void test_json(void **unused) {
    (void)unused;
    struct cJSON *root = NULL;
    const struct cJSON *part;
    struct slice text;
    bool flag;
    info.ek_cert_len = 3;
    info.ek_cert_matches = true;
    assert_int_equal(tpm_info_json(&info, &out, NULL), EDGE_OK);
    assert_true(slice_ends_with(buf_slice(&out), "}\n"));
    assert_int_equal(json_parse(buf_slice(&out), &root, NULL), EDGE_OK);
    assert_int_equal(json_get_str(root, "endorsement_key", &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(text, "RUtFSw=="));
    assert_int_equal(json_get_str(root, "registration_id", &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(text, "abc234"));
    assert_int_equal(json_get_str(root, "storage_root_key_name", &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(text, "ab"));
    assert_int_equal(json_get_object(root, "endorsement_certificate", &part, NULL), EDGE_OK);
    assert_int_equal(json_get_bool(part, "matches", &flag, NULL), EDGE_OK);
    assert_true(flag);
    assert_int_equal(json_get_array(root, "persistent_handles", &part, NULL), EDGE_OK);
    assert_int_equal(json_get_str(json_first(part), "handle", &text, NULL), EDGE_OK);
    assert_true(slice_eq_str(text, "0x81010001"));
    json_free(root);
}

static void test_output_limit_is_an_error(void **unused) {
    (void)unused;
    struct buf small;
    for (size_t max = 0; max < 800; max += 7) {
        buf_init(&small, max);
        assert_int_equal(tpm_info_json(&info, &small, NULL), EDGE_RANGE);
        buf_clear(&small);
        buf_init(&small, max);
        assert_int_equal(tpm_info_text(&info, &small, NULL), EDGE_RANGE);
        buf_clear(&small);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_enroll_line),
        T(test_text),
        T(test_text_warns_of_a_foreign_certificate),
        T(test_text_without_keys_shows_no_enroll_line),
        T(test_json),
        T(test_output_limit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
