/* SPDX-License-Identifier: MIT */
#include "pki/pem.h"

#include "base/b64.h"

#include <assert.h>
#include <string.h>

#define LINE_BYTES 48 /* make 64 characters */

static const char begin[] = "-----BEGIN ";
static const char end[] = "-----END ";
static const char tail[] = "-----\n";

static size_t pem_len(size_t der_len, const char *label) {
    size_t lines = (der_len + LINE_BYTES - 1) / LINE_BYTES;
    return sizeof(begin) - 1 + sizeof(end) - 1 + 2 * (strlen(label) + sizeof(tail) - 1) +
           B64_LEN(der_len) + lines;
}

static enum edge_code boundary(const char *what, const char *label, struct buf *out,
                               struct edge_error *err) {
    enum edge_code code = buf_append_str(out, what, err);
    code = code != EDGE_OK ? code : buf_append_str(out, label, err);
    return code != EDGE_OK ? code : buf_append_str(out, tail, err);
}

enum edge_code pem_append(struct slice der, const char *label, struct buf *out,
                          struct edge_error *err) {
    uint8_t *unused;
    size_t before = out->len;
    /* One growth for the whole text. */
    enum edge_code code = buf_reserve(out, pem_len(der.len, label), &unused, err);
    code = code != EDGE_OK ? code : boundary(begin, label, out, err);
    for (size_t at = 0; code == EDGE_OK && at < der.len; at += LINE_BYTES) {
        size_t len = der.len - at < LINE_BYTES ? der.len - at : LINE_BYTES;
        code = b64_encode(der.ptr + at, len, out, err);
        code = code != EDGE_OK ? code : buf_append_byte(out, '\n', err);
    }
    code = code != EDGE_OK ? code : boundary(end, label, out, err);
    if (code != EDGE_OK) {
        buf_truncate(out, before);
    }
    return code;
}

enum edge_code pem_secret(const struct secret *der, const char *label, struct secret *ret,
                          struct edge_error *err) {
    struct secret text SECRET_CLEANUP = {0};
    enum edge_code code = secret_alloc(&text, pem_len(der->len, label), err);
    if (code != EDGE_OK) {
        return code;
    }
    /* A buffer that never grows: it has just the room that the text takes. */
    struct buf out = {.data = text.data, .cap = text.len, .max = text.len};
    code = pem_append(secret_slice(der), label, &out, err);
    assert(out.data == text.data);
    if (code == EDGE_OK) {
        *ret = secret_take(&text);
    }
    return code;
}
