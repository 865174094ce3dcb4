/* SPDX-License-Identifier: MIT */
/*
 * Chains and keys through OpenSSL. The files come from people and from enrolment agents: the usual
 * mistakes (wrong order, wrong file, DER instead of PEM, a passphrase) are told apart.
 */
#include "base/x509.h"

#include "base/attr.h"
#include "base/b64.h"
#include "base/clock.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <time.h>

#define DER_SEQUENCE 0x30 /* what DER certificates, DER keys and PFX files start with */

static void cleanup_bio(BIO **bio) {
    BIO_free(*bio);
}
#define BIO_CLEANUP EDGE_CLEANUP(cleanup_bio)

static void cleanup_key(EVP_PKEY **key) {
    EVP_PKEY_free(*key);
}
#define KEY_CLEANUP EDGE_CLEANUP(cleanup_key)

struct chain {
    X509 *certs[X509_CHAIN_MAX];
    size_t cnt;
};

static void chain_clear(struct chain *c) {
    for (size_t i = 0; i < c->cnt; i++) {
        X509_free(c->certs[i]);
    }
    c->cnt = 0;
    ERR_clear_error();
}
#define CHAIN_CLEANUP EDGE_CLEANUP(chain_clear)

/* Whether OpenSSL's queue speaks of a shortage of memory. Empties the queue. */
static bool take_nomem(void) {
    bool is_nomem = false;
    unsigned long number = ERR_get_error();
    while (number != 0) {
        is_nomem = is_nomem || ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE;
        number = ERR_get_error();
    }
    return is_nomem;
}

static enum edge_code no_memory(struct edge_error *err) {
    ERR_clear_error();
    return edge_set(err, EDGE_NOMEM, "no memory to read a certificate or its key");
}

static enum edge_code open_text(struct slice pem, const char *what, BIO **ret,
                                struct edge_error *err) {
    ERR_clear_error();
    if (pem.len == 0) {
        return edge_set(err, EDGE_PARSE, "the file is empty: %s in PEM form is expected", what);
    }
    if (pem.len > X509_PEM_MAX) {
        return edge_set(err, EDGE_RANGE, "the file is larger than %d bytes", X509_PEM_MAX);
    }
    if ((unsigned char)pem.ptr[0] == DER_SEQUENCE) {
        return edge_set(err, EDGE_PARSE,
                        "the file is binary (DER or PFX), but %s in PEM form is expected: convert "
                        "it with openssl",
                        what);
    }
    *ret = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    return *ret != NULL ? EDGE_OK : no_memory(err);
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
static enum edge_code chain_end(const struct chain *c, struct edge_error *err) {
    unsigned long last = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (take_nomem()) {
        return no_memory(err);
    }
    if (!is_end) {
        return edge_set(err, EDGE_PARSE, "certificate %zu of the file is damaged", c->cnt + 1);
    }
    if (c->cnt == 0) {
        return edge_set(err, EDGE_PARSE,
                        "the file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
    }
    return EDGE_OK;
}

static enum edge_code chain_parse(struct slice pem, struct chain *c, struct edge_error *err) {
    BIO *bio BIO_CLEANUP = NULL;
    enum edge_code code = open_text(pem, "a certificate", &bio, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (;;) {
        bool asked = false;
        X509 *cert = PEM_read_bio_X509(bio, NULL, refuse_passphrase, &asked);
        if (cert == NULL) {
            return chain_end(c, err);
        }
        if (c->cnt == X509_CHAIN_MAX) {
            X509_free(cert);
            return edge_set(err, EDGE_RANGE,
                            "the file holds more than %d certificates: only the device's own and "
                            "its issuers belong there",
                            X509_CHAIN_MAX);
        }
        c->certs[c->cnt++] = cert;
    }
}

static enum edge_code chain_check_order(const struct chain *c, struct edge_error *err) {
    for (size_t i = 0; i + 1 < c->cnt; i++) {
        X509 *issuer = c->certs[i + 1];
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (key == NULL || X509_check_issued(issuer, c->certs[i]) != X509_V_OK ||
            X509_verify(c->certs[i], key) != 1) {
            if (take_nomem()) {
                return no_memory(err);
            }
            return edge_set(err, EDGE_CONFLICT,
                            "certificate %zu of the file was not issued by certificate %zu: put "
                            "the device's own first, then the issuer of each, and nothing else",
                            i + 1, i + 2);
        }
    }
    return EDGE_OK;
}

static enum edge_code sha256_hex(const void *data, size_t len, char out[X509_SHA256_HEX],
                                 struct edge_error *err) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    struct buf hex;
    buf_init(&hex, X509_SHA256_HEX - 1);
    if (EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL) != 1) {
        return no_memory(err);
    }
    enum edge_code code = hex_encode(digest, digest_len, &hex, err);
    if (code == EDGE_OK && !slice_to_array(buf_slice(&hex), out, X509_SHA256_HEX)) {
        code = edge_set(err, EDGE_INTERNAL, "a SHA-256 of unexpected length");
    }
    buf_clear(&hex);
    return code;
}

static enum edge_code leaf_thumbprint(X509 *cert, struct x509_leaf *ret, struct edge_error *err) {
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    if (len <= 0) {
        return no_memory(err);
    }
    enum edge_code code = sha256_hex(der, (size_t)len, ret->thumbprint, err);
    OPENSSL_free(der);
    return code;
}

static bool is_plain_text(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return slice_is_utf8_text(s);
}

/* Of several names the last, which is the most specific. */
static void leaf_common_name(X509 *cert, struct x509_leaf *ret) {
    const X509_NAME *subject = X509_get_subject_name(cert);
    int found = -1;
    for (int at = -1;;) {
        at = X509_NAME_get_index_by_NID(subject, NID_commonName, at);
        if (at < 0) {
            break;
        }
        found = at;
    }
    unsigned char *text = NULL;
    int len = -1;
    if (found >= 0) {
        len = ASN1_STRING_to_UTF8(&text,
                                  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, found)));
    }
    struct slice name = slice_make(text, len > 0 ? (size_t)len : 0);
    if (!is_plain_text(name) || !slice_to_array(name, ret->common_name, sizeof(ret->common_name))) {
        ret->common_name[0] = '\0';
    }
    OPENSSL_free(text);
}

