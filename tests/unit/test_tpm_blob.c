/* SPDX-License-Identifier: MIT */
/*
 * Activation blobs: known answers for the test support that builds them, and the parser's bounds.
 */
#include "tpm/tpm_blob.h"

#include "support/dps_blob.h"

#include "base/b64.h"
#include "base/mac.h"
#include "hsm/hsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t ek[316], srk[284], key[32];

/* Public areas with a modulus that can be encrypted to; nobody has the private keys. */
static int setup(void **state) {
    static const uint8_t ek_head[] = {0x01, 0x3A}, srk_head[] = {0x01, 0x1A};

    (void)state;
    memset(ek, 0xC5, sizeof(ek));
    memcpy(ek, ek_head, 2);
    memset(srk, 0xC7, sizeof(srk));
    memcpy(srk, srk_head, 2);
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(0x40 + i);
    }
    return 0;
}

static void check_hex(const uint8_t *data, size_t len, const char *want) {
    struct buf text;

    buf_init(&text, 1024);
    assert_int_equal(hex_encode(data, len, &text, NULL), EDGE_OK);
    assert_string_equal(buf_cstr(&text), want);
    buf_clear(&text);
}

static void known_answers(void **state) {
    static const struct dps_blob_opts normal = {0};
    uint8_t seed[32], srk_name[34], inner[16], seed_value[32], out[1024], wrapped[512], name[34];

    (void)state;
    for (uint8_t i = 0; i < 32; i++) {
        seed[i] = i;
        seed_value[i] = (uint8_t)(0x60 + i);
        inner[i % 16] = (uint8_t)(0x10 + i % 16);
    }
    dps_name((const uint8_t *)"srk", 3, srk_name);
    check_hex(srk_name, 34, "000b264717e2eb106e904db5873cf97d67bb375c9b2ff8798d6de98eb759ff283ce6");
    dps_kdfa(seed, 32, "STORAGE", srk_name, 34, 128, out);
    check_hex(out, 16, "abbecbfb627b735426bd312d79d2c50e");
    dps_kdfa(seed, 32, "INTEGRITY", NULL, 0, 256, out);
    check_hex(out, 32, "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e");
    size_t len = dps_credential(seed, srk_name, inner, sizeof(inner), out);
    assert_int_equal(len, 54);
    check_hex(out + 4, 32, "e78d92c46f760b0a6d734dea0c1137fbb111d36ce7fadf17386df22ba705582d");
    check_hex(out + 36, 18, "ab1fba277318923426025a0551698d3fa4c9");
    len = dps_public(seed_value, key, &normal, out);
    check_hex(
        out, len,
        "0008000b0004044000000005000b0020e52a0f5a123f3944305585b4c94814d3d51134dec9580573ae118bc8"
        "9c245ce7");
    dps_name(out, len, name);
    check_hex(name, 34, "000b0cd0d5e29301cfc1cf2ffd967c5ccd2537f7d6bc7ebdf30b7778bf5f56f40bb3");
    len = dps_inner(name, inner, sizeof(inner), seed_value, key, &normal, wrapped);
    check_hex(
        wrapped, len,
        "ed839227ef1f6d31bd37dd7f845aeff7ee2676dea79de725703d5fa68543d3a8a98ce7333adf6b0eaef8c5e0"
        "1a5f7c502fa74f660c44a130b62075a8595092532ad4926b18b87761476374f3c1a755c3216f019112cae146"
        "a4e2e49844156294ab25c8bca4f84c8ef0532050");
    len = dps_duplicate(seed, name, wrapped, len, out);
    check_hex(
        out, len,
        "008e0020d5117c319cedb8d76c97bc13a38bc963271c7e91f10a6f87af745c1dc19770c3562a00e521f40e6b"
        "58f97477809fc6fcfd6fffff7a726a6ba34f649214ca383df6d47aeaab419578b774bdd8bd677e2baaf51402"
        "6f0db33dc02fc98982b91de511f480b78238eb18386a0829735f9b1b3a03376738fec857644d5057a44eaf37"
        "3c9b50f6bafc051f7c570b87");
    uint8_t mac[32];
    assert_int_equal(hmac_sha256(key, 32, "abc", 3, mac, NULL), EDGE_OK);
    check_hex(mac, 32, "910f4315f170bdf2f5a197d760828322c22cf67c043b7df72b6920db6e4caf97");
}

