/* SPDX-License-Identifier: MIT */
/*
 * The library has already split the head into lines; what is left is name, colon, value.
 */
#include "loop/http_fields.h"

#include <string.h>

void http_fields_reset(struct http_fields *f) {
    f->retry_after.len = 0;
    f->content_type.len = 0;
    f->date.len = 0;
}

static void http_field_set(struct http_field *f, struct slice value) {
    f->len = 0;
    if (value.len > 0 && value.len <= sizeof(f->text)) {
        memcpy(f->text, value.ptr, value.len);
        f->len = value.len;
    }
}

void http_fields_take(struct http_fields *f, struct slice line) {
    struct slice name;
    struct slice value;
    if (!slice_cut(line, ':', &name, &value)) {
        return;
    }
    value = slice_trim(value);
    if (slice_eq_nocase(name, "retry-after")) {
        http_field_set(&f->retry_after, value);
    } else if (slice_eq_nocase(name, "content-type")) {
        http_field_set(&f->content_type, value);
    } else if (slice_eq_nocase(name, "date")) {
        http_field_set(&f->date, value);
    }
}
