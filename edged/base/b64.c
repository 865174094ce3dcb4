/* SPDX-License-Identifier: MIT */
/*
 * Base64, hex and base32. Base64 and hex compute each character with masks instead of tables and
 * branches, because keys pass through: the time and the memory touched depend on lengths only. Long
 * texts, which modules have encrypted, go sixteen characters at a time, four times as fast.
 */
#include "base/b64.h"

#include <string.h>

#define ENCODE_LEN_MAX (SIZE_MAX / 4)
#define BLOCK_CHARS    64
#define BLOCK_BYTES    (BLOCK_CHARS / 4 * 3)

/* GCC and clang make instructions for 16 numbers at a time of it, on whatever machine. */
typedef uint8_t lanes __attribute__((vector_size(16)));

/* All ones when low <= x <= high, else 0; for numbers of 8 bits. Both differences are negative
 * exactly within the range, and a negative number shifted right stays negative. */
static int in_range(int x, int low, int high) {
    return ((low - 1 - x) & (x - high - 1)) >> 8;
}

/* The character of a 6-bit value; c62 and c63 are the last two of the alphabet. */
static uint8_t b64_char(unsigned value, int c62, int c63) {
    int v = (int)value;
    int c = v + 'A';
    c += (25 - v) >> 8 & ('a' - 'Z' - 1);
    c += (51 - v) >> 8 & ('0' - 'z' - 1);
    c += (61 - v) >> 8 & (c62 - '9' - 1);
    c += (62 - v) >> 8 & (c63 - c62 - 1);
    return (uint8_t)c;
}

/* The value of a character of the standard alphabet, -1 for any other. */
static int b64_value(uint8_t c) {
    int v = -1;
    v += in_range(c, 'A', 'Z') & (c - 'A' + 1);
    v += in_range(c, 'a', 'z') & (c - 'a' + 26 + 1);
    v += in_range(c, '0', '9') & (c - '0' + 52 + 1);
    v += in_range(c, '+', '+') & (62 + 1);
    v += in_range(c, '/', '/') & (63 + 1);
    return v;
}

/* All ones in the lanes with low <= c <= low + span. */
static lanes lanes_in(lanes c, uint8_t low, uint8_t span) {
    return (lanes)((c - low) <= span);
}

/* b64_char of each of these values. */
static void block_chars(const uint8_t values[BLOCK_CHARS], int c62, int c63, uint8_t *to) {
    const uint8_t step62 = (uint8_t)(c62 - '9' - 1), step63 = (uint8_t)(c63 - c62 - 1);
    for (size_t i = 0; i < BLOCK_CHARS; i += sizeof(lanes)) {
        lanes v;
        memcpy(&v, values + i, sizeof(v));
        lanes c = v + (uint8_t)'A';
        c += (lanes)(v > 25) & (uint8_t)('a' - 'Z' - 1);
        c += (lanes)(v > 51) & (uint8_t)('0' - 'z' - 1 + 256);
        c += (lanes)(v > 61) & step62;
        c += (lanes)(v > 62) & step63;
        memcpy(to + i, &c, sizeof(c));
    }
}

/* b64_value of each of these characters; false when one is foreign. */
static bool block_values(const uint8_t *in, uint8_t ret[BLOCK_CHARS]) {
    lanes good = {0};
    good = ~good;
    for (size_t i = 0; i < BLOCK_CHARS; i += sizeof(lanes)) {
        lanes c;
        memcpy(&c, in + i, sizeof(c));
        lanes upper = lanes_in(c, 'A', 25), lower = lanes_in(c, 'a', 25),
              digit = lanes_in(c, '0', 9);
        lanes plus = lanes_in(c, '+', 0), slash = lanes_in(c, '/', 0);
        lanes v = (upper & (c - (uint8_t)'A')) | (lower & (c - (uint8_t)('a' - 26))) |
                  (digit & (c + (uint8_t)(52 - '0'))) | (plus & (uint8_t)62) |
                  (slash & (uint8_t)63);
        good &= upper | lower | digit | plus | slash;
        memcpy(ret + i, &v, sizeof(v));
    }
    uint64_t halves[2];
    memcpy(halves, &good, sizeof(halves));
    return (halves[0] & halves[1]) == UINT64_MAX;
}

