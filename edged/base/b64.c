/* SPDX-License-Identifier: MIT */
/*
 * Base64, hex and base32. Base64 and hex compute each character with masks instead of tables and
 * branches, because keys pass through: the time and the memory touched depend on lengths only. Long
 * texts, which modules have encrypted, go sixteen characters at a time, four times as fast.
 */
#include "base/b64.h"

#include <endian.h>
#include <string.h>

#define ENCODE_LEN_MAX (SIZE_MAX / 4)
#define BLOCK_CHARS    16
#define BLOCK_BYTES    (BLOCK_CHARS / 4 * 3)

/* GCC and clang make instructions for 16 numbers at a time of it, on whatever machine. */
typedef uint8_t lanes __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

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
static lanes lanes_chars(lanes v, int c62, int c63) {
    lanes c = v + (uint8_t)'A';
    c += (lanes)(v > 25) & (uint8_t)('a' - 'Z' - 1);
    c += (lanes)(v > 51) & (uint8_t)('0' - 'z' - 1 + 256);
    c += (lanes)(v > 61) & (uint8_t)(c62 - '9' - 1);
    c += (lanes)(v > 62) & (uint8_t)(c63 - c62 - 1);
    return c;
}

/* b64_value of each of these characters; *bad gets all ones where one is foreign. */
static lanes lanes_values(lanes c, lanes *bad) {
    lanes upper = lanes_in(c, 'A', 25), lower = lanes_in(c, 'a', 25), digit = lanes_in(c, '0', 9);
    lanes plus = lanes_in(c, '+', 0), slash = lanes_in(c, '/', 0);
    *bad |= ~(upper | lower | digit | plus | slash);
    return (upper & (c - (uint8_t)'A')) | (lower & (c - (uint8_t)('a' - 26))) |
           (digit & (c + (uint8_t)(52 - '0'))) | (plus & (uint8_t)62) | (slash & (uint8_t)63);
}

/* Eight numbers of 6 bits, one in a byte, from one of 48 bits; the highest come first. */
static uint64_t split(uint64_t x) {
    x = (x & 0xffffff000000) << 8 | (x & 0xffffff);
    x = (x & 0x00fff00000fff000) << 4 | (x & 0x00000fff00000fff);
    return (x & 0x0fc00fc00fc00fc0) << 2 | (x & 0x003f003f003f003f);
}

/* The way back. */
static uint64_t join(uint64_t x) {
    x = (x >> 2 & 0x0fc00fc00fc00fc0) | (x & 0x003f003f003f003f);
    x = (x >> 4 & 0x00fff00000fff000) | (x & 0x00000fff00000fff);
    return (x >> 8 & 0xffffff000000) | (x & 0xffffff);
}

static uint64_t load48(const uint8_t in[6]) {
    uint32_t high;
    uint16_t low;
    memcpy(&high, in, sizeof(high));
    memcpy(&low, in + sizeof(high), sizeof(low));
    return (uint64_t)be32toh(high) << 16 | be16toh(low);
}

static void store48(uint8_t to[6], uint64_t x) {
    const uint32_t high = htobe32((uint32_t)(x >> 16));
    const uint16_t low = htobe16((uint16_t)x);
    memcpy(to, &high, sizeof(high));
    memcpy(to + sizeof(high), &low, sizeof(low));
}

static void encode_block(const uint8_t in[BLOCK_BYTES], int c62, int c63, uint8_t *to) {
    const halves values = {htobe64(split(load48(in))), htobe64(split(load48(in + 6)))};
    const lanes chars = lanes_chars((lanes)values, c62, c63);
    memcpy(to, &chars, sizeof(chars));
}

static void decode_block(const uint8_t in[BLOCK_CHARS], uint8_t *to, lanes *bad) {
    lanes chars;
    memcpy(&chars, in, sizeof(chars));
    const halves values = (halves)lanes_values(chars, bad);
    store48(to, join(be64toh(values[0])));
    store48(to + 6, join(be64toh(values[1])));
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
    for (; len - i >= BLOCK_BYTES; i += BLOCK_BYTES, to += BLOCK_CHARS) {
        encode_block(in + i, c62, c63, to);
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
    lanes bad_lanes = {0};
    size_t i = 0;
    for (; text.len - i >= BLOCK_CHARS; i += BLOCK_CHARS, to += BLOCK_BYTES) {
        decode_block(in + i, to, &bad_lanes);
    }
    const halves bad_halves = (halves)bad_lanes;
    bad |= -(int)((bad_halves[0] | bad_halves[1]) != 0);
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
