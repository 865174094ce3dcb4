/* SPDX-License-Identifier: MIT */
/*
 * The files come from people and from enrolment agents: the usual mistakes (wrong file, DER instead
 * of PEM, a passphrase) are told apart.
 */
#include "base/x509_pem.h"

#include "base/der.h"
#include "base/ossl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void cleanup_bio(BIO **bio) {
    BIO_free(*bio);
}
#define BIO_CLEANUP EDGE_CLEANUP(cleanup_bio)

void x509_pkey_cleanup(EVP_PKEY **key) {
    EVP_PKEY_free(*key);
}

void x509_certs_clear(struct x509_certs *c) {
    for (size_t i = 0; i < c->cnt; i++) {
        X509_free(c->items[i]);
    }
    free(c->items);
    *c = (struct x509_certs){NULL, 0};
    ERR_clear_error();
}

enum edge_code x509_no_memory(struct edge_error *err) {
    ERR_clear_error();
    return edge_set(err, EDGE_NOMEM, "no memory to read a certificate or its key");
}

enum edge_code x509_take_nomem(struct edge_error *err) {
    return ossl_take_nomem() ? x509_no_memory(err) : EDGE_OK;
}

static const char *quote(const struct x509_source *from) {
    return from->file != NULL ? "'" : "";
}

static const char *name(const struct x509_source *from) {
    return from->file != NULL ? from->file : "the file";
}

static enum edge_code open_text(struct slice pem, const char *what, const struct x509_source *from,
                                BIO **ret, struct edge_error *err) {
    const char *q = quote(from);
    ERR_clear_error();
    if (pem.len == 0) {
        return edge_set(err, EDGE_PARSE, "%s%s%s is empty: %s in PEM form is expected", q,
                        name(from), q, what);
    }
    if (pem.len > from->bytes_max) {
        return edge_set(err, EDGE_RANGE, "%s%s%s is larger than %zu bytes", q, name(from), q,
                        from->bytes_max);
    }
    if ((unsigned char)pem.ptr[0] == DER_SEQUENCE) { /* certificates, keys and PFX alike */
        return edge_set(err, EDGE_PARSE,
                        "%s%s%s is binary (DER or PFX), but %s in PEM form is expected: convert it "
                        "with openssl",
                        q, name(from), q, what);
    }
    *ret = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    return *ret != NULL ? EDGE_OK : x509_no_memory(err);
}

/* Nobody is asked for a passphrase. */
static int refuse_passphrase(char *buf, int size, int writing, void *data) {
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)data = true;
    return -1;
}

/* Why PEM_read_bio_X509 gave nothing: the end of the text, or damage. */
static enum edge_code check_end(const struct x509_certs *c, const struct x509_source *from,
                                struct edge_error *err) {
    const char *q = quote(from);
    unsigned long last = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    enum edge_code code = x509_take_nomem(err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!is_end) {
        return edge_set(err, EDGE_PARSE,
                        "certificate %zu of %s%s%s is damaged: copy the file again", c->cnt + 1, q,
                        name(from), q);
    }
    if (c->cnt == 0) {
        return edge_set(err, EDGE_PARSE,
                        "%s%s%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", q,
                        name(from), q);
    }
    return EDGE_OK;
}

