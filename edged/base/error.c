/* SPDX-License-Identifier: MIT */
/*
 * Error records. Formatting goes through a local array, so that arguments may point into the record
 * that is being written.
 */
#include "base/error.h"

#include "base/slice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const code_names[EDGE_CODE_CNT_] = {
    [EDGE_OK] = "ok",
    [EDGE_NOMEM] = "out_of_memory",
    [EDGE_INVALID] = "invalid",
    [EDGE_PARSE] = "malformed",
    [EDGE_RANGE] = "out_of_range",
    [EDGE_NOT_FOUND] = "not_found",
    [EDGE_EXISTS] = "exists",
    [EDGE_CONFLICT] = "conflict",
    [EDGE_DENIED] = "denied",
    [EDGE_UNSUPPORTED] = "unsupported",
    [EDGE_BUSY] = "busy",
    [EDGE_RETRY] = "retry",
    [EDGE_TIMEOUT] = "timeout",
    [EDGE_CANCELED] = "canceled",
    [EDGE_IO] = "io",
    [EDGE_NET] = "network",
    [EDGE_PROTO] = "protocol",
    [EDGE_REMOTE] = "remote",
    [EDGE_CRYPTO] = "crypto",
    [EDGE_HSM] = "hsm",
    [EDGE_CONFIG] = "config",
    [EDGE_INTERNAL] = "internal",
};

/* Ends text[0..len) at the last whole UTF-8 character; only the last character can be incomplete.
 */
static size_t cut_utf8(const char *text, size_t len) {
    size_t start = len;
    while (start > 0 && len - start < 4) {
        start--;
        if (((unsigned char)text[start] & 0xC0) != 0x80) {
            break;
        }
    }
    if (start < len && slice_utf8_char(slice_make(text + start, len - start)) != len - start) {
        return (unsigned char)text[start] < 0x80 ? len : start;
    }
    return len;
}

static EDGE_PRINTF(2, 0) size_t format(char out[EDGE_ERROR_TEXT_MAX], const char *fmt, va_list ap) {
    int n = vsnprintf(out, EDGE_ERROR_TEXT_MAX, fmt, ap);
    if (n < 0) {
        out[0] = '\0';
        return 0;
    }
    size_t len = (size_t)n;
    if (len >= EDGE_ERROR_TEXT_MAX) {
        len = cut_utf8(out, EDGE_ERROR_TEXT_MAX - 1);
        out[len] = '\0';
    }
    return len;
}

static void append(char out[EDGE_ERROR_TEXT_MAX], size_t *len, const char *text) {
    size_t text_len = strlen(text);
    size_t room = EDGE_ERROR_TEXT_MAX - 1 - *len;
    if (text_len > room) {
        text_len = cut_utf8(text, room);
    }
    memcpy(out + *len, text, text_len);
    *len += text_len;
    out[*len] = '\0';
}

static EDGE_PRINTF(5, 0) void fill(struct edge_error *err, enum edge_code code,
                                   enum edge_domain domain, int64_t native, const char *fmt,
                                   va_list ap) {
    char text[EDGE_ERROR_TEXT_MAX];
    size_t len = format(text, fmt, ap);
    if (domain == EDGE_DOMAIN_ERRNO) {
        const char *why = strerrordesc_np((int)native);
        append(text, &len, ": ");
        append(text, &len, why != NULL ? why : "unknown error");
    }
    err->code = code;
    err->domain = domain;
    err->native = native;
    memcpy(err->text, text, len + 1);
}

enum edge_code edge_set(struct edge_error *err, enum edge_code code, const char *fmt, ...) {
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, code, EDGE_DOMAIN_NONE, 0, fmt, ap);
        va_end(ap);
    }
    return code;
}

enum edge_code edge_set_native(struct edge_error *err, enum edge_code code, enum edge_domain domain,
                               int64_t native, const char *fmt, ...) {
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, code, domain, native, fmt, ap);
        va_end(ap);
    }
    return code;
}

static enum edge_code code_of_errno(int errnum) {
    switch (errnum) {
    case ENOMEM:
        return EDGE_NOMEM;
    case EINVAL:
    case EBADF:
    case ENOTDIR:
    case EISDIR:
        return EDGE_INVALID;
    case ENAMETOOLONG:
    case EFBIG:
    case ERANGE:
    case E2BIG:
        return EDGE_RANGE;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
        return EDGE_NOT_FOUND;
    case EEXIST:
        return EDGE_EXISTS;
    case ENOTEMPTY:
        return EDGE_CONFLICT;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return EDGE_DENIED;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
        return EDGE_UNSUPPORTED;
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case EADDRINUSE:
        return EDGE_BUSY;
    case EAGAIN:
    case EINTR:
        return EDGE_RETRY;
    case ETIMEDOUT:
        return EDGE_TIMEOUT;
    case ECANCELED:
        return EDGE_CANCELED;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return EDGE_NET;
    default:
        return EDGE_IO;
    }
}

enum edge_code edge_set_errno(struct edge_error *err, int errnum, const char *fmt, ...) {
    enum edge_code code = code_of_errno(errnum);
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, code, EDGE_DOMAIN_ERRNO, errnum, fmt, ap);
        va_end(ap);
    }
    return code;
}

enum edge_code edge_wrap(struct edge_error *err, enum edge_code code, const char *fmt, ...) {
    if (err == NULL) {
        return code;
    }
    char what[EDGE_ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    format(what, fmt, ap);
    va_end(ap);

    if (err->code == EDGE_OK) {
        err->code = code;
    }
    char text[EDGE_ERROR_TEXT_MAX] = "";
    size_t len = 0;
    append(text, &len, "while ");
    append(text, &len, what);
    append(text, &len, ": ");
    append(text, &len, edge_error_text(err));
    memcpy(err->text, text, len + 1);
    return err->code;
}

const char *edge_error_text(const struct edge_error *err) {
    if (err == NULL) {
        return "unknown error";
    }
    return err->text[0] ? err->text : edge_code_name(err->code);
}

const char *edge_code_name(enum edge_code code) {
    return (unsigned)code < EDGE_CODE_CNT_ ? code_names[code] : "unknown";
}

void edge_error_clear(struct edge_error *err) {
    if (err != NULL) {
        memset(err, 0, sizeof(*err));
    }
}

void edge_cleanup_free(void *pp) {
    void *p;
    memcpy(&p, pp, sizeof(p));
    free(p);
}

void edge_cleanup_fd(int *fd) {
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}
