/* SPDX-License-Identifier: MIT */
/*
 * The few answer headers that callers of the HTTP client need. Private to loop/.
 */
#ifndef LOOP_HTTP_FIELDS_H
#define LOOP_HTTP_FIELDS_H

#include "base/slice.h"

#include <stddef.h>

#define HTTP_FIELDS_VALUE_MAX 128 /* bytes; a longer value counts as absent */

struct http_field {
    char text[HTTP_FIELDS_VALUE_MAX];
    size_t len;
};

struct http_fields {
    struct http_field retry_after;
    struct http_field content_type;
    struct http_field date;
};

/* Forgets the values of an interim answer. */
void http_fields_reset(struct http_fields *f);

/* Looks at one header line without its line end. Of duplicates the last counts. */
void http_fields_take(struct http_fields *f, struct slice line);

static inline struct slice http_field_slice(const struct http_field *f) {
    return slice_make(f->text, f->len);
}

#endif