static bool leaf_time(const ASN1_TIME *from, int64_t *ret) {
    struct tm parts;
    if (from == NULL || ASN1_TIME_to_tm(from, &parts) != 1) {
        return false;
    }
    *ret = (int64_t)timegm(&parts);
    return true;
}

static enum edge_code leaf_read(X509 *cert, struct x509_leaf *ret, struct edge_error *err) {
    if (!leaf_time(X509_get0_notBefore(cert), &ret->not_before_wall_s) ||
        !leaf_time(X509_get0_notAfter(cert), &ret->not_after_wall_s)) {
        return take_nomem() ? no_memory(err)
                            : edge_set(err, EDGE_PARSE,
                                       "the first certificate does not say from when to when it "
                                       "is valid");
    }
    leaf_common_name(cert, ret);
    return leaf_thumbprint(cert, ret, err);
}

enum edge_code x509_chain_read(struct slice chain_pem, struct x509_leaf *ret,
                               struct edge_error *err) {
    struct chain chain CHAIN_CLEANUP = {.cnt = 0};
    struct x509_leaf leaf = {.chain_cnt = 0};
    enum edge_code code = chain_parse(chain_pem, &chain, err);
    code = code != EDGE_OK ? code : chain_check_order(&chain, err);
    code = code != EDGE_OK ? code : leaf_read(chain.certs[0], &leaf, err);
    code = code != EDGE_OK ? code : sha256_hex(chain_pem.ptr, chain_pem.len, leaf.pem_sha256, err);
    if (code == EDGE_OK) {
        leaf.chain_cnt = (uint32_t)chain.cnt;
        *ret = leaf;
    }
    return code;
}

static enum edge_code key_parse(struct slice pem, EVP_PKEY **ret, struct edge_error *err) {
    BIO *bio BIO_CLEANUP = NULL;
    enum edge_code code = open_text(pem, "a private key", &bio, err);
    if (code != EDGE_OK) {
        return code;
    }
    bool asked = false;
    *ret = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
    if (*ret != NULL) {
        return EDGE_OK;
    }
    if (asked) {
        return edge_set(err, EDGE_PARSE,
                        "the private key is encrypted and nobody is there to type its passphrase: "
                        "store it in clear with 'openssl pkey -in OLD -out NEW'");
    }
    if (take_nomem()) {
        return no_memory(err);
    }
    if (memmem(pem.ptr, pem.len, "PRIVATE KEY-----", 16) != NULL) {
        return edge_set(err, EDGE_PARSE, "the private key is damaged or of an unknown kind");
    }
    return edge_set(err, EDGE_PARSE,
                    "the file holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
}

enum edge_code x509_key_check(struct slice chain_pem, struct slice key_pem,
                              struct edge_error *err) {
    struct chain chain CHAIN_CLEANUP = {.cnt = 0};
    EVP_PKEY *key KEY_CLEANUP = NULL;
    enum edge_code code = chain_parse(chain_pem, &chain, err);
    code = code != EDGE_OK ? code : key_parse(key_pem, &key, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < chain.cnt; i++) {
        if (X509_check_private_key(chain.certs[i], key) != 1) {
            if (take_nomem()) {
                return no_memory(err);
            }
            continue;
        }
        if (i > 0) {
            return edge_set(err, EDGE_CONFLICT,
                            "the private key belongs to certificate %zu of the chain, not to the "
                            "first: put the device's own certificate first",
                            i + 1);
        }
        return EDGE_OK;
    }
    return edge_set(err, EDGE_CONFLICT,
                    "the private key is not that of the certificate: after a renewal both files "
                    "must be replaced");
}

enum edge_code x509_time_check(const struct x509_leaf *leaf, int64_t now_wall_s,
                               struct edge_error *err) {
    char now[CLOCK_RFC3339_LEN];
    char limit[CLOCK_RFC3339_LEN];
    clock_format_rfc3339(now_wall_s, now);
    if (now_wall_s < leaf->not_before_wall_s) {
        clock_format_rfc3339(leaf->not_before_wall_s, limit);
        return edge_set(err, EDGE_DENIED,
                        "the certificate is not valid before %s, and it is %s now: check the "
                        "clock, or wait",
                        limit, now);
    }
    if (now_wall_s > leaf->not_after_wall_s) {
        clock_format_rfc3339(leaf->not_after_wall_s, limit);
        return edge_set(err, EDGE_DENIED,
                        "the certificate expired at %s, and it is %s now: renew it, or check the "
                        "clock",
                        limit, now);
    }
    return EDGE_OK;
}
