/* SPDX-License-Identifier: MIT */
/*
 * Puts certificates together (RFC 5280 4.1): names and dates here, extensions in profile.c, who
 * signs in issuer.c. What is handed out has been checked with the issuer's public key.
 */
#include "pki/issue.h"

#include "base/clock.h"
#include "base/der.h"
#include "base/mac.h"
#include "pki/issuer.h"
#include "pki/names.h"
#include "pki/pem.h"
#include "pki/signer.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <assert.h>
#include <string.h>

#define SERIAL_LEN  16
#define SUBJECT_MAX (ISSUER_INHERITED_MAX + 128)
#define TBS_MAX     4096
#define CERT_MAX    (TBS_MAX + HSM_SIGNATURE_MAX + 64)
#define VERSION_3   2
#define TAG_SET     0x31u
#define TAG_UTF8    0x0cu

static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};

/* AlgorithmIdentifier: ecdsa-with-SHA256 (RFC 5758 3.2), sha256WithRSAEncryption (RFC 4055 5). */
static const uint8_t alg_ecdsa[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                    0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t alg_rsa[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};

/* What goes into one certificate. */
struct parts {
    const struct profile *profile;
    const struct issue_request *request;
    uint8_t serial[SERIAL_LEN];
    struct slice algorithm;
    struct slice issuer_name; /* DER */
    uint8_t subject[SUBJECT_MAX];
    struct slice subject_name; /* DER, in subject */
    uint8_t path_len;
    int64_t not_before_wall_s;
    int64_t not_after_wall_s;
    struct profile_values values;
    uint8_t key_id[PROFILE_KEY_ID_LEN];
};

/* Keys of CAs are read by OpenSSL; those of leaves were made here. */
static enum edge_code check_key(const struct issue_request *r, const struct profile *p,
                                struct edge_error *err) {
    if (!p->is_ca) {
        return EDGE_OK;
    }
    EVP_PKEY *key = NULL;
    enum edge_code code = issuer_key_read(r->spki_der, &key, err);
    EVP_PKEY_free(key);
    return code == EDGE_OK || code == EDGE_NOMEM ? code
                                                 : edge_wrap(err, code, "making %s", p->what);
}

static enum edge_code check(const struct issue_request *r, const struct profile *p,
                            struct edge_error *err) {
    if (r->common_name.len == 0 || r->common_name.len > NAMES_COMMON_NAME_MAX ||
        !slice_is_plain_text(r->common_name)) {
        return edge_set(err, EDGE_INVALID,
                        "the common name of a certificate has 1 to %d bytes of text without "
                        "control characters",
                        NAMES_COMMON_NAME_MAX);
    }
    if (r->ip.len != 0 && r->ip.len != 4 && r->ip.len != 16) {
        return edge_set(err, EDGE_INTERNAL, "an IP address of %zu bytes", r->ip.len);
    }
    if (r->not_after_wall_s <= r->not_before_wall_s) {
        return edge_set(err, EDGE_INVALID, "%s would end before it begins", p->what);
    }
    return check_key(r, p, err);
}

/* Name ::= what is inherited, then one CN. */
static enum edge_code make_subject(struct parts *p, const struct issue_issuer *issuer,
                                   struct edge_error *err) {
    struct der w;
    der_init(&w, p->subject, sizeof(p->subject));
    size_t mark = der_mark(&w);
    der_element(&w, TAG_UTF8, p->request->common_name.ptr, p->request->common_name.len);
    der_element(&w, DER_OID, oid_common_name, sizeof(oid_common_name));
    der_wrap(&w, mark, DER_SEQUENCE);
    der_wrap(&w, mark, TAG_SET);
    if (p->profile->inherits_subject && issuer != NULL) {
        der_raw(&w, issuer->inherited, issuer->inherited_len);
    }
    der_wrap(&w, mark, DER_SEQUENCE);
    p->subject_name = der_result(&w);
    return p->subject_name.len > 0
               ? EDGE_OK
               : edge_set(err, EDGE_RANGE, "the subject of %s is too long", p->profile->what);
}

static enum edge_code make_key_id(struct parts *p, struct edge_error *err) {
    struct slice spki = p->request->spki_der;
    struct slice content;
    struct slice algorithm;
    struct slice bits;
    struct slice oid;
    if (!der_take(&spki, DER_SEQUENCE, &content) || spki.len != 0 ||
        !der_take(&content, DER_SEQUENCE, &algorithm) ||
        !der_take(&content, DER_BIT_STRING, &bits) || bits.len < 2 ||
        !der_take(&algorithm, DER_OID, &oid)) {
        return edge_set(err, EDGE_INVALID, "the public key for %s is malformed", p->profile->what);
    }
    p->values.is_rsa = slice_eq(oid, slice_make(oid_rsa, sizeof(oid_rsa)));
    p->values.subject_key_id = p->key_id;
    p->values.subject_key_id_len = sizeof(p->key_id);
    return issuer_key_id(slice_make(bits.ptr + 1, bits.len - 1), p->key_id, err);
}

static enum edge_code make_serial(struct parts *p, struct edge_error *err) {
    static const uint8_t zero[SERIAL_LEN];
    do {
        if (RAND_bytes(p->serial, SERIAL_LEN) != 1) {
            ERR_clear_error();
            return edge_set(err, EDGE_CRYPTO, "no random numbers for a serial number");
        }
    } while (memcmp(p->serial, zero, SERIAL_LEN) == 0);
    return EDGE_OK;
}

static enum edge_code make_dates(struct parts *p, const struct issue_issuer *issuer,
                                 struct edge_error *err) {
    const struct issue_request *r = p->request;
    p->not_before_wall_s = r->not_before_wall_s - ISSUE_BACKDATE_S;
    p->not_after_wall_s = r->not_after_wall_s;
    if (issuer == NULL) {
        return EDGE_OK;
    }
    if (r->not_before_wall_s < issuer->not_before_wall_s ||
        r->not_before_wall_s >= issuer->not_after_wall_s) {
        char now[CLOCK_RFC3339_LEN], from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN];
        clock_format_rfc3339(r->not_before_wall_s, now);
        clock_format_rfc3339(issuer->not_before_wall_s, from);
        clock_format_rfc3339(issuer->not_after_wall_s, to);
        return edge_set(err, EDGE_CONFLICT,
                        "the issuer of %s is valid from %s to %s, and it is %s now: check the "
                        "clock",
                        p->profile->what, from, to, now);
    }
    if (p->not_before_wall_s < issuer->not_before_wall_s) {
        p->not_before_wall_s = issuer->not_before_wall_s;
    }
    if (p->not_after_wall_s > issuer->not_after_wall_s) {
        p->not_after_wall_s = issuer->not_after_wall_s;
    }
    return EDGE_OK;
}

