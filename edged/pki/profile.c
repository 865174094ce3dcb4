/* SPDX-License-Identifier: MIT */
/*
 * Extensions by profile. Bytes of object identifiers are content octets (X.690 8.19).
 */
#include "pki/profile.h"

#define CA_USAGE (PROFILE_DIGITAL_SIGNATURE | PROFILE_KEY_CERT_SIGN | PROFILE_CRL_SIGN)

#define EKU_SERVER 1 /* id-kp-serverAuth: 1.3.6.1.5.5.7.3.1 */
#define EKU_CLIENT 2

/* Last arc of id-ce: 2.5.29.n */
#define EXT_SUBJECT_KEY_ID    14
#define EXT_KEY_USAGE         15
#define EXT_SUBJECT_ALT_NAME  17
#define EXT_BASIC_CONSTRAINTS 19
#define EXT_AUTHORITY_KEY_ID  35
#define EXT_EXT_KEY_USAGE     37

/* Tags of GeneralName (RFC 5280 4.2.1.6). */
#define NAME_DNS 2
#define NAME_URI 6
#define NAME_IP  7

/* keyEncipherment serves key transport, which only RSA has; dataEncipherment, nonRepudiation and
 * keyAgreement of release 1.1 serve nothing that a module does with TLS. */
static const struct profile profiles[PROFILE_KIND_CNT_] = {
    [PROFILE_OWNER_CA] = {.what = "the owner CA certificate",
                          .is_ca = true,
                          .self_signed = true,
                          .path_len = 3,
                          .key_usage = CA_USAGE},
    [PROFILE_DEVICE_CA] = {.what = "the device CA certificate",
                           .is_ca = true,
                           .inherits_subject = true,
                           .path_len = 2,
                           .key_usage = CA_USAGE},
    [PROFILE_WORKLOAD_CA] = {.what = "the workload CA certificate",
                             .is_ca = true,
                             .inherits_subject = true,
                             .path_len = 0,
                             .key_usage = CA_USAGE},
    /* The subject is that of the owner CA, to the byte, and nothing of the former root's. */
    [PROFILE_CROSS_CA] = {.what = "the cross certificate",
                          .is_ca = true,
                          .path_len = 2,
                          .key_usage = CA_USAGE},
    [PROFILE_SERVER] = {.what = "the server certificate",
                        .inherits_subject = true,
                        .key_usage = PROFILE_DIGITAL_SIGNATURE,
                        .rsa_key_usage = PROFILE_KEY_ENCIPHERMENT,
                        .eku = EKU_SERVER},
    [PROFILE_IDENTITY] = {.what = "the identity certificate",
                          .inherits_subject = true,
                          .key_usage = PROFILE_DIGITAL_SIGNATURE,
                          .rsa_key_usage = PROFILE_KEY_ENCIPHERMENT,
                          .eku = EKU_CLIENT},
};

const struct profile *profile_get(enum profile_kind kind) {
    return &profiles[kind];
}

/* The value is what was written since `mark`. */
static void finish(struct der *w, size_t mark, uint8_t arc, bool is_critical) {
    const uint8_t oid[] = {0x55, 0x1d, arc};
    der_wrap(w, mark, DER_OCTET_STRING);
    if (is_critical) {
        der_bool_true(w);
    }
    der_element(w, DER_OID, oid, sizeof(oid));
    der_wrap(w, mark, DER_SEQUENCE);
}

static void basic_constraints(const struct profile *p, uint8_t path_len, struct der *w) {
    size_t mark = der_mark(w);
    if (p->is_ca) {
        der_small(w, path_len);
        der_bool_true(w);
    }
    der_wrap(w, mark, DER_SEQUENCE);
    finish(w, mark, EXT_BASIC_CONSTRAINTS, true);
}

/* Named bits: zero bits at the end are left out (X.690 11.2.2). */
static void key_usage(const struct profile *p, bool is_rsa, struct der *w) {
    uint8_t bits = (uint8_t)(p->key_usage | (is_rsa ? p->rsa_key_usage : 0u));
    size_t mark = der_mark(w);
    der_byte(w, bits);
    der_byte(w, (uint8_t)__builtin_ctz(bits));
    der_wrap(w, mark, DER_BIT_STRING);
    finish(w, mark, EXT_KEY_USAGE, true);
}

static void ext_key_usage(const struct profile *p, struct der *w) {
    const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, p->eku};
    size_t mark = der_mark(w);
    der_element(w, DER_OID, oid, sizeof(oid));
    der_wrap(w, mark, DER_SEQUENCE);
    finish(w, mark, EXT_EXT_KEY_USAGE, false);
}

static void subject_key_id(const struct profile_values *v, struct der *w) {
    size_t mark = der_mark(w);
    der_element(w, DER_OCTET_STRING, v->subject_key_id, v->subject_key_id_len);
    finish(w, mark, EXT_SUBJECT_KEY_ID, false);
}

/* Only the key id: issuer name and serial would tie the certificate to one of the issuer's
 * certificates, and break the path when the issuer is renewed or cross-certified. */
static void authority_key_id(const struct profile_values *v, struct der *w) {
    size_t mark = der_mark(w);
    der_element(w, DER_IMPLICIT(0), v->authority_key_id, v->authority_key_id_len);
    der_wrap(w, mark, DER_SEQUENCE);
    finish(w, mark, EXT_AUTHORITY_KEY_ID, false);
}

static void general_name(struct der *w, uint8_t kind, struct slice value) {
    if (value.len > 0) {
        der_element(w, (uint8_t)DER_IMPLICIT(kind), value.ptr, value.len);
    }
}

static void subject_alt_name(const struct profile_values *v, struct der *w) {
    size_t mark = der_mark(w);
    general_name(w, NAME_URI, v->uri);
    for (size_t i = PROFILE_DNS_MAX; i > 0; i--) {
        general_name(w, NAME_DNS, v->dns[i - 1]);
    }
    general_name(w, NAME_IP, v->ip);
    if (der_mark(w) == mark) {
        return;
    }
    der_wrap(w, mark, DER_SEQUENCE);
    finish(w, mark, EXT_SUBJECT_ALT_NAME, false);
}

void profile_write(const struct profile *p, const struct profile_values *v, struct der *w) {
    size_t mark = der_mark(w);
    subject_alt_name(v, w);
    if (v->authority_key_id_len > 0) {
        authority_key_id(v, w);
    }
    subject_key_id(v, w);
    if (p->eku != 0) {
        ext_key_usage(p, w);
    }
    key_usage(p, v->is_rsa, w);
    basic_constraints(p, v->path_len, w);
    der_wrap(w, mark, DER_SEQUENCE);
}
