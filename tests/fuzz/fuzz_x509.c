/* SPDX-License-Identifier: MIT */
/* Files of a device's certificate and its key: what stands before the first NUL, and what stands
 * after it. */
#include "base/x509.h"

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
    require(strlen(text) == X509_SHA256_HEX - 1);
    require(strspn(text, "0123456789abcdef") == X509_SHA256_HEX - 1);
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
    return 0;
}
