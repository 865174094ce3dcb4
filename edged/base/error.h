/* SPDX-License-Identifier: MIT */
/*
 * The one error model: a closed set of codes to branch on, and a caller-owned record that says what
 * happened. No allocation, nothing to release, valid after out-of-memory.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/attr.h"

#include <stdint.h>

#define EDGE_ERROR_TEXT_MAX 240

/* What the caller can do about it; the text says what it was. */
enum edge_code {
    EDGE_OK = 0,
    EDGE_NOMEM,       /* out of memory */
    EDGE_INVALID,     /* an argument or a state that is our caller's mistake */
    EDGE_PARSE,       /* malformed bytes from outside */
    EDGE_RANGE,       /* well-formed, but beyond a limit */
    EDGE_NOT_FOUND,   /* the named thing does not exist */
    EDGE_EXISTS,      /* it exists already */
    EDGE_CONFLICT,    /* it changed meanwhile, or is in a state that does not allow this */
    EDGE_DENIED,      /* not permitted; credentials or rights must change first */
    EDGE_UNSUPPORTED, /* this build, backend or peer cannot do it */
    EDGE_BUSY,        /* a queue or resource is full; later may work */
    EDGE_RETRY,       /* transient fault of the peer, try again after a pause */
    EDGE_TIMEOUT,     /* deadline passed */
    EDGE_CANCELED,    /* the caller gave it up */
    EDGE_IO,          /* file or device input/output */
    EDGE_NET,         /* could not reach the peer: name, connection, TLS */
    EDGE_PROTO,       /* the peer broke its protocol */
    EDGE_REMOTE,      /* the peer answered that it failed or refuses for good */
    EDGE_CRYPTO,      /* a cryptographic library call failed */
    EDGE_HSM,         /* the TPM or key store failed */
    EDGE_CONFIG,      /* unusable configuration */
    EDGE_INTERNAL,    /* our own bug */
    EDGE_CODE_CNT_
};

/* Whose number `native` is. */
enum edge_domain {
    EDGE_DOMAIN_NONE = 0,
    EDGE_DOMAIN_ERRNO,
    EDGE_DOMAIN_UV,
    EDGE_DOMAIN_CURL,
    EDGE_DOMAIN_TSS,
    EDGE_DOMAIN_OPENSSL,
    EDGE_DOMAIN_YAML,
    EDGE_DOMAIN_HTTP, /* HTTP status of a peer */
};

struct edge_error {
    enum edge_code code;
    enum edge_domain domain;
    int64_t native;
    char text[EDGE_ERROR_TEXT_MAX];
};

/* Fills *err (may be NULL) with code and formatted text, no native number. Returns code, so that
 * creating and returning an error is one statement. Over-long text is cut at a UTF-8 boundary. */
enum edge_code edge_set(struct edge_error *err, enum edge_code code, const char *fmt, ...)
    EDGE_PRINTF(3, 4);

/* The same with the foreign library's number. For EDGE_DOMAIN_ERRNO the system's text for `native`
 * is appended after ": ". */
enum edge_code edge_set_native(struct edge_error *err, enum edge_code code, enum edge_domain domain,
                               int64_t native, const char *fmt, ...) EDGE_PRINTF(5, 6);

/* Chooses the code that fits an errno value (ENOENT -> NOT_FOUND, EACCES -> DENIED, ...). */
enum edge_code edge_set_errno(struct edge_error *err, int errnum, const char *fmt, ...)
    EDGE_PRINTF(3, 4);

/* Prefixes the text that is already in *err with "while <fmt>: "; keeps code and native number.
 * Returns the code of the record; `code` when err is NULL or the record was empty. */
enum edge_code edge_wrap(struct edge_error *err, enum edge_code code, const char *fmt, ...)
    EDGE_PRINTF(3, 4);

/* Text of the record, or the name of its code when no text was set; never NULL. */
const char *edge_error_text(const struct edge_error *err);

/* Lower-case name of a code, for logs: "not_found". */
const char *edge_code_name(enum edge_code code);

/* Empties the record. */
void edge_error_clear(struct edge_error *err);

#endif
