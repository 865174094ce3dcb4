/* SPDX-License-Identifier: MIT */
/*
 * Points in time for logs: what is taken is taken again in its plain form.
 */
#include "api/log_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[16];
    int32_t value;
    int32_t again;
    if (log_time_parse(slice_make(data, size), NOW, &value)) {
        (void)snprintf(text, sizeof(text), "%" PRId32, value);
        if (!log_time_parse(slice_str(text), NOW, &again) || again != value) {
            abort();
        }
    }
    return 0;
}
