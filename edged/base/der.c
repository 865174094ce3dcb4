/* SPDX-License-Identifier: MIT */
/*
 * Backward DER writer: `at` moves from the end of the memory to its beginning.
 */
#include "base/der.h"

#include "base/clock.h"

#include <string.h>

#define TAG_BOOLEAN          0x01u
#define TAG_UTC_TIME         0x17u
#define TAG_GENERALIZED_TIME 0x18u
#define TIME_LEN             15 /* "20500102030405Z" */

void der_init(struct der *w, uint8_t *data, size_t cap) {
    *w = (struct der){.data = data, .cap = cap, .at = cap};
}

size_t der_mark(const struct der *w) {
    return w->at;
}

void der_raw(struct der *w, const void *data, size_t len) {
    if (w->overflow || len > w->at) {
        w->overflow = true;
        return;
    }
    w->at -= len;
    if (len > 0) {
        memcpy(w->data + w->at, data, len);
    }
}

void der_byte(struct der *w, uint8_t byte) {
    der_raw(w, &byte, 1);
}

void der_wrap(struct der *w, size_t mark, uint8_t tag) {
    size_t len = mark - w->at;
    if (len < 0x80) {
        der_byte(w, (uint8_t)len);
    } else {
        uint8_t cnt = 0;
        for (size_t rest = len; rest > 0; rest >>= 8) {
            der_byte(w, (uint8_t)rest);
            cnt++;
        }
        der_byte(w, (uint8_t)(0x80u | cnt));
    }
    der_byte(w, tag);
}

size_t der_element_len(size_t content_len) {
    size_t len = 2 + content_len;
    for (size_t rest = content_len < 0x80 ? 0 : content_len; rest > 0; rest >>= 8) {
        len++;
    }
    return len;
}

void der_element(struct der *w, uint8_t tag, const void *data, size_t len) {
    size_t mark = der_mark(w);
    der_raw(w, data, len);
    der_wrap(w, mark, tag);
}

void der_bool_true(struct der *w) {
    static const uint8_t yes = 0xff;
    der_element(w, TAG_BOOLEAN, &yes, 1);
}

void der_small(struct der *w, uint8_t value) {
    der_uint(w, &value, 1);
}

void der_uint(struct der *w, const uint8_t *data, size_t len) {
    while (len > 1 && data[0] == 0) {
        data++;
        len--;
    }
    size_t mark = der_mark(w);
    der_raw(w, data, len);
    if (len == 0 || data[0] >= 0x80) {
        der_byte(w, 0);
    }
    der_wrap(w, mark, DER_INTEGER);
}

void der_wrap_bits(struct der *w, size_t mark) {
    der_byte(w, 0);
    der_wrap(w, mark, DER_BIT_STRING);
}

void der_time(struct der *w, int64_t wall_s) {
    char text[CLOCK_RFC3339_LEN];
    char digits[TIME_LEN + 1];
    size_t cnt = 0;

    clock_format_rfc3339(wall_s, text);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c >= '0' && *c <= '9') {
            digits[cnt++] = *c;
        }
    }
    digits[cnt++] = 'Z';
    bool is_utc = memcmp(digits, "1950", 4) >= 0 && memcmp(digits, "2050", 4) < 0;
    der_element(w, is_utc ? TAG_UTC_TIME : TAG_GENERALIZED_TIME, digits + (is_utc ? 2 : 0),
                cnt - (is_utc ? 2 : 0));
}

struct slice der_result(const struct der *w) {
    return w->overflow ? slice_make(NULL, 0) : slice_make(w->data + w->at, w->cap - w->at);
}

/* The length octets after the tag; strict DER. */
static bool read_len(struct slice *in, size_t *ret) {
    if (in->len == 0) {
        return false;
    }
    uint8_t first = (uint8_t)in->ptr[0];
    size_t cnt = first & 0x7fu;
    *in = slice_make(in->ptr + 1, in->len - 1);
    if (first < 0x80) {
        *ret = first;
        return true;
    }
    if (cnt == 0 || cnt > 4 || cnt > in->len || in->ptr[0] == 0) {
        return false;
    }
    size_t len = 0;
    for (size_t i = 0; i < cnt; i++) {
        len = len << 8 | (uint8_t)in->ptr[i];
    }
    *in = slice_make(in->ptr + cnt, in->len - cnt);
    *ret = len;
    return len >= 0x80;
}

bool der_next(struct slice *in, uint8_t *ret_tag, struct slice *ret_content) {
    size_t len = 0;
    if (in->len == 0) {
        return false;
    }
    uint8_t tag = (uint8_t)in->ptr[0];
    struct slice rest = slice_make(in->ptr + 1, in->len - 1);
    if ((tag & 0x1fu) == 0x1fu || !read_len(&rest, &len) || len > rest.len) {
        return false;
    }
    if (ret_tag != NULL) {
        *ret_tag = tag;
    }
    if (ret_content != NULL) {
        *ret_content = slice_make(rest.ptr, len);
    }
    *in = slice_make(rest.ptr + len, rest.len - len);
    return true;
}

bool der_take(struct slice *in, uint8_t tag, struct slice *ret_content) {
    return in->len > 0 && (uint8_t)in->ptr[0] == tag && der_next(in, NULL, ret_content);
}