/* A CA below another one may not allow more than that one (RFC 5280 4.2.1.9). */
static enum edge_code make_path_len(struct parts *p, const struct issue_issuer *issuer,
                                    struct edge_error *err) {
    p->path_len = p->profile->path_len;
    if (issuer == NULL || !p->profile->is_ca || issuer->path_len < 0) {
        return EDGE_OK;
    }
    if (issuer->path_len == 0) {
        return edge_set(err, EDGE_CONFLICT,
                        "the issuer of %s may not have a CA below it (its path length is 0)",
                        p->profile->what);
    }
    if (p->path_len >= issuer->path_len) {
        p->path_len = (uint8_t)(issuer->path_len - 1);
    }
    return EDGE_OK;
}

static enum edge_code make_parts(struct parts *p, const struct issue_issuer *issuer,
                                 struct edge_error *err) {
    enum edge_code code = make_subject(p, issuer, err);
    code = code != EDGE_OK ? code : make_key_id(p, err);
    code = code != EDGE_OK ? code : make_dates(p, issuer, err);
    code = code != EDGE_OK ? code : make_path_len(p, issuer, err);
    code = code != EDGE_OK ? code : make_serial(p, err);
    if (code != EDGE_OK) {
        return code;
    }
    p->issuer_name = p->subject_name;
    if (issuer != NULL) {
        p->issuer_name = slice_make(issuer->name, issuer->name_len);
        p->values.authority_key_id = issuer->key_id;
        p->values.authority_key_id_len = issuer->key_id_len;
    }
    memcpy(p->values.dns, p->request->dns, sizeof(p->values.dns));
    p->values.path_len = p->path_len;
    p->values.ip = p->request->ip;
    p->values.uri = p->request->uri;
    return EDGE_OK;
}

/* TBSCertificate, last field first. */
static void write_tbs(const struct parts *p, struct der *w) {
    size_t whole = der_mark(w);
    profile_write(p->profile, &p->values, w);
    der_wrap(w, whole, (uint8_t)DER_CONTEXT(3));
    der_raw(w, p->request->spki_der.ptr, p->request->spki_der.len);
    der_raw(w, p->subject_name.ptr, p->subject_name.len);
    size_t mark = der_mark(w);
    der_time(w, p->not_after_wall_s);
    der_time(w, p->not_before_wall_s);
    der_wrap(w, mark, DER_SEQUENCE);
    der_raw(w, p->issuer_name.ptr, p->issuer_name.len);
    der_raw(w, p->algorithm.ptr, p->algorithm.len);
    der_uint(w, p->serial, sizeof(p->serial));
    mark = der_mark(w);
    der_small(w, VERSION_3);
    der_wrap(w, mark, (uint8_t)DER_CONTEXT(0));
    der_wrap(w, whole, DER_SEQUENCE);
}

