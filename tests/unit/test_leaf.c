/* SPDX-License-Identifier: MIT */
#include "pki/leaf.h"

#include "pki/names.h"
#include "support/alloc_fail.h"
#include "support/fake_hsm.h"
#include "support/pki_env.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define END_S (PKI_ENV_NOW_S + 30 * PKI_ENV_DAY_S)

static struct pki_env env;
static struct leaf_issuer *issuer;

static int setup(void **state) {
    (void)state;
    pki_env_init(&env);
    return leaf_issuer_new(buf_slice(&env.chain), env.hsm, "workload-ca-1", &issuer, NULL) ==
                   EDGE_OK
               ? 0
               : -1;
}

static int teardown(void **state) {
    (void)state;
    leaf_issuer_free(issuer);
    pki_env_clear(&env);
    return 0;
}

static struct leaf_server_request server(struct slice common_name, struct slice module) {
    return (struct leaf_server_request){.common_name = common_name,
                                        .module_id = module,
                                        .now_wall_s = PKI_ENV_NOW_S,
                                        .not_after_wall_s = END_S};
}

static struct leaf_identity_request identity(const char *module) {
    return (struct leaf_identity_request){.module_id = slice_str(module),
                                          .hub = SLICE_LIT("hub-1.azure-devices.net"),
                                          .device_id = SLICE_LIT("dev-01"),
                                          .now_wall_s = PKI_ENV_NOW_S,
                                          .not_after_wall_s = PKI_ENV_NOW_S + 7200};
}

static void key_fits(const struct leaf *leaf, X509 *cert) {
    BIO *bio = BIO_new_mem_buf(leaf->key_pem.data, (int)leaf->key_pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    assert_int_equal(X509_check_private_key(cert, key), 1);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

/* Makes one and checks what must hold for all. */
static X509 *make(struct slice common_name, struct slice module, enum leaf_key_type type) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    struct edge_error err;
    const struct leaf_server_request r = server(common_name, module);
    if (leaf_server(issuer, &r, type, &key, &leaf, &err) != EDGE_OK) {
        fail_msg("%s", edge_error_text(&err));
    }
    X509 *cert = pki_env_cert(buf_slice(&leaf.chain_pem), 0);
    key_fits(&leaf, cert);
    assert_true(slice_ends_with(buf_slice(&leaf.chain_pem), buf_cstr(&env.chain)));
    assert_int_equal(
        pki_env_verify(buf_slice(&leaf.chain_pem), buf_slice(&env.owner), X509_PURPOSE_SSL_SERVER),
        X509_V_OK);
    assert_int_equal(leaf.not_after_wall_s, END_S);
    leaf_clear(&leaf);
    return cert;
}

static void names_of_servers(void **state) {
    static const struct {
        const char *common_name, *module, *san;
    } rows[] = {
        {"gateway.local", "$edgeHub", "DNS:gateway.local,DNS:edgehub"},
        {"GateWay.Local", "$edgeHub", "DNS:gateway.local,DNS:edgehub"},
        {"10.0.0.5", "$edgeHub", "IP:10.0.0.5,DNS:edgehub"},
        {"2001:DB8::5", "my_mod", "IP:2001:db8::5,DNS:mymod"},
        {"gateway", "1.2", "DNS:gateway"},
        {"gateway", "", "DNS:gateway"},
        {"edgehub", "$edgeHub", "DNS:edgehub"},
        {"10.0.0.5", "$", "IP:10.0.0.5"},
        {"gateway", "m,DNS:evil.example", "DNS:gateway,DNS:mdnsevilexample"},
    };
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        X509 *cert = make(slice_str(rows[i].common_name), slice_str(rows[i].module), LEAF_KEY_P256);
        assert_string_equal(pki_env_san(cert), rows[i].san);
        char cn[NAMES_COMMON_NAME_MAX + 1];
        assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn,
                                              sizeof(cn)) > 0);
        assert_string_equal(cn, rows[i].common_name);
        X509_free(cert);
    }
}

static void hosts_and_addresses_are_matched_by_openssl(void **state) {
    (void)state;
    X509 *cert = make(SLICE_LIT("Gateway.Local"), SLICE_LIT("$edgeHub"), LEAF_KEY_P256);
    assert_int_equal(X509_check_host(cert, "gateway.local", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "edgehub", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "other", 0, 0, NULL), 0);
    X509_free(cert);
    cert = make(SLICE_LIT("10.0.0.5"), SLICE_LIT("$edgeHub"), LEAF_KEY_P256);
    assert_int_equal(X509_check_ip_asc(cert, "10.0.0.5", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "10.0.0.6", 0), 0);
    X509_free(cert);
}

