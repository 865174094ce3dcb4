/* SPDX-License-Identifier: MIT */
/*
 * Writes DER (X.690) from its end to its beginning, so that each length is known when its turn
 * comes: content first, then der_wrap. Into memory of the caller, without allocation; what does not
 * fit is remembered and told by der_result. And reads single elements. Pure.
 */
#ifndef BASE_DER_H
#define BASE_DER_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DER_INTEGER      0x02u
#define DER_BIT_STRING   0x03u
#define DER_OCTET_STRING 0x04u
#define DER_OID          0x06u
#define DER_SEQUENCE     0x30u
#define DER_CONTEXT(n)   (0xa0u | (n)) /* explicit or constructed */
#define DER_IMPLICIT(n)  (0x80u | (n)) /* implicit, primitive */

struct der {
    uint8_t *data;
    size_t cap;
    size_t at; /* content is data[at .. cap) */
    bool overflow;
};

void der_init(struct der *w, uint8_t *data, size_t cap);

/* Place to give to der_wrap later: before its content is written. */
size_t der_mark(const struct der *w);

/* Puts bytes as they are before what is there. */
void der_raw(struct der *w, const void *data, size_t len);
void der_byte(struct der *w, uint8_t byte);

/* Makes everything since `mark` the content of an element. */
void der_wrap(struct der *w, size_t mark, uint8_t tag);

/* Bytes of an element with so many of content. */
size_t der_element_len(size_t content_len);

/* A whole element. */
void der_element(struct der *w, uint8_t tag, const void *data, size_t len);
void der_bool_true(struct der *w);
void der_small(struct der *w, uint8_t value); /* INTEGER 0 to 127 */

/* INTEGER from big-endian bytes without sign, minimal. */
void der_uint(struct der *w, const uint8_t *data, size_t len);

/* Makes everything since `mark` the content of a BIT STRING without unused bits. */
void der_wrap_bits(struct der *w, size_t mark);

/* UTCTime until 2049, else GeneralizedTime (RFC 5280 4.1.2.5). */
void der_time(struct der *w, int64_t wall_s);

/* Reads one element with a definite length of minimal form and takes it off *in. False, and nothing
 * changed, when there is none. The outputs may be NULL. */
bool der_next(struct slice *in, uint8_t *ret_tag, struct slice *ret_content);

/* The same for an element of this tag. */
bool der_take(struct slice *in, uint8_t tag, struct slice *ret_content);

/* The content; empty when it did not fit. */
struct slice der_result(const struct der *w);

#endif
