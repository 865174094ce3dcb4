/* SPDX-License-Identifier: MIT */
/*
 * Base64 and hex: the two decoders agree, decoded bytes encode to text that decodes to the same
 * bytes, and any bytes survive a round trip.
 */
#include "base/b64.h"

#include <stdlib.h>

#define OUT_MAX (4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static void check_round_trip(struct slice bytes) {
    struct buf text;
    struct buf back;
    buf_init(&text, OUT_MAX);
    buf_init(&back, OUT_MAX);
    require(b64_encode(bytes.ptr, bytes.len, &text, NULL) == EDGE_OK);
    require(b64_decode(buf_slice(&text), &back, NULL) == EDGE_OK);
    require(slice_eq(buf_slice(&back), bytes));
    buf_reset(&text);
    buf_reset(&back);
    require(hex_encode(bytes.ptr, bytes.len, &text, NULL) == EDGE_OK);
    require(hex_decode(buf_slice(&text), &back, NULL) == EDGE_OK);
    require(slice_eq(buf_slice(&back), bytes));
    buf_reset(&text);
    require(base32_encode(bytes.ptr, bytes.len, &text, NULL) == EDGE_OK);
    require(text.len == (bytes.len * 8 + 4) / 5);
    buf_clear(&text);
    buf_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    struct secret secret SECRET_CLEANUP = {0};
    struct buf out;
    buf_init(&out, OUT_MAX);
    enum edge_code code = b64_decode(input, &out, NULL);
    require(b64_decode_secret(input, OUT_MAX, &secret, NULL) == code);
    if (code == EDGE_OK) {
        require(secret_equal_bytes(&secret, out.data, out.len));
        check_round_trip(buf_slice(&out));
    }
    buf_reset(&out);
    if (hex_decode(input, &out, NULL) == EDGE_OK) {
        require(out.len * 2 == size);
    }
    check_round_trip(input);
    buf_clear(&out);
    return 0;
}