static void usages(void **state) {
    (void)state;
    X509 *cert = make(SLICE_LIT("a"), SLICE_LIT("b"), LEAF_KEY_P256);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER);
    X509_free(cert);
    cert = make(SLICE_LIT("a"), SLICE_LIT("b"), LEAF_KEY_RSA2048);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    assert_int_equal(X509_check_ca(cert), 0);
    X509_free(cert);
}

static void identities(void **state) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    const struct leaf_identity_request r = identity("$edgeHub");
    (void)state;
    assert_int_equal(leaf_identity(issuer, &r, LEAF_KEY_P256, &key, &leaf, NULL), EDGE_OK);
    X509 *cert = pki_env_cert(buf_slice(&leaf.chain_pem), 0);
    assert_string_equal(pki_env_san(cert),
                        "URI:azureiot://hub-1.azure-devices.net/devices/dev-01/modules/$edgeHub");
    key_fits(&leaf, cert);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
    assert_int_equal(leaf.not_after_wall_s, PKI_ENV_NOW_S + 7200);
    struct slice chain = buf_slice(&leaf.chain_pem);
    assert_int_equal(pki_env_verify(chain, buf_slice(&env.owner), X509_PURPOSE_SSL_CLIENT),
                     X509_V_OK);
    assert_int_not_equal(pki_env_verify(chain, buf_slice(&env.owner), X509_PURPOSE_SSL_SERVER),
                         X509_V_OK);
    X509_free(cert);
    leaf_clear(&leaf);
}

static void a_prepared_key_is_used_up(void **state) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    uint8_t spki[LEAF_KEY_SPKI_MAX];
    const struct leaf_server_request r = server(SLICE_LIT("a"), SLICE_LIT("b"));
    (void)state;
    assert_int_equal(leaf_key_make(LEAF_KEY_P256, &key, NULL), EDGE_OK);
    size_t len = key.spki_len;
    memcpy(spki, key.spki, len);
    assert_int_equal(leaf_server(issuer, &r, LEAF_KEY_RSA2048, &key, &leaf, NULL), EDGE_OK);
    assert_null(key.pkcs8_der.data);
    X509 *cert = pki_env_cert(buf_slice(&leaf.chain_pem), 0);
    unsigned char *der = NULL;
    assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der), len);
    assert_memory_equal(der, spki, len);
    OPENSSL_free(der);
    X509_free(cert);
    leaf_clear(&leaf);
    leaf_clear(&leaf);
}

static void refused_requests_leave_nothing(void **state) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 77};
    struct edge_error err;
    (void)state;
    struct leaf_server_request r = server(SLICE_LIT("a,b"), SLICE_LIT("m"));
    assert_int_equal(leaf_check_server(&r, &err), EDGE_INVALID);
    assert_int_equal(leaf_server(issuer, &r, LEAF_KEY_P256, &key, &leaf, &err), EDGE_INVALID);
    r = server(SLICE_LIT("a"), SLICE_LIT("m"));
    r.not_after_wall_s = PKI_ENV_NOW_S;
    assert_int_equal(leaf_server(issuer, &r, LEAF_KEY_P256, &key, &leaf, &err), EDGE_INVALID);
    fake_hsm_fail(env.hsm, 1, EDGE_HSM);
    r.not_after_wall_s = END_S;
    assert_int_equal(leaf_server(issuer, &r, LEAF_KEY_P256, &key, &leaf, &err), EDGE_HSM);
    assert_int_equal(leaf.not_after_wall_s, 77);
    assert_null(leaf.key_pem.data);
    assert_non_null(key.pkcs8_der.data);
    leaf_key_clear(&key);

    struct leaf_identity_request i = identity("a b");
    assert_int_equal(leaf_check_identity(&i, &err), EDGE_INVALID);
    assert_int_equal(leaf_identity(issuer, &i, LEAF_KEY_P256, &key, &leaf, &err), EDGE_INVALID);
    i = identity("0123456789012345678901234567890123456789012345678901234567890123x");
    assert_int_equal(leaf_check_identity(&i, &err), EDGE_INVALID);
    i = identity("m");
    i.device_id = SLICE_LIT("dev/modules/x");
    assert_int_equal(leaf_check_identity(&i, &err), EDGE_INVALID);
    i = identity("m");
    i.hub = SLICE_LIT("hub,evil");
    assert_int_equal(leaf_check_identity(&i, &err), EDGE_INVALID);
    assert_int_equal(secret_heap_used(), 0);
}

