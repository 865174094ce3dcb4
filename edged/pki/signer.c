/* SPDX-License-Identifier: MIT */
#include "pki/signer.h"

enum edge_code signer_sign(const struct issue_signer *s, const uint8_t digest[HSM_DIGEST_LEN],
                           uint8_t ret_sig[HSM_SIGNATURE_MAX], size_t *ret_len,
                           struct edge_error *err) {
    return s->hsm != NULL ? hsm_key_sign(s->hsm, s->key_name, digest, ret_sig, ret_len, err)
                          : hsm_sign_with(s->key_pkcs8, digest, ret_sig, ret_len, err);
}
