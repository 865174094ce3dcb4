/* SPDX-License-Identifier: MIT */
/*
 * Public areas, names and wrapped keys as bytes.
 */
#include "tpm/tpm_public.h"

#include "tpm/tpm_store.h"
#include "tpm/tpm_tmpl.h"

#include "support/alloc_fail.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void there_and_back(void **state) {
    TPM2B_PUBLIC pub, back;
    uint8_t bytes[HSM_PUBLIC_MAX + 1];
    size_t len;

    (void)state;
    tpm_tmpl_hmac_given(&pub);
    pub.publicArea.unique.keyedHash.size = 32;
    assert_int_equal(tpm_public_marshal(&pub, bytes, &len, NULL), EDGE_OK);
    assert_int_equal(tpm_public_parse(slice_make(bytes, len), &back, NULL), EDGE_OK);
    assert_int_equal(back.publicArea.objectAttributes, pub.publicArea.objectAttributes);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(tpm_public_parse(slice_make(bytes, cut), &back, NULL), EDGE_PARSE);
    }
    bytes[len] = 0;
    assert_int_equal(tpm_public_parse(slice_make(bytes, len + 1), &back, NULL), EDGE_PARSE);
    bytes[1]++; /* a size field that covers one byte more than the area */
    assert_int_equal(tpm_public_parse(slice_make(bytes, len + 1), &back, NULL), EDGE_PARSE);
}

static void names(void **state) {
    TPM2B_PUBLIC pub;
    struct tpm_name a, b, none = {0};

    (void)state;
    tpm_tmpl_ek(HSM_EK_TCG_L1, &pub);
    assert_int_equal(tpm_public_name(&pub, &a, NULL), EDGE_OK);
    assert_int_equal(a.len, 34);
    assert_int_equal(a.bytes[1], 0x0B);
    pub.publicArea.unique.rsa.buffer[0] = 1;
    assert_int_equal(tpm_public_name(&pub, &b, NULL), EDGE_OK);
    assert_false(tpm_name_eq(&a, &b));
    assert_true(tpm_name_eq(&a, &a));
    assert_false(tpm_name_eq(&none, &none)); /* no name is nobody's */
    pub.publicArea.nameAlg = TPM2_ALG_SHA1;
    assert_int_equal(tpm_public_name(&pub, &b, NULL), EDGE_UNSUPPORTED);
}

static void wrapped_keys(void **state) {
    struct tpm_wrapped key = {.priv = {.size = 100}}, back;
    struct buf bytes;

    (void)state;
    buf_init(&bytes, 4096);
    tpm_tmpl_hmac_given(&key.pub);
    assert_int_equal(tpm_public_name(&key.pub, &key.parent, NULL), EDGE_OK);
    memset(key.priv.buffer, 0x33, 100);
    assert_int_equal(tpm_store_wrapped_encode(&key, &bytes, NULL), EDGE_OK);
    assert_int_equal(tpm_store_wrapped_decode(buf_slice(&bytes), &back, NULL), EDGE_OK);
    assert_true(tpm_name_eq(&key.parent, &back.parent));
    assert_int_equal(back.priv.size, 100);
    assert_memory_equal(back.priv.buffer, key.priv.buffer, 100);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        assert_int_equal(tpm_store_wrapped_decode(slice_make(bytes.data, cut), &back, NULL),
                         EDGE_PARSE);
    }
    assert_int_equal(buf_append_byte(&bytes, 0, NULL), EDGE_OK);
    assert_int_equal(tpm_store_wrapped_decode(buf_slice(&bytes), &back, NULL), EDGE_PARSE);
    buf_clear(&bytes);
}

static void adopted_keys(void **state) {
    const struct tpm_adopted key = {.handle = 0x81000100, .name.len = 34, .name.bytes = {0, 11, 7}};
    static const uint8_t transient[] = {0x80, 0, 0, 1, 1, 7}, nameless[] = {0x81, 0, 0, 1, 0};
    struct tpm_adopted back = {0};
    struct buf bytes;

    (void)state;
    buf_init(&bytes, STORE_PAYLOAD_MAX);
    assert_int_equal(tpm_store_adopted_encode(&key, &bytes, NULL), EDGE_OK);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        assert_int_equal(tpm_store_adopted_decode(slice_make(bytes.data, cut), &back, NULL),
                         EDGE_PARSE);
    }
    assert_int_equal(back.handle, 0);
    assert_int_equal(tpm_store_adopted_decode(buf_slice(&bytes), &back, NULL), EDGE_OK);
    assert_int_equal(back.handle, key.handle);
    assert_true(tpm_name_eq(&back.name, &key.name));
    assert_int_equal(buf_append_byte(&bytes, 0, NULL), EDGE_OK);
    assert_int_equal(tpm_store_adopted_decode(buf_slice(&bytes), &back, NULL), EDGE_PARSE);
    buf_clear(&bytes);
    assert_int_equal(
        tpm_store_adopted_decode(slice_make(transient, sizeof(transient)), &back, NULL),
        EDGE_PARSE);
    assert_int_equal(tpm_store_adopted_decode(slice_make(nameless, sizeof(nameless)), &back, NULL),
                     EDGE_PARSE);
}

static enum edge_code write_and_read_pins(void *data) {
    struct tmpdir *dir = data;
    struct tpm_pins pins = {.ek.len = 34, .srk.len = 34}, back;

    memset(pins.ek.bytes, 1, 34);
    memset(pins.srk.bytes, 2, 34);
    enum edge_code rc = tpm_store_pins_write(dir->fd, &pins, NULL);
    if (rc == EDGE_OK) {
        rc = tpm_store_pins_read(dir->fd, &back, NULL);
    }
    if (rc == EDGE_OK) {
        assert_memory_equal(&pins, &back, sizeof(pins));
    }
    return rc;
}

static void pins(void **state) {
    struct tmpdir *dir = *state;
    struct tpm_pins p;

    assert_int_equal(tpm_store_pins_read(dir->fd, &p, NULL), EDGE_OK);
    assert_int_equal(p.ek.len, 0);
    assert_true(alloc_fail_torture(write_and_read_pins, dir) > 0);
    /* An envelope of the right kind with the wrong content is damage, too. */
    assert_int_equal(store_write(dir->fd, TPM_PINS_FILE, STORE_PINS, SLICE_LIT("\x22short"), NULL),
                     EDGE_OK);
    assert_int_equal(tpm_store_pins_read(dir->fd, &p, NULL), EDGE_OK);
    assert_int_equal(p.srk.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(names),
        cmocka_unit_test(wrapped_keys),
        cmocka_unit_test(adopted_keys),
        cmocka_unit_test_setup_teardown(pins, tmpdir_setup, tmpdir_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
