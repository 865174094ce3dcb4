/* SPDX-License-Identifier: MIT */
/*
 * JSON in, JSON out, the same whatever the pieces; thinned out once more it does not grow.
 */
#include "base/json.h"
#include "runtime/docker_sieve.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const emptied[] = {"Env", "b", NULL};
static const struct docker_sieve_rule rule = {
    .object = "Labels", .keep = "net.", .emptied = emptied, .room = 64, .always = "net.x"};

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void thin_out(struct slice text, size_t piece, struct buf *out) {
    struct docker_sieve s;
    docker_sieve_init(&s, &rule);
    while (text.len > 0) {
        size_t len = text.len < piece ? text.len : piece;
        must(docker_sieve_feed(&s, slice_make(text.ptr, len), out, NULL) == EDGE_OK);
        text = slice_make(text.ptr + len, text.len - len);
    }
}

static bool is_json(struct slice text) {
    struct cJSON *root EDGE_CLEANUP(json_cleanup) = NULL;
    return json_parse_with_nul(text, &root, NULL) == EDGE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf whole EDGE_CLEANUP(buf_clear);
    struct buf pieces EDGE_CLEANUP(buf_clear);
    struct buf again EDGE_CLEANUP(buf_clear);

    buf_init(&whole, 2 * size); /* "b":1 becomes "b":null */
    buf_init(&pieces, 2 * size);
    buf_init(&again, 2 * size);
    if (size < 1) {
        return 0;
    }
    struct slice text = slice_make((const char *)data + 1, size - 1);
    thin_out(text, size, &whole);
    thin_out(text, (size_t)data[0] % 7 + 1, &pieces);
    must(whole.len == pieces.len);
    must(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
    must(!is_json(text) || is_json(buf_slice(&whole)));
    thin_out(buf_slice(&whole), size, &again);
    must(again.len <= whole.len);
    return 0;
}
