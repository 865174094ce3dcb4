/* SPDX-License-Identifier: MIT */
#include "base/secret.h"
#include "hsm/hsm.h"
#include "keypair.h"

enum edge_code hsm_sign_with(const struct secret *pkcs8_der, const uint8_t digest[HSM_DIGEST_LEN],
                             uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                             struct edge_error *err) {
    EVP_PKEY *key KEYPAIR_CLEANUP = NULL;

    enum edge_code rc = keypair_open_pkcs8(secret_slice(pkcs8_der), &key, err);
    return rc == EDGE_OK ? keypair_sign(key, digest, ret_sig, ret_len, err) : rc;
}
