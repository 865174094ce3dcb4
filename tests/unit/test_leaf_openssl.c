/* SPDX-License-Identifier: MIT */
/*
 * What the openssl command makes of our certificates: the text of each profile, word for word, and
 * whether it verifies them by the strict rules and for which purposes.
 */
#include "pki/leaf.h"

#include "support/alloc_fail.h"
#include "support/fake_hsm.h"
#include "support/pki_env.h"
#include "support/tmpdir.h"

#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUTPUT_MAX 16384

static struct pki_env env;
static struct leaf_issuer *issuer;
static struct tmpdir *dir;

static void put(const char *name, struct slice text) {
    tmpdir_write(dir, name, text.ptr, text.len, 0600);
}

/* A root of release 1.1 as to its kind of key, and the cross certificate for our owner CA. */
static void put_cross(void) {
    struct hsm_key key;
    struct buf root, cross;
    struct secret pkcs8 = {0};
    struct leaf_key rsa = {.spki_len = 0};
    const struct issue_signer s = {.hsm = env.hsm, .key_name = "former"};
    assert_int_equal(leaf_key_make(LEAF_KEY_RSA2048, &rsa, NULL), EDGE_OK);
    pkcs8 = secret_take(&rsa.pkcs8_der);
    assert_int_equal(hsm_key_import(env.hsm, "former", &pkcs8, &key, NULL), EDGE_OK);
    secret_clear(&pkcs8);
    buf_init(&root, ISSUE_PEM_MAX);
    buf_init(&cross, ISSUE_PEM_MAX);
    struct issue_request r =
        pki_env_request(PROFILE_OWNER_CA, "Former CA", &key, slice_make(NULL, 0));
    assert_int_equal(issue_cert(&r, &s, &root, NULL, NULL), EDGE_OK);
    r = pki_env_request(PROFILE_CROSS_CA, "Test Edge Owner CA", &env.owner_key, buf_slice(&root));
    assert_int_equal(issue_cert(&r, &s, &cross, NULL, NULL), EDGE_OK);
    put("former.pem", buf_slice(&root));
    put("cross.pem", buf_slice(&cross));
    assert_int_equal(buf_append_slice(&cross, buf_slice(&env.chain), NULL), EDGE_OK);
    put("chain-cross.pem", buf_slice(&cross));
    buf_clear(&root);
    buf_clear(&cross);
}

static void put_leaf(const char *name, const char *key_name, struct leaf *leaf) {
    put(name, buf_slice(&leaf->chain_pem));
    put(key_name, secret_slice(&leaf->key_pem));
    leaf_clear(leaf);
}

static void put_server(const char *name, const char *key_name, struct slice common_name,
                       enum leaf_key_type type) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    const struct leaf_server_request r = {
        .common_name = common_name,
        .module_id = SLICE_LIT("$edgeHub"),
        .now_wall_s = PKI_ENV_NOW_S,
        .not_after_wall_s = PKI_ENV_NOW_S + 30 * PKI_ENV_DAY_S,
    };
    assert_int_equal(leaf_server(issuer, &r, type, &key, &leaf, NULL), EDGE_OK);
    put_leaf(name, key_name, &leaf);
}

static void put_identity(const char *name, const char *key_name, enum leaf_key_type type) {
    struct leaf_key key = {.spki_len = 0};
    struct leaf leaf = {.not_after_wall_s = 0};
    const struct leaf_identity_request r = {
        .module_id = SLICE_LIT("$edgeHub"),
        .hub = SLICE_LIT("hub-1.azure-devices.net"),
        .device_id = SLICE_LIT("dev-01"),
        .now_wall_s = PKI_ENV_NOW_S,
        .not_after_wall_s = PKI_ENV_NOW_S + 7200,
    };
    assert_int_equal(leaf_identity(issuer, &r, type, &key, &leaf, NULL), EDGE_OK);
    put_leaf(name, key_name, &leaf);
}

static int setup(void **state) {
    (void)state;
    dir = tmpdir_new();
    pki_env_init(&env);
    assert_int_equal(
        leaf_issuer_new(buf_slice(&env.chain), env.hsm, "workload-ca-1", &issuer, NULL), EDGE_OK);
    put("owner.pem", buf_slice(&env.owner));
    put("device.pem", buf_slice(&env.device));
    put("workload.pem", buf_slice(&env.workload));
    put("chain.pem", buf_slice(&env.chain));
    put_cross();
    put_server("server-p256.pem", "server-p256.key", SLICE_LIT("Gateway.Local"), LEAF_KEY_P256);
    put_server("server-rsa.pem", "server-rsa.key", SLICE_LIT("10.0.0.5"), LEAF_KEY_RSA2048);
    put_identity("identity-p256.pem", "identity-p256.key", LEAF_KEY_P256);
    put_identity("identity-rsa.pem", "identity-rsa.key", LEAF_KEY_RSA2048);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    leaf_issuer_free(issuer);
    pki_env_clear(&env);
    tmpdir_free(dir);
    return 0;
}

