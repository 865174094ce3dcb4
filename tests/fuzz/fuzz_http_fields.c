/* SPDX-License-Identifier: MIT */
/*
 * Answer header lines as the HTTP client hands them on, and the Retry-After value that comes of
 * them.
 */
#include "loop/backoff.h"
#include "loop/http_fields.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define RETRY_MAX_MS 3600000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_fields f = {0};
    struct slice rest = slice_make(data, size);
    struct slice line;
    while (slice_cut(rest, '\n', &line, &rest)) {
        http_fields_take(&f, line);
    }
    http_fields_take(&f, rest);
    if (f.retry_after.len > HTTP_FIELDS_VALUE_MAX || f.date.len > HTTP_FIELDS_VALUE_MAX ||
        f.content_type.len > HTTP_FIELDS_VALUE_MAX) {
        abort();
    }
    struct slice wish = http_field_slice(&f.retry_after);
    if (backoff_retry_after_ms(wish, 784111777, RETRY_MAX_MS) > RETRY_MAX_MS) {
        abort();
    }
    return 0;
}