/* Signs, checks the signature, and appends the certificate. */
static enum edge_code finish(const struct parts *p, struct issue_issuer *issuer,
                             const struct issue_signer *s, struct buf *ret_pem,
                             struct edge_error *err) {
    uint8_t tbs_data[TBS_MAX];
    uint8_t cert_data[CERT_MAX];
    uint8_t digest[HSM_DIGEST_LEN];
    uint8_t sig[HSM_SIGNATURE_MAX];
    size_t sig_len = 0;
    struct der tbs;
    struct der cert;

    der_init(&tbs, tbs_data, sizeof(tbs_data));
    write_tbs(p, &tbs);
    struct slice body = der_result(&tbs);
    if (body.len == 0) {
        return edge_set(err, EDGE_RANGE, "%s would be larger than %d bytes", p->profile->what,
                        TBS_MAX);
    }
    enum edge_code code = sha256(body.ptr, body.len, digest, err);
    code = code != EDGE_OK ? code : signer_sign(s, digest, sig, &sig_len, err);
    code = code != EDGE_OK ? code : issuer_verify(issuer, s, digest, slice_make(sig, sig_len), err);
    if (code != EDGE_OK) {
        return edge_wrap(err, code, "signing %s", p->profile->what);
    }
    der_init(&cert, cert_data, sizeof(cert_data));
    size_t mark = der_mark(&cert);
    der_raw(&cert, sig, sig_len);
    der_wrap_bits(&cert, mark);
    der_raw(&cert, p->algorithm.ptr, p->algorithm.len);
    der_raw(&cert, body.ptr, body.len);
    der_wrap(&cert, mark, DER_SEQUENCE);
    return pem_append(der_result(&cert), "CERTIFICATE", ret_pem, err);
}

/* parent NULL: the certificate is signed with its own key, which `signing` holds. */
static enum edge_code issue(struct issue_issuer *parent, struct issue_issuer *signing,
                            const struct issue_request *r, const struct issue_signer *s,
                            struct buf *ret_pem, int64_t *ret_not_after_wall_s,
                            struct edge_error *err) {
    struct parts p = {.profile = profile_get(r->kind), .request = r};
    enum edge_code code = make_parts(&p, parent, err);
    if (code != EDGE_OK) {
        return code;
    }
    p.algorithm = signing->is_rsa ? slice_make(alg_rsa, sizeof(alg_rsa))
                                  : slice_make(alg_ecdsa, sizeof(alg_ecdsa));
    code = finish(&p, signing, s, ret_pem, err);
    if (code == EDGE_OK && ret_not_after_wall_s != NULL) {
        *ret_not_after_wall_s = p.not_after_wall_s;
    }
    return code;
}

enum edge_code issue_cert_under(struct issue_issuer *issuer, const struct issue_request *r,
                                const struct issue_signer *s, struct buf *ret_pem,
                                int64_t *ret_not_after_wall_s, struct edge_error *err) {
    const struct profile *p = profile_get(r->kind);
    assert(!p->self_signed);
    enum edge_code code = check(r, p, err);
    return code == EDGE_OK ? issue(issuer, issuer, r, s, ret_pem, ret_not_after_wall_s, err) : code;
}

enum edge_code issue_cert(const struct issue_request *r, const struct issue_signer *s,
                          struct buf *ret_pem, int64_t *ret_not_after_wall_s,
                          struct edge_error *err) {
    const struct profile *p = profile_get(r->kind);
    struct issue_issuer *issuer ISSUER_CLEANUP = NULL;
    enum edge_code code = check(r, p, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (p->self_signed != (r->issuer_pem.len == 0)) {
        return edge_set(err, EDGE_INVALID, "%s %s", p->what,
                        p->self_signed ? "has no issuer but itself" : "needs an issuer");
    }
    code = p->self_signed ? issuer_new_self(r->spki_der, &issuer, err)
                          : issue_issuer_new(r->issuer_pem, &issuer, err);
    if (code != EDGE_OK) {
        return code;
    }
    return issue(p->self_signed ? NULL : issuer, issuer, r, s, ret_pem, ret_not_after_wall_s, err);
}
