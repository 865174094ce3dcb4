/* SPDX-License-Identifier: MIT */
/* What a module wants decrypted: one byte with the length of the IV, the IV, the ciphertext. Then
 * the same bytes as a plaintext, there and back. */
#include "identity/module_crypt_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static const struct module_crypt_id id = {SLICE_LIT("$edgeHub"), SLICE_LIT("637000000000000000")};

static void try_open(struct aead *a, const struct module_crypt_keys *k, struct slice iv,
                     struct slice blob) {
    struct edge_error err = {0};
    struct buf out;
    buf_init_sensitive(&out, MODULE_CRYPT_LEN_MAX);
    enum edge_code code = module_crypt_text_open(a, k, &id, iv, blob, &out, &err);
    require(code == EDGE_OK || code == EDGE_DENIED || code == EDGE_INVALID);
    require((code == EDGE_OK) == (out.len > 0));
    require(code == EDGE_OK || err.code == code);
    buf_clear(&out);
}

static void there_and_back(struct aead *a, const struct module_crypt_keys *k, struct slice iv,
                           struct slice plain) {
    struct buf blob, out;
    buf_init(&blob, MODULE_CRYPT_LEN_MAX + AEAD_V3_EXTRA);
    buf_init_sensitive(&out, MODULE_CRYPT_LEN_MAX);
    if (module_crypt_text_seal(a, k, &id, iv, plain, &blob, NULL) == EDGE_OK &&
        blob.len <= MODULE_CRYPT_LEN_MAX) {
        require(module_crypt_text_open(a, k, &id, iv, buf_slice(&blob), &out, NULL) == EDGE_OK);
        require(slice_eq(buf_slice(&out), plain));
    }
    buf_clear(&blob);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct module_crypt_keys keys;
    static struct aead *a;
    if (a == NULL) {
        require(aead_new(&a, NULL) == EDGE_OK &&
                secret_copy(&keys.master, "0123456789abcdef0123456789abcdef", 32, NULL) == EDGE_OK);
    }
    if (size == 0) {
        return 0;
    }
    size_t iv_len = data[0] < size ? data[0] : size - 1;
    struct slice iv = slice_make(data + 1, iv_len);
    struct slice text = slice_make(data + 1 + iv_len, size - 1 - iv_len);
    try_open(a, &keys, iv, text);
    there_and_back(a, &keys, iv, text);
    return 0;
}
