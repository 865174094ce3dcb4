/* SPDX-License-Identifier: MIT */
/*
 * One text of a module under the master key; see module_crypt.h for the formats. Any thread, one at
 * a time for each struct aead.
 */
#ifndef IDENTITY_MODULE_CRYPT_TEXT_H
#define IDENTITY_MODULE_CRYPT_TEXT_H

#include "base/aead.h"
#include "identity/module_crypt.h"

struct module_crypt_keys {
    struct secret master;
    struct secret former; /* empty: there is none */
};

void module_crypt_keys_clear(struct module_crypt_keys *k);

/* INVALID for ids or an IV that nothing can be encrypted for. */
enum edge_code module_crypt_text_check(const struct module_crypt_id *id, struct slice iv,
                                       struct edge_error *err) EDGE_NODISCARD;

/* As module_crypt_encrypt and module_crypt_decrypt. */
enum edge_code module_crypt_text_seal(struct aead *a, const struct module_crypt_keys *k,
                                      const struct module_crypt_id *id, struct slice iv,
                                      struct slice plain, struct buf *out,
                                      struct edge_error *err) EDGE_NODISCARD;
enum edge_code module_crypt_text_open(struct aead *a, const struct module_crypt_keys *k,
                                      const struct module_crypt_id *id, struct slice iv,
                                      struct slice blob, struct buf *out,
                                      struct edge_error *err) EDGE_NODISCARD;

#endif