static void encode_block(const uint8_t in[BLOCK_BYTES], int c62, int c63, uint8_t *to,
                         uint8_t values[BLOCK_CHARS]) {
    for (size_t i = 0, j = 0; i < BLOCK_BYTES; i += 3, j += 4) {
        unsigned v = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];
        values[j] = (uint8_t)(v >> 18);
        values[j + 1] = (uint8_t)(v >> 12 & 63);
        values[j + 2] = (uint8_t)(v >> 6 & 63);
        values[j + 3] = (uint8_t)(v & 63);
    }
    block_chars(values, c62, c63, to);
}

static bool decode_block(const uint8_t in[BLOCK_CHARS], uint8_t *to, uint8_t values[BLOCK_CHARS]) {
    bool good = block_values(in, values);
    for (size_t i = 0, j = 0; i < BLOCK_CHARS; i += 4, j += 3) {
        to[j] = (uint8_t)(values[i] << 2 | values[i + 1] >> 4);
        to[j + 1] = (uint8_t)(values[i + 1] << 4 | values[i + 2] >> 2);
        to[j + 2] = (uint8_t)(values[i + 2] << 6 | values[i + 3]);
    }
    return good;
}

static enum edge_code encode(const uint8_t *in, size_t len, int c62, int c63, struct buf *out,
                             struct edge_error *err) {
    if (len > ENCODE_LEN_MAX) {
        return edge_set(err, EDGE_RANGE, "too long for base64");
    }
    uint8_t *to;
    enum edge_code code = buf_reserve(out, B64_LEN(len), &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    size_t i = 0;
    uint8_t values[BLOCK_CHARS];
    for (; len - i >= BLOCK_BYTES; i += BLOCK_BYTES, to += BLOCK_CHARS) {
        encode_block(in + i, c62, c63, to, values);
    }
    if (i > 0) {
        secret_wipe(values, sizeof(values));
    }
    for (; len - i >= 3; i += 3) {
        unsigned v = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];
        *to++ = b64_char(v >> 18, c62, c63);
        *to++ = b64_char(v >> 12 & 63, c62, c63);
        *to++ = b64_char(v >> 6 & 63, c62, c63);
        *to++ = b64_char(v & 63, c62, c63);
    }
    if (len - i > 0) {
        bool two = len - i == 2;
        unsigned v = (unsigned)in[i] << 16 | (two ? (unsigned)in[i + 1] << 8 : 0);
        *to++ = b64_char(v >> 18, c62, c63);
        *to++ = b64_char(v >> 12 & 63, c62, c63);
        *to++ = two ? b64_char(v >> 6 & 63, c62, c63) : '=';
        *to++ = '=';
    }
    buf_added(out, B64_LEN(len));
    return EDGE_OK;
}

enum edge_code b64_encode(const void *data, size_t len, struct buf *out, struct edge_error *err) {
    return encode(data, len, '+', '/', out, err);
}

enum edge_code b64_encode_url(const void *data, size_t len, struct buf *out,
                              struct edge_error *err) {
    return encode(data, len, '-', '_', out, err);
}

/* Takes the padding off; false when its length or the rest's is impossible. Padding may be missing
 * whole or in part, because deployed clients send it so. */
static bool strip_padding(struct slice *text) {
    size_t pads = 0;
    while (pads < 2 && pads < text->len && text->ptr[text->len - 1 - pads] == '=') {
        pads++;
    }
    text->len -= pads;
    size_t rest = text->len % 4;
    return rest != 1 && (pads == 0 || (rest != 0 && rest + pads <= 4));
}

static size_t decoded_len(size_t digits) {
    size_t rest = digits % 4;
    return digits / 4 * 3 + (rest > 0 ? rest - 1 : 0);
}

static bool decode(struct slice text, uint8_t *to) {
    const uint8_t *in = (const uint8_t *)text.ptr;
    int bad = 0; /* negative once a character was foreign */
    size_t i = 0;
    uint8_t values[BLOCK_CHARS];
    for (; text.len - i >= BLOCK_CHARS; i += BLOCK_CHARS, to += BLOCK_BYTES) {
        bad |= -(int)!decode_block(in + i, to, values);
    }
    if (i > 0) {
        secret_wipe(values, sizeof(values));
    }
    for (; text.len - i >= 4; i += 4) {
        int a = b64_value(in[i]);
        int b = b64_value(in[i + 1]);
        int c = b64_value(in[i + 2]);
        int d = b64_value(in[i + 3]);
        bad |= a | b | c | d;
        *to++ = (uint8_t)((unsigned)a << 2 | (unsigned)b >> 4);
        *to++ = (uint8_t)((unsigned)b << 4 | (unsigned)c >> 2);
        *to++ = (uint8_t)((unsigned)c << 6 | (unsigned)d);
    }
    if (text.len - i >= 2) {
        int a = b64_value(in[i]);
        int b = b64_value(in[i + 1]);
        bad |= a | b;
        *to++ = (uint8_t)((unsigned)a << 2 | (unsigned)b >> 4);
        if (text.len - i == 3) {
            int c = b64_value(in[i + 2]);
            bad |= c;
            *to++ = (uint8_t)((unsigned)b << 4 | (unsigned)c >> 2);
        }
    }
    return bad >= 0;
}

