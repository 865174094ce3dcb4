/*
 * Base64, hex and base32. Base64 and hex compute each character with masks instead of tables and
 * branches, because keys pass through: the time and the memory touched depend on lengths only.
 */
#include "base/b64.h"

#define ENCODE_LEN_MAX (SIZE_MAX / 4)

/* All ones when low <= x <= high, else 0; x is at most 255. */
static unsigned in_range(unsigned x, unsigned low, unsigned high) {
    return 0u - (1u & ~(((x - low) | (high - x)) >> 31));
}

/* The character of a 6-bit value; c62 and c63 are the last two of the alphabet. */
static uint8_t b64_char(unsigned v, unsigned c62, unsigned c63) {
    unsigned c = (in_range(v, 0, 25) & (v + 'A')) | (in_range(v, 26, 51) & (v - 26 + 'a')) |
                 (in_range(v, 52, 61) & (v - 52 + '0')) | (in_range(v, 62, 62) & c62) |
                 (in_range(v, 63, 63) & c63);
    return (uint8_t)c;
}

/* The value of a character of the standard alphabet; bit 8 set for any other. */
static unsigned b64_value(unsigned c) {
    unsigned upper = in_range(c, 'A', 'Z');
    unsigned low = in_range(c, 'a', 'z');
    unsigned digit = in_range(c, '0', '9');
    unsigned plus = in_range(c, '+', '+');
    unsigned slash = in_range(c, '/', '/');
    return (upper & (c - 'A')) | (low & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (plus & 62) |
           (slash & 63) | (~(upper | low | digit | plus | slash) & 0x100);
}

static enum edge_code encode(const uint8_t *in, size_t len, unsigned c62, unsigned c63,
                             struct buf *out, struct edge_error *err) {
    if (len > ENCODE_LEN_MAX) {
        return edge_set(err, EDGE_RANGE, "too long for base64");
    }
    uint8_t *to;
    enum edge_code code = buf_reserve(out, B64_LEN(len), &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    size_t i = 0;
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
    unsigned bad = 0;
    size_t i = 0;
    for (; text.len - i >= 4; i += 4) {
        unsigned a = b64_value(in[i]);
        unsigned b = b64_value(in[i + 1]);
        unsigned c = b64_value(in[i + 2]);
        unsigned d = b64_value(in[i + 3]);
        bad |= a | b | c | d;
        *to++ = (uint8_t)(a << 2 | b >> 4);
        *to++ = (uint8_t)(b << 4 | c >> 2);
        *to++ = (uint8_t)(c << 6 | d);
    }
    if (text.len - i >= 2) {
        unsigned a = b64_value(in[i]);
        unsigned b = b64_value(in[i + 1]);
        bad |= a | b;
        *to++ = (uint8_t)(a << 2 | b >> 4);
        if (text.len - i == 3) {
            unsigned c = b64_value(in[i + 2]);
            bad |= c;
            *to++ = (uint8_t)(b << 4 | c >> 2);
        }
    }
    return (bad & 0x100) == 0;
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

static uint8_t hex_char(unsigned v) {
    return (uint8_t)((in_range(v, 0, 9) & (v + '0')) | (in_range(v, 10, 15) & (v - 10 + 'a')));
}

static unsigned hex_value(unsigned c) {
    unsigned digit = in_range(c, '0', '9');
    unsigned low = in_range(c, 'a', 'f');
    unsigned upper = in_range(c, 'A', 'F');
    return (digit & (c - '0')) | (low & (c - 'a' + 10)) | (upper & (c - 'A' + 10)) |
           (~(digit | low | upper) & 0x100);
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
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_value((uint8_t)text.ptr[2 * i]);
        unsigned low = hex_value((uint8_t)text.ptr[2 * i + 1]);
        bad |= high | low;
        to[i] = (uint8_t)(high << 4 | low);
    }
    if (bad & 0x100) {
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