/* Runs the command in the folder; what it prints, and its exit code. */
static int run(const char *command, char output[OUTPUT_MAX]) {
    char line[PATH_MAX + 1024];
    (void)snprintf(line, sizeof(line), "cd '%s' && LC_ALL=C %s 2>&1", dir->path, command);
    FILE *from = popen(line, "re");
    assert_non_null(from);
    size_t len = fread(output, 1, OUTPUT_MAX - 1, from);
    output[len] = '\0';
    return pclose(from);
}

/* A line of hex pairs is a key identifier, which differs from run to run. */
static bool is_key_id(const char *line) {
    return isxdigit((unsigned char)line[0]) && isxdigit((unsigned char)line[1]) && line[2] == ':' &&
           isxdigit((unsigned char)line[3]) && isxdigit((unsigned char)line[4]) && line[5] == ':';
}

/* Without indentation and trailing blanks, key identifiers blanked. */
static void normalize(const char *from, char *to) {
    while (*from != '\0') {
        size_t len = strcspn(from, "\n");
        size_t lead = strspn(from, " ");
        lead = lead < len ? lead : len;
        size_t end = len;
        while (end > lead && from[end - 1] == ' ') {
            end--;
        }
        if (is_key_id(from + lead)) {
            to += sprintf(to, "<key id>\n");
        } else {
            to += sprintf(to, "%.*s\n", (int)(end - lead), from + lead);
        }
        from += len + (from[len] == '\n');
    }
    *to = '\0';
}

static void text_is(const char *file, const char *expected) {
    char command[256], output[OUTPUT_MAX], text[OUTPUT_MAX];
    (void)snprintf(command, sizeof(command),
                   "openssl x509 -in %s -noout -text -certopt no_serial,no_sigdump,no_pubkey",
                   file);
    assert_int_equal(run(command, output), 0);
    normalize(output, text);
    assert_string_equal(text, expected);
}

#define HEAD                                                                                       \
    "Certificate:\n"                                                                               \
    "Data:\n"                                                                                      \
    "Version: 3 (0x2)\n"                                                                           \
    "Signature Algorithm: "
#define DATES_90                                                                                   \
    "Validity\n"                                                                                   \
    "Not Before: Nov 14 22:08:20 2023 GMT\n"                                                       \
    "Not After : Feb 12 22:13:20 2024 GMT\n"
#define DATES_30                                                                                   \
    "Validity\n"                                                                                   \
    "Not Before: Nov 14 22:08:20 2023 GMT\n"                                                       \
    "Not After : Dec 14 22:13:20 2023 GMT\n"
#define CA_EXTENSIONS(path_len)                                                                    \
    "X509v3 extensions:\n"                                                                         \
    "X509v3 Basic Constraints: critical\n"                                                         \
    "CA:TRUE, pathlen:" path_len "\n"                                                              \
    "X509v3 Key Usage: critical\n"                                                                 \
    "Digital Signature, Certificate Sign, CRL Sign\n"                                              \
    "X509v3 Subject Key Identifier:\n"                                                             \
    "<key id>\n"
#define AUTHORITY_KEY_ID                                                                           \
    "X509v3 Authority Key Identifier:\n"                                                           \
    "<key id>\n"
#define LEAF_EXTENSIONS(usage, eku)                                                                \
    "X509v3 extensions:\n"                                                                         \
    "X509v3 Basic Constraints: critical\n"                                                         \
    "CA:FALSE\n"                                                                                   \
    "X509v3 Key Usage: critical\n" usage "\n"                                                      \
    "X509v3 Extended Key Usage:\n" eku "\n"                                                        \
    "X509v3 Subject Key Identifier:\n"                                                             \
    "<key id>\n" AUTHORITY_KEY_ID "X509v3 Subject Alternative Name:\n"

static void texts_of_authorities(void **state) {
    (void)state;
    text_is("owner.pem", HEAD "ecdsa-with-SHA256\n"
                              "Issuer: CN = Test Edge Owner CA\n"
                              "Validity\n"
                              "Not Before: Nov 14 22:08:20 2023 GMT\n"
                              "Not After : Nov 11 22:13:20 2033 GMT\n"
                              "Subject: CN = Test Edge Owner CA\n" CA_EXTENSIONS("3"));
    text_is("device.pem",
            HEAD "ecdsa-with-SHA256\n"
                 "Issuer: CN = Test Edge Owner CA\n" DATES_90
                 "Subject: CN = Test Edge Device CA\n" CA_EXTENSIONS("2") AUTHORITY_KEY_ID);
    text_is("workload.pem",
            HEAD "ecdsa-with-SHA256\n"
                 "Issuer: CN = Test Edge Device CA\n" DATES_90
                 "Subject: CN = iotedged workload ca\n" CA_EXTENSIONS("0") AUTHORITY_KEY_ID);
    text_is("cross.pem",
            HEAD "sha256WithRSAEncryption\n"
                 "Issuer: CN = Former CA\n" DATES_30
                 "Subject: CN = Test Edge Owner CA\n" CA_EXTENSIONS("2") AUTHORITY_KEY_ID);
}

