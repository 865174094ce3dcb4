/* SPDX-License-Identifier: MIT */
/* Files of a device's certificate and its key: what stands before the first NUL, and what stands
 * after it. */
#include "base/x509.h"
#include "base/x509_key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void require_hex(const char *text) {
    require(strlen(text) == SHA256_HEX - 1);
    require(strspn(text, "0123456789abcdef") == SHA256_HEX - 1);
}

/* The same files as those of a CA. A key that is read can be read again from what was made of it.
 */
static void try_ca(struct slice chain, struct slice key) {
    struct secret pkcs8 = {0};
    struct edge_error err = {0};
    struct buf spki;
    char label[X509_KEY_LABEL];
    buf_init(&spki, X509_SPKI_MAX);
    if (x509_key_read(key, &pkcs8, &spki, &err) == EDGE_OK) {
        require(pkcs8.len > 0 && pkcs8.len <= X509_KEY_DER_MAX + 64);
        require(x509_key_label(buf_slice(&spki), label, &err) == EDGE_OK);
        err = (struct edge_error){0};
        require(x509_key_fits(chain, buf_slice(&spki), &err) == err.code);
    } else {
        require(pkcs8.data == NULL && err.text[0] != '\0');
    }
    secret_clear(&pkcs8);
    buf_clear(&spki);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice all = slice_make(data, size);
    struct slice chain = all;
    struct slice key = slice_make(NULL, 0);
    (void)slice_cut(all, '\0', &chain, &key);
    struct x509_leaf leaf;
    struct edge_error err = {0};
    enum edge_code code = x509_chain_read(chain, &leaf, &err);
    require(code == err.code);
    if (code == EDGE_OK) {
        require(leaf.chain_cnt > 0 && leaf.chain_cnt <= X509_CHAIN_MAX);
        require(memchr(leaf.common_name, '\0', sizeof(leaf.common_name)) != NULL);
        require(slice_is_utf8_text(slice_str(leaf.common_name)));
        require_hex(leaf.thumbprint);
        require_hex(leaf.pem_sha256);
        require(x509_time_check(&leaf, leaf.not_after_wall_s + 1, &err) == EDGE_DENIED);
    }
    edge_error_clear(&err);
    require(x509_key_check(chain, key, &err) == err.code);
    try_ca(chain, key);
    return 0;
}
