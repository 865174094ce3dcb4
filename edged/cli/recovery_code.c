/* SPDX-License-Identifier: MIT */
/*
 * Base32 (RFC 4648 section 6): no digit of it looks like one of its letters in both cases, and it
 * can be read out over a telephone.
 */
#include "cli/recovery_code.h"

#include "base/attr.h"
#include "base/b64.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define GROUP  4  /* characters */
#define DIGITS 32 /* characters of a code */

enum edge_code recovery_code_make(struct secret *ret, struct edge_error *err) {
    struct secret code SECRET_CLEANUP = {0};
    enum edge_code result = secret_alloc(&code, RECOVERY_CODE_LEN, err);
    if (result != EDGE_OK) {
        return result;
    }
    if (RAND_priv_bytes(code.data, RECOVERY_CODE_LEN) != 1) {
        ERR_clear_error();
        return edge_set(err, EDGE_CRYPTO, "there are no random numbers for a recovery code");
    }
    *ret = secret_take(&code);
    return EDGE_OK;
}

enum edge_code recovery_code_format(const struct secret *code, struct buf *out,
                                    struct edge_error *err) {
    struct buf digits;
    const size_t before = out->len;
    buf_init_sensitive(&digits, DIGITS);
    enum edge_code result = base32_encode(code->data, code->len, &digits, err);
    for (size_t i = 0; i < digits.len && result == EDGE_OK; i++) {
        uint8_t c = digits.data[i];
        if (i > 0 && i % GROUP == 0) {
            result = buf_append_byte(out, '-', err);
        }
        c = c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
        result = result == EDGE_OK ? buf_append_byte(out, c, err) : result;
    }
    buf_clear(&digits);
    if (result != EDGE_OK) {
        buf_truncate(out, before);
    }
    return result;
}

/* Value of a digit, or -1. */
static int digit(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a';
    }
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

enum edge_code recovery_code_parse(struct slice text, struct secret *ret, struct edge_error *err) {
    struct secret code SECRET_CLEANUP = {0};
    size_t digits = 0;
    uint32_t pending = 0;
    enum edge_code result = secret_alloc(&code, RECOVERY_CODE_LEN, err);
    for (size_t i = 0; i < text.len && result == EDGE_OK; i++) {
        char c = text.ptr[i];
        int value = digit(c);
        if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            continue;
        }
        if (value < 0 || digits == DIGITS) {
            result = edge_set(err, EDGE_PARSE,
                              "this is no recovery code: it has %d letters and digits 2 to 7, in "
                              "groups of %d",
                              DIGITS, GROUP);
            break;
        }
        pending = (pending << 5 | (uint32_t)value) & 0xfff;
        digits++;
        size_t bits = digits * 5;
        if (bits % 8 < 5) {
            code.data[bits / 8 - 1] = (uint8_t)(pending >> (bits % 8));
        }
    }
    secret_wipe(&pending, sizeof(pending));
    if (result == EDGE_OK && digits != DIGITS) {
        result =
            edge_set(err, EDGE_PARSE, "the recovery code is not complete: %zu of %d characters",
                     digits, DIGITS);
    }
    if (result == EDGE_OK) {
        *ret = secret_take(&code);
    }
    return result;
}

enum edge_code recovery_code_create(const char *file, int *ret_fd, struct edge_error *err) {
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST
                   ? edge_set(err, EDGE_EXISTS, "'%.128s' exists: name a new file", file)
                   : edge_set_errno(err, errno, "cannot create '%.128s'", file);
    }
    *ret_fd = fd;
    return EDGE_OK;
}

enum edge_code recovery_code_save(const struct secret *code, int fd, struct edge_error *err) {
    struct buf text;
    buf_init_sensitive(&text, RECOVERY_CODE_TEXT + 1);
    enum edge_code result = recovery_code_format(code, &text, err);
    result = result == EDGE_OK ? buf_append_byte(&text, '\n', err) : result;
    if (result == EDGE_OK &&
        (write(fd, text.data, text.len) != (ssize_t)text.len || fsync(fd) != 0)) {
        result = edge_set_errno(err, errno, "cannot write the recovery code");
    }
    buf_clear(&text);
    return result;
}
