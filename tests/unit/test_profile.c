/* SPDX-License-Identifier: MIT */
#include "pki/profile.h"

#include "support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 1024

/* clang-format off */
static const uint8_t server_bytes[] = {
    0x30, 0x7c,
    /* basicConstraints, critical, empty */
    0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
    /* keyUsage, critical: digitalSignature and keyEncipherment */
    0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x05, 0xa0,
    /* extKeyUsage: serverAuth */
    0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x0c, 0x30, 0x0a, 0x06, 0x08,
    0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01,
    /* subjectKeyIdentifier, authorityKeyIdentifier */
    0x30, 0x0b, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x04, 0x04, 0x02, 's', 'k',
    0x30, 0x0d, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x06, 0x30, 0x04, 0x80, 0x02, 'a', 'k',
    /* subjectAltName */
    0x30, 0x2b, 0x06, 0x03, 0x55, 0x1d, 0x11, 0x04, 0x24, 0x30, 0x22,
    0x87, 0x04, 1, 2, 3, 4, 0x82, 0x02, 'd', '1', 0x82, 0x02, 'd', '3',
    0x86, 0x12, 'a', 'z', 'u', 'r', 'e', 'i', 'o', 't', ':', '/', '/', 'h', '/', 'd', '/', 'm', '/', 'm',
};

static const uint8_t ca_bytes[] = {
    0x30, 0x31,
    /* basicConstraints, critical: a CA, path length 1 */
    0x30, 0x12, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x08, 0x30, 0x06, 0x01, 0x01, 0xff,
    0x02, 0x01, 0x01,
    /* keyUsage, critical: digitalSignature, keyCertSign, cRLSign */
    0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x01, 0x86,
    0x30, 0x0b, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x04, 0x04, 0x02, 's', 'k',
};
/* clang-format on */

static void expect(enum profile_kind kind, const struct profile_values *v, const uint8_t *bytes,
                   size_t len) {
    uint8_t room[ROOM];
    struct der w;
    der_init(&w, room, sizeof(room));
    profile_write(profile_get(kind), v, &w);
    struct slice s = der_result(&w);
    assert_int_equal(s.len, len);
    assert_memory_equal(s.ptr, bytes, len);
}

static void bytes_of_a_leaf(void **state) {
    const struct profile_values v = {
        .is_rsa = true,
        .subject_key_id = (const uint8_t *)"sk",
        .subject_key_id_len = 2,
        .authority_key_id = (const uint8_t *)"ak",
        .authority_key_id_len = 2,
        .dns = {SLICE_LIT("d1"), {NULL, 0}, SLICE_LIT("d3")},
        .ip = SLICE_LIT("\1\2\3\4"),
        .uri = SLICE_LIT("azureiot://h/d/m/m"),
    };
    (void)state;
    expect(PROFILE_SERVER, &v, server_bytes, sizeof(server_bytes));
}

static void bytes_of_a_ca(void **state) {
    const struct profile_values v = {
        .path_len = 1, .subject_key_id = (const uint8_t *)"sk", .subject_key_id_len = 2};
    (void)state;
    expect(PROFILE_DEVICE_CA, &v, ca_bytes, sizeof(ca_bytes));
}

static void the_table_keeps_its_promises(void **state) {
    (void)state;
    for (unsigned i = 0; i < PROFILE_KIND_CNT_; i++) {
        const struct profile *p = profile_get((enum profile_kind)i);
        assert_non_null(p->what);
        assert_int_equal((p->key_usage & PROFILE_KEY_CERT_SIGN) != 0, p->is_ca);
        assert_int_equal(p->eku == 0, p->is_ca);
        assert_true((p->key_usage & PROFILE_DIGITAL_SIGNATURE) != 0);
        assert_false(p->self_signed && !p->is_ca);
        assert_false(p->self_signed && p->inherits_subject);
    }
    assert_int_equal(profile_get(PROFILE_OWNER_CA)->path_len, 3);
    assert_int_equal(profile_get(PROFILE_CROSS_CA)->path_len, 2);
    assert_int_equal(profile_get(PROFILE_DEVICE_CA)->path_len, 2);
    assert_int_equal(profile_get(PROFILE_WORKLOAD_CA)->path_len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_leaf),
        cmocka_unit_test(bytes_of_a_ca),
        cmocka_unit_test(the_table_keeps_its_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