static void whole_blob(void **state) {
    uint8_t blob[DPS_BLOB_MAX];
    struct tpm_blob b;

    (void)state;
    size_t len = dps_blob_make(ek, srk, key, NULL, blob);
    assert_int_equal(len, 766);
    assert_int_equal(tpm_blob_parse(slice_make(blob, len), &b, NULL), EDGE_OK);
    assert_int_equal(b.credential.size, 52);
    assert_int_equal(b.secret.size, 256);
    assert_int_equal(b.duplicate.size, 142);
    assert_int_equal(b.import_seed.size, 256);
    assert_int_equal(b.pub.publicArea.objectAttributes, 0x40440);
    assert_memory_equal(b.duplicate.buffer, blob + 314, 142);
    /* Field 6 may be missing, half there, or followed by more. */
    assert_int_equal(tpm_blob_parse(slice_make(blob, 764), &b, NULL), EDGE_OK);
    assert_int_equal(tpm_blob_parse(slice_make(blob, 765), &b, NULL), EDGE_OK);
    assert_int_equal(tpm_blob_parse(slice_make(blob, 800), &b, NULL), EDGE_OK);
}

static void cut_anywhere(void **state) {
    uint8_t blob[DPS_BLOB_MAX];
    struct tpm_blob b, untouched;
    struct edge_error err;

    (void)state;
    (void)dps_blob_make(ek, srk, key, NULL, blob);
    memset(&b, 0xEE, sizeof(b));
    untouched = b;
    for (size_t len = 0; len < 764; len++) {
        uint8_t *exact = malloc(len + 1); /* a sanitizer sees the first byte past it */
        assert_non_null(exact);
        memcpy(exact + 1, blob, len);
        assert_int_equal(tpm_blob_parse(slice_make(exact + 1, len), &b, &err), EDGE_PARSE);
        free(exact);
    }
    assert_memory_equal(&b, &untouched, sizeof(b));
    assert_int_equal(tpm_blob_parse(slice_make(blob, HSM_BLOB_MAX + 1), &b, NULL), EDGE_PARSE);
}

static void sizes_that_lie(void **state) {
    uint8_t blob[DPS_BLOB_MAX] = {0}, broken[DPS_BLOB_MAX];
    struct tpm_blob b;
    struct edge_error err;
    char want[16];

    (void)state;
    (void)dps_blob_make(ek, srk, key, NULL, blob);
    for (unsigned field = 1; field <= 5; field++) {
        const size_t at = dps_blob_field(blob, field);
        static const unsigned sizes[] = {0, 1025, 0x7FFF, 0xFFFF};
        for (size_t i = 0; i < 4; i++) {
            memcpy(broken, blob, sizeof(blob));
            broken[at] = (uint8_t)(sizes[i] >> 8);
            broken[at + 1] = (uint8_t)sizes[i];
            assert_int_equal(tpm_blob_parse(slice_make(broken, sizeof(broken)), &b, &err),
                             EDGE_PARSE);
            (void)snprintf(want, sizeof(want), "field %u", field);
            assert_non_null(strstr(err.text, want));
        }
    }
}

static void public_area_is_canonical(void **state) {
    uint8_t blob[DPS_BLOB_MAX];
    struct tpm_blob b;
    size_t refused = 0;

    (void)state;
    size_t len = dps_blob_make(ek, srk, key, NULL, blob);
    size_t at = dps_blob_field(blob, 5);
    for (size_t i = at; i < at + 16; i++) { /* everything before `unique` matters */
        for (unsigned bit = 0; bit < 8; bit++) {
            blob[i] ^= (uint8_t)(1u << bit);
            refused += tpm_blob_parse(slice_make(blob, len), &b, NULL) == EDGE_PARSE;
            blob[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_in_range(refused, 95, 128);
    static const uint32_t bad[] = {0x40442, 0x40450, 0x50440, 0x60440, 0x40400, 0x20440, 0x00440};
    static const uint32_t good[] = {0x40440, 0x40040, 0x40460, 0x40C40, 0x40444};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        len = dps_blob_make(ek, srk, key, &(struct dps_blob_opts){.attributes = bad[i]}, blob);
        assert_int_equal(tpm_blob_parse(slice_make(blob, len), &b, NULL), EDGE_PARSE);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        len = dps_blob_make(ek, srk, key, &(struct dps_blob_opts){.attributes = good[i]}, blob);
        assert_int_equal(tpm_blob_parse(slice_make(blob, len), &b, NULL), EDGE_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(whole_blob),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(sizes_that_lie),
        cmocka_unit_test(public_area_is_canonical),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