static void issuers_that_cannot_be(void **state) {
    struct leaf_issuer *i = NULL;
    char name[HSM_KEY_NAME_MAX + 2];
    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(leaf_issuer_new(buf_slice(&env.chain), env.hsm, name, &i, NULL),
                     EDGE_INTERNAL);
    assert_int_equal(leaf_issuer_new(slice_make(NULL, 0), env.hsm, "a", &i, NULL), EDGE_PARSE);
    assert_null(i);
    leaf_issuer_free(NULL);
    leaf_clear(NULL);
}

/* Text with whatever means something to a parser of names, of lists or of configuration. */
static size_t hostile(char *out, size_t max) {
    static const char *const parts[] = {
        ",",
        "DNS:",
        "DNS:evil.example",
        "\n",
        "\r\n",
        "/CN=",
        "IP:1.2.3.4",
        "URI:x",
        "=",
        "\\",
        "\"",
        "+",
        ";",
        "*",
        "*.",
        "a",
        "host",
        ".",
        "-",
        "$",
        "[alt]",
        "@alt",
        "subjectAltName=",
        " ",
        "\t",
        "\177",
        "\xc3\xbc",
        "\xff",
        "1",
        "#",
    };
    size_t len = 0;
    unsigned cnt = 1 + (unsigned)rand() % 6;
    for (unsigned i = 0; i < cnt; i++) {
        const char *part = parts[(size_t)rand() % EDGE_ARRAY_LEN(parts)];
        size_t part_len = rand() % 40 == 0 ? 1 : strlen(part);
        if (len + part_len < max) {
            memcpy(out + len, part, part_len);
            len += part_len;
        }
    }
    if (rand() % 20 == 0 && len > 0) {
        out[(size_t)rand() % len] = '\0';
    }
    return len;
}

/* Whatever is asked for: refused, or exactly the names that the rules give. */
static void no_name_brings_another_one_with_it(void **state) {
    (void)state;
    unsigned accepted = 0;
    srand(2026);
    for (unsigned round = 0; round < 1000; round++) {
        char cn[128], module[128];
        struct slice common_name = slice_make(cn, hostile(cn, sizeof(cn)));
        struct slice module_id = slice_make(module, hostile(module, sizeof(module)));
        if (round % 4 == 0) {
            common_name = SLICE_LIT("gateway");
        }
        const struct leaf_server_request r = server(common_name, module_id);
        if (leaf_check_server(&r, NULL) != EDGE_OK) {
            continue;
        }
        accepted++;
        X509 *cert = make(common_name, module_id, LEAF_KEY_P256);
        char expected[256], sanitized[NAMES_COMMON_NAME_MAX + 1], lower[NAMES_COMMON_NAME_MAX + 1];
        uint8_t ip[16];
        size_t ip_len;
        names_sanitize(module_id, sanitized);
        names_lower(common_name, lower);
        bool has_module = sanitized[0] != '\0' && strcmp(sanitized, lower) != 0;
        (void)snprintf(expected, sizeof(expected), "%s:%s%s%s",
                       slice_parse_ip(common_name, ip, &ip_len) ? "IP" : "DNS", lower,
                       has_module ? ",DNS:" : "", has_module ? sanitized : "");
        assert_string_equal(pki_env_san(cert), expected);
        assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 1);
        X509_free(cert);
    }
    assert_true(accepted > 100);
}

static enum edge_code under_torture(void *data) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    struct leaf_issuer *i = NULL;
    const struct leaf_server_request r = server(SLICE_LIT("a"), SLICE_LIT("b"));
    (void)data;
    enum edge_code code =
        leaf_issuer_new(buf_slice(&env.chain), env.hsm, "workload-ca-1", &i, NULL);
    code = code != EDGE_OK ? code : leaf_server(i, &r, LEAF_KEY_P256, &key, &leaf, NULL);
    leaf_issuer_free(i);
    leaf_clear(&leaf);
    leaf_key_clear(&key);
    return code;
}

static void torture(void **state) {
    (void)state;
    assert_true(alloc_fail_torture(under_torture, NULL) > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_servers),
        cmocka_unit_test(hosts_and_addresses_are_matched_by_openssl),
        cmocka_unit_test(usages),
        cmocka_unit_test(identities),
        cmocka_unit_test(a_prepared_key_is_used_up),
        cmocka_unit_test(refused_requests_leave_nothing),
        cmocka_unit_test(issuers_that_cannot_be),
        cmocka_unit_test(no_name_brings_another_one_with_it),
        cmocka_unit_test(torture),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
