/* SPDX-License-Identifier: MIT */
/*
 * Growable buffer. Capacity may exceed the maximum by one byte, for the terminator of buf_cstr and
 * buf_printf; content never does.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_MIN 64

void buf_init(struct buf *b, size_t max_len) {
    *b = (struct buf){.max = max_len};
}

void buf_init_sensitive(struct buf *b, size_t max_len) {
    *b = (struct buf){.max = max_len, .sensitive = true};
}

static void wipe(const struct buf *b, size_t from, size_t to) {
    if (b->sensitive && to > from) {
        explicit_bzero(b->data + from, to - from);
    }
}

void buf_clear(struct buf *b) {
    if (b == NULL) {
        return;
    }
    wipe(b, 0, b->cap);
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}

void buf_reset(struct buf *b) {
    wipe(b, 0, b->cap);
    b->len = 0;
}

void buf_truncate(struct buf *b, size_t len) {
    if (len < b->len) {
        wipe(b, len, b->len);
        b->len = len;
    }
}

/* Capacity of at least `need` bytes; the caller has checked need <= max + 1. */
static bool grow(struct buf *b, size_t need) {
    if (need <= b->cap) {
        return true;
    }
    size_t limit = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
    size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
    while (cap < need) {
        cap = cap > limit / 2 ? limit : cap * 2;
    }
    cap = cap > limit ? limit : cap;

    uint8_t *data;
    if (b->sensitive) {
        /* realloc would leave a copy of the old bytes behind. */
        data = malloc(cap);
        if (data != NULL && b->len > 0) {
            memcpy(data, b->data, b->len);
        }
        if (data != NULL) {
            wipe(b, 0, b->cap);
            free(b->data);
        }
    } else {
        data = realloc(b->data, cap);
    }
    if (data == NULL) {
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

enum edge_code buf_reserve(struct buf *b, size_t len, uint8_t **ret_ptr, struct edge_error *err) {
    if (len > b->max - b->len) {
        return edge_set(err, EDGE_RANGE, "more than %zu bytes", b->max);
    }
    /* At least one byte, so that the pointer is never NULL. */
    if (!grow(b, b->len + (len > 0 ? len : 1))) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a buffer of %zu bytes", b->len + len);
    }
    *ret_ptr = b->data + b->len;
    return EDGE_OK;
}

void buf_added(struct buf *b, size_t len) {
    assert(len <= b->cap - b->len);
    b->len += len;
}

enum edge_code buf_append(struct buf *b, const void *data, size_t len, struct edge_error *err) {
    if (len == 0) {
        return EDGE_OK;
    }
    uint8_t *to;
    enum edge_code code = buf_reserve(b, len, &to, err);
    if (code == EDGE_OK) {
        memcpy(to, data, len);
        b->len += len;
    }
    return code;
}

enum edge_code buf_append_str(struct buf *b, const char *text, struct edge_error *err) {
    return buf_append(b, text, strlen(text), err);
}

enum edge_code buf_append_slice(struct buf *b, struct slice s, struct edge_error *err) {
    return buf_append(b, s.ptr, s.len, err);
}

enum edge_code buf_append_byte(struct buf *b, uint8_t byte, struct edge_error *err) {
    return buf_append(b, &byte, 1, err);
}

enum edge_code buf_printf(struct buf *b, struct edge_error *err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return edge_set(err, EDGE_INTERNAL, "text that cannot be formatted");
    }
    uint8_t *to;
    enum edge_code code = buf_reserve(b, (size_t)n, &to, err);
    if (code != EDGE_OK) {
        return code;
    }
    if (!grow(b, b->len + (size_t)n + 1)) {
        return edge_set(err, EDGE_NOMEM, "out of memory for a buffer of %zu bytes",
                        b->len + (size_t)n);
    }
    va_start(ap, fmt);
    n = vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return EDGE_OK;
}

void buf_consume(struct buf *b, size_t len) {
    assert(len <= b->len);
    if (len == 0) {
        return;
    }
    size_t rest = b->len - len;
    memmove(b->data, b->data + len, rest);
    wipe(b, rest, b->len);
    b->len = rest;
}

struct slice buf_slice(const struct buf *b) {
    return slice_make(b->data, b->len);
}

const char *buf_cstr(struct buf *b) {
    if (b->len == SIZE_MAX || !grow(b, b->len + 1)) {
        return NULL;
    }
    b->data[b->len] = '\0';
    return (const char *)b->data;
}
