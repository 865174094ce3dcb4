/* SPDX-License-Identifier: MIT */
/* The certificate (DER) of a CA that somebody else made, as issuer: what is read of it, and what is
 * put into a certificate below it. */
#include "pki/issuer.h"
#include "pki/pem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

/* A public key on P-256; the generator. */
static const uint8_t spki[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1,
    0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b,
    0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

/* Everything up to the signature, for which there is no key. */
static void issue_below(struct issue_issuer *i) {
    struct secret no_key = {0};
    struct buf out;
    struct edge_error err = {0};
    const struct issue_signer signer = {.key_pkcs8 = &no_key};
    const struct issue_request r = {.kind = PROFILE_WORKLOAD_CA,
                                    .common_name = SLICE_LIT("w"),
                                    .spki_der = slice_make(spki, sizeof(spki)),
                                    .not_before_wall_s = i->not_before_wall_s,
                                    .not_after_wall_s = i->not_before_wall_s + 86400};
    buf_init(&out, ISSUE_PEM_MAX);
    enum edge_code code = issue_cert_under(i, &r, &signer, &out, NULL, &err);
    require(code != EDGE_OK && code == err.code && out.len == 0);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf pem;
    struct issue_issuer *i = NULL;
    struct edge_error err = {0};
    buf_init(&pem, 4 * ISSUE_PEM_MAX);
    if (pem_append(slice_make(data, size), "CERTIFICATE", &pem, &err) == EDGE_OK) {
        edge_error_clear(&err);
        enum edge_code code = issue_issuer_new(buf_slice(&pem), &i, &err);
        require(code == err.code);
        if (code == EDGE_OK) {
            require(i->name_len > 0 && i->name_len <= ISSUER_NAME_MAX);
            require(i->key_id_len > 0 && i->key_id_len <= PROFILE_KEY_ID_MAX);
            require(i->inherited_len <= ISSUER_INHERITED_MAX);
            issue_below(i);
        }
    }
    issue_issuer_free(i);
    buf_clear(&pem);
    return 0;
}
