/* SPDX-License-Identifier: MIT */
/*
 * Where the strings are in JSON that comes byte by byte. Pure; inside runtime/ only.
 */
#ifndef RUNTIME_DOCKER_QUOTE_H
#define RUNTIME_DOCKER_QUOTE_H

#include <stdbool.h>

/* Zeroed before the first byte. */
struct docker_quote {
    bool inside; /* of a string */
    bool escaped;
};

/* True while the byte belongs to a string, its quotes too. */
static inline bool docker_quote_step(struct docker_quote *q, char c) {
    if (!q->inside) {
        q->inside = c == '"';
        return q->inside;
    }
    if (q->escaped) {
        q->escaped = false;
    } else if (c == '\\') {
        q->escaped = true;
    } else if (c == '"') {
        q->inside = false;
    }
    return true;
}

/* White space between values. */
static inline bool docker_quote_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#endif