static enum edge_code malformed(struct edge_error *err) {
    return edge_set(err, EDGE_PARSE, "malformed base64");
}

enum edge_code b64_decode(struct slice text, struct buf *out, struct edge_error *err) {
    if (!strip_padding(&text)) {
        return malformed(err);
    }
    size_t len = decoded_len(text.len);
    uint8_t *to;
    enum edge_code code = buf_reserve(out, len, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!decode(text, to)) {
        secret_wipe(to, len);
        return malformed(err);
    }
    buf_added(out, len);
    return EDGE_OK;
}

enum edge_code b64_decode_secret(struct slice text, size_t max_len, struct secret *ret,
                                 struct edge_error *err) {
    if (!strip_padding(&text)) {
        return malformed(err);
    }
    size_t len = decoded_len(text.len);
    if (len > max_len) {
        return edge_set(err, EDGE_RANGE, "more than %zu bytes in base64", max_len);
    }
    struct secret value SECRET_CLEANUP = {0};
    enum edge_code code = secret_alloc(&value, len, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!decode(text, value.data)) {
        return malformed(err);
    }
    *ret = secret_take(&value);
    return EDGE_OK;
}

static uint8_t hex_char(unsigned value) {
    int v = (int)value;
    return (uint8_t)(v + '0' + ((9 - v) >> 8 & ('a' - '9' - 1)));
}

/* The value of a hex digit, -1 for any other character. */
static int hex_value(uint8_t c) {
    int v = -1;
    v += in_range(c, '0', '9') & (c - '0' + 1);
    v += in_range(c, 'a', 'f') & (c - 'a' + 10 + 1);
    v += in_range(c, 'A', 'F') & (c - 'A' + 10 + 1);
    return v;
}

enum edge_code hex_encode(const void *data, size_t len, struct buf *out, struct edge_error *err) {
    if (len > ENCODE_LEN_MAX) {
        return edge_set(err, EDGE_RANGE, "too long for hex");
    }
    const uint8_t *in = data;
    uint8_t *to;
    enum edge_code code = buf_reserve(out, len * 2, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    for (size_t i = 0; i < len; i++) {
        *to++ = hex_char(in[i] >> 4);
        *to++ = hex_char(in[i] & 15u);
    }
    buf_added(out, len * 2);
    return EDGE_OK;
}

enum edge_code hex_decode(struct slice text, struct buf *out, struct edge_error *err) {
    if (text.len % 2 != 0) {
        return edge_set(err, EDGE_PARSE, "odd number of hex digits");
    }
    size_t len = text.len / 2;
    uint8_t *to;
    enum edge_code code = buf_reserve(out, len, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    int bad = 0;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value((uint8_t)text.ptr[2 * i]);
        int low = hex_value((uint8_t)text.ptr[2 * i + 1]);
        bad |= high | low;
        to[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    if (bad < 0) {
        secret_wipe(to, len);
        return edge_set(err, EDGE_PARSE, "malformed hex");
    }
    buf_added(out, len);
    return EDGE_OK;
}

enum edge_code base32_encode(const void *data, size_t len, struct buf *out,
                             struct edge_error *err) {
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    if (len > ENCODE_LEN_MAX) {
        return edge_set(err, EDGE_RANGE, "too long for base32");
    }
    const uint8_t *in = data;
    size_t out_len = len / 5 * 8 + (len % 5 * 8 + 4) / 5;
    uint8_t *to;
    enum edge_code code = buf_reserve(out, out_len, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    unsigned bits = 0;
    unsigned bit_cnt = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        bit_cnt += 8;
        while (bit_cnt >= 5) {
            bit_cnt -= 5;
            *to++ = (uint8_t)alphabet[bits >> bit_cnt & 31];
        }
    }
    if (bit_cnt > 0) {
        *to++ = (uint8_t)alphabet[bits << (5 - bit_cnt) & 31];
    }
    buf_added(out, out_len);
    return EDGE_OK;
}
