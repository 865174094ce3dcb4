/* SPDX-License-Identifier: MIT */
/*
 * Public templates as constants. All objects we make are noDA: a device that loses power often
 * would otherwise lock itself out by the failed-try accounting of unorderly shutdowns.
 */
#include "tpm/tpm_tmpl.h"

#include <stdbool.h>
#include <string.h>

#define RSA_BITS       2048
#define RSA_UNIQUE_LEN 256
#define EC_UNIQUE_LEN  32

#define STORAGE_FIXED                                                                              \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |            \
     TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)
#define HMAC_FIXED                                                                                 \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA)

#define AES_128_CFB                                                                                \
    { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB }
#define RSA_STORAGE_DETAIL                                                                         \
    { .symmetric = AES_128_CFB, .scheme.scheme = TPM2_ALG_NULL, .keyBits = RSA_BITS, .exponent = 0 }

/* PolicySecret(TPM_RH_ENDORSEMENT) with empty policyRef. */
#define EK_POLICY                                                                                  \
    {                                                                                              \
        0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7,  \
            0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33,    \
            0x14, 0x69, 0xaa                                                                       \
    }

static const TPM2B_PUBLIC ek_tmpl = {
    .publicArea = {.type = TPM2_ALG_RSA,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = STORAGE_FIXED | TPMA_OBJECT_ADMINWITHPOLICY,
                   .authPolicy = {.size = 32, .buffer = EK_POLICY},
                   .parameters.rsaDetail = RSA_STORAGE_DETAIL}};

static const TPM2B_PUBLIC srk_tmpl = {
    .publicArea = {.type = TPM2_ALG_RSA,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = STORAGE_FIXED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                   .parameters.rsaDetail = RSA_STORAGE_DETAIL}};

static const TPM2B_PUBLIC bootstrap_tmpl = {
    .publicArea = {.type = TPM2_ALG_ECC,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = STORAGE_FIXED | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA,
                   .parameters.eccDetail = {.symmetric = AES_128_CFB,
                                            .scheme.scheme = TPM2_ALG_NULL,
                                            .curveID = TPM2_ECC_NIST_P256,
                                            .kdf.scheme = TPM2_ALG_NULL}}};

static const TPM2B_PUBLIC hmac_tmpl = {
    .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = HMAC_FIXED | TPMA_OBJECT_SIGN_ENCRYPT,
                   .parameters.keyedHashDetail.scheme = {.scheme = TPM2_ALG_HMAC,
                                                         .details.hmac.hashAlg = TPM2_ALG_SHA256}}};

static const TPM2B_PUBLIC sealed_tmpl = {
    .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                   .nameAlg = TPM2_ALG_SHA256,
                   .objectAttributes = HMAC_FIXED,
                   .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};

void tpm_tmpl_ek(enum hsm_ek_template kind, TPM2B_PUBLIC *ret) {
    *ret = ek_tmpl;
    ret->publicArea.unique.rsa.size = kind == HSM_EK_TCG_L1 ? RSA_UNIQUE_LEN : 0;
}

void tpm_tmpl_srk(enum hsm_ek_template kind, TPM2B_PUBLIC *ret) {
    *ret = srk_tmpl;
    ret->publicArea.unique.rsa.size = kind == HSM_EK_TCG_L1 ? RSA_UNIQUE_LEN : 0;
}

void tpm_tmpl_bootstrap(TPM2B_PUBLIC *ret) {
    *ret = bootstrap_tmpl;
    ret->publicArea.unique.ecc.x.size = EC_UNIQUE_LEN;
    ret->publicArea.unique.ecc.y.size = EC_UNIQUE_LEN;
}

void tpm_tmpl_hmac_random(TPM2B_PUBLIC *ret) {
    *ret = hmac_tmpl;
    ret->publicArea.objectAttributes |= TPMA_OBJECT_SENSITIVEDATAORIGIN;
}

void tpm_tmpl_hmac_given(TPM2B_PUBLIC *ret) {
    *ret = hmac_tmpl;
}

