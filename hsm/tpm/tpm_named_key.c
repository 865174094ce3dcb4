/* SPDX-License-Identifier: MIT */
/*
 * Signing keys are unrestricted, with a fixed scheme, noDA, used by an authValue that is never
 * sent. A key that came in cannot be fixed to its parent, but has no policy either, and without one
 * TPM2_Duplicate refuses it.
 */
#include "tpm/tpm_named_key.h"

#include "keypair.h"
#include "tpm/tpm_dup.h"
#include "tpm/tpm_rc.h"

#include "base/mac.h"
#include "base/secret.h"

#include <string.h>

#define RSA_EXPONENT     "\x01\x00\x01"
#define RSA_BITS_STEP    1024 /* TPM 2.0 knows 1024, 2048, 3072 and 4096 */
#define AUTH_CONTEXT     "edged key auth 1"
#define CHECK_CONTEXT    "edged key file 1"
#define CONTEXT_MAX      128
#define CHECK_TEXT_MAX   (HSM_SPKI_MAX + 4096)
#define GIVEN_ATTRIBUTES (TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)

static void ecc_area(enum hsm_key_type type, TPMA_OBJECT attributes, TPM2B_PUBLIC *ret) {
    *ret = (TPM2B_PUBLIC){.publicArea = {.type = TPM2_ALG_ECC,
                                         .nameAlg = TPM2_ALG_SHA256,
                                         .objectAttributes = attributes,
                                         .parameters.eccDetail = {
                                             .symmetric.algorithm = TPM2_ALG_NULL,
                                             .scheme = {.scheme = TPM2_ALG_ECDSA,
                                                        .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                                             .curveID = type == HSM_KEY_P256   ? TPM2_ECC_NIST_P256
                                                        : type == HSM_KEY_P384 ? TPM2_ECC_NIST_P384
                                                                               : TPM2_ECC_NIST_P521,
                                             .kdf.scheme = TPM2_ALG_NULL}}};
}

void tpm_named_tmpl(TPM2B_PUBLIC *ret) {
    ecc_area(HSM_KEY_P256,
             GIVEN_ATTRIBUTES | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                 TPMA_OBJECT_SENSITIVEDATAORIGIN,
             ret);
}

static enum edge_code given_ec(const struct pkcs8_key *k, struct secret *pad, TPM2B_PUBLIC *ret_pub,
                               struct slice *ret_private, struct edge_error *err) {
    TPMS_ECC_POINT *unique = &ret_pub->publicArea.unique.ecc;
    const size_t len = pkcs8_ec_len(k->type);
    uint8_t point[KEYPAIR_POINT_MAX];
    size_t point_len = 0;

    enum edge_code rc = keypair_point(k, point, &point_len, err);
    if (rc == EDGE_OK) {
        rc = secret_alloc(pad, len, err);
    }
    if (rc != EDGE_OK) {
        return rc;
    }
    memcpy(pad->data + len - k->ec.len, k->ec.ptr, k->ec.len);
    ecc_area(k->type, GIVEN_ATTRIBUTES, ret_pub);
    unique->x.size = unique->y.size = (UINT16)len;
    memcpy(unique->x.buffer, point + 1, len);
    memcpy(unique->y.buffer, point + 1 + len, len);
    *ret_private = secret_slice(pad);
    return EDGE_OK;
}

/* A TPM computes the rest of an RSA key from one prime, which has half the bits. */
static bool is_plain_rsa(const struct pkcs8_key *k) {
    return k->bits % RSA_BITS_STEP == 0 && slice_eq(k->rsa.e, SLICE_LIT(RSA_EXPONENT)) &&
           k->rsa.p.len == k->bits / 16 && k->rsa.q.len == k->bits / 16;
}

static void given_rsa(const struct pkcs8_key *k, TPM2B_PUBLIC *ret_pub, struct slice *ret_private) {
    *ret_pub =
        (TPM2B_PUBLIC){.publicArea = {.type = TPM2_ALG_RSA,
                                      .nameAlg = TPM2_ALG_SHA256,
                                      .objectAttributes = GIVEN_ATTRIBUTES,
                                      .parameters.rsaDetail = {
                                          .symmetric.algorithm = TPM2_ALG_NULL,
                                          .scheme = {.scheme = TPM2_ALG_RSASSA,
                                                     .details.rsassa.hashAlg = TPM2_ALG_SHA256},
                                          .keyBits = (TPMI_RSA_KEY_BITS)k->bits}}};
    ret_pub->publicArea.unique.rsa.size = (UINT16)k->rsa.n.len;
    memcpy(ret_pub->publicArea.unique.rsa.buffer, k->rsa.n.ptr, k->rsa.n.len);
    *ret_private = k->rsa.p;
}

enum edge_code tpm_named_given(const struct pkcs8_key *numbers, struct secret *pad,
                               TPM2B_PUBLIC *ret_pub, struct slice *ret_private, bool *ret_possible,
                               struct edge_error *err) {
    *ret_possible = true;
    if (numbers->type != HSM_KEY_RSA) {
        return given_ec(numbers, pad, ret_pub, ret_private, err);
    }
    *ret_possible = is_plain_rsa(numbers);
    if (*ret_possible) {
        given_rsa(numbers, ret_pub, ret_private);
    }
    return EDGE_OK;
}

static enum edge_code open_ecc(const TPMT_PUBLIC *p, EVP_PKEY **ret, struct edge_error *err) {
    const TPM2_ECC_CURVE curve = p->parameters.eccDetail.curveID;
    const TPM2B_ECC_PARAMETER *x = &p->unique.ecc.x, *y = &p->unique.ecc.y;
    const enum hsm_key_type type = curve == TPM2_ECC_NIST_P256   ? HSM_KEY_P256
                                   : curve == TPM2_ECC_NIST_P384 ? HSM_KEY_P384
                                                                 : HSM_KEY_P521;
    const size_t len = pkcs8_ec_len(type);
    uint8_t point[KEYPAIR_POINT_MAX] = {0x04};

    if (x->size > len || y->size > len) {
        return edge_set(err, EDGE_PROTO, "public key with coordinates of %u and %u bytes",
                        (unsigned)x->size, (unsigned)y->size);
    }
    memcpy(point + 1 + len - x->size, x->buffer, x->size); /* some TPMs drop leading zeros */
    memcpy(point + 1 + 2 * len - y->size, y->buffer, y->size);
    return keypair_open_point(type, slice_make(point, 1 + 2 * len), ret, err);
}

enum edge_code tpm_named_public(const TPM2B_PUBLIC *pub, EVP_PKEY **ret, struct edge_error *err) {
    const TPMT_PUBLIC *p = &pub->publicArea;

    return p->type == TPM2_ALG_ECC
               ? open_ecc(p, ret, err)
               : keypair_open_modulus(slice_make(p->unique.rsa.buffer, p->unique.rsa.size),
                                      SLICE_LIT(RSA_EXPONENT), ret, err);
}

static enum edge_code add_name(const char *context, const char *name, struct buf *out,
                               struct edge_error *err) {
    const size_t len = strlen(name);
    const uint8_t prefix[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)(len & 0xFF)};
    enum edge_code rc = buf_append_str(out, context, err);

    if (rc == EDGE_OK) {
        rc = buf_append(out, prefix, sizeof(prefix), err);
    }
    return rc == EDGE_OK ? buf_append_str(out, name, err) : rc;
}