static void texts_of_leaves(void **state) {
    (void)state;
    text_is("server-p256.pem",
            HEAD "ecdsa-with-SHA256\n"
                 "Issuer: CN = iotedged workload ca\n" DATES_30
                 "Subject: CN = Gateway.Local\n" LEAF_EXTENSIONS(
                     "Digital Signature",
                     "TLS Web Server Authentication") "DNS:gateway.local, DNS:edgehub\n");
    text_is("server-rsa.pem",
            HEAD "ecdsa-with-SHA256\n"
                 "Issuer: CN = iotedged workload ca\n" DATES_30
                 "Subject: CN = 10.0.0.5\n" LEAF_EXTENSIONS(
                     "Digital Signature, Key Encipherment",
                     "TLS Web Server Authentication") "IP Address:10.0.0.5, DNS:edgehub\n");
    text_is("identity-p256.pem",
            HEAD "ecdsa-with-SHA256\n"
                 "Issuer: CN = iotedged workload ca\n"
                 "Validity\n"
                 "Not Before: Nov 14 22:08:20 2023 GMT\n"
                 "Not After : Nov 15 00:13:20 2023 GMT\n"
                 "Subject: CN = $edgeHub\n" LEAF_EXTENSIONS(
                     "Digital Signature",
                     "TLS Web Client Authentication") "URI:azureiot://hub-1.azure-devices.net/"
                                                      "devices/dev-01/modules/$edgeHub\n");
}

/* purpose NULL: none. */
static int verify(const char *root, const char *chain, const char *purpose, const char *leaf,
                  char output[OUTPUT_MAX]) {
    char command[512];
    (void)snprintf(command, sizeof(command),
                   "openssl verify -x509_strict -check_ss_sig -attime %d -CAfile %s -untrusted %s "
                   "-no-CApath %s %s %s",
                   PKI_ENV_NOW_S, root, chain, purpose != NULL ? "-purpose" : "",
                   purpose != NULL ? purpose : "", leaf);
    return run(command, output);
}

static void verified_by_the_strict_rules(void **state) {
    static const struct {
        const char *leaf, *good, *bad;
    } rows[] = {
        {"server-p256.pem", "sslserver", "sslclient"},
        {"server-rsa.pem", "sslserver", "sslclient"},
        {"identity-p256.pem", "sslclient", "sslserver"},
        {"identity-rsa.pem", "sslclient", "sslserver"},
    };
    char output[OUTPUT_MAX];
    (void)state;
    for (size_t i = 0; i < EDGE_ARRAY_LEN(rows); i++) {
        if (verify("owner.pem", "chain.pem", rows[i].good, rows[i].leaf, output) != 0) {
            fail_msg("%s", output);
        }
        if (verify("former.pem", "chain-cross.pem", rows[i].good, rows[i].leaf, output) != 0) {
            fail_msg("%s", output);
        }
        assert_int_not_equal(verify("owner.pem", "chain.pem", rows[i].bad, rows[i].leaf, output),
                             0);
        assert_non_null(strstr(output, "unsuitable certificate purpose"));
    }
    assert_int_equal(verify("owner.pem", "chain.pem", NULL, "workload.pem", output), 0);
    assert_int_not_equal(verify("former.pem", "chain.pem", NULL, "workload.pem", output), 0);
}

static void names_are_found_by_the_command(void **state) {
    char output[OUTPUT_MAX];
    (void)state;
    assert_int_equal(run("openssl verify -attime 1700000000 -CAfile owner.pem -untrusted chain.pem "
                         "-verify_hostname gateway.local server-p256.pem",
                         output),
                     0);
    assert_int_equal(run("openssl verify -attime 1700000000 -CAfile owner.pem -untrusted chain.pem "
                         "-verify_ip 10.0.0.5 server-rsa.pem",
                         output),
                     0);
    assert_int_not_equal(run("openssl verify -attime 1700000000 -CAfile owner.pem -untrusted "
                             "chain.pem -verify_hostname 10.0.0.5 server-rsa.pem",
                             output),
                         0);
}

static void keys_are_sound(void **state) {
    char output[OUTPUT_MAX];
    (void)state;
    assert_int_equal(run("openssl pkey -check -noout -in server-p256.key", output), 0);
    assert_int_equal(run("openssl pkey -check -noout -in server-rsa.key", output), 0);
    assert_int_equal(run("openssl rsa -check -noout -in identity-rsa.key", output), 0);
    assert_int_equal(run("openssl ec -check -noout -in identity-p256.key", output), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_authorities),
        cmocka_unit_test(texts_of_leaves),
        cmocka_unit_test(verified_by_the_strict_rules),
        cmocka_unit_test(names_are_found_by_the_command),
        cmocka_unit_test(keys_are_sound),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