void tpm_tmpl_sealed(const TPM2B_DIGEST *policy, TPM2B_PUBLIC *ret) {
    *ret = sealed_tmpl;
    if (policy->size != 0) {
        ret->publicArea.authPolicy = *policy;
        ret->publicArea.objectAttributes &= ~(TPMA_OBJECT)TPMA_OBJECT_USERWITHAUTH;
        ret->publicArea.objectAttributes |= TPMA_OBJECT_ADMINWITHPOLICY;
    }
}

static const char *check_rsa_storage(const TPMT_PUBLIC *p) {
    const TPMS_RSA_PARMS *rsa = &p->parameters.rsaDetail;

    if (p->type != TPM2_ALG_RSA) {
        return p->type == TPM2_ALG_ECC ? "it is an ECC key, RSA is needed" : "it is not an RSA key";
    }
    if (p->nameAlg != TPM2_ALG_SHA256) {
        return "its name algorithm is not SHA-256";
    }
    if ((p->objectAttributes & STORAGE_FIXED) != STORAGE_FIXED ||
        (p->objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0) {
        return "it is not a storage key fixed to this TPM (restricted, decrypt, fixedTPM, "
               "fixedParent, "
               "sensitiveDataOrigin)";
    }
    if (rsa->keyBits != RSA_BITS || p->unique.rsa.size != RSA_UNIQUE_LEN) {
        return "it is not an RSA key of 2048 bits";
    }
    if (rsa->exponent != 0 && rsa->exponent != 65537) {
        return "its RSA exponent is not 65537";
    }
    if (rsa->symmetric.algorithm != TPM2_ALG_AES || rsa->symmetric.keyBits.aes != 128 ||
        rsa->symmetric.mode.aes != TPM2_ALG_CFB || rsa->scheme.scheme != TPM2_ALG_NULL) {
        return "it does not protect its children with AES-128-CFB";
    }
    return NULL;
}

const char *tpm_tmpl_check_ek(const TPM2B_PUBLIC *pub) {
    const TPMT_PUBLIC *p = &pub->publicArea;
    const TPM2B_DIGEST *want = &ek_tmpl.publicArea.authPolicy;
    const char *why = check_rsa_storage(p);

    if (why != NULL) {
        return why;
    }
    if ((p->objectAttributes & TPMA_OBJECT_ADMINWITHPOLICY) == 0 ||
        p->authPolicy.size != want->size ||
        memcmp(p->authPolicy.buffer, want->buffer, want->size) != 0) {
        return "its policy is not the one of an endorsement key";
    }
    if ((p->objectAttributes & TPMA_OBJECT_USERWITHAUTH) != 0) {
        return "it may be used by password, unlike an endorsement key";
    }
    return NULL;
}

const char *tpm_tmpl_check_srk(const TPM2B_PUBLIC *pub) {
    const char *why = check_rsa_storage(&pub->publicArea);

    if (why != NULL) {
        return why;
    }
    if ((pub->publicArea.objectAttributes & TPMA_OBJECT_USERWITHAUTH) == 0) {
        return "it cannot be used with an empty password";
    }
    return NULL;
}

const char *tpm_tmpl_check_hub_key(const TPM2B_PUBLIC *pub) {
    const TPMT_PUBLIC *p = &pub->publicArea;
    const TPMT_KEYEDHASH_SCHEME *scheme = &p->parameters.keyedHashDetail.scheme;

    if (p->type != TPM2_ALG_KEYEDHASH || p->nameAlg != TPM2_ALG_SHA256) {
        return "it is not a keyed-hash object with SHA-256 name";
    }
    if (scheme->scheme != TPM2_ALG_HMAC || scheme->details.hmac.hashAlg != TPM2_ALG_SHA256) {
        return "its scheme is not HMAC with SHA-256";
    }
    if ((p->objectAttributes & TPMA_OBJECT_SIGN_ENCRYPT) == 0 ||
        (p->objectAttributes & (TPMA_OBJECT_DECRYPT | TPMA_OBJECT_RESTRICTED)) != 0) {
        return "it is not an unrestricted signing key";
    }
    if ((p->objectAttributes & TPMA_OBJECT_USERWITHAUTH) == 0) {
        return "it cannot be used with an empty password";
    }
    return NULL;
}