enum edge_code tpm_named_auth(const struct secret *store_key, const char *name, TPM2B_AUTH *ret,
                              struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};

    buf_init(&text, CONTEXT_MAX);
    enum edge_code rc = add_name(AUTH_CONTEXT, name, &text, err);
    if (rc == EDGE_OK) {
        rc = hmac_sha256(store_key->data, store_key->len, text.data, text.len, ret->buffer, err);
    }
    if (rc == EDGE_OK) {
        ret->size = HSM_MAC_LEN;
        /* A TPM drops zeros at the end of an authValue; there are none. */
        ret->buffer[HSM_MAC_LEN - 1] |= 1;
    }
    return rc;
}

enum edge_code tpm_named_check(const struct secret *store_key, const struct hsm_key *key,
                               struct slice wrapped, uint8_t ret[HSM_MAC_LEN],
                               struct edge_error *err) {
    struct buf text EDGE_CLEANUP(buf_clear) = {0};

    buf_init(&text, CONTEXT_MAX + CHECK_TEXT_MAX);
    enum edge_code rc = add_name(CHECK_CONTEXT, key->name, &text, err);
    if (rc == EDGE_OK) {
        rc = buf_append(&text, key->spki, key->spki_len, err);
    }
    if (rc == EDGE_OK) {
        rc = buf_append_slice(&text, wrapped, err);
    }
    return rc == EDGE_OK
               ? hmac_sha256(store_key->data, store_key->len, text.data, text.len, ret, err)
               : rc;
}

static bool is_refusal_of_kind(TSS2_RC rc) {
    switch (tpm_rc_base(rc)) {
    case TPM2_RC_VALUE:
    case TPM2_RC_CURVE:
    case TPM2_RC_KEY_SIZE:
    case TPM2_RC_SIZE:
    case TPM2_RC_SCHEME:
    case TPM2_RC_HASH:
    case TPM2_RC_TYPE:
    case TPM2_RC_ASYMMETRIC:
        return true;
    default:
        return false;
    }
}

