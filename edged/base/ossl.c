/* SPDX-License-Identifier: MIT */
/*
 * The first entry of the queue is the cause, those after it tell whom it went through; memory can
 * be short at any of them.
 */
#include "base/ossl.h"

#include <openssl/err.h>

static bool take(unsigned long *ret_first) {
    bool is_nomem = false;
    unsigned long number = ERR_get_error();
    *ret_first = number;
    for (; number != 0; number = ERR_get_error()) {
        is_nomem = is_nomem || ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE;
    }
    return is_nomem;
}

bool ossl_take_nomem(void) {
    unsigned long first;
    return take(&first);
}

enum edge_code ossl_failed(enum edge_code code, const char *what, struct edge_error *err) {
    unsigned long first;
    if (take(&first)) {
        return edge_set(err, EDGE_NOMEM, "out of memory");
    }
    return edge_set_native(err, code, EDGE_DOMAIN_OPENSSL, (int64_t)first, "%s", what);
}