static bool has(const struct x509_certs *c, const X509 *cert) {
    for (size_t i = 0; i < c->cnt; i++) {
        if (X509_cmp(c->items[i], cert) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes the certificate. */
static enum edge_code add(struct x509_certs *c, X509 *cert, const struct x509_source *from,
                          struct edge_error *err) {
    if (from->skips_copies && has(c, cert)) {
        X509_free(cert);
        return EDGE_OK;
    }
    if (c->cnt == from->cnt_max) {
        X509_free(cert);
        return edge_set(err, EDGE_RANGE, "%s%s%s holds more than %zu certificates%s%s", quote(from),
                        name(from), quote(from), from->cnt_max, from->belongs != NULL ? ": " : "",
                        from->belongs != NULL ? from->belongs : "");
    }
    X509 **items = reallocarray(c->items, c->cnt + 1, sizeof(X509 *));
    if (items == NULL) {
        X509_free(cert);
        return x509_no_memory(err);
    }
    c->items = items;
    c->items[c->cnt++] = cert;
    return EDGE_OK;
}

static enum edge_code read_once(struct slice pem, const struct x509_source *from,
                                struct x509_certs *ret, struct edge_error *err) {
    struct x509_certs certs X509_CERTS_CLEANUP = {NULL, 0};
    BIO *bio BIO_CLEANUP = NULL;
    enum edge_code code = open_text(pem, "a certificate", from, &bio, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (;;) {
        bool asked = false;
        X509 *cert = PEM_read_bio_X509(bio, NULL, refuse_passphrase, &asked);
        code = cert == NULL ? check_end(&certs, from, err) : add(&certs, cert, from, err);
        if (code != EDGE_OK) {
            return code;
        }
        if (cert == NULL) {
            *ret = certs;
            certs = (struct x509_certs){NULL, 0};
            return EDGE_OK;
        }
    }
}

/* OpenSSL does not always say when it was memory that it lacked, and what is taken for damaged is
 * lost: so damage is looked at twice. */
enum edge_code x509_certs_read(struct slice pem, const struct x509_source *from,
                               struct x509_certs *ret, struct edge_error *err) {
    enum edge_code code = read_once(pem, from, ret, err);
    return code == EDGE_PARSE ? read_once(pem, from, ret, err) : code;
}

enum edge_code x509_certs_read_chain(struct slice pem, struct x509_certs *ret,
                                     struct edge_error *err) {
    static const struct x509_source from = {
        .belongs = "only the device's own and its issuers belong there",
        .bytes_max = X509_PEM_MAX,
        .cnt_max = X509_CHAIN_MAX};
    return x509_certs_read(pem, &from, ret, err);
}

static enum edge_code read_first_once(struct slice pem, const struct x509_source *from, X509 **ret,
                                      struct edge_error *err) {
    const struct x509_certs none = {NULL, 0};
    BIO *bio BIO_CLEANUP = NULL;
    bool asked = false;
    enum edge_code code = open_text(pem, "a certificate", from, &bio, err);
    if (code != EDGE_OK) {
        return code;
    }
    X509 *cert = PEM_read_bio_X509(bio, NULL, refuse_passphrase, &asked);
    if (cert == NULL) {
        return check_end(&none, from, err);
    }
    ERR_clear_error();
    *ret = cert;
    return EDGE_OK;
}

enum edge_code x509_certs_first(struct slice pem, const struct x509_source *from, X509 **ret,
                                struct edge_error *err) {
    enum edge_code code = read_first_once(pem, from, ret, err);
    return code == EDGE_PARSE ? read_first_once(pem, from, ret, err) : code;
}

static bool time_of(const ASN1_TIME *from, int64_t *ret) {
    struct tm parts;
    if (from == NULL || ASN1_TIME_to_tm(from, &parts) != 1) {
        return false;
    }
    *ret = (int64_t)timegm(&parts);
    return true;
}

bool x509_cert_times(const X509 *cert, int64_t *ret_not_before_wall_s,
                     int64_t *ret_not_after_wall_s) {
    return time_of(X509_get0_notBefore(cert), ret_not_before_wall_s) &&
           time_of(X509_get0_notAfter(cert), ret_not_after_wall_s);
}

/* Why no key came out of a text. */
static enum edge_code pkey_missing(struct slice pem, bool is_encrypted, struct edge_error *err) {
    bool is_nomem = ossl_take_nomem();
    if (is_encrypted) {
        return edge_set(err, EDGE_PARSE,
                        "the private key is encrypted and nobody is there to type its passphrase: "
                        "store it in clear with 'openssl pkey -in OLD -out NEW'");
    }
    if (is_nomem) {
        return x509_no_memory(err);
    }
    if (memmem(pem.ptr, pem.len, "PRIVATE KEY-----", 16) != NULL) {
        return edge_set(err, EDGE_PARSE, "the private key is damaged or of an unknown kind");
    }
    return edge_set(err, EDGE_PARSE,
                    "the file holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
}

enum edge_code x509_pkey_parse(struct slice pem, EVP_PKEY **ret, struct secret *ret_der,
                               bool *ret_is_pkcs8, struct edge_error *err) {
    static const struct x509_source from = {.bytes_max = X509_PEM_MAX};
    BIO *bio BIO_CLEANUP = NULL;
    EVP_PKEY *key X509_PKEY_CLEANUP = NULL;
    enum edge_code code = open_text(pem, "a private key", &from, &bio, err);
    if (code != EDGE_OK) {
        return code;
    }
    unsigned char *der = NULL;
    char *kind = NULL;
    long der_len = 0;
    bool is_encrypted = false;
    bool is_pkcs8 = false;
    if (PEM_bytes_read_bio_secmem(&der, &der_len, &kind, PEM_STRING_EVP_PKEY, bio,
                                  refuse_passphrase, &is_encrypted) == 1) {
        const unsigned char *at = der;
        is_encrypted = strcmp(kind, PEM_STRING_PKCS8) == 0;
        is_pkcs8 = strcmp(kind, PEM_STRING_PKCS8INF) == 0;
        key = is_encrypted ? NULL : d2i_AutoPrivateKey(NULL, &at, der_len);
    }
    if (key == NULL) {
        code = pkey_missing(pem, is_encrypted, err);
    } else if (ret_der != NULL) {
        code = secret_copy(ret_der, der, (size_t)der_len, err);
    }
    OPENSSL_secure_clear_free(der, der != NULL ? (size_t)der_len : 0);
    OPENSSL_secure_free(kind);
    ERR_clear_error();
    if (code == EDGE_OK) {
        *ret = TAKE_PTR(key);
        if (ret_is_pkcs8 != NULL) {
            *ret_is_pkcs8 = is_pkcs8;
        }
    }
    return code;
}