enum edge_code tpm_named_fits(struct tpm *t, const TPM2B_PUBLIC *pub, bool *ret_fits,
                              struct edge_error *err) {
    const TPMT_PUBLIC_PARMS parms = {.type = pub->publicArea.type,
                                     .parameters = pub->publicArea.parameters};

    TSS2_RC rc = Esys_TestParms(t->ctx.esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parms);
    if (rc != TSS2_RC_SUCCESS && !is_refusal_of_kind(rc)) {
        return tpm_ctx_fail(&t->ctx, rc, "TPM2_TestParms", err);
    }
    *ret_fits = rc == TSS2_RC_SUCCESS;
    return EDGE_OK;
}

enum edge_code tpm_named_import(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_AUTH *auth,
                                struct slice private, TPM2B_PRIVATE *ret_priv,
                                struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPM2B_PRIVATE *priv EDGE_CLEANUP(tpm_cleanup) = NULL;
    const TPM2B_DATA no_inner_key = {0};
    const TPMT_SYM_DEF_OBJECT no_inner = {.algorithm = TPM2_ALG_NULL};
    struct tpm_dup dup;

    enum edge_code code = tpm_dup_make(&t->keys.srk.pub, pub, auth, private, &dup, err);
    if (code != EDGE_OK) {
        return code;
    }
    tpm_make_room(t, 1, TPM_SLOT_CNT_);
    TSS2_RC rc = Esys_Import(c->esys, t->keys.srk.tr, c->session, ESYS_TR_NONE, ESYS_TR_NONE,
                             &no_inner_key, pub, &dup.duplicate, &dup.seed, &no_inner, &priv);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_Import", err);
    }
    *ret_priv = *priv;
    return EDGE_OK;
}

enum edge_code tpm_named_load(struct tpm *t, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                              const TPM2B_AUTH *auth, ESYS_TR *ret, struct edge_error *err) {
    ESYS_TR key = ESYS_TR_NONE;

    enum edge_code code = tpm_load(t, pub, priv, &key, err);
    if (code != EDGE_OK) {
        return code;
    }
    TSS2_RC rc = Esys_TR_SetAuth(t->ctx.esys, key, auth);
    if (rc != TSS2_RC_SUCCESS) {
        tpm_ctx_flush(&t->ctx, &key);
        return tpm_ctx_fail(&t->ctx, rc, "setting a password", err);
    }
    *ret = key;
    return EDGE_OK;
}

void tpm_named_flush(struct tpm *t, ESYS_TR *key) {
    const TPM2B_AUTH none = {0};

    if (*key != ESYS_TR_NONE) {
        (void)Esys_TR_SetAuth(t->ctx.esys, *key, &none);
    }
    tpm_ctx_flush(&t->ctx, key);
}

static enum edge_code take_rsa(const TPM2B_PUBLIC_KEY_RSA *sig, uint8_t ret_sig[HSM_SIGNATURE_MAX],
                               size_t *ret_len, struct edge_error *err) {
    if (sig->size == 0 || sig->size > HSM_SIGNATURE_MAX) {
        return edge_set(err, EDGE_PROTO, "the TPM gave a signature of %u bytes",
                        (unsigned)sig->size);
    }
    memcpy(ret_sig, sig->buffer, sig->size);
    *ret_len = sig->size;
    return EDGE_OK;
}

enum edge_code tpm_named_use(struct tpm *t, ESYS_TR key, enum hsm_key_type type,
                             const uint8_t digest[HSM_DIGEST_LEN],
                             uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                             struct edge_error *err) {
    struct tpm_ctx *c = &t->ctx;
    TPMT_SIGNATURE *sig EDGE_CLEANUP(tpm_cleanup) = NULL;
    TPM2B_DIGEST text = {.size = HSM_DIGEST_LEN};
    const TPMT_SIG_SCHEME scheme = {.scheme =
                                        type == HSM_KEY_RSA ? TPM2_ALG_RSASSA : TPM2_ALG_ECDSA,
                                    .details.any.hashAlg = TPM2_ALG_SHA256};
    const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};

    memcpy(text.buffer, digest, HSM_DIGEST_LEN);
    TSS2_RC rc = Esys_Sign(c->esys, key, c->session, ESYS_TR_NONE, ESYS_TR_NONE, &text, &scheme,
                           &no_ticket, &sig);
    if (rc != TSS2_RC_SUCCESS) {
        return tpm_ctx_fail(c, rc, "TPM2_Sign", err);
    }
    if (sig->sigAlg != scheme.scheme) {
        return edge_set(err, EDGE_PROTO, "the TPM gave a signature of kind 0x%04x",
                        (unsigned)sig->sigAlg);
    }
    if (type == HSM_KEY_RSA) {
        return take_rsa(&sig->signature.rsassa.sig, ret_sig, ret_len, err);
    }
    const TPMS_SIGNATURE_ECC *ec = &sig->signature.ecdsa;
    return keypair_ecdsa_der(slice_make(ec->signatureR.buffer, ec->signatureR.size),
                             slice_make(ec->signatureS.buffer, ec->signatureS.size), ret_sig,
                             ret_len, err);
}
