/* SPDX-License-Identifier: MIT */
#include "support/pki_env.h"

#include "support/fake_hsm.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX 2048

struct issue_request pki_env_request(enum profile_kind kind, const char *common_name,
                                     const struct hsm_key *key, struct slice issuer_pem) {
    return (struct issue_request){.kind = kind,
                                  .common_name = slice_str(common_name),
                                  .spki_der = slice_make(key->spki, key->spki_len),
                                  .issuer_pem = issuer_pem,
                                  .not_before_wall_s = PKI_ENV_NOW_S,
                                  .not_after_wall_s = PKI_ENV_NOW_S + 30 * PKI_ENV_DAY_S};
}

static void authority(struct pki_env *e, enum profile_kind kind, const char *name, int days,
                      struct hsm_key *key, const char *signer, struct slice issuer,
                      struct buf *out) {
    struct edge_error err;
    const struct issue_signer s = {.hsm = e->hsm, .key_name = signer};
    struct issue_request r = pki_env_request(kind, name, key, issuer);
    r.not_after_wall_s = PKI_ENV_NOW_S + (int64_t)days * PKI_ENV_DAY_S;
    buf_init(out, ISSUE_PEM_MAX);
    if (issue_cert(&r, &s, out, NULL, &err) != EDGE_OK) {
        fail_msg("%s: %s", name, edge_error_text(&err));
    }
}

void pki_env_init(struct pki_env *e) {
    *e = (struct pki_env){.hsm = fake_hsm_new()};
    assert_int_equal(hsm_key_make(e->hsm, "owner-ca-1", &e->owner_key, NULL), EDGE_OK);
    assert_int_equal(hsm_key_make(e->hsm, "device-ca-1", &e->device_key, NULL), EDGE_OK);
    assert_int_equal(hsm_key_make(e->hsm, "workload-ca-1", &e->workload_key, NULL), EDGE_OK);
    authority(e, PROFILE_OWNER_CA, "Test Edge Owner CA", 3650, &e->owner_key, "owner-ca-1",
              slice_make(NULL, 0), &e->owner);
    authority(e, PROFILE_DEVICE_CA, "Test Edge Device CA", 90, &e->device_key, "owner-ca-1",
              buf_slice(&e->owner), &e->device);
    authority(e, PROFILE_WORKLOAD_CA, "iotedged workload ca", 90, &e->workload_key, "device-ca-1",
              buf_slice(&e->device), &e->workload);
    buf_init(&e->chain, 4 * ISSUE_PEM_MAX);
    assert_int_equal(buf_append_slice(&e->chain, buf_slice(&e->workload), NULL), EDGE_OK);
    assert_int_equal(buf_append_slice(&e->chain, buf_slice(&e->device), NULL), EDGE_OK);
}

void pki_env_clear(struct pki_env *e) {
    buf_clear(&e->owner);
    buf_clear(&e->device);
    buf_clear(&e->workload);
    buf_clear(&e->chain);
    hsm_close(e->hsm);
}

X509 *pki_env_cert(struct slice pem, unsigned number) {
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = NULL;
    assert_non_null(bio);
    for (unsigned i = 0; i <= number; i++) {
        X509_free(cert);
        cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    }
    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

static void add_name(char *text, const GENERAL_NAME *name) {
    char address[INET6_ADDRSTRLEN];
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    const char *what = type == GEN_DNS ? "DNS" : type == GEN_IPADD ? "IP" : "URI";
    const char *content = (const char *)ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);
    assert_true(type == GEN_DNS || type == GEN_IPADD || type == GEN_URI);
    if (type == GEN_IPADD) {
        content = inet_ntop(len == 4 ? AF_INET : AF_INET6, content, address, sizeof(address));
        len = (int)strlen(content);
    }
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "%s%s:%.*s", used > 0 ? "," : "", what, len,
                   content);
}

const char *pki_env_san(X509 *cert) {
    static char text[TEXT_MAX];
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    text[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        add_name(text, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    return text;
}

int pki_env_verify(struct slice chain_pem, struct slice root_pem, int purpose) {
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    X509 *root = pki_env_cert(root_pem, 0);
    X509 *leaf = pki_env_cert(chain_pem, 0);
    X509 *cert;
    assert_true(store != NULL && ctx != NULL && others != NULL && root != NULL && leaf != NULL);
    for (unsigned i = 1; (cert = pki_env_cert(chain_pem, i)) != NULL; i++) {
        (void)sk_X509_push(others, cert);
    }
    (void)X509_STORE_add_cert(store, root);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, others), 1);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
    X509_STORE_CTX_set_time(ctx, 0, PKI_ENV_NOW_S);
    if (purpose != 0) {
        (void)X509_STORE_CTX_set_purpose(ctx, purpose);
    }
    int rc = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_pop_free(others, X509_free);
    X509_free(root);
    X509_free(leaf);
    ERR_clear_error();
    return rc;
}
