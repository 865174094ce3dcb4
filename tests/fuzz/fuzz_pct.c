/* SPDX-License-Identifier: MIT */
/*
 * Percent-encoding: any bytes survive a round trip in both sets; decoding never grows the text.
 */
#include "base/pct.h"

#include <stdlib.h>

#define OUT_MAX (4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    struct buf text;
    struct buf back;
    buf_init(&text, OUT_MAX);
    buf_init(&back, OUT_MAX);
    for (enum pct_set set = PCT_UNRESERVED; set <= PCT_SEGMENT; set++) {
        require(pct_encode(input, set, &text, NULL) == EDGE_OK);
        require(pct_decode(buf_slice(&text), false, &back, NULL) == EDGE_OK);
        require(slice_eq(buf_slice(&back), input));
        require(slice_find(buf_slice(&text), '/') < 0 && slice_find(buf_slice(&text), '=') < 0);
        buf_reset(&text);
        buf_reset(&back);
    }
    enum edge_code plain = pct_decode(input, false, &back, NULL);
    require(plain == EDGE_OK || (plain == EDGE_PARSE && back.len == 0));
    require(back.len <= size);
    buf_reset(&back);
    require(pct_decode(input, true, &back, NULL) == plain);
    buf_clear(&text);
    buf_clear(&back);
    return 0;
}
